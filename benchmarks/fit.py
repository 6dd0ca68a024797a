"""How good are fits: coverage of error bars, error against the Cramer-Rao bound, starts that reach the best minimum, time and memory.

    python benchmarks/fit.py coverage MATERIAL [--maps N] [--counts FACTOR] [--foreign] [--seed SEED] [--data FOLDER] [--json FILE]
                                      [--processes N]
    python benchmarks/fit.py starts MATERIAL [--maps N] [--data FOLDER] [--model BUNDLE] [--processes N]
                                      [--processes N] [--network BUNDLE]
    python benchmarks/fit.py starts MATERIAL [--maps N] [--data FOLDER] [--processes N]
    python benchmarks/fit.py speed [--pyspinw PYTHON] [--only FIT]
    python benchmarks/fit.py measured FOLDER

coverage: N simulated measurements of a material, each of other parameters, scales, backgrounds, energy width and power of kf/ki, are fitted
from a start as far off as a network's; printed is how often the truth is within the 68 % and the 90 % interval, the error bars and the
rms error against the Cramer-Rao bound (scales, backgrounds and nuisances free; the rms is a robust one), and the time. One neutron counts
what it does in the measured maps of PCSMO at 25, 50 and 100 meV, over FACTOR. With --foreign the maps have in them what the fit does not
model: a ring as of phonons of a powder, a gradient across the map, lines that grow with energy, unequal twins. With the FOLDER of the
measured data (pcsmo) their detector gaps are used. A map is the same whatever their number and that of the processes.
With the BUNDLE of an exchange network the same of what that says of these maps, alone.

starts: how many of N such maps end in the best minimum from one blind start (the middle of the ranges), from the draws of `fit`, and from a
start as far off as a network's; with the time of each. With the BUNDLE of an exchange network also from what that says of the map: its
values, its draws and the published values, as `insdl.fit_exchange` with a refinement does it.

speed: processor seconds and memory of fits of a square-lattice map and of six-Ei PCSMO maps on one core, and of the same number of maps by
pySpinW's compiled core, at the centres of pixels and without form factors: extrapolated from the time of one.

measured: of the FOLDER with pcsmo/ and la2nio4/, PCSMO at three incident energies by all and by parts of the data, and La2NiO4 with and
without its background, and thinned to fewer counts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from one_core_each import one_core_each
from spin_waves import bare, map_momenta, pyspinw

from mantid_insdl import load
from mantid_insdl.analysis import fit_exchange
from mantid_insdl.analysis.estimate import estimate
from mantid_insdl.analysis.refinement import starts_of
from mantid_insdl.fitting.calculation import Calculation, calculation_for
from mantid_insdl.fitting.likelihood import Likelihood
from mantid_insdl.fitting.refine import fit as fit_map
from mantid_insdl.fitting.refine import fit_calculation
from mantid_insdl.fitting.results import Fit
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.materials import load_material, zener
from mantid_insdl.networks.bundles import load_bundle
from mantid_insdl.networks.preparation import prepare
from mantid_insdl.progress import ignore_progress
from mantid_insdl.simulation.slices import simulate

NEUTRON = {25.0: 3.0, 50.0: 0.83, 100.0: 0.45}
"""Intensity of one neutron in the measured maps, by the slope of variance against mean (`mantid_insdl.fitting.uncertainty`)."""
MEAN = {25.0: 4.4, 50.0: 2.9, 100.0: 1.3}
"""Mean intensity of a known pixel there."""
POLARONS = {
    "pcsmo-zener, parallel": {"JFU": -5.0, "JFD": -1.0, "JA": 0.3, "Jperp": 0.9, "D": 0.05},
    "pcsmo-zener, spiral": {"JFU": -5.0, "JFD": -1.0, "JA": 1.0, "Jperp": 0.9, "D": 0.05},
}
"""Zener polarons in two of their orders."""
AWAY = 0.05
"""Standard deviation of a start about the truth, in widths of a range: as far as the networks are off."""


@dataclass(frozen=True, eq=False)
class Trial:
    """A simulated measurement: the truth by name, the map, and the variance and the noiseless intensity of its pixels."""

    truth: dict[str, float]
    map: Map
    expected: np.ndarray
    variance: np.ndarray


def grid(material: str, data: Path | None) -> Map:
    """An empty map as measured: three incident energies with ten windows each; for square-lattice magnets one with eight."""
    q = np.linspace(-0.975, 0.975, 40)
    if not material.startswith("pcsmo"):
        slices = Slices.from_bins([10.0], [np.arange(1.0, 9.1)])
        mask = np.zeros((8, 40, 40), bool)
    else:
        edges = [np.linspace(0.1 * ei, 0.7 * ei, 11) for ei in NEUTRON]
        slices = Slices.from_bins(list(NEUTRON), edges)
        mask = np.zeros((30, 40, 40), bool)
        if data is not None:
            mask = load(data / "measured.npz", material="pcsmo", mask=data / "detector_gaps.npz").mask
    axes = (Axis("qh", RLU, q), Axis("qk", RLU, q))
    return Map(intensity=np.where(mask, np.nan, 1.0), axes=axes, slices=slices, material=material)


def draw(calculation: Calculation, rng: np.random.Generator, counts: float, foreign: bool) -> Trial:
    """One simulated measurement, of parameters within a quarter of the range about the published ones."""
    material = calculation.material
    while True:
        reach = [min(0.25 * (p.high - p.low), abs(p.value - p.low), abs(p.high - p.value)) for p in material.parameters]
        values = np.array([p.value + r * rng.uniform(-1, 1) for p, r in zip(material.parameters, reach, strict=True)])
        nuisances = {
            "width": np.exp(0.1 * rng.normal()),
            "blur": 0.6,
            "flux": rng.choice([0.0, 1.0]) if rng.random() < 0.7 else rng.uniform(),
        }
        if foreign:
            nuisances |= {"twin": rng.uniform(0.4, 0.6)}
        row = np.array([nuisances.get(n.name, n.value) for n in calculation.nuisances.values()])
        images, stable = calculation.images(values[None], row[None])
        if stable[0]:
            break
    likelihood = Likelihood(calculation)  # of interchangeable parameters the larger are named first
    values = likelihood.by_convention(np.concatenate([values, likelihood.start[values.size :]]))[: values.size]
    if foreign:  # a width that grows with energy: part of each line lies where one of twice the width has it
        wide = row.copy()
        wide[list(calculation.nuisances).index("width")] *= 2
        share = 0.5 * calculation.energy / calculation.ei
        images = (1 - share) * images + share * calculation.images(values[None], wide[None])[0]
    expected, neutron = np.empty(images.shape[1]), np.empty(images.shape[1])
    for group in calculation.groups:
        ei = float(calculation.ei[group[0]])
        mean = MEAN.get(ei, 3.0) * np.exp(0.3 * rng.normal())
        signal = images[0, group]
        q = calculation.q_squared[group] / calculation.q_squared[group].max()
        e = calculation.energy[group] / ei
        level = 0.3 * mean * rng.uniform(0.3, 1) * np.ones(group.size)
        level = level * (1 + rng.uniform(0, 1) * q + rng.uniform(-0.5, 0.5) * e)
        expected[group] = mean * signal / signal.mean() + level
        neutron[group] = NEUTRON.get(ei, 1.0)
        if foreign:
            radius = 0.5 + 0.4 * np.sin(np.pi * np.minimum(e, 1))
            expected[group] += 0.3 * mean * np.exp(-0.5 * ((np.sqrt(q) - radius) / 0.05) ** 2)
            h = calculation.map.axes[0].centres[np.nonzero(calculation.known)[1][group]]
            expected[group] += 0.1 * mean * (1 + h)
    neutron = neutron / counts
    noisy = rng.poisson(expected / neutron) * neutron
    truth = dict(zip(material.defaults, values, strict=True)) | {k: float(v) for k, v in nuisances.items()}
    return Trial(truth, calculation.map.replace(intensity=calculation.full(noisy)), expected, expected * neutron)


def bound(calculation: Calculation, trial: Trial) -> dict[str, float]:
    """Cramer-Rao bound of each parameter: standard deviations with scales, backgrounds, width and power of kf/ki free."""
    likelihood = Likelihood(calculation)
    theta = likelihood.theta({name: trial.truth[name] for name in likelihood.names})
    likelihood.data, likelihood.sigma = trial.expected, np.sqrt(trial.variance)
    (point,) = likelihood.points(theta[None])
    rows = likelihood.design(point, likelihood.slopes(point)) / likelihood.sigma
    information = rows @ rows.T
    prior = np.zeros(len(rows))
    prior[: len(theta)] = 1 / np.where(np.isfinite(likelihood.deviation), likelihood.deviation, likelihood.flat_deviation) ** 2
    covariance = np.linalg.pinv(information + np.diag(prior), hermitian=True)
    return dict(zip(likelihood.names, np.sqrt(np.diag(covariance)), strict=False))


def covered(arguments: argparse.Namespace, number: int) -> dict:
    """The fit of one trial: its parameters' errors, error bars and bounds."""
    rng = np.random.default_rng((arguments.seed, number))
    empty = calculation_for(grid(arguments.material, arguments.data), arguments.material)
    trial = draw(empty, rng, arguments.counts, arguments.foreign)
    start = {p.name: trial.truth[p.name] + AWAY * (p.high - p.low) * rng.normal() for p in empty.material.parameters}
    begin = time.perf_counter()
    found = fit_calculation(calculation_for(trial.map, arguments.material), start=start)
    seconds, bounds = time.perf_counter() - begin, bound(empty, trial)
    rows = {n: (found.values[n] - trial.truth[n], found.errors[n], bounds[n]) for n in empty.material.defaults}
    if arguments.network:
        begin = time.perf_counter()
        said = fit_exchange(trial.map.replace(material=empty.material.family), arguments.network)
        by_name = dict(zip(said.names, zip(said.values, said.errors, strict=True), strict=True))
        alone = {n: (by_name[n][0] - trial.truth[n], by_name[n][1], bounds[n]) for n in empty.material.defaults}
        rows["network"] = {"seconds": time.perf_counter() - begin, "answered": said.in_range, **alone}
    return {"seconds": seconds, "truth": trial.truth, **rows, "model_error": found.model_error, "error_scale": found.error_scale}


def coverage(arguments: argparse.Namespace) -> None:
    names = list(load_material(arguments.material).defaults)
    trials = []
    for number, trial in enumerate(one_core_each(partial(covered, arguments), range(arguments.maps), arguments.processes)):
        trials.append(trial)
        print(f"{number:3d} {trial['seconds']:6.1f} s  " + "  ".join(f"{n} {trial[n][0] / trial[n][1]:5.1f}" for n in names), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(trials))
    table(trials, names)
    if arguments.network:
        alone = [trial["network"] for trial in trials]
        print(
            f"\nthe network alone, which calls {sum(one['answered'] for one in alone)} of them an answer (one second more, the first time):"
        )
        table(alone, names)


def table(trials: list[dict], names: list[str]) -> None:
    print(f"\n{len(trials)} maps, median {np.median([t['seconds'] for t in trials]):.1f} s a fit")
    print(f"{'':8}{'within 68 %':>12}{'within 90 %':>12}{'bias/bar':>10}{'bar/bound':>11}{'rms/bound':>11}")
    inside = []
    for name in names:
        error, bar, least = np.array([t[name] for t in trials]).T
        inside.append((np.abs(error) < bar, np.abs(error) < 1.645 * bar))
        print(
            f"{name:8}{inside[-1][0].mean():12.2f}{inside[-1][1].mean():12.2f}{np.mean(error / bar):10.2f}{np.median(bar / least):11.2f}"
            f"{np.sqrt(np.median((error / least) ** 2) / 0.4549):11.2f}"
        )
    one, two = (np.mean([pair[which] for pair in inside]) for which in (0, 1))
    print(f"{'all':8}{one:12.2f}{two:12.2f}")


def is_at(one: Fit, best: Fit) -> bool:
    """Whether a fit ended in the minimum of `best`: all parameters within a bar of it."""
    return all(abs(one.values[n] - value) < best.errors[n] for n, value in best.values.items())


def started(arguments: argparse.Namespace, number: int) -> dict[str, Fit]:
    """The fits of one trial by where they start."""
    rng = np.random.default_rng((arguments.seed, number))
    empty = calculation_for(grid(arguments.material, arguments.data), arguments.material)
    parameters, trial = empty.material.parameters, draw(empty, rng, 1.0, False)
    calculation = calculation_for(trial.map, arguments.material)
    begins = {
        "middle": {p.name: 0.5 * (p.low + p.high) for p in parameters},
        "draws": None,
        "near": {p.name: trial.truth[p.name] + AWAY * (p.high - p.low) * rng.normal() for p in parameters},
    }
    if arguments.model:
        bundle = load_bundle(arguments.model)
        begins["network"] = starts_of(estimate(bundle, prepare(trial.map, bundle.card), ignore_progress))
    return {kind: fit_calculation(calculation, start=begin) for kind, begin in begins.items()}


def starts(arguments: argparse.Namespace) -> None:
    trials = []
    for trial in one_core_each(partial(started, arguments), range(arguments.maps), arguments.processes):
        trials.append(trial)
        best = max(trial.values(), key=lambda one: one.log_likelihood)
        said = "  ".join(f"{kind}: {'best' if is_at(one, best) else 'other'}, {one.seconds:.1f} s" for kind, one in trial.items())
        print(f"{len(trials) - 1:3d} {said}", flush=True)
    print(f"{'start':10}{'best minimum':>14}{'median s':>10}   of {len(trials)} maps; all parameters within a bar of the best fit's")
    best = [max(trial.values(), key=lambda one: one.log_likelihood) for trial in trials]
    for kind in trials[0]:
        reached = sum(is_at(trial[kind], one) for trial, one in zip(trials, best, strict=True))
        print(f"{kind:10}{reached:14d}{np.median([trial[kind].seconds for trial in trials]):10.1f}")


def speed(arguments: argparse.Namespace) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(f"{'fit':44}{'processor s':>12}{'maps':>7}{'peak MB':>9}{'pySpinW, s':>12}{'times ours':>12}")
    six = [25.0, 35.0, 50.0, 70.0, 100.0, 140.0]
    q = np.linspace(-0.975, 0.975, 40)
    slices = Slices.from_bins(six, [np.linspace(0.1, 0.7, 11) * ei for ei in six])
    axes = (Axis("qh", RLU, q), Axis("qk", RLU, q))
    polarons = {order: zener.in_ground_state(values) for order, values in POLARONS.items()}
    shown = {"rb2mnf4": load_material("rb2mnf4"), **{name: load_material(name) for name in ("pcsmo-goodenough", "pcsmo-dimer")}, **polarons}
    for title, material in shown.items() if arguments.only is None else [(arguments.only, shown[arguments.only])]:
        name, windows = material.name, grid("rb2mnf4", None).slices if title == "rb2mnf4" else slices
        m = simulate(material, slices=windows, qh=axes[0], qk=axes[1], counts=2e5, background=0.01, seed=1)
        near = {p.name: p.value + 0.02 * (p.high - p.low) for p in material.parameters}
        for kind, start in (("from a network's values", near), ("from draws", None)):
            begin = time.process_time()
            fit = fit_map(m, name, start=start)
            seconds = time.process_time() - begin
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            row = f"{title + ', ' + kind:44}{seconds:12.1f}{fit.evaluations:7d}{memory:9.0f}"
            if arguments.pyspinw and material.spiral is None:
                one, *_ = pyspinw(arguments.pyspinw, bare(material.model), material.defaults, map_momenta(material, windows, q), repeats=1)
                row += f"{one * fit.evaluations:12.0f}{one * fit.evaluations / seconds:12.0f}"
            print(row, flush=True)


def measured(arguments: argparse.Namespace) -> None:
    folder = arguments.folder
    m = load(folder / "pcsmo" / "measured.npz", material="pcsmo", mask=folder / "pcsmo" / "detector_gaps.npz")
    names = list(load_material("pcsmo-goodenough").defaults)
    print(f"{'PCSMO, Goodenough':22}" + "".join(f"{n:>16}" for n in names) + f"{'chi2':>8}{'model error':>12}{'s':>6}")

    def show(label: str, fit: Fit) -> None:
        values = "".join(f"{f'{one.value:.3f}({one.error:.3f})' + '?' * (not one.determined):>16}" for one in fit.parameters)
        print(f"{label:22}{values}{fit.chi_squared:8.2f}{fit.model_error:12.2f}{fit.seconds:6.0f}", flush=True)

    for part in ((25, 50, 100), (25, 100), (50,), (25, 50), (100,), (50, 100), (25,)):
        chosen = m.select(np.flatnonzero(np.isin(m.slices.ei, part)))
        show("Ei " + " + ".join(f"{ei}" for ei in part), fit_map(chosen, "pcsmo-goodenough", start={}))
    show("all, full", fit_map(m, "pcsmo-goodenough", start={}, effort="full"))
    print(f"{'published':22}" + "".join(f"{value:>16.3f}" for value in load_material("pcsmo-goodenough").defaults.values()))
    cut = load(folder / "la2nio4" / "path_a.npz", material="la2nio4")
    with np.load(folder / "la2nio4" / "path_a.npz") as file:
        clean = cut.replace(intensity=file["intensity_background_subtracted"].T)
    print(f"\n{'La2NiO4':22}{'J1':>16}{'J2':>16}{'chi2':>8}{'model error':>12}{'s':>6}")
    show("as measured", fit_map(cut, "la2nio4"))
    show("background subtracted", fit_map(clean, "la2nio4"))
    rng = np.random.default_rng(arguments.seed)
    for counts in (20_000, 10_000, 5_000, 2_000):
        thin = rng.poisson(np.maximum(cut.intensity, 0) * counts / np.nansum(np.maximum(cut.intensity, 0)))
        show(f"{counts} counts", fit_map(cut.replace(intensity=thin.astype(float)), "la2nio4"))
    print(f"{'published':22}{29.0:>16.2f}{1.67:>16.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(required=True)
    one = kinds.add_parser("coverage")
    one.set_defaults(run=coverage)
    one.add_argument("material")
    one.add_argument("--maps", type=int, default=40)
    one.add_argument("--counts", type=float, default=1.0)
    one.add_argument("--foreign", action="store_true")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--data", type=Path)
    one.add_argument("--json", type=Path)
    one.add_argument("--processes", type=int, default=1)
    one.add_argument("--network", metavar="BUNDLE")
    two = kinds.add_parser("starts")
    two.set_defaults(run=starts)
    two.add_argument("material")
    two.add_argument("--maps", type=int, default=20)
    two.add_argument("--seed", type=int, default=1)
    two.add_argument("--data", type=Path)
    two.add_argument("--processes", type=int, default=1)
    two.add_argument("--model", metavar="BUNDLE")
    three = kinds.add_parser("speed")
    three.set_defaults(run=speed)
    three.add_argument("--pyspinw", metavar="PYTHON")
    three.add_argument("--only", metavar="FIT")
    four = kinds.add_parser("measured")
    four.set_defaults(run=measured)
    four.add_argument("folder", type=Path)
    four.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
