"""A fit where the magnetic order changes at a phase boundary: within one, and on to the next."""

from __future__ import annotations

import numpy as np
import pytest
from toy_calculation import PARAMETERS, Toy, measured, waves

from mantid_insdl.fitting.calculation import Measurement
from mantid_insdl.fitting.likelihood import Likelihood
from mantid_insdl.fitting.refine import FINE, Refinement, fit, fit_calculation
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.materials import zener
from mantid_insdl.simulation.slices import simulate
from mantid_insdl.simulation.spectra import simulate_cut

BOUNDARY = 0.45


class TwoOrders(Toy):
    """Below `BOUNDARY` the second ring is missing by half: the image has a step there."""

    def __init__(self, m):
        super().__init__(m, PARAMETERS, self._waves)

    @staticmethod
    def _waves(toy, a, b):
        image = waves(toy, a, b)
        return image if a > BOUNDARY else image - 0.25 * np.exp(-0.5 * ((np.sqrt(toy.q_squared) - b) / 0.1) ** 2)

    def orders(self, values):
        return (values[:, 0] > BOUNDARY).astype(int)


def likelihood_of(a, b):
    likelihood = Likelihood(TwoOrders(measured(a, b)))
    likelihood.weigh(likelihood.points(np.array([[a, b]]))[0])
    return likelihood


@pytest.mark.parametrize("side", [-1, 1])
def test_slopes_are_those_of_one_order(side):
    likelihood = likelihood_of(0.5, 0.95)
    (point,) = likelihood.points(np.array([[BOUNDARY + side * 1e-6, 0.95]]))
    toy = likelihood.calculation
    radius = np.sqrt(toy.q_squared)
    by_a = (radius - point.theta[0]) / 0.1**2 * np.exp(-0.5 * ((radius - point.theta[0]) / 0.1) ** 2)
    expected = by_a * np.where(toy.ei == 20.0, *point.scale)
    assert likelihood.slopes(point)[0] == pytest.approx(expected, abs=0.02 * np.abs(expected).max())


def test_a_descent_stays_in_its_order_and_knows_where_it_is_pulled():
    run = Refinement(likelihood_of(0.5, 0.95))
    point = run.descend(np.array([0.4, 0.95]), FINE)
    assert BOUNDARY - 0.005 < point.theta[0] <= BOUNDARY
    (beyond,) = run.beyond(point)
    assert BOUNDARY < beyond[0] < BOUNDARY + 0.01 and beyond[1] == point.theta[1]
    assert run.beyond(run.descend(np.array([0.55, 0.95]), FINE)) == []


@pytest.mark.parametrize(("truth", "start"), [(0.5, 0.4), (0.4, 0.55)])
def test_a_fit_goes_on_beyond_the_boundary(truth, start):
    found = fit_calculation(TwoOrders(measured(truth, 0.95)), start={"a": start})
    assert found.values["a"] == pytest.approx(truth, abs=4 * found.errors["a"]) and found.errors["a"] < 0.01


TRUTHS = {
    "parallel": {"JFU": -5.0, "JFD": -1.0, "JA": 0.3, "Jperp": 0.9, "D": 0.05},
    "antiparallel": {"JFU": -5.0, "JFD": -0.3, "JA": 1.0, "Jperp": 0.9, "D": 0.05},
    "spiral": {"JFU": -5.0, "JFD": -1.0, "JA": 1.0, "Jperp": 0.9, "D": 0.05},
}


@pytest.mark.parametrize("name", TRUTHS)
def test_constants_of_zener_polarons_are_found_again(name):
    truth, axis = TRUTHS[name], np.linspace(-0.97, 0.97, 20)
    windows = Slices.from_bins([50.0, 100.0], [np.linspace(5, 35, 6), np.linspace(10, 70, 6)])
    axes = {"qh": Axis("qh", RLU, axis), "qk": Axis("qk", RLU, axis)}
    m = simulate(zener.in_ground_state(truth), truth, slices=windows, **axes, counts=4e5, background=0.01, seed=1)
    found = fit(m, "pcsmo-zener", start={name: 1.03 * value for name, value in truth.items()}, nuisances=())
    for one in found.parameters:
        assert abs(one.value - truth[one.name]) < 4 * one.error, one
    assert all(found.errors[one] < 0.1 for one in ("JFU", "JFD", "JA"))


def test_a_cut_through_polarons_in_their_own_order():
    """The order of the file, a spiral, is not that of these constants: a fit along it would be refused."""
    truth = TRUTHS["antiparallel"]
    energy = Axis("energy", "meV", np.linspace(4, 60, 25))
    m = simulate_cut(zener.in_ground_state(truth), truth, corners=[[0.1, 0, 0], [0.9, 0.2, 0]], points=16, energy=energy, fwhm=4.0)
    known = {name: value for name, value in truth.items() if name != "JA"} | {"blur": 0.0}
    found = fit(m, "pcsmo-zener", start={"JA": 1.2}, fixed=known, nuisances=(), measurement=Measurement(fwhm=4.0))
    assert found.values["JA"] == pytest.approx(1.0, abs=0.01)
