"""Engines of constant-energy slices: from spin waves over a grid of momenta to densities in energy windows, before any blur.

Each engine turns parameter sets into (set, slice, pixel) for one domain of a crystal:

=============  =======================================================================  =============================================
engine         magnets                                                                  component of Q along the beam
=============  =======================================================================  =============================================
`ClosedForm`   square-lattice antiferromagnet with J1, J2, D; c* along the beam         from each mode's own energy
`Planar`       no bond leaves the cell along c, no spiral turns along it; c* along the   from its own energy; one solve for all slices
               beam
`General`      all others                                                               from the middle of the energy window: a solve
                                                                                        a slice
=============  =======================================================================  =============================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mantid_insdl.instrument.kinematics import along_beam, kf_over_ki, reachable
from mantid_insdl.instrument.resolution import ChopperSpectrometer, bin_fractions
from mantid_insdl.instrument.temperature import bose
from mantid_insdl.maps import Slices
from mantid_insdl.materials import Material
from mantid_insdl.materials.modes import modes_of
from mantid_insdl.parallel import in_threads
from mantid_insdl.progress import Progress
from mantid_insdl.spinwave.form_factors import coefficients, j0
from mantid_insdl.spinwave.modes import perpendicular
from mantid_insdl.spinwave.polarisation import polarised
from mantid_insdl.spinwave.shared import PlanarModes, SharedSolve, SharedSpiral
from mantid_insdl.spinwave.square_lattice import square_lattice_modes

if TYPE_CHECKING:
    from mantid_insdl.instrument.ellipsoid import PixelKernel


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
class Grid:
    """Momenta of a map in the frame of one domain of the crystal.

    Parameters
    ----------
    across : (pixel, 3)
        Momentum less its part along the beam, Cartesian, in 1/angstrom.
    beam : (3,)
        Unit vector along the incident beam.
    turn : (3, 3)
        Takes Cartesian row vectors of the crystal's reference frame to that of the domain.
    """

    across: np.ndarray
    beam: np.ndarray
    turn: np.ndarray

    def images_in(self, other: Grid) -> np.ndarray | None:
        """For each pixel of this grid the pixel of `other` at the same momentum; None where one is missing or the beam differs."""
        if not np.allclose(self.beam, other.beam, rtol=0, atol=1e-9):
            return None
        (keys, mine), (others, theirs) = (_sorted(grid.across) for grid in (self, other))
        if not np.array_equal(keys, others):
            return None
        images = np.empty(len(mine), int)
        images[mine] = theirs
        return images


def _sorted(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points rounded to 1e-9 and sorted, and the order."""
    keys = np.round(points, 9) + 0.0
    order = np.lexsort(keys.T)
    return keys[order], order


class Group:
    """Slices of one incident energy: their indices, the edges between which their windows lie, and which piece is in which window."""

    def __init__(self, slices: Slices, index: np.ndarray):
        self.index, self.ei = index, float(slices.ei[index[0]])
        low, high = slices.energy_min[index], slices.energy_max[index]
        self.edges = np.unique(np.concatenate((low, high)))
        inside = (self.edges[:-1, None] >= low) & (self.edges[1:, None] <= high)
        self.windows = inside / (high - low)  # (piece, window)


def group_by_ei(slices: Slices) -> list[Group]:
    key = np.where(np.isfinite(slices.ei), slices.ei, -1.0)
    return [Group(slices, np.flatnonzero(key == one)) for one in np.unique(key)]


class Domain:
    """A domain of the crystal: its momenta and their reach, and where on the map they are seen.

    Parameters
    ----------
    grid
        Momenta in the domain's frame.
    places
        (weight, source) of each domain that shares the momenta: pixel p of the map shows momentum ``source[p]`` of the grid.
    """

    def __init__(self, material: Material, view: View, slices: Slices, grid: Grid, places: Sequence[tuple[float, np.ndarray]]):
        self.material, self.view, self.slices, self.grid, self.places = material, view, slices, grid, places
        reciprocal = material.model.lattice.reciprocal
        self.hkl = grid.across @ np.linalg.inv(reciprocal)
        self.beam_hkl = grid.beam @ np.linalg.inv(reciprocal)
        self.across = np.sum(grid.across**2, axis=-1)
        known = np.isfinite(slices.ei)
        self._reach = reachable(np.where(known, slices.ei, np.inf)[:, None], slices.centres[:, None], self.across)
        #: pixels of the map that the kinematics allow in all the places, (slice, pixel)
        self.reach = np.all([self._reach[:, source] for _, source in places], axis=0)
        self.groups = group_by_ei(slices)
        self._sources = list(places)
        self._targets = [(weight, np.argsort(source)) for weight, source in places]

    def along(self, energy: np.ndarray, across: np.ndarray, group: Group) -> np.ndarray:
        """Component of Q along the beam for modes at `energy`, in 1/angstrom; 0 where Ei is unknown."""
        return along_beam(group.ei, energy, across) if np.isfinite(group.ei) else np.zeros(np.broadcast_shapes(energy.shape, across.shape))

    def margin(self, group: Group, scale: float) -> float:
        """How far from an energy window a mode still reaches into it, in meV."""
        if self.view.kernel is not None:
            return self.view.kernel.reach(group.index)
        return 5 * scale * float(self.view.instrument.sigma(group.ei, np.zeros(()))) if np.isfinite(group.ei) else 0.0

    def density(self, energy: np.ndarray, group: Group, scale: np.ndarray | float) -> np.ndarray:
        """Density in each window of the group of a line at `energy`, (..., window), in 1/meV."""
        sigma = scale * self.view.instrument.sigma(group.ei, energy) if np.isfinite(group.ei) else np.zeros_like(energy)
        return bin_fractions(energy, sigma, group.edges) @ group.windows

    def add(self, out: np.ndarray, group: Group, pixel: np.ndarray, energy: np.ndarray, intensity: np.ndarray, scale: float) -> None:
        """Add lines of the grid's momenta, `pixel` rising, to the map `out`, (slice, pixel)."""
        if self.view.kernel is not None:
            for weight, target in self._targets:
                self.view.kernel.add(out, group.index, target[pixel], energy, weight * intensity, self.reach)
            return
        lines = self.density(energy, group, scale) * intensity[:, None]
        start = np.flatnonzero(np.diff(pixel, prepend=-1))
        summed = np.zeros((len(self.across), group.index.size))
        summed[pixel[start]] = np.add.reduceat(lines, start, axis=0)
        self.place(out, group.index, summed.T)

    def place(self, out: np.ndarray, index: np.ndarray, values: np.ndarray) -> None:
        """Add values at the grid's momenta (..., pixel) to the slices `index` of the map `out` (..., slice, pixel), in all places."""
        for weight, source in self._sources:
            picked = values[..., source]
            out[..., index, :] += picked if weight == 1 else out.dtype.type(weight) * picked


class Planar(Domain):
    """Engine for magnets whose energies do not depend on l: one solve for each (h, k) serves all slices."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._solver = self._shared(self.hkl[:, :2])
        ions = list(dict.fromkeys(ion for ion, _ in self._solver.groups))
        self._ions = [coefficients(ion) if ion else None for ion in ions]
        self._group_ion = [ions.index(ion) for ion, _ in self._solver.groups]
        # a few momenta spread over the map find most unstable parameter sets at a fraction of the cost
        self._screen = self._shared(self.hkl[:: max(1, len(self.hkl) // 40), :2])

    def _shared(self, hk: np.ndarray) -> SharedSolve | SharedSpiral:
        model, spiral = self.material.model, self.material.spiral
        return SharedSolve(model, hk) if spiral is None else SharedSpiral(model, spiral.k, spiral.axis, hk)

    def intensity(
        self, table: np.ndarray, widths: np.ndarray, progress: Progress | None, dtype: type = np.float32
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slices of each parameter set, (set, slice, pixel), and which sets are stable."""
        out = np.zeros((len(table), *self._reach.shape), dtype)
        stable = np.ones(len(table), bool)
        one_by_one = len(table) == 1  # then the threads share the momenta and the incident energies of the one set

        def work(index: int) -> None:
            values, scale = table[index], widths[index]
            modes = self._solver.solve(values, None if one_by_one else 1) if self._screen.solve(values, 1) is not None else None
            stable[index] = modes is not None
            if modes is not None:
                groups = in_threads(lambda g: self._slices(modes, g, scale, out[index]), self.groups, None if one_by_one else 1)
                list(groups)

        for index, _ in enumerate(in_threads(work, range(len(table)))):
            if progress is not None:
                progress((index + 1) / len(table), f"Spin waves of {self.material.name}: {index + 1} of {len(table)}")
        return out, stable

    def _slices(self, modes: PlanarModes, group: Group, scale: float, out: np.ndarray) -> None:
        """Add the slices of one incident energy of one parameter set to `out`, (slice, pixel)."""
        number = modes.energies.shape[1]
        energies = modes.energies.ravel()
        amplitudes = modes.amplitudes.reshape(-1, *modes.amplitudes.shape[2:])
        margin = self.margin(group, scale)
        top = min(group.edges[-1] + margin, group.ei) if np.isfinite(group.ei) else group.edges[-1]
        # a Goldstone mode at its own momentum is elastic
        chosen = np.flatnonzero((energies >= group.edges[0] - margin) & (energies <= top) & (energies > 0) & modes.usable.ravel())
        if not chosen.size:
            return
        pixel, energy = chosen // number, energies[chosen]
        across = self.across[pixel]
        along = self.along(energy, across, group)
        q_squared = across + along**2
        factors = [np.ones_like(q_squared) if table is None else j0(table, q_squared) for table in self._ions]
        third = self.hkl[pixel, 2] + along * self.beam_hkl[2]  # l
        phases = {z: np.exp(-2j * np.pi * third * z) for z in {abs(z) for _, z in self._solver.groups}}
        # spin component seen at this Q: sum over groups of form factor x phase x amplitude
        moment = np.zeros((len(self._solver.components), chosen.size), complex)
        picked = amplitudes[chosen]
        for g, ((_, z), ion) in enumerate(zip(self._solver.groups, self._group_ion, strict=True)):
            weight = factors[ion] * (phases[z] if z >= 0 else phases[-z].conj())
            for component in range(len(moment)):
                moment[component] += weight * picked[:, component, g]
        if self.view.component == "perp":
            intensity = np.sum(moment.real**2 + moment.imag**2, axis=0)
            along_q = np.zeros(chosen.size, complex)
            for component, direction in enumerate(self._solver.components):
                along_q += (self.grid.across[pixel] @ direction + along * (self.grid.beam @ direction)) * moment[component]
            intensity -= (along_q.real**2 + along_q.imag**2) / np.where(q_squared > 0, q_squared, np.inf)
        else:
            q = self.grid.across[pixel] + along[:, None] * self.grid.beam
            intensity = np.nan_to_num(self.view.seen(moment.T @ self._solver.components, q, self.grid.turn))
        self.add(out, group, pixel, energy, intensity * self.view.factor(group.ei, energy), scale)


class ClosedForm(Domain):
    """Engine for the square-lattice antiferromagnet: closed form, all parameter sets at once, equal pixels once."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        model = self.material.model
        self._spin, self._ion = float(model.spins[0]), model.sites[0].ion
        self._columns = [model.parameters.index(name) for name in ("J1", "J2", "D")]
        # the square lattice does not tell (h, k) from (+-h, +-k) and (+-k, +-h)
        chemical = self.hkl @ np.linalg.inv(np.array(self.material.map.cell)).T
        key = np.round(np.sort(np.abs(chemical[:, :2]), axis=1), 9)
        _, first, inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
        self._sources = [(weight, inverse.ravel()[source]) for weight, source in self.places]
        self._h, self._k, self._across = chemical[first, 0], chemical[first, 1], self.across[first]

    def intensity(
        self, table: np.ndarray, widths: np.ndarray, progress: Progress | None, dtype: type = np.float32
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slices of each parameter set, (set, slice, pixel), and which sets are stable."""
        out = np.zeros((len(table), *self._reach.shape), dtype)
        stable = np.empty(len(table), bool)
        step = max(1, 500_000 // (self._h.size * len(self._reach)))

        def work(part: slice) -> None:
            energy, s_xx, _ = square_lattice_modes(self._h, self._k, self._spin, *table[part][:, self._columns].T)
            stable[part] = np.all(np.isfinite(energy), axis=-1)
            s_xx = np.nan_to_num(s_xx)  # a Goldstone mode at its own momentum is elastic
            energy = np.nan_to_num(energy)
            for group in self.groups:
                along = self.along(energy, self._across, group)
                q_squared = self._across + along**2
                # both transverse directions, a and b, by the angle of Q to the easy axis c: 2 - sin^2
                seen = s_xx * (2 - self._across / np.where(q_squared > 0, q_squared, 1.0)) * self.view.factor(group.ei, energy)
                if self._ion:
                    seen *= j0(coefficients(self._ion), q_squared) ** 2
                density = self.density(energy, group, widths[part, None]) * seen[..., None]
                self.place(out[part], group.index, density.astype(dtype).swapaxes(1, 2))

        parts = [slice(start, start + step) for start in range(0, len(table), step)]
        for part, _ in zip(parts, in_threads(work, parts), strict=True):
            done = min(part.stop, len(table))
            if progress is not None:
                progress(done / len(table), f"Spin waves of {self.material.name}: {done} of {len(table)}")
        return out, stable


class General(Domain):
    """Engine for any magnet: each slice is solved at the momentum along the beam that belongs to the middle of its energy window.

    Within a window that is not quite each mode's own: a difference of second order for narrow windows.
    """

    def intensity(
        self, table: np.ndarray, widths: np.ndarray, progress: Progress | None, dtype: type = np.float32
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slices of each parameter set, (set, slice, pixel), and which sets are stable."""
        parameters = dict(zip(self.material.model.parameters, table.T, strict=True))
        out = np.zeros((len(table), *self._reach.shape), dtype)
        stable = np.ones(len(table), bool)
        for index in range(self.slices.size):
            group = Group(self.slices, np.array([index]))
            within = np.flatnonzero(self._reach[index])
            along = self.along(self.slices.centres[index], self.across[within], group)[:, None]
            if within.size:
                modes = modes_of(self.material, self.hkl[within] + along * self.beam_hkl, parameters)
                stable &= modes.stable
                seen = self.view.seen(modes.amplitudes, (self.grid.across[within] + along * self.grid.beam)[:, None], self.grid.turn)
                usable = np.isfinite(seen) & (modes.energies > 0)  # a Goldstone mode at its own momentum is elastic
                energies = np.where(usable, modes.energies, 0.0)
                weights = np.where(usable, seen, 0.0) * self.view.factor(group.ei, energies)
                pixel = np.repeat(within, energies.shape[-1])
                for image, energy, weight, scale in zip(out, energies, weights, widths, strict=True):
                    self.add(image, group, pixel, energy.ravel(), weight.ravel(), scale)
            if progress is not None:
                progress((index + 1) / self.slices.size, f"Spin waves of {self.material.name}: slice {index + 1} of {self.slices.size}")
        return out, stable


def engine_for(material: Material, view: View, grid: Grid) -> type[ClosedForm | Planar | General]:
    """The fastest engine that is exact for a material."""
    beam = grid.beam @ np.linalg.inv(material.model.lattice.reciprocal)
    model, spiral = material.model, material.spiral
    planar = SharedSolve.allowed(model) if spiral is None else SharedSpiral.allowed(model, spiral.k)
    if np.abs(beam[:2]).max() > 1e-9 * abs(beam[2]) or not planar:
        return General
    return ClosedForm if material.closed_form and view.component == "perp" and view.kernel is None else Planar
