"""The tool that puts faults into a copy of the tree, on a toy tree of two files."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "mutations.py"

ENTRY = """
- name: {name}
  file: toy.py
  old: "{old}"
  new: {new}
  tests: [test_toy.py]
"""


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("mutations_tool", TOOL)
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def toy(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "toy.py").write_text("def add(a, b):\n    return a + b\n\n\ndef less(a, b):\n    return a - b\n")
    (tree / "test_toy.py").write_text("import toy\n\n\ndef test_add():\n    assert toy.add(2, 2) == 4\n")

    def with_list(*entries):
        path = tmp_path / "list.yaml"
        path.write_text("".join(ENTRY.format(name=n, old=o, new=w) for n, o, w in entries))
        return tree, [str(path), "--root", str(tree)]

    return with_list


def test_what_no_test_notices_survives_and_the_tree_is_untouched(tool, toy, capsys):
    tree, arguments = toy(("sum", "a + b", "a * 3"), ("difference", "a - b", "b - a"), ("end", "a + b", "a + b - 1"))
    before = (tree / "toy.py").read_text()
    assert tool.main(arguments) == 1
    printed = capsys.readouterr().out
    assert "2 of 3 noticed (67 %" in printed
    assert [line for line in printed.splitlines() if line.startswith("SURVIVES") and "difference" in line]
    assert "[test_toy.py::test_add]" in printed
    assert (tree / "toy.py").read_text() == before
    assert tool.main([*arguments, "--only", "sum"]) == 0
    assert "1 of 1 noticed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (("gone", "a ** b", "a"), "occurs 0 times"),
        (("twice", "return a", "return b"), "occurs 2 times"),
        (("same", "a + b", "a + b"), "the same"),
        (("syntax", "a + b", "a +"), "no Python"),
    ],
)
def test_what_cannot_be_tried_is_an_error(tool, toy, capsys, entry, message):
    _, arguments = toy(("sum", "a + b", "a * 3"), entry)
    for further in ([], ["--check"]):
        assert tool.main([*arguments, *further]) == 2
        assert message in capsys.readouterr().err


def test_tests_must_pass_without_any_fault_and_end_as_tests_do(tool, toy, capsys):
    tree, arguments = toy(("import", "def add(a, b):", '"import no_such_module\\ndef add(a, b):"'))
    assert tool.main(arguments) == 2  # not a failed test: the module cannot be imported
    assert "pytest ended with status 2" in capsys.readouterr().out
    (tree / "test_toy.py").write_text("def test_wrong():\n    assert False\n")
    assert tool.main(arguments) == 2
    assert "do not pass without any fault" in capsys.readouterr().err


def test_the_shipped_lists_are_well_formed(tool):
    assert len(tool.read_lists([])) > 0


def test_a_package_that_lies_in_a_folder_of_another_name_is_that_of_the_copy(tool, tmp_path):
    source, copy = tmp_path / "source", tmp_path / "copy"
    for folder in ("toys", "kites", "pictures"):
        (source / folder).mkdir(parents=True)
    for package in ("toys", "kites"):
        (source / package / "__init__.py").write_text("")
    (source / "pictures" / "one.txt").write_text("no package")
    (source / "setup.cfg").write_text("[options]\npackage_dir =\n    toys.kites = kites\n    toys.pictures = pictures\n")
    tool.copy_tree(source, copy)
    assert (copy / "toys" / "kites" / "__init__.py").samefile(copy / "kites" / "__init__.py")
    assert not (copy / "toys" / "pictures").exists()
