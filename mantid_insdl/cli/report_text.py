"""Reports and model cards as text on a screen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mantid_insdl.cli.fit_text import print_fit
from mantid_insdl.cli.text import heading, indented, new_table, number_text, print_evidence, print_files, print_map, print_warnings
from mantid_insdl.report import REPORT_FILE, CardFigure, ClassificationReport, ExchangeReport, Report, card_figure

if TYPE_CHECKING:
    from mantid_insdl.networks.cards import Card, CardSlices

FIGURE_HEADER = ("figure", "value", "95 % interval", "maps", "simple method")


def print_report(report: Report, console: Console) -> None:
    """The report as text: verdict, exchange constants, warnings, and how far to trust them."""

    print_map(report.map, report.simulated, console)
    if (c := report.classification) is not None:
        heading(console, "Which magnetic model")
        console.print(indented(_verdict(c)))
        table = new_table("model", "probability", "uncertainty")
        for row in sorted(c.models, key=lambda row: -row.probability):
            table.add_row(row.model, f"{row.probability:.3f}", "" if row.uncertainty is None else f"{row.uncertainty:.3f}")
        console.print(table)
    else:
        heading(console, "Which magnetic model")
        console.print(Text("  not asked: there is only one model for this material, or no classifier for it"))

    if (e := report.exchange) is not None:
        true = report.truth.parameters if report.truth is not None and report.truth.material == e.material else {}
        _print_exchange(e, true, console)

    if report.truth is not None:
        heading(console, "The truth of this simulated measurement")
        answer = {True: "the verdict is right", False: "the verdict is WRONG", None: "there is no verdict to compare"}
        right = report.truth.verdict_is_right
        style = {True: "green", False: "bold red", None: "yellow"}[right]
        console.print(Text(f"  It was made with {report.truth.material}: {answer[right]}.", style=style))

    print_warnings(report.warnings, console)
    heading(console, "How far to trust this")
    for trust in report.trust:
        console.print(Text(f"  {trust.bundle.name} {trust.bundle.version} ({trust.task}), on simulated test maps:"))
        console.print(indented(_figures_table(figure for figure in trust.test if figure.baseline is not None), 4))
    console.print(Text("  What the figures mean, and more of them: insdl models card NAME", style="dim"))
    heading(console, "Limitations of these models")
    for limitation in dict.fromkeys(limitation for trust in report.trust for limitation in trust.limitations):
        console.print(indented(Text(f"- {limitation}")))

    print_files(report.files, REPORT_FILE, console)


def _print_exchange(e: ExchangeReport, true: Mapping[str, float], console: Console) -> None:
    heading(console, f"Exchange constants of {e.material}")
    if not e.in_range:
        whose = "the networks' estimates" if e.fit is None else "the values"
        console.print(Text(f"  None: {whose} below are no answer, do not use these values (see the warnings).", style="bold red"))
    if e.fit is not None:
        print_fit(e.fit, console, proposed={row.name: (row.value, row.error) for row in e.network or ()}, true=true)
    else:
        _print_constants(e, true, console)
    print_evidence(e.evidence, console)


def _print_constants(e: ExchangeReport, true: Mapping[str, float], console: Console) -> None:
    table = new_table("name", "value", "error", "unit", *(["true value"] if true else []))
    for row in e.parameters:
        cells = [row.name, number_text(row.value), number_text(row.error), row.unit]
        table.add_row(*cells, *([number_text(true.get(row.name))] if true else []))
    console.print(table)


def print_card(card: Card, console: Console) -> None:
    """The card of a bundle as text."""
    from mantid_insdl.materials import load_material

    console.print(Text(f"{card.name} {card.version} ({card.task}, {card.family})", style="bold"))
    console.print(Text(card.answers))
    axes = (f"{len(a.centres)} {a.name} from {a.centres[0]:g} to {a.centres[-1]:g} {a.unit}" for a in card.input.axes)
    training = card.training
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_row("pixels", ", ".join(axes))
    table.add_row("r.l.u. of", load_material(card.materials[0]).frame)
    table.add_row("slices", _windows(card.input.slices))
    table.add_row("intensity", card.input.intensity)
    table.add_row("materials", ", ".join(card.materials))
    table.add_row("outputs", ", ".join(f"{out.name} ({out.unit})" if out.unit else out.name for out in card.outputs))
    table.add_row(
        "training",
        f"recipe {_recipe_name(training.recipe)}, seed {training.seed}, mantid_insdl {training.package_version}, {training.date}, "
        f"{training.samples.train} maps, {training.seconds / 60:.0f} min",
    )
    for material, ranges in training.ranges.items():
        table.add_row(f"ranges of {material}", ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in ranges.items()))
    table.add_row("licence", card.licence)
    table.add_row("sha256", card.sha256)
    console.print(table)
    console.print(Text("Test figures", style="bold"))
    by_conditions: dict[str, list[CardFigure]] = {}
    for test in card.test:
        by_conditions.setdefault(test.conditions, []).append(card_figure(test))
    for number, (conditions, figures) in enumerate(by_conditions.items()):
        console.print(indented(Text(conditions, style="italic dim")))
        console.print(indented(_figures_table(figures, header=number == 0)))
    console.print(Text("Limitations", style="bold"))
    for limitation in card.limitations:
        console.print(indented(Text(f"- {limitation}")))


def _windows(slices: CardSlices | None) -> str:
    """Incident energies, and the edges of the energy windows of each."""
    if slices is None:
        return "of any incident energy and windows within the limitations below"
    lines = []
    for ei in dict.fromkeys(slices.ei):
        windows = (window for e, *window in zip(slices.ei, slices.energy_min, slices.energy_max, strict=True) if e == ei)
        edges = sorted({round(edge, 6) for window in windows for edge in window})
        lines.append(f"Ei {ei:g} meV with edges {', '.join(f'{edge:g}' for edge in edges)} meV")
    return "\n".join(lines)


def figure_cells(figure: CardFigure) -> tuple[str, str, str, str, str]:
    """A test figure in words: what, value, interval, number of maps, the figure of a simple method.

    >>> figure_cells(CardFigure(metric="accuracy", value=0.9512, interval=(0.93, 0.97), n=500, baseline=0.5, conditions=""))
    ('accuracy', '0.951', '0.93 to 0.97', '500', '0.5')
    """
    interval = "" if figure.interval is None else f"{figure.interval[0]:.3g} to {figure.interval[1]:.3g}"
    return figure.metric, f"{figure.value:.3g}", interval, str(figure.n), number_text(figure.baseline, 3)


def _figures_table(figures: Iterable[CardFigure], *, header: bool = True) -> Table:
    """Test figures as a table that fits a terminal of 80 columns."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", show_header=header)
    widths = (30, 6, 15, 5, 13)  # the same in every table, so that columns of tables below each other are in line
    for column, width in zip(FIGURE_HEADER, widths, strict=True):
        table.add_column(column, width=width, justify="left" if column == FIGURE_HEADER[0] else "right")
    for figure in figures:
        table.add_row(*(Text(cell) for cell in figure_cells(figure)))
    return table


def _verdict(c: ClassificationReport) -> Text:
    if c.verdict == "none of these":
        strange = f"{c.strangeness:.1%} of the classifier's own test maps are less strange"
        return Text(f"Verdict: none of these ({strange}). Do not use these probabilities.", style="bold red")
    if not c.in_range:
        why = "the map shows no more than noise, or no simulation explains it"
        return Text(f"No verdict: {why}. Do not use these probabilities.", style="bold red")
    if c.verdict == "undecided":
        return Text("Verdict: undecided. This map does not tell the models apart.", style="bold yellow")
    probability = next((row.probability for row in c.models if row.model == c.verdict), None)
    return Text(f"Verdict: {c.verdict}" + (f" (probability {probability:.3f})" if probability is not None else ""), style="bold green")


def _recipe_name(recipe: str) -> str:
    """The name in the recipe that a card holds whole, as JSON."""
    try:
        return str(json.loads(recipe)["name"])
    except (ValueError, TypeError, KeyError):
        return recipe
