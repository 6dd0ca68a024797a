"""Lorentzian and Voigt lines against the integrals of their profiles."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erf, voigt_profile

from mantid_insdl.errors import MapError
from mantid_insdl.instrument.line_shapes import IntrinsicWidth, voigt_below

EDGES = np.array([0.05, 0.3, 0.8, 1.5, 2.5, 4, 6, 20, 1000])


@pytest.mark.parametrize(("sigma", "hwhm"), [(1, 1e-7), (1, 1e-3), (1, 0.1), (1, 0.5), (1, 1), (1, 5), (0.1, 1), (0.01, 1), (3, 2)])
def test_part_of_a_line_below_an_edge_is_the_integral_of_its_profile(sigma, hwhm):
    places = sorted({sigma, 3 * sigma, hwhm, 5 * hwhm, 50 * hwhm})
    expected = []
    for edge in EDGES:
        inside = [x for x in places if x < edge] or None
        expected.append(2 * quad(voigt_profile, 0, edge, args=(sigma, hwhm), points=inside, limit=500, epsabs=1e-12, epsrel=1e-12)[0])
    found = voigt_below(np.array([2.0]), np.array([sigma]), np.array([hwhm]), 2 + EDGES)[0]
    assert found == pytest.approx(expected, abs=2e-8)
    below = voigt_below(np.array([2.0]), np.array([sigma]), np.array([hwhm]), 2 - EDGES)[0]
    assert below == pytest.approx(-found, abs=1e-14)
    single = voigt_below(np.array([2.0], np.float32), np.array([sigma], np.float32), np.array([hwhm], np.float32), 2 + EDGES)
    assert single.dtype == np.float32 and single[0] == pytest.approx(found, abs=5e-7)


def test_limits_are_a_gaussian_a_lorentzian_and_a_step():
    at = np.linspace(-5, 5, 41)
    ones, zeros = np.ones(1), np.zeros(1)
    assert voigt_below(zeros, ones, zeros, at)[0] == pytest.approx(erf(at / np.sqrt(2)), abs=2e-8)
    assert voigt_below(zeros, zeros, ones, at)[0] == pytest.approx(2 / np.pi * np.arctan(at), abs=2e-8)
    assert voigt_below(zeros, zeros, zeros, at)[0] == pytest.approx(np.sign(at), abs=1e-7)
    # nothing of a line is lost, and the far tail is that of the Lorentzian
    far = voigt_below(zeros, ones, 0.3 * ones, np.array([1e3, 1e12]))[0]
    assert 1 - far[0] == pytest.approx(2 / np.pi * 0.3 / 1e3, rel=1e-5)
    assert far[1] == pytest.approx(1, abs=1e-12)


def test_width_is_a_polynomial_of_the_energy():
    width = IntrinsicWidth.of([0.2, 0.0, 0.01])
    assert width.hwhm(np.array([0.0, 2.0, -2.0])) == pytest.approx([0.1, 0.12, 0.12])
    assert width.describe() == "0.2 + 0.01 E^2 meV"
    assert IntrinsicWidth.of(0.5).describe() == "0.5 meV"
    assert IntrinsicWidth.of(None) is None and IntrinsicWidth.of(0.0) is None and IntrinsicWidth.of([0, 0]) is None
    assert width.hwhm(np.ones(2, np.float32)).dtype == np.float32


@pytest.mark.parametrize("wrong", [-0.1, float("nan"), [0.1, float("inf")], [], [-0.1, -0.2]])
def test_what_is_no_width_is_refused(wrong):
    with pytest.raises(MapError, match="The intrinsic width is"):
        IntrinsicWidth.of(wrong)


def test_width_that_falls_below_zero_is_refused_where_a_mode_has_it():
    falling = IntrinsicWidth.of([0.5, -0.1])
    assert falling.hwhm(np.array([4.0])) == pytest.approx([0.05])
    # zero stands for no mode
    assert IntrinsicWidth.of([-0.5, 0.3]).hwhm(np.array([0.0, 2.0])) == pytest.approx([0, 0.05])
    with pytest.raises(MapError, match=r"width of modes at 8 meV is -0.3 meV, below zero: it is that of 0.5 \+ -0.1 E meV"):
        falling.hwhm(np.array([4.0, 8.0]))
