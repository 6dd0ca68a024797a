"""The page of a run, from what its JSON files say. Plain HTML that any browser shows without a server, a script or the network."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from mantid_insdl.pages.answers import analysis_answers, fit_answers
from mantid_insdl.pages.html import document, table
from mantid_insdl.runs.record import DONE, PAGE_FILE, RunRecord


def state_cell(state: str) -> str:
    """A state in its colour."""
    return f'<span class="{escape(state.split(maxsplit=1)[0])}">{escape(state)}</span>'


def write_run(record: RunRecord, folder: Path, analysis: Mapping[str, Any] | None = None, fit: Mapping[str, Any] | None = None) -> None:
    """Write the page of a run and its record.

    Parameters
    ----------
    record
        What became of the run.
    analysis, fit
        The content of `report.json` and of `fit.json`, where there are any.
    """
    (folder / PAGE_FILE).write_text(_run_page(record, analysis, fit), encoding="utf-8")
    record.write(folder)


def _run_page(record: RunRecord, analysis: Mapping[str, Any] | None, fit: Mapping[str, Any] | None) -> str:
    names = {one["name"] for one in record.files}
    parts = [
        '<p><a href="../index.html">all runs</a></p>',
        f"<p>{state_cell(record.state)}{': ' + escape(record.reason) if record.reason else ''}</p>",
        table(("file", "bytes"), ((escape(one.path), f"{one.bytes:,}") for one in record.sources)),
        f"<p>{escape(record.summary)}</p>" if record.summary else "",
        *(analysis_answers(analysis) if analysis else ()),
        *(fit_answers(fit) if fit else ()),
        "<h2>Pictures</h2>" if any(name.endswith(".png") for name in names) else "",
        *(_picture(one) for one in record.files if one["name"].endswith(".png")),
        "<h2>Steps</h2>",
        table(("step", "state", "time"), ((escape(s.name), _state(s), f"{s.seconds:g} s") for s in record.steps)),
        "<h2>Files</h2>",
        table(("file", "what it is"), ((_link(one["name"]), escape(one["content"])) for one in record.files)),
        f'<p class="quiet">mantid_insdl, {escape(record.created)}, {record.seconds:g} s</p>',
    ]
    return document(record.name, parts)


def _state(step: Any) -> str:
    return state_cell(step.state) + ("" if step.state == DONE else f": {escape(step.reason)}")


def _link(name: str) -> str:
    return f'<a href="{escape(name)}">{escape(name)}</a>'


def _picture(one: Mapping[str, str]) -> str:
    name = escape(one["name"])
    return f'<p><a href="{name}"><img src="{name}" alt="{escape(one["content"])}"></a><br>{escape(one["content"])}</p>'
