"""What the analyses make of the outputs of networks, with toy networks that always say the same: every number can be worked out by hand."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from toys import constant_network, save_toy, set_weights, toy_card, unit_range

import mantid_insdl as insdl
from mantid_insdl import examples
from mantid_insdl.analysis import simulate_fit
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.networks import bundles
from mantid_insdl.networks.backend import import_keras

STACK = (60, 40, 40)
MODELS = ("pcsmo-goodenough", "pcsmo-dimer")


@pytest.fixture(scope="module")
def measured():
    """A simulated measurement of Goodenough at three incident energies; quicker to read than to simulate."""
    return examples.load()


# ---- which model


def classifier(folder, *logits, embedding=(0.0, 0.0), temperature=2.0, **limits):
    calibration = {"temperature": temperature, "decided": 0.9, **unit_range(len(logits), **limits).calibration}
    members = [constant_network(STACK, one, embedding) for one in logits]
    return save_toy(folder / "toy", toy_card("pcsmo-classifier", calibration=calibration), members, unit_range(len(logits)).arrays)


@pytest.mark.tensorflow
def test_probabilities_of_a_toy_ensemble_at_temperature_2(tmp_path, measured):
    odds = np.log([[81.0, 1.0], [9.0, 1.0]])  # at temperature 2: 9 : 1 and 3 : 1
    result = insdl.classify(measured, classifier(tmp_path, *odds))
    assert result.models == MODELS and result.bundle.name == "toy"
    assert result.probabilities == pytest.approx([0.825, 0.175])
    assert result.uncertainties == pytest.approx([0.075, 0.075])
    assert result.verdict == "undecided" and result.in_range
    assert any("No model reaches a probability of 0.9" in w for w in result.warnings)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("probability", "verdict"), [(0.89, "undecided"), (0.91, "pcsmo-goodenough"), (0.55, "undecided")])
def test_a_verdict_needs_the_probability_on_the_card(tmp_path, measured, probability, verdict):
    logits = 2 * np.log([probability, 1 - probability])
    result = insdl.classify(measured, classifier(tmp_path, logits))
    assert result.probabilities[0] == pytest.approx(probability)
    assert (result.verdict, result.most_probable) == (verdict, "pcsmo-goodenough")


@pytest.mark.tensorflow
def test_no_verdict_for_a_map_too_far_from_those_of_training(tmp_path, measured):
    logits = [20.0, -20.0]
    far = insdl.classify(measured, classifier(tmp_path, logits, logits, embedding=(3.6, 4.8), distance_limit=4.0))
    assert (far.verdict, far.in_range, far.most_probable) == ("undecided", False, "pcsmo-goodenough")
    assert [w for w in far.warnings if "distance 1.5 times the limit" in w]
    near = insdl.classify(measured, classifier(tmp_path / "near", logits, logits, embedding=(3.6, 4.8), distance_limit=6.1))
    assert (near.verdict, near.in_range) == ("pcsmo-goodenough", True)
    assert not [w for w in near.warnings if "unlike" in w]


@pytest.mark.tensorflow
def test_no_verdict_for_a_map_without_structure(tmp_path, measured):
    """The correlation of neighbours cannot exceed about one: with a limit of 2 every map is noise."""
    result = insdl.classify(measured, classifier(tmp_path, [20.0, -20.0], structure_limit=2.0))
    assert (result.verdict, result.in_range) == ("undecided", False)
    assert [w for w in result.warnings if "no more than noise" in w]


# ---- which constants

NAMES, TRUE = tuple(examples.PARAMETERS), np.array(list(examples.PARAMETERS.values()))
SPREAD = np.array([5.0, 0.8, 1.7, 1.7, 0.8, 0.06])


def regressor(folder, *outputs, embedding=(0.0, 0.0), factor=1.0, mean=TRUE, **limits):
    """Outputs are standardised means, then logs of standardised sigmas."""
    arrays = {"mean": mean, "spread": SPREAD, "sigma_factor": factor * np.ones(6), **unit_range(len(outputs)).arrays}
    card = toy_card("pcsmo-goodenough-exchange", calibration=unit_range(len(outputs), **limits).calibration)
    return save_toy(folder / "toy", card, [constant_network(STACK, one, embedding) for one in outputs], arrays)


def outputs(centre=0.0, sigma=0.1):
    return np.concatenate([np.broadcast_to(centre, 6), np.log(np.broadcast_to(sigma, 6))])


@pytest.mark.tensorflow
def test_values_and_error_bars_of_a_toy_ensemble_with_error_bar_factors(tmp_path, measured):
    factor = np.array([1, 1.5, 2, 0.5, 3, 1])
    result = insdl.fit_exchange(measured, regressor(tmp_path, outputs(0.1, 0.03), outputs(-0.1, 0.05), factor=factor))
    assert result.names == NAMES and result.units == ("meV",) * 6 and result.material == "pcsmo-goodenough"
    assert result.values == pytest.approx(TRUE)
    # The mixture's variance: the mean of 0.03^2 and 0.05^2, and the variance of the means +-0.1.
    assert result.errors == pytest.approx(SPREAD * factor * np.sqrt((0.03**2 + 0.05**2) / 2 + 0.01))
    assert result.in_range and not [w for w in result.warnings if "outside" in w or "does not determine" in w]
    shifted = insdl.fit_exchange(measured, regressor(tmp_path / "shifted", outputs(np.array([1.5, 0, 0, 0, -0.5, 0]))))
    assert np.array(shifted.values) - TRUE == pytest.approx(np.array([7.5, 0, 0, 0, -0.4, 0]), abs=1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("name", "centre", "inside"), [("JF1", -1.8, True), ("JF1", -1.9, False), ("JF1", 1.74, True), ("JF1", 1.78, False)]
)
def test_a_value_beyond_its_trained_range_is_out_of_range(tmp_path, measured, name, centre, inside):
    """JF1 was trained from -20 to -2.006 meV: 1.84 spreads below its value, and 1.76 above."""
    means = np.zeros(6)
    means[NAMES.index(name)] = centre
    result = insdl.fit_exchange(measured, regressor(tmp_path, outputs(means)))
    assert bool([w for w in result.warnings if w.startswith(f"{name} lies outside the trained range")]) is not inside
    if not inside:
        assert not result.in_range


@pytest.mark.tensorflow
def test_an_error_bar_as_large_as_the_prior_is_said_to_determine_nothing(tmp_path, measured):
    sigma = np.array([0.79, 0.81, 0.1, 0.1, 0.1, 0.1])
    result = insdl.fit_exchange(measured, regressor(tmp_path, outputs(0, sigma)))
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
    assert fit.parameters == pytest.approx(examples.PARAMETERS)
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


@pytest.mark.tensorflow
def test_a_toy_denoiser_whose_intensity_and_error_are_known(tmp_path):
    keras = import_keras()
    layers = keras.layers
    inputs = layers.Input((*STACK, 2), name="stack")
    x = layers.TimeDistributed(layers.Conv2D(1, 1), name="flat")(inputs)
    network = keras.Model(inputs, layers.Reshape(STACK)(x))
    set_weights(network, "flat", 0, 1)  # one everywhere, in units of the scale of each incident energy
    pixels = np.prod(STACK)
    arrays = {"components_mean": np.full(pixels, 0.2), "components_basis": np.zeros((1, pixels)), "components_variance": np.ones(1)}
    errors = {"network_weight": 0.75, "error_constant": 0.2, "error_relative": 0.1, "error_noise": 0.5}
    folder = save_toy(tmp_path / "toy", toy_card("pcsmo-denoiser", calibration=errors), [network], arrays)

    m, level = sparse(10.0 ** np.arange(-2, 4))
    gap = np.zeros(m.shape, bool)
    gap[:, 10:12] = gap[7] = True  # two rows, and one whole slice
    result = insdl.denoise(m.with_mask(gap), folder)
    assert np.array_equal(result.mask, gap)
    estimate = 0.75 * 1 + 0.25 * 0.2
    noise = np.sqrt(((4.0 - estimate) ** 2 + 3 * estimate**2) / 4)
    error = np.sqrt(0.2**2 + (0.1 * estimate) ** 2 + (0.5 * noise) ** 2)
    for found, wanted in ((result.intensity, estimate), (result.error, error)):
        assert (found / level)[~gap] == pytest.approx(wanted, rel=1e-4)
    assert {name: value for name, (value, _) in result.logs.items() if name.startswith("insdl_model")}["insdl_model"] == "toy"

    # A window that fills less than half of one of the model's energy bins is not looked at, so nothing is said of it.
    low, high = (np.array(x) for x in (m.slices.energy_min, m.slices.energy_max))
    high[5] = low[5] + 0.4 * (high[5] - low[5])
    narrow = insdl.denoise(m.replace(slices=Slices(m.slices.ei, low, high)), folder)
    assert narrow.mask[5].all() and not narrow.mask[4].any() and not narrow.mask[6].any()
