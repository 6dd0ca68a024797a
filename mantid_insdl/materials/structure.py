"""From the parts of a material file to a spin model: sites and bonds of the chemical cell, made by symmetry, then the magnetic cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.materials.cif import Atom, read_cif
from mantid_insdl.materials.ions import require_magnetic
from mantid_insdl.materials.schema import At, BondSpec, SiteSpec, SpecError, TurnSpec
from mantid_insdl.spinwave.lattice import Lattice
from mantid_insdl.spinwave.model import Bond, Field, OnSite, Site, SpinModel
from mantid_insdl.spinwave.spiral import rotation
from mantid_insdl.spinwave.symmetry import (
    SAME_PLACE,
    Ends,
    SymmetricSites,
    Symmetry,
    allowed_dm,
    describe,
    expand,
    find_symmetry,
    project,
    reversed_ends,
    space_group,
)

if TYPE_CHECKING:
    from mantid_insdl.materials.material import Material

FORBIDDEN = 1e-3
"""Part of a matrix, relative to all of it, that symmetry may forbid: below, it is rounding in the file and is taken out."""
_SAME_DISTANCE = 0.005  # angstrom


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


def crystal_of(material: Material) -> Crystal:
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
                _require_allowed(equivalents, site, sites[site].g, f"the g-tensor of {sites[site].label}")
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


def _require_allowed(equivalents: SymmetricSites, site: int, matrix: np.ndarray, what: str) -> np.ndarray:
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


@dataclass(frozen=True, eq=False)
class Coupling:
    """A bond of the chemical cell with its exchange matrix (Cartesian frame of the chemical cell)."""

    ends: Ends
    matrix: np.ndarray
    spec: int


def couplings_of(material: Material, crystal: Crystal) -> list[Coupling]:
    """All bonds of the chemical cell, in the order of the file.

    Raises
    ------
    SpecError
        For bonds that are not there, and matrices that symmetry forbids.
    """
    bare = SpinModel(crystal.lattice, crystal.sites)
    found: list[Coupling] = []
    for index, spec in enumerate(material.bonds):
        with At("bonds", index):
            if spec.named:
                found += _by_segment(crystal, spec, index, material.layers)
            else:
                found += [Coupling(ends, _checked(crystal, spec, ends), index) for ends in _by_distance(bare, spec)]
    return found


def _by_distance(bare: SpinModel, spec: BondSpec) -> list[Ends]:
    labels = [s.label for s in bare.sites]
    unknown = set(spec.between or ()) - set(labels)
    if unknown:
        raise SpecError(
            f"bonds of {spec.parameter} name {', '.join(sorted(unknown))}; the sites are {', '.join(sorted(set(labels)))}",
            "name one of these",
        )
    if spec.distance is not None:
        distance, pairs = spec.distance, bare.neighbours(spec.distance)
    else:
        distance, tolerance = shell_distance(bare, spec.shell)
        pairs = bare.neighbours(distance, tolerance)
    pairs = [x for x in pairs if spec.between is None or sorted((labels[x[0]], labels[x[1]])) == sorted(spec.between)]
    if not pairs:
        shortest = ", ".join(f"{shell_distance(bare, n)[0]:.3f}" for n in range(1, 6))
        raise SpecError(
            f"{spec.parameter} has no bond: no such pair of sites at {distance:.5g} angstrom",
            f"the five shortest distances between magnetic sites are {shortest} angstrom",
        )
    return pairs


def shell_distance(bare: SpinModel, shell: int) -> tuple[float, float]:
    """The n-th shortest distance between sites in angstrom, and the tolerance that takes in all of it."""
    vectors, positions = bare.lattice.vectors, np.array([s.position for s in bare.sites])
    reach = float(np.linalg.norm(vectors, axis=1).min())
    while True:
        count = np.ceil(reach * np.linalg.norm(bare.lattice.reciprocal, axis=1) / (2 * np.pi)).astype(int) + 1
        cells = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in count), indexing="ij"), -1).reshape(-1, 3)
        apart = (positions[:, None, None] - positions[None, :, None] + cells) @ vectors
        lengths = np.sort(np.linalg.norm(apart, axis=-1).ravel())
        lengths = lengths[(lengths > SAME_PLACE) & (lengths <= reach)]
        shells = np.split(lengths, np.flatnonzero(np.diff(lengths) > _SAME_DISTANCE) + 1)
        if len(shells) > shell:  # the last may go on beyond the reach
            one = shells[shell - 1]
            return float(one[0] + one[-1]) / 2, float(one[-1] - one[0]) / 2 + _SAME_DISTANCE / 2
        reach *= 1.5


def _by_segment(crystal: Crystal, spec: BondSpec, index: int, layers: Sequence[Sequence[float]]) -> list[Coupling]:
    positions = np.array([s.position for s in crystal.sites])

    def locate(point: np.ndarray) -> tuple[int, np.ndarray]:
        shift = point - positions
        distance = np.linalg.norm((shift - np.round(shift)) @ crystal.lattice.vectors, axis=1)
        nearest = int(np.argmin(distance))
        if distance[nearest] > SAME_PLACE:
            raise SpecError(
                f"a bond of {spec.parameter} ends at {tuple(np.round(point, 4).tolist())}, where there is no site",
                f"the nearest is {crystal.sites[nearest].label} at {np.round(positions[nearest] + np.round(shift[nearest]), 4).tolist()}",
            )
        return nearest, np.round(shift[nearest]).astype(int)

    found: dict[Ends, Coupling] = {}
    for layer in layers:
        for start, end in spec.named:
            (i, cell_i), (j, cell_j) = locate(np.add(start, layer)), locate(np.add(end, layer))
            ends = (i, j, tuple(int(x) for x in cell_j - cell_i))
            if i == j and not any(ends[2]):
                raise SpecError(
                    f"a bond of {spec.parameter} joins a site with itself", "use a single-ion term, or name the neighbouring cell"
                )
            matrix = _checked(crystal, spec, ends)
            if not spec.symmetric:
                images = [(ends, np.eye(3))]
            elif crystal.equivalents is None:
                raise SpecError(f"bonds of {spec.parameter} are symmetric, but the magnet has no space group", "add space_group or cif")
            else:
                images = crystal.equivalents.orbit(ends)
            for image, turn in images:
                if image in found or reversed_ends(image) in found:
                    raise SpecError(
                        f"a bond of {spec.parameter} is given twice",
                        "name one of all equivalent bonds" if spec.symmetric else "give each bond once",
                    )
                found[image] = Coupling(image, turn @ matrix @ turn.T if spec.symmetric else matrix, index)
    return list(found.values())


def _checked(crystal: Crystal, spec: BondSpec, ends: Ends) -> np.ndarray:
    """The exchange matrix of a bond; of a magnet with a space group it must be one that symmetry allows."""
    matrix = spec.exchange
    if crystal.equivalents is None or np.array_equal(matrix, matrix[0, 0] * np.eye(3)):
        return matrix
    allowed = project(crystal.equivalents.exchange_projector(ends), matrix)
    if np.abs(allowed - matrix).max() > FORBIDDEN * np.abs(matrix).max():
        basis = crystal.equivalents.allowed_exchange(ends)
        vectors = allowed_dm(basis)
        dm = f"D = {describe(vectors)}" if len(vectors) else "no Dzyaloshinskii-Moriya vector"
        raise SpecError(
            f"the exchange of {spec.parameter} on the bond {bond_name(crystal, ends)} is forbidden by the symmetry of the bond in "
            f"{crystal.symmetry.name}: it allows the matrices {describe(basis)}, and {dm} (Cartesian)",
            "give an exchange of this form, or a space group of lower symmetry",
        )
    return allowed if spec.symmetric else matrix


def bond_name(crystal: Crystal, ends: Ends) -> str:
    """A bond in words: the labels of its ends and where they are, fractional."""
    i, j, cell = ends
    places = crystal.sites[i].position, crystal.sites[j].position + np.array(cell)
    points = ["(" + ", ".join(f"{x:.4g}" for x in np.round(place, 4) + 0.0) + ")" for place in places]
    return f"{crystal.sites[i].label} {points[0]} to {crystal.sites[j].label} {points[1]}"


def anisotropy_of(material: Material, crystal: Crystal) -> list[OnSite]:
    """Single-ion terms on the sites of the chemical cell.

    Raises
    ------
    SpecError
        For unknown labels, and matrices that the symmetry of a site forbids.
    """
    terms = []
    for index, spec in enumerate(material.anisotropy):
        with At("anisotropy", index):
            labels = {site.label for site in crystal.sites}
            if spec.labels is not None and (not spec.labels or set(spec.labels) - labels):
                raise SpecError(
                    f"the anisotropy {spec.parameter} names {', '.join(sorted(set(spec.labels) - labels)) or 'no site'}; "
                    f"the sites are {', '.join(sorted(labels))}",
                    "name one of these, or leave labels out for all sites",
                )
            matrices: dict[int, np.ndarray] = {}
            for i, site in enumerate(crystal.sites):
                if i in matrices or (spec.labels is not None and site.label not in spec.labels):
                    continue
                matrices[i] = spec.tensor
                if crystal.equivalents is None:
                    continue
                matrix = _require_allowed(crystal.equivalents, i, spec.tensor, f"the anisotropy {spec.parameter} of {site.label}")
                for images, turn in zip(crystal.equivalents.images, crystal.equivalents.rotations, strict=True):
                    image = int(images[i])
                    if crystal.sites[image].label == site.label:
                        matrices.setdefault(image, turn @ matrix @ turn.T)
            terms += [OnSite(i, spec.parameter, matrices[i]) for i in sorted(matrices)]
    return terms


class Supercell:
    """The magnetic cell as a supercell of the chemical one.

    Parameters
    ----------
    lattice
        Of the chemical cell.
    matrix : (3, 3) int
        Its rows are the magnetic cell vectors in terms of the chemical ones.
    """

    def __init__(self, lattice: Lattice, matrix: np.ndarray):
        self.matrix = np.asarray(matrix, int)
        size = round(float(np.linalg.det(self.matrix)))
        if size < 1:
            raise SpecError(f"the supercell has {size} times the volume of the cell", "give three rows that are a right-handed set")
        self._inverse = np.linalg.inv(self.matrix)
        self.trivial = np.array_equal(self.matrix, np.eye(3))
        """Whether it is the chemical cell."""
        vectors = self.matrix @ lattice.vectors
        self.lattice = lattice if self.trivial else _lattice(vectors)
        diagonal = np.array_equal(self.matrix, np.diag(np.diag(self.matrix)))
        self.turn = np.eye(3) if diagonal else (np.linalg.inv(vectors) @ self.lattice.vectors).T
        """From the Cartesian frame of the chemical cell (x along its a) to that of the magnetic one (x along its a), (3, 3)."""
        corner = np.abs(self.matrix).sum(axis=0)
        points = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in corner), indexing="ij"), -1).reshape(-1, 3)
        inside = points @ self._inverse + 1e-9
        self.points = points[np.all((inside >= 0) & (inside < 1), axis=1)]
        """Chemical cells in the magnetic one, (m, 3) int."""

    def position(self, point: np.ndarray) -> np.ndarray:
        """Fractional coordinates of the magnetic cell."""
        return point @ self._inverse

    def locate(self, cell: np.ndarray) -> tuple[int, np.ndarray]:
        """Which of `points` a chemical cell is, and in which magnetic cell."""
        magnetic = np.floor(cell @ self._inverse + 1e-9).astype(int)
        point = cell - magnetic @ self.matrix
        return int(np.flatnonzero((self.points == point).all(axis=1))[0]), magnetic


def _lattice(vectors: np.ndarray) -> Lattice:
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = vectors @ vectors.T / np.outer(lengths, lengths)
    return Lattice(*lengths, *np.degrees(np.arccos([cosines[1, 2], cosines[0, 2], cosines[0, 1]])))


def magnetic_model(material: Material, crystal: Crystal, couplings: Sequence[Coupling]) -> SpinModel:
    """The spin model in the magnetic cell.

    Raises
    ------
    SpecError
        For an order that does not fit the supercell, and sites without a direction.
    """
    with At("supercell"):
        supercell = Supercell(crystal.lattice, material.supercell_matrix)
    if material.order is not None:
        with At("order", "k"):
            _require_commensurate(material.order, supercell)
    directions = _directions(material, crystal, supercell)
    number, turn = len(crystal.sites), supercell.turn
    sites = []
    for point, ordered in zip(supercell.points, directions, strict=True):
        for site, direction in zip(crystal.sites, ordered, strict=True):
            if supercell.trivial and np.array_equal(direction, site.direction):
                sites.append(site)
                continue
            position, pair = supercell.position(site.position + point), supercell.position(site.pair)
            sites.append(replace(site, position=position, pair=pair, direction=turn @ direction, g=turn @ site.g @ turn.T))
    bonds, onsite = [], []
    for coupling in couplings:
        (i, j, cell), spec = coupling.ends, material.bonds[coupling.spec]
        matrix = turn @ coupling.matrix @ turn.T
        for index, point in enumerate(supercell.points):
            other, magnetic = supercell.locate(point + np.array(cell))
            ends = index * number + i, other * number + j, tuple(int(n) for n in magnetic)
            bonds.append(Bond(*ends, spec.parameter, matrix, biquadratic=spec.biquadratic))
    for term in anisotropy_of(material, crystal):
        matrix = turn @ term.matrix @ turn.T
        onsite += [OnSite(index * number + term.i, term.parameter, matrix) for index in range(len(supercell.points))]
    fields = [Field(f.parameter, turn @ np.array(f.direction)) for f in material.fields]
    return SpinModel(supercell.lattice, tuple(sites), tuple(bonds), tuple(onsite), tuple(fields))


def _require_commensurate(order: TurnSpec, supercell: Supercell) -> None:
    turns = supercell.matrix @ np.array(order.k)
    if np.abs(turns - np.rint(turns)).max() > 1e-6:
        parts = [Fraction(k).limit_denominator(12) for k in order.k]
        rational = max(abs(float(part) - k) for part, k in zip(parts, order.k, strict=True)) < 1e-4
        raise SpecError(
            f"the order with k = {list(order.k)} does not repeat with the supercell",
            f"use supercell: {[part.denominator for part in parts]}"
            + ("" if max(p.denominator for p in parts) == 1 else " and exact fractions")
            if rational
            else "give an incommensurate order by spiral: {k, axis} and no supercell",
        )


def _directions(material: Material, crystal: Crystal, supercell: Supercell) -> np.ndarray:
    """Directions of the spins, (cell, site, 3), in the Cartesian frame of the chemical cell."""
    base = np.array([site.direction for site in crystal.sites])
    if material.order is None:
        found = np.repeat(base[None], len(supercell.points), axis=0)
    else:
        axis = np.array(material.order.axis) / np.linalg.norm(material.order.axis)
        k = np.array(material.order.k)
        found = np.array([base @ rotation(axis, 2 * np.pi * (k @ point)).T for point in supercell.points])
        found[np.abs(found) < 1e-12] = 0.0
    places = np.array([[site.position + point for site in crystal.sites] for point in supercell.points])
    for index, spec in enumerate(material.sites):
        own = np.array(crystal.origin) == index
        given = np.zeros(places.shape[:2], bool)
        for number, moment in enumerate(spec.moments):
            with At("sites", index, "moments", number):
                apart = supercell.position(places - np.array(moment.position))
                near = np.linalg.norm((apart - np.rint(apart)) @ supercell.lattice.vectors, axis=-1) < SAME_PLACE
                if not (near & own).any():
                    raise SpecError(f"no site of {spec.name} is at {list(moment.position)}", f"its sites are at {_list(places[:, own])}")
                if not np.linalg.norm(moment.direction) > 0:
                    raise SpecError(
                        f"the spin of {spec.name} at {list(moment.position)} has no direction: the vector is zero", "give its direction"
                    )
                found[near & own] = np.array(moment.direction) / np.linalg.norm(moment.direction)
                given |= near & own
        undirected = own & ~np.array(crystal.directed)
        if not given[:, undirected].all():
            missing = _list(places[~given & undirected])
            raise SpecError(f"site {spec.name} has no direction at {missing}", "add these to moments, or a direction", ("sites", index))
    return found


def _list(positions: np.ndarray) -> str:
    return ", ".join(str((np.round(p, 4) + 0.0).tolist()) for p in positions.reshape(-1, 3))
