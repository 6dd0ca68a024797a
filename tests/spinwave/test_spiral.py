"""The rotating frame against supercells and formulas."""

import dataclasses

import numpy as np
import pytest

from mantid_insdl.errors import InstabilityError, MaterialError
from mantid_insdl.materials import load_material
from mantid_insdl.spinwave import Bond, Field, Lattice, OnSite, Site, SpinModel, spin_waves
from mantid_insdl.spinwave.model import MU_B
from mantid_insdl.spinwave.polarisation import polarised
from mantid_insdl.spinwave.relaxation import relax_spiral
from mantid_insdl.spinwave.spiral import spiral_waves
from mantid_insdl.spinwave.structure import ordering_vector

TRIANGULAR = SpinModel(
    Lattice(6, 6, 12, gamma=120),
    (Site("t", [0, 0, 0], 1.5, [1, 0, 0]),),
    tuple(Bond(0, 0, c, "J") for c in ((1, 0, 0), (0, 1, 0), (1, 1, 0))),
)
Z = [0, 0, 1]


def test_3_triangular_in_the_rotating_frame():
    modes = spiral_waves(TRIANGULAR, [1 / 3, 1 / 3, 0], Z, [[0.1, 0.2, 0]], {"J": 1})
    assert modes.energies[0, 0] == pytest.approx([3.213724, 4.572352, 4.771329], abs=1e-6)


@pytest.mark.parametrize("origin", [[0, 0, 0], [0.2, 0.7, 0.1]])
def test_rotating_frame_scatters_as_the_supercell(origin):
    q = np.random.default_rng(0).uniform(-1, 1, (20, 3))
    model = dataclasses.replace(TRIANGULAR, sites=(dataclasses.replace(TRIANGULAR.sites[0], position=np.array(origin), ion="Mn2+"),))
    spiral = spiral_waves(model, [1 / 3, 1 / 3, 0], Z, q, {"J": 1})
    material = load_material("example-triangular")
    cell = material.model
    supercell = dataclasses.replace(cell, sites=tuple(dataclasses.replace(s, ion="Mn2+") for s in cell.sites))
    big = spin_waves(supercell, q @ np.array(material.map.cell).T, {"J": 1})
    assert spiral.energies == pytest.approx(big.energies, abs=1e-8)
    assert spiral.s_perp.sum(-1) == pytest.approx(big.s_perp.sum(-1), rel=1e-8)
    assert (spiral.s_perp * spiral.energies).sum(-1) == pytest.approx((big.s_perp * big.energies).sum(-1), rel=1e-8)
    # the sense of the turn: the chiral term, which changes sign with it
    momenta = model.lattice.to_cartesian(q)[:, None, :]
    found, expected = (polarised(one.amplitudes[0], momenta, np.array([0, 0, 1.0])).chiral for one in (spiral, big))
    assert (found * spiral.energies[0]).sum(-1) == pytest.approx((expected * big.energies[0]).sum(-1), rel=1e-6, abs=1e-8)
    assert np.abs((expected * big.energies[0]).sum(-1)).max() > 0.01


def test_incommensurate_chain_against_its_formula():
    # w^2 = S^2 (J(q) - J(k)) ((J(q+k) + J(q-k)) / 2 - J(k)), J(q) = 2 sum J_n cos(2 pi n q)
    chain = SpinModel(Lattice(3, 8, 8), (Site("c", [0, 0, 0], 1, [1, 0, 0]),), (Bond(0, 0, (1, 0, 0), "J1"), Bond(0, 0, (2, 0, 0), "J2")))
    values = {"J1": 1.0, "J2": 0.7}
    k, _ = ordering_vector(chain, values)

    def exchange(h):
        return 2 * (values["J1"] * np.cos(2 * np.pi * h) + values["J2"] * np.cos(4 * np.pi * h))

    def energy(h):
        return np.sqrt((exchange(h) - exchange(k[0])) * (0.5 * (exchange(h + k[0]) + exchange(h - k[0])) - exchange(k[0])))

    h = np.array([0.07, 0.2, 0.41])
    modes = spiral_waves(chain, k, Z, np.column_stack((h, 0 * h, 0 * h)), values)
    expected = np.sort([energy(h), energy(h - k[0]), energy(h + k[0])], axis=0).T
    assert modes.energies[0] == pytest.approx(expected, abs=1e-6)


def test_field_and_easy_plane_along_the_axis_are_allowed_and_others_refused():
    plane = dataclasses.replace(TRIANGULAR, onsite=(OnSite(0, "D", np.diag([0, 0, 1.0])),))
    modes = spiral_waves(plane, [1 / 3, 1 / 3, 0], Z, [[0.1, 0.2, 0]], {"J": 1, "D": 0.2})
    assert modes.stable.all() and modes.energies.max() > 4.771329
    axis = dataclasses.replace(TRIANGULAR, onsite=(OnSite(0, "D", np.diag([1.0, 0, 0])),))
    with pytest.raises(MaterialError, match="D changes under rotations"):
        spiral_waves(axis, [1 / 3, 1 / 3, 0], Z, [[0, 0, 0]], {"J": 1, "D": 0.2})
    field = dataclasses.replace(TRIANGULAR, fields=(Field("B", [1, 0, 0]),))
    with pytest.raises(MaterialError, match="not along the spiral's axis"):
        spiral_waves(field, [1 / 3, 1 / 3, 0], Z, [[0, 0, 0]], {"J": 1, "B": 0.2})


@pytest.mark.parametrize(
    ("g", "uniform"),
    [
        (np.diag([2.0, 2, 2.3]), True),
        ([[2, 0.1, 0], [-0.1, 2, 0], [0, 0, 2]], True),
        (np.diag([2.0, 2.1, 2]), False),
        ([[2, 0, 0], [0, 2, 0], [0.1, 0, 2]], False),
    ],
)
def test_g_tensor_of_a_spiral_in_a_field_is_uniform_about_its_axis(g, uniform):
    site = dataclasses.replace(TRIANGULAR.sites[0], g=np.array(g, float))
    plain = dataclasses.replace(TRIANGULAR, sites=(site,))
    fielded = dataclasses.replace(plain, fields=(Field("B", Z),))
    spiral_waves(plain, [1 / 3, 1 / 3, 0], Z, [[0.1, 0.2, 0]], {"J": 1})  # without a field g does nothing
    if not uniform:
        with pytest.raises(MaterialError, match="The g-tensor of t changes under rotations"):
            spiral_waves(fielded, [1 / 3, 1 / 3, 0], Z, [[0.1, 0.2, 0]], {"J": 1, "B": 0.0})
        with pytest.raises(MaterialError, match="The g-tensor of t changes under rotations"):
            relax_spiral(fielded, {"J": 1, "B": 0.2}, Z)
        return
    # a cone: E / S^2 = -3 J / 2 (sin)^2 + 3 J (cos)^2 - g_zz muB B cos / S
    relaxed, _, energy = relax_spiral(fielded, {"J": 1, "B": 5.0}, Z, starts=5)
    cone = site.g[2, 2] * MU_B * 5.0 / (9 * 1.5)
    assert relaxed.sites[0].direction[2] == pytest.approx(cone, abs=1e-5)
    assert energy == pytest.approx(1.5**2 * (-1.5 * (1 - cone**2) + 3 * cone**2) - site.g[2, 2] * MU_B * 5.0 * 1.5 * cone)


def test_half_a_reciprocal_lattice_vector_is_refused():
    with pytest.raises(MaterialError, match="doubled cell"):
        spiral_waves(TRIANGULAR, [0.5, 0, 0], Z, [[0.1, 0, 0]], {"J": 1})
    with pytest.raises(MaterialError, match="wave vector"):
        spiral_waves(TRIANGULAR, [0.5, 0], Z, [[0.1, 0, 0]], {"J": 1})


def test_wrong_wave_vector_is_unstable_and_wrong_directions_are_not_stationary():
    modes = spiral_waves(TRIANGULAR, [0.2, 0.1, 0], Z, np.random.default_rng(0).uniform(-1, 1, (20, 3)), {"J": 1})
    assert not modes.stable.any() and np.nanmin(modes.lowest) < 0
    tilted = dataclasses.replace(
        TRIANGULAR,
        sites=(dataclasses.replace(TRIANGULAR.sites[0], direction=np.array([1.0, 0, 1.0])),),
        onsite=(OnSite(0, "D", np.diag([0, 0, 1.0])),),
    )
    with pytest.raises(InstabilityError, match="not stationary"):
        spiral_waves(tilted, [1 / 3, 1 / 3, 0], Z, [[0.1, 0, 0]], {"J": 1, "D": 0.2})


def test_relaxed_spiral_of_the_frustrated_chain():
    # cos 2 pi k = -J1 / 4 J2, E = S^2 (J1 cos 2 pi k + J2 cos 4 pi k)
    chain = SpinModel(
        Lattice(3, 8, 8), (Site("c", [0, 0, 0], 1.5, [0.3, 1, 0.2]),), (Bond(0, 0, (1, 0, 0), "J1"), Bond(0, 0, (2, 0, 0), "J2"))
    )
    relaxed, k, energy = relax_spiral(chain, {"J1": 1.0, "J2": 0.7}, Z, starts=5)
    assert np.cos(2 * np.pi * k[0]) == pytest.approx(-1 / 2.8, abs=1e-7) and k[1:].tolist() == [0, 0]
    assert energy == pytest.approx(1.5**2 * (np.cos(2 * np.pi * k[0]) + 0.7 * np.cos(4 * np.pi * k[0])))
    assert abs(relaxed.sites[0].direction[2]) < 1e-4
    assert spiral_waves(relaxed, k, Z, [[0.07, 0, 0]], {"J1": 1.0, "J2": 0.7}).stable.all()


def test_relaxed_spiral_of_two_sites_with_antisymmetric_exchange_and_a_field():
    # a ferromagnetic zig-zag chain with D along z turns by -atan(D / |J|) a bond; a field along z makes it a cone
    turn = np.array([[0, 1.0, 0], [-1, 0, 0], [0, 0, 0]])
    ends = ((0, 1, (0, 0, 0)), (1, 0, (1, 0, 0)))
    model = SpinModel(
        Lattice(6, 8, 8),
        (Site("a", [0, 0, 0], 1, [1, 0, 0]), Site("b", [0.5, 0.1, 0], 1, [1, 0.1, 0])),
        tuple(Bond(*e, "J") for e in ends) + tuple(Bond(*e, "Dz", turn) for e in ends),
        (),
        (Field("B", Z),),
    )
    values = {"J": -1.0, "Dz": 0.4, "B": 0.5}
    relaxed, k, energy = relax_spiral(model, values, Z, starts=10)
    assert k[0] == pytest.approx(-2 * np.arctan(0.4) / (2 * np.pi), abs=1e-6)
    cone = 2 * MU_B * 0.5 / (2 * (np.sqrt(1.16) - 1))  # E = -2 sqrt(J^2 + D^2) sin^2 - 2 |J| cos^2 - 2 g muB B cos
    assert [s.direction[2] for s in relaxed.sites] == pytest.approx([cone, cone], abs=1e-4)
    assert energy == pytest.approx(-2 * np.sqrt(1.16) * (1 - cone**2) - 2 * cone**2 - 4 * MU_B * 0.5 * cone)
    modes = spiral_waves(relaxed, k, Z, np.random.default_rng(0).uniform(-1, 1, (20, 3)), values)
    assert modes.stable.all()


def test_relaxed_spiral_needs_an_axis_and_couplings_that_allow_it():
    with pytest.raises(MaterialError, match="axis of a spiral"):
        relax_spiral(TRIANGULAR, {"J": 1}, [0, 0, 0])
    axis = dataclasses.replace(TRIANGULAR, onsite=(OnSite(0, "D", np.diag([1.0, 0, 0])),))
    with pytest.raises(MaterialError, match="D changes under rotations"):
        relax_spiral(axis, {"J": 1, "D": 0.2}, Z)
