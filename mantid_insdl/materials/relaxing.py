"""A material with the order of lowest classical energy: searched for, and written down as a material file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.errors import InstabilityError, MaterialError
from mantid_insdl.materials.magnetic_cell import Supercell
from mantid_insdl.materials.material import Material
from mantid_insdl.materials.schema import SHAPES
from mantid_insdl.materials.spin_waves import ordered, orders_of
from mantid_insdl.spinwave.following import FOLLOWED, FollowedOrder
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.order import OrderEnergy
from mantid_insdl.spinwave.relaxation import directions_of, relax, relax_spiral, with_order

ALIKE = 1e-7
"""Difference of two energies, relative to the larger, that is none."""
DIGITS = 10
"""Decimals of directions and wave vectors in a file."""


@dataclass(frozen=True, eq=False)
class Relaxed:
    """What relaxation found.

    Parameters
    ----------
    material
        With the order and the values that belong to it.
    stated, energy
        Classical energy in meV a spin of the stated order at these values (of a material whose order follows the parameters: of that which
        follows) and of the relaxed one.
    turned
        Largest angle in degrees between two spins by which the relaxed order is another than the stated one; 0 where it is only turned as
        a whole.
    determined
        Whether it is the only order of its energy, but for turns of all spins that cost nothing.
    """

    material: Material
    stated: float
    energy: float
    turned: float
    determined: bool

    def describe(self) -> str:
        """In words."""
        energies = f"from {self.stated:.6f} to {self.energy:.6f} meV a spin"
        lines = [f"Relaxed {energies}; angles between spins changed by up to {self.turned:.3g} degrees."]
        if not self.determined:
            lines.append("Other orders have the same energy: the classical energy does not determine it. This is one of them.")
        return "\n".join(lines)


def relaxed_material(material: Material, values: Mapping[str, float] | None = None, *, starts: int = 20) -> Relaxed:
    """The material with its order of lowest classical energy at given values, in its magnetic cell or as a spiral about its axis.

    Of equal energies the stated order is taken, and a neighbour of it before one that is found from random directions.

    Parameters
    ----------
    material
        The magnet.
    values
        Parameters in place of its own; they become the values of the new material.
    starts
        Random starts.

    Raises
    ------
    MaterialError
        For a value out of the parameter's range, where a magnetic CIF file gives directions that would have to change, and with dipoles
        where the shape of the sample is not given.
    """
    numbers = material.resolve(values)
    for parameter in material.parameters:
        if not parameter.low <= numbers[parameter.name] <= parameter.high:
            raise MaterialError(
                f"{parameter.name} = {numbers[parameter.name]:g} {parameter.unit} is outside its range",
                f"the file says {parameter.low:g} to {parameter.high:g}",
                "widen its low and high in the file, or choose another value",
            )
    if material.dipoles is not None and material.dipoles.demagnetisation is None:
        raise MaterialError(
            f"the relaxed order of {material.name} may have a moment",
            "with dipole-dipole interaction its energy then depends on the shape of the sample",
            SHAPES,
        )
    stated, model, k, lowest = _lowest(material, numbers, starts)
    table = model.parameter_table(numbers)
    axis = () if material.spiral is None else (k, material.spiral.axis)
    determined = True
    try:
        settled = FollowedOrder(model, table[0], *axis).start
        model, k = with_order(model, settled), None if k is None else settled.k[0]
    except InstabilityError:
        determined = False
    before = _start(material, numbers)[0]
    turned = float(np.abs(_angles(model) - _angles(before)).max())
    spins = len(model.sites)
    return Relaxed(_described(material, numbers, model, k), stated / spins, lowest / spins, turned, determined)


def lower_order(material: Material, values: Mapping[str, float], *, starts: int = 20) -> str:
    """A remark where an order of lower energy than that of a `relaxed` material exists at these values; empty where none is found."""
    if not material.relaxed:
        return ""
    stated, model, _, lowest = _lowest(material, material.resolve(values), starts)
    if stated - lowest <= ALIKE * abs(lowest):
        return ""
    rounded = {name: float(f"{value:.4g}") for name, value in values.items()}
    return (
        f"At {material.describe(rounded)} another order of {material.name} is lower by {(stated - lowest) / len(model.sites):.3g} meV a "
        "spin: this one is metastable, beyond a phase boundary. `insdl material FILE --set NAME=VALUE --relax -o NEW.yaml` writes the "
        "other down."
    )


def near_boundary(material: Material, values: Mapping[str, float], errors: Mapping[str, float]) -> str:
    """A remark where the order of a `relaxed` material ends within the error bar of a parameter; empty where it does not."""
    if not material.relaxed:
        return ""
    names = [name for name, error in errors.items() if name in values and error > 0]
    sides = {
        name: np.array([value + sign * errors[one] * (name == one) for one in names for sign in (-1, 1)]) for name, value in values.items()
    }
    followed = orders_of(material, material.couplings(sides))[1].status == FOLLOWED if names else np.ones(0, bool)
    ending = [name for name, sound in zip(names, followed.reshape(-1, 2).all(axis=1), strict=True) if not sound]
    if not ending:
        return ""
    return (
        f"The order of {material.name} ends within the error bar of {', '.join(ending)}: what lies beyond that phase boundary is another "
        "order, with which the map was not compared."
    )


def _start(material: Material, values: Mapping[str, float]) -> tuple[SpinModel, np.ndarray | None]:
    """The order that belongs to the values: that which follows them as far as it goes, else the stated one."""
    try:
        return ordered(material, material.couplings(values))
    except InstabilityError:
        return material.model, None if material.spiral is None else np.array(material.spiral.k)


def _lowest(material: Material, values: Mapping[str, float], starts: int) -> tuple[float, SpinModel, np.ndarray | None, float]:
    """Energy per cell of the order that belongs to the values; model, k and energy of the lowest one."""
    model, k = _start(material, values)
    table = model.parameter_table(values)
    if k is None:
        here = float(OrderEnergy(model).energy(table, directions_of(model))[0])
        found, lowest = relax(model, values, starts=starts)
        return here, found, None, lowest
    axis = material.spiral.axis
    here = float(OrderEnergy(model, axis).energy(table, directions_of(model, k))[0])
    found, wave_vector, lowest = relax_spiral(model, values, axis, starts=starts)
    if here <= lowest + ALIKE * abs(lowest):
        return here, model, k, here
    return here, found, wave_vector, lowest


def _angles(model: SpinModel) -> np.ndarray:
    """Angles between all spins of a cell in degrees."""
    directions = np.array([site.direction for site in model.sites])
    return np.degrees(np.arccos(np.clip(directions @ directions.T, -1, 1)))


def _described(material: Material, values: Mapping[str, float], model: SpinModel, k: np.ndarray | None) -> Material:
    """The material with these values, directions and wave vector."""
    unmoved = all(np.allclose(a.direction, b.direction, atol=1e-9) for a, b in zip(model.sites, material.model.sites, strict=True))
    data: dict[str, Any] = material.model_dump(exclude_unset=True)
    data["parameters"] = [{**p.model_dump(exclude_unset=True), "value": values[p.name]} for p in material.parameters]
    if k is not None:
        data["spiral"] = {"k": _rounded(k), "axis": material.spiral.axis}
    if not unmoved:
        data.pop("order", None)
        bare = [{key: value for key, value in one.items() if key not in ("direction", "moments")} for one in data["sites"]]
        data["sites"] = [one | directions for one, directions in zip(bare, _directions(material, model), strict=True)]
    return Material.model_validate(data)


def _directions(material: Material, model: SpinModel) -> list[dict[str, Any]]:
    """Of each entry of sites its direction, or where they differ the moments at the positions of the magnetic cell."""
    crystal = material.crystal
    if any(given and material.sites[index].direction is None for given, index in zip(crystal.directed, crystal.origin, strict=True)):
        raise MaterialError(
            f"the relaxed order of {material.name} cannot be written down",
            "its directions are those of a magnetic CIF file, which a material file may not contradict",
            "give its cell and its positions in the material file, and relax that",
        )
    supercell, number = Supercell(crystal.lattice, material.supercell_matrix), len(crystal.sites)
    found: list[dict[str, Any]] = []
    for index in range(len(material.sites)):
        own = [
            {
                "position": _rounded(crystal.sites[site].position + point),
                "direction": _rounded(supercell.turn.T @ model.sites[cell * number + site].direction),
            }
            for cell, point in enumerate(supercell.points)
            for site in np.flatnonzero(np.array(crystal.origin) == index)
        ]
        same = all(one["direction"] == own[0]["direction"] for one in own)
        found.append({"direction": own[0]["direction"]} if same else {"moments": own})
    return found


def _rounded(vector: np.ndarray) -> tuple[float, ...]:
    return tuple((np.round(vector, DIGITS) + 0.0).tolist())


def material_text(material: Material, folder: str | Path) -> str:
    """A material as the YAML of a file in a folder, which its CIF file is named relative to."""
    import yaml

    data = material.model_dump(mode="json", exclude_unset=True)
    if material.cif is not None:
        data["cif"] = os.path.relpath(material.cif, folder)
    return yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=140, allow_unicode=True)
