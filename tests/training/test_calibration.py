"""Each task trained on toy maps in seconds: what it sets by the calibration part, and that no part is used for two things.

The toy maps are mixtures of two smooth patterns, so that a class, two constants and the true intensity can all be read off them.
"""

from __future__ import annotations

import numpy as np
import pytest

from mantid_insdl.maps import Slices
from mantid_insdl.networks.prediction import predict, with_embedding
from mantid_insdl.networks.preprocessing import structure
from mantid_insdl.networks.trained_range import TrainedRange
from mantid_insdl.training.datasets import SPLITS, SimulatedMaps
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.outcome import CALIBRATION, CHOICE, FEATURES, TEST, VALIDATION, some
from mantid_insdl.training.recipes import Dataset, Fit, FixedSlices, Measurement, Recipe

NUMBER, SIZE = 300, 8
PARTS = (0.4, 0.1, 0.3, 0.2)
SLICES = Slices([50.0] * 3, [5.0, 15.0, 25.0], [15.0, 25.0, 35.0])


def toy(task: str, materials: tuple[str, ...], epochs: int = 2, members: int = 1) -> tuple[Recipe, SimulatedMaps]:
    rng = np.random.default_rng(11)
    x = np.linspace(-1, 1, SIZE)
    one, other = (np.exp(-((x[:, None] - c) ** 2 + (x - c) ** 2) / 0.3) for c in (-0.5, 0.5))
    share, level = rng.uniform(0, 1, NUMBER), rng.uniform(0.05, 1, NUMBER)
    mixture = share[:, None, None] * one + (1 - share)[:, None, None] * other + level[:, None, None]
    intensity = mixture[:, None].repeat(3, axis=1) * np.array([1, 0.7, 0.5])[:, None, None]
    intensity /= intensity.mean(axis=(1, 2, 3), keepdims=True)
    # The class follows the share with some doubt, so that no answer can be certain.
    material = (rng.random(NUMBER) > 1 / (1 + np.exp(-12 * (share - 0.5)))).astype(int) if len(materials) > 1 else np.zeros(NUMBER, int)
    split = rng.permutation(np.repeat(range(4), np.round(np.array(PARTS) * NUMBER).astype(int)))
    windows = np.stack([SLICES.energy_min, SLICES.energy_max, SLICES.ei], axis=-1)[None].repeat(NUMBER, axis=0)
    parameters = np.stack([share, level, rng.uniform(0, 1, NUMBER)], axis=-1)
    data = SimulatedMaps(materials, intensity.astype(np.float16), material, parameters, split, windows, (0,) * len(materials), "0" * 64)
    recipe = Recipe(
        name="toy",
        version="1",
        task=task,
        family="toy",
        materials=materials,
        answers="nothing",
        dataset=Dataset(
            name="toy",
            materials=dict.fromkeys(materials, NUMBER),
            prior="uniform",
            grid={"size": SIZE},
            slices=FixedSlices(ei=(50,), energy_fraction=(0.1, 0.7), bins=3),
            split=PARTS,
            seed=1,
        ),
        measurement=Measurement(counts_per_pixel=(20, 50), background=(0, 0.3), twin_fraction=(1, 1), gaps=0.2, hot_pixels=0),
        fit=Fit(epochs=epochs, batch=24, learning_rate=6e-3, members=members, seed=5),
        duration="seconds",
    )
    return recipe, data


class RecordingMeasurer(Measurer):
    """Remembers which maps were measured with which seed."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.calls: list[tuple[np.ndarray, tuple[int, ...]]] = []

    def measure(self, indices, seed):
        self.calls.append((np.array(indices), seed))
        return super().measure(indices, seed)


def trained(task, recipe, data, folder):
    measurer = RecordingMeasurer(data, recipe.dataset, recipe.measurement, keep_signal=recipe.task == "denoise")
    fractions = []
    outcome = task(recipe, data, measurer, folder / "kept", lambda fraction, text: fractions.append(fraction))
    assert min(fractions) >= 0 and max(fractions) <= 1.001
    require_parts_kept_apart(data, measurer.calls, recipe.fit)
    assert outcome.used == {name: data.indices(name).size for name in SPLITS}
    return outcome, Measurer(data, recipe.dataset, recipe.measurement, keep_signal=measurer.keep_signal)


def require_parts_kept_apart(data, calls, settings):
    part_of = {VALIDATION: "validation", CHOICE: "validation", CALIBRATION: "calibration", TEST: "test"}
    for indices, seed in calls:
        allowed = data.indices(part_of.get(seed, "train"))
        assert np.isin(indices, allowed).all(), f"seed {seed} measures maps of another part"
        assert seed in part_of or seed[0] < 3
    assert set.union(*(set(i.tolist()) for i, s in calls if s == TEST)) == set(data.indices("test").tolist())
    first_test = next(n for n, (_, seed) in enumerate(calls) if seed == TEST)
    assert all(seed == TEST for _, seed in calls[first_test:])  # looked at once, at the end
    # All training maps are seen each epoch; the noise repeats after three.
    for epoch in range(min(settings.epochs, 3)):
        assert {i for indices, seed in calls if seed == (epoch,) for i in indices.tolist()} == set(data.indices("train").tolist())


def figure(outcome, metric, conditions=""):
    (found,) = [t for t in outcome.tests if t.metric.startswith(metric) and conditions in t.conditions]
    return found


def answers(outcome, maps):
    """Outputs (member, n, output) and embeddings of all members."""
    results = [predict(with_embedding(model), maps) for model in outcome.models.values()]
    return np.stack([r[0] for r in results]), [r[1] for r in results]


def require_limits(outcome, maps, features):
    """One per cent of the calibration maps lies beyond each limit: with 90 of them, one or at most two."""
    arrays, calibration = outcome.arrays, outcome.calibration
    within = TrainedRange.of_bundle(arrays, calibration, len(features))
    assert np.sum(within.distance(features) > calibration["distance_limit"]) == 1
    assert np.sum(structure(maps.stack) < calibration["structure_limit"]) == 1


@pytest.mark.tensorflow
def test_classifier(tmp_path):
    from mantid_insdl.training.classification import train_classifier

    recipe, data = toy("classify", ("pcsmo-goodenough", "pcsmo-dimer"), epochs=6, members=2)
    outcome, measurer = trained(train_classifier, recipe, data, tmp_path)
    assert sorted(outcome.models) == ["member-1.keras", "member-2.keras"]
    assert outcome.calibration["decided"] == 0.9

    maps, truth = measurer.measure(data.indices("calibration"), CALIBRATION), data.material[data.indices("calibration")]
    logits, features = answers(outcome, maps)
    require_limits(outcome, maps, features)

    def surprise(temperature):
        each = np.exp(logits / temperature)
        each /= each.sum(axis=-1, keepdims=True)
        return -np.log(each.mean(axis=0)[np.arange(truth.size), truth]).mean()

    best = outcome.calibration["temperature"]
    assert surprise(best) < min(surprise(best * 1.05), surprise(best / 1.05))
    assert abs(np.log(best)) > 0.1  # else a network without calibration would pass as well

    maps, truth = measurer.measure(data.indices("test"), TEST), data.material[data.indices("test")]
    logits, features = answers(outcome, maps)
    each = np.exp(logits / best)
    probability = (each / each.sum(axis=-1, keepdims=True)).mean(axis=0)
    right = probability.argmax(axis=1) == truth
    accuracy = figure(outcome, "accuracy", "baseline")
    assert accuracy.value == pytest.approx(right.mean()) and accuracy.n == truth.size and accuracy.value > 0.75
    assert accuracy.interval[0] < accuracy.value < accuracy.interval[1] and accuracy.baseline > 0.6
    decided = probability.max(axis=1) >= 0.9
    assert figure(outcome, "fraction decided").value == pytest.approx(decided.mean())
    assert figure(outcome, "accuracy where decided").value == pytest.approx(right[decided].mean())
    outside = TrainedRange.of_bundle(outcome.arrays, outcome.calibration, 2).outside(maps.stack, features)
    assert figure(outcome, "fraction called out of range", "simulated measurements").value == pytest.approx(outside.mean())
    # Noise on a flat map has no structure; most toy maps have.
    assert figure(outcome, "fraction called out of range", "flat maps").value > 0.5 > 3 * outside.mean()
    assert [(o["name"], o["low"], o["high"]) for o in outcome.outputs] == [(name, 0.0, 1.0) for name in recipe.materials]


def test_some_maps_are_evenly_spread():
    assert some(np.arange(5, 105), 10).tolist() == list(range(5, 105, 10))
    assert some(np.arange(3), 10).tolist() == [0, 1, 2]


def test_features_of_the_trained_range_are_those_of_training_maps():
    assert FEATURES == (0,)  # a measurement that the fit has made already
