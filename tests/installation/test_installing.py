"""Install beside a small Mantid, look, and take it back: what was there is there again, byte for byte."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import poco
import pytest
import yaml

from mantid_insdl import __version__
from mantid_insdl.errors import InsdlError
from mantid_insdl.installation import installing, launcher, plan, record
from mantid_insdl.installation.properties import INTERFACES, PLUGINS, SCRIPTS
from mantid_insdl.plugin.registration import plugin_directory
from mantid_insdl.worker.interpreter import find_interpreter

FILES = {
    "of the user": b"# mine\ndefault.facility=ISIS\nuser.python.plugins.directories=/home/me/plugins\ndefault.instrument=MAPS\n",
    "with CRLF": b"# mine\r\ndefault.facility=ISIS\r\nuser.python.plugins.directories=/home/me/plugins\r\n",
    "with keys twice": b"user.python.plugins.directories=/a\ndefault.facility=ISIS\nuser.python.plugins.directories=/b\n",
    "with unknown keys": b"no.such.key = 1\nplain words\n",
    "without a final newline": b"default.facility=ISIS",
    "empty": b"",
    "missing": None,
}


@pytest.fixture(autouse=True)
def with_tensorflow(monkeypatch):
    """The Python of the tests counts as one with TensorFlow, whether or not it has it."""
    found = installing.examine(Path(sys.executable))
    ready = found.__class__(found.interpreter, "2.21.0", "")
    real = plan.examine
    monkeypatch.setattr(plan, "examine", lambda path: ready if path == Path(sys.executable) else real(path))


def configured(home):
    return Path(yaml.safe_load((home / ".config" / "mantid_insdl" / "config.yaml").read_text())["python"])


def write(user_file, content):
    if content is None:
        user_file.unlink()
    else:
        user_file.write_bytes(content)


# ---- install, look, take back


@pytest.mark.parametrize("name", FILES)
def test_everything_comes_back(name, insdl, mantid, home, user_file, snapshot):
    write(user_file, FILES[name])
    before = snapshot()
    insdl("install", "--mantid", mantid.root, "--yes")
    known = poco.read(user_file.read_bytes())
    earlier = poco.read(FILES[name] or b"")
    plugins = earlier.get(PLUGINS, "")
    assert known[PLUGINS] == (f"{plugins};" if plugins else "") + str(plugin_directory())
    assert known[SCRIPTS] == str(home / ".local/share/mantid_insdl/for-mantid")
    assert known[INTERFACES] == "ILL/Drill.py Direct/DGSPlanner.py Direct/MSlice.py Direct/INS_Deep_Learning.py"
    assert {key: known[key] for key in earlier if key != PLUGINS} == {key: earlier[key] for key in earlier if key != PLUGINS}
    assert (mantid.interfaces / "INS_Deep_Learning.py").read_text() == launcher.TEXT
    assert configured(home) == find_interpreter() == Path(sys.executable)
    assert "Uninstalled from Mantid 6.13.0" in insdl("uninstall")
    assert snapshot() == before


def test_mantids_python_imports_this_very_package(insdl, mantid, home):
    insdl("install", "--mantid", mantid.root, "--yes")
    code = f"import sys; sys.path.append({str(home / '.local/share/mantid_insdl/for-mantid')!r}); "
    code += "import mantid_insdl, mantid_insdl.plugin.algorithms as a; print(mantid_insdl.__file__, mantid_insdl.__version__, a.__file__); "
    code += "import importlib.util; print(importlib.util.find_spec('mantid_insdl.interfaces').origin)"
    done = subprocess.run([mantid.python, "-c", code], capture_output=True, text=True, check=True, cwd=home)
    package = Path(installing.__file__).parents[1]
    files = [str(package / "__init__.py"), __version__, str(package / "plugin" / "algorithms.py")]
    panel = next(folder / "interfaces" for folder in (package, package.parent) if (folder / "interfaces").is_dir())
    assert done.stdout.split() == [*files, str(panel / "__init__.py")]


def test_a_dry_run_tells_everything_and_changes_nothing(insdl, mantid, user_file, snapshot):
    before = snapshot()
    said = insdl("install", "--mantid", mantid.root, "--dry-run")
    assert snapshot() == before and "It would ask: Write " in said
    for word in (str(user_file), PLUGINS, SCRIPTS, INTERFACES, "INS_Deep_Learning.py", "config.yaml", "for-mantid", "Mantid 6.13.0"):
        assert word in said
    insdl("install", "--mantid", mantid.root, "--yes")
    installed = snapshot()
    said = insdl("uninstall", "--dry-run")
    assert str(user_file) in said and snapshot() == installed
    assert "installed already" in insdl("install", "--mantid", mantid.root, "--dry-run")


def test_installed_twice_and_uninstalled_twice(insdl, mantid, user_file, snapshot):
    before = snapshot()
    insdl("install", "--mantid", mantid.root, "--yes")
    installed = snapshot()
    assert "Everything is installed already." in insdl("install", "--mantid", mantid.root)
    assert snapshot() == installed
    insdl("uninstall")
    assert "Nothing is installed." in insdl("uninstall")
    assert snapshot() == before


def test_a_piece_that_was_lost_is_put_back(insdl, mantid, user_file, snapshot):
    before = snapshot()
    insdl("install", "--mantid", mantid.root, "--yes")
    installed = snapshot()
    del installed[record.record_file()]  # in which the order changes
    (mantid.interfaces / "INS_Deep_Learning.py").unlink()
    (record.data_folder() / "for-mantid" / "mantid_insdl.py").unlink()
    insdl("install", "--mantid", mantid.root, "--yes")
    assert installed.items() <= snapshot().items()
    insdl("uninstall")
    assert snapshot() == before


def test_lists_that_the_machine_has_are_repeated(insdl, mantid, user_file):
    """A key in the user's file replaces what the administrator's file says."""
    user_file.write_bytes(b"default.facility=ISIS\n")
    (mantid.root / "bin" / "mantid.local.properties").write_text(f"{PLUGINS}=/facility/plugins\n{INTERFACES}=Facility/One.py\n")
    insdl("install", "--mantid", mantid.root, "--yes")
    known = poco.read(user_file.read_bytes())
    assert (known[PLUGINS], known[INTERFACES]) == (f"/facility/plugins;{plugin_directory()}", f"Facility/One.py {launcher.ENTRY}")


def test_another_mantid_takes_the_place_of_the_first(insdl, mantid, user_file, snapshot, tmp_path):
    second = type(mantid)(tmp_path / "opt" / "mantid616", "6.16.0")
    (second.root / "bin" / "Mantid.properties").write_text("mantidqt.python_interfaces = New/One.py\n")
    before = snapshot()
    insdl("install", "--mantid", mantid.root, "--yes")
    insdl("install", "--mantid", second.root, "--yes")
    assert poco.read(user_file.read_bytes())[INTERFACES] == "New/One.py Direct/INS_Deep_Learning.py"
    assert not (mantid.interfaces / "INS_Deep_Learning.py").exists()
    insdl("uninstall")
    assert snapshot() == before and not (second.interfaces / "INS_Deep_Learning.py").exists()


def test_a_linked_properties_file_stays_a_link(insdl, mantid, user_file, snapshot, home):
    real = home / "dotfiles"
    user_file.rename(real)
    user_file.symlink_to(real)
    real.chmod(0o640)
    before = snapshot()
    insdl("install", "--mantid", mantid.root, "--yes")
    assert user_file.is_symlink() and PLUGINS in poco.read(real.read_bytes()) and real.stat().st_mode & 0o777 == 0o640
    insdl("uninstall")
    assert snapshot() == before


# ---- what others do in between


def test_workbench_has_written_the_file_again(insdl, mantid, user_file):
    """Then our values alone are taken out, and that is said."""
    insdl("install", "--mantid", mantid.root, "--yes")
    memory = poco.read(user_file.read_bytes()) | {"default.facility": "SNS"}
    user_file.write_bytes(poco.save_config(user_file.read_bytes(), memory) + b"\nMultiThreaded.MaxCores=4\n")
    said = insdl("uninstall")
    assert "has been written since" in said and "only the values of mantid_insdl were taken out" in said
    assert user_file.read_bytes() == (
        b"# mine\ndefault.facility=SNS\n\nuser.python.plugins.directories=/home/me/plugins\ndefault.instrument=MAPS\n"
        b"\nMultiThreaded.MaxCores=4\n"
    )


def test_files_that_the_user_has_changed_or_removed(insdl, mantid, user_file, home):
    insdl("install", "--mantid", mantid.root, "--yes")
    script, config = mantid.interfaces / "INS_Deep_Learning.py", home / ".config" / "mantid_insdl" / "config.yaml"
    script.write_text("# my own\n")
    config.unlink()
    user_file.unlink()
    said = insdl("uninstall")
    assert f"{script} has been changed since, and was left as it is." in said
    assert f"{user_file} is gone; nothing was taken out of it." in said
    assert script.read_text() == "# my own\n"
    assert not record.record_file().exists()


def test_mantid_that_is_gone_does_not_hinder_uninstalling(insdl, mantid, user_file):
    before = user_file.read_bytes()
    insdl("install", "--mantid", mantid.root, "--yes")
    mantid.root.rename(mantid.root.with_name("gone"))
    insdl("uninstall")
    assert user_file.read_bytes() == before


class Killed(BaseException):
    pass


def test_killed_anywhere(insdl, mantid, user_file, snapshot, monkeypatch):
    """Each file is complete or not there yet, and the record knows of it."""
    before = snapshot()
    arguments = {"ask": lambda question: True, "say": lambda text: None}
    for steps in range(100):
        left = steps

        def sync(number):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed  # and no clean-up follows

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", sync)
            patched.setattr(record.Record, "undo", lambda self, keep=(): [])
            try:
                installing.install(mantid.root, **arguments)
                break
            except Killed:
                pass
        assert steps == 0 or record.record_file().exists()
        installing.uninstall(say=arguments["say"])
        if steps:  # before the first record is complete nothing but empty folders has been made
            assert snapshot() == before
        else:
            assert {path: what for path, what in snapshot().items() if path.is_file()} == {p: w for p, w in before.items() if p.is_file()}
            before = snapshot()
    assert steps > 4


def test_an_installation_that_fails_leaves_nothing(insdl, mantid, user_file, snapshot, monkeypatch):
    before = snapshot()
    real = plan.Plan.step

    def step(self, change):
        if "INS_Deep_Learning" in change.path:
            raise OSError(28, "No space left on device", change.path)
        real(self, change)

    monkeypatch.setattr(plan.Plan, "step", step)
    assert "no space left on device" in insdl("install", "--mantid", mantid.root, "--yes", code=8)
    assert snapshot() == before


def test_a_record_that_cannot_be_read(insdl, mantid, home):
    insdl("install", "--mantid", mantid.root, "--yes")
    file = record.record_file()
    for content in ("{", "[]", json.dumps({"format": 9}), json.dumps({"format": 1})):
        file.write_text(content)
        for command in (("uninstall",), ("install", "--mantid", mantid.root, "--yes")):
            assert f"the record of the installation '{file}' cannot be read" in insdl(*command, code=8).lower().replace(
                str(file).lower(), str(file)
            )
    assert file.exists()


# ---- refusals


def test_workbench_is_running(insdl, mantid, snapshot, monkeypatch):
    insdl("install", "--mantid", mantid.root, "--yes")
    before = snapshot()
    monkeypatch.setattr(installing, "running", lambda: [4711])
    for command in (("install", "--mantid", mantid.root, "--yes"), ("uninstall",)):
        assert "Workbench is running (process 4711)" in insdl(*command, code=8)
    assert snapshot() == before
    insdl("install", "--mantid", mantid.root, "--dry-run")


@pytest.mark.parametrize("where", ["XDG_DATA_HOME", "XDG_CONFIG_HOME"])
def test_a_home_that_cannot_be_written_to(where, insdl, mantid, user_file, snapshot, monkeypatch, home):
    """A file in the place of a folder is what root, too, cannot write into."""
    (home / "file").write_text("")
    before = snapshot()
    monkeypatch.setenv(where, str(home / "file" / "x"))
    assert "cannot change" in insdl("install", "--mantid", mantid.root, "--yes", code=8).lower()
    monkeypatch.delenv(where)
    assert snapshot() == before


def test_no_mantid(insdl, home, tmp_path):
    assert "No Mantid was found" in insdl("install", code=8)
    assert "does not exist" in insdl("install", "--mantid", tmp_path / "nowhere", code=8)
    (tmp_path / "empty").mkdir()
    assert "there is no Python interpreter in it" in insdl("install", "--mantid", tmp_path / "empty", code=8)
    assert "No module named 'mantid'" in insdl("install", "--mantid", sys.executable, code=8)
    assert insdl("install", "--mantid", " ", code=2) == ""


def test_a_mantid_that_does_not_start(insdl, mantid, snapshot):
    (mantid.site / "mantid" / "kernel.py").write_text("raise OSError('libtbb.so.12 is missing')")
    assert "libtbb.so.12 is missing" in insdl("install", "--mantid", mantid.root, code=8)
    mantid.python.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    assert "gives no Mantid: broken" in insdl("install", "--mantid", mantid.root, code=8)
    mantid.python.chmod(0o644)
    assert "gives no Mantid" in insdl("install", "--mantid", mantid.root, code=8)


def test_a_mantid_in_the_usual_place_is_found_and_of_two_none_is_chosen(insdl, mantid, tmp_path, monkeypatch):
    monkeypatch.setattr("mantid_insdl.installation.mantids._USUAL", ((tmp_path / "opt", "mantid*"),))
    assert f"Mantid 6.13.0 with Python {sys.version_info.major}.{sys.version_info.minor}: {mantid.python}" in insdl("install", "--dry-run")
    second = type(mantid)(tmp_path / "opt" / "mantid616", "6.16.0")
    line = insdl("install", code=8)
    assert f"There are 2 Mantids: {mantid.root}, {second.root}; say which one: --mantid {mantid.root}" in line


@pytest.mark.parametrize("place", ["", "bin", "bin/python", "../application"])
def test_ways_to_say_where_mantid_is(place, insdl, mantid):
    if "application" in place:
        contents = mantid.root.parent / "application" / "Contents"
        contents.mkdir(parents=True)
        (contents / "Resources").symlink_to(mantid.root)
    assert "Mantid 6.13.0" in insdl("install", "--mantid", mantid.root / place, "--dry-run")


def test_the_mantid_of_this_very_python(monkeypatch, home):
    """Nothing has to be said then; here the interpreter is asked and has none."""
    monkeypatch.setattr("mantid_insdl.installation.mantids._is_here", lambda: True)
    with pytest.raises(InsdlError, match=f"The Python interpreter '{sys.executable}' gives no Mantid"):
        installing.install(ask=lambda question: True, say=lambda text: None)


def test_another_copy_of_the_algorithms_is_listed(insdl, mantid, user_file, tmp_path):
    other = tmp_path / "other clone" / "algorithms"
    other.mkdir(parents=True)
    (other / "ClassifyMagneticModel.py").write_text("")
    user_file.write_text(f"user.python.plugins.directories={other}\n")
    assert "the algorithms of another mantid_insdl" in insdl("install", "--mantid", mantid.root, "--yes", code=8)


def test_another_version_in_mantids_own_python(insdl, mantid, snapshot):
    (mantid.site / "mantid_insdl.py").write_text("__version__ = '0.0.1'\n")
    before = snapshot()
    line = insdl("install", "--mantid", mantid.root, "--yes", code=8)
    assert "pip uninstall mantid_insdl" in line
    assert snapshot() == before


def test_the_package_in_mantids_own_python_is_used(insdl, mantid, user_file, home, snapshot):
    """As after `pip install` or `conda install` there: then no way to it is needed."""
    (mantid.site / "mantid_insdl").symlink_to(Path(installing.__file__).parents[1])
    before = snapshot()
    insdl("install", "--mantid", mantid.root, "--yes")
    assert SCRIPTS not in poco.read(user_file.read_bytes())
    assert not (home / ".local/share/mantid_insdl/for-mantid").exists()
    assert poco.read(user_file.read_bytes())[PLUGINS].endswith(f";{plugin_directory()}")
    insdl("uninstall")
    assert snapshot() == before


# ---- the entry of the menu


def test_without_the_users_consent_nothing_is_written_into_mantid(insdl, mantid, user_file):
    said = insdl("install", "--mantid", mantid.root)  # no terminal, no --yes
    assert "There will be no entry in the Interfaces menu" in said and launcher.BY_HAND in said
    assert not (mantid.interfaces / "INS_Deep_Learning.py").exists()
    known = poco.read(user_file.read_bytes())
    assert INTERFACES not in known and PLUGINS in known
    asked = []
    installing.install(mantid.root, ask=lambda question: asked.append(question) or True, say=lambda text: None)
    assert len(asked) == 1 and str(mantid.interfaces / "INS_Deep_Learning.py") in asked[0]
    assert INTERFACES in poco.read(user_file.read_bytes())


def test_a_mantid_that_belongs_to_somebody_else(insdl, mantid, user_file, monkeypatch):
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != mantid.interfaces and real(path, mode))
    said = insdl("install", "--mantid", mantid.root, "--yes")
    assert f"{mantid.interfaces} cannot be written to" in said and launcher.BY_HAND in said
    assert INTERFACES not in poco.read(user_file.read_bytes())
    insdl("uninstall")
    # once its owner has written the launcher, every user's own file names it, and no user takes the launcher away
    (mantid.interfaces / "INS_Deep_Learning.py").write_text(launcher.TEXT)
    insdl("install", "--mantid", mantid.root)
    assert poco.read(user_file.read_bytes())[INTERFACES].endswith(launcher.ENTRY)
    insdl("uninstall")
    assert (mantid.interfaces / "INS_Deep_Learning.py").exists()


def test_a_mantid_without_workbench(insdl, mantid, user_file):
    (mantid.interfaces / "__init__.py").unlink()
    mantid.interfaces.rename(mantid.site / "something else")
    assert "This Mantid has no Workbench" in insdl("install", "--mantid", mantid.root, "--yes")
    known = poco.read(user_file.read_bytes())
    assert INTERFACES not in known and PLUGINS in known


@pytest.mark.parametrize(
    ("panel", "words"),
    [
        ("def show():\n    print('shown')\n", "shown"),
        ("raise OSError('no Qt')", "INS Deep Learning cannot be opened: no Qt (`insdl status`"),
        ("def show():\n    raise OSError('no display')\n", "INS Deep Learning cannot be opened: no display (`insdl status`"),
    ],
)
def test_the_launcher_opens_the_panel_or_says_why_not(panel, words, mantid, tmp_path):
    (mantid.site / "mantid" / "kernel.py").write_text("class logger:\n    error = print\n")
    package = tmp_path / "panel" / "mantid_insdl"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "interfaces.py").write_text(panel)
    code = f"import sys; sys.path.append({str(package.parent)!r}); exec({launcher.TEXT!r})"
    done = subprocess.run([mantid.python, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith(words)


# ---- the environment of the networks


def environment_maker(monkeypatch, good=True):
    """In place of a real environment, which takes minutes: a folder whose Python is that of the tests."""
    made = []

    def make(folder):
        made.append(folder)
        (folder / "bin").mkdir(parents=True)
        python = folder / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)

    monkeypatch.setattr(plan, "make", make)
    no_tensorflow = type(installing.examine(Path("/none")))
    monkeypatch.setattr(plan, "examine", lambda path: no_tensorflow(path, "", "it lacks tensorflow"))
    monkeypatch.setattr(installing, "examine", lambda path: no_tensorflow(path, "2.21.0", "" if path.exists() and good else "gone"))
    return made


def test_an_environment_is_made_where_there_is_none(insdl, mantid, home, user_file, snapshot, monkeypatch):
    before = snapshot()
    made = environment_maker(monkeypatch)
    folder = home / ".local/share/mantid_insdl/environment"
    assert "about 2 GB" in insdl("install", "--mantid", mantid.root, "--dry-run") and not made
    insdl("install", "--mantid", mantid.root, "--yes")
    assert made == [folder] and configured(home) == folder / "bin" / "python"
    assert "installed already" in insdl("install", "--mantid", mantid.root)
    mantid.is_version("6.14.0")
    insdl("install", "--mantid", mantid.root, "--yes")
    assert made == [folder] and json.loads(record.record_file().read_text())["mantid"] == "6.14.0"
    insdl("uninstall")
    assert not folder.exists()
    mantid.is_version("6.13.0")
    assert snapshot() == before


def test_an_environment_that_was_deleted_is_made_again(insdl, mantid, home, monkeypatch, snapshot):
    before = snapshot()
    made = environment_maker(monkeypatch)
    insdl("install", "--mantid", mantid.root, "--yes")
    (made[0] / "bin" / "python").unlink()
    insdl("install", "--mantid", mantid.root, "--yes")
    assert made == [made[0]] * 2 and (made[0] / "bin" / "python").exists()
    insdl("uninstall")
    assert snapshot() == before


def test_a_python_that_the_user_has_configured_since_goes_before_the_environment_that_was_made(insdl, mantid, home, monkeypatch):
    examine = plan.examine
    environment_maker(monkeypatch)
    insdl("install", "--mantid", mantid.root, "--yes")
    monkeypatch.setattr(plan, "examine", examine)
    (home / ".config" / "mantid_insdl" / "config.yaml").write_text(f"python: {sys.executable}\n")
    insdl("install", "--mantid", mantid.root, "--yes")
    assert configured(home) == Path(sys.executable)


def test_insdl_python_goes_before_all_and_must_exist(insdl, mantid, home, monkeypatch):
    monkeypatch.setenv("INSDL_PYTHON", sys.executable)
    assert "INSDL_PYTHON is set" in insdl("install", "--mantid", mantid.root, "--yes")
    assert configured(home) == Path(sys.executable)
    insdl("uninstall")
    monkeypatch.setenv("INSDL_PYTHON", "/deleted/python")
    assert "There is no Python interpreter '/deleted/python'" in insdl("install", "--mantid", mantid.root, "--yes", code=8)


def test_an_environment_elsewhere(insdl, mantid, home, monkeypatch, tmp_path):
    made = environment_maker(monkeypatch)
    (tmp_path / "full").mkdir()
    assert "it exists already" in insdl("install", "--mantid", mantid.root, "--environment", tmp_path / "full", "--yes", code=8)
    insdl("install", "--mantid", mantid.root, "--environment", tmp_path / "networks", "--yes")
    assert made == [tmp_path / "networks"] and configured(home) == tmp_path / "networks" / "bin" / "python"
    insdl("uninstall")
    assert not (tmp_path / "networks").exists() and (tmp_path / "full").exists()


def test_a_python_that_the_user_names(insdl, mantid, home, monkeypatch, tmp_path):
    line = insdl("install", "--mantid", mantid.root, "--python", tmp_path / "nowhere", "--yes", code=8)
    assert "the interpreter does not exist" in line
    insdl("install", "--mantid", mantid.root, "--python", sys.executable, "--environment", "x", code=2)
    own = tmp_path / "my python"
    own.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    own.chmod(0o755)
    monkeypatch.setattr(plan, "examine", lambda path: type(installing.examine(path))(path, "2.21.0", ""))
    insdl("install", "--mantid", mantid.root, "--python", own, "--yes")
    assert configured(home) == own


def test_the_configuration_keeps_its_comments_and_comes_back(insdl, mantid, home, snapshot):
    file = home / ".config" / "mantid_insdl" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# my Python\npython: /no/longer/there/python")
    before = snapshot()
    insdl("install", "--mantid", mantid.root, "--yes")
    assert file.read_text().startswith("# my Python\n") and configured(home) == Path(sys.executable)
    insdl("uninstall")
    assert snapshot() == before
    file.write_text("python:\n  /no/longer/there/python")
    assert "written in an unusual way" in insdl("install", "--mantid", mantid.root, "--yes", code=8)
    file.write_text("pythn: x")
    assert "unknown entry 'pythn'" in insdl("install", "--mantid", mantid.root, "--yes", code=8)


def test_an_environment_that_pip_cannot_fill_leaves_nothing(insdl, mantid, home, user_file, snapshot, monkeypatch, tmp_path):
    pytest.importorskip("ensurepip")
    before = snapshot()
    environment = "mantid_insdl.installation.environment"
    nothing = type(installing.examine(Path("/none")))
    monkeypatch.setattr(plan, "examine", lambda path: nothing(path, "", "it lacks tensorflow"))
    (tmp_path / "constraints.txt").write_text("no-such-package-anywhere==1\n")
    monkeypatch.setattr(f"{environment}.CONSTRAINTS", tmp_path / "constraints.txt")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert "ended with code 1" in insdl("install", "--mantid", mantid.root, "--yes", code=8)
    assert snapshot() == before


def test_an_environment_that_is_not_complete_leaves_nothing(insdl, mantid, user_file, snapshot, monkeypatch):
    """However pip has ended."""
    before = snapshot()
    nothing = type(installing.examine(Path("/none")))
    monkeypatch.setattr(plan, "examine", lambda path: nothing(path, "", "it lacks tensorflow"))
    run = subprocess.run
    done = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(subprocess, "run", lambda line, **options: done if {"venv", "pip"} & set(line) else run(line, **options))
    assert "is not complete: the interpreter does not exist" in insdl("install", "--mantid", mantid.root, "--yes", code=8)
    assert snapshot() == before


# ---- what Mantid's Python lacks


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A function that makes a wheel of a package with one module, and lets pip find nothing else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    def make(name, version):
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", f"__version__ = VERSION = '{version}'\n")
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")

    return make


def test_pydantic_is_fetched_where_mantid_has_none(insdl, mantid, user_file, home, snapshot, wheels):
    wheels("pydantic", plan.bridge.CONSTRAINTS.read_text().split("pydantic==")[1].split()[0])
    mantid.lacks("pydantic")
    before = snapshot()
    assert "pydantic>=2.7 will be fetched by pip" in insdl("install", "--mantid", mantid.root, "--dry-run")
    insdl("install", "--mantid", mantid.root, "--yes")
    assert (home / ".local/share/mantid_insdl/for-mantid/pydantic/__init__.py").exists()
    insdl("uninstall")
    assert snapshot() == before


def test_pydantic_that_pip_cannot_fetch(insdl, mantid, user_file, snapshot, wheels):
    mantid.lacks("pydantic")
    before = snapshot()
    line = insdl("install", "--mantid", mantid.root, "--yes", code=8)
    assert "pip could not install them" in line and '-m pip install --user "pydantic>=2.7"' in line
    assert snapshot() == before


def test_an_old_pydantic_of_mantid_comes_first_and_is_refused(insdl, mantid, user_file, snapshot, wheels):
    wheels("pydantic", plan.bridge.CONSTRAINTS.read_text().split("pydantic==")[1].split()[0])
    mantid.lacks("pydantic")
    (mantid.site / "pydantic.py").write_text("__version__ = VERSION = '1.10.13'\n")
    before = snapshot()
    line = insdl("install", "--mantid", mantid.root, "--yes", code=8)
    assert "it has pydantic 1.10.13, which comes first" in line
    assert snapshot() == before
