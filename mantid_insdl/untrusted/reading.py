"""Opening files: regular ones only, up to a size."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from mantid_insdl.errors import InsdlError

MOST_VALUES = 50_000_000
"""Values of one array, whatever the format of its file (0.4 GB as float64)."""

_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISLNK, "a link"))


class Origin(NamedTuple):
    """Where something comes from, for the errors about it.

    Parameters
    ----------
    what
        What it is called in a message, as "the card 'card.json'".
    error
        The class of its errors.
    fix
        What the user can do where nothing better is known.
    """

    what: str
    error: type[InsdlError]
    fix: str = "correct it"

    def refused(self, reason: str, fix: str = "") -> InsdlError:
        """The error that says why it cannot be read."""
        return self.error(f"cannot read {self.what}", " ".join(reason.split()), fix or self.fix)


def open_regular(path: str | Path, origin: Origin, *, follow: bool = True) -> BufferedReader:
    """A regular file, open for reading; a pipe or a device is refused, and neither waited for nor read.

    Parameters
    ----------
    path
        The file.
    follow
        Whether it may be a link to a regular file.

    Raises
    ------
    FileNotFoundError
        There is none, which may mean different things to the caller.
    InsdlError
        It is something else, or cannot be opened.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        _require_regular(os.stat(path) if follow else os.lstat(path), origin)
        opened = os.open(path, flags | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise origin.refused(getattr(error, "strerror", None) or str(error)) from error
    try:
        _require_regular(os.fstat(opened), origin)  # it may have been exchanged in between
        return os.fdopen(opened, "rb")
    except BaseException:
        os.close(opened)
        raise


def _require_regular(found: os.stat_result, origin: Origin) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((words for is_kind, words in _KINDS if is_kind(found.st_mode)), "a device")
        raise origin.refused(f"it is {kind} and not a regular file", "give the file itself")


def read_bytes(path: str | Path, origin: Origin, limit: int, *, follow: bool = True) -> bytes:
    """The contents of a regular file of up to `limit` bytes; raises as `open_regular`."""
    with open_regular(path, origin, follow=follow) as file:
        try:
            contents = file.read(limit + 1)
        except OSError as error:
            raise origin.refused(error.strerror or str(error)) from error
    if len(contents) > limit:
        raise origin.refused(f"it is larger than {size_text(limit)}", "give the right file, or a shorter one")
    return contents


def read_text(path: str | Path, origin: Origin, limit: int, *, follow: bool = True) -> str:
    """The same as UTF-8 text."""
    try:
        return read_bytes(path, origin, limit, follow=follow).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise origin.refused("it is not UTF-8 text") from error


def size_text(size: int) -> str:
    """A number of bytes in words."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"
