"""Lines of spin waves that decay: Lorentzian in energy, and Voigt as a spectrometer with a Gaussian width shows them.

The part of a Voigt line below an energy is that of Weideman's approximation of the complex error function,

    w(z) = 2 p(Z) / (L - i z)^2 + 1 / (sqrt(pi) (L - i z)),  Z = (L + i z) / (L - i z),

whose integral is closed: P(Z) / (i L) + i log(L - i z) / sqrt(pi) with dP/dZ = p, for dZ/dz = 2 i L / (L - i z)^2. Its
far tails are those of the Lorentzian, and nothing of the line is lost, whatever the number of terms.
[J. A. C. Weideman, SIAM J. Numer. Anal. 31, 1497 (1994)]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mantid_insdl.errors import MapError

TERMS = 16
"""Of Weideman's polynomial: the part of a line below an energy is then right to 2e-8, whatever its two widths."""


@dataclass(frozen=True)
class IntrinsicWidth:
    """Full width at half maximum of Lorentzian lines, in meV, as a polynomial of the energy of the mode:
    A + B E + C E^2 + ...

    Parameters
    ----------
    coefficients
        A, B, C, ...

    Raises
    ------
    MapError
        If one of them is no finite number, or the width is below zero everywhere.
    """

    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.coefficients or not np.all(np.isfinite(self.coefficients)) or max(self.coefficients) < 0:
            raise MapError(
                f"the intrinsic width is {', '.join(f'{x:g}' for x in self.coefficients) or 'empty'}",
                "it is a full width of zero or more, or the coefficients A, B, ... of a polynomial of the energy",
                "give a number of meV, or as (0.2, 0.05) those of 0.2 meV + 0.05 E",
            )

    @classmethod
    def of(cls, given: float | Sequence[float] | None) -> IntrinsicWidth | None:
        """From a number or coefficients; None where there is no width at all."""
        if given is None:
            return None
        coefficients = tuple(float(x) for x in np.atleast_1d(np.asarray(given, float)).tolist())
        width = cls(coefficients)
        return width if any(coefficients) else None

    def hwhm(self, energy: np.ndarray) -> np.ndarray:
        """Half width of modes at `energy` (meV), in its precision. An energy of zero stands for no mode,
        and has any width.

        Raises
        ------
        MapError
            If the width of one of them is below zero.
        """
        width = np.polynomial.polynomial.polyval(np.abs(energy), self.coefficients).astype(energy.dtype, copy=False)
        wrong = np.where(energy != 0, width, 0.0)
        if np.any(wrong < 0):
            worst = float(np.abs(energy).flat[np.argmin(wrong)])
            raise MapError(
                f"the intrinsic width of modes at {worst:.4g} meV is {float(wrong.min()):.3g} meV, below zero",
                f"it is that of {self.describe()}",
                "give coefficients that leave it positive at all energies of the modes",
            )
        return 0.5 * np.maximum(width, 0)

    def describe(self) -> str:
        """In words."""
        powers = ["", " E", *(f" E^{n}" for n in range(2, len(self.coefficients)))]
        return " + ".join(f"{x:g}{power}" for x, power in zip(self.coefficients, powers, strict=False) if x) + " meV"


def _weideman(terms: int) -> tuple[float, np.ndarray]:
    """L, and the coefficients of P(Z) from the highest power down."""
    size = np.sqrt(terms / np.sqrt(2))
    number = 4 * terms
    t = size * np.tan(0.5 * np.pi * np.arange(-number // 2 + 1, number // 2) / (number // 2))
    values = np.concatenate(([0.0], np.exp(-(t**2)) * (size**2 + t**2)))
    found = np.fft.fft(np.fft.fftshift(values)).real[1 : terms + 1] / number
    return float(size), np.append((found / np.arange(1, terms + 1))[::-1], 0.0)


_SIZE, _PRIMITIVE = _weideman(TERMS)


def voigt_below(energy: np.ndarray, sigma: np.ndarray, hwhm: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Twice the part of a Voigt line below each edge, less one, (..., edge), in the precision of `energy`.

    Parameters
    ----------
    energy, sigma, hwhm : (...)
        Centre, standard deviation of the Gaussian and half width of the Lorentzian, in meV; either may be zero.
    edges : (edge,)
        meV.
    """
    narrowing = np.sqrt(0.5) / np.maximum(sigma, 1e-9)
    x = (edges.astype(energy.dtype) - energy[..., None]) * narrowing[..., None].astype(energy.dtype)
    y = _SIZE + (hwhm * narrowing)[..., None].astype(energy.dtype)
    turned = (2 * _SIZE - y + 1j * x) / (y - 1j * x)
    total = np.full_like(turned, _PRIMITIVE[0])
    for coefficient in _PRIMITIVE[1:]:
        total *= turned
        total += coefficient
    return (2 / math.pi) * np.arctan2(x, y) + (2 / (math.sqrt(math.pi) * _SIZE)) * total.imag
