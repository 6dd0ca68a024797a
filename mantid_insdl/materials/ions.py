"""Which ions carry a moment: those with a magnetic form factor, of the tables or given in the material file."""

from __future__ import annotations

import re

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave.form_factors import coefficients, tables_of


def require_magnetic(ion: str, atom: str = "", *, own: bool = False) -> None:
    """Refuse a moment on an ion without a magnetic form factor.

    Without the package periodictable (in Mantid's Python, where no form factor is calculated) only the element is looked at.

    Parameters
    ----------
    ion
        As ``Mn3+``; empty for no form factor.
    atom
        What the CIF file says of the atom, an element with or without a charge; empty if nothing.
    own
        Whether the material file gives the form factor itself: then only the element is looked at.

    Raises
    ------
    MaterialError
        If the ion is none, is of another element, or has no magnetic form factor.
    """
    found = re.match(r"[A-Z][a-z]?", ion or atom)
    if ion and atom and found and not re.match(rf"{found[0]}(?![a-z])", atom):
        raise MaterialError(f"the ion is {ion}, but the atom of the CIF file is {atom}", fix="name the ion of that atom, or another atom")
    if own:
        return
    try:
        if found:
            _require_known(found[0], ion or atom)
        if ion:
            coefficients(ion)
    except ModuleNotFoundError:
        return


def _require_known(element: str, what: str) -> None:
    known = tables_of(element)
    if not known:
        raise MaterialError(
            f"a moment on {what}",
            "the element has no magnetic form factor in the tables",
            "give the moment to another ion, or the coefficients of its form factor as form_factor: [A, a, B, b, C, c, D]",
        )
    if what.endswith("-"):
        raise MaterialError(
            f"a moment on {what}, which is no magnetic ion",
            f"magnetic ions of {element} in the tables are {', '.join(known)}",
            "name one of these",
        )
