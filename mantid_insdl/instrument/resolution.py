"""Energy and momentum resolution of a chopper spectrometer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.errors import InsdlError
from mantid_insdl.instrument.chopper_width import FWHM_TO_SIGMA, chopper_sigma

if TYPE_CHECKING:
    from mantid_insdl.instrument.specification import FittedWidth, Spectrometer


@dataclass(frozen=True)
class ChopperSpectrometer:
    """Energy resolution of a direct-geometry spectrometer at one setting: a Gaussian line.

    Made by `load_instrument`.

    Parameters
    ----------
    specification
        What the instrument file says.
    chopper
        Name of the setting, one of ``specification.choppers``.
    frequency
        Of the chopper in Hz; None for the one that suits the incident energy.
    """

    specification: Spectrometer
    chopper: str
    frequency: float | None = None

    @property
    def name(self) -> str:
        return self.specification.name

    @property
    def ei_range(self) -> tuple[float, float]:
        """Incident energies in meV that the instrument, with this chopper, can use."""
        low, high = self.specification.ei_range
        fermi = None if self._fitted else self.specification.fermi
        own = fermi.package(self.chopper).ei_range if fermi else None
        return (low, high) if own is None else (max(low, own[0]), min(high, own[1]))

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the numbers come from."""
        return (self._fitted.source,) if self._fitted else self.specification.sources

    @property
    def _fitted(self) -> FittedWidth | None:
        return next((f for f in self.specification.fitted if f.name == self.chopper), None)

    def describe(self) -> str:
        """One line for people.

        >>> load_instrument("MARI", chopper="S", frequency=200).describe()
        'MARI, chopper S at 200 Hz, Ei 7 to 1000 meV'
        """
        if self._fitted:
            setting = f"setting {self.chopper} (fitted widths)"
        elif self.frequency is None and self.specification.fermi:
            setting = f"chopper {self.chopper} at the frequency that suits Ei"
        else:
            setting = f"chopper {self.chopper} at {self.frequency:g} Hz"
        return f"{self.name}, {setting}, Ei {self.ei_range[0]:g} to {self.ei_range[1]:g} meV"

    def sigma(self, ei: np.ndarray | float, energy: np.ndarray | float) -> np.ndarray:
        """Standard deviation in meV, for inner loops.

        Parameters
        ----------
        ei
            Incident energy in meV, a number or an array.
        energy : broadcast against ei
            Energy transfer in meV. Beyond Ei, where no neutron comes from, the width is that at Ei. `fwhm` refuses it.

        Returns
        -------
        broadcast shape

        Raises
        ------
        InsdlError
            If Ei is outside `ei_range` or the chopper stops such neutrons. A fitted width is
            given at any Ei: see `check`.
        """
        if self._fitted:
            left = np.maximum(1 - energy / np.asarray(ei, float), 0.0)
            return FWHM_TO_SIGMA * ei * (self._fitted.floor + self._fitted.slope * left * np.sqrt(left))
        if np.ndim(ei) == 0:
            self.check(float(ei))
            return chopper_sigma(self.specification, self.chopper, self.frequency, float(ei), energy)
        ei, energy = np.broadcast_arrays(np.asarray(ei, float), np.asarray(energy, float))
        out = np.empty(ei.shape)
        for one in np.unique(ei):
            chosen = ei == one
            out[chosen] = self.sigma(one, energy[chosen])
        return out

    def fwhm(self, ei: np.ndarray | float, energy: np.ndarray | float = 0.0) -> np.ndarray:
        """Full width at half maximum in meV, for people: as `sigma`, but anything out of range is an `InsdlError`."""
        self.check(ei, energy)
        return np.asarray(self.sigma(ei, energy)) / FWHM_TO_SIGMA

    def check(self, ei: np.ndarray | float, energy: np.ndarray | float = 0.0) -> None:
        """Refuse what this spectrometer cannot measure.

        Raises
        ------
        InsdlError
            If an Ei (meV) is outside `ei_range`, or an energy transfer (meV) above its Ei.
        """
        low, high = self.ei_range
        wrong = np.atleast_1d(ei)[~((np.atleast_1d(ei) >= low) & (np.atleast_1d(ei) <= high) & (np.atleast_1d(ei) > 0))]
        if wrong.size:
            raise InsdlError(
                f"{self.name} cannot be used at Ei = {wrong[0]:g} meV",
                f"with chopper {self.chopper} it takes {low:g} to {high:g} meV",
                "choose another incident energy, chopper or instrument",
            )
        if np.any(np.asarray(energy) > np.asarray(ei)):
            raise InsdlError(
                f"an energy transfer of {np.max(energy):g} meV is above the incident energy",
                "a neutron cannot lose more than it has",
            )


def instrument_names() -> list[str]:
    """Names of the instruments that come with the package."""
    names = (file.name for file in resources.files(__package__).iterdir())
    return sorted(name.removesuffix(".yaml").upper() for name in names if name.endswith(".yaml"))


@cache
def load_instrument(
    name: str = "MAPS", *, chopper: str | None = None, frequency: float | None = None
) -> ChopperSpectrometer:
    """The instrument called `name`, at a setting.

    Parameters
    ----------
    name
        One of `instrument_names`.
    chopper
        Slit package of the Fermi chopper (``"S"``), slot of the disks (``"high-flux"``), or a fitted setting;
        by default that of the file.
    frequency
        Of the Fermi chopper, or of the last disks of LET, in Hz. By default, for a Fermi chopper, at each Ei the
        highest one at which the package transmits well (`chopper_width.best_frequency`); for disks that of the file.

    Raises
    ------
    InsdlError
        If there is no instrument or chopper of that name, or the chopper cannot run at that frequency. The
        message lists what there is.
    """
    if name.upper() not in instrument_names():
        raise InsdlError(
            f"there is no instrument '{name}'", f"known are {', '.join(instrument_names())}", "use one of these"
        )
    specification = _specification(name.upper())
    if chopper is None:
        chosen = specification.default_chopper
    else:
        spelling = {c.upper(): c for c in specification.choppers}
        named = re.sub(r"[\s_]+", "-", chopper.strip()).upper()
        if named not in spelling:
            raise InsdlError(
                f"{specification.name} has no chopper '{chopper}'",
                f"there are {', '.join(specification.choppers)}",
                "use one of these",
            )
        chosen = spelling[named]
    machine = [c for c in specification.choppers if c not in {f.name for f in specification.fitted}]
    if chosen not in machine:
        if frequency is not None:
            raise InsdlError(
                f"setting {chosen} of {specification.name} has no frequency",
                "its widths are fitted to published ones",
                f"give a chopper with the frequency: {', '.join(machine)}",
            )
    elif frequency is None:
        frequency = specification.disks.default_frequency if specification.disks else None
    elif not np.any(np.isclose(specification.frequencies.allowed, frequency, rtol=1e-6)):
        raise InsdlError(
            f"chopper {chosen} of {specification.name} does not run at {frequency:g} Hz",
            f"it runs at {specification.frequencies.describe()}",
            "choose one of these frequencies",
        )
    return ChopperSpectrometer(specification, chosen, None if frequency is None else float(frequency))


@cache
def _specification(name: str) -> Spectrometer:
    from mantid_insdl.instrument.specification import read_spectrometer

    with resources.as_file(resources.files(__package__).joinpath(f"{name.lower()}.yaml")) as path:
        return read_spectrometer(path)


_ERF = (1.12837971, 1.02765481e-1, -1.84383663e-4, -6.25719599e-4, 8.97125968e-5, -5.98569220e-6, 1.58960312e-7)
"""atanh(erf(x)) / x in powers of x^2, fitted for the smallest error of erf, 6e-8:
numpy's tanh is ten times as fast as an erf.
"""


def bin_fractions(energy: np.ndarray, sigma: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Fraction of a Gaussian line that falls into each energy bin, exactly, (..., bin).

    Parameters
    ----------
    energy, sigma : (...)
        Centre and standard deviation in meV; zero width is a sharp line.
    edges : (bin + 1,)
        Bin edges in meV.
    """
    from scipy.special import erf

    width = np.sqrt(2.0) * np.maximum(sigma, 1e-9)
    return 0.5 * np.diff(erf((edges - energy[..., None]) / width[..., None]), axis=-1)


def line_below(energy: np.ndarray, sigma: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Twice the part of a Gaussian line below each edge, less one, (..., edge), in the precision of `energy`:
    for inner loops.

    Parameters as for `bin_fractions`, which is exact; this is good to 6e-8 and several times as fast.
    """
    narrowing = np.sqrt(0.5) / np.maximum(sigma, 1e-9)
    x = (edges.astype(energy.dtype) - energy[..., None]) * narrowing[..., None].astype(energy.dtype)
    with np.errstate(over="ignore"):  # far from a narrow line: tanh of infinity is one
        squared = x * x
        series = squared * _ERF[-1]
        for coefficient in _ERF[-2:0:-1]:
            series += coefficient
            series *= squared
        series += _ERF[0]
        series *= x
    return np.tanh(series, out=series)


def bin_slopes(energy: np.ndarray, sigma: np.ndarray, sigma_slope: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Derivative of `bin_fractions` by the energy of the line, (..., bin),
    for a width whose own derivative is `sigma_slope` (...).
    """
    reduced = (edges - energy[..., None]) / sigma[..., None]
    height = np.exp(-0.5 * reduced**2) / (np.sqrt(2 * np.pi) * sigma[..., None])
    return -np.diff(height * (1 + sigma_slope[..., None] * reduced), axis=-1)


def blur_matrix(size: int, sigma: float) -> np.ndarray:
    """Gaussian smoothing along an axis of `size` pixels, sigma in pixels, integrated over each pixel, (size, size).

    Apply from the left. Rows are not normalised: `blur` divides by the weight that lies on known pixels.
    """
    if sigma <= 0:
        return np.eye(size)
    distance = np.arange(size)[:, None] - np.arange(size)
    edges = np.array([-0.5, 0.5])
    return bin_fractions(np.asarray(distance, float), np.full(distance.shape, float(sigma)), edges)[..., 0]


def blur(images: np.ndarray, known: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth images in momentum with a Gaussian, over their known pixels only.

    Parameters
    ----------
    images : (..., a, b)
        Zero where not known.
    known : broadcast against images
        True where the pixel exists.
    sigma
        In pixels.

    Returns
    -------
    (..., a, b)
        NaN where not known.
    """
    rows, columns = (blur_matrix(n, sigma).astype(images.dtype) for n in images.shape[-2:])
    weight = rows @ known.astype(images.dtype) @ columns.T
    return rows @ images @ columns.T / np.where(known, weight, np.nan).astype(images.dtype)
