"""The chemical cell of a material with its magnetic sites, as its space group makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mantid_insdl.materials.cif import Atom, read_cif
from mantid_insdl.materials.description import MaterialFile
from mantid_insdl.materials.ions import require_magnetic
from mantid_insdl.materials.schema import At, SiteSpec, SpecError
from mantid_insdl.spinwave.lattice import Lattice
from mantid_insdl.spinwave.model import Site
from mantid_insdl.spinwave.symmetry import SAME_PLACE, SymmetricSites, Symmetry, describe, expand, find_symmetry, project, space_group

FORBIDDEN = 1e-3
"""Part of a matrix, relative to all of it, that symmetry may forbid: below, it is rounding in the file and is taken out."""


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
    """

    lattice: Lattice
    symmetry: Symmetry
    sites: tuple[Site, ...]
    origin: tuple[int, ...]
    directed: tuple[bool, ...]
    equivalents: SymmetricSites | None


def crystal_of(material: MaterialFile) -> Crystal:
    """The chemical cell of a material: cell, space group, and all its magnetic sites.

    Raises
    ------
    SpecError, MaterialError
        For a cell without the symmetry, a missing atom, a moment that symmetry or the ion forbids.
    """
    atoms: dict[str, Atom] = {}
    if material.cif is not None:
        with At("cif"):
            found = read_cif(material.cif)
        lattice, symmetry, atoms = found.lattice, found.symmetry, found.atoms
    else:
        with At("cell"):
            lattice = Lattice(**material.cell.model_dump())
        with At("space_group"):
            named = material.space_group not in (None, "find")
            symmetry = space_group(material.space_group, lattice) if named else Symmetry.none()
    with At("cif" if material.cif is not None else "space_group"):
        rotations = symmetry.cartesian(lattice)
    sites: list[Site] = []
    origin: list[int] = []
    directed: list[bool] = []
    for layer in material.layers:
        for index, spec in enumerate(material.sites):
            with At("sites", index):
                atom = _atom(spec, atoms, material.cif)
                for position in spec.positions or [atom.position]:
                    new = _equivalent_sites(spec, np.add(position, layer), atom, lattice, symmetry, rotations)
                    _require_apart(new, sites, lattice, symmetry)
                    sites += new
                    origin += [index] * len(new)
                    moment = None if atom is None else atom.moment
                    directed += [spec.direction is not None or (moment is not None and np.linalg.norm(moment) > 0)] * len(new)
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
    return Crystal(lattice, symmetry, tuple(sites), tuple(origin), tuple(directed), equivalents)


def _atom(spec: SiteSpec, atoms: dict[str, Atom], cif: str | None) -> Atom | None:
    """The atom that a site names, after a look at its ion."""
    if spec.atom is None:
        require_magnetic(spec.ion)
        return None
    if cif is None:
        raise SpecError(f"site {spec.name} names an atom, but there is no CIF file", "add cif: FILE, or give positions")
    if spec.atom not in atoms:
        raise SpecError(f"the CIF file has no atom {spec.atom}: it has {', '.join(atoms)}", "name one of these")
    require_magnetic(spec.ion, atoms[spec.atom].symbol)
    if not np.all(np.isfinite(atoms[spec.atom].position)):
        raise SpecError(f"the atom {spec.atom} has no known position in the CIF file", "add it to the file, or give positions")
    return atoms[spec.atom]


def _equivalent_sites(
    spec: SiteSpec, position: np.ndarray, atom: Atom | None, lattice: Lattice, symmetry: Symmetry, rotations: np.ndarray
) -> list[Site]:
    """A site and those that the space group makes of it."""
    single = len(rotations) == 1
    positions, operations = ([position], [0]) if single else expand(symmetry, lattice, position)
    parity = np.rint(np.linalg.det(rotations)) * symmetry.reversals
    moment = None if atom is None else atom.moment
    if spec.direction is not None:
        directions = [np.array(spec.direction)] * len(positions)
    elif moment is not None and np.linalg.norm(moment) > 0:
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
        sites.append(Site(spec.name, place, spec.spin, direction, spec.ion, g=g, pair=np.array(pair)))
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


def require_allowed(equivalents: SymmetricSites, site: int, matrix: np.ndarray, what: str) -> np.ndarray:
    """The part of a site's matrix that its symmetry allows, which must be all of it."""
    allowed = project(equivalents.tensor_projector(site), matrix)
    if np.abs(allowed - matrix).max() > FORBIDDEN * np.abs(matrix).max():
        form = describe(equivalents.allowed_anisotropy(site))
        raise SpecError(
            f"{what} is forbidden by the symmetry of its site in {equivalents.symmetry.name}: "
            f"it allows the symmetric matrices {form} (Cartesian)",
            "give a matrix of this form, or a space group of lower symmetry",
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
