"""Work for many processes: those of this machine, or those of a dask scheduler elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any

from mantid_insdl.errors import WorkerError

PATIENCE = 60.0
"""Seconds without any worker after which the work is given up."""
CONNECTING = "20s"
"""How long a scheduler may take to answer."""
_LOOK = 5.0  # seconds between two looks at the workers


class ClusterError(WorkerError):
    """Workers of a data set that cannot be reached, or are lost."""


_AGAIN = "start the same training again: it goes on with the maps that are kept"


def each(
    function: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    *,
    scheduler: str | None = None,
    processes: int | None = None,
) -> Iterator[tuple[int, Any]]:
    """(index, result) of ``function(*arguments[index])``, in the order in which they are done.

    Work of a worker that is lost is done by another one. What raises, raises here.

    Parameters
    ----------
    scheduler
        Address of a dask scheduler; by default workers are started on this machine.
    processes
        How many of those; one for each core by default.
    """
    try:
        import distributed
    except ImportError:
        raise ClusterError(
            "cannot simulate training maps", "dask.distributed is not installed", "run pip install 'mantid_insdl[train]'"
        ) from None
    with contextlib.ExitStack() as local:
        cluster = None
        if scheduler is None:
            local.enter_context(_own_environment())
            number = processes or os.cpu_count() or 1
            # Each with one thread, also for linear algebra, as dask's nannies see to; on any free port.
            options = {"scheduler_port": 0, "dashboard_address": ":0", "silence_logs": 50}
            cluster = distributed.LocalCluster(n_workers=number, threads_per_worker=1, host="127.0.0.1", **options)
            local.callback(cluster.close)
        try:
            client = distributed.Client(cluster or scheduler, timeout=CONNECTING)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(
                f"there is no dask scheduler at {scheduler}",
                str(error) or type(error).__name__,
                "start one with 'dask scheduler' and give the address it prints, such as tcp://host:8786",
            ) from None
        with client:
            futures = {client.submit(function, *one, pure=False): index for index, one in enumerate(arguments)}
            yield from _results(client, futures, distributed)


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """The environment as it was, afterwards: nannies write what their workers need, such as one thread, into that of this process."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def _results(client: Any, futures: dict[Any, int], distributed: Any) -> Iterator[tuple[int, Any]]:
    alone = 0.0
    while futures:
        try:
            done = distributed.wait(list(futures), timeout=_LOOK, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            alone = 0.0 if _workers(client) else alone + _LOOK
            if alone >= PATIENCE:
                raise ClusterError(f"no worker is left, for {PATIENCE:g} s now", "all were lost, or none came", _AGAIN) from None
            continue
        except CancelledError as error:
            raise _gone(error) from None
        alone = 0.0
        yield from _finished(done, futures, distributed)


def _gone(error: BaseException) -> ClusterError:
    return ClusterError("the dask scheduler is gone", str(error).split("\n")[0], _AGAIN)


def _workers(client: Any) -> int:
    if client.status != "running":
        raise ClusterError("the dask scheduler is gone", f"the connection to it is {client.status}", _AGAIN)
    return len(client.scheduler_info(n_workers=-1)["workers"])


def _finished(done: Iterable[Any], futures: dict[Any, int], distributed: Any) -> Iterator[tuple[int, Any]]:
    for future in done:
        index = futures.pop(future)
        try:
            result = future.result()
        except distributed.scheduler.KilledWorker as error:
            raise ClusterError("workers are lost again and again at the same work", str(error).split("\n")[0], _AGAIN) from None
        except CancelledError as error:
            raise _gone(error) from None
        future.release()
        yield index, result
