"""Mantid workspaces <-> maps: axes, units, masks and groups.

How a map lies in a workspace (which axis is which, where the energies are kept) is written in `files.workspace_layout` and
`files.histo_layout`, which files and workspaces share; only this module, `histograms` and `sample_logs` ask Mantid for it. A stack of
slices is a WorkspaceGroup or an MDHistoWorkspace, one slice is a MatrixWorkspace.

Mantid is imported inside the functions, so that the package works without it. Only calls that all of Mantid 3.13, 6.x and 7.0 have are
used; where there is none, `versions` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mantid_insdl.errors import InsdlError, MapError
from mantid_insdl.files import histo_layout
from mantid_insdl.files.workspace_layout import (
    AxisData,
    WorkspaceData,
    check_group,
    from_map,
    incident_energy,
    to_map,
)
from mantid_insdl.maps import Map
from mantid_insdl.plugin.complaints import ADD_LOG, CUT_SLICES, add_log_to_histogram, everything_wrong, wrong_ei
from mantid_insdl.plugin.histograms import histogram_size, is_histogram, on_histogram, read_histogram, with_experiment
from mantid_insdl.plugin.sample_logs import OWN_LOG_PREFIX, read_logs, runs_of, set_logs
from mantid_insdl.plugin.versions import write_values, x_values

#: Larger workspaces are refused: no spectrometer resolves as many, and copies add up.
MAXIMUM_PIXELS = 50_000_000

_PATH_LOGS = (OWN_LOG_PREFIX + "path", OWN_LOG_PREFIX + "corners")
_WINDOW = ("energy_min", "energy_max")

_GIVE = "a MatrixWorkspace, an MDHistoWorkspace, or a group of them"

# ---- workspace -> map


def members(workspace: Any) -> list[Any]:
    """The workspaces that make the stack: those of a group in its order, or the workspace itself."""
    from mantid.api import WorkspaceGroup

    if isinstance(workspace, WorkspaceGroup):
        return [workspace.getItem(i) for i in range(workspace.getNumberOfEntries())]
    return [workspace]


def from_workspace(workspace: Any, *, need_ei: bool = True, ei: Sequence[float] = (), material: str | None = None) -> Map:
    """The map in a MatrixWorkspace or an MDHistoWorkspace, or the stack of slices in a WorkspaceGroup of them.

    Detector masks, bin masks and NaN become the map's mask; errors that are zero everywhere mean that none are known.

    Parameters
    ----------
    workspace
        A MatrixWorkspace, an MDHistoWorkspace, or a WorkspaceGroup of them.
    need_ei
        Whether slices without an incident energy are refused. Otherwise it is NaN, as in maps from files.
    ei
        Incident energy in meV where the sample logs have none: one for all, or one for each member of the group.
    material
        Whose maps' axes and cell count for an MDHistoWorkspace, instead of the sample log's.

    Raises
    ------
    MapError
        With everything that is wrong, not only the first thing: axes, units, sample logs, of each member of a group.
    """
    parts = members(workspace)
    if not parts:
        raise MapError("the group is empty", fix="add its slices with GroupWorkspaces")
    kinds = _wrong_kinds(parts)
    if kinds:
        raise MapError(" ".join(kinds))
    pixels = sum(histogram_size(part) if is_histogram(part) else int(part.getNumberHistograms()) * len(x_values(part, 0)) for part in parts)
    if pixels > MAXIMUM_PIXELS:
        raise MapError(f"the map has {pixels:,} pixels", f"no more than {MAXIMUM_PIXELS:,} fit in memory", "rebin it to larger pixels")
    by_text: dict[str, list[str]] = {}
    maps = []
    for part, name, given in zip(parts, _names(parts), _each_ei(ei, len(parts)), strict=True):
        if is_histogram(part):
            found, m = _examine_histogram(part, need_ei, given, material)
        else:
            found, m = _examine_member(part, need_ei, given)
        for text in found:
            by_text.setdefault(text, []).append(name)
        if m is not None:
            maps.append(m.replace(logs={}))  # the sample logs stay in the workspace
    if by_text:
        texts = [text if len(parts) == 1 else f"{_listed(names, len(parts))}: {text}" for text, names in by_text.items()]
        raise MapError(" ".join(texts))
    return check_group(_with_errors_where_masked(maps))


def _each_ei(ei: Sequence[float], parts: int) -> list[float | None]:
    """The incident energy given for each member."""
    if len(ei) not in (0, 1, parts):
        raise MapError(f"{len(ei)} incident energies are given for {parts} workspaces", "one counts for all of them", "give one for each")
    for one in ei:
        if not 0 < one < np.inf:
            raise MapError(f"the incident energy {one:g} is not positive and finite", fix="give it in meV")
    return [float(one) for one in ei] if len(ei) == parts else [float(ei[0]) if len(ei) else None] * parts


def recorded_provenance(workspace: Any) -> set[str]:
    """The lines of provenance that the sample logs of a workspace, or of the members of a group, carry already."""
    runs = [run for part in members(workspace) for run in runs_of(part)]
    name = OWN_LOG_PREFIX + "provenance"
    return {line for run in runs if run.hasProperty(name) for line in str(run.getProperty(name).value).split("\n")}


def _with_errors_where_masked(maps: list[Map]) -> list[Map]:
    """Slices without a single known pixel have no errors either; beside slices with errors that means nothing."""
    if all(m.error is None for m in maps):
        return maps
    return [m.replace(error=np.full(m.shape, np.nan)) if m.error is None and m.mask.all() else m for m in maps]


def _wrong_kinds(parts: Sequence[Any]) -> list[str]:
    from mantid.api import ITableWorkspace, MatrixWorkspace, WorkspaceGroup

    found = []
    for part, name in zip(parts, _names(parts), strict=True):
        if isinstance(part, MatrixWorkspace) or is_histogram(part):
            continue
        if isinstance(part, WorkspaceGroup):
            found.append(f"{name} is a group inside the group; put the slices themselves in one group.")
        elif isinstance(part, ITableWorkspace):
            found.append(f"{name} is a table, not a map; give {_GIVE}.")
        elif part.id().startswith("MDEventWorkspace"):
            found.append(f"{name} is an MDEventWorkspace, which has no pixels yet; {CUT_SLICES}.")
        else:
            found.append(f"{name} is a {part.id()}; give {_GIVE}.")
    return found


def _names(parts: Sequence[Any]) -> list[str]:
    return [f"'{part.name()}'" if part.name() else f"member {i + 1}" if len(parts) > 1 else "this" for i, part in enumerate(parts)]


def _listed(names: Sequence[str], total: int) -> str:
    if len(names) == total:
        return f"all {total} slices"
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _examine_member(workspace: Any, need_ei: bool, ei: float | None) -> tuple[list[str], Map | None]:
    if not workspace.isCommonBins():
        return ["Its spectra have different bins; use Rebin first."], None
    data = _read(workspace)
    try:
        m = to_map(data, ei=ei)
    except InsdlError as error:
        return everything_wrong(data, ei) or [str(error)], None
    return wrong_ei(data.logs, ADD_LOG, ei) if need_ei and m.slices is not None else [], m


def _examine_histogram(workspace: Any, need_ei: bool, ei: float | None, material: str | None) -> tuple[list[str], Map | None]:
    data = read_histogram(workspace)
    try:
        m = histo_layout.to_map(data, ei=ei, material=material)
    except InsdlError as error:
        return [str(error)], None
    return wrong_ei(data.logs, add_log_to_histogram(workspace), ei) if need_ei and m.slices is not None else [], m


def _read(workspace: Any) -> WorkspaceData:
    intensity = np.asarray(workspace.extractY(), dtype=float)
    return WorkspaceData(
        intensity=intensity,
        error=np.asarray(workspace.extractE(), dtype=float),
        mask=_mask(workspace, intensity.shape),
        x=_axis(workspace.getAxis(0), x_values(workspace, 0)),
        vertical=_axis(workspace.getAxis(1)),
        logs=read_logs(workspace.run()),
        title=workspace.getTitle(),
        intensity_label=workspace.YUnitLabel(),
    )


def _axis(axis: Any, values: np.ndarray | None = None) -> AxisData:
    if not axis.isNumeric() and values is None:  # the vertical axis counts spectra or holds text
        return AxisData("spectraNumber" if axis.isSpectra() else "TextAxis", np.arange(axis.length(), dtype=float))
    unit = axis.getUnit()
    return AxisData(unit.unitID(), axis.extractValues() if values is None else values, unit.caption(), unit.symbol().ascii())


def _mask(workspace: Any, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    detectors = workspace.spectrumInfo()
    for i in range(shape[0]):
        if workspace.hasMaskedBins(i):
            mask[i, [int(j) for j in workspace.maskedBinsIndices(i)]] = True
        if detectors.hasDetectors(i) and detectors.isMasked(i):
            mask[i] = True
    return mask


# ---- map -> workspace


def to_workspace(
    m: Map,
    like: Any = None,
    copy: Callable[[Any], Any] | None = None,
    *,
    clone: Callable[[Any], Any] | None = None,
    material: str | None = None,
) -> Any:
    """A map as a workspace, in the form and on the axes of another one where `like` is given.

    Parameters
    ----------
    m
        The map.
    like : MatrixWorkspace, MDHistoWorkspace or WorkspaceGroup, optional
        The workspace that gave the map's axes: the result has its form, orientation, titles and sample logs. Without it a stack of
        more than one slice becomes a group, anything else a MatrixWorkspace. So do slices that were re-binned from an MDHistoWorkspace.
    copy
        Makes an independent copy of a workspace, with everything that Mantid keeps in it (history, instrument, spectrum numbers).
        Without it only axes, title and sample logs are taken over, but not what earlier analyses have recorded there.
    clone
        The same for an MDHistoWorkspace, which can be made in no other way; by default `copy`.
    material
        As in `from_workspace`.

    Returns
    -------
    MatrixWorkspace (always a Workspace2D), MDHistoWorkspace or WorkspaceGroup
        Masked pixels are NaN with error 0; unknown errors are 0.
    """
    sheets = from_map(m)
    if like is None:
        results = [_new(sheet) for sheet in sheets]
        return _group(results) if len(results) > 1 else results[0]
    results, first = [], 0
    for source in members(like):
        if is_histogram(source):
            count = 1
            if m.slices is not None:
                count = from_workspace(source, need_ei=False, ei=_first_ei(m, first), material=material).require_slices().size
            shown = m if m.slices is None else m.select(slice(first, first + count))
            results += _on_axes_of_histogram(source, shown, sheets[first : first + count], clone or copy, material)
            first += count
        else:
            results.append(_on_axes_of(source, sheets[first], m, first, copy))
            first += 1
    return _in_form_of(like, results)


def _first_ei(m: Map, index: int) -> list[float]:
    ei = m.require_slices().ei[index]
    return [float(ei)] if np.isfinite(ei) else []


def _on_axes_of_histogram(
    source: Any, m: Map, sheets: Sequence[WorkspaceData], clone: Callable[[Any], Any] | None, material: str | None
) -> list[Any]:
    """An MDHistoWorkspace like `source`; where the map's pixels are no longer its bins, a MatrixWorkspace of each slice."""
    made = None if clone is None else on_histogram(source, m, clone, material)
    if made is None:
        return [_new(sheet) for sheet in sheets]
    made.setTitle(source.getTitle())
    set_logs(made, {name: log for name, log in sheets[0].logs.items() if name not in (*_WINDOW, *_PATH_LOGS)})
    return [made]


def copy_with_logs(workspace: Any, logs: Mapping[str, tuple[Any, str]], copy: Callable[[Any], Any]) -> Any:
    """An exact copy of a workspace, or of a group of them, with more sample logs; `copy` as in `to_workspace`."""
    copies = [with_experiment(copy(part), copy) if is_histogram(part) else copy(part) for part in members(workspace)]
    for one in copies:
        set_logs(one, logs)
    return _in_form_of(workspace, copies)


def _in_form_of(like: Any, results: Sequence[Any]) -> Any:
    from mantid.api import WorkspaceGroup

    return _group(results) if isinstance(like, WorkspaceGroup) or len(results) > 1 else results[0]


def _group(workspaces: Sequence[Any]) -> Any:
    from mantid.api import WorkspaceGroup

    group = WorkspaceGroup()
    for workspace in workspaces:
        group.addWorkspace(workspace)
    return group


def _new(sheet: WorkspaceData) -> Any:
    workspace = _blank(sheet.x, sheet.vertical, sheet.intensity.shape)
    workspace.setTitle(sheet.title)
    workspace.setDistribution(True)  # the intensity is a mean over each bin
    _set_intensity(workspace, sheet.intensity, sheet.error)
    workspace.setYUnitLabel(sheet.intensity_label)
    set_logs(workspace, sheet.logs)
    return workspace


def _on_axes_of(source: Any, sheet: WorkspaceData, m: Map, index: int, copy: Callable[[Any], Any] | None) -> Any:
    data = _read(source)
    if copy is not None and source.id() == "Workspace2D":
        workspace = copy(source)
    else:
        workspace = _blank(data.x, data.vertical, data.intensity.shape)
        workspace.setTitle(source.getTitle())
        workspace.setDistribution(source.isDistribution())
        run = source.run()
        for name in run.keys():  # noqa: SIM118 (a Mantid Run is no dict)
            if not name.startswith(OWN_LOG_PREFIX):
                workspace.mutableRun().addProperty(name, run.getProperty(name), True)
    place = _places(data)
    intensity = m.intensity[index] if m.slices is not None else m.intensity
    error = np.zeros(intensity.shape)
    if m.error is not None:
        error = m.error[index] if m.slices is not None else m.error
    _set_intensity(workspace, _placed(intensity, place, data), _placed(error, place, data))
    same_unit = to_map(replace(data, mask=None)).intensity_unit == m.intensity_unit
    workspace.setYUnitLabel(source.YUnitLabel() if same_unit else sheet.intensity_label)
    of_axes = {name: data.logs[name] for name in _PATH_LOGS if name in data.logs}  # in the source's direction, which the map may not have
    kept = (*_WINDOW, *_PATH_LOGS, *(["Ei"] if incident_energy(data.logs, None)[0] else []))
    set_logs(workspace, {name: log for name, log in sheet.logs.items() if name not in kept} | of_axes)
    return workspace


def _places(data: WorkspaceData) -> np.ndarray:
    """Where each pixel of the map lies in the workspace: sent the way that `to_map` sends the intensities."""
    numbers = np.arange(data.intensity.size, dtype=float).reshape(data.intensity.shape)
    return to_map(replace(data, intensity=numbers, error=None, mask=None)).intensity.astype(int).ravel()


def _placed(values: np.ndarray, place: np.ndarray, data: WorkspaceData) -> np.ndarray:
    result = np.empty(data.intensity.size)
    result[place] = values.ravel()
    return result.reshape(data.intensity.shape)


def _set_intensity(workspace: Any, intensity: np.ndarray, error: np.ndarray | None) -> None:
    known = np.zeros(intensity.shape) if error is None else np.where(np.isnan(intensity), 0.0, error)
    for i in range(intensity.shape[0]):
        write_values(workspace, "Y", i, intensity[i])
        write_values(workspace, "E", i, known[i])


def _blank(x: AxisData, vertical: AxisData, shape: tuple[int, int]) -> Any:
    """A Workspace2D with these axes and no data."""
    from mantid.api import BinEdgeAxis, NumericAxis, WorkspaceFactory

    rows, columns = shape
    workspace = WorkspaceFactory.create("Workspace2D", NVectors=rows, XLength=len(x.values), YLength=columns)
    for i in range(rows):
        write_values(workspace, "X", i, x.values)
    axis = (NumericAxis if len(vertical.values) == rows else BinEdgeAxis).create(len(vertical.values))
    for i, value in enumerate(vertical.values):
        axis.setValue(i, float(value))
    workspace.replaceAxis(1, axis)
    for number, data in ((0, x), (1, vertical)):
        unit = workspace.getAxis(number).setUnit(data.unit)
        if data.unit == "Label":
            unit.setLabel(data.caption, data.label)
    return workspace
