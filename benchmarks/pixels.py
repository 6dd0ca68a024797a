"""How well the average over a pixel is taken: each engine beside many point samples a pixel, slice by slice, on five grids.

    python benchmarks/pixels.py [MAGNET ...] [--samples N]

The samples are point values of the same spin waves at N x N places in each pixel (8 x 8 by default, 16 x 16 on the coarse grid), each with
its own momentum along the beam. Shown for each incident energy: the largest relative rms error of a slice that holds more than 1 % of the
intensity, and the largest error of such a slice's mean; then the same for samples of the centres alone, as version 0.1.0 took them. No
blur. About ten minutes for all.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from unittest import mock

import numpy as np
import yaml

from mantid_insdl.maps import Axis, Slices
from mantid_insdl.materials import Material, load_material
from mantid_insdl.simulation import engines, planar, slice_engine
from mantid_insdl.simulation.pixels import Pieces
from mantid_insdl.simulation.slices import SliceSimulator

GRIDS = {
    "measured": (np.linspace(-1, 1, 41)[10:31], np.linspace(-1, 1, 41)[20:41], 8),
    "on symmetry": (np.arange(-0.525, 0.53, 0.05), np.arange(-0.025, 1.03, 0.05), 8),
    "off symmetry": (np.arange(-0.487, 0.5, 0.047), np.arange(0.013, 1.0, 0.047), 8),
    "coarse": (np.arange(-1, 1.01, 0.1), np.arange(-0.05, 1.1, 0.1), 16),
    "fine": (np.arange(0.3, 0.601, 0.02), np.arange(-0.11, 0.26, 0.02), 8),
}
"""Edges along qh and qk in r.l.u., and samples along each side of a pixel."""


def coupled() -> Material:
    """Rb2MnF4 with its layers nearer and coupled: a magnet of three dimensions."""
    described = yaml.safe_load(resources.files("mantid_insdl.materials").joinpath("rb2mnf4.yaml").read_text(encoding="utf-8"))
    described.pop("closed_form")
    described["name"] = "rb2mnf4 coupled along c"
    described["cell"]["c"] = 6.2
    described["bonds"].append({"parameter": "Jc", "distance": 6.2})
    described["parameters"].append({"name": "Jc", "value": -0.2, "low": -1, "high": 0, "description": "along c"})
    return Material.model_validate(described)


def bins(ei: float, steps: int = 10) -> Slices:
    return Slices.from_bins([ei], [np.linspace(0.1, 0.7, steps + 1) * ei])


MAGNETS = {
    "rb2mnf4": (load_material("rb2mnf4"), [bins(10.0), bins(20.0)]),
    "pcsmo-goodenough": (load_material("pcsmo-goodenough"), [bins(25.0), bins(50.0), bins(100.0)]),
    "pcsmo-dimer": (load_material("pcsmo-dimer"), [bins(25.0), bins(50.0), bins(100.0)]),
    "pcsmo-zener": (load_material("pcsmo-zener"), [bins(25.0), bins(50.0)]),
    "kagome": (load_material("example-kagome"), [bins(10.0), bins(20.0)]),
    "triangular": (load_material("example-triangular"), [bins(10.0)]),
    "coupled": (coupled(), [bins(25.0, 10)]),
}
"""`pcsmo-zener` is a spiral; `coupled` is of three dimensions."""


@contextmanager
def point_samples() -> Iterator[None]:
    """Within it a simulator takes the value at the centre of each pixel."""

    def centres(low: np.ndarray, high: np.ndarray, parts: tuple[int, int]) -> Pieces:
        here, none = np.arange(len(low)), np.zeros((len(low), 2))
        return Pieces(0.5 * (low + high), here, here, none, none, np.ones(len(low)))

    with (
        mock.patch.object(engines, "divide", centres),
        mock.patch.object(planar, "divide", centres),
        mock.patch.object(slice_engine.SliceEngine, "parts", lambda self, group: (1, 1)),
        mock.patch.object(engines, "STOPS_PER_ZONE", 64),
    ):
        yield


def axes(*edges: np.ndarray) -> tuple[Axis, ...]:
    return tuple(Axis(name, "r.l.u.", values, is_edges=True) for name, values in zip(("qh", "qk"), edges, strict=True))


def image(material: Material, slices: Slices, *edges: np.ndarray) -> np.ndarray:
    found, stable = SliceSimulator(material, slices, *axes(*edges)).intensity({}, q_sigma_pixels=0)
    assert stable.all()
    return found[0].astype(float)


def sampled(material: Material, slices: Slices, edges: list[np.ndarray], number: int) -> np.ndarray:
    """Average of `number` x `number` point samples in each pixel, over those that can be reached; row by row, for memory."""
    fine = [np.interp(np.arange((len(e) - 1) * number + 1) / number, np.arange(len(e)), e) for e in edges]
    rows = []
    with point_samples():
        for start in range(0, len(fine[0]) - 1, number):
            values = image(material, slices, fine[0][start : start + number + 1], fine[1])
            parts = values.reshape(len(values), number, -1, number)
            known = np.isfinite(parts)
            rows.append(np.nansum(parts, axis=(1, 3)) / np.maximum(known.sum(axis=(1, 3)), 1))
    return np.stack(rows, axis=1)


def errors(found: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Relative rms error and error of the mean of each slice with more than 1 % of the intensity; out of reach counts nothing."""
    known = np.isfinite(found) & np.isfinite(expected)
    found, expected = (np.where(known, x, 0.0) for x in (found, expected))
    strong = expected.sum(axis=(1, 2)) > 0.01 * expected.sum()
    found, expected = found[strong], expected[strong]
    rms = np.sqrt(np.sum((found - expected) ** 2, axis=(1, 2)) / np.sum(expected**2, axis=(1, 2)))
    return rms, found.sum(axis=(1, 2)) / expected.sum(axis=(1, 2)) - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("magnets", nargs="*", default=list(MAGNETS), metavar="MAGNET", help=f"of {', '.join(MAGNETS)}")
    parser.add_argument("--samples", type=int, help="along each side of a pixel")
    parser.add_argument("--grid", action="append", choices=list(GRIDS), help="only this grid; may be repeated")
    arguments = parser.parse_args()
    print(f"{'magnet':18}{'grid':14}{'Ei':>6}{'rms':>9}{'mean':>9}{'centre: rms':>14}{'mean':>9}")
    for name in arguments.magnets:
        material, maps = MAGNETS[name]
        for grid in arguments.grid or GRIDS:
            *edges, number = GRIDS[grid]
            for slices in maps:
                expected = sampled(material, slices, edges, arguments.samples or number)
                rms, mean = errors(image(material, slices, *edges), expected)
                with point_samples():
                    plain, biased = errors(image(material, slices, *edges), expected)
                shown = f"{rms.max():9.3f}{np.abs(mean).max():9.3f}{plain.max():14.2f}{np.abs(biased).max():9.2f}"
                print(f"{name:18}{grid:14}{slices.ei[0]:6g}{shown}", flush=True)


if __name__ == "__main__":
    main()
