"""Simulated measurements of a data set: drawn anew for each epoch of fitting, and once and for all for testing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mantid_insdl.learning.datasets import SimulatedMaps, axes
from mantid_insdl.learning.measurement import measure, mix_twins
from mantid_insdl.learning.preprocessing import incident_energy_groups, normalise, window_features
from mantid_insdl.learning.recipes import Dataset, Measurement
from mantid_insdl.materials import load_material


@dataclass(frozen=True)
class MeasuredMaps:
    """Measurements as the networks see them.

    Parameters
    ----------
    stack : (n, slice, qh, qk, 2), scale : (n, slice)
        From `preprocessing.normalise`.
    signal : (n, slice, qh, qk)
        Noise-free magnetic intensity over `scale`; NaN where nothing was measured.
    windows : (n, slice, 3), used : (n, slice, 1)
        From `preprocessing.window_features`; which slices the map has.
    """

    stack: np.ndarray
    scale: np.ndarray
    signal: np.ndarray
    windows: np.ndarray
    used: np.ndarray


class Measurer:
    """Makes measurements of the maps of a data set."""

    def __init__(self, data: SimulatedMaps, spec: Dataset, settings: Measurement):
        self.data, self.spec, self.settings = data, spec, settings
        self.qh, self.qk = axes(spec.grid)
        material = load_material(data.materials[0])
        self.reciprocal = material.in_plane_reciprocal

    def measure(self, indices: np.ndarray, seed: tuple[int, ...]) -> MeasuredMaps:
        """Measure the maps at `indices`; the same `seed` gives the same measurement."""
        shape = (indices.size, *self.data.intensity.shape[1:])
        measured, signal = np.full(shape, np.nan), np.full(shape, np.nan)
        windows, used = np.zeros((*shape[:2], 3), np.float32), np.zeros((*shape[:2], 1), np.float32)
        scale, stack = np.ones(shape[:2]), np.empty((*shape, 2), np.float32)
        for row, index in enumerate(indices):
            rng = np.random.default_rng((*seed, int(index)))
            slices = self.data.slices(index)
            n = slices.size
            expected = mix_twins(self.data.intensity[index, :n].astype(float), rng.uniform(*self.settings.twin_fraction))
            measured[row, :n], signal[row, :n] = measure(expected, slices, self.qh, self.qk, self.reciprocal, self.settings, rng)
            windows[row, :n], used[row, :n] = window_features(slices), 1
            groups = incident_energy_groups(slices)
            stack[row : row + 1], scale[row : row + 1] = normalise(measured[row : row + 1], groups)
        return MeasuredMaps(stack, scale, signal / scale[:, :, None, None], windows, used)
