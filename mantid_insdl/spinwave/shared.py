"""One solve for all l: magnets no bond of which leaves the cell along c.

In the bond-vector gauge h(h, k, l) = U h(h, k, 0) U^+ with U = diag(exp(-2 pi i l z_i)), z_i the height of site i, whenever every bond
stays within the cell along c. So energies do not depend on l, and l enters the amplitudes as a phase of each height only.

A folded h has A(-q) = conj(A(q)) and B(-q) = conj(B(q)) (all its coefficients are real), so momenta q and -q share a solve as well, as do
momenta that differ by a reciprocal-lattice vector (there, in this gauge, amplitudes change by a phase of each site).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.parallel import in_threads
from mantid_insdl.spinwave.hamiltonian import Hamiltonian
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.modes import PIECE, UNSTABLE, solve


@dataclass(frozen=True, eq=False)
class PlanarModes:
    """Modes over (h, k) of one parameter set, with the amplitudes of unlike ions and of unlike heights kept apart.

    Parameters
    ----------
    energies : (m, N)
        meV.
    amplitudes : (m, N, component, group)
        Spin amplitude per square root of the number of ions, without form factor and l phase: the neutron sees
        sum over groups of F_ion(Q) exp(-2 pi i l z) times this.
    """

    energies: np.ndarray
    amplitudes: np.ndarray

    @property
    def usable(self) -> np.ndarray:
        """Whether a mode's weight is finite: a Goldstone mode's at its own momentum may not be, (m, N)."""
        return np.isfinite(self.amplitudes[..., 0, 0].real)


class SharedSolve:
    """Solver over a fixed list of in-plane momenta of a folding model whose bonds do not leave the cell along c.

    Parameters
    ----------
    model
        The magnet.
    hk : (m, 2)
        Momenta in r.l.u. of the model's cell.
    reduce
        Solve only once for momenta equal up to a reciprocal-lattice vector and a sign. (Off only to test that it changes nothing.)

    Attributes
    ----------
    groups : list of (ion, z)
        Of the last axis of `PlanarModes.amplitudes`.
    components : (component, 3)
        Cartesian unit vectors of the component axis: those directions in which some spin can move.

    Raises
    ------
    MaterialError
        If the model does not allow it: see `allowed`.
    """

    def __init__(self, model: SpinModel, hk: np.ndarray, *, reduce: bool = True):
        self._hamiltonian = Hamiltonian(model)
        if not self.allowed(model):
            raise MaterialError("the energies of this magnet depend on l, or its h(q) does not fold", fix="use spin_waves at each momentum")
        hk = np.asarray(hk, float)
        solved, self._classes = _reduce(hk) if reduce else (hk, [(slice(None), np.arange(len(hk)), 1, np.zeros(2))])
        self.number_of_momenta, self.number_of_solves = len(hk), len(solved)
        waves = self._hamiltonian.waves(np.column_stack((solved, np.zeros(len(solved)))))
        self._form = self._hamiltonian.folded
        n = self._hamiltonian.size
        step = max(1, int(PIECE / (160 * n**2)))
        self._pieces = [waves[start : start + step] for start in range(0, len(waves), step)]

        keys = [(s.ion, round(float(s.position[2]), 9)) for s in model.sites]
        self.groups = list(dict.fromkeys(keys))
        member = np.array([self.groups.index(key) for key in keys])
        e1, e2 = model.frames[:, 0], model.frames[:, 1]
        moving = np.any(np.abs(np.concatenate((e1, e2))) > 1e-12, axis=0)
        self.components = np.eye(3)[moving]
        weight = np.sqrt(0.5 * model.spins / n)
        select = np.eye(len(self.groups))[member] * weight[:, None]  # (site, group)
        w1, w2 = (np.einsum("ia,ig->agi", e[:, moving], select) for e in (e1, e2))
        # a reciprocal-lattice vector G gives the amplitude of the site at r the phase exp(-2 pi i G.r), as l does
        in_plane = np.array([s.position[:2] for s in model.sites])
        # a moment shared by two ions has the interference of the two as its form factor, which l does not enter when they are level
        paired = np.cos(np.pi * (hk @ model.pairs[:, :2].T))[:, None, :] if np.any(model.pairs) else None
        sites = np.eye(n) if self._form.sites is None else self._form.sites
        self._weights = []
        for pixels, _, sign, shift in self._classes:
            factor = np.exp(-2j * np.pi * (in_plane @ shift)) * (1 if paired is None else paired[pixels])
            self._weights.append([(w.reshape(-1, n) * factor) @ (sites if sign > 0 else sites.conj()) for w in (w1, w2)])

    @staticmethod
    def allowed(model: SpinModel) -> bool:
        """Whether the model folds, no bond leaves the cell along c, and the ions of a shared moment lie level."""
        return Hamiltonian(model).folds and all(bond.cell[2] == 0 for bond in model.bonds) and not np.any(model.pairs[:, 2])

    def solve(self, table: np.ndarray, workers: int | None = None) -> PlanarModes | None:
        """Modes for one parameter set, (parameter,) in the model's order; None if it is unstable at any of the momenta.

        `workers` is the number of threads; all cores by default.
        """
        scale = self._hamiltonian.scale(table[None])[0]
        raws = []
        for raw in in_threads(lambda waves: solve(*(x[0] for x in self._form.at(waves, table[None])), scale=scale), self._pieces, workers):
            if np.any(raw.status == UNSTABLE):
                return None
            raws.append((raw.energies, raw.p, raw.m))
        solved_energies, solved_p, solved_m = (np.concatenate(x) for x in zip(*raws, strict=True))
        parts = (len(self.components), len(self.groups))
        energies = np.empty((self.number_of_momenta, solved_energies.shape[-1]))
        amplitudes = np.empty((*energies.shape, *parts), complex)
        for (pixels, source, sign, _), (w1, w2) in zip(self._classes, self._weights, strict=True):
            energies[pixels] = solved_energies[source]
            p, m = (x[source] if sign > 0 else x[source].conj() for x in (solved_p, solved_m))
            amplitudes[pixels] = (w1 @ p - 1j * (w2 @ m)).swapaxes(-1, -2).reshape(len(source), -1, *parts)
        return PlanarModes(energies, amplitudes)


Classes = list[tuple[np.ndarray | slice, np.ndarray, int, np.ndarray]]


def _reduce(hk: np.ndarray) -> tuple[np.ndarray, Classes]:
    """Momenta to solve at, and how the wanted ones follow from them by hk = sign solved + G.

    The classes are (indices of the wanted, indices of the solved, sign, G).

    Reciprocal-lattice vectors are used only where they save at least a third of the solves: most maps' pixels do not match the zone.
    """
    best = None
    for cell in (np.zeros_like(hk), np.floor(hk + 1e-9)):
        inside = hk - cell
        # of q and -q take the one whose first non-zero component is positive; within the zone -q is (1 - h, 1 - k)
        opposite = -inside + (np.any(cell) * np.ceil(inside - 1e-9))
        keys, other = np.round(inside, 9), np.round(opposite, 9)
        flip = (other[:, 0] > keys[:, 0]) | ((other[:, 0] == keys[:, 0]) & (other[:, 1] > keys[:, 1]))
        _, first, inverse = np.unique(np.where(flip[:, None], other, keys), axis=0, return_index=True, return_inverse=True)
        if best is None or len(first) * 1.5 < len(best[0]):
            solved = np.where(flip[:, None], opposite, inside)[first]
            best = solved, inverse.ravel(), np.where(flip, -1, 1)
    solved, inverse, sign = best
    shift = np.round(hk - sign[:, None] * solved[inverse])
    classes: Classes = []
    for key in np.unique(np.column_stack((sign, shift)), axis=0):
        pixels = np.flatnonzero((sign == key[0]) & np.all(shift == key[1:], axis=1))
        classes.append((pixels, inverse[pixels], int(key[0]), key[1:]))
    return solved, classes
