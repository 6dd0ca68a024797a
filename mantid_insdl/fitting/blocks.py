"""Parts of a map that count as independent of one another, for error bars and for comparing models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mantid_insdl.fitting.calculation import Calculation

BLOCKS = 8
"""Blocks that a map is cut into, about, where its slices are fewer."""
TILE = 6
"""Fewest pixels along the side of a tile."""


def blocks_of(calculation: Calculation) -> np.ndarray:
    """Block of each known pixel, (pixel,): its slice, or a ring in |Q| of it where slices are few;
    tiles of a cut or a powder map.

    Pixels that the symmetry of the crystal makes equal are in the same block: the model is
    wrong for them in the same way.
    """
    known = calculation.known
    if known.ndim == 3:
        slice_of = np.nonzero(known)[0]
        slices = np.unique(slice_of)
        rings = int(np.ceil(BLOCKS / slices.size))
        ring = np.zeros(slice_of.size, int)
        for one in slices:
            mine = np.flatnonzero(slice_of == one)
            limits = np.quantile(calculation.q_squared[mine], np.arange(1, rings) / rings)
            ring[mine] = np.searchsorted(limits, calculation.q_squared[mine])
        which = slice_of * rings + ring
    else:
        side = int(np.ceil(np.sqrt(BLOCKS)))
        first, second = (np.arange(n) * min(side, max(1, n // TILE)) // n for n in known.shape)
        which = (first[:, None] * (second[-1] + 1) + second)[known]
    return np.unique(which, return_inverse=True)[1].ravel()


def members_of(blocks: np.ndarray) -> list[np.ndarray]:
    """The pixels of each block, of their blocks (pixel,) counted from 0."""
    order = np.argsort(blocks, kind="stable")
    return np.split(order, np.searchsorted(blocks[order], np.arange(1, int(blocks.max()) + 1)))


@dataclass(frozen=True)
class Difference:
    """Of two log-likelihoods: its sum over the map, and how sure that is by its scatter from block to block."""

    total: float
    deviation: float

    @property
    def z(self) -> float:
        """In standard errors; 0 where both are the same."""
        return self.total / self.deviation if self.deviation > 0 else 0.0


def difference_of(pixels: np.ndarray, blocks: np.ndarray) -> Difference:
    """Of the differences at each pixel, (pixel,), in blocks of them, (pixel,)."""
    sums = np.bincount(blocks, pixels)
    count = sums.size
    return Difference(float(sums.sum()), float(np.sqrt(count * np.sum((sums - sums.mean()) ** 2) / max(count - 1, 1))))
