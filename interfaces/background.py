"""Work in threads, whose results come back in the thread of the window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from mantid_insdl.interfaces.model import Control
from mantid_insdl.progress import Progress, ignore_progress

T = TypeVar("T")


class Background:
    """Starts work in a thread of its own.

    Parameters
    ----------
    post
        Calls a function in the thread of the window; itself it is called in any thread, and does nothing once the window is closed.
    """

    def __init__(self, post: Callable[[Callable[[], Any]], None]):
        self._post = post
        self._threads: list[threading.Thread] = []

    def start(
        self,
        work: Callable[[Control], T],
        *,
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
        progress: Progress = ignore_progress,
    ) -> Control:
        """Do `work`, which is given what this returns; then call one of `done` and `failed`."""
        control = Control(lambda fraction, text: self._post(lambda: progress(fraction, text)))

        def run() -> None:
            try:
                result = work(control)
            except Exception as error:
                self._post(lambda error=error: failed(error))
            else:
                self._post(lambda: done(result))

        self._threads = [thread for thread in self._threads if thread.is_alive()]
        # No daemon: an interpreter that ends while Mantid runs an algorithm in a thread of it dies.
        self._threads.append(threading.Thread(target=run, name="insdl-panel"))
        self._threads[-1].start()
        return control

    def wait(self, seconds: float) -> bool:
        """Wait for all work to end; whether it has."""
        for thread in self._threads:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in self._threads)
