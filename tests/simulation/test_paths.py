"""Paths in momentum."""

import itertools

import numpy as np
import pytest

from mantid_insdl.errors import MapError
from mantid_insdl.maps import Axis, Map
from mantid_insdl.simulation.paths import path_through

CORNERS = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("points", [4, 5, 17, 101, 400])
def test_corners_are_points_and_steps_are_even(points):
    path = path_through(CORNERS, points, "rb2mnf4", ["G", "M", "X", "G"])
    assert path.hkl.shape == (points, 3) and path.axis.size == points
    assert [label for _, label in path.corners] == ["G", "M", "X", "G"]
    places = [index for index, _ in path.corners]
    assert np.array_equal(path.hkl[places], CORNERS)
    unit = 2 * np.pi / 4.21
    lengths = unit * np.array([np.sqrt(0.5), 0.5, 0.5])
    assert path.axis.values[places] == pytest.approx(np.concatenate(([0], np.cumsum(lengths))), rel=1e-4)
    # each segment is even, and has the number of steps that its length asks for to within one
    for start, end in itertools.pairwise(places):
        assert np.ptp(np.diff(path.axis.values[start : end + 1])) < 1e-9
    assert np.all(np.abs(np.diff(places) - (points - 1) * lengths / lengths.sum()) <= 1)


def test_distance_is_that_of_the_momenta_in_an_oblique_cell():
    path = path_through([[0, 0, 0], [1 / 3, 1 / 3, 0], [0.5, 0, 0]], 40, "example-kagome")
    # |K| = 4 pi / 3 a and |M| = 2 pi / sqrt(3) a of a hexagonal cell
    corner = path.axis.values[path.corners[1][0]]
    assert corner == pytest.approx(4 * np.pi / (3 * 6.0), rel=1e-9)
    assert path.axis.values[-1] - corner == pytest.approx(2 * np.pi / (3 * 6.0), rel=1e-9)


def test_a_short_segment_keeps_its_corner():
    path = path_through([[0, 0, 0], [0.001, 0, 0], [1, 0, 0]], 10, "rb2mnf4")
    assert [index for index, _ in path.corners] == [0, 1, 9]
    assert [label for _, label in path.corners] == ["", "", ""]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0, 0, 0]], 10), "two corners"),
        (([[0, 0], [1, 0]], 10), "two corners"),
        (([[0, 0, 0], [np.nan, 0, 0]], 10), "two corners"),
        ((CORNERS, 3), "cannot have 3 points"),
        ((CORNERS, 10**7), "up to"),
        (([[0, 0, 0], [0, 0, 0], [1, 0, 0]], 10), "equal"),
    ],
)
def test_bad_paths(arguments, message):
    with pytest.raises(MapError, match=message):
        path_through(*arguments, "rb2mnf4")


def test_corners_of_a_map_are_points_of_its_cut():
    path = path_through(CORNERS, 5, "rb2mnf4", ["G", "M", "X", "G"])
    energy = Axis("energy", "meV", [1.0, 2.0])
    cut = Map(np.ones((5, 2)), (path.axis, energy), path=path.hkl, corners=path.corners)
    assert cut.scaled(2).corners == cut.corners == ((0, "G"), (2, "M"), (3, "X"), (4, "G"))
    for wrong in (((5, "G"),), ((2, "G"), (1, "M")), ((1, "G"), (1, "M")), ((-1, "G"),)):
        with pytest.raises(MapError, match="rising indices"):
            cut.replace(corners=wrong)
    with pytest.raises(MapError, match="rising indices"):
        Map(np.ones((2, 2)), (Axis("q", "1/angstrom", [1.0, 2.0]), energy), corners=((0, "G"),))
