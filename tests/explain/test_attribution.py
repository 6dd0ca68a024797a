"""Attributions of the shipped networks against what their definitions promise, and of networks that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import mantid_insdl as insdl
from mantid_insdl.errors import BundleError
from mantid_insdl.explain import occlusion
from mantid_insdl.explain.attribution import METHODS, attribution, slice_shares
from mantid_insdl.explain.cam import class_activation
from mantid_insdl.explain.feature_maps import features_and_gradients
from mantid_insdl.explain.grad_cam import grad_cam, grad_cam_plus_plus
from mantid_insdl.explain.integrated_gradients import featureless, integrated_gradients
from mantid_insdl.explain.subject import open_subject, upright
from mantid_insdl.networks.encoder import LAST_CONVOLUTION
from mantid_insdl.networks.prediction import ensemble_probabilities

pytestmark = pytest.mark.tensorflow


def showing(subject, shown):
    """The same question of another map."""
    inputs = subject.versions(shown[None])
    return replace(subject, prepared=replace(subject.prepared, inputs=inputs))


def coarse(method, subject):
    """What a method of feature maps finds, averaged as the answer is, on their pixels."""
    return subject.averaged(lambda network, turn: upright(method(subject.turned(turn), network, LAST_CONVOLUTION), turn))


def test_the_score_is_a_logit_less_the_mean_of_the_other_classes(subject):
    from mantid_insdl.networks.prediction import logits_of
    from mantid_insdl.progress import ignore_progress

    logits, _ = logits_of(subject.bundle, subject.prepared.inputs, ignore_progress)
    both = logits[:, 0, :3]  # of the map as it is, and with Qh and Qk exchanged
    index = subject.index
    assert not np.allclose(both[0], both[1], atol=0.05)
    mean = both.mean(axis=0)
    assert subject.scores(subject.shown[None])[0] == pytest.approx(mean[index] - np.delete(mean, index).mean(), abs=1e-4)
    assert ensemble_probabilities(logits[..., :3], subject.bundle.card.calibration["temperature"])[0].argmax() == index


def test_why_one_class_rather_than_another(subject):
    from mantid_insdl.networks.prediction import logits_of
    from mantid_insdl.progress import ignore_progress

    one = subject.against("pcsmo-zener", "pcsmo-dimer")
    mean = logits_of(subject.bundle, subject.prepared.inputs, ignore_progress)[0][:, 0, :3].mean(axis=0)
    assert one.target == "pcsmo-zener" and one.scores(one.shown[None])[0] == pytest.approx(mean[2] - mean[1], abs=1e-4)


def test_explained_is_the_answer_and_that_is_the_same_for_both_orientations_of_a_map(subject, measured):
    """Exchange Qh and Qk of the map, and score and importance are those of the map as it was, exchanged."""
    other = measured.replace(intensity=np.swapaxes(measured.intensity, 1, 2), mask=np.swapaxes(measured.mask, 1, 2), error=None)
    exchanged = open_subject(other)
    assert exchanged.scores(exchanged.shown[None]) == pytest.approx(subject.scores(subject.shown[None]), abs=1e-3)
    for method in ("grad-cam", "integrated-gradients"):
        one, two = attribution(subject, method), attribution(exchanged, method)
        assert np.swapaxes(two, 1, 2) == pytest.approx(one, rel=1e-2, abs=2e-3 * float(np.abs(one).max())), method
        assert np.abs(two - one).max() > 0.1 * np.abs(one).max()


def test_a_class_activation_map_adds_up_to_the_score(subject):
    """But for a constant, which is the same for all maps of one mask."""
    others = [subject.shown, subject.shown * np.array([0.3, 1.0], np.float32), featureless(subject.shown).astype(np.float32)]
    sums = [coarse(class_activation, showing(subject, one)).sum() for one in others]
    assert np.ptp(sums) > 1
    assert subject.scores(np.stack(others)) - sums == pytest.approx([subject.scores(others[0][None])[0] - sums[0]] * 3, abs=2e-3)


def test_it_is_grad_cam_where_all_pixels_are_known(subject):
    whole = subject.shown.copy()
    whole[..., 1] = 1
    one = showing(subject, whole)
    cells = coarse(class_activation, one)
    assert coarse(grad_cam, one) == pytest.approx(cells, rel=1e-3, abs=1e-5 * float(np.abs(cells).max()))
    # with a masked corner it is not: the pixels beside it count for less
    cut = coarse(class_activation, subject)
    assert np.abs(coarse(grad_cam, subject) - cut).max() > 0.05 * np.abs(cut).max()


def test_no_class_activation_map_where_the_score_is_no_sum(subject, measured):
    with pytest.raises(BundleError, match="no sum over the pixels"):
        class_activation(subject, subject.networks[0], "convolution_1")
    exchange = open_subject(measured, "pcsmo-goodenough-exchange", "JF1")
    with pytest.raises(BundleError, match="no sum over the pixels"):
        attribution(exchange, "cam")


def test_grad_cam_plus_plus_by_hand(monkeypatch):
    """Two feature maps of one slice of four pixels; alpha = g^2 / (2 g^2 + g^3 sum A)."""
    features = np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0], [1.0, 0.0]]).reshape(1, 2, 2, 2)
    gradients = np.array([[0.5, -1.0], [0.0, 0.5], [0.5, 0.5], [-1.0, 0.0]]).reshape(1, 2, 2, 2)
    monkeypatch.setattr("mantid_insdl.explain.grad_cam.features_and_gradients", lambda *_: (features, gradients))
    first = 2 * (0.25 / (0.5 + 0.125 * 4)) * 0.5  # two pixels of gradient 1/2; the sum of the map is 4
    second = 2 * (0.25 / (0.5 + 0.125 * 4)) * 0.5
    assert grad_cam_plus_plus(None, None, "") == pytest.approx(first * features[..., 0] + second * features[..., 1])


def test_integrated_gradients_add_up_to_the_difference_from_a_map_without_pattern(subject):
    shares = integrated_gradients(subject, steps=64)
    begin = featureless(subject.shown).astype(np.float32)
    there, here = subject.scores(np.stack([subject.shown, begin]))
    assert shares.sum() == pytest.approx(there - here, rel=0.03)
    assert not shares[subject.shown[..., 1] == 0].any()
    mean = (subject.shown[..., 0] * subject.shown[..., 1]).sum(axis=(1, 2)) / subject.shown[..., 1].sum(axis=(1, 2))
    assert begin[:, 20, 20, 0] == pytest.approx(mean, rel=1e-5)


def summing(weights):
    """A subject whose score is the weighted sum of the intensities, of one slice of 6 x 6 pixels after another."""
    shown = np.ones((*weights.shape, 2), np.float32)
    shown[0, 0, 0] = 0
    return SimpleNamespace(shown=shown, scores=lambda maps: (maps[..., 0] * weights).sum(axis=(1, 2, 3)))


def test_occlusion_is_the_fall_of_the_score():
    weights = np.zeros((2, 6, 6))
    weights[0, :3, :3], weights[1, 5, 5] = 1.0, 7.0
    subject = summing(weights)
    by_slice = occlusion.by_slice(subject)
    assert by_slice[0] == pytest.approx(np.full((6, 6), 8 / 35)) and by_slice[1] == pytest.approx(np.full((6, 6), 7 / 36))
    by_patch = occlusion.by_patch(subject, size=3)
    assert by_patch[0, :3, :3] == pytest.approx(np.ones((3, 3))) and not by_patch[0, 3:].any()
    assert by_patch[1, 3:, 3:] == pytest.approx(np.full((3, 3), 7 / 9)) and not by_patch[1, :3].any()


def test_every_method_gives_importance_on_the_map(measured):
    for method in METHODS:
        found = insdl.importance(measured, method=method)
        found.require_same_axes(measured)
        known = found.intensity[~found.mask]
        assert known.min() >= 0 and known.max() == pytest.approx(1), method
        assert np.array_equal(found.mask, measured.mask), method


def test_the_slices_that_decided_most_come_first(measured):
    values = np.zeros(measured.shape)
    values[3, 20, 20], values[7, 20, 20], values[0, 0, 0] = 1.0, 3.0, 9.0  # the last is masked
    shares = slice_shares(measured.replace(intensity=values, error=None))
    assert [one[0] for one in shares[:3]] == pytest.approx([0.75, 0.25, 0])
    assert shares[0][1:] == pytest.approx((70.0, 14.0, 21.0)) and shares[1][1] == 35.0


def test_what_fixes_a_constant(measured):
    """The gradient of the posterior's mean with respect to a pixel is how the mean moves."""
    one = open_subject(measured, "pcsmo-goodenough-exchange", "JF1")
    slope = one.gradients(one.shown[None])[0]
    pixel = np.unravel_index(np.abs(slope).argmax(), slope.shape)
    up, down = (one.shown.copy() for _ in range(2))
    up[(*pixel, 0)] += 0.05
    down[(*pixel, 0)] -= 0.05
    above, below = one.scores(np.stack([up, down]))
    assert (above - below) / 0.1 == pytest.approx(slope[pixel], rel=0.05)
    assert one.support(one.shown[None])[0] == 0 and one.support(up[None])[0] < 0
    found = insdl.importance(measured, "pcsmo-goodenough-exchange", target="JF1")
    assert "for parameter JF1" in found.provenance[-1]


def test_features_are_those_of_the_slices_of_the_map(subject):
    for layer, size in (("convolution_1", 20), ("along_energy_2", 10), (LAST_CONVOLUTION, 10)):
        features, gradients = features_and_gradients(subject, subject.networks[0], layer)
        assert features.shape[:3] == (12, size, size) and gradients.shape == features.shape


@pytest.mark.parametrize(
    "options, message",
    [
        ({"method": "lime"}, "there are cam, grad-cam"),
        ({"method": "gradcam"}, "did you mean 'grad-cam'"),
        ({"target": "zener"}, "its classes are pcsmo-goodenough, pcsmo-dimer, pcsmo-zener"),
        ({"layer": "last"}, "it has convolution_1"),
        ({"model": "pcsmo-denoiser"}, "gives no score"),
        ({"model": "pcsmo-goodenough-exchange"}, "gives several parameters"),
        ({"model": "pcsmo-goodenough-exchange", "target": "JFS"}, "its parameters are JF1"),
    ],
)
def test_what_there_is_not_is_refused(measured, options, message):
    with pytest.raises(BundleError, match=message):
        insdl.importance(measured, **options)
