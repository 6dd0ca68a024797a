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


def test_calibration_error_of_honest_and_of_boasting_probabilities():
    rng = np.random.default_rng(1)
    p = rng.uniform(0.5, 1, 50000)
    classes = (rng.random(50000) > p).astype(int)  # class 0 with probability p
    honest = np.column_stack([p, 1 - p])
    assert metrics.expected_calibration_error(honest, classes) < 0.01
    boasting = np.column_stack([np.ones_like(p), np.zeros_like(p)])
    assert metrics.expected_calibration_error(boasting, classes) == pytest.approx(0.25, abs=0.01)


def test_proportion_interval_is_wilson():
    value, (low, high) = metrics.proportion(9, 10)
    assert (value, low, high) == pytest.approx((0.9, 0.5958, 0.9821), abs=1e-4)  # Wilson 1927, textbook example


def test_bootstrap_interval_of_a_mean():
    values = np.random.default_rng(2).normal(5, 1, 400)
    low, high = metrics.bootstrap(values, lambda v: float(v.mean()))
    assert high - low == pytest.approx(4 * values.std() / 20 * 0.98, rel=0.15)
    assert low < values.mean() < high
