"""Train and calibrate a classifier of magnetic models; `classifier_figures` tests it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.classifier import classifier
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.strangeness import FALSE_ALARMS, Strangeness
from mantid_insdl.networks.trained_range import IN_RANGE_QUANTILE, Familiarity
from mantid_insdl.progress import Progress, share_of
from mantid_insdl.training import metrics
from mantid_insdl.training.batches import Batches
from mantid_insdl.training.classifier_figures import DECIDED, figures
from mantid_insdl.training.datasets import SimulatedMaps
from mantid_insdl.training.ensemble import Ensemble
from mantid_insdl.training.fitting import fit_members
from mantid_insdl.training.layouts import room
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.outcome import CALIBRATION, FEATURE_MAPS, FEATURES, Outcome, sizes, some
from mantid_insdl.training.recipes import Recipe


def train_classifier(recipe: Recipe, data: SimulatedMaps, measurer: Measurer, kept: Path, report: Progress) -> Outcome:
    keras = import_keras()
    shape, classes = data.intensity.shape[2:], len(data.own)
    train, validation, calibration, test = (data.indices(s) for s in ("train", "validation", "calibration", "test"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def target(maps: MeasuredMaps, _: np.ndarray) -> np.ndarray:
        return np.where(maps.label < 0, classes, maps.label)

    def build() -> Any:
        return classifier(shape, classes, *room(recipe.dataset.slices))

    options = {"kept": kept, "progress": share_of(report, 0.0, 0.9)}
    models = fit_members(build, loss, measurer, target, train, validation, recipe.fit, **options)

    with Batches(measurer) as batches:
        ensemble = Ensemble(models, batches)
        report(0.9, "calibrating")
        seen = ensemble.ask(some(train, FEATURE_MAPS), FEATURES, kind="")
        familiar = [Familiarity.of(f, seen.label) for f in seen.features]
        own = ensemble.ask(calibration, CALIBRATION, kind="")
        strange = Strangeness.of(familiar, own.logits, own.features)
        temperature = metrics.fit_temperature(own.logits[..., :-1], own.label)
        least = float(np.quantile(own.structure, 1 - IN_RANGE_QUANTILE))
        tests, arrays = figures(recipe, ensemble, strange, temperature, test, share_of(report, 0.9, 1.0))
    return Outcome(
        models={f"member-{i + 1}.keras": model for i, model in enumerate(models)},
        arrays=strange.arrays | arrays,
        calibration={"temperature": temperature, "structure_limit": least, "decided": DECIDED, "false_alarms": FALSE_ALARMS},
        tests=tests,
        outputs=[{"name": name, "unit": "probability", "low": 0.0, "high": 1.0} for name in recipe.materials],
        used=sizes(train=train, validation=validation, calibration=calibration, test=test),
    )
