"""Look-alikes of the models of PCSMO: how many get a verdict by the network alone, and how many of these keep it beside simulations.

    python benchmarks/lookalikes.py [--maps N] [--data FOLDER] [--kinds KIND ...]

N test maps (30 by default, evenly from all models; the test part of the data set is simulated first where FOLDER, ``training-data``, does
not hold it) are measured at the usual counts as they are, and as maps of none of the models of each kind
(`mantid_insdl.training.negatives`): an intermediate model, two models mixed, incident energies exchanged, energies rolled. Printed are how
many get a verdict by `classify`, how many of these have constants whose simulation explains them and keep it in `classify_and_estimate`
(``insdl analyse``), how many of those are named right, and for the maps with a verdict the areas under the curves by which the unexplained
share, and the spread of the network's answers, tell them from the models' own. A few seconds of a core for each verdict.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from referee import as_map

from mantid_insdl.analysis import classify
from mantid_insdl.analysis.classify import classify_and_estimate
from mantid_insdl.networks.backend import choose_training_backend
from mantid_insdl.networks.bundles import load_bundle
from mantid_insdl.training.classifier_figures import usual_counts, with_counts
from mantid_insdl.training.datasets import load_or_generate
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.metrics import area_under_curve, proportion
from mantid_insdl.training.outcome import TEST, some
from mantid_insdl.training.recipes import Recipe

OWN = ""
KINDS = ("magnet: pcsmo-intermediate", "mixture", "incident energies exchanged", "energies rolled")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maps", type=int, default=30)
    parser.add_argument("--data", type=Path, default=Path("training-data"))
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    arguments = parser.parse_args()
    choose_training_backend()
    bundle = load_bundle("pcsmo-classifier")
    recipe = Recipe.model_validate_json(bundle.card.training.recipe)
    data = load_or_generate(recipe.dataset, arguments.data, parts=["test"])
    measurer = Measurer(data, recipe.dataset, with_counts(recipe.measurement, usual_counts(recipe.measurement)))
    indices = some(data.indices("test"), arguments.maps)
    own = None
    for kind in (OWN, *arguments.kinds):
        maps = measurer.measure(indices, TEST, kind=kind)
        given, kept, right, signs = 0, 0, 0, []
        for row in range(indices.size):
            m = as_map(maps, row, measurer, bundle.card.family)
            told = classify(m)
            if told.verdict != told.most_probable:
                continue
            given += 1
            found, exchange = classify_and_estimate(m)
            signs.append((exchange.evidence.unexplained, told.uncertainties[told.models.index(told.most_probable)]))
            kept += found.verdict == told.verdict
            right += found.verdict == told.verdict == data.materials[max(maps.label[row], 0)] and maps.label[row] >= 0
        own = np.array(signs) if own is None else own
        shares = ["{:.2f} ({:.2f} to {:.2f})".format(x, *limits) for x, limits in (proportion(n, indices.size) for n in (given, kept))]
        areas = [area_under_curve(*each) for each in zip(own.T, np.array(signs).T, strict=True)] if signs and own.size else [np.nan] * 2
        print(
            f"{kind or 'own':28} {given:3} of {indices.size} by the network, {shares[0]}; {kept:3} beside simulations, {shares[1]}; ",
            end="",
        )
        print(f"{right} right; areas {areas[0]:.2f}, {areas[1]:.2f}", flush=True)


if __name__ == "__main__":
    main()
