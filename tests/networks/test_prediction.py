"""What the outputs of networks mean, against cases with a known answer."""

import numpy as np
import pytest

from mantid_insdl.networks import prediction
from mantid_insdl.networks.measured import MeasuredMaps


def test_ensemble_spread_is_disagreement():
    agreeing = np.array([[[2.0, 0.0]], [[2.0, 0.0]]])
    opposed = np.array([[[20.0, 0.0]], [[0.0, 20.0]]])
    assert prediction.ensemble_probabilities(agreeing, 1.0)[1].max() == 0
    mean, spread = prediction.ensemble_probabilities(opposed, 1.0)
    assert mean[0] == pytest.approx([0.5, 0.5]) and spread[0] == pytest.approx([0.5, 0.5])


def test_temperature_divides_the_logits_and_probabilities_are_averaged():
    logits = np.log([[[9.0, 1.0]], [[1.0, 4.0]]])  # at temperature 2: odds 3 : 1 and 1 : 2
    mean, spread = prediction.ensemble_probabilities(logits, 2.0)
    assert mean[0] == pytest.approx([(3 / 4 + 1 / 3) / 2, (1 / 4 + 2 / 3) / 2])
    assert spread[0] == pytest.approx([(3 / 4 - 1 / 3) / 2] * 2)


def test_mixture_of_gaussians():
    outputs = np.array([[[1.0, np.log(2.0)]], [[3.0, np.log(4.0)]]])
    centre, sigma = prediction.combine_gaussians(outputs)
    # Mean of the variances 4 and 16, and the variance of the means 1 and 3.
    assert centre.item() == pytest.approx(2) and sigma.item() == pytest.approx(np.sqrt(10 + 1))


def test_widths_that_no_fit_has_seen_are_cut():
    low, high = prediction.LOG_SIGMA_LIMITS
    outputs = np.array([[[0.0, 0.0, low - 20, high + 20]]])  # two parameters: means, then logs of sigma
    assert np.log(prediction.combine_gaussians(outputs)[1][0]) == pytest.approx([low, high])


def test_noise_of_a_slice_is_that_of_its_known_pixels():
    stack = np.zeros((1, 2, 4, 4, 2))
    stack[..., 1] = 1
    stack[0, 0, ..., 0] = 1 + 0.5 * np.where(np.indices((4, 4)).sum(0) % 2, 1, -1)
    stack[0, 1, ..., 0] = 1 + 2.0 * np.where(np.indices((4, 4)).sum(0) % 2, 1, -1)
    stack[0, 1, :2] = 0  # a gap; the estimate there is 1
    assert prediction.slice_noise(stack, np.ones((1, 2, 4, 4)))[0] == pytest.approx([0.5, 2.0])


def test_weight_is_that_of_the_network():
    assert prediction.combine(np.array([10.0]), np.array([2.0]), 0.75) == pytest.approx(8.0)


def test_error_is_the_quadrature_sum_of_a_constant_a_share_and_the_noise():
    calibration = {"error_constant": 2.0, "error_relative": 0.1, "error_noise": 0.5}
    estimate = np.array([[[[0.0, 30.0]], [[0.0, 30.0]]]])  # two slices of two pixels
    error = prediction.denoised_error(estimate, np.array([[0.0, 12.0]]), calibration)
    assert error[0] ** 2 == pytest.approx(np.array([[[4.0, 4 + 9]], [[4 + 36, 4 + 9 + 36]]]))


class Recorder:
    """In the place of a network: says the sum of each map, and remembers how it was called."""

    class Input:
        name = "stack"

    inputs = (Input,)

    def __init__(self):
        self.sizes, self.training = [], set()

    def __call__(self, stack, training):
        self.sizes.append(len(stack))
        self.training.add(training)
        return stack.sum(axis=(1, 2, 3, 4))


def test_every_map_is_answered_once_and_without_dropout():
    stack = np.random.default_rng(0).random((37, 2, 3, 3, 2))
    network, reports = Recorder(), []
    maps = MeasuredMaps(stack, *(np.empty(0),) * 4)
    (sums,) = prediction.predict(network, maps, progress=lambda fraction, text: reports.append(fraction))
    assert sums == pytest.approx(stack.sum(axis=(1, 2, 3, 4)))
    assert network.sizes == [16, 16, 5] and network.training == {False}
    assert reports == pytest.approx([16 / 37, 32 / 37, 1])
