"""SaveMD files of an MDHistoWorkspace; which map its dimensions make is written in `files.histo_layout`.

Sources: Mantid's SaveMD2.cpp and LoadMD.cpp. The arrays run slowest dimension first; errors are stored as variances; the mask is 1 where
masked. Files in the crystallographic convention of Q are turned to the inelastic one, Q = ki - kf, as LoadMD does.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.errors import FileFormatError
from mantid_insdl.files._hdf5 import attribute, dataset, groups, open_hdf5, read_array, where
from mantid_insdl.files.histo_layout import HistoData, HistoDimension, to_map
from mantid_insdl.files.nexus_processed import read_logs
from mantid_insdl.maps import Map
from mantid_insdl.spinwave.lattice import Lattice

if TYPE_CHECKING:
    import h5py


def read(path: str | Path, *, ei: float | None = None, material: str | None = None) -> Map:
    """The map in a SaveMD file.

    Parameters
    ----------
    path
        The file.
    ei
        Incident energy in meV where the file's logs have none.
    material
        Name or file, as in `mantid_insdl.files.histo_layout.to_map`.

    Raises
    ------
    FileFormatError
        The file is damaged or incomplete.
    MapError, UnitError
        As `mantid_insdl.files.histo_layout.to_map`.
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
        dimensions = tuple(_dimension(data, name) for name in _dimension_names(data))
        normalization = int(read_array(top, "visual_normalization").ravel()[0]) if "visual_normalization" in top else 0
        reversed_q = attribute(top, "QConvention") == "Crystallography"
        experiments = [group for name, group in groups(top).items() if re.match(r"experiment\d+$", name)]
        logs = read_logs(experiments[0]) if experiments else {}
        reciprocal = _sample_reciprocal(experiments[0]) if experiments else None
    shape = tuple(d.edges.size - 1 for d in dimensions)
    if not signal.shape == variance.shape == events.shape == mask.shape == shape:
        raise FileFormatError(
            f"'{path.name}' contradicts itself",
            f"signal {signal.shape}, errors_squared {variance.shape}, num_events {events.shape}, mask {mask.shape}, dimensions {shape}",
            "save it again with SaveMD",
        )
    contents = HistoData(
        dimensions=dimensions,
        signal=signal,
        variance=variance,
        events=events,
        mask=mask,
        normalization=normalization,
        reciprocal=reciprocal,
        logs=logs,
        reversed_q=reversed_q,
    )
    return to_map(contents, ei=ei, material=material)


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


def _dimension(data: h5py.Group, key: str) -> HistoDimension:
    label = attribute(data[key], "long_name") or key
    return HistoDimension(label, read_array(data, key, ndim=1), attribute(data[key], "units"), attribute(data[key], "frame"))


def _sample_reciprocal(experiment: h5py.Group) -> np.ndarray | None:
    """Reciprocal vectors of the sample's cell in 1/angstrom as rows; None where the file has no oriented lattice."""
    sample = groups(experiment).get("sample")
    node = None if sample is None else groups(sample).get("oriented_lattice")
    names = [f"unit_cell_{name}" for name in ("a", "b", "c", "alpha", "beta", "gamma")]
    if node is None or any(dataset(node, name) is None for name in names):
        return None
    values = [read_array(node, name).ravel() for name in names]
    return Lattice(*(float(value[0]) for value in values)).reciprocal if all(value.size for value in values) else None
