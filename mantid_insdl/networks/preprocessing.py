"""From a map to the arrays a network sees, the same way in training and in use."""

from __future__ import annotations

from typing import Any

import numpy as np

from mantid_insdl.maps import Slices

GROUPS, BINS = 6, 10  # incident energies of a map, and energy bins of each, that networks for any slices have room for
LIMITS = (-3.0, 12.0)  # of the normalised intensity: one hot pixel must not outweigh a band
HOT_QUANTILE = 0.995  # of a group's pixels: what is above may be hot pixels and does not count for the scale


def incident_energy_groups(slices: Slices) -> list[np.ndarray]:
    """Indices of the slices of each incident energy; slices of unknown Ei are one group."""
    return slices.groups_by_ei()


def normalise(intensity: np.ndarray, groups: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Bring each incident energy to a mean of about one;
    the scales of different incident energies are seldom comparable.

    The scale is the mean of the positive part, cut at its 99.5th percentile: neither negative noise
    nor a few hot pixels decide it.

    Parameters
    ----------
    intensity : (n, slice, qh, qk)
        NaN where masked.
    groups
        Slices that share a scale, from `incident_energy_groups`.

    Returns
    -------
    stack : (n, slice, qh, qk, 2), float32
        Normalised intensity cut to `LIMITS`, 0 where masked; and 1 where known.
    scale : (n, slice)
        What the intensity was divided by; 1 where a group has no positive intensity.
    """
    known = np.isfinite(intensity)
    scale = np.ones(intensity.shape[:2])
    for group in groups:
        for row in range(intensity.shape[0]):
            values = np.maximum(intensity[row, group][known[row, group]], 0)
            if values.size:
                mean = np.minimum(values, np.quantile(values, HOT_QUANTILE, method="lower")).mean()
                scale[row, group] = mean if mean > 0 else 1.0
    stack = np.empty((*intensity.shape, 2), np.float32)
    stack[..., 0] = np.clip(np.where(known, intensity, 0) / scale[:, :, None, None], *LIMITS)
    stack[..., 1] = known
    return stack, scale


def structure(stack: np.ndarray) -> np.ndarray:
    """Correlation of neighbouring known pixels of a slice about the slice's mean, (n,):
    0 for noise alone, whatever its level.

    Parameters
    ----------
    stack : (n, slice, qh, qk, 2)
        From `normalise`.
    """
    known = stack[..., 1]
    mean = (stack[..., 0] * known).sum((2, 3)) / np.maximum(known.sum((2, 3)), 1)
    rest = (stack[..., 0] - mean[:, :, None, None]) * known
    together = (rest[:, :, 1:] * rest[:, :, :-1]).sum((1, 2, 3)) + (rest[..., 1:] * rest[..., :-1]).sum((1, 2, 3))
    pairs = (known[:, :, 1:] * known[:, :, :-1]).sum((1, 2, 3)) + (known[..., 1:] * known[..., :-1]).sum((1, 2, 3))
    variance = (rest**2).sum((1, 2, 3)) / np.maximum(known.sum((1, 2, 3)), 1)
    return together / np.maximum(pairs * variance, 1e-12)


def noise_level(stack: Any, ops: Any = np) -> Any:
    """Noise of each slice, from how far its known pixels lie from the mean of their neighbours along Qh or Qk,
    (n, slice).

    Of a slope nothing counts, of a curve (a sharp band) something. It is the standard deviation of Gaussian noise; as a
    mean of absolute values it forgives hot pixels. Zero where no three pixels in a row are known.

    Parameters
    ----------
    stack : (n, slice, qh, qk, 2)
        From `normalise`.
    ops
        What calculates: NumPy, or ``keras.ops`` within a network.
    """
    x, known = stack[..., 0], stack[..., 1]
    away = ops.abs(x[:, :, 1:-1] - (x[:, :, :-2] + x[:, :, 2:]) / 2)
    across = ops.abs(x[..., 1:-1] - (x[..., :-2] + x[..., 2:]) / 2)
    three = known[:, :, 1:-1] * known[:, :, :-2] * known[:, :, 2:]
    three_across = known[..., 1:-1] * known[..., :-2] * known[..., 2:]
    total = ops.sum(away * three, axis=(2, 3)) + ops.sum(across * three_across, axis=(2, 3))
    number = ops.sum(three, axis=(2, 3)) + ops.sum(three_across, axis=(2, 3))
    # Of white noise the difference has 3/2 of the variance, and its mean absolute value is
    # sqrt(2 / pi) of its standard deviation.
    return total / ops.maximum(number, 1) * float(np.sqrt(np.pi / 2 / 1.5))


def window_features(slices: Slices) -> np.ndarray:
    """(slice, 3): lower and upper edge of the energy window over 10 meV,
    and log10 of the incident energy in meV (0 if unknown).
    """
    ei = np.where(np.isfinite(slices.ei), slices.ei, 1.0)
    return np.stack([slices.energy_min / 10, slices.energy_max / 10, np.log10(ei)], axis=-1).astype(np.float32)
