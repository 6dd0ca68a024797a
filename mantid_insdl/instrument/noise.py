"""Counting statistics: from an expected intensity to what a detector would have counted."""

from __future__ import annotations

import numpy as np


def count_neutrons(
    expected: np.ndarray, counts: float, rng: np.random.Generator, *, background: np.ndarray | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Poisson counts of an expected intensity over a known flat or given background, scaled back to intensity.

    Parameters
    ----------
    expected : any shape
        Expected magnetic intensity, not negative; NaN where no detector looks (stays NaN).
    counts
        Expected number of neutrons in all pixels together, background included.
    rng
        Source of randomness.
    background
        Expected background in the unit of `expected`; it is counted, then its expectation is
        subtracted, as a reduction does.

    Returns
    -------
    intensity, error : same shape
        The error is the square root of the number of counts, of one count where there was none: a pixel without
        counts is not known exactly.

    Raises
    ------
    ValueError
        If nothing is expected at all, or something negative is.
    """
    seen = np.isfinite(expected)
    level = np.where(seen, expected + background, 0.0)
    total = level.sum()
    if not total > 0 or np.any(level < 0):
        raise ValueError("counting needs an expected intensity that is nowhere negative and somewhere positive")
    per_count = total / counts
    detected = rng.poisson(level / per_count)
    intensity = detected * per_count - background
    error = np.sqrt(np.maximum(detected, 1)) * per_count
    return np.where(seen, intensity, np.nan), np.where(seen, error, np.nan)
