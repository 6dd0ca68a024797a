"""The classical energy of a given order, its forces, and the wave vector of lowest energy.

With unit vectors n_i and gradient g_i = dE / d(S_i n_i), a structure is stationary when every g_i is along n_i: only
then has the boson Hamiltonian no linear term, and spin waves are meaningful.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mantid_insdl.errors import InstabilityError, MaterialError
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.order import STATIONARY, Order, OrderEnergy


class ClassicalEnergy:
    """The classical energy of given directions in the model's own cell, and its forces, for many parameter sets.

    Parameters
    ----------
    model
        The magnet; its directions do not matter here.
    """

    def __init__(self, model: SpinModel):
        self.model, self._energy = model, OrderEnergy(model)

    def _each(self, directions: np.ndarray) -> tuple[np.ndarray, Order]:
        """A table of one unit of each parameter, and the order for each."""
        number = len(self.model.parameters)
        return np.eye(number), Order(np.repeat(directions[None], number, axis=0), np.zeros((number, 3)))

    def forces(self, table: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Gradient of the energy by each spin vector, (set, site, 3) in meV,
        for parameters (set, parameter) and unit vectors (site, 3).
        """
        return np.tensordot(table, self._energy.slopes(*self._each(directions)).moments, axes=1)

    def energy(self, table: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Energy per cell in meV, (set,)."""
        return table @ self._energy.energy(*self._each(directions))

    def require_stationary(self, table: np.ndarray) -> None:
        """Raise `InstabilityError` if the model's structure is not stationary for one of the parameter sets.

        Sideways forces make the boson Hamiltonian linear in bosons: its spin waves would be about no equilibrium.
        """
        directions = np.array([s.direction for s in self.model.sites])
        forces = self.forces(table, directions)
        along = np.einsum("sia,ia->si", forces, directions)
        sideways = np.linalg.norm(forces - along[..., None] * directions, axis=-1)
        scale = np.linalg.norm(forces, axis=-1).max(axis=-1, keepdims=True)
        bad = sideways > STATIONARY * np.maximum(scale, 1e-300)
        if np.any(bad):
            set_index, site = np.argwhere(bad)[0]
            values = ", ".join(f"{n}={v:g}" for n, v in zip(self.model.parameters, table[set_index], strict=True))
            raise InstabilityError(
                f"the magnetic structure is not stationary at {values}",
                f"the spin of site {site} ({self.model.sites[site].label}) is pushed sideways with "
                f"{sideways[set_index, site]:.3g} meV",
                "correct the directions, or let mantid_insdl.spinwave.relax find them",
            )


def ordering_vector(model: SpinModel, parameters: Mapping[str, float], *, grid: int = 24) -> tuple[np.ndarray, float]:
    """Wave vector of lowest energy by Luttinger and Tisza, for equal spins.

    Minimises the smallest eigenvalue of J(k) S S over the zone: on a grid, then by descent from its best points. Where
    the ground state is a single-k spiral this is its wave vector (up to sign and symmetry).

    Returns
    -------
    k : (3,)
        r.l.u. of the model's cell, components in (-1/2, 1/2].
    energy
        Bound on the classical energy per cell in meV.
    """
    from scipy.optimize import minimize

    higher = ["biquadratic bonds"] * any(bond.biquadratic for bond in model.bonds)
    higher += ["dipole-dipole sums"] * (model.dipoles is not None)
    higher += ["single-ion terms of 4th or 6th degree"] * any(term.tensor.ndim > 2 for term in model.onsite)
    if higher:
        raise MaterialError(
            f"{higher[0]} have no wave vector of Luttinger and Tisza here",
            "their energy is no quadratic form with a smooth dependence on k",
            "use relax, or relax_spiral",
        )
    values = {name: float(np.ravel(parameters[name])[0]) for name in model.parameters}
    n = len(model.sites)
    spins = model.spins
    onsite = np.zeros((n, 3, n, 3), complex)
    for term in model.onsite:
        onsite[term.i, :, term.i] += values[term.parameter] * spins[term.i] ** 2 * term.tensor

    def lowest(k: np.ndarray) -> float:
        j = onsite.copy()
        for bond in model.bonds:
            phase = np.exp(2j * np.pi * (k @ np.array(bond.cell)))
            block = 0.5 * values[bond.parameter] * spins[bond.i] * spins[bond.j] * bond.matrix * phase
            j[bond.i, :, bond.j] += block
            j[bond.j, :, bond.i] += block.conj().T
        return float(np.linalg.eigvalsh(j.reshape(3 * n, 3 * n))[0])

    # directions along which no bond leaves the cell do not matter
    used = np.array([any(b.cell[axis] for b in model.bonds) for axis in range(3)])
    lines = [np.arange(grid) / grid if one else np.zeros(1) for one in used]
    points = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, 3)
    values_on_grid = np.array([lowest(k) for k in points])
    best_k, best = points[np.argmin(values_on_grid)], values_on_grid.min()
    for start in points[np.argsort(values_on_grid)[:5]]:
        found = minimize(
            lambda x, s=start: lowest(np.where(used, x, s)),
            start,
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-13},
        )
        if found.fun < best - 1e-10 * max(1.0, abs(best)):
            best_k, best = np.where(used, found.x, 0.0), float(found.fun)
    return 0.5 - np.mod(0.5 - best_k, 1.0), n * best
