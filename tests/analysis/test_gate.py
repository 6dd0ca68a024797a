"""The gate by hand: shares, least squares, and the rules of verdicts and constants, where each number follows from a line of algebra."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mantid_insdl.analysis import evidence as gate
from mantid_insdl.analysis.results import Classification, ExchangeFit
from mantid_insdl.errors import BundleError, UnsuitableMapError
from mantid_insdl.fitting import unexplained as measures
from mantid_insdl.fitting.results import Evidence
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.networks.bundles import BundleIdentity, find_bundle, read_card
from mantid_insdl.networks.preparation import prepare
from mantid_insdl.progress import ignore_progress

constants = importlib.import_module("mantid_insdl.analysis.estimate")
verdicts = importlib.import_module("mantid_insdl.analysis.classify")  # the package has a function of that name

IDENTITY = BundleIdentity("toy", "1", "0")


def card(name):
    return read_card(find_bundle(name))


def noise(slices, material, levels=1.0, seed=0):
    """Counting noise of about a hundred neutrons in a pixel at level one."""
    axes = [Axis(n, RLU, np.linspace(-1, 1, 40)) for n in ("qh", "qk")]
    level = np.broadcast_to(levels, slices.size)[:, None, None]
    intensity = level + 0.1 * np.sqrt(level) * np.random.default_rng(seed).normal(size=(slices.size, 40, 40))
    return Map(intensity, axes, slices=slices, material=material)


def windows(number=2, ei=30.0):
    low = 2.0 + np.arange(number)
    return Slices(np.full(number, ei), low, low + 1)


def one_energy(m=None):
    return prepare(noise(windows(), "rb2mnf4") if m is None else m, card("rb2mnf4-exchange"))


def stripes(axis, slices):
    """+1 and -1 in turn, four pixels wide: two axes are orthogonal, and each is its own neighbour in the same measure."""
    sign = np.where(np.arange(40) // 4 % 2, -1.0, 1.0)
    return np.broadcast_to(sign[:, None] if axis == 0 else sign, (slices, 40, 40)).copy()


# ---- the unexplained share


def test_products_of_neighbours_along_both_axes():
    assert measures.neighbours(np.array([[[1.0, 2.0], [3.0, 4.0]]])).tolist() == [[3, 8, 2, 12]]


def test_the_error_of_a_share_is_the_scatter_about_it():
    share, error = measures.share_of(np.full((1, 6), 10.0), np.array([[1.0, 3.0, 1.0, 3.0, 1.0, 3.0]]))
    assert share == pytest.approx(0.2) and error == pytest.approx(np.sqrt(6) / 60)
    assert measures.share_of(np.full((1, 6), 10.0), np.full((1, 6), 4.0)) == pytest.approx((0.4, 0.0))


@pytest.fixture(scope="module")
def two_energies():
    ei = (25, 50)
    slices = Slices.from_bins(ei, [np.linspace(0.1 * e, 0.7 * e, 11) for e in ei])
    return prepare(noise(slices, "pcsmo-goodenough"), card("pcsmo-goodenough-exchange"))


def test_each_incident_energy_has_one_scale(two_energies):
    comparison = gate.Comparison(two_energies, "pcsmo-goodenough")
    simulated = stripes(0, 20)
    comparison.structure = simulated * np.repeat([2.0, 0.5], 10)[:, None, None]
    assert comparison.scaled(simulated) == pytest.approx(comparison.structure)
    comparison.structure = simulated * np.tile([1.0, 3.0], 10)[:, None, None]  # no scale of its own for each window
    assert comparison.scaled(simulated) == pytest.approx(2 * simulated)


def test_shares_of_the_incident_energies_are_in_their_order(two_energies):
    comparison = gate.Comparison(two_energies, "pcsmo-goodenough")
    simulated = stripes(0, 20)
    comparison.structure = np.concatenate((simulated[:10], stripes(1, 10)))  # the second Ei shows something else
    found = comparison.evidence({}, 0.3, simulated)
    assert found.incident_energies == (25, 50) and found.unexplained_by_ei == pytest.approx((0, 1))
    assert found.unexplained == pytest.approx(0.5) and not found.explained


def test_counting_noise_of_bright_and_dim_slices_is_weighted_alike():
    # of levels 2 and 8, that is 0.4 and 1.6 of their mean: variances 0.4 / (0.4 + 0.3) and 1.6 / (1.6 + 0.3) of a unit
    comparison = gate.Comparison(one_energy(noise(windows(), "rb2mnf4", (2.0, 8.0))), "rb2mnf4")
    dim, bright = comparison.structure.std(axis=(1, 2))
    assert bright / dim == pytest.approx(np.sqrt((1.6 / 1.9) / (0.4 / 0.7)), rel=0.05)


def test_pixels_that_are_unknown_and_slices_of_a_few_have_no_structure():
    m = noise(windows(3), "rb2mnf4")
    mask = np.zeros(m.shape, bool)
    mask[0, 10:20] = True
    mask[1:] = True
    mask[1, 5, 5:25] = mask[2, 5, 5:35] = False  # twenty pixels, and thirty
    comparison = gate.Comparison(one_energy(m.with_mask(mask)), "rb2mnf4")
    seen = np.abs(comparison.structure) > 1e-9
    assert np.array_equal(seen[0], ~mask[0]) and np.array_equal(seen[2], ~mask[2]) and not seen[1].any()


def test_windows_above_the_incident_energy_are_refused():
    assert one_energy(noise(Slices([10.0], [8.0], [9.9]), "rb2mnf4")).used.any()
    with pytest.raises(UnsuitableMapError, match="ends above its incident energy"):
        one_energy(noise(Slices([10.0], [8.0], [10.5]), "rb2mnf4"))


# ---- least squares: a map B, its simulation at d as B + d S, with S of the size of B and orthogonal to it


class Linear(gate.Comparison):
    lowest = -np.inf
    asked: list[float]

    def __init__(self, prepared, material):
        super().__init__(prepared, material)
        assert self.known.all()
        self.structure, self.slope = stripes(0, 2), stripes(1, 2)
        type(self).asked = []

    def simulated(self, parameters):
        (d,) = parameters.values()
        self.asked.extend(d.tolist())
        found = self.structure + d[:, None, None, None] * self.slope
        found[d < self.lowest] = np.nan
        return found


def step(start, error, low=-10.0, high=10.0, lowest=-np.inf):
    comparison = Linear(one_energy(), "rb2mnf4")
    comparison.lowest = lowest
    (structure,) = comparison.simulated({"d": np.array([start])})
    found, _ = gate.step(comparison, ["d"], np.array([start]), structure, np.array([error]), np.array([low]), np.array([high]))
    return found[0], comparison


def test_a_step_of_least_squares():
    """The scale is a = 1 / (1 + d^2), the residual (1 - a) B - a d S and, without what a scale does, its slope a^2 (S - d B).

    So the step is -d / a to -d^3 and, with n pixels and damped by an error bar of d / (a sqrt(n)), half of it.
    """
    found, comparison = step(0.2, 1e6)
    assert found == pytest.approx(-(0.2**3), abs=1e-6)
    error = 0.2 * 1.04 / np.sqrt(comparison.structure.size)
    assert step(0.2, error)[0] == pytest.approx(0.2 - 0.5 * 0.2 * 1.04, abs=1e-6)


def test_steps_and_derivatives_stay_in_the_trained_range():
    found, comparison = step(0.2, 1e6, low=0.1, high=0.2)
    assert found == 0.1
    assert min(comparison.asked) >= 0.1 and max(comparison.asked) <= 0.2


def test_a_step_that_gains_nothing_is_not_taken():
    assert step(0.2, 1e6, lowest=0.19)[0] == 0.2  # unstable beyond
    assert step(2.0, 1e6)[0] == pytest.approx(2 - 0.25 * 2 * 5)  # the whole and the half step lead farther away


def explained(monkeypatch, start, limit):
    monkeypatch.setattr(gate, "Comparison", Linear)
    values, found = gate.explain(one_energy(), "rb2mnf4", np.array([start]), np.array([1e6]), {"d": (-10.0, 10.0)}, limit)
    return values[0], found


def test_steps_are_taken_only_where_they_are_needed_and_may_help(monkeypatch):
    value, found = explained(monkeypatch, 0.1, 0.02)  # 0.1^2 / 1.01 is explained as it is
    assert value == 0.1 and found.unexplained == pytest.approx(0.01 / 1.01) and found.explained and Linear.asked == [0.1]
    value, found = explained(monkeypatch, 0.2, 0.02)
    assert value == pytest.approx(0, abs=1e-5) and found.explained and found.parameters == {"d": value}
    value, found = explained(monkeypatch, 2.0, 0.02)  # hopeless
    assert value == 2.0 and found.unexplained == pytest.approx(0.8) and not found.explained and Linear.asked == [2.0]


# ---- which constants are an answer


def evidence(unexplained=0.1, material="rb2mnf4", limit=0.3):
    return Evidence(material, {}, unexplained, 0.01, (30.0,), (unexplained,), (0.01,), limit)


FIRST, ERRORS = np.array([0.6, 0.02, -0.02]), np.array([0.04, 0.003, 0.003])


def estimated(monkeypatch, shift, unexplained, first=FIRST, errors=ERRORS, **changes):
    asked = SimpleNamespace(
        card=card("rb2mnf4-exchange").model_copy(update=changes), arrays={"spread": np.ones(3)}, identity=IDENTITY, path="toy"
    )
    posterior = SimpleNamespace(
        median=first[None], error=errors[None], peaks=lambda: [[v] for v in first], draws=lambda number, rng: np.tile(first, (number, 1))
    )
    monkeypatch.setattr(constants, "ask_posterior", lambda *_: (posterior, []))
    monkeypatch.setattr(gate, "explain", lambda *_: (first + np.array([shift, 0, 0]), evidence(unexplained)))
    return constants.estimate(asked, SimpleNamespace(inputs=None, warnings=("before",)), ignore_progress)


def test_constants_that_explain_the_map_are_given(monkeypatch):
    fit = estimated(monkeypatch, 0.0, 0.1)
    assert fit.in_range and fit.values == pytest.approx(FIRST) and fit.errors == pytest.approx(ERRORS) and fit.warnings == ("before",)


def test_the_way_of_least_squares_is_part_of_the_error_bar(monkeypatch):
    fit = estimated(monkeypatch, 0.03, 0.1)
    assert fit.in_range and fit.values == pytest.approx(FIRST + np.array([0.03, 0, 0]))
    assert fit.errors == pytest.approx([0.05, 0.003, 0.003])  # of 0.04 and 0.03
    assert [w for w in fit.warnings if "least squares moved them (J1 from 0.6 to 0.63" in w]


def test_constants_that_do_not_explain_the_map_are_no_answer(monkeypatch):
    fit = estimated(monkeypatch, 0.03, 0.6)
    assert not fit.in_range and fit.values == pytest.approx(FIRST) and fit.errors == pytest.approx(ERRORS)
    assert [w for w in fit.warnings if "do not explain the map" in w] and not [w for w in fit.warnings if "moved" in w]


def test_an_error_bar_that_reaches_beyond_the_trained_range_is_said(monkeypatch):
    output = card("rb2mnf4-exchange").outputs[0]
    for distance, near in ((0.03, True), (0.05, False)):  # the error bar is 0.04
        fit = estimated(monkeypatch, 0.0, 0.1, first=np.array([output.high - distance, *FIRST[1:]]))
        assert fit.in_range and bool([w for w in fit.warnings if "J1 lies within its error bar of the edge" in w]) is near


@pytest.mark.parametrize(("beyond", "words"), [(0.01, "lies outside"), (-0.005, "lies at the edge of")])
def test_values_beyond_the_trained_range_or_at_its_edge_are_no_answer(monkeypatch, beyond, words):
    output = card("rb2mnf4-exchange").outputs[0]
    first = np.array([output.high + beyond * (output.high - output.low), *FIRST[1:]])
    fit = estimated(monkeypatch, 0.0, 0.1, first=first)
    assert fit.evidence.explained and not fit.in_range and [w for w in fit.warnings if w.startswith(f"J1 {words} the trained range")]
    fit = estimated(monkeypatch, 0.0, 0.1, first=first, errors=np.array([0.9, *ERRORS[1:]]))  # of a spread of 1: nothing is known of J1
    assert fit.in_range and [w for w in fit.warnings if "does not determine J1" in w]


def test_a_model_without_a_limit_gives_no_constants(monkeypatch):
    with pytest.raises(BundleError, match="its card has no unexplained_limit"):
        estimated(monkeypatch, 0.0, 0.1, calibration={})


def test_a_slope_is_taken_the_other_way_where_a_step_is_unstable():
    def simulated(sets):
        j = sets["J"][:, None, None, None]
        return np.where(j > 1, np.nan, 2 * j) * np.ones((1, 1, 2, 2))

    line = SimpleNamespace(simulated=simulated, scaled=lambda structure: structure, groups=[])
    slopes = gate.slopes_of(line, ["J"], np.array([1.0]), np.full((1, 2, 2), 2.0), np.array([0.0]), np.array([2.0]))
    assert slopes == pytest.approx(np.full((1, 1, 2, 2), 2.0))


# ---- when there is a verdict

FIT = ExchangeFit("pcsmo-goodenough", ("J",), (1.0,), (0.1,), ("meV",), True, (), IDENTITY, evidence(0.1, "pcsmo-goodenough"))


TOLD = Classification(("pcsmo-goodenough", "pcsmo-dimer"), (0.99, 0.01), (0.0, 0.0), 0.5, "pcsmo-goodenough", True, (), IDENTITY)


def answers(monkeypatch, told=TOLD, fit=FIT, rival=""):
    """Of networks that say `told`."""
    monkeypatch.setattr(verdicts, "classify", lambda *_, **__: told)
    monkeypatch.setattr(verdicts, "load_bundle", lambda _: SimpleNamespace(card=card("pcsmo-classifier")))
    monkeypatch.setattr(verdicts, "_constants", lambda *_: fit)
    monkeypatch.setattr(verdicts, "objection_to", lambda *_: rival)
    return verdicts.classify_and_estimate(None)


def test_a_verdict_rests_on_its_constants_and_on_no_rival(monkeypatch):
    result, fit = answers(monkeypatch)
    assert (result.verdict, result.in_range, result.warnings) == ("pcsmo-goodenough", True, ())
    assert fit is FIT and result.evidence == FIT.evidence
    disputed, unanswered = answers(monkeypatch, rival="The map is a mixture.")
    assert (disputed.verdict, disputed.in_range, disputed.warnings) == ("undecided", False, ("The map is a mixture.",))
    assert not unanswered.in_range
    for record, kind in ((result, Classification), (fit, ExchangeFit)):
        assert kind.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_a_rival_with_a_share_or_a_constant_that_the_map_asks_for_is_an_objection(monkeypatch):
    asked = []
    for what, stand_in in {
        "prepare": lambda *_: None,
        "ask_constants": lambda *_: (np.zeros(1), None, None),
        "exchange_bundle": lambda *_: SimpleNamespace(card=SimpleNamespace(outputs=[SimpleNamespace(name="J", low=0.0, high=1.0)])),
    }.items():
        monkeypatch.setattr(verdicts, what, stand_in)
    monkeypatch.setattr("mantid_insdl.analysis.evidence.Comparison", lambda _, name: name)
    fitted = type("Fitted", (), {"__init__": lambda self, name, *_: setattr(self, "name", name), "descend": lambda self, *_: self})
    monkeypatch.setattr("mantid_insdl.analysis.rival.Fitted", fitted)
    card = SimpleNamespace(materials=("pcsmo-goodenough", "pcsmo-dimer", "pcsmo-zener"), family="pcsmo")
    for mixed, between, expected in (("", "", ""), ("mixed", "", "mixed"), ("", "between", "between")):
        monkeypatch.setattr("mantid_insdl.analysis.rival.objection", lambda *_, said=mixed: said)
        monkeypatch.setattr("mantid_insdl.analysis.between.objection", lambda one, other, _, said=between: asked.append(other.name) or said)
        assert verdicts.objection_to(None, card, FIT.material, FIT.parameters) == expected
    assert asked == ["pcsmo-dimer", "pcsmo-zener", "pcsmo-dimer"]


def test_a_strange_map_stays_strange_whatever_its_constants(monkeypatch):
    strange = replace(TOLD, strangeness=0.99, verdict="none of these", in_range=False, warnings=("None of these.",))
    result, fit = answers(monkeypatch, strange)
    assert (result.verdict, result.in_range, fit.in_range) == ("none of these", False, False)
    assert "None of these." in fit.warnings
    result, _ = answers(monkeypatch, strange, fit=replace(FIT, in_range=False, warnings=("J lies outside.",)))
    assert (result.verdict, result.in_range) == ("none of these", False)


def test_no_verdict_without_constants_that_are_an_answer(monkeypatch):
    result, fit = answers(monkeypatch, fit=None)
    assert (result.verdict, result.in_range, fit) == ("undecided", False, None)
    result, fit = answers(monkeypatch, fit=replace(FIT, in_range=False, warnings=("J lies outside.",)))
    assert (result.verdict, result.in_range, fit.in_range) == ("undecided", False, False)
    assert "J lies outside." in result.warnings


def test_no_constants_without_a_verdict(monkeypatch):
    result, fit = answers(monkeypatch, replace(TOLD, probabilities=(0.8, 0.2), verdict="undecided"))
    assert (result.verdict, result.in_range, fit.in_range) == ("undecided", True, False)
    assert any("is not decided" in w for w in fit.warnings)
