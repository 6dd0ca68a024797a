"""How sure are fitted parameters? A covariance that holds where residuals are correlated and the model is not perfect.

The inverse Hessian takes pixels as independent and the model as true: on measured maps it is many times too small.
Here the map is cut into blocks and the scatter of what each wants of the parameters gives the covariance: the sandwich
estimator with clusters. A block has pulled the fit towards itself, the more the fewer there are; that is undone such
that the estimate is right where the model is (bias-reduced linearisation, CR2). [R. M. Bell and D. F. McCaffrey,
Survey Methodology 28, 169 (2002)]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mantid_insdl.fitting.blocks import blocks_of, members_of
from mantid_insdl.fitting.likelihood import Likelihood, Point, robust_curvature, robust_weight

BORROWED = 10
"""See `_steadied`."""
LEAST_LEFT = 0.02
"""Share of a block's information in a direction that the rest of the map has,
below which the block's scatter there is not used.
"""


@dataclass(frozen=True, eq=False)
class Covariance:
    """Of the free parameters, (free, free) each.

    Attributes
    ----------
    robust
        By what each block wants.
    plain
        As if pixels were independent, each a block of its own; priors included.
    blocks
        Number of blocks.
    """

    robust: np.ndarray
    plain: np.ndarray
    blocks: int


def covariance_of(
    likelihood: Likelihood, point: Point, slopes: np.ndarray, blocks: np.ndarray | None = None
) -> Covariance:
    """The covariance of the free parameters at the maximum of the likelihood."""
    blocks = blocks_of(likelihood.calculation) if blocks is None else blocks
    design = likelihood.design(point, slopes)
    free = len(slopes)
    weight = robust_weight(point.residual, likelihood.freedom)
    rows = design / likelihood.sigma
    pulls = rows * (weight * point.residual)
    members = members_of(blocks)
    count = len(members)
    prior = np.zeros(len(design))
    prior[:free] = likelihood.prior_information
    scale = np.sqrt(np.sum(rows**2 * weight, axis=1) + prior)
    scale[scale == 0] = 1.0
    prior /= scale**2
    parts, scores = np.empty((count, len(design), len(design))), np.empty((count, len(design)))
    for block, mine in enumerate(members):
        parts[block] = (rows[:, mine] * weight[mine]) @ rows[:, mine].T / np.outer(scale, scale)
        scores[block] = pulls[:, mine].sum(axis=1) / scale
    hessian = parts.sum(axis=0) + np.diag(prior)
    inverse = np.linalg.pinv(hessian, rcond=1e-12, hermitian=True)
    of_blocks = zip(parts, scores, strict=True)
    moved = np.stack([inverse @ _unpulled(part, inverse) @ score for part, score in of_blocks])[:, :free]
    # the weights are those of reweighted least squares, psi(r) / r; the minimum is as narrow as psi'(r)
    # makes it (Huber's correction)
    growth = weight.mean() / robust_curvature(point.residual, likelihood.freedom).mean()
    moved *= growth
    size = np.outer(scale[:free], scale[:free])
    # what no block tells is told by the prior: a direction that the map does not determine has its deviation
    known_before = (inverse * prior) @ inverse
    robust = (count / (count - 1) * moved.T @ moved + known_before[:free, :free]) / size
    single = pulls / scale[:, None]
    plain = (growth**2 * inverse @ (single @ single.T) @ inverse + known_before)[:free, :free] / size
    return Covariance(_steadied(robust, plain, count), plain, count)


def _unpulled(part: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Takes a block's score at the minimum to one with the covariance `part` that it would have at the truth,
    were the model right.
    """
    values, vectors = np.linalg.eigh(part)
    root = np.sqrt(np.maximum(values, 0))
    used = root > 1e-7 * max(root.max(), 1e-300)
    half, back = vectors[:, used] * root[used], vectors[:, used] / root[used]
    left, directions = np.linalg.eigh(np.eye(used.sum()) - half.T @ inverse @ half)
    # what a block alone determines it fits exactly: there is no scatter to judge by
    grown = np.where(left > LEAST_LEFT, 1 / np.sqrt(np.maximum(left, LEAST_LEFT)), 0.0)
    return half @ (directions * grown) @ directions.T @ back.T


def _steadied(robust: np.ndarray, plain: np.ndarray, blocks: int) -> np.ndarray:
    """A robust covariance that does not follow the chances of few blocks.

    Of few blocks the variances scatter: their ratios to the plain ones are drawn towards their mean, as if `BORROWED`
    blocks more told that mean, and so are correlations. No ratio is below one: that blocks agree by chance makes
    nothing surer than counting does.
    """
    if not len(plain):
        return plain
    deviation = np.sqrt(np.diag(plain))
    own = blocks / (blocks + BORROWED)
    ratios = np.diag(robust) / deviation**2
    grown = deviation * np.sqrt(np.maximum(own * ratios + (1 - own) * ratios.mean(), 1.0))
    correlations = robust / np.sqrt(np.outer(np.diag(robust), np.diag(robust))), plain / np.outer(deviation, deviation)
    correlation = own * correlations[0] + (1 - own) * correlations[1]
    return correlation * np.outer(grown, grown)
