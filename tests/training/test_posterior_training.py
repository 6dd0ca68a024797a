"""A posterior trained on toy maps in seconds: what it knows, and that it says what it does not know."""

from __future__ import annotations

import numpy as np
import pytest
from toy_maps import figure, toy, trained

from mantid_insdl.networks.posterior import COMPONENTS, Posterior, bounded, outputs_of
from mantid_insdl.networks.prediction import predict, with_embedding
from mantid_insdl.training.outcome import CALIBRATION, TEST
from mantid_insdl.training.posterior import fit_widening, train_posterior


@pytest.mark.tensorflow
def test_posterior(tmp_path, monkeypatch):
    recipe, data = toy("exchange", ("rb2mnf4",), epochs=4, batch=8, learning_rate=2e-3, patience=4)
    outcome, measurer = trained(train_posterior, recipe, data, tmp_path, monkeypatch)
    low, high = outcome.arrays["low"], outcome.arrays["high"]
    train = data.parameters[data.indices("train")]
    assert low == pytest.approx(train.min(axis=0)) and high == pytest.approx(train.max(axis=0))
    assert [(o["low"], o["high"]) for o in outcome.outputs] == [(a, b) for a, b in zip(low, high, strict=True)]
    (model,) = outcome.models.values()

    def found(part, seed, widening):
        outputs, _ = predict(with_embedding(model), measurer.measure(data.indices(part), seed, kind=""))
        return Posterior.of_outputs(outputs[None], low, high, widening), data.parameters[data.indices(part)]

    best = outcome.calibration["widening"]

    def surprise(widening):
        posterior, truth = found("calibration", CALIBRATION, widening)
        return -posterior.log_density(truth).mean()

    assert surprise(best) < min(surprise(1.1 * best), surprise(best / 1.1))

    posterior, truth = found("test", TEST, best)
    for i, name in enumerate(("J1", "J2", "D")):
        rms = np.sqrt(np.mean((posterior.median - truth)[:, i] ** 2))
        assert figure(outcome, f"{name}: rms error").value == pytest.approx(rms, rel=2e-3)  # float32, in other batches
        for words, share in (("1 error bar", 0.6827), ("the 90 % interval", 0.9)):
            inside = np.mean(np.abs(posterior.rank(truth)[:, i] - 0.5) < share / 2)
            assert figure(outcome, f"{name}: fraction within {words}").value == pytest.approx(
                inside, abs=1.5 / len(truth)
            )  # one may lie on the edge
    # The third constant shows nowhere, so its posterior is the prior.
    spread = train.std(axis=0)
    assert figure(outcome, "D: rms").value > 0.8 * spread[2] and np.median(posterior.error[:, 2]) > 0.8 * spread[2]


@pytest.mark.tensorflow
def test_widening_of_a_posterior_that_is_too_sure():
    rng = np.random.default_rng(0)
    low, high = np.zeros(2), np.ones(2)
    outputs = np.zeros((1, 400, outputs_of(2)), np.float32)
    outputs[..., 1:COMPONENTS] = -50.0  # the first Gaussian, of mean 0 and width 1 in z, alone
    truth = bounded(2.0 * rng.normal(size=(400, 2)), low, high)
    assert fit_widening(outputs, truth, low, high) == pytest.approx(2.0, rel=0.06)
