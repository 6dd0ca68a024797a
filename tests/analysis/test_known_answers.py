"""What the analyses make of the outputs of networks, with toy networks that always say the same: every number can be worked out by hand."""

from __future__ import annotations

import json
import shutil
from importlib import import_module

import numpy as np
import pytest
from toys import NOT_STRUCTURE, any_slices, constant_network, save_toy, set_weights, toy_card, toy_strangeness, unit_range

import mantid_insdl as insdl
from mantid_insdl import examples
from mantid_insdl.analysis import simulate_fit
from mantid_insdl.analysis.denoise import filled_pixels
from mantid_insdl.analysis.results import Classification, ExchangeFit
from mantid_insdl.errors import BundleError
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.networks import bundles
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.denoiser import CALIBRATED
from mantid_insdl.networks.joint_estimate import CALIBRATED_JOINTLY
from mantid_insdl.networks.likely import LIKELY
from mantid_insdl.networks.posterior import COMPONENTS, bounded, unbounded
from mantid_insdl.simulation.ensembles import COPIES

STACK = (60, 40, 40)
MODELS = ("pcsmo-goodenough", "pcsmo-dimer")


@pytest.fixture(scope="module")
def measured():
    """A simulated measurement of Goodenough at three incident energies; quicker to read than to simulate."""
    return examples.load()


# ---- which model


def classifier(folder, *logits, none=-50.0, embedding=(0.0, 0.0), temperature=2.0, structure_limit=NOT_STRUCTURE):
    """Networks that always give these logits of the classes, and this one of none of them."""
    limits = {"temperature": temperature, "decided": 0.9, "structure_limit": structure_limit, "false_alarms": 0.05}
    card = any_slices(toy_card("pcsmo-classifier", materials=MODELS, calibration=limits))
    members = [constant_network(STACK, [*one, none], embedding) for one in logits]
    return save_toy(folder / "toy", card, members, toy_strangeness(len(logits)).arrays)


@pytest.mark.tensorflow
def test_probabilities_of_a_toy_ensemble_at_temperature_2(tmp_path, measured):
    odds = np.log([[81.0, 1.0], [9.0, 1.0]])  # at temperature 2: 9 : 1 and 3 : 1
    result = insdl.classify(measured, classifier(tmp_path, *odds))
    assert result.models == MODELS and result.bundle.name == "toy"
    assert result.probabilities == pytest.approx([0.825, 0.175])
    assert result.uncertainties == pytest.approx([0.075, 0.075])
    assert result.verdict == "undecided" and result.in_range and result.strangeness == pytest.approx(0, abs=1e-3)
    assert any("none reaches a probability of 0.9" in w for w in result.warnings)
    assert Classification.from_dict(json.loads(json.dumps(result.to_dict()))) == result


@pytest.mark.tensorflow
@pytest.mark.parametrize(("probability", "verdict"), [(0.89, "undecided"), (0.91, "pcsmo-goodenough"), (0.55, "undecided")])
def test_a_verdict_needs_the_probability_on_the_card(tmp_path, measured, probability, verdict):
    logits = 2 * np.log([probability, 1 - probability])
    result = insdl.classify(measured, classifier(tmp_path, logits))
    assert result.probabilities[0] == pytest.approx(probability)
    assert (result.verdict, result.most_probable) == (verdict, "pcsmo-goodenough")


@pytest.mark.tensorflow
def test_a_map_far_from_those_of_training_shows_none_of_the_models(tmp_path, measured):
    logits = [20.0, -20.0]
    far = insdl.classify(measured, classifier(tmp_path, logits, logits, embedding=(5.8, 7.8)))
    assert (far.verdict, far.in_range, far.most_probable) == ("none of these", False, "pcsmo-goodenough")
    assert far.strangeness == pytest.approx(0.972, abs=1e-3)
    assert [w for w in far.warnings if w.startswith("The map shows none of these models: 97.2%") and "features nearer" in w]
    near = insdl.classify(measured, classifier(tmp_path / "near", logits, logits, embedding=(5.6, 7.5)))
    assert (near.verdict, near.in_range) == ("pcsmo-goodenough", True)
    assert not [w for w in near.warnings if "none of these" in w]


@pytest.mark.tensorflow
@pytest.mark.parametrize(("none", "verdict"), [(19.7, "none of these"), (19.3, "pcsmo-goodenough")])
def test_a_map_that_the_networks_take_for_none_of_the_models(tmp_path, measured, none, verdict):
    """Log odds of -0.3 are those of a share of 0.97 of the models' own maps, of -0.7 those of 0.93."""
    result = insdl.classify(measured, classifier(tmp_path, [20.0, -20.0], none=none))
    assert result.verdict == verdict
    assert bool([w for w in result.warnings if "made to show none" in w]) is (verdict == "none of these")


@pytest.mark.tensorflow
def test_no_verdict_for_a_map_without_structure(tmp_path, measured):
    """The correlation of neighbours cannot exceed about one: with a limit of 2 every map is noise."""
    result = insdl.classify(measured, classifier(tmp_path, [20.0, -20.0], structure_limit=2.0))
    assert (result.verdict, result.in_range) == ("undecided", False)
    assert [w for w in result.warnings if "no more than noise" in w]


# ---- which constants

NAMES, TRUE = tuple(examples.PARAMETERS), np.array(list(examples.PARAMETERS.values()))
SPREAD = np.array([5.0, 0.8, 1.7, 1.7, 0.8, 0.06])


LOW, HIGH = np.array([-20.0, 0, -3, -3, 0, 0]), np.array([-2.0, 3, 3, 3, 3, 0.2])


def regressor(folder, *outputs, embedding=(0.0, 0.0), widening=1.0, **limits):
    arrays = {"low": LOW, "high": HIGH, "spread": SPREAD, **unit_range(len(outputs)).arrays}
    limits = {**unit_range(len(outputs), **limits).calibration, "widening": widening}
    card = any_slices(toy_card("pcsmo-goodenough-exchange"), **limits)
    ranges = zip(card.outputs, LOW, HIGH, strict=True)
    card = card.model_copy(update={"outputs": tuple(o.model_copy(update={"low": a, "high": b}) for o, a, b in ranges)})
    return save_toy(folder / "toy", card, [constant_network(STACK, one, embedding) for one in outputs], arrays)


def outputs(values=TRUE, width=0.1, other=None, share=0.0):
    """Of a mixture: Gaussians of one width in z at the values, and with a share of the weight at others."""
    logits = np.full(COMPONENTS, -50.0)
    logits[:2] = np.log([1 - share + 1e-20, share + 1e-20])
    means, log_precision = np.zeros((COMPONENTS, 6)), np.zeros((COMPONENTS, 6))
    means[0], means[1] = unbounded(values, LOW, HIGH), unbounded(values if other is None else other, LOW, HIGH)
    log_precision[:] = -np.log(np.broadcast_to(width, 6))
    return np.concatenate([logits, means.ravel(), log_precision.ravel(), np.zeros(COMPONENTS * 15)])


def half_width(width, values=TRUE):
    """Half of the central 68 % of a Gaussian of that width in z."""
    z = unbounded(values, LOW, HIGH)
    return (bounded(z + width, LOW, HIGH) - bounded(z - width, LOW, HIGH)) / 2


@pytest.mark.tensorflow
def test_values_and_error_bars_of_a_toy_posterior(tmp_path, measured):
    result = insdl.fit_exchange(measured, regressor(tmp_path, outputs(width=0.05), widening=1.5))
    assert result.names == NAMES and result.units == ("meV",) * 6 and result.material == "pcsmo-goodenough"
    assert result.values == pytest.approx(TRUE, rel=1e-3, abs=1e-3)
    assert result.errors == pytest.approx(half_width(1.5 * 0.05), rel=5e-3)
    assert result.in_range and not [w for w in result.warnings if "outside" in w or "does not determine" in w or "several" in w]
    draws = np.array(result.draws)
    assert draws.shape == (64, 6) and np.all((draws > LOW) & (draws < HIGH))
    assert draws.std(axis=0) / half_width(1.5 * 0.05) == pytest.approx(np.ones(6), abs=0.4)
    assert ExchangeFit.from_dict(result.to_dict()) == result


@pytest.mark.tensorflow
def test_an_ensemble_is_the_mixture_of_its_networks(tmp_path, measured):
    shift = np.array([0.3, 0, 0, 0, 0, 0])
    result = insdl.fit_exchange(measured, regressor(tmp_path, outputs(TRUE + shift, 0.02), outputs(TRUE - shift, 0.02)))
    assert result.values == pytest.approx(TRUE, rel=0.02, abs=5e-3) and result.errors[0] > 0.25


@pytest.mark.tensorflow
def test_two_basins_are_both_named(tmp_path, measured):
    other = TRUE + np.array([0, 0, 2.0, 0, 0, 0])
    result = insdl.fit_exchange(measured, regressor(tmp_path, outputs(other=other, share=0.35, width=0.08)))
    (said,) = [w for w in result.warnings if "several values" in w]
    assert said.startswith(f"The network holds several values of {NAMES[2]} possible, about {TRUE[2]:.3g}"[:52])
    draws = np.array(result.draws)[:, 2]
    assert np.mean(np.abs(draws - other[2]) < 0.5) == pytest.approx(0.35, abs=0.2)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("value", "inside"), [(-19.9, False), (-19.7, True), (-2.1, False), (-2.3, True)])
def test_a_value_at_the_edge_of_its_trained_range_is_out_of_range(tmp_path, measured, value, inside):
    """JF1 was trained from -20 to -2 meV: nothing lies outside, but within a hundredth of the range the truth may."""
    values = np.array(TRUE, float)
    values[NAMES.index("JF1")] = value
    result = insdl.fit_exchange(measured, regressor(tmp_path, outputs(values, 0.01)))
    assert bool([w for w in result.warnings if w.startswith("JF1 lies at the edge of the trained range")]) is not inside
    if not inside:
        assert not result.in_range


@pytest.mark.tensorflow
def test_an_error_bar_as_large_as_the_prior_is_said_to_determine_nothing(tmp_path, measured):
    width = np.full(6, 0.1)
    width[1] = 3.0
    result = insdl.fit_exchange(measured, regressor(tmp_path, outputs(width=width)))
    assert [w.split(":")[0] for w in result.warnings if "does not determine" in w] == ["The map does not determine JA"]


@pytest.mark.tensorflow
def test_constants_of_a_map_too_far_or_without_structure_are_out_of_range(tmp_path, measured):
    far = insdl.fit_exchange(measured, regressor(tmp_path, outputs(), embedding=(3.0, 4.0), distance_limit=4.0))
    assert not far.in_range and [w for w in far.warnings if "distance 1.2 times the limit" in w]
    noise = insdl.fit_exchange(measured, regressor(tmp_path / "noise", outputs(), structure_limit=2.0))
    assert not noise.in_range and [w for w in noise.warnings if "no more than noise" in w]


@pytest.mark.tensorflow
def test_constants_under_an_undecided_model_say_so(tmp_path, measured, monkeypatch):
    for name in ("pcsmo-goodenough-exchange", "pcsmo-dimer-exchange"):
        shutil.copytree(bundles.find_bundle(name), tmp_path / name)
    classifier(tmp_path, 2 * np.log([0.6, 0.4]))
    monkeypatch.setattr(bundles, "models_directory", lambda: tmp_path)
    result = insdl.fit_exchange(measured.replace(material="pcsmo"))
    assert result.material == "pcsmo-goodenough" and result.bundle.name == "pcsmo-goodenough-exchange"
    assert [w for w in result.warnings if "decided" in w and "pcsmo-goodenough" in w]


@pytest.mark.tensorflow
def test_the_fit_is_scaled_to_the_map_with_a_background_for_each_incident_energy(tmp_path, measured):
    """A map made of its own simulation, with another scale and background for each Ei: the fit is the map itself."""
    few = measured.select(slice(2, 30, 10))  # of all three Ei
    fit = insdl.fit_exchange(measured, regressor(tmp_path, outputs()))
    assert fit.parameters == pytest.approx(examples.PARAMETERS, rel=1e-4)
    simulated = insdl.simulate("pcsmo-goodenough", fit.parameters, like=few)
    number = np.searchsorted(few.slices.unique_ei, few.slices.ei)
    scale = np.array([1e-2, 1.0, 1e3])[number][:, None, None]
    background = scale * np.nanmax(simulated.intensity) * np.array([2, 0.1, 1])[number][:, None, None]
    m = few.replace(intensity=scale * simulated.intensity + background)
    found = simulate_fit(m, fit)
    both = ~(found.mask | m.mask)
    assert both.mean() > 0.5
    assert found.intensity[both] == pytest.approx(m.intensity[both], rel=1e-6)
    # Where the kinematics do not reach there is no simulation, so there is no fit either.
    axes = tuple(Axis(name, RLU, np.linspace(-3, 3, 9)) for name in ("qh", "qk"))
    wide = Map(np.random.default_rng(0).random((1, 9, 9)), axes, slices=Slices([25.0], [14.5], [16.0]), material="pcsmo-goodenough")
    mask = simulate_fit(wide, fit).mask[0]
    assert mask[0, 0] and mask[8, 4] and not mask[4, 4] and not mask[3, 4]
    # One Ei of the map is the simulation upside down: no negative scale is fitted, the simulation stays as it is.
    flipped = simulate_fit(m.replace(intensity=np.where(number[:, None, None] == 2, -m.intensity, m.intensity)), fit)
    chosen = both & (number[:, None, None] == 2)
    assert flipped.intensity[chosen] == pytest.approx(simulated.intensity[chosen])
    assert chosen.any() and flipped.intensity[both & ~chosen] == pytest.approx(m.intensity[both & ~chosen], rel=1e-6)


# ---- denoising


def sparse(levels):
    """On the model's own grid, each incident energy at its own level, in every fourth pixel; and the level of each slice."""
    ei = (25, 35, 50, 70, 100, 140)
    slices = Slices.from_bins(ei, [np.linspace(0.1 * e, 0.7 * e, 11) for e in ei])
    axes = tuple(Axis(name, RLU, np.linspace(-1, 1, 40)) for name in ("qh", "qk"))
    level = np.repeat(levels, 10)[:, None, None]
    return Map(level * np.where((np.indices((40, 40)) % 2).any(0), 0.0, 4.0), axes, slices=slices, material="pcsmo"), level


def flat_denoiser(intensity, sigma):
    """Says the same intensity and error everywhere."""
    keras = import_keras()
    layers = keras.layers
    inputs = layers.Input((*STACK, 2), name="stack")
    x = layers.Conv3D(2, 1, name="flat")(inputs)
    network = keras.Model(inputs, x)
    set_weights(network, "flat", 0, [intensity, np.log(sigma)])
    return network


@pytest.mark.tensorflow
def test_a_toy_denoiser_whose_intensity_and_error_are_known(tmp_path):
    network = flat_denoiser(intensity=1.0, sigma=0.2)  # in units of the scale of each incident energy
    factors = dict(zip(CALIBRATED, (1.5, 4.0), strict=True))
    card = any_slices(toy_card("pcsmo-denoiser"), **factors)
    alone = {name: value for name, value in card.calibration.items() if name not in CALIBRATED_JOINTLY}
    folder = save_toy(tmp_path / "toy", card.model_copy(update={"calibration": alone}), [network])

    m, level = sparse(10.0 ** np.arange(-2, 4))
    gap = np.zeros(m.shape, bool)
    gap[:, 10:12] = gap[7] = True  # two rows, and one whole slice
    result = insdl.denoise(m.with_mask(gap), folder)
    assert np.array_equal(result.mask, gap)
    for found, wanted in ((result.intensity, 1.0), (result.error, 1.5 * 0.2)):
        assert (found / level)[~gap] == pytest.approx(wanted, rel=1e-4)
    assert {name: value for name, (value, _) in result.logs.items() if name.startswith("insdl_model")}["insdl_model"] == "toy"

    whole = insdl.denoise(m.with_mask(gap), folder, fill_gaps=True)
    assert whole.mask[7].all() and whole.mask.sum() == gap[7].sum()  # of a slice without data nothing is said
    filled = filled_pixels(m.with_mask(gap), whole)
    assert np.array_equal(filled, gap & ~whole.mask)
    assert (whole.error / level)[filled] == pytest.approx(4.0 * 0.2, rel=1e-4)
    assert (whole.error / level)[~gap] == pytest.approx(1.5 * 0.2, rel=1e-4)
    assert "not measured" in whole.provenance[-1] and not [p for p in result.provenance if "not measured" in p]


def test_a_toy_denoiser_beside_simulations(tmp_path, measured, monkeypatch):
    card = any_slices(toy_card("pcsmo-denoiser"))
    arrays = bundles.load_bundle("pcsmo-denoiser").arrays
    slices = measured.require_slices()
    of = slices.ei == 50.0
    one = measured.replace(intensity=measured.intensity[of], error=measured.error[of], mask=measured.mask[of], slices=slices[of])
    said = []
    with pytest.raises(BundleError, match="parameter sets"):
        insdl.denoise(one, save_toy(tmp_path / "without", card, [flat_denoiser(1.0, 0.2)]))
    folder = save_toy(tmp_path / "toy", card, [flat_denoiser(intensity=1.0, sigma=0.2)], arrays)
    asked, denoising = [], import_module("mantid_insdl.analysis.denoise")
    answer = denoising.joint_estimate
    monkeypatch.setattr(denoising, "joint_estimate", lambda *given: asked.append(given) or answer(*given))
    result = insdl.denoise(one, folder, progress=lambda fraction, text: said.append(fraction))
    prior, likely = (len(members) for members in (denoising._kept.popitem()[1], asked[0][2]))
    assert likely - prior > 0.8 * LIKELY * COPIES  # magnets that other networks hold likely are among the simulations
    assert said == sorted(said) and said[-1] == 1.0 and len(said) > 10
    assert any("from simulations on the same slices" in line for line in result.provenance)
    alone = insdl.denoise(one, folder, simulations=False)
    assert np.ptp(alone.intensity[~alone.mask]) < 1e-3 * alone.intensity[~alone.mask].mean()  # flat, as the network says
    best = insdl.denoise(one)
    alike = [np.corrcoef(result.intensity[i][~result.mask[i]], best.intensity[i][~best.mask[i]])[0, 1] for i in range(len(one.intensity))]
    assert np.median(alike) > 0.9  # of the flat answer nothing is left
