"""The sign of `dm:`: of D . (S_i x S_j), where i is the first end of the segment."""

import dataclasses

import numpy as np
import pytest

from mantid_insdl.materials import Material
from mantid_insdl.spinwave import spin_waves
from mantid_insdl.spinwave.spiral import relax_spiral

J, D, SPIN = -1.0, 0.4, 1.5


def chain(dm, direction=(0, 0, 1), segment=((0, 0, 0), (1, 0, 0)), **form):
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
                {"parameter": "Dm", "segments": [[list(point) for point in segment]], **({"dm": dm} if dm else form)},
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
        ({"dm": [0, 0, 1], "segment": ((1, 0, 0), (0, 0, 0))}, -1),
        ({"dm": [0, 0, 1], "segment": ((0, 0, 0), (-1, 0, 0))}, -1),
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
