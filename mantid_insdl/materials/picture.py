"""The picture of a magnet: its layers seen along c, with spins as arrows and bonds in the colours of their couplings."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.materials.material import Material
from mantid_insdl.materials.spin_waves import ordered
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.rotating_frame import rotation
from mantid_insdl.untrusted.text import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LAYERS = 4
_LEVEL = 1e-3
"""Difference of two heights, fractional, below which sites are in one layer."""
_THIN, _BROADER = 2.5, 3.5
"""Width of a line in points, and how much broader one is that lies under another."""


def plot_structure(material: Material, parameters: Mapping[str, float] | None = None) -> Figure:
    """Layers of the magnetic cell seen along c: spins as arrows (dots or crosses where along c), bonds coloured by their coupling.

    Bonds are drawn as far as they are in the cell; those to another layer are dashed in both, or rings round the site where they are
    straight up. Where bonds lie on one another, the longer one is broader and beneath. Up to four layers are shown. A spiral is shown over
    a turn of it, up to eight cells.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    values = material.resolve(parameters)
    model, k = ordered(material, material.couplings(values))
    heights = _layers([float(site.position[2]) for site in model.sites])
    shown = heights[:_MOST_LAYERS]
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    names = list(dict.fromkeys(bond.parameter for bond in model.bonds))
    cells = _cells_shown(k)
    lines = {name: _lines(material, name, cells) for name in names}
    widths = _widths(lines, model.lattice.vectors)
    colours = {name: colormaps["tab10"](index % 10) for index, name in enumerate(names)}
    for axes, height in zip(panels, shown, strict=True):
        _draw_layer(axes, model, None if k is None else (k, np.array(material.spiral.axis)), height, cells)
        for name in names:
            _draw_bonds(axes, lines[name], height, model.lattice.vectors, colours[name], widths[name])
    entries = [Line2D([], [], color="0.6", linewidth=1, label="magnetic cell" if material.spiral is None else "cells")]
    units = {parameter.name: parameter.unit for parameter in material.parameters}
    for name in names:
        between = all(line.leaves for line in lines[name])
        where = " (to another layer)" if between else " (dashed: to another layer)" if any(line.leaves for line in lines[name]) else ""
        label = f"{name} = {values[name]:g} {units[name]}{where}"
        ring = bool(lines[name]) and all(line.upright for line in lines[name])
        style = {"marker": "o", "markersize": 13, "fillstyle": "none", "markeredgewidth": 2, "linestyle": ""} if ring else {}
        style = style or {"linewidth": widths[name], "linestyle": (0, (2, 1)) if between else "-"}
        entries.append(Line2D([], [], color=colours[name], label=label, **style))
    out_of_plane = {np.sign(site.direction[2]) for site in model.sites if abs(site.direction[2]) > 0.9}
    for sign, marker, words in ((1, "o", "spin along z"), (-1, "x", "spin against z")):
        if sign in out_of_plane:
            entries.append(Line2D([], [], color="black", marker=marker, markersize=9, linestyle="", label=words))
    widest = max(len(entry.get_label()) for entry in entries)
    figure.set_size_inches(4.5 * len(shown) + 1.4 + 0.09 * widest, 5.5)
    panels[-1].legend(handles=entries, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    title = material.title + (f" ({len(shown)} of {len(heights)} layers)" if len(heights) > len(shown) else "")
    figure.suptitle("\n".join(textwrap.wrap(literal(title), int(9 * figure.get_figwidth()))))
    return figure


def _layers(heights: list[float]) -> list[float]:
    """Heights in [0, 1) that differ, rising."""
    found: list[float] = []
    for height in sorted(np.mod(np.array(heights) + _LEVEL / 2, 1) - _LEVEL / 2):
        if not found or height - found[-1] > _LEVEL:
            found.append(round(float(height), 4) + 0.0)
    return found


def _level(one: float, other: float) -> bool:
    """Whether two heights are the same but for whole cells."""
    apart = one - other
    return abs(apart - round(apart)) < _LEVEL


def _cells_shown(k: np.ndarray | None) -> tuple[int, int]:
    """Number of cells of the picture along a and b: the magnetic one, or as many as a spiral takes for a turn."""
    if k is None:
        return 1, 1
    parts = np.abs(k - np.rint(k))[:2].tolist()
    counts = [1 if part < 1e-6 else min(8, int(np.ceil(1 / part - 1e-6))) for part in parts]
    return counts[0], counts[1]


@dataclass(frozen=True)
class _Line:
    """A bond in a layer, as far as it is in the cells shown: its ends (2, 2) in cells along a and b, and where it goes."""

    ends: np.ndarray
    height: float
    leaves: bool
    upright: bool
    length: float


def _lines(material: Material, name: str, cells: tuple[int, int]) -> list[_Line]:
    model = material.model
    found = []
    for bond in model.bonds:
        if bond.parameter != name:
            continue
        start, end = model.sites[bond.i].position, model.sites[bond.j].position + np.array(bond.cell)
        length = float(np.linalg.norm((end - start) @ model.lattice.vectors))
        leaves = abs(end[2] - start[2]) > _LEVEL
        upright = leaves and float(np.linalg.norm(((end - start) * [1, 1, 0]) @ model.lattice.vectors)) < 0.05
        # one to another layer is seen in the layers of both its ends
        for height in (start[2], end[2]) if leaves else (start[2],):
            ends = np.array([start[:2], end[:2]])
            low, high = np.floor(ends.min(axis=0)).astype(int), np.ceil(ends.max(axis=0)).astype(int)
            for x, y in itertools.product(*(range(-int(b), n - int(a) + 1) for a, b, n in zip(low, high, cells, strict=True))):
                part = _inside(ends + np.array([x, y]), cells, point=upright)
                if part is not None:
                    found.append(_Line(part, float(height), leaves, upright, length))
    return found


def _inside(ends: np.ndarray, cells: tuple[int, int], *, point: bool) -> np.ndarray | None:
    """The part of a segment (2, 2) within the cells, by the method of Liang and Barsky; None if there is none."""
    start, way = ends[0], ends[1] - ends[0]
    first, last = 0.0, 1.0
    for axis in (0, 1):
        low, high = -1e-6 - start[axis], cells[axis] + 1e-6 - start[axis]
        if abs(way[axis]) < 1e-9:
            if low > 0 or high < 0:
                return None
            continue
        near, far = sorted((low / way[axis], high / way[axis]))
        first, last = max(first, near), min(last, far)
    if first > last or (not point and (last - first) * np.abs(way).max() < 1e-3):
        return None
    return np.array([start + first * way, start + last * way])


def _widths(lines: Mapping[str, list[_Line]], vectors: np.ndarray) -> dict[str, float]:
    """Width of the lines of each coupling in points: broader than those of shorter ones that they lie on."""
    found: dict[str, float] = {}
    for name in sorted(lines, key=lambda name: min((line.length for line in lines[name]), default=0.0)):
        under = [width for other, width in found.items() if _overlap(lines[name], lines[other], vectors)]
        found[name] = max(under) + _BROADER if under else _THIN
    return found


def _overlap(some: list[_Line], others: list[_Line], vectors: np.ndarray) -> bool:
    """Whether one of the lines lies on one of the others for more than a point."""
    for one in some:
        near = [other.ends for other in others if _level(one.height, other.height)]
        if not near:
            continue
        start, end = one.ends @ vectors[:2, :2]
        length = np.linalg.norm(end - start)
        if length < 1e-3:
            continue
        way = (end - start) / length
        apart = np.array(near) @ vectors[:2, :2] - start
        along, across = apart @ way, apart @ np.array([-way[1], way[0]])
        shared = np.minimum(along.max(axis=1), length) - np.maximum(along.min(axis=1), 0)
        if np.any((np.abs(across).max(axis=1) < 0.02) & (shared > 0.1)):
            return True
    return False


def _draw_bonds(axes: Axes, lines: list[_Line], height: float, vectors: np.ndarray, colour: tuple[float, ...], width: float) -> None:
    for line in lines:
        if not _level(line.height, height):
            continue
        ends = line.ends @ vectors[:2, :2]
        if line.upright:
            axes.plot(*ends[0], marker="o", markersize=17, fillstyle="none", markeredgewidth=2, color=colour, zorder=2, clip_on=False)
        else:
            style = (0, (2, 1)) if line.leaves else "-"
            axes.plot(ends[:, 0], ends[:, 1], color=colour, linewidth=width, linestyle=style, zorder=1 + 1 / width, solid_capstyle="butt")


def _draw_layer(axes: Axes, model: SpinModel, spiral: tuple[np.ndarray, np.ndarray] | None, height: float, cells: tuple[int, int]) -> None:
    """The outline of the cells and the spins at one height, those on its edges at both; `spiral` are the k and the axis of one."""
    vectors = model.lattice.vectors
    a, b = cells
    for x in range(a + 1):
        axes.plot(*(np.array([[x, 0, 0], [x, b, 0]]) @ vectors).T[:2], color="0.6", linewidth=1, zorder=0.5)
    for y in range(b + 1):
        axes.plot(*(np.array([[0, y, 0], [a, y, 0]]) @ vectors).T[:2], color="0.6", linewidth=1, zorder=0.5)
    here = [site for site in model.sites if _level(float(site.position[2]), height)]
    size = 0.35 * min(model.lattice.a, model.lattice.b) / np.sqrt(max(2, len(here)))
    for site in here:
        home = np.floor(site.position[:2] + 1e-6)
        for x, y in itertools.product(range(a + 1), range(b + 1)):
            cell = np.array([x, y, 0]) - np.array([*home, 0])
            place = site.position + cell
            if np.any(place[:2] > np.array(cells) + 1e-6):
                continue
            turn = np.eye(3)
            if spiral is not None:
                k, axis = spiral
                turn = rotation(axis / np.linalg.norm(axis), 2 * np.pi * (k @ cell))
            _draw_spin(axes, (place @ vectors)[:2], turn @ site.direction, size)
    corners = np.array([[0, 0, 0], [a, 0, 0], [a, b, 0], [0, b, 0]]) @ vectors
    margin = 1.2 * size
    low, high = corners[:, :2].min(axis=0) - margin, corners[:, :2].max(axis=0) + margin
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    axes.set(xlabel="x (angstrom)", ylabel="y (angstrom)", title=f"z = {height:g} c")


def _draw_spin(axes: Axes, place: np.ndarray, direction: np.ndarray, size: float) -> None:
    if abs(direction[2]) > 0.9:
        axes.plot(*place, marker="o" if direction[2] > 0 else "x", color="black", markersize=9, zorder=3, clip_on=False)
        return
    step = direction[:2] * size
    axes.annotate("", place + step, place - step, arrowprops={"arrowstyle": "-|>", "linewidth": 2.0, "color": "black"}, zorder=3)
    axes.plot(*place, marker="o", color="black", markersize=4, zorder=3)
