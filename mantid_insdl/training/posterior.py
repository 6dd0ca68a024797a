"""Train and test a posterior of exchange constants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.materials import load_material
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.posterior import Posterior, build_posterior, posterior_loss, unbounded
from mantid_insdl.networks.trained_range import Familiarity, TrainedRange
from mantid_insdl.progress import Progress, share_of
from mantid_insdl.training import baselines, metrics
from mantid_insdl.training.batches import Batches, in_parts
from mantid_insdl.training.datasets import SimulatedMaps
from mantid_insdl.training.ensemble import BATCH, Ensemble
from mantid_insdl.training.fitting import fit_members
from mantid_insdl.training.layouts import room
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.outcome import CALIBRATION, FEATURE_MAPS, FEATURES, SIMULATED, TEST, Outcome, sizes, some, test_figure
from mantid_insdl.training.recipes import Recipe

NEIGHBOUR_MAPS = 2000  # training maps that the baseline looks for neighbours in
SHARES = ((0.6827, "1 error bar"), (0.9, "the 90 % interval"))


def train_posterior(recipe: Recipe, data: SimulatedMaps, measurer: Measurer, kept: Path, report: Progress) -> Outcome:
    """Fit, calibrate and test; `kept` is the folder for fitted weights."""
    keras = import_keras()
    (material,) = recipe.materials
    parameters = load_material(material).parameters
    number = len(parameters)
    shape = data.intensity.shape[2:]
    train, validation, calibration, test = (data.indices(s, material) for s in ("train", "validation", "calibration", "test"))
    values = data.parameters[:, :number]
    low, high = values[train].min(axis=0), values[train].max(axis=0)

    def target(_: MeasuredMaps, indices: np.ndarray) -> np.ndarray:
        return unbounded(values[indices], low, high).astype(np.float32)

    def build() -> Any:
        return build_posterior(shape, number, *room(recipe.dataset.slices))

    options = {"kept": kept, "progress": share_of(report, 0.0, 0.9)}
    members = fit_members(build, posterior_loss(keras, number), measurer, target, train, validation, recipe.fit, **options)

    with Batches(measurer) as batches:
        networks = Ensemble(members, batches)
        report(0.9, "calibrating")
        seen = networks.ask(some(train, FEATURE_MAPS), FEATURES, kind="")
        own = networks.ask(calibration, CALIBRATION, kind="")
        trained = TrainedRange([Familiarity.of(f, np.zeros(len(f), int)) for f in seen.features])
        trained.calibrate(own.structure, own.features)
        widening = fit_widening(own.logits, values[calibration], low, high)
        alike = some(train, NEIGHBOUR_MAPS)
        neighbours = baselines.Neighbours(batches.of(in_parts(alike, BATCH), FEATURES, kind=""), values[alike])
        report(0.95, "testing")
        answers = networks.ask(test, TEST, kind="")
        nearest = neighbours.parameters(batches.of(in_parts(test, BATCH), TEST, kind=""))
    truth, found = values[test], Posterior.of_outputs(answers.logits, low, high, widening)
    rank, error, other = found.rank(truth), np.abs(found.median - truth), np.abs(nearest - truth)
    spread = values[train].std(axis=0)
    tests = []
    for i, parameter in enumerate(parameters):
        tests.append(
            test_figure(
                recipe,
                f"{parameter.name}: rms error ({parameter.unit})",
                _rms(error[:, i]),
                test.size,
                f"{SIMULATED}; values spread by {spread[i]:.3g} {parameter.unit}; baseline: mean of the training maps most alike",
                interval=metrics.bootstrap(error[:, i], _rms),
                baseline=_rms(other[:, i]),
                baseline_interval=metrics.bootstrap(other[:, i], _rms),
            )
        )
        for share, words in SHARES:
            value, interval = metrics.proportion((np.abs(rank[:, i] - 0.5) < share / 2).sum(), test.size)
            metric = f"{parameter.name}: fraction within {words} ({share:.3g} expected)"
            tests.append(test_figure(recipe, metric, value, test.size, SIMULATED, interval=interval))
    value, interval = metrics.proportion(trained.outside(answers.structure, answers.features).sum(), test.size)
    tests.append(test_figure(recipe, "fraction called out of range", value, test.size, SIMULATED, interval=interval))
    return Outcome(
        models={f"member-{i + 1}.keras": model for i, model in enumerate(members)},
        arrays={"low": low, "high": high, "spread": spread, **trained.arrays},
        calibration={"widening": widening, **trained.calibration},
        tests=tests,
        outputs=[
            {"name": p.name, "unit": p.unit, "low": float(a), "high": float(b)} for p, a, b in zip(parameters, low, high, strict=True)
        ],
        used=sizes(train=train, validation=validation, calibration=calibration, test=test),
    )


def fit_widening(outputs: np.ndarray, truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The factor of all widths of a posterior with which the true parameters (n, parameter) are most probable."""
    from scipy.optimize import minimize_scalar

    def surprise(log_widening: float) -> float:
        return -float(Posterior.of_outputs(outputs, low, high, np.exp(log_widening)).log_density(truth).mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(-1, 2), method="bounded").x))


def _rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))
