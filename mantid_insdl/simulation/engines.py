"""Engines of constant-energy slices: from spin waves to densities in energy windows,
averaged over the area of each pixel, before any blur.

Each engine turns parameter sets into (set, slice, pixel) for one domain of a crystal:

=============  =================================================  ===================================================
engine         magnets                                            component of Q along the beam
=============  =================================================  ===================================================
`ClosedForm`   square-lattice antiferromagnet with J1, J2, D; c*  from each mode's own energy
               along the beam
`Planar`       no bond leaves the cell along c, no spiral turns   from its own energy; one solve for all slices
               along it; c* along the beam
`General`      all others                                         a solve at each of several along the path of the
                                                                  neutrons, moved to the mode's own by its velocity
=============  =================================================  ===================================================

Every pixel is cut into pieces (`pixels`); across a piece a mode is a straight line, as wide as its velocity makes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mantid_insdl.instrument.kinematics import MEV_ANGSTROM2
from mantid_insdl.materials import Material
from mantid_insdl.materials.spin_waves import modes_of, orders_of
from mantid_insdl.parallel import in_threads
from mantid_insdl.progress import Progress
from mantid_insdl.simulation.pixels import divide
from mantid_insdl.simulation.planar import Planar
from mantid_insdl.simulation.slice_engine import Batch, Group, Plane, SliceEngine, View, unraveled
from mantid_insdl.spinwave.form_factors import known
from mantid_insdl.spinwave.modes import Modes
from mantid_insdl.spinwave.shared import SharedSolve, SharedSpiral
from mantid_insdl.spinwave.square_lattice import square_lattice_modes, square_lattice_slopes

STOPS_PER_ZONE = 32
"""Solves to a zone along the beam, where the modes depend on it."""
MEMORY, MODE_BYTES, LEAST = 64_000_000, 500, 64
"""Bytes that each thread works on at once, about; bytes for a mode of one parameter set; pieces of pixels at least."""


class ClosedForm(SliceEngine):
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
        self._across_squared = [np.sum((pieces.nodes @ self.plane.frame) ** 2, axis=-1) for pieces in self._pieces]

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
                out[part, group.index] += self.on_map(density.swapaxes(1, 2), out.dtype)

        parts = [slice(start, start + step) for start in range(0, len(table), step)]
        for part, _ in zip(parts, in_threads(work, parts), strict=True):
            done = min(part.stop, len(table))
            if progress is not None:
                progress(done / len(table), f"Spin waves of {self.material.name}: {done} of {len(table)}")
        return out, stable

    def _density(
        self, number: int, couplings: np.ndarray, widths: np.ndarray, dtype: type
    ) -> tuple[np.ndarray, np.ndarray]:
        """Density at the calculated pixels for one incident energy, (set, pixel, window), and which sets are stable."""
        group, pieces, reached = self.groups[number], self._pieces[number], self._reached[number]
        (h, k, _), across_squared = self._chemical[number], self._across_squared[number]
        energy, s_xx, _ = square_lattice_modes(h, k, self._spin, *couplings.T)
        stable = np.all(np.isfinite(energy), axis=-1)
        spread = np.zeros(())
        for slope, half in zip(square_lattice_slopes(h, k, self._spin, *couplings.T), pieces.half.T, strict=True):
            spread = spread + (slope * half) ** 2 / 3
        usable = np.isfinite(s_xx) & (energy < (group.ei if np.isfinite(group.ei) else np.inf))
        s_xx = np.where(usable, s_xx, 0.0)  # a Goldstone mode at its own momentum is elastic
        energy = np.where(usable, energy, 0.0)
        along = self.along(energy, across_squared, group)
        q_squared = across_squared + along**2
        # both transverse directions, a and b, by the angle of Q to the easy axis c: 2 - sin^2
        seen = s_xx * (2 - across_squared / np.where(q_squared > 0, q_squared, 1.0))
        seen = seen * self.view.factor(group.ei, energy)
        if self._ion:
            seen *= known(self._ion).at(q_squared) ** 2
        energy, spread, seen = (x.astype(dtype, copy=False) for x in (energy, spread, seen * pieces.share))
        density = self.density(energy, spread, group, widths.astype(dtype))
        density *= seen[..., None]
        if reached is not None:
            density *= reached.astype(dtype)
        density = density.reshape(len(couplings), len(self.low), len(pieces.nodes) // len(self.low), -1)
        return density.sum(axis=2), stable


class _Job(NamedTuple):
    """What a thread does at once: pieces of the pixels of one incident energy, at one momentum along the beam,
    for some parameter sets.
    """

    number: int
    stops: np.ndarray
    at: int
    sets: slice
    pieces: np.ndarray


class General(SliceEngine):
    """Engine for any magnet: solves at several momenta along the beam, a fraction of a zone apart, each for all pixels.

    With the momentum t along the beam, Q = Q_across + t b and root = ki - t, the neutron loses
    E(t) = Ei - c (root^2 + Q_across^2). From each t a mode is taken as a straight line in t, which meets that parabola
    in closed form; between two the results are interpolated.
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
        across = [self.across_squared.min(), self.across_squared.max()]
        roots = np.sqrt(np.maximum((group.ei - np.array([bottom, top])) / MEV_ANGSTROM2 - across, 0.0))
        first, last = np.sqrt(group.ei / MEV_ANGSTROM2) - roots
        number = int(np.ceil(STOPS_PER_ZONE * (last - first) * np.abs(self.beam_hkl).max())) + 1
        return np.linspace(first, last, max(number, 2))

    def intensity(
        self, table: np.ndarray, widths: np.ndarray, progress: Progress | None, dtype: type = np.float32
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slices of each parameter set, (set, slice, pixel), and which sets are stable."""
        out, stable = self.empty(len(table), dtype), np.ones(len(table), bool)
        if self.material.relaxed:
            orders_of(self.material, dict(zip(self.material.model.parameters, table.T, strict=True)))  # all at once
        size = MODE_BYTES * len(self.material.model.sites) * (3 if self.material.spiral is not None else 1)
        sets = max(1, MEMORY // (size * LEAST))
        pieces = max(LEAST, MEMORY // (size * min(sets, len(table))))
        todo = [
            _Job(number, stops, at, slice(first, first + sets), part)
            for number, group in enumerate(self.groups)
            for stops in [self.stops(group)]
            for at in range(len(stops))
            for part in self._parts(number, pieces)
            for first in range(0, len(table), sets)
        ]
        totals = [np.zeros((len(table) * len(self.low), group.index.size)) for group in self.groups]
        results = in_threads(lambda job: self._stop(job, table[job.sets], widths[job.sets]), todo)
        for done, (job, (whole, found)) in enumerate(zip(todo, results, strict=True), 1):
            stable[job.sets] &= whole
            own = np.arange(len(table))[job.sets]
            for one in found:
                if isinstance(one, Batch):
                    self.spread(out, own, self.groups[job.number], one)
                else:
                    place, values = one
                    totals[job.number][place + own[0] * len(self.low)] += values
            if progress is not None:
                text = f"momentum {job.at + 1} of {len(job.stops)} along the beam"
                progress(done / len(todo), f"Spin waves of {self.material.name}: {text}")
        if self.view.kernel is None:
            for group, total in zip(self.groups, totals, strict=True):
                of_sets = total.reshape(len(table), -1, group.index.size).swapaxes(1, 2)
                out[:, group.index] = self.on_map(of_sets, out.dtype)
        return out, stable

    def _parts(self, number: int, size: int) -> list[np.ndarray]:
        """Pieces of an incident energy that neutrons reach, in parts of at most `size`."""
        reached = self._reached[number]
        within = np.arange(len(self._pieces[number].nodes)) if reached is None else np.flatnonzero(reached.any(axis=1))
        return [within[start : start + size] for start in range(0, len(within), size)]

    def _stop(self, job: _Job, table: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, list[Any]]:
        """Which sets are stable; and the modes that lie nearer to this stop than to its neighbours,
        all by their share.

        As lines where resolution ellipsoids are to spread them, else as `summed`.
        """
        number, stops, at, within = job.number, job.stops, job.at, job.pieces
        group, pieces, reached, plane = self.groups[number], self._pieces[number], self._reached[number], self.plane
        q_across = pieces.nodes[within] @ plane.frame
        hkl = pieces.nodes[within] @ self.to_hkl + stops[at] * self.beam_hkl
        parameters = dict(zip(self.material.model.parameters, table.T, strict=True))
        modes = modes_of(self.material, hkl, parameters, velocities=True, workers=1)
        found: list[Any] = []
        q = q_across + stops[at] * plane.beam
        for met, slopes, weights in self._met(group, stops, at, modes, q_across):
            # a Goldstone mode at its own momentum is elastic
            line = np.flatnonzero((weights > 0) & (modes.energies > 0) & (met > 0))
            index, part, _ = unraveled(line, modes.energies.shape)
            seen = self.view.seen(modes.amplitudes.reshape(-1, 3).take(line, axis=0), q.take(part, axis=0), plane.turn)
            energy, own = met.ravel().take(line), within.take(part)
            strength = np.nan_to_num(weights.ravel().take(line) * seen) * pieces.share.take(own)
            strength = strength * self.view.factor(group.ei, energy)
            across = slopes.reshape(-1, 2).take(line, axis=0) * pieces.half.take(own, axis=0)
            spread = np.sum(across**2, axis=-1) / 3
            place = pieces.pixel.take(own) + index * len(self.low)
            lines = Batch(place, energy, spread, strength, None if reached is None else reached.take(own, axis=0))
            found.append(lines if self.view.kernel is not None else self.summed(group, lines, widths))
        return modes.stable, found

    def _met(
        self, group: Group, stops: np.ndarray, at: int, modes: Modes, q_across: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Where the neutrons meet the modes, twice at most: energies (set, m, mode),
        their slopes by qh and qk, (..., 2), and weights.
        """
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
            # where a mode runs along the path its weight diverges
            parting = side * np.maximum(apart, 0.05 * MEV_ANGSTROM2 * ki)
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
    closed = material.closed_form and view.component == "perp" and view.kernel is None and model.shows_spins
    return ClosedForm if closed else Planar
