"""Has another magnet of the family a share in a map?

A network that knows two magnets calls a mixture of them by the name of one, and is sure. Both are therefore brought to the map by least
squares, as the gate does it (`analysis.evidence`), and where both have a substantial share in it there is no verdict. It costs some eighty
simulations, a few seconds, and is done for a map that would get a verdict. Which of the two is nearer to the map is not asked here: these
least squares know neither backgrounds nor widths nor kf/ki, and `mantid_insdl.fitting.compare` does, in ten times the time.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mantid_insdl.analysis.evidence import Comparison, named, step
from mantid_insdl.fitting.mixture import Share, share_of
from mantid_insdl.networks.preparation import Prepared
from mantid_insdl.progress import Progress, ignore_progress

STEPS = 5
LEAST_GAIN = 0.005  # of the sum of squares; a step that gains less is the last

Ranges = Mapping[str, tuple[float, float]]


class Fitted:
    """One magnet brought to a map from given values, within its ranges.

    Attributes
    ----------
    comparison
        With the map.
    structure : (slice, qh, qk)
        Of the simulation, scaled to the map.
    """

    def __init__(self, prepared: Prepared, material: str, values: np.ndarray, ranges: Ranges, progress: Progress = ignore_progress):
        self.comparison = comparison = Comparison(prepared, material)
        names, (low, high) = list(ranges), np.array(list(ranges.values())).T
        here = np.clip(values, low, high)
        (structure,) = comparison.simulated(named(names, here[None]))
        for number in range(STEPS if np.isfinite(structure).all() else 0):
            progress(number / STEPS, f"least squares of {material}")
            before = comparison.misfit(structure)
            here, structure = step(comparison, names, here, structure, high - low, low, high)
            if comparison.misfit(structure) > (1 - LEAST_GAIN) * before:
                break
        self.structure = comparison.scaled(np.nan_to_num(structure))


def share_of_second(first: Fitted, second: Fitted) -> Share:
    """Share of the second magnet in the map."""
    comparison = first.comparison
    known = comparison.known & second.comparison.known
    which = np.nonzero(known)[0]
    groups = [found for group in comparison.groups if (found := np.flatnonzero(np.isin(which, group))).size]
    images = (one[known] for one in (comparison.structure, first.structure, second.structure))
    return share_of(*images, np.ones(which.size), np.unique(which, return_inverse=True)[1], groups, np.empty((which.size, 0)))


def objection(first: Fitted, second: Fitted) -> str:
    """Why the map cannot be given to the first magnet alone, as a sentence; empty where it can."""
    share = share_of_second(first, second)
    if not share.mixed:
        return ""
    one, other = first.comparison.material, second.comparison.material
    return f"The map looks like a mixture: {share.value:.0%} +- {share.error:.0%} of its structure is that of {other}, not of {one}."
