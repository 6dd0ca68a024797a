"""How temperature changes the intensity of spin waves: detailed balance."""

from __future__ import annotations

import numpy as np

BOLTZMANN = 0.08617333262
"""Boltzmann constant in meV/K (CODATA 2018)."""


def bose(energy: np.ndarray | float, temperature: np.ndarray | float) -> np.ndarray:
    """Bose factor n(E) + 1 = 1 / (1 - exp(-E / kT)), by which an intensity at zero temperature is multiplied.

    Parameters
    ----------
    energy : any shape
        Energy that the neutron loses, in meV. Where it is negative the neutron gains energy: the factor is then
        -n(abs(E)), which multiplies a response that is odd in E.
    temperature : broadcast against energy
        In kelvin, zero or more.

    Returns
    -------
    broadcast shape
        At zero temperature 1 for E > 0. It diverges as kT / E towards E = 0 and is 0 at E = 0 itself: that is the
        elastic line, which a simulation of excitations leaves out. NaN stays NaN.

    Raises
    ------
    ValueError
        If the temperature is negative or not a number.
    """
    energy, temperature = np.asarray(energy, float), np.asarray(temperature, float)
    if not np.all(temperature >= 0):
        raise ValueError("a temperature in kelvin is a number of zero or more")
    moving = energy != 0
    thermal = BOLTZMANN * np.maximum(temperature, np.finfo(float).tiny)
    # beyond 700 kT the factor is 1, or -0 on the side of energy gain, in double precision
    with np.errstate(over="ignore"):
        ratio = np.clip(np.where(moving, energy, 1.0) / thermal, -700.0, 700.0)
        return np.where(moving, -1.0 / np.expm1(-ratio), 0.0)
