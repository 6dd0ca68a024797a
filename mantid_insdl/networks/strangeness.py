"""How unlike the maps of a classifier's models a map is: one rule, for setting it, for testing it, and for using it.

Two things speak for a map that shows none of the models: that the networks say so, which have learnt it on maps made to
show none; and that its features lie far from those of the models' maps, which also finds what nobody has thought of.
Each is turned into the share of the models' own maps that show less of it, and the larger of the two counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mantid_insdl.networks.trained_range import Familiarity

FALSE_ALARMS = 0.05
"""Share of the models' own maps that are called none of them."""
_QUANTILES = np.linspace(0, 1, 1001)


class Strangeness:
    """The share of the models' own maps that are less strange than a map.

    Parameters
    ----------
    familiar
        Of each network of the ensemble.
    none, distance, largest : (1001,)
        Quantiles over the models' own maps: of what `signs` gives, and of the larger of both as shares.
    """

    def __init__(self, familiar: Sequence[Familiarity], none: np.ndarray, distance: np.ndarray, largest: np.ndarray):
        self.familiar, self.none, self.distance, self.largest = tuple(familiar), none, distance, largest

    @classmethod
    def of(cls, familiar: Sequence[Familiarity], logits: np.ndarray, features: Sequence[np.ndarray]) -> Strangeness:
        """Set by maps of the models that were not trained on; see `signs`."""
        none, distance = signs(familiar, logits, features)
        made = cls(familiar, np.quantile(none, _QUANTILES), np.quantile(distance, _QUANTILES), _QUANTILES)
        return cls(familiar, made.none, made.distance, np.quantile(np.maximum(*made._each(none, distance)), _QUANTILES))

    @classmethod
    def of_bundle(cls, arrays: Mapping[str, np.ndarray], networks: int) -> Strangeness:
        """As `arrays` gave it to a bundle."""
        familiar = [
            Familiarity(arrays[f"familiar_means_{i}"], arrays[f"familiar_precision_{i}"]) for i in range(networks)
        ]
        return cls(familiar, *(arrays[f"strangeness_{name}"] for name in ("none", "distance", "largest")))

    def _each(self, none: np.ndarray, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.interp(none, self.none, _QUANTILES), np.interp(distance, self.distance, _QUANTILES)

    def __call__(self, logits: np.ndarray, features: Sequence[np.ndarray]) -> np.ndarray:
        """0 to 1, (n,); see `signs`."""
        return self.shares(logits, features)[2]

    def shares(self, logits: np.ndarray, features: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Share of the models' own maps that are less strange by each sign, and by the larger of both, (n,) each;
        see `signs`.
        """
        both = self._each(*signs(self.familiar, logits, features))
        return *both, np.interp(np.maximum(*both), self.largest, _QUANTILES)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """For the bundle's arrays."""
        named = {f"familiar_means_{i}": f.means for i, f in enumerate(self.familiar)}
        named |= {f"familiar_precision_{i}": f.precision for i, f in enumerate(self.familiar)}
        return named | {f"strangeness_{name}": getattr(self, name) for name in ("none", "distance", "largest")}


def signs(
    familiar: Sequence[Familiarity], logits: np.ndarray, features: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """What speaks for none of the models, (n,) each: log odds of none of them, and the distance from their maps;
    means over the networks.

    Parameters
    ----------
    logits : (any number, n, class + 1)
        Of networks and orientations; the last for none of the classes.
    features
        Of each network, (n, feature).
    """
    classes, none = logits[..., :-1], logits[..., -1]
    largest = classes.max(axis=-1)
    odds = none - largest - np.log(np.exp(classes - largest[..., None]).sum(axis=-1))
    return odds.mean(axis=0), np.mean([one.distance(f) for one, f in zip(familiar, features, strict=True)], axis=0)
