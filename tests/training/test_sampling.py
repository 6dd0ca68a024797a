"""Priors: what is shared has the same distribution, and no class is known by its largest energy."""

import numpy as np
import pytest

from mantid_insdl.training import sampling
from mantid_insdl.training.sampling import BAND, SCALED, band_top, magnet, pcsmo

MODELS = ("pcsmo-goodenough", "pcsmo-dimer", "pcsmo-zener", "pcsmo-intermediate")


def many(name, calls, number=10):
    """Of several chunks, since the draws of one have one order."""
    rng = np.random.default_rng(5)
    return [pcsmo(name, number, rng) for _ in range(calls)]


@pytest.mark.parametrize("name", MODELS)
def test_tops_of_the_bands_are_uniform_over_the_same_range(name):
    drawn = many(name, 8)
    tops = np.concatenate([band_top(one.material, one.parameters)[0] for one in drawn])
    assert np.all((tops > 0.999 * BAND[0]) & (tops < 1.001 * BAND[1]))
    # of 80 uniform ones the mean is within three standard deviations
    assert tops.mean() == pytest.approx(np.mean(BAND), abs=3 * np.ptp(BAND) / np.sqrt(12 * tops.size))


@pytest.mark.parametrize("name", MODELS)
def test_draws_are_stable(name):
    assert all(band_top(one.material, one.parameters)[1].all() for one in many(name, 2))


def test_an_intermediate_model_keeps_its_margins():
    for one in many("pcsmo-intermediate", 4):
        p = one.parameters
        dimerisation = (p["JFS"] - p["JFW"]) / (p["JFS"] + p["JFW"])
        assert np.all((dimerisation > 0.2) & (dimerisation < 0.6))
        chain, further = 0.5 * (p["JFS"] + p["JFW"]), np.hypot(p["JF2"], p["JF3"])
        assert np.all(further > 0.0999 * np.abs(chain)) and np.all(further > 0.999 / SCALED)


def test_zener_polarons_of_a_chunk_have_one_order_and_chunks_have_several():
    from mantid_insdl.materials import zener

    seen = []
    for one in many("pcsmo-zener", 12, number=4):
        orders, angles = zener.ground_state(*(one.parameters[name] for name in ("JFU", "JFD", "JA")))
        assert len(set(orders.tolist())) == 1 and np.ptp(angles, axis=0) == pytest.approx([0, 0], abs=1e-9)
        assert (one.material.spiral is not None) == (orders[0] == zener.SPIRAL)
        seen.append(orders[0])
    assert {zener.PARALLEL, zener.ANTIPARALLEL} <= set(seen)


@pytest.mark.parametrize("name", ["rb2mnf4", "square-ferromagnet"])
def test_other_magnets_have_bands_of_any_height(name):
    (one,) = many(name, 1, number=200)
    tops, stable = band_top(one.material, one.parameters)
    low, high = sampling.BAND_OF_OTHERS
    assert np.log(tops[stable]).mean() == pytest.approx(np.log(low * high) / 2, abs=0.2)
    assert tops[stable].min() < 7 and tops[stable].max() > 90


@pytest.mark.parametrize("path", sorted(sampling.MAGNETS.glob("*.yaml")), ids=lambda p: p.stem)
def test_magnets_for_training_are_in_order(path):
    material = magnet(path.stem)
    assert material.name == path.stem and band_top(material, {k: np.array([v]) for k, v in material.defaults.items()})[1].all()


def test_the_intermediate_model_has_goodenough_and_dimer_as_its_limits():
    """The same energies with JFS = JFW, and with JF2 = JF3 = 0 and one JA."""
    values = {"JA": 1.3, "Jperp": 0.9, "D": 0.05}
    between = {
        "pcsmo-goodenough": ({"JF1": -11.0, "JF2": -1.2, "JF3": 1.4}, {"JFS": -11.0, "JFW": -11.0, "JF2": -1.2, "JF3": 1.4}),
        "pcsmo-dimer": ({"JFS": -14.0, "JFW": -8.0, "JA1": 1.3, "JA2": 1.3}, {"JFS": -14.0, "JFW": -8.0, "JF2": 0.0, "JF3": 0.0}),
    }
    for name, pair in between.items():
        tops = []
        for which, own in zip((name, "pcsmo-intermediate"), pair, strict=True):
            material = magnet(which)
            tops.append(band_top(material, {k: np.array([v]) for k, v in {**values, **own}.items() if k in material.defaults})[0][0])
        assert tops[0] == pytest.approx(tops[1], rel=1e-9)
