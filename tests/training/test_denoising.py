"""A denoiser trained on toy maps in seconds, and what it is taught."""

from __future__ import annotations

import numpy as np
import pytest
from toy_maps import figure, toy, trained

from mantid_insdl.networks.denoiser import CALIBRATED, denoised
from mantid_insdl.networks.joint_estimate import CALIBRATED_JOINTLY, joint_estimate
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.simulation.ensembles import Ensemble
from mantid_insdl.training import denoising
from mantid_insdl.training.denoising import BETA, GAP_WEIGHT, NOT_MAGNETIC, denoising_loss, error_factors, train_denoiser, wanted
from mantid_insdl.training.negatives import KINDS
from mantid_insdl.training.outcome import CALIBRATION, TEST

MAGNETS = ("pcsmo-goodenough", "pcsmo-dimer")


@pytest.mark.tensorflow
def test_denoiser(tmp_path, monkeypatch):
    recipe, data = toy("denoise", MAGNETS, epochs=40, batch=8, learning_rate=3e-3, patience=40)
    members = data.intensity[data.indices("train")]
    likely = data.intensity[data.indices("validation")]
    ensemble, other = Ensemble({}, (1, 1), 0.1), Ensemble({}, (1, 1), 0.2)
    monkeypatch.setattr(denoising, "expected_maps", lambda of, *_: members if of is ensemble else likely)
    monkeypatch.setattr(denoising, "drawn_ensemble", lambda _: ensemble)
    monkeypatch.setattr(denoising, "likely_magnets", lambda *_: other)
    # Toy bands are rings about the beam, of which a background is made: here a constant is all that it is made of.
    monkeypatch.setattr(denoising, "rings", lambda qh, qk: np.ones((1, qh.size, qk.size)))
    outcome, measurer = trained(train_denoiser, recipe, data, tmp_path, monkeypatch)
    (model,) = outcome.models.values()

    def parts(maps):
        reached, known = np.isfinite(maps.signal), maps.stack[..., 1] > 0
        return known & reached, ~known & reached

    backgrounds = np.ones((1, measurer.qh.size, measurer.qk.size))

    def joint(maps):
        found = [
            joint_estimate(model, maps.one(row), np.concatenate([members, likely]), backgrounds, outcome.calibration)
            for row in range(len(maps.stack))
        ]
        return np.stack([one.intensity for one in found]), np.stack([one.error for one in found])

    maps = measurer.measure(data.indices("calibration"), CALIBRATION, kind="")
    for estimate, sigma in (denoised(model, maps, outcome.calibration), joint(maps)):
        inside = np.abs(estimate - maps.signal) < sigma
        assert [np.mean(inside[part]) for part in parts(maps)] == pytest.approx([0.6827, 0.6827], abs=0.002)

    maps = measurer.measure(data.indices("test"), TEST, kind="")
    alone, (estimate, sigma) = denoised(model, maps)[0], joint(maps)
    known, gaps = parts(maps)

    def relative(of):
        return np.median([np.linalg.norm((e - s)[k]) / np.linalg.norm(s[k]) for e, s, k in zip(of, maps.signal, known, strict=True)])

    error = "median relative rms error of the known pixels"
    assert figure(outcome, f"{error}, the network alone").value == pytest.approx(relative(alone), rel=1e-3)
    for baseline, of in (("no denoising", maps.stack[..., 0]), ("Gaussian smoothing", None), ("the network alone", alone)):
        found = figure(outcome, f"{error}, the denoiser", baseline)
        assert found.value == pytest.approx(relative(estimate), rel=1e-3)
        # Here much of what is left is the level, a constant, of which simulations say nothing where the background is not known.
        assert found.value < (0.85 if baseline == "no denoising" else 2.0) * found.baseline
        assert of is None or found.baseline == pytest.approx(relative(of), rel=1e-3)
    assert 0 < figure(outcome, "intensity painted").value < 1
    for words, part in (("known pixels", known), ("pixels in gaps", gaps)):
        inside = [np.mean((np.abs(e - s) < b)[p]) for e, s, b, p in zip(estimate, maps.signal, sigma, part, strict=True) if p.any()]
        assert figure(outcome, f"fraction of {words}").value == pytest.approx(np.mean(inside), abs=1e-3)
        assert 0.55 < np.mean(inside) < 0.8


def test_of_maps_without_spin_waves_nothing_is_wanted_and_gaps_count_for_less():
    signal = np.full((3, 2, 4, 4), 2.0)
    signal[:, 1] = np.nan  # not measured
    stack = np.ones((*signal.shape, 2))
    stack[:, :, 0] = 0  # a gap
    maps = MeasuredMaps(stack, *(np.empty(0),) * 1, signal, np.empty(0), np.empty(0), kind=np.array(["", NOT_MAGNETIC[0], "mixture"]))
    target = wanted(maps, np.arange(3))
    assert target[:, 0, ..., 0].mean(axis=(1, 2)).tolist() == [2.0, 0.0, 2.0]
    assert np.all(target[:, 1] == 0)  # neither intensity nor weight
    assert np.all(target[:, 0, 0, :, 1] == np.float32(GAP_WEIGHT)) and np.all(target[:, 0, 1:, :, 1] == 1)
    assert set(NOT_MAGNETIC) <= set(KINDS)


@pytest.mark.tensorflow
def test_loss_is_least_at_the_truth_with_the_width_of_the_errors():
    from mantid_insdl.networks.backend import import_keras

    loss = denoising_loss(import_keras())
    rng = np.random.default_rng(0)
    truth = rng.normal(3.0, 0.5, (1, 100, 100))
    target = np.stack([truth, np.ones_like(truth)], axis=-1).astype(np.float32)

    def of(mean, sigma):
        output = np.stack([np.full_like(truth, mean), np.full_like(truth, np.log(sigma))], axis=-1).astype(np.float32)
        return float(loss(target, output)) / sigma ** (2 * BETA)  # the width that weighs it is not fitted

    assert of(3.0, 0.5) < min(of(3.2, 0.5), of(2.8, 0.5), of(3.0, 0.4), of(3.0, 0.65))
    target[..., 1] = 0
    assert of(0.0, 0.5) == 0  # pixels of no weight


def test_factors_of_error_bars_are_those_of_known_pixels_and_of_gaps():
    rng = np.random.default_rng(2)
    shape = (10, 4, 20, 20)
    known = rng.random(shape) > 0.5
    signal = rng.normal(0, np.where(known, 0.3, 2.0))
    signal[:, 3] = np.nan
    maps = MeasuredMaps(np.stack([np.zeros(shape), known], -1), np.empty(0), signal, np.empty(0), np.empty(0))
    answer = maps, np.zeros(shape), np.full(shape, 0.1)
    for names in (CALIBRATED, CALIBRATED_JOINTLY):
        found = error_factors([answer, answer], names)
        assert [found[name] for name in names] == pytest.approx([3.0, 20.0], rel=0.05)
