"""Energy width of a chopper spectrometer from its flight paths and the time that each part leaves uncertain.

A neutron's time of flight is uncertain by the moderator's pulse, the chopper's opening, the width of the beam aperture
and of the sample (seen by a rotating slit), and the depth at which a detector tube absorbs. Each, as an independent
standard deviation, moves the time of arrival and so the final energy. With the distances x0 (moderator to chopper), x1
(chopper to sample), x2 (sample to detector) and y = (Ef / Ei)^1.5 every part but the last is linear in y, so that the
variance of the energy transfer is a quadratic polynomial in y::

    sigma^2 = (2 Ei / x2)^2 [ sum over parts of (vi t)^2 (p y + q)^2  +  d(kf)^2 (Ef / Ei)^2 ]

    moderator  p = x1 / x0,      q = x2 / x0
    chopper    p = 1 + x1 / x0,  q = x2 / x0

(C. J. Carlile, A. D. Taylor and W. G. Williams, RAL-85-052; T. G. Perring, RAL-94-025, Proc. ICANS XII; as in
PyChop of Mantid.) Where disks make the pulse (LET), the first of them is the moderator, unless the moderator's own
pulse is the shorter one there.

All lengths are in metres and all times in seconds, unless a name says otherwise.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.errors import InsdlError
from mantid_insdl.instrument.kinematics import wavenumber

if TYPE_CHECKING:
    from mantid_insdl.instrument.specification import (
        Disks,
        DiskSlot,
        FermiChopper,
        FermiPackage,
        FlightPath,
        Moderator,
        Sample,
        Spectrometer,
    )

FWHM_TO_SIGMA = 1 / np.sqrt(8 * np.log(2))
VELOCITY = 437.39336
"""Velocity in m/s of a neutron of 1 meV, sqrt(2 E / m) (CODATA 2018)."""
WAVELENGTH_SQUARED = 81.80421
"""Energy times wavelength squared of a neutron, in meV angstrom^2 (CODATA 2018)."""
HELIUM_ABSORPTION = 143.23 * 3.49416
"""Absorption of helium-3 at 10 atm times the neutron's wavenumber, in 1/m 1/angstrom (T. G. Perring's value for ISIS,
in PyChop).
"""
MAX_W = 1.5
"""Largest sqrt(Ef / Ei) at which the detector's part is fitted;
neutrons that gain more are taken to be absorbed as at this one.
"""
TUBE_WALL = 0.063
"""Wall of a detector tube over its radius (the same source)."""


def fermi_variance(package: FermiPackage, frequency: float, velocity: float) -> float:
    """Variance of the time at which neutrons pass a Fermi chopper with curved slits, in s^2.

    Parameters
    ----------
    frequency
        Of rotation, in Hz.
    velocity
        Of the neutrons, in m/s.

    Returns
    -------
    float
        NaN where the slits, too straight or too curved for this speed, let nothing through.
    """
    mismatch = slit_mismatch(package, frequency, velocity)
    if mismatch >= 4:
        return np.nan
    triangle = (package.slit / (4 * np.pi * package.radius * frequency)) ** 2 / 6
    if mismatch <= 1:
        return triangle * (1 - mismatch**4 / 10) / (1 - mismatch**2 / 6)
    root = np.sqrt(mismatch)
    return triangle * 0.6 * mismatch * (root - 2) ** 2 * (root + 8) / (root + 4)


def slit_mismatch(package: FermiPackage, frequency: float, velocity: float) -> float:
    """How far a neutron's path through the rotating package is from the curve of its slits:
    0 fits, at 4 nothing passes.

    Up to 1 at least five sixths of the highest transmission are left, 1 - mismatch^2 / 6 (RAL-85-052).
    """
    return 2 * package.radius**2 / package.slit * abs(1 / package.curvature - 4 * np.pi * frequency / velocity)


def best_frequency(chopper: FermiChopper, package: FermiPackage, ei: float) -> float:
    """The highest frequency in Hz at which a package transmits well (`slit_mismatch` at most 1);
    if there is none, the best transmitted.
    """
    velocity = VELOCITY * np.sqrt(ei)
    mismatch = {f: slit_mismatch(package, f, velocity) for f in chopper.frequencies.allowed}
    good = [f for f, value in mismatch.items() if value <= 1]
    return max(good) if good else min(mismatch, key=mismatch.__getitem__)


def moderator_sigma(moderator: Moderator, ei: float) -> float:
    """Standard deviation of the moderator's pulse in s, for neutrons of `ei` (meV).

    Interpolated in the table of measured widths; at shorter wavelengths than measured, where Bragg peaks are too close
    to be told apart, from the analytic pulse if there is one; at longer ones the last measured width.
    """
    wavelength = np.sqrt(WAVELENGTH_SQUARED / ei)
    pulse = moderator.analytic_pulse
    if pulse is None or wavelength >= min(moderator.wavelength):
        order = np.argsort(moderator.wavelength)
        measured = np.array(moderator.fwhm_microseconds)[order]
        return float(np.interp(wavelength, np.array(moderator.wavelength)[order], measured)) * 1e-6 * FWHM_TO_SIGMA
    constant = pulse.constant
    if pulse.broadened_below is not None and pulse.broadened_over is not None:
        constant *= 1 + _soft_step(ei, pulse.broadened_below, pulse.broadened_over)
    return (constant + pulse.slope * np.sqrt(ei)) * 1e-3 / 1.96 / (VELOCITY * np.sqrt(ei))


def _soft_step(ei: float, edge: float, width: float) -> float:
    """From 1 at low energy to 0 above `edge`, smoothed by a Gaussian whose FWHM grows with energy,
    up to `width` at the edge.
    """
    from scipy.special import erf

    sigma = np.sqrt(2) * FWHM_TO_SIGMA * width * min(ei / edge, 1.0)
    return float(0.5 * (erf((edge - ei) / sigma) + erf(ei / sigma)))


def tube_depth_variance(diameter: float, kf: np.ndarray) -> np.ndarray:
    """Variance in m^2 of the depth at which a helium tube absorbs neutrons of wavenumber `kf` (1/angstrom), (n,).

    The neutrons illuminate the tube evenly and are absorbed exponentially along the chord
    of length 2 c that each meets.
    """
    radius = 0.5 * diameter * (1 - TUBE_WALL)
    absorption = (HELIUM_ABSORPTION * radius / kf)[:, None]  # for a tube of unit radius
    angle, weight = np.polynomial.legendre.leggauss(64)
    c = np.cos(0.5 * np.pi * angle)  # half chord at the height sin(pi angle / 2), whose measure is c d(angle)
    passed = np.exp(-2 * c * absorption)
    caught = 1 - passed
    first = (1 - (1 + 2 * c * absorption) * passed) / absorption
    second = (2 - (2 + 4 * c * absorption + (2 * c * absorption) ** 2) * passed) / absorption**2
    measure = weight * c
    total = (caught * measure).sum(-1)
    mean = ((first - c * caught) * measure).sum(-1) / total
    square = ((second - 2 * c * first + c**2 * caught) * measure).sum(-1) / total
    return (square - mean**2) * radius**2


def _fermi_parts(
    paths: FlightPath, moderator: Moderator, sample: Sample, package: FermiPackage, frequency: float, ei: float
) -> list[tuple[float, float, float]]:
    """(variance in s^2, p, q) of each part of a Fermi-chopper spectrometer."""
    x0, x1, x2 = paths.moderator_to_chopper, paths.chopper_to_sample, paths.sample_to_detector
    velocity = VELOCITY * np.sqrt(ei)
    opening = fermi_variance(package, frequency, velocity)
    if not np.isfinite(opening):
        raise InsdlError(
            f"chopper {package.name} lets no neutrons of {ei:g} meV through at {frequency:g} Hz",
            "its slits are made for another speed",
            "choose another frequency or chopper, or give no frequency",
        )
    # the slits sweep across aperture and sample: a width there is a time
    omega = 2 * np.pi * frequency
    lever = omega * (paths.aperture_to_chopper + x1)
    slant = omega * np.tan(np.radians(paths.moderator_angle)) / velocity

    def swept(distance: float) -> tuple[float, float]:
        g = 1 - slant * distance
        return (1 + x1 / x0 * g) / lever, x2 / x0 * g / lever

    return [
        (moderator_sigma(moderator, ei) ** 2, x1 / x0, x2 / x0),
        (opening, 1 + x1 / x0, x2 / x0),
        (paths.aperture_width**2 / 12, *swept(paths.aperture_to_chopper + x1)),
        (sample.variance, *swept(x0 - paths.aperture_to_chopper)),
    ]


def _disk_parts(
    paths: FlightPath, moderator: Moderator, disks: Disks, slot: DiskSlot, rate: float, ei: float
) -> list[tuple[float, float, float]]:
    """(variance in s^2, p, q) of the two pulses of a disk-chopper spectrometer whose last disks run at `rate` (Hz)."""
    x1, x2 = paths.chopper_to_sample, paths.sample_to_detector
    x0 = paths.moderator_to_chopper - disks.first_distance
    opening = disks.opening(slot.width, disks.last_guide, rate) * FWHM_TO_SIGMA
    # as seen from the last disks through the first
    pulse = moderator_sigma(moderator, ei) * x0 / paths.moderator_to_chopper
    pulse = min(pulse, disks.opening(disks.first_slot, disks.first_guide, rate * slot.first_rate) * FWHM_TO_SIGMA)
    return [(pulse**2, x1 / x0, x2 / x0), (opening**2, 1 + x1 / x0, x2 / x0)]


@lru_cache(maxsize=256)
def width_polynomials(
    spectrometer: Spectrometer, chopper: str, frequency: float | None, ei: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients, highest power first, of the two polynomials of the variance of the energy transfer at `ei` (meV).

    Returns
    -------
    flight : (3,)
        In y = (Ef / Ei)^1.5, meV^2: all parts but the detector.
    detector : (7,) or (1,)
        In w = sqrt(Ef / Ei), meV^2; times w^4 it is the detector's part. A fit to
        `tube_depth_variance` for w up to `MAX_W`.

    Raises
    ------
    InsdlError
        If the chopper lets no neutrons of this energy through.
    """
    paths = spectrometer.flight_path
    if spectrometer.fermi is not None:
        assert spectrometer.sample is not None  # the schema asks for it
        package = spectrometer.fermi.package(chopper)
        rate = best_frequency(spectrometer.fermi, package, ei) if frequency is None else frequency
        parts = _fermi_parts(paths, spectrometer.moderator, spectrometer.sample, package, rate, ei)
    else:
        disks = spectrometer.disks
        assert disks is not None and frequency is not None  # the schema asks for one of both; `load_instrument` sets it
        parts = _disk_parts(paths, spectrometer.moderator, disks, disks.slot(chopper), frequency, ei)
    scale = 2 * ei / paths.sample_to_detector
    variance, p, q = np.array(parts).T * np.array([[VELOCITY**2 * ei], [1], [1]])
    flight = scale**2 * np.array([variance @ p**2, 2 * variance @ (p * q), variance @ q**2])
    if not spectrometer.detector_diameter:
        return flight, np.zeros(1)
    w = np.linspace(0.02, MAX_W, 200)
    depth = tube_depth_variance(spectrometer.detector_diameter, w * wavenumber(ei))
    fitted = np.polynomial.Polynomial.fit(w, depth, 6).convert()
    return flight, scale**2 * np.asarray(fitted.coef, float)[::-1]


def chopper_sigma(
    spectrometer: Spectrometer, chopper: str, frequency: float | None, ei: float, energy: np.ndarray | float
) -> np.ndarray:
    """Standard deviation of the energy transfer in meV at `energy` (meV, any shape); beyond Ei that at Ei."""
    flight, detector = width_polynomials(spectrometer, chopper, frequency, ei)
    left = np.maximum(1 - np.asarray(energy, float) / ei, 0.0)
    w = np.sqrt(left)
    return np.sqrt(np.polyval(flight, left * w) + np.polyval(detector, np.minimum(w, MAX_W)) * left**2)
