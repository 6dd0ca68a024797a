"""An interpreter that answers, but not as the worker does: a WorkerError, whatever it says."""

from __future__ import annotations

import io
import shlex

import numpy as np
import pytest

from mantid_insdl import __version__
from mantid_insdl.errors import InsdlError, WorkerError
from mantid_insdl.worker import protocol, run_task, stop

HELLO = {"kind": "hello", "protocol": protocol.VERSION, "version": __version__, "python": "3.11"}
STARTED = {"kind": "started"}
WORDS = {"summary": "a", "reason": "b", "fix": "c", "traceback": "d"}


def written(*headers) -> bytes:
    stream = io.BytesIO()
    for header in headers:
        protocol.encode(header).write(stream)
    return stream.getvalue()


def huge_array() -> bytes:
    content = b'{"kind": "result", "result": {}, "maps": {}, "arrays": ["a"]}'
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (10**7, 10**7)})
    return protocol.MAGIC + protocol.LENGTH.pack(len(content)) + content + stream.getvalue()


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """Sets an interpreter that sends these bytes and waits."""

    def use(content: bytes) -> None:
        said = tmp_path / "said"
        said.write_bytes(content)
        program = tmp_path / "python3"
        program.write_text(f"#!/bin/sh\ncat {shlex.quote(str(said))}\nexec sleep 60\n")
        program.chmod(0o755)
        stop()
        monkeypatch.setenv("INSDL_PYTHON", str(program))

    yield use
    stop()


@pytest.mark.parametrize(
    "content",
    [
        written({"kind": "result", "result": {}}),
        written({**HELLO, "version": [1]}),
        written(HELLO, STARTED, {"kind": "surprise"}),
        written(HELLO, STARTED, {"kind": "result"}),
        written(HELLO, STARTED, {"kind": "progress", "fraction": [], "text": "x"}),
        written(HELLO, STARTED) + huge_array(),
        written(HELLO, STARTED) + b"a traceback on the wrong stream",
    ],
    ids=["result first", "no version", "unknown kind", "no result", "no fraction", "huge array", "text"],
)
def test_nonsense_is_a_worker_error(answers, content):
    answers(content)
    with pytest.raises(WorkerError):
        run_task("simulate", {}, {})


@pytest.mark.parametrize("name", ["format_error", "re", "annotations", "nothing", "__builtins__"])
def test_an_error_of_no_class_of_ours_is_a_worker_error(answers, name):
    answers(written(HELLO, STARTED, {"kind": "error", "error": name, **WORDS}))
    with pytest.raises(WorkerError, match="A: b; c"):
        run_task("simulate", {}, {})


def test_what_it_says_does_not_steer_the_terminal(answers):
    heard = []
    progress = {"kind": "progress", "fraction": 0.5, "text": "half \x1b[2J done"}
    answers(written(HELLO, STARTED, progress, {"kind": "error", "error": "MapError", **WORDS, "reason": "\x1b]0;title\x07"}))
    with pytest.raises(InsdlError) as caught:
        run_task("simulate", {}, {}, progress=lambda fraction, text: heard.append(text))
    assert heard[-1] == "half \\x1b[2J done"
    assert "\x1b" not in str(caught.value)
