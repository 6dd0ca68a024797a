"""Quantum corrections of a material: in words, for `insdl material --quantum`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mantid_insdl.errors import InsdlError
from mantid_insdl.materials.material import Material
from mantid_insdl.materials.spin_waves import ordered, uniform_model
from mantid_insdl.spinwave.quantum import ZeroPoint, oguchi_factors, zero_point


def zero_point_of(material: Material, parameters: Mapping[str, float] | None = None) -> ZeroPoint:
    """Zero-point energy and moments of a material at these parameter values.

    Raises
    ------
    InstabilityError, MaterialError
        As `mantid_insdl.spinwave.quantum.zero_point`.
    """
    values = material.resolve(parameters)
    return zero_point(uniform_model(material, material.couplings(values)), values)


def describe_corrections(material: Material, parameters: Mapping[str, float] | None = None) -> str:
    """Zero-point energy, ordered moments and renormalised exchange in words, or why there are none."""
    values = material.resolve(parameters)
    lines = ["Quantum corrections to first order in 1/S:"]
    try:
        found = zero_point_of(material, values)
    except InsdlError as error:
        return "\n".join([*lines, f"  {error}"])
    energy = f"not known: {found.reason}" if found.energy is None else f"{found.energy:.5f} meV a spin"
    lines.append(f"  energy: classical {found.classical_energy:.5f}, zero-point {energy}")
    model = ordered(material, material.couplings(values))[0]
    kinds = dict.fromkeys((s.label, s.spin, round(float(r), 4)) for s, r in zip(model.sites, found.reduction, strict=True))
    for label, spin, reduction in kinds:
        same = [
            s
            for s, r in zip(model.sites, found.reduction, strict=True)
            if (s.label, s.spin, round(float(r), 4)) == (label, spin, reduction)
        ]
        moments = [np.linalg.norm(s.g @ s.direction) * (spin - reduction) for s in same]
        shown = f"{min(moments):.3f}" if np.ptp(moments) < 5e-4 else f"{min(moments):.3f} to {max(moments):.3f}"
        note = ": no order is left" if reduction >= spin else ""
        lines.append(f"  {label:10} S = {spin:g} is shorter by {reduction:.4f}, a moment of {shown} Bohr magnetons{note}")
    lines.append(f"  mean over the Brillouin zone with an estimated error of {found.error:.1g}")
    try:
        factors = oguchi_factors(model, values) if material.spiral is None else None
    except InsdlError as error:
        return "\n".join([*lines, f"  {error}"])
    if factors is None:
        lines.append("  energies of a spiral are not renormalised by factors on its exchange")
    else:
        named = ", ".join(f"{name} {factor:.4f}" for name, factor in factors.items())
        lines.append(f"  energies of spin waves (Oguchi): those of an exchange times {named}")
    return "\n".join(lines)
