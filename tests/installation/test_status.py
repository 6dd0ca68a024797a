"""What `insdl status` says: for each piece present, missing or of another version."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mantid_insdl.installation import environment, plan, record, status
from mantid_insdl.installation.properties import PLUGINS
from mantid_insdl.installation.status import MISSING, OTHER_VERSION, PRESENT
from mantid_insdl.installation.workbench import is_workbench, running

ALL = ["installation", "Mantid", "package", "algorithms", "launcher", "menu entry", "TensorFlow", "a call"]


@pytest.fixture
def installed(insdl, mantid, user_file, monkeypatch):
    """Installed, with the Python of the tests for the networks; the call is only made where it is the point."""
    ready = environment.Environment(Path(sys.executable), "2.21.0", "")
    for module in (plan, status):
        real = module.examine
        monkeypatch.setattr(module, "examine", lambda path, real=real: ready if path == Path(sys.executable) else real(path))
    call = status._call
    monkeypatch.setattr(status, "_call", lambda *_: status.Piece("a call", PRESENT, ""))
    insdl("install", "--mantid", mantid.root, "--yes")
    return call


def states():
    return {piece.name: piece.state for piece in status.pieces()}


def changed():
    return {name: state for name, state in states().items() if state != PRESENT}


def detail(name):
    return next(piece.detail for piece in status.pieces() if piece.name == name)


def test_everything_is_present(installed, insdl):
    assert list(states()) == ALL and changed() == {}
    lines = insdl("status").splitlines()
    assert len(lines) == len(ALL) and all(PRESENT in line for line in lines)


def test_nothing_is_installed(insdl, mantid):
    lines = insdl("status", "--mantid", mantid.root, code=8).splitlines()
    found = {line[:13].strip(): line[14:28].strip() for line in lines}
    missing = {"installation", "package", "algorithms", "launcher", "menu entry"}
    assert {name for name, state in found.items() if state == MISSING} >= missing and found["Mantid"] == PRESENT


def test_no_mantid_any_more(installed, mantid):
    mantid.root.rename(mantid.root.with_name("gone"))
    assert states() == {"installation": PRESENT, "Mantid": MISSING, "TensorFlow": PRESENT}
    assert "is gone" in detail("Mantid") or "gives no Mantid" in detail("Mantid") or "does not exist" in detail("Mantid")


def test_mantid_of_another_version_with_a_longer_menu(installed, mantid, insdl):
    mantid.is_version("6.14.0")
    properties = mantid.root / "bin" / "Mantid.properties"
    properties.write_text(properties.read_text().replace("ILL/Drill.py", "ILL/Drill.py Direct/Shiver.py"))
    assert changed() == {"Mantid": OTHER_VERSION, "menu entry": OTHER_VERSION}
    assert "it was 6.13.0" in detail("Mantid") and "lacks Direct/Shiver.py" in detail("menu entry")
    insdl("install", "--mantid", mantid.root)
    assert changed() == {}


def test_installed_by_another_version_of_this_package(installed, insdl, mantid):
    stored = json.loads(record.record_file().read_text())
    record.record_file().write_text(json.dumps(stored | {"version": "0.0.1"}))
    assert changed() == {"installation": OTHER_VERSION}
    insdl("install", "--mantid", mantid.root)
    assert changed() == {}


@pytest.mark.parametrize("version", ["0.0.1", None])
def test_package_in_mantids_python(installed, version, mantid):
    module = record.data_folder() / "for-mantid" / "mantid_insdl.py"
    module.unlink()
    if version:
        module.write_text(f"__version__ = {version!r}\n")
    assert changed()["package"] == (OTHER_VERSION if version else MISSING)


def test_what_mantids_python_lacks(installed, mantid):
    mantid.lacks("pydantic")
    assert changed() == {"package": MISSING} and "has no pydantic" in detail("package")


def test_plugin_folder(installed, user_file, tmp_path):
    whole = user_file.read_text()
    user_file.write_text(whole.replace(PLUGINS, "x" + PLUGINS))
    assert changed() == {"algorithms": MISSING}
    (tmp_path / "ClassifyMagneticModel.py").write_text("")
    user_file.write_text(f"{whole}{PLUGINS}={tmp_path}\n")
    assert changed() == {"algorithms": OTHER_VERSION}


def test_properties_that_another_file_overrides(installed, monkeypatch, tmp_path):
    (tmp_path / "extra.properties").write_text(f"{PLUGINS}=\n")
    monkeypatch.setenv("MANTIDPROPERTIES", str(tmp_path / "extra.properties"))
    assert changed() == {"algorithms": MISSING}


def test_launcher_and_menu_entry(installed, mantid, user_file):
    script = mantid.interfaces / "INS_Deep_Learning.py"
    script.write_text("# another\n")
    assert changed() == {"launcher": OTHER_VERSION}
    script.unlink()
    user_file.write_text(user_file.read_text().replace(" Direct/INS_Deep_Learning.py", ""))
    assert changed() == {"launcher": MISSING, "menu entry": MISSING}


def test_a_mantid_without_workbench_has_no_menu(installed, mantid, insdl):
    mantid.interfaces.rename(mantid.site / "gone")
    found = states()
    assert not {"launcher", "menu entry"} & set(found) and set(found.values()) == {PRESENT}
    assert "without Workbench" in detail("Mantid")


def test_tensorflow_that_was_deleted_or_is_old(installed, home, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(status, "examine", lambda path: environment.Environment(path, "2.16.1", ""))
        assert changed() == {"TensorFlow": OTHER_VERSION}
    (home / ".config" / "mantid_insdl" / "config.yaml").write_text("python: /deleted/bin/python\n")
    assert changed() == {"TensorFlow": MISSING} and "/deleted/bin/python" in detail("TensorFlow")


def test_requirements_of_tensorflow_are_those_of_the_installation():
    setup = (Path(__file__).parents[2] / "setup.cfg").read_text()
    assert f"tensorflow>={'.'.join(map(str, status.OLDEST_TENSORFLOW))}\n" in setup


@pytest.mark.tensorflow
def test_the_call_goes_through_mantids_python_and_the_worker(installed, mantid, home):
    scripts = [record.data_folder() / "for-mantid"]
    served = status.find_mantid(mantid.root)
    piece = installed(served, scripts)
    assert piece.state == PRESENT, piece.detail
    assert "a map of 10 x 40 x 40 pixels was simulated and denoised" in piece.detail


def test_a_call_that_fails_says_why(installed, mantid, home):
    served = status.find_mantid(mantid.root)
    assert "No module named 'mantid_insdl'" in installed(served, []).detail
    (home / ".config" / "mantid_insdl" / "config.yaml").write_text("python: /deleted/bin/python\n")
    piece = installed(served, [record.data_folder() / "for-mantid"])
    assert piece.state == MISSING and "There is no Python interpreter '/deleted/bin/python'" in piece.detail


def test_the_interpreter_is_examined_without_loading_tensorflow(tmp_path, monkeypatch):
    found = environment.examine(Path(sys.executable))
    assert not found.problem or "tensorflow" in found.problem
    for text, words in (
        ("#!/bin/sh\nexit 1\n", "does not answer as a Python interpreter does"),
        ('#!/bin/sh\necho \'{"python": [3, 8], "tensorflow": "2.4", "lacking": []}\'\n', "it is Python 3.8, and 3.11 or newer is needed"),
        ('#!/bin/sh\necho \'{"python": [3, 11], "tensorflow": null, "lacking": ["h5py"]}\'\n', "it lacks h5py, tensorflow"),
    ):
        python = tmp_path / "python"
        python.write_text(text)
        python.chmod(0o755)
        assert words in environment.examine(python).problem
    assert "does not exist" in environment.examine(tmp_path / "none").problem


# ---- whether Workbench runs


@pytest.mark.parametrize(
    "words",
    [
        ["/opt/mantid/bin/python", "/opt/mantid/bin/workbench"],
        ["/opt/mantid/bin/python3.11", "-u", "/opt/mantid/bin/mantidworkbench", "--single-process"],
        ["python", "-m", "workbench"],
        ["python", "-Wignore", "-m", "workbench.app.main"],
        ["C:\\MantidInstall\\bin\\pythonw.exe", "C:\\MantidInstall\\bin\\workbench-script.pyw"],
        ["/Applications/MantidWorkbench.app/Contents/MacOS/MantidWorkbench"],
        ["C:\\MantidInstall\\bin\\MantidWorkbench.exe"],
    ],
)
def test_command_lines_of_workbench(words):
    assert is_workbench(words)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["vim", "workbench"],
        ["python", "-m", "pytest", "workbench"],
        ["python", "analysis.py", "workbench"],
        ["/usr/bin/mysql-workbench"],
        ["python", "-c", "import workbench"],
        ["bash", "/home/me/workbench"],
    ],
)
def test_command_lines_of_others(words):
    assert not is_workbench(words)


@pytest.mark.skipif(not os.path.exists("/proc/self/cmdline"), reason="there is no /proc here")
def test_a_running_workbench_is_seen(tmp_path):
    script = tmp_path / "workbench"
    script.write_text("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert process.pid in running()
        process.kill()
    deadline = time.monotonic() + 5
    while process.pid in running() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert process.pid not in running()
