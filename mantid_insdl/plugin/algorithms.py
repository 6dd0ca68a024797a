"""What the five Mantid algorithms share: declaring properties, checking inputs, running a task in the worker with progress and cancel.

Functions and no base class: Mantid looks for an algorithm's methods only in the body of the registered class itself. Importing this
module is cheap, because every Mantid start-up pays for it.
"""

from __future__ import annotations

import itertools
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mantid_insdl.plugin.requirements import missing

if TYPE_CHECKING:
    from mantid_insdl.maps import Map
    from mantid_insdl.networks.bundles import Bundle

CATEGORY = "Inelastic\\Deep Learning"
SLICES = (
    "constant-energy (Qh, Qk) slices: one MatrixWorkspace with the sample logs Ei, energy_min and energy_max (meV), an MDHistoWorkspace in "
    "two directions of the (H, K) plane and DeltaE, or a WorkspaceGroup of them as one stack"
)

METHODS = {
    "GradCAM": "grad-cam",
    "GradCAM++": "grad-cam++",
    "CAM": "cam",
    "IntegratedGradients": "integrated-gradients",
    "OcclusionBySlice": "occlusion-slice",
    "OcclusionByPatch": "occlusion-patch",
}
"""Of ComputeGradCAM, in Mantid's way of writing: what `mantid_insdl.explain.attribution` calls them."""

# Of the progress bar: reading the workspaces, the task itself, writing the results.
_TASK_START, _TASK_END = 0.02, 0.95

# ---- properties


def declare_input(algorithm: Any, name: str = "InputWorkspace") -> None:
    """The map to analyse. Of type Workspace, so that a group arrives whole (see `checkGroups` of the algorithms)."""
    from mantid.api import WorkspaceProperty
    from mantid.kernel import Direction

    algorithm.declareProperty(WorkspaceProperty(name, "", Direction.Input), doc=f"The measured map. {SLICES[0].upper()}{SLICES[1:]}.")


def declare_ei(algorithm: Any) -> None:
    """The incident energy of a map that does not tell it. The last property, for positional arguments follow the order."""
    from mantid.kernel import FloatArrayProperty

    doc = "Incident energy in meV where the sample logs have none: one for all, or one for each member of a group, separated by commas."
    algorithm.declareProperty(FloatArrayProperty("Ei"), doc=doc)


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


def declare_table(algorithm: Any, name: str, doc: str, *, optional: bool = False) -> None:
    """A table to be made."""
    from mantid.api import ITableWorkspaceProperty, PropertyMode
    from mantid.kernel import Direction

    mode = PropertyMode.Optional if optional else PropertyMode.Mandatory
    algorithm.declareProperty(ITableWorkspaceProperty(name, "", Direction.Output, mode), doc=doc)


# ---- checks


def check_input(algorithm: Any, task: str) -> tuple[dict[str, str], Bundle | None]:
    """Everything that is wrong with InputWorkspace, Model and the outputs' names, as validateInputs returns it, and the model's bundle.

    Nothing is raised: an exception in validateInputs would hide the other problems.
    """
    lacking = missing()
    if lacking:
        return {"InputWorkspace": lacking}, None
    from mantid_insdl.errors import InsdlError
    from mantid_insdl.networks.preparation import choose_bundle, prepare

    found = _same_names(algorithm)
    m = checked_slices(algorithm.getProperty("InputWorkspace").value, "InputWorkspace", found, ei=_given_ei(algorithm))
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


def task_of_model(algorithm: Any, *tasks: str) -> str:
    """Which of several tasks the model that the user named is for; the first where none is named, or it is for none of them."""
    if missing():  # which `check_input` tells, as it tells what is wrong with the model
        return tasks[0]
    from mantid_insdl.errors import InsdlError
    from mantid_insdl.networks.bundles import find_bundle, read_card

    model = algorithm.getProperty("Model").value.strip()
    try:
        task = read_card(find_bundle(model)).task if model else tasks[0]
    except InsdlError:
        task = tasks[0]
    return task if task in tasks else tasks[0]


def check_material_file(algorithm: Any) -> dict[str, str]:
    """Everything that is wrong with InputWorkspace, MaterialFile and the outputs' names, for a fit without a network."""
    lacking = missing()
    if lacking:
        return {"InputWorkspace": lacking}
    from mantid_insdl.errors import InsdlError
    from mantid_insdl.materials import load_material

    found = _same_names(algorithm)
    file = algorithm.getProperty("MaterialFile").value
    checked_slices(algorithm.getProperty("InputWorkspace").value, "InputWorkspace", found, ei=_given_ei(algorithm), material=file)
    if algorithm.getProperty("Model").value.strip():
        found["Model"] = "Both Model and MaterialFile are given, and a material of your own has no network; clear one of them."
    try:
        load_material(file)
    except InsdlError as error:
        found["MaterialFile"] = str(error)
    return found


def checked_slices(
    workspace: Any, name: str, found: dict[str, str], *, ei: Sequence[float] = (), material: str | None = None
) -> Map | None:
    """The slices in a workspace; what keeps it from being some goes into `found`, under the property's name."""
    from mantid_insdl.errors import InsdlError
    from mantid_insdl.plugin.workspaces import from_workspace

    if workspace is None:  # Mantid itself says that it is missing
        return None
    try:
        m = from_workspace(workspace, ei=ei, material=material)
    except InsdlError as error:
        found[name] = str(error)
        return None
    if m.slices is None:
        found[name] = f"It is a {m.kind} map ({', '.join(axis.title for axis in m.axes)}), where {SLICES} are needed."
        return None
    return m


def _same_names(algorithm: Any) -> dict[str, str]:
    """Outputs that would replace each other, or a member of each other's group.

    Mantid's data service does not tell capitals from small letters, and calls the members of a group ``name_1``, ``name_2`` ...
    """
    found: dict[str, str] = {}
    # Slices that are re-binned from an MDHistoWorkspace are a group as well.
    kinds = ("getNumberOfEntries", "getNumExperimentInfo")
    number = r"(_\d+)?" if any(hasattr(algorithm.getProperty("InputWorkspace").value, kind) for kind in kinds) else ""
    names = {output: algorithm.getPropertyValue(output) for output in algorithm.outputProperties()}
    for (first, name), (second, other) in itertools.combinations(names.items(), 2):
        clash = any(re.fullmatch(re.escape(one) + number, two, re.IGNORECASE) for one, two in ((name, other), (other, name)))
        if name and other and clash:
            found[second] = f"'{other}' and {first} '{name}' would replace each other; choose another name."
    return found


def _nothing_known() -> Map:
    """Stands for the map where the model is to be checked without one."""
    import numpy as np

    from mantid_insdl.maps import RLU, Axis, Map, Slices

    axes = (Axis("qh", RLU, np.zeros(1)), Axis("qk", RLU, np.zeros(1)))
    return Map(np.zeros((1, 1, 1)), axes, slices=Slices(np.full(1, np.nan), np.zeros(1), np.ones(1)))


def convolution_layers(bundle: Bundle) -> list[str]:
    """Names of the layers that Grad-CAM can explain, first to last, read from the network's description without TensorFlow."""
    file = next(bundle.path / name for name in sorted(bundle.card.files) if name.endswith(".keras"))
    with zipfile.ZipFile(file) as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    names = [layer["config"]["name"] for layer in layers]
    return [name for name in names if "convolution" in name]


# ---- running


def report(algorithm: Any, fraction: float, text: str) -> None:
    """Report progress; raises in the algorithm's thread where the user has cancelled.

    A Progress of its own for each report: one Progress silently drops a report that does not advance by a percent, and with it the
    test for cancelling, so that a long step could not be cancelled.
    """
    from mantid.api import Progress

    end = min(max(float(fraction), 0.02), 1.0)
    Progress(algorithm, end - 0.02, end, 1).report(text)


def _given_ei(algorithm: Any) -> list[float]:
    return [float(one) for one in algorithm.getProperty("Ei").value]


def read_input(algorithm: Any, *, material: str | None = None) -> Map:
    """The map in InputWorkspace, `material` as in `from_workspace`.

    What was done to read it, such as averaging a log, is told in Mantid's message log.
    """
    from mantid_insdl.plugin.workspaces import from_workspace, recorded_provenance

    workspace = algorithm.getProperty("InputWorkspace").value
    m = from_workspace(workspace, ei=_given_ei(algorithm), material=material)
    earlier = recorded_provenance(workspace)
    tell(algorithm, [line for line in m.provenance if line not in earlier])
    return m


def run(algorithm: Any, task: str, maps: Mapping[str, Map], options: Mapping[str, Any]) -> tuple[dict[str, Map], dict[str, Any]]:
    """Run a task in the worker process with the algorithm's progress bar; cancelling the algorithm ends it within a second.

    Returns
    -------
    maps, result
        As `mantid_insdl.worker.run_task`.
    """
    from mantid_insdl.worker import run_task

    latest: list[Any] = [_TASK_START, "Starting"]

    def progress(fraction: float, text: str) -> None:
        latest[:] = _TASK_START + (_TASK_END - _TASK_START) * fraction, text
        report(algorithm, *latest)

    outputs, result = run_task(task, maps, options, progress=progress, poll=lambda: report(algorithm, *latest))
    report(algorithm, _TASK_END, "Writing the result")
    return outputs, result


def copier(algorithm: Any) -> Callable[[Any], Any]:
    """A function that copies a workspace with its history, instrument and logs."""

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


def identity_logs(bundle: Mapping[str, str] | None) -> dict[str, tuple[str, str]]:
    """The sample logs that say which model gave a result; `bundle` as in a result's dictionary, None where there was no network."""
    if bundle is None:
        return {}
    return {
        "insdl_model": (bundle["name"], ""),
        "insdl_model_version": (bundle["version"], ""),
        "insdl_model_sha256": (bundle["sha256"], ""),
    }


def evidence_logs(evidence: Mapping[str, Any] | None) -> dict[str, tuple[float, str]]:
    """The sample logs that say how well a simulation explains the map; `evidence` as in a result's dictionary."""
    if evidence is None:
        return {}
    return {"insdl_unexplained": (evidence["unexplained"], ""), "insdl_unexplained_limit": (evidence["limit"], "")}


def classification_logs(answer: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """The sample logs of a network's verdict; `answer` as `Classification.to_dict` gives it."""
    verdict = {"insdl_verdict": (answer["verdict"], ""), "insdl_in_range": (answer["in_range"], "")}
    return verdict | {"insdl_strangeness": (answer["strangeness"], "")} | identity_logs(answer["bundle"])


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
