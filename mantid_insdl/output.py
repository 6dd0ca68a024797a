"""Writing results so that nothing is ever left half-written.

Work goes into a temporary folder next to its destination and is moved there when all of it has succeeded. Whether the
destination can be written to shows before the work begins, not after it. Other files in an existing folder are left alone.
"""

from __future__ import annotations

import errno
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mantid_insdl.errors import OutputError
from mantid_insdl.untrusted.reading import Origin, read_text
from mantid_insdl.untrusted.text import LONGEST_JSON, json_of

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def staged_folder(target: str | Path, names: Iterable[str], *, last: str) -> Iterator[Path]:
    """A temporary folder whose files are moved into `target` at the end, or removed where the work did not succeed.

    Parameters
    ----------
    target
        The folder that shall hold the files; made where it does not exist.
    names
        The files that may be written. Where `target` holds them from an earlier run they are replaced, or removed when this run makes no
        such file; others are not touched.
    last
        The report, moved last: where it is new, the others are there. An existing folder that holds others of `names` but not this one is
        no result of an earlier run, and is refused. Its ``files`` tell which others the earlier run has made.

    Raises
    ------
    OutputError
        At once, where `target` is a file, cannot be written to, or holds somebody else's files of these names; later, where
        the disk is full.
    """
    target = Path(target)
    if target.exists() and not target.is_dir():
        raise OutputError(f"cannot write to '{target}'", "it is a file, not a folder", "give another folder with --output")
    foreign = [name for name in names if (target / name).exists()]
    if foreign and not (target / last).exists():
        raise OutputError(
            f"'{target / foreign[0]}' would be overwritten", "it is no earlier result of insdl", "give another folder with --output"
        )
    made = _make_folder(target)
    try:
        with _stage(target, f"cannot write to the folder '{target}'") as folder:
            yield folder
            with _explained(f"cannot write to the folder '{target}'"):
                new = sorted(folder.iterdir(), key=lambda path: (path.name == last, path.name))
                for name in made_earlier(target / last) & set(names) - {path.name for path in new}:
                    (target / name).unlink(missing_ok=True)
                for path in new:
                    path.replace(target / path.name)
    except BaseException:
        _remove_empty(made)
        raise


@contextmanager
def staged_file(target: str | Path) -> Iterator[Path]:
    """A temporary path with the name of `target`, whose file is moved to `target` at the end.

    Raises
    ------
    OutputError
        At once, where `target` is a folder or its folder cannot be written to; later, where the disk is full.
    """
    target = Path(target)
    if target.is_dir():
        raise OutputError(f"cannot write the file '{target}'", "it is a folder", "give a file name")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write the file '{target}'", f"the folder '{target.parent}' does not exist", "make it first")
    with _stage(target.parent, f"cannot write the file '{target}'") as folder:
        yield folder / target.name
        with _explained(f"cannot write the file '{target}'"):
            (folder / target.name).replace(target)


@contextmanager
def new_file(target: str | Path) -> Iterator[Path]:
    """A `staged_file` that replaces none.

    Raises
    ------
    OutputError
        At once, where `target` exists already or cannot be written to; later, where it was made meanwhile, or the disk is full.
    """
    target = Path(target)
    _refuse_existing(target)
    with staged_file(target) as path:
        yield path
        _refuse_existing(target)


def _refuse_existing(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise OutputError(f"cannot make the file '{target}'", "it exists already", "give another name, or remove it first")


def check_new_folder(target: str | Path) -> None:
    """Raise `OutputError` where the folder `target` exists already, or could not be made."""
    target = Path(target)
    if target.exists():
        raise OutputError(f"cannot make the folder '{target}'", "it exists already", "give another name, or remove it first")
    _remove_empty(_make_folder(target))


@contextmanager
def _stage(parent: Path, summary: str) -> Iterator[Path]:
    with _explained(summary):
        folder = parent / f".insdl-partial-{secrets.token_hex(8)}"
        folder.mkdir()  # with the permissions that the user's umask leaves: tempfile.mkdtemp would leave them to the user alone
    try:
        yield folder
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise OutputError(summary, "the disk is full", "free some space or write elsewhere") from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _explained(summary: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(summary, (error.strerror or str(error)).lower(), "write elsewhere or change the permissions") from error


def made_earlier(report: Path) -> set[str]:
    """The files that an earlier report lists as made by its run; none where it cannot be read: then they may be the user's own."""
    origin = Origin(f"the report '{report}'", OutputError)
    try:
        return {str(file["name"]) for file in json_of(read_text(report, origin, LONGEST_JSON), origin)["files"]}
    except (OutputError, OSError, LookupError, TypeError):
        return set()


def _make_folder(target: Path) -> list[Path]:
    """Make `target` and its missing parents; return those that are new, the innermost first."""
    missing = [path for path in (target, *target.parents) if not path.exists()]
    with _explained(f"cannot make the folder '{target}'"):
        target.mkdir(parents=True, exist_ok=True)
    return missing


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # somebody else has put a file there
            return
