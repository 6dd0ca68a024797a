"""Train and calibrate a classifier of magnetic models; `classifier_figures` tests it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.classifier import classifier
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.prediction import ensemble_probabilities, predict, with_embedding
from mantid_insdl.networks.preprocessing import structure
from mantid_insdl.networks.strangeness import FALSE_ALARMS, Strangeness
from mantid_insdl.networks.trained_range import IN_RANGE_QUANTILE, Familiarity
from mantid_insdl.progress import Progress
from mantid_insdl.training import metrics
from mantid_insdl.training.batches import Batches, in_parts
from mantid_insdl.training.datasets import SimulatedMaps
from mantid_insdl.training.fitting import fit
from mantid_insdl.training.layouts import room
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.outcome import CALIBRATION, FEATURE_MAPS, FEATURES, Outcome, sizes, some
from mantid_insdl.training.recipes import Measurement, Recipe

DECIDED = 0.95  # a verdict is given from this calibrated probability on, as after a fit
BATCH = 64


@dataclass
class Answers:
    """What the networks say of some maps.

    Parameters
    ----------
    logits : (network, n, class + 1)
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
        self.bins = room(batches.measurer.spec.slices)[1]

    def ask(
        self, indices: np.ndarray, seed: tuple[int, ...], settings: Measurement | None = None, kind: str | None = None, energies: int = 0
    ) -> Answers:
        """About the maps at `indices`; `settings` and `kind` as of `Batches.of`, with `energies` of their incident energies (all for 0)."""
        rng = np.random.default_rng(seed)
        found = []
        for maps in self.batches.of(in_parts(indices, BATCH), seed, settings, kind):
            seen = with_energies(maps, energies, self.bins, rng) if energies else maps
            answers = [predict(model, seen, batch=BATCH) for model in self.models]
            found.append((np.stack([a[0] for a in answers]), np.stack([a[1] for a in answers]), structure(seen.stack), seen.label))
        logits, features = (np.concatenate([one[i] for one in found], axis=1) for i in (0, 1))
        return Answers(logits, list(features), *(np.concatenate([one[i] for one in found]) for i in (2, 3)))


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


def train_classifier(recipe: Recipe, data: SimulatedMaps, measurer: Measurer, kept: Path, report: Progress) -> Outcome:
    from mantid_insdl.training.classifier_figures import figures

    keras = import_keras()
    shape, classes = data.intensity.shape[2:], len(data.own)
    train, validation, calibration, test = (data.indices(s) for s in ("train", "validation", "calibration", "test"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def target(maps: MeasuredMaps, _: np.ndarray) -> np.ndarray:
        return np.where(maps.label < 0, classes, maps.label)

    models = []
    for member in range(recipe.fit.members):
        seed = recipe.fit.seed + member
        keras.utils.set_random_seed(seed)
        model = classifier(shape, classes, *room(recipe.dataset.slices))

        def step(fraction: float, text: str, member: int = member) -> None:
            report(0.9 * (member + fraction) / recipe.fit.members, f"network {member + 1}: {text}")

        keep = kept / f"member-{member + 1}.weights.h5"
        fit(model, loss, measurer, target, train, validation, recipe.fit, seed=seed, keep=keep, symmetric=True, progress=step)
        models.append(model)

    with Batches(measurer) as batches:
        ensemble = Ensemble(models, batches)
        report(0.9, "calibrating")
        seen = ensemble.ask(some(train, FEATURE_MAPS), FEATURES, kind="")
        familiar = [Familiarity.of(f, seen.label) for f in seen.features]
        own = ensemble.ask(calibration, CALIBRATION, kind="")
        strange = Strangeness.of(familiar, own.logits, own.features)
        temperature = metrics.fit_temperature(own.logits[..., :-1], own.label)
        least = float(np.quantile(own.structure, 1 - IN_RANGE_QUANTILE))
        tests = figures(recipe, ensemble, strange, temperature, test, lambda f, t: report(0.9 + 0.1 * f, t))
    return Outcome(
        models={f"member-{i + 1}.keras": model for i, model in enumerate(models)},
        arrays=strange.arrays,
        calibration={"temperature": temperature, "structure_limit": least, "decided": DECIDED, "false_alarms": FALSE_ALARMS},
        tests=tests,
        outputs=[{"name": name, "unit": "probability", "low": 0.0, "high": 1.0} for name in recipe.materials],
        used=sizes(train=train, validation=validation, calibration=calibration, test=test),
    )


def probabilities_of(answers: Answers, temperature: float) -> np.ndarray:
    """Calibrated probability of each class, (n, class), that the map shows one of them given."""
    return ensemble_probabilities(answers.logits[..., :-1], temperature)[0]
