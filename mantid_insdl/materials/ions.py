"""Which ions carry a moment: those with a magnetic form factor in the table of the package periodictable."""

from __future__ import annotations

import re

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave.form_factors import coefficients


def require_magnetic(ion: str, atom: str = "") -> None:
    """Refuse a moment on an ion without a magnetic form factor.

    Without the package periodictable (in Mantid's Python, where no form factor is calculated) only the element is looked at.

    Parameters
    ----------
    ion
        As ``Mn3+``; empty for no form factor.
    atom
        What the CIF file says of the atom, an element with or without a charge; empty if nothing.

    Raises
    ------
    MaterialError
        If the ion is none, is of another element, or has no magnetic form factor.
    """
    found = re.match(r"[A-Z][a-z]?", ion or atom)
    if ion and atom and found and not re.match(rf"{found[0]}(?![a-z])", atom):
        raise MaterialError(f"the ion is {ion}, but the atom of the CIF file is {atom}", fix="name the ion of that atom, or another atom")
    try:
        if found:
            _require_known(found[0], ion or atom)
        if ion:
            coefficients(ion)
    except ModuleNotFoundError:
        return


def _require_known(element: str, what: str) -> None:
    known = known_ions(element)
    if not known:
        raise MaterialError(f"a moment on {what}", "the element has no magnetic form factor in the table", "give the moment to another ion")
    if what.endswith("-"):
        raise MaterialError(
            f"a moment on {what}, which is no magnetic ion",
            f"magnetic ions of {element} in the table are {', '.join(known)}",
            "name one of these",
        )


def known_ions(element: str) -> list[str]:
    """Ions of an element with a magnetic form factor; empty where there are none."""
    import periodictable

    table = getattr(getattr(periodictable, element, None), "magnetic_ff", {})
    return [f"{element}{charge}+" for charge in table if hasattr(table[charge], "j0")]
