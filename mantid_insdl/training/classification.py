"""Train and test a classifier of magnetic models."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mantid_insdl.materials import load_material
from mantid_insdl.networks import architectures
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.prediction import ensemble_probabilities, predict
from mantid_insdl.networks.preprocessing import incident_energy_groups
from mantid_insdl.networks.trained_range import Familiarity, TrainedRange
from mantid_insdl.progress import Progress
from mantid_insdl.simulation.slices import SliceSimulator
from mantid_insdl.training import baselines, metrics
from mantid_insdl.training.datasets import SimulatedMaps
from mantid_insdl.training.fitting import fit
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.outcome import (
    CALIBRATION,
    FEATURE_MAPS,
    FEATURES,
    SIMULATED,
    TEST,
    Outcome,
    sizes,
    some,
    template_maps,
    test_figure,
)
from mantid_insdl.training.recipes import Recipe

DECIDED = 0.9  # a verdict is given from this calibrated probability on


def train_classifier(recipe: Recipe, data: SimulatedMaps, measurer: Measurer, kept: Path, report: Progress) -> Outcome:
    keras = import_keras()
    _, slices, *shape = data.intensity.shape
    train, validation, calibration, test = (data.indices(s) for s in ("train", "validation", "calibration", "test"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    members = []
    for member in range(recipe.fit.members):
        seed = recipe.fit.seed + member
        keras.utils.set_random_seed(seed)
        model = architectures.stack_classifier(slices, tuple(shape), len(recipe.materials))

        def step(fraction: float, text: str, member: int = member) -> None:
            report((member + fraction) / recipe.fit.members, f"network {member + 1}: {text}")

        keep = kept / f"member-{member + 1}.weights.h5"
        fit(model, loss, measurer, lambda _, i: data.material[i], train, validation, recipe.fit, seed=seed, keep=keep, progress=step)
        members.append(model)
    measurer.forget()

    both = [architectures.with_embedding(model) for model in members]

    def answer(maps: MeasuredMaps) -> tuple[np.ndarray, list[np.ndarray]]:
        results = [predict(model, maps) for model in both]
        return np.stack([r[0] for r in results]), [r[1] for r in results]

    seen = some(train, FEATURE_MAPS)
    _, features = answer(measurer.measure(seen, FEATURES))
    trained = TrainedRange([Familiarity.of(f, data.material[seen]) for f in features])

    maps = measurer.measure(calibration, CALIBRATION)
    logits, features = answer(maps)
    temperature = metrics.fit_temperature(logits, data.material[calibration])
    trained.calibrate(maps.stack, features)

    maps, truth = measurer.measure(test, TEST), data.material[test]
    logits, features = answer(maps)
    probabilities, _ = ensemble_probabilities(logits, temperature)
    correct = probabilities.argmax(axis=1) == truth
    groups = incident_energy_groups(data.slices(0))
    misfit = baselines.template_misfit(maps, template_maps(data, train, groups), groups)
    matched = data.material[train][misfit.argmin(axis=1)] == truth
    accuracy, interval = metrics.proportion(correct.sum(), correct.size)
    baseline, baseline_interval = metrics.proportion(matched.sum(), matched.size)
    tests = [
        test_figure(
            recipe,
            "accuracy",
            accuracy,
            test.size,
            f"{SIMULATED}; baseline: best of {train.size} templates by least squares",
            interval=interval,
            baseline=baseline,
            baseline_interval=baseline_interval,
        )
    ]
    decided = probabilities.max(axis=1) >= DECIDED
    if decided.any():
        value, interval = metrics.proportion(correct[decided].sum(), decided.sum())
        conditions = f"{SIMULATED}; only maps with a probability of {DECIDED} or more"
        tests.append(test_figure(recipe, "accuracy where decided", value, int(decided.sum()), conditions, interval=interval))
    value, interval = metrics.proportion(decided.sum(), decided.size)
    tests.append(test_figure(recipe, "fraction decided", value, test.size, SIMULATED, interval=interval))
    pairs = np.column_stack([probabilities, truth])
    tests.append(
        test_figure(
            recipe,
            "expected calibration error",
            metrics.expected_calibration_error(probabilities, truth),
            test.size,
            SIMULATED,
            interval=metrics.bootstrap(pairs, lambda p: metrics.expected_calibration_error(p[:, :-1], p[:, -1].astype(int))),
        )
    )
    value, interval = metrics.proportion(trained.outside(maps.stack, features).sum(), test.size)
    tests.append(test_figure(recipe, "fraction called out of range", value, test.size, SIMULATED, interval=interval))
    for name, others in _foreign_maps(recipe, data, measurer, min(200, test.size)):
        _, features = answer(others)
        value, interval = metrics.proportion(trained.outside(others.stack, features).sum(), others.stack.shape[0])
        tests.append(test_figure(recipe, "fraction called out of range", value, others.stack.shape[0], name, interval=interval))
    return Outcome(
        models={f"member-{i + 1}.keras": model for i, model in enumerate(members)},
        arrays=trained.arrays,
        calibration={"temperature": temperature, **trained.calibration, "decided": DECIDED},
        tests=tests,
        outputs=[{"name": name, "unit": "probability", "low": 0.0, "high": 1.0} for name in recipe.materials],
        used=sizes(train=train, validation=validation, calibration=calibration, test=test),
    )


def _foreign_maps(recipe: Recipe, data: SimulatedMaps, measurer: Measurer, number: int) -> list[tuple[str, MeasuredMaps]]:
    """Maps that a classifier should not recognise: of another magnet, of nothing but background, and with the pixels shuffled."""
    rng = np.random.default_rng(recipe.fit.seed)
    slices = data.slices(0)
    other = SliceSimulator("rb2mnf4", slices, measurer.qh, measurer.qk)
    low, high = np.array([(p.low, p.high) for p in load_material("rb2mnf4").parameters]).T
    names = [p.name for p in load_material("rb2mnf4").parameters]
    draws = rng.uniform(low, high, (number, low.size))
    foreign_maps, stable = other.intensity(dict(zip(names, draws.T, strict=True)))
    flat = np.where(np.isnan(data.intensity[:1]), np.nan, 1.0).repeat(number, axis=0)
    mixed = data.intensity[data.indices("test")[:number]].astype(float)
    mixed = rng.permuted(mixed.reshape(*mixed.shape[:2], -1), axis=2).reshape(mixed.shape)
    kinds = (
        ("maps of Rb2MnF4 on the same slices", foreign_maps[stable]),
        ("flat maps with noise", flat),
        ("test maps with the pixels of each slice shuffled", mixed),
    )
    results = []
    for name, intensity in kinds:
        # Slices without any intensity (above the band) leave nothing to scale by: give them one part in a million.
        maps = intensity / np.nanmean(intensity, axis=(1, 2, 3), keepdims=True) + np.float32(1e-6)
        foreign = SimulatedMaps(
            data.materials, maps, np.zeros(len(maps), int), np.zeros((len(maps), 1)), np.zeros(len(maps), int),
            data.windows[:1].repeat(len(maps), axis=0), (), "",
        )  # fmt: skip
        results.append((name, Measurer(foreign, recipe.dataset, recipe.measurement).measure(np.arange(len(maps)), TEST)))
    return results
