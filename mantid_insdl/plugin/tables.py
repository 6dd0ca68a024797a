"""TableWorkspaces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def to_table(columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]], *, title: str = "", comment: Iterable[str] = ()) -> Any:
    """A TableWorkspace; `columns` are (name, type) with the types ``str`` or ``double``.

    A table has no sample logs: the sentences of `comment` become the lines of its comment.
    """
    from mantid.api import WorkspaceFactory

    table = WorkspaceFactory.createTable()
    table.setTitle(title)
    table.setComment("\n".join(comment))
    for name, kind in columns:
        table.addColumn(kind, name)
    for row in rows:
        table.addRow([str(v) if kind == "str" else float(v) for v, (_, kind) in zip(row, columns, strict=True)])
    return table
