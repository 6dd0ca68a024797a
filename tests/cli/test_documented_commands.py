"""The commands in README and docs exist, with the options that are shown."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if page.is_file()]


def commands(page):
    """The `insdl` lines of a page's code blocks, as lists of words after `insdl`."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    parts = [part for block in blocks for line in block.splitlines() for part in line.split("&&")]
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
        options = [word for word in words[depth:] if re.match(r"--?[a-z]", word)]
        known = set(re.findall(r"--?[a-z][\w-]*", shown.stdout))
        assert set(options) <= known, (words, set(options) - known)
