"""Which magnetic model does a map show?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mantid_insdl.analysis.denoise import denoise as denoise_map
from mantid_insdl.analysis.ensemble import ask
from mantid_insdl.analysis.estimate import ask_constants, estimate
from mantid_insdl.analysis.preparation import Prepared, open_question, prepare
from mantid_insdl.analysis.results import Classification, ExchangeFit
from mantid_insdl.fitting.results import UNDECIDED, Evidence
from mantid_insdl.maps import Map
from mantid_insdl.networks.bundles import Bundle, bundles_for, find_bundle, load_bundle, read_card
from mantid_insdl.networks.cards import Card
from mantid_insdl.networks.prediction import ensemble_probabilities
from mantid_insdl.progress import Progress, ignore_progress


def classify(m: Map, model: str | Path | None = None, *, denoise: bool = False, progress: Progress | None = None) -> Classification:
    """The probability of each magnetic model, and a verdict where the most probable one explains the map.

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
    return classify_and_estimate(m, model, denoise=denoise, progress=progress)[0]


def classify_and_estimate(
    m: Map, model: str | Path | None = None, *, denoise: bool = False, progress: Progress | None = None
) -> tuple[Classification, ExchangeFit | None]:
    """As `classify`, with the exchange constants of the most probable model, on which the verdict rests.

    There is no verdict where another published model of the family explains the map better, nor where the constants are no answer, and they
    are none where there is no verdict: one cannot contradict the other. None in place of the constants where no exchange model knows the
    most probable model; there is no verdict then either.
    """
    report = progress or ignore_progress
    report(0.0, "loading the classifier")
    warnings, measured = [], m
    if denoise:
        m = denoise_map(m, progress=lambda f, t: report(0.3 * f, t))
        warnings.append("The map was denoised first; the probabilities are calibrated for maps as measured.")
    bundle, prepared = open_question("classify", m, model)
    card = bundle.card
    report(0.3, "classifying")
    outputs, reasons = ask(bundle, prepared.inputs, lambda f, t: report(0.3 + 0.3 * f, t))
    probabilities, spread = ensemble_probabilities(outputs[:, None], card.calibration["temperature"])
    best = int(probabilities[0].argmax())
    exchange = _constants(m, card.materials[best], card.family, lambda f, t: report(0.6 + 0.2 * f, t))
    if exchange is None:
        reasons.append(f"No exchange model knows {card.materials[best]}, so that no simulation can confirm it.")
    elif not exchange.in_range:
        reasons += [w for w in exchange.warnings if w not in (*prepared.warnings, *reasons)]
    limit = card.calibration["decided"]
    decided = not reasons and probabilities[0, best] >= limit
    if decided and (
        objection := _better_explained(prepared, card, exchange.evidence)
        or _rivals(measured, card, exchange, lambda f, t: report(0.8 + 0.2 * f, t))
    ):
        reasons.append(objection)
        decided = False
    if not reasons and not decided:
        warnings.append(f"No model reaches a probability of {limit:g}.")
    classification = Classification(
        models=card.materials,
        probabilities=tuple(probabilities[0].tolist()),
        uncertainties=tuple(spread[0].tolist()),
        verdict=card.materials[best] if decided else UNDECIDED,
        in_range=not reasons,
        warnings=(*prepared.warnings, *warnings, *reasons),
        bundle=bundle.identity,
        evidence=exchange and exchange.evidence,
    )
    if exchange is not None and exchange.in_range and not decided:
        undecided = f"The constants are no answer: that the map shows {exchange.material} is not decided."
        exchange = replace(exchange, in_range=False, warnings=(*exchange.warnings, *warnings, *reasons, undecided))
    return classification, exchange


def _better_explained(prepared: Prepared, card: Card, evidence: Evidence) -> str:
    """Which model of the family that the networks do not know explains the map better at its published constants; empty where none does."""
    from mantid_insdl.analysis.evidence import Comparison
    from mantid_insdl.materials import load_material, material_names

    for name in material_names():
        material = load_material(name)
        if material.family == card.family and name not in card.materials:
            other = Comparison(prepared, name).evidence(material.defaults, evidence.limit)
            if other.unexplained < evidence.unexplained:
                return (
                    f"{name}, which the networks do not know, explains the map better at its published constants: it leaves "
                    f"{other.unexplained:.0%} of the structure, {evidence.material} {evidence.unexplained:.0%}."
                )
    return ""


def _rivals(m: Map, card: Card, exchange: ExchangeFit, progress: Progress) -> str:
    """Why the map cannot be given to one model while the networks know another; empty where it can."""
    from mantid_insdl.analysis.rival import Fitted, objection

    first, others = None, [name for name in card.materials if name != exchange.material]

    def part(number: int) -> Progress:
        return lambda fraction, text: progress((number + fraction) / (len(others) + 1), text)

    for number, name in enumerate(others, 1):
        bundle = _exchange_bundle(name, card.family)
        if bundle is None:
            continue
        if first is None:
            mine = _exchange_bundle(exchange.material, card.family).card
            first = Fitted(prepare(m, mine), exchange.material, np.array(exchange.values), _ranges(mine), part(0))
        prepared = prepare(m, bundle.card)
        values, _, _ = ask_constants(bundle, prepared)
        if found := objection(first, Fitted(prepared, name, values, _ranges(bundle.card), part(number))):
            return found
    return ""


def _ranges(card: Card) -> dict[str, tuple[float, float]]:
    return {output.name: (output.low, output.high) for output in card.outputs}


def _exchange_bundle(material: str, family: str) -> Bundle | None:
    for name in bundles_for("exchange", family):
        if read_card(find_bundle(name)).materials == (material,):
            return load_bundle(name)
    return None


def _constants(m: Map, material: str, family: str, progress: Progress) -> ExchangeFit | None:
    bundle = _exchange_bundle(material, family)
    return bundle and estimate(bundle, prepare(m, bundle.card), progress)
