"""Where in momentum and energy a direct-geometry spectrometer looks, when the crystal's c axis lies along the incident beam.

The detectors fix the momentum transfer in the plane across the beam and the energy transfer; the component along the beam follows::

    Qc = ki - sqrt(kf^2 - Qab^2),  k = sqrt(E / 2.0721 meV angstrom^2)
"""

from __future__ import annotations

import numpy as np

MEV_ANGSTROM2 = 2.0721
"""hbar^2 / 2 m of the neutron, in meV angstrom^2."""


def wavenumber(energy: np.ndarray | float) -> np.ndarray:
    """Wavenumber in 1/angstrom of a neutron of `energy` in meV."""
    return np.sqrt(np.asarray(energy, float) / MEV_ANGSTROM2)


def reachable(ei: np.ndarray | float, energy: np.ndarray | float, across_squared: np.ndarray) -> np.ndarray:
    """Whether a momentum transfer across the beam (squared, 1/angstrom^2) can be reached in the forward hemisphere at `energy` (meV)."""
    return (np.asarray(ei, float) - energy) / MEV_ANGSTROM2 >= across_squared


def along_beam(ei: np.ndarray | float, energy: np.ndarray, across_squared: np.ndarray) -> np.ndarray:
    """Momentum transfer along the beam in 1/angstrom.

    Where `across_squared` is just out of reach (a mode above the energy of its pixel) the neutron is taken to leave at 90 degrees.
    """
    left = (np.asarray(ei, float) - energy) / MEV_ANGSTROM2 - across_squared
    return wavenumber(ei) - np.sqrt(np.maximum(left, 0.0))
