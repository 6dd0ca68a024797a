"""The networks of a bundle, asked together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mantid_insdl.learning.bundles import Bundle
from mantid_insdl.learning.fitting import predict
from mantid_insdl.learning.measured import MeasuredMaps
from mantid_insdl.learning.metrics import Familiarity
from mantid_insdl.learning.networks import with_embedding
from mantid_insdl.learning.preprocessing import structure

Progress = Callable[[float, str], None]


def ask(bundle: Bundle, inputs: MeasuredMaps, progress: Progress) -> tuple[np.ndarray, list[str]]:
    """Outputs of all networks, (member, output), and why the map is out of their range, in sentences; empty where it is within."""
    outputs, distances = [], []
    for number, model in enumerate(bundle.models):
        output, features = predict(with_embedding(model), inputs)
        familiar = Familiarity(bundle.arrays[f"familiar_means_{number}"], bundle.arrays[f"familiar_precision_{number}"])
        outputs.append(output[0])
        distances.append(familiar.distance(features)[0])
        progress((number + 1) / len(bundle.models), f"network {number + 1} of {len(bundle.models)}")
    reasons = []
    ratio = float(np.mean(distances) / bundle.card.calibration["distance_limit"])
    if ratio > 1:
        reasons.append(UNLIKE.format(ratio))
    if structure(inputs.stack)[0] < bundle.card.calibration["structure_limit"]:
        reasons.append(STRUCTURELESS)
    return np.stack(outputs), reasons


def ignore_progress(fraction: float, text: str) -> None:
    """Where nobody wants to know."""


UNLIKE = (
    "The map is unlike the maps the model was trained on (distance {:.1f} times the limit that 1 % of its own test maps exceed): "
    "do not rely on the answer."
)
STRUCTURELESS = (
    "The map shows no more than noise (neighbouring pixels agree less than in 99 % of the model's test maps): do not rely on the answer."
)
