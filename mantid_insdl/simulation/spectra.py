"""Simulated spin waves against energy: a cut along a path in momentum, the dispersion along it,
and the map of a powder.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl._version import __version__
from mantid_insdl.errors import MapError
from mantid_insdl.instrument.kinematics import kf_over_ki as flux_factor
from mantid_insdl.instrument.kinematics import wavenumber
from mantid_insdl.instrument.line_shapes import IntrinsicWidth, voigt_below
from mantid_insdl.instrument.resolution import FWHM_TO_SIGMA, ChopperSpectrometer, bin_fractions, load_instrument
from mantid_insdl.instrument.temperature import bose
from mantid_insdl.maps import COMPONENT_LOG, MEV, PER_ANGSTROM, Axis, Map
from mantid_insdl.materials import Material, load_material, zener
from mantid_insdl.progress import Progress, ignore_progress, share_of
from mantid_insdl.simulation.lines import Lines, check_component, lines_of
from mantid_insdl.simulation.paths import MomentumPath, path_of, path_through
from mantid_insdl.simulation.slice_engine import CURVATURE, STEEPNESS, UNIT

MAX_MOMENTA = 5_000_000

Width = float | Callable[[np.ndarray], np.ndarray]
"""FWHM in meV: a number, or a function of energy transfer in meV."""


@dataclass(frozen=True, eq=False)
class Dispersion:
    """Energies of the spin waves along a path in momentum, with what a neutron sees of each.

    Parameters
    ----------
    axis
        Distance along the path in 1/angstrom.
    hkl : (point, 3)
        r.l.u. of the material's map frame, which `frame` names.
    energies : (point, mode)
        meV. Of each domain rising; the modes of one domain after those of another.
    s_perp : (point, mode)
        S_perp, or the polarised component that `component` names, per magnetic ion in units of S^2 with
        the squared form factor, times the weight of the domain. NaN where a Goldstone mode's diverges, or
        the component is not defined.
    corners
        Index of the point and label (may be empty) of each corner of the path.
    component, material, frame, title
        What was calculated.
    """

    axis: Axis
    hkl: np.ndarray
    energies: np.ndarray
    s_perp: np.ndarray
    corners: tuple[tuple[int, str], ...]
    component: str = "perp"
    material: str = ""
    frame: str = ""
    title: str = ""


def dispersion(
    material: str | Path | Material,
    parameters: Mapping[str, float] | None = None,
    *,
    corners: Sequence[Sequence[float]],
    points: int = 200,
    labels: Sequence[str] | None = None,
    twins: bool = True,
    component: str = "perp",
    vertical: Sequence[float] = (0, 0, 1),
    progress: Progress = ignore_progress,
) -> Dispersion:
    """Energies and intensities of the spin waves along a path; draw them with `mantid_insdl.plotting.plot_dispersion`.

    Parameters
    ----------
    material, parameters, corners, points, labels, twins, component, vertical
        As for `simulate_cut`.
    progress
        As for `mantid_insdl.spinwave.spin_waves`.
    """
    values = load_material(material).resolve(parameters)
    known = zener.in_own_order(material, values)
    path = path_through(corners, points, known, labels)
    lines = lines_of(known, values, path.hkl, twins=twins, component=component, vertical=vertical, progress=progress)
    return Dispersion(
        path.axis,
        path.hkl,
        lines.energies,
        lines.intensities,
        path.corners,
        component,
        known.name,
        known.frame,
        known.title,
    )


def simulate_cut(
    material: str | Path | Material,
    parameters: Mapping[str, float] | None = None,
    *,
    corners: Sequence[Sequence[float]] = (),
    along: np.ndarray | None = None,
    energy: Axis,
    points: int = 200,
    labels: Sequence[str] | None = None,
    across: Sequence[Sequence[float]] = (),
    ei: float | None = None,
    fwhm: Width | None = None,
    intrinsic_fwhm: float | Sequence[float] | None = None,
    instrument: str | ChopperSpectrometer | None = None,
    temperature: float = 0.0,
    kf_over_ki: bool = False,
    twins: bool = True,
    component: str = "perp",
    vertical: Sequence[float] = (0, 0, 1),
    progress: Progress | None = None,
) -> Map:
    r"""Intensity along a path in momentum against energy:
    the average over each step of the path, and over a width across it.

    Parameters
    ----------
    material, parameters
        As for `mantid_insdl.simulation.slices.simulate`.
    corners : (n, 3)
        The path goes straight from corner to corner, in r.l.u. of the material's map frame.
    along : (point, 3)
        In place of corners: all momenta of the path, such as the `Map.path` of a measured cut.
    energy
        Energy-transfer axis in meV. Below zero the neutron gains energy, which it does at temperatures above zero only.
    points
        Momenta along the path, the corners among them.
    labels
        Names of the corners, such as ``["G", "M", "X", "G"]``; G and Gamma are drawn as the Greek letter.
    across : (width, 3)
        What a cut is averaged over beside the path, up to two full widths (h, k, l): ``[(0, 0.1, 0), (0, 0, 0.5)]``
        averages k over +-0.05 and l over +-0.25 about each point.
    ei
        Incident energy in meV: the energy width is that of the instrument, and points (\|Q\|, E) that no
        neutron of this energy reaches in any orientation of the crystal are masked. Not given, all points are
        reached and the width is `fwhm`.
    fwhm
        Energy width in meV in place of the instrument's: a number, or a function of energy transfer.
    intrinsic_fwhm
        Full width at half maximum of the modes' own Lorentzian lines in meV: a number, or the coefficients A, B, C, ...
        of a polynomial A + B E + C E^2 + ... of their energy. Convolved with the energy width, lines are Voigt.
    instrument
        Whose energy width it is: a name or a spectrometer; MAPS where none is given. Needs `ei`.
    temperature
        In kelvin: times n(E) + 1, and lines of weight n(E) on the side of energy gain (detailed balance). The order
        itself is that of zero temperature.
    kf_over_ki
        Times kf / ki, as a detector counts. Needs `ei`.
    twins
        Average over the domains of the crystal; else the crystal without twins.
    component
        ``perp`` (what unpolarised neutrons see), ``xx``, ``yy``, ``zz`` or ``chiral``: see
        `mantid_insdl.spinwave.polarisation`. Momenta at which the component is not defined are masked.
    vertical : (3,)
        For polarised components: vertical of the spectrometer as a direction (h, k, l) of momentum in the map frame.
        With the default the scattering plane is that of h and k.
    progress
        Called with fraction and text; may raise to stop.

    Returns
    -------
    Map
        Of kind ``cut``, in 1/meV per magnetic ion, with `Map.path` and `Map.corners`.

    Raises
    ------
    MapError
        For a path, axis, width, temperature or component that makes no sense.
    MaterialError
        For an unknown material or parameter.
    InstabilityError
        If the magnetic structure is unstable on the path.
    """
    values = load_material(material).resolve(parameters)
    known = zener.in_own_order(material, values)
    path = path_through(corners, points, known, labels) if along is None else path_of(along, known)
    spectrum = _Spectrum(
        known,
        values,
        energy,
        ei,
        fwhm,
        instrument,
        temperature,
        kf_over_ki,
        twins,
        component,
        tuple(vertical),
        IntrinsicWidth.of(intrinsic_fwhm),
    )
    intensity = _averaged(spectrum, path, across, progress)
    lengths = np.linalg.norm(known.model.lattice.to_cartesian(path.hkl @ known.map.matrix.T), axis=1)
    return spectrum.map(intensity, path.axis, lengths, component, path=path.hkl, corners=path.corners)


def _named(progress: Progress, text: str) -> Progress:
    """Progress with a text of its own."""
    return lambda fraction, _: progress(fraction, text)


def simulate_powder(
    material: str | Path | Material,
    parameters: Mapping[str, float] | None = None,
    *,
    q: Axis,
    energy: Axis,
    directions: int = 12000,
    ei: float | None = None,
    fwhm: Width | None = None,
    intrinsic_fwhm: float | Sequence[float] | None = None,
    instrument: str | ChopperSpectrometer | None = None,
    temperature: float = 0.0,
    kf_over_ki: bool = False,
    component: str = "perp",
    progress: Progress | None = None,
) -> Map:
    r"""The \|Q\|-E map of a powder: the mean over all directions of momentum, and over each bin of \|Q\|.

    Parameters
    ----------
    material, parameters, energy, ei, fwhm, intrinsic_fwhm, instrument, temperature, kf_over_ki, progress
        As for `simulate_cut`.
    q
        Axis of momentum transfer in 1/angstrom.
    directions
        Number of momenta for each bin of \|Q\|, spread evenly over directions and over the bin. With too few a map is
        speckled: of a chain with lines 1/20 of its bandwidth wide, the relative rms error of a bin is 5 % with 3000
        and less than 3 % with 12000.
    component
        As for `simulate_cut`. The grains of a powder lie in all ways about Q, so that
        ``yy`` and ``zz`` are half of ``perp``.

    Returns
    -------
    Map
        Of kind ``powder``, in 1/meV per magnetic ion.

    Raises
    ------
    MapError, MaterialError, InstabilityError
        As for `simulate_cut`.
    """
    values = load_material(material).resolve(parameters)
    known = zener.in_own_order(material, values)
    if (q.name, q.unit) != ("q", PER_ANGSTROM) or q.centres[0] <= 0:
        raise MapError(
            "a powder map needs an axis q in 1/angstrom above zero",
            f"the axis is '{q.name}' in {q.unit}",
            "give such an axis",
        )
    if directions < 1 or directions * q.size > MAX_MOMENTA:
        raise MapError(
            f"{directions} directions for each of {q.size} momenta", f"from 1 to {MAX_MOMENTA:,} in all are possible"
        )
    check_component(component, (0, 0, 1))
    share, calculated = (0.5, "perp") if component in ("yy", "zz") else (1.0, component)
    intrinsic = IntrinsicWidth.of(intrinsic_fwhm)
    spectrum = _Spectrum(
        known,
        values,
        energy,
        ei,
        fwhm,
        instrument,
        temperature,
        kf_over_ki,
        twins=False,
        component=calculated,
        intrinsic=intrinsic,
    )
    to_rlu = np.linalg.inv(known.map_frame)
    sphere, place = _even_shell(directions)
    intensity = np.empty((q.size, energy.size))
    for index, (low, high) in enumerate(itertools.pairwise(np.maximum(q.edges, 0.0))):
        length = low + (high - low) * place
        # a line is as wide as its energy spreads over half the way to the next point: the points lie
        # evenly in any projection too
        volume = 4 * np.pi * length**2 * (high - low) / directions
        radial = np.minimum(high - low, np.cbrt(volume))
        around = np.eye(3) - sphere[:, :, None] * sphere[:, None]
        cell = 0.5 * (
            radial[:, None, None] * sphere[:, :, None] * sphere[:, None]
            + np.sqrt(volume / radial)[:, None, None] * around
        )
        report = share_of(progress or ignore_progress, index / q.size, (index + 1) / q.size)
        words = f"Powder average of {known.name}: |Q| {index + 1} of {q.size}"
        density = spectrum.at(length[:, None] * sphere @ to_rlu, cell, _named(report, words))
        intensity[index] = share * density.mean(axis=0)
    return spectrum.map(intensity, q, q.centres, component)


FINER, MOST_PARTS = 2.0, 32
"""Parts of a step, against those of a pixel that is averaged over two directions; and at most."""


def _averaged(
    spectrum: _Spectrum, path: MomentumPath, across: Sequence[Sequence[float]], progress: Progress | None
) -> np.ndarray:
    """Averages over the steps of a path and the widths across it, (point, energy):
    each cut into parts that the modes cross straight.
    """
    widths = np.asarray(across, float).reshape(-1, 3) if np.size(across) % 3 == 0 else np.full((1, 3), np.nan)
    if len(widths) > 2 or not np.all(np.isfinite(widths)) or not np.all(np.any(widths != 0, axis=1)):
        raise MapError(
            f"the widths across the path are {across}", "they are up to two momenta (h, k, l), none of them zero"
        )
    edges = path.axis.edges
    distance = path.axis.centres

    def place(along: np.ndarray) -> np.ndarray:
        """hkl at distances along the path, straight on beyond its ends."""
        ends = np.concatenate(([edges[0] - 1e-9], distance, [edges[-1] + 1e-9]))
        first, last = 2 * path.hkl[0] - path.hkl[1], 2 * path.hkl[-1] - path.hkl[-2]
        half = [0.5 * (path.hkl[0] + first), *path.hkl, 0.5 * (path.hkl[-1] + last)]
        return np.stack([np.interp(along, ends, column) for column in np.transpose(half)], axis=-1)

    along_path = place(edges[1:]) - place(edges[:-1])
    steps = np.stack([along_path, *(np.broadcast_to(w, path.hkl.shape) for w in widths)], axis=1)
    report = progress or ignore_progress
    parts = spectrum.parts(path.hkl, steps, share_of(report, 0.0, 0.1))
    centres = ((np.arange(n) + 0.5) / n - 0.5 for n in parts)
    offsets = np.stack(np.meshgrid(*centres, indexing="ij"), -1).reshape(-1, len(parts))
    along = 0.5 * (edges[1:] + edges[:-1])[:, None] + offsets[:, 0] * np.diff(edges)[:, None]
    hkl = place(along) + offsets[:, 1:] @ widths
    if hkl.size // 3 > MAX_MOMENTA:
        raise MapError(
            f"the cut needs {hkl.size // 3:,} momenta",
            f"at most {MAX_MOMENTA:,} are possible",
            "use fewer points or less width",
        )
    cells = (steps / np.array(parts)[:, None]) @ spectrum.material.map_frame
    cells = np.repeat(cells, len(offsets), axis=0)
    found = spectrum.at(hkl.reshape(-1, 3), cells, share_of(report, 0.1, 1.0))
    return found.reshape(len(distance), len(offsets), -1).mean(axis=1)


def _even_shell(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Points spread evenly over a shell: unit vectors (number, 3), and places 0 to 1 between its surfaces, (number,).

    A Kronecker lattice: height by number, angle and place by the multiples of powers of the plastic ratio.
    """
    index = np.arange(number) + 0.5
    z = 2 * index / number - 1
    ratio = 1.32471795724474602596
    angle, place = 2 * np.pi * index / ratio, index / ratio**2 % 1.0
    across = np.sqrt(1 - z**2)
    return np.stack((across * np.cos(angle), across * np.sin(angle), z), axis=-1), place


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """Density over the bins of an energy axis, for the spin waves of a magnet at any momenta. The fields
    are those of `simulate_cut`.
    """

    material: Material
    values: Mapping[str, float]
    energy: Axis
    ei: float | None
    fwhm: Width | None
    instrument: str | ChopperSpectrometer | None
    temperature: float
    kf_over_ki: bool
    twins: bool
    component: str
    vertical: tuple[float, ...] = (0, 0, 1)
    intrinsic: IntrinsicWidth | None = None
    spectrometer: ChopperSpectrometer = field(init=False)

    def __post_init__(self) -> None:
        energy, ei, fwhm = self.energy, self.ei, self.fwhm
        if (energy.name, energy.unit) != ("energy", MEV):
            raise MapError("the energy axis has to be 'energy' in meV", f"it is '{energy.name}' in {energy.unit}")
        if ei is None and fwhm is None:
            raise MapError(
                "the energy width is not given", fix="give the incident energy (ei) or the width (fwhm) in meV"
            )
        if fwhm is not None and self.instrument is not None:
            raise MapError(
                "the energy width is given twice",
                "both as a width (fwhm) and by an instrument",
                "leave one of them out",
            )
        if ei is None and self.kf_over_ki:
            raise MapError("kf / ki needs the incident energy", fix="give ei in meV")
        numbers = (ei or 0.0, 0.0 if callable(fwhm) or fwhm is None else fwhm, self.temperature)
        if not all(np.isfinite(x) and x >= 0 for x in numbers) or ei == 0:
            raise MapError(
                "incident energy, width and temperature are positive numbers",
                f"they are {ei}, {fwhm} and {self.temperature}",
            )
        if ei is not None and energy.edges[-1] > ei:
            raise MapError(
                "the energy axis goes above the incident energy",
                f"to {energy.edges[-1]:g} of {ei:g} meV",
                "shorten the axis",
            )
        check_component(self.component, self.vertical)
        given = self.instrument or "MAPS"
        chosen = load_instrument(given) if isinstance(given, str) else given
        object.__setattr__(self, "spectrometer", chosen)

    def parts(self, hkl: np.ndarray, steps: np.ndarray, progress: Progress) -> tuple[int, ...]:
        """Into how many parts to cut steps (m, direction, 3) in r.l.u. about momenta (m, 3) for the
        modes to be straight across each.
        """
        found = []
        seen = slice(None, None, max(1, len(hkl) // 100))
        for number, step in enumerate(steps[seen].swapaxes(0, 1)):
            solves = 2 * steps.shape[1]
            shares = [
                share_of(progress, solve / solves, (solve + 1) / solves) for solve in (2 * number, 2 * number + 1)
            ]
            places = zip((0.0, 1e-3), shares, strict=True)
            here, aside = (self._lines(hkl[seen] + place * step, share) for place, share in places)
            cartesian = step @ self.material.map_frame
            steep, there = (np.einsum("mlc,mc->ml", lines.velocities, cartesian) for lines in (here, aside))
            curved = np.abs(there - steep) / 1e-3
            inside = (here.energies > 0) & (here.energies - np.abs(steep) < self.energy.edges[-1])
            sigma = self._sigma(np.where(inside, here.energies, 1.0))
            width = np.hypot(np.diff(self.energy.edges).min() / np.sqrt(12), sigma)
            wanted = FINER * np.maximum(STEEPNESS * np.abs(steep) / width, np.sqrt(CURVATURE * curved / width))[inside]
            found.append(int(np.ceil(np.quantile(wanted, 0.9) - 0.1).clip(1, MOST_PARTS)) if wanted.size else 1)
        return tuple(found)

    def at(self, hkl: np.ndarray, cells: np.ndarray, progress: Progress | None) -> np.ndarray:
        """Density at momenta in r.l.u. of the map frame, (m, energy); NaN where the component is not defined.

        Lines are as wide as their energy spreads over the box of edges `cells` (m, direction, 3), in
        1/angstrom, about each momentum.
        """
        out = np.empty((len(hkl), self.energy.size))
        piece = max(1, 20_000_000 // (self.energy.size * 8 * len(self.material.model.sites)))
        for start in range(0, len(hkl), piece):
            part = slice(start, start + piece)
            out[part] = self._density(hkl[part], cells[part])
            if progress is not None:
                done = min(start + piece, len(hkl))
                progress(done / len(hkl), f"Spin waves of {self.material.name}: {done} of {len(hkl)} momenta")
        return out

    def _density(self, hkl: np.ndarray, cells: np.ndarray) -> np.ndarray:
        loss = self._lines(hkl)
        total = self._broadened(loss, cells, 1)
        if self.temperature > 0 and self.energy.edges[0] < 0:
            # the neutron takes the energy of a spin wave of momentum -Q
            total += self._broadened(self._lines(-hkl), cells, -1)
        total[~loss.defined] = np.nan
        return total

    def _lines(self, hkl: np.ndarray, progress: Progress = ignore_progress) -> Lines:
        twins, component, vertical = self.twins, self.component, self.vertical
        return lines_of(
            self.material, self.values, hkl, twins=twins, component=component, vertical=vertical, progress=progress
        )

    def _broadened(self, lines: Lines, cells: np.ndarray, sign: int) -> np.ndarray:
        """Density of lines at `sign` times their energies."""
        # a Goldstone mode at its own momentum is elastic
        usable = np.isfinite(lines.intensities) & (lines.energies > 0)
        energies = sign * np.where(usable, lines.energies, 1.0)
        weights = np.where(usable, lines.intensities, 0.0) * sign * bose(energies, self.temperature)
        if self.kf_over_ki and self.ei is not None:
            weights *= flux_factor(self.ei, energies)
        edges = self.energy.edges
        spread = np.sum((lines.velocities @ cells.swapaxes(1, 2)) ** 2, axis=-1) / 12
        sigma = np.sqrt(self._sigma(energies) ** 2 + spread)
        if self.intrinsic is None:
            fractions = bin_fractions(energies, sigma, edges)
        else:
            hwhm = self.intrinsic.hwhm(np.where(usable, energies, 0.0))
            fractions = 0.5 * np.diff(voigt_below(energies, sigma, hwhm, edges))
        return np.sum(weights[..., None] * fractions, axis=1) / np.diff(edges)

    def _sigma(self, energies: np.ndarray) -> np.ndarray:
        if self.fwhm is None:
            assert self.ei is not None  # one of the two is given
            return self.spectrometer.sigma(self.ei, energies)
        fwhm = self.fwhm(energies) if callable(self.fwhm) else self.fwhm
        width = np.broadcast_to(np.asarray(fwhm, float), energies.shape)
        if not (np.all(np.isfinite(width)) and np.all(width >= 0)):
            raise MapError(
                "the energy width is not a positive number at all energies",
                fix="give another function of energy (fwhm)",
            )
        return FWHM_TO_SIGMA * width

    def map(self, intensity: np.ndarray, axis: Axis, lengths: np.ndarray, component: str, **contents: Any) -> Map:
        """The map, masked where no neutron goes; `lengths` are |Q| in 1/angstrom along its first axis."""
        described = self.material.describe(self.values)
        notes = [
            f"simulated by mantid_insdl {__version__}: {self.material.name}, {described}",
            self._in_words(component),
        ]
        mask = np.zeros(intensity.shape, bool)
        if self.ei is not None:
            ki, kf = wavenumber(self.ei), wavenumber(self.ei - self.energy.centres)
            mask = (lengths[:, None] < np.abs(ki - kf)) | (lengths[:, None] > ki + kf)
        logs: dict[str, tuple[Any, str]] = {p.name: (self.values[p.name], p.unit) for p in self.material.parameters}
        return Map(
            intensity=intensity,
            axes=(axis, self.energy),
            mask=mask,
            ei=self.ei,
            intensity_unit=UNIT,
            material=self.material.name,
            frame=self.material.frame,
            title=self.material.title,
            provenance=tuple(notes),
            logs=logs if component == "perp" else logs | {COMPONENT_LOG: (component, "")},
            **contents,
        )

    def _in_words(self, component: str) -> str:
        width = (
            "a function of energy"
            if callable(self.fwhm)
            else f"{self.fwhm:g} meV"
            if self.fwhm is not None
            else self.spectrometer.describe()
        )
        words = [
            f"energy width: {width}",
            f"{self.temperature:g} K",
            "with kf/ki" if self.kf_over_ki else "without kf/ki",
        ]
        if self.intrinsic is not None:
            words.insert(1, f"intrinsic width: {self.intrinsic.describe()}")
        if component != "perp":
            words.append(f"polarised component {component}, vertical along {self.vertical} r.l.u.")
        return ", ".join(words)
