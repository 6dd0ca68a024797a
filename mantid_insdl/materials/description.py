"""What a material file says: its entries and what can be wrong with them before any model is made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from mantid_insdl.errors import did_you_mean
from mantid_insdl.materials.schema import (
    SHAPES,
    AnisotropySpec,
    BondSpec,
    CellSpec,
    DipoleSpec,
    FieldSpec,
    MapSpec,
    Parameter,
    SiteSpec,
    SpecError,
    Strict,
    TurnSpec,
    Vector,
)

IntVector = tuple[int, int, int]


class MaterialFile(Strict):
    """The entries of a material file."""

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
    relaxed: bool = False
    """The stated order is that of the stated values, or near it, and follows the parameters: spins turn, and k of a spiral changes, to the
    least classical energy within its phase. Otherwise the order is as it is stated, whatever the parameters are."""
    bonds: list[BondSpec]
    anisotropy: list[AnisotropySpec] = Field(default=[])
    fields: list[FieldSpec] = Field(default=[])
    dipoles: DipoleSpec | None = None
    scattering: Literal["moments", "spins"] = "moments"
    """What neutrons see: moments g S / 2, in units in which g = 2 leaves the spin, or spins, whatever their g-tensors."""
    map: MapSpec = MapSpec()
    renormalisation: Annotated[float, Field(gt=0)] | Literal["oguchi"] = 1.0
    """Factor on all energies by which quantum fluctuations exceed linear spin-wave theory; ``oguchi`` for that of first order in 1/S, of
    collinear Heisenberg magnets, a factor on each exchange (`mantid_insdl.spinwave.quantum`)."""
    interchangeable: list[tuple[list[str], list[str]]] = Field(default=[])
    """Two lists of parameters each: exchanging their values changes no map. In a fit the first list begins with the larger magnitude."""
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
    def _complete(self) -> Any:
        if (self.cell is None) == (self.cif is None):
            raise SpecError("the material needs either a cell or a CIF file", "give cell: {a, b, c} or cif: FILE", ("cif",))
        if self.cif is not None and self.space_group is not None:
            raise SpecError("the CIF file gives the space group", "leave out space_group", ("space_group",))
        if self.order is not None and self.spiral is not None:
            raise SpecError("the material has both order and spiral", "give one of them", ("spiral",))
        if self.spiral is not None and self.spiral.axis is None:
            raise SpecError("the spiral has no axis", "give the one about which its spins turn, as axis: [0, 0, 1]", ("spiral",))
        if self.spiral is not None and self.dipoles is not None:
            raise SpecError(
                "a spiral with dipole-dipole interaction is not uniform in the rotating frame", "leave dipoles out", ("dipoles",)
            )
        if self.spiral is not None:
            self._require_rotating_frame(self.spiral)
        if self.relaxed and self.dipoles is not None and self.dipoles.demagnetisation is None:
            raise SpecError(
                "an order that follows the parameters may get a moment: its dipole sums then depend on the shape of the sample",
                SHAPES,
                ("dipoles",),
            )
        if self.relaxed and self.closed_form is not None:
            raise SpecError("the closed form is that of a fixed order", "leave out closed_form or relaxed", ("closed_form",))
        names = [p.name for p in self.parameters]
        if len(set(names)) != len(names):
            raise SpecError("a parameter is given twice", "give each once", ("parameters",))
        self._require_interchangeable()
        return self

    def _require_interchangeable(self) -> None:
        ranges = {p.name: (p.low, p.high) for p in self.parameters}
        for index, (one, other) in enumerate(self.interchangeable):
            at = ("interchangeable", index)
            if unknown := [name for name in (*one, *other) if name not in ranges]:
                raise SpecError(
                    f"there is no parameter {unknown[0]}{did_you_mean(unknown[0], list(ranges))}", f"name two of {', '.join(ranges)}", at
                )
            if not one or len(one) != len(other) or len({*one, *other}) < 2 * len(one):
                raise SpecError("two lists of as many different parameters each are needed", "as [[J1, D1], [J2, D2]]", at)
            for first, second in zip(one, other, strict=True):
                if ranges[first] != ranges[second]:
                    raise SpecError(f"{first} and {second} have different ranges", "give them the same low and high", at)

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


def _square(supercell: Any) -> list[list[int]] | None:
    """A supercell as rows; None for what is none."""
    try:
        array = np.array(supercell)
    except ValueError:
        return None
    if array.dtype.kind != "i" or array.shape not in ((3,), (3, 3)):
        return None
    return (array if array.shape == (3, 3) else np.diag(array)).tolist()
