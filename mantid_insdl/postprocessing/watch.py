"""A folder that is watched: new reduced files are processed as they come, each once.

What was done is known from the records in the output folder, so that a watcher may be stopped, or killed, and started again at any time. A
file is taken when it has not changed for a while; one that has changed since it was processed is processed again.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from mantid_insdl.errors import OutputError, PostprocessError
from mantid_insdl.postprocessing.index import records_in, write_index
from mantid_insdl.postprocessing.processing import HEARTBEAT, Options, folder_of, process_one, to_log
from mantid_insdl.runs.record import Source

PATTERN = "*.nxspe,*.nxs,*.npz"
LOCK_FILE = ".insdl-watch.lock"
_PARTIAL = ".insdl-partial-*"


def watch(
    folder: str | os.PathLike,
    output_dir: str | os.PathLike,
    options: Options,
    *,
    pattern: str = PATTERN,
    interval: float = 10.0,
    settle: float = 10.0,
    stop_after: float | None = None,
    say: Callable[[str], None] = to_log,
) -> int:
    """Process the files of a folder as they come, until it is stopped.

    Parameters
    ----------
    folder, output_dir
        Where reduced files appear, and where results go.
    options
        As of `postprocess`.
    pattern
        Names of the files, with * and ?, several separated by commas.
    interval
        Seconds between looks at the folder.
    settle
        Seconds for which a file must not have changed: one that is still being written is left alone.
    stop_after
        Ends after as many seconds in which there was nothing to do; never by default.
    say
        Told in a line what happens.

    Returns
    -------
    int
        The number of runs that were processed.

    Raises
    ------
    PostprocessError
        There is no such folder, or it has gone and `stop_after` has passed; or another watcher uses the output folder.
    """
    watcher = _Watcher(Path(folder), Path(output_dir), options, pattern, settle, say)
    if not watcher.folder.is_dir():
        raise PostprocessError(f"there is no folder '{folder}' to be watched", fix="check the path, or make it first")
    with _alone(watcher.output) as watcher.lock:
        watcher.clear_up()
        watcher.lock.note("")
        write_index(watcher.output, options.title)
        say(f"watching {watcher.folder}, results go to {watcher.output}")
        busy = told = time.monotonic()
        while True:
            if watcher.look():
                busy = told = time.monotonic()
                continue
            now = time.monotonic()
            if stop_after is not None and now - busy >= stop_after:
                break
            if now - told >= HEARTBEAT:
                told = now
                say(f"watching {watcher.folder}, {watcher.count} runs processed")
            time.sleep(interval)
    if watcher.gone:
        raise PostprocessError(f"the folder '{folder}' has gone", "nothing can come any more", "watch it again when it is there")
    return watcher.count


class _Watcher:
    """What is known of a folder between two looks at it."""

    def __init__(self, folder: Path, output: Path, options: Options, pattern: str, settle: float, say: Callable[[str], None]):
        self.folder, self.output, self.options = folder.absolute(), output.absolute(), options
        self._patterns, self._settle, self._say = [one.strip() for one in pattern.split(",")], settle, say
        self._seen: dict[str, tuple[Source, float]] = {}  # a file as it was, and since when it is so
        self._told = ""
        self._behind = False  # the index, where it could not be written
        self.gone, self.count = False, 0
        self.lock: _Lock

    def clear_up(self) -> None:
        """Remove what a watcher that was killed has left of the run that it was at. Other processes may be at work here, too."""
        left = self.output / self.lock.at if self.lock.at else None
        if left is not None and left.is_dir():
            for partial in left.glob(_PARTIAL):
                shutil.rmtree(partial, ignore_errors=True)
            with suppress(OSError):  # not empty: the results of an earlier processing
                left.rmdir()

    def look(self) -> bool:
        """Process one file that is ready; whether there was one."""
        try:
            found = self._files()
        except OSError as error:
            self.gone = True
            self._tell(f"{self.folder} cannot be read ({(error.strerror or str(error)).lower()}); waiting for it")
            return False
        if self.gone:
            self.gone, self._told = False, ""
            self._say(f"{self.folder} is there again")
        done = {one.sources[0].path: one for one in records_in(self.output) if len(one.sources) == 1}
        for source in found:
            earlier = done.get(source.path)
            if earlier is not None and earlier.sources[0] == source and earlier.settings == self.options.of_process():
                continue
            if self._is_settled(source) and self._process(source):
                return True
        if self._behind:
            with suppress(OutputError):
                write_index(self.output, self.options.title)
                self._behind = False
        return False

    def _files(self) -> list[Source]:
        """The files whose names fit, the oldest first; one that goes meanwhile is left out."""
        found = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not any(fnmatch.fnmatch(entry.name, one) for one in self._patterns):
                    continue
                try:
                    if entry.is_file():
                        found.append(Source.of(entry.path))
                except OSError:
                    continue
        return sorted(found, key=lambda one: (one.changed, one.path))

    def _is_settled(self, source: Source) -> bool:
        """Whether the file is as it was for long enough, by this computer's clock and not by that of the file's disk."""
        earlier, since = self._seen.get(source.path, (None, 0.0))
        now = time.monotonic()
        if earlier != source:
            self._seen[source.path] = (source, now)
            since = now
        return now - since >= self._settle

    def _process(self, source: Source) -> bool:
        self.lock.note(folder_of([source.path], self.output))
        try:
            record = process_one([source.path], self.output, self.options, self._say)
        except OutputError as error:  # a full disk, say: the file is tried again at the next look
            self._tell(f"{Path(source.path).name} must wait: {error}")
            self._behind = True
            return False
        self._told = ""
        if record.sources == (source,):
            self.count += 1
        else:  # it has changed while it was read: its record is of neither, and it is read again
            self._seen.pop(source.path, None)
        return True

    def _tell(self, text: str) -> None:
        """Once, for as long as it stays the same."""
        if text != self._told:
            self._told = text
            self._say(text)


class _Lock:
    """The file by which watchers know of each other: who has it, and the run that it is at."""

    def __init__(self, file: IO[str], at: str):
        self._file, self.at = file, at

    def note(self, at: str) -> None:
        """Keep which run is being processed."""
        node = os.uname().nodename if hasattr(os, "uname") else "this computer"
        with suppress(OSError):  # a full disk shows where results are written
            self._file.seek(0)
            self._file.truncate()
            self._file.write(f"process {os.getpid()} on {node}\n{at}\n")
            self._file.flush()


@contextmanager
def _alone(output: Path) -> Iterator[_Lock]:
    """Keep other watchers from an output folder; the lock goes with the process, however it ends.

    Raises
    ------
    PostprocessError
        Another one is there.
    OutputError
        The folder cannot be written to.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        file = (output / LOCK_FILE).open("a+", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write to '{output}'", (error.strerror or str(error)).lower(), "give another folder") from error
    with file:
        file.seek(0)
        holder, at = (*file.read().split("\n"), "", "")[:2]
        if not _locked(file):
            raise PostprocessError(f"another watcher writes to '{output}'", f"it is {holder}", "stop it first, or give another folder")
        lock = _Lock(file, at)
        yield lock
        lock.note("")


def _locked(file: IO[str]) -> bool:
    """Whether this process has the file for itself now."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # looked at as Linux has it
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
