"""Stand-in for mantid.api: workspaces, data service, algorithms."""

from __future__ import annotations

import functools
import itertools
import threading
import weakref
from pathlib import Path

import numpy as np

from mantid.kernel import DataItem, Direction, Logger, LogProperty, Property, create_unit


def _index(i, size):
    """Boost.Python converts to size_t from plain integers only."""
    if type(i) is not int:
        raise TypeError(f"Python argument types did not match C++ signature: an index is an int, not {type(i).__name__}")
    if not 0 <= i < size:
        raise IndexError(f"index {i} out of range ({size})")
    return i


# ---- workspaces


class WorkspaceHistory:
    def __init__(self):
        self._records = {}

    def _add(self, record):
        self._records[record.number] = record

    def _add_all(self, other):
        self._records.update(other._records)

    def getAlgorithmHistories(self):
        return [self._records[number] for number in sorted(self._records)]

    def size(self):
        return len(self._records)


class AlgorithmHistory:
    _count = itertools.count(1)

    def __init__(self, algorithm):
        self.number = next(self._count)
        self._name, self._version = algorithm.name(), algorithm.version()
        self._values = {p.name: p.valueAsStr for p in algorithm._properties.values()}

    def name(self):
        return self._name

    def version(self):
        return self._version

    def getPropertyValue(self, name):
        return self._values[name]


class Workspace(DataItem):
    _id = "Workspace"

    def __init__(self):
        self._name, self._title, self._comment, self._history = "", "", "", WorkspaceHistory()

    def id(self):
        return self._id

    def name(self):
        return self._name

    def getTitle(self):
        return self._title

    def setTitle(self, title):
        if type(title) is not str:
            raise TypeError("Workspace.setTitle(Workspace, str)")
        self._title = title

    def getComment(self):
        return self._comment

    def setComment(self, comment):
        if type(comment) is not str:
            raise TypeError("Workspace.setComment(Workspace, str)")
        self._comment = comment

    def getHistory(self):
        return self._history

    def __str__(self):
        return self._name


class _WeakHandle:
    """What Python has of a workspace that Mantid holds: it keeps nothing alive, and is of no use once the workspace is gone."""

    def __init__(self, workspace):
        object.__setattr__(self, "_reference", weakref.ref(workspace))

    def __getattribute__(self, name):
        return object.__getattribute__(self, name) if name == "__class__" else getattr(_strong(self), name)

    def __setattr__(self, name, value):
        setattr(_strong(self), name, value)


@functools.cache
def _handle_class(kind):
    return type(kind.__name__, (_WeakHandle, kind), {})


def _weak(workspace):
    return _handle_class(type(workspace))(workspace)


def _strong(workspace):
    """The workspace itself, of a handle or of itself."""
    if not isinstance(workspace, _WeakHandle):
        return workspace
    found = object.__getattribute__(workspace, "_reference")()
    if found is None:
        raise RuntimeError("Variable invalidated, data has been deleted.")
    return found


class Run:
    def __init__(self):
        self._logs = {}

    def hasProperty(self, name):
        return name in self._logs

    __contains__ = hasProperty

    def getProperty(self, name):
        if name not in self._logs:
            raise RuntimeError(f"Unknown property search object {name}")
        return self._logs[name]

    __getitem__ = getProperty

    def keys(self):
        return list(self._logs)

    def addProperty(self, name, value, *rest):
        units, replace = rest if len(rest) == 2 else ("", *rest)
        if type(name) is not str or type(units) is not str or type(replace) is not bool:
            raise TypeError("Python argument types in Run.addProperty did not match C++ signature")
        if name in self._logs and not replace:
            raise ValueError(f"Property with given name already exists search object {name}")
        self._logs[name] = value.clone() if isinstance(value, LogProperty) else LogProperty(name, value, units)


class Axis:
    _kind = ""

    def __init__(self, values):
        self._values, self._unit = values, create_unit("Empty")

    @classmethod
    def create(cls, length):
        if type(length) is not int:
            raise TypeError(f"Python argument types in {cls.__name__}.create({type(length).__name__}) did not match C++ signature")
        return cls(np.zeros(length))

    def isNumeric(self):
        return self._kind == "numeric"

    def isSpectra(self):
        return self._kind == "spectra"

    def isText(self):
        return self._kind == "text"

    def length(self):
        return len(self._values)

    def extractValues(self):
        return np.array(self._values)

    def setValue(self, index, value):
        if not isinstance(value, float | int):
            raise TypeError("Python argument types in MantidAxis.setValue did not match C++ signature")
        self._values[_index(index, len(self._values))] = value

    def getUnit(self):
        return self._unit

    def setUnit(self, name):
        self._unit = create_unit(name)
        return self._unit

    def copy(self):
        axis = type(self)(np.array(self._values))
        axis.setUnit(self._unit.unitID())
        if self._unit.unitID() == "Label":
            axis._unit.setLabel(self._unit.caption(), self._unit.symbol().ascii())
        return axis


class NumericAxis(Axis):
    _kind = "numeric"


class BinEdgeAxis(NumericAxis):
    pass


class SpectraAxis(Axis):
    _kind = "spectra"

    def __init__(self, values):
        super().__init__(values)
        self.setUnit("Label").setLabel("Spectrum", "")


class TextAxis(Axis):
    _kind = "text"

    def extractValues(self):
        return [str(v) for v in self._values]


class SpectrumInfo:
    def __init__(self, workspace):
        self._workspace = workspace

    def hasDetectors(self, index):
        return self._workspace._detectors is not None and bool(_index(index, len(self._workspace._y)) >= 0)

    def _masks(self):
        if self._workspace._detectors is None:
            raise RuntimeError("SpectrumInfo: No detectors for this workspace index.")
        return self._workspace._detectors

    def isMasked(self, index):
        return bool(self._masks()[_index(index, len(self._masks()))])

    def setMasked(self, index, masked):
        self._masks()[_index(index, len(self._masks()))] = masked


class MatrixWorkspace(Workspace):
    """A Workspace2D."""

    _id = "Workspace2D"

    def __init__(self, spectra, x_length, y_length):
        super().__init__()
        self._x = [np.zeros(x_length) for _ in range(spectra)]
        self._y, self._e = ([np.zeros(y_length) for _ in range(spectra)] for _ in range(2))
        self._axes = [NumericAxis(np.zeros(x_length)), SpectraAxis(np.arange(1.0, spectra + 1))]
        self._run, self._label, self._distribution = Run(), "", False
        self._masked_bins, self._detectors = {}, None

    def _clone(self):
        other = MatrixWorkspace(len(self._y), len(self._x[0]), len(self._y[0]))
        for mine, theirs in ((self._x, other._x), (self._y, other._y), (self._e, other._e)):
            theirs[:] = [np.array(values) for values in mine]
        other._axes = [axis.copy() for axis in self._axes]
        for name in self._run.keys():  # noqa: SIM118
            other._run.addProperty(name, self._run[name], True)
        other._label, other._distribution, other._title = self._label, self._distribution, self._title
        other._masked_bins = {i: list(bins) for i, bins in self._masked_bins.items()}
        other._detectors = None if self._detectors is None else list(self._detectors)
        other._history._add_all(self._history)
        return other

    def getNumberHistograms(self):
        return len(self._y)

    def blocksize(self):
        return len(self._y[0])

    def isHistogramData(self):
        return len(self._x[0]) == len(self._y[0]) + 1

    def isCommonBins(self):
        return all(np.array_equal(x, self._x[0]) for x in self._x)

    def getAxis(self, index):
        return self._axes[_index(index, 2)]

    def replaceAxis(self, index, axis):
        self._axes[_index(index, 2)] = axis

    def run(self):
        return self._run

    mutableRun = getRun = run

    def spectrumInfo(self):
        return SpectrumInfo(self)

    def hasMaskedBins(self, index):
        return _index(index, len(self._y)) in self._masked_bins

    def maskedBinsIndices(self, index):
        if not self.hasMaskedBins(index):
            raise RuntimeError(f"MatrixWorkspace::maskedBins: There are no masked bins for spectrum index {index}")
        return self._masked_bins[index]

    def isDistribution(self):
        return self._distribution

    def setDistribution(self, value):
        self._distribution = bool(value)

    def YUnitLabel(self):
        return self._label

    def setYUnitLabel(self, label):
        if type(label) is not str:
            raise TypeError("MatrixWorkspace.setYUnitLabel(MatrixWorkspace, str)")
        self._label = label

    def _read(self, data, index):
        values = data[_index(index, len(data))].view()
        values.setflags(write=False)
        return values

    def readX(self, index):
        return self._read(self._x, index)

    def readY(self, index):
        return self._read(self._y, index)

    def readE(self, index):
        return self._read(self._e, index)

    def extractY(self):
        return np.array(self._y)

    def extractE(self):
        return np.array(self._e)

    def extractX(self):
        return np.array(self._x)

    def _set(self, data, index, values):
        if np.shape(values) != np.shape(data[_index(index, len(data))]):
            raise ValueError(f"{np.shape(values)} values for {np.shape(data[index])}")
        data[index] = np.array(values, dtype=float)

    def setX(self, index, values):
        self._set(self._x, index, values)
        if index == 0:
            self._axes[0]._values = np.array(values, dtype=float)

    def setY(self, index, values):
        self._set(self._y, index, values)

    def setE(self, index, values):
        if not isinstance(values, np.ndarray):
            raise TypeError("MatrixWorkspace.setE takes an array")
        self._set(self._e, index, values)


class WorkspaceGroup(Workspace):
    _id = "WorkspaceGroup"

    def __init__(self):
        super().__init__()
        self._items = []

    def addWorkspace(self, workspace):
        if not isinstance(workspace, Workspace):
            raise TypeError("WorkspaceGroup.addWorkspace takes a workspace")
        workspace = _strong(workspace)
        if not any(workspace is item for item in self._items):
            self._items.append(workspace)

    def add(self, name):
        self.addWorkspace(AnalysisDataService.retrieve(name))

    def getNumberOfEntries(self):
        return len(self._items)

    size = __len__ = getNumberOfEntries

    def getItem(self, index):
        return _weak(self._items[_index(index, len(self._items))])

    __getitem__ = getItem

    def getNames(self):
        return [item.name() for item in self._items]


class ITableWorkspace(Workspace):
    _id = "TableWorkspace"

    def __init__(self):
        super().__init__()
        self._columns, self._rows = {}, []

    def addColumn(self, type, name):
        self._columns[name] = {"str": str, "double": (float, int), "int": int}[type]
        return True

    def addRow(self, values):
        if len(values) != len(self._columns):
            raise ValueError(f"Number of values given does not match the number of columns. Expected: {len(self._columns)}")
        for value, (name, kind) in zip(values, self._columns.items(), strict=True):
            if not isinstance(value, kind):
                raise TypeError(f"Wrong datatype <{type(value).__name__}> for column <{name}>")
        self._rows.append(list(values))

    def rowCount(self):
        return len(self._rows)

    __len__ = rowCount

    def columnCount(self):
        return len(self._columns)

    def getColumnNames(self):
        return list(self._columns)

    def column(self, name):
        return [row[list(self._columns).index(name)] for row in self._rows]

    def row(self, index):
        return dict(zip(self._columns, self._rows[_index(index, len(self._rows))], strict=True))


class _WorkspaceFactory:
    def create(self, className, NVectors, XLength, YLength):
        if className != "Workspace2D":
            raise RuntimeError(f"{className} is not registered")
        for number in (NVectors, XLength, YLength):
            if type(number) is not int:
                raise TypeError("Python argument types in WorkspaceFactoryImpl.create did not match C++ signature")
        return MatrixWorkspace(NVectors, XLength, YLength)

    def createTable(self):
        return ITableWorkspace()


class _AnalysisDataService:
    def __init__(self):
        self._items, self._observers = {}, []

    def _tell(self, what, *args):
        """As Poco's notification centre does: in the thread that changed the service."""
        for observer in list(self._observers):
            observer._notified(what, *args)

    def __contains__(self, name):
        return name in self._items

    doesExist = __contains__

    def __getitem__(self, name):
        if name not in self._items:
            raise KeyError(f"'{name}' does not exist.")
        return _weak(self._items[name])

    retrieve = __getitem__

    def addOrReplace(self, name, workspace):
        workspace = _strong(workspace)
        replaced = self._items.get(name)
        for group in [w for w in self._items.values() if isinstance(w, WorkspaceGroup)]:
            group._items = [workspace if item is replaced else item for item in group._items]
        workspace._name = name
        self._items[name] = workspace
        if isinstance(workspace, WorkspaceGroup):
            for i, member in enumerate(workspace._items):
                if not member._name:
                    self.addOrReplace(f"{name}_{i + 1}", member)
                elif member._name not in self:
                    self.addOrReplace(member._name, member)
        self._tell("add" if replaced is None else "replace", name, workspace)

    add = addOrReplace

    def remove(self, name):
        removed = self._items.pop(name)
        removed._name = ""
        for group in [w for w in self._items.values() if isinstance(w, WorkspaceGroup)]:
            group._items = [item for item in group._items if item is not removed]
        self._tell("delete", name, removed)

    def addToGroup(self, group, name):
        self._items[group].addWorkspace(self._items[name])
        self._tell("groupUpdate", group, self._items[group])

    def rename(self, old, new):
        workspace = self._items.pop(old)
        workspace._name, self._items[new] = new, workspace
        self._tell("rename", old, new)

    def clear(self):
        self._items.clear()
        self._tell("clear")

    def getObjectNames(self):
        return sorted(self._items)


class AnalysisDataServiceObserver:
    """Calls a handle only where the object has one, and never a handle that was not asked for."""

    _wanted = frozenset()

    def _observe(self, what, on):
        self._wanted = self._wanted | {what} if on else self._wanted - {what}
        AnalysisDataService._observers = [one for one in AnalysisDataService._observers if one is not self]
        if self._wanted:
            AnalysisDataService._observers.append(self)

    def _notified(self, what, *args):
        for kind, given in ((what, args), ("all", ())):
            handle = getattr(self, "anyChangeHandle" if kind == "all" else f"{kind}Handle", None)
            if kind in self._wanted and handle is not None:
                handle(*given)

    def observeAll(self, on):
        self._observe("all", on)

    def observeAdd(self, on):
        self._observe("add", on)

    def observeReplace(self, on):
        self._observe("replace", on)

    def observeDelete(self, on):
        self._observe("delete", on)

    def observeRename(self, on):
        self._observe("rename", on)

    def observeClear(self, on):
        self._observe("clear", on)

    def observeGroupUpdate(self, on):
        self._observe("groupUpdate", on)


WorkspaceFactory = _WorkspaceFactory()
AnalysisDataService = mtd = _AnalysisDataService()


# ---- properties of algorithms


class PropertyMode:
    Mandatory, Optional = 0, 1


class FileAction:
    Save, OptionalSave, Load, OptionalLoad, Directory, OptionalDirectory = range(6)


class IWorkspaceProperty:
    pass


class WorkspaceProperty(Property, IWorkspaceProperty):
    _type = Workspace

    def __init__(self, name, defaultValue, direction, optional=PropertyMode.Mandatory):
        super().__init__(name, defaultValue, None, direction)
        self._optional, self._workspace = optional == PropertyMode.Optional, None

    def isOptional(self):
        return self._optional

    @property
    def value(self):
        return self._workspace

    @property
    def valueAsStr(self):
        return self._value

    @property
    def isDefault(self):
        return not self._value and self._workspace is None

    @property
    def isValid(self):
        if self.direction == Direction.Output:
            return "" if self._value or self._optional else "Enter a name for the Output workspace"
        if self._workspace is not None or (self._optional and not self._value):
            return ""
        if not self._value:
            return "Enter a name for the Input/InOut workspace"
        if self._value in AnalysisDataService:
            return f"Workspace {self._value} is not of the correct type"
        return f'Workspace "{self._value}" was not found in the Analysis Data Service'

    def set(self, value):
        if isinstance(value, str):
            self.set_text(value)
        elif isinstance(value, self._type):
            self._workspace = _strong(value)
            if self.direction == Direction.Input:
                self._value = value.name()
        else:
            raise ValueError(f'When converting parameter "{self.name}": {type(value)} is no workspace of the right type')

    def set_text(self, text):
        self._value, self._workspace = text.strip(), None
        if self.direction != Direction.Output and self._value in AnalysisDataService:
            found = AnalysisDataService._items[self._value]
            self._workspace = found if isinstance(found, self._type) else None
        if self.isValid:
            raise ValueError(f'Invalid value for property {self.name} (Workspace) "{text}": {self.isValid}')

    def store(self):
        if self.direction == Direction.Output:
            if self._workspace is not None:
                AnalysisDataService.addOrReplace(self._value, self._workspace)
            elif not self._optional:
                raise RuntimeError("WorkspaceProperty doesn't point to a workspace")
            self._workspace = None


class ITableWorkspaceProperty(WorkspaceProperty):
    _type = ITableWorkspace


class MatrixWorkspaceProperty(WorkspaceProperty):
    _type = MatrixWorkspace


class FileProperty(Property):
    """As OptionalLoad: a file that is not there is taken as it is, and no ending is enforced."""

    def __init__(self, name, defaultValue, action, extensions=None, direction=Direction.Input):
        if action != FileAction.OptionalLoad:
            raise NotImplementedError("the stand-in knows OptionalLoad only")
        super().__init__(name, defaultValue, None, direction)

    def set_text(self, text):
        text = text.strip()
        if text and Path(text).is_file():
            text = str(Path(text).absolute())
        self._value = text


# ---- algorithms


class _CancelException(Exception):
    pass


def _own(algorithm, name):
    """The method, if it stands in the body of the object's own class: Mantid looks nowhere else."""
    return name in type(algorithm).__dict__


class Algorithm:
    def __init__(self):
        self._properties, self._initialized, self._executed = {}, False, False
        self._child, self._store, self._running, self._cancelled = False, True, False, False
        self._observers, self._logging, self._managed = [], True, False

    # what Mantid asks

    def _ask(self, method, default):
        return getattr(self, method)() if _own(self, method) else default

    def name(self):
        return type(self).__name__

    def version(self):
        return 1

    def alias(self):
        return ""

    def log(self):
        return Logger(type(self).__name__)

    getLogger = log

    # properties

    def declareProperty(self, *args, **kwargs):
        if isinstance(args[0], Property):
            prop, kwargs = args[0], self._arguments(args[1:], ("doc",), kwargs)
        else:
            names = ("validator", "doc", "direction")
            if len(args) > 2 and isinstance(args[2], str):
                names = ("doc", "direction")
            kwargs = self._arguments(args[2:], names, kwargs)
            prop = Property(args[0], args[1], kwargs.get("validator"), kwargs.get("direction", Direction.Input))
        if type(kwargs.get("doc", "")) is not str:
            raise TypeError("Python argument types in Algorithm.declareProperty did not match C++ signature")
        if prop.name in self._properties:
            raise RuntimeError(f"Property with given name already exists search object {prop.name}")
        prop.documentation = kwargs.get("doc", "")
        self._properties[prop.name] = prop

    @staticmethod
    def _arguments(positional, names, keywords):
        if len(positional) > len(names) or set(keywords) - {"validator", "doc", "direction"}:
            raise TypeError("Python argument types in Algorithm.declareProperty did not match C++ signature")
        return dict(zip(names, positional, strict=False)) | keywords

    def getProperty(self, name):
        if name not in self._properties:
            raise RuntimeError(f"Unknown property search object {name}")
        return self._properties[name]

    def getPropertyValue(self, name):
        return self.getProperty(name).valueAsStr

    def setProperty(self, name, value):
        self.getProperty(name).set(value)

    def setPropertyValue(self, name, value):
        self.getProperty(name).set_text(value)

    def existsProperty(self, name):
        return name in self._properties

    def outputProperties(self):
        return [p.name for p in self._properties.values() if p.direction == Direction.Output]

    def mandatoryProperties(self):
        inputs = [p for p in self._properties.values() if p.direction != Direction.Output]
        return [p.name for p in sorted(inputs, key=lambda p: not p.isValid)]

    # running

    def initialize(self):
        if self._initialized:
            return
        if not _own(self, "PyInit"):
            self.log().fatal("UNKNOWN Exception is caught in initialize()")
            raise RuntimeError("unidentifiable C++ exception")
        self.PyInit()
        self._initialized = True

    def createChildAlgorithm(self, name, startProgress=-1.0, endProgress=-1.0, enableLogging=True, version=-1):
        child = AlgorithmManager.createUnmanaged(name, version)
        child._child, child._store, child._logging = True, False, enableLogging
        child.initialize()
        for prop in child._properties.values():
            if prop.direction == Direction.Output and isinstance(prop, WorkspaceProperty) and not prop.isOptional():
                prop._value = f"__TMP{id(prop):x}"
        return child

    def isChild(self):
        return self._child

    def isRunning(self):
        return self._running

    def isExecuted(self):
        return self._executed

    def setRethrows(self, rethrow):
        pass

    def setLogging(self, value):
        self._logging = value

    def isLogging(self):
        return self._logging

    def setAlwaysStoreInADS(self, value):
        self._store = value

    def cancel(self):
        self._cancelled = True

    def validateInputs(self):
        return {}

    def checkGroups(self):
        inputs = [p for p in self._properties.values() if isinstance(p, WorkspaceProperty) and p.direction == Direction.Input]
        return any(isinstance(p.value, WorkspaceGroup) or isinstance(mtd._items.get(p.valueAsStr), WorkspaceGroup) for p in inputs)

    def execute(self):
        if not self._initialized:
            raise RuntimeError("Algorithm is not initialised:" + self.name())
        self._running = True
        try:
            self._notify("starting")
            return self._execute()
        except BaseException as error:
            self._notify("error", str(error))
            raise
        finally:
            self._running = False

    def _execute(self):
        invalid = [p for p in self._properties.values() if p.isValid]
        for prop in invalid:
            self.log().error(f"{self.name()}: Invalid value for {prop.name}: {prop.isValid}")
        if invalid:
            raise RuntimeError("Some invalid Properties found")
        if Algorithm.checkGroups(self) if not _own(self, "checkGroups") else self.checkGroups():
            return self._process_groups()
        self._validate()
        try:
            self._ask("PyExec", None)
            if self._cancelled:
                raise _CancelException
        except (_CancelException, KeyboardInterrupt):
            if not self._cancelled:
                raise
            self.log().error("Execution terminated by user.")
            raise KeyboardInterrupt("") from None
        except Exception as error:
            text = _with_traceback(error)
            self.log().error(f"Error in execution of algorithm {self.name()}:\n{text}")
            raise RuntimeError(text) from None
        if not self._child:
            self._record()
        if self._store:
            stored = [p for p in self._properties.values() if isinstance(p, WorkspaceProperty)]
            for prop in sorted(stored, key=lambda p: isinstance(p.value, WorkspaceGroup)):
                prop.store()
        self._executed = True
        self._notify("finish")
        return True

    def _validate(self):
        problems = self._ask("validateInputs", {})
        if type(problems) is not dict:
            raise RuntimeError(f"validateInputs returned {type(problems).__name__}: unidentifiable C++ exception")
        known = 0
        for name, text in problems.items():
            if not text:
                continue
            if type(name) is not str or type(text) is not str:
                self.log().error("In validateInputs(self): Invalid type for key/value pair detected in dict.")
            elif name in self._properties:
                known += 1
                self.log().error(f"Invalid value for {name}: {text}")
            else:
                self.log().warning(f'validateInputs() references non-existant property "{name}"')
        if known:
            raise RuntimeError("Some invalid Properties found")

    def _record(self):
        record = AlgorithmHistory(self)
        workspaces = [p for p in self._properties.values() if isinstance(p, WorkspaceProperty) and p.value is not None]
        inputs = [p.value for p in workspaces if p.direction == Direction.Input]
        for output in (p.value for p in workspaces if p.direction != Direction.Input):
            for one in [output, *(output._items if isinstance(output, WorkspaceGroup) else [])]:
                for source in inputs:
                    one._history._add_all(source._history)
                one._history._add(record)

    def _process_groups(self):
        """One run for each member, as Mantid does unless checkGroups returns False."""
        inputs = {n: p for n, p in self._properties.items() if isinstance(p, WorkspaceProperty) and p.direction == Direction.Input}
        size = max(p.value.size() for p in inputs.values() if isinstance(p.value, WorkspaceGroup))
        outputs = {n: p.valueAsStr for n, p in self._properties.items() if n in self.outputProperties() and p.valueAsStr}
        groups = {n: WorkspaceGroup() for n in outputs}
        for i in range(size):
            one = AlgorithmManager.create(self.name())
            for name, prop in self._properties.items():
                if name in inputs and prop.value is not None:
                    value = prop.value.getItem(i) if isinstance(prop.value, WorkspaceGroup) else prop.value
                    one.setProperty(name, value)
                    member = value.name()
                elif name not in inputs and name not in self.outputProperties():
                    one.setPropertyValue(name, prop.valueAsStr)
            for name, text in outputs.items():
                one.setPropertyValue(name, f"{member}_{text}")
            one.execute()
            for name, text in outputs.items():
                groups[name].add(f"{member}_{text}")
        for name, text in outputs.items():
            AnalysisDataService.addOrReplace(text, groups[name])
        return True

    def executeAsync(self):
        threading.Thread(target=self._run_async).start()

    def _run_async(self):
        try:
            self.execute()
        except (KeyboardInterrupt, Exception):
            self._executed = False

    def _notify(self, what, *args):
        for observer, wanted in self._observers:
            if wanted == what:
                getattr(observer, f"{what}Handle")(*args)


PythonAlgorithm = Algorithm


def _with_traceback(error):
    text, step, word = str(error), error.__traceback__, "at"
    while step is not None:
        if "mantid_standin" not in step.tb_frame.f_code.co_filename:
            text += f"\n  {word} line {step.tb_lineno} in '{step.tb_frame.f_code.co_filename}'"
            word = "caused by"
        step = step.tb_next
    return text


class Progress:
    """Drops a report that does not advance by the notify step, and with it the test for cancelling, as Mantid's does."""

    def __init__(self, alg, start, end, nreports):
        if not (isinstance(start, float) and isinstance(end, float) and type(nreports) is int):
            raise TypeError("Python argument types in Progress.__init__ did not match C++ signature")
        if start < 0 or start >= end:
            raise ValueError(f"Progress range invalid 0 <= start={start} <= end={end}")
        self._alg, self._start, self._end = alg, start, end
        self._step = (end - start) / max(nreports, 1)
        self._notify_step = max(int(nreports * 0.01 / (end - start)), 1)
        self._i, self._last = 0, -self._notify_step

    def report(self, *args):
        self._i = args[0] if len(args) == 2 else self._i + 1
        message = args[-1] if args else ""
        if type(message) is not str or type(self._i) is not int:
            raise TypeError("Python argument types in Progress.report did not match C++ signature")
        if self._i - self._last < self._notify_step:
            return
        self._last = self._i
        fraction = min(self._start + self._step * self._i, self._end)
        self._alg._notify("progress", fraction, message, 0.0, 0)
        if self._alg._cancelled:
            raise KeyboardInterrupt("")


class AlgorithmObserver:
    def _observe(self, alg, what):
        if not alg._managed:
            raise TypeError("No registered converter was able to extract a C++ reference to type std::shared_ptr<Mantid::API::IAlgorithm>")
        alg._observers.append((self, what))

    def observeProgress(self, alg):
        self._observe(alg, "progress")

    def observeFinish(self, alg):
        self._observe(alg, "finish")

    def observeError(self, alg):
        self._observe(alg, "error")


class _AlgorithmFactory:
    def __init__(self):
        self._classes = {}

    def subscribe(self, cls):
        if not (isinstance(cls, type) and issubclass(cls, Algorithm)):
            raise ValueError("Cannot register an algorithm that does not derive from Algorithm.")
        self._classes[cls.__name__] = cls
        algorithm = cls()
        if algorithm._ask("category", "PythonAlgorithms") == "PythonAlgorithms":
            algorithm.log().warning(f"Python Algorithm {cls.__name__} v1 does not have a category defined.")

    def exists(self, name, version=-1):
        return name in self._classes


class _AlgorithmManager:
    def createUnmanaged(self, name, version=-1):
        if name not in AlgorithmFactory._classes:
            raise RuntimeError(f"Algorithm not registered {name}")
        return AlgorithmFactory._classes[name]()

    def create(self, name, version=-1):
        algorithm = self.createUnmanaged(name, version)
        algorithm._managed = True
        algorithm.initialize()
        return algorithm


AlgorithmFactory, AlgorithmManager = _AlgorithmFactory(), _AlgorithmManager()

from mantid._histograms import IMDDimension, IMDHistoWorkspace, MDHistoWorkspace, MDNormalization  # noqa: E402, F401 (built on the classes above)
