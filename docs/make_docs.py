"""Make what the documentation takes from the program: ``python docs/make_docs.py`` in the repository's root.

- docs/images/*.png, from the shipped example (needs TensorFlow; ``--no-images`` leaves them out)
- docs/report.schema.json, docs/material.schema.json
- the tables of test figures in README.md and docs/models.md, from the models' cards
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mantid_insdl.cli.report_text import FIGURE_HEADER, figure_cells
from mantid_insdl.materials import Material
from mantid_insdl.networks.bundles import bundle_names, load_bundle
from mantid_insdl.report import Report, card_figure
from mantid_insdl.training.outcome import SIMULATED

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- figures from the cards: begin -->", "<!-- figures from the cards: end -->"
SHOWN_EI = 50.0  # meV


def figures_table(headlines: bool) -> str:
    """Test figures of every bundle as a Markdown table; `headlines` are those that are compared with a simple method."""
    lines = [f"| model | {' | '.join(FIGURE_HEADER)} |", "|---" * (len(FIGURE_HEADER) + 1) + "|"]
    for name in bundle_names():
        card = load_bundle(name).card
        model = f"{card.name} {card.version}"
        for test in card.test:
            if headlines and test.baseline is None:
                continue
            what, value, interval, maps, baseline = figure_cells(card_figure(test))
            baselines = [part.removeprefix("baseline: ") for part in test.conditions.split("; ") if part.startswith("baseline: ")]
            others = [part for part in test.conditions.split("; ") if part != SIMULATED and not part.startswith("baseline: ")]
            about = ", ".join([what, *others])
            lines.append(f"| {model} | {about} | {value} | {interval} | {maps} | {' '.join([baseline, *(f'({b})' for b in baselines)])} |")
            model = ""
    return "\n".join(lines)


def page(path: str, headlines: bool) -> str:
    """A page with the present figures between its marks."""
    before, rest = (ROOT / path).read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{figures_table(headlines)}\n{END}{after}"


PAGES = {"README.md": True, "docs/models.md": False}


def report_schema() -> str:
    """The JSON schema of report.json."""
    return json.dumps(Report.model_json_schema(), indent=2) + "\n"


def material_schema() -> str:
    """The JSON schema of material files."""
    return json.dumps(Material.model_json_schema(), indent=2) + "\n"


def make_images() -> None:
    """The picture on the README's first screen, and those of the demo."""
    from mantid_insdl import examples, plotting
    from mantid_insdl.analysis import analyse

    result = analyse(examples.load())
    one = result.measured.slices.ei == SHOWN_EI
    shown = {"measured": result.measured, "denoised": result.denoised, "fit": result.fit}
    figures = {
        "demo": plotting.plot_comparison({name: m.select(one) for name, m in shown.items()}, title="PCSMO: a simulated measurement"),
        "gradcam": plotting.plot_slices(result.measured, importance=result.importance, title="The pixels that decided"),
    }
    folder = ROOT / "docs" / "images"
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=80)


if __name__ == "__main__":
    for path, headlines in PAGES.items():
        (ROOT / path).write_text(page(path, headlines), encoding="utf-8")
    (ROOT / "docs" / "report.schema.json").write_text(report_schema(), encoding="utf-8")
    (ROOT / "docs" / "material.schema.json").write_text(material_schema(), encoding="utf-8")
    if "--no-images" not in sys.argv:
        make_images()
