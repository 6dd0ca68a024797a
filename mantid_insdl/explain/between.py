"""What would change the network's mind? Maps along the straight line in exchange constants from one model to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.explain.simulated import simulated_as
from mantid_insdl.explain.subject import Subject
from mantid_insdl.materials import Material, load_material

STEPS = 21
"""Maps on the line, both ends included."""


@dataclass(frozen=True, eq=False)
class Line:
    """From one model (0) to another (1), all exchange constants in proportion.

    Attributes
    ----------
    first, second
        Names of the models.
    shares : (step,)
        Of the second.
    scores : (step,)
        Of the subject; NaN where the order is unstable.
    turn
        Where the score falls below zero: asked why the first rather than the second (`Subject.against`), where the second becomes the more
        probable; NaN where it does not.
    nearest : (slice, qh, qk, 2) or None
        The map just beyond.
    """

    first: str
    second: str
    shares: np.ndarray
    scores: np.ndarray
    turn: float
    nearest: np.ndarray | None


def both(first: Material, second: Material) -> Material:
    """One magnet with the bonds and anisotropies of two, whose parameters are called ``NAME_1`` and ``NAME_2``.

    Raises
    ------
    MaterialError
        If they have not the same cell and spins.
    """
    same = ("cell", "cif", "space_group", "layers", "sites", "supercell", "order", "spiral", "map")
    differ = [name for name in same if getattr(first, name) != getattr(second, name)]
    if differ:
        raise MaterialError(
            f"there is no straight line from {first.name} to {second.name}",
            f"their {differ[0]} differ, so that no magnet has the exchange constants of both",
            "compare models of the same cell and spins",
        )
    content = first.model_dump(mode="json", exclude_unset=True)
    content |= {"name": "between", "interchangeable": [], "closed_form": None}
    content |= {kind: [] for kind in ("parameters", "bonds", "anisotropy", "fields")}
    for number, material in enumerate((first, second), 1):
        one = material.model_dump(mode="json", exclude_unset=True)
        for parameter in one["parameters"]:
            low, high = sorted((0.0, *(float(parameter[key]) for key in ("low", "high"))))[::2]
            content["parameters"].append({**parameter, "name": f"{parameter['name']}_{number}", "low": low, "high": high})
        for kind in ("bonds", "anisotropy", "fields"):
            content[kind] += [{**term, "parameter": f"{term['parameter']}_{number}"} for term in one.get(kind, [])]
    return Material.model_validate(content)


def line_between(
    subject: Subject, first: tuple[str, Mapping[str, float]], second: tuple[str, Mapping[str, float]], steps: int = STEPS
) -> Line:
    """The score along the line between two models with their constants.

    Raises
    ------
    MaterialError
        See `both`.
    """
    one, other = load_material(first[0]), load_material(second[0])
    merged = both(one, other)
    shares = np.linspace(0, 1, steps)
    parameters = {f"{n}_1": (1 - shares) * v for n, v in first[1].items() if n in one.defaults}
    parameters |= {f"{n}_2": shares * v for n, v in second[1].items() if n in other.defaults}
    shown = simulated_as(subject, merged, parameters)
    stable = np.isfinite(shown).all(axis=(1, 2, 3, 4))
    scores = np.full(steps, np.nan)
    scores[stable] = subject.scores(shown[stable])
    below = np.flatnonzero(scores < 0)
    turn = float(shares[below[0]]) if below.size and scores[0] >= 0 else np.nan
    return Line(first[0], second[0], shares, scores, turn, shown[below[0]] if np.isfinite(turn) else None)
