"""The step in which the user moves the constants of a material and sees the map that they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFileDialog, QGridLayout, QLabel, QPushButton, QSlider

from mantid_insdl.interfaces.model import Answer
from mantid_insdl.interfaces.view_file import MATERIAL_FILES
from mantid_insdl.interfaces.view_map import Picture
from mantid_insdl.interfaces.view_steps import Step
from mantid_insdl.maps import Map
from mantid_insdl.materials import Parameter

_STEPS = 200  # of a slider


class SimulateStep(Step):
    """A slider and a number for each constant; the map follows them."""

    sig_material = Signal(str)
    sig_fitted = Signal()
    sig_changed = Signal()

    task, title, verb = "simulate", "&5 Simulate", "&Simulate"
    explanation = "Spin waves on the axes of the map: choose a material and move its constants."

    def build(self) -> None:
        self.material = QComboBox(accessibleName="Material to simulate")
        self.material.setPlaceholderText("choose a material")
        file = QPushButton("&File…")
        fitted = QPushButton("Take the estimated consta&nts")
        for place, widget in enumerate((self.material, file, fitted), start=1):
            self.row.insertWidget(place, widget)
        self.sliders = QGridLayout()
        self.body.addLayout(self.sliders)
        self.values: dict[str, QDoubleSpinBox] = {}
        self._shown = ""  # the material whose constants the sliders are
        self._whole: Map | None = None  # the last simulation of all slices, whose colours the next ones have while they are made one by one
        self.material.activated.connect(lambda: self.sig_material.emit(self.material.currentData()))
        file.clicked.connect(self._choose_file)
        fitted.clicked.connect(self.sig_fitted)

    def set_materials(self, names: Sequence[str]) -> None:
        """What comes with the package; files are added as they are chosen."""
        for name in names:
            self.material.addItem(name, name)
        self.material.setCurrentIndex(-1)

    def _choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Material file", "", MATERIAL_FILES)
        if path:
            self.sig_material.emit(path)

    def set_parameters(self, material: str, parameters: Sequence[Parameter], values: Mapping[str, float]) -> None:
        """Sliders for the constants of a material, at `values`."""
        if self.material.findData(material) < 0:
            self.material.addItem(material.replace("\\", "/").rpartition("/")[2], material)
        self.material.setCurrentIndex(self.material.findData(material))
        self._shown = material
        while self.sliders.count():
            self.sliders.takeAt(0).widget().deleteLater()
        self.values = {}
        for number, parameter in enumerate(parameters):
            self._add(number, parameter, values[parameter.name])

    def _add(self, number: int, parameter: Parameter, value: float) -> None:
        low, high = min(parameter.low, value), max(parameter.high, value)
        spin = QDoubleSpinBox(decimals=4, minimum=min(low, -1e3), maximum=max(high, 1e3), singleStep=(high - low) / _STEPS or 0.01)
        spin.setSuffix(f" {parameter.unit}")
        spin.setKeyboardTracking(False)
        spin.setAccessibleName(parameter.name)
        slider = QSlider(Qt.Orientation.Horizontal, maximum=_STEPS, accessibleName=f"{parameter.name} slider")
        for widget in (spin, slider):
            widget.setToolTip(parameter.description)

        def place(number: float) -> int:
            return round((number - low) / (high - low) * _STEPS) if high > low else 0

        def follow(number: float) -> None:
            slider.blockSignals(True)
            slider.setValue(place(number))
            slider.blockSignals(False)

        spin.setValue(value)
        follow(value)
        slider.valueChanged.connect(lambda step: spin.setValue(low + (high - low) * step / _STEPS))
        spin.valueChanged.connect(follow)
        spin.valueChanged.connect(lambda number: self.sig_changed.emit())
        self.values[parameter.name] = spin
        # Two constants in a row of the grid: six must leave room for the pictures.
        label = QLabel(parameter.name)
        label.setBuddy(spin)
        row, column = divmod(number, 2)
        for offset, widget in enumerate((label, slider, spin)):
            self.sliders.addWidget(widget, row, 3 * column + offset)

    def options(self) -> dict[str, Any]:
        if not self._shown:
            return {}
        property_name = "MaterialFile" if self._shown.lower().endswith((".yaml", ".yml")) else "Material"
        values = ", ".join(f"{name}={spin.value():.6g}" for name, spin in self.values.items())
        return {property_name: self._shown, "Parameters": values}

    def in_words(self, answer: Answer) -> str:
        return super().in_words(answer) or self.explanation

    def pictures(self, answer: Answer, measured: Map) -> list[Picture]:
        simulated = answer.maps["output"]
        if answer.only is None:
            self._whole = simulated
            return [Picture("simulated", simulated)]
        like = self._whole if self._whole is not None and self._whole.slices.matches(simulated.slices) else None
        return [Picture("simulated: this slice, the others follow", simulated, like=like)]
