"""Make what the documentation takes from the program: ``python docs/make_docs.py`` in the repository's root.

- docs/images/*.png, from the shipped example (needs TensorFlow; ``--no-images`` leaves them out)
- docs/report.schema.json
- the table of test figures in README.md, from the models' cards
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mantid_insdl.learning.bundles import bundle_names, load_bundle
from mantid_insdl.report import Report, card_figure, describe_figure

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- figures from the cards: begin -->", "<!-- figures from the cards: end -->"
SHOWN_EI = 50.0  # meV


def figures_table() -> str:
    """Test figures of every bundle as a Markdown table."""
    lines = ["| model | test figure (95 % interval) |", "|---|---|"]
    for name in bundle_names():
        card = load_bundle(name).card
        lines += [f"| {card.name} {card.version} | {describe_figure(card_figure(test))} |" for test in card.test]
    return "\n".join(lines)


def readme() -> str:
    """README.md with the present table."""
    before, rest = (ROOT / "README.md").read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{figures_table()}\n{END}{after}"


def report_schema() -> str:
    """The JSON schema of report.json."""
    return json.dumps(Report.model_json_schema(), indent=2) + "\n"


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
    (ROOT / "README.md").write_text(readme(), encoding="utf-8")
    (ROOT / "docs" / "report.schema.json").write_text(report_schema(), encoding="utf-8")
    if "--no-images" not in sys.argv:
        make_images()
