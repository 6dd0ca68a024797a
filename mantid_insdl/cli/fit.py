"""What `insdl fit` does: one or more materials fitted to a map, their numbers, pictures and calculated maps."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mantid_insdl.cli.console import progress_reporter
from mantid_insdl.cli.measured import check_ei_of_files, read_measured
from mantid_insdl.cli.options import OptionError, intrinsic_width, momentum, refuse_overwriting, require_positive
from mantid_insdl.fitting.calculation import NUISANCES, Measurement
from mantid_insdl.fitting.compare import compare
from mantid_insdl.fitting.refine import fit
from mantid_insdl.instrument.resolution import load_instrument
from mantid_insdl.materials import Material, load_material, name_for_reading, parse_parameters
from mantid_insdl.output import made_earlier, staged_folder
from mantid_insdl.progress import share_of
from mantid_insdl.report import FIT_FILE, FitReport, build_fit_report, result_files, write_fit

if TYPE_CHECKING:
    from mantid_insdl.cli.requests import FitRequest
    from mantid_insdl.fitting.results import Comparison, Fit
    from mantid_insdl.maps import Map
    from mantid_insdl.progress import Progress


def run(request: FitRequest) -> FitReport:
    """Do it; return the report that was written."""
    started = time.monotonic()
    measurement = _check(request)
    materials = [load_material(one) for one in request.materials]
    for remark in dict.fromkeys(remark for one in materials for remark in one.remarks):
        print(f"insdl: note: {remark}", file=sys.stderr)
    start = _start(request.start, materials)
    fixed = parse_parameters(", ".join(request.fix or []))
    inputs = [*request.files, *([request.mask] if request.mask else [])]
    report_file = request.output / FIT_FILE
    names = [*result_files([one.name for one in materials]), FIT_FILE]
    refuse_overwriting(inputs, [request.output / name for name in names])
    with staged_folder(request.output, {*names, *made_earlier(report_file)}, last=FIT_FILE) as folder:
        with progress_reporter(request.quiet) as progress:
            progress(0.0, "reading the map")
            m = _read(request, materials)
            fits, comparison = _fit(m, materials, request, start, fixed, measurement, share_of(progress, 0.02, 0.9))
            written = write_fit(folder, fits, comparison, progress=share_of(progress, 0.9, 1.0))
        report = build_fit_report(fits, comparison, inputs=inputs, seconds=time.monotonic() - started, files=written)
        (folder / FIT_FILE).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return report


def _read(request: FitRequest, materials: Sequence[Material]) -> Map:
    named = name_for_reading(request.materials[0])
    m = read_measured(request.files, ei=request.ei, material=named, mask=request.mask, select=request.select)
    return m.replace(material=materials[0].name if len(materials) == 1 else materials[0].family)


def _check(request: FitRequest) -> Measurement:
    """Refuse options that make no sense, before any work."""
    check_ei_of_files(request.ei, request.files)
    require_positive("--time-limit", request.time_limit)
    require_positive("--fwhm", request.fwhm)
    require_positive("--temperature", request.temperature, or_zero=True)
    if request.effort not in ("fast", "full"):
        raise OptionError(f"--effort '{request.effort}' is not known", "it is fast or full", "give one of these")
    if request.fwhm is not None and request.instrument is not None:
        raise OptionError("--fwhm cannot go with --instrument", "both give the energy width", "leave one of them out")
    if request.fix and len(request.materials) > 1:
        raise OptionError("--fix goes with one material", f"{len(request.materials)} are given to be compared", "leave it out")
    if request.instrument is not None:
        load_instrument(request.instrument)
    beam = None if request.beam is None else momentum("--beam", request.beam)
    return Measurement(request.instrument, request.fwhm, request.temperature, beam, intrinsic_width(request.intrinsic_fwhm))


def _start(texts: Sequence[str] | None, materials: Sequence[Material]) -> dict[str, dict[str, float]] | None:
    """Of each material's name, the values to start from: those of its own names."""
    if not texts:
        return None
    given = parse_parameters(", ".join(texts))
    known = {one.name: {*one.defaults, *NUISANCES} for one in materials}
    for name in given:
        if not any(name in names for names in known.values()):
            materials[0].resolve({name: given[name]})  # raises, with the names that there are
    return {one: {name: value for name, value in given.items() if name in names} for one, names in known.items()}


def _fit(
    m: Map,
    materials: Sequence[Material],
    request: FitRequest,
    start: dict[str, dict[str, float]] | None,
    fixed: dict[str, float],
    measurement: Measurement,
    progress: Progress,
) -> tuple[list[Fit], Comparison | None]:
    options: dict[str, Any] = {
        "effort": request.effort,
        "background": not request.constant_background,
        "measurement": measurement,
        "time_limit": request.time_limit,
        "progress": progress,
    }
    if len(materials) == 1:
        (material,) = materials
        return [fit(m, material, start=None if start is None else start[material.name], fixed=fixed, **options)], None
    comparison = compare(m, materials, start=start, **options)
    return list(comparison.fits), comparison
