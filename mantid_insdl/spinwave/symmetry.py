"""Space-group symmetry of magnetic sites: equivalent sites and bonds, and the couplings that symmetry allows.

An operation {R | t} takes the fractional position r to R r + t. Spins are axial vectors: a spin S becomes det(R)
R S (and is reversed by time reversal). In terms of two spins, both signs cancel: the exchange matrix M of the bond
i -> j becomes R M R^T on the image of that bond, and M^T is the same coupling read from j to i. So a matrix is
allowed on a bond if it is unchanged by all operations that keep the bond, with a transposition by those that
exchange its ends. Moriya's rules for the Dzyaloshinskii-Moriya vector are the antisymmetric part of this
(T. Moriya, Phys. Rev. 120, 91 (1960)).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import ModuleType

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave.lattice import Lattice
from mantid_insdl.spinwave.stevens import stevens_coefficients, stevens_tensors, turned

Ends = tuple[int, int, tuple[int, int, int]]
"""A bond: from site i to site j in the cell n."""

SAME_PLACE = 0.05
"""Positions closer than this, in angstrom, are one site: files give 0.3333 for 1/3."""
_FIT = 1e-5
_ROUNDED = 1e-3
"""Part of a scalar product of cell vectors that its symmetry may be off by:
lengths and angles of a file are rounded.
"""
_PARTS = 720720  # translations are compared in these parts of a cell: divisible by all numbers up to 16
_NUMBER = r"(?:\d+\.?\d*|\.\d+)"
_RATIO = rf"{_NUMBER}(?:/\d+)?"
_TERM = re.compile(rf"([+-]?)(?:({_RATIO})?\*?([xyz])(?:/(\d+))?|({_RATIO}))")
_TERMS = re.compile(rf"(?:{_TERM.pattern})(?:(?=[+-])(?:{_TERM.pattern}))*")
_TRANSPOSE = np.eye(9)[np.arange(9).reshape(3, 3).T.ravel()]


@dataclass(frozen=True, eq=False)
class Symmetry:
    """Operations of a space group, modulo lattice translations.

    Parameters
    ----------
    name
        For messages.
    rotations : (n, 3, 3)
        Acting on fractional coordinates (columns).
    translations : (n, 3)
        Fractional, in [0, 1).
    reversals : (n,)
        -1 for an operation with time reversal, else 1.
    """

    name: str
    rotations: np.ndarray
    translations: np.ndarray
    reversals: np.ndarray

    @classmethod
    def none(cls) -> Symmetry:
        """Lattice translations only."""
        return cls("P 1", np.eye(3)[None], np.zeros((1, 3)), np.ones(1))

    @classmethod
    def of(
        cls, name: str, rotations: np.ndarray, translations: np.ndarray, reversals: np.ndarray | None = None
    ) -> Symmetry:
        """From operations of which some may be the same.

        Raises
        ------
        MaterialError
            If they are no group.
        """
        rotations = np.asarray(rotations, float).reshape(-1, 3, 3)
        translations = np.asarray(translations, float).reshape(-1, 3)
        reversals = np.ones(len(rotations)) if reversals is None else np.asarray(reversals, float)
        keys = _keys(rotations, translations, reversals)
        first = [keys.index(key) for key in dict.fromkeys(keys)]
        rotations, reversals = rotations[first], reversals[first]
        translations = np.mod(translations[first] + 1e-6, 1) - 1e-6
        products = (
            np.einsum("aij,bjk->abik", rotations, rotations).reshape(-1, 3, 3),
            (np.einsum("aij,bj->abi", rotations, translations) + translations[:, None]).reshape(-1, 3),
            np.multiply.outer(reversals, reversals).ravel(),
        )
        if set(_keys(*products)) != set(keys):
            raise MaterialError(
                f"the {len(first)} symmetry operations of {name} are no group",
                "two of them, one after the other, make an operation that is not listed",
                "list all operations, or name the space group",
            )
        return cls(name, rotations, translations, reversals)

    def fitted(self, lattice: Lattice) -> Lattice:
        """The cell of exactly this symmetry, where the given one has it but for rounding (b = 6.928 for 4 sqrt 3);
        else the given one.
        """
        metric = lattice.vectors @ lattice.vectors.T
        images = self.rotations.swapaxes(1, 2) @ metric @ self.rotations
        off = (np.abs(images - metric) / np.sqrt(np.outer(np.diag(metric), np.diag(metric)))).max()
        if not 1e-12 < off < _ROUNDED:
            return lattice
        mean = images.mean(axis=0)
        lengths = np.sqrt(np.diag(mean))
        cosines = mean / np.outer(lengths, lengths)
        return Lattice(*lengths, *np.degrees(np.arccos([cosines[1, 2], cosines[0, 2], cosines[0, 1]])))

    def cartesian(self, lattice: Lattice) -> np.ndarray:
        """Cartesian rotation matrices, (n, 3, 3), orthogonal.

        Raises
        ------
        MaterialError
            If the cell has not the symmetry.
        """
        vectors = lattice.vectors.T
        matrices = vectors @ self.rotations @ np.linalg.inv(vectors)
        if np.abs(matrices @ matrices.swapaxes(1, 2) - np.eye(3)).max() > _FIT:
            lengths = f"a, b, c = {lattice.a:g}, {lattice.b:g}, {lattice.c:g}"
            raise MaterialError(
                f"the cell has not the symmetry of {self.name}",
                f"{lengths} angstrom, alpha, beta, gamma = {lattice.alpha:g}, {lattice.beta:g}, "
                f"{lattice.gamma:g} degrees",
                "correct the cell, or name the group in the setting of the cell",
            )
        return matrices


def _keys(rotations: np.ndarray, translations: np.ndarray, reversals: np.ndarray) -> list[tuple[int, ...]]:
    """Operations as hashable numbers, in whole parts of a cell; translations modulo 1."""
    parts = [
        np.rint(rotations * _PARTS).reshape(-1, 9),
        np.mod(np.rint(translations * _PARTS), _PARTS),
        np.rint(reversals)[:, None],
    ]
    return [tuple(row) for row in np.hstack(parts).astype(int).tolist()]


def space_group(name: str | int, lattice: Lattice) -> Symmetry:
    """Operations of a space group by its Hermann-Mauguin name, with or without blanks,
    or its number (standard setting).

    Raises
    ------
    MaterialError
        If there is no such group, or the name leaves the choice of origin open.
    """
    gemmi = require_gemmi()
    number = str(name).isdecimal()
    if number:
        found = gemmi.find_spacegroup_by_number(int(name))
    else:
        found = gemmi.find_spacegroup_by_name(str(name), lattice.alpha, lattice.gamma)
    if found is None:
        raise MaterialError(
            f"there is no space group '{name}'", fix="write its Hermann-Mauguin name, as P 4/m m m, or its number"
        )
    if found.ext in ("1", "2") and ":" not in str(name):
        raise MaterialError(
            f"the space group {found.hm} has two choices of origin",
            "positions differ between them",
            f"write {found.hm}:1 or {found.hm}:2",
        )
    if number and found.ext == "H" and lattice.gamma != 120:
        found = gemmi.find_spacegroup_by_name(found.hm + ":R")
    name = found.xhm()
    return Symmetry.of(name, *read_operations([op.triplet() for op in found.operations()], name))


def read_operations(triplets: Sequence[str], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (n, 3, 3) and translations (n, 3) of operations written as
    ``x,y+1/2,-z`` or ``1/2x-3/2y,...``; `name` is for messages.
    """
    rows = []
    for text in triplets:
        try:
            rows.append(linear_map(text))
            if abs(abs(np.linalg.det(rows[-1][:, :3])) - 1) > 1e-6:
                raise ValueError("no rotation")
        except (ValueError, ZeroDivisionError):
            raise MaterialError(
                f"cannot read '{text}', a symmetry operation of {name}", "it is not like x,y+1/2,-z", "correct it"
            ) from None
    found = np.array(rows, float).reshape(-1, 3, 4)
    return found[..., :3], found[..., 3]


def linear_map(text: str) -> np.ndarray:
    """The factors of x, y and z, and the constant, of the three components of a text such as ``x-y,y+1/2,-z``, (3, 4).

    Raises
    ------
    ValueError, ZeroDivisionError
        For anything else.
    """
    parts = text.lower().split(",")
    if len(parts) != 3:
        raise ValueError("three components")
    return np.array([_component(part) for part in parts])


def _component(text: str) -> list[float]:
    """The factors of x, y and z, and the constant, of one component of an operation.

    Raises
    ------
    ValueError
        For anything else.
    """
    text = "".join(text.split())
    if not text or not _TERMS.fullmatch(text):
        raise ValueError("terms")
    found = [Fraction(0)] * 4
    for sign, before, letter, below, alone in _TERM.findall(text):
        value = Fraction(before or "1") / Fraction(below or "1") if letter else Fraction(alone)
        found["xyz".index(letter) if letter else 3] += -value if sign == "-" else value
    simple = [one.limit_denominator(16) for one in found]
    pairs = zip(simple, found, strict=True)
    return [float(near if abs(near - one) < 1e-3 else one) for near, one in pairs]  # 0.3333 is 1/3


def find_symmetry(lattice: Lattice, positions: np.ndarray, kinds: Sequence[int]) -> Symmetry:
    """The space group of sites, by spglib.

    Parameters
    ----------
    lattice
        The cell.
    positions : (site, 3)
        Fractional.
    kinds : (site,)
        Equal for sites that may be equivalent.

    Notes
    -----
    Atoms that are not given can only lower the symmetry: it forbids more than the crystal may.
    """
    try:
        import spglib
    except ImportError:
        raise MaterialError(
            "finding the space group needs the package spglib", fix="pip install spglib, or name the space group"
        ) from None
    try:
        found = spglib.get_symmetry_dataset(
            (lattice.vectors, np.mod(positions, 1), list(kinds)), symprec=SAME_PLACE / 5
        )
    except getattr(spglib, "SpglibError", ()):  # newer releases raise, older ones return None
        found = None
    if found is None:
        raise MaterialError(
            "spglib finds no space group for the sites", "two of them may coincide", "correct the positions"
        )
    rotations = np.asarray(found.rotations, float)
    return Symmetry(
        f"{found.international} (found from the sites)",
        rotations,
        np.asarray(found.translations),
        np.ones(len(rotations)),
    )


def require_gemmi() -> ModuleType:
    """The package gemmi, or a `MaterialError` that says how to get it."""
    try:
        import gemmi
    except ImportError:
        raise MaterialError(
            "space groups and CIF files need the package gemmi", "it is not installed here", "pip install gemmi"
        ) from None
    return gemmi


def expand(symmetry: Symmetry, lattice: Lattice, position: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The equivalent positions of a site in the cell.

    Parameters
    ----------
    symmetry, lattice
        The crystal.
    position : (3,)
        Fractional; moved onto the symmetry element that it is within `SAME_PLACE` of.

    Returns
    -------
    positions : (m, 3)
        Fractional; the given one first, the others within [0, 1).
    operations : (m,) int
        An operation that takes the first to each; for the first, the identity.
    """
    position = np.asarray(position, float)
    images = symmetry.rotations @ position + symmetry.translations
    shift = images - position
    apart = shift - np.rint(shift)
    keep = np.linalg.norm(apart @ lattice.vectors, axis=1) < SAME_PLACE
    if keep.sum() > 1:
        position = position + apart[keep].mean(axis=0)
    same = np.abs(symmetry.rotations - np.eye(3)).max(axis=(1, 2)) < 1e-6
    found, operations = [position], [int(np.flatnonzero(keep & same)[0])]
    for index, image in enumerate(symmetry.rotations @ position + symmetry.translations):
        apart = image - np.array(found)
        if np.linalg.norm((apart - np.rint(apart)) @ lattice.vectors, axis=1).min() > SAME_PLACE:
            found.append(np.mod(image + 1e-9, 1) - 1e-9)
            operations.append(index)
    return np.array(found), np.array(operations)


class SymmetricSites:
    """What the operations of a group do to sites and to the bonds between them.

    Parameters
    ----------
    symmetry, lattice
        The crystal.
    positions : (site, 3)
        Fractional positions of all sites of the cell.

    Raises
    ------
    MaterialError
        If the sites have not the symmetry.
    """

    def __init__(self, symmetry: Symmetry, lattice: Lattice, positions: np.ndarray):
        self.symmetry = symmetry
        self.rotations = symmetry.cartesian(lattice)
        self._lattice, self._positions = lattice, np.asarray(positions, float)
        self.images, self._cells, distance = self._locate(self._moved(self._positions))
        """Site onto which each operation takes each site, (operation, site)."""
        if distance.max() > SAME_PLACE:
            site = np.argwhere(distance > SAME_PLACE)[0][1]
            raise MaterialError(
                f"the sites have not the symmetry of {symmetry.name}",
                f"there is none at some of the positions equivalent to {np.round(self._positions[site], 4).tolist()}",
            )

    def _moved(self, points: np.ndarray) -> np.ndarray:
        """Where the operations take points (m, 3), (operation, m, 3)."""
        return np.einsum("gij,sj->gsi", self.symmetry.rotations, points) + self.symmetry.translations[:, None]

    def _locate(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest site to each of the points (..., 3), its cell (..., 3), and how far it is in angstrom."""
        apart = points[..., None, :] - self._positions
        cells = np.rint(apart)
        distance = np.linalg.norm((apart - cells) @ self._lattice.vectors, axis=-1)
        nearest = distance.argmin(axis=-1)
        chosen = np.take_along_axis(cells, nearest[..., None, None], axis=-2)[..., 0, :].astype(int)
        return nearest, chosen, np.take_along_axis(distance, nearest[..., None], axis=-1)[..., 0]

    def bonds(self, ends: Ends) -> list[Ends]:
        """The bond onto which each operation takes a bond."""
        i, j, cell = ends
        # the far end by itself: a rotation by half-integers (orthohexagonal cells) takes a lattice vector to a centring
        far, cells, _ = self._locate(self._moved((self._positions[j] + np.array(cell))[None])[:, 0])
        moved = (cells - self._cells[:, i]).tolist()
        images = zip(self.images[:, i].tolist(), far.tolist(), moved, strict=True)
        return [(a, b, (h, k, l)) for a, b, (h, k, l) in images]  # noqa: E741

    def orbit(self, ends: Ends) -> list[tuple[Ends, np.ndarray]]:
        """All bonds equivalent to one, each once, with the Cartesian rotation R that makes
        their exchange matrix R M R^T.
        """
        found: dict[Ends, np.ndarray] = {ends: np.eye(3)}
        for image, rotation in zip(self.bonds(ends), self.rotations, strict=True):
            if image not in found and reversed_ends(image) not in found:
                found[image] = rotation
        return list(found.items())

    def allowed_exchange(self, ends: Ends) -> np.ndarray:
        """A basis of the exchange matrices that symmetry allows on a bond, (n, 3, 3), 0 <= n <= 9."""
        return _basis(self.exchange_projector(ends))

    def exchange_projector(self, ends: Ends) -> np.ndarray:
        """Projector onto the allowed exchange matrices, (9, 9), for matrices as rows of nine."""
        kept = []
        for image, rotation in zip(self.bonds(ends), self.rotations, strict=True):
            if image in (ends, reversed_ends(ends)):
                turned = np.kron(rotation, rotation)
                kept.append(turned if image == ends else _TRANSPOSE @ turned)
        return np.mean(kept, axis=0)

    def allowed_anisotropy(self, site: int) -> np.ndarray:
        """A basis of the single-ion matrices that symmetry allows on a site, symmetric, (n, 3, 3);
        the unit matrix is always among them.
        """
        return _basis(0.5 * (np.eye(9) + _TRANSPOSE) @ self.tensor_projector(site))

    def allowed_part(self, site: int, tensor: np.ndarray) -> np.ndarray:
        """The part of a tensor of even rank (single-ion, g) that the symmetry of a site allows."""
        rotations = self.rotations[self.images[:, site] == site]
        return np.mean([turned(tensor, rotation) for rotation in rotations], axis=0)

    def allowed_operators(self, site: int, degree: int) -> list[dict[str, float]]:
        """A basis of the single-ion operators of a degree that symmetry allows on a site,
        each by its Stevens operators.
        """
        names = [f"O{degree}{order}" for order in (0, *(sign * q for q in range(1, degree + 1) for sign in (1, -1)))]
        parts = [stevens_coefficients(self.allowed_part(site, stevens_tensors({name: 1.0})[0])) for name in names]
        rows = _row_echelon(np.array([[part.get(name, 0.0) for name in names] for part in parts]))
        return [{name: value for name, value in zip(names, row.tolist(), strict=True) if value} for row in rows]

    def tensor_projector(self, site: int) -> np.ndarray:
        """Projector onto the matrices (single-ion, g) that the symmetry of a site allows, (9, 9)."""
        rotations = self.rotations[self.images[:, site] == site]
        return np.mean([np.kron(rotation, rotation) for rotation in rotations], axis=0)


def reversed_ends(ends: Ends) -> Ends:
    """The same bond from its other end."""
    i, j, (h, k, l) = ends  # noqa: E741
    return j, i, (-h, -k, -l)


def project(projector: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The part of a 3 x 3 matrix that symmetry allows."""
    return (projector @ np.asarray(matrix, float).ravel()).reshape(3, 3)


def dm_matrix(vector: Sequence[float]) -> np.ndarray:
    """The exchange matrix of D . (S_i x S_j)."""
    x, y, z = vector
    return np.array([[0, z, -y], [-z, 0, x], [y, -x, 0]])


def allowed_dm(basis: np.ndarray) -> np.ndarray:
    """A basis of the Dzyaloshinskii-Moriya vectors D among allowed exchange matrices (n, 3, 3), as (m, 3)."""
    odd = 0.5 * (basis - basis.swapaxes(1, 2))
    return _row_echelon(np.stack([odd[:, 1, 2], odd[:, 2, 0], odd[:, 0, 1]], axis=-1))


def describe(basis: np.ndarray) -> str:
    """Allowed matrices (n, 3, 3) or vectors (n, 3) in letters, one for each free number:
    ``[[A, B, 0], [-B, A, 0], [0, 0, C]]``.
    """
    if basis.ndim == 3:
        return "[" + ", ".join(describe(basis[:, row]) for row in range(3)) + "]"
    return "[" + ", ".join(_combination(basis[:, x]) for x in range(3)) + "]"


def _combination(numbers: np.ndarray) -> str:
    text = ""
    for letter, number in zip("ABCDEFGHI", numbers, strict=False):
        if abs(number) > 1e-9:
            size = "" if abs(abs(number) - 1) < 1e-9 else f"{abs(number):.4g}"
            text += (" - " if text else "-") if number < 0 else (" + " if text else "")
            text += f"{size}{letter}"
    return text or "0"


def _basis(projector: np.ndarray) -> np.ndarray:
    return _row_echelon(projector.T).reshape(-1, 3, 3)


def _row_echelon(rows: np.ndarray) -> np.ndarray:
    """Reduced row echelon form without its zero rows."""
    rows = np.array(rows, float)
    pivot = 0
    for column in range(rows.shape[1]):
        if pivot == len(rows):
            break
        largest = pivot + int(np.abs(rows[pivot:, column]).argmax())
        if abs(rows[largest, column]) < 1e-6:
            continue
        rows[[pivot, largest]] = rows[[largest, pivot]]
        rows[pivot] /= rows[pivot, column]
        others = np.arange(len(rows)) != pivot
        rows[others] -= np.outer(rows[others, column], rows[pivot])
        pivot += 1
    rows = rows[:pivot]
    rows[np.abs(rows) < 1e-9] = 0.0
    return rows
