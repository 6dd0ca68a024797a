"""How much of another magnet's spin waves a map shows beside those of the one that fits it best.

Two magnets that are alike are told apart by small differences, and a map that is half of each (two phases, or a truth
between two models) may look sure of one. So the data are given the choice:
``data = scale * ((1 - share) * first + share * second) + background``, with a scale and a background for each incident
energy and one share. Its error is that of the jackknife: each block left out in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mantid_insdl.fitting.blocks import members_of

LEAST_SHARE = 0.2
"""Of the other magnet, from which a map is a mixture: an imperfect model leaves something that another one takes up."""
CONFIDENCE = 2.0
"""Standard errors by which the share must lie above `LEAST_SHARE`, and below one less it."""
_WORTHLESS = 1e-9  # of a normal matrix, its eigenvalues below this


@dataclass(frozen=True)
class Share:
    """Of the second magnet in a map, with its standard error: 0 where the first is all, 1 where the second is."""

    value: float
    error: float

    @property
    def mixed(self) -> bool:
        """Whether neither magnet alone is enough."""
        margin = LEAST_SHARE + CONFIDENCE * self.error
        return margin < self.value < 1 - margin


def share_of(
    data: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    weight: np.ndarray,
    blocks: np.ndarray,
    groups: Sequence[np.ndarray],
    smooth: np.ndarray,
) -> Share:
    """The share of `second` in `data`: 0 with an infinite error where both models are the same.

    Parameters
    ----------
    data, first, second : (pixel,)
        The map, and the two models, each scaled to it.
    weight : (pixel,)
        One over the variance.
    blocks : (pixel,)
        Block of each pixel, counted from 0.
    groups
        Pixels of each incident energy.
    smooth : (pixel, term)
        Terms of the background of an incident energy; (pixel, 0) where there is none.
    """
    columns = np.zeros((data.size, 1 + len(groups) * (1 + smooth.shape[1])))
    columns[:, 0] = second - first
    for number, group in enumerate(groups):
        begin = 1 + number * (1 + smooth.shape[1])
        columns[group, begin] = first[group]
        columns[group, begin + 1 : begin + 1 + smooth.shape[1]] = smooth[group]
    size = np.sqrt(weight @ columns**2)
    if not size[0] > 0:
        return Share(0.0, np.inf)
    columns /= np.where(size > 0, size, 1.0)
    parts = members_of(blocks)
    count = len(parts)
    normal = np.array([(columns[mine].T * weight[mine]) @ columns[mine] for mine in parts])
    target = np.array([columns[mine].T @ (weight[mine] * data[mine]) for mine in parts])
    without = np.linalg.pinv(normal.sum(axis=0) - normal, rcond=_WORTHLESS, hermitian=True)
    left = np.einsum("bij,bj->bi", without, target.sum(axis=0) - target)[:, 0] / size[0]
    whole = (np.linalg.pinv(normal.sum(axis=0), rcond=_WORTHLESS, hermitian=True) @ target.sum(axis=0))[0] / size[0]
    return Share(float(whole), float(np.sqrt((count - 1) / count * np.sum((left - left.mean()) ** 2))))
