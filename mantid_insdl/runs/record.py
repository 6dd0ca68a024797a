"""What is kept of a run that was processed: `run.json` in its folder. The standard library alone, for Mantid's own Python reads it too."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RUN_FILE = "run.json"
PAGE_FILE = "index.html"
PAGE = {"name": PAGE_FILE, "content": "this run on a page"}
"""The entry of the page among the files of a record."""

MAP, ANALYSE, FIT = STEPS = ("map", "analyse", "fit")
"""map: read, checked and drawn. analyse: by the networks, as `insdl analyse`. fit: spin waves without a network, as `insdl fit`."""

DONE, PARTLY, FAILED = "done", "partly done", "failed"
"""States of a run: all steps done; read, but some steps are not possible; not read at all, or a step broke down."""
NOT_POSSIBLE = "not possible"
"""State of a step that was refused for a reason, beside `DONE` and `FAILED`."""


@dataclass(frozen=True)
class Source:
    """A file as it was when it was read: its size, and when it was changed in nanoseconds since 1970."""

    path: str
    bytes: int
    changed: int

    @classmethod
    def of(cls, path: str | Path) -> Source:
        """A file as it is now; `OSError` where it is not there."""
        found = os.stat(path)
        return cls(os.path.abspath(path), found.st_size, found.st_mtime_ns)


@dataclass(frozen=True)
class StepRecord:
    """What became of a step; `reason` is empty where it was done."""

    name: str
    state: str
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class RunRecord:
    """What became of a run.

    Parameters
    ----------
    name
        Of the run: its folder's.
    sources
        The files that were read.
    settings
        With which options: with others a run is processed again.
    state, reason
        One of `DONE`, `PARTLY`, `FAILED`; why it is not done.
    summary, verdict
        The map in words, and which magnet it shows.
    files
        Name and content of each file beside this record.
    """

    name: str
    sources: tuple[Source, ...]
    settings: Mapping[str, Any]
    state: str
    created: str
    reason: str = ""
    summary: str = ""
    verdict: str = ""
    seconds: float = 0.0
    steps: tuple[StepRecord, ...] = ()
    files: tuple[Mapping[str, str], ...] = ()
    format: int = 1

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RunRecord:
        parts = {
            "sources": tuple(Source(**one) for one in content["sources"]),
            "steps": tuple(StepRecord(**one) for one in content["steps"]),
        }
        return cls(**{**content, **parts, "files": tuple(content["files"])})

    def write(self, folder: Path) -> None:
        (folder / RUN_FILE).write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")


def now() -> str:
    """When a record is made, as it says it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_record(folder: Path) -> RunRecord | None:
    """The record in a folder; None where there is none that can be read."""
    try:
        return RunRecord.from_dict(json.loads((folder / RUN_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def overall(steps: Sequence[StepRecord]) -> tuple[str, str]:
    """State and reason of a run whose map was read."""
    reasons = "; ".join(f"{one.name} {one.state}: {one.reason}" for one in steps if one.state != DONE)
    if any(one.state == FAILED for one in steps):
        return FAILED, reasons
    return (PARTLY if reasons else DONE), reasons
