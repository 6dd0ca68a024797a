"""Which magnetic model does a map show?"""

from __future__ import annotations

from pathlib import Path

from mantid_insdl.analysis.denoise import denoise as denoise_map
from mantid_insdl.analysis.ensemble import ask
from mantid_insdl.analysis.preparation import choose_bundle, prepare
from mantid_insdl.analysis.results import UNDECIDED, Classification
from mantid_insdl.maps import Map
from mantid_insdl.networks.prediction import ensemble_probabilities
from mantid_insdl.progress import Progress, ignore_progress


def classify(m: Map, model: str | Path | None = None, *, denoise: bool = False, progress: Progress | None = None) -> Classification:
    """The probability of each magnetic model.

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
    bundle = choose_bundle("classify", m, model)
    warnings = []
    if denoise:
        m = denoise_map(m, progress=lambda f, t: report(0.4 * f, t))
        warnings.append("The map was denoised first; the probabilities are calibrated for maps as measured.")
    prepared = prepare(m, bundle.card)
    report(0.5, "classifying")
    outputs, reasons = ask(bundle, prepared.inputs, lambda f, t: report(0.5 + 0.5 * f, t))
    probabilities, spread = ensemble_probabilities(outputs[:, None], bundle.card.calibration["temperature"])
    in_range = not reasons
    warnings += reasons
    best = int(probabilities[0].argmax())
    limit = bundle.card.calibration["decided"]
    decided = in_range and probabilities[0, best] >= limit
    if in_range and not decided:
        warnings.append(f"No model reaches a probability of {limit:g}.")
    return Classification(
        models=bundle.card.materials,
        probabilities=tuple(probabilities[0].tolist()),
        uncertainties=tuple(spread[0].tolist()),
        verdict=bundle.card.materials[best] if decided else UNDECIDED,
        in_range=in_range,
        warnings=(*prepared.warnings, *warnings),
        bundle=bundle.identity,
    )
