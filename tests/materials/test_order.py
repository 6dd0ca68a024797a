"""The order of a large magnetic cell from the moments of its first: each spin worked out by hand, and spin waves in closed form."""

import numpy as np
import pytest
from test_crystals import load, material, parameter  # noqa: F401 (a fixture)

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials.summary import summarise
from mantid_insdl.spinwave import spin_waves, spiral_waves

HEIGHTS = (0.0, 1 / 3, 2 / 3)
UNLIKE = ([1, 0, 0], [0, 3, 4], [0, 0, 1])


def column(directions=UNLIKE, cells=None, **parts):
    """Three sites along c, made by a space group without a common direction: each has its own."""
    cells = cells or ([0, 0, 0],) * 3
    moments = [
        {"position": [cell[0], cell[1], height + cell[2]], "direction": list(one)}
        for height, one, cell in zip(HEIGHTS, directions, cells, strict=True)
    ]
    site = {"label": "s", "positions": [[0, 0, height] for height in HEIGHTS], "spin": 1.0, "moments": moments}
    return material(**{"cell": {"a": 8.0, "b": 8.0, "c": 9.0}, "sites": [site], "bonds": [{"parameter": "J", "shell": 1}], **parts})


def by_place(model, cells):
    """Directions by number of cell and of sublattice."""
    return {(int(z // 1), round(3 * (z % 1))): s.direction for s in model.sites for z in [cells * s.position[2] + 1e-9]}


def turned(vector, angle):
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([cosine * vector[0] - sine * vector[1], sine * vector[0] + cosine * vector[1], vector[2]]) / np.linalg.norm(vector)


@pytest.mark.parametrize("cells", [None, ([0, 0, 0], [2, -1, 0], [0, 5, 7])])
def test_three_moments_make_the_twenty_one_of_seven_cells(cells):
    # a position is known modulo cells in which the order is the same
    found = by_place(column(supercell=[1, 1, 7], order={"k": [0, 0, "2/7"], "axis": [0, 0, 2]}, cells=cells).model, 7)
    assert len(found) == 21
    for (cell, sublattice), direction in found.items():
        assert direction == pytest.approx(turned(UNLIKE[sublattice], 2 * np.pi * 2 / 7 * cell), abs=1e-9)


def test_moment_of_another_cell_is_turned_back():
    there = [turned(one, 2 * np.pi * 2 / 7 * cell) for one, cell in zip(UNLIKE, (3, -1, 1), strict=True)]
    parts = {"supercell": [1, 1, 7], "order": {"k": [0, 0, "2/7"], "axis": [0, 0, 1]}}
    found = column([one.tolist() for one in there], ([0, 0, 3], [0, 0, -1], [0, 0, 1]), **parts).model
    for one, other in zip(found.sites, column(**parts).model.sites, strict=True):
        assert one.direction == pytest.approx(other.direction, abs=1e-9)


def test_half_a_wave_vector_without_axis_reverses_all_components():
    # no rotation reverses three spins that lie in no plane
    magnet = column(supercell=[2, 1, 2], order={"k": ["1/2", 0, "1/2"]})
    for site in magnet.model.sites:
        x, z = 2 * site.position[0] + 1e-9, 2 * site.position[2] + 1e-9
        expected = np.array(UNLIKE[round(3 * (z % 1))], float) * (-1) ** (int(x) + int(z))
        assert site.direction == pytest.approx(expected / np.linalg.norm(expected), abs=1e-12)
    assert "Order: k = (0.5, 0, 0.5) r.l.u. of the file's cell, spins reversed" in summarise(magnet, grid=1)


def test_helix_of_a_tripled_cell_has_its_closed_form():
    """J1-J2 chain with cos(2 pi k) = -J1 / 4 J2: w(q) = 2 S sqrt((J(q) - J(k)) ((J(q + k) + J(q - k)) / 2 - J(k))), J(q) = sum of J cos."""
    k, second = 2 / 21, 1.0  # turns per site, 6/7 of a turn per cell of three
    first = -4 * second * np.cos(2 * np.pi * k)
    ways = [turned([1, 0, 0], 2 * np.pi * k * n) for n in range(3)]
    parts = {
        "directions": ways,
        "parameters": [parameter("J", first), parameter("K", second)],
        "bonds": [{"parameter": "J", "distance": 3.0}, {"parameter": "K", "distance": 6.0}],
    }
    turn = {"k": [0, 0, "2/7"], "axis": [0, 0, 1]}
    ordered, spiral = column(supercell=[1, 1, 7], order=turn, **parts), column(spiral=turn, **parts)
    assert len(ordered.model.sites) == 21 and len(spiral.model.sites) == 3

    def exchange(q):
        return first * np.cos(2 * np.pi * q) + second * np.cos(4 * np.pi * q)

    q = np.array([0.03, 0.11, 0.4])  # per site
    expected = 2 * np.sqrt((exchange(q) - exchange(k)) * ((exchange(q + k) + exchange(q - k)) / 2 - exchange(k)))
    hkl = np.column_stack((0 * q, 0 * q, 3 * q))
    for energies in (
        spin_waves(ordered.model, hkl @ np.array(ordered.map.cell).T, ordered.defaults).energies[0],
        spiral_waves(spiral.model, spiral.spiral.k, spiral.spiral.axis, hkl, spiral.defaults).energies[0],
    ):
        for one, all_of_them in zip(expected, energies, strict=True):
            assert np.abs(all_of_them - one).min() < 1e-6


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"spiral": {"k": [0.5, 0, 0.3]}}, r"'spiral' \(line \d+\).*k = \[0.5, 0.0, 0.3\], but about no axis.*give the axis"),
        ({"spiral": {"k": [0, 0, 0]}}, r"'spiral' \(line \d+\).*the spiral has no axis"),
        (
            {
                "supercell": [2, 1, 1],
                "order": {"k": [0.5, 0, 0]},
                "sites": [
                    {
                        "label": "s",
                        "positions": [[0, 0, 0]],
                        "spin": 1.0,
                        "moments": [{"position": [n, 0, 0], "direction": [0, 0, 1]} for n in (0, 1)],
                    }
                ],
            },
            r"'sites.0.moments.1' \(line \d+\).*at \[1.0, 0.0, 0.0\] has another direction by the moments before; leave out one",
        ),
    ],
)
def test_order_that_contradicts_itself_is_refused(load, parts, message):  # noqa: F811
    with pytest.raises(MaterialError, match=message):
        load(**parts)


def test_moments_that_agree_with_the_order_may_be_given_twice(load):  # noqa: F811
    moments = [{"position": [n, 0, 0], "direction": [0, 0, 1 - 2 * n]} for n in (0, 1)]
    site = {"label": "s", "positions": [[0, 0, 0]], "spin": 1.0, "moments": moments}
    assert [s.direction[2] for s in load(supercell=[2, 1, 1], order={"k": [0.5, 0, 0]}, sites=[site]).model.sites] == [1, -1]
