"""Measurements as the networks see them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import numpy as np


@dataclass(frozen=True)
class MeasuredMaps:
    """Measurements as the networks see them.

    Parameters
    ----------
    stack : (n, slice, qh, qk, 2), scale : (n, slice)
        From `preprocessing.normalise`.
    signal : (n, slice, qh, qk)
        Noise-free magnetic intensity over `scale`; NaN where nothing was measured. Empty where it is not wanted.
    windows : (n, slice, 3), used : (n, slice, 1)
        From `preprocessing.window_features`; which slices the map has.
    label : (n,) int
        Of simulated maps: index of the material, -1 for maps that show none of them.
    kind : (n,) str
        What a map that shows none of the materials is made of; empty for the others.
    """

    stack: np.ndarray
    scale: np.ndarray
    signal: np.ndarray
    windows: np.ndarray
    used: np.ndarray
    label: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    kind: np.ndarray = field(default_factory=lambda: np.empty(0, str))

    def one(self, row: int) -> MeasuredMaps:
        """The map at `row`, alone."""
        arrays = {part.name: getattr(self, part.name) for part in fields(self)}
        return MeasuredMaps(**{name: array[row : row + 1] for name, array in arrays.items()})


EXCHANGED = 4
"""Of `turned`: Qh and Qk exchanged."""


def turned(maps: MeasuredMaps, symmetry: int) -> MeasuredMaps:
    """The maps mirrored in Qh (of `symmetry` the bit 1), in Qk (2), and with both exchanged (4)."""

    def one(array: np.ndarray) -> np.ndarray:
        if array.ndim < 4:
            return array
        if symmetry & 1:
            array = array[:, :, ::-1]
        if symmetry & 2:
            array = array[:, :, :, ::-1]
        return np.swapaxes(array, 2, 3) if symmetry & 4 else array

    return replace(maps, stack=one(maps.stack), signal=one(maps.signal))
