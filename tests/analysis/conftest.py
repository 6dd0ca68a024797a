"""Simulated measurements with known answers."""

import numpy as np
import pytest

from mantid_insdl.instrument.gaps import DetectorLayout
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.simulation.slices import simulate

PCSMO_EI = (25, 35, 50, 70, 100, 140)


def pcsmo_slices(ei=PCSMO_EI) -> Slices:
    return Slices.from_bins(ei, [np.linspace(0.1 * e, 0.7 * e, 11) for e in ei])


def momentum_axes(size: int = 40) -> dict[str, Axis]:
    return {name: Axis(name, RLU, np.linspace(-1, 1, size)) for name in ("qh", "qk")}


def with_gaps(m: Map, seed: int = 7) -> Map:
    layout = DetectorLayout.random(np.random.default_rng(seed))
    return m.with_mask(layout.gaps(m.slices, *m.axes, (1.16, 1.15)))


@pytest.fixture(scope="session")
def truth() -> Map:
    """Goodenough at the published values without noise."""
    return simulate("pcsmo-goodenough", slices=pcsmo_slices(), **momentum_axes())


@pytest.fixture(scope="session")
def measured() -> Map:
    """The same with about three neutrons a pixel and detector gaps."""
    return with_gaps(simulate("pcsmo-goodenough", slices=pcsmo_slices(), counts=3e5, seed=5, **momentum_axes()))


@pytest.fixture(scope="session")
def measured_dimer() -> Map:
    strong = {"JFS": -16.0, "JFW": -6.0}
    return with_gaps(simulate("pcsmo-dimer", strong, slices=pcsmo_slices(), counts=3e5, seed=6, **momentum_axes()))
