"""Make what the documentation takes from the program: ``python docs/make_docs.py`` in the repository's root.

- docs/images/*.png, from the shipped example (needs TensorFlow; ``--no-images`` leaves them out)
- docs/report.schema.json, docs/fit.schema.json, docs/material.schema.json
- the tables of test figures, from the models' cards: a summary in README.md, all of them in docs/models.md
- what the fits of docs/fit.md print: it runs the commands there
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from mantid_insdl.cli.report_text import FIGURE_HEADER, figure_cells
from mantid_insdl.materials import Material
from mantid_insdl.networks.bundles import bundle_names, load_bundle
from mantid_insdl.networks.cards import CardTest
from mantid_insdl.report import FitReport, Report, card_figure
from mantid_insdl.training.outcome import SIMULATED

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- figures from the cards: begin -->", "<!-- figures from the cards: end -->"
SHOWN_EI = 50.0  # meV


QUESTIONS = {
    "which model of PCSMO": "pcsmo-classifier",
    "exchange constants of PCSMO (Goodenough)": "pcsmo-goodenough-exchange",
    "exchange constants of Rb2MnF4": "rb2mnf4-exchange",
}
"""What the summary tells of, and the bundle that answers it."""


def summary_table() -> str:
    """One line a question, with the figures that are compared with a simple method."""
    lines = ["| question | figure | network | simple method | values spread by |", "|---|---|---|---|---|"]
    for question, name in QUESTIONS.items():
        tests = [test for test in load_bundle(name).card.test if test.baseline is not None]
        parts = [test.metric.rpartition(": ")[::2] for test in tests]  # "JF1: rms error (meV)"
        columns = [f"{test.value:.3g}" for test in tests], [f"{test.baseline:.3g}" for test in tests], [_spread(test) for test in tests]
        cells = [", ".join(f"{of} {number}".strip() for (of, _), number in zip(parts, column, strict=True) if number) for column in columns]
        lines.append(f"| {question} | {' and '.join(dict.fromkeys(figure for _, figure in parts))} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(test: CardTest) -> str:
    """Of the true values in the test, which an error must be smaller than to tell anything; empty where the card has none."""
    found = re.search(r"values spread by ([\d.]+)", test.conditions)
    return found[1] if found else ""


def figures_table() -> str:
    """Test figures of every bundle as a Markdown table."""
    lines = [f"| model | {' | '.join(FIGURE_HEADER)} |", "|---" * (len(FIGURE_HEADER) + 1) + "|"]
    for name in bundle_names():
        card = load_bundle(name).card
        model = f"{card.name} {card.version}"
        for test in card.test:
            what, value, interval, maps, baseline = figure_cells(card_figure(test))
            baselines = [part.removeprefix("baseline: ") for part in test.conditions.split("; ") if part.startswith("baseline: ")]
            others = [part for part in test.conditions.split("; ") if part != SIMULATED and not part.startswith("baseline: ")]
            about = ", ".join([what, *others])
            lines.append(f"| {model} | {about} | {value} | {interval} | {maps} | {' '.join([baseline, *(f'({b})' for b in baselines)])} |")
            model = ""
    return "\n".join(lines)


FIT_PAGE = "docs/fit.md"
PAGES = {"README.md": summary_table, "docs/models.md": figures_table}


def page(path: str) -> str:
    """A page with the present figures between its marks."""
    before, rest = (ROOT / path).read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{PAGES[path]()}\n{END}{after}"


def fit_page(folder: Path) -> str:
    """docs/fit.md with what its fits of the page's own materials print; they run in `folder`."""
    text = (ROOT / FIT_PAGE).read_text(encoding="utf-8")
    for content in re.findall(r"```yaml\n(.*?)```", text, flags=re.S):
        (folder / f"{re.search(r'name: (.*)', content)[1]}.yaml").write_text(content, encoding="utf-8")
    for line in re.findall(r"^insdl .*$", text, flags=re.M):
        words = shlex.split(line)[1:]
        if not (folder / words[words.index("-m") + 1]).is_file():  # of a map that is not the page's own
            continue
        command = [sys.executable, "-m", "mantid_insdl", *words, "-q"]
        printed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
        if words[0] == "fit":
            name = words[words.index("-m") + 1].removesuffix(".yaml")
            lines = [one.rstrip() for one in printed.splitlines()]
            first, last = lines.index(f"Fit of {name}"), next(i for i, one in enumerate(lines) if "maps calculated" in one)
            begin, end = (f"<!-- output of the fit of {name}: {mark} -->" for mark in ("begin", "end"))
            text = text[: text.index(begin)] + f"{begin}\n```\n{chr(10).join(lines[first:last])}\n```\n" + text[text.index(end) :]
    return text


def report_schema() -> str:
    """The JSON schema of report.json."""
    return json.dumps(Report.model_json_schema(), indent=2) + "\n"


def fit_schema() -> str:
    """The JSON schema of fit.json."""
    return json.dumps(FitReport.model_json_schema(), indent=2) + "\n"


def material_schema() -> str:
    """The JSON schema of material files."""
    return json.dumps(Material.model_json_schema(), indent=2) + "\n"


def make_images() -> None:
    """The picture on the README's first screen, and those of the demo."""
    from mantid_insdl import examples, plotting
    from mantid_insdl.analysis import analyse

    result = analyse(examples.load())
    one = result.measured.slices.ei == SHOWN_EI
    shown = {"simulated": result.measured, "denoised": result.denoised, "fit": result.fit}
    name = "PCSMO, a simulated measurement"
    figures = {
        "demo": plotting.plot_comparison({row: m.select(one) for row, m in shown.items()}, title=f"{name}: as read, denoised, and fitted"),
        "gradcam": plotting.plot_slices(result.measured, importance=result.importance, title=f"{name}: the pixels that decided"),
    }
    folder = ROOT / "docs" / "images"
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=80)


if __name__ == "__main__":
    for path in PAGES:
        (ROOT / path).write_text(page(path), encoding="utf-8")
    (ROOT / "docs" / "report.schema.json").write_text(report_schema(), encoding="utf-8")
    (ROOT / "docs" / "fit.schema.json").write_text(fit_schema(), encoding="utf-8")
    (ROOT / "docs" / "material.schema.json").write_text(material_schema(), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        (ROOT / FIT_PAGE).write_text(fit_page(Path(folder)), encoding="utf-8")
    if "--no-images" not in sys.argv:
        make_images()
