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
