"""Spin waves of single-k spirals in the rotating frame: incommensurate order without a supercell.

The spin at r is that of the cell at the origin, turned by 2 pi k.r about an axis n. Seen in a frame that turns
along, the order is uniform, and so is the Hamiltonian if every term keeps its form under rotations about n. With
Rot = n n^T + e^(i phi) A + e^(-i phi) conj(A), A = (1 - n n^T - i [n]x) / 2, a spin deviation at Q is made of
three of the turning frame::

    S(Q) = n n^T S'(Q) + A S'(Q - k) + conj(A) S'(Q + k)

so that each Q shows 3 N modes: at Q, Q - k and Q + k (Toth and Lake, J. Phys.: Condens. Matter 27, 166002 (2015)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mantid_insdl.spinwave.hamiltonian import Hamiltonian
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.modes import (
    Modes,
    energy_derivatives,
    in_rising_order,
    mode_amplitudes,
    mode_velocities,
    perpendicular,
    site_weights,
    solve,
)
from mantid_insdl.spinwave.response import total_derivatives
from mantid_insdl.spinwave.rotating_frame import rotating_parts, turning_model
from mantid_insdl.spinwave.structure import ClassicalEnergy


def spiral_waves(
    model: SpinModel,
    k: Sequence[float],
    axis: Sequence[float],
    q: np.ndarray,
    parameters: Mapping[str, float | np.ndarray],
    *,
    derivatives: bool = False,
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
    parameters, derivatives, velocities
        As for `mantid_insdl.spinwave.spin_waves`: total derivatives take in that the wave
        vector follows the parameters too.

    Returns
    -------
    Modes
        With 3 N modes at each momentum, rising; `status` is the worst of the three momenta.

    Raises
    ------
    MaterialError
        See `rotating_frame.turning_model`.
    InstabilityError
        If the spiral is not stationary; for derivatives where it follows a parameter and the
        energy does not determine it.
    """
    q = np.atleast_2d(np.asarray(q, float))
    turning = turning_model(model, k, axis)
    table = turning.parameter_table(parameters)
    ClassicalEnergy(turning).require_stationary(table)
    hamiltonian = Hamiltonian(turning)
    scale = hamiltonian.scale(table)[:, None]
    weight = site_weights(model, q)  # the form factor is that of Q for all three parts
    total = [total_derivatives(hamiltonian, row, model=model, k=k, axis=axis) for row in table] if derivatives else []
    moved = rotating_parts(np.ones(3), axis)
    found = []
    for (shift, projector), (moving, _) in zip(rotating_parts(k, axis), moved, strict=True):
        raw = solve(*hamiltonian.full.at(hamiltonian.waves(q + shift), table), scale=scale)
        slopes = [one.matrices(hamiltonian, q + shift, row, moving) for one, row in zip(total, table, strict=False)]
        by_parameter = energy_derivatives(raw, (np.stack(slopes, axis=1),)) if derivatives else None
        by_momentum = (
            mode_velocities(raw, hamiltonian.full, hamiltonian.wave_slopes(q + shift), table) if velocities else None
        )
        amplitudes = mode_amplitudes(raw, model.seen(turning.frames @ projector.T), weight)
        found.append((raw.energies, amplitudes, by_parameter, by_momentum, raw.status, raw.lowest))
    *of_modes, status, lowest = zip(*found, strict=True)
    energies, amplitudes, by_parameter, by_momentum = in_rising_order(of_modes)
    seen = perpendicular(amplitudes, model.lattice.to_cartesian(q)[:, None, :])
    return Modes(
        q, energies, amplitudes, seen, np.max(status, axis=0), np.fmin.reduce(lowest), by_parameter, by_momentum
    )
