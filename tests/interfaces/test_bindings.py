"""The window under every Qt binding that is installed: Mantid has PyQt5 up to 6.16 and goes to Qt 6 with 7.0."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

BINDINGS = {"PyQt5": "pyqt5", "PyQt6": "pyqt6", "PySide6": "pyside6"}


@pytest.mark.parametrize("binding", BINDINGS)
def test_the_window_works_with(binding):
    for module in (binding, "qtpy", "pytestqt"):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    loaded = [name for name in BINDINGS if name in sys.modules]
    if loaded == [binding]:
        pytest.skip(f"{binding} is what test_window.py runs with here")
    environment = os.environ | {"QT_API": BINDINGS[binding], "PYTEST_QT_API": BINDINGS[binding]}
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__).with_name("test_window.py"))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "skipped" not in done.stdout.splitlines()[-1]
