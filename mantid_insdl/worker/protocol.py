"""Messages between this process and the worker: a JSON header and plain arrays, over a pipe, without pickle.

A message is the six bytes of `MAGIC`, the length of the header (unsigned 64-bit, little endian), the header (JSON), and then the arrays
that its entry ``arrays`` names, in that order, each in NumPy's ``.npy`` format, which states its own length.

=============  =======================================  ==============================================
kind           from                                     entries
=============  =======================================  ==============================================
``hello``      worker, once                             protocol, version, python
``failed``     worker, instead of ``hello``             summary, reason, fix
``task``       caller                                   task, options, maps, directory
``started``    worker, before anything else of a task
``progress``   worker, any number of times              fraction, text
``result``     worker, ends a task                      maps, result
``error``      worker, ends a task                      error (class name), summary, reason, fix, traceback
=============  =======================================  ==============================================
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import IO, Any, NamedTuple

import numpy as np

from mantid_insdl.errors import InsdlError, WorkerError
from mantid_insdl.maps import Map
from mantid_insdl.untrusted.archives import read_npy
from mantid_insdl.untrusted.reading import Origin
from mantid_insdl.untrusted.text import exact_json_of
from mantid_insdl.worker.frame import LENGTH, MAGIC

VERSION = 1
_LONGEST_HEADER = 1 << 28  # with the sample logs of a map

_ERROR: dict[str, Any] = {"summary": str, "reason": str, "fix": str}
_OF_ALL: dict[str, Any] = {"kind": str, "maps": dict, "arrays": list}
_ENTRIES: dict[str, dict[str, Any]] = {
    "hello": {"protocol": int, "version": str},
    "failed": _ERROR,
    "task": {"task": str, "options": dict, "directory": str | None},
    "progress": {"fraction": int | float, "text": str},
    "result": {"result": dict},
    "error": {**_ERROR, "error": str, "traceback": str},
}
"""What a message must have, by its kind."""


class StreamError(Exception):
    """The bytes on the pipe are not messages."""


class _Pipe:
    """Only reading and writing: given a file, NumPy would also ask for the position in it, which a pipe does not have."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self.write = stream.write

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        if len(content) < size:
            raise EOFError
        return content


class Message(NamedTuple):
    """A message ready to be written."""

    start: bytes
    arrays: list[np.ndarray]

    def write(self, stream: IO[bytes]) -> None:
        """Write all of it; `OSError` if the other side is gone."""
        stream.write(self.start)
        for array in self.arrays:
            np.lib.format.write_array(_Pipe(stream), array, allow_pickle=False)
        stream.flush()


def encode(header: Mapping[str, Any], maps: Mapping[str, Map] | None = None) -> Message:
    """A message, with maps if there are any.

    Raises
    ------
    TypeError
        If the header holds something that JSON cannot express.
    """
    arrays: dict[str, np.ndarray] = {}
    heads = {}
    for name, one in (maps or {}).items():
        heads[name], parts = one.to_arrays()
        arrays |= {f"{name}/{part}": array for part, array in parts.items()}
    content = json.dumps({**header, "maps": heads, "arrays": list(arrays)}, default=_encodable).encode()
    return Message(MAGIC + LENGTH.pack(len(content)) + content, [np.asarray(array) for array in arrays.values()])


def decode(stream: IO[bytes]) -> tuple[dict[str, Any], dict[str, Map]]:
    """The next message: its header and its maps.

    Raises
    ------
    EOFError
        If the stream ends before or within a message.
    StreamError
        If what comes is not a message.
    """
    try:
        return _decoded(stream)
    except (EOFError, StreamError):
        raise
    except InsdlError as error:  # of `untrusted`, or of a map that makes no sense
        raise StreamError(error.reason or str(error)) from error
    except (AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        raise StreamError(f"{type(error).__name__}: {error}") from error


_ORIGIN = Origin("a message", WorkerError)


def _decoded(stream: IO[bytes]) -> tuple[dict[str, Any], dict[str, Map]]:
    start = stream.read(len(MAGIC) + LENGTH.size)
    if not MAGIC.startswith(start[: len(MAGIC)]):
        raise StreamError(f"it wrote {start!r}")
    if len(start) < len(MAGIC) + LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(start[len(MAGIC) :])
    if length > _LONGEST_HEADER:
        raise StreamError(f"it announced a header of {length} bytes")
    pipe = _Pipe(stream)
    content = pipe.read(length)
    header = exact_json_of(content, _ORIGIN, _LONGEST_HEADER)
    _require_entries(header)
    arrays = {name: read_npy(pipe, f"'{name}'", _ORIGIN) for name in header["arrays"]}
    return header, {name: Map.from_arrays(head, _parts(arrays, name)) for name, head in header["maps"].items()}


def _require_entries(header: Any) -> None:
    """Raise `StreamError` where a message lacks what its kind has, or has it in another form."""
    if not isinstance(header, dict):
        raise StreamError("its header is no JSON object")
    for name, kind in (_OF_ALL | _ENTRIES.get(str(header.get("kind")), {})).items():
        if not isinstance(header.get(name), kind):
            raise StreamError(f"its message '{str(header.get('kind'))[:40]}' has no right '{name}'")


def _parts(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {key.removeprefix(f"{name}/"): array for key, array in arrays.items() if key.startswith(f"{name}/")}


def _encodable(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} {value!r} is not text, a number, a list or a dictionary of these")
