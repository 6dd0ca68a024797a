"""The simple methods beside each network: what a network does not beat has no business being shipped."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mantid_insdl.networks.measured import MeasuredMaps


class Neighbours:
    """Parameters of a map as the mean of those of the training maps that look most alike, at a glance.

    A glance is the mean intensity in coarse pixels and coarse steps of energy transfer, whatever the incident energy.

    Parameters
    ----------
    maps
        The training maps, in batches.
    parameters : (m, parameter)
        Theirs.
    """

    ENERGIES = np.geomspace(2.0, 110.0, 15)  # meV, edges
    PIXEL = 4
    NUMBER = 5

    def __init__(self, maps: Iterable[MeasuredMaps], parameters: np.ndarray):
        self._known, self._values = parameters, self._glances(maps)

    def parameters(self, maps: Iterable[MeasuredMaps]) -> np.ndarray:
        """(n, parameter), of all the maps that come in batches."""
        (a, known_a), (b, known_b) = self._glances(maps), self._values
        distance = (a**2 * known_a) @ known_b.T - 2 * (a * known_a) @ (b * known_b).T + known_a @ (b**2 * known_b).T
        both = known_a @ known_b.T
        distance = np.where(both > 0, distance / np.maximum(both, 1), np.inf)
        nearest = np.argsort(distance, axis=1)[:, : self.NUMBER]
        return self._known[nearest].mean(axis=1)

    def _glances(self, batches: Iterable[MeasuredMaps]) -> tuple[np.ndarray, np.ndarray]:
        intensity, known = zip(*(self._glance(maps) for maps in batches), strict=True)
        return np.concatenate(intensity), np.concatenate(known)

    def _glance(self, maps: MeasuredMaps) -> tuple[np.ndarray, np.ndarray]:
        """Mean intensity of each cell, and 1 where anything is known; (n, cell) each."""
        n, slices, rows, columns, _ = maps.stack.shape
        cells = (n, slices, rows // self.PIXEL, self.PIXEL, columns // self.PIXEL, self.PIXEL)
        known = maps.stack[..., 1]
        total, number = (x.reshape(cells).sum((3, 5)).reshape(n, slices, -1) for x in (maps.stack[..., 0] * known, known))
        energy = 10 * maps.windows[..., :2].mean(-1)
        step = np.where(maps.used[..., 0] > 0, np.digitize(energy, self.ENERGIES), -1)
        member = (step[:, None] == np.arange(self.ENERGIES.size + 1)[:, None]).astype(np.float32)
        total, number = ((member @ x).reshape(n, -1) for x in (total, number))
        return total / np.maximum(number, 1), (number > 0).astype(np.float32)


def smooth(stack: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing of each slice over its known pixels, in pixels: the simplest denoiser. (n, slice, qh, qk)."""
    widths = (0, 0, sigma, sigma)
    from scipy.ndimage import gaussian_filter

    weight = gaussian_filter(stack[..., 1], widths, mode="nearest")
    return gaussian_filter(stack[..., 0] * stack[..., 1], widths, mode="nearest") / np.maximum(weight, 1e-3)
