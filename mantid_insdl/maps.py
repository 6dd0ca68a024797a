"""The one data type: a measured or simulated neutron intensity map.

A `Map` is immutable. It holds intensity, standard error and mask on named axes with units, and what was
measured: the incident energies and energy windows, the material, the momentum frame and the provenance.
Three kinds of map cover the field:

=========  ==========================  ==============================================================
kind       shape                       what it is
=========  ==========================  ==============================================================
slices     (slice, qh, qk)             constant-energy slices; `Map.slices` gives the incident energy
                                       and the energy window of each (one slice: leading length 1)
powder     (q, energy)                 a \\|Q\\|-E map of a powder or of summed detectors
cut        (path, energy)              a cut along a path in momentum
=========  ==========================  ==============================================================

Selecting and re-gridding keep errors and masks. What would lose a unit or a mask raises.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from mantid_insdl.errors import MapError, UnitError

RLU = "r.l.u."
PER_ANGSTROM = "1/angstrom"
MEV = "meV"

MAXIMUM_COUNTS = 1e15
"""Neutrons of a whole map: far beyond any measurement, and far below what random numbers can hold."""
COMPONENT_LOG = "component"
"""Sample log of a map that shows a polarised component: its name."""

Kind = Literal["slices", "powder", "cut"]

_KIND_OF_AXES: dict[tuple[str, str], Kind] = {("qh", "qk"): "slices", ("q", "energy"): "powder", ("path", "energy"): "cut"}


def _frozen(values: Any, dtype: type = float) -> np.ndarray:
    array: np.ndarray = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


def _shaped(what: str, values: Any, shape: tuple[int, ...], dtype: type = float) -> np.ndarray:
    """A copy of what belongs to each pixel."""
    array: np.ndarray = np.array(values, dtype=dtype)
    if array.shape != shape:
        raise MapError(f"{what} shape {array.shape}", f"the axes say {shape}", "transpose the data or correct the axes")
    return array


def _require_finite(known: np.ndarray) -> None:
    if np.any(np.isinf(known)):
        raise MapError("the map has infinite intensities", "they cannot be weighed against other pixels", "mask those pixels (NaN)")


def _require_errors(known: np.ndarray) -> None:
    if not np.all(np.isfinite(known)) or np.any(known < 0):
        raise MapError("the map has errors that are infinite, negative or NaN", "they weigh the pixels", "mask those pixels")


@dataclass(frozen=True, eq=False)
class Axis:
    """A named axis with a unit, given as bin edges or as points (bin centres).

    Parameters
    ----------
    name
        ``qh``, ``qk``, ``q``, ``path`` or ``energy``.
    unit
        ``r.l.u.``, ``1/angstrom`` or ``meV``.
    values : (n,) or (n + 1,)
        Strictly increasing, finite.
    is_edges
        True when `values` are the n + 1 edges of n bins.
    label
        What to write on a plot; defaults to the name.
    """

    name: str
    unit: str
    values: np.ndarray
    is_edges: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        values = _frozen(self.values)
        object.__setattr__(self, "values", values)
        if not self.unit:
            raise UnitError(f"axis '{self.name}' has no unit", "a number without a unit cannot be compared", "give its unit")
        if values.ndim != 1 or values.size < (2 if self.is_edges else 1):
            raise MapError(f"axis '{self.name}' has shape {values.shape}", "an axis is one-dimensional and not empty")
        if not np.all(np.isfinite(values)) or np.any(np.diff(values) <= 0):
            raise MapError(f"axis '{self.name}' is not strictly increasing", "bins would overlap", "sort the axis and remove repeats")

    @property
    def size(self) -> int:
        """Number of bins."""
        return self.values.size - int(self.is_edges)

    @property
    def centres(self) -> np.ndarray:
        """Bin centres, (n,)."""
        return 0.5 * (self.values[1:] + self.values[:-1]) if self.is_edges else self.values

    @property
    def edges(self) -> np.ndarray:
        """Bin edges, (n + 1,): of points, the midpoints between them. One point gives a bin of width 1."""
        if self.is_edges:
            return self.values
        if self.size == 1:
            return np.array([self.values[0] - 0.5, self.values[0] + 0.5])
        middle = 0.5 * (self.values[1:] + self.values[:-1])
        return np.concatenate(([2 * self.values[0] - middle[0]], middle, [2 * self.values[-1] - middle[-1]]))

    @property
    def title(self) -> str:
        """Label with unit, for plots."""
        return f"{self.label or self.name} ({self.unit})"

    def matches(self, other: Axis, tolerance: float = 1e-6) -> bool:
        """Same name, unit and bin centres (to `tolerance` of a bin width)."""
        if (self.name, self.unit, self.size) != (other.name, other.unit, other.size):
            return False
        width = float(np.min(np.diff(self.edges)))
        return bool(np.all(np.abs(self.centres - other.centres) <= tolerance * width))


@dataclass(frozen=True, eq=False)
class Slices:
    """The leading axis of a stack of constant-energy slices.

    Parameters
    ----------
    ei : (n,)
        Incident energy of each slice in meV; NaN where it is not known.
    energy_min, energy_max : (n,)
        Window of energy transfer of each slice in meV.
    """

    ei: np.ndarray
    energy_min: np.ndarray
    energy_max: np.ndarray

    def __post_init__(self) -> None:
        for name in ("ei", "energy_min", "energy_max"):
            object.__setattr__(self, name, _frozen(np.atleast_1d(getattr(self, name))))
        if not (self.ei.shape == self.energy_min.shape == self.energy_max.shape and self.ei.ndim == 1):
            raise MapError("the slices are inconsistent", "incident energies and energy windows differ in number")
        if not np.all(np.isfinite(self.energy_max - self.energy_min)) or not np.all(self.energy_max > self.energy_min):
            raise MapError("an energy window is empty", "its upper edge is not above its lower one", "give (min, max) in meV")
        if np.any(self.ei <= 0) or np.any(np.isinf(self.ei)):
            raise MapError("an incident energy is not positive and finite", fix="give Ei in meV")

    @classmethod
    def from_bins(cls, ei: Sequence[float], edges: Sequence[Sequence[float] | np.ndarray]) -> Slices:
        """Slices of several incident energies, each with its own energy bin edges (all ordered Ei by Ei)."""
        eis, low, high = [], [], []
        for one, given in zip(ei, edges, strict=True):
            e = np.asarray(given, float)
            eis += [one] * (e.size - 1)
            low.append(e[:-1])
            high.append(e[1:])
        return cls(np.array(eis), np.concatenate(low), np.concatenate(high))

    @property
    def size(self) -> int:
        return self.ei.size

    @property
    def centres(self) -> np.ndarray:
        """Middle of each energy window, meV."""
        return 0.5 * (self.energy_min + self.energy_max)

    @property
    def unique_ei(self) -> np.ndarray:
        """The different incident energies, rising."""
        return np.unique(self.ei[np.isfinite(self.ei)])

    def beyond_ei(self) -> tuple[str, str, str] | None:
        """What is wrong with the first slice that ends above its incident energy, why, and the fix; None where there is none."""
        beyond = np.flatnonzero(self.energy_max > self.ei * (1 + 1e-6))
        if not beyond.size:
            return None
        what = f"slice {self.describe(int(beyond[0]))} ends above its incident energy"
        return what, "a neutron cannot lose more than it has", "correct the window or Ei"

    def groups_by_ei(self) -> list[np.ndarray]:
        """Indices of the slices of each incident energy, rising; those of unknown Ei are one group, the first."""
        keys = np.where(np.isfinite(self.ei), self.ei, -1.0)
        return [np.flatnonzero(keys == key) for key in np.unique(keys)]

    def __getitem__(self, index: Any) -> Slices:
        return Slices(self.ei[index], self.energy_min[index], self.energy_max[index])

    def describe(self, index: int) -> str:
        """Words for a plot's title: ``Ei 50 meV, 8-11 meV``."""
        ei = f"Ei {self.ei[index]:g} meV, " if np.isfinite(self.ei[index]) else ""
        return f"{ei}{self.energy_min[index]:g}-{self.energy_max[index]:g} meV"

    def matches(self, other: Slices, tolerance: float = 1e-6) -> bool:
        return self.size == other.size and all(
            np.allclose(getattr(self, n), getattr(other, n), atol=tolerance, rtol=0, equal_nan=True)
            for n in ("ei", "energy_min", "energy_max")
        )


@dataclass(frozen=True, eq=False)
class Map:
    """Neutron intensity against momentum and energy. See the module's text for the kinds of map.

    Parameters
    ----------
    intensity : (slice, qh, qk), (q, energy) or (path, energy)
        Masked pixels are stored as NaN.
    axes
        The two image axes in array order (the slice dimension is described by `slices`).
    error
        Standard error, same shape, NaN where masked; None when the measurement gives none.
    mask : bool
        True where nothing is known (gap, masked detector, outside the kinematic range). Pixels whose intensity is NaN are
        masked in any case; infinite values elsewhere are refused.
    slices
        For constant-energy slices: their incident energies and energy windows.
    ei
        For maps with an energy axis: the incident energy in meV, if known.
    path : (n, 3)
        For a cut: the momentum of each path point in r.l.u.
    corners
        For a cut: index of the path point, rising, and label (may be empty) of each corner of its path.
    intensity_unit, material, frame, title
        ``frame`` says in words which cell r.l.u. refer to.
    provenance
        What was done, oldest first.
    warnings
        What a reader had to guess or leave out and the user should check, in sentences. Every analysis of the map repeats them.
    logs
        Further sample logs: name -> (value, unit).
    """

    intensity: np.ndarray
    axes: tuple[Axis, Axis]
    error: np.ndarray | None = None
    mask: np.ndarray = None  # type: ignore[assignment]  # where none is given, it is made of the NaN of the intensity
    slices: Slices | None = None
    ei: float | None = None
    path: np.ndarray | None = None
    corners: tuple[tuple[int, str], ...] = ()
    intensity_unit: str = "arb. units"
    material: str | None = None
    frame: str = ""
    title: str = ""
    provenance: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    logs: Mapping[str, tuple[Any, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        put = partial(object.__setattr__, self)
        put("axes", tuple(self.axes))
        self._require_a_kind()
        shape = tuple(axis.size for axis in self.axes)
        if self.slices is not None:
            shape = (self.slices.size, *shape)
        intensity = _shaped("intensity has", self.intensity, shape)
        mask = np.isnan(intensity)
        if self.mask is not None:
            mask |= _shaped("the mask has", self.mask, shape, bool)
        intensity[mask] = np.nan
        _require_finite(intensity[~mask])
        put("intensity", _frozen(intensity))
        put("mask", _frozen(mask, bool))
        if self.error is not None:
            error = _shaped("the errors have", self.error, shape)
            error[mask] = np.nan
            _require_errors(error[~mask])
            put("error", _frozen(error))
        if self.path is not None:
            put("path", _frozen(self.path))
        put("corners", tuple((int(index), str(label)) for index, label in self.corners))
        self._require_ei()
        self._require_path_and_corners()
        put("provenance", tuple(self.provenance))
        put("warnings", tuple(dict.fromkeys(self.warnings)))
        put("logs", MappingProxyType(dict(self.logs)))

    def _require_a_kind(self) -> None:
        names = tuple(axis.name for axis in self.axes)
        if names not in _KIND_OF_AXES:
            known = ", ".join("(" + ", ".join(k) + ")" for k in _KIND_OF_AXES)
            raise MapError(f"axes {names} are no known kind of map", f"known are {known}", "name and order the axes so")
        if (self.kind == "slices") != (self.slices is not None):
            raise MapError("a map has slices exactly when its axes are (qh, qk)", fix="give the energy window of each slice")

    def _require_ei(self) -> None:
        if self.ei is not None and not (np.isfinite(self.ei) and self.ei > 0):
            raise MapError(f"the incident energy is {self.ei}", "it must be positive and finite", "give Ei in meV, or None where unknown")

    def _require_path_and_corners(self) -> None:
        points = self.axes[0].size if self.kind == "cut" else 0
        if self.path is not None and not (points and self.path.shape == (points, 3)):
            raise MapError(f"the path has shape {self.path.shape}", "a cut needs one (h, k, l) for each of its points")
        places = [index for index, _ in self.corners]
        if places and (places != sorted(set(places)) or not 0 <= places[0] <= places[-1] < points):
            raise MapError(f"the corners are at the points {places}", "they are rising indices of the points of a cut's path")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as what it is made of, for work in other processes: a read-only view of the logs cannot be."""
        given = {one.name: getattr(self, one.name) for one in fields(self)} | {"logs": dict(self.logs)}
        return partial(type(self), **given), ()

    # ---- what it is

    @property
    def kind(self) -> Kind:
        """``slices``, ``powder`` or ``cut``."""
        return _KIND_OF_AXES[self.axes[0].name, self.axes[1].name]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.intensity.shape

    @property
    def masked_fraction(self) -> float:
        return float(np.mean(self.mask))

    def require_slices(self) -> Slices:
        """The slices of a map of constant-energy slices; raises `MapError` for another kind."""
        if self.slices is None:
            raise MapError(f"this {self.kind} map has no slices", "it is no stack of constant-energy slices", "give such slices")
        return self.slices

    def axis(self, name: str) -> Axis:
        """The axis called `name`."""
        for axis in self.axes:
            if axis.name == name:
                return axis
        raise MapError(f"the map has no axis '{name}'", f"it has {', '.join(a.name for a in self.axes)}")

    def __repr__(self) -> str:
        sizes = ([f"{self.slices.size} slices"] if self.slices is not None else []) + [f"{a.name} {a.size}" for a in self.axes]
        warned = f", {len(self.warnings)} warning{'s' if len(self.warnings) > 1 else ''}" if self.warnings else ""
        return f"<Map {self.kind}: {' x '.join(sizes)}, {self.masked_fraction:.0%} masked, {self.intensity_unit}{warned}>"

    # ---- new maps from this one

    def replace(self, *, note: str = "", **changes: Any) -> Map:
        """A copy with other contents; `note` is added to the provenance."""
        if note:
            changes["provenance"] = (*changes.get("provenance", self.provenance), note)
        return dataclasses.replace(self, **changes)

    def with_mask(self, mask: np.ndarray, note: str = "") -> Map:
        """A copy in which the pixels of `mask` are masked as well; one image masks all slices of a stack."""
        given = np.asarray(mask, bool)
        if given.shape not in (self.shape, self.shape[-2:]):
            raise MapError(f"the mask has shape {given.shape}", f"the map has {self.shape}", "give one value for each pixel")
        return self.replace(mask=self.mask | given, note=note)

    def select(self, index: Any) -> Map:
        """The slices at `index` (integer, slice, boolean or integer array), as a stack."""
        if self.slices is None:
            raise MapError("this map has no slices to select", f"it is a {self.kind} map")
        try:
            index = np.atleast_1d(np.arange(self.slices.size)[index])
        except IndexError as error:
            raise MapError("a slice is selected that does not exist", str(error), f"the map has {self.slices.size} slices") from error
        if index.size == 0:
            raise MapError("no slice is selected", fix="select at least one slice")
        return self.replace(
            intensity=self.intensity[index],
            mask=self.mask[index],
            error=None if self.error is None else self.error[index],
            slices=self.slices[index],
        )

    def scaled(self, factor: float) -> Map:
        """Intensity and error times `factor`."""
        if not np.isfinite(factor):
            raise MapError(f"cannot scale a map by {factor}", "every pixel would be lost", "give a finite number")
        return self.replace(intensity=self.intensity * factor, error=None if self.error is None else self.error * abs(factor))

    def __sub__(self, other: Map) -> Map:
        """Difference of two maps on the same axes and in the same unit; masks are united, errors add in quadrature."""
        if not isinstance(other, Map):
            return NotImplemented
        self.require_same_axes(other)
        if self.intensity_unit != other.intensity_unit:
            raise UnitError(
                "cannot subtract the maps", f"their intensities are in {self.intensity_unit} and {other.intensity_unit}", "convert one"
            )
        error = None
        if self.error is not None or other.error is not None:
            error = np.hypot(*(np.zeros(self.shape) if e is None else e for e in (self.error, other.error)))
        return self.replace(intensity=self.intensity - other.intensity, mask=self.mask | other.mask, error=error)

    def require_same_axes(self, other: Map) -> None:
        """Raise `MapError` unless both maps have the same axes and slices."""
        for mine, theirs in zip(self.axes, other.axes, strict=True):
            if mine.unit != theirs.unit:
                raise UnitError(
                    f"axis '{mine.name}' differs", f"its unit is {mine.unit} in one map and {theirs.unit} in the other", "convert one"
                )
            if not mine.matches(theirs):
                raise MapError(
                    f"axis '{mine.name}' differs between the maps", "they do not show the same pixels", "regrid one onto the other"
                )
        if self.kind != other.kind or (self.slices is not None and not self.slices.matches(other.require_slices())):
            raise MapError("the maps have different slices", "their incident energies or energy windows differ", "select the common ones")

    def regrid(self, *axes: Axis, minimum_coverage: float = 0.5) -> Map:
        """Re-bin onto other image axes by overlap of bins.

        The new intensity is the overlap-weighted mean of the unmasked old bins (the intensity is a density),
        errors add in quadrature with the same weights. New bins covered to less than `minimum_coverage` are masked.
        Bins that share an old bin are correlated; the correlation is not kept.

        Raises
        ------
        UnitError
            If a new axis has another unit than the old one.
        MapError
            If the names differ.
        """
        if tuple(a.name for a in axes) != tuple(a.name for a in self.axes):
            raise MapError(f"cannot regrid onto axes {[a.name for a in axes]}", f"the map has {[a.name for a in self.axes]}")
        for old, new in zip(self.axes, axes, strict=True):
            if old.unit != new.unit:
                raise UnitError(f"cannot regrid axis '{old.name}'", f"its unit is {old.unit}, the new one {new.unit}", "convert the axis")
        if self.path is not None:
            raise MapError("cannot regrid a cut", "the momenta of its path points would be lost", "cut the data again on the wanted grid")
        rows, columns = (overlap(old.edges, new.edges) for old, new in zip(self.axes, axes, strict=True))

        def weigh(values: np.ndarray, power: int) -> np.ndarray:
            return np.einsum("ai,...ij,bj->...ab", rows**power, values, columns**power, optimize=True)

        return self._averaged(weigh, minimum_coverage, axes=axes)

    def regrid_slices(self, target: Slices, *, ei_tolerance: float = 0.02, minimum_coverage: float = 0.5) -> Map:
        """Re-bin the slices onto other energy windows, each from the slices of the same incident energy.

        Incident energies count as the same within the relative `ei_tolerance`; an unknown one (NaN) fits any. A target window
        that the measured slices cover to less than `minimum_coverage` of its width is masked: nothing is invented.
        """
        if self.slices is None:
            raise MapError("cannot regrid slices", f"this {self.kind} map has none", "cut constant-energy slices first")
        old = self.slices
        low = np.maximum(target.energy_min[:, None], old.energy_min)
        high = np.minimum(target.energy_max[:, None], old.energy_max)
        weights = np.clip(high - low, 0, None) / (target.energy_max - target.energy_min)[:, None]
        difference = np.abs(old.ei - target.ei[:, None]) / np.where(np.isfinite(target.ei), target.ei, 1.0)[:, None]
        weights[difference > ei_tolerance] = 0  # a NaN difference (unknown Ei) compares False and stays

        def weigh(values: np.ndarray, power: int) -> np.ndarray:
            return np.tensordot(weights**power, values, axes=1)

        return self._averaged(weigh, minimum_coverage, slices=target)

    def _averaged(self, weigh: Callable[[np.ndarray, int], np.ndarray], minimum_coverage: float, **changes: Any) -> Map:
        good = ~self.mask
        coverage = weigh(good.astype(float), 1)
        mask = coverage < max(minimum_coverage, 1e-9)
        total = np.where(mask, 1.0, coverage)
        intensity = weigh(np.where(good, self.intensity, 0.0), 1) / total
        error = None if self.error is None else np.sqrt(weigh(np.where(good, self.error, 0.0) ** 2, 2)) / total
        return self.replace(intensity=intensity, mask=mask, error=error, **changes)

    # ---- to and from plain arrays (files, the pipe to the worker)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """A JSON-able description and the arrays by name; `from_arrays` is the inverse."""
        arrays = {"intensity": self.intensity, "mask": self.mask}
        if self.error is not None:
            arrays["error"] = self.error
        if self.path is not None:
            arrays["path"] = self.path
        for axis in self.axes:
            arrays[f"axis_{axis.name}"] = axis.values
        if self.slices is not None:
            arrays |= {"ei": self.slices.ei, "energy_min": self.slices.energy_min, "energy_max": self.slices.energy_max}
        head = {
            "axes": [{"name": a.name, "unit": a.unit, "is_edges": a.is_edges, "label": a.label} for a in self.axes],
            "ei": self.ei,
            "corners": [list(corner) for corner in self.corners],
            "provenance": list(self.provenance),
            "warnings": list(self.warnings),
            "logs": {k: [v, unit] for k, (v, unit) in self.logs.items()},
        }
        head |= {name: getattr(self, name) for name in ("intensity_unit", "material", "frame", "title")}
        return json_value(head), arrays

    @classmethod
    def from_arrays(cls, head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Map:
        """The map that `to_arrays` described."""
        return cls(
            intensity=arrays["intensity"],
            mask=arrays["mask"],
            error=arrays.get("error"),
            path=arrays.get("path"),
            axes=tuple(Axis(values=arrays[f"axis_{a['name']}"], **a) for a in head["axes"]),  # type: ignore[arg-type]
            slices=Slices(arrays["ei"], arrays["energy_min"], arrays["energy_max"]) if "energy_min" in arrays else None,
            ei=head["ei"],
            corners=tuple((index, label) for index, label in head.get("corners", ())),
            provenance=tuple(head["provenance"]),
            warnings=tuple(head.get("warnings", ())),
            logs={k: (v[0], v[1]) for k, v in head["logs"].items()},
            **{name: head[name] for name in ("intensity_unit", "material", "frame", "title")},
        )


def stack(maps: Iterable[Map]) -> Map:
    """One stack of all the slices of `maps`, which must share their image axes, intensity unit, material and frame.

    Where some maps have errors and some have none the stack could not say which errors are known, so this raises; a map without a
    single unmasked pixel goes with either.
    Sample logs that differ between the maps are kept as a text of their different values, or left out when they are arrays.
    """
    maps = list(maps)
    if not maps:
        raise MapError("there is nothing to stack", fix="give at least one map")
    first = maps[0]
    for one in maps:
        if one.slices is None:
            raise MapError("cannot stack the maps", f"one is a {one.kind} map without an energy window", "give constant-energy slices")
        for mine, theirs in zip(first.axes, one.axes, strict=True):
            if not mine.matches(theirs):
                raise MapError(
                    f"cannot stack the maps: axis '{mine.name}' differs", "they do not show the same pixels", "cut them on the same grid"
                )
        if one.intensity_unit != first.intensity_unit:
            raise UnitError(
                "cannot stack the maps", f"their intensities are in {first.intensity_unit} and {one.intensity_unit}", "convert one"
            )
    known = {one.error is not None for one in maps if not one.mask.all()}
    if len(known) > 1:
        raise MapError("cannot stack the maps", "some have errors and some have none", "give errors for all of them, or for none")
    described = {}
    for name in ("material", "frame"):
        values = sorted({getattr(one, name) for one in maps if getattr(one, name)})
        if len(values) > 1:
            raise MapError(f"cannot stack the maps: their {name} differs", f"it is {' and '.join(values)}", "stack only maps of one sample")
        described[name] = values[0] if values else getattr(first, name)
    ei, low, high = (np.concatenate([getattr(m.slices, n) for m in maps]) for n in ("ei", "energy_min", "energy_max"))
    return first.replace(
        intensity=np.concatenate([m.intensity for m in maps]),
        mask=np.concatenate([m.mask for m in maps]),
        error=np.concatenate([np.full(m.shape, np.nan) if m.error is None else m.error for m in maps]) if True in known else None,
        slices=Slices(ei, low, high),
        provenance=tuple(dict.fromkeys(line for m in maps for line in m.provenance)),
        warnings=tuple(dict.fromkeys(line for m in maps for line in m.warnings)),
        logs=_joined_logs([m.logs for m in maps]),
        **described,
    )


def _joined_logs(logs: Sequence[Mapping[str, tuple[Any, str]]]) -> dict[str, tuple[Any, str]]:
    joined: dict[str, tuple[Any, str]] = {}
    for name in dict.fromkeys(name for one in logs for name in one):
        values = [one[name] for one in logs if name in one]
        if any(np.ndim(value) for value, _ in values):
            if len(values) == len(logs) and all(np.array_equal(value, values[0][0]) and unit == values[0][1] for value, unit in values):
                joined[name] = values[0]
        elif len(set(values)) == 1:
            joined[name] = values[0]
        else:
            different = ", ".join(dict.fromkeys(str(value) for value, _ in values))
            joined[name] = (different, values[0][1] if len({unit for _, unit in values}) == 1 else "")
    return joined


def json_value(value: Any) -> Any:
    """As JSON can hold it: numpy's numbers and arrays as Python's, tuples as lists, within lists and dictionaries too."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {name: json_value(one) for name, one in value.items()}
    return [json_value(one) for one in value] if isinstance(value, list | tuple) else value


def overlap(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Fraction of each new bin covered by each old bin, (new, old), from bin edges."""
    low = np.maximum(new[:-1, None], old[None, :-1])
    high = np.minimum(new[1:, None], old[None, 1:])
    return np.clip(high - low, 0, None) / np.diff(new)[:, None]
