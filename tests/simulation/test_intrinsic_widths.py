"""Spectra and maps of spin waves that decay: Lorentzian lines through the resolution, against fine integration of the profile."""

import numpy as np
import pytest
import test_slices
from scipy.special import voigt_profile
from test_slices import POINTS, Constant, axes, direct, ellipsoids, general, intensity_at, rms

from mantid_insdl.errors import MapError
from mantid_insdl.fitting.calculation import Measurement, calculation_for
from mantid_insdl.maps import Axis, Slices
from mantid_insdl.simulation.slices import SliceSimulator, simulate
from mantid_insdl.simulation.spectra import simulate_cut, simulate_powder

ENERGY = Axis("energy", "meV", np.linspace(0, 8, 33), is_edges=True)
WIDTH = (0.3, 0.05)


def voigt_fractions(energy, sigma, edges):
    """Of a Voigt line in each bin by the rule of Gauss, whose nodes lie much closer than its widths; the Lorentzian's is WIDTH."""
    energy, sigma = np.asarray(energy), np.asarray(sigma)
    hwhm = 0.5 * np.polynomial.polynomial.polyval(energy, WIDTH)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
    at = middle[:, None] + half[:, None] * nodes
    profile = voigt_profile(at - energy[..., None, None], sigma[..., None, None], hwhm[..., None, None])
    return (profile @ weights) * half


@pytest.fixture
def voigt(monkeypatch):
    monkeypatch.setattr(test_slices, "bin_fractions", voigt_fractions)


@pytest.mark.parametrize("name", ["pcsmo-goodenough", "rb2mnf4"])
def test_map_is_the_plain_one(name, voigt):
    slices = Slices([35.0, 35.0, 100.0], [4.0, 8.0, 15.0], [8.0, 12.0, 60.0])
    if name == "rb2mnf4":
        slices = Slices([15.0, 15.0, 15.0], [0.5, 3.0, 7.0], [3.0, 6.0, 9.0])  # the last above all modes
    plain = direct(name, slices, POINTS, twins=name == "pcsmo-goodenough")
    found = intensity_at(name, slices, POINTS, intrinsic_fwhm=WIDTH)
    assert found == pytest.approx(plain, rel=2e-4, abs=1e-6 * np.nanmax(plain), nan_ok=True)
    sharp = intensity_at(name, slices, POINTS)
    assert np.nanmax(np.abs(found - sharp)) > 0.01 * np.nanmax(sharp)


def test_general_engine_has_the_same_lines():
    slices = Slices([np.nan] * 2, [1.0, 7.0], [4.0, 9.0])
    special, plain = (
        intensity_at("example-triangular", slices, POINTS, scale=0, twins=False, engine=engine, intrinsic_fwhm=WIDTH)
        for engine in (None, general)
    )
    assert plain == pytest.approx(special, rel=1e-4)
    assert special[1].min() > 0


def test_ellipsoid_without_tilt_is_the_energy_width_and_blur():
    qh, qk = axes(16)
    slices = Slices([40.0] * 3, [1.0, 4.0, 12.0], [4.0, 12.0, 20.0])  # the last above all modes of two
    pixel, sigma = qh.values[1] - qh.values[0], 1.3
    table = ellipsoids(40.0, [(0.7 * pixel) ** 2, 0, 0, (0.7 * pixel) ** 2, 0, sigma**2])
    for name in ("rb2mnf4", "example-kagome"):
        found = SliceSimulator(name, slices, qh, qk, ellipsoids=table, intrinsic_fwhm=WIDTH).intensity({})[0]
        plain = SliceSimulator(name, slices, qh, qk, instrument=Constant(sigma), intrinsic_fwhm=WIDTH).intensity({}, q_sigma_pixels=0.7)[0]
        sharp = SliceSimulator(name, slices, qh, qk, ellipsoids=table).intensity({})[0]
        for one in range(3):
            assert rms(found[:, one], plain[:, one]) < 0.02
        assert rms(found[:, 2], sharp[:, 2]) > 0.2


def test_cut_and_powder_are_sums_of_lines():
    options = {"energy": ENERGY, "fwhm": 0.4}
    path = {"corners": [(0.2, 0.1, 0), (0.45, 0.1, 0)], "points": 5}
    sharp = simulate_cut("rb2mnf4", **path, energy=Axis("energy", "meV", np.linspace(-4, 8, 12001), is_edges=True), fwhm=0.4)
    found = simulate_cut("rb2mnf4", **path, **options, intrinsic_fwhm=0.5)
    # the Gaussian lines on a fine axis, each bin of it spread as a Lorentzian
    fine = sharp.axes[1].centres
    spread = np.diff(np.arctan((ENERGY.edges - fine[:, None]) / 0.25), axis=1) / np.pi / np.diff(ENERGY.edges)
    assert found.intensity == pytest.approx(sharp.intensity * 1e-3 @ spread, rel=1e-3, abs=1e-4 * found.intensity.max())
    assert "intrinsic width: 0.5 meV" in found.provenance[1]
    shells = {"q": Axis("q", "1/angstrom", [0.8, 1.0, 1.2], is_edges=True), "directions": 400}
    narrow = Axis("energy", "meV", np.linspace(-4, 8, 2401), is_edges=True)
    sharp = simulate_powder("rb2mnf4", **shells, energy=narrow, fwhm=0.4)
    found = simulate_powder("rb2mnf4", **shells, **options, intrinsic_fwhm=0.5)
    spread = np.diff(np.arctan((ENERGY.edges - narrow.centres[:, None]) / 0.25), axis=1) / np.pi / np.diff(ENERGY.edges)
    assert found.intensity == pytest.approx(sharp.intensity * 5e-3 @ spread, rel=1e-3, abs=1e-3 * found.intensity.max())


def test_no_width_changes_nothing_and_a_map_says_its_own():
    place = {
        "slices": Slices([15.0], [0.5], [3.0]),
        "qh": Axis("qh", "r.l.u.", np.linspace(-1, 1, 5)),
        "qk": Axis("qk", "r.l.u.", [0, 0.3]),
    }
    plain, none, wide = (simulate("rb2mnf4", **place, intrinsic_fwhm=width) for width in (None, 0.0, (0.1, 0.02)))
    assert np.array_equal(plain.intensity, none.intensity, equal_nan=True)
    assert "intrinsic width 0.1 + 0.02 E meV" in wide.provenance[0]
    with pytest.raises(MapError, match="below zero"):
        simulate("rb2mnf4", **place, intrinsic_fwhm=(0.1, -0.1))


@pytest.mark.parametrize("kind", ["cut", "slices"])
def test_fit_calculates_with_the_width(kind):
    if kind == "cut":
        m = simulate_cut("rb2mnf4", corners=[(0, 0.1, 0), (0.5, 0.1, 0)], points=20, energy=ENERGY, fwhm=0.4, intrinsic_fwhm=WIDTH)
    else:
        grid = {"qh": Axis("qh", "r.l.u.", np.linspace(-1, 1, 12)), "qk": Axis("qk", "r.l.u.", np.linspace(-1, 1, 12))}
        m = simulate("rb2mnf4", slices=Slices([15.0, 15.0], [0.5, 3.0], [3.0, 6.0]), **grid, intrinsic_fwhm=WIDTH)
    fwhm = 0.4 if kind == "cut" else None
    for width, same in ((WIDTH, True), (None, False)):
        calculation = calculation_for(m, "rb2mnf4", Measurement(fwhm=fwhm, intrinsic_fwhm=width))
        values = np.array([list(calculation.material.defaults.values())])
        nuisances = [0.0 if name == "blur" and kind == "cut" else one.value for name, one in calculation.nuisances.items()]
        image = calculation.images(values, np.array([nuisances]))[0][0]
        measured = m.intensity[calculation.known]
        assert (np.abs(image - measured).max() < 1e-4 * measured.max()) == same
