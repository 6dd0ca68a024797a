"""Counting statistics of a measured map, and what they let expect of another measurement of the same sample.

The variance of a pixel rises with what was counted: ``variance = (flat + slope * intensity) / exposure``, where `flat`
is what the background and all that does not grow with the signal contribute. The exposure of a pixel is how many
neutrons it would have caught of a sample that scatters alike everywhere::

    exposure = flux(Ei) * time * dE * kf / ki * solid angle,   solid angle = d2Q / (kf^2 cos(2 theta))

since the pixels of constant-energy slices are areas d2Q across the beam; they are the same for all candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from mantid_insdl.errors import UnsuitableMapError
from mantid_insdl.fitting.calculation import Calculation
from mantid_insdl.fitting.likelihood import Likelihood, Point
from mantid_insdl.instrument.flux import sample_flux
from mantid_insdl.instrument.kinematics import wavenumber
from mantid_insdl.instrument.resolution import ChopperSpectrometer

LEAST_COUNTED = 0.05  # of a pixel's variance: so much is counting in any case
_CLASSES = 12  # of pixels by calculated intensity
_GRAZING = 0.1  # smallest cosine of a scattering angle: of a pixel that touches 90 degrees only a part is seen


@dataclass(frozen=True, eq=False)
class Counting:
    """Counting statistics of a map in units of a calculation.

    Attributes
    ----------
    ei : (n,)
        Incident energies of the map in meV, rising.
    flat, slope : (n,)
        See the module's text.
    """

    ei: np.ndarray
    flat: np.ndarray
    slope: np.ndarray

    def variance(self, intensity: np.ndarray, exposure: np.ndarray, ei: float) -> np.ndarray:
        """Of pixels (pixel,) of a calculated intensity and an exposure;
        between the map's incident energies interpolated in log(Ei).
        """
        flat, slope = (np.interp(np.log(ei), np.log(self.ei), values) for values in (self.flat, self.slope))
        return (flat + slope * np.maximum(intensity, 0)) / exposure


def counting_of(
    likelihood: Likelihood, point: Point, instrument: ChopperSpectrometer, hours: Sequence[float]
) -> Counting:
    """The counting statistics of a fitted map.

    Parameters
    ----------
    likelihood, point
        Where the fit ended.
    instrument, hours
        With which it was measured, and how long at each incident energy (rising).

    Raises
    ------
    UnsuitableMapError
        If the calculation is nowhere seen in the map.
    """
    calculation = likelihood.calculation
    found = []
    for group, scale, time in zip(calculation.groups, point.scale, hours, strict=True):
        if scale > 0:
            ei = float(calculation.ei[group[0]])
            exposed = exposure(calculation, instrument, time)[group]
            variance = (likelihood.sigma[group] / scale) ** 2
            counted = np.maximum(
                variance - (likelihood.model_error * point.image[group]) ** 2, LEAST_COUNTED * variance
            )
            found.append((ei, *_flat_and_slope(point.image[group], counted * exposed)))
    if not found:
        raise UnsuitableMapError(
            "nothing can be planned from this map",
            "the calculation nowhere resembles it",
            "check the material, the axes and Ei",
        )
    return Counting(*np.array(found).T)


def exposure(calculation: Calculation, instrument: ChopperSpectrometer, hours: float) -> np.ndarray:
    """Exposure of each known pixel of slices, (pixel,): relative; only ratios mean something."""
    ei, energy = calculation.ei, calculation.energy
    ki, kf = wavenumber(ei), wavenumber(ei - energy)
    slices = calculation.map.slices
    width = (slices.energy_max - slices.energy_min)[np.nonzero(calculation.known)[0]]
    # |Q|^2 = ki^2 + kf^2 - 2 ki kf cos(2 theta)
    cosine = (ki**2 + kf**2 - calculation.q_squared) / (2 * ki * kf)
    flux = np.empty(ei.size)
    for group in calculation.groups:
        flux[group] = sample_flux(instrument, float(ei[group[0]]))
    return flux * hours * width / (ki * kf * np.maximum(cosine, _GRAZING))


def _flat_and_slope(intensity: np.ndarray, variance: np.ndarray) -> tuple[float, float]:
    """Of a straight line through the means of classes of pixels, neither below zero."""
    classes = np.array_split(np.argsort(intensity, kind="stable"), _CLASSES)
    mean = np.array([[1.0, max(intensity[one].mean(), 0.0)] for one in classes])
    measured = np.array([variance[one].mean() for one in classes])
    (flat, slope), _ = nnls(mean / measured[:, None], np.ones(_CLASSES))
    return flat, slope
