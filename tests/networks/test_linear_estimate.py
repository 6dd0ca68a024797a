"""The best linear estimate: against the formula written out for all pixels at once, and for what it must not mind."""

from __future__ import annotations

import numpy as np
import pytest

from mantid_insdl.networks import linear_estimate as module
from mantid_insdl.networks.linear_estimate import NEAREST, _likeness, _solved, linear_estimate

SIZE = 12
GROUPS = [np.array([0, 1]), np.array([2])]


def patterns() -> np.ndarray:
    """(pattern, slice, qh, qk): a ring whose radius grows with energy, sharper ones of it, and a spot that fades."""
    x = np.linspace(-1, 1, SIZE)
    radius = np.hypot(x[:, None], x)
    ring = np.stack([np.exp(-((radius - at) ** 2) / 0.05) for at in (0.3, 0.6, 0.9)])
    spot = np.stack([share * np.exp(-(radius**2) / 0.1) for share in (1.0, 0.6, 0.3)])
    stripe = np.stack([np.exp(-((x[:, None] - at) ** 2) / 0.05) * np.ones(SIZE) for at in (-0.5, 0.0, 0.5)])
    return np.stack([ring, spot, stripe])


def ensemble(number: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    maps = np.einsum("mp,psij->msij", rng.uniform(0.2, 1, (number, 3)), patterns())
    for group in GROUPS:
        maps[:, group] /= maps[:, group].mean(axis=(1, 2, 3), keepdims=True)
    return maps


def measured(truth: np.ndarray, noise: np.ndarray, seed: int = 1) -> np.ndarray:
    return truth + noise[:, None, None] * np.random.default_rng(seed).standard_normal(truth.shape)


def test_coefficients_are_those_of_the_formula_with_all_pixels_at_once():
    rng = np.random.default_rng(4)
    members = rng.gamma(2.0, 1.0, (7, 2, 9))
    y, known = rng.gamma(2.0, 1.0, (2, 9)), rng.random((2, 9)) > 0.3
    deviation = rng.uniform(0.2, 0.6, (2, 9))
    found, constant, variance, sensitivity = _solved(members, np.ones((7, 2), np.float32), y, known, deviation, with_variance=True)
    x = members.reshape(7, -1)
    free = 1e6 * np.kron(np.eye(2), np.ones((9, 9)))  # a constant of each slice about which nothing is known
    prior = np.cov(x.T)
    seen = known.ravel()
    inverse = np.linalg.inv((prior + free)[np.ix_(seen, seen)] + np.diag(deviation.ravel()[seen] ** 2))
    gain = prior[:, seen] @ inverse
    assert found.ravel() == pytest.approx(x.mean(0) + gain @ (y.ravel() - x.mean(0))[seen], abs=1e-3)
    assert variance.ravel() == pytest.approx(np.diag(prior - gain @ prior[seen]), abs=1e-3)
    best = (free[:, seen] @ inverse @ (y.ravel() - x.mean(0))[seen]).reshape(2, 9)[:, 0]
    assert constant == pytest.approx(best, abs=1e-3)
    # what the shares of the estimates rest on: how the estimate follows a pixel
    moved = y.copy()
    place = tuple(np.argwhere(known)[3])
    moved[place] += 0.1
    shifted, *_ = _solved(members, np.ones((7, 2), np.float32), moved, known, deviation, with_variance=False)
    weight = (known / deviation**2)[place[0]]
    change = (shifted - found)[place[0]]
    assert (change - change @ weight / weight.sum())[place[1]] / 0.1 == pytest.approx(sensitivity[place], rel=1e-3)


def test_what_the_members_can_show_is_found_under_noise_with_an_error_that_is_true():
    members, noise = ensemble(400), np.array([0.5, 0.5, 1.0])
    pulls, gains = [], []
    for seed in range(20):
        truth = ensemble(1, 100 + seed)[0] * 0.8
        known = np.random.default_rng(seed).random(truth.shape) > 0.2
        found = linear_estimate(measured(truth, noise, seed), known, noise, GROUPS, members)
        pulls.append((found.intensity - truth) / np.sqrt(found.variance))
        gains.append(np.sqrt(np.mean((found.intensity - truth) ** 2)) / 0.7)
    assert np.median(gains) < 0.2
    assert 0.6 < np.std(pulls) < 1.4  # in gaps as well


def test_a_constant_of_a_slice_and_a_hot_pixel_do_not_matter():
    members, noise = ensemble(300), np.full(3, 0.3)
    truth = ensemble(1, 7)[0] * 0.7
    y, known = measured(truth, noise), np.ones(truth.shape, bool)
    found = linear_estimate(y, known, noise, GROUPS, members)
    raised = linear_estimate(y + np.array([0.4, 0.0, 1.1])[:, None, None], known, noise, GROUPS, members)
    assert raised.intensity == pytest.approx(found.intensity, abs=0.1)
    hot = y.copy()
    hot[1, 3, 4] += 12.0
    with_hot = linear_estimate(hot, known, noise, GROUPS, members)
    assert np.abs(with_hot.intensity - found.intensity).max() < 0.15
    assert with_hot.noise[1, 3, 4] > 5 * found.noise[1, 3, 4]


def test_sensitivity_is_none_in_gaps_and_sums_up_to_what_the_members_can_vary_in():
    members, noise = ensemble(300), np.full(3, 0.3)
    truth = ensemble(1, 7)[0] * 0.7
    known = np.ones(truth.shape, bool)
    known[0, :4] = False
    found = linear_estimate(measured(truth, noise), known, noise, GROUPS, members)
    assert np.all(found.sensitivity[~known] == 0)
    assert 1 < found.sensitivity.sum() < 8  # three patterns, and the amplitude of each of two incident energies


def test_members_are_as_near_as_their_shape_is_whatever_their_amplitude():
    members = ensemble(NEAREST // 5)
    members[3] *= 7.0
    weight = np.full((3, SIZE * SIZE), 2.0)
    flat = members.reshape(len(members), 3, -1)
    amplitude, distance = _likeness(flat, 0.5 * flat[3] / 7.0, weight, GROUPS)
    assert distance.argmin() == 3 and distance[3] == pytest.approx(0, abs=1e-2)
    assert amplitude[3] == pytest.approx(0.5 / 7)
    expected = min((((a * flat[5] - 0.5 * flat[3] / 7) * weight)[:2] ** 2).sum() for a in np.linspace(0, 1, 2001))
    other = min((((a * flat[5] - 0.5 * flat[3] / 7) * weight)[2:] ** 2).sum() for a in np.linspace(0, 1, 2001))
    assert distance[5] == pytest.approx(expected + other, rel=1e-2)


def test_the_second_pass_takes_the_members_that_are_like_the_map(monkeypatch):
    taken = []
    monkeypatch.setattr(module, "_solved", lambda ensemble, *rest, **how: taken.append(ensemble) or _solved(ensemble, *rest, **how))
    like = ensemble(NEAREST)
    members = np.concatenate([like, np.swapaxes(like, 2, 3)[:, ::-1]])  # the others turned, and with the slices reversed
    truth, noise = ensemble(1, 7)[0] * 0.7, np.full(3, 0.2)
    linear_estimate(measured(truth, noise), np.ones(truth.shape, bool), noise, GROUPS, members)
    last = {one.tobytes() for one in taken[-1]}
    assert np.mean([one.tobytes() in last for one in like.reshape(NEAREST, 3, -1)]) > 0.8
