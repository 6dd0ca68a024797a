"""What the worker can do: each task takes maps and options, and gives maps and a dictionary of plain values.

================  ==============================================================  =================  ==========================
task              maps and options                                                maps of the reply  result
================  ==============================================================  =================  ==========================
``load``          options of `mantid_insdl.files.load`                            output
``simulate``      map like; options of `mantid_insdl.simulate`, axes as           output
                  {name, unit, values, is_edges}, slices as {ei, energy_min,
                  energy_max}                                                                        remarks, on the material
``denoise``       map input; options model, fill_gaps                             output
``classify``      map input; options model, denoise, method: network, fit or                         `Classification.to_dict`; of a
                  both                                                                               fit `Comparison.to_dict` as its
                                                                                                     entry comparison, of both
                                                                                                     `Combined.to_dict` as combined
``fit_exchange``  map input; options model, refine, material, simulate_fit        fit (on request)   `ExchangeFit.to_dict`
``explain``       map input; options model, method, target, layer                 output
``activations``   map input; options model, layer                                 one for each       layer
                                                                                  filter: "0", ...
``explain_all``   map input; options folder, model, target, views, layer                             `report.explain.ExplainReport`, whose
                                                                                                     files are in the folder
``process_run``   options of `mantid_insdl.runs.process.process`                                     `RunRecord.to_dict`
================  ==============================================================  =================  ==========================
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mantid_insdl.maps import Axis, Map, Slices
from mantid_insdl.progress import Progress, share_of

if TYPE_CHECKING:
    from mantid_insdl.simulation.kept import KeptSimulators

Outcome = tuple[dict[str, Map], dict[str, Any]]


@functools.cache
def _simulators() -> KeptSimulators:
    """Those of this process, for which a slider of the panel asks again and again."""
    from mantid_insdl.simulation.kept import KeptSimulators

    return KeptSimulators()


def _load(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.files import load

    return {"output": load(**options)}, {}


def _simulate(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.materials import load_material, zener
    from mantid_insdl.simulation.slices import simulate

    given = dict(options)
    for name in ("qh", "qk"):
        if given.get(name) is not None:
            given[name] = Axis(**given[name])
    if given.get("slices") is not None:
        given["slices"] = Slices(**given["slices"])
    given["material"] = material = load_material(given["material"])
    output = simulate(**given, like=maps.get("like"), progress=progress, make=_simulators())
    order = zener.remark_on_order(material, given.get("parameters") or {})
    return {"output": output}, {"remarks": [*material.remarks, *([order] if order else [])]}


def _denoise(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.analysis import denoise

    return {"output": denoise(maps["input"], progress=progress, **options)}, {}


def _classify(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.analysis import classify
    from mantid_insdl.analysis.classify import objection_to
    from mantid_insdl.analysis.combination import combined
    from mantid_insdl.analysis.refinement import starts_by_networks
    from mantid_insdl.fitting.compare import compare
    from mantid_insdl.networks.preparation import choose_bundle

    measured, answer = maps["input"], {}
    options = dict(options)
    method = options.pop("method", "network")
    by_network, by_fits = {"network": (1.0, 1.0), "both": (0.1, 0.9), "fit": (0.0, 1.0)}[method]
    if method != "fit":
        told = classify(measured, progress=share_of(progress, 0.0, by_network), **options)
        answer = told.to_dict()
    if method != "network":
        card = choose_bundle("classify", measured, options.get("model")).card
        starts = starts_by_networks(measured, card.materials, card.family)
        found = compare(measured, card.materials, start=starts, progress=share_of(progress, by_network, by_fits))
        answer["comparison"] = found.to_dict()
    if method == "both":
        together = combined(told, found)
        if together.verdict == found.best.material:
            last = share_of(progress, by_fits, 1.0)
            together = together.objected(objection_to(measured, card, together.verdict, found.best.values, last))
        answer["combined"] = together.to_dict()
    return {}, answer


def _fit_exchange(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.analysis import fit_exchange, simulate_fit

    measured = maps["input"]
    named = {name: options[name] for name in ("model", "refine", "material") if options.get(name)}
    fitted = "material" in named or named.get("refine", "off") != "off"
    answer = fit_exchange(measured, progress=share_of(progress, 0.0, 1.0 if fitted else 0.5), **named)
    if not options.get("simulate_fit"):
        return {}, answer.to_dict()
    if answer.fit is not None:
        return {"fit": answer.fit.model}, answer.to_dict()
    best = simulate_fit(measured, answer, progress=share_of(progress, 0.5, 1.0))
    return {"fit": best}, answer.to_dict()


def _explain(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.explain.attribution import importance

    return {"output": importance(maps["input"], progress=progress, **options)}, {}


def _activations(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.explain.activations import activations
    from mantid_insdl.explain.subject import convolution_named, open_subject

    progress(0.0, "loading the network")
    subject = open_subject(maps["input"], options.get("model"))
    layer = options.get("layer") or convolution_named(subject.bundle, None)
    return {str(number): m for number, m in enumerate(activations(subject, layer))}, {"layer": layer}


def _explain_all(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.explain.explanation import VIEWS, explain_answer
    from mantid_insdl.report.explain import explanation_in

    given = {name: options.get(name) for name in ("model", "target", "layer")} | {"views": options.get("views") or VIEWS}
    _, report = explanation_in(options["folder"], lambda told: explain_answer(maps["input"], progress=told, **given), progress=progress)
    return {}, report.model_dump(mode="json")


def _process_run(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.runs.process import process

    return {}, process(progress=progress, **options).to_dict()


TASKS: dict[str, Callable[[Mapping[str, Map], Mapping[str, Any], Progress], Outcome]] = {
    "load": _load,
    "simulate": _simulate,
    "denoise": _denoise,
    "classify": _classify,
    "fit_exchange": _fit_exchange,
    "explain": _explain,
    "activations": _activations,
    "explain_all": _explain_all,
    "process_run": _process_run,
}
