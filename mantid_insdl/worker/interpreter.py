"""Which Python interpreter runs the worker, and in which environment."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from mantid_insdl.config import read_config
from mantid_insdl.errors import WorkerError

# What would make another interpreter load this one's modules or libraries.
_FOREIGN = (
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONEXECUTABLE",
    "PYTHONPLATLIBDIR",
    "__PYVENV_LAUNCHER__",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "DYLD_FRAMEWORK_PATH",
    "DYLD_INSERT_LIBRARIES",
    "HDF5_PLUGIN_PATH",
)


def find_interpreter() -> Path:
    """The interpreter for the worker: ``INSDL_PYTHON``, else ``python`` of the configuration file, else that of this process.

    A name without a folder is looked for on ``PATH``. Where this process is an application that embeds Python (Workbench may be one),
    `sys.executable` is not an interpreter; then it is the one of the installation that `sys.prefix` names.

    Raises
    ------
    WorkerError
        If it does not exist, or is not an executable file.
    ConfigError
        If the configuration file is wrong.
    """
    if os.environ.get("INSDL_PYTHON", "").strip():
        return _checked(os.environ["INSDL_PYTHON"].strip(), "INSDL_PYTHON")
    config = read_config()
    if config.python:
        return _checked(config.python, f"the entry 'python' of {config.file}")
    return own_interpreter()


def worker_environment(interpreter: Path) -> dict[str, str]:
    """The environment for the worker: this process's, without what would lead another interpreter to this one's libraries."""
    environment = dict(os.environ)
    if not _is_own(interpreter):
        for name in _FOREIGN:
            environment.pop(name, None)
    return environment | {"PYTHONUTF8": "1"}  # its log and its file names, whatever the locale


def _checked(text: str, source: str) -> Path:
    path = Path(os.path.expanduser(text))
    fix = f"give the path of a Python interpreter with TensorFlow as {source}, or run `insdl install` again"
    if len(path.parts) == 1 and not path.is_dir():
        found = shutil.which(text)
        if found is None:
            raise WorkerError(f"there is no Python interpreter '{text}'", "it is not on PATH", fix)
        path = Path(found)
    path = path.absolute()
    if path.is_dir():
        inside = next((p for p in pythons_in(path) if p.is_file()), None)
        raise WorkerError(f"'{text}' is not a Python interpreter", "it is a folder", f"did you mean '{inside}'?" if inside else fix)
    if not path.exists():
        raise WorkerError(f"there is no Python interpreter '{text}'", "the file does not exist", fix)
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise WorkerError(f"'{text}' is not a Python interpreter", "it is not an executable file", fix)
    return path


def own_interpreter() -> Path:
    """The interpreter of this process; where an application embeds Python, that of its installation.

    Raises
    ------
    WorkerError
        If there is none.
    """
    executable = Path(sys.executable or "")
    if executable.name.lower().startswith("python") and executable.is_file():
        return executable
    for candidate in (*pythons_in(Path(sys.prefix)), *pythons_in(Path(sys.base_prefix))):
        if candidate.is_file():
            return candidate
    raise WorkerError(
        "there is no Python interpreter for the networks",
        f"this process runs in the application '{sys.executable}', and {sys.prefix} has none",
        "set INSDL_PYTHON to the path of a Python interpreter with TensorFlow",
    )


def pythons_in(prefix: Path) -> tuple[Path, ...]:
    """Where the interpreter of an installation or of a virtual environment may be."""
    if sys.platform == "win32":
        return prefix / "python.exe", prefix / "Scripts" / "python.exe"
    return prefix / "bin" / "python3", prefix / "bin" / "python"


def _is_own(interpreter: Path) -> bool:
    """Whether it is this process's installation; a virtual environment made from it is another one."""
    own: Mapping[Path, None] = dict.fromkeys(
        path for path in (Path(sys.executable or os.devnull), *pythons_in(Path(sys.prefix))) if path.is_file()
    )
    return any(interpreter.parent.resolve() == path.parent.resolve() and interpreter.resolve() == path.resolve() for path in own)
