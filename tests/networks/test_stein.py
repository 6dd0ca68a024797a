"""Shares of two estimates, where the best ones are known."""

from __future__ import annotations

import numpy as np
import pytest

from mantid_insdl.networks.stein import rings, shares

SHAPE = (6, 40, 40)
KNOWN = np.ones(SHAPE, bool)
AXIS = np.linspace(-1, 1, 40)
RINGS = rings(AXIS, AXIS)
CONSTANT = RINGS[:1]


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def truth():
    return np.stack([np.exp(-((np.hypot(AXIS[:, None] - 0.4, AXIS) - at) ** 2) / 0.05) for at in np.linspace(0.2, 1, 6)])


def of(truth, rng, noise, estimates, sensitivities=None):
    measured = truth + noise * rng.standard_normal(SHAPE)
    following = np.zeros((2, *SHAPE)) if sensitivities is None else sensitivities
    return shares(measured, KNOWN, np.full(SHAPE, noise), np.stack(estimates), following, CONSTANT)


def test_independent_errors_are_weighed_by_their_variance(truth, rng):
    one, other = truth + 0.1 * rng.standard_normal(SHAPE), truth + 0.2 * rng.standard_normal(SHAPE)
    found = of(truth, rng, 0.3, [one, other])
    power = np.var(truth, axis=(1, 2)).mean()  # about the constants of the slices; the best shares for a known truth
    products = np.full((2, 2), power) + np.diag([0.01, 0.04])
    assert found == pytest.approx(np.linalg.solve(products, [power, power]), abs=0.05)


def test_an_estimate_of_something_else_counts_for_nothing(truth, rng):
    assert of(truth, rng, 0.5, [rng.random(SHAPE), truth]) == pytest.approx((0.0, 1.0), abs=0.05)
    assert of(truth, rng, 0.5, [truth, truth[::-1]]) == pytest.approx((1.0, 0.0), abs=0.05)


def test_what_follows_the_noise_is_not_believed_for_it(truth, rng):
    measured = truth + 1.0 * rng.standard_normal(SHAPE)
    following = np.stack([np.ones(SHAPE), np.zeros(SHAPE)])
    found = shares(measured, KNOWN, np.ones(SHAPE), np.stack([measured, 0.9 * truth]), following, CONSTANT)
    assert found[0] < 0.1 and found[1] > 0.85
    without = shares(measured, KNOWN, np.ones(SHAPE), np.stack([measured, 0.9 * truth]), 0 * following, CONSTANT)
    assert without[0] > 0.95


def test_of_noise_alone_nothing_is_left(rng):
    noise = rng.standard_normal(SHAPE)
    followed = np.stack([np.full(SHAPE, 0.2), np.zeros(SHAPE)])
    assert sum(shares(noise, KNOWN, np.ones(SHAPE), np.stack([0.2 * noise, np.ones(SHAPE)]), followed, CONSTANT)) < 0.6
    estimates = np.stack([0.2 * noise, rng.random(SHAPE)])
    assert shares(noise, KNOWN, np.ones(SHAPE), estimates, followed, CONSTANT)[0] < 0.2


def test_constants_of_slices_and_what_is_not_known_do_not_matter(truth, rng):
    one, other = truth + 0.1 * rng.standard_normal(SHAPE), truth + 0.1 * rng.standard_normal(SHAPE)
    measured = truth + 0.3 * rng.standard_normal(SHAPE)
    nothing = np.zeros((2, *SHAPE))
    found = shares(measured, KNOWN, np.full(SHAPE, 0.3), np.stack([one, other]), nothing, RINGS)
    raised = shares(measured + 5, KNOWN, np.full(SHAPE, 0.3), np.stack([one, other - 3]), nothing, RINGS)
    assert raised == pytest.approx(found, abs=1e-6)
    known = rng.random(SHAPE) > 0.3
    spoilt = np.where(known, measured, 99.0)
    assert shares(spoilt, known, np.full(SHAPE, 0.3), np.stack([one, other]), nothing, RINGS) == pytest.approx(found, abs=0.1)


def test_shares_are_never_more_than_all(truth, rng):
    found = of(truth, rng, 0.1, [0.4 * truth, 0.4 * truth])
    assert sum(found) == pytest.approx(1.0)


def test_what_a_background_may_be_made_of_is_no_merit(truth, rng):
    background = 1.5 * np.exp(-(((np.hypot(AXIS[:, None], AXIS) - 0.6) / 0.2) ** 2)) * np.ones((6, 1, 1))
    measured = truth + background + 0.1 * rng.standard_normal(SHAPE)
    estimates = np.stack([0.5 * truth + background, truth])
    nothing = np.zeros((2, *SHAPE))
    assert shares(measured, KNOWN, np.full(SHAPE, 0.1), estimates, nothing, RINGS) == pytest.approx((0.0, 1.0), abs=0.03)
    assert shares(measured, KNOWN, np.full(SHAPE, 0.1), estimates, nothing, CONSTANT)[0] > 0.5  # what would be without
    few = np.zeros(SHAPE, bool)
    few[:, 0, :30] = True  # fewer pixels than rings, as on a small map
    found = shares(measured, few, np.full(SHAPE, 0.1), estimates, nothing, RINGS)
    assert np.isfinite(found).all()


def test_rings_are_the_same_all_around_the_beam_and_reach_every_pixel():
    assert np.all(RINGS[0] == 1) and np.allclose(RINGS, RINGS[:, ::-1]) and np.allclose(RINGS, RINGS.swapaxes(1, 2))
    smooth = np.hypot(AXIS[:, None], AXIS).ravel() ** 2
    shapes = RINGS.reshape(len(RINGS), -1)
    left = smooth - smooth @ np.linalg.pinv(shapes) @ shapes
    assert np.abs(left).max() < 0.02 * smooth.max()
