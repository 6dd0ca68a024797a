"""Material + parameters + axes + instrument -> map of constant-energy slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from mantid_insdl._version import __version__
from mantid_insdl.errors import InsdlError, InstabilityError, MapError, MaterialError
from mantid_insdl.instrument.kinematics import along_beam, reachable
from mantid_insdl.instrument.resolution import ChopperSpectrometer, bin_fractions, blur, load_instrument
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.materials import Material, load_material
from mantid_insdl.spinwave.form_factors import coefficients, j0
from mantid_insdl.spinwave.modes import UNSTABLE, spin_waves
from mantid_insdl.spinwave.shared import PlanarModes, SharedSolve
from mantid_insdl.spinwave.square_lattice import square_lattice_modes

Progress = Callable[[float, str], None]

UNIT = "1/meV per magnetic ion"
"""Unit of a simulated intensity: sum_ab (delta_ab - Qhat_a Qhat_b) S^ab(Q, E) F(Q)^2. In units of S^2, without kf/ki."""

MAX_PIXELS = 50_000_000
Q_SIGMA_PIXELS = 0.6
"""Blur in momentum, in pixels, of the map of the reference; it stands for the size of sample and detectors and for the Q resolution."""


class SliceSimulator:
    """Constant-energy slices of one material on fixed axes, for any number of parameter sets.

    What does not depend on the parameters is done once, here: make one simulator and call `intensity` often.

    Parameters
    ----------
    material
        Name, file or `Material`.
    slices
        Incident energies and energy windows. The crystal's c axis lies along the incident beam, so l follows from (h, k, energy, Ei),
        at each mode's own energy. Where Ei is NaN, l = 0 and the energy resolution is unknown: lines are sharp.
    qh, qk
        Momentum axes in r.l.u. of the material's map frame.
    twins
        Average over the twins the material says it has.
    instrument
        Energy resolution.

    Attributes
    ----------
    reach : (slice, qh, qk) bool
        Pixels whose bin centre the kinematics allow.
    """

    def __init__(
        self,
        material: str | Path | Material,
        slices: Slices,
        qh: Axis,
        qk: Axis,
        twins: bool = True,
        *,
        instrument: ChopperSpectrometer | None = None,
    ):
        self.material = load_material(material)
        self.slices, self.qh, self.qk = slices, qh, qk
        self.instrument = load_instrument("MAPS") if instrument is None else instrument
        _check_axes(slices, qh, qk)
        engine = _ClosedForm if self.material.closed_form else _Planar
        twinned = twins and self.material.map.twins == "swap"
        same = qh.size == qk.size and np.allclose(qh.centres, qk.centres, rtol=0, atol=1e-9)
        first = engine(self, qh.centres, qk.centres)
        # a twin is the crystal with a and b exchanged: its map is the transposed map of the first domain
        self._domains = [(first, False)]
        if twinned:
            self._domains.append((first if same else engine(self, qk.centres, qh.centres), True))
        self.reach = first.reach
        for domain, transposed in self._domains[1:]:
            self.reach = self.reach & (domain.reach.swapaxes(1, 2) if transposed else domain.reach)

    def intensity(
        self,
        parameters: Mapping[str, np.ndarray | float],
        *,
        energy_width_scale: float | np.ndarray = 1.0,
        q_sigma_pixels: float = Q_SIGMA_PIXELS,
        progress: Progress | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slices of every parameter set.

        Parameters
        ----------
        parameters
            Each a number or an array (n,), in meV; those not named keep the material's own value.
        energy_width_scale
            Factor on the instrument's energy width: a number, or one for each set. 0 gives sharp lines.
        q_sigma_pixels
            Standard deviation of the blur in momentum, in pixels.
        progress
            Called with fraction and text; may raise to stop.

        Returns
        -------
        intensity : (n, slice, qh, qk) float32
            In 1/meV per magnetic ion: the density, averaged over each energy window. NaN out of kinematic reach and for unstable sets.
        stable : (n,) bool
            Whether the magnetic structure is stable at all momenta of the map.
        """
        table = self._table(parameters)
        widths = np.broadcast_to(np.asarray(energy_width_scale, float), table.shape[:1])
        if not (np.all(np.isfinite(widths)) and np.all(widths >= 0) and np.isfinite(q_sigma_pixels) and q_sigma_pixels >= 0):
            raise InsdlError("the resolution is not a number of zero or more", fix="give factors such as 1.0")
        total: np.ndarray | None = None
        maps: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for domain, transposed in self._domains:
            if id(domain) not in maps:
                maps[id(domain)] = domain.intensity(table, widths, progress)
            values = maps[id(domain)][0]
            values = values.swapaxes(-1, -2) if transposed else values
            total = values if total is None else total + values
        stable = np.all([s for _, s in maps.values()], axis=0)
        out = blur(total, self.reach, q_sigma_pixels)
        out *= np.float32(1 / len(self._domains))
        out[~stable] = np.nan
        return out, stable

    def _table(self, parameters: Mapping[str, np.ndarray | float]) -> np.ndarray:
        """Parameters as (set, parameter) in the order of the model."""
        names = self.material.defaults
        unknown = sorted(set(parameters) - set(names))
        if unknown:
            raise MaterialError(f"{self.material.name} has no parameter '{unknown[0]}'", f"its parameters are {', '.join(names)}")
        return self.material.model.parameter_table({**names, **parameters})


class _Domain:
    """Geometry of one domain on an (h, k) grid of the map: momenta, reach, and groups of slices that share an incident energy."""

    def __init__(self, simulator: SliceSimulator, h: np.ndarray, k: np.ndarray):
        self.material, self.instrument, slices = simulator.material, simulator.instrument, simulator.slices
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
        self.groups = _groups(slices)

    def density(self, energy: np.ndarray, group: _Group, scale: np.ndarray | float) -> np.ndarray:
        """Density in each window of the group of a line at `energy`, (..., window), in 1/meV."""
        sigma = scale * self.instrument.sigma(group.ei, energy) if np.isfinite(group.ei) else np.zeros_like(energy)
        return bin_fractions(energy, sigma, group.edges) @ group.windows

    def momentum_along(self, energy: np.ndarray, across: np.ndarray, group: _Group) -> np.ndarray:
        """Component of Q along the beam (c) for modes at `energy`, in 1/angstrom."""
        return along_beam(group.ei, energy, across) if np.isfinite(group.ei) else np.zeros(np.broadcast_shapes(energy.shape, across.shape))


class _Group:
    """Slices of one incident energy: their indices, the edges between which their windows lie, and which piece is in which window."""

    def __init__(self, slices: Slices, index: np.ndarray):
        self.index, self.ei = index, float(slices.ei[index[0]])
        low, high = slices.energy_min[index], slices.energy_max[index]
        self.edges = np.unique(np.concatenate((low, high)))
        inside = (self.edges[:-1, None] >= low) & (self.edges[1:, None] <= high)
        self.windows = inside / (high - low)  # (piece, window)


def _groups(slices: Slices) -> list[_Group]:
    key = np.where(np.isfinite(slices.ei), slices.ei, -1.0)
    return [_Group(slices, np.flatnonzero(key == one)) for one in np.unique(key)]


class _Planar(_Domain):
    """Engine for magnets whose energies do not depend on l: one solve for each (h, k) serves all slices."""

    def __init__(self, simulator: SliceSimulator, h: np.ndarray, k: np.ndarray):
        super().__init__(simulator, h, k)
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


class _ClosedForm(_Domain):
    """Engine for the square-lattice antiferromagnet: closed form, all parameter sets at once, equal pixels once."""

    def __init__(self, simulator: SliceSimulator, h: np.ndarray, k: np.ndarray):
        super().__init__(simulator, h, k)
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


def _check_axes(slices: Slices, qh: Axis, qk: Axis) -> None:
    for axis, name in ((qh, "qh"), (qk, "qk")):
        if axis.name != name or axis.unit != RLU:
            raise MapError(
                f"slices need the axes qh and qk in {RLU}",
                f"the axis given for {name} is '{axis.name}' in {axis.unit}",
                "give momentum axes",
            )
    pixels = slices.size * qh.size * qk.size
    if pixels > MAX_PIXELS:
        raise MapError(
            f"{slices.size} slices of {qh.size} x {qk.size} pixels are too many",
            f"that is {pixels * 4e-9:.0f} GB and about {qh.size * qk.size * 5e-5 + pixels * 2e-7:.0f} s of spin waves",
            "use fewer pixels or slices",
        )
    bad = np.isfinite(slices.ei) & (slices.energy_max > slices.ei)
    if np.any(bad):
        index = int(np.flatnonzero(bad)[0])
        raise MapError(
            f"slice {slices.describe(index)} ends above its incident energy",
            "a neutron cannot lose more than it has",
            "correct the window or Ei",
        )


def simulate(
    material: str | Path | Material,
    parameters: Mapping[str, float] | None = None,
    *,
    like: Map | None = None,
    slices: Slices | None = None,
    qh: Axis | None = None,
    qk: Axis | None = None,
    twins: bool = True,
    resolution: bool = True,
    background: float = 0.0,
    counts: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Map:
    """The map that a magnet would give: constant-energy slices by linear spin-wave theory.

    Parameters
    ----------
    material
        Name (see `material_names`), path of a material file, or `Material`.
    parameters
        Values in meV in place of the material's own.
    like
        A map whose axes, slices, incident energies and mask to take.
    slices, qh, qk
        The axes, where `like` is not given.
    twins
        Average over the crystal's twins.
    resolution
        Width in energy (MAPS) and blur in momentum; without it lines are sharp.
    background
        Flat background in the unit of the map.
    counts
        Number of detected neutrons in the whole map: adds Poisson noise, and errors. None for neither.
    seed
        Of the noise.
    progress
        Called with fraction and text; may raise to stop.

    Returns
    -------
    Map
        Intensity in 1/meV per magnetic ion (S(Q, E) with the squared form factor, without kf/ki); masked out of kinematic reach.

    Raises
    ------
    MaterialError, MapError
        For a material, parameter or axis that makes no sense.
    InstabilityError
        If the magnetic structure is not a minimum at these parameters.
    """
    known = load_material(material)
    values = known.resolve(parameters)
    if like is not None:
        if like.slices is None:
            raise MapError(
                "cannot simulate onto this map", f"it is a {like.kind} map; the simulation makes Qh-Qk slices", "give a stack of slices"
            )
        if slices is not None or qh is not None or qk is not None:
            raise MapError("axes are given twice", "both `like` and slices, qh or qk", "give one or the other")
        slices, qh, qk = like.slices, like.axis("qh"), like.axis("qk")
    if slices is None or qh is None or qk is None:
        raise MapError("there are no axes to simulate on", fix="give a map to take them from (`like`), or slices, qh and qk")
    if not (np.isfinite(background) and background >= 0):
        raise MapError(f"the background is {background}", "it is an intensity of zero or more")
    if counts is not None and not (np.isfinite(counts) and counts > 0):
        raise MapError(f"the number of counts is {counts}", "it is a positive number of neutrons", "leave it out for no noise")
    simulator = SliceSimulator(known, slices, qh, qk, twins)
    scale, blurred = (1.0, Q_SIGMA_PIXELS) if resolution else (0.0, 0.0)
    images, stable = simulator.intensity(values, energy_width_scale=scale, q_sigma_pixels=blurred, progress=progress)
    if not stable[0]:
        raise _instability(simulator, values)
    intensity = images[0].astype(float) + background
    mask = None if like is None else like.mask
    described = ", ".join(f"{name}={value:g}" for name, value in values.items())
    simulated = Map(
        intensity=intensity,
        axes=(qh, qk),
        mask=mask,
        slices=slices,
        intensity_unit=UNIT,
        material=known.name,
        frame=known.frame,
        title=known.title,
        provenance=(f"simulated by mantid_insdl {__version__}: {known.name}, {described} meV",),
        logs={name: (value, "meV") for name, value in values.items()},
    )
    return simulated if counts is None else _counted(simulated, counts, seed)


def _counted(simulated: Map, counts: float, seed: int) -> Map:
    """The map as `counts` detected neutrons would show it: Poisson counts and their errors, in the map's unit."""
    good = ~simulated.mask
    expected = np.where(good, simulated.intensity, 0.0)
    # neutrons per pixel go as the density times the width of the energy window
    width = (simulated.slices.energy_max - simulated.slices.energy_min)[:, None, None] * np.ones(simulated.shape)
    total = float(np.sum(expected * width))
    if total <= 0:
        raise MapError("there is nothing to count", "the simulated map is zero everywhere", "change the energy windows or add a background")
    per_intensity = counts / total * width
    detected = np.random.default_rng(seed).poisson(expected * per_intensity)
    # the error of an empty pixel is that of one neutron: zero would claim certainty
    return simulated.replace(
        intensity=np.where(good, detected / per_intensity, np.nan),
        error=np.where(good, np.sqrt(np.maximum(detected, 1)) / per_intensity, np.nan),
        note=f"Poisson noise of {counts:g} detected neutrons, seed {seed}",
    )


def _instability(simulator: SliceSimulator, values: Mapping[str, float]) -> InstabilityError:
    """Where and how the structure is unstable, in words."""
    domain = simulator._domains[0][0]
    modes = spin_waves(domain.material.model, domain.hkl, values)
    unstable = modes.status[0] == UNSTABLE
    index = int(np.argmin(np.where(unstable, np.nan_to_num(modes.lowest[0]), np.inf)))
    h, k = (np.linalg.inv(np.array(domain.material.map.cell)) @ domain.hkl[index])[:2]
    given = ", ".join(f"{name}={value:g}" for name, value in values.items())
    return InstabilityError(
        f"the magnetic structure of {domain.material.name} is unstable at {given} meV",
        f"at (h, k) = ({h:.3f}, {k:.3f}) the energy of a spin deviation is {modes.lowest[0, index]:.3g} meV, below zero",
        "choose parameters nearer to the published ones: " + ", ".join(f"{n}={v:g}" for n, v in domain.material.defaults.items()),
    )
