"""The classical ground state: energy, forces, minimisation over directions, and the wave vector of the order.

With unit vectors n_i and gradient g_i = dE / d(S_i n_i), a structure is stationary when every g_i is along n_i: only then has the
boson Hamiltonian no linear term, and spin waves are meaningful.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from mantid_insdl.errors import InstabilityError, MaterialError
from mantid_insdl.spinwave.model import MU_B, SpinModel

STATIONARY = 1e-6
"""Largest sideways force, relative to the largest force, of a structure that counts as stationary."""


class ClassicalEnergy:
    """E(n) per cell, linear in the parameters, for the model's own cell; M_i = S_i n_i::

        E = 1/2 sum_ij M_i K_ij M_j - sum_i f_i M_i + sum over biquadratic bonds of J (M_i m M_j)^2 + single-ion terms of higher degree

    Parameters
    ----------
    model
        The magnet; its directions do not matter here.
    """

    def __init__(self, model: SpinModel):
        self.model = model
        n, number = len(model.sites), len(model.parameters)
        index = {name: p for p, name in enumerate(model.parameters)}
        self._coupling = np.zeros((number, n, 3, n, 3))
        self._field = np.zeros((number, n, 3))
        self._quartic = [(index[bond.parameter], bond) for bond in model.bonds if bond.biquadratic]
        for bond in model.bonds:
            p = index[bond.parameter]
            if not bond.biquadratic:
                self._coupling[p, bond.i, :, bond.j] += bond.matrix
                self._coupling[p, bond.j, :, bond.i] += bond.matrix.T
        self._multipoles = [(index[term.parameter], term) for term in model.onsite if term.tensor.ndim > 2]
        for term in model.onsite:
            if term.tensor.ndim == 2:
                self._coupling[index[term.parameter], term.i, :, term.i] += 2 * term.tensor
        if model.dipoles is not None:
            self._coupling[index[model.dipoles.parameter]] += model.dipole_exchange().transpose(0, 2, 1, 3)
        for field in model.fields:
            for i, site in enumerate(model.sites):
                self._field[index[field.parameter], i] += MU_B * (field.direction @ site.g)

    def _per_parameter(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energy (parameter,) and its gradient by each spin vector (parameter, site, 3), per unit of each parameter."""
        moments = self.model.spins[:, None] * directions
        exchange = np.einsum("piajb,jb->pia", self._coupling, moments, optimize=True)
        energy = np.einsum("pia,ia->p", 0.5 * exchange - self._field, moments)
        gradient = exchange - self._field
        for p, bond in self._quartic:
            product = moments[bond.i] @ bond.matrix @ moments[bond.j]
            energy[p] += product**2
            gradient[p, bond.i] += 2 * product * (bond.matrix @ moments[bond.j])
            gradient[p, bond.j] += 2 * product * (moments[bond.i] @ bond.matrix)
        for p, term in self._multipoles:
            energy[p] += term.energy(moments[term.i])
            gradient[p, term.i] += term.gradient(moments[term.i])
        return energy, gradient

    def forces(self, table: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Gradient of the energy by each spin vector, (set, site, 3) in meV, for parameters (set, parameter) and unit vectors (site, 3)."""
        return np.tensordot(table, self._per_parameter(directions)[1], axes=1)

    def energy(self, table: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Energy per cell in meV, (set,)."""
        return table @ self._per_parameter(directions)[0]

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
                f"the spin of site {site} ({self.model.sites[site].label}) is pushed sideways with {sideways[set_index, site]:.3g} meV",
                "correct the directions, or let mantid_insdl.spinwave.structure.relax find them",
            )

    def require_fixed_order(self, names: Sequence[str] | None = None) -> None:
        """Raise `MaterialError` if the order follows a parameter, so that derivatives at fixed directions are partial ones.

        A stationary structure stays so when a parameter changes if that parameter by itself pushes no spin sideways. A canted magnet is
        stationary only because the sideways forces of exchange and field cancel: there both turn the spins.

        Parameters
        ----------
        names
            Parameters of the derivatives; all by default.
        """
        directions = np.array([s.direction for s in self.model.sites])
        gradients = self._per_parameter(directions)[1]
        along = np.einsum("pia,ia->pi", gradients, directions)
        sideways = np.linalg.norm(gradients - along[..., None] * directions, axis=-1).max(axis=-1)
        scales = self._scales()
        following = [name for name, push, scale in zip(self.model.parameters, sideways, scales, strict=True) if push > STATIONARY * scale]
        refuse_derivatives([name for name in following if names is None or name in names])

    def _scales(self) -> np.ndarray:
        """Largest force on a spin per unit of each parameter if none of its parts cancelled, (parameter,)."""
        spins = self.model.spins
        forces = np.einsum("piajb,j->pia", np.abs(self._coupling), spins, optimize=True) + np.abs(self._field)
        for p, bond in self._quartic:
            size = 2 * np.abs(bond.matrix).sum() ** 2 * spins[bond.i] * spins[bond.j]
            forces[p, bond.i] += size * spins[bond.j]
            forces[p, bond.j] += size * spins[bond.i]
        for p, term in self._multipoles:
            forces[p, term.i] += term.tensor.ndim * np.abs(term.tensor).sum() * spins[term.i] ** (term.tensor.ndim - 1)
        return forces.reshape(len(forces), -1).max(axis=-1, initial=0.0)


def refuse_derivatives(following: Sequence[str]) -> None:
    """Raise `MaterialError` for derivatives by parameters that the order follows; nothing where there are none of these."""
    if following:
        names = ", ".join(following)
        raise MaterialError(
            f"there are no derivatives by {names} at this structure: the order of the magnet follows {names}",
            "total derivatives, which take that in, are not there yet, and those at a fixed order are wrong",
            "take differences of the spin waves of the structures that mantid_insdl.spinwave.relax (of a spiral, relax_spiral) finds",
        )


def relax(model: SpinModel, parameters: Mapping[str, float], *, starts: int = 20, seed: int = 0) -> tuple[SpinModel, float]:
    """The model with the directions of lowest classical energy in its own cell.

    Minimises from the given directions and from random ones, and keeps the lowest; of equal energies the first, so that a model
    which is in a ground state stays as it is.

    Parameters
    ----------
    model
        The magnet.
    parameters
        Numbers, in meV (fields in T).
    starts
        Random starts beside the given directions.
    seed
        Of the random starts.

    Returns
    -------
    model, energy
        With the new directions; the energy per cell in meV.
    """
    from scipy.optimize import minimize

    table = model.parameter_table(parameters)[:1]
    classical = ClassicalEnergy(model)
    spins = model.spins[:, None]
    given = np.array([s.direction for s in model.sites])

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        vectors = flat.reshape(-1, 3)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = vectors / length
        force = classical.forces(table, unit)[0] * spins
        sideways = force - np.sum(force * unit, axis=1, keepdims=True) * unit
        return float(classical.energy(table, unit)[0]), (sideways / length).ravel()

    def descend(start: np.ndarray) -> tuple[float, np.ndarray]:
        # twice: lengths drift while directions settle, and a fresh start with unit vectors is better conditioned
        for _ in range(2):
            found = minimize(cost, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 1000, "ftol": 1e-15, "gtol": 1e-10})
            vectors = found.x.reshape(-1, 3)
            start = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return float(found.fun), start

    rng = np.random.default_rng(seed)
    best = descend(given)
    tolerance = 1e-9 * max(1.0, abs(best[0]))
    for _ in range(starts):
        one = descend(rng.normal(size=given.shape))
        if one[0] < best[0] - tolerance:
            best = one
    # the given directions, if they are as good: no spin is turned without need
    if classical.energy(table, given)[0] <= best[0] + tolerance:
        best = float(classical.energy(table, given)[0]), given
    sites = tuple(dataclasses.replace(site, direction=n) for site, n in zip(model.sites, best[1], strict=True))
    return dataclasses.replace(model, sites=sites), best[0]


def ordering_vector(model: SpinModel, parameters: Mapping[str, float], *, grid: int = 24) -> tuple[np.ndarray, float]:
    """Wave vector of lowest energy by Luttinger and Tisza, for equal spins.

    Minimises the smallest eigenvalue of J(k) S S over the zone: on a grid, then by descent from its best points. Where the ground
    state is a single-k spiral this is its wave vector (up to sign and symmetry).

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
            lambda x, s=start: lowest(np.where(used, x, s)), start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13}
        )
        if found.fun < best - 1e-10 * max(1.0, abs(best)):
            best_k, best = np.where(used, found.x, 0.0), float(found.fun)
    return 0.5 - np.mod(0.5 - best_k, 1.0), n * best
