"""Residuals, likelihood and derivatives against what a few lines of linear algebra say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import t as student
from toy_calculation import PARAMETERS, Toy, empty, measured, waves

from mantid_insdl.errors import MaterialError, UnsuitableMapError
from mantid_insdl.fitting.calculation import Measurement, calculation_for
from mantid_insdl.fitting.likelihood import FREEDOM, Likelihood, robust_weight
from mantid_insdl.maps import MEV, RLU, Axis, Map, Slices
from mantid_insdl.simulation.slices import SliceSimulator, simulate


@pytest.fixture
def likelihood():
    return Likelihood(Toy(measured(0.45, 0.95), PARAMETERS, waves))


def test_scales_and_backgrounds_are_those_of_the_largest_likelihood(likelihood):
    (point,) = likelihood.points(np.array([[0.42, 0.97]]))
    for group, scale, background in zip(likelihood.calculation.groups, point.scale, point.background, strict=True):
        q, e = (x - x.mean() for x in (likelihood.calculation.q_squared[group], likelihood.calculation.energy[group]))
        columns = np.stack([point.image[group], np.ones(group.size), q / np.abs(q).max(), e / np.abs(e).max()], axis=1)

        def cost(x, columns=columns, group=group):
            residual = (likelihood.data[group] - columns @ x) / likelihood.sigma[group]
            return -np.sum(student.logpdf(residual, FREEDOM))

        found = minimize(cost, np.array([1.0, 0, 0, 0]), method="BFGS", options={"gtol": 1e-7}).x
        np.testing.assert_allclose([scale, *background], found, rtol=2e-4, atol=2e-5)


def test_the_log_likelihood_is_students_density_in_the_unit_of_the_map(likelihood):
    (point,) = likelihood.points(np.array([[0.45, 0.95]]))
    expected = student.logpdf((likelihood.data - point.model) / likelihood.sigma, FREEDOM) - np.log(likelihood.sigma)
    np.testing.assert_allclose(likelihood.log_likelihood(point), expected, rtol=1e-12)


def test_a_scale_below_zero_is_none(likelihood):
    upside_down = likelihood.calculation.full(5 - likelihood.data)
    other = Likelihood(Toy(likelihood.calculation.map.replace(intensity=upside_down), PARAMETERS, waves))
    (point,) = other.points(np.array([[0.45, 0.95]]))
    np.testing.assert_array_equal(point.scale, 0)
    assert not np.any(other.profiled(point, other.slopes(point)))  # and nothing pulls the parameters


def test_slopes_that_scale_and_background_cannot_imitate_are_the_gradient_of_the_cost(likelihood):
    here = np.array([0.43, 0.97])
    (point,) = likelihood.points(here[None])
    pull = likelihood.profiled(point, likelihood.slopes(point)) @ (
        robust_weight(point.residual, likelihood.freedom) * point.residual / likelihood.sigma
    )
    step = 1e-4
    costs = [likelihood.points((here + step * np.array(d))[None])[0].cost for d in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    np.testing.assert_allclose(-pull, [(costs[0] - costs[1]) / (2 * step), (costs[2] - costs[3]) / (2 * step)], rtol=5e-3)


def test_a_step_into_what_is_unstable_is_taken_the_other_way():
    def bounded(toy, a, b):
        return None if a > 0.45 else waves(toy, a, b)

    free, bound = (Likelihood(Toy(measured(0.45, 0.95), PARAMETERS, image)) for image in (waves, bounded))
    here = np.array([[0.45, 0.9]])
    there, border = free.points(here)[0], bound.points(here)[0]
    np.testing.assert_allclose(bound.slopes(border)[0], free.slopes(there)[0], rtol=0.05, atol=0.02 * np.abs(free.slopes(there)[0]).max())


def test_hot_pixels_hardly_pull(likelihood):
    hot = np.array(likelihood.data)
    hot[::50] += 100
    spoiled = Likelihood(Toy(likelihood.calculation.map.replace(intensity=likelihood.calculation.full(hot)), PARAMETERS, waves))
    before, after = (x.points(np.array([[0.45, 0.95]]))[0] for x in (likelihood, spoiled))
    np.testing.assert_allclose(after.scale, before.scale, rtol=0.05)


@pytest.mark.parametrize("neutron", [3.0, 10.0])
def test_a_map_of_few_neutrons_is_not_taken_for_fainter(neutron):
    here = np.array([[0.45, 0.95]])
    off = {"as it is": [], "least squares": [], "as for many": []}  # the sum over the map, in its standard errors
    for seed in range(8):
        for kind, freedom in zip(off, (None, 1e7, FREEDOM), strict=True):
            few = Likelihood(Toy(measured(0.45, 0.95, neutron=neutron, seed=seed), PARAMETERS, waves))
            few.freedom = freedom or few.freedom
            few.weigh(few.points(here)[0])
            (point,) = few.points(here)
            off[kind].append((point.model.sum() - few.data.sum()) / np.sqrt(neutron * few.data.sum()))
    as_it_is, least_squares, as_for_many = (np.mean(x) for x in off.values())
    assert as_for_many < least_squares - 2
    assert as_it_is == pytest.approx(least_squares, abs=0.4)


def test_only_skewed_counts_have_more_degrees_of_freedom(likelihood):
    assert likelihood.freedom == FREEDOM
    assert Likelihood(Toy(measured(0.45, 0.95, neutron=10.0), PARAMETERS, waves)).freedom > 4 * FREEDOM


def test_the_model_error_is_found_where_the_model_is_wrong():
    good = Likelihood(Toy(measured(0.45, 0.95, neutron=0.01), PARAMETERS, waves))
    toy = good.calculation
    rough = good.data + 0.3 * np.random.default_rng(1).normal(size=good.data.size) * waves(toy, 0.45, 0.95) * np.where(toy.ei < 40, 3, 1)
    wrong = Likelihood(Toy(toy.map.replace(intensity=toy.full(rough)), PARAMETERS, waves))
    for likelihood in (good, wrong):
        likelihood.weigh(likelihood.points(np.array([[0.45, 0.95]]))[0])
    assert good.model_error < 0.05
    assert 0.15 < wrong.model_error < 0.35


def test_fixed_values_are_kept_and_wrong_names_refused():
    toy = Toy(measured(0.45, 0.95), PARAMETERS, waves)
    likelihood = Likelihood(toy, fixed={"b": 0.95})
    assert likelihood.names == ("a",)
    np.testing.assert_allclose(likelihood.table(np.array([[0.3]]))[0], [[0.3, 0.95]])
    with pytest.raises(MaterialError, match=r"nothing called 'c'.*a, b"):
        Likelihood(toy, fixed={"c": 1.0})
    with pytest.raises(MaterialError, match="finite"):
        Likelihood(toy, fixed={"a": np.nan})


# ---- the calculations of real maps


def small_map(edges=(1.0, 3.0, 5.0), **options) -> Map:
    slices = Slices.from_bins([10.0], [np.array(edges)])
    axis = np.linspace(-0.9, 0.9, 13)
    return simulate("rb2mnf4", slices=slices, qh=Axis("qh", RLU, axis), qk=Axis("qk", RLU, axis), **options)


def usual(calculation, **changed):
    return np.array([[changed.get(n.name, n.value) for n in calculation.nuisances.values()]])


def test_slices_are_those_of_the_simulator():
    m = small_map()
    calculation = calculation_for(m, "rb2mnf4")
    values = np.array([list(calculation.material.defaults.values())])
    found, stable = calculation.images(values, usual(calculation, width=1.3, blur=0.9))
    simulator = SliceSimulator("rb2mnf4", m.slices, *m.axes)
    expected = simulator.intensity({}, energy_width_scale=1.3, q_sigma_pixels=0.9, dtype=float)[0][0][calculation.known]
    assert stable.all()
    np.testing.assert_allclose(found[0], expected, rtol=1e-9)


def test_the_power_of_kf_over_ki():
    m = small_map((3.0, 3.5, 4.0))
    calculation = calculation_for(m, "rb2mnf4")
    values = np.array([list(calculation.material.defaults.values())])
    found, _ = calculation.images(values, usual(calculation, flux=1.0))
    simulator = SliceSimulator("rb2mnf4", m.slices, *m.axes, kf_over_ki=True)
    expected = simulator.intensity({}, dtype=float)[0][0][calculation.known]
    np.testing.assert_allclose(found[0], expected, rtol=0.03, atol=0.01 * expected.max())


def test_the_fraction_of_a_twin():
    slices = Slices.from_bins([50.0], [np.array([10.0, 14.0])])
    axis = np.linspace(-0.9, 0.9, 13)
    m = simulate("pcsmo-goodenough", slices=slices, qh=Axis("qh", RLU, axis), qk=Axis("qk", RLU, axis))
    calculation = calculation_for(m, "pcsmo-goodenough")
    values = np.tile(list(calculation.material.defaults.values()), (3, 1))
    nuisances = np.concatenate([usual(calculation, twin=x) for x in (1.0, 0.0, 0.5)])
    (first, second, both), _ = calculation.images(values, nuisances)
    alone = SliceSimulator("pcsmo-goodenough", slices, *m.axes, twins=False).intensity({}, dtype=float)[0][0]
    np.testing.assert_allclose(first, alone[calculation.known], rtol=1e-9)
    np.testing.assert_allclose(
        calculation.full(second)[0], calculation.full(first)[0].T, rtol=0.05, atol=0.005 * first.max()
    )  # the twin exchanges a and b
    np.testing.assert_allclose(both, 0.5 * (first + second), rtol=1e-9)


def test_momenta_of_the_pixels():
    m = small_map()
    calculation = calculation_for(m, "rb2mnf4")
    h, k = 0.6, -0.3
    place = int(np.flatnonzero(np.isclose(m.axes[0].centres, h))[0]), int(np.flatnonzero(np.isclose(m.axes[1].centres, k))[0])
    across = (h**2 + k**2) * (2 * np.pi / 4.21) ** 2
    ki, kf = np.sqrt(10 / 2.0721), np.sqrt((10 - 4.0) / 2.0721)
    expected = across + (ki - np.sqrt(kf**2 - across)) ** 2
    assert calculation.full(calculation.q_squared)[1][place] == pytest.approx(expected, rel=1e-3)


def test_a_cut_and_a_powder_map_are_those_of_the_simulations():
    from mantid_insdl.simulation.spectra import simulate_cut, simulate_powder

    energy = Axis("energy", MEV, np.linspace(0.5, 8, 16))
    cut = simulate_cut("rb2mnf4", corners=[[0.5, 0.5, 0], [1, 0, 0]], points=30, energy=energy, ei=12.0)
    powder = simulate_powder("rb2mnf4", q=Axis("q", "1/angstrom", np.linspace(0.5, 2.0, 12)), energy=energy, ei=12.0, directions=1000)
    for m in (cut, powder):
        calculation = calculation_for(m, "rb2mnf4")
        found, stable = calculation.images(np.array([list(calculation.material.defaults.values())]), usual(calculation, blur=0.0))
        assert stable.all()
        np.testing.assert_allclose(calculation.full(found[0]), m.intensity, rtol=1e-9)


def test_a_width_in_place_of_an_incident_energy():
    from mantid_insdl.simulation.spectra import simulate_cut

    energy = Axis("energy", MEV, np.linspace(0.5, 8, 16))
    cut = simulate_cut("rb2mnf4", corners=[[0.5, 0.5, 0], [1, 0, 0]], points=30, energy=energy, fwhm=0.8)
    calculation = calculation_for(cut, "rb2mnf4", Measurement(fwhm=0.4))
    found, _ = calculation.images(np.array([list(calculation.material.defaults.values())]), usual(calculation, width=2.0, blur=0.0))
    np.testing.assert_allclose(calculation.full(found[0]), cut.intensity, rtol=1e-9)
    assert "flux" not in calculation.nuisances


def test_too_little_of_a_map():
    m = empty()
    mask = np.ones(m.shape, bool)
    mask[0, :3, :3] = False
    with pytest.raises(UnsuitableMapError, match="9 pixels"):
        calculation_for(m.with_mask(mask), "rb2mnf4")
