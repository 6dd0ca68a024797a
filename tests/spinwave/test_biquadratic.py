"""Biquadratic exchange: closed forms of collinear chains, and linearised spin dynamics for the rest."""

import dataclasses

import numpy as np
import pytest

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave import Bond, Field, Lattice, OnSite, Site, SpinModel, relax, spin_waves, spiral_waves
from mantid_insdl.spinwave.structure import ClassicalEnergy, ordering_vector

H = np.array([0.07, 0.2, 0.41])
Q = np.column_stack((H, 0 * H, 0 * H))


def precession(model, values):
    """Energies at q = 0 from the linearised equation of motion dM/dt = M x dE/dM, without bosons."""
    classical, table = ClassicalEnergy(model), model.parameter_table(values)
    directions, spins, n = np.array([s.direction for s in model.sites]), model.spins[:, None], len(model.sites)

    def torque(moments):
        return np.cross(moments, classical.forces(table, moments / spins)[0])

    rest, step = spins * directions, 1e-6
    columns = []
    for site in range(n):
        for direction in model.frames[site, :2]:
            shift = np.zeros((n, 3))
            shift[site] = step * direction
            change = (torque(rest + shift) - torque(rest - shift)) / (2 * step)
            columns.append(np.concatenate([np.einsum("ia,ia->i", change, model.frames[:, axis]) for axis in (0, 1)]))
    order = np.concatenate((np.arange(0, 2 * n, 2), np.arange(1, 2 * n, 2)))  # all e1 first, as in the rows
    return np.sort(np.abs(np.linalg.eigvals(np.array(columns).T[:, order]).imag))[::2]


def test_ferromagnetic_chain():
    model = SpinModel(
        Lattice(3, 8, 8), [Site("a", [0, 0, 0], 1.5, [0, 0, 1])], [Bond(0, 0, (1, 0, 0), "J"), Bond(0, 0, (1, 0, 0), "K", biquadratic=True)]
    )
    energies = spin_waves(model, Q, {"J": -1.0, "K": -0.1}).energies[0, :, 0]
    assert energies == pytest.approx(2 * 1.5 * (1 + 2 * 0.1 * 1.5**2) * (1 - np.cos(2 * np.pi * H)), abs=1e-12)


def test_antiferromagnetic_chain():
    sites = [Site("a", [0, 0, 0], 1.5, [0, 0, 1]), Site("b", [0.5, 0, 0], 1.5, [0, 0, -1])]
    bonds = [Bond(0, 1, (n, 0, 0), name, biquadratic=name == "K") for n in (0, -1) for name in ("J", "K")]
    energies = spin_waves(SpinModel(Lattice(6, 8, 8), sites, bonds), Q, {"J": 1.0, "K": -0.1}).energies[0, :, 0]
    assert energies == pytest.approx(2 * 1.5 * (1 + 2 * 0.1 * 1.5**2) * np.abs(np.sin(np.pi * H)), abs=1e-10)


def triangle():
    sites = [
        Site("t", p, 1.5, [np.cos(x), np.sin(x), 0])
        for p, x in zip([[0, 0, 0], [1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0]], 2 * np.pi / 3 * np.arange(3), strict=True)
    ]
    bare = SpinModel(Lattice(np.sqrt(3), np.sqrt(3), 3, gamma=120), sites)
    pairs = bare.neighbours(1.0)
    bonds = [Bond(*pair, "J") for pair in pairs] + [Bond(*pair, "K", biquadratic=True) for pair in pairs]
    return dataclasses.replace(bare, bonds=tuple(bonds), onsite=tuple(OnSite(i, "D", np.diag([0, 0, 1.0])) for i in range(3)))


@pytest.mark.parametrize("k", [0.02, -0.05])
def test_triangular_120_degrees_precesses_as_its_classical_spins_do(k):
    values = {"J": 1.0, "K": k, "D": 0.3}
    expected = precession(triangle(), values)
    found = spin_waves(triangle(), [[0, 0, 0]], values).energies[0, 0]
    assert expected[-1] > 1 and found**2 == pytest.approx(expected**2, abs=1e-5)


def test_any_magnet_precesses_as_its_classical_spins_do():
    rng = np.random.default_rng(3)
    sites = [Site("a", rng.uniform(0, 1, 3), spin, rng.normal(size=3)) for spin in (1.0, 2.0, 1.5)]
    bonds = [Bond(i, j, (0, 0, 0), "J", rng.normal(size=(3, 3))) for i, j in ((0, 1), (1, 2), (2, 0))]
    bonds += [Bond(i, j, (0, 0, 1), "K", biquadratic=True) for i, j in ((0, 1), (1, 2))]
    model = SpinModel(Lattice(4, 5, 6), sites, bonds, [OnSite(1, "D", rng.normal(size=(3, 3)))], [Field("B", [1, 1, 0])])
    values = {"J": 1.0, "K": 0.3, "D": 0.5, "B": 8.0}
    relaxed, _ = relax(model, values, starts=30)
    modes = spin_waves(relaxed, [[0, 0, 0]], values)
    assert modes.stable.all() and modes.energies[0, 0] == pytest.approx(precession(relaxed, values), rel=1e-4)


def test_rotating_frame_agrees_with_the_supercell():
    one = SpinModel(
        Lattice(1, 1, 3, gamma=120),
        [Site("t", [0, 0, 0], 1.5, [1, 0, 0])],
        [Bond(0, 0, c, name, biquadratic=name == "K") for c in ((1, 0, 0), (0, 1, 0), (1, 1, 0)) for name in ("J", "K")],
    )
    h, k = 0.1, 0.2
    spiral = spiral_waves(one, [1 / 3, 1 / 3, 0], [0, 0, 1], [[h, k, 0]], {"J": 1.0, "K": 0.03})
    cell = spin_waves(dataclasses.replace(triangle(), onsite=()), [[2 * h + k, k - h, 0]], {"J": 1.0, "K": 0.03})
    assert spiral.energies[0, 0] == pytest.approx(cell.energies[0, 0], abs=1e-9)
    assert spiral.s_perp.sum() == pytest.approx(cell.s_perp.sum(), rel=1e-8)


def test_derivative_by_the_biquadratic_coupling():
    values = {"J": 1.0, "K": 0.03, "D": 0.3}
    modes = spin_waves(triangle(), Q, values, derivatives=True)
    up, down = (spin_waves(triangle(), Q, {**values, "K": 0.03 + s}).energies for s in (1e-5, -1e-5))
    assert modes.derivatives[..., 1] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-5)


def test_wave_vector_of_luttinger_and_tisza_is_refused():
    with pytest.raises(MaterialError, match=r"Biquadratic.*relax_spiral"):
        ordering_vector(triangle(), {"J": 1.0, "K": 0.1, "D": 0.0})
