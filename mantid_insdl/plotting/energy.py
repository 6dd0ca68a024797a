"""Pictures against energy: powder maps, cuts along a path, and dispersions as lines whose colour and width show their intensity."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.errors import MapError
from mantid_insdl.plotting.style import CHIRAL, Style, extend, style_of
from mantid_insdl.untrusted.text import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    from mantid_insdl.maps import Map
    from mantid_insdl.simulation.spectra import Dispersion

DPI = 200
SIZE = (6.4, 4.8)
_AXES_WIDTH = 4.7  # inches, about

_LINES = Style("viridis_r", quantity="S_perp")
_THIN, _THICK = 0.8, 4.0
_UNSEEN = 0.005
"""Part of the intensity scale below which a line stays grey."""
_TOGETHER = 0.004
"""Modes nearer than this part of the energy scale are drawn as one line, and their intensities added, if they stay so near ..."""
_STRETCH = 0.05
"""... over this part of the path: lines that cross are two."""
_DEGENERATE = 1e-7
"""Part of the energy scale below which two energies are the same: there the intensity of each by itself is no property of the magnet."""

_GREEK = {"g": "Γ", "gamma": "Γ", "γ": "Γ", "delta": "Δ", "lambda": "Λ", "sigma": "Σ"}
_FRACTIONS = {1 / 2: "½", 1 / 3: "⅓", 2 / 3: "⅔", 1 / 4: "¼", 3 / 4: "¾"}


def plot_powder(m: Map, *, title: str = "") -> Figure:
    r"""A \|Q\|-E map: momentum transfer along x, energy transfer along y."""
    return _plot_energy_map(m, "powder", title)


def plot_cut(m: Map, *, title: str = "", dispersion: Dispersion | None = None) -> Figure:
    """A cut along a path in momentum: with lines and names at its corners, or else the momenta of some of its points.

    Parameters
    ----------
    m
        A map of kind ``cut``.
    title
        Written above; the material by default.
    dispersion
        Lines to draw over the intensity, along the same path.

    Raises
    ------
    MapError
        If the map is no cut, or the dispersion is along another path.
    """
    figure = _plot_energy_map(m, "cut", title)
    axes = figure.axes[0]
    if dispersion is not None:
        if dispersion.axis.size != m.axes[0].size or not m.axes[0].matches(dispersion.axis):
            raise MapError("cannot draw the dispersion over the cut", "it is along another path", "calculate both for the same corners")
        limits = axes.get_xlim(), axes.get_ylim()
        axes.plot(dispersion.axis.centres, dispersion.energies, color=_over(style_of(m)), linewidth=0.4)
        axes.set(xlim=limits[0], ylim=limits[1])
    return figure


def plot_dispersion(found: Dispersion, *, title: str = "") -> Figure:
    """Energies along a path as lines, the more intense the thicker and darker; grey lines are modes that no neutron sees.

    Modes of nearly the same energy are one line with the sum of their intensities; lines that cross go on straight. The scale ends at the
    98th percentile, since an antiferromagnet's intensity diverges at its magnetic zone centres. Of a chiral component red is positive and
    blue negative.

    Parameters
    ----------
    found
        From `mantid_insdl.simulation.spectra.dispersion`.
    title
        Written above; the material by default.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    style = CHIRAL if found.component == "chiral" else _LINES
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    where, energies = found.axis.centres, found.energies
    top = float(np.nanmax(energies, initial=0.0)) or 1.0
    order = _branches(energies, found.s_perp, top, [index for index, _ in found.corners])
    energies = np.take_along_axis(energies, order, axis=1)
    intensities = _together(energies, np.take_along_axis(found.s_perp, order, axis=1), top)
    scale = style.scale(intensities, 98)
    norm = style.norm(scale)
    starts, ends = (np.stack((np.broadcast_to(where[part, None], energies[part].shape), energies[part]), axis=-1)
                    for part in (slice(None, -1), slice(1, None)))  # fmt: skip
    segments = np.stack((starts, ends), axis=-2).reshape(-1, 2, 2)
    values = _between(intensities).ravel()
    axes.plot(where, energies, color="0.8", linewidth=_THIN, zorder=1)
    seen = np.flatnonzero((np.abs(values) > _UNSEEN * scale[1]) & np.all(np.isfinite(segments), axis=(1, 2)))
    seen = seen[np.argsort(np.abs(values[seen]), kind="stable")]  # the strongest on top
    strength = np.sqrt(np.clip(np.abs(values[seen]) / scale[1], 0, 1))
    lines = LineCollection(
        segments[seen],
        array=values[seen],
        cmap=style.colours,
        norm=norm,
        linewidths=_THIN + (_THICK - _THIN) * strength,
        capstyle="round",
        zorder=2,
        rasterized=seen.size > 20_000,
    )
    axes.add_collection(lines)
    axes.set(xlim=where[[0, -1]], ylim=(0, 1.06 * top))
    axes.set_ylabel("energy (meV)")
    title_axes(axes, title or found.title or found.material)
    _draw_corners(axes, where, found.hkl, found.corners, colour="0.5")
    _name_momentum(figure, axes, found.frame)
    named = {"perp": "S⊥", "chiral": r"chiral $i(S^{yz}-S^{zy})$"}.get(found.component, f"$S^{{{found.component}}}$")
    figure.colorbar(lines, ax=axes, extend=extend(values[seen], scale), label=f"{named} (spin² per magnetic ion)")
    return figure


def _branches(energies: np.ndarray, intensities: np.ndarray, top: float, corners: Sequence[int]) -> np.ndarray:
    """Order of the modes at each point, (point, mode), in which every mode goes on straight, through crossings, and as strong as it was."""
    strength = np.sqrt(np.abs(np.nan_to_num(intensities)))
    strength *= _TOGETHER * top / (strength.max(initial=0.0) or 1.0)
    order = np.empty(energies.shape, int)
    order[0] = np.arange(energies.shape[1])
    before = now = energies[0]
    for point, there in enumerate(energies[1:], 1):
        # behind a corner the slope is another one: only the energy goes on
        expected = now if point - 1 in corners else 2 * now - before
        cost = np.abs(np.nan_to_num(expected)[:, None] - np.nan_to_num(there))
        cost += np.abs(strength[point - 1, order[point - 1]][:, None] - strength[point])
        order[point] = _paired(cost, order[point - 1])
        before, now = now, there[order[point]]
    return order


def _paired(cost: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The column of each row of a square `cost`, from those of `order` on, with no two of them exchanged for a larger sum."""
    order = order.copy()
    while True:
        chosen = cost[:, order]
        own = chosen.diagonal()
        gain = own[:, None] + own - chosen - chosen.T
        first, second = np.unravel_index(np.argmax(gain), gain.shape)
        if gain[first, second] <= 1e-9 * own.sum():
            return order
        order[[first, second]] = order[[second, first]]


def _together(energies: np.ndarray, intensities: np.ndarray, top: float) -> np.ndarray:
    """Intensities (point, mode) of lines: summed over modes that go together, NaN where a mode's own is or is not defined."""
    apart = np.abs(energies[:, :, None] - energies[:, None, :])
    stretch = max(3, int(_STRETCH * len(energies)))
    joined = _stretches(apart < _TOGETHER * top, stretch) | np.eye(energies.shape[1], dtype=bool)
    meeting = np.any((apart < _DEGENERATE * top) & ~joined, axis=2)
    summed = np.einsum("pij,pj->pi", joined, np.nan_to_num(intensities))
    return np.where(np.isnan(intensities) | meeting, np.nan, summed)


def _stretches(true: np.ndarray, length: int) -> np.ndarray:
    """Where (point, ...) is true at that many points on end."""
    before = np.cumsum(np.pad(true, ((1, 0), (0, 0), (0, 0))), axis=0)
    whole = before[length:] - before[:-length] == length  # of the stretch that begins at each point
    begun = np.cumsum(np.pad(whole, ((length, length - 1), (0, 0), (0, 0))), axis=0)
    return begun[length:] > begun[:-length]


def _between(values: np.ndarray) -> np.ndarray:
    """Mean of neighbouring points (point, mode); of one of them where the other is NaN."""
    first, second = values[:-1], values[1:]
    return 0.5 * (np.where(np.isnan(first), second, first) + np.where(np.isnan(second), first, second))


def _plot_energy_map(m: Map, kind: str, title: str) -> Figure:
    from matplotlib.figure import Figure

    if m.kind != kind:
        raise MapError(f"cannot draw a map of kind '{m.kind}' as a {kind} map", f"its axes are {m.axes[0].name} and {m.axes[1].name}")
    style = style_of(m)
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    scale = style.scale(m.intensity)
    image = draw_energy_map(axes, m, style, scale)
    words = title or " ".join(filter(None, [m.material, "|Q|-E map" if kind == "powder" else "cut"]))
    title_axes(axes, words + (f", Ei = {m.ei:g} meV" if m.ei else ""))
    label = f"{style.quantity} ({literal(m.intensity_unit)})" + (f"; masked: {style.masked_word}" if m.mask.any() else "")
    figure.colorbar(image, ax=axes, extend=extend(m.intensity, scale), label=label)
    return figure


def draw_energy_map(axes: Axes, m: Map, style: Style, scale: tuple[float, float]) -> ScalarMappable:
    """A powder map or a cut with its axes named, and a cut's corners or else momenta of some points; returns what a colour bar needs."""
    momentum, energy = m.axes
    axes.set_facecolor(style.masked)
    image = axes.pcolormesh(momentum.edges, energy.edges, m.intensity.T, cmap=style.colours, norm=style.norm(scale), rasterized=True)
    axes.set_xlabel(f"|Q| ({literal(momentum.unit)})" if m.kind == "powder" else literal(momentum.title))
    axes.set_ylabel(f"energy transfer ({literal(energy.unit)})")
    if m.path is not None and m.corners:
        _draw_corners(axes, momentum.centres, m.path, m.corners, colour=_over(style))
    elif m.path is not None:
        shown = np.unique(np.linspace(0, momentum.size - 1, 6).round().astype(int))
        axes.set_xticks(momentum.centres[shown], ["\n".join(f"{x:.3g}" for x in m.path[i] + 0.0) for i in shown])
    if m.path is not None:
        _name_momentum(axes.figure, axes, m.frame)
    return image


def _over(style: Style) -> str:
    """The colour of lines over an intensity."""
    return "0.35" if style.signed else "0.95"


def title_axes(axes: Axes, words: str) -> None:
    """A title in lines that fit."""
    axes.set_title("\n".join(textwrap.wrap(literal(words), 70)), fontsize=10)


def _name_momentum(figure: Figure, axes: Axes, frame: str) -> None:
    """Name of the momentum axis; below it in small letters what its r.l.u. are."""
    axes.set_xlabel("momentum h, k, l (r.l.u.)")
    if frame:
        figure.supxlabel("\n".join(textwrap.wrap(literal(f"r.l.u. of the {frame}"), 95)), fontsize=8, color="0.35")


def _draw_corners(axes: Axes, where: np.ndarray, hkl: np.ndarray, corners: Sequence[tuple[int, str]], *, colour: str) -> None:
    """Vertical lines at the corners, their names and momenta below."""
    places = np.array([where[index] for index, _ in corners])
    axes.set_xlim(where[0], where[-1])
    for place in places[1:-1]:
        axes.axvline(place, color=colour, linewidth=0.8, zorder=1.5)
    narrow = np.min(np.diff(places), initial=np.inf) / (where[-1] - where[0]) * _AXES_WIDTH < 0.75
    named = any(label for _, label in corners)
    labels = []
    for index, label in corners:
        numbers = [_number(x) for x in hkl[index]]
        below = "\n".join(numbers) if narrow else "(" + ", ".join(numbers) + ")"
        labels.append(f"{_name(label)}\n{below}" if named else below)
    axes.set_xticks(places, labels)
    axes.tick_params(axis="x", length=0, pad=6)


def _name(label: str) -> str:
    """A corner's name as it is drawn: Greek letters for their names, and G for Gamma."""
    return literal(_GREEK.get(label.lower(), label))


def _number(value: float) -> str:
    """A component of a momentum, the usual fractions as such."""
    sign = "−" if value < -1e-9 else ""
    for fraction, text in _FRACTIONS.items():
        if abs(abs(value) - fraction) < 1e-6:
            return sign + text
    return sign + f"{abs(value):.3g}"
