"""Magnets that are likely the one a map is of, by what the other networks of its family say of the map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from mantid_insdl.maps import Axis
from mantid_insdl.networks.bundles import bundles_for, exchange_bundle, load_bundle
from mantid_insdl.networks.cards import CardInput
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.posterior import Posterior
from mantid_insdl.networks.prediction import ensemble_probabilities, logits_of, predict
from mantid_insdl.simulation.ensembles import Ensemble

LIKELY = 60  # parameter sets
DOUBT = 0.25  # share of them that all materials have alike, whatever the classifier says
TOGETHER = 10  # sets of one material that have the same blur in momentum, which is simulated for all of them at once


def likely_magnets(
    ensemble: Ensemble, inputs: MeasuredMaps, family: str, axes: Sequence[Axis], number: int = LIKELY
) -> Ensemble:
    """Parameter sets of the materials of an ensemble, as probable as the networks of the family hold them for one map.

    Materials without an exchange network, or whose network sees maps on other pixels or with other places for slices,
    have none; without a classifier all are as probable.

    Parameters
    ----------
    inputs
        One map.
    axes
        Qh and Qk of its pixels.

    Returns
    -------
    Ensemble
        The widths and the blur of the instrument are those of sets of `ensemble`.
    """
    if len(inputs.stack) != 1:
        raise ValueError(f"{len(inputs.stack)} maps; magnets are likely for one")
    rng = np.random.default_rng(0)
    probability = _probabilities(tuple(ensemble.sets), inputs, family, axes)
    sets = {}
    for material, given in ensemble.sets.items():
        bundle = exchange_bundle(material, family)
        if bundle is None or not _sees(bundle.card.input, inputs, axes):
            continue
        share = (1 - DOUBT) * probability[material] + DOUBT / len(ensemble.sets)
        wanted = max(1, round(share * number))
        outputs = np.stack([predict(network, inputs)[0] for network in bundle.models])
        constants = Posterior.of_bundle(bundle, outputs).draws(wanted, rng)
        blurs = rng.choice(given[:, -1], -(-wanted // TOGETHER)).repeat(TOGETHER)[:wanted]
        sets[material] = np.column_stack([constants, rng.choice(given[:, -2], wanted), blurs])
    return Ensemble(sets, ensemble.twin_fraction, ensemble.slice_scale)


def _probabilities(
    materials: tuple[str, ...], inputs: MeasuredMaps, family: str, axes: Sequence[Axis]
) -> dict[str, float]:
    for name in bundles_for("classify", family):
        bundle = load_bundle(name)
        if set(bundle.card.materials) == set(materials) and _sees(bundle.card.input, inputs, axes):
            logits, _ = logits_of(bundle, inputs)
            temperature = cast(float, bundle.card.calibration["temperature"])
            found, _ = ensemble_probabilities(logits[..., : len(materials)], temperature)
            return dict(zip(bundle.card.materials, map(float, found[0]), strict=True))
    return dict.fromkeys(materials, 1 / max(len(materials), 1))


def _sees(wanted: CardInput, inputs: MeasuredMaps, axes: Sequence[Axis]) -> bool:
    """Whether a map on these axes is what a network takes."""
    if wanted.slices is not None or wanted.groups * wanted.bins != inputs.stack.shape[1]:
        return False
    pairs = [(np.asarray(own.centres), given.centres) for own, given in zip(wanted.axes, axes, strict=True)]
    return all(own.shape == given.shape and np.allclose(own, given) for own, given in pairs)
