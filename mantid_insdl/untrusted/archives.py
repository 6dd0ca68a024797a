"""Zip archives and the numpy arrays in them, with the sizes they unpack to known before they are unpacked."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mantid_insdl.errors import InsdlError
from mantid_insdl.untrusted.reading import MOST_VALUES, Origin, open_regular, size_text

MOST_MEMBERS = 10_000
"""Files in one archive."""

LARGEST_ARRAY = 8 * MOST_VALUES
"""Bytes of one array."""


class Readable(Protocol):
    """What arrays are read from: a file, a member of an archive, a pipe."""

    def read(self, size: int, /) -> bytes: ...


_PLAIN = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED = 0x1
_PIECE = 1 << 24


@contextmanager
def open_archive(path: str | Path, origin: Origin, budget: int, *, follow: bool = True) -> Iterator[zipfile.ZipFile]:
    """A zip archive whose members are known to be plain, each there once, and to unpack to `budget` bytes or less together.

    Whatever is found wrong while it is open becomes an error of `origin`.
    """
    with open_regular(path, origin, follow=follow) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _require_plain(archive, origin, budget)
                yield archive
        except InsdlError:
            raise
        except MemoryError as error:
            raise origin.refused("it needs more memory than there is", "give a smaller one") from error
        # NotImplementedError (a RuntimeError): members that zipfile does not know; UnicodeDecodeError (a ValueError): their names
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, LookupError, RuntimeError, ValueError) as error:
            raise origin.refused(f"it is truncated or damaged ({str(error) or type(error).__name__})") from error


def _require_plain(archive: zipfile.ZipFile, origin: Origin, budget: int) -> None:
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise origin.refused(f"it holds {len(members)} files, and {MOST_MEMBERS} are allowed")
    if len({member.filename for member in members}) < len(members):
        raise origin.refused("it holds two files of the same name")
    for member in members:
        if member.flag_bits & _ENCRYPTED:
            raise origin.refused(f"'{member.filename[:80]}' in it is encrypted", "save it without a password")
        if member.compress_type not in _PLAIN:
            raise origin.refused(f"'{member.filename[:80]}' in it is compressed in a way that is not known", "save it with numpy.savez")
    total = sum(member.file_size for member in members)
    if total > budget:
        raise origin.refused(f"it unpacks to {size_text(total)}, and {size_text(budget)} are allowed", "give a smaller one")


def read_npz(
    path: str | Path, origin: Origin, budget: int, *, wanted: Collection[str] | None = None, follow: bool = True
) -> dict[str, Any]:
    """The arrays of an npz file by their names: plain numbers and texts, no Python objects.

    Parameters
    ----------
    path, origin
        The file, and what it is called.
    budget
        Bytes that all of it may unpack to.
    wanted
        Names of arrays, or of their beginnings where they end with ``*``; all by default.

    Raises
    ------
    InsdlError
        It is no such file.
    """
    with open_archive(path, origin, budget, follow=follow) as archive:
        names = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        if not names:
            raise origin.refused("it is a zip archive but no npz file, for it holds no numpy array", "write it with numpy.savez")
        arrays = {}
        for key, name in names.items():
            if wanted is None or key in wanted or any(key.startswith(one[:-1]) for one in wanted if one.endswith("*")):
                with archive.open(name) as stream:
                    arrays[key] = read_npy(stream, f"'{key}'", origin)
        if not arrays:
            raise origin.refused(f"it holds only {', '.join(sorted(names)[:8])}"[:300], "name the arrays as docs/files.md says")
        return arrays


def read_npy(stream: Readable, name: str, origin: Origin) -> np.ndarray:
    """The next array of a stream in numpy's format, its type and size looked at before memory is taken for it.

    Raises
    ------
    EOFError
        The stream ends before the array does.
    InsdlError
        It is no array of numbers or text, or a larger one than `LARGEST_ARRAY`.
    """
    shape, fortran, dtype = _header(stream, name, origin)
    if dtype.hasobject:
        raise origin.refused(f"{name} holds pickled Python objects, which could run code", "save plain arrays of numbers")
    if dtype.kind not in "fiubUS":
        raise origin.refused(f"{name} has the type {dtype}"[:200], "save real numbers")
    count = math.prod(int(length) for length in shape)
    size = count * dtype.itemsize
    if count > MOST_VALUES or size > LARGEST_ARRAY:
        values = f"{name} has {' x '.join(map(str, shape))} = {count:.3g} values"
        limit = f"the limit is {MOST_VALUES:.3g} values and {size_text(LARGEST_ARRAY)}"
        raise origin.refused(f"{values}, {size_text(size)}, and is too large; {limit}", "cut or rebin the data to a smaller map first")
    data = bytearray()  # grows with what is there, not with what is announced
    while len(data) < size:
        piece = stream.read(min(_PIECE, size - len(data)))
        if not piece:
            raise EOFError(f"{name} is shorter than its shape")
        data += piece
    if not size:
        return np.empty(shape, dtype)
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    array.flags.writeable = False
    return array


def _header(stream: Any, name: str, origin: Origin) -> tuple[tuple[int, ...], bool, np.dtype]:
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        version = np.lib.format.read_magic(stream)
    except ValueError as error:
        raise origin.refused(f"{name} is no numpy array") from error
    if version not in headers:
        raise origin.refused(f"{name} is of the npy version {version}")
    try:
        shape, fortran, dtype = headers[version](stream)
    except EOFError:
        raise
    except Exception as error:  # numpy reads the header as Python text: tokenizer, parser and dtype raise whatever they like
        raise origin.refused(f"the header of {name} cannot be read") from error
    if len(shape) > 32 or not all(isinstance(length, int) and 0 <= length < 2**63 for length in shape):
        raise origin.refused(f"the header of {name} cannot be read")
    return shape, fortran, dtype
