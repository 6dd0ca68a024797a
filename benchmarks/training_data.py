"""Do the training maps look measured? Statistics of simulated measurements beside those of a measured map.

Run ``python benchmarks/training_data.py --measured DIR`` (``DIR/measured.npz``, ``DIR/detector_gaps.npz``; five minutes on two cores, and
a few seconds again, with ``--data DIR`` for what is simulated). For each incident energy it prints numbers that say nothing about the
model of a magnet: of the measured map, of the training maps (5, 50 and 95 %), and which share of these lies below the measured one.
``--picture FILE`` draws slices of both, and the distributions of their pixels.

``--classes FOLDER`` prints how well a class is known without looking at momenta, in a data set that a training has kept (a folder in its
``training-data``): the accuracy of linear classifiers on the largest energy with intensity, and on the mean of every energy bin, without
noise.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from mantid_insdl.files import load
from mantid_insdl.fitting.uncertainty import uncertainty_of
from mantid_insdl.maps import Map
from mantid_insdl.networks.preprocessing import normalise, structure
from mantid_insdl.simulation.ensembles import mix_twins
from mantid_insdl.training.datasets import SimulatedMaps, load_or_generate, opened
from mantid_insdl.training.layouts import axes
from mantid_insdl.training.measurement import Measurer, measure
from mantid_insdl.training.recipes import Recipe, load_recipe

SETS = 60
"""Parameter sets of each material."""
MOST = 2000
"""Maps that classes are told by."""


def statistics(m: Map) -> dict[str, float]:
    """Of one incident energy: numbers without unit that do not depend on its scale."""
    known = ~m.mask
    values = m.intensity[known]
    mean = np.maximum(values, 0).mean()
    found = uncertainty_of(m)
    variance = found.constant + found.slope * np.maximum(found.level, 0)
    levels = np.array([np.maximum(one[good], 0).mean() for one, good in zip(m.intensity, known, strict=True) if good.any()]) / mean
    step = np.where(known[:, 1:] & known[:, :-1], np.diff(m.intensity, axis=1), np.nan)
    step = step[np.isfinite(step)] / np.sqrt(2) / mean
    stack = normalise(np.where(known, m.intensity, np.nan)[None], m.slices.groups_by_ei())[0]
    return {
        "share of pixels that are zero or less": float(np.mean(values <= 0)),
        "neutrons a pixel (squared mean over variance)": float(mean**2 / np.median(variance[known])),
        "scatter of neighbours, standard deviation": float(step.std()),
        "scatter of neighbours, from the median": float(1.4826 * np.median(np.abs(step))),
        "pixel of which 10 % are brighter": float(np.quantile(values, 0.9) / mean),
        "pixel of which 1 % are brighter": float(np.quantile(values, 0.99) / mean),
        "pixel of which 0.1 % are brighter": float(np.quantile(values, 0.999) / mean),
        "brightest slice": float(levels.max()),
        "darkest slice": float(levels.min()),
        "correlation of neighbours": float(structure(stack)[0]),
        "share of pixels that are known": float(known.mean()),
    }


def simulated(recipe: Recipe, folder: Path) -> tuple[SimulatedMaps, Recipe]:
    """A small data set on the slices of most measurements, and the recipe for it."""
    spec = recipe.dataset
    slices = spec.slices.model_copy(update={"usual_share": 1.0})
    update = {"name": "look", "materials": dict.fromkeys(spec.materials, SETS), "others": {}, "slices": slices, "chunk": 10}
    spec = spec.model_copy(update=update)
    # as the measured maps were reduced: no Ei left out, negative intensities set to zero
    settings = recipe.measurement.model_copy(update={"missing_ei": 0.0, "negatives_cut": 1.0, "negatives": 0.0})
    return load_or_generate(spec, folder), recipe.model_copy(update={"dataset": spec, "measurement": settings})


def measurements(data: SimulatedMaps, recipe: Recipe, seed: int = 0):
    """A measurement of each map."""
    by = Measurer(data, recipe.dataset, recipe.measurement)
    for index in range(len(data.material)):
        rng, slices = np.random.default_rng((seed, index)), data.slices(index)
        expected = mix_twins(data.intensity[index][data.places(index)].astype(np.float32), rng.uniform(*recipe.measurement.twin_fraction))
        intensity, _ = measure(expected, slices, by.qh, by.qk, by.reciprocal, recipe.measurement, rng)
        yield Map(intensity, axes(recipe.dataset.grid), slices=slices, material="pcsmo")


def compare(measured: Map, data: SimulatedMaps, recipe: Recipe) -> None:
    """Print the table."""
    maps = list(measurements(data, recipe))
    outside = total = 0
    for ei in measured.slices.unique_ei:
        mine = statistics(measured.select(np.flatnonzero(measured.slices.ei == ei)))
        each = [statistics(m.select(np.flatnonzero(m.slices.ei == ei))) for m in maps]
        print(f"Ei = {ei:g} meV{'measured':>51} {'simulated: 5 %':>15} {'50 %':>7} {'95 %':>7} {'below':>7}")
        for name, value in mine.items():
            theirs = np.array([one[name] for one in each])
            low, middle, high = np.quantile(theirs, [0.05, 0.5, 0.95])
            below = np.mean(theirs < value)
            outside, total = outside + (not 0.025 <= below <= 0.975), total + 1
            print(f"  {name:50} {value:10.3f} {low:15.3f} {middle:7.3f} {high:7.3f} {below:7.2f}")
    print(f"{outside} of {total} numbers of the measured map are not within the middle 95 % of {len(maps)} training maps")


def draw(measured: Map, data: SimulatedMaps, recipe: Recipe, path: Path) -> None:
    """Slices of the measured map above those of simulated ones, and how the brightness of their pixels is distributed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown = [(25.0, 4), (50.0, 1), (50.0, 4), (50.0, 7), (100.0, 1), (100.0, 4)]
    maps = list(measurements(data, recipe))
    rng = np.random.default_rng(4)
    chosen = [int(rng.choice(np.flatnonzero(data.material == number))) for number in (0, 0, 1, 2)]
    rows = [("measured", measured), *((f"simulated\n{data.materials[data.material[i]].removeprefix('pcsmo-')}", maps[i]) for i in chosen)]
    figure = plt.figure(figsize=(1.9 * len(shown), 1.95 * len(rows) + 2.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.95 * len(rows), 2.6))
    panels, curves = above.subplots(len(rows), len(shown)), below.subplots(1, measured.slices.unique_ei.size)
    for row, (name, m) in enumerate(rows):
        for column, (ei, bin_) in enumerate(shown):
            group, panel = np.flatnonzero(m.slices.ei == ei), panels[row, column]
            values = np.where(m.mask, np.nan, m.intensity)
            image = values[group[bin_]] / np.maximum(values[group][np.isfinite(values[group])], 0).mean()
            panel.imshow(image.T, origin="lower", vmin=0, vmax=5, extent=(-1, 1, -1, 1), cmap="viridis")
            panel.set(xticks=[], yticks=[])
            if not row:
                low, high = m.slices.energy_min[group[bin_]], m.slices.energy_max[group[bin_]]
                panel.set_title(f"Ei {ei:g}: {low:.3g} to {high:.3g} meV", fontsize=8)
        panels[row, 0].set_ylabel(name, fontsize=8)
    edges = np.concatenate(([-0.02], np.geomspace(0.02, 30, 30)))
    for panel, ei in zip(curves, measured.slices.unique_ei, strict=True):

        def shares(m: Map, ei: float = ei) -> np.ndarray:
            group = np.flatnonzero(m.slices.ei == ei)
            values = m.intensity[group][~m.mask[group]]
            return np.histogram(np.clip(values / np.maximum(values, 0).mean(), -0.01, 29), edges)[0] / values.size

        band = np.quantile([shares(m) for m in maps], [0.05, 0.5, 0.95], axis=0)
        at = np.concatenate(([0.014], np.sqrt(edges[1:-1] * edges[2:])))
        panel.fill_between(at, band[0] + 1e-4, band[2] + 1e-4, alpha=0.3, label="90 % of the\ntraining maps")
        panel.plot(at, band[1] + 1e-4, lw=1)
        panel.plot(at, shares(measured) + 1e-4, "k.-", ms=3, lw=1, label="measured")
        panel.set(xscale="log", yscale="log", ylim=(1e-4, 1))
        panel.set_xlabel(f"pixel over mean, Ei {ei:g}", fontsize=8)
        panel.tick_params(labelsize=6)
    curves[0].set_ylabel("share of pixels", fontsize=8)
    curves[0].legend(fontsize=6, loc="lower left")
    figure.savefig(path, dpi=80)


def classes(data: SimulatedMaps) -> None:
    """Print how well a linear classifier knows the class from the mean of every energy bin, of maps on all of the usual slices."""
    from scipy.special import log_softmax

    usual = np.isfinite(data.windows[:, :, 0]).all(axis=1) & (data.material < len(data.own))
    same = np.all(data.windows == data.windows[np.flatnonzero(usual)[0]], axis=(1, 2))
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(usual & same))[:MOST]
    sums, material = np.array([np.nanmean(data.intensity[i].astype(np.float32), axis=(1, 2)) for i in chosen]), data.material[chosen]
    tops = np.array([data.slices(chosen[0]).centres[one > 0.02 * one.max()].max() for one in sums])
    for name, features in (
        ("the largest energy with intensity", tops[:, None]),
        ("the mean intensity of every energy bin", np.log(sums + 1e-3)),
    ):
        x = (features - features.mean(0)) / (features.std(0) + 1e-9)
        x = np.concatenate((x, np.ones((len(x), 1))), axis=1)
        order = np.random.default_rng(0).permutation(len(x))
        train, test = order[::2], order[1::2]
        truth = np.eye(len(data.own))[material]
        weights = np.zeros((x.shape[1], truth.shape[1]))
        for _ in range(3000):  # gradient descent on the cross-entropy, a little ridge
            weights += 0.1 * (x[train].T @ (truth[train] - np.exp(log_softmax(x[train] @ weights, axis=1))) / len(train) - 1e-3 * weights)
        right = np.mean((x[test] @ weights).argmax(axis=1) == material[test])
        print(f"{name}: {right:.2f} of {len(test)} maps right; by guessing {1 / len(data.own):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measured", type=Path, help="folder with measured.npz and detector_gaps.npz of PCSMO")
    parser.add_argument("--data", type=Path, help="folder to keep the simulated maps in")
    parser.add_argument("--picture", type=Path, help="file to draw both into")
    parser.add_argument("--classes", type=Path, help="data set kept by a training: what a class is known by without looking at momenta")
    options = parser.parse_args()
    if options.classes:
        classes(opened(options.classes))
    if options.measured is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        data, recipe = simulated(load_recipe("pcsmo-classifier"), options.data or Path(folder))
        gaps = options.measured / "detector_gaps.npz"
        measured = load(options.measured / "measured.npz", material="pcsmo", mask=gaps)
        compare(measured, data, recipe)
        if options.picture:
            draw(measured, data, recipe, options.picture)


if __name__ == "__main__":
    main()
