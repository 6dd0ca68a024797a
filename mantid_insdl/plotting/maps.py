"""Pictures of maps: a labelled grid of constant-energy slices, and importance drawn over it.

Each function returns a `matplotlib.figure.Figure` made without pyplot, so it draws no window, keeps no state and works in any
thread and on a machine without a display. Save it with ``figure.savefig("map.png")``.

Colour limits come from percentiles of the unmasked pixels of all slices of one incident energy, so that one hot pixel decides
nothing and slices of one row can be compared. Intensity is drawn on a square-root scale, as counts are, so that the weak upper bands stay
visible beside the strong low-energy ones. All colour maps are perceptually uniform. Importance has a square-root scale from 0 to 1 and is
light where there is none: most slices hold a small part of the largest value.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.errors import MapError
from mantid_insdl.plotting.energy import plot_cut, plot_powder
from mantid_insdl.plotting.style import RESIDUAL, Style, extend, style_of
from mantid_insdl.untrusted.text import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

    from mantid_insdl.maps import Axis, Map

IMPORTANCE_LEVELS = (0.5, 0.8)
IMPORTANCE_COLOUR = "#ff4d00"
IMPORTANCE_CONTOUR = "#7a0000"
IMPORTANCE_OPACITY = 0.85
MAXIMUM_PANELS = 120
MAXIMUM_COLUMNS = 10
DPI = 110

# Inches.
_PANEL = 1.3
_GAP, _TITLE_GAP, _ROW_GAP = 0.08, 0.22, 0.12
_LEFT, _RIGHT, _BOTTOM = 1.0, 1.15, 0.55
_SMALLEST_WIDTH, _KEY_HEIGHT = 6.0, 0.4


UNDER_IMPORTANCE = Style("gray_r", masked="#a9c6e0", masked_word="blue")
_IMPORTANCE = Style("magma_r", masked="#a9c6e0", masked_word="blue", limits=(0.0, 1.0), quantity="importance", has_unit=False)


def plot_map(m: Map, *, title: str = "") -> Figure:
    """Picture of any map: `plot_slices`, `plot_powder` or `plot_cut`, as its kind asks."""
    return {"slices": plot_slices, "powder": plot_powder, "cut": plot_cut}[m.kind](m, title=title)


def plot_slices(m: Map, *, title: str = "", importance: Map | None = None) -> Figure:
    """Constant-energy slices as a grid, one row an incident energy, each row with its own colour bar.

    Parameters
    ----------
    m
        A map of slices. Of more than 120 slices evenly spaced ones are shown, and the title says so.
    title
        Written above; the material and the number of slices by default.
    importance
        A map of importance 0..1 on the same axes (`mantid_insdl.grad_cam`): the slices are drawn in grey on white, the more important
        a pixel the more orange it is, with contours at 0.5 and 0.8, and each slice tells its mean importance.

    Raises
    ------
    MapError
        If the map has no slices, or `importance` is on other axes.
    """
    return plot_rows({"": m}, style_of(m) if importance is None else UNDER_IMPORTANCE, title=title, importance=importance)


def plot_comparison(maps: Mapping[str, Map], *, title: str = "") -> Figure:
    """Maps on the same axes below each other, for each incident energy one row a map, with common colour limits.

    Parameters
    ----------
    maps
        Name -> map, for example ``{"measured": m, "fit": fit}``. The first one gives the colour limits.

    Raises
    ------
    MapError
        If the maps have no slices or differ in their axes.
    """
    return plot_rows(maps, style_of(next(iter(maps.values()))), title=title)


def plot_residual(measured: Map, fit: Map, *, title: str = "", name: str = "measured") -> Figure:
    """A map called `name`, a calculation scaled to it, and their difference below each other, in the unit of the map on one signed scale.

    What is masked in either is masked in the difference.

    Raises
    ------
    MapError
        If the maps have no slices or differ in their axes.
    """
    measured.require_same_axes(fit)
    difference = measured.replace(intensity=measured.intensity - fit.intensity, error=None, mask=measured.mask | fit.mask)
    return plot_rows({name: measured, "fit": fit, "difference": difference}, RESIDUAL, title=title)


def plot_importance(m: Map, *, title: str = "") -> Figure:
    """A map of importance 0..1 (`mantid_insdl.grad_cam`) as a grid of slices with one scale."""
    return plot_rows({"": m}, _IMPORTANCE, title=title or "Importance")


def plot_rows(maps: Mapping[str, Map], style: Style | Mapping[str, Style], *, title: str = "", importance: Map | None = None) -> Figure:
    """The grid of slices behind `plot_slices`, `plot_comparison` and the others: for each incident energy one row a map.

    Parameters
    ----------
    maps
        Name -> map, all on the same axes.
    style
        Of all maps, or of each by its name: those of one style share limits, which the first of them gives, and a colour bar.
    title, importance
        As in `plot_slices`.

    Raises
    ------
    MapError
        If a map has no slices or other axes than the first.
    """
    from matplotlib.figure import Figure

    styles = style if isinstance(style, Mapping) else dict.fromkeys(maps, style)

    first = next(iter(maps.values()))
    for m in [*maps.values(), *([importance] if importance is not None else [])]:
        if m.slices is None:
            raise MapError(f"cannot draw a {m.kind} map as slices", "it has no constant-energy slices", "use plot_map")
        first.require_same_axes(m)

    per_group = max(1, MAXIMUM_PANELS // len(maps))
    total = first.slices.size
    shown = np.arange(total) if total <= per_group else np.linspace(0, total - 1, per_group).round().astype(int)
    groups = _groups_by_ei(first, shown)
    columns = max(len(line) for lines in groups for line in lines)

    qh, qk = first.axes
    height = _PANEL * np.clip(_span(qk) / _span(qh), 0.4, 2.5)
    line_count = sum(len(lines) for lines in groups)
    if not title:
        title = ", ".join(filter(None, [first.material, f"{total} constant-energy slices"]))
    if len(shown) < total:
        title += f" ({len(shown)} of {total} slices, evenly spaced)"
    notes = [f"r.l.u. of {first.frame}"] if first.frame else []
    notes += ["number: mean importance of the slice"] if importance is not None else []
    notes += ["colours by the square root of the importance"] if importance is not None or style is _IMPORTANCE else []
    notes += [f"masked pixels are {next(iter(styles.values())).masked_word}"]

    width = max(_LEFT + columns * (_PANEL + _GAP) + _RIGHT, _SMALLEST_WIDTH)
    heading = _Heading.fitted(title, "; ".join(notes), width - _LEFT - 0.1)
    rows_height = line_count * (_TITLE_GAP + len(maps) * height + (len(maps) - 1) * _GAP) + (len(groups) - 1) * _ROW_GAP
    size = (width, heading.height + rows_height + _BOTTOM + (_KEY_HEIGHT if importance is not None else 0.0))
    figure = Figure(figsize=size, dpi=DPI)
    heading.draw(figure, size)
    if importance is not None:
        _draw_importance_key(figure, size)

    top = size[1] - heading.height
    grid: list[tuple[int, int, Axes]] = []
    row = 0
    for lines in groups:
        of_group = np.concatenate(lines)
        shown_with = {one: next(m for name, m in maps.items() if styles[name] == one) for one in dict.fromkeys(styles.values())}
        scales = {one: one.scale(m.intensity[of_group]) for one, m in shown_with.items()}
        norms = {one: one.norm(scale) for one, scale in scales.items()}
        images: dict[Style, ScalarMappable] = {}
        group_top = top
        for line in lines:
            for name, m in maps.items():
                bottom = top - (_TITLE_GAP if m is first else _GAP) - height
                for column, index in enumerate(line):
                    axes = figure.add_axes(
                        (
                            (_LEFT + column * (_PANEL + _GAP)) / size[0],
                            bottom / size[1],
                            _PANEL / size[0],
                            height / size[1],
                        )
                    )
                    one = styles[name]
                    images[one] = draw_slice(axes, m, int(index), one, norms[one])
                    if importance is not None:
                        draw_importance(axes, importance, int(index))
                    if m is first:
                        axes.set_title(_window(m, int(index)), fontsize=8, pad=3)
                    grid.append((row, column, axes))
                _label_row(figure, size, (bottom, height), _ei_text(first, int(line[0])), name)
                row += 1
                top = bottom
        share = (group_top - _TITLE_GAP - top) / len(images)
        for number, (one, image) in enumerate(images.items()):
            middle, bar_height = group_top - _TITLE_GAP - (number + 0.5) * share, min(0.9 * share if len(images) > 1 else share, 3.2)
            bar = figure.add_axes(
                (
                    (_LEFT + columns * (_PANEL + _GAP) + 0.05) / size[0],
                    (middle - bar_height / 2) / size[1],
                    0.12 / size[0],
                    bar_height / size[1],
                ),
                label="colour bar",
            )
            colour_bar = figure.colorbar(image, cax=bar, extend=extend(shown_with[one].intensity[of_group], scales[one]))
            unit = f"\n({literal(shown_with[one].intensity_unit)})" if one.has_unit else ""
            colour_bar.set_label(one.quantity + unit, fontsize=8)
            colour_bar.ax.tick_params(labelsize=7)
        top -= _ROW_GAP
    _label_axes(grid, qh, qk)
    return figure


@dataclass(frozen=True)
class _Heading:
    """Title and notes, broken into lines that fit the figure."""

    title: list[str]
    notes: list[str]

    @classmethod
    def fitted(cls, title: str, notes: str, width: float) -> _Heading:
        """Lines no longer than `width` inches, by the mean widths of the letters."""
        return cls(textwrap.wrap(title, int(width / 0.105)), textwrap.wrap(notes, int(width / 0.062)))

    @property
    def height(self) -> float:
        """Inches, with the space below."""
        return 0.3 + 0.22 * len(self.title) + 0.16 * len(self.notes) + 0.17

    def draw(self, figure: Figure, size: tuple[float, float]) -> None:
        left, top = _LEFT / size[0], 1 - 0.2 / size[1]
        figure.text(left, top, literal("\n".join(self.title)), fontsize=12, weight="bold", va="top")
        below = top - (0.22 * len(self.title) + 0.06) / size[1]
        figure.text(left, below, literal("\n".join(self.notes)), fontsize=8, color="0.35", va="top")


def _groups_by_ei(m: Map, shown: np.ndarray) -> list[list[np.ndarray]]:
    """Indices of the slices to show: for each incident energy its lines of at most ten, by rising energy transfer."""
    ei = np.where(np.isfinite(m.slices.ei), m.slices.ei, np.inf)
    groups = []
    for one in np.unique(ei[shown]):
        members = shown[ei[shown] == one]
        members = members[np.argsort(m.slices.centres[members], kind="stable")]
        count = -(-members.size // MAXIMUM_COLUMNS)
        groups.append(np.array_split(members, count))
    return groups


def draw_slice(axes: Axes, m: Map, index: int, style: Style, norm: Normalize) -> ScalarMappable:
    """One slice of a map, masked pixels in the colour of `style`.

    Returns
    -------
    ScalarMappable
        What a colour bar needs.
    """
    qh, qk = m.axes
    axes.set_facecolor(style.masked)
    image = axes.pcolormesh(qh.edges, qk.edges, m.intensity[index].T, cmap=style.colours, norm=norm, rasterized=True)
    axes.set(aspect="equal" if qh.unit == qk.unit else "auto", xlim=qh.edges[[0, -1]], ylim=qk.edges[[0, -1]])
    axes.set_xticks(_inner_ticks(qh))
    axes.set_yticks(_inner_ticks(qk))
    axes.tick_params(labelsize=7, length=2, pad=2)
    return image


def _inner_ticks(axis: Axis) -> np.ndarray:
    """Round values, none at the ends, where the labels of neighbouring panels would meet."""
    from matplotlib.ticker import MaxNLocator

    low, high = axis.edges[0], axis.edges[-1]
    ticks = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    margin = 0.1 * (high - low)
    return ticks[(ticks > low + margin) & (ticks < high - margin)]


def draw_importance(axes: Axes, importance: Map, index: int) -> None:
    """The importance of one slice over a picture of it (`draw_slice` in `UNDER_IMPORTANCE`), with its mean as a number."""
    qh, qk = importance.axes
    values = importance.intensity[index]
    if np.all(np.isnan(values)):
        return
    axes.pcolormesh(qh.edges, qk.edges, values.T, cmap=_importance_tint(), vmin=0, vmax=1, rasterized=True)
    axes.text(0.96, 0.96, f"{np.nanmean(values):.2f}", transform=axes.transAxes, fontsize=7, ha="right", va="top", color="black",
              bbox={"facecolor": "white", "alpha": 0.75, "pad": 1.2, "linewidth": 0})  # fmt: skip
    if min(values.shape) < 2:
        return
    levels = [level for level in IMPORTANCE_LEVELS if np.nanmin(values) < level < np.nanmax(values)]
    if levels:
        widths = [0.8 if level == IMPORTANCE_LEVELS[0] else 1.8 for level in levels]
        axes.contour(qh.centres, qk.centres, values.T, levels=levels, colors=IMPORTANCE_CONTOUR, linewidths=widths)


def _importance_tint() -> Colormap:
    """One colour, from transparent to almost opaque by the square root of the importance."""
    from matplotlib.colors import ListedColormap, to_rgb

    colour = to_rgb(IMPORTANCE_COLOUR)
    return ListedColormap([(*colour, IMPORTANCE_OPACITY * x**0.5) for x in np.linspace(0, 1, 256)], "importance")


def _draw_importance_key(figure: Figure, size: tuple[float, float]) -> None:
    """A small colour bar of the importance, below the slices."""
    key = figure.add_axes(((_LEFT + 0.8) / size[0], 0.28 / size[1], 2.0 / size[0], 0.14 / size[1]), label="importance key")
    key.set_facecolor("0.9")
    key.pcolormesh(np.linspace(0, 1, 65), [0, 1], np.linspace(0, 1, 64)[None], cmap=_importance_tint(), vmin=0, vmax=1, rasterized=True)
    for level, width in zip(IMPORTANCE_LEVELS, (0.8, 1.8), strict=True):
        key.axvline(level, color=IMPORTANCE_CONTOUR, linewidth=width)
    key.set_xticks([0, *IMPORTANCE_LEVELS, 1], [f"{x:g}" for x in (0, *IMPORTANCE_LEVELS, 1)], fontsize=7)
    key.set_yticks([])
    key.tick_params(length=2, pad=1)
    key.text(-0.03, 0.5, "importance", fontsize=8, ha="right", va="center", transform=key.transAxes)


def _label_row(figure: Figure, size: tuple[float, float], place: tuple[float, float], ei: str, name: str) -> None:
    middle = (place[0] + place[1] / 2) / size[1]
    text = literal("\n".join(filter(None, [ei, name])))
    figure.text(0.1 / size[0], middle, text, fontsize=9, weight="bold", rotation=90, ha="left", va="center", multialignment="center")


def _label_axes(grid: Sequence[tuple[int, int, Axes]], qh: Axis, qk: Axis) -> None:
    """Tick labels and axis titles only at the left and at the lowest panel of each column."""
    lowest = {}
    for row, column, _ in grid:
        lowest[column] = max(row, lowest.get(column, 0))
    for row, column, axes in grid:
        if column == 0:
            axes.set_ylabel(_title(qk), fontsize=8, labelpad=1)
        else:
            axes.set_yticklabels([])
        if row == lowest[column]:
            axes.set_xlabel(_title(qh), fontsize=8, labelpad=1)
        else:
            axes.set_xticklabels([])


def _title(axis: Axis) -> str:
    """Label with unit; Qh and Qk where the axis has no label of its own."""
    return literal(axis.title if axis.label else f"{axis.name.capitalize()} ({axis.unit})")


def _ei_text(m: Map, index: int) -> str:
    ei = m.slices.ei[index]
    return f"Ei = {ei:g} meV" if np.isfinite(ei) else "Ei unknown"


def _window(m: Map, index: int) -> str:
    return f"{m.slices.energy_min[index]:.4g} to {m.slices.energy_max[index]:.4g} meV"


def _span(axis: Axis) -> float:
    return float(axis.edges[-1] - axis.edges[0])
