"""Files of any format that the package reads, as a workspace: by Mantid's own loader where it knows the format."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mantid_insdl.errors import InsdlError
from mantid_insdl.files.npz import with_mask_of
from mantid_insdl.plugin.workspaces import from_workspace, to_workspace
from mantid_insdl.progress import Progress


def load_files(
    paths: Sequence[str | Path],
    name: str = "",
    *,
    mask: str | Path | None = None,
    progress: Progress | None = None,
    poll: Callable[[], None] | None = None,
    started: Callable[[Callable[[], None]], None] | None = None,
) -> str:
    """Read files into one workspace or group of the data service, replacing what has its name.

    A single file is left to Mantid's Load where that makes constant-energy slices of it. Anything else (npz, NXSPE, several files that
    make one stack, files with a mask) is read by `mantid_insdl.files.load`, in the worker process, because HDF5 cannot be read beside
    Mantid.

    Parameters
    ----------
    paths
        One or more files.
    name
        Of the workspace; that of the first file by default.
    mask
        An npz file of pixels to mask, as in `mantid_insdl.files.load`.
    progress, poll
        As in `mantid_insdl.worker.run_task`; `poll` is called too when Mantid's Load was cancelled.
    started
        Called with the function that cancels Mantid's Load, from any thread, before it runs: it ends at the loader's next report.

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
    if len(paths) == 1 and mask is None and _mantid_loads(Path(paths[0]), name, poll or (lambda: None), started):
        return name
    from mantid.api import AnalysisDataService

    from mantid_insdl.worker import run_task

    given = {"path_or_paths": [str(path) for path in paths]} | ({} if mask is None else {"mask": str(mask)})
    outputs, _ = run_task("load", {}, given, progress=progress, poll=poll)
    AnalysisDataService.addOrReplace(name, to_workspace(outputs["output"]))
    return name


def mask_workspace(name: str, mask: str | Path, output: str) -> str:
    """Copy a workspace or group of slices in the data service, with the pixels of a mask file masked besides.

    Parameters
    ----------
    name
        The workspace, which stays as it is.
    mask
        An npz file of pixels to mask, as in `mantid_insdl.files.load`.
    output
        Name of the copy, which replaces what has that name.

    Returns
    -------
    str
        `output`.

    Raises
    ------
    InsdlError
        If the file holds no mask, or one of another map.
    """
    from mantid.api import AnalysisDataService

    workspace = AnalysisDataService.retrieve(name)
    m = from_workspace(workspace, need_ei=False)
    masked = with_mask_of(m, mask)
    AnalysisDataService.addOrReplace(output, to_workspace(masked, like=workspace, copy=_clone))
    return output


def _clone(workspace: Any) -> Any:
    algorithm = _unstored("CloneWorkspace")
    algorithm.setProperty("InputWorkspace", workspace)
    algorithm.setProperty("OutputWorkspace", "__insdl_clone")
    algorithm.execute()
    return algorithm.getProperty("OutputWorkspace").value


def _mantid_loads(path: Path, name: str, poll: Callable[[], None], started: Callable[[Callable[[], None]], None] | None) -> bool:
    """Whether Mantid's Load has made slices of a file; what else it has made of it is dropped."""
    from mantid.api import AnalysisDataService

    if path.suffix.lower() == ".npz" or not path.is_file():  # the package's reader says what is wrong with a missing file
        return False
    loader = _unstored("Load")
    if started is not None:
        started(loader.cancel)
    try:
        loader.setProperty("Filename", str(path))
        loader.setProperty("OutputWorkspace", name)
        loader.execute()
        workspace = loader.getProperty("OutputWorkspace").value
        if from_workspace(workspace, need_ei=False).slices is None:
            return False
    except KeyboardInterrupt:  # by which Mantid says that it was cancelled
        poll()
        raise
    except (InsdlError, RuntimeError, ValueError, AttributeError):
        return False
    poll()
    AnalysisDataService.addOrReplace(name, workspace)
    return True


def _unstored(name: str) -> Any:
    """An algorithm whose result stays out of the data service, and its failures out of the log: what it cannot do is no error yet."""
    from mantid.api import AlgorithmManager

    algorithm = AlgorithmManager.createUnmanaged(name)
    algorithm.initialize()
    algorithm.setRethrows(True)
    algorithm.setLogging(False)
    algorithm.setAlwaysStoreInADS(False)
    return algorithm
