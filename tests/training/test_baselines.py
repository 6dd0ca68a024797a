"""The simple methods do what they are the yardstick for."""

import numpy as np

from mantid_insdl.networks.components import PrincipalComponents
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.training import baselines


def patterns(rng, number):
    """Smooth random maps, (number, 2, 16, 16)."""
    x = np.linspace(-1, 1, 16)
    amplitudes = rng.uniform(0.5, 2, (number, 2, 3, 1, 1))
    shapes = np.stack([np.exp(-(x[:, None] ** 2 + x**2) / w) for w in (0.05, 0.3, 2.0)])
    return (amplitudes * shapes).sum(axis=2)


def measured(signal, noise, rng):
    stack = np.ones((*signal.shape, 2), np.float32)
    stack[..., 0] = signal + rng.normal(0, noise, signal.shape)
    stack[:, :, 4:6, :, :] = 0  # a gap
    return MeasuredMaps(stack, np.ones(signal.shape[:2]), signal, np.empty(0), np.empty(0))


def test_template_fit_finds_the_right_template_whatever_the_scale_and_background():
    rng = np.random.default_rng(0)
    templates = patterns(rng, 30)
    scale = rng.uniform(0.1, 10, (30, 2, 1, 1))  # of each incident energy
    maps = measured(scale * templates + 0.3 * scale, 0.005, rng)
    misfit = baselines.template_misfit(maps, templates, [np.array([0]), np.array([1])])
    assert np.array_equal(misfit.argmin(axis=1), np.arange(30))


def test_template_fit_with_several_slices_of_one_incident_energy():
    rng = np.random.default_rng(4)
    templates = patterns(rng, 30)
    misfit = baselines.template_misfit(measured(3 * templates, 0.005, rng), templates, [np.array([0, 1])])
    assert np.array_equal(misfit.argmin(axis=1), np.arange(30))


def test_principal_components_beat_no_denoising():
    rng = np.random.default_rng(1)
    denoiser = PrincipalComponents.of(patterns(rng, 200), components=6)
    truth = patterns(rng, 10)
    result = denoiser.denoise(measured(truth, 0.5, rng).stack)
    assert np.sqrt(np.mean((result - truth) ** 2)) < 0.15


def test_smoothing_keeps_a_flat_map_flat_beside_a_gap():
    rng = np.random.default_rng(2)
    result = baselines.smooth(measured(np.ones((1, 2, 16, 16)), 0.0, rng).stack, 1.0)
    assert np.allclose(result, 1, atol=1e-5)


def test_nearest_parameters_average_the_best():
    misfit = np.array([[3.0, 0.0, 1.0, 9.0]])
    assert baselines.nearest_parameters(misfit, np.array([[10.0], [1.0], [3.0], [100.0]]), neighbours=2).tolist() == [[2.0]]
