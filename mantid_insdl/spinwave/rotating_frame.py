"""The frame that turns with a single-k spiral: the spin at r is that of the cell at the origin,
turned by 2 pi k.r about an axis.

There the order is uniform, and so is the Hamiltonian if every term keeps its form under rotations about the axis.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave.model import SpinModel


def unit(axis: Sequence[float]) -> np.ndarray:
    """The unit vector along the axis of a spiral; `MaterialError` for what is no direction."""
    given = np.asarray(axis, float)
    if given.shape != (3,) or not np.all(np.isfinite(given)) or not np.linalg.norm(given) > 0:
        raise MaterialError(
            "the axis of a spiral is a direction (x, y, z)", f"it is {given.tolist()}", "give a vector that is not zero"
        )
    return given / np.linalg.norm(given)


def _wave_vector(k: Sequence[float]) -> np.ndarray:
    given = np.asarray(k, float)
    if given.shape != (3,) or not np.all(np.isfinite(given)):
        raise MaterialError(
            "a spiral needs a wave vector (h, k, l)", f"it is {given.tolist()}", "give three numbers in r.l.u."
        )
    return given


def cross_matrix(n: np.ndarray) -> np.ndarray:
    """The matrix that takes a vector v to n x v."""
    return np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])


def rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotation by `angle` (radian) about the unit vector `axis`, 3 x 3."""
    along = np.outer(axis, axis)
    return along + np.cos(angle) * (np.eye(3) - along) + np.sin(angle) * cross_matrix(axis)


def turning_change(tensor: np.ndarray, generator: np.ndarray) -> np.ndarray:
    """Rate at which a tensor of any rank changes when all of its indices turn with a generator (3, 3):
    of a matrix G M - M G.
    """
    return sum(np.moveaxis(np.tensordot(generator, tensor, axes=(1, index)), 0, index) for index in range(tensor.ndim))


def require_uniform(model: SpinModel, axis: np.ndarray) -> None:
    """Raise `MaterialError` unless every term of the model keeps its form under
    rotations about the unit vector `axis`.
    """
    generator = cross_matrix(axis)

    def check(tensor: np.ndarray, name: str) -> None:
        if np.abs(turning_change(tensor, generator)).max() > 1e-9 * max(1e-300, np.abs(tensor).max()):
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
            raise MaterialError(
                f"the field {field.parameter} is not along the spiral's axis", "it would break the uniform rotation"
            )
        for site in model.sites:
            check(site.g, f"the g-tensor of {site.label}")


def rotating_parts(k: Sequence[float], axis: Sequence[float]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(shift of the momentum, projector of the amplitude) of the three parts of which a spin deviation is made:
    see the module's text.
    """
    k, axis = _wave_vector(k), unit(axis)
    along = np.outer(axis, axis)
    part = 0.5 * (np.eye(3) - along - 1j * cross_matrix(axis))
    return [(0 * k, along), (-k, part), (k, part.conj())]


def turning_model(model: SpinModel, k: Sequence[float], axis: Sequence[float]) -> SpinModel:
    """The model as seen in the frame that turns with the spiral: uniform, with bond matrices that turn.

    Raises
    ------
    MaterialError
        If a coupling changes under rotations about the axis, or 2 k is a reciprocal-lattice vector.
    """
    k, axis = _wave_vector(k), unit(axis)
    whole, half = (np.allclose(x, np.round(x), rtol=0, atol=1e-9) for x in (k, 2 * k))
    if half and not whole:
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
