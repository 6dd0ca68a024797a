"""The quadratic boson Hamiltonian h(q), linear in the parameters.

With S_i = sqrt(S_i / 2) (conj(u_i) a_i + u_i a_i^+) + v_i (S_i - a_i^+ a_i), u = e1 + i e2 and v = e3 of the local
frame, and the Fourier transform taken at the sites' own positions (the bond-vector gauge)::

    H = E0 + 1/2 sum_q x^+ h(q) x,   x = (a_q, a^+_{-q}),   h = [[A(q), B(q)], [conj(B(-q)), conj(A(-q))]]

(Toth and Lake, J. Phys.: Condens. Matter 27, 166002 (2015), in that gauge.) In this gauge h depends on q only
through the bond vectors d::

    h(q) = sum over parameters p and waves k of p C_pk w_k(q)
    w = (1, cos 2 pi q.d_1, cos 2 pi q.d_2, ..., sin 2 pi q.d_1, ...)

with constant matrices C. Few bond vectors differ by more than a sign, so that all of h(q) for a parameter set is one
small matrix product. With the dipole-dipole interaction, waves are also the real and imaginary parts of its lattice
sums (`dipoles.DipoleSums`).

Two exact reductions, each found in the constant matrices themselves:

*folding*
    Where every coefficient of a bond or site is real, h = [[A, B], [B, A]] with Hermitian B, and N x N
    matrices A + B, A - B replace h.
*inversion*
    Where an inversion maps the sites onto sites and a folded h(q) onto h(-q) = conj(h(q)), sums and differences of a
    site and its image make A + B and A - B real.

A third, of any form, by permutations of the sites that leave it unchanged: `Form.split`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from mantid_insdl.spinwave.model import MU_B, Bond, SpinModel

MANY_SITES = 100
"""In a larger cell the magnet's symmetry is not looked for: that would take longer than it saves."""
_REAL = 1e-12
"""Largest imaginary part, relative to the largest coefficient, of a coefficient that counts as real."""


@dataclass(frozen=True, eq=False)
class Form:
    """Constant matrices of a form of h(q) to be solved.

    Parameters
    ----------
    matrices : tuple of (parameter, wave, [block,] n, n)
        One stack for the full 2N x 2N h; two, of A + B and of A - B, for the folded one.
    sites : (N, n) or None
        Amplitude on each site of each row of the matrices; None where rows are sites.
    """

    matrices: tuple[np.ndarray, ...]
    sites: np.ndarray | None = None

    def at(self, waves: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, ...]:
        """Matrices (set, m, [block,] n, n) for `waves` (m, wave) and parameter sets (set, parameter)."""
        found = []
        for constant in self.matrices:
            parameters, number, *square = constant.shape
            # set by set, so that none depends on which others there are
            constants = table[:, None] @ constant.reshape(parameters, -1)
            h = waves @ constants.reshape(len(table), number, -1)
            found.append(h.reshape(*h.shape[:2], *square))
        return tuple(found)

    def derivatives(self, waves: np.ndarray) -> tuple[np.ndarray, ...]:
        """dh/dparameter, (parameter, m, n, n)."""
        return self.at(waves, np.eye(len(self.matrices[0])))

    def split(self, permutations: Iterable[np.ndarray]) -> list[Form]:
        """Blocks of sites that move alike and opposite under permutations (site,) of order two that
        commute and leave h(q) unchanged.

        Those of a magnet are the translations, each with a turn of the spins, by half of a period of its order that are
        none of the order, as by the distance of the two sublattices of an antiferromagnet. The cost of a solve goes as
        the third power of its rows.
        """
        blocks = [self]
        for permutation in permutations:
            blocks = [half for block in blocks for half in block._halves(permutation)]
        return blocks

    def _halves(self, permutation: np.ndarray) -> list[Form]:
        sites = np.eye(len(permutation)) if self.sites is None else self.sites
        # real also where `sites` are not: see `folded`
        signs, rows = np.linalg.eigh((sites.conj().T @ sites[permutation]).real)
        halves = []
        for chosen in (signs > 0, signs < 0):
            if chosen.any():
                half = rows[:, chosen]
                both = np.kron(np.eye(self.matrices[0].shape[-1] // len(rows)), half)  # alpha and beta of the full form
                halves.append(Form(tuple(both.T @ x @ both for x in self.matrices), sites @ half))
        return halves


class Hamiltonian:
    """Coefficients of h(q) for a model, one set for each parameter.

    Parameters
    ----------
    model
        The magnet, with its ordered structure.
    frames : (site, axis, Cartesian)
        In place of the model's own local frames. The coefficients are polynomials in them,
        also where they are no frames.
    """

    def __init__(self, model: SpinModel, frames: np.ndarray | None = None):
        self.model = model
        n, spins = len(model.sites), model.spins
        frames = model.frames if frames is None else frames
        self._u = frames[:, 0] + 1j * frames[:, 1]
        self._v = frames[:, 2]
        self._index = {name: p for p, name in enumerate(model.parameters)}
        self._diagonal_a = np.zeros((len(self._index), n), complex)
        self._diagonal_b = np.zeros((len(self._index), n), complex)
        self._bonds: list[tuple[Bond, complex, complex]] = []
        for bond in model.bonds:
            self._add_bond(bond)
        for term in model.onsite:
            i, p = term.i, self._index[term.parameter]
            u, v = self._u[i], self._v[i]
            # to second order about the ordered spin: half of the curvature across it, and the slope along it
            m, slope = 0.5 * term.curvature(spins[i] * v), v @ term.gradient(spins[i] * v)
            self._diagonal_a[p, i] += spins[i] * (u.conj() @ m @ u) - slope
            self._diagonal_b[p, i] += spins[i] * (u @ m @ u)
        for field in model.fields:
            for i, site in enumerate(model.sites):
                self._diagonal_a[self._index[field.parameter], i] += MU_B * (field.direction @ site.g @ self._v[i])

        self._dipoles = self._dipole_coefficients()
        if model.dipoles is not None:
            along = np.einsum("ix,ijxy,jy->ij", self._v, model.dipole_exchange(), self._v)
            self._diagonal_a[self._index[model.dipoles.parameter]] -= along @ spins

    def _dipole_coefficients(self) -> list[tuple[int, int, complex, complex]]:
        """Sites of each lattice sum of the dipole-dipole interaction,
        with its coefficients of a_i^+ a_j and of a_i^+ a_j^+.
        """
        if self.model.dipoles is None:
            return []
        found, u, spins = [], self._u, self.model.spins
        for (i, j), matrices in zip(self.model.dipole_sums.pairs.tolist(), self.model.dipole_matrices(), strict=True):
            scale = 0.5 * np.sqrt(spins[i] * spins[j])
            found += [(i, j, scale * (u[i] @ m @ u[j].conj()), scale * (u[i] @ m @ u[j])) for m in matrices]
        return found

    def _add_bond(self, bond: Bond) -> None:
        """Coefficients of a_i^+ a_j and of a_i^+ a_j^+ of one bond; the terms on its two sites."""
        i, j, p, m = bond.i, bond.j, self._index[bond.parameter], bond.matrix
        si, sj = self.model.spins[[i, j]]
        u, v = self._u, self._v
        along = v[i] @ m @ v[j]
        # (S_i m S_j)^2 about its classical value c = S_i S_j along: 2 c (second order) + (first order)^2
        factor = 2 * si * sj * along if bond.biquadratic else 1.0
        scale = 0.5 * np.sqrt(si * sj) * factor
        a, b = scale * (u[i] @ m @ u[j].conj()), scale * (u[i] @ m @ u[j])
        self._diagonal_a[p, i] -= sj * along * factor
        self._diagonal_a[p, j] -= si * along * factor
        if bond.biquadratic:
            first_i, first_j = np.sqrt(0.5 * si) * sj * (u[i] @ m @ v[j]), np.sqrt(0.5 * sj) * si * (v[i] @ m @ u[j])
            a += 2 * first_i * first_j.conj()
            b += 2 * first_i * first_j
            for site, first in ((i, first_i), (j, first_j)):
                self._diagonal_a[p, site] += 2 * abs(first) ** 2
                self._diagonal_b[p, site] += 2 * first**2
        self._bonds.append((bond, a, b))

    @property
    def size(self) -> int:
        """Number of sites N; h is 2N x 2N."""
        return len(self.model.sites)

    @cached_property
    def _vectors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bond vectors in lattice units that differ by more than a sign, (wave, 3);
        for each bond which one, and the sign.
        """
        positions = np.array([s.position for s in self.model.sites])
        found = np.array([positions[b.j] + np.array(b.cell) - positions[b.i] for b, _, _ in self._bonds]).reshape(-1, 3)
        keys = np.round(found, 9) + 0.0
        first = np.array([next((x for x in key if x), 0.0) for key in keys])
        sign = np.where(first < 0, -1, 1)
        _, kept, which = np.unique(keys * sign[:, None] + 0.0, axis=0, return_index=True, return_inverse=True)
        return (found * sign[:, None])[kept], which.ravel(), sign

    def waves(self, q: np.ndarray) -> np.ndarray:
        """1, the cosines and the sines of the bond vectors' phases at momenta (m, 3) in r.l.u., (m, wave).

        Real parts of dipole sums follow the cosines, imaginary ones the sines.
        """
        phase = 2 * np.pi * (np.asarray(q, float).reshape(-1, 3) @ self._vectors[0].T)
        dipolar = self.model.dipoles is not None
        sums = self.model.dipole_sums.at(q).reshape(len(phase), -1) if dipolar else np.zeros((len(phase), 0))
        return np.concatenate((np.ones((len(phase), 1)), np.cos(phase), sums.real, np.sin(phase), sums.imag), axis=1)

    def wave_slopes(self, q: np.ndarray) -> np.ndarray:
        """Derivatives of `waves` by h, k and l, (3, m, wave)."""
        vectors = self._vectors[0]
        phase = 2 * np.pi * (np.asarray(q, float).reshape(-1, 3) @ vectors.T)
        sums = np.zeros((3, len(phase), 0))
        if self.model.dipoles is not None:
            sums = self.model.dipole_sums.slopes(q).reshape(3, len(phase), -1)
        factors = 2 * np.pi * vectors.T[:, None]  # (3, 1, vector)
        cosines, sines = -factors * np.sin(phase), factors * np.cos(phase)
        return np.concatenate((np.zeros((3, len(phase), 1)), cosines, sums.real, sines, sums.imag), axis=2)

    @cached_property
    def _blocks(self) -> tuple[np.ndarray, np.ndarray]:
        """Constant matrices of A and of B, (parameter, wave, N, N) complex."""
        vectors, which, signs = self._vectors
        n, size = len(vectors), self.size
        odd = n + len(self._dipoles)  # from a wave that is even in q to the odd one of the same phase
        a, b = np.zeros((2, len(self._index), 1 + 2 * odd, size, size), complex)
        sites = np.arange(size)
        a[:, 0, sites, sites] = self._diagonal_a
        b[:, 0, sites, sites] = self._diagonal_b
        for (bond, bond_a, bond_b), wave, sign in zip(self._bonds, which, signs, strict=True):
            p, i, j = self._index[bond.parameter], bond.i, bond.j
            cosine, sine = 1 + wave, 1 + odd + wave
            # phase exp(2 pi i q.d) of (i, j) and its conjugate of (j, i)
            for block, forward, backward in ((a, bond_a, np.conj(bond_a)), (b, bond_b, bond_b)):
                block[p, cosine, i, j] += forward
                block[p, cosine, j, i] += backward
                block[p, sine, i, j] += 1j * sign * forward
                block[p, sine, j, i] -= 1j * sign * backward
        for wave, (i, j, pair_a, pair_b) in enumerate(self._dipoles, start=1 + n):
            p = self._index[self.model.dipoles.parameter]
            for block, forward, backward in ((a, pair_a, np.conj(pair_a)), (b, pair_b, pair_b)):
                block[p, wave, i, j] += forward
                block[p, wave + odd, i, j] += 1j * forward
                if i != j:
                    block[p, wave, j, i] += backward
                    block[p, wave + odd, j, i] -= 1j * backward
        return a, b

    def unfolded(self, waves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A and B per unit of each parameter at `waves` (m, wave), (parameter, m, N, N) complex."""
        return Form(self._blocks).derivatives(waves)

    def scale(self, table: np.ndarray) -> np.ndarray:
        """Size of h in meV for each parameter set, (set,): the largest sum of the moduli of a site's diagonal terms."""
        return (np.abs(table) @ (np.abs(self._diagonal_a) + np.abs(self._diagonal_b))).max(axis=-1)

    @cached_property
    def folds(self) -> bool:
        """Whether h = [[A, B], [B, A]] with Hermitian B at all momenta,
        so that an N x N problem replaces the 2N x 2N one.

        True when every coefficient is real: then conj(A(-q)) = A(q), conj(B(-q)) = B(q), and B is Hermitian.
        """
        numbers = [np.ravel(x) for x in (self._diagonal_a, self._diagonal_b)]
        pairs = [(a, b) for _, a, b in self._bonds] + [(a, b) for _, _, a, b in self._dipoles]
        numbers = np.concatenate([*numbers, np.array(pairs, complex).ravel()])
        return bool(np.all(np.abs(numbers.imag) <= _REAL * np.abs(numbers).max(initial=0.0)))

    @cached_property
    def full(self) -> Form:
        """The 2N x 2N form."""
        a, b = self._blocks
        sines = len(self._vectors[0]) + len(self._dipoles) + 1
        # conj(A(-q)) and conj(B(-q)): q -> -q turns the sign of the sines
        below_a, below_b = a.conj(), b.conj()
        for block in (below_a, below_b):
            block[:, sines:] *= -1
        rows = (np.concatenate((a, b), axis=-1), np.concatenate((below_b, below_a), axis=-1))
        return Form((np.concatenate(rows, axis=-2),))

    @cached_property
    def folded(self) -> Form:
        """The N x N form, real where an inversion allows it.

        Raises
        ------
        ValueError
            If h does not fold.
        """
        if not self.folds:
            raise ValueError("h of this model does not fold: its coefficients are not all real")
        a, b = self._blocks
        plus, minus = a + b, a - b
        image = self._inversion(plus, minus)
        if image is None:
            return Form((plus, minus))
        # rows: a site that is its own image; (site + image) / sqrt 2; i (site - image) / sqrt 2
        combine = np.zeros((self.size, self.size), complex)
        for site, other in enumerate(image):
            if site == other:
                combine[site, site] = 1
            elif site < other:
                combine[site, [site, other]] = np.sqrt(0.5)
                combine[other, [site, other]] = 1j * np.sqrt(0.5), -1j * np.sqrt(0.5)
        real = [np.ascontiguousarray((combine @ x @ combine.conj().T).real) for x in (plus, minus)]
        sites = None if np.array_equal(combine, np.eye(self.size)) else combine.conj().T
        return Form(tuple(real), sites)

    def _inversion(self, *stacks: np.ndarray) -> np.ndarray | None:
        """Image of each site under an inversion that takes every h(q) of the stacks to its conjugate;
        None if there is none.
        """
        positions = np.array([s.position for s in self.model.sites])
        largest = max(np.abs(x).max(initial=0.0) for x in stacks)
        for other in range(self.size):
            apart = (positions[0] + positions[other])[None, None] - positions[:, None] - positions[None]
            hit = np.abs(apart - np.round(apart)).max(axis=-1) < 1e-6
            if not np.all(hit.sum(axis=1) == 1):
                continue
            image = hit.argmax(axis=1)
            if all(np.abs(x[:, :, image][..., image] - x.conj()).max(initial=0.0) <= _REAL * largest for x in stacks):
                return image
        return None

    def blocks(self, fold: bool) -> list[Form]:
        """The folded or the full form, in blocks where translations by half of a period of the order leave
        h(q) unchanged: `Form.split`.
        """
        return self._split_folded if fold else self._split_full

    @cached_property
    def _split_full(self) -> list[Form]:
        return self.full.split(self._translations)

    @cached_property
    def _split_folded(self) -> list[Form]:
        return self.folded.split(self._translations)

    @cached_property
    def _translations(self) -> list[np.ndarray]:
        """Permutations of the sites by translations of order two that change no h(q);
        none of a cell of more than `MANY_SITES`.
        """
        positions = np.array([s.position for s in self.model.sites])
        largest = max(np.abs(x).max(initial=0.0) for x in self._blocks)
        found = []
        for other in range(1, self.size if self.size <= MANY_SITES else 1):
            apart = positions[:, None] + positions[other] - positions[0] - positions[None]
            hit = np.abs(apart - np.round(apart)).max(axis=-1) < 1e-6
            images = hit.argmax(axis=1)
            if not np.all(hit.sum(axis=1) == 1) or np.any(images[images] != np.arange(self.size)):
                continue
            if all(np.abs(x[:, :, images][..., images] - x).max(initial=0.0) <= _REAL * largest for x in self._blocks):
                found.append(images)
        return found

    def matrix(self, q: np.ndarray, parameters: Mapping[str, float | np.ndarray]) -> np.ndarray:
        """The full h(q), (set, m, 2N, 2N), for parameter arrays (set,)."""
        return self.full.at(self.waves(q), self.model.parameter_table(parameters))[0]


def hamiltonian_of(model: SpinModel) -> Hamiltonian:
    """The Hamiltonian of a model; that of a small cell is kept for the next call,
    for making it takes as long as a hundred solves.
    """
    return _kept(model) if len(model.sites) <= MANY_SITES else Hamiltonian(model)


@lru_cache(maxsize=4)
def _kept(model: SpinModel) -> Hamiltonian:
    return Hamiltonian(model)
