"""Neutrons that reach the sample at an incident energy: an estimate for comparing settings, not for counting.

A chopper that is open for a time t lets a band of wavelengths h t / (m x0) through, x0 from the moderator, out of a
flux per wavelength that has been measured without it::

    flux = white_beam(wavelength) * h t / (m x0)

PyChop has this with empirical factors of 0.6 to 0.9 for each slit package. Background, detectors
and repetition are left out.
"""

from __future__ import annotations

import numpy as np

from mantid_insdl.instrument.chopper_width import VELOCITY, WAVELENGTH_SQUARED, best_frequency, slit_mismatch
from mantid_insdl.instrument.resolution import ChopperSpectrometer
from mantid_insdl.instrument.specification import FermiPackage

PLANCK_OVER_MASS = 3956.034
"""h / m of the neutron in m angstrom / s (CODATA 2018)."""


def sample_flux(instrument: ChopperSpectrometer, ei: float) -> float:
    """Flux of neutrons of one energy at the sample, in neutrons / (cm^2 s).

    Parameters
    ----------
    instrument
        At a setting of its choppers.
    ei
        Incident energy in meV.

    Raises
    ------
    InsdlError
        If the instrument cannot use this energy.
    """
    instrument.check(ei)
    specification = instrument.specification
    flux = specification.flux
    tabulated = np.interp(0.5 * np.log(WAVELENGTH_SQUARED / ei), np.log(flux.wavelength), np.log(flux.values))
    if specification.disks is not None:
        # the schema asks for both, and `load_instrument` sets the third
        assert flux.slot is not None and flux.frequency is not None and instrument.frequency is not None
        width = specification.disks.slot(instrument.chopper).width
        return float(np.exp(tabulated)) * width / flux.slot * flux.frequency / instrument.frequency
    distance = specification.flight_path.moderator_to_chopper
    return float(np.exp(tabulated)) * PLANCK_OVER_MASS * opening_time(instrument, ei) / distance


def opening_time(instrument: ChopperSpectrometer, ei: float) -> float:
    """Integral over time, in s, of the part of the neutrons of `ei` (meV) that a Fermi chopper lets through,
    slats included.

    Of a setting whose widths are fitted no chopper is known: the opening is that which alone would make the part
    of its width that falls with the energy transfer (`chopper_width`: 2 Ei / x2 times (1 + x1 / x0) times the
    opening times the velocity).
    """
    specification, velocity = instrument.specification, VELOCITY * np.sqrt(ei)
    for setting in specification.fitted:
        if setting.name == instrument.chopper:
            paths = specification.flight_path
            leverage = 1 + paths.chopper_to_sample / paths.moderator_to_chopper
            return float(0.5 * setting.slope * paths.sample_to_detector / leverage / velocity)
    assert specification.fermi is not None  # behind disks the flux is tabulated
    package = specification.fermi.package(instrument.chopper)
    frequency = instrument.frequency
    if frequency is None:
        frequency = best_frequency(specification.fermi, package, ei)
    opening = package.slit / (4 * np.pi * package.radius * frequency)
    return float(opening * package.slit / (package.slit + package.slat) * _passed(package, frequency, velocity))


def _passed(package: FermiPackage, frequency: float, velocity: float) -> float:
    """Transmission of curved slits, summed over the opening,
    relative to slits that fit the neutrons' speed (RAL-85-052).
    """
    mismatch = slit_mismatch(package, frequency, velocity)
    if mismatch >= 4:
        return 0.0
    root = np.sqrt(mismatch)
    return 1 - mismatch**2 / 6 if mismatch <= 1 else root * (root - 2) ** 2 * (root + 4) / 6
