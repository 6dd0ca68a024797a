"""Polarised components against closed forms, conservation of angular momentum, and Bragg peaks."""

import dataclasses

import numpy as np
import pytest

from mantid_insdl.materials import load_material
from mantid_insdl.spinwave import Bond, Field, Lattice, OnSite, Site, SpinModel, spin_waves, spiral_waves
from mantid_insdl.spinwave.polarisation import COMPONENTS, polarised

UP = np.array([0.0, 0.0, 1.0])
FERROMAGNET = SpinModel(Lattice(3, 8, 8), (Site("f", [0, 0, 0], 1.5, [0, 1, 0]),), (Bond(0, 0, (1, 0, 0), "J"),))
# right-handed for k > 0: spin turns from a to b on the way along c
DM = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 0]])
HELIX = SpinModel(Lattice(8, 8, 3), (Site("h", [0, 0, 0], 1.0, [1, 0, 0]),), (Bond(0, 0, (0, 0, 1), "J"), Bond(0, 0, (0, 0, 1), "Dz", DM)))


def of(modes, model, vertical=UP):
    return polarised(modes.amplitudes, model.lattice.to_cartesian(modes.q)[None, :, None, :], vertical)


def test_components_of_random_amplitudes_add_up_and_do_not_depend_on_the_frame_where_they_should_not():
    rng = np.random.default_rng(0)
    amplitudes = rng.normal(size=(50, 4, 3)) + 1j * rng.normal(size=(50, 4, 3))
    q = rng.normal(size=(50, 1, 3))
    seen, other = polarised(amplitudes, q, UP), polarised(amplitudes, q, [0.3, 1.0, -0.2])
    unit = q / np.linalg.norm(q, axis=-1, keepdims=True)
    spin = np.einsum("qma,qmb->qmab", amplitudes, amplitudes.conj())
    assert seen.perp == pytest.approx(np.einsum("ab,qmab->qm", np.eye(3), spin).real - np.einsum("qna,qnb,qmab->qm", unit, unit, spin).real)
    assert seen.yy + seen.zz == pytest.approx(seen.perp, abs=1e-12)
    assert seen.xx + seen.perp == pytest.approx(np.sum(np.abs(amplitudes) ** 2, axis=-1), abs=1e-12)
    assert np.all(np.abs(seen.chiral) <= seen.perp + 1e-12)
    for name in ("perp", "xx", "chiral"):
        assert other.component(name) == pytest.approx(seen.component(name), abs=1e-12)
    assert not np.allclose(other.yy, seen.yy)


def test_cross_section_is_that_of_the_pauli_matrices():
    # sum over final spins of |<f| sigma . A_perp |i>|^2, A = conj(M), for neutrons whose spin is along or against Q = z'
    rng = np.random.default_rng(1)
    amplitude, q = rng.normal(size=3) + 1j * rng.normal(size=3), np.array([0.3, -0.8, 0.5])
    unit = q / np.linalg.norm(q)
    sigma = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    across = np.conj(amplitude) - unit * (unit @ np.conj(amplitude))
    seen = polarised(amplitude, q, UP)
    _, spinors = np.linalg.eigh(np.einsum("a,aij->ij", unit, sigma))
    for sign, spinor in zip((-1, 1), spinors.T, strict=True):
        scattered = np.einsum("a,aij,j->i", across, sigma, spinor)
        assert np.vdot(scattered, scattered).real == pytest.approx(seen.perp + sign * seen.chiral)


def test_ferromagnet_in_closed_form():
    # M = sqrt(S / 2) (e1 - i e2) for spins along b: S^yy = S/2 sin^2, S^zz = S/2, C = -S (Q . spin)
    angles = np.radians([0.0, 20.0, 90.0, 200.0])
    q = np.column_stack((np.cos(angles) * 3, np.sin(angles) * 8, 0 * angles))  # equal lengths in 1/angstrom
    seen = of(spin_waves(FERROMAGNET, q, {"J": -1}), FERROMAGNET)
    assert seen.yy[0, :, 0] == pytest.approx(0.75 * np.sin(angles) ** 2, abs=1e-12)
    assert seen.zz[0, :, 0] == pytest.approx(0.75, abs=1e-12)
    assert seen.chiral[0, :, 0] == pytest.approx(-1.5 * np.sin(angles), abs=1e-12)


def test_only_neutrons_with_spin_against_the_ordered_spin_make_a_magnon():
    # the magnon takes one unit of angular momentum from the magnet; a neutron along Q, parallel to the spins, has to flip upwards
    for length in (2.3, -2.3):
        seen = of(spin_waves(FERROMAGNET, [[0, length, 0]], {"J": -1}), FERROMAGNET)
        along_the_spins = seen.perp + np.sign(length) * seen.chiral
        against_the_spins = seen.perp - np.sign(length) * seen.chiral
        assert along_the_spins.ravel() == pytest.approx(0.0, abs=1e-12)
        assert against_the_spins.ravel() == pytest.approx(2 * 1.5)


def test_easy_axis_antiferromagnet_in_closed_form():
    material = load_material("rb2mnf4")
    values = {"J1": 0.65, "J2": 0.01, "D": -0.02}
    h, k = np.array([0.13, 0.3, -0.45]), np.array([0.24, 0.1, 0.2])
    bare = dataclasses.replace(material.model, sites=tuple(dataclasses.replace(s, ion="") for s in material.model.sites))
    modes = spin_waves(bare, np.column_stack((h, k, 0 * h)) @ np.array(material.map.cell).T, values)
    ch, ck, s = np.cos(2 * np.pi * h), np.cos(2 * np.pi * k), 2.5
    a = 4 * 0.65 * s - 4 * 0.01 * s * (1 - ch * ck) + 2 * 0.02 * s
    b = 2 * 0.65 * s * (ch + ck)
    seen = of(modes, bare)
    assert seen.yy.sum(-1)[0] == pytest.approx(s / 2 * np.sqrt((a - b) / (a + b)), rel=1e-9)
    assert seen.zz == pytest.approx(0.0, abs=1e-12)  # along the spins
    assert seen.chiral.sum(-1) == pytest.approx(0.0, abs=1e-9)
    # with the vertical in the plane and Q along it nothing is defined but the sum
    assert np.all(np.isnan(of(modes, bare, vertical=bare.lattice.to_cartesian(modes.q[0])).yy[0, 0]))


def test_field_splits_an_antiferromagnet_into_modes_of_opposite_chirality():
    sites = (Site("u", [0, 0, 0], 1.0, [0, 0, 1]), Site("d", [0.5, 0, 0], 1.0, [0, 0, -1]))
    bonds = (Bond(0, 1, (0, 0, 0), "J"), Bond(1, 0, (1, 0, 0), "J"))
    onsite = tuple(OnSite(i, "D", np.diag([0, 0, 1.0])) for i in (0, 1))
    model = SpinModel(Lattice(6, 8, 8), sites, bonds, onsite, (Field("B", np.array([0, 0, 1.0])),))
    modes = spin_waves(model, [[0.2, 0, 0.9]], {"J": 1, "D": -0.1, "B": 7})
    assert modes.energies[0, 0] == pytest.approx([0.680253, 2.300999], abs=1e-6)
    seen = of(modes, model)
    cosine = model.lattice.to_cartesian(modes.q)[0, 2] / np.linalg.norm(model.lattice.to_cartesian(modes.q))
    # circular modes: |C| = 2 cos / (1 + cos^2) of S_perp; the low one, which the field favours, adds spin along it
    assert seen.chiral[0, 0] / seen.perp[0, 0] == pytest.approx(2 * cosine / (1 + cosine**2) * np.array([1, -1]), rel=1e-9)


@pytest.mark.parametrize("hand", [1, -1])
def test_helix_is_chiral_and_its_hand_turns_the_sign(hand):
    k, values = np.array([0, 0, hand * 0.25]), {"J": 0.0, "Dz": -hand}
    q = np.column_stack((np.zeros(3), np.zeros(3), [0.1, 0.23, 0.4]))
    seen = of(spiral_waves(HELIX, k, UP, q, values), HELIX)
    # Q along the axis: the branches at Q - k have C = -S_perp, those at Q + k +S_perp, those at Q are along Q and not seen
    sign = np.where(seen.perp > 1e-9, seen.chiral / np.where(seen.perp > 1e-9, seen.perp, 1), 0)
    assert np.sort(np.round(sign, 9), axis=-1) == pytest.approx(np.broadcast_to([-1, 0, 1], sign.shape))
    # near the satellite at +0.25 its phason is strongest
    strongest = seen.perp[0, 1].argmax()
    assert sign[0, 1, strongest] == pytest.approx(-hand)
    # the same at -Q, where the phason is that of the other satellite: C . Q is a property of the hand
    other = of(spiral_waves(HELIX, -k, -UP, q, values), HELIX)
    assert other.chiral.sum(-1) == pytest.approx(seen.chiral.sum(-1))
    turned = of(spiral_waves(HELIX, k, -UP, q, {"J": 0.0, "Dz": hand}), HELIX)
    assert turned.chiral.sum(-1) == pytest.approx(-seen.chiral.sum(-1))


def test_phason_has_the_chirality_of_its_bragg_peak_and_rotating_frame_agrees_with_the_supercell():
    directions = [[np.cos(x), np.sin(x), 0] for x in np.pi / 2 * np.arange(4)]
    sites = tuple(Site("h", [0, 0, i / 4], 1.0, d) for i, d in enumerate(directions))
    bonds = tuple(
        Bond(i, (i + 1) % 4, (0, 0, int(i == 3)), name, matrix) for i in range(4) for name, matrix in (("J", np.eye(3)), ("Dz", DM))
    )
    cell = SpinModel(Lattice(8, 8, 12), sites, bonds)
    plane = tuple(OnSite(i, "P", np.diag([0, 0, 1.0])) for i in range(4))
    cell, helix = dataclasses.replace(cell, onsite=plane), dataclasses.replace(HELIX, onsite=plane[:1])
    values = {"J": 0.0, "Dz": -1.0, "P": 0.3}  # without J the pitch is 90 degrees a step
    q = np.array([[0.1, 0.05, 0.252], [0.1, 0.05, 0.4], [-0.2, 0.3, -0.1]])
    big, small = spin_waves(cell, q * [1, 1, 4], values), spiral_waves(helix, [0, 0, 0.25], UP, q, values)
    for name in COMPONENTS:
        for power in (0, 1):
            total = [(of(m, x).component(name) * m.energies**power).sum(-1) for m, x in ((big, cell), (small, helix))]
            assert total[0] == pytest.approx(total[1], rel=1e-7, abs=1e-9), name
    # elastic: A = sum_r exp(i Q.r) S(r) at the satellite (0, 0, 1/4)
    bragg = np.sum([np.exp(2j * np.pi * n / 4) * np.array(d) for n, d in enumerate(directions)], axis=0)
    elastic = polarised(bragg.conj(), cell.lattice.to_cartesian([0, 0, 1]), UP)
    near = spin_waves(cell, [[0, 0, 1.01]], values)
    lowest = of(near, cell)
    strongest = lowest.perp[0, 0].argmax()
    assert np.sign(lowest.chiral[0, 0, strongest]) == np.sign(elastic.chiral) != 0
    assert abs(elastic.chiral) == pytest.approx(elastic.perp)


def test_undefined_directions_and_divergent_modes_are_nan():
    amplitudes = np.array([[1.0, 2j, 3.0]] * 3)
    amplitudes[2] = np.nan
    seen = polarised(amplitudes, np.array([[0, 0, 0], [0, 0, 2.0], [1.0, 0, 0]]), UP)
    assert seen.perp[:2] == pytest.approx([14.0, 5.0])  # Q = 0: the trace
    assert np.isnan(seen.xx).tolist() == [True, False, True]
    assert np.isnan(seen.yy).tolist() == np.isnan(seen.zz).tolist() == [True, True, True]
    assert np.isnan(seen.chiral).tolist() == [True, False, True]
    assert np.isnan(seen.perp).tolist() == [False, False, True]


@pytest.mark.parametrize("vertical", [[0, 0, 0], [0, 0], [np.nan, 0, 1]])
def test_no_vertical(vertical):
    with pytest.raises(ValueError, match="direction"):
        polarised(np.ones(3), np.ones(3), vertical)


def test_unknown_component():
    with pytest.raises(ValueError, match="chiral"):
        polarised(np.ones(3), np.ones(3), UP).component("xy")
