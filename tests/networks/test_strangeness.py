"""How strange a map is, on toy networks whose signs are known."""

import numpy as np
import pytest

from mantid_insdl.networks.strangeness import FALSE_ALARMS, Strangeness, signs
from mantid_insdl.networks.trained_range import Familiarity

UNIT = Familiarity(np.zeros((1, 1)), np.eye(1))  # the distance of a map is the size of its one feature


def logits(none, networks=1):
    """Of two classes with equal odds of 1/2 each, and of none of them with the given log odds."""
    none = np.asarray(none, float)
    half = np.full(none.shape, np.log(0.5))
    return np.stack([half, half, none], axis=-1)[None].repeat(networks, axis=0)


def features(distance):
    return [np.asarray(distance, float)[:, None]]


def known(number=1000):
    """Maps whose two signs are 0 to 1 and independent of one another."""
    rng = np.random.default_rng(5)
    none, distance = rng.permutation(np.linspace(0, 1, number)), rng.permutation(np.linspace(0, 1, number))
    return none, distance, Strangeness.of([UNIT], logits(none), features(distance))


def test_signs_are_the_log_odds_of_none_and_the_distance_averaged_over_the_networks():
    two = np.concatenate([logits([1.0, -2.0]), logits([3.0, 0.0])])
    none, distance = signs([UNIT, UNIT], two, [np.array([[1.0], [-4.0]]), np.array([[3.0], [0.0]])])
    assert none == pytest.approx([2, -1]) and distance == pytest.approx([2, 2])
    # Only the odds count, not the size of the logits, however large.
    assert signs([UNIT], logits([1.0]) + 900, features([0.0]))[0] == pytest.approx([1])


def test_the_stated_share_of_the_models_own_maps_is_too_strange():
    none, distance, strange = known()
    alarms = strange(logits(none), features(distance)) > 1 - FALSE_ALARMS
    assert alarms.mean() == pytest.approx(FALSE_ALARMS, abs=0.002)
    # Those with the larger of both signs: each of them is beyond its own quantile of sqrt(0.95).
    larger = np.maximum(none, distance)
    assert np.sum(alarms != (larger > np.quantile(larger, 1 - FALSE_ALARMS))) <= 2


@pytest.mark.parametrize(("none", "distance", "odd"), [(0.5, 0.5, False), (2.0, 0.5, True), (0.5, 2.0, True), (-9.0, 0.0, False)])
def test_one_sign_is_enough(none, distance, odd):
    *_, strange = known()
    by_none, by_distance, both = strange.shares(logits([none]), features([distance]))
    assert (both > 1 - FALSE_ALARMS) == odd
    assert by_none == pytest.approx(np.clip(none, 0, 1), abs=0.01) and by_distance == pytest.approx(np.clip(distance, 0, 1), abs=0.01)


def test_kept_in_a_bundle_and_read_again():
    none, distance, strange = known()
    again = Strangeness.of_bundle(strange.arrays, 1)
    assert again(logits(none), features(distance)) == pytest.approx(strange(logits(none), features(distance)))
