"""What the command line writes while it works: a progress bar on a terminal, few plain lines in a log."""

from __future__ import annotations

import codecs
import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from mantid_insdl.progress import Progress, ignore_progress

LOG_INTERVAL = 10.0  # seconds between lines of a log that say the same thing with other numbers


_SPELLED = {"±": "+-", "Å": "A", "Γ": "Gamma", "–": "-", "—": "-", "×": "x", "…": "...", "·": ".", "χ": "chi", "ħ": "h", "⁻": "-"}


def print_anywhere() -> None:
    """Make standard output and error take every character: one that their encoding lacks (PYTHONIOENCODING=ascii) is spelled out."""
    codecs.register_error("insdl", _spell_out)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a test or a notebook has put another in their place
            stream.reconfigure(errors="insdl")


def _spell_out(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_spelled(one) for one in error.object[error.start : error.end]), error.end


def _spelled(character: str) -> str:
    """In ASCII, which every encoding has: by its own spelling, without its accents, or as a question mark."""
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return _SPELLED.get(character) or plain or "?"


@contextmanager
def progress_reporter(quiet: bool = False) -> Iterator[Progress]:
    """A ``progress(fraction, text)`` that draws a bar on standard error where that is a terminal, and else prints lines.

    In a log (automated reduction) a line is printed when the words change; where only numbers in them do, every 10 seconds.
    """
    if quiet:
        yield ignore_progress
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
