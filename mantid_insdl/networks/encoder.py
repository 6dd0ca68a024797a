"""From a map on any incident energies to feature maps: the trunk that classifier and exchange networks share.

A map is `GROUPS` incident energies of up to `BINS` energy bins each, in one axis of slices (`preprocessing.grouped`).
Every slice passes the same convolutions; each sees its neighbours in energy of the same Ei, and is told its own
energies, so that no place in the axis has a meaning of its own: the order of the incident energies does not matter, nor
which are missing. What the whole map shows is fed back to every slice twice (the context), so that evidence at one
energy is weighed by another.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.preprocessing import BINS, GROUPS

LAST_CONVOLUTION = "last_convolution"
WIDTHS = (12, 24, 32)
EMBEDDING = 32  # numbers that say a slice's energies
CONTEXT = 48  # numbers that say what the whole map shows
MOMENTUM = 0.97  # of the running means of batches, of which an epoch has hundreds


class Inputs(NamedTuple):
    """What a network is given of a map; the names are those of `MeasuredMaps`."""

    stack: Any
    windows: Any
    used: Any


class Encoded(NamedTuple):
    """Symbolic tensors.

    Parameters
    ----------
    features : (n, slice, row, column, filter)
        Not negative; 0 in slices that the map does not have. A row and a column are four pixels.
    weight : (n, slice, row, column, 1)
        Share of the pixels that are known, over its sum: the weighted mean of anything is the
        sum of its products with this.
    context : (n, `CONTEXT`)
        What the whole map shows.
    """

    features: Any
    weight: Any
    context: Any


def inputs(shape: tuple[int, int], slices: int = GROUPS * BINS) -> Inputs:
    """Input layers for maps of `shape` pixels (multiples of 4) and up to so many slices."""
    layers = import_keras().layers
    return Inputs(
        layers.Input((slices, *shape, 2), name="stack"),
        layers.Input((slices, 3), name="windows"),
        layers.Input((slices, 1), name="used"),
    )


def encode(given: Inputs, bins: int = BINS, widths: tuple[int, int, int] = WIDTHS) -> Encoded:
    """The feature maps of a map with `bins` places for each incident energy."""
    keras = import_keras()
    layers, ops = keras.layers, keras.ops
    slices, *shape = given.stack.shape[1:4]
    rows, columns = (size // 4 for size in shape)
    narrow, middle, wide = widths
    used = ops.reshape(given.used, (-1, 1, 1, 1))

    known = ops.split(given.stack, 2, axis=-1)[1]
    share = layers.AveragePooling2D(4, name="known_share")(ops.reshape(known, (-1, *shape, 1)))
    share = ops.reshape(share, (-1, slices, rows, columns, 1))
    weight = share / (ops.sum(share, axis=(1, 2, 3), keepdims=True) + 1e-6)

    # Piecewise linear in the energies, with kinks all over their range.
    kinks = keras.initializers.RandomUniform(-8.0, 2.0, seed=0)
    energies = layers.Dense(2 * EMBEDDING, activation="relu", bias_initializer=kinks, name="energies_1")(given.windows)
    energies = layers.LayerNormalization(name="energies")(
        layers.Dense(EMBEDDING, activation="relu", name="energies_2")(energies)
    )

    number = ops.sum(given.used, axis=1) + 1e-6  # slices of a map, (n, 1)

    def standardised(x: Any) -> Any:
        """Every filter with mean zero and variance one over the slices of its map:
        so that it does not matter which maps are beside it.
        """
        _, high, broad, filters = x.shape
        maps = ops.reshape(x, (-1, slices, high * broad, filters))
        share = ops.reshape(given.used, (-1, slices, 1, 1)) / ops.reshape(number * (high * broad), (-1, 1, 1, 1))
        centred = maps - ops.sum(maps * share, axis=(1, 2), keepdims=True)
        variance = ops.sum(ops.square(centred) * share, axis=(1, 2), keepdims=True)
        return ops.reshape(centred * ops.rsqrt(variance + 1e-3), (-1, high, broad, filters))

    def modulated(x: Any, told: Any, name: str) -> Any:
        """Every filter standardised, then scaled and shifted by what its slice is told,
        (n, slice, number); at first by nothing.
        """
        filters = x.shape[-1]
        x = standardised(x)
        scale = layers.Dense(filters, kernel_initializer="zeros", bias_initializer="ones", name=f"{name}_scale")(told)
        shift = layers.Dense(filters, kernel_initializer="zeros", name=f"{name}_shift")(told)
        x = x * ops.reshape(scale, (-1, 1, 1, filters)) + ops.reshape(shift, (-1, 1, 1, filters))
        return layers.Activation("relu", name=name)(x) * used

    def along_energy(x: Any, name: str) -> Any:
        """What the slices next in energy say, added; slices that are not used are zero,
        as is what lies beyond the last bin.
        """
        _, high, broad, filters = x.shape
        columns_of_energy = ops.reshape(x, (-1, bins, high * broad, filters))
        neighbours = layers.Conv2D(filters, (3, 1), padding="same", activation="relu", name=name)(columns_of_energy)
        return x + ops.reshape(neighbours, (-1, high, broad, filters)) * used

    def context(x: Any, told: Any, name: str) -> Any:
        """(n, CONTEXT), from the mean of each slice and its energies."""
        each = ops.sum(ops.reshape(x, (-1, slices, rows, columns, x.shape[-1])) * weight, axis=(2, 3)) * slices
        each = layers.Dense(2 * CONTEXT, activation="relu", name=f"{name}_slice")(layers.Concatenate()([each, told]))
        mean = ops.sum(each * given.used, axis=1) / (ops.sum(given.used, axis=1) + 1e-6)
        return layers.LayerNormalization(name=name)(
            layers.Dense(CONTEXT, activation="relu", name=f"{name}_whole")(mean)
        )

    def with_context(told: Any, whole: Any) -> Any:
        return layers.Concatenate()([told, layers.RepeatVector(slices)(whole)])

    x = ops.reshape(given.stack, (-1, *shape, 2))
    x = layers.Conv2D(narrow, 5, strides=2, padding="same", name="convolution_1")(x)
    x = along_energy(modulated(x, energies, "first"), "along_energy_1")
    x = layers.Conv2D(middle, 3, strides=2, padding="same", name="convolution_2")(x)
    x = along_energy(modulated(x, energies, "second"), "along_energy_2")
    whole = context(x, energies, "context_1")
    x = layers.Conv2D(wide, 3, padding="same", name="convolution_3")(x)
    x = along_energy(modulated(x, with_context(energies, whole), "third"), "along_energy_3")
    whole = context(x, energies, "context_2")
    x = layers.Conv2D(wide, 3, padding="same", name="convolution_4")(x)
    x = modulated(x, with_context(energies, whole), "fourth")
    features = ops.reshape(x, (-1, slices, rows, columns, wide))
    features = layers.Activation("linear", name=LAST_CONVOLUTION)(features)
    return Encoded(features, weight, whole)


def mean(encoded: Encoded) -> Any:
    """The features averaged over all known pixels, standardised, (n, filter):
    a linear head after it makes class activation maps exact.
    """
    keras = import_keras()
    averages = keras.ops.sum(encoded.features * encoded.weight, axis=(1, 2, 3))
    return keras.layers.BatchNormalization(momentum=MOMENTUM, name="embedding")(averages)
