"""What a material file says and may not mean, in sentences: nothing of it is an error."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from mantid_insdl.materials.bonds import Coupling, bond_name
from mantid_insdl.materials.crystal import Crystal
from mantid_insdl.materials.description import MaterialFile
from mantid_insdl.materials.ions import lande_factor, largest_spin, orbital_momentum
from mantid_insdl.materials.schema import BondSpec, FormFactorSpec, SiteSpec
from mantid_insdl.materials.shells import bond_length, kinds
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.symmetry import Ends, reversed_ends

MIXED = 0.5
"""A spin may be so much larger than its ion's: less is an average over ions of two charges (Mn3+ and Mn4+ both with 7/4)."""
ROUNDING = 0.03
"""Difference of two lengths in angstrom that coordinates rounded to three digits may make."""


def remarks(material: MaterialFile, crystal: Crystal, couplings: Sequence[Coupling]) -> list[str]:
    """What may not be meant: odd moments, nearly full sites, unlike bonds of one shell, shells split by rounding, like couplings."""
    found = [
        f"{spec.name} has the occupancy {atom.occupancy:g} and is taken as full."
        for spec, atoms in zip(material.sites, crystal.atoms, strict=True)
        for atom in atoms
        if atom.occupancy < 1 - 1e-3 and not spec.ions
    ]
    found += _odd_moments(material.sites)
    coupled = {end for coupling in couplings for end in (coupling.ends, reversed_ends(coupling.ends))}
    for index, spec in enumerate(material.bonds):
        own = [coupling.ends for coupling in couplings if coupling.spec == index]
        if spec.named or spec.kind:
            continue
        unlike = kinds(crystal, own)
        if len(unlike) > 1:
            what = f"shell {spec.shell}" if spec.shell else f"the distance {spec.distance:g} angstrom"
            named = "; ".join(f"{len(kind)} as {bond_name(crystal, kind[0])}" for kind in unlike)
            found.append(
                f"{spec.parameter} joins {len(unlike)} kinds of bonds at {what} that {crystal.symmetry.name} tells apart: {named}. "
                "To tell them apart too, name each by its shell and letter, which insdl material lists."
            )
        found += _split(crystal, spec, own, coupled)
    alike: dict[tuple, Coupling] = {}
    twice: dict[tuple[str, str], list[Ends]] = {}
    for coupling in couplings:
        spec = material.bonds[coupling.spec]
        matrix = coupling.matrix if coupling.ends <= reversed_ends(coupling.ends) else coupling.matrix.T
        key = min(coupling.ends, reversed_ends(coupling.ends)), spec.biquadratic, (np.round(matrix, 9) + 0.0).tobytes()
        other = material.bonds[alike.setdefault(key, coupling).spec].parameter
        if other != spec.parameter:
            twice.setdefault((other, spec.parameter), []).append(coupling.ends)
    for (one, other), bonds in twice.items():
        more = f" and {len(bonds) - 1} more" if len(bonds) > 1 else ""
        found.append(f"{one} and {other} are the same coupling on the bond {bond_name(crystal, bonds[0])}{more}: they add up.")
    return list(dict.fromkeys(found))


def _odd_moments(sites: Sequence[SiteSpec]) -> list[str]:
    """Spins and orbital moments that an ion cannot have, g-tensors that leave nothing to see, and labels for two kinds of sites."""
    found, spins = [], {}
    for spec in sites:
        for ion, spin in [(one, one.spin) for one in spec.ions] or [(spec, spec.length)]:
            most = None if any(spec.pair) else largest_spin(ion.ion)  # a moment shared by two ions may be larger than of one
            if most is not None and spin >= most + MIXED:
                found.append(f"{spec.name} has the spin {spin:g}, but {ion.ion} has at most {most:g} by Hund's rules.")
            found += _odd_orbital(spec.name, ion)
        if spec.ions and (total := sum(one.occupancy for one in spec.ions)) < 1 - 1e-6:
            found.append(f"{1 - total:.3g} of the sites {spec.name} have no spin: all carry the mean one, {spec.length:.4g}.")
        if not np.any(spec.g_tensor):
            found.append(f"The g-tensor of {spec.name} is zero: no field acts on it, and neutrons do not see it.")
        other = spins.setdefault(spec.name, spec.length)
        if other != spec.length:
            found.append(
                f"Two entries of sites are called {spec.name}, with the spins {other:g} and {spec.length:g}: a bond between takes both."
            )
    return found


def _odd_orbital(name: str, spec: FormFactorSpec) -> list[str]:
    """Lande factors that are not the ion's, and orbital moments of ions that have none."""
    if not spec.orbital:
        return []
    if not orbital_momentum(spec.ion):
        return [f"{name} has C2 = {spec.orbital:.3g}, but {spec.ion} has no orbital moment by Hund's rules."]
    usual = lande_factor(spec.ion)
    if spec.lande is not None and usual is not None and abs(spec.lande - usual) > 0.05 * usual:
        return [f"{name} has the Lande factor {spec.lande:.4g}, but that of {spec.ion} is {usual:.4g} by Hund's rules."]
    if spec.lande is not None and usual is None and spec.lande > 2:
        share = 1 - 2 / spec.lande
        return [
            f"{name} has the Lande factor {spec.lande:.4g}: for a moment J. If it is the effective g of a spin, C2 is (g - 2) / g: c2: "
            f"{share:.3g}."
        ]
    return []


def _split(crystal: Crystal, spec: BondSpec, bonds: Sequence[Ends], coupled: Collection[Ends]) -> list[str]:
    """A remark on pairs without any coupling that are left out for a difference in length that rounded coordinates may make."""
    labels = [site.label for site in crystal.sites]
    lengths = [bond_length(crystal, ends) for ends in bonds]
    near = SpinModel(crystal.lattice, crystal.sites).neighbours(
        0.5 * (min(lengths) + max(lengths)), 0.5 * (max(lengths) - min(lengths)) + ROUNDING
    )
    other = [ends for ends in near if ends not in coupled]
    other = [ends for ends in other if spec.between is None or sorted((labels[ends[0]], labels[ends[1]])) == sorted(spec.between)]
    if not other:
        return []
    spans = [f"{len(some)} of {_span([bond_length(crystal, ends) for ends in some])} angstrom" for some in (bonds, other)]
    return [
        f"{spec.parameter} takes {spans[0]} and leaves out {spans[1]}: if rounded coordinates make the difference, give more digits or "
        "the space group; if not, all is well."
    ]


def _span(lengths: Sequence[float]) -> str:
    return f"{min(lengths):.3f}" if max(lengths) - min(lengths) < 5e-4 else f"{min(lengths):.3f} to {max(lengths):.3f}"
