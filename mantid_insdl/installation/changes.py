"""The changes that an installation makes to a computer, each of which can be undone whatever has happened in between.

Before and after are kept as bytes. Where a file is neither, somebody has changed it since: of a properties file, which Workbench writes
again at its exit, only our values are taken out then; any other file is left alone. Both are said.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mantid_insdl.installation.properties import without_elements

#: Of the file beside the one to be written, which takes its place once it is complete.
_NEW = ".insdl-new"

Reader = Callable[[Path], "bytes | None"]


def read_file(path: Path) -> bytes | None:
    """The content of a file; None where there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()


@dataclass(frozen=True)
class Folder:
    """A folder that was not there.

    Parameters
    ----------
    path
        Where.
    whole
        Whether everything in it is ours: then it is removed with it, else only where it is empty.
    """

    path: str
    whole: bool = False
    kind: str = "folder"

    def apply(self) -> None:
        Path(self.path).mkdir(exist_ok=True)

    def undo(self) -> str:
        """Take it back; what the user should know about that, or nothing."""
        path = Path(self.path)
        if self.whole:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(path)
        else:
            with contextlib.suppress(OSError):  # not empty, or gone already
                path.rmdir()
        return ""

    def undone(self, content: bytes | None) -> bytes | None:
        return content

    @property
    def in_place(self) -> bool:
        return Path(self.path).is_dir()

    @property
    def words(self) -> str:
        return f"make the folder {self.path}"


@dataclass(frozen=True)
class File:
    """A file to be written.

    Parameters
    ----------
    path
        Where; a link is followed.
    before, after
        The whole content, each byte as the character of its number (Latin-1); before is None where there was no file.
    added
        Of a properties file, the element that each key was given.
    what
        What is written, in words.
    """

    path: str
    before: str | None
    after: str
    added: Mapping[str, str] = field(default_factory=dict)
    what: str = ""
    kind: str = "file"

    @classmethod
    def of(cls, path: Path, before: bytes | None, after: bytes, what: str, added: Mapping[str, str] | None = None) -> File:
        """From the contents as bytes."""
        return cls(str(path), None if before is None else before.decode("latin-1"), after.decode("latin-1"), dict(added or {}), what)

    def apply(self) -> None:
        self._write(self.after.encode("latin-1"))

    def undo(self) -> str:
        """Take it back; what the user should know about that, or nothing."""
        path = self._real_path
        _remove(path.with_name(path.name + _NEW))
        current = read_file(path)
        restored = self.undone(current)
        if restored is None:
            _remove(path)
        elif restored != current:
            self._write(restored)
        if current is None and self.before is not None:
            return f"{self.path} is gone; nothing was taken out of it."
        if current in (None, self._before, self.after.encode("latin-1")):
            return ""
        if self.added:
            return f"{self.path} has been written since, as Workbench does at its exit: only the values of mantid_insdl were taken out."
        return f"{self.path} has been changed since, and was left as it is."

    def undone(self, content: bytes | None) -> bytes | None:
        """What is left of a content of this file when this change is taken back."""
        if content is None or content == self._before:
            return content
        if content == self.after.encode("latin-1"):
            return self._before
        if self.added:
            return without_elements(content, self.added, self._before or b"", self.after.encode("latin-1"))
        return content

    @property
    def in_place(self) -> bool:
        return read_file(self._real_path) == self.after.encode("latin-1")

    @property
    def words(self) -> str:
        return f"{'write' if self.before is None else 'change'} {self.path}: {self.what}"

    @property
    def _before(self) -> bytes | None:
        return None if self.before is None else self.before.encode("latin-1")

    @property
    def _real_path(self) -> Path:
        return Path(os.path.realpath(self.path))

    def _write(self, content: bytes) -> None:
        """Replace the file at once, with the permissions that it has: a computer that stops leaves the old or the new one."""
        path = self._real_path
        new = path.with_name(path.name + _NEW)
        try:
            with new.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                shutil.copymode(path, new)
            else:  # a configuration that others may write to is refused: it says which program is run
                new.chmod(new.stat().st_mode & ~0o022)
            new.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                _remove(new)
            raise


Change = Folder | File


def to_plain(change: Change) -> dict[str, Any]:
    """A change as plain values, for the record."""
    return asdict(change)


def from_plain(stored: Mapping[str, Any]) -> Change:
    """A change from plain values."""
    return {"folder": Folder, "file": File}[stored["kind"]](**stored)


def missing_parents(path: Path) -> list[Folder]:
    """The folders that must be made before a file can be written, the outermost first."""
    return [Folder(str(one)) for one in reversed(path.parents) if not one.exists()]
