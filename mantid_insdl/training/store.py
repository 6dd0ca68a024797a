"""Simulated maps in a folder: a file of intensities for every chunk, read map by map, and an index of all the rest.

A chunk is written under another name first and counts once its ``.npz`` is there, so that a generation which is killed, or runs out of
disk, loses what it was writing and nothing else.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mantid_insdl.errors import OutputError
from mantid_insdl.training.chunks import Chunk

INDEX = "index.npz"


def write(path: Path, save: Callable[[BinaryIO], None]) -> None:
    """A file that is there as a whole or not at all."""
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            save(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        fix = "free some space" if full else "give another folder, or see to its rights"
        raise OutputError(
            f"cannot write simulated maps to '{path.parent}'",
            "the disk is full" if full else error.strerror or str(error),
            f"{fix} and start the same training again: it goes on with the maps that are kept",
        ) from None


def write_chunk(folder: Path, number: int, chunk: Chunk) -> None:
    """Keep a chunk."""
    intensity = np.ascontiguousarray(chunk.intensity)
    digest = hashlib.sha256()
    for array in (intensity, chunk.parameters, chunk.windows):
        digest.update(np.ascontiguousarray(array).tobytes())
    write(_maps(folder, number), lambda file: np.save(file, intensity))
    rest = {"parameters": chunk.parameters, "windows": chunk.windows, "rejected": chunk.rejected, "sha256": digest.hexdigest()}
    write(_rest(folder, number), lambda file: np.savez(file, **rest))


def is_kept(folder: Path, number: int) -> bool:
    """Whether a chunk is there."""
    return _rest(folder, number).is_file()


def read_rest(folder: Path, number: int) -> dict[str, Any]:
    """All of a chunk but its intensities: parameters, windows, rejected, sha256."""
    with np.load(_rest(folder, number), allow_pickle=False) as kept:
        return dict(kept)


def _maps(folder: Path, number: int) -> Path:
    return folder / f"chunk-{number:05d}.npy"


def _rest(folder: Path, number: int) -> Path:
    return folder / f"chunk-{number:05d}.npz"


class KeptIntensity:
    """Intensities of the maps in a folder, (n, place, qh, qk) float16, as an array whose rows are read when they are asked for.

    Parameters
    ----------
    folder
        Of the chunks.
    chunk, row : (n,)
        Where each map is.
    used : (n, place) bool
        Which places a map has slices at; the others are NaN.
    size
        Pixels along an axis of momentum.
    """

    dtype = np.dtype(np.float16)

    def __init__(self, folder: Path, chunk: np.ndarray, row: np.ndarray, used: np.ndarray, size: int):
        self.folder, self.chunk, self.row, self.used = folder, chunk, row, used
        self.shape = (len(chunk), used.shape[1], size, size)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: int | slice | np.ndarray) -> np.ndarray:
        if isinstance(key, int | np.integer):
            return self._read(int(key))
        return np.stack([self._read(int(index)) for index in np.arange(len(self))[key]])

    def _read(self, index: int) -> np.ndarray:
        places = np.flatnonzero(self.used[index])
        kept = np.load(_maps(self.folder, int(self.chunk[index])), mmap_mode="r")[self.row[index], : places.size]
        if places.size == self.shape[1]:
            return np.array(kept)
        full = np.full(self.shape[1:], np.nan, np.float16)
        full[places] = kept
        return full
