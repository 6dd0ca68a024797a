"""Progress, cancelling, errors of the worker, and the algorithms as children of others."""

import time

import numpy as np
import pytest
from mantid.api import AlgorithmFactory, AlgorithmObserver, AnalysisDataService, PythonAlgorithm, WorkspaceProperty
from mantid.kernel import Direction
from mantid_helpers import create

#: Takes about ten seconds where it is not cancelled.
LONG = {"Material": "pcsmo-goodenough", "Ei": 50.0, "EnergyBins": "5, 1, 45", "QhRange": "-1, 0.005, 1", "QkRange": "-1, 0.02, 1"}
SHORT = {"Material": "rb2mnf4", "Ei": 25.0, "EnergyBins": "2, 4", "QhRange": "-1, 0.1, 1", "QkRange": "-1, 0.1, 1"}


class Recorder(AlgorithmObserver):
    """Must be kept as long as the algorithm runs."""

    def __init__(self):
        super().__init__()
        self.reports, self.ended = [], []

    def progressHandle(self, fraction, message, *rest):
        self.reports.append((fraction, message))

    def finishHandle(self):
        self.ended.append("finished")

    def errorHandle(self, message):
        self.ended.append(message or "error")


def started(**properties):
    algorithm, recorder = create("SimulateSpinWaveMap", managed=True, OutputWorkspace="out", **properties), Recorder()
    recorder.observeProgress(algorithm)
    recorder.observeFinish(algorithm)
    recorder.observeError(algorithm)
    algorithm.executeAsync()
    return algorithm, recorder


def wait(condition, limit):
    end = time.monotonic() + limit
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_progress_has_texts_and_reaches_the_end():
    algorithm, recorder = started(**SHORT)
    assert wait(lambda: recorder.ended and not algorithm.isRunning(), 60)
    assert recorder.ended == ["finished"]
    fractions = [fraction for fraction, _ in recorder.reports]
    assert max(fractions) >= 0.95
    assert all(message for _, message in recorder.reports)
    assert "out" in AnalysisDataService


def test_cancel_takes_effect_within_a_second_and_the_next_run_works():
    algorithm, recorder = started(**LONG)
    assert wait(lambda: len(recorder.reports) > 3, 60), "the task has begun"
    begin = time.monotonic()
    algorithm.cancel()
    assert wait(lambda: not algorithm.isRunning(), 10)
    assert time.monotonic() - begin < 1.0
    assert "out" not in AnalysisDataService
    assert recorder.ended and recorder.ended != ["finished"]
    assert create("SimulateSpinWaveMap", OutputWorkspace="out", **SHORT).execute()


def test_error_of_the_worker_reaches_the_caller_whole():
    algorithm = create("SimulateSpinWaveMap", OutputWorkspace="out", **(SHORT | {"Parameters": "J1=-0.65"}))
    with pytest.raises(RuntimeError) as caught:
        algorithm.execute()
    text = str(caught.value)
    assert "J1" in text
    assert ";" in text.split("\n", maxsplit=1)[0], "what, why, and how to fix it"
    assert "out" not in AnalysisDataService
    assert create("SimulateSpinWaveMap", OutputWorkspace="out", **SHORT).execute()


class SimulatesAsAChild(PythonAlgorithm):
    def category(self):
        return "Tests"

    def PyInit(self):
        self.declareProperty(WorkspaceProperty("OutputWorkspace", "", Direction.Output))

    def PyExec(self):
        child = self.createChildAlgorithm("SimulateSpinWaveMap", enableLogging=False)
        for name, value in SHORT.items():
            child.setProperty(name, value)
        child.execute()
        self.setProperty("OutputWorkspace", child.getProperty("OutputWorkspace").value)


def test_as_a_child_algorithm():
    AlgorithmFactory.subscribe(SimulatesAsAChild)
    create("SimulatesAsAChild", OutputWorkspace="out").execute()
    assert list(AnalysisDataService.getObjectNames()) == ["out"]
    assert np.isfinite(AnalysisDataService["out"].extractY()).any()
