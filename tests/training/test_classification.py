"""The classifier's training: what is taken from maps, which batches are made, and the figures of a card."""

from __future__ import annotations

import numpy as np
import pytest

from mantid_insdl.networks.measured import MeasuredMaps, turned
from mantid_insdl.training import metrics
from mantid_insdl.training.ensemble import with_energies

BINS = 3


def random_maps(number=5, groups=4):
    rng = np.random.default_rng(2)
    used = (rng.random((number, groups)) < 0.7) | (np.arange(groups) == 0)
    used = np.repeat(used, BINS, axis=1)[..., None].astype(np.float32)
    stack = rng.random((number, groups * BINS, 8, 8, 2)).astype(np.float32) * used[..., None, None]
    windows = rng.random((number, groups * BINS, 3)).astype(np.float32) * used
    return MeasuredMaps(stack, np.ones((number, groups * BINS)), np.empty(0), windows, used, np.arange(number), np.array([""] * number))


@pytest.mark.parametrize("number", [1, 2, 9])
def test_maps_with_some_of_their_incident_energies(number):
    maps = random_maps()
    fewer = with_energies(maps, number, BINS, np.random.default_rng(0))
    before, after = (m.used.reshape(5, -1, BINS) for m in (maps, fewer))
    assert np.array_equal(after.all(axis=2), after.any(axis=2))  # whole incident energies only
    assert after.all(axis=2).sum(axis=1).tolist() == np.minimum(before.all(axis=2).sum(axis=1), number).tolist()
    assert np.array_equal(fewer.stack, maps.stack * fewer.used[..., None, None]) and np.array_equal(
        fewer.windows, maps.windows * fewer.used
    )
    assert np.array_equal(fewer.label, maps.label)


def test_symmetries_turn_stack_and_signal_alike_and_undo_themselves():
    maps = random_maps()
    signal = maps.stack[..., 0] * 2
    maps = MeasuredMaps(maps.stack, maps.scale, signal, maps.windows, maps.used, maps.label, maps.kind)
    pictures = []
    for symmetry in range(8):
        one = turned(maps, symmetry)
        assert np.array_equal(one.signal, one.stack[..., 0] * 2) and np.array_equal(one.windows, maps.windows)
        pictures.append(one.stack.tobytes())
        if symmetry < 4:
            assert np.array_equal(turned(one, symmetry).stack, maps.stack)
    assert len(set(pictures)) == 8
    assert np.array_equal(turned(maps, 1).stack[:, :, 0], maps.stack[:, :, 7])
    assert np.array_equal(turned(maps, 2).stack[:, :, :, 0], maps.stack[:, :, :, 7])
    assert np.array_equal(turned(maps, 4).stack[:, :, 1, 5], maps.stack[:, :, 5, 1])


def test_area_under_the_curve():
    assert metrics.area_under_curve(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 1
    assert metrics.area_under_curve(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 0
    assert metrics.area_under_curve(np.array([1.0, 1.0]), np.array([1.0])) == 0.5
    # Of the six pairs four are in order.
    assert metrics.area_under_curve(np.array([1.0, 3.0]), np.array([0.0, 2.0, 4.0])) == pytest.approx(0.5)


def test_interval_of_an_area_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(7)
    from scipy.stats import norm

    truth, inside = norm.cdf(1.5 / np.sqrt(2)), []
    for _ in range(400):
        area = metrics.area_under_curve(rng.normal(0, 1, 60), rng.normal(1.5, 1, 60))
        low, high = metrics.area_interval(area, 60, 60)
        inside.append(low <= truth <= high)
    assert 0.91 < np.mean(inside) < 0.985
