"""The dipole-dipole interaction of all pairs of a crystal, summed by Ewald's method.

Two moments m, in Bohr magnetons, r apart have the energy C m_i^T T(r) m_j, with T = (1 - 3 r r^T / r^2) / r^3.
The lattice sum

    T_ij(q) = sum over cells of T(d) exp(2 pi i q.d),   d from site i to the images of site j,

converges slowly, and at q = 0 to a value that depends on the shape of the crystal. With
1 / r = erfc(a r) / r + erf(a r) / r it is a sum over near pairs and one over small momenta k = G - Q, of
4 pi / V k k^T / k^2 exp(-k^2 / 4 a^2) exp(i G.d) [P. P. Ewald, Ann. Phys. 369, 253 (1921); for spin waves M. H. Cohen
and F. Keffer, Phys. Rev. 99, 1128 (1955)]. At k = 0, where k k^T / k^2 has no value, stands the tensor of
demagnetisation N of the sample: the modes at q = 0 are those of a sample of that shape, and those next to it have
k k^T / k^2 in its place.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from mantid_insdl.spinwave.lattice import Lattice

STRENGTH = 0.0536815
"""C = mu0 muB^2 / 4 pi in meV angstrom^3."""
COMPONENTS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Of a symmetric matrix, in the order in which sums have them."""
_REACH = 5.4
"""Where the factors exp(-x^2) of both sums have fallen to 2e-13."""
_MORE_NEAR = 0.75
"""Split of the two sums in favour of that over near pairs, which is one matrix product."""
_PIECE = 500
"""Momenta that are summed at a time."""


class DipoleSums:
    """T_ij(q) of the pairs i <= j of the sites of a cell.

    Parameters
    ----------
    lattice
        The cell.
    positions : (site, 3)
        Fractional.
    demagnetisation : (3, 3)
        N, symmetric with the trace 1: of a sphere 1/3, of a needle along z diag(1/2, 1/2, 0), of a plate
        across z diag(0, 0, 1); or zero.
    """

    def __init__(self, lattice: Lattice, positions: np.ndarray, demagnetisation: np.ndarray):
        self._lattice, self._demagnetisation = lattice, np.asarray(demagnetisation, float)
        self.pairs = np.array([(i, j) for i in range(len(positions)) for j in range(i, len(positions))])
        """Sites i <= j, (pair, 2)."""
        self._apart = positions[self.pairs[:, 1]] - positions[self.pairs[:, 0]]
        self._split = _MORE_NEAR * np.sqrt(np.pi) / lattice.volume ** (1 / 3)
        self._cells, self._vectors, self._near = self._near_part()
        corners = np.array(list(itertools.product((-0.5, 0.5), repeat=3))) @ lattice.reciprocal
        reach = 2 * _REACH * self._split + np.linalg.norm(corners, axis=1).max()
        far = _cells(lattice.reciprocal, np.zeros((1, 3)), reach)
        self._far = far @ lattice.reciprocal
        self._far_phases = np.exp(2j * np.pi * far @ self._apart.T)

    def _near_part(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cells of near images (cell, 3), vectors to them (cell, pair, 3), and the part of T of each,
        (cell, pair, component).
        """
        from scipy.special import erfc

        a = self._split
        cells = _cells(self._lattice.vectors, self._apart, _REACH / a)
        vectors = (cells[:, None] + self._apart) @ self._lattice.vectors
        length = np.linalg.norm(vectors, axis=-1)
        counts = (length > 1e-9) & (length <= _REACH / a)
        length = np.where(counts, length, 1.0)
        gauss = 2 * a / np.sqrt(np.pi) * np.exp(-((a * length) ** 2)) / length**2
        tail = erfc(a * length) / length**3
        along = 3 * tail / length**2 + gauss * (2 * a**2 + 3 / length**2)
        parts = [(x == y) * (tail + gauss) - along * vectors[..., x] * vectors[..., y] for x, y in COMPONENTS]
        return cells, vectors, np.stack(parts, axis=-1) * counts[..., None]

    def at(self, q: np.ndarray) -> np.ndarray:
        """T_ij(q) at momenta (m, 3) in r.l.u., (m, pair, component) complex, in 1/angstrom^3."""
        found = self._sums(q, self._near[None], self._far_values)[0]
        same = self.pairs[:, 0] == self.pairs[:, 1]
        found[:, same, :3] -= 4 * self._split**3 / (3 * np.sqrt(np.pi))  # what the second sum has of a site with itself
        return found

    def slopes(self, q: np.ndarray) -> np.ndarray:
        """Derivatives of T_ij(q) by h, k and l, (3, m, pair, component);
        at q = 0, which is a point apart, those of the rest.
        """
        near = 1j * np.moveaxis(self._vectors, -1, 0)[..., None] * self._near
        return np.tensordot(self._lattice.reciprocal, self._sums(q, near, self._far_slopes), axes=1)

    def _sums(self, q: np.ndarray, near: np.ndarray, far: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Sums over near images with these parts (kind, cell, pair, component) and over momenta with others,
        (kind, m, pair, component).
        """
        q = np.asarray(q, float).reshape(-1, 3)
        zones = np.rint(q)
        found = np.empty((len(near), len(q), *near.shape[2:]), complex)
        weights = np.moveaxis(near, 1, 0).reshape(near.shape[1], -1)
        for start in range(0, len(q), _PIECE):
            piece = slice(start, start + _PIECE)
            inside = q[piece] - zones[piece]
            images = (_phases(inside, self._cells) @ weights).reshape(len(inside), len(near), *near.shape[2:])
            images *= np.exp(2j * np.pi * inside @ self._apart.T)[:, None, :, None]
            parts = far(self._lattice.to_cartesian(inside))  # (kind, component, m, G)
            momenta = parts @ self._far_phases.real + 1j * (parts @ self._far_phases.imag)
            found[:, piece] = images.swapaxes(0, 1) + 4 * np.pi / self._lattice.volume * np.moveaxis(momenta, 1, -1)
        return found * np.exp(2j * np.pi * zones @ self._apart.T)[..., None]

    def _far_factor(self, q: np.ndarray) -> tuple[np.ndarray, ...]:
        """k = G - Q, (3, m, G), k^2, where it is zero, and exp(-k^2 / 4 a^2) / k^2 elsewhere,
        (m, G), for Cartesian Q (m, 3).
        """
        k = self._far.T[:, None] - q.T[..., None]
        squared = np.sum(k**2, axis=0)
        centre = squared < 1e-16 * self._split**2
        squared[centre] = 1.0
        factor = np.exp(squared * (-1 / (4 * self._split**2))) / squared
        factor[centre] = 0.0
        return k, squared, centre, factor

    def _far_values(self, q: np.ndarray) -> np.ndarray:
        """k k^T / k^2 exp(-k^2 / 4 a^2), (1, component, m, G)."""
        k, _, centre, factor = self._far_factor(q)
        scaled = k * factor
        parts = np.stack([scaled[x] * k[y] for x, y in COMPONENTS])
        for m, g in np.argwhere(centre):
            parts[:, m, g] = [self._demagnetisation[x, y] for x, y in COMPONENTS]
        return parts[None]

    def _far_slopes(self, q: np.ndarray) -> np.ndarray:
        """Derivatives of these by the Cartesian components of Q, (3, component, m, G)."""
        k, squared, _, factor = self._far_factor(q)
        scaled, bend = k * factor, 2 * factor * (1 / (4 * self._split**2) + 1 / squared)
        parts = np.empty((3, len(COMPONENTS), *factor.shape))
        for place, (x, y) in enumerate(COMPONENTS):
            product = k[x] * k[y] * bend
            for axis in range(3):
                parts[axis, place] = product * k[axis]
            parts[x, place] -= scaled[y]
            parts[y, place] -= scaled[x]
        return parts


def _phases(q: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """exp(2 pi i q.n) of momenta (m, 3) and cells n (cell, 3), (m, cell): powers of three numbers."""
    found = np.ones((len(q), len(cells)), complex)
    for axis in range(3):
        most = int(np.abs(cells[:, axis]).max(initial=0))
        powers = np.exp(2j * np.pi * np.multiply.outer(q[:, axis], np.arange(-most, most + 1)))
        found *= powers[:, cells[:, axis] + most]
    return found


def _cells(vectors: np.ndarray, offsets: np.ndarray, reach: float) -> np.ndarray:
    """Cells n, (cell, 3) int, with (n + offset) @ vectors within a distance of the origin
    for one of the offsets (m, 3).
    """
    dual = np.linalg.inv(vectors).T
    most = np.ceil(reach * np.linalg.norm(dual, axis=1) + np.abs(offsets).max(axis=0)).astype(int)
    cells = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in most), indexing="ij"), -1).reshape(-1, 3)
    near = [np.sum(((cells + offset) @ vectors) ** 2, axis=1) <= reach**2 for offset in offsets]
    return cells[np.any(near, axis=0)]
