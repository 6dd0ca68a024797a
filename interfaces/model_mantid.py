"""The panel over Mantid: inputs are workspaces, each task is one of the algorithms, results are workspaces beside their input.

Everything goes through algorithms, so that it is in the history of the workspaces. Those of Mantid's own that are used, Load and
AddSampleLog, are what a user would call by hand.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mantid_insdl.errors import InsdlError
from mantid_insdl.explain.deletion import IMPORTANT_LOG, RANDOM_LOG
from mantid_insdl.interfaces.ads import watch
from mantid_insdl.interfaces.model import ALGORITHMS, Answer, Change, Control, Input, with_ei
from mantid_insdl.interfaces.script import Recorder
from mantid_insdl.maps import Map
from mantid_insdl.plugin.histograms import is_histogram
from mantid_insdl.plugin.loading import load_files, mask_workspace
from mantid_insdl.plugin.sample_logs import runs_of, set_logs
from mantid_insdl.plugin.workspaces import from_workspace, members

#: Endings of the names of the results, by the property of the algorithm that makes them.
OUTPUTS = {
    "denoise": {"OutputWorkspace": "denoised", "OutputResidual": "residual"},
    "classify": {"OutputTable": "models", "OutputWorkspace": "classified"},
    "exchange": {"OutputTable": "constants", "OutputFitWorkspace": "fit"},
    "explain": {"OutputWorkspace": "importance"},
    "simulate": {"OutputWorkspace": "simulated"},
}
#: Properties that only some versions of the algorithms have.
_OPTIONS = {"classify": ("Method",), "exchange": ("Refine", "MaterialFile"), "explain": ("Method",)}

_HEAD = """\
# What was done in the panel of mantid_insdl. Workspaces that it did not load must be there already.
import mantid_insdl
from mantid_insdl.plugin.loading import load_files, mask_workspace

mantid_insdl.register()

from mantid import simpleapi
"""
_PLACE = re.compile(r"\s*\n?\s*at line \d+ in '.*", re.DOTALL)  # what Mantid adds to the text of an exception


class MantidModel:
    """See `mantid_insdl.interfaces.model.Model`."""

    title = "Mantid"

    def __init__(self) -> None:
        from mantid.api import AlgorithmFactory

        if not all(AlgorithmFactory.exists(name) for name in ALGORITHMS.values()):
            from mantid_insdl.plugin.registration import register

            register()
        self._recorder = Recorder(_HEAD)
        self._made: set[str] = set()  # names of results
        self._parts: dict[str, list[str]] = {}  # the workspaces of each map when it was read
        self._files: dict[bytes, list[str]] = {}  # npz files that were read, by what was in them
        self._end_watch: Callable[[], None] = lambda: None

    # ---- inputs

    def inputs(self) -> list[str]:
        from mantid.api import AnalysisDataService, MatrixWorkspace, WorkspaceGroup

        groups, single, grouped = [], [], set()
        for name in AnalysisDataService.getObjectNames():
            try:
                workspace = AnalysisDataService.retrieve(name)
                if isinstance(workspace, WorkspaceGroup):
                    groups.append(name)
                    grouped |= set(workspace.getNames())
                elif isinstance(workspace, MatrixWorkspace) or is_histogram(workspace):
                    single.append(name)
            except (KeyError, RuntimeError):  # deleted meanwhile by another thread
                continue
        return [name for name in (*groups, *single) if name not in grouped and not name.startswith("__")]

    def observe(self, changed: Callable[[Change], None]) -> None:
        def told(change: Change) -> None:
            if change.kind == "renamed":
                self._recorder.add("simpleapi.RenameWorkspace", {"InputWorkspace": change.name, "OutputWorkspace": change.new})
            changed(change)

        self._end_watch = watch(told)

    def load(self, paths: Sequence[str], control: Control) -> str:
        return self._load([str(path) for path in paths], control)

    def _load(self, paths: list[str], control: Control, **given: str) -> str:
        def started(cancel: Callable[[], None]) -> None:
            control.on_cancel = cancel
            control.check()  # it may have been cancelled before

        name = load_files(paths, **given, progress=control.report, poll=control.check, started=started)
        if any(path.lower().endswith(".npz") for path in paths) and (read := self.read(name)).map is not None:
            self._files[_content(read.map)] = paths
        self._recorder.add("load_files", {"paths": paths, **given, "name": name})
        return name

    def mask(self, name: str, path: str, control: Control) -> str:
        """Read npz files again, if it is as they were read: with a mask they are not searched for gaps. Of others mask a copy."""
        read = self.read(name)
        if read.map is None:
            raise InsdlError("the mask is of no use", read.problem.rstrip("."), "choose another map")
        before, files = read.map, self._files.get(_content(read.map))
        if files is None:
            masked = f"{name}_masked"
            self._refuse_to_replace(masked, "its copy with the mask", ours=masked in self._made)
            mask_workspace(name, path, masked)
            self._made.add(masked)
            self._recorder.add("mask_workspace", {"name": name, "mask": path, "output": masked})
            return masked
        self._load(files, control, name=name, mask=path)
        after = self.read(name).map
        told = np.unique(before.slices.ei[np.isnan(after.slices.ei)]) if after is not None else np.empty(0)
        if told.size == 1 and np.isfinite(told[0]):
            self.set_ei(name, float(told[0]))
        if before.material and after is not None and not after.material:
            self.set_material(name, before.material)
        return name

    def read(self, name: str) -> Input:
        try:
            workspace = self._workspace(name)
            self._parts[name] = [member.name() for member in members(workspace)]
            return Input.of(name, from_workspace(workspace, need_ei=False))
        except InsdlError as error:
            return Input(name, problem=str(error))
        except RuntimeError:  # Mantid's pointer has lost what it points to
            return Input(name, problem=str(_gone(name)))

    def contains(self, name: str, part: str) -> bool:
        """Also a slice that was in the group when it was read."""
        try:
            return part in [name, *(member.name() for member in members(self._workspace(name))), *self._parts.get(name, ())]
        except (InsdlError, RuntimeError):  # deleted meanwhile by another thread
            return False

    def set_ei(self, name: str, ei: float) -> None:
        workspace = self._workspace(name)
        with_ei(from_workspace(workspace, need_ei=False), ei)  # raises before anything is written
        unknown = [part.name() for part in members(workspace) if np.isnan(from_workspace(part, need_ei=False).slices.ei).any()]
        self._add_log(name, unknown, {"LogName": "Ei", "LogText": f"{ei:g}", "LogType": "Number", "LogUnit": "meV"})

    def set_material(self, name: str, material: str) -> None:
        parts = [part.name() for part in members(self._workspace(name))]
        self._add_log(name, parts, {"LogName": "insdl_material", "LogText": material, "LogType": "String"})

    def _add_log(self, name: str, parts: Sequence[str], log: Mapping[str, str]) -> None:
        histograms = [part for part in parts if is_histogram(self._workspace(part))]  # which AddSampleLog does not take
        parts = [part for part in parts if part not in histograms]
        for part in histograms:
            value = float(log["LogText"]) if log["LogType"] == "Number" else log["LogText"]
            set_logs(self._workspace(part), {log["LogName"]: (value, log.get("LogUnit", ""))})
            self._recorder.line(
                f"for i in range(simpleapi.mtd[{part!r}].getNumExperimentInfo()):\n    simpleapi.mtd[{part!r}].getExperimentInfo(i)"
                f".mutableRun().addProperty({log['LogName']!r}, {value!r}, {log.get('LogUnit', '')!r}, True)"
            )
        for part in parts:
            self._execute("AddSampleLog", {"Workspace": part, **log}, Control())
        if len(parts) > 1 and len(parts) == len(members(self._workspace(name))):
            arguments = ", ".join(f"{key}={value!r}" for key, value in log.items())
            self._recorder.line(f"for part in simpleapi.mtd[{name!r}].getNames():\n    simpleapi.AddSampleLog(Workspace=part, {arguments})")
        else:
            for part in parts:
                self._recorder.add("simpleapi.AddSampleLog", {"Workspace": part, **log})

    # ---- tasks

    def options(self, task: str) -> dict[str, tuple[str, ...]]:
        algorithm = _prepared(ALGORITHMS[task], {})
        there = [name for name in _OPTIONS.get(task, ()) if algorithm.existsProperty(name)]
        return {name: () if name.endswith("File") else tuple(algorithm.getProperty(name).allowedValues) for name in there}

    def run(self, task: str, name: str, options: Mapping[str, Any], control: Control) -> Answer:
        from mantid.api import AnalysisDataService

        self._workspace(name)
        outputs = {output: f"{name}_{ending}" for output, ending in OUTPUTS[task].items()}
        for output in outputs.values():
            ours = output in self._made or (output in AnalysisDataService and _made_by(ALGORITHMS[task], self._workspace(output)))
            self._refuse_to_replace(output, f"the result of {ALGORITHMS[task]}", ours=ours)
        if task == "exchange" and outputs["OutputFitWorkspace"] in AnalysisDataService:
            # There may be none for the new constants, and that of earlier ones must not be taken for it.
            self._execute("DeleteWorkspace", {"Workspace": outputs["OutputFitWorkspace"]}, Control())
        given = {option: value for option, value in options.items() if value not in ("", None)}
        properties = {"Template" if task == "simulate" else "InputWorkspace": name, **outputs, **given}
        self._execute(ALGORITHMS[task], properties, control)
        self._recorder.add(f"simpleapi.{ALGORITHMS[task]}", properties)
        self._made |= set(outputs.values())
        made = {output: workspace for output, workspace in outputs.items() if workspace in AnalysisDataService}
        if lost := [workspace for output, workspace in outputs.items() if output not in (*made, "OutputFitWorkspace")]:
            raise _gone(lost[0])
        try:
            answer = self._answer(made)
        except RuntimeError:
            raise _gone(" or ".join(made.values())) from None
        file = given.get("MaterialFile")  # by which a material of the user's own is found again
        return replace(answer, material=file) if file else answer

    def simulate_slice(self, name: str, index: int, options: Mapping[str, Any], control: Control) -> Answer:
        """The same algorithm, with one slice of the group as its template, and its result outside the data service."""
        try:
            template = members(self._workspace(name))[index].name()
        except RuntimeError:  # Mantid's pointer has lost what it points to
            raise _gone(name) from None
        given = {option: value for option, value in options.items() if value not in ("", None)}
        properties = {"Template": template, "OutputWorkspace": "__insdl_slice", **given}
        algorithm = self._execute(ALGORITHMS["simulate"], properties, control, passing=True)
        return Answer({"output": from_workspace(algorithm.getProperty("OutputWorkspace").value)})

    @staticmethod
    def _refuse_to_replace(name: str, what: str, *, ours: bool) -> None:
        from mantid.api import AnalysisDataService

        if name in AnalysisDataService and not ours:
            raise InsdlError(f"there is a workspace '{name}' already", f"it would be replaced by {what}", "rename or delete it")

    def _answer(self, made: Mapping[str, str]) -> Answer:
        role = {"OutputWorkspace": "output", "OutputResidual": "residual", "OutputFitWorkspace": "fit"}
        found = {role[output]: self._workspace(name) for output, name in made.items() if output in role}
        carrier = found.get("output", found.get("fit"))
        runs = runs_of(members(carrier)[0]) if carrier is not None else []
        logs = runs[0] if runs else None

        def log(name: str) -> Any:
            return logs.getProperty(name).value if logs is not None and logs.hasProperty(name) else None

        columns, rows, sentences, material = (), (), (), ""
        in_range = None if log("insdl_in_range") is None else bool(log("insdl_in_range"))
        if "OutputTable" in made:
            table = self._workspace(made["OutputTable"])
            columns = tuple(str(name) for name in table.getColumnNames())
            rows = tuple(zip(*(table.column(name) for name in columns), strict=True))
            material = table.getTitle()
            sentences = tuple(line for line in table.getComment().split("\n") if line)
            if in_range is None and "Value" in columns:
                in_range = not any(np.isnan(value) for value in table.column("Value"))
        figures = {name: float(log(name)) for name in (IMPORTANT_LOG, RANDOM_LOG) if log(name) is not None}
        if log("insdl_verdict") is not None:  # the workspace is only a copy that carries the logs
            found.pop("output")
        maps = {kind: from_workspace(workspace) for kind, workspace in found.items()}
        return Answer(maps, columns, rows, log("insdl_verdict") or "", in_range, sentences, figures, material, tuple(made.values()))

    def _execute(self, name: str, properties: Mapping[str, Any], control: Control, *, passing: bool = False) -> Any:
        """Run an algorithm in this thread and return it; what it would say to the log about its inputs is raised.

        `passing`: it reports no progress, nothing of it is left in the log and in the data service, and it still has its results.
        """
        from mantid.api import AlgorithmManager, AlgorithmObserver

        class Reports(AlgorithmObserver):
            def progressHandle(self, fraction: float, text: str, *rest: Any) -> None:
                control.report(fraction, text)

        # An algorithm that is not managed can be asked what is wrong, and has its results; one that is managed can be observed.
        algorithm = _prepared(name, properties)
        problems = dict(algorithm.validateInputs())
        if any(problems.values()):
            raise InsdlError(" ".join(text for text in problems.values() if text))
        if passing:
            algorithm.setLogging(False)
            algorithm.setAlwaysStoreInADS(False)
        else:
            algorithm = _filled(AlgorithmManager.create(name), properties)
            reports = Reports()
            reports.observeProgress(algorithm)
        control.on_cancel = algorithm.cancel
        try:
            control.check()
            done = algorithm.execute()
        except (KeyboardInterrupt, Exception) as error:  # Mantid raises KeyboardInterrupt where an algorithm was cancelled
            control.check()
            raise InsdlError(_PLACE.sub("", str(error)) or f"{name} failed") from error
        if not done:
            control.check()
            raise InsdlError(f"{name} failed", "Mantid's message log says why")
        return algorithm

    # ---- the rest

    def script(self) -> str:
        return self._recorder.text()

    def close(self) -> None:
        self._end_watch()

    @staticmethod
    def _workspace(name: str) -> Any:
        from mantid.api import AnalysisDataService

        try:
            return AnalysisDataService.retrieve(name)
        except KeyError:
            raise _gone(name) from None


def _content(m: Map) -> bytes:
    """By which a map is recognised, whatever it is called and has been told since."""
    return hashlib.sha256(m.intensity.tobytes()).digest()


def _made_by(algorithm: str, workspace: Any) -> bool:
    return any(one.name() == algorithm for part in members(workspace)[:1] for one in part.getHistory().getAlgorithmHistories())


def _prepared(name: str, properties: Mapping[str, Any]) -> Any:
    from mantid.api import AlgorithmManager

    algorithm = AlgorithmManager.createUnmanaged(name)
    algorithm.initialize()
    return _filled(algorithm, properties)


def _filled(algorithm: Any, properties: Mapping[str, Any]) -> Any:
    algorithm.setRethrows(True)
    for key, value in properties.items():
        try:
            algorithm.setProperty(key, value)
        except (ValueError, TypeError) as error:
            raise InsdlError(_PLACE.sub("", str(error))) from error
    return algorithm


def _gone(name: str) -> InsdlError:
    return InsdlError(f"the workspace '{name}' is not there any more", "it was deleted or renamed", "choose another")
