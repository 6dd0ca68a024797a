"""Slices of a stack that show the same window: repeated measurements, or one that was put in twice or wrongly."""

from __future__ import annotations

import numpy as np

from mantid_insdl.errors import UnsuitableMapError
from mantid_insdl.maps import Map, Slices

SAME_EI = 1e-3  # relative
SAME_WINDOW = 0.01  # of its width

SIGMAS = 5.0  # statistical: one honest repeat in some million is refused
EXCESS = 0.5  # systematic: how far above 1 the squared difference, in errors, may be on average
CHANGE = 0.05  # systematic: how far the mean intensities may differ, relative to the larger


def check_repeats(m: Map) -> list[str]:
    """A sentence for each group of slices that show the same window.

    Parameters
    ----------
    m
        Constant-energy slices.

    Raises
    ------
    UnsuitableMapError
        If two of them disagree beyond their errors: their average would be neither of them.
    """
    warnings = []
    slices = m.require_slices()
    for first, *others in _repeated(slices):
        window = slices.describe(first)
        for other in others:
            reason = _disagreement(m, first, other)
            if reason:
                both = f"slices {first + 1} and {other + 1}"
                raise UnsuitableMapError(
                    f"{both} contradict each other", f"both show {window}, and {reason}", "leave the wrong one out"
                )
        *numbers, last = (str(i + 1) for i in (first, *others))
        warnings.append(
            f"Slices {', '.join(numbers)} and {last} show the same window ({window}); "
            "they agree and are taken together."
        )
    return warnings


def _repeated(slices: Slices) -> list[list[int]]:
    """Indices of the slices that show the same window, where there are several; each group in rising order."""
    close = np.abs(slices.ei[:, None] - slices.ei) <= SAME_EI * slices.ei
    close |= np.isnan(slices.ei[:, None]) & np.isnan(slices.ei)
    for edge in (slices.energy_min, slices.energy_max):
        close &= np.abs(edge[:, None] - edge) <= SAME_WINDOW * (slices.energy_max - slices.energy_min)
    firsts = close.argmax(axis=1)
    groups = [np.flatnonzero(firsts == first).tolist() for first in np.unique(firsts)]
    return [group for group in groups if len(group) > 1]


def _disagreement(m: Map, one: int, other: int) -> str:
    """How two slices of the same window differ beyond their errors; empty where they do not.

    Two tests, because either is blind to what the other sees: the mean over pixels of the squared difference in units
    of its error (1 +- sqrt(2/n) for n pixels, also at low counts, where the variance is the number of counts), and the
    difference of the mean intensities. Where a map has no errors the scatter of the differences stands for them.
    """
    both = ~(m.mask[one] | m.mask[other])
    difference = m.intensity[other][both] - m.intensity[one][both]
    if m.error is None:
        variance = np.full(difference.shape, np.var(difference) if difference.size else 0.0)
    else:
        variance = m.error[one][both] ** 2 + m.error[other][both] ** 2
    if not np.any(difference):
        return ""
    if not np.any(variance > 0):
        return "they differ although their errors are zero"
    measured = variance > 0  # no counts in either: no error, and no difference
    pixels = np.count_nonzero(measured)
    squared = float(np.mean(difference[measured] ** 2 / variance[measured]))
    if m.error is not None and squared > 1 + EXCESS + SIGMAS * np.sqrt(2 / pixels):
        return f"their pixels differ by {np.sqrt(squared):.2g} times their errors"
    means = [float(np.mean(m.intensity[i][both])) for i in (one, other)]
    change = abs(means[1] - means[0])
    if change > SIGMAS * np.sqrt(variance.sum()) / difference.size and change > CHANGE * max(map(abs, means)):
        return f"their mean intensities are {means[0]:.3g} and {means[1]:.3g}"
    return ""
