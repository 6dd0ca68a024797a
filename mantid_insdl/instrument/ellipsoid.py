"""Resolution as a tabulated ellipsoid: a Gaussian in in-plane momentum and energy whose covariance depends on Ei,
energy and momentum.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mantid_insdl.errors import FileFormatError, InsdlError, MapError
from mantid_insdl.instrument.pixel_kernel import PixelKernel, pixel_kernel
from mantid_insdl.maps import Axis, Slices
from mantid_insdl.untrusted.archives import read_npz
from mantid_insdl.untrusted.reading import Origin

KEYS = ("covariance", "energy", "qh", "qk")
_LARGEST_TABLE = 1_000_000_000  # bytes, unpacked
EI_TOLERANCE = 0.01
"""How far, relatively, an incident energy may be from one of the table."""


@dataclass(frozen=True, eq=False)
class _Setting:
    """The table of one incident energy: grid axes and covariance (energy, qh, qk, 6) = hh, hk, hE, kk, kE, EE,
    without gaps.
    """

    energy: np.ndarray
    qh: np.ndarray
    qk: np.ndarray
    covariance: np.ndarray

    def at(self, energy: np.ndarray, qh: np.ndarray, qk: np.ndarray) -> np.ndarray:
        """The six elements, interpolated linearly in all three; beyond the grid those at its edge. (..., 6)."""
        from scipy.interpolate import RegularGridInterpolator

        axes = (self.energy, self.qh, self.qk)
        within = (np.clip(x, axis[0], axis[-1]) for x, axis in zip((energy, qh, qk), axes, strict=True))
        points = np.stack(np.broadcast_arrays(*within), -1)
        return RegularGridInterpolator(axes, self.covariance)(points.reshape(-1, 3)).reshape(*points.shape[:-1], 6)


@dataclass(frozen=True, eq=False)
class EllipsoidPixels:
    """Resolution ellipsoid at each pixel of a stack of slices, split into momentum and energy.

    A true momentum away by dQ from that of the pixel goes with a true energy away by a Gaussian about ``slope . dQ`` of
    variance `conditional`; over all momenta the energy has variance `marginal`.

    Parameters
    ----------
    momentum : (slice, h, k, 2, 2)
        Covariance of the in-plane momentum, (r.l.u.)^2.
    slope : (slice, h, k, 2)
        Regression of energy on momentum, meV per r.l.u.
    conditional, marginal : (slice, h, k)
        Variance of the energy at a known momentum, and at any, meV^2.
    widths : (2,)
        Width of a pixel along h and k, r.l.u.
    """

    momentum: np.ndarray
    slope: np.ndarray
    conditional: np.ndarray
    marginal: np.ndarray
    widths: tuple[float, float]

    def kernel(
        self, max_offset: int | None = None, windows: tuple[np.ndarray, np.ndarray] | None = None
    ) -> PixelKernel:
        """What the neighbours of each pixel contribute: see `pixel_kernel.pixel_kernel`.

        Parameters
        ----------
        max_offset
            Farthest neighbour in pixels, along each axis; by default as far as four standard deviations.
        windows
            Lower and upper energy of each slice (meV), which `PixelKernel.add` needs.
        """
        return pixel_kernel(self.momentum, self.slope, self.conditional, self.widths, max_offset, windows)


class TabulatedResolution:
    """Covariance of the resolution ellipsoid on a grid, for some incident energies.

    Parameters
    ----------
    arrays
        For each incident energy N in meV (``25`` or ``3.7``) the keys ``covariance_eiN`` (energy, qh, qk, 6) = hh, hk,
        hE, kk, kE, EE in r.l.u. and meV, ``energy_eiN``, ``qh_eiN`` and ``qk_eiN``, the rising axes. A row of NaN is
        filled with the nearest one, in grid steps, that is not.
    name
        For messages.

    Attributes
    ----------
    ei_values : tuple of float
        Incident energies of the table in meV, rising.

    Raises
    ------
    FileFormatError
        If a key is missing, a shape does not fit, an axis does not rise, or a covariance is not positive definite.
    """

    def __init__(self, arrays: dict[str, np.ndarray], name: str = "resolution table"):
        self.name = name
        named = (re.fullmatch(r"covariance_ei(\d+(?:\.\d+)?)", key) for key in arrays)
        labels = sorted({one[1] for one in named if one}, key=float)
        if not labels:
            raise FileFormatError(
                f"'{name}' is no table of resolution ellipsoids",
                "it has no key covariance_eiN",
                "name the arrays covariance_ei25, energy_ei25, qh_ei25, qk_ei25",
            )
        self._settings = {float(label): _checked(arrays, label, name) for label in labels}
        self.ei_values = tuple(self._settings)

    @classmethod
    def from_file(cls, path: str | Path) -> TabulatedResolution:
        """Read a numpy ``.npz`` file.

        Raises
        ------
        FileFormatError
            If it cannot be read or is no such table.
        """
        path = Path(path)
        origin = Origin(f"the resolution table '{path.name}'", FileFormatError, "give a numpy .npz file")
        try:
            return cls(read_npz(path, origin, _LARGEST_TABLE), path.name)
        except FileNotFoundError as error:
            raise origin.refused("there is no such file", "check the path") from error

    def _setting(self, ei: float) -> _Setting:
        nearest = min(self.ei_values, key=lambda known: abs(known - ei))
        if not abs(nearest - ei) <= EI_TOLERANCE * nearest:
            raise InsdlError(
                f"the resolution table '{self.name}' does not have Ei = {ei:g} meV",
                f"it has {', '.join(f'{known:g}' for known in self.ei_values)} meV",
                "use one of these incident energies, or the width of an instrument",
            )
        return self._settings[nearest]

    def covariance(
        self, ei: float, energy: np.ndarray | float, qh: np.ndarray | float, qk: np.ndarray | float
    ) -> np.ndarray:
        """Covariance of (h, k, energy), interpolated linearly; outside the grid it is that at the nearest edge.

        Parameters
        ----------
        ei
            Incident energy in meV, within 1 % of one in the table.
        energy, qh, qk : broadcast together
            meV and r.l.u.

        Returns
        -------
        (..., 3, 3)
            In r.l.u. and meV.

        Raises
        ------
        InsdlError
            If the table does not have this incident energy.
        """
        six = self._setting(ei).at(np.asarray(energy, float), np.asarray(qh, float), np.asarray(qk, float))
        return six[..., [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(*six.shape[:-1], 3, 3)

    def sigma(self, ei: np.ndarray | float, energy: np.ndarray | float) -> np.ndarray:
        """Standard deviation of the energy in meV, of the mean variance over the table's momenta:
        the width as an instrument gives it.
        """
        ei, energy = np.broadcast_arrays(np.asarray(ei, float), np.asarray(energy, float))
        out = np.empty(ei.shape)
        for one in np.unique(ei):
            setting = self._setting(float(one))
            mean = setting.covariance[..., 5].mean(axis=(1, 2))
            out[ei == one] = np.sqrt(np.interp(energy[ei == one], setting.energy, mean))
        return out

    def pixels(self, slices: Slices, qh: Axis, qk: Axis) -> EllipsoidPixels:
        """The ellipsoid at the centre of each pixel and energy window.

        Parameters
        ----------
        slices
            Each with an incident energy of the table.
        qh, qk
            Momentum axes in r.l.u. of the table, evenly spaced.

        Raises
        ------
        InsdlError
            If an incident energy is unknown or not in the table.
        MapError
            If an axis is not evenly spaced.
        """
        if not np.all(np.isfinite(slices.ei)):
            raise InsdlError(
                "a slice has no incident energy", "the resolution table needs it", "give Ei, or use another resolution"
            )
        widths = (_pixel_width(qh), _pixel_width(qk))
        h, k = np.meshgrid(qh.centres, qk.centres, indexing="ij")
        full = np.empty((slices.size, *h.shape, 3, 3))
        for ei in slices.unique_ei:
            chosen = slices.ei == ei
            full[chosen] = self.covariance(float(ei), slices.centres[chosen, None, None], h, k)
        momentum, mixed = full[..., :2, :2], full[..., :2, 2]
        slope = np.linalg.solve(momentum, mixed[..., None])[..., 0]
        marginal = full[..., 2, 2]
        return EllipsoidPixels(momentum, slope, marginal - np.sum(slope * mixed, axis=-1), marginal, widths)

    def kernel(self, slices: Slices, qh: Axis, qk: Axis, max_offset: int | None = None) -> PixelKernel:
        """The kernel of a stack of slices, ready for `PixelKernel.add`:
        `pixels` and `EllipsoidPixels.kernel` in one.
        """
        return self.pixels(slices, qh, qk).kernel(max_offset, (slices.energy_min, slices.energy_max))


def _pixel_width(axis: Axis) -> float:
    widths = np.diff(axis.edges)
    if np.ptp(widths) > 1e-4 * widths.mean():
        raise MapError(
            f"axis '{axis.name}' is not evenly spaced",
            "the resolution ellipsoid is spread over equal pixels",
            "rebin the map",
        )
    return float(widths.mean())


def _checked(arrays: dict[str, np.ndarray], label: str, name: str) -> _Setting:
    """The arrays of one incident energy, checked and without gaps."""

    def wrong(reason: str) -> FileFormatError:
        return FileFormatError(
            f"the resolution table '{name}' is wrong at Ei = {label} meV", reason, "make the table again"
        )

    missing = [f"{key}_ei{label}" for key in KEYS if f"{key}_ei{label}" not in arrays]
    if missing:
        raise wrong(f"{', '.join(missing)} is missing")
    given = [arrays[f"{key}_ei{label}"] for key in KEYS]
    if not all(np.issubdtype(x.dtype, np.number) and np.isrealobj(x) for x in given):
        raise wrong("an array is not of real numbers")
    covariance, *axes = (np.asarray(x, float) for x in given)
    for key, axis in zip(KEYS[1:], axes, strict=True):
        if axis.ndim != 1 or axis.size < 2 or not np.all(np.diff(axis) > 0) or not np.all(np.isfinite(axis)):
            raise wrong(f"{key}_ei{label} is not a rising row of at least two numbers")
    expected = (*(a.size for a in axes), 6)
    if covariance.shape != expected:
        raise wrong(f"covariance_ei{label} has shape {covariance.shape}, its axes ask for {expected}")
    known = np.all(np.isfinite(covariance), axis=-1)
    if not known.any():
        raise wrong("no row is without NaN")
    hh, hk, he, kk, ke, ee = covariance[known].T
    minors = hh, hh * kk - hk**2, ee * (hh * kk - hk**2) - hh * ke**2 + 2 * hk * he * ke - kk * he**2
    bad = ~np.all([minor > 0 for minor in minors], axis=0)
    if bad.any():
        where = np.argwhere(known)[np.flatnonzero(bad)[0]]
        place = ", ".join(f"{axis[i]:g}" for axis, i in zip(axes, where, strict=True))
        raise wrong(f"the covariance at (energy, qh, qk) = ({place}) is not positive definite")
    if not known.all():
        from scipy.ndimage import distance_transform_edt

        nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
        covariance = covariance[tuple(nearest)]
    energy, qh, qk = axes
    return _Setting(energy, qh, qk, covariance)
