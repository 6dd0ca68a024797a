"""The window: input and map on the left, the steps on the right, what is going on below. See `presenter.View` for what each call is."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qtpy.QtCore import QEvent, QObject, QSettings, Qt, QTimer, Signal
from qtpy.QtGui import QGuiApplication, QKeySequence
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QProgressBar,
    QPushButton,
    QShortcut,
    QSplitter,
    QTabWidget,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from mantid_insdl.interfaces.help import page
from mantid_insdl.interfaces.model import Answer, Input
from mantid_insdl.interfaces.presenter import Presenter
from mantid_insdl.interfaces.view_file import MASK_FILES, FileField
from mantid_insdl.interfaces.view_map import MapViewer, draw_pictures
from mantid_insdl.interfaces.view_simulate import SimulateStep
from mantid_insdl.interfaces.view_steps import ClassifyStep, DenoiseStep, ExchangeStep, ExplainStep
from mantid_insdl.materials import Parameter
from mantid_insdl.untrusted.text import literal

_FILES = "Maps (*.nxs *.nxspe *.npz *.h5 *.hdf5);;All files (*)"
_LATER = 50  # ms
_REST = 250  # ms without a change: less than a hand needs to take a slider again, more than between two steps of one that it holds


class Poster(QObject):
    """Calls functions in the thread that made it, for any thread."""

    _sig_call = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._sig_call.connect(lambda call: call(), Qt.ConnectionType.QueuedConnection)

    def post(self, call: Callable[[], Any]) -> None:
        """Call a function soon; nothing happens where the application has ended."""
        with contextlib.suppress(RuntimeError):  # the C++ part of this object is gone
            self._sig_call.emit(call)


class PanelWindow(QMainWindow):
    """The view of the panel.

    Parameters
    ----------
    title
        What the panel works over.
    settings
        Where size, folder and step are kept.
    """

    sig_closed = Signal()

    def __init__(self, title: str, settings: QSettings):
        super().__init__()
        self.setWindowTitle(f"Magnetic models from INS maps ({title})")
        self._settings = settings
        self._presenter: Presenter
        self._poster = Poster()
        self._shown: Input | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST)
        self._rest.timeout.connect(lambda: self._tell(self._at_rest))
        self._at_rest: Callable[[], None]
        self.viewer = MapViewer()
        self.steps = {step.task: step for step in (DenoiseStep(), ClassifyStep(), ExchangeStep(), ExplainStep(), SimulateStep())}
        self.tabs = QTabWidget()
        for step in self.steps.values():
            self.tabs.addTab(step, step.title)
            step.sig_run.connect(lambda task: self._tell(lambda: self._presenter.run(task)))
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.addWidget(self._input_side())
        self.splitter.addWidget(self.tabs)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setSizes([480, 780])
        middle = QWidget()
        layout = QVBoxLayout(middle)
        layout.addWidget(self.splitter, 1)
        layout.addLayout(self._bottom())
        self.setCentralWidget(middle)
        self._connect()
        self.show_busy("")
        self.resize(1260, 690)
        self._restore()

    # ---- parts

    def _input_side(self) -> QWidget:
        self.input = QComboBox(accessibleName="Map")
        self.input.setPlaceholderText("no map yet")
        self.open = QPushButton("&Open file…")
        first = QHBoxLayout()
        first.addWidget(self.input, 1)
        first.addWidget(self.open)
        self.understood = QLabel(wordWrap=True)
        self.ei = QDoubleSpinBox(minimum=0.0, maximum=1e4, decimals=2, suffix=" meV", accessibleName="Incident energy to set")
        self.ei.setSpecialValueText("please give Ei")
        self.set_ei = QPushButton("Set")
        self.ei_row = QWidget()
        row = QHBoxLayout(self.ei_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.ei, 1)
        row.addWidget(self.set_ei)
        self.material = QComboBox(accessibleName="Material of the map")
        self.material.setPlaceholderText("please choose the material")
        self.mask = FileField("Mask of detector gaps", MASK_FILES)
        form = QFormLayout()
        label = QLabel("&Map")
        label.setBuddy(self.input)
        form.addRow(label, first)
        form.addRow(self.understood)
        form.addRow("Set Ei", self.ei_row)
        form.addRow("Ma&terial", self.material)
        form.addRow("Mas&k", self.mask)
        self.form = form
        side = QWidget()
        layout = QVBoxLayout(side)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.viewer, 1)
        return side

    def _bottom(self) -> QHBoxLayout:
        self.message = QLabel(wordWrap=True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.progress = QProgressBar(accessibleName="Progress")
        self.progress.setMaximum(1000)
        self.progress.setFixedWidth(260)
        policy = self.progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # the message beside it must not jump with each move of a slider
        self.progress.setSizePolicy(policy)
        self.cancel = QPushButton("&Cancel")
        self.figure = QPushButton("Open as fi&gure")
        self.script = QPushButton("Cop&y as script")
        self.help = QPushButton("&Help")
        row = QHBoxLayout()
        row.addWidget(self.message, 1)
        for widget in (self.progress, self.cancel, self.figure, self.script, self.help):
            row.addWidget(widget)
        return row

    def _connect(self) -> None:
        simulate = self.steps["simulate"]
        for signal, call in (
            (self.input.activated, lambda *_: self._presenter.choose(self.input.currentText())),
            (self.open.clicked, lambda *_: self._choose_files()),
            (self.set_ei.clicked, lambda *_: self._presenter.set_ei(self.ei.value()) if self.ei.value() > 0 else self.ask_for("Ei")),
            (self.material.activated, lambda *_: self._presenter.set_material(self.material.currentText())),
            (self.mask.sig_chosen, lambda path: self._presenter.set_mask(path)),  # noqa: PLW0108 (there is none yet)
            (self.cancel.clicked, lambda *_: self._presenter.cancel()),
            (self.figure.clicked, lambda *_: self._open_figure()),
            (self.script.clicked, lambda *_: self._presenter.copy_script()),
            (self.help.clicked, lambda *_: self._presenter.help(self.task)),
            (simulate.sig_material, lambda name: self._presenter.choose_material(name)),  # noqa: PLW0108 (there is none yet)
            (simulate.sig_fitted, lambda *_: self._presenter.take_fitted()),
            (simulate.sig_changed, lambda *_: self._presenter.simulate()),
        ):
            signal.connect(lambda *given, call=call: self._tell(lambda: call(*given)))
        self.viewer.sig_slice.connect(self._show_slice)
        self.steps["explain"].sig_slice.connect(self.viewer.go_to)
        self.tabs.currentChanged.connect(lambda number: self._show_slice(self.viewer.index, self.viewer.factor))
        for keys, button in (
            (QKeySequence(QKeySequence.StandardKey.Open), self.open),
            (QKeySequence(QKeySequence.StandardKey.HelpContents), self.help),
            (QKeySequence("Ctrl+Shift+C"), self.script),
            (QKeySequence("Esc"), self.cancel),
        ):
            QShortcut(keys, self).activated.connect(button.click)
        QShortcut(QKeySequence("F5"), self).activated.connect(self._run_shown_step)

    def _tell(self, call: Callable[[], None]) -> None:
        """Tell the presenter; a fault of it becomes a sentence and does not end the application."""
        try:
            call()
        except Exception as error:
            self.show_failure(error)

    def _run_shown_step(self) -> None:
        self.steps[self.task].button.click()

    @property
    def task(self) -> str:
        """The step whose tab is open."""
        return self.tabs.currentWidget().task

    def _choose_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Open maps", str(self._settings.value("folder", "")), _FILES)
        if paths:
            self._settings.setValue("folder", paths[0].replace("\\", "/").rpartition("/")[0])
            self._presenter.open_files(paths)

    def _open_figure(self) -> None:
        """The pictures that are shown, as a figure of pyplot: in Workbench one of its plots."""
        from matplotlib import pyplot

        shown = (*self.viewer.canvas.pictures, *self.steps[self.task].canvas.pictures)
        pictures = list({picture.title: picture for picture in shown}.values())
        if pictures:
            figure = pyplot.figure(figsize=(4 * len(pictures), 4))
            draw_pictures(figure, pictures, self.viewer.index, self.viewer.factor)
            figure.suptitle(literal(f"{self._shown.name}: {self._shown.map.slices.describe(self.viewer.index)}"), fontsize=9)
            figure.show()

    # ---- what the presenter needs

    def connect(self, presenter: Presenter) -> None:
        self._presenter = presenter

    def post(self, call: Callable[[], Any]) -> None:
        self._poster.post(lambda: self._tell(call))

    def later(self, call: Callable[[], None]) -> None:
        QTimer.singleShot(_LATER, lambda: self._tell(call))

    def at_rest(self, call: Callable[[], None]) -> None:
        self._at_rest = call
        self._rest.start()  # anew, where it runs already

    def slice_shown(self) -> int:
        return self.viewer.index

    def set_inputs(self, names: Sequence[str], current: str) -> None:
        if [self.input.itemText(i) for i in range(self.input.count())] != list(names):  # else an open list would close
            self.input.clear()
            self.input.addItems(list(names))
        self.input.setCurrentIndex(self.input.findText(current) if current else -1)

    def set_materials(self, measured: Sequence[str], simulated: Sequence[str]) -> None:
        self.material.addItems(list(measured))
        self.material.setCurrentIndex(-1)
        self.steps["simulate"].set_materials(simulated)

    def set_options(self, task: str, options: Mapping[str, tuple[str, ...]]) -> None:
        self.steps[task].set_options(dict(options))

    def set_parameters(self, material: str, parameters: Sequence[Parameter], values: Mapping[str, float]) -> None:
        self.steps["simulate"].set_parameters(material, parameters, values)

    def set_targets(self, targets: Sequence[tuple[str, Mapping[str, str]]]) -> None:
        self.steps["explain"].set_targets(targets)

    def options(self, task: str) -> dict[str, Any]:
        return self.steps[task].options()

    def show_input(self, shown: Input | None) -> None:
        if self._shown is None or shown is None or shown.name != self._shown.name:
            self.mask.clear()  # it was the mask of another
        self._shown = shown
        m = shown.map if shown is not None else None
        told = shown.describe() if shown is not None else []
        self.understood.setText("<br>".join(f"<b>{what}</b> {html.escape(value)}" for what, value in told))
        for part in (self.ei_row, self.form.labelForField(self.ei_row)):
            part.setVisible(shown is not None and "Ei" in shown.missing)
        for field in (self.material, self.mask):
            field.setEnabled(m is not None)
        if m is not None and m.material and self.material.findText(m.material) < 0:
            self.material.addItem(m.material)
        self.material.setCurrentIndex(self.material.findText(m.material) if m is not None and m.material else -1)
        self.viewer.show_map(m)

    def show_answer(self, task: str, answer: Answer | None) -> None:
        measured = self._shown.map if self._shown is not None else None
        self.steps[task].show_answer(answer, measured)
        self._show_slice(self.viewer.index, self.viewer.factor)

    def _show_slice(self, index: int, brightness: float) -> None:
        self.steps[self.task].canvas.show_slice(index, brightness)

    def show_busy(self, task: str) -> None:
        busy = bool(task)
        self.progress.setVisible(busy)
        self.cancel.setEnabled(busy)
        for step in self.steps.values():
            step.button.setEnabled(not busy or task == "simulate")

    def show_progress(self, fraction: float, text: str) -> None:
        self.progress.setValue(round(1000 * fraction))
        self.progress.setFormat(f"{text} %p%")

    def show_message(self, text: str, *, error: bool = False) -> None:
        self.message.setText(text)
        self.message.setStyleSheet("color: #a00;" if error else "")

    def show_failure(self, error: BaseException) -> None:
        """Say what went wrong in a call of Qt's."""
        self._presenter.failed(error)

    def show_help(self, algorithm: str) -> None:
        dialog = QDialog(self)
        dialog.setWindowTitle(algorithm)
        dialog.resize(800, 600)
        text = QTextBrowser()
        text.setMarkdown(page(algorithm))
        QVBoxLayout(dialog).addWidget(text)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.show()

    def ask_for(self, missing: str) -> None:
        (self.ei if missing == "Ei" else self.material).setFocus(Qt.FocusReason.OtherFocusReason)

    def copy(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)

    # ---- coming and going

    def _restore(self) -> None:
        for name, restore in (
            ("geometry", self.restoreGeometry),
            ("splitter", self.splitter.restoreState),
            ("step", lambda number: self.tabs.setCurrentIndex(int(number))),
        ):
            if (kept := self._settings.value(name)) is not None:
                with contextlib.suppress(TypeError, ValueError):  # written by something else
                    restore(kept)

    def closeEvent(self, event: QEvent) -> None:
        self._presenter.close()
        self._settings.setValue("geometry", self.saveGeometry())
        self._settings.setValue("splitter", self.splitter.saveState())
        self._settings.setValue("step", self.tabs.currentIndex())
        super().closeEvent(event)
        self.sig_closed.emit()
