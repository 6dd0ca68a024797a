"""DenoiseINS, ClassifyMagneticModel, FitExchangeCNN and ComputeGradCAM with the real worker and the models of the package."""

import shutil

import numpy as np
import pytest
from mantid.api import AnalysisDataService, WorkspaceGroup, mtd
from mantid.simpleapi import AddSampleLog, CreateEmptyTableWorkspace
from mantid_helpers import QH_EDGES, QK, add_logs, create, new_group, new_workspace, pattern, problems, set_unit

import mantid_insdl
from mantid_insdl import worker
from mantid_insdl.errors import InstabilityError
from mantid_insdl.maps import Axis
from mantid_insdl.maps import stack as insdl_stack
from mantid_insdl.materials import load_material
from mantid_insdl.networks.bundles import find_bundle
from mantid_insdl.plugin import algorithms as algorithm_support
from mantid_insdl.plugin.workspaces import from_workspace, to_workspace

MODELS = {
    "DenoiseINS": "pcsmo-denoiser",
    "ClassifyMagneticModel": "pcsmo-classifier",
    "FitExchangeCNN": "pcsmo-goodenough-exchange",
    "ComputeGradCAM": "pcsmo-classifier",
}
OUTPUTS = {
    "DenoiseINS": {"OutputWorkspace": "out", "OutputResidual": "residual"},
    "ClassifyMagneticModel": {"OutputTable": "table", "OutputWorkspace": "out"},
    "FitExchangeCNN": {"OutputTable": "table", "OutputFitWorkspace": "out"},
    "ComputeGradCAM": {"OutputWorkspace": "out"},
}
WORDS = {
    "DenoiseINS": "denoised with pcsmo-denoiser",
    "ClassifyMagneticModel": "Verdict: ",
    "FitExchangeCNN": "JF1 = ",
    "ComputeGradCAM": "Grad-CAM of pcsmo-classifier",
}


def simulated(**options):
    energies = (25.0, 50.0, 100.0)
    edges = [np.linspace(0.1, 0.7, 11) * ei for ei in energies]
    axis = {"unit": "r.l.u.", "values": QK.tolist(), "is_edges": False}
    given = {
        "material": "pcsmo-goodenough",
        "slices": {
            "ei": [ei for ei in energies for _ in range(10)],
            "energy_min": [e for one in edges for e in one[:-1]],
            "energy_max": [e for one in edges for e in one[1:]],
        },
        "qh": {"name": "qh", **axis},
        "qk": {"name": "qk", **axis},
        "counts": 3e6,
        "seed": 7,
    }
    return worker.run_task("simulate", {}, given | options)[0]["output"]


@pytest.fixture(scope="module")
def measured():
    """Three of six incident energies, ten windows each, with noise and a few masked pixels; on the grid the models were trained on."""
    m = simulated()
    mask = np.zeros(m.shape, bool)
    mask[:, 10:14, 20:22] = True
    return m.with_mask(mask)


@pytest.fixture
def stack(measured):
    group = to_workspace(measured)
    for i in range(group.getNumberOfEntries()):
        group.getItem(i).setTitle(f"title {i}")
        add_logs(group.getItem(i), run_number=str(i))
    AnalysisDataService.addOrReplace("stack", group)
    AddSampleLog(Workspace="stack_3", LogName="note", LogText="kept")
    return mtd["stack"]


def execute(name, workspace, **properties):
    algorithm = create(name, InputWorkspace=workspace, **(OUTPUTS[name] | properties))
    assert algorithm.execute()


def histories(workspace):
    return [h.name() for h in workspace.getHistory().getAlgorithmHistories()]


# ---- what all four have in common


@pytest.mark.parametrize("name", MODELS)
def test_result_has_the_form_axes_logs_and_history_of_the_input(name, stack, capfd):
    capfd.readouterr()
    execute(name, "stack")
    printed = "".join(capfd.readouterr())
    assert WORDS[name] in printed, "the answer can be read in the message log"
    assert ("[Warning] The map does not determine D" in printed) == (name == "FitExchangeCNN"), "warnings too"
    result = mtd["out"]
    assert isinstance(result, WorkspaceGroup)
    assert list(result.getNames()) == [f"out_{i + 1}" for i in range(30)]
    for i in (0, 2, 29):
        source, made = stack.getItem(i), result.getItem(i)
        assert made.id() == "Workspace2D"
        assert made.getTitle() == f"title {i}"
        np.testing.assert_array_equal(made.readX(0), source.readX(0))
        np.testing.assert_array_equal(made.getAxis(1).extractValues(), source.getAxis(1).extractValues())
        for axis in (0, 1):
            ours, theirs = (w.getAxis(axis).getUnit() for w in (made, source))
            assert (ours.unitID(), ours.caption(), ours.symbol().ascii()) == (theirs.unitID(), theirs.caption(), theirs.symbol().ascii())
        for log in ("Ei", "energy_min", "energy_max", "run_number"):
            assert made.run().getProperty(log).value == source.run().getProperty(log).value
        assert made.run().getProperty("insdl_model").value == MODELS[name]
        assert len(made.run().getProperty("insdl_model_sha256").value) == 64
        assert made.run().hasProperty("insdl_model_version")
        masked = np.isnan(source.extractY())
        assert masked.any()
        assert np.isnan(made.extractY())[masked].all(), "what was masked stays masked"
        assert not made.extractE()[masked].any()
    assert histories(result.getItem(2))[-2:] == ["AddSampleLog", name]
    assert mtd["stack_3"].run().getProperty("note").value == result.getItem(2).run().getProperty("note").value
    assert not stack.getItem(0).run().hasProperty("insdl_model"), "the input is left alone"
    assert histories(stack.getItem(0)).count(name) == 0


@pytest.mark.parametrize("name", MODELS)
def test_same_input_same_answer_also_in_place(name, stack):
    found = []
    for _ in range(2):
        execute(name, "stack_13")
        found.append((mtd["out"].extractY(), table_rows() if "table" in AnalysisDataService else []))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_equal(found[0][1], found[1][1])  # no constants are given as NaN
    execute(name, "stack_13", **{property: "stack_13" for property, value in OUTPUTS[name].items() if value == "out"})
    np.testing.assert_array_equal(mtd["stack_13"].extractY(), found[0][0])


@pytest.mark.parametrize("name", MODELS)
def test_one_slice_gives_one_workspace_and_optional_outputs_may_be_left_out(name, stack):
    needed = {"DenoiseINS": "OutputWorkspace", "ComputeGradCAM": "OutputWorkspace"}.get(name, "OutputTable")
    create(name, InputWorkspace="stack_13", **{needed: "only"}).execute()
    assert {n for n in AnalysisDataService.getObjectNames() if not n.startswith("stack")} == {"only"}
    assert mtd["only"].id() == ("Workspace2D" if needed == "OutputWorkspace" else "TableWorkspace")
    assert histories(mtd["only"]) == [name]


def table_rows():
    table = mtd["table"]
    return [list(table.row(i).values()) for i in range(table.rowCount())]


@pytest.mark.parametrize("name", MODELS)
def test_other_orientation_gives_the_same(name, stack, measured):
    """Qk along X, and Qh running down: the same map, so the same answer in every pixel."""
    turned = WorkspaceGroup()
    for i in range(30):
        source = stack.getItem(i)
        units = {"x_unit": ("Label", "Qk", "r.l.u."), "vertical_unit": ("Label", "Qh", "r.l.u.")}
        workspace = new_workspace(QK, QK[::-1], source.extractY().T[::-1], source.extractE().T[::-1], **units)
        run = source.run()
        logs = {n: run.getProperty(n).value for n in ("Ei", "energy_min", "energy_max", "insdl_material")}
        turned.addWorkspace(add_logs(workspace, **logs))
    execute(name, "stack")
    straight = [mtd["out"].getItem(i).extractY() for i in range(30)]
    execute(name, turned)
    for i in range(30):
        np.testing.assert_allclose(mtd["out"].getItem(i).extractY()[::-1].T, straight[i], rtol=1e-5, atol=1e-6)


# ---- each for itself


def test_denoised_map_and_residual(stack):
    execute("DenoiseINS", "stack")
    for i in (0, 15):
        source, made, rest = (mtd[n].getItem(i) for n in ("stack", "out", "residual"))
        known = np.isfinite(made.extractY())
        assert known.sum() > 100
        assert (made.extractE()[known] > 0).all()
        np.testing.assert_allclose((source.extractY() - made.extractY())[known], rest.extractY()[known], atol=1e-12)


def test_classification_table_and_copy(stack):
    execute("ClassifyMagneticModel", "stack", Denoise=True)
    table = mtd["table"]
    assert list(table.getColumnNames()) == ["Model", "Probability", "Uncertainty"]
    assert set(table.column("Model")) == {"pcsmo-goodenough", "pcsmo-dimer", "pcsmo-zener"}
    assert sum(table.column("Probability")) == pytest.approx(1, abs=1e-6)
    assert all(u >= 0 for u in table.column("Uncertainty"))
    run = mtd["out"].getItem(0).run()
    assert (run.getProperty("insdl_verdict").value, run.getProperty("insdl_in_range").value) == ("pcsmo-goodenough", 1)
    assert 0 <= run.getProperty("insdl_strangeness").value <= 0.95
    for read in ("extractX", "extractY", "extractE"):
        np.testing.assert_array_equal(getattr(mtd["out"].getItem(0), read)(), getattr(stack.getItem(0), read)())


def test_fit_table_and_simulation(stack):
    execute("FitExchangeCNN", "stack", Model="pcsmo-goodenough-exchange")
    table = mtd["table"]
    assert list(table.getColumnNames()) == ["Name", "Value", "Error", "Unit"]
    assert set(table.column("Name")) == {"JF1", "JA", "JF2", "JF3", "Jperp", "D"}
    assert set(table.column("Unit")) == {"meV"}
    true = load_material("pcsmo-goodenough").defaults
    for name, value, error in zip(*(table.column(c) for c in ("Name", "Value", "Error")), strict=True):
        assert error > 0
        assert abs(value - true[name]) < 5 * error
    fit = mtd["out"].getItem(5)
    assert np.nanmax(fit.extractY()) > 0
    value = dict(zip(table.column("Name"), table.column("Value"), strict=True))["JF1"]
    assert fit.run().getProperty("JF1").value == pytest.approx(value)


def test_no_constants_are_given_where_no_simulation_explains_the_map(measured, capfd):
    wrong = measured.replace(intensity=measured.intensity[::-1], mask=measured.mask[::-1])
    execute("FitExchangeCNN", to_workspace(wrong), Model="pcsmo-goodenough-exchange")
    assert np.isnan(mtd["table"].column("Value")).all() and np.isnan(mtd["table"].column("Error")).all()
    printed = "".join(capfd.readouterr())
    assert "no constants are given" in printed and "do not explain the map" in printed
    run = mtd["out"].getItem(0).run()
    assert not run.getProperty("insdl_in_range").value
    assert run.getProperty("insdl_unexplained").value > run.getProperty("insdl_unexplained_limit").value


def test_fitted_values_at_which_the_magnet_is_unstable_still_give_the_table(stack, monkeypatch, capfd):
    run = algorithm_support.run

    def unstable(algorithm, task, maps, options):
        if options["simulate_fit"]:
            raise InstabilityError("the structure is unstable", "JA is negative", "take other parameters")
        return run(algorithm, task, maps, options)

    monkeypatch.setattr(algorithm_support, "run", unstable)
    execute("FitExchangeCNN", "stack_13")
    assert mtd["table"].rowCount() == 6
    assert "out" not in AnalysisDataService
    assert "The structure is unstable: JA is negative" in "".join(capfd.readouterr())


def test_exchange_of_another_material_by_its_log():
    m = simulated(material="rb2mnf4", slices={"ei": [25.0] * 4, "energy_min": [1.0, 2.5, 4.0, 5.5], "energy_max": [2.5, 4.0, 5.5, 7.0]})
    execute("FitExchangeCNN", to_workspace(m))
    assert mtd["table"].column("Name")[0] == "J1"
    assert mtd["out"].getItem(0).run().getProperty("insdl_model").value == "rb2mnf4-exchange"


def test_importance_is_between_0_and_1(stack):
    execute("ComputeGradCAM", "stack", Class="pcsmo-dimer", Layer="convolution_2")
    values = np.array([mtd["out"].getItem(i).extractY() for i in range(30)])
    known = values[np.isfinite(values)]
    assert known.min() >= 0
    assert known.max() <= 1
    assert mtd["out"].getItem(0).YUnitLabel() == "Intensity (importance)"


@pytest.mark.parametrize("method", ["CAM", "GradCAM++", "IntegratedGradients", "OcclusionBySlice"])
def test_other_methods(stack, method):
    execute("ComputeGradCAM", "stack", Method=method, Target="pcsmo-dimer")
    values = np.array([mtd["out"].getItem(i).extractY() for i in range(30)])
    known = values[np.isfinite(values)]
    assert known.min() >= 0 and known.max() == pytest.approx(1, abs=1e-5)
    if method == "OcclusionBySlice":
        assert all(np.unique(one[np.isfinite(one)]).size <= 1 for one in values)
    assert "class pcsmo-dimer" in mtd["out"].getItem(0).run().getProperty("insdl_provenance").value


def test_what_fixes_a_constant(stack):
    execute("ComputeGradCAM", "stack", Model="pcsmo-goodenough-exchange", Target="JF1")
    log = mtd["out"].getItem(0).run()
    assert log.getProperty("insdl_model").value == "pcsmo-goodenough-exchange"
    assert "parameter JF1" in log.getProperty("insdl_provenance").value


def test_activations_as_groups_and_the_page(stack, tmp_path):
    from mantid_insdl.plugin.explain import activation_groups, explain_in

    groups = activation_groups(stack, "convolution_1")
    assert len(groups) == 12 and groups[0].getNumberOfEntries() == 30
    one = groups[0].getItem(0)
    assert one.extractY().shape == (20, 20) and one.YUnitLabel() == "Intensity (activation)"
    report = explain_in(stack, tmp_path / "why", views=["grad-cam"])
    assert report["attributions"][0]["method"] == "grad-cam" and (tmp_path / "why" / "report.html").exists()


# ---- what is refused


def of_constant(value):
    def make(group):
        for i in range(group.getNumberOfEntries()):
            workspace = group.getItem(i)
            for j in range(workspace.getNumberHistograms()):
                workspace.setY(j, np.full(workspace.blocksize(), value))
        return group

    return make


def one_infinite(group):
    values = np.array(group.getItem(1).readY(0))
    values[0] = np.inf
    group.getItem(1).setY(0, values)
    return group


def with_unit(unit):
    def make(group):
        set_unit(group.getItem(0), 0, unit)
        return group

    return make


def without_logs(group):
    return new_workspace(QH_EDGES, QK, pattern()[0])


def of_powder(group):
    return new_workspace(QH_EDGES + 2, QK + 2, pattern()[0], x_unit=("DeltaE",), vertical_unit=("MomentumTransfer",))


def one_pixel(group):
    workspace = new_workspace([-0.1, 0.1], [0.0], np.ones((1, 1)), np.ones((1, 1)))
    return add_logs(workspace, Ei=50.0, energy_min=5.0, energy_max=8.0, insdl_material="pcsmo")


def nested(group):
    outer = WorkspaceGroup()
    outer.addWorkspace(new_group())
    return outer


def other_material(group):
    for i in range(group.getNumberOfEntries()):
        add_logs(group.getItem(i), insdl_material="unobtainium")
    return group


REFUSED = {
    "constant": (of_constant(3.0), "constant"),
    "all NaN": (of_constant(np.nan), "empty"),
    "negative": (lambda group: to_workspace(from_workspace(group).scaled(-1)), "no positive intensity"),
    "infinite": (one_infinite, "infinite"),
    "wrong unit": (with_unit(("Label", "Qh", "furlong")), "furlong"),
    "wrong axis": (with_unit(("TOF",)), "TOF"),
    "no logs": (without_logs, "AddSampleLog"),
    "powder": (of_powder, "powder"),
    "one pixel": (one_pixel, "1 x 1 pixels"),
    "table": (lambda group: CreateEmptyTableWorkspace(OutputWorkspace="empty"), "is a table"),
    "empty group": (lambda group: WorkspaceGroup(), "group is empty"),
    "group in a group": (nested, "group inside the group"),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("case", REFUSED)
def test_unsuitable_input_is_named(name, case, stack):
    make, words = REFUSED[case]
    given = {"InputWorkspace": make(stack), "Model": MODELS[name], **OUTPUTS[name]}
    found = problems(name, **given)
    assert found.keys() == {"InputWorkspace"}
    assert words in found["InputWorkspace"]
    with pytest.raises(RuntimeError, match="Some invalid Properties found"):
        create(name, **given).execute()
    assert "out" not in AnalysisDataService


@pytest.mark.parametrize("name", MODELS)
def test_unknown_model_is_refused_and_the_names_are_listed(name, stack):
    found = problems(name, InputWorkspace="stack", Model="pcsmo-denoyser", **OUTPUTS[name])
    assert "pcsmo-denoiser" in found["Model"]


@pytest.mark.parametrize("name", MODELS)
def test_model_for_another_task_is_refused(name, stack):
    other = "pcsmo-classifier" if MODELS[name] != "pcsmo-classifier" else "pcsmo-denoiser"
    found = problems(name, InputWorkspace="stack", Model=other, **OUTPUTS[name])
    assert MODELS[name] in found["Model"]


def test_two_wrong_properties_are_both_named(stack):
    given = {"InputWorkspace": one_infinite(stack), "Model": "nosuch"}
    assert problems("DenoiseINS", OutputWorkspace="out", **given).keys() == {"InputWorkspace", "Model"}


@pytest.mark.parametrize("name", ["DenoiseINS", "ClassifyMagneticModel", "FitExchangeCNN"])
def test_outputs_of_the_same_name_are_refused(name, stack):
    """Also where only capitals differ: Mantid's data service does not tell them apart."""
    first, second = OUTPUTS[name]
    found = problems(name, InputWorkspace="stack", **{first: "result", second: "Result"})
    assert found.keys() == {second}
    assert found[second] == f"'Result' and {first} 'result' would replace each other; choose another name."
    with pytest.raises(RuntimeError, match="Some invalid Properties found"):
        create(name, InputWorkspace="stack", **{first: "result", second: "result"}).execute()
    assert problems(name, InputWorkspace="stack", **{first: "result"}) == {}
    for names in (("result", "result_2"), ("result_2", "result")):
        given = dict(zip((first, second), names, strict=True))
        assert problems(name, InputWorkspace="stack", **given).keys() == {second}, "a member of the group has that name"
        assert problems(name, InputWorkspace="stack_13", **given) == {}


def repeated(measured, scale):
    """The map with its 13th slice once more, times `scale`."""
    return insdl_stack([measured, measured.select([12]).scaled(scale)])


def test_a_window_given_twice_is_said(measured, capfd):
    execute("DenoiseINS", to_workspace(repeated(measured, 1.0)))
    assert "Slices 13 and 31 show the same window" in "".join(capfd.readouterr())
    assert "Slices 13 and 31 show" in mtd["out"].getItem(0).run().getProperty("insdl_provenance").value


@pytest.mark.parametrize("name", MODELS)
def test_slices_of_the_same_window_that_disagree_are_refused(name, measured):
    workspace = to_workspace(repeated(measured, 100.0))
    found = problems(name, InputWorkspace=workspace, Model=MODELS[name], **OUTPUTS[name])
    assert "Slices 13 and 31 contradict each other" in found["InputWorkspace"]


@pytest.mark.parametrize("name", MODELS)
def test_what_was_done_with_a_log_of_several_values_is_said_once(name, stack, capfd):
    workspace = stack.getItem(12)
    add_logs(workspace, Ei=[0.0, 0.0, 50.0, 50.0], insdl_provenance="earlier")
    execute(name, "stack_13")
    printed = "".join(capfd.readouterr())
    assert printed.count("Ei = 50: average of 2 values of the log, 2 not positive left out") == 1
    assert "earlier" not in printed


@pytest.mark.parametrize("name", ["DenoiseINS", "ClassifyMagneticModel", "ComputeGradCAM"])
def test_material_that_is_assumed_is_said(name, measured, capfd):
    execute(name, to_workspace(measured.replace(material=None)))
    assert "PCSMO is assumed" in "".join(capfd.readouterr())


def test_kind_of_map_is_named_and_not_the_model(stack):
    found = problems("FitExchangeCNN", InputWorkspace=of_powder(stack), OutputTable="table")
    assert found.keys() == {"InputWorkspace"}
    assert "It is a powder map" in found["InputWorkspace"]


def test_map_elsewhere_is_not_called_coarse(measured):
    elsewhere = measured.replace(axes=tuple(Axis(a.name, a.unit, a.values + 3) for a in measured.axes))
    found = problems("ClassifyMagneticModel", InputWorkspace=to_workspace(elsewhere), OutputTable="table")
    assert "outside the model's range along 'qh'" in found["InputWorkspace"]
    assert "coarse" not in found["InputWorkspace"]


def test_wrong_class_and_layer_are_refused(stack):
    found = problems("ComputeGradCAM", InputWorkspace="stack", OutputWorkspace="out", Class="zener", Layer="last")
    assert "pcsmo-goodenough" in found["Class"]
    assert "last_convolution" in found["Layer"]
    found = problems("ComputeGradCAM", InputWorkspace="stack", OutputWorkspace="out", Class="pcsmo-dimer", Target="pcsmo-goodenough")
    assert "name different ones" in found["Class"]
    found = problems("ComputeGradCAM", InputWorkspace="stack", OutputWorkspace="out", Model="pcsmo-goodenough-exchange", Method="CAM")
    assert "choose JF1" in found["Target"] and "Only of a classifier" in found["Method"]
    found = problems("ComputeGradCAM", InputWorkspace="stack", OutputWorkspace="out", Method="OcclusionBySlice", Layer="convolution_1")
    assert "looks at no layer" in found["Layer"]
    found = problems("ComputeGradCAM", InputWorkspace="stack", OutputWorkspace="out", Model="pcsmo-denoiser")
    assert "does not tell the magnetic models" in found["Model"]


def test_map_of_an_unknown_material(stack):
    found = problems("FitExchangeCNN", InputWorkspace=other_material(stack), OutputTable="table")
    assert "unobtainium" in found["Model"]


def test_map_that_says_no_material_needs_a_model_where_there_are_several(measured):
    bare = to_workspace(measured.replace(material=None))
    found = problems("FitExchangeCNN", InputWorkspace=bare, OutputTable="table")
    assert "rb2mnf4-exchange" in found["Model"]
    assert problems("ClassifyMagneticModel", InputWorkspace=bare, OutputTable="table") == {}, "the only one of its kind is taken"


def test_damaged_model_is_refused(stack, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(find_bundle("pcsmo-denoiser"), folder)
    with open(folder / "model.keras", "r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    found = problems("DenoiseINS", InputWorkspace="stack", Model=str(folder), OutputWorkspace="out")
    assert "damaged or was altered" in found["Model"]


def test_interpreter_that_does_not_exist_is_one_clear_error(stack, monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("INSDL_PYTHON", "/nowhere/python")
        worker.stop()
        with pytest.raises(RuntimeError, match="/nowhere/python"):
            create("DenoiseINS", InputWorkspace="stack", OutputWorkspace="out").execute()
    execute("DenoiseINS", "stack")  # with the interpreter of before: Mantid's own may have no TensorFlow


def test_provenance_is_carried_on(stack):
    execute("DenoiseINS", "stack")
    assert f"mantid_insdl {mantid_insdl.__version__}" in mtd["out"].getItem(0).run().getProperty("insdl_provenance").value
