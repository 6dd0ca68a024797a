"""Orders that follow the parameters: closed forms, where they end, and total derivatives against differences of relaxed orders."""

from dataclasses import replace

import numpy as np
import pytest

from mantid_insdl.errors import InstabilityError
from mantid_insdl.instrument.resolution import bin_fractions, bin_slopes
from mantid_insdl.spinwave import (
    Bond,
    Dipoles,
    Field,
    Hamiltonian,
    Lattice,
    OnSite,
    Site,
    SpinModel,
    following,
    relax,
    spectrum_derivatives,
    spin_waves,
    spiral_waves,
)
from mantid_insdl.spinwave.following import ENDED, FOLLOWED, UNDETERMINED, FollowedOrder
from mantid_insdl.spinwave.model import MU_B
from mantid_insdl.spinwave.order import Order, OrderEnergy
from mantid_insdl.spinwave.relaxation import with_order
from mantid_insdl.spinwave.response import total_derivatives
from mantid_insdl.spinwave.stevens import stevens_tensors

Q = np.random.default_rng(4).uniform(-1, 1, (6, 3))
Z = [0, 0, 1]


def chain(start, anisotropy=None, ion=""):
    """An antiferromagnetic chain along a (S = 1, g = 2) of two spins in a field along c."""
    sites = [Site(name, [x, 0, 0], 1.0, n, ion) for name, x, n in zip("ab", (0, 0.5), start, strict=True)]
    bonds = [Bond(0, 1, (0, 0, 0), "J"), Bond(1, 0, (1, 0, 0), "J")]
    onsite = [] if anisotropy is None else [OnSite(i, "D", np.diag(anisotropy)) for i in (0, 1)]
    return SpinModel(Lattice(6.0, 8.0, 8.0), sites, bonds, onsite, [Field("B", Z)])


ACROSS = ([1, 0, 0.2], [-1, 0, 0.2])
"""Spins across the field of `chain`, a little canted."""
FRUSTRATED = SpinModel(
    Lattice(3, 8, 8), [Site("c", [0.1, 0.2, 0], 1, [1, 0, 0], "Cu2+")], [Bond(0, 0, (1, 0, 0), "J1"), Bond(0, 0, (2, 0, 0), "J2")]
)
"""J1-J2 chain: a spiral with cos(2 pi k) = -J1 / (4 J2)."""


def followed(model, values, k=None, axis=None):
    """The order of the values, in their own phase."""
    table = model.parameter_table(values)
    order = FollowedOrder(model, table[0], k, axis)
    return order.at(table[:1])


# ---- the energy


def uniform(a, b, c):
    return np.array([[a, b, 0], [-b, a, 0], [0, 0, c]])


def low_symmetry(spiral):
    """Two unlike sites with all kinds of terms; for a spiral those that keep their form under turns about z."""
    exchange = uniform(1, 0.3, 2) if spiral else np.eye(3) + np.array([[0.1, 0.2, -0.1], [0.05, -0.1, 0.1], [0.2, 0.1, 0.15]])
    sites = [Site("a", [0, 0.1, 0], 1, [1, 0, 0.4]), Site("b", [0.5, 0, 0.2], 2, [1, 2, 3.0], g=np.diag([2, 2, 1.9]))]
    bonds = [
        Bond(0, 1, (0, 0, 0), "J", exchange),
        Bond(0, 0, (0, 1, 0), "J", exchange),
        Bond(1, 0, (1, 0, 0), "K"),
        Bond(1, 0, (1, 1, 0), "Q", uniform(1, 0.2, 0.4), biquadratic=True),
    ]
    onsite = [OnSite(1, "D", np.diag([0.2, 0.2, 1]) if spiral else np.diag([0.2, 0, 1]))]
    operators = {"O40": 1, "O60": -0.2} if spiral else {"O40": 1, "O4-3": 3, "O61": 0.5, "O66": 0.3}
    onsite += [OnSite(i, "A", tensor) for i in (0, 1) for tensor in stevens_tensors(operators)]
    dipoles = None if spiral else Dipoles("dip", [0.2, 0.3, 0.5])
    return SpinModel(Lattice(3, 4, 5), sites, bonds, onsite, [Field("B", Z if spiral else [1, 0, 1])], dipoles)


@pytest.mark.parametrize("axis", [None, Z])
def test_slopes_and_curvature_are_those_of_the_energy(axis):
    model = low_symmetry(axis is not None)
    table = np.array([[1.3, 0.7, 0.3, -0.4, 0.004, 5.0, 1.2][: len(model.parameters)]])
    energy = OrderEnergy(model, axis)
    order = Order(np.array([[s.direction for s in model.sites]]), np.array([[0.13, 0.27, 0.0]]) * (axis is not None))
    changes = np.eye(2 * len(model.sites) + len(energy.moved))
    assert len(changes) == (4 if axis is None else 6)

    def at(change):
        return energy.energy(table, energy.moved_by(order, change[None]))[0]

    def second(a, b):
        s = 1e-3
        near, far = (
            (at(s * x * (a + b)) - at(s * x * (a - b)) - at(s * x * (b - a)) + at(-s * x * (a + b))) / (2 * x * s) ** 2 for x in (1, 2)
        )
        return (4 * near - far) / 3

    slopes = [(8 * (at(1e-3 * x) - at(-1e-3 * x)) - at(2e-3 * x) + at(-2e-3 * x)) / 12e-3 for x in changes]
    assert energy.gradient(table, order)[0] == pytest.approx(slopes, abs=1e-7)
    expected = np.array([[second(a, b) for b in changes] for a in changes])
    assert energy.curvature(table, order)[0] == pytest.approx(expected, abs=1e-5)


# ---- closed forms


def test_canting_follows_exchange_and_field():
    # sin(theta) = g muB B / (4 J S)
    model = chain(ACROSS)
    order = FollowedOrder(model, [1.0, 5.0])
    table = np.array([[1.0, 2.0], [1.0, 30.0], [0.6, 5.0], [2.0, 5.0], [1.0, 5.0], [1.0, 0.0]])
    found = order.at(table)
    assert np.all(found.status == FOLLOWED)
    sine = 2 * MU_B * table[:, 1] / (4 * table[:, 0])
    assert found.order.directions[:, 0, 2] == pytest.approx(sine, abs=1e-9)
    assert found.order.directions[:, 0, 0] == pytest.approx(np.sqrt(1 - sine**2), abs=1e-9)
    assert found.order.directions[:, 0] * [-1, 1, 1] == pytest.approx(found.order.directions[:, 1], abs=1e-9)


def test_spin_of_an_easy_cone_turns_to_the_field():
    # E = A S^4 (35 c^4 - 30 c^2 + 3) - g muB B S c, c = cos(theta): A S^3 (140 c^3 - 60 c) = g muB B
    spin, strength, cosine = 2.5, 0.002, np.array([0.7, 0.8, 0.95])
    (tensor,) = stevens_tensors({"O40": 1.0})
    model = SpinModel(Lattice(4, 4, 4), [Site("a", [0, 0, 0], spin, [1, 0, 1])], onsite=[OnSite(0, "A", tensor)], fields=[Field("B", Z)])
    tesla = strength * spin**3 * (140 * cosine**3 - 60 * cosine) / (2 * MU_B)
    order = FollowedOrder(model, [strength, tesla[1]])
    found = order.at(np.array([[strength, b] for b in tesla]))
    assert np.all(found.status == FOLLOWED)
    assert found.order.directions[:, 0, 2] == pytest.approx(cosine, abs=1e-9)
    assert found.order.directions[:, 0, 1] == pytest.approx(0, abs=1e-9)  # turns about the field cost nothing
    turned = total_derivatives(Hamiltonian(with_order(model, found.order)), np.array([strength, tesla[0]])).frames[:, 0, 2, 2]
    curved = spin**3 * (420 * cosine[0] ** 2 - 60)
    assert turned == pytest.approx(np.array([-2 * MU_B * tesla[0] / strength, 2 * MU_B]) / (strength * curved), rel=1e-8)


def test_canting_with_dipoles():
    # g muB B / sin(theta) = 4 J + d (what dipoles add to the energy of m along z over that of the antiferromagnet along y)
    shape = [0.0, 0.0, 1.0]
    model = replace(chain(([0, 1, 0.2], [0, -1, 0.2])), dipoles=Dipoles("d", shape))
    own, other = model.dipole_exchange()[0]
    # b = c: near and far along y and z differ by the shape alone
    demagnetised = 4 * np.pi * 0.0536815 * 4 / (6 * 8 * 8)
    assert (own[2, 2] - own[1, 1], other[2, 2] - other[1, 1]) == pytest.approx((demagnetised, demagnetised), rel=1e-9)
    order = FollowedOrder(model, [1.0, 9.0, 1.0])
    table = np.array([[1.0, 9.0, 1.0], [0.8, 12.0, 1.0], [1.0, 2.0, 3.0]])
    found = order.at(table)
    sine = 2 * MU_B * table[:, 1] / (4 * table[:, 0] + table[:, 2] * (2 * other[1, 1] + 2 * demagnetised))
    assert np.all(found.status == FOLLOWED) and found.order.directions[:, :, 2] == pytest.approx(np.stack((sine, sine), 1), abs=1e-9)
    assert found.order.directions[:, :, 0] == pytest.approx(0, abs=1e-9)
    # dipoles leave no turn free; without them, and with the same order, the turn about the field is
    energy = OrderEnergy(model)
    free = energy.free_turns(np.array([[1.0, 9.0, 1.0], [1.0, 9.0, 0.0]]), found.order.of(slice(0, 2)))
    assert np.trace(free, axis1=1, axis2=2) == pytest.approx([0, 1])


def test_modes_of_the_canted_chain_and_their_derivatives():
    # w = 2 J S sqrt((1 + g) (1 - g cos(2 theta))), g = cos(2 pi h) and at h + 1/2, h of the one-spin cell
    values, h = {"J": 1.0, "B": 9.0}, np.array([0.11, 0.2, 0.37])

    def energies(exchange, tesla):
        sine = 2 * MU_B * tesla / (4 * exchange)
        g = np.cos(2 * np.pi * np.stack((h, h + 0.5), axis=-1))
        return np.sort(2 * exchange * np.sqrt((1 + g) * (1 - g * (1 - 2 * sine**2))), axis=-1)

    model = with_order(chain(ACROSS), followed(chain(ACROSS), values).order)
    modes = spin_waves(model, np.column_stack((2 * h, 0 * h, 0 * h)), values, derivatives=True)
    assert modes.energies[0] == pytest.approx(energies(1.0, 9.0), abs=1e-9)
    for p, (step, at) in enumerate(((1e-4, lambda x: energies(1 + x, 9.0)), (1e-2, lambda x: energies(1.0, 9 + x)))):
        slope = (8 * (at(step) - at(-step)) - at(2 * step) + at(-2 * step)) / (12 * step)
        assert modes.derivatives[0, :, :, p] == pytest.approx(slope, abs=1e-8)


def test_turns_that_cost_nothing_are_left_alone():
    # the canted spins may turn about the field: they follow it within their plane, by dn = (-+ tan(theta), 0, 1) dB sin(theta) / B
    values = {"J": 1.0, "B": 9.0}
    model = with_order(chain(ACROSS), followed(chain(ACROSS), values).order)
    turned = total_derivatives(Hamiltonian(model), np.array([1.0, 9.0])).frames[1, :, 2]
    sine = 2 * MU_B * 9 / 4
    tangent = sine / np.sqrt(1 - sine**2)
    assert turned == pytest.approx(np.array([[-tangent, 0, 1], [tangent, 0, 1]]) * sine / 9, abs=1e-10)
    energy, table = OrderEnergy(model), np.array([[1.0, 9.0]])
    order = Order(np.array([[s.direction for s in model.sites]]), np.zeros((1, 3)))
    assert np.trace(energy.free_turns(table, order)[0]) == pytest.approx(1)
    # the pseudo-inverse of the whole curvature says the same
    curvature, push = energy.curvature(table, order)[0], energy.gradient(np.array([[0.0, 1.0]]), order)
    change = -push @ np.linalg.pinv(curvature, rcond=1e-9)
    assert energy.tangent(order, change).directions[0] == pytest.approx(turned, abs=1e-9)
    # without a field all three turns are free, two of which turn the spins
    two = OrderEnergy(model), np.array([[1.0, 0.0]]), Order(np.array([[[1.0, 0, 0], [-1, 0, 0]]]), np.zeros((1, 3)))
    assert np.trace(two[0].free_turns(*two[1:])[0]) == pytest.approx(2)


def test_wave_vector_follows_its_exchanges():
    order = FollowedOrder(FRUSTRATED, [-1.0, 0.5], [0.15, 0, 0], Z)
    table = np.array([[-1.0, 0.5], [-1.0, 0.3], [-1.5, 0.5], [1.0, 0.7], [0.0, 1.0]])
    found = order.at(table)
    assert np.all(found.status == FOLLOWED)
    assert np.cos(2 * np.pi * found.order.k[:, 0]) == pytest.approx(-table[:, 0] / (4 * table[:, 1]), abs=1e-9)
    assert np.all((found.order.k[:, 0] > 0) & (found.order.k[:, 0] < 0.5)) and not found.order.k[:, 1:].any()


def test_modes_of_a_spiral_and_their_derivatives():
    # w^2 = S^2 (J(q) - J(k)) ((J(q+k) + J(q-k)) / 2 - J(k)), J(q) = 2 sum J_n cos(2 pi n q); k follows
    h = np.array([0.07, 0.2, 0.41])

    def energies(j1, j2):
        k = np.arccos(-j1 / (4 * j2)) / (2 * np.pi)

        def exchange(q):
            return 2 * (j1 * np.cos(2 * np.pi * q) + j2 * np.cos(4 * np.pi * q))

        def one(q):
            return np.sqrt((exchange(q) - exchange(k)) * (0.5 * (exchange(q + k) + exchange(q - k)) - exchange(k)))

        return np.sort(np.stack([one(h), one(h - k), one(h + k)], axis=-1), axis=-1)

    values = {"J1": -1.0, "J2": 0.6}
    k = followed(FRUSTRATED, values, [0.15, 0, 0], Z).order.k[0]
    modes = spiral_waves(FRUSTRATED, k, Z, np.column_stack((h, 0 * h, 0 * h)), values, derivatives=True)
    assert modes.energies[0] == pytest.approx(energies(-1.0, 0.6), abs=1e-8)
    step = 1e-4
    for p, at in enumerate((lambda x: energies(-1 + x, 0.6), lambda x: energies(-1.0, 0.6 + x))):
        slope = (8 * (at(step) - at(-step)) - at(2 * step) + at(-2 * step)) / (12 * step)
        assert modes.derivatives[0, :, :, p] == pytest.approx(slope, abs=1e-7)


# ---- total derivatives of spectra


def gaussian(top, width):
    edges = np.linspace(0, top, 31)

    def lines(energies):
        sigma, slope = width * (1 - 0.3 * energies / top), np.full(energies.shape, -0.3 * width / top)
        return bin_fractions(energies, sigma, edges), bin_slopes(energies, sigma, slope, edges)

    return lines


def two_sites():
    """A canted magnet without any symmetry, with a biquadratic exchange."""
    exchange = np.eye(3) + np.array([[0.1, 0.2, -0.1], [0.05, -0.1, 0.1], [0.2, 0.1, 0.15]])
    sites = [Site("a", [0, 0, 0], 1, [1, 0, 0.1], "Mn2+"), Site("b", [0.5, 0.1, 0], 2, [-1, 0, 0.1], "Mn2+")]
    bonds = [Bond(0, 1, (0, 0, 0), "J", exchange), Bond(1, 0, (1, 0, 0), "J", exchange), Bond(0, 1, (0, 0, 0), "Q", biquadratic=True)]
    onsite = [OnSite(i, "D", np.diag([-1.0, 0.1, 0.2])) for i in (0, 1)]
    return SpinModel(Lattice(6, 8, 8), sites, bonds, onsite, [Field("B", [0.3, 0.2, 1])])


def cone():
    """A conical spiral of two unlike sites in a field along its axis."""
    sites = [Site("a", [0.1, 0.2, 0], 0.5, [1, 0, 0.1], "Cu2+"), Site("b", [0.3, 0.5, 0], 1, [-1, 0, 0.1], "Fe2+")]
    bonds = [Bond(i, i, (n, 0, 0), f"J{n}") for i in (0, 1) for n in (1, 2)]
    bonds += [Bond(0, 1, (0, 0, 0), "J3"), Bond(0, 1, (1, 0, 0), "Q", biquadratic=True)]
    return SpinModel(Lattice(3, 8, 8), sites, bonds, [OnSite(0, "D", np.diag([0, 0, 1.0]))], [Field("B", Z)])


def with_operators(model, *operators):
    """The magnet with a parameter A of Stevens operators on each of its sites."""
    terms = [OnSite(i, "A", tensor) for i, one in enumerate(operators) for tensor in stevens_tensors(one)]
    return replace(model, onsite=(*model.onsite, *terms))


CASES = {
    "canted": (chain(ACROSS, [0, 1.0, 0], "Mn2+"), {"J": 1.0, "D": 0.1, "B": 9.0}, (6.0, 0.3), None),
    "flopped": (chain(ACROSS, [0, 0, 1.0], "Mn2+"), {"J": 1.0, "D": -0.2, "B": 12.0}, (6.0, 0.3), None),
    "no symmetry": (two_sites(), {"J": 1.0, "Q": 0.02, "D": 0.3, "B": 5.0}, (20.0, 1.0), None),
    "operators": (
        with_operators(two_sites(), {"O40": 1.0, "O43": 2.0}, {"O41": 0.5, "O60": -0.02, "O6-4": 0.05}),
        {"J": 1.0, "Q": 0.02, "D": 0.3, "B": 5.0, "A": 0.01},
        (20.0, 1.0),
        None,
    ),
    "dipoles": (
        replace(two_sites(), lattice=Lattice(4, 5, 6, 95), dipoles=Dipoles("dip", [0.2, 0.3, 0.5])),
        {"J": 1.0, "Q": 0.02, "D": 0.3, "B": 5.0, "dip": 1.5},
        (20.0, 1.0),
        None,
    ),
    "cone with operators": (
        with_operators(cone(), {"O40": 1.0, "O60": 0.2}, {"O40": 0.5}),
        {"J1": -1.0, "J2": 0.5, "J3": 0.2, "Q": 0.03, "D": 0.05, "B": 2.0, "A": 0.003},
        (5.0, 0.4),
        [0.15, 0, 0],
    ),
    "spiral": (FRUSTRATED, {"J1": -1.0, "J2": 0.5}, (4.0, 0.4), [0.15, 0, 0]),
    "cone": (cone(), {"J1": -1.0, "J2": 0.5, "J3": 0.2, "Q": 0.03, "D": 0.05, "B": 2.0}, (5.0, 0.4), [0.15, 0, 0]),
}


@pytest.mark.parametrize("name", CASES)
def test_total_derivatives_are_the_limit_of_differences_of_relaxed_orders(name):
    model, values, shape, k = CASES[name]
    lines, table = gaussian(*shape), model.parameter_table(values)
    order = FollowedOrder(model, table[0], k, None if k is None else Z)
    spiral = {} if k is None else {"axis": Z}

    def at(changes):
        moved = order.at(model.parameter_table({**values, **changes}))
        assert moved.status[0] == FOLLOWED
        there = with_order(model, moved.order)
        return there, spiral and {**spiral, "k": moved.order.k[0]}

    def modes(changes, **options):
        there, turning = at(changes)
        if turning:
            return spiral_waves(there, turning["k"], Z, Q, {**values, **changes}, **options)
        return spin_waves(there, Q, {**values, **changes}, **options)

    def spectrum(changes):
        found = modes(changes)
        return found.energies[0], np.einsum("qn,qnk->qk", found.s_perp[0], lines(found.energies[0])[0])

    there, turning = at({})
    found, derivatives = spectrum_derivatives(there, Q, values, lines, **turning)
    of_energies = modes({}, derivatives=True).derivatives[0]
    assert found == pytest.approx(spectrum({})[1], abs=1e-10)
    for p, parameter in enumerate(model.parameters):
        step = 5e-4 * max(abs(values[parameter]), 0.05)
        up, down, up2, down2 = (spectrum({parameter: values[parameter] + s * step}) for s in (1, -1, 2, -2))
        for number, exact in ((0, of_energies[..., p]), (1, derivatives[p])):
            slope = (8 * (up[number] - down[number]) - (up2[number] - down2[number])) / (12 * step)
            assert exact == pytest.approx(slope, abs=1e-6 * np.abs(slope).max())


def test_derivatives_of_several_sets_are_those_of_each():
    # exchange and field in proportion leave the order as it is
    model = with_order(chain(ACROSS), followed(chain(ACROSS), {"J": 1.0, "B": 5.0}).order)
    both = spin_waves(model, Q, {"J": [1.0, 2.0], "B": [5.0, 10.0]}, derivatives=True)
    for number, values in enumerate(({"J": 1.0, "B": 5.0}, {"J": 2.0, "B": 10.0})):
        assert both.derivatives[number] == pytest.approx(spin_waves(model, Q, values, derivatives=True).derivatives[0], abs=1e-12)


# ---- where an order ends


def test_saturation_ends_the_canted_order():
    order = FollowedOrder(chain(ACROSS), [1.0, 5.0])
    saturation = 4 / (2 * MU_B)
    table = np.array([[1.0, saturation - 0.1], [1.0, saturation + 0.1], [1.0, 2 * saturation], [1.0, 200.0]])
    found = order.at(table)
    assert found.status.tolist() == [FOLLOWED, ENDED, ENDED, ENDED]
    reached = 5 + found.reached * (table[:, 1] - 5)
    assert np.all(np.abs(reached[1:] - saturation) < 2e-3 * table[1:, 1])
    assert order.error(found, table, 0) is None
    with pytest.raises(InstabilityError, match=r"order ends before J=1, B=200: on the way from J=1, B=5 .*at about B=34\.[0-9]"):
        raise order.error(found, table, 3)
    # what lies beyond is an order of its own, which ends at the same field on the way down
    beyond = FollowedOrder(chain(([0, 0, 1], [0, 0, 1])), [1.0, 40.0])
    down = beyond.at(np.array([[1.0, 50.0], [1.0, 35.0], [1.0, 30.0]]))
    assert down.status.tolist() == [FOLLOWED, FOLLOWED, ENDED]
    assert 40 - 10 * down.reached[2] == pytest.approx(saturation, abs=0.02)


@pytest.mark.parametrize("field", [34.0, 36.0, 40.0, 47.3, 55.0, 63.0, 64.11, 77.7, 92.6, 93.0, 100.0, 123.4])
def test_no_length_of_step_crosses_a_boundary(field):
    found = FollowedOrder(chain(ACROSS), [1.0, 5.0]).at(np.array([[1.0, field]]))
    assert found.status[0] == (FOLLOWED if field < 4 / (2 * MU_B) else ENDED)


def test_spin_flop_is_reported_on_the_way_up_and_down():
    # S = 1: the antiferromagnet is a minimum up to g muB B = 2 sqrt(|D| (2 J + |D|)), the flopped order down to
    # 2 (2 J - |D|) sqrt(|D| / (2 J + |D|)): there the curvature of E = 2 J n1.n2 + D (n1z^2 + n2z^2) - g muB B (n1z + n2z) is zero
    exchange, anisotropy = 1.0, -0.2
    size = -anisotropy
    up = 2 * np.sqrt(size * (2 * exchange + size)) / (2 * MU_B)
    down = 2 * (2 * exchange - size) * np.sqrt(size / (2 * exchange + size)) / (2 * MU_B)
    assert down < up
    easy_axis = [0, 0, 1.0]
    antiferromagnet = FollowedOrder(chain(([0, 0, 1], [0, 0, -1]), easy_axis), [exchange, anisotropy, 0.0])
    table = np.array([[exchange, anisotropy, b] for b in (0.99 * up, 1.01 * up, 2 * up)])
    found = antiferromagnet.at(table)
    assert found.status.tolist() == [FOLLOWED, ENDED, ENDED]
    assert (found.reached * table[:, 2])[1:] == pytest.approx(up, rel=3e-3)
    flopped = FollowedOrder(chain(ACROSS, easy_axis), [exchange, anisotropy, up])
    table = np.array([[exchange, anisotropy, b] for b in (1.01 * down, 0.99 * down, 0.0)])
    found = flopped.at(table)
    assert found.status.tolist() == [FOLLOWED, ENDED, ENDED]
    assert (up + found.reached * (table[:, 2] - up))[1:] == pytest.approx(down, rel=3e-3)
    cosine = 2 * MU_B * table[0, 2] / (4 * exchange + 2 * anisotropy)
    assert found.order.directions[0, :, 2] == pytest.approx(cosine, abs=1e-8)


def test_spiral_ends_where_it_becomes_a_ferromagnet():
    order = FollowedOrder(FRUSTRATED, [-1.0, 0.5], [0.15, 0, 0], Z)
    found = order.at(np.array([[-1.0, 0.26], [-1.0, 0.24], [-3.0, 0.5]]))
    assert found.status.tolist() == [FOLLOWED, ENDED, ENDED]
    assert -1 - 2 * found.reached[2] == pytest.approx(-2, abs=5e-3)


def square():
    """Four spins of a square lattice with J1, J2 > J1 / 2, and a biquadratic exchange that holds two antiferromagnets collinear."""
    positions = [(0, 0), (0.5, 0), (0, 0.5), (0.5, 0.5)]
    sites = [Site("s", [x, y, 0], 1, [s, 0.3 * t, 0]) for (x, y), s, t in zip(positions, (1, 1, -1, -1), (1, -1, 1, -1), strict=True)]
    bare = SpinModel(Lattice(8, 8, 8.5), sites)
    near, diagonal = ([Bond(*pair, name) for pair in bare.neighbours(d)] for d, name in ((4.0, "J1"), (np.sqrt(32), "J2")))
    return SpinModel(bare.lattice, sites, [*near, *diagonal, *(Bond(b.i, b.j, b.cell, "Q", biquadratic=True) for b in near)])


def test_order_that_the_energy_does_not_determine():
    # without biquadratic exchange the two antiferromagnets may turn against each other
    with pytest.raises(InstabilityError, match=r"energy does not determine the order at J1=1, J2=1, Q=0.*add what decides"):
        FollowedOrder(square(), [1.0, 1.0, 0.0])
    order, table = FollowedOrder(square(), [1.0, 1.0, -0.1]), np.array([[1.0, 1.1, -0.05], [1.0, 1.0, 0.0], [1.0, 1.0, 0.05]])
    found = order.at(table)
    assert found.status.tolist() == [FOLLOWED, UNDETERMINED, ENDED]
    with pytest.raises(InstabilityError, match="does not determine the order at J1=1, J2=1, Q=0"):
        raise order.error(found, table, 1)
    # the triangular lattice in a field: the three spins have more freedom than to turn about it
    positions = [[0, 0, 0], [1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0]]
    start = ([0, 0, -1], [0.8, 0, 0.6], [-0.8, 0, 0.6])
    sites = [Site("t", p, 1.0, n) for p, n in zip(positions, start, strict=True)]
    bare = SpinModel(Lattice(np.sqrt(3), np.sqrt(3), 3, gamma=120), sites)
    triangle = SpinModel(bare.lattice, sites, [Bond(*pair, "J") for pair in bare.neighbours(1.0)], [], [Field("B", Z)])
    with pytest.raises(InstabilityError, match="does not determine"):
        FollowedOrder(triangle, [1.0, 10.0])
    relaxed, _ = relax(triangle, {"J": 1.0, "B": 10.0}, starts=0)
    with pytest.raises(InstabilityError, match=r"no derivatives by J, B .*does not determine"):
        spin_waves(relaxed, Q, {"J": 1.0, "B": 10.0}, derivatives=True)


def test_start_that_is_no_minimum_is_refused():
    # spins along a field beyond the spin flop: no force turns them
    model = chain(([0, 0, 1], [0, 0, -1]), [0, 0, 1.0])
    with pytest.raises(InstabilityError, match=r"no minimum at J=1, D=-0\.1, B=20.*relax"):
        FollowedOrder(model, [1.0, -0.1, 20.0])


def test_field_that_turns_all_spins_at_once_has_no_derivative():
    ferromagnet = SpinModel(Lattice(3, 8, 8), [Site("f", [0, 0, 0], 1, [1, 0, 0])], [Bond(0, 0, (1, 0, 0), "J")], [], [Field("B", Z)])
    with pytest.raises(InstabilityError, match="no derivative by B"):
        spin_waves(ferromagnet, [[0.2, 0, 0]], {"J": -1.0, "B": 0.0}, derivatives=True)
    # and the order ends there: the smallest field turns it
    order = FollowedOrder(ferromagnet, [-1.0, 0.0])
    assert order.at(np.array([[-1.0, 1.0], [-2.0, 0.0]])).status.tolist() == [ENDED, FOLLOWED]


def test_descent_that_does_not_come_to_rest_is_refused(monkeypatch):
    monkeypatch.setattr(following, "_STEPS", 0)
    with pytest.raises(InstabilityError, match=r"no minimum at J=1, B=5: descent does not come to rest; give other directions"):
        FollowedOrder(chain(ACROSS), [1.0, 5.0])


def test_orders_do_not_depend_on_what_was_asked_before(monkeypatch):
    table = np.column_stack((np.linspace(0.7, 1.4, 9), np.linspace(20.0, 3.0, 9)))
    together = FollowedOrder(chain(ACROSS), [1.0, 5.0]).at(table)
    monkeypatch.setattr(following, "MEMORY", 2000.0)  # four sets at once
    alone, again = FollowedOrder(chain(ACROSS), [1.0, 5.0]), FollowedOrder(chain(ACROSS), [1.0, 5.0])
    for number in reversed(range(9)):
        one = alone.at(table[number : number + 1])
        assert one.order.directions[0] == pytest.approx(together.order.directions[number], abs=1e-14)
    assert again.at(table[::-1]).order.directions[::-1] == pytest.approx(together.order.directions, abs=1e-14)
    assert alone.at(table[:0]).status.shape == (0,)
    monkeypatch.setattr(following, "KEPT", 0)
    assert again.at(np.concatenate((table, 1.01 * table))).order.directions[:9] == pytest.approx(together.order.directions, abs=1e-14)
