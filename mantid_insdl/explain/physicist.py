"""Does the network look where a physicist would? The pixels that tell two models apart by their likelihoods, against an explanation.

The physicist who misses nothing is the expected difference of the log-likelihoods of the best model and its rival, pixel by pixel, all of
the rival's constants, scales and backgrounds refitted (`mantid_insdl.fitting.information.separation_of`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.explain.faithfulness import rank_correlation
from mantid_insdl.fitting.calculation import calculation_for
from mantid_insdl.fitting.compare import compare
from mantid_insdl.fitting.information import at_fit, separation_of
from mantid_insdl.fitting.results import Comparison
from mantid_insdl.maps import Map
from mantid_insdl.progress import Progress, ignore_progress, share_of

ENOUGH = 3.0
"""Expected difference of the log-likelihoods, odds of 20 to 1, from which a map tells two models apart: below it no pixel is of any use."""
TOP = 0.1
"""Share of the pixels that are held against one another; by chance so much of them are the same."""


@dataclass(frozen=True, eq=False)
class Difference:
    """Where two models differ in what a map can show.

    Attributes
    ----------
    best, rival
        The models, as they fit the map.
    where
        Expected difference of their log-likelihoods, each pixel of the map.
    comparison
        The fits, and what they say of the models.
    """

    best: str
    rival: str
    where: Map
    comparison: Comparison

    @property
    def total(self) -> float:
        """Expected difference of the log-likelihoods of the whole map."""
        return float(self.where.intensity[~self.where.mask].sum())

    def seen_from(self, target: str) -> tuple[str, str]:
        """Both models, first the one that an explanation is about."""
        return (self.rival, self.best) if target == self.rival else (self.best, self.rival)


@dataclass(frozen=True, eq=False)
class SliceShare:
    """Shares of one slice, 0 to 1: of the importance, and of the information on the difference of the models."""

    incident_energy: float
    energy_min: float
    energy_max: float
    importance: float
    information: float


@dataclass(frozen=True, eq=False)
class Agreement:
    """An explanation against the information.

    Attributes
    ----------
    rank
        Spearman's correlation over the known pixels.
    overlap
        Share of the most important `TOP` of the pixels that are among the most informative; `TOP` by chance.
    slice_rank
        Spearman's correlation of the shares of the slices.
    slices
        All of them, in the order of the map.
    """

    rank: float
    overlap: float
    slice_rank: float
    slices: tuple[SliceShare, ...]


def where_models_differ(
    m: Map,
    materials: Sequence[str],
    starts: Mapping[str, Sequence[Mapping[str, float]]] | None = None,
    progress: Progress = ignore_progress,
) -> Difference:
    """Fit the materials to a map, and find the pixels that tell the best from the next best.

    Parameters
    ----------
    materials
        Those first that the map is likely to show: where two fit far better, the fits of later ones are given up.
    starts
        Of each material, where its fit may begin; by default drawn from its ranges.

    Raises
    ------
    MaterialError
        If fewer than two materials are given.
    """
    if len(materials) < 2:
        raise MaterialError("there is no difference to look for", f"only {', '.join(materials) or 'no material'} can be fitted", "name two")
    comparison = compare(m, materials, start=starts, followed=2, progress=share_of(progress, 0.0, 0.9))
    order = np.argsort([-one.log_likelihood for one in comparison.fits])
    best, rival = (comparison.fits[i] for i in order[:2])
    progress(0.9, "looking for the pixels that tell the models apart")
    other, point = at_fit(rival, calculation_for(m, rival.material))
    known = other.calculation.known
    where = separation_of(best.model.intensity[known], other, point).where()
    return Difference(best.material, rival.material, where, comparison)


def agreement(importance: Map, information: Map) -> Agreement:
    """How far an explanation points at what tells the models apart, on the pixels that both know."""
    known = ~(importance.mask | information.mask)
    one, other = importance.intensity[known], information.intensity[known]
    count = max(1, round(TOP * one.size))
    # of equal importance (zero as a rule) in random order, not in the map's
    order = np.random.default_rng(0).permutation(one.size)
    first, second = (set(order[np.argsort(-values[order], kind="stable")[:count]].tolist()) for values in (one, other))
    totals = [np.where(known, values.intensity, 0).sum(axis=(1, 2)) for values in (importance, information)]
    shares = [total / total.sum() if total.sum() > 0 else total for total in totals]
    slices = importance.slices
    rows = tuple(
        SliceShare(float(slices.ei[i]), float(slices.energy_min[i]), float(slices.energy_max[i]), float(shares[0][i]), float(shares[1][i]))
        for i in range(slices.size)
    )
    return Agreement(rank_correlation(one, other), len(first & second) / count, rank_correlation(*shares), rows)
