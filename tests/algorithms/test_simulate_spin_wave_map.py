"""SimulateSpinWaveMap with the real worker."""

from pathlib import Path

import numpy as np
import pytest
from mantid.api import AnalysisDataService, WorkspaceGroup, mtd
from mantid.simpleapi import CreateEmptyTableWorkspace
from mantid_helpers import QH_EDGES, QK, add_logs, create, new_group, new_slice, new_workspace, pattern, problems

import mantid_insdl
from mantid_insdl.materials import material_names

GRID = {"Ei": 25.0, "EnergyBins": "2, 2, 8", "QhRange": "-1, 0.1, 1", "QkRange": "-0.5, 0.1, 1.5"}


def simulate(**properties):
    algorithm = create("SimulateSpinWaveMap", **({"Material": "rb2mnf4", "OutputWorkspace": "out"} | properties))
    assert algorithm.execute()
    return AnalysisDataService["out"]


def logs(workspace, *names):
    return [workspace.run().getProperty(name).value for name in names]


def test_stack_on_given_axes():
    group = simulate(**GRID)
    assert isinstance(group, WorkspaceGroup)
    assert list(group.getNames()) == ["out_1", "out_2", "out_3"]
    for i, window in enumerate([(2, 4), (4, 6), (6, 8)]):
        workspace = group.getItem(i)
        assert workspace.id() == "Workspace2D"
        assert (workspace.getNumberHistograms(), workspace.blocksize()) == (20, 20)
        assert tuple(logs(workspace, "energy_min", "energy_max")) == window
        assert logs(workspace, "Ei", "insdl_material") == [25, "rb2mnf4"]
        np.testing.assert_allclose(workspace.readX(0), np.linspace(-1, 1, 21), atol=1e-12)
        np.testing.assert_allclose(workspace.getAxis(1).extractValues(), np.linspace(-0.5, 1.5, 21), atol=1e-12)
        assert [workspace.getAxis(n).getUnit().caption() for n in (0, 1)] == ["Qh", "Qk"]
        assert np.nanmax(workspace.extractY()) > 0
        assert not workspace.extractE().any(), "without counts there is no noise and no error"
    assert [h.name() for h in mtd["out_2"].getHistory().getAlgorithmHistories()] == ["SimulateSpinWaveMap"]


def test_one_window_gives_one_workspace():
    assert simulate(**(GRID | {"EnergyBins": "2, 4"})).id() == "Workspace2D"


def test_several_incident_energies():
    group = simulate(**(GRID | {"Ei": "25, 50", "EnergyBins": "2, 2, 6"}))
    assert [logs(group.getItem(i), "Ei", "energy_min") for i in range(4)] == [[25, 2], [25, 4], [50, 2], [50, 4]]


def test_windows_as_fractions_of_several_incident_energies():
    group = simulate(**(GRID | {"Ei": "20, 50", "EnergyBins": "0.1, 0.2, 0.5"}))
    found = [logs(group.getItem(i), "Ei", "energy_min", "energy_max") for i in range(4)]
    np.testing.assert_allclose(found, [[20, 2, 6], [20, 6, 10], [50, 5, 15], [50, 15, 25]])


def test_parameters_change_the_map_and_are_recorded():
    # without anisotropy the modes end at q = (1/4, 1/4), 4 S (J1 - J2) with S = 5/2
    for parameters, j1, j2 in (("J1=0.5, J2 = 0.01, D=0", 0.5, 0.01), ("J2=0,J1=0.7,D=0", 0.7, 0.0)):
        top = 10 * (j1 - j2)
        windows = {"EnergyBins": f"{top - 0.2}, 0.3, {top + 0.4}", "Resolution": False}
        group = simulate(**(GRID | windows), Parameters=parameters)
        below, above = (group.getItem(i) for i in (0, 1))
        assert np.nanmax(below.extractY()) > 0.1
        assert np.nanmax(above.extractY()) < 1e-3 * np.nanmax(below.extractY())
        assert logs(below, "J1", "J2", "D") == [j1, j2, 0]


def test_same_seed_same_noise():
    def noisy(seed):
        workspace = simulate(**GRID, Counts=1e5, Seed=seed).getItem(0)
        assert (workspace.extractE() > 0).any()
        return workspace.extractY()

    np.testing.assert_array_equal(noisy(1), noisy(1))
    assert (noisy(1) != noisy(2)).any()


def test_switches_reach_the_simulation():
    def ratio(window, **change):
        """Of the sums of a narrow window with and without a switch."""
        given = GRID | {"EnergyBins": window, "Resolution": False}
        return np.nansum(simulate(**given, **change).extractY()) / np.nansum(simulate(**given).extractY())

    plain = simulate(**GRID).getItem(0).extractY()
    np.testing.assert_allclose(simulate(**GRID, Background=0.5).getItem(0).extractY(), plain + 0.5)
    kt = 0.08617333 * 30
    assert ratio("3.9, 4.1", Temperature=30.0) == pytest.approx(1 / (1 - np.exp(-4 / kt)), rel=0.01)
    assert ratio("3.9, 4.1", KfOverKi=True) == pytest.approx(np.sqrt(1 - 4 / 25), rel=0.01)
    # above all modes (7 meV) is only what the energy width takes there: FWHM at 25 meV 1.2 meV of MAPS, about 0.5 of LET, or none
    above = GRID | {"EnergyBins": "7.3, 8"}
    maps, let, none = (np.nansum(simulate(**above, **change).extractY()) for change in ({}, {"Instrument": "LET"}, {"Resolution": False}))
    assert none == 0 < let < 0.5 * maps
    material = {"Material": "pcsmo-goodenough", "Ei": 50.0, "EnergyBins": "10, 15", "QhRange": "-1, 0.1, 1", "QkRange": "-1, 0.1, 1"}
    both, one = (simulate(**(GRID | material), Twins=twins).extractY() for twins in (True, False))
    np.testing.assert_allclose(both, both.T, rtol=1e-6, atol=1e-9 * np.nanmax(both))  # the twins are turned by 90 degrees
    assert np.nanmax(np.abs(one - one.T)) > 0.3 * np.nanmax(one)


def test_modes_have_the_width_that_is_given():
    # far above all modes (7 meV) the tail of a Lorentzian line goes as its width: A + 7 B, about
    above = GRID | {"EnergyBins": "15, 20", "Resolution": False}
    none, one, two, other = (np.nansum(simulate(**above, IntrinsicFWHM=width).extractY()) for width in ("", "0.2", "0.4", "0, 0.06"))
    assert none == 0 < one
    assert two == pytest.approx(2 * one, rel=0.01)
    assert one < other < 2.1 * one


@pytest.mark.parametrize(("width", "said"), [("-0.2", "the intrinsic width is -0.2"), ("nan", "the intrinsic width is nan")])
def test_a_width_that_is_none_is_refused(width, said):
    found = problems("SimulateSpinWaveMap", Material="rb2mnf4", OutputWorkspace="out", IntrinsicFWHM=width, **GRID)
    assert found.keys() == {"IntrinsicFWHM"}
    assert said in found["IntrinsicFWHM"].lower()


def test_order_of_zener_polarons_is_that_of_their_constants(capfd):
    given = {"Material": "pcsmo-zener", "Ei": 50.0, "EnergyBins": "8, 20", "Parameters": "JA=1"}
    assert np.nanmax(simulate(**(GRID | given)).extractY()) > 0
    assert "chains antiparallel" in "".join(capfd.readouterr())


def test_template_group_gives_axes_energies_mask_and_form():
    template = new_group((1, 2), store="template")
    values = np.array(template.getItem(0).readY(20))
    values[5:8] = np.nan
    template.getItem(0).setY(20, values)
    result = simulate(Template="template")
    assert isinstance(result, WorkspaceGroup)
    for i in range(2):
        source, made = template.getItem(i), result.getItem(i)
        np.testing.assert_array_equal(made.readX(0), QH_EDGES)
        np.testing.assert_array_equal(made.getAxis(1).extractValues(), QK)
        assert logs(made, "Ei", "energy_min", "energy_max", "run_number") == logs(source, "Ei", "energy_min", "energy_max", "run_number")
    assert np.isnan(result.getItem(0).readY(20)[5:8]).all()
    assert np.isfinite(result.getItem(1).readY(20)[5:8]).all()


def test_template_workspace_with_qk_along_x():
    intensity, _ = pattern()
    units = {"x_unit": ("Label", "Qk", "r.l.u."), "vertical_unit": ("Label", "Qh", "r.l.u.")}
    turned = add_logs(new_workspace(QK, QH_EDGES, intensity.T, **units), Ei=50.0, energy_min=5.0, energy_max=8.0)
    result = simulate(Template=turned, Material="pcsmo-goodenough", Twins=False)
    assert result.id() == "Workspace2D"
    along_qk = result.extractY()  # the next call replaces the workspace
    straight = simulate(Template=new_slice(), Material="pcsmo-goodenough", Twins=False)
    np.testing.assert_array_equal(along_qk, straight.extractY().T)


def test_windows_that_a_template_repeats_are_said(capfd):
    simulate(Template=new_group((1, 2, 1)), Material="pcsmo-goodenough")
    assert "Slices 1 and 3 show the same window (Ei 50 meV, 5-8 meV)" in "".join(capfd.readouterr())


def test_template_whose_repeats_contradict_each_other_is_refused():
    template = new_group((1, 2, 1))
    workspace = template.getItem(2)
    for i in range(workspace.getNumberHistograms()):
        workspace.setY(i, 100 * workspace.readY(i))
    found = problems("SimulateSpinWaveMap", Template=template, Material="rb2mnf4", OutputWorkspace="out")
    assert found.keys() == {"Template"}
    assert "Slices 1 and 3 contradict each other" in found["Template"]


def test_template_that_was_an_analysis_leaves_no_false_trace():
    template = add_logs(new_slice(), insdl_model="denoiser", insdl_verdict="pcsmo-dimer")
    run = simulate(Template=template).run()
    assert not run.hasProperty("insdl_model")
    assert not run.hasProperty("insdl_verdict")


def test_material_file(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text((Path(mantid_insdl.__file__).parent / "materials" / "rb2mnf4.yaml").read_text())
    ours = simulate(**GRID).getItem(1).extractY()
    np.testing.assert_array_equal(simulate(**GRID, Material="", MaterialFile=str(mine)).getItem(1).extractY(), ours)


# ---- what is refused


def table():
    return CreateEmptyTableWorkspace(OutputWorkspace="table")


REFUSED = {
    "nothing": ({"Material": ""}, {"Material": "rb2mnf4", "Template": "Ei and EnergyBins"}),
    "two materials": ({"MaterialFile": "x.yaml", **GRID}, {"MaterialFile": "Both"}),
    "no such file": ({"Material": "", "MaterialFile": "nosuch.yaml", **GRID}, {"MaterialFile": "does not exist"}),
    "unknown parameter": ({"Parameters": "Q=3", **GRID}, {"Parameters": "J1"}),
    "bad parameters": ({"Parameters": "J1 0.65", **GRID}, {"Parameters": "J1"}),
    "parameter is no number": ({"Parameters": "J1=nan", **GRID}, {"Parameters": "J1"}),
    "template and axes": ({"Template": new_slice, "Ei": 25.0}, {"Template": "Both Template and Ei"}),
    "no Ei": ({**GRID, "Ei": ""}, {"Ei": "No incident energy"}),
    "negative Ei": ({**GRID, "Ei": -5.0}, {"Ei": "positive"}),
    "no windows": ({**GRID, "EnergyBins": ""}, {"EnergyBins": "min, step, max"}),
    "edges for a range": ({**GRID, "EnergyBins": "5, 8, 11"}, {"EnergyBins": "read as min, step, max"}),
    "four numbers": ({**GRID, "EnergyBins": "5, 8, 11, 14"}, {"EnergyBins": "no range"}),
    "energy gain": ({**GRID, "EnergyBins": "-2, 2, 4"}, {"EnergyBins": "below 0"}),
    "above Ei": ({**GRID, "EnergyBins": "2, 2, 30"}, {"EnergyBins": "end below Ei"}),
    "empty range": ({**GRID, "QhRange": "1, 0.1, -1"}, {"QhRange": "empty"}),
    "no step": ({**GRID, "QkRange": "-1, 0, 1"}, {"QkRange": "empty"}),
    "far too fine": ({**GRID, "QkRange": "-1, 1e-9, 1"}, {"QkRange": "limit"}),
    "too many pixels": (
        {**GRID, "EnergyBins": "2, 0.1, 20", "QhRange": "-1, 0.005, 1", "QkRange": "-1, 0.005, 1"},
        {"EnergyBins": "pixels"},
    ),
    "background is no number": ({**GRID, "Background": float("nan")}, {"Background": "finite"}),
    "temperature is no number": ({**GRID, "Temperature": float("nan")}, {"Temperature": "finite"}),
    "instrument cannot run": ({**GRID, "Instrument": "LET", "Ei": 500.0}, {"Instrument": "LET"}),
    "counts are no number": ({**GRID, "Counts": float("nan")}, {"Counts": "finite"}),
    "several at once": ({"Material": "", "Ei": -1.0, "QhRange": "2, 1"}, {"Material": "", "Ei": "", "EnergyBins": "", "QhRange": ""}),
    "template is a table": ({"Template": table}, {"Template": "is a table"}),
    "template without energies": ({"Template": lambda: new_workspace(QH_EDGES, QK, pattern()[0])}, {"Template": "AddSampleLog"}),
    "template is a powder map": (
        {"Template": lambda: new_workspace(QH_EDGES + 2, QK + 2, pattern()[0], x_unit=("DeltaE",), vertical_unit=("MomentumTransfer",))},
        {"Template": "(Qh, Qk) slices"},
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_every_problem_is_named(case):
    given, expected = REFUSED[case]
    given = {"Material": "rb2mnf4"} | {name: value() if callable(value) else value for name, value in given.items()}
    found = problems("SimulateSpinWaveMap", OutputWorkspace="out", **given)
    assert found.keys() == expected.keys()
    for name, words in expected.items():
        assert words in found[name]
    with pytest.raises(RuntimeError, match="Some invalid Properties found"):
        create("SimulateSpinWaveMap", OutputWorkspace="out", **given).execute()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Material", "iron"),
        ("Instrument", "NIMROD"),
        ("Temperature", -1.0),
        ("Counts", -1.0),
        ("Counts", 1.1e15),
        ("Counts", float("inf")),
        ("Background", -0.1),
        ("Seed", -1),
        ("Ei", "fast"),
        ("Template", "nowhere"),
    ],
)
def test_single_properties_are_validated(name, value):
    with pytest.raises(ValueError, match=name):
        create("SimulateSpinWaveMap", **{name: value})


def test_materials_to_choose_from_are_those_of_the_package():
    for name in material_names():
        create("SimulateSpinWaveMap", Material=name)
