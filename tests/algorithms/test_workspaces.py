"""Workspaces to maps and back."""

import numpy as np
import pytest
from mantid.api import AnalysisDataService, NumericAxis, WorkspaceGroup, mtd
from mantid.kernel import FloatTimeSeriesProperty
from mantid.simpleapi import (
    AddSampleLog,
    CloneWorkspace,
    ConvertAxisByFormula,
    CreateEmptyTableWorkspace,
    CreateSampleWorkspace,
    MaskBins,
)
from mantid_helpers import QH_EDGES, QK, add_logs, new_group, new_slice, new_workspace, pattern, set_unit

from mantid_insdl.errors import MapError
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map
from mantid_insdl.plugin import workspaces
from mantid_insdl.plugin.sample_logs import read_logs
from mantid_insdl.plugin.workspaces import from_workspace, to_workspace


def clone(workspace):
    return CloneWorkspace(InputWorkspace=workspace, OutputWorkspace="copy", StoreInADS=False)


# ---- reading


def test_slice_with_qh_along_x():
    m = from_workspace(new_slice(2))
    assert (m.kind, m.shape) == ("slices", (1, 40, 40))
    assert [(a.name, a.unit, a.is_edges) for a in m.axes] == [("qh", RLU, True), ("qk", RLU, False)]
    np.testing.assert_array_equal(m.axis("qh").edges, QH_EDGES)
    np.testing.assert_array_equal(m.axis("qk").values, QK)
    intensity, error = pattern(2)
    np.testing.assert_array_equal(m.intensity[0], intensity.T)
    np.testing.assert_array_equal(m.error[0], error.T)
    assert (m.slices.ei[0], m.slices.energy_min[0], m.slices.energy_max[0]) == (50, 8, 11)
    assert (m.title, m.intensity_unit) == ("slice 2", "arb. units")


def test_slice_with_qk_along_x_and_a_falling_axis():
    intensity, _ = pattern()
    edges = QH_EDGES[::-1]
    workspace = new_workspace(QK, edges, intensity.T[::-1], x_unit=("Label", "[0,K,0]", "r.l.u."), vertical_unit=("Label", "H", "r.l.u."))
    m = from_workspace(add_logs(workspace, Ei=50.0, energy_min=5.0, energy_max=8.0))
    np.testing.assert_array_equal(m.intensity[0], intensity.T)
    np.testing.assert_array_equal(m.axis("qh").edges, QH_EDGES)
    assert m.error is None, "errors that are zero everywhere mean that none are known"


@pytest.mark.parametrize("x_is_energy", [True, False])
def test_powder_map_in_either_orientation(x_is_energy):
    energy, q = np.linspace(0, 10, 12), np.linspace(0.5, 5, 9)
    values = np.arange(8 * 11, dtype=float).reshape(8, 11)
    units = {"x_unit": ("DeltaE",), "vertical_unit": ("MomentumTransfer",)}
    if x_is_energy:
        workspace = new_workspace(energy, q, values, values, **units)
    else:
        workspace = new_workspace(q, energy, values.T, values.T, x_unit=units["vertical_unit"], vertical_unit=units["x_unit"])
    m = from_workspace(workspace)
    assert [(a.name, a.unit, a.is_edges) for a in m.axes] == [("q", PER_ANGSTROM, True), ("energy", MEV, True)]
    np.testing.assert_array_equal(m.intensity, values)


def test_group_keeps_its_order():
    m = from_workspace(new_group((3, 1, 2)))
    np.testing.assert_array_equal(m.slices.energy_min, [11, 5, 8])
    np.testing.assert_array_equal(m.intensity[1], pattern(1)[0].T)


def test_masks_of_bins_detectors_and_nan():
    workspace = new_slice()
    values = np.array(workspace.readY(7))
    values[3] = np.nan
    workspace.setY(7, values)
    AnalysisDataService.addOrReplace("masked", workspace)
    workspace = MaskBins(InputWorkspace="masked", OutputWorkspace="masked", XMin=-0.99, XMax=-0.91)
    m = from_workspace(workspace)
    expected = np.zeros((40, 40), bool)
    expected[:2] = expected[3, 7] = True
    np.testing.assert_array_equal(m.mask[0], expected)


def test_masked_detector():
    workspace = CreateSampleWorkspace(NumBanks=1, BankPixelWidth=3, XMin=-1.0, XMax=1.0, BinWidth=0.25, OutputWorkspace="detectors")
    axis = NumericAxis.create(9)
    for i in range(9):
        axis.setValue(i, float(i))
    workspace.replaceAxis(1, axis)
    set_unit(workspace, 0, ("Label", "Qh", "r.l.u."))
    set_unit(workspace, 1, ("Label", "Qk", "r.l.u."))
    add_logs(workspace, Ei=50.0, energy_min=5.0, energy_max=8.0)
    workspace.spectrumInfo().setMasked(4, True)
    m = from_workspace(workspace)
    np.testing.assert_array_equal(m.mask[0].all(axis=0), np.arange(9) == 4)


@pytest.mark.parametrize("kind", ["Number", "Number Series", "String"])
def test_energies_as_users_add_them(kind):
    intensity, _ = pattern()
    AnalysisDataService.addOrReplace("bare", new_workspace(QH_EDGES, QK, intensity))
    for name, text in (("Ei", "50"), ("energy_min", "5"), ("energy_max", "7.5")):
        AddSampleLog(Workspace="bare", LogName=name, LogText=text, LogType=kind)
    slices = from_workspace(mtd["bare"]).slices
    assert (slices.ei[0], slices.energy_min[0], slices.energy_max[0]) == (50, 5, 7.5)


def test_slice_without_a_known_pixel_beside_slices_with_errors():
    group = new_group()
    for i in range(40):
        group.getItem(1).setY(i, np.full(40, np.nan))
    m = from_workspace(group)
    assert m.error is not None
    assert m.mask[1].all()
    assert not m.mask[0].any()


def test_material_is_read_from_its_log():
    assert from_workspace(add_logs(new_slice(), insdl_material="rb2mnf4")).material == "rb2mnf4"


def new_cut(backwards=False, **logs):
    """A cut of four points along [H,0,0] whose corners are the points 0, 1 and 3; `backwards` as its axis falls."""
    turn = slice(None, None, -1 if backwards else 1)
    h = np.array([0.0, 0.1, 0.2, 0.3])
    workspace = new_workspace(
        np.array([0.0, 2, 4]), h[turn], np.arange(8.0).reshape(4, 2)[turn], x_unit=("DeltaE",), vertical_unit=("Label", "Path", "r.l.u.")
    )
    path = np.column_stack((h, 0 * h + 0.5, 0 * h))[turn]
    places = "0 X\n2 \n3 G" if backwards else "0 G\n1 \n3 X"
    return add_logs(workspace, Ei=20.0, insdl_path=[float(x) for x in path.ravel()], insdl_corners=places, **logs)


@pytest.mark.parametrize("backwards", [False, True])
def test_path_of_a_cut_and_its_corners(backwards):
    m = from_workspace(new_cut(backwards))
    np.testing.assert_array_equal(m.path[:, 0], [0.0, 0.1, 0.2, 0.3])
    np.testing.assert_array_equal(m.intensity, np.arange(8.0).reshape(4, 2))
    assert m.corners == ((0, "G"), (1, ""), (3, "X"))


@pytest.mark.parametrize("copy", [clone, None])
@pytest.mark.parametrize("backwards", [False, True])
def test_results_on_the_axes_of_a_cut_keep_its_path(backwards, copy):
    source = new_cut(backwards)
    m = from_workspace(source)
    again = from_workspace(to_workspace(m.scaled(2), like=source, copy=copy))
    np.testing.assert_array_equal(again.intensity, 2 * m.intensity)
    np.testing.assert_array_equal(again.path, m.path)
    assert again.corners == m.corners


def test_corners_of_a_new_workspace():
    m = from_workspace(new_cut())
    again = from_workspace(to_workspace(m))
    np.testing.assert_array_equal(again.path, m.path)
    assert again.corners == m.corners == ((0, "G"), (1, ""), (3, "X"))


# ---- what cannot be read


def problem(workspace):
    with pytest.raises(MapError) as caught:
        from_workspace(workspace)
    return str(caught.value)


def bare(**options):
    intensity, _ = pattern()
    return new_workspace(QH_EDGES, QK, intensity, **options)


WRONG = {
    "no logs": (bare, ["energy_min and energy_max are missing", "no sample log Ei", "AddSampleLog"]),
    "no Ei": (lambda: add_logs(bare(), energy_min=5.0, energy_max=8.0), ["no sample log Ei", "LogType='Number'"]),
    "no window": (lambda: add_logs(bare(), Ei=50.0), ["energy_min and energy_max are missing"]),
    "Ei is no number": (lambda: add_logs(bare(), Ei="fast", energy_min=5.0, energy_max=8.0), ["'fast' and no positive number"]),
    "Ei is zero": (lambda: add_logs(bare(), Ei=0.0, energy_min=5.0, energy_max=8.0), ["no positive number"]),
    "window the wrong way round": (lambda: add_logs(new_slice(), energy_min=9.0, energy_max=5.0), ["energy window is empty"]),
    "wrong unit": (lambda: bare(x_unit=("Label", "Qh", "furlong")), ["furlong", "no sample log Ei"]),
    "no unit": (lambda: bare(x_unit=("Label", "Qh", "")), ["Qh", "no unit"]),
    "empty unit": (lambda: bare(vertical_unit=("Empty",)), ["no unit", "Axis='Y', Formula='x', AxisTitle='Qk'"]),
    "time of flight": (lambda: bare(x_unit=("TOF",)), ["TOF"]),
    "two times Qh": (lambda: bare(vertical_unit=("Label", "Qh", "r.l.u.")), ["none this package knows"]),
    "spectra axis": (lambda: new_workspace(QH_EDGES, None, pattern()[0]), ["counts spectra"]),
    "table": (lambda: CreateEmptyTableWorkspace(OutputWorkspace="table"), ["is a table"]),
    "empty group": (WorkspaceGroup, ["group is empty"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_problems_are_named(case):
    make, words = WRONG[case]
    workspace = make()
    text = problem(workspace)
    for word in words:
        assert word in text


def test_what_the_converter_gives_is_accepted_once_it_has_units_and_logs():
    """ConvertMDHistoToMatrixWorkspace writes Label axes with the dimensions' names, without units and without logs."""
    intensity, error = pattern()
    converted = new_workspace(QH_EDGES, QH_EDGES, intensity, error, x_unit=("Label", "[H,0,0]", ""), vertical_unit=("Label", "[0,K,0]", ""))
    AnalysisDataService.addOrReplace("slice", converted)
    for axis, caption in (("X", "[H,0,0]"), ("Y", "[0,K,0]")):
        text = problem(mtd["slice"])
        how = f"ConvertAxisByFormula with Axis='{axis}', Formula='x', AxisTitle='{caption}', AxisUnits='r.l.u.'"
        assert how in text
        ConvertAxisByFormula(InputWorkspace="slice", OutputWorkspace="slice", Axis=axis, Formula="x", AxisTitle=caption, AxisUnits="r.l.u.")
    for name, value in (("Ei", "50"), ("energy_min", "5"), ("energy_max", "8")):
        assert "AddSampleLog" in problem(mtd["slice"])
        AddSampleLog(Workspace="slice", LogName=name, LogText=value, LogType="Number", LogUnit="meV")
    np.testing.assert_array_equal(from_workspace(mtd["slice"]).intensity[0], intensity.T)


@pytest.mark.parametrize("captions", [("[H,0,0]", "[0,K,0]"), ("Qh", "K")])
def test_units_as_mantids_converters_write_them(captions):
    units = [("Label", caption, f"in {length} A^-1") for caption, length in zip(captions, ("1.162", "0.58"), strict=True)]
    workspace = new_workspace(QH_EDGES, QK, pattern()[0], x_unit=units[0], vertical_unit=units[1])
    m = from_workspace(add_logs(workspace, Ei=50.0, energy_min=5.0, energy_max=8.0))
    assert [(a.name, a.unit) for a in m.axes] == [("qh", RLU), ("qk", RLU)]


def test_that_unit_on_an_axis_that_is_not_of_hkl_is_refused():
    assert "in 1.162 A^-1" in problem(bare(x_unit=("Label", "Q_sample_x", "in 1.162 A^-1")))


@pytest.mark.parametrize("options", [{"vertical": None}, {"vertical_unit": ("TOF",)}, {"vertical_unit": ("Degrees",)}])
def test_no_advice_that_leads_to_another_refusal(options):
    """A |Q|-E map, as SofQW3 makes it, is no answer to an algorithm that reads slices only."""
    text = problem(new_workspace(**{"x": QH_EDGES, "vertical": QK, "intensity": pattern()[0]} | options))
    assert "SofQW3" not in text
    assert "MomentumTransfer" not in text
    assert "cut slices of constant energy in Qh and Qk with BinMD" in text


def test_infinite_intensity():
    workspace = new_slice()
    values = np.array(workspace.readY(0))
    values[0] = np.inf
    workspace.setY(0, values)
    assert "infinite" in problem(workspace)


def test_spectra_with_different_bins():
    workspace = new_slice()
    workspace.setX(1, QH_EDGES + 0.1)
    assert "different bins" in problem(workspace)


def test_group_inside_a_group():
    outer = WorkspaceGroup()
    outer.addWorkspace(new_group())
    assert "group inside the group" in problem(outer)


def test_slices_with_different_axes():
    group = new_group((1,))
    group.addWorkspace(add_logs(new_workspace(QH_EDGES * 2, QK, pattern()[0], pattern()[1]), Ei=50.0, energy_min=8.0, energy_max=11.0))
    assert "axis 'qh' differs" in problem(group)


def test_which_slices_are_wrong_is_said():
    group = new_group(store="stack")
    group.getItem(1).getAxis(0).setUnit("TOF")
    assert problem(group).startswith("'stack_2': ")


def test_huge_workspace_is_refused_before_it_is_copied(monkeypatch):
    monkeypatch.setattr(workspaces, "MAXIMUM_PIXELS", 1000)
    assert "rebin it" in problem(new_slice())


# ---- writing


@pytest.mark.parametrize("copy", [clone, None])
def test_result_lies_on_the_axes_of_the_input(copy):
    source = new_slice()
    m = from_workspace(source)
    mask = np.zeros(m.shape, bool)
    mask[0, 5, 6] = True
    result = to_workspace(m.scaled(2).with_mask(mask).replace(logs={"insdl_model": ("a", "")}), like=source, copy=copy)
    intensity, error = pattern()
    intensity[6, 5], error[6, 5] = np.nan, 0
    np.testing.assert_array_equal(result.extractY(), 2 * intensity)
    np.testing.assert_array_equal(result.extractE(), 2 * error)
    np.testing.assert_array_equal(result.readX(0), QH_EDGES)
    np.testing.assert_array_equal(result.getAxis(1).extractValues(), QK)
    assert result.id() == "Workspace2D"
    assert result.getTitle() == "slice 1"
    assert result.YUnitLabel() == "Intensity (arb. units)"
    for number, caption in ((0, "Qh"), (1, "Qk")):
        unit = result.getAxis(number).getUnit()
        assert (unit.unitID(), unit.caption(), unit.symbol().ascii()) == ("Label", caption, "r.l.u.")
    run = result.run()
    assert [run.getProperty(n).value for n in ("Ei", "energy_min", "energy_max", "run_number", "insdl_model")] == [50, 5, 8, "1001", "a"]
    np.testing.assert_array_equal(source.extractY(), pattern()[0])


def test_result_in_the_other_orientation():
    intensity, _ = pattern()
    source = new_workspace(QK, QH_EDGES[::-1], intensity.T[::-1], x_unit=("Label", "Qk", "r.l.u."), vertical_unit=("Label", "Qh", "r.l.u."))
    add_logs(source, Ei=50.0, energy_min=5.0, energy_max=8.0)
    result = to_workspace(from_workspace(source).scaled(3), like=source)
    np.testing.assert_array_equal(result.extractY(), 3 * intensity.T[::-1])
    np.testing.assert_array_equal(result.getAxis(1).extractValues(), QH_EDGES[::-1])


def test_group_gives_a_group_with_titles_and_history():
    for number in (1, 2):
        AnalysisDataService.addOrReplace(f"one_{number}", new_slice(number))
        AddSampleLog(Workspace=f"one_{number}", LogName="note", LogText="kept")
    source = WorkspaceGroup()
    source.addWorkspace(mtd["one_1"])
    source.addWorkspace(mtd["one_2"])
    result = to_workspace(from_workspace(source), like=source, copy=clone)
    assert isinstance(result, WorkspaceGroup)
    assert [result.getItem(i).getTitle() for i in range(2)] == ["slice 1", "slice 2"]
    names = [h.name() for h in result.getItem(0).getHistory().getAlgorithmHistories()]
    assert "AddSampleLog" in names


def test_group_of_one_stays_a_group():
    source = new_group((1,))
    assert isinstance(to_workspace(from_workspace(source), like=source), WorkspaceGroup)


def test_without_copy_the_record_of_earlier_analyses_is_left_behind():
    source = add_logs(new_slice(), insdl_model="old")
    assert not to_workspace(from_workspace(source), like=source).run().hasProperty("insdl_model")


def test_new_workspaces_of_a_stack_and_of_a_powder_map():
    stack = from_workspace(new_group())
    again = from_workspace(to_workspace(stack))
    np.testing.assert_array_equal(again.intensity, stack.intensity)
    np.testing.assert_array_equal(again.error, stack.error)
    assert again.slices.matches(stack.slices)
    axes = (Axis("q", PER_ANGSTROM, np.linspace(0, 3, 5), is_edges=True), Axis("energy", MEV, np.linspace(0, 9, 4), is_edges=True))
    powder = to_workspace(Map(np.arange(12.0).reshape(4, 3), axes, ei=20.0))
    assert powder.getAxis(0).getUnit().unitID() == "DeltaE"
    assert powder.isDistribution()
    np.testing.assert_array_equal(from_workspace(powder).intensity, np.arange(12.0).reshape(4, 3))


def test_logs_become_plain_python_values():
    workspace = new_slice()
    workspaces.set_logs(workspace, {"a": (np.float32(1.5), "meV"), "b": (np.True_, ""), "c": (np.arange(3), ""), "d": ("text", "")})
    run = workspace.run()
    assert (run.getProperty("a").value, run.getProperty("b").value, run.getProperty("d").value) == (1.5, 1, "text")
    np.testing.assert_array_equal(run.getProperty("c").value, [0, 1, 2])


# ---- logs of several values


def with_series(workspace, name, values, seconds=None):
    """The workspace with a log that was recorded at these seconds."""
    log = FloatTimeSeriesProperty(name)
    for second, value in zip(range(len(values)) if seconds is None else seconds, values, strict=True):
        log.addValue(f"2020-01-01T00:00:{second:02d}", float(value))
    workspace.mutableRun().addProperty(name, log, True)
    return workspace


def test_zeros_in_a_series_of_the_incident_energy_do_not_count():
    m = from_workspace(with_series(new_slice(), "Ei", [0, 0, 100, 100]))
    assert m.slices.ei[0] == 100
    assert any("Ei = 100: time average of 2 values of the log, 2 not positive" in line for line in m.provenance)


def test_array_log_of_the_incident_energy():
    m = from_workspace(add_logs(new_slice(), Ei=[0.0, 0.0, 100.0, 100.0]))
    assert m.slices.ei[0] == 100
    assert any("average of 2 values" in line for line in m.provenance)


def test_series_is_averaged_in_time():
    """50 for 3 s, 50.5 for 1 s, 50 for 1 s."""
    m = from_workspace(with_series(new_slice(), "Ei", [50, 50.5, 50], [0, 3, 4]))
    assert m.slices.ei[0] == pytest.approx(250.5 / 5)


@pytest.mark.parametrize("name", ["Ei", "energy_min", "energy_max"])
def test_series_of_different_values_is_refused(name):
    text = problem(with_series(new_slice(), name, [5, 8]))
    assert f"log {name} is not clear: its 2 values go from 5 to 8" in text
    assert "AddSampleLog" in text


def test_a_wrong_series_does_not_hide_a_missing_window():
    text = problem(with_series(bare(), "Ei", [50, 100]))
    assert "log Ei is not clear" in text
    assert "energy_min and energy_max are missing" in text


def test_series_of_zeros_is_no_incident_energy():
    assert "Ei is '0.0' and no positive number" in problem(with_series(new_slice(), "Ei", [0, 0]))


def test_result_keeps_the_series_of_the_input():
    source = with_series(new_slice(), "Ei", [0, 0, 100, 100])
    result = to_workspace(from_workspace(source).scaled(2), like=source)
    np.testing.assert_array_equal(result.run().getProperty("Ei").value, [0, 0, 100, 100])


def test_warnings_of_an_earlier_step_are_read():
    assert read_logs(add_logs(new_slice(), insdl_warnings="one\ntwo").run())["insdl_warnings"] == ("one\ntwo", "")
