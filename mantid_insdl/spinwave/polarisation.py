r"""What polarised neutrons see of spin waves: components of S in the frame of Blume and Maleev, and the chiral term.

The frame has x along Q, z along the vertical of the spectrometer as far as it is across Q, and y = z x x in the
scattering plane. Only the components across Q scatter. Of neutrons whose spins have the polarisation P, and without
analysis of what they have after, the cross-section goes as

.. math:: S^{yy} + S^{zz} + i\, \mathbf P \cdot \langle \mathbf S_\perp^* \times \mathbf S_\perp \rangle
          = S_\perp + (\mathbf P \cdot \hat{\mathbf Q})\, C, \qquad C = i (S^{yz} - S^{zy})

(M. Blume, Phys. Rev. 130, 1670 (1963); S. V. Maleev, V. G. Bar'yakhtar and R. A. Suris, Sov. Phys. Solid State 4, 2533
(1963)). With analysis along the same axis: P along z flips the spin by S^yy and not by S^zz, along y the other way
round, and along x it always does.

All signs are for spins. The moment of an electron is opposite to its spin: where a model's directions are
those of moments, C changes sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

COMPONENTS = ("perp", "xx", "yy", "zz", "chiral")
"""Names of the components that `Polarised.component` knows."""

_PARALLEL = 1e-6
"""Sine of the angle between Q and the vertical below which they count as parallel."""


@dataclass(frozen=True, eq=False)
class Polarised:
    """Components of S^ab for each mode, of one shape, in units of S^2 per magnetic ion (with the squared form factor).

    Parameters
    ----------
    perp
        S_perp = S^yy + S^zz: what unpolarised neutrons see. At Q = 0 the trace of S, as everywhere in this package.
    xx
        Along Q: what no neutron sees.
    yy, zz
        Across Q in the scattering plane, and along the vertical.
    chiral
        C = i (S^yz - S^zy), from -`perp` to `perp`. Neutrons with spins along Q scatter with
        S_perp + C, against Q with S_perp - C.
    """

    perp: np.ndarray
    xx: np.ndarray
    yy: np.ndarray
    zz: np.ndarray
    chiral: np.ndarray

    def component(self, name: str) -> np.ndarray:
        """The component called `name`, one of `COMPONENTS`.

        Raises
        ------
        ValueError
            For another name.
        """
        if name not in COMPONENTS:
            raise ValueError(f"the components are {', '.join(COMPONENTS)}, not {name!r}")
        return getattr(self, name)


def polarised(amplitudes: np.ndarray, q_cartesian: np.ndarray, vertical: np.ndarray) -> Polarised:
    """Components of spin-wave amplitudes in the frame of Blume and Maleev.

    Parameters
    ----------
    amplitudes : (..., 3) complex
        Cartesian amplitudes M of modes, as in `mantid_insdl.spinwave.modes.Modes`: S^ab = M^a conj(M^b), where conj(M)
        is the matrix element by which the spins go from the ground state to the mode.
    q_cartesian : (..., 3)
        Momentum transfer to the sample in 1/angstrom (only its direction counts), broadcast against `amplitudes`.
    vertical : (3,)
        Cartesian direction of the spectrometer's vertical, of any length. Its part across Q is z,
        so that Q may leave the plane.

    Returns
    -------
    Polarised
        Of the shape of `amplitudes` without its last axis. NaN amplitudes (Goldstone modes of divergent weight) stay
        NaN. Where Q is parallel to the vertical, y and z are not defined and `yy` and `zz` are NaN; where Q = 0, `xx`
        and `chiral` are NaN as well.

    Raises
    ------
    ValueError
        If `vertical` is no direction.
    """
    vertical = np.asarray(vertical, float)
    if vertical.shape != (3,) or not np.all(np.isfinite(vertical)) or not np.any(vertical):
        raise ValueError("the vertical is a direction of three numbers, not all zero")
    x = _unit(np.asarray(q_cartesian, float), 0.0)
    up = vertical / np.linalg.norm(vertical)
    z = _unit(up - np.sum(x * up, axis=-1, keepdims=True) * x, _PARALLEL)
    y = np.cross(z, x)
    along, across, above = (np.sum(axis * amplitudes, axis=-1) for axis in (x, y, z))
    total = np.sum(np.abs(amplitudes) ** 2, axis=-1)
    xx = np.abs(along) ** 2
    # i (M x conj(M)) . x needs no y and z, so that it is known where Q is vertical too
    chiral = np.sum(x * (1j * np.cross(amplitudes, np.conj(amplitudes))).real, axis=-1)
    return Polarised(np.where(np.isnan(xx), total, total - xx), xx, np.abs(across) ** 2, np.abs(above) ** 2, chiral)


def _unit(vectors: np.ndarray, smallest: float) -> np.ndarray:
    """Vectors (..., 3) at length 1; NaN for those not longer than `smallest`."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > smallest, length, np.nan)
