"""Where Mantid has a newer call, the older one, which warns, is not made."""

import ast
from pathlib import Path

import mantid
import numpy as np
import pytest
from mantid.api import MatrixWorkspace
from mantid_helpers import new_group, new_slice, pattern

from mantid_insdl.plugin import versions
from mantid_insdl.plugin.workspaces import from_workspace, to_workspace

ROOT = Path(__file__).parents[2]
OLD = {f"{verb}{letter}" for verb in ("read", "data", "set") for letter in ("X", "Y", "E", "Dx")} | {"getInstrument"}


@pytest.fixture
def mantid_7(monkeypatch):
    """The newer calls alone."""
    if not getattr(mantid, "STANDIN", False):
        pytest.skip("a real Mantid is what it is")
    for letter in "XYE":
        stored = f"_{letter.lower()}"
        monkeypatch.delattr(MatrixWorkspace, f"read{letter}")
        monkeypatch.delattr(MatrixWorkspace, f"set{letter}")
        monkeypatch.setattr(MatrixWorkspace, letter.lower(), lambda self, i, s=stored: self._read(getattr(self, s), i), raising=False)
        monkeypatch.setattr(MatrixWorkspace, f"mutable{letter}", lambda self, i, s=stored: getattr(self, s)[i], raising=False)


def test_maps_go_through_workspaces_of_mantid_7(request):
    group = new_group((1, 2))  # made by the older calls
    m = from_workspace(group)
    request.getfixturevalue("mantid_7")
    again = from_workspace(group)
    np.testing.assert_array_equal(again.intensity, m.intensity)
    made = to_workspace(m.scaled(2.0), like=group)
    np.testing.assert_array_equal(made.getItem(1).extractY(), 2 * pattern(2)[0])
    np.testing.assert_array_equal(made.getItem(1).extractE(), 2 * pattern(2)[1])
    np.testing.assert_array_equal(made.getItem(0).extractX(), group.getItem(0).extractX())


def test_values_that_were_read_are_a_copy():
    workspace = new_slice()
    x = versions.x_values(workspace, 0)
    x[:] = 7.0
    assert versions.x_values(workspace, 0)[0] == -1.0


def test_no_older_call_is_made_but_where_it_is_decided():
    files = [*(ROOT / "mantid_insdl").rglob("*.py"), *(ROOT / "algorithms").glob("*.py"), *(ROOT / "interfaces").rglob("*.py")]
    calls = {
        (file.name, node.func.attr)
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in OLD
    }
    assert calls == set()
    assert (ROOT / "mantid_insdl" / "plugin" / "versions.py") in files
