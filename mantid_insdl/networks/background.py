"""A flat background that a reduction has left under the data.

The networks were trained on maps whose background is subtracted, to a tenth or so. One that stays shifts every pixel,
and with it what a network takes for the mean of the signal. In narrow energy windows spin waves leave most slices
nearly empty, which shows the background; windows as wide as a band, or a resolution as wide, do not, so that this is
for models of fixed windows or of several incident energies.
"""

from __future__ import annotations

import numpy as np

# of the mean intensity of the incident energy: less is what a subtraction leaves, and what training maps hold
LEAST = 0.2
_FEWEST_PIXELS = 50  # of a slice, to see its background
_FEWEST_SLICES = 5  # of an incident energy: signal may fill all of one, as where a band is flat, but not most
_CUT = 2.0  # standard deviations above the median, beyond which a pixel is signal
_QUANTILE = 0.2  # of the slices of an incident energy: those with the least of signal


def backgrounds_left(intensity: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """The flat background of each slice, (slice,):
    one for each incident energy, zero where it is less than `LEAST` of its mean.

    Parameters
    ----------
    intensity : (slice, qh, qk)
        NaN where masked.
    groups
        Indices of the slices of each incident energy.
    """
    levels = np.zeros(len(intensity))
    for group in groups:
        level = flat_background(intensity[group])
        known = intensity[group][np.isfinite(intensity[group])]
        if known.size and level > LEAST * np.maximum(known, 0).mean():
            levels[group] = level
    return levels


def flat_background(intensity: np.ndarray) -> float:
    """The level of the empty parts of slices of one incident energy;
    zero where it is negative, or where too few slices are known.

    Of each slice it is the median after signal is cut off (pixels more than two robust standard deviations
    above it, again and again); of the slices, a low quantile. The median of simulated maps without background
    is zero, with noise or without.

    Parameters
    ----------
    intensity : (slice, qh, qk)
        NaN where masked.
    """
    levels = [_empty_level(one[np.isfinite(one)]) for one in intensity if np.isfinite(one).sum() >= _FEWEST_PIXELS]
    return max(float(np.quantile(levels, _QUANTILE)), 0.0) if len(levels) >= _FEWEST_SLICES else 0.0


def _empty_level(values: np.ndarray) -> float:
    while True:
        median = np.median(values)
        deviation = 1.4826 * np.median(np.abs(values - median))
        kept = values[values <= median + _CUT * deviation]
        if kept.size == values.size or kept.size < _FEWEST_PIXELS // 2:
            return float(median)
        values = kept
