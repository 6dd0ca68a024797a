"""Feature maps of a convolution beside the gradients of the score, and back onto the pixels of the map."""

from __future__ import annotations

import numpy as np

from mantid_insdl.explain.scoring import Scorer
from mantid_insdl.explain.subject import Subject
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.prediction import predict


def features_of(subject: Subject, layer: str) -> np.ndarray:
    """What a layer of the first network shows of the map, (slice, row, column, filter): the slices that the map has."""
    network = subject.bundle.models[0]
    outer = import_keras().Model(network.input, network.get_layer(layer).output)
    return _by_slice(subject, predict(outer, subject.prepared.inputs)[0])


def features_and_gradients(subject: Subject, network: Scorer, layer: str, shown: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """What a layer shows of the map, or of what is `shown` in its place, and how the score follows it: (slice, row, column, filter) each.

    Parameters
    ----------
    shown : (slice, qh, qk, 2)
        As `Subject.shown`.
    """
    features, gradients = network.features(layer, subject.prepared.inputs if shown is None else subject.versions(shown[None]))
    return _by_slice(subject, features), _by_slice(subject, gradients)


def enlarged(coarse: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(slice, row, column) on `shape` pixels: linear between the middles of the coarse ones."""
    from scipy.ndimage import map_coordinates

    rows, columns = ((np.arange(fine) + 0.5) * size / fine - 0.5 for fine, size in zip(shape, coarse.shape[1:], strict=True))
    points = np.meshgrid(rows, columns, indexing="ij")
    return np.array([map_coordinates(one, points, order=1, mode="nearest") for one in coarse])


def _by_slice(subject: Subject, values: np.ndarray) -> np.ndarray:
    """The slices that the map has, of (1, place, row, column, filter) or (place, row, column, filter)."""
    values = values.reshape(-1, *values.shape[-3:])
    places = subject.prepared.inputs.stack.shape[1]
    if len(values) != places:  # what looks along the energy has pixels of an incident energy side by side: (group, bin, pixel, filter)
        groups, bins, pixels, filters = values.shape
        side = round(pixels**0.5)
        values = values.reshape(groups * bins, side, pixels // side, filters)
    return values[subject.prepared.places]
