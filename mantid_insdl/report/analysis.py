"""The report of an analysis: `report.json`, the pictures and the result maps.

`Report` is the schema of `report.json`; ``docs/report.md`` explains it and ``Report.model_json_schema()`` gives it as JSON schema.
`report_text` shows it on a screen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from mantid_insdl.fitting.results import NONE_OF_THESE, UNDECIDED
from mantid_insdl.report.fit import FitSummary, draw_fit, summarise_fit
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
    from mantid_insdl.analysis import Analysis, ExchangeFit
    from mantid_insdl.maps import Map
    from mantid_insdl.networks.cards import Card, CardTest
    from mantid_insdl.progress import Progress

REPORT_FILE = "report.json"

# name -> what it shows; the order in which they are made and listed.
PICTURES = {
    "measured.png": "the map as it was read",
    "denoised.png": "the map without its noise, as the denoiser estimates it",
    "gradcam.png": "the map, tinted where pixels speak for the most probable model",
    "importance.png": "importance of every pixel for that model, 0 to 1 (Grad-CAM)",
    "fit.png": "the map and, below it, the simulation at the fitted values, scaled to it",
    "residual.png": "the map, the simulation scaled to it, and their difference; after a fit over the standard deviation of each pixel",
    "corner.png": "the fitted parameters in pairs, with ellipses of one and two standard deviations",
}
MAPS = {
    "measured.nxs": "the map as it was read",
    "denoised.nxs": "the denoised map",
    "importance.nxs": "importance of every pixel for the most probable model",
    "fit.nxs": "the simulation at the fitted values, with a scale and a flat background for each Ei",
}
PAGE_FILE = "report.html"
RESULT_FILES = (*PICTURES, *MAPS, PAGE_FILE, REPORT_FILE)


class BundleReference(Part):
    """Which trained model gave an answer."""

    name: str
    version: str
    sha256: str


class ModelProbability(Part):
    """How probable one magnetic model is."""

    model: str
    probability: float
    uncertainty: float | None = Field(description="spread between the members of the ensemble")


class ClassificationReport(Part):
    """Which magnetic model the map shows."""

    verdict: str = Field(description="a model's name, 'undecided' or 'none of these'")
    in_range: bool = Field(description="false: the map is too strange, shows no more than noise, or no simulation of the model explains it")
    strangeness: float = Field(description="share of the classifier's own test maps that are less strange, 0 to 1")
    models: tuple[ModelProbability, ...]
    evidence: EvidenceReport | None = Field(description="of the most probable model; null where no exchange model knows it")
    warnings: tuple[str, ...]
    bundle: BundleReference


class ParameterValue(Part):
    """A fitted parameter."""

    name: str
    value: float | None
    error: float | None = Field(description="one standard deviation")
    unit: str


class ExchangeReport(Part):
    """The exchange constants."""

    material: str = Field(description="the magnetic model whose parameters these are")
    in_range: bool = Field(description="false: the parameters are no answer; the warnings say why")
    parameters: tuple[ParameterValue, ...] = Field(description="the answer: of the fit where there is one, of the network otherwise")
    network: tuple[ParameterValue, ...] | None = Field(description="what the network proposed, where a fit started from it")
    fit: FitSummary | None = Field(description="the fit; null where nothing was refined")
    evidence: EvidenceReport
    warnings: tuple[str, ...]
    bundle: BundleReference


class CardFigure(Part):
    """A figure that says how well a bundle does on test maps, from its card."""

    metric: str
    value: float
    interval: tuple[float, float] | None
    n: int = Field(description="number of test maps")
    baseline: float | None = Field(description="the same figure of a simple method on the same maps")
    conditions: str


class Trust(Part):
    """How far the answers of one bundle can be trusted: from its card."""

    bundle: BundleReference
    task: str
    test: tuple[CardFigure, ...]
    limitations: tuple[str, ...]


class Truth(Part):
    """What a simulated measurement was made with (only of the demo)."""

    material: str
    parameters: dict[str, float]
    verdict_is_right: bool | None = Field(description="null where no model is named")


class Report(Part):
    """The content of `report.json`."""

    format: Literal[1] = 1
    created: str = Field(description="UTC, ISO 8601")
    seconds: float = Field(description="time that the analysis took")
    software: dict[str, str] = Field(description="package -> version")
    simulated: bool = Field(description="true: the map is a simulated measurement, not data")
    inputs: tuple[InputFile, ...]
    map: MapSummary
    classification: ClassificationReport | None
    exchange: ExchangeReport | None
    denoiser: BundleReference | None
    trust: tuple[Trust, ...]
    truth: Truth | None
    warnings: tuple[str, ...]
    files: tuple[ResultFile, ...]


def build_report(
    analysis: Analysis,
    *,
    inputs: Iterable[str | Path] = (),
    seconds: float = 0.0,
    truth: tuple[str, Mapping[str, float]] | None = None,
    files: Iterable[str] = (),
) -> Report:
    """The report of an analysis.

    Parameters
    ----------
    analysis
        What `mantid_insdl.analysis.analyse` returned.
    inputs
        The files that were read; their hashes are recorded.
    truth
        For a simulated measurement: material and parameters it was made with.
    files
        Names of the results beside the report, of `RESULT_FILES`.
    """
    classification = exchange = None
    if (c := analysis.classification) is not None:
        rows = zip(c.models, c.probabilities, c.uncertainties, strict=True)
        classification = ClassificationReport(
            verdict=c.verdict,
            in_range=c.in_range,
            strangeness=c.strangeness,
            models=tuple(ModelProbability(model=m, probability=p, uncertainty=u) for m, p, u in rows),
            evidence=evidence_report(c.evidence) if c.evidence is not None else None,
            warnings=tuple(c.warnings),
            bundle=_reference(c.bundle),
        )
    if (e := analysis.exchange) is not None:
        exchange = ExchangeReport(
            material=e.material,
            in_range=e.in_range,
            parameters=_values(e, e.values, e.errors),
            network=_values(e, e.network_values, e.network_errors) if e.fit else None,
            fit=summarise_fit(e.fit) if e.fit else None,
            evidence=evidence_report(e.evidence),
            warnings=tuple(e.warnings),
            bundle=_reference(e.bundle),
        )
    denoiser = recorded_bundle(analysis.denoised)
    used = [part.bundle for part in (classification, exchange) if part is not None] + ([denoiser] if denoiser else [])
    contents = PICTURES | MAPS | {PAGE_FILE: "the answers and the pictures on one page, which any browser opens"}
    return Report(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 1),
        software=software(),
        simulated=is_simulated(analysis.measured),
        inputs=tuple(input_file(Path(path)) for path in inputs),
        map=summary_of(analysis.measured),
        classification=classification,
        exchange=exchange,
        denoiser=denoiser,
        trust=tuple(_trust(reference) for reference in dict.fromkeys(used)),
        truth=None if truth is None else _truth(truth, classification),
        warnings=tuple(dict.fromkeys(analysis.warnings)),
        files=tuple(ResultFile(name=name, content=contents[name]) for name in files),
    )


def write_maps_and_pictures(folder: Path, analysis: Analysis, *, progress: Progress) -> list[str]:
    """Write `PICTURES` and `MAPS` of an analysis into `folder`, and return the names of those that there are.

    Every picture of a simulated map says that it is one.
    """
    from mantid_insdl import plotting
    from mantid_insdl.files import save

    kind = "simulated" if is_simulated(analysis.measured) else "measured"
    name = (analysis.measured.material or "map") + (", a simulated measurement" if kind == "simulated" else "")
    measured, denoised, importance, fit = analysis.measured, analysis.denoised, analysis.importance, analysis.fit
    drawings: dict[str, Any] = {"measured.png": lambda: plotting.plot_map(measured, title=f"{name}: the map as it was read")}
    maps: dict[str, Map] = {"measured.nxs": measured}
    if denoised is not None:
        drawings["denoised.png"] = lambda: plotting.plot_map(denoised, title=f"{name}: denoised map")
        maps["denoised.nxs"] = denoised
    if importance is not None:
        c = analysis.classification
        about = "importance" if c is None else f"the pixels that speak for {c.most_probable}"
        drawings["gradcam.png"] = lambda: plotting.plot_slices(measured, importance=importance, title=f"{name}: {about}")
        drawings["importance.png"] = lambda: plotting.plot_importance(importance, title=f"{name}: {about} (Grad-CAM)")
        maps["importance.nxs"] = importance
    if fit is not None:
        drawings["fit.png"] = lambda: plotting.plot_comparison(
            {kind: measured, "fit": fit}, title=f"{name}: {kind} map and simulation at the fitted values"
        )
        drawings["residual.png"] = lambda: plotting.plot_residual(
            measured, fit, name=kind, title=f"{name}: {kind} map, simulation at the fitted values, difference"
        )
        found = analysis.exchange.fit
        if found is not None:
            drawn = draw_fit(found)
            drawings |= {"residual.png": drawn["fit.png"], "corner.png": drawn["corner.png"]}
        maps["fit.nxs"] = fit

    total = len(drawings) + len(maps)
    for done, (file, draw) in enumerate(drawings.items()):
        progress(done / total, f"drawing {file}")
        draw().savefig(folder / file)
    for done, (file, m) in enumerate(maps.items(), start=len(drawings)):
        progress(done / total, f"writing {file}")
        save(m, folder / file, name=Path(file).stem)
    progress(1.0, "results are written")
    return [file for file in (*PICTURES, *MAPS) if file in drawings or file in maps]


def write_page(folder: Path, report: Report) -> None:
    """Write `report.html`: the answers and the pictures that are in `folder`, on one page."""
    from mantid_insdl.pages.answers import analysis_page

    pngs = {name: (folder / name).read_bytes() for name in PICTURES if (folder / name).exists()}
    (folder / PAGE_FILE).write_text(analysis_page(report.model_dump(mode="json"), pngs), encoding="utf-8")


def _values(e: ExchangeFit, values: Iterable[float], errors: Iterable[float]) -> tuple[ParameterValue, ...]:
    rows = zip(e.names, values, errors, e.units, strict=True)
    return tuple(ParameterValue(name=n, value=v, error=s, unit=u) for n, v, s, u in rows)


def _reference(identity: Any) -> BundleReference:
    return BundleReference(name=identity.name, version=identity.version, sha256=identity.sha256)


def recorded_bundle(m: Map | None) -> BundleReference | None:
    """The bundle that a map's sample logs name."""
    if m is None or "insdl_model" not in m.logs:
        return None
    name, version, sha256 = (str(m.logs[log][0]) for log in ("insdl_model", "insdl_model_version", "insdl_model_sha256"))
    return BundleReference(name=name, version=version, sha256=sha256)


def _trust(reference: BundleReference) -> Trust:
    from mantid_insdl.networks.bundles import load_bundle

    card: Card = load_bundle(reference.name).card
    return Trust(bundle=reference, task=card.task, test=tuple(card_figure(t) for t in card.test), limitations=card.limitations)


def card_figure(t: CardTest) -> CardFigure:
    """A test figure of a card, as reports show it."""
    return CardFigure(metric=t.metric, value=t.value, interval=t.interval, n=t.n, baseline=t.baseline, conditions=t.conditions)


def _truth(truth: tuple[str, Mapping[str, float]], classification: ClassificationReport | None) -> Truth:
    material, parameters = truth
    verdict = classification.verdict if classification is not None else UNDECIDED
    right = verdict == material if verdict not in (UNDECIDED, NONE_OF_THESE) else None
    return Truth(material=material, parameters=dict(parameters), verdict_is_right=right)
