"""What fits answer, as Mantid's tables, sample logs and sentences. Answers are dictionaries, as the worker gives them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Columns = Sequence[tuple[str, str]]
Rows = list[tuple[Any, ...]]

COST = "Cost function value"
"""Name of the last row, as in the tables of Mantid's Fit."""


def parameter_table(answer: Mapping[str, Any]) -> tuple[Columns, Rows]:
    """One row a constant; after a fit also its nuisances and reduced chi-squared, as Mantid's Fit has, and the network's values beside.

    Without an answer there are only the constants, and they are NaN.

    Parameters
    ----------
    answer
        As `ExchangeFit.to_dict` gives it.
    """
    columns = [("Name", "str"), ("Value", "double"), ("Error", "double"), ("Unit", "str")]
    rows: Rows = list(zip(answer["names"], answer["values"], answer["errors"], answer["units"], strict=True))
    if not answer["in_range"]:
        rows = [(name, math.nan, math.nan, unit) for name, _, _, unit in rows]
    elif answer["fit"]:
        nuisances = [one for one in answer["fit"]["nuisances"] if not one["fixed"]]
        rows += [(one["name"], one["value"], one["error"], one["unit"]) for one in nuisances]
        rows.append((COST, answer["fit"]["chi_squared"], 0.0, ""))
    if answer["network_values"]:
        columns += [("NetworkValue", "double"), ("NetworkError", "double")]
        beside = list(zip(answer["network_values"], answer["network_errors"], strict=True))
        rows = [(*row, *two) for row, two in zip(rows, beside + [(math.nan, math.nan)] * (len(rows) - len(beside)), strict=True)]
    return columns, rows


def normalised_covariance_table(fit: Mapping[str, Any]) -> tuple[Columns, Rows]:
    """Correlations of what was fitted in per cent, in the form of the OutputNormalisedCovarianceMatrix of Mantid's Fit."""
    names, covariance = fit["free"], fit["covariance"]
    deviations = [math.sqrt(row[i]) for i, row in enumerate(covariance)]
    rows = [
        (name, *(100 * value / (deviations[i] * other) for value, other in zip(row, deviations, strict=True)))
        for i, (name, row) in enumerate(zip(names, covariance, strict=True))
    ]
    return [("Name", "str"), *((name, "double") for name in names)], rows


def fit_notices(answer: Mapping[str, Any]) -> list[str]:
    """How good a fit is, and what else it found, as sentences for the message log; none where there is no fit."""
    fit = answer["fit"]
    if not fit:
        return []
    notices = [
        f"The fit compared {fit['evaluations']} maps in {fit['seconds']:.1f} s; reduced chi-squared {fit['chi_squared']:.3g}, "
        f"relative error of the calculation {fit['model_error']:.0%}, which is in the error bars. {fit['error_source']}"
    ]
    for other in fit["others"]:
        values = ", ".join(f"{name} = {value:.4g}" for name, value in other.items())
        notices.append(f"Another minimum that the map does not rule out: {values}.")
    return notices


def model_table(answer: Mapping[str, Any]) -> tuple[Columns, Rows]:
    """One row a magnetic model, with what the network and the comparison of fits say of it, and both together.

    Parameters
    ----------
    answer
        As `Classification.to_dict` gives it, `Comparison.to_dict` as its entry ``comparison``; one of both may be missing. With both,
        `Combined.to_dict` as ``combined``.
    """
    comparison = answer.get("comparison")
    columns: list[tuple[str, str]] = [("Model", "str")]
    cells: dict[str, tuple[Any, ...]] = {}
    if "models" in answer:
        columns += [("Probability", "double"), ("Uncertainty", "double")]
        cells = {name: (p, u) for name, p, u in zip(answer["models"], answer["probabilities"], answer["uncertainties"], strict=True)}
    if comparison:
        columns += [("LogLikelihood", "double"), ("z", "double"), ("FitProbability", "double")]
        behind = {one["material"]: one["z"] for one in comparison["contests"]}
        for fit, probability in zip(comparison["fits"], comparison["probabilities"], strict=True):
            name = fit["material"]
            cells[name] = (*cells.get(name, ()), fit["log_likelihood"], behind.get(name, 0.0), probability)
        for name in set(cells) - set(comparison["materials"]):  # known to the network alone
            cells[name] = (*cells[name], math.nan, math.nan, math.nan)
    if together := answer.get("combined"):
        columns.append(("CombinedProbability", "double"))
        for name, probability in zip(together["models"], together["probabilities"], strict=True):
            cells[name] = (*cells[name], probability)
    return columns, [(name, *values) for name, values in cells.items()]


def comparison_notices(comparison: Mapping[str, Any]) -> list[str]:
    """The verdict of the fits, and by how much, as sentences."""
    best = dict(zip(comparison["materials"], comparison["probabilities"], strict=True))[comparison["best"]]
    lines = [f"Verdict of the fits: {comparison['verdict']}. {comparison['best']} explains the map best, with probability {best:.3f}."]
    for one in comparison["contests"]:
        lines.append(
            f"Its log-likelihood is {one['difference']:.1f} +- {one['deviation']:.1f} larger than that of {one['material']} "
            f"(Vuong's z = {one['z']:.2f})."
        )
    return lines


def combined_notices(together: Mapping[str, Any]) -> list[str]:
    """The verdict of network and fits together, as a sentence."""
    best = max(range(len(together["models"])), key=together["probabilities"].__getitem__)
    probable = f"most probable is {together['models'][best]} with {together['probabilities'][best]:.3f}"
    return [f"Verdict of network and fits together: {together['verdict']}; {probable}."]


def comparison_logs(comparison: Mapping[str, Any] | None) -> dict[str, tuple[Any, str]]:
    """The sample logs of a comparison: verdict and range are those of the fits."""
    if not comparison:
        return {}
    evidence = comparison["evidence"]
    return {
        "insdl_verdict": (comparison["verdict"], ""),
        "insdl_in_range": (comparison["verdict"] in comparison["materials"], ""),
        "insdl_unexplained": (evidence["unexplained"], ""),
        "insdl_unexplained_limit": (evidence["limit"], ""),
    }
