"""What each of the three engines makes of the pixels of one magnet, whose average can be found in another way."""

import numpy as np
import pytest

from mantid_insdl.maps import Axis, Slices
from mantid_insdl.materials import Material, load_material
from mantid_insdl.simulation.engines import ClosedForm, General, Planar
from mantid_insdl.simulation.slices import SliceSimulator

ENGINES = (ClosedForm, Planar, General)


def image(engine, slices, qh, qk, scale=1.0):
    """Rb2MnF4, (slice, qh, qk), without blur in momentum."""
    axes = (Axis(name, "r.l.u.", values, is_edges=True) for name, values in (("qh", qh), ("qk", qk)))
    simulator = SliceSimulator("rb2mnf4", slices, *axes)
    simulator._domains = [engine(d.material, d.view, d.slices, d.plane, [(1.0, np.eye(2))]) for d in simulator._domains]
    return simulator.intensity({}, energy_width_scale=scale, q_sigma_pixels=0)[0][0]


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
@pytest.mark.parametrize(("edges", "scale"), [(np.linspace(0.5, 8, 6), 1.0), ([5.5, 5.8], 0.0)], ids=["all energies", "one window"])
def test_a_wide_pixel_is_the_mean_of_its_parts(edges, scale, engine):
    """In all windows together; and in one far narrower than the modes spread over a pixel, where lines have no other width."""
    slices = Slices.from_bins([20.0], [edges])
    qh, qk = (0.03, 0.33, 0.41), (0.12, 0.62)
    wide = image(engine, slices, qh, qk, scale)[:, :, 0]
    for pixel in (0, 1):
        fine = image(engine, slices, np.linspace(qh[pixel], qh[pixel + 1], 41), np.linspace(*qk, 41), scale).mean(axis=(1, 2))
        assert wide[:, pixel] == pytest.approx(fine, abs=0.02 * float(fine.max()))


def test_a_square_lattice_whose_spins_break_its_symmetry():
    """Spins along b: S_perp is in proportion to 1 + Qb^2 / Q^2 for Q in the plane, so that (0, q) is twice as bright as (q, 0)."""
    square = Material.model_validate(
        {
            "name": "square",
            "title": "Ferromagnetic square lattice",
            "family": "square",
            "sources": ["none"],
            "parameters": [{"name": "J", "value": -1.0, "low": -2.0, "high": 0.0, "description": "nearest neighbours"}],
            "cell": {"a": 3.0, "b": 3.0, "c": 8.0},
            "sites": [{"label": "a", "positions": [[0, 0, 0]], "spin": 1.0, "direction": [0, 1, 0]}],
            "bonds": [{"parameter": "J", "distance": 3.0}],
            "map": {"cell": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "frame": "its cell"},
        }
    )
    axes = (Axis(name, "r.l.u.", [-0.001, 0.001, 0.29, 0.31], is_edges=True) for name in ("qh", "qk"))
    found = SliceSimulator(square, Slices([np.nan], [0.1], [20.0]), *axes).intensity({}, q_sigma_pixels=0)[0][0, 0]
    assert found[2, 0] * 19.9 == pytest.approx(0.5, rel=5e-3)  # of S / 2 for each direction across Q in which the spin moves
    assert found[0, 2] == pytest.approx(2 * found[2, 0], rel=5e-3)
