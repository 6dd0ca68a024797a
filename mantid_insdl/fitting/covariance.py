"""How sure are fitted parameters? A covariance that holds where residuals are correlated and the model is not perfect.

The inverse Hessian takes pixels as independent and the model as true: on measured maps it is many times too small. Here the map is cut
into blocks, each block left out in turn, and the fit's answer to that (to first order, scale and backgrounds of the rest with it) gives
the covariance of the jackknife: the sandwich estimator with clusters, of the kind called CR3, which does not forget that a block has
pulled the fit towards itself. [R. M. Bell and D. F. McCaffrey, Survey Methodology 28, 169 (2002)]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mantid_insdl.fitting.likelihood import Likelihood, Point, robust_weight

LEAST_BLOCKS = 30
TILE = 6
"""Fewest pixels along the side of a block."""


@dataclass(frozen=True, eq=False)
class Covariance:
    """Of the free parameters, (free, free) each.

    Attributes
    ----------
    robust
        By leaving out blocks.
    plain
        Inverse Hessian of the likelihood, priors included: pixels independent, the model true.
    blocks
        Number of blocks.
    """

    robust: np.ndarray
    plain: np.ndarray
    blocks: int


def blocks_of(likelihood: Likelihood) -> np.ndarray:
    """Block of each known pixel, (pixel,): slices, in as many tiles as give `LEAST_BLOCKS`; tiles of a cut or a powder map."""
    known = likelihood.calculation.known
    shape = known.shape if known.ndim == 3 else (1, *known.shape)
    slices = known.reshape(shape).any(axis=(1, 2)).sum()
    wanted = int(np.ceil(np.sqrt(LEAST_BLOCKS / slices)))
    h, k = (np.minimum(np.arange(n) * min(wanted, max(1, n // TILE)) // n, n) for n in shape[1:])
    which = (np.arange(shape[0])[:, None, None] * (h.max() + 1) + h[:, None]) * (k.max() + 1) + k
    return np.unique(np.broadcast_to(which, shape).reshape(known.shape)[known], return_inverse=True)[1].ravel()


def covariance_of(likelihood: Likelihood, point: Point, slopes: np.ndarray, blocks: np.ndarray | None = None) -> Covariance:
    """The covariance of the free parameters at the maximum of the likelihood."""
    blocks = blocks_of(likelihood) if blocks is None else blocks
    design = likelihood.design(point, slopes)
    free = len(slopes)
    weight = robust_weight(point.residual)
    rows = design / likelihood.sigma
    pulls = rows * (weight * point.residual)
    count = int(blocks.max()) + 1
    order = np.argsort(blocks, kind="stable")
    edges = np.searchsorted(blocks[order], np.arange(count + 1))
    prior = np.zeros(len(design))
    prior[:free] = 1 / likelihood.deviation**2
    scale = np.sqrt(np.sum(rows**2 * weight, axis=1) + prior)
    scale[scale == 0] = 1.0
    parts, scores = np.empty((count, len(design), len(design))), np.empty((count, len(design)))
    for block in range(count):
        mine = order[edges[block] : edges[block + 1]]
        parts[block] = (rows[:, mine] * weight[mine]) @ rows[:, mine].T / np.outer(scale, scale)
        scores[block] = pulls[:, mine].sum(axis=1) / scale
    hessian = parts.sum(axis=0) + np.diag(prior / scale**2)
    moved = np.stack([np.linalg.pinv(hessian - part, rcond=1e-10, hermitian=True) @ score for part, score in zip(parts, scores, strict=True)])
    moved = (moved - moved.mean(axis=0))[:, :free] / scale[:free]
    inverse = np.linalg.pinv(hessian, rcond=1e-12, hermitian=True)[:free, :free] / np.outer(scale[:free], scale[:free])
    return Covariance((count - 1) / count * moved.T @ moved, inverse, count)
