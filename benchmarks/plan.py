"""Does the measurement that `insdl plan` recommends tell the models apart better than the median candidate? On simulated maps of PCSMO.

    python benchmarks/plan.py [--trials N] [--only TRIAL ...] [--seed N] [--processes N]

In each trial one of the two models is true, with constants drawn within 10 % of the published ones. A map at Ei = 25 and 50 meV is
simulated on a coarse grid (16 x 16 pixels, five windows each), with counting noise over a flat background, and with what a fit does not
know: intensities that are wrong by 20 %, in patches of some pixels, other ones at each Ei but the same whenever that is measured. Both
models are fitted, and the candidates ranked. The recommended one and the median one, each for the time of one Ei, are simulated with the
true model, both models are fitted to the map with each of them, and the gains of log-likelihood of the true model on the other are
compared. About a minute a trial.

The counting statistics of the trials are those that a plan reckons with (flux of MAPS, solid angle): the benchmark is of the ranking, not
of the flux.
"""

from __future__ import annotations

import argparse
import time
from functools import partial

import numpy as np
from one_core_each import one_core_each
from scipy.ndimage import gaussian_filter

from mantid_insdl.fitting.calculation import Measurement, calculation_for
from mantid_insdl.fitting.counting import exposure
from mantid_insdl.fitting.plan import plan
from mantid_insdl.fitting.refine import fit
from mantid_insdl.maps import RLU, Axis, Map, Slices, stack
from mantid_insdl.materials import load_material
from mantid_insdl.simulation.slices import SliceSimulator

MODELS = ("pcsmo-goodenough", "pcsmo-dimer")
MEASURED = (25.0, 50.0)
CANDIDATES = (17.0, 35.0, 50.0, 70.0, 140.0)
PIXELS, WINDOWS = 16, 5
AXES = [Axis(name, RLU, np.linspace(-1, 1, PIXELS + 1), is_edges=True) for name in ("qh", "qk")]
COUNTS = 20_000
"""Neutrons at Ei = 50 meV; those at other Ei follow from the exposure."""
BACKGROUND = 0.005
"""In units of the calculation, whose mean is about 0.01."""
WRONG, PATCH = 0.2, 1.5
"""Error of the intensities, relative, and the size of its patches in pixels (standard deviation of a Gaussian)."""
WITHIN = 0.1


class Sample:
    """The true model, and measurements of it."""

    def __init__(self, material: str, values: dict[str, float], rng: np.random.Generator):
        self.material, self.values, self.rng = material, values, rng
        self._wrong: dict[float, np.ndarray] = {}
        self.per_exposure = COUNTS / float(np.nansum(self._expected(50.0)[1]))

    def measure(self, ei: float) -> Map:
        """A map at one incident energy, for one unit of time, with errors."""
        slices, seen, intensity, exposed = self._seen(ei)
        if ei not in self._wrong:
            wrong = np.stack([gaussian_filter(self.rng.normal(size=one.shape), PATCH) for one in intensity])
            self._wrong[ei] = np.clip(1 + WRONG * wrong / wrong.std(), 0, None)
        truth = intensity * self._wrong[ei] + BACKGROUND
        per_count = 1 / (self.per_exposure * exposed)
        counts = self.rng.poisson(np.where(seen, truth / per_count, 0.0))
        return Map(
            np.where(seen, counts * per_count, np.nan),
            AXES,
            error=np.sqrt(np.maximum(counts, 1)) * per_count,
            slices=slices,
            material="pcsmo",
        )

    def _seen(self, ei: float) -> tuple[Slices, np.ndarray, np.ndarray, np.ndarray]:
        """Slices, which pixels are in reach, and their intensities and exposures, (slice, qh, qk)."""
        slices = Slices.from_bins([ei], [np.linspace(0.1, 0.7, WINDOWS + 1) * ei])
        intensity = SliceSimulator(self.material, slices, *AXES).intensity(self.values, dtype=float)[0][0]
        calculation = calculation_for(Map(np.zeros(intensity.shape), AXES, slices=slices), self.material)
        exposed = np.nan_to_num(calculation.full(exposure(calculation, Measurement().spectrometer, 1.0)), nan=1.0)
        return slices, calculation.known, np.nan_to_num(intensity), exposed

    def _expected(self, ei: float) -> tuple[np.ndarray, np.ndarray]:
        _, seen, intensity, exposed = self._seen(ei)
        return seen, np.where(seen, (intensity + BACKGROUND) * exposed, 0.0)


def drawn(material: str, rng: np.random.Generator) -> dict[str, float]:
    """Constants near the published ones at which the order is stable."""
    defaults = load_material(material).defaults
    slices = Slices.from_bins([50.0], [[5.0, 20.0, 35.0]])
    simulator = SliceSimulator(material, slices, *AXES)
    while True:
        values = {name: value * (1 + WITHIN * rng.uniform(-1, 1)) for name, value in defaults.items()}
        if simulator.intensity(values)[1][0]:
            return values


def joined(m: Map, added: Map) -> Map:
    """Both together; slices that are there already are counted on: a mean with weights, not other pixels, since they err alike."""
    (ei,) = added.slices.unique_ei
    there = np.flatnonzero(m.slices.ei == ei)
    if not there.size:
        return stack([m, added])
    before = m.select(there)
    both = added.replace(intensity=0.5 * (before.intensity + added.intensity), error=0.5 * np.hypot(before.error, added.error))
    return stack([m.select(np.flatnonzero(m.slices.ei != ei)), both])


def gain(m: Map, true: str, starts: dict[str, dict[str, float]]) -> float:
    """Of the true model's log-likelihood on the other's, both refitted."""
    found = {name: fit(m, name, start=starts[name]).log_likelihood for name in MODELS}
    (other,) = set(MODELS) - {true}
    return found[true] - found[other]


def tried(seed: int, trial: int) -> tuple[str, bool]:
    """What one trial found, in a line, and whether the recommended candidate gained more than the median one."""
    begin, rng = time.monotonic(), np.random.default_rng([seed, trial])
    true = MODELS[trial % 2]
    sample = Sample(true, drawn(true, rng), rng)
    m = stack([sample.measure(ei) for ei in MEASURED])
    fits = [fit(m, name, start={}) for name in MODELS]
    before = (fits[0].log_likelihood - fits[1].log_likelihood) * (1 if true == MODELS[0] else -1)
    made = plan(m, MODELS, fits=fits, candidates=[{"ei": ei} for ei in CANDIDATES])
    chosen = made.best, made.ranked[len(made.ranked) // 2]
    starts = {one.material: one.values for one in fits}
    gained = [gain(joined(m, sample.measure(one.candidate.ei)), true, starts) - before for one in chosen]
    expected = [next(g.amount for case, g in one.gains.items() if case.startswith(true)) for one in chosen]
    better = gained[0] > gained[1]
    columns = "".join(f"{one.candidate.ei:14g} {e:9.1f} {g:7.1f}" for one, e, g in zip(chosen, expected, gained, strict=True))
    return f"{trial:5d}  {true:16s} {before:7.1f} {columns}  {'yes' if better else 'no':6s} {time.monotonic() - begin:4.0f}", better


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--only", type=int, nargs="+", help="numbers of the trials to do")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    trials = options.only or range(options.trials)
    print("trial  true              before  recommended: Ei, expected, gained  median: Ei, expected, gained  better    s")
    won = 0
    for line, better in one_core_each(partial(tried, options.seed), trials, options.processes):
        print(line, flush=True)
        won += better
    print(f"the recommended candidate gained more in {won} of {len(trials)} trials")


if __name__ == "__main__":
    main()
