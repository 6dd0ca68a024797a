"""From a recipe to a model bundle: simulate, fit, calibrate, test, write.

The parameter sets are split once. The training part fits the weights, the validation part stops the fit and chooses what a baseline leaves
open, the calibration part sets temperatures, error bars and thresholds, and the test part is looked at once, at the end.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import time
from pathlib import Path

from mantid_insdl._version import __version__
from mantid_insdl.errors import OutputError
from mantid_insdl.maps import RLU
from mantid_insdl.materials import load_material
from mantid_insdl.networks.backend import choose_training_backend, environment, import_keras
from mantid_insdl.networks.bundle_writing import save_bundle
from mantid_insdl.networks.cards import Card
from mantid_insdl.progress import Progress, share_of
from mantid_insdl.training.classification import train_classifier
from mantid_insdl.training.datasets import SimulatedMaps, load_or_generate
from mantid_insdl.training.denoising import train_denoiser
from mantid_insdl.training.layouts import axes, fixed_slices, room, trained_energies
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.outcome import Outcome
from mantid_insdl.training.posterior import train_posterior
from mantid_insdl.training.recipes import FixedSlices, Recipe, load_recipe, quickened

DATA_FOLDER = Path("training-data")


def train(
    recipe: str | Path | Recipe,
    output: str | Path | None = None,
    *,
    quick: bool = False,
    data_folder: str | Path = DATA_FOLDER,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train the bundle of a recipe.

    Parameters
    ----------
    recipe
        Name of a shipped recipe, path of one, or a `Recipe`.
    output
        Folder of the new bundle; default: the recipe's name in the current folder.
    quick
        Some hundred times less data and one epoch: to see that everything runs.
    data_folder
        Where simulated data sets and fitted weights are kept: recipes on the same data simulate them once, and a training that was
        interrupted goes on with the network that it was fitting.
    scheduler
        Address of a dask scheduler whose workers simulate; by default they are started on this machine.

    Returns
    -------
    Path
        The bundle's folder.

    Raises
    ------
    RecipeError
        If there is no such recipe, or it is wrong.
    OutputError
        If the folder exists already.
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    recipe = quickened(recipe) if quick else recipe
    folder = Path(output) if output is not None else Path(recipe.name)
    if folder.exists():  # said now and not after an hour
        raise OutputError(f"cannot write the bundle '{folder}'", "it exists already", "give another folder, or remove it first")
    report = progress or (lambda fraction, text: None)
    start = time.monotonic()
    # Faster kernels for the fit, where TensorFlow is not loaded yet; they round differently on different processors, so using a bundle
    # does without (networks/backend.py), and so does every process started later.
    choose_training_backend()
    with environment(TF_ENABLE_ONEDNN_OPTS=os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")):
        import_keras()
    data = load_or_generate(recipe.dataset, Path(data_folder), scheduler=scheduler, progress=share_of(report, 0.0, 0.3))
    measurer = Measurer(data, recipe.dataset, recipe.measurement, keep_signal=recipe.task == "denoise")
    task = {"denoise": train_denoiser, "classify": train_classifier, "exchange": train_posterior}[recipe.task]
    key = hashlib.sha256((recipe.model_dump_json() + data.digest + __version__).encode()).hexdigest()[:12]
    result = task(recipe, data, measurer, Path(data_folder) / f"{recipe.name}-{key}", share_of(report, 0.3, 1.0))
    card = _card(recipe, data, result, time.monotonic() - start)
    saved = save_bundle(folder, card, result.models, result.arrays)
    report(1.0, f"wrote {saved}")
    return saved


def _card(recipe: Recipe, data: SimulatedMaps, result: Outcome, seconds: float) -> Card:
    qh, qk = axes(recipe.dataset.grid)
    slices = None
    if isinstance(recipe.dataset.slices, FixedSlices):
        grid = fixed_slices(recipe.dataset.slices)
        slices = {name: tuple(getattr(grid, name).tolist()) for name in ("ei", "energy_min", "energy_max")}
    groups, bins = room(recipe.dataset.slices)
    ranges: dict[str, dict[str, tuple[float, float]]] = {}
    for material in recipe.materials:
        rows = data.parameters[data.indices("train", material)]
        names = [p.name for p in load_material(material).parameters]
        ranges[material] = {n: (float(rows[:, i].min()), float(rows[:, i].max())) for i, n in enumerate(names)}
    rejected = ", ".join(f"{n} of {name}" for name, n in zip(data.materials, data.rejected, strict=True))
    return Card(
        name=recipe.name,
        version=recipe.version,
        task=recipe.task,
        family=recipe.family,
        answers=recipe.answers,
        materials=recipe.materials,
        input={
            "axes": [{"name": a.name, "unit": RLU, "centres": a.centres.tolist()} for a in (qh, qk)],
            "slices": slices,
            "groups": groups,
            "bins": bins,
            "ei_tolerance": 0.05,
            "intensity": "S(Q, E) in any unit; each incident energy has a scale of its own",
            "preprocessing": "mantid_insdl.networks.preprocessing.normalise",
        },
        outputs=result.outputs,
        training={
            "recipe": recipe.model_dump_json(),
            "seed": recipe.fit.seed,
            "package_version": __version__,
            "data_sha256": data.digest,
            "ranges": ranges,
            "samples": result.used,
            "seconds": round(seconds),
            "date": datetime.date.today().isoformat(),
        },
        calibration={**result.calibration, **trained_energies(recipe.dataset.slices)},
        test=result.tests,
        limitations=[*recipe.limitations, f"Unstable draws rejected when simulating: {rejected}."],
        licence="GPL-3.0-or-later",
    )
