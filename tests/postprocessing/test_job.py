"""The script for a runner, as the runner runs it: `python -c`, parameters rewritten by the beginning of their lines."""

import re
import resource
from pathlib import Path

import pytest

import mantid_insdl.postprocessing
from mantid_insdl.errors import FileFormatError
from mantid_insdl.postprocessing.job import reported

SCRIPT = (Path(mantid_insdl.postprocessing.__file__).parent / "reduce_and_analyse.py").read_text(encoding="utf-8")
PARAMETERS = re.findall(r"^(\w+) = (?!run_job)", SCRIPT, flags=re.M)


def rewritten(**values):
    """As the transforms of runners do it: each line that starts with the name is replaced."""
    lines = SCRIPT.split("\n")
    for name, value in values.items():
        for i, line in enumerate(lines):
            if line.startswith(name):
                lines[i] = f"{name} = {value!r}"
    return "\n".join(lines)


def test_no_parameter_is_the_beginning_of_another_line():
    assert len(PARAMETERS) == 10
    for name in PARAMETERS:
        assert sum(line.startswith(name) for line in SCRIPT.split("\n")) == 1, name


def test_success(tmp_path, reduced, command):
    values = {
        "reduced_files": [str(reduced(1)), str(reduced(2))],
        "results_dir": str(tmp_path / "out"),
        "steps": "map",
        "page_title": "RB1",
    }
    status, lines, result = command("-c", rewritten(**values))
    assert (status, result["status"], result["status_message"], result["stacktrace"]) == (0, "Successful", "", "")
    assert result["output_files"][0] == "index.html"
    assert all((tmp_path / "out" / name).is_file() for name in result["output_files"])
    assert "<h1>RB1</h1>" in (tmp_path / "out" / "index.html").read_text()
    assert len(lines) == 3  # one for each run, and the JSON


FAILURES = {
    "a file that is not there": ({"reduced_files": ["none.nxs"]}, "PostprocessError: 1 of 1 runs could not be processed: none"),
    "no file": ({"reduced_files": []}, "PostprocessError: No file is given"),
    "wrong step": ({"steps": "map,dance"}, "PostprocessError: There is no step 'dance'"),
    "unknown material": ({"material": "unobtainium.yaml"}, "PostprocessError: 1 of 1 runs could not be processed"),
    "wrong kind of parameter": ({"steps": 5}, "TypeError: "),
}


@pytest.mark.parametrize("case", FAILURES)
def test_failures(tmp_path, reduced, command, case):
    changes, message = FAILURES[case]
    if case == "unknown material":
        reduced(1).write_text("no map")
        changes = changes | {"reduced_files": [str(tmp_path / "MAP00001_Ei10meV.nxs")]}
    values = {"reduced_files": [str(reduced(2))], "results_dir": str(tmp_path / "out"), "steps": "map"} | changes
    status, lines, result = command("-c", rewritten(**values))
    assert status == 1
    assert result["status"] == "Unsuccessful"
    assert lines[-2].startswith(message)
    assert next(line for line in reversed(lines) if "Error:" in line) == lines[-2], "what a runner takes for the message"
    assert lines[-2].split(": ", 1)[1].replace("Error:", "Error -") == result["status_message"]


def test_bad_output_folder(tmp_path, reduced, command):
    (tmp_path / "out").write_text("")
    values = {"reduced_files": [str(reduced())], "results_dir": str(tmp_path / "out"), "steps": "map"}
    status, lines, result = command("-c", rewritten(**values))
    assert (status, result["status"]) == (1, "Unsuccessful")
    assert lines[-2].startswith("OutputError: Cannot make the folder")


def test_full_disk(tmp_path, reduced, command):
    """No file may grow beyond 2 kB: a picture does not fit."""
    values = {"reduced_files": [str(reduced())], "results_dir": str(tmp_path / "out"), "steps": "map"}
    full = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))}
    status, lines, result = command("-c", rewritten(**values), **full)
    assert (status, result["status"]) == (1, "Unsuccessful")
    assert lines[-2].startswith("OutputError: ") and "disk is full" in lines[-2]
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()] if (tmp_path / "out").exists() else True


def test_an_unexpected_error_shows_its_trace_above(capsys):
    with pytest.raises(SystemExit) as raised:
        reported(lambda: {}["nothing"], status=lambda error: 5)
    said = capsys.readouterr()
    assert raised.value.code == 5
    lines = said.err.strip().split("\n")
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "KeyError: 'nothing'"


def test_a_known_error_is_one_line(capsys):
    def work():
        raise FileFormatError("it is\nempty")

    with pytest.raises(SystemExit):
        reported(work, as_json=False)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "FileFormatError: It is empty.\n")


def test_the_command_prints_the_script(insdl):
    assert insdl("postprocess", "--script").stdout == SCRIPT


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "OptionError: No file is given"),
        (("a.nxs", "--watch", "b"), 2, "OptionError: Files do not go with --watch"),
        (("a.nxs", "--ei", "-3"), 2, "OptionError: --ei -3 is no incident energy"),
        (("--watch", "b", "--together"), 2, "OptionError: --together does not go with --watch"),
        (("--watch", "b", "--interval", "0"), 2, "OptionError: --interval 0 makes no sense"),
        (("--watch", "not-there"), 9, "PostprocessError: There is no folder 'not-there'"),
        (("a.nxs", "--steps", "nap"), 9, "PostprocessError: There is no step 'nap'"),
    ],
)
def test_refusals_of_the_command(insdl, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    result = insdl("postprocess", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(words) and result.stderr.count("\n") == 1
