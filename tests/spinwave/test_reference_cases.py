"""Cases with a known answer: analytic formulas, and values of SpinW's and Sunny's own tests."""

import numpy as np
import pytest

from mantid_insdl.materials import load_material
from mantid_insdl.spinwave import Bond, Field, Lattice, OnSite, Site, SpinModel, spin_waves
from mantid_insdl.spinwave.model import MU_B

BOTH_PATHS = pytest.mark.parametrize("fold", [True, False], ids=["folded", "full"])
Z2 = np.diag([0.0, 0.0, 1.0])


def chain(direction, *, sites=1, spin=1.0, onsite=(), fields=()):
    """A chain along x of `sites` spins in turn along +-direction."""
    where = [Site(f"s{i}", [i / sites, 0, 0], spin, (-1) ** i * np.array(direction)) for i in range(sites)]
    bonds = [Bond(i, (i + 1) % sites, (int(i + 1 == sites), 0, 0), "J") for i in range(sites)]
    onsite = [OnSite(i, "D", matrix) for matrix in onsite for i in range(sites)]
    return SpinModel(Lattice(3.0 * sites, 8.0, 8.0), where, bonds, onsite, fields)


def kagome():
    sites = [Site("k", p, 1.0, [0, 0, 1]) for p in ([0.5, 0, 0], [0, 0.5, 0], [0.5, 0.5, 0])]
    # the triangle around the origin and the one opposite; the antisymmetric exchange goes round both the same way
    pairs = [(0, 1, (1, 0, 0)), (0, 1, (0, -1, 0)), (1, 2, (0, 0, 0)), (1, 2, (-1, 0, 0)), (2, 0, (0, 0, 0)), (2, 0, (0, 1, 0))]
    turn = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 0]])
    bonds = [Bond(*pair, "J") for pair in pairs] + [Bond(*pair, "Dz", turn) for pair in pairs]
    return SpinModel(Lattice(6, 6, 5, gamma=120), sites, bonds)


@BOTH_PATHS
def test_1_ferromagnetic_chain(fold):
    modes = spin_waves(chain([0, 1, 0]), [[0.25, 0, 0], [0.5, 0, 0]], {"J": -1}, fold=fold)
    assert modes.energies[0, :, 0] == pytest.approx([2, 4], abs=1e-12)
    assert np.abs(modes.amplitudes[0, :, 0]) ** 2 == pytest.approx(np.array([[0.5, 0, 0.5]] * 2), abs=1e-12)


@BOTH_PATHS
def test_2_antiferromagnetic_chain(fold):
    # h = 0.1 of the one-spin cell; the spins are perpendicular to the chain
    modes = spin_waves(chain([0, 1, 0], sites=2), [[0.2, 0, 0]], {"J": 1}, fold=fold)
    assert modes.energies[0, 0] == pytest.approx([2 * np.sin(0.2 * np.pi)] * 2, abs=1e-10)
    assert modes.s_perp.sum() == pytest.approx(0.5 * np.tan(0.1 * np.pi), rel=1e-9)
    assert modes.s_perp.sum() == pytest.approx(0.162460, abs=1e-6)


def test_3_triangular_120_degrees():
    # the three-spin cell: a' = 2a + b, b' = -a + b, in which the angle of 120 degrees stays
    angles = 2 * np.pi / 3 * np.arange(3)
    positions = [[0, 0, 0], [1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0]]
    sites = [Site("t", p, 1.5, [np.cos(x), np.sin(x), 0]) for p, x in zip(positions, angles, strict=True)]
    bare = SpinModel(Lattice(np.sqrt(3), np.sqrt(3), 3, gamma=120), sites)
    bonds = [Bond(i, j, cell, "J") for i, j, cell in bare.neighbours(1.0)]
    assert len(bonds) == 9
    h, k = 0.1, 0.2
    modes = spin_waves(SpinModel(bare.lattice, sites, bonds), [[2 * h + k, k - h, 0]], {"J": 1})
    assert modes.energies[0, 0] == pytest.approx([3.213724, 4.572352, 4.771329], abs=1e-6)

    def energy(h, k):
        g = np.cos(2 * np.pi * np.array([h, k, h + k])).sum() / 3
        return 3 * 1.5 * np.sqrt((1 - g) * (1 + 2 * g))

    exact = sorted(energy(h + n / 3, k + n / 3) for n in (-1, 0, 1))
    assert modes.energies[0, 0] == pytest.approx(exact, abs=1e-10)


def test_4_kagome_ferromagnet():
    modes = spin_waves(kagome(), [[0.1, 0.25, 0]], {"J": -1, "Dz": 0})
    assert modes.energies[0, 0] == pytest.approx([1.144612, 4.855388, 6], abs=1e-6)


@pytest.mark.parametrize("dz", [0.1, -0.1])
def test_5_kagome_with_antisymmetric_exchange(dz):
    modes = spin_waves(kagome(), [[0, 0, 0]], {"J": -1, "Dz": dz})
    assert modes.energies[0, 0] == pytest.approx([0, 6 - 2 * np.sqrt(3) * 0.1, 6 + 2 * np.sqrt(3) * 0.1], abs=1e-8)
    # a ferromagnet's Goldstone mode has a finite weight
    assert np.isfinite(modes.s_perp).all() and modes.stable.all()


@BOTH_PATHS
def test_6_easy_plane_ferromagnet(fold):
    modes = spin_waves(chain([1, 0, 0], onsite=[Z2]), [[0.1, 0, 0], [0.5, 0, 0]], {"J": -1, "D": 0.3}, fold=fold)
    assert modes.energies[0, :, 0] == pytest.approx([0.612436, 4.289522], abs=1e-6)


def test_7_canted_antiferromagnet_in_a_field():
    d, b, s = 0.54, 0.76, 1.5
    angle = np.arccos(b / (2 * s * (4 + d)))
    sites = [Site("c", [x, x, 0], s, [sign * np.sin(angle), 0, np.cos(angle)]) for x, sign in ((0, 1), (0.5, -1))]
    bonds = [Bond(0, 1, (m, n, 0), "J") for m in (0, -1) for n in (0, -1)]
    model = SpinModel(Lattice(4, 4, 10), sites, bonds, [OnSite(i, "D", Z2) for i in (0, 1)], [Field("B", [0, 0, 1])])
    modes = spin_waves(model, [[0.12 + 0.23, 0.23 - 0.12, 0]], {"J": 1, "D": d, "B": b / (2 * MU_B)})
    assert modes.energies[0, 0] == pytest.approx([5.909942, 6.587632], abs=1e-6)


@BOTH_PATHS
def test_8_easy_axis_chain_in_a_field(fold):
    model = chain([0, 0, 1], sites=2, onsite=[Z2], fields=[Field("B", [0, 0, 1])])
    modes = spin_waves(model, [[0.2, 0, 0]], {"J": 1, "D": -0.1, "B": 7}, fold=fold)
    middle, split = np.sqrt(2.2**2 - (2 * np.cos(0.2 * np.pi)) ** 2), 2 * MU_B * 7
    assert modes.energies[0, 0] == pytest.approx([middle - split, middle + split], abs=1e-10)
    assert modes.energies[0, 0] == pytest.approx([0.680253, 2.300999], abs=1e-6)


@BOTH_PATHS
def test_9_pcsmo_goodenough(fold):
    material = load_material("pcsmo-goodenough")
    modes = spin_waves(material.model, [[1.616327, 0, 0]], material.defaults, fold=fold)
    weight = 16 * np.abs(modes.amplitudes[0, 0]) ** 2  # of the cell with its 16 spins
    assert modes.energies[0, 0, -2:] == pytest.approx([79.559, 79.568], abs=1e-3)
    assert weight[-2] == pytest.approx([13.1549, 0, 0], abs=1e-4)
    assert weight[-1] == pytest.approx([0, 0, 13.1122], abs=1e-4)


@pytest.mark.parametrize(
    ("name", "bands"),
    [
        ("pcsmo-goodenough", [(0, 17.7), (5.8, 17.7), (17.7, 36.3), (55.9, 75.0), (75.0, 86.6)]),
        ("pcsmo-dimer", [(0, 17.5), (5.9, 17.5), (17.6, 36.5), (56.6, 75.4), (75.4, 86.2)]),
    ],
)
def test_pcsmo_bands(name, bands):
    material = load_material(name)
    line = np.linspace(0, 1, 21)
    q = np.stack(np.meshgrid(line, line, [0.0], indexing="ij"), -1).reshape(-1, 3)
    energies = spin_waves(material.model, q, material.defaults).energies[0]
    groups = [energies[:, i] for i in ([0, 1], [2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15])]
    # the published limits are those of their own grid of momenta
    assert np.array([(g.min(), g.max()) for g in groups]) == pytest.approx(np.array(bands), abs=0.1)
