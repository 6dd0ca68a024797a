"""HDF5 files that hold all that they show: no link to another file, no values kept in another file, no more than can be looked through.

h5py is imported inside the functions: a Mantid process that carries another HDF5 library must be able to import this package.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mantid_insdl.untrusted.reading import Origin

if TYPE_CHECKING:
    import h5py

MOST_OBJECTS = 100_000
"""Groups and datasets of one file."""

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
