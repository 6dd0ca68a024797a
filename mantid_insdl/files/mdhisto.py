"""SaveMD files of an MDHistoWorkspace: (H, K, DeltaE) as a stack of slices, (\\|Q\\|, DeltaE) as a powder map, cuts.

Sources: Mantid's SaveMD2.cpp, LoadMD.cpp and MDHistoWorkspace.cpp. The arrays run slowest dimension first; errors are stored as
variances; the mask is 1 where masked. What the file shows is what Mantid shows: with ``visual_normalization`` 2 (number of events)
the signal is divided by ``num_events``, with 1 (volume) by the volume of a bin; and files in the crystallographic convention of Q are
turned to the inelastic one, Q = ki - kf, as LoadMD does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mantid_insdl.errors import FileFormatError, MapError, UnitError
from mantid_insdl.files._hdf5 import attribute, groups, open_hdf5, read_array, where
from mantid_insdl.files.log_values import plain
from mantid_insdl.files.nexus_processed import read_logs
from mantid_insdl.files.workspace_layout import direction_of, energy_window, incident_energy, name_of, unit_of
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices

if TYPE_CHECKING:
    import h5py

_VOLUME, _EVENTS = 1, 2


@dataclass(frozen=True)
class _Dimension:
    name: str  # qh, qk, ql, q, energy
    edges: np.ndarray
    label: str

    @property
    def size(self) -> int:
        return self.edges.size - 1


def read(path: str | Path, *, ei: float | None = None) -> Map:
    """The map in a SaveMD file. Dimensions of one bin are integrated: their ranges go into the provenance.

    Parameters
    ----------
    path
        The file.
    ei
        Incident energy in meV where the file's logs have none.

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
        logs = next((read_logs(group) for name, group in groups(top).items() if re.match(r"experiment\d+$", name)), {})
    shape = tuple(d.size for d in dimensions)
    if not signal.shape == variance.shape == events.shape == mask.shape == shape:
        raise FileFormatError(
            f"'{path.name}' contradicts itself",
            f"signal {signal.shape}, errors_squared {variance.shape}, num_events {events.shape}, mask {mask.shape}, dimensions {shape}",
            "save it again with SaveMD",
        )
    if np.any(variance[~mask & np.isfinite(signal)] < 0):
        raise MapError("it has negative variances", "an error is their square root", "save it again with SaveMD")
    intensity, error, mask, note = _normalized(
        signal, np.sqrt(np.abs(variance)), mask, events=events, how=normalization, dimensions=dimensions
    )
    ei, ei_note = incident_energy(logs, ei)
    notes = tuple(n for n in (note, ei_note) if n)
    if reversed_q:
        momenta = [d.name in ("qh", "qk", "ql") for d in dimensions]
        dimensions = [replace(d, edges=-d.edges[::-1]) if turned else d for d, turned in zip(dimensions, momenta, strict=True)]
        intensity, error, mask = (np.flip(array, np.flatnonzero(momenta)) for array in (intensity, error, mask))
        notes = (*notes, "H, K and L reversed: the file has the crystallographic convention of Q, kf - ki")
    return _to_map(dimensions, intensity, error, mask, ei=ei, logs=logs, notes=notes)


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
    name, direction = name_of(label), direction_of(label)
    if name == "path":
        name = "ql" if direction in (None, (0.0, 0.0, 1.0)) else ""
    unit = unit_of(unit_text, of_hkl=frame == "HKL")
    expected = {"qh": RLU, "qk": RLU, "ql": RLU, "q": PER_ANGSTROM, "energy": MEV}.get(name)
    if not name:
        raise MapError(
            f"the dimension '{label}' is none this package knows", "known are H, K, L, |Q| and DeltaE", "project onto [H,0,0], [0,K,0]"
        )
    if unit != expected:
        stated = f"its unit is '{unit_text}' and not {expected}" if unit_text else "it has no unit"
        raise UnitError(f"the dimension '{label}' cannot be used", stated, "save it from Mantid with its unit")
    if edges.size < 2 or not np.all(np.isfinite(edges)) or np.any(np.diff(edges) <= 0):
        raise MapError(f"the dimension '{label}' has edges that do not rise", "its bins would overlap", "save it again with SaveMD")
    return _Dimension(name, edges, label)


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
            volume = np.multiply.outer(volume, np.diff(d.edges))
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
) -> Map:
    by_name = {d.name: d for d in dimensions}
    if len(by_name) != len(dimensions):
        raise MapError("two dimensions are the same", ", ".join(d.label for d in dimensions), "project onto different directions")
    wide = [d.name for d in dimensions if d.size > 1]
    momenta = [name for name in wide if name in ("qh", "qk", "ql")]
    if {"q", "energy"} <= set(by_name) and not momenta:
        order = ["q", "energy"]
    elif set(wide) - {"energy"} == {"qh", "qk"}:
        order = ["energy", "qh", "qk"] if "energy" in by_name else ["qh", "qk"]
    elif len(momenta) == 1 and set(wide) == {momenta[0], "energy"}:
        order = [momenta[0], "energy"]
    else:
        raise MapError(
            "its dimensions make no map: " + ", ".join(f"{d.label} ({d.size} bins)" for d in dimensions),
            "known are (H, K, DeltaE), (|Q|, DeltaE) and one of H, K, L with DeltaE",
            "cut in Mantid with BinMD so that one of these remains",
        )
    integrated = [d for d in dimensions if d.name not in order]
    for d in integrated:
        unit = {"q": PER_ANGSTROM, "energy": MEV}.get(d.name, RLU)
        notes = (*notes, f"integrated over {d.label} from {d.edges[0]:g} to {d.edges[-1]:g} {unit}")
    places = [[d.name for d in dimensions].index(name) for name in order]
    rest = [i for i in range(len(dimensions)) if i not in places]

    def arranged(array: np.ndarray) -> np.ndarray:
        return array.transpose(*places, *rest).reshape([array.shape[i] for i in places])

    intensity, error, mask = arranged(intensity), arranged(error), arranged(mask)
    if order == ["qh", "qk"]:
        intensity, error, mask = intensity[np.newaxis], error[np.newaxis], mask[np.newaxis]
    good = ~mask & np.isfinite(intensity)
    common = {
        "error": error if np.any(error[good] != 0) else None,
        "mask": mask,
        "provenance": notes,
        "logs": {name: (plain(value), unit) for name, (value, unit) in logs.items() if name != "Ei"},
    }
    if order[-1] == "qk":
        if "energy" in by_name:
            edges = by_name["energy"].edges
        else:
            *window, _, note = energy_window(logs)
            edges, common["provenance"] = np.array(window), (*notes, note) if note else notes
        slices = Slices.from_bins([np.nan if ei is None else ei], [edges])
        axes = (_axis(by_name["qh"]), _axis(by_name["qk"]))
        return Map(intensity, axes, slices=slices, **common)
    if order[0] == "q":
        return Map(intensity, (_axis(by_name["q"]), _axis(by_name["energy"])), ei=ei, **common)
    along = by_name[order[0]]
    path_axis = Axis("path", RLU, along.edges, is_edges=True, label=along.label)
    return Map(intensity, (path_axis, _axis(by_name["energy"])), ei=ei, path=_path(along, by_name), **common)


def _axis(d: _Dimension) -> Axis:
    return Axis(d.name, {"q": PER_ANGSTROM, "energy": MEV}.get(d.name, RLU), d.edges, is_edges=True)


def _path(along: _Dimension, by_name: dict[str, _Dimension]) -> np.ndarray | None:
    """(h, k, l) of each point of a cut; None unless all three are dimensions of the file."""
    if not {"qh", "qk", "ql"} <= set(by_name):
        return None
    centres = 0.5 * (along.edges[1:] + along.edges[:-1])
    return np.stack(
        [centres if name == along.name else np.full(centres.size, np.mean(by_name[name].edges)) for name in ("qh", "qk", "ql")], axis=1
    )
