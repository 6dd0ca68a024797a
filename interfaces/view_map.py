"""Pictures of slices: a canvas with several maps side by side, and the viewer with which the user moves through the slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from mpl_toolkits.axes_grid1 import make_axes_locatable
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QSizePolicy, QSlider, QVBoxLayout, QWidget

from mantid_insdl.maps import Map
from mantid_insdl.plotting.maps import UNDER_IMPORTANCE, draw_importance, draw_slice
from mantid_insdl.plotting.style import RESIDUAL, Style, style_of
from mantid_insdl.untrusted.text import literal

_TITLE = 9  # points


@dataclass(frozen=True)
class Picture:
    """One map of a canvas.

    Parameters
    ----------
    title, map
        What is drawn.
    like
        The map whose values give the colours; by default `map` itself. Pictures that are to be compared have the same.
    signed
        A difference, in colours for both signs.
    importance
        Drawn over it.
    """

    title: str
    map: Map
    like: Map | None = None
    signed: bool = False
    importance: Map | None = None

    def is_drawn_as(self, other: Picture) -> bool:
        """Whether only its values and its title differ from those of another."""
        mine, its = self.map, other.map
        alike = mine.slices.matches(its.slices) and all(one.matches(two) for one, two in zip(mine.axes, its.axes, strict=True))
        return alike and self.style == other.style and self.importance is other.importance is None

    @property
    def style(self) -> Style:
        """How its values become colours."""
        return UNDER_IMPORTANCE if self.importance is not None else RESIDUAL if self.signed else style_of(self.map)

    def limits(self, index: int, brightness: float) -> tuple[float, float]:
        """Of the colours of a slice: those of all slices of its incident energy."""
        like = self.like if self.like is not None else self.map
        same_ei = next(group for group in like.slices.groups_by_ei() if index in group)
        low, high = self.style.scale(like.intensity[same_ei])
        return low / brightness, high / brightness


class SliceCanvas(FigureCanvasQTAgg):
    """Maps side by side, the same slice of each."""

    def __init__(self, name: str):
        super().__init__(Figure(facecolor="white"))
        self.pictures: tuple[Picture, ...] = ()
        self._images: list[ScalarMappable] = []
        self._index, self._brightness = 0, 1.0
        self._drawn: Any = None  # the canvas as it was drawn, while of all that is to be seen only the maps may have changed
        self.mpl_connect("draw_event", lambda event: self._keep_drawn())
        self.mpl_connect("resize_event", lambda event: self._forget_drawn())
        self.setMinimumSize(QSize(200, 150))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(name)

    def show_pictures(self, *pictures: Picture) -> None:
        """Draw these from now on."""
        before, self.pictures = self.pictures, pictures
        drawn = len(self._images) == len(pictures) == len(before)
        if not (drawn and all(one.is_drawn_as(other) for one, other in zip(before, pictures, strict=True))):
            self._redraw()
            return
        for image, picture in zip(self._images, pictures, strict=True):
            if image.axes.get_title() != picture.title:
                image.axes.set_title(picture.title, fontsize=_TITLE)
                self._forget_drawn()
        self.show_slice(self._index, self._brightness)

    def show_slice(self, index: int, brightness: float) -> None:
        """Draw this slice, with colours that end at 1 / `brightness` of the usual limit."""
        self._index, self._brightness = index, brightness
        if not self._images or index >= self.pictures[0].map.slices.size or any(one.importance is not None for one in self.pictures):
            self._redraw()
            return
        for image, picture in zip(self._images, self.pictures, strict=True):  # to draw all anew would make the slider drag
            image.set_array(picture.map.intensity[index].T)
            limits = picture.limits(index, brightness)
            if image.get_clim() != limits:
                image.set_clim(*limits)
                self._forget_drawn()
        if self._drawn is None:
            self.draw_idle()
        else:
            self._draw_over()

    def _draw_over(self) -> None:
        """Draw the maps alone, over what they were: a tenth of the time of a drawing of axes and colour bars too."""
        self.restore_region(self._drawn)
        for image in self._images:
            for part in (image.axes.patch, image, *image.axes.spines.values()):
                image.axes.draw_artist(part)
        self.update()

    def _keep_drawn(self) -> None:
        self._drawn = self.copy_from_bbox(self.figure.bbox)

    def _forget_drawn(self) -> None:
        self._drawn = None

    def _redraw(self) -> None:
        self._forget_drawn()
        self._images = draw_pictures(self.figure, self.pictures, self._index, self._brightness)
        self.draw_idle()


def draw_pictures(figure: Figure, pictures: Sequence[Picture], index: int, brightness: float) -> list[ScalarMappable]:
    """One slice of each map side by side, with the colours of all slices of its incident energy; returns what has the colours."""
    figure.clear()
    if not pictures or index >= pictures[0].map.slices.size:
        return []
    axes = figure.subplots(1, len(pictures), squeeze=False)[0]
    images = [_draw(one, picture, index, brightness) for one, picture in zip(axes, pictures, strict=True)]
    for one in axes[1:]:
        one.set_ylabel("")  # as on the left: the maps need the place
    width = max(float(figure.get_figwidth()), 3.0)
    figure.subplots_adjust(left=0.75 / width, right=1 - 0.4 / width, bottom=0.17, top=0.9, wspace=0.28)
    return images


def _draw(axes: Axes, picture: Picture, index: int, brightness: float) -> ScalarMappable:
    image = draw_slice(axes, picture.map, index, picture.style, picture.style.norm(picture.limits(index, brightness)))
    if picture.importance is not None:
        draw_importance(axes, picture.importance, index)
    else:
        beside = make_axes_locatable(axes).append_axes("right", size="5%", pad=0.07)  # as high as the map, whatever its shape
        axes.figure.colorbar(image, cax=beside).ax.tick_params(labelsize=7)
    qh, qk = picture.map.axes
    axes.set_title(literal(picture.title), fontsize=_TITLE)
    axes.set_xlabel(literal(f"{qh.label or 'Qh'} ({qh.unit})"), fontsize=8)
    axes.set_ylabel(literal(f"{qk.label or 'Qk'} ({qk.unit})"), fontsize=8, labelpad=1)
    return image


class MapViewer(QWidget):
    """The measured map, and the slider over energy and incident energy that all pictures follow."""

    sig_slice = Signal(int, float)  # index of the slice, and brightness

    def __init__(self):
        super().__init__()
        self.map: Map | None = None
        self.canvas = SliceCanvas("Measured map")
        self.ei = QComboBox(accessibleName="Incident energy")
        self.energy = QSlider(Qt.Orientation.Horizontal, accessibleName="Energy window")
        self.energy.setPageStep(1)
        self.brightness = QSlider(Qt.Orientation.Horizontal, minimum=-20, maximum=20, accessibleName="Brightness of the colours")
        self.window = QLabel()
        self.window.setMinimumWidth(150)
        layout = QGridLayout()
        for row, (text, widget) in enumerate(
            (("&Incident energy", self.ei), ("Energy &window", self.energy), ("&Brightness", self.brightness))
        ):
            label = QLabel(text)
            label.setBuddy(widget)
            layout.addWidget(label, row, 0)
            layout.addWidget(widget, row, 1)
        layout.addWidget(self.window, 1, 2)
        layout.addWidget(QLabel("grey: masked"), 2, 2)
        layout.setColumnStretch(1, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.canvas, 1)
        outer.addLayout(layout)
        self._groups: list[np.ndarray] = []
        self.ei.currentIndexChanged.connect(self._choose_ei)
        self.energy.valueChanged.connect(self._moved)
        self.brightness.valueChanged.connect(self._moved)

    def show_map(self, m: Map | None) -> None:
        """Show another map; the place in it is kept where both have the same slices."""
        before = self.map
        self.map = m
        self.setEnabled(m is not None)
        if m is None:
            self.canvas.show_pictures()
            return
        if before is None or not before.slices.matches(m.slices):
            self._groups = [group[np.argsort(m.slices.centres[group], kind="stable")] for group in m.slices.groups_by_ei()]
            self.ei.blockSignals(True)
            self.ei.clear()
            self.ei.addItems(
                [f"{m.slices.ei[group[0]]:g} meV" if np.isfinite(m.slices.ei[group[0]]) else "unknown" for group in self._groups]
            )
            self.ei.blockSignals(False)
            self._choose_ei(0)
        self.canvas.show_pictures(Picture("measured", m))
        self._moved()

    @property
    def index(self) -> int:
        """Of the slice that is shown."""
        return int(self._groups[max(self.ei.currentIndex(), 0)][self.energy.value()]) if self._groups else 0

    @property
    def factor(self) -> float:
        """By which the colours are brighter than usual."""
        return 10 ** (self.brightness.value() / 20)

    def go_to(self, index: int) -> None:
        """Show this slice."""
        number = next(i for i, group in enumerate(self._groups) if index in group)
        self.ei.setCurrentIndex(number)
        self.energy.setValue(int(np.flatnonzero(self._groups[number] == index)[0]))

    def _choose_ei(self, number: int) -> None:
        self.energy.setMaximum(max(self._groups[number].size - 1, 0) if self._groups else 0)
        self._moved()

    def _moved(self) -> None:
        if self.map is None:
            return
        slices = self.map.slices
        self.window.setText(f"{slices.energy_min[self.index]:.4g} to {slices.energy_max[self.index]:.4g} meV")
        self.canvas.show_slice(self.index, self.factor)
        self.sig_slice.emit(self.index, self.factor)
