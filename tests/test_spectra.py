"""Cuts along a path and powder maps."""

import numpy as np
import pytest

from mantid_insdl.errors import InstabilityError, MapError, MaterialError
from mantid_insdl.maps import Axis
from mantid_insdl.materials import Material, load_material
from mantid_insdl.spectra import BOLTZMANN, path_through, simulate_cut, simulate_powder
from mantid_insdl.spinwave import spin_waves

ENERGY = Axis("energy", "meV", np.linspace(-1, 9, 101), is_edges=True)
CORNERS = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]

CHAIN = Material.model_validate(
    {
        "name": "chain",
        "title": "Ferromagnetic chain along a",
        "family": "chain",
        "sources": ["none"],
        "parameters": [{"name": "J", "value": -1.0, "low": -2.0, "high": 0.0, "description": "along the chain"}],
        "cell": {"a": 3.0, "b": 8.0, "c": 8.0},
        "sites": [{"label": "a", "positions": [[0, 0, 0]], "spin": 1.0, "direction": [0, 1, 0]}],
        "bonds": [{"parameter": "J", "distance": 3.0}],
        "map": {"cell": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "frame": "the chain's cell"},
    }
)


def test_path_is_even_in_inverse_angstrom():
    path, axis = path_through(CORNERS, 101, "rb2mnf4")
    lattice = 2 * np.pi / 4.21
    assert axis.values[-1] == pytest.approx(lattice * (np.sqrt(0.5) + 0.5 + 0.5), rel=1e-4)
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert np.median(steps) == pytest.approx(steps.max(), rel=1e-6)
    assert path[0].tolist() == [0, 0, 0] and path[-1].tolist() == [0, 0, 0]


def test_cut_holds_the_modes_of_its_momenta():
    cut = simulate_cut("rb2mnf4", corners=CORNERS, energy=ENERGY, points=40, fwhm=0.4)
    material = load_material("rb2mnf4")
    modes = spin_waves(material.model, cut.path @ np.array(material.map.cell).T, material.defaults)
    width = np.diff(ENERGY.edges)
    assert (cut.intensity * width).sum(1) == pytest.approx(np.nansum(modes.s_perp[0], axis=1), rel=1e-4)
    assert (cut.intensity * width * ENERGY.centres).sum(1) == pytest.approx(np.nansum((modes.s_perp * modes.energies)[0], axis=1), rel=1e-3)
    assert cut.kind == "cut" and cut.material == "rb2mnf4" and "chemical cell" in cut.frame


def test_incident_energy_gives_the_instruments_width():
    wide, narrow = (simulate_cut("rb2mnf4", corners=CORNERS, energy=ENERGY, points=5, ei=ei).intensity for ei in (60.0, 12.0))
    assert narrow.max() > 2 * wide.max()


def test_powder_average_of_a_ferromagnet():
    # sum over modes of S_perp = (1 - Qx^2 + 1 - Qz^2) S / 2, whose mean over directions is 2 S / 3
    q = Axis("q", "1/angstrom", [0.4, 1.1, 2.0])
    seen = []
    powder = simulate_powder(CHAIN, q=q, energy=ENERGY, fwhm=0.1, directions=2000, progress=lambda f, t: seen.append(f))
    assert (powder.intensity * 0.1).sum(1) == pytest.approx([2 / 3] * 3, rel=0.01)
    assert seen[-1] == 1.0 and powder.kind == "powder" and not powder.mask.any()
    # no mode is above 4 meV
    assert powder.intensity[:, ENERGY.centres > 4.5].max() < 1e-6


def test_powder_is_masked_where_no_neutron_goes():
    q = Axis("q", "1/angstrom", np.linspace(0.2, 8, 20))
    powder = simulate_powder(CHAIN, q=q, energy=ENERGY, ei=10.0, directions=10)
    ki = np.sqrt(10 / 2.0721)
    assert powder.mask[q.centres > 2 * ki + 0.2].all() and not powder.mask[:5, :15].all()
    assert powder.mask[0, -1]


def test_temperature_multiplies_by_the_bose_factor():
    cold, warm = (
        simulate_cut(CHAIN, corners=[[0.5, 0, 0], [0.5, 1, 0]], energy=ENERGY, points=2, fwhm=0.1, temperature=t) for t in (0, 50)
    )
    # both points have energy 4 meV
    assert warm.intensity.sum() / cold.intensity.sum() == pytest.approx(1 / (1 - np.exp(-4 / (BOLTZMANN * 50))), rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corners": [[0, 0, 0]]}, "two corners"),
        ({"corners": [[0, 0], [1, 1]]}, "two corners"),
        ({"corners": [[0, 0, 0], [0, 0, 0]]}, "equal"),
        ({"points": 1}, "two points"),
        ({"fwhm": None}, "width is not given"),
        ({"ei": 20.0}, "or twice"),
        ({"fwhm": -1.0}, "positive"),
        ({"temperature": float("nan")}, "positive"),
        ({"fwhm": None, "ei": 5.0}, "above the incident energy"),
        ({"energy": Axis("q", "1/angstrom", [1, 2])}, "in meV"),
    ],
)
def test_bad_cuts(changes, message):
    arguments = {"corners": CORNERS, "energy": ENERGY, "points": 5, "fwhm": 0.3, **changes}
    with pytest.raises(MapError, match=message):
        simulate_cut("rb2mnf4", **arguments)


def test_bad_powders_and_parameters():
    with pytest.raises(MapError, match="above zero"):
        simulate_powder("rb2mnf4", q=Axis("q", "1/angstrom", [0.0, 1.0]), energy=ENERGY, fwhm=0.1)
    with pytest.raises(MapError, match="directions"):
        simulate_powder("rb2mnf4", q=Axis("q", "1/angstrom", [1.0]), energy=ENERGY, fwhm=0.1, directions=10**8)
    with pytest.raises(MaterialError, match="J1, J2, D"):
        simulate_cut("rb2mnf4", {"K": 1.0}, corners=CORNERS, energy=ENERGY, fwhm=0.1)
    with pytest.raises(InstabilityError, match=r"costs .* below zero"):
        simulate_cut("rb2mnf4", {"J1": -0.6}, corners=CORNERS, energy=ENERGY, fwhm=0.1)
