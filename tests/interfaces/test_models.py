"""The two models behind the panel: over the algorithms (in Mantid or its stand-in), and over the library."""

import threading
import time

import numpy as np
import pytest

import mantid_insdl as insdl
from mantid_insdl import examples
from mantid_insdl.errors import InsdlError
from mantid_insdl.explain.deletion import IMPORTANT_LOG, RANDOM_LOG
from mantid_insdl.interfaces.model import CancelledError, Control, Input, alone
from mantid_insdl.interfaces.model_library import LibraryModel
from mantid_insdl.interfaces.model_mantid import MantidModel
from mantid_insdl.maps import Slices

RB = {"Material": "rb2mnf4", "Parameters": "J1=0.7"}
NETWORKS = ("denoise", "classify", "exchange", "explain")


@pytest.fixture
def mantid_model(data_service):
    model = MantidModel()
    yield model
    model.close()


@pytest.fixture(params=["mantid", "library"])
def model(request, data_service):
    made = MantidModel() if request.param == "mantid" else LibraryModel()
    yield made
    made.close()


@pytest.fixture
def file(example, tmp_path):
    """One slice in four, without material, on fewer pixels: quick to simulate."""
    path = tmp_path / "few slices.nxs"
    insdl.save(example.select(slice(0, 30, 4)), path)
    return str(path)


@pytest.fixture
def store(data_service):
    """Put a map into the data service, as a user of Mantid has it."""
    from mantid_insdl.plugin.workspaces import to_workspace

    def put(name, m):
        data_service.addOrReplace(name, to_workspace(m))

    return put


def load(model, *paths):
    return model.load([str(path) for path in paths], Control())


def test_a_control_that_is_cancelled_calls_what_ends_the_work():
    ended = []
    control = Control()
    control.check()
    control.on_cancel = lambda: ended.append(True)
    control.cancel()
    assert ended == [True]
    with pytest.raises(CancelledError):
        control.check()


def test_a_map_whose_every_slice_is_without_ei_is_described():
    axes = tuple(insdl.Axis(name, "r.l.u.", np.arange(3.0)) for name in ("qh", "qk"))
    m = insdl.Map(np.ones((1, 3, 3)), axes, slices=Slices(np.nan, 1.0, 2.0))
    assert dict(Input.of("m", m).describe()) == {
        "Ei": "not known",
        "Windows": "1 from 1 to 2 meV",
        "Axes": "Qh -0.5 to 2.5 r.l.u. in 3; Qk -0.5 to 2.5 r.l.u. in 3",
        "Masked": "0%, no errors",
    }


# ---- both models


def test_a_file_is_read_and_told_its_material(model, file, example):
    name = load(model, file)
    assert name in model.inputs()
    read = model.read(name)
    assert read.missing == ("material",) and read.problem == ""
    assert read.map.slices.matches(example.select(slice(0, 30, 4)).slices)
    model.set_material(name, "pcsmo")
    assert model.read(name).map.material == "pcsmo" and model.read(name).missing == ()


def test_a_missing_incident_energy_is_told_once_for_the_slices_that_lack_it(model, example, tmp_path):
    m = example.select([3, 4, 12])
    insdl.save(m.replace(slices=Slices([np.nan, np.nan, 50.0], m.slices.energy_min, m.slices.energy_max)), tmp_path / "no_ei.nxs")
    name = load(model, tmp_path / "no_ei.nxs")
    assert model.read(name).missing == ("Ei", "material") and model.read(name).map is not None
    with pytest.raises(InsdlError, match="ends above its incident energy"):
        model.set_ei(name, 3.0)
    assert model.read(name).missing == ("Ei", "material")
    model.set_ei(name, 25.0)
    assert model.read(name).missing == ("material",)
    assert model.read(name).map.slices.ei.tolist() == [25.0, 25.0, 50.0]


def test_several_files_of_other_formats_become_one_stack(model, example, tmp_path):
    insdl.save(example.select([0, 1]), tmp_path / "a.npz")
    insdl.save(example.select([12]), tmp_path / "b.nxs")
    name = load(model, tmp_path / "a.npz", tmp_path / "b.nxs")
    assert model.read(name).map.slices.ei.tolist() == [25.0, 25.0, 50.0]


def test_a_simulation_is_that_of_the_library(model, file):
    name = load(model, file)
    reports = []
    answer = model.run("simulate", name, RB, Control(lambda fraction, text: reports.append(fraction)))
    wanted = insdl.simulate("rb2mnf4", {"J1": 0.7}, like=model.read(name).map)
    assert answer.maps["output"].intensity == pytest.approx(wanted.intensity, nan_ok=True)
    assert reports and max(reports) > 0.9


def test_a_slice_alone_is_as_in_the_whole_map_and_leaves_nothing_behind(model, file, data_service):
    name = load(model, file)
    script, before = model.script(), sorted(data_service.getObjectNames())
    part = model.simulate_slice(name, 3, RB, Control())
    assert (model.script(), sorted(data_service.getObjectNames())) == (script, before)
    whole = model.run("simulate", name, RB, Control()).maps["output"]
    assert part.maps["output"].intensity[0] == pytest.approx(whole.intensity[3], rel=1e-5, nan_ok=True)
    assert part.maps["output"].slices.matches(whole.slices[[3]])
    placed = alone(part, whole, 3)
    assert placed.only == 3 and placed.maps["output"].intensity[3] == pytest.approx(part.maps["output"].intensity[0], nan_ok=True)


def test_a_slice_alone_can_be_cancelled_and_its_errors_are_sentences(model, file):
    name = load(model, file)
    control = Control()
    control.cancel()
    with pytest.raises(CancelledError):
        model.simulate_slice(name, 0, RB, control)
    with pytest.raises(InsdlError, match="J1"):
        model.simulate_slice(name, 0, RB | {"Parameters": "J1=-0.65"}, Control())
    with pytest.raises(InsdlError, match="'gone'"):
        model.simulate_slice("gone", 0, RB, Control())


def test_what_was_done_runs_again_as_a_script(model, file, data_service):
    name = load(model, file)
    model.set_material(name, "pcsmo")
    for value in ("0.6", "0.7"):  # a slider that moved
        answer = model.run("simulate", name, RB | {"Parameters": f"J1={value}"}, Control())
    script = model.script()
    assert script.count("SimulateSpinWaveMap(") + script.count("insdl.simulate(") == 1
    data_service.clear()
    found = {}
    exec(script, found)
    if isinstance(model, MantidModel):
        again = model.read(f"{name}_simulated").map
        assert model.read(name).map.material == "pcsmo"
    else:
        again = found["few_slices_simulated"]
        assert found["few_slices"].material == "pcsmo"
    assert again.intensity == pytest.approx(answer.maps["output"].intensity, nan_ok=True)


def test_cancelling_ends_the_work_and_the_next_works(model, file):
    name = load(model, file)
    control = Control()
    control.report = lambda fraction, text: control.cancel()
    with pytest.raises(CancelledError):
        model.run("simulate", name, RB, control)
    assert model.run("simulate", name, RB, Control()).maps["output"] is not None


def test_one_that_was_cancelled_before_it_began_does_not_begin(model, file):
    name = load(model, file)
    control = Control()
    control.cancel()
    with pytest.raises(CancelledError):
        model.run("simulate", name, RB, control)


def test_wrong_constants_are_a_sentence(model, file):
    name = load(model, file)
    with pytest.raises(InsdlError) as caught:
        model.run("simulate", name, RB | {"Parameters": "J1=-0.65"}, Control())
    assert "J1" in str(caught.value) and "at line" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_a_sentence(model, tmp_path):
    with pytest.raises(InsdlError, match="does not exist"):
        load(model, tmp_path / "nothing.nxs")


def test_a_map_that_is_gone_is_a_sentence(model):
    with pytest.raises(InsdlError, match="'gone'"):
        model.run("denoise", "gone", {}, Control())


def test_fits_are_asked_for_without_mantid_too(file, monkeypatch):
    """What was chosen goes to the worker, and into the script."""
    asked = []

    def run_task(task, maps, options, **others):
        asked.append((task, dict(options)))
        raise InsdlError("no more is asked")

    model = LibraryModel()
    name = load(model, file)
    monkeypatch.setattr("mantid_insdl.interfaces.model_library.run_task", run_task)
    assert model.options("classify") == {"Method": ("Network", "Fit", "Both")}
    assert set(model.options("exchange")) == {"Refine", "MaterialFile"}
    for task, options in (("classify", {"Method": "Both"}), ("exchange", {"Refine": "Fast", "MaterialFile": "mine.yaml"})):
        with pytest.raises(InsdlError, match="No more"):
            model.run(task, name, options, Control())
    assert asked[0] == ("classify", {"method": "both"})
    assert asked[1] == ("fit_exchange", {"refine": "fast", "material": "mine.yaml", "simulate_fit": True})


@pytest.fixture(scope="module")
def wanted():
    """What the library says of the example."""
    m = examples.load()
    return insdl.denoise(m), insdl.classify(m), insdl.fit_exchange(m)


@pytest.mark.tensorflow
def test_all_steps_on_the_example_give_the_library_s_answers(model, wanted):
    name = load(model, examples.path())
    answers = {task: model.run(task, name, {}, Control()) for task in NETWORKS}
    m = examples.load()
    denoised, wanted, fit = wanted
    # The networks compute with single precision, here in another process, and maps are simulated with constants drawn from what they say.
    rounding = 1e-3 * np.nanmax(denoised.intensity)
    assert answers["denoise"].maps["output"].intensity == pytest.approx(denoised.intensity, rel=1e-4, abs=rounding, nan_ok=True)
    residual = m.intensity - answers["denoise"].maps["output"].intensity
    assert answers["denoise"].maps["residual"].intensity == pytest.approx(residual, rel=1e-6, abs=1e-9, nan_ok=True)
    told = answers["classify"]
    assert told.verdict == wanted.verdict == examples.MATERIAL and told.in_range is True
    assert [row[0] for row in told.rows] == list(wanted.models)
    assert [row[1] for row in told.rows] == pytest.approx(wanted.probabilities, rel=1e-3)
    assert told.sentences[0].startswith(f"Verdict: {wanted.verdict}") and set(wanted.warnings) <= set(told.sentences)
    constants = answers["exchange"]
    assert constants.material == fit.material and constants.in_range is True
    assert [row[0] for row in constants.rows] == list(fit.names)
    assert [row[1] for row in constants.rows] == pytest.approx(fit.values, rel=1e-4)
    assert [row[2] for row in constants.rows] == pytest.approx(fit.errors, rel=1e-3)
    assert constants.maps["fit"].shape == m.shape
    assert "does not determine D" in constants.sentences[-1]
    figures = answers["explain"].figures
    assert figures[IMPORTANT_LOG] > figures[RANDOM_LOG] > 0
    assert answers["explain"].maps["output"].intensity_unit == "importance"
    assert model.options("explain")["Method"][:2] == ("GradCAM", "GradCAM++")
    other = model.run("explain", name, {"Method": "OcclusionBySlice", "Target": "pcsmo-dimer"}, Control())
    note = other.maps["output"].provenance[-1]
    assert note.startswith("Occlusion by slice of pcsmo-classifier") and note.endswith("for class pcsmo-dimer")
    assert all(np.unique(one[np.isfinite(one)]).size <= 1 for one in other.maps["output"].intensity)
    of_constant = model.run("explain", name, {"Method": "GradCAM", "Target": "JF2", "Model": "pcsmo-goodenough-exchange"}, Control())
    assert "of pcsmo-goodenough-exchange" in of_constant.maps["output"].provenance[-1]
    assert "for parameter JF2" in of_constant.maps["output"].provenance[-1] and "pcsmo-goodenough-exchange" in model.script()


@pytest.mark.tensorflow
def test_a_map_that_shows_nothing_known_gets_no_answer(model, tmp_path):
    """Noise alone: no verdict, no constants, and the reasons in words."""
    m = examples.load()
    noise = np.abs(np.random.default_rng(1).normal(size=m.shape))
    insdl.save(m.replace(intensity=noise, error=0.6 * np.ones(m.shape)), tmp_path / "noise.nxs")
    name = load(model, tmp_path / "noise.nxs")
    told, constants = (model.run(task, name, {}, Control()) for task in ("classify", "exchange"))
    assert told.verdict == "undecided" and told.in_range is False
    assert constants.in_range is False and all(np.isnan(row[1]) for row in constants.rows)
    assert any("no more than noise" in sentence for sentence in told.sentences), told.sentences


def test_reading_by_mantid_s_load_can_be_cancelled(mantid_model, file, data_service, monkeypatch):
    """Its place takes an algorithm that reports until it is cancelled, as a loader of a large file would."""
    from mantid.api import AlgorithmFactory, Progress, PythonAlgorithm, WorkspaceProperty
    from mantid.kernel import Direction

    from mantid_insdl.plugin import loading

    class LoadSomethingLarge(PythonAlgorithm):
        def category(self):
            return "Tests"

        def PyInit(self):
            self.declareProperty("Filename", "")
            self.declareProperty(WorkspaceProperty("OutputWorkspace", "", Direction.Output))

        def PyExec(self):
            reading.set()
            for number in range(3000):
                time.sleep(0.01)
                Progress(self, 0.5, 0.6, 1).report(str(number))

    AlgorithmFactory.subscribe(LoadSomethingLarge)
    unstored = loading._unstored
    monkeypatch.setattr(loading, "_unstored", lambda name: unstored("LoadSomethingLarge"))
    reading, control, ended = threading.Event(), Control(), []

    def read():
        try:
            mantid_model.load([file], control)
        except CancelledError as error:
            ended.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(10)
    control.cancel()
    thread.join(10)
    assert ended and not thread.is_alive() and list(data_service.getObjectNames()) == []
    monkeypatch.undo()
    assert load(mantid_model, file) == "few_slices", "the next one works"


# ---- a mask of detector gaps


@pytest.fixture
def unmasked(example, tmp_path):
    """A map without mask and errors, with gaps that are zero, and a mask of other pixels in the same folder."""
    m = example.select(slice(10, 16))
    intensity = np.nan_to_num(m.intensity) + 0.1
    intensity[:, 20:24] = 0.0
    arrays = {"ei": m.slices.ei, "energy_min": m.slices.energy_min, "energy_max": m.slices.energy_max, "q": m.axes[0].centres}
    gap = np.zeros(m.shape, bool)
    gap[:, :, 5:8] = True
    np.savez(tmp_path / "measured.npz", intensity=intensity, **arrays)
    np.savez(tmp_path / "gaps.npz", gap=gap, **arrays)
    return tmp_path / "measured.npz", tmp_path / "gaps.npz", gap


def test_a_mask_takes_the_place_of_gaps_that_were_guessed(model, unmasked):
    file, gaps, gap = unmasked
    name = load(model, file)
    guessed = model.read(name).map.mask
    assert guessed.any() and not (guessed & gap).all()
    model.set_material(name, "pcsmo")
    assert model.mask(name, str(gaps), Control()) == name
    read = model.read(name)
    assert np.array_equal(read.map.mask, gap), "and nothing that was guessed"
    assert read.map.material == "pcsmo"
    assert "with 'gaps.npz'" in dict(read.describe())["Masked"]


def test_a_mask_is_in_the_script(model, unmasked, data_service):
    file, gaps, gap = unmasked
    name = load(model, file)
    model.set_material(name, "pcsmo")
    model.mask(name, str(gaps), Control())
    data_service.clear()
    found = {}
    exec(model.script(), found)
    again = model.read(name).map if isinstance(model, MantidModel) else found[name]
    assert np.array_equal(again.mask, gap) and again.material == "pcsmo"


def test_an_energy_that_was_told_is_kept_when_a_mask_is_given(model, unmasked, tmp_path):
    file, gaps, gap = unmasked
    m = insdl.load(file)
    unknown = Slices(np.full(6, np.nan), m.slices.energy_min, m.slices.energy_max)
    insdl.save(m.replace(slices=unknown, mask=np.zeros(m.shape, bool), intensity=np.nan_to_num(m.intensity)), tmp_path / "no_ei.npz")
    name = load(model, tmp_path / "no_ei.npz")
    model.set_ei(name, 50.0)
    model.mask(name, str(gaps), Control())
    read = model.read(name)
    assert read.map.slices.ei.tolist() == [50.0] * 6 and np.array_equal(read.map.mask, gap)


def test_a_mask_of_another_shape_is_a_sentence_and_the_map_stays(model, unmasked, tmp_path):
    file, _, _ = unmasked
    name = load(model, file)
    before = model.read(name).map.mask
    np.savez(tmp_path / "other.npz", mask=np.zeros((3, 3), bool))
    for path, words in ((tmp_path / "other.npz", "shape"), (tmp_path / "none.npz", "does not exist"), (file, "holds no mask")):
        with pytest.raises(InsdlError, match=words):
            model.mask(name, str(path), Control())
    assert np.array_equal(model.read(name).map.mask, before)


def test_of_a_file_that_mantid_has_read_a_copy_is_masked_with_its_history(mantid_model, example, unmasked, tmp_path):
    _, gaps, gap = unmasked
    insdl.save(example.select(slice(10, 16)), tmp_path / "slices.nxs")
    name = load(mantid_model, tmp_path / "slices.nxs")
    mantid_model.set_material(name, "pcsmo")
    masked = mantid_model.mask(name, str(gaps), Control())
    assert masked == "slices_masked"
    read = mantid_model.read(masked).map
    assert (read.mask & gap).sum() == gap.sum() and read.material == "pcsmo"
    history = mantid_model._workspace("slices_masked_1").getHistory().getAlgorithmHistories()
    assert "AddSampleLog" in [one.name() for one in history]


def test_of_a_workspace_that_the_panel_has_not_read_a_copy_is_masked(mantid_model, store, example, unmasked, data_service):
    _, gaps, gap = unmasked
    m = example.select(slice(10, 16)).replace(material="pcsmo")
    store("stack", m)
    assert mantid_model.mask("stack", str(gaps), Control()) == "stack_masked"
    assert np.array_equal(mantid_model.read("stack").map.mask, m.mask)
    masked = mantid_model.read("stack_masked").map
    assert np.array_equal(masked.mask, m.mask | gap) and masked.material == "pcsmo"
    assert masked.intensity[~masked.mask] == pytest.approx(m.intensity[~masked.mask])
    assert masked.error[~masked.mask] == pytest.approx(m.error[~masked.mask])
    mantid_model.mask("stack", str(gaps), Control())  # its own copy may be replaced
    data_service.remove("stack_masked")
    exec(mantid_model.script(), {})
    assert np.array_equal(mantid_model.read("stack_masked").map.mask, m.mask | gap)


def test_a_mask_for_a_workspace_that_is_gone_is_a_sentence(mantid_model, unmasked):
    _, gaps, _ = unmasked
    with pytest.raises(InsdlError, match="'gone' is not there any more"):
        mantid_model.mask("gone", str(gaps), Control())


def test_a_workspace_of_the_user_is_not_replaced_by_the_masked_copy(mantid_model, store, example, unmasked):
    _, gaps, _ = unmasked
    store("stack", example.select(slice(10, 16)))
    store("stack_masked", example.select([1]))
    with pytest.raises(InsdlError, match="'stack_masked' already"):
        mantid_model.mask("stack", str(gaps), Control())


# ---- over Mantid


def test_inputs_are_groups_and_slices_that_stand_alone(mantid_model, store, example, data_service):
    from mantid.simpleapi import CreateEmptyTableWorkspace

    store("stack", example.select([0, 1]))
    store("alone", example.select([2]))
    store("__hidden", example.select([2]))
    CreateEmptyTableWorkspace(OutputWorkspace="table")
    assert mantid_model.inputs() == ["stack", "alone"]
    assert mantid_model.contains("stack", "stack_2") and not mantid_model.contains("stack", "alone")


def test_everything_is_in_the_history_of_the_workspaces(mantid_model, store, example, data_service):
    store("stack", example.select([0, 1]))
    mantid_model.set_material("stack", "pcsmo")
    mantid_model.run("simulate", "stack", RB, Control())
    assert [one.name() for one in data_service["stack_1"].getHistory().getAlgorithmHistories()] == ["AddSampleLog"]
    done = data_service["stack_simulated"].getHistory().getAlgorithmHistories()
    assert done[-1].name() == "SimulateSpinWaveMap" and done[-1].getPropertyValue("Parameters") == "J1=0.7"


def test_changes_of_the_data_service_are_told_until_the_panel_closes(mantid_model, store, example, data_service, observers):
    from mantid.simpleapi import RenameWorkspace

    told = []
    mantid_model.observe(lambda change: told.append((change.kind, change.name, change.new)))
    store("one", example.select([0]))
    store("one", example.select([1]))
    RenameWorkspace(InputWorkspace="one", OutputWorkspace="two")
    data_service.remove("two")
    data_service.clear()
    wanted = [("added", "one", ""), ("replaced", "one", ""), ("renamed", "one", "two"), ("deleted", "two", ""), ("cleared", "", "")]
    assert told == wanted
    mantid_model.close()
    store("one", example.select([0]))
    assert told == wanted


def test_a_slice_that_joins_or_leaves_a_group_is_told(mantid_model, store, example, data_service, observers):
    told = []
    store("stack", example.select([0, 1]))
    store("alone", example.select([2]))
    assert mantid_model.read("stack").map.slices.size == 2
    mantid_model.observe(lambda change: told.append((change.kind, change.name)))
    data_service.addToGroup("stack", "alone")
    assert ("replaced", "stack") in told
    assert mantid_model.read("stack").map.slices.size == 3 and mantid_model.contains("stack", "alone")
    data_service.remove("alone")
    assert ("deleted", "alone") in told and mantid_model.contains("stack", "alone"), "it was in it"
    assert mantid_model.read("stack").map.slices.size == 2 and not mantid_model.contains("stack", "alone")
    data_service.clear()
    assert not mantid_model.contains("stack", "stack_1")


def test_a_renamed_input_is_renamed_in_the_script(mantid_model, file, data_service, observers):
    from mantid.simpleapi import RenameWorkspace

    mantid_model.observe(lambda change: None)
    name = load(mantid_model, file)
    RenameWorkspace(InputWorkspace=name, OutputWorkspace="short")
    mantid_model.run("simulate", "short", RB, Control())
    script = mantid_model.script()
    data_service.clear()
    exec(script, {})
    assert "short_simulated" in data_service


def test_without_observers_the_names_are_looked_at(monkeypatch, data_service, store, example):
    import mantid.api

    from mantid_insdl.interfaces import ads

    monkeypatch.delattr(mantid.api, "AnalysisDataServiceObserver", raising=False)
    monkeypatch.setattr(ads, "_POLL_INTERVAL", 0.01)
    seen = threading.Event()
    end = ads.watch(lambda change: seen.set())
    store("one", example.select([0]))
    assert seen.wait(5)
    end()


def test_a_workspace_deleted_while_it_is_analysed_does_no_harm(mantid_model, store, example, data_service):
    store("stack", example.select([0, 1]))
    control = Control()
    control.report = lambda fraction, text: data_service.clear()
    answer = mantid_model.run("simulate", "stack", RB, control)
    assert answer.maps["output"].shape == (2, 40, 40)


def test_results_deleted_at_once_are_a_sentence(mantid_model, store, example, data_service, monkeypatch):
    store("stack", example.select([0, 1]))
    execute = mantid_model._execute

    def then_clear(*given):
        execute(*given)
        data_service.clear()

    monkeypatch.setattr(mantid_model, "_execute", then_clear)
    with pytest.raises(InsdlError, match="'stack_simulated' is not there any more"):
        mantid_model.run("simulate", "stack", RB, Control())


def test_a_workspace_of_the_user_is_not_replaced_and_an_earlier_result_is(mantid_model, store, example, data_service):
    store("stack", example.select([0, 1]))
    store("stack_simulated", example.select([5]))
    with pytest.raises(InsdlError, match="'stack_simulated' already: it would be replaced by the result of Simulate"):
        mantid_model.run("simulate", "stack", RB, Control())
    data_service.remove("stack_simulated")
    mantid_model.run("simulate", "stack", RB, Control())
    mantid_model.run("simulate", "stack", RB, Control())
    assert MantidModel().run("simulate", "stack", RB, Control()).names == ("stack_simulated",), "by its history"


def test_without_a_simulation_there_is_no_fit_of_earlier_constants(mantid_model, store, example, data_service, monkeypatch):
    from mantid_insdl import worker
    from mantid_insdl.errors import InstabilityError

    evidence = {"material": "pcsmo-goodenough", "unexplained": 0.1, "uncertainty": 0.01, "limit": 0.3}
    answer = {"material": "pcsmo-goodenough", "names": ["JF1"], "values": [-11.0], "errors": [1.0], "units": ["meV"], "in_range": True}
    answer |= {"warnings": [], "evidence": evidence, "bundle": {"name": "b", "version": "1", "sha256": "0"}}
    answer |= {"fit": None, "network_values": None}

    stable = [True]

    def answered(task, maps, options, **rest):
        if options["simulate_fit"] and not stable:
            raise InstabilityError("the structure is not stable")
        return {"fit": maps["input"]} if stable else {}, answer

    monkeypatch.setattr(worker, "run_task", answered)
    store("stack", example.replace(material="pcsmo"))
    mantid_model.run("exchange", "stack", {}, Control())
    assert "stack_fit" in data_service
    stable.clear()
    answer["in_range"] = False
    assert mantid_model.run("exchange", "stack", {}, Control()).in_range is False, "as the table tells"
    answer["in_range"] = True
    found = mantid_model.run("exchange", "stack", {}, Control())
    assert found.rows == (("JF1", -11.0, 1.0, "meV"),) and "fit" not in found.maps and found.in_range
    assert not [name for name in data_service.getObjectNames() if name.startswith("stack_fit")]


def test_an_mdhisto_file_is_read_by_the_package(mantid_model, data_service):
    from pathlib import Path

    path = Path(__file__).parents[1] / "data" / "mantid_files" / "hke_mdhisto.nxs"
    name = load(mantid_model, path)
    read = mantid_model.read(name)
    assert read.map is not None and read.map.slices is not None, read.problem
    assert read.map.slices.matches(insdl.load(path).slices)


def test_options_are_those_that_the_algorithm_has(mantid_model):
    assert mantid_model.options("denoise") == {}
    from mantid.api import AlgorithmFactory, PythonAlgorithm
    from mantid.kernel import StringListValidator

    class FitExchangeCNN(PythonAlgorithm):
        def category(self):
            return "Tests"

        def PyInit(self):
            self.declareProperty("Refine", "Off", StringListValidator(["Off", "Fast", "Full"]))
            self.declareProperty("MaterialFile", "")

    AlgorithmFactory.subscribe(FitExchangeCNN)
    try:
        assert mantid_model.options("exchange") == {"Refine": ("Off", "Fast", "Full"), "MaterialFile": ()}
    finally:
        insdl.register()


@pytest.mark.parametrize(("unexplained", "said"), [(-0.004, "leaves 0% +- 1%"), (0.22, "leaves 22% +- 1%")])
def test_a_share_that_noise_has_made_negative_is_said_to_be_nothing(unexplained, said):
    from mantid_insdl.plugin.answers import exchange_notices

    answer = {"material": "m", "names": [], "values": [], "errors": [], "units": [], "in_range": True}
    evidence = {"material": "m", "unexplained": unexplained, "uncertainty": 0.01, "limit": 0.3}
    assert said in exchange_notices(answer | {"evidence": evidence})[1]


def test_an_mdhisto_workspace_is_an_input_and_is_told_its_ei_and_material(mantid_model, data_service):
    from mantid.api import WorkspaceFactory
    from mantid.simpleapi import CreateMDHistoWorkspace

    values = [float(v) for v in range(1, 37)]
    workspace = CreateMDHistoWorkspace(
        SignalInput=values,
        ErrorInput=[1.0] * 36,
        Dimensionality=3,
        Extents=[-1.0, 1.0, -1.0, 1.0, 2.0, 8.0],
        NumberOfBins=[4, 3, 3],
        Names=["[H,0,0]", "[0,K,0]", "DeltaE"],
        Units=["r.l.u.", "r.l.u.", "DeltaE"],
        Frames=["HKL", "HKL", "General Frame"],
        OutputWorkspace="md",
    )
    carrier = WorkspaceFactory.create("Workspace2D", NVectors=1, XLength=1, YLength=1)
    workspace.addExperimentInfo(carrier)
    assert mantid_model.inputs() == ["md"]
    assert np.isnan(mantid_model.read("md").map.slices.ei).all()
    mantid_model.set_ei("md", 25.0)
    mantid_model.set_material("md", "rb2mnf4")
    m = mantid_model.read("md").map
    assert (m.slices.ei.tolist(), m.material) == ([25.0] * 3, "rb2mnf4")
    assert "addProperty('Ei', 25.0, 'meV', True)" in mantid_model.script()
    compile(mantid_model.script(), "script", "exec")
