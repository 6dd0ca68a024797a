"""The user's configuration file: a few lines of YAML, all optional.

It is looked for as

1. the file that the environment variable ``INSDL_CONFIG`` names, else
2. ``mantid_insdl/config.yaml`` in ``%APPDATA%`` on Windows, in ``$XDG_CONFIG_HOME`` or ``~/.config`` elsewhere.

::

    # the Python interpreter that runs the networks; TensorFlow is installed there
    python: /home/me/insdl-env/bin/python

The environment variable ``INSDL_PYTHON`` goes before the entry ``python``. Only `insdl install` and `insdl uninstall` write to the file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mantid_insdl.errors import ConfigError


class Config(NamedTuple):
    """The content of the configuration file, and where it was found."""

    python: str | None = None
    file: Path | None = None


def config_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where the configuration file is looked for; None if there is no home directory to look in."""
    if environment.get("INSDL_CONFIG"):
        return Path(os.path.expanduser(environment["INSDL_CONFIG"]))
    base = environment.get("APPDATA" if sys.platform == "win32" else "XDG_CONFIG_HOME")
    try:
        return (Path(base) if base else Path("~/.config").expanduser()) / "mantid_insdl" / "config.yaml"
    except RuntimeError:  # no home directory
        return None


def read_config(environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration; all defaults if there is no file.

    Raises
    ------
    ConfigError
        If the file is unreadable or wrong, or if ``INSDL_CONFIG`` names one that does not exist.
    """
    file = config_file(environment)
    if file is None:
        return Config()
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        if not environment.get("INSDL_CONFIG"):
            return Config()
        raise ConfigError(
            f"there is no configuration file '{file}'", "INSDL_CONFIG names it", "create it, or unset INSDL_CONFIG"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"cannot read the configuration file '{file}'", reason or str(error), "correct it, or remove it") from error
    return parse_config(text, file)


def parse_config(text: str, file: Path) -> Config:
    """The configuration in a text.

    Raises
    ------
    ConfigError
        If it is wrong; `file` is named then.
    """
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"the configuration file '{file}' is not YAML", reason, "correct it, or remove it") from error
    if content is None:
        return Config(file=file)
    known = "the only entry is `python: PATH`"
    if not isinstance(content, dict):
        raise ConfigError(f"the configuration file '{file}' is wrong", "it must hold entries such as `name: value`", known)
    unknown = sorted(str(name) for name in content if name != "python")
    if unknown:
        raise ConfigError(f"the configuration file '{file}' is wrong", f"it has an unknown entry '{unknown[0]}'", known)
    python = content["python"]
    if python is not None and not (isinstance(python, str) and python.strip()):
        raise ConfigError(
            f"the configuration file '{file}' is wrong", "its entry 'python' is not a path", "give the path of a Python interpreter"
        )
    return Config(python, file)
