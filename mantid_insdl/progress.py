"""How long work reports itself: a function of the fraction done, 0 to 1, and a text; it may raise to stop the work."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]


def ignore_progress(fraction: float, text: str) -> None:
    """Where nobody wants to know."""


def share_of(progress: Progress, start: float, end: float) -> Progress:
    """A progress function for one part of the work, from `start` to `end` of the whole."""
    return lambda fraction, text: progress(start + (end - start) * fraction, text)
