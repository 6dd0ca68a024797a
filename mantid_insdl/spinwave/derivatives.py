r"""Exact derivatives, with respect to the parameters, of the spectrum that a neutron sees at a momentum;
also where modes are degenerate.

A spectrum D = sum_n g(w_n) c_n^+ P c_n adds the lines g of modes with energies w_n and spin amplitudes c_n, P
the projector across Q. By first-order perturbation theory of the para-unitary problem (J. H. P. Colpa,
Physica A 93, 327 (1978)), with h' = dh/dparameter, modes x_n, V_mn = x_m^+ h' x_n, and x_m-, c_m-, w_m- of
the modes of negative energy -w_m-::

    dD = sum_n  g'(w_n) V_nn |c_n|^2
       + sum_{n<m} 2 Re(c_n^+ P c_m V_mn) (g(w_n) - g(w_m)) / (w_n - w_m)
       - sum_{n,m} 2 Re(c_n^+ P c_m- V_m-n) g(w_n) / (w_n + w_m-)

The divided difference tends to g' where two energies meet, so that nothing diverges and no basis of degenerate modes is
special: the derivatives of single modes would be. Where the order follows a parameter h' is total (`response`), and the
amplitudes change with the frames: c_n^+ P c_n gains 2 Re c_n^+ P (dL x_n), with c_n = L x_n.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mantid_insdl.errors import InstabilityError
from mantid_insdl.parallel import in_threads
from mantid_insdl.spinwave.hamiltonian import Hamiltonian
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.modes import PIECE, STABLE, mode_amplitudes, site_weights, solve
from mantid_insdl.spinwave.response import TotalDerivatives, total_derivatives
from mantid_insdl.spinwave.rotating_frame import rotating_parts, turning_model
from mantid_insdl.spinwave.structure import ClassicalEnergy

Lines = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

_DEGENERATE = 1e-6
"""Difference of two energies, relative to the scale of h, below which the divided difference is taken as the slope."""


def spectrum_derivatives(
    model: SpinModel,
    q: np.ndarray,
    parameters: Mapping[str, float],
    lines: Lines,
    *,
    k: Sequence[float] | None = None,
    axis: Sequence[float] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The spectrum S_perp(Q, E) in bins of energy, and its total derivatives by every parameter.

    Parameters
    ----------
    model
        The magnet with its ordered structure.
    q : (m, 3)
        Momenta in r.l.u.
    parameters
        Numbers, in meV (fields in T).
    lines
        Line shape: from energies (...) to the height of such a line in each bin, (..., bin), and the
        slope of that with the energy.
    k, axis : (3,)
        Wave vector and axis of a spiral, as for `mantid_insdl.spinwave.spiral.spiral_waves`.

    Returns
    -------
    values : (m, bin)
        Per magnetic ion, in units of S^2 times the unit of `lines`.
    derivatives : (parameter, m, bin)
        In the model's order of parameters.

    Raises
    ------
    InstabilityError
        If the structure is not stationary, or a momentum is soft or unstable: nothing is differentiable there. If the
        order follows a parameter, as that of a magnet canted in a field, and the energy does not determine it: see
        `response.total_derivatives`.
    """
    q = np.atleast_2d(np.asarray(q, float))
    spiral = k is not None and axis is not None
    uniform = turning_model(model, k, axis) if spiral else model
    hamiltonian = Hamiltonian(uniform)
    row = uniform.parameter_table(parameters)[0]
    ClassicalEnergy(uniform).require_stationary(row[None])
    total = total_derivatives(hamiltonian, row, **({"model": model, "k": k, "axis": axis} if spiral else {}))
    branches = [_Branch(np.zeros(3), 0.0, np.eye(3))]
    if spiral:
        signs = [shift for shift, _ in rotating_parts(np.ones(3), axis)]
        parts = zip(rotating_parts(k, axis), signs, strict=True)
        branches = [_Branch(shift, sign, turn) for (shift, turn), sign in parts]
    step = max(1, int(PIECE / (320 * hamiltonian.size**2 * (len(model.parameters) + 2))))
    pieces = [q[start : start + step] for start in range(0, len(q), step)]

    def piece(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = [_piece(hamiltonian, total, branch, part, row, lines) for branch in branches]
        return sum(one for one, _ in found), sum(one for _, one in found)

    parts = list(in_threads(piece, pieces))
    return np.concatenate([one for one, _ in parts]), np.concatenate([one for _, one in parts], axis=1)


class _Branch(NamedTuple):
    """The modes at Q + shift, seen by their amplitudes turned by `turn` (3, 3);
    the shift is `moving` times the wave vector of a spiral.
    """

    shift: np.ndarray
    moving: np.ndarray | float
    turn: np.ndarray


def _piece(
    hamiltonian: Hamiltonian, total: TotalDerivatives, branch: _Branch, q: np.ndarray, row: np.ndarray, lines: Lines
) -> tuple[np.ndarray, np.ndarray]:
    model, form, table = hamiltonian.model, hamiltonian.full, row[None]
    scale = hamiltonian.scale(table)[:, None]
    at = q + branch.shift
    here, opposite = (solve(*form.at(hamiltonian.waves(x), table), scale=scale) for x in (at, -at))
    bad = np.flatnonzero((here.status[0] != STABLE) | (opposite.status[0] != STABLE))
    if bad.size:
        raise InstabilityError(
            f"the spectrum has no derivative at (h, k, l) = {np.round(q[bad[0]], 4).tolist()} of the magnetic cell",
            "a mode is soft or unstable there",
            "leave that momentum out",
        )
    weight = site_weights(model, q)
    energies, negative = here.energies[0], opposite.energies[0]
    vectors = _vectors(here.p[0], here.m[0])
    # the modes of negative energy at q are those of -q, conjugate, with creation and annihilation
    # exchanged: (p, m) -> (p*, -m*)
    mirrored = _vectors(opposite.p[0].conj(), -opposite.m[0].conj())
    frames = model.seen(model.frames @ branch.turn.T)
    amplitudes = mode_amplitudes(here, frames, weight)[0]
    behind = mode_amplitudes(opposite, frames.conj(), weight)[0].conj()

    cartesian = model.lattice.to_cartesian(q)
    squared = np.sum(cartesian**2, axis=-1)[:, None, None]
    projector = np.eye(3) - cartesian[:, :, None] * cartesian[:, None, :] / np.where(squared > 0, squared, np.inf)
    seen = amplitudes.conj() @ projector
    among, across = (seen @ x.swapaxes(-1, -2) for x in (amplitudes, behind))  # (m, n, m')

    heights, slopes = lines(energies)
    own = np.einsum("qnn->qn", among).real
    values = np.einsum("qn,qnk->qk", own, heights)

    apart = energies[:, :, None] - energies[:, None, :]
    near = np.abs(apart) < _DEGENERATE * scale[0]
    mean_slope = 0.5 * (slopes[:, :, None] + slopes[:, None, :])
    difference = heights[:, :, None] - heights[:, None, :]
    divided = np.where(near[..., None], mean_slope, difference / np.where(near, 1.0, apart)[..., None])
    derivatives = []
    for slope, turning in zip(total.matrices(hamiltonian, at, row, branch.moving), total.frames, strict=True):
        turned = slope @ vectors
        with_own = np.real(among * (vectors.conj().swapaxes(-1, -2) @ turned).swapaxes(-1, -2))
        with_opposite = np.real(across * (mirrored.conj().swapaxes(-1, -2) @ turned).swapaxes(-1, -2))
        # both orders of each pair, and n = m, whose divided difference is the slope
        change = np.einsum("qnm,qnmk->qk", with_own, divided)
        both = energies[:, :, None] + negative[:, None, :]
        change -= 2 * np.einsum("qn,qnk->qk", np.sum(with_opposite / both, axis=-1), heights)
        if np.any(turning):  # spins that turn move along other directions
            moved = mode_amplitudes(here, model.seen(turning @ branch.turn.T), weight)[0]
            change += np.einsum("qn,qnk->qk", 2 * np.real(np.sum(seen * moved, axis=-1)), heights)
        derivatives.append(change)
    return values, np.array(derivatives)


def _vectors(p: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Modes (alpha, beta) as columns, (..., 2N, N)."""
    return 0.5 * np.concatenate((p + m, p - m), axis=-2)
