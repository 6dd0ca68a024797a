"""Which slices of a map decided between two magnets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.untrusted.text import literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mantid_insdl.fitting.results import Comparison

DPI = 150
HEIGHT = 3.6  # inches
BAR = 0.32  # inches for each
MARGIN = 1.4
_FOR, _AGAINST = "#2a788e", "#d1603d"


def plot_decision(comparison: Comparison, other: str | None = None, *, title: str = "") -> Figure:
    """A bar for each slice, grouped by incident energy: the log-likelihood of the best material less that of another.

    Parameters
    ----------
    comparison
        From `mantid_insdl.fitting.compare`.
    other
        The other material; by default the one that comes nearest.
    title
        Written above; by default both materials, Vuong's z and the probability.

    Raises
    ------
    MaterialError
        If `other` is not one that the best was compared with.
    """
    from matplotlib.figure import Figure

    names = [one.material for one in comparison.contests]
    if other is not None and other not in names:
        raise MaterialError(
            f"{comparison.best.material} was not compared with {other}", f"there are {', '.join(names)}", "name one of these"
        )
    number = int(np.argmin([one.significance for one in comparison.contests])) if other is None else names.index(other)
    contest, best = comparison.contests[number], comparison.best.material
    parts = sorted(comparison.parts, key=lambda part: (np.nan_to_num(part.ei), part.energy_min))
    ei = np.array([np.nan_to_num(part.ei) for part in parts])
    place = np.arange(len(parts)) + np.concatenate(([0], np.cumsum(np.diff(ei) != 0)))  # a gap between incident energies
    heights = np.array([part.differences[number] for part in parts])
    figure = Figure(figsize=(MARGIN + BAR * (place[-1] + 1), HEIGHT), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.bar(place, heights, color=np.where(heights >= 0, _FOR, _AGAINST), width=0.8)
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set_xticks(place, [f"{part.energy_min:.3g}-{part.energy_max:.3g}" for part in parts], rotation=90, fontsize=7)
    axes.set_xlabel("energy transfer (meV)")
    axes.set_ylabel("difference of log-likelihood")
    axes.margins(x=0.01, y=0.15)
    for one in np.unique(ei[ei > 0]):
        axes.annotate(
            f"Ei {one:g} meV", (place[ei == one].mean(), 0.97), xycoords=("data", "axes fraction"), ha="center", va="top", fontsize=8
        )
    probability = comparison.probabilities[comparison.materials.index(best)]
    sides = f"above 0: for {best}; below: for {contest.material}"
    words = title or f"{sides}\nz = {contest.z:.1f}, probability {probability:.3g}, verdict: {comparison.verdict}"
    axes.set_title(literal(words), fontsize=9)
    return figure
