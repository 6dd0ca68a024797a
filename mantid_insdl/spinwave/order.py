r"""The classical energy as a function of all that an order may change: every direction and,
of a spiral, the wave vector.

For orders of many parameter sets at once: E(n, k; p) per cell, its slopes and its curvature. The order is
a cell of unit vectors n_i; of a spiral the spins of the cell at R are turned by 2 pi k.R about an axis.
With moments m_i = S_i n_i::

    E = 1/2 m^T K(k) m - f^T m + biquadratic terms + single-ion terms of higher degree

K has bonds, single-ion matrices and the lattice sums of the dipole-dipole interaction.

A change x of an order is an angle of each spin towards e1 and e2 of its local frame (radian), then k along the
axes along which a bond leaves the cell (r.l.u.). By angles the curvature has a part from the unit lengths:
-n_i . dE/dn_i on the diagonal.

*Free turns* are turns of all spins about one axis that change no term of the energy: along these the curvature is zero
and says nothing, and equations with the curvature are solved across them (which is what its pseudo-inverse does). The
dipole-dipole interaction leaves none, even where its sum over a cell does: the modes tell such orders apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mantid_insdl.spinwave.model import MU_B, SpinModel, local_frames
from mantid_insdl.spinwave.rotating_frame import cross_matrix, require_uniform, turning_change, unit

STATIONARY = 1e-6
"""Largest sideways force, relative to the largest force, of a structure that counts as stationary."""
FLAT = 1e-8
"""Curvature, relative to its largest, below which a change of the order costs nothing."""
_STILL = 1e-7
"""Size of a turn, of all spins about one axis by 1 radian, that turns nothing: spins along that axis."""


class Order(NamedTuple):
    """Orders of parameter sets: unit vectors (set, site, 3) and wave vectors (set, 3) in r.l.u.,
    zero where the order is no spiral.
    """

    directions: np.ndarray
    k: np.ndarray

    def of(self, chosen: np.ndarray | slice) -> Order:
        """Those of some sets."""
        return Order(self.directions[chosen], self.k[chosen])


class Slopes(NamedTuple):
    """Of the energy: by moments (set, site, 3), by k (set, 3)."""

    moments: np.ndarray
    k: np.ndarray


class Curvature(NamedTuple):
    """Curvature of the energy of orders across their free turns:
    eigenvalues (set, change), rising, and eigenvectors (set, change, change).

    Along with its size (set,), in meV, and the projectors on the free turns (set, change, change).
    """

    values: np.ndarray
    vectors: np.ndarray
    size: np.ndarray
    free: np.ndarray

    @property
    def lowest(self) -> np.ndarray:
        """Smallest eigenvalue over the size, (set,): an order is a minimum if above zero,
        and the only one near if above `FLAT`.
        """
        return self.values[:, 0] / self.size

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        """The pseudo-inverse times a gradient, (set, change): nothing along free turns and what else is flat."""
        flat = np.abs(self.values) < FLAT * self.size[:, None]
        along = np.einsum("sab,sa->sb", self.vectors, gradient - np.einsum("sab,sb->sa", self.free, gradient))
        return np.einsum("sab,sb->sa", self.vectors, np.where(flat, 0.0, along / np.where(flat, 1.0, self.values)))


class OrderEnergy:
    """E(n, k), its slopes and its curvature.

    Parameters
    ----------
    model
        The magnet. Its directions do not matter here.
    axis : (3,)
        Of a spiral, Cartesian; None for an order in the model's own cell.

    Raises
    ------
    MaterialError
        If a coupling changes its form under turns about the axis: see `rotating_frame.require_uniform`.
    """

    def __init__(self, model: SpinModel, axis: Sequence[float] | None = None):
        self.model, self.axis = model, None if axis is None else unit(axis)
        n, index = len(model.sites), {name: p for p, name in enumerate(model.parameters)}
        self._field = np.zeros((len(index), n, 3))
        for field in model.fields:
            for i, site in enumerate(model.sites):
                self._field[index[field.parameter], i] += MU_B * (field.direction @ site.g)
        self._quartic = [(index[bond.parameter], bond) for bond in model.bonds if bond.biquadratic]
        # K(k) = sum over terms, of one parameter and one cell each, of
        # parameter x (fixed + cos(2 pi k.cell) even + sin(2 pi k.cell) odd)
        bilinear = [b for b in model.bonds if not b.biquadratic]
        keys = {(index[b.parameter], b.cell if axis is not None else (0, 0, 0)) for b in bilinear}
        keys |= {(index[term.parameter], (0, 0, 0)) for term in model.onsite if term.tensor.ndim == 2}
        keys |= set() if model.dipoles is None else {(index[model.dipoles.parameter], (0, 0, 0))}
        terms = {key: number for number, key in enumerate(sorted(keys))}
        self._parameter = np.array([p for p, _ in terms], int)
        self._cell = np.array([cell for _, cell in terms], float).reshape(-1, 3)
        parts = np.zeros((3 if axis is not None else 1, len(terms), n, 3, n, 3))
        if axis is None:
            turns = [np.eye(3)]
        else:
            require_uniform(model, self.axis)
            along = np.outer(self.axis, self.axis)
            turns = [along, np.eye(3) - along, cross_matrix(self.axis)]
        for bond in model.bonds:
            if not bond.biquadratic:
                term = terms[index[bond.parameter], bond.cell if axis is not None else (0, 0, 0)]
                for part, turn in zip(parts, turns, strict=True):
                    part[term, bond.i, :, bond.j] += bond.matrix @ turn
                    part[term, bond.j, :, bond.i] += (bond.matrix @ turn).T
        for term in model.onsite:
            if term.tensor.ndim == 2:
                parts[0, terms[index[term.parameter], (0, 0, 0)], term.i, :, term.i] += 2 * term.tensor
        self._multipoles = [(index[term.parameter], term) for term in model.onsite if term.tensor.ndim > 2]
        if model.dipoles is not None:
            parts[0, terms[index[model.dipoles.parameter], (0, 0, 0)]] += model.dipole_exchange().transpose(0, 2, 1, 3)
        self._parts = parts.reshape(len(parts), len(terms), 9 * n**2)
        self._known_axes: dict[bytes, np.ndarray] = {}
        turns = axis is not None and bool(model.bonds)
        self.moved = np.flatnonzero(np.any([b.cell for b in model.bonds], axis=0)) if turns else np.zeros(0, int)
        """Axes along which k counts."""

    def _coupling(self, table: np.ndarray, k: np.ndarray, order: int) -> np.ndarray:
        """K, or its first or second derivative by the phase 2 pi k.cell times the cells, (set, [3, [3,]] 3n, 3n)."""
        size = 3 * len(self.model.sites)
        strength = table[:, self._parameter]
        if self.axis is None:
            return (strength @ self._parts[0]).reshape(-1, size, size)
        phase = 2 * np.pi * (k @ self._cell.T)
        cosine, sine = strength * np.cos(phase), strength * np.sin(phase)
        if order == 0:
            return (strength @ self._parts[0] + cosine @ self._parts[1] + sine @ self._parts[2]).reshape(-1, size, size)
        cells = 2 * np.pi * self._cell.T
        if order == 1:
            found = (-sine[:, None] * cells) @ self._parts[1] + (cosine[:, None] * cells) @ self._parts[2]
            return found.reshape(-1, 3, size, size)
        cells = cells[:, None] * cells[None]
        found = (-cosine[:, None, None] * cells) @ self._parts[1] + (-sine[:, None, None] * cells) @ self._parts[2]
        return found.reshape(-1, 3, 3, size, size)

    def _products(self, order: Order) -> list[tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """Of each biquadratic bond, with s = m_i M m_j: parameter; s (set,);
        its slopes and curvature by 3n moments and k.
        """
        spins, n = self.model.spins, len(self.model.sites)
        moments = spins[:, None] * order.directions
        found = []
        for p, bond in self._quartic:
            cell = 2 * np.pi * np.array(bond.cell, float) * (self.axis is not None)
            turn = self._turn(order.k @ cell)
            turned = bond.matrix @ turn
            by_phase = np.zeros_like(turned) if self.axis is None else turned @ cross_matrix(self.axis)
            by_phase_twice = np.zeros_like(turned) if self.axis is None else by_phase @ cross_matrix(self.axis)
            i, j = slice(3 * bond.i, 3 * bond.i + 3), slice(3 * bond.j, 3 * bond.j + 3)
            mi, mj = moments[:, bond.i], moments[:, bond.j]
            slope, curvature = np.zeros((len(mi), 3 * n + 3)), np.zeros((len(mi), 3 * n + 3, 3 * n + 3))
            slope[:, i] += np.einsum("sab,sb->sa", turned, mj)
            slope[:, j] += np.einsum("sa,sab->sb", mi, turned)
            slope[:, 3 * n :] = np.einsum("sa,sab,sb->s", mi, by_phase, mj)[:, None] * cell
            curvature[:, i, j] += turned
            curvature[:, j, i] += turned.swapaxes(1, 2)
            for at, one in ((i, np.einsum("sab,sb->sa", by_phase, mj)), (j, np.einsum("sa,sab->sb", mi, by_phase))):
                curvature[:, at, 3 * n :] += one[:, :, None] * cell
                curvature[:, 3 * n :, at] += cell[:, None] * one[:, None, :]
            twice = np.einsum("sa,sab,sb->s", mi, by_phase_twice, mj)
            curvature[:, 3 * n :, 3 * n :] = twice[:, None, None] * np.outer(cell, cell)
            found.append((p, np.einsum("sa,sab,sb->s", mi, turned, mj), slope, curvature))
        return found

    def _turn(self, phase: np.ndarray) -> np.ndarray:
        """Rotations about the axis by phases (set,), (set, 3, 3)."""
        if self.axis is None:
            return np.broadcast_to(np.eye(3), (len(phase), 3, 3))
        along = np.outer(self.axis, self.axis)
        c, s = np.cos(phase)[:, None, None], np.sin(phase)[:, None, None]
        return along + c * (np.eye(3) - along) + s * cross_matrix(self.axis)

    def energy(self, table: np.ndarray, order: Order) -> np.ndarray:
        """Per cell in meV, (set,)."""
        moments = (self.model.spins[:, None] * order.directions).reshape(len(order.k), -1)
        coupling = self._coupling(table, order.k, 0)
        found = 0.5 * np.einsum("sa,sab,sb->s", moments, coupling, moments)
        found -= np.sum((table @ self._field.reshape(len(self._field), -1)) * moments, axis=-1)
        for p, product, *_ in self._products(order):
            found += table[:, p] * product**2
        each = moments.reshape(len(moments), len(self.model.sites), 3)
        for p, term in self._multipoles:
            found += table[:, p] * term.energy(each[:, term.i])
        return found

    def slopes(self, table: np.ndarray, order: Order) -> Slopes:
        """Of the energy by the moments, in meV, and by k, in meV."""
        moments = (self.model.spins[:, None] * order.directions).reshape(len(order.k), -1)
        by_moment = np.einsum("sab,sb->sa", self._coupling(table, order.k, 0), moments)
        by_moment = by_moment - table @ self._field.reshape(len(self._field), -1)
        by_k = np.zeros((len(table), 3))
        if self.axis is not None:
            by_k = by_k + 0.5 * np.einsum("sa,scab,sb->sc", moments, self._coupling(table, order.k, 1), moments)
        for p, product, slope, _ in self._products(order):
            change = 2 * (table[:, p] * product)[:, None] * slope
            by_moment, by_k = by_moment + change[:, :-3], by_k + change[:, -3:]
        by_moment, each = (x.reshape(len(x), len(self.model.sites), 3) for x in (by_moment, moments))
        for p, term in self._multipoles:
            by_moment[:, term.i] += table[:, p, None] * term.gradient(each[:, term.i])
        return Slopes(by_moment, by_k)

    def gradient(self, table: np.ndarray, order: Order) -> np.ndarray:
        """Of the energy by a change of the order, (set, change): see the module's text."""
        slopes = self.slopes(table, order)
        across = local_frames(order.directions)[:, :, :2]
        by_angle = np.einsum("sita,sia->sit", across, slopes.moments) * self.model.spins[:, None]
        return np.concatenate((by_angle.reshape(len(by_angle), -1), slopes.k[:, self.moved]), axis=1)

    def curvature(self, table: np.ndarray, order: Order) -> np.ndarray:
        """Second derivatives of the energy by changes of the order, (set, change, change), in meV."""
        sets, n = len(order.k), len(self.model.sites)
        spins = self.model.spins
        moments = (spins[:, None] * order.directions).reshape(sets, -1)
        whole = np.zeros((sets, 3 * n + 3, 3 * n + 3))
        whole[:, :-3, :-3] = self._coupling(table, order.k, 0)
        if self.axis is not None:
            mixed = np.einsum("scab,sb->sac", self._coupling(table, order.k, 1), moments)
            whole[:, :-3, -3:], whole[:, -3:, :-3] = mixed, mixed.swapaxes(1, 2)
            bent = self._coupling(table, order.k, 2)
            whole[:, -3:, -3:] = 0.5 * np.einsum("sa,scdab,sb->scd", moments, bent, moments)
        for p, product, slope, curvature in self._products(order):
            strength = 2 * table[:, p][:, None, None]
            whole += strength * (slope[:, :, None] * slope[:, None, :] + product[:, None, None] * curvature)
        for p, term in self._multipoles:
            own = slice(3 * term.i, 3 * term.i + 3)
            whole[:, own, own] += table[:, p, None, None] * term.curvature(moments[:, own])
        frames = local_frames(order.directions)[:, :, :2] * spins[:, None, None]
        change = np.zeros((sets, 2 * n + len(self.moved), 3 * n + 3))
        for i in range(n):
            change[:, 2 * i : 2 * i + 2, 3 * i : 3 * i + 3] = frames[:, i]
        change[:, 2 * n + np.arange(len(self.moved)), 3 * n + self.moved] = 1.0
        found = change @ whole @ change.swapaxes(1, 2)
        tension = np.einsum("sia,sia->si", self.slopes(table, order).moments, order.directions) * spins
        angles = np.arange(2 * n)
        found[:, angles, angles] -= np.repeat(tension, 2, axis=1)
        return found

    def free_turns(self, table: np.ndarray, order: Order) -> np.ndarray:
        """Projectors on the free turns of orders, (set, change, change)."""
        found = np.zeros((len(table), *[2 * len(self.model.sites) + len(self.moved)] * 2))
        frames = local_frames(order.directions)[:, :, :2]
        present = table != 0
        for names in present[:1] if np.all(present == present[:1]) else np.unique(present, axis=0):
            axes = self._free_axes(names)
            chosen = np.flatnonzero(np.all(present == names, axis=1))
            if not len(axes) or not chosen.size:
                continue
            turned = np.einsum("rab,sib->sria", [cross_matrix(axis) for axis in axes], order.directions[chosen])
            angles = np.einsum("sita,sria->srit", frames[chosen], turned).reshape(len(chosen), len(axes), -1)
            _, sizes, rows = np.linalg.svd(angles, full_matrices=False)
            rows = rows * (sizes > _STILL * np.sqrt(angles.shape[-1]))[:, :, None]
            found[chosen, : rows.shape[-1], : rows.shape[-1]] = rows.swapaxes(1, 2) @ rows
        return found

    def _free_axes(self, present: np.ndarray) -> np.ndarray:
        """Axes of turns of all spins that change no term of the parameters `present` (parameter,) bool,
        orthonormal rows.
        """
        key = present.tobytes()
        if key not in self._known_axes:
            self._known_axes[key] = self._axes_of_free_turns(present)
        return self._known_axes[key]

    def _axes_of_free_turns(self, present: np.ndarray) -> np.ndarray:
        generators = np.array([cross_matrix(axis) for axis in np.eye(3)])
        names = {name for name, one in zip(self.model.parameters, present, strict=True) if one}
        rows = [np.zeros((1, 3))]
        if self.model.dipoles is not None and self.model.dipoles.parameter in names:
            rows.append(np.eye(3))
        terms = [(bond.parameter, bond.matrix) for bond in self.model.bonds]
        for name, tensor in (*terms, *((term.parameter, term.tensor) for term in self.model.onsite)):
            if name in names:
                size = np.abs(tensor).max() or 1.0
                rows.append(np.stack([turning_change(tensor, g).ravel() / size for g in generators], axis=-1))
        for field in self.model.fields:
            if field.parameter in names:
                rows += [
                    np.stack([g @ (field.direction @ site.g) for g in generators], axis=-1) for site in self.model.sites
                ]
        allowed = np.eye(3) if self.axis is None else self.axis[None]
        _, sizes, turns = np.linalg.svd(np.unique(np.concatenate(rows), axis=0) @ allowed.T)
        sizes = np.concatenate((sizes, np.zeros(len(turns) - len(sizes))))
        return turns[sizes <= 1e-9] @ allowed

    def following(self, order: Order) -> np.ndarray:
        """Whether an order, a batch of one, follows each parameter, (parameter,) bool:
        whether that one by itself pushes it.

        A stationary order stays so when a parameter changes if that parameter by itself pushes no spin
        sideways and, of a spiral, leaves k alone. A canted magnet is stationary only because exchange and
        field cancel: there both turn the spins.
        """
        each = np.eye(len(self.model.parameters))
        pushes = np.abs(self.gradient(each, order.of(np.zeros(len(each), int))))
        return np.any(pushes > STATIONARY * self._largest_gradient, axis=1)

    @cached_property
    def _largest_gradient(self) -> np.ndarray:
        """Bound on the gradient per unit of each parameter if none of its parts cancelled, (parameter, change)."""
        n, number = len(self.model.sites), len(self.model.parameters)
        spins = np.repeat(self.model.spins, 3)
        sizes = spins[:, None] * np.abs(self._parts).sum(axis=0).reshape(len(self._parameter), 3 * n, 3 * n) * spins
        by_angle, by_k = np.zeros((number, n)), np.zeros((number, 3))
        np.add.at(by_angle, self._parameter, sizes.sum(axis=-1).reshape(len(sizes), n, 3).sum(axis=-1))
        np.add.at(by_k, self._parameter, np.pi * sizes.sum(axis=(1, 2))[:, None] * np.abs(self._cell))
        by_angle += np.abs(self._field).sum(axis=-1) * self.model.spins
        for p, bond in self._quartic:
            size = 2 * (np.abs(bond.matrix).sum() * self.model.spins[bond.i] * self.model.spins[bond.j]) ** 2
            by_angle[p, [bond.i, bond.j]] += size
            by_k[p] += 2 * np.pi * size * np.abs(bond.cell)
        for p, term in self._multipoles:
            degree = term.tensor.ndim
            by_angle[p, term.i] += degree * np.abs(term.tensor).sum() * self.model.spins[term.i] ** degree
        largest = np.broadcast_to(by_angle.max(axis=1, keepdims=True), (number, 2 * n))
        return np.concatenate((largest, by_k[:, self.moved]), axis=1)

    def across_free_turns(self, table: np.ndarray, order: Order) -> Curvature:
        """The curvature of the energy of orders across their free turns; along these it is its own size."""
        free = self.free_turns(table, order)
        rest = np.eye(free.shape[-1]) - free
        curvature = rest @ self.curvature(table, order) @ rest
        size = np.abs(curvature).sum(axis=-1).max(axis=-1)
        size = np.where(size > 0, size, 1.0)  # of couplings that are all zero
        return Curvature(*np.linalg.eigh(curvature + size[:, None, None] * free), size, free)

    def moved_by(self, order: Order, change: np.ndarray) -> Order:
        """Orders after changes (set, change), along great circles."""
        tangent = self.tangent(order, change)
        size = np.linalg.norm(tangent.directions, axis=-1, keepdims=True)
        directions = np.cos(size) * order.directions + np.sinc(size / np.pi) * tangent.directions
        return Order(directions / np.linalg.norm(directions, axis=-1, keepdims=True), order.k + tangent.k)

    def tangent(self, order: Order, change: np.ndarray) -> Order:
        """Changes (set, change) as vectors: of the directions (set, site, 3), and of k (set, 3)."""
        sets, n = len(change), len(self.model.sites)
        angles = change[:, : 2 * n].reshape(sets, n, 2)
        k = np.zeros((sets, 3))
        k[:, self.moved] = change[:, 2 * n :]
        return Order(np.einsum("sit,sita->sia", angles, local_frames(order.directions)[:, :, :2]), k)
