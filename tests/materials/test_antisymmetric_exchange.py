"""The sign of `dm:`: of D . (S_i x S_j), where i is the first end of the segment."""

import dataclasses

import numpy as np
import pytest
from pydantic import ValidationError

from mantid_insdl.materials import Material
from mantid_insdl.spinwave import spin_waves
from mantid_insdl.spinwave.model import MU_B
from mantid_insdl.spinwave.relaxation import relax_spiral

J, D, SPIN = -1.0, 0.4, 1.5


def chain(dm, direction=(0, 0, 1), segments=(((0, 0, 0), (1, 0, 0)),), **form):
    """A ferromagnetic chain along a."""
    numbers = {"J": J, "Dm": D, "Easy": -0.5}
    return Material.model_validate(
        {
            "name": "chain",
            "title": "Ferromagnetic chain",
            "family": "chain",
            "sources": ["none"],
            "parameters": [{"name": n, "value": v, "low": -2.0, "high": 2.0, "description": n} for n, v in numbers.items()],
            "cell": {"a": 3.0, "b": 8.0, "c": 8.0},
            "sites": [{"label": "a", "positions": [[0, 0, 0]], "spin": SPIN, "direction": list(direction)}],
            "bonds": [
                {"parameter": "J", "distance": 3.0},
                {
                    "parameter": "Dm",
                    "segments": [[list(point) for point in segment] for segment in segments],
                    **({"dm": dm} if dm else form),
                },
            ],
            "anisotropy": [{"parameter": "Easy", "axis": list(direction)}],
            "map": {"cell": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "frame": "the chain's cell"},
        }
    )


@pytest.mark.parametrize(
    ("changes", "sign"),
    [
        ({"dm": [0, 0, 1]}, 1),
        ({"dm": [0, 0, -1]}, -1),
        ({"dm": [0, 0, 1], "direction": [0, 0, -1]}, -1),
        ({"dm": [0, 0, 1], "segments": [((1, 0, 0), (0, 0, 0))]}, -1),
        ({"dm": [0, 0, 1], "segments": [((0, 0, 0), (-1, 0, 0))]}, -1),
        ({"dm": None, "matrix": [[0, 1, 0], [-1, 0, 0], [0, 0, 0]]}, 1),
        ({"dm": [1, 0, 0], "direction": [1, 0, 0]}, 1),
        ({"dm": [0, 1, 0], "direction": [0, 1, 0]}, 1),
    ],
)
def test_a_ferromagnet_along_d_has_its_lower_branch_on_the_side_of_minus_q(changes, sign):
    # S_x S'_y - S_y S'_x = Im(S^- S'^+) = 2 S Im(a^+ a') / N: w(q) = 2 S (|J| (1 - cos 2 pi h) + D sin 2 pi h) - 2 S' of the easy axis
    h = np.array([0.25, -0.25, 0.1, 0.4])
    modes = spin_waves(chain(**changes).model, np.column_stack((h, 0 * h, 0 * h)), {"J": J, "Dm": D, "Easy": -0.5})
    exchange = 2 * SPIN * (abs(J) * (1 - np.cos(2 * np.pi * h)) + sign * D * np.sin(2 * np.pi * h))
    assert modes.energies[0, :, 0] == pytest.approx(exchange + 2 * SPIN * 0.5)


def test_spins_turn_against_a_positive_d():
    # J cos + D sin is least at the angle atan2(D, J) - pi = -atan(D / |J|) from one spin to the next, about +z
    model = dataclasses.replace(chain([0, 0, 1], direction=(1, 0.1, 0)).model, onsite=())
    _, k, energy = relax_spiral(model, {"J": J, "Dm": D}, [0, 0, 1], starts=4)
    assert k[0] == pytest.approx(-np.arctan(0.4) / (2 * np.pi), abs=1e-6)
    assert energy == pytest.approx(-(SPIN**2) * np.hypot(J, D))


@pytest.mark.parametrize(("direction", "along_a", "along_b"), [([0, 1, 0], 1, 0), ([1, 0, 0], 0, -1), ([0, 0, 1], 0, 0)])
def test_symmetry_turns_the_vector_of_an_equivalent_bond(direction, along_a, along_b):
    """In P 4 the fourfold axis takes the bond along a, with D along b, to the bond along b, with D along -a."""
    names = {"J": J, "Dm": 0.2}
    square = Material.model_validate(
        {
            "name": "square",
            "title": "Ferromagnetic square lattice",
            "family": "square",
            "sources": ["none"],
            "parameters": [{"name": n, "value": v, "low": -2.0, "high": 2.0, "description": n} for n, v in names.items()]
            + [{"name": "B", "value": 5.0, "low": 0.0, "high": 9.0, "unit": "T", "description": "field"}],
            "cell": {"a": 4.0, "b": 4.0, "c": 9.0},
            "space_group": "P 4",
            "sites": [{"label": "a", "positions": [[0, 0, 0]], "spin": SPIN, "direction": direction}],
            "bonds": [
                {"parameter": "J", "distance": 4.0},
                {"parameter": "Dm", "segment": [[0, 0, 0], [1, 0, 0]], "symmetric": True, "dm": [0, 1, 0]},
            ],
            "fields": [{"parameter": "B", "direction": direction}],
            "map": {"cell": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "frame": "the cell"},
        }
    )
    h, k = np.array([[0.25, -0.25, 0.1, 0.3, -0.2], [0.0, 0.1, -0.2, 0.25, -0.25]])
    modes = spin_waves(square.model, np.column_stack((h, k, 0 * h)), names | {"B": 5.0})
    exchange = abs(J) * (2 - np.cos(2 * np.pi * h) - np.cos(2 * np.pi * k))
    turning = 0.2 * (along_a * np.sin(2 * np.pi * h) + along_b * np.sin(2 * np.pi * k))
    assert modes.energies[0, :, 0] == pytest.approx(2 * SPIN * (exchange + turning) + 2 * MU_B * 5.0)


def test_a_bond_may_not_be_given_again_from_its_other_end():
    with pytest.raises(ValidationError, match="given twice"):
        chain([0, 0, 1], segments=[[[0, 0, 0], [1, 0, 0]], [[1, 0, 0], [0, 0, 0]]])
