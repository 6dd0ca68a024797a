"""Workspaces for the tests, made by Mantid's own calls and not by the code under test."""

import numpy as np
from mantid.api import AlgorithmManager, AnalysisDataService, BinEdgeAxis, NumericAxis, WorkspaceFactory, WorkspaceGroup

QH_EDGES = np.linspace(-1, 1, 41)
QK = np.linspace(-1, 1, 40)


def new_workspace(x, vertical, intensity, error=None, *, x_unit=("Label", "Qh", "r.l.u."), vertical_unit=("Label", "Qk", "r.l.u.")):
    """A Workspace2D; rows of `intensity` are spectra, units are (ID, caption, label)."""
    rows, columns = intensity.shape
    workspace = WorkspaceFactory.create("Workspace2D", NVectors=rows, XLength=len(x), YLength=columns)
    for i in range(rows):
        workspace.setX(i, np.asarray(x, float))
        workspace.setY(i, np.asarray(intensity[i], float))
        workspace.setE(i, np.zeros(columns) if error is None else np.asarray(error[i], float))
    if vertical is not None:
        axis = (NumericAxis if len(vertical) == rows else BinEdgeAxis).create(len(vertical))
        for i, value in enumerate(vertical):
            axis.setValue(i, float(value))
        workspace.replaceAxis(1, axis)
        set_unit(workspace, 1, vertical_unit)
    set_unit(workspace, 0, x_unit)
    return workspace


def set_unit(workspace, number, unit):
    made = workspace.getAxis(number).setUnit(unit[0])
    if unit[0] == "Label":
        made.setLabel(unit[1], unit[2])


def add_logs(workspace, **logs):
    for name, value in logs.items():
        workspace.mutableRun().addProperty(name, value, "meV" if name in ("Ei", "energy_min", "energy_max") else "", True)
    return workspace


def pattern(number=1):
    """Intensity (qk, qh) that is neither symmetric nor constant, and its error."""
    qh = 0.5 * (QH_EDGES[1:] + QH_EDGES[:-1])
    intensity = number * np.exp(-((qh[None, :] - 0.2) ** 2 + (QK[:, None] + 0.3) ** 2) / 0.1) + 0.1
    return intensity, np.sqrt(intensity + 0.01)


def new_slice(number=1, *, ei=50.0, store=None, error=True):
    """Slice `number` as Mantid users make it: Qh along X in bins, Qk as points, energy window 5 + 3 number meV."""
    intensity, sigma = pattern(number)
    workspace = new_workspace(QH_EDGES, QK, intensity, sigma if error else None)
    workspace.setTitle(f"slice {number}")
    workspace.setYUnitLabel("Intensity (arb. units)")
    add_logs(workspace, Ei=ei, energy_min=2.0 + 3 * number, energy_max=5.0 + 3 * number, run_number=str(1000 + number))
    if store:
        AnalysisDataService.addOrReplace(store, workspace)
    return workspace


def new_group(numbers=(1, 2, 3), store=None, **options):
    group = WorkspaceGroup()
    for number in numbers:
        group.addWorkspace(new_slice(number, **options))
    if store:
        AnalysisDataService.addOrReplace(store, group)
        return AnalysisDataService[store]
    return group


def create(name, *, managed=False, **properties):
    """An algorithm with its properties set, to be executed or asked for its problems; one to be observed must be managed."""
    algorithm = AlgorithmManager.create(name) if managed else AlgorithmManager.createUnmanaged(name)
    algorithm.initialize()
    algorithm.setRethrows(True)
    for key, value in properties.items():
        algorithm.setProperty(key, value)
    return algorithm


def problems(name, **properties):
    """What validateInputs says."""
    return dict(create(name, **properties).validateInputs())
