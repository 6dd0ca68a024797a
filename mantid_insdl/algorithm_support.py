"""What the five Mantid algorithms share: declaring properties, checking inputs, running a task in the worker with progress and cancel.

Functions and no base class: Mantid looks for an algorithm's methods only in the body of the registered class itself. Importing this
module is cheap, because every Mantid start-up pays for it.
"""

from __future__ import annotations

import itertools
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mantid_insdl.learning.bundles import Bundle
    from mantid_insdl.maps import Map

CATEGORY = "Inelastic\\Deep Learning"
SLICES = (
    "constant-energy (Qh, Qk) slices: one MatrixWorkspace, or a WorkspaceGroup of them as one stack, "
    "with the sample logs Ei, energy_min and energy_max (meV)"
)

DEFAULT_RANGE = (-1.0, 0.05, 1.0)
DEFAULT_RANGE_TEXT = "-1, 0.05, 1"
MAXIMUM_BINS = 2000
MAXIMUM_SIMULATED_PIXELS = 5_000_000
_GRID = ("Ei", "EnergyBins", "QhRange", "QkRange")

# Of the progress bar: reading the workspaces, the task itself, writing the results.
_TASK_START, _TASK_END = 0.02, 0.95

# ---- properties


def declare_input(algorithm: Any, name: str = "InputWorkspace") -> None:
    """The map to analyse. Of type Workspace, so that a group arrives whole (see `checkGroups` of the algorithms)."""
    from mantid.api import WorkspaceProperty
    from mantid.kernel import Direction

    algorithm.declareProperty(WorkspaceProperty(name, "", Direction.Input), doc=f"The measured map. {SLICES[0].upper()}{SLICES[1:]}.")


def declare_model(algorithm: Any, verb: str) -> None:
    """Which model bundle to use."""
    algorithm.declareProperty(
        "Model",
        "",
        doc=f"Name of the trained model that is to {verb}, or the path of a model bundle's folder. "
        "Blank takes the default for the map's material (sample log insdl_material).",
    )


def declare_output(algorithm: Any, name: str, doc: str, *, optional: bool = False) -> None:
    """A workspace or group of workspaces to be made."""
    from mantid.api import PropertyMode, WorkspaceProperty
    from mantid.kernel import Direction

    mode = PropertyMode.Optional if optional else PropertyMode.Mandatory
    algorithm.declareProperty(WorkspaceProperty(name, "", Direction.Output, mode), doc=doc)


def declare_table(algorithm: Any, name: str, doc: str) -> None:
    """A table to be made."""
    from mantid.api import ITableWorkspaceProperty
    from mantid.kernel import Direction

    algorithm.declareProperty(ITableWorkspaceProperty(name, "", Direction.Output), doc=doc)


def shipped_materials() -> list[str]:
    """Names of the materials that come with the package: the files, unread."""
    return sorted(file.stem for file in (Path(__file__).parent / "materials").glob("*.yaml"))


# ---- checks


def check_input(algorithm: Any, task: str) -> tuple[dict[str, str], Bundle | None]:
    """Everything that is wrong with InputWorkspace and Model, as validateInputs returns it, and the model's bundle.

    Nothing is raised: an exception in validateInputs would hide the other problems.
    """
    from mantid_insdl.analysis.preparation import choose_bundle, prepare
    from mantid_insdl.errors import InsdlError

    found: dict[str, str] = {}
    m = _checked_map(algorithm.getProperty("InputWorkspace").value, "InputWorkspace", found)
    model = algorithm.getProperty("Model").value.strip()
    bundle = None
    try:
        bundle = choose_bundle(task, m or _nothing_known(), model)
    except InsdlError as error:
        if model or m is not None:  # without a map the default model cannot be known
            found["Model"] = str(error)
    if m is not None and 1 in m.shape[-2:]:
        found["InputWorkspace"] = f"It has {m.shape[-2]} x {m.shape[-1]} pixels, which show no pattern; cut the data on a finer grid."
    elif m is not None and bundle is not None:
        try:
            prepare(m, bundle.card)
        except InsdlError as error:
            found["InputWorkspace"] = str(error)
    return found, bundle


def check_template(workspace: Any, name: str, found: dict[str, str]) -> Map | None:
    """The map of a workspace that only lends its axes; what is wrong with it goes into `found`."""
    m = _checked_map(workspace, name, found)
    if m is not None and m.slices is None:
        found[name] = f"It is a {m.kind} map ({', '.join(a.title for a in m.axes)}), where {SLICES} are needed."
    elif m is not None and m.mask.all():
        found[name] = "Every pixel is masked or NaN, so there is nothing to simulate; check its mask."
    return m if name not in found else None


def _checked_map(workspace: Any, name: str, found: dict[str, str]) -> Map | None:
    from mantid_insdl.errors import InsdlError
    from mantid_insdl.workspaces import from_workspace

    if workspace is None:  # Mantid itself says that it is missing
        return None
    try:
        return from_workspace(workspace)
    except InsdlError as error:
        found[name] = str(error)
        return None


def _nothing_known() -> Map:
    """Stands for the map where the model is to be checked without one."""
    import numpy as np

    from mantid_insdl.maps import RLU, Axis, Map, Slices

    axes = (Axis("qh", RLU, np.zeros(1)), Axis("qk", RLU, np.zeros(1)))
    return Map(np.zeros((1, 1, 1)), axes, slices=Slices(np.nan, 0.0, 1.0))


def convolution_layers(bundle: Bundle) -> list[str]:
    """Names of the layers that Grad-CAM can explain, first to last, read from the network's description without TensorFlow."""
    file = next(bundle.path / name for name in sorted(bundle.card.files) if name.endswith(".keras"))
    with zipfile.ZipFile(file) as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    names = [layer["config"]["name"] for layer in layers]
    return [name for name in names if "convolution" in name]


# ---- what to simulate


def simulation(algorithm: Any) -> tuple[dict[str, str], tuple[dict[str, Map], dict[str, Any]]]:
    """Everything that is wrong with the properties of SimulateSpinWaveMap, and the maps and options of the worker's task."""
    found: dict[str, str] = {}
    value = {name: algorithm.getProperty(name).value for name in ("Twins", "Resolution", "Background", "Counts", "Seed")}
    material, parameters = _material(algorithm, found)
    options = {
        "material": material,
        "parameters": parameters,
        "twins": bool(value["Twins"]),
        "resolution": bool(value["Resolution"]),
        "background": float(value["Background"]),
        "counts": float(value["Counts"]) or None,
        "seed": int(value["Seed"]),
    }
    maps: dict[str, Map] = {}
    template = algorithm.getProperty("Template").value
    given = [name for name in _GRID if len(algorithm.getProperty(name).value)]
    if template is not None:
        if given:
            found["Template"] = (
                f"Both Template and {' and '.join(given)} are given; clear one, because the template says where to calculate."
            )
        like = check_template(template, "Template", found)
        maps = {} if like is None else {"like": like}
    elif not given:
        found["Template"] = "Nothing says where to calculate; give a Template, or Ei and EnergyBins."
    else:
        options |= _grid(algorithm, found)
    return found, (maps, options)


def _material(algorithm: Any, found: dict[str, str]) -> tuple[str, dict[str, float]]:
    from mantid_insdl.errors import InsdlError
    from mantid_insdl.materials import load_material, parse_parameters

    name, file = (algorithm.getProperty(p).value.strip() for p in ("Material", "MaterialFile"))
    valid = f"the materials are {', '.join(shipped_materials())}"
    if name and file:
        found["MaterialFile"] = "Both Material and MaterialFile are given; clear one of them."
    elif not name and not file:
        found["Material"] = f"No material is chosen; {valid}, or give a MaterialFile."
    elif file and not Path(file).is_file():
        found["MaterialFile"] = f"The file '{file}' does not exist; check the path."
    material = None
    if not found:
        try:
            material = load_material(name or file)
        except InsdlError as error:
            found["Material" if name else "MaterialFile"] = str(error)
    parameters: dict[str, float] = {}
    try:
        parameters = parse_parameters(algorithm.getProperty("Parameters").value)
        if material is not None:
            material.resolve(parameters)
    except InsdlError as error:
        found["Parameters"] = str(error)
    return name or file, parameters


def _grid(algorithm: Any, found: dict[str, str]) -> dict[str, Any]:
    """Slices and axes as options of the task; `Axis` and `Slices` themselves are made in the worker."""
    from mantid_insdl.errors import MapError
    from mantid_insdl.maps import RLU

    given = {name: [float(v) for v in algorithm.getProperty(name).value] for name in _GRID}
    edges: dict[str, list[float]] = {}
    for name in ("EnergyBins", "QhRange", "QkRange"):
        if name == "EnergyBins" and not given[name]:
            found[name] = "No energy windows are given; give min, step, max in meV, or min, max for one slice."
            continue
        try:
            edges[name] = bin_edges(given[name] or DEFAULT_RANGE)
        except MapError as error:
            found[name] = str(error)
    windows: list[tuple[float, float, float]] = []
    if not given["Ei"]:
        found["Ei"] = "No incident energy is given; give one or several in meV."
    elif not all(0 < ei < float("inf") for ei in given["Ei"]):
        found["Ei"] = "An incident energy is not a positive number; give it in meV."
    elif "EnergyBins" in edges:
        windows = _windows(given["Ei"], edges["EnergyBins"], found)
    if found.keys() & set(_GRID):
        return {}
    pixels = len(windows) * (len(edges["QhRange"]) - 1) * (len(edges["QkRange"]) - 1)
    if pixels > MAXIMUM_SIMULATED_PIXELS:
        found["EnergyBins"] = (
            f"The map would have {pixels:,} pixels, more than the {MAXIMUM_SIMULATED_PIXELS:,} allowed; take larger steps."
        )
    return {
        "slices": dict(zip(("ei", "energy_min", "energy_max"), (list(column) for column in zip(*windows, strict=True)), strict=True)),
        "qh": {"name": "qh", "unit": RLU, "values": edges["QhRange"], "is_edges": True},
        "qk": {"name": "qk", "unit": RLU, "values": edges["QkRange"], "is_edges": True},
    }


def _windows(energies: Sequence[float], edges: Sequence[float], found: dict[str, str]) -> list[tuple[float, float, float]]:
    """(Ei, lower, upper) of each slice. As in multi-rep reduction, bins up to 1 for several Ei are fractions of each of them."""
    scale = energies if len(energies) > 1 and edges[-1] <= 1 else [1.0] * len(energies)
    top = min(ei / s for ei, s in zip(energies, scale, strict=True))
    if edges[0] < 0:
        found["EnergyBins"] = "The energy transfer starts below 0, but only energy loss of the neutron is calculated; start at 0 or above."
    elif edges[-1] >= top:
        found["EnergyBins"] = f"The energy transfer reaches {edges[-1]:g}, but a neutron can lose no more than its {top:g}; end below Ei."
    return [(ei, low * s, high * s) for ei, s in zip(energies, scale, strict=True) for low, high in itertools.pairwise(edges)]


def bin_edges(values: Sequence[float]) -> list[float]:
    """Bin edges from ``min, max`` (one bin) or ``min, step, max``.

    Raises
    ------
    MapError
        For other numbers of values, a range that is empty or not finite, or a step that does not divide it: edges that were typed
        in place of a step are found out, instead of being taken for something else.
    """
    from mantid_insdl.errors import MapError

    given = ", ".join(f"{v:g}" for v in values)
    if len(values) not in (2, 3) or not all(abs(v) < float("inf") for v in values):
        raise MapError(f"{given} is no range", fix="give min, step, max, or min, max for one bin")
    low, high = values[0], values[-1]
    step = values[1] if len(values) == 3 else high - low
    if not (high > low and step > 0):
        raise MapError(f"the range {given} is empty", "max must be above min, and the step positive", "give min, step, max")
    bins = (high - low) / step
    if bins > MAXIMUM_BINS:
        raise MapError(f"the range {given} has {bins:.3g} bins", f"the limit is {MAXIMUM_BINS}", "take a larger step")
    if round(bins) < 1 or abs(bins - round(bins)) > 1e-6 * bins:
        raise MapError(
            f"{given} is read as min, step, max, and the step does not divide the range",
            f"{bins:.4g} bins would fit",
            "choose another step or end",
        )
    count = round(bins)
    return [low + (high - low) * i / count for i in range(count + 1)]


# ---- running


def report(algorithm: Any, fraction: float, text: str) -> None:
    """Report progress; raises in the algorithm's thread where the user has cancelled.

    A Progress of its own for each report: one Progress silently drops a report that does not advance by a percent, and with it the
    test for cancelling, so that a long step could not be cancelled.
    """
    from mantid.api import Progress

    end = min(max(float(fraction), 0.02), 1.0)
    Progress(algorithm, end - 0.02, end, 1).report(text)


def run(algorithm: Any, task: str, maps: Mapping[str, Map], options: Mapping[str, Any]) -> tuple[dict[str, Map], dict[str, Any]]:
    """Run a task in the worker process with the algorithm's progress bar; cancelling the algorithm ends it within a second.

    Returns
    -------
    maps, result
        As `mantid_insdl.worker.run_task`.
    """
    from mantid_insdl.worker import run_task

    latest = [_TASK_START, "Starting"]

    def progress(fraction: float, text: str) -> None:
        latest[:] = _TASK_START + (_TASK_END - _TASK_START) * fraction, text
        report(algorithm, *latest)

    outputs, result = run_task(task, maps, options, progress=progress, poll=lambda: report(algorithm, *latest))
    report(algorithm, _TASK_END, "Writing the result")
    return outputs, result


def copier(algorithm: Any) -> Callable[[Any], Any]:
    """A function that copies a MatrixWorkspace with its history, instrument and logs."""

    def copy(workspace: Any) -> Any:
        child = algorithm.createChildAlgorithm("CloneWorkspace", enableLogging=False)
        child.setProperty("InputWorkspace", workspace)
        child.execute()
        return child.getProperty("OutputWorkspace").value

    return copy


def model_option(algorithm: Any) -> str | None:
    """The model that the user named, if any."""
    return algorithm.getProperty("Model").value.strip() or None


def wanted(algorithm: Any, name: str) -> bool:
    """Whether the user asked for an optional output."""
    return bool(algorithm.getPropertyValue(name))


def identity_logs(bundle: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The sample logs that say which model gave a result; `bundle` as in a result's dictionary."""
    return {
        "insdl_model": (bundle["name"], ""),
        "insdl_model_version": (bundle["version"], ""),
        "insdl_model_sha256": (bundle["sha256"], ""),
    }


def tell(algorithm: Any, notices: Sequence[str], warnings: Sequence[str] = ()) -> None:
    """The answer and each of its warnings in Mantid's message log."""
    for text in notices:
        algorithm.log().notice(text)
    for text in warnings:
        algorithm.log().warning(text)


def tell_provenance(algorithm: Any, before: Map, after: Map) -> None:
    """What an analysis has added to a map's provenance: its warnings first, what was done last."""
    *warnings, done = after.provenance[len(before.provenance) :]
    tell(algorithm, [done], warnings)
