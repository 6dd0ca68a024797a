"""YAML and JSON: what is taken, what is refused, and that it is said in one sentence."""

from __future__ import annotations

import json

import pytest

from mantid_insdl.errors import LONGEST, InsdlError, MapError, printable
from mantid_insdl.untrusted.reading import Origin
from mantid_insdl.untrusted.text import DEEPEST, LONGEST_NUMBER, exact_json_of, json_of, yaml_of

ORIGIN = Origin("the file 'a'", MapError, "mend it")


def nested(depth: int) -> str:
    return "[" * depth + "1" + "]" * depth


@pytest.mark.parametrize("read", [yaml_of, json_of])
def test_depth(read):
    assert read(nested(DEEPEST), ORIGIN)
    with pytest.raises(MapError, match=f"Cannot read the file 'a': its lists and mappings are more than {DEEPEST} deep; mend it"):
        read(nested(DEEPEST + 2), ORIGIN)


@pytest.mark.parametrize("read", [yaml_of, json_of])
@pytest.mark.parametrize("digits", [LONGEST_NUMBER, LONGEST_NUMBER + 1])
def test_length_of_a_number(read, digits):
    if digits == LONGEST_NUMBER:
        assert read("1" * digits, ORIGIN) == int("1" * digits)
    else:
        with pytest.raises(MapError, match=f"a number of {digits} characters"):
            read("1" * digits, ORIGIN)


def test_aliases_that_a_person_writes_are_taken():
    assert yaml_of("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n", ORIGIN) == {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}}


def test_an_alias_of_what_it_is_in():
    with pytest.raises(MapError, match="an alias in it stands for what it is a part of; leave the alias out"):
        yaml_of("a: &x [1, {b: *x}]\n", ORIGIN)


@pytest.mark.parametrize(("text", "line"), [("a: [1, 2", 1), ("a: 1\nb: {", 2), ("a: 1\n  b: 2\n", 2)])
def test_yaml_that_is_none_names_the_line(text, line):
    with pytest.raises(MapError, match=f"no valid YAML at line {line}: .*; mend it"):
        yaml_of(text, ORIGIN)


@pytest.mark.parametrize("read", [yaml_of, json_of])
def test_control_characters_are_spelled_out_in_values_and_names(read):
    assert read('{"a\\u001bb": ["\\u009b0m", "x\\ny"]}', ORIGIN) == {r"a\x1bb": [r"\x9b0m", "x\ny"]}


def test_between_our_own_processes_texts_are_exact():
    text = "\x1b[31m \u202e"
    assert exact_json_of(json.dumps([text]), ORIGIN) == [text]


@pytest.mark.parametrize("character", ["\x00", "\x07", "\r", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066"])
def test_characters_that_steer_a_terminal(character):
    assert printable(f"a{character}b") != f"a{character}b"
    assert character not in str(InsdlError(f"a{character}b", f"c{character}", f"d{character}"))


def test_other_characters_stay():
    assert printable("Ψ Å⁻¹ — 中文\t\n") == "Ψ Å⁻¹ — 中文\t\n"


def test_a_message_is_never_longer_than_somebody_reads():
    assert len(str(InsdlError("x" * 10**6, "y" * 10**6, "z" * 10**6))) < 4 * LONGEST
