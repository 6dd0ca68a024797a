"""The score that is explained, of one network: how it follows from the network's outputs, for many maps at once, and what it follows.

Hundreds of maps are asked about for one explanation: the network is compiled as a graph, which takes less than half of the time of asking
it layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mantid_insdl.networks import posterior
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.prediction import predict

BATCH = 8
"""Maps that are asked about at once: all that a network makes of them on the way takes 60 MB each."""


def score_of(ops: Any, task: str, outputs: Any, names: int, index: int, rival: int | None = None) -> Any:
    """The score in a network's outputs (n, output): (n, 1).

    Of a class its logit less the mean of the other classes' (what speaks for all alike decides nothing), of a parameter the mean of its
    posterior in z (`networks.posterior`).

    Parameters
    ----------
    ops
        `keras.ops`, or numpy.
    task
        ``classify`` or ``exchange``.
    names
        How many classes or parameters there are.
    index
        The one that is asked for.
    rival
        The one class that it is held against, instead of the mean of the others.
    """
    if task == "exchange":
        return posterior.mean_of(ops, outputs, names)[:, index : index + 1]
    logits = outputs[:, :names]  # the classes only: what speaks for none of them is not asked here
    one = logits[:, index : index + 1]
    if rival is not None:
        return one - logits[:, rival : rival + 1]
    return one - (ops.sum(logits, axis=1, keepdims=True) - one) / (logits.shape[-1] - 1)


class Graph:
    """A Keras model compiled for inference: `networks.prediction.predict` takes it in the model's place.

    Parameters
    ----------
    ask
        From what the model is given to what is wanted; by default the model.
    """

    def __init__(self, model: Any, ask: Callable[[Any], Any] | None = None):
        import tensorflow as tf

        self.inputs = model.inputs
        specs = {tensor.name: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, tensor.name) for tensor in model.inputs}
        signature = [specs if len(specs) > 1 else next(iter(specs.values()))]
        self._ask = tf.function(ask or partial(model, training=False), input_signature=signature, autograph=False)

    def __call__(self, given: Any, training: bool = False) -> Any:
        return self._ask(given)


class Scorer:
    """One score of maps.

    Parameters
    ----------
    model
        A Keras model from a bundle's inputs to the score, (n, 1).
    """

    def __init__(self, model: Any):
        self.model = model
        self._score, self._slopes = Graph(model), Graph(model, self._slope_of)
        self._layers: dict[str, Graph] = {}

    def _slope_of(self, given: Any) -> Any:
        import tensorflow as tf

        stack = given["stack"] if isinstance(given, dict) else given
        with tf.GradientTape() as tape:
            tape.watch(stack)
            score = self.model(given, training=False)
        return tape.gradient(score, stack)[..., 0]

    def scores(self, maps: MeasuredMaps) -> np.ndarray:
        """Of each map, (n,)."""
        return predict(self._score, maps, BATCH)[0][:, 0]

    def slopes(self, maps: MeasuredMaps) -> np.ndarray:
        """Of the score of each map with respect to the intensity of its pixels, (n, place, qh, qk)."""
        return predict(self._slopes, maps, BATCH)[0]

    def features(self, layer: str, maps: MeasuredMaps) -> tuple[np.ndarray, np.ndarray]:
        """What a layer shows of maps, and how the score of each follows it, both in the shape of the layer's output."""
        if layer not in self._layers:
            self._layers[layer] = Graph(self.model, self._follows(layer))
        features, gradients = predict(self._layers[layer], maps, BATCH)
        return features, gradients

    def _follows(self, layer: str) -> Callable[[Any], tuple[Any, Any]]:
        import tensorflow as tf

        both = import_keras().Model(self.model.input, [self.model.get_layer(layer).output, self.model.output])

        def ask(given: Any) -> tuple[Any, Any]:
            with tf.GradientTape() as tape:
                features, score = both(given, training=False)
            return features, tape.gradient(score, features)

        return ask


def scorer(network: Any, task: str, names: int, index: int, rival: int | None = None) -> Scorer:
    """What gives the `score_of` a network of a bundle."""
    keras = import_keras()

    class Score(keras.layers.Layer):
        """One layer with a name of its own: those of single operations could be taken in the network."""

        def call(self, outputs: Any) -> Any:
            return score_of(keras.ops, task, outputs, names, index, rival)

    return Scorer(keras.Model(network.input, Score(name="explained_score")(network.output)))


def feature_mean(network: Any, layer: str, feature: int) -> Any:
    """The Keras model whose score is the mean of one feature of a layer over all pixels, (n, 1)."""
    keras = import_keras()

    class Mean(keras.layers.Layer):
        def call(self, features: Any) -> Any:
            one = features[..., feature]
            return keras.ops.mean(keras.ops.reshape(one, (-1, int(np.prod(one.shape[1:])))), axis=1, keepdims=True)

    return keras.Model(network.input, Mean(name="explained_feature")(network.get_layer(layer).output))
