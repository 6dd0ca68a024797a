"""What there is of an installation: each piece present, missing, or of another version, and whether a call through the worker works."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mantid_insdl._version import __version__
from mantid_insdl.errors import InsdlError
from mantid_insdl.installation import launcher, record
from mantid_insdl.installation.asking import run_python
from mantid_insdl.installation.environment import examine, locked
from mantid_insdl.installation.mantids import Mantid, ask, find_mantid
from mantid_insdl.installation.properties import INTERFACES, PLUGINS, SCRIPTS, elements, same_element
from mantid_insdl.installation.record import Record
from mantid_insdl.installation.trial import PROGRAM
from mantid_insdl.worker.interpreter import find_interpreter

PRESENT, MISSING, OTHER_VERSION = "present", "missing", "other version"
OLDEST_TENSORFLOW = (2, 20)

_LIMIT = 300


class Piece(NamedTuple):
    """A piece of an installation: its name, its state, and what there is or what to do."""

    name: str
    state: str
    detail: str


def pieces(place: Path | None = None) -> Iterator[Piece]:
    """All pieces, one after the other as they are found out.

    Parameters
    ----------
    place
        Where the Mantid is; without it the one that was installed for, else see `find_mantid`.
    """
    installed = record.load()
    yield _installation(installed)
    try:
        mantid = find_mantid(place or (Path(installed.python) if installed else None))
    except InsdlError as error:
        yield Piece("Mantid", MISSING, str(error))
        yield _networks()
        return
    yield _mantid(mantid, installed)
    scripts = [Path(one) for one in elements(SCRIPTS, mantid.effective(SCRIPTS))]
    started = ask(mantid.interpreter, scripts)
    yield _package(started)
    yield _algorithms(started)
    yield from _menu(mantid)
    yield _networks()
    yield _call(mantid, scripts)


def _installation(installed: Record | None) -> Piece:
    if installed is None:
        return Piece("installation", MISSING, "nothing was installed by `insdl install`")
    detail = f"by mantid_insdl {installed.version} for Mantid {installed.mantid} ({record.record_file()})"
    if installed.version != __version__:
        return Piece("installation", OTHER_VERSION, f"{detail}; this is {__version__}: run `insdl install` again")
    return Piece("installation", PRESENT, detail)


def _mantid(mantid: Mantid, installed: Record | None) -> Piece:
    workbench = "" if mantid.interfaces else " and without Workbench"
    detail = f"{mantid.version} with Python {mantid.python}{workbench} ({mantid.interpreter})"
    if installed and installed.mantid != mantid.version:
        return Piece("Mantid", OTHER_VERSION, f"{detail}; it was {installed.mantid}: run `insdl install` again")
    return Piece("Mantid", PRESENT, detail)


def _package(mantid: Mantid) -> Piece:
    name = "package"
    if mantid.package is None:
        return Piece(name, MISSING, "Mantid's Python does not find mantid_insdl: run `insdl install`")
    if mantid.package["version"] != __version__:
        return Piece(name, OTHER_VERSION, f"Mantid's Python has mantid_insdl {mantid.package['version']}, and this is {__version__}")
    if mantid.lacking:
        has, wanted = (" and ".join(part) for part in zip(*mantid.lacking, strict=True))
        return Piece(name, MISSING, f"Mantid's Python has {has}, and {wanted} is needed: run `insdl install`")
    return Piece(name, PRESENT, f"mantid_insdl {__version__} in Mantid's Python")


def _algorithms(mantid: Mantid) -> Piece:
    wanted = (mantid.package or {}).get("algorithms") or "the folder of the algorithms"
    for folder in elements(PLUGINS, mantid.effective(PLUGINS)):
        place = mantid.properties / folder
        if same_element(place.as_posix(), Path(wanted).as_posix()):
            return Piece("algorithms", PRESENT, folder)
        if (place / "ClassifyMagneticModel.py").is_file():
            return Piece("algorithms", OTHER_VERSION, f"{PLUGINS} names {folder}, and not {wanted}")
    return Piece("algorithms", MISSING, f"{PLUGINS} does not name {wanted}: run `insdl install`")


def _menu(mantid: Mantid) -> Iterator[Piece]:
    if mantid.interfaces is None:  # no Workbench, no menu
        return
    path = mantid.interfaces / launcher.NAME
    try:
        same = path.read_text(encoding="utf-8") == launcher.TEXT
        yield Piece("launcher", PRESENT if same else OTHER_VERSION, str(path))
    except (OSError, UnicodeDecodeError):
        yield Piece("launcher", MISSING, f"there is no {path}; to open the panel: {launcher.BY_HAND}")
    listed = elements(INTERFACES, mantid.effective(INTERFACES))
    if launcher.ENTRY not in listed:
        yield Piece("menu entry", MISSING, f"{INTERFACES} does not name {launcher.ENTRY}")
        return
    new = [one for one in elements(INTERFACES, mantid.shipped(INTERFACES)) if one not in listed]
    if new:
        yield Piece("menu entry", OTHER_VERSION, f"the list lacks {', '.join(new)} of this Mantid: run `insdl install` again")
    else:
        yield Piece("menu entry", PRESENT, launcher.ENTRY)


def _networks() -> Piece:
    name = "TensorFlow"
    try:
        found = examine(find_interpreter())
    except InsdlError as error:
        return Piece(name, MISSING, f"{error} Or run `insdl install` again.")
    if found.problem:
        return Piece(name, MISSING, f"the networks cannot run with {found.interpreter}: {found.problem}; run `insdl install` again")
    detail = f"{found.tensorflow} ({found.interpreter}); tested with {locked()['tensorflow-cpu']}"
    old = tuple(int(number) for number in re.findall(r"\d+", found.tensorflow)[:2]) < OLDEST_TENSORFLOW
    return Piece(name, OTHER_VERSION if old else PRESENT, detail)


def _call(mantid: Mantid, scripts: list[Path]) -> Piece:
    name = "a call"
    try:
        done = run_python(mantid.interpreter, "-c", PROGRAM, *scripts, limit=_LIMIT)
        answer = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return Piece(name, MISSING, f"no answer within {_LIMIT} s")
    except (OSError, ValueError, IndexError):
        last = done.stderr.strip().splitlines() or ["no answer"]
        return Piece(name, MISSING, f"Mantid's Python could not make it: {last[-1]}")
    if "error" in answer:
        return Piece(name, MISSING, answer["error"])
    shape = " x ".join(str(size) for size in answer["shape"])
    return Piece(name, PRESENT, f"a map of {shape} pixels was simulated and denoised by the worker in {answer['seconds']:.0f} s")
