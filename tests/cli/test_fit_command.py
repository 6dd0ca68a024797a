"""`insdl fit`: what it answers for a map of known parameters, what it leaves, and what it refuses."""

import json
import os

import numpy as np
import pytest

import mantid_insdl
from mantid_insdl.cli.options import spread_materials
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.report import FitReport

TRUE = {"J1": 0.7, "J2": 0.03, "D": -0.02}


@pytest.fixture(scope="module")
def map_file(tmp_path_factory):
    """Five slices of Rb2MnF4 at `TRUE`, with noise."""
    q = np.linspace(-1, 1, 21)
    axes = {name: Axis(name, RLU, q, is_edges=True) for name in ("qh", "qk")}
    edges = np.linspace(1, 7, 6)
    m = mantid_insdl.simulate("rb2mnf4", TRUE, slices=Slices(np.full(5, 25.0), edges[:-1], edges[1:]), **axes, counts=100_000, seed=3)
    return mantid_insdl.save(m, tmp_path_factory.mktemp("maps") / "map.npz")


@pytest.fixture
def simple_material(tmp_path):
    """Rb2MnF4 without its second neighbours, as a file of the user's own."""
    content = load_material("rb2mnf4").model_dump(mode="json", exclude_defaults=True)
    content |= {"name": "nearest", "family": "nearest", "parameters": [p for p in content["parameters"] if p["name"] != "J2"]}
    content["bonds"] = content["bonds"][:1]
    content.pop("closed_form")
    path = tmp_path / "nearest.yaml"
    path.write_text(json.dumps(content))  # JSON is YAML
    return path


def read(folder):
    return FitReport.model_validate_json((folder / "fit.json").read_text())


def test_parameters_of_a_known_map(insdl, tmp_path, map_file):
    result = insdl("fit", map_file, "-m", "rb2mnf4", "-o", tmp_path / "out", "-q")
    assert result.exit_code == 0, result.stderr
    report = read(tmp_path / "out")
    (fit,) = report.fits
    for one in fit.parameters:
        assert abs(one.value - TRUE[one.name]) < 4 * one.error < {"J1": 0.04, "J2": 0.03, "D": 0.02}[one.name], one
        assert f"{one.name} " in result.stdout
    assert fit.evidence.explained and fit.evidence.unexplained < 0.05
    assert report.simulated and report.comparison is None and report.map.shape == (5, 20, 20)
    assert report.inputs[0].path == str(map_file) and len(report.inputs[0].sha256) == 64
    assert "SIMULATED" in result.stdout and "what the map tells" in result.stdout
    assert sorted(os.listdir(tmp_path / "out")) == ["corner.png", "fit.json", "fit.nxs", "fit.png"]
    assert sorted(file.name for file in report.files) == ["corner.png", "fit.nxs", "fit.png"]
    m, calculated = mantid_insdl.load(map_file), mantid_insdl.load(tmp_path / "out" / "fit.nxs")
    assert calculated.material == "rb2mnf4"
    pull = ((m.intensity - calculated.intensity) / calculated.error)[~calculated.mask]
    assert abs(np.mean(pull)) < 0.1 and 0.6 < np.std(pull) < 1.6


def test_fixed_values_are_kept_and_a_start_is_taken(insdl, tmp_path, map_file, monkeypatch):
    seen = {}

    def record(m, material, **options):
        seen.update(options)
        return fit(m, material, **options)

    from mantid_insdl.fitting.refine import fit

    monkeypatch.setattr("mantid_insdl.cli.fit.fit", record)
    line = ["--start", "J1=0.6", "--start", "J2=0.01", "--fix", "D=-0.02", "--fix", "width=1", "--time-limit", "100", "--temperature", "5"]
    result = insdl("fit", map_file, "-m", "rb2mnf4", *line, "--beam", "0,0,1", "-o", tmp_path, "-q")
    assert result.exit_code == 0, result.stderr
    assert seen["start"] == {"J1": 0.6, "J2": 0.01} and seen["fixed"] == {"D": -0.02, "width": 1.0} and seen["time_limit"] == 100
    assert (seen["measurement"].temperature, seen["measurement"].beam) == (5.0, (0.0, 0.0, 1.0))
    (fit_report,) = read(tmp_path).fits
    values = {one.name: one for one in (*fit_report.parameters, *fit_report.nuisances)}
    assert values["D"].fixed and values["D"].value == -0.02 and values["D"].error == 0
    assert values["width"].fixed and fit_report.free == ("J1", "J2", "blur", "flux")


def test_two_materials_are_compared_and_a_later_run_clears_up(insdl, tmp_path, map_file, simple_material):
    out = tmp_path / "out"
    result = insdl("fit", map_file, "-m", "rb2mnf4", simple_material, "-o", out, "-q")
    assert result.exit_code == 0, result.stderr
    report = read(out)
    assert [fit.material for fit in report.fits] == ["rb2mnf4", "nearest"]
    assert report.comparison.best == report.comparison.verdict == "rb2mnf4"
    (contest,) = report.comparison.contests
    assert contest.material == "nearest" and contest.difference > 0
    assert sum(part.differences[0] for part in report.comparison.parts) == pytest.approx(contest.difference + contest.correction, rel=1e-6)
    assert "Verdict: rb2mnf4" in result.stdout
    names = [f"{kind}-{one}.{end}" for one in ("rb2mnf4", "nearest") for kind, end in (("fit", "png"), ("corner", "png"), ("fit", "nxs"))]
    assert sorted(os.listdir(out)) == sorted([*names, "comparison.png", "fit.json"])
    (out / "notes.txt").write_text("mine")
    assert insdl("fit", map_file, "-m", "rb2mnf4", "-o", out, "-q").exit_code == 0
    assert sorted(os.listdir(out)) == ["corner.png", "fit.json", "fit.nxs", "fit.png", "notes.txt"]


def test_interrupted_it_leaves_nothing(insdl, tmp_path, map_file, monkeypatch):
    def interrupted(m, material, *, progress, **options):
        progress(0.5, "fitting")
        raise KeyboardInterrupt

    monkeypatch.setattr("mantid_insdl.cli.fit.fit", interrupted)
    result = insdl("fit", map_file, "-m", "rb2mnf4", "-o", tmp_path / "out", "-q")
    assert result.exit_code == 130 and "interrupted" in result.stderr
    assert os.listdir(tmp_path) == []


def test_materials_after_the_option_are_materials_and_maps_are_not():
    assert spread_materials(["a.nxs", "-m", "rb2mnf4", "own.yaml", "b.nxs", "pcsmo-dimer"]) == [
        *("a.nxs", "-m", "rb2mnf4", "--material", "own.yaml", "b.nxs", "pcsmo-dimer")
    ]
    assert spread_materials(["--material=rb2mnf4", "pcsmo-dimer", "-o", "rb2mnf4"]) == [
        *("--material=rb2mnf4", "--material", "pcsmo-dimer", "-o", "rb2mnf4")
    ]
    assert spread_materials(["-m", "rb2mnf4", "--", "own.yaml"]) == ["-m", "rb2mnf4", "--", "own.yaml"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["-m", "rb2mnf4", "--start", "J9=1"], 5, ["no parameter 'J9'", "J1, J2, D"]),
        (["-m", "rb2mnf4", "--fix", "J9=1"], 5, ["nothing called 'J9'", "J1, J2, D, width"]),
        (["-m", "rb2mnf4", "--start", "J1"], 5, ["name=number"]),
        (["-m", "rb2mnf4", "rb2mnf4"], 5, ["the same"]),
        (["-m", "rb2mnf4", "pcsmo-dimer"], 5, ["different cells"]),
        (["-m", "pcsmo"], 5, ["family", "pcsmo-goodenough"]),
        (["-m", "nosuch.yaml"], 5, ["nosuch.yaml"]),
        (["-m", "rb2mnf4", "pcsmo-dimer", "--fix", "J1=1"], 2, ["--fix goes with one material"]),
        (["-m", "rb2mnf4", "--effort", "huge"], 2, ["fast or full"]),
        (["-m", "rb2mnf4", "--time-limit", "0"], 2, ["--time-limit"]),
        (["-m", "rb2mnf4", "--fwhm", "1", "--instrument", "MAPS"], 2, ["--fwhm cannot go with --instrument"]),
        (["-m", "rb2mnf4", "--intrinsic-fwhm", "wide"], 2, ["--intrinsic-fwhm 'wide' is no width"]),
        (["-m", "rb2mnf4", "--ei", "10", "--ei", "20"], 2, ["--ei is given 2 times"]),
        (["-m", "rb2mnf4", "--select", "9"], 2, ["--select"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_refusals(insdl, tmp_path, map_file, options, code, words):
    insdl.refuses("fit", map_file, *options, "-o", tmp_path / "out", "-q", code=code, words=words)
    assert not (tmp_path / "out").exists()


def test_help_teaches_by_example(insdl):
    text = insdl("fit", "--help").stdout
    assert "Examples:" in text and "insdl fit map.nxs -m rb2mnf4" in text
