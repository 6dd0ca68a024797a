"""Measurements in batches, made by processes of their own while a network is fitted to those before."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np

from mantid_insdl.networks.backend import environment
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.parallel import cores
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.recipes import Measurement

AHEAD = 2  # batches that wait for each process


class Batches:
    """Batches of measurements from several processes; close it, or use it in ``with``.

    Parameters
    ----------
    measurer
        Goes to every process once; it should hold its maps by reference to a file.
    processes
        Default: one for each core. With one, measurements are made in this process, when they are asked for.
    """

    def __init__(self, measurer: Measurer, processes: int | None = None):
        self.measurer, self.processes, self._pool = measurer, processes or cores(), None

    def __enter__(self) -> Batches:
        if self.processes > 1:
            context = get_context("spawn")  # a fork of a process with TensorFlow's or JAX' threads may hang
            self._pool = ProcessPoolExecutor(self.processes, mp_context=context, initializer=_begin, initargs=(self.measurer,))
        return self

    def __exit__(self, *_: Any) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def of(
        self, parts: Sequence[np.ndarray], seed: tuple[int, ...], settings: Measurement | None = None, kind: str | None = None
    ) -> Iterator[MeasuredMaps]:
        """Measurements of the maps at each of `parts`, in order; `settings` in the place of the measurer's, `kind` as it takes it."""
        if self._pool is None:
            for indices in parts:
                yield _measured(self.measurer, indices, seed, settings, kind)
            return
        waiting: list[Future[MeasuredMaps]] = []
        remaining = iter(parts)
        try:
            while True:
                with environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"):  # read by a process when it starts
                    while len(waiting) < AHEAD * self.processes and (indices := next(remaining, None)) is not None:
                        waiting.append(self._pool.submit(_measured_here, indices, seed, settings, kind))
                if not waiting:
                    return
                yield waiting.pop(0).result()
        finally:
            for one in waiting:
                one.cancel()


def in_parts(indices: np.ndarray, size: int) -> list[np.ndarray]:
    """Batches of at most `size` indices."""
    return [indices[i * size : (i + 1) * size] for i in range(math.ceil(indices.size / size))]


_here: dict[str, Measurer] = {}


def _begin(measurer: Measurer) -> None:
    _here["measurer"] = measurer


def _measured_here(*arguments: Any) -> MeasuredMaps:
    return _measured(_here["measurer"], *arguments)


def _measured(
    measurer: Measurer, indices: np.ndarray, seed: tuple[int, ...], settings: Measurement | None, kind: str | None
) -> MeasuredMaps:
    if settings is not None:
        measurer = Measurer(measurer.data, measurer.spec, settings, keep_signal=measurer.keep_signal)
    return measurer.measure(indices, seed, kind=kind) if kind is not None else measurer.measure(indices, seed)
