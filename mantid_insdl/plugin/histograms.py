"""MDHistoWorkspaces as Mantid's Python shows them; which map their dimensions make is written in `files.histo_layout`.

Read in the sources of Mantid 3.13 and 6.x (IMDHistoWorkspace.cpp and IMDDimension.cpp of the Python interface, MDHistoWorkspace.cpp):

* the arrays have an axis for each dimension, the first dimension first, in Fortran order, and wrap Mantid's memory: they are copied;
* a masked bin has a signal that is NaN; its mask itself cannot be asked for;
* edges are single precision, equally spaced;
* the convention of Q is the one of the configuration (``Q.convention``), to which LoadMD turns what it reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mantid_insdl.files.histo_layout import HistoData, HistoDimension, places
from mantid_insdl.files.normalization import EVENTS, NO_NORMALIZATION, VOLUME
from mantid_insdl.files.workspace_layout import EI_LOGS, REQUESTED_EI_LOGS
from mantid_insdl.maps import Map
from mantid_insdl.plugin.basis import basis_of
from mantid_insdl.plugin.sample_logs import read_logs, runs_of
from mantid_insdl.spinwave.lattice import Lattice

#: Algorithms that sum events into bins, and those that divide by how long the detectors looked there.
_SUMMING = {"BinMD", "CutMD", "MDNormDirectSC", "MDNormSCD", "SliceMD"}
_DIVIDING = {"DivideMD", "MDNorm"}


def is_histogram(workspace: Any) -> bool:
    """Whether it is an MDHistoWorkspace."""
    return workspace.id() == "MDHistoWorkspace"


def histogram_size(workspace: Any) -> int:
    """Number of bins."""
    return int(np.prod([int(workspace.getDimension(i).getNBins()) for i in range(workspace.getNumDims())], dtype=object))


def read_histogram(workspace: Any) -> HistoData:
    """The contents of an MDHistoWorkspace, the slowest dimension first as in files of SaveMD."""
    from mantid.kernel import config

    signal, basis = _array(workspace.getSignalArray()), basis_of(workspace)
    directions = basis.directions if basis else [None] * workspace.getNumDims()
    dimensions = [_dimension(workspace.getDimension(i), direction) for i, direction in enumerate(directions)]
    return HistoData(
        dimensions=tuple(reversed(dimensions)),
        origin=basis.origin if basis else (0.0, 0.0, 0.0),
        signal=signal,
        variance=_array(workspace.getErrorSquaredArray()),
        events=_array(workspace.getNumEventsArray()),
        mask=np.isnan(signal),
        normalization=_normalization(workspace),
        reciprocal=_reciprocal(workspace),
        logs=logs_of(workspace),
        reversed_q=config["Q.convention"] == "Crystallography",
        summed=_summed(workspace),
        title=workspace.getTitle().strip(),
    )


def logs_of(workspace: Any) -> dict[str, tuple[Any, str]]:
    """The sample logs of the first experiment; an incident energy with its values in all of them, which must agree."""
    runs = [read_logs(run) for run in runs_of(workspace)]
    logs = dict(runs[0]) if runs else {}
    for name in (*EI_LOGS, *REQUESTED_EI_LOGS):
        if name in logs and len(runs) > 1:
            values = [np.ravel(getattr(one[name][0], "values", one[name][0])) for one in runs if name in one]
            if all(np.array_equal(value, values[0]) for value in values):
                continue
            logs[name] = (np.concatenate(values), logs[name][1])
    return logs


def on_histogram(workspace: Any, m: Map, copy: Callable[[Any], Any], material: str | None) -> Any:
    """A copy of an MDHistoWorkspace with the intensities and errors of a map made of it; None where the map has other pixels.

    Masked pixels are NaN with error 0; unknown errors are 0. Without a normalisation, for the map has been normalised already.
    """
    from mantid.api import MDNormalization

    data = read_histogram(workspace)
    place = places(data, material=material)
    if place is None or place.shape != m.shape:
        return None
    result = with_experiment(copy(workspace), copy)
    error = np.zeros(m.shape) if m.error is None else np.where(np.isnan(m.intensity), 0.0, m.error)
    for values, write in ((m.intensity, result.setSignalArray), (error**2, result.setErrorSquaredArray)):
        flat = np.empty(data.signal.size)
        flat[place.ravel()] = values.ravel()
        write(np.asfortranarray(flat.reshape(data.signal.shape).T))
    result.setDisplayNormalization(MDNormalization.NoNormalization)
    return result


def with_experiment(workspace: Any, copy: Callable[[Any], Any]) -> Any:
    """An MDHistoWorkspace with a place for sample logs.

    It is copied there by Mantid, because one that Python has added goes when Python lets go of it.
    """
    from mantid.api import WorkspaceFactory

    if workspace.getNumExperimentInfo() == 0:
        lender = copy(workspace)
        empty = WorkspaceFactory.create("Workspace2D", NVectors=1, XLength=1, YLength=1)
        lender.addExperimentInfo(empty)
        workspace.copyExperimentInfos(lender)
    return workspace


def _array(values: np.ndarray) -> np.ndarray:
    return np.array(values.T, dtype=float, order="C")


def _dimension(dimension: Any, direction: tuple[float, float, float] | None) -> HistoDimension:
    low, high = (_decimal(edge) for edge in (dimension.getMinimum(), dimension.getMaximum()))
    edges = np.linspace(low, high, int(dimension.getNBins()) + 1)
    return HistoDimension(dimension.name, edges, dimension.getUnits(), dimension.getMDFrame().name(), direction)


def _decimal(value: float) -> float:
    """The decimal number that single precision stands for: 0.1 and not 0.10000000149."""
    return float(str(np.float32(value)))


def _normalization(workspace: Any) -> int:
    from mantid.api import MDNormalization

    numbers = {MDNormalization.VolumeNormalization: VOLUME, MDNormalization.NumEventsNormalization: EVENTS}
    return numbers.get(workspace.displayNormalization(), NO_NORMALIZATION)


def _reciprocal(workspace: Any) -> np.ndarray | None:
    if workspace.getNumExperimentInfo() == 0:
        return None
    experiment = workspace.getExperimentInfo(0)
    if not experiment.sample().hasOrientedLattice():
        return None
    cell = experiment.sample().getOrientedLattice()
    return Lattice(*(float(getattr(cell, name)()) for name in ("a", "b", "c", "alpha", "beta", "gamma"))).reciprocal


def _summed(workspace: Any) -> bool:
    """Whether its history ends with a sum over events that nothing has been divided by since."""
    names = [one.name() for one in workspace.getHistory().getAlgorithmHistories()]
    last = [name for name in names if name in _SUMMING | _DIVIDING][-1:]
    return bool(last) and last[0] in _SUMMING
