"""Mantid's processed NeXus files (LoadNexusProcessed, SaveNexusProcessed), read and written without Mantid.

Sources: Mantid's LoadNexusProcessed.cpp, NexusFileIO.cpp, PropertyNexus.cpp and RebinnedOutput.cpp (3.13 and 6.x), and files
written by Mantid itself. What a real Mantid demands of a writer: ``values@signal`` of type int32, text of fixed length, an
``NX_class`` on every group, and a complete ``sample`` group, without which it does not read the sample logs.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mantid_insdl._version import __version__
from mantid_insdl.errors import FileFormatError, printable
from mantid_insdl.files._hdf5 import attribute, check_size, dataset, groups, open_hdf5, read_array, read_text, text_at, values_of, where
from mantid_insdl.files._writing import replacing
from mantid_insdl.files.log_values import TimeSeries
from mantid_insdl.files.workspace_layout import AxisData, WorkspaceData, check_group, from_map, intensity_unit, to_map
from mantid_insdl.maps import Map

if TYPE_CHECKING:
    import h5py

_ENTRY = re.compile(r"mantid_workspace_(\d+)$")
_OTHER_WORKSPACES = {
    "event_workspace": ("events", "histogram them in Mantid with Rebin and PreserveEvents=False"),
    "table_workspace": ("a table", "give the file of a map"),
    "peaks_workspace": ("single-crystal peaks", "give the file of a map"),
    "offsets_workspace": ("detector offsets", "give the file of a map"),
}


def entries(file: h5py.File) -> list[str]:
    """The names of the workspaces' entries in the order of their numbers; empty when the file is of another kind."""
    numbers = {name: int(found.group(1)) for name in file if (found := _ENTRY.match(name))}
    return sorted(numbers, key=numbers.__getitem__)


def read(path: str | Path, *, ei: float | None = None) -> Map:
    """The map in a processed NeXus file; a workspace group of constant-energy slices becomes one stack.

    Parameters
    ----------
    path
        The file.
    ei
        Incident energy in meV where the file's logs have none.

    Raises
    ------
    FileFormatError
        The file is damaged or holds no histogram workspace.
    MapError, UnitError
        The workspace is no map: see `workspace_layout.to_map`.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        names = entries(file)
        if not names:
            raise FileFormatError(
                f"'{path.name}' has no Mantid workspace", "it has no entry 'mantid_workspace_1'", "save it in Mantid again"
            )
        if len(names) > 1:
            check_size((sum(_values(file[name]) for name in names),), f"the group of its {len(names)} workspaces", path)
        workspaces = [_read_entry(file[name]) for name in names]
    return check_group([to_map(data, ei=ei) for data in workspaces])


def _values(entry: h5py.Group) -> int:
    values = dataset(entry, "workspace/values")
    return 0 if values is None else values.size


def _read_entry(entry: h5py.Group) -> WorkspaceData:
    path = where(entry)
    for name, (what, fix) in _OTHER_WORKSPACES.items():
        if name in entry:
            raise FileFormatError(f"'{path.name}' holds {what} and no map", f"its entry has a '{name}'", fix)
    if "workspace" not in groups(entry):
        raise FileFormatError(f"'{path.name}' holds no map", f"its entry {entry.name} has no group 'workspace'", "save it in Mantid again")
    node = entry["workspace"]
    values = read_array(node, "values", ndim=2)
    error = read_array(node, "errors", ndim=2) if "errors" in node else None
    if error is not None and error.shape != values.shape:
        raise FileFormatError(f"'{path.name}' contradicts itself", f"values are {values.shape} and errors {error.shape}", "write it again")
    if "frac_area" in node:
        values, error = _finalized(node, values, error)
    label = attribute(node["values"], "unit_label") or attribute(node["values"], "units")
    return WorkspaceData(
        intensity=values,
        error=error,
        mask=_masked_bins(node, values, error),
        x=_read_axis(node, "axis1"),
        vertical=_read_axis(node, "axis2"),
        logs=read_logs(entry),
        title=read_text(entry, "title"),
        intensity_label=label,
    )


def _finalized(node: h5py.Group, values: np.ndarray, error: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """A RebinnedOutput as a mean: what is stored as a sum is divided by the fractional areas; no area is NaN."""
    area = read_array(node, "frac_area", ndim=2)
    if area.shape != values.shape:
        raise FileFormatError(
            f"'{where(node).name}' contradicts itself", f"values are {values.shape} and frac_area {area.shape}", "write it again"
        )
    seen = area > 0
    if not np.any(seen):
        return values, error  # as Mantid: areas that are zero everywhere say nothing
    factor = np.where(seen, 1.0, np.nan)
    if attribute(node["frac_area"], "finalized") == "0":
        factor = np.divide(1.0, area, out=np.full(area.shape, np.nan), where=seen)
    return values * factor, None if error is None else error * factor


def _read_axis(node: h5py.Group, name: str) -> AxisData:
    path, data = where(node), dataset(node, name)
    if data is None:
        raise FileFormatError(f"'{path.name}' has no axis '{name}'", "the bins have no values", "save it in Mantid again")
    unit = attribute(data, "units")
    if data.dtype.kind not in "fiu":
        check_size(data.shape, f"'{data.name}'", path)
        return AxisData(unit or "TextAxis", np.arange(data.size, dtype=float))
    values = values_of(data).astype(float)
    if values.ndim == 2:
        if not np.allclose(values, values[0], rtol=1e-9, atol=1e-9, equal_nan=False):
            raise FileFormatError(
                f"'{path.name}' has spectra with different bins", "a map needs the same bins for all spectra", "use Rebin in Mantid first"
            )
        values = values[0]
    return AxisData(unit, values, attribute(data, "caption"), attribute(data, "label"))


def _masked_bins(node: h5py.Group, values: np.ndarray, error: np.ndarray | None) -> np.ndarray | None:
    """True for the bins that MaskBins has masked.

    The first column of ``masked_spectra`` should be the index of the spectrum. Mantid's writer (3.13 to 6.x) stores there the
    running number of the masked spectrum instead. MaskBins sets intensity and error of a masked bin to zero; so where the column
    just counts, a spectrum takes those lists of masked bins that are all zero in it.
    """
    if dataset(node, "masked_spectra") is None or dataset(node, "masked_bins") is None:
        return None
    table = read_array(node, "masked_spectra", ndim=2).astype(int)
    bins = read_array(node, "masked_bins", ndim=1).astype(int)
    path, mask = where(node), np.zeros(values.shape, bool)
    spectra, starts = table[:, 0], table[:, 1]
    counts = np.diff([*starts, bins.size])
    if not _within(spectra, values.shape[0]) or not _within(bins, values.shape[1]) or np.any(counts < 0) or counts.sum() != bins.size:
        raise FileFormatError(f"'{path.name}' has masked bins that do not exist", "its mask does not fit its data", "write it again")
    counting = np.array_equal(spectra, np.arange(spectra.size)) and spectra.size < values.shape[0]
    empty = (values == 0) | np.isnan(values)
    if error is not None:
        empty &= (error == 0) | np.isnan(error)
    for spectrum, listed in zip(spectra, np.split(bins, starts[1:]), strict=True):
        rows = np.flatnonzero(np.all(empty[:, listed], axis=1)) if counting else np.array([spectrum])
        if rows.size == 0:
            raise FileFormatError(
                f"'{path.name}' does not say which bins are masked",
                "Mantid numbered the masked spectra from 0 and the masked bins are not zero",
                "set the masked bins to NaN in Mantid before saving",
            )
        mask[np.ix_(rows, listed)] = True
    return mask


def _within(indices: np.ndarray, size: int) -> bool:
    return bool(np.all((indices >= 0) & (indices < size)))


def read_logs(entry: h5py.Group) -> dict[str, tuple[Any, str]]:
    """Sample logs: name -> (value, unit). A time series of numbers is a `TimeSeries`; of one of texts the last is taken."""
    parent = groups(entry).get("logs")
    values = {
        name: (node, value)
        for name, node in ({} if parent is None else groups(parent)).items()
        if attribute(node, "NX_class") == "NXlog"
        and (value := dataset(node, "value")) is not None
        and value.size
        and value.dtype.kind in "SOfiub"
    }
    check_size((sum(value.size for _, value in values.values()),), "all of its logs together", where(entry))
    return {
        printable(name): (_log_value(value, dataset(node, "time")), attribute(value, "units")) for name, (node, value) in values.items()
    }


def _log_value(value: h5py.Dataset, times: h5py.Dataset | None) -> Any:
    if value.dtype.kind in "SO":
        return text_at(value, -1)
    recorded = values_of(value).ravel()
    if recorded.size == 1:
        return recorded[0].item()
    if times is None or times.size != value.size or times.dtype.kind not in "fiu":
        return recorded
    return TimeSeries(recorded, values_of(times).ravel().astype(float))


# ---- writing


def write(m: Map, path: str | Path, *, name: str = "") -> Path:
    """Write a map as a processed NeXus file that Mantid loads: a stack of several slices as a workspace group.

    The file appears under its name only when it is complete. Masked pixels are NaN; where the map has no errors they are
    written as zero. Provenance, material and frame are sample logs (``insdl_provenance``, ``insdl_material``, ``insdl_frame``).

    Parameters
    ----------
    m
        The map.
    path
        The file; one that exists is replaced.
    name
        Name of the workspace in Mantid (members of a group: ``name_1``, ``name_2`` ...); default is the file's.

    Raises
    ------
    OutputError
        The folder is missing or cannot be written to.
    """
    import h5py

    path = Path(path)
    workspaces = from_map(m)
    base = name or path.stem
    # HDF5 builds the file in memory: where it writes to a disk that fills up, it cannot close the file, and crashes later.
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        _attributes(
            file,
            NeXus_version="4.4.2",
            HDF5_Version=h5py.version.hdf5_version,
            file_name=path.name,
            file_time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        for number, data in enumerate(workspaces, start=1):
            entry = _group(file, f"mantid_workspace_{number}", "NXentry")
            _write_entry(entry, data, base if len(workspaces) == 1 else f"{base}_{number}")
        file.flush()
        image = file.id.get_file_image()
    with replacing(path) as temporary:
        temporary.write_bytes(image)
    return path


def _fixed(value: str) -> np.ndarray:
    """Text as the fixed-length scalar that Mantid's attribute reader takes; h5py cannot store an empty one."""
    encoded = value.encode("utf-8")
    return np.array(encoded, dtype=f"S{max(len(encoded), 1)}")


def _attributes(node: Any, /, **values: str | int) -> None:
    for name, value in values.items():
        node.attrs.create(name, _fixed(value) if isinstance(value, str) else np.int32(value))


def _group(parent: h5py.Group, name: str, nx_class: str, /, **attributes: str | int) -> h5py.Group:
    group = parent.create_group(name)
    _attributes(group, NX_class=nx_class, **attributes)
    return group


def _put(parent: h5py.Group, name: str, value: Any, /, **attributes: str | int) -> h5py.Dataset:
    """A dataset of shape (1,) for text and single numbers, else of the array's own shape."""
    data = _fixed(value or " ").reshape(1) if isinstance(value, str) else np.atleast_1d(np.asarray(value))
    node = parent.create_dataset(name, data=data)
    _attributes(node, **attributes)
    return node


def _write_entry(entry: h5py.Group, data: WorkspaceData, name: str) -> None:
    nexus = "http://www.nexusformat.org/instruments/xml/NXprocessed.xml"
    _put(entry, "definition", "Mantid Processed Workspace", URL=nexus, Version="1.0")
    _put(entry, "definition_local", "Mantid Processed Workspace", URL="http://www.isis.rl.ac.uk/xml/IXmantid.xml", Version="1.0")
    _put(entry, "title", data.title)
    _put(entry, "workspace_name", name)
    _write_data(_group(entry, "workspace", "NXdata"), data)
    _write_sample(_group(entry, "sample", "NXsample", version=1, name=" ", name_empty=1, shape_xml='<type name="userShape">  </type>'))
    _write_instrument(_group(entry, "instrument", "NXinstrument", version=1))
    _write_logs(_group(entry, "logs", "NXgroup", version=1), data.logs)
    _write_history(_group(entry, "process", "NXprocess"))


def _write_data(group: h5py.Group, data: WorkspaceData) -> None:
    error = data.error if data.error is not None else np.where(np.isnan(data.intensity), np.nan, 0.0)
    for name, given in (("values", data.intensity), ("errors", error)):
        array = np.ascontiguousarray(given, dtype=np.float64)
        group.create_dataset(name, data=array, chunks=(1, array.shape[1]), compression="gzip", compression_opts=6)
    unit = intensity_unit(data.intensity_label)  # not empty: some releases of Mantid fail on an empty attribute
    _attributes(group["values"], signal=1, axes="axis2,axis1", units=unit, unit_label=data.intensity_label)
    for name, axis in (("axis1", data.x), ("axis2", data.vertical)):
        node = _put(group, name, np.asarray(axis.values, dtype=np.float64), units=axis.unit)
        if name == "axis1":
            node.attrs.create("distribution", np.array(b"0", dtype="S2"))  # as Mantid: with the zero at its end
        if axis.unit == "Label":
            _attributes(node, caption=axis.caption, label=axis.label)


def _write_sample(sample: h5py.Group) -> None:
    for name in ("num_oriented_lattice", "num_other_samples", "geom_id"):
        _put(sample, name, np.int32(0))
    for name in ("geom_height", "geom_thickness", "geom_width"):
        _put(sample, name, 0.0)
    material = _group(sample, "material", "NXdata", version=2, name=" ", formulaStyle="empty")
    for name in ("number_density", "pressure", "temperature"):
        _put(material, name, 0.0)
    _put(material, "packing_fraction", 1.0)


def _write_instrument(instrument: h5py.Group) -> None:
    _put(instrument, "name", " ")
    xml = _group(instrument, "instrument_xml", "NXnote")
    _put(xml, "data", " ")
    _put(xml, "description", "XML contents of the instrument IDF file.")
    _put(xml, "type", "text/xml")
    parameters = _group(instrument, "instrument_parameter_map", "NXnote", version=1)
    _put(parameters, "author", " ")
    _put(parameters, "data", " ")
    _put(parameters, "description", "A string representation of the parameter map.")
    _put(parameters, "type", "text/plain")


def _write_logs(group: h5py.Group, logs: Mapping[str, tuple[Any, str]]) -> None:
    goniometer = _group(group, "goniometer", "NXpositioner", version=1)
    _put(goniometer, "num_axes", np.int32(0))
    for name, (value, unit) in logs.items():
        log = _group(group, name.replace("/", "_"), "NXlog")
        node = _put(log, "value", _storable(value))
        if unit:
            _attributes(node, units=unit)


def _storable(value: Any) -> Any:
    """A log's value in one of the types that Mantid reads: text, float64, int32, int64 or an array of numbers."""
    if isinstance(value, bool | np.bool_):
        return np.int32(value)
    if isinstance(value, int | np.integer):
        return np.int32(value) if abs(int(value)) < 2**31 else np.int64(value)
    if isinstance(value, float | np.floating):
        return np.float64(value)
    array = np.asarray(value)
    if array.dtype.kind == "f" and array.size:
        return array.astype(np.float64).ravel()
    if array.dtype.kind in "iub" and array.size:
        return array.astype(np.int32 if array.dtype.itemsize <= 4 else np.int64).ravel()
    return str(value)


def _write_history(process: h5py.Group) -> None:
    """An environment note; without algorithm records Mantid shows an empty history and gives no warning."""
    environment = _group(process, "MantidEnvironment", "NXnote")
    _put(environment, "author", "mantid_insdl")
    _put(environment, "data", f"Written by mantid_insdl {__version__}")
    _put(environment, "description", "Mantid Environment data")
