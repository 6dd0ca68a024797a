"""Which magnetic model does a map show?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from mantid_insdl.analysis.denoise import denoise as denoise_map
from mantid_insdl.analysis.ensemble import STRUCTURELESS
from mantid_insdl.analysis.estimate import ask_constants, estimate
from mantid_insdl.analysis.results import Classification, ExchangeFit
from mantid_insdl.fitting.results import NONE_OF_THESE, UNDECIDED
from mantid_insdl.maps import Map
from mantid_insdl.networks.bundles import Bundle, exchange_bundle, load_bundle
from mantid_insdl.networks.cards import Card
from mantid_insdl.networks.prediction import ensemble_probabilities, logits_of
from mantid_insdl.networks.preparation import Prepared, open_question, prepare
from mantid_insdl.networks.preprocessing import structure
from mantid_insdl.networks.strangeness import Strangeness
from mantid_insdl.progress import Progress, ignore_progress, share_of

STRANGE = "The map shows none of these models: {:.1%} of the model's own test maps are less strange, and {:.0%} of them {}."
LEARNT = "look less like the maps that were made to show none"
FAR = "have features nearer to those of the training maps"


def classify(m: Map, model: str | Path | None = None, *, denoise: bool = False, progress: Progress | None = None) -> Classification:
    """The probability of each magnetic model by the networks, and a verdict where they can tell.

    Parameters
    ----------
    m
        Constant-energy slices. The classifier was trained on noisy measurements and wants the map as measured.
    model
        Bundle name or path; default: the classifier for the map's material.
    denoise
        Denoise the map first. Rarely of use, and marked by a warning: the probabilities are calibrated for measured maps.

    Raises
    ------
    UnsuitableMapError
        If the map is not what the model was trained on.
    BundleError
        If no model fits, or it is damaged.
    """
    report = progress or ignore_progress
    report(0.0, "loading the classifier")
    warnings = []
    if denoise:
        # By the network alone: mixed with simulations a map is cleaner than all that the classifier was trained on, and it is less sure.
        m = denoise_map(m, simulations=False, progress=share_of(report, 0.0, 0.5))
        warnings.append("The map was denoised first; the probabilities are calibrated for maps as measured.")
    bundle, prepared = open_question("classify", m, model)
    report(0.5, "classifying")
    return _told(bundle, prepared, warnings, share_of(report, 0.5, 1.0))


def _told(bundle: Bundle, prepared: Prepared, warnings: list[str], progress: Progress) -> Classification:
    card = bundle.card
    logits, features = logits_of(bundle, prepared.inputs, progress)
    probabilities, spread = ensemble_probabilities(logits[..., :-1], card.calibration["temperature"])
    best, limit = int(probabilities[0].argmax()), card.calibration["decided"]
    familiar = Strangeness.of_bundle(bundle.arrays, len(features))
    none, distance, strangeness = (float(one[0]) for one in familiar.shares(logits, features))
    verdict, reasons = UNDECIDED, []
    if structure(prepared.inputs.stack)[0] < card.calibration["structure_limit"]:
        reasons.append(STRUCTURELESS)
    elif strangeness > 1 - card.calibration["false_alarms"]:
        verdict = NONE_OF_THESE
        reasons.append(STRANGE.format(strangeness, max(none, distance), LEARNT if none >= distance else FAR))
    elif probabilities[0, best] >= limit:
        verdict = card.materials[best]
    else:
        warnings = [*warnings, f"This map cannot tell the models apart: none reaches a probability of {limit:g}."]
    return Classification(
        models=card.materials,
        probabilities=tuple(probabilities[0].tolist()),
        uncertainties=tuple(spread[0].tolist()),
        strangeness=strangeness,
        verdict=verdict,
        in_range=not reasons,
        warnings=(*prepared.warnings, *warnings, *reasons),
        bundle=bundle.identity,
    )


def classify_and_estimate(
    m: Map, model: str | Path | None = None, *, progress: Progress | None = None
) -> tuple[Classification, ExchangeFit | None]:
    """As `classify`, with the exchange constants of the most probable model, which a verdict then rests on as well.

    There is no verdict where the constants are no answer, nor where the map looks like a mixture of models or asks for a constant that
    the model has not and another one has, and the constants are none where there is no verdict: one cannot contradict the other. None
    in place of the constants where no exchange model knows the most probable model; there is no verdict then either. It takes seconds,
    where `classify` takes a fraction of one.
    """
    report = progress or ignore_progress
    told = classify(m, model, progress=share_of(report, 0.0, 0.4))
    card = load_bundle(model if model not in (None, "") else told.bundle.name).card
    exchange = _constants(m, told.most_probable, card.family, share_of(report, 0.4, 0.8))
    reasons = []
    if exchange is None:
        reasons.append(f"No exchange model knows {told.most_probable}, so that no simulation can confirm it.")
    elif not exchange.in_range:
        reasons += [w for w in exchange.warnings if w not in told.warnings]
    elif told.verdict == told.most_probable and (
        objection := objection_to(m, card, exchange.material, exchange.parameters, share_of(report, 0.8, 1.0))
    ):
        reasons.append(objection)
    classification = replace(
        told,
        verdict=UNDECIDED if reasons and told.verdict == told.most_probable else told.verdict,
        in_range=told.in_range and not reasons,
        warnings=(*told.warnings, *reasons),
        evidence=exchange and exchange.evidence,
    )
    if exchange is not None and exchange.in_range and classification.verdict != exchange.material:
        undecided = f"The constants are no answer: that the map shows {exchange.material} is not decided."
        more = [w for w in classification.warnings if w not in exchange.warnings]
        exchange = replace(exchange, in_range=False, warnings=(*exchange.warnings, *more, undecided))
    return classification, exchange


def objection_to(m: Map, card: Card, material: str, values: Mapping[str, float], progress: Progress = ignore_progress) -> str:
    """Why the map cannot be given to one of a classifier's models with these constants, as a sentence; empty where it can, and
    where no exchange model knows it.

    Another model has a share in it (`analysis.rival`), or it asks for a constant that this one has not and another one has
    (`analysis.between`).
    """
    from mantid_insdl.analysis import between, rival
    from mantid_insdl.analysis.evidence import Comparison
    from mantid_insdl.analysis.rival import Fitted

    first, others = None, [name for name in card.materials if name != material]
    known = exchange_bundle(material, card.family)
    if known is None:
        return ""

    def part(number: int) -> Progress:
        return share_of(progress, number / (2 * len(others) + 1), (number + 1) / (2 * len(others) + 1))

    for number, name in enumerate(others):
        bundle = exchange_bundle(name, card.family)
        if bundle is None:
            continue
        if first is None:
            mine = known.card
            start = np.array([values[output.name] for output in mine.outputs])
            first = Fitted(Comparison(prepare(m, mine), material), start, _ranges(mine)).descend(part(0))
        prepared = prepare(m, bundle.card)
        theirs, _, _ = ask_constants(bundle, prepared)
        other = Fitted(Comparison(prepared, name), theirs, _ranges(bundle.card)).descend(part(2 * number + 1))
        if found := rival.objection(first, other) or between.objection(first, other, part(2 * number + 2)):
            return found
    return ""


def _ranges(card: Card) -> dict[str, tuple[float, float]]:
    return {output.name: (output.low, output.high) for output in card.outputs}


def _constants(m: Map, material: str, family: str, progress: Progress) -> ExchangeFit | None:
    bundle = exchange_bundle(material, family)
    return bundle and estimate(bundle, prepare(m, bundle.card), progress)
