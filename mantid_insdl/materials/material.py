"""A magnet: what its material file says, and the spin model made of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials import structure
from mantid_insdl.materials.schema import (
    AnisotropySpec,
    At,
    BondSpec,
    CellSpec,
    FieldSpec,
    MapSpec,
    Parameter,
    SiteSpec,
    SpecError,
    Strict,
    TurnSpec,
    Vector,
)
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.spiral import require_uniform

IntVector = tuple[int, int, int]


class Material(Strict):
    """A magnet: cell, spins, bonds, parameters, and the frame of its maps. Read from YAML by `load_material`."""

    name: str
    title: str
    family: str
    sources: list[str] = Field(min_length=1)
    parameters: tuple[Parameter, ...]
    cell: CellSpec | None = None
    cif: str | None = None
    """CIF file (magnetic or not) with the cell, the symmetry and the atoms; its path is relative to the material file."""
    space_group: int | str | None = None
    """Hermann-Mauguin name or number; ``find`` for that of the listed sites. Without it, sites and bonds are those listed."""
    layers: list[Vector] = Field(default=[(0.0, 0.0, 0.0)])
    """Translations (fractional) by which `sites` and `segments` are repeated."""
    sites: list[SiteSpec]
    supercell: IntVector | tuple[IntVector, IntVector, IntVector] = (1, 1, 1)
    """The magnetic cell in terms of the cell: numbers of cells along a, b and c, or its three cell vectors as rows."""
    order: TurnSpec | None = None
    """Commensurate order in the supercell."""
    spiral: TurnSpec | None = None
    """Single-k order, calculated in the rotating frame (`mantid_insdl.spinwave.spiral_waves`); needs no supercell."""
    bonds: list[BondSpec]
    anisotropy: list[AnisotropySpec] = Field(default=[])
    fields: list[FieldSpec] = Field(default=[])
    map: MapSpec = MapSpec()
    renormalisation: float = Field(default=1.0, gt=0)
    """Factor on all energies by which quantum fluctuations exceed linear spin-wave theory."""
    closed_form: Literal["square-lattice antiferromagnet"] | None = None
    """Formula that replaces the matrices; tested to agree with them."""

    @model_validator(mode="before")
    @classmethod
    def _map_of_supercell(cls, data: Any) -> Any:
        """Maps are in r.l.u. of the cell of the file, unless `map` says otherwise."""
        if isinstance(data, dict) and isinstance(data.get("map", {}), dict) and "cell" not in data.get("map", {}):
            matrix = _square(data.get("supercell"))
            if matrix is not None:
                data = {**data, "map": {**data.get("map", {}), "cell": matrix}}
        return data

    @field_validator("cif")
    @classmethod
    def _beside_the_file(cls, cif: str | None, info: ValidationInfo) -> str | None:
        folder = (info.context or {}).get("folder")
        return cif if cif is None or folder is None else str(Path(folder) / cif)

    @field_validator("supercell", mode="before")
    @classmethod
    def _shape(cls, supercell: Any) -> Any:
        if _square(supercell) is None:
            raise SpecError(f"{supercell!r} is no supercell", "give three whole numbers, as [2, 2, 1], or three rows of three")
        return supercell

    @field_validator("sites")
    @classmethod
    def _some(cls, sites: list[SiteSpec]) -> list[SiteSpec]:
        if not sites:
            raise SpecError("the cell has no spins", "give at least one site with a spin")
        return sites

    @model_validator(mode="after")
    def _consistent(self) -> Material:
        if (self.cell is None) == (self.cif is None):
            raise SpecError("the material needs either a cell or a CIF file", "give cell: {a, b, c} or cif: FILE", ("cif",))
        if self.cif is not None and self.space_group is not None:
            raise SpecError("the CIF file gives the space group", "leave out space_group", ("space_group",))
        if self.order is not None and self.spiral is not None:
            raise SpecError("the material has both order and spiral", "give one of them", ("spiral",))
        if self.spiral is not None:
            self._require_rotating_frame(self.spiral)
        names = [p.name for p in self.parameters]
        if len(set(names)) != len(names):
            raise SpecError("a parameter is given twice", "give each once", ("parameters",))
        if self.spiral is not None:
            with At("spiral"):
                require_uniform(self.model, np.array(self.spiral.axis) / np.linalg.norm(self.spiral.axis))
        used = set(self.model.parameters)
        if used != set(names):
            raise SpecError(
                f"parameters are {', '.join(names)}, the bonds and anisotropy use {', '.join(sorted(used))}", location=("parameters",)
            )
        return self

    def _require_rotating_frame(self, spiral: TurnSpec) -> None:
        k = np.array(spiral.k)
        if not np.array_equal(self.supercell_matrix, np.eye(3)):
            raise SpecError("a spiral in a supercell", "leave out the supercell: the rotating frame needs none", ("supercell",))
        halves = np.abs(2 * k - np.rint(2 * k)) < 1e-9
        if halves.all() and np.abs(k - np.rint(k)).max() > 1e-9:
            cells = [1 if abs(x - round(x)) < 1e-9 else 2 for x in k.tolist()]
            raise SpecError(
                f"k = {k.tolist()} is half a reciprocal-lattice vector: there k and -k are one, and the rotating frame is wrong",
                f"replace spiral by order, with the same k and axis, and supercell: {cells}",
                ("spiral", "k"),
            )

    @property
    def supercell_matrix(self) -> np.ndarray:
        """The magnetic cell vectors in terms of those of the cell, (3, 3) int, as rows."""
        return np.array(_square(self.supercell))

    @property
    def frame(self) -> str:
        """Which cell the r.l.u. of a map refer to, in words."""
        return self.map.frame

    @property
    def in_plane_reciprocal(self) -> tuple[float, float]:
        """Length in 1/angstrom of one r.l.u. of a map along Qh and along Qk."""
        vectors = np.array(self.map.cell).T @ self.model.lattice.reciprocal
        return float(np.linalg.norm(vectors[0])), float(np.linalg.norm(vectors[1]))

    @property
    def domains(self) -> tuple[tuple[float, np.ndarray], ...]:
        """Domains of the crystal: the fraction of each, and the orthogonal matrix, (3, 3), that takes directions of the crystal to its own.

        Cartesian, in the frame of the model's lattice. A domain with matrix R scatters at Q as the crystal does at R^T Q. Without a list of
        domains it is the crystal alone; also for ``swap``, which exchanges h and k of the map and is no rotation unless a = b.
        """
        if isinstance(self.map.twins, str):
            return ((1.0, np.eye(3)),)
        turn = structure.Supercell(self.crystal.lattice, self.supercell_matrix).turn
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
            f"{name}={values[name]:g}" + ("" if i + 1 < len(names) and units[names[i + 1]] == units[name] else f" {units[name]}")
            for i, name in enumerate(names)
        ]
        return ", ".join(parts)

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
                raise MaterialError(f"{self.name} has no parameter '{name}'", f"its parameters are {', '.join(values)}", "use one of these")
            try:
                number = float(value)
            except (TypeError, ValueError):
                number = math.nan
            if not math.isfinite(number):
                raise MaterialError(f"{name} is {value!r}", "a parameter is a finite number", "give its value in meV")
            values[name] = number
        return values

    @cached_property
    def crystal(self) -> structure.Crystal:
        """The cell of the file with its space group and all its magnetic sites."""
        with At():
            return structure.crystal_of(self)

    @cached_property
    def exchange(self) -> list[structure.Coupling]:
        """All bonds of the cell of the file."""
        return structure.couplings_of(self, self.crystal)

    @cached_property
    def model(self) -> SpinModel:
        """The spin model of the magnetic cell: lattice, sites, bonds."""
        with At():
            return structure.magnetic_model(self, self.crystal, self.exchange)

    def couplings(self, values: Mapping[str, float | np.ndarray]) -> dict[str, float | np.ndarray]:
        """Parameters as linear spin-wave theory needs them: times the renormalisation of the energies, which they all scale."""
        return {name: np.asarray(value, float) * self.renormalisation for name, value in values.items()}


def _square(supercell: Any) -> list[list[int]] | None:
    """A supercell as rows; None for what is none."""
    try:
        array = np.array(supercell)
    except ValueError:
        return None
    if array.dtype.kind != "i" or array.shape not in ((3,), (3, 3)):
        return None
    return (array if array.shape == (3, 3) else np.diag(array)).tolist()
