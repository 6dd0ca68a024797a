"""Set the limit of the gate (`mantid_insdl.analysis.evidence`) in the card of an exchange model.

Run ``python benchmarks/calibrate_evidence.py trained_models/NAME`` (minutes; ``--number`` maps of each kind). The maps are simulated anew
by the recipe on the card, with a seed of their own, so none was used for training or for a test figure:

own
    Measurements of the model's material, the values drawn from its prior.
foreign
    The same measurements with the energy windows of each Ei permuted or with the momentum stretched, where that changes at least half of
    the structure, and measurements of the other materials that come with the package, the values drawn from their ranges, on the same
    windows.

The limit is the largest of `CANDIDATES` at which no more than 1 % of the foreign maps get an answer: an answer must explain most of what
it is an answer to, however far from it the foreign maps may lie. How many maps of each sort get an answer is written on the card with
its interval; the rate of the foreign ones is the rate of false alarms.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from nonsense import momentum_warped

from mantid_insdl.analysis.estimate import LIMIT, UNCONSTRAINED, ask_constants, beyond_training
from mantid_insdl.analysis.evidence import explain
from mantid_insdl.errors import InstabilityError, UnsuitableMapError
from mantid_insdl.maps import Map
from mantid_insdl.materials import load_material, material_names
from mantid_insdl.networks.bundle_writing import rewrite_card
from mantid_insdl.networks.bundles import Bundle, load_bundle
from mantid_insdl.networks.cards import CardTest
from mantid_insdl.networks.preparation import prepare
from mantid_insdl.networks.preprocessing import incident_energy_groups
from mantid_insdl.simulation.ensembles import mix_twins
from mantid_insdl.simulation.slices import SliceSimulator
from mantid_insdl.training.datasets import SimulatedMaps, generate
from mantid_insdl.training.measurement import Measurer, measure
from mantid_insdl.training.metrics import proportion
from mantid_insdl.training.recipes import Recipe
from mantid_insdl.training.sampling import uniform

SEED = 77001
FALSE_ALARMS = 0.01
CANDIDATES = np.round(np.arange(0, 0.301, 0.01), 2)  # never more than 0.3 may be left
CHANGED = 0.5  # of the structure, at least, for a map to count as another one
GOOD = 0.1  # an unexplained share from which on no further least-squares steps are taken here
STRETCHES = (0.5, 0.6, 0.7, 0.8, 1.25, 1.4, 1.6, 2.0)
METRIC = "fraction that gets an answer (gate)"


class Measurements:
    """Measurements as a recipe makes them, as maps."""

    def __init__(self, recipe: Recipe, material: str, number: int, seed: int):
        alone = {"name": "gate", "materials": {material: number}, "others": {}}
        spec = recipe.dataset.model_copy(update={**alone, "seed": recipe.dataset.seed + seed})
        self._folder = tempfile.TemporaryDirectory()
        self.data: SimulatedMaps = generate(spec, Path(self._folder.name))
        self.recipe, self.family = recipe, load_material(material).family
        self.measurer = Measurer(self.data, spec, recipe.measurement)
        self.rng = np.random.default_rng(seed)

    def measured(self, expected: np.ndarray, index: int) -> Map | None:
        """A measurement of noise-free slices on the windows of map `index`; None where nothing is left of it."""
        slices, settings, by = self.data.slices(index), self.recipe.measurement, self.measurer
        twinned = mix_twins(expected, self.rng.uniform(*settings.twin_fraction))
        intensity, _ = measure(twinned, slices, by.qh, by.qk, by.reciprocal, settings, self.rng)
        there = np.flatnonzero(np.isfinite(intensity).any(axis=(1, 2)))
        if not there.size:
            return None
        return Map(intensity, (by.qh, by.qk), slices=slices, intensity_unit="arbitrary", material=self.family).select(there)

    def own(self) -> Iterator[Map]:
        for index in range(len(self.data.material)):
            m = self.measured(self.data.intensity[index][self.data.places(index)].astype(float), index)
            if m is not None:
                yield m

    def foreign(self) -> Iterator[Map]:
        for m in self.own():
            for other in (self._permuted(m), momentum_warped(m, self.rng.choice(STRETCHES) * np.eye(2))):
                if other is not None and _changed(m, other) > CHANGED:
                    yield other
        others = [name for name in material_names() if load_material(name).family != self.family]
        for index in range(len(self.data.material)):
            name = others[index % len(others)]
            slices = self.data.slices(index)
            simulator = SliceSimulator(name, slices, self.measurer.qh, self.measurer.qk)
            try:
                intensity, stable = simulator.intensity(uniform(name, 1, self.rng).parameters)
            except InstabilityError:  # an order that these constants do not have
                continue
            m = self.measured(intensity[0].astype(float), index) if stable[0] else None
            if m is not None:
                yield m

    def _permuted(self, m: Map) -> Map | None:
        groups = [g for g in incident_energy_groups(m.slices) if g.size > 1]
        if not groups:
            return None
        source = np.arange(m.slices.size)
        for g in groups:
            while np.any(source[g] == g):  # every window gets another's intensity
                source[g] = self.rng.permutation(g)
        return m.replace(intensity=m.intensity[source], mask=m.mask[source])


def _changed(m: Map, other: Map) -> float:
    """Share of the structure of `other` that `m` does not have (see `mantid_insdl.analysis.evidence`), noise left out."""
    both = ~(m.mask | other.mask)
    first, second = (np.where(both, one.intensity, 0.0) for one in (m, other))
    size = both.sum(axis=(1, 2), keepdims=True)
    first, second = (np.where(both, a - a.sum(axis=(1, 2), keepdims=True) / np.maximum(size, 1), 0.0) for a in (first, second))
    noise_free = [np.sum(a[:, 1:] * b[:, :-1]) for a, b in ((first, first), (second, second), (first, second), (second, first))]
    product = noise_free[0] * noise_free[1]
    return 1.0 - (0.5 * (noise_free[2] + noise_free[3])) ** 2 / product if min(noise_free[:2]) > 0 else 1.0


def outcomes(bundle: Bundle, maps: Iterator[Map]) -> np.ndarray:
    """Of every map that the model accepts, (n, 3): the gate's figure at the networks' values and after least squares, both infinite where
    another test refuses the answer, and the first again without such a test."""
    found = []
    (material,), outputs = bundle.card.materials, bundle.card.outputs
    ranges = {o.name: (o.low, o.high) for o in outputs}
    for m in maps:
        try:
            prepared = prepare(m, bundle.card)
        except UnsuitableMapError:
            continue
        first, errors, reasons = ask_constants(bundle, prepared)
        determined = errors <= UNCONSTRAINED * bundle.arrays["spread"]
        row = []
        for bar in (np.inf, GOOD):  # no steps; steps where the networks' values are not good
            values, evidence = explain(prepared, material, first, errors, ranges, bar)
            refused = bool(reasons) or any(d and beyond_training(o, v) for o, v, d in zip(outputs, values, determined, strict=True))
            row.append((evidence.figure, refused))
        (before, no), (after, never) = row
        found.append((np.inf if no else before, np.inf if never else after, before))
        print(f"\r{len(found)} maps", end="", file=sys.stderr)
    print(file=sys.stderr)
    return np.array(found)


def answered(found: np.ndarray, limit: float) -> np.ndarray:
    """Which maps get an answer at a limit, (n,) bool: steps are taken only from values that do not explain the map."""
    at_once, after, before = found.T
    return np.where(before <= limit, at_once <= limit, after <= limit)


def calibrate(directory: Path, number: int) -> None:
    bundle = load_bundle(directory)
    card = bundle.card
    recipe, (material,) = Recipe.model_validate_json(card.training.recipe), card.materials
    own = outcomes(bundle, Measurements(recipe, material, number, SEED).own())
    foreign = outcomes(bundle, Measurements(recipe, material, number, SEED + 1).foreign())
    limit = max(limit for limit in CANDIDATES if np.mean(answered(foreign, limit)) <= FALSE_ALARMS)
    tests = [test for test in card.test if test.metric != METRIC]
    for name, values in (("fresh measurements of the model's own material", own), ("permuted, stretched and other magnets' maps", foreign)):
        share, interval = proportion(int(answered(values, limit).sum()), len(values))
        print(f"{card.name}: limit {limit}: {share:.3f} ({interval[0]:.3f} to {interval[1]:.3f}) of {len(values)} {name} get an answer")
        tests.append(
            CardTest(
                metric=METRIC, value=share, interval=interval, n=len(values), conditions=f"{name}; these maps set the limit {limit}",
                command=f"python benchmarks/calibrate_evidence.py --number {number} trained_models/{card.name}",
            )
        )  # fmt: skip
    rewrite_card(directory, calibration={**card.calibration, LIMIT: float(limit)}, test=tests)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="+", type=Path, help="folders of exchange models")
    parser.add_argument("--number", type=int, default=100, help="parameter sets; there are up to three foreign maps for each")
    options = parser.parse_args()
    for one in options.bundles:
        calibrate(one, options.number)
