"""What a magnet is made of: sites, bonds, single-ion terms and field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave.dipoles import COMPONENTS, STRENGTH, DipoleSums
from mantid_insdl.spinwave.form_factors import Ion
from mantid_insdl.spinwave.lattice import Lattice
from mantid_insdl.spinwave.stevens import contracted

MU_B = 0.057883818066
"""Bohr magneton in meV/T."""

MOST_DIPOLES = 20
"""Spins of a cell with dipole-dipole interaction: the constant matrices of h(q) take 0.4 GB for each parameter."""


def _vector(values: Sequence[float], what: str) -> np.ndarray:
    array = np.array(values, float)
    if array.shape != (3,) or not np.all(np.isfinite(array)):
        raise MaterialError(f"{what} is {values!r}", "it has to be three finite numbers")
    return array


def _matrix(values: float | Sequence, what: str) -> np.ndarray:
    array = np.array(values, float)
    array = array * np.eye(3) if array.ndim == 0 else np.diag(array) if array.shape == (3,) else array
    if array.shape != (3, 3) or not np.all(np.isfinite(array)):
        raise MaterialError(
            f"{what} is {values!r}", "it has to be a number, three diagonal elements or a 3 x 3 matrix, all finite"
        )
    return array


def local_frames(directions: np.ndarray) -> np.ndarray:
    """Right-handed local frames (e1, e2, e3) of unit vectors (..., 3) as rows, e3 along the spin, (..., 3, 3).

    e1 is along the Cartesian z (of x, where the spin is along z) projected off the spin. Collinear spins then share e1,
    and their e2 are parallel or antiparallel: all the coefficients of a Heisenberg model are real, and h folds.
    """
    upright = np.abs(directions[..., 2:]) < 1 - 1e-9
    reference = np.where(upright, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    e1 = reference - np.sum(reference * directions, axis=-1, keepdims=True) * directions
    e1 /= np.linalg.norm(e1, axis=-1, keepdims=True)
    first, second = [1, 2, 0], [2, 0, 1]  # the cross product, at a fraction of the time of np.cross for few vectors
    e2 = directions[..., first] * e1[..., second] - directions[..., second] * e1[..., first]
    return np.stack((e1, e2, directions), axis=-2)


@dataclass(frozen=True, eq=False)
class Site:
    """A magnetic ion.

    Parameters
    ----------
    label
        Its name; several sites may share one.
    position : (3,)
        Fractional.
    spin
        Spin quantum number (length).
    direction : (3,)
        Direction of the ordered spin, Cartesian; need not be normalised.
    ion
        For the form factor, as ``Mn3+``, or the coefficients A, a, B, b, ..., D of it, or a
        `form_factors.FormFactor`; empty for none (F = 1).
    g
        g-tensor: a number, three diagonal elements or 3 x 3.
    pair : (3,)
        For a moment shared by two ions, the fractional vector from one to the other: form factor times cos(pi q.pair).
    """

    label: str
    position: np.ndarray
    spin: float
    direction: np.ndarray
    ion: Ion = ""
    g: np.ndarray = field(default_factory=lambda: 2.0 * np.eye(3))
    pair: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        object.__setattr__(self, "position", _vector(self.position, f"the position of {self.label}"))
        direction = _vector(self.direction, f"the spin direction of {self.label}")
        if not self.spin > 0:
            raise MaterialError(
                f"site {self.label} has spin {self.spin}", "a magnetic site has a positive spin", "leave the site out"
            )
        if not np.linalg.norm(direction) > 0:
            raise MaterialError(
                f"site {self.label} has no spin direction", "the vector is zero", "give the direction of its moment"
            )
        object.__setattr__(self, "direction", direction / np.linalg.norm(direction))
        object.__setattr__(self, "pair", _vector(self.pair, f"the pair vector of {self.label}"))
        object.__setattr__(self, "g", _matrix(self.g, f"the g-tensor of {self.label}"))


@dataclass(frozen=True, eq=False)
class Bond:
    """One bond, counted once: parameter x S_i^T matrix S_j, with site j in the cell `cell` (relative to that of i).

    A `biquadratic` bond is parameter x (S_i^T matrix S_j)^2, with classical spins: no factor from the
    quantum operators' products.
    """

    i: int
    j: int
    cell: tuple[int, int, int]
    parameter: str
    matrix: np.ndarray = field(default_factory=lambda: np.eye(3))
    biquadratic: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", _matrix(self.matrix, f"the exchange matrix of {self.parameter}"))
        if self.i == self.j and not any(self.cell):
            raise MaterialError(
                f"a bond of {self.parameter} joins site {self.i} with itself",
                fix="use a single-ion term, or name the neighbouring cell",
            )


@dataclass(frozen=True, eq=False)
class OnSite:
    """A single-ion term: parameter x S_i^T M S_i with a symmetric matrix M, or parameter x sum T_abcd S_a S_b S_c S_d,
    or with six indices.

    Parameters
    ----------
    i
        The site.
    parameter
        Its name.
    tensor : (3, 3), (3, 3, 3, 3) or of six indices
        M or T; of higher rank symmetric in all indices, as `stevens.stevens_tensors` makes them.
    """

    i: int
    parameter: str
    tensor: np.ndarray

    def __post_init__(self) -> None:
        if np.ndim(self.tensor) <= 2:
            matrix = _matrix(self.tensor, f"the single-ion matrix of {self.parameter}")
            object.__setattr__(self, "tensor", 0.5 * (matrix + matrix.T))
        elif np.shape(self.tensor) not in ((3,) * 4, (3,) * 6):
            raise MaterialError(
                f"the single-ion tensor of {self.parameter} has the shape {np.shape(self.tensor)}",
                "it has 2, 4 or 6 indices",
            )

    def energy(self, moments: np.ndarray) -> np.ndarray:
        """Per unit of the parameter, of spin vectors (..., 3), (...)."""
        return contracted(self.tensor, moments, 0)

    def gradient(self, moments: np.ndarray) -> np.ndarray:
        """Of the energy by each spin vector, (..., 3)."""
        return self.tensor.ndim * contracted(self.tensor, moments, 1)

    def curvature(self, moments: np.ndarray) -> np.ndarray:
        """Second derivatives of the energy by each spin vector, (..., 3, 3)."""
        return self.tensor.ndim * (self.tensor.ndim - 1) * contracted(self.tensor, moments, 2)


@dataclass(frozen=True, eq=False)
class Field:
    """A uniform magnetic field: parameter (in T) along `direction` (Cartesian, normalised here)."""

    parameter: str
    direction: np.ndarray

    def __post_init__(self) -> None:
        direction = _vector(self.direction, f"the direction of the field {self.parameter}")
        if not np.linalg.norm(direction) > 0:
            raise MaterialError(f"the field {self.parameter} has no direction", "the vector is zero")
        object.__setattr__(self, "direction", direction / np.linalg.norm(direction))


@dataclass(frozen=True, eq=False)
class Dipoles:
    """The dipole-dipole interaction of all moments g S, times a parameter that is 1 (see `dipoles`).

    Parameters
    ----------
    parameter
        Its name; the value has no unit.
    demagnetisation : (3, 3)
        Tensor of the sample's shape, Cartesian, of trace 1, or zero where domains close the flux; that of a sphere by
        default. It counts at q = 0, and where the cell has a moment.
    """

    parameter: str
    demagnetisation: np.ndarray = field(default_factory=lambda: np.eye(3) / 3)

    def __post_init__(self) -> None:
        given = _matrix(self.demagnetisation, "the tensor of demagnetisation")
        if np.abs(given - given.T).max() > 1e-9 or (abs(np.trace(given) - 1) > 1e-6 and np.any(given)):
            raise MaterialError(
                "the tensor of demagnetisation is not that of a sample",
                f"it is symmetric with the trace 1, not {np.trace(given):g}, or zero",
                "give 1/3, 1/3, 1/3 of a sphere, 1/2, 1/2, 0 of a needle along z, 0, 0, 1 of a plate across z, "
                "or 0, 0, 0 of domains",
            )
        object.__setattr__(self, "demagnetisation", given)


@lru_cache(maxsize=8)
def _dipole_sums(lattice: Lattice, positions: tuple, demagnetisation: tuple) -> DipoleSums:
    """Sums of a cell, whatever its order: those of one magnet with other directions, or for another parameter set,
    are made once.
    """
    return DipoleSums(lattice, np.array(positions), np.reshape(demagnetisation, (3, 3)))


@dataclass(frozen=True, eq=False)
class SpinModel:
    """A magnetic cell with its ordered structure and couplings. Each coupling is named;
    its value comes later, as a parameter.

    Neutrons see its moments, g S / 2 (in units in which a g-tensor of 2 leaves the spin), or with
    ``scattering="spins"`` its spins.
    """

    lattice: Lattice
    sites: tuple[Site, ...]
    bonds: tuple[Bond, ...] = ()
    onsite: tuple[OnSite, ...] = ()
    fields: tuple[Field, ...] = ()
    dipoles: Dipoles | None = None
    scattering: Literal["moments", "spins"] = "moments"

    def __post_init__(self) -> None:
        for name in ("sites", "bonds", "onsite", "fields"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.sites:
            raise MaterialError("the cell has no magnetic site", fix="give at least one site with a spin")
        for term in (*self.bonds, *self.onsite):
            for index in (term.i, getattr(term, "j", term.i)):
                if not 0 <= index < len(self.sites):
                    raise MaterialError(
                        f"a term of {term.parameter} names site {index}", f"there are {len(self.sites)} sites, from 0"
                    )

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the couplings, in order of first use."""
        terms = (*self.bonds, *self.onsite, *self.fields, *([] if self.dipoles is None else [self.dipoles]))
        return tuple(dict.fromkeys(term.parameter for term in terms))

    @cached_property
    def dipole_sums(self) -> DipoleSums:
        """Lattice sums of the dipole-dipole interaction between its sites.

        Raises
        ------
        MaterialError
            For a cell of more sites than `MOST_DIPOLES`.
        """
        if len(self.sites) > MOST_DIPOLES:
            raise MaterialError(
                f"the cell has {len(self.sites)} spins",
                f"dipole-dipole interactions are calculated for at most {MOST_DIPOLES}: "
                "their memory grows as the fourth power",
                "take a smaller magnetic cell (k = 1/2 along an axis doubles it along that one), or leave out dipoles "
                "and give what they do as single-ion anisotropy and as exchange of the nearest bonds (matrix)",
            )
        positions = tuple(tuple(site.position.tolist()) for site in self.sites)
        return _dipole_sums(self.lattice, positions, tuple(self.dipoles.demagnetisation.ravel().tolist()))

    def dipole_matrices(self) -> np.ndarray:
        """Exchange matrices of each pair of `dipole_sums` per unit of the components of its sum,
        (pair, component, 3, 3).

        In meV angstrom^3.
        """
        found = np.zeros((len(self.dipole_sums.pairs), len(COMPONENTS), 3, 3))
        for pair, (i, j) in enumerate(self.dipole_sums.pairs):
            for place, (x, y) in enumerate(COMPONENTS):
                one = np.zeros((3, 3))
                one[x, y] = one[y, x] = STRENGTH
                found[pair, place] = self.sites[i].g.T @ one @ self.sites[j].g
        return found

    def dipole_exchange(self) -> np.ndarray:
        """Exchange matrices at q = 0 between all sites, each with all images of the other,
        (site, site, 3, 3) in meV.
        """
        found = np.zeros((len(self.sites), len(self.sites), 3, 3))
        sums = self.dipole_sums.at(np.zeros(3))[0].real
        matrices = np.einsum("pc,pcxy->pxy", sums, self.dipole_matrices())
        for (i, j), matrix in zip(self.dipole_sums.pairs, matrices, strict=True):
            found[i, j], found[j, i] = matrix, matrix.T
        return found

    @cached_property
    def spins(self) -> np.ndarray:
        """Spin lengths, (site,)."""
        return np.array([site.spin for site in self.sites])

    @cached_property
    def pairs(self) -> np.ndarray:
        """Fractional vectors between the two ions of each site, (site, 3); zero for a single ion."""
        return np.array([site.pair for site in self.sites])

    @cached_property
    def frames(self) -> np.ndarray:
        """Local frames, (site, axis, Cartesian)."""
        return local_frames(np.array([site.direction for site in self.sites]))

    @cached_property
    def visible(self) -> np.ndarray:
        """From spins to what neutrons see of them, g / 2 or 1, (site, 3, 3)."""
        halves = np.array([0.5 * site.g for site in self.sites])
        return halves if self.scattering == "moments" else np.broadcast_to(np.eye(3), halves.shape)

    @property
    def shows_spins(self) -> bool:
        """Whether neutrons see the spins as they are."""
        return bool(np.all(self.visible == np.eye(3)))

    def seen(self, frames: np.ndarray) -> np.ndarray:
        """Local frames (site, axis, 3), also turned ones, as neutrons see spins that move along them."""
        return frames if self.shows_spins else np.einsum("iab,ixb->ixa", self.visible, frames)

    def parameter_table(self, values: Mapping[str, float | np.ndarray]) -> np.ndarray:
        """Parameter values as (set, parameter).

        Raises
        ------
        MaterialError
            For a missing, unknown or non-finite parameter.
        """
        unknown = sorted(set(values) - set(self.parameters))
        missing = [name for name in self.parameters if name not in values]
        if unknown or missing:
            what = f"has no parameter {', '.join(unknown)}" if unknown else f"needs a value for {', '.join(missing)}"
            raise MaterialError(f"this magnet {what}", f"its parameters are {', '.join(self.parameters)}")
        columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(values[name], float)) for name in self.parameters))
        table = np.stack(columns, axis=-1)
        if table.ndim != 2:
            raise MaterialError("the parameters have the wrong shape", "each is a number or a one-dimensional array")
        bad = [name for name, ok in zip(self.parameters, np.isfinite(table).all(axis=0), strict=True) if not ok]
        if bad:
            raise MaterialError(
                f"parameter {', '.join(bad)} is not a finite number", fix="give its value in meV (a field in T)"
            )
        return table

    def neighbours(self, distance: float, tolerance: float = 0.01) -> list[tuple[int, int, tuple[int, int, int]]]:
        """All pairs of sites at `distance` angstrom (to `tolerance`), each pair once, as (i, j, cell of j)."""
        found = []
        # |n_i| a_i cannot exceed the distance by more than the cell: in reciprocal terms |n . a*| bounds the number
        # of cells
        cells = (distance + tolerance) * np.linalg.norm(self.lattice.reciprocal, axis=1) / (2 * np.pi)
        reach = np.ceil(cells).astype(int) + 1
        positions = np.array([s.position for s in self.sites])
        shift = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), -1).reshape(-1, 3)
        for i in range(len(self.sites)):
            for j in range(i, len(self.sites)):
                vectors = (positions[j] + shift - positions[i]) @ self.lattice.vectors
                for n in shift[np.abs(np.linalg.norm(vectors, axis=1) - distance) <= tolerance]:
                    # the bond i-i to cell n is also the one to cell -n: keep the first of the two
                    if i == j and tuple(n) <= tuple(-n):
                        continue
                    found.append((i, j, tuple(int(x) for x in n)))
        return found
