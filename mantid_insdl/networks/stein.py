"""How far each of several estimates of one noisy map is to be believed, from the map itself."""

from __future__ import annotations

import numpy as np

STEPS = 40  # of a share from 0 to 1
RING = 1.5  # pixels: width and distance of the rings of which a background is made


def rings(qh: np.ndarray, qk: np.ndarray) -> np.ndarray:
    """Backgrounds that are the same all around the beam, (background, qh, qk): a constant, and Gaussian rings.

    Powder and the sample's surroundings scatter into cones, and so does what of multiple scattering and of phonons has
    lost its direction.

    Parameters
    ----------
    qh : (qh,), qk : (qk,)
        Middles of the pixels, r.l.u. of axes of about one length.
    """
    width = RING * max(np.abs(np.diff(qh)).mean(), np.abs(np.diff(qk)).mean())
    radius = np.hypot(qh[:, None], qk)
    centres = np.arange(radius.min(), radius.max() + width, width)
    return np.concatenate(
        [np.ones((1, *radius.shape)), np.exp(-0.5 * ((radius - centres[:, None, None]) / width) ** 2)]
    )


def shares(
    measured: np.ndarray,
    known: np.ndarray,
    noise: np.ndarray,
    estimates: np.ndarray,
    sensitivities: np.ndarray,
    backgrounds: np.ndarray,
) -> tuple[float, float]:
    """Shares of two estimates, not negative and at most one together, of the mixture with the least expected error.

    The truth is not known, but Stein's unbiased estimate of the risk is: the mean square of what the mixture leaves of
    the measured pixels, and twice how far it follows their noise [C. M. Stein, Ann. Statist. 9, 1135 (1981)]. What is
    left of one is for no intensity at all. An estimate is one of what stands on a background, and is not believed for
    showing that as well: what backgrounds can be made of in each slice is left out.

    Parameters
    ----------
    measured, known : (slice, qh, qk)
    noise : (slice, qh, qk)
        Standard deviation of the measured pixels.
    estimates, sensitivities : (2, slice, qh, qk)
        The estimates, and the derivative of each of their pixels by what was measured there.
    backgrounds : (background, qh, qk)
        See `rings`.
    """
    shapes = backgrounds.reshape(len(backgrounds), -1)
    images = np.stack([measured, *estimates]).reshape(len(estimates) + 1, len(measured), -1)
    left = np.zeros_like(images)
    for place, of in enumerate(known.reshape(len(measured), -1)):
        ways = shapes[:, of]
        # singular where the rings have no pixels, or as many as there are
        left[:, place, of] = images[:, place, of] - images[:, place, of] @ np.linalg.pinv(ways) @ ways
    shown, each = left[0].ravel(), left[1:].reshape(len(estimates), -1)
    following = np.where(known, noise**2 * sensitivities, 0).sum((1, 2, 3))
    products, wanted = each @ each.T, each @ shown - following
    one, other = (x.ravel() for x in np.mgrid[0 : STEPS + 1, 0 : STEPS + 1] / STEPS)
    mixtures = np.stack([one, other])[:, one + other <= 1]
    risk = np.einsum("in,ij,jn->n", mixtures, products, mixtures) - 2 * wanted @ mixtures
    best = mixtures[:, np.argmin(risk)]
    return float(best[0]), float(best[1])
