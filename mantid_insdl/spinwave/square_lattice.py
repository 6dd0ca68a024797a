"""Closed form for the square-lattice antiferromagnet with J1, J2 and uniaxial anisotropy D, spins along c.

With (h, k) of the chemical cell (one spin), gamma_1 = cos 2 pi h + cos 2 pi k, gamma_2 = cos 2 pi h cos 2 pi k::

    A = 4 J1 S - 4 J2 S (1 - gamma_2) - 2 D S,   B = 2 J1 S gamma_1,   w = sqrt(A^2 - B^2)   (two degenerate modes)
    S^xx = S^yy = (S / 2) sqrt((A - B) / (A + B))  per spin, both modes together
"""

from __future__ import annotations

import numpy as np


def square_lattice_modes(
    h: np.ndarray, k: np.ndarray, spin: float, j1: np.ndarray, j2: np.ndarray, d: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Energy and transverse structure factor at momenta of the chemical cell.

    Parameters
    ----------
    h, k : (m,)
        r.l.u.
    spin
        Spin length.
    j1, j2, d : (set,)
        meV.

    Returns
    -------
    energy : (set, m)
        meV; 0 at a Goldstone momentum, NaN where unstable.
    s_xx : (set, m)
        Per spin, for both modes; NaN where it diverges or is unstable.
    lowest : (set, m)
        Smallest eigenvalue of h(q), A - |B|, in meV.
    """
    ch, ck = np.cos(2 * np.pi * np.asarray(h, float)), np.cos(2 * np.pi * np.asarray(k, float))
    j1, j2, d = (spin * np.atleast_1d(np.asarray(x, float))[:, None] for x in (j1, j2, d))
    a = 4 * j1 - 2 * d - 4 * j2 * (1 - ch * ck)
    b = 2 * j1 * (ch + ck)
    plus, minus = a + b, a - b
    lowest = np.minimum(plus, minus)
    zero = 1e-12 * (4 * np.abs(j1) + 8 * np.abs(j2) + 2 * np.abs(d))
    if np.all(lowest > zero):  # the usual case, without the care that Goldstone momenta need
        energy = np.sqrt(plus * minus)
        return energy, 0.5 * spin * minus / energy, lowest
    soft, unstable = np.abs(lowest) <= zero, lowest < -zero
    energy = np.sqrt(np.where(soft, 0.0, np.where(unstable, np.nan, plus * minus)))
    with np.errstate(divide="ignore", invalid="ignore"):
        s_xx = 0.5 * spin * np.where(energy > 0, minus / energy, np.nan)
    # at the nuclear zone centre of a gapless magnet A = B: the mode is there, without intensity
    s_xx[soft & (np.abs(minus) <= zero)] = 0.0
    return energy, s_xx, lowest


def square_lattice_slopes(
    h: np.ndarray, k: np.ndarray, spin: float, j1: np.ndarray, j2: np.ndarray, d: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the energy by h and by k, (set, m) each, in meV;
    0 where the energy is. Parameters as for `square_lattice_modes`.
    """
    angles = [2 * np.pi * np.asarray(x, float) for x in (h, k)]
    (ch, ck), (sh, sk) = (np.cos(x) for x in angles), (np.sin(x) for x in angles)
    j1, j2, d = (spin * np.atleast_1d(np.asarray(x, float))[:, None] for x in (j1, j2, d))
    a = 4 * j1 - 2 * d - 4 * j2 * (1 - ch * ck)
    b = 2 * j1 * (ch + ck)
    square = a**2 - b**2
    energy = np.sqrt(np.where(square > 0, square, np.inf))
    by_h, by_k = (
        -2 * np.pi * (4 * j2 * a * own * other - 2 * j1 * b * own) / energy for own, other in ((sh, ck), (sk, ch))
    )
    return by_h, by_k
