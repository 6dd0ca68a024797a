"""Which ions carry a moment: those with a magnetic form factor in the table of the package periodictable."""

from __future__ import annotations

import re

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave.form_factors import coefficients


def require_magnetic(ion: str, element: str = "") -> None:
    """Refuse a moment on an ion without a magnetic form factor.

    Without the package periodictable (in Mantid's Python, where no form factor is calculated) only the element is looked at.

    Parameters
    ----------
    ion
        As ``Mn3+``; empty for no form factor.
    element
        The element at its place in the CIF file, if known.

    Raises
    ------
    MaterialError
        If the ion is none, is of another element, or has no magnetic form factor.
    """
    name = re.match(r"[A-Z][a-z]?", ion)
    if ion and element and name and name[0] != element:
        raise MaterialError(
            f"the ion is {ion}, but the atom of the CIF file is {element}", fix="name the ion of that atom, or another atom"
        )
    if not ion and not element:
        return
    try:
        known = known_ions(name[0] if name else element)
    except ModuleNotFoundError:
        return
    what = ion or element
    if not known and (name or not ion):
        raise MaterialError(f"a moment on {what}", "the element has no magnetic form factor in the table", "give the moment to another ion")
    if ion.endswith("-") and name:
        raise MaterialError(
            f"a moment on {ion}, which is no magnetic ion",
            f"magnetic ions of {name[0]} in the table are {', '.join(known)}",
            "name one of these",
        )
    if ion:
        coefficients(ion)


def known_ions(element: str) -> list[str]:
    """Ions of an element with a magnetic form factor; empty where there are none."""
    import periodictable

    table = getattr(getattr(periodictable, element, None), "magnetic_ff", {})
    return [f"{element}{charge}+" for charge in table if hasattr(table[charge], "j0")]
