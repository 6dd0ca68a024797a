"""Take the pictures of docs/panel.md, in the repository's root:

    python docs/panel_images.py [-o FOLDER] [--measured FILE [--mask FILE]] [--only STEP]

Drives the real window without a display (``QT_QPA_PLATFORM=offscreen``) over the shipped example, or over a measured map of PCSMO that
is not shipped. Prints how long each step took. Needs the extras `panel` and `cpu`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyside6")

from PIL import Image
from qtpy.QtCore import QEventLoop, QSettings, QTimer
from qtpy.QtWidgets import QApplication, QComboBox

from mantid_insdl import examples
from mantid_insdl.interfaces.background import Background
from mantid_insdl.interfaces.model import ALGORITHMS
from mantid_insdl.interfaces.model_library import LibraryModel
from mantid_insdl.interfaces.presenter import Presenter
from mantid_insdl.interfaces.view import PanelWindow

ROOT = Path(__file__).resolve().parents[1]
SIZE = (1280, 720)
COLOURS = 256  # of a picture: a third of its size
LIMIT = 1800  # s, for one step
FIT = {"classify": {"Method": "Both"}, "exchange": {"Refine": "Fast"}}


class Walk:
    """The window, and a user who waits for each step.

    Parameters
    ----------
    folder, prefix
        Where the pictures go, and how their names begin.
    """

    def __init__(self, folder: Path, prefix: str):
        self.folder, self.prefix = folder, prefix
        self.application = QApplication.instance() or QApplication(sys.argv[:1])
        self.kept = tempfile.TemporaryDirectory()  # not the user's own settings
        self.window = PanelWindow("without Mantid", QSettings(f"{self.kept.name}/panel.ini", QSettings.Format.IniFormat))
        self.background = Background(self.window.post)
        self.presenter = Presenter(LibraryModel(), self.window, self.background)
        self.window.resize(*SIZE)
        self.window.show()

    def wait(self, condition: Callable[[], bool] = lambda: True) -> None:
        """Until the condition holds and nothing runs."""
        end = time.monotonic() + LIMIT
        while self.window.cancel.isEnabled() or not condition():
            self.settle(10)
            if time.monotonic() > end:
                raise SystemExit(f"nothing happened for {LIMIT} s: {self.window.message.text()}")

    def settle(self, milliseconds: int = 300) -> None:
        """Let Qt work."""
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    def picture(self, name: str) -> None:
        """Take one."""
        self.settle()
        path = self.folder / f"{self.prefix}{name}.png"
        self.window.grab().save(str(path))
        few = Image.open(path).convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        print(f"{path.name} ({path.stat().st_size // 1000} kB)")

    def open(self, file: Path, mask: Path | None) -> None:
        """A map of PCSMO, at a slice with strong bands."""
        window = self.window
        self.presenter.open_files([str(file)])
        self.wait(lambda: window.viewer.map is not None)
        if mask is not None:
            window.mask.focusProxy().setText(str(mask.name))
            self.presenter.set_mask(str(mask))
            self.wait(lambda: "with" in window.understood.text())
        self.presenter.set_material("pcsmo")
        self.wait(lambda: window.material.currentText() == "pcsmo")
        window.viewer.ei.setCurrentIndex(1)
        window.viewer.energy.setValue(3)

    def step(self, task: str, options: Mapping[str, str] | None = None) -> None:
        """Run a step with what is chosen."""
        step = self.window.steps[task]
        self.window.tabs.setCurrentWidget(step)
        for name, value in (options or {}).items():
            next(box for box in step.findChildren(QComboBox) if box.accessibleName() == name).setCurrentText(value)
        start = time.monotonic()
        if task == "simulate":
            self.presenter.take_fitted()
        else:
            step.button.click()
        self.wait()
        print(f"{task} {dict(options or {})}: {time.monotonic() - start:.1f} s")
        if task == "explain" and step.strongest.isEnabled():
            step.strongest.click()

    def end(self) -> None:
        """Close the window."""
        self.window.close()
        self.background.wait(10)


def main() -> None:
    """The walk over one map."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--measured", type=Path, help="a map of PCSMO instead of the shipped example")
    parser.add_argument("--mask", type=Path, help="the gaps of its detectors")
    parser.add_argument("--only", choices=ALGORITHMS, help="the picture of this step alone, by the network")
    given = parser.parse_args()
    walk = Walk(given.output, "panel_measured_" if given.measured else "panel_")
    walk.open(given.measured or examples.path(), given.mask)
    if given.only:
        walk.step(given.only)
        walk.picture(given.only)
        walk.end()
        return
    walk.picture("map")
    for task in ("denoise", "classify", "exchange"):
        walk.step(task)
        walk.picture(task)
    for task, options in FIT.items():
        walk.step(task, options)
        walk.picture(f"{task}_fit")
    for task in ("explain", "simulate"):
        walk.step(task)
        walk.picture(task)
    walk.end()


if __name__ == "__main__":
    main()
