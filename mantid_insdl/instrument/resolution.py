"""Energy and momentum resolution of a chopper spectrometer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from mantid_insdl.errors import InsdlError

FWHM_TO_SIGMA = 1 / np.sqrt(8 * np.log(2))


@dataclass(frozen=True)
class ChopperSpectrometer:
    """Energy resolution of a direct-geometry spectrometer: Gaussian, FWHM = Ei (`floor` + `slope` (1 - E / Ei)^1.5).

    The two terms of a chopper spectrometer, chopper opening and moderator pulse, added linearly (C. G. Windsor, Pulsed Neutron Scattering).

    Parameters
    ----------
    name, description, source
        Which instrument and setting, and where the numbers come from.
    floor, slope
        Of the width, relative to Ei.
    ei_range
        Incident energies in meV that the instrument can use.
    """

    name: str
    description: str
    source: str
    floor: float
    slope: float
    ei_range: tuple[float, float]

    def sigma(self, ei: np.ndarray | float, energy: np.ndarray) -> np.ndarray:
        """Standard deviation in meV at energy transfer `energy` (meV)."""
        left = np.maximum(1 - energy / np.asarray(ei, float), 0.0)
        return FWHM_TO_SIGMA * ei * (self.floor + self.slope * left**1.5)


def instrument_names() -> list[str]:
    """Names of the instruments that come with the package."""
    return sorted(f.name.removesuffix(".yaml").upper() for f in resources.files(__package__).iterdir() if f.name.endswith(".yaml"))


@cache
def load_instrument(name: str = "MAPS") -> ChopperSpectrometer:
    """The instrument called `name`.

    Raises
    ------
    InsdlError
        If there is none of that name.
    """
    import yaml

    if name.upper() not in instrument_names():
        raise InsdlError(f"there is no instrument '{name}'", f"known are {', '.join(instrument_names())}", "use one of these")
    text = resources.files(__package__).joinpath(f"{name.lower()}.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    return ChopperSpectrometer(**{**data, "ei_range": tuple(data["ei_range"])})


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
