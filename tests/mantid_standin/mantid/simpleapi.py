"""Stand-in for mantid.simpleapi: one function an algorithm, and the few of Mantid's own algorithms that the tests use."""

from __future__ import annotations

import dis
import inspect
import json
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np

from mantid.api import (
    AlgorithmFactory,
    AlgorithmManager,
    AnalysisDataService,
    FileAction,
    FileProperty,
    IMDDimension,
    ITableWorkspace,
    IWorkspaceProperty,
    MatrixWorkspace,
    MDHistoWorkspace,
    MDNormalization,
    PythonAlgorithm,
    Workspace,
    WorkspaceGroup,
    WorkspaceProperty,
    mtd,
)
from mantid.kernel import Direction, FloatArrayProperty, FloatTimeSeriesProperty, LogProperty, StringArrayProperty, StringListValidator

__all__ = ["AnalysisDataService", "mtd"]


def _names_on_the_left(frame):
    """The variables that the call's result is assigned to, from the byte code."""
    following = [i for i in dis.get_instructions(frame.f_code) if i.offset > frame.f_lasti and i.opname not in ("CACHE", "PRECALL")]
    count = 1
    if following and following[0].opname == "UNPACK_SEQUENCE":
        count, following = following[0].arg, following[1:]
    names = [i.argval for i in following[:count] if i.opname.startswith("STORE_")]
    return names if len(names) == count else []


def _create_algorithm_function(name, version, algm_object):
    def algorithm_wrapper(*args, **kwargs):
        algorithm = AlgorithmManager.create(name, version)
        algorithm.setLogging(kwargs.pop("EnableLogging", True))
        algorithm.setAlwaysStoreInADS(kwargs.pop("StoreInADS", True))
        left = _names_on_the_left(inspect.currentframe().f_back)
        outputs = [p for p in algorithm.outputProperties() if isinstance(algorithm.getProperty(p), IWorkspaceProperty)]
        given = dict(zip(outputs, left, strict=False)) | kwargs
        free = [p for p in algorithm.mandatoryProperties() if p not in given]
        for key, value in (given | dict(zip(free, args, strict=False))).items():
            if value is None:
                continue
            if isinstance(value, Workspace) and value.name():
                algorithm.setPropertyValue(key, value.name())
            else:
                algorithm.setProperty(key, value)
        try:
            algorithm.execute()
        except RuntimeError as error:
            missing = [p for p in algorithm.mandatoryProperties() if algorithm.getProperty(p).isValid and p not in kwargs]
            if error.args[0] == "Some invalid Properties found" and missing:
                raise RuntimeError(f"{missing} argument(s) not supplied to {name}") from None
            raise
        return _gather_returns(name, algorithm, left)

    algorithm_wrapper.__name__ = name
    globals()[name] = algorithm_wrapper
    return algorithm_wrapper


def _gather_returns(name, algorithm, left):
    values = {}
    for output in algorithm.outputProperties():
        prop = algorithm.getProperty(output)
        if not isinstance(prop, IWorkspaceProperty) or prop.value is not None:
            values[output] = prop.value
        elif prop.valueAsStr in AnalysisDataService:
            values[output] = AnalysisDataService[prop.valueAsStr]
    if len(left) > 1 and len(left) != len(values):
        raise RuntimeError(f"{name} is trying to return {len(values)} output(s) but you have provided {len(left)} variable(s).")
    if not values:
        return None
    returned = namedtuple(f"{name}_returns", values)(**values)
    return returned[0] if len(values) == 1 else returned


# ---- the algorithms of Mantid that the tests use, with the properties the tests use


def _text_list(text):
    return [part.strip() for part in text.split(",") if part.strip()]


class CreateSampleWorkspace(PythonAlgorithm):
    """With detectors, which can be masked."""

    def category(self):
        return "Utility\\Workspaces"

    def PyInit(self):
        for name, value in (("NumBanks", 2), ("BankPixelWidth", 10), ("XMin", 0.0), ("XMax", 20000.0), ("BinWidth", 200.0)):
            self.declareProperty(name, value)
        self.declareProperty(WorkspaceProperty("OutputWorkspace", "", Direction.Output))

    def PyExec(self):
        banks, width, low, high, step = (self.getProperty(p).value for p in ("NumBanks", "BankPixelWidth", "XMin", "XMax", "BinWidth"))
        edges = np.linspace(low, high, round((high - low) / step) + 1)
        workspace = MatrixWorkspace(banks * width**2, edges.size, edges.size - 1)
        for i in range(workspace.getNumberHistograms()):
            workspace.setX(i, edges)
        workspace.getAxis(0).setUnit("TOF")
        workspace._detectors = [False] * workspace.getNumberHistograms()
        self.setProperty("OutputWorkspace", workspace)


class CreateEmptyTableWorkspace(PythonAlgorithm):
    def category(self):
        return "Utility\\Workspaces"

    def PyInit(self):
        self.declareProperty(WorkspaceProperty("OutputWorkspace", "", Direction.Output))

    def PyExec(self):
        self.setProperty("OutputWorkspace", ITableWorkspace())


class CreateMDHistoWorkspace(PythonAlgorithm):
    """Values in the order of memory, the first dimension fastest; errors are squared; one event a bin where no number is given."""

    def category(self):
        return "MDAlgorithms\\Creation"

    def PyInit(self):
        for name in ("SignalInput", "ErrorInput", "NumberOfEvents", "Extents", "NumberOfBins"):
            self.declareProperty(FloatArrayProperty(name))
        for name in ("Names", "Units", "Frames"):
            self.declareProperty(StringArrayProperty(name))
        self.declareProperty("Dimensionality", 1)
        self.declareProperty(WorkspaceProperty("OutputWorkspace", "", Direction.Output))

    def PyExec(self):
        count = self.getProperty("Dimensionality").value
        extents, bins = (np.array(self.getProperty(p).value) for p in ("Extents", "NumberOfBins"))
        names, units, frames = (self.getProperty(p).value for p in ("Names", "Units", "Frames"))
        if not extents.size / 2 == bins.size == len(names) == len(units) == count:
            raise ValueError("You must specify as many names as there are dimensions.")
        described = zip(names, extents[::2], extents[1::2], bins, units, frames or ["General Frame"] * count, strict=True)
        workspace = MDHistoWorkspace([IMDDimension(*one) for one in described])
        signal, error, events = (np.array(self.getProperty(p).value) for p in ("SignalInput", "ErrorInput", "NumberOfEvents"))
        if not signal.size == error.size == workspace.getNPoints():
            raise ValueError(f"Expected size of the SignalInput is: {workspace.getNPoints()}")
        workspace._signal[:], workspace._variance[:], workspace._events[:] = signal, error**2, events if events.size else 1.0
        self.setProperty("OutputWorkspace", workspace)


class ConvertAxisByFormula(PythonAlgorithm):
    """With the formula x, which changes no value; a unit that Mantid does not know becomes a Label."""

    def category(self):
        return "Transforms\\Axes"

    def PyInit(self):
        self.declareProperty(WorkspaceProperty("InputWorkspace", "", Direction.Input))
        self.declareProperty(WorkspaceProperty("OutputWorkspace", "", Direction.Output))
        self.declareProperty("Axis", "X", StringListValidator(["X", "Y"]))
        self.declareProperty("Formula", "", StringListValidator(["x"]))
        self.declareProperty("AxisTitle", "")
        self.declareProperty("AxisUnits", "")

    def PyExec(self):
        workspace = self.getProperty("InputWorkspace").value._clone()
        unit = workspace.getAxis("XY".index(self.getProperty("Axis").value)).setUnit("Label")
        unit.setLabel(self.getProperty("AxisTitle").value, self.getProperty("AxisUnits").value)
        self.setProperty("OutputWorkspace", workspace)


class CloneWorkspace(PythonAlgorithm):
    def category(self):
        return "Utility\\Workspaces"

    def checkGroups(self):
        return False

    def PyInit(self):
        self.declareProperty(WorkspaceProperty("InputWorkspace", "", Direction.Input))
        self.declareProperty(WorkspaceProperty("OutputWorkspace", "", Direction.Output))

    def PyExec(self):
        self.setProperty("OutputWorkspace", self.getProperty("InputWorkspace").value._clone())


class GroupWorkspaces(PythonAlgorithm):
    def category(self):
        return "Transforms\\Grouping"

    def PyInit(self):
        self.declareProperty("InputWorkspaces", "")
        self.declareProperty(WorkspaceProperty("OutputWorkspace", "", Direction.Output))

    def PyExec(self):
        group = WorkspaceGroup()
        for name in _text_list(self.getProperty("InputWorkspaces").value):
            group.addWorkspace(AnalysisDataService[name])
        self.setProperty("OutputWorkspace", group)


class AddSampleLog(PythonAlgorithm):
    def category(self):
        return "DataHandling\\Logs"

    def PyInit(self):
        self.declareProperty(WorkspaceProperty("Workspace", "", Direction.InOut))
        self.declareProperty("LogName", "")
        self.declareProperty("LogText", "")
        self.declareProperty("LogType", "String", StringListValidator(["String", "Number", "Number Series"]))
        self.declareProperty("LogUnit", "")

    def PyExec(self):
        if not isinstance(self.getProperty("Workspace").value, MatrixWorkspace):
            raise RuntimeError("Mantid of 2019 ends here: no ExperimentInfo")
        name, text, kind, unit = (self.getProperty(p).value for p in ("LogName", "LogText", "LogType", "LogUnit"))
        value = text if kind == "String" else (int(text) if text.lstrip("-").isdigit() else float(text))
        if kind == "Number Series":
            log = FloatTimeSeriesProperty(name)
            log.addValue("2010-01-01T00:00:00", value)
            log.units = unit
        else:
            log = LogProperty(name, value, unit)
        self.getProperty("Workspace").value.mutableRun().addProperty(name, log, True)


def _load_md(path):
    """A SaveMD file, whose arrays run slowest dimension first; read in another process, for a test may have taken h5py away here."""
    code = (
        "import h5py, json, sys\n"
        "top = h5py.File(sys.argv[1])['MDHistoWorkspace']; data = top['data']; signal = data['signal']\n"
        "text = lambda value: value.decode() if isinstance(value, bytes) else str(value)\n"
        "names = text(signal.attrs['axes']).split(':')[::-1]\n"
        "dims = [(text(data[n].attrs['long_name']), float(data[n][0]), float(data[n][-1]), data[n].size - 1,"
        " text(data[n].attrs['units']), text(data[n].attrs['frame'])) for n in names]\n"
        "print(json.dumps([dims, *(data[n][()].ravel().tolist() for n in ('signal', 'errors_squared', 'num_events')),"
        " int(top['visual_normalization'][0])]))"
    )
    said = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True, text=True).stdout
    dimensions, signal, variance, events, normalization = json.loads(said)
    workspace = MDHistoWorkspace([IMDDimension(*one) for one in dimensions])
    workspace._signal[:], workspace._variance[:], workspace._events[:] = signal, variance, events
    workspace.setDisplayNormalization(MDNormalization(normalization))
    return workspace


class Load(PythonAlgorithm):
    """Processed NeXus files of slices, and MDHisto files; others it does not know."""

    def category(self):
        return "DataHandling"

    def PyInit(self):
        self.declareProperty(FileProperty("Filename", "", FileAction.OptionalLoad))
        self.declareProperty(WorkspaceProperty("OutputWorkspace", "", Direction.Output))

    def PyExec(self):
        from mantid_insdl.files import load
        from mantid_insdl.plugin.workspaces import to_workspace

        path = self.getProperty("Filename").value
        if path.endswith(".npz"):
            raise RuntimeError(f"Cannot find a loader for {path}")
        mdhisto = b"MDHistoWorkspace" in Path(path).read_bytes()
        self.setProperty("OutputWorkspace", _load_md(path) if mdhisto else to_workspace(load(path)))


class RenameWorkspace(PythonAlgorithm):
    def category(self):
        return "Utility\\Workspaces"

    def PyInit(self):
        self.declareProperty("InputWorkspace", "")
        self.declareProperty("OutputWorkspace", "")

    def PyExec(self):
        AnalysisDataService.rename(*(self.getProperty(p).value for p in ("InputWorkspace", "OutputWorkspace")))


class DeleteWorkspace(PythonAlgorithm):
    """With the members of a group."""

    def category(self):
        return "Utility\\Workspaces"

    def PyInit(self):
        self.declareProperty("Workspace", "")

    def PyExec(self):
        name = self.getProperty("Workspace").value
        found = AnalysisDataService[name]
        for one in [*(found.getNames() if isinstance(found, WorkspaceGroup) else []), name]:
            AnalysisDataService.remove(one)


class MaskBins(PythonAlgorithm):
    def category(self):
        return "Transforms\\Masking"

    def PyInit(self):
        self.declareProperty(WorkspaceProperty("InputWorkspace", "", Direction.Input))
        self.declareProperty(WorkspaceProperty("OutputWorkspace", "", Direction.Output))
        self.declareProperty("XMin", 0.0)
        self.declareProperty("XMax", 0.0)

    def PyExec(self):
        workspace = self.getProperty("InputWorkspace").value._clone()
        low, high = self.getProperty("XMin").value, self.getProperty("XMax").value
        for i in range(workspace.getNumberHistograms()):
            x = workspace.readX(i)
            bins = [int(j) for j in np.flatnonzero((x[:-1] < high) & (x[1:] > low))]
            workspace._masked_bins[i] = bins
            workspace._y[i][bins] = workspace._e[i][bins] = 0.0
        self.setProperty("OutputWorkspace", workspace)


for _class in (
    CreateSampleWorkspace,
    CreateMDHistoWorkspace,
    ConvertAxisByFormula,
    CreateEmptyTableWorkspace,
    CloneWorkspace,
    GroupWorkspaces,
    AddSampleLog,
    Load,
    RenameWorkspace,
    DeleteWorkspace,
    MaskBins,
):
    AlgorithmFactory.subscribe(_class)
    _algorithm = _class()
    _algorithm.initialize()
    _create_algorithm_function(_class.__name__, 1, _algorithm)
