"""Parts of a map that count as independent of one another, for error bars and for comparing models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mantid_insdl.fitting.calculation import Calculation

LEAST_BLOCKS = 8
"""Slices from which each is a block: of the parts of one the residuals are alike, by the symmetry of the crystal and of the scattering."""
TILES = 30
"""Blocks that fewer slices, a cut or a powder map are cut into, about."""
TILE = 6
"""Fewest pixels along the side of a block."""


def blocks_of(calculation: Calculation) -> np.ndarray:
    """Block of each known pixel, (pixel,): its slice, or a tile of it."""
    known = calculation.known
    shape = known.shape if known.ndim == 3 else (1, *known.shape)
    slices = known.reshape(shape).any(axis=(1, 2)).sum()
    wanted = 1 if slices >= LEAST_BLOCKS else int(np.ceil(np.sqrt(TILES / slices)))
    first, second = (np.arange(n) * min(wanted, max(1, n // TILE)) // n for n in shape[1:])
    which = (np.arange(shape[0])[:, None, None] * (first[-1] + 1) + first[:, None]) * (second[-1] + 1) + second
    return np.unique(np.broadcast_to(which, shape).reshape(known.shape)[known], return_inverse=True)[1].ravel()


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
