"""Messages on a pipe: every map survives, every cut and every foreign byte is noticed."""

from __future__ import annotations

import io

import numpy as np
import pytest

from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices
from mantid_insdl.worker import protocol


def sent(header, maps=None):
    stream = io.BytesIO()
    protocol.encode(header, maps).write(stream)
    return stream.getvalue()


def received(content):
    return protocol.decode(io.BytesIO(content))


def square(n):
    return tuple(Axis(name, RLU, np.arange(n, dtype=float)) for name in ("qh", "qk"))


MAPS = {
    "powder": Map(np.ones((2, 3)), (Axis("q", PER_ANGSTROM, [1, 2]), Axis("energy", MEV, [0, 1, 2, 3], is_edges=True)), ei=50.0),
    "cut": Map(np.ones((2, 1)), (Axis("path", RLU, [0, 1]), Axis("energy", MEV, [0.0])), path=np.eye(3)[:2]),
    "one pixel": Map([[[5.0]]], square(1), slices=Slices(50.0, 8.0, 11.0)),
    "all masked": Map(np.full((2, 2, 2), np.nan), square(2), slices=Slices([np.nan] * 2, [1, 2], [2, 3])),
    "no slice": Map(np.empty((0, 2, 2)), square(2), slices=Slices([], [], [])),
    "column order": Map(np.asfortranarray(np.arange(18.0).reshape(2, 3, 3)), square(3), slices=Slices([1, 1], [1, 2], [2, 3])),
    "other byte order": Map(np.arange(4, dtype=">i2").reshape(1, 2, 2), square(2), slices=Slices(1.0, 1.0, 2.0)),
}


@pytest.mark.parametrize("name", MAPS)
def test_map_survives(name):
    m = MAPS[name]
    header, maps = received(sent({"kind": "x", "text": "Ψ\n\0\udcff"}, {name: m}))
    assert header["text"] == "Ψ\n\0\udcff"
    back = maps[name]
    np.testing.assert_array_equal(back.intensity, m.intensity)
    np.testing.assert_array_equal(back.mask, m.mask)
    assert (back.kind, back.ei, back.shape) == (m.kind, m.ei, m.shape)
    if m.path is not None:
        np.testing.assert_array_equal(back.path, m.path)


def test_a_message_begins_with_its_name_and_the_length_of_its_header_in_little_endian():
    content = sent({"kind": "x" * 300})
    length = len(content) - 14
    assert content[:14] == b"INSDL1" + bytes([length % 256, length // 256, 0, 0, 0, 0, 0, 0])


def test_several_messages_follow_each_other():
    stream = io.BytesIO(
        sent({"kind": "x", "n": 1}, {"a": MAPS["powder"]}) + sent({"kind": "x", "n": 2}) + sent({"kind": "x", "n": 3}, {"b": MAPS["cut"]})
    )
    assert [protocol.decode(stream)[0]["n"] for _ in range(3)] == [1, 2, 3]
    with pytest.raises(EOFError):
        protocol.decode(stream)


def test_every_cut_is_an_end():
    content = sent({"kind": "x"}, {"m": MAPS["one pixel"]})
    for length in range(len(content)):
        with pytest.raises(EOFError):
            received(content[:length])


@pytest.mark.parametrize(
    "content", [b"Hello, world\n", b"I", b"INSDL2" + b"\0" * 8, b"INSDL1" + b"\xff" * 8, b"INSDL1" + b"\2" + b"\0" * 7 + b"{]"]
)
def test_foreign_bytes_are_noticed(content):
    with pytest.raises(EOFError if content == b"I" else protocol.StreamError):
        received(content)


def test_arrays_of_python_objects_are_neither_written_nor_read():
    message = protocol.Message(sent({"kind": "x"}), [np.array([{}], dtype=object)])
    with pytest.raises(ValueError, match="allow_pickle"):
        message.write(io.BytesIO())
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([{}], dtype=object), allow_pickle=True)
    content = b'{"kind": "x", "maps": {}, "arrays": ["a"]}'
    with pytest.raises(protocol.StreamError, match="pickled Python objects"):
        received(protocol.MAGIC + protocol.LENGTH.pack(len(content)) + content + stream.getvalue())


def message(header: str, arrays: bytes = b"") -> bytes:
    content = header.encode()
    return protocol.MAGIC + protocol.LENGTH.pack(len(content)) + content + arrays


def npy_header(**entries):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, **entries})
    return stream.getvalue()


WORDS = '"summary": "a", "reason": "b", "fix": "c"'
NONSENSE = {
    "a list": ("[]", b""),
    "no kind": ('{"maps": {}, "arrays": []}', b""),
    "no maps": ('{"kind": "started", "arrays": []}', b""),
    "a kind that is a list": ('{"kind": [], "maps": {}, "arrays": []}', b""),
    "deep": ('{"kind": "started", "maps": {}, "arrays": [], "x": ' + "[" * 100_000 + "]" * 100_000 + "}", b""),
    "a long number": ('{"kind": "started", "maps": {}, "arrays": [], "x": ' + "1" * 5000 + "}", b""),
    "no result": ('{"kind": "result", "maps": {}, "arrays": []}', b""),
    "progress without a number": ('{"kind": "progress", "fraction": "1", "text": "", "maps": {}, "arrays": []}', b""),
    "an error without its class": ('{"kind": "error", "maps": {}, "arrays": [], "traceback": "", ' + WORDS + "}", b""),
    "a map that is none": ('{"kind": "result", "result": {}, "maps": {"a": 1}, "arrays": []}', b""),
    "a map without its arrays": ('{"kind": "result", "result": {}, "maps": {"a": {"axes": []}}, "arrays": []}', b""),
    "an array of 8 TB": ('{"kind": "x", "maps": {}, "arrays": ["a"]}', npy_header(shape=(10**6, 10**6))),
    "an array of negative size": ('{"kind": "x", "maps": {}, "arrays": ["a"]}', npy_header(shape=(-1, 2))),
    "an array of long texts": ('{"kind": "x", "maps": {}, "arrays": ["a"]}', npy_header(descr="<U400000000", shape=(9,))),
    "an array that is none": ('{"kind": "x", "maps": {}, "arrays": ["a"]}', b"no array at all"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_noticed(name):
    with pytest.raises(protocol.StreamError):
        received(message(*NONSENSE[name]))
