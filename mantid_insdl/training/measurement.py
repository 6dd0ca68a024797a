"""Make a simulated map look measured: twins, background, counting noise, gaps, hot pixels, missing incident energies."""

from __future__ import annotations

import numpy as np

from mantid_insdl.instrument.gaps import DetectorLayout
from mantid_insdl.instrument.noise import count_neutrons
from mantid_insdl.maps import Axis, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.networks.background import backgrounds_left
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.preprocessing import incident_energy_groups, normalise, window_features
from mantid_insdl.training.datasets import SimulatedMaps, axes
from mantid_insdl.training.recipes import Dataset, Measurement


def mix_twins(single: np.ndarray, fraction: float) -> np.ndarray:
    """Intensity of two twins with a and b swapped, from that of one; `single` (..., qh, qk) on a square grid."""
    return fraction * single + (1 - fraction) * np.swapaxes(single, -1, -2)


def measure(
    expected: np.ndarray,
    slices: Slices,
    qh: Axis,
    qk: Axis,
    reciprocal: tuple[float, float],
    settings: Measurement,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """One simulated measurement.

    Parameters
    ----------
    expected : (slice, qh, qk)
        Noise-free intensity, NaN where the kinematics do not reach.
    reciprocal
        Length of the two in-plane reciprocal-lattice vectors, 1/angstrom.

    Returns
    -------
    intensity : (slice, qh, qk)
        NaN where masked. Each incident energy is in units of its own mean expected intensity.
    signal : (slice, qh, qk)
        The magnetic intensity in it before noise, in the same unit, also in the gaps; NaN where nothing was measured.
    """
    measured, true = (np.full(expected.shape, np.nan, np.float32) for _ in range(2))
    momentum_squared = (qh.centres[:, None] * reciprocal[0]) ** 2 + (qk.centres * reciprocal[1]) ** 2
    groups = incident_energy_groups(slices)
    gaps = np.zeros(expected.shape, bool)
    if rng.random() < settings.gaps:
        gaps = DetectorLayout.random(rng).gaps(slices, qh, qk, reciprocal)
    kept = np.ones(len(groups), bool)
    if len(groups) > 1 and rng.random() < settings.missing_ei:
        kept[rng.permutation(len(groups))[: rng.integers(1, len(groups))]] = False
    for group in (g for g, keep in zip(groups, kept, strict=True) if keep):
        efficiency = rng.normal(0, settings.slice_scale, group.size)
        # Some reductions divide by kf/ki and some do not; what absorption and detectors add lies in between as well.
        efficiency += rng.uniform(0, 1) * 0.5 * np.log1p(-np.minimum(slices.centres[group] / slices.ei[group], 0.99))
        signal = expected[group] * np.exp(efficiency)[:, None, None]
        mean = np.nanmean(signal)
        if not mean > 0:
            continue
        true[group] = signal = signal / mean
        # What phonons and the sample's surroundings scatter: it grows with momentum and falls with energy.
        growth, decay = rng.uniform(0, 0.3), rng.uniform(0, 1)
        energy = (slices.centres[group] / slices.centres[group].max())[:, None, None]
        background = rng.uniform(*settings.background) * (1 + growth * momentum_squared) * np.exp(-decay * energy)
        counts = np.exp(rng.uniform(*np.log(settings.counts_per_pixel))) * signal.size
        intensity, _ = count_neutrons(signal, counts, rng, background=background)
        left = settings.background_left > 0 and rng.random() < settings.background_left
        measured[group] = intensity + (1.0 if left else rng.normal(0, settings.background_residual)) * background
    hot = rng.random(measured.shape, np.float32) < rng.uniform(0, settings.hot_pixels)
    measured[hot] *= rng.uniform(3, 10)
    if rng.random() < settings.negatives_cut:
        measured = np.maximum(measured, 0)
    left_open = rng.random(measured.shape, np.float32) < rng.uniform(0, settings.unmasked_gap_pixels)
    gaps &= np.isfinite(measured)
    measured[gaps] = np.nan
    measured[gaps & left_open] = 0
    return measured, true


class Measurer:
    """Makes measurements of the maps of a data set.

    What was measured is kept in half precision, so that epochs and ensemble members which ask for the same measurement again do not
    pay for it twice.

    Parameters
    ----------
    data, spec, settings
        The maps, what they are, and how to measure them.
    keep_signal
        Whether the noise-free signal is wanted; else `MeasuredMaps.signal` is empty.
    """

    def __init__(self, data: SimulatedMaps, spec: Dataset, settings: Measurement, *, keep_signal: bool = False):
        self.data, self.spec, self.settings, self.keep_signal = data, spec, settings, keep_signal
        self.qh, self.qk = axes(spec.grid)
        self.reciprocal = load_material(data.materials[0]).in_plane_reciprocal
        self._kept: dict[tuple[int, ...], tuple[np.ndarray, ...]] = {}

    def measure(self, indices: np.ndarray, seed: tuple[int, ...]) -> MeasuredMaps:
        """Measure the maps at `indices`; the same `seed` gives the same measurement."""
        shape = (indices.size, *self.data.intensity.shape[1:])
        stack, scale = np.zeros((*shape, 2), np.float32), np.ones(shape[:2], np.float32)
        signal = np.full(shape, np.nan, np.float32) if self.keep_signal else np.empty(0)
        windows, used = np.zeros((*shape[:2], 3), np.float32), np.zeros((*shape[:2], 1), np.float32)
        for row, index in enumerate(indices):
            slices = self.data.slices(index)
            n = slices.size
            key = (*seed, int(index))
            if key not in self._kept:
                self._kept[key] = self._measure_one(int(index), slices, np.random.default_rng(key))
            value, known, scale[row, :n], *rest = self._kept[key]
            stack[row, :n, ..., 0], stack[row, :n, ..., 1] = value, known
            if self.keep_signal:
                signal[row, :n] = rest[0]
            windows[row, :n], used[row, :n] = window_features(slices), 1
        return MeasuredMaps(stack, scale, signal, windows, used)

    def forget(self) -> None:
        """Free the memory of the measurements kept so far."""
        self._kept.clear()

    def _measure_one(self, index: int, slices: Slices, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        expected = mix_twins(self.data.intensity[index, : slices.size].astype(np.float32), rng.uniform(*self.settings.twin_fraction))
        measured, signal = measure(expected, slices, self.qh, self.qk, self.reciprocal, self.settings, rng)
        if self.settings.background_left > 0 and self.spec.slices.kind == "fixed":  # as before an answer
            measured -= backgrounds_left(measured, incident_energy_groups(slices))[:, None, None].astype(np.float32)
        stack, scale = normalise(measured[None], incident_energy_groups(slices))
        kept = (stack[0, ..., 0].astype(np.float16), stack[0, ..., 1] > 0, scale[0])
        return (*kept, (signal / scale[0, :, None, None]).astype(np.float16)) if self.keep_signal else kept
