"""Train and test a denoiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.maps import Axis
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.cards import CardTest
from mantid_insdl.networks.denoiser import CALIBRATED, LOG_SIGMA_LIMITS, build_denoiser, denoised
from mantid_insdl.networks.joint_estimate import CALIBRATED_JOINTLY, JointEstimate, joint_estimate
from mantid_insdl.networks.likely import likely_magnets
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.stein import rings
from mantid_insdl.progress import Progress
from mantid_insdl.simulation.ensembles import Ensemble, at_places, expected_maps
from mantid_insdl.training import baselines, metrics
from mantid_insdl.training.batches import Batches, in_parts
from mantid_insdl.training.datasets import SimulatedMaps
from mantid_insdl.training.fitting import fit
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.outcome import CALIBRATION, CHOICE, SIMULATED, TEST, Outcome, sizes, some, test_figure
from mantid_insdl.training.recipes import Recipe
from mantid_insdl.training.sampling import PRIORS

CALIBRATION_MAPS, CHOICE_MAPS = 150, 100
CALIBRATION_SCENES, TEST_SCENES, PER_SCENE = 8, 14, 6
"""Of the mixture with simulations: sets of slices, on each of which an ensemble is simulated, and maps on each."""
AT_ONCE = 20  # parameter sets of an ensemble that are drawn together (of one order) and have the same blur in momentum
BATCH = 25
SMOOTHING = (0.5, 0.7, 1.0, 1.4, 2.0)  # pixels
GAP_WEIGHT = 0.3  # of the pixels in gaps: their truth is known here, and they teach what the rest of a map says about them
NOT_MAGNETIC = ("noise", "gradient", "phonons")
"""Kinds of maps (negatives.py) that show no spin waves, so that nothing is what should be left of them."""
BETA = 0.75  # power of the variance that weighs a pixel in the loss
WITHIN = 0.6827  # of Gaussian errors lie within one standard deviation


def denoising_loss(keras: Any) -> Callable[[Any, Any], Any]:
    """Negative log likelihood of the truth under a mean and a width, each pixel weighted by its width.

    Without that weight, pixels that are hard to tell (bright ones, of which counting tells least absolutely) would hardly be learnt;
    weighted by the variance, the mean would have its squared error as loss [Seitzer et al., ICLR 2022]. The target is (..., 2): intensity
    and weight of the pixel.
    """
    ops = keras.ops

    def loss(target: Any, output: Any) -> Any:
        wanted, weight = target[..., 0], target[..., 1]
        log_sigma = ops.clip(output[..., 1], *LOG_SIGMA_LIMITS)
        surprise = 0.5 * ops.square((output[..., 0] - wanted) * ops.exp(-log_sigma)) + log_sigma
        return ops.sum(weight * ops.stop_gradient(ops.exp(2 * BETA * log_sigma)) * surprise) / (ops.sum(weight) + 1e-6)

    return loss


def wanted(maps: MeasuredMaps, _: np.ndarray) -> np.ndarray:
    """The target of `denoising_loss`."""
    measured = np.isfinite(maps.signal)
    magnetic = ~np.isin(maps.kind, NOT_MAGNETIC).reshape(-1, 1, 1, 1) if maps.kind.size else True
    weight = np.where(maps.stack[..., 1] > 0, 1.0, GAP_WEIGHT) * measured
    return np.stack([np.where(measured & magnetic, maps.signal, 0), weight], axis=-1).astype(np.float32)


def train_denoiser(recipe: Recipe, data: SimulatedMaps, measurer: Measurer, kept: Path, report: Progress) -> Outcome:
    """Fit, calibrate and test; `kept` is the folder for fitted weights."""
    keras = import_keras()
    keras.utils.set_random_seed(recipe.fit.seed)
    _, slices, *shape = data.intensity.shape
    train, validation, calibration, test = (data.indices(s) for s in ("train", "validation", "calibration", "test"))
    model = build_denoiser(slices, tuple(shape))
    keep = kept / "model.weights.h5"
    options = {"seed": recipe.fit.seed, "keep": keep, "symmetric": True, "progress": report}
    fit(model, denoising_loss(keras), measurer, wanted, train, validation, recipe.fit, **options)

    report(1.0, "comparing, calibrating and testing")
    ensemble = drawn_ensemble(recipe)
    factors, tests = assessed(recipe, data, measurer, model, ensemble)
    outputs = [{"name": "intensity", "unit": "as the input"}]
    used = sizes(train=train, validation=validation, calibration=calibration, test=test)
    return Outcome({"model.keras": model}, ensemble.to_arrays(), factors, tests, outputs, used)


def drawn_ensemble(recipe: Recipe) -> Ensemble:
    """Parameter sets that an answer simulates, and what their measurements differ in."""
    spec, rng = recipe.dataset, np.random.default_rng((recipe.fit.seed, 1))
    of_each = recipe.ensemble // len(spec.materials)
    sets: dict[str, list[np.ndarray]] = {name: [] for name in spec.materials}
    for name, kept in sets.items():
        while (missing := of_each - sum(map(len, kept))) > 0:
            number = min(AT_ONCE, missing)
            drawn = PRIORS[spec.prior](name, number, rng)
            constants = [drawn.parameters[p.name] for p in drawn.material.parameters]
            widths = rng.uniform(*spec.energy_width_scale, number), np.full(number, rng.uniform(*spec.q_sigma_pixels))
            kept.append(np.stack([*constants, *widths], axis=-1))
    measurement = recipe.measurement
    return Ensemble({name: np.concatenate(kept) for name, kept in sets.items()}, measurement.twin_fraction, measurement.slice_scale)


def assessed(
    recipe: Recipe, data: SimulatedMaps, measurer: Measurer, model: Any, ensemble: Ensemble
) -> tuple[dict[str, float], list[CardTest]]:
    """Calibration and test figures of a fitted network and of its mixture with simulations."""
    validation, calibration, test = (data.indices(s) for s in ("validation", "calibration", "test"))
    with Batches(measurer) as batches:
        (choice,) = batches.of([some(validation, CHOICE_MAPS)], CHOICE, kind="")
        width = min(SMOOTHING, key=lambda w: np.nanmedian(relative_error(choice, baselines.smooth(choice.stack, w))))
        each = batches.of(in_parts(some(calibration, CALIBRATION_MAPS), BATCH), CALIBRATION, kind="")
        factors = error_factors(((maps, *denoised(model, maps)) for maps in each), CALIBRATED)
        joint = Joint(ensemble, recipe.family, data, measurer, model, factors)
        factors |= error_factors(joint.answers(of_few_scenes(data, calibration, CALIBRATION_SCENES), CALIBRATION), CALIBRATED_JOINTLY)
        joint.calibration = factors
        alone = np.concatenate([relative_error(m, denoised(model, m)[0]) for m in batches.of(in_parts(test, BATCH), TEST, kind="")])
    methods: dict[str, Callable[[MeasuredMaps], np.ndarray]] = {
        "the network alone": lambda maps: denoised(model, maps)[0],
        f"Gaussian smoothing, {width} pixels": lambda maps: baselines.smooth(maps.stack, width),
        "no denoising": lambda maps: maps.stack[..., 0],
    }
    chosen = of_few_scenes(data, test, TEST_SCENES)
    tests = [_median_error(recipe, "the network alone", alone, np.array([]), "")]
    return factors, [*tests, *_beside(methods, recipe, joint, chosen), _painted(recipe, joint, chosen)]


def _beside(methods: dict[str, Callable[[MeasuredMaps], np.ndarray]], recipe: Recipe, joint: Joint, chosen: np.ndarray) -> list[CardTest]:
    """Errors of the mixture beside those of other methods on the same maps, and how many of them its error bars hold."""
    errors: dict[str, list[float]] = {name: [] for name in ("joint", *methods)}
    inside: dict[str, list[float]] = {"known pixels": [], "pixels in gaps": []}
    for maps, estimate, sigma in joint.answers(chosen, TEST):
        errors["joint"].append(relative_error(maps, estimate).item())
        for name, method in methods.items():
            errors[name].append(relative_error(maps, method(maps)).item())
        within = np.abs(estimate - maps.signal) < sigma
        for name, part in zip(inside, known_and_gaps(maps), strict=True):
            inside[name] += [float(within[part].mean())] if part.any() else []
    tests = [_median_error(recipe, "the denoiser", np.array(errors["joint"]), np.array(errors[name]), name) for name in methods]
    for name, values in ((name, np.array(found)) for name, found in inside.items() if found):
        tests.append(
            test_figure(
                recipe,
                f"fraction of {name} within one error bar (0.68 for Gaussian errors)",
                float(values.mean()),
                values.size,
                f"{SIMULATED}; mean over maps",
                interval=metrics.bootstrap(values, lambda v: float(v.mean())),
            )
        )
    return tests


def _painted(recipe: Recipe, joint: Joint, chosen: np.ndarray) -> CardTest:
    """What the mixture makes of maps that show nothing."""
    painted = np.array(
        [
            float((estimate * maps.stack[..., 1]).sum() / np.maximum(maps.stack[..., 0] * maps.stack[..., 1], 0).sum())
            for maps, estimate, _ in joint.answers(chosen, TEST, kind="noise")
        ]
    )
    return test_figure(
        recipe,
        "intensity painted into maps of nothing but background, over their own",
        float(np.median(painted)),
        painted.size,
        "simulated measurements of a constant background, half of them with it subtracted; median",
        interval=metrics.bootstrap(painted, lambda v: float(np.median(v))),
    )


def _median_error(recipe: Recipe, of: str, errors: np.ndarray, baseline: np.ndarray, name: str) -> CardTest:
    """Beside a baseline on the same maps, if there is one; a map without any signal has no relative error."""
    there = np.isfinite(errors)
    values = [float(np.median(one[there])) for one in (errors, baseline) if one.size]
    intervals = [metrics.bootstrap(one[there], lambda v: float(np.median(v))) for one in (errors, baseline) if one.size]
    beside = {"baseline": values[1], "baseline_interval": intervals[1]} if name else {}
    conditions = f"{SIMULATED}; baseline: {name}" if name else SIMULATED
    metric = f"median relative rms error of the known pixels, {of}"
    return test_figure(recipe, metric, values[0], int(there.sum()), conditions, interval=intervals[0], **beside)


def of_few_scenes(data: SimulatedMaps, indices: np.ndarray, scenes: int) -> np.ndarray:
    """Of `indices` those of some sets of slices, evenly spread, so that all materials are among them."""
    if data.scene is None:
        return some(indices, scenes * PER_SCENE)
    found = some(np.unique(data.scene[indices]), scenes)[:scenes]
    return np.concatenate([some(indices[data.scene[indices] == one], PER_SCENE)[:PER_SCENE] for one in found])


class Joint:
    """Answers of the mixture of a network and the linear estimate, about maps of a data set.

    Parameters
    ----------
    family
        Of the exchange networks that say which magnets a map is likely of.
    calibration
        What widens the error bars.
    """

    def __init__(self, ensemble: Ensemble, family: str, data: SimulatedMaps, measurer: Measurer, model: Any, calibration: dict[str, float]):
        self.ensemble, self.family, self.data, self.measurer = ensemble, family, data, measurer
        self.model, self.calibration = model, calibration
        self.backgrounds = rings(measurer.qh.centres, measurer.qk.centres)
        self._windows, self._members = np.empty(0), np.empty(0)

    def answers(self, indices: np.ndarray, seed: tuple[int, ...], kind: str = "") -> Iterator[tuple[MeasuredMaps, np.ndarray, np.ndarray]]:
        """Each measurement, the estimate of it and its error, (1, slice, qh, qk)."""
        for index in indices:
            maps = self.measurer.measure(np.array([index]), seed, kind=kind)
            answer = self.answer(maps, int(index))
            yield maps, answer.intensity[None], answer.error[None]

    def answer(self, maps: MeasuredMaps, index: int) -> JointEstimate:
        """The estimate of a measurement of one map of the data set."""
        axes = self.measurer.qh, self.measurer.qk
        likely = simulated_at(likely_magnets(self.ensemble, maps, self.family, axes), self.data, index, *axes)
        return joint_estimate(self.model, maps, np.concatenate([self.members(index), likely]), self.backgrounds, self.calibration)

    def members(self, index: int) -> np.ndarray:
        """Simulated maps of the ensemble on the slices of a map of the data set; of the last slices asked for they are kept."""
        windows = self.data.windows[index]
        if not np.array_equal(windows, self._windows, equal_nan=True):
            self._windows, self._members = windows, simulated_at(self.ensemble, self.data, index, self.measurer.qh, self.measurer.qk)
        return self._members


def simulated_at(ensemble: Ensemble, data: SimulatedMaps, index: int, qh: Axis, qk: Axis) -> np.ndarray:
    """Maps of an ensemble on the slices of one of the maps of a data set, (map, place, qh, qk)."""
    expected = expected_maps(ensemble, data.slices(index), qh, qk)
    return at_places(expected, data.places(index), len(data.windows[index]))


def relative_error(maps: MeasuredMaps, estimate: np.ndarray) -> np.ndarray:
    """Relative root-mean-square error of each map's known pixels, (n,); NaN for a map without signal."""
    known, _ = known_and_gaps(maps)
    signal = np.where(known, maps.signal, 0)
    difference = np.where(known, estimate - signal, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt((difference**2).sum((1, 2, 3)) / (signal**2).sum((1, 2, 3)))


def error_factors(answers: Iterable[tuple[MeasuredMaps, np.ndarray, np.ndarray]], names: tuple[str, str]) -> dict[str, float]:
    """The factors that make 68 % of the truths lie within an error bar, of the known pixels and of those in gaps.

    Parameters
    ----------
    answers
        Measurements, what is held to be their signal, and its error.
    """
    pulls: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for maps, estimate, sigma in answers:
        away = np.abs(estimate - maps.signal) / sigma
        for kept, chosen in zip(pulls, known_and_gaps(maps), strict=True):
            kept.append(away[chosen])
    return {
        name: float(np.quantile(all_pulls, WITHIN)) if (all_pulls := np.concatenate(kept)).size else 1.0
        for name, kept in zip(names, pulls, strict=True)
    }


def known_and_gaps(maps: MeasuredMaps) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels were measured, and which were not though the kinematics reach them; (n, slice, qh, qk) each."""
    reached = np.isfinite(maps.signal)
    known = maps.stack[..., 1] > 0
    return known & reached, ~known & reached
