"""A stand-in for the part of the Mantid Framework that the algorithms and their tests touch.

It is at least as strict as the real Framework: methods of an algorithm count only in the body of its own class, the class name is the
algorithm's name, numpy integers are refused, indices are plain integers, an exception becomes a RuntimeError, groups run member by member
unless checkGroups says otherwise, a workspace that is replaced is gone. No test depends on it alone; where a real Mantid can be
imported, that is used.

Where each call was read: the Mantid source of January 2019 (3.13-dev) and of 6.x, below Framework/ .

=====================================================  =======================================================================
what                                                   source
=====================================================  =======================================================================
methods only in the class's own body; name = class     PythonInterface/core/src/WrapperHelpers.cpp typeHasAttribute;
name; validateInputs' dict; exec and cancelling        PythonInterface/mantid/api/src/PythonAlgorithm/AlgorithmAdapter.cpp
order of execute(): properties, groups, validateInputs API/src/Algorithm.cpp execute, checkGroups, processGroups, store,
exec, history, store; history of groups                fillHistory
exception text "at line N in 'FILE'"                   PythonInterface/core/src/ErrorHandling.cpp
cancel raises KeyboardInterrupt in Python              PythonInterface/mantid/api/src/Exports/Algorithm.cpp translateCancel
declareProperty, log, createChildAlgorithm             the same file, in 2019 and in 6.x
execute, executeAsync, isRunning, cancel,              PythonInterface/mantid/api/src/Exports/IAlgorithm.cpp
outputProperties, validateInputs
getProperty, getPropertyValue, setProperty             PythonInterface/mantid/kernel/src/Exports/IPropertyManager.cpp
a report that does not advance is dropped, and the     Kernel/src/ProgressBase.cpp report; API/src/Progress.cpp doReport
test for cancelling with it
workspace properties: names, validity, optional        API/inc/MantidAPI/WorkspaceProperty.tcc;
                                                       PythonInterface/inc/.../api/WorkspacePropertyExporter.h
FileProperty, FileAction                               API/src/FileProperty.cpp; .../api/src/Exports/FileProperty.cpp
FloatArrayProperty, validators                         .../kernel/src/Exports/{ArrayProperty,ListValidator,BoundedValidator}.cpp
WorkspaceFactory.create, createTable                   .../api/src/Exports/WorkspaceFactory.cpp
WorkspaceGroup                                         .../api/src/Exports/WorkspaceGroup.cpp; API/src/WorkspaceGroup.cpp
what the ADS and a group give is a weak pointer, gone  PythonInterface/inc/.../kernel/{WeakPtr.h,Policies/ToWeakPtr.h};
with what it points to                                 .../api/src/Exports/WorkspaceGroup.cpp
observers of algorithms that AlgorithmManager.create   .../api/src/Exports/{AlgorithmObserver,AlgorithmManager}.cpp
made, and of no others
observers of the ADS                                   PythonInterface/mantid/api/src/Exports/AnalysisDataServiceObserver.cpp
                                                       and its Adapter (from 4.x on)
comment of a workspace                                 .../api/src/Exports/Workspace.cpp
names of a group's members in the ADS                  API/src/AnalysisDataService.cpp addOrReplace
MatrixWorkspace                                        .../api/src/Exports/MatrixWorkspace.cpp
run, mutableRun, spectrumInfo                          .../api/src/Exports/{ExperimentInfo,Run,SpectrumInfo}.cpp
isMasked without detectors raises                      API/src/SpectrumInfo.cpp checkAndGetSpectrumDefinition
types of sample logs                                   .../kernel/src/Registry/PropertyWithValueFactory.cpp
time series logs: value, times (datetime64[ns])        .../kernel/src/Exports/TimeSeriesProperty.cpp, Converters/CloneToNumpy.cpp
axes and units                                         .../api/src/Exports/Axis.cpp; .../kernel/src/Exports/{Unit,Units,UnitLabel}.cpp
tables                                                 .../api/src/Exports/ITableWorkspace.cpp
subscribe replaces quietly                             .../api/src/Exports/AlgorithmFactory.cpp
_create_algorithm_function, names from the left-hand   PythonInterface/mantid/simpleapi.py, kernel/funcinspect.py
side, results as a namedtuple
ConvertAxisByFormula: a unit Mantid does not know is a Algorithms/src/ConvertAxisByFormula.cpp
Label of that title and unit
CloneWorkspace keeps the history                       Algorithms/src/CloneWorkspace.cpp; API/src/Workspace.cpp copy constructor
=====================================================  =======================================================================
"""

STANDIN = True
