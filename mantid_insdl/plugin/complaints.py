"""What is wrong with a workspace: all of it at once, and how to correct it in Mantid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mantid_insdl.errors import InsdlError, UnitError
from mantid_insdl.files.log_values import averaged
from mantid_insdl.files.workspace_layout import (
    AXIS_UNITS,
    EI_LOGS,
    NO_UNIT,
    REQUESTED_EI_LOGS,
    WINDOW_LOGS,
    AxisData,
    WorkspaceData,
    to_map,
)
from mantid_insdl.maps import MEV, RLU

CUT_SLICES = "cut slices of constant energy in Qh and Qk with BinMD or MDNorm"


def everything_wrong(data: WorkspaceData, ei: float | None) -> list[str]:
    """The axes, the energy window and the incident energy are looked at apart, so that one does not hide the other."""
    found = _complaint(replace(data, logs=_ANY_WINDOW))
    if data.x.unit == data.vertical.unit == "Label":
        windows = {name: data.logs[name] for pair in WINDOW_LOGS for name in pair if name in data.logs}
        found += _complaint(replace(_POINT, logs=windows)) + wrong_ei(data.logs, ADD_LOG, ei)
    return found


_ANY_WINDOW = {"energy_min": (0.0, MEV), "energy_max": (1.0, MEV)}
_POINT = WorkspaceData(np.ones((1, 1)), AxisData("Label", np.zeros(1), "Qh", RLU), AxisData("Label", np.zeros(1), "Qk", RLU))


def _complaint(data: WorkspaceData) -> list[str]:
    try:
        to_map(data)
    except UnitError as error:
        # The readers of files advise what makes any map; the models read slices only.
        foreign = not {data.x.unit, data.vertical.unit} <= {*AXIS_UNITS, *NO_UNIT}
        return [str(UnitError(error.summary, error.reason, CUT_SLICES if foreign else error.fix))]
    except InsdlError as error:
        return [str(error)]
    return []


ADD_LOG = "AddSampleLog(Workspace=..., LogName='Ei', LogText='50', LogType='Number', LogUnit='meV')"


def add_log_to_histogram(workspace: Any) -> str:
    """AddSampleLog of Mantid 3 and of the first of 6 takes no MDHistoWorkspace."""
    if workspace.getNumExperimentInfo() == 0:
        return "the property Ei of the algorithm, for it has no experiment that could hold a log"
    return "workspace.getExperimentInfo(0).mutableRun().addProperty('Ei', 50.0, 'meV', True), or with the property Ei of the algorithm"


def wrong_ei(logs: Mapping[str, tuple[Any, str]], how: str, ei: float | None) -> list[str]:
    try:
        m = to_map(replace(_POINT, logs={**logs, **_ANY_WINDOW}), ei=ei)
    except InsdlError as error:
        return [str(error)]
    if np.isfinite(m.require_slices().ei[0]):
        return []
    there = [name for name in (*EI_LOGS, *REQUESTED_EI_LOGS) if name in logs]
    reason = "there is no sample log Ei"
    if there:
        reason = f"the sample log {there[0]} is '{averaged(logs[there[0]][0])}' and no positive number"
    return [f"The incident energy is not known: {reason}; add it in meV with {how}."]
