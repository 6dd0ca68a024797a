"""Weights: the filters of each convolution, and whether they are smooth, which those of a network trained long enough are.

[A. Krizhevsky, I. Sutskever and G. E. Hinton, NIPS 2012: noisy filters are a sign of too little training]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mantid_insdl.networks.bundles import Bundle

DRAWS = 20
"""Untrained networks of the same shape."""


@dataclass(frozen=True, eq=False)
class Filters:
    """The kernels of one convolution.

    Attributes
    ----------
    layer
        Its name.
    kernels : (row, column, input, filter)
        Along Qh and Qk; of a convolution along the energy, along the energy and 1.
    smoothness
        Correlation of neighbouring weights, 0 of noise: sum of their products over that of their squares (Moran's I).
    untrained : (mean, standard deviation)
        The same of untrained ones.
    """

    layer: str
    kernels: np.ndarray
    smoothness: float
    untrained: tuple[float, float]

    @property
    def significance(self) -> float:
        """Standard deviations of untrained filters by which these are smoother."""
        mean, deviation = self.untrained
        return (self.smoothness - mean) / deviation if deviation > 0 else 0.0


def filters_of(bundle: Bundle) -> list[Filters]:
    """The filters of each convolution of the first network that has neighbouring weights, first to last."""
    network = bundle.models[0]
    layers = [layer for layer in network.layers if (kernel := _kernel(layer)) is not None and max(kernel.shape[:2]) > 1]
    return [_filters(layer, [smoothness(_untrained(layer)) for _ in range(DRAWS)]) for layer in layers]


def _untrained(layer: Any) -> np.ndarray:
    """The kernel of a layer as training begins with it, another one at every call."""
    inner = getattr(layer, "layer", layer)
    return np.asarray(inner.kernel_initializer.clone()(inner.kernel.shape))


def _filters(layer: Any, untrained: list[float]) -> Filters:
    kernel = _kernel(layer)
    return Filters(layer.name, kernel, smoothness(kernel), (float(np.mean(untrained)), float(np.std(untrained))))


def smoothness(kernels: np.ndarray) -> float:
    """Of (row, column, input, filter), over all pairs of neighbours along rows and columns."""
    products = [kernels[1:] * kernels[:-1], kernels[:, 1:] * kernels[:, :-1]]
    pairs = sum(one.size for one in products)
    return float(sum(one.sum() for one in products) / pairs / np.mean(kernels**2)) if pairs else 0.0


def _kernel(layer: Any) -> np.ndarray | None:
    kernel = getattr(getattr(layer, "layer", layer), "kernel", None)
    return np.asarray(kernel) if kernel is not None and len(kernel.shape) == 4 else None
