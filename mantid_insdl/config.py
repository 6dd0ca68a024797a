"""The user's configuration file: a few lines of YAML, all optional.

It is looked for as

1. the file that the environment variable ``INSDL_CONFIG`` names, else
2. ``mantid_insdl/config.yaml`` in ``%APPDATA%`` on Windows, in ``$XDG_CONFIG_HOME`` or ``~/.config`` elsewhere. A variable that holds no
   absolute path is passed over, as the XDG specification asks.

::

    # the Python interpreter that runs the networks; TensorFlow is installed there
    python: /home/me/insdl-env/bin/python

The environment variable ``INSDL_PYTHON`` goes before the entry ``python``. Only `insdl install` and `insdl uninstall` write to the file.

The file says which program is run, so one that other users may write to is refused, and the path in it must not depend on the folder in
which a program is started.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mantid_insdl.errors import ConfigError
from mantid_insdl.untrusted.reading import Origin, read_text
from mantid_insdl.untrusted.text import LONGEST_YAML, yaml_of


class Config(NamedTuple):
    """The content of the configuration file, and where it was found."""

    python: str | None = None
    file: Path | None = None


def config_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where the configuration file is looked for; None if there is no home directory to look in."""
    if environment.get("INSDL_CONFIG"):
        return Path(os.path.expanduser(environment["INSDL_CONFIG"]))
    base = environment.get("APPDATA" if sys.platform == "win32" else "XDG_CONFIG_HOME", "")
    try:
        return (Path(base) if os.path.isabs(base) else Path("~/.config").expanduser()) / "mantid_insdl" / "config.yaml"
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
    origin = _origin(file)
    try:
        _require_own(file, origin)
        text = read_text(file, origin, LONGEST_YAML)
    except (FileNotFoundError, NotADirectoryError) as error:
        if not environment.get("INSDL_CONFIG"):
            return Config()
        raise ConfigError(
            f"there is no configuration file '{file}'", "INSDL_CONFIG names it", "create it, or unset INSDL_CONFIG"
        ) from error
    return parse_config(text, file)


def _origin(file: Path) -> Origin:
    return Origin(f"the configuration file '{file}'", ConfigError, "correct it, or remove it")


def _require_own(file: Path, origin: Origin) -> None:
    """Raise `ConfigError` where somebody else than the user and the system's administrator may write to a file."""
    try:
        found = os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, ValueError) as error:
        raise origin.refused(getattr(error, "strerror", None) or str(error)) from error
    if os.name != "posix":
        return
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise origin.refused("other users may write to it, and it says which program is run", f"run `chmod go-w '{file}'`")
    if found.st_uid not in (0, os.getuid()):
        raise origin.refused("it belongs to another user, and it says which program is run", "make one of your own")


def parse_config(text: str, file: Path) -> Config:
    """The configuration in a text.

    Raises
    ------
    ConfigError
        If it is wrong; `file` is named then.
    """
    content = yaml_of(text, _origin(file))
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
    if python is not None and not os.path.isabs(os.path.expanduser(python.strip())):
        raise ConfigError(
            f"the configuration file '{file}' is wrong",
            f"its entry 'python' is '{python}', and another folder may hold another file of that name",
            "give the whole path of the Python interpreter, from / on",
        )
    return Config(python, file)
