"""Opening HDF5 files and taking things out of them, with an error a user understands when that fails.

h5py is imported inside the functions: a Mantid process that carries another HDF5 library must be able to import this package.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mantid_insdl.errors import FileFormatError

if TYPE_CHECKING:
    import h5py

#: Largest number of values that is read from one dataset (0.4 GB as float64).
MAX_VALUES = 50_000_000

_DAMAGED = "copy or write the file again"


def check_size(shape: tuple[int, ...], what: str, path: Path) -> None:
    """Refuse arrays above `MAX_VALUES` before memory is taken for them."""
    values = int(np.prod(shape, dtype=object))
    if values > MAX_VALUES:
        size = " x ".join(str(n) for n in shape)
        raise FileFormatError(
            f"'{path.name}' is too large",
            f"{what} has {size} = {values:.3g} values and the limit is {MAX_VALUES:.3g}",
            "cut or rebin the data to a smaller map first",
        )


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """The file, open for reading; whatever HDF5 finds wrong while it is open becomes a `FileFormatError`."""
    import h5py

    try:
        # best-effort: many network file systems have no locks
        with h5py.File(path, "r", locking="best-effort") as file:
            yield file
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:  # h5py raises any of these for damaged files
        raise _explained(path, error) from error


def _explained(path: Path, error: Exception) -> FileFormatError:
    message = str(error)
    if "lock file" in message or "already open" in message:
        return FileFormatError(f"cannot read '{path.name}'", "a program has it open for writing", "wait until it is closed")
    if "truncated" in message:
        return FileFormatError(f"cannot read '{path.name}'", "it is truncated", _DAMAGED)
    return FileFormatError(f"cannot read '{path.name}'", f"it is damaged ({_last_words(error)})", _DAMAGED)


def _last_words(error: Exception) -> str:
    """The part of an HDF5 message that says something: the text in its parentheses."""
    text = str(error)
    return text[text.find("(") + 1 : text.rfind(")")] if "(" in text else text


def where(node: h5py.Group | h5py.Dataset) -> Path:
    """The file that a group or dataset belongs to."""
    return Path(node.file.filename)


def text(value: Any) -> str:
    """A string out of what HDF5 may give for one: bytes, str, or arrays of one of them."""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    return str(value).strip(" \t\0")


def attribute(node: h5py.Group | h5py.Dataset, name: str) -> str:
    """A text attribute; empty where absent."""
    return text(node.attrs[name]) if name in node.attrs else ""


def groups(parent: h5py.Group) -> dict[str, h5py.Group]:
    """The groups directly below `parent` (broken links left out)."""
    import h5py

    found = ((name, parent.get(name)) for name in parent)
    return {name: node for name, node in found if isinstance(node, h5py.Group)}


def dataset(parent: h5py.Group, name: str) -> h5py.Dataset | None:
    """The dataset of that name, or None where there is none."""
    import h5py

    node = parent.get(name)
    return node if isinstance(node, h5py.Dataset) else None


def read_text(parent: h5py.Group, name: str) -> str:
    """A text dataset; empty where absent."""
    node = dataset(parent, name)
    return "" if node is None else text(node[()])


def read_array(parent: h5py.Group, name: str, ndim: int | None = None) -> np.ndarray:
    """A numeric dataset as float64.

    Raises
    ------
    FileFormatError
        When it is absent, not numeric, of another rank than `ndim`, or larger than `MAX_VALUES`.
    """
    path, node = where(parent), dataset(parent, name)
    label = f"{parent.name.rstrip('/')}/{name}"
    if node is None:
        raise FileFormatError(f"'{path.name}' has no dataset '{label}'", "its kind of file needs one", _DAMAGED)
    if node.dtype.kind not in "fiub":
        raise FileFormatError(f"'{path.name}' cannot be used", f"dataset '{label}' holds no numbers", _DAMAGED)
    if ndim is not None and node.ndim != ndim:
        raise FileFormatError(
            f"'{path.name}' has a dataset of a wrong shape", f"'{label}' has {node.ndim} dimensions and needs {ndim}", _DAMAGED
        )
    check_size(node.shape, f"'{label}'", path)
    return np.asarray(node[()], dtype=float)
