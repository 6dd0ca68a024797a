"""The mixture of a network with simulations: who is believed, and how sure it is."""

from __future__ import annotations

import numpy as np
import pytest
from test_linear_estimate import SIZE, ensemble

from mantid_insdl.networks import joint_estimate as module
from mantid_insdl.networks.joint_estimate import CALIBRATED_JOINTLY, joint_estimate
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.stein import rings

PLACES = np.array([0, 1, 3])  # of four; of two incident energies
NETWORK_ERROR = 0.4
CONSTANT = np.ones((1, SIZE, SIZE))


@pytest.fixture
def truth():
    return np.concatenate([ensemble(1, 7)[0] * 0.8])


@pytest.fixture
def maps(truth):
    rng = np.random.default_rng(2)
    stack = np.zeros((1, 4, SIZE, SIZE, 2), np.float32)
    stack[0, PLACES, ..., 0], stack[0, PLACES, ..., 1] = truth + 0.4 * rng.standard_normal(truth.shape), 1
    stack[0, 0, :3, :, :] = 0  # a gap
    windows, used = np.zeros((1, 4, 3), np.float32), np.zeros((1, 4, 1), np.float32)
    windows[0, PLACES, 2], used[0, PLACES] = [1.7, 1.7, 2.0], 1
    return MeasuredMaps(stack, np.ones((1, 4)), np.empty(0), windows, used)


@pytest.fixture
def members():
    result = np.zeros((200, 4, SIZE, SIZE), np.float16)
    result[:, PLACES] = ensemble(200)
    return result


@pytest.fixture
def network(monkeypatch):
    """Makes the network give an answer, (slice, qh, qk), and follow the noise by a share."""

    def gives(answer: np.ndarray, follows: float = 0.0):
        def denoised(_, maps, __=None):
            full = np.zeros(maps.stack.shape[:-1])
            full[0, PLACES] = answer
            return full + follows * maps.stack[..., 0], np.full(full.shape, NETWORK_ERROR)

        monkeypatch.setattr(module, "denoised", denoised)

    return gives


def rms(answer, truth):
    return np.sqrt(np.mean((answer.intensity[PLACES] - truth) ** 2))


def test_what_is_right_is_believed(maps, members, network, truth):
    network(truth)
    right = joint_estimate(None, maps, members, CONSTANT, None)
    assert right.of_network > 0.6 and right.of_network + right.of_simulations == pytest.approx(1, abs=0.06)
    network(np.random.default_rng(1).gamma(1.0, 1.0, truth.shape))
    wrong = joint_estimate(None, maps, members, CONSTANT, None)
    assert wrong.of_network < 0.1 and wrong.of_simulations > 0.85
    assert rms(wrong, truth) < 0.15
    # simulations of something else: upside down
    network(truth)
    other = joint_estimate(None, maps, np.where(members > 0, members[:, :, ::-1, ::-1].max() - members, 0), CONSTANT, None)
    assert other.of_network > 0.85 and rms(other, truth) < 0.15


def test_a_network_that_hands_on_the_noise_is_not_taken_for_right(maps, members, network, truth):
    network(np.zeros_like(truth), follows=1.0)
    assert joint_estimate(None, maps, members, CONSTANT, None).of_network < 0.15


def test_a_network_is_not_believed_for_showing_the_background(maps, members, network, truth):
    axis = np.linspace(-1, 1, SIZE)
    ring = 3 * np.exp(-(((np.hypot(axis[:, None], axis) - 0.6) / 0.2) ** 2))
    stack = maps.stack.copy()
    stack[0, PLACES, ..., 0] += ring * stack[0, PLACES, ..., 1]
    measured = MeasuredMaps(stack, maps.scale, np.empty(0), maps.windows, maps.used)
    network(0.3 * truth + ring)
    all_of_it, without_rings = (joint_estimate(None, measured, members, one, None) for one in (CONSTANT, rings(axis, axis)))
    assert all_of_it.of_network > 0.6 and without_rings.of_network < all_of_it.of_network - 0.2


def test_error_bars(maps, members, network, truth):
    network(truth + 2.0 + 0.1 * np.random.default_rng(9).standard_normal(truth.shape))
    # constants of slices do not decide the shares, but such answers are not sure
    apart = joint_estimate(None, maps, members, CONSTANT, None)
    assert 0.2 < apart.of_network < 0.8
    assert np.median(apart.error[PLACES]) > 0.5
    network(np.random.default_rng(1).gamma(1.0, 1.0, truth.shape))
    simulated = joint_estimate(None, maps, members, CONSTANT, None)
    factors = dict(zip(CALIBRATED_JOINTLY, (2.0, 3.0), strict=True)) | {"error_factor_known": 1.0, "error_factor_gap": 1.0}
    wider = joint_estimate(None, maps, members, CONSTANT, factors)
    gap = maps.stack[0, PLACES, ..., 1] == 0
    assert (wider.error[PLACES] / simulated.error[PLACES])[~gap] == pytest.approx(2.0)
    assert (wider.error[PLACES] / simulated.error[PLACES])[gap] == pytest.approx(3.0)
    assert np.all(wider.intensity == simulated.intensity)


def test_places_without_a_slice_stay_empty_and_one_map_is_asked_for(maps, members, network, truth):
    network(truth)
    found = joint_estimate(None, maps, members, CONSTANT, None)
    assert np.all(found.intensity[2] == 0) and found.intensity.shape == (4, SIZE, SIZE)
    two = MeasuredMaps(*(np.concatenate([x, x]) for x in (maps.stack, maps.scale, np.empty((1, 0)), maps.windows, maps.used)))
    with pytest.raises(ValueError, match="2 maps"):
        joint_estimate(None, two, members, CONSTANT, None)
    assert np.array_equal(two.one(1).stack, maps.stack)


def test_of_noise_alone_little_is_left(maps, members, network, truth):
    rng = np.random.default_rng(5)
    noise = np.zeros_like(maps.stack)
    noise[0, PLACES, ..., 0], noise[..., 1] = 1 + rng.standard_normal(truth.shape), maps.stack[..., 1]
    network(np.full(truth.shape, 0.01))
    found = joint_estimate(None, MeasuredMaps(noise, maps.scale, np.empty(0), maps.windows, maps.used), members, CONSTANT, None)
    assert found.intensity[PLACES].mean() < 0.35
