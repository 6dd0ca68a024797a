"""Picture of a plan: what each candidate is expected to add, against its incident energy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.untrusted.text import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mantid_insdl.fitting.plan import Plan, Ranked

DPI = 150
_SIZE = (7.0, 6.0)
_COLOURS = ("#1b6ca8", "#d1495b", "#2e8b57", "#8a4fbe", "#c77f00", "#4a4a4a", "#008b8b", "#a0522d")
_MARKERS = "osD^vP*X"


def plot_plan(plan: Plan, *, title: str = "") -> Figure:
    """Worth of each candidate per unit of time, above; below what it consists of, for each pair of models or each constant.

    Parameters
    ----------
    plan
        From `mantid_insdl.plan`. The first one is ringed, dotted lines are the incident energies that have been measured.
    title
        Written above; the goal by default.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=DPI, layout="constrained")
    worth, parts = figure.subplots(2, sharex=True, height_ratios=(3, 2))
    separate = plan.goal == "separate"
    unit = {"hours": "hour", "map times": "time of one Ei of the map"}[plan.time_unit]
    settings = list(dict.fromkeys(_instrument(one) for one in plan.ranked))
    for number, setting in enumerate(settings):
        mine = _rising(one for one in plan.ranked if _instrument(one) == setting)
        _draw(worth, mine, [one.worth for one in mine], _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)], setting)
    worth.plot(plan.best.candidate.ei, plan.best.worth, "o", markersize=15, markerfacecolor="none", markeredgecolor="black")
    worth.annotate(
        f"{plan.best.candidate.ei:g} meV", (plan.best.candidate.ei, plan.best.worth), (12, 0), textcoords="offset points", va="center"
    )
    what = "least gain of log-likelihood" if separate else "mean log of shrinkage of error bars"
    worth.set_ylabel(f"{what}\nper {unit}", fontsize=9)
    worth.legend(fontsize=8, frameon=False)

    for number, name in enumerate(plan.best.gains if separate else plan.constants):
        for shape, setting in enumerate(settings):
            mine = _rising(one for one in plan.ranked if _instrument(one) == setting)
            values = [one.gains[name].deviations if separate else next(iter(one.gains.values())).factors[name] for one in mine]
            label = (f"if {name}" if separate else name) if shape == 0 else ""
            _draw(parts, mine, values, _COLOURS[number % len(_COLOURS)], _MARKERS[shape % len(_MARKERS)], label)
    parts.set_ylabel("expected difference\n(standard errors)" if separate else "error bar afterwards\nover error bar now", fontsize=9)
    parts.legend(fontsize=8, frameon=False, ncols=1 if separate else 2)
    parts.set_xlabel("incident energy (meV)")
    for axes in (worth, parts):
        for ei in plan.measured_ei:
            axes.axvline(ei, color="0.6", linestyle=":", linewidth=1)
        axes.set_ylim(0, 1.1 * axes.dataLim.y1 or 1.0)
    energies = sorted({one.candidate.ei for one in plan.ranked})
    if len(energies) > 1:
        parts.set_xscale("log")
    shown = [ei for index, ei in enumerate(energies) if index == 0 or np.log(ei / energies[index - 1]) > 0.1 or len(energies) < 8]
    parts.set_xticks(shown, [f"{ei:g}" for ei in shown])
    parts.set_xticks([], minor=True)
    goal = (
        "What tells apart " + ", ".join(plan.materials)
        if separate
        else f"What tells more of {', '.join(plan.constants)} of {plan.materials[0]}"
    )
    figure.suptitle(literal(title or goal), fontsize=11)
    return figure


def _draw(axes: Axes, candidates: list[Ranked], values: list[float], colour: str, marker: str, label: str) -> None:
    energies = [one.candidate.ei for one in candidates]
    line = "-" if len(set(energies)) == len(energies) else ""  # several of one energy are no line
    axes.plot(energies, values, marker=marker, linestyle=line, markersize=4, linewidth=1, color=colour, label=literal(label))


def _rising(candidates: object) -> list[Ranked]:
    return sorted(candidates, key=lambda one: one.candidate.ei)


def _instrument(one: Ranked) -> str:
    """The setting without the frequency, which differs from one incident energy to the next."""
    return re.sub(r" [\d.]+ Hz", "", one.setting)
