"""The networks: small enough to train on two cores in minutes, and to answer in milliseconds.

All take a stack of slices as (batch, slice, qh, qk, 2): the normalised intensity (0 where masked) and 1 where the pixel is known.
"""

from __future__ import annotations

from typing import Any

from mantid_insdl.networks.backend import import_keras

LAST_CONVOLUTION = "last_convolution"


def _slice_convolutions(keras: Any, x: Any, filters: tuple[int, int, int]) -> Any:
    """Three convolutions over each slice, the same for all slices of a stack, so that an explanation can tell the slices apart."""
    layers = keras.layers

    def convolution(x: Any, filters: int, size: int, strides: int, name: str) -> Any:
        return layers.TimeDistributed(layers.Conv2D(filters, size, strides=strides, padding="same", activation="relu"), name=name)(x)

    x = convolution(x, filters[0], 4, 2, "convolution_1")
    x = convolution(x, filters[1], 3, 2, "convolution_2")
    return convolution(x, filters[2], 3, 1, LAST_CONVOLUTION)


def stack_classifier(slices: int, shape: tuple[int, int], classes: int, filters: tuple[int, int, int] = (12, 24, 32)) -> Any:
    """Logits of the magnetic models from a stack on a fixed grid of slices.

    Every slice goes through the same convolutions and is summarised in a few numbers; a dense head weighs them by slice.
    The feature maps of
    `LAST_CONVOLUTION` keep the slice dimension: (slice, qh / 4, qk / 4, filter).
    """
    keras = import_keras()
    layers = keras.layers
    inputs = layers.Input((slices, *shape, 2), name="stack")
    features = _slice_convolutions(keras, inputs, filters)
    # What each slice shows and where, in a few numbers, by the same weights for all slices.
    x = layers.TimeDistributed(layers.AveragePooling2D(2), name="coarse")(features)
    x = layers.TimeDistributed(layers.Flatten(), name="flat")(x)
    x = layers.Dense(24, activation="relu", name="slice_summary")(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.1)(x)
    x = layers.Dense(64, activation="relu", name="embedding")(x)
    x = layers.Dropout(0.1)(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="stack_classifier")


def with_embedding(model: Any) -> Any:
    """The same network giving its embedding beside its output: (output, embedding)."""
    keras = import_keras()
    return keras.Model(model.input, [model.output, model.get_layer("embedding").output])
