"""HDF5 files that hold all that they show: no link to another file, no values kept in another file, no more than can be looked through.

h5py is imported inside the functions: a Mantid process that carries another HDF5 library must be able to import this package.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mantid_insdl.untrusted.reading import Origin, open_regular, size_text

if TYPE_CHECKING:
    import h5py

MOST_OBJECTS = 100_000
"""Groups and datasets of one file."""
LARGEST_COLLECTION = 50_000_000
"""Bytes of a collection of texts of variable length, which HDF5 reads as a whole for any of them; usual are 4096."""

_FIX = "write a file that holds its data itself (in Mantid: load it and save it again)"


def own_datasets(file: h5py.File, origin: Origin) -> Iterator[h5py.Dataset]:
    """All datasets of a file, each once, after all its links have been looked at. Nothing of their values is read.

    Raises
    ------
    InsdlError
        There are external links, links of a kind of its own, values in external files, virtual datasets, or too many objects.
    """
    import h5py

    names = [name for name, kind in _links(file, origin) if kind == h5py.h5l.TYPE_HARD]
    for name in names:
        node = h5py.h5o.open(file.id, name)
        if isinstance(node, h5py.h5d.DatasetID):
            created = node.get_create_plist()
            shown = f"'{name.decode(errors='replace')[:80]}' in it"
            if created.get_layout() == h5py.h5d.VIRTUAL:
                raise origin.refused(f"{shown} is a virtual dataset, whose values are in other files or datasets", _FIX)
            if created.get_external_count():
                raise origin.refused(f"the values of {shown} are kept in another file", _FIX)
            yield h5py.Dataset(node)


def _links(file: h5py.File, origin: Origin) -> list[tuple[bytes, int]]:
    """Name and kind of each link, those of a group that several links lead to once."""
    import h5py

    found: list[tuple[bytes, int]] = []

    def visit(name: bytes, link: h5py.h5l.LinkInfo) -> bool | None:
        found.append((name, link.type))
        return True if link.type not in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT) or len(found) > MOST_OBJECTS else None

    stopped = file.id.links.visit(visit, info=True)
    if len(found) > MOST_OBJECTS:
        raise origin.refused(f"it holds more than {MOST_OBJECTS} groups and datasets")
    if stopped:
        raise origin.refused(f"'{found[-1][0].decode(errors='replace')[:80]}' in it is a link to another file", _FIX)
    return found


def require_own(file: h5py.File, origin: Origin) -> None:
    """Raise as `own_datasets`."""
    for _ in own_datasets(file, origin):
        pass


def require_short_texts(path: Path, origin: Origin) -> None:
    """Refuse a file that may hold an endless text of variable length: HDF5 tells how long one is only after reading it.

    Such texts lie in collections, which begin with "GCOL", a version, three zeros and their size in 8 bytes (HDF5 File Format Specification
    3.0, III.E). Whatever looks like a large one is refused, wherever in the file it is, and whatever looks like a damaged one, in which
    HDF5 may go round in circles. Holes are passed over, a file of holes is quick.

    Raises
    ------
    InsdlError
        There is a collection of more than `LARGEST_COLLECTION`, or one whose texts do not fill it one after the other.
    """
    with open_regular(path, origin) as file:
        length = left = os.fstat(file.fileno()).st_size
        for start, end in _written(file.fileno(), length):
            for place, size in _collections(file, start, end):
                if size > LARGEST_COLLECTION:
                    reason = f"texts of variable length in it may have {size_text(size)} and {size_text(LARGEST_COLLECTION)} are allowed"
                    raise origin.refused(reason, "write it with shorter texts")
                left -= size  # no two collections overlap
                if left < 0 or not _is_filled(os.pread(file.fileno(), size, place), size):
                    raise origin.refused("a collection of texts of variable length in it is damaged", "copy or write the file again")


_COLLECTION = b"GCOL\x01\0\0\0"
_HEAD = 16  # bytes, of a collection and of each text in it


def _is_filled(collection: bytes, size: int) -> bool:
    """Whether the texts of a collection follow one another up to its end: each has a number, 0 for what is free, and a length."""
    place = _HEAD
    while place + _HEAD <= size:
        number, length = struct.unpack_from("<H6xQ", collection, place)
        step = _HEAD + (length + 7) // 8 * 8 if number else length
        if step < _HEAD or place + step > size:
            return False
        place += step
    return True


def _collections(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Place and size of whatever looks like a collection in a part of a file."""
    for begin in range(start, end, _BLOCK):
        size = min(_BLOCK, end - begin)
        file.seek(begin)
        block = file.read(size + _HEAD)  # with the first bytes of the next: a collection may begin at its end
        place = block.find(_COLLECTION)
        while 0 <= place < size:
            yield begin + place, int.from_bytes(block[place + len(_COLLECTION) : place + _HEAD], "little")
            place = block.find(_COLLECTION, place + 1)


_BLOCK = 2**24


def _written(descriptor: int, length: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that are no holes, where the system tells."""
    if not hasattr(os, "SEEK_DATA"):
        yield 0, length
        return
    end = 0
    while end < length:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:  # nothing but a hole is left
            return
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end
