"""The networks of a bundle, asked together."""

from __future__ import annotations

import numpy as np

from mantid_insdl.networks.bundles import Bundle
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.prediction import predict, with_embedding
from mantid_insdl.networks.preprocessing import structure
from mantid_insdl.networks.trained_range import TrainedRange
from mantid_insdl.progress import Progress


def ask(bundle: Bundle, inputs: MeasuredMaps, progress: Progress) -> tuple[np.ndarray, list[str]]:
    """Outputs of all networks, (network, output), and why the map is out of their range, in sentences; empty where it is within."""
    outputs, features = [], []
    for number, model in enumerate(bundle.models):
        output, embedding = predict(with_embedding(model), inputs)
        outputs.append(output[0])
        features.append(embedding)
        progress((number + 1) / len(bundle.models), f"network {number + 1} of {len(bundle.models)}")
    trained = TrainedRange.of_bundle(bundle.arrays, bundle.card.calibration, len(outputs))
    reasons = []
    if trained.too_far(features)[0]:
        reasons.append(UNLIKE.format(float(trained.distance(features)[0] / trained.distance_limit)))
    if trained.structureless(structure(inputs.stack))[0]:
        reasons.append(STRUCTURELESS)
    return np.stack(outputs), reasons


UNLIKE = (
    "The map is unlike the maps the model was trained on (distance {:.1f} times the limit that 1 % of its own test maps exceed): "
    "do not rely on the answer."
)
STRUCTURELESS = (
    "The map shows no more than noise (neighbouring pixels agree less than in 99 % of the model's test maps): do not rely on the answer."
)
