"""The engine of constant-energy slices for magnets whose energies do not depend on l."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mantid_insdl.errors import InstabilityError
from mantid_insdl.materials import Material
from mantid_insdl.materials.spin_waves import ordered, orders_of
from mantid_insdl.parallel import cores, in_threads
from mantid_insdl.progress import Progress
from mantid_insdl.simulation.pixels import Pieces, cut, differences, divide
from mantid_insdl.simulation.slice_engine import Batch, Group, SliceEngine, unraveled
from mantid_insdl.spinwave.form_factors import known
from mantid_insdl.spinwave.shared import PlanarModes, SharedSolve, SharedSpiral, along_axes

LINES_PER_ZONE = 2
"""Lines of symmetry along each axis of a zone: its sides, and the middle between them."""
MERGED = 1.5
"""A lattice of this many times as many cells as needed is taken where another incident energy needs it."""
TOGETHER = 800_000
"""Modes in pieces of pixels that a thread works on at once, in some 100 MB: enough that what surrounds each operation
on arrays, during which no other thread can run, is short against it.
"""
DEGENERATE = 1e-5
"""Of the largest energy: modes nearer to one another than that are one level."""


class OwnOrders:
    """Solver over in-plane momenta for an order that follows the parameters:
    `SharedSolve` or `SharedSpiral` of each set's own order.

    Which momenta can share a solve is not looked for: that would take longer than it saves. Permutations that split h
    are those of the material's own values, as far as they do in the order of the set.
    """

    def __init__(self, material: Material, hk: np.ndarray):
        self._material, self._hk = material, hk
        usual = _solver(material, material.couplings(material.defaults), hk[:1])
        self.groups, self._tried = usual.groups, usual.splitting

    def solve(
        self, table: np.ndarray, workers: int | None = None, kind: type = complex
    ) -> tuple[np.ndarray, list[PlanarModes]]:
        """As `SharedSolve.solve`, of one set (1, parameter); unstable, and without modes, also where the order ends."""
        couplings = dict(zip(self._material.model.parameters, table[0], strict=True))
        try:
            solver = _solver(self._material, couplings, self._hk, reduce=False, tried=self._tried)
        except InstabilityError:
            return np.zeros(1, bool), []
        return solver.solve(table, workers, kind)


Solver = SharedSolve | SharedSpiral | OwnOrders


def _solver(material: Material, couplings: Mapping[str, Any], hk: np.ndarray, **how: Any) -> SharedSolve | SharedSpiral:
    """About the order of one parameter set."""
    model, k = ordered(material, couplings)
    if k is None:
        return SharedSolve(model, hk, **how)
    assert material.spiral is not None and material.spiral.axis is not None  # nothing else has a wave vector
    return SharedSpiral(model, k, material.spiral.axis, hk, **how)


@dataclass(frozen=True, eq=False)
class Lattice:
    """Momenta that one or several incident energies are solved at, and the pieces of pixels that take their modes."""

    pieces: Pieces
    solver: Solver
    hkl: np.ndarray
    across_squared: np.ndarray
    reached: dict[int, np.ndarray | None] = field(default_factory=dict)
    """`SliceEngine.reached` of the groups, by number, that use it."""

    def parabolas(self, modes: PlanarModes, axes: np.ndarray, dtype: type) -> Parabolas:
        """Of modes at its momenta; `axes` (2, 2) are those of the map, in units of (h, k)."""
        slopes: np.ndarray = along_axes(axes, modes.velocities).astype(dtype, copy=False)
        bends = None
        if self.pieces.beside is not None:
            bends = np.stack([differences(slope, self.pieces, axis) for axis, slope in enumerate(slopes)])
        # a Goldstone mode at its own momentum is elastic
        energies: np.ndarray = np.where(modes.usable & (modes.energies > 0), modes.energies, np.nan).astype(dtype)
        # a line is as wide as its energy spreads across a piece
        farthest = 3 * sum(
            far * np.abs(slope) for far, slope in zip(self.pieces.reach.astype(dtype), slopes, strict=True)
        )
        return Parabolas(energies, farthest, slopes, bends, modes.components, modes.amplitudes)


@dataclass(frozen=True, eq=False)
class Parabolas:
    """Modes about the nodes of a lattice.

    Parameters
    ----------
    energies : (set, node, mode)
        meV; NaN where a mode has no inelastic intensity.
    farthest : (set, node, mode)
        How far from their energies at the nodes they still have an intensity within a piece, in meV.
    slopes, bends : (axis of the map, set, node, mode)
        First and second derivatives by qh and qk; no second ones where a piece is all of a pixel.
    components, amplitudes
        Of the modes at the nodes: as of `PlanarModes`.
    """

    energies: np.ndarray
    farthest: np.ndarray
    slopes: np.ndarray
    bends: np.ndarray | None
    components: np.ndarray
    amplitudes: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

    def of(self, sets: np.ndarray) -> Parabolas:
        """Those of some sets, by number, in this order and as often."""
        if np.array_equal(sets, np.arange(len(self.energies))):
            return self
        return Parabolas(
            self.energies[sets],
            self.farthest[sets],
            self.slopes[:, sets],
            None if self.bends is None else self.bends[:, sets],
            self.components,
            lambda own, *lines: self.amplitudes(sets.take(own), *lines),
        )

    def in_pieces(self, pieces: Pieces, span: slice) -> tuple[np.ndarray, np.ndarray]:
        """Mean energies of the modes of `span` in each piece and the variances of them, (set, piece, mode)."""
        energies = self.energies[..., span].take(pieces.node, axis=1)
        spread = np.zeros_like(energies)
        for axis, (offset, variance, second) in enumerate(pieces.moments.astype(energies.dtype)):
            slope = self.slopes[axis][..., span].take(pieces.node, axis=1)
            energies += slope * offset
            slope *= slope
            slope *= variance
            spread += slope
            if self.bends is not None:
                bend = self.bends[axis][..., span].take(pieces.node, axis=1)
                bend *= second
                energies += bend
        return energies, spread


class Planar(SliceEngine):
    """Engine for magnets whose energies do not depend on l: one solve for each (h, k) serves all slices."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        # of its three branches the steepest is rare among the momenta that are looked at
        if self.material.spiral is not None:
            self.finer = 2.0 if self._wandering else 1.4
        steps = _merged([self._steps(group) for group in self.groups])
        cells = {
            step: np.min([self.cell(g) for g, one in zip(self.groups, steps, strict=True) if one == step], axis=0)
            for step in steps
        }
        lattices = {step: self._lattice(step, cells[step]) for step in cells}
        self._lattices, self._which = list(lattices.values()), [list(lattices).index(step) for step in steps]
        for number, (group, which) in enumerate(zip(self.groups, self._which, strict=True)):
            self._lattices[which].reached[number] = self.reached(self._lattices[which].pieces, group)
        solver = self._lattices[0].solver
        self._groups = solver.groups
        ions = list(dict.fromkeys(one.ion for one in self._groups))
        self._ions = [known(ion) if ion else None for ion in ions]
        self._group_ion = [ions.index(one.ion) for one in self._groups]
        # a few momenta spread over the map find most unstable parameter sets at a fraction of the cost
        hkl = 0.5 * (self.low + self.high) @ self.to_hkl
        self._screen = self._shared(hkl[:: max(1, len(hkl) // 40), :2])
        #: parameter sets that are worked on at once, at most
        self._together = 1
        if not isinstance(solver, OwnOrders):
            largest = max(max(len(one.pieces.node), len(one.pieces.nodes)) for one in self._lattices)
            self._together = max(1, int(TOGETHER / (largest * solver.rows)))

    def _shared(self, hk: np.ndarray) -> Solver:
        if self.material.relaxed:
            return OwnOrders(self.material, hk)
        return _solver(self.material, self.material.couplings(self.material.defaults), hk)

    @property
    def _wandering(self) -> bool:
        """Whether modes have kinks that move with the parameters, at the wave vector of a spiral:
        no lattice keeps its nodes off these.
        """
        return self.material.relaxed and self.material.spiral is not None

    def _steps(self, group: Group) -> tuple[int, int] | None:
        """Cells to 1 r.l.u. along each axis, a multiple of four to a zone (of a wandering spiral: parts of a pixel).

        None where a whole pixel is small enough to be one cell.
        """
        if self.parts(group) == (1, 1):
            return None
        if self._wandering:
            return self.parts(group)
        multiple = 4 * self._whole_zones
        width = np.median(self.high - self.low, axis=0)
        # a cell much larger than a pixel has its modes elsewhere
        wanted = np.maximum(1 / self.cell(group), 0.8 / width)
        along_h, along_k = multiple * np.ceil(wanted / multiple - 0.1)
        return int(along_h), int(along_k)

    @property
    def _whole_zones(self) -> np.ndarray:
        """Zones to 1 r.l.u. along each axis, (2,) int; one where it is less."""
        return np.maximum(np.rint(self.zones), 1).astype(int)

    def _lattice(self, steps: tuple[int, int] | None, cell: np.ndarray) -> Lattice:
        if steps is None or self._wandering:
            pieces = divide(self.low, self.high, steps or (1, 1))
        else:
            pieces = cut(self.low, self.high, cell, LINES_PER_ZONE * self._whole_zones, np.array(steps))
        hkl = pieces.nodes @ self.to_hkl
        return Lattice(pieces, self._shared(hkl[:, :2]), hkl, np.sum((pieces.nodes @ self.plane.frame) ** 2, axis=-1))

    def intensity(
        self, table: np.ndarray, widths: np.ndarray, progress: Progress | None, dtype: type = np.float32
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slices of each parameter set, (set, slice, pixel), and which sets are stable."""
        out, stable = self.empty(len(table), dtype), np.ones(len(table), bool)
        # What differs in the energy width only costs one solve.
        sets, which = np.unique(table, axis=0, return_inverse=True)
        which = which.ravel()
        if self.material.relaxed:
            orders_of(self.material, dict(zip(self.material.model.parameters, sets.T, strict=True)))  # all at once
        parts = _parts(len(sets), self._together, cores())
        workers = (
            None if len(parts) == 1 else 1
        )  # the threads share the sets, or the momenta and slices of the only one

        def work(part: np.ndarray) -> None:
            (good,) = np.nonzero(self._screen.solve(sets[part], 1)[0])
            good = part[good]
            solved = []
            whole = np.ones(len(good), bool)
            for lattice in self._lattices if len(good) else []:
                here, modes = lattice.solver.solve(sets[good], workers, np.result_type(out.dtype, np.complex64).type)
                whole &= here
                solved.append([lattice.parabolas(one, self.to_hkl[:, :2], dtype) for one in modes])
            stable[np.isin(which, np.setdiff1d(part, good[whole]))] = False
            places = np.flatnonzero(np.isin(which, good[whole]))
            if not len(places):
                return
            places = places[np.argsort(which[places], kind="stable")]
            own = np.searchsorted(good, which[places])

            def slices_of(job: tuple[np.ndarray, int]) -> None:
                chosen, number = job
                bent = [one.of(own[chosen]) for one in solved[self._which[number]]]
                self._slices(number, bent, widths[places[chosen]], places[chosen], out)

            chunks = _parts(len(places), self._together, workers or cores())
            list(in_threads(slices_of, itertools.product(chunks, range(len(self.groups))), workers))

        for part, _ in zip(parts, in_threads(work, parts), strict=True):
            if progress is not None:
                done = part[-1] + 1
                progress(done / len(sets), f"Spin waves of {self.material.name}: {done} of {len(sets)}")
        return out, stable

    def _slices(
        self, number: int, modes: list[Parabolas], scales: np.ndarray, places: np.ndarray, out: np.ndarray
    ) -> None:
        """Add the slices of one incident energy of some parameter sets to `out`, (set, slice, pixel), at `places`."""
        group = self.groups[number]
        batches = [lines for lines in (self._lines(number, one, scales) for one in modes) if lines is not None]
        if self.view.kernel is not None:
            for lines in batches:
                self.spread(out, places, group, lines)
            return
        total = np.zeros((len(places) * len(self.low), group.index.size))
        for lines in batches:
            place, values = self.summed(group, lines, scales)
            total[place] += values
        of_sets = total.reshape(len(places), -1, group.index.size).swapaxes(1, 2)
        out[places[:, None], group.index] = self.on_map(of_sets, out.dtype)

    def _lines(self, number: int, bent: Parabolas, scales: np.ndarray) -> Batch | None:
        """Lines of the modes of one symmetry at one incident energy, if there are any."""
        group, lattice = self.groups[number], self._lattices[self._which[number]]
        pieces, real = lattice.pieces, bent.energies.dtype.type
        margin = np.array([self.margin(group, scale) for scale in scales])[:, None, None]
        low, high = (group.edges[0] - margin).astype(real), (group.edges[-1] + margin).astype(real)
        near = (bent.energies + bent.farthest >= low) & (bent.energies - bent.farthest <= high)
        if np.isfinite(group.ei):
            near &= bent.energies < group.ei
        columns = np.flatnonzero(near.any(axis=(0, 1)))
        if not columns.size:
            return None
        span = slice(columns[0], columns[-1] + 1)
        near = near[..., span]
        line = np.flatnonzero(near)
        intensity = np.zeros(near.shape, real)
        intensity.ravel()[line] = self._intensity(lattice, bent, group, *unraveled(line, near.shape, span.start))
        _share_degenerate(intensity, bent.energies[..., span])
        strength = intensity.take(pieces.node, axis=1)
        if pieces.beside is not None:
            for axis, (offset, _, _) in enumerate(pieces.moments.astype(real)):
                change = differences(intensity, pieces, axis).take(pieces.node, axis=1)
                change *= offset
                strength += change
        strength *= pieces.share.astype(real)[:, None]
        energies, spread = bent.in_pieces(pieces, span)
        reach = np.sqrt((margin**2).astype(real) + 16 * spread)
        near_edges = (energies > real(group.edges[0]) - reach) & (energies < real(group.edges[-1]) + reach)
        kept = np.flatnonzero((strength != 0) & near_edges)
        own, piece, _ = unraveled(kept, strength.shape)
        place = pieces.pixel.take(piece) + own * len(self.low)
        reached = lattice.reached[number]
        reached = None if reached is None else reached.take(piece, axis=0)
        energies, spread, strength = (x.ravel().take(kept) for x in (energies, spread, strength))
        return Batch(place, np.abs(energies), spread, strength, reached)

    def _intensity(
        self,
        lattice: Lattice,
        bent: Parabolas,
        group: Group,
        own: np.ndarray,
        node: np.ndarray,
        mode: np.ndarray,
    ) -> np.ndarray:
        """Intensity of modes of sets at nodes, (line,) each, at the momentum along the beam of its own energy."""
        # that of the map: half the time where it is single
        energy, real = bent.energies[own, node, mode], bent.energies.dtype
        across_squared, components = lattice.across_squared.astype(real)[node], bent.components
        amplitudes = bent.amplitudes(own, node, mode)
        along = self.along(energy, across_squared, group).astype(real)
        q_squared = across_squared + along**2
        factors = [None if table is None else table.at(q_squared) for table in self._ions]
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


def _parts(number: int, most: int, workers: int) -> list[np.ndarray]:
    """Numbers from zero in parts of at most `most`, as many to each worker."""
    rounds = -(-number // (most * workers))
    return np.array_split(np.arange(number), min(number, rounds * workers))


def _share_degenerate(intensity: np.ndarray, energies: np.ndarray) -> None:
    """Give modes (set, node, mode) of one energy the mean of their intensities:
    how a solver mixes them is chance, and differs between nodes.
    """
    largest = np.nan_to_num(np.abs(energies)).max(axis=(1, 2), keepdims=True)  # of each set
    apart = ~(np.abs(np.diff(energies, axis=-1)) <= DEGENERATE * largest)
    if apart.all():
        return
    first = np.ones(energies.shape, bool)
    first[..., 1:] = apart
    which = np.cumsum(first.ravel()) - 1
    shared = np.bincount(which, intensity.ravel()) / np.bincount(which)
    intensity[:] = shared[which].reshape(intensity.shape)


def _merged(steps: list[tuple[int, int] | None]) -> list[tuple[int, int] | None]:
    """The same with lattices left out that another can stand for: a solve costs more than a piece."""
    lattices = [one for one in steps if one is not None]

    def merged(one: tuple[int, int]) -> tuple[int, int]:
        finer = [n for n in lattices if n[0] >= one[0] and n[1] >= one[1]]
        return max(n for n in finer if n[0] * n[1] <= MERGED * one[0] * one[1])

    return [None if one is None else merged(one) for one in steps]
