"""What each of the three engines makes of the pixels of one magnet, whose average can be found in another way."""

import numpy as np
import pytest

from mantid_insdl.maps import Axis, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.simulation.engines import ClosedForm, General, Planar
from mantid_insdl.simulation.slices import SliceSimulator

ENGINES = (ClosedForm, Planar, General)


def image(engine, slices, qh, qk):
    """Rb2MnF4, (slice, qh, qk), without blur in momentum."""
    axes = (Axis(name, "r.l.u.", values, is_edges=True) for name, values in (("qh", qh), ("qk", qk)))
    simulator = SliceSimulator("rb2mnf4", slices, *axes)
    simulator._domains = [engine(d.material, d.view, d.slices, d.plane, [(1.0, np.eye(2))]) for d in simulator._domains]
    return simulator.intensity({}, q_sigma_pixels=0)[0][0]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pixel_on_the_rim_is_the_mean_of_its_parts_within_reach(engine):
    """At the rim the momentum across the beam is kf: 1.8 meV are left of 9 meV at the middle of the window."""
    crystal = load_material("rb2mnf4")
    of_one = np.linalg.norm(crystal.model.lattice.to_cartesian(np.array(crystal.map.cell) @ [1, 0, 0]))
    rim, slices = np.sqrt(1.8 / 2.0721) / of_one, Slices([9.0], [6.3], [8.1])
    fine = image(engine, slices, np.linspace(rim - 0.06, rim + 0.04, 41), [-0.01, 0.01])[0, :, 0]
    assert np.isnan(fine).sum() == 16 and np.nanmin(fine) > 0.5
    assert image(engine, slices, [rim - 0.06, rim + 0.04], [-0.01, 0.01])[0, 0, 0] == pytest.approx(np.nanmean(fine), rel=0.03)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_wide_pixel_is_the_mean_of_its_parts(engine):
    slices = Slices.from_bins([20.0], [np.linspace(0.5, 8, 6)])
    qh, qk = (0.03, 0.33, 0.41), (0.12, 0.62)
    wide = image(engine, slices, qh, qk)[:, :, 0]
    for pixel in (0, 1):
        fine = image(engine, slices, np.linspace(qh[pixel], qh[pixel + 1], 21), np.linspace(*qk, 21)).mean(axis=(1, 2))
        assert wide[:, pixel] == pytest.approx(fine, abs=0.02 * float(fine.max()))
