"""Fits of magnets the order of which follows their parameters: exchange and field, or the exchanges of a spiral, are found again."""

import numpy as np
import pytest

from mantid_insdl.fitting.calculation import Measurement
from mantid_insdl.fitting.refine import fit
from mantid_insdl.maps import MEV, RLU, Axis, Slices
from mantid_insdl.simulation.slices import simulate
from mantid_insdl.simulation.spectra import simulate_cut

CASES = {
    "canted": ({"J": 1.2, "B": 7.5}, 6.0),
    "flopped": ({"J": 1.1, "D": -0.25, "B": 14.0}, 7.0),
    "spiral": ({"J1": -1.2, "J2": 0.45}, 2.5),
}


def check(found, truth):
    for one in found.parameters:
        assert abs(one.value - truth[one.name]) < 3.5 * one.error + 1e-4, one
        assert one.error < 0.3 * (one.high - one.low), one


@pytest.mark.parametrize("name", CASES)
def test_cut_gives_the_parameters_back(follower, name):
    truth, top = CASES[name]
    material, width = follower(name), 0.06 * top
    energy = Axis("energy", MEV, np.linspace(0.2, top, 60))
    cut = simulate_cut(material, truth, corners=[[0.05, 0, 0], [0.95, 0.1, 0]], energy=energy, points=40, fwhm=width)
    noise = 0.01 * np.nanmax(cut.intensity)
    noisy = cut.intensity + noise * np.random.default_rng(0).normal(size=cut.shape)
    found = fit(cut.replace(intensity=noisy, error=np.full(cut.shape, noise)), material, measurement=Measurement(fwhm=width))
    check(found, truth)
    assert not found.warnings


@pytest.mark.parametrize("name", CASES)
def test_slices_give_the_parameters_back(follower, name):
    truth, top = CASES[name]
    material = follower(name)
    low = np.linspace(0.1, 0.8, 5) * top
    m = simulate(
        material,
        truth,
        slices=Slices([3 * top] * 5, low, low + 0.15 * top),
        qh=Axis("qh", RLU, np.linspace(0, 1, 25)),
        qk=Axis("qk", RLU, np.linspace(-0.5, 0.5, 5)),
        instrument="LET",
        counts=3e5,
        background=0.02,
    )
    found = fit(m, material, measurement=Measurement(instrument="LET"))
    check(found, truth)


def test_metastable_order_is_remarked_on(follower):
    # a map of the easy-axis order above the field of the flop: what it was simulated with is not the ground state
    material, truth = follower("easy-axis"), {"J": 1.0, "D": -0.2, "B": 11.0}
    energy = Axis("energy", MEV, np.linspace(0.2, 5, 40))
    cut = simulate_cut(material, truth, corners=[[0.05, 0, 0], [0.95, 0.1, 0]], energy=energy, points=20, fwhm=0.3)
    start = {"start": truth, "fixed": {"D": -0.2, "J": 1.0}}
    found = fit(cut.replace(error=np.full(cut.shape, 0.01)), material, measurement=Measurement(fwhm=0.3), **start)
    assert found.parameters[2].value == pytest.approx(11.0, abs=0.05)
    assert any("another order of easy-axis is lower" in one for one in found.warnings)


def test_phase_boundary_that_a_fit_runs_into_is_told(follower):
    # a map of saturated spins, 36 T, and a magnet that is canted up to 34.55 T
    field = {"name": "B", "unit": "T", "low": 20.0, "high": 45.0, "description": "along c"}
    exchange = {"name": "J", "value": 1.0, "low": 0.5, "high": 2.0, "description": "along the chain"}
    sites = [{**one.model_dump(exclude_unset=True), "direction": (0, 0, 1)} for one in follower("canted").sites]
    saturated = follower("canted", parameters=[exchange, {**field, "value": 36.0}], sites=sites)
    canted = follower("canted", parameters=[exchange, {**field, "value": 25.0}])
    energy = Axis("energy", MEV, np.linspace(0.2, 5, 40))
    cut = simulate_cut(saturated, corners=[[0.05, 0, 0], [0.95, 0.1, 0]], energy=energy, points=20, fwhm=0.5)
    measured = cut.replace(error=np.full(cut.shape, 0.05))
    found = fit(measured, canted, measurement=Measurement(fwhm=0.5), fixed={"J": 1.0})
    assert found.parameters[1].value < 34.56
    assert any("order of canted ends within the error bar of B" in one for one in found.warnings)
    assert not any("ends within" in one for one in fit(measured, saturated, measurement=Measurement(fwhm=0.5), fixed={"J": 1.0}).warnings)
