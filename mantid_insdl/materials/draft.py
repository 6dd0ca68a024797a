"""A first material file out of a CIF file: its magnetic sites, their order where the file tells it, and the couplings that symmetry allows.

What the CIF file does not tell is marked ``to be set``: no coupling has a value, and without moments all spins are parallel.
"""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np

from mantid_insdl.errors import MaterialError, printable
from mantid_insdl.materials.bonds import bond_name
from mantid_insdl.materials.charges import assumed_charges
from mantid_insdl.materials.cif import Atom, CifCrystal, read_cif
from mantid_insdl.materials.crystal import FULL, Crystal, crystal_of, exact_thirds
from mantid_insdl.materials.description import MaterialFile
from mantid_insdl.materials.ions import usual_spin
from mantid_insdl.materials.loading import parse_material
from mantid_insdl.materials.schema import SpecError
from mantid_insdl.materials.shells import Kind, kind_name, kinds, kinds_within, shells
from mantid_insdl.spinwave.form_factors import tables_of
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.symmetry import SymmetricSites, allowed_dm, describe, expand, find_symmetry

REACH = 6.0
"""Length in angstrom up to which bonds are listed, where no other is given."""
MOST_KINDS = 200
"""Kinds of bonds of a draft: more are nothing to edit."""
_OPEN_SHELLS = ["Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Mo", "Tc", "Ru", "Rh", "Re", "Os", "Ir", "Eu", "U", "Np", "Pu"]
"""Elements that are taken for magnetic where their charge is not known."""


def draft(cif: str | Path, *, reach: float | None = None, folder: str | Path = ".", name: str | None = None) -> str:
    """The text of a first material file: YAML that loads.

    Parameters
    ----------
    cif
        A CIF file, magnetic or not.
    reach
        Length in angstrom up to which bonds are listed; by default 6, or that of the shortest bond where it is longer.
    folder
        Where the file will be: the path of the CIF file is relative to it.
    name
        Of the material; by default that of the CIF file.

    Raises
    ------
    MaterialError
        If the file cannot be read, has no magnetic ion, or makes no magnet; if there is no bond up to `reach`, or too many.
    """
    path = Path(cif)
    crystal, title = read_cif(path), name or path.stem
    entries, remarks = _sites(crystal, path)
    head = {"name": title, "title": printable(crystal.formula[:200]) or title, "family": title}
    head["sources"] = [printable(crystal.source[:300]) or f"the CIF file {path.name}"]
    magnet = _magnet({**head, "parameters": [], "cif": str(path.absolute()), "sites": entries, "bonds": []}, path)
    listed = _kinds(magnet, path, reach)
    parameters = _parameters(crystal, magnet, listed)
    lines = [
        f"# Made from {_comment(path.name)}. What is to be set is yours; insdl material FILE shows what is understood of it.",
        *(_line({key: value}) for key, value in head.items()),
        "parameters:  # value, low and high are to be set, in meV: J > 0 is antiferromagnetic; leave out those whose bonds you leave out",
        *(f"  - {_flow(parameter)}" for parameter in {one["name"]: one for one in parameters}.values()),
        _line({"cif": _relative(path, Path(folder))}),
        "sites:",
    ]
    for entry, remark in zip(entries, remarks, strict=True):
        lines += [f"  # {_comment(remark)}", f"  - {_flow(entry)}"]
    lines.append("bonds:  # isotropic, unless a matrix or a vector dm is given; letters stand for free numbers, Cartesian")
    for kind, parameter in zip(listed, parameters, strict=True):
        shell = int(kind.name) if kind.name.isdecimal() else kind.name
        lines += [f"  # {_comment(_allowed(magnet, kind))}", f"  - {_flow({'parameter': parameter['name'], 'shell': shell})}"]
    lines += [*_anisotropy(magnet), *_frame(crystal)]
    text = "\n".join(lines) + "\n"
    parse_material(text, f"made from {path.name}", Path(folder).absolute())
    return text


def _flow(data: Any) -> str:
    """YAML in one line."""
    import yaml

    return yaml.safe_dump(data, default_flow_style=True, sort_keys=False, width=float("inf"), allow_unicode=True).strip()


def _line(entry: dict[str, Any]) -> str:
    """An entry of the whole file."""
    return _flow(entry)[1:-1]


def _comment(text: str) -> str:
    """Text in a line that is a comment, whatever a CIF file puts into it."""
    return printable(" ".join(text.split()))


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return path.absolute().as_posix()


def _sites(crystal: CifCrystal, path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Entries of the magnetic atoms, each with a remark: those with a moment; in a file without moments, those whose ion may have one."""
    ions = _ions(crystal)
    known = {label: atoms for label, atoms in crystal.atoms.items() if all(np.all(np.isfinite(atom.position)) for atom in atoms)}
    ordered = any(_moment(atom) for atoms in known.values() for atom in atoms)
    entries, remarks, taken = [], [], set()
    for label, atoms in sorted(known.items(), key=lambda item: -item[1][0].occupancy):
        ion, why = ions[label]
        others = {other for atom in atoms for other in crystal.sharing(atom)} - {label}
        if others & taken or not (any(map(_moment, atoms)) if ordered else _may_be_magnetic(ion)):
            continue
        taken.add(label)
        entry, remark = _site(label, atoms, ion, why, sorted(others))
        entries.append(entry)
        remarks.append(remark)
    if not entries:
        raise MaterialError(
            f"the CIF file '{path}' has no magnetic ion",
            f"its atoms are {', '.join(dict.fromkeys(ion or label for label, (ion, _) in ions.items()))}",
            "give the file of a magnet; if one of these has a moment, write the material file by hand",
        )
    return entries, remarks


def _moment(atom: Atom) -> float:
    """In Bohr magnetons."""
    return 0.0 if atom.moment is None else float(np.linalg.norm(atom.moment))


def _ions(crystal: CifCrystal) -> dict[str, tuple[str, str]]:
    """The ion of each label, with its charge if that is known or assumed; and why it is assumed."""
    amounts: dict[str, float] = {}
    for atom in (atom for atoms in crystal.atoms.values() for atom in atoms):
        if atom.symbol and np.all(np.isfinite(atom.position)):
            places = len(expand(crystal.symmetry, crystal.lattice, atom.position)[0])
            amounts[atom.symbol] = amounts.get(atom.symbol, 0.0) + places * atom.occupancy
    assumed = assumed_charges(amounts)
    found = {}
    for label, (atom, *_) in crystal.atoms.items():
        charge, why = assumed.get(atom.symbol, (0, ""))
        found[label] = (f"{atom.symbol}{charge}+", why) if charge else (atom.symbol, "")
    return found


def _may_be_magnetic(ion: str) -> bool:
    element = re.match("[A-Za-z]*", ion)[0]
    return ion in _OPEN_SHELLS or element in ("U", "Np", "Pu") or usual_spin(ion) is not None


def _site(label: str, atoms: tuple[Atom, ...], ion: str, why: str, others: list[str]) -> tuple[dict[str, Any], str]:
    """The entry of an atom, and a remark on what of it is not in the CIF file."""
    moment, usual = max(map(_moment, atoms)), usual_spin(ion)
    occupancy = min(atom.occupancy for atom in atoms)
    remark = f"{label}: "
    if not others and occupancy >= FULL:
        entry: dict[str, Any] = {"atom": label}
    elif moment:
        raise MaterialError(
            f"the atom {label} has a moment and occupies {occupancy:g} of its places" + (f", with {', '.join(others)}" * bool(others)),
            "each site of a magnet carries one spin",
            "write the material file by hand and list its ions with their occupancies, or to take its places as full, set its occupancy "
            "to 1 in a copy of the CIF file, without the others",
        )
    else:
        entry = {"label": label, "positions": [[float(x) for x in atom.position] for atom in atoms]}
        remark += f"taken as full, its occupancy is {occupancy:g}" + (f", with {', '.join(others)}" * bool(others)) + "; "
    if usual is not None:
        spin = usual[0]
        remark += f"spin of {ion} by {usual[1]}" + (f" ({why})" if why else "")
    elif moment:
        spin = max(1, round(moment)) / 2
        remark += "spin is half of the moment, to be set, with the ion: the file does not tell its charge"
    else:
        spin = 1.0
        remark += "spin and ion are to be set: the file does not tell the charge"
    entry["spin"] = int(spin) if spin == int(spin) else spin
    if ion in tables_of(re.match("[A-Za-z]*", ion)[0]):
        entry["ion"] = ion
    if moment:
        return entry, f"{remark}; ordered moment {moment:.3g} Bohr magnetons"
    return {**entry, "direction": [0, 0, 1]}, f"{remark}; direction is to be set, with supercell and order"


def _magnet(contents: dict[str, Any], path: Path) -> Crystal:
    try:
        return crystal_of(MaterialFile.model_validate(contents))
    except SpecError as error:
        raise MaterialError(f"no magnet can be made of the CIF file '{path}'", str(error), error.fix) from None


def _kinds(magnet: Crystal, path: Path, reach: float | None) -> list[Kind]:
    """The kinds of bonds up to a length."""
    shortest = shells(SpinModel(magnet.lattice, magnet.sites), 1)[0][0]
    found = kinds_within(magnet, max(REACH, shortest) if reach is None else reach)
    if not found:
        raise MaterialError(
            f"the magnetic ions of '{path}' have no bond up to {reach:g} angstrom",
            f"the shortest is {shortest:.3f}",
            "give a larger length",
        )
    if len(found) > MOST_KINDS:
        raise MaterialError(
            f"the magnetic ions of '{path}' have {len(found)} kinds of bonds up to {found[-1].length:.3f} angstrom",
            f"at most {MOST_KINDS} are written; the shortest is of {shortest:.3f} angstrom",
            "give a smaller length",
        )
    return found


def _parameters(crystal: CifCrystal, magnet: Crystal, listed: list[Kind]) -> list[dict[str, Any]]:
    """The parameter of each kind of bonds. Kinds that only the order tells apart, and not the crystal without its moments, share one."""
    paramagnet = _paramagnet(crystal, magnet) if (magnet.symmetry.reversals < 0).any() else None
    found = []
    for _, group in itertools.groupby(listed, key=lambda kind: kind.name.rstrip(ascii_lowercase)):
        shell = list(group)
        unlike = [] if paramagnet is None else kinds(paramagnet, [ends for kind in shell for ends in kind.bonds])
        for kind in shell:
            number = next((index for index, bonds in enumerate(unlike) if kind.bonds[0] in bonds), None)
            name = kind.name if number is None else kind_name(int(kind.name.rstrip(ascii_lowercase)), number)
            ends = " to ".join(magnet.sites[end].label for end in kind.bonds[0][:2])
            found.append({"name": f"J{name}", "value": 0, "low": -10, "high": 10, "description": f"{ends}, {kind.length:.3f} angstrom"})
    return found


def _paramagnet(crystal: CifCrystal, magnet: Crystal) -> Crystal | None:
    """The magnet with the space group of all its atoms without their moments; None where that is not found."""
    positions, symbols = [], []
    for atom in (atom for atoms in crystal.atoms.values() for atom in atoms):
        if np.all(np.isfinite(atom.position)):
            places = expand(crystal.symmetry, magnet.lattice, exact_thirds(atom.position))[0]
            positions += list(places)
            symbols += [atom.symbol] * len(places)
    try:
        symmetry = find_symmetry(magnet.lattice, np.array(positions), [symbols.index(symbol) for symbol in symbols])
        equivalents = SymmetricSites(symmetry, magnet.lattice, np.array([site.position for site in magnet.sites]))
    except MaterialError:
        return None
    return replace(magnet, symmetry=symmetry, equivalents=equivalents)


def _allowed(magnet: Crystal, kind: Kind) -> str:
    """A kind of bonds, and what symmetry allows on the first of them."""
    text = f"{len(kind.bonds)} of {kind.length:.3f} angstrom in the cell, as {bond_name(magnet, kind.bonds[0])}"
    if magnet.equivalents is None:
        return text
    basis = magnet.equivalents.allowed_exchange(kind.bonds[0])
    vectors = allowed_dm(basis)
    return f"{text}; symmetry allows matrix: {describe(basis)}, " + (f"dm: {describe(vectors)}" if len(vectors) else "no dm")


def _anisotropy(magnet: Crystal) -> list[str]:
    """A comment with what symmetry allows on the first site of each label, ready to be made an entry."""
    lines = [
        "# anisotropy:  # each with a parameter; along the axis D < 0 is easy; or with matrix in place of axis, of the form given here"
    ]
    first = {site.label: index for index, site in reversed(list(enumerate(magnet.sites)))}
    for label, index in sorted(first.items(), key=lambda item: item[1]):
        entry = _flow({"parameter": "D", "axis": [0, 0, 1], "labels": [label]})
        form = "" if magnet.equivalents is None else f"  # matrix: {describe(magnet.equivalents.allowed_anisotropy(index))}"
        lines.append(f"#   - {entry}{form}")
    return lines


def _frame(crystal: CifCrystal) -> list[str]:
    """Maps are in r.l.u. of the paramagnetic cell, where a magnetic CIF file tells it."""
    if crystal.parent is None or np.array_equal(crystal.parent, np.eye(3)):
        return []
    rows = [[int(x) if x == int(x) else float(x) for x in row] for row in crystal.parent.tolist()]
    return [_line({"map": {"cell": rows, "frame": "paramagnetic cell"}})]
