"""What all engines of constant-energy slices share:
the map as a domain of the crystal sees it, and lines added to it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mantid_insdl.errors import InstabilityError
from mantid_insdl.instrument.kinematics import along_beam, kf_over_ki, reachable, split_by_beam
from mantid_insdl.instrument.line_shapes import IntrinsicWidth, voigt_below
from mantid_insdl.instrument.resolution import ChopperSpectrometer, line_below
from mantid_insdl.instrument.temperature import bose
from mantid_insdl.maps import Axis, Slices
from mantid_insdl.materials import Material
from mantid_insdl.materials.spin_waves import modes_of
from mantid_insdl.simulation.pixels import SIGNED_PERMUTATIONS, Pieces, images, unlike
from mantid_insdl.spinwave.hamiltonian import MANY_SITES
from mantid_insdl.spinwave.modes import perpendicular
from mantid_insdl.spinwave.polarisation import polarised

if TYPE_CHECKING:
    from mantid_insdl.instrument.ellipsoid import PixelKernel


BLOCK = 16384
"""Lines worked on at once: what stays in a core's cache."""

UNIT = "1/meV per magnetic ion"
"""Unit of a simulated intensity: sum_ab (delta_ab - Qhat_a Qhat_b) S^ab(Q, E) F(Q)^2. In units of S^2."""


@dataclass(frozen=True, eq=False)
class View:
    """What the spectrometer makes of a mode.

    Parameters
    ----------
    instrument
        Energy width.
    kf_over_ki
        Multiply by kf/ki, as a measured cross-section is.
    temperature
        In kelvin: intensity times n(E) + 1.
    component
        Of the spin correlations: one of `mantid_insdl.spinwave.polarisation.COMPONENTS`.
    vertical : (3,)
        Cartesian direction that tells ``yy`` from ``zz``.
    kernel
        Resolution ellipsoid at each pixel, in place of the instrument's width.
    intrinsic
        Lorentzian width of the modes themselves; None for sharp ones.
    """

    instrument: ChopperSpectrometer
    kf_over_ki: bool = False
    temperature: float = 0.0
    component: str = "perp"
    vertical: np.ndarray | None = None
    kernel: PixelKernel | None = None
    intrinsic: IntrinsicWidth | None = None

    def factor(self, ei: float, energy: np.ndarray) -> np.ndarray | float:
        """Factor on the intensity of a mode at `energy` (meV)."""
        factor: np.ndarray | float = 1.0
        if self.temperature:
            factor = factor * bose(energy, self.temperature)
        if self.kf_over_ki:
            factor = factor * kf_over_ki(ei, energy)
        return factor

    def seen(self, moments: np.ndarray, q: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """Intensity of amplitudes (..., 3) at momenta (..., 3), both in the frame of a domain:
        `turn` takes rows to that frame.
        """
        if self.component == "perp":
            return perpendicular(moments, q)
        # the chiral component needs none
        vertical = np.array([0.0, 0.0, 1.0]) if self.vertical is None else self.vertical @ turn
        values = polarised(moments, q, vertical).component(self.component)
        # a mirror turns what is chiral
        return values * np.sign(np.linalg.det(turn)) if self.component == "chiral" else values


@dataclass(frozen=True, eq=False)
class Plane:
    """The pixels of a map in the frame of one domain of the crystal.

    Parameters
    ----------
    low, high : (pixel, 2)
        Lower and upper edges of the pixels, (qh, qk) in r.l.u. of the map.
    frame : (2, 3)
        Momentum of 1 r.l.u. of qh and of qk, less its part along the beam, Cartesian, in 1/angstrom.
    beam : (3,)
        Unit vector along the incident beam.
    turn : (3, 3)
        Takes Cartesian row vectors of the crystal's reference frame to that of the domain.
    """

    low: np.ndarray
    high: np.ndarray
    frame: np.ndarray
    beam: np.ndarray
    turn: np.ndarray

    @classmethod
    def of(cls, qh: Axis, qk: Axis, frame: np.ndarray, beam: np.ndarray, turn: np.ndarray) -> Plane:
        """Of a map's axes; `frame` (3, 3) and `beam` (3,) in the crystal's reference frame."""
        low, high = (
            np.stack(np.meshgrid(qh.edges[part], qk.edges[part], indexing="ij"), -1).reshape(-1, 2)
            for part in (slice(None, -1), slice(1, None))
        )
        along = beam @ turn / np.linalg.norm(beam @ turn)
        return cls(low, high, split_by_beam(frame[:2] @ turn, along)[0], along, turn)

    def image_in(self, other: Plane) -> np.ndarray | None:
        """The operation W with which (qh, qk) of this plane has the momentum of (qh, qk) W of `other`,
        (2, 2); None if there is none.
        """
        if not np.allclose(self.beam, other.beam, rtol=0, atol=1e-9):
            return None
        return next(
            (w for w in SIGNED_PERMUTATIONS if np.allclose(self.frame, w @ other.frame, rtol=0, atol=1e-9)), None
        )


class Group:
    """Slices of one incident energy: their indices, the edges between which their windows lie,
    and which piece is in which window.
    """

    def __init__(self, slices: Slices, index: np.ndarray):
        self.index, self.ei = index, float(slices.ei[index[0]])
        low, high = slices.energy_min[index], slices.energy_max[index]
        self.edges = np.unique(np.concatenate((low, high)))
        inside = (self.edges[:-1, None] >= low) & (self.edges[1:, None] <= high)
        #: from twice the part of a line below each edge to its density in each window, (edge, window)
        self.windows = 0.5 * (np.eye(len(inside) + 1)[1:] - np.eye(len(inside) + 1)[:-1]).T @ (inside / (high - low))


def group_by_ei(slices: Slices) -> list[Group]:
    return [Group(slices, index) for index in slices.groups_by_ei()]


STEEPNESS, CURVATURE = 0.3, 5.0
"""Cells of momentum: to each width in energy that a steep mode crosses, and, squared,
that a curved one leaves its tangent by.

Chosen so that slices are within 3 % of those of many times finer cells, and their means within
1 % (`benchmarks/pixels.py`).
"""
SAMPLES = 300
"""Momenta at which the modes' shape is looked at."""
CELLS_PER_ZONE = (6, 96)
"""Cells across a zone at least and at most."""


class Batch(NamedTuple):
    """Lines of energy seen in the calculated pixels.

    Parameters
    ----------
    place, energy, spread, intensity : (line,)
        Number of the parameter set times that of calculated pixels, plus the pixel, rising; energy in meV and the
        variance of it; strength.
    reached : (line, window) or None
        Factor on each.
    """

    place: np.ndarray
    energy: np.ndarray
    spread: np.ndarray
    intensity: np.ndarray
    reached: np.ndarray | None


def unraveled(line: np.ndarray, shape: tuple[int, ...], first: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sets, momenta and modes, counted from `first`, of places in an array (set, momentum, mode);
    in half the time of `numpy.unravel_index`.
    """
    row = line // shape[2]
    own = row // shape[1]
    return own, row - own * shape[1], line - row * shape[2] + first


class SliceEngine:
    """A domain of the crystal: its momenta and their reach, and where on the map they are seen.

    Parameters
    ----------
    plane
        The map's pixels in the domain's frame.
    places
        (weight, W) of each domain that shares the solves: at (qh, qk) it has the momentum
        that this one has at (qh, qk) W.
    """

    def __init__(
        self, material: Material, view: View, slices: Slices, plane: Plane, places: Sequence[tuple[float, np.ndarray]]
    ):
        self.material, self.view, self.slices, self.plane = material, view, slices, plane
        inverse = np.linalg.inv(material.model.lattice.reciprocal)
        self.to_hkl, self.beam_hkl = plane.frame @ inverse, plane.beam @ inverse
        self.groups = group_by_ei(slices)
        alike = self._symmetries() if view.kernel is None else [np.eye(2)]
        low, high = zip(*(images(plane.low, plane.high, w) for _, w in places), strict=True)
        self._wanted = np.concatenate(low), np.concatenate(high)
        #: pixels that are calculated, (pixel, 2): no two of them are alike
        self.low, self.high, which = unlike(*self._wanted, alike)
        self._axes_alike = any(operation[0, 0] == 0 for operation in alike)
        self.across_squared = np.sum((0.5 * (self.low + self.high) @ plane.frame) ** 2, axis=-1)
        known = np.isfinite(slices.ei)
        ei = np.where(known, slices.ei, np.inf)
        self._reach = reachable(ei[:, None], slices.centres[:, None], self.across_squared)
        of_place = zip(places, which.reshape(len(places), -1), strict=True)
        self._sources = [(weight, source) for (weight, _), source in of_place]
        #: pixels of the map that the kinematics allow in all the places, (slice, pixel)
        self.reach = np.all([self._reach[:, source] for _, source in self._sources], axis=0)

    def _symmetries(self) -> list[np.ndarray]:
        """Operations on (qh, qk) that change no intensity, whatever the parameters:
        found by trying them at random momenta and values.
        """
        material, plane = self.material, self.plane
        metric = plane.frame @ plane.frame.T
        tried = [
            w for w in SIGNED_PERMUTATIONS if np.allclose(w @ metric @ w.T, metric, rtol=0, atol=1e-9 * metric.max())
        ]
        if len(material.model.sites) > MANY_SITES:
            return tried[:1]
        rng = np.random.default_rng(0)
        values = {
            name: value + 0.1 * max(abs(value), 0.01) * rng.uniform(-1, 1, 4)
            for name, value in material.defaults.items()
        }
        points, along = rng.uniform(-1, 1, (6, 2)), rng.uniform(0, 1, (6, 1))
        moments = []
        for operation in tried:
            turned = points @ operation
            try:
                modes = modes_of(material, turned @ self.to_hkl + along * self.beam_hkl, material.couplings(values))
            except InstabilityError:  # the order depends on the parameters
                return tried[:1]
            seen = self.view.seen(modes.amplitudes, (turned @ plane.frame + along * plane.beam)[:, None], plane.turn)
            moments.append(np.stack([np.sum(seen * modes.energies**power, axis=-1) for power in range(4)]))
        kept = modes.stable & np.all(np.isfinite(moments), axis=(0, 1, 3))
        if not kept.any():
            return tried[:1]
        compared = np.array(moments)[:, :, kept]
        largest = np.abs(compared[0]).max(axis=(1, 2), keepdims=True)
        same = np.all(np.abs(compared - compared[0]) <= 1e-7 * largest, axis=(1, 2, 3))
        return [w for w, one in zip(tried, same, strict=True) if one]

    def cell(self, group: Group) -> np.ndarray:
        """Largest part of a pixel, (qh, qk) in r.l.u.,
        across which the modes seen at an incident energy are straight lines.

        By the steepness and the curvature of the modes in each window at random momenta of the map, with
        the material's own parameters.
        """
        energies, steepness, curvature = self._shape
        cells = np.zeros(2)
        for low, high in zip(self.slices.energy_min[group.index], self.slices.energy_max[group.index], strict=True):
            width = (high - low) / np.sqrt(12)
            if np.isfinite(group.ei):
                width = np.hypot(width, float(self.view.instrument.sigma(group.ei, high)))
            seen = (energies > low - 2 * width) & (energies < high + 2 * width)
            if seen.sum() > 5:
                steep, curved = np.quantile(steepness[seen], 0.95, axis=0), np.quantile(curvature[seen], 0.75, axis=0)
                cells = np.maximum(cells, np.maximum(STEEPNESS * steep / width, np.sqrt(CURVATURE * curved / width)))
        if self._axes_alike:  # a pixel may be calculated with its axes exchanged
            cells[:] = cells.max()
        return 1 / np.clip(self.finer * cells, *(limit * self.zones for limit in CELLS_PER_ZONE))

    @cached_property
    def _shape(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Energies (m, mode) at random momenta of the map; slope and curvature along qh and qk,
        (m, mode, 2) each, unsigned.
        """
        rng = np.random.default_rng(0)
        low, high = self._wanted
        chosen = rng.integers(0, len(low), SAMPLES)
        points = low[chosen] + rng.uniform(0, 1, (SAMPLES, 2)) * (high - low)[chosen]
        step = 1e-3
        places = np.concatenate((points, *(points + step * axis for axis in np.eye(2))))
        # a typical momentum along the beam: that of the middle of the middle slice
        middle = group_by_ei(self.slices[[self.slices.size // 2]])[0]
        across_squared = np.sum((places @ self.plane.frame) ** 2, axis=-1)
        along = self.along(np.full(len(places), middle.edges.mean()), across_squared, middle)
        hkl = places @ self.to_hkl + along[:, None] * self.beam_hkl
        modes = modes_of(self.material, hkl, self.material.couplings(self.material.defaults), velocities=True)
        assert modes.velocities is not None  # they were asked for
        here, *aside = np.split(modes.velocities[0] @ self.to_hkl.T, 3)
        curvature = np.stack([(there - here)[..., axis] for axis, there in enumerate(aside)], axis=-1) / step
        return modes.energies[0, :SAMPLES], np.abs(here), np.abs(curvature)

    @property
    def zones(self) -> np.ndarray:
        """Zones of the magnet to 1 r.l.u. of the map along each axis."""
        return 1 / np.abs(np.linalg.inv(self.material.map.matrix)).max(axis=0)[:2]

    finer = 1.0
    """Cells along an axis, against those that `CURVATURE` asks for where curvatures are known."""

    def parts(self, group: Group) -> tuple[int, int]:
        """Equal parts of a pixel along each axis that are no larger than a `cell`."""
        widest = (self.high - self.low).max(axis=0)
        along_h, along_k = np.ceil(widest / self.cell(group) - 0.1).clip(1)
        return int(along_h), int(along_k)

    def along(self, energy: np.ndarray, across_squared: np.ndarray, group: Group) -> np.ndarray:
        """Component of Q along the beam for modes at `energy`, in 1/angstrom; 0 where Ei is unknown."""
        if not np.isfinite(group.ei):
            return np.zeros(np.broadcast_shapes(energy.shape, across_squared.shape))
        return along_beam(group.ei, energy, across_squared)

    def margin(self, group: Group, scale: float) -> float:
        """How far from an energy window a mode still reaches into it, in meV;
        the tails of a Lorentzian line have no end.
        """
        if self.view.intrinsic is not None:
            return np.inf
        if self.view.kernel is not None:
            return self.view.kernel.reach(group.index)
        return 4 * scale * float(self.view.instrument.sigma(group.ei, np.zeros(()))) if np.isfinite(group.ei) else 0.0

    def density(self, energy: np.ndarray, spread: np.ndarray, group: Group, scale: np.ndarray | float) -> np.ndarray:
        """Density in each window of the group of lines at `energy` with variances `spread`, (..., window), in 1/meV."""
        if np.isfinite(group.ei):
            spread = spread + (scale * self.view.instrument.sigma(group.ei, energy)) ** 2
        if self.view.intrinsic is None:
            below = line_below(energy, np.sqrt(spread), group.edges)
        else:
            below = voigt_below(energy, np.sqrt(spread), self.view.intrinsic.hwhm(energy), group.edges)
        return below @ group.windows.astype(energy.dtype)

    def reached(self, pieces: Pieces, group: Group) -> np.ndarray | None:
        """Share of each piece in the part of its pixel that the kinematics allow, over its share of all of it,
        (piece, window).

        Pixels are averaged over what can be reached of them. None where all of each is.
        """
        if not np.isfinite(group.ei):
            return None
        across_squared = np.sum(((pieces.nodes[pieces.node] + pieces.offset) @ self.plane.frame) ** 2, axis=-1)
        allowed = reachable(group.ei, self.slices.centres[group.index], across_squared[:, None])
        if allowed.all():
            return None
        start = np.flatnonzero(np.diff(pieces.pixel, prepend=-1))
        part = np.add.reduceat(allowed * pieces.share[:, None], start, axis=0)[pieces.pixel]
        return allowed / np.where(part > 0, part, 1.0)

    def spread(self, out: np.ndarray, places: np.ndarray, group: Group, lines: Batch) -> None:
        """Add lines of parameter sets, by their resolution ellipsoids, to the maps `out`, (set, slice, pixel),
        at `places`.
        """
        kernel = self.view.kernel
        assert kernel is not None
        ends = np.searchsorted(lines.place, len(self.low) * np.arange(len(places) + 1))
        for number, (place, part) in enumerate(zip(places.tolist(), map(slice, ends[:-1], ends[1:]), strict=True)):
            pixel, energy = lines.place[part] - number * len(self.low), lines.energy[part]
            hwhm = None if self.view.intrinsic is None else self.view.intrinsic.hwhm(energy)
            for weight, source in self._sources:  # without symmetries each calculated pixel is one of the map
                target = np.argsort(source)[pixel]
                strength = weight * lines.intensity[part]
                kernel.add(out[place], group.index, target, energy, strength, self.reach, lines.spread[part], hwhm)

    def summed(self, group: Group, lines: Batch, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The unlike places of lines, and what they add there, (place, window);
        `scales` (set,) are the factors on the energy width.
        """
        density = np.empty((len(lines.energy), group.index.size), lines.energy.dtype)
        alike = np.all(scales == scales[:1])
        for begin in range(0, len(density), BLOCK):
            part = slice(begin, begin + BLOCK)
            scale = scales[0] if alike else scales[lines.place[part] // len(self.low)]
            found = self.density(lines.energy[part], lines.spread[part], group, scale)
            np.multiply(found, lines.intensity[part, None], out=density[part])
        if lines.reached is not None:
            density *= lines.reached
        start = np.flatnonzero(np.diff(lines.place, prepend=-1))
        return lines.place[start], np.add.reduceat(density, start, axis=0)

    def on_map(self, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Values at the calculated pixels (..., pixel) at those of the map, in all places."""
        picked = (
            values.take(source, axis=-1) if weight == 1 else dtype.type(weight) * values.take(source, axis=-1)
            for weight, source in self._sources
        )
        return functools.reduce(np.add, picked)

    def empty(self, sets: int, dtype: type) -> np.ndarray:
        """A map for each parameter set, (set, slice, pixel)."""
        return np.zeros((sets, *self.reach.shape), dtype)
