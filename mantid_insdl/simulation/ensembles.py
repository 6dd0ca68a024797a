"""Noise-free maps of many magnets on the same slices: what measurements of them can look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mantid_insdl.errors import BundleError
from mantid_insdl.maps import Axis, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.parallel import in_threads
from mantid_insdl.progress import Progress, ignore_progress, share_of
from mantid_insdl.simulation.polarons import simulator_for

COPIES = 2  # maps of each parameter set, with other shares of the twins and other efficiencies
LARGEST = 2000  # parameter sets of a material
SEED = 5
_MEASUREMENT = "ensemble measurement"


@dataclass(frozen=True)
class Ensemble:
    """Magnets, and in what measurements of the same magnet differ.

    Parameters
    ----------
    sets : for each material (set, parameter + 2)
        Constants in the order of the material's parameters, the factor on the instrument's energy width, and the blur
        in momentum in pixels.
    twin_fraction
        Smallest and largest share of one of two twins with a and b exchanged.
    slice_scale
        Standard deviation of each slice's efficiency.
    """

    sets: Mapping[str, np.ndarray]
    twin_fraction: tuple[float, float]
    slice_scale: float

    def to_arrays(self) -> dict[str, np.ndarray]:
        """For a bundle."""
        of_sets = {_name(material): sets for material, sets in self.sets.items()}
        return {**of_sets, _MEASUREMENT: np.array([*self.twin_fraction, self.slice_scale])}

    @classmethod
    def from_arrays(cls, materials: Sequence[str], arrays: Mapping[str, np.ndarray]) -> Ensemble:
        """Of the arrays of a bundle.

        Raises
        ------
        BundleError
            If they are not those of an ensemble of these materials.
        """
        sets = {name: arrays.get(_name(name), np.empty(0)) for name in materials}
        measurement = arrays.get(_MEASUREMENT, np.empty(0))
        low, high, scale = measurement if measurement.shape == (3,) else np.full(3, np.nan)
        fits = [
            one.ndim == 2
            and 0 < len(one) <= LARGEST
            and one.shape[1] == len(load_material(name).parameters) + 2
            and np.isfinite(one).all()
            for name, one in sets.items()
        ]
        if not (all(fits) and 0 <= low <= high <= 1 and 0 <= scale < 1):
            raise BundleError(
                "the parameter sets that the model simulates are not usable",
                "they are missing, or not those of its materials",
                "use the bundle as it was made, or train it again with `insdl train`",
            )
        return cls(sets, (float(low), float(high)), float(scale))


def _name(material: str) -> str:
    return f"ensemble {material}"


def expected_maps(
    ensemble: Ensemble, slices: Slices, qh: Axis, qk: Axis, progress: Progress = ignore_progress
) -> np.ndarray:
    """Maps of all sets of an ensemble, `COPIES` of each; always the same for the same slices.

    Returns
    -------
    (map, slice, qh, qk), float16
        Each incident energy in units of its mean; 0 where the kinematics do not reach. Sets that are not stable are
        left out.
    """
    blurs = [(name, blur) for name, sets in ensemble.sets.items() for blur in np.unique(sets[:, -1])]
    found: list[np.ndarray] = []
    rng = np.random.default_rng(SEED)
    simulators = {name: simulator_for(name, slices, qh, qk, twins=False) for name in ensemble.sets}
    for done, (name, blur) in enumerate(blurs):
        sets = ensemble.sets[name]
        *constants, widths, _ = sets[sets[:, -1] == blur].T
        named = dict(zip([p.name for p in load_material(name).parameters], constants, strict=True))
        options = {"energy_width_scale": widths, "q_sigma_pixels": float(blur)}
        step = share_of(progress, done / len(blurs), (done + 1) / len(blurs))
        intensity, stable = simulators[name].intensity(named, **options, progress=step)
        seeds = rng.integers(2**32, size=(len(intensity), COPIES))
        tasks = [(intensity[i], int(seed)) for i in np.flatnonzero(stable) for seed in seeds[i]]
        found += in_threads(lambda task: _measured(ensemble, slices, *task), tasks)
    return np.stack(found) if found else np.zeros((0, slices.size, qh.size, qk.size), np.float16)


def _measured(ensemble: Ensemble, slices: Slices, expected: np.ndarray, seed: int) -> np.ndarray:
    """With both twins, and as a reduction leaves it, in units of the mean of each incident energy."""
    rng = np.random.default_rng(seed)
    twinned = mix_twins(np.nan_to_num(expected), rng.uniform(*ensemble.twin_fraction))
    for group in slices.groups_by_ei():
        twinned[group] *= slice_efficiencies(slices[group], ensemble.slice_scale, rng)[:, None, None]
        mean = twinned[group][np.isfinite(expected[group])].mean() if np.isfinite(expected[group]).any() else 0.0
        if mean > 0:
            twinned[group] /= mean  # else the windows are above the band
    return twinned.astype(np.float16)


def slice_efficiencies(slices: Slices, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Factors on the slices of one incident energy, (slice,), each with a deviation of `scale` in its logarithm.

    Some reductions divide by kf/ki and some do not; what absorption and detectors add lies in between as well.
    """
    logarithm = rng.normal(0, scale, slices.size)
    logarithm += rng.uniform(0, 1) * 0.5 * np.log1p(-np.minimum(slices.centres / slices.ei, 0.99))
    return np.exp(logarithm)


def mix_twins(single: np.ndarray, fraction: float) -> np.ndarray:
    """Intensity of two twins with a and b swapped, from that of one; `single` (..., qh, qk) on a square grid."""
    return fraction * single + (1 - fraction) * np.swapaxes(single, -1, -2)


def at_places(maps: np.ndarray, places: np.ndarray, number: int) -> np.ndarray:
    """Maps (map, slice, qh, qk) with their slices at `places` of `number`, and nothing at the others."""
    result = np.zeros((len(maps), number, *maps.shape[2:]), maps.dtype)
    result[:, places] = maps
    return result
