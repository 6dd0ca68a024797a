"""MDHistoWorkspaces for the tests, made by Mantid's own calls."""

import itertools

import numpy as np
from mantid.api import AnalysisDataService, WorkspaceFactory, WorkspaceGroup
from mantid.simpleapi import CreateMDHistoWorkspace
from mantid_helpers import add_logs, new_workspace

_NUMBERS = itertools.count()

H, K, L, E = "[H,0,0]", "[0,K,0]", "[0,0,L]", "DeltaE"
EDGES = {H: np.linspace(-1, 1, 9), K: np.linspace(-0.6, 0.6, 7), L: np.array([-0.5, 0.5]), E: np.array([5.0, 8, 11, 14])}


def values(*names, edges=EDGES):
    """Intensities of a map that nothing repeats in, with one axis for each dimension in this order, and their errors."""
    h, k, energy = (0.5 * (edges[name][1:] + edges[name][:-1]) for name in (H, K, E))
    hke = np.exp(-((h[:, None, None] - 0.2) ** 2 + (k[:, None] + 0.3) ** 2) / 0.2) * energy / 10 + 0.1
    order = {H: 0, K: 1, E: 2}
    array = hke.transpose([order[name] for name in names if name in order])
    for place, name in enumerate(names):
        if name not in order:
            array = np.expand_dims(array, place)
    return array, 0.1 * np.sqrt(array)


def new_histogram(*names, signal=None, error=None, events=None, edges=EDGES, labels=None, units=None, ei=50.0, store="md", **logs):
    """An MDHistoWorkspace as MDNorm writes it; arrays have one axis for each dimension. `ei` None: no experiment at all."""
    made = values(*names, edges=edges) if signal is None else (signal, np.sqrt(signal) if error is None else error)
    given = {"SignalInput": made[0], "ErrorInput": made[1]} | ({} if events is None else {"NumberOfEvents": events})
    workspace = CreateMDHistoWorkspace(
        **{name: [float(v) for v in np.ravel(array, order="F")] for name, array in given.items()},
        Dimensionality=len(names),
        Extents=[float(e) for name in names for e in (edges[name][0], edges[name][-1])],
        NumberOfBins=[int(edges[name].size - 1) for name in names],
        Names=[(labels or {}).get(name, name) for name in names],
        Units=[(units or {}).get(name, "DeltaE" if name == E else "r.l.u.") for name in names],
        Frames=["General Frame" if name == E or (units or {}).get(name) == "MomentumTransfer" else "HKL" for name in names],
        OutputWorkspace=store,
    )
    if ei is not None:
        add_experiment(workspace, Ei=ei, **logs)
    return workspace


def add_experiment(workspace, **logs):
    carrier = WorkspaceFactory.create("Workspace2D", NVectors=1, XLength=1, YLength=1)
    workspace.addExperimentInfo(add_logs(carrier, **logs))
    AnalysisDataService.addOrReplace(f"__carrier_{next(_NUMBERS)}", carrier)  # Mantid 3 does not keep it alive


def same_slices(edges=EDGES, ei=50.0):
    """The same map as a group of MatrixWorkspaces, H along X."""
    intensity, error = values(H, K, E, edges=edges)
    group = WorkspaceGroup()
    for i, (low, high) in enumerate(zip(edges[E][:-1], edges[E][1:], strict=True)):
        one = new_workspace(edges[H], edges[K], intensity[..., i].T, error[..., i].T)
        group.addWorkspace(add_logs(one, Ei=ei, energy_min=float(low), energy_max=float(high)))
    return group
