"""Where in momentum and energy a direct-geometry spectrometer looks, for a crystal in any orientation.

The detectors fix the momentum transfer across the beam and the energy transfer; the component along the beam follows.
With b the unit vector of the incident beam in the Cartesian frame of the crystal::

    Q = Q_across + t b,  t = ki - sqrt(kf^2 - |Q_across|^2),  k = sqrt(E / 2.0721 meV angstrom^2)

for neutrons scattered into the forward hemisphere. Q_across is any momentum less its component along the beam, Q - (Q .
b) b. With the c axis along the beam, Q_across is the momentum in the a-b plane and t is Qc.
"""

from __future__ import annotations

import numpy as np

MEV_ANGSTROM2 = 2.0721
"""hbar^2 / 2 m of the neutron, in meV angstrom^2."""


def wavenumber(energy: np.ndarray | float) -> np.ndarray:
    """Wavenumber in 1/angstrom of a neutron of `energy` in meV."""
    return np.sqrt(np.asarray(energy, float) / MEV_ANGSTROM2)


def split_by_beam(q: np.ndarray, beam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A momentum transfer without its component along the beam, and its squared length.

    Parameters
    ----------
    q : (..., 3)
        Cartesian, in 1/angstrom.
    beam : (3,)
        Direction of the incident beam in the same frame, of any length but zero.

    Returns
    -------
    across : (..., 3)
        Q - (Q . b) b, to which `along_beam` b is to be added.
    across_squared : (...)
        What `reachable` and `along_beam` take.
    """
    q, beam = np.asarray(q, float), np.asarray(beam, float)
    unit = beam / np.linalg.norm(beam)
    across = q - (q @ unit)[..., None] * unit
    return across, np.sum(across**2, axis=-1)


def kf_over_ki(ei: np.ndarray | float, energy: np.ndarray | float) -> np.ndarray:
    """Flux factor of the double-differential cross-section: sqrt(1 - E / Ei), broadcast over both arguments (meV).

    A detector counts kf / ki times the dynamical structure factor. 0 where the neutron would lose more than it
    has; above 1 where it gains.

    Source: G. L. Squires, Introduction to the Theory of Thermal Neutron Scattering, ch. 2.
    """
    return np.sqrt(np.maximum(1.0 - np.asarray(energy, float) / np.asarray(ei, float), 0.0))


def reachable(ei: np.ndarray | float, energy: np.ndarray | float, across_squared: np.ndarray) -> np.ndarray:
    """Whether a momentum transfer across the beam (squared, 1/angstrom^2) can be reached in the forward
    hemisphere at `energy` (meV).
    """
    return (np.asarray(ei, float) - energy) / MEV_ANGSTROM2 >= across_squared


def along_beam(ei: np.ndarray | float, energy: np.ndarray, across_squared: np.ndarray) -> np.ndarray:
    """Momentum transfer along the beam in 1/angstrom.

    Where `across_squared` is just out of reach (a mode above the energy of its pixel) the neutron is
    taken to leave at 90 degrees.
    """
    left = (np.asarray(ei, float) - energy) / MEV_ANGSTROM2 - across_squared
    return wavenumber(ei) - np.sqrt(np.maximum(left, 0.0))
