"""Test figures with their intervals, and calibration.

SciPy is imported where it is used: checking a map for a model, which happens inside Mantid, must be quick and needs none of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def proportion(successes: int, number: int) -> tuple[float, tuple[float, float]]:
    """A proportion with its 95 % Wilson interval."""
    from scipy.stats import binomtest

    interval = binomtest(int(successes), int(number)).proportion_ci(method="wilson")
    return successes / number, (float(interval.low), float(interval.high))


def bootstrap(values: np.ndarray, statistic: Callable[[np.ndarray], float], seed: int = 0, draws: int = 1000) -> tuple[float, float]:
    """95 % percentile-bootstrap interval of a statistic of independent `values` (first axis)."""
    rng = np.random.default_rng(seed)
    sample = [statistic(values[rng.integers(0, len(values), len(values))]) for _ in range(draws)]
    low, high = np.percentile(sample, [2.5, 97.5])
    return float(low), float(high)


def fit_temperature(logits: np.ndarray, classes: np.ndarray) -> float:
    """The temperature that makes an ensemble's probabilities most likely on a calibration set (Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(log_temperature: float) -> float:
        each = log_softmax(logits / np.exp(log_temperature), axis=-1)
        mean = np.logaddexp.reduce(each, axis=0) - np.log(each.shape[0])
        return -float(mean[np.arange(classes.size), classes].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def expected_calibration_error(probabilities: np.ndarray, classes: np.ndarray, bins: int = 10) -> float:
    """Mean distance between confidence and accuracy over equal-width bins of confidence, weighted by their number of samples."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == classes
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(sum(abs(confidence[which == b].mean() - correct[which == b].mean()) * np.mean(which == b) for b in np.unique(which)))


def area_under_curve(inside: np.ndarray, outside: np.ndarray) -> float:
    """Probability that a score of `outside` is larger than one of `inside`; of equal ones half."""
    order = np.sort(inside)
    below, not_above = (np.searchsorted(order, outside, side) for side in ("left", "right"))
    return float((below + not_above).mean() / (2 * inside.size))


def area_interval(area: float, inside: int, outside: int) -> tuple[float, float]:
    """95 % interval of an area under the curve from so many scores [J. A. Hanley and B. J. McNeil, Radiology 143, 29 (1982)]."""
    one, both = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (outside - 1) * (one - area**2) + (inside - 1) * (both - area**2)) / (inside * outside)
    half = 1.96 * float(np.sqrt(max(variance, 0.0)))
    return max(0.0, area - half), min(1.0, area + half)
