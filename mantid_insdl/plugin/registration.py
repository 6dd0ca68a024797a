"""The Mantid algorithms of this package: where their files are, and registering them from a script."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from mantid_insdl.errors import InsdlError, MantidMissingError


def plugin_directory() -> Path:
    """The folder that `insdl install` gives Mantid as a plugin directory (key `user.python.plugins.directories`).

    It holds one file an algorithm and nothing else, because Mantid loads every Python file it finds there.

    Raises
    ------
    InsdlError
        If the installation has none.
    """
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "algorithms", package.parent / "algorithms"):
        if (candidate / "DenoiseINS.py").is_file():
            return candidate
    raise InsdlError("the Mantid algorithms are missing", f"there is no folder algorithms in or beside {package}", "reinstall mantid_insdl")


def register() -> list[str]:
    """Make the algorithms known to Mantid and to `mantid.simpleapi`, for scripts and where no plugin directory is set.

    Safe to call again: the algorithms are replaced by themselves.

    Returns
    -------
    list of str
        The names of the algorithms.

    Raises
    ------
    MantidMissingError
        If Mantid cannot be imported.
    """
    try:
        from mantid import simpleapi
        from mantid.api import AlgorithmManager
    except ImportError as error:
        raise MantidMissingError(
            "the Mantid algorithms cannot be registered",
            f"Mantid cannot be imported in {sys.executable} ({error})",
            "run this in Workbench or in Mantid's own Python",
        ) from error
    names = []
    for file in sorted(plugin_directory().glob("*.py")):
        _load(file)  # its last line subscribes the class to Mantid's AlgorithmFactory, which replaces an earlier one
        algorithm = AlgorithmManager.createUnmanaged(file.stem)
        algorithm.initialize()
        simpleapi._create_algorithm_function(file.stem, algorithm.version(), algorithm)
        names.append(file.stem)
    return names


def _load(file: Path) -> ModuleType:
    """Run a plugin file as Mantid does: as a top-level module of the algorithm's name."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module
