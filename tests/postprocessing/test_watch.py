"""A folder that is watched, with good files, bad files, and trouble."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import pytest
from small_maps import small_map

from mantid_insdl import load, save
from mantid_insdl.errors import OutputError, PostprocessError
from mantid_insdl.postprocessing import watch as watching
from mantid_insdl.postprocessing.processing import Options
from mantid_insdl.postprocessing.watch import watch
from mantid_insdl.runs.record import DONE, FAILED, read_record

MAP_ONLY = Options(steps=("map",))
QUICK = {"interval": 0.05, "settle": 0.2}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "reduced").mkdir()
    return tmp_path / "reduced"


def records(output):
    found = {path.name: read_record(path) for path in output.iterdir() if path.is_dir()}
    return {name: record for name, record in found.items() if record is not None}


def start(folder, output):
    arguments = ["--watch", folder, "-o", output, "--steps", "map", "--interval", "0.1", "--settle", "0.5", "--stop-after", "4"]
    command = [sys.executable, "-m", "mantid_insdl", "postprocess", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def bad_files(folder):
    (folder / "text.nxs").write_text("not a map")
    (folder / "empty.nxs").write_bytes(b"")
    with h5py.File(folder / "raw.nxs", "w") as file:
        file.create_group("raw_data_1").attrs["NX_class"] = "NXentry"
    np.savez(folder / "keys.npz", something=np.ones(3))
    save(small_map(), folder / "cut.nxs")
    (folder / "cut.nxs").write_bytes((folder / "cut.nxs").read_bytes()[:-3000])
    return {"text", "empty", "raw", "keys", "cut"}


def test_twenty_files_half_written_killed_and_restarted(tmp_path, folder, reduced):
    output = tmp_path / "out"
    for number in range(8):
        reduced(number, folder=folder)
    bad = bad_files(folder)
    whole = reduced(99, folder=tmp_path, name="half.nxs").read_bytes()
    (folder / "half.nxs").write_bytes(whole[: len(whole) // 2])
    first, growing = start(folder, output), threading.Event()

    def write_slowly():
        """Half a file that goes on being written while it is watched, until it is whole."""
        with (folder / "half.nxs").open("r+b") as file:
            file.seek(len(whole) // 2)
            step = len(whole) // 40
            for place in range(len(whole) // 2, len(whole), step):
                file.write(whole[place : place + step])
                file.flush()
                time.sleep(0.2)
        growing.set()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    end = time.monotonic() + 60
    while time.monotonic() < end and (not output.exists() or len(records(output)) < 5):
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    before = {name: (output / name / "run.json").stat().st_mtime_ns for name in records(output)}
    assert 5 <= len(before) < 20, first.stdout.read()
    for number in range(8, 14):
        reduced(number, folder=folder)
    second = start(folder, output)
    said, _ = second.communicate(timeout=120)
    writer.join()
    assert second.returncode == 0, said
    found = records(output)
    good = {f"MAP{number:05}_Ei10meV" for number in range(14)} | {"half"}
    assert {name for name, record in found.items() if record.state == DONE} == good
    assert {name for name, record in found.items() if record.state == FAILED} == bad
    for name, when in before.items():
        if name != "half":
            assert (output / name / "run.json").stat().st_mtime_ns == when, f"{name} was processed once"
    for name in (good | bad) - {"half"}:
        assert said.count(f"insdl: {name}: ") == (name not in before), f"{name} was processed once"
    assert load(output / "half" / "measured.nxs").intensity.min() > 99
    index = (output / "index.html").read_text()
    assert "20 runs: " in index and "15 done" in index and "5 failed" in index
    for name in good | bad:
        assert index.count(f'href="{name}/index.html"') == 1
    assert not list(output.rglob(".insdl-partial-*"))


def test_a_file_that_changes_is_processed_again(tmp_path, folder, reduced):
    reduced(1, folder=folder)
    assert watch(folder, tmp_path / "out", MAP_ONLY, stop_after=0.5, **QUICK) == 1
    assert watch(folder, tmp_path / "out", MAP_ONLY, stop_after=0.5, **QUICK) == 0, "it is known"
    save(small_map(5), folder / "MAP00001_Ei10meV.nxs")
    assert watch(folder, tmp_path / "out", MAP_ONLY, stop_after=0.5, **QUICK) == 1
    assert load(tmp_path / "out" / "MAP00001_Ei10meV" / "measured.nxs").intensity.min() > 5


def test_with_other_options_it_is_processed_again(tmp_path, folder, reduced):
    reduced(1, folder=folder)
    watch(folder, tmp_path / "out", MAP_ONLY, stop_after=0.5, **QUICK)
    assert watch(folder, tmp_path / "out", Options(steps=("map",), material="rb2mnf4"), stop_after=0.5, **QUICK) == 1


def test_options_from_texts_are_those_of_the_record(tmp_path, folder, reduced, monkeypatch):
    """Otherwise a run would be processed for ever."""
    monkeypatch.chdir(tmp_path)
    reduced(1, folder=folder)
    options = Options.checked(steps="map", material="none.yaml, rb2mnf4", ei=10, mask="", refine="off", time_limit=None, title="t")
    assert watch(folder, tmp_path / "out", options, stop_after=0.5, **QUICK) == 1
    assert watch(folder, tmp_path / "out", options, stop_after=0.5, **QUICK) == 0


def test_only_names_that_fit(tmp_path, folder, reduced):
    reduced(1, folder=folder)
    reduced(2, folder=folder, name=".hidden.nxs")
    reduced(3, folder=folder, name="other.nxs")
    assert watch(folder, tmp_path / "out", MAP_ONLY, pattern="*.nxspe, MAP*", stop_after=0.5, **QUICK) == 1
    assert set(records(tmp_path / "out")) == {"MAP00001_Ei10meV"}


def test_what_a_killed_watcher_was_at_is_cleared_up(tmp_path, folder, reduced):
    """Only that: another process may be at work on another run."""
    reduced(1, folder=folder)
    output = tmp_path / "out"
    for name in ("MAP00001_Ei10meV", "other"):
        (output / name / ".insdl-partial-x").mkdir(parents=True)
        (output / name / ".insdl-partial-x" / "measured.png").write_text("half")
    (output / watching.LOCK_FILE).write_text("process 1 on another computer\nMAP00001_Ei10meV\n")
    assert watch(folder, output, MAP_ONLY, stop_after=0.5, **QUICK) == 1
    assert list(records(output)) == ["MAP00001_Ei10meV"]
    assert [path.parent.name for path in output.rglob(".insdl-partial-*")] == ["other"]


def test_two_watchers(tmp_path, folder):
    said = []
    options = {"stop_after": 3, "say": said.append, **QUICK}
    first = threading.Thread(target=watch, args=(folder, tmp_path / "out", MAP_ONLY), kwargs=options)
    first.start()
    while not said:
        time.sleep(0.02)
    with pytest.raises(PostprocessError, match=f"(?i)another watcher writes to .*process {os.getpid()} on "):
        watch(folder, tmp_path / "out", MAP_ONLY, stop_after=0.1, **QUICK)
    first.join()
    assert watch(folder, tmp_path / "out", MAP_ONLY, stop_after=0.1, **QUICK) == 0, "the lock has gone with the first"


def test_a_folder_that_disappears_and_comes_back(tmp_path, folder, reduced):
    said = []

    def trouble():
        while len(said) < 1:
            time.sleep(0.02)
        folder.rename(tmp_path / "away")
        while len(said) < 2:
            time.sleep(0.02)
        reduced(1, folder=tmp_path / "away")
        (tmp_path / "away").rename(folder)

    thread = threading.Thread(target=trouble)
    thread.start()
    assert watch(folder, tmp_path / "out", MAP_ONLY, stop_after=1.5, say=said.append, **QUICK) == 1
    thread.join()
    assert "cannot be read (no such file or directory); waiting for it" in said[1]
    assert said[2].endswith("is there again")


def test_a_folder_that_stays_away(tmp_path, folder):
    said = []
    thread = threading.Timer(0.3, lambda: shutil.rmtree(folder))
    thread.start()
    with pytest.raises(PostprocessError, match="has gone"):
        watch(folder, tmp_path / "out", MAP_ONLY, stop_after=1.0, say=said.append, **QUICK)
    assert sum("waiting for it" in line for line in said) == 1, "said once"


def test_a_full_disk_is_waited_for(tmp_path, folder, reduced, monkeypatch):
    reduced(1, folder=folder)
    said, full, process_one = [], [True] * 3, watching.process_one

    def sometimes(*arguments):
        if full:
            full.pop()
            raise OutputError("cannot write to the folder", "the disk is full", "free some space")
        return process_one(*arguments)

    monkeypatch.setattr(watching, "process_one", sometimes)
    assert watch(folder, tmp_path / "out", MAP_ONLY, stop_after=1.0, say=said.append, **QUICK) == 1
    assert sum("must wait: Cannot write to the folder: the disk is full" in line for line in said) == 1, "said once"


def test_an_index_that_did_not_fit_on_the_disk_is_written_later(tmp_path, folder, reduced, monkeypatch):
    reduced(1, folder=folder)
    process_one = watching.process_one

    def full_at_the_end(*arguments):
        process_one(*arguments)
        (tmp_path / "out" / "index.html").unlink()
        raise OutputError("cannot write the file", "the disk is full")

    monkeypatch.setattr(watching, "process_one", full_at_the_end)
    assert watch(folder, tmp_path / "out", MAP_ONLY, stop_after=1.0, **QUICK) == 0
    assert "1 runs" in (tmp_path / "out" / "index.html").read_text()


def test_a_file_that_is_being_written_is_left_alone(tmp_path, folder, monkeypatch):
    taken = []
    monkeypatch.setattr(watching, "process_one", lambda inputs, *rest: taken.append(inputs) or pytest.fail("taken"))
    stop = threading.Event()

    def write():
        with (folder / "growing.nxs").open("wb") as file:
            while not stop.is_set():
                file.write(b"x" * 10)
                file.flush()
                time.sleep(0.03)

    writer = threading.Thread(target=write)
    writer.start()
    watch(folder, tmp_path / "out", MAP_ONLY, stop_after=1.0, **QUICK)
    stop.set()
    writer.join()
    assert taken == []


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path, folder, reduced, monkeypatch):
    file, process_one, changed = reduced(1, folder=folder), watching.process_one, []

    def slow(*arguments):
        if not changed:
            changed.append(save(small_map(5), file))
        return process_one(*arguments)

    monkeypatch.setattr(watching, "process_one", slow)
    assert watch(folder, tmp_path / "out", MAP_ONLY, stop_after=1.0, **QUICK) == 0 or changed
    assert load(tmp_path / "out" / "MAP00001_Ei10meV" / "measured.nxs").intensity.min() > 5
