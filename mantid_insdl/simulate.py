"""Material + parameters + axes + instrument -> map of constant-energy slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl._version import __version__
from mantid_insdl.errors import InsdlError, InstabilityError, MapError, MaterialError
from mantid_insdl.instrument.resolution import ChopperSpectrometer, blur, load_instrument
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.materials import Material, load_material
from mantid_insdl.slice_engines import UNIT, Progress, engine_for
from mantid_insdl.spinwave.modes import UNSTABLE, spin_waves
from mantid_insdl.spinwave.structure import ClassicalEnergy

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
        self._classical = ClassicalEnergy(self.material.model)
        self.slices, self.qh, self.qk = slices, qh, qk
        self.instrument = load_instrument("MAPS") if instrument is None else instrument
        _check_axes(slices, qh, qk)
        engine = engine_for(self.material)
        twinned = twins and self.material.map.twins == "swap"
        same = qh.size == qk.size and np.allclose(qh.centres, qk.centres, rtol=0, atol=1e-9)
        first = engine(self.material, self.instrument, slices, qh.centres, qk.centres)
        # a twin is the crystal with a and b exchanged: its map is the transposed map of the first domain
        self._domains = [(first, False)]
        if twinned:
            self._domains.append((first if same else engine(self.material, self.instrument, slices, qk.centres, qh.centres), True))
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

    def gradient(
        self, parameters: Mapping[str, float], *, names: Sequence[str] | None = None, step: float = 1e-3, **resolution: Any
    ) -> np.ndarray:
        """Derivative of the slices with respect to parameters, by central differences in one batch.

        Parameters
        ----------
        parameters
            Numbers; those not named keep the material's own value.
        names
            Parameters to differentiate by; all by default.
        step
            Relative to the width of the parameter's range.
        resolution
            As for `intensity`.

        Returns
        -------
        (parameter, slice, qh, qk) float64
            Per meV; NaN throughout for a parameter one step of which makes the structure unstable.
        """
        values = self.material.resolve(parameters)
        chosen = [p for p in self.material.parameters if names is None or p.name in names]
        steps = np.array([step * (p.high - p.low) or step for p in chosen])
        sets = {name: np.full(2 * len(chosen), value) for name, value in values.items()}
        for index, parameter in enumerate(chosen):
            sets[parameter.name][2 * index : 2 * index + 2] += steps[index] * np.array([1, -1])
        images = self.intensity(sets, **resolution)[0].astype(float)
        return (images[::2] - images[1::2]) / (2 * steps[:, None, None, None])

    def _table(self, parameters: Mapping[str, np.ndarray | float]) -> np.ndarray:
        """Parameters as (set, parameter) in the order of the model."""
        names = self.material.defaults
        unknown = sorted(set(parameters) - set(names))
        if unknown:
            raise MaterialError(f"{self.material.name} has no parameter '{unknown[0]}'", f"its parameters are {', '.join(names)}")
        table = self.material.model.parameter_table(self.material.couplings({**names, **parameters}))
        self._classical.require_stationary(table)
        return table


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
    described = known.describe(values)
    simulated = Map(
        intensity=intensity,
        axes=(qh, qk),
        mask=mask,
        slices=slices,
        intensity_unit=UNIT,
        material=known.name,
        frame=known.frame,
        title=known.title,
        provenance=(f"simulated by mantid_insdl {__version__}: {known.name}, {described}",),
        logs={p.name: (values[p.name], p.unit) for p in known.parameters},
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
    modes = spin_waves(domain.material.model, domain.hkl, domain.material.couplings(values))
    unstable = modes.status[0] == UNSTABLE
    where = "at a momentum of this map its energy has no minimum"
    if unstable.any():
        index = int(np.argmin(np.where(unstable, modes.lowest[0], np.inf)))
        h, k = (np.linalg.inv(np.array(domain.material.map.cell)) @ domain.hkl[index])[:2]
        where = f"at (h, k) = ({h:.3f}, {k:.3f}) the energy of a spin deviation is {modes.lowest[0, index]:.3g} meV, below zero"
    return InstabilityError(
        f"the magnetic structure of {domain.material.name} is unstable at {domain.material.describe(values)}",
        where,
        "choose parameters nearer to the published ones: " + domain.material.describe(domain.material.defaults),
    )
