"""Threads for array work: numpy's linear algebra lets go of the interpreter's lock, so that threads use all cores.

Its own threads are held to one meanwhile: matrices of some ten rows are too small to share, and the waiting costs as much as the work.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from mantid_insdl.progress import Progress

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Cores that this process may use: no more than OMP_NUM_THREADS, which is how a cluster tells its workers to be one of many."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(available, int(wanted)) if wanted.isdigit() and int(wanted) > 0 else available


@functools.cache
def _libraries(with_scipy: bool) -> ThreadpoolController:
    """The libraries of linear algebra: numpy's, and scipy's once it has been imported. Looking for them takes milliseconds."""
    return ThreadpoolController()


@functools.cache
def keep_freed_memory() -> None:
    """Let the C library keep the memory of arrays that are freed for those that follow, up to some 60 MB a thread.

    It gives blocks of more than 128 kB back to the system at once, which then clears each page anew: a fifth of the time
    of a map, and both cores wait for it. That limit becomes the size of the largest block of up to 32 MB that was ever
    freed, and what is kept twice that (mallopt(3), M_MMAP_THRESHOLD); so one is freed here, of which no page is touched.
    """
    np.empty(31 * 2**20, np.uint8)


def linear_algebra_in_one_thread() -> Any:
    """Context manager: the libraries of linear algebra use one thread. Those that one such context begins in another end before it."""
    return _libraries("scipy.linalg" in sys.modules).limit(limits=1, user_api="blas")


def in_threads(work: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """`work` of each item, in the order of the items, by up to `workers` threads (all cores by default).

    What is not yet started is given up when the caller stops iterating or an item raises.
    """
    keep_freed_memory()
    items = list(items)
    workers = min(workers or cores(), len(items))
    if workers <= 1:
        with linear_algebra_in_one_thread() if cores() == 1 else nullcontext():
            yield from map(work, items)
        return
    with linear_algebra_in_one_thread(), ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


class _StoppedError(Exception):
    """Nobody waits any more."""


@contextmanager
def beside(work: Callable[[Progress], R]) -> Iterator[Callable[[Progress], R]]:
    """One piece of long work in a thread beside the caller's own.

    Parameters
    ----------
    work
        Is given a function to report its progress to, which raises, and so ends the work, once the caller has left the context.

    Yields
    ------
    A function that waits for the result and meanwhile tells how far the work has come, in the caller's thread.
    """
    last, left = (0.0, ""), threading.Event()

    def told(fraction: float, text: str) -> None:
        nonlocal last
        if left.is_set():
            raise _StoppedError
        last = (fraction, text)

    with linear_algebra_in_one_thread(), ThreadPoolExecutor(1) as pool:
        future = pool.submit(work, told)

        def result(progress: Progress) -> R:
            while not future.done():
                progress(*last)
                wait([future], timeout=0.2)
            return future.result()

        try:
            yield result
        finally:
            left.set()
