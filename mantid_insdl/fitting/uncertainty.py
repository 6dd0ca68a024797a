"""The variance of a map's pixels: as it gives it, or as its own scatter shows.

Neutrons are counted, so a variance is a constant and a part in proportion to the expected intensity. A pixel's own
count says too little of what is expected there: the error sqrt(N) of a pixel that counted few by chance is small, and
weights made of it pull a fit down. So what is taken from a map is the constant and the proportion; what is expected is
said by its surroundings at first, then by the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.ndimage import uniform_filter
from scipy.optimize import nnls

from mantid_insdl.maps import Map

NEIGHBOURHOOD = 5
"""Pixels along each axis of the image over which intensities are averaged."""
EXPOSURE = 9
"""The same further around, and for how much longer one part of an image was counted than another."""
BELIEVED = 0.5
"""Of the mean intensity further around a pixel: no less is expected there."""
WRONG = 10.0
"""Factor between the given errors and the scatter from neighbour to neighbour from which the errors cannot be meant."""
FLOOR = 0.02
"""Of the variance, against its mean at the same incident energy: below it a pixel would count for more than fifty."""
_CLASSES = 12  # of pixels by the mean intensity around them
# times the mean square, of pixels as bright or of all: not of counting, even where most pixels count nothing
_HOT = 100.0
_FROM_SCATTER = "estimated from the map's scatter from pixel to pixel"


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Variance of the pixels of a map.

    Parameters
    ----------
    constant, slope : shape of the map
        The variance of a pixel is ``constant + slope * expected intensity``.
    level, wide_level : shape of the map
        Mean intensity around each pixel, and further around.
    least : shape of the map
        Smallest variance that is believed.
    source
        How it was found: a sentence.
    warnings
        In sentences.
    """

    constant: np.ndarray
    slope: np.ndarray
    level: np.ndarray
    wide_level: np.ndarray
    least: np.ndarray
    source: str
    warnings: tuple[str, ...] = ()

    def sigma(self, expected: np.ndarray | None = None, known: np.ndarray | None = None) -> np.ndarray:
        """Standard deviations where `expected`, at the pixels `known` alone, is expected;
        by default those of the whole map.
        """
        part = slice(None) if known is None else known
        # a calculation that misses what is there must not make those pixels the surest of all
        mean = self.level[part] if expected is None else np.maximum(expected, BELIEVED * self.wide_level[part])
        return np.sqrt(np.maximum(self.constant[part] + self.slope[part] * np.maximum(mean, 0), self.least[part]))


def uncertainty_of(m: Map) -> Uncertainty:
    """The variances that a fit of a map uses."""
    known = ~m.mask
    filled = np.where(known, m.intensity, 0.0)
    level = local_mean(filled, known, NEIGHBOURHOOD)
    constant, slope = _by_group(m, lambda group: _from_scatter(filled[group], known[group], level[group]))
    scatter = constant + slope * np.maximum(level, 0)
    warnings: tuple[str, ...] = ()
    source = f"The map has no errors: they were {_FROM_SCATTER}."
    if m.error is not None:
        given = np.where(known, m.error, 0.0) ** 2
        present = known & (given > 0)
        source = f"The errors were {_FROM_SCATTER}."
        mean = local_mean(given, present, EXPOSURE)
        least = max(np.median(scatter[known]), 1e-300)
        ratio = float(np.sqrt(np.median(mean[known]) / least)) if present.any() else 0.0
        if present.sum() < 0.5 * known.sum():
            share = 1 - present.sum() / known.sum()
            warnings = (f"{share:.0%} of the map's errors are zero, which no measurement is: they were not used.",)
        elif not 1 / WRONG < ratio < WRONG:
            what = "larger" if ratio > 1 else "smaller"
            warnings = (
                f"The map's errors are {max(ratio, 1 / ratio):.3g} times {what} than its scatter from pixel to pixel: "
                "not used.",
            )
        else:
            source = "The map's own errors, as a function of its intensity."
            constant, slope = _by_group(
                m, lambda group: _line(given[group][present[group]], level[group][present[group]])
            )
            exposure = mean / local_mean(constant + slope * np.maximum(filled, 0), present, EXPOSURE)
            constant, slope = constant * exposure, slope * exposure
    variance = constant + slope * np.maximum(level, 0)
    (mean,) = _by_group(m, lambda group: (variance[group][known[group]].mean() if known[group].any() else 1.0,))
    return Uncertainty(
        constant, slope, level, local_mean(filled, known, EXPOSURE), np.maximum(FLOOR * mean, 1e-60), source, warnings
    )


def _by_group(m: Map, numbers) -> list[np.ndarray]:
    """Arrays of the shape of the map, of what is a number for each incident energy:
    what one neutron is worth differs between them.
    """
    groups = m.slices.groups_by_ei() if m.slices is not None else [slice(None)]
    found = [numbers(group) for group in groups]
    out = [np.empty(m.shape) for _ in found[0]]
    for group, values in zip(groups, found, strict=True):
        for array, value in zip(out, values, strict=True):
            array[group] = value
    return out


def local_mean(values: np.ndarray, known: np.ndarray, width: int) -> np.ndarray:
    """Mean of the known pixels around each, within one image; their mean over the whole map where there is none."""
    size = (1,) * (values.ndim - 2) + (width,) * 2
    share = uniform_filter(known.astype(float), size, mode="constant")
    total = uniform_filter(np.where(known, values, 0.0), size, mode="constant")
    return np.where(share > 1e-9, total / np.maximum(share, 1e-9), np.mean(values[known]) if known.any() else 1.0)


def _from_scatter(filled: np.ndarray, known: np.ndarray, level: np.ndarray) -> tuple[float, float]:
    """Constant and slope of the variance by the squares of (pixel - mean of its two neighbours along an axis).

    Their expectation is 3/2 of the variance where the map is a straight line. The largest of
    them (hot pixels) are left out.
    """
    squares, levels = [np.empty(0)], [np.empty(0)]
    for axis in (-2, -1):
        if filled.shape[axis] < 3:
            continue
        before, here, after = (_shifted(axis, shift) for shift in (0, 1, 2))
        usable = known[before] & known[here] & known[after]
        squares.append((filled[here] - 0.5 * (filled[before] + filled[after]))[usable] ** 2 / 1.5)
        levels.append(level[here][usable])
    square, mean = np.concatenate(squares), np.concatenate(levels)
    if square.size < _CLASSES * 10:
        return float(np.var(filled[known])) if known.any() else 1.0, 0.0
    return _line(square, mean, trimmed=True)


def _line(square: np.ndarray, mean: np.ndarray, trimmed: bool = False) -> tuple[float, float]:
    """Constant and slope, neither below zero, of squares against mean intensities, by classes of the latter."""
    classes = [one for one in np.array_split(np.argsort(mean, kind="stable"), _CLASSES) if one.size]
    # where next to nothing is expected, a single neutron is many times the mean square
    # there, but not that of all pixels
    average = partial(_mean_without_hot, least=_mean_without_hot(square)) if trimmed else np.mean
    variance = np.array([average(square[one]) for one in classes])
    centre = np.array([np.mean(mean[one]) for one in classes])
    weight = 1 / np.maximum(variance, 1e-3 * variance.max() or 1.0)
    terms = np.stack([np.ones_like(centre), np.maximum(centre, 0)], axis=1)
    found, _ = nnls(terms * weight[:, None], variance * weight)
    return float(found[0]), float(found[1])


def _mean_without_hot(squares: np.ndarray, least: float = 0.0) -> float:
    while True:
        mean = squares.mean()
        kept = squares <= _HOT * max(mean, least)
        if kept.all():
            return float(mean)
        squares = squares[kept]


def _shifted(axis: int, shift: int) -> tuple:
    """Index of all places along an axis but two, from `shift` on."""
    middle = slice(shift, -2 + shift or None)
    return (..., middle, slice(None)) if axis == -2 else (..., middle)
