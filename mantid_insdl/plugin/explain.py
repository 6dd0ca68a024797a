"""Views of a network for scripts in Mantid, beside ComputeGradCAM: activations as workspaces, and the page with everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mantid_insdl.plugin.workspaces import from_workspace, to_workspace


def activation_groups(workspace: Any, layer: str | None = None, model: str | None = None) -> list[Any]:
    """What each filter of a layer shows of a map, by the worker.

    Parameters
    ----------
    workspace
        Constant-energy slices, as InputWorkspace of ComputeGradCAM.
    layer
        Name of the layer; the last convolution by default.
    model
        Name or path of a bundle; by default the classifier for the map's material.

    Returns
    -------
    list
        One WorkspaceGroup a filter with one workspace a slice, or a single workspace of one slice; not yet in the data service.
    """
    from mantid_insdl.worker import run_task

    maps, _ = run_task("activations", {"input": from_workspace(workspace)}, {"layer": layer, "model": model})
    return [to_workspace(maps[str(number)]) for number in range(len(maps))]


def explain_in(workspace: Any, folder: str | Path, **options: Any) -> dict[str, Any]:
    """Write what `insdl explain --all` writes into a folder, by the worker; return the content of its `explain.json`.

    Parameters
    ----------
    options
        model, target, views and layer of `mantid_insdl.explain.explanation.explain_answer`.
    """
    from mantid_insdl.worker import run_task

    _, report = run_task("explain_all", {"input": from_workspace(workspace)}, {"folder": str(Path(folder).absolute()), **options})
    return report
