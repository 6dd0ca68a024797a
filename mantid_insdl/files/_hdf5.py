"""Opening HDF5 files and taking things out of them, with an error a user understands when that fails.

h5py is imported inside the functions: a Mantid process that carries another HDF5 library must be able to import this package.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mantid_insdl.errors import FileFormatError, InsdlError, printable
from mantid_insdl.untrusted.hdf5 import require_own, require_short_texts
from mantid_insdl.untrusted.reading import MOST_VALUES, Origin, size_text

if TYPE_CHECKING:
    import h5py

#: Largest number of values that is read from one dataset.
MAX_VALUES = MOST_VALUES

#: Largest number of values that is read from one file: intensities, errors, events and mask of a map of `MAX_VALUES`.
MAX_TOTAL = 4 * MAX_VALUES

#: Bytes of one chunk, which HDF5 unpacks as a whole even where one value of it is read.
MAX_CHUNK = 8 * MAX_VALUES

#: Bytes of one text.
MAX_TEXT = 100_000

_DAMAGED = "copy or write the file again"

_left: ContextVar[int] = ContextVar("_left", default=MAX_TOTAL)
"""Values that may still be read from the file that is open."""

_short: ContextVar[bool] = ContextVar("_short", default=False)
"""Whether the texts of variable length of the file that is open are known to be short."""


def check_size(shape: tuple[int, ...], what: str, path: Path) -> None:
    """Refuse arrays above `MAX_VALUES` before memory is taken for them."""
    values = int(np.prod(shape, dtype=object))
    if values > MAX_VALUES:
        size = " x ".join(str(n) for n in shape)
        raise FileFormatError(
            f"'{path.name}' is too large",
            f"{what} has {size} = {values:.3g} values and the limit is {MAX_VALUES:.3g}",
            _CUT,
        )


_CUT = "cut or rebin the data to a smaller map first"


def _spend(node: h5py.Dataset) -> None:
    """Count the values of a dataset as read, before they are; refuse where they, its chunks or all of the file are too much."""
    path = where(node)
    _require_texts(node.dtype, path)
    check_size(node.shape, f"'{node.name}'", path)
    if node.chunks is not None and int(np.prod(node.chunks, dtype=object)) * node.dtype.itemsize > MAX_CHUNK:
        raise FileFormatError(f"'{path.name}' is too large", f"'{node.name}' has chunks of more than {size_text(MAX_CHUNK)}", _CUT)
    left = _left.get() - node.size
    if left < 0:
        raise FileFormatError(f"'{path.name}' is too large", f"it has more than {MAX_TOTAL:.3g} values in all", _CUT)
    _left.set(left)


def _require_texts(kind: np.dtype, path: Path) -> None:
    """Before values of variable length are read: they are texts, and none in the file is huge.

    Sequences of what is none, as a damaged type may claim, can end the process.
    """
    import h5py

    if not kind.hasobject:
        return
    if h5py.check_string_dtype(kind) is None:
        raise FileFormatError(f"cannot read '{path.name}'", "values of variable length in it are no texts", _DAMAGED)
    if not _short.get():
        require_short_texts(path, _origin(path))
        _short.set(True)


def _origin(path: Path) -> Origin:
    return Origin(f"'{path.name}'", FileFormatError)


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """The file, open for reading, when it is known to hold all its data itself.

    Whatever HDF5 finds wrong while it is open becomes a `FileFormatError`.
    """
    import h5py

    budget, short = _left.set(MAX_TOTAL), _short.set(False)
    try:
        # best-effort: many network file systems have no locks
        with h5py.File(path, "r", locking="best-effort") as file:
            require_own(file, _origin(path))
            yield file
    except InsdlError:
        raise
    except MemoryError as error:
        raise FileFormatError(f"cannot read '{path.name}'", "it needs more memory than there is", _CUT) from error
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:  # h5py raises any of these for damaged files
        raise _explained(path, error) from error
    finally:
        _left.reset(budget)
        _short.reset(short)


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
    """A string out of what HDF5 may give for one: bytes, str, or arrays of one of them; its control characters are spelled out."""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    return printable(str(value).strip(" \t\0"))


def attribute(node: h5py.Group | h5py.Dataset, name: str) -> str:
    """A text attribute; empty where absent."""
    if name not in node.attrs:
        return ""
    stored = node.attrs.get_id(name)
    _require_texts(stored.dtype, where(node))
    _require_short(int(np.prod(stored.shape, dtype=object)) * stored.dtype.itemsize, f"the attribute '{name}' of '{node.name}'", node)
    return text(node.attrs[name])


def _require_short(size: int, what: str, node: h5py.Group | h5py.Dataset) -> None:
    if size > MAX_TEXT:
        reason = f"{what} has {size_text(size)} and a text may have {size_text(MAX_TEXT)}"
        raise FileFormatError(f"'{where(node).name}' is too large", reason, "write it with a shorter text")


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
    """A text dataset, of several texts the first; empty where absent."""
    node = dataset(parent, name)
    return "" if node is None else text_at(node, 0)


def text_at(node: h5py.Dataset, index: int) -> str:
    """One text of a dataset, counted along all its dimensions; the others are not read."""
    if not node.size:
        return ""
    _require_short(node.dtype.itemsize, f"a text of '{node.name}'", node)
    _spend(node)
    found = text(node[tuple(int(i) for i in np.unravel_index(index % node.size, node.shape))] if node.ndim else node[()])
    _require_short(len(found), f"a text of '{node.name}'", node)
    return found


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
    with np.errstate(over="ignore"):  # of a longer kind of number: infinite then, and refused where it is used
        return np.asarray(values_of(node), dtype=float)


def values_of(node: h5py.Dataset) -> np.ndarray:
    """All values of a dataset of numbers, where they are not too many."""
    _spend(node)
    return np.asarray(node[()])
