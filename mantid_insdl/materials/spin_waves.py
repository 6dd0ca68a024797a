"""Spin waves of a material: about its ordered cell, or in the rotating frame where its order is a spiral; and the domains it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials.material import Material
from mantid_insdl.progress import Progress, ignore_progress
from mantid_insdl.spinwave.following import FOLLOWED, Followed
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.modes import UNSTABLE, Modes, spin_waves
from mantid_insdl.spinwave.order import OrderEnergy
from mantid_insdl.spinwave.relaxation import directions_of, with_order
from mantid_insdl.spinwave.rotating_frame import turning_model
from mantid_insdl.spinwave.spiral import spiral_waves


def modes_of(
    material: Material,
    hkl: np.ndarray,
    couplings: Mapping[str, float | np.ndarray],
    *,
    velocities: bool = False,
    workers: int | None = None,
    progress: Progress = ignore_progress,
) -> Modes:
    """Energies and amplitudes at momenta (m, 3) in r.l.u. of the model's cell.

    Parameters
    ----------
    couplings
        Parameters as spin-wave theory needs them, `Material.couplings`: numbers or arrays (set,).
    velocities
        Also the derivatives of the energies by h, k and l.
    workers, progress
        As for `spin_waves`, about an order that does not follow the parameters and is no spiral.

    Returns
    -------
    Modes
        Where the order is `relaxed`, each set about its own; unstable throughout where that ends before (`require_order` says why).
    """
    spiral = material.spiral
    if material.relaxed:
        return _about_own_orders(material, hkl, couplings, velocities)
    if spiral is None:
        return spin_waves(material.model, hkl, couplings, velocities=velocities, workers=workers, progress=progress)
    return spiral_waves(material.model, spiral.k, spiral.axis, hkl, couplings, velocities=velocities)


def _about_own_orders(material: Material, hkl: np.ndarray, couplings: Mapping[str, float | np.ndarray], velocities: bool) -> Modes:
    table, orders = orders_of(material, couplings)
    hkl, spiral = np.atleast_2d(np.asarray(hkl, float)), material.spiral
    shape = (len(table), len(hkl), len(material.model.sites) * (1 if spiral is None else 3))
    found = Modes(
        hkl,
        energies=np.full(shape, np.nan),
        amplitudes=np.full((*shape, 3), np.nan, complex),
        s_perp=np.full(shape, np.nan),
        status=np.full(shape[:2], UNSTABLE, np.int8),
        lowest=np.full(shape[:2], np.nan),
        velocities=np.zeros((*shape, 3)) if velocities else None,
    )
    for index in np.flatnonzero(orders.status == FOLLOWED):
        model = with_order(material.model, orders.order, index)
        values = dict(zip(model.parameters, table[index], strict=True))
        if spiral is None:
            one = spin_waves(model, hkl, values, velocities=velocities)
        else:
            one = spiral_waves(model, orders.order.k[index], spiral.axis, hkl, values, velocities=velocities)
        for name in ("energies", "amplitudes", "s_perp", "status", "lowest", *(["velocities"] if velocities else [])):
            getattr(found, name)[index] = getattr(one, name)[0]
    return found


def orders_of(material: Material, couplings: Mapping[str, float | np.ndarray]) -> tuple[np.ndarray, Followed]:
    """Couplings (set, parameter), and the order of each set of a `relaxed` material, which is that of its parameters themselves."""
    table = material.model.parameter_table(couplings)
    return table, material.followed.at(_bare(material, table))


def _bare(material: Material, table: np.ndarray) -> np.ndarray:
    """Couplings (set, parameter) without the factors of quantum fluctuations."""
    return table / [material.energy_factors[name] for name in material.model.parameters]


def require_order(material: Material, couplings: Mapping[str, float | np.ndarray]) -> None:
    """Raise `InstabilityError`, with the reason, where the order of a `relaxed` material ends before one of the parameter sets."""
    if material.relaxed:
        table, orders = orders_of(material, couplings)
        for index in range(len(table)):
            error = material.followed.error(orders, _bare(material, table), index)
            if error is not None:
                raise error


def ordered(material: Material, couplings: Mapping[str, float | np.ndarray]) -> tuple[SpinModel, np.ndarray | None]:
    """The model with its order at one parameter set, and the wave vector of a spiral.

    Raises
    ------
    InstabilityError
        Where the order of a `relaxed` material ends before these parameters.
    """
    spiral = material.spiral
    if not material.relaxed:
        return material.model, None if spiral is None else np.array(spiral.k)
    require_order(material, couplings)
    order = orders_of(material, couplings)[1].order
    return with_order(material.model, order), None if spiral is None else order.k[0]


def uniform_model(material: Material, couplings: Mapping[str, float | np.ndarray]) -> SpinModel:
    """The model about whose structure the spin waves are: that of the order, or of the frame that turns with its spiral."""
    model, k = ordered(material, couplings)
    return model if k is None else turning_model(model, k, material.spiral.axis)


def require_fixed_order(material: Material, names: Sequence[str] | None = None) -> None:
    """Raise `MaterialError` if the order, where the file fixes it, would follow one of the parameters (all by default)."""
    if material.relaxed:
        return
    spiral = material.spiral
    energy = OrderEnergy(material.model, None if spiral is None else spiral.axis)
    order = directions_of(material.model) if spiral is None else directions_of(material.model, spiral.k)
    found = [name for name, one in zip(material.model.parameters, energy.following(order), strict=True) if one]
    following = ", ".join(name for name in found if names is None or name in names)
    if following:
        raise MaterialError(
            f"there are no derivatives of a map by {following} at this structure: the order of the magnet follows {following}",
            f"the order of {material.name} is the one its file gives, whatever the parameters are",
            "let it follow them by relaxed: true in the file",
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
