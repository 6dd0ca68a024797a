"""Simulating a data set on many processes: workers that are lost, a run that is killed, a disk that is full."""

import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mantid_insdl.errors import InsdlError, OutputError
from mantid_insdl.training import chunks, cluster, datasets, store
from mantid_insdl.training.cluster import ClusterError
from mantid_insdl.training.recipes import Dataset, FixedSlices

SPEC = Dataset(
    name="some",
    materials={"rb2mnf4": 6, "pcsmo-dimer": 6},
    prior="pcsmo",
    grid={"size": 6},
    slices=FixedSlices(ei=(40,), energy_fraction=(0.1, 0.7), bins=2),
    chunk=1,
    split=(0.5, 0.16, 0.17, 0.17),
    seed=8,
)
ALONE = """
import sys
from pathlib import Path
from mantid_insdl.training import datasets
from mantid_insdl.training.recipes import Dataset
if __name__ == "__main__":
    spec = Dataset.model_validate_json(sys.argv[1])
    datasets.generate(spec, Path(sys.argv[2]), processes=1, progress=lambda f, t: print(f, flush=True))
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return datasets.generate(SPEC, tmp_path_factory.mktemp("whole"), processes=1)


@pytest.fixture
def processes():
    started = []
    yield started
    for one in started:
        one.kill()
        one.wait()


@pytest.fixture
def scheduler(tmp_path, processes):
    """Address of a scheduler in a process of its own, and a function that starts a worker for it."""
    file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes.append(subprocess.Popen([*dask, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)], **options))
    wait_for(file.is_file)

    def worker():
        command = [*dask, "worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        processes.append(subprocess.Popen([*command, "--local-directory", str(tmp_path)], **options))
        return processes[-1]

    import json

    return json.loads(file.read_text())["address"], worker


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def same(one, other):
    every = np.arange(len(one.material))
    return one.digest == other.digest and np.array_equal(one.intensity[every], other.intensity[every], equal_nan=True)


def test_the_environment_is_left_as_it_was(tmp_path):
    """Nannies write one thread for linear algebra into it: the measurements of a training would then be made by one process alone."""
    before = dict(os.environ)
    found = list(cluster.each(os.getenv, [("OMP_NUM_THREADS",)], processes=1))
    assert found == [(0, "1")]
    assert dict(os.environ) == before


def test_a_worker_killed_half_way_changes_nothing(whole, scheduler, tmp_path):
    address, worker = scheduler
    workers, killed = [worker(), worker()], []

    def progress(fraction, text):
        if fraction > 0.3 and not killed:
            workers[0].send_signal(signal.SIGKILL)
            killed.append(fraction)

    data = datasets.generate(SPEC, tmp_path / "data", scheduler=address, progress=progress)
    assert killed and killed[0] < 1 and workers[0].wait() == -signal.SIGKILL
    assert same(data, whole)
    for mine, theirs in zip(
        sorted((tmp_path / "data").glob("chunk-*.npy")), sorted(whole.intensity.folder.glob("chunk-*.npy")), strict=True
    ):
        assert mine.read_bytes() == theirs.read_bytes()


def test_a_run_that_was_killed_goes_on_where_it_ended(whole, tmp_path, processes):
    command = [sys.executable, "-c", ALONE, SPEC.model_dump_json(), str(tmp_path)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    processes.append(run)
    for _ in range(3):
        assert run.stdout.readline()
    run.kill()
    run.wait()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("chunk-*.npz")}
    assert 3 <= len(kept) < 12 and not (tmp_path / store.INDEX).exists()
    assert same(datasets.generate(SPEC, tmp_path, processes=1), whole)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())


def test_a_full_disk_is_said_and_loses_nothing(whole, tmp_path, monkeypatch):
    written, sync = [], os.fsync

    def full(number):
        written.append(number)
        if len(written) > 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(number)

    with monkeypatch.context() as patch:
        patch.setattr(store.os, "fsync", full)
        with pytest.raises(OutputError, match=r"(?s)disk is full.*same training again"):
            datasets.generate(SPEC, tmp_path, processes=1)
    assert len(list(tmp_path.glob("chunk-*.npz"))) == 3 and not list(tmp_path.glob(".part*"))
    assert same(datasets.generate(SPEC, tmp_path, processes=1), whole)


def test_a_scheduler_without_workers_is_given_up(scheduler, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.4)
    monkeypatch.setattr(cluster, "_LOOK", 0.2)
    with pytest.raises(ClusterError, match=r"(?i)no worker is left"):
        datasets.generate(SPEC, tmp_path / "data", scheduler=scheduler[0])


def test_a_scheduler_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECTING", "1s")
    with pytest.raises(ClusterError, match=r"(?i)no dask scheduler at tcp://127.0.0.1:9.*dask scheduler"):
        datasets.generate(SPEC, tmp_path, scheduler="tcp://127.0.0.1:9")


def test_a_scheduler_that_ends_is_said_and_the_maps_are_kept(scheduler, tmp_path, processes, monkeypatch):
    monkeypatch.setattr(cluster, "_LOOK", 0.5)
    address, worker = scheduler
    worker()

    def progress(fraction, text):
        if fraction > 0.2:
            processes[0].kill()

    with pytest.raises(ClusterError, match=r"(?i)(scheduler is gone|no worker is left).*goes on with the maps"):
        datasets.generate(SPEC, tmp_path / "data", scheduler=address, progress=progress)
    assert len(list((tmp_path / "data").glob("chunk-*.npz"))) >= 3


def test_a_worker_with_another_version_is_refused():
    with pytest.raises(InsdlError, match=r"0\.0\.0.*same on all workers"):
        chunks.simulate(SPEC, next(iter(chunks.tasks(SPEC))), "0.0.0")
