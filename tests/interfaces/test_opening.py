"""What keeps the panel from being opened is said in a sentence; and nothing but the view knows Qt."""

import ast
import sys
from pathlib import Path

import pytest

from mantid_insdl import interfaces
from mantid_insdl.errors import PanelError


def test_without_qt(monkeypatch):
    monkeypatch.setitem(sys.modules, "qtpy", None)
    with pytest.raises(PanelError, match=r"panel needs Qt.*mantid_insdl\[panel\]"):
        interfaces.show()


def test_without_a_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(PanelError, match="no display"):
        interfaces._require_display()
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    interfaces._require_display()


def test_without_what_the_package_needs_in_mantid_s_python(monkeypatch):
    from mantid_insdl.plugin import requirements

    monkeypatch.setattr(requirements, "missing", lambda: "Mantid's Python has no pydantic; run pip.")
    with pytest.raises(PanelError, match="no pydantic"):
        interfaces._model()


def test_only_the_view_knows_qt():
    folder = Path(interfaces.__file__).parent
    assert {file.name for file in folder.glob("view*.py")} == {f"view{part}.py" for part in ("", "_file", "_map", "_steps", "_simulate")}
    for file in folder.glob("*.py"):
        if file.name.startswith("view"):
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        at_the_top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        everywhere = at_the_top if file.name == "__init__.py" else [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        names = [alias.name for node in everywhere for alias in node.names] + [
            node.module for node in everywhere if hasattr(node, "module")
        ]
        assert not [name for name in names if name.split(".")[0] in ("qtpy", "matplotlib") or ".view" in name], file.name
