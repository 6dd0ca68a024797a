"""What counts as out of range, on a toy range whose limits are known."""

import numpy as np
import pytest

from mantid_insdl.networks.preprocessing import structure
from mantid_insdl.networks.trained_range import Familiarity, TrainedRange


def line_range(**limits) -> TrainedRange:
    """Two networks with one feature each: the distances are |x| and 3 |x|."""
    unit = Familiarity(np.zeros((1, 1)), np.eye(1))
    return TrainedRange([unit, Familiarity(np.zeros((1, 1)), 9 * np.eye(1))], **limits)


def stacks(*patterns) -> np.ndarray:
    """(n, 1, qh, qk, 2), all known."""
    values = np.array(patterns, float)[:, None]
    return np.stack([values, np.ones_like(values)], axis=-1)


ROWS = np.tile([[1.0], [-1.0]], (4, 8))  # neighbours along qk agree fully, along qh they are opposed: nothing in all
SMOOTH = np.where(np.arange(8) < 4, 1.0, -1.0)[:, None] * np.ones(8)  # agrees but for one border
CHECKED = np.where(np.indices((8, 8)).sum(0) % 2, 1.0, -1.0)  # all neighbours are opposed


def test_familiarity_is_the_mahalanobis_distance_to_the_nearest_class():
    rng = np.random.default_rng(3)
    features = np.concatenate([rng.normal(0, [1, 3], (5000, 2)), rng.normal([10, 0], [1, 3], (5000, 2))])
    familiar = Familiarity.of(features, np.repeat([0, 1], 5000))
    distances = familiar.distance(np.array([[0.0, 0.0], [0.0, 3.0], [10.0, 6.0], [5.0, 0.0]]))
    assert distances == pytest.approx([0, 1, 2, 5], abs=0.1)


def test_distance_is_the_mean_over_the_networks():
    assert line_range().distance([np.array([[2.0], [-1.0]]), np.array([[2.0], [0.0]])]) == pytest.approx([(2 + 6) / 2, (1 + 0) / 2])


def test_too_far_is_beyond_the_limit_and_not_before():
    trained = line_range(distance_limit=4.0)
    features = [np.array([[1.9], [2.1], [-2.1]])] * 2  # twice that: 3.8, 4.2, 4.2
    assert trained.too_far(features).tolist() == [False, True, True]


def test_structure_of_patterns():
    trained = line_range(structure_limit=0.3)
    stack = stacks(SMOOTH, ROWS, CHECKED)
    assert trained.structureless(structure(stack)).tolist() == [False, True, True]
    trained = line_range(structure_limit=-0.5)
    assert trained.structureless(structure(stack)).tolist() == [False, False, True]


def test_either_reason_is_enough_to_be_outside():
    trained = line_range(distance_limit=4.0, structure_limit=0.3)
    stack = stacks(SMOOTH, SMOOTH, CHECKED, CHECKED)
    features = [np.array([[0.0], [9.0], [0.0], [9.0]])] * 2
    assert trained.outside(structure(stack), features).tolist() == [False, True, True, True]


def test_limits_leave_out_the_farthest_and_the_least_structured_hundredth():
    rng = np.random.default_rng(0)
    distances = np.arange(1000.0)
    # Pictures between checked and smooth: their structure grows with their number.
    share = np.linspace(0, 1, 1000)
    stack = stacks(*(s * SMOOTH + (1 - s) * CHECKED for s in share))
    order = rng.permutation(1000)
    trained = line_range()
    trained.calibrate(structure(stack[order]), [distances[order, None]] * 2)
    far, bare = trained.too_far([distances[:, None]] * 2), trained.structureless(structure(stack))
    assert far.sum() == bare.sum() == 10
    assert far[-10:].all() and bare[:10].all()


def test_kept_in_a_bundle_and_read_again():
    trained = line_range(distance_limit=4.0, structure_limit=0.3)
    again = TrainedRange.of_bundle(trained.arrays, trained.calibration, 2)
    features = [np.array([[1.5], [2.5]])] * 2
    assert again.distance(features) == pytest.approx([3, 5])
    assert again.too_far(features).tolist() == [False, True]
    assert again.structureless(structure(stacks(SMOOTH, CHECKED))).tolist() == [False, True]
