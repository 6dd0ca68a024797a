"""Train and test a denoiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.denoiser import CALIBRATED, LOG_SIGMA_LIMITS, build_denoiser, denoised
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.progress import Progress
from mantid_insdl.training import baselines, metrics
from mantid_insdl.training.batches import Batches, in_parts
from mantid_insdl.training.datasets import SimulatedMaps
from mantid_insdl.training.fitting import fit
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.outcome import CALIBRATION, CHOICE, SIMULATED, TEST, Outcome, sizes, some, test_figure
from mantid_insdl.training.recipes import Recipe

CALIBRATION_MAPS, CHOICE_MAPS, NOTHING_MAPS = 150, 100, 200
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

    with Batches(measurer) as batches:
        (choice,) = batches.of([some(validation, CHOICE_MAPS)], CHOICE, kind="")
        width = min(SMOOTHING, key=lambda w: np.nanmedian(relative_error(choice, baselines.smooth(choice.stack, w))))
        factors = calibrate(model, batches.of(in_parts(some(calibration, CALIBRATION_MAPS), BATCH), CALIBRATION, kind=""))
        methods: dict[str, Callable[[MeasuredMaps], np.ndarray]] = {
            f"Gaussian smoothing, {width} pixels": lambda maps: baselines.smooth(maps.stack, width),
            "no denoising": lambda maps: maps.stack[..., 0],
        }
        errors: dict[str, list[np.ndarray]] = {name: [] for name in ("network", *methods)}
        inside: dict[str, list[float]] = {"known": [], "gap": []}
        for maps in batches.of(in_parts(test, BATCH), TEST, kind=""):
            estimate, sigma = denoised(model, maps, factors)
            errors["network"].append(relative_error(maps, estimate))
            for name, method in methods.items():
                errors[name].append(relative_error(maps, method(maps)))
            within = np.abs(estimate - maps.signal) < sigma
            for name, chosen in zip(inside, _known_and_gaps(maps), strict=True):
                inside[name] += [float(w[c].mean()) for w, c in zip(within, chosen, strict=True) if c.any()]
        painted = [
            float((of * known).sum() / np.maximum(one * known, 0).sum())
            for maps in batches.of(in_parts(some(test, NOTHING_MAPS), BATCH), TEST, kind="noise")
            for of, one, known in zip(denoised(model, maps)[0], maps.stack[..., 0], maps.stack[..., 1], strict=True)
        ]
    joined = {name: np.concatenate(parts) for name, parts in errors.items()}
    joined = {name: values[np.isfinite(values)] for name, values in joined.items()}  # a map without any signal has no relative error
    intervals = {name: metrics.bootstrap(values, lambda v: float(np.median(v))) for name, values in joined.items()}
    tests = [
        test_figure(
            recipe,
            "median relative rms error of the known pixels",
            float(np.median(joined["network"])),
            joined["network"].size,
            f"{SIMULATED}; baseline: {name}",
            interval=intervals["network"],
            baseline=float(np.median(joined[name])),
            baseline_interval=intervals[name],
        )
        for name in methods
    ]
    tests.append(
        test_figure(
            recipe,
            "intensity painted into maps of nothing but background, over their own",
            float(np.median(painted)),
            len(painted),
            "simulated measurements of a constant background, half of them with it subtracted; median",
            interval=metrics.bootstrap(np.array(painted), lambda v: float(np.median(v))),
        )
    )
    for name, words in (("known", "known pixels"), ("gap", "pixels in gaps")):
        if inside[name]:
            values = np.array(inside[name])
            tests.append(
                test_figure(
                    recipe,
                    f"fraction of {words} within one error bar (0.68 for Gaussian errors)",
                    float(values.mean()),
                    values.size,
                    f"{SIMULATED}; mean over maps",
                    interval=metrics.bootstrap(values, lambda v: float(v.mean())),
                )
            )
    outputs = [{"name": "intensity", "unit": "as the input"}]
    used = sizes(train=train, validation=validation, calibration=calibration, test=test)
    return Outcome({"model.keras": model}, {}, factors, tests, outputs, used)


def relative_error(maps: MeasuredMaps, estimate: np.ndarray) -> np.ndarray:
    """Relative root-mean-square error of each map's known pixels, (n,); NaN for a map without signal."""
    known, _ = _known_and_gaps(maps)
    signal = np.where(known, maps.signal, 0)
    difference = np.where(known, estimate - signal, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt((difference**2).sum((1, 2, 3)) / (signal**2).sum((1, 2, 3)))


def calibrate(model: Any, batches: Iterable[MeasuredMaps]) -> dict[str, float]:
    """The factors that make 68 % of the truths lie within an error bar, of the known pixels and of those in gaps."""
    pulls: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for maps in batches:
        estimate, sigma = denoised(model, maps)
        away = np.abs(estimate - maps.signal) / sigma
        for kept, chosen in zip(pulls, _known_and_gaps(maps), strict=True):
            kept.append(away[chosen])
    return {
        name: float(np.quantile(all_pulls, WITHIN)) if (all_pulls := np.concatenate(kept)).size else 1.0
        for name, kept in zip(CALIBRATED, pulls, strict=True)
    }


def _known_and_gaps(maps: MeasuredMaps) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels were measured, and which were not though the kinematics reach them; (n, slice, qh, qk) each."""
    reached = np.isfinite(maps.signal)
    known = maps.stack[..., 1] > 0
    return known & reached, ~known & reached
