"""Stand-in for MDHistoWorkspaces, from Mantid's IMDHistoWorkspace.cpp, IMDDimension.cpp and MultipleExperimentInfos.cpp."""

from __future__ import annotations

import enum

import numpy as np

from mantid.api import MatrixWorkspace, Run, Workspace, _index


class MDNormalization(enum.IntEnum):
    NoNormalization, VolumeNormalization, NumEventsNormalization = range(3)


class VMD:
    """A vector of any number of dimensions; one by default."""

    def __init__(self, *values):
        self._values = list(values) or [0.0]

    def getNumDims(self):
        return len(self._values)

    def __getitem__(self, index):
        return self._values[_index(index, len(self._values))]


class MDFrame:
    def __init__(self, name):
        self._name = name

    def name(self):
        return self._name


class IMDDimension:
    """Coordinates are single precision."""

    def __init__(self, name, low, high, bins, unit, frame):
        self.name, self._unit, self._frame = name, unit, frame
        self._low, self._high, self._bins = np.float32(low), np.float32(high), int(bins)

    def getMinimum(self):
        return float(self._low)

    def getMaximum(self):
        return float(self._high)

    def getNBins(self):
        return self._bins

    def getX(self, ind):
        return float(np.float32(ind) * np.float32(self.getBinWidth()) + self._low)

    def getBinWidth(self):
        return float((self._high - self._low) / np.float32(self._bins))

    def getDimensionId(self):
        return self.name

    def getUnits(self):
        return self._unit

    def getMDFrame(self):
        return MDFrame(self._frame)


class OrientedLattice:
    def __init__(self, *cell):
        self._cell = dict(zip(("a", "b", "c", "alpha", "beta", "gamma"), cell, strict=True))

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._cell:
            raise AttributeError(name)
        return lambda: self._cell[name]


class Sample:
    def __init__(self):
        self._lattice = None

    def hasOrientedLattice(self):
        return self._lattice is not None

    def getOrientedLattice(self):
        if self._lattice is None:
            raise RuntimeError("Sample::getOrientedLattice - No OrientedLattice has been defined.")
        return self._lattice


class ExperimentInfo:
    def __init__(self, run=None, sample=None):
        self._run, self._sample = run or Run(), sample or Sample()

    def run(self):
        return self._run

    mutableRun = run

    def sample(self):
        return self._sample

    mutableSample = sample

    def _clone(self):
        other = ExperimentInfo()
        for name in self._run.keys():  # noqa: SIM118
            other._run.addProperty(name, self._run[name], True)
        other._sample._lattice = self._sample._lattice
        return other


class IMDHistoWorkspace(Workspace):
    _id = "MDHistoWorkspace"

    def __init__(self, dimensions):
        super().__init__()
        self._dimensions, self._infos, self._normalization = list(dimensions), [], MDNormalization.NoNormalization
        points = int(np.prod([d.getNBins() for d in dimensions]))
        self._signal, self._variance, self._events = (np.full(points, np.nan) for _ in range(3))
        self._basis, self._origin, self._original = [VMD() for _ in dimensions], VMD(), None

    def _clone(self):
        other = type(self)(self._dimensions)
        other._signal, other._variance, other._events = (np.array(a) for a in (self._signal, self._variance, self._events))
        other._infos = [info._clone() for info in self._infos]
        other._normalization, other._title = self._normalization, self._title
        other._history._add_all(self._history)
        other._basis, other._origin, other._original = self._basis, self._origin, self._original
        return other

    # MDGeometry

    def getBasisVector(self, index):
        return self._basis[_index(index, len(self._basis))]

    def getOrigin(self):
        return self._origin

    def hasOriginalWorkspace(self, index):
        return index == 0 and self._original is not None

    def getOriginalWorkspace(self, index):
        if not self.hasOriginalWorkspace(index):
            raise RuntimeError("MDGeometry::getOriginalWorkspace() index is out of range.")
        return self._original

    def getNumDims(self):
        return len(self._dimensions)

    def getDimension(self, index):
        if type(index) is not int:
            raise TypeError("Python argument types in MDGeometry.getDimension did not match C++ signature")
        if not 0 <= index < len(self._dimensions):
            raise RuntimeError(f"Workspace does not have dimension at index {index}")
        return self._dimensions[index]

    def getNonIntegratedDimensions(self):
        return [d for d in self._dimensions if d.getNBins() > 1]

    # IMDWorkspace

    def getNPoints(self):
        return self._signal.size

    def displayNormalization(self):
        return self._normalization

    # IMDHistoWorkspace: linear memory, the first dimension fastest, shown as a Fortran array that cannot be written to

    def _shown(self, memory):
        view = memory.reshape([d.getNBins() for d in self._dimensions], order="F")
        view = view.view()
        view.setflags(write=False)
        return view

    def getSignalArray(self):
        return self._shown(self._signal)

    def getErrorSquaredArray(self):
        return self._shown(self._variance)

    def getNumEventsArray(self):
        return self._shown(self._events)

    def _set_array(self, memory, values, name):
        if not isinstance(values, np.ndarray):
            raise TypeError(f"Python argument types in IMDHistoWorkspace.{name} did not match C++ signature")
        shape = tuple(d.getNBins() for d in self._dimensions)
        if values.shape != shape:
            raise ValueError(f"{name}: The dimension sizes do not match. Workspace dimension size={shape}, array size={values.shape}")
        memory[:] = values.ravel("F")

    def setSignalArray(self, signalValues):
        self._set_array(self._signal, signalValues, "setSignalArray")

    def setErrorSquaredArray(self, errorSquared):
        self._set_array(self._variance, errorSquared, "setErrorSquaredArray")

    def setDisplayNormalization(self, normalization):
        if type(normalization) is not MDNormalization:
            raise TypeError("Python argument types in IMDHistoWorkspace.setDisplayNormalization did not match C++ signature")
        self._normalization = normalization

    # MultipleExperimentInfos

    def getNumExperimentInfo(self):
        return len(self._infos)

    def getExperimentInfo(self, index):
        if type(index) is not int or not 0 <= index < len(self._infos):
            raise ValueError("MDWorkspace::getExperimentInfo(): runIndex is out of range.")
        return self._infos[_index(index, len(self._infos))]

    def addExperimentInfo(self, workspace):
        if not isinstance(workspace, MatrixWorkspace):
            raise ValueError("Incorrect type. Expected a workspace type derived from ExperimentInfo.")
        self._infos.append(ExperimentInfo(workspace.run()))

    def copyExperimentInfos(self, other):
        self._infos = [info._clone() for info in other._infos]


class MDHistoWorkspace(IMDHistoWorkspace):
    """Registered in mantid.dataobjects."""
