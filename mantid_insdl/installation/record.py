"""What an installation has changed, written down before the first change is made, so that it can be undone from wherever it stopped."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mantid_insdl._version import __version__
from mantid_insdl.errors import InstallationError
from mantid_insdl.installation.changes import Change, Folder, from_plain, missing_parents, read_file, to_plain

_FORMAT = 1


def data_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the record is, and what `insdl install` makes: ``mantid_insdl`` in ``%LOCALAPPDATA%`` on Windows, in ``$XDG_DATA_HOME`` or
    ``~/.local/share`` elsewhere.

    Raises
    ------
    InstallationError
        If there is no home directory.
    """
    base = environment.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_DATA_HOME", "")
    try:
        return (Path(base) if os.path.isabs(base) else Path("~/.local/share").expanduser()) / "mantid_insdl"
    except RuntimeError:
        raise InstallationError("there is no place for the installation", "no home directory is known", "set HOME") from None


@dataclass(frozen=True)
class Record:
    """What was done, and for which Mantid.

    Parameters
    ----------
    python, mantid
        The interpreter and the version of the Mantid that is served.
    changes
        In the order in which they were made.
    version
        Of this package, that made them.
    """

    python: str
    mantid: str
    changes: tuple[Change, ...]
    version: str = __version__

    def view(self, path: Path) -> bytes | None:
        """A file as it will be when this installation is taken back."""
        content = read_file(path)
        for change in self.changes:
            if not isinstance(change, Folder) and Path(change.path) == path:
                content = change.undone(content)
        return content

    def apply(self, step: Callable[[Change], None], keep: Sequence[Change] = ()) -> None:
        """Make all changes; where one fails, none is left.

        Parameters
        ----------
        step
            Makes one change.
        keep
            Changes that are left even then.

        Raises
        ------
        InstallationError
            Where a file cannot be written; and what `step` raises.
        """
        try:
            _save(self)
            for change in self.changes:
                step(change)
        except BaseException as error:
            with contextlib.suppress(InstallationError):  # what cannot be taken back now is still in the record
                self.undo(keep)
            if isinstance(error, OSError):
                raise _explained(error) from error
            raise

    def undo(self, keep: Sequence[Change] = ()) -> list[str]:
        """Take all changes back, the last first, and forget them.

        Parameters
        ----------
        keep
            Changes that are left, and stay in the record.

        Returns
        -------
        list of str
            What the user should know: files that were changed by others.

        Raises
        ------
        InstallationError
            Where something cannot be taken back; the record is still there then, and undoing can be tried again.
        """
        gone = [change for change in reversed(self.changes) if change not in keep]
        outer = [change for change in gone if isinstance(change, Folder) and not change.whole]  # some hold the record itself
        try:
            notes = [change.undo() for change in gone if change not in outer]
            if keep:
                _save(replace(self, changes=tuple(keep)))
            else:
                record_file().unlink(missing_ok=True)
                sweep()
            for change in outer:
                change.undo()
        except OSError as error:
            raise _explained(error) from error
        return [note for note in notes if note]


def record_file() -> Path:
    """Where the record is kept."""
    return data_folder() / "installation.json"


def load() -> Record | None:
    """The record of the present installation; None where nothing is installed.

    Raises
    ------
    InstallationError
        If there is one that cannot be read.
    """
    file = record_file()
    try:
        content = read_file(file)
        if content is None:
            return None
        stored = json.loads(content)
        if stored["format"] != _FORMAT:
            raise ValueError(f"it has the format {stored['format']}, and this version knows {_FORMAT}")
        changes = tuple(from_plain(one) for one in stored["changes"])
        return Record(str(stored["python"]), str(stored["mantid"]), changes, str(stored["version"]))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InstallationError(
            f"the record of the installation '{file}' cannot be read",
            f"{type(error).__name__}: {error}",
            "it says what `insdl install` has changed; if it is lost, docs/installation.md has what to take out by hand",
        ) from error


def _save(record: Record) -> None:
    """Write the record at once; its folder is made, and is one of its changes."""
    file = record_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    new = _unfinished()
    plain = {
        "format": _FORMAT,
        "version": record.version,
        "python": record.python,
        "mantid": record.mantid,
        "changes": [to_plain(change) for change in record.changes],
    }
    with new.open("w", encoding="utf-8") as stream:
        json.dump(plain, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)


def _unfinished() -> Path:
    return record_file().with_name(record_file().name + ".new")


def sweep() -> None:
    """Remove what an installation has left that was stopped before its record was complete: it has changed nothing else."""
    with contextlib.suppress(OSError):
        _unfinished().unlink()
    with contextlib.suppress(OSError):
        data_folder().rmdir()  # where it is empty


def record_folders() -> list[Folder]:
    """The folders that the record needs and that are not there yet."""
    return missing_parents(record_file())


def _explained(error: OSError) -> InstallationError:
    return InstallationError(
        f"cannot change '{error.filename or record_file()}'",
        (error.strerror or str(error)).lower(),
        "free some space or change the permissions, and run the command again",
    )
