"""The script of what was clicked, and the algorithms' pages."""

import pytest

from mantid_insdl.interfaces.help import markdown, page
from mantid_insdl.interfaces.model import ALGORITHMS
from mantid_insdl.interfaces.script import Recorder, variable


def test_calls_come_in_their_order_and_a_repeated_one_replaces_itself():
    recorder = Recorder("# head")
    recorder.add("simulate", {"material": "a"}, assign="simulated")
    recorder.add("simulate", {"material": "b"}, assign="simulated")
    recorder.add("denoise", {"m": variable("my map"), "model": None}, assign="denoised")
    recorder.add("simulate", {"material": "c"}, assign="simulated")
    wanted = ["# head", "simulated = simulate(material='b')", "denoised = denoise(m=my_map)", "simulated = simulate(material='c')"]
    assert recorder.text() == "\n".join(wanted) + "\n"


def test_calls_that_make_different_things_all_stay():
    recorder = Recorder("")
    recorder.add("f", {"OutputWorkspace": "a"})
    recorder.add("f", {"OutputWorkspace": "b"})
    recorder.add("AddSampleLog", {"Workspace": "a"})
    recorder.add("AddSampleLog", {"Workspace": "b"})
    assert len(recorder.text().splitlines()) == 5


@pytest.mark.parametrize(("name", "word"), [("slices", "slices"), ("2021 run-3", "_2021_run_3"), ("Ei=50", "Ei_50")])
def test_variables(name, word):
    assert variable(name) == word and word.isidentifier()


@pytest.mark.parametrize("algorithm", ALGORITHMS.values())
def test_every_algorithm_has_a_page_without_what_only_sphinx_understands(algorithm):
    text = page(algorithm)
    assert (text.startswith(f"# {algorithm}\n") and "## Description" in text and "### Input" in text) or "## Usage" in text
    for mark in (".. ", ":ref:", "]_", "----"):
        assert mark not in text, mark
    assert text.count("```") % 2 == 0


def test_markdown():
    text = "Head\n----\n\nSee :ref:`Fit <algm-Fit>` and :ref:`algm-Rebin` [#X]_, ``code``.\n\n.. testcode:: A\n\n    x = 1\n\nAfter.\n"
    assert markdown(text) == "## Head\n\nSee Fit and Rebin, `code`.\n\n```\nx = 1\n```\n\nAfter.\n"
