"""What the outputs of networks mean: the same formulas for setting their calibration, for testing them, and for answering.

SciPy is imported where it is used: checking a map for a model, which happens inside Mantid, must be quick and needs none of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.progress import Progress

LOG_SIGMA_LIMITS = (-5.0, 2.0)


def network_inputs(model: Any, maps: MeasuredMaps, rows: slice = slice(None)) -> Any:
    """What `model` takes of the maps at `rows`: an array, or several by name."""
    arrays = {tensor.name: getattr(maps, tensor.name)[rows] for tensor in model.inputs}
    return arrays if len(arrays) > 1 else next(iter(arrays.values()))


def predict(model: Any, maps: MeasuredMaps, batch: int = 16, progress: Progress | None = None) -> list[np.ndarray]:
    """The network's outputs, in batches so that long work can be reported and cancelled."""
    number = maps.stack.shape[0]
    results = []
    for start in range(0, number, batch):
        outputs = model(network_inputs(model, maps, slice(start, start + batch)), training=False)
        results.append([np.asarray(o) for o in (outputs if isinstance(outputs, list | tuple) else [outputs])])
        if progress is not None:
            progress(min(1.0, (start + batch) / number), "networks")
    return [np.concatenate(parts) for parts in zip(*results, strict=True)]


def ensemble_probabilities(logits: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean probability over the members of an ensemble and its standard deviation between them, from logits (member, n, class)."""
    from scipy.special import softmax

    each = softmax(logits / temperature, axis=-1)
    return each.mean(axis=0), each.std(axis=0)


def combine_gaussians(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of an equal mixture of Gaussians, from network outputs (member, n, 2 x parameter)."""
    centre, log_sigma = np.split(outputs, 2, axis=-1)
    variance = np.exp(2 * np.clip(log_sigma, *LOG_SIGMA_LIMITS))
    return centre.mean(axis=0), np.sqrt((variance + centre**2).mean(axis=0) - centre.mean(axis=0) ** 2)


def slice_noise(stack: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Root-mean-square residual of each slice's known pixels, (n, slice): a measure of its noise."""
    known = stack[..., 1]
    residual = (stack[..., 0] - estimate) * known
    return np.sqrt((residual**2).sum((2, 3)) / np.maximum(known.sum((2, 3)), 1))


def combine(network: np.ndarray, linear: np.ndarray, weight: float) -> np.ndarray:
    """The denoised intensity: a weighted mean of what the network and the principal components say.

    Their errors differ (the network smooths fine detail, the components carry noise into faint slices), so the mean beats both.
    """
    return weight * network + (1 - weight) * linear


def denoised_error(estimate: np.ndarray, noise: np.ndarray, calibration: dict[str, float]) -> np.ndarray:
    """Standard error of a denoised stack from its intensity and its slices' noise, by the calibrated quadrature sum."""
    constant, relative, noisy = (calibration[f"error_{n}"] for n in ("constant", "relative", "noise"))
    return np.sqrt(constant**2 + (relative * estimate) ** 2 + (noisy * noise[..., None, None]) ** 2)
