"""Material + parameters + axes + instrument -> map of constant-energy slices."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl._version import __version__
from mantid_insdl.errors import InsdlError, InstabilityError, MapError, MaterialError
from mantid_insdl.instrument.ellipsoid import TabulatedResolution
from mantid_insdl.instrument.line_shapes import IntrinsicWidth
from mantid_insdl.instrument.resolution import ChopperSpectrometer, blur, load_instrument
from mantid_insdl.maps import COMPONENT_LOG, MAXIMUM_COUNTS, RLU, Axis, Map, Slices
from mantid_insdl.materials import Material, load_material, zener
from mantid_insdl.materials.spin_waves import domain_turns, modes_of, require_fixed_order, require_order, uniform_model
from mantid_insdl.parallel import in_threads
from mantid_insdl.progress import Progress
from mantid_insdl.simulation.engines import ClosedForm, General, engine_for
from mantid_insdl.simulation.lines import check_component
from mantid_insdl.simulation.planar import Planar
from mantid_insdl.simulation.slice_engine import UNIT, Plane, View
from mantid_insdl.spinwave.modes import UNSTABLE
from mantid_insdl.spinwave.structure import ClassicalEnergy

MAX_PIXELS = 50_000_000
BLURRED = 1_000_000
"""Pixels of maps that a thread blurs at once."""
Q_SIGMA_PIXELS = 0.6
"""Blur in momentum, in pixels, of the map of the reference;
it stands for the size of sample and detectors and for the Q resolution.
"""


class SliceSimulator:
    """Constant-energy slices of one material on fixed axes, for any number of parameter sets.

    What does not depend on the parameters is done once, here: make one simulator and call `intensity` often.

    Parameters
    ----------
    material
        Name, file or `Material`.
    slices
        Incident energies and energy windows. The component of Q along the incident beam follows from
        (h, k, energy, Ei). Where Ei is NaN that component is 0 and the energy resolution is unknown: lines are sharp.
    qh, qk
        Momentum axes in r.l.u. of the material's map frame.
    twins
        Average over the domains the material says its crystals have.
    instrument
        Energy resolution: a spectrometer or its name.
    beam : (3,)
        Momentum in r.l.u. of the map's frame that lies along the incident beam; by default the material's own.
        A pixel (h, k) then shows the momentum (h, k, 0), less its part along the beam, plus what the
        kinematics add along the beam.
    temperature
        In kelvin: intensity times n(E) + 1. The order itself is that of zero temperature.
    kf_over_ki
        Multiply by kf/ki, as a measured cross-section is before its reduction divides by it.
    component
        ``perp``, what unpolarised neutrons see, or one of the polarised components of
        `mantid_insdl.spinwave.polarisation`.
    vertical : (3,)
        Momentum in r.l.u. of the map's frame along the spectrometer's vertical; needed for the
        components ``yy`` and ``zz``.
    ellipsoids
        Table of resolution ellipsoids (`mantid_insdl.instrument.ellipsoid.TabulatedResolution`) or its file, in place
        of the energy width of `instrument` and of the blur in momentum.
    intrinsic_fwhm
        Full width at half maximum of the modes' own Lorentzian lines in meV: a number, or the coefficients A, B, C, ...
        of a polynomial A + B E + C E^2 + ... of their energy. Convolved with the resolution, lines are Voigt; where a
        mode lies above Ei it counts for nothing, its tail below Ei neither.

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
        instrument: ChopperSpectrometer | str = "MAPS",
        beam: Sequence[float] | None = None,
        temperature: float = 0.0,
        kf_over_ki: bool = False,
        component: str = "perp",
        vertical: Sequence[float] | None = None,
        ellipsoids: TabulatedResolution | str | Path | None = None,
        intrinsic_fwhm: float | Sequence[float] | None = None,
    ):
        self.material = known = load_material(material)
        self._fixed = None if known.relaxed else ClassicalEnergy(uniform_model(known, known.couplings(known.defaults)))
        self.slices, self.qh, self.qk = slices, qh, qk
        self.instrument = load_instrument(instrument) if isinstance(instrument, str) else instrument
        _check_axes(slices, qh, qk)
        _check_view(slices, temperature, kf_over_ki, component, vertical)
        frame = self.material.map_frame
        kernel = None
        if ellipsoids is not None:
            if not isinstance(ellipsoids, TabulatedResolution):
                ellipsoids = TabulatedResolution.from_file(ellipsoids)
            kernel = ellipsoids.kernel(slices, qh, qk)
        upright = None if vertical is None else np.asarray(vertical, float) @ frame
        self._view = View(
            self.instrument, kf_over_ki, temperature, component, upright, kernel, IntrinsicWidth.of(intrinsic_fwhm)
        )
        along = np.asarray(self.material.map.beam if beam is None else beam, float)
        if along.shape != (3,) or not np.all(np.isfinite(along)) or not np.any(along):
            raise MapError(
                f"the beam is along {along.tolist()}",
                "it is a momentum (h, k, l) in r.l.u. and not zero",
                "give three numbers",
            )
        turns = domain_turns(self.material, twins=twins)
        planes = [(weight, Plane.of(qh, qk, frame, along @ frame, turn)) for weight, turn in turns]
        self._domains = [self._engine(plane, places) for plane, places in _shared(planes, self._view)]
        shape = (slices.size, qh.size, qk.size)
        self.reach = np.all([domain.reach for domain in self._domains], axis=0).reshape(shape)

    def _engine(self, plane: Plane, places: Sequence[tuple[float, np.ndarray]]) -> ClosedForm | Planar | General:
        return engine_for(self.material, self._view, plane)(self.material, self._view, self.slices, plane, places)

    def intensity(
        self,
        parameters: Mapping[str, np.ndarray | float],
        *,
        energy_width_scale: float | np.ndarray = 1.0,
        q_sigma_pixels: float | None = None,
        progress: Progress | None = None,
        dtype: type = np.float32,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slices of every parameter set.

        Parameters
        ----------
        parameters
            Each a number or an array (n,), in meV; those not named keep the material's own value.
        energy_width_scale
            Factor on the instrument's energy width: a number, or one for each set. 0 gives sharp lines.
        q_sigma_pixels
            Standard deviation of the blur in momentum, in pixels: by default `Q_SIGMA_PIXELS`, and none
            beside resolution ellipsoids.
        progress
            Called with fraction and text; may raise to stop.
        dtype
            Of the intensity. The spin waves are solved for in double precision in any case.

        Returns
        -------
        intensity : (n, slice, qh, qk) `dtype`
            In 1/meV per magnetic ion: the density, averaged over each energy window. NaN out of kinematic
            reach and for unstable sets.
        stable : (n,) bool
            Whether the magnetic structure is stable at all momenta of the map.
        """
        table = self._table(parameters)
        widths = np.broadcast_to(np.asarray(energy_width_scale, float), table.shape[:1])
        kernel = self._view.kernel
        blurred = q_sigma_pixels if q_sigma_pixels is not None else Q_SIGMA_PIXELS if kernel is None else 0.0
        if not (np.all(np.isfinite(widths)) and np.all(widths >= 0) and np.isfinite(blurred) and blurred >= 0):
            raise InsdlError("the resolution is not a number of zero or more", fix="give factors such as 1.0")
        if kernel is not None and np.any(widths != 1):
            raise InsdlError("resolution ellipsoids have no energy width to scale", fix="leave energy_width_scale out")
        found = [domain.intensity(table, widths, progress, dtype) for domain in self._domains]
        stable = np.all([one for _, one in found], axis=0)
        out = functools.reduce(np.add, [one for one, _ in found]).reshape(len(table), *self.reach.shape)
        if kernel is not None:
            out = np.nan_to_num(kernel.normalise(out, self.reach))

        def finish(part: slice) -> None:
            out[part] = blur(out[part] * self.reach, self.reach, blurred)

        sets = max(1, BLURRED // self.reach.size)
        list(in_threads(finish, [slice(first, first + sets) for first in range(0, len(out), sets)]))
        out[~stable] = np.nan
        return out, stable

    def gradient(
        self,
        parameters: Mapping[str, float],
        *,
        names: Sequence[str] | None = None,
        step: float = 1e-4,
        **resolution: Any,
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

        Raises
        ------
        MaterialError
            If the order, where the file fixes it, would follow one of the parameters: the derivative
            would be that at a fixed order.
        """
        values = self.material.resolve(parameters)
        require_fixed_order(self.material, names)
        chosen = [p for p in self.material.parameters if names is None or p.name in names]
        steps = np.array([step * (p.high - p.low) or step for p in chosen])
        sets = {name: np.full(2 * len(chosen), value) for name, value in values.items()}
        for index, parameter in enumerate(chosen):
            sets[parameter.name][2 * index : 2 * index + 2] += steps[index] * np.array([1, -1])
        images = self.intensity(sets, dtype=float, **resolution)[0]
        return (images[::2] - images[1::2]) / (2 * steps[:, None, None, None])

    def describe(self) -> str:
        """What is not as usual, in words that follow a comma; empty where all is."""
        view = self._view
        words = [f"{view.temperature:g} K"] if view.temperature else []
        words += ["times kf/ki"] if view.kf_over_ki else []
        words += [f"component {view.component}"] if view.component != "perp" else []
        words += [f"intrinsic width {view.intrinsic.describe()}"] if view.intrinsic is not None else []
        words += ["resolution ellipsoids"] if view.kernel is not None else []
        other = view.kernel is None and view.instrument.name != "MAPS"
        words += [f"resolution of {view.instrument.name}"] if other else []
        return "".join(f", {word}" for word in words)

    def _table(self, parameters: Mapping[str, np.ndarray | float]) -> np.ndarray:
        """Parameters as (set, parameter) in the order of the model."""
        names = self.material.defaults
        unknown = sorted(set(parameters) - set(names))
        if unknown:
            raise MaterialError(
                f"{self.material.name} has no parameter '{unknown[0]}'", f"its parameters are {', '.join(names)}"
            )
        table = self.material.model.parameter_table(self.material.couplings({**names, **parameters}))
        if self._fixed is not None:
            self._fixed.require_stationary(table)
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
    if beyond := slices.beyond_ei():
        raise MapError(*beyond)


def _check_view(
    slices: Slices, temperature: float, kf_over_ki: bool, component: str, vertical: Sequence[float] | None
) -> None:
    if not (np.isfinite(temperature) and temperature >= 0):
        raise InsdlError(f"the temperature is {temperature}", "it is a number of kelvin, zero or more")
    if kf_over_ki and not np.all(np.isfinite(slices.ei)):
        raise MapError("kf/ki is unknown", "a slice has no incident energy", "give Ei, or leave the factor out")
    check_component(component, (0, 0, 1) if vertical is None else vertical)
    if component in ("yy", "zz") and vertical is None:
        raise InsdlError(
            f"the component {component} needs the vertical", "it tells yy from zz", "give it as (h, k, l) of the map"
        )


def _shared(planes: Sequence[tuple[float, Plane]], view: View) -> list[tuple[Plane, list[tuple[float, np.ndarray]]]]:
    """Planes to calculate, each with the (weight, operation) of the domains it serves (see `slice_engine.SliceEngine`).

    A domain whose momenta are those of an earlier one, up to mirrors and an exchange of the axes, costs nothing: the
    twin of a map with equal axes is the transposed map. Polarised components tell such domains apart, and so does
    the resolution at each pixel.
    """
    found: list[tuple[Plane, list[tuple[float, np.ndarray]]]] = []
    for weight, plane in planes:
        for known, places in found if view.component == "perp" and view.kernel is None else []:
            operation = plane.image_in(known)
            if operation is not None:
                places.append((weight, operation))
                break
        else:
            found.append((plane, [(weight, np.eye(2))]))
    return found


def simulate(
    material: str | Path | Material,
    parameters: Mapping[str, float] | None = None,
    *,
    like: Map | None = None,
    slices: Slices | None = None,
    qh: Axis | None = None,
    qk: Axis | None = None,
    twins: bool = True,
    resolution: bool | str | Path | TabulatedResolution = True,
    background: float = 0.0,
    counts: float | None = None,
    seed: int = 0,
    instrument: ChopperSpectrometer | str = "MAPS",
    beam: Sequence[float] | None = None,
    temperature: float = 0.0,
    kf_over_ki: bool = False,
    component: str = "perp",
    vertical: Sequence[float] | None = None,
    intrinsic_fwhm: float | Sequence[float] | None = None,
    progress: Progress | None = None,
    make: Callable[..., SliceSimulator] = SliceSimulator,
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
        True: width in energy of `instrument` and blur in momentum. False: sharp lines. A table of resolution ellipsoids
        or its file: that in place of both.
    background
        Flat background in the unit of the map.
    counts
        Number of detected neutrons in the whole map: adds Poisson noise, and errors. None for neither.
    seed
        Of the noise.
    instrument, beam, temperature, kf_over_ki, component, vertical, intrinsic_fwhm
        As for `SliceSimulator`.
    progress
        Called with fraction and text; may raise to stop.
    make
        Makes the simulator. `mantid_insdl.simulation.kept.KeptSimulators`, of which many calls share one, makes those
        several times faster that differ in the parameters only.

    Returns
    -------
    Map
        Intensity in 1/meV per magnetic ion (S(Q, E) with the squared form factor); masked out of kinematic reach.

    Raises
    ------
    MaterialError, MapError
        For a material, parameter or axis that makes no sense.
    InstabilityError
        If the magnetic structure is not a minimum at these parameters.
    """
    values = load_material(material).resolve(parameters)
    known = zener.in_own_order(material, values)
    if like is not None:
        if like.slices is None:
            raise MapError(
                "cannot simulate onto this map",
                f"it is a {like.kind} map; the simulation makes Qh-Qk slices",
                "give a stack of slices",
            )
        if slices is not None or qh is not None or qk is not None:
            raise MapError("axes are given twice", "both `like` and slices, qh or qk", "give one or the other")
        slices, qh, qk = like.slices, like.axis("qh"), like.axis("qk")
    if slices is None or qh is None or qk is None:
        raise MapError(
            "there are no axes to simulate on", fix="give a map to take them from (`like`), or slices, qh and qk"
        )
    if not (np.isfinite(background) and background >= 0):
        raise MapError(f"the background is {background}", "it is an intensity of zero or more")
    if counts is not None and not 0 < counts <= MAXIMUM_COUNTS:
        raise MapError(
            f"the number of counts is {counts}",
            f"it is from above zero to {MAXIMUM_COUNTS:g}",
            "leave it out for no noise",
        )
    simulator = make(
        known,
        slices,
        qh,
        qk,
        twins,
        instrument=instrument,
        beam=beam,
        temperature=temperature,
        kf_over_ki=kf_over_ki,
        component=component,
        vertical=vertical,
        ellipsoids=None if isinstance(resolution, bool) else resolution,
        intrinsic_fwhm=intrinsic_fwhm,
    )
    scale, blurred = (0.0, 0.0) if resolution is False else (1.0, None)
    images, stable = simulator.intensity(values, energy_width_scale=scale, q_sigma_pixels=blurred, progress=progress)
    if not stable[0]:
        require_order(known, known.couplings(values))
        raise _instability(simulator, values)
    intensity = images[0].astype(float) + background
    mask = np.zeros(intensity.shape, bool) if like is None else like.mask
    described = known.describe(values)
    logs = {p.name: (values[p.name], p.unit) for p in known.parameters}
    simulated = Map(
        intensity=intensity,
        axes=(qh, qk),
        mask=mask,
        slices=slices,
        intensity_unit=UNIT,
        material=known.name,
        frame=known.frame,
        title=known.title,
        provenance=(f"simulated by mantid_insdl {__version__}: {known.name}, {described}{simulator.describe()}",),
        logs=logs if component == "perp" else logs | {COMPONENT_LOG: (component, "")},
    )
    return simulated if counts is None else _counted(simulated, counts, seed)


def _counted(simulated: Map, counts: float, seed: int) -> Map:
    """The map as `counts` detected neutrons would show it: Poisson counts and their errors, in the map's unit."""
    good = ~simulated.mask
    expected = np.where(good, simulated.intensity, 0.0)
    # neutrons per pixel go as the density times the width of the energy window
    slices = simulated.require_slices()
    width = (slices.energy_max - slices.energy_min)[:, None, None] * np.ones(simulated.shape)
    total = float(np.sum(expected * width))
    if total <= 0:
        raise MapError(
            "there is nothing to count",
            "the simulated map is zero everywhere",
            "change the energy windows or add a background",
        )
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
    domain = simulator._domains[0]
    centres = 0.5 * (domain.low + domain.high)
    modes = modes_of(domain.material, centres @ domain.to_hkl, domain.material.couplings(values))
    unstable = modes.status[0] == UNSTABLE
    where = "at a momentum of this map its energy has no minimum"
    if unstable.any():
        index = int(np.argmin(np.where(unstable, modes.lowest[0], np.inf)))
        h, k = centres[index]
        lowest = modes.lowest[0, index]
        where = f"at (h, k) = ({h:.3f}, {k:.3f}) the energy of a spin deviation is {lowest:.3g} meV, below zero"
    return InstabilityError(
        f"the magnetic structure of {domain.material.name} is unstable at {domain.material.describe(values)}",
        where,
        domain.material.remedy(values),
    )
