"""SaveMD files of an MDHistoWorkspace: (H, K, DeltaE) as a stack of slices, (\\|Q\\|, DeltaE) as a powder map, cuts.

Dimensions along any direction, such as [H,H,0], [-0.5K,K,0] (MDNorm) or ['zeta', 'zeta', 0] (CutMD), are taken; their units may be
Mantid's unit IDs, DeltaE and MomentumTransfer, as ConvertToMD leaves them. Dimensions of one bin are integrated over, whatever they are.

Sources: Mantid's SaveMD2.cpp, LoadMD.cpp, MDHistoWorkspace.cpp, MDWSTransform.cpp, CutMD.cpp, MDNorm.cpp and TransformMD.cpp. The arrays
run slowest dimension first; errors are stored as variances; the mask is 1 where masked. What the file shows is what Mantid shows: with
``visual_normalization`` 2 (number of events) the signal is divided by ``num_events``, with 1 (volume) by the volume of a bin; and files in
the crystallographic convention of Q are turned to the inelastic one, Q = ki - kf, as LoadMD does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mantid_insdl.errors import FileFormatError, MapError, UnitError
from mantid_insdl.files._hdf5 import attribute, dataset, groups, open_hdf5, read_array, where
from mantid_insdl.files.log_values import plain
from mantid_insdl.files.nexus_processed import read_logs
from mantid_insdl.files.projections import frame_reciprocal, onto_h_and_k
from mantid_insdl.files.sentinels import mask_sentinels
from mantid_insdl.files.workspace_layout import MEV_PER_WAVENUMBER, direction_of, energy_window, incident_energy, name_of, unit_of
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices
from mantid_insdl.spinwave.lattice import Lattice

if TYPE_CHECKING:
    import h5py

_VOLUME, _EVENTS = 1, 2
_UNITS = {"momentum": RLU, "q": PER_ANGSTROM, "energy": MEV}
_WAVENUMBERS = ("DeltaE_inWavenumber", "cm^-1")


@dataclass(frozen=True, eq=False)
class _Dimension:
    """A dimension with rising edges; of a momentum in r.l.u., `direction` is (h, k, l) of one unit along it."""

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


def read(path: str | Path, *, ei: float | None = None, material: str | None = None) -> Map:
    """The map in a SaveMD file. Dimensions of one bin are integrated: their ranges go into the provenance.

    Momenta in 1/angstrom along directions at right angles are brought to r.l.u. by the cell of the file's sample, or of the material.

    Parameters
    ----------
    path
        The file.
    ei
        Incident energy in meV where the file's logs have none.
    material
        Whose cell to take where momenta are in 1/angstrom and the file has no oriented lattice.

    Raises
    ------
    FileFormatError
        The file is damaged or incomplete.
    MapError, UnitError
        Dimensions that make no map, or one without a known unit.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        top = file["MDHistoWorkspace"]
        if "data" not in groups(top):
            raise FileFormatError(f"'{path.name}' is not complete", "it has no group 'MDHistoWorkspace/data'", "save it again with SaveMD")
        data = top["data"]
        signal, variance = read_array(data, "signal"), read_array(data, "errors_squared")
        events = read_array(data, "num_events") if "num_events" in data else np.ones(signal.shape)
        mask = read_array(data, "mask") != 0 if "mask" in data else np.zeros(signal.shape, bool)
        dimensions = [_dimension(data, name) for name in _dimension_names(data)]
        normalization = int(read_array(top, "visual_normalization").ravel()[0]) if "visual_normalization" in top else 0
        reversed_q = attribute(top, "QConvention") == "Crystallography"
        experiments = [group for name, group in groups(top).items() if re.match(r"experiment\d+$", name)]
        logs = read_logs(experiments[0]) if experiments else {}
        reciprocal = _sample_reciprocal(experiments[0]) if experiments else None
    shape = tuple(d.size for d in dimensions)
    if not signal.shape == variance.shape == events.shape == mask.shape == shape:
        raise FileFormatError(
            f"'{path.name}' contradicts itself",
            f"signal {signal.shape}, errors_squared {variance.shape}, num_events {events.shape}, mask {mask.shape}, dimensions {shape}",
            "save it again with SaveMD",
        )
    mask, warnings = mask_sentinels(signal, np.sqrt(np.abs(variance)), mask)
    if np.any(variance[~mask & np.isfinite(signal)] < 0):
        raise MapError("it has negative variances", "an error is their square root", "save it again with SaveMD")
    intensity, error, mask, note = _normalized(
        signal, np.sqrt(np.abs(variance)), mask, events=events, how=normalization, dimensions=dimensions
    )
    ei, ei_note = incident_energy(logs, ei)
    notes = tuple(n for n in (note, ei_note) if n)
    dimensions, cell_note = _in_rlu(dimensions, reciprocal, material)
    notes += cell_note
    falling = [d.edges[0] > d.edges[-1] for d in dimensions]
    if any(falling):  # as TransformMD with a negative scale leaves them
        names = ", ".join(d.label for d, turned in zip(dimensions, falling, strict=True) if turned)
        dimensions = [replace(d, edges=d.edges[::-1]) if turned else d for d, turned in zip(dimensions, falling, strict=True)]
        intensity, error, mask = (np.flip(array, np.flatnonzero(falling)) for array in (intensity, error, mask))
        notes = (*notes, f"bins of {names} fall in the file and were turned, with their intensities")
    if reversed_q:
        momenta = [d.kind == "momentum" for d in dimensions]
        dimensions = [replace(d, edges=-d.edges[::-1]) if turned else d for d, turned in zip(dimensions, momenta, strict=True)]
        intensity, error, mask = (np.flip(array, np.flatnonzero(momenta)) for array in (intensity, error, mask))
        notes = (*notes, "H, K and L reversed: the file has the crystallographic convention of Q, kf - ki")
    return _to_map(dimensions, intensity, error, mask, ei=ei, logs=logs, notes=notes, warnings=warnings)


def _dimension_names(data: h5py.Group) -> list[str]:
    """The dimensions in array order, from the attribute ``axes`` of the signal."""
    axes = attribute(data["signal"], "axes")
    names = [name for name in axes.split(":") if name]  # not at commas: a dimension may be called [H,0,0]
    missing = [name for name in names if name not in data]
    if not names or missing:
        raise FileFormatError(
            f"'{where(data).name}' does not name its dimensions",
            f"the signal's axes are '{axes}'" + (f" and {', '.join(missing)} is missing" if missing else ""),
            "save it again with SaveMD",
        )
    return names


def _dimension(data: h5py.Group, key: str) -> _Dimension:
    edges = read_array(data, key, ndim=1)
    label = attribute(data[key], "long_name") or key
    unit_text, frame = attribute(data[key], "units"), attribute(data[key], "frame")
    if edges.size < 2 or not np.all(np.isfinite(edges)) or not (np.all(np.diff(edges) > 0) or np.all(np.diff(edges) < 0)):
        raise MapError(
            f"the dimension '{label}' has edges that neither rise nor fall", "its bins would overlap", "save it again with SaveMD"
        )
    kind, direction = _kind(label)
    if kind == "other":
        return _Dimension(kind, edges, label, unit_text)
    if kind == "energy" and unit_text in _WAVENUMBERS:
        return _Dimension(kind, edges * MEV_PER_WAVENUMBER, label, MEV)
    unit = unit_of(unit_text, of_hkl=frame == "HKL")
    expected = _UNITS[kind]
    if unit != expected and not (kind == "momentum" and unit == PER_ANGSTROM):
        stated = f"its unit is '{unit_text}' and not {expected}" if unit_text else "it has no unit"
        raise UnitError(f"the dimension '{label}' cannot be used", stated, "save it from Mantid with its unit")
    return _Dimension(kind, edges, label, unit, direction)


def _sample_reciprocal(experiment: h5py.Group) -> np.ndarray | None:
    """Reciprocal vectors of the sample's cell in 1/angstrom as rows; None where the file has no oriented lattice."""
    sample = groups(experiment).get("sample")
    node = None if sample is None else groups(sample).get("oriented_lattice")
    names = [f"unit_cell_{name}" for name in ("a", "b", "c", "alpha", "beta", "gamma")]
    if node is None or any(dataset(node, name) is None for name in names):
        return None
    values = [read_array(node, name).ravel() for name in names]
    return Lattice(*(float(value[0]) for value in values)).reciprocal if all(value.size for value in values) else None


def _in_rlu(dimensions: list[_Dimension], reciprocal: np.ndarray | None, material: str | None) -> tuple[list[_Dimension], tuple[str, ...]]:
    """Momenta in 1/angstrom, as CutMD and ConvertToMD can write them, in r.l.u. along their direction; and a note on whose cell it was."""
    momenta = [d for d in dimensions if d.kind == "momentum"]
    absolute = [d for d in momenta if d.unit == PER_ANGSTROM]
    if not absolute:
        return dimensions, ()
    whose = "the file's sample"
    if reciprocal is None and material is not None:
        reciprocal, whose = frame_reciprocal(material), material
    if reciprocal is None:
        raise UnitError(
            f"the dimension '{absolute[0].label}' cannot be used",
            "it is in 1/angstrom and not r.l.u., and the file has no oriented lattice",
            "name the material (--material), or cut in r.l.u.",
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


def _kind(label: str) -> tuple[str, tuple[float, float, float] | None]:
    """What a dimension is, by its name, and of a momentum its direction in (h, k, l)."""
    name, direction = name_of(label), direction_of(label)
    if direction is None:
        letter = {"qh": 0, "qk": 1}.get(name, 2 if name == "path" and label.strip().lower().lstrip("q") == "l" else None)
        direction = None if letter is None else tuple(float(i == letter) for i in range(3))
    if direction is not None:
        return "momentum", direction
    return (name if name in ("q", "energy") else "other"), None


def _normalized(
    signal: np.ndarray, error: np.ndarray, mask: np.ndarray, *, events: np.ndarray, how: int, dimensions: list[_Dimension]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    if np.any(events > 0):  # where events are counted, no event and no signal means not measured
        mask = mask | ((events == 0) & (signal == 0))
    if how == _EVENTS and np.any(events > 0):
        divisor = np.where(events > 0, events, np.nan)
        return signal / divisor, error / divisor, mask, "signal divided by the number of events"
    if how == _VOLUME:
        volume = np.array(1.0)
        for d in dimensions:
            volume = np.multiply.outer(volume, np.abs(np.diff(d.edges)))
        return signal / volume, error / volume, mask, "signal divided by the volume of a bin"
    return signal, error, mask, ""


def _to_map(
    dimensions: list[_Dimension],
    intensity: np.ndarray,
    error: np.ndarray,
    mask: np.ndarray,
    *,
    ei: float | None,
    logs: dict[str, tuple[Any, str]],
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
    origin = sum((d.centre * np.array(d.direction) for d in momenta if d not in along), np.zeros(3))
    good = ~mask & np.isfinite(intensity)
    has_errors = bool(np.any(error[good] != 0))
    common = {"logs": {name: (plain(value), unit) for name, (value, unit) in logs.items() if name != "Ei"}}
    if len(along) == 2:
        if energy is None:
            intensity, error, mask = intensity[np.newaxis], error[np.newaxis], mask[np.newaxis]
        if energy is not None:
            window = energy.edges
        else:
            *window, _, note = energy_window(logs)
            window, notes = np.array(window), (*notes, note) if note else notes
        basis = np.array([d.direction[:2] for d in along])
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
    energy_axis = Axis("energy", MEV, energy.edges, is_edges=True)
    if not along:
        return Map(intensity, (Axis("q", PER_ANGSTROM, q.edges, is_edges=True), energy_axis), **common)
    centres = 0.5 * (along[0].edges[1:] + along[0].edges[:-1])
    path = origin + centres[:, np.newaxis] * np.array(along[0].direction) if len(momenta) == 3 else None  # else: not all of it is known
    return Map(intensity, (Axis("path", RLU, along[0].edges, is_edges=True, label=along[0].label), energy_axis), path=path, **common)


def _require_different(dimensions: list[_Dimension], momenta: list[_Dimension]) -> None:
    kinds = [d.kind for d in dimensions if d.kind in ("q", "energy")]
    directions = np.array([d.direction for d in momenta]).reshape(-1, 3)
    if len(set(kinds)) != len(kinds) or np.linalg.matrix_rank(directions) < len(momenta):
        raise MapError("two dimensions are the same", ", ".join(d.label for d in dimensions), "project onto different directions")


def _shown(dimensions: list[_Dimension], along: list[_Dimension], energy: _Dimension | None, q: _Dimension | None) -> list[_Dimension]:
    """The dimensions of the map in its order; `MapError` where it would have others with more than one bin."""
    if len(along) == 2 and not any(d.direction[2] for d in along):
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
    if strange:
        raise MapError(
            summary,
            f"'{strange[0]}' is none this package knows (a direction such as [H,H,0], |Q| or DeltaE)",
            "integrate over it, or project onto such directions, with BinMD",
        )
    if len(along) == 2 and any(d.direction[2] for d in along):
        names = " and ".join(d.label for d in along)
        raise MapError(
            summary,
            f"slices are known in the plane of H and K, and {names} leave it",
            "integrate over one of the two for a cut along the other with DeltaE, or cut slices along [H,0,0] and [0,K,0]",
        )
    raise MapError(
        summary,
        "known are slices along two directions of the (H, K) plane with or without DeltaE, |Q| with DeltaE, and one direction with DeltaE",
        "cut in Mantid with BinMD so that one of these remains",
    )
