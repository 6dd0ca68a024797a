"""The deletion test of an explanation, with scores that are sums of chosen pixels."""

import numpy as np
import pytest

from mantid_insdl.explain.deletion import SHARE, score_falls

PIXELS = 100


def shown():
    """One slice of 10 x 10 pixels of intensity 1, the last ten of them masked."""
    values = np.ones((1, 10, 10, 2), np.float32)
    values[0, 9] = 0
    return values


def sum_of(weights, offset=0.0):
    return lambda given: offset + (given[..., 0].reshape(len(given), -1) * weights).sum(axis=1)


def test_the_pixels_that_a_faithful_explanation_points_at_carry_the_score():
    weights = np.zeros(PIXELS)
    weights[20:38] = 1.0  # a fifth of the 90 known pixels
    important, by_chance = score_falls(sum_of(weights, 7.0), shown(), weights.reshape(1, 10, 10))
    assert important == pytest.approx(18)
    assert by_chance == pytest.approx(SHARE * 18, abs=2)
    wrong, _ = score_falls(sum_of(weights), shown(), 1 - weights.reshape(1, 10, 10))
    assert wrong == pytest.approx(0)


def test_masked_pixels_are_not_pointed_at():
    weights = np.zeros(PIXELS)
    weights[90:] = 5.0  # where nothing is known
    weights[:18] = 1.0
    important, _ = score_falls(sum_of(weights), shown(), weights.reshape(1, 10, 10))
    assert important == pytest.approx(18)


def test_without_any_importance_pixels_are_taken_at_random():
    weights = np.zeros(PIXELS)
    weights[:18] = 1.0
    important, _ = score_falls(sum_of(weights), shown(), np.zeros((1, 10, 10)))
    assert 0 < important < 18
