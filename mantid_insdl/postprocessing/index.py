"""The index of a proposal's runs: one line for each folder with a record."""

from __future__ import annotations

from html import escape
from pathlib import Path

from mantid_insdl.output import staged_file
from mantid_insdl.runs.page import document, state_cell, table
from mantid_insdl.runs.record import PAGE_FILE, RunRecord, read_record

INDEX_FILE = "index.html"


def records_in(output: Path) -> list[RunRecord]:
    """The records of all runs in a folder, the latest first."""
    found = [read_record(path) for path in sorted(output.iterdir()) if path.is_dir()] if output.is_dir() else []
    return sorted((one for one in found if one is not None), key=lambda one: one.created, reverse=True)


def write_index(output: Path, title: str = "") -> None:
    """Write the index anew, from the records that there are.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    records = records_in(output)
    counts = {state: sum(one.state == state for one in records) for state in dict.fromkeys(one.state for one in records)}
    rows = (
        (
            f'<a href="{escape(one.name)}/{PAGE_FILE}">{escape(one.name)}</a>',
            state_cell(one.state),
            escape(one.verdict),
            escape(one.summary),
            escape(one.reason),
            escape(one.created.replace("T", " ")[:16]),
        )
        for one in records
    )
    parts = [
        f"<p>{len(records)} runs: " + ", ".join(f"{count} {escape(state)}" for state, count in counts.items()) + "</p>",
        table(("run", "state", "verdict", "map", "why", "processed (UTC)"), rows),
    ]
    with staged_file(output / INDEX_FILE) as path:
        path.write_text(document(title or "Runs", parts), encoding="utf-8")
