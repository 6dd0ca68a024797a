"""What a map says about exchange constants: a probability density over all of them at once, from one network.

The density is a mixture of Gaussians with full covariances (a mixture density network, Bishop 1994), in coordinates in
which the prior range of each constant is the whole line: z = log((x - low) / (high - x)). So nothing lies outside the
range, two constants that a map only gives together are correlated, and two basins that explain a map equally well are
two peaks. What the map does not determine shows the prior.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from mantid_insdl.networks import encoder
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.bundles import Bundle
from mantid_insdl.networks.preprocessing import BINS, GROUPS

COMPONENTS = 8  # Gaussians of a mixture
_LOG_WIDTHS = (-5.0, 5.0)  # of the logarithm of a precision's Cholesky diagonal
_EDGE = 1e-4  # of a range: values nearer to its ends count as so far from them, since the ends are at infinity
_GRID = np.linspace(-9.0, 9.0, 721)  # of z, on which peaks of marginal densities are looked for
# two peaks are two where the density between them falls to this share of the lower, which holds so much
_VALLEY, _LEAST_SHARE = 0.6, 0.1


def build_posterior(shape: tuple[int, int], parameters: int, groups: int = GROUPS, bins: int = BINS) -> Any:
    """The network: (batch, `outputs_of(parameters)`), what `Posterior` and `posterior_loss` read,
    from the inputs of the encoder.
    """
    keras = import_keras()
    layers = keras.layers
    given = encoder.inputs(shape, groups * bins)
    features = encoder.encode(given, bins).features
    slices, rows, columns, filters = features.shape[1:]
    # Where in momentum something lies counts here, and at which energy: every slice is summarised
    # with its place and its energies.
    x = layers.AveragePooling3D((1, 2, 2), name="coarse")(features)
    x = layers.Reshape((slices, (rows // 2) * (columns // 2) * filters))(x)
    for number in (1, 2):
        x = layers.Concatenate()([x, given.windows])
        x = layers.Dense(96, activation="relu", name=f"slice_summary_{number}")(x)
    x = layers.Multiply()([x, given.used])
    x = layers.Concatenate()([layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)])
    x = layers.Dense(128, activation="relu", name="embedding")(layers.LayerNormalization()(x))
    x = layers.Dense(128, activation="relu", name="density")(layers.Dropout(0.1)(x))
    # At first every map has about the same broad mixture, whatever the features are: a narrow one beside
    # the truth would cost too much.
    initializers = keras.initializers
    weak = {
        "kernel_initializer": initializers.VarianceScaling(0.01, seed=1),
        "bias_initializer": initializers.RandomNormal(0, 0.5, seed=2),
    }
    outputs = layers.Dense(outputs_of(parameters), name="mixture", **weak)(x)
    return keras.Model(list(given), outputs, name="posterior")


def outputs_of(parameters: int) -> int:
    """How many numbers describe a mixture over so many parameters."""
    return COMPONENTS * (1 + parameters + parameters * (parameters + 1) // 2)


def posterior_loss(keras: Any, parameters: int) -> Callable[[Any, Any], Any]:
    """Negative log density of the true z, (batch, parameter), under the mixture."""
    ops = keras.ops

    def loss(target: Any, output: Any) -> Any:
        log_weights, means, factors, log_diagonal = _parts(ops, output, parameters)
        away = ops.expand_dims(ops.expand_dims(target, 1) - means, -1)
        squares = ops.sum(ops.square(ops.matmul(factors, away)), axis=(-2, -1))
        likelihood = ops.logsumexp(log_weights + ops.sum(log_diagonal, -1) - 0.5 * squares, axis=-1)
        return -likelihood + 0.5 * parameters * np.log(2 * np.pi)

    return loss


def _parts(ops: Any, output: Any, parameters: int) -> tuple[Any, Any, Any, Any]:
    """Log weights (n, k), means (n, k, p), factors (n, k, p, p) and the logarithms of their diagonals (n, k, p),
    from a network's output.

    A factor F is lower triangular, and F' F the inverse of the covariance.
    """
    lower = parameters * (parameters - 1) // 2
    ends = np.cumsum([COMPONENTS, COMPONENTS * parameters, COMPONENTS * parameters])
    logits, means, log_diagonal, below = ops.split(output, ends.tolist(), axis=-1)
    log_weights = logits - ops.logsumexp(logits, axis=-1, keepdims=True)
    means = ops.reshape(means, (-1, COMPONENTS, parameters))
    log_diagonal = ops.clip(ops.reshape(log_diagonal, (-1, COMPONENTS, parameters)), *_LOG_WIDTHS)
    # Where each entry below the diagonal goes, as a matrix product.
    places = np.zeros((lower, parameters * parameters), np.float32)
    places[np.arange(lower), np.ravel_multi_index(np.tril_indices(parameters, -1), (parameters, parameters))] = 1
    below = ops.reshape(ops.matmul(ops.reshape(below, (-1, lower)), places), (-1, COMPONENTS, parameters, parameters))
    factors = below + ops.expand_dims(ops.exp(log_diagonal), -1) * np.eye(parameters, dtype=np.float32)
    return log_weights, means, factors, log_diagonal


def mean_of(ops: Any, output: Any, parameters: int) -> Any:
    """The mean of z, (n, parameter), from a network's output."""
    log_weights, means, _, _ = _parts(ops, output, parameters)
    return ops.sum(ops.expand_dims(ops.exp(log_weights), -1) * means, axis=1)


def unbounded(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """z of parameter values, of the same shape."""
    share = np.clip((values - low) / (high - low), _EDGE, 1 - _EDGE)
    return np.log(share / (1 - share))


def bounded(z: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Parameter values of z, of the same shape."""
    return low + (high - low) / (1 + np.exp(-z))


@dataclass(frozen=True)
class Posterior:
    """Densities over the parameters, one for each of n maps.

    Parameters
    ----------
    weights : (n, k), means : (n, k, parameter), covariances : (n, k, parameter, parameter)
        Of the Gaussians, in z.
    low, high : (parameter,)
        Ends of the prior ranges.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of_outputs(cls, outputs: np.ndarray, low: np.ndarray, high: np.ndarray, widening: float = 1.0) -> Posterior:
        """The equal mixture of what all networks say.

        Parameters
        ----------
        outputs : (member, n, output)
        widening
            Factor of all widths that makes the intervals hold what they promise.
        """
        ops = import_keras().ops
        weights, means, covariances = [], [], []
        for output in outputs:
            parts = _parts(ops, output.astype(np.float32), low.size)
            log_weights, mean, factors, _ = (np.asarray(x, float) for x in parts)
            inverse = np.linalg.inv(factors)
            weights.append(np.exp(log_weights) / len(outputs))
            means.append(mean)
            covariances.append(widening**2 * inverse @ np.swapaxes(inverse, -1, -2))
        joined = [np.concatenate(x, axis=1) for x in (weights, means, covariances)]
        return cls(joined[0], joined[1], joined[2], low, high)

    @classmethod
    def of_bundle(cls, bundle: Bundle, outputs: np.ndarray) -> Posterior:
        """From the outputs (member, n, output) of the networks of an exchange bundle."""
        low, high = bundle.arrays["low"], bundle.arrays["high"]
        widening = cast(float, bundle.card.calibration["widening"])
        return cls.of_outputs(outputs, low, high, widening)

    def log_density(self, values: np.ndarray) -> np.ndarray:
        """Of z, at the parameter values (n, parameter): (n,)."""
        away = unbounded(values, self.low, self.high)[:, None] - self.means
        squares = np.einsum("nki,nkij,nkj->nk", away, np.linalg.inv(self.covariances), away)
        _, log_volume = np.linalg.slogdet(2 * np.pi * self.covariances)
        return np.logaddexp.reduce(np.log(self.weights + 1e-300) - 0.5 * (squares + log_volume), axis=1)

    def rank(self, values: np.ndarray) -> np.ndarray:
        """Marginal probability of less than each of the values (n, parameter):
        uniform over many maps where the posterior is honest.
        """
        return self._below(unbounded(values, self.low, self.high))

    def quantile(self, share: float) -> np.ndarray:
        """The values below which this share of each marginal lies, (n, parameter)."""
        shape = (len(self.weights), self.low.size)
        first, last = np.full(shape, _GRID[0]), np.full(shape, _GRID[-1])
        for _ in range(30):
            middle = (first + last) / 2
            less = self._below(middle) < share
            first, last = np.where(less, middle, first), np.where(less, last, middle)
        return bounded((first + last) / 2, self.low, self.high)

    @property
    def median(self) -> np.ndarray:
        """(n, parameter)"""
        return self.quantile(0.5)

    @property
    def error(self) -> np.ndarray:
        """Half of the central interval that holds 68.27 %, (n, parameter)."""
        return (self.quantile(0.84135) - self.quantile(0.15865)) / 2

    def draws(self, number: int, rng: np.random.Generator, row: int = 0) -> np.ndarray:
        """Parameter sets of one map, (number, parameter), as probable as the posterior says."""
        component = rng.choice(self.weights.shape[1], number, p=self.weights[row] / self.weights[row].sum())
        factors = np.linalg.cholesky(self.covariances[row])[component]
        z = self.means[row, component] + np.einsum("dij,dj->di", factors, rng.normal(size=(number, self.low.size)))
        return bounded(z, self.low, self.high)

    def peaks(self, row: int = 0) -> list[np.ndarray]:
        """Where each parameter's marginal density of z has its peaks, the highest first;
        several only where they are apart.
        """
        values = bounded(_GRID[:, None], self.low, self.high)
        away = (_GRID[:, None, None] - self.means[row]) / self._widths[row]
        density = np.einsum("k,gkp->gp", self.weights[row], np.exp(-0.5 * away**2) / self._widths[row])
        return [values[_apart(one), parameter] for parameter, one in enumerate(density.T)]

    @cached_property
    def _widths(self) -> np.ndarray:
        """Marginal standard deviations in z, (n, k, parameter)."""
        return np.sqrt(np.diagonal(self.covariances, axis1=-2, axis2=-1))

    def _below(self, z: np.ndarray) -> np.ndarray:
        """Marginal probability of less than z, (n, parameter) both."""
        from scipy.special import ndtr

        return np.einsum("nk,nkp->np", self.weights, ndtr((z[:, None] - self.means) / self._widths))


def _apart(density: np.ndarray) -> list[int]:
    """Indices of the peaks of a density on a grid, the highest first,
    without those that no valley parts from a higher one.
    """
    inner = np.flatnonzero((density[1:-1] >= density[:-2]) & (density[1:-1] > density[2:])) + 1
    share = np.cumsum(density) / density.sum()
    kept: list[int] = []
    for peak in sorted((int(i) for i in inner), key=lambda i: -float(density[i])):
        between = [(min(peak, other), max(peak, other) + 1) for other in kept]
        valleys = [low + int(np.argmin(density[low:high])) for low, high in between]
        if any(density[valley] > _VALLEY * density[peak] for valley in valleys):
            continue
        # What the peak holds: between the valleys next to it on both sides.
        left = max((share[v] for v in valleys if v < peak), default=0.0)
        right = min((share[v] for v in valleys if v > peak), default=1.0)
        if not kept or right - left >= _LEAST_SHARE:
            kept.append(peak)
    return kept or [int(np.argmax(density))]
