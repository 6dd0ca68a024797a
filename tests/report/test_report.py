"""`report.json` is true to its schema, to the analysis and to the cards; the same on the screen."""

import dataclasses
import json
import re
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from mantid_insdl import report
from mantid_insdl.analysis import ExchangeFit
from mantid_insdl.cli import report_text
from mantid_insdl.files import load, save
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.networks.bundles import BundleIdentity, load_bundle
from mantid_insdl.simulation.slices import simulate

TRUTH = ("pcsmo-goodenough", {"JF1": -10.8, "JA": 1.65})


@pytest.fixture
def measured():
    rng = np.random.default_rng(0)
    axes = tuple(Axis(name, RLU, np.linspace(-1, 1, 10)) for name in ("qh", "qk"))
    intensity = rng.random((4, 10, 10))
    intensity[:, :2] = np.nan
    return Map(intensity, axes, slices=Slices.from_bins([25.0, 50.0], [[2, 4, 6], [5, 8, 11]]), material="pcsmo", provenance=("measured",))


@pytest.fixture
def analysis(measured, hand_made_analysis):
    return hand_made_analysis(measured)


def screen(made):
    console = Console(file=StringIO(), width=120, highlight=False)
    report_text.print_report(made, console)
    return console.file.getvalue()


def test_survives_json(analysis, tmp_path):
    (tmp_path / "map.npz").write_bytes(b"abc")
    made = report.build_report(analysis, inputs=[tmp_path / "map.npz"], seconds=3.21, files=["measured.png"])
    text = made.model_dump_json(indent=2)
    assert report.Report.model_validate_json(text) == made
    content = json.loads(text)
    assert content["inputs"] == [
        {
            "path": str(tmp_path / "map.npz"),
            "bytes": 3,
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        }
    ]
    assert content["map"]["incident_energies"] == [25.0, 50.0]
    assert content["map"]["masked_fraction"] == 0.2
    assert content["map"]["provenance"] == ["measured"]
    assert content["classification"]["models"][1] == {"model": "pcsmo-dimer", "probability": 0.03, "uncertainty": 0.01}
    assert content["exchange"]["parameters"][0] == {"name": "JF1", "value": -11.0, "error": 0.4, "unit": "meV"}
    assert content["software"]["mantid_insdl"]
    assert content["files"] == [{"name": "measured.png", "content": report.PICTURES["measured.png"]}]
    assert content["truth"] is None


def test_trust_comes_from_the_cards_of_the_bundles_that_answered(analysis):
    made = report.build_report(analysis)
    assert [part.bundle.name for part in made.trust] == ["pcsmo-classifier", "pcsmo-goodenough-exchange", "pcsmo-denoiser"]
    card = load_bundle("pcsmo-classifier").card
    assert made.trust[0].limitations == card.limitations
    assert [figure.value for figure in made.trust[0].test] == [test.value for test in card.test]
    assert made.trust[0].bundle.sha256 == card.sha256
    shown = " ".join(screen(made).split())
    assert card.limitations[0] in shown
    assert made.denoiser == made.trust[2].bundle


def test_unknown_number_is_null(analysis):
    known, unknown = analysis.exchange, (float("nan"),)
    fit = ExchangeFit("rb2mnf4", ("J1",), unknown, unknown, ("meV",), False, (), known.bundle, known.evidence)
    made = report.build_report(analysis.__class__(**(vars(analysis) | {"exchange": fit})))
    assert json.loads(made.model_dump_json())["exchange"]["parameters"][0]["value"] is None
    assert "do not use these values" in screen(made)


def test_a_material_with_one_model_needs_no_classification(measured, hand_made_analysis):
    made = report.build_report(hand_made_analysis(measured, classification=None, denoised=None, importance=None))
    assert made.classification is None
    assert made.denoiser is None
    assert "only one model" in screen(made)


@pytest.mark.parametrize(
    ("verdict", "right", "words"),
    [
        ("pcsmo-goodenough", True, "the verdict is right"),
        ("pcsmo-dimer", False, "the verdict is WRONG"),
        ("undecided", None, "no verdict to compare"),
    ],
)
def test_truth_of_a_simulated_measurement(analysis, verdict, right, words):
    classification = analysis.classification.__class__(**(vars(analysis.classification) | {"verdict": verdict}))
    made = report.build_report(analysis.__class__(**(vars(analysis) | {"classification": classification})), truth=TRUTH)
    assert made.truth.verdict_is_right is right
    shown = screen(made)
    assert words in shown
    assert "-10.8" in shown  # the true value beside the fitted one


def test_out_of_range_is_said_first_of_all(analysis):
    classification = analysis.classification.__class__(**(vars(analysis.classification) | {"in_range": False}))
    shown = screen(report.build_report(analysis.__class__(**(vars(analysis) | {"classification": classification}))))
    assert "No verdict" in shown
    assert "Verdict: pcsmo-goodenough" not in shown


def test_brackets_in_warnings_are_not_taken_for_markup(measured, hand_made_analysis):
    made = report.build_report(hand_made_analysis(measured, warnings=("axis [H,0,0] was [bold]re-gridded[/bold]",)))
    assert "[H,0,0] was [bold]re-gridded[/bold]" in screen(made)


def test_the_evidence_and_its_limit_are_reported(analysis):
    made = report.build_report(analysis)
    for part in (made.classification, made.exchange):
        assert (part.evidence.unexplained, part.evidence.uncertainty, part.evidence.limit) == (0.12, 0.01, 0.3)
        assert part.evidence.figure == pytest.approx(0.14) and part.evidence.explained
        assert [(one.incident_energy, one.unexplained) for one in part.evidence.by_incident_energy] == [(25.0, 0.14), (50.0, 0.11)]
    assert "leaves 12% +- 1% of the map's structure unexplained (14% at Ei 25, 11% at Ei 50 meV)" in " ".join(screen(made).split())


def test_constants_that_are_no_answer_are_said_to_be_none(analysis):
    exchange = dataclasses.replace(analysis.exchange, in_range=False)
    shown = screen(report.build_report(dataclasses.replace(analysis, exchange=exchange)))
    assert "None: the values below are no answer" in shown
    shown = screen(report.build_report(dataclasses.replace(analysis, exchange=dataclasses.replace(exchange, fit=None))))
    assert "None: the networks' estimates below are no answer" in shown
    assert "None:" not in screen(report.build_report(analysis))


def test_a_warning_is_said_once(measured, hand_made_analysis):
    made = report.build_report(hand_made_analysis(measured, warnings=("once", "once")))
    assert made.warnings == ("once",)


def test_maps_and_pictures(analysis, tmp_path):
    seen = []
    names = report.write_maps_and_pictures(tmp_path, analysis, progress=lambda fraction, text: seen.append(fraction))
    assert names == [*report.PICTURES, *report.MAPS]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize("simulated", [True, False])
def test_every_picture_of_a_simulated_map_says_so(measured, hand_made_analysis, tmp_path, monkeypatch, simulated):
    from matplotlib.figure import Figure

    if simulated:  # what `insdl simulate` wrote and `insdl analyse` read
        file = tmp_path / "simulated.npz"
        save(simulate("pcsmo-dimer", like=measured), file)
        measured = load(file)
    analysis = hand_made_analysis(measured)
    made = report.build_report(analysis)
    assert made.simulated == simulated
    assert ("SIMULATED" in screen(made)) == simulated

    said = {}

    def look(figure, path):
        said[Path(path).name] = " ".join(text.get_text() for text in figure.texts)

    monkeypatch.setattr(Figure, "savefig", look)
    report.write_maps_and_pictures(tmp_path, analysis, progress=lambda *_: None)
    assert sorted(said) == sorted(report.PICTURES)
    for name, text in said.items():
        assert ("simulated measurement" in " ".join(text.split())) == simulated, name
        assert not (simulated and "measured" in text), name


def test_only_what_there_is_is_drawn(measured, hand_made_analysis, tmp_path):
    analysis = hand_made_analysis(measured, classification=None, denoised=None, importance=None, fit=None)
    assert report.write_maps_and_pictures(tmp_path, analysis, progress=lambda *_: None) == ["measured.png", "measured.nxs"]


def test_every_entry_of_the_schema_is_documented(repository):
    text = (repository / "docs" / "report.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| (.*?) \|", text, flags=re.M))
    named = {name for cell in documented for name in re.findall(r"`(\w+)`", cell)}
    assert named == set(report.Report.model_fields)


def test_generated_documentation_is_up_to_date(repository, monkeypatch):
    monkeypatch.syspath_prepend(repository / "docs")
    import make_docs

    assert (repository / "docs" / "report.schema.json").read_text(encoding="utf-8") == make_docs.report_schema()
    assert (repository / "docs" / "fit.schema.json").read_text(encoding="utf-8") == make_docs.fit_schema()
    for path in make_docs.PAGES:
        assert (repository / path).read_text(encoding="utf-8") == make_docs.page(path), "run python docs/make_docs.py"


def test_summary_has_one_line_a_question_with_the_figures_of_the_card(repository, monkeypatch):
    monkeypatch.syspath_prepend(repository / "docs")
    import make_docs

    lines = make_docs.summary_table().splitlines()[2:]
    assert len(lines) == len(make_docs.QUESTIONS) == 3
    for line, (question, name) in zip(lines, make_docs.QUESTIONS.items(), strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        compared = [test for test in load_bundle(name).card.test if test.baseline is not None]
        assert cells[0] == question
        numbers = [[float(part.split()[-1]) for part in cell.split(", ")] for cell in cells[2:4]]
        assert numbers[0] == pytest.approx([test.value for test in compared], rel=5e-3)
        assert numbers[1] == pytest.approx([test.baseline for test in compared], rel=5e-3)
        spread = [float(part.split()[-1]) for part in cells[4].split(", ") if part]
        said = [found for test in compared for found in re.findall(r"spread by ([\d.]+) meV", test.conditions)]
        assert spread == [float(number) for number in said]
        assert len(spread) == (len(compared) if name.endswith("exchange") else 0)


def test_identity_is_recorded_from_the_logs_of_the_map(measured):
    logs = {"insdl_model": ("a", ""), "insdl_model_version": ("1", ""), "insdl_model_sha256": ("00", "")}
    assert report.recorded_bundle(measured.replace(logs=logs)) == report.BundleReference(**BundleIdentity("a", "1", "00")._asdict())
    assert report.recorded_bundle(measured) is None
