"""An ensemble of classifiers, asked about simulated measurements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.prediction import ensemble_probabilities, in_both_orientations, network_inputs, with_embedding
from mantid_insdl.networks.preprocessing import structure
from mantid_insdl.training.batches import Batches, in_parts
from mantid_insdl.training.layouts import room
from mantid_insdl.training.recipes import Measurement

BATCH, EVEN = 64, 8


@dataclass
class Answers:
    """What the networks say of some maps.

    Parameters
    ----------
    logits : (2 x network, n, class + 1)
        Of both orientations of each map.
    features
        Of each network, (n, feature).
    structure, label : (n,)
        See `preprocessing.structure` and `MeasuredMaps`.
    """

    logits: np.ndarray
    features: list[np.ndarray]
    structure: np.ndarray
    label: np.ndarray


class Ensemble:
    """The networks, asked about measurements that are made while they answer."""

    def __init__(self, models: Sequence[Any], batches: Batches):
        self.models, self.batches = [with_embedding(model) for model in models], batches
        for model in self.models:
            model.jit_compile = import_keras().backend.backend() != "tensorflow"  # as when it was fitted
        self.bins = room(batches.measurer.spec.slices)[1]

    def ask(
        self, indices: np.ndarray, seed: tuple[int, ...], settings: Measurement | None = None, kind: str | None = None, energies: int = 0
    ) -> Answers:
        """About the maps at `indices`; `settings` and `kind` as of `Batches.of`, with `energies` of their incident energies (all for 0)."""
        rng = np.random.default_rng(seed)
        found = []
        for maps in self.batches.of(in_parts(indices, BATCH), seed, settings, kind):
            seen = with_energies(maps, energies, self.bins, rng) if energies else maps
            answers = [in_both_orientations(partial(_answers, model), seen) for model in self.models]
            found.append((np.concatenate([a[0] for a in answers]), np.stack([a[1] for a in answers]), structure(seen.stack), seen.label))
        logits, features = (np.concatenate([one[i] for one in found], axis=1) for i in (0, 1))
        return Answers(logits, list(features), *(np.concatenate([one[i] for one in found]) for i in (2, 3)))


def _answers(model: Any, maps: MeasuredMaps) -> list[np.ndarray]:
    """The outputs for up to `BATCH` maps; a multiple of `EVEN` is asked about, since every other number would be compiled anew."""
    number = len(maps.stack)
    rows = np.minimum(np.arange(math.ceil(number / EVEN) * EVEN), number - 1)
    return [np.asarray(output)[:number] for output in model.predict_on_batch(network_inputs(model, maps, rows))]


def with_energies(maps: MeasuredMaps, number: int, bins: int, rng: np.random.Generator) -> MeasuredMaps:
    """The maps with `number` of their incident energies, drawn at random; those that have no more keep all."""
    keep = np.zeros(maps.used.shape[:2], bool)
    for row, used in enumerate(maps.used[..., 0].reshape(len(maps.used), -1, bins).any(axis=2)):
        chosen = rng.permutation(np.flatnonzero(used))[:number]
        keep[row] = np.isin(np.arange(keep.shape[1]) // bins, chosen)
    gone = ~keep
    stack, windows, used = (array.copy() for array in (maps.stack, maps.windows, maps.used))
    stack[gone], windows[gone], used[gone] = 0, 0, 0
    return MeasuredMaps(stack, maps.scale, maps.signal, windows, used, maps.label, maps.kind)


def probabilities_of(answers: Answers, temperature: float) -> np.ndarray:
    """Calibrated probability of each class, (n, class), that the map shows one of them given."""
    return ensemble_probabilities(answers.logits[..., :-1], temperature)[0]
