"""Goodenough against Dimer on the measured map of PCSMO: by each incident energy alone, each pair, and all three.

    python benchmarks/compare_measured.py [--plot FOLDER] [--effort fast|full] DATA

DATA is a folder with `measured.npz` and `detector_gaps.npz`. Both models are fitted to each part of the data from their published constants
and compared (`mantid_insdl.fitting.compare`). Printed are, in favour of Goodenough, the difference of the log-likelihoods, Vuong's z and
the significance; the probability of Goodenough, the share of the other model in a mixture, what the best leaves unexplained, and the
verdict; with --plot, a picture of which slices decided, and a table of them in text. A minute or two.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np

from mantid_insdl.files import load
from mantid_insdl.fitting.compare import compare
from mantid_insdl.plotting import plot_decision

MODELS = ("pcsmo-goodenough", "pcsmo-dimer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--plot", type=Path, metavar="FOLDER")
    parser.add_argument("--effort", default="fast")
    arguments = parser.parse_args()
    m = load(arguments.data / "measured.npz", material="pcsmo", mask=arguments.data / "detector_gaps.npz")
    every = m.slices.unique_ei
    print(f"{'Ei (meV)':12}{'difference':>11}{'z':>7}{'significance':>14}{'probability':>13}{'share':>15}{'unexplained':>15}  verdict")
    for number in range(1, every.size + 1):
        for chosen in combinations(every, number):
            part = m.select(np.flatnonzero(np.isin(m.slices.ei, chosen)))
            found = compare(part, MODELS, start={name: {} for name in MODELS}, effort=arguments.effort)
            (contest,), evidence = found.contests, found.evidence
            sign = 1 if found.best.material == MODELS[0] else -1
            name = "+".join(f"{ei:g}" for ei in chosen)
            print(
                f"{name:12}{sign * contest.difference:11.0f}{sign * contest.z:7.2f}{sign * contest.significance:14.2f}"
                f"{found.probabilities[0]:13.3f}{contest.share:8.2f}({contest.share_error:.2f})"
                f"{evidence.unexplained:9.2f}({evidence.uncertainty:.2f})  {found.verdict}",
                flush=True,
            )
            if arguments.plot:
                arguments.plot.mkdir(parents=True, exist_ok=True)
                plot_decision(found).savefig(arguments.plot / f"decided-{name}.png")
    for part in found.parts:
        print(f"Ei {part.ei:g} meV, {part.energy_min:g} to {part.energy_max:g} meV: {part.differences[0]:8.1f} of {part.pixels} pixels")


if __name__ == "__main__":
    main()
