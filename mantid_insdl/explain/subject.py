"""What is explained: one number that the networks of a bundle give of a user's map."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.errors import BundleError, did_you_mean
from mantid_insdl.maps import Map
from mantid_insdl.networks import posterior
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.bundles import Bundle, load_bundle
from mantid_insdl.networks.encoder import LAST_CONVOLUTION
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.prediction import network_inputs, predict
from mantid_insdl.networks.preparation import Prepared, on_axes_of, open_question

BATCH = 8
"""Maps that are asked about at once: all that a network makes of them on the way takes 60 MB each."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One score of a map, and the networks that give it.

    Attributes
    ----------
    map
        The user's.
    bundle, prepared
        The model, and the map as its networks see it.
    target
        What the score is of: a class of a classifier, or a parameter of an exchange model.
    index
        Its place among the bundle's outputs.
    networks
        Keras models from the bundle's inputs to the score (n, 1), one for each of the ensemble: of a class its logit less the mean of the
        other classes' (what speaks for all alike decides nothing), of a parameter the mean of its posterior in z (`networks.posterior`).
    """

    map: Map
    bundle: Bundle
    prepared: Prepared
    target: str
    index: int
    networks: tuple[Any, ...]

    @property
    def signed(self) -> bool:
        """Whether the score can be pulled both ways: of a parameter; of a class only what speaks for it is asked."""
        return self.bundle.card.task == "exchange"

    @property
    def shown(self) -> np.ndarray:
        """The slices of the map that the networks are given, (slice, qh, qk, 2): normalised intensity, and 1 where known."""
        return self.prepared.inputs.stack[0, self.prepared.places]

    def versions(self, shown: np.ndarray) -> MeasuredMaps:
        """Maps (n, slice, qh, qk, 2) that show this instead, all else the same."""
        inputs = self.prepared.inputs
        stack = np.zeros((len(shown), *inputs.stack.shape[1:]), inputs.stack.dtype)
        stack[:, self.prepared.places] = shown
        rest = (np.repeat(array, len(shown), axis=0) for array in (inputs.windows, inputs.used))
        return MeasuredMaps(stack, inputs.scale, inputs.signal, *rest)

    def scores(self, shown: np.ndarray) -> np.ndarray:
        """The score of each of the maps (n, slice, qh, qk, 2), averaged over the networks: (n,)."""
        versions = self.versions(shown)
        return np.mean([predict(network, versions, BATCH)[0][:, 0] for network in self.networks], axis=0)

    def support(self, shown: np.ndarray) -> np.ndarray:
        """How much each of the maps supports the answer, (n,): the score of a class; of a parameter less, the further its value moves."""
        scores = self.scores(shown)
        return -np.abs(scores - self.scores(self.shown[None])) if self.signed else scores

    def gradients(self, network: Any, shown: np.ndarray) -> np.ndarray:
        """Of one network's score with respect to the intensity of each pixel, (n, slice, qh, qk), at maps (n, slice, qh, qk, 2)."""
        import tensorflow as tf

        given = network_inputs(network, self.versions(shown))
        tensors = {name: tf.convert_to_tensor(array) for name, array in (given if isinstance(given, dict) else {"stack": given}).items()}
        with tf.GradientTape() as tape:
            tape.watch(tensors["stack"])
            score = network(tensors if isinstance(given, dict) else tensors["stack"], training=False)
        return tape.gradient(score, tensors["stack"]).numpy()[..., 0][:, self.prepared.places]

    def on_map(self, importance: np.ndarray, note: str, unit: str = "importance") -> Map:
        """Numbers on the pixels of the networks, (slice, qh, qk), as a map on the axes of the user's, masked where that is."""
        gridded, used = self.prepared.gridded, self.prepared.used
        pixels = np.broadcast_to(~used[:, None, None], gridded.shape)
        result = gridded.replace(intensity=np.where(pixels, 0.0, importance), error=None, mask=pixels, intensity_unit=unit)
        return on_axes_of(self.map.replace(intensity_unit=unit), result, self.prepared, self.bundle.identity, note)


def open_subject(m: Map, model: str | Path | None = None, target: str | None = None) -> Subject:
    """The score of a map that is to be explained.

    Parameters
    ----------
    model
        Bundle of a classifier or an exchange model; by default the classifier for the map's material.
    target
        A class, by default the most probable one; or a parameter, which has to be named.

    Raises
    ------
    BundleError
        If the bundle gives no score, has no such class or parameter, or no bundle fits.
    UnsuitableMapError
        If the map is not what the model was trained on.
    """
    task = "classify" if model in (None, "") else load_bundle(model).card.task
    if task == "denoise":
        raise BundleError(
            f"model '{load_bundle(model).card.name}' gives no score that could be explained",
            "it denoises: every pixel of the map has an answer of its own",
            "name a classifier or an exchange model",
        )
    bundle, prepared = open_question(task, m, model)
    names = list(bundle.card.materials if task == "classify" else (output.name for output in bundle.card.outputs))
    kind = "class" if task == "classify" else "parameter"
    if target in (None, "") and kind == "class":
        logits = np.mean([predict(network, prepared.inputs)[0][0, : len(names)] for network in bundle.models], axis=0)
        target = names[int(logits.argmax())]
    if target not in names:
        listed = ("its classes are " if kind == "class" else "its parameters are ") + ", ".join(names)
        if target in (None, ""):
            raise BundleError(f"model '{bundle.card.name}' gives several parameters", listed, "name the one to explain")
        raise BundleError(
            f"model '{bundle.card.name}' has no {kind} '{target}'",
            listed + did_you_mean(target, names),
            "name one" + (", or none for the predicted" if kind == "class" else ""),
        )
    index = names.index(target)
    networks = tuple(scoring(network, task, len(names), index) for network in bundle.models)
    return Subject(m, bundle, prepared, target, index, networks)


def scoring(network: Any, task: str, names: int, index: int) -> Any:
    """The network that gives one score, (n, 1), instead of the outputs of which it is made.

    Parameters
    ----------
    task
        ``classify`` or ``exchange``.
    names
        How many classes or parameters there are.
    index
        The one that is asked for.
    """
    keras = import_keras()
    ops = keras.ops

    class Score(keras.layers.Layer):
        """One layer with a name of its own: those of single operations could be taken in the network."""

        def call(self, outputs: Any) -> Any:
            if task == "exchange":
                return posterior.mean_of(ops, outputs, names)[:, index : index + 1]
            logits = outputs[:, :names]  # the classes only: what speaks for none of them is not asked here
            one = logits[:, index : index + 1]
            return one - (ops.sum(logits, axis=1, keepdims=True) - one) / (logits.shape[-1] - 1)

    return keras.Model(network.input, Score(name="explained_score")(network.output))


def of_feature(subject: Subject, feature: int) -> Subject:
    """The same map, and as its score the mean of one feature of the last convolution over the known pixels."""
    keras = import_keras()
    ops, layer = keras.ops, convolution_named(subject.bundle, None)

    class Mean(keras.layers.Layer):
        def call(self, features: Any) -> Any:
            one = features[..., feature]
            return ops.mean(ops.reshape(one, (-1, int(np.prod(one.shape[1:])))), axis=1, keepdims=True)

    networks = tuple(keras.Model(one.input, Mean(name="explained_feature")(one.get_layer(layer).output)) for one in subject.bundle.models)
    return replace(subject, target=f"feature {feature}", networks=networks)


def convolutions(network: Any) -> list[str]:
    """Names of the layers whose output keeps slices and pixels, first to last."""
    return [layer.name for layer in network.layers if "convolution" in layer.name]


def convolution_named(bundle: Bundle, layer: str | None) -> str:
    """A convolution of a bundle's networks; the last where none is named.

    Raises
    ------
    BundleError
        If there is no such layer, or none at all.
    """
    layers = convolutions(bundle.models[0])
    if not layers:
        raise BundleError(f"the networks of model '{bundle.card.name}' have no convolutions", "their features have no place in a map", "")
    layer = layer or (LAST_CONVOLUTION if LAST_CONVOLUTION in layers else layers[-1])
    if layer not in layers:
        raise BundleError(
            f"model '{bundle.card.name}' has no convolution '{layer}'",
            f"it has {', '.join(layers)}" + did_you_mean(layer, layers),
            "name one, or none for the last",
        )
    return layer
