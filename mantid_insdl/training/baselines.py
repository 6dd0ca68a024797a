"""The simple methods beside each network: what a network does not beat has no business being shipped."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mantid_insdl.networks.measured import MeasuredMaps

TEMPLATE_BATCH = 500


def template_misfit(maps: MeasuredMaps, templates: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Least-squares misfit of every template to every measurement, with a free scale and flat background for each incident energy.

    Parameters
    ----------
    templates : (m, slice, qh, qk)
        Noise-free maps; NaN counts as zero intensity.

    Returns
    -------
    misfit : (n, m)
        Sum over incident energies of (number of pixels) x log(residual variance): minus twice the log likelihood, for unknown noise.
    """
    total = np.zeros((maps.stack.shape[0], templates.shape[0]))
    for group in groups:
        y, w = (maps.stack[..., k][:, group].reshape(total.shape[0], -1) for k in (0, 1))
        y = y * w
        number = w.sum(1)[:, None]
        sum_y, sum_yy = y.sum(1)[:, None], (y * y).sum(1)[:, None]
        for start in range(0, templates.shape[0], TEMPLATE_BATCH):
            t = np.nan_to_num(templates[start : start + TEMPLATE_BATCH, group].astype(np.float32)).reshape(-1, y.shape[1]).T
            sum_t, sum_tt, sum_ty = w @ t, w @ (t * t), y @ t
            with np.errstate(invalid="ignore", divide="ignore"):
                variance_t = sum_tt - sum_t**2 / number
                covariance = sum_ty - sum_t * sum_y / number
                # A negative scale is no fit: the template is then worth no more than a flat background.
                gain = np.where(variance_t > 1e-6 * sum_tt, np.maximum(covariance, 0) ** 2 / variance_t, 0.0)
                residual = sum_yy - sum_y**2 / number - gain
                misfit = number * np.log(np.maximum(residual / number, 1e-9))
            total[:, start : start + TEMPLATE_BATCH] += np.where(number > 10, misfit, 0.0)
    return total


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
