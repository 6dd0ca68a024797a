"""Train and test a denoiser: a network and principal components, weighed against each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mantid_insdl.networks import architectures
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.components import PrincipalComponents
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.prediction import combine, denoised_error, predict, slice_noise
from mantid_insdl.networks.preprocessing import incident_energy_groups
from mantid_insdl.progress import Progress
from mantid_insdl.training import baselines, metrics
from mantid_insdl.training.datasets import SimulatedMaps
from mantid_insdl.training.fitting import fit, weighted_intensity_loss
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.outcome import CALIBRATION, CHOICE, SIMULATED, TEST, Outcome, sizes, some, template_maps, test_figure
from mantid_insdl.training.recipes import Recipe

CALIBRATION_MAPS = 150
SMOOTHING = (0.5, 0.7, 1.0, 1.4, 2.0)  # pixels
COMPONENTS = 64  # as many as keep the bundle below 20 MB
WEIGHTS = tuple(np.round(np.arange(0, 1.01, 0.1), 1).tolist())  # of the network, against the components


def _known_error(maps: MeasuredMaps, estimate: np.ndarray) -> np.ndarray:
    """Relative root-mean-square error of each map's known pixels, (n,)."""
    known = (maps.stack[..., 1] > 0) & np.isfinite(maps.signal)
    signal = np.where(known, maps.signal, 0)
    difference = np.where(known, estimate - signal, 0)
    return np.sqrt((difference**2).sum((1, 2, 3)) / np.maximum((signal**2).sum((1, 2, 3)), 1e-12))


def train_denoiser(recipe: Recipe, data: SimulatedMaps, measurer: Measurer, kept: Path, report: Progress) -> Outcome:
    """Fit, calibrate and test; `kept` is the folder for fitted weights."""
    keras = import_keras()
    keras.utils.set_random_seed(recipe.fit.seed)
    _, slices, *shape = data.intensity.shape
    train, validation, calibration, test = (data.indices(s) for s in ("train", "validation", "calibration", "test"))
    model = architectures.stack_denoiser(slices, tuple(shape))

    def target(maps: MeasuredMaps, _: np.ndarray) -> np.ndarray:
        measured = np.isfinite(maps.signal)
        # Pixels in gaps count for less: their truth is known here, but nobody asks for them.
        weight = np.where(maps.stack[..., 1] > 0, 1.0, 0.1) * measured
        return np.stack([np.where(measured, maps.signal, 0), weight], axis=-1).astype(np.float32)

    loss = weighted_intensity_loss(keras)
    keep = kept / "model.weights.h5"
    fit(model, loss, measurer, target, train, validation, recipe.fit, seed=recipe.fit.seed, keep=keep, progress=report)
    measurer.forget()

    noise_free = template_maps(data, some(train, 2000), incident_energy_groups(data.slices(0)))
    components = PrincipalComponents.of(noise_free, COMPONENTS)
    del noise_free
    arrays = {f"components_{n}": getattr(components, n).astype(np.float16) for n in ("mean", "basis")}
    arrays["components_variance"] = components.variance
    choice = measurer.measure(some(validation, 100), CHOICE)
    halves = predict(model, choice)[0], components.denoise(choice.stack)
    weight = min(WEIGHTS, key=lambda w: np.median(_known_error(choice, combine(*halves, w))))
    width = min(SMOOTHING, key=lambda w: np.median(_known_error(choice, baselines.smooth(choice.stack, w))))

    def denoised(maps: MeasuredMaps) -> np.ndarray:
        return combine(predict(model, maps)[0], components.denoise(maps.stack), weight)

    maps = measurer.measure(some(calibration, CALIBRATION_MAPS), CALIBRATION)
    calibrated = {"network_weight": weight, **_calibrate_error(maps, denoised(maps))}
    methods: dict[str, Callable[[MeasuredMaps], np.ndarray]] = {
        "network": denoised,
        "network alone": lambda maps: predict(model, maps)[0],
        f"{COMPONENTS} principal components": lambda maps: components.denoise(maps.stack),
        f"Gaussian smoothing, {width} pixels": lambda maps: baselines.smooth(maps.stack, width),
        "no denoising": lambda maps: maps.stack[..., 0],
    }
    errors: dict[str, list[np.ndarray]] = {name: [] for name in methods}
    inside: list[float] = []
    for part in np.array_split(test, max(1, test.size // 50)):  # whole test sets of float arrays would fill the memory
        maps = measurer.measure(part, TEST)
        measurer.forget()
        estimates = {name: method(maps) for name, method in methods.items()}
        for name, estimate in estimates.items():
            errors[name].append(_known_error(maps, estimate))
        inside += _inside_error(maps, estimates["network"], calibrated)
    joined = {name: np.concatenate(parts) for name, parts in errors.items()}
    intervals = {name: metrics.bootstrap(values, lambda v: float(np.median(v))) for name, values in joined.items()}
    tests = [
        test_figure(
            recipe,
            "median relative rms error of the known pixels",
            float(np.median(joined["network"])),
            test.size,
            f"{SIMULATED}; baseline: {name}",
            interval=intervals["network"],
            baseline=float(np.median(values)),
            baseline_interval=intervals[name],
        )
        for name, values in joined.items()
        if name != "network"
    ]
    tests.append(
        test_figure(
            recipe,
            "fraction of pixels within one error bar (0.68 for Gaussian errors)",
            float(np.mean(inside)),
            len(inside),
            f"{SIMULATED}; mean over maps",
            interval=metrics.bootstrap(np.array(inside), lambda v: float(v.mean())),
        )
    )
    outputs = [{"name": "intensity", "unit": "as the input"}]
    used = sizes(train=train, validation=validation, calibration=calibration, test=test)
    return Outcome({"model.keras": model}, arrays, calibrated, tests, outputs, used)


def _calibrate_error(maps: MeasuredMaps, estimate: np.ndarray) -> dict[str, float]:
    """Coefficients of `denoised_error`: least squares on the squared errors, then one factor for their coverage."""
    known = (maps.stack[..., 1] > 0) & np.isfinite(maps.signal)
    noise = np.broadcast_to(slice_noise(maps.stack, estimate)[:, :, None, None], known.shape)
    chosen = np.flatnonzero(known)
    chosen = np.random.default_rng(0).choice(chosen, min(chosen.size, 500_000), replace=False)
    intensity, truth, noise = (x.ravel()[chosen] for x in (estimate, maps.signal, noise))
    squares = np.stack([np.ones(chosen.size), intensity**2, noise**2], axis=1)
    # Weighted by 1 / intensity so that bright pixels, whose errors are large, do not decide the faint ones'.
    weight = 1 / (0.1 + intensity)
    from scipy.optimize import nnls

    coefficients, _ = nnls(squares * weight[:, None], (intensity - truth) ** 2 * weight)
    # Errors are not quite Gaussian: one factor makes 68.27 % of the pixels lie within their error bar.
    sigma = np.sqrt(squares @ coefficients)
    factor = np.quantile(np.abs(intensity - truth) / np.maximum(sigma, 1e-9), 0.6827)
    return dict(zip(("error_constant", "error_relative", "error_noise"), (factor * np.sqrt(coefficients)).tolist(), strict=True))


def _inside_error(maps: MeasuredMaps, estimate: np.ndarray, calibrated: dict[str, float]) -> list[float]:
    """Fraction of each map's known pixels whose truth lies within the error bar."""
    known = (maps.stack[..., 1] > 0) & np.isfinite(maps.signal)
    inside = np.abs(estimate - maps.signal) < denoised_error(estimate, slice_noise(maps.stack, estimate), calibrated)
    return [float(np.mean(i[k])) for i, k in zip(inside, known, strict=True) if k.any()]
