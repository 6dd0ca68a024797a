"""Bundles of toy networks whose answers can be worked out by hand: a shipped card, with networks set by hand in the place of the fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.bundle_writing import save_bundle
from mantid_insdl.networks.bundles import find_bundle, read_card
from mantid_insdl.networks.cards import Card
from mantid_insdl.networks.encoder import LAST_CONVOLUTION
from mantid_insdl.networks.strangeness import Strangeness
from mantid_insdl.networks.trained_range import Familiarity, TrainedRange

NOT_STRUCTURE, NO_DISTANCE = -1e9, 1e9  # limits that nothing passes


def toy_card(shipped: str, **changes: Any) -> Card:
    """The card of a shipped bundle with changes; what is given as ``calibration`` is added to its own."""
    content = read_card(find_bundle(shipped)).model_dump()
    changes["calibration"] = {**content["calibration"], **changes.get("calibration", {})}
    return Card.model_validate(content | {"name": "toy", "files": {}, "sha256": ""} | changes)


ANY_SLICES = {"ei_range": (18.0, 160.0), "energy_fraction": (0.05, 0.85)}


def any_slices(card: Card, **changes: Any) -> Card:
    """The card of a model for up to six incident energies of ten bins each, whatever they are."""
    content = card.model_dump()
    content["input"] = {**content["input"], "slices": None, "groups": 6, "bins": 10}
    content["calibration"] = {**content["calibration"], **ANY_SLICES, **changes}
    return Card.model_validate(content)


def save_toy(folder: Path, card: Card, models: Sequence[Any], arrays: Mapping[str, np.ndarray] | None = None) -> Path:
    return save_bundle(folder, card, {f"member-{i + 1}.keras": m for i, m in enumerate(models)}, arrays)


def set_weights(model: Any, layer: str, *weights: Any) -> None:
    """Kernel and bias of a layer, spread over their shapes."""
    wanted = [
        np.broadcast_to(np.asarray(w, np.float32), v.shape) for w, v in zip(weights, model.get_layer(layer).get_weights(), strict=True)
    ]
    model.get_layer(layer).set_weights(wanted)


def constant_network(shape: Sequence[int], outputs: Sequence[float], embedding: Sequence[float] = (0.0, 0.0)) -> Any:
    """Says the same outputs and embedding whatever it sees; `shape` is (slice, qh, qk)."""
    keras = import_keras()
    layers = keras.layers
    inputs = layers.Input((*shape, 2), name="stack")
    x = layers.TimeDistributed(layers.Conv2D(1, 8, strides=8), name=LAST_CONVOLUTION)(inputs)
    x = layers.Dense(len(embedding), name="embedding")(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(len(outputs), name="outputs")(x))
    set_weights(model, "embedding", 0, embedding)
    set_weights(model, "outputs", 0, outputs)
    return model


def unit_range(members: int, features: int = 2, **limits: float) -> TrainedRange:
    """The distance of a map is the length of its embedding."""
    limits = {"distance_limit": NO_DISTANCE, "structure_limit": NOT_STRUCTURE} | limits
    return TrainedRange([Familiarity(np.zeros((1, features)), np.eye(features))] * members, **limits)


def toy_strangeness(members: int, features: int = 2) -> Strangeness:
    """Log odds of none from -10 to 0, and lengths of the embedding from 0 to 10, are as strange as none and all of the models' own maps."""
    share = np.linspace(0, 1, 1001)
    return Strangeness([Familiarity(np.zeros((1, features)), np.eye(features))] * members, 10 * share - 10, 10 * share, share)
