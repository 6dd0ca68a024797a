"""Files of any format that the package reads, as a workspace: by Mantid's own loader where it knows the format."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from mantid_insdl.errors import InsdlError
from mantid_insdl.plugin.workspaces import from_workspace, to_workspace
from mantid_insdl.progress import Progress


def load_files(
    paths: Sequence[str | Path], name: str = "", *, progress: Progress | None = None, poll: Callable[[], None] | None = None
) -> str:
    """Read files into one workspace or group of the data service, replacing what has its name.

    A single file is left to Mantid's Load where that makes constant-energy slices of it. Anything else (npz, NXSPE, several files that
    make one stack) is read by `mantid_insdl.files.load`, in the worker process, because HDF5 cannot be read beside Mantid.

    Parameters
    ----------
    paths
        One or more files.
    name
        Of the workspace; that of the first file by default.
    progress, poll
        As in `mantid_insdl.worker.run_task`.

    Returns
    -------
    str
        The name of the workspace.

    Raises
    ------
    InsdlError
        As `mantid_insdl.files.load`.
    """
    name = name or re.sub(r"\W+", "_", Path(paths[0]).stem)
    if len(paths) == 1 and _mantid_loads(Path(paths[0]), name):
        return name
    from mantid.api import AnalysisDataService

    from mantid_insdl.worker import run_task

    outputs, _ = run_task("load", {}, {"path_or_paths": [str(path) for path in paths]}, progress=progress, poll=poll)
    AnalysisDataService.addOrReplace(name, to_workspace(outputs["output"]))
    return name


def _mantid_loads(path: Path, name: str) -> bool:
    """Whether Mantid's Load has made slices of a file; what else it has made of it is dropped."""
    from mantid.api import AlgorithmManager, AnalysisDataService

    if path.suffix.lower() == ".npz" or not path.is_file():  # the package's reader says what is wrong with a missing file
        return False
    loader = AlgorithmManager.createUnmanaged("Load")
    loader.initialize()
    loader.setRethrows(True)
    loader.setLogging(False)  # what it cannot load is no error yet
    loader.setAlwaysStoreInADS(False)
    try:
        loader.setProperty("Filename", str(path))
        loader.setProperty("OutputWorkspace", name)
        loader.execute()
        workspace = loader.getProperty("OutputWorkspace").value
        if from_workspace(workspace, need_ei=False).slices is None:
            return False
    except (InsdlError, RuntimeError, ValueError, AttributeError):
        return False
    AnalysisDataService.addOrReplace(name, workspace)
    return True
