"""Does a simulation explain a map? The gate that every verdict and every set of exchange constants passes.

The *unexplained share* of `fitting.unexplained`, for a simulation at the values that networks say. Each incident energy has one
scale, at least zero, for all its energy windows: a band in the wrong window is not forgiven. A fit of the likelihood
(`mantid_insdl.fitting`) takes ten times as long and finds the best that a model can do: here it is asked whether given ones are an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mantid_insdl.fitting.results import Evidence
from mantid_insdl.fitting.unexplained import LEAST_PIXELS, Structure, shares_of
from mantid_insdl.materials import Material
from mantid_insdl.networks.preparation import Prepared
from mantid_insdl.networks.preprocessing import incident_energy_groups, normalise
from mantid_insdl.progress import Progress, ignore_progress
from mantid_insdl.simulation.polarons import simulator_for

WEIGHT_FLOOR = 0.3  # of the mean intensity of an incident energy: what an empty slice's counting noise is taken for
HOPELESS = 0.75  # an unexplained share from which a few least-squares steps lead nowhere
STEPS = 3
DIFFERENCE = 0.01  # of a constant's trained range, for derivatives
LEAST_GAIN = 0.02  # of the sum of squares; a step that gains less is the last


class Comparison:
    """A map on a model's grid beside simulations of one material.

    Parameters
    ----------
    prepared
        The map as the networks see it.
    material
        The magnet that may explain it.

    Attributes
    ----------
    material
        Its name.
    structure : (slice, qh, qk)
        What is not smooth in the slices that the map has, weighted so that the counting noise of all of them is about the same.
    """

    def __init__(self, prepared: Prepared, material: str | Material):
        self._prepared = prepared
        used = np.flatnonzero(prepared.used)
        self.map = prepared.gridded.select(used)
        self.groups = incident_energy_groups(self.map.slices)
        self._simulator = simulator_for(material, self.map.slices, *self.map.axes)
        self.material = self._simulator.material.name
        known = ~self.map.mask & self._simulator.reach
        self.known = known & (known.sum(axis=(1, 2)) >= LEAST_PIXELS)[:, None, None]
        intensity = self._normalised(self.map.intensity[None])
        mean = intensity[0].sum(axis=(1, 2)) / np.maximum(self.known.sum(axis=(1, 2)), 1)
        self._weight = 1 / np.sqrt(np.maximum(mean, 0) + WEIGHT_FLOOR)
        self._smooth = Structure(*(axis.centres for axis in self.map.axes), self.known)
        self.structure = self._structure(intensity)[0]

    def of(self, material: str | Material, most: int | None = None) -> Comparison:
        """The same map beside another magnet, with `most` of its slices at most, spread over all of them."""
        used = np.flatnonzero(self._prepared.used)
        if most is None or used.size <= most:
            return Comparison(self._prepared, material)
        kept = np.isin(np.arange(self._prepared.used.size), used[np.linspace(0, used.size - 1, most).round().astype(int)])
        return Comparison(replace(self._prepared, used=kept), material)

    def _normalised(self, intensity: np.ndarray) -> np.ndarray:
        """(n, slice, qh, qk), each incident energy of mean 1, cut as the networks' inputs are; 0 where unknown."""
        stack, _ = normalise(np.where(self.known, intensity, np.nan), self.groups)
        return stack[..., 0].astype(float)

    def _structure(self, intensity: np.ndarray) -> np.ndarray:
        return self._smooth.of(intensity * self._weight[:, None, None])

    def simulated(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """Structure of simulations with `parameters` (n,), (n, slice, qh, qk); NaN where the magnetic order is unstable."""
        intensity, stable = self._simulator.intensity(parameters)
        structure = self._structure(self._normalised(intensity))
        structure[~stable] = np.nan
        return structure

    def scaled(self, structure: np.ndarray) -> np.ndarray:
        """A simulation (slice, qh, qk) times the scale of each incident energy that fits the map best, not below zero."""
        scaled = np.zeros_like(structure)
        for group in self.groups:
            size = np.sum(structure[group] ** 2)
            if size > 0:
                scaled[group] = structure[group] * max(0.0, np.sum(structure[group] * self.structure[group]) / size)
        return scaled

    def misfit(self, structure: np.ndarray) -> float:
        """Sum of squared residuals; infinite where unstable."""
        return float(np.sum((self.structure - self.scaled(structure)) ** 2)) if np.isfinite(structure).all() else np.inf

    def evidence(self, parameters: Mapping[str, float], limit: float, structure: np.ndarray | None = None) -> Evidence:
        """How much of the map's structure the simulation with `parameters` leaves; `structure` where it is known already."""
        if structure is None:
            (structure,) = self.simulated({name: np.array([value]) for name, value in parameters.items()})
        stable = bool(np.isfinite(structure).all())
        residual = self.structure - (self.scaled(structure) if stable else 0.0)
        (share, error), by_ei = shares_of(self.structure, residual, self.groups)
        return Evidence(
            material=self.material,
            parameters={name: float(value) for name, value in parameters.items()},
            unexplained=share,
            uncertainty=error,
            incident_energies=tuple(float(self.map.slices.ei[g[0]]) for g in self.groups),
            unexplained_by_ei=tuple(one for one, _ in by_ei),
            uncertainty_by_ei=tuple(one for _, one in by_ei),
            limit=float(limit),
        )


def explain(
    prepared: Prepared,
    material: str,
    values: np.ndarray,
    errors: np.ndarray,
    ranges: Mapping[str, tuple[float, float]],
    limit: float,
    progress: Progress = ignore_progress,
) -> tuple[np.ndarray, Evidence]:
    """The constants whose simulation explains a map, and how well.

    The given values are kept where their simulation explains the map. Where it does not but comes near, a few damped Gauss-Newton steps
    are taken from them.

    Parameters
    ----------
    values, errors : (n,)
        A network's estimates and their error bars, in the order of `ranges`.
    ranges
        Trained range of each constant; steps stay within.
    limit
        Largest share that may be left unexplained.
    """
    names = list(ranges)
    low, high = np.array(list(ranges.values())).T
    comparison = Comparison(prepared, material)
    here = np.asarray(values, float)
    (structure,) = comparison.simulated(named(names, here[None]))
    best = comparison.evidence(named(names, here), limit, structure)
    for number in range(STEPS):
        progress(number / STEPS, f"least squares of {material}")
        # Values given as an answer are those of the network or those of the fit, not some half way between.
        if (number == 0 and best.explained) or not best.unexplained < HOPELESS or not np.isfinite(structure).all():
            break
        inside = np.clip(here, low, high)
        before = comparison.misfit(structure)
        inside, structure = step(comparison, names, inside, structure, errors, low, high)
        if not comparison.misfit(structure) < before:
            break
        here, best = inside, comparison.evidence(named(names, inside), limit, structure)
        if comparison.misfit(structure) > (1 - LEAST_GAIN) * before:
            break
    progress(1.0, f"compared with {material}")
    return here, best


def step(
    comparison: Comparison, names: list[str], here: np.ndarray, structure: np.ndarray, errors: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A Gauss-Newton step, damped by the error bars and halved until it gains."""
    residual = comparison.structure - comparison.scaled(structure)
    jacobian = slopes_of(comparison, names, here, structure, low, high).reshape(len(names), -1)
    variance = np.sum(residual**2) / max(comparison.known.sum(), 1)
    damping = np.diag(variance / np.maximum(errors, 1e-9) ** 2)
    direction = np.linalg.solve(jacobian @ jacobian.T + damping, jacobian @ residual.ravel())
    before = comparison.misfit(structure)
    for length in (1.0, 0.5, 0.25):
        there = np.clip(here + length * direction, low, high)
        (found,) = comparison.simulated(named(names, there[None]))
        if comparison.misfit(found) < before:
            return there, found
    return here, structure


def slopes_of(
    comparison: Comparison, names: list[str], here: np.ndarray, structure: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Derivatives of the scaled simulation by the constants, (n, slice, qh, qk), less what the scales can imitate (variable projection)."""
    change = DIFFERENCE * (high - low) * np.where(here + DIFFERENCE * (high - low) > high, -1, 1)
    near = comparison.simulated(named(names, here + np.diag(change)))
    unstable = ~np.isfinite(near).all(axis=(1, 2, 3))
    if unstable.any():  # the other way
        change[unstable] *= -1
        near[unstable] = comparison.simulated(named(names, here + np.diag(change)[unstable]))
    model = comparison.scaled(structure)
    scale = np.divide(model, structure, out=np.zeros_like(model), where=structure != 0)
    slopes = np.nan_to_num((near - structure) * scale / change[:, None, None, None])
    for group in comparison.groups:
        size = np.sum(model[group] ** 2)
        if size > 0:
            along = np.einsum("nsij,sij->n", slopes[:, group], model[group]) / size
            slopes[:, group] -= along[:, None, None, None] * model[group]
    return slopes


def named(names: list[str], values: np.ndarray) -> dict[str, np.ndarray]:
    """Parameter sets (n, parameter) as simulators take them."""
    return dict(zip(names, values.T, strict=True))
