"""What the worker can do: each task takes maps and options, and gives maps and a dictionary of plain values.

================  ==============================================================  =================  ==========================
task              maps and options                                                maps of the reply  result
================  ==============================================================  =================  ==========================
``load``          options of `mantid_insdl.files.load`                            output
``simulate``      map like; options of `mantid_insdl.simulate`, axes as           output
                  {name, unit, values, is_edges}, slices as {ei, energy_min,
                  energy_max}                                                                        remarks, on the material
``denoise``       map input; option model                                         output
``classify``      map input; options model, denoise                                                  `Classification.to_dict`
``fit_exchange``  map input; options model, simulate_fit                          fit (on request)   `ExchangeFit.to_dict`
``grad_cam``      map input; options model, target, layer                         output
================  ==============================================================  =================  ==========================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mantid_insdl.maps import Axis, Map, Slices
from mantid_insdl.progress import Progress

Outcome = tuple[dict[str, Map], dict[str, Any]]


def _load(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.files import load

    return {"output": load(**options)}, {}


def _simulate(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.materials import load_material
    from mantid_insdl.simulation.slices import simulate

    given = dict(options)
    for name in ("qh", "qk"):
        if given.get(name) is not None:
            given[name] = Axis(**given[name])
    if given.get("slices") is not None:
        given["slices"] = Slices(**given["slices"])
    given["material"] = load_material(given["material"])
    return {"output": simulate(**given, like=maps.get("like"), progress=progress)}, {"remarks": given["material"].remarks}


def _denoise(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.analysis import denoise

    return {"output": denoise(maps["input"], progress=progress, **options)}, {}


def _classify(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.analysis import classify

    return {}, classify(maps["input"], progress=progress, **options).to_dict()


def _fit_exchange(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.analysis import fit_exchange, simulate_fit

    measured = maps["input"]
    fit = fit_exchange(measured, options.get("model"), progress=lambda fraction, text: progress(0.5 * fraction, text))
    if not options.get("simulate_fit"):
        return {}, fit.to_dict()
    best = simulate_fit(measured, fit, progress=lambda fraction, text: progress(0.5 + 0.5 * fraction, text))
    return {"fit": best}, fit.to_dict()


def _grad_cam(maps: Mapping[str, Map], options: Mapping[str, Any], progress: Progress) -> Outcome:
    from mantid_insdl.analysis import grad_cam

    return {"output": grad_cam(maps["input"], progress=progress, **options)}, {}


TASKS: dict[str, Callable[[Mapping[str, Map], Mapping[str, Any], Progress], Outcome]] = {
    "load": _load,
    "simulate": _simulate,
    "denoise": _denoise,
    "classify": _classify,
    "fit_exchange": _fit_exchange,
    "grad_cam": _grad_cam,
}
