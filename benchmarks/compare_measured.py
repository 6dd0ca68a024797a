"""The three models of PCSMO on the measured map: by each incident energy alone, each pair, and all three; and on a published simulation.

    python benchmarks/compare_measured.py [--plot FOLDER] [--effort fast|full] DATA

DATA is a folder with `measured.npz` and `detector_gaps.npz`, and with `published_simulation_dimer.npz` where that is wanted, too. All
models are fitted to each part of the data, from where the exchange networks let them begin, and compared
(`mantid_insdl.fitting.compare`). Printed are the probability of each; in favour of the best against each other, the difference of the
log-likelihoods, Vuong's z, the significance and the share of the other in a mixture; what the best leaves unexplained, the verdict, and
processor seconds. With --plot, a picture of which slices decided. Minutes for each part on one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np

from mantid_insdl.analysis.refinement import starts_by_networks
from mantid_insdl.files import load
from mantid_insdl.fitting.compare import compare
from mantid_insdl.maps import Map
from mantid_insdl.plotting import plot_decision

MODELS = ("pcsmo-goodenough", "pcsmo-dimer", "pcsmo-zener")


def parts(data: Path) -> Iterator[tuple[str, Map]]:
    """Names and maps: all incident energies of the measured map first, then fewer; the published simulation last."""
    m = load(data / "measured.npz", material="pcsmo", mask=data / "detector_gaps.npz")
    every = m.slices.unique_ei
    for number in range(every.size, 0, -1):
        for chosen in combinations(every, number):
            yield "+".join(f"{ei:g}" for ei in chosen), m.select(np.flatnonzero(np.isin(m.slices.ei, chosen)))
    if (data / "published_simulation_dimer.npz").is_file():
        yield "Dimer (simulated)", load(data / "published_simulation_dimer.npz", material="pcsmo")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--plot", type=Path, metavar="FOLDER")
    parser.add_argument("--effort", default="fast")
    arguments = parser.parse_args()
    print(
        "Ei (meV) | probabilities of "
        + ", ".join(MODELS)
        + " | against: difference, z, significance, share | unexplained | verdict | seconds"
    )
    for name, part in parts(arguments.data):
        started = time.process_time()
        found = compare(part, MODELS, start=starts_by_networks(part, MODELS, "pcsmo"), effort=arguments.effort)
        against = "; ".join(
            f"{one.material} {one.difference:.0f}, {one.z:.2f}, {one.significance:.2f}, {one.share:.2f}({one.share_error:.2f})"
            for one in found.contests
        )
        print(
            f"{name} | {', '.join(f'{p:.3f}' for p in found.probabilities)} | {against} | "
            f"{found.evidence.unexplained:.2f}({found.evidence.uncertainty:.2f}) | {found.verdict} | {time.process_time() - started:.0f}",
            flush=True,
        )
        if arguments.plot:
            arguments.plot.mkdir(parents=True, exist_ok=True)
            plot_decision(found).savefig(arguments.plot / f"decided-{name}.png")


if __name__ == "__main__":
    main()
