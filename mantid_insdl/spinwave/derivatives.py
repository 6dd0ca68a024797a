r"""Exact derivatives, with respect to the parameters, of the spectrum that a neutron sees at a momentum; also where modes are degenerate.

A spectrum D = sum_n g(w_n) c_n^+ P c_n adds the lines g of modes with energies w_n and spin amplitudes c_n, P the projector across Q. By
first-order perturbation theory of the para-unitary problem (J. H. P. Colpa, Physica A 93, 327 (1978)), with h' = dh/dparameter, modes x_n,
V_mn = x_m^+ h' x_n, and x_m-, c_m-, w_m- of the modes of negative energy -w_m-::

    dD = sum_n  g'(w_n) V_nn |c_n|^2
       + sum_{n<m} 2 Re(c_n^+ P c_m V_mn) (g(w_n) - g(w_m)) / (w_n - w_m)
       - sum_{n,m} 2 Re(c_n^+ P c_m- V_m-n) g(w_n) / (w_n + w_m-)

The divided difference tends to g' where two energies meet, so that nothing diverges and no basis of degenerate modes is special: the
derivatives of single modes would be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mantid_insdl.errors import InstabilityError
from mantid_insdl.parallel import in_threads
from mantid_insdl.spinwave.hamiltonian import Hamiltonian
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.modes import PIECE, STABLE, mode_amplitudes, site_weights, solve
from mantid_insdl.spinwave.structure import ClassicalEnergy

Lines = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

_DEGENERATE = 1e-6
"""Difference of two energies, relative to the scale of h, below which the divided difference is taken as the slope."""


def spectrum_derivatives(model: SpinModel, q: np.ndarray, parameters: Mapping[str, float], lines: Lines) -> tuple[np.ndarray, np.ndarray]:
    """The spectrum S_perp(Q, E) in bins of energy, and its derivatives by every parameter.

    Parameters
    ----------
    model
        The magnet with its ordered structure.
    q : (m, 3)
        Momenta in r.l.u.
    parameters
        Numbers, in meV (fields in T).
    lines
        Line shape: from energies (...) to the height of such a line in each bin, (..., bin), and the slope of that with the energy.

    Returns
    -------
    values : (m, bin)
        Per magnetic ion, in units of S^2 times the unit of `lines`.
    derivatives : (parameter, m, bin)
        In the model's order of parameters.

    Raises
    ------
    MaterialError
        If the order follows a parameter, as that of a magnet canted in a field: see `ClassicalEnergy.require_fixed_order`.
    InstabilityError
        If the structure is not stationary, or a momentum is soft or unstable: nothing is differentiable there.
    """
    q = np.atleast_2d(np.asarray(q, float))
    hamiltonian = Hamiltonian(model)
    table = model.parameter_table(parameters)[:1]
    classical = ClassicalEnergy(model)
    classical.require_stationary(table)
    classical.require_fixed_order()
    step = max(1, int(PIECE / (320 * hamiltonian.size**2 * (len(model.parameters) + 2))))
    pieces = [q[start : start + step] for start in range(0, len(q), step)]
    parts = list(in_threads(lambda part: _piece(hamiltonian, part, table, lines), pieces))
    return np.concatenate([one for one, _ in parts]), np.concatenate([one for _, one in parts], axis=1)


def _piece(hamiltonian: Hamiltonian, q: np.ndarray, table: np.ndarray, lines: Lines) -> tuple[np.ndarray, np.ndarray]:
    model, form = hamiltonian.model, hamiltonian.full
    scale = hamiltonian.scale(table)[:, None]
    waves = hamiltonian.waves(q)
    here, opposite = (solve(*form.at(w, table), scale=scale) for w in (waves, hamiltonian.waves(-q)))
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
    # the modes of negative energy at q are those of -q, conjugate, with creation and annihilation exchanged: (p, m) -> (p*, -m*)
    mirrored = _vectors(opposite.p[0].conj(), -opposite.m[0].conj())
    amplitudes = mode_amplitudes(here, model, weight)[0]
    behind = mode_amplitudes(opposite, model, weight)[0].conj()

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
    divided = np.where(near[..., None], mean_slope, (heights[:, :, None] - heights[:, None, :]) / np.where(near, 1.0, apart)[..., None])
    derivatives = []
    for slope in form.derivatives(waves)[0]:
        turned = slope @ vectors
        with_own = np.real(among * (vectors.conj().swapaxes(-1, -2) @ turned).swapaxes(-1, -2))
        with_opposite = np.real(across * (mirrored.conj().swapaxes(-1, -2) @ turned).swapaxes(-1, -2))
        # both orders of each pair, and n = m, whose divided difference is the slope
        change = np.einsum("qnm,qnmk->qk", with_own, divided)
        change -= 2 * np.einsum("qn,qnk->qk", np.sum(with_opposite / (energies[:, :, None] + negative[:, None, :]), axis=-1), heights)
        derivatives.append(change)
    return values, np.array(derivatives)


def _vectors(p: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Modes (alpha, beta) as columns, (..., 2N, N)."""
    return 0.5 * np.concatenate((p + m, p - m), axis=-2)
