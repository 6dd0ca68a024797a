"""Activations: what every layer makes of the user's map, on its axes; and filters that are never active."""

from __future__ import annotations

from typing import Any

import numpy as np

from mantid_insdl.errors import BundleError, require_known
from mantid_insdl.explain.feature_maps import features_of
from mantid_insdl.explain.scoring import BATCH, Graph
from mantid_insdl.explain.subject import Subject
from mantid_insdl.maps import Axis, Map
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.bundles import Bundle
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.prediction import predict_batches

SILENT = 1e-6
"""Of a layer's largest activation: a filter that never exceeds it is dead."""


def visible_layers(network: Any) -> list[str]:
    """Names of the layers whose output can be laid on a map, first to last: convolutions and what activates them."""
    kinds = ("Conv2D", "Activation", "TimeDistributed")
    return [layer.name for layer in network.layers if type(layer).__name__ in kinds and len(layer.output.shape) >= 4]


def visible_layer(bundle: Bundle, layer: str) -> str:
    """The same name, if the bundle's networks have such a layer.

    Raises
    ------
    BundleError
        If not; the message lists those that there are.
    """
    summary = f"model '{bundle.card.name}' has no layer '{layer}' that can be laid on a map"
    require_known(layer, visible_layers(bundle.models[0]), summary, listed="it has", error=BundleError)
    return layer


def activations(subject: Subject, layer: str) -> list[Map]:
    """What each filter of a layer shows, one map a filter, on coarser pixels between the same edges as those of the network.

    Slices that the map does not have are left out; nothing is masked, for a layer has values in gaps, too.
    """
    features = features_of(subject, visible_layer(subject.bundle, layer))
    gridded = subject.prepared.gridded
    axes = tuple(_coarser(axis, size) for axis, size in zip(gridded.axes, features.shape[1:3], strict=True))
    there = np.flatnonzero(subject.prepared.used)
    note = f"activation of layer {layer} of {subject.bundle.identity.name} {subject.bundle.identity.version}"
    return [
        Map(
            features[there, ..., number].astype(float),
            axes,
            slices=gridded.slices[there],
            material=subject.map.material,
            intensity_unit="activation",
            provenance=(*subject.map.provenance, f"{note}, filter {number}"),
        )
        for number in range(features.shape[-1])
    ]


def dead_filters(bundle: Bundle, maps: MeasuredMaps) -> dict[str, list[int]]:
    """Filters of each rectified layer that no map activates; all maps show the same nothing to what follows."""
    network = bundle.models[0]
    layers = [name for name in visible_layers(network) if _rectified(network.get_layer(name))]
    outputs = Graph(import_keras().Model(network.input, [network.get_layer(name).output for name in layers]))
    largest: list[np.ndarray] = []
    for batch in predict_batches(outputs, maps, BATCH):
        found = [one.reshape(-1, one.shape[-1]).max(axis=0) for one in batch]
        largest = [np.maximum(a, b) for a, b in zip(largest, found, strict=True)] if largest else found
    return {name: np.flatnonzero(one <= SILENT * max(one.max(), SILENT)).tolist() for name, one in zip(layers, largest, strict=True)}


def _rectified(layer: Any) -> bool:
    inner = getattr(layer, "layer", layer)  # of one that is applied slice by slice
    return getattr(getattr(inner, "activation", None), "__name__", "") == "relu"


def _coarser(axis: Axis, size: int) -> Axis:
    low, high = axis.edges[0], axis.edges[-1]
    edges = np.linspace(low, high, size + 1)
    return Axis(axis.name, axis.unit, (edges[:-1] + edges[1:]) / 2)
