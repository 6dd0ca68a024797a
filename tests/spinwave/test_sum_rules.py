"""Sum rules: the first moment of S(Q, E) is fixed by the bonds, whatever the modes are."""

import dataclasses

import numpy as np
import pytest

from mantid_insdl.materials import load_material
from mantid_insdl.spinwave import SpinModel, spin_waves, spiral_waves
from mantid_insdl.spinwave.rotating_frame import turning_model

Q = np.random.default_rng(5).uniform(-2, 2, (40, 3))


def bare(model: SpinModel) -> SpinModel:
    """Without form factors, pairs and single-ion terms: every term is a Heisenberg bond."""
    sites = tuple(dataclasses.replace(s, ion="", pair=np.zeros(3)) for s in model.sites)
    return dataclasses.replace(model, sites=sites, onsite=(), fields=())


def first_moment(model, values, q):
    """sum_a int E S^aa dE per spin = -2 / N sum over bonds of J S_i.S_j (1 - cos q.d).

    P. C. Hohenberg and W. F. Brinkman, Phys. Rev. B 10, 128 (1974).
    """
    total = np.zeros(len(q))
    for bond in model.bonds:
        one, other = model.sites[bond.i], model.sites[bond.j]
        vector = other.position + np.array(bond.cell) - one.position
        product = one.spin * other.spin * (one.direction @ bond.matrix @ other.direction)
        total -= 2 * values[bond.parameter] * product * (1 - np.cos(2 * np.pi * q @ vector)) / len(model.sites)
    return total


def moments(modes):
    trace = np.sum(np.abs(modes.amplitudes[0]) ** 2, axis=-1)
    return np.sum(modes.energies[0] * trace, axis=-1)


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("name", ["rb2mnf4", "la2nio4", "pcsmo-goodenough", "pcsmo-dimer", "example-triangular"])
def test_first_moment(name, fold):
    material = load_material(name)
    model = bare(material.model)
    values = {n: material.defaults[n] for n in model.parameters}
    modes = spin_waves(model, Q, values, fold=fold)
    assert modes.stable.all()
    assert moments(modes) == pytest.approx(first_moment(model, values, Q), rel=1e-7)


def test_first_moment_of_a_spiral():
    material = load_material("pcsmo-zener")
    model, k, axis = bare(material.model), material.spiral.k, material.spiral.axis
    exchange = {name: value for name, value in material.defaults.items() if name != "D"}
    modes = spiral_waves(model, k, axis, Q, exchange)
    assert moments(modes) == pytest.approx(first_moment(turning_model(model, k, axis), exchange, Q), rel=1e-6)


def test_ferromagnet_scatters_its_spin():
    # sum over modes of S^xx + S^yy = S at every momentum
    model = bare(load_material("example-kagome").model)
    trace = np.sum(np.abs(spin_waves(model, Q, {"J": -1.0, "Dz": 0.2}).amplitudes[0]) ** 2, axis=(-1, -2))
    assert trace == pytest.approx(np.ones(len(Q)), abs=1e-9)
