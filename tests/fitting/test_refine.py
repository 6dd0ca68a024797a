"""Fits: known parameters are found again, and what cannot be found is said."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.optimize import minimize
from toy_calculation import PARAMETERS, Toy, empty, measured, parameter, waves

from mantid_insdl.errors import InstabilityError, MaterialError
from mantid_insdl.fitting.likelihood import Likelihood
from mantid_insdl.fitting.refine import FINE, Refinement, fit, fit_calculation
from mantid_insdl.maps import MEV, RLU, Axis, Map, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.simulation.slices import simulate
from mantid_insdl.simulation.spectra import simulate_cut, simulate_powder

TRUTH = {"J1": 0.7, "J2": 0.02, "D": -0.01}


def slices(edges=(1, 2, 3, 4, 5, 6, 7), points: int = 24, **options) -> Map:
    axis = np.linspace(-0.95, 0.95, points)
    windows = Slices.from_bins([12.0], [np.array(edges, float)])
    settings = {"counts": 2e5, "background": 0.02, "seed": 1} | options
    return simulate("rb2mnf4", TRUTH, slices=windows, qh=Axis("qh", RLU, axis), qk=Axis("qk", RLU, axis), **settings)


def check(found, truth=TRUTH, within=3.5):
    for one in found.parameters:
        assert abs(one.value - truth[one.name]) < within * one.error, one
        assert one.error < 0.3 * (one.high - one.low)


@pytest.mark.parametrize("neutron", [0.05, 3.0])
def test_least_squares_end_where_the_cost_is_least(neutron):
    likelihood = Likelihood(Toy(measured(0.45, 0.95, neutron=neutron, seed=1), PARAMETERS, waves))
    likelihood.weigh(likelihood.points(np.array([[0.45, 0.95]]))[0])
    found = Refinement(likelihood).descend(np.array([0.42, 0.97]), FINE)
    best = minimize(lambda x: likelihood.points(x[None])[0].cost, found.theta, method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-6})
    assert found.cost == pytest.approx(best.fun, abs=0.01)


def test_a_toy_with_other_scales_and_backgrounds_for_each_ei():
    found = fit_calculation(Toy(measured(0.45, 0.95), PARAMETERS, waves))
    check(found, {"a": 0.45, "b": 0.95})
    assert all(one.error < 0.01 for one in found.parameters)
    np.testing.assert_allclose(found.scale, (3.0, 1.0), rtol=0.05)
    assert found.incident_energies == (20.0, 60.0)
    assert found.finished


def test_error_bars_are_the_scatter_of_repeated_measurements():
    found = [fit_calculation(Toy(measured(0.45, 0.95, seed=seed), PARAMETERS, waves), start={}) for seed in range(40)]
    for name in ("a", "b"):
        scatter = np.std([one.values[name] for one in found])
        assert np.median([one.errors[name] for one in found]) == pytest.approx(scatter, rel=0.35)


def test_slices_of_rb2mnf4_from_a_blind_start():
    found = fit(slices(), "rb2mnf4")
    check(found)
    assert found.model.shape == found.data.shape
    assert not found.others


def test_a_start_far_away_is_followed():
    found = fit(slices(), "rb2mnf4", start={"J1": 0.6, "D": -0.03})
    check(found)


def test_a_cut_and_a_powder_map():
    energy = Axis("energy", MEV, np.linspace(0.5, 8, 20))
    rng = np.random.default_rng(0)
    cut = simulate_cut("rb2mnf4", TRUTH, corners=[[0.5, 0.5, 0], [1, 0, 0], [1, 1, 0]], points=50, energy=energy, ei=12.0)
    powder = simulate_powder(
        "rb2mnf4", TRUTH, q=Axis("q", "1/angstrom", np.linspace(0.6, 2.4, 12)), energy=energy, ei=12.0, directions=2000
    )
    for m in (cut, powder):
        level = 0.02 * np.nanmax(m.intensity)
        noisy = m.replace(intensity=m.intensity + level + level * rng.normal(size=m.shape), material=None)
        found = fit(noisy, "rb2mnf4", start={"J1": 0.66}, fixed={"D": -0.01})
        assert found.values["J1"] == pytest.approx(0.7, abs=max(4 * found.errors["J1"], 0.005))
        assert found.errors["J1"] < 0.03


def test_hot_pixels_change_little():
    m = slices()
    hot = np.array(m.intensity)
    hot[:, 5, 7] = hot[:, 16, 3] = 50 * np.nanmax(hot)
    good, spoiled = (fit(x, "rb2mnf4", start=TRUTH) for x in (m, m.replace(intensity=hot)))
    for one, other in zip(good.parameters, spoiled.parameters, strict=True):
        assert abs(one.value - other.value) < 1.5 * one.error


def test_other_scales_and_units_change_nothing():
    m = slices()
    one, other = fit(m, "rb2mnf4", start=TRUTH), fit(m.scaled(1e6), "rb2mnf4", start=TRUTH)
    np.testing.assert_allclose(list(one.values.values()), list(other.values.values()), rtol=1e-3)
    np.testing.assert_allclose(list(one.errors.values()), list(other.errors.values()), rtol=0.02)


def test_a_window_above_the_band_tells_nothing():
    found = fit(slices((9, 10, 11), background=0.05), "rb2mnf4")
    assert not any(one.determined for one in found.parameters)
    assert any("no signal to fit" in said for said in found.warnings)


def test_no_magnetic_signal_gives_no_answer():
    m = slices()
    noise = m.replace(intensity=np.random.default_rng(3).poisson(5.0, m.shape).astype(float), error=None)
    found = fit(noise, "rb2mnf4")
    assert not any(one.determined for one in found.parameters)
    assert any("no signal to fit" in said for said in found.warnings)


def test_one_slice():
    found = fit(slices((3, 4)), "rb2mnf4", fixed={"D": -0.01, "J2": 0.02})
    assert found.values["J1"] == pytest.approx(0.7, abs=4 * found.errors["J1"])
    assert 0 < found.errors["J1"] < 0.05


def test_a_parameter_that_changes_nothing():
    def first_alone(toy, a, b):
        return waves(toy, a, 0.95)

    found = fit_calculation(Toy(measured(0.45, 0.95), PARAMETERS, first_alone))
    a, b = found.parameters
    assert a.determined
    assert not b.determined
    assert "The map does not determine b: its error bar is no smaller than its range, 0.7 to 1.2 meV." in found.warnings


def test_two_minima_that_the_map_cannot_tell_apart_are_both_given():
    def squared(toy, a, b):
        return waves(toy, np.sqrt(abs(a * a - 0.05)) + 0.2, b)

    found = fit_calculation(Toy(measured(0.45, 0.95), [parameter("a", 0.1, -0.6, 0.6), PARAMETERS[1]], squared), effort="full")
    (other,) = found.others
    assert found.values["a"] == pytest.approx(-other["a"], rel=0.02)


def test_one_magnet_by_two_names_is_one_answer():
    def either(toy, a, b):
        return waves(toy, a, 0) + waves(toy, b, 0)

    data = either(Toy(empty(), PARAMETERS, either), 0.4, 0.9)
    noise = 0.02 * np.random.default_rng(3).normal(size=data.size)
    both = [parameter(name, 0.6, 0.2, 1.2) for name in ("a", "b")]
    toy = Toy(empty().replace(intensity=Toy(empty(), PARAMETERS, either).full(data + noise)), both, either)
    starts = [{"a": 0.45, "b": 0.85}, {"a": 0.85, "b": 0.45}]
    (other,) = fit_calculation(toy, start=starts).others
    assert sorted((other["a"], other["b"])) == pytest.approx([0.4, 0.9], abs=0.02)
    toy.material.interchangeable = [(["a"], ["b"])]
    for start in starts:
        found = fit_calculation(toy, start=start)
        assert (found.values["a"], found.values["b"]) == pytest.approx((0.9, 0.4), abs=0.02)
    found = fit_calculation(toy, start=starts)
    assert not found.others and found.values["a"] > found.values["b"]
    # where one of them is fixed, they are not: the other takes the place that is left
    assert fit_calculation(toy, start={"a": 0.45}, fixed={"b": 0.9}).values["a"] == pytest.approx(0.4, abs=0.02)


def test_one_pair_of_interchangeable_parameters_alone_is_tried_the_other_way_round():
    """Of (a, c) and (b, d) the rings of c and d differ in brightness as a and b do: little, so that (d, c) is nearly as good."""

    def image(toy, a, b, c, d):
        return waves(toy, a, 0) + waves(toy, b, 0) + (1 + 0.3 * (a - b)) * waves(toy, c, 0) + (1 + 0.3 * (b - a)) * waves(toy, d, 0)

    parameters = [
        parameter("a", 0.4, 0.1, 0.6),
        parameter("b", 0.4, 0.1, 0.6),
        parameter("c", 0.9, 0.6, 1.3),
        parameter("d", 0.9, 0.6, 1.3),
    ]
    truth = {"a": 0.37, "b": 0.3, "c": 0.8, "d": 1.05}
    wrong = truth | {"c": truth["d"], "d": truth["c"]}

    def fitted(noise):
        noisy = image(Toy(empty(), parameters, image), *truth.values())
        noisy += noise * np.random.default_rng(1).normal(size=noisy.size)
        toy = Toy(empty().replace(intensity=Toy(empty(), parameters, image).full(noisy)), parameters, image)
        toy.material.interchangeable = [(["a", "c"], ["b", "d"])]
        return fit_calculation(toy, start=wrong)

    sure = fitted(0.05)
    assert sure.values == pytest.approx(truth, abs=0.03) and not sure.others
    (other,) = fitted(0.25).others  # which the noise does not rule out
    assert abs(other["c"] - other["d"]) > 0.15


def test_it_stops_at_instability():
    def bounded(toy, a, b):
        return None if a > 0.42 else waves(toy, a, b)

    found = fit_calculation(Toy(measured(0.45, 0.95), PARAMETERS, bounded), start={"a": 0.38, "b": 0.9})
    a, b = found.parameters
    assert 0.415 < a.value <= 0.42
    assert b.value == pytest.approx(0.95, abs=0.01)  # which is not held up by it
    assert np.isfinite(a.error)


def test_a_start_that_is_unstable_is_left():
    found = fit(slices(), "rb2mnf4", start={"J1": 0.2, "J2": 0.11})
    assert any("not stable at the values to start from" in said for said in found.warnings)
    check(found)


def test_nowhere_stable():
    with pytest.raises(InstabilityError, match="none of"):
        fit_calculation(Toy(measured(0.45, 0.95), PARAMETERS, lambda toy, a, b: None))


def test_all_parameters_fixed():
    found = fit(slices(), "rb2mnf4", fixed=TRUTH, nuisances=())
    assert found.free == ()
    assert found.values == TRUTH
    assert all(one.fixed and one.error == 0 for one in found.parameters)
    assert found.covariance.shape == (0, 0)


def test_fixed_values_stay():
    found = fit(slices(), "rb2mnf4", fixed={"D": -0.01, "width": 1.0})
    assert "D" not in found.free
    assert "width" not in found.free
    assert found.values["D"] == -0.01


def test_the_time_limit_returns_the_best_so_far():
    def slow(toy, a, b):
        time.sleep(0.03)
        return waves(toy, a, b)

    found = fit_calculation(Toy(measured(0.45, 0.95), PARAMETERS, slow), time_limit=0.6)
    assert not found.finished
    assert any("time limit" in said for said in found.warnings)


def test_it_can_be_cancelled_and_reports_progress():
    class StopError(Exception):
        pass

    seen = []

    def progress(fraction, text):
        seen.append(fraction)
        if fraction > 0.4:
            raise StopError

    with pytest.raises(StopError):
        fit(slices(), "rb2mnf4", progress=progress)
    assert seen == sorted(seen)
    assert seen[0] == 0


def test_the_progress_goes_to_its_end():
    seen = []
    fit(slices(points=14), "rb2mnf4", start=TRUTH, progress=lambda fraction, text: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_wrong_names():
    with pytest.raises(MaterialError, match="no effort 'slow'"):
        fit(slices(), "rb2mnf4", effort="slow")
    with pytest.raises(MaterialError, match="nothing called 'J9'"):
        fit(slices(), "rb2mnf4", start={"J9": 1.0})


def test_a_material_of_the_users_own_in_three_dimensions(tmp_path):
    """A magnet that no network knows: a cubic ferromagnet with two couplings, from a file."""
    text = """
name: cube
title: Cubic ferromagnet
family: cube
sources: ["made for a test"]
parameters:
  - {name: J1, value: -1.0, low: -3, high: 0, description: nearest neighbours}
  - {name: J2, value: -0.1, low: -1, high: 1, description: next-nearest neighbours}
  - {name: D, value: -0.1, low: -0.5, high: 0, description: easy axis}
cell: {a: 4, b: 4, c: 4}
sites:
  - {label: Fe, positions: [[0, 0, 0]], spin: 1.0, direction: [0, 0, 1]}
bonds:
  - {parameter: J1, distance: 4.0}
  - {parameter: J2, distance: 5.6569}
anisotropy:
  - {parameter: D, axis: [0, 0, 1]}
map:
  cell: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
  frame: cubic cell
"""
    path = tmp_path / "cube.yaml"
    path.write_text(text)
    truth = {"J1": -1.3, "J2": -0.2, "D": -0.15}
    axis = np.linspace(-0.95, 0.95, 9)
    windows = Slices.from_bins([30.0], [np.array([4.0, 6.0, 9.0])])
    m = simulate(load_material(path), truth, slices=windows, qh=Axis("qh", RLU, axis), qk=Axis("qk", RLU, axis), counts=5e3, seed=2)
    found = fit(m, path, start={"J1": -1.2}, fixed={"D": -0.15}, nuisances=())
    assert all(abs(one.value - truth[one.name]) <= 4 * one.error for one in found.parameters)
    assert found.errors["J1"] < 0.2
