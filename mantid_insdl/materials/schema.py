"""The parts of a material file, each validated by itself. How they become spins and bonds is in `structure`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, field_validator, model_validator

from mantid_insdl.errors import InsdlError
from mantid_insdl.spinwave.form_factors import FormFactor, Ion, mixed, with_orbital
from mantid_insdl.spinwave.rotating_frame import rotation
from mantid_insdl.spinwave.stevens import NAME, stevens_tensors, turned
from mantid_insdl.spinwave.symmetry import dm_matrix

_FRACTION = r"\s*([+-]?\d{1,9})\s*/\s*(\d{1,9})\s*"


def _number(value: Any) -> Any:
    """The number that a fraction such as 1/3 is; anything else as it is."""
    parts = re.fullmatch(_FRACTION, value) if isinstance(value, str) else None
    if parts is None:
        return value
    if int(parts[2]) == 0:
        raise SpecError(f"{value.strip()} divides by zero", "give a number or a fraction such as 1/3")
    return int(parts[1]) / int(parts[2])


Number = Annotated[
    float, BeforeValidator(_number), WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^{_FRACTION}$"}]})
]
"""A number, which may be written as a fraction."""
Vector = tuple[Number, Number, Number]
Matrix = tuple[Vector, Vector, Vector]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class SpecError(ValueError):
    """What is wrong in a part of a material file, where, and how to fix it.

    Parameters
    ----------
    message
        What is wrong and why.
    fix
        What the user can do.
    location
        Keys and indices from the top of the file to the part.
    """

    def __init__(self, message: str, fix: str = "", location: tuple[str | int, ...] = ()):
        super().__init__(message)
        self.fix, self.location = fix, location


class At:
    """Context that adds to an error where in the file its cause is."""

    def __init__(self, *location: str | int):
        self.location = location

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InsdlError):
            message = error.summary + (f": {error.reason}" if error.reason else "")
            raise SpecError(message, error.fix, self.location) from error
        if isinstance(error, SpecError):
            error.location = (*self.location, *error.location)


def _shell(value: Any) -> Any:
    """The name of a shell, as text."""
    name = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(name, str) or not re.fullmatch(_SHELL, name):
        raise SpecError(
            f"{value!r} is no shell of neighbours",
            "give a number from 1 to 99, the shortest distance first, or number and letter, as 5a, for bonds that symmetry tells apart",
        )
    return name


_SHELL = "[1-9][0-9]?[a-z]{0,2}"
ShellName = Annotated[
    str,
    BeforeValidator(_shell),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 99}, {"type": "string", "pattern": f"^{_SHELL}$"}]}),
]
"""A shell of neighbours by its number, or with a letter for one of its kinds of bonds."""


class Strict(BaseModel):
    """A part that knows its keys: others are refused, and it does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _not_zero(vector: Vector | None) -> Vector | None:
    if vector is not None and not np.linalg.norm(vector) > 0:
        raise SpecError("the vector is zero and has no direction", "give three numbers that are not all zero")
    return vector


class Parameter(Strict):
    """A coupling of the model: its published value and the range from which training data are drawn."""

    name: str
    value: Finite
    unit: Literal["meV", "T", ""] = "meV"
    low: Finite
    high: Finite
    description: str

    @model_validator(mode="after")
    def _ordered(self) -> Parameter:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"value {self.value:g} of {self.name} is outside its range {self.low:g} to {self.high:g}")
        return self


class CellSpec(Strict):
    """Unit cell: lengths in angstrom, angles in degrees."""

    a: float
    b: float
    c: float
    alpha: float = 90.0
    beta: float = 90.0
    gamma: float = 90.0


class MomentSpec(Strict):
    """The Cartesian direction of the spin at one fractional position, where it is not that of the other sites of its label.

    With `order` or `spiral` it holds for all cells, turned.
    """

    position: Vector
    direction: Vector


class FormFactorSpec(Strict):
    """The form factor of an ion: that of the tables or one by hand, with the part of an orbital moment where C2 is given."""

    ion: str = ""
    form_factor: tuple[Finite, ...] = ()
    """Own coefficients A, a, B, b, ..., D of <j0> = A exp(-a s^2) + B exp(-b s^2) + ... + D, s = q / 4 pi in 1/angstrom."""
    form_factor_j2: tuple[Finite, ...] = ()
    """Own coefficients of <j2> / s^2, of the same form; they go with `form_factor`."""
    lande: Number | None = Field(default=None, gt=0)
    """Lande factor g_J of a moment J: C2 is (2 - g_J) / g_J."""
    c2: Number | None = None
    """Orbital part of the moment over all of it: the form factor is <j0> + C2 <j2>."""

    @property
    def orbital(self) -> float:
        """C2."""
        return (self.c2 or 0.0) if self.lande is None else (2 - self.lande) / self.lande

    @property
    def scatterer(self) -> Ion:
        """What the form factor is calculated from."""
        if self.lande is None and self.c2 is None:
            return self.form_factor or self.ion
        return with_orbital(self.form_factor or self.ion, self.orbital, self.form_factor_j2)

    @property
    def scatterer_name(self) -> str:
        """The same in words."""
        name = f"{self.ion} (own form factor)".lstrip() if self.form_factor else self.ion or "no form factor"
        return f"{name}, C2 = {self.orbital:.4g}" if self.orbital else name

    @field_validator("form_factor", "form_factor_j2")
    @classmethod
    def _pairs(cls, numbers: tuple[float, ...]) -> tuple[float, ...]:
        if numbers and (len(numbers) < 3 or len(numbers) % 2 == 0):
            raise SpecError(
                f"a form factor of {len(numbers)} numbers", "give pairs of height and width and a constant, as [A, a, B, b, C, c, D]"
            )
        return numbers

    @model_validator(mode="after")
    def _form_factor(self) -> Self:
        if self.form_factor:
            values = FormFactor(self.form_factor).at(_TRIED_Q**2)
            if abs(values[0] - 1) > 0.005:
                raise SpecError(
                    f"the form factor is {values[0]:.4g} at Q = 0, not 1",
                    "give A, a, B, b, ..., D with A + B + ... + D = 1",
                    ("form_factor",),
                )
            if (largest := np.abs(values).max()) > 1.05:
                raise SpecError(
                    f"the form factor grows to {largest:.3g} at Q = {_TRIED_Q[np.abs(values).argmax()]:g} 1/angstrom",
                    "give widths a, b, c in angstrom^2 that are positive (but for a term that hardly changes)",
                    ("form_factor",),
                )
        if self.form_factor_j2:
            if not self.form_factor or (self.lande is None and self.c2 is None):
                raise SpecError(
                    "form_factor_j2 goes with form_factor and lande or c2", "give these too, or leave it out", ("form_factor_j2",)
                )
            if (largest := np.abs(FormFactor((0.0,), self.form_factor_j2).at(_TRIED_Q**2)).max()) > 0.5:
                raise SpecError(
                    f"<j2> is up to {largest:.3g}, but that of an ion is at most 0.3",
                    "give A, a, B, b, ..., D of <j2> / s^2, s = Q / 4 pi",
                    ("form_factor_j2",),
                )
        if self.lande is not None and self.c2 is not None:
            raise SpecError("both lande and c2 give C2", "leave one of them out", ("c2",))
        if (self.lande is not None or self.c2 is not None) and not self.form_factor_j2:
            if self.form_factor or not self.ion:
                missing = "beside form_factor, form_factor_j2" if self.form_factor else "the ion, as ion: Co2+"
                raise SpecError("C2 multiplies <j2>, which is not known", f"give {missing}", ("lande" if self.c2 is None else "c2",))
            with At("ion"):
                self.scatterer  # noqa: B018  its <j2> has to be in the tables
        return self


_TRIED_Q = np.linspace(0, 20, 401)
"""Momenta in 1/angstrom at which form factors by hand are looked at."""


class IonSpec(FormFactorSpec):
    """One of the ions that share a site: its spin and the fraction of the sites that it occupies."""

    spin: Number = Field(gt=0)
    occupancy: Number = Field(gt=0, le=1)


class SiteSpec(FormFactorSpec):
    """Sites with a common label: fractional positions (or the label of an atom of the CIF file), spin length, Cartesian direction, ion.

    With a space group, one position stands for all that are equivalent to it, and `g` and `pair`, given for it, are turned to the others.
    `direction` holds for all of them, except where `moments` gives another; beside a moment of a magnetic CIF file both are refused.
    """

    label: str = ""
    atom: str | None = None
    positions: list[Vector] = []
    spin: Number | None = Field(default=None, gt=0)
    ions: list[IonSpec] = []
    """In place of `spin` and `ion`: all ions that share these sites, which then carry the mean spin and the mean moment's form factor."""
    direction: Vector | None = None
    moments: list[MomentSpec] = []
    g: float | Vector | Matrix = 2.0
    """g-tensor: a number, three diagonal elements, or 3 x 3."""
    pair: Vector = (0.0, 0.0, 0.0)
    """For a moment shared by two ions, the fractional vector from one to the other."""

    @property
    def name(self) -> str:
        """The label, or the atom's."""
        return self.label or self.atom or ""

    @property
    def length(self) -> float:
        """Spin length; of several ions the mean, of an empty site zero."""
        return self.spin if self.spin is not None else sum(one.occupancy * one.spin for one in self.ions)

    @property
    def scatterer(self) -> Ion:
        """What the form factor is calculated from; that of several ions is their mean, weighted by their spins."""
        if not self.ions:
            return super().scatterer
        alike = {one.scatterer for one in self.ions}
        return alike.pop() if len(alike) == 1 else mixed([(one.occupancy * one.spin / self.length, one.scatterer) for one in self.ions])

    @property
    def scatterer_name(self) -> str:
        """The same in words."""
        return " + ".join(f"{one.occupancy:g} {one.scatterer_name}" for one in self.ions) or super().scatterer_name

    @property
    def g_tensor(self) -> np.ndarray:
        """The 3 x 3 matrix."""
        g = np.array(self.g, float)
        return g if g.shape == (3, 3) else g * np.eye(3)

    @field_validator("g", mode="before")
    @classmethod
    def _shape(cls, g: Any) -> Any:
        try:
            shape = np.array(g, float).shape
        except (TypeError, ValueError):
            shape = None
        if shape not in ((), (3,), (3, 3)):
            raise SpecError("g is no g-tensor", "give a number, three diagonal elements or three rows of three")
        return g

    @model_validator(mode="after")
    def _placed(self) -> SiteSpec:
        if not self.name:
            raise SpecError("a site has no label", "name it, as label: Mn1")
        if (self.atom is None) == (not self.positions):
            raise SpecError(f"site {self.name} needs either positions or an atom of the CIF file", "give one of the two")
        if self.ions:
            given = [key for key in ("spin", *FormFactorSpec.model_fields) if key in self.model_fields_set]
            if given:
                raise SpecError(f"site {self.name} has both ions and {given[0]}", "give each ion its own, or leave out ions", ("ions",))
            total = sum(one.occupancy for one in self.ions)
            if total > 1 + 1e-6:
                raise SpecError(f"the occupancies of the ions of {self.name} add up to {total:g}", "they are at most 1 in all", ("ions",))
        elif self.spin is None:
            raise SpecError(f"site {self.name} has no spin", "give it, as spin: 5/2, or several ions", ("spin",))
        return self


class BondSpec(Strict):
    """Bonds of one parameter: by `distance` in angstrom or by `shell` (and `between` two labels), or as a `segment` or several `segments`.

    Shell 1 is the shortest distance between magnetic sites, 2 the next. A segment joins two fractional positions; with `symmetric` it
    stands for all bonds that the space group makes of it, with their matrices. Where the space group tells bonds of shell 5 apart, 5a, 5b
    ... stand for those of one kind, as their first bond (see `shells.kinds`) by `symmetric` segment would. The exchange is isotropic
    unless `matrix` gives it as 3 x 3 (rows; the first end of the segment comes first), or `dm` the vector D of an antisymmetric exchange
    D . (S_i x S_j). Both are Cartesian and multiplied by the parameter. With `biquadratic` the energy is the parameter times (S_i . S_j)^2.
    """

    parameter: str
    distance: float | None = Field(default=None, gt=0)
    shell: ShellName | None = None
    between: tuple[str, str] | None = None
    segment: tuple[Vector, Vector] | None = None
    segments: list[tuple[Vector, Vector]] = []
    symmetric: bool = False
    matrix: Matrix | None = None
    dm: Vector | None = None
    biquadratic: bool = False

    @property
    def exchange(self) -> np.ndarray:
        """The 3 x 3 matrix."""
        if self.dm is not None:
            return dm_matrix(self.dm)
        return np.eye(3) if self.matrix is None else np.array(self.matrix)

    @property
    def kind(self) -> str | None:
        """The name of the shell where it has a letter, so that it names bonds of one kind."""
        return self.shell if self.shell is not None and not self.shell.isdecimal() else None

    @property
    def named(self) -> list[tuple[Vector, Vector]]:
        """The segments, one or more."""
        return [*([] if self.segment is None else [self.segment]), *self.segments]

    @model_validator(mode="after")
    def _one_way(self) -> BondSpec:
        ways = [self.distance is not None, self.shell is not None, bool(self.named)]
        if sum(ways) != 1:
            raise SpecError(f"bonds of {self.parameter} need either a distance or segments or a shell", "give one of them")
        if (self.named or self.kind) and self.between:
            what = "segments name" if self.named else f"shell {self.kind} names"
            raise SpecError(f"bonds of {self.parameter} have between, but the {what} the ends", "leave out between")
        if self.symmetric and not self.named:
            raise SpecError(f"bonds of {self.parameter} are symmetric, but no bond is named", "give the segment that stands for them")
        directed = self.dm is not None or not np.allclose(self.exchange, self.exchange.T)
        if directed and not self.named and not self.kind:
            raise SpecError(
                f"antisymmetric exchange {self.parameter} has a sense from one end to the other, which a distance does not tell",
                "give its bonds as segments, or with a space group one segment with symmetric: true, or a shell with a letter, as 5a",
            )
        if (self.dm is not None) + (self.matrix is not None) + self.biquadratic > 1:
            raise SpecError(f"bonds of {self.parameter} have more than one of matrix, dm and biquadratic", "give them a parameter each")
        return self


class AnisotropySpec(Strict):
    """Single-ion anisotropy on all sites, or on those with the given labels.

    Its energy is D (S . axis)^2, or D S^T matrix S with a symmetric matrix, or D times a sum of Stevens operators of degree 2, 4 and 6 in
    the limit of large spins, by their names, as {O40: 1, O44: 5} (see `spinwave.stevens`). All are Cartesian; `axes` has the x, y and z of
    the operators as rows, where these are others. With a space group they are given for the first site of each label and turned to the
    equivalent ones.
    """

    parameter: str
    axis: Vector | None = None
    matrix: Matrix | None = None
    stevens: dict[str, Number] | None = None
    axes: Matrix | None = None
    labels: list[str] | None = None

    @property
    def tensors(self) -> list[np.ndarray]:
        """The matrix, or the symmetric tensors of each degree."""
        if self.stevens is not None:
            return [turned(tensor, self._rows.T) for tensor in stevens_tensors(self.stevens)]
        if self.matrix is not None:
            return [np.array(self.matrix)]
        axis = np.array(self.axis) / np.linalg.norm(self.axis)
        return [np.outer(axis, axis)]

    @property
    def _rows(self) -> np.ndarray:
        rows = np.eye(3) if self.axes is None else np.array(self.axes)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    _direction = field_validator("axis")(_not_zero)

    @field_validator("stevens")
    @classmethod
    def _operators(cls, stevens: dict[str, float] | None) -> dict[str, float] | None:
        if stevens is None:
            return None
        wrong = [name for name in stevens if (found := NAME.fullmatch(name)) is None or abs(int(found[2])) > int(found[1])]
        if wrong or not any(stevens.values()):
            raise SpecError(
                f"'{wrong[0]}' is no Stevens operator" if wrong else "the sum of Stevens operators is zero",
                "give operators of degree 2, 4 or 6 by degree and order with their factors, as {O40: 1, O44: 5} or {O6-3: 1}",
            )
        return stevens

    @model_validator(mode="after")
    def _one_way(self) -> AnisotropySpec:
        if (self.axis, self.matrix, self.stevens).count(None) != 2:
            raise SpecError(f"the anisotropy {self.parameter} needs either an axis or a matrix or stevens", "give one of the three")
        if self.matrix is not None and not np.allclose(self.matrix, np.transpose(self.matrix)):
            raise SpecError(f"the matrix of the anisotropy {self.parameter} is not symmetric", "its antisymmetric part has no energy")
        if self.axes is not None and self.stevens is None:
            raise SpecError(f"the anisotropy {self.parameter} has axes, but no Stevens operators", "leave out axes")
        if self.axes is not None and not (
            np.all(np.any(self.axes, axis=1)) and np.allclose(self._rows @ self._rows.T, np.eye(3), atol=1e-4)
        ):
            raise SpecError(f"the axes of the anisotropy {self.parameter} are not at right angles", "give x, y and z as three rows")
        if self.axes is not None and np.linalg.det(self._rows) < 0:
            raise SpecError(f"the axes of the anisotropy {self.parameter} are left-handed", "turn one of them round")
        return self


class FieldSpec(Strict):
    """A uniform magnetic field along `direction` (Cartesian); its parameter is in tesla."""

    parameter: str
    direction: Vector

    _direction = field_validator("direction")(_not_zero)


SHAPES = (
    "give demagnetisation: [1/3, 1/3, 1/3] of a sphere, [1/2, 1/2, 0] of a needle along z, [0, 0, 1] of a plate across z, "
    "[0, 0, 0] where domains close the flux"
)
"""What to do where the shape of the sample is needed and not given."""


class DipoleSpec(Strict):
    """The dipole-dipole interaction of all moments g S, summed over the crystal, times a parameter that is 1 and has no unit.

    `demagnetisation` is the tensor of the sample's shape, three diagonal elements or 3 x 3, Cartesian, of trace 1, or zero where domains
    close the flux. It is needed where the magnetic cell has a moment, or with `relaxed` may get one; else it only counts at momenta of the
    reciprocal lattice, where that of a sphere is the default.
    """

    parameter: str
    demagnetisation: Vector | Matrix | None = None

    @property
    def tensor(self) -> np.ndarray:
        """The 3 x 3 matrix."""
        given = np.array((1 / 3, 1 / 3, 1 / 3) if self.demagnetisation is None else self.demagnetisation)
        return given if given.ndim == 2 else np.diag(given)


class TurnSpec(Strict):
    """Order with wave vector `k` (r.l.u. of the cell of the file): spins in the cell R turn by 2 pi k.R about `axis` (Cartesian).

    Without `axis` they are reversed where k.R is a half: k is then made of halves.
    """

    k: Vector
    axis: Vector | None = None

    _direction = field_validator("axis")(_not_zero)

    @model_validator(mode="after")
    def _turned_or_reversed(self) -> TurnSpec:
        if self.axis is None and np.abs(2 * np.array(self.k) - np.rint(2 * np.array(self.k))).max() > 1e-9:
            raise SpecError(
                f"spins turn by k = {list(self.k)}, but about no axis: only with k of halves are they reversed and need none",
                "give the axis, as axis: [0, 0, 1]",
            )
        return self

    def rotation(self, cell: np.ndarray) -> np.ndarray:
        """The matrix (3, 3) that takes spins of the cell at the origin to those of the cell R (3,): a rotation, or plus or minus 1."""
        phase = float(np.array(self.k) @ cell)
        if self.axis is None:
            return np.eye(3) * np.rint(np.cos(2 * np.pi * phase))
        return rotation(np.array(self.axis) / np.linalg.norm(self.axis), 2 * np.pi * phase)


class DomainSpec(Strict):
    """One domain of a twinned crystal, a fraction `weight` of it.

    It is the crystal turned by `angle` degrees about `axis`, or reflected at the plane with the normal `mirror`, or moved by the orthogonal
    `matrix`, all Cartesian; with none of them, the crystal as it is.
    """

    weight: Number = Field(gt=0, le=1)
    axis: Vector | None = None
    angle: float | None = None
    mirror: Vector | None = None
    matrix: Matrix | None = None

    _direction = field_validator("axis", "mirror")(_not_zero)

    @property
    def rotation(self) -> np.ndarray:
        """The 3 x 3 orthogonal matrix that takes directions of the crystal to those of the domain."""
        if self.axis is not None:
            return rotation(np.array(self.axis) / np.linalg.norm(self.axis), np.radians(self.angle))
        if self.mirror is not None:
            normal = np.array(self.mirror) / np.linalg.norm(self.mirror)
            return np.eye(3) - 2 * np.outer(normal, normal)
        return np.eye(3) if self.matrix is None else np.array(self.matrix)

    @model_validator(mode="after")
    def _one_way(self) -> DomainSpec:
        if sum(x is not None for x in (self.axis, self.mirror, self.matrix)) > 1:
            raise SpecError("a domain has more than one of axis, mirror and matrix", "give one of them")
        if (self.axis is None) != (self.angle is None):
            raise SpecError("a domain that is turned needs an axis and an angle", "give both, as axis: [0, 0, 1], angle: 90")
        if np.abs(self.rotation @ self.rotation.T - np.eye(3)).max() > 1e-6:
            raise SpecError("the matrix of a domain is not orthogonal", "give a rotation or a reflection of the Cartesian axes")
        return self


class MapSpec(Strict):
    """The momentum frame of measured maps.

    `cell` multiplies (h, k, l) of the data to give (h, k, l) of the model's cell; without it, also with a supercell, maps are in r.l.u. of
    the cell of the file. `axes` are the directions in (h, k, l) of the data along which Qh, Qk and a third axis of the map lie, as
    QDimension0, 1 and 2 of MDNorm; where they are not those of H, K and L, all momenta of a map count along them. `frame` says in words
    what the map's r.l.u. are; `beam` is the reciprocal-lattice direction, in these r.l.u., that lies along the incident beam. `twins` is
    ``swap`` where the crystal is twinned by exchange of a and b in equal parts, or a list
    of domains.
    """

    cell: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    axes: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    frame: str = "cell of the material file"
    beam: Vector = (0.0, 0.0, 1.0)
    twins: Annotated[
        Annotated[Literal["none", "swap"], Tag("name")] | Annotated[list[DomainSpec], Tag("domains")],
        Discriminator(lambda twins: "domains" if isinstance(twins, list) else "name"),
    ] = "none"

    _direction = field_validator("beam")(_not_zero)

    @property
    def matrix(self) -> np.ndarray:
        """Multiplies the momenta of a map, along its axes, to give (h, k, l) of the model's cell, (3, 3)."""
        return np.array(self.cell) @ np.array(self.axes).T

    @field_validator("cell", "axes")
    @classmethod
    def _invertible(cls, rows: Matrix) -> Matrix:
        if abs(np.linalg.det(np.array(rows))) < 1e-9:
            raise SpecError("the matrix has no inverse", "give three rows that are independent")
        return rows

    @field_validator("twins")
    @classmethod
    def _whole(cls, twins: Any) -> Any:
        if isinstance(twins, list) and abs(sum(domain.weight for domain in twins) - 1) > 1e-6:
            total = sum(domain.weight for domain in twins)
            raise SpecError(f"the weights of the domains add up to {total:g}, not to 1", "list all domains, also the untwinned crystal")
        return twins
