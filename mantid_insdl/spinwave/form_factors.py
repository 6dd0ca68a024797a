"""Magnetic form factors <j0(Q)> of ions: P. J. Brown's of the package periodictable, and those of form_factors.csv that it lacks.

Brown's numbers are those of the International Tables for Crystallography, volume C, section 4.4.5; the sources of the others are named in
the file.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

import numpy as np

from mantid_insdl.errors import MaterialError

Ion = str | tuple[float, ...]
"""An ion such as ``Mn3+``, or the coefficients A, a, B, b, ..., D of its form factor; empty for none."""


@cache
def coefficients(ion: Ion) -> tuple[float, ...]:
    """A, a, B, b, ..., D of an ion such as ``Mn3+``; coefficients are handed back as they are.

    Raises
    ------
    MaterialError
        If the name is no ion, or the tables have no form factor for it.
    """
    if not isinstance(ion, str):
        return ion
    match = re.fullmatch(r"([A-Z][a-z]?)(\d+)\+", ion)
    if not match:
        raise MaterialError(f"'{ion}' is no ion", "a form factor belongs to an element with a charge", "write it as Mn3+")
    tables = tables_of(match[1])
    if not tables:
        raise MaterialError(f"there is no magnetic form factor for {match[1]}", "it is not in the tables", _BY_HAND)
    if ion not in tables:
        raise MaterialError(
            f"there is no magnetic form factor for {ion}", f"the tables have {', '.join(tables)}", f"name one of these, or {_BY_HAND}"
        )
    return tables[ion]


_BY_HAND = "give its coefficients as form_factor: [A, a, B, b, C, c, D]"


def tables_of(element: str) -> dict[str, tuple[float, ...]]:
    """Coefficients for all ions of an element in the tables, in the order of their charge."""
    import periodictable

    known = getattr(getattr(periodictable, element, None), "magnetic_ff", {})
    found = {f"{element}{charge}+": tuple(float(x) for x in known[charge].j0) for charge in known if hasattr(known[charge], "j0")}
    found |= {ion: table for ion, table in _more().items() if ion.rstrip("+0123456789") == element}
    return dict(sorted(found.items()))


@cache
def _more() -> dict[str, tuple[float, ...]]:
    lines = resources.files(__package__).joinpath("form_factors.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines if not line.startswith("#")]
    return {ion: tuple(float(x) for x in numbers) for ion, _, *numbers in rows}


def form_factor(ion: Ion, q: np.ndarray) -> np.ndarray:
    """<j0> at momentum transfers `q` in 1/angstrom: A e^(-a s^2) + B e^(-b s^2) + ... + D, s = q / 4 pi.

    An empty `ion` gives 1.
    """
    q = np.asarray(q, float)
    if not ion:
        return np.ones(q.shape)
    return j0(coefficients(ion), q**2)


def j0(table: tuple[float, ...], q_squared: np.ndarray) -> np.ndarray:
    """The same from the coefficients and Q^2 in 1/angstrom^2, for inner loops."""
    s2 = q_squared * (-1 / (16 * np.pi**2))
    *pairs, constant = table
    return sum((height * np.exp(width * s2) for height, width in zip(pairs[::2], pairs[1::2], strict=True)), start=constant)
