"""The panel: what the algorithms do, by mouse, in Workbench or on its own.

>>> from mantid_insdl.interfaces import show
>>> show()                       # doctest: +SKIP

Importing this package imports neither Qt nor Mantid; `show` does.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from mantid_insdl.errors import PanelError

__all__ = ["show"]

_windows: list[Any] = []  # what Python does not hold, Qt deletes


def show(files: Sequence[str] = ()) -> Any:
    """Open the panel, with these files if any are given.

    In Workbench, and wherever else a Qt application runs, it returns at once; otherwise it stays until the window is closed. With Mantid
    the panel works on its workspaces through the algorithms, without it on files through the library.

    Returns
    -------
    PanelWindow
        The window.

    Raises
    ------
    PanelError
        If there is no Qt, no display, or if Mantid's Python lacks what the package needs.
    """
    from mantid_insdl.interfaces.display import require_display, require_qt

    require_qt()
    from qtpy.QtWidgets import QApplication

    application = QApplication.instance()
    if application is not None:
        return _in_thread_of(application, lambda: _open(files)[0])
    require_display()
    application = QApplication(sys.argv[:1])
    window, background = _open(files)
    _stay_alive(window)
    application.exec()
    background.wait(10)
    return window


def _open(files: Sequence[str]) -> tuple[Any, Any]:
    from qtpy.QtCore import QSettings

    from mantid_insdl.interfaces.background import Background
    from mantid_insdl.interfaces.presenter import Presenter
    from mantid_insdl.interfaces.view import PanelWindow

    model = _model()
    settings = QSettings("mantid_insdl", "panel")
    settings.setAtomicSyncRequired(False)  # no lock files: home folders on a network do not always have them
    window = PanelWindow(model.title, settings)
    background = Background(window.post)
    presenter = Presenter(model, window, background)
    presenter.open_files(files)
    _windows.append(window)
    window.sig_closed.connect(lambda: _windows.remove(window))
    window.show()
    return window, background


def _stay_alive(window: Any) -> None:
    """Where the panel is the whole application: signals close the window, and a fault in a callback of Qt does not end the process."""
    from qtpy.QtCore import QTimer

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: window.close())
    timer = QTimer(window)
    timer.timeout.connect(lambda: None)  # Python sees a signal only when it runs
    timer.start(200)

    def say(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        traceback.print_exception(kind, error, trace)
        window.show_failure(error)

    sys.excepthook = say


def _model() -> Any:
    if find_spec("mantid") is not None:
        from mantid_insdl.plugin.requirements import missing

        if lacking := missing():
            raise PanelError("the panel cannot start", lacking)
        from mantid_insdl.interfaces.model_mantid import MantidModel

        try:
            return MantidModel()
        except ImportError as error:
            raise PanelError(
                "the panel cannot start", f"Mantid is there and cannot be imported ({error})", "repair its installation"
            ) from error
    from mantid_insdl.interfaces.model_library import LibraryModel

    return LibraryModel()


def _in_thread_of(application: Any, call: Callable[[], Any]) -> Any:
    """What a function gives in the thread of the application: a script in Workbench runs in another one, where no window may be made."""
    from qtpy.QtCore import QObject, Qt, QThread, Signal

    if QThread.currentThread() == application.thread():
        return call()

    class Caller(QObject):
        sig_call = Signal()

        def run(self) -> None:
            try:
                self.result, self.error = call(), None
            except Exception as error:
                self.result, self.error = None, error

    caller = Caller()
    caller.moveToThread(application.thread())
    caller.sig_call.connect(caller.run, Qt.ConnectionType.BlockingQueuedConnection)
    caller.sig_call.emit()
    if caller.error is not None:
        raise caller.error
    return caller.result
