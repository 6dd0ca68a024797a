"""The steps of the panel, a tab each: what can be chosen, the answer in words, tables and pictures."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from mantid_insdl.explain.deletion import IMPORTANT_LOG, RANDOM_LOG, SHARE
from mantid_insdl.fitting.results import NONE_OF_THESE, UNDECIDED
from mantid_insdl.interfaces.model import Answer
from mantid_insdl.interfaces.view_file import MATERIAL_FILES, FileField
from mantid_insdl.interfaces.view_map import Picture, SliceCanvas
from mantid_insdl.maps import Map

_ROWS = 7  # of a table that are seen at once: the pictures below need their place


class Step(QWidget):
    """A tab: a button and its options, sentences, and a canvas with pictures of the shown slice."""

    sig_run = Signal(str)

    task = ""
    title = ""
    verb = "&Run"
    explanation = ""

    def __init__(self) -> None:
        super().__init__()
        self.button = QPushButton(self.verb)
        self.button.clicked.connect(lambda: self.sig_run.emit(self.task))
        self.row = QHBoxLayout()
        self.row.addWidget(self.button)
        self.row.addStretch(1)
        self.words = QLabel(self.explanation, wordWrap=True)
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard)
        self.canvas = SliceCanvas(self.title)
        self._options: dict[str, Callable[[], str]] = {}
        self.body = QVBoxLayout(self)
        self.body.addLayout(self.row)
        self.body.addWidget(self.words)
        self.build()
        self.body.addWidget(self.canvas, 1)
        self.build_below()

    def build(self) -> None:
        """Add what this step has above its pictures."""

    def build_below(self) -> None:
        """Add what it has below them."""

    def set_options(self, options: dict[str, tuple[str, ...]]) -> None:
        """The choices that this version of the algorithm has: a list of values, or a file where there are none."""
        for name, values in options.items():
            label = QLabel(name)
            if values:
                widget: QWidget = QComboBox(accessibleName=name)
                widget.addItems(values)
                self._options[name] = widget.currentText
            else:
                widget = FileField(name, MATERIAL_FILES)
                self._options[name] = widget.text
            label.setBuddy(widget)
            self.row.insertWidget(self.row.count() - 1, label)
            self.row.insertWidget(self.row.count() - 1, widget)

    def options(self) -> dict[str, Any]:
        """What was chosen, by the algorithm's properties."""
        return {name: read() for name, read in self._options.items()}

    def show_answer(self, answer: Answer | None, measured: Map | None) -> None:
        """Show an answer, or that there is none yet."""
        self.words.setText(self.in_words(answer) if answer is not None else self.explanation)
        pictures = self.pictures(answer, measured) if answer is not None and measured is not None else []
        fits = all(one.map.slices.size == measured.slices.size for one in pictures)
        self.canvas.show_pictures(*(pictures if fits else []))

    def in_words(self, answer: Answer) -> str:
        """The text above the pictures."""
        return _lines(answer.sentences)

    def pictures(self, answer: Answer, measured: Map) -> list[Picture]:
        """What to draw."""
        return []


def _lines(sentences: Sequence[str]) -> str:
    """Rich text of plain sentences, a line each."""
    return "<br>".join(html.escape(sentence) for sentence in sentences)


class DenoiseStep(Step):
    """The map without its noise, and what was taken away."""

    task, title, verb = "denoise", "&1 Denoise", "&Denoise"
    explanation = "The magnetic intensity without counting noise, and what is left: it should be noise, without any pattern."

    def in_words(self, answer: Answer) -> str:
        return self.explanation

    def pictures(self, answer: Answer, measured: Map) -> list[Picture]:
        residual = answer.maps["residual"]
        return [Picture("denoised", answer.maps["output"], like=measured), Picture("measured - denoised", residual, signed=True)]


class ClassifyStep(Step):
    """Probabilities with error bars, a verdict, and why there may be none."""

    task, title, verb = "classify", "&2 Which model?", "C&lassify"
    explanation = "Which magnetic model the map shows, with what probability, and whether a simulation of it explains the map."

    def build(self) -> None:
        self.verdict = QLabel()
        self.verdict.setTextFormat(Qt.TextFormat.RichText)
        self.body.insertWidget(1, self.verdict)
        self.bars = FigureCanvasQTAgg(Figure(facecolor="white"))
        self.bars.setAccessibleName("Probabilities of the models")
        self.table = Table("Models")
        self.body.addWidget(self.table)
        self.bars.setMinimumHeight(160)
        self.bars.setMaximumHeight(260)
        self.body.addWidget(self.bars, 1)
        self.canvas.hide()
        self.body.addStretch(1)

    def show_answer(self, answer: Answer | None, measured: Map | None) -> None:
        super().show_answer(answer, measured)
        self.verdict.setText(_verdict(answer) if answer is not None else "")
        self.table.show_rows(answer)
        self.bars.figure.clear()
        if answer is not None:
            draw_probabilities(self.bars.figure, answer)
        self.bars.draw_idle()


def _alarm(text: str) -> str:
    return f"<b style='color:#a33'>{text}</b>"


def _verdict(answer: Answer) -> str:
    if answer.verdict in ("", UNDECIDED, NONE_OF_THESE):
        reason = "" if answer.in_range else " The probabilities mean nothing here."
        return _alarm("It cannot be told from this map.") + reason
    return f"<b style='color:#060'>The map shows {html.escape(answer.verdict)}.</b>"


def draw_probabilities(figure: Figure, answer: Answer) -> None:
    """A bar for each model and method: of the network with its error, and of a fit where the table has its probability too."""
    models = [row[0] for row in answer.rows]
    column = dict(zip(answer.columns, zip(*answer.rows, strict=True), strict=True))
    found = {
        name.removesuffix("Probability").lower() or "network": values for name, values in column.items() if name.endswith("Probability")
    }
    if not found:
        return
    axes = figure.add_axes((0.3, 0.3, 0.65, 0.65 if len(found) == 1 else 0.55))
    height = 0.8 / len(found)
    for number, (method, values) in enumerate(found.items()):
        errors = column.get("Uncertainty") if method == "network" else None
        places = np.arange(len(models)) + (number - (len(found) - 1) / 2) * height
        style = {"capsize": 4, "label": method, "height": 0.9 * height, "color": f"C{number}", "alpha": 1.0 if answer.in_range else 0.4}
        axes.barh(places, values, xerr=errors, **style)
    axes.set(xlim=(0, 1.05), yticks=range(len(models)), yticklabels=models, xlabel="probability")
    axes.tick_params(labelsize=9)
    axes.invert_yaxis()
    if len(found) > 1:
        axes.legend(fontsize=8, ncols=len(found), loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False)  # above: no bar is there


class ExchangeStep(Step):
    """Constants with errors, what the map cannot tell, and data, fit and residual."""

    task, title, verb = "exchange", "&3 Exchange constants", "&Estimate"
    explanation = "The exchange constants with their errors, and the map that they give beside the measured one."

    def build(self) -> None:
        self.table = Table("Exchange constants")
        self.body.addWidget(self.table)

    def show_answer(self, answer: Answer | None, measured: Map | None) -> None:
        super().show_answer(answer, measured)
        self.table.show_rows(answer)

    def in_words(self, answer: Answer) -> str:
        head = "" if answer.in_range else _alarm("There is no answer: the values are not given.") + "<br>"
        told = answer.sentences[1:] if answer.in_range else answer.sentences  # the first repeats the table
        return head + f"<b>{html.escape(answer.material)}</b><br>" + _lines(told)

    def pictures(self, answer: Answer, measured: Map) -> list[Picture]:
        if "fit" not in answer.maps:
            return [Picture("measured", measured)]
        fit = answer.maps["fit"]
        residual = measured.replace(intensity=measured.intensity - fit.intensity, error=None, mask=measured.mask | fit.mask)
        pictures = [Picture("measured", measured), Picture("fit", fit, like=measured)]
        return [*pictures, Picture("measured - fit", residual, signed=True)]


class ExplainStep(Step):
    """The pixels that decided, over the map, and whether they did."""

    sig_slice = Signal(int)

    task, title, verb = "explain", "&4 Why?", "E&xplain"
    explanation = "Which pixels decided the answer of a network, and whether masking them changes it."

    def build(self) -> None:
        self.targets = QComboBox(accessibleName="Target")
        label = QLabel("Ta&rget")
        label.setBuddy(self.targets)
        self.row.insertWidget(1, label)
        self.row.insertWidget(2, self.targets)
        self.strongest = QPushButton("Show the &strongest slice")
        self.strongest.clicked.connect(lambda: self.sig_slice.emit(int(np.argmax(self._means))))
        self.row.insertWidget(3, self.strongest)
        self.bars = FigureCanvasQTAgg(Figure(facecolor="white"))
        self.bars.setAccessibleName("Mean importance of each slice")
        self.bars.setFixedHeight(130)
        self._means = np.zeros(0)
        self.set_targets([])

    def build_below(self) -> None:
        self.body.addWidget(self.bars)

    def show_answer(self, answer: Answer | None, measured: Map | None) -> None:
        super().show_answer(answer, measured)
        importance = answer.maps["output"] if answer is not None else None
        self._means = np.zeros(0) if importance is None else np.nan_to_num(importance.intensity).mean(axis=(1, 2))
        self.strongest.setEnabled(importance is not None)
        self.bars.figure.clear()
        if importance is not None:
            draw_means(self.bars.figure, importance, self._means)
        self.bars.draw_idle()

    def set_targets(self, targets: Sequence[tuple[str, Mapping[str, str]]]) -> None:
        """What can be explained, in words, and the options of each; what was chosen stays where it is among them."""
        chosen = self.targets.currentText()
        self.targets.clear()
        for words, options in targets:
            self.targets.addItem(words, dict(options))
        self.targets.setCurrentIndex(max(self.targets.findText(chosen), 0))

    def options(self) -> dict[str, Any]:
        return super().options() | (self.targets.currentData() or {})

    def in_words(self, answer: Answer) -> str:
        if not answer.figures:
            return self.explanation
        important, by_chance = answer.figures[IMPORTANT_LOG], answer.figures[RANDOM_LOG]
        told = "Orange is importance, with lines at 0.5 and 0.8 of the largest; blue is masked.<br>"
        without, constant = f"Without the {SHARE:.0%} of the pixels that it points at,", html.escape(answer.constant)
        if constant:
            told += f"{without} {constant} moves by <b>{important:.3g}</b>, without as many random pixels by {by_chance:.3g} "
            told += "(as log((x - low) / (high - x)) of its range). "
        else:
            told += f"{without} the score of the model falls by <b>{important:.3g}</b>; without as many random pixels by {by_chance:.3g}. "
        if important > max(by_chance, 0):
            return told + "The explanation is faithful."
        return told + _alarm("The explanation is not faithful: do not use it.")

    def pictures(self, answer: Answer, measured: Map) -> list[Picture]:
        importance = answer.maps["output"]
        return [Picture("importance over the map", measured, importance=importance)]


def draw_means(figure: Figure, importance: Map, means: np.ndarray) -> None:
    """The mean importance of each slice at its energy, in a colour for each incident energy."""
    axes = figure.add_axes((0.1, 0.33, 0.87, 0.5))
    slices = importance.slices
    for group in slices.groups_by_ei():
        widths = slices.energy_max[group] - slices.energy_min[group]
        label = f"Ei {slices.ei[group[0]]:g} meV"
        axes.bar(slices.centres[group], means[group], width=0.9 * widths, alpha=0.6, label=label)
    axes.set_xlabel("energy transfer (meV)", fontsize=8)
    axes.set_ylabel("mean of slice", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, ncols=9, loc="lower right", bbox_to_anchor=(1.0, 0.96), frameon=False)  # above: no bar is there


class Table(QTableWidget):
    """A small table of an answer; it can be copied from."""

    def __init__(self, name: str):
        super().__init__(0, 0)
        self.setAccessibleName(name)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.verticalHeader().setDefaultSectionSize(24)
        self.hide()

    def show_rows(self, answer: Answer | None) -> None:
        """The table of an answer; hidden where it has none."""
        rows = answer.rows if answer is not None else ()
        self.setVisible(bool(rows))
        self.setRowCount(len(rows))
        self.setColumnCount(len(answer.columns) if rows else 0)
        if not rows:
            return
        self.setHorizontalHeaderLabels(answer.columns)
        for i, row in enumerate(rows):
            for j, text in enumerate(_texts(answer.columns, row)):
                self.setItem(i, j, QTableWidgetItem(text))
        height = self.horizontalHeader().sizeHint().height() + sum(self.rowHeight(i) for i in range(min(len(rows), _ROWS)))
        self.setFixedHeight(height + 2 * self.frameWidth())


def _texts(columns: Sequence[str], row: Sequence[Any]) -> list[str]:
    """A row in words: a value with an error beside it has as many decimals as two digits of the error need."""
    errors = {name.removesuffix("Error"): one for name, one in zip(columns, row, strict=True) if name.endswith("Error")}

    def text(column: str, value: Any) -> str:
        if isinstance(value, str):
            return value
        error = errors.get(column.removesuffix("Error").removesuffix("Value"), np.nan)
        if np.isfinite(value) and np.isfinite(error) and error > 0:
            return f"{value:.{max(0, 1 - int(np.floor(np.log10(error))))}f}"
        return _number(column, value)

    return [text(column, value) for column, value in zip(columns, row, strict=True)]


def _number(column: str, value: float) -> str:
    if np.isnan(value):
        return "–" if column.startswith("Network") else "not given"  # a network knows no width of the lines
    if column.endswith("Probability") or column == "Uncertainty":
        return f"{value:.3f}"
    if column == "LogLikelihood":  # only differences count, and they are small beside it
        return f"{value:.1f}"
    return f"{value:.2g}" if column.endswith("Error") else f"{value:.4g}"
