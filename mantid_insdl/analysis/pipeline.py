"""The whole way: denoise, classify, exchange constants by network and by fit, importance."""

from __future__ import annotations

from dataclasses import dataclass

from mantid_insdl.analysis.classify import classify_and_estimate
from mantid_insdl.analysis.denoise import denoise
from mantid_insdl.analysis.exchange import fit_exchange, simulate_fit
from mantid_insdl.analysis.refinement import OF_NETWORK, OFF, check_effort, refined
from mantid_insdl.analysis.results import Classification, ExchangeFit
from mantid_insdl.errors import BundleError, InstabilityError
from mantid_insdl.explain import attribution
from mantid_insdl.maps import Map
from mantid_insdl.networks.bundles import bundles_for
from mantid_insdl.networks.preparation import check_kind, family_of
from mantid_insdl.progress import Progress, ignore_progress, share_of


@dataclass(frozen=True)
class Analysis:
    """All that was found out about a map. What a material has no model for is None."""

    measured: Map
    denoised: Map | None
    classification: Classification | None
    exchange: ExchangeFit
    fit: Map | None
    importance: Map | None
    warnings: tuple[str, ...]


def analyse(m: Map, *, refine: str = OFF, time_limit: float | None = None, progress: Progress | None = None) -> Analysis:
    """Everything the models of the map's material can say about it.

    Parameters
    ----------
    m
        Constant-energy slices with `Map.material` set to a material or a family (pcsmo, rb2mnf4).
    refine, time_limit
        Of the exchange constants; see `fit_exchange`.

    Raises
    ------
    BundleError
        If no model knows the material, or a bundle is damaged.
    UnsuitableMapError
        If the map is not what the models were trained on.
    """
    check_effort(refine)
    report = progress or ignore_progress
    check_kind(m)
    family = family_of(m.material)
    if family is None:
        raise BundleError("the map does not say of which material it is", "each material has models of its own", "name it (--material)")
    by_network = 1.0 if refine == OFF else 0.5  # of the progress

    def early(fraction: float, text: str) -> None:
        report(by_network * fraction, text)

    denoised = importance = classification = exchange = fit = None
    if bundles_for("denoise", family):
        denoised = denoise(m, progress=share_of(early, 0.0, 0.3))
    if bundles_for("classify", family):
        classification, exchange = classify_and_estimate(m, progress=share_of(early, 0.3, 0.6))
        importance = attribution.importance(m, progress=share_of(early, 0.6, 0.7))
    if exchange is None:
        exchange = fit_exchange(m, progress=share_of(early, 0.7, 0.8))
    decided = classification is None or classification.verdict == exchange.material
    if refine != OFF:
        exchange = refined(m, exchange, refine, decided=decided, time_limit=time_limit, progress=share_of(report, 0.4, 1.0))
    of_classifier = classification.warnings if classification else ()
    told = {OF_NETWORK + one for one in of_classifier}
    warnings = list(dict.fromkeys((*of_classifier, *(one for one in exchange.warnings if one not in told))))
    try:
        fit = exchange.fit.model if exchange.fit else simulate_fit(m, exchange, progress=share_of(report, 0.8, 1.0))
    except InstabilityError as error:
        warnings.append(f"There is no simulation at the fitted values. {error}")
    report(1.0, "done")
    return Analysis(m, denoised, classification, exchange, fit, importance, tuple(warnings))
