"""The classifier's training: what is taken from maps, which batches are made, and the figures of a card."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_maps import figure, toy, trained

from mantid_insdl.networks.measured import MeasuredMaps, turned
from mantid_insdl.networks.prediction import ensemble_probabilities, predict, with_embedding
from mantid_insdl.networks.preprocessing import structure
from mantid_insdl.networks.strangeness import FALSE_ALARMS, Strangeness
from mantid_insdl.networks.trained_range import Familiarity
from mantid_insdl.training import metrics
from mantid_insdl.training.ensemble import with_energies
from mantid_insdl.training.outcome import CALIBRATION, FEATURES, TEST, some

BINS = 3


def random_maps(number=5, groups=4):
    rng = np.random.default_rng(2)
    used = (rng.random((number, groups)) < 0.7) | (np.arange(groups) == 0)
    used = np.repeat(used, BINS, axis=1)[..., None].astype(np.float32)
    stack = rng.random((number, groups * BINS, 8, 8, 2)).astype(np.float32) * used[..., None, None]
    windows = rng.random((number, groups * BINS, 3)).astype(np.float32) * used
    return MeasuredMaps(stack, np.ones((number, groups * BINS)), np.empty(0), windows, used, np.arange(number), np.array([""] * number))


@pytest.mark.parametrize("number", [1, 2, 9])
def test_maps_with_some_of_their_incident_energies(number):
    maps = random_maps()
    fewer = with_energies(maps, number, BINS, np.random.default_rng(0))
    before, after = (m.used.reshape(5, -1, BINS) for m in (maps, fewer))
    assert np.array_equal(after.all(axis=2), after.any(axis=2))  # whole incident energies only
    assert after.all(axis=2).sum(axis=1).tolist() == np.minimum(before.all(axis=2).sum(axis=1), number).tolist()
    assert np.array_equal(fewer.stack, maps.stack * fewer.used[..., None, None]) and np.array_equal(
        fewer.windows, maps.windows * fewer.used
    )
    assert np.array_equal(fewer.label, maps.label)


def test_symmetries_turn_stack_and_signal_alike_and_undo_themselves():
    maps = random_maps()
    signal = maps.stack[..., 0] * 2
    maps = MeasuredMaps(maps.stack, maps.scale, signal, maps.windows, maps.used, maps.label, maps.kind)
    pictures = []
    for symmetry in range(8):
        one = turned(maps, symmetry)
        assert np.array_equal(one.signal, one.stack[..., 0] * 2) and np.array_equal(one.windows, maps.windows)
        pictures.append(one.stack.tobytes())
        if symmetry < 4:
            assert np.array_equal(turned(one, symmetry).stack, maps.stack)
    assert len(set(pictures)) == 8
    assert np.array_equal(turned(maps, 1).stack[:, :, 0], maps.stack[:, :, 7])
    assert np.array_equal(turned(maps, 2).stack[:, :, :, 0], maps.stack[:, :, :, 7])
    assert np.array_equal(turned(maps, 4).stack[:, :, 1, 5], maps.stack[:, :, 5, 1])


def test_area_under_the_curve():
    assert metrics.area_under_curve(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 1
    assert metrics.area_under_curve(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 0
    assert metrics.area_under_curve(np.array([1.0, 1.0]), np.array([1.0])) == 0.5
    # Of the six pairs four are in order.
    assert metrics.area_under_curve(np.array([1.0, 3.0]), np.array([0.0, 2.0, 4.0])) == pytest.approx(0.5)


def test_interval_of_an_area_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(7)
    from scipy.stats import norm

    truth, inside = norm.cdf(1.5 / np.sqrt(2)), []
    for _ in range(400):
        area = metrics.area_under_curve(rng.normal(0, 1, 60), rng.normal(1.5, 1, 60))
        low, high = metrics.area_interval(area, 60, 60)
        inside.append(low <= truth <= high)
    assert 0.91 < np.mean(inside) < 0.985


def test_some_maps_are_evenly_spread():
    assert some(np.arange(5, 105), 10).tolist() == list(range(5, 105, 10))
    assert some(np.arange(3), 10).tolist() == [0, 1, 2]


def toy_classes():
    """The class of a toy map follows its share of the spot with some doubt, so that no answer can be certain."""
    recipe, data = toy("classify", ("pcsmo-goodenough", "pcsmo-dimer"), epochs=12, batch=8, patience=12, learning_rate=3e-3, members=2)
    doubt = np.random.default_rng(4).random(len(data.material))
    material = (doubt > 1 / (1 + np.exp(-12 * (data.parameters[:, 0] - 0.5)))).astype(int)
    measurement = recipe.measurement.model_copy(update={"negatives": 0.3, "held_out": ("tiles shuffled",)})
    scene = np.zeros(len(material), int)  # all of one, so that each map may be mixed with any other
    return recipe.model_copy(update={"measurement": measurement}), replace(data, material=material, scene=scene)


def asked(outcome, measurer, indices, seed, **options):
    """Logits (2 x network, n, class + 1), features and the maps, one network and orientation at a time and all maps at once."""
    maps = measurer.measure(indices, seed, **options)
    exchanged = replace(maps, stack=np.swapaxes(maps.stack, 2, 3))
    results = [[predict(with_embedding(model), one) for one in (maps, exchanged)] for model in outcome.models.values()]
    return np.stack([r[0] for both in results for r in both]), [(one[1] + other[1]) / 2 for one, other in results], maps


@pytest.mark.tensorflow
def test_a_classifier_trained_on_toy_maps(tmp_path, monkeypatch):
    from mantid_insdl.training.classification import train_classifier

    recipe, data = toy_classes()
    outcome, measurer = trained(train_classifier, recipe, data, tmp_path, monkeypatch)
    assert sorted(outcome.models) == ["member-1.keras", "member-2.keras"]
    assert outcome.calibration["decided"] == 0.95 and outcome.calibration["false_alarms"] == FALSE_ALARMS

    calibration, test = data.indices("calibration"), data.indices("test")
    logits, features, maps = asked(outcome, measurer, calibration, CALIBRATION, kind="")
    truth = data.material[calibration]

    def surprise(temperature):
        return -np.log(ensemble_probabilities(logits[..., :-1], temperature)[0][np.arange(truth.size), truth]).mean()

    best = outcome.calibration["temperature"]
    assert surprise(best) < min(surprise(best * 1.05), surprise(best / 1.05))
    assert outcome.calibration["structure_limit"] == pytest.approx(np.quantile(structure(maps.stack), 0.01), abs=1e-4)
    seen = asked(outcome, measurer, data.indices("train"), FEATURES, kind="")
    familiar = [Familiarity.of(f, seen[2].label) for f in seen[1]]
    wanted = Strangeness.of(familiar, logits, features).arrays
    assert {name: outcome.arrays[name].shape for name in wanted} == {name: array.shape for name, array in wanted.items()}
    assert outcome.arrays["strangeness_none"] == pytest.approx(wanted["strangeness_none"], abs=0.02)

    logits, features, maps = asked(outcome, measurer, test, TEST, kind="")
    probability, strange = ensemble_probabilities(logits[..., :-1], best)[0], Strangeness.of_bundle(outcome.arrays, 2)
    right, none = probability.argmax(axis=1) == data.material[test], strange(logits, features) > 1 - FALSE_ALARMS
    usual = "all counts that were trained on"
    accuracy = next(t for t in outcome.tests if t.metric == "accuracy" and f"nothing else; {usual}" in t.conditions)
    assert 0.4 < accuracy.baseline < accuracy.value and "most alike" in accuracy.conditions
    assert accuracy.value == pytest.approx(right.mean()) and accuracy.n == test.size and accuracy.value > 0.75
    assert accuracy.interval[0] < accuracy.value < accuracy.interval[1]
    given = (probability.max(axis=1) >= 0.95) & ~none
    assert figure(outcome, "fraction with a verdict", f"nothing else; {usual}").value == pytest.approx(given.mean())
    assert figure(outcome, "fraction called none of these", f"nothing else; {usual}").value == pytest.approx(none.mean())
    error = metrics.expected_calibration_error(probability, data.material[test])
    assert figure(outcome, "expected calibration error", f"nothing else; {usual}").value == pytest.approx(error)

    reliability, confusion = outcome.arrays["test_reliability"], outcome.arrays["test_confusion"]
    mean, share, number = reliability.T
    assert number.sum() == test.size and np.sum(number * share) == pytest.approx(right.sum())
    assert np.sum(number * np.abs(mean - share)) / test.size == pytest.approx(error)
    assert confusion.sum(axis=1).tolist() == np.bincount(data.material[test]).tolist()

    # Every kind of maps of none of the models has its figures; kinds that were held out are told from those that were not.
    kinds = {t.conditions.split(";")[0] for t in outcome.tests if t.metric == "fraction found to be none of these"}
    assert len(kinds) == len(measurer.kinds) and {"tiles shuffled, never trained on", "noise, trained on"} <= kinds
    logits, features, _ = asked(outcome, measurer, test, TEST, kind="noise")
    found = strange(logits, features) > 1 - FALSE_ALARMS
    assert figure(outcome, "fraction found to be none of these", "noise, trained on").value == pytest.approx(found.mean())
    assert [(o["name"], o["low"], o["high"]) for o in outcome.outputs] == [(name, 0.0, 1.0) for name in recipe.materials]
