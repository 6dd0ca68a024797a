"""How live the panel's *Simulate* step is: maps that are drawn in a second while a constant moves all the time.

    python benchmarks/panel.py [FILE ...] [--mask FILE] [--material NAME ...] [--seconds 5]

Drives the real window without a display over the shipped example, or the given files, and the library's model (without Mantid). For
each material its first constant sweeps over a twentieth of its range, a step every 10 ms, as a hand does with the slider; counted is what
the canvas has painted: one slice for each of these. Then, how long after the last step the whole map is there, of which a quarter of a
second is the wait for the hand. Other work on the machine shows in these, but not in the processor time of window and worker for each
map. Needs Linux and the extra `panel`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from qtpy.QtCore import QEventLoop, QSettings, QTimer
from qtpy.QtWidgets import QApplication

from mantid_insdl import examples
from mantid_insdl.interfaces.background import Background
from mantid_insdl.interfaces.model import Answer
from mantid_insdl.interfaces.model_library import LibraryModel
from mantid_insdl.interfaces.presenter import Presenter
from mantid_insdl.interfaces.view import PanelWindow
from mantid_insdl.materials import load_material

STEP = 0.01  # s between two moves of the slider
LIMIT = 120.0  # s


class Window(PanelWindow):
    """The panel's window, which notes when it has shown what."""

    def __init__(self, settings: QSettings):
        super().__init__("without Mantid", settings)
        self.shown: list[Answer] = []
        self.painted: list[int] = []  # how many answers had been shown at each painting
        canvas = self.steps["simulate"].canvas
        paint = canvas.paintEvent

        def painted(event: object) -> None:
            paint(event)
            self.painted.append(len(self.shown))

        canvas.paintEvent = painted

    def show_answer(self, task: str, answer: Answer | None) -> None:
        super().show_answer(task, answer)
        if task == "simulate" and answer is not None:
            self.shown.append(answer)


def processor_time() -> float:
    """Of this process and the worker that it started, in s; needs Linux."""
    children = [text for file in Path("/proc/self/task").glob("*/children") for text in file.read_text().split()]
    ticks = 0
    for process in ("self", *children):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def work(seconds: float) -> None:
    """Let Qt work."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def main() -> None:
    """Each material on one map."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=[examples.path()])
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--material", nargs="+", default=["pcsmo-goodenough", "pcsmo-dimer", "rb2mnf4"])
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    _application = QApplication.instance() or QApplication(sys.argv[:1])
    kept = tempfile.TemporaryDirectory()
    window = Window(QSettings(f"{kept.name}/panel.ini", QSettings.Format.IniFormat))
    background = Background(window.post)
    presenter = Presenter(LibraryModel(), window, background)
    window.resize(1280, 720)
    window.show()

    def wait(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + LIMIT
        while window.cancel.isEnabled() or not condition():
            work(0.002)
            if time.monotonic() > end:
                raise SystemExit(f"nothing happened for {LIMIT:g} s: {window.message.text()}")

    presenter.open_files([str(file) for file in given.files])
    wait(lambda: window.viewer.map is not None)
    if given.mask is not None:
        presenter.set_mask(str(given.mask))
        wait(lambda: True)
    m = window.viewer.map
    print(f"{m.slices.size} slices of {m.shape[1]} x {m.shape[2]} pixels, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    window.tabs.setCurrentIndex(4)
    step = window.steps["simulate"]
    for name in given.material:
        step.sig_material.emit(name)
        step.button.click()
        wait(lambda: True)
        constant = load_material(name).parameters[0]
        value = step.values[constant.name]
        start, reach = value.value(), 0.05 * (constant.high - constant.low)
        window.shown.clear()
        window.painted.clear()
        began, used, moves = time.monotonic(), processor_time(), 0
        while time.monotonic() - began < given.seconds:
            moves += 1
            value.setValue(start + reach * (moves % 200) / 200)
            work(STEP)
        maps = len(set(window.painted))
        cost = 1000 * (processor_time() - used) / max(maps, 1)
        last = time.monotonic()
        wait(lambda: window.shown and window.shown[-1].only is None)
        rest = time.monotonic() - last
        rate = f"{maps / given.seconds:.1f} maps a second while {constant.name} moves"
        print(f"{name}: {rate}, each {cost:.0f} ms of processor time; all slices {rest:.2f} s later")
    window.close()
    background.wait(10)


if __name__ == "__main__":
    main()
