"""A magnet: what its material file says, and the spin model made of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property

import numpy as np
from pydantic import model_validator

from mantid_insdl.errors import MaterialError, did_you_mean
from mantid_insdl.materials.bonds import Coupling, couplings_of
from mantid_insdl.materials.crystal import Crystal, crystal_of
from mantid_insdl.materials.description import MaterialFile
from mantid_insdl.materials.magnetic_cell import Supercell, magnetic_model
from mantid_insdl.materials.remarks import remarks
from mantid_insdl.materials.schema import At, Parameter, SpecError
from mantid_insdl.spinwave.following import FollowedOrder
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.quantum import oguchi_factors
from mantid_insdl.spinwave.rotating_frame import require_uniform


def _unit(parameter: Parameter) -> str:
    return f"its unit is {parameter.unit}" if parameter.unit else "it has no unit"


class Material(MaterialFile):
    """A magnet: cell, spins, bonds, parameters, and the frame of its maps. Read from YAML by `load_material`."""

    @model_validator(mode="after")
    def _consistent(self) -> Material:
        if self.spiral is not None:
            with At("spiral"):
                require_uniform(self.model, np.array(self.spiral.axis) / np.linalg.norm(self.spiral.axis))
        self._require_units()
        self._require_parameters()
        with At("renormalisation"):
            self.energy_factors  # noqa: B018  there have to be some
        return self

    def _require_parameters(self) -> None:
        """Each parameter is used, and each that is used is there."""
        names = [p.name for p in self.parameters]
        places = [((key, index), term) for key in ("bonds", "anisotropy", "fields") for index, term in enumerate(getattr(self, key))]
        for place, term in [*places, *([] if self.dipoles is None else [(("dipoles",), self.dipoles)])]:
            if term.parameter not in names:
                meant = did_you_mean(term.parameter, names)
                raise SpecError(
                    f"there is no parameter {term.parameter}{meant}: there are {', '.join(names) or 'none'}",
                    "name one of these, or add it to parameters",
                    (*place, "parameter"),
                )
        if unused := [name for name in names if name not in self.model.parameters]:
            raise SpecError(
                f"the parameter {unused[0]} has no bond, anisotropy, field or dipoles",
                "leave it out, or use it",
                ("parameters", names.index(unused[0])),
            )

    def _require_units(self) -> None:
        """A field is in T, the factor of dipoles has no unit, all else is in meV."""
        dipoles = set() if self.dipoles is None else {self.dipoles.parameter}
        fields, others = {term.parameter for term in self.fields}, {term.parameter for term in (*self.bonds, *self.anisotropy)}
        for index, parameter in enumerate(self.parameters):
            name, at = parameter.name, ("parameters", index)
            if name in fields & others or name in dipoles & (fields | others):
                raise SpecError(
                    f"{name} is both a {'field' if name in fields else 'factor'} and a coupling", "give them a parameter each", at
                )
            if name in dipoles and parameter.unit:
                raise SpecError(f"{name} multiplies dipole sums and has no unit, but its unit is {parameter.unit}", 'add unit: ""', at)
            if name in fields and parameter.unit != "T":
                raise SpecError(f"{name} is a magnetic field, which is in T, but {_unit(parameter)}", "add unit: T", at)
            if name in others and parameter.unit != "meV":
                raise SpecError(f"{name} is a coupling, which is in meV, but {_unit(parameter)}", "leave out the unit", at)

    @property
    def frame(self) -> str:
        """Which cell the r.l.u. of a map refer to, in words."""
        return self.map.frame

    @property
    def map_frame(self) -> np.ndarray:
        """Takes momenta as rows in r.l.u. along the axes of a map to Cartesian ones in 1/angstrom, (3, 3)."""
        return self.map.matrix.T @ self.model.lattice.reciprocal

    @property
    def data_frame(self) -> np.ndarray:
        """Takes rows (h, k, l) of the data, whatever the axes of their maps, to Cartesian momenta in 1/angstrom, (3, 3)."""
        return np.array(self.map.cell).T @ self.model.lattice.reciprocal

    @property
    def in_plane_reciprocal(self) -> tuple[float, float]:
        """Length in 1/angstrom of one r.l.u. of a map along Qh and along Qk."""
        vectors = self.map_frame
        return float(np.linalg.norm(vectors[0])), float(np.linalg.norm(vectors[1]))

    @property
    def domains(self) -> tuple[tuple[float, np.ndarray], ...]:
        """Domains of the crystal: the fraction of each, and the orthogonal matrix, (3, 3), that takes directions of the crystal to its own.

        Cartesian, in the frame of the model's lattice. A domain with matrix R scatters at Q as the crystal does at R^T Q. Without a list of
        domains it is the crystal alone; also for ``swap``, which exchanges h and k of the map and is no rotation unless a = b.
        """
        if isinstance(self.map.twins, str):
            return ((1.0, np.eye(3)),)
        turn = Supercell(self.crystal.lattice, self.supercell_matrix).turn
        return tuple((domain.weight, turn @ domain.rotation @ turn.T) for domain in self.map.twins)

    @property
    def defaults(self) -> dict[str, float]:
        """The published parameter values."""
        return {p.name: p.value for p in self.parameters}

    def describe(self, values: Mapping[str, float]) -> str:
        """Parameter values in words: ``J1=0.65, J2=0.012 meV``; a unit follows the last of those that share it."""
        units = {p.name: p.unit for p in self.parameters}
        names = list(values)
        parts = [
            f"{name}={values[name]:g}"
            + ("" if not units[name] or (i + 1 < len(names) and units[names[i + 1]] == units[name]) else f" {units[name]}")
            for i, name in enumerate(names)
        ]
        return ", ".join(parts)

    def remedy(self, values: Mapping[str, float]) -> str:
        """What to do where the structure is unstable at these parameter values, for messages."""
        if any(abs(values[name] - value) > 1e-9 * abs(value) for name, value in self.defaults.items()):
            return "choose parameters nearer to the published ones: " + self.describe(self.defaults)
        return (
            "these are the values of the material file, whose order and couplings contradict each other: correct a sign (J > 0 is "
            "antiferromagnetic, D < 0 an easy axis) or the directions (mantid_insdl.spinwave.relax finds those of lowest energy)"
        )

    def resolve(self, overrides: Mapping[str, float] | None = None) -> dict[str, float]:
        """All parameters: the published values with `overrides` in their place.

        Raises
        ------
        MaterialError
            For an unknown name, or a value that is not a finite number.
        """
        values = self.defaults
        for name, value in (overrides or {}).items():
            if name not in values:
                raise MaterialError(
                    f"{self.name} has no parameter '{name}'{did_you_mean(name, list(values))}",
                    f"its parameters are {', '.join(values)}",
                    "use one of these",
                )
            try:
                number = float(value)
            except (TypeError, ValueError):
                number = math.nan
            if not math.isfinite(number):
                unit = next(p.unit for p in self.parameters if p.name == name)
                raise MaterialError(f"{name} is {value!r}", "a parameter is a finite number", f"give its value in {unit}")
            values[name] = number
        return values

    @cached_property
    def crystal(self) -> Crystal:
        """The cell of the file with its space group and all its magnetic sites."""
        with At():
            return crystal_of(self)

    @cached_property
    def exchange(self) -> list[Coupling]:
        """All bonds of the cell of the file."""
        return couplings_of(self, self.crystal)

    @cached_property
    def remarks(self) -> list[str]:
        """What is as the file says, but may not be meant, in sentences."""
        return remarks(self, self.crystal, self.exchange)

    @cached_property
    def model(self) -> SpinModel:
        """The spin model of the magnetic cell: lattice, sites, bonds."""
        with At():
            return magnetic_model(self, self.crystal, self.exchange)

    @cached_property
    def followed(self) -> FollowedOrder:
        """Its order as a function of its parameters: see `relaxed`."""
        table = self.model.parameter_table(self.defaults)[0]
        return (
            FollowedOrder(self.model, table) if self.spiral is None else FollowedOrder(self.model, table, self.spiral.k, self.spiral.axis)
        )

    def couplings(self, values: Mapping[str, float | np.ndarray]) -> dict[str, float | np.ndarray]:
        """Parameters as linear spin-wave theory needs them: times the renormalisation of the energies, which they all scale."""
        return {name: np.asarray(value, float) * self.energy_factors.get(name, 1.0) for name, value in values.items()}

    @cached_property
    def energy_factors(self) -> dict[str, float]:
        """The factor on each parameter in the energies that `renormalisation` says: of several exchanges that at the file's own values."""
        if self.renormalisation != "oguchi":
            return dict.fromkeys(self.defaults, self.renormalisation)
        if self.spiral is not None:
            raise SpecError("the energies of a spiral are not renormalised by factors on its exchange", "give a number that is known of it")
        return oguchi_factors(self.model, self.defaults)
