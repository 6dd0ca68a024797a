"""The choice of the interpreter: every wrong one is named in one sentence, and a right one then works."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from mantid_insdl import config, worker
from mantid_insdl.errors import ConfigError, WorkerError
from mantid_insdl.worker import interpreter, run_task, stop


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch, tmp_path):
    stop()
    for name in ("INSDL_PYTHON", "INSDL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config home"))
    yield
    stop()


@pytest.fixture
def config_file(tmp_path):
    file = tmp_path / "config home" / "mantid_insdl" / "config.yaml"
    file.parent.mkdir(parents=True)
    return file


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def refusal(kind=WorkerError):
    with pytest.raises(kind) as caught:
        run_task("simulate", {}, {})
    message = str(caught.value)
    assert "\n" not in message
    return message


# ---- where it comes from


def test_default_is_the_callers_own():
    assert interpreter.find_interpreter() == Path(sys.executable)


def test_environment_goes_before_the_configuration(monkeypatch, config_file, tmp_path):
    one, two = script(tmp_path / "one", "#!/bin/sh\n"), script(tmp_path / "two", "#!/bin/sh\n")
    config_file.write_text(f"python: {one}\n")
    assert interpreter.find_interpreter() == one
    monkeypatch.setenv("INSDL_PYTHON", str(two))
    assert interpreter.find_interpreter() == two
    monkeypatch.setenv("INSDL_PYTHON", "  ")
    assert interpreter.find_interpreter() == one


def test_name_without_a_folder_is_looked_for_on_the_path(monkeypatch, tmp_path):
    python = script(tmp_path / "bin" / "some-python", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(python.parent))
    monkeypatch.setenv("INSDL_PYTHON", "some-python")
    assert interpreter.find_interpreter() == python
    monkeypatch.setenv("INSDL_PYTHON", "no-such-python")
    assert "it is not on PATH" in refusal()


def test_inside_an_application_the_interpreter_of_its_installation_is_used(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/opt/mantid/bin/workbench")
    found = interpreter.find_interpreter()
    assert found.parent == Path(sys.prefix) / "bin"
    assert found.name in ("python", "python3")
    environment = {"LD_LIBRARY_PATH": "/opt/mantid/lib"}
    monkeypatch.setenv("LD_LIBRARY_PATH", environment["LD_LIBRARY_PATH"])
    assert environment.items() <= interpreter.worker_environment(found).items()


def test_application_without_an_interpreter(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", "")
    for prefix in ("prefix", "base_prefix"):
        monkeypatch.setattr(sys, prefix, str(tmp_path))
    assert "There is no Python interpreter for the networks" in refusal()


# ---- wrong ones


def test_missing_interpreter(monkeypatch, tmp_path):
    monkeypatch.setenv("INSDL_PYTHON", str(tmp_path / "no such python"))
    message = refusal()
    assert "no such python': the file does not exist; give the path" in message
    assert "INSDL_PYTHON" in message


def test_missing_interpreter_of_the_configuration_names_the_file(config_file):
    config_file.write_text("python: /no/such/python\n")
    assert f"entry 'python' of {config_file}" in refusal()


def test_folder_suggests_the_interpreter_in_it(monkeypatch, tmp_path):
    monkeypatch.setenv("INSDL_PYTHON", str(tmp_path))
    assert "it is a folder; give the path" in refusal()
    script(tmp_path / "bin" / "python3", "")
    assert f"did you mean '{tmp_path}/bin/python3'?" in refusal()


def test_file_that_is_not_executable(monkeypatch, tmp_path):
    (tmp_path / "python").write_text("")
    monkeypatch.setenv("INSDL_PYTHON", str(tmp_path / "python"))
    assert "it is not an executable file" in refusal()


def test_file_that_the_system_cannot_execute(monkeypatch, tmp_path):
    monkeypatch.setenv("INSDL_PYTHON", str(script(tmp_path / "python", "\x7fELF nonsense")))
    assert "annot start the Python interpreter" in refusal()


def test_other_program(monkeypatch, tmp_path):
    monkeypatch.setenv("INSDL_PYTHON", str(script(tmp_path / "a program", "#!/bin/sh\necho Hello, I am something else entirely\n")))
    assert "does not answer as a Python interpreter does: it wrote b'Hello" in refusal()


def test_program_that_fails(monkeypatch, tmp_path):
    monkeypatch.setenv("INSDL_PYTHON", str(script(tmp_path / "python", "#!/bin/sh\necho no licence >&2; exit 7\n")))
    assert "could not start the worker: it ended with status 7; its last words were: no licence" in refusal()


def test_program_that_hangs_can_be_cancelled_and_has_a_limit(monkeypatch, tmp_path):
    monkeypatch.setattr("mantid_insdl.worker.client._START_LIMIT", 0.5)
    monkeypatch.setenv("INSDL_PYTHON", str(script(tmp_path / "python", "#!/bin/sh\nsleep 30\n")))
    assert "did not start the worker within 0.5 s" in refusal()


def test_python_without_the_packages(monkeypatch, tmp_path):
    venv.create(tmp_path / "empty env", with_pip=False)
    python = tmp_path / "empty env" / "bin" / "python"
    monkeypatch.setenv("INSDL_PYTHON", str(python))
    message = refusal()
    assert f"interpreter {python} cannot run mantid_insdl: it lacks numpy, scipy" in message
    assert 'install "mantid_insdl[cpu]" there' in message


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        ("VERSION = '1.10.13'", "it has pydantic 1.10.13, and 2.7 or newer is needed"),
        (
            "raise SystemError('pydantic-core is another one')",
            "its pydantic cannot be imported (SystemError: pydantic-core is another one)",
        ),
    ],
)
def test_python_with_a_pydantic_that_will_not_do(monkeypatch, tmp_path, contents, reason):
    """Where the package is installed without its dependencies, pip does not see to it."""
    script(tmp_path / "packages" / "pydantic" / "__init__.py", contents)
    start = f'#!/bin/sh\nPYTHONPATH="{tmp_path}/packages" exec "{sys.executable}" "$@"\n'
    monkeypatch.setenv("INSDL_PYTHON", str(script(tmp_path / "python", start)))
    message = refusal()
    assert f"cannot run mantid_insdl: {reason}; install" in message


def test_python_that_is_too_old(monkeypatch, tmp_path):
    start = "import runpy, sys; sys.version_info = (3, 8, 10); sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    monkeypatch.setenv("INSDL_PYTHON", str(script(tmp_path / "python", f'#!/bin/sh\nexec "{sys.executable}" -c "{start}" "$@"\n')))
    assert "it is Python 3.8, and 3.11 or newer is needed" in refusal()


def test_start_script_has_no_syntax_newer_than_python_3_6():
    import ast

    for name in ("bootstrap.py", "frame.py"):
        ast.parse((Path(worker.__file__).parent / name).read_text(), feature_version=(3, 6))


def test_wrong_interpreter_then_a_right_one(monkeypatch):
    monkeypatch.setenv("INSDL_PYTHON", "/no/such/python")
    refusal()
    monkeypatch.delenv("INSDL_PYTHON")
    with pytest.raises(Exception) as caught:
        run_task("simulate", {}, {})
    assert "interpreter" not in str(caught.value)


# ---- the configuration file


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("python: [1, 2", "is no valid YAML at line 1"),
        ("just words", "it must hold entries"),
        ("pyton: /usr/bin/python3", "unknown entry 'pyton'; the only entry is `python: PATH`"),
        ("python: 3", "its entry 'python' is not a path"),
        ("python: ''", "its entry 'python' is not a path"),
        ("python: python3", "its entry 'python' is 'python3', and another folder may hold another file of that name; give the whole path"),
        ("python: env/bin/python", "give the whole path of the Python interpreter, from / on"),
    ],
)
def test_wrong_configuration(config_file, text, reason):
    config_file.write_text(text)
    message = refusal(ConfigError)
    assert str(config_file) in message
    assert reason in message


def test_binary_configuration(config_file):
    config_file.write_bytes(b"\xff\xfe\x00")
    assert "it is not UTF-8 text" in refusal(ConfigError)


def test_configuration_that_is_a_folder(config_file):
    config_file.mkdir()
    assert "it is a folder and not a regular file" in refusal(ConfigError)


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "python:\n"])
def test_empty_configuration_is_none(config_file, text):
    config_file.write_text(text)
    assert interpreter.find_interpreter() == Path(sys.executable)


def test_configuration_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("INSDL_CONFIG", str(tmp_path / "müsli.yaml"))
    assert "INSDL_CONFIG names it" in refusal(ConfigError)
    (tmp_path / "müsli.yaml").write_text(f"python: {sys.executable}\n")
    assert config.read_config() == (sys.executable, tmp_path / "müsli.yaml")


def test_no_home_directory():
    code = "from mantid_insdl import config; import pathlib, os; print(config.read_config({}))"
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Config(python=")


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o620])
def test_a_configuration_that_others_may_write_to(config_file, mode):
    config_file.write_text(f"python: {sys.executable}\n")
    config_file.chmod(mode)
    assert f"other users may write to it, and it says which program is run; run `chmod go-w '{config_file}'`" in refusal(ConfigError)
    config_file.chmod(mode & ~0o022)
    assert config.read_config().python == sys.executable


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="needs the superuser, to give a file away")
def test_a_configuration_of_another_user(config_file):
    config_file.write_text(f"python: {sys.executable}\n")
    os.chown(config_file, 12345, -1)
    assert "it belongs to another user" in refusal(ConfigError)


@pytest.mark.parametrize("base", ["settings", "./settings", ""])
def test_a_relative_place_of_the_configuration_is_passed_over(base, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config.config_file({"XDG_CONFIG_HOME": base}) == tmp_path / ".config" / "mantid_insdl" / "config.yaml"
    assert config.config_file({"XDG_CONFIG_HOME": "/settings"}) == Path("/settings/mantid_insdl/config.yaml")
