"""Symmetry of bonds and sites, against textbook cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mantid_insdl.errors import InstabilityError, MaterialError
from mantid_insdl.spinwave import Bond, Hamiltonian, Lattice, OnSite, Site, SpinModel, spin_waves
from mantid_insdl.spinwave.symmetry import (
    SymmetricSites,
    Symmetry,
    allowed_dm,
    describe,
    dm_matrix,
    expand,
    find_symmetry,
    project,
    read_operations,
    reversed_ends,
    space_group,
)

CUBE = Lattice(10, 10, 10)
HEXAGONAL = Lattice(6, 6, 12, gamma=120)


def sites_of(group, lattice, position):
    symmetry = space_group(group, lattice)
    positions, _ = expand(symmetry, lattice, position)
    return SymmetricSites(symmetry, lattice, positions), positions


def bond_between(positions, start, end):
    """The bond between two fractional positions."""
    found = []
    for point in (start, end):
        shift = np.array(point) - positions
        index = int(np.abs(shift - np.round(shift)).sum(axis=1).argmin())
        found.append((index, np.round(shift[index]).astype(int)))
    return found[0][0], found[1][0], tuple(int(n) for n in found[1][1] - found[0][1])


def operations(*triplets):
    return Symmetry.of("the test's group", *read_operations(["x,y,z", *triplets], "the test's group"))


# T. Moriya, Phys. Rev. 120, 91 (1960): two ions at A and B, C the midpoint; here AB is along x and C the origin
@pytest.mark.parametrize(
    ("rule", "operation", "direction"),
    [
        ("a centre of inversion at C: no D", "-x,-y,-z", None),
        ("a mirror plane perpendicular to AB through C: D in that plane", "-x,y,z", "[0, A, B]"),
        ("a mirror plane that holds A and B: D perpendicular to it", "x,y,-z", "[0, 0, A]"),
        ("a two-fold axis perpendicular to AB through C: D perpendicular to the axis", "-x,-y,z", "[A, B, 0]"),
    ],
)
def test_rules_of_moriya(rule, operation, direction):
    positions = np.array([[-0.1, 0, 0], [0.1, 0, 0]])
    sites = SymmetricSites(operations(operation), CUBE, positions)
    vectors = allowed_dm(sites.allowed_exchange((0, 1, (0, 0, 0))))
    assert (describe(vectors) if len(vectors) else None) == direction, rule


@pytest.mark.parametrize("order", [2, 3, 4, 6])
def test_fifth_rule_of_moriya(order):
    # an n-fold axis along AB: D along AB
    axis = {2: ["x,-y,-z"], 4: ["x,-z,y", "x,-y,-z", "x,z,-y"]}
    if order in axis:
        sites = SymmetricSites(operations(*axis[order]), CUBE, [[-0.1, 0, 0], [0.1, 0, 0]])
        expected = "[A, 0, 0]"
    else:
        turns = {3: ["-y,x-y,z", "-x+y,-x,z"], 6: ["x-y,x,z", "-y,x-y,z", "-x,-y,z", "-x+y,-x,z", "y,-x+y,z"]}
        sites = SymmetricSites(operations(*turns[order]), HEXAGONAL, [[0, 0, -0.1], [0, 0, 0.1]])
        expected = "[0, 0, A]"
    assert describe(allowed_dm(sites.allowed_exchange((0, 1, (0, 0, 0))))) == expected


def test_without_symmetry_all_nine_elements_are_allowed():
    sites = SymmetricSites(Symmetry.none(), CUBE, [[0, 0, 0], [0.3, 0.1, 0.2]])
    assert len(sites.allowed_exchange((0, 1, (0, 0, 0)))) == 9
    assert len(sites.allowed_anisotropy(0)) == 6


def test_pyrochlore_has_four_exchange_parameters():
    # S. H. Curnoe, Phys. Rev. B 78, 094418 (2008); K. A. Ross et al., Phys. Rev. X 1, 021002 (2011), eq. (3):
    # [[J2, J4, J4], [-J4, J1, J3], [-J4, J3, J1]] on the bond along (0, 1, 1)
    sites, positions = sites_of("F d -3 m:2", CUBE, (0.5, 0.5, 0.5))
    assert len(positions) == 16
    ends = bond_between(positions, (0.5, 0.5, 0.5), (0.5, 0.75, 0.75))
    basis = sites.allowed_exchange(ends)
    assert describe(basis) == "[[A, B, B], [-B, C, D], [-B, D, C]]"
    assert describe(allowed_dm(basis)) == "[0, A, -A]"
    assert len(sites.orbit(ends)) == 48  # six neighbours of each of 16 sites
    assert describe(sites.allowed_anisotropy(0)) == "[[A, B, B], [B, A, B], [B, B, A]]"  # the local <111> axis and the unit matrix


def test_kagome_plane_forbids_dm_in_the_plane():
    # M. Elhajal, B. Canals and C. Lacroix, Phys. Rev. B 66, 014422 (2002): a mirror plane leaves the component along c
    sites, positions = sites_of("P 6/m m m", HEXAGONAL, (0.5, 0, 0))
    ends = bond_between(positions, (0.5, 0, 0), (0.5, 0.5, 0))
    assert len(positions) == 3 and len(sites.orbit(ends)) == 6
    assert describe(allowed_dm(sites.allowed_exchange(ends))) == "[0, 0, A]"
    # without it (the jarosites, R -3 m) D has a second component, in the plane and perpendicular to the bond
    jarosite, positions = sites_of("R -3 m", HEXAGONAL, (0.5, 0, 0))
    assert len(allowed_dm(jarosite.allowed_exchange(bond_between(positions, (0.5, 0, 0), (0.5, 0.5, 0))))) == 2


def test_dm_runs_round_every_triangle_of_the_kagome_plane():
    sites, positions = sites_of("P 6/m m m", HEXAGONAL, (0.5, 0, 0))
    ends = bond_between(positions, (0.5, 0, 0), (1, 0.5, 0))
    cartesian = positions @ HEXAGONAL.vectors
    for (i, j, cell), turn in sites.orbit(ends):
        matrix = turn @ dm_matrix([0, 0, 1]) @ turn.T
        end = cartesian[j] + np.array(cell) @ HEXAGONAL.vectors
        # the third corner of the bond's triangle is a kagome site; the sense is that of the bond about the triangle's centre
        for third in ((cartesian[i] + end) / 2 + s * np.sqrt(0.75) * np.cross([0, 0, 1], end - cartesian[i]) for s in (1, -1)):
            shift = third @ np.linalg.inv(HEXAGONAL.vectors) - positions
            if np.abs(shift - np.round(shift)).sum(axis=1).min() < 1e-6:
                centre = (cartesian[i] + end + third) / 3
                sense = np.sign(np.cross(cartesian[i] - centre, end - centre)[2])
                assert matrix == pytest.approx(sense * dm_matrix([0, 0, 1]))
                break
        else:
            pytest.fail("a bond that is no side of a triangle")


def test_honeycomb_layer_of_octahedra_has_kitaev_exchange():
    # J. G. Rau, E. K.-H. Lee and H.-Y. Kee, Phys. Rev. Lett. 112, 077204 (2014): J, K and Gamma for ideal octahedra, Gamma' with trigonal
    # distortion, and no Dzyaloshinskii-Moriya exchange: the midpoint of the bond is a centre of inversion
    sites, positions = sites_of("P -3 1 m", HEXAGONAL, (1 / 3, 2 / 3, 0))
    ends = bond_between(positions, (1 / 3, 2 / 3, 0), (2 / 3, 1 / 3, 0))
    basis = sites.allowed_exchange(ends)
    assert len(basis) == 4 and len(allowed_dm(basis)) == 0
    # J, K, Gamma, Gamma' of the z bond in the axes of the octahedron: rows of `axes` are x, y, z of the octahedron in the crystal's frame
    bond = (positions[ends[1]] + np.array(ends[2]) - positions[ends[0]]) @ HEXAGONAL.vectors
    x_minus_y = bond / np.linalg.norm(bond)
    in_plane = np.cross([0, 0, 1], x_minus_y)
    z = np.array([0, 0, 1]) / np.sqrt(3) + np.sqrt(2 / 3) * in_plane
    sum_xy = np.array([0, 0, np.sqrt(3)]) - z
    x, y = (sum_xy + np.sqrt(2) * x_minus_y) / 2, (sum_xy - np.sqrt(2) * x_minus_y) / 2
    axes = np.array([x, y, z])
    assert axes @ axes.T == pytest.approx(np.eye(3))
    j, k, gamma, prime = 1.0, -3.0, 0.7, 0.2
    local = np.array([[j, gamma, prime], [gamma, j, prime], [prime, prime, j + k]])
    matrix = axes.T @ local @ axes
    assert project(sites.exchange_projector(ends), matrix) == pytest.approx(matrix)


def test_site_symmetry_of_the_tetragonal_layer_allows_an_axis_only():
    sites, _ = sites_of("P 4/m m m", Lattice(4, 4, 13), (0, 0, 0))
    assert describe(sites.allowed_anisotropy(0)) == "[[A, 0, 0], [0, A, 0], [0, 0, B]]"


@pytest.mark.parametrize(
    ("group", "position", "number"),
    [
        ("P 4/m m m", (0, 0, 0), 1),
        ("I 4/m m m", (0, 0, 0.35), 4),
        ("P n m a", (0, 0, 0), 4),
        ("P n m a", (0.1, 0.25, 0.3), 4),
        (62, (0.1, 0.2, 0.3), 8),
    ],
)
def test_multiplicity_of_positions(group, position, number):
    lattice = Lattice(5, 5, 7) if str(group).startswith(("P 4", "I 4")) else Lattice(5, 7, 8)
    assert len(expand(space_group(group, lattice), lattice, position)[0]) == number


def test_rounded_position_is_moved_onto_its_symmetry_element():
    positions, _ = expand(space_group("P 6/m m m", HEXAGONAL), HEXAGONAL, (0.3333, 0.6667, 0.0))
    assert len(positions) == 2
    assert positions[0] == pytest.approx([1 / 3, 2 / 3, 0], abs=1e-12)


def test_found_symmetry_is_that_of_the_named_group():
    # layers at +-0.1: the centre of inversion between them is at no rational place of the cell for spglib's choice of origin
    found = find_symmetry(Lattice(4, 4, 13), np.array([[0, 0, 0.1], [0, 0, -0.1]]), [0, 0])
    assert len(found.rotations) == 16 and "4/mmm" in found.name
    sites = SymmetricSites(found, Lattice(4, 4, 13), [[0, 0, 0.1], [0, 0, -0.1]])
    assert len(sites.orbit((0, 0, (1, 0, 0)))) == 4
    assert len(find_symmetry(Lattice(4, 4, 13), np.array([[0, 0, 0.1], [0, 0, -0.1]]), [0, 1]).rotations) == 8


def test_operations_are_read_in_all_their_spellings():
    rotations, translations = read_operations(["1/2+X, -Y, z-1/5", "x+0.3333,-x+y,.5-z", "y,x,-z"], "a test")
    assert translations == pytest.approx(np.array([[0.5, 0, -0.2], [1 / 3, 0, 0.5], [0, 0, 0]]))
    assert rotations[1].tolist() == [[1, 0, 0], [-1, 1, 0], [0, 0, -1]] and rotations[2].tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, -1]]
    assert len(operations("x+1/5,y,z", "x+2/5,y,z", "x+3/5,y,z", "x+4/5,y,z").rotations) == 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: space_group("P 4/q", CUBE), "no space group 'P 4/q'"),
        (lambda: space_group("F d -3 m", CUBE), "two choices of origin.*F d -3 m:1 or F d -3 m:2"),
        (lambda: space_group("P 4/m m m", Lattice(4, 5, 6)).cartesian(Lattice(4, 5, 6)), "cell has not the symmetry of P 4/m m m.*4, 5, 6"),
        (lambda: operations("-x,-y,z", "-x,y,-z"), "are no group"),
        (lambda: read_operations(["x,y,w"], "P 1"), "cannot read 'x,y,w'"),
        (lambda: read_operations(["x,y"], "P 1"), "cannot read 'x,y'"),
        (lambda: read_operations(["x,2x,z"], "P 1"), "cannot read 'x,2x,z'"),
        (lambda: SymmetricSites(space_group("P -1", CUBE), CUBE, [[0.1, 0, 0]]), "have not the symmetry"),
    ],
)
def test_wrong_symmetry_is_refused(call, message):
    with pytest.raises(MaterialError, match=r"(?i)" + message):
        call()


# magnets of random allowed couplings: what symmetry makes of one bond must have the symmetry
GROUPS = [
    ("P 4/m m m", Lattice(4, 4, 7), (0, 0, 0), [(1, 0, 0), (1, 1, 0), (1, 1, 1)]),
    ("P 4", Lattice(4, 4, 7), (0, 0, 0), [(1, 0, 0), (1, 1, 0), (1, 1, 1), (2, 1, 0)]),
    ("P 6/m m m", HEXAGONAL, (0.5, 0, 0), [(0.5, 0.5, 0), (1, 0.5, 0), (0.5, 0.5, 1), (1, 0, 0)]),
    ("P 3 1 2", HEXAGONAL, (1 / 3, 2 / 3, 0), [(1 / 3, 2 / 3, 1), (1, 0, 0), (1, 1, 1)]),
    ("P n m a", Lattice(5, 7, 8), (0, 0, 0), [(0, 0.5, 0), (0.5, 0, 0.5), (1, 0, 0)]),
    ("F d -3 m:2", CUBE, (0.5, 0.5, 0.5), [(0.5, 0.75, 0.75)]),
]


@st.composite
def magnets(draw):
    """A group, its sites, a bond, and an allowed exchange matrix on it."""
    group, lattice, position, offsets = draw(st.sampled_from(GROUPS))
    sites, positions = sites_of(group, lattice, position)
    ends_of = []
    for offset in offsets:
        target = np.array(offset, float)
        if not _is_site(positions, target):
            target = np.array(position) + target
        if _is_site(positions, target):
            ends_of.append(bond_between(positions, position, target))
    ends = draw(st.sampled_from(ends_of))
    basis = sites.allowed_exchange(ends)
    numbers = draw(st.lists(st.floats(-1, 1), min_size=len(basis), max_size=len(basis)))
    return lattice, sites, positions, ends, np.tensordot(numbers, basis, axes=1)


def _is_site(positions, point):
    shift = point - positions
    return np.abs(shift - np.round(shift)).sum(axis=1).min() < 1e-6


def ferromagnet(lattice, positions, sites, ends, matrix):
    """A ferromagnet along z, held there by a strong easy axis, with the orbit of one bond."""
    bonds = tuple(Bond(*image, "J", turn @ matrix @ turn.T) for image, turn in sites.orbit(ends))
    spins = tuple(Site("s", p, 1.0, np.array([0.0, 0.0, 1.0])) for p in positions)
    return SpinModel(lattice, spins, bonds, tuple(OnSite(i, "D", np.diag([0, 0, 1.0])) for i in range(len(positions))))


def h_matrices(model, q):
    return Hamiltonian(model).matrix(q, {"J": 1.0, "D": -30.0})[0]


@settings(max_examples=60, deadline=None)
@given(magnets(), st.randoms(use_true_random=False))
def test_any_bond_of_the_orbit_gives_the_same_magnet(magnet, random):
    lattice, sites, positions, ends, matrix = magnet
    orbit = sites.orbit(ends)
    other, turn = random.choice(orbit)
    moved = turn @ matrix @ turn.T
    if random.random() < 0.5:
        other, moved = reversed_ends(other), moved.T
    first = ferromagnet(lattice, positions, sites, ends, matrix)
    second = ferromagnet(lattice, positions, sites, other, moved)
    assert len(first.bonds) == len(second.bonds)
    q = np.random.default_rng(0).uniform(-1, 1, (4, 3))
    assert h_matrices(first, q) == pytest.approx(h_matrices(second, q), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(magnets())
def test_spin_waves_have_the_symmetry_of_the_magnet(magnet):
    # operations that leave the ferromagnet along z as it is: proper or improper, those that keep the axial vector z
    lattice, sites, positions, ends, matrix = magnet
    model = ferromagnet(lattice, positions, sites, ends, matrix)
    q = np.random.default_rng(1).uniform(-1, 1, (3, 3))
    values = {"J": 1.0, "D": -30.0}
    try:
        reference = spin_waves(model, q, values)
    except InstabilityError:  # the random exchange pushes the spins sideways
        return
    kept = 0
    for fractional, turn in zip(sites.symmetry.rotations, sites.rotations, strict=True):
        if np.linalg.det(turn) * turn[2, 2] < 1 - 1e-6:
            continue
        kept += 1
        # momentum in r.l.u. (row) times the inverse of the operation on fractional coordinates
        image = spin_waves(model, q @ np.linalg.inv(fractional), values)
        assert image.energies == pytest.approx(reference.energies, abs=1e-8)
        total, expected = image.s_perp.sum(axis=-1), reference.s_perp.sum(axis=-1)
        assert total == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert kept >= 1
