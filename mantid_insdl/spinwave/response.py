"""How an order follows the parameters, by the implicit function theorem,
and the total derivatives of the boson Hamiltonian.

An order x is stationary, dE/dx = 0, for all values of a parameter p: so dx/dp = -(d2E/dx2)^-1 d2E/dx dp, the inverse
being taken across the turns of all spins that cost nothing (`order.OrderEnergy.free_turns`; this is the
pseudo-inverse). Then dh/dp = h_p + sum over changes of the order of dh/dx dx/dp: turning spins turn their local frames,
and a change of the wave vector of a spiral turns its bonds too.

The coefficients of h are polynomials in the frames and in the bonds' matrices, of sixth degree at most. Their
derivative along a change of these is a sum of differences over 1, 2 and 3 times the change, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mantid_insdl.errors import InstabilityError
from mantid_insdl.spinwave.hamiltonian import Form, Hamiltonian
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.order import FLAT, STATIONARY, Curvature, Order, OrderEnergy
from mantid_insdl.spinwave.rotating_frame import cross_matrix, rotation, unit

_DIFFERENCES = ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60))
"""Multiples and weights of central differences that are the derivative of a polynomial of sixth degree."""


@dataclass(frozen=True, eq=False)
class TotalDerivatives:
    """Derivatives by each parameter of what the spin waves of an order are made from.

    Parameters
    ----------
    form
        Of the full h, at fixed momenta.
    frames : (parameter, site, axis, 3)
        Of the local frames.
    k : (parameter, 3)
        Of the wave vector of a spiral, in r.l.u.
    """

    form: Form
    frames: np.ndarray
    k: np.ndarray

    def matrices(
        self, hamiltonian: Hamiltonian, q: np.ndarray, row: np.ndarray, moving: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """dh/dparameter at momenta (m, 3) that change with the wave vector times `moving`, (parameter, m, 2N, 2N)."""
        found = self.form.derivatives(hamiltonian.waves(q))[0]
        if np.any(moving * self.k):
            slopes = np.stack([hamiltonian.full.at(one, row[None])[0][0] for one in hamiltonian.wave_slopes(q)])
            found = found + np.einsum("pc,cmij->pmij", moving * self.k, slopes)
        return found


def total_derivatives(
    hamiltonian: Hamiltonian,
    row: np.ndarray,
    *,
    model: SpinModel | None = None,
    k: Sequence[float] | None = None,
    axis: Sequence[float] | None = None,
) -> TotalDerivatives:
    """Total derivatives at one parameter set (parameter,).

    Parameters
    ----------
    hamiltonian
        Of the order in its own cell; of a spiral, in the rotating frame.
    row
        The parameters' values, in the model's order.
    model, k, axis
        Of a spiral: the magnet in the laboratory's frame, wave vector and axis.

    Raises
    ------
    InstabilityError
        If the order follows a parameter, and the energy does not determine it or a parameter turns all of it at once.
    """
    uniform = hamiltonian.model
    energy = OrderEnergy(model or uniform, axis)
    directions = np.array([[site.direction for site in (model or uniform).sites]])
    order = Order(directions, np.zeros((1, 3)) if k is None else np.array([k], float))
    changed, by_k = _response(energy, row, order)
    if k is not None:
        changed, bonds = _in_rotating_frame(uniform, changed, by_k, np.array(k, float), unit(axis))
    else:
        bonds = np.zeros((len(row), len(uniform.bonds), 3, 3))
    turning = np.cross(uniform.frames[None, :, 2], changed)
    frames = np.cross(turning[:, :, None], uniform.frames[None])
    constants = hamiltonian.full.matrices[0].copy()
    for p, (frame, bond) in enumerate(zip(frames, bonds, strict=True)):
        constants[p] += _along(uniform, row, frame, bond)
    return TotalDerivatives(Form((constants,)), frames, by_k)


def _response(energy: OrderEnergy, row: np.ndarray, order: Order) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the directions (parameter, site, 3) and of k (parameter, 3)."""
    number = len(row)
    repeated = np.zeros(number, int)  # the one set, for each parameter
    many = order.of(repeated)
    following = energy.following(order)
    if not following.any():  # then it need not be determined either
        return np.zeros((number, *order.directions.shape[1:])), np.zeros((number, 3))
    names = [name for name, one in zip(energy.model.parameters, following, strict=True) if one]
    curvature = energy.across_free_turns(row[None], order)
    if abs(curvature.lowest[0]) < FLAT:
        raise InstabilityError(
            f"there are no derivatives by {', '.join(names)} at this order, which follows them",
            "spins can turn, not all alike, at no cost: the energy does not determine the order, "
            "or it ends at just these values",
            "add what decides (an anisotropy, a field, a further exchange), or choose other values",
        )
    pushes = energy.gradient(np.eye(number), many) * following[:, None]
    turned = np.abs(pushes @ curvature.free[0]).max(axis=1)
    for name, turn, push in zip(energy.model.parameters, turned, np.abs(pushes).max(axis=1), strict=True):
        if turn > STATIONARY * push and turn > 0:
            raise InstabilityError(
                f"there is no derivative by {name} at this order",
                f"the smallest {name} turns all of its spins at once",
                f"choose a value of {name} that is not zero, or spins along or across its field or axis",
            )
    response = energy.tangent(many, -Curvature(*(x[repeated] for x in curvature)).solve(pushes))
    return response.directions, response.k


def _in_rotating_frame(
    uniform: SpinModel, changed: np.ndarray, by_k: np.ndarray, k: np.ndarray, axis: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same changes of the directions as seen in the rotating frame,
    and those of the bonds' matrices (parameter, bond, 3, 3).

    There each site is turned back by its own position, and each bond by its length: see `rotating_frame.turning_model`.
    """
    positions = np.array([s.position for s in uniform.sites])
    back = np.array([rotation(axis, -2 * np.pi * (k @ r)) for r in positions])
    turns = -2 * np.pi * (by_k @ positions.T)
    directions = np.einsum("iab,pib->pia", back, changed) + turns[:, :, None] * np.cross(axis, uniform.frames[:, 2])
    apart = np.array([positions[b.j] + np.array(b.cell) - positions[b.i] for b in uniform.bonds]).reshape(-1, 3)
    phases = 2 * np.pi * (by_k @ apart.T)
    matrices = np.array([b.matrix @ cross_matrix(axis) for b in uniform.bonds]).reshape(-1, 3, 3)
    return directions, phases[:, :, None, None] * matrices


def _along(uniform: SpinModel, row: np.ndarray, frames: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Derivative of the matrices of h, (wave, 2N, 2N),
    along a change of frames (site, axis, 3) and of bonds' matrices (bond, 3, 3).
    """
    size = max(np.abs(frames).max(initial=0.0), np.abs(bonds).max(initial=0.0))
    if size == 0:
        return np.zeros(())

    def at(step: float) -> np.ndarray:
        turned = tuple(
            replace(b, matrix=b.matrix + step / size * change) for b, change in zip(uniform.bonds, bonds, strict=True)
        )
        changed = Hamiltonian(replace(uniform, bonds=turned), frames=uniform.frames + step / size * frames)
        return np.tensordot(row, changed.full.matrices[0], axes=1)

    return size * sum(weight * (at(step) - at(-step)) for step, weight in _DIFFERENCES)
