"""The order of the Zener polarons, in closed form, against what the package finds by minimising."""

import numpy as np
import pytest

from mantid_insdl.materials import load_material, zener
from mantid_insdl.materials.spin_waves import modes_of, uniform_model
from mantid_insdl.spinwave.structure import ClassicalEnergy, ordering_vector

BASE = load_material("pcsmo-zener")


def draws(number, seed=0, spirals=None):
    """(JFU, JFD, JA) with any order, or with spirals among them as often as asked for."""
    rng = np.random.default_rng(seed)
    while True:
        one = -rng.uniform(1, 10), -rng.uniform(0.02, 1.5), rng.uniform(0.02, 1.5)
        (order,), (angles,) = zener.ground_state(*np.array(one)[:, None])
        if spirals is None or (order == zener.SPIRAL) == (rng.random() < spirals):
            yield dict(zip(("JFU", "JFD", "JA"), one, strict=True)), order, angles
            number -= 1
            if not number:
                return


def test_energy_is_the_lower_bound_of_luttinger_and_tisza_for_every_order():
    seen = set()
    for couplings, order, angles in draws(12, spirals=0.4):
        material = zener.ordered(angles, couplings)
        values = {**BASE.defaults, **couplings}
        model = uniform_model(material, values)
        classical, table = ClassicalEnergy(model), model.parameter_table(values)
        classical.require_stationary(table)
        (energy,) = classical.energy(table, np.array([site.direction for site in model.sites]))
        _, bound = ordering_vector(BASE.model, values, grid=8)
        assert energy == pytest.approx(bound, rel=1e-7)
        seen.add(int(order))
    assert seen == {zener.PARALLEL, zener.ANTIPARALLEL, zener.SPIRAL}


def test_spin_waves_are_stable():
    momenta = np.random.default_rng(1).uniform(-1, 1, (60, 3))
    stable = []
    for couplings, _, angles in draws(50, seed=2, spirals=0.5):
        material = zener.ordered(angles, couplings)
        stable.append(modes_of(material, momenta, {**material.defaults, "D": 0.02}).stable[0])
    assert np.mean(stable) >= 0.99


def test_published_values_have_the_order_of_the_file():
    (order,), (angles,) = zener.ground_state(*(np.array([BASE.defaults[name]]) for name in ("JFU", "JFD", "JA")))
    material = zener.ordered(angles, {})
    assert order == zener.SPIRAL
    assert material.spiral.k == pytest.approx(BASE.spiral.k, abs=1e-12)
    for mine, theirs in zip(material.sites, BASE.sites, strict=True):
        assert mine.direction == pytest.approx(theirs.direction, abs=1e-9)


def test_the_weakest_coupling_gives_way():
    orders, angles = zener.ground_state(np.array([-3.0, -3.0, -0.1]), np.array([-1.0, -0.1, -1.0]), np.array([0.1, 1.0, 1.0]))
    assert orders.tolist() == [zener.PARALLEL, zener.ANTIPARALLEL, zener.NEEL]
    assert angles.tolist() == [[0, 0], [0, np.pi], [np.pi, 0]]


def test_spiral_that_follows_is_that_of_the_closed_form():
    follower = BASE.model_copy(update={"relaxed": True})
    momenta = np.random.default_rng(3).uniform(-1, 1, (4, 3))
    for jfu, jfd, ja in ((0.9, 1.0, 1.0), (1.0, 0.98, 1.0), (0.8, 1.1, 1.15), (1.0, 1.0, 0.95)):
        changed = {"JFU": jfu * BASE.defaults["JFU"], "JFD": jfd * BASE.defaults["JFD"], "JA": ja * BASE.defaults["JA"]}
        values = {**BASE.defaults, **changed, "D": 0.02}
        couplings = {name: values[name] for name in ("JFU", "JFD", "JA")}
        (order,), (angles,) = zener.ground_state(*(np.array([one]) for one in couplings.values()))
        assert order == zener.SPIRAL
        expected = modes_of(zener.ordered(angles, couplings), momenta, values)
        found = modes_of(follower, momenta, values)
        assert expected.stable[0] and found.energies[0] == pytest.approx(expected.energies[0], abs=1e-6)


def test_spirals_know_the_order_of_any_constants():
    """In closed form, that of `ordered`, whose energy the tests above hold against the lower bound."""
    spirals, drawn = zener.Spirals.new(), list(draws(6, seed=5, spirals=0.5))
    sets = [{**BASE.defaults, **couplings} for couplings, _, _ in drawn]
    found = spirals.followed.at(np.concatenate([spirals.model.parameter_table(one) for one in sets]))
    for index, (couplings, order, angles) in enumerate(drawn):
        expected, (_, k, _) = zener.ordered(angles, couplings), found.order.k[index]
        assert k == pytest.approx(expected.spiral.k[1]) if order == zener.SPIRAL else k == pytest.approx(round(k), abs=1e-12)
        directions = [site.direction for site in expected.model.sites]
        assert found.order.directions[index] == pytest.approx(np.array(directions), abs=1e-12)


def test_couplings_of_another_sign_have_no_order_here():
    sets = {
        "JFU": np.array([-1.0, 0.0, 1.0, -1.0, -1.0]),
        "JFD": np.array([-0.1, -0.1, -0.1, 0.1, 0.0]),
        "JA": np.array([0.0, 1, 1, 1, -1]),
    }
    assert zener.order_of(sets).tolist() == [zener.PARALLEL, zener.NONE, zener.NONE, zener.NONE, zener.NONE]


@pytest.mark.parametrize("order", [zener.PARALLEL, zener.ANTIPARALLEL, zener.NEEL])
def test_a_phase_is_that_of_its_name(order):
    material = zener.in_phase(order)
    assert material.spiral is None
    assert zener.order_of({name: np.array([value]) for name, value in material.defaults.items()}).tolist() == [order]
