"""The dipole-dipole interaction: published lattice sums, resonances in closed form, and one magnet in several cells."""

import dataclasses

import numpy as np
import pytest
from test_biquadratic import precession

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave import Bond, Dipoles, Field, Lattice, Site, SpinModel, relax, spin_waves, spiral_waves
from mantid_insdl.spinwave.dipoles import COMPONENTS, STRENGTH, DipoleSums
from mantid_insdl.spinwave.model import MU_B
from mantid_insdl.spinwave.shared import SharedSolve
from mantid_insdl.spinwave.structure import ClassicalEnergy, ordering_vector

CORNERS = {
    "sc": [[0, 0, 0]],
    "bcc": [[0, 0, 0], [0.5, 0.5, 0.5]],
    "fcc": [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
}
NEEDLE, PLATE = np.diag([0.5, 0.5, 0.0]), np.diag([0.0, 0.0, 1.0])


def matrix(lattice, positions, q, demagnetisation=None):
    """T(q) of all sites, (3 N, 3 N)."""
    sums = DipoleSums(lattice, np.array(positions, float), np.eye(3) / 3 if demagnetisation is None else demagnetisation)
    found = np.zeros((len(positions), 3, len(positions), 3), complex)
    for (i, j), components in zip(sums.pairs, sums.at([q])[0], strict=True):
        for value, (x, y) in zip(components, COMPONENTS, strict=True):
            found[i, x, j, y] = found[i, y, j, x] = value
            found[j, x, i, y] = found[j, y, i, x] = np.conj(value)
    return found.reshape(3 * len(positions), -1)


@pytest.mark.parametrize(
    ("kind", "q", "energy"), [("sc", [0.5, 0.5, 0], -2.676), ("bcc", [0.5, 0.5, 0], -1.986), ("fcc", [0.5, 0.5, 0.5], -1.808)]
)
def test_lowest_energies_of_cubic_lattices(kind, q, energy):
    """Per dipole in units of moment^2 times density: J. M. Luttinger and L. Tisza, Phys. Rev. 70, 954 (1946)."""
    positions = CORNERS[kind]
    lowest = np.linalg.eigvalsh(matrix(Lattice(1, 1, 1), positions, q))[0]
    assert lowest / 2 / len(positions) == pytest.approx(energy, abs=1e-3)


@pytest.mark.parametrize("kind", CORNERS)
def test_sphere_of_a_cubic_lattice_has_no_field_of_its_own(kind):
    # H. A. Lorentz: the field of the dipoles within a sphere vanishes, and 4 pi / 3 is left where nothing demagnetises
    positions, volume = CORNERS[kind], 8.0
    count = len(positions)

    def uniform(demagnetisation):
        blocks = matrix(Lattice(2, 2, 2), positions, [0, 0, 0], demagnetisation).reshape(count, 3, count, 3)
        return blocks.sum(axis=(0, 2)) / count

    assert uniform(None) == pytest.approx(np.zeros((3, 3)), abs=1e-11)
    for shape in (NEEDLE, PLATE):
        assert uniform(shape) == pytest.approx(4 * np.pi * count / volume * (shape - np.eye(3) / 3), abs=1e-11)


def test_sum_is_that_of_a_larger_cell():
    # whose volume, and with it the split into two sums, is another
    small = Lattice(3, 4, 5, 80, 95, 110)
    long = Lattice(*small_lengths(small, (3, 1, 2)), 80, 95, 110)
    q = np.array([0.31, 0.12, -0.23])
    site = np.array([0.2, 0.3, 0.4])
    pair = matrix(small, [[0, 0, 0], site], q)
    places = [[n / 3, 0, m / 2] for n in range(3) for m in range(2)]
    far = [list(np.array(place) + site / [3, 1, 2]) for place in places]
    large = matrix(long, [*places, *far], q * [3, 1, 2]).reshape(12, 3, 12, 3)
    assert large[0, :, :6].sum(axis=1) == pytest.approx(pair[:3, :3], abs=1e-12)
    assert large[0, :, 6:].sum(axis=1) == pytest.approx(pair[:3, 3:], abs=1e-12)


def small_lengths(lattice, times):
    return [length * n for length, n in zip((lattice.a, lattice.b, lattice.c), times, strict=True)]


def test_sum_is_that_of_the_pairs():
    lattice, q = Lattice(3, 4, 5, 80, 95, 110), np.array([0.31, 0.12, -0.23])
    site = np.array([0.2, 0.3, 0.4])
    cells = np.stack(np.meshgrid(*(np.arange(-25, 26),) * 3, indexing="ij"), -1).reshape(-1, 3)
    r = (cells + site) @ lattice.vectors
    length = np.linalg.norm(r, axis=1)
    weight = np.exp(-((length / 20) ** 2)) * np.exp(1j * r @ lattice.to_cartesian(q))  # what is far away cancels
    pairs = np.eye(3) * np.sum(weight / length**3) - 3 * np.einsum("n,nx,ny->xy", weight / length**5, r, r)
    assert matrix(lattice, [[0, 0, 0], site], q)[:3, 3:] == pytest.approx(pairs, abs=3e-3 * np.abs(pairs).max() + 2e-3)


def ferromagnet(demagnetisation=None, *, field=0.5, g=2.0, exchange=0.0):
    dipoles = Dipoles("d") if demagnetisation is None else Dipoles("d", demagnetisation)
    site = Site("a", [0, 0, 0], 3.5, [0, 0, 1], g=g)
    model = SpinModel(Lattice(3, 3, 3), [site], [Bond(0, 0, (1, 0, 0), "J")], fields=[Field("B", [0, 0, 1])], dipoles=dipoles)
    return model, {"J": exchange, "d": 1.0, "B": field}, 4 * np.pi * STRENGTH * g**2 * 3.5 / 27, g * MU_B * field


@pytest.mark.parametrize("shape", [np.eye(3) / 3, NEEDLE, np.diag([0.0, 1.0, 0.0]), np.diag([0.2, 0.5, 0.3])])
def test_resonance_of_a_sample_of_any_shape(shape):
    # C. Kittel, Phys. Rev. 73, 155 (1948)
    model, values, magnetisation, field = ferromagnet(shape, field=3.0)
    n = np.diag(shape)
    expected = np.sqrt((field + (n[0] - n[2]) * magnetisation) * (field + (n[1] - n[2]) * magnetisation))
    assert spin_waves(model, [[0, 0, 0]], values).energies[0, 0, 0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("direction", [(0, 0, 1), (1, 0, 0), (0, 1, 1), (1, 2, 3)])
def test_long_waves_have_the_field_of_their_own_charges(direction):
    # T. Holstein and H. Primakoff, Phys. Rev. 58, 1098 (1940): w^2 = h (h + 4 pi M sin^2 of the angle to the moments), h = B - N 4 pi M
    model, values, magnetisation, field = ferromagnet(NEEDLE, field=0.4)
    q = 1e-4 * np.array(direction) / np.linalg.norm(direction)
    across = 1 - (q[2] / np.linalg.norm(q)) ** 2
    expected = np.sqrt(field * (field + magnetisation * across))
    assert spin_waves(model, [q], values).energies[0, 0, 0] == pytest.approx(expected, rel=1e-5)


def test_gap_of_manganese_fluoride_is_that_of_its_resonance():
    """261.4 GHz (F. M. Johnson and A. H. Nethercot, Phys. Rev. 114, 705 (1959)), of an ion without orbital moment.

    Exchange of A. Okazaki et al., Phys. Lett. 8, 9 (1964): 2 x 1.76 K between, -2 x 0.32 K within the sublattices.
    """
    kelvin, lattice = 0.0861733, Lattice(4.8734, 4.8734, 3.3103)
    sites = [Site("Mn", [0, 0, 0], 2.5, [0, 0, 1]), Site("Mn", [0.5, 0.5, 0.5], 2.5, [0, 0, -1])]
    bare = SpinModel(lattice, sites)
    bonds = [Bond(*pair, "J1") for pair in bare.neighbours(3.3103)] + [Bond(*pair, "J2") for pair in bare.neighbours(3.823)]
    magnet = dataclasses.replace(bare, bonds=tuple(bonds), dipoles=Dipoles("d"))
    energies = spin_waves(magnet, [[0, 0, 0]], {"J1": -0.64 * kelvin, "J2": 3.52 * kelvin, "d": 1.0}).energies[0, 0]
    assert energies == pytest.approx([261.4 * 0.00413567] * 2, rel=0.01)


NOTHING = np.zeros((3, 3))


def test_columns_of_dipoles_are_those_of_sunny():
    # its test "Dipole-dipole": C = 1 / 4 pi
    site = Site("a", [0, 0, 0], 1.0, [0, 0, 1], g=1.0)
    model, values = SpinModel(Lattice(10, 10, 1), [site], dipoles=Dipoles("d", NOTHING)), {"d": 1 / (4 * np.pi * STRENGTH)}
    energy = ClassicalEnergy(model).energy(model.parameter_table(values), np.array([[0, 0, 1.0]]))[0]
    assert energy == pytest.approx(-0.1913132980155851, abs=1e-11)
    modes = spin_waves(model, [[0, 0, 0], [0, 0, 0.5], [0, 0.5, 0.5]], values)
    assert modes.energies[0, :, 0] == pytest.approx(
        [0.5689399140467553, 0.23914164251944922, 0.23914164251948083], abs=3e-8
    )  # Sunny adds 1e-8 to h


def test_body_centred_ferromagnet_is_that_of_sunny():
    # the same test, in the conventional cell; polarised along an arbitrary direction
    sites = [Site("a", position, 1.0, [1, 2, 3]) for position in CORNERS["bcc"]]
    model = SpinModel(Lattice(1, 1, 1), sites, dipoles=Dipoles("d", NOTHING))
    directions = np.array([site.direction for site in sites])
    assert ClassicalEnergy(model).energy(np.array([[1.0]]), directions)[0] / 2 == pytest.approx(-0.89944235377, rel=2e-6)
    energies = spin_waves(model, [[0.5, -0.1, 0.3]], {"d": 1.0}).energies[0, 0]
    assert energies == pytest.approx([0.9206655245623444, 1.3236778041378718], rel=2e-6)  # mu0 muB^2 to six digits


def two_sites(g=2.0, **changes):
    sites = [Site("a", [0, 0, 0], 2.5, [0, 0, 1], g=g), Site("b", [0.5, 0.4, 0.3], 2.0, [0.3, 0.1, -1])]
    pairs = SpinModel(Lattice(4, 5, 6, 95), sites)
    bonds = [Bond(0, 1, (0, 0, 0), "J"), Bond(0, 1, (-1, 0, 0), "J"), Bond(0, 1, (0, -1, 0), "J")]
    return dataclasses.replace(pairs, bonds=tuple(bonds), dipoles=Dipoles("d"), **changes), {"J": 0.3, "d": 1.0}


def test_any_magnet_precesses_as_its_classical_spins_do():
    model, values = two_sites(g=np.array([[2.0, 0.1, 0], [0, 1.7, 0.2], [0.1, 0, 2.4]]))
    relaxed, _ = relax(model, values, starts=10)
    modes = spin_waves(relaxed, [[0, 0, 0]], values)
    assert modes.stable.all() and modes.energies[0, 0] == pytest.approx(precession(relaxed, values), rel=1e-4)


def test_modes_are_those_of_a_doubled_cell():
    model, values = two_sites()
    relaxed, _ = relax(model, values, starts=10)
    sites = [
        dataclasses.replace(site, position=(site.position + np.array([n, 0, 0])) / [2, 1, 1]) for n in (0, 1) for site in relaxed.sites
    ]
    bonds = []
    for bond in relaxed.bonds:
        for n in (0, 1):
            cell, rest = divmod(n + bond.cell[0], 2)
            bonds.append(dataclasses.replace(bond, i=2 * n + bond.i, j=2 * rest + bond.j, cell=(cell, *bond.cell[1:])))
    double = SpinModel(Lattice(8, 5, 6, 95), sites, bonds, dipoles=relaxed.dipoles)
    q = np.array([[0.13, 0.21, -0.34], [0.4, 0.0, 0.1]])
    one, other = spin_waves(relaxed, q, values), spin_waves(relaxed, q + np.array([0.5, 0, 0]), values)
    both = spin_waves(double, q * [2, 1, 1], values)
    assert both.energies[0] == pytest.approx(np.sort(np.hstack((one.energies[0], other.energies[0]))), rel=1e-9)
    assert both.s_perp[0].sum(-1) == pytest.approx(one.s_perp[0].sum(-1), rel=1e-8)
    energy = [ClassicalEnergy(m).energy(m.parameter_table(values), np.array([s.direction for s in m.sites]))[0] for m in (relaxed, double)]
    assert energy[1] == pytest.approx(2 * energy[0], rel=1e-12)


def test_velocities_and_derivatives_are_exact():
    model, values = two_sites()
    relaxed, _ = relax(model, values, starts=10)
    q, step = np.array([[0.13, 0.21, -0.34]]), 1e-5
    modes = spin_waves(relaxed, q, values, velocities=True, derivatives=True)
    for axis in range(3):
        up, down = (spin_waves(relaxed, q + sign * step * np.eye(3)[axis], values).energies for sign in (1, -1))
        assert modes.velocities[..., axis] == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-6)
    up, down = (spin_waves(ferromagnet(NEEDLE)[0], q, ferromagnet(NEEDLE)[1] | {"d": 1 + s}).energies for s in (step, -step))
    found = spin_waves(ferromagnet(NEEDLE)[0], q, ferromagnet(NEEDLE)[1], derivatives=True).derivatives
    assert found[..., ferromagnet()[0].parameters.index("d")] == pytest.approx((up - down) / (2 * step), rel=1e-6)


def test_calculation_that_is_long_by_its_sums_is_refused():
    model, values, *_ = ferromagnet()
    with pytest.raises(MaterialError, match="would take about"):
        spin_waves(model, np.zeros((1000, 3)), values, longest=0.01)
    spin_waves(dataclasses.replace(model, dipoles=None), np.full((1000, 3), 0.1), {"J": -1.0, "B": 1.0}, longest=0.01)


def test_what_dipoles_do_not_go_with():
    model, values, *_ = ferromagnet()
    with pytest.raises(MaterialError, match="dipole-dipole interaction d changes under rotations"):
        spiral_waves(model, [0.1, 0, 0], [0, 0, 1], [[0.2, 0, 0]], values)
    with pytest.raises(MaterialError, match="ipole-dipole sums have no wave vector"):
        ordering_vector(model, values)
    with pytest.raises(MaterialError, match="energies of this magnet depend on l"):
        SharedSolve(model, np.array([[0.1, 0.2]]))
    with pytest.raises(MaterialError, match="trace 1, not 3"):
        Dipoles("d", np.eye(3))
    many = SpinModel(Lattice(30, 3, 3), [Site("a", [n / 21, 0, 0], 1, [0, 0, 1]) for n in range(21)], dipoles=Dipoles("d"))
    with pytest.raises(MaterialError, match="cell has 21 spins: dipole-dipole interactions are calculated for at most 20"):
        spin_waves(many, [[0.1, 0, 0]], {"d": 1.0})
