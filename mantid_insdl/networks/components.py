"""Principal components of noise-free maps: the linear half of the denoiser, and its yardstick."""

from __future__ import annotations

import numpy as np


class PrincipalComponents:
    """Noise-free maps as a mean and a few principal components, fitted to the known pixels of a measurement by ridge regression.

    Parameters
    ----------
    mean : (pixel,), basis : (component, pixel), variance : (component,)
        Of the noise-free maps, all slices and pixels in one row.
    """

    def __init__(self, mean: np.ndarray, basis: np.ndarray, variance: np.ndarray):
        self.mean, self.basis, self.variance = (np.asarray(x, np.float32) for x in (mean, basis, variance))

    @classmethod
    def of(cls, templates: np.ndarray, components: int) -> PrincipalComponents:
        """From noise-free maps (n, slice, qh, qk)."""
        centred = np.nan_to_num(templates.astype(np.float32)).reshape(templates.shape[0], -1)
        mean = centred.mean(0)
        centred -= mean
        # The Gram matrix is maps x maps: far smaller than pixels x pixels.
        values, vectors = np.linalg.eigh(centred @ centred.T)
        order = np.argsort(values)[::-1][:components]
        basis = (vectors[:, order].T @ centred) / np.sqrt(np.maximum(values[order], 1e-12))[:, None]
        return cls(mean, basis, np.maximum(values[order], 1e-12) / centred.shape[0])

    def truncated(self, components: int) -> PrincipalComponents:
        """The same with its first components only."""
        return PrincipalComponents(self.mean, self.basis[:components], self.variance[:components])

    def denoise(self, stack: np.ndarray) -> np.ndarray:
        """Intensity (n, slice, qh, qk), not negative, from (n, slice, qh, qk, 2)."""
        shape = stack.shape[:-1]
        result = np.empty((shape[0], self.mean.size), np.float32)
        for row, (y, w) in enumerate(zip(stack[..., 0].reshape(shape[0], -1), stack[..., 1].reshape(shape[0], -1) > 0, strict=True)):
            basis = self.basis[:, w]
            normal = basis @ basis.T + np.diag(1 / self.variance)
            result[row] = self.mean + np.linalg.solve(normal, basis @ (y[w] - self.mean[w])) @ self.basis
        return np.maximum(result, 0).reshape(shape)
