"""Engines of constant-energy slices: from spin waves to densities in energy windows, averaged over the area of each pixel, before any blur.

Each engine turns parameter sets into (set, slice, pixel) for one domain of a crystal:

=============  =======================================================================  =============================================
engine         magnets                                                                  component of Q along the beam
=============  =======================================================================  =============================================
`ClosedForm`   square-lattice antiferromagnet with J1, J2, D; c* along the beam         from each mode's own energy
`Planar`       no bond leaves the cell along c, no spiral turns along it; c* along the   from its own energy; one solve for all slices
               beam
`General`      all others                                                               a solve at each of several along the path of the
                                                                                        neutrons, moved to the mode's own by its velocity
=============  =======================================================================  =============================================

Every pixel is cut into pieces (`pixels`); across a piece a mode is a straight line, as wide as its velocity makes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mantid_insdl.errors import InstabilityError
from mantid_insdl.instrument.kinematics import MEV_ANGSTROM2, along_beam, kf_over_ki, reachable, split_by_beam
from mantid_insdl.instrument.resolution import ChopperSpectrometer, line_below
from mantid_insdl.instrument.temperature import bose
from mantid_insdl.maps import Axis, Slices
from mantid_insdl.materials import Material
from mantid_insdl.materials.modes import modes_of
from mantid_insdl.parallel import in_threads
from mantid_insdl.progress import Progress
from mantid_insdl.simulation.pixels import SIGNED_PERMUTATIONS, Pieces, cut, differences, divide, images, unlike
from mantid_insdl.spinwave.form_factors import coefficients, j0
from mantid_insdl.spinwave.modes import Modes, perpendicular
from mantid_insdl.spinwave.polarisation import polarised
from mantid_insdl.spinwave.shared import MANY_SITES, PlanarModes, SharedSolve, SharedSpiral
from mantid_insdl.spinwave.square_lattice import square_lattice_modes, square_lattice_slopes

if TYPE_CHECKING:
    from mantid_insdl.instrument.ellipsoid import PixelKernel


BLOCK = 4096
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
    """

    instrument: ChopperSpectrometer
    kf_over_ki: bool = False
    temperature: float = 0.0
    component: str = "perp"
    vertical: np.ndarray | None = None
    kernel: PixelKernel | None = None

    def factor(self, ei: float, energy: np.ndarray) -> np.ndarray | float:
        """Factor on the intensity of a mode at `energy` (meV)."""
        factor: np.ndarray | float = 1.0
        if self.temperature:
            factor = factor * bose(energy, self.temperature)
        if self.kf_over_ki:
            factor = factor * kf_over_ki(ei, energy)
        return factor

    def seen(self, moments: np.ndarray, q: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """Intensity of amplitudes (..., 3) at momenta (..., 3), both in the frame of a domain: `turn` takes rows to that frame."""
        if self.component == "perp":
            return perpendicular(moments, q)
        vertical = np.array([0.0, 0.0, 1.0]) if self.vertical is None else self.vertical @ turn  # the chiral component needs none
        values = polarised(moments, q, vertical).component(self.component)
        return values * np.sign(np.linalg.det(turn)) if self.component == "chiral" else values  # a mirror turns what is chiral


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
        """The operation W with which (qh, qk) of this plane has the momentum of (qh, qk) W of `other`, (2, 2); None if there is none."""
        if not np.allclose(self.beam, other.beam, rtol=0, atol=1e-9):
            return None
        return next((w for w in SIGNED_PERMUTATIONS if np.allclose(self.frame, w @ other.frame, rtol=0, atol=1e-9)), None)


class Group:
    """Slices of one incident energy: their indices, the edges between which their windows lie, and which piece is in which window."""

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
"""Cells of momentum: to each width in energy that a steep mode crosses, and, squared, that a curved one leaves its tangent by.

Chosen so that slices are within 3 % of those of many times finer cells, and their means within 1 % (`benchmarks/pixels.py`).
"""
SAMPLES = 300
"""Momenta at which the modes' shape is looked at."""
CELLS_PER_ZONE = (6, 96)
"""Cells across a zone at least and at most."""
LINES_PER_ZONE = 2
"""Lines of symmetry along each axis of a zone: its sides, and the middle between them."""
MERGED = 1.5
"""A lattice of this many times as many cells as needed is taken where another incident energy needs it."""
DEGENERATE = 1e-5
"""Of the largest energy: modes nearer to one another than that are one level."""
STOPS_PER_ZONE = 32
"""Solves to a zone along the beam, where the modes depend on it."""


class Batch(NamedTuple):
    """Lines of energy seen in the calculated pixels.

    Parameters
    ----------
    pixel, energy, spread, intensity : (line,)
        Calculated pixel, rising; energy in meV and the variance of it; strength.
    reached : (line, window) or None
        Factor on each.
    """

    pixel: np.ndarray
    energy: np.ndarray
    spread: np.ndarray
    intensity: np.ndarray
    reached: np.ndarray | None


class Domain:
    """A domain of the crystal: its momenta and their reach, and where on the map they are seen.

    Parameters
    ----------
    plane
        The map's pixels in the domain's frame.
    places
        (weight, W) of each domain that shares the solves: at (qh, qk) it has the momentum that this one has at (qh, qk) W.
    """

    def __init__(self, material: Material, view: View, slices: Slices, plane: Plane, places: Sequence[tuple[float, np.ndarray]]):
        self.material, self.view, self.slices, self.plane = material, view, slices, plane
        inverse = np.linalg.inv(material.model.lattice.reciprocal)
        self.to_hkl, self.beam_hkl = plane.frame @ inverse, plane.beam @ inverse
        self.groups = group_by_ei(slices)
        alike = self._symmetries() if view.kernel is None else [np.eye(2)]
        self._wanted = [np.concatenate(x) for x in zip(*(images(plane.low, plane.high, w) for _, w in places), strict=True)]
        #: pixels that are calculated, (pixel, 2): no two of them are alike
        self.low, self.high, which = unlike(*self._wanted, alike)
        self._axes_alike = any(operation[0, 0] == 0 for operation in alike)
        self.across = np.sum((0.5 * (self.low + self.high) @ plane.frame) ** 2, axis=-1)
        known = np.isfinite(slices.ei)
        self._reach = reachable(np.where(known, slices.ei, np.inf)[:, None], slices.centres[:, None], self.across)
        self._sources = [(weight, source) for (weight, _), source in zip(places, which.reshape(len(places), -1), strict=True)]
        #: pixels of the map that the kinematics allow in all the places, (slice, pixel)
        self.reach = np.all([self._reach[:, source] for _, source in self._sources], axis=0)

    def _symmetries(self) -> list[np.ndarray]:
        """Operations on (qh, qk) that change no intensity, whatever the parameters: found by trying them at random momenta and values."""
        material, plane = self.material, self.plane
        metric = plane.frame @ plane.frame.T
        tried = [w for w in SIGNED_PERMUTATIONS if np.allclose(w @ metric @ w.T, metric, rtol=0, atol=1e-9 * metric.max())]
        if len(material.model.sites) > MANY_SITES:
            return tried[:1]
        rng = np.random.default_rng(0)
        values = {name: value + 0.1 * max(abs(value), 0.01) * rng.uniform(-1, 1, 4) for name, value in material.defaults.items()}
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
        same = np.all(np.abs(compared - compared[0]) <= 1e-7 * np.abs(compared[0]).max(axis=(1, 2), keepdims=True), axis=(1, 2, 3))
        return [w for w, one in zip(tried, same, strict=True) if one]

    def cell(self, group: Group) -> np.ndarray:
        """Largest part of a pixel, (qh, qk) in r.l.u., across which the modes seen at an incident energy are straight lines.

        By the steepness and the curvature of the modes in each window at random momenta of the map, with the material's own parameters.
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
        """Energies (m, mode) at random momenta of the map; slope and curvature along qh and qk, (m, mode, 2) each, unsigned."""
        rng = np.random.default_rng(0)
        low, high = self._wanted
        chosen = rng.integers(0, len(low), SAMPLES)
        points = low[chosen] + rng.uniform(0, 1, (SAMPLES, 2)) * (high - low)[chosen]
        step = 1e-3
        places = np.concatenate((points, *(points + step * axis for axis in np.eye(2))))
        # a typical momentum along the beam: that of the middle of the middle slice
        middle = group_by_ei(self.slices[[self.slices.size // 2]])[0]
        across = np.sum((places @ self.plane.frame) ** 2, axis=-1)
        along = self.along(np.full(len(places), middle.edges.mean()), across, middle)
        hkl = places @ self.to_hkl + along[:, None] * self.beam_hkl
        modes = modes_of(self.material, hkl, self.material.couplings(self.material.defaults), velocities=True)
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
        return tuple(int(n) for n in np.ceil(widest / self.cell(group) - 0.1).clip(1))

    def along(self, energy: np.ndarray, across: np.ndarray, group: Group) -> np.ndarray:
        """Component of Q along the beam for modes at `energy`, in 1/angstrom; 0 where Ei is unknown."""
        return along_beam(group.ei, energy, across) if np.isfinite(group.ei) else np.zeros(np.broadcast_shapes(energy.shape, across.shape))

    def margin(self, group: Group, scale: float) -> float:
        """How far from an energy window a mode still reaches into it, in meV."""
        if self.view.kernel is not None:
            return self.view.kernel.reach(group.index)
        return 4 * scale * float(self.view.instrument.sigma(group.ei, np.zeros(()))) if np.isfinite(group.ei) else 0.0

    def density(self, energy: np.ndarray, spread: np.ndarray, group: Group, scale: np.ndarray | float) -> np.ndarray:
        """Density in each window of the group of lines at `energy` with variances `spread`, (..., window), in 1/meV."""
        if np.isfinite(group.ei):
            spread = spread + (scale * self.view.instrument.sigma(group.ei, energy)) ** 2
        return line_below(energy, np.sqrt(spread), group.edges) @ group.windows.astype(energy.dtype)

    def reached(self, pieces: Pieces, group: Group) -> np.ndarray | None:
        """Share of each piece in the part of its pixel that the kinematics allow, over its share of all of it, (piece, window).

        Pixels are averaged over what can be reached of them. None where all of each is.
        """
        if not np.isfinite(group.ei):
            return None
        across = np.sum(((pieces.nodes[pieces.node] + pieces.offset) @ self.plane.frame) ** 2, axis=-1)
        allowed = reachable(group.ei, self.slices.centres[group.index], across[:, None])
        if allowed.all():
            return None
        start = np.flatnonzero(np.diff(pieces.pixel, prepend=-1))
        part = np.add.reduceat(allowed * pieces.share[:, None], start, axis=0)[pieces.pixel]
        return allowed / np.where(part > 0, part, 1.0)

    def add(self, out: np.ndarray, group: Group, batches: Iterable[Batch], scale: float) -> None:
        """Add lines to the map `out`, (slice, pixel)."""
        if self.view.kernel is not None:
            for weight, source in self._sources:  # without symmetries each calculated pixel is one of the map
                target = np.argsort(source)
                for lines in batches:
                    strength = weight * lines.intensity
                    self.view.kernel.add(out, group.index, target[lines.pixel], lines.energy, strength, self.reach, lines.spread)
            return
        summed = np.zeros((len(self.across), group.index.size))
        for lines in batches:
            density = np.empty((len(lines.energy), group.index.size), lines.energy.dtype)
            for first in range(0, len(density), BLOCK):
                part = slice(first, first + BLOCK)
                found = self.density(lines.energy[part], lines.spread[part], group, scale)
                np.multiply(found, lines.intensity[part, None], out=density[part])
            if lines.reached is not None:
                density *= lines.reached
            start = np.flatnonzero(np.diff(lines.pixel, prepend=-1))
            if len(start):
                summed[lines.pixel[start]] += np.add.reduceat(density, start, axis=0)
        self.place(out, group.index, summed.T)

    def place(self, out: np.ndarray, index: np.ndarray, values: np.ndarray) -> None:
        """Add values at the calculated pixels (..., pixel) to the slices `index` of the map `out` (..., slice, pixel), in all places."""
        for weight, source in self._sources:
            picked = values[..., source]
            out[..., index, :] += picked if weight == 1 else out.dtype.type(weight) * picked

    def empty(self, sets: int, dtype: type) -> np.ndarray:
        """A map for each parameter set, (set, slice, pixel)."""
        return np.zeros((sets, *self.reach.shape), dtype)


@dataclass(frozen=True, eq=False)
class Lattice:
    """Momenta that one or several incident energies are solved at, and the pieces of pixels that take their modes."""

    pieces: Pieces
    solver: SharedSolve | SharedSpiral
    hkl: np.ndarray
    across: np.ndarray
    reached: dict[int, np.ndarray | None] = field(default_factory=dict)
    """`Domain.reached` of the groups, by number, that use it."""

    def parabolas(self, modes: PlanarModes, axes: np.ndarray, dtype: type) -> Parabolas:
        """Of modes at its momenta; `axes` (2, 2) are those of the map, in units of (h, k)."""
        slopes = np.tensordot(axes, modes.velocities, axes=1).astype(dtype)
        bends = None
        if self.pieces.beside is not None:
            bends = np.stack([differences(slope, self.pieces, axis) for axis, slope in enumerate(slopes)])
        # a Goldstone mode at its own momentum is elastic
        energies = np.where(modes.usable & (modes.energies > 0), modes.energies, np.nan).astype(dtype)
        # a line is as wide as its energy spreads across a piece
        farthest = 3 * np.tensordot(self.pieces.reach.astype(dtype), np.abs(slopes), axes=1)
        return Parabolas(modes, energies, farthest, slopes, bends)


@dataclass(frozen=True, eq=False)
class Parabolas:
    """Modes about the nodes of a lattice.

    Parameters
    ----------
    modes
        At the nodes.
    energies : (node, mode)
        meV; NaN where a mode has no inelastic intensity.
    farthest : (node, mode)
        How far from their energies at the nodes they still have an intensity within a piece, in meV.
    slopes, bends : (axis of the map, node, mode)
        First and second derivatives by qh and qk; no second ones where a piece is all of a pixel.
    """

    modes: PlanarModes
    energies: np.ndarray
    farthest: np.ndarray
    slopes: np.ndarray
    bends: np.ndarray | None

    def across(self, pieces: Pieces, span: slice) -> tuple[np.ndarray, np.ndarray]:
        """Mean energies of the modes of `span` in each piece and the variances of them, (piece, mode)."""
        energies = self.energies[:, span].take(pieces.node, axis=0)
        spread = np.zeros_like(energies)
        for axis, (offset, variance, second) in enumerate(pieces.moments.astype(energies.dtype)):
            slope = self.slopes[axis][:, span].take(pieces.node, axis=0)
            energies += slope * offset
            slope *= slope
            slope *= variance
            spread += slope
            if self.bends is not None:
                bend = self.bends[axis][:, span].take(pieces.node, axis=0)
                bend *= second
                energies += bend
        return energies, spread


class Planar(Domain):
    """Engine for magnets whose energies do not depend on l: one solve for each (h, k) serves all slices."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        if self.material.spiral is not None:  # of its three branches the steepest is rare among the momenta that are looked at
            self.finer = 1.4
        steps = _merged([self._steps(group) for group in self.groups])
        cells = {step: np.min([self.cell(g) for g, one in zip(self.groups, steps, strict=True) if one == step], axis=0) for step in steps}
        lattices = {step: self._lattice(step, cells[step]) for step in cells}
        self._lattices, self._which = list(lattices.values()), [list(lattices).index(step) for step in steps]
        for number, (group, which) in enumerate(zip(self.groups, self._which, strict=True)):
            self._lattices[which].reached[number] = self.reached(self._lattices[which].pieces, group)
        solver = self._lattices[0].solver
        self._groups = solver.groups
        ions = list(dict.fromkeys(one.ion for one in self._groups))
        self._ions = [coefficients(ion) if ion else None for ion in ions]
        self._group_ion = [ions.index(one.ion) for one in self._groups]
        # a few momenta spread over the map find most unstable parameter sets at a fraction of the cost
        hkl = 0.5 * (self.low + self.high) @ self.to_hkl
        self._screen = self._shared(hkl[:: max(1, len(hkl) // 40), :2])

    def _shared(self, hk: np.ndarray) -> SharedSolve | SharedSpiral:
        model, spiral = self.material.model, self.material.spiral
        return SharedSolve(model, hk) if spiral is None else SharedSpiral(model, spiral.k, spiral.axis, hk)

    def _steps(self, group: Group) -> tuple[int, int] | None:
        """Cells to 1 r.l.u. along each axis, a multiple of four to a zone; None where a whole pixel is small enough to be one cell."""
        if self.parts(group) == (1, 1):
            return None
        multiple = 4 * self._whole_zones
        width = np.median(self.high - self.low, axis=0)
        wanted = np.maximum(1 / self.cell(group), 0.8 / width)  # a cell much larger than a pixel has its modes elsewhere
        return tuple(int(n) for n in multiple * np.ceil(wanted / multiple - 0.1))

    @property
    def _whole_zones(self) -> np.ndarray:
        """Zones to 1 r.l.u. along each axis, (2,) int; one where it is less."""
        return np.maximum(np.rint(self.zones), 1).astype(int)

    def _lattice(self, steps: tuple[int, int] | None, cell: np.ndarray) -> Lattice:
        if steps is None:
            pieces = divide(self.low, self.high, (1, 1))
        else:
            pieces = cut(self.low, self.high, cell, LINES_PER_ZONE * self._whole_zones, np.array(steps))
        hkl = pieces.nodes @ self.to_hkl
        return Lattice(pieces, self._shared(hkl[:, :2]), hkl, np.sum((pieces.nodes @ self.plane.frame) ** 2, axis=-1))

    def intensity(
        self, table: np.ndarray, widths: np.ndarray, progress: Progress | None, dtype: type = np.float32
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slices of each parameter set, (set, slice, pixel), and which sets are stable."""
        out, stable = self.empty(len(table), dtype), np.ones(len(table), bool)
        one_by_one = len(table) == 1  # then the threads share the momenta and the incident energies of the one set
        workers = None if one_by_one else 1

        def work(index: int) -> None:
            values, scale = table[index], widths[index]
            solved = [self._screen.solve(values, 1)]
            for lattice in self._lattices:
                if solved[-1] is None:
                    break
                solved.append(lattice.solver.solve(values, workers, np.result_type(out.dtype, np.complex64)))
            stable[index] = solved[-1] is not None
            if not stable[index]:
                return
            axes = self.to_hkl[:, :2]
            bent = [[lattice.parabolas(x, axes, dtype) for x in modes] for lattice, modes in zip(self._lattices, solved[1:], strict=True)]
            todo = range(len(self.groups))
            list(in_threads(lambda number: self._slices(number, bent[self._which[number]], scale, out[index]), todo, workers))

        for index, _ in enumerate(in_threads(work, range(len(table)))):
            if progress is not None:
                progress((index + 1) / len(table), f"Spin waves of {self.material.name}: {index + 1} of {len(table)}")
        return out, stable

    def _slices(self, number: int, modes: list[Parabolas], scale: float, out: np.ndarray) -> None:
        """Add the slices of one incident energy of one parameter set to `out`, (slice, pixel)."""
        self.add(out, self.groups[number], [lines for one in modes for lines in self._lines(number, one, scale)], scale)

    def _lines(self, number: int, bent: Parabolas, scale: float) -> Iterator[Batch]:
        """Lines of the modes of one symmetry at one incident energy, in one batch or none."""
        group, lattice = self.groups[number], self._lattices[self._which[number]]
        pieces, margin, real = lattice.pieces, self.margin(group, scale), bent.energies.dtype.type
        low, high = real(group.edges[0] - margin), real(group.edges[-1] + margin)
        near = (bent.energies + bent.farthest >= low) & (bent.energies - bent.farthest <= high)
        if np.isfinite(group.ei):
            near &= bent.energies < group.ei
        columns = np.flatnonzero(near.any(axis=0))
        if not columns.size:
            return
        span = slice(columns[0], columns[-1] + 1)
        near = near[:, span]
        node, mode = np.nonzero(near)
        intensity = np.zeros(near.shape, real)
        intensity[near] = self._intensity(lattice, bent, group, node, mode + span.start)
        _share_degenerate(intensity, bent.energies[:, span])
        strength = intensity.take(pieces.node, axis=0)
        if pieces.beside is not None:
            for axis, (offset, _, _) in enumerate(pieces.moments.astype(real)):
                change = differences(intensity, pieces, axis).take(pieces.node, axis=0)
                change *= offset
                strength += change
        strength *= pieces.share.astype(real)[:, None]
        energies, spread = bent.across(pieces, span)
        reach = np.sqrt(real(margin**2) + 16 * spread)
        kept = np.flatnonzero((strength != 0) & (energies > real(group.edges[0]) - reach) & (energies < real(group.edges[-1]) + reach))
        piece = kept // near.shape[1]
        reached = lattice.reached[number]
        energies, spread, strength = (x.ravel()[kept] for x in (energies, spread, strength))
        yield Batch(pieces.pixel[piece], np.abs(energies), spread, strength, None if reached is None else reached[piece])

    def _intensity(self, lattice: Lattice, bent: Parabolas, group: Group, node: np.ndarray, mode: np.ndarray) -> np.ndarray:
        """Intensity of modes at nodes, (line,) each, at the momentum along the beam of its own energy."""
        energy, real = bent.energies[node, mode], bent.energies.dtype  # that of the map: half the time where it is single
        across, components = lattice.across.astype(real)[node], bent.modes.components
        amplitudes = bent.modes.amplitudes(node, mode)
        along = self.along(energy, across, group).astype(real)
        q_squared = across + along**2
        factors = [None if table is None else j0(table, q_squared) for table in self._ions]
        third = lattice.hkl[:, 2].astype(real)[node] + along * real.type(self.beam_hkl[2])  # l
        turns = {z: real.type(2 * np.pi * z) * third for z in {abs(one.z) for one in self._groups}}
        phases = {z: np.cos(turn) - 1j * np.sin(turn) for z, turn in turns.items()}
        # spin component seen at this Q: sum over groups of form factor x phase x amplitude
        moment = np.zeros((len(components), len(node)), amplitudes.dtype)
        for g, (one, ion) in enumerate(zip(self._groups, self._group_ion, strict=True)):
            weight = phases[one.z] if one.z >= 0 else phases[-one.z].conj()
            weight = weight if factors[ion] is None else factors[ion] * weight
            if any(one.pair):
                weight = weight * np.cos(np.pi * (lattice.hkl[:, :2] @ one.pair)).astype(real)[node]
            for component in range(len(moment)):
                moment[component] += weight * amplitudes[component, g]
        q_across = lattice.pieces.nodes @ self.plane.frame
        if self.view.component == "perp":
            intensity = np.sum(moment.real**2 + moment.imag**2, axis=0)
            along_q = np.zeros(len(node), amplitudes.dtype)
            for component, direction in enumerate(components):
                projected = (q_across @ direction).astype(real)[node] + along * real.type(self.plane.beam @ direction)
                along_q += projected * moment[component]
            intensity = intensity - (along_q.real**2 + along_q.imag**2) / np.where(q_squared > 0, q_squared, np.inf)
        else:
            q = q_across[node] + along[:, None] * self.plane.beam
            intensity = np.nan_to_num(self.view.seen(moment.T @ components, q, self.plane.turn))
        return intensity * self.view.factor(group.ei, energy)


def _share_degenerate(intensity: np.ndarray, energies: np.ndarray) -> None:
    """Give modes (node, mode) of one energy the mean of their intensities: how a solver mixes them is chance, and differs between nodes."""
    apart = ~(np.abs(np.diff(energies, axis=1)) <= DEGENERATE * np.nanmax(np.abs(energies)))
    if apart.all():
        return
    first = np.pad(apart, ((0, 0), (1, 0)), constant_values=True)
    which = np.cumsum(first.ravel()) - 1
    shared = np.bincount(which, intensity.ravel()) / np.bincount(which)
    intensity[:] = shared[which].reshape(intensity.shape)


def _merged(steps: list[tuple[int, int] | None]) -> list[tuple[int, int] | None]:
    """The same with lattices left out that another can stand for: a solve costs more than a piece."""
    chosen = []
    for one in steps:
        finer = [n for n in steps if one and n and n[0] >= one[0] and n[1] >= one[1] and n[0] * n[1] <= MERGED * one[0] * one[1]]
        chosen.append(max(finer, default=one))
    return chosen


class ClosedForm(Domain):
    """Engine for the square-lattice antiferromagnet: closed form, all parameter sets at once."""

    finer = 1.25

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        model = self.material.model
        self._spin, self._ion = float(model.spins[0]), model.sites[0].ion
        self._columns = [model.parameters.index(name) for name in ("J1", "J2", "D")]
        parts = [self.parts(group) for group in self.groups]
        pieces = {n: divide(self.low, self.high, n) for n in dict.fromkeys(parts)}
        self._pieces = [pieces[n] for n in parts]
        self._reached = [self.reached(*each) for each in zip(self._pieces, self.groups, strict=True)]
        to_chemical = self.to_hkl @ np.linalg.inv(self.material.map.matrix).T
        self._chemical = [(pieces.nodes @ to_chemical).T for pieces in self._pieces]
        self._across = [np.sum((pieces.nodes @ self.plane.frame) ** 2, axis=-1) for pieces in self._pieces]

    def intensity(
        self, table: np.ndarray, widths: np.ndarray, progress: Progress | None, dtype: type = np.float32
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slices of each parameter set, (set, slice, pixel), and which sets are stable."""
        out, stable = self.empty(len(table), dtype), np.ones(len(table), bool)
        most = max(len(pieces.nodes) for pieces in self._pieces)
        step = max(1, 500_000 // (most * max(group.index.size for group in self.groups)))

        def work(part: slice) -> None:
            for number, group in enumerate(self.groups):
                density, whole = self._density(number, table[part][:, self._columns], widths[part, None], dtype)
                stable[part] &= whole
                self.place(out[part], group.index, density.swapaxes(1, 2))

        parts = [slice(start, start + step) for start in range(0, len(table), step)]
        for part, _ in zip(parts, in_threads(work, parts), strict=True):
            done = min(part.stop, len(table))
            if progress is not None:
                progress(done / len(table), f"Spin waves of {self.material.name}: {done} of {len(table)}")
        return out, stable

    def _density(self, number: int, couplings: np.ndarray, widths: np.ndarray, dtype: type) -> tuple[np.ndarray, np.ndarray]:
        """Density at the calculated pixels for one incident energy, (set, pixel, window), and which sets are stable."""
        group, pieces, reached = self.groups[number], self._pieces[number], self._reached[number]
        (h, k, _), across = self._chemical[number], self._across[number]
        energy, s_xx, _ = square_lattice_modes(h, k, self._spin, *couplings.T)
        stable = np.all(np.isfinite(energy), axis=-1)
        spread = 0.0
        for slope, half in zip(square_lattice_slopes(h, k, self._spin, *couplings.T), pieces.half.T, strict=True):
            spread = spread + (slope * half) ** 2 / 3
        usable = np.isfinite(s_xx) & (energy < (group.ei if np.isfinite(group.ei) else np.inf))
        s_xx = np.where(usable, s_xx, 0.0)  # a Goldstone mode at its own momentum is elastic
        energy = np.where(usable, energy, 0.0)
        along = self.along(energy, across, group)
        q_squared = across + along**2
        # both transverse directions, a and b, by the angle of Q to the easy axis c: 2 - sin^2
        seen = s_xx * (2 - across / np.where(q_squared > 0, q_squared, 1.0)) * self.view.factor(group.ei, energy)
        if self._ion:
            seen *= j0(coefficients(self._ion), q_squared) ** 2
        energy, spread, seen = (x.astype(dtype, copy=False) for x in (energy, spread, seen * pieces.share))
        density = self.density(energy, spread, group, widths.astype(dtype))
        density *= seen[..., None]
        if reached is not None:
            density *= reached.astype(dtype)
        return density.reshape(len(couplings), len(self.low), len(pieces.nodes) // len(self.low), -1).sum(axis=2), stable


class General(Domain):
    """Engine for any magnet: solves at several momenta along the beam, a fraction of a zone apart, each for all pixels.

    With the momentum t along the beam, Q = Q_across + t b and root = ki - t, the neutron loses E(t) = Ei - c (root^2 + Q_across^2). From
    each t a mode is taken as a straight line in t, which meets that parabola in closed form; between two the results are interpolated.
    """

    finer = 2.0

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._pieces = [divide(self.low, self.high, self.parts(group)) for group in self.groups]
        self._reached = [self.reached(*each) for each in zip(self._pieces, self.groups, strict=True)]

    def stops(self, group: Group) -> np.ndarray:
        """Momenta along the beam to solve at, rising, in 1/angstrom; 0 alone where Ei is unknown."""
        if not np.isfinite(group.ei):
            return np.zeros(1)
        margin = self.margin(group, 1.0)
        bottom, top = max(group.edges[0] - margin, 0.0), min(group.edges[-1] + margin, group.ei)
        roots = np.sqrt(np.maximum((group.ei - np.array([bottom, top])) / MEV_ANGSTROM2 - [self.across.min(), self.across.max()], 0.0))
        first, last = np.sqrt(group.ei / MEV_ANGSTROM2) - roots
        number = int(np.ceil(STOPS_PER_ZONE * (last - first) * np.abs(self.beam_hkl).max())) + 1
        return np.linspace(first, last, max(number, 2))

    def intensity(
        self, table: np.ndarray, widths: np.ndarray, progress: Progress | None, dtype: type = np.float32
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slices of each parameter set, (set, slice, pixel), and which sets are stable."""
        parameters = dict(zip(self.material.model.parameters, table.T, strict=True))
        out, stable = self.empty(len(table), dtype), np.ones(len(table), bool)
        todo = [
            (number, stops, at) for number, group in enumerate(self.groups) for stops in [self.stops(group)] for at in range(len(stops))
        ]
        for done, (number, stops, at) in enumerate(todo, 1):
            stable &= self._stop(number, stops, at, parameters, widths, out)
            if progress is not None:
                progress(done / len(todo), f"Spin waves of {self.material.name}: momentum {done} of {len(todo)} along the beam")
        return out, stable

    def _stop(
        self, number: int, stops: np.ndarray, at: int, parameters: Mapping[str, np.ndarray], widths: np.ndarray, out: np.ndarray
    ) -> np.ndarray:
        """Add the modes that lie nearer to this stop than to its neighbours, all by their share, to `out`, (set, slice, pixel).

        Returns which sets are stable.
        """
        group, pieces, reached, plane = self.groups[number], self._pieces[number], self._reached[number], self.plane
        within = np.arange(len(pieces.nodes)) if reached is None else np.flatnonzero(reached.any(axis=1))
        if not within.size:
            return np.ones(len(out), bool)
        q_across = pieces.nodes[within] @ plane.frame
        hkl = pieces.nodes[within] @ self.to_hkl + stops[at] * self.beam_hkl
        modes = modes_of(self.material, hkl, parameters, velocities=True)
        seen = self.view.seen(modes.amplitudes, (q_across + stops[at] * plane.beam)[:, None], plane.turn)
        usable = np.isfinite(seen) & (modes.energies > 0)  # a Goldstone mode at its own momentum is elastic
        for met, slopes, weights in self._met(group, stops, at, modes, q_across):
            strength = np.where(usable & (met > 0), np.nan_to_num(weights * seen), 0.0) * pieces.share[within, None]
            energies = np.where(strength != 0, met, 0.0)
            strength = strength * self.view.factor(group.ei, energies)
            spread = np.sum((slopes * pieces.half[within, None]) ** 2, axis=-1) / 3
            for image, energy, width, weight, scale in zip(out, energies, spread, strength, widths, strict=True):
                piece, mode = np.nonzero(weight)
                factor = None if reached is None else reached[within[piece]]
                pixel = pieces.pixel[within[piece]]
                self.add(image, group, [Batch(pixel, energy[piece, mode], width[piece, mode], weight[piece, mode], factor)], scale)
        return modes.stable

    def _met(
        self, group: Group, stops: np.ndarray, at: int, modes: Modes, q_across: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Where the neutrons meet the modes: energies (set, m, mode), their slopes by qh and qk, (..., 2), and weights, twice at most."""
        slopes = modes.velocities @ self.to_hkl.T
        if not np.isfinite(group.ei):
            yield modes.energies, slopes, np.ones_like(modes.energies)
            return
        ki, by_beam = np.sqrt(group.ei / MEV_ANGSTROM2), modes.velocities @ self.beam_hkl
        here = ki - stops[at]
        # w + v (here - root) = Ei - c (root^2 + across^2)
        rest = modes.energies + by_beam * here + MEV_ANGSTROM2 * np.sum(q_across**2, axis=-1)[:, None] - group.ei
        under = by_beam**2 - 4 * MEV_ANGSTROM2 * rest
        apart = np.sqrt(np.maximum(under, 0.0))  # |2 c root - v|, how fast the two part
        for side in (1.0, -1.0):
            root = (by_beam + side * apart) / (2 * MEV_ANGSTROM2)
            met = (under > 0) & (root >= 0)
            if not met.any():
                continue
            share = np.interp(ki - root, stops, np.eye(len(stops))[at])
            parting = side * np.maximum(apart, 0.05 * MEV_ANGSTROM2 * ki)  # where a mode runs along the path its weight diverges
            along = slopes * root[..., None] + by_beam[..., None] * (q_across @ self.plane.frame.T)[:, None]
            yield (
                modes.energies + by_beam * (here - root),
                np.nan_to_num(2 * MEV_ANGSTROM2 * along / parting[..., None]),
                np.where(met, share * 2 * MEV_ANGSTROM2 * root / np.abs(parting), 0.0),
            )


def engine_for(material: Material, view: View, plane: Plane) -> type[ClosedForm | Planar | General]:
    """The fastest engine that is exact for a material."""
    beam = plane.beam @ np.linalg.inv(material.model.lattice.reciprocal)
    model, spiral = material.model, material.spiral
    planar = SharedSolve.allowed(model) if spiral is None else SharedSpiral.allowed(model, spiral.k)
    if np.abs(beam[:2]).max() > 1e-9 * abs(beam[2]) or not planar:
        return General
    return ClosedForm if material.closed_form and view.component == "perp" and view.kernel is None else Planar
