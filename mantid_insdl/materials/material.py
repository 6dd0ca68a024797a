"""Reading and checking material files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave.lattice import Lattice
from mantid_insdl.spinwave.model import Bond, OnSite, Site, SpinModel
from mantid_insdl.spinwave.model import Field as SpinField

Vector = tuple[float, float, float]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Parameter(_Strict):
    """A coupling of the model: its published value and the range from which training data are drawn."""

    name: str
    value: Finite
    unit: Literal["meV", "T"] = "meV"
    low: Finite
    high: Finite
    description: str

    @model_validator(mode="after")
    def _ordered(self) -> Parameter:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"value {self.value:g} of {self.name} is outside its range {self.low:g} to {self.high:g}")
        return self


class CellSpec(_Strict):
    """Unit cell: lengths in angstrom, angles in degrees."""

    a: float
    b: float
    c: float
    alpha: float = 90.0
    beta: float = 90.0
    gamma: float = 90.0


class SiteSpec(_Strict):
    """Sites with a common label: fractional positions, spin length, Cartesian direction, ion of the form factor."""

    label: str
    positions: list[Vector]
    spin: float = Field(gt=0)
    direction: Vector
    ion: str = ""
    pair: Vector = (0.0, 0.0, 0.0)
    """For a moment shared by two ions, the fractional vector from one to the other."""


class BondSpec(_Strict):
    """Bonds of one parameter: by `distance` in angstrom (and the labels of its ends), or as `segments` between fractional positions.

    The exchange is isotropic unless `matrix` gives it as 3 x 3 (rows; the first end of the segment comes first), or `dm` the vector D of an
    antisymmetric exchange D . (S_i x S_j). Both are Cartesian and multiplied by the parameter.
    """

    parameter: str
    distance: float | None = None
    between: tuple[str, str] | None = None
    segments: list[tuple[Vector, Vector]] = []
    matrix: tuple[Vector, Vector, Vector] | None = None
    dm: Vector | None = None

    @property
    def exchange(self) -> np.ndarray:
        """The 3 x 3 matrix."""
        if self.dm is not None:
            x, y, z = self.dm
            return np.array([[0, z, -y], [-z, 0, x], [y, -x, 0]])
        return np.eye(3) if self.matrix is None else np.array(self.matrix)

    @model_validator(mode="after")
    def _one_way(self) -> BondSpec:
        if (self.distance is None) == (not self.segments):
            raise ValueError(f"bonds of {self.parameter} need either a distance or segments")
        directed = self.dm is not None or not np.allclose(self.exchange, self.exchange.T)
        if directed and not self.segments:
            raise ValueError(f"antisymmetric exchange {self.parameter} has a sense from one end to the other: give its bonds as segments")
        if self.dm is not None and self.matrix is not None:
            raise ValueError(f"bonds of {self.parameter} have both a matrix and a dm vector")
        return self


class AnisotropySpec(_Strict):
    """Single-ion anisotropy D (S . axis)^2 on all sites, or on those with the given labels."""

    parameter: str
    axis: Vector
    labels: list[str] | None = None


class FieldSpec(_Strict):
    """A uniform magnetic field along `direction` (Cartesian); its parameter is in tesla."""

    parameter: str
    direction: Vector


class MapSpec(_Strict):
    """The momentum frame of measured maps.

    `cell` multiplies (h, k, l) of the map to give (h, k, l) of the model's cell; `frame` says in words what the map's r.l.u. are;
    `twins` is ``swap`` where the crystal is twinned by exchange of a and b in equal parts.
    """

    cell: tuple[Vector, Vector, Vector]
    frame: str
    twins: Literal["none", "swap"] = "none"


class Material(_Strict):
    """A magnet: cell, spins, bonds, parameters, and the frame of its maps. Read from YAML by `load_material`."""

    name: str
    title: str
    family: str
    sources: list[str] = Field(min_length=1)
    parameters: tuple[Parameter, ...]
    cell: CellSpec
    layers: list[Vector] = [(0.0, 0.0, 0.0)]
    """Translations (fractional) by which `sites` and `segments` are repeated."""
    sites: list[SiteSpec] = Field(min_length=1)
    bonds: list[BondSpec]
    anisotropy: list[AnisotropySpec] = []
    fields: list[FieldSpec] = []
    map: MapSpec
    renormalisation: float = Field(default=1.0, gt=0)
    """Factor on all energies by which quantum fluctuations exceed linear spin-wave theory."""
    closed_form: Literal["square-lattice antiferromagnet"] | None = None
    """Formula that replaces the matrices; tested to agree with them."""

    @model_validator(mode="after")
    def _consistent(self) -> Material:
        names = [p.name for p in self.parameters]
        used = set(self.model.parameters)
        if len(set(names)) != len(names):
            raise ValueError("a parameter is given twice")
        if used != set(names):
            raise ValueError(f"parameters are {', '.join(names)}, the bonds and anisotropy use {', '.join(sorted(used))}")
        return self

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
    def model(self) -> SpinModel:
        """The spin model: lattice, sites, bonds."""
        lattice = Lattice(**self.cell.model_dump())
        sites = [
            Site(s.label, np.add(position, layer), s.spin, np.array(s.direction), s.ion, pair=np.array(s.pair))
            for layer in self.layers
            for s in self.sites
            for position in s.positions
        ]
        bare = SpinModel(lattice, tuple(sites))
        bonds: list[Bond] = []
        for spec in self.bonds:
            pairs = self._by_distance(bare, spec) if spec.distance is not None else self._by_segment(bare, spec)
            if not pairs:
                raise ValueError(f"{spec.parameter} has no bond: no such pair of sites at {spec.distance:g} angstrom")
            bonds += [Bond(i, j, cell, spec.parameter, spec.exchange) for i, j, cell in pairs]
        onsite = []
        for term in self.anisotropy:
            axis = np.array(term.axis) / np.linalg.norm(term.axis)
            chosen = [i for i, s in enumerate(sites) if term.labels is None or s.label in term.labels]
            onsite += [OnSite(i, term.parameter, np.outer(axis, axis)) for i in chosen]
        fields = [SpinField(f.parameter, np.array(f.direction)) for f in self.fields]
        return SpinModel(lattice, tuple(sites), tuple(bonds), tuple(onsite), tuple(fields))

    def couplings(self, values: Mapping[str, float | np.ndarray]) -> dict[str, float | np.ndarray]:
        """Parameters as linear spin-wave theory needs them: times the renormalisation of the energies, which they all scale."""
        return {name: np.asarray(value, float) * self.renormalisation for name, value in values.items()}

    @staticmethod
    def _by_distance(bare: SpinModel, spec: BondSpec) -> list[tuple[int, int, tuple[int, int, int]]]:
        labels = [s.label for s in bare.sites]
        unknown = set(spec.between or ()) - set(labels)
        if unknown:
            raise ValueError(f"bonds of {spec.parameter} name {', '.join(sorted(unknown))}; the sites are {', '.join(sorted(set(labels)))}")
        pairs = bare.neighbours(spec.distance)
        return [x for x in pairs if spec.between is None or sorted((labels[x[0]], labels[x[1]])) == sorted(spec.between)]

    def _by_segment(self, bare: SpinModel, spec: BondSpec) -> list[tuple[int, int, tuple[int, int, int]]]:
        positions = np.array([s.position for s in bare.sites])

        def locate(point: np.ndarray) -> tuple[int, np.ndarray]:
            shift = point - positions
            index = int(np.argmin(np.abs(shift - np.round(shift)).sum(axis=1)))
            if np.abs(shift[index] - np.round(shift[index])).max() > 1e-3:
                raise ValueError(f"a bond of {spec.parameter} ends at {tuple(point.tolist())}, where there is no site")
            return index, np.round(shift[index]).astype(int)

        found = []
        for layer in self.layers:
            for start, end in spec.segments:
                (i, cell_i), (j, cell_j) = locate(np.add(start, layer)), locate(np.add(end, layer))
                found.append((i, j, tuple(int(x) for x in cell_j - cell_i)))
        return found


def material_names() -> list[str]:
    """Names of the materials that come with the package."""
    return sorted(f.name.removesuffix(".yaml") for f in resources.files(__package__).iterdir() if f.name.endswith(".yaml"))


_shipped: dict[str, Material] = {}


def load_material(name_or_path: str | Path | Material) -> Material:
    """A material by its name (see `material_names`) or from a YAML file.

    Raises
    ------
    MaterialError
        If there is no such material, or its file is wrong (the message says where).
    """
    if isinstance(name_or_path, Material):
        return name_or_path
    name, path = str(name_or_path), Path(name_or_path)
    if name in _shipped:
        return _shipped[name]
    if name in material_names():
        _shipped[name] = _parse(resources.files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8"), name)
        return _shipped[name]
    if path.suffix.lower() not in (".yaml", ".yml"):
        known = ", ".join(material_names())
        raise MaterialError(f"there is no material '{name}'", f"known are {known}", "use one of these, or the path of a .yaml file")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MaterialError(f"cannot read the material file '{path}'", getattr(error, "strerror", None) or "it is not text") from None
    return _parse(text, str(path))


def _parse(text: str, origin: str) -> Material:
    import yaml

    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise MaterialError(
            f"the material file '{origin}' is no valid YAML{where}", getattr(error, "problem", "") or "", "correct it"
        ) from None
    if not isinstance(data, dict):
        raise MaterialError(f"the material file '{origin}' holds no material", "it is not a mapping of keys to values")
    try:
        return Material.model_validate(data)
    except ValidationError as error:
        # a misspelt key is both unknown and missing: speak of the unknown one, which is in the file
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        where = ".".join(str(x) for x in first["loc"])
        line = _line_of(text, first["loc"])
        raise MaterialError(
            f"the material file '{origin}' is wrong" + (f" at '{where}'" if where else "") + (f" (line {line})" if line else ""),
            first["msg"].removeprefix("Value error, "),
            "correct it there",
        ) from None


def _line_of(text: str, location: tuple[Any, ...]) -> int | None:
    """Line (from 1) of a key path in a YAML text; of its last part that exists."""
    import yaml

    node = yaml.compose(text)
    line = None
    for key in location:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == key]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            break
    return line


_ASSIGNMENT = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*([^\s,;=]+)\s*")


def parse_parameters(text: str) -> dict[str, float]:
    """Parameter values out of text such as ``"J1=0.65, J2=0.012"``; empty text gives none.

    Raises
    ------
    MaterialError
        If a part is not of the form name=number, or a name comes twice.
    """
    values: dict[str, float] = {}
    for part in filter(str.strip, re.split(r"[,;]", text)):
        match = _ASSIGNMENT.fullmatch(part)
        try:
            number = float(match[2]) if match else math.nan
        except ValueError:
            number = math.nan
        if match is None or not math.isfinite(number):
            raise MaterialError(f"cannot read '{part.strip()}' as a parameter", "it is not name=number", "write J1=0.65, J2=0.012")
        if match[1] in values:
            raise MaterialError(f"{match[1]} is given twice", fix="give each parameter once")
        values[match[1]] = number
    return values
