"""The worker process: what goes in comes out, cancel is quick, and after anything that can go wrong the next call works."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import mantid_insdl
from mantid_insdl import errors
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.worker import client, protocol, run_task, stop

SCRIPT = Path(__file__).with_name("extra_tasks.py")


@pytest.fixture(autouse=True)
def worker_with_extra_tasks(monkeypatch, tmp_path):
    monkeypatch.delenv("INSDL_PYTHON", raising=False)
    monkeypatch.setenv("INSDL_CONFIG", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(client, "_SCRIPT", SCRIPT)


@pytest.fixture(autouse=True, scope="module")
def no_worker_left():
    stop()
    yield
    stop()


def measured(slices=6, size=20, seed=0):
    rng = np.random.default_rng(seed)
    axes = tuple(Axis(name, RLU, np.linspace(-1, 1, size + 1), is_edges=True, label=name.title()) for name in ("qh", "qk"))
    low = np.arange(slices) * 2.0 + 8
    return Map(
        rng.random((slices, size, size)),
        axes,
        error=rng.random((slices, size, size)),
        mask=rng.random((slices, size, size)) < 0.3,
        slices=Slices(np.where(np.arange(slices) % 2, 50.0, np.nan), low, low + 2),
        material="pcsmo",
        title="Überprüfung µ",
        provenance=("one", "two"),
        logs={"temperature": (4.2, "K"), "run": (np.int64(7), ""), "name": ("PCSMO", "")},
    )


def pid():
    return run_task("describe", {}, {})[1]["pid"]


def alive(process):
    """Whether a process runs; a zombie that nobody waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone_within(process, seconds=3.0):
    end = time.monotonic() + seconds
    while alive(process) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(process)


class CancelledError(Exception):
    pass


# ---- what goes in comes out


def test_map_comes_back_as_it_went():
    m = measured()
    outputs, result = run_task(
        "echo", {"input": m, "in/put": m.select(0)}, {"text": "Ψ", "n": np.int64(3), "x": np.float32(0.5), "list": (1, 2)}
    )
    assert result == {"text": "Ψ", "n": 3, "x": 0.5, "list": [1, 2]}
    assert set(outputs) == {"input", "in/put"}
    back = outputs["input"]
    for name in ("intensity", "error", "mask"):
        np.testing.assert_array_equal(getattr(back, name), getattr(m, name))
    back.require_same_axes(m)
    assert [(a.values.tolist(), a.label, a.is_edges) for a in back.axes] == [(a.values.tolist(), a.label, a.is_edges) for a in m.axes]
    np.testing.assert_array_equal(back.slices.ei, m.slices.ei)
    assert (back.material, back.title, back.provenance) == (m.material, m.title, m.provenance)
    assert dict(back.logs) == {"temperature": (4.2, "K"), "run": (7, ""), "name": ("PCSMO", "")}
    assert outputs["in/put"].shape == (1, 20, 20)


def test_nan_and_infinity_in_results():
    _, result = run_task("echo", {}, {"values": [np.nan, np.inf, -np.inf]})
    np.testing.assert_array_equal(result["values"], [np.nan, np.inf, -np.inf])


def test_large_map():
    m = measured(slices=8, size=1000)  # 136 MB with errors and mask
    outputs, _ = run_task("echo", {"input": m}, {})
    np.testing.assert_array_equal(outputs["input"].intensity, m.intensity)


def test_worker_stays_warm_and_calls_are_quick():
    first = pid()
    start = time.perf_counter()
    for _ in range(10):
        assert pid() == first
    assert (time.perf_counter() - start) / 10 < 0.1


def test_option_that_is_not_plain_data_is_refused_before_anything_is_sent():
    first = pid()
    with pytest.raises(TypeError, match="is not text, a number, a list or a dictionary"):
        run_task("echo", {}, {"x": object()})
    assert pid() == first


def test_relative_paths_mean_what_they_mean_to_the_caller(tmp_path, monkeypatch):
    pid()
    folder = tmp_path / "Größe ∆E"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert run_task("describe", {}, {})[1]["directory"] == str(folder)


def test_removed_working_directory_does_no_harm(tmp_path, monkeypatch):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    stop()
    assert run_task("echo", {}, {"x": 1})[1] == {"x": 1}


def test_chatter_of_libraries_does_not_disturb_the_messages():
    first = pid()
    assert run_task("chatter", {}, {})[1] == {"stdin": ""}
    assert pid() == first


# ---- progress, polling, cancel


def test_progress_and_poll_are_called_in_the_callers_thread():
    reports, polls, threads = [], [], set()

    def progress(fraction, text):
        reports.append((fraction, text))
        threads.add(threading.get_ident())

    def poll():
        polls.append(time.monotonic())
        threads.add(threading.get_ident())

    pid()
    run_task("sleep", {}, {"seconds": 0.6}, progress=progress, poll=poll)
    assert (0.5, "sleeping") in reports
    assert len(reports) <= 0.6 / 0.05 + 1
    assert threads == {threading.get_ident()}
    assert np.max(np.diff(polls)) < 0.2


def test_poll_goes_on_while_the_task_holds_the_interpreter():
    polls = []
    pid()
    run_task("block", {}, {"seconds": 1}, poll=lambda: polls.append(time.monotonic()))
    assert len(polls) >= 5
    assert np.max(np.diff(polls)) < 0.2


@pytest.mark.parametrize("task", ["sleep", "block"])
def test_cancel_by_poll_kills_the_worker_at_once(task):
    first = pid()
    start = time.monotonic()

    def poll():
        if time.monotonic() - start > 0.3:
            raise CancelledError("enough")

    with pytest.raises(CancelledError, match="enough"):
        run_task(task, {}, {"seconds": 20}, poll=poll)
    assert time.monotonic() - start < 1.0
    assert not alive(first)
    assert pid() != first


def test_cancel_by_progress():
    first = pid()

    def progress(fraction, text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_task("sleep", {}, {"seconds": 20}, progress=progress)
    assert not alive(first)
    assert pid() != first


def test_cancel_while_the_worker_starts():
    stop()

    def poll():
        raise CancelledError

    with pytest.raises(CancelledError):
        run_task("echo", {}, {}, poll=poll)
    assert client._state.worker is None
    assert pid()


def test_cancel_while_a_large_map_is_on_its_way_to_a_worker_that_does_not_read():
    first = pid()
    os.kill(first, signal.SIGSTOP)
    start = time.monotonic()

    def poll():
        if time.monotonic() - start > 0.3:
            raise CancelledError

    with pytest.raises(CancelledError):
        run_task("echo", {"input": measured(4, 500)}, {}, poll=poll)
    assert time.monotonic() - start < 1.5
    assert not alive(first)
    assert pid() != first


def test_cancel_ends_what_the_task_has_started():
    child = []

    def progress(fraction, text):
        if text.isdigit():
            child.append(int(text))
            raise CancelledError

    with pytest.raises(CancelledError):
        run_task("children", {}, {}, progress=progress)
    assert gone_within(child[0])


# ---- threads and forks


def test_two_threads_take_turns_and_both_poll():
    polls = {0: 0, 1: 0}
    results = {}

    def work(number):
        def poll():
            polls[number] += 1

        results[number] = run_task("sleep", {}, {"seconds": 0.5}, poll=poll)[1]["pid"]

    threads = [threading.Thread(target=work, args=(n,)) for n in polls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert results[0] == results[1]
    assert min(polls.values()) >= 4


def test_waiting_thread_can_be_cancelled_without_harm_to_the_running_one():
    done = {}
    first = pid()
    other = threading.Thread(target=lambda: done.update(run_task("sleep", {}, {"seconds": 1.0})[1]))
    other.start()
    time.sleep(0.2)

    def poll():
        raise CancelledError

    with pytest.raises(CancelledError):
        run_task("echo", {}, {}, poll=poll)
    other.join(10)
    assert done["pid"] == first


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_forked_child_leaves_its_parents_worker_alone():
    code = (
        "import os, sys; from mantid_insdl.worker import client, run_task\n"
        f"client._SCRIPT = {str(SCRIPT)!r}\n"
        "mine = run_task('describe', {}, {})[1]['pid']\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    other = run_task('describe', {}, {})[1]['pid']; client.stop(); os._exit(int(other == mine))\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
        "assert run_task('describe', {}, {})[1]['pid'] == mine\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# ---- the end


def caller(*lines):
    """Another Python process that uses the worker and prints its process id."""
    code = "\n".join(
        [
            "import os, signal, threading, time; from mantid_insdl.worker import client, run_task",
            f"client._SCRIPT = {str(SCRIPT)!r}",
            "print(run_task('describe', {}, {})[1]['pid'], flush=True)",
            *lines,
        ]
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_worker_ends_with_its_caller():
    with caller() as process:
        worker = int(process.stdout.readline())
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
    assert gone_within(worker)


@pytest.mark.parametrize("busy", [False, True])
def test_worker_ends_when_its_caller_is_killed(busy):
    lines = ["print('go', flush=True)", "run_task('sleep', {}, {'seconds': 30})" if busy else "time.sleep(30)"]
    with caller(*lines) as process:
        worker = int(process.stdout.readline())
        process.stdout.readline()
        time.sleep(0.3)
        process.kill()
    assert gone_within(worker)


def test_interrupt_from_the_keyboard_ends_the_task():
    # A shell starts its background jobs with SIGINT ignored, and children inherit that; a terminal's foreground does not.
    heed = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    with caller(heed, "print('go', flush=True)", "run_task('sleep', {}, {'seconds': 30})") as process:
        worker = int(process.stdout.readline())
        process.stdout.readline()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert gone_within(worker)


# ---- failures


@pytest.mark.parametrize("name", [n for n in dir(errors) if n.endswith("Error")])
def test_errors_come_back_as_they_were_raised(name):
    first = pid()
    with pytest.raises(getattr(errors, name)) as caught:
        run_task("fail", {}, {"error": name})
    assert type(caught.value).__name__ == name
    assert str(caught.value) == "It is wrong: for a reason; do this."
    assert pid() == first


def test_special_error_comes_back_as_the_nearest_known_one():
    with pytest.raises(errors.MapError, match="It is special: so; fix it"):
        run_task("fail", {}, {"error": "Special"})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ValueError", "failed unexpectedly: ValueError: bad luck; please report"),
        ("MemoryError", "ran out of memory"),
        ("ModuleNotFoundError", f"interpreter {sys.executable} has no module 'a_module_that_is_not_there'"),
    ],
)
def test_other_errors_become_one_sentence_with_the_traceback_as_a_note(name, message):
    first = pid()
    with pytest.raises(errors.WorkerError) as caught:
        run_task("fail", {}, {"error": name})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "extra_tasks.py" in caught.value.__notes__[0]
    assert pid() == first


def test_answer_that_cannot_be_sent_is_one_error():
    first = pid()
    with pytest.raises(errors.WorkerError, match="failed unexpectedly: TypeError: object"):
        run_task("unsendable", {}, {})
    assert pid() == first


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT"])
def test_crash_is_one_error_with_the_last_words_and_the_next_call_works(name):
    with pytest.raises(
        errors.WorkerError, match=f"ended unexpectedly: it was ended by signal {name}.*last words were: .*about to crash"
    ) as caught:
        run_task("crash", {"input": measured()}, {"signal": name})
    assert "\n" not in str(caught.value)
    assert pid()


def test_exit_is_one_error():
    with pytest.raises(errors.WorkerError, match="it ended with status 3; its last words were: leaving; try again"):
        run_task("leave", {}, {})
    assert pid()


def test_worker_killed_between_calls_is_replaced_without_an_error():
    first = pid()
    os.kill(first, signal.SIGKILL)
    assert gone_within(first)
    assert pid() != first


def test_worker_killed_in_the_middle_by_somebody_else():
    first = pid()
    threading.Timer(0.3, os.kill, (first, signal.SIGKILL)).start()
    with pytest.raises(errors.WorkerError, match="signal SIGKILL, perhaps because memory ran out"):
        run_task("sleep", {}, {"seconds": 20})
    assert pid() != first


def test_other_protocol_asks_for_a_restart(monkeypatch):
    stop()
    with monkeypatch.context() as patch:
        patch.setattr(protocol, "VERSION", 99)
        with pytest.raises(errors.WorkerError, match="the package was changed while this program runs; restart"):
            pid()
    assert pid()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "raise ModuleNotFoundError(name='tensorflow')",
            "TensorFlow is needed to run the networks: .* has no module 'tensorflow'; run `pip install",
        ),
        ("raise ValueError('Not a datatype')", "installed but cannot be imported: ValueError in .*: Not a datatype; reinstall it"),
        ("raise ImportError('libx.so: cannot open\\nmore')", "installed but cannot be imported: ImportError in .*: libx.so: cannot open; "),
    ],
)
def test_missing_or_broken_tensorflow_is_one_error_and_the_worker_goes_on(statement, message, tmp_path, monkeypatch):
    (tmp_path / "tensorflow.py").write_text(statement)
    stop()
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        first = pid()
    with pytest.raises(errors.TensorFlowMissingError, match=message) as caught:
        run_task("keras", {}, {})
    assert "INSDL_PYTHON" in str(caught.value)
    assert pid() == first
    stop()


@pytest.mark.tensorflow
def test_tensorflow_is_imported_once_in_a_warm_worker():
    pytest.importorskip("keras")
    run_task("keras", {}, {})
    start = time.monotonic()
    run_task("keras", {}, {})
    assert time.monotonic() - start < 0.5


def test_caller_needs_little():
    """Inside Mantid neither h5py nor TensorFlow may be imported; nor need anything else heavy be."""
    code = "import sys; from mantid_insdl.worker import run_task; from mantid_insdl import maps, errors\n"
    code += "from mantid_insdl.networks import bundles; bundles.bundle_names()\n"
    code += "print([n for n in ('h5py', 'tensorflow', 'keras', 'scipy', 'matplotlib', 'typer', 'qtpy') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


# ---- what the worker gets from its caller


def test_package_is_loaded_from_its_own_place(tmp_path, monkeypatch):
    """A copy elsewhere is used by its location, not the one that the interpreter has installed."""
    source = Path(mantid_insdl.__file__).parent
    copy = shutil.copytree(source, tmp_path / "another pläce" / "mantid_insdl", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("INSDL_TEST_PACKAGE", str(copy))
    stop()
    _, result = run_task("describe", {}, {})
    assert result["package"] == str(copy / "__init__.py")
    assert not [entry for entry in result["path"] if entry.startswith(str(tmp_path))]
    stop()


def test_callers_environment_is_neither_changed_nor_inherited_by_another_interpreter(tmp_path, monkeypatch):
    other = tmp_path / "other env" / "bin" / "python"
    other.parent.mkdir(parents=True)
    other.symlink_to(sys.executable)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", other.parents[1])
    (other.parents[1] / "lib").symlink_to(Path(sys.prefix) / "lib")
    foreign = {
        "PYTHONPATH": "/opt/mantid/lib",
        "LD_LIBRARY_PATH": "/opt/mantid/lib",
        "LD_PRELOAD": "",
        "HDF5_PLUGIN_PATH": "/opt/mantid/lib",
    }
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    same = run_task("describe", {}, {})[1]
    stop()
    same = run_task("describe", {}, {})[1]
    assert {name: same["environment"][name] for name in foreign} == foreign
    monkeypatch.setenv("INSDL_PYTHON", str(other))
    different = run_task("describe", {}, {})[1]
    assert different["executable"] == str(other)
    assert not set(foreign) & set(different["environment"])
    assert "/opt/mantid/lib" not in different["path"]
    monkeypatch.delenv("INSDL_PYTHON")
    assert dict(os.environ) == before
    stop()


def test_no_file_descriptor_is_inherited(tmp_path):
    stop()
    with (tmp_path / "secret").open("w") as stream:
        descriptors = run_task("describe", {}, {})[1]["descriptors"]
        assert stream.name not in descriptors


def test_no_place_for_temporary_files(monkeypatch, tmp_path):
    stop()
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
        with pytest.raises(errors.WorkerError, match=r"log cannot be written as a temporary file .* set TMPDIR"):
            pid()
    assert pid()


def test_read_only_home(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME")
    stop()
    assert pid()
    assert list(home.iterdir()) == []
    stop()
