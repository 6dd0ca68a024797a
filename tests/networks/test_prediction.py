"""What the outputs of networks mean, against cases with a known answer."""

import numpy as np
import pytest

from mantid_insdl.networks import prediction
from mantid_insdl.networks.trained_range import Familiarity


def test_familiarity_is_the_mahalanobis_distance():
    rng = np.random.default_rng(3)
    features = np.concatenate([rng.normal(0, [1, 3], (5000, 2)), rng.normal([10, 0], [1, 3], (5000, 2))])
    familiar = Familiarity.of(features, np.repeat([0, 1], 5000))
    distances = familiar.distance(np.array([[0.0, 0.0], [0.0, 3.0], [10.0, 6.0], [5.0, 0.0]]))
    assert distances == pytest.approx([0, 1, 2, 5], abs=0.1)


def test_ensemble_spread_is_disagreement():
    agreeing = np.array([[[2.0, 0.0]], [[2.0, 0.0]]])
    opposed = np.array([[[20.0, 0.0]], [[0.0, 20.0]]])
    assert prediction.ensemble_probabilities(agreeing, 1.0)[1].max() == 0
    mean, spread = prediction.ensemble_probabilities(opposed, 1.0)
    assert mean[0] == pytest.approx([0.5, 0.5]) and spread[0] == pytest.approx([0.5, 0.5])


def test_mixture_of_gaussians():
    outputs = np.array([[[1.0, np.log(2.0)]], [[3.0, np.log(2.0)]]])  # means 1 and 3, both sigma 2
    centre, sigma = prediction.combine_gaussians(outputs)
    assert centre.item() == pytest.approx(2) and sigma.item() == pytest.approx(np.sqrt(4 + 1))
