"""How sure are fitted parameters? A covariance that holds where residuals are correlated and the model is not perfect.

The inverse Hessian takes pixels as independent and the model as true: on measured maps it is many times too small. Here the map is cut
into blocks, each block left out in turn, and the fit's answer to that (to first order, scale and backgrounds of the rest with it) gives
the covariance of the jackknife: the sandwich estimator with clusters, of the kind called CR3, which does not forget that a block has
pulled the fit towards itself. [R. M. Bell and D. F. McCaffrey, Survey Methodology 28, 169 (2002)]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mantid_insdl.fitting.blocks import blocks_of
from mantid_insdl.fitting.likelihood import Likelihood, Point, robust_weight


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


def covariance_of(likelihood: Likelihood, point: Point, slopes: np.ndarray, blocks: np.ndarray | None = None) -> Covariance:
    """The covariance of the free parameters at the maximum of the likelihood."""
    blocks = blocks_of(likelihood.calculation) if blocks is None else blocks
    design = likelihood.design(point, slopes)
    free = len(slopes)
    weight = robust_weight(point.residual)
    rows = design / likelihood.sigma
    pulls = rows * (weight * point.residual)
    count = int(blocks.max()) + 1
    order = np.argsort(blocks, kind="stable")
    edges = np.searchsorted(blocks[order], np.arange(count + 1))
    prior = np.zeros(len(design))
    prior[:free] = 1 / np.where(np.isfinite(likelihood.deviation), likelihood.deviation, likelihood.flat_deviation) ** 2
    scale = np.sqrt(np.sum(rows**2 * weight, axis=1) + prior)
    scale[scale == 0] = 1.0
    prior /= scale**2
    parts, scores = np.empty((count, len(design), len(design))), np.empty((count, len(design)))
    for block in range(count):
        mine = order[edges[block] : edges[block + 1]]
        parts[block] = (rows[:, mine] * weight[mine]) @ rows[:, mine].T / np.outer(scale, scale)
        scores[block] = pulls[:, mine].sum(axis=1) / scale
    hessian = parts.sum(axis=0) + np.diag(prior)
    moved = np.stack(
        [np.linalg.pinv(hessian - part, rcond=1e-10, hermitian=True) @ score for part, score in zip(parts, scores, strict=True)]
    )
    inverse = np.linalg.pinv(hessian, rcond=1e-12, hermitian=True)
    size = np.outer(scale[:free], scale[:free])
    # without a block a parameter may be free to run; it would stop at its bound
    there = np.clip(point.theta - moved[:, :free] / scale[:free], likelihood.low, likelihood.high)
    there -= there.mean(axis=0)
    # what no block tells is told by the prior: a direction that the map does not determine has its deviation
    known_before = ((inverse * prior) @ inverse)[:free, :free] / size
    return Covariance((count - 1) / count * there.T @ there + known_before, inverse[:free, :free] / size, count)
