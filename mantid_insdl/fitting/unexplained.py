"""How much of what a map shows does a calculation leave over?

What is smooth in momentum (a background, a gradient, a hill wider than the zone) could be anything, so it is taken out
of the map and of the calculation alike: from every image the polynomial of second order in its two axes that fits it
best. What is left is *structure*. The structure of the residual is compared with the map's by the covariance of
neighbouring pixels, to which counting noise, whatever its size, adds nothing on average; their ratio is the
*unexplained share*, 0 for a perfect calculation and 1 for one that says nothing.
"""

from __future__ import annotations

import numpy as np

from mantid_insdl.fitting.results import CONFIDENCE, Evidence, Fit
from mantid_insdl.fitting.uncertainty import uncertainty_of

LEAST_PIXELS = 24  # of an image: fewer are all smooth
LIMIT = 0.3
"""Largest figure of the evidence with which a fit counts as an explanation of the map."""
ROUNDING = 1e-9  # of an image's largest value: less is no structure
HOT_QUANTILE = 0.995  # of an incident energy's pixels: what is above may be hot pixels, and is cut

Share = tuple[float, float]
"""An unexplained share and its standard error."""


class Structure:
    """Takes what is smooth out of images.

    Parameters
    ----------
    first, second
        Centres of the pixels along the two axes of an image.
    known : (image, first, second) bool
        Pixels that count; the others are 0 on the way in and out.
    """

    def __init__(self, first: np.ndarray, second: np.ndarray, known: np.ndarray):
        self.known = known
        a, b = np.meshgrid(_scaled(first), _scaled(second), indexing="ij")
        powers = np.stack([one.ravel() for one in (np.ones_like(a), a, b, a * a, b * b, a * b)], axis=1)
        functions, size, _ = np.linalg.svd(powers * known.reshape(len(known), -1, 1), full_matrices=False)
        # orthonormal polynomials of the known pixels of each image, (image, pixel, 6)
        self._smooth = functions * (size > 1e-8 * np.maximum(size[:, :1], 1e-300))[:, None, :]

    def of(self, images: np.ndarray) -> np.ndarray:
        """Structure of images, (n, image, first, second)."""
        flat = images.reshape(*images.shape[:2], -1)
        smooth = np.einsum("spf,nsf->nsp", self._smooth, np.einsum("spf,nsp->nsf", self._smooth, flat))
        rest = flat - smooth
        rest[np.abs(rest) < ROUNDING * np.abs(flat).max(axis=2, keepdims=True)] = 0.0
        return rest.reshape(images.shape)


def _scaled(centres: np.ndarray) -> np.ndarray:
    return (centres - centres.mean()) / max(np.ptp(centres) / 2, 1e-12)


def neighbours(a: np.ndarray) -> np.ndarray:
    """Products of neighbouring pixels of each image, (image, pair)."""
    pairs = (a[:, 1:] * a[:, :-1], a[:, :, 1:] * a[:, :, :-1])
    return np.concatenate([one.reshape(len(a), -1) for one in pairs], axis=1)


def share_of(have: np.ndarray, left: np.ndarray) -> Share:
    """Unexplained share and its standard error, from products of neighbours;
    1 +- 0 where there is no structure to explain.
    """
    total = have.sum()
    if not total > CONFIDENCE * np.sqrt(np.sum(have**2)):
        return 1.0, 0.0
    share = left.sum() / total
    # That of independent products: noise, since the structure itself is the same in both.
    return float(share), float(np.sqrt(np.sum((left - share * have) ** 2)) / total)


def shares_of(
    structure: np.ndarray, residual: np.ndarray, groups: list[np.ndarray]
) -> tuple[tuple[float, float], list[tuple[float, float]]]:
    """Unexplained share and error of the residual's structure, (image, first, second): of the whole map,
    and of each group of images.
    """
    have, left = neighbours(structure), neighbours(residual)
    return share_of(have, left), [share_of(have[group], left[group]) for group in groups]


def evidence_of(fit: Fit, limit: float) -> Evidence:
    """How much of a map's structure a fit leaves unexplained:
    each image weighted so that the noise of all of them is about the same.
    """
    m = fit.data
    slices = m.kind == "slices"
    shape = m.shape if slices else (1, *m.shape)
    groups = m.slices.groups_by_ei() if slices else [np.arange(1)]
    known = ~fit.model.mask.reshape(shape)
    known &= (known.sum(axis=(1, 2)) >= LEAST_PIXELS)[:, None, None]
    groups = [group for group in groups if known[group].any()]
    data, model, sigma = (
        np.where(known, x.reshape(shape), 0.0) for x in (m.intensity, fit.model.intensity, uncertainty_of(m).sigma())
    )
    for group in groups:
        low, high = np.quantile(data[group][known[group]], (1 - HOT_QUANTILE, HOT_QUANTILE))
        data[group], model[group] = (np.clip(x[group], low, high) * known[group] for x in (data, model))
    variance = np.sum(sigma**2, axis=(1, 2)) / np.maximum(known.sum(axis=(1, 2)), 1)
    weight = 1 / np.sqrt(np.where(variance > 0, variance, 1.0))[:, None, None]
    first, second = m.axes[-2:]
    structure, residual = Structure(first.centres, second.centres, known).of(weight * np.stack([data, data - model]))
    (share, error), by_ei = shares_of(structure, residual, groups)
    return Evidence(
        material=fit.material,
        parameters=fit.values,
        unexplained=share,
        uncertainty=error,
        incident_energies=tuple(float(m.slices.ei[group[0]]) for group in groups) if slices else fit.incident_energies,
        unexplained_by_ei=tuple(one for one, _ in by_ei),
        uncertainty_by_ei=tuple(one for _, one in by_ei),
        limit=float(limit),
    )
