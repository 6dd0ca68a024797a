"""Directions and tensors in the magnetic cell, worked out by hand."""

import numpy as np
import pytest

from mantid_insdl.materials import Material


def magnet(**changes):
    return Material.model_validate(
        {
            "name": "square",
            "title": "Square lattice",
            "family": "square",
            "sources": ["none"],
            "parameters": [{"name": "J", "value": 1.0, "low": 0.0, "high": 2.0, "description": "nearest neighbours"}],
            "cell": {"a": 4.0, "b": 4.0, "c": 9.0},
            "sites": [{"label": "a", "positions": [[0, 0, 0]], "spin": 1.0, "direction": [1, 0, 0]}],
            "bonds": [{"parameter": "J", "distance": 4.0}],
            "map": {"cell": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "frame": "the cell"},
        }
        | changes
    )


@pytest.mark.parametrize(("axis", "sense"), [([0, 0, 1], 1), ([0, 0, -2], -1)])
def test_order_turns_by_the_right_hand_about_its_axis(axis, sense):
    model = magnet(supercell=[4, 1, 1], order={"k": [0.25, 0, 0], "axis": axis}).model
    directions = {round(4 * site.position[0]): site.direction for site in model.sites}
    expected = [[1, 0, 0], [0, sense, 0], [-1, 0, 0], [0, -sense, 0]]
    for cell, direction in enumerate(expected):
        assert directions[cell] == pytest.approx(direction, abs=1e-12)


def test_tensors_and_directions_lie_in_the_frame_of_the_magnetic_cell():
    """The supercell a + b, b - a: its x is along a + b of the crystal."""
    site = {"label": "a", "positions": [[0, 0, 0]], "spin": 1.0, "direction": [1, 0, 0], "g": np.diag([2.0, 2.2, 2.4]).tolist()}
    model = magnet(supercell=[[1, 1, 0], [-1, 1, 0], [0, 0, 1]], sites=[site]).model
    assert len(model.sites) == 2
    for one in model.sites:
        assert one.direction == pytest.approx([np.sqrt(0.5), -np.sqrt(0.5), 0])
        np.testing.assert_allclose(one.g, [[2.1, 0.1, 0], [0.1, 2.1, 0], [0, 0, 2.4]], atol=1e-12)
