"""Take the pictures of docs/panel.md: ``python docs/panel_images.py [folder]`` in the repository's root.

Drives the real window over the shipped example, without a display too (``QT_QPA_PLATFORM=offscreen``). Needs the extras `panel` and `cpu`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyside6")

from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QApplication

from mantid_insdl import examples
from mantid_insdl.interfaces.background import Background
from mantid_insdl.interfaces.model_library import LibraryModel
from mantid_insdl.interfaces.presenter import Presenter
from mantid_insdl.interfaces.view import PanelWindow

ROOT = Path(__file__).resolve().parents[1]
SIZE = (1280, 720)
LIMIT = 120  # s, for one step
STEPS = ("denoise", "classify", "exchange", "explain", "simulate")


def main(folder: Path) -> None:
    """Every step once, each with its picture."""
    application = QApplication.instance() or QApplication(sys.argv[:1])
    kept = tempfile.TemporaryDirectory()  # not the user's own settings
    window = PanelWindow("without Mantid", QSettings(f"{kept.name}/panel.ini", QSettings.Format.IniFormat))
    background = Background(window.post)
    presenter = Presenter(LibraryModel(), window, background)
    window.resize(*SIZE)
    window.show()

    def wait(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + LIMIT
        while not condition():
            application.processEvents()
            time.sleep(0.01)
            if time.monotonic() > end:
                raise SystemExit(f"nothing happened for {LIMIT} s: {window.message.text()}")

    def picture(name: str) -> None:
        for _ in range(20):
            application.processEvents()
            time.sleep(0.01)
        path = folder / f"panel_{name}.png"
        window.grab().save(str(path))
        print(path)

    presenter.open_files([str(examples.path())])
    wait(lambda: window.viewer.map is not None)
    window.material.setCurrentText("pcsmo")
    presenter.set_material("pcsmo")
    wait(lambda: window.material.currentText() == "pcsmo" and not window.cancel.isEnabled())
    window.viewer.ei.setCurrentIndex(1)
    window.viewer.energy.setValue(3)
    picture("map")
    for number, task in enumerate(STEPS):
        window.tabs.setCurrentIndex(number)
        if task == "simulate":
            presenter.take_fitted()
        else:
            window.steps[task].button.click()
        wait(lambda: not window.cancel.isEnabled())
        if task == "explain":
            window.steps[task].strongest.click()
        picture(task)
    window.close()
    background.wait(10)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
