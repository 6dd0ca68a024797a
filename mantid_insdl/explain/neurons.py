"""Maximal activation: the training maps, and the place in them, that drive a neuron or a class most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mantid_insdl.errors import BundleError
from mantid_insdl.explain.gallery import Gallery
from mantid_insdl.explain.subject import BATCH, convolution_named
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
        Place of the slice among the network's inputs, and the first and last pixel of the patch along Qh and Qk, where it is driven most.
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
        found.append(_neuron(f"feature {feature}", gallery, means[:, feature], strongest[:, feature], outer, number))
    if bundle.card.task == "classify":
        for index, name in enumerate(bundle.card.materials):
            others = np.delete(gallery.outputs[:, : len(bundle.card.materials)], index, axis=1)
            scores = gallery.outputs[:, index] - others.mean(axis=1)
            weights = network.layers[-1].get_weights()[0] if network.layers[-1].weights else np.zeros((filters, 1))
            feature = int(np.argmax(weights[:, index])) if len(weights) == filters else 0
            found.append(_neuron(name, gallery, scores, strongest[:, feature], outer, number))
    return found


def _activity(outer: Any, maps: MeasuredMaps) -> tuple[np.ndarray, np.ndarray]:
    """Where each feature is largest, flat index (n, filter), and its mean over the map, (n, filter)."""
    places, means = [], []
    slices = maps.stack.shape[1]
    for (features,) in predict_batches(outer, maps, BATCH):
        flat = features.reshape(-1, slices * features.shape[-3] * features.shape[-2], features.shape[-1])
        places.append(flat.argmax(axis=1))
        means.append(flat.mean(axis=1))
    return np.concatenate(places), np.concatenate(means)


def _neuron(name: str, gallery: Gallery, values: np.ndarray, strongest: np.ndarray, outer: Any, number: int) -> Neuron:
    from mantid_insdl.explain.faithfulness import rank_correlation

    best = np.argsort(-values)[:number]
    slices, (rows, columns) = gallery.maps.stack.shape[1], outer.output.shape[-3:-1]
    cell = tuple(fine // coarse for fine, coarse in zip(gallery.maps.stack.shape[2:4], (rows, columns), strict=True))
    maps = []
    for index in best:
        place, row, column = np.unravel_index(int(strongest[index]), (slices, rows, columns))
        patch = [slice(max(0, (at - 1) * size), (at + 2) * size) for at, size in zip((row, column), cell, strict=True)]
        maps.append(Exciting(int(index), float(values[index]), (int(place), *patch), gallery.parameters(int(index))))
    correlations = {}
    for number_of, material in enumerate(gallery.materials):
        mine = np.flatnonzero(gallery.data.material == number_of)
        if mine.size > 2:
            names = list(gallery.parameters(int(mine[0])))
            correlations[material] = {n: rank_correlation(values[mine], gallery.data.parameters[mine, i]) for i, n in enumerate(names)}
    return Neuron(name, tuple(maps), float(values.mean()), float(values.std()), correlations)
