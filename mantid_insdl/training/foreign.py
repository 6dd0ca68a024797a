"""Nuisances that no training map has: one family each of background, resolution and gaps, to test what a network makes of them."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from mantid_insdl.training.backgrounds import FOREIGN as BACKGROUNDS
from mantid_insdl.training.backgrounds import Scene

__all__ = ["BACKGROUNDS", "gaps", "resolution"]


def resolution(expected: np.ndarray, groups: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Blurred along one axis of momentum only, and with a tail from each energy bin to the next one up."""
    axis, width, tail = int(rng.integers(1, 3)), rng.uniform(0.8, 1.4), rng.uniform(0.1, 0.25)
    made = gaussian_filter1d(np.nan_to_num(expected), width, axis=axis, mode="nearest")
    for group in groups:
        made[group[1:]] = (1 - tail) * made[group[1:]] + tail * made[group[:-1]]
    return np.where(np.isfinite(expected), made, np.nan).astype(np.float32)


def gaps(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Sectors and a disc, as a magnet's pillars and a round beam stop leave them; the same in all slices, (slice, qh, qk) bool."""
    angle = np.arctan2(scene.k + np.zeros_like(scene.h), scene.h)
    gone = np.hypot(scene.h, scene.k) < rng.uniform(0.05, 0.3)
    for _ in range(rng.integers(1, 4)):
        away = np.angle(np.exp(1j * (angle - rng.uniform(-np.pi, np.pi))))
        gone |= np.abs(away) < rng.uniform(0.05, 0.3)
    return np.broadcast_to(gone, (scene.slices.size, *gone.shape)).copy()
