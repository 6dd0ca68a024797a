"""The worker's side: one task after the other, until the caller is gone."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
import time
import traceback
from typing import Any, BinaryIO

from mantid_insdl import __version__, errors
from mantid_insdl.errors import InsdlError, WorkerError
from mantid_insdl.progress import Progress
from mantid_insdl.worker import protocol
from mantid_insdl.worker.tasks import TASKS

_REPORT_INTERVAL = 0.05


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests for ever; the process ends when `requests` does, even in the middle of a task."""
    waiting: queue.Queue = queue.Queue()
    threading.Thread(target=_receive, args=(requests, waiting), daemon=True).start()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    protocol.encode({"kind": "hello", "protocol": protocol.VERSION, "version": __version__, "python": python}).write(replies)
    while True:
        header, maps = waiting.get()
        try:
            _answer(header, maps, replies)
        except BrokenPipeError:
            _end()


def _receive(requests: BinaryIO, waiting: queue.Queue) -> None:
    try:
        while True:
            waiting.put(protocol.decode(requests))
    except EOFError:
        _end()
    except Exception:
        traceback.print_exc()  # to the log
        _end()


def _end() -> None:
    """End at once, with whatever processes a task has started."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _answer(header: dict[str, Any], maps: dict[str, Any], replies: BinaryIO) -> None:
    if header["directory"]:
        with contextlib.suppress(OSError):
            os.chdir(header["directory"])  # so that relative paths mean what they mean to the caller
    protocol.encode({"kind": "started"}).write(replies)
    try:
        outputs, result = TASKS[header["task"]](maps, header["options"], _reporter(replies))
        reply = protocol.encode({"kind": "result", "result": result}, outputs)
    except BrokenPipeError:
        raise
    except Exception as error:
        reply = protocol.encode(_describe(error))
    reply.write(replies)


def _reporter(replies: BinaryIO) -> Progress:
    last = -_REPORT_INTERVAL

    def report(fraction: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _REPORT_INTERVAL:
            last = now
            protocol.encode({"kind": "progress", "fraction": float(fraction), "text": str(text)}).write(replies)

    return report


def _describe(error: Exception) -> dict[str, Any]:
    known = _as_insdl_error(error)
    # The caller knows the classes of errors.py; of a more special one it gets the nearest of these.
    name = next(cls.__name__ for cls in type(known).__mro__ if getattr(errors, cls.__name__, None) is cls)
    return {
        "kind": "error",
        "error": name,
        "summary": known.summary,
        "reason": known.reason,
        "fix": known.fix,
        "traceback": "".join(traceback.format_exception(error)),
    }


def _as_insdl_error(error: Exception) -> InsdlError:
    if isinstance(error, InsdlError):
        return error
    if isinstance(error, MemoryError):
        return WorkerError(
            "the computation ran out of memory", " ".join(str(error).split()), "use fewer or smaller slices, or a machine with more memory"
        )
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("mantid_insdl"):
        return WorkerError(
            "the computation could not run",
            f"the interpreter {sys.executable} has no module '{error.name}'",
            'install "mantid_insdl[cpu]" there, or set INSDL_PYTHON to another one',
        )
    return WorkerError(
        "the computation failed unexpectedly",
        f"{type(error).__name__}: {' '.join(str(error).split())}",
        "please report this with the map and the settings that lead to it",
    )
