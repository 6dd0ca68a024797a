"""The deletion test of an explanation, with networks whose scores are sums of chosen pixels."""

import numpy as np
import pytest

from mantid_insdl.analysis.deletion import SHARE, score_falls

PIXELS = 100


def stack():
    """One slice of 10 x 10 pixels of intensity 1, the last ten of them masked."""
    values = np.ones((1, 1, 10, 10, 2), np.float32)
    values[0, 0, 9] = 0
    return values


def network(weights, offset=0.0):
    """Scores by the weighted sum of the pixels against a second and third class that share what is left."""

    def call(given):
        total = (given[..., 0].reshape(len(given), -1) * weights).sum(axis=1)
        return np.stack([offset + total, np.zeros(len(given)), 2 * np.ones(len(given))], axis=1)

    return call


def test_the_pixels_that_a_faithful_explanation_points_at_carry_the_score():
    weights = np.zeros(PIXELS)
    weights[20:38] = 1.0  # a fifth of the 90 known pixels
    important, by_chance = score_falls([network(weights)], stack(), weights.reshape(1, 10, 10), 0)
    assert important == pytest.approx(18)
    assert by_chance == pytest.approx(SHARE * 18, abs=2)
    wrong, _ = score_falls([network(weights)], stack(), 1 - weights.reshape(1, 10, 10), 0)
    assert wrong == pytest.approx(0)


def test_masked_pixels_are_not_pointed_at_and_the_networks_are_averaged():
    weights = np.zeros(PIXELS)
    weights[90:] = 5.0  # where nothing is known
    weights[:18] = 1.0
    important, _ = score_falls([network(weights), network(3 * weights, offset=7.0)], stack(), weights.reshape(1, 10, 10), 0)
    assert important == pytest.approx((18 + 54) / 2)


def test_the_score_is_held_against_the_other_classes():
    weights = np.zeros(PIXELS)
    weights[:18] = 1.0
    important, _ = score_falls([network(weights)], stack(), weights.reshape(1, 10, 10), 1)
    assert important == pytest.approx(-18 / 2)


def test_without_any_importance_pixels_are_taken_at_random():
    weights = np.zeros(PIXELS)
    weights[:18] = 1.0
    important, _ = score_falls([network(weights)], stack(), np.zeros((1, 10, 10)), 0)
    assert 0 < important < 18
