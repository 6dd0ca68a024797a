"""Engines of constant-energy slices: from spin waves over a grid of momenta to densities in energy windows, before any blur.

Each engine turns parameter sets into (set, slice, h, k) for one domain of a crystal whose c axis lies along the incident beam:

=============  ================================================================  ====================================================
engine         magnets                                                           l of a mode
=============  ================================================================  ====================================================
`ClosedForm`   square-lattice antiferromagnet with J1, J2, D                     from its own energy
`Planar`       h(q) folds and no bond leaves the cell along c                    from its own energy; one solve serves all slices
`General`      all others                                                        from the middle of the energy window: a solve a slice
=============  ================================================================  ====================================================
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.instrument.kinematics import along_beam, reachable
from mantid_insdl.instrument.resolution import ChopperSpectrometer, bin_fractions
from mantid_insdl.maps import Slices
from mantid_insdl.materials import Material
from mantid_insdl.spinwave.form_factors import coefficients, j0
from mantid_insdl.spinwave.modes import spin_waves
from mantid_insdl.spinwave.shared import PlanarModes, SharedSolve
from mantid_insdl.spinwave.square_lattice import square_lattice_modes

Progress = Callable[[float, str], None]

UNIT = "1/meV per magnetic ion"
"""Unit of a simulated intensity: sum_ab (delta_ab - Qhat_a Qhat_b) S^ab(Q, E) F(Q)^2. In units of S^2, without kf/ki."""


class Domain:
    """Geometry of one domain on an (h, k) grid of the map: momenta, reach, and groups of slices that share an incident energy."""

    def __init__(self, material: Material, instrument: ChopperSpectrometer, slices: Slices, h: np.ndarray, k: np.ndarray):
        self.material, self.instrument, self.slices = material, instrument, slices
        model = self.material.model
        self.shape = (slices.size, h.size, k.size)
        grid = np.stack(np.meshgrid(h, k, indexing="ij"), -1).reshape(-1, 2)
        self.hkl = np.column_stack((grid, np.zeros(len(grid)))) @ np.array(self.material.map.cell).T
        self.q = model.lattice.to_cartesian(self.hkl)
        if np.abs(self.q[:, 2]).max() > 1e-9 or np.abs(model.lattice.vectors[2, :2]).max() > 1e-9:
            raise MaterialError(f"c of {self.material.name} is not perpendicular to its a and b", "the kinematics of these maps need that")
        self.across = np.sum(self.q**2, axis=-1)
        known = np.isfinite(slices.ei)
        reach = reachable(np.where(known, slices.ei, np.inf)[:, None], slices.centres[:, None], self.across)
        self.reach = reach.reshape(self.shape)
        self.groups = group_by_ei(slices)

    def density(self, energy: np.ndarray, group: Group, scale: np.ndarray | float) -> np.ndarray:
        """Density in each window of the group of a line at `energy`, (..., window), in 1/meV."""
        sigma = scale * self.instrument.sigma(group.ei, energy) if np.isfinite(group.ei) else np.zeros_like(energy)
        return bin_fractions(energy, sigma, group.edges) @ group.windows

    def momentum_along(self, energy: np.ndarray, across: np.ndarray, group: Group) -> np.ndarray:
        """Component of Q along the beam (c) for modes at `energy`, in 1/angstrom."""
        return along_beam(group.ei, energy, across) if np.isfinite(group.ei) else np.zeros(np.broadcast_shapes(energy.shape, across.shape))


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


class Planar(Domain):
    """Engine for magnets whose energies do not depend on l: one solve for each (h, k) serves all slices."""

    def __init__(self, material: Material, instrument: ChopperSpectrometer, slices: Slices, h: np.ndarray, k: np.ndarray):
        super().__init__(material, instrument, slices, h, k)
        self._solver = SharedSolve(self.material.model, self.hkl[:, :2])
        self._ions = [coefficients(ion) if ion else None for ion in dict.fromkeys(ion for ion, _ in self._solver.groups)]
        names = list(dict.fromkeys(ion for ion, _ in self._solver.groups))
        self._group_ion = [names.index(ion) for ion, _ in self._solver.groups]
        self._q_components = self.q @ self._solver.components.T
        # a few momenta spread over the map find most unstable parameter sets at a fraction of the cost
        self._screen = SharedSolve(self.material.model, self.hkl[:: max(1, len(self.hkl) // 40), :2])

    def intensity(self, table: np.ndarray, widths: np.ndarray, progress: Progress | None) -> tuple[np.ndarray, np.ndarray]:
        out = np.zeros((len(table), *self.shape), np.float32)
        stable = np.ones(len(table), bool)
        for index, (values, scale) in enumerate(zip(table, widths, strict=True)):
            modes = self._solver.solve(values) if self._screen.solve(values) is not None else None
            if modes is None:
                stable[index] = False
            else:
                self._slices(modes, scale, out[index])
            if progress is not None:
                progress((index + 1) / len(table), f"Spin waves of {self.material.name}: {index + 1} of {len(table)}")
        return out, stable

    def _slices(self, modes: PlanarModes, scale: float, out: np.ndarray) -> None:
        """Add the slices of one parameter set to `out`, (slice, h, k)."""
        number = modes.energies.shape[1]
        c_star = self.material.model.lattice.reciprocal[2, 2]
        energies = modes.energies.ravel()
        amplitudes = modes.amplitudes.reshape(-1, *modes.amplitudes.shape[2:])
        usable = np.isfinite(amplitudes[:, 0, 0].real)  # a Goldstone mode at its own momentum is elastic
        for group in self.groups:
            margin = 5 * scale * self.instrument.sigma(group.ei, 0.0) if np.isfinite(group.ei) else 0.0
            top = min(group.edges[-1] + margin, group.ei) if np.isfinite(group.ei) else group.edges[-1]
            chosen = np.flatnonzero((energies >= max(group.edges[0] - margin, 0.0)) & (energies <= top) & usable)
            if not chosen.size:
                continue
            pixel, energy = chosen // number, energies[chosen]
            across = self.across[pixel]
            qc = self.momentum_along(energy, across, group)
            q_squared = across + qc**2
            factors = [np.ones_like(q_squared) if table is None else j0(table, q_squared) for table in self._ions]
            height = qc / c_star
            phases = {z: np.exp(-2j * np.pi * height * z) for z in {abs(z) for _, z in self._solver.groups}}
            # spin component seen at this Q: sum over groups of form factor x phase x amplitude
            moment = np.zeros((len(self._solver.components), chosen.size), complex)
            picked = amplitudes[chosen]
            for g, ((_, z), ion) in enumerate(zip(self._solver.groups, self._group_ion, strict=True)):
                weight = factors[ion] * (phases[z] if z >= 0 else phases[-z].conj())
                for component in range(len(moment)):
                    moment[component] += weight * picked[:, component, g]
            intensity = np.sum(moment.real**2 + moment.imag**2, axis=0)
            along = np.zeros(chosen.size, complex)
            for component, direction in enumerate(self._solver.components):
                along += (self._q_components[pixel, component] + qc * direction[2]) * moment[component]
            intensity -= (along.real**2 + along.imag**2) / np.where(q_squared > 0, q_squared, np.inf)
            density = self.density(energy, group, scale) * intensity[:, None]
            start = np.flatnonzero(np.diff(pixel, prepend=-1))
            summed = np.zeros((len(self.across), group.index.size))
            summed[pixel[start]] = np.add.reduceat(density, start, axis=0)
            out[group.index] += summed.T.reshape(-1, *self.shape[1:])
        out *= self.reach


class ClosedForm(Domain):
    """Engine for the square-lattice antiferromagnet: closed form, all parameter sets at once, equal pixels once."""

    def __init__(self, material: Material, instrument: ChopperSpectrometer, slices: Slices, h: np.ndarray, k: np.ndarray):
        super().__init__(material, instrument, slices, h, k)
        model = self.material.model
        self._spin, self._ion = float(model.spins[0]), model.sites[0].ion
        self._columns = [model.parameters.index(name) for name in ("J1", "J2", "D")]
        # the square lattice does not tell (h, k) from (+-h, +-k) and (+-k, +-h)
        grid = np.stack(np.meshgrid(h, k, indexing="ij"), -1).reshape(-1, 2)
        key = np.round(np.sort(np.abs(grid), axis=1), 9)
        _, first, self._inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
        self._inverse = self._inverse.ravel()
        self._h, self._k, self._across = grid[first, 0], grid[first, 1], self.across[first]

    def intensity(self, table: np.ndarray, widths: np.ndarray, progress: Progress | None) -> tuple[np.ndarray, np.ndarray]:
        out = np.empty((len(table), *self.shape), np.float32)
        stable = np.empty(len(table), bool)
        step = max(1, 2_000_000 // (self._h.size * self.shape[0]))
        for start in range(0, len(table), step):
            part = slice(start, start + step)
            energy, s_xx, _ = square_lattice_modes(self._h, self._k, self._spin, *table[part][:, self._columns].T)
            stable[part] = np.all(np.isfinite(energy), axis=-1)
            s_xx = np.nan_to_num(s_xx)  # a Goldstone mode at its own momentum is elastic
            energy = np.nan_to_num(energy)
            for group in self.groups:
                qc = self.momentum_along(energy, self._across, group)
                q_squared = self._across + qc**2
                # both transverse directions, a and b, by the angle of Q to the easy axis c: 2 - sin^2
                seen = s_xx * (2 - self._across / np.where(q_squared > 0, q_squared, 1.0))
                if self._ion:
                    seen *= j0(coefficients(self._ion), q_squared) ** 2
                density = (self.density(energy, group, widths[part, None]) * seen[..., None]).astype(np.float32)
                full = density.swapaxes(1, 2)[..., self._inverse]
                out[part, group.index] = full.reshape(*full.shape[:2], *self.shape[1:])
            if progress is not None:
                progress(
                    min(1.0, (start + step) / len(table)),
                    f"Spin waves of {self.material.name}: {min(start + step, len(table))} of {len(table)}",
                )
        out *= self.reach
        return out, stable


class General(Domain):
    """Engine for any magnet: each slice is solved at the l that belongs to the middle of its energy window.

    Within a window l then is that of its middle, not of the mode: a difference of second order for narrow windows.
    """

    def intensity(self, table: np.ndarray, widths: np.ndarray, progress: Progress | None) -> tuple[np.ndarray, np.ndarray]:
        model = self.material.model
        parameters = dict(zip(model.parameters, table.T, strict=True))
        out = np.zeros((len(table), *self.shape), np.float32)
        stable = np.ones(len(table), bool)
        for index in range(self.slices.size):
            group = Group(self.slices, np.array([index]))
            reach = self.reach[index].ravel()
            qc = self.momentum_along(self.slices.centres[index], self.across[reach], group)
            hkl = self.hkl[reach].copy()
            hkl[:, 2] += qc / model.lattice.reciprocal[2, 2]
            if len(hkl):
                modes = spin_waves(model, hkl, parameters)
                stable &= modes.stable
                usable = np.isfinite(modes.s_perp) & (modes.energies > 0)  # a Goldstone mode at its own momentum is elastic
                energies, weights = (np.where(usable, x, 0.0) for x in (modes.energies, modes.s_perp))
                density = self.density(energies, group, widths[:, None, None])[..., 0]
                out[:, index].reshape(len(table), -1)[:, reach] = np.sum(weights * density, axis=-1)
            if progress is not None:
                progress((index + 1) / self.slices.size, f"Spin waves of {self.material.name}: slice {index + 1} of {self.slices.size}")
        return out, stable


def engine_for(material: Material) -> type[ClosedForm | Planar | General]:
    """The fastest engine that is exact for a material."""
    if material.closed_form:
        return ClosedForm
    return Planar if SharedSolve.allowed(material.model) else General
