"""What a fit compares with a map: the known pixels of a calculation,
for any kind of map and any number of parameter sets at once.

Everything that is not linear is here: the magnet's parameters, and the nuisances of `NUISANCES`. Scales and
backgrounds are the likelihood's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.errors import InstabilityError, UnsuitableMapError
from mantid_insdl.instrument.kinematics import along_beam, kf_over_ki, split_by_beam
from mantid_insdl.instrument.resolution import FWHM_TO_SIGMA, ChopperSpectrometer, blur, blur_matrix, load_instrument
from mantid_insdl.maps import Map
from mantid_insdl.materials import Material, load_material, zener
from mantid_insdl.materials.spin_waves import domain_turns, orders_of
from mantid_insdl.simulation.polarons import PolaronSimulator, simulator_for
from mantid_insdl.simulation.slices import Q_SIGMA_PIXELS, SliceSimulator
from mantid_insdl.simulation.spectra import simulate_cut, simulate_powder

BINS_WIDE = 3.0
"""Energy width, in energy bins, from which a fit starts where neither an incident energy nor a width is known."""
FIT_DIRECTIONS = 1000
"""Momenta for each bin of |Q| of a powder map while it is fitted."""
LEAST_PIXELS = 50


@dataclass(frozen=True)
class Nuisance:
    """A property of the measurement that changes a map in a way that is not linear.

    Parameters
    ----------
    name, unit, description
        As shown.
    value
        What it is where it is not fitted, and the centre of its prior.
    low, high
        It stays between them.
    deviation
        Standard deviation of its prior, a normal one; infinite for none.
    """

    name: str
    value: float
    low: float
    high: float
    deviation: float
    unit: str
    description: str


NUISANCES = {
    one.name: one
    for one in (
        Nuisance("width", 1.0, 0.3, 3.0, 0.15, "", "factor on the energy width"),
        Nuisance("blur", Q_SIGMA_PIXELS, 0.2, 1.5, 0.2, "pixels", "standard deviation of the blur in momentum"),
        Nuisance("flux", 0.0, 0.0, 1.0, np.inf, "", "power of kf/ki left in the data"),
        Nuisance("twin", 0.5, 0.0, 1.0, 0.15, "", "fraction of the first twin"),
    )
}


@dataclass(frozen=True)
class Measurement:
    """How a map was measured, as far as it does not say itself.

    Parameters
    ----------
    instrument
        Whose energy width it has, by name or at a setting; MAPS where None.
    fwhm
        Energy width in meV of a cut or powder map, in place of an instrument's.
    intrinsic_fwhm
        Lorentzian full width of the modes themselves in meV, or coefficients of a polynomial of
        their energy; it is not fitted.
    temperature
        In kelvin.
    beam : (h, k, l)
        Momentum along the incident beam, in place of the material's own.
    """

    instrument: ChopperSpectrometer | str | None = None
    fwhm: float | None = None
    temperature: float = 0.0
    beam: tuple[float, float, float] | None = None
    intrinsic_fwhm: float | tuple[float, ...] | None = None

    @property
    def spectrometer(self) -> ChopperSpectrometer:
        if isinstance(self.instrument, ChopperSpectrometer):
            return self.instrument
        return load_instrument(self.instrument or "MAPS")


class Calculation(ABC):
    """Calculated intensity at the known pixels of a map.

    Attributes
    ----------
    map, material
        What is compared.
    known : bool, shape of the map
        Pixels that are compared: not masked, and within the reach of the kinematics.
    groups
        For each incident energy, rising, its pixels: indices into the known ones.
    ei, energy, q_squared : (pixel,)
        Incident energy (NaN where unknown) and energy transfer in meV, and |Q|^2 in 1/angstrom^2, at the
        centres of the known pixels.
    nuisances
        Those of `NUISANCES` that this map has, by name.
    """

    nuisances: dict[str, Nuisance]

    def __init__(self, m: Map, material: Material, known: np.ndarray):
        self.map, self.material, self.known = m, material, known
        if known.sum() < LEAST_PIXELS:
            raise UnsuitableMapError(
                "too little of the map is known to fit it",
                f"{known.sum()} pixels are neither masked nor out of reach; a fit needs {LEAST_PIXELS}",
                "check the mask, the axes and Ei",
            )

    ei: np.ndarray
    energy: np.ndarray
    q_squared: np.ndarray
    groups: list[np.ndarray]

    @abstractmethod
    def images(self, values: np.ndarray, nuisances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Intensities of parameter sets.

        Parameters
        ----------
        values : (n, parameter)
            All parameters of the material, in its order and unit.
        nuisances : (n, nuisance)
            All of `nuisances`, in their order.

        Returns
        -------
        intensity : (n, pixel)
            At the known pixels, in 1/meV per magnetic ion; NaN for unstable sets.
        stable : (n,) bool
        """

    def orders(self, values: np.ndarray) -> np.ndarray:
        """Which order each set (n, parameter) has, (n,) int;
        one number for all where it changes at no phase boundary.
        """
        return zener.order_of(self.named(values)) if zener.follows(self.material) else np.zeros(len(values), int)

    def named(self, values: np.ndarray) -> dict[str, Any]:
        """Parameters by name, from their last axis."""
        return dict(zip(self.material.defaults, np.moveaxis(values, -1, 0), strict=True))

    def column(self, nuisances: np.ndarray, name: str) -> np.ndarray:
        """One nuisance of each set, (n,)."""
        if name in self.nuisances:
            return nuisances[:, list(self.nuisances).index(name)]
        return np.full(len(nuisances), NUISANCES[name].value)

    def flux(self, nuisances: np.ndarray) -> np.ndarray | float:
        """kf/ki at the middle of each pixel's energy bin to the power of each set, (n, pixel)."""
        if "flux" not in self.nuisances:
            return 1.0
        return kf_over_ki(self.ei, self.energy) ** self.column(nuisances, "flux")[:, None]

    def full(self, pixels: np.ndarray) -> np.ndarray:
        """Values of the known pixels (..., pixel) on the whole map, NaN elsewhere."""
        out = np.full((*pixels.shape[:-1], *self.map.shape), np.nan)
        out[..., self.known] = pixels
        return out


class SlicesCalculation(Calculation):
    """Of constant-energy slices."""

    def __init__(self, m: Map, material: Material, measurement: Measurement):
        options = {name: getattr(measurement, name) for name in ("temperature", "beam", "intrinsic_fwhm")}
        options["instrument"] = measurement.spectrometer
        self._make = lambda twins: simulator_for(material, m.slices, *m.axes, twins, **options)
        self._simulator, self._first_domain = self._make(True), None
        super().__init__(m, material, ~m.mask & self._simulator.reach)
        slice_of, *place = np.nonzero(self.known)
        self.ei, self.energy = m.slices.ei[slice_of], m.slices.centres[slice_of]
        groups = [np.flatnonzero(np.isin(slice_of, group)) for group in m.slices.groups_by_ei()]
        self.groups = [group for group in groups if group.size]
        in_plane = np.stack([axis.centres[index] for axis, index in zip(m.axes, place, strict=True)], axis=-1)
        momenta = in_plane @ material.map_frame[:2]
        beam = material.map.beam if measurement.beam is None else measurement.beam
        beam = np.asarray(beam, float) @ material.map_frame
        _, across_squared = split_by_beam(momenta, beam)
        along = along_beam(np.nan_to_num(self.ei, nan=np.inf), self.energy, across_squared)
        self.q_squared = across_squared + np.where(np.isfinite(self.ei), along, 0.0) ** 2
        names = ["width", "blur", "flux", "twin"] if np.all(np.isfinite(self.ei)) else ["blur", "twin"]
        self.nuisances = {name: NUISANCES[name] for name in names}
        domains = domain_turns(material)
        self._weight = domains[0][0]
        if len(domains) > 1 and np.allclose(domains[0][1], np.eye(3)):
            self.nuisances["twin"] = replace(NUISANCES["twin"], value=self._weight)
        else:
            del self.nuisances["twin"]

    def images(self, values: np.ndarray, nuisances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Calculation.images`."""
        widths, blurs = self.column(nuisances, "width"), self.column(nuisances, "blur")
        # what differs in no more than the blur or the powers of kf/ki costs no spin waves
        sets, which = np.unique(np.column_stack((values, widths)), axis=0, return_inverse=True)
        which = which.ravel()
        found, stable = self._solve(self._simulator, sets)
        images = found[which]
        if "twin" in self.nuisances:
            fraction = self.column(nuisances, "twin")
            other = np.flatnonzero(fraction != self._weight)
            if other.size:
                self._first_domain = self._first_domain or self._make(False)
                needed, where = np.unique(which[other], return_inverse=True)
                first = self._solve(self._first_domain, sets[needed])[0][where.ravel()]
                share = fraction[other, None, None, None]
                second = images[other] - self._weight * first
                images[other] = (1 - share) / (1 - self._weight) * second + share * first
        out = np.empty((len(values), self.ei.size))
        for sigma in np.unique(blurs):
            chosen = np.flatnonzero(blurs == sigma)
            out[chosen] = blur(images[chosen], self._simulator.reach, sigma)[:, self.known]
        out *= self.flux(nuisances)
        out[~stable[which]] = np.nan
        return out, stable[which]

    def _solve(self, simulator: SliceSimulator | PolaronSimulator, sets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slices before any blur, 0 out of reach."""
        found, stable = simulator.intensity(
            self.named(sets[:, :-1]), energy_width_scale=sets[:, -1], q_sigma_pixels=0.0, dtype=float
        )
        return np.nan_to_num(found), stable


class SpectrumCalculation(Calculation):
    """Of a cut or a powder map: one set after the other."""

    def __init__(self, m: Map, material: Material, measurement: Measurement):
        self._measurement = measurement
        self._instrument = measurement.spectrometer
        bins = np.diff(m.axes[1].edges)
        self._start = BINS_WIDE * float(np.median(bins))
        self.map, self.material = m, material
        self.nuisances = {"width": NUISANCES["width"]}
        self.nuisances["blur"] = replace(
            NUISANCES["blur"],
            value=2.0,
            low=0.0,
            high=20.0,
            deviation=np.inf,
            unit="bins",
            description="standard deviation of the blur in momentum",
        )
        if m.ei is None and measurement.fwhm is None:
            self.nuisances["width"] = replace(NUISANCES["width"], low=0.1, high=4.0, deviation=np.inf)
        shown = self._image(np.array(list(material.defaults.values())), 1.0)
        self._reach = ~np.isnan(shown)
        super().__init__(m, material, ~m.mask & self._reach)
        first, second = np.nonzero(self.known)
        self.ei = np.full(first.size, np.nan if m.ei is None else m.ei)
        self.energy = m.axes[1].centres[second]
        self.groups = [np.arange(first.size)]
        lengths = m.axes[0].centres if m.kind == "powder" else np.linalg.norm(m.path @ material.map_frame, axis=1)
        self.q_squared = lengths[first] ** 2
        if m.ei is not None:
            self.nuisances["flux"] = NUISANCES["flux"]

    def images(self, values: np.ndarray, nuisances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Calculation.images`."""
        sets, which = np.unique(np.column_stack((values, self.column(nuisances, "width"))), axis=0, return_inverse=True)
        found = np.full((len(sets), *self.map.shape), np.nan)
        if self.material.relaxed:
            orders_of(self.material, self.material.couplings(self.named(sets[:, :-1])))  # all at once
        for index, row in enumerate(sets):
            try:
                found[index] = np.nan_to_num(self._image(row[:-1], row[-1]))
            except InstabilityError:
                continue
        which, blurs = which.ravel(), self.column(nuisances, "blur")
        out = np.empty((len(values), self.ei.size))
        for sigma in np.unique(blurs):
            chosen = np.flatnonzero(blurs == sigma)
            rows = blur_matrix(self.map.shape[0], sigma)
            weight = rows @ self._reach
            out[chosen] = (rows @ found[which[chosen]] / np.where(self._reach, weight, np.nan))[:, self.known]
        out *= self.flux(nuisances)
        return out, np.isfinite(out).all(axis=1)

    def _image(self, values: np.ndarray, width: float) -> np.ndarray:
        m, measurement = self.map, self._measurement
        options: dict[str, Any] = {name: getattr(measurement, name) for name in ("temperature", "intrinsic_fwhm")}
        options |= {"energy": m.axes[1], "ei": m.ei, "fwhm": self._width(width)}
        parameters = self.named(values)
        if m.kind == "powder":
            return simulate_powder(
                self.material, parameters, q=m.axes[0], directions=FIT_DIRECTIONS, **options
            ).intensity
        return simulate_cut(self.material, parameters, along=m.path, **options).intensity

    def _width(self, factor: float) -> Any:
        """FWHM in meV, as the simulations take it."""
        if self._measurement.fwhm is not None or self.map.ei is None:
            return factor * (self._measurement.fwhm or self._start)
        return lambda energy: factor * self._instrument.sigma(self.map.ei, energy) / FWHM_TO_SIGMA


def calculation_for(m: Map, material: str | Path | Material, measurement: Measurement | None = None) -> Calculation:
    """The calculation that suits a map.

    Raises
    ------
    UnsuitableMapError
        If fewer than `LEAST_PIXELS` pixels are known and in reach.
    MapError, MaterialError, InsdlError
        As `SliceSimulator` and `simulate_cut`.
    """
    kind = SlicesCalculation if m.kind == "slices" else SpectrumCalculation
    return kind(m, load_material(material), measurement or Measurement())
