"""Classical energy, stationarity, minimisation and ordering vectors."""

import dataclasses

import numpy as np
import pytest

from mantid_insdl.errors import InstabilityError
from mantid_insdl.materials import load_material, material_names
from mantid_insdl.spinwave import Bond, Field, Lattice, OnSite, Site, SpinModel, relax, spin_waves
from mantid_insdl.spinwave.model import MU_B
from mantid_insdl.spinwave.rotating_frame import turning_model
from mantid_insdl.spinwave.structure import ClassicalEnergy, ordering_vector


def directions(model):
    return np.array([s.direction for s in model.sites])


def triangle_cell(start):
    positions = [[0, 0, 0], [1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0]]
    sites = tuple(Site("t", p, 1.5, n) for p, n in zip(positions, start, strict=True))
    bare = SpinModel(Lattice(np.sqrt(3), np.sqrt(3), 3, gamma=120), sites)
    return dataclasses.replace(bare, bonds=tuple(Bond(*pair, "J") for pair in bare.neighbours(1.0)))


def test_energy_of_an_antiferromagnet():
    material = load_material("rb2mnf4")
    j1, j2, d = (material.defaults[n] for n in ("J1", "J2", "D"))
    table = material.model.parameter_table(material.defaults)
    energy = ClassicalEnergy(material.model).energy(table, directions(material.model))[0]
    assert energy == pytest.approx(2 * 2.5**2 * (-2 * j1 + 2 * j2 + d))


def test_force_is_the_gradient_of_the_energy():
    rng = np.random.default_rng(0)
    exchange = rng.normal(size=(3, 3))
    model = SpinModel(
        Lattice(3, 3, 3),
        (Site("a", [0, 0, 0], 1, rng.normal(size=3)), Site("b", [0.5, 0, 0], 2, rng.normal(size=3), g=np.diag([2, 2.1, 1.9]))),
        (Bond(0, 1, (0, 0, 0), "J", exchange), Bond(0, 0, (0, 1, 0), "J", exchange)),
        (OnSite(1, "D", np.diag([0.2, 0, 1])),),
        (Field("B", [1, 0, 1]),),
    )
    energy, table, n = ClassicalEnergy(model), np.array([[1.3, -0.4, 5.0]]), directions(model)
    force = energy.forces(table, n)[0]
    for site in range(2):
        for axis in range(3):
            step = np.zeros((2, 3))
            step[site, axis] = 1e-6 / model.spins[site]
            slope = (energy.energy(table, n + step)[0] - energy.energy(table, n - step)[0]) / 2e-6
            assert slope == pytest.approx(force[site, axis], rel=1e-6, abs=1e-8)


def test_shipped_structures_are_stationary_and_the_lowest_in_their_cell():
    for name in material_names():
        material = load_material(name)
        if material.spiral is not None:
            turning = turning_model(material.model, material.spiral.k, material.spiral.axis)
            ClassicalEnergy(turning).require_stationary(turning.parameter_table(material.defaults))
            continue
        ClassicalEnergy(material.model).require_stationary(material.model.parameter_table(material.defaults))
        relaxed, _ = relax(material.model, material.defaults, starts=0 if len(material.model.sites) > 8 else 1)
        assert directions(relaxed) == pytest.approx(directions(material.model))


def test_structure_that_is_not_stationary_is_refused():
    model = triangle_cell([[1, 0, 0], [0, 1, 0], [-1, 0, 0]])
    with pytest.raises(InstabilityError, match=r"not stationary.*sideways.*relax"):
        spin_waves(model, [[0.1, 0, 0]], {"J": 1.0})


def test_relax_finds_120_degrees():
    relaxed, energy = relax(triangle_cell([[1, 0, 0], [0, 1, 0], [-1, 0.1, 0.2]]), {"J": 1.0}, starts=3)
    n = directions(relaxed)
    assert [n[0] @ n[1], n[1] @ n[2], n[2] @ n[0]] == pytest.approx([-0.5] * 3, abs=1e-6)
    assert energy == pytest.approx(9 * 1.5**2 * -0.5)
    assert spin_waves(relaxed, [[0.4, 0.1, 0]], {"J": 1.0}).energies[0, 0] == pytest.approx([3.213724, 4.572352, 4.771329], abs=1e-5)


def test_relax_finds_the_canting_in_a_field():
    b = 0.76
    sites = (Site("c", [0, 0, 0], 1.5, [1, 0, 0.1]), Site("c", [0.5, 0.5, 0], 1.5, [-1, 0.2, 0.3]))
    bonds = tuple(Bond(0, 1, (m, n, 0), "J") for m in (0, -1) for n in (0, -1))
    easy_plane = tuple(OnSite(i, "D", np.diag([0, 0, 1.0])) for i in (0, 1))
    model = SpinModel(Lattice(4, 4, 10), sites, bonds, easy_plane, (Field("B", [0, 0, 1]),))
    relaxed, _ = relax(model, {"J": 1.0, "D": 0.54, "B": b / (2 * MU_B)}, starts=2)
    assert directions(relaxed)[:, 2] == pytest.approx(b / (2 * 1.5 * (4 + 0.54)), abs=1e-6)


def test_ordering_vector():
    triangular = SpinModel(
        Lattice(1, 1, 3, gamma=120),
        (Site("t", [0, 0, 0], 1.5, [1, 0, 0]),),
        tuple(Bond(0, 0, c, "J") for c in ((1, 0, 0), (0, 1, 0), (1, 1, 0))),
    )
    k, energy = ordering_vector(triangular, {"J": 1.0})
    assert np.abs(k) == pytest.approx([1 / 3, 1 / 3, 0], abs=1e-6) and energy == pytest.approx(-1.5 * 1.5**2)
    # J1-J2 chain: cos 2 pi k = -J1 / 4 J2
    chain = SpinModel(Lattice(3, 8, 8), (Site("c", [0, 0, 0], 1, [1, 0, 0]),), (Bond(0, 0, (1, 0, 0), "J1"), Bond(0, 0, (2, 0, 0), "J2")))
    k, _ = ordering_vector(chain, {"J1": 1.0, "J2": 0.7})
    assert np.cos(2 * np.pi * k[0]) == pytest.approx(-1 / 2.8, abs=1e-6)
