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
from mantid_insdl.spinwave.modes import Modes, mode_amplitudes, perpendicular, site_weights, solve
from mantid_insdl.spinwave.structure import ClassicalEnergy


def _cross(n: np.ndarray) -> np.ndarray:
    return np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])


def rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotation by `angle` (radian) about the unit vector `axis`, 3 x 3."""
    along = np.outer(axis, axis)
    return along + np.cos(angle) * (np.eye(3) - along) + np.sin(angle) * _cross(axis)


def turning_model(model: SpinModel, k: np.ndarray, axis: np.ndarray) -> SpinModel:
    """The model as seen in the frame that turns with the spiral: uniform, with bond matrices that turn.

    Raises
    ------
    MaterialError
        If a coupling changes under rotations about the axis, or 2 k is a reciprocal-lattice vector.
    """
    doubled = 2 * k
    if np.allclose(doubled, np.round(doubled), atol=1e-9) and not np.allclose(k, np.round(k), atol=1e-9):
        raise MaterialError(
            f"k = {k.tolist()} is half a reciprocal-lattice vector",
            "there k and -k are one, and the three parts of the rotating frame interfere",
            "describe the order in a doubled cell",
        )
    generator = _cross(axis)

    def check(matrix: np.ndarray, name: str) -> None:
        if np.abs(generator @ matrix - matrix @ generator).max() > 1e-9 * max(1e-300, np.abs(matrix).max()):
            raise MaterialError(
                f"{name} changes under rotations about the spiral's axis {np.round(axis, 3).tolist()}",
                "its magnet is not uniform in the rotating frame",
                "use couplings that keep their form, or a supercell",
            )

    for term in (*model.bonds, *model.onsite):
        check(term.matrix, term.parameter)
    for field in model.fields:
        if np.linalg.norm(np.cross(axis, field.direction)) > 1e-9:
            raise MaterialError(f"the field {field.parameter} is not along the spiral's axis", "it would break the uniform rotation")
        for site in model.sites:
            check(site.g, f"the g-tensor of {site.label}")
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


def spiral_waves(
    model: SpinModel, k: Sequence[float], axis: Sequence[float], q: np.ndarray, parameters: Mapping[str, float | np.ndarray]
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
    parameters
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
    k, axis = np.asarray(k, float), np.asarray(axis, float)
    if k.shape != (3,) or axis.shape != (3,) or not np.linalg.norm(axis) > 0 or not np.all(np.isfinite(k)):
        raise MaterialError("a spiral needs a wave vector (h, k, l) and an axis (x, y, z)", f"they are {k.tolist()} and {axis.tolist()}")
    axis = axis / np.linalg.norm(axis)
    q = np.atleast_2d(np.asarray(q, float))
    turning = turning_model(model, k, axis)
    table = turning.parameter_table(parameters)
    ClassicalEnergy(turning).require_stationary(table)
    hamiltonian = Hamiltonian(turning)
    scale = hamiltonian.scale(table)[:, None]
    weight = site_weights(model, q)  # the form factor is that of Q for all three parts
    along = np.outer(axis, axis)
    part = 0.5 * (np.eye(3) - along - 1j * _cross(axis))
    found = []
    for shift, projector in ((0 * k, along), (-k, part), (k, part.conj())):
        raw = solve(*hamiltonian.full.at(hamiltonian.waves(q + shift), table), scale=scale)
        found.append((raw.energies, mode_amplitudes(raw, turning, weight) @ projector.T, raw.status, raw.lowest))
    energies, amplitudes = (np.concatenate([one[x] for one in found], axis=2) for x in (0, 1))
    order = np.argsort(energies, axis=-1)
    energies = np.take_along_axis(energies, order, axis=-1)
    amplitudes = np.take_along_axis(amplitudes, order[..., None], axis=2)
    status = np.max([one[2] for one in found], axis=0)
    lowest = np.fmin.reduce([one[3] for one in found])
    cartesian = model.lattice.to_cartesian(q)
    return Modes(q, energies, amplitudes, perpendicular(amplitudes, cartesian[:, None, :]), status, lowest)
