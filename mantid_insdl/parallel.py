"""Threads for array work: numpy's linear algebra lets go of the interpreter's lock, so that threads use all cores.

Its own threads are held to one meanwhile: matrices of some ten rows are too small to share, and the waiting costs as much as the work.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import ThreadpoolController

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


def in_threads(work: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """`work` of each item, in the order of the items, by up to `workers` threads (all cores by default).

    What is not yet started is given up when the caller stops iterating or an item raises.
    """
    items = list(items)
    workers = min(workers or cores(), len(items))
    if workers <= 1:
        yield from map(work, items)
        return
    with _libraries("scipy.linalg" in sys.modules).limit(limits=1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()
