"""The denoiser: what a noisy map with gaps would show after infinite counting time, for any energy windows,
and how sure it is.

A band that one slice shows lies a little further in the next, and the same in the windows of another incident energy
that reach the same energy transfer. So the slices are first gathered into a fixed number of levels, with weights that
depend on their energy windows and their noise alone, and a U-net looks at all the levels of all the pixels at once. Its
answer is spread back over the slices by their windows, and refined in each slice beside what was measured there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.prediction import predict
from mantid_insdl.networks.preprocessing import noise_level

LEVELS = 48  # into which the slices are gathered: about as many as a map has different energies
# patterns in the plane that all slices are made of, and numbers that each pixel of a slice gets from them
PATTERNS, FACTORS = 64, 6
LOG_SIGMA_LIMITS = (-5.0, 3.0)
# entries of the card: what widens the network's error bars in and beside gaps
CALIBRATED = ("error_factor_known", "error_factor_gap")


def build_denoiser(slices: int, shape: tuple[int, int]) -> Any:
    """The network: (batch, slice, qh, qk, 2), expected intensity and the logarithm of its standard error,
    both normalised.

    Parameters
    ----------
    slices, shape
        Of the stacks, as in `MeasuredMaps`; its ``stack``, ``windows`` and ``used`` are the inputs.
    """
    keras = import_keras()
    layers, ops = keras.layers, keras.ops
    pixels = shape[0] * shape[1]
    stack = layers.Input((slices, *shape, 2), name="stack")
    windows = layers.Input((slices, 3), name="windows")
    used = layers.Input((slices, 1), name="used")
    noise = ops.reshape(noise_level(stack, ops), (-1, slices, 1))

    of_slice = layers.Concatenate()([windows, noise])
    # Piecewise linear in the energies, with kinks all over their range, so that from the first a level
    # is made of some slices only.
    kinks = keras.initializers.RandomUniform(-8.0, 2.0, seed=0)
    of_slice = layers.Dense(64, activation="relu", bias_initializer=kinks)(of_slice)
    of_slice = layers.Dense(64, activation="gelu")(of_slice)

    # Gathered: the weighted mean of the slices for each level, and how much of it is known. (level, pixel)
    weights = layers.Softmax(axis=1)(layers.Dense(LEVELS, name="gathering")(of_slice) + 1e4 * (used - 1))
    intensity, known = (layers.Reshape((slices, pixels))(stack[..., part]) for part in (0, 1))
    gathered = []
    for one in (intensity, known):
        level = layers.Reshape((*shape, LEVELS))(layers.Dot(axes=1)([one, weights]))
        # The spin waves of an untwinned crystal are the same at -Qh and -Qk: four pixels, some of
        # them beside a gap, see the same.
        gathered += [level, sum(ops.flip(level, axis) for axis in (1, 2, (1, 2)))]
    x = layers.Concatenate()(gathered)

    def block(x: Any, filters: int, size: int = 3, strides: int = 1) -> Any:
        return layers.Conv2D(filters, size, strides=strides, padding="same", activation="gelu")(x)

    def residual(x: Any) -> Any:
        filters = x.shape[-1]
        return layers.Add()(
            [x, layers.Conv2D(filters, 3, padding="same")(block(layers.LayerNormalization()(x), filters))]
        )

    def enlarged(x: Any, beside: Any, filters: int) -> Any:
        return block(layers.Concatenate()([layers.UpSampling2D(2, interpolation="bilinear")(x), beside]), filters, 1)

    fine = block(block(x, 32, 1), 32)
    middle = residual(block(fine, 64, strides=2))
    coarse = residual(block(middle, 96, strides=2))
    # What the whole map shows about every place of it: a few numbers, as many as the exchange constants leave open.
    summary = layers.Flatten()(block(coarse, 12, 1))
    summary = layers.Dense(128, activation="gelu", name="summary")(summary)
    summary = layers.Reshape((*coarse.shape[1:3], 16))(layers.Dense(coarse.shape[1] * coarse.shape[2] * 16)(summary))
    x = residual(block(layers.Concatenate()([coarse, summary]), 96))
    x = residual(enlarged(x, middle, 64))
    x = block(block(enlarged(x, fine, 48), 48), PATTERNS, 1)

    # Spread back over the slices, (slice, pixel, factor), and seen beside what was measured there; the
    # slices are the batch from here on.
    x = layers.Reshape((pixels, PATTERNS))(x)
    spreading = layers.Reshape((slices * FACTORS, PATTERNS))(
        layers.Dense(FACTORS * PATTERNS, name="spreading")(of_slice)
    )
    spread = layers.Reshape((slices, FACTORS, *shape))(layers.Dot(axes=2)([spreading, x]))
    spread = ops.reshape(layers.Permute((1, 3, 4, 2))(spread), (-1, *shape, FACTORS))
    level = layers.Multiply()([stack[..., 1:], layers.Reshape((slices, 1, 1, 1))(noise)])
    measured = ops.reshape(layers.Concatenate()([stack, level]), (-1, *shape, 3))
    x = layers.Concatenate()([block(measured, 12), spread, measured])
    x = layers.Concatenate()([block(x, 16, 1), spread])
    expected = layers.Conv2D(1, 1, activation="softplus")(x)
    log_sigma = layers.Conv2D(1, 1)(x)
    outputs = layers.Concatenate()([expected, log_sigma])
    outputs = ops.reshape(outputs, (-1, slices, *shape, 2))
    return keras.Model([stack, windows, used], outputs, name="denoiser")


def denoised(
    model: Any, maps: MeasuredMaps, calibration: dict[str, float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Expected intensity and its standard error, both (n, slice, qh, qk) and normalised as the stack.

    Parameters
    ----------
    calibration
        What widens the error bars, from the card; None for the network's own.
    """
    (outputs,) = predict(model, maps)
    return outputs[..., 0], standard_error(outputs[..., 1], maps.stack[..., 1], calibration)


def standard_error(log_sigma: np.ndarray, known: np.ndarray, calibration: dict[str, float] | None) -> np.ndarray:
    """From what the network says to an error bar in which 68 % of the truths lie, in known pixels and in gaps."""
    return widened(np.exp(np.clip(log_sigma, *LOG_SIGMA_LIMITS)), known, calibration, CALIBRATED)


def widened(
    sigma: np.ndarray, known: np.ndarray, calibration: dict[str, float] | None, names: tuple[str, str]
) -> np.ndarray:
    """Error bars times two factors of the calibration, for known pixels and for gaps; as they are where it has none."""
    if calibration is None or names[0] not in calibration:
        return sigma
    of_known, of_gap = (calibration[name] for name in names)
    return sigma * np.where(known > 0, of_known, of_gap)
