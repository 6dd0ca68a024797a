"""The real window, with whatever Qt there is; `test_bindings.py` runs this file with the others that are installed."""

import os
import re
import subprocess
import sys
import threading
from importlib import metadata

import numpy as np
import pytest
from fakes import FakeModel, small_map
from packaging.requirements import Requirement

pytest.importorskip("pytestqt", reason="needs pytest-qt (the extra `panel-test` brings it)")
try:
    import qtpy.QtWidgets  # noqa: F401
except ImportError as error:  # also of a Qt whose system libraries are missing
    pytest.skip(f"the panel needs Qt: {error}", allow_module_level=True)

from qtpy import API_NAME, PYSIDE_VERSION
from qtpy.QtCore import QSettings, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QApplication, QComboBox, QLabel, QPushButton, QTextBrowser

from mantid_insdl import interfaces
from mantid_insdl.interfaces.background import Background
from mantid_insdl.interfaces.model import Answer, alone
from mantid_insdl.interfaces.model_library import LibraryModel
from mantid_insdl.interfaces.model_mantid import MantidModel
from mantid_insdl.interfaces.presenter import Presenter
from mantid_insdl.interfaces.view import PanelWindow
from mantid_insdl.interfaces.view_map import Picture

WAIT = 30_000  # ms
MODELS = Answer(
    columns=("Model", "Probability", "Uncertainty"),
    rows=(("pcsmo-goodenough", 0.9, 0.05), ("pcsmo-dimer", 0.1, 0.05)),
    verdict="pcsmo-goodenough",
    in_range=True,
    sentences=("Verdict: pcsmo-goodenough.", "Ei 35 is missing."),
)


@pytest.fixture
def settings(tmp_path):
    return QSettings(str(tmp_path / "panel.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def open_panel(qtbot, settings):
    """A function that opens the window over a model."""
    backgrounds = []

    def make(model):
        window = PanelWindow(model.title, settings)
        qtbot.addWidget(window)
        window.background = Background(window.post)
        backgrounds.append(window.background)
        Presenter(model, window, window.background)
        window.show()
        return window

    yield make
    for background in backgrounds:
        assert background.wait(30)


@pytest.fixture
def panel(open_panel, qtbot):
    window = open_panel(FakeModel(slices=small_map()))
    qtbot.waitUntil(lambda: window.viewer.map is not None, timeout=WAIT)
    return window


def finished(qtbot, window):
    qtbot.waitUntil(lambda: not window.cancel.isEnabled(), timeout=WAIT)
    for _ in range(3):
        QApplication.processEvents()


def colours(canvas, number=0):
    """What a picture of a canvas shows: values as they were drawn, qk by qh, and the limits of the colours."""
    image = [axes for axes in canvas.figure.axes if axes.get_title()][number].collections[0]
    return np.ma.filled(image.get_array(), np.nan), image.get_clim()


# ---- what is shown


def test_the_map_is_drawn_slice_by_slice_with_common_colours(panel, qtbot):
    m = panel.viewer.map
    assert [panel.viewer.ei.itemText(i) for i in range(panel.viewer.ei.count())] == ["50 meV", "100 meV"]
    values, limits = colours(panel.viewer.canvas)
    assert values.reshape(4, 4) == pytest.approx(m.intensity[0].T, nan_ok=True)
    assert np.isnan(values.reshape(4, 4)[0, 0]) and panel.viewer.canvas.figure.axes[0].get_facecolor()[:3] == pytest.approx((0.78,) * 3)
    panel.viewer.energy.setFocus()
    qtbot.keyClick(panel.viewer.energy, Qt.Key.Key_Right)
    values, other = colours(panel.viewer.canvas)
    assert values.reshape(4, 4) == pytest.approx(m.intensity[1].T) and other == limits
    assert panel.viewer.window.text() == "10 to 15 meV"
    panel.viewer.ei.setCurrentIndex(1)
    values, third = colours(panel.viewer.canvas)
    assert values.reshape(4, 4) == pytest.approx(m.intensity[2].T) and third != limits


def drawn(canvas):
    return np.asarray(canvas.buffer_rgba()).astype(int)[..., :3]


def test_a_map_drawn_over_another_looks_as_if_drawn_anew(panel, qtbot):
    canvas = panel.viewer.canvas
    canvas.draw()
    panel.viewer.energy.setValue(1)
    assert canvas._drawn is not None, "it is drawn over the map before"
    over = drawn(canvas)
    canvas.draw()
    anew = drawn(canvas)
    assert np.abs(over - anew).max() < 60 and np.mean(np.abs(over - anew) > 2) < 0.01, "but for the edges of the frame"
    panel.viewer.energy.setValue(0)
    other = drawn(canvas)
    assert np.mean(np.abs(other - anew) > 2) > 0.02
    canvas.draw()
    assert np.mean(np.abs(other - drawn(canvas)) > 2) < 0.01, "masked pixels are masked again"


def test_other_colours_or_titles_draw_all_anew(panel, qtbot):
    canvas = panel.viewer.canvas
    for change in (
        lambda: panel.viewer.brightness.setValue(5),
        lambda: canvas.show_pictures(Picture("another", panel.viewer.map)),
        lambda: canvas.show_pictures(Picture("another", panel.viewer.map, signed=True)),
    ):
        canvas.draw()
        assert canvas._drawn is not None
        change()
        assert canvas._drawn is None


def test_a_function_for_when_there_is_rest_is_called_once_after_the_last_wish(panel, qtbot):
    called, timer = [], panel._rest
    assert 100 <= timer.interval() <= 500
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.setInterval(60_000)  # so that a busy machine is not taken for rest
    panel.at_rest(lambda: called.append("first"))
    qtbot.wait(100)
    left = timer.remainingTime()
    panel.at_rest(lambda: called.append("second"))
    assert timer.remainingTime() > left, "it begins anew"
    timer.start(0)
    qtbot.waitUntil(lambda: bool(called), timeout=WAIT)
    qtbot.wait(50)
    assert called == ["second"]


def test_a_slice_alone_has_the_colours_of_the_map_before_and_says_so(panel, qtbot):
    m, step = panel.viewer.map, panel.steps["simulate"]
    panel.tabs.setCurrentIndex(4)
    panel.show_answer("simulate", Answer({"output": m.scaled(2.0)}))
    limits = colours(step.canvas)[1]
    panel.show_answer("simulate", alone(Answer({"output": m.select([0]).scaled(3.0)}), m, 0))
    values, same = colours(step.canvas)
    assert same == limits and values.reshape(4, 4) == pytest.approx(3 * m.intensity[0].T, nan_ok=True)
    assert "this slice" in step.canvas.figure.axes[0].get_title()
    panel.show_answer("simulate", Answer({"output": m.scaled(3.0)}))
    assert colours(step.canvas)[1] == pytest.approx(np.multiply(limits, 1.5))
    assert step.canvas.figure.axes[0].get_title() == "simulated"


def test_brightness_scales_the_colours_of_all_pictures(panel, qtbot):
    before = colours(panel.viewer.canvas)[1][1]
    panel.viewer.brightness.setValue(20)
    assert colours(panel.viewer.canvas)[1][1] == pytest.approx(before / 10)


def test_what_was_understood_and_what_is_missing(open_panel, qtbot):
    model = FakeModel(slices=small_map(material=None, ei=np.nan))
    model.answer = MODELS
    window = open_panel(model)
    qtbot.waitUntil(lambda: window.viewer.map is not None, timeout=WAIT)
    assert "2%" in window.understood.text() and "not known" in window.understood.text()
    assert window.ei_row.isVisible() and window.material.currentIndex() == -1
    window.tabs.setCurrentIndex(1)
    window.steps["classify"].button.click()
    assert "incident energy" in window.message.text()
    window.ei.setValue(50)
    window.set_ei.click()
    qtbot.waitUntil(lambda: not window.ei_row.isVisible(), timeout=WAIT)
    window.material.setCurrentIndex(window.material.findText("pcsmo"))
    window.material.activated.emit(window.material.currentIndex())
    qtbot.waitUntil(lambda: window.viewer.map.material == "pcsmo", timeout=WAIT)
    finished(qtbot, window)
    window.steps["classify"].button.click()
    finished(qtbot, window)
    assert window.message.text() == ""


def test_a_verdict_with_its_reasons_and_bars(panel, qtbot):
    step = panel.steps["classify"]
    panel.show_answer("classify", MODELS)
    assert "The map shows pcsmo-goodenough" in step.verdict.text() and "Ei 35 is missing." in step.words.text()
    assert [bar.get_width() for bar in step.bars.figure.axes[0].patches] == [0.9, 0.1]
    assert step.table.item(0, 1).text() == "0.900"
    undecided = Answer(columns=MODELS.columns, rows=MODELS.rows, verdict="undecided", in_range=False)
    panel.show_answer("classify", undecided)
    assert "cannot be told" in step.verdict.text() and "mean nothing" in step.verdict.text()


def test_a_mask_is_chosen_by_its_name_or_in_a_dialog(panel, qtbot, monkeypatch):
    line = panel.mask.focusProxy()
    line.setText("gaps.npz")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    finished(qtbot, panel)
    assert model_of(panel).calls == [("mask", "slices", "gaps.npz")] and "50%, with 'gaps.npz'" in panel.understood.text().replace(
        "&#x27;", "'"
    )
    assert panel.mask.text() == "gaps.npz", "it stays, for it counts"
    monkeypatch.setattr("mantid_insdl.interfaces.view_file.QFileDialog.getOpenFileName", lambda *given: ("other.npz", ""))
    panel.mask.findChild(QPushButton).click()
    finished(qtbot, panel)
    assert model_of(panel).calls[-1] == ("mask", "slices", "other.npz")
    panel.show_input(None)
    assert panel.mask.text() == "" and not panel.mask.isEnabled()


def test_words_are_shown_as_they_are_written(panel):
    panel.show_answer("classify", Answer(columns=MODELS.columns, rows=MODELS.rows, sentences=("J < 0 & D > 0",), in_range=True))
    assert "J &lt; 0 &amp; D &gt; 0" in panel.steps["classify"].words.text()
    panel.show_message("J < 0")
    assert panel.message.text() == "J < 0" and panel.message.textFormat() == Qt.TextFormat.PlainText


def test_network_and_fit_side_by_side_where_the_table_has_both(panel):
    rows = tuple((*row, share) for row, share in zip(MODELS.rows, (0.7, 0.3), strict=True))
    panel.show_answer("classify", Answer(columns=(*MODELS.columns, "FitProbability"), rows=rows, verdict="undecided", in_range=True))
    axes = panel.steps["classify"].bars.figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.9, 0.1, 0.7, 0.3]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["network", "fit"]
    panel.show_answer("classify", Answer(columns=("Model", "ChiSquared"), rows=(("a", 1.0),), verdict="a", in_range=True))
    assert panel.steps["classify"].bars.figure.axes == [] and panel.steps["classify"].table.item(0, 1).text() == "1"


def test_constants_with_data_fit_and_residual(panel, qtbot):
    m = panel.viewer.map
    rows = (("J1", 0.66, 0.012, "meV"), ("D", np.nan, np.nan, "meV"))
    fit = m.replace(intensity=m.intensity - 1)
    sentences = ("x: J1", "The map does not determine D.")
    answer = Answer({"fit": fit}, ("Name", "Value", "Error", "Unit"), rows, in_range=True, sentences=sentences)
    panel.tabs.setCurrentIndex(2)
    panel.show_answer("exchange", answer)
    step = panel.steps["exchange"]
    assert [step.table.item(0, j).text() for j in range(4)] == ["J1", "0.660", "0.012", "meV"]
    assert step.table.item(1, 1).text() == "not given"
    assert "does not determine D" in step.words.text() and "x: J1" not in step.words.text()
    measured, fitted, residual = (colours(step.canvas, number)[0] for number in range(3))
    known = ~np.isnan(measured)
    assert (measured - fitted)[known] == pytest.approx(1) and residual[known] == pytest.approx(1)
    assert colours(step.canvas, 0)[1] == colours(step.canvas, 1)[1], "data and fit have the same colours"


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (-11.2659, 0.33, ("-11.27", "0.33")),
        (0.09842, 0.0701, ("0.098", "0.070")),
        (-1234.6, 25.0, ("-1235", "25")),
        (0.5, 0.0, ("0.5", "0")),
        (0.5, np.nan, ("0.5", "not given")),
        (np.nan, np.nan, ("not given", "not given")),
    ],
)
def test_a_value_has_the_decimals_of_its_error(panel, value, error, words):
    columns = ("Name", "Value", "Error", "Unit", "NetworkValue", "NetworkError")
    panel.show_answer("exchange", Answer(columns=columns, rows=(("J", value, error, "meV", 1.0, np.nan),), in_range=True))
    table = panel.steps["exchange"].table
    assert tuple(table.item(0, j).text() for j in (1, 2)) == words
    assert [table.item(0, j).text() for j in (4, 5)] == ["1", "–"], "a network gives no error of what it does not know"


def test_method_and_target_of_an_explanation_are_what_was_chosen(panel):
    step = panel.steps["explain"]
    assert step.options() == {}
    step.set_options({"Method": ("GradCAM", "CAM")})
    step.set_targets(
        [("most probable model", {}), ("pcsmo-dimer", {"Target": "pcsmo-dimer"}), ("JF2 of it", {"Target": "JF2", "Model": "m"})]
    )
    assert step.options() == {"Method": "GradCAM"}
    (methods,) = [one for one in step.findChildren(QComboBox) if one.accessibleName() == "Method"]
    methods.setCurrentText("CAM")
    step.targets.setCurrentText("pcsmo-dimer")
    assert step.options() == {"Method": "CAM", "Target": "pcsmo-dimer"}
    step.targets.setCurrentText("JF2 of it")
    assert step.options() == {"Method": "CAM", "Target": "JF2", "Model": "m"}
    step.set_targets([("J1 of another", {"Target": "J1", "Model": "n"}), ("JF2 of it", {"Target": "JF2", "Model": "m"})])
    assert step.options()["Target"] == "JF2"  # as chosen, where there still is one
    step.set_targets([("J1 of another", {"Target": "J1", "Model": "n"})])
    assert step.options() == {"Method": "CAM", "Target": "J1", "Model": "n"}


def test_targets_are_those_of_the_map_s_networks(panel):
    """The window has read a map of PCSMO."""
    targets = panel.steps["explain"].targets
    words = [targets.itemText(number) for number in range(targets.count())]
    assert words[:4] == ["most probable model", "pcsmo-goodenough", "pcsmo-dimer", "pcsmo-zener"]
    assert "JF2 of pcsmo-goodenough" in words and "JFU of pcsmo-zener" in words and not any("rb2mnf4" in one for one in words)


def test_an_explanation_that_is_not_faithful_says_so(panel):
    from mantid_insdl.explain.deletion import IMPORTANT_LOG, RANDOM_LOG

    importance = small_map(intensity_unit="importance").scaled(1 / 50)
    step = panel.steps["explain"]
    for falls, word in (((3.0, 1.0), "is faithful"), ((0.5, 1.0), "not faithful"), ((-1.0, -2.0), "not faithful")):
        figures = dict(zip((IMPORTANT_LOG, RANDOM_LOG), falls, strict=True))
        panel.show_answer("explain", Answer({"output": importance}, figures=figures))
        assert word in step.words.text() and "score of the model falls by" in step.words.text()
        panel.show_answer("explain", Answer({"output": importance}, figures=figures, constant="JF2"))
        assert word in step.words.text() and f"JF2 moves by <b>{falls[0]:g}</b>" in step.words.text()
    step.strongest.click()
    assert panel.viewer.index == 2, "the last slice has the largest mean"


def test_a_slider_asks_for_a_simulation_and_a_number_moves_the_slider(panel, qtbot):
    step = panel.steps["simulate"]
    model_of(panel).answer = Answer({"output": panel.viewer.map})
    assert step.options() == {}
    step.sig_material.emit("rb2mnf4")
    asked = []
    step.sig_changed.connect(lambda: asked.append(step.options()["Parameters"]))
    step.values["J1"].setValue(0.7)
    assert asked == ["J1=0.7, J2=0.006, D=-0.0062"]
    assert step.options()["Material"] == "rb2mnf4"
    slider = next(w for w in step.findChildren(type(panel.viewer.energy)) if w.accessibleName() == "J1 slider")
    assert slider.value() == 100, "0.7 is in the middle of 0.2 to 1.2"
    slider.setValue(150)
    assert step.values["J1"].value() == pytest.approx(0.95)
    finished(qtbot, panel)


# ---- what goes on


class Slow(FakeModel):
    """Works until it is cancelled or let go."""

    def __init__(self, **maps):
        super().__init__(**maps)
        self.go, self.threads = threading.Event(), []

    def run(self, task, name, options, control):
        self.threads.append(threading.current_thread())
        while not self.go.wait(0.01):
            control.report(0.25, "working")
            control.check()
        return self.answer


@pytest.fixture
def slow(open_panel, qtbot):
    window = open_panel(Slow(slices=small_map()))
    qtbot.waitUntil(lambda: window.viewer.map is not None, timeout=WAIT)
    return window


def model_of(window):
    return window._presenter._model


def test_work_is_done_in_another_thread_with_progress_and_the_window_stays_alive(slow, qtbot):
    slow.steps["denoise"].button.click()
    qtbot.waitUntil(lambda: slow.progress.value() == 250, timeout=WAIT)
    assert slow.progress.isVisible() and slow.cancel.isEnabled() and not slow.steps["classify"].button.isEnabled()
    assert model_of(slow).threads[0] is not threading.main_thread()
    slow.viewer.energy.setValue(1)
    assert slow.viewer.window.text() == "10 to 15 meV"
    small = small_map()
    model_of(slow).answer = Answer({"output": small, "residual": small})
    model_of(slow).go.set()
    finished(qtbot, slow)
    assert [one.title for one in slow.steps["denoise"].canvas.pictures] == ["denoised", "measured - denoised"]
    assert not slow.progress.isVisible() and slow.steps["classify"].button.isEnabled()


def test_f5_runs_the_step_and_escape_cancels_it(slow, qtbot):
    with qtbot.waitActive(slow, timeout=WAIT):
        slow.activateWindow()
    qtbot.keyClick(slow, Qt.Key.Key_F5)
    qtbot.waitUntil(lambda: slow.progress.value() == 250, timeout=WAIT)
    qtbot.keyClick(slow, Qt.Key.Key_Escape)
    finished(qtbot, slow)
    assert slow.message.text().startswith("Cancelled")


def test_closing_while_a_task_runs_ends_it(slow, qtbot):
    slow.steps["denoise"].button.click()
    qtbot.waitUntil(lambda: slow.progress.value() == 250, timeout=WAIT)
    slow.close()
    assert slow.background.wait(10)
    assert model_of(slow).closed
    for _ in range(5):
        QApplication.processEvents()


def test_a_fault_in_a_slot_is_a_sentence(panel, monkeypatch):
    monkeypatch.setattr(panel._presenter, "copy_script", lambda: 1 / 0)
    panel.script.click()
    assert "Unexpected ZeroDivisionError" in panel.message.text()


def test_script_goes_to_the_clipboard_and_help_opens_a_page(panel, qtbot):
    panel.script.click()
    assert QGuiApplication.clipboard().text() == "print('a script')\n"
    panel.tabs.setCurrentIndex(3)
    panel.help.click()
    (page,) = panel.findChildren(QTextBrowser)
    assert "Grad-CAM" in page.toPlainText() and ".. algorithm" not in page.toPlainText()


def test_pictures_open_as_a_figure_of_pyplot(panel, monkeypatch):
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot.Figure, "show", lambda figure: None)
    m = panel.viewer.map
    panel.show_answer("denoise", Answer({"output": m, "residual": m}))
    panel.tabs.setCurrentIndex(0)
    before = pyplot.get_fignums()
    panel.figure.click()
    (number,) = set(pyplot.get_fignums()) - set(before)
    made = pyplot.figure(number)
    assert [axes.get_title() for axes in made.axes if axes.get_title()] == ["measured", "denoised", "measured - denoised"]
    assert made.get_suptitle() == "slices: Ei 50 meV, 5-10 meV"
    pyplot.close(made)


def test_size_and_step_are_kept(panel, open_panel, settings):
    panel.tabs.setCurrentIndex(2)
    panel.resize(1100, 650)
    panel.close()
    again = open_panel(FakeModel())
    assert again.tabs.currentIndex() == 2
    if QGuiApplication.primaryScreen().size().width() > 1100:  # Qt makes a window no larger than the screen
        assert again.size() == panel.size()
    assert set(settings.allKeys()) == {"geometry", "splitter", "step"}


def test_settings_that_something_else_has_written_do_no_harm(open_panel, settings):
    for name in ("geometry", "splitter", "step"):
        settings.setValue(name, "nonsense")
    assert open_panel(FakeModel()).tabs.currentIndex() == 0


def test_it_fits_into_1280_by_720_with_every_answer(panel, qtbot):
    m = panel.viewer.map
    rows = tuple((f"J{i}", 0.1, 0.01, "meV") for i in range(12))
    sentences = ("first",) + ("A sentence about what limits the answer, which is as long as they usually are, or a little longer.",) * 4
    panel.show_answer("exchange", Answer({"fit": m}, ("Name", "Value", "Error", "Unit"), rows, in_range=True, sentences=sentences))
    panel.show_answer("classify", MODELS)
    panel.steps["simulate"].sig_material.emit("pcsmo-goodenough")
    QApplication.processEvents()
    size = panel.minimumSizeHint()
    assert size.width() <= 1280 and size.height() <= 690, (size.width(), size.height())


def test_everything_can_be_reached_by_keyboard(panel, qtbot):
    qtbot.waitExposed(panel)
    reached, widget = set(), panel.input.nextInFocusChain()
    while widget is not panel.input:
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            reached.add(widget)
        widget = widget.nextInFocusChain()
    viewer, step = panel.viewer, panel.steps["denoise"]
    wanted = {panel.open, panel.material, viewer.ei, viewer.energy, viewer.brightness, step.button, panel.script, panel.help}
    assert wanted <= reached


def test_no_two_things_that_can_be_seen_together_have_the_same_letter(panel, qtbot):
    panel.steps["simulate"].sig_material.emit("pcsmo-goodenough")
    for number in range(panel.tabs.count()):
        panel.tabs.setCurrentIndex(number)
        seen = [w.text() for kind in (QPushButton, QLabel) for w in panel.findChildren(kind) if w.isVisible()]
        seen += [panel.tabs.tabText(i) for i in range(panel.tabs.count())]
        letters = [found[1].lower() for text in seen if (found := re.search("&(.)", text))]
        assert len(letters) == len(set(letters)) > 10, sorted(letters)


# ---- over Mantid and over the library


def test_changes_of_the_data_service_while_the_window_is_open(open_panel, qtbot, data_service, observers, example):
    from mantid.simpleapi import RenameWorkspace

    from mantid_insdl.plugin.workspaces import to_workspace

    window = open_panel(MantidModel())
    assert window.input.count() == 0
    few = example.select(slice(0, 30, 10))
    thread = threading.Thread(target=lambda: data_service.addOrReplace("one", to_workspace(few)))
    thread.start()  # as an algorithm does
    thread.join()
    qtbot.waitUntil(lambda: window.viewer.map is not None, timeout=WAIT)
    assert window.input.currentText() == "one"
    RenameWorkspace(InputWorkspace="one", OutputWorkspace="two")
    qtbot.waitUntil(lambda: window.input.currentText() == "two", timeout=WAIT)
    data_service.addOrReplace("two", to_workspace(few.replace(material="pcsmo")))
    qtbot.waitUntil(lambda: window.material.currentText() == "pcsmo", timeout=WAIT)
    data_service.clear()
    qtbot.waitUntil(lambda: window.input.count() == 0, timeout=WAIT)
    assert window.viewer.map is not None, "what is shown stays"
    window.steps["denoise"].button.click()
    finished(qtbot, window)
    assert "not there any more" in window.message.text()


@pytest.mark.parametrize("kind", ["mantid", "library"])
def test_a_simulation_by_mouse(open_panel, qtbot, data_service, example, tmp_path, kind):
    import mantid_insdl as insdl

    insdl.save(example.select(slice(0, 30, 10)), tmp_path / "few.nxs")
    window = open_panel(MantidModel() if kind == "mantid" else LibraryModel())
    window._presenter.open_files([str(tmp_path / "few.nxs")])
    qtbot.waitUntil(lambda: window.viewer.map is not None, timeout=WAIT)
    finished(qtbot, window)
    window.tabs.setCurrentIndex(4)
    step = window.steps["simulate"]
    step.sig_material.emit("rb2mnf4")
    step.values["J1"].setValue(0.7)
    qtbot.waitUntil(lambda: bool(step.canvas.pictures), timeout=WAIT)
    finished(qtbot, window)
    wanted = insdl.simulate("rb2mnf4", {"J1": 0.7}, like=window.viewer.map)
    values, _ = colours(step.canvas)
    assert values.reshape(40, 40) == pytest.approx(wanted.intensity[0].T, nan_ok=True)


# ---- opening it


def test_show_in_a_running_application_returns_the_window(qtbot, monkeypatch, settings):
    monkeypatch.setattr(interfaces, "_model", lambda: FakeModel(slices=small_map()))
    window = interfaces.show()
    qtbot.addWidget(window)
    assert window.isVisible() and window in interfaces._windows


def test_show_from_another_thread_makes_the_window_in_that_of_the_application(qtbot, monkeypatch):
    """A script of Workbench runs in a thread of its own."""
    monkeypatch.setattr(interfaces, "_model", lambda: FakeModel(slices=small_map()))
    made = []
    thread = threading.Thread(target=lambda: made.append(interfaces.show()))
    thread.start()
    qtbot.waitUntil(lambda: bool(made), timeout=WAIT)
    thread.join()
    qtbot.addWidget(made[0])
    assert made[0].thread() == QApplication.instance().thread() and made[0].isVisible()


STANDALONE = """
import os, signal, sys
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from mantid_insdl import interfaces

opened = interfaces._open

def fail(window):
    QTimer.singleShot(200, lambda: (print(window.message.text()), window.close()))
    1 / 0

def open_and_end(files):
    window, background = opened(files)
    ends = {"close": window.close, "signal": lambda: os.kill(os.getpid(), signal.SIGINT), "fault": lambda: fail(window)}
    QTimer.singleShot(200, ends[sys.argv[1]])
    return window, background

interfaces._open = open_and_end
print(type(interfaces.show()).__name__)
"""


@pytest.mark.parametrize("end", ["close", "signal", "fault"])
def test_standalone_it_stays_until_the_window_is_closed(end, tmp_path):
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-P", "-c", STANDALONE, end]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    *said, name = done.stdout.splitlines()
    assert name == "PanelWindow"
    assert [line[:33] for line in said] == (["Unexpected ZeroDivisionError: div"] if end == "fault" else [])


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from 3.12 on None and True cannot be lost")
def test_the_binding_counts_references(panel, qtbot):
    """PySide6 6.12.0 does not, and is left out by the extra `panel`: each call that is posted loses a reference to True, until the
    process aborts."""
    wanted = next(one for one in map(Requirement, metadata.requires("mantid_insdl")) if one.name.lower() == "pyside6-essentials")
    if API_NAME == "PySide6" and not wanted.specifier.contains(PYSIDE_VERSION, prereleases=True):
        pytest.skip(f"PySide6 {PYSIDE_VERSION} is left out by `{wanted.specifier}`")
    before = [sys.getrefcount(one) for one in (None, True, False)]
    done = []
    for number in range(300):
        panel.post(lambda number=number: done.append(number))
    qtbot.waitUntil(lambda: len(done) == 300, timeout=WAIT)
    lost = [earlier - sys.getrefcount(one) for earlier, one in zip(before, (None, True, False), strict=True)]
    assert max(lost) < 150, lost


def test_calls_posted_by_threads_come_in_the_thread_of_the_window(panel, qtbot):
    seen = []
    thread = threading.Thread(target=lambda: panel.post(lambda: seen.append(threading.current_thread())))
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: bool(seen), timeout=WAIT)
    assert seen == [threading.main_thread()]
