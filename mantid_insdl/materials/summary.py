"""What was understood of a material: text with its spins, bonds, energy and stability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mantid_insdl.errors import InstabilityError
from mantid_insdl.materials.bonds import Coupling, bond_name
from mantid_insdl.materials.material import Material
from mantid_insdl.materials.relaxing import lower_order
from mantid_insdl.materials.schema import DomainSpec
from mantid_insdl.materials.shells import bond_length, kinds, kinds_within
from mantid_insdl.materials.spin_waves import modes_of, ordered, uniform_model
from mantid_insdl.spinwave.hamiltonian import Hamiltonian
from mantid_insdl.spinwave.lattice import Lattice
from mantid_insdl.spinwave.model import Bond, SpinModel
from mantid_insdl.spinwave.modes import UNSTABLE
from mantid_insdl.spinwave.stevens import describe_operators
from mantid_insdl.spinwave.structure import ClassicalEnergy
from mantid_insdl.spinwave.symmetry import Ends, describe, reversed_ends


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
    model, k, unrelaxed = _shown(material, values)
    lines = [material.title, "", *_crystal(material), "", f"Spins in the cell: {len(model.sites)}"]
    elements = {spec.name: element for spec, element in zip(material.sites, material.crystal.elements, strict=True) if element}
    origin = [material.sites[index] for index in material.crystal.origin] * (len(model.sites) // len(material.crystal.origin))
    kinds = [(s.label, s.spin, spec.scatterer_name) for s, spec in zip(model.sites, origin, strict=True)]
    for label, spin, named in dict.fromkeys(kinds):
        same = [s for s, kind in zip(model.sites, kinds, strict=True) if kind == (label, spin, named)]
        ways = sorted({tuple((np.round(s.direction, 3) + 0.0).tolist()) for s in same}, reverse=True)
        where = " and ".join(_vector(way) for way in ways)
        atom = f" (atom {elements[label]})" if label in elements else ""
        lines.append(f"  {label:10} {len(same):3} x S = {spin:g}  {named:6}{atom} along {where}")
    if any(np.any(spec.g_tensor != 2 * np.eye(3)) for spec in material.sites):
        lines.append(
            "Neutrons see " + ("moments g S / 2." if material.scattering == "moments" else "spins: g-tensors change no intensity.")
        )
    for turn, name in ((material.order, "Order"), (material.spiral, "Spiral in the rotating frame")):
        if turn is not None:
            how = "spins reversed" if turn.axis is None else f"about {_vector(turn.axis)}"
            lines.append(f"{name}: k = {_vector(turn.k if k is None else k)} r.l.u. of the file's cell, {how}")
    if material.relaxed:
        lines.append("The order follows the parameters" + ("; shown is the stated one." if unrelaxed else _away(material, model, k)))
    lines += ["", f"  {'coupling':10}{'value':>10} {'unit':4}{'bonds':>7}{'length':>10}  what it is"]
    for parameter in material.parameters:
        lengths = [_length(model, b) for b in model.bonds if b.parameter == parameter.name]
        span = _span(lengths) if lengths else ""
        count = f"{len(lengths)}" if lengths else ""
        lines.append(f"  {parameter.name:10}{values[parameter.name]:>10g} {parameter.unit:4}{count:>7}{span:>10}  {parameter.description}")
    lines += ["", *_bonds(material)] if material.bonds else []
    lines += _onsite(material)
    if material.dipoles is not None:
        shape = ", ".join(f"{x:.3g}" for x in np.diag(material.dipoles.tensor))
        lines += ["", f"Dipole-dipole interaction of all moments, times {material.dipoles.parameter}; demagnetisation {shape}"]
    lines += ["", *_shells(material)]
    noted = [*filter(None, [*material.remarks, "" if unrelaxed else lower_order(material, values)])]
    lines += ["", *(f"Note: {remark}" for remark in noted)] if noted else []
    lines += ["", *(unrelaxed or _state(material, values, grid)), "", "Sources:", *(f"  {source}" for source in material.sources)]
    return "\n".join(lines)


def _shown(material: Material, values: Mapping[str, float]) -> tuple[SpinModel, np.ndarray | None, list[str]]:
    """The model with its order, k of a spiral, and why that is the stated one although it should follow the parameters."""
    try:
        return *ordered(material, material.couplings(values)), []
    except InstabilityError as error:
        return material.model, None, [str(error)]


def _away(material: Material, model: SpinModel, k: np.ndarray | None) -> str:
    """How far a relaxed order is from the stated one, in words."""
    pairs = zip(material.model.sites, model.sites, strict=True)
    turned = np.degrees(max(2 * np.arcsin(0.5 * np.linalg.norm(a.direction - b.direction)) for a, b in pairs))
    away = "" if k is None else f", and k by {_vector(np.round(k - np.array(material.spiral.k), 7))}"
    return f"; shown is that of these values, from which the stated one differs by up to {round(turned, 4):.3g} degrees{away}."


def _vector(numbers: Sequence[float]) -> str:
    return "(" + ", ".join(f"{x + 0.0:.6g}" for x in numbers) + ")"


def _length(model: SpinModel, bond: Bond) -> float:
    apart = model.sites[bond.j].position + np.array(bond.cell) - model.sites[bond.i].position
    return float(np.linalg.norm(apart @ model.lattice.vectors))


def _span(lengths: Sequence[float]) -> str:
    return f"{min(lengths):.3f}" if max(lengths) - min(lengths) < 5e-4 else f"{min(lengths):.2f}-{max(lengths):.2f}"


def _cell(lattice: Lattice) -> str:
    return (
        f"a = {lattice.a:g}, b = {lattice.b:g}, c = {lattice.c:g} angstrom; {lattice.alpha:g}, {lattice.beta:g}, {lattice.gamma:g} degrees"
    )


def _crystal(material: Material) -> list[str]:
    """Cell, symmetry, frame of the maps and domains in words."""
    crystal, model = material.crystal, material.model
    lines = [f"Cell: {_cell(crystal.lattice)}"]
    if material.cif is not None:
        lines[0] += f" (from {Path(material.cif).name})"
    if model.lattice is not crystal.lattice:
        rows = "; ".join(", ".join(f"{n}" for n in row) for row in material.supercell_matrix.tolist())
        lines.append(f"Magnetic cell: {_cell(model.lattice)}, rows [{rows}] of that cell")
    if crystal.equivalents is not None:
        lines.append(f"Symmetry: {crystal.symmetry.name}, {len(crystal.symmetry.rotations)} operations")
    lines.append(f"Maps are in r.l.u. of the {material.frame}.")
    if not np.array_equal(material.map.axes, np.eye(3)):
        along = " and ".join(_vector(axis) for axis in material.map.axes[:2])
        lines.append(f"Qh and Qk of its maps lie along {along} of the data.")
    if material.map.beam != (0.0, 0.0, 1.0):
        lines.append(f"The incident beam is along {_vector(material.map.beam)} of the maps' r.l.u.")
    if isinstance(material.map.twins, list):
        lines.append("Domains: " + "; ".join(_domain(domain) for domain in material.map.twins))
    elif material.map.twins == "swap":
        lines.append("Twins: a and b exchanged in equal parts")
    return lines


def _domain(domain: DomainSpec) -> str:
    if domain.axis is not None:
        how = f"turned by {domain.angle:g} degrees about {_vector(domain.axis)}"
    elif domain.mirror is not None:
        how = f"reflected at the plane with the normal {_vector(domain.mirror)}"
    else:
        how = "as it is" if domain.matrix is None else f"moved by {_matrix(domain.rotation)}"
    return f"{domain.weight:g} {how}"


def _matrix(matrix: np.ndarray) -> str:
    return "[" + ", ".join("[" + ", ".join(f"{x + 0.0:.4g}" for x in row) + "]" for row in np.round(matrix, 6)) + "]"


def _bonds(material: Material) -> list[str]:
    """The entries of the file with their bonds, one line for each length, pair of labels and kind, and what symmetry allows."""
    crystal = material.crystal
    cells = len(material.model.sites) // len(crystal.sites)
    lines = [f"  {'bonds of':10}{'number':>7}{'length':>10}  for instance"]
    for index, spec in enumerate(material.bonds):
        groups: dict[tuple, list[Coupling]] = {}
        own = [coupling for coupling in material.exchange if coupling.spec == index]
        unlike = kinds(crystal, [coupling.ends for coupling in own])
        for coupling in own:
            labels = tuple(sorted(crystal.sites[end].label for end in coupling.ends[:2]))
            kind = next(number for number, bonds in enumerate(unlike) if coupling.ends in bonds)
            key = (round(bond_length(crystal, coupling.ends), 3), labels, kind)
            groups.setdefault(key, []).append(coupling)
        for (length, *_), couplings in groups.items():
            first = couplings[0]
            form = "biquadratic" if spec.biquadratic else "isotropic"
            if spec.dm is not None:
                form = f"Dzyaloshinskii-Moriya, D along {_vector(spec.dm)}"
            elif spec.matrix is not None:
                form = f"matrix {_matrix(first.matrix)}"
            lines.append(f"  {spec.parameter:10}{len(couplings) * cells:>7}{length:>10.3f}  {bond_name(crystal, first.ends)}, {form}")
            if crystal.equivalents is not None and not spec.biquadratic:
                basis = crystal.equivalents.allowed_exchange(first.ends)
                lines.append(f"{'':31}symmetry allows {describe(basis)}")
    return lines


MORE_SHELLS = 3
"""Shells that are listed beyond the longest bond of the file."""
MOST_KINDS = 40
"""Kinds of bonds that are listed."""


def _shells(material: Material) -> list[str]:
    """All kinds of bonds, up to a few shells beyond the longest of the file: what couples them, or what symmetry allows."""
    crystal = material.crystal
    cells = len(material.model.sites) // len(crystal.sites)
    couplings: dict[Ends, list[str]] = {}
    for coupling in material.exchange:
        for ends in (coupling.ends, reversed_ends(coupling.ends)):
            couplings.setdefault(ends, []).append(material.bonds[coupling.spec].parameter)
    reach = max((_length(material.model, bond) for bond in material.model.bonds), default=0.0)
    listed = kinds_within(crystal, reach, more=MORE_SHELLS)
    lines = [f"  {'shell':10}{'number':>7}{'length':>10}  for instance"]
    for kind in listed[:MOST_KINDS]:
        names = list(dict.fromkeys(name for ends in kind.bonds for name in couplings.get(ends, [])))
        what = ", ".join(names) or "no coupling"
        if not names and crystal.equivalents is not None:
            what += f", symmetry allows {describe(crystal.equivalents.allowed_exchange(kind.bonds[0]))}"
        where = bond_name(crystal, kind.bonds[0])
        lines.append(f"  {kind.name:10}{len(kind.bonds) * cells:>7}{kind.length:>10.3f}  {where}: {what}")
    return [*lines, f"  and {len(listed) - MOST_KINDS} more"] if len(listed) > MOST_KINDS else lines


def _onsite(material: Material) -> list[str]:
    """What symmetry allows of the single-ion terms."""
    crystal = material.crystal
    if crystal.equivalents is None or not material.anisotropy:
        return []
    first = {site.label: index for index, site in reversed(list(enumerate(crystal.sites)))}
    lines = []
    for label, index in sorted(first.items(), key=lambda item: item[1]):
        lines.append(f"  On {label} symmetry allows the single-ion matrix {describe(crystal.equivalents.allowed_anisotropy(index))}")
        if any(spec.stevens for spec in material.anisotropy):
            each = (describe_operators(crystal.equivalents.allowed_operators(index, degree)) for degree in (4, 6))
            lines[-1] += ", and of Stevens operators " + "; ".join(each)
    return lines


def _state(material: Material, values: dict[str, float], grid: int) -> list[str]:
    """Energy, stability and band in words."""
    if not any(values.values()):
        return ["No parameter has a value other than zero: there is nothing to calculate."]
    couplings = material.couplings(values)
    model, uniform = material.model, uniform_model(material, couplings)
    table = uniform.parameter_table(couplings)
    classical = ClassicalEnergy(uniform)
    energy = classical.energy(table, np.array([s.direction for s in uniform.sites]))[0]
    lines = [f"Classical energy: {energy / len(model.sites):.4f} meV a spin"]
    try:
        classical.require_stationary(table)
    except InstabilityError as error:
        return [*lines, str(error)]
    coupled = [model.dipoles is not None or any(b.cell[axis] for b in model.bonds) for axis in range(3)]
    momenta = [np.arange(grid) / grid + 0.25 / grid if one else np.zeros(1) for one in coupled]
    q = np.stack(np.meshgrid(*momenta, indexing="ij"), -1).reshape(-1, 3)
    modes = modes_of(material, q, couplings)
    unstable = modes.status[0] == UNSTABLE
    if unstable.any():
        at = q[np.nanargmin(np.where(unstable, modes.lowest[0], np.inf))]
        where = ", ".join(f"{x:.3f}" for x in at)
        lines.append(
            f"Unstable: at {unstable.sum()} of {len(q)} momenta the structure is no minimum, worst at ({where}) of the magnetic cell; "
            f"{material.remedy(values)}"
        )
    else:
        lines.append(f"Stable at all of {len(q)} momenta; energies from {modes.energies.min():.3f} to {modes.energies.max():.3f} meV")
    folds = "folds to N x N" if Hamiltonian(uniform).folds else "needs the full 2N x 2N form"
    return [*lines, f"The spin-wave Hamiltonian {folds}."]
