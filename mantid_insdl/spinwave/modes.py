"""Spin-wave energies and amplitudes from h(q):
Colpa's method, and its N x N folding. Both report instability, never hide it.

Notation: a mode b has a = alpha b + ..., a^+ = beta b + ... on each site. Both solvers return p = alpha + beta and
m = alpha - beta, since the spin component it makes on a site is
sqrt(S / 2) (conj(u) alpha + u beta) = sqrt(S / 2) (e1 p - i e2 m).

Soft momenta
------------
At a Goldstone momentum h is only positive semi-definite and a mode's weight may diverge. The rule: where the smallest
eigenvalue of h is not above 1e-10 of the scale of h (`Hamiltonian.scale`), h is shifted by that much. If it then is
positive definite the momentum is *soft*: its zero modes (below 1e-4 of the scale) get the energy 0 exactly, and a NaN
amplitude if their weight diverges (an antiferromagnet's does, a ferromagnet's does not). The other modes move by about
1e-10 of their energy. If it still is not, the momentum is *unstable*: energies and amplitudes are NaN there, and
`lowest` holds the smallest eigenvalue of h in meV. Small energies are always solved for in the full h: the squares of
the folded form would lose half of their digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.parallel import cores, in_threads
from mantid_insdl.progress import Progress, ignore_progress
from mantid_insdl.spinwave.form_factors import form_factor
from mantid_insdl.spinwave.hamiltonian import Form, Hamiltonian, hamiltonian_of
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.order import OrderEnergy
from mantid_insdl.spinwave.relaxation import directions_of
from mantid_insdl.spinwave.response import total_derivatives
from mantid_insdl.spinwave.structure import ClassicalEnergy

SHIFT = 1e-10
"""Shift of h at a soft momentum, relative to the scale of h."""
_SMALL = 10 * np.sqrt(SHIFT)
"""Energies below this, relative to the scale of h, are solved for in the full h;
at a soft momentum they count as zero.
"""
_DIVERGENT = 1e3
SMALL_PIECE, PIECE = 16e6, 64e6
"""Bytes of working memory of one piece of momenta, where several threads share few of them or it takes long, and at
most: what a piece costs whatever its size, and the wait of a thread for another one between two operations, are small.
"""
LONG = 0.05
"""Seconds, by `estimated_seconds`: of longer pieces progress would be told too rarely."""

STABLE, SOFT, UNSTABLE = 0, 1, 2


@dataclass(frozen=True, eq=False)
class RawModes:
    """Modes of a batch of matrices, before form factors: see the module's text for p and m.

    Parameters
    ----------
    energies : (..., N)
        meV, rising.
    p, m : (..., N row, N mode)
        Amplitudes along e1 and e2; rows are sites, or combinations of them (`hamiltonian.Form.sites`).
    status : (...) int8
        STABLE, SOFT or UNSTABLE.
    lowest : (...)
        Smallest eigenvalue of h in meV where the status is not STABLE, else NaN (h is positive definite).
    """

    energies: np.ndarray
    p: np.ndarray
    m: np.ndarray
    status: np.ndarray
    lowest: np.ndarray


def _factor(h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower Cholesky factors of (k, n, n), and which exist; the others are filled with the identity."""
    try:
        return np.linalg.cholesky(h), np.ones(h.shape[0], bool)
    except np.linalg.LinAlgError:
        good = np.linalg.eigvalsh(h)[:, 0] > 0
    factor = np.broadcast_to(np.eye(h.shape[-1], dtype=h.dtype), h.shape).copy()
    try:
        factor[good] = np.linalg.cholesky(h[good])
    except np.linalg.LinAlgError:  # an eigenvalue that rounding made positive: sort the matrices out one by one
        for index in np.flatnonzero(good):
            try:
                factor[index] = np.linalg.cholesky(h[index])
            except np.linalg.LinAlgError:
                good[index] = False
    return factor, good


def _eigh(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`numpy.linalg.eigh` of (k, n, n), in closed form where n is 1 or 2: the cells of one and two spins."""
    n = matrices.shape[-1]
    if n == 1:
        return matrices[:, 0].real.copy(), np.ones_like(matrices)
    if n > 2:
        return np.linalg.eigh(matrices)
    first, second, off = matrices[:, 0, 0].real, matrices[:, 1, 1].real, matrices[:, 1, 0]
    size = np.abs(off)
    half = 0.5 * (second - first)
    radius = np.hypot(half, size)
    values = 0.5 * (first + second)[:, None] + radius[:, None] * np.array([-1.0, 1.0])
    # the lower vector is (cos, -sin e^(i phase)), with tan of twice the angle = size / half
    angle = 0.5 * np.arctan2(size, half)
    turned = np.sin(angle) * np.where(size > 0, off / np.where(size > 0, size, 1), 1)
    vectors = np.empty_like(matrices)
    vectors[:, 0, 0] = vectors[:, 1, 1] = np.cos(angle)
    vectors[:, 1, 0], vectors[:, 0, 1] = -turned, turned.conj()
    return values, vectors


def _folded(plus: np.ndarray, minus: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """w^2, p, m and which matrices are positive definite, from A + B and A - B, (k, N, N)."""
    factor, good = _factor(plus)
    adjoint = factor.conj().swapaxes(-1, -2)
    squares, vectors = _eigh(adjoint @ minus @ factor)
    good &= squares[:, 0] > 0
    root = np.sqrt(np.abs(squares))
    m = (factor @ vectors) / np.sqrt(np.where(root > 0, root, 1))[:, None, :]
    p = (minus @ m) / np.where(root > 0, root, 1)[:, None, :]
    return squares, p, m, good


def _colpa(h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The same from the full h = K K^+, (k, 2N, 2N): Colpa, Physica A 93, 327 (1978).

    K^+ g K U = U L gives the modes K^+-1 U sqrt(L) = g K U / sqrt(L).
    """
    n = h.shape[-1] // 2
    factor, good = _factor(h)
    upper, lower = factor[:, :n], factor[:, n:]
    values, vectors = _eigh(upper.conj().swapaxes(-1, -2) @ upper - lower.conj().swapaxes(-1, -2) @ lower)
    values, vectors = values[:, n:], vectors[:, :, n:]
    good &= values[:, 0] > 0
    columns = factor @ (vectors / np.sqrt(np.where(values > 0, values, 1))[:, None, :])
    alpha, beta = columns[:, :n], -columns[:, n:]
    return values * np.abs(values), alpha + beta, alpha - beta, good


def _unfolded(plus: np.ndarray, minus: np.ndarray) -> np.ndarray:
    """The full h, (k, 2N, 2N), of A + B and A - B."""
    a, b = 0.5 * (plus + minus), 0.5 * (plus - minus)
    return np.concatenate((np.concatenate((a, b), axis=-1), np.concatenate((b, a), axis=-1)), axis=-2)


def solve(*matrices: np.ndarray, scale: np.ndarray) -> RawModes:
    """Modes of h = (h,), or of a folded h = (A + B, A - B).

    Parameters
    ----------
    matrices
        One stack (..., 2N, 2N), or two (..., N, N), in meV.
    scale : broadcast against (...)
        Size of h in meV, `Hamiltonian.scale`: what the shift and the thresholds are relative to.
    """
    shape = matrices[0].shape[:-2]
    flat = [x.reshape(-1, *x.shape[-2:]) for x in matrices]
    method = _folded if len(flat) == 2 else _colpa
    scale = np.broadcast_to(scale, shape).ravel()
    squares, p, m, good = method(*flat)
    status = np.zeros(good.shape, np.int8)
    lowest = np.full(good.shape, np.nan)
    again = np.flatnonzero(~good | (squares[:, 0] <= (_SMALL * scale) ** 2))
    if again.size:
        lowest[again] = np.min([np.linalg.eigvalsh(x[again])[:, 0] for x in flat], axis=0)
        # from the full h: a zero mode of a ferromagnet is lost among the rounding errors of the
        # squares that the folded form has
        whole = flat[0][again] if len(flat) == 1 else _unfolded(*(x[again] for x in flat))
        singular = ~(lowest[again] > SHIFT * scale[again])
        shift = np.where(singular, SHIFT * scale[again], 0.0)[:, None, None] * np.eye(whole.shape[-1])
        squares[again], p[again], m[again], good[again] = _colpa(whole + shift)
        status[again] = np.where(~good[again], UNSTABLE, np.where(singular, SOFT, STABLE))
        lowest[again[status[again] == STABLE]] = np.nan
        zero = (status == SOFT)[:, None] & (squares <= (_SMALL * scale[:, None]) ** 2)
        divergent = zero & ((np.abs(p) ** 2 + np.abs(m) ** 2).max(axis=1) > _DIVERGENT)
        squares[zero] = 0.0
        squares[status == UNSTABLE] = np.nan
        for x in (p, m):
            x.swapaxes(1, 2)[divergent] = np.nan
            x[status == UNSTABLE] = np.nan
    energies = np.sqrt(squares)
    order = (*shape, -1)
    n = energies.shape[-1]
    return RawModes(
        energies.reshape(order),
        p.reshape(*shape, n, n),
        m.reshape(*shape, n, n),
        status.reshape(shape),
        lowest.reshape(shape),
    )


@dataclass(frozen=True, eq=False)
class Modes:
    """Spin waves of parameter sets x momenta.

    Parameters
    ----------
    q : (m, 3)
        Momenta in r.l.u.
    energies : (set, m, N)
        meV, rising.
    amplitudes : (set, m, N, 3)
        Cartesian amplitude of the moments, g S / 2, or of the spins (`SpinModel.scattering`), of each mode with form
        factors, per square root of the number of magnetic ions; S^ab = M^a conj(M^b).
    s_perp : (set, m, N)
        sum_ab (delta_ab - Qhat_a Qhat_b) S^ab per magnetic ion. At Q = 0, where the direction of Q
        is undefined, the trace of S.
    status : (set, m) int8
        `STABLE`, `SOFT` or `UNSTABLE` (see the module's text).
    lowest : (set, m)
        Smallest eigenvalue of h in meV where not stable, else NaN.
    derivatives : (set, m, N, parameter)
        Of the energies with respect to the model's parameters, in its order, if asked for; NaN where the amplitude is.
        Of degenerate modes only the sum over them is meaningful.
    velocities : (set, m, N, 3)
        Derivatives of the energies by h, k and l, in meV, if asked for; 0 where the amplitude is NaN.
    """

    q: np.ndarray
    energies: np.ndarray
    amplitudes: np.ndarray
    s_perp: np.ndarray
    status: np.ndarray
    lowest: np.ndarray
    derivatives: np.ndarray | None = None
    velocities: np.ndarray | None = None

    @property
    def stable(self) -> np.ndarray:
        """True where no momentum is unstable, (set,)."""
        return ~np.any(self.status == UNSTABLE, axis=-1)


def perpendicular(amplitudes: np.ndarray, q: np.ndarray) -> np.ndarray:
    """|M|^2 - |Q.M|^2 / Q^2 over the last axis; |M|^2 where Q = 0.

    Parameters
    ----------
    amplitudes : (..., 3) complex
    q : (..., 3)
        Momentum, Cartesian, broadcast against `amplitudes`.
    """
    # written out: sums over three numbers take several times as long
    (qx, qy, qz), (x, y, z) = np.moveaxis(q, -1, 0), np.moveaxis(amplitudes, -1, 0)
    squared = qx**2 + qy**2 + qz**2
    along = qx * x + qy * y + qz * z
    whole = x.real**2 + x.imag**2 + y.real**2 + y.imag**2 + z.real**2 + z.imag**2
    return whole - (along.real**2 + along.imag**2) / np.where(squared > 0, squared, np.inf)


def spin_waves(
    model: SpinModel,
    q: np.ndarray,
    parameters: Mapping[str, float | np.ndarray],
    *,
    fold: bool | None = None,
    derivatives: bool = False,
    velocities: bool = False,
    memory: float = 256e6,
    workers: int | None = None,
    longest: float = 3600.0,
    progress: Progress = ignore_progress,
) -> Modes:
    """Energies and neutron amplitudes of a magnet for every parameter set at every momentum.

    Parameters
    ----------
    model
        The magnet with its ordered structure.
    q : (m, 3)
        Momenta in r.l.u.
    parameters
        Each a number or an array (set,), in meV (fields in T).
    fold
        Use the N x N folding; None: wherever it is exact (`Hamiltonian.folds`). True where it is not raises ValueError.
    derivatives
        Also the derivatives of the energies with respect to the parameters, by the theorem of Hellmann
        and Feynman. They are total ones: where the order follows a parameter (a magnet canted in a field)
        they take that in (`response`).
    velocities
        Also the derivatives of the energies with respect to momentum.
    memory
        Bytes of working memory of all threads together, at most.
    workers
        Number of threads; all cores by default.
    longest
        Seconds that the calculation may take by the rough estimate of `estimated_seconds`.
    progress
        Called before and during a calculation of more than a second, with the fraction done and a text that says how
        long it will take; it may raise to stop.

    Raises
    ------
    MaterialError
        For a missing, unknown or non-finite parameter, and for a calculation that would take longer than `longest`.
    InstabilityError
        If the structure is not stationary for one of the parameter sets; for derivatives where the order follows a
        parameter and the energy does not determine it. (An unstable structure is reported in `Modes.status`.)
    """
    q = np.atleast_2d(np.asarray(q, float))
    hamiltonian = hamiltonian_of(model)
    if fold and not hamiltonian.folds:
        raise ValueError("h of this model does not fold: its coefficients are not all real")
    fold = hamiltonian.folds if fold is None else fold
    table = model.parameter_table(parameters)
    seconds = estimated_seconds(len(model.sites), len(q) * len(table), fold, dipoles=model.dipoles is not None)
    require_affordable(model, seconds, longest)
    ClassicalEnergy(model).require_stationary(table)
    if derivatives and OrderEnergy(model).following(directions_of(model)).any():
        fold = False  # what turns the spins need not fold, nor move alike
        blocks = [(hamiltonian.full, [total_derivatives(hamiltonian, row).form for row in table])]
    else:
        blocks = [(form, [form] * derivatives) for form in hamiltonian.blocks(fold)]
    workers = workers or cores()
    matrices = len(table) + derivatives * len(model.parameters) + 3 * velocities
    size = 16 * hamiltonian.size**2 * (10 if fold else 40) * matrices
    wanted = min(-(-len(q) // workers), int(len(q) * LONG / max(seconds, LONG)))
    piece = max(1, min(int(min(memory / workers, PIECE) / size), max(int(SMALL_PIECE / size), wanted)))
    pieces = [q[start : start + piece] for start in range(0, max(len(q), 1), piece)]
    parts = in_threads(lambda part: _spin_waves(hamiltonian, part, table, blocks, velocities), pieces, workers)
    text = f"Spin waves of {len(model.sites)} spins at {len(q)} momenta, about {_in_words(seconds)} on one core"
    report = progress if seconds > 1 else ignore_progress
    report(0.0, text)
    done = []
    for part in parts:
        done.append(part)
        report(len(done) / len(pieces), text)
    found = [None if x[0] is None else np.concatenate(x, axis=1) for x in zip(*done, strict=True)]
    return Modes(q, *found)


def _in_words(seconds: float) -> str:
    unit, name = next((one for one in ((3600, "hours"), (60, "minutes")) if seconds >= 2 * one[0]), (1, "seconds"))
    return f"{seconds / unit:.0f} {name}"


def estimated_seconds(spins: int, solves: int, fold: bool, *, dipoles: bool = False) -> float:
    """Rough time of `solves` momenta x parameter sets on one core:
    a solve goes as the third power of the number of spins in the cell.

    With dipole-dipole interaction the sums over the lattice, and what is made of them, take longer than the solve.
    """
    return solves * ((1e-8 if fold else 3e-8) * spins**3 + dipoles * (5e-5 + 3e-6 * spins**3))


def require_affordable(model: SpinModel, seconds: float, longest: float = 3600.0) -> None:
    """Raise `MaterialError`, with what it would cost, for a calculation that takes longer than `longest` seconds."""
    if seconds > longest:
        raise MaterialError(
            f"this calculation with {len(model.sites)} spins in the cell is long",
            f"it would take about {seconds / 3600:.2g} hours on one core, more than the {longest / 3600:.2g} allowed",
            "use a smaller magnetic cell or fewer momenta, or allow it with longest=SECONDS",
        )


def complex_energies(model: SpinModel, q: np.ndarray, parameters: Mapping[str, float | np.ndarray]) -> np.ndarray:
    """Energies also of an unstable structure: eigenvalues of g h, complex where the structure is unstable.

    White, Sparks and Ortenburger, Phys. Rev. 139, A450 (1965). An imaginary part is the
    rate at which a deviation grows.

    Parameters
    ----------
    model, q, parameters
        As for `spin_waves`.

    Returns
    -------
    (set, m, N) complex
        In meV: one of each pair w, -conj(w), with Re w >= 0, ordered by Re w, then by Im w.
    """
    q = np.atleast_2d(np.asarray(q, float))
    h = Hamiltonian(model).matrix(q, parameters)
    n = h.shape[-1] // 2
    metric = np.concatenate((np.ones(n), -np.ones(n)))
    values = np.linalg.eigvals(metric[:, None] * h)
    scale = np.abs(values).max(axis=-1, keepdims=True)
    # of a purely imaginary pair keep the growing one; rounding must not decide which
    real = np.where(np.abs(values.real) < 1e-7 * scale, 0.0, values.real)
    imaginary = np.where(np.abs(values.imag) < 1e-7 * scale, 0.0, values.imag)
    order = np.lexsort((imaginary, real), axis=-1)[..., n:]
    return np.take_along_axis(real + 1j * imaginary, order, axis=-1)


def site_weights(model: SpinModel, q: np.ndarray) -> np.ndarray:
    """Factor of each site's spin deviation in what a neutron sees at momenta (m, 3):
    form factor x sqrt(S / 2) / sqrt(N), (m, site).
    """
    length = np.linalg.norm(model.lattice.to_cartesian(q), axis=-1)
    of_ion = {ion: form_factor(ion, length) for ion in dict.fromkeys(s.ion for s in model.sites)}
    weight = np.stack([of_ion[s.ion] for s in model.sites], -1) * np.sqrt(0.5 * model.spins / len(model.sites))
    return weight * np.cos(np.pi * (q @ model.pairs.T)) if np.any(model.pairs) else weight


def mode_amplitudes(
    raw: RawModes, frames: np.ndarray, weight: np.ndarray, sites: np.ndarray | None = None
) -> np.ndarray:
    """Cartesian amplitude of each mode, (set, m, N, 3), from local frames as neutrons see them (`SpinModel.seen`),
    `site_weights` and the `sites` of the form that was solved."""
    amplitudes = np.zeros((*raw.energies.shape, 3), complex)
    for axis, vectors, factor in ((frames[:, 0], raw.p, 1), (frames[:, 1], raw.m, -1j)):
        moving = np.flatnonzero(np.any(axis != 0, axis=0))
        rows = weight[:, None, :] * axis.T[moving]
        rows = rows if sites is None else rows @ sites
        amplitudes[..., moving] += factor * (rows @ vectors).swapaxes(-1, -2)
    return amplitudes


def _spin_waves(
    hamiltonian: Hamiltonian,
    q: np.ndarray,
    table: np.ndarray,
    blocks: Sequence[tuple[Form, Sequence[Form]]],
    velocities: bool,
) -> tuple[np.ndarray | None, ...]:
    """Fields of `Modes` after its momenta.

    To each of the `blocks` that h falls into belong the forms of its derivatives: one for
    each set, one for all, or none.
    """
    model = hamiltonian.model
    waves, weight, scale = hamiltonian.waves(q), site_weights(model, q), hamiltonian.scale(table)[:, None]
    momentum_slopes = hamiltonian.wave_slopes(q) if velocities else None
    parts = []
    for form, forms in blocks:
        raw = solve(*form.at(waves, table), scale=scale)
        of_each = zip(*(one.derivatives(waves) for one in forms), strict=True)
        slopes = tuple(x[0] if len(x) == 1 else np.stack(x, axis=1) for x in of_each)  # (parameter, [set,] m, n, n)
        by_parameter = energy_derivatives(raw, slopes) if slopes else None
        by_momentum = None if momentum_slopes is None else mode_velocities(raw, form, momentum_slopes, table)
        amplitudes = mode_amplitudes(raw, model.seen(model.frames), weight, form.sites)
        parts.append((raw.energies, amplitudes, by_parameter, by_momentum, raw.status, raw.lowest))
    *of_modes, status, lowest = zip(*parts, strict=True)
    energies, amplitudes, by_parameter, by_momentum = (
        in_rising_order(of_modes) if len(blocks) > 1 else [one[0] for one in of_modes]
    )
    seen = perpendicular(amplitudes, model.lattice.to_cartesian(q)[:, None, :])
    return energies, amplitudes, seen, np.max(status, axis=0), np.fmin.reduce(lowest), by_parameter, by_momentum


def in_rising_order(of_modes: Sequence[Sequence[np.ndarray | None]]) -> list[np.ndarray | None]:
    """What the modes (set, m, mode, ...) of several solves have, first of all energies, in the order of these;
    None where none has it.
    """
    order = np.argsort(np.concatenate(of_modes[0], axis=2), axis=2, kind="stable")
    sets, momenta, modes = order.shape
    order += modes * np.arange(sets * momenta).reshape(
        sets, momenta, 1
    )  # in all of them, so that a mode is moved as one
    joined = [None if one[0] is None else np.concatenate(one, axis=2) for one in of_modes]
    return [
        None if x is None else x.reshape(order.size, *x.shape[3:]).take(order.ravel(), axis=0).reshape(x.shape)
        for x in joined
    ]


def mode_velocities(raw: RawModes, form: Form, slopes: np.ndarray, table: np.ndarray) -> np.ndarray:
    """dw/dh, dw/dk ... of the modes, (set, m, N, direction), by the theorem of Hellmann and Feynman;
    0 where a mode has no amplitude.

    Parameters
    ----------
    raw : RawModes of shape (set, m)
        From the matrices of `form`.
    slopes : (direction, m, wave)
        From `Hamiltonian.wave_slopes`.
    table : (set, parameter)
    """
    number, momenta = len(slopes), slopes.shape[1]
    matrices = [
        np.moveaxis(x.reshape(len(table), number, momenta, *x.shape[2:]), 1, 0)
        for x in form.at(slopes.reshape(number * momenta, -1), table)
    ]
    return np.nan_to_num(energy_derivatives(raw, tuple(matrices)))


def energy_derivatives(raw: RawModes, slopes: tuple[np.ndarray, ...]) -> np.ndarray:
    """dw/dx = b^+ (dh/dx) b for the modes b = (alpha, beta), (set, m, N, x),
    from dh/dx (x, [set,] m, n, n) of each matrix of the form.
    """

    def expectation(vectors: np.ndarray, matrices: np.ndarray) -> np.ndarray:
        return np.stack([np.sum(vectors.conj() * (matrix @ vectors), axis=-2).real for matrix in matrices], axis=-1)

    if len(slopes) == 2:
        return 0.5 * (expectation(raw.p, slopes[0]) + expectation(raw.m, slopes[1]))
    return expectation(0.5 * np.concatenate((raw.p + raw.m, raw.p - raw.m), axis=-2), slopes[0])
