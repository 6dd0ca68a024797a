"""How far each of several estimates of one noisy map is to be believed, from the map itself."""

from __future__ import annotations

import numpy as np

STEPS = 40  # of a share from 0 to 1


def shares(
    measured: np.ndarray, known: np.ndarray, noise: np.ndarray, estimates: np.ndarray, sensitivities: np.ndarray
) -> tuple[float, float]:
    """Shares of two estimates, not negative and at most one together, of the mixture with the least expected error.

    The truth is not known, but Stein's unbiased estimate of the risk is: the mean square of what the mixture leaves of
    the measured pixels, and twice how far it follows their noise [C. M. Stein, Ann. Statist. 9, 1135 (1981)]. What is
    left of one is for no intensity at all. Constants of a slice are left out, since an estimate is one of what stands
    on a background.

    Parameters
    ----------
    measured, known : (slice, qh, qk)
    noise : (slice, qh, qk)
        Standard deviation of the measured pixels.
    estimates, sensitivities : (2, slice, qh, qk)
        The estimates, and the derivative of each of their pixels by what was measured there.
    """

    def without_constants(x: np.ndarray) -> np.ndarray:
        mean = np.where(known, x, 0).sum((-2, -1), keepdims=True) / np.maximum(known.sum((-2, -1), keepdims=True), 1)
        return np.where(known, x - mean, 0)

    shown, each = without_constants(measured).ravel(), without_constants(estimates).reshape(2, -1)
    following = np.where(known, noise**2 * sensitivities, 0).sum((1, 2, 3))
    products, wanted = each @ each.T, each @ shown - following
    one, other = (x.ravel() for x in np.mgrid[0 : STEPS + 1, 0 : STEPS + 1] / STEPS)
    mixtures = np.stack([one, other])[:, one + other <= 1]
    risk = np.einsum("in,ij,jn->n", mixtures, products, mixtures) - 2 * wanted @ mixtures
    best = mixtures[:, np.argmin(risk)]
    return float(best[0]), float(best[1])
