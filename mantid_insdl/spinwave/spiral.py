"""Spin waves of single-k spirals in the rotating frame: incommensurate order without a supercell.

The spin at r is that of the cell at the origin, turned by 2 pi k.r about an axis n. Seen in a frame that turns along, the order is
uniform, and so is the Hamiltonian if every term keeps its form under rotations about n. With
Rot = n n^T + e^(i phi) A + e^(-i phi) conj(A), A = (1 - n n^T - i [n]x) / 2, a spin deviation at Q is made of three of the turning frame::

    S(Q) = n n^T S'(Q) + A S'(Q - k) + conj(A) S'(Q + k)

so that each Q shows 3 N modes: at Q, Q - k and Q + k (Toth and Lake, J. Phys.: Condens. Matter 27, 166002 (2015)).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave.hamiltonian import Hamiltonian
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.modes import Modes, mode_amplitudes, mode_velocities, perpendicular, site_weights, solve
from mantid_insdl.spinwave.structure import STATIONARY, ClassicalEnergy, refuse_derivatives


def _unit(axis: Sequence[float]) -> np.ndarray:
    given = np.asarray(axis, float)
    if given.shape != (3,) or not np.all(np.isfinite(given)) or not np.linalg.norm(given) > 0:
        raise MaterialError("the axis of a spiral is a direction (x, y, z)", f"it is {given.tolist()}", "give a vector that is not zero")
    return given / np.linalg.norm(given)


def _wave_vector(k: Sequence[float]) -> np.ndarray:
    given = np.asarray(k, float)
    if given.shape != (3,) or not np.all(np.isfinite(given)):
        raise MaterialError("a spiral needs a wave vector (h, k, l)", f"it is {given.tolist()}", "give three numbers in r.l.u.")
    return given


def _cross(n: np.ndarray) -> np.ndarray:
    return np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])


def rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotation by `angle` (radian) about the unit vector `axis`, 3 x 3."""
    along = np.outer(axis, axis)
    return along + np.cos(angle) * (np.eye(3) - along) + np.sin(angle) * _cross(axis)


def require_uniform(model: SpinModel, axis: np.ndarray) -> None:
    """Raise `MaterialError` unless every term of the model keeps its form under rotations about the unit vector `axis`."""
    generator = _cross(axis)

    def check(tensor: np.ndarray, name: str) -> None:
        change = sum(np.moveaxis(np.tensordot(generator, tensor, axes=(1, index)), 0, index) for index in range(tensor.ndim))
        if np.abs(change).max() > 1e-9 * max(1e-300, np.abs(tensor).max()):
            raise MaterialError(
                f"{name} changes under rotations about the spiral's axis {np.round(axis, 3).tolist()}",
                "its magnet is not uniform in the rotating frame",
                "use couplings that keep their form, or a supercell",
            )

    if model.dipoles is not None:
        raise MaterialError(
            f"the dipole-dipole interaction {model.dipoles.parameter} changes under rotations about the spiral's axis",
            "its magnet is not uniform in the rotating frame",
            "leave it out, or describe the order in a supercell",
        )
    for bond in model.bonds:
        check(bond.matrix, bond.parameter)
    for term in model.onsite:
        check(term.tensor, term.parameter)
    for field in model.fields:
        if np.linalg.norm(np.cross(axis, field.direction)) > 1e-9:
            raise MaterialError(f"the field {field.parameter} is not along the spiral's axis", "it would break the uniform rotation")
        for site in model.sites:
            check(site.g, f"the g-tensor of {site.label}")


def rotating_parts(k: Sequence[float], axis: Sequence[float]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(shift of the momentum, projector of the amplitude) of the three parts of which a spin deviation is made: see the module's text."""
    k, axis = _wave_vector(k), _unit(axis)
    along = np.outer(axis, axis)
    part = 0.5 * (np.eye(3) - along - 1j * _cross(axis))
    return [(0 * k, along), (-k, part), (k, part.conj())]


def turning_model(model: SpinModel, k: Sequence[float], axis: Sequence[float]) -> SpinModel:
    """The model as seen in the frame that turns with the spiral: uniform, with bond matrices that turn.

    Raises
    ------
    MaterialError
        If a coupling changes under rotations about the axis, or 2 k is a reciprocal-lattice vector.
    """
    k, axis = _wave_vector(k), _unit(axis)
    doubled = 2 * k
    if np.allclose(doubled, np.round(doubled), atol=1e-9) and not np.allclose(k, np.round(k), atol=1e-9):
        raise MaterialError(
            f"k = {k.tolist()} is half a reciprocal-lattice vector",
            "there k and -k are one, and the three parts of the rotating frame interfere",
            "describe the order in a doubled cell",
        )
    require_uniform(model, axis)
    positions = np.array([s.position for s in model.sites])
    # turn each site by its own position, so that the frames' phases are those of the bond-vector gauge
    sites = tuple(
        dataclasses.replace(s, direction=rotation(axis, -2 * np.pi * (k @ r)) @ s.direction)
        for s, r in zip(model.sites, positions, strict=True)
    )
    bonds = []
    for bond in model.bonds:
        apart = positions[bond.j] + np.array(bond.cell) - positions[bond.i]
        bonds.append(dataclasses.replace(bond, matrix=bond.matrix @ rotation(axis, 2 * np.pi * (k @ apart))))
    return dataclasses.replace(model, sites=sites, bonds=tuple(bonds))


def require_fixed_wave_vector(model: SpinModel, k: Sequence[float], axis: Sequence[float], names: Sequence[str] | None = None) -> None:
    """Raise `MaterialError` if the wave vector of a spiral follows one of the parameters (all by default).

    It does where that parameter's own part of the classical energy has a slope at `k`: at the minimum only the sum of all slopes is zero.
    """
    k, axis = _wave_vector(k), _unit(axis)
    moments = model.spins[:, None] * np.array([site.direction for site in model.sites])
    slopes, scales = np.zeros((len(model.parameters), 3)), np.zeros(len(model.parameters))
    for bond in model.bonds:
        cell, p = np.array(bond.cell), model.parameters.index(bond.parameter)
        matrix = bond.matrix @ rotation(axis, 2 * np.pi * (k @ cell))
        by_phase = moments[bond.i] @ matrix @ _cross(axis) @ moments[bond.j]
        size = np.abs(bond.matrix).max() * model.spins[bond.i] * model.spins[bond.j]
        if bond.biquadratic:
            by_phase, size = 2 * by_phase * (moments[bond.i] @ matrix @ moments[bond.j]), 2 * size**2
        slopes[p] += by_phase * cell
        scales[p] += size
    following = np.abs(slopes).max(axis=1) > STATIONARY * scales
    refuse_derivatives([name for name, one in zip(model.parameters, following, strict=True) if one and (names is None or name in names)])


def relax_spiral(
    model: SpinModel, parameters: Mapping[str, float], axis: Sequence[float], *, starts: int = 20, seed: int = 0
) -> tuple[SpinModel, np.ndarray, float]:
    """The single-k spiral of lowest classical energy about a given axis: its directions and its wave vector.

    Minimises over both at once, from the given directions at k = 0 and from random directions and wave vectors. Where the couplings are
    isotropic the axis does not matter, as long as the spins may lie at right angles to it.

    Parameters
    ----------
    model
        The magnet in its chemical cell.
    parameters
        Numbers, in meV (fields in T).
    axis : (3,)
        Axis of rotation, Cartesian.
    starts
        Random starts.
    seed
        Of the random starts.

    Returns
    -------
    model, k, energy
        With the new directions (of the cell at the origin); k in r.l.u., components in (-1/2, 1/2], 0 along axes without bonds between
        cells; the energy per cell in meV.

    Raises
    ------
    MaterialError
        See `turning_model`.
    """
    from scipy.optimize import minimize

    axis = _unit(axis)
    require_uniform(model, axis)
    values = dict(zip(model.parameters, model.parameter_table(parameters)[0], strict=True))
    bonds = model.bonds
    i, j = (np.array([getattr(b, end) for b in bonds], int) for end in "ij")
    cells = np.array([b.cell for b in bonds], float).reshape(-1, 3)
    matrices = np.array([b.matrix for b in bonds]).reshape(-1, 3, 3)
    strength, quartic = np.array([values[b.parameter] for b in bonds]), np.array([b.biquadratic for b in bonds], bool)
    rest = ClassicalEnergy(dataclasses.replace(model, bonds=()))
    rest_table = np.array([[values[name] for name in rest.model.parameters]])
    used = np.any(cells != 0, axis=0)
    along, cross = np.outer(axis, axis), _cross(axis)

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        k, vectors = flat[:3], flat[3:].reshape(-1, 3)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = vectors / length
        moments = model.spins[:, None] * unit
        phase = (2 * np.pi * (cells @ k))[:, None]
        far, across = moments[j] @ along, moments[j] - moments[j] @ along
        turned = far + np.cos(phase) * across + np.sin(phase) * (across @ cross.T)
        field_at_i = np.einsum("bxy,by->bx", matrices, turned)
        product = np.sum(moments[i] * field_at_i, axis=1)
        slope = strength * np.where(quartic, 2 * product, 1.0)
        energy = np.sum(strength * np.where(quartic, product**2, product)) + rest.energy(rest_table, unit)[0]
        force = rest.forces(rest_table, unit)[0]
        np.add.at(force, i, slope[:, None] * field_at_i)
        back = np.einsum("bx,bxy->by", moments[i], matrices)
        back_across = back - back @ along
        turned_back = back @ along + np.cos(phase) * back_across - np.sin(phase) * (back_across @ cross.T)
        np.add.at(force, j, slope[:, None] * turned_back)
        by_phase = slope * np.sum(back * (turned @ cross.T), axis=1)
        force = force * model.spins[:, None]
        sideways = (force - np.sum(force * unit, axis=1, keepdims=True) * unit) / length
        return float(energy), np.concatenate((np.where(used, 2 * np.pi * (by_phase @ cells), 0.0), sideways.ravel()))

    def descend(start: np.ndarray) -> tuple[float, np.ndarray]:
        for _ in range(2):  # twice: see `structure.relax`
            found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-10})
            vectors = found.x[3:].reshape(-1, 3)
            start = np.concatenate((found.x[:3], (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).ravel()))
        return float(found.fun), start

    rng = np.random.default_rng(seed)
    given = np.concatenate((np.zeros(3), np.ravel([s.direction for s in model.sites])))
    random = [np.concatenate((used * rng.uniform(-0.5, 0.5, 3), rng.normal(size=given.size - 3))) for _ in range(starts)]
    energy, best = min((descend(start) for start in (given, *random)), key=lambda one: one[0])
    sites = tuple(dataclasses.replace(site, direction=n) for site, n in zip(model.sites, best[3:].reshape(-1, 3), strict=True))
    return dataclasses.replace(model, sites=sites), 0.5 - np.mod(0.5 - best[:3], 1.0), energy


def spiral_waves(
    model: SpinModel,
    k: Sequence[float],
    axis: Sequence[float],
    q: np.ndarray,
    parameters: Mapping[str, float | np.ndarray],
    *,
    velocities: bool = False,
) -> Modes:
    """Spin waves of a single-k spiral.

    Parameters
    ----------
    model
        The magnet in its chemical cell; the directions are those of the cell at the origin.
    k : (3,)
        Wave vector of the order in r.l.u. A cell at R is turned by 2 pi k.R.
    axis : (3,)
        Axis of rotation, Cartesian.
    q : (m, 3)
        Momenta in r.l.u.
    parameters, velocities
        As for `mantid_insdl.spinwave.spin_waves`.

    Returns
    -------
    Modes
        With 3 N modes at each momentum, rising; `status` is the worst of the three momenta.

    Raises
    ------
    MaterialError
        See `turning_model`.
    InstabilityError
        If the spiral is not stationary.
    """
    q = np.atleast_2d(np.asarray(q, float))
    turning = turning_model(model, k, axis)
    table = turning.parameter_table(parameters)
    ClassicalEnergy(turning).require_stationary(table)
    hamiltonian = Hamiltonian(turning)
    scale = hamiltonian.scale(table)[:, None]
    weight = site_weights(model, q)  # the form factor is that of Q for all three parts
    found = []
    for shift, projector in rotating_parts(k, axis):
        raw = solve(*hamiltonian.full.at(hamiltonian.waves(q + shift), table), scale=scale)
        slopes = mode_velocities(raw, hamiltonian.full, hamiltonian.wave_slopes(q + shift), table) if velocities else np.zeros(0)
        found.append((raw.energies, mode_amplitudes(raw, turning, weight) @ projector.T, raw.status, raw.lowest, slopes))
    energies, amplitudes = (np.concatenate([one[x] for one in found], axis=2) for x in (0, 1))
    order = np.argsort(energies, axis=-1)
    energies = np.take_along_axis(energies, order, axis=-1)
    amplitudes = np.take_along_axis(amplitudes, order[..., None], axis=2)
    by_momentum = None
    if velocities:
        by_momentum = np.take_along_axis(np.concatenate([one[4] for one in found], axis=2), order[..., None], axis=2)
    status = np.max([one[2] for one in found], axis=0)
    lowest = np.fmin.reduce([one[3] for one in found])
    cartesian = model.lattice.to_cartesian(q)
    seen = perpendicular(amplitudes, cartesian[:, None, :])
    return Modes(q, energies, amplitudes, seen, status, lowest, velocities=by_momentum)
