"""Where a chopper spectrometer has no detectors, drawn at random, for data that look measured.

With the crystal's c axis along the beam, a detector at the small-angle position (u, v) = (sin of the horizontal, sin of
the vertical scattering angle) sees the in-plane momentum Q = kf (u, v). One detector layout therefore gives the gaps of
every slice: they shrink in Q as the final energy falls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mantid_insdl.instrument.kinematics import wavenumber
from mantid_insdl.maps import Axis, Slices


@dataclass(frozen=True)
class DetectorLayout:
    """Detector banks about the beam, all lengths as sines of scattering angles.

    Parameters
    ----------
    limits
        Outer edges (left, right, bottom, top).
    beam_stop
        Half width and half height of the hole about the direct beam.
    vertical, horizontal
        Strips without detectors: (centre, half width) each.
    """

    limits: tuple[float, float, float, float]
    beam_stop: tuple[float, float]
    vertical: tuple[tuple[float, float], ...]
    horizontal: tuple[tuple[float, float], ...]

    @classmethod
    def random(cls, rng: np.random.Generator) -> DetectorLayout:
        """A layout with the proportions of a spectrometer such as MAPS:
        2-3 degrees of beam stop, strips near 4 degrees, banks to 15-25.
        """
        left, right, bottom, top = rng.uniform([-0.42, 0.25, -0.42, 0.25], [-0.25, 0.42, -0.25, 0.42])
        where = rng.uniform(0.05, 0.09, 2)
        strips = []
        for position in where:
            kept = [sign for sign in (-1, 1) if rng.random() < 0.8]
            strips.append(tuple((sign * position, rng.uniform(0.003, 0.013)) for sign in kept))
        dead_tubes = tuple((rng.uniform(-0.3, 0.3), 0.002) for _ in range(rng.integers(0, 4)))
        return cls((left, right, bottom, top), tuple(rng.uniform(0.02, 0.05, 2)), (*strips[0], *dead_tubes), strips[1])

    def gaps(self, slices: Slices, qh: Axis, qk: Axis, reciprocal: tuple[float, float]) -> np.ndarray:
        """True where no detector sees the pixel, (slice, qh, qk).

        Parameters
        ----------
        reciprocal
            Length of the two in-plane reciprocal-lattice vectors in 1/angstrom.
        """
        final_energy = slices.ei - slices.centres
        kf = wavenumber(np.maximum(final_energy, 1e-9))[:, None]
        u = qh.centres * reciprocal[0] / kf
        v = qk.centres * reciprocal[1] / kf
        left, right, bottom, top = self.limits
        gone_u, gone_v = (u < left) | (u > right), (v < bottom) | (v > top)
        for centre, half in self.vertical:
            gone_u |= np.abs(u - centre) < half
        for centre, half in self.horizontal:
            gone_v |= np.abs(v - centre) < half
        stop = (np.abs(u) < self.beam_stop[0])[:, :, None] & (np.abs(v) < self.beam_stop[1])[:, None, :]
        return gone_u[:, :, None] | gone_v[:, None, :] | stop
