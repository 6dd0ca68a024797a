"""Whether a map is of the kind a bundle's networks were trained on:
one rule, for setting its limits, for testing it, and for using it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

IN_RANGE_QUANTILE = 0.99


class Familiarity:
    """How far a map's features lie from those of the training maps:
    Mahalanobis distance to the nearest class (Lee et al. 2018).

    Parameters
    ----------
    means : (class, feature), precision : (feature, feature)
    """

    def __init__(self, means: np.ndarray, precision: np.ndarray):
        self.means, self.precision = means, precision

    @classmethod
    def of(cls, features: np.ndarray, classes: np.ndarray) -> Familiarity:
        """From the features (n, feature) of training maps."""
        means = np.stack([features[classes == c].mean(axis=0) for c in np.unique(classes)])
        residual = features - means[np.searchsorted(np.unique(classes), classes)]
        covariance = residual.T @ residual / len(features)
        # Dead units have no variance; the ridge keeps them from deciding everything or nothing.
        covariance += np.eye(covariance.shape[0]) * 1e-3 * np.trace(covariance) / covariance.shape[0]
        return cls(means, np.linalg.inv(covariance))

    def distance(self, features: np.ndarray) -> np.ndarray:
        """(n,)"""
        difference = features[:, None] - self.means
        return np.sqrt(np.einsum("ncf,fg,ncg->nc", difference, self.precision, difference).min(axis=1))


class TrainedRange:
    """Out of range is a map whose features lie far from those of the training maps,
    or that has no structure beyond noise.

    Parameters
    ----------
    familiar
        One for each network of the ensemble.
    distance_limit, structure_limit
        Largest mean distance and least structure that count as in range.
    """

    def __init__(
        self, familiar: Sequence[Familiarity], distance_limit: float = np.inf, structure_limit: float = -np.inf
    ):
        self.familiar, self.distance_limit, self.structure_limit = tuple(familiar), distance_limit, structure_limit

    @classmethod
    def of_bundle(cls, arrays: Mapping[str, np.ndarray], calibration: Mapping[str, Any], networks: int) -> TrainedRange:
        """As `arrays` and `calibration` gave it to a bundle."""
        familiar = [
            Familiarity(arrays[f"familiar_means_{i}"], arrays[f"familiar_precision_{i}"]) for i in range(networks)
        ]
        return cls(familiar, calibration["distance_limit"], calibration["structure_limit"])

    def calibrate(self, structure: np.ndarray, features: Sequence[np.ndarray]) -> None:
        """Set the limits so that `IN_RANGE_QUANTILE` of these maps keep each of them;
        `structure` (n,) from `preprocessing.structure`.
        """
        self.distance_limit = float(np.quantile(self.distance(features), IN_RANGE_QUANTILE))
        self.structure_limit = float(np.quantile(structure, 1 - IN_RANGE_QUANTILE))

    def distance(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Mean over the networks of the distance from the training maps, (n,),
        from the features (n, feature) of each.
        """
        return np.mean([one.distance(f) for one, f in zip(self.familiar, features, strict=True)], axis=0)

    def too_far(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """(n,) bool"""
        return self.distance(features) > self.distance_limit

    def structureless(self, structure: np.ndarray) -> np.ndarray:
        """(n,) bool"""
        return structure < self.structure_limit

    def outside(self, structure: np.ndarray, features: Sequence[np.ndarray]) -> np.ndarray:
        """(n,) bool"""
        return self.too_far(features) | self.structureless(structure)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """For the bundle's arrays."""
        named = [(f"familiar_means_{i}", f.means) for i, f in enumerate(self.familiar)]
        return dict(named + [(f"familiar_precision_{i}", f.precision) for i, f in enumerate(self.familiar)])

    @property
    def calibration(self) -> dict[str, float]:
        """For the bundle's card."""
        return {"distance_limit": self.distance_limit, "structure_limit": self.structure_limit}
