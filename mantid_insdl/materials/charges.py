"""Charges of ions that a CIF file does not tell: those of most elements are nearly always the same, and a formula is neutral."""

from __future__ import annotations

import re
from collections.abc import Mapping

_RARE_EARTHS = ["Ce", "Pr", "Nd", "Pm", "Sm", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb"]
"""Of charge 3 where the formula does not say otherwise; Eu is of 2 as often."""
_CHANGING = {"Ce", "Yb"}
"""Those of them that may be of another charge: by themselves, they are of that which makes the formula neutral."""
_USUAL = {
    1: "H D Li Na K Rb Cs Ag Tl",
    2: "Be Mg Ca Sr Ba Zn Cd Hg Pb",
    3: "B Al Ga In Sc Y La Pr Nd Pm Sm Gd Tb Dy Ho Er Tm Lu Bi",
    4: "C Si Ge Sn Zr Hf Th",
    5: "Ta",
    -1: "F Cl Br I",
    -2: "O",
}
_WITH_OXYGEN = {4: "Se Te", 5: "N P As Sb", 6: "S W"}
_WITHOUT_OXYGEN = {-2: "S Se Te", -3: "N P As Sb"}


def assumed_charges(amounts: Mapping[str, float]) -> dict[str, tuple[int, str]]:
    """Charges of magnetic ions by their element, each with why, where the elements are all there is to go by.

    A rare earth has three, and the one element beside those of usual charge has what makes the formula neutral. Where more than one is
    left, as in alloys and metals, nothing is assumed of them.

    Parameters
    ----------
    amounts
        Number of atoms in the cell by element, with a charge where the file tells it (``Mn3+``).
    """
    usual = {element: charge for charge, elements in _USUAL.items() for element in elements.split()}
    for charge, elements in (_WITH_OXYGEN if any(re.match("O(?![a-z])", one) for one in amounts) else _WITHOUT_OXYGEN).items():
        usual |= dict.fromkeys(elements.split(), charge)
    found = {element: (3, "the usual charge of a rare earth") for element in _RARE_EARTHS if element in amounts}
    total, left = 0.0, {}
    for symbol, amount in amounts.items():
        element, number, sign = re.fullmatch(r"([A-Z][a-z]?)(?:(\d+)([+-]))?", symbol).groups()
        if number is not None:
            total += amount * int(number) * (1 if sign == "+" else -1)
        elif element in usual:
            total += amount * usual[element]
        else:
            left[element] = amount
    if len(left) > 1:
        total += sum(3 * left.pop(element) for element in _CHANGING & left.keys())
    if len(left) == 1:
        ((element, amount),) = left.items()
        charge = -total / amount
        if abs(charge - round(charge)) < 0.03 and 1 <= round(charge) <= 7:
            found[element] = (round(charge), "the charge that makes the formula neutral")
    return found
