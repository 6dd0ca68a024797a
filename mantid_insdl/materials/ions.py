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
    found = _ground_term(ion)
    if found is None:
        return None
    spin, _, together, momentum = found
    return max(spin, together) if momentum == 3 else spin


def orbital_momentum(ion: str) -> float | None:
    """L of an ion by Hund's rules, which a crystal field may quench; None where these say nothing."""
    found = _ground_term(ion)
    return None if found is None else found[1]


def lande_factor(ion: str) -> float | None:
    """g_J of a rare-earth ion by Hund's rules; None of other ions, and where J is zero."""
    found = _ground_term(ion)
    if found is None or found[3] != 3 or not found[2]:
        return None
    spin, orbital, together, _ = found
    return 1.5 + (spin * (spin + 1) - orbital * (orbital + 1)) / (2 * together * (together + 1))


def _ground_term(ion: str) -> tuple[float, float, float, int] | None:
    """S, L and J of the open shell by Hund's rules, and the orbital momentum of one of its electrons."""
    shell = _open_shell(ion)
    if shell is None:
        return None
    _, electrons, momentum = shell
    half = 2 * momentum + 1
    spin = min(electrons, 2 * half - electrons) / 2
    beyond = electrons % half
    orbital = beyond * (half - beyond) / 2
    return spin, orbital, orbital + spin if electrons > half else abs(orbital - spin), momentum


def usual_spin(ion: str) -> tuple[float, str] | None:
    """Length of the moment of an ion in an insulator, and by which rule; None where the ion has none or no rule says anything.

    By Hund's rules, or of 4d and 5d ions in low spin: there the octahedral field is the larger, and n electrons fill its three lower
    levels before the upper two. [S. V. Streltsov and D. I. Khomskii, Phys. Usp. 60, 1121 (2017)]
    """
    shell = _open_shell(ion)
    if shell is None:
        return None
    row, electrons, _ = shell
    if row not in (1, 2):
        return largest_spin(ion), "Hund's rules"
    spin = min(electrons, 6 - electrons) / 2 if electrons <= 6 else min(electrons - 6, 10 - electrons) / 2
    return (spin, "low spin") if spin else None


def _open_shell(ion: str) -> tuple[int, int, int] | None:
    """Row in `_SERIES`, number of electrons and orbital momentum of the open shell of an ion; None where there is none."""
    found = re.fullmatch(r"([A-Z][a-z]?)([1-9])\+", ion)
    for row, (elements, first, momentum) in enumerate(_SERIES):
        if found is not None and found[1] in elements:
            electrons = first + elements.index(found[1]) - int(found[2])
            if 0 < electrons < 2 * (2 * momentum + 1):
                return row, electrons, momentum
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
