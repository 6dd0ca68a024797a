"""Changes of Mantid's Analysis Data Service, told to the panel while it is open."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from mantid_insdl.interfaces.model import Change

_POLL_INTERVAL = 1.0  # seconds, where this Mantid has no observers


def watch(changed: Callable[[Change], None]) -> Callable[[], None]:
    """Call `changed` for each change of the data service, in the thread that makes it; returns a function that ends this."""
    try:
        from mantid.api import AnalysisDataServiceObserver
    except ImportError:  # before Mantid 4
        return _poll(changed)

    class Observer(AnalysisDataServiceObserver):
        """Mantid calls the handles inside the change itself: they only pass it on."""

        def addHandle(self, name: str, workspace: Any) -> None:
            changed(Change("added", name))

        def replaceHandle(self, name: str, workspace: Any) -> None:
            changed(Change("replaced", name))

        def deleteHandle(self, name: str, workspace: Any) -> None:
            changed(Change("deleted", name))

        def renameHandle(self, old: str, new: str) -> None:
            changed(Change("renamed", old, new))

        def groupUpdateHandle(self, name: str, workspace: Any) -> None:
            changed(Change("replaced", name))  # its slices

        def clearHandle(self) -> None:
            changed(Change("cleared"))

    observer = Observer()

    def observe(on: bool) -> None:
        for switch in ("observeAdd", "observeReplace", "observeDelete", "observeRename", "observeClear", "observeGroupUpdate"):
            getattr(observer, switch)(on)

    observe(True)
    return lambda: observe(False)


def _poll(changed: Callable[[Change], None]) -> Callable[[], None]:
    """The same, without observers, by looking at the names: a replaced workspace goes unnoticed."""
    from mantid.api import AnalysisDataService

    ended = threading.Event()

    def look() -> None:
        names = set(AnalysisDataService.getObjectNames())
        while not ended.wait(_POLL_INTERVAL):
            now = set(AnalysisDataService.getObjectNames())
            if now != names:
                changed(Change("unknown"))
            names = now

    threading.Thread(target=look, daemon=True, name="insdl-panel-watch").start()
    return ended.set
