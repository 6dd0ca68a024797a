"""How sure is a comparison of two magnets? Its significance on simulated maps beside the truth.

    python benchmarks/calibrate_comparison.py [--number N] [--pcsmo N] [--nonsense] [--seed S] [--processes N]

Each map shows one of two magnets, in turn. By default they are two square lattices: one with next-nearest neighbours (J2 from 0.03 to 0.1
meV, D from -0.01 to 0), one with anisotropy (J2 from -0.02 to 0.02, D from -0.05 to -0.02), both with J1 from 0.4 to 0.9, in ten windows
from 1 to 7 meV at Ei = 15 meV, on 20 x 20 pixels: a second a map. With --pcsmo they are the Goodenough and the Dimer model of PCSMO, at the
published constants times a factor of 0.7 to 1.3 each, at one to three of the incident energies 25, 50 and 100 meV in ten windows each: some
ten seconds a map. Detector gaps, a flat background, and the mean number of neutrons in a pixel, from 0.03 to 10, are drawn, so that many
maps cannot tell. Two of three have something that no fit describes: intensities that are wrong by a factor of their own, 20 %, in each
window, and, of up to half the mean intensity, a gradient across the map, a powder ring or a cone of phonons. Both magnets are fitted (those
of PCSMO from the published constants) and compared (`mantid_insdl.fitting.compare`).

A line is printed for each map. In the end: the slope of the logarithm of the odds against the significance by logistic regression, and the
same for Vuong's z, with standard errors and the mean log-loss of each; how often the verdict is right, wrong, or none, and why; both for
all maps and for those that hold nothing a fit does not describe. With --nonsense the two square lattices are compared on maps that show
neither (`benchmarks/nonsense.py`), and the verdict of each is printed.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
from nonsense import nonsense
from one_core_each import one_core_each
from scipy.optimize import minimize_scalar

from mantid_insdl.errors import InstabilityError
from mantid_insdl.fitting.compare import compare
from mantid_insdl.fitting.results import NONE_OF_THESE, UNDECIDED, Comparison
from mantid_insdl.instrument.gaps import DetectorLayout
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.materials import Material, load_material
from mantid_insdl.simulation.slices import simulate

PCSMO_EI = (25.0, 50.0, 100.0)
PIXELS = 20
NEUTRONS = (0.03, 10.0)
FACTOR = (0.7, 1.3)
WRONG = 0.2
SQUARE = {
    "frustrated": {"J1": (0.4, 0.9), "J2": (0.03, 0.1), "D": (-0.01, 0.0)},
    "anisotropic": {"J1": (0.4, 0.9), "J2": (-0.02, 0.02), "D": (-0.05, -0.02)},
}
"""Names and ranges."""


def square(name: str) -> Material:
    """Rb2MnF4 with ranges of `SQUARE`."""
    content = load_material("rb2mnf4").model_dump() | {"name": name}
    ranges = SQUARE[name]
    for parameter in content["parameters"]:
        low, high = ranges[parameter["name"]]
        parameter |= {"value": 0.5 * (low + high), "low": low, "high": high}
    return Material.model_validate(content)


def values_of(material: Material, rng: np.random.Generator) -> dict[str, float]:
    if material.family == "pcsmo":
        return {name: value * rng.uniform(*FACTOR) for name, value in material.defaults.items()}
    return {p.name: rng.uniform(p.low, p.high) for p in material.parameters}


def slices_of(material: Material, rng: np.random.Generator) -> Slices:
    if material.family == "pcsmo":
        ei = np.sort(rng.choice(PCSMO_EI, rng.integers(1, 4), replace=False))
        return Slices.from_bins(ei, [np.linspace(0.1 * e, 0.7 * e, 11) for e in ei])
    return Slices.from_bins([15.0], [np.linspace(1.0, 7.0, 11)])


def drawn(material: Material, rng: np.random.Generator, *, clean: bool) -> Map:
    """A measurement of a material."""
    axes = {name: Axis(name, RLU, np.linspace(-1, 1, PIXELS)) for name in ("qh", "qk")}
    slices = slices_of(material, rng)
    while True:
        try:
            expected = simulate(material, values_of(material, rng), slices=slices, **axes)
            break
        except InstabilityError:
            continue
    signal = np.nan_to_num(expected.intensity)
    for group in slices.groups_by_ei():
        signal[group] /= signal[group].mean()
    if not clean:
        signal *= np.exp(WRONG * rng.normal(size=(slices.size, 1, 1)))
        signal += rng.uniform(0, 0.5) * undescribed(expected, rng)
    signal += rng.uniform(0.05, 0.5)  # a flat background
    neutrons = np.exp(rng.uniform(*np.log(NEUTRONS)))
    gaps = DetectorLayout.random(rng).gaps(slices, axes["qh"], axes["qk"], material.in_plane_reciprocal)
    return expected.replace(intensity=rng.poisson(neutrons * signal) / neutrons, mask=expected.mask | gaps)


def undescribed(m: Map, rng: np.random.Generator) -> np.ndarray:
    """Intensity of mean 1 that is no spin wave."""
    h, k = np.meshgrid(*(axis.centres for axis in m.axes), indexing="ij")
    energy = (m.slices.centres / m.slices.energy_max.max())[:, None, None]
    kind = rng.integers(3)
    if kind == 0:
        shape = 2 + np.cos(rng.uniform(0, 2 * np.pi)) * h + np.sin(rng.uniform(0, 2 * np.pi)) * k + 0 * energy
    elif kind == 1:
        shape = np.exp(-0.5 * ((np.hypot(h, k) - rng.uniform(0.3, 1)) / 0.06) ** 2) + 0 * energy
    else:
        from_integer = np.hypot(h - np.round(h), k - np.round(k))
        shape = np.exp(-0.5 * ((energy - rng.uniform(0.8, 1.6) * from_integer) / 0.08) ** 2) * (0.2 + h**2 + k**2)
    return shape / shape.mean()


def signed(comparison: Comparison) -> tuple[float, float]:
    """Significance and Vuong's z in favour of the first model."""
    (contest,) = comparison.contests
    sign = 1.0 if comparison.best.material == comparison.materials[0] else -1.0
    return sign * contest.significance, sign * contest.z


def logistic(x: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Slope without an offset, its standard error, and the mean log-loss."""

    def loss(slope: float) -> float:
        return float(np.mean(np.logaddexp(0, -np.where(truth, 1, -1) * slope * x)))

    found = minimize_scalar(loss, bounds=(0, 20), method="bounded")
    p = 1 / (1 + np.exp(-found.x * x))
    return found.x, float(1 / np.sqrt(np.sum(p * (1 - p) * x**2))), found.fun


def summary(rows: list[tuple[bool, bool, Comparison]]) -> None:
    truth = np.array([first for _, first, _ in rows])
    for name, x in zip(("significance", "z"), np.array([signed(one) for *_, one in rows]).T, strict=True):
        slope, error, loss = logistic(x, truth)
        print(f"  odds against {name}: slope {slope:.2f} +- {error:.2f}, mean log-loss {loss:.3f}")
    named = [(one.materials[not first], one) for _, first, one in rows]
    right = sum(one.verdict == true for true, one in named)
    undecided, none = (sum(one.verdict == what for _, one in named) for what in (UNDECIDED, NONE_OF_THESE))
    mixed = sum("mixture" in one.warnings[-1] for _, one in named if one.verdict == NONE_OF_THESE)
    wrong = len(rows) - right - undecided - none
    print(f"  verdict right {right}, wrong {wrong}, undecided {undecided}, none of these {none} ({mixed} as a mixture), of {len(rows)}")


def nonsensical(models: list[Material], seed: int) -> None:
    rng = np.random.default_rng(seed)
    verdicts = []
    for name, m in nonsense(drawn(models[0], rng, clean=True), models[0].family):
        found = compare(m, models, start={one.name: {} for one in models})
        verdicts.append(found.verdict)
        print(f"{name:45} {found.verdict:17} {max(found.probabilities):6.3f} unexplained {found.evidence.unexplained:5.2f}", flush=True)
    given = sum(one not in (UNDECIDED, NONE_OF_THESE) for one in verdicts)
    print(f"{given} of {len(verdicts)} get a verdict; {verdicts.count(NONE_OF_THESE)} are none of these")


def compared(models: list[Material], seed: int, number: int) -> tuple[bool, bool, Comparison]:
    """Whether the map of this number holds nothing but what a fit describes, whether it shows the first model, and the comparison."""
    rng = np.random.default_rng((seed, number))
    first, clean = number % 2 == 0, number % 3 == 0
    start = {one.name: {} for one in models} if models[0].family == "pcsmo" else None
    return clean, first, compare(drawn(models[not first], rng, clean=clean), models, start=start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=150, help="maps of square lattices")
    parser.add_argument("--pcsmo", type=int, metavar="N", help="maps of PCSMO, in place of those of square lattices")
    parser.add_argument("--seed", type=int, default=9)
    parser.add_argument("--nonsense", action="store_true")
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    models = [load_material(f"pcsmo-{name}") for name in ("goodenough", "dimer")] if arguments.pcsmo else [square(name) for name in SQUARE]
    if arguments.nonsense:
        return nonsensical(models, arguments.seed)
    rows = []
    task = partial(compared, models, arguments.seed)
    for number, row in enumerate(one_core_each(task, range(arguments.pcsmo or arguments.number), arguments.processes)):
        rows.append(row)
        clean, first, found = row
        (contest,) = found.contests
        print(
            f"{number:4} {'clean' if clean else '':5} {models[not first].name:17} {found.verdict:17} significance {signed(found)[0]:6.2f} "
            f"z {signed(found)[1]:6.2f} share {contest.share:6.2f} +- {contest.share_error:5.2f} unexplained "
            f"{found.evidence.unexplained:5.2f} +- {found.evidence.uncertainty:4.2f} {sum(fit.seconds for fit in found.fits):4.1f} s",
            flush=True,
        )
    for title, chosen in (("all", rows), ("nothing but what a fit describes", [row for row in rows if row[0]])):
        print(f"{title}:")
        summary(chosen)


if __name__ == "__main__":
    main()
