"""Magnetic form factors <j0(Q)> of ions, from the table of the package periodictable.

The numbers are those of P. J. Brown, International Tables for Crystallography, volume C, section 4.4.5.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from mantid_insdl.errors import MaterialError


@cache
def coefficients(ion: str) -> tuple[float, ...]:
    """A, a, B, b, C, c, D of an ion such as ``Mn3+``.

    Raises
    ------
    MaterialError
        If the name is no ion, or the table has no form factor for it.
    """
    import periodictable

    match = re.fullmatch(r"([A-Z][a-z]?)(\d+)\+", ion)
    if not match:
        raise MaterialError(f"'{ion}' is no ion", "a form factor belongs to an element with a charge", "write it as Mn3+")
    element, charge = match[1], int(match[2])
    try:
        table = getattr(periodictable, element).magnetic_ff
    except AttributeError:
        raise MaterialError(
            f"there is no magnetic form factor for {element}", "it is not in the table", "leave the ion empty: F = 1"
        ) from None
    if charge not in table or not hasattr(table[charge], "j0"):
        known = ", ".join(f"{element}{c}+" for c in table if hasattr(table[c], "j0"))
        raise MaterialError(f"there is no magnetic form factor for {ion}", f"the table has {known}", "name one of these")
    return tuple(float(x) for x in table[charge].j0)


def form_factor(ion: str, q: np.ndarray) -> np.ndarray:
    """<j0> at momentum transfers `q` in 1/angstrom: A e^(-a s^2) + B e^(-b s^2) + C e^(-c s^2) + D, s = q / 4 pi.

    An empty `ion` gives 1.
    """
    q = np.asarray(q, float)
    if not ion:
        return np.ones(q.shape)
    return j0(coefficients(ion), q**2)


def j0(table: tuple[float, ...], q_squared: np.ndarray) -> np.ndarray:
    """The same from the coefficients and Q^2 in 1/angstrom^2, for inner loops."""
    s2 = q_squared * (-1 / (16 * np.pi**2))
    aa, a, bb, b, cc, c, d = table
    return aa * np.exp(a * s2) + bb * np.exp(b * s2) + cc * np.exp(c * s2) + d
