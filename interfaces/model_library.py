"""The panel over the library, where there is no Mantid: inputs are files, tasks run in the worker process as they do for Mantid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mantid_insdl.errors import InsdlError, InstabilityError
from mantid_insdl.explain.deletion import IMPORTANT_LOG, RANDOM_LOG
from mantid_insdl.interfaces.model import Answer, Change, Control, Input, with_ei
from mantid_insdl.interfaces.script import Recorder, variable
from mantid_insdl.maps import Map
from mantid_insdl.materials import parse_parameters
from mantid_insdl.plugin import fits
from mantid_insdl.plugin.algorithms import METHODS
from mantid_insdl.plugin.answers import classification_notices, exchange_notices
from mantid_insdl.worker import run_task

_HEAD = """\
# What was done in the panel of mantid_insdl.
import mantid_insdl as insdl
from mantid_insdl.analysis import simulate_fit
"""


class LibraryModel:
    """See `mantid_insdl.interfaces.model.Model`."""

    title = "without Mantid"

    def __init__(self) -> None:
        self._maps: dict[str, Map] = {}
        self._loaded: dict[str, dict[str, Any]] = {}  # the arguments that `load` was called with
        self._recorder = Recorder(_HEAD)
        self._changed: Callable[[Change], None] = lambda change: None

    # ---- inputs

    def inputs(self) -> list[str]:
        return list(self._maps)

    def observe(self, changed: Callable[[Change], None]) -> None:
        self._changed = changed

    def load(self, paths: Sequence[str], control: Control) -> str:
        name = Path(paths[0]).stem
        self._load(name, {"path_or_paths": [str(path) for path in paths]}, control)
        return name

    def _load(self, name: str, arguments: dict[str, Any], control: Control) -> None:
        maps, _ = self._task("load", {}, arguments, control)
        self._maps[name], self._loaded[name] = maps["output"], arguments
        self._record_load(name)

    def read(self, name: str) -> Input:
        return Input.of(name, self._map(name))

    def contains(self, name: str, part: str) -> bool:
        return part == name

    def set_ei(self, name: str, ei: float) -> None:
        self._change(name, with_ei(self._map(name), ei), ei=ei)

    def set_material(self, name: str, material: str) -> None:
        self._change(name, self._map(name).replace(material=material), material=material)

    def mask(self, name: str, path: str, control: Control) -> str:
        """Read the files again, which with a mask are not searched for gaps."""
        self._map(name)
        self._load(name, {**self._loaded[name], "mask": path}, control)
        return name

    def _change(self, name: str, m: Map, **arguments: Any) -> None:
        self._maps[name] = m
        self._loaded[name] |= arguments
        self._record_load(name)
        self._changed(Change("replaced", name))

    def _record_load(self, name: str) -> None:
        self._recorder.add("insdl.load", self._loaded[name], assign=variable(name))

    def _map(self, name: str) -> Map:
        if name not in self._maps:
            raise InsdlError(f"there is no map '{name}'", "none of that name was loaded", "open its file")
        return self._maps[name]

    # ---- tasks

    def options(self, task: str) -> dict[str, tuple[str, ...]]:
        return {
            "classify": {"Method": ("Network", "Fit", "Both")},
            "exchange": {"Refine": ("Off", "Fast", "Full"), "MaterialFile": ()},
            "explain": {"Method": tuple(METHODS)},
        }.get(task, {})

    def run(self, task: str, name: str, options: Mapping[str, Any], control: Control) -> Answer:
        run = {"denoise": self._denoise, "classify": self._classify, "exchange": self._exchange}
        run |= {"explain": self._explain, "simulate": self._simulate}
        return run[task](name, self._map(name), options, control)

    def _denoise(self, name: str, m: Map, options: Mapping[str, Any], control: Control) -> Answer:
        maps, _ = self._task("denoise", {"input": m}, {}, control)
        self._record("insdl.denoise", name, "denoised")
        return Answer({"output": maps["output"], "residual": m - maps["output"]})

    def _classify(self, name: str, m: Map, options: Mapping[str, Any], control: Control) -> Answer:
        method = options.get("Method", "Network").lower()
        _, answer = self._task("classify", {"input": m}, {"method": method}, control)
        comparison, sentences = answer.get("comparison"), []
        verdict, known = "", True
        if method != "fit":
            self._record("insdl.classify", name, "classification")
            verdict, known = answer["verdict"], answer["in_range"]
            sentences += [*classification_notices(answer), *answer["warnings"]]
        if comparison:
            self._record("insdl.compare", name, "comparison", materials=comparison["materials"])
            verdict = comparison["verdict"]
            sentences += [*fits.comparison_notices(comparison), *comparison["warnings"]]
        if together := answer.get("combined"):
            verdict, known = together["verdict"], together["verdict"] in together["models"]
            sentences += [*fits.combined_notices(together), *together["warnings"]]
        columns, rows = fits.model_table(answer)
        return Answer({}, tuple(column for column, _ in columns), tuple(rows), verdict, known, tuple(sentences))

    def _exchange(self, name: str, m: Map, options: Mapping[str, Any], control: Control) -> Answer:
        refine, material = options.get("Refine", "Off").lower(), options.get("MaterialFile") or None
        how = {"refine": refine, "material": material}
        try:
            maps, answer = self._task("fit_exchange", {"input": m}, {**how, "simulate_fit": True}, control)
        except InstabilityError:  # the constants are of use all the same
            maps, answer = self._task("fit_exchange", {"input": m}, how, control)
        self._record("insdl.fit_exchange", name, "exchange", refine=None if refine == "off" else refine, material=material)
        if "fit" in maps and not answer["fit"]:
            fit = variable(f"{name}_exchange")
            self._recorder.add("simulate_fit", {"m": variable(name), "fit": fit}, assign=variable(f"{name}_fit"))
        columns, rows = fits.parameter_table(answer)
        sentences = (*exchange_notices(answer), *fits.fit_notices(answer), *answer["warnings"])
        named = tuple(column for column, _ in columns)
        return Answer(maps, named, tuple(rows), "", answer["in_range"], sentences, material=answer["material"])

    def _explain(self, name: str, m: Map, options: Mapping[str, Any], control: Control) -> Answer:
        how = {"method": METHODS[options["Method"]]} if "Method" in options else {}
        how |= {name.lower(): options[name] for name in ("Model", "Target") if name in options}
        maps, _ = self._task("explain", {"input": m}, how, control)
        self._record("insdl.importance", name, "importance", **how)
        figures = {log: maps["output"].logs[log][0] for log in (IMPORTANT_LOG, RANDOM_LOG)}
        return Answer(maps, figures=figures)

    def _simulate(self, name: str, m: Map, options: Mapping[str, Any], control: Control) -> Answer:
        how = _what_to_simulate(options)
        maps, result = self._task("simulate", {"like": m}, how, control)
        self._recorder.add("insdl.simulate", {**how, "like": variable(name)}, assign=variable(f"{name}_simulated"))
        return Answer(maps, sentences=tuple(result["remarks"]))

    def simulate_slice(self, name: str, index: int, options: Mapping[str, Any], control: Control) -> Answer:
        maps, result = self._task("simulate", {"like": self._map(name).select([index])}, _what_to_simulate(options), control)
        return Answer(maps, sentences=tuple(result["remarks"]))

    def _task(self, task: str, maps: Mapping[str, Map], options: Mapping[str, Any], control: Control) -> tuple[dict[str, Map], Any]:
        return run_task(task, maps, options, progress=control.report, poll=control.check)

    def _record(self, function: str, name: str, ending: str, **arguments: Any) -> None:
        self._recorder.add(function, {"m": variable(name), **arguments}, assign=variable(f"{name}_{ending}"))

    # ---- the rest

    def script(self) -> str:
        return self._recorder.text()

    def close(self) -> None:
        self._changed = lambda change: None


def _what_to_simulate(options: Mapping[str, Any]) -> dict[str, Any]:
    material = options.get("MaterialFile") or options["Material"]
    return {"material": material, "parameters": parse_parameters(options.get("Parameters", ""))}
