"""Figures that say whether an explanation can be believed, where they are known; and on the shipped classifier."""

from __future__ import annotations

import numpy as np
import pytest

from mantid_insdl.explain.attribution import attribution
from mantid_insdl.explain.faithfulness import SHARES, Curves, Faithfulness, curves, faithfulness_of, noisier, rank_correlation
from mantid_insdl.explain.faithfulness import with_shuffled_weights as shuffled
from mantid_insdl.networks.preprocessing import noise_level


def linear(weights):
    return lambda maps: (maps[..., 0].reshape(len(maps), -1) * weights).sum(axis=1)


def test_curves_of_a_sum_are_known():
    """Of 100 pixels the first tenth carries the score."""
    weights = np.zeros(100)
    weights[:10] = 1.0
    shown = np.ones((1, 10, 10, 2), np.float32)
    found = curves(linear(weights), shown, weights.reshape(1, 10, 10), np.random.default_rng(0))
    assert found.deletion == pytest.approx(10 - np.minimum(100 * SHARES, 10))
    assert found.insertion == pytest.approx(np.minimum(100 * SHARES, 10))
    deletion, insertion = found.areas
    assert deletion == pytest.approx(0.5) and insertion == pytest.approx(9.5)
    wrong = curves(linear(weights), shown, 1 - weights.reshape(1, 10, 10), np.random.default_rng(0))
    assert wrong.areas[0] > 8 and wrong.areas[1] < 2


def warnings_of(own=(0.5, 9.5), random=(5.0, 5.0), brightest=(4.0, 6.0), randomised=0.0, stability=1.0):
    def flat(areas):
        return Curves(*(np.full(SHARES.size, area) for area in areas))

    return Faithfulness(flat(own), flat(random), flat(brightest), randomised, stability).warnings


def test_each_failure_is_said():
    assert warnings_of() == ()
    assert "no more than masking random" in warnings_of(own=(5.5, 9.5))[0]
    assert "than the brightest pixels" in warnings_of(own=(0.5, 5.5))[0]
    assert "than random pixels" in warnings_of(own=(0.5, 4.5), brightest=(4.0, 3.0))[0]
    assert "weights are shuffled" in warnings_of(randomised=0.8)[0]
    assert "changes with the noise" in warnings_of(stability=0.2)[0]


def test_rank_correlation():
    x = np.arange(10.0)
    assert rank_correlation(x, x**3) == pytest.approx(1) and rank_correlation(x, -np.exp(x)) == pytest.approx(-1)
    assert rank_correlation(x, np.zeros(10)) == 0


@pytest.mark.tensorflow
def test_a_network_with_shuffled_weights_has_the_same_weights_elsewhere(subject):
    (one,), (own,) = ([each.model for each in asked.networks] for asked in (shuffled(subject, np.random.default_rng(1)), subject))
    assert [np.sort(w.ravel()).tolist() for w in one.get_weights()] == [np.sort(w.ravel()).tolist() for w in own.get_weights()]
    assert one.predict is not own.predict and not np.array_equal(one.get_weights()[0], own.get_weights()[0])
    # the bundle's own network is as it was
    assert subject.scores(subject.shown[None])[0] > 0


@pytest.mark.tensorflow
def test_noise_is_added_where_pixels_are_known_and_as_much_as_there_is(subject):
    more = noisier(subject, np.random.default_rng(1))
    stack, before = more.prepared.inputs.stack, subject.prepared.inputs.stack
    assert np.array_equal(stack[..., 1], before[..., 1]) and not stack[stack[..., 1] == 0].any()
    used = noise_level(before)[0] > 0
    assert np.mean(noise_level(stack)[0][used] / noise_level(before)[0][used]) == pytest.approx(np.sqrt(2), rel=0.1)


@pytest.mark.tensorflow
def test_grad_cam_of_the_classifier_can_be_believed_and_nonsense_cannot(subject):
    good = faithfulness_of(subject, lambda one: attribution(one, "grad-cam"))
    assert good.warnings == () and good.explained.areas[1] > good.brightest.areas[1]
    noise = np.random.default_rng(0).normal(size=subject.shown.shape[:-1])
    bad = faithfulness_of(subject, lambda one: noise)
    assert any("shuffled" in said for said in bad.warnings) and len(bad.warnings) >= 2
    turned = faithfulness_of(subject, lambda one: -attribution(one, "grad-cam"))
    assert any("no more than masking random" in said for said in turned.warnings)
