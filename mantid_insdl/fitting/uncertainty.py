"""Standard deviations of a map's pixels: as it gives them, or as its own scatter shows.

A pixel's own count says too little of what it should have counted: the error sqrt(N) of a pixel that counted few by chance is small, and
weights made of it pull a fit down. So variances are averages over a neighbourhood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter
from scipy.optimize import nnls

from mantid_insdl.maps import Map

NEIGHBOURHOOD = 5
"""Pixels along each axis of the image over which variances and mean intensities are averaged."""
WRONG = 3.0
"""Factor between the given errors and the scatter from neighbour to neighbour from which the errors cannot be meant."""
FLOOR = 0.05
"""Of the variance, against its mean: below it a pixel would count for more than twenty."""
_CLASSES = 12  # of pixels by the mean intensity around them
_TRIMMED = 0.02  # of the squares of a class, the largest
_KEPT = 0.873  # mean of the squares of a normal deviate without its largest 2 %


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Standard deviation of each pixel, shape of the map, NaN where masked; and how it was found, in words (a sentence)."""

    sigma: np.ndarray
    source: str
    warnings: tuple[str, ...] = ()


def uncertainty_of(m: Map) -> Uncertainty:
    """The standard deviations that a fit of a map uses."""
    known = ~m.mask
    scatter = _scatter(m.intensity, known)
    if m.error is None:
        return Uncertainty(_floored(scatter, known), "The map has no errors: they were estimated from its scatter from pixel to pixel.")
    given = np.where(known, m.error, 0.0)
    present = known & (given > 0)
    if present.sum() < 0.5 * known.sum():
        return Uncertainty(
            _floored(scatter, known),
            "The errors were estimated from the map's scatter from pixel to pixel.",
            (f"{1 - present.sum() / known.sum():.0%} of the map's errors are zero, which no measurement is: they were not used.",),
        )
    variance = _local_mean(given**2, present)
    ratio = float(np.sqrt(np.median(variance[known] / scatter[known] ** 2)))
    if not 1 / WRONG < ratio < WRONG:
        what = "larger" if ratio > 1 else "smaller"
        return Uncertainty(
            _floored(scatter, known),
            "The errors were estimated from the map's scatter from pixel to pixel.",
            (f"The map's errors are {max(ratio, 1 / ratio):.3g} times {what} than its scatter from pixel to pixel: they were not used.",),
        )
    return Uncertainty(_floored(np.sqrt(variance), known), "The map's own errors, averaged over neighbouring pixels.")


def _floored(sigma: np.ndarray, known: np.ndarray) -> np.ndarray:
    least = np.sqrt(FLOOR * np.mean(sigma[known] ** 2)) if known.any() else 0.0
    return np.where(known, np.maximum(sigma, max(least, 1e-30)), np.nan)


def _local_mean(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Mean of the known pixels around each, within one slice; their mean over the whole map where there is none."""
    size = (1,) * (values.ndim - 2) + (NEIGHBOURHOOD,) * 2
    share = uniform_filter(known.astype(float), size, mode="constant")
    total = uniform_filter(np.where(known, values, 0.0), size, mode="constant")
    return np.where(share > 1e-9, total / np.maximum(share, 1e-9), np.mean(values[known]) if known.any() else 1.0)


def _scatter(intensity: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Standard deviation of each pixel, the root of a + b times the mean intensity around it, shape of the map.

    By the squares of (pixel - mean of its two neighbours along an axis), whose expectation is 3/2 of the variance where the map is a
    straight line there: in classes of pixels of about the same mean intensity, the largest squares (hot pixels) left out.
    """
    filled = np.where(known, intensity, 0.0)
    level = _local_mean(filled, known)
    squares, levels = [], []
    for axis in (-2, -1):
        before, here, after = (_shifted(axis, shift) for shift in (0, 1, 2))
        usable = known[before] & known[here] & known[after]
        squares.append(((filled[here] - 0.5 * (filled[before] + filled[after]))[usable]) ** 2 / 1.5)
        levels.append(level[here][usable])
    square, mean = np.concatenate(squares), np.concatenate(levels)
    if square.size < _CLASSES * 10:
        spread = np.std(intensity[known]) if known.any() else 1.0
        return np.full(intensity.shape, spread or 1.0)
    classes = np.array_split(np.argsort(mean), _CLASSES)
    variances = np.array([np.mean(np.sort(square[one])[: int(np.ceil((1 - _TRIMMED) * one.size))]) / _KEPT for one in classes])
    means = np.array([np.mean(mean[one]) for one in classes])
    weight = 1 / np.maximum(variances, 1e-3 * variances.max() or 1.0)
    (constant, slope), _ = nnls(np.stack([np.ones(_CLASSES), np.maximum(means, 0)], axis=1) * weight[:, None], variances * weight)
    return np.sqrt(constant + slope * np.maximum(level, 0))


def _shifted(axis: int, shift: int) -> tuple:
    """Index of all places along an axis but two, from `shift` on."""
    middle = slice(shift, -2 + shift or None)
    return (..., middle, slice(None)) if axis == -2 else (..., middle)
