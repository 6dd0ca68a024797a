"""Stevens operators of large spins: their definition by quantum spins, gaps in closed form, and linearised spin dynamics for the rest."""

import dataclasses

import numpy as np
import pytest
from test_biquadratic import precession

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave import Bond, Lattice, OnSite, Site, SpinModel, relax, spin_waves
from mantid_insdl.spinwave.order import OrderEnergy
from mantid_insdl.spinwave.relaxation import directions_of
from mantid_insdl.spinwave.rotating_frame import require_uniform, rotation
from mantid_insdl.spinwave.stevens import stevens_coefficients, stevens_tensors, turned
from mantid_insdl.spinwave.structure import ClassicalEnergy, ordering_vector

SPIN = 2.5
NAMES = [f"O{k}{q}" for k in (2, 4, 6) for q in range(-k, k + 1)]


def value(name, vector):
    (tensor,) = stevens_tensors({name: 1.0})
    return OnSite(0, "B", tensor).energy(np.asarray(vector, float))


def spin_matrices(spin):
    m = np.arange(spin, -spin - 1, -1)
    plus = np.diag(np.sqrt(spin * (spin + 1) - m[1:] * (m[1:] + 1)), 1)
    return (plus + plus.T) / 2, (plus - plus.T) / 2j, np.diag(m)


def operator(name, x, y, z, spin):
    """Rudowicz' operators of a quantum spin, written out for some of them."""
    one, total = np.eye(len(z)), spin * (spin + 1)
    raising = {q: np.linalg.matrix_power(x + 1j * y, q) for q in range(7)}

    def mixed(axial, q):
        part = (raising[abs(q)] + raising[abs(q)].conj().T) / 2 if q >= 0 else (raising[-q] - raising[-q].conj().T) / 2j
        return (axial @ part + part @ axial) / 2

    z2, z4 = z @ z, z @ z @ z @ z
    return {
        "O20": 3 * z2 - total * one,
        "O2-2": mixed(one, -2),
        "O40": 35 * z4 - (30 * total - 25) * z2 + (3 * total**2 - 6 * total) * one,
        "O42": mixed(7 * z2 - (total + 5) * one, 2),
        "O4-3": mixed(z, -3),
        "O44": mixed(one, 4),
        "O60": 231 * z4 @ z2
        - (315 * total - 735) * z4
        + (105 * total**2 - 525 * total + 294) * z2
        - (5 * total**3 - 40 * total**2 + 60 * total) * one,
        "O61": mixed(33 * z4 @ z - (30 * total - 15) * z2 @ z + (5 * total**2 - 10 * total + 12) * z, 1),
        "O6-4": mixed(11 * z2 - (total + 38) * one, -4),
        "O66": mixed(one, 6),
    }[name]


@pytest.mark.parametrize("name", ["O20", "O2-2", "O40", "O42", "O4-3", "O44", "O60", "O61", "O6-4", "O66"])
def test_operator_of_a_quantum_spin_has_this_value_in_its_coherent_states(name):
    # times c_k: D. Dahlbom et al., arXiv:2304.03874
    s = 3.5
    factor = {
        "2": 1 - 1 / (2 * s),
        "4": 1 - 3 / s + 11 / (4 * s**2) - 3 / (4 * s**3),
        "6": 1 - 15 / (2 * s) + 85 / (4 * s**2) - 225 / (8 * s**3) + 137 / (8 * s**4) - 15 / (4 * s**5),
    }[name[1]]
    x, y, z = spin_matrices(s)
    direction = np.array([0.36, -0.48, 0.8])
    _, states = np.linalg.eigh(direction[0] * x + direction[1] * y + direction[2] * z)
    state = states[:, -1]
    found = np.real(state.conj() @ operator(name, x, y, z, s) @ state)
    assert found == pytest.approx(factor * value(name, s * direction), rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_functions_are_harmonic(name):
    (tensor,) = stevens_tensors({name: 1.0})
    assert np.abs(np.trace(tensor)).max() < 1e-12
    assert stevens_coefficients(tensor) == pytest.approx({name: 1.0})
    turn = rotation(np.array([0.6, 0.0, 0.8]), 1.1)
    vector = np.array([0.3, -1.2, 0.7])
    assert OnSite(0, "B", turned(tensor, turn)).energy(turn @ vector) == pytest.approx(value(name, vector))


def ferromagnet(direction, terms):
    site = Site("a", [0, 0, 0], SPIN, direction)
    onsite = [OnSite(0, name, tensor) for name, operators in terms.items() for tensor in stevens_tensors(operators)]
    return SpinModel(Lattice(3, 3, 3), [site], [Bond(0, 0, (1, 0, 0), "J")], onsite)


CUBIC = {"B4": {"O40": 1, "O44": 5}, "B6": {"O60": 1, "O64": -21}}


@pytest.mark.parametrize("direction", [(0, 0, 1), (0, 1, 0), (1, 1, 1), (-1, 1, 1)])
@pytest.mark.parametrize(("fourth", "sixth"), [(1e-3, 0.0), (-1e-3, 0.0), (0.0, 1e-4), (0.0, -1e-4), (-2e-3, 1e-5), (1e-3, -1e-5)])
def test_gap_of_a_cubic_ferromagnet(direction, fourth, sixth):
    """S w = 2 K1 about <100> and -4/3 (K1 + K2 / 3) about <111>, with K1 of a^2 b^2 + ... and K2 of a^2 b^2 c^2 of the direction.

    The operators are 20 (x^4 + y^4 + z^4) and 1848 (x^2 y^2 z^2 + (x^4 + y^4 + z^4) / 22) on the unit sphere, but for constants
    [S. Chikazumi, Physics of Ferromagnetism (1997), 12.1 and 12.3].
    """
    first = -40 * fourth * SPIN**4 - 168 * sixth * SPIN**6
    second = 1848 * sixth * SPIN**6
    gap = (2 * first if 0 in direction else -4 / 3 * (first + second / 3)) / SPIN
    modes = spin_waves(ferromagnet(direction, CUBIC), [[0, 0, 0]], {"J": -1.0, "B4": fourth, "B6": sixth})
    if gap > 0:
        assert modes.energies[0, 0, 0] == pytest.approx(gap, rel=1e-9)
    else:
        assert not modes.stable.any()


def test_second_degree_is_the_matrix():
    matrix = np.diag([-1.0, -1.0, 2.0])
    one = ferromagnet((0, 0, 1), {"B": {"O20": 1}})
    other = dataclasses.replace(one, onsite=(OnSite(0, "B", matrix),))
    for model in (one, other):
        assert spin_waves(model, [[0.1, 0, 0]], {"J": -1.0, "B": -0.1}).energies[0, 0, 0] == pytest.approx(
            2 * SPIN * (1 - np.cos(0.2 * np.pi)) + 0.1 * 6 * SPIN
        )


def test_any_magnet_precesses_as_its_classical_spins_do():
    rng = np.random.default_rng(4)
    sites = [Site("a", rng.uniform(0, 1, 3), spin, rng.normal(size=3)) for spin in (1.0, 2.0, 1.5)]
    bonds = [Bond(i, j, (0, 0, 0), "J", rng.normal(size=(3, 3))) for i, j in ((0, 1), (1, 2), (2, 0))]
    operators = {"O20": 0.3, "O4-3": 0.1, "O42": -0.05, "O41": 0.07, "O63": 0.01, "O6-5": 0.02, "O60": 0.002}
    onsite = [
        OnSite(i, "D", turned(tensor, rotation(np.array([0, 0.6, 0.8]), i))) for i in range(3) for tensor in stevens_tensors(operators)
    ]
    model = SpinModel(Lattice(4, 5, 6), sites, bonds, onsite)
    values = {"J": 1.0, "D": 0.5}
    relaxed, _ = relax(model, values, starts=30)
    modes = spin_waves(relaxed, [[0, 0, 0]], values)
    assert modes.stable.all() and modes.energies[0, 0] == pytest.approx(precession(relaxed, values), rel=1e-4)


def test_forces_are_derivatives_of_the_energy():
    model = ferromagnet((1, 2, 3), {"B": {"O43": 1, "O6-2": 0.3}})
    classical, table = ClassicalEnergy(model), np.array([[0.0, 1.0]])
    direction, step = model.sites[0].direction, 1e-6
    found = classical.forces(table, direction[None])[0, 0]
    for axis in range(3):
        shift = step * np.eye(3)[axis]
        up, down = (classical.energy(table, (direction + sign * shift / SPIN)[None])[0] for sign in (1, -1))
        assert found[axis] == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-6)


def test_derivative_of_energies_by_its_parameter():
    model, values = ferromagnet((1, 1, 1), CUBIC), {"J": -1.0, "B4": 1e-3, "B6": -1e-5}
    modes = spin_waves(model, [[0.1, 0, 0]], values, derivatives=True)
    gaps = 40 / 3 * 4 * SPIN**3, -4 / 3 * 448 * SPIN**5
    assert modes.derivatives[0, 0, 0, 1:] == pytest.approx(gaps, rel=1e-9)


def test_operators_of_many_spins_are_those_of_each():
    moments = np.random.default_rng(2).normal(size=(2, 3, 3))
    for name in ("O2-1", "O43", "O6-5"):
        term = OnSite(0, "B", stevens_tensors({name: 1.0})[0])
        for what in (term.energy, term.gradient, term.curvature):
            assert what(moments)[1, 2] == pytest.approx(what(moments[1, 2]), abs=1e-10)
            assert what(moments[:0]).shape == (0, *what(moments).shape[1:])


def test_order_follows_an_operator_that_pushes_sideways():
    for direction, follows in (((1, 1, 2), True), ((0, 0, 1), False)):
        model = ferromagnet(direction, {"B": {"O42": 1}})
        following = OrderEnergy(model).following(directions_of(model))
        assert dict(zip(model.parameters, following, strict=True)) == {"J": False, "B": follows}


def test_rotating_frame_needs_operators_that_turn_with_it():
    require_uniform(ferromagnet((1, 0, 0), {"B": {"O40": 1, "O60": -1}}), np.array([0, 0, 1.0]))
    with pytest.raises(MaterialError, match="B changes under rotations about the spiral's axis"):
        require_uniform(ferromagnet((1, 0, 0), {"B": {"O44": 1}}), np.array([0, 0, 1.0]))


def test_wave_vector_of_luttinger_and_tisza_is_refused():
    with pytest.raises(MaterialError, match=r"ingle-ion terms of 4th or 6th degree have no wave vector"):
        ordering_vector(ferromagnet((0, 0, 1), CUBIC), {"J": -1.0, "B4": 0.0, "B6": 0.0})
    with pytest.raises(MaterialError, match="2, 4 or 6 indices"):
        OnSite(0, "B", np.zeros((3, 3, 3)))
