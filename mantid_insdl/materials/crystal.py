"""The chemical cell of a material with its magnetic sites, as its space group makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mantid_insdl.errors import did_you_mean
from mantid_insdl.materials.cif import Atom, CifCrystal, read_cif
from mantid_insdl.materials.description import MaterialFile
from mantid_insdl.materials.ions import require_magnetic
from mantid_insdl.materials.schema import At, SiteSpec, SpecError
from mantid_insdl.spinwave.lattice import Lattice
from mantid_insdl.spinwave.model import Site
from mantid_insdl.spinwave.stevens import describe_operators
from mantid_insdl.spinwave.symmetry import SAME_PLACE, SymmetricSites, Symmetry, describe, expand, find_symmetry, space_group

FORBIDDEN = 1e-3
"""Part of a matrix, relative to all of it, that symmetry may forbid: below, it is rounding in the file and is taken out."""

FULL = 0.9
"""Occupancy from which an atom counts as one spin on each of its sites: less is not a crystal of spins."""


@dataclass(frozen=True, eq=False)
class Crystal:
    """The chemical cell with its magnetic sites.

    Parameters
    ----------
    lattice, symmetry
        The cell of the file and its space group.
    sites
        The magnetic sites, each with its direction in the cell at the origin.
    origin : (site,) int
        Index of the entry in the file that each site comes from.
    directed : (site,) bool
        Whether the file gives a direction for all sites of that entry; where not, it has to for each position.
    equivalents
        What the operations do to the sites; None without a space group.
    atoms
        The atoms of the CIF file for each entry of the file that names one; else none.
    """

    lattice: Lattice
    symmetry: Symmetry
    sites: tuple[Site, ...]
    origin: tuple[int, ...]
    directed: tuple[bool, ...]
    equivalents: SymmetricSites | None
    atoms: tuple[tuple[Atom, ...], ...] = ()

    @property
    def elements(self) -> tuple[str, ...]:
        """Element, with a charge where it is known, of the atoms of each entry of the file; empty where it names none."""
        return tuple(atoms[0].symbol if atoms else "" for atoms in self.atoms)


def crystal_of(material: MaterialFile) -> Crystal:
    """The chemical cell of a material: cell, space group, and all its magnetic sites.

    Raises
    ------
    SpecError, MaterialError
        For a cell without the symmetry, a missing atom, a moment that symmetry or the ion forbids.
    """
    cif = None
    if material.cif is not None:
        with At("cif"):
            cif = read_cif(material.cif)
        lattice, symmetry = cif.lattice, cif.symmetry
    else:
        with At("cell"):
            lattice = Lattice(**material.cell.model_dump())
        with At("space_group"):
            named = material.space_group not in (None, "find")
            symmetry = space_group(material.space_group, lattice) if named else Symmetry.none()
    lattice = symmetry.fitted(lattice)
    with At("cif" if material.cif is not None else "space_group"):
        rotations = symmetry.cartesian(lattice)
    sites: list[Site] = []
    origin: list[int] = []
    directed: list[bool] = []
    for layer in material.layers:
        for index, spec in enumerate(material.sites):
            with At("sites", index):
                for position, moment in _places(spec, cif):
                    new = _equivalent_sites(spec, position + np.array(layer), moment, lattice, symmetry, rotations)
                    _require_apart(new, sites, lattice, symmetry)
                    sites += new
                    origin += [index] * len(new)
                    directed += [spec.direction is not None or moment is not None] * len(new)
    positions = np.array([site.position for site in sites])
    if material.space_group == "find":
        with At("space_group"):
            kinds = [(site.spin, site.ion) for site in sites]
            symmetry = find_symmetry(lattice, positions, [kinds.index(kind) for kind in kinds])
    equivalents = SymmetricSites(symmetry, lattice, positions) if len(symmetry.rotations) > 1 else None
    if equivalents is not None:
        for site, index in reversed(list(enumerate(origin))):
            with At("sites", index):
                require_allowed(equivalents, site, sites[site].g, f"the g-tensor of {sites[site].label}")
                _require_pair(equivalents, site, sites[site])
    atoms = tuple(cif.atoms[spec.atom] if cif is not None and spec.atom is not None else () for spec in material.sites)
    return Crystal(lattice, symmetry, tuple(sites), tuple(origin), tuple(directed), equivalents, atoms)


def _places(spec: SiteSpec, cif: CifCrystal | None) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Position of each site of an entry, and its ordered moment where the CIF file gives one, after a look at its ion and its occupancy."""
    if spec.atom is None:
        for ion in spec.ions or [spec]:
            require_magnetic(ion.ion, own=bool(ion.form_factor))
        return [(exact_thirds(position), None) for position in spec.positions]
    if cif is None:
        raise SpecError(f"site {spec.name} names an atom, but there is no CIF file", "add cif: FILE, or give positions")
    if spec.atom not in cif.atoms:
        meant = did_you_mean(spec.atom, list(cif.atoms))
        raise SpecError(f"the CIF file has no atom {spec.atom}{meant}: it has {', '.join(cif.atoms)}", "name one of these")
    found = []
    kinds = list(dict.fromkeys(atom.symbol for atom in cif.atoms[spec.atom]))
    if len(kinds) > 1:
        raise SpecError(f"the CIF file repeats the label {spec.atom} for {' and '.join(kinds)}", "give each atom of it its own label")
    for atom in cif.atoms[spec.atom]:
        for ion in spec.ions or [spec]:
            require_magnetic(ion.ion, _symbol_of(ion.ion, atom, cif) if spec.ions else atom.symbol, own=bool(ion.form_factor))
        if not np.all(np.isfinite(atom.position)):
            raise SpecError(f"the atom {spec.atom} has no known position in the CIF file", "add it to the file, or give positions")
        if not spec.ions:
            _require_full(spec.atom, atom, cif)
        moment = atom.moment if atom.moment is not None and np.linalg.norm(atom.moment) > 0 else None
        if moment is not None and (spec.direction is not None or spec.moments):
            raise SpecError(
                f"site {spec.name} has a direction here and a moment in the magnetic CIF file",
                "leave out direction and moments: the order is that of the magnetic CIF file",
            )
        found.append((exact_thirds(atom.position), moment))
    return found


def _require_full(label: str, atom: Atom, cif: CifCrystal) -> None:
    """Refuse an atom that shares its place with another, or occupies a part of its places only: each site carries one spin."""
    where = np.round(atom.position, 4).tolist()
    others = cif.sharing(atom)
    fix = (
        "give all its ions with their occupancies, as ions: [{ion: Mn3+, spin: 2, occupancy: 0.5}, ...], or to take the place as full, "
        f"list its position in place of the atom, as label: {label}, positions: [{where}]"
    )
    if others:
        parts = ", ".join(f"{name} {one.occupancy:g}" for name, one in ((label, atom), *others.items()))
        raise SpecError(f"the atom {label} shares its place {where} with {', '.join(others)} (occupancies {parts})", fix)
    if atom.occupancy < FULL:
        raise SpecError(f"the atom {label} at {where} has the occupancy {atom.occupancy:g}: some of its places have no spin", fix)


def _symbol_of(ion: str, atom: Atom, cif: CifCrystal) -> str:
    """What the CIF file says of the one of the atoms at a place that an ion is; of the first of them where it is none."""
    charge = "+-0123456789"
    symbols = [atom.symbol, *(other.symbol for other in cif.sharing(atom).values())]
    return next((symbol for symbol in symbols if symbol.rstrip(charge) == ion.rstrip(charge)), symbols[0])


def exact_thirds(position: Sequence[float]) -> np.ndarray:
    """A fractional position, (3,), with thirds and sixths that a file rounds or cuts off at three digits or more (0.333, 0.667, 0.1666)."""
    found = np.array(position, float)
    for axis, x in enumerate(found):
        exact = np.rint(6 * x) / 6
        for digits in range(3, 9):
            power = 10.0**digits
            if np.abs(x * power - np.array([np.rint(exact * power), np.trunc(exact * power)])).min() < 1e-3:
                found[axis] = exact
                break
    return found


def _equivalent_sites(
    spec: SiteSpec, position: np.ndarray, moment: np.ndarray | None, lattice: Lattice, symmetry: Symmetry, rotations: np.ndarray
) -> list[Site]:
    """A site and those that the space group makes of it."""
    single = len(rotations) == 1
    positions, operations = ([position], [0]) if single else expand(symmetry, lattice, position)
    parity = np.rint(np.linalg.det(rotations)) * symmetry.reversals
    if spec.direction is not None:
        directions = [np.array(spec.direction)] * len(positions)
    elif moment is not None:
        images = symmetry.rotations @ positions[0] + symmetry.translations - positions[0]
        kept = np.linalg.norm((images - np.rint(images)) @ lattice.vectors, axis=1) < SAME_PLACE
        turned = parity[:, None] * (rotations @ moment)
        if np.abs(turned[kept] - moment).max() > 0.02 * np.linalg.norm(moment):
            raise SpecError(f"the magnetic symmetry of {symmetry.name} forbids the moment of {spec.atom}", "correct the magnetic CIF file")
        mean = turned[kept].mean(axis=0)  # takes out the rounding of the file
        directions = [parity[operation] * (rotations[operation] @ mean) for operation in operations]
    elif spec.moments:
        directions = [np.array([0.0, 0.0, 1.0])] * len(positions)  # to be replaced: see `_directions`
    else:
        raise SpecError(f"site {spec.name} has no spin direction", "give direction: [x, y, z] (Cartesian), or moments for each position")
    sites = []
    for place, operation, direction in zip(positions, operations, directions, strict=True):
        turn = rotations[operation]
        g, pair = (spec.g_tensor, spec.pair) if single else (turn @ spec.g_tensor @ turn.T, symmetry.rotations[operation] @ spec.pair)
        sites.append(Site(spec.name, place, spec.length, direction, spec.scatterer, g=g, pair=np.array(pair)))
    return sites


def _require_apart(new: Sequence[Site], others: Sequence[Site], lattice: Lattice, symmetry: Symmetry) -> None:
    for site in new:
        for other in others:
            apart = site.position - other.position
            if np.linalg.norm((apart - np.rint(apart)) @ lattice.vectors) < SAME_PLACE:
                where = np.round(site.position, 4).tolist()
                made = "" if len(symmetry.rotations) == 1 else f": the space group {symmetry.name} makes both"
                raise SpecError(
                    f"{site.label} and {other.label} are both at {where}{made}",
                    "list one of all equivalent positions, and give their directions by moments" if made else "list each position once",
                )


def require_allowed(equivalents: SymmetricSites, site: int, tensor: np.ndarray, what: str) -> np.ndarray:
    """The part of a site's matrix, or of a single-ion tensor of higher rank, that its symmetry allows, which must be all of it."""
    allowed = equivalents.allowed_part(site, tensor)
    if np.abs(allowed - tensor).max() > FORBIDDEN * np.abs(tensor).max():
        if tensor.ndim == 2:
            form = f"the symmetric matrices {describe(equivalents.allowed_anisotropy(site))}"
        else:
            form = f"the Stevens operators of degree {tensor.ndim} {describe_operators(equivalents.allowed_operators(site, tensor.ndim))}"
        raise SpecError(
            f"{what} is forbidden by the symmetry of its site in {equivalents.symmetry.name}: it allows {form} (Cartesian)",
            "give one of this form, or a space group of lower symmetry",
        )
    return allowed


def _require_pair(equivalents: SymmetricSites, index: int, site: Site) -> None:
    """The vector between the ions of a pair is kept or turned round by the symmetry of its site."""
    kept = equivalents.symmetry.rotations[equivalents.images[:, index] == index] @ site.pair
    if np.any(np.minimum(np.abs(kept - site.pair).max(axis=1), np.abs(kept + site.pair).max(axis=1)) > 1e-3):
        raise SpecError(
            f"the symmetry of {equivalents.symmetry.name} turns the pair of {site.label} at {np.round(site.position, 4).tolist()}",
            "give the vector along a symmetry axis of its site, or a space group of lower symmetry",
        )
