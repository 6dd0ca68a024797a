"""Opening files: regular ones of the right size, and nothing else is waited for or read."""

from __future__ import annotations

import os
import socket

import pytest

from mantid_insdl.errors import MapError
from mantid_insdl.untrusted.reading import Origin, open_regular, read_bytes, read_text

ORIGIN = Origin("the file 'a'", MapError, "mend it")
posix = pytest.mark.skipif(os.name != "posix", reason="needs pipes and links")


def test_a_regular_file(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", ORIGIN, 5) == b"12345"
    with pytest.raises(MapError, match="Cannot read the file 'a': it is larger than 4 bytes"):
        read_bytes(tmp_path / "a", ORIGIN, 4)


def test_a_file_that_is_not_there_is_the_callers_to_explain(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none", ORIGIN)


def test_text_is_utf_8_with_or_without_its_mark(tmp_path):
    for content in (b"\xef\xbb\xbf\xc3\x85", b"\xc3\x85"):
        (tmp_path / "a").write_bytes(content)
        assert read_text(tmp_path / "a", ORIGIN, 100) == "Å"
    (tmp_path / "a").write_bytes(b"\xff")
    with pytest.raises(MapError, match="it is not UTF-8 text; mend it"):
        read_text(tmp_path / "a", ORIGIN, 100)


@posix
@pytest.mark.parametrize("follow", [True, False])
def test_what_is_no_regular_file(tmp_path, monkeypatch, follow):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")
    for path, kind in (("pipe", "a pipe"), ("socket", "a socket"), (".", "a folder"), ("/dev/zero", "a device")):
        with pytest.raises(MapError, match=f"it is {kind} and not a regular file; give the file itself"):
            open_regular(path, ORIGIN, follow=follow)


@posix
def test_links(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("a")
    assert read_bytes(tmp_path / "link", ORIGIN, 5) == b"12345"
    with pytest.raises(MapError, match="it is a link and not a regular file"):
        read_bytes(tmp_path / "link", ORIGIN, 5, follow=False)


@pytest.mark.parametrize("name", ["x" * 5000, "x\0y"])
def test_names_that_no_file_has(tmp_path, name):
    with pytest.raises(MapError, match=r"Cannot read the file 'a': .*; mend it"):
        open_regular(tmp_path / name, ORIGIN)
