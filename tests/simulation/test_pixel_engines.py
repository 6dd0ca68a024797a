"""What each of the three engines makes of the pixels of one magnet, whose average can be found in another way."""

from types import SimpleNamespace

import numpy as np
import pytest

from mantid_insdl.instrument.kinematics import MEV_ANGSTROM2
from mantid_insdl.instrument.resolution import bin_fractions
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.materials import Material, load_material
from mantid_insdl.simulation.engines import ClosedForm, General
from mantid_insdl.simulation.planar import Planar, _share_degenerate
from mantid_insdl.simulation.slices import SliceSimulator
from mantid_insdl.spinwave import spin_waves

ENGINES = (ClosedForm, Planar, General)


def made(engine, slices, qh, qk):
    axes = (Axis(name, "r.l.u.", values, is_edges=True) for name, values in (("qh", qh), ("qk", qk)))
    simulator = SliceSimulator("rb2mnf4", slices, *axes)
    (domain,) = simulator._domains
    return simulator, engine(domain.material, domain.view, domain.slices, domain.plane, [(1.0, np.eye(2))])


def image(engine, slices, qh, qk, scale=1.0):
    """Rb2MnF4, (slice, qh, qk), without blur in momentum."""
    simulator, domain = made(engine, slices, qh, qk)
    simulator._domains = [domain]
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


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sharp_line_is_as_wide_as_its_energy_spreads_over_the_pixel(engine):
    """A uniform spread of 2 s has the variance s^2 / 3, and those along qh and qk add; 0.32 of 0.38 meV at this pixel."""
    material, at, half = load_material("rb2mnf4"), np.array([0.11, 0.17, 0]), 0.01
    places = at + np.concatenate((np.zeros((1, 3)), half * np.eye(3)[:2], -half * np.eye(3)[:2]))
    energies = spin_waves(material.model, places @ np.array(material.map.cell).T, material.defaults).energies[0, :, 0]
    sigma = np.sqrt(np.sum((0.5 * (energies[1:3] - energies[3:])) ** 2) / 3)
    assert sigma > 0.1
    edges = energies[0] + np.array([-2.0, -1.0, 0.0, 0.5, 2.0]) * sigma
    found = image(engine, Slices.from_bins([20.0], [edges]), *((q - half, q + half) for q in at[:2]), 0.0)[:, 0, 0] * np.diff(edges)
    expected = bin_fractions(energies[0], sigma, edges)
    assert found / found.sum() == pytest.approx(expected / expected.sum(), abs=0.06)  # uniform, or Gaussian of that variance


def test_a_mode_faster_than_the_neutrons_is_met_twice():
    """Along the beam, w + v (ki - k) = Ei - c k^2 at k = 0.3 ki and 0.6 ki for v = 0.9 c ki and w = 0.28 Ei.

    A line of modes is counted by how fast it parts from the path: 2 c k / |2 c k - v| is 2 and 4. So are the slopes, with their sign.
    """
    ei = 20.0
    _, domain = made(General, Slices([ei], [1.0], [5.0]), [0.1, 0.2], [0.1, 0.2])
    ki = np.sqrt(ei / MEV_ANGSTROM2)
    along, across = 0.9 * MEV_ANGSTROM2 * ki / domain.beam_hkl[2], np.linalg.solve(domain.to_hkl[:, :2], [7.0, -3.0])
    modes = SimpleNamespace(energies=np.full((1, 1, 1), 0.28 * ei), velocities=np.array([[[[*across, along]]]]))
    met = sorted(domain._met(domain.groups[0], np.zeros(1), 0, modes, np.zeros((1, 3))), key=lambda one: float(one[0].item()))
    assert [energy.item() for energy, _, _ in met] == pytest.approx([0.64 * ei, 0.91 * ei])
    assert [weight.item() for _, _, weight in met] == pytest.approx([4, 2])
    assert [slope.ravel().tolist() for _, slope, _ in met] == [pytest.approx([28, -12]), pytest.approx([-14, 6])]


HONEYCOMB = """
name: honeycomb
title: Honeycomb antiferromagnet, whose two modes have one energy
family: honeycomb
sources: ["made for a test"]
parameters:
  - {name: J1, value: 1.0, low: 0.2, high: 3.0, description: nearest neighbours}
  - {name: D, value: -0.1, low: -0.5, high: 0.0, description: easy axis}
cell: {a: 6.0, b: 6.0, c: 12.0, gamma: 120}
sites:
  - {label: up, positions: [[0.3333333333333333, 0.6666666666666667, 0]], spin: 1.5, direction: [0, 0, 1]}
  - {label: down, positions: [[0.6666666666666667, 0.3333333333333333, 0]], spin: 1.5, direction: [0, 0, -1]}
bonds:
  - {parameter: J1, distance: 3.4641016}
anisotropy:
  - {parameter: D, axis: [0, 0, 1]}
map:
  cell: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
  frame: honeycomb cell
"""


def test_degenerate_modes_change_smoothly_with_the_parameters(tmp_path):
    """A solver mixes modes of one energy by chance: what it makes of one of them must not be seen."""
    path = tmp_path / "honeycomb.yaml"
    path.write_text(HONEYCOMB)
    axis = np.linspace(-1, 1, 21)
    slices = Slices.from_bins([15.0], [np.arange(1.0, 7.1, 1.5)])
    simulator = SliceSimulator(path, slices, Axis("qh", RLU, axis), Axis("qk", RLU, axis))
    assert isinstance(simulator._domains[0], Planar)
    step = np.arange(9)
    images = simulator.intensity({"J1": 1.1 + 1e-3 * step}, dtype=float)[0][:, simulator.reach]
    smooth = np.polynomial.polynomial.polyval(step, np.polynomial.polynomial.polyfit(step, images, 2)).T
    assert np.sqrt(np.mean((images - smooth) ** 2)) < 1e-4 * np.sqrt(np.mean(images**2))


def test_only_modes_of_one_energy_share_their_intensity():
    """Of one energy against the largest of their own parameter set."""
    energies = np.array([[[1.0, 1.0, 2.0, 3.0], [np.nan, 1.0, 2.0, 2.0]], [[1e6, np.nan, 2e6, 3e6], [1e6, 1e6 + 1, 2e6, 3e6]]])
    energies = np.concatenate((energies, np.full((1, 2, 4), np.nan)))
    intensity = np.array([[[1.0, 3.0, 5.0, 7.0], [0.0, 2.0, 4.0, 8.0]]] * 3)
    _share_degenerate(intensity, energies)
    np.testing.assert_array_equal(intensity[0], [[2.0, 2.0, 5.0, 7.0], [0.0, 2.0, 6.0, 6.0]])
    np.testing.assert_array_equal(intensity[1], [[1.0, 3.0, 5.0, 7.0], [1.0, 1.0, 4.0, 8.0]])
    np.testing.assert_array_equal(intensity[2], [[1.0, 3.0, 5.0, 7.0], [0.0, 2.0, 4.0, 8.0]])
