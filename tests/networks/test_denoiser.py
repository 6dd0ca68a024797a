"""The denoiser as a network: what it must not depend on; and its error bars."""

from __future__ import annotations

import numpy as np
import pytest

from mantid_insdl.networks.denoiser import CALIBRATED, LOG_SIGMA_LIMITS, build_denoiser, denoised, standard_error
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.preprocessing import noise_level


def random_maps(seed=0, slices=20, used=13, size=16):
    rng = np.random.default_rng(seed)
    stack = np.zeros((1, slices, size, size, 2), np.float32)
    stack[:, :used, ..., 0] = rng.gamma(1.0, 1.0, (1, used, size, size))
    stack[:, :used, ..., 1] = rng.random((1, used, size, size)) > 0.2
    stack[..., 0] *= stack[..., 1]
    windows, given = np.zeros((1, slices, 3), np.float32), np.zeros((1, slices, 1), np.float32)
    windows[:, :used], given[:, :used] = rng.uniform(0.2, 2, (1, used, 3)), 1
    return MeasuredMaps(stack, np.ones(stack.shape[:2]), np.empty(0), windows, given)


@pytest.fixture(scope="module")
def network():
    from mantid_insdl.networks.backend import import_keras

    import_keras().utils.set_random_seed(3)
    return build_denoiser(20, (16, 16))


@pytest.mark.tensorflow
def test_order_of_the_slices_does_not_matter(network):
    maps, order = random_maps(), np.random.default_rng(1).permutation(20)
    turned = MeasuredMaps(maps.stack[:, order], maps.scale, np.empty(0), maps.windows[:, order], maps.used[:, order])
    for one, other in zip(denoised(network, maps), denoised(network, turned), strict=True):
        assert other == pytest.approx(one[:, order], abs=1e-4)


@pytest.mark.tensorflow
def test_slices_that_a_map_does_not_have_say_nothing(network):
    maps = random_maps()
    windows = maps.windows.copy()
    windows[:, 13:] = 3.0
    other = MeasuredMaps(maps.stack, maps.scale, np.empty(0), windows, maps.used)
    assert denoised(network, other)[0][:, :13] == pytest.approx(denoised(network, maps)[0][:, :13], abs=1e-5)


@pytest.mark.tensorflow
def test_energies_and_other_slices_matter(network):
    maps = random_maps()
    warmer = MeasuredMaps(maps.stack, maps.scale, np.empty(0), maps.windows + 0.3 * maps.used, maps.used)
    assert np.abs(denoised(network, warmer)[0] - denoised(network, maps)[0]).max() > 1e-3
    stack = maps.stack.copy()
    stack[:, 0, ..., 0] *= 3
    seen_beside = denoised(network, MeasuredMaps(stack, maps.scale, np.empty(0), maps.windows, maps.used))[0] - denoised(network, maps)[0]
    assert np.abs(seen_beside[:, 1:13]).max() > 1e-3


@pytest.mark.tensorflow
def test_intensity_is_not_negative_and_errors_are_finite(network):
    maps = random_maps()
    maps.stack[..., 0] *= -2
    intensity, error = denoised(network, maps)
    assert intensity.min() >= 0 and np.all((error > 0) & np.isfinite(error))


def test_error_bars_are_widened_in_known_pixels_and_in_gaps_by_their_own_factors():
    log_sigma = np.log([[0.1, 0.2]])
    known = np.array([[1.0, 0.0]])
    assert standard_error(log_sigma, known, None) == pytest.approx(np.array([[0.1, 0.2]]))
    assert standard_error(log_sigma, known, dict(zip(CALIBRATED, (1.5, 3.0), strict=True))) == pytest.approx(np.array([[0.15, 0.6]]))


def test_widths_that_no_fit_has_seen_are_cut():
    low, high = LOG_SIGMA_LIMITS
    assert np.log(standard_error(np.array([low - 9, high + 9]), np.ones(2), None)) == pytest.approx([low, high])


def test_noise_level_is_the_standard_deviation_of_white_noise_whatever_lies_under_it():
    rng = np.random.default_rng(0)
    x = np.linspace(-1, 1, 40)
    stack = np.ones((1, 3, 40, 40, 2), np.float32)
    stack[..., 0] = 2 + 3 * x[:, None] - x + np.array([0.1, 0.5, 0.0])[:, None, None] * rng.normal(size=(3, 40, 40))
    stack[0, 1, 10:20] = 0  # a gap
    stack[0, 2, ::2] = 0  # nowhere three in a row along Qh, but along Qk
    assert noise_level(stack)[0] == pytest.approx([0.1, 0.5, 0.0], rel=0.05, abs=1e-5)
    stack[0, 0, :, :, 1] = np.indices((40, 40)).sum(0) % 2
    assert noise_level(stack)[0, 0] == 0


def test_noise_level_forgives_hot_pixels():
    rng = np.random.default_rng(0)
    stack = np.ones((1, 1, 40, 40, 2), np.float32)
    stack[..., 0] += 0.5 * rng.normal(size=(40, 40))
    before = noise_level(stack).item()
    stack[0, 0, 5, 5, 0] = 12
    assert noise_level(stack).item() < 1.03 * before


@pytest.mark.tensorflow
def test_noise_level_within_a_network_is_the_same():
    from mantid_insdl.networks.backend import import_keras

    maps = random_maps()
    assert np.asarray(noise_level(maps.stack, import_keras().ops)) == pytest.approx(noise_level(maps.stack), rel=1e-5)
