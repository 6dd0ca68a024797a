"""Measurements as the networks see them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mantid_insdl.networks.preprocessing import noise_level


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

    @cached_property
    def noise(self) -> np.ndarray:
        """(n, slice, 1): how noisy each slice is, see `preprocessing.noise_level`."""
        return noise_level(self.stack)[..., None]
