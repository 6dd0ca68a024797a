"""Flux at the sample against Ei."""

import numpy as np
import pytest

from mantid_insdl.errors import InsdlError
from mantid_insdl.instrument.flux import opening_time, sample_flux
from mantid_insdl.instrument.resolution import instrument_names, load_instrument

RAW = [
    # (instrument, Ei in meV at a tabulated wavelength, white-beam flux there) from PyChop's files, points that are not in ours
    ("MAPS", 81.80421 / 1.2377**2, 1.24351e7),
    ("MAPS", 81.80421 / 0.9411**2, 1.13597e7),
    ("MERLIN", 81.80421 / 1.75**2, 1.1794e7),
    ("MARI", 81.80421 / 1.45**2, 4.9414e6),
]


@pytest.mark.parametrize(("name", "ei", "white"), RAW)
def test_flux_of_a_fermi_chopper_is_the_white_beam_in_its_opening(name, ei, white):
    instrument = load_instrument(name, chopper="S", frequency=200.0)
    band = 3956.034 * opening_time(instrument, ei) / instrument.specification.flight_path.moderator_to_chopper
    assert sample_flux(instrument, ei) == pytest.approx(white * band, rel=0.02)


def test_opening_of_slits_that_fit_the_speed():
    """A triangle of the FWHM slit / (2 R omega), times the open part of the package; MARI's S at 4 pi f rho = v, by hand."""
    frequency = 200.0
    ei = (4 * np.pi * frequency * 1.3 / 437.39336) ** 2
    expected = 2.28e-3 / (2 * 49e-3 * 2 * np.pi * frequency) * 2.28 / (2.28 + 0.55)
    assert opening_time(load_instrument("MARI", chopper="S", frequency=frequency), ei) == pytest.approx(expected, rel=1e-9)


def test_slits_for_another_speed_let_less_through():
    """A Monte Carlo of straight paths through one curved slit, as in test_spectrometers."""
    rng = np.random.default_rng(0)
    instrument = load_instrument("MARI", chopper="S", frequency=400.0)
    package = instrument.specification.fermi.package("S")
    ei, omega, r, p = 35.0, 2 * np.pi * 400.0, package.radius, package.slit
    bend = 2 * omega / (437.39336 * np.sqrt(ei)) - 1 / package.curvature
    span = 1.2 * (p / (2 * r) + 0.5 * abs(bend) * r) / omega
    a, t = rng.uniform(-p / 2, p / 2, 200_000), rng.uniform(-span, span, 200_000)
    x = np.linspace(-r, r, 101)[:, None]
    offset = a + omega * t * x - 0.5 * bend * x**2
    through = np.all(np.abs(offset) < p / 2, axis=0).mean() * 2 * span
    assert 1 < 2 * r**2 / p * abs(bend) < 4
    assert opening_time(instrument, ei) == pytest.approx(through * p / (p + package.slat), rel=0.03)


def test_disks_scale_from_their_reference():
    """LET: 56 040 n / cm^2 / s at 4 angstrom through 20 mm at 150 Hz; 31 mm and 300 Hz let 31 / 20 / 2 of it through."""
    instrument = load_instrument("LET", chopper="high-flux", frequency=300.0)
    assert sample_flux(instrument, 81.80421 / 16) == pytest.approx(56_040 * 0.775, rel=1e-3)


def test_the_settings_of_pcsmo_open_as_chopper_s_does():
    """No frequencies are published; what its widths imply is within a tenth of what package S has at 200, 300 and 400 Hz."""
    fitted = load_instrument("MAPS")
    for ei, frequency in ((25, 200), (50, 300), (100, 400)):
        package = load_instrument("MAPS", chopper="S", frequency=frequency).specification.fermi.package("S")
        triangle = package.slit / (4 * np.pi * package.radius * frequency)
        assert opening_time(fitted, ei) == pytest.approx(triangle, rel=0.1)


@pytest.mark.parametrize("name", instrument_names())
def test_an_energy_that_the_instrument_does_not_have(name):
    with pytest.raises(InsdlError, match="cannot be used at Ei"):
        sample_flux(load_instrument(name), 5000.0)
