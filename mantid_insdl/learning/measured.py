"""Simulated measurements of a data set: drawn anew for each epoch of fitting, and once and for all for testing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mantid_insdl.learning.datasets import SimulatedMaps, axes
from mantid_insdl.learning.measurement import measure, mix_twins
from mantid_insdl.learning.preprocessing import incident_energy_groups, normalise, window_features
from mantid_insdl.learning.recipes import Dataset, Measurement
from mantid_insdl.maps import Slices
from mantid_insdl.materials import load_material


@dataclass(frozen=True)
class MeasuredMaps:
    """Measurements as the networks see them.

    Parameters
    ----------
    stack : (n, slice, qh, qk, 2), scale : (n, slice)
        From `preprocessing.normalise`.
    signal : (n, slice, qh, qk)
        Noise-free magnetic intensity over `scale`; NaN where nothing was measured. Empty where it is not wanted.
    windows : (n, slice, 3), used : (n, slice, 1)
        From `preprocessing.window_features`; which slices the map has.
    """

    stack: np.ndarray
    scale: np.ndarray
    signal: np.ndarray
    windows: np.ndarray
    used: np.ndarray


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
        stack, scale = normalise(measured[None], incident_energy_groups(slices))
        kept = (stack[0, ..., 0].astype(np.float16), stack[0, ..., 1] > 0, scale[0])
        return (*kept, (signal / scale[0, :, None, None]).astype(np.float16)) if self.keep_signal else kept
