"""The tasks in the worker give what the functions give in this process."""

from __future__ import annotations

import importlib
import shutil
from importlib import resources
from types import SimpleNamespace

import numpy as np
import pytest

from mantid_insdl import analysis, examples
from mantid_insdl.analysis.combination import Combined
from mantid_insdl.errors import BundleError, MaterialError, UnsuitableMapError
from mantid_insdl.explain import attribution
from mantid_insdl.maps import Axis, Map, Slices
from mantid_insdl.networks import bundles
from mantid_insdl.simulation import kept
from mantid_insdl.simulation.slices import SliceSimulator, simulate
from mantid_insdl.worker import run_task, stop, tasks

needs_tensorflow = pytest.mark.tensorflow


@pytest.fixture(autouse=True, scope="module")
def no_worker_left():
    stop()
    yield
    stop()


@pytest.fixture(scope="module")
def measured():
    return examples.load()


def near(m: Map, expected: Map, atol: float = 1e-5) -> None:
    """The same map within single precision."""
    m.require_same_axes(expected)
    assert np.array_equal(m.mask, expected.mask) and m.provenance == expected.provenance
    close(dict(m.logs), dict(expected.logs))
    np.testing.assert_allclose(m.intensity, expected.intensity, rtol=1e-3, atol=atol)
    assert (m.error is None) == (expected.error is None)
    if m.error is not None:
        np.testing.assert_allclose(m.error, expected.error, rtol=1e-3, atol=atol)


def close(one: object, other: object) -> None:
    """The same content within single precision."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            close(one[name], other[name])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            close(*pair)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-5, nan_ok=True)
    else:
        assert one == other


def same(one, other):
    one.require_same_axes(other)
    np.testing.assert_array_equal(one.mask, other.mask)
    np.testing.assert_array_equal(one.intensity, other.intensity)
    assert dict(one.logs) == dict(other.logs)
    assert one.provenance == other.provenance


def test_simulate_like_a_map(measured):
    options = {"material": "pcsmo-dimer", "parameters": None, "counts": 1e5, "seed": 3}
    few = measured.select(slice(0, 3))
    reports = []
    outputs, result = run_task("simulate", {"like": few}, options, progress=lambda f, text: reports.append(f))
    assert result == {"remarks": []}
    same(outputs["output"], simulate(**options, like=few))
    assert reports == sorted(reports)
    assert 0 <= min(reports) <= max(reports) <= 1


def test_a_map_with_other_parameters_is_made_with_the_simulator_of_the_one_before(measured, monkeypatch):
    made = []

    class Counted(SliceSimulator):
        def __init__(self, *given, **view):
            made.append(given)
            super().__init__(*given, **view)

    monkeypatch.setattr(kept, "SliceSimulator", Counted)
    tasks._simulators.cache_clear()
    few = measured.select(slice(0, 2))
    for j1 in (0.6, 0.7):
        outputs, _ = tasks.TASKS["simulate"]({"like": few}, {"material": "rb2mnf4", "parameters": {"J1": j1}}, lambda fraction, text: None)
        same(outputs["output"], simulate("rb2mnf4", {"J1": j1}, like=few))
    assert len(made) == 1


def test_simulate_on_axes_of_its_own():
    axis = {"unit": "r.l.u.", "values": [-1.0, -0.25, 0.5], "is_edges": False}
    options = {
        "material": "rb2mnf4",
        "parameters": {"J1": 0.6},
        "slices": {"ei": [30.0, 30.0], "energy_min": [2.0, 4.0], "energy_max": [4.0, 6.0]},
        "qh": {"name": "qh", **axis},
        "qk": {"name": "qk", **axis},
    }
    m = run_task("simulate", {}, options)[0]["output"]
    assert m.shape == (2, 3, 3)
    np.testing.assert_array_equal(m.axes[0].values, axis["values"])
    np.testing.assert_array_equal(m.slices.energy_max, [4, 6])


def test_notes_on_the_material_come_with_its_map(tmp_path, measured):
    text = resources.files("mantid_insdl.materials").joinpath("rb2mnf4.yaml").read_text(encoding="utf-8")
    text = text.replace("closed_form: square-lattice antiferromagnet", "")
    text = text.replace("anisotropy:", "  - {parameter: K, shell: 1}\nanisotropy:")
    text = text.replace("parameters:", 'parameters:\n  - {name: K, value: 0.01, low: -1, high: 1, description: "again"}', 1)
    (tmp_path / "twice.yaml").write_text(text, encoding="utf-8")
    few = Slices([20.0], [2.0], [4.0])
    like = Map(np.ones((1, 3, 3)), (Axis("qh", "r.l.u.", [0, 0.1, 0.2]), Axis("qk", "r.l.u.", [0, 0.1, 0.2])), slices=few)
    (remark,) = run_task("simulate", {"like": like}, {"material": str(tmp_path / "twice.yaml")})[1]["remarks"]
    assert "J1 and K are the same coupling" in remark or "K and J1 are the same coupling" in remark


def test_relative_path_of_a_material_file(tmp_path, monkeypatch, measured):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MaterialError, match=r"größe\.yaml"):
        run_task("simulate", {"like": measured.select(0)}, {"material": "größe.yaml"})


@needs_tensorflow
def test_analyses_give_what_they_give_here_and_always_the_same(measured):
    from mantid_insdl import analysis

    calls = {
        "denoise": (lambda: analysis.denoise(measured), {}),
        "classify": (lambda: analysis.classify(measured), {}),
        "fit_exchange": (lambda: analysis.fit_exchange(measured), {"simulate_fit": True}),
        "explain": (lambda: attribution.importance(measured), {"target": None, "layer": None}),
    }
    answers = {}
    for name, (_, options) in calls.items():
        answers[name] = run_task(name, {"input": measured}, {"model": None, **options})
    stop()  # another worker, another order: the same numbers
    for name, (_, options) in reversed(calls.items()):
        again = run_task(name, {"input": measured}, {"model": None, **options})
        assert again[1] == answers[name][1]
        for output, one in again[0].items():
            same(one, answers[name][0][output])
    # Here the networks compute with as many threads as this process happens to have, and sums of single precision depend on that.
    denoised = calls["denoise"][0]()  # of maps that are simulated with constants drawn from what networks say
    near(answers["denoise"][0]["output"], denoised, atol=1e-3 * np.nanmax(denoised.intensity))
    near(answers["explain"][0]["output"], calls["explain"][0]())
    assert answers["classify"][0] == {}
    close(answers["classify"][1], calls["classify"][0]().to_dict())
    fit = calls["fit_exchange"][0]()
    close(answers["fit_exchange"][1], fit.to_dict())
    near(answers["fit_exchange"][0]["fit"], analysis.simulate_fit(measured, fit))


@needs_tensorflow
def test_bundle_by_a_relative_path_and_a_damaged_one(tmp_path, monkeypatch, measured):
    shutil.copytree(bundles.find_bundle(bundles.default_bundle("denoise", "pcsmo")), tmp_path / "meine Entrauschung λ")
    monkeypatch.chdir(tmp_path)
    m = run_task("denoise", {"input": measured}, {"model": "meine Entrauschung λ"})[0]["output"]
    assert m.shape == measured.shape
    (tmp_path / "meine Entrauschung λ" / "card.json").write_text("{}")
    with pytest.raises(BundleError, match="has format None"):
        run_task("denoise", {"input": measured}, {"model": "meine Entrauschung λ"})
    assert run_task("denoise", {"input": measured}, {"model": ""})[0]["output"].shape == measured.shape


@needs_tensorflow
def test_unsuitable_map_is_the_same_error_as_here(measured):
    blank = measured.replace(intensity=np.full(measured.shape, np.nan))
    with pytest.raises(UnsuitableMapError) as there:
        run_task("denoise", {"input": blank}, {})
    from mantid_insdl.analysis import denoise

    with pytest.raises(UnsuitableMapError) as here:
        denoise(blank)
    assert str(there.value) == str(here.value)


@pytest.mark.parametrize(("reason", "verdict"), [("", "pcsmo-goodenough"), ("The map asks for more.", "undecided")])
def test_network_and_fits_together_have_no_verdict_where_a_map_asks_for_more(monkeypatch, reason, verdict):
    card = SimpleNamespace(materials=("pcsmo-goodenough", "pcsmo-dimer"), family="pcsmo")
    best, asked = SimpleNamespace(material="pcsmo-goodenough", values={"JF1": -11.0}), []
    found = SimpleNamespace(best=best, to_dict=dict)
    monkeypatch.setattr(analysis, "classify", lambda *_, **__: SimpleNamespace(to_dict=dict))
    monkeypatch.setattr(
        importlib.import_module("mantid_insdl.analysis.classify"), "objection_to", lambda *given: asked.append(given) or reason
    )
    monkeypatch.setattr("mantid_insdl.networks.preparation.choose_bundle", lambda *_: SimpleNamespace(card=card))
    monkeypatch.setattr("mantid_insdl.analysis.refinement.starts_by_networks", lambda *_: {})
    monkeypatch.setattr("mantid_insdl.fitting.compare.compare", lambda *_, **__: found)
    together = Combined(card.materials, (0.99, 0.01), "pcsmo-goodenough", ())
    monkeypatch.setattr("mantid_insdl.analysis.combination.combined", lambda *_: together)
    _, answer = tasks._classify({"input": "map"}, {"method": "both"}, lambda *_: None)
    assert answer["combined"]["verdict"] == verdict and answer["combined"]["warnings"] == ([reason] if reason else [])
    assert asked[0][:4] == ("map", card, "pcsmo-goodenough", {"JF1": -11.0})
