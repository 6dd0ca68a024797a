"""Does a map ask for more than one magnet of the family can do, and another one can?

Two models of the same spins are special cases of their union (`materials.union`), and a map that lies between them is like both: a
simulation of either explains most of it. So the union is brought to the map as well, from several starts, and the magnet alone from where
that ended. By how much the freedom that it lacks lowers the sum of squares counts in units of what the residual itself makes of it: over
the mean square of the residual it would follow the distribution of chi squared if the residual of every pixel were its own, and it is
divided by how much more the derivatives by that freedom scatter from slice to slice than they then would (Kent's correction of a
likelihood ratio for a model that is wrong in other ways). [J. T. Kent, Biometrika 69, 19 (1982)] It costs some hundred simulations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from mantid_insdl.analysis.evidence import slopes_of
from mantid_insdl.analysis.rival import Fitted, Ranges
from mantid_insdl.fitting.results import fit_bounds
from mantid_insdl.materials import Material, load_material
from mantid_insdl.materials.union import Union, union_of
from mantid_insdl.progress import Progress, ignore_progress, share_of

LIMIT = 60.0
"""Gain from which a map asks for the missing freedom.
What the least squares do not know, as kf/ki or a structured background, is worth some tens of it: of 23 maps of the magnets' own, simulated
for validation, the largest gain was 51. How often a map of a magnet's own has more, `benchmarks/between.py` counts.
"""
SPREADS = (0.1, 0.25)
"""How far the missing freedom is at the starts: of the value of constants that are one in the magnet, of the range of others.
Where two are equal, symmetry may leave no slope by their difference, and where one is zero there may be a barrier: least
squares would not leave that place.
"""
MOST_SIGNS = 4
"""Combinations of signs of the missing freedom."""
SLICES = 20
"""Of the map, in which the union is looked for from all starts."""
KEPT, LAST, STEPS = {0: 6, 1: 3, 3: 1}, 12, 4
"""How many starts are followed after so many more steps; steps of the last in all slices, and of the magnet alone."""
LEAST_GAIN = 4.0
"""In mean squares of the residual: a step that gains less is the last."""
_WORTHLESS = 1e-9  # of a normal matrix, its eigenvalues below this


@dataclass(frozen=True)
class Missing:
    """A constant, or a difference of two, that a magnet has not, with the value and error that a map asks for."""

    name: str
    value: float
    error: float


@dataclass(frozen=True)
class Freed:
    """What a map makes of the freedom that a magnet lacks.

    Parameters
    ----------
    gain
        Of the likelihood, twice its logarithm, in units of the residual's own scatter.
    missing
        What it lacks.
    """

    gain: float
    missing: tuple[Missing, ...]


def objection(first: Fitted, second: Fitted, progress: Progress = ignore_progress) -> str:
    """Why the map cannot be given to the first of two magnets, as a sentence; empty where it can."""
    one, other = (load_material(fitted.comparison.material) for fitted in (first, second))
    union = union_of(one, other)
    found = union and freed(first, second, union, progress)
    if not found or not found.gain > LIMIT:
        return ""
    surest = max(found.missing, key=lambda missing: abs(missing.value) / max(missing.error, 1e-12))
    return (
        f"The map asks for {surest.name} = {surest.value:.3g} +- {surest.error:.2g} meV, which {one.name} has not: "
        f"it shows {other.name} or lies between the two."
    )


def freed(first: Fitted, second: Fitted, union: Union, progress: Progress = ignore_progress) -> Freed:
    """The first of two magnets with what it lacks to be both."""
    names, some, comparison = list(union.parts), first.comparison.of(union.material, SLICES), first.comparison.of(union.material)
    least_gain = LEAST_GAIN / max(int(comparison.known.sum()), 1)
    own = ranges_of(load_material(first.comparison.material))

    def alone_from(values: Mapping[str, float]) -> Fitted:
        return Fitted(first.comparison, _in_order(values, list(own)), own)

    alone = alone_from(_named(first)).descend(_part(progress, 0), STEPS, least_gain)
    places = (_in_order(union.values(which, _named(fitted)), names) for which, fitted in enumerate((alone, second)))
    found = [Fitted(some, start, ranges_of(union.material)) for start in _starts(*places, union)]
    for number, (steps, kept) in enumerate(KEPT.items(), 1):
        parts = [_part(progress, number, place, len(found)) for place in range(len(found))]
        found = sorted((one.descend(part, steps, least_gain) for one, part in zip(found, parts, strict=True)), key=_misfit)[:kept]
    whole = Fitted(comparison, found[0].values, found[0].ranges).descend(_part(progress, len(KEPT) + 1), LAST, least_gain)
    again = alone_from(union.nearest(0, _named(whole)))
    if again.misfit < alone.misfit:
        alone = again.descend(_part(progress, len(KEPT) + 2), STEPS, least_gain)
    contrasts = _contrasts(union)
    rows = np.array([[one.get(name, 0.0) for name in names] for one in contrasts.values()])
    naive, robust = (rows @ covariance @ rows.T for covariance in _covariances(whole, names))
    wrong = max(1.0, float(np.trace(np.linalg.pinv(naive, hermitian=True) @ robust)) / len(rows))
    gain = (alone.misfit / whole.misfit - 1) * comparison.known.sum() / wrong
    errors = np.sqrt(np.diag(robust))
    return Freed(float(gain), tuple(map(Missing, contrasts, (rows @ whole.values).tolist(), errors.tolist())))


def ranges_of(material: Material) -> Ranges:
    """Of the constants of a magnet, as fits have them."""
    return {p.name: fit_bounds(p) for p in material.parameters}


def _starts(one: np.ndarray, other: np.ndarray, union: Union) -> np.ndarray:
    """Values of the union, (start, n).

    Between both magnets, each with what it lacks as the other has it, and the first with all signs of what it lacks.
    """
    names, size = list(union.parts), np.array([p.high - p.low for p in union.material.parameters])
    mixed, ways = [one.copy(), other.copy()], []
    for which, theirs in enumerate((other, one)):
        for missing in union.missing(which):
            places = [names.index(name) for name in missing]
            mixed[which][places] += theirs[places] - (theirs[places].mean() if len(places) > 1 else 0.0)
            if which == 0:
                way = np.zeros(len(names))
                way[places] = np.linspace(1, -1, len(places)) * np.abs(one[places]) if len(places) > 1 else size[places]
                ways.append(way)
    signs = np.array(list(product((1, -1), repeat=len(ways))))
    if len(signs) > MOST_SIGNS:
        signs = np.random.default_rng(0).choice(signs, MOST_SIGNS, replace=False)
    spread = [one + far * signs @ np.array(ways) for far in SPREADS]
    return np.concatenate([[(one + other) / 2], mixed, *spread])


def _contrasts(union: Union) -> dict[str, dict[str, float]]:
    """What the first magnet lacks, by name: constants of the union with their factors."""
    found: dict[str, dict[str, float]] = {}
    for missing in union.missing(0):
        if len(missing) == 1:
            found[missing[0]] = {missing[0]: 1.0}
        for one, other in pairwise(missing):
            found[f"{one} - {other}"] = {one: 1.0, other: -1.0}
    return found


def _covariances(whole: Fitted, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Of the constants (n, n), if the residual of every pixel were its own, and by the scatter of slices."""
    comparison, (low, high) = whole.comparison, np.array(list(whole.ranges.values())).T
    slopes = slopes_of(comparison, names, whole.values, whole.structure, low, high)
    residual = comparison.structure - whole.scaled
    scores = np.einsum("nsij,sij->sn", slopes, residual)[comparison.known.any(axis=(1, 2))]
    scores = scores - scores.mean(axis=0)
    normal = np.einsum("nsij,msij->nm", slopes, slopes)
    size = np.sqrt(np.diag(normal))
    size[size == 0] = 1.0  # a constant without any slope: nothing is known of it
    inverse = np.linalg.pinv(normal / np.outer(size, size), rcond=_WORTHLESS, hermitian=True) / np.outer(size, size)
    scatter = scores.T @ scores * len(scores) / max(len(scores) - 1, 1)
    return inverse * np.sum(residual**2) / max(comparison.known.sum(), 1), inverse @ scatter @ inverse


def _misfit(fitted: Fitted) -> float:
    return fitted.misfit


def _named(fitted: Fitted) -> dict[str, float]:
    return dict(zip(fitted.ranges, fitted.values.tolist(), strict=True))


def _in_order(values: Mapping[str, float], names: list[str]) -> np.ndarray:
    return np.array([values[name] for name in names])


def _part(progress: Progress, number: int, place: int = 0, of: int = 1) -> Progress:
    """Of a stage, or of one piece of several of it."""
    start, stages = number + place / of, len(KEPT) + 3
    return share_of(progress, start / stages, (start + 1 / of) / stages)
