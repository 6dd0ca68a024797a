"""Magnetic form factors of ions: P. J. Brown's of the package periodictable,
and those of form_factors.csv that it lacks.

Brown's numbers are those of the International Tables for Crystallography, volume C, section 4.4.5; the sources of the
others are named in the file. In the dipole approximation F = <j0> + C2 <j2>, C2 being the orbital part of the moment
over all of it: (2 - g_J) / g_J of a moment J with the Lande factor g_J, (g - 2) / g of a spin with an effective g.
[S. W. Lovesey, Theory of Neutron Scattering from Condensed Matter, volume 2 (1984)]
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from mantid_insdl.errors import MaterialError


@dataclass(frozen=True)
class FormFactor:
    """A form factor by its coefficients: A e^(-a s^2) + B e^(-b s^2) + ... + D, plus s^2 times a sum of the same form;
    s = q / 4 pi.

    Parameters
    ----------
    j0
        A, a, B, b, ..., D of <j0>.
    j2
        The same of C2 <j2> / s^2; empty for none.
    """

    j0: tuple[float, ...]
    j2: tuple[float, ...] = ()

    def at(self, q_squared: np.ndarray) -> np.ndarray:
        """Its value at Q^2 in 1/angstrom^2, in the precision of that."""
        s2 = q_squared * (-1 / (16 * np.pi**2))
        found = _expansion(self.j0, s2)
        return found - s2 * _expansion(self.j2, s2) if self.j2 else found


def _expansion(table: tuple[float, ...], minus_s2: np.ndarray) -> np.ndarray:
    *pairs, constant = table
    return sum(
        (height * np.exp(width * minus_s2) for height, width in zip(pairs[::2], pairs[1::2], strict=True)),
        start=constant * np.ones_like(minus_s2) if not pairs else constant,
    )


Ion = str | tuple[float, ...] | FormFactor
"""An ion such as ``Mn3+``, the coefficients A, a, B, b, ..., D of its form factor, or a `FormFactor`;
empty for none.
"""


@cache
def coefficients(ion: str | tuple[float, ...]) -> tuple[float, ...]:
    """A, a, B, b, ..., D of <j0> of an ion such as ``Mn3+``; coefficients are handed back as they are.

    Raises
    ------
    MaterialError
        If the name is no ion, or the tables have no form factor for it.
    """
    if not isinstance(ion, str):
        return ion
    match = re.fullmatch(r"([A-Z][a-z]?)(\d+)\+", ion)
    if not match:
        raise MaterialError(
            f"'{ion}' is no ion", "a form factor belongs to an element with a charge", "write it as Mn3+"
        )
    tables = tables_of(match[1])
    if not tables:
        raise MaterialError(f"there is no magnetic form factor for {match[1]}", "it is not in the tables", _BY_HAND)
    if ion not in tables:
        raise MaterialError(
            f"there is no magnetic form factor for {ion}",
            f"the tables have {', '.join(tables)}",
            f"name one of these, or {_BY_HAND}",
        )
    return tables[ion]


@cache
def orbital_coefficients(ion: str) -> tuple[float, ...]:
    """A, a, B, b, ..., D of <j2> / s^2 of an ion.

    Raises
    ------
    MaterialError
        If the name is no ion, or the tables have no <j2> for it.
    """
    import periodictable

    coefficients(ion)
    element, charge = re.fullmatch(r"([A-Z][a-z]?)(\d+)\+", ion).groups()
    if ion in _more("j2"):
        return _more("j2")[ion]
    known = getattr(getattr(periodictable, element), "magnetic_ff", {}).get(int(charge))
    if not hasattr(known, "j2") or ion in _more("j0"):
        raise MaterialError(
            f"there is no <j2> for {ion}",
            "it is not in the tables",
            "give both by hand, as form_factor and form_factor_j2",
        )
    return tuple(float(x) for x in known.j2)


_BY_HAND = "give its coefficients as form_factor: [A, a, B, b, C, c, D]"


def tables_of(element: str) -> dict[str, tuple[float, ...]]:
    """Coefficients for all ions of an element in the tables, in the order of their charge."""
    import periodictable

    known = getattr(getattr(periodictable, element, None), "magnetic_ff", {})
    found = {
        f"{element}{charge}+": tuple(float(x) for x in known[charge].j0)
        for charge in known
        if hasattr(known[charge], "j0")
    }
    found |= {ion: table for ion, table in _more("j0").items() if ion.rstrip("+0123456789") == element}
    return dict(sorted(found.items()))


@cache
def _more(integral: str) -> dict[str, tuple[float, ...]]:
    """Coefficients of <j0> or <j2> in the file, by ion."""
    lines = resources.files(__package__).joinpath("form_factors.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines if not line.startswith("#")]
    return {ion: tuple(float(x) for x in numbers) for ion, name, _, *numbers in rows if name == integral}


@cache
def known(ion: Ion) -> FormFactor:
    """The form factor of an ion; of no ion that is 1.

    Raises
    ------
    MaterialError
        As `coefficients`.
    """
    if isinstance(ion, FormFactor):
        return ion
    return FormFactor(coefficients(ion)) if ion else FormFactor((1.0,))


def with_orbital(ion: str | tuple[float, ...], c2: float, j2: tuple[float, ...] = ()) -> FormFactor:
    """<j0> + C2 <j2> of an ion; of coefficients by hand also those of <j2> / s^2, as `j2`."""
    *pairs, constant = j2 or orbital_coefficients(str(ion))
    return FormFactor(coefficients(ion), (*_scaled(pairs, c2), c2 * constant))


def mixed(parts: Sequence[tuple[float, Ion]]) -> FormFactor:
    """The sum of the form factors of several ions, each times its weight."""
    tables: dict[str, list[float]] = {"j0": [0.0], "j2": [0.0]}
    for weight, ion in parts:
        for name, table in tables.items():
            *pairs, constant = getattr(known(ion), name) or (0.0,)
            table[:] = [*_scaled(pairs, weight), *table[:-1], table[-1] + weight * constant]
    j0, j2 = (tuple(table) for table in tables.values())
    return FormFactor(j0, j2 if any(j2) else ())


def _scaled(pairs: Sequence[float], weight: float) -> list[float]:
    """Heights and widths with all heights times a weight."""
    return [weight * x if index % 2 == 0 else x for index, x in enumerate(pairs)]


def form_factor(ion: Ion, q: np.ndarray) -> np.ndarray:
    """F at momentum transfers `q` in 1/angstrom. An empty `ion` gives 1."""
    q = np.asarray(q, float)
    return known(ion).at(q**2)
