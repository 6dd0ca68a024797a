"""The lines of a Mantid properties file, read as Mantid reads them and changed without touching any other byte.

Mantid hands the file to Poco's PropertyFileConfiguration (Framework/Kernel/src/ConfigService.cpp): ``key = value`` or ``key: value``,
``#`` and ``!`` begin a comment, a backslash escapes the next character or continues the line, and of two lines with one key the later
counts. It reads the file up to its first backtick only (ConfigServiceImpl::readFile).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mantid_insdl.errors import InstallationError

#: Keys whose value is a list, and what stands between its elements.
PLUGINS, SCRIPTS, INTERFACES = "user.python.plugins.directories", "pythonscripts.directories", "mantidqt.python_interfaces"
SEPARATORS = {PLUGINS: ";", SCRIPTS: ";", INTERFACES: " "}

_PHYSICAL = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_ASSIGNMENT = re.compile(r"\s*([^=:]*?)\s*(?:[=:]\s*(.*))?\Z", re.DOTALL)
_ESCAPES = {"t": "\t", "r": "\r", "n": "\n", "f": "\f"}


class _Line(NamedTuple):
    """A logical line, which a backslash may continue over several physical ones; comments and empty lines have no key."""

    text: str
    key: str | None
    value: str


def elements(key: str, value: str) -> list[str]:
    """The elements of a list in a value."""
    parts = re.split("[;,]", value) if SEPARATORS[key] == ";" else value.split()
    return [part.strip() for part in parts if part.strip()]


def same_element(one: str, other: str) -> bool:
    """Whether two elements mean the same; Mantid writes folders with a slash at the end."""
    return one.rstrip("/") == other.rstrip("/")


def values(content: bytes) -> dict[str, str]:
    """What the file gives each key."""
    text = _text(content).split("`")[0]
    return {line.key: line.value for line in _lines(text) if line.key}


def with_element(content: bytes, key: str, element: str, inherited: str) -> bytes:
    """The file with one more element at the end of a list.

    Parameters
    ----------
    content
        The file as it is.
    key, element
        The list and what to add; nothing is changed where it is in the list.
    inherited
        The value that Mantid takes where the file does not have the key. A line here replaces it as a whole, so it must be repeated.

    Raises
    ------
    InstallationError
        If Mantid would not read the line, or not as one element.
    """
    _check(content, key, element)
    lines = _lines(_text(content))
    places = [number for number, line in enumerate(lines) if line.key == key]
    present = elements(key, lines[places[-1]].value if places else inherited)
    if any(same_element(one, element) for one in present):
        return content
    end = _line_end(lines)
    if places:
        last = places[-1]
        body = lines[last].text.rstrip("\r\n")
        line_end = lines[last].text[len(body) :] or end
        separator = _separator_after(body, key, empty=not present)
        lines[last] = lines[last]._replace(text=_with_equals_sign(body).rstrip(" \t") + separator + element + line_end)
    else:
        if lines and not lines[-1].text.endswith(("\r", "\n")):
            lines[-1] = lines[-1]._replace(text=lines[-1].text + end)
        if lines and _continues(lines[-1].text):  # else the new line would belong to it
            merges = lines[-1].text.endswith("\r") and end == "\n"  # together they are one end of a line
            lines.append(_Line(2 * end if merges else end, None, ""))
        value = SEPARATORS[key].join([*(part.replace("\\", "\\\\") for part in present), element])
        lines.append(_Line(f"{key}={value}{end}", key, value))
    return _bytes(lines)


def without_elements(content: bytes, added: Mapping[str, str], before: bytes, after: bytes) -> bytes:
    """The file, which another program has written since, without what was added to its lists.

    Parameters
    ----------
    content
        The file as it is now.
    added
        Of each key the element to take out.
    before, after
        The file before and after the elements were added: a key that was not there goes altogether, unless its list has been changed.
    """
    earlier, written = values(before), values(after)
    kept = []
    for line in _lines(_text(content)):
        element = added.get(line.key) if line.key else None
        if line.key is None or not element:
            kept.append(line)
            continue
        present = elements(line.key, line.value)
        left = [one for one in present if not same_element(one, element)]
        if len(left) == len(present):
            kept.append(line)
            continue
        inherited = [one for one in elements(line.key, written.get(line.key, "")) if not same_element(one, element)]
        if line.key not in earlier and len(left) == len(inherited) and all(map(same_element, left, inherited)):
            continue
        value = SEPARATORS[line.key].join(part.replace("\\", "\\\\") for part in left)
        body = line.text.rstrip("\r\n")
        kept.append(line._replace(text=f"{line.key}={value}{line.text[len(body) :]}"))
    return _bytes(kept)


def _check(content: bytes, key: str, element: str) -> None:
    if b"`" in content:
        raise InstallationError(
            "the properties file of Mantid has a backtick (`)", "Mantid reads nothing that stands behind it", "take it out of the file"
        )
    forbidden = {"`", "\\", "\n", "\r"} | ({";", ","} if SEPARATORS[key] == ";" else {" ", "\t"})
    found = sorted(forbidden & set(element))
    if found or element != element.strip():
        raise InstallationError(
            f"Mantid cannot be given '{element}'",
            f"its lists of folders take no {found[0]!r} in a path" if found else "its name begins or ends with a space",
            "install mantid_insdl in a folder of another name",
        )


def _with_equals_sign(body: str) -> str:
    """A line with the only sign that Workbench knows when it writes the file again: it drops keys with a colon, or with none."""
    return re.sub("[=:]", "=", body, count=1) if re.search("[=:]", body) else body + "="


def _separator_after(body: str, key: str, *, empty: bool) -> str:
    """What stands between the text of a line and an element that is added to it."""
    return "" if empty or (SEPARATORS[key] == ";" and body.rstrip(" \t").endswith((";", ","))) else SEPARATORS[key]


def _lines(text: str) -> list[_Line]:
    found, pending = [], ""
    for physical in _PHYSICAL.findall(text):
        pending += physical
        if not _continues(pending):
            found.append(_parsed(pending))
            pending = ""
    return [*found, _parsed(pending)] if pending else found


def _continues(text: str) -> bool:
    """Whether a line goes on in the next: its value ends with a backslash that no other one escapes."""
    if _is_comment(text) or not re.search("[=:]", text):
        return False
    body = text[: -2 if text.endswith("\r\n") else -1] if text.endswith(("\r", "\n")) else text
    return (len(body) - len(body.rstrip("\\"))) % 2 == 1


def _is_comment(text: str) -> bool:
    return text.lstrip().startswith(("#", "!"))


def _parsed(text: str) -> _Line:
    found = _ASSIGNMENT.match(text.rstrip("\r\n"))
    if not text.strip() or _is_comment(text) or found is None:
        return _Line(text, None, "")
    key, value = found.groups()
    return _Line(text, key, _unescaped(value or "").strip())


def _unescaped(raw: str) -> str:
    joined = re.sub(r"(?<!\\)((?:\\\\)*)\\(?:\r\n|\r|\n|\Z)", r"\1", raw)
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), joined)


def _line_end(lines: Iterable[_Line]) -> str:
    """That of the file's first line."""
    for line in lines:
        match = re.search(r"\r\n|\r|\n", line.text)
        if match:
            return match[0]
    return os.linesep


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _bytes(lines: Iterable[_Line]) -> bytes:
    return "".join(line.text for line in lines).encode("utf-8", "surrogateescape")
