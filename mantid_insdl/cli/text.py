"""What reports on a screen are made of."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mantid_insdl.report import EvidenceReport, MapSummary, ResultFile

_NUMBERS = {"probability", "uncertainty", "network", "value", "error", "true value", "log-likelihood", "behind by", "+-", "z"}


def heading(console: Console, words: str) -> None:
    """A line in bold, after an empty one."""
    console.print()
    console.print(Text(words, style="bold"))


def print_map(m: MapSummary, simulated: bool, console: Console) -> None:
    """What was measured, and what was done to it."""
    ei = f", Ei {', '.join(f'{e:g}' for e in m.incident_energies)} meV" if m.incident_energies else ""
    console.print(
        Text(f"{m.material or 'Map'}: {' x '.join(map(str, m.shape))} {m.kind}{ei}, {m.masked_fraction:.0%} of the pixels masked")
    )
    for line in m.provenance:
        console.print(indented(Text(f"- {line}", style="dim")))
    if simulated:
        console.print(Text("This is a SIMULATED measurement, not data.", style="bold yellow"))


def print_warnings(warnings: Iterable[str], console: Console) -> None:
    """Each in a paragraph of its own; nothing where there are none."""
    for number, warning in enumerate(warnings):
        if number == 0:
            heading(console, "Warnings")
        console.print(indented(Text(f"- {warning}", style="yellow")))


def print_evidence(e: EvidenceReport, console: Console) -> None:
    """How much of the map the simulation leaves unexplained; in red where that is too much."""
    each = [f"{_share(one.unexplained)} at Ei {one.incident_energy:g}" for one in e.by_incident_energy if one.incident_energy is not None]
    by_ei = f" ({', '.join(each)} meV)" if each else ""
    said = (
        f"The simulation leaves {_share(e.unexplained)} +- {e.uncertainty:.0%} of the map's structure unexplained{by_ei}; "
        f"an answer is given up to {e.limit:.0%}."
    )
    console.print(indented(Text(said, style="" if e.explained else "red")))


def _share(value: float) -> str:
    """In per cent; what noise has made negative is nothing."""
    return f"{max(value, 0.0):.0%}"


def print_files(files: Iterable[ResultFile], report_file: str, console: Console) -> None:
    """The results beside the report, and the report."""
    files = tuple(files)
    if files:
        heading(console, "Files")
        listed = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
        for file in (*files, ResultFile(name=report_file, content="all of this as JSON")):
            listed.add_row(file.name, file.content)
        console.print(listed)


def indented(content: Text | Table, by: int = 2) -> Padding:
    """Content with a margin on its left."""
    return Padding(content, (0, 0, 0, by), expand=False)


def new_table(*columns: str) -> Table:
    """An empty one with these columns, those of numbers in line on the right."""
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim")
    for column in columns:
        number = column in _NUMBERS
        table.add_column(column, justify="right" if number else "left", no_wrap=number)
    return table


def number_text(value: float | None, digits: int = 4) -> str:
    """Empty where it is not known."""
    return "" if value is None else f"{value:.{digits}g}"
