"""What network and fit say together of which magnetic model a map shows.

Both read the same map, so that their odds must not simply be multiplied as if they were independent. The logarithms of the odds are added,
those of the network with half their weight and never more than `SUREST` allows: a network knows how often it is wrong on simulated
measurements, but not on a measurement that differs from all of them; the fit looks at the map itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mantid_insdl.analysis.results import Classification
from mantid_insdl.fitting.compare import DECIDED
from mantid_insdl.fitting.results import NONE_OF_THESE, UNDECIDED, Comparison
from mantid_insdl.maps import json_value

NETWORK_WEIGHT = 0.5
SUREST = 0.99
"""What a network's probability counts for at most."""


@dataclass(frozen=True)
class Combined:
    """Network and fit together.

    Parameters
    ----------
    models, probabilities
        In the order of the network.
    verdict
        A model, ``undecided`` or ``none of these``.
    warnings
        Where the two disagree, and why there is no verdict, in sentences.
    """

    models: tuple[str, ...]
    probabilities: tuple[float, ...]
    verdict: str
    warnings: tuple[str, ...]

    def objected(self, reason: str) -> Combined:
        """The same without a verdict, for a reason; as it is where there is none."""
        return replace(self, verdict=UNDECIDED, warnings=(*self.warnings, reason)) if reason else self

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return json_value(asdict(self))


def combined(network: Classification, fits: Comparison) -> Combined:
    """One probability of each model. A map that no fit explains, or that the fits cannot judge, has no verdict.

    A network that finds the map strange has no say: then the probabilities are those of the fits. A model that was not fitted keeps the
    probability that the network gives it, and can have no verdict of both.
    """
    models = network.models
    fitted = np.array([name in fits.materials for name in models])
    by_fit = np.log(np.maximum([fits.probabilities[fits.materials.index(name)] for name in models if name in fits.materials], 1e-12))
    by_network = np.log(np.clip(network.probabilities, 1e-12, None))[fitted]
    by_network = np.maximum(by_network - by_network.max(), np.log((1 - SUREST) / SUREST))
    odds = by_fit + (NETWORK_WEIGHT * by_network if network.in_range else 0.0)
    shares = np.exp(odds - odds.max())
    probabilities = np.where(fitted, 0.0, network.probabilities if network.in_range else 0.0)
    probabilities[fitted] = (1 - probabilities.sum()) * shares / shares.sum()
    warnings = []
    if not network.in_range:
        warnings.append("The network cannot judge this map (see its warnings): the combined probabilities are those of the fits.")
    elif network.most_probable != fits.best.material:
        warnings.append(f"Network and fits disagree: {network.most_probable} and {fits.best.material}.")
    best = models[int(probabilities.argmax())]
    unsure = max(fits.probabilities) < DECIDED  # else it is something beside the probability that keeps the fits from a verdict
    if best not in fits.materials:
        verdict = UNDECIDED
        warnings.append(f"No fit backs {best}, which the network finds most probable.")
    elif fits.verdict == NONE_OF_THESE or (fits.verdict == UNDECIDED and not (unsure and fits.evidence.explained)):
        verdict = fits.verdict
    elif probabilities.max() < DECIDED or best != fits.best.material:
        verdict = UNDECIDED
        warnings.append("Network and fits together cannot tell the models apart.")
    else:
        verdict = best
    return Combined(models, tuple(probabilities.tolist()), verdict, tuple(warnings))
