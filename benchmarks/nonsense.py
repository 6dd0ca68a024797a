"""What is answered for maps that show no spin wave of the models, and for maps that must keep their answer.

Run ``python benchmarks/nonsense.py`` (about ten minutes on two cores). With ``--measured DIR`` the measured PCSMO map
(``DIR/measured.npz``, ``DIR/detector_gaps.npz``) is used beside simulated ones. Printed is, for every kind of map, whether the networks
alone (`classify`, in a fraction of a second) answer and whether an answer is given where a simulation has to confirm it
(`classify_and_estimate`, as in ``insdl analyse``); the first part of the table should be few and none, the second nearly all.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates

from mantid_insdl.analysis import Classification, ExchangeFit, classify, fit_exchange
from mantid_insdl.analysis.classify import classify_and_estimate
from mantid_insdl.analysis.estimate import ask_constants
from mantid_insdl.errors import InstabilityError, UnsuitableMapError
from mantid_insdl.files import load
from mantid_insdl.instrument.gaps import DetectorLayout
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.networks.preparation import open_question
from mantid_insdl.networks.preprocessing import incident_energy_groups
from mantid_insdl.simulation.slices import simulate

PCSMO_EI = (25.0, 50.0, 100.0)
RB2MNF4_WINDOWS = tuple((e, e + 1.0) for e in range(1, 8))
MATERIALS = {"pcsmo": ("pcsmo-goodenough", "pcsmo-dimer", "pcsmo-zener"), "rb2mnf4": ("rb2mnf4",)}
FOREIGN = {
    "pcsmo": {"example-kagome": {}, "example-triangular": {}, "rb2mnf4": {}, "la2nio4": {}},
    "rb2mnf4": {
        "la2nio4": {},
        "rb2mnf4 with J1 of LaSrCrO4": {"J1": 11.0, "J2": 0.4, "D": -0.02},
        "rb2mnf4 with J1 = 3": {"J1": 3.0, "J2": 0.0, "D": -0.01},
        "rb2mnf4 with J2 = J1 / 3": {"J1": 0.65, "J2": 0.22, "D": -0.05},
        "pcsmo-goodenough": {},
        "example-kagome": {},
        "example-triangular": {},
    },
}


# ---- nonsense


def nonsense(m: Map, family: str, seed: int = 0) -> Iterator[tuple[str, Map]]:
    """Maps on the axes and slices of `m` that show none of the family's spin waves; those made from `m` keep its intensities."""
    yield from _rearranged(m, seed)
    yield from _shapes(m, seed)
    yield from _other_magnets(m, family, seed)


def _rearranged(m: Map, seed: int) -> Iterator[tuple[str, Map]]:
    rng = np.random.default_rng(seed)
    groups = incident_energy_groups(m.slices)
    every = np.arange(m.slices.size)

    def moved(source: np.ndarray) -> Map:
        return m.replace(intensity=m.intensity[source], mask=m.mask[source])

    if max(g.size for g in groups) > 2:
        source = every.copy()
        for g in groups:
            source[g] = g[::-1]
        yield "energies reversed within each Ei", moved(source)
        for g in groups:
            source[g] = rng.permutation(g)
        yield "energies permuted within each Ei", moved(source)
        for g in groups:
            source[g] = np.roll(g, g.size // 2)
        yield "energies rolled by half of each Ei", moved(source)
    if len(groups) > 1 and len({g.size for g in groups}) == 1:
        source = every.copy()
        for g, other in zip(groups, [*groups[1:], groups[0]], strict=True):
            source[g] = other
        yield "incident energies exchanged", moved(source)
        yield "energies permuted over all Ei", moved(rng.permutation(every))
    for factor in (0.5, 0.8, 1.25):
        yield f"momentum scaled by {factor}", momentum_warped(m, factor * np.eye(2))
    for degrees in (20.0, 45.0):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        yield f"momentum rotated by {degrees:g} degrees", momentum_warped(m, np.array([[c, s], [-s, c]]))
    yield "momentum shifted by (0.25, 0.1)", momentum_warped(m, np.eye(2), (0.25, 0.1))
    known = ~m.mask
    upside_down = m.intensity.copy()
    for g in groups:
        upside_down[g] = np.quantile(m.intensity[g][known[g]], 0.99) - m.intensity[g]
    yield "intensity upside down", m.replace(intensity=np.maximum(upside_down, 0), mask=m.mask)
    shuffled = m.intensity.copy()
    for one, good in zip(shuffled, known, strict=True):
        one[good] = rng.permutation(one[good])
    yield "pixels of each slice shuffled", m.replace(intensity=shuffled, mask=m.mask)


def momentum_warped(m: Map, matrix: np.ndarray, shift: tuple[float, float] = (0.0, 0.0)) -> Map:
    """The map whose pixel q shows what `m` has at ``matrix @ q + shift``; masked where `m` has nothing."""
    qh, qk = m.axes
    q = np.stack(np.meshgrid(qh.centres, qk.centres, indexing="ij"))
    source = np.einsum("ab,bij->aij", matrix, q) + np.reshape(shift, (2, 1, 1))
    index = [np.interp(s, a.centres, np.arange(a.size), left=-9, right=-9) for s, a in zip(source, m.axes, strict=True)]
    warped = np.stack([map_coordinates(np.nan_to_num(one), index, order=1, cval=np.nan) for one in m.intensity])
    lost = np.stack([map_coordinates(one.astype(float), index, order=0, cval=1.0) for one in m.mask]) > 0.5
    return m.replace(intensity=warped, mask=lost | np.isnan(warped))


def _shapes(m: Map, seed: int) -> Iterator[tuple[str, Map]]:
    rng = np.random.default_rng(seed)
    qh, qk = (a.centres for a in m.axes)
    h, k = np.meshgrid(qh, qk, indexing="ij")
    q = np.hypot(h, k)
    energy = m.slices.centres[:, None, None]
    flat = np.ones(m.shape)
    width = 0.5 * (m.slices.energy_max - m.slices.energy_min)[:, None, None]

    def counted(shape: np.ndarray, neutrons: float = 5.0) -> Map:
        return m.replace(intensity=rng.poisson(neutrons * np.maximum(shape, 0) / np.mean(shape)).astype(float), mask=m.mask)

    yield "smooth gradient, the same in all slices", counted((2 + h + 0.5 * k) * flat)
    yield "smooth gradient without noise", m.replace(intensity=(2 + h + 0.5 * k) * flat, mask=m.mask)
    yield "one blob, the same in all slices", counted(0.1 + np.exp(-(q**2) / 0.1) * flat)
    at = rng.uniform(-1, 1, (2, m.slices.size, 1, 1))
    yield "a blob elsewhere in each slice", counted(0.1 + np.exp(-((h - at[0]) ** 2 + (k - at[1]) ** 2) / 0.05))
    yield "blobs at half-integer points", counted(0.1 + np.cos(np.pi * h) ** 8 * np.sin(np.pi * k) ** 8 + 0 * flat)
    from_integer = np.hypot(h - np.round(h), k - np.round(k))
    top = float(m.slices.energy_max.max())
    for slope, name in ((1.6, "steep"), (0.8, "gentle")):
        cone = np.exp(-0.5 * ((energy - slope * top * from_integer) / np.maximum(width, 0.05 * top)) ** 2)
        yield f"acoustic phonons, {name}", counted(0.05 + cone * (0.2 + q**2))
    optic = sum(np.exp(-0.5 * ((energy - level * top) / np.maximum(width, 0.03 * top)) ** 2) for level in (0.3, 0.6))
    yield "optic phonons", counted(0.1 + optic * q**2)
    yield "powder rings", counted(0.1 + np.exp(-0.5 * ((q - 0.4) / 0.05) ** 2) + np.exp(-0.5 * ((q - 0.9) / 0.05) ** 2) + 0 * flat)
    yield "powder rings that move with energy", counted(0.1 + np.exp(-0.5 * ((q - 0.2 - 0.8 * energy / top) / 0.05) ** 2))
    yield "counting noise", counted(flat)
    yield "Gaussian noise", m.replace(intensity=rng.normal(0.2, 1, m.shape), mask=m.mask)
    yield "constant", m.replace(intensity=flat, mask=m.mask)
    checks = (np.arange(qh.size)[:, None] // 5 + np.arange(qk.size) // 5) % 2
    yield "checkerboard", counted(0.1 + checks * flat)
    yield "stripes", counted(1.1 + np.sin(2 * np.pi * 3 * h) * flat)
    lattice = rng.normal(size=(m.slices.size, 6, 6))
    i, j = np.linspace(0, 5, qh.size)[:, None] + 0 * h, np.linspace(0, 5, qk.size)[None] + 0 * h
    yield "random hills", counted(np.stack([np.exp(map_coordinates(one, (i, j), order=3)) for one in lattice]))


def _other_magnets(m: Map, family: str, seed: int) -> Iterator[tuple[str, Map]]:
    rng = np.random.default_rng(seed)
    for name, parameters in FOREIGN[family].items():
        try:
            other = simulate(name.split(" with ")[0], parameters, slices=m.slices, qh=m.axes[0], qk=m.axes[1])
        except InstabilityError:
            continue
        magnet = _counted_like(other, m, rng)
        if magnet is not None:
            yield f"another magnet: {name}", magnet
    if family == "pcsmo":
        parts = [
            simulate(name, values, slices=m.slices, qh=m.axes[0], qk=m.axes[1])
            for name, values in (("pcsmo-goodenough", {}), ("pcsmo-dimer", {"JFS": -16.0, "JFW": -6.0}))
        ]
        mixed = parts[0].replace(intensity=0.5 * (parts[0].intensity + parts[1].intensity), mask=parts[0].mask)
        yield "a mixture of Goodenough and Dimer", _counted_like(mixed, m, rng)


def _counted_like(expected: Map, m: Map, rng: np.random.Generator, neutrons: float = 10.0) -> Map | None:
    """`expected` with counting noise, each incident energy of the same mean; None where nothing is to be seen."""
    signal = np.nan_to_num(expected.intensity)
    counted = np.zeros(m.shape)
    for g in incident_energy_groups(m.slices):
        mean = signal[g].mean()
        counted[g] = rng.poisson(neutrons * (signal[g] / mean if mean > 0 else 0 * signal[g]) + 1.0)
    if not signal.max() > 0:
        return None
    return m.replace(intensity=counted, mask=m.mask | expected.mask)


# ---- what must be kept


def kept(m: Map, seed: int = 0) -> Iterator[tuple[str, Map]]:
    """Forms of one map that say the same."""
    rng = np.random.default_rng(seed)
    yield "as it is", m
    yield "Qh and Qk exchanged", m.replace(intensity=np.swapaxes(m.intensity, 1, 2), mask=np.swapaxes(m.mask, 1, 2))
    yield "mirrored", m.replace(intensity=m.intensity[:, ::-1], mask=m.mask[:, ::-1])
    factors = np.ones(m.slices.size)
    for g in incident_energy_groups(m.slices):
        factors[g] = np.exp(rng.uniform(-7, 7))
    yield "each Ei scaled", m.replace(intensity=m.intensity * factors[:, None, None], mask=m.mask)
    hot = (rng.random(m.shape) < 0.002) & ~m.mask
    yield "hot pixels", m.replace(intensity=np.where(hot, 20 * np.nanmax(m.intensity), m.intensity), mask=m.mask)
    yield "a tenth more masked", m.with_mask(rng.random(m.shape) < 0.1)
    for ei in m.slices.unique_ei if m.slices.unique_ei.size > 1 else ():
        yield f"without Ei {ei:g}", m.select(np.flatnonzero(m.slices.ei != ei))


def example(material: str, seed: int, neutrons: float = 5.0) -> Map:
    """A simulated measurement of a material with gaps and `neutrons` a pixel, at values drawn about the material's own."""
    from mantid_insdl.materials import load_material

    rng = np.random.default_rng(seed)
    axes = {name: Axis(name, RLU, np.linspace(-1, 1, 40)) for name in ("qh", "qk")}
    if material.startswith("pcsmo"):
        slices = Slices.from_bins(PCSMO_EI, [np.linspace(0.1 * e, 0.7 * e, 11) for e in PCSMO_EI])
    else:
        slices = Slices(np.full(len(RB2MNF4_WINDOWS), 30.0), *np.transpose(RB2MNF4_WINDOWS))
    known = load_material(material)
    for _ in range(20):
        values = {p.name: known.defaults[p.name] * rng.uniform(0.8, 1.2) for p in known.parameters}
        try:
            expected = simulate(known, values, slices=slices, **axes)
            break
        except InstabilityError:
            continue
    gaps = DetectorLayout.random(rng).gaps(slices, axes["qh"], axes["qk"], known.in_plane_reciprocal)
    return _counted_like(expected, expected, rng, neutrons).with_mask(gaps).replace(material=known.family)


# ---- what is answered


def answer(m: Map, family: str) -> tuple[bool, Classification | ExchangeFit]:
    """Whether an answer is given, and what it is: a verdict where the family has several models, else constants."""
    m = m.replace(material=family)
    if len(MATERIALS[family]) > 1:
        classification, _ = classify_and_estimate(m)
        return classification.verdict in classification.models, classification
    fit = fit_exchange(m)
    return fit.in_range, fit


def networks_alone(m: Map, family: str) -> tuple[bool, str]:
    """Whether the networks would answer if nothing held the answer against the map, and what they would say."""
    if len(MATERIALS[family]) > 1:
        told = classify(m.replace(material=family))
        return told.verdict in told.models, f"{told.most_probable} {max(told.probabilities):.3f}, strangeness {told.strangeness:.3f}"
    bundle, prepared = open_question("exchange", m.replace(material=family), None)
    card = bundle.card
    values, errors, reasons = ask_constants(bundle, prepared)
    inside = all(o.low <= v <= o.high for o, v in zip(card.outputs, values, strict=True))
    return not reasons and inside, f"{card.outputs[0].name} = {values[0]:.3g} +- {errors[0]:.2g}"


def run(bases: dict[str, tuple[str, Map]], kinds: str) -> None:
    """Print a line for every kind of map made from each base, and the totals."""
    totals = np.zeros(3, int)
    for base, (family, m) in bases.items():
        for name, made in kept(m) if kinds == "kept" else nonsense(m, family):
            try:
                (alone, said), (given, result) = networks_alone(made, family), answer(made, family)
                of = result.evidence
                note = said if of is None else f"{said}; {of.unexplained:.2f} +- {of.uncertainty:.2f} of {of.limit:.2f}"
            except UnsuitableMapError as error:
                alone, given, note = False, False, error.summary
            totals += (1, alone, given)
            print(f"{base:24} {name:42} networks alone: {'yes' if alone else '-':4} given: {'YES' if given else '-':4} {note}", flush=True)
    print(f"{kinds}: {totals[0]} maps; the networks alone answer {totals[1]}, an answer is given for {totals[2]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measured", type=Path, help="folder with measured.npz and detector_gaps.npz of PCSMO")
    options = parser.parse_args()
    bases = {name: (name.split("-")[0], example(name, seed)) for seed, names in enumerate(MATERIALS.values(), 3) for name in names}
    if options.measured and (options.measured / "measured.npz").is_file():
        gaps = options.measured / "detector_gaps.npz"
        bases["measured PCSMO"] = ("pcsmo", load(options.measured / "measured.npz", material="pcsmo", mask=gaps))
    run(bases, "nonsense")
    run(bases, "kept")


if __name__ == "__main__":
    main()
