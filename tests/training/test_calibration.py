"""Each task trained on toy maps in seconds: what it sets by the calibration part, and that no part is used for two things.

The toy maps are mixtures of two smooth patterns, so that a class, two constants and the true intensity can all be read off them.
"""

from __future__ import annotations

import numpy as np
import pytest

from mantid_insdl.maps import Slices
from mantid_insdl.networks.architectures import with_embedding
from mantid_insdl.networks.components import PrincipalComponents
from mantid_insdl.networks.prediction import combine, combine_gaussians, denoised_error, predict, slice_noise
from mantid_insdl.networks.preprocessing import structure
from mantid_insdl.networks.trained_range import TrainedRange
from mantid_insdl.training.datasets import SPLITS, SimulatedMaps
from mantid_insdl.training.denoising import _calibrate_error, train_denoiser
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


@pytest.mark.tensorflow
def test_regressor(tmp_path):
    from mantid_insdl.training.regression import train_regressor

    recipe, data = toy("exchange", ("rb2mnf4",), epochs=10)
    outcome, measurer = trained(train_regressor, recipe, data, tmp_path)
    mean, spread, factor = (outcome.arrays[name] for name in ("mean", "spread", "sigma_factor"))
    train = data.parameters[data.indices("train")]
    assert mean == pytest.approx(train.mean(axis=0)) and spread == pytest.approx(train.std(axis=0))
    assert [(o["low"], o["high"]) for o in outcome.outputs] == [(low, high) for low, high in zip(train.min(0), train.max(0), strict=True)]

    def pulls(part, seed):
        maps = measurer.measure(data.indices(part), seed)
        outputs, features = answers(outcome, maps)
        centre, sigma = combine_gaussians(outputs)
        error = mean + spread * centre - data.parameters[data.indices(part)]
        return maps, features, error, error / (spread * sigma * factor)

    maps, features, _, pull = pulls("calibration", CALIBRATION)
    require_limits(outcome, maps, features)
    # 68.27 % of the calibration values lie within one error bar, of each parameter.
    assert np.mean(np.abs(pull) < 1, axis=0) == pytest.approx(0.6827, abs=0.008)
    assert np.abs(np.log(factor)).max() > 0.05  # else error bars without calibration would pass as well

    *_, error, pull = pulls("test", TEST)
    for i, name in enumerate(("J1", "J2", "D")):
        rms = figure(outcome, f"{name}: rms error")
        assert rms.value == pytest.approx(np.sqrt(np.mean(error[:, i] ** 2)))
        assert figure(outcome, f"{name}: fraction within 1 error").value == pytest.approx(np.mean(np.abs(pull[:, i]) < 1))
        assert figure(outcome, f"{name}: fraction within 2 error").value == pytest.approx(np.mean(np.abs(pull[:, i]) < 2))
    # The share of the patterns can be seen and is learnt; the third parameter shows nowhere, so nobody knows it.
    assert figure(outcome, "J1: rms").value < 0.7 * spread[0] and figure(outcome, "J1: rms").baseline < 0.5 * spread[0]
    assert figure(outcome, "D: rms").value > 0.8 * spread[2]


@pytest.mark.tensorflow
def test_denoiser(tmp_path):
    recipe, data = toy("denoise", ("pcsmo-goodenough", "pcsmo-dimer"), epochs=4)
    outcome, measurer = trained(train_denoiser, recipe, data, tmp_path)
    (model,) = outcome.models.values()
    components = PrincipalComponents(*(outcome.arrays[f"components_{part}"] for part in ("mean", "basis", "variance")))
    weight = outcome.calibration["network_weight"]

    def known(maps):
        return (maps.stack[..., 1] > 0) & np.isfinite(maps.signal)

    def halves(maps):
        return predict(model, maps)[0], components.denoise(maps.stack)

    def relative_error(maps, estimate):
        each = zip(estimate, maps.signal, known(maps), strict=True)
        return np.array([np.linalg.norm((e - s)[k]) / np.linalg.norm(s[k]) for e, s, k in each])

    choice = measurer.measure(some(data.indices("validation"), 100), CHOICE)
    by_weight = {w: np.median(relative_error(choice, combine(*halves(choice), w))) for w in np.round(np.arange(0, 1.01, 0.1), 1)}
    assert by_weight[weight] == pytest.approx(min(by_weight.values()), rel=1e-3)

    maps = measurer.measure(data.indices("calibration"), CALIBRATION)
    estimate = combine(*halves(maps), weight)
    sigma = denoised_error(estimate, slice_noise(maps.stack, estimate), outcome.calibration)
    assert np.mean((np.abs(estimate - maps.signal) < sigma)[known(maps)]) == pytest.approx(0.6827, abs=0.002)

    maps = measurer.measure(data.indices("test"), TEST)
    estimate = combine(*halves(maps), weight)
    error = relative_error(maps, estimate)
    for baseline in ("no denoising", "network alone", "principal components", "Gaussian smoothing"):
        assert figure(outcome, "median relative", baseline).value == pytest.approx(np.median(error), rel=1e-3)
    raw = figure(outcome, "median relative", "no denoising")
    assert raw.baseline == pytest.approx(np.median(relative_error(maps, maps.stack[..., 0])), rel=1e-3)
    assert raw.value < 0.7 * raw.baseline
    sigma = denoised_error(estimate, slice_noise(maps.stack, estimate), outcome.calibration)
    inside = [np.mean((np.abs(e - s) < b)[k]) for e, s, b, k in zip(estimate, maps.signal, sigma, known(maps), strict=True)]
    coverage = figure(outcome, "fraction of pixels within one error bar")
    assert coverage.value == pytest.approx(np.mean(inside), abs=1e-3) and 0.55 < coverage.value < 0.8


@pytest.mark.parametrize("seed", range(3))
def test_errors_of_a_denoiser_with_known_errors(seed):
    """Uniform errors whose variance is a constant, a share of the intensity and a share of the slice's noise in quadrature.

    Of a uniform error 68.27 % lie within 0.6827 sqrt(3) = 1.18 standard deviations, which is what an error bar means.
    """
    from mantid_insdl.networks.measured import MeasuredMaps

    rng = np.random.default_rng(seed)
    shape = (60, 6, 12, 12)
    estimate = rng.uniform(0, 5, shape)
    noise = rng.uniform(0.1, 3, shape[:2])
    stack = np.ones((*shape, 2))
    stack[..., 0] = estimate + noise[..., None, None] * np.where(np.indices(shape[2:]).sum(0) % 2, 1, -1)
    stack[:, :, :2] = 0
    variance = 0.2**2 + (0.1 * estimate) ** 2 + (0.15 * noise[..., None, None]) ** 2
    signal = estimate + np.sqrt(3 * variance) * rng.uniform(-1, 1, shape)
    signal[:, :, 2] = np.nan  # nothing was measured there, whatever the stack says
    found = _calibrate_error(MeasuredMaps(stack, np.ones(shape[:2]), signal, np.empty(0), np.empty(0)), estimate)
    factor = 0.6827 * np.sqrt(3)
    assert found["error_constant"] == pytest.approx(0.2 * factor, rel=0.1)
    assert found["error_relative"] == pytest.approx(0.1 * factor, rel=0.1)
    assert found["error_noise"] == pytest.approx(0.15 * factor, rel=0.1)
    kept = np.isfinite(signal) & (stack[..., 1] > 0)
    inside = np.abs(signal - estimate) < denoised_error(estimate, noise, found)
    assert inside[kept].mean() == pytest.approx(0.6827, abs=0.004)


def test_some_maps_are_evenly_spread():
    assert some(np.arange(5, 105), 10).tolist() == list(range(5, 105, 10))
    assert some(np.arange(3), 10).tolist() == [0, 1, 2]


def test_features_of_the_trained_range_are_those_of_training_maps():
    assert FEATURES == (0,)  # a measurement that the fit has made already
