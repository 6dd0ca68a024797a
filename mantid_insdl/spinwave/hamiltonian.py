"""The quadratic boson Hamiltonian h(q), linear in the parameters.

With S_i = sqrt(S_i / 2) (conj(u_i) a_i + u_i a_i^+) + v_i (S_i - a_i^+ a_i), u = e1 + i e2 and v = e3 of the local frame, and the
Fourier transform taken at the sites' own positions (the bond-vector gauge)::

    H = E0 + 1/2 sum_q x^+ h(q) x,   x = (a_q, a^+_{-q}),   h = [[A(q), B(q)], [conj(B(-q)), conj(A(-q))]]

(Toth and Lake, J. Phys.: Condens. Matter 27, 166002 (2015), in that gauge.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mantid_insdl.spinwave.model import MU_B, SpinModel


class Hamiltonian:
    """Coefficients of h(q) for a model, one set for each parameter.

    Parameters
    ----------
    model
        The magnet, with its ordered structure.
    """

    def __init__(self, model: SpinModel):
        self.model = model
        n, spins = len(model.sites), model.spins
        u = model.frames[:, 0] + 1j * model.frames[:, 1]
        v = model.frames[:, 2]
        index = {name: p for p, name in enumerate(model.parameters)}
        self._diagonal_a = np.zeros((len(index), n), complex)
        self._diagonal_b = np.zeros((len(index), n), complex)
        rows, columns, which, vectors, a, b = [], [], [], [], [], []
        for bond in model.bonds:
            i, j, p, m = bond.i, bond.j, index[bond.parameter], bond.matrix
            scale = 0.5 * np.sqrt(spins[i] * spins[j])
            rows.append(i)
            columns.append(j)
            which.append(p)
            vectors.append(model.sites[j].position + np.array(bond.cell) - model.sites[i].position)
            a.append(scale * (u[i] @ m @ u[j].conj()))
            b.append(scale * (u[i] @ m @ u[j]))
            along = v[i] @ m @ v[j]
            self._diagonal_a[p, i] -= spins[j] * along
            self._diagonal_a[p, j] -= spins[i] * along
        for term in model.onsite:
            i, p, m = term.i, index[term.parameter], term.matrix
            self._diagonal_a[p, i] += spins[i] * (u[i].conj() @ m @ u[i] - 2 * (v[i] @ m @ v[i]))
            self._diagonal_b[p, i] += spins[i] * (u[i] @ m @ u[i])
        for field in model.fields:
            for i, site in enumerate(model.sites):
                self._diagonal_a[index[field.parameter], i] += MU_B * (field.direction @ site.g @ v[i])
        self._i, self._j, self._p = (np.array(x, int) for x in (rows, columns, which))
        self._vectors = np.array(vectors).reshape(-1, 3)
        self._a, self._b = np.array(a, complex), np.array(b, complex)

    @property
    def size(self) -> int:
        """Number of sites N; h is 2N x 2N."""
        return len(self.model.sites)

    def blocks(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A(q) and B(q) per unit of each parameter.

        Parameters
        ----------
        q : (m, 3)
            Momenta in r.l.u.

        Returns
        -------
        a, b : (parameter, m, N, N) complex
        """
        q = np.asarray(q, float).reshape(-1, 3)
        n, number = self.size, len(self.model.parameters)
        phase = np.exp(2j * np.pi * (q @ self._vectors.T)).T  # (bond, momentum)
        # one slot per matrix element: bonds with the same ends and parameter add up
        a, b = (np.zeros((number, n, n, q.shape[0]), complex) for _ in range(2))
        for bond, (p, i, j) in enumerate(zip(self._p, self._i, self._j, strict=True)):
            forward, backward = phase[bond], phase[bond].conj()
            a[p, i, j] += self._a[bond] * forward
            a[p, j, i] += self._a[bond].conj() * backward
            b[p, i, j] += self._b[bond] * forward
            b[p, j, i] += self._b[bond] * backward
        sites = np.arange(n)
        a[:, sites, sites] += self._diagonal_a[:, :, None]
        b[:, sites, sites] += self._diagonal_b[:, :, None]
        return np.moveaxis(a, -1, 1), np.moveaxis(b, -1, 1)

    def scale(self, table: np.ndarray) -> np.ndarray:
        """Size of h in meV for each parameter set, (set,): the largest sum of the moduli of a site's diagonal terms."""
        return (np.abs(table) @ (np.abs(self._diagonal_a) + np.abs(self._diagonal_b))).max(axis=-1)

    @property
    def folds(self) -> bool:
        """Whether h = [[A, B], [B, A]] with Hermitian B at all momenta, so that an N x N problem replaces the 2N x 2N one.

        True when every coefficient is real: then conj(A(-q)) = A(q), conj(B(-q)) = B(q), and B is Hermitian.
        """
        numbers = (self._a, self._b, self._diagonal_a, self._diagonal_b)
        scale = max((np.abs(x).max() for x in numbers if x.size), default=0.0)
        return all(np.all(np.abs(x.imag) <= 1e-12 * scale) for x in numbers)

    def basis(self, q: np.ndarray) -> np.ndarray:
        """The full h(q) per unit of each parameter, (parameter, m, 2N, 2N): also its derivative with respect to that parameter."""
        a, b = self.blocks(q)
        a_minus, b_minus = self.blocks(-np.asarray(q, float))
        top = np.concatenate((a, b), axis=-1)
        bottom = np.concatenate((b_minus.conj(), a_minus.conj()), axis=-1)
        return np.concatenate((top, bottom), axis=-2)

    def matrix(self, q: np.ndarray, parameters: Mapping[str, float | np.ndarray]) -> np.ndarray:
        """The full h(q), (set, m, 2N, 2N), for parameter arrays (set,)."""
        return np.tensordot(self.model.parameter_table(parameters), self.basis(q), axes=1)
