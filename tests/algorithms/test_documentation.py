"""The pages in docs/algorithms: complete, and their examples do what they say."""

import re
from pathlib import Path

import mantid.simpleapi
import pytest
from mantid_helpers import create

from mantid_insdl.plugin.registration import plugin_directory

PAGES = Path(__file__).parents[2] / "docs" / "algorithms"
NAMES = sorted(file.stem for file in plugin_directory().glob("*.py"))
DIRECTIVES = [".. algorithm::", ".. summary::", ".. relatedalgorithms::", ".. properties::", ".. categories::", ".. sourcelink::"]


def blocks(text, directive):
    """The indented blocks below `.. directive:: NAME`, by name."""
    found = {}
    for match in re.finditer(rf"^\.\. {directive}:: (\w+)\n((?:[ ]{{4}}.*\n|\n)*)", text, re.MULTILINE):
        found[match.group(1)] = "\n".join(line[4:] for line in match.group(2).split("\n")).strip("\n")
    return found


def examples():
    for name in NAMES:
        text = (PAGES / f"{name}-v1.rst").read_text()
        for example in blocks(text, "testcode"):
            yield pytest.param(text, example, id=example)


def test_one_page_for_each_algorithm():
    assert sorted(p.name for p in PAGES.glob("*.rst")) == [f"{name}-v1.rst" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_page_has_the_form_of_mantid(name):
    text = (PAGES / f"{name}-v1.rst").read_text()
    positions = [text.index(directive) for directive in [*DIRECTIVES[:4], "Description\n----", "Usage\n----", *DIRECTIVES[4:]]]
    assert positions == sorted(positions)
    assert blocks(text, "testcode"), "a page has an example"


@pytest.mark.parametrize("name", NAMES)
def test_page_explains_the_properties(name):
    text = (PAGES / f"{name}-v1.rst").read_text()
    algorithm = create(name)
    inputs = set(algorithm.mandatoryProperties()) - {"InputWorkspace"}
    assert [p for p in inputs | set(algorithm.outputProperties()) - {"OutputWorkspace"} if f"*{p}*" not in text] == []


@pytest.mark.parametrize(("text", "example"), list(examples()))
def test_example_prints_what_the_page_says(text, example, capsys):
    code = compile(blocks(text, "testcode")[example], example, "exec")
    capsys.readouterr()
    printed = []
    names = {n: f for n, f in vars(mantid.simpleapi).items() if not n.startswith("_")}
    exec(code, names | {"print": lambda *values: printed.append(" ".join(map(str, values)))})
    assert "\n".join(printed) == blocks(text, "testoutput")[example]
