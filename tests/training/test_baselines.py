"""The simple methods do what they are the yardstick for."""

import numpy as np
import pytest

from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.training import baselines


def measured(signal, noise, rng):
    stack = np.ones((*signal.shape, 2), np.float32)
    stack[..., 0] = signal + rng.normal(0, noise, signal.shape)
    stack[:, :, 4:6, :, :] = 0  # a gap
    return MeasuredMaps(stack, np.ones(signal.shape[:2]), signal, np.empty(0), np.empty(0))


def test_smoothing_averages_neighbours_by_a_gaussian_of_the_width_asked_for():
    stack = np.zeros((1, 1, 31, 31, 2), np.float32)
    stack[..., 1] = 1
    stack[0, 0, 15, 15, 0] = 1
    result = baselines.smooth(stack, 2.0)[0, 0]
    assert result[15, 15] == pytest.approx(1 / (2 * np.pi * 4), rel=0.02)
    assert result[17, 15] / result[15, 15] == pytest.approx(np.exp(-0.5), rel=0.02)


def test_smoothing_keeps_a_flat_map_flat_beside_a_gap():
    rng = np.random.default_rng(2)
    result = baselines.smooth(measured(np.ones((1, 2, 16, 16)), 0.0, rng).stack, 1.0)
    assert np.allclose(result, 1, atol=1e-5)


def glanced(rng, share, ei):
    """Maps of a stripe at 10 meV in a share of the columns, in two slices of any incident energy; the others at 40 meV are empty."""
    stack = np.ones((len(share), 4, 16, 16, 2), np.float32)
    stack[..., 0] = 0.05 * rng.normal(size=stack.shape[:-1])
    for row, part in enumerate(share):
        stack[row, :2, :, : int(16 * part), 0] += 1
    windows = np.zeros((len(share), 4, 3), np.float32)
    windows[:, :2, :2], windows[:, 2:, :2] = (0.9, 1.1), (3.9, 4.1)
    windows[..., 2] = np.log10(ei)
    return MeasuredMaps(stack, np.ones((len(share), 4)), np.empty(0), windows, np.ones((len(share), 4, 1), np.float32))


def test_neighbours_are_those_that_look_alike_at_the_same_energies():
    rng = np.random.default_rng(3)
    share = rng.uniform(0, 1, 400)
    known = baselines.Neighbours([glanced(rng, part, 25.0) for part in np.split(share, 4)], share[:, None])
    maps = glanced(rng, np.array([0.25, 0.75]), 60.0)
    maps.stack[:, 0, 3:9] = 0  # a gap
    assert known.parameters([maps])[:, 0] == pytest.approx([0.25, 0.75], abs=0.08)
    maps.windows[..., :2] = 4.0  # nowhere an energy at which the training maps show the stripe
    assert np.ptp(known.parameters([maps])) < 0.5
