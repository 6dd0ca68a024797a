"""The caller's side: starts the worker at its first task, keeps it warm, and kills it when a task is cancelled."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mantid_insdl import __version__, errors
from mantid_insdl.errors import WorkerError, printable
from mantid_insdl.maps import Map
from mantid_insdl.progress import Progress
from mantid_insdl.worker import protocol
from mantid_insdl.worker.interpreter import find_interpreter, worker_environment

Poll = Callable[[], None]

_SCRIPT = Path(__file__).resolve().with_name("bootstrap.py")  # run by path, never imported
_POLL_INTERVAL = 0.1
_START_LIMIT = 120.0  # seconds; an interpreter on a network disk can be slow, but one that hangs must not hang the caller for ever


def run_task(
    task: str, maps: Mapping[str, Map], options: Mapping[str, Any], *, progress: Progress | None = None, poll: Poll | None = None
) -> tuple[dict[str, Map], dict[str, Any]]:
    """Run one of `worker.tasks` in the worker process, which is started if need be.

    Parameters
    ----------
    task, maps, options
        See `worker.tasks`. The options are plain data: text, numbers, lists and dictionaries of these.
    progress
        Called in this thread with fraction and text for each report of the task.
    poll
        Called in this thread at least every 0.2 s.

    Returns
    -------
    maps, result
        The task's maps by name, and its other results.

    Raises
    ------
    TypeError
        If an option is not plain data.
    InsdlError
        What the task raised, as the same class with the same message; `WorkerError` if the worker cannot be started or died.

    Notes
    -----
    An exception raised by `progress` or `poll` kills the worker at once and is passed on; that is how a task is cancelled. After an error
    of any kind the next call works. One task runs at a time; other threads wait, and poll while they do.
    """
    poll = poll or (lambda: None)
    try:
        directory = os.getcwd()
    except OSError:  # it was removed
        directory = None
    request = protocol.encode({"kind": "task", "task": task, "options": dict(options), "directory": directory}, maps)
    with _turn(poll):
        try:
            header, outputs = _converse(request, progress, poll)
        except BaseException:
            stop()
            raise
    if header["kind"] == "error":
        error = _class_of(header["error"])(header["summary"], header["reason"], header["fix"])
        error.add_note(header["traceback"])
        raise error
    return outputs, header["result"]


def _class_of(name: str) -> type[errors.InsdlError]:
    """The class of errors.py of that name; where it has none, `WorkerError`."""
    found = getattr(errors, name, None)
    return found if isinstance(found, type) and issubclass(found, errors.InsdlError) else WorkerError


def stop() -> None:
    """End the worker process, if there is one; the next task starts another."""
    worker, _state.worker = _state.worker, None  # at once: threads may race here
    if worker is not None:
        worker.kill()


class _NotStartedError(Exception):
    """The worker died before it began with the task."""


class _Worker:
    """A running worker process."""

    def __init__(self, interpreter: Path):
        self.interpreter = interpreter
        self.inbox: queue.Queue = queue.Queue()
        command = [str(interpreter), str(_SCRIPT)]
        try:
            self.log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `kill`
        except OSError as error:
            raise WorkerError(
                "cannot start the worker process",
                f"its log cannot be written as a temporary file ({error.strerror or error})",
                "free some space, or set TMPDIR to a folder that you may write to",
            ) from error
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.log,
                env=worker_environment(interpreter),
                start_new_session=True,  # a group of its own: Ctrl-C does not reach it, and its children die with it
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise WorkerError(f"cannot start the Python interpreter '{interpreter}'", error.strerror or str(error), _CHECK) from error
        assert self.process.stdin is not None  # they are pipes, as was asked for
        assert self.process.stdout is not None
        self.requests, self.replies = self.process.stdin, self.process.stdout
        threading.Thread(target=self._receive, daemon=True, name="insdl-worker-replies").start()

    def _receive(self) -> None:
        try:
            while True:
                self.inbox.put(protocol.decode(self.replies))
        except (EOFError, OSError, ValueError) as error:  # ValueError: the pipe was closed by `kill`
            self.inbox.put(EOFError(str(error)))
        except Exception as error:
            self.inbox.put(error)

    def _next(self, poll: Poll, limit: float | None = None) -> tuple[dict[str, Any], dict[str, Map]]:
        end = None if limit is None else time.monotonic() + limit
        while True:
            poll()
            try:
                message = self.inbox.get(timeout=_POLL_INTERVAL)
            except queue.Empty:
                if end is not None and time.monotonic() > end:
                    raise TimeoutError from None
                continue
            if isinstance(message, Exception):
                raise message
            return message

    def greet(self, poll: Poll) -> None:
        """Wait until the worker is ready."""
        name = f"the Python interpreter '{self.interpreter}'"
        try:
            header, _ = self._next(poll, _START_LIMIT)
        except EOFError:
            raise WorkerError(f"{name} could not start the worker", self._last_words(), _CHECK) from None
        except protocol.StreamError as error:
            raise WorkerError(f"{name} does not answer as a Python interpreter does", str(error), _CHECK) from None
        except TimeoutError:
            raise WorkerError(f"{name} did not start the worker within {_START_LIMIT:g} s", self._words(), _CHECK) from None
        if header["kind"] == "failed":
            raise WorkerError(header["summary"], header["reason"], header["fix"])
        if header["kind"] != "hello":
            raise WorkerError(f"{name} does not answer as a Python interpreter does", f"it sent '{header['kind'][:40]}' first", _CHECK)
        if (header["protocol"], header["version"]) != (protocol.VERSION, __version__):
            raise WorkerError(
                f"the worker runs mantid_insdl {header['version']}, this program {__version__}",
                "the package was changed while this program runs",
                "restart this program",
            )

    def ask(self, request: protocol.Message, progress: Progress | None, poll: Poll) -> tuple[dict[str, Any], dict[str, Map]]:
        """The reply that ends a task."""
        # A thread writes, so that a worker that does not read (stopped, or busy dying) cannot block this one.
        threading.Thread(target=self._send, args=(request,), daemon=True, name="insdl-worker-request").start()
        started = False
        try:
            while True:
                header, outputs = self._next(poll)
                if header["kind"] == "started":
                    started = True
                elif header["kind"] in ("result", "error"):
                    return header, outputs
                elif header["kind"] != "progress":
                    raise protocol.StreamError(f"it sent '{header['kind'][:40]}' in the middle of a task")
                elif progress:
                    progress(header["fraction"], printable(header["text"]))
        except EOFError:
            if not started:
                raise _NotStartedError from None
            raise self.death() from None
        except protocol.StreamError as error:
            raise WorkerError("the worker process sent something that cannot be understood", str(error), _AGAIN) from None

    def _send(self, request: protocol.Message) -> None:
        with contextlib.suppress(OSError, ValueError):  # it died or was killed: the reader says so
            request.write(self.requests)

    def death(self) -> WorkerError:
        """What to tell the user about a worker that is gone."""
        return WorkerError("the worker process ended unexpectedly", self._last_words(), _AGAIN)

    def _last_words(self) -> str:
        """How the process ended, and the end of what it wrote to its log."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        code = self.process.returncode
        if code is None:
            how = "it closed its pipe"
        elif code < 0:
            how = f"it was ended by signal {signal.Signals(-code).name}"
            if -code == signal.SIGKILL:
                how += ", perhaps because memory ran out"
        else:
            how = f"it ended with status {code}"
        words = self._words()
        return f"{how}; its last words were: {words}" if words else how

    def _words(self) -> str:
        self.log.seek(0, os.SEEK_END)
        self.log.seek(max(0, self.log.tell() - 2000))
        lines = self.log.read().decode(errors="replace").splitlines()
        return " | ".join(line.strip() for line in lines[-3:] if line.strip())

    def kill(self) -> None:
        """End it and everything it started, at once."""
        if self.process.poll() is None:
            with contextlib.suppress(OSError):
                if hasattr(os, "killpg"):
                    os.killpg(self.process.pid, signal.SIGKILL)
                else:
                    self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        for pipe in (self.requests, self.replies, self.log):
            with contextlib.suppress(OSError, ValueError):
                pipe.close()


_CHECK = "run `insdl status`, and check INSDL_PYTHON and the entry 'python' of the configuration file"
_AGAIN = "try again (a new worker will be started); if it ends again, use fewer slices or report its last words"


class _State:
    """The one worker of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.worker: _Worker | None = None


_state = _State()


@contextlib.contextmanager
def _turn(poll: Poll) -> Iterator[None]:
    while not _state.lock.acquire(timeout=_POLL_INTERVAL):
        poll()
    try:
        yield
    finally:
        _state.lock.release()


def _converse(request: protocol.Message, progress: Progress | None, poll: Poll) -> tuple[dict[str, Any], dict[str, Map]]:
    try:
        return _warm_worker(progress, poll).ask(request, progress, poll)
    except _NotStartedError:  # it died since the last task, and only this showed it
        stop()
    worker = _warm_worker(progress, poll)
    try:
        return worker.ask(request, progress, poll)
    except _NotStartedError:
        raise worker.death() from None


def _warm_worker(progress: Progress | None, poll: Poll) -> _Worker:
    interpreter = find_interpreter()
    worker = _state.worker
    if worker is not None and (worker.interpreter != interpreter or worker.process.poll() is not None):
        stop()
    if _state.worker is None:
        if progress:
            progress(0.0, "Starting the worker process")
        _state.worker = _Worker(interpreter)
        try:
            _state.worker.greet(poll)
        except BaseException:
            stop()
            raise
    return _state.worker


def _forget_after_fork() -> None:
    """A forked child must not use its parent's worker, nor keep it alive after the parent's end by holding its pipe."""
    worker, _state.worker, _state.lock = _state.worker, None, threading.Lock()
    if worker is not None:
        nothing = os.open(os.devnull, os.O_RDWR)
        for pipe in (worker.requests, worker.replies):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(nothing, pipe.fileno(), inheritable=False)
        os.close(nothing)


atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
