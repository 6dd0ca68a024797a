"""MDHistoWorkspaces of two to four dimensions, alone and in groups, to maps and back."""

import numpy as np
import pytest
from histogram_helpers import EDGES, E, H, K, L, add_experiment, new_histogram, same_slices, values
from mantid.api import MDNormalization, WorkspaceGroup

try:
    from mantid._histograms import VMD
except ImportError:
    from mantid.kernel import VMD
from mantid.kernel import config
from mantid.simpleapi import CloneWorkspace
from mantid_helpers import new_slice

from mantid_insdl.errors import MapError
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU
from mantid_insdl.plugin.workspaces import copy_with_logs, from_workspace, to_workspace


def clone(workspace):
    return CloneWorkspace(InputWorkspace=workspace, OutputWorkspace="copy", StoreInADS=False)


def group_of(*workspaces):
    group = WorkspaceGroup()
    for workspace in workspaces:
        group.addWorkspace(workspace)
    return group


def problem(workspace, **options):
    with pytest.raises(MapError) as raised:
        from_workspace(workspace, **options)
    return str(raised.value)


def two_dimensional(i, **options):
    """Slice i with its energy window in the logs."""
    signal, error = (array[..., i] for array in values(H, K, E))
    low, high = (float(e) for e in EDGES[E][i : i + 2])
    return new_histogram(H, K, signal=signal, error=error, energy_min=low, energy_max=high, store=f"md_{i}", **options)


def one_window(i):
    """Slice i with DeltaE as a dimension of one bin."""
    signal, error = (array[..., i : i + 1] for array in values(H, K, E))
    return new_histogram(H, K, E, signal=signal, error=error, edges=EDGES | {E: EDGES[E][i : i + 2]}, store=f"md_{i}")


SAME = {
    "3-D": lambda: new_histogram(H, K, E),
    "3-D, energy first, K before H": lambda: new_histogram(E, K, H),
    "4-D": lambda: new_histogram(H, K, L, E),
    "4-D, L first": lambda: new_histogram(L, E, H, K),
    "group of 2-D": lambda: group_of(*(two_dimensional(i) for i in range(3))),
    "group of 3-D with one window each": lambda: group_of(*(one_window(i) for i in range(3))),
}


@pytest.mark.parametrize("form", SAME)
def test_same_map_as_the_slices_of_matrix_workspaces(form):
    m, expected = from_workspace(SAME[form]()), from_workspace(same_slices())
    assert (m.kind, m.shape) == ("slices", (3, 8, 6))
    for mine, theirs in zip(m.axes, expected.axes, strict=True):
        assert (mine.name, mine.unit) == (theirs.name, theirs.unit)
        np.testing.assert_allclose(mine.edges, theirs.edges, rtol=0, atol=1e-15)  # although Mantid keeps them in single precision
    assert m.slices.matches(expected.slices)
    np.testing.assert_array_equal(m.intensity, expected.intensity)
    np.testing.assert_allclose(m.error, expected.error, rtol=1e-14)  # by the variance


def test_formula_of_the_pattern():
    m = from_workspace(new_histogram(H, K, E))
    h, k = (axis.centres for axis in m.axes)
    formula = np.exp(-((h[:, None] - 0.2) ** 2 + (k + 0.3) ** 2) / 0.2) * m.slices.centres[:, None, None] / 10 + 0.1
    np.testing.assert_allclose(m.intensity, formula, rtol=1e-12)


def test_masked_bins_are_nan():
    signal, error = values(H, K, E)
    signal[2, 3, 1] = error[2, 3, 1] = np.nan
    m = from_workspace(new_histogram(H, K, E, signal=signal, error=error))
    assert np.argwhere(m.mask).tolist() == [[1, 2, 3]]


def test_mean_over_events_as_mantid_shows_it():
    signal, error = values(H, K, E)
    events = np.ones(signal.shape)
    events[1, 2, 0], events[4, 4, 2] = 4.0, 0.0
    signal[4, 4, 2] = error[4, 4, 2] = 0.0
    workspace = new_histogram(H, K, E, signal=signal, error=error, events=events)
    workspace.setDisplayNormalization(MDNormalization.NumEventsNormalization)
    m = from_workspace(workspace)
    assert m.intensity[0, 1, 2] == signal[1, 2, 0] / 4
    assert m.error[0, 1, 2] == pytest.approx(error[1, 2, 0] / 4)
    assert np.argwhere(m.mask).tolist() == [[2, 4, 4]]


def test_volume_of_a_bin():
    workspace = new_histogram(H, K, E)
    workspace.setDisplayNormalization(MDNormalization.VolumeNormalization)
    m = from_workspace(workspace)
    np.testing.assert_allclose(m.intensity, values(H, K, E)[0].transpose(2, 0, 1) / (0.25 * 0.2 * 3), rtol=1e-12)


@pytest.fixture
def crystallographic():
    """Mantid's configuration is no dictionary."""
    before = config["Q.convention"]
    config["Q.convention"] = "Crystallography"
    yield
    config["Q.convention"] = before


def test_crystallographic_convention_turns_h_and_k(crystallographic):
    m = from_workspace(new_histogram(H, K, E))
    np.testing.assert_array_equal(m.intensity, values(H, K, E)[0].transpose(2, 0, 1)[:, ::-1, ::-1])


def test_powder_and_cut():
    q = EDGES | {"|Q|": np.linspace(0.5, 3.5, 7)}
    signal = np.arange(1.0, 19).reshape(6, 3)
    m = from_workspace(new_histogram("|Q|", E, signal=signal, edges=q, units={"|Q|": "MomentumTransfer"}))
    assert (m.kind, [a.unit for a in m.axes], m.ei) == ("powder", [PER_ANGSTROM, MEV], 50.0)
    np.testing.assert_array_equal(m.intensity, signal)
    one = EDGES | {K: np.array([0.4, 0.6])}
    m = from_workspace(new_histogram(H, K, L, E, signal=np.arange(1.0, 25).reshape(8, 1, 1, 3), edges=one))
    assert (m.kind, m.axes[0].unit) == ("cut", RLU)
    np.testing.assert_allclose(m.path[0], [-0.875, 0.5, 0])


def test_ei_of_all_experiments():
    workspace = new_histogram(H, K, E)
    add_experiment(workspace, Ei=50.2)
    assert from_workspace(workspace).slices.ei[0] == pytest.approx(50.1)
    add_experiment(workspace, Ei=25.0)
    assert "Ei is not clear" in problem(workspace)


def test_given_ei():
    assert from_workspace(new_histogram(H, K, E, ei=None), ei=[70.0]).slices.ei[0] == 70
    group = group_of(*(new_histogram(H, K, E, ei=None, store=f"md_{i}") for i in range(2)))
    assert from_workspace(group, ei=[25.0, 50.0]).slices.ei.tolist() == [25.0] * 3 + [50.0] * 3
    assert "3 incident energies are given for 2 workspaces" in problem(group, ei=[1.0, 2.0, 3.0])
    assert "not positive" in problem(group, ei=[-1.0])
    assert "the log Ei says 50 meV and you gave 70 meV" in problem(new_histogram(H, K, E), ei=[70.0])


def five_dimensional():
    edges = EDGES | {L: np.linspace(-1, 1, 3), "Temperature": np.array([1.0, 2, 3])}
    return new_histogram(H, K, L, E, "Temperature", signal=np.ones((8, 6, 2, 3, 2)), edges=edges, units={"Temperature": "K"})


def many_l():
    return new_histogram(H, K, L, E, signal=np.ones((8, 6, 2, 3)), edges=EDGES | {L: np.linspace(-1, 1, 3)})


def counts(**options):
    return new_histogram(H, K, E, signal=np.arange(1.0, 145).reshape(8, 6, 3), events=np.arange(1.0, 145).reshape(8, 6, 3), **options)


WRONG = {
    "no Ei": (lambda: new_histogram(H, K, E, ei=None), ["no sample log Ei", "with the property Ei of the algorithm"]),
    "no Ei in its experiment": (
        lambda: new_histogram(H, K, E, ei="fast"),
        ["Ei is 'fast'", "getExperimentInfo(0).mutableRun().addProperty"],
    ),
    "counts": (counts, ["events without a normalisation", "MDNorm", "NumEventsNormalization"]),
    "five dimensions": (five_dimensional, ["Temperature (2 bins)", "integrate over it", "BinMD"]),
    "several bins of L": (many_l, ["[0,0,L], [0,K,0], [H,0,0] all have several bins", "IntegrateMDHistoWorkspace"]),
    "wrong plane": (
        lambda: new_histogram(H, K, E, labels={H: "[H,H,0]", K: "[0,0,L]"}),
        ["[0,0,L] and [H,H,0] leave it", "cut along the other with DeltaE", "map: axes"],
    ),
    "no window": (lambda: new_histogram(H, K, signal=np.ones((8, 6))), ["no energy window", "DeltaE as a dimension of one bin"]),
    "no unit": (lambda: new_histogram(H, K, E, units={E: "m"}), ["'DeltaE' cannot be used", "its unit is 'm' and not meV"]),
    "two alike": (lambda: new_histogram(H, K, E, labels={K: "[2H,0,0]"}), ["Two dimensions are the same"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_problems_are_named(case):
    make, words = WRONG[case]
    text = problem(make())
    for word in words:
        assert word in text
    assert "None" not in text


def test_counts_with_a_normalisation_are_a_map():
    workspace = counts()
    workspace.setDisplayNormalization(MDNormalization.NumEventsNormalization)
    np.testing.assert_array_equal(from_workspace(workspace).intensity, 1.0)


@pytest.mark.parametrize(("names", "refused"), [(["BinMD"], True), (["BinMD", "DivideMD"], False), (["MDNorm"], False), ([], False)])
def test_sums_of_weighted_events_are_known_by_the_history(names, refused, monkeypatch):
    """Weights that are not 1 hide that a signal is a sum; what Mantid has done to it does not."""
    workspace = new_histogram(H, K, E, events=np.full((8, 6, 3), 7.0))

    class Done:
        def __init__(self, name):
            self._name = name

        def name(self):
            return self._name

    class History:
        def getAlgorithmHistories(self):
            return [Done(name) for name in names]

    class Seen:
        def __getattribute__(self, name):
            return History if name == "getHistory" else getattr(workspace, name)

    from mantid_insdl.plugin.histograms import read_histogram

    assert read_histogram(Seen()).summed == refused


def test_which_member_is_wrong():
    group = group_of(new_histogram(H, K, E), new_histogram(H, K, E, ei=None, store="bad"), new_slice(1, store="good"))
    assert problem(group).startswith("'bad': The incident energy is not known")


def test_events_without_pixels_are_told_what_to_do():
    class Events:
        def id(self):
            return "MDEventWorkspace<MDEvent,4>"

        def name(self):
            return "events"

    text = problem(Events())
    assert "'events' is an MDEventWorkspace, which has no pixels yet" in text
    assert "BinMD or MDNorm" in text


# ---- results


@pytest.mark.parametrize("names", [(H, K, E), (E, K, H), (H, K, L, E), (L, E, H, K)])
def test_results_have_the_form_of_the_histogram(names):
    source = new_histogram(*names, events=np.full(tuple(EDGES[n].size - 1 for n in names), 3.0))
    source.setDisplayNormalization(MDNormalization.NumEventsNormalization)
    m = from_workspace(source)
    result = to_workspace(m.scaled(2).replace(logs={"insdl_model": ("a", "")}), like=source, copy=clone)
    signal, error = values(*names)
    assert result.id() == "MDHistoWorkspace"
    np.testing.assert_allclose(result.getSignalArray(), 2 * signal / 3)
    np.testing.assert_allclose(result.getErrorSquaredArray(), (2 * error / 3) ** 2)
    again = from_workspace(result)
    np.testing.assert_allclose(again.intensity, 2 * m.intensity)
    assert again.slices.matches(m.slices)
    assert result.getExperimentInfo(0).run().getProperty("insdl_model").value == "a"
    np.testing.assert_array_equal(source.getSignalArray(), signal)  # the source is left alone


def test_masked_pixels_of_results_are_nan():
    signal, error = values(H, K, E)
    signal[2, 3, 1] = error[2, 3, 1] = np.nan
    source = new_histogram(H, K, E, signal=signal, error=error)
    result = to_workspace(from_workspace(source), like=source, copy=clone)
    assert np.argwhere(np.isnan(result.getSignalArray())).tolist() == [[2, 3, 1]]
    assert result.getErrorSquaredArray()[2, 3, 1] == 0


def test_results_of_a_group_have_the_form_of_each_member():
    signal, _ = values(H, K, E)
    plain = same_slices()
    group = group_of(two_dimensional(0), new_histogram(H, K, E, store="three"), plain.getItem(2))
    m = from_workspace(group)
    result = to_workspace(m.scaled(3), like=group, copy=clone)
    assert [result.getItem(i).id() for i in range(3)] == ["MDHistoWorkspace", "MDHistoWorkspace", "Workspace2D"]
    np.testing.assert_allclose(result.getItem(0).getSignalArray(), 3 * signal[..., 0])
    np.testing.assert_allclose(result.getItem(1).getSignalArray(), 3 * signal)
    np.testing.assert_allclose(result.getItem(2).extractY(), 3 * signal[..., 2].T)
    np.testing.assert_allclose(from_workspace(result).intensity, 3 * m.intensity)


def test_results_of_rebinned_slices_are_matrix_workspaces():
    source = new_histogram(H, K, E, labels={H: "[H,H,0]", K: "[-K,K,0]"})
    m = from_workspace(source)
    assert any("re-binned" in warning for warning in m.warnings)
    result = to_workspace(m, like=source, copy=clone)
    assert [result.getItem(i).id() for i in range(3)] == ["Workspace2D"] * 3
    np.testing.assert_array_equal(from_workspace(result).intensity, m.intensity)


def test_result_without_an_experiment_gets_one_for_its_logs():
    source = new_histogram(H, K, E, ei=None)
    result = to_workspace(from_workspace(source, ei=[70.0]), like=source, copy=clone)
    assert from_workspace(result).slices.ei[0] == 70
    assert source.getNumExperimentInfo() == 0


def test_copy_with_logs():
    source = new_histogram(H, K, E)
    copied = copy_with_logs(source, {"insdl_verdict": ("dimer", "")}, clone)
    assert copied.getExperimentInfo(0).run().getProperty("insdl_verdict").value == "dimer"
    assert not source.getExperimentInfo(0).run().hasProperty("insdl_verdict")
    np.testing.assert_array_equal(copied.getSignalArray(), source.getSignalArray())


# ---- basis vectors of BinMD


def binned(vectors, origin, labels, binned_from=(H, K, L, E), names=(H, K, L, E), edges=EDGES):
    """What BinMD makes of an HKL event workspace, of which only the dimensions matter here. Needs the stand-in."""
    workspace = new_histogram(*names, edges=edges, labels=labels)
    real = getattr(workspace, "_basis", None)
    if real is None:
        pytest.skip("only BinMD itself sets a basis in Mantid")
    workspace._basis, workspace._origin = [VMD(*vector) for vector in vectors], VMD(*origin)
    workspace._original = new_histogram(*binned_from, store="binned_from")
    return workspace


ROOT = float(np.sqrt(0.5))


def test_unit_basis_vectors_are_not_what_the_names_say():
    """One unit along [H,H,0] is (1, 1, 0) over the root of two."""
    vectors = [(ROOT, ROOT, 0, 0), (-ROOT, ROOT, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]
    m = from_workspace(binned(vectors, (0, 0, 0, 0), {H: "[H,H,0]", K: "[-K,K,0]"}))
    assert m.axis("qh").edges[-1] == pytest.approx(ROOT * (1 + 0.6), abs=0.2)
    plain = from_workspace(new_histogram(H, K, L, E, labels={H: "[H,H,0]", K: "[-K,K,0]"}))
    assert plain.axis("qh").edges[-1] == pytest.approx(1 + 0.6, abs=0.2)


def test_basis_along_the_axes_changes_nothing():
    vectors = np.eye(4)
    lower = [EDGES[name][0] for name in (H, K, L, E)]
    m = from_workspace(binned(vectors, lower, {}))  # as BinMD keeps it where it bins along the dimensions
    np.testing.assert_array_equal(m.intensity, from_workspace(new_histogram(H, K, L, E)).intensity)
    np.testing.assert_allclose(m.axis("qh").edges, EDGES[H], atol=1e-12)


def test_translation():
    m = from_workspace(binned(np.eye(4), (1.0, 0.5, 0, 0), {}))
    np.testing.assert_allclose(m.axis("qh").edges, EDGES[H] + 1.0, atol=1e-12)
    np.testing.assert_allclose(m.axis("qk").edges, EDGES[K] + 0.5, atol=1e-12)


def test_double_length():
    m = from_workspace(binned(np.diag([2.0, 1, 1, 1]), (0, 0, 0, 0), {H: "u"}))
    np.testing.assert_allclose(m.axis("qh").edges, 2 * EDGES[H], atol=1e-12)


def test_basis_in_the_frame_of_the_sample_is_not_taken():
    """Of MDNorm: the names say it."""
    names = ("Q_sample_x", "Q_sample_y", "Q_sample_z", E)
    edges = EDGES | {name: np.array([-5.0, 5.0]) for name in names[:3]}
    workspace = new_histogram(H, K, L, E)
    if not hasattr(workspace, "_basis"):
        pytest.skip("only BinMD itself sets a basis in Mantid")
    workspace._basis, workspace._origin = [VMD(*(3 * row)) for row in np.eye(4)], VMD(0.0, 0.0, 0.0, 0.0)
    units = dict.fromkeys(names[:3], "MomentumTransfer")
    workspace._original = new_histogram(*names, signal=np.ones((1, 1, 1, 3)), edges=edges, units=units, store="sample")
    np.testing.assert_allclose(from_workspace(workspace).axis("qh").edges, EDGES[H], atol=1e-12)


def test_components_of_q_are_told_what_to_do():
    edges = EDGES | {"Q_sample_x": np.linspace(-5, 5, 3), "Q_sample_y": np.linspace(-5, 5, 3)}
    units = {"Q_sample_x": "MomentumTransfer", "Q_sample_y": "MomentumTransfer"}
    text = problem(new_histogram("Q_sample_x", "Q_sample_y", E, signal=np.ones((2, 2, 3)), edges=edges, units=units))
    assert "Cartesian component of Q" in text and "Q3DFrames='HKL'" in text


# ---- other axes


MATERIAL = """
name: tetragonal
title: A square lattice measured in the (HHL) plane
family: tetragonal
sources: [made up]
parameters: [{name: J, value: 1.0, low: 0.1, high: 2.0, description: nearest neighbours}]
cell: {a: 4.0, b: 4.0, c: 13.0}
supercell: [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]
sites: [{label: M, positions: [[0, 0, 0]], spin: 1.0, direction: [0, 0, 1], ion: Ni2+}]
order: {k: [0.5, 0.5, 0], axis: [1, 0, 0]}
bonds: [{parameter: J, distance: 4.0}]
map: {axes: [[1, 1, 0], [0, 0, 1], [1, -1, 0]], frame: "chemical cell; Qh along [H,H,0], Qk along [0,0,L]"}
"""


@pytest.fixture
def hhl(tmp_path):
    file = tmp_path / "tetragonal.yaml"
    file.write_text(MATERIAL, encoding="utf-8")
    return str(file)


def test_plane_of_which_the_material_says_how_it_lies(hhl):
    source = new_histogram(H, K, E, labels={H: "[H,H,0]", K: "[0,0,L]"})
    m = from_workspace(source, material=hhl)
    np.testing.assert_array_equal(m.intensity, values(H, K, E)[0].transpose(2, 0, 1))
    assert m.warnings == ()
    assert any("Qh along (1, 1, 0) and Qk along (0, 0, 1)" in line for line in m.provenance)
    result = to_workspace(m.scaled(2), like=source, copy=clone, material=hhl)
    np.testing.assert_allclose(result.getSignalArray(), 2 * values(H, K, E)[0])
    assert "leave it" in problem(new_histogram(H, K, E, labels={H: "[H,-H,0]", K: "[0,0,L]"}), material=hhl)
