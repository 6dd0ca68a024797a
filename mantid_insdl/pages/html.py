"""Building blocks of pages: plain HTML that any browser shows without a server, a script or the network."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
body { font: 15px/1.45 sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 0.7em 0 } td, th { padding: 0.2em 0.9em 0.2em 0; text-align: left; vertical-align: top }
th { border-bottom: 1px solid #999 } img { max-width: 100%; border: 1px solid #ddd } figure { margin: 1em 0 }
figcaption { color: #444; max-width: 60em } .done { color: #1a7a2e }
.failed { color: #b00020 } .partly, .not { color: #9a6200 } .quiet { color: #777 } h1 { font-size: 1.5em } h2 { font-size: 1.15em }
"""


def document(title: str, parts: Iterable[str]) -> str:
    """A page of these parts, which are HTML; the title is text."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(part for part in parts if part)
    head = f"<head>{head}<style>{STYLE}</style></head>"
    return f"<!DOCTYPE html>\n<html lang='en'>{head}\n<body>\n<h1>{escape(title)}</h1>\n{body}\n</body></html>\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML; nothing without rows."""
    lines = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    if not lines:
        return ""
    return "<table><tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>\n" + "\n".join(lines) + "</table>"


def paragraph(text: str) -> str:
    """Of text."""
    return f"<p>{escape(text)}</p>" if text else ""


def bullets(lines: Sequence[str]) -> str:
    """A list of texts; nothing of none."""
    return "<ul>" + "".join(f"<li>{escape(one)}</li>" for one in lines) + "</ul>" if lines else ""


def picture(png: bytes, caption: str) -> str:
    """A picture within the page, with text below."""
    data = base64.b64encode(png).decode("ascii")
    return f'<figure><img src="data:image/png;base64,{data}" alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'
