"""Calibration and intervals against cases with a known answer."""

import numpy as np
import pytest

from mantid_insdl.training import metrics


def test_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    true_logits = rng.normal(0, 2, (1, 20000, 2))
    odds = true_logits[0, :, 1] - true_logits[0, :, 0]
    classes = (rng.random(20000) < 1 / (1 + np.exp(-odds))).astype(int)
    assert metrics.fit_temperature(3 * true_logits, classes) == pytest.approx(3, rel=0.05)


def test_temperature_is_that_of_the_mean_probability_and_not_of_the_mean_logit():
    """One member knows, at temperature 2, and the other never does: on their mean logits the best temperature would be another."""
    rng = np.random.default_rng(4)
    logits = np.zeros((2, 50000, 2))
    logits[0, :, 0] = rng.normal(0, 8, 50000)
    knowing = 1 / (1 + np.exp(logits[0, :, 0] / 2))
    classes = (rng.random(50000) < (knowing + 0.5) / 2).astype(int)
    assert metrics.fit_temperature(logits, classes) == pytest.approx(2, rel=0.07)


def test_calibration_error_of_honest_and_of_boasting_probabilities():
    rng = np.random.default_rng(1)
    p = rng.uniform(0.5, 1, 50000)
    classes = (rng.random(50000) > p).astype(int)  # class 0 with probability p
    honest = np.column_stack([p, 1 - p])
    assert metrics.expected_calibration_error(honest, classes) < 0.01
    boasting = np.column_stack([np.ones_like(p), np.zeros_like(p)])
    assert metrics.expected_calibration_error(boasting, classes) == pytest.approx(0.25, abs=0.01)


def test_doubt_here_does_not_make_up_for_boasting_there():
    probabilities = np.array([[0.95, 0.05]] * 100 + [[0.55, 0.45]] * 100)
    classes = np.array([0] * 75 + [1] * 25 + [0] * 75 + [1] * 25)  # right three times in four: 0.2 too sure, 0.2 not sure enough
    assert metrics.expected_calibration_error(probabilities, classes) == pytest.approx(0.2)


def test_proportion_interval_is_wilson():
    value, (low, high) = metrics.proportion(9, 10)
    assert (value, low, high) == pytest.approx((0.9, 0.5958, 0.9821), abs=1e-4)  # Wilson 1927, textbook example


def test_bootstrap_interval_of_a_mean():
    for seed in range(3):
        values = np.random.default_rng(seed).normal(5, 1, 400)
        low, high = metrics.bootstrap(values, lambda v: float(v.mean()), draws=4000)
        half = 1.96 * values.std() / 20
        assert [low, high] == pytest.approx([values.mean() - half, values.mean() + half], abs=0.07 * half)
