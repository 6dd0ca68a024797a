"""Simulated maps with an energy axis: a cut along a path in momentum, and the |Q|-E map of a powder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mantid_insdl._version import __version__
from mantid_insdl.errors import InstabilityError, MapError
from mantid_insdl.instrument.kinematics import wavenumber
from mantid_insdl.instrument.resolution import FWHM_TO_SIGMA, ChopperSpectrometer, bin_fractions, load_instrument
from mantid_insdl.maps import MEV, PER_ANGSTROM, Axis, Map
from mantid_insdl.materials import Material, load_material
from mantid_insdl.slice_engines import UNIT, Progress
from mantid_insdl.spinwave.modes import UNSTABLE, Modes, spin_waves

BOLTZMANN = 0.08617333262
"""meV/K."""
MAX_MOMENTA = 5_000_000


def path_through(corners: Sequence[Sequence[float]], points: int, lattice_of: str | Path | Material) -> tuple[np.ndarray, Axis]:
    """Momenta along straight lines between `corners`, evenly spaced in 1/angstrom.

    Parameters
    ----------
    corners : (n, 3)
        Corner points in r.l.u. of the material's map frame, at least two.
    points
        Number of momenta in all.
    lattice_of
        The material whose lattice measures the lengths.

    Returns
    -------
    path : (points, 3)
        r.l.u. of the map frame.
    axis
        Distance along the path in 1/angstrom.
    """
    corners = np.asarray(corners, float)
    if corners.ndim != 2 or corners.shape[1:] != (3,) or len(corners) < 2 or not np.all(np.isfinite(corners)) or points < 2:
        raise MapError("a path needs two corners or more, each (h, k, l), and two points or more", fix="give [[0, 0, 0], [0.5, 0.5, 0]]")
    material = load_material(lattice_of)
    lengths = np.linalg.norm(material.model.lattice.to_cartesian(np.diff(corners, axis=0) @ np.array(material.map.cell).T), axis=1)
    if np.any(lengths == 0):
        raise MapError("two corners of the path that follow each other are equal", fix="leave one out")
    along = np.concatenate(([0.0], np.cumsum(lengths)))
    distance = np.linspace(0, along[-1], points)
    path = np.stack([np.interp(distance, along, corner) for corner in corners.T], axis=-1)
    return path, Axis("path", PER_ANGSTROM, distance, label="distance along the path")


def simulate_cut(
    material: str | Path | Material,
    parameters: Mapping[str, float] | None = None,
    *,
    corners: Sequence[Sequence[float]],
    energy: Axis,
    points: int = 200,
    ei: float | None = None,
    fwhm: float | None = None,
    temperature: float = 0.0,
    progress: Progress | None = None,
) -> Map:
    """Intensity along a path in momentum against energy.

    Parameters
    ----------
    material, parameters
        As for `mantid_insdl.simulate.simulate`.
    corners : (n, 3)
        The path goes straight from corner to corner, in r.l.u. of the material's map frame.
    energy
        Energy-transfer axis in meV.
    points
        Momenta along the path.
    ei
        Incident energy in meV: the energy width of MAPS. Without it the width is `fwhm`.
    fwhm
        Energy width in meV, constant; replaces the instrument's.
    temperature
        In kelvin: intensity times n(E) + 1. The order itself is that of zero temperature.
    progress
        Called with fraction and text; may raise to stop.

    Returns
    -------
    Map
        Of kind ``cut``, in 1/meV per magnetic ion.
    """
    known = load_material(material)
    path, axis = path_through(corners, points, known)
    values = known.resolve(parameters)
    spectrum = _Spectrum(known, values, energy, ei, fwhm, temperature)
    intensity = spectrum.at(path @ np.array(known.map.cell).T, progress)
    return spectrum.map(intensity, axis, ei, path=path)


def simulate_powder(
    material: str | Path | Material,
    parameters: Mapping[str, float] | None = None,
    *,
    q: Axis,
    energy: Axis,
    directions: int = 400,
    ei: float | None = None,
    fwhm: float | None = None,
    temperature: float = 0.0,
    progress: Progress | None = None,
) -> Map:
    r"""The \|Q\|-E map of a powder: the mean over all directions of momentum.

    Parameters
    ----------
    material, parameters, energy, ei, fwhm, temperature, progress
        As for `simulate_cut`. With `ei`, bins that no neutron of that energy reaches are masked.
    q
        Axis of momentum transfer in 1/angstrom.
    directions
        Number of directions for each \|Q\|, spread evenly over the sphere.
    """
    known = load_material(material)
    if (q.name, q.unit) != ("q", PER_ANGSTROM) or q.centres[0] <= 0:
        raise MapError("a powder map needs an axis q in 1/angstrom above zero", f"the axis is '{q.name}' in {q.unit}", "give such an axis")
    if directions < 1 or directions * q.size > MAX_MOMENTA:
        raise MapError(f"{directions} directions for each of {q.size} momenta", f"from 1 to {MAX_MOMENTA:,} in all are possible")
    values = known.resolve(parameters)
    spectrum = _Spectrum(known, values, energy, ei, fwhm, temperature)
    to_rlu = np.linalg.inv(known.model.lattice.reciprocal)
    sphere = _directions(directions)
    intensity = np.empty((q.size, energy.size))
    for index, length in enumerate(q.centres):
        intensity[index] = spectrum.at(length * sphere @ to_rlu, None).mean(axis=0)
        if progress is not None:
            progress((index + 1) / q.size, f"Powder average of {known.name}: |Q| {index + 1} of {q.size}")
    mask = None
    if ei is not None:
        ki, kf = wavenumber(ei), wavenumber(np.maximum(ei - energy.centres, 0.0))
        mask = (q.centres[:, None] < np.abs(ki - kf)) | (q.centres[:, None] > ki + kf)
    return spectrum.map(intensity, q, ei, mask=mask)


def _directions(number: int) -> np.ndarray:
    """Unit vectors spread evenly over the sphere (a spherical Fibonacci lattice), (number, 3)."""
    index = np.arange(number) + 0.5
    z = 2 * index / number - 1
    angle = np.pi * (1 + np.sqrt(5)) * index
    across = np.sqrt(1 - z**2)
    return np.stack((across * np.cos(angle), across * np.sin(angle), z), axis=-1)


class _Spectrum:
    """Density over the bins of an energy axis, for the modes at any momenta of a magnet."""

    def __init__(
        self, material: Material, values: dict[str, float], energy: Axis, ei: float | None, fwhm: float | None, temperature: float
    ):
        if (energy.name, energy.unit) != ("energy", MEV):
            raise MapError("the energy axis has to be 'energy' in meV", f"it is '{energy.name}' in {energy.unit}")
        if (ei is None) == (fwhm is None):
            raise MapError("the energy width is not given, or twice", fix="give either the incident energy (ei) or the width (fwhm) in meV")
        if not all(np.isfinite(x) and x >= 0 for x in (ei or 0.0, fwhm or 0.0, temperature)) or ei == 0:
            raise MapError("incident energy, width and temperature are positive numbers", f"they are {ei}, {fwhm} and {temperature}")
        if ei is not None and energy.edges[-1] > ei:
            raise MapError("the energy axis goes above the incident energy", f"to {energy.edges[-1]:g} of {ei:g} meV", "shorten the axis")
        self.material, self.values, self.energy = material, values, energy
        self.ei, self.fwhm, self.temperature = ei, fwhm, temperature
        self.instrument: ChopperSpectrometer = load_instrument("MAPS")

    def at(self, hkl: np.ndarray, progress: Progress | None) -> np.ndarray:
        """Density at momenta in r.l.u. of the model's cell, (m, energy)."""
        out = np.empty((len(hkl), self.energy.size))
        piece = max(1, 20_000_000 // (self.energy.size * 8 * len(self.material.model.sites)))
        for start in range(0, len(hkl), piece):
            part = slice(start, start + piece)
            out[part] = self._density(spin_waves(self.material.model, hkl[part], self.material.couplings(self.values)))
            if progress is not None:
                done = min(start + piece, len(hkl))
                progress(done / len(hkl), f"Spin waves of {self.material.name}: {done} of {len(hkl)} momenta")
        return out

    def _density(self, modes: Modes) -> np.ndarray:
        if not modes.stable[0]:
            index = int(np.nanargmin(np.where(modes.status[0] == UNSTABLE, modes.lowest[0], np.inf)))
            raise InstabilityError(
                f"the magnetic structure of {self.material.name} is unstable at these parameters",
                f"at (h, k, l) = {np.round(modes.q[index], 3).tolist()} of its magnetic cell a spin deviation costs "
                f"{modes.lowest[0, index]:.3g} meV, below zero",
                "choose parameters nearer to the published ones: " + self.material.describe(self.material.defaults),
            )
        usable = np.isfinite(modes.s_perp[0]) & (modes.energies[0] > 0)  # a Goldstone mode at its own momentum is elastic
        energies, weights = (np.where(usable, x, 0.0) for x in (modes.energies[0], modes.s_perp[0]))
        if self.temperature > 0:
            weights = np.where(usable, weights / -np.expm1(-np.where(usable, energies, 1.0) / (BOLTZMANN * self.temperature)), 0.0)
        sigma = np.full(energies.shape, self.fwhm * FWHM_TO_SIGMA) if self.ei is None else self.instrument.sigma(self.ei, energies)
        edges = self.energy.edges
        return np.sum(weights[..., None] * bin_fractions(energies, sigma, edges), axis=1) / np.diff(edges)

    def map(self, intensity: np.ndarray, axis: Axis, ei: float | None, **contents: np.ndarray | None) -> Map:
        described = self.material.describe(self.values)
        return Map(
            intensity=intensity,
            axes=(axis, self.energy),
            ei=ei,
            intensity_unit=UNIT,
            material=self.material.name,
            frame=self.material.frame,
            title=self.material.title,
            provenance=(f"simulated by mantid_insdl {__version__}: {self.material.name}, {described}",),
            logs={p.name: (self.values[p.name], p.unit) for p in self.material.parameters},
            **contents,
        )
