"""What the analyses answer, in the sentences of Mantid's message log and of the panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def classification_notices(answer: Mapping[str, Any]) -> list[str]:
    """The verdict of the network, and how strange the map is to it; `answer` as `Classification.to_dict` gives it."""
    best = max(range(len(answer["models"])), key=answer["probabilities"].__getitem__)
    probability, uncertainty = answer["probabilities"][best], answer["uncertainties"][best]
    verdict = f"Verdict: {answer['verdict']}. Most probable is {answer['models'][best]} with {probability:.3f} +- {uncertainty:.3f}"
    strange = f"{answer['strangeness']:.1%} of the model's own test maps are less strange than this map"
    return [f"{verdict}; {strange}, which is {'in' if answer['in_range'] else 'out of'} range.", *_evidence_notice(answer["evidence"])]


def exchange_notices(answer: Mapping[str, Any]) -> list[str]:
    """The constants, and how well the simulation explains the map; `answer` as `ExchangeFit.to_dict` gives it."""
    rows = zip(answer["names"], answer["values"], answer["errors"], answer["units"], strict=True)
    values = ", ".join(f"{name} = {value:.4g} +- {error:.2g} {unit}" for name, value, error, unit in rows)
    told = values if answer["in_range"] else f"no constants are given; the estimates, which are no answer: {values}"
    return [f"{answer['material']}: {told}", *_evidence_notice(answer["evidence"])]


def _evidence_notice(evidence: Mapping[str, Any] | None) -> list[str]:
    if evidence is None:
        return []
    unexplained = max(evidence["unexplained"], 0.0)  # what noise has made negative is nothing
    share = f"{unexplained:.0%} +- {evidence['uncertainty']:.0%}"
    left = f"leaves {share} of the map's structure unexplained; an answer is given up to {evidence['limit']:.0%}."
    return [f"The simulation of {evidence['material']} at the fitted values {left}"]
