"""The algorithms' pages as Markdown, which Qt can show; they are written for Mantid's Sphinx."""

from __future__ import annotations

import re
from pathlib import Path

_HEADINGS = {"-": "##", "#": "###"}
_ROLE = re.compile(r":\w+:`(?:([^`<]+?)\s*<[^`>]+>|algm-([^`]+)|([^`]+))`")


def page(algorithm: str) -> str:
    """The page of an algorithm."""
    package = Path(__file__).resolve()
    folders = (package.parents[1] / "algorithm_pages", package.parents[1] / "docs" / "algorithms")
    file = next((folder / f"{algorithm}-v1.rst" for folder in folders if (folder / f"{algorithm}-v1.rst").is_file()), None)
    if file is None:
        return f"# {algorithm}\n\nIts page is not installed."
    return f"# {algorithm}\n\n" + markdown(file.read_text(encoding="utf-8"))


def markdown(text: str) -> str:
    """Markdown of the reStructuredText that the pages use: headings, code, roles, footnotes. Mantid's own directives are left out.

    >>> markdown("Usage\\n-----\\n\\n.. summary::\\n\\nSee :ref:`algm-Rebin` [#A]_.")
    '## Usage\\n\\nSee Rebin.\\n'
    """
    lines: list[str] = []
    code = False
    given = text.splitlines()
    for line, below in zip(given, [*given[1:], ""], strict=True):
        mark = below[:1]
        if mark in _HEADINGS and line and set(below) == {mark} and len(below) >= len(line):
            lines += [f"{_HEADINGS[mark]} {line}"]
        elif line[:1] in _HEADINGS and lines and set(line) == {line[0]} and len(line) > 3:
            continue
        elif re.match(r"\.\. (code-block|testcode|testoutput)::", line):
            lines += ["```"]
            code = True
        elif line.startswith(".. ["):
            lines += [re.sub(r"\.\. \[#\w+\] ", "- ", line)]
        elif line.startswith(".. "):
            continue
        elif code and line and not line.startswith(" "):
            lines = [*_without_blank_end(lines), "```", "", line]
            code = False
        elif line or lines[-1:] != ["```"]:
            lines += [line[4:] if code else line.lstrip()]
    if code:
        lines = [*_without_blank_end(lines), "```"]
    plain = re.sub(r"\s*\[#\w+\]_", "", "\n".join(lines))
    plain = _ROLE.sub(lambda found: found[1] or found[2] or found[3], plain)
    plain = re.sub(r"(?<!`)``(?!`)", "`", plain)
    return re.sub(r"\n{3,}", "\n\n", plain).strip() + "\n"


def _without_blank_end(lines: list[str]) -> list[str]:
    return lines[:-1] if lines[-1:] == [""] else lines
