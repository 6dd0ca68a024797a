"""Which pixels decided? Gradient-weighted class activation maps (Selvaraju et al., ICCV 2017)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.analysis.deletion import IMPORTANT_LOG, RANDOM_LOG, score_falls
from mantid_insdl.analysis.denoise import on_axes_of
from mantid_insdl.analysis.preparation import open_question
from mantid_insdl.errors import BundleError
from mantid_insdl.maps import Map
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.encoder import LAST_CONVOLUTION
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.prediction import network_inputs, predict
from mantid_insdl.progress import Progress, ignore_progress


def grad_cam(
    m: Map, model: str | Path | None = None, *, target: str | None = None, layer: str | None = None, progress: Progress | None = None
) -> Map:
    """Importance of each pixel for a model's verdict.

    The gradient of the class score with respect to each feature map, averaged over the pixels of a slice, weighs that slice's feature map;
    the positive part of the weighted sum is the importance. The mean over the networks of the ensemble is scaled to a maximum of 1.

    Parameters
    ----------
    model
        Bundle name or path of a classifier; default: the one for the map's material.
    target
        The class to explain; default: the most probable one.
    layer
        Name of a convolution of the network; default: the last.

    Returns
    -------
    Map
        Importance 0 to 1 on the axes of `m`, masked where it is masked; without error. Its logs ``insdl_score_fall_important`` and
        ``insdl_score_fall_random`` tell whether it can be believed (`analysis.deletion.score_falls`).

    Raises
    ------
    BundleError
        If the model has no such class or layer, or no model fits.
    UnsuitableMapError
        If the map is not what the model was trained on.
    """
    report = progress or ignore_progress
    report(0.0, "loading the classifier")
    bundle, prepared = open_question("classify", m, model)
    classes = bundle.card.materials
    if target not in (None, "", *classes):
        raise BundleError(
            f"model '{bundle.card.name}' has no class '{target}'",
            f"its classes are {', '.join(classes)}",
            "name one, or none for the predicted",
        )
    layer = layer or LAST_CONVOLUTION
    layers = convolutions(bundle.models[0])
    if layer not in layers:
        raise BundleError(
            f"model '{bundle.card.name}' has no convolution '{layer}'", f"it has {', '.join(layers)}", "name one, or none for the last"
        )
    keras = import_keras()
    # The classes only: what speaks for none of them is not asked here.
    networks = [keras.Model(network.input, network.output[:, : len(classes)]) for network in bundle.models]
    both = [keras.Model(network.input, [network.get_layer(layer).output, network.output]) for network in networks]
    inputs = prepared.inputs
    if target in (None, ""):
        index = int(np.mean([predict(network, inputs)[0][0] for network in networks], axis=0).argmax())
    else:
        index = classes.index(target)
    importance = np.zeros(inputs.stack.shape[1:4])
    for number, network in enumerate(both):
        report(0.9 * number / len(both), f"network {number + 1} of {len(both)}")
        importance += _activation_map(network, inputs, index)[0] / len(both)
    importance = importance[prepared.places]
    used = np.broadcast_to(prepared.used[:, None, None], importance.shape)
    importance = np.where(used, importance, 0)
    peak = importance[~prepared.gridded.mask].max()
    if peak > 0:
        importance = np.minimum(importance / peak, 1)
    note = f"Grad-CAM of {bundle.identity.name} {bundle.identity.version} for class {classes[index]} at layer {layer}"
    if not peak > 0:
        note += ": no pixel speaks for this class"
    result = prepared.gridded.replace(intensity=importance, error=None, mask=~used, intensity_unit="importance")
    result = on_axes_of(m.replace(intensity_unit="importance"), result, prepared, bundle.identity, note)
    report(0.9, "testing the explanation")
    seen = inputs.stack[:, prepared.places]
    falls = score_falls([_of_stack(network, inputs, prepared.places) for network in networks], seen, importance, index)
    result = result.replace(
        logs={**result.logs, **{name: (fall, "") for name, fall in zip((IMPORTANT_LOG, RANDOM_LOG), falls, strict=True)}}
    )
    report(1.0, "explained")
    return result


def convolutions(network: Any) -> list[str]:
    """Names of the layers whose output keeps slices and pixels, which Grad-CAM can explain."""
    return [layer.name for layer in network.layers if "convolution" in layer.name]


def _of_stack(network: Any, inputs: MeasuredMaps, places: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The network as a function of what the slices at `places` show, all else as in `inputs`."""

    def logits(shown: np.ndarray) -> np.ndarray:
        stack = np.zeros((len(shown), *inputs.stack.shape[1:]), inputs.stack.dtype)
        stack[:, places] = shown
        rest = (np.repeat(array, len(shown), axis=0) for array in (inputs.windows, inputs.used))
        return predict(network, MeasuredMaps(stack, inputs.scale, inputs.signal, *rest))[0]

    return logits


def _activation_map(network: Any, inputs: MeasuredMaps, index: int) -> np.ndarray:
    """(n, slice, qh, qk) from a network that gives logits and feature maps (n, slice, row, column, filter), or (n x slice, row, ...)."""
    import tensorflow as tf
    from scipy.ndimage import map_coordinates

    stack = inputs.stack
    with tf.GradientTape() as tape:
        features, logits = network(network_inputs(network, inputs), training=False)
        # The score against the other classes: what speaks for all of them alike decides nothing.
        others = [i for i in range(logits.shape[-1]) if i != index]
        score = logits[:, index] - tf.reduce_mean(tf.gather(logits, others, axis=-1), axis=-1)
    weights = tf.reduce_mean(tape.gradient(score, features), axis=(-3, -2), keepdims=True)
    coarse = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1)).numpy()
    coarse = coarse.reshape(*stack.shape[:2], *coarse.shape[-2:])
    rows, columns = ((np.arange(fine) + 0.5) * size / fine - 0.5 for fine, size in zip(stack.shape[2:4], coarse.shape[2:], strict=True))
    points = np.meshgrid(rows, columns, indexing="ij")
    return np.array([[map_coordinates(one, points, order=1, mode="nearest") for one in image] for image in coarse])
