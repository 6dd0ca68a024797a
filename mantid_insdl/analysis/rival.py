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
from mantid_insdl.progress import Progress, ignore_progress

STEPS = 5
LEAST_GAIN = 0.005  # of the sum of squares; a step that gains less is the last
SHORTER = 0.1  # where a step gains nothing: how far the next one may lead, of what it might

Ranges = Mapping[str, tuple[float, float]]


class Fitted:
    """One magnet beside a map, from given values on.

    Attributes
    ----------
    comparison
        With the map.
    ranges
        Of its constants, by name.
    values : (n,)
        In the order of the ranges, within them.
    structure : (slice, qh, qk)
        Of the simulation, not scaled; NaN where unstable.
    """

    def __init__(self, comparison: Comparison, values: np.ndarray, ranges: Ranges):
        self.comparison, self.ranges = comparison, ranges
        self._low, self._high = np.array(list(ranges.values())).T
        self.values = np.clip(values, self._low, self._high)
        (self.structure,) = comparison.simulated(named(list(ranges), self.values[None]))

    def descend(self, progress: Progress = ignore_progress, steps: int = STEPS, least_gain: float = LEAST_GAIN) -> Fitted:
        """Brought to the map by least squares, within its ranges."""
        reach = self._high - self._low
        for number in range(steps if np.isfinite(self.structure).all() else 0):
            progress(number / steps, f"least squares of {self.comparison.material}")
            before = self.misfit
            place = list(self.ranges), self.values, self.structure
            self.values, self.structure = step(self.comparison, *place, reach, self._low, self._high)
            if self.misfit == before and number < steps - 1:
                reach = SHORTER * reach
            elif self.misfit > (1 - least_gain) * before:
                break
        return self

    @property
    def misfit(self) -> float:
        """Sum of squared residuals; infinite where unstable."""
        return self.comparison.misfit(self.structure)

    @property
    def scaled(self) -> np.ndarray:
        """The structure scaled to the map, (slice, qh, qk)."""
        return self.comparison.scaled(np.nan_to_num(self.structure))


def share_of_second(first: Fitted, second: Fitted) -> Share:
    """Share of the second magnet in the map."""
    comparison = first.comparison
    known = comparison.known & second.comparison.known
    which = np.nonzero(known)[0]
    groups = [found for group in comparison.groups if (found := np.flatnonzero(np.isin(which, group))).size]
    images = (one[known] for one in (comparison.structure, first.scaled, second.scaled))
    return share_of(*images, np.ones(which.size), np.unique(which, return_inverse=True)[1], groups, np.empty((which.size, 0)))


def objection(first: Fitted, second: Fitted) -> str:
    """Why the map cannot be given to the first magnet alone, as a sentence; empty where it can."""
    share = share_of_second(first, second)
    if not share.mixed:
        return ""
    one, other = first.comparison.material, second.comparison.material
    return f"The map looks like a mixture: {share.value:.0%} +- {share.error:.0%} of its structure is that of {other}, not of {one}."
