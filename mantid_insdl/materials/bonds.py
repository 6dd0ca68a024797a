"""Bonds and single-ion terms of the chemical cell: those that the file names, and those that symmetry makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mantid_insdl.errors import did_you_mean
from mantid_insdl.materials.crystal import FORBIDDEN, Crystal, require_allowed
from mantid_insdl.materials.description import MaterialFile
from mantid_insdl.materials.schema import AnisotropySpec, At, BondSpec, SpecError
from mantid_insdl.materials.shells import named_kind, shells
from mantid_insdl.spinwave.model import OnSite, SpinModel
from mantid_insdl.spinwave.stevens import turned
from mantid_insdl.spinwave.symmetry import SAME_PLACE, Ends, allowed_dm, describe, project, reversed_ends


@dataclass(frozen=True, eq=False)
class Coupling:
    """A bond of the chemical cell with its exchange matrix (Cartesian frame of the chemical cell)."""

    ends: Ends
    matrix: np.ndarray
    spec: int


def couplings_of(material: MaterialFile, crystal: Crystal) -> list[Coupling]:
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
            elif spec.kind:
                found += _images(crystal, spec, named_kind(crystal, spec.kind)[0], index)
            else:
                found += [Coupling(ends, _checked(crystal, spec, ends), index) for ends in _by_distance(bare, spec)]
    _require_once(material, crystal, found)
    return found


def _require_once(material: MaterialFile, crystal: Crystal, couplings: Sequence[Coupling]) -> None:
    """Refuse a bond that two entries give to one parameter: it would count twice."""
    seen: dict[tuple[Ends, str, bool], int] = {}
    for coupling in couplings:
        spec = material.bonds[coupling.spec]
        key = min(coupling.ends, reversed_ends(coupling.ends)), spec.parameter, spec.biquadratic
        if seen.setdefault(key, coupling.spec) != coupling.spec:
            name = bond_name(crystal, coupling.ends)
            raise SpecError(
                f"the bond {name} is given to {spec.parameter} twice, in bonds.{seen[key]} and bonds.{coupling.spec}",
                "leave out one of the two, or give them a parameter each",
                ("bonds", coupling.spec),
            )


def _by_distance(bare: SpinModel, spec: BondSpec) -> list[Ends]:
    labels = [s.label for s in bare.sites]
    require_labels(spec.between or (), labels, f"bonds of {spec.parameter}", "name one of these")
    if spec.distance is not None:
        distance, pairs = spec.distance, bare.neighbours(spec.distance)
    else:
        distance, tolerance = shells(bare, int(spec.shell))[-1]
        pairs = bare.neighbours(distance, tolerance)
    pairs = [x for x in pairs if spec.between is None or sorted((labels[x[0]], labels[x[1]])) == sorted(spec.between)]
    if not pairs:
        shortest = ", ".join(f"{length:.3f}" for length, _ in shells(bare, 5))
        raise SpecError(
            f"{spec.parameter} has no bond: no such pair of sites at {distance:.5g} angstrom",
            f"the five shortest distances between magnetic sites are {shortest} angstrom",
        )
    return pairs


def require_labels(named: Sequence[str], labels: Sequence[str], what: str, fix: str) -> None:
    """Refuse names that are no labels of sites."""
    known = sorted(set(labels))
    unknown = sorted(set(named) - set(known))
    if unknown:
        raise SpecError(f"{what} name {', '.join(unknown)}{did_you_mean(unknown[0], known)}; the sites are {', '.join(known)}", fix)


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
            if spec.symmetric and crystal.equivalents is None:
                raise SpecError(f"bonds of {spec.parameter} are symmetric, but the magnet has no space group", "add space_group or cif")
            one = Coupling(ends, _checked(crystal, spec, ends), index)
            for coupling in _images(crystal, spec, ends, index) if spec.symmetric else [one]:
                if coupling.ends in found or reversed_ends(coupling.ends) in found:
                    raise SpecError(
                        f"a bond of {spec.parameter} is given twice",
                        "name one of all equivalent bonds" if spec.symmetric else "give each bond once",
                    )
                found[coupling.ends] = coupling
    return list(found.values())


def _images(crystal: Crystal, spec: BondSpec, ends: Ends, index: int) -> list[Coupling]:
    """A bond and those that the space group makes of it, with their matrices."""
    matrix = _checked(crystal, spec, ends)
    return [Coupling(image, turn @ matrix @ turn.T, index) for image, turn in crystal.equivalents.orbit(ends)]


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
    return allowed if spec.symmetric or spec.kind else matrix


def bond_name(crystal: Crystal, ends: Ends) -> str:
    """A bond in words: the labels of its ends and where they are, fractional."""
    i, j, cell = ends
    places = crystal.sites[i].position, crystal.sites[j].position + np.array(cell)
    points = ["(" + ", ".join(f"{x:.4g}" for x in np.round(place, 4) + 0.0) + ")" for place in places]
    return f"{crystal.sites[i].label} {points[0]} to {crystal.sites[j].label} {points[1]}"


def anisotropy_of(material: MaterialFile, crystal: Crystal) -> list[OnSite]:
    """Single-ion terms on the sites of the chemical cell.

    Raises
    ------
    SpecError
        For unknown labels, and matrices that the symmetry of a site forbids.
    """
    terms = []
    for index, spec in enumerate(material.anisotropy):
        with At("anisotropy", index):
            if spec.labels is not None:
                fix = "name one of these, or leave labels out for all sites"
                labels = [site.label for site in crystal.sites]
                require_labels(spec.labels or ["no site"], labels, f"the labels of the anisotropy {spec.parameter}", fix)
            for tensor in spec.tensors:
                found = _on_sites(crystal, spec, tensor)
                terms += [OnSite(i, spec.parameter, found[i]) for i in sorted(found)]
    return terms


def _on_sites(crystal: Crystal, spec: AnisotropySpec, tensor: np.ndarray) -> dict[int, np.ndarray]:
    """A single-ion tensor on the sites of the entry: given for the first of each label, and turned to those equivalent to it."""
    found: dict[int, np.ndarray] = {}
    for i, site in enumerate(crystal.sites):
        if i in found or (spec.labels is not None and site.label not in spec.labels):
            continue
        found[i] = tensor
        if crystal.equivalents is None:
            continue
        allowed = require_allowed(crystal.equivalents, i, tensor, f"the anisotropy {spec.parameter} of {site.label}")
        for images, turn in zip(crystal.equivalents.images, crystal.equivalents.rotations, strict=True):
            image = int(images[i])
            if crystal.sites[image].label == site.label:
                found.setdefault(image, turned(allowed, turn))
    return found
