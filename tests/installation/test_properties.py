"""Lines of a properties file are read as Mantid reads them, and everything else in it stays as it is."""

import poco
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mantid_insdl.errors import InstallationError
from mantid_insdl.installation.properties import INTERFACES, PLUGINS, elements, values, with_element, without_elements

OURS = "/opt/insdl/algorithms"
MENU = "Direct/INS_Deep_Learning.py"

FILES = {
    "nothing": b"",
    "no such key": b"default.facility=ISIS\n",
    "no final newline": b"default.facility=ISIS",
    "CRLF": b"# mine\r\ndefault.facility = ISIS\r\n",
    "CRLF and the key": b"a=1\r\nuser.python.plugins.directories = /a;/b\r\nb=2\r\n",
    "the key, empty": b"user.python.plugins.directories =\nb=2\n",
    "the key, without a sign": b"user.python.plugins.directories\nb=2\n",
    "the key with a colon": b"user.python.plugins.directories: /a\n",
    "another plugin": b"user.python.plugins.directories=/a/plugins/\nb=2",
    "spaces at the end": b"user.python.plugins.directories=/a  \t\nb=2\n",
    "a separator at the end": b"user.python.plugins.directories=/a;\n",
    "continued": b"user.python.plugins.directories=/a;\\\n  /b;\\\n  /c\nb=2\n",
    "continued, CRLF": b"user.python.plugins.directories=/a;\\\r\n  /b\r\nb=2\r\n",
    "twice": b"user.python.plugins.directories=/a\nb=2\nuser.python.plugins.directories=/b\n",
    "in a comment": b"#user.python.plugins.directories=/a\n! user.python.plugins.directories=/b\n",
    "a comment with a backslash": b"# C:\\\nb=2\n",
    "backslashes of Windows": b"user.python.plugins.directories=C:\\\\me\\\\plugins\nb=\\\\x\n",
    "unknown keys": b"no.such.key=1\nuser.python.plugins.directoriesX=/x\nplain words\n",
    "no text of UTF-8 in a comment": "# Gr\u00f6\u00dfe\nb=\u00e9\n".encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_reads_as_mantid_does(name):
    assert values(FILES[name]) == poco.read(FILES[name])


@settings(max_examples=500, deadline=None)
@given(st.text("ab=:#!\\\n\r `\t;/", max_size=30))
def test_reads_any_text_as_mantid_does(text):
    assert values(text.encode()) == {key: value for key, value in poco.read(text.encode()).items() if key}


@settings(max_examples=500, deadline=None)
@given(st.text("ab=:#!\\\n\r \t;/", max_size=30), st.sampled_from(["", f"{PLUGINS}=/a\n", f"{PLUGINS} : /a;\\\r\n /b\n"]))
@example("\n:\\\r", "")  # a line that goes on, and an end of a line that joins the next one's
def test_adds_to_any_text(text, line):
    before = (line + text).encode()
    after = with_element(before, PLUGINS, OURS, "")
    seen, known = poco.read(after), poco.read(before)
    assert elements(PLUGINS, seen.pop(PLUGINS)) == [*elements(PLUGINS, known.pop(PLUGINS, "")), OURS]
    assert seen == known


@pytest.mark.parametrize("name", FILES)
def test_adding_changes_one_line_only(name):
    before = FILES[name]
    after = with_element(before, PLUGINS, OURS, "")
    seen, known = poco.read(after), poco.read(before)
    assert elements(PLUGINS, seen[PLUGINS]) == [*elements(PLUGINS, known.get(PLUGINS, "")), OURS]
    assert {key: value for key, value in seen.items() if key != PLUGINS} == {k: v for k, v in known.items() if k != PLUGINS}
    assert with_element(after, PLUGINS, OURS, "") == after
    assert poco.read(poco.save_config(after, seen))[PLUGINS] == seen[PLUGINS]
    kept = [line for line in before.split(b"\n") if line in after.split(b"\n")]
    assert len(kept) >= len(before.split(b"\n")) - 1
    assert after.count(b"\r\n") == after.count(b"\n") or b"\r" not in before


def test_bytes_that_are_no_text_stay():
    before = b"# Gr\xf6\xdfe\nb=1\n"
    assert with_element(before, PLUGINS, OURS, "") == before + b"user.python.plugins.directories=/opt/insdl/algorithms\n"


def test_inherited_list_is_repeated_because_a_key_is_replaced_as_a_whole():
    after = with_element(b"", INTERFACES, MENU, "ILL/Drill.py  Direct/MSlice.py")
    assert poco.read(after) == {INTERFACES: f"ILL/Drill.py Direct/MSlice.py {MENU}"}
    windows = with_element(b"", PLUGINS, OURS, "C:\\me\\plugins")
    assert poco.read(windows) == {PLUGINS: f"C:\\me\\plugins;{OURS}"}


def test_own_list_goes_before_the_inherited_one():
    after = with_element(b"mantidqt.python_interfaces=A/b.py\n", INTERFACES, MENU, "ILL/Drill.py")
    assert poco.read(after) == {INTERFACES: f"A/b.py {MENU}"}


def test_a_folder_with_a_slash_at_its_end_is_the_same_folder():
    before = b"user.python.plugins.directories=/opt/insdl/algorithms/\n"
    assert with_element(before, PLUGINS, OURS, "") == before


@pytest.mark.parametrize("path", ["/a;b", "/a,b", "/a`b", "C:\\a", "/a\nb", " /a", "/a "])
def test_paths_that_mantid_cannot_be_given_are_refused(path):
    with pytest.raises(InstallationError, match="Mantid cannot be given"):
        with_element(b"", PLUGINS, path, "")


def test_a_backtick_before_our_line_is_refused():
    """Mantid reads the file up to it."""
    with pytest.raises(InstallationError, match="backtick"):
        with_element(b"a=`\n", PLUGINS, OURS, "")


@pytest.mark.parametrize("name", FILES)
def test_what_workbench_has_written_again_loses_our_values_only(name):
    before = FILES[name]
    after = with_element(with_element(before, PLUGINS, OURS, "/shipped"), INTERFACES, MENU, "ILL/Drill.py")
    memory = poco.read(after) | {"default.facility": "SNS"}
    memory[PLUGINS] = memory[PLUGINS].replace(OURS, OURS + "/")
    rewritten = poco.save_config(after, memory)
    cleaned = without_elements(rewritten, {PLUGINS: OURS, INTERFACES: MENU}, before, after)
    left = poco.read(poco.save_config(before, poco.read(before) | {"default.facility": "SNS"}))  # had we never been there
    if name == "the key with a colon":
        left[PLUGINS] = "/a"  # which Workbench would have dropped
    seen = poco.read(cleaned)
    assert elements(PLUGINS, seen.pop(PLUGINS, "")) == elements(PLUGINS, left.pop(PLUGINS, ""))
    assert seen == left


def test_a_list_that_the_user_has_extended_since_stays():
    before, after = b"", with_element(b"", PLUGINS, OURS, "")
    rewritten = b"user.python.plugins.directories=/new;/opt/insdl/algorithms/\n"
    assert without_elements(rewritten, {PLUGINS: OURS}, before, after) == b"user.python.plugins.directories=/new\n"
    elsewhere = b"a=1\nuser.python.plugins.directories=/new\n"
    assert without_elements(elsewhere, {PLUGINS: OURS}, before, after) == elsewhere
