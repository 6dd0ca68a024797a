"""Exchange constants of one model from a prepared map: what its networks say, and whether that can be an answer."""

from __future__ import annotations

import numpy as np

from mantid_insdl.analysis.ensemble import ask
from mantid_insdl.analysis.results import ExchangeFit
from mantid_insdl.errors import BundleError
from mantid_insdl.networks.bundles import Bundle
from mantid_insdl.networks.cards import CardOutput
from mantid_insdl.networks.posterior import Posterior
from mantid_insdl.networks.preparation import Prepared
from mantid_insdl.progress import Progress, ignore_progress, share_of

UNCONSTRAINED = 0.8  # of the spread of the training values: an error bar this large says nothing beyond the prior
EDGE = 0.01  # of the trained range: a value nearer to its end may as well lie beyond
DRAWS = 64  # parameter sets drawn from the posterior: where a fit may start, and a picture of what goes together
LIMIT = "unexplained_limit"  # entry of an exchange model's card: largest figure of `Evidence` with which a map counts as explained


def ask_posterior(bundle: Bundle, prepared: Prepared, progress: Progress = ignore_progress) -> tuple[Posterior, list[str]]:
    """What the networks of an exchange bundle say of the constants, and why the map is out of their range."""
    outputs, reasons = ask(bundle, prepared.inputs, progress)
    return Posterior.of_bundle(bundle, outputs[:, None]), reasons


def ask_constants(bundle: Bundle, prepared: Prepared, progress: Progress = ignore_progress) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """What the networks of an exchange bundle say: values and error bars (parameter,), and why the map is out of their range."""
    posterior, reasons = ask_posterior(bundle, prepared, progress)
    return posterior.median[0], posterior.error[0], reasons


def beyond_training(output: CardOutput, value: float) -> str:
    """Why a value that the map determines lies outside the trained range or at its edge; empty where it does not."""
    if not output.low <= value <= output.high:
        return f"{output.name} lies outside {_range(output)}."
    margin = EDGE * (output.high - output.low)
    if not output.low + margin <= value <= output.high - margin:
        return f"{output.name} lies at the edge of {_range(output)}: the true value may lie beyond."
    return ""


def _range(output: CardOutput) -> str:
    return f"the trained range {output.low:.3g} to {output.high:.3g} {output.unit}"


def estimate(bundle: Bundle, prepared: Prepared, progress: Progress) -> ExchangeFit:
    """Constants of the one material of an exchange bundle, checked against the trained range and against the map.

    Where the simulation with the networks' values explains the map after a few least-squares steps only, the values are those after the
    steps, and the way they went is part of the error bars.

    Raises
    ------
    BundleError
        If the bundle has no limit to check against.
    """
    from mantid_insdl.analysis.evidence import explain

    card = bundle.card
    if LIMIT not in card.calibration:
        raise BundleError(
            f"model '{card.name}' cannot tell whether its answers explain a map",
            f"its card has no {LIMIT}",
            f"run `python benchmarks/calibrate_evidence.py {bundle.path}`",
        )
    posterior, reasons = ask_posterior(bundle, prepared, share_of(progress, 0.0, 0.4))
    first, errors = posterior.median[0], posterior.error[0]
    determined = errors <= UNCONSTRAINED * bundle.arrays["spread"]
    (material,) = card.materials
    ranges = {output.name: (output.low, output.high) for output in card.outputs}
    values, evidence = explain(prepared, material, first, errors, ranges, card.calibration[LIMIT], share_of(progress, 0.4, 1.0))
    warnings = list(prepared.warnings)
    if evidence.explained and not np.array_equal(values, first):
        moved = ", ".join(f"{n} from {a:.3g} to {b:.3g}" for n, a, b in zip(ranges, first, values, strict=True))
        warnings.append(f"The networks' values alone do not explain the map; least squares moved them ({moved} meV).")
        errors = np.hypot(errors, values - first)
    elif not evidence.explained:
        values = first
        reasons.append(evidence.reason())
    for output, peaks in zip(card.outputs, posterior.peaks(), strict=True):
        if len(peaks) > 1:
            places = " or ".join(f"{peak:.3g}" for peak in peaks)
            warnings.append(f"The network holds several values of {output.name} possible, about {places} {output.unit}: let a fit decide.")
    for output, value, error, known in zip(card.outputs, values, errors, determined, strict=True):
        if not known:
            warnings.append(f"The map does not determine {output.name}: its error bar is no smaller than the range it was looked for in.")
        elif outside := beyond_training(output, value):
            reasons.append(outside)
        elif not output.low + error <= value <= output.high - error:
            near = f"{output.name} lies within its error bar of the edge of {_range(output)}: values beyond were never looked for."
            warnings.append(near)
    return ExchangeFit(
        material=material,
        names=tuple(ranges),
        values=tuple(float(v) for v in values),
        errors=tuple(float(e) for e in errors),
        units=tuple(o.unit for o in card.outputs),
        in_range=not reasons,
        warnings=(*warnings, *reasons),
        bundle=bundle.identity,
        evidence=evidence,
        draws=tuple(tuple(map(float, row)) for row in posterior.draws(DRAWS, np.random.default_rng(0))),
    )
