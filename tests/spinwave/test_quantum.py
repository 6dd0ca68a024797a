"""Zero-point energy and moments, and renormalised exchange, against published values and closed forms."""

import numpy as np
import pytest

from mantid_insdl.errors import InstabilityError, MaterialError
from mantid_insdl.spinwave import Bond, Field, Lattice, OnSite, Site, SpinModel
from mantid_insdl.spinwave.model import MU_B
from mantid_insdl.spinwave.quantum import oguchi_factors, zero_point
from mantid_insdl.spinwave.rotating_frame import turning_model

UP, DOWN = [0, 0, 1], [0, 0, -1]
SQUARE_BONDS = [Bond(0, 1, (m, n, 0), "J") for m in (0, -1) for n in (0, -1)]


def square(spins=(0.5, 0.5), bonds=SQUARE_BONDS, directions=(UP, DOWN), **terms):
    sites = [Site(f"s{i}", [i / 2, i / 2, 0], *x) for i, x in enumerate(zip(spins, directions, strict=True))]
    return SpinModel(Lattice(4, 4, 10), sites, bonds, **terms)


def neighbours(lattice, sites, distance=1.0):
    bare = SpinModel(lattice, sites)
    return SpinModel(lattice, sites, [Bond(i, j, cell, "J") for i, j, cell in bare.neighbours(distance)])


def cubic():
    """Simple cubic antiferromagnet in its primitive magnetic cell."""
    return neighbours(
        Lattice(np.sqrt(2), np.sqrt(2), np.sqrt(2), 60, 60, 60), [Site("u", [0, 0, 0], 0.5, UP), Site("d", [0.5, 0.5, 0.5], 0.5, DOWN)]
    )


def triangular():
    angles = 2 * np.pi / 3 * np.arange(3)
    places = [[0, 0, 0], [1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0]]
    sites = [Site("t", p, 0.5, [np.cos(x), np.sin(x), 0]) for p, x in zip(places, angles, strict=True)]
    return neighbours(Lattice(np.sqrt(3), np.sqrt(3), 3, gamma=120), sites)


def honeycomb():
    return neighbours(
        Lattice(np.sqrt(3), np.sqrt(3), 3, gamma=120), [Site("u", [1 / 3, 2 / 3, 0], 0.5, UP), Site("d", [2 / 3, 1 / 3, 0], 0.5, DOWN)]
    )


# square and cubic: P. W. Anderson, Phys. Rev. 86, 694 (1952) and T. Oguchi, Phys. Rev. 117, 117 (1960) with more digits; honeycomb:
# Z. Weihong, J. Oitmaa and C. J. Hamer, Phys. Rev. B 44, 11869 (1991); triangular: Phys. Rev. B 79, 144416 (2009), as in Sunny's test
PUBLISHED = [
    (square, 0.196602, -2 * 0.157947, 0.157947),
    (cubic, 0.078358, -3 * 0.097158, 0.097158),
    (honeycomb, 0.258193, -1.5 * 0.209842, 0.209842),
    (triangular, 0.261302, None, None),
]


@pytest.mark.parametrize(("magnet", "reduction", "energy", "factor"), PUBLISHED)
def test_published_values(magnet, reduction, energy, factor):
    found = zero_point(magnet(), {"J": 1.0})
    assert found.reduction == pytest.approx([reduction] * len(found.reduction), abs=2e-5)
    assert found.error < 1e-4
    if energy is not None:
        assert found.energy == pytest.approx(0.5 * energy, abs=2e-5)  # z J S / 2 times it, S = 1/2
        assert oguchi_factors(magnet(), {"J": 1.0})["J"] == pytest.approx(1 + factor, abs=2e-5)


def test_face_centred_energy_of_sunny():
    # 0.488056 / 2S times the classical energy: Phys. Rev. B 102, 220405(R) (2020), in Sunny's test; its modes are soft along lines
    places, directions = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]], [UP, DOWN, DOWN, UP]
    sites = [Site("f", place, 1.0, way) for place, way in zip(places, directions, strict=True)]
    found = zero_point(neighbours(Lattice(1, 1, 1), sites, np.sqrt(0.5)), {"J": 1.0})
    assert found.energy == pytest.approx(-0.488056, abs=2e-5)


def test_triangular_energy_and_its_rotating_frame():
    # E = -3/2 J S^2 (1 + 0.218412 / S): Phys. Rev. B 79, 144416 (2009)
    found = zero_point(triangular(), {"J": 1.0})
    assert found.energy == pytest.approx(-1.5 * 0.25 * 0.218412 / 0.5, abs=2e-5)
    chemical = SpinModel(
        Lattice(6, 6, 12, gamma=120),
        [Site("t", [0, 0, 0], 0.5, [1, 0, 0])],
        [Bond(0, 0, c, "J") for c in ((1, 0, 0), (0, 1, 0), (1, 1, 0))],
    )
    spiral = zero_point(turning_model(chemical, [1 / 3, 1 / 3, 0], UP), {"J": 1.0})
    assert spiral.classical_energy == pytest.approx(found.classical_energy)
    assert spiral.energy == pytest.approx(found.energy, abs=1e-6)
    assert spiral.reduction == pytest.approx(found.reduction[:1], abs=1e-5)


@pytest.mark.parametrize("spin", [0.5, 1.0, 2.5])
def test_corrections_fall_with_the_spin(spin):
    found = zero_point(square((spin, spin)), {"J": 3.0})
    assert found.reduction == pytest.approx([0.196602] * 2, abs=2e-5)
    assert found.energy == pytest.approx(-2 * 3.0 * spin * 0.157947, rel=1e-4)
    assert oguchi_factors(square((spin, spin)), {"J": 3.0})["J"] == pytest.approx(1 + 0.157947 / (2 * spin), abs=1e-5)


def test_gap_in_closed_form():
    # a pair of spins, J S.S - D' (Sz^2 + Sz^2): w = S sqrt((J + 2 D')^2 - J^2), two modes
    j, d, s = 1.0, 0.3, 1.5
    pair = square((s, s), [Bond(0, 1, (0, 0, 0), "J")], onsite=[OnSite(i, "D", np.diag([0, 0, 1.0])) for i in (0, 1)])
    found = zero_point(pair, {"J": j, "D": -d})
    a, w = s * (j + 2 * d), s * np.sqrt((j + 2 * d) ** 2 - j**2)
    assert found.energy == pytest.approx(0.5 * (w - a), rel=1e-9)
    assert found.reduction == pytest.approx([0.5 * (a / w - 1)] * 2, rel=1e-9)
    # a chain with a gap has no divergence: the integral by the trapezoidal rule
    chain = SpinModel(
        Lattice(6, 8, 8),
        [Site("u", [0, 0, 0], s, UP), Site("d", [0.5, 0, 0], s, DOWN)],
        [Bond(0, 1, (n, 0, 0), "J") for n in (0, -1)],
        [OnSite(i, "D", np.diag([0, 0, 1.0])) for i in (0, 1)],
    )
    a = s * (2 * j + 2 * d)
    w = np.sqrt(a**2 - (2 * j * s * np.cos(np.pi * np.arange(4000) / 4000)) ** 2)
    found = zero_point(chain, {"J": j, "D": -d})
    assert found.reduction == pytest.approx([0.5 * np.mean(a / w - 1)] * 2, abs=1e-6)
    assert found.energy == pytest.approx(0.5 * np.mean(w - a), abs=1e-6)


def test_easy_plane_spin_has_the_energy_of_its_operators():
    # one spin along x with D Sz^2 in a field g muB B = b along x: A = b + D S, |B| = D S
    d, b, s = 0.3, 0.9, 2.0
    alone = SpinModel(
        Lattice(4, 4, 4), [Site("s", [0, 0, 0], s, [1, 0, 0])], (), [OnSite(0, "D", np.diag([0, 0, 1.0]))], [Field("B", [1, 0, 0])]
    )
    found = zero_point(alone, {"D": d, "B": b / (2 * MU_B)})
    # (w - A) / 2 and D S / 2, the value of D Sz^2 in the state along x; for large S it is that of exact diagonalisation
    w = np.sqrt(b * (b + 2 * d * s))
    assert found.energy == pytest.approx(0.5 * (w - b - d * s) + 0.5 * d * s, rel=1e-9)
    large = 40.0
    size = int(2 * large + 1)
    m = large - np.arange(size)
    raising = np.diag(np.sqrt(large * (large + 1) - m[1:] * (m[1:] + 1)), 1)
    exact = np.linalg.eigvalsh(d / large * np.diag(m**2) - b * 0.5 * (raising + raising.T))[0]
    big = SpinModel(
        Lattice(4, 4, 4), [Site("s", [0, 0, 0], large, [1, 0, 0])], (), [OnSite(0, "D", np.diag([0, 0, 1.0]))], [Field("B", [1, 0, 0])]
    )
    theory = zero_point(big, {"D": d / large, "B": b / (2 * MU_B)})
    assert exact - theory.classical_energy == pytest.approx(theory.energy, abs=0.01 * abs(theory.energy))


def test_ferromagnet_has_none():
    ferromagnet = square(directions=(UP, UP))
    found = zero_point(ferromagnet, {"J": -1.0})
    assert found.energy == pytest.approx(0, abs=1e-9) and found.reduction == pytest.approx([0, 0], abs=1e-9)
    assert oguchi_factors(ferromagnet, {"J": -1.0})["J"] == pytest.approx(1, abs=1e-9)


def test_ferrimagnet_loses_as_many_bosons_on_both_sublattices():
    found = zero_point(square((1.0, 0.5)), {"J": 1.0})
    assert np.ptp(found.reduction) < 1e-5 and 0.1 < found.reduction[0] < 0.2
    with pytest.raises(MaterialError, match="its spins are not equally long"):
        oguchi_factors(square((1.0, 0.5)), {"J": 1.0})


def test_factors_of_several_exchanges():
    bonds = [*SQUARE_BONDS, *(Bond(i, i, c, "J2") for i in (0, 1) for c in ((1, 0, 0), (0, 1, 0)))]
    values = {"J": 1.0, "J2": 0.1}
    model = square(bonds=bonds)
    factors = oguchi_factors(model, values)
    # the zero-point energy is linear in all exchanges together
    sums = {"J": -0.25 * 2, "J2": 0.25 * 2}  # classical energy a spin of a unit of each
    energy = sum(2 * (factors[name] - 1) * sums[name] * values[name] for name in values)
    assert energy == pytest.approx(zero_point(model, values).energy, abs=1e-5)
    # and its slopes are differences of it
    step = 1e-3
    by_j2 = (zero_point(model, {"J": 1, "J2": 0.1 + step}).energy - zero_point(model, {"J": 1, "J2": 0.1 - step}).energy) / (2 * step)
    assert 1 + by_j2 / (2 * sums["J2"]) == pytest.approx(factors["J2"], abs=1e-3)
    assert factors["J2"] < 1 < factors["J"]


def test_weakly_coupled_chains_have_the_factor_of_a_chain():
    bonds = [Bond(0, 1, c, name) for c, name in (((0, 0, 0), "x"), ((-1, -1, 0), "x"), ((0, -1, 0), "y"), ((-1, 0, 0), "y"))]
    factors = [oguchi_factors(square(bonds=bonds), {"x": 1.0, "y": y})["x"] for y in (0.1, 0.03)]
    assert factors[0] < factors[1] < 1 + (1 - 2 / np.pi)
    assert factors[1] == pytest.approx(1 + (1 - 2 / np.pi), abs=0.015)


CHAIN = SpinModel(
    Lattice(6, 8, 8),
    [Site("u", [0, 0, 0], 0.5, UP), Site("d", [0.5, 0, 0], 0.5, DOWN)],
    [Bond(0, 1, (n, 0, 0), "J") for n in (0, -1)],
)
Z2 = np.diag([0.0, 0.0, 1.0])
# one spin down at the corner of a square cell, one up in the middle of each edge
LIEB = SpinModel(
    Lattice(4, 4, 10),
    [Site("d", [0, 0, 0], 0.5, DOWN), Site("u", [0.5, 0, 0], 0.5, UP), Site("u", [0, 0.5, 0], 0.5, UP)],
    [Bond(0, i, (-n * (i == 1), -n * (i == 2), 0), "J") for i in (1, 2) for n in (0, 1)],
)


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (CHAIN, {"J": 1.0}, "does not converge.*a chain without a gap"),
        (square(), {"J": -1.0}, "unstable structure"),
        (
            square(bonds=[*SQUARE_BONDS, Bond(0, 0, (1, 0, 0), "J2"), Bond(1, 1, (1, 0, 0), "J2")]),
            {"J": 1.0, "J2": 1.5},
            "unstable structure",
        ),
        (square(directions=(UP, [1, 0, 0])), {"J": 1.0}, "stationary|sideways"),
        (square(bonds=[Bond(0, 1, (0, 0, 0), "J")]), {"J": 1.0}, "a mode costs no energy"),
    ],
    ids=["chain", "sign", "frustrated", "tilted", "flat"],
)
def test_what_has_no_zero_point_motion_is_refused(model, values, message):
    with pytest.raises(InstabilityError, match=message):
        zero_point(model, values)


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (square((2.5, 2.5), onsite=[OnSite(i, "D", Z2) for i in (0, 1)]), {"J": 1.0, "D": -0.1}, "single-ion term"),
        (square(fields=[Field("B", UP)]), {"J": 1.0, "B": 0.0}, "field"),
        (square(bonds=[*SQUARE_BONDS, Bond(0, 1, (0, 0, 0), "K", biquadratic=True)]), {"J": 1.0, "K": -0.1}, "biquadratic"),
        (square(bonds=[Bond(0, 1, b.cell, "J", np.diag([1, 1, 1.1])) for b in SQUARE_BONDS]), {"J": 1.0}, "not isotropic"),
        (triangular(), {"J": 1.0}, "not collinear"),
        (SpinModel(Lattice(4, 4, 4), [Site("s", [0, 0, 0], 1, UP)]), {}, "has no exchange"),
        (LIEB, {"J": 1.0}, "shorter by .* not all alike"),
        (square(bonds=[*SQUARE_BONDS, Bond(0, 1, (0, 0, 0), "J")]), {"J": 1.0}, "bonds of J have no factor in common"),
    ],
    ids=["anisotropy", "field", "biquadratic", "exchange", "angles", "alone", "spins", "bonds"],
)
def test_factors_where_they_do_not_apply_are_refused(model, values, message):
    with pytest.raises(MaterialError, match=message):
        oguchi_factors(model, values)


def test_energy_of_classical_terms_is_not_known():
    model = square((1, 1), bonds=[*SQUARE_BONDS, *(Bond(0, 1, b.cell, "K", biquadratic=True) for b in SQUARE_BONDS)])
    found = zero_point(model, {"J": 1.0, "K": -0.05})
    assert found.energy is None and "biquadratic" in found.reason
    # (S.S)^2 of antiparallel spins acts as an exchange: the reduction is that of the square lattice
    assert found.reduction == pytest.approx([0.196602] * 2, abs=2e-5)
