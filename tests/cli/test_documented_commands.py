"""The commands in README and docs exist, with the options that are shown."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import mantid_insdl

ROOT = Path(__file__).resolve().parents[2]
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if page.is_file()]


def commands(page):
    """The `insdl` lines of a page's code blocks, as lists of words after `insdl`."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    parts = [part for block in blocks for line in block.splitlines() for part in line.split("&&") if "insdl " in part]
    lines = [shlex.split(part, comments=True) for part in parts]
    return [line[1:] for line in lines if line and Path(line[0]).name == "insdl"]


@pytest.mark.skipif(not PAGES, reason="an installed package has no documentation")
def test_pages_have_commands():
    assert sum(len(commands(page)) for page in PAGES) > 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(insdl, page):
    for words in commands(page):
        depth = 2 if words[0] == "models" and len(words) > 1 else 1
        shown = insdl(*words[:depth], "--help")
        assert shown.exit_code == 0, words
        options = [word.partition("=")[0] for word in words[depth:] if re.match(r"--?[a-z]", word)]
        known = set(re.findall(r"--?[a-z][\w-]*", shown.stdout))
        assert set(options) <= known, (words, set(options) - known)


@pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="no README here")
def test_the_recipe_of_the_readme_makes_a_file_that_is_read(tmp_path, monkeypatch):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (recipe,) = (code for code in re.findall(r"```python\n(.*?)```", text, flags=re.S) if "np.savez" in code)
    made = {}

    def my_slice(ei, low, high):
        signal = np.random.default_rng(int(1000 * low)).random((40, 40))
        signal[3, 5:9] = np.nan
        made[ei, low, high] = signal
        return signal, np.sqrt(signal)

    monkeypatch.chdir(tmp_path)
    exec(recipe, {"my_slice": my_slice})
    m = mantid_insdl.load("map.npz", material="pcsmo")
    assert m.intensity.shape == (30, 40, 40) and m.warnings == ()
    for index, one in enumerate(zip(m.slices.ei, m.slices.energy_min, m.slices.energy_max, strict=True)):
        np.testing.assert_array_equal(m.intensity[index], made[one])
        np.testing.assert_array_equal(m.error[index], np.sqrt(made[one]))
