"""The network proposes, the fit decides: exchange constants of a network, refined by the spin waves themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.analysis.estimate import ask_posterior
from mantid_insdl.analysis.results import ExchangeFit
from mantid_insdl.errors import MaterialError, UnsuitableMapError
from mantid_insdl.fitting.results import Evidence, Fit
from mantid_insdl.maps import Map
from mantid_insdl.materials import Material
from mantid_insdl.networks.bundles import exchange_bundle
from mantid_insdl.networks.preparation import prepare
from mantid_insdl.progress import Progress

if TYPE_CHECKING:
    from mantid_insdl.fitting.calculation import Measurement

OFF = "off"
EFFORTS = (OFF, "fast", "full")
"""How much work the fit after the network may be."""
OF_NETWORK = "Of the network: "
"""Before a warning that does not concern the fit."""
DRAWS = 16
"""Draws from the network's posterior that the fit may start from, beside the network's own values and the published ones."""


def check_effort(refine: str) -> None:
    """Refuse what is none of `EFFORTS`."""
    if refine not in EFFORTS:
        raise MaterialError(f"there is no refinement '{refine}'", fix=f"use {', '.join(EFFORTS)}")


def refined(
    m: Map,
    exchange: ExchangeFit,
    effort: str,
    *,
    decided: bool = True,
    measurement: Measurement | None = None,
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> ExchangeFit:
    """A network's answer with the values, the errors and the evidence of a fit that starts from it.

    Parameters
    ----------
    m
        The map, as measured.
    exchange
        What the network says; its values and errors are kept as `ExchangeFit.network_values` and `ExchangeFit.network_errors`.
    effort, measurement, time_limit
        As of `mantid_insdl.fit`.
    decided
        Whether it is decided that the map shows this material; where it is not, the constants are no answer, however well they fit.

    Raises
    ------
    UnsuitableMapError, InstabilityError
        As `mantid_insdl.fit`.
    """
    found, evidence = _fitted(m, exchange.material, effort, measurement, time_limit, progress, start=starts_of(exchange))
    named = {one.name: one for one in found.parameters}
    parameters = [named[name] for name in exchange.names]
    undecided = [] if decided else [f"The constants are no answer: that the map shows {exchange.material} is not decided."]
    of_network = [warning for warning in exchange.warnings if warning not in undecided and warning not in m.warnings]
    return replace(
        exchange,
        values=tuple(one.value for one in parameters),
        errors=tuple(one.error for one in parameters),
        in_range=evidence.explained and decided,
        evidence=evidence,
        warnings=(*found.warnings, *disagreements(exchange, found), *undecided, *(OF_NETWORK + one for one in of_network)),
        network_values=exchange.values,
        network_errors=exchange.errors,
        fit=found,
    )


def without_network(
    m: Map,
    material: str | Path | Material,
    effort: str,
    *,
    measurement: Measurement | None = None,
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> ExchangeFit:
    """The constants of any magnet by a fit alone, in the form of a network's answer.

    Raises
    ------
    MaterialError, UnsuitableMapError, InstabilityError
        As `mantid_insdl.fit`.
    """
    found, evidence = _fitted(m, material, effort, measurement, time_limit, progress)
    names, values, errors, units = zip(*((one.name, one.value, one.error, one.unit) for one in found.parameters), strict=True)
    return ExchangeFit(found.material, names, values, errors, units, evidence.explained, found.warnings, None, evidence, fit=found)


def _fitted(
    m: Map,
    material: str | Path | Material,
    effort: str,
    measurement: Measurement | None,
    time_limit: float | None,
    progress: Progress | None,
    start: list[dict[str, float]] | None = None,
) -> tuple[Fit, Evidence]:
    """A fit, and how much of the map it explains."""
    from mantid_insdl.fitting.refine import fit  # with scipy, which checking the inputs of an algorithm must not need
    from mantid_insdl.fitting.unexplained import LIMIT, evidence_of

    found = fit(m, material, start=start, effort=effort, measurement=measurement, time_limit=time_limit, progress=progress)
    return found, evidence_of(found, LIMIT)


def starts_of(exchange: ExchangeFit) -> list[dict[str, float]]:
    """The network's values, draws from its posterior, and the published values."""
    return [dict(zip(exchange.names, row, strict=True)) for row in (exchange.values, *exchange.draws[:DRAWS])] + [{}]


def starts_by_networks(m: Map, materials: Sequence[str], family: str) -> dict[str, list[dict[str, float]]]:
    """Where fits of several materials to a map may begin: as `starts_of`, for those whose networks can be asked about it."""
    starts = {}
    for material in materials:
        bundle = exchange_bundle(material, family)
        if bundle is None:
            continue
        try:
            posterior, _ = ask_posterior(bundle, prepare(m, bundle.card))
        except UnsuitableMapError:
            continue
        rows = [posterior.median[0], *posterior.draws(DRAWS, np.random.default_rng(0))]
        names = [output.name for output in bundle.card.outputs]
        starts[material] = [{name: float(value) for name, value in zip(names, row, strict=True)} for row in rows] + [{}]
    return starts


def disagreements(exchange: ExchangeFit, found: Fit) -> list[str]:
    """Parameters whose error bars by the network and by the fit do not meet, in sentences."""
    fitted = {one.name: one for one in found.parameters}
    said = []
    for name, value, error, unit in zip(exchange.names, exchange.values, exchange.errors, exchange.units, strict=True):
        one = fitted[name]
        if abs(one.value - value) > one.error + error:
            said.append(
                f"Network and fit disagree on {name}: {value:.4g} +- {error:.2g} and {one.value:.4g} +- {one.error:.2g} {unit}. "
                "The fit is the better answer where it explains the map."
            )
    return said
