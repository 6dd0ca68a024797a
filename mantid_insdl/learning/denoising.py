"""Train and test a denoiser."""

from __future__ import annotations

import numpy as np

from mantid_insdl.learning import baselines, metrics, networks
from mantid_insdl.learning.backend import import_keras
from mantid_insdl.learning.datasets import SimulatedMaps
from mantid_insdl.learning.fitting import Progress, fit, predict, weighted_intensity_loss
from mantid_insdl.learning.measured import MeasuredMaps, Measurer
from mantid_insdl.learning.outcome import CALIBRATION, CHOICE, SIMULATED, TEST, Outcome, sizes, some, template_maps, test_figure
from mantid_insdl.learning.preprocessing import incident_energy_groups
from mantid_insdl.learning.recipes import Recipe


def _known_error(maps: MeasuredMaps, estimate: np.ndarray) -> np.ndarray:
    """Relative root-mean-square error of each map's known pixels, (n,)."""
    known = (maps.stack[..., 1] > 0) & np.isfinite(maps.signal)
    signal = np.where(known, maps.signal, 0)
    difference = np.where(known, estimate - signal, 0)
    return np.sqrt((difference**2).sum((1, 2, 3)) / np.maximum((signal**2).sum((1, 2, 3)), 1e-12))


def slice_noise(stack: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Root-mean-square residual of each slice's known pixels, (n, slice): a measure of its noise."""
    known = stack[..., 1]
    residual = (stack[..., 0] - estimate) * known
    return np.sqrt((residual**2).sum((2, 3)) / np.maximum(known.sum((2, 3)), 1))


def train_denoiser(recipe: Recipe, data: SimulatedMaps, measurer: Measurer, report: Progress) -> Outcome:
    keras = import_keras()
    keras.utils.set_random_seed(recipe.fit.seed)
    _, slices, *shape = data.intensity.shape
    train, validation, calibration, test = (data.indices(s) for s in ("train", "validation", "calibration", "test"))
    model = networks.stack_denoiser(slices, tuple(shape))

    def target(maps: MeasuredMaps, _: np.ndarray) -> np.ndarray:
        measured = np.isfinite(maps.signal)
        # Pixels in gaps count for less: their truth is known here, but nobody asks for them.
        weight = np.where(maps.stack[..., 1] > 0, 1.0, 0.1) * measured
        return np.stack([np.where(measured, maps.signal, 0), weight], axis=-1).astype(np.float32)

    fit(model, weighted_intensity_loss(keras), measurer, target, train, validation, recipe.fit, seed=recipe.fit.seed, progress=report)

    maps = measurer.measure(calibration, CALIBRATION)
    (estimate,) = predict(model, maps)
    known = (maps.stack[..., 1] > 0) & np.isfinite(maps.signal)
    noise = np.broadcast_to(slice_noise(maps.stack, estimate)[:, :, None, None], known.shape)
    squares = np.stack([np.ones(known.sum()), estimate[known] ** 2, noise[known] ** 2], axis=1)
    # Weighted by 1 / estimate so that bright pixels, whose errors are large, do not decide the faint ones'.
    weight = 1 / (0.1 + estimate[known])
    part = np.random.default_rng(0).choice(weight.size, min(weight.size, 500_000), replace=False)
    wanted = (estimate[known] - maps.signal[known]) ** 2
    from scipy.optimize import nnls

    coefficients, _ = nnls(squares[part] * weight[part, None], wanted[part] * weight[part])
    names = ("error_constant", "error_relative", "error_noise")
    calibrated = dict(zip(names, np.sqrt(coefficients).tolist(), strict=True))

    maps = measurer.measure(test, TEST)
    (estimate,) = predict(model, maps)
    groups = incident_energy_groups(data.slices(0))
    choice = measurer.measure(validation[:100], CHOICE)
    widths = {w: np.median(_known_error(choice, baselines.smooth(choice.stack, w))) for w in (0.5, 0.7, 1.0, 1.4, 2.0)}
    width = min(widths, key=widths.__getitem__)
    noise_free = template_maps(data, some(train, 2000), groups)
    numbers = {
        k: np.median(_known_error(choice, baselines.PrincipalComponents(noise_free, k).denoise(choice.stack))) for k in (10, 20, 40, 80)
    }
    components = min(numbers, key=numbers.__getitem__)
    errors = {
        "network": _known_error(maps, estimate),
        f"Gaussian smoothing, {width} pixels": _known_error(maps, baselines.smooth(maps.stack, width)),
        f"{components} principal components": _known_error(maps, baselines.PrincipalComponents(noise_free, components).denoise(maps.stack)),
        "no denoising": _known_error(maps, maps.stack[..., 0]),
    }
    intervals = {name: metrics.bootstrap(values, lambda v: float(np.median(v))) for name, values in errors.items()}
    tests = [
        test_figure(
            recipe,
            "median relative rms error of the known pixels",
            float(np.median(errors["network"])),
            test.size,
            f"{SIMULATED}; baseline: {name}",
            interval=intervals["network"],
            baseline=float(np.median(values)),
            baseline_interval=intervals[name],
        )
        for name, values in errors.items()
        if name != "network"
    ]
    known = (maps.stack[..., 1] > 0) & np.isfinite(maps.signal)
    sigma = denoised_error(estimate, slice_noise(maps.stack, estimate), calibrated)
    inside = [float(np.mean(np.abs(estimate - maps.signal)[i][known[i]] < sigma[i][known[i]])) for i in range(test.size) if known[i].any()]
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
    return Outcome({"model.keras": model}, {}, calibrated, tests, outputs, used)


def denoised_error(estimate: np.ndarray, noise: np.ndarray, calibration: dict[str, float]) -> np.ndarray:
    """Standard error of a denoised stack from its intensity and its slices' noise, by the calibrated quadrature sum."""
    constant, relative, noisy = (calibration[f"error_{n}"] for n in ("constant", "relative", "noise"))
    return np.sqrt(constant**2 + (relative * estimate) ** 2 + (noisy * noise[..., None, None]) ** 2)
