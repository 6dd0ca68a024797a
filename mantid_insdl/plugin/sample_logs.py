"""Sample logs of Mantid's runs, and what algorithms a workspace has been through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mantid_insdl.errors import MapError
from mantid_insdl.files.log_values import TimeSeries
from mantid_insdl.files.workspace_layout import EI_LOGS, REQUESTED_EI_LOGS, WINDOW_LOGS

OWN_LOG_PREFIX = "insdl_"
_READ_LOGS = (
    OWN_LOG_PREFIX + "corners",
    *EI_LOGS,
    *REQUESTED_EI_LOGS,
    *(name for pair in WINDOW_LOGS for name in pair),
    *(OWN_LOG_PREFIX + name for name in ("material", "frame", "provenance", "warnings", "path")),
)


def read_logs(run: Any) -> dict[str, tuple[Any, str]]:
    """The logs of a Mantid Run that say what a map shows: name -> (value, unit)."""
    logs = {}
    for name in _READ_LOGS:
        if run.hasProperty(name):
            log = run.getProperty(name)
            logs[name] = (_log_value(log), log.units)
    return logs


def _log_value(log: Any) -> Any:
    if not hasattr(log, "times"):  # only a time series has them
        return log.value
    values, times = np.asarray(log.value), np.asarray(log.times).astype("datetime64[ns]")
    if values.dtype.kind not in "fiub":
        return str(values[-1]) if values.size else ""
    return TimeSeries(values, (times - times[:1]) / np.timedelta64(1, "s"))


def runs_of(workspace: Any) -> list[Any]:
    """The runs whose logs a workspace carries: its own; of an MDHistoWorkspace those of its experiments, of which it may have none."""
    if hasattr(workspace, "getNumExperimentInfo"):
        return [workspace.getExperimentInfo(i).run() for i in range(workspace.getNumExperimentInfo())]
    return [workspace.run()]


def set_logs(workspace: Any, logs: Mapping[str, tuple[Any, str]]) -> None:
    """Write sample logs, name -> (value, unit), replacing those of the same name. True and False are stored as 1 and 0.

    An MDHistoWorkspace gets them in all its experiments: any of them may be asked.
    """
    if hasattr(workspace, "getNumExperimentInfo"):
        runs = [workspace.getExperimentInfo(i).mutableRun() for i in range(workspace.getNumExperimentInfo())]
        if not runs:
            raise MapError("the MDHistoWorkspace can hold no sample logs", "it has no experiment", "make it from data with BinMD or MDNorm")
    else:
        runs = [workspace.mutableRun()]
    for run in runs:
        for name, (value, unit) in logs.items():
            run.addProperty(name, _for_mantid(value), unit, True)


def _for_mantid(value: Any) -> Any:
    """Mantid takes plain Python values only, and no file format of it stores a logical one."""
    if isinstance(value, np.ndarray | list | tuple):
        return [float(v) for v in np.ravel(value)]
    if isinstance(value, np.generic):
        value = value.item()
    return int(value) if isinstance(value, bool) else value
