"""Maximal activation: the training maps, and the place in them, that drive a neuron or a class most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mantid_insdl.errors import BundleError
from mantid_insdl.explain.gallery import Gallery, rows
from mantid_insdl.explain.scoring import BATCH, Graph, Scorer, score_of, scorer
from mantid_insdl.explain.subject import convolution_named
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.bundles import Bundle
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.prediction import predict_batches

NUMBER = 6
"""Maps for each neuron."""


@dataclass(frozen=True, eq=False)
class Exciting:
    """A training map that drives a neuron.

    Attributes
    ----------
    index
        In the gallery.
    value
        Of the neuron, and of all maps (mean and standard deviation) in `Neuron`.
    place
        Place of the slice among the network's inputs, and the first and last pixel of the patch along Qh and Qk, where it is driven most: a
        feature where it is largest, a class where features times gradients of its score are.
    parameters
        Exchange constants of the map, meV.
    """

    index: int
    value: float
    place: tuple[int, slice, slice]
    parameters: dict[str, float]


@dataclass(frozen=True, eq=False)
class Neuron:
    """A feature of the last convolution, or a class.

    Attributes
    ----------
    name
        Of the class, or ``feature 7``.
    maps
        That drive it most, the most first.
    mean, deviation
        Of its value over all training maps.
    correlations
        Spearman's of its value with each exchange constant, over the maps of each material: what the neuron stands for.
    """

    name: str
    maps: tuple[Exciting, ...]
    mean: float
    deviation: float
    correlations: dict[str, dict[str, float]]


def neurons_of(bundle: Bundle, gallery: Gallery, features: list[int] | None = None, number: int = NUMBER) -> list[Neuron]:
    """The classes of a bundle, and features of its last convolution.

    Parameters
    ----------
    features
        Which; by default the three of the largest variance relative to their mean.

    Raises
    ------
    BundleError
        If there is no such feature, or no convolution.
    """
    network = bundle.models[0]
    layer = convolution_named(bundle, None)
    outer = import_keras().Model(network.input, network.get_layer(layer).output)
    filters = outer.output.shape[-1]
    if features is None:
        features = np.argsort(-gallery.codes.std(axis=0))[:3].tolist() if gallery.codes.shape[1] == filters else [0, 1, 2]
    if wrong := [one for one in features if not 0 <= one < filters]:
        raise BundleError(f"layer {layer} has no feature {wrong[0]}", f"it has {filters}", f"name one from 0 to {filters - 1}")
    found = []
    strongest, means = _activity(outer, gallery.maps)
    for feature in features:
        best = np.argsort(-means[:, feature])[:number]
        found.append(_neuron(f"feature {feature}", gallery, means[:, feature], best, strongest[best, feature], outer))
    if bundle.card.task == "classify":
        for index, name in enumerate(bundle.card.materials):
            names = len(bundle.card.materials)
            scores = score_of(np, "classify", gallery.outputs, names, index)[:, 0]
            best = np.argsort(-scores)[:number]
            deciding = _deciding(scorer(network, "classify", names, index), layer, gallery, best)
            found.append(_neuron(name, gallery, scores, best, deciding, outer))
    return found


def _activity(outer: Any, maps: MeasuredMaps) -> tuple[np.ndarray, np.ndarray]:
    """Where each feature is largest, flat index (n, filter), and its mean over the map, (n, filter)."""
    places, means = [], []
    slices = maps.stack.shape[1]
    for (features,) in predict_batches(Graph(outer), maps, BATCH):
        flat = features.reshape(-1, slices * features.shape[-3] * features.shape[-2], features.shape[-1])
        places.append(flat.argmax(axis=1))
        means.append(flat.mean(axis=1))
    return np.concatenate(places), np.concatenate(means)


def _deciding(network: Scorer, layer: str, gallery: Gallery, best: np.ndarray) -> np.ndarray:
    """Where each of the maps speaks most for a score: flat index (map,) of the largest sum of features times gradients."""
    features, gradients = network.features(layer, rows(gallery.maps, np.isin(np.arange(len(gallery)), best)))
    said = np.sum(features * gradients, axis=-1).reshape(best.size, -1).argmax(axis=1)
    return said[np.searchsorted(np.sort(best), best)]


def _neuron(name: str, gallery: Gallery, values: np.ndarray, best: np.ndarray, strongest: np.ndarray, outer: Any) -> Neuron:
    from mantid_insdl.explain.faithfulness import rank_correlation

    slices, (high, broad) = gallery.maps.stack.shape[1], outer.output.shape[-3:-1]
    cell = tuple(fine // coarse for fine, coarse in zip(gallery.maps.stack.shape[2:4], (high, broad), strict=True))
    maps = []
    for index, at in zip(best, strongest, strict=True):
        place, row, column = np.unravel_index(int(at), (slices, high, broad))
        patch = [slice(max(0, (one - 1) * size), (one + 2) * size) for one, size in zip((row, column), cell, strict=True)]
        maps.append(Exciting(int(index), float(values[index]), (int(place), *patch), gallery.parameters(int(index))))
    correlations = {}
    for number_of, material in enumerate(gallery.materials):
        mine = np.flatnonzero(gallery.data.material == number_of)
        if mine.size > 2:
            names = list(gallery.parameters(int(mine[0])))
            correlations[material] = {n: rank_correlation(values[mine], gallery.data.parameters[mine, i]) for i, n in enumerate(names)}
    return Neuron(name, tuple(maps), float(values.mean()), float(values.std()), correlations)
