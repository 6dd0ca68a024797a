"""Whether the panel can be shown here: Qt itself ends the whole process, without a Python exception, where it finds no display."""

from __future__ import annotations

import os
import subprocess
import sys

from mantid_insdl.errors import PanelError

_UNSEEN = ("offscreen", "minimal")  # platforms of Qt that need nothing
_LIMIT = 30.0  # s; a display on another machine may not answer at all
_TRIAL = """
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, OSError, ValueError):
    pass
from qtpy.QtWidgets import QApplication
QApplication([])
"""
_FIX = "log in with a screen or with `ssh -X`, or set QT_QPA_PLATFORM=offscreen to run it unseen"


def require_qt() -> None:
    """Raise `PanelError` where no Qt can be imported."""
    try:
        import qtpy.QtWidgets  # noqa: F401
    except Exception as error:  # qtpy's own errors are ImportErrors, those of a Qt without its system libraries too, but not all
        raise PanelError(
            "the panel needs Qt", f"it cannot be imported ({error})", 'install it with `pip install "mantid_insdl[panel]"`'
        ) from error


def require_display() -> None:
    """Raise `PanelError` where Qt would end the process: an application is tried in a process of its own, which takes half a second."""
    platform = os.environ.get("QT_QPA_PLATFORM", "")
    if not sys.platform.startswith("linux") or platform.partition(":")[0] in _UNSEEN or not sys.executable:
        return
    displays = [f"{name}={os.environ[name]}" for name in ("DISPLAY", "WAYLAND_DISPLAY") if os.environ.get(name)]
    if not platform and not displays:
        raise PanelError("the panel cannot be shown", "there is no display (DISPLAY is not set)", _FIX)
    where = f"with {' and '.join([f'QT_QPA_PLATFORM={platform}'] if platform else displays)}"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        command = [sys.executable, "-c", _TRIAL]
        trial = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment, timeout=_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        raise PanelError("the panel cannot be shown", f"{where}, Qt finds no answer in {_LIMIT:g} s", _FIX) from None
    except OSError:  # no process can be started: let Qt itself try
        return
    if trial.returncode != 0:
        raise PanelError("the panel cannot be shown", f"{where}, Qt does not start ({_first_of(trial.stderr)})", _FIX)


def _first_of(words: str) -> str:
    """The first complaint of Qt, without its category: those that follow are consequences and advice for developers."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    complaint = next((line for line in lines if line.startswith("qt.")), lines[-1] if lines else "it says nothing")
    return complaint.partition(": ")[2] or complaint
