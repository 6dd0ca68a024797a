"""The five algorithms give the same answer for MDHistoWorkspaces as for the same slices as MatrixWorkspaces; with the real worker."""

import numpy as np
import pytest
from histogram_helpers import EDGES, E, H, K, L, new_histogram, same_slices
from mantid.api import AnalysisDataService, WorkspaceGroup, mtd
from mantid_helpers import add_logs, create, problems

from mantid_insdl import examples
from mantid_insdl.maps import stack
from mantid_insdl.plugin.workspaces import from_workspace, to_workspace

IN_RANGE = EDGES | {E: np.array([2.0, 4, 6, 8])}


def execute(name, **properties):
    """Run an algorithm; its OutputWorkspace, where it is called out."""
    assert create(name, **properties).execute()
    return mtd["out"] if mtd.doesExist("out") else None


def group_of(name, *workspaces):
    group = WorkspaceGroup()
    for workspace in workspaces:
        group.addWorkspace(workspace)
    AnalysisDataService.addOrReplace(name, group)
    return mtd[name]


@pytest.fixture(scope="module")
def expected():
    """rb2mnf4 on the slices as MatrixWorkspaces."""
    AnalysisDataService.addOrReplace("slices", same_slices(IN_RANGE, ei=25.0))
    m = from_workspace(execute("SimulateSpinWaveMap", Material="rb2mnf4", Template=mtd["slices"], OutputWorkspace="out"))
    AnalysisDataService.clear()
    return m


@pytest.mark.parametrize("names", [(H, K, E), (H, K, L, E), (E, K, H)])
def test_simulation_in_the_form_of_a_histogram(expected, names):
    made = execute(
        "SimulateSpinWaveMap", Material="rb2mnf4", Template=new_histogram(*names, edges=IN_RANGE, ei=25.0), OutputWorkspace="out"
    )
    assert made.id() == "MDHistoWorkspace"
    assert [d.name for d in (made.getDimension(i) for i in range(made.getNumDims()))] == list(names)
    m = from_workspace(made)
    np.testing.assert_allclose(m.intensity, expected.intensity, rtol=1e-12)
    assert m.material == "rb2mnf4"


def test_simulation_in_the_form_of_a_group(expected):
    one, rest = IN_RANGE | {E: IN_RANGE[E][:2]}, IN_RANGE | {E: IN_RANGE[E][1:]}
    template = group_of(
        "template", new_histogram(H, K, E, edges=one, ei=25.0, store="a"), new_histogram(H, K, L, E, edges=rest, ei=25.0, store="b")
    )
    made = execute("SimulateSpinWaveMap", Material="rb2mnf4", Template=template, OutputWorkspace="out")
    assert [made.getItem(i).id() for i in range(2)] == ["MDHistoWorkspace"] * 2
    np.testing.assert_allclose(from_workspace(made).intensity, expected.intensity, rtol=1e-12)


def test_problems_are_those_of_the_map():
    text = problems("DenoiseINS", InputWorkspace=new_histogram(H, K, E, ei=None), OutputWorkspace="out")["InputWorkspace"]
    assert "no sample log Ei" in text and "the property Ei of the algorithm" in text
    text = problems("SimulateSpinWaveMap", Material="rb2mnf4", Template=new_histogram(H, K, L, E, ei=None), OutputWorkspace="out")[
        "Template"
    ]
    assert "no sample log Ei" in text
    fine = EDGES | {H: np.linspace(-1, 1, 21), K: np.linspace(-1, 1, 21)}
    masked = new_histogram(H, K, E, signal=np.full((20, 20, 3), np.nan), error=np.ones((20, 20, 3)), edges=fine)
    text = problems("DenoiseINS", InputWorkspace=masked, Model="pcsmo-denoiser", OutputWorkspace="out")["InputWorkspace"]
    assert "every pixel is masked or NaN" in text
    text = problems("SimulateSpinWaveMap", Material="rb2mnf4", Template=masked, OutputWorkspace="out")["Template"]
    assert "Every pixel is masked or NaN" in text


# ---- the networks


def as_histogram(m, store, *names):
    """The slices of one Ei of a map, whose windows join, as an MDHistoWorkspace."""
    low, high = m.slices.energy_min, m.slices.energy_max
    np.testing.assert_allclose(low[1:], high[:-1])
    edges = {H: m.axes[0].edges, K: m.axes[1].edges, E: np.append(low, high[-1]), L: np.array([-5.0, 5.0])}
    order = [{E: 0, H: 1, K: 2}[name] for name in names if name != L]
    intensity, error = (a.transpose(order) for a in (m.intensity, m.error))
    if L in names:
        intensity, error = (np.expand_dims(a, names.index(L)) for a in (intensity, error))
    ei = float(m.slices.ei[0])
    return new_histogram(*names, signal=intensity, error=error, edges=edges, ei=ei, store=store, insdl_material="pcsmo")


@pytest.fixture(scope="module")
def example():
    return examples.load().replace(logs={})


@pytest.mark.tensorflow
def test_networks_answer_alike(example):
    """Of three incident energies, two as 3-D and one as 4-D, in a group."""
    parts = [example.select(example.slices.ei == ei) for ei in example.slices.unique_ei]
    AnalysisDataService.addOrReplace("plain", to_workspace(stack(parts)))
    forms = [(H, K, E), (H, K, L, E), (E, K, H)]
    group_of("histograms", *(as_histogram(m, f"md_{i}", *form) for i, (m, form) in enumerate(zip(parts, forms, strict=True))))
    tables, maps = [], []
    for name in ("plain", "histograms"):
        execute("ClassifyMagneticModel", InputWorkspace=mtd[name], OutputTable=f"{name}_table")
        execute("DenoiseINS", InputWorkspace=mtd[name], OutputWorkspace=f"{name}_denoised")
        execute("FitExchangeCNN", InputWorkspace=mtd[name], Model="pcsmo-goodenough-exchange", OutputTable=f"{name}_constants")
        execute("ComputeGradCAM", InputWorkspace=mtd[name], OutputWorkspace=f"{name}_importance")
        tables.append([*mtd[f"{name}_table"].column("Probability"), *mtd[f"{name}_constants"].column("Value")])
        maps.append([from_workspace(mtd[f"{name}_{kind}"]) for kind in ("denoised", "importance")])
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-4, atol=1e-5)
    for one, other in zip(*maps, strict=True):
        assert one.slices.matches(other.slices)
        # Constants drawn from what a network says follow its rounding, and the maps simulated with them do.
        np.testing.assert_allclose(one.intensity, other.intensity, atol=1e-3 * np.nanmax(other.intensity))
    assert [mtd["histograms_denoised"].getItem(i).id() for i in range(3)] == ["MDHistoWorkspace"] * 3


def test_ei_as_a_property():
    """What the algorithm is told is what the map has, and a result keeps it."""
    source = new_histogram(H, K, E, edges=IN_RANGE, ei=None)
    assert "InputWorkspace" in problems("DenoiseINS", InputWorkspace=source, Model="pcsmo-denoiser", OutputWorkspace="out")
    given = problems("DenoiseINS", InputWorkspace=source, Model="pcsmo-denoiser", Ei=25.0, OutputWorkspace="out")
    assert "Ei" not in given.get("InputWorkspace", "") or "incident energy is not known" not in given["InputWorkspace"]
    two = problems("DenoiseINS", InputWorkspace=source, Model="pcsmo-denoiser", Ei=[25.0, 50.0], OutputWorkspace="out")
    assert "2 incident energies are given for 1 workspaces" in two["InputWorkspace"]
    slices = same_slices(IN_RANGE)
    plain = slices.getItem(0)
    assert (
        "the log Ei says 50 meV and you gave 25 meV"
        in problems("DenoiseINS", InputWorkspace=add_logs(plain, Ei=50.0), Model="pcsmo-denoiser", Ei=25.0, OutputWorkspace="out")[
            "InputWorkspace"
        ]
    )
