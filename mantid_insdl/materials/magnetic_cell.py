"""The spin model of the magnetic cell: the chemical one repeated, with the order of its spins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from mantid_insdl.materials.bonds import Coupling, anisotropy_of
from mantid_insdl.materials.crystal import Crystal
from mantid_insdl.materials.description import MaterialFile
from mantid_insdl.materials.schema import SHAPES, At, SpecError, TurnSpec
from mantid_insdl.spinwave.lattice import Lattice
from mantid_insdl.spinwave.model import Bond, Dipoles, Field, OnSite, Site, SpinModel
from mantid_insdl.spinwave.stevens import turned
from mantid_insdl.spinwave.symmetry import SAME_PLACE

_SAME_DIRECTION = 2e-3
"""Difference of two unit vectors, by component, that rounding in a file may make."""


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


def magnetic_model(material: MaterialFile, crystal: Crystal, couplings: Sequence[Coupling]) -> SpinModel:
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
        tensor = turned(term.tensor, turn)
        onsite += [OnSite(index * number + term.i, term.parameter, tensor) for index in range(len(supercell.points))]
    fields = [Field(f.parameter, turn @ np.array(f.direction)) for f in material.fields]
    dipoles = None
    if material.dipoles is not None:
        with At("dipoles"):
            _require_shape(material, sites)
            dipoles = Dipoles(material.dipoles.parameter, turn @ material.dipoles.tensor @ turn.T)
    return SpinModel(supercell.lattice, tuple(sites), tuple(bonds), tuple(onsite), tuple(fields), dipoles, material.scattering)


def _require_shape(material: MaterialFile, sites: Sequence[Site]) -> None:
    """Refuse dipole sums of a cell with a moment where the shape of the sample, on which they depend, is not given."""
    moments = np.array([site.spin * site.g @ site.direction for site in sites])
    net = float(np.linalg.norm(moments.sum(axis=0)))
    if material.dipoles.demagnetisation is None and net > 1e-6 * np.abs(moments).sum():
        raise SpecError(
            f"the magnetic cell has a moment of {net:.4g} Bohr magnetons: its dipole sums depend on the shape of the sample",
            SHAPES,
        )


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


def _directions(material: MaterialFile, crystal: Crystal, supercell: Supercell) -> np.ndarray:
    """Directions of the spins, (cell, site, 3), in the Cartesian frame of the chemical cell."""
    turn = material.order or material.spiral
    if turn is None:
        return _given_directions(material, crystal, supercell, lambda cell: np.eye(3))
    first = Supercell(crystal.lattice, np.eye(3, dtype=int))
    base = _given_directions(material, crystal, first, turn.rotation)[0]
    found = np.array([base @ turn.rotation(point).T for point in supercell.points])
    found[np.abs(found) < 1e-12] = 0.0
    return found


def _given_directions(material: MaterialFile, crystal: Crystal, cell: Supercell, turn: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Directions in the file of the spins of a cell, (chemical cell, site, 3).

    Parameters
    ----------
    material, crystal
        The magnet.
    cell
        What the order repeats, by itself or turned.
    turn
        The rotation (3, 3) by which the order takes the spins of `cell` to the cell that is so many chemical cells (3,) away.
    """
    places = np.array([[site.position + point for site in crystal.sites] for point in cell.points])
    found = np.repeat(np.array([site.direction for site in crystal.sites])[None], len(cell.points), axis=0)
    for index, spec in enumerate(material.sites):
        own = np.array(crystal.origin) == index
        given = np.zeros(places.shape[:2], bool)
        for number, moment in enumerate(spec.moments):
            with At("sites", index, "moments", number):
                away = cell.position(np.array(moment.position) - places)
                near = np.linalg.norm((away - np.rint(away)) @ cell.lattice.vectors, axis=-1) < SAME_PLACE
                if not (near & own).any():
                    raise SpecError(f"no site of {spec.name} is at {list(moment.position)}", f"its sites are at {_list(places[:, own])}")
                if not np.linalg.norm(moment.direction) > 0:
                    raise SpecError(
                        f"the spin of {spec.name} at {list(moment.position)} has no direction: the vector is zero", "give its direction"
                    )
                back = turn(np.rint(away[near & own][0]) @ cell.matrix).T
                direction = back @ np.array(moment.direction) / np.linalg.norm(moment.direction)
                if (given & near).any() and np.abs(found[given & near] - direction).max() > _SAME_DIRECTION:
                    raise SpecError(
                        f"the spin of {spec.name} at {list(moment.position)} has another direction by the moments before",
                        "leave out one of them: the order repeats each moment in all cells, turned by 2 pi k.R",
                    )
                found[near & own] = direction
                given |= near & own
        undirected = own & ~np.array(crystal.directed)
        if not given[:, undirected].all():
            missing = _list(places[~given & undirected])
            raise SpecError(f"site {spec.name} has no direction at {missing}", "add these to moments, or a direction", ("sites", index))
    return found


def _list(positions: np.ndarray) -> str:
    return ", ".join(str((np.round(p, 4) + 0.0).tolist()) for p in positions.reshape(-1, 3))
