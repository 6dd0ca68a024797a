"""What the command line writes while it works: a progress bar on a terminal, few plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mantid_insdl.progress import Progress

LOG_INTERVAL = 10.0  # seconds between lines of a log that say the same thing with other numbers


@contextmanager
def progress_reporter(quiet: bool = False) -> Iterator[Progress]:
    """A ``progress(fraction, text)`` that draws a bar on standard error where that is a terminal, and else prints lines.

    In a log (automated reduction) a line is printed when the words change; where only numbers in them do, every 10 seconds.
    """
    if quiet:
        yield lambda fraction, text: None
    elif sys.stderr.isatty():
        with _bar() as report:
            yield report
    else:
        yield _LogLines()


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda fraction, text: bar.update(task, completed=fraction, description=text or "working")


class _LogLines:
    def __init__(self) -> None:
        self._words, self._time = "", 0.0

    def __call__(self, fraction: float, text: str) -> None:
        words = "".join(character for character in text if not character.isdigit())
        now = time.monotonic()
        if words == self._words and now - self._time < LOG_INTERVAL:
            return
        self._words, self._time = words, now
        print(f"{fraction:4.0%} {text}", file=sys.stderr, flush=True)


def share_of(progress: Progress, start: float, end: float) -> Progress:
    """A progress function for one part of the work, from `start` to `end` of the whole."""
    return lambda fraction, text: progress(start + (end - start) * fraction, text)
