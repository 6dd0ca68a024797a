"""What was understood of a material: text with its spins, bonds, energy and stability, and a picture of the structure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.errors import InstabilityError
from mantid_insdl.materials.material import Material
from mantid_insdl.spinwave.hamiltonian import Hamiltonian
from mantid_insdl.spinwave.modes import UNSTABLE, spin_waves
from mantid_insdl.spinwave.structure import ClassicalEnergy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def summarise(material: Material, parameters: Mapping[str, float] | None = None, *, grid: int = 8) -> str:
    """The material in words and tables.

    Parameters
    ----------
    material
        The magnet.
    parameters
        Values in place of its own.
    grid
        Stability is looked at on `grid` momenta along each reciprocal axis along which the magnet is coupled.
    """
    values = material.resolve(parameters)
    model = material.model
    cell = material.cell
    lines = [material.title, ""]
    lines += [f"Cell: a = {cell.a:g}, b = {cell.b:g}, c = {cell.c:g} angstrom; {cell.alpha:g}, {cell.beta:g}, {cell.gamma:g} degrees"]
    lines += [f"Maps are in r.l.u. of the {material.frame}.", "", f"Spins in the cell: {len(model.sites)}"]
    for label in dict.fromkeys(s.label for s in model.sites):
        same = [s for s in model.sites if s.label == label]
        ways = sorted({tuple(np.round(s.direction, 3).tolist()) for s in same}, reverse=True)
        where = " and ".join("(" + ", ".join(f"{x:g}" for x in way) + ")" for way in ways)
        lines.append(f"  {label:10} {len(same):3} x S = {same[0].spin:g}  {same[0].ion or 'no form factor':6} along {where}")
    lines += ["", f"  {'coupling':10}{'value':>10} {'unit':4}{'bonds':>7}{'length':>10}  what it is"]
    for parameter in material.parameters:
        bonds = [b for b in model.bonds if b.parameter == parameter.name]
        lengths = [
            np.linalg.norm((model.sites[b.j].position + np.array(b.cell) - model.sites[b.i].position) @ model.lattice.vectors)
            for b in bonds
        ]
        span = (
            "" if not bonds else f"{min(lengths):.3f}" if max(lengths) - min(lengths) < 5e-4 else f"{min(lengths):.2f}-{max(lengths):.2f}"
        )
        count = f"{len(bonds)}" if bonds else ""
        lines.append(f"  {parameter.name:10}{values[parameter.name]:>10g} {parameter.unit:4}{count:>7}{span:>10}  {parameter.description}")
    lines += ["", *_state(material, values, grid), "", "Sources:", *(f"  {source}" for source in material.sources)]
    return "\n".join(lines)


def _state(material: Material, values: dict[str, float], grid: int) -> list[str]:
    """Energy, stability and band in words."""
    model = material.model
    couplings = material.couplings(values)
    table = model.parameter_table(couplings)
    classical = ClassicalEnergy(model)
    energy = classical.energy(table, np.array([s.direction for s in model.sites]))[0]
    lines = [f"Classical energy: {energy / len(model.sites):.4f} meV a spin"]
    try:
        classical.require_stationary(table)
    except InstabilityError as error:
        return [*lines, str(error)]
    coupled = [any(b.cell[axis] for b in model.bonds) for axis in range(3)]
    momenta = [np.arange(grid) / grid + 0.25 / grid if one else np.zeros(1) for one in coupled]
    q = np.stack(np.meshgrid(*momenta, indexing="ij"), -1).reshape(-1, 3)
    modes = spin_waves(model, q, couplings)
    unstable = modes.status[0] == UNSTABLE
    if unstable.any():
        at = q[np.nanargmin(np.where(unstable, modes.lowest[0], np.inf))]
        where = ", ".join(f"{x:.3f}" for x in at)
        lines.append(
            f"Unstable: at {unstable.sum()} of {len(q)} momenta the structure is no minimum, worst at ({where}) of the magnetic cell"
        )
    else:
        lines.append(f"Stable at all of {len(q)} momenta; energies from {modes.energies.min():.3f} to {modes.energies.max():.3f} meV")
    folds = "folds to N x N" if Hamiltonian(model).folds else "needs the full 2N x 2N form"
    return [*lines, f"The spin-wave Hamiltonian {folds}."]


def plot_structure(material: Material, parameters: Mapping[str, float] | None = None) -> Figure:
    """Each layer of the cell seen along c: spins as arrows (dots or crosses where along c), bonds coloured by their coupling.

    Bonds between layers are in the legend only.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    model, values = material.model, material.resolve(parameters)
    heights = sorted({round(float(s.position[2]), 4) for s in model.sites})[:4]
    figure = Figure(figsize=(4.5 * len(heights) + 2.5, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(heights), squeeze=False)[0]
    drawn = list(dict.fromkeys(b.parameter for b in model.bonds))
    colours = {name: colormaps["tab10"](index % 10) for index, name in enumerate(drawn)}
    for axes, height in zip(panels, heights, strict=True):
        _draw_layer(axes, material, height, colours)
    for name in drawn:
        panels[-1].plot([], [], color=colours[name], linewidth=3, label=f"{name} = {values[name]:g} meV")
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    figure.suptitle(material.title)
    return figure


def _draw_layer(axes: Axes, material: Material, height: float, colours: Mapping[str, tuple[float, ...]]) -> None:
    """Sites at one height of the cell, with the bonds between them."""
    model = material.model
    vectors = model.lattice.vectors
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]]) @ vectors
    axes.plot(corners[:, 0], corners[:, 1], color="0.6", linewidth=1, label="magnetic cell")
    here = [abs(s.position[2] - height) < 1e-3 for s in model.sites]
    lines = []
    for bond in model.bonds:
        if here[bond.i] and here[bond.j] and bond.cell[2] == 0:
            ends = np.array([model.sites[bond.i].position, model.sites[bond.j].position + np.array(bond.cell)]) @ vectors
            lines.append((float(np.linalg.norm(ends[1] - ends[0])), ends, bond.parameter))
    # long bonds lie over short ones where sites are in line: broad and beneath, so that both are seen
    shortest = min((length for length, _, _ in lines), default=1.0)
    for length, ends, name in sorted(lines, key=lambda line: -line[0]):
        width = 2.5 if length < 1.05 * shortest else 7.0
        axes.plot(ends[:, 0], ends[:, 1], color=colours[name], linewidth=width, alpha=0.9 if width < 5 else 0.4, zorder=1)
    size = 0.35 * min(model.lattice.a, model.lattice.b) / np.sqrt(max(2, sum(here)))
    for site, shown in zip(model.sites, here, strict=True):
        if not shown:
            continue
        x, y, _ = site.position @ vectors
        sx, sy, sz = site.direction * size
        if abs(site.direction[2]) > 0.9:
            axes.plot(x, y, marker="o" if sz > 0 else "x", color="black", markersize=9, zorder=3)
        else:
            axes.annotate("", (x + sx, y + sy), (x - sx, y - sy), arrowprops={"arrowstyle": "-|>", "linewidth": 2.0}, zorder=3)
            axes.plot(x, y, marker="o", color="black", markersize=4, zorder=3)
    axes.set(xlabel="x (angstrom)", ylabel="y (angstrom)", title=f"z = {height:g} c", aspect="equal")
