"""Independent trials over processes of one core each: the numbers are the same for any number of them, and so are the times of a fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def one_core_each(task: Callable[[T], R], items: Iterable[T], processes: int) -> Iterator[R]:
    """`task` of each item, in order; with one process in this one."""
    if processes == 1:
        yield from map(task, items)
        return
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # read by the processes when they import numpy
    context = get_context("spawn")
    cores = context.Queue()
    for number in range(processes):
        cores.put(sorted(os.sched_getaffinity(0))[number % len(os.sched_getaffinity(0))])
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_take, initargs=(cores,)) as pool:
        yield from pool.map(task, items)


def _take(cores: Any) -> None:
    os.sched_setaffinity(0, {cores.get()})
