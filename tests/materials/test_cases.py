"""Material and CIF files as they come: each case of tests/data/cases behaves as its README says."""

from pathlib import Path

import numpy as np
import pytest

from mantid_insdl.errors import InstabilityError, MaterialError
from mantid_insdl.maps import Axis, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.materials.summary import summarise
from mantid_insdl.simulation.slices import simulate
from mantid_insdl.simulation.spectra import dispersion
from mantid_insdl.spinwave import spin_waves

CASES = Path(__file__).parents[1] / "data" / "cases"
HKL = np.random.default_rng(0).uniform(-1, 1, (5, 3))


def test_repeated_labels_are_as_many_spins():
    magnet = load_material(CASES / "cif-duplicate-labels" / "m.yaml")
    assert [site.position.tolist() for site in magnet.model.sites] == [[0, 0, 0], [0.5, 0, 0]]
    assert [bond.parameter for bond in magnet.model.bonds] == ["J", "J"]  # a chain of two spins in the cell


def test_latin1_beside_the_structure_does_no_harm():
    magnet = load_material(CASES / "cif-latin1" / "m.yaml")
    assert len(magnet.model.sites) == 1 and len(magnet.model.bonds) == 1


def test_orthohexagonal_cell_is_the_hexagonal_one_twice():
    # triangular lattice: two sites in the cell a x a sqrt(3), six neighbours each
    magnet = load_material(CASES / "cif-rational-operation" / "m.yaml")
    assert magnet.model.sites[1].position == pytest.approx([0.5, 0.5, 0])
    assert len(magnet.model.bonds) == 6
    h, k, _ = 2 * np.pi * HKL.T
    gamma = (np.cos(h) + 2 * np.cos(h / 2) * np.cos(k / 2)) / 3
    # ferromagnet of J = -1, S = 1: 6 S (1 - gamma), and the same at the zone boundary of the larger cell
    folded = (np.cos(h) - 2 * np.cos(h / 2) * np.cos(k / 2)) / 3
    expected = np.sort(6 * np.stack([1 - gamma, 1 - folded], axis=1), axis=1)
    assert spin_waves(magnet.model, HKL, {"J": -1.0}).energies[0] == pytest.approx(expected, rel=1e-8)
    # the three directions of the bonds are one orbit of the threefold axis
    ends = magnet.exchange[0].ends
    orbit = magnet.crystal.equivalents.orbit(ends)
    assert len(orbit) == 6 and {tuple(sorted(end[:2])) for end, _ in orbit} == {(0, 0), (1, 1), (0, 1)}


@pytest.mark.parametrize(
    ("name", "element"),
    [("fe", "Fe"), ("fe_with_ion", "Fe"), ("yb", "Yb"), ("co", "Co"), ("ni", "Ni"), ("mn", "Mn3+"), ("er", "Er"), ("pr", "Pr")],
)
def test_symbols_in_capitals_are_elements(name, element):
    magnet = load_material(CASES / "cif-uppercase-symbols" / f"{name}.yaml")
    assert magnet.crystal.elements == (element,)
    assert f"(atom {element})" in summarise(magnet, grid=1)


@pytest.mark.parametrize("name", ["d3", "d4", "d7"])
def test_rounded_honeycomb_has_three_bonds(name):
    magnet = load_material(CASES / "honeycomb-rounded" / f"{name}.yaml")
    assert len(magnet.model.bonds) == 3
    h, k, _ = 2 * np.pi * HKL.T
    f = np.sqrt(3 + 2 * np.cos(h) + 2 * np.cos(k) + 2 * np.cos(h + k))
    expected = 1.5 * np.stack([3 - f, 3 + f], axis=1)
    assert spin_waves(magnet.model, HKL, {"J": -1.0}).energies[0] == pytest.approx(expected, rel=1e-9)


def test_direction_beside_a_magnetic_cif_is_refused():
    with pytest.raises(MaterialError, match=r"Mn1 has a direction here and a moment in the magnetic CIF.*leave out direction"):
        load_material(CASES / "mcif-direction-conflict" / "m.yaml")


@pytest.mark.parametrize("name", ["one", "both"])
def test_shared_site_is_named_as_such(name):
    with pytest.raises(MaterialError, match=r"Mn1 shares its place \[0.0, 0.0, 0.0\] with Fe1 \(occupancies Mn1 0.5, Fe1 0.5\)"):
        load_material(CASES / "sunny-158-shared-site" / f"{name}.yaml")


def test_wrong_sign_of_the_file_is_not_mended_by_its_own_values():
    magnet = load_material(CASES / "spinw-169-wrong-sign" / "m.yaml")
    advice = r"these are the values of the material file.*J > 0 is antiferromagnetic"
    axis = Axis("qh", "r.l.u.", [0.1, 0.2, 0.5])
    with pytest.raises(InstabilityError, match=advice):
        dispersion(magnet, corners=[(0, 0, 0), (0.5, 0, 0)])
    with pytest.raises(InstabilityError, match=advice):
        simulate(magnet, slices=Slices([12.0], [1.0], [2.0]), qh=axis, qk=Axis("qk", "r.l.u.", [0.0, 0.1]))
    assert "these are the values of the material file" in summarise(magnet, grid=2)
    assert "Unstable" not in summarise(magnet, {"J": -1.0}, grid=2)
    # a value of the user's own is another matter
    with pytest.raises(InstabilityError, match=r"nearer to the published ones: J=1 meV"):
        dispersion(magnet, {"J": 2.0}, corners=[(0, 0, 0), (0.5, 0, 0)])


def test_cerium_has_its_own_form_factor():
    magnet = load_material(CASES / "ion-ce3" / "m.yaml")
    assert {site.ion for site in magnet.model.sites} == {"Ce3+"}
    modes = spin_waves(magnet.model, [[0.2, 0.1, 0.5], [2.2, 2.1, 0.5]], magnet.defaults)
    # the same mode at a larger momentum is weaker, as Ce3+ is at rest over 2 per angstrom
    length = np.linalg.norm(magnet.model.lattice.to_cartesian(modes.q), axis=1)
    expected = 0.2291 * np.exp(-18.18 * (length / 4 / np.pi) ** 2) + 0.7897 * np.exp(-5.807 * (length / 4 / np.pi) ** 2) - 0.0191
    trace = (np.abs(modes.amplitudes[0]) ** 2).sum(axis=(-1, -2))
    assert trace[1] / trace[0] == pytest.approx((expected[1] / expected[0]) ** 2, rel=1e-6)
