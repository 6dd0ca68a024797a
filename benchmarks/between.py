"""By how much does the freedom that a magnet lacks improve its fit to its own maps, and to maps between it and another?

    python benchmarks/between.py [--maps N] [--others N] [--data FOLDER]

N calibration maps of Goodenough and Dimer, and as many of the model between them as `--others` says, are measured at the usual
counts (the validation, calibration and test parts of the data set are simulated first where FOLDER, ``training-data``, does not
hold them). Of those that get a verdict by `classify` and have constants whose simulation explains them, the gain of
`mantid_insdl.analysis.between` is printed with what the map asks for, then its quantiles, and the share of maps that is above
`LIMIT`. Some ten seconds of a core for each verdict.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from referee import as_map

from mantid_insdl.analysis import classify, fit_exchange
from mantid_insdl.analysis.between import LIMIT, freed
from mantid_insdl.analysis.estimate import ask_constants
from mantid_insdl.analysis.evidence import Comparison
from mantid_insdl.analysis.rival import Fitted
from mantid_insdl.maps import Map
from mantid_insdl.materials import load_material
from mantid_insdl.materials.union import union_of
from mantid_insdl.networks.backend import choose_training_backend
from mantid_insdl.networks.bundles import exchange_bundle, load_bundle
from mantid_insdl.networks.preparation import prepare
from mantid_insdl.training.classifier_figures import usual_counts, with_counts
from mantid_insdl.training.datasets import load_or_generate
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.metrics import proportion
from mantid_insdl.training.negatives import MAGNET
from mantid_insdl.training.outcome import CALIBRATION, some
from mantid_insdl.training.recipes import Recipe

MODELS = ("pcsmo-goodenough", "pcsmo-dimer")
BETWEEN = MAGNET + "pcsmo-intermediate"


def gain_of(m: Map, family: str) -> float | None:
    """Of the verdict's model on a map; None where there is no verdict, or its constants are none."""
    told = classify(m)
    if told.verdict not in MODELS:
        return None
    exchange = fit_exchange(m.replace(material=told.verdict))
    if not exchange.in_range:
        return None
    fitted = []
    for name in sorted(MODELS, key=lambda one: one != told.verdict):
        bundle = exchange_bundle(name, family)
        prepared = prepare(m, bundle.card)
        values = np.array(exchange.values) if name == told.verdict else ask_constants(bundle, prepared)[0]
        ranges = {output.name: (output.low, output.high) for output in bundle.card.outputs}
        fitted.append(Fitted(Comparison(prepared, name), values, ranges).descend())
    found = freed(*fitted, union_of(*(load_material(one.comparison.material) for one in fitted)))
    asked = ", ".join(f"{one.name} = {one.value:.2f} +- {one.error:.2f}" for one in found.missing)
    print(f"  {told.verdict:18}{m.slices.ei.size:4} slices, gain {found.gain:7.1f}, {asked}", flush=True)
    return found.gain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maps", type=int, default=100)
    parser.add_argument("--others", type=int, default=50)
    parser.add_argument("--data", type=Path, default=Path("training-data"))
    arguments = parser.parse_args()
    choose_training_backend()
    bundle = load_bundle("pcsmo-classifier")
    recipe = Recipe.model_validate_json(bundle.card.training.recipe)
    data = load_or_generate(recipe.dataset, arguments.data, parts=["validation", "calibration", "test"])
    measurer = Measurer(data, recipe.dataset, with_counts(recipe.measurement, usual_counts(recipe.measurement)))
    own = np.sort(np.concatenate([data.indices("calibration", name) for name in MODELS]))
    for kind, indices in (("", some(own, arguments.maps)), (BETWEEN, some(own, arguments.others))):
        print(kind or "own", flush=True)
        maps = measurer.measure(indices, CALIBRATION, kind=kind)
        gains = [gain_of(as_map(maps, row, measurer, bundle.card.family), bundle.card.family) for row in range(indices.size)]
        gains = np.array([gain for gain in gains if gain is not None])
        above = int(np.sum(gains > LIMIT))
        share, limits = proportion(above, gains.size)
        quantiles = ", ".join(f"{100 * q:g} %: {np.quantile(gains, q):.1f}" for q in (0.5, 0.8, 0.9, 0.95, 1.0))
        print(f"{kind or 'own'}: {gains.size} of {indices.size} with a verdict and constants; gain {quantiles}")
        print(f"  {above} above {LIMIT:g}: {share:.2f} ({limits[0]:.2f} to {limits[1]:.2f})", flush=True)


if __name__ == "__main__":
    main()
