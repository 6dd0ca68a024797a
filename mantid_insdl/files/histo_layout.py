"""How a `Map` lies in an MDHistoWorkspace: (H, K, DeltaE) as a stack of slices, (\\|Q\\|, DeltaE) as a powder map, cuts.

Pure numpy, and used for files as well as for workspaces in memory. Dimensions along any direction, such as [H,H,0], [-0.5K,K,0] (MDNorm) or
['zeta', 'zeta', 0] (CutMD), are taken; their units may be Mantid's unit IDs, DeltaE and MomentumTransfer, as ConvertToMD leaves them.
Dimensions of one bin are integrated over, whatever they are: their ranges go into the provenance.

Sources: Mantid's MDHistoWorkspace.cpp, MDWSTransform.cpp, CutMD.cpp, MDNorm.cpp, TransformMD.cpp and DisplayNormalizationSetter.cpp. The
map shows what Mantid shows: by its display normalisation the signal is divided by the number of events or by the volume of a bin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mantid_insdl.errors import MapError, UnitError
from mantid_insdl.files.log_values import averaged
from mantid_insdl.files.normalization import NO_NORMALIZATION, normalized, require_normalization
from mantid_insdl.files.projections import axes_of_maps, cell_reciprocal, onto_h_and_k
from mantid_insdl.files.sentinels import mask_sentinels
from mantid_insdl.files.workspace_layout import (
    MEV_PER_WAVENUMBER,
    OWN_LOGS,
    WINDOW_LOGS,
    described,
    direction_of,
    energy_window,
    incident_energy,
    name_of,
    unit_of,
)
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices

_UNITS = {"momentum": RLU, "q": PER_ANGSTROM, "energy": MEV}
_WAVENUMBERS = ("DeltaE_inWavenumber", "cm^-1")
_SLICING = "BinMD, or IntegrateMDHistoWorkspace"


@dataclass(frozen=True, eq=False)
class HistoDimension:
    """One dimension as Mantid describes it: its name, its edges (n + 1,), and unit and frame in Mantid's words.

    `direction` is (h, k, l) of one unit along it, where that is known apart from the name.
    """

    label: str
    edges: np.ndarray
    unit: str
    frame: str = ""
    direction: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class HistoData:
    """The contents of an MDHistoWorkspace.

    Parameters
    ----------
    dimensions
        In the order of the arrays' axes, the one that Mantid counts slowest first.
    signal, variance, events, mask
        Of one shape; `mask` is True where a bin is masked besides being NaN.
    normalization
        `NO_NORMALIZATION`, `VOLUME` or `EVENTS`.
    reciprocal : (3, 3)
        Reciprocal vectors of the sample's cell in 1/angstrom as rows; None where it has no oriented lattice.
    reversed_q
        The convention of Q is the crystallographic one, kf - ki.
    origin : (3,)
        (h, k, l) where all momenta along the dimensions are zero.
    summed
        The signal is known to be a sum over events that has not been divided by anything.
    """

    dimensions: tuple[HistoDimension, ...]
    signal: np.ndarray
    variance: np.ndarray
    events: np.ndarray
    mask: np.ndarray
    normalization: int = NO_NORMALIZATION
    reciprocal: np.ndarray | None = None
    logs: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    reversed_q: bool = False
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    summed: bool = False
    title: str = ""


@dataclass(frozen=True, eq=False)
class _Dimension:
    """A dimension whose meaning is known; of a momentum in r.l.u., `direction` is (h, k, l) of one unit along it."""

    kind: str  # momentum, q, energy, other
    edges: np.ndarray
    label: str
    unit: str
    direction: tuple[float, float, float] | None = None

    @property
    def size(self) -> int:
        return self.edges.size - 1

    @property
    def centre(self) -> float:
        return float(0.5 * (self.edges[0] + self.edges[-1]))


def to_map(data: HistoData, *, ei: float | None = None, material: str | None = None) -> Map:
    """The map that an MDHistoWorkspace holds; two momenta without an energy are a stack of one slice.

    Momenta in 1/angstrom along directions at right angles are brought to r.l.u. by the cell of the sample, or of the material.

    Parameters
    ----------
    data
        The contents of the workspace.
    ei
        Incident energy in meV where the logs have none.
    material
        Name or file: whose cell to take where momenta are in 1/angstrom and the sample has no oriented lattice, and along which directions
        Qh and Qk of its maps lie.

    Raises
    ------
    MapError, UnitError
        Dimensions that make no map, one without a known unit, counts without a normalisation.
    """
    dimensions = [_understood(d) for d in data.dimensions]
    own = described(data.logs)
    mask, warnings = mask_sentinels(data.signal, np.sqrt(np.abs(data.variance)), data.mask)
    if np.any(data.variance[~mask & np.isfinite(data.signal)] < 0):
        raise MapError("it has negative variances", "an error is their square root", "make it again, or save it again with SaveMD")
    require_normalization(data.signal, data.events, mask, how=data.normalization, summed=data.summed)
    intensity, error, mask, note = normalized(
        data.signal, np.sqrt(np.abs(data.variance)), mask, events=data.events, how=data.normalization, edges=[d.edges for d in dimensions]
    )
    ei, ei_note = incident_energy(data.logs, ei)
    notes = (*own.pop("provenance", ()), *(n for n in (note, ei_note) if n))
    warnings = (*own.pop("warnings", ()), *warnings)
    material = material or own.get("material")
    origin = np.array(data.origin, float)
    dimensions, cell_notes = _in_rlu(dimensions, data.reciprocal, material)
    dimensions, origin, frame_notes = _in_frame_of_maps(dimensions, origin, material)
    notes += cell_notes + frame_notes
    falling = [d.edges[0] > d.edges[-1] for d in dimensions]
    if any(falling):  # as TransformMD with a negative scale leaves them
        names = ", ".join(d.label for d, turned in zip(dimensions, falling, strict=True) if turned)
        dimensions = [replace(d, edges=d.edges[::-1]) if turned else d for d, turned in zip(dimensions, falling, strict=True)]
        intensity, error, mask = (np.flip(array, tuple(np.flatnonzero(falling))) for array in (intensity, error, mask))
        notes = (*notes, f"bins of {names} fall and were turned, with their intensities")
    if data.reversed_q:
        momenta = [d.kind == "momentum" for d in dimensions]
        dimensions = [replace(d, edges=-d.edges[::-1]) if turned else d for d, turned in zip(dimensions, momenta, strict=True)]
        origin = -origin
        intensity, error, mask = (np.flip(array, tuple(np.flatnonzero(momenta))) for array in (intensity, error, mask))
        notes = (*notes, "H, K and L reversed: the data have the crystallographic convention of Q, kf - ki")
    m = _to_map(dimensions, intensity, error, mask, origin=origin, ei=ei, logs=data.logs, notes=notes, warnings=warnings)
    return m.replace(title=data.title, **own)


def places(data: HistoData, *, material: str | None = None) -> np.ndarray | None:
    """Where each pixel of the map lies in the workspace, as indices of its flattened arrays, in the map's shape.

    None where pixels were re-binned or bins left out, so that there is no such place.
    """
    numbers = np.arange(data.signal.size, dtype=float).reshape(data.signal.shape)
    ones, nothing = np.ones(numbers.shape), np.zeros(numbers.shape, bool)
    counted = replace(data, signal=numbers, variance=ones, events=ones, mask=nothing, normalization=NO_NORMALIZATION)
    found = to_map(counted, material=material).intensity
    exact = found.size == numbers.size and np.array_equal(np.sort(found, axis=None), numbers.ravel())
    return found.astype(int) if exact else None


# ---- dimensions


def _understood(dimension: HistoDimension) -> _Dimension:
    label, edges = dimension.label, np.asarray(dimension.edges, float)
    if edges.size < 2 or not np.all(np.isfinite(edges)) or not (np.all(np.diff(edges) > 0) or np.all(np.diff(edges) < 0)):
        raise MapError(
            f"the dimension '{label}' has edges that neither rise nor fall", "its bins would overlap", "bin the data again with BinMD"
        )
    kind, direction = kind_of(label)
    if dimension.direction is not None:
        return _Dimension("momentum", edges, label, RLU, dimension.direction)
    if kind == "other":
        return _Dimension(kind, edges, label, dimension.unit)
    if kind == "energy" and dimension.unit in _WAVENUMBERS:
        return _Dimension(kind, edges * MEV_PER_WAVENUMBER, label, MEV)
    unit = unit_of(dimension.unit, of_hkl=dimension.frame == "HKL")
    expected = _UNITS[kind]
    if unit != expected and not (kind == "momentum" and unit == PER_ANGSTROM):
        stated = f"its unit is '{dimension.unit}' and not {expected}" if dimension.unit else "it has no unit"
        raise UnitError(f"the dimension '{label}' cannot be used", stated, "bin the data again, with its unit")
    return _Dimension(kind, edges, label, unit, direction)


def _in_rlu(dimensions: list[_Dimension], reciprocal: np.ndarray | None, material: str | None) -> tuple[list[_Dimension], tuple[str, ...]]:
    """Momenta in 1/angstrom, as CutMD and ConvertToMD can write them, in r.l.u. along their direction; and a note on whose cell it was."""
    momenta = [d for d in dimensions if d.kind == "momentum"]
    absolute = [d for d in momenta if d.unit == PER_ANGSTROM]
    if not absolute:
        return dimensions, ()
    whose = "the sample"
    if reciprocal is None and material is not None:
        reciprocal, whose = cell_reciprocal(material), material
    if reciprocal is None:
        raise UnitError(
            f"the dimension '{absolute[0].label}' cannot be used",
            "it is in 1/angstrom and not r.l.u., and the sample has no oriented lattice",
            "name the material (--material, or the sample log insdl_material), or cut in r.l.u.",
        )
    vectors = np.array([d.direction for d in momenta]) @ reciprocal
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = vectors @ vectors.T / np.outer(lengths, lengths) - np.eye(len(momenta))
    if np.abs(cosines).max() > 1e-3:
        raise UnitError(
            f"the dimension '{absolute[0].label}' cannot be used",
            f"it is in 1/angstrom, and in the cell of {whose} its direction is not at right angles to the others",
            "cut in r.l.u.",
        )
    length = {d.label: one for d, one in zip(momenta, lengths, strict=True)}
    dimensions = [replace(d, edges=d.edges / length[d.label], unit=RLU) if d in absolute else d for d in dimensions]
    return dimensions, (f"momenta brought from 1/angstrom to r.l.u. of the cell of {whose}",)


def _in_frame_of_maps(
    dimensions: list[_Dimension], origin: np.ndarray, material: str | None
) -> tuple[list[_Dimension], np.ndarray, tuple[str, ...]]:
    """Directions and origin in the coordinates of the material's maps, where its file says that their axes are others than H, K and L."""
    axes = None if material is None else axes_of_maps(material)
    if axes is None or not any(d.kind == "momentum" for d in dimensions):
        return dimensions, origin, ()
    inverse = np.linalg.inv(axes)
    turned = [
        replace(d, direction=_triple(np.round(np.array(d.direction) @ inverse, 9))) if d.kind == "momentum" else d for d in dimensions
    ]
    written = [f"({', '.join(f'{x:g}' for x in row)})" for row in axes[:2]]
    note = f"Qh along {written[0]} and Qk along {written[1]} in r.l.u., as the material {material} says"
    return turned, origin @ inverse, (note,)


def _triple(vector: np.ndarray) -> tuple[float, float, float]:
    h, k, third = vector.tolist()
    return h, k, third


def kind_of(label: str) -> tuple[str, tuple[float, float, float] | None]:
    """What a dimension is, by its name, and of a momentum its direction in (h, k, l)."""
    name, direction = name_of(label), direction_of(label)
    if direction is None:
        letter = {"qh": 0, "qk": 1}.get(name, 2 if name == "path" and label.strip().lower().lstrip("q") == "l" else None)
        direction = None if letter is None else _triple(np.eye(3)[letter])
    if direction is not None:
        return "momentum", direction
    return (name if name in ("q", "energy") else "other"), None


def _to_map(
    dimensions: list[_Dimension],
    intensity: np.ndarray,
    error: np.ndarray,
    mask: np.ndarray,
    *,
    origin: np.ndarray,
    ei: float | None,
    logs: Mapping[str, tuple[Any, str]],
    notes: tuple[str, ...],
    warnings: tuple[str, ...],
) -> Map:
    momenta = [d for d in dimensions if d.kind == "momentum"]
    energy, q = (next((d for d in dimensions if d.kind == kind), None) for kind in ("energy", "q"))
    _require_different(dimensions, momenta)
    along = [d for d in momenta if d.size > 1]
    if not along and q is None:
        along = momenta[-1:]  # a spectrum at one momentum, or of one bin of momentum, is a cut of one point
    shown = _shown(dimensions, along, energy, q)
    integrated = [d for d in dimensions if d not in shown]
    for d in integrated:
        notes = (*notes, f"integrated over {d.label} from {d.edges[0]:g} to {d.edges[-1]:g} {d.unit}".rstrip())
    places = [dimensions.index(d) for d in shown]
    rest = [i for i in range(len(dimensions)) if i not in places]
    intensity, error, mask = (
        array.transpose(*places, *rest).reshape([array.shape[i] for i in places]) for array in (intensity, error, mask)
    )
    # (h, k, l) where the dimensions along which the map runs are zero
    origin = sum((d.centre * np.array(d.direction) for d in momenta if d not in along), origin)
    good = ~mask & np.isfinite(intensity)
    has_errors = bool(np.any(error[good] != 0))
    common: dict[str, Any] = {
        "logs": {name: (averaged(value), unit) for name, (value, unit) in logs.items() if name not in ("Ei", *OWN_LOGS)}
    }
    if len(along) == 2:
        if energy is None:
            intensity, error, mask = intensity[np.newaxis], error[np.newaxis], mask[np.newaxis]
        if energy is not None:
            window: Any = energy.edges
        elif not any(low in logs and high in logs for low, high in WINDOW_LOGS):
            raise MapError(
                "a (Qh, Qk) slice has no energy window",
                "there is no dimension DeltaE, and the sample logs energy_min and energy_max are missing",
                "bin the data with DeltaE as a dimension of one bin",
            )
        else:
            *window, _, note = energy_window(logs)
            notes = (*notes, note) if note else notes
        basis = np.array([d.direction for d in along])[:, :2]
        plane = onto_h_and_k(intensity, error, mask, (along[0].edges, along[1].edges), basis, origin[:2])
        if plane.rebinned:
            names = " and ".join(d.label for d in along)
            warnings = (*warnings, f"The slices along {names} were re-binned onto [H,0,0] and [0,K,0]; neighbouring pixels are correlated.")
        return Map(
            plane.intensity,
            (Axis("qh", RLU, plane.qh, is_edges=True), Axis("qk", RLU, plane.qk, is_edges=True)),
            error=plane.error if has_errors else None,
            mask=plane.mask,
            slices=Slices.from_bins([np.nan if ei is None else ei], [window]),
            provenance=notes,
            warnings=warnings,
            **common,
        )
    common |= {"error": error if has_errors else None, "mask": mask, "ei": ei, "provenance": notes, "warnings": warnings}
    energy_axis = Axis("energy", MEV, energy.edges, is_edges=True)  # type: ignore[union-attr]  # `_shown` has seen that it is there
    if not along:
        momentum = Axis("q", PER_ANGSTROM, q.edges, is_edges=True)  # type: ignore[union-attr]  # the same
        return Map(intensity, (momentum, energy_axis), **common)
    centres = 0.5 * (along[0].edges[1:] + along[0].edges[:-1])
    path = origin + centres[:, np.newaxis] * np.array(along[0].direction) if len(momenta) == 3 else None  # else: not all of it is known
    return Map(intensity, (Axis("path", RLU, along[0].edges, is_edges=True, label=along[0].label), energy_axis), path=path, **common)


def _require_different(dimensions: Sequence[_Dimension], momenta: Sequence[_Dimension]) -> None:
    kinds = [d.kind for d in dimensions if d.kind in ("q", "energy")]
    directions = np.array([d.direction for d in momenta]).reshape(-1, 3)
    if len(set(kinds)) != len(kinds) or np.linalg.matrix_rank(directions) < len(momenta):
        raise MapError("two dimensions are the same", ", ".join(d.label for d in dimensions), "project onto different directions")


def _leaves_plane(dimension: _Dimension) -> bool:
    return dimension.direction is not None and dimension.direction[2] != 0


def _shown(dimensions: list[_Dimension], along: list[_Dimension], energy: _Dimension | None, q: _Dimension | None) -> list[_Dimension]:
    """The dimensions of the map in its order; `MapError` where it would have others with more than one bin."""
    if len(along) == 2 and not any(_leaves_plane(d) for d in along):
        shown = [energy, *along] if energy is not None else along
    elif len(along) == 1 and energy is not None:
        shown = [along[0], energy]
    elif not along and q is not None and energy is not None:
        shown = [q, energy]
    else:
        shown = []
    if shown and all(d.size == 1 or d in shown for d in dimensions):
        return shown
    summary = "its dimensions make no map: " + ", ".join(f"{d.label} ({d.size} bins)" for d in dimensions)
    strange = [d.label for d in dimensions if d.kind == "other" and d.size > 1]
    if strange and strange[0].startswith(("Q_sample_", "Q_lab_")):
        raise MapError(
            summary,
            f"'{strange[0]}' is a Cartesian component of Q, of which the cell of the sample knows the (h, k, l)",
            "bin with MDNorm, or convert the events with ConvertToMD(..., Q3DFrames='HKL', QConversionScales='HKL')",
        )
    if strange:
        raise MapError(
            summary,
            f"'{strange[0]}' is none this package knows (a direction such as [H,H,0], |Q| or DeltaE)",
            f"integrate over it, or project onto such directions, with {_SLICING}",
        )
    if len(along) > 2:
        names = ", ".join(d.label for d in along)
        raise MapError(
            summary, f"a slice has two directions, and {names} all have several bins", f"give one of them a single bin with {_SLICING}"
        )
    if len(along) == 2 and any(_leaves_plane(d) for d in along):
        names = " and ".join(d.label for d in along)
        raise MapError(
            summary,
            f"slices are known in the plane of H and K, and {names} leave it",
            "integrate over one of the two for a cut along the other with DeltaE, or cut slices along [H,0,0] and [0,K,0]; "
            "a material file of your own may say that Qh and Qk of its maps lie along these two (map: axes)",
        )
    raise MapError(
        summary,
        "known are slices along two directions of the (H, K) plane with or without DeltaE, |Q| with DeltaE, and one direction with DeltaE",
        f"cut in Mantid with {_SLICING} so that one of these remains",
    )
