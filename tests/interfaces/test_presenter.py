"""The presenter with a fake view and a fake model: no Qt, no Mantid, no network."""

import numpy as np
import pytest
from fakes import FakeModel, FakeView, Later, small_map

from mantid_insdl.errors import FileFormatError, UnsuitableMapError
from mantid_insdl.interfaces.model import Answer, Change
from mantid_insdl.interfaces.presenter import Presenter


class Panel:
    def __init__(self, **maps):
        self.model, self.view, self.background = FakeModel(**maps), FakeView(), Later()
        self.presenter = Presenter(self.model, self.view, self.background)
        self.background.work()


@pytest.fixture
def panel():
    return Panel(slices=small_map())


# ---- the input


def test_the_first_map_is_shown_with_what_was_understood(panel):
    assert panel.view.inputs == ["slices"] and panel.view.current == "slices"
    assert dict(panel.view.shown.describe()) == {
        "Ei": "50, 100 meV",
        "Windows": "3 from 5 to 30 meV",
        "Axes": "Qh -1.33 to 1.33 r.l.u. in 4; Qk -1.33 to 1.33 r.l.u. in 4",
        "Masked": "2%, no errors",
    }
    assert panel.view.shown.missing == ()


def test_materials_and_options_come_from_cards_files_and_the_algorithms(panel):
    measured, simulated = panel.view.materials
    assert measured == ["pcsmo", "rb2mnf4"]
    assert {"pcsmo-goodenough", "pcsmo-zener", "rb2mnf4"} <= set(simulated)
    assert panel.view.task_options["exchange"] == {"Refine": ("Off", "Fast")} and panel.view.task_options["denoise"] == {}


def test_targets_are_models_and_constants_of_the_material():
    panel = Panel(slices=small_map(), other=small_map(material="rb2mnf4"), unknown=small_map(material=None))
    targets = dict(panel.view.targets)
    assert list(targets)[:2] == ["most probable model", "pcsmo-goodenough"] and targets["most probable model"] == {}
    assert targets["pcsmo-dimer"] == {"Target": "pcsmo-dimer"}
    assert targets["JF2 of pcsmo-goodenough"] == {"Target": "JF2", "Model": "pcsmo-goodenough-exchange"}
    panel.presenter.choose("other")
    panel.background.work()
    assert [words for words, _ in panel.view.targets] == [f"{name} of rb2mnf4" for name in ("J1", "J2", "D")]
    panel.presenter.choose("unknown")
    panel.background.work()
    assert panel.view.targets == []


def test_an_explanation_knows_of_which_constant_it_is(panel):
    for given, constant in (({"Target": "JF2", "Model": "pcsmo-goodenough-exchange"}, "JF2"), ({"Target": "pcsmo-dimer"}, ""), ({}, "")):
        panel.view.given["explain"] = given
        panel.presenter.run("explain")
        panel.background.work()
        assert panel.model.calls[-1] == ("explain", "slices", given)
        assert panel.view.answers["explain"].constant == constant


def test_what_is_missing_is_asked_for_and_then_known():
    panel = Panel(slices=small_map(material=None, ei=np.nan))
    assert panel.view.shown.missing == ("Ei", "material")
    assert dict(panel.view.shown.describe())["Ei"] == "not known"
    panel.presenter.run("classify")
    assert panel.view.asked == ["Ei"] and panel.view.error
    assert "incident energy and its material" in panel.view.message
    assert panel.model.calls == []
    panel.presenter.set_ei(50.0)
    panel.background.work()
    panel.presenter.set_material("pcsmo")
    panel.background.work()
    assert panel.view.shown.missing == ()
    panel.presenter.run("classify")
    panel.background.work()
    assert panel.model.calls == [("classify", "slices", {})]


def test_an_incident_energy_below_a_window_is_refused():
    panel = Panel(slices=small_map(ei=np.nan))
    panel.presenter.set_ei(12.0)
    panel.background.work()
    assert "ends above its incident energy" in panel.view.message and panel.view.error
    assert panel.view.shown.missing == ("Ei",)


def test_a_simulation_needs_no_material_of_the_map():
    panel = Panel(slices=small_map(material=None))
    panel.view.given["simulate"] = {"Material": "rb2mnf4", "Parameters": "J1=0.7"}
    panel.presenter.run("simulate")
    panel.background.work()
    assert panel.model.calls == [("simulate", "slices", {"Material": "rb2mnf4", "Parameters": "J1=0.7"})]


def test_a_map_that_cannot_be_used_says_why():
    panel = Panel(wrong="Its axes have no unit.")
    assert panel.view.message == "Its axes have no unit." and panel.view.error
    panel.presenter.run("denoise")
    assert panel.view.message == "Its axes have no unit." and panel.model.calls == []


def test_a_powder_map_is_named():
    m = small_map()
    from mantid_insdl.maps import MEV, PER_ANGSTROM, Axis, Map

    powder = Map(np.ones((4, 4)), (Axis("q", PER_ANGSTROM, m.axes[0].values + 2), Axis("energy", MEV, np.arange(4.0))))
    panel = Panel(powder=powder)
    assert "powder map" in panel.view.message and panel.view.shown.map is None


def test_files_become_the_chosen_map(panel):
    panel.presenter.open_files(["a.nxs", "b.nxs"])
    assert panel.view.busy == "load"
    panel.background.work()
    assert panel.model.calls == [("load", ("a.nxs", "b.nxs"))]
    assert panel.view.shown.name == "loaded" and panel.view.inputs == ["slices", "loaded"]


def test_a_file_that_cannot_be_read_is_a_sentence(panel):
    panel.model.error = FileFormatError("'a.txt' is no map", "it is text", "give NeXus")
    panel.presenter.open_files(["a.txt"])
    panel.background.work()
    assert panel.view.message == "'a.txt' is no map: it is text; give NeXus." and panel.view.error
    assert panel.view.shown.name == "slices"


def test_a_mask_is_taken_and_what_was_masked_is_shown(panel):
    panel.presenter.set_mask("gaps.npz")
    assert panel.view.busy == "load"
    panel.background.work()
    assert panel.model.calls == [("mask", "slices", "gaps.npz")]
    assert dict(panel.view.shown.describe())["Masked"] == "50%, with 'gaps.npz', no errors" and panel.view.busy == ""


def test_a_mask_needs_a_map_and_one_that_does_not_fit_is_a_sentence(panel):
    panel.model.error = FileFormatError("'gaps.npz' holds no mask")
    panel.presenter.set_mask("gaps.npz")
    panel.background.work()
    assert panel.view.message == "'gaps.npz' holds no mask." and panel.view.error
    empty = Panel()
    empty.presenter.set_mask("gaps.npz")
    assert "open a file first" in empty.view.message and empty.view.error and empty.model.calls == []


def test_what_a_reader_had_to_guess_is_said():
    panel = Panel(slices=small_map(warnings=("Gaps were guessed.", "Half is zero.")))
    assert panel.view.message == "Gaps were guessed. Half is zero." and not panel.view.error


def test_nothing_to_do_without_a_map():
    panel = Panel()
    panel.presenter.run("denoise")
    assert panel.view.message == "Choose a workspace or open a file first."


# ---- tasks


def test_progress_from_the_start_and_the_answer_at_the_end(panel):
    panel.model.answer = Answer(verdict="pcsmo-dimer")
    panel.presenter.run("classify")
    assert panel.view.busy == "classify" and panel.view.progress == [(0.0, "Classifying")]
    panel.background.work()
    assert panel.view.progress[1:] == [(0.5, "half way")]
    assert panel.view.busy == "" and panel.view.answers["classify"].verdict == "pcsmo-dimer"


def test_the_workspaces_of_a_result_are_named(panel):
    panel.model.answer = Answer(names=("slices_denoised", "slices_residual"))
    panel.presenter.run("denoise")
    panel.background.work()
    assert panel.view.message == "The result is in slices_denoised, slices_residual." and not panel.view.error


def test_the_last_result_stays_until_the_new_one_is_there(panel):
    first, second = Answer(sentences=("first",)), Answer(sentences=("second",))
    panel.model.answer = first
    panel.presenter.run("denoise")
    panel.background.work()
    panel.model.answer = second
    panel.presenter.run("denoise")
    assert panel.view.answers["denoise"] is first
    panel.background.work()
    assert panel.view.answers["denoise"] is second


def test_an_error_is_a_sentence_and_the_last_result_stays(panel):
    panel.presenter.run("denoise")
    panel.background.work()
    before = panel.view.answers["denoise"]
    panel.model.error = UnsuitableMapError("the map is constant", "every pixel is 1", "check the data")
    panel.presenter.run("denoise")
    panel.background.work()
    assert panel.view.message == "The map is constant: every pixel is 1; check the data."
    assert panel.view.error and panel.view.busy == "" and panel.view.answers["denoise"] is before


def test_a_fault_is_called_one(panel):
    panel.model.error = ZeroDivisionError("by zero")
    panel.presenter.run("denoise")
    panel.background.work()
    assert "Unexpected ZeroDivisionError: by zero" in panel.view.message and "fault" in panel.view.message


def test_after_a_fault_in_showing_an_answer_the_panel_is_free(panel, monkeypatch):
    monkeypatch.setattr(panel.view, "show_answer", lambda task, answer: 1 / 0)
    panel.presenter.run("denoise")
    with pytest.raises(ZeroDivisionError):
        panel.background.work()
    assert panel.view.busy == ""


def test_cancel(panel):
    panel.presenter.run("classify")
    panel.presenter.cancel()
    panel.background.work()
    assert panel.model.calls[-1] == ("cancelled", "classify")
    assert panel.view.message.startswith("Cancelled") and panel.view.busy == ""
    panel.presenter.run("classify")  # the next one works
    panel.background.work()
    assert panel.view.answers["classify"] is panel.model.answer


def test_one_task_at_a_time(panel):
    panel.presenter.run("classify")
    panel.presenter.run("denoise")
    assert panel.view.message == "Classifying goes on; wait for it or cancel it." and panel.view.error
    panel.background.work()
    assert [call[0] for call in panel.model.calls] == ["classify"]


@pytest.mark.parametrize("read_first", [False, True])
def test_answers_belong_to_their_map(read_first):
    panel = Panel(one=small_map(), two=small_map())
    panel.presenter.run("denoise")
    panel.presenter.choose("two")  # while it runs
    if read_first:
        panel.background.waiting.reverse()
    panel.background.work()
    assert panel.view.shown.name == "two" and panel.view.answers["denoise"] is None
    panel.presenter.choose("one")
    panel.background.work()
    assert panel.view.answers["denoise"] is panel.model.answer


def test_of_two_maps_the_one_chosen_last_is_shown_even_where_it_is_read_first():
    panel = Panel(one=small_map(), two=small_map(), three=small_map())
    panel.presenter.choose("two")
    panel.presenter.choose("three")
    panel.background.waiting.reverse()
    panel.background.work()
    assert panel.view.shown.name == "three" and panel.view.current == "three"


# ---- simulation with sliders


def move(panel, value):
    panel.view.given["simulate"] = {"Material": "rb2mnf4", "Parameters": f"J1={value}"}
    panel.presenter.simulate()


def asked(panel):
    """What was simulated, and with which constant: ``slice`` or ``simulate``."""
    return [(kind, options["Parameters"].removeprefix("J1=")) for kind, _, options in panel.model.calls]


def test_while_constants_move_the_slice_that_is_shown_is_simulated_and_the_map_when_they_rest(panel):
    panel.model.answer = Answer(sentences=("whole",))
    panel.view.slice = 1
    move(panel, "0.5")
    panel.background.work()
    assert panel.model.calls == [("slice", 1, {"Material": "rb2mnf4", "Parameters": "J1=0.5"})]
    part, measured = panel.view.answers["simulate"], panel.view.shown.map
    assert part.only == 1
    assert part.maps["output"].intensity[1] == pytest.approx(2 * measured.intensity[1])
    assert part.maps["output"].mask[[0, 2]].all() and part.maps["output"].slices.matches(measured.slices)
    assert panel.view.busy == "simulate", "the rest of the map is to come"
    panel.view.rest()
    panel.background.work()
    assert asked(panel) == [("slice", "0.5"), ("simulate", "0.5")]
    assert panel.view.answers["simulate"] is panel.model.answer and panel.view.busy == ""


def test_constants_that_move_meanwhile_are_followed_at_their_latest(panel):
    for value in ("0.5", "0.6", "0.7"):
        move(panel, value)
    panel.background.work()
    panel.view.rest()
    panel.background.work()
    assert asked(panel) == [("slice", "0.5"), ("slice", "0.7"), ("simulate", "0.7")]


def test_constants_that_rest_before_the_slice_is_there(panel):
    move(panel, "0.5")
    panel.view.rest()
    panel.background.work()
    assert asked(panel) == [("slice", "0.5"), ("simulate", "0.5")]


def test_constants_that_move_while_the_map_is_simulated(panel):
    move(panel, "0.5")
    panel.background.work()
    panel.view.rest()
    move(panel, "0.6")
    panel.background.work()
    assert asked(panel) == [("slice", "0.5"), ("simulate", "0.5"), ("slice", "0.6")]
    assert panel.view.busy == "simulate"


def test_a_slice_alone_is_no_answer_of_the_map(panel):
    move(panel, "0.5")
    panel.background.work()
    panel.model.maps["other"] = small_map()
    panel.presenter.choose("other")
    panel.background.work()
    panel.presenter.choose("slices")
    panel.background.work()
    assert panel.view.answers["simulate"] is None


def test_a_slice_of_a_map_that_has_changed_meanwhile_is_not_shown(panel):
    move(panel, "0.5")
    panel.model.maps["slices"] = small_map(ei=60.0)
    panel.model.changed(Change("replaced", "slices"))
    panel.view.wait()
    panel.background.waiting.reverse()  # the new map is read before the slice is there
    panel.background.work()
    assert panel.view.answers["simulate"] is None


def test_a_single_slice_is_the_map():
    panel = Panel(slices=small_map().select([0]))
    move(panel, "0.5")
    panel.background.work()
    assert asked(panel) == [("simulate", "0.5")]


def test_constants_that_cannot_be_simulated_are_said_once(panel):
    panel.model.error = UnsuitableMapError("it is not stable")
    move(panel, "0.5")
    panel.background.work()
    panel.view.rest()
    panel.background.work()
    assert asked(panel) == [("slice", "0.5")] and panel.view.busy == ""
    assert panel.view.message == "It is not stable." and panel.view.error


def test_cancelling_while_constants_move_ends_what_is_to_come(panel):
    move(panel, "0.5")
    panel.background.work()
    panel.presenter.cancel()
    assert panel.view.busy == ""
    panel.view.rest()
    panel.background.work()
    assert asked(panel) == [("slice", "0.5")]


def test_the_button_simulates_the_map_at_once(panel):
    panel.view.given["simulate"] = {"Material": "rb2mnf4", "Parameters": "J1=0.5"}
    panel.presenter.run("simulate")
    panel.presenter.run("simulate")
    panel.background.work()
    assert asked(panel) == [("simulate", "0.5"), ("simulate", "0.5")]


def test_a_task_waits_for_the_simulation_and_goes_before_the_next_one(panel):
    move(panel, "0.5")
    move(panel, "0.6")
    panel.presenter.run("classify")
    panel.view.rest()
    panel.background.work()
    assert [call[0] for call in panel.model.calls] == ["slice", "classify", "slice", "simulate"]


def test_closing_before_the_rest_of_the_map(panel):
    move(panel, "0.5")
    panel.background.work()
    panel.presenter.close()
    panel.view.rest()
    panel.background.work()
    assert asked(panel) == [("slice", "0.5")]


def test_constants_that_count_are_taken_for_the_simulation(panel):
    panel.presenter.take_fitted()
    assert "no constants yet" in panel.view.message
    rows = (("J1", 0.66, 0.01, "meV"), ("J2", 0.01, 0.01, "meV"), ("D", -0.006, 0.001, "meV"))
    panel.model.answer = Answer(columns=("Name", "Value", "Error", "Unit"), rows=rows, in_range=True, material="rb2mnf4")
    panel.presenter.run("exchange")
    panel.background.work()
    panel.presenter.take_fitted()
    assert panel.view.parameters == ("rb2mnf4", ["J1", "J2", "D"], {"J1": 0.66, "J2": 0.01, "D": -0.006})
    panel.background.work()
    assert panel.model.calls[-1][0] == "simulate"


def test_constants_out_of_range_are_not_taken(panel):
    panel.model.answer = Answer(rows=(("J1", np.nan, np.nan, "meV"),), in_range=False, material="rb2mnf4")
    panel.presenter.run("exchange")
    panel.background.work()
    panel.presenter.take_fitted()
    assert panel.view.parameters is None and panel.view.error


def test_a_simulation_without_a_material_asks_for_one(panel):
    panel.presenter.run("simulate")
    assert panel.view.message == "Choose a material to simulate first." and panel.model.calls == []


def test_a_material_is_chosen_by_name_or_file(panel, tmp_path):
    panel.presenter.choose_material("rb2mnf4")
    assert panel.view.parameters == ("rb2mnf4", ["J1", "J2", "D"], {"J1": 0.657, "J2": 0.006, "D": -0.0062})
    wrong = tmp_path / "m.yaml"
    wrong.write_text("name: x\n")
    panel.presenter.choose_material(str(wrong))
    assert "material file" in panel.view.message and panel.view.error and panel.view.parameters[0] == "rb2mnf4"


# ---- what others do to the inputs


def test_a_workspace_deleted_elsewhere_stays_shown(panel):
    del panel.model.maps["slices"]
    panel.model.changed(Change("deleted", "slices"))
    panel.view.wait()
    assert panel.view.inputs == [] and panel.view.current == ""
    assert "'slices' was deleted" in panel.view.message and panel.view.shown.map is not None


def test_a_replaced_workspace_is_read_again_and_its_answers_are_called_old(panel):
    panel.presenter.run("denoise")
    panel.background.work()
    panel.model.maps["slices"] = small_map(material="rb2mnf4")
    panel.model.changed(Change("replaced", "slices_2"))  # a slice of the group
    panel.view.wait()
    panel.background.work()
    assert panel.view.shown.map.material == "rb2mnf4"
    assert "has changed" in panel.view.message and panel.view.answers["denoise"] is panel.model.answer


def test_other_workspaces_that_are_replaced_are_not_read(panel):
    panel.model.changed(Change("replaced", "other"))
    panel.view.wait()
    assert panel.background.waiting == []


def test_a_renamed_workspace_keeps_its_answers_even_of_what_runs(panel):
    panel.presenter.run("denoise")
    panel.background.work()
    panel.presenter.run("classify")
    panel.model.maps["new"] = panel.model.maps.pop("slices")
    panel.model.changed(Change("renamed", "slices", "new"))
    panel.view.wait()
    panel.background.work()
    assert panel.view.current == "new" and panel.view.shown.name == "new"
    assert panel.view.answers["classify"] is panel.model.answer
    panel.presenter.choose("new")
    assert panel.background.waiting == [], "it is the map that is shown already"
    panel.model.maps["other"] = small_map()
    for name in ("other", "new"):
        panel.presenter.choose(name)
        panel.background.work()
    assert panel.view.answers["denoise"] is panel.model.answer and panel.view.answers["classify"] is panel.model.answer


def test_many_changes_refresh_the_list_once(panel):
    for number in range(30):
        panel.model.changed(Change("added", f"member_{number}"))
    assert len(panel.view.waiting) == 1


def test_many_slices_that_are_replaced_are_read_once(panel):
    for number in range(30):
        panel.model.changed(Change("replaced", f"slices_{number}"))
    panel.view.wait()
    assert len(panel.background.waiting) == 1


def test_a_workspace_deleted_and_made_anew_is_read_again(panel):
    del panel.model.maps["slices"]
    panel.model.changed(Change("deleted", "slices"))
    panel.view.wait()
    panel.model.maps["slices"] = small_map(material="rb2mnf4")
    panel.model.changed(Change("added", "slices"))
    panel.view.wait()
    panel.background.work()
    assert panel.view.shown.map.material == "rb2mnf4" and panel.view.current == "slices"


def test_a_map_whose_slices_are_deleted_one_after_the_other_stays_shown(panel):
    for number in range(3):
        panel.model.changed(Change("deleted", f"slices_{number}"))
    del panel.model.maps["slices"]
    panel.model.changed(Change("deleted", "slices"))
    panel.view.wait()
    panel.background.work()
    assert panel.view.shown.map is not None and "'slices' was deleted" in panel.view.message


def test_everything_cleared(panel):
    panel.model.maps.clear()
    panel.model.changed(Change("cleared"))
    panel.view.wait()
    assert panel.view.inputs == [] and panel.view.shown.map is not None
    assert "'slices' was deleted" in panel.view.message


# ---- the rest


def test_script_and_help(panel):
    panel.presenter.copy_script()
    assert panel.view.copied == "print('a script')\n" and "clipboard" in panel.view.message
    panel.presenter.help("explain")
    assert panel.view.helped == "ComputeGradCAM"


def test_closing_cancels_what_runs_and_nothing_is_shown_afterwards(panel):
    panel.presenter.run("classify")
    said = len(panel.view.messages)
    panel.presenter.close()
    panel.background.work()
    assert panel.model.calls[-1] == ("cancelled", "classify") and panel.model.closed
    panel.model.changed(Change("deleted", "slices"))
    panel.view.wait()
    assert len(panel.view.messages) == said and panel.view.answers["classify"] is None
