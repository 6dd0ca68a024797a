"""The best linear estimate of a noise-free map, from maps that were simulated on its slices.

What a magnet of known kind can show varies in far fewer ways than a map has pixels. The mean and the covariance of maps
simulated with constants from the prior say in which, and the noise says how far the pixels are to be believed: of all
estimates that are linear in the measured pixels the one below has the least mean square error (Wiener filter; Gaussian
process regression with the covariance of an ensemble). A constant of each slice, background that the reduction has
left, is free.

A second pass takes the members that are most like the first answer, at the amplitude at which they are, since the
covariance of all magnets is not that of those like this one; with noise that follows the intensity, as counting has it,
and with pixels that nothing explains (hot ones) counting less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FIRST = 240  # members of the first pass, which has but to say what the map is like
NEAREST = 150  # members of the second pass
AMPLITUDE = (0.3, 1.1)
"""Of the signal of an incident energy over the mean that was measured, of which background is a part."""
SPREAD = 0.15  # of the amplitude of a member of the second pass about that which fits best, relative
LEAST_LEVEL = 0.15  # of a slice's mean: below it the variance of its noise does not follow the intensity
OUTLIER = 4.0  # standard deviations from which on a pixel counts less


@dataclass(frozen=True)
class LinearEstimate:
    """The estimate of a map.

    Parameters
    ----------
    intensity : (slice, qh, qk)
    variance : (slice, qh, qk)
        Of the estimate, if the members were Gaussian about the truth.
    noise : (slice, qh, qk)
        Standard deviation of the measured pixels' noise, as the estimate took it.
    sensitivity : (slice, qh, qk)
        Derivative of each pixel of the estimate, about the mean of its slice, by what was measured there; 0 where
        nothing was.
    """

    intensity: np.ndarray
    variance: np.ndarray
    noise: np.ndarray
    sensitivity: np.ndarray


def linear_estimate(
    measured: np.ndarray, known: np.ndarray, noise: np.ndarray, groups: Sequence[np.ndarray], members: np.ndarray
) -> LinearEstimate:
    """The noise-free map, without what is constant in a slice.

    Parameters
    ----------
    measured : (slice, qh, qk), known : (slice, qh, qk) bool
        Normalised intensity, and where there is one.
    noise : (slice,)
        Standard deviation of the noise.
    groups
        Slices of each incident energy: their scales are not comparable.
    members : (member, slice, qh, qk)
        Simulated maps, each incident energy in units of its mean.
    """
    shape = measured.shape
    y, known = measured.reshape(len(measured), -1), known.reshape(len(measured), -1)
    ensemble = members.reshape(*members.shape[:2], -1)
    rng = np.random.default_rng(0)
    amplitude = np.empty(ensemble.shape[:2], np.float32)
    for group in groups:
        amplitude[:, group] = rng.uniform(*AMPLITUDE, (len(ensemble), 1))
    deviation = np.broadcast_to(noise[:, None], y.shape)
    some = slice(None, None, max(1, len(ensemble) // FIRST))
    first, constant, *_ = _solved(ensemble[some], amplitude[some], y, known, deviation, with_variance=False)

    level = np.maximum(first + constant[:, None], 0)
    mean = (level * known).sum(1, keepdims=True) / np.maximum(known.sum(1, keepdims=True), 1)
    deviation = noise[:, None] * np.sqrt(np.maximum(level / np.maximum(mean, 1e-3), LEAST_LEVEL))
    away = np.abs(y - first - constant[:, None]) / deviation
    deviation = deviation * np.maximum(away / OUTLIER, 1)
    fitting, distance = _likeness(ensemble, first, known / noise[:, None], groups)
    nearest = np.argsort(distance)[:NEAREST]
    spread = np.ones((nearest.size, len(y)), np.float32)
    for group in groups:
        spread[:, group] += SPREAD * rng.standard_normal((nearest.size, 1))
    last, _, variance, sensitivity = _solved(
        ensemble[nearest], fitting[nearest] * spread, y, known, deviation, with_variance=True
    )
    parts = (np.maximum(last, 0), variance, deviation, sensitivity)
    return LinearEstimate(*(part.reshape(shape) for part in parts))


def _solved(
    ensemble: np.ndarray,
    amplitude: np.ndarray,
    y: np.ndarray,
    known: np.ndarray,
    deviation: np.ndarray,
    *,
    with_variance: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Intensity (slice, pixel), constant (slice,), and variance and sensitivity (slice, pixel), zero if not wanted.

    Slice by slice, so that the ensemble is the only large array: first the coefficients of the members, then what they
    make of each slice.
    """
    from scipy.linalg import cho_solve, cholesky, solve_triangular

    number = len(ensemble)
    weight = (known / deviation).astype(np.float32)
    matrix, right = np.eye(number), np.zeros(number)

    def of_slice(place: int) -> tuple[np.ndarray, np.ndarray]:
        shown = ensemble[:, place].astype(np.float32) * amplitude[:, place, None]
        mean = shown.mean(axis=0)
        return mean, (shown - mean) / np.float32(np.sqrt(max(number - 1, 1)))

    def mean_of(values: np.ndarray, place: int) -> np.ndarray:
        """Over the known pixels, by their weight: what a free constant takes away."""
        return values @ weight[place] ** 2 / max(float(weight[place] @ weight[place]), 1e-12)

    for place, w in enumerate(weight):
        mean, ways = of_slice(place)
        seen = (ways - mean_of(ways, place)[:, None]) * w
        rest = y[place] - mean
        matrix += seen @ seen.T
        right += seen @ ((rest - mean_of(rest, place)) * w)
    factor = cholesky(matrix, lower=True)
    coefficients = cho_solve((factor, True), right).astype(np.float32)
    if with_variance:
        inverse = solve_triangular(factor, np.eye(number), lower=True).astype(np.float32)
    intensity, variance, sensitivity = np.zeros((3, *weight.shape), np.float32)
    constant = np.empty(len(y))
    for place in range(len(y)):
        mean, ways = of_slice(place)
        intensity[place] = mean + coefficients @ ways
        if with_variance:
            of_members = inverse @ ways
            variance[place] = np.sum(of_members**2, axis=0)
            about = of_members - mean_of(of_members, place)[:, None]
            sensitivity[place] = np.sum(about**2, axis=0) * weight[place] ** 2
        constant[place] = mean_of(y[place] - intensity[place], place)
    return intensity, constant, variance, sensitivity


def _likeness(
    ensemble: np.ndarray, wanted: np.ndarray, weight: np.ndarray, groups: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Amplitude (member, slice) at which each member is most like a map, and squared distance from it, (member,)."""
    amplitude, distance = np.zeros(ensemble.shape[:2], np.float32), np.zeros(len(ensemble))
    for group in groups:
        own, with_map, of_map = np.zeros(len(ensemble)), np.zeros(len(ensemble)), 0.0
        for place in group:
            shown, of = ensemble[:, place].astype(np.float32) * weight[place], wanted[place] * weight[place]
            own += np.einsum("kp,kp->k", shown, shown)
            with_map += shown @ of
            of_map += float(of @ of)
        fitting = np.maximum(with_map / np.maximum(own, 1e-9), 0)
        amplitude[:, group] = fitting[:, None]
        distance += of_map - 2 * fitting * with_map + fitting**2 * own
    return amplitude, distance
