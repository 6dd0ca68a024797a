"""Pictures of fits: data beside calculation beside residual, and what the covariance says of pairs of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.errors import MapError
from mantid_insdl.plotting.energy import draw_energy_map, title_axes
from mantid_insdl.plotting.maps import plot_rows
from mantid_insdl.plotting.style import PULL, Style, extend, style_of
from mantid_insdl.untrusted.text import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mantid_insdl.fitting.results import Fit
    from mantid_insdl.maps import Map

DPI = 150
_PANEL = (4.3, 4.0)  # inches, of a cut or powder map
_CELL = 1.35  # inches, of a corner plot
_SHOWN = 3.2  # standard deviations on either side in a corner plot
_COLOUR, _AGAINST = "#2a5d9f", "#b3261e"
LEVELS = (1.0, 2.0)
"""Ellipses of a corner plot, in standard deviations along each axis: 39 % and 86 % of the probability."""


def plot_fit(measured: Map, model: Map, *, title: str = "", name: str = "measured") -> Figure:
    """A map called `name`, the calculation fitted to it, and their difference over the standard deviation of each pixel.

    Map and calculation share their colours. Slices are drawn in rows below each other, a cut or powder map in panels beside each other.

    Parameters
    ----------
    measured
        The map.
    model
        `Fit.model`, whose error is the standard deviation of a pixel about it.

    Raises
    ------
    MapError
        If the maps differ in their axes, or the model has no error.
    """
    measured.require_same_axes(model)
    if model.error is None:
        raise MapError("cannot draw the residual of this fit", "its calculation has no error to divide by", "give the model of a Fit")
    mask = measured.mask | model.mask
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = measured.replace(intensity=(measured.intensity - model.intensity) / model.error, error=None, mask=mask)
    maps = {name: measured, "fit": model, "residual": pull}
    styles = {name: style_of(measured), "fit": style_of(measured), "residual": PULL}
    if measured.kind == "slices":
        return plot_rows(maps, styles, title=title)
    return _panels(maps, styles, title)


def _panels(maps: dict[str, Map], styles: dict[str, Style], title: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_PANEL[0] * len(maps) + 0.6, _PANEL[1]), dpi=DPI, layout="constrained")
    every = figure.subplots(1, len(maps), sharey=True)
    shared = {}
    for axes, (name, m) in zip(every, maps.items(), strict=True):
        style = styles[name]
        scale, of = shared.setdefault(style, (style.scale(m.intensity), m))
        image = draw_energy_map(axes, m, style, scale)
        title_axes(axes, name)
        if axes is not every[0]:
            axes.set_ylabel("")
            unit = f" ({literal(m.intensity_unit)})" if style.has_unit else ""
            figure.colorbar(image, ax=axes, extend=extend(of.intensity, scale), label=style.quantity + unit)
    figure.suptitle(literal(title), fontsize=11, weight="bold")
    return figure


def plot_corner(fit: Fit, *, title: str = "") -> Figure:
    """What the covariance of a fit says of each free parameter, and of each pair: the corner plot of a normal distribution.

    On the diagonal the distribution of one parameter; below it ellipses of one and two standard deviations, and crosses for other minima
    that the data do not rule out.

    Raises
    ------
    MapError
        If no parameter was fitted.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    every = {one.name: one for one in (*fit.parameters, *fit.nuisances)}
    shown = [every[name] for name in fit.free]
    count = len(shown)
    if count == 0:
        raise MapError("there is nothing to draw in a corner plot", "no parameter was fitted")
    values, deviation = np.array([one.value for one in shown]), np.sqrt(np.diag(fit.covariance))
    safe = np.where(deviation > 0, deviation, 1.0)
    size = max(count * _CELL, 2.6) + 1.0
    figure = Figure(figsize=(size, size), dpi=DPI)
    grid = figure.subplots(count, count, squeeze=False, gridspec_kw={"wspace": 0.08, "hspace": 0.08})
    figure.subplots_adjust(left=0.8 / size, right=1 - 0.2 / size, bottom=0.7 / size, top=1 - 0.5 / size)
    labels = [literal(f"{one.name}\n({one.unit})" if one.unit else one.name) for one in shown]
    limits = [(value - _SHOWN * width, value + _SHOWN * width) for value, width in zip(values, safe, strict=True)]
    for (row, column), axes in np.ndenumerate(grid):
        if column > row:
            axes.set_axis_off()
            continue
        axes.set_xlim(limits[column])
        axes.xaxis.set_major_locator(MaxNLocator(3, prune="both"))
        if column == row:
            x = np.linspace(*limits[row], 121)
            axes.fill_between(x, np.exp(-0.5 * ((x - values[row]) / safe[row]) ** 2), color=_COLOUR, alpha=0.35, linewidth=0)
            axes.axvline(values[row], color=_COLOUR, linewidth=1.0)
            axes.set(ylim=(0, 1.1), yticks=[])
            axes.set_title(f"{values[row]:.4g} ± {deviation[row]:.2g}", fontsize=7, pad=3)
        else:
            axes.set_ylim(limits[row])
            axes.yaxis.set_major_locator(MaxNLocator(3, prune="both"))
            _draw_ellipses(axes, values[[column, row]], fit.covariance[np.ix_([column, row], [column, row])])
            for other in fit.others:
                axes.plot(other[fit.free[column]], other[fit.free[row]], "x", color=_AGAINST, markersize=5)
        axes.tick_params(labelsize=6, length=2, labelbottom=row == count - 1, labelleft=column == 0 and row > 0)
        if row == count - 1:
            axes.set_xlabel(labels[column], fontsize=8)
        if column == 0 and row > 0:
            axes.set_ylabel(labels[row], fontsize=8)
    figure.suptitle(literal(title), fontsize=9, weight="bold", y=1 - 0.1 / size, va="top")
    return figure


def _draw_ellipses(axes: Axes, centre: np.ndarray, covariance: np.ndarray) -> None:
    sizes, directions = np.linalg.eigh(covariance)
    angle = np.linspace(0, 2 * np.pi, 121)
    circle = directions @ (np.sqrt(np.maximum(sizes, 0.0))[:, None] * np.stack([np.cos(angle), np.sin(angle)]))
    for level in LEVELS:
        x, y = centre[:, None] + level * circle
        axes.fill(x, y, facecolor=_COLOUR, alpha=0.25, edgecolor=_COLOUR, linewidth=0.8)
