"""The report of a fit: `fit.json`, its pictures and the calculated maps; ``docs/fit.md`` explains it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from mantid_insdl.fitting.information import what_it_tells
from mantid_insdl.fitting.unexplained import LIMIT, evidence_of
from mantid_insdl.report.parts import (
    EvidenceReport,
    InputFile,
    MapSummary,
    Part,
    ResultFile,
    evidence_report,
    input_file,
    is_simulated,
    software,
    summary_of,
)

if TYPE_CHECKING:
    from mantid_insdl.fitting.results import Comparison, Fit
    from mantid_insdl.progress import Progress

FIT_FILE = "fit.json"
CONTENTS = {
    "fit.png": "the map, the fit, and their difference over the standard deviation of each pixel",
    "corner.png": "the fitted parameters in pairs, with ellipses of one and two standard deviations",
    "fit.nxs": "the calculated map, with a scale and a background for each Ei",
}
"""What is written for each material; with several materials their names are part of the files'."""
COMPARISON = ResultFile(name="comparison.png", content="which slices tell the best from the nearest other: differences of log-likelihood")


class FittedValue(Part):
    """A parameter, of the material or of the measurement."""

    name: str
    value: float
    error: float = Field(description="one standard deviation; 0 where it was fixed")
    unit: str
    low: float = Field(description="of the range in which it was looked for")
    high: float
    determined: bool = Field(description="false: the map tells no more about it than its range did")
    fixed: bool


class FitSummary(Part):
    """One material fitted to the map."""

    material: str
    parameters: tuple[FittedValue, ...]
    nuisances: tuple[FittedValue, ...] = Field(description="of the measurement: energy width, power of kf/ki, ...")
    free: tuple[str, ...] = Field(description="what was fitted, in the order of the covariance")
    covariance: tuple[tuple[float, ...], ...] = Field(description="robust against correlated residuals and an imperfect model")
    incident_energies: tuple[float | None, ...] = Field(description="meV; null where unknown")
    scale: tuple[float, ...] = Field(description="of each Ei, from 1/meV per magnetic ion to the unit of the map")
    background: tuple[float, ...] = Field(description="of each Ei, its mean")
    log_likelihood: float
    pixels: int = Field(description="number of pixels compared")
    chi_squared: float = Field(description="reduced, with the errors of the data alone")
    error_scale: float = Field(description="factor on the errors of the data that the residuals ask for")
    model_error: float = Field(description="relative error of the calculation that the residuals ask for")
    error_source: str
    others: tuple[dict[str, float], ...] = Field(description="other minima that the data do not rule out")
    finished: bool = Field(description="false: the time limit came first")
    seconds: float
    evaluations: int
    tells: tuple[str, ...] = Field(description="what the map tells of each parameter, in words")
    evidence: EvidenceReport = Field(description="how much of the map's structure the fit leaves unexplained")
    warnings: tuple[str, ...]


class ContestReport(Part):
    """The best material against another."""

    material: str = Field(description="the other")
    difference: float = Field(description="log-likelihood of the best less that of the other, less the correction")
    deviation: float = Field(description="its standard error, by the scatter from block to block")
    correction: float = Field(description="Schwarz's, for the parameters that the best has more")
    z: float = Field(description="Vuong's: difference over deviation")
    significance: float = Field(description="the difference as a standard normal deviate, by signs of blocks drawn at random")
    share: float = Field(description="of the other, in a mixture of both that fits the map best")
    share_error: float


class SliceReport(Part):
    """What one slice, or band of energy, says."""

    ei: float | None = Field(description="meV; null where unknown")
    energy_min: float
    energy_max: float
    pixels: int
    differences: tuple[float, ...] = Field(description="log-likelihood of the best less that of each other")


class ComparisonReport(Part):
    """Which of several materials the map shows."""

    verdict: str = Field(description="a material, 'undecided', or 'none of these'")
    best: str = Field(description="the material that explains the map best, decided or not")
    probabilities: dict[str, float] = Field(description="of each material rather than the others, calibrated on simulated maps")
    contests: tuple[ContestReport, ...]
    parts: tuple[SliceReport, ...] = Field(description="which slices decided")
    blocks: int = Field(description="number of blocks that the differences scatter over")
    warnings: tuple[str, ...] = Field(description="why there is no verdict")


class FitReport(Part):
    """The content of `fit.json`."""

    format: Literal[1] = 1
    created: str = Field(description="UTC, ISO 8601")
    seconds: float = Field(description="time that everything took")
    software: dict[str, str] = Field(description="package -> version")
    simulated: bool = Field(description="true: the map is a simulated measurement, not data")
    inputs: tuple[InputFile, ...]
    map: MapSummary
    fits: tuple[FitSummary, ...] = Field(description="in the order of the materials")
    comparison: ComparisonReport | None = Field(description="null for one material")
    files: tuple[ResultFile, ...]


def summarise_fit(fit: Fit) -> FitSummary:
    """A fit as it stands in reports."""
    return FitSummary(**fit.to_dict(), tells=tuple(what_it_tells(fit)), evidence=evidence_report(evidence_of(fit, LIMIT)))


def _comparison(comparison: Comparison) -> ComparisonReport:
    content = comparison.to_dict()
    of_fits = {warning for fit in comparison.fits for warning in fit.warnings}
    return ComparisonReport(
        **{name: content[name] for name in ("verdict", "best", "contests", "parts", "blocks")},
        probabilities=dict(zip(comparison.materials, comparison.probabilities, strict=True)),
        warnings=tuple(one for one in comparison.warnings if one not in of_fits or one == comparison.evidence.reason()),
    )


def build_fit_report(
    fits: Sequence[Fit],
    comparison: Comparison | None = None,
    *,
    inputs: Iterable[str | Path] = (),
    seconds: float = 0.0,
    files: Iterable[ResultFile] = (),
) -> FitReport:
    """The report of fits to one map.

    Parameters
    ----------
    fits
        At least one.
    comparison
        Of these fits, where there are several.
    inputs
        The files that were read; their hashes are recorded.
    files
        The results beside the report.
    """
    measured = fits[0].data
    return FitReport(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 1),
        software=software(),
        simulated=is_simulated(measured),
        inputs=tuple(input_file(Path(path)) for path in inputs),
        map=summary_of(measured),
        fits=tuple(summarise_fit(fit) for fit in fits),
        comparison=None if comparison is None else _comparison(comparison),
        files=tuple(files),
    )


def result_files(materials: Sequence[str]) -> dict[str, ResultFile]:
    """The files that fits of these materials may leave, but for the report."""
    if len(materials) == 1:
        return {name: ResultFile(name=name, content=content) for name, content in CONTENTS.items()}
    named = {f"{Path(name).stem}-{one}{Path(name).suffix}": (one, content) for one in materials for name, content in CONTENTS.items()}
    of_each = {name: ResultFile(name=name, content=f"{one}: {content}") for name, (one, content) in named.items()}
    return of_each | {COMPARISON.name: COMPARISON}


def write_fit(folder: Path, fits: Sequence[Fit], comparison: Comparison | None, *, progress: Progress) -> list[ResultFile]:
    """Write the pictures and calculated maps of fits into `folder`; return those that there are.

    Every picture of a simulated map says that it is one.
    """
    from mantid_insdl.files import save

    written = []
    possible = result_files([fit.material for fit in fits])
    for done, fit in enumerate(fits):
        drawings = draw_fit(fit)
        for number, name in enumerate(CONTENTS):
            target = name if len(fits) == 1 else f"{Path(name).stem}-{fit.material}{Path(name).suffix}"
            progress((done + number / len(CONTENTS)) / len(fits), f"writing {target}")
            if name in drawings:
                drawings[name]().savefig(folder / target)
            elif name.endswith(".nxs"):
                save(fit.model, folder / target, name=Path(target).stem)
            else:
                continue
            written.append(possible[target])
    if comparison is not None:
        from mantid_insdl.plotting import plot_decision

        plot_decision(comparison).savefig(folder / COMPARISON.name)
        written.append(COMPARISON)
    progress(1.0, "results are written")
    return written


def draw_fit(fit: Fit) -> dict[str, Any]:
    """Functions that draw the pictures of `CONTENTS` that there are for a fit, by name."""
    from mantid_insdl import plotting

    kind = "simulated" if is_simulated(fit.data) else "measured"
    about = fit.material + (", a simulated measurement" if kind == "simulated" else "")
    drawings: dict[str, Any] = {
        "fit.png": lambda: plotting.plot_fit(fit.data, fit.model, name=kind, title=f"{about}: {kind} map, fit, residual")
    }
    if fit.free:
        drawings["corner.png"] = lambda: plotting.plot_corner(fit, title=f"{about}: fitted parameters")
    return drawings
