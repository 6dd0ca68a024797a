"""Calibrate and test a denoiser again, its network as it is, and write both into its bundle.

    python benchmarks/assess_denoiser.py trained_models/NAME [--data FOLDER]

`insdl train` does the same after it has fitted the network. The recipe is that of the bundle's name, whose data set is simulated into
FOLDER if it is not there; about ten minutes on two cores besides (minutes for the data, of which no training maps are needed).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mantid_insdl.networks.bundle_writing import save_bundle
from mantid_insdl.networks.bundles import load_bundle
from mantid_insdl.training.datasets import load_or_generate
from mantid_insdl.training.denoising import assessed, drawn_ensemble
from mantid_insdl.training.layouts import trained_energies
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.recipes import load_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, default=Path("training-data"))
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    recipe = load_recipe(bundle.card.name)
    data = load_or_generate(recipe.dataset, options.data, parts=["validation", "calibration", "test"])
    (model,) = bundle.models
    ensemble = drawn_ensemble(recipe)
    measurer = Measurer(data, recipe.dataset, recipe.measurement, keep_signal=True)
    factors, tests = assessed(recipe, data, measurer, model, ensemble)
    rejected = [line for line in bundle.card.limitations if line.startswith("Unstable draws")]
    changed = {
        "version": recipe.version,
        "training": bundle.card.training.model_copy(update={"recipe": recipe.model_dump_json()}),
        "calibration": {**factors, **trained_energies(recipe.dataset.slices)},
        "test": tuple(tests),
        "limitations": (*recipe.limitations, *rejected),
    }
    save_bundle(bundle.path, bundle.card.model_copy(update=changed), {"model.keras": model}, ensemble.to_arrays(), replace=True)
    for one in tests:
        print(f"{one.metric}: {one.value:.3f} ({one.interval}), n = {one.n}; {one.conditions} {one.baseline}")
    print(factors)


if __name__ == "__main__":
    main()
