"""Pictures of the views of a network (`mantid_insdl.explain`), on the axes of the physics wherever there are some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mantid_insdl.explain.attribution import TITLES
from mantid_insdl.explain.faithfulness import SHARES
from mantid_insdl.plotting.maps import draw_slice, plot_comparison
from mantid_insdl.plotting.style import INTENSITY
from mantid_insdl.untrusted.text import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mantid_insdl.explain.between import Line
    from mantid_insdl.explain.codes import Codes
    from mantid_insdl.explain.explanation import Attribution
    from mantid_insdl.explain.filters import Filters
    from mantid_insdl.explain.gallery import Gallery
    from mantid_insdl.explain.maximisation import Maximised
    from mantid_insdl.explain.neurons import Neuron
    from mantid_insdl.explain.physicist import SliceShare
    from mantid_insdl.explain.subject import Subject
    from mantid_insdl.maps import Map

DPI = 110
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of classes, told apart by those who see colours otherwise, too. [M. Okabe and K. Ito, 2008]"""
_MINE = "black"


def _figure(width: float, height: float, title: str, *, layout: str | None = "constrained") -> Figure:
    """`layout` None for many axes, of which matplotlib's own way takes seconds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)
    if title:
        figure.suptitle(literal(title), fontsize=10)
    return figure


def _sheet(columns: float, rows: float, title: str, size: float, left: float = 0.1, bottom: float = 0.1) -> tuple[Figure, Axes]:
    """A figure with nothing but one field of `columns` x `rows` places of `size` inches, its first row at the top, for `_tile`.

    Axes of their own for hundreds of small pictures would take most of the time of all drawing.
    """
    width, height = left + columns * size + 0.1, bottom + rows * size + (0.45 if title else 0.1)
    figure = _figure(width, height, title, layout=None)
    axes = figure.add_axes((left / width, bottom / height, columns * size / width, rows * size / height))
    axes.set(xlim=(0, columns), ylim=(rows, 0))
    axes.axis("off")
    return figure, axes


def _tile(
    axes: Axes, values: np.ndarray, place: tuple[float, float, float, float], *, frame: str = "0.3", width: float = 0.6, **how: Any
) -> None:
    """A small picture of (Qh, Qk) values in a frame, between left, right, bottom and top."""
    left, right, bottom, top = place
    axes.imshow(values.T, origin="lower", extent=place, aspect="auto", interpolation="nearest", **how)
    axes.plot([left, right, right, left, left], [bottom, bottom, top, top, bottom], color=frame, linewidth=width)


def plot_faithfulness(attributions: Mapping[str, Attribution], *, unit: str = "score (logits)", title: str = "") -> Figure:
    """The score as the most important pixels go (left) and come (right), for each way to ask, random pixels, and the brightest."""
    figure = _figure(9.5, 4.0, title)
    left, right = figure.subplots(1, 2, sharey=True)
    first = next(iter(attributions.values())).faithfulness
    for axes, kind in ((left, "deletion"), (right, "insertion")):
        for number, (name, one) in enumerate(attributions.items()):
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(100 * SHARES, getattr(one.faithfulness.explained, kind), color=colour, marker=".", label=TITLES[name])
        axes.plot(100 * SHARES, getattr(first.random, kind), color="0.5", linestyle="--", label="random pixels")
        axes.plot(100 * SHARES, getattr(first.brightest, kind), color="0.5", linestyle=":", label="brightest pixels")
        axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axes.set_xlabel(f"pixels {'masked' if kind == 'deletion' else 'uncovered'} (%)")
    left.set_ylabel(unit)
    left.set_title("deletion: a good explanation falls at once", fontsize=9)
    right.set_title("insertion: a good explanation rises at once", fontsize=9)
    right.legend(fontsize=7)
    return figure


def plot_slice_shares(slices: Sequence[SliceShare], *, title: str = "") -> Figure:
    """Which slices the importance lies in, beside those in which the models differ."""
    order = sorted(slices, key=lambda one: (one.incident_energy, one.energy_min))
    ei = np.array([one.incident_energy for one in order])
    place = np.arange(len(order)) + np.concatenate(([0], np.cumsum(np.diff(ei) != 0)))
    figure = _figure(1.5 + 0.24 * (place[-1] + 1), 3.6, title)
    axes = figure.subplots()
    axes.bar(place - 0.2, [100 * one.importance for one in order], 0.4, color=COLOURS[1], label="importance")
    axes.bar(place + 0.2, [100 * one.information for one in order], 0.4, color=COLOURS[0], label="information on the models' difference")
    axes.set_xticks(place, [f"{one.energy_min:.3g}-{one.energy_max:.3g}" for one in order], rotation=90, fontsize=7)
    axes.set_xlabel("energy transfer (meV)")
    axes.set_ylabel("share of the slice (%)")
    axes.margins(x=0.01, y=0.2)
    for one in np.unique(ei):
        at = (float(place[ei == one].mean()), 0.98)
        axes.annotate(f"Ei {one:g} meV", at, xycoords=("data", "axes fraction"), ha="center", va="top", fontsize=8)
    axes.legend(fontsize=7, loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2)
    return figure


def plot_activations(maps: Sequence[Map], dead: Sequence[int] = (), *, title: str = "") -> Figure:
    """What each filter of a layer shows, in the slice where it shows most; dead ones are named."""
    columns = min(8, len(maps))
    figure, axes = _sheet(columns, -(-len(maps) // columns), title, 1.45, bottom=0.3)
    for number, m in enumerate(maps):
        row, column = divmod(number, columns)
        index = int(m.intensity.max(axis=(1, 2)).argmax())
        top = float(m.intensity[index].max())
        _tile(axes, m.intensity[index], (column + 0.04, column + 0.96, row + 0.98, row + 0.22), vmin=0, vmax=top if top > 0 else 1)
        window = f"Ei {m.slices.ei[index]:g} meV\n{m.slices.energy_min[index]:.3g}-{m.slices.energy_max[index]:.3g} meV"
        said = "dead" if number in dead else "silent here" if top <= 0 else window
        axes.text(column + 0.5, row + 0.2, f"{number}: {said}", fontsize=6.5, ha="center", va="bottom")
    said = "Qh from left to right, Qk from bottom to top, over the whole map; colours from 0 to the largest of the slice"
    figure.text(0.5, 0.03, said, fontsize=7, ha="center")
    return figure


def plot_filters(filters: Sequence[Filters], *, title: str = "") -> Figure:
    """The first filters of each convolution, averaged over what they look at, and how smooth they are against untrained ones."""
    shown = 16
    figure, axes = _sheet(shown, len(filters), title, 0.62, left=1.5)
    for row, one in enumerate(filters):
        kernels = one.kernels[:, :, 0]  # the intensity for the first layer, one filter of the layer before for the others
        top = np.abs(kernels).max() or 1.0
        for column in range(min(shown, kernels.shape[-1])):
            place = (column + 0.06, column + 0.94, row + 0.94, row + 0.06)
            _tile(axes, kernels[..., column], place, cmap="RdBu_r", vmin=-top, vmax=top)
        said = f"{one.layer}\nsmoothness {one.smoothness:.2f}\n({one.significance:.0f} s.d. above untrained)"
        axes.text(-0.15, row + 0.5, said, fontsize=6.5, ha="right", va="center")
    return figure


def plot_neurons(neurons: Sequence[Neuron], gallery: Gallery, *, title: str = "") -> Figure:
    """The training maps that drive neurons most, a row each: the slice and the patch that do, and the exchange constants of the map."""
    from matplotlib.patches import Rectangle

    columns = max(len(one.maps) for one in neurons)
    panel, step, left, high = 1.55, 1.8, 0.75, 2.7  # inches: a picture, from one to the next, before the first, a row
    width, height = left + step * columns, high * len(neurons) + 0.4
    figure = _figure(width, height, title, layout=None)
    for row, neuron in enumerate(neurons):
        bottom = height - 0.4 - high * row - 0.35 - panel
        figure.text(
            0.08 / width, (bottom + panel / 2) / height, neuron.name, fontsize=8, weight="bold", rotation=90, va="center", ha="left"
        )
        for column, one in enumerate(neuron.maps):
            axes = figure.add_axes(((left + column * step) / width, bottom / height, panel / width, panel / height))
            m = gallery.measured(one.index)
            place, along_qh, along_qk = one.place
            index = int(np.searchsorted(np.flatnonzero(gallery.maps.used[one.index, :, 0]), place))
            index = min(index, m.slices.size - 1)
            draw_slice(axes, m, index, INTENSITY, INTENSITY.norm(INTENSITY.scale(m.intensity[index])))
            (first, last), (low, top) = (
                (axis.edges[part.start], axis.edges[min(part.stop, axis.size)])
                for axis, part in zip(m.axes, (along_qh, along_qk), strict=True)
            )
            axes.add_patch(Rectangle((first, low), last - first, top - low, fill=False, edgecolor="#ff4d00", linewidth=1.5))
            window = f"Ei {m.slices.ei[index]:.0f}, {m.slices.energy_min[index]:.3g}-{m.slices.energy_max[index]:.3g} meV"
            axes.set_title(f"{m.material}\n{window}", fontsize=6.5, pad=2)
            constants = [f"{n} {v:.3g}" for n, v in one.parameters.items()]
            lines = [", ".join(constants[i : i + 3]) for i in range(0, len(constants), 3)]
            axes.set_xlabel("\n".join([f"drives it to {one.value:.2f}", *lines, "(meV)"]), fontsize=6.5, labelpad=1)
            axes.tick_params(labelsize=6, labelleft=not column)
            if not column:
                axes.set_ylabel("Qk (r.l.u.) against Qh", fontsize=6.5, labelpad=0)
    return figure


def plot_maximised(subject: Subject, found: Maximised, *, title: str = "") -> Figure:
    """The user's map, the one that shows a class most, and the simulated one that is most like that: every other slice."""
    maps = {
        "yours": subject.on_map(subject.shown[..., 0], "as the network sees it", "mean of its Ei"),
        "grown": subject.on_map(found.shown[..., 0], "grown", "mean of its Ei"),
        "nearest": subject.on_map(found.nearest[..., 0], "simulated", "mean of its Ei"),
    }
    return plot_comparison({name: m.select(np.arange(0, m.slices.size, 2)) for name, m in maps.items()}, title=title)


def plot_codes(found: Codes, *, title: str = "") -> Figure:
    """Training maps by the network's features: principal components, t-SNE, and the distance that the in-range rule measures."""
    figure = _figure(13.5, 4.2, title)
    parts = figure.subplots(1, 3)
    label, materials = found.gallery.data.material, found.gallery.materials
    planes = (
        (parts[0], found.components, found.own_component, "principal components"),
        (parts[1], found.embedded, found.own_embedded, "t-SNE"),
    )
    for axes, points, own, name in planes:
        for number, material in enumerate(materials):
            axes.scatter(*points[label == number].T, s=9, color=COLOURS[number % len(COLOURS)], label=material, alpha=0.7)
        axes.scatter(*own, s=160, marker="*", color=_MINE, label="your map", zorder=3)
        axes.set_title(name, fontsize=9)
    parts[0].set_xlabel(f"first ({found.explained[0]:.0%} of the variance)")
    parts[0].set_ylabel(f"second ({found.explained[1]:.0%})")
    parts[1].set(
        xticks=[], yticks=[], xlabel=f"neighbours of one model: {found.agreement[1]:.0%} here, {found.agreement[0]:.0%} by all features"
    )
    parts[0].legend(fontsize=7)
    drawn = parts[2].scatter(*found.embedded.T, s=12, c=found.distances, cmap="viridis", vmax=2 * found.limit)
    parts[2].scatter(*found.own_embedded, s=160, marker="*", color=_MINE)
    figure.colorbar(drawn, ax=parts[2], label="distance from the nearest class", extend="max")
    parts[2].set_title(f"distance of your map {found.own_distance:.1f}; 95 % of training maps below {found.limit:.1f}", fontsize=9)
    parts[2].set(xticks=[], yticks=[])
    return figure


def plot_code_parameters(found: Codes, *, title: str = "") -> Figure:
    """The t-SNE plane once for each exchange constant, coloured by it."""
    gallery = found.gallery
    names = list(dict.fromkeys(n for number in range(len(gallery.materials)) for n in _names(gallery, number)))
    columns = min(5, len(names))
    rows = -(-len(names) // columns)
    width, height = 2.6 * columns, 2.2 * rows + 0.4
    figure = _figure(width, height, title, layout=None)
    for number, name in enumerate(names):
        row, column = divmod(number, columns)
        left, bottom = 2.6 * column + 0.1, height - 0.4 - 2.2 * (row + 1) + 0.1
        axes = figure.add_axes((left / width, bottom / height, 1.75 / width, 2.0 / height))
        bar = figure.add_axes(((left + 1.8) / width, bottom / height, 0.1 / width, 2.0 / height))
        axes.scatter(*found.embedded.T, s=3, color="0.88")
        values = np.array([gallery.parameters(i).get(name, np.nan) for i in range(len(gallery))])
        there = np.isfinite(values)
        drawn = axes.scatter(*found.embedded[there].T, s=8, c=values[there], cmap="viridis")
        axes.scatter(*found.own_embedded, s=70, marker="*", color=_MINE)
        figure.colorbar(drawn, cax=bar, label=f"{name} (meV)").ax.tick_params(labelsize=7)
        axes.set(xticks=[], yticks=[])
    return figure


def _names(gallery: Gallery, material: int) -> list[str]:
    mine = np.flatnonzero(gallery.data.material == material)
    return list(gallery.parameters(int(mine[0]))) if mine.size else []


def plot_atlas(found: Codes, *, cells: int = 7, title: str = "") -> Figure:
    """Activation atlas: the t-SNE plane as a grid, in each cell the training map nearest to the mean of its codes.

    [S. Carter et al., Distill 2019, doi:10.23915/distill.00015]
    """
    figure = _figure(8.4, 8.6, title, layout=None)
    axes = figure.add_axes((0.02, 0.06, 0.96, 0.92))
    points, gallery = found.embedded, found.gallery
    low, high = points.min(axis=0), points.max(axis=0)
    size = (high - low) / cells
    where = np.minimum(((points - low) / size).astype(int), cells - 1)
    for cell in {tuple(int(x) for x in one) for one in where}:
        mine = np.flatnonzero(np.all(where == cell, axis=1))
        mean = gallery.codes[mine].mean(axis=0)
        index = int(mine[np.argmin(np.sum((gallery.codes[mine] - mean) ** 2, axis=1))])
        m = gallery.noise_free(index)
        middle = np.abs(m.slices.centres / m.slices.ei - 0.4) < 0.2
        shown = int(np.argmax(np.nan_to_num(m.intensity).std(axis=(1, 2)) * middle))
        left, bottom = low + size * (np.array(cell) + 0.05)
        right, top = low + size * (np.array(cell) + 0.95)
        brightest = np.nanpercentile(m.intensity[shown], 99.5)
        colour = COLOURS[int(gallery.data.material[index]) % len(COLOURS)]
        values = np.sqrt(np.clip(m.intensity[shown], 0, brightest))
        _tile(axes, values, (left, right, bottom, top), frame=colour, width=2.5)
        window = f"Ei {m.slices.ei[shown]:.0f}: {m.slices.energy_min[shown]:.0f}-{m.slices.energy_max[shown]:.0f} meV"
        axes.text((left + right) / 2, top - 0.03 * size[1], window, fontsize=6, color="white", ha="center", va="top")
    axes.scatter(*found.own_embedded, s=260, marker="*", color=_MINE, zorder=10, edgecolor="white")
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[])
    names = ", ".join(f"{name} ({colour})" for name, colour in zip(gallery.materials, ("blue", "red", "green", "pink"), strict=False))
    axes.set_xlabel(f"t-SNE plane; frames: {names}; star: your map", fontsize=8)
    return figure


def plot_line(line: Line, *, title: str = "") -> Figure:
    """The score along the straight line in exchange constants from one model to another."""
    figure = _figure(6.0, 3.4, title)
    axes = figure.subplots()
    axes.plot(100 * line.shares, line.scores, marker="o", color=COLOURS[0])
    axes.axhline(0, color="0.4", linewidth=0.8)
    if np.isfinite(line.turn):
        axes.axvline(100 * line.turn, color=COLOURS[1], linestyle="--", label=f"changes its mind at {line.turn:.0%}")
        axes.legend(fontsize=8)
    axes.set_xlabel(f"exchange constants: share of {line.second} against {line.first} (%)")
    axes.set_ylabel(f"why {line.first} and\nnot {line.second} (logits)")
    return figure
