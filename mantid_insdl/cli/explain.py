"""What `insdl explain` does: views of a network on the user's map, with figures that say whether they can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mantid_insdl.cli.console import progress_reporter
from mantid_insdl.cli.measured import check_ei_of_files, check_material, read_measured
from mantid_insdl.cli.options import OptionError, refuse_overwriting
from mantid_insdl.errors import InsdlError
from mantid_insdl.explain.attribution import DEFAULT, TITLES
from mantid_insdl.explain.explanation import VIEWS, Explanation, check_views, explain_answer
from mantid_insdl.progress import Progress, share_of
from mantid_insdl.report.explain import ExplainReport, explanation_in, possible_files

if TYPE_CHECKING:
    from rich.console import Console

    from mantid_insdl.maps import Map


@dataclass(frozen=True)
class Request:
    """The options of the command, as they were given; None where one was not."""

    files: list[Path]
    material: str
    views: list[str] | None
    everything: bool
    model: str | None
    target: str | None
    layer: str | None
    output: Path
    ei: list[float] | None
    select: str | None
    mask: Path | None
    quiet: bool


def run(request: Request) -> ExplainReport:
    """Do it; return the report that was written."""
    from rich.console import Console

    check_material(request.material)
    check_ei_of_files(request.ei, request.files)
    if request.everything and request.views:
        raise OptionError("--all cannot go with --view", "all views are all of them", "leave one of them out")
    views = VIEWS if request.everything else tuple(request.views or (DEFAULT,))
    try:
        check_views(views)
    except InsdlError as error:
        raise OptionError(error.summary, error.reason, error.fix) from error
    inputs = [*request.files, *([request.mask] if request.mask else [])]
    refuse_overwriting(inputs, [request.output / name for name in possible_files()])
    with progress_reporter(request.quiet) as progress:
        progress(0.0, "reading the map")
        m: Map = read_measured(request.files, ei=request.ei, material=request.material, mask=request.mask, select=request.select)
        options: dict[str, Any] = {"views": views, "target": request.target, "layer": request.layer}

        def explain(told: Progress) -> Explanation:
            return explain_answer(m, request.model, **options, progress=told)

        found, report = explanation_in(request.output, explain, inputs=inputs, progress=share_of(progress, 0.02, 1.0))
    print_explanation(found, report, Console(highlight=False))
    return report


def print_explanation(found: Explanation, report: ExplainReport, console: Console) -> None:
    """What was found, on a screen."""
    from rich.markup import escape
    from rich.table import Table

    console.print(f"Explained is {escape(report.target)} of {escape(report.model)} {escape(report.version)}: score {report.score:.2f}")
    if report.attributions:
        shown = Table("method", "insertion", "random", "brightest", "where the models differ", "to be believed?")
        for one in report.attributions:
            physics = "" if one.slice_rank is None else f"slices {one.slice_rank:.2f}, pixels {one.rank:.2f}"
            believed = "no" if one.warnings else "yes"
            areas = (one.insertion, one.random[1], one.brightest[1])
            shown.add_row(TITLES[one.method], *(f"{area:.2f}" for area in areas), physics, believed)
        console.print(shown)
    if report.changes_at is not None and found.line is not None:
        console.print(f"It would change its mind {report.changes_at:.0%} of the way to {escape(found.line.second)}.")
    if report.neighbours is not None:
        console.print("Nearest training maps: " + ", ".join(f"{escape(name)} {share:.0%}" for name, share in report.neighbours.items()))
    for warning in report.warnings:
        console.print(f"Warning: {escape(warning)}")
