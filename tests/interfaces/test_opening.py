"""What keeps the panel from being opened is said in a sentence; and nothing but the view knows Qt."""

import ast
import sys
from pathlib import Path

import pytest

from mantid_insdl import interfaces
from mantid_insdl.errors import PanelError
from mantid_insdl.interfaces import display
from mantid_insdl.interfaces.display import require_display


def test_without_qt(monkeypatch):
    monkeypatch.setitem(sys.modules, "qtpy", None)
    with pytest.raises(PanelError, match=r"panel needs Qt.*mantid_insdl\[panel\]"):
        interfaces.show()


@pytest.fixture
def no_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")


def test_without_a_display(no_display, monkeypatch):
    with pytest.raises(PanelError, match=r"no display.*QT_QPA_PLATFORM=offscreen"):
        require_display()
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    require_display()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there does Qt look for a display")
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("DISPLAY", ":4711", "could not connect to display :4711"), ("QT_QPA_PLATFORM", "nonsense", 'platform plugin "nonsense"')],
)
def test_a_display_that_is_dead_is_a_sentence_and_no_abort(no_display, monkeypatch, name, value, words):
    pytest.importorskip("qtpy.QtWidgets", reason="needs Qt", exc_type=ImportError)
    monkeypatch.setenv(name, value)
    with pytest.raises(PanelError) as caught:
        require_display()
    text = str(caught.value)
    assert f"with {name}={value}, Qt does not start" in text and words in text and "set QT_QPA_PLATFORM=offscreen" in text
    assert "\n" not in text and "Reinstalling" not in text


def test_a_display_that_does_not_answer_is_not_waited_for_for_ever(no_display, monkeypatch):
    monkeypatch.setenv("DISPLAY", "far:0")
    monkeypatch.setattr(display, "_TRIAL", "import time; time.sleep(60)")
    monkeypatch.setattr(display, "_LIMIT", 0.5)
    with pytest.raises(PanelError, match=r"DISPLAY=far:0, Qt finds no answer in 0.5 s"):
        require_display()


def test_a_display_that_works(no_display, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(display, "_TRIAL", "pass")
    require_display()


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
        everywhere = (
            at_the_top
            if file.name in ("__init__.py", "display.py")
            else [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        )
        names = [alias.name for node in everywhere for alias in node.names] + [
            node.module for node in everywhere if hasattr(node, "module")
        ]
        assert not [name for name in names if name.split(".")[0] in ("qtpy", "matplotlib") or ".view" in name], file.name
