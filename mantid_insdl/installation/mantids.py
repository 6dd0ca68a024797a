"""Finding the Mantid that is to be served, and what has to be known of it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mantid_insdl.errors import InstallationError, MantidMissingError
from mantid_insdl.installation.asking import run_python
from mantid_insdl.installation.properties import values
from mantid_insdl.plugin import requirements
from mantid_insdl.worker.interpreter import own_interpreter

_PROBE = Path(__file__).with_name("probe.py")
_LIMIT = 300  # seconds; the first start of a Mantid from a network disk takes its time
_COMMANDS = ("mantidworkbench", "workbench", "mantidpython")
#: Where the installers of Mantid put it.
_USUAL = (
    (Path("/opt"), "[mM]antid*"),
    (Path("/Applications"), "Mantid*.app"),
    (Path("C:/"), "MantidInstall*"),
)


@dataclass(frozen=True)
class Mantid:
    """A Mantid.

    Parameters
    ----------
    interpreter, python
        Its own Python, and the version of that, such as 3.11.
    version
        Its version.
    properties, local_file, user_file
        The folder of its Mantid.properties, and the files that override it for the machine and for the user.
    interfaces
        The folder of the scripts of its Interfaces menu; None where it has no Workbench.
    package
        Version and plugin folder of the mantid_insdl that its Python has without our help, if any.
    lacking
        What this package needs and its Python has not: what there is instead, and the requirement.
    """

    interpreter: Path
    python: str
    version: str
    properties: Path
    local_file: Path
    user_file: Path
    interfaces: Path | None
    package: dict[str, str] | None
    lacking: tuple[tuple[str, str], ...]

    def shipped(self, key: str) -> str:
        """What Mantid and the machine's administrator give a key, before the user's own file."""
        return _value(key, self.properties / "Mantid.properties", self.local_file)

    def effective(self, key: str) -> str:
        """What a key is once Mantid has started."""
        return _value(key, self.properties / "Mantid.properties", self.local_file, self.user_file, *_last_file())

    def overriding(self, keys: Iterable[str]) -> str:
        """The file of the environment variable MANTIDPROPERTIES, where it overrides one of the keys; else nothing."""
        return next((str(file) for file in _last_file() if any(key in values(file.read_bytes()) for key in keys)), "")


def _value(key: str, *files: Path) -> str:
    """Of the last file that has the key."""
    given = (values(file.read_bytes()).get(key) for file in reversed(files) if file.is_file())
    return next((value for value in given if value is not None), "")


def _last_file() -> list[Path]:
    file = Path(os.environ.get("MANTIDPROPERTIES", ""))
    return [file] if file.is_file() else []


def find_mantid(place: str | Path | None = None) -> Mantid:
    """The Mantid at a place, else that of this very Python, else the only one on this computer.

    Parameters
    ----------
    place
        Its folder, its application, or its Python interpreter.

    Raises
    ------
    MantidMissingError
        If there is none, or it does not start.
    InstallationError
        If there is more than one to choose from.
    """
    if place is not None:
        return ask(_interpreter_of(Path(place).expanduser()))
    if _is_here():
        return ask(own_interpreter())
    found = list(dict.fromkeys(_installed()))
    if not found:
        raise MantidMissingError(
            "no Mantid was found",
            f"{sys.executable} has none, and none is on PATH or in the usual places",
            "say where it is: --mantid /opt/mantidworkbench",
        )
    if len(found) > 1:
        places = ", ".join(str(_root(python)) for python in found)
        raise InstallationError(f"there are {len(found)} Mantids", places, f"say which one: --mantid {_root(found[0])}")
    return ask(found[0])


def ask(interpreter: Path, added: Iterable[Path] = ()) -> Mantid:
    """What the Mantid of an interpreter says of itself.

    Parameters
    ----------
    interpreter
        Its own Python.
    added
        Folders that would be added to the end of its search path.

    Raises
    ------
    MantidMissingError
        If it has no Mantid, or one that does not start.
    """
    try:
        done = run_python(interpreter, _PROBE, requirements.__file__, *added, limit=_LIMIT)
        facts = json.loads(done.stdout.splitlines()[-1])
        reason = facts.get("error", "")
    except subprocess.TimeoutExpired:
        reason = f"it did not answer within {_LIMIT} s"
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, IndexError):
        reason = (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode} and no answer"])[-1]
    if reason:
        raise MantidMissingError(f"the Python interpreter '{interpreter}' gives no Mantid", reason, "say where another is: --mantid FOLDER")
    return Mantid(
        interpreter=interpreter,
        python=facts["python"],
        version=facts["version"],
        properties=Path(facts["properties"]),
        local_file=Path(facts["local_file"]),
        user_file=Path(facts["user_file"]),
        interfaces=Path(facts["interfaces"]) if facts["interfaces"] else None,
        package=facts["package"],
        lacking=tuple((has, wanted) for has, wanted in facts["lacking"]),
    )


def _is_here() -> bool:
    return importlib.util.find_spec("mantid") is not None


def _interpreter_of(place: Path) -> Path:
    if place.is_file():
        return place.absolute()
    python = next((path for path in _pythons(place) if path.is_file()), None)
    if python is None:
        reason = "there is no Python interpreter in it" if place.is_dir() else "it does not exist"
        raise MantidMissingError(
            f"'{place}' is no Mantid", reason, "give the folder in which Mantid is installed, or its Python interpreter"
        )
    return python.absolute()


def _pythons(place: Path) -> Iterator[Path]:
    """Where the interpreter is in an installation on Linux, of macOS's application, and on Windows."""
    for folder in (place / "bin", place, place / "Contents" / "Resources" / "bin"):
        for name in ("python", "python3", "python.exe"):
            yield folder / name


def _installed() -> Iterator[Path]:
    """The interpreters of the Mantids on PATH and in the usual places."""
    commands = (shutil.which(name) for name in _COMMANDS)
    places = [Path(command).resolve().parents[1] for command in commands if command]
    if os.environ.get("CONDA_PREFIX"):
        places.append(Path(os.environ["CONDA_PREFIX"]))
    for folder, pattern in _USUAL:
        places += sorted(folder.glob(pattern)) if folder.is_dir() else []
    for place in places:
        python = next((path for path in _pythons(place) if path.is_file()), None)
        if python is not None and (python.parent / "Mantid.properties").is_file():
            yield python.parent.resolve() / python.name


def _root(python: Path) -> Path:
    return python.parent.parent if python.parent.name == "bin" else python.parent
