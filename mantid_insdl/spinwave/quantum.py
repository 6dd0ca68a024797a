"""Quantum corrections of linear spin-wave theory to first order in 1/S:
zero-point energy, ordered moments, renormalised exchange.

With H = E0 + 1/2 sum_q x^+ h(q) x in normal order, the energy of a cell is E0 + mean over q of (sum_n w_n - tr A) / 2,
and a spin is shorter by <a_i^+ a_i> = mean over q of sum_n |beta_in|^2. [P. W. Anderson, Phys. Rev. 86, 694 (1952)]

Products of four bosons, each pair in turn replaced by its mean, change the exchange of a bond of a collinear
Heisenberg magnet whose spins are all alike to J (1 + e / 2 E), E the classical energy of the bond and e the
change of it by zero-point motion: 1 + 0.157947 / 2S on the square lattice with nearest neighbours.
[T. Oguchi, Phys. Rev. 117, 117 (1960)]
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mantid_insdl.errors import InstabilityError, MaterialError
from mantid_insdl.parallel import in_threads
from mantid_insdl.spinwave.hamiltonian import Hamiltonian
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.modes import (
    PIECE,
    STABLE,
    UNSTABLE,
    RawModes,
    energy_derivatives,
    estimated_seconds,
    require_affordable,
    solve,
)
from mantid_insdl.spinwave.structure import ClassicalEnergy

TOLERANCE = {1: 1e-6, 2: 1e-6, 3: 1e-5}
"""Cells of a zone of so many dimensions are halved until the integral over each changes by less: of a boson's number,
or an energy over the size of h."""
CONVERGED = 5e-3
"""An integral whose estimated error stays above this diverges, or needs more momenta than are allowed."""
ALIKE = 1e-4
"""Difference of spins' reductions, or of bonds' factors, that is none."""

_DIVISIONS = {1: 12, 2: 6, 3: 2}
_SMALLEST = 2e-4
"""Cells are not halved beyond this: nearer to a Goldstone momentum h is soft."""
_MOST_MOMENTA = 500_000


@dataclass(frozen=True, eq=False)
class ZeroPoint:
    """Zero-point energy and moments of a magnet.

    Parameters
    ----------
    classical_energy
        meV a spin.
    energy
        What zero-point motion adds to it, meV a spin; None where `reason` says why it is not known.
    reduction : (site,)
        By which each spin is shorter than S.
    error
        Estimated error of `reduction`.
    reason
        Empty where `energy` is known.
    """

    classical_energy: float
    energy: float | None
    reduction: np.ndarray
    error: float
    reason: str = ""


def zero_point(model: SpinModel, parameters: Mapping[str, float]) -> ZeroPoint:
    """Zero-point energy and moments to first order in 1/S.

    Parameters
    ----------
    model
        The magnet with its order; of a spiral that in the rotating frame (`rotating_frame.turning_model`).
    parameters
        Numbers, in meV (fields in T).

    Raises
    ------
    InstabilityError
        If the order is not stationary or not stable, and if the reduction of the moments does not
        converge (chains without a gap).
    MaterialError
        If it would take more than an hour.
    """
    zone = _Zone(model, parameters)
    reason = ""
    if any(bond.biquadratic for bond in model.bonds) or any(np.ndim(term.tensor) > 2 for term in model.onsite):
        reason = (
            "biquadratic exchange and Stevens operators of degree 4 and 6 are those of classical spins, "
            "which have no order of operators"
        )
    (mean, *reduction), error = zone.mean(
        lambda raw, trace, _: np.column_stack((zone.energy(raw, trace), zone.numbers(raw)))
    )
    energy = None if reason else (mean * zone.scale + _of_single_ions(model, zone.row)) / len(model.sites)
    directions = np.array([site.direction for site in model.sites])
    classical = float(ClassicalEnergy(model).energy(zone.row[None], directions)[0]) / len(model.sites)
    return ZeroPoint(classical, energy, np.array(reduction), error, reason)


def oguchi_factors(model: SpinModel, parameters: Mapping[str, float]) -> dict[str, float]:
    """Factor on each exchange by which energies of spin waves are those to first order in 1/S.

    Parameters
    ----------
    model, parameters
        As for `zero_point`.

    Returns
    -------
    dict
        By parameter. Of magnets with one parameter it is the factor on all energies, whatever its value.

    Raises
    ------
    MaterialError
        If the magnet is no collinear one of equal spins and isotropic exchange, or bonds of one parameter are unlike.
    InstabilityError
        As `zero_point`.
    """
    _require_heisenberg(model)
    names = [f"{index}" for index in range(len(model.bonds))]
    single = replace(
        model, bonds=tuple(replace(bond, parameter=name) for bond, name in zip(model.bonds, names, strict=True))
    )
    zone = _Zone(single, {name: parameters[bond.parameter] for name, bond in zip(names, model.bonds, strict=True)})
    found, error = zone.mean(
        lambda raw, _, slopes: np.column_stack((zone.numbers(raw), 0.5 * slopes)), derivatives=True
    )
    numbers, changes = np.split(found, [len(model.sites)])
    if np.ptp(numbers) > ALIKE + error:
        raise MaterialError(
            "the energies of this magnet are not renormalised by factors on its exchange",
            f"zero-point motion makes its spins shorter by {numbers.min():.4f} to {numbers.max():.4f}: "
            "they are not all alike",
            _LEAVE_OUT,
        )
    spins = np.array([site.spin * site.direction for site in model.sites])
    classical = np.array([bond.matrix[0, 0] * spins[bond.i] @ spins[bond.j] for bond in model.bonds])
    factors = 1 + changes / (2 * classical)
    by_parameter: dict[str, float] = {}
    for name in model.parameters:
        own = factors[[bond.parameter == name for bond in model.bonds]]
        if np.ptp(own) > ALIKE:
            raise MaterialError(
                f"the bonds of {name} have no factor in common",
                f"zero-point motion makes it {own.min():.4f} to {own.max():.4f}: they are not all alike",
                "give each kind of bond its own parameter",
            )
        by_parameter[name] = float(own.mean())
    return by_parameter


_LEAVE_OUT = "leave the renormalisation out, or give the factor that is known of this magnet as a number"


def _require_heisenberg(model: SpinModel) -> None:
    directions = np.array([site.direction for site in model.sites])
    reasons = {
        "it has a single-ion term": bool(model.onsite),
        "it has a field": bool(model.fields),
        "it has dipole-dipole interactions": model.dipoles is not None,
        "it has biquadratic exchange": any(bond.biquadratic for bond in model.bonds),
        "its exchange is not isotropic": any(
            np.abs(b.matrix - b.matrix[0, 0] * np.eye(3)).max() > 1e-9 for b in model.bonds
        ),
        "it has no exchange": not model.bonds,
        "its spins are not collinear": bool(np.abs(np.abs(directions @ directions[0]) - 1).max() > 1e-9),
        "its spins are not equally long": bool(np.ptp(model.spins) > 1e-9),
    }
    for reason, wrong in reasons.items():
        if wrong:
            raise MaterialError(
                "the energies of this magnet are not renormalised by factors on its exchange",
                f"{reason}, and the factors are those of collinear Heisenberg magnets of equal spins",
                _LEAVE_OUT,
            )


def _of_single_ions(model: SpinModel, row: np.ndarray) -> float:
    """What S^T A S has beyond its classical value by the order of its operators:
    S / 2 times A across the spin, in a cell.
    """
    frames, index = model.frames, {name: p for p, name in enumerate(model.parameters)}
    return sum(
        0.5
        * row[index[term.parameter]]
        * model.spins[term.i]
        * np.einsum("xa,ab,xb->", frames[term.i, :2], term.tensor, frames[term.i, :2])
        for term in model.onsite
    )


class _Zone:
    """Means over the Brillouin zone of what the modes of a magnet tell."""

    def __init__(self, model: SpinModel, parameters: Mapping[str, float]):
        self.model, self._hamiltonian = model, Hamiltonian(model)
        table = model.parameter_table(parameters)
        self.row = table[0]
        seconds = estimated_seconds(
            len(model.sites), _MOST_MOMENTA // 4, self._hamiltonian.folds, dipoles=model.dipoles is not None
        )
        require_affordable(model, seconds)
        ClassicalEnergy(model).require_stationary(table)
        self._form = self._hamiltonian.folded if self._hamiltonian.folds else self._hamiltonian.full
        self.scale = float(self._hamiltonian.scale(table)[0])
        #: axes of the cell along which the magnet is coupled
        self.axes = [
            axis for axis in range(3) if model.dipoles is not None or any(bond.cell[axis] for bond in model.bonds)
        ]

    def energy(self, raw: RawModes, trace: np.ndarray) -> np.ndarray:
        """Zero-point energy at each momentum over the size of h, (m,)."""
        return 0.5 * (raw.energies[0].sum(axis=-1) - trace) / self.scale

    def numbers(self, raw: RawModes) -> np.ndarray:
        """Bosons on each site at each momentum, (m, site)."""
        rows = 0.5 * (raw.p - raw.m)[0]
        rows = rows if self._form.sites is None else self._form.sites @ rows
        return np.sum(np.abs(rows) ** 2, axis=-1)

    def mean(self, values: Callable, *, derivatives: bool = False) -> tuple[np.ndarray, float]:
        """Mean of values(modes, tr A, sum of the energies' derivatives less that of tr A) over the zone,
        (k,), and its estimated error.
        """
        step = max(64, int(PIECE / (300 * self._hamiltonian.size**2 * (1 + derivatives * len(self.row)))))

        def everywhere(q: np.ndarray) -> np.ndarray:
            return np.concatenate(list(in_threads(at, [q[start : start + step] for start in range(0, len(q), step)])))

        def at(q: np.ndarray) -> np.ndarray:
            waves = self._hamiltonian.waves(q)
            matrices = self._form.at(waves, self.row[None])
            raw = solve(*matrices, scale=np.array([[self.scale]]))
            if np.any(raw.status == UNSTABLE):
                raise InstabilityError(
                    "there are no quantum corrections of an unstable structure",
                    f"at (h, k, l) = {np.round(q[np.argmax(raw.status[0] == UNSTABLE)], 3).tolist()} "
                    "its energy has no minimum",
                    "choose an order and couplings that go together",
                )
            trace = self._trace(matrices)[0]
            slopes = np.zeros((len(q), 0))
            if derivatives:
                changes = self._form.derivatives(waves)
                slopes = energy_derivatives(raw, changes)[0].sum(axis=1) - self._trace(changes).T
            found = values(raw, trace, slopes)
            found[raw.status[0] != STABLE] = np.nan  # so near to a Goldstone momentum that its mode has no energy
            return found

        return zone_mean(everywhere, self.axes)

    def _trace(self, matrices: tuple[np.ndarray, ...]) -> np.ndarray:
        """tr A of h, or of A + B and A - B."""
        return 0.5 * sum(np.einsum("...ii->...", x).real for x in matrices)


def zone_mean(values: Callable[[np.ndarray], np.ndarray], axes: list[int]) -> tuple[np.ndarray, float]:
    """Mean of a function of momentum over the zone, by Gauss's rule in cells that are halved where it changes.

    Parameters
    ----------
    values
        From momenta (m, 3) in r.l.u. to (m, k), NaN where there is none: cells about such momenta are not halved.
    axes
        Of the cell, on which they depend.

    Returns
    -------
    mean : (k,)
    error
        Estimated from how much the last halving changed.

    Raises
    ------
    InstabilityError
        Where the error stays above `CONVERGED`.
    """
    if not axes:
        found = values(np.full((1, 3), 0.1))[0]
        _require_converged(0.0 if np.isfinite(found).all() else np.inf)
        return found, 0.0
    number = len(axes)
    nodes, weights = (np.array(x) for x in np.polynomial.legendre.leggauss(5))
    inside = np.array(list(itertools.product(0.5 * (nodes + 1), repeat=number)))
    share = np.prod(list(itertools.product(0.5 * weights, repeat=number)), axis=1)
    halves = np.array(list(itertools.product((0.0, 0.5), repeat=number)))
    used = 0

    def integrals(corners: np.ndarray, size: float) -> np.ndarray:
        nonlocal used
        used += len(corners) * len(inside)
        q = np.full((len(corners), len(inside), 3), 0.1)
        q[..., axes] = corners[:, None] + size * inside
        found = values(q.reshape(-1, 3))
        return size**number * np.einsum("cnk,n->ck", found.reshape(len(corners), len(inside), -1), share)

    size = 1 / _DIVISIONS[number]
    corners = np.array(list(itertools.product(np.arange(_DIVISIONS[number]) * size, repeat=number)))
    here = integrals(corners, size)
    total, error, changed = np.zeros(here.shape[1]), 0.0, np.full(len(here), np.inf)
    while len(corners):
        if used + len(corners) * len(halves) * len(inside) > _MOST_MOMENTA:
            total, error = total + here.sum(axis=0), error + changed.sum()
            break
        below = (corners[:, None] + size * halves).reshape(-1, number)
        parts = integrals(below, size / 2).reshape(len(corners), len(halves), -1)
        whole = parts.sum(axis=1)
        soft = np.isnan(whole).any(axis=1)
        whole[soft] = here[soft]
        change = np.where(soft, changed, np.abs(whole - here).max(axis=1))
        done = soft | (change < TOLERANCE[number]) | (size / 2 < _SMALLEST)
        total += whole[done].sum(axis=0)
        error += change[done].sum()
        corners, size = below.reshape(len(done), -1, number)[~done].reshape(-1, number), size / 2
        here, changed = parts[~done].reshape(-1, parts.shape[-1]), np.repeat(change[~done] / len(halves), len(halves))
    _require_converged(error)
    return total, float(error)


def _require_converged(error: float) -> None:
    if error > CONVERGED:
        change = f"smaller cells of the Brillouin zone still change it by {error:.2g}, as of a chain without a gap"
        raise InstabilityError(
            "the zero-point correction to this magnet's moments does not converge",
            change if np.isfinite(error) else "a mode costs no energy at many momenta",
            "add what lifts the energy of its soft modes (an anisotropy, an exchange between chains)",
        )
