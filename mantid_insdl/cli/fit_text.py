"""The report of a fit as text on a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from mantid_insdl.cli.text import heading, indented, new_table, number_text, print_evidence, print_files, print_map, print_warnings
from mantid_insdl.report import FIT_FILE, ComparisonReport, FitReport, FitSummary, FittedValue


def print_fit_report(report: FitReport, console: Console) -> None:
    """The parameters of each material with what the map tells of them, which material it is, and the warnings."""
    print_map(report.map, report.simulated, console)
    if report.comparison is not None:
        _print_comparison(report.comparison, report.fits, console)
    for fit in report.fits:
        heading(console, f"Fit of {fit.material}")
        print_fit(fit, console)
        print_evidence(fit.evidence, console)
        print_warnings(fit.warnings, console)
    print_files(report.files, FIT_FILE, console)


def print_fit(
    fit: FitSummary,
    console: Console,
    *,
    proposed: Mapping[str, tuple[float | None, float | None]] | None = None,
    true: Mapping[str, float] | None = None,
) -> None:
    """One fit: its parameters, the nuisances, and how well it does.

    Parameters
    ----------
    fit, console
        What is shown, and where.
    proposed
        Value and error of parameters by a network, to be shown beside the fit's.
    true
        Values that a simulated map was made with.
    """
    proposed, true = proposed or {}, true or {}
    columns = ["name", *(["network"] if proposed else []), "value", "error", "unit", *(["true value"] if true else [])]
    table = new_table(*columns, *([] if proposed else ["range"]), "what the map tells")
    for one in fit.parameters:
        row = [one.name, *_cells(one)]
        if proposed:
            row.insert(1, " +- ".join(number_text(x, 2 + place) for place, x in zip((1, 0), proposed.get(one.name, ()), strict=False)))
        row += [number_text(true.get(one.name))] if true else []
        row += [] if proposed else [f"{one.low:.4g} to {one.high:.4g}"]
        told = next((said.removeprefix(one.name).lstrip(": ") for said in fit.tells if _tells_of(said, one.name)), "")
        table.add_row(*row, "fixed" if one.fixed else told, style="" if one.determined or one.fixed else "yellow")
    console.print(table)
    for said in fit.tells:
        if not any(_tells_of(said, one.name) for one in fit.parameters):
            console.print(indented(Text(f"- {said}")))
    fitted = [one for one in fit.nuisances if not one.fixed]
    lines = []
    if fitted:
        listed = ", ".join(f"{one.name} {one.value:.3g} +- {one.error:.1g}{one.unit and ' ' + one.unit}" for one in fitted)
        lines.append(f"Of the measurement: {listed}.")
    for ei, scale, background in zip(fit.incident_energies, fit.scale, fit.background, strict=True):
        lines.append(f"{'' if ei is None else f'Ei {ei:g} meV: '}scale {scale:.4g}, mean background {background:.3g}.")
    lines.append(
        f"Reduced chi-squared {fit.chi_squared:.3g} over {fit.pixels} pixels; the residuals ask for {fit.error_scale:.2g} times the errors "
        f"and {fit.model_error:.0%} of the calculation besides, and both are in the error bars. {fit.error_source}"
    )
    for line in lines:
        console.print(indented(Text(line)))
    console.print(indented(Text(f"{fit.evaluations} maps calculated in {fit.seconds:.1f} s.", style="dim")))
    for other in fit.others:
        values = ", ".join(f"{name} = {value:.4g}" for name, value in other.items())
        console.print(indented(Text(f"Another minimum that the map does not rule out: {values}", style="yellow")))


def _print_comparison(comparison: ComparisonReport, fits: Sequence[FitSummary], console: Console) -> None:
    heading(console, "Which material")
    decided = comparison.verdict == comparison.best
    console.print(Text(f"  Verdict: {comparison.verdict}", style="bold green" if decided else "bold yellow"))
    table = new_table("material", "probability", "log-likelihood", "behind by", "+-", "z")
    contests = {one.material: one for one in comparison.contests}
    for fit in fits:
        one = contests.get(fit.material)
        behind = ["", "", ""] if one is None else [f"{one.difference:.1f}", f"{one.deviation:.1f}", f"{one.z:.2f}"]
        table.add_row(fit.material, f"{comparison.probabilities[fit.material]:.3f}", f"{fit.log_likelihood:.1f}", *behind)
    console.print(table)
    for warning in comparison.warnings:
        console.print(indented(Text(f"- {warning}", style="yellow")))


def _tells_of(said: str, name: str) -> bool:
    """Whether a sentence of `what_it_tells` is on one parameter alone."""
    return said.startswith((f"{name} to ", f"{name}: ", f"{name} exactly"))


def _cells(one: FittedValue) -> list[str]:
    """Value and error to the digits that the error leaves, and the unit."""
    if not one.error:
        return [number_text(one.value), "", one.unit]
    decimals = max(0, 1 - int(f"{one.error:e}".partition("e")[2]))
    return [f"{one.value:.{decimals}f}", f"{one.error:.{decimals}f}", one.unit]
