"""Spin waves of a material: about its ordered cell, or in the rotating frame where its order is a spiral; and the domains it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials.material import Material
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.modes import Modes, spin_waves
from mantid_insdl.spinwave.order import OrderEnergy
from mantid_insdl.spinwave.relaxation import directions_of
from mantid_insdl.spinwave.rotating_frame import turning_model
from mantid_insdl.spinwave.spiral import spiral_waves


def modes_of(material: Material, hkl: np.ndarray, couplings: Mapping[str, float | np.ndarray], *, velocities: bool = False) -> Modes:
    """Energies and amplitudes at momenta (m, 3) in r.l.u. of the model's cell.

    Parameters
    ----------
    couplings
        Parameters as spin-wave theory needs them, `Material.couplings`: numbers or arrays (set,).
    velocities
        Also the derivatives of the energies by h, k and l.
    """
    if material.spiral is None:
        return spin_waves(material.model, hkl, couplings, velocities=velocities)
    return spiral_waves(material.model, material.spiral.k, material.spiral.axis, hkl, couplings, velocities=velocities)


def uniform_model(material: Material) -> SpinModel:
    """The model about whose structure the spin waves are: the material's own, or that of the frame that turns with its spiral."""
    spiral = material.spiral
    return material.model if spiral is None else turning_model(material.model, spiral.k, spiral.axis)


def require_fixed_order(material: Material, names: Sequence[str] | None = None) -> None:
    """Raise `MaterialError` if the order, which the file fixes, would follow one of the parameters (all by default)."""
    spiral = material.spiral
    energy = OrderEnergy(material.model, None if spiral is None else spiral.axis)
    order = directions_of(material.model) if spiral is None else directions_of(material.model, spiral.k)
    found = [name for name, one in zip(material.model.parameters, energy.following(order), strict=True) if one]
    following = ", ".join(name for name in found if names is None or name in names)
    if following:
        raise MaterialError(
            f"there are no derivatives of a map by {following} at this structure: the order of the magnet follows {following}",
            f"the order of {material.name} is the one its file gives, whatever the parameters are",
            "let it follow them",
        )


def domain_turns(material: Material, *, twins: bool = True) -> list[tuple[float, np.ndarray]]:
    """(weight, turn) of each domain; without twins of the crystal alone.

    A turn (3, 3) takes Cartesian row vectors of the crystal's frame to that of the domain: the crystal turned by R sees the momentum
    Q R. Twins by exchange of a and b exchange h and k in r.l.u. of the map, which for a nearly equal to b is nearly a mirror. A turn of
    negative determinant turns the sign of what is chiral.
    """
    if not twins:
        return [(1.0, np.eye(3))]
    if material.map.twins != "swap":
        return list(material.domains)
    frame = material.map_frame
    return [(0.5, np.eye(3)), (0.5, np.linalg.inv(frame) @ np.eye(3)[[1, 0, 2]] @ frame)]
