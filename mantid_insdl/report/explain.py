"""What `insdl explain` leaves: `explain.json`, pictures, importance maps, and one page that walks from the map to the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from mantid_insdl.explain.attribution import DEFAULT, METHODS, TITLES, slice_shares
from mantid_insdl.output import made_earlier, staged_folder
from mantid_insdl.pages.html import bullets, document, paragraph, picture, table
from mantid_insdl.progress import Progress, share_of
from mantid_insdl.report.captions import CAPTIONS, caption, stem
from mantid_insdl.report.parts import InputFile, MapSummary, Part, ResultFile, input_file, is_simulated, software, summary_of

if TYPE_CHECKING:
    from mantid_insdl.analysis.results import Classification
    from mantid_insdl.explain.between import Line
    from mantid_insdl.explain.explanation import Explanation
    from mantid_insdl.explain.maximisation import Maximised
    from mantid_insdl.explain.physicist import Difference
    from mantid_insdl.fitting.results import Comparison

EXPLAIN_FILE = "explain.json"
PAGE_FILE = "report.html"


class Figures(Part):
    """Of one attribution: can it be believed, and does it point where the physics is?"""

    method: str
    deletion: float = Field(description="area under the deletion curve, in the unit of the score; small is good")
    insertion: float = Field(description="area under the insertion curve; large is good")
    random: tuple[float, float] = Field(description="both areas by random pixels")
    brightest: tuple[float, float] = Field(description="both areas by the brightest pixels")
    randomised: float = Field(description="rank correlation with the explanation of the network with shuffled weights")
    stability: float = Field(description="rank correlation with the explanation of the map with more noise")
    rank: float | None = Field(description="rank correlation with the information on the models' difference, pixel by pixel")
    overlap: float | None = Field(description="share of the most important tenth of the pixels that are the most informative")
    slice_rank: float | None = Field(description="rank correlation of the slices' shares")
    warnings: tuple[str, ...]


class FilterFigures(Part):
    """Of the weights of one convolution."""

    layer: str
    smoothness: float
    untrained: float
    significance: float = Field(description="standard deviations of untrained filters by which these are smoother")
    dead: tuple[int, ...] = Field(description="filters of the activations behind it that no training map activates")


class ExplainReport(Part):
    """The content of `explain.json`."""

    format: Literal[1] = 1
    created: str
    seconds: dict[str, float] = Field(description="that each view took")
    software: dict[str, str]
    simulated: bool
    inputs: tuple[InputFile, ...]
    map: MapSummary
    model: str
    version: str
    target: str = Field(description="class or parameter that is explained")
    score: float = Field(description="logit of a class less the mean of the others'; of a parameter the mean of its posterior in z")
    attributions: tuple[Figures, ...]
    filters: tuple[FilterFigures, ...]
    dead: dict[str, tuple[int, ...]]
    neighbours: dict[str, float] | None = Field(description="materials of the nearest training maps")
    distance: float | None = Field(description="from the nearest class")
    distance_limit: float | None
    likeness: dict[str, float] = Field(description="correlation of the map that maximises it with the simulated map most like it")
    changes_at: float | None = Field(description="share of the way to the other model at which the network changes its mind")
    warnings: tuple[str, ...]
    files: tuple[ResultFile, ...]


def build_explain_report(found: Explanation, *, inputs: Iterable[str | Path] = (), files: Iterable[ResultFile] = ()) -> ExplainReport:
    """The report of an explanation."""
    codes, line = found.codes, found.line
    return ExplainReport(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=found.seconds,
        software=software(),
        simulated=is_simulated(found.subject.map),
        inputs=tuple(input_file(Path(path)) for path in inputs),
        map=summary_of(found.subject.map),
        model=found.subject.bundle.identity.name,
        version=found.subject.bundle.identity.version,
        target=found.subject.target,
        score=found.score,
        attributions=tuple(_figures(name, one) for name, one in found.attributions.items()),
        filters=tuple(_filter_figures(one, found.dead) for one in found.filters),
        dead={name: tuple(numbers) for name, numbers in found.dead.items()},
        neighbours=codes.neighbour_shares if codes else None,
        distance=codes.own_distance if codes and np.isfinite(codes.own_distance) else None,
        distance_limit=codes.limit if codes and np.isfinite(codes.limit) else None,
        likeness={name: one.likeness for name, one in found.maximised.items()},
        changes_at=line.turn if line and np.isfinite(line.turn) else None,
        warnings=tuple(found.warnings),
        files=tuple(files),
    )


def _figures(name: str, one: Any) -> Figures:
    tested, agreement = one.faithfulness, one.agreement
    deletion, insertion = tested.explained.areas
    return Figures(
        method=name,
        deletion=deletion,
        insertion=insertion,
        random=tested.random.areas,
        brightest=tested.brightest.areas,
        randomised=tested.randomised,
        stability=tested.stability,
        rank=agreement.rank if agreement else None,
        overlap=agreement.overlap if agreement else None,
        slice_rank=agreement.slice_rank if agreement else None,
        warnings=tested.warnings,
    )


def _filter_figures(one: Any, dead: dict[str, list[int]]) -> FilterFigures:
    return FilterFigures(
        layer=one.layer,
        smoothness=one.smoothness,
        untrained=one.untrained[0],
        significance=one.significance,
        dead=tuple(dead.get(one.layer, ())),
    )


# ---- pictures


def _drawings(found: Explanation) -> dict[str, Callable[[], Any]]:
    """Functions that draw the pictures there are, by file name."""
    from mantid_insdl import plotting
    from mantid_insdl.fitting.information import as_importance
    from mantid_insdl.plotting import explain as draw

    subject = found.subject
    m, target = subject.map, subject.target
    about = f"{subject.bundle.identity.name}, {target}" + (", a simulated measurement" if is_simulated(m) else "")
    made: dict[str, Callable[[], Any]] = {"map.png": partial(plotting.plot_map, m, title=f"{m.material or 'map'}: the map as it was read")}
    for name, one in found.attributions.items():
        made[f"{stem(name)}.png"] = partial(plotting.plot_slices, m, importance=one.importance, title=f"{about}: {TITLES[name]}")
    if found.attributions:
        unit = "less the value moves (z)" if subject.signed else "score (logits)"
        made["faithfulness.png"] = partial(draw.plot_faithfulness, found.attributions, unit=unit, title=about)
    if found.difference is not None:
        where = as_importance(found.difference.where)
        words = f"where {found.difference.best} and {found.difference.rival} differ"
        made["physicist.png"] = partial(plotting.plot_slices, m, importance=where, title=words)
        with_slices = [one.agreement for one in found.attributions.values() if one.agreement is not None]
        if with_slices:
            why = "why {} rather than {}".format(*found.difference.seen_from(target))
            name = next(TITLES[name] for name, one in found.attributions.items() if one.agreement is not None)
            made["slices.png"] = partial(draw.plot_slice_shares, with_slices[0].slices, title=f"{why}: {name}")
    if (line := found.line) is not None:
        made["between.png"] = partial(draw.plot_line, line, title=about)
        if line.nearest is not None:
            maps = {
                "changes": subject.on_map(line.nearest[..., 0], "simulated", "mean of its Ei"),
                "yours": subject.on_map(subject.shown[..., 0], "as the network sees it", "mean of its Ei"),
            }
            made["turn.png"] = partial(plotting.plot_comparison, maps, title=f"{about}: {line.turn:.0%} of the way to {line.second}")
    if found.gallery is not None:
        for file, what, of_class in (("features.png", "features", False), ("classes.png", "the classes", True)):
            neurons = [one for one in found.neurons if (one.name in found.gallery.materials) == of_class]
            if neurons:
                made[file] = partial(draw.plot_neurons, neurons, found.gallery, title=f"training maps that drive {what} most")
    if found.codes is not None:
        made["codes.png"] = partial(draw.plot_codes, found.codes, title=about)
        made["constants.png"] = partial(draw.plot_code_parameters, found.codes, title="t-SNE plane by exchange constants")
        if found.atlas:
            made["atlas.png"] = partial(draw.plot_atlas, found.codes)
    for name, grown in found.maximised.items():
        file = "maximised.png" if name == target else "maximised-feature.png"
        made[file] = partial(draw.plot_maximised, subject, grown, title=f"the map that shows {name} most")
    if found.activations:
        dead = found.dead.get(found.layer, found.dead.get("fourth", []) if found.layer == "last_convolution" else [])
        made["activations.png"] = partial(draw.plot_activations, found.activations, dead, title=f"{about}: layer {found.layer}")
    if found.filters:
        made["filters.png"] = partial(draw.plot_filters, found.filters, title=f"{subject.bundle.identity.name}: weights")
    return made


def possible_files() -> tuple[str, ...]:
    """Names of everything that an explanation may leave."""
    attributions = [f"{stem(name)}{kind}" for name in METHODS for kind in (".png", ".nxs")]
    return (*CAPTIONS, *attributions, "physicist.nxs", PAGE_FILE, EXPLAIN_FILE)


def explanation_in(
    target: str | Path,
    explain: Callable[[Progress], Explanation],
    *,
    inputs: Sequence[Path] = (),
    progress: Progress,
) -> tuple[Explanation, ExplainReport]:
    """Make an explanation and write it into a folder, whole or not at all; return it and the report.

    Parameters
    ----------
    explain
        Makes it, as `explain_answer` does: called when the folder is known to take it.
    inputs
        The files that were read.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from mantid_insdl.analysis import classify

    target = Path(target)
    names = {*possible_files(), *made_earlier(target / EXPLAIN_FILE)}
    with staged_folder(target, names, last=EXPLAIN_FILE) as folder:
        found = explain(share_of(progress, 0.0, 0.85))
        verdict = None if found.subject.signed else classify(found.subject.map, found.subject.bundle.path)
        if verdict is not None and not verdict.in_range:  # its views are given all the same
            found.warnings += [one for one in verdict.warnings if one not in found.warnings]
        written = write_explanation(folder, found, verdict, progress=share_of(progress, 0.85, 1.0))
        report = build_explain_report(found, inputs=inputs, files=written)
        (folder / EXPLAIN_FILE).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return found, report


def write_explanation(folder: Path, found: Explanation, verdict: Classification | None, *, progress: Progress) -> list[ResultFile]:
    """Write pictures, importance maps and the page; return what there is but for `explain.json`."""
    from mantid_insdl.files import save

    drawings = _drawings(found)
    written, pngs = [], {}
    for number, (file, draw) in enumerate(drawings.items()):
        progress(0.9 * number / len(drawings), f"drawing {file}")
        target = BytesIO()
        draw().savefig(target, format="png")
        pngs[file] = target.getvalue()
        (folder / file).write_bytes(pngs[file])
        written.append(ResultFile(name=file, content=caption(file)))
    progress(0.9, "writing maps")
    for name, one in found.attributions.items():
        save(one.importance, folder / f"{stem(name)}.nxs", name=stem(name))
        written.append(ResultFile(name=f"{stem(name)}.nxs", content=f"importance by {TITLES[name]}, 0 to 1"))
    if found.difference is not None:
        save(found.difference.where, folder / "physicist.nxs", name="physicist")
        written.append(ResultFile(name="physicist.nxs", content="expected difference of log-likelihood of the two models, pixel by pixel"))
    (folder / PAGE_FILE).write_text(page(found, verdict, pngs), encoding="utf-8")
    written.append(ResultFile(name=PAGE_FILE, content="all of it on one page, which any browser opens"))
    progress(1.0, "the explanation is written")
    return written


# ---- the page

_WHERE = (
    "Several ways to ask the same question. Each shows where the network looked, not that it looked at the right thing, nor that it would "
    "not have decided without: the table below tells which of them can be believed."
)


def page(found: Explanation, verdict: Classification | None, pngs: dict[str, bytes]) -> str:
    """From the map to the verdict, as HTML with its pictures inside."""

    def shown(*files: str) -> list[str]:
        return [picture(pngs[file], caption(file)) for file in files if file in pngs]

    subject = found.subject
    kind = "parameter" if subject.signed else "class"
    name = f"{subject.bundle.identity.name} {subject.bundle.identity.version}"
    parts = [
        paragraph("This is a simulated measurement.") if is_simulated(subject.map) else "",
        paragraph(f"Explained is what {name} says of the {kind} {subject.target}: its score is {found.score:.2f}."),
        bullets(found.warnings),
        _short(found),
        "<h2>What it saw</h2>",
        *shown("map.png"),
        *(_verdict(verdict) if verdict is not None else ()),
        *(["<h2>What decided</h2>", paragraph(_WHERE)] if found.attributions else []),
        *shown(*(f"{stem(one)}.png" for one in found.attributions)),
        _faithfulness_table(found),
        *shown("faithfulness.png"),
        *(["<h2>Is that where the physics is?</h2>", *_physics(found, found.difference)] if found.difference is not None else []),
        *shown("physicist.png", "slices.png"),
        *(["<h2>What would change its mind?</h2>", paragraph(_turn(found.line))] if found.line is not None else []),
        *shown("between.png", "turn.png"),
        "<h2>What the network has learnt</h2>" if found.neurons or found.codes or found.filters or found.activations else "",
        _neighbours(found),
        *shown("codes.png", "constants.png", "atlas.png"),
        *shown("features.png", "classes.png"),
        _neuron_table(found),
        *(_likeness(name, one) for name, one in found.maximised.items()),
        *shown("maximised.png", "maximised-feature.png", "activations.png", "filters.png"),
        _filter_table(found),
        '<p class="quiet">mantid_insdl ' + escape(str(software()["mantid_insdl"])) + "</p>",
    ]
    return document(f"Why {subject.target}?", parts)


def _verdict(verdict: Classification) -> list[str]:
    rows = [
        (escape(name), f"{p:.3f}", f"{u:.3f}")
        for name, p, u in zip(verdict.models, verdict.probabilities, verdict.uncertainties, strict=True)
    ]
    return [
        f"<p>Verdict of the network: <b>{escape(verdict.verdict)}</b></p>",
        table(("model", "probability", "+-"), rows),
        bullets(verdict.warnings),
    ]


def _short(found: Explanation) -> str:
    """What was found, in a few sentences: of Grad-CAM, where it was asked for, and of the first method elsewhere."""
    said = []
    if found.attributions:
        name = DEFAULT if DEFAULT in found.attributions else next(iter(found.attributions))
        one = found.attributions[name]
        first = [f"{low:.3g} to {high:.3g} meV at Ei {ei:g} meV ({share:.0%})" for share, ei, low, high in slice_shares(one.importance)[:3]]
        believed = "should not be believed (see below)" if one.faithfulness.warnings else "can be believed"
        said.append(f"By {TITLES[name]}, {', '.join(first)} decided most. This explanation {believed}.")
        if one.agreement is not None and found.difference is not None:
            asked = "asked why {} rather than {}".format(*found.difference.seen_from(found.subject.target))
            said.append(
                f"When {asked}, it looks at the slices in which fits say that they differ with a rank correlation of "
                f"{one.agreement.slice_rank:.2f} (1: in the same order; 0: nothing in common)."
            )
    if found.line is not None:
        said.append(f"What would change its mind: {_turn(found.line)}")
    return bullets(said)


def _faithfulness_table(found: Explanation) -> str:
    rows = []
    for name, one in found.attributions.items():
        tested = one.faithfulness
        believed = "no: " + " ".join(tested.warnings) if tested.warnings else "yes"
        numbers = (*tested.explained.areas, tested.randomised, tested.stability)
        rows.append((escape(TITLES[name]), *(f"{x:.2f}" for x in numbers), escape(believed)))
    if found.references is not None:
        for what in ("random", "brightest"):
            areas = getattr(found.references, what).areas
            rows.append((f"{what} pixels", *(f"{x:.2f}" for x in areas), "", "", ""))
    return table(("method", "deletion", "insertion", "shuffled weights", "more noise", "to be believed?"), rows)


def _physics(found: Explanation, difference: Difference) -> list[str]:
    rows = [
        (escape(TITLES[name]), f"{one.agreement.rank:.2f}", f"{one.agreement.overlap:.0%}", f"{one.agreement.slice_rank:.2f}")
        for name, one in found.attributions.items()
        if one.agreement is not None
    ]
    head = ("method", "rank correlation of pixels", "top tenth in common (10 % by chance)", "rank correlation of slices")
    first, second = difference.seen_from(found.subject.target)
    asked = f"Held against the fits is where the network looks when asked why {first} rather than {second}."
    return [
        paragraph("By the likelihoods of fits, without any network:"),
        _fits(difference.comparison),
        *([paragraph(asked), table(head, rows)] if rows else []),
    ]


def _fits(comparison: Comparison) -> str:
    """The best first: how likely each model is, and with which constants."""
    probability = dict(zip(comparison.materials, comparison.probabilities, strict=True))
    ranked = sorted(comparison.fits, key=lambda one: -one.log_likelihood)
    rows = []
    for one in ranked:
        constants = ", ".join(f"{p.name} {p.value:.4g} +- {p.error:.2g}" for p in one.parameters)
        constants += "" if one.finished else " (rough: the fit was given up far behind the others)"
        behind = ranked[0].log_likelihood - one.log_likelihood
        rows.append((escape(one.material), f"{probability[one.material]:.3g}", f"{behind:.4g}", escape(constants)))
    return table(("model", "probability", "log-likelihood below the best", "constants (meV)"), rows)


def _turn(line: Line) -> str:
    where = f"in exchange constants from {line.first} to {line.second}, the best fits of your map by either"
    return f"{line.turn:.0%} of the way {where}." if np.isfinite(line.turn) else f"nothing on the straight line {where}."


def _neighbours(found: Explanation) -> str:
    if found.codes is None:
        return ""
    shares = ", ".join(f"{name} {share:.0%}" for name, share in found.codes.neighbour_shares.items())
    return paragraph(f"The training maps nearest to yours are of {shares}.")


def _neuron_table(found: Explanation) -> str:
    rows = []
    for one in found.neurons:
        for material, correlations in one.correlations.items():
            strongest: Sequence[tuple[str, float]] = sorted(correlations.items(), key=lambda item: -abs(item[1]))[:3]
            rows.append((escape(one.name), escape(material), escape(", ".join(f"{n} {c:+.2f}" for n, c in strongest))))
    return table(("neuron", "over the maps of", "follows (rank correlation)"), rows)


def _likeness(name: str, one: Maximised) -> str:
    found = "a physical pattern" if one.likeness > 0.5 else "not a physical pattern"
    return paragraph(
        f"The map that shows {name} most scores {one.score:.1f}, yours {one.of_user:.1f}, the simulated map most like the former "
        f"{one.nearest_score:.1f}. Their correlation is {one.likeness:.2f}, and that of the noise from which it was grown "
        f"{one.by_chance:.2f}: {found}."
    )


def _filter_table(found: Explanation) -> str:
    rows = [(escape(one.layer), f"{one.smoothness:.2f}", f"{one.untrained[0]:.2f}", f"{one.significance:.0f}") for one in found.filters]
    dead = [(escape(name), f"{len(numbers)}", escape(", ".join(map(str, numbers)))) for name, numbers in found.dead.items() if numbers]
    return table(("convolution", "smoothness", "untrained", "standard deviations"), rows) + table(("layer", "dead filters", "which"), dead)
