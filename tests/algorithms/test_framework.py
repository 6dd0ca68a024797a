"""What the algorithms rely on in Mantid: the same on the real Framework and on the stand-in."""

import importlib

import numpy as np
import pytest
from mantid.api import (
    AlgorithmFactory,
    AlgorithmObserver,
    AnalysisDataService,
    Progress,
    PythonAlgorithm,
    WorkspaceFactory,
    WorkspaceGroup,
    WorkspaceProperty,
    mtd,
)
from mantid.kernel import Direction, FloatArrayProperty, FloatTimeSeriesProperty, IntBoundedValidator, StringListValidator
from mantid_helpers import create, new_group, new_slice


class _Base(PythonAlgorithm):
    def PyInit(self):
        pass

    def PyExec(self):
        pass


class InheritsItsMethods(_Base):
    def category(self):
        return "Tests"


class FailsLoudly(PythonAlgorithm):
    def category(self):
        return "Tests"

    def PyInit(self):
        self.declareProperty("Number", 1, IntBoundedValidator(lower=0))
        self.declareProperty("Choice", "a", StringListValidator(["a", "b"]))
        self.declareProperty(FloatArrayProperty("Values"))
        self.declareProperty("Listed", False)

    def validateInputs(self):
        return (
            ["a list"] if self.getProperty("Listed").value else {"Number": "it is seven"} if self.getProperty("Number").value == 7 else {}
        )

    def PyExec(self):
        raise KeyError("the reason")


class TakesGroupsWhole(PythonAlgorithm):
    def category(self):
        return "Tests"

    def checkGroups(self):
        return False

    def PyInit(self):
        self.declareProperty(WorkspaceProperty("InputWorkspace", "", Direction.Input))
        self.declareProperty(WorkspaceProperty("OutputWorkspace", "", Direction.Output))

    def PyExec(self):
        group = WorkspaceGroup()
        for i in range(self.getProperty("InputWorkspace").value.getNumberOfEntries()):
            group.addWorkspace(new_slice(i + 1))
        self.setProperty("OutputWorkspace", group)


@pytest.fixture(autouse=True, scope="module")
def subscribed():
    for algorithm in (InheritsItsMethods, FailsLoudly, TakesGroupsWhole):
        AlgorithmFactory.subscribe(algorithm)


def test_inherited_methods_are_not_found():
    with pytest.raises(Exception):  # noqa: B017 (the real Framework raises one of its own)
        create("InheritsItsMethods")


def test_exception_becomes_a_runtime_error_that_says_where():
    with pytest.raises(RuntimeError, match=r"the reason[\s\S]*at line \d+ in '.*test_framework.py'"):
        create("FailsLoudly").execute()


def test_problems_of_validate_inputs_reach_the_caller_as_one_text():
    with pytest.raises(RuntimeError, match="Some invalid Properties found"):
        create("FailsLoudly", Number=7).execute()
    assert dict(create("FailsLoudly", Number=7).validateInputs()) == {"Number": "it is seven"}


def test_validate_inputs_must_return_a_dictionary():
    with pytest.raises(Exception):  # noqa: B017 (the real Framework raises one of its own)
        create("FailsLoudly", Listed=True).execute()


@pytest.mark.parametrize("value", [np.int64(3), 3.0])
def test_integer_property_takes_plain_integers_only(value):
    with pytest.raises(TypeError):
        create("FailsLoudly", Number=value)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("Number", -1, "< the lower bound"), ("Choice", "c", 'The value "c" is not in the list of allowed values')],
)
def test_validators_name_the_value(name, value, text):
    with pytest.raises(ValueError, match=text):
        create("FailsLoudly", **{name: value})


def test_unknown_property_and_workspace():
    with pytest.raises(RuntimeError, match="Unknown property search object Nothing"):
        create("FailsLoudly", Nothing=1)
    with pytest.raises(ValueError, match='Workspace "nothing" was not found in the Analysis Data Service'):
        create("TakesGroupsWhole", InputWorkspace="nothing")
    with pytest.raises(KeyError):
        mtd["nothing"]


def test_group_is_passed_whole_and_members_are_named():
    new_group(store="in")
    create("TakesGroupsWhole", InputWorkspace="in", OutputWorkspace="out").execute()
    assert list(mtd["out"].getNames()) == ["out_1", "out_2", "out_3"]
    assert "out_2" in AnalysisDataService
    for workspace in (mtd["out"], mtd["out_2"]):
        assert [h.name() for h in workspace.getHistory().getAlgorithmHistories()][-1] == "TakesGroupsWhole"


def test_progress_that_does_not_advance_is_dropped():
    """The reason why `algorithm_support.report` makes a Progress of its own for each report."""
    algorithm = create("FailsLoudly")
    once = Progress(algorithm, 0.0, 1.0, 100)
    once.report(5, "five")
    algorithm.cancel()
    once.report(5, "five again")  # dropped, and with it the cancelling
    with pytest.raises(KeyboardInterrupt):
        Progress(algorithm, 0.03, 0.05, 1).report("five")


def test_workspace_that_is_replaced_or_removed_is_gone():
    """What the data service and groups give keeps nothing alive."""
    AnalysisDataService.addOrReplace("one", WorkspaceFactory.create("Workspace2D", NVectors=2, XLength=3, YLength=2))
    new_group(store="group")
    held, member = mtd["one"], mtd["group"].getItem(0)
    assert (held.getNumberHistograms(), member.getTitle()) == (2, "slice 1")
    AnalysisDataService.addOrReplace("one", WorkspaceFactory.create("Workspace2D", NVectors=5, XLength=3, YLength=2))
    assert mtd["one"].getNumberHistograms() == 5
    AnalysisDataService.clear()
    for gone in (held, member):
        with pytest.raises(RuntimeError, match="Variable invalidated, data has been deleted"):
            gone.getTitle()


def test_workspace_that_python_made_stays():
    mine = new_slice()
    AnalysisDataService.addOrReplace("mine", mine)
    AnalysisDataService.addOrReplace("mine", new_slice(2))
    assert mine.getTitle() == "slice 1"


def test_observer_needs_a_managed_algorithm():
    with pytest.raises(TypeError):
        AlgorithmObserver().observeProgress(create("FailsLoudly"))
    AlgorithmObserver().observeProgress(create("FailsLoudly", managed=True))


def test_time_series_log_has_times():
    run = new_slice().mutableRun()
    log = FloatTimeSeriesProperty("x")
    log.addValue("2020-01-01T00:00:10", 2.0)
    log.addValue("2020-01-01T00:00:00", 1.0)
    run.addProperty("x", log, True)
    times = np.asarray(run.getProperty("x").times)
    assert times.dtype.kind == "M"
    assert dict(zip((times - times.min()) / np.timedelta64(1, "s"), run.getProperty("x").value, strict=True)) == {0: 1, 10: 2}
    assert not hasattr(new_slice().run().getProperty("Ei"), "times")


@pytest.mark.parametrize("name", ["tensorflow", "keras", "h5py"])
def test_mantids_python_lacks_the_networks_libraries(name):
    with pytest.raises(ImportError):
        importlib.import_module(name)


def test_sample_logs_take_plain_python_values():
    run = new_slice().mutableRun()
    with pytest.raises(ValueError, match=r"numpy\.float64"):
        run.addProperty("x", np.float64(1), "meV", True)
    run.addProperty("x", 1.5, "meV", True)
    assert (run.getProperty("x").value, run.getProperty("x").units) == (1.5, "meV")


def test_table_takes_plain_values_of_the_column_type():
    table = WorkspaceFactory.createTable()
    table.addColumn("str", "Name")
    table.addColumn("double", "Value")
    table.addRow(["J", 1.5])
    assert table.row(0) == {"Name": "J", "Value": 1.5}
    with pytest.raises(TypeError):
        table.addRow([1, 1.5])


def test_spectra_without_detectors_cannot_be_asked_for_masks():
    detectors = new_slice().spectrumInfo()
    assert not detectors.hasDetectors(0)
    with pytest.raises(RuntimeError):
        detectors.isMasked(0)
