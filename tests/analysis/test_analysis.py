"""The analyses on simulated measurements with known answers, with the shipped bundles."""

import numpy as np
import pytest

import mantid_insdl as insdl
from mantid_insdl.analysis import Classification, ExchangeFit, analyse, simulate_fit
from mantid_insdl.analysis.ensemble import ask
from mantid_insdl.analysis.preparation import choose_bundle, prepare
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.progress import ignore_progress
from mantid_insdl.simulation.slices import simulate

pytestmark = pytest.mark.tensorflow


def test_both_models_are_recognised(measured, measured_dimer):
    for m, name in ((measured, "pcsmo-goodenough"), (measured_dimer, "pcsmo-dimer")):
        result = insdl.classify(m)
        assert result.most_probable == name
        assert sum(result.probabilities) == pytest.approx(1)
        assert result.in_range


def test_three_of_six_incident_energies_are_enough(measured):
    part = measured.select(np.isin(measured.slices.ei, (25, 50, 100)))
    result = insdl.classify(part)
    assert result.most_probable == "pcsmo-goodenough"
    assert any("35, 70, 140 meV are missing" in w for w in result.warnings)


def test_noise_alone_gets_no_verdict(measured):
    rng = np.random.default_rng(1)
    noise = measured.replace(intensity=rng.normal(0.2, 1, measured.shape), mask=measured.mask)
    assert insdl.classify(noise).verdict == "undecided"


def test_denoising_comes_nearer_to_the_truth_and_keeps_everything_else(measured, truth):
    result = insdl.denoise(measured)
    assert np.array_equal(result.mask, measured.mask)
    assert result.intensity_unit == measured.intensity_unit
    result.require_same_axes(measured)
    assert result.logs["insdl_model"][0] == "pcsmo-denoiser"
    known = ~result.mask & ~truth.mask
    before = np.sqrt(np.mean((measured.intensity - truth.intensity)[known] ** 2))
    after = np.sqrt(np.mean((result.intensity - truth.intensity)[known] ** 2))
    assert after < 0.6 * before
    pull = (result.intensity - truth.intensity)[known] / result.error[known]
    assert 0.3 < np.std(pull) < 3


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
    # It can tell slices apart.
    peak = np.nanmax(result.intensity, axis=(1, 2))
    assert peak.max() > 3 * np.median(peak) or peak.min() < 0.3


def test_importance_of_one_class_is_not_that_of_the_other(measured):
    one, other = (insdl.grad_cam(measured, target=name) for name in ("pcsmo-goodenough", "pcsmo-dimer"))
    assert np.nanmax(np.abs(one.intensity - other.intensity)) > 0.1


def test_masking_the_important_pixels_costs_more_than_masking_any_others(measured, measured_dimer):
    """The picture of why must be true: the score falls more without the pixels it points at than without as many random ones."""
    for m, name in ((measured, "pcsmo-goodenough"), (measured_dimer, "pcsmo-dimer")):
        importance = np.nan_to_num(insdl.grad_cam(m, target=name).intensity)
        known = np.argwhere(~m.mask)
        number = len(known) // 5
        most = np.argsort([importance[tuple(i)] for i in known])[-number:]
        random = np.random.default_rng(0).permutation(len(known))[:number]

        def score(indices, m=m, known=known, name=name):
            """Logit of the class above the other's: the probability itself is 1 with and without these pixels."""
            mask = np.zeros(m.shape, bool)
            mask[tuple(known[indices].T)] = True
            bundle = choose_bundle("classify", m, None)
            outputs, _ = ask(bundle, prepare(m.with_mask(mask), bundle.card).inputs, ignore_progress)
            goodenough, dimer = outputs.mean(axis=0)
            return goodenough - dimer if name == "pcsmo-goodenough" else dimer - goodenough

        assert score(most) < score(random)


def rb2mnf4(windows, parameters=None, seed=3, counts=3e5, ei=30.0):
    slices = Slices(np.full(len(windows), ei), *np.transpose(windows))
    axes = {name: Axis(name, RLU, np.linspace(-1, 1, 40)) for name in ("qh", "qk")}
    return simulate("rb2mnf4", parameters, slices=slices, counts=counts, seed=seed, **axes)


def test_exchange_constants_of_one_stack_lie_within_their_error_bars():
    windows = [(e, e + 1) for e in range(1, 9)]
    result = insdl.fit_exchange(rb2mnf4(windows, {"J1": 0.65, "J2": 0.012, "D": -0.01}))
    assert result.names == ("J1", "J2", "D") and result.units == ("meV",) * 3
    pulls = (np.array(result.values) - [0.65, 0.012, -0.01]) / result.errors
    assert np.all(np.abs(pulls) < 4)
    assert result.errors[0] < 0.1


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
    assert np.corrcoef(fit.intensity[both], measured.intensity[both])[0, 1] > 0.3


def test_the_material_tells_which_exchange_model_to_use(measured):
    assert insdl.fit_exchange(measured).bundle.name == "pcsmo-goodenough-exchange"  # the map says pcsmo-goodenough
    family = measured.replace(material="pcsmo")
    assert insdl.fit_exchange(family).material == insdl.classify(family).most_probable


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
