"""FitExchangeCNN with Refine and MaterialFile, and ClassifyMagneticModel with Method: with the real worker."""

import json
import re

import numpy as np
import pytest
from mantid.api import AnalysisDataService, WorkspaceGroup, mtd
from mantid_helpers import create, new_group, problems

from mantid_insdl import worker
from mantid_insdl.materials import load_material
from mantid_insdl.networks.bundles import find_bundle, read_card
from mantid_insdl.plugin import fits
from mantid_insdl.plugin.workspaces import to_workspace

TRUE = {"J1": 0.7, "J2": 0.03, "D": -0.02}


@pytest.fixture(scope="module")
def measured():
    edges = np.linspace(1, 7, 6)
    axis = {"unit": "r.l.u.", "values": np.linspace(-1, 1, 20).tolist(), "is_edges": False}
    given = {
        "material": "rb2mnf4",
        "parameters": TRUE,
        "slices": {"ei": [25.0] * 5, "energy_min": edges[:-1].tolist(), "energy_max": edges[1:].tolist()},
        "qh": {"name": "qh", **axis},
        "qk": {"name": "qk", **axis},
        "counts": 1e5,
        "seed": 3,
    }
    return worker.run_task("simulate", {}, given)[0]["output"]


@pytest.fixture
def stack(measured):
    AnalysisDataService.addOrReplace("stack", to_workspace(measured))
    return mtd["stack"]


@pytest.fixture
def own_material(tmp_path):
    content = load_material("rb2mnf4").model_dump(mode="json", exclude_defaults=True)
    content.pop("closed_form")
    path = tmp_path / "own.yaml"
    path.write_text(json.dumps(content | {"name": "own", "family": "own"}))  # JSON is YAML
    return str(path)


def rows(name="table"):
    table = mtd[name]
    return {row["Name"]: row for row in (table.row(i) for i in range(table.rowCount()))}


def check_answer(table):
    for name, value in TRUE.items():
        assert abs(table[name]["Value"] - value) < 4 * table[name]["Error"] < 0.15, name


def test_a_fit_without_a_network(stack, measured, own_material, capfd):
    outputs = {"OutputTable": "table", "OutputFitWorkspace": "fit", "OutputResidual": "rest", "OutputNormalisedCovarianceMatrix": "matrix"}
    create("FitExchangeCNN", InputWorkspace="stack", MaterialFile=own_material, **outputs).execute()
    table = rows()
    check_answer(table)
    assert list(mtd["table"].getColumnNames()) == ["Name", "Value", "Error", "Unit"]
    assert list(table) == ["J1", "J2", "D", "width", "blur", "flux", "Cost function value"]
    assert 0.3 < table["Cost function value"]["Value"] < 2
    matrix = rows("matrix")
    assert list(mtd["matrix"].getColumnNames()) == ["Name", "J1", "J2", "D", "width", "blur", "flux"]
    assert [matrix[name][name] for name in matrix] == pytest.approx([100.0] * 6)
    assert matrix["J1"]["J2"] == pytest.approx(matrix["J2"]["J1"]) and -100 < matrix["J1"]["J2"] < 100
    assert isinstance(mtd["fit"], WorkspaceGroup) and mtd["fit"].size() == mtd["rest"].size() == 5
    for i in range(5):
        data, calculated, rest = (mtd[name].getItem(i).extractY() for name in ("stack", "fit", "rest"))
        known = np.isfinite(calculated)
        assert known.sum() > 300
        np.testing.assert_allclose((data - calculated)[known], rest[known], atol=1e-12)
        np.testing.assert_array_equal(mtd["rest"].getItem(i).extractE()[known], mtd["stack"].getItem(i).extractE()[known])
    run = mtd["fit"].getItem(0).run()
    assert run.getProperty("insdl_in_range").value == 1 and run.getProperty("J1").value == table["J1"]["Value"]
    assert not run.hasProperty("insdl_model"), "no network was asked"
    assert "reduced chi-squared" in "".join(capfd.readouterr())


@pytest.mark.tensorflow
def test_a_network_proposes_and_a_fit_decides(stack):
    create("FitExchangeCNN", InputWorkspace="stack", Refine="Fast", OutputTable="table").execute()
    table = rows()
    check_answer(table)
    assert table["J1"]["NetworkError"] > table["J1"]["Error"] and table["J1"]["NetworkValue"] != table["J1"]["Value"]
    assert np.isnan(table["width"]["NetworkValue"])
    create("FitExchangeCNN", InputWorkspace="stack", OutputTable="network").execute()
    alone = rows("network")
    assert list(mtd["network"].getColumnNames()) == ["Name", "Value", "Error", "Unit"]
    for name in TRUE:  # NaN where the network gives no answer by itself
        assert alone[name]["Value"] == table[name]["NetworkValue"] or np.isnan(alone[name]["Value"])


@pytest.mark.slow
def test_a_magnet_in_three_dimensions(repository, tmp_path):
    """That of docs/fit.md."""
    page = (repository / "docs" / "fit.md").read_text(encoding="utf-8")
    (content,) = (one for one in re.findall(r"```yaml\n(.*?)```", page, flags=re.S) if "name: cubic" in one)
    path = tmp_path / "cubic.yaml"
    path.write_text(content)
    true = {"J1": -0.5, "J2": -0.02, "D": -0.2}
    pixels = {
        "QhRange": "-1, 0.1, 1",
        "QkRange": "-1, 0.1, 1",
        "Ei": "25",
        "EnergyBins": "2, 3, 14",
        "Background": 0.1,
        "Counts": 1e5,
        "Seed": 1,
    }
    simulate = create(
        "SimulateSpinWaveMap", MaterialFile=str(path), Parameters="J1=-0.5, J2=-0.02, D=-0.2", OutputWorkspace="cubic", **pixels
    )
    simulate.execute()
    create("FitExchangeCNN", InputWorkspace="cubic", MaterialFile=str(path), OutputTable="table").execute()
    table = rows()
    for name, value in true.items():
        assert abs(table[name]["Value"] - value) < 4 * table[name]["Error"] < 0.4, name


def test_one_slice_gives_one_workspace(measured, own_material):
    create(
        "FitExchangeCNN", InputWorkspace=to_workspace(measured.select([2])), MaterialFile=own_material, OutputTable="t", OutputResidual="r"
    ).execute()
    assert mtd["r"].id() == "Workspace2D"


def test_what_cannot_be_fitted_is_said_at_the_property(stack, own_material, tmp_path):
    given = {"InputWorkspace": "stack", "OutputTable": "table"}
    assert problems("FitExchangeCNN", **given, MaterialFile=own_material) == {}
    assert "no network; clear one" in problems("FitExchangeCNN", **given, MaterialFile=own_material, Model="rb2mnf4-exchange")["Model"]
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: wrong")
    assert "wrong.yaml" in problems("FitExchangeCNN", **given, MaterialFile=str(wrong))["MaterialFile"]
    matrix = {"OutputNormalisedCovarianceMatrix": "matrix"}
    assert "set Refine" in problems("FitExchangeCNN", **given, **matrix)["OutputNormalisedCovarianceMatrix"]
    assert problems("FitExchangeCNN", **given, **matrix, Refine="Full") == {}
    same = problems("FitExchangeCNN", **given, MaterialFile=own_material, OutputNormalisedCovarianceMatrix="TABLE")
    assert "would replace each other" in " ".join(same.values())
    cut = problems("FitExchangeCNN", InputWorkspace=new_group(ei=50.0), OutputTable="t", MaterialFile=own_material)
    assert cut == {}
    with pytest.raises(ValueError):
        create("FitExchangeCNN", Refine="Sometimes")


def test_a_fit_is_cancelled_and_leaves_nothing(stack, own_material, monkeypatch):
    from mantid_insdl.plugin import algorithms as support

    class CancelledError(Exception):
        pass

    def cancel(algorithm, fraction, text):
        if "Fitting" in text:
            raise CancelledError

    monkeypatch.setattr(support, "report", cancel)
    with pytest.raises((CancelledError, RuntimeError)):
        create("FitExchangeCNN", InputWorkspace="stack", MaterialFile=own_material, OutputTable="table", OutputResidual="r").execute()
    assert not {"table", "r"} & set(AnalysisDataService.getObjectNames())
    monkeypatch.undo()
    create("FitExchangeCNN", InputWorkspace="stack", MaterialFile=own_material, OutputTable="table").execute()
    check_answer(rows())


def test_no_answer_has_no_values():
    answer = {
        "names": ["J"],
        "values": [1.0],
        "errors": [0.1],
        "units": ["meV"],
        "in_range": False,
        "network_values": [2.0],
        "network_errors": [3.0],
    }
    answer["fit"] = {"nuisances": [{"name": "width", "value": 1, "error": 1, "unit": "", "fixed": False}], "chi_squared": 9.0}
    columns, rows = fits.parameter_table(answer)
    assert [name for name, _ in columns] == ["Name", "Value", "Error", "Unit", "NetworkValue", "NetworkError"]
    np.testing.assert_equal(rows, [("J", np.nan, np.nan, "meV", 2.0, 3.0)])


# ---- ClassifyMagneticModel


@pytest.fixture
def compared(monkeypatch):
    """The comparison of PCSMO's models takes long: here it is of two fits to the map, in the place of the worker's."""
    asked = []

    def run(algorithm, task, maps, options):
        asked.append((task, dict(options)))
        network = {"models": ["a", "b"], "probabilities": [0.2, 0.8], "uncertainties": [0.1, 0.1], "verdict": "undecided", "in_range": True}
        network |= {"strangeness": 0.25, "warnings": [], "evidence": None, "bundle": {"name": "net", "version": "1", "sha256": "0"}}
        contest = {"material": "b", "difference": 12.0, "deviation": 4.0, "correction": 0.0, "significance": 2.5, "z": 3.0}
        comparison = {
            "materials": ["a", "b"],
            "probabilities": [0.97, 0.03],
            "verdict": "a",
            "best": "a",
            "contests": [contest],
            "evidence": {"unexplained": 0.1, "limit": 0.3},
            "fits": [{"material": "a", "log_likelihood": -10.0}, {"material": "b", "log_likelihood": -22.0}],
            "warnings": ["one warning"],
        }
        together = {"models": ["a", "b"], "probabilities": [0.9, 0.1], "verdict": "undecided", "warnings": ["Network and fits disagree."]}
        found = {"network": network, "fit": {"comparison": comparison}}
        found["both"] = network | found["fit"] | {"combined": together}
        return {}, found[options["method"]]

    monkeypatch.setattr("mantid_insdl.plugin.algorithms.run", run)
    return asked


FIT_COLUMNS = ["LogLikelihood", "z", "FitProbability"]


@pytest.mark.parametrize(
    ("method", "columns", "verdict"),
    [
        ("Network", ["Model", "Probability", "Uncertainty"], "undecided"),
        ("Fit", ["Model", *FIT_COLUMNS], "a"),
        ("Both", ["Model", "Probability", "Uncertainty", *FIT_COLUMNS, "CombinedProbability"], "undecided"),
    ],
)
def test_models_by_network_fit_or_both(method, columns, verdict, compared, capfd):
    group = new_group(store="group")
    create(
        "ClassifyMagneticModel", InputWorkspace=group, Model="pcsmo-classifier", Method=method, OutputTable="t", OutputWorkspace="o"
    ).execute()
    assert compared == [("classify", {"model": "pcsmo-classifier", "denoise": False, "method": method.lower()})]
    table = mtd["t"]
    assert list(table.getColumnNames()) == columns
    assert table.column("Model") == ["a", "b"]
    run = mtd["o"].getItem(0).run()
    assert run.getProperty("insdl_verdict").value == verdict
    printed = "".join(capfd.readouterr())
    if method == "Network":
        assert table.column("Probability") == [0.2, 0.8]
        assert run.getProperty("insdl_strangeness").value == 0.25 and "25.0% of the model's own test maps are less strange" in printed
        return
    assert table.column("LogLikelihood") == [-10.0, -22.0]
    assert table.column("z") == [0.0, 3.0]
    assert table.column("FitProbability") == [0.97, 0.03]
    assert run.getProperty("insdl_unexplained").value == 0.1
    assert "12.0 +- 4.0 larger than that of b" in printed and "one warning" in printed
    assert run.hasProperty("insdl_verdict_network") == (method == "Both") == ("Network and fits disagree" in printed)
    if method == "Both":
        assert table.column("CombinedProbability") == [0.9, 0.1] and "network and fits together: undecided" in printed
        assert [run.getProperty(f"insdl_verdict_{of}").value for of in ("network", "fit")] == ["undecided", "a"]
        assert not run.getProperty("insdl_in_range").value


def test_a_model_that_was_not_fitted_has_no_figures_of_a_fit():
    from mantid_insdl.plugin.fits import model_table

    fit = {"material": "a", "log_likelihood": -1.0}
    comparison = {"materials": ["a"], "probabilities": [1.0], "contests": [], "fits": [fit]}
    answer = {"models": ["a", "z"], "probabilities": [0.2, 0.8], "uncertainties": [0.0, 0.0], "comparison": comparison}
    columns, rows = model_table(answer | {"combined": {"models": ["a", "z"], "probabilities": [0.2, 0.8]}})
    assert len(columns) == 7 and rows[0] == ("a", 0.2, 0.0, -1.0, 0.0, 1.0, 0.2)
    assert rows[1][:3] == ("z", 0.8, 0.0) and np.all(np.isnan(rows[1][3:6])) and rows[1][6] == 0.8


def test_denoised_maps_are_not_fitted(stack):
    found = problems(
        "ClassifyMagneticModel", InputWorkspace=new_group(), OutputTable="t", Method="Fit", Denoise=True, Model="pcsmo-classifier"
    )
    assert "as measured" in found["Denoise"]


def test_the_task_of_the_worker_compares_the_models_of_the_classifier(monkeypatch, measured):
    from mantid_insdl.fitting.compare import compare
    from mantid_insdl.worker.tasks import TASKS

    seen = []

    def record(m, materials, *, start, progress):
        seen.append(tuple(materials))
        assert start == {}  # the networks of PCSMO know nothing of this map
        return compare(
            m, ["rb2mnf4", load_material("rb2mnf4").model_copy(update={"name": "twin", "renormalisation": 1.3})], progress=progress
        )

    monkeypatch.setattr("mantid_insdl.fitting.compare.compare", record)
    _, answer = TASKS["classify"]({"input": measured}, {"model": "pcsmo-classifier", "method": "fit"}, lambda fraction, text: None)
    known = read_card(find_bundle("pcsmo-classifier")).materials
    assert seen == [tuple(known)] and "pcsmo-zener" in known and set(answer) == {"comparison"}
    json.dumps(answer)
