"""The steps that a reduced run goes through, each by what `insdl analyse` and `insdl fit` do."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mantid_insdl import report
from mantid_insdl.errors import InsdlError, MaterialError, OutputError, WorkerError
from mantid_insdl.files import load, save
from mantid_insdl.maps import Map
from mantid_insdl.materials import load_material, models_of, name_for_reading
from mantid_insdl.output import made_earlier, staged_folder
from mantid_insdl.progress import Progress, ignore_progress, share_of
from mantid_insdl.runs.page import write_run
from mantid_insdl.runs.record import (
    ANALYSE,
    DONE,
    FAILED,
    FIT,
    MAP,
    NOT_POSSIBLE,
    PAGE,
    PAGE_FILE,
    RUN_FILE,
    STEPS,
    RunRecord,
    Source,
    StepRecord,
    now,
    overall,
)

_MAP_FILES = {"measured.png": "the map as it was read", "measured.nxs": "the map as it was read"}


def process(
    inputs: Sequence[str],
    folder: str,
    *,
    steps: Sequence[str] = (MAP, ANALYSE),
    material: str | None = None,
    ei: float | None = None,
    mask: str | None = None,
    refine: str = "fast",
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> RunRecord:
    """Process one run, and write its results, its page and its record into a folder.

    What can be done is done: a step that is refused or breaks down is recorded with the reason, and so is a file that cannot be read.

    Parameters
    ----------
    inputs
        The file of the run, or several whose slices make one stack.
    folder
        Where the results go; those of an earlier processing are replaced.
    steps
        Of `STEPS`; the map is always read.
    material
        What was measured: a name, a family or a file, or several, separated by commas, that the step fit compares.
    ei, mask
        As in `mantid_insdl.files.load`.
    refine, time_limit
        Of the fits; see `mantid_insdl.analysis.analyse` and `mantid_insdl.fit`.

    Raises
    ------
    OutputError
        The results cannot be written: that is not the fault of the run.
    """
    started, report_progress = time.monotonic(), progress or ignore_progress
    named = [one.strip() for one in (material or "").split(",") if one.strip()]
    settings = {"steps": list(steps), "material": material, "ei": ei, "mask": mask, "refine": refine, "time_limit": time_limit}
    target = Path(folder)
    possible = {*report.RESULT_FILES, *_MAP_FILES, report.FIT_FILE, PAGE_FILE, RUN_FILE, *made_earlier(target / RUN_FILE)}
    with staged_folder(target, possible | _fit_files(named), last=RUN_FILE) as stage:
        found: dict[str, Any] = {"summary": "", "verdict": "", "state": FAILED, "reason": "", "steps": (), "files": (PAGE,)}
        sources: tuple[Source, ...] = ()
        try:
            sources = tuple(Source.of(path) for path in inputs)
            report_progress(0.0, "reading the map")
            m = load(list(inputs), ei=ei, material=name_for_reading(named[0]) if named else None, mask=mask)
        except Exception as error:
            found["reason"] = _reason(error)
        else:
            work = _Work(stage, m, inputs, named, refine, time_limit)
            done = work.run(steps, report_progress)
            state, reason = overall(done)
            found |= {"summary": work.summary(), "verdict": work.verdict, "state": state, "reason": reason, "steps": done}
            found["files"] = tuple(work.files())
        record = RunRecord(
            name=target.name,
            sources=sources,
            settings=settings,
            created=now(),
            seconds=round(time.monotonic() - started, 1),
            **found,
        )
        write_run(record, stage, _json(stage / report.REPORT_FILE), _json(stage / report.FIT_FILE))
    return record


class _Work:
    """The steps of one run, whose results go into a folder."""

    def __init__(self, folder: Path, m: Map, inputs: Sequence[str], materials: list[str], refine: str, time_limit: float | None):
        self.folder, self.map, self.inputs, self.materials = folder, m, inputs, materials
        self.refine, self.time_limit, self.verdict = refine, time_limit, ""

    def run(self, steps: Sequence[str], progress: Progress) -> tuple[StepRecord, ...]:
        """Do the steps in their order, and the map last: an analysis has drawn it already."""
        wanted: list[tuple[str, Callable[[Progress], None]]] = [
            (name, step) for name, step in ((ANALYSE, self._analyse), (FIT, self._fit)) if name in steps
        ]
        wanted.append((MAP, self._map))
        done = []
        for number, (name, step) in enumerate(wanted):
            start, share = 0.02 + 0.98 * number / len(wanted), 0.98 / len(wanted)
            began, state, reason = time.monotonic(), DONE, ""
            try:
                step(share_of(progress, start, start + share))
            except OutputError:
                raise
            except InsdlError as error:
                state, reason = NOT_POSSIBLE, _reason(error)
            except OSError:  # the folder of results: `staged_folder` says what is wrong with it
                raise
            except Exception as error:
                traceback.print_exc()  # to the log of the worker
                state, reason = FAILED, _reason(error)
            done.append(StepRecord(name, state, reason, round(time.monotonic() - began, 1)))
        return tuple(sorted(done, key=lambda one: STEPS.index(one.name)))

    def _map(self, progress: Progress) -> None:
        from mantid_insdl.plotting import plot_map

        if not (self.folder / "measured.png").exists():
            progress(0.1, "drawing measured.png")
            plot_map(self.map, title=self.map.title or self.folder.name).savefig(self.folder / "measured.png")
        if not (self.folder / "measured.nxs").exists():
            progress(0.6, "writing measured.nxs")
            save(self.map, self.folder / "measured.nxs", name="measured")

    def _analyse(self, progress: Progress) -> None:
        from mantid_insdl.analysis import analyse

        began = time.monotonic()
        result = analyse(self.map, refine=self.refine, time_limit=self.time_limit, progress=share_of(progress, 0.0, 0.8))
        names = report.write_maps_and_pictures(self.folder, result, progress=share_of(progress, 0.8, 1.0))
        content = report.build_report(result, inputs=self.inputs, seconds=time.monotonic() - began, files=names)
        (self.folder / report.REPORT_FILE).write_text(content.model_dump_json(indent=2) + "\n", encoding="utf-8")
        if content.classification is not None:
            self.verdict = content.classification.verdict

    def _fit(self, progress: Progress) -> None:
        from mantid_insdl.fitting.compare import compare
        from mantid_insdl.fitting.refine import fit

        if not (self.materials or self.map.material):
            raise MaterialError("a fit needs a material", "none is given and the file names none", "name it (material)")
        names = [one for given in self.materials or [self.map.material or ""] for one in models_of(given)]
        materials, began = [load_material(name) for name in names], time.monotonic()
        options: dict[str, Any] = {"time_limit": self.time_limit, "progress": share_of(progress, 0.0, 0.9)}
        if len(materials) == 1:
            fits, comparison = [fit(self.map.replace(material=materials[0].name), materials[0], **options)], None
        else:
            comparison = compare(self.map.replace(material=materials[0].family), materials, **options)
            fits = list(comparison.fits)
        written = report.write_fit(self.folder, fits, comparison, progress=share_of(progress, 0.9, 1.0))
        content = report.build_fit_report(fits, comparison, inputs=self.inputs, seconds=time.monotonic() - began, files=written)
        (self.folder / report.FIT_FILE).write_text(content.model_dump_json(indent=2) + "\n", encoding="utf-8")
        if comparison is not None:
            self.verdict = comparison.verdict

    def summary(self) -> str:
        """The map in words."""
        m = self.map
        shape = " x ".join(str(n) for n in m.shape)
        energies = m.slices.unique_ei.tolist() if m.slices is not None else [m.ei] if m.ei else []
        ei = f", Ei {', '.join(f'{one:g}' for one in energies)} meV" if energies else ""
        return f"{m.kind}, {shape} pixels, {m.masked_fraction:.0%} masked{ei}"

    def files(self) -> list[dict[str, str]]:
        """Name and content of what was written."""
        known = dict(_MAP_FILES) | {report.REPORT_FILE: "all numbers of the analysis", report.FIT_FILE: "all numbers of the fit"}
        for listed in (_json(self.folder / name) for name in (report.REPORT_FILE, report.FIT_FILE)):
            known |= {one["name"]: one["content"] for one in (listed or {}).get("files", ())}
        found = {path.name for path in self.folder.iterdir()}
        return [PAGE] + [{"name": n, "content": c} for n, c in known.items() if n in found]


def _fit_files(materials: Sequence[str]) -> set[str]:
    """The files that the step fit may leave."""
    return set(report.result_files([Path(one).stem for given in materials for one in _models(given)] or ["any"]))


def _models(given: str) -> list[str]:
    try:
        return [load_material(one).name for one in models_of(given)]
    except InsdlError:  # said where the map is read
        return [given]


def _reason(error: Exception) -> str:
    """An error in one sentence."""
    if isinstance(error, ImportError):
        raise WorkerError("the Python of the worker cannot process runs", str(error), "run `insdl status`") from error
    text = " ".join(str(error).split())
    if isinstance(error, InsdlError):
        return text
    if isinstance(error, OSError):
        return f"Cannot read the file: {(error.strerror or text).lower()}."
    if isinstance(error, MemoryError):
        return "The memory is used up; give a smaller map."
    return f"Unexpected {type(error).__name__}: {text}"


def _json(path: Path) -> Mapping[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
