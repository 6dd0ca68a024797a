"""The report of a fit: `fit.json`, its pictures and the calculated maps; ``docs/fit.md`` explains it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from mantid_insdl.report.parts import InputFile, MapSummary, Part, ResultFile, input_file, is_simulated, software, summary_of

if TYPE_CHECKING:
    from mantid_insdl.fitting.results import Fit
    from mantid_insdl.progress import Progress

FIT_FILE = "fit.json"
CONTENTS = {
    "fit.png": "the map, the fit, and their difference over the standard deviation of each pixel",
    "corner.png": "the fitted parameters in pairs, with ellipses of one and two standard deviations",
    "fit.nxs": "the calculated map, with a scale and a background for each Ei",
}
"""What is written for each material; with several materials their names are part of the files'."""


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
    effective_parameters: float = Field(description="what fitting alone added to the log-likelihood")
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
    warnings: tuple[str, ...]
    files: tuple[ResultFile, ...]


def summarise_fit(fit: Fit) -> FitSummary:
    """A fit as it stands in reports."""
    return FitSummary(**fit.to_dict())


def build_fit_report(
    fits: Sequence[Fit], *, inputs: Iterable[str | Path] = (), seconds: float = 0.0, files: Iterable[ResultFile] = ()
) -> FitReport:
    """The report of fits to one map.

    Parameters
    ----------
    fits
        At least one.
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
        warnings=tuple(dict.fromkeys(warning for fit in fits for warning in fit.warnings)),
        files=tuple(files),
    )


def result_files(materials: Sequence[str]) -> dict[str, ResultFile]:
    """The files that fits of these materials may leave, but for the report."""
    if len(materials) == 1:
        return {name: ResultFile(name=name, content=content) for name, content in CONTENTS.items()}
    named = {f"{Path(name).stem}-{one}{Path(name).suffix}": (one, content) for one in materials for name, content in CONTENTS.items()}
    return {name: ResultFile(name=name, content=f"{one}: {content}") for name, (one, content) in named.items()}


def write_fit(folder: Path, fits: Sequence[Fit], *, progress: Progress) -> list[ResultFile]:
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
