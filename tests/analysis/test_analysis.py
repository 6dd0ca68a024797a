"""The analyses on simulated measurements with known answers, with the shipped bundles."""

import numpy as np
import pytest

import mantid_insdl as insdl
from mantid_insdl.analysis import Classification, ExchangeFit, analyse, simulate_fit
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.networks.prediction import logits_of
from mantid_insdl.networks.preparation import choose_bundle, prepare
from mantid_insdl.progress import ignore_progress
from mantid_insdl.simulation.slices import simulate

pytestmark = pytest.mark.tensorflow


def test_both_models_are_recognised(measured, measured_dimer):
    for m, name in ((measured, "pcsmo-goodenough"), (measured_dimer, "pcsmo-dimer")):
        result = insdl.classify(m)
        assert result.verdict == result.most_probable == name and result.in_range
        assert sum(result.probabilities) == pytest.approx(1) and max(result.probabilities) > 0.99


def test_three_of_six_incident_energies_are_enough(measured):
    part = measured.select(np.isin(measured.slices.ei, (25, 50, 100)))
    result = insdl.classify(part)
    assert result.verdict == "pcsmo-goodenough"


@pytest.mark.parametrize("seed", range(3))
def test_noise_alone_gets_no_verdict(measured, seed):
    noise = measured.replace(intensity=np.random.default_rng(seed).normal(0.2, 1, measured.shape), mask=measured.mask)
    result = insdl.classify(noise)
    assert result.verdict not in result.models and not result.in_range


@pytest.mark.parametrize("seed", [5, 8])
def test_denoising_comes_nearer_to_the_truth_and_keeps_everything_else(measured, truth, seed):
    measured = simulate("pcsmo-goodenough", like=truth, counts=3e5, seed=seed).with_mask(measured.mask)
    result = insdl.denoise(measured)
    assert np.array_equal(result.mask, measured.mask)
    assert result.intensity_unit == measured.intensity_unit
    result.require_same_axes(measured)
    assert result.logs["insdl_model"][0] == "pcsmo-denoiser"
    known = ~result.mask & ~truth.mask
    before = np.sqrt(np.mean((measured.intensity - truth.intensity)[known] ** 2))
    after = np.sqrt(np.mean((result.intensity - truth.intensity)[known] ** 2))
    assert after < 0.85 * before
    pull = (result.intensity - truth.intensity)[known] / result.error[known]
    # Its error bars are right for all kinds of measurements together, and wider than need be where nothing but counting disturbs one.
    assert -0.25 < pull.mean() < 0.25 and 0.5 < pull.std() < 1.3
    assert 0.55 < np.mean(np.abs(pull) < 1) < 0.95 and 0.88 < np.mean(np.abs(pull) < 2) < 1


def test_the_scale_of_each_incident_energy_does_not_matter(measured):
    factors = np.where(measured.slices.ei == 50, 1e-4, 1e3)[:, None, None]
    scaled = measured.replace(intensity=measured.intensity * factors, error=measured.error * factors)
    assert insdl.classify(scaled).probabilities == pytest.approx(insdl.classify(measured).probabilities, abs=1e-3)
    denoised = insdl.denoise(scaled).intensity / factors
    assert np.nanmax(np.abs(denoised - insdl.denoise(measured).intensity)) < 1e-3 * np.nanmax(measured.intensity)


def test_answers_do_not_change_from_call_to_call(measured):
    assert insdl.classify(measured) == insdl.classify(measured)
    assert insdl.fit_exchange(measured) == insdl.fit_exchange(measured)


def test_other_pixels_than_those_of_training_are_regridded(measured):
    axes = [Axis(n, RLU, np.linspace(-1.2, 1.2, 61), is_edges=True) for n in ("qh", "qk")]
    other = measured.regrid(*axes)
    result = insdl.denoise(other)
    assert result.shape == other.shape
    # Beyond the training range nothing is said.
    assert result.mask[:, 0, :].all()
    assert np.all(result.mask >= other.mask)
    assert insdl.classify(other).most_probable == "pcsmo-goodenough"
    assert any("re-gridded" in w for w in insdl.classify(other).warnings)


def test_importance_lies_between_zero_and_one_on_the_axes_of_the_map(measured):
    result = insdl.grad_cam(measured)
    result.require_same_axes(measured)
    known = result.intensity[~result.mask]
    assert known.min() >= 0 and known.max() == pytest.approx(1)
    assert result.intensity_unit == "importance"
    # It can tell slices apart: many have little say.
    peak = np.nanmax(result.intensity, axis=(1, 2))
    assert np.mean(peak < 0.1) > 0.2 and peak.min() < 0.03


def test_masking_the_important_pixels_costs_more_than_masking_random_ones(measured, measured_dimer):
    """The score falls more without the pixels the picture points at than without as many random ones.

    For Goodenough it also falls more than without those of the other class's picture. That is not so for the Dimer, and cannot be asked:
    Grad-CAM weighs a slice by its mean gradient, and the network's head weighs places.
    """
    bundle = choose_bundle("classify", measured, None)
    for m, name, sign in ((measured, "pcsmo-goodenough", 1), (measured_dimer, "pcsmo-dimer", -1)):
        known = np.argwhere(~m.mask)
        number = len(known) // 5

        def score(indices, m=m, known=known, sign=sign):
            """Logit of the class above the other's: the probability itself is 1 with and without these pixels."""
            mask = np.zeros(m.shape, bool)
            mask[tuple(known[indices].T)] = True
            outputs, _ = logits_of(bundle, prepare(m.with_mask(mask), bundle.card).inputs, ignore_progress)
            goodenough, dimer = outputs.mean(axis=0).ravel()[:2]
            return sign * (goodenough - dimer)

        pictures = {target: insdl.grad_cam(m, target=target).intensity for target in ("pcsmo-goodenough", "pcsmo-dimer")}
        own, other = pictures.pop(name), pictures.popitem()[1]
        assert np.corrcoef(own[~m.mask], other[~m.mask])[0, 1] < 0.3
        whole = score(np.empty(0, int))
        by_own, by_other = (whole - score(np.argsort(picture[~m.mask])[-number:]) for picture in (own, other))
        by_chance = [whole - score(np.random.default_rng(seed).permutation(len(known))[:number]) for seed in range(2)]
        assert by_own > 1.5 * max(by_chance)
        if name == "pcsmo-goodenough":
            assert by_own > 1.1 * by_other


def rb2mnf4(windows, parameters=None, seed=3, counts=3e5, ei=30.0):
    slices = Slices(np.full(len(windows), ei), *np.transpose(windows))
    axes = {name: Axis(name, RLU, np.linspace(-1, 1, 40)) for name in ("qh", "qk")}
    return simulate("rb2mnf4", parameters, slices=slices, counts=counts, seed=seed, **axes)


def test_exchange_constants_lie_within_their_error_bars():
    windows = [(e, e + 1) for e in range(1, 9)]
    pulls = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        constants = {"J1": rng.uniform(0.4, 1.0), "J2": rng.uniform(-0.03, 0.08), "D": rng.uniform(-0.04, -0.002)}
        result = insdl.fit_exchange(rb2mnf4(windows, constants, seed))
        assert result.names == ("J1", "J2", "D") and result.units == ("meV",) * 3 and result.in_range
        assert result.errors[0] < 0.06
        pulls.append((np.array(result.values) - list(constants.values())) / result.errors)
    assert np.all(np.abs(pulls) < 3)
    assert np.all(np.sqrt(np.mean(np.square(pulls), axis=0)) > 0.15)  # nor are the bars many times too wide


def test_the_error_bar_grows_where_the_window_does_not_fix_the_constant():
    """A window that holds the whole band fixes ratios only; narrow ones fix J1 (see the physics notes)."""
    narrow = insdl.fit_exchange(rb2mnf4([(e, e + 1) for e in range(1, 9)]))
    whole = insdl.fit_exchange(rb2mnf4([(0.3, 15.0)]))
    assert whole.errors[0] > 2 * narrow.errors[0]


def test_the_fit_can_be_seen(measured):
    result = insdl.fit_exchange(measured, "pcsmo-goodenough-exchange")
    fit = simulate_fit(measured, result)
    fit.require_same_axes(measured)
    both = ~(fit.mask | measured.mask)
    assert np.corrcoef(fit.intensity[both], measured.intensity[both])[0, 1] > 0.85  # the noise-free truth: 0.93


def test_the_material_tells_which_exchange_model_to_use(measured):
    assert insdl.fit_exchange(measured).bundle.name == "pcsmo-goodenough-exchange"  # the map says pcsmo-goodenough
    family = measured.replace(material="pcsmo")
    assert insdl.fit_exchange(family).material == insdl.classify(family).most_probable == "pcsmo-goodenough"


def test_all_at_once_with_progress(measured):
    seen = []
    result = analyse(measured.replace(material="pcsmo"), progress=lambda f, t: seen.append(f))
    assert result.classification.most_probable == "pcsmo-goodenough"
    assert result.denoised is not None and result.importance is not None
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(seen) > 8


def test_an_exception_in_progress_stops_the_work(measured):
    class Stop(Exception):
        pass

    def stop(fraction, text):
        raise Stop

    for function in (insdl.denoise, insdl.classify, insdl.fit_exchange, insdl.grad_cam):
        with pytest.raises(Stop):
            function(measured, progress=stop)


def test_results_survive_json(measured):
    import json

    for result, kind in ((insdl.classify(measured), Classification), (insdl.fit_exchange(measured), ExchangeFit)):
        assert kind.from_dict(json.loads(json.dumps(result.to_dict()))) == result
