"""`mantid_insdl.postprocess`: reduced files in, a folder with a page for each and an index of all out."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mantid_insdl.errors import PostprocessError, WorkerError
from mantid_insdl.output import staged_folder
from mantid_insdl.postprocessing.index import INDEX_FILE, records_in, write_index
from mantid_insdl.runs.page import write_run
from mantid_insdl.runs.record import ANALYSE, FAILED, MAP, PAGE, PAGE_FILE, RUN_FILE, STEPS, RunRecord, Source, now

HEARTBEAT = 300.0
"""Seconds without a line in the log after which one says that work goes on; runners take half an hour of silence for a stop."""


@dataclass(frozen=True)
class Options:
    """How runs are processed; see `postprocess`."""

    steps: tuple[str, ...] = (MAP, ANALYSE)
    material: str | None = None
    ei: float | None = None
    mask: str | None = None
    refine: str = "fast"
    time_limit: float | None = None
    title: str = ""

    @classmethod
    def checked(cls, *, steps: str | Sequence[str], **others: Any) -> Options:
        """Options as users give them: steps also as text with commas, empty texts for what is not given.

        Raises
        ------
        PostprocessError
            For a step that there is not.
        """
        names = [one.strip() for one in (steps.split(",") if isinstance(steps, str) else steps)]
        wrong = [one for one in names if one not in STEPS]
        if wrong or not names:
            stated = f"there is no step '{wrong[0]}'" if wrong else "no step is given"
            raise PostprocessError(stated, f"the steps are {', '.join(STEPS)}", "name some of these")
        if others.get("refine") not in ("off", "fast", "full"):
            raise PostprocessError(f"there is no refinement '{others.get('refine')}'", fix="use off, fast or full")
        given: dict[str, Any] = {name: None if value == "" and name != "title" else value for name, value in others.items()}
        if given.get("mask") is not None:
            given["mask"] = os.path.abspath(given["mask"])
        if given.get("material") is not None:
            named = [one.strip() for one in given["material"].split(",")]
            given["material"] = ",".join(os.path.abspath(one) if one.endswith((".yaml", ".yml")) else one for one in named)
        return cls(steps=tuple(name for name in STEPS if name in names), **given)

    def of_process(self) -> dict[str, Any]:
        """As `mantid_insdl.runs.process.process` takes them, and as records keep them."""
        names = ("material", "ei", "mask", "refine", "time_limit")
        return {"steps": list(self.steps)} | {name: getattr(self, name) for name in names}


def postprocess(
    inputs: str | os.PathLike | Sequence[str | os.PathLike],
    output_dir: str | os.PathLike,
    *,
    steps: str | Sequence[str] = (MAP, ANALYSE),
    material: str | None = None,
    ei: float | None = None,
    mask: str | None = None,
    refine: str = "fast",
    time_limit: float | None = None,
    title: str = "",
    together: bool = False,
    say: Callable[[str], None] | None = None,
) -> list[str]:
    """Process reduced files: what can be done with each is done, and the rest is said on its page.

    Parameters
    ----------
    inputs
        One file or several. Each is a run of its own, with a folder of its own in `output_dir`.
    output_dir
        Where the folders go, with an index of all runs that it has, earlier ones included.
    steps
        Of ``map`` (read, checked and drawn), ``analyse`` (by the networks, as `insdl analyse`) and ``fit`` (spin waves without a network,
        as `insdl fit`), as a list or separated by commas. A step that is not possible, for instance without TensorFlow, is no failure.
    material
        What was measured: a name, a family or a material file; several, separated by commas, are compared by the step fit.
    ei, mask
        Incident energy in meV of files that do not tell it, and a file of detector gaps.
    refine, time_limit
        Of the fits: off, fast or full, and the seconds after which the best so far is the answer.
    title
        Of the index.
    together
        All files are one run: their slices make one stack.
    say
        Told in a line what happens, at least every five minutes; by default the standard error.

    Returns
    -------
    list of str
        The files that were written, relative to `output_dir`, the index first.

    Raises
    ------
    PostprocessError
        At the end, where a run could not be processed. Its `files` are those that were written.
    OutputError
        The results cannot be written.
    WorkerError
        The process that does the work cannot be started.
    """
    options = Options.checked(
        steps=steps, material=material, ei=ei, mask=mask and os.fspath(mask), refine=refine, time_limit=time_limit, title=title
    )
    paths = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    absolute = list(dict.fromkeys(os.path.abspath(path) for path in paths if os.fspath(path)))
    if not absolute:
        raise PostprocessError("no file is given to be processed", fix="give the names of reduced files")
    output = Path(output_dir)
    records = [process_one(group, output, options, say or to_log) for group in ([absolute] if together else [[one] for one in absolute])]
    files = [INDEX_FILE, *(f"{record.name}/{name}" for record in records for name in [one["name"] for one in record.files] + [RUN_FILE])]
    bad = [record for record in records if record.state == FAILED]
    if bad:
        told = "; ".join(f"{record.name}: {record.reason.rstrip('.')}" for record in bad[:3]) + ("; ..." if len(bad) > 3 else "")
        error = PostprocessError(f"{len(bad)} of {len(records)} runs could not be processed", told, f"see {output / INDEX_FILE}")
        error.files = files
        raise error
    return files


def process_one(inputs: Sequence[str], output: Path, options: Options, say: Callable[[str], None]) -> RunRecord:
    """Process one run into its folder, and renew the index.

    Raises
    ------
    OutputError, WorkerError
        What is not the fault of the run.
    """
    from mantid_insdl.worker import run_task

    name = folder_of(inputs, output)
    beat = _Heartbeat(name, say)
    given = {"inputs": list(inputs), "folder": str((output / name).absolute())} | options.of_process()
    try:
        _, content = run_task("process_run", {}, given, progress=beat.progress, poll=beat.poll)
        record = RunRecord.from_dict(content)
    except WorkerError as error:
        if not beat.began:  # no run is to blame where none was begun
            raise
        record = _broken_off(name, inputs, output, options, str(error))
    say(f"{name}: {record.state}" + (f": {record.reason}" if record.reason else ""))
    write_index(output, options.title)
    return record


class _Heartbeat:
    """Says that a run is being processed when it begins, and from time to time while nothing else is said."""

    def __init__(self, name: str, say: Callable[[str], None]):
        self._name, self._say, self._text = name, say, "starting"
        self._last = self._start = time.monotonic()
        self.began = False

    def progress(self, fraction: float, text: str) -> None:
        self.began |= text != "Starting the worker process"
        self._text = f"{fraction:.0%} {text}"

    def poll(self) -> None:
        now = time.monotonic()
        if now - self._last >= HEARTBEAT:
            self._last = now
            self._say(f"{self._name}: {(now - self._start) / 60:.0f} min, {self._text}")


def _broken_off(name: str, inputs: Sequence[str], output: Path, options: Options, reason: str) -> RunRecord:
    """The record of a run at which the worker process has died, written here."""
    sources = tuple(Source.of(path) for path in inputs if os.path.exists(path))
    record = RunRecord(name, sources, options.of_process(), FAILED, now(), reason=reason, files=(PAGE,))
    with staged_folder(output / name, (PAGE_FILE, RUN_FILE), last=RUN_FILE) as stage:
        write_run(record, stage)
    return record


def folder_of(inputs: Sequence[str], output: Path) -> str:
    """The folder of a run: that of its earlier processing, else a free one with the name of its first file."""
    for record in records_in(output):
        if [one.path for one in record.sources] == list(inputs):
            return record.name
    stem = re.sub(r"[^\w.+-]+", "_", Path(inputs[0]).stem) or "run"
    return next(name for name in _numbered(stem) if not (output / name).exists())


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}_{number}"
        number += 1


def to_log(text: str) -> None:
    """A line for a log, at once."""
    print(f"insdl: {text}", file=sys.stderr, flush=True)
