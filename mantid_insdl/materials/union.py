"""The model that two descriptions of one magnet have in common: each of them is a special case of it.

Two models of the same spins differ in which bonds share a constant, and in which bonds have one. Their *union* has every bond of
either, and one constant for all bonds that share one in both: the common refinement of the two partitions. Where two constants of
it are equal, or one is zero, it is the one model or the other; with all of them free it is what lies between as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mantid_insdl.materials.material import Material
from mantid_insdl.spinwave.symmetry import Ends, reversed_ends

_OF_EACH = {"name", "title", "family", "sources", "parameters", "bonds", "interchangeable"}
"""Entries in which two descriptions of one magnet may differ."""
Both = tuple[str | None, str | None]
"""A constant of the first and one of the second material, None where there is none."""
Bond = tuple[Ends, bool]
"""Its ends, the one way of the two that comes first, and whether it is biquadratic."""


@dataclass(frozen=True, eq=False)
class Union:
    """The union of two materials.

    Parameters
    ----------
    material
        With the union's constants.
    parts
        Of which constant of the first and of the second material each constant is a part: None where its bonds have none.
    """

    material: Material
    parts: dict[str, Both]

    def values(self, which: int, values: Mapping[str, float]) -> dict[str, float]:
        """The union's constants at which it is the first (0) or the second (1) material with `values`."""
        return {name: 0.0 if (one := both[which]) is None else float(values[one]) for name, both in self.parts.items()}

    def nearest(self, which: int, values: Mapping[str, float]) -> dict[str, float]:
        """Constants of the first (0) or the second (1) material next to those of the union: the means of their parts."""
        parts: dict[str, list[float]] = {}
        for name, both in self.parts.items():
            if (one := both[which]) is not None:
                parts.setdefault(one, []).append(float(values[name]))
        return {one: sum(found) / len(found) for one, found in parts.items()}

    def missing(self, which: int) -> list[tuple[str, ...]]:
        """The freedom that the first (0) or the second (1) material lacks: constants of the union that are one in it,
        two or more together, and each that it has not.
        """
        found: dict[str, list[str]] = {}
        for name, both in self.parts.items():
            if (one := both[which]) is not None:
                found.setdefault(one, []).append(name)
        split = [tuple(names) for names in found.values() if len(names) > 1]
        return split + [(name,) for name, both in self.parts.items() if both[which] is None]


def union_of(first: Material, second: Material) -> Union | None:
    """The union of two materials.

    None where they do not describe the same spins in the same cell by the same words, where anything but exchange differs, or a bond
    has exchange of another form in each.
    """
    if _but_exchange(first) != _but_exchange(second) or first.renormalisation == "oguchi":  # its factors follow the constants of a file
        return None
    terms = _terms(first), _terms(second)
    if None in terms or any(not np.allclose(terms[0][bond][1], terms[1][bond][1]) for bond in terms[0].keys() & terms[1].keys()):
        return None
    classes: dict[Both, list[Bond]] = {(one, one): [] for one in _used_beside(first)}
    for bond in {**terms[0], **terms[1]}:
        both = tuple(mine[bond][0] if bond in mine else None for mine in terms)
        classes.setdefault(both, []).append(bond)
    parts: dict[str, Both] = {}
    for both in classes:
        parts[_name(both, list(classes), parts)] = both
    described = first.model_dump(exclude_unset=True, exclude=_OF_EACH | {"closed_form"})
    bonds = []
    for name, both in parts.items():
        for bond in classes[both]:
            matrix = (terms[0] if bond in terms[0] else terms[1])[bond][1]
            bonds.append(_spec(name, bond, matrix, first))
    material = Material.model_validate(
        {
            **described,
            "layers": [(0.0, 0.0, 0.0)],
            "sites": [{**site, **_places(site, first.layers)} for site in described["sites"]],
            "name": f"{first.name}+{second.name}",
            "title": f"{first.name} and {second.name}, and what lies between",
            "family": first.family,
            "sources": list(dict.fromkeys((*first.sources, *second.sources))),
            "parameters": [_parameter(name, both, first, second) for name, both in parts.items()],
            "bonds": bonds,
        }
    )
    return Union(material, {one.name: parts[one.name] for one in material.parameters})


def _but_exchange(material: Material) -> dict[str, Any]:
    return material.model_dump(exclude=_OF_EACH)


def _used_beside(material: Material) -> list[str]:
    """Constants of terms that are no exchange."""
    terms = [*material.anisotropy, *material.fields, *([] if material.dipoles is None else [material.dipoles])]
    return list(dict.fromkeys(term.parameter for term in terms))


def _terms(material: Material) -> dict[Bond, tuple[str, np.ndarray]] | None:
    """Constant and exchange matrix of each bond; None where one has two of a kind."""
    found: dict[Bond, tuple[str, np.ndarray]] = {}
    for coupling in material.exchange:
        spec, turned = material.bonds[coupling.spec], reversed_ends(coupling.ends)
        matrix = coupling.matrix if coupling.ends <= turned else coupling.matrix.T
        bond = min(coupling.ends, turned), spec.biquadratic
        if bond in found:
            return None
        found[bond] = spec.parameter, matrix
    return found


def _name(both: Both, classes: list[Both], taken: Mapping[str, Both]) -> str:
    """That of the constant which has no other bonds, else both names."""
    whole = [one for which, one in enumerate(both) if one is not None and [other[which] for other in classes].count(one) == 1]
    name = whole[0] if whole else "_".join(one for one in both if one is not None)
    while name in taken:
        name += "_"
    return name


def _parameter(name: str, both: Both, first: Material, second: Material) -> dict[str, Any]:
    known = [p for one, material in zip(both, (first, second), strict=True) for p in material.parameters if p.name == one]
    low, high = min(p.low for p in known), max(p.high for p in known)
    if None in both:
        low, high = min(low, 0.0), max(high, 0.0)
    words = "; ".join(dict.fromkeys(p.description for p in known))
    return {**known[0].model_dump(), "name": name, "low": low, "high": high, "description": words}


def _spec(name: str, bond: Bond, matrix: np.ndarray, material: Material) -> dict[str, Any]:
    (i, j, cell), biquadratic = bond
    positions = [site.position for site in material.crystal.sites]
    segment = positions[i].tolist(), (positions[j] + np.array(cell)).tolist()
    form = {"biquadratic": True} if biquadratic else {} if np.array_equal(matrix, np.eye(3)) else {"matrix": matrix.tolist()}
    return {"parameter": name, "segment": segment, **form}


def _places(site: Mapping[str, Any], layers: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Positions of a site in all layers; none for one that an atom of a CIF file places, in the one layer there is."""
    positions = site.get("positions", [])
    return {"positions": [tuple(np.add(one, layer).tolist()) for layer in layers for one in positions]} if positions else {}
