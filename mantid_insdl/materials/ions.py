"""Which ions carry a moment, by the tables of magnetic form factors or the material file; and how large their spins may be."""

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


# elements of a series, electrons of the first beyond the filled shells, and orbital momentum of the open one
_SERIES = (
    (["Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn"], 3, 2),
    (["Y", "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd"], 3, 2),
    (["Hf", "Ta", "W", "Re", "Os", "Ir", "Pt", "Au", "Hg"], 4, 2),
    (["La", "Ce", "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu"], 3, 3),
)


def largest_spin(ion: str) -> float | None:
    """Largest length that a moment of an ion has by Hund's rules: of S in the open d shell, of S or J in the 4f shell.

    None where these say nothing: another element, a neutral atom (of a metal), a charge that opens another shell.
    [N. W. Ashcroft and N. D. Mermin, Solid State Physics (1976), table 31.3]
    """
    found = re.fullmatch(r"([A-Z][a-z]?)([1-9])\+", ion)
    if found is None:
        return None
    for elements, first, momentum in _SERIES:
        if found[1] not in elements:
            continue
        electrons, places = first + elements.index(found[1]) - int(found[2]), 2 * (2 * momentum + 1)
        if 0 < electrons < places:
            spin = min(electrons, places - electrons) / 2
            beyond = electrons % (places // 2)
            orbital = beyond * (places // 2 - beyond) / 2
            together = orbital + spin if electrons > places // 2 else abs(orbital - spin)
            return max(spin, together) if momentum == 3 else spin
    return None


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
