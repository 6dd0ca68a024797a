"""Exchange constants from a map."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mantid_insdl.analysis.classify import classify
from mantid_insdl.analysis.ensemble import ask
from mantid_insdl.analysis.preparation import choose_bundle, other_bundles, prepare
from mantid_insdl.analysis.results import UNDECIDED, ExchangeFit
from mantid_insdl.maps import Map
from mantid_insdl.networks.bundles import Bundle, find_bundle, load_bundle, read_card
from mantid_insdl.networks.prediction import combine_gaussians
from mantid_insdl.networks.preprocessing import incident_energy_groups
from mantid_insdl.progress import Progress, ignore_progress
from mantid_insdl.simulation.slices import simulate

UNCONSTRAINED = 0.8  # of the spread of the training values: an error bar this large says nothing beyond the prior


def fit_exchange(m: Map, model: str | Path | None = None, *, progress: Progress | None = None) -> ExchangeFit:
    """Exchange constants with error bars.

    Parameters
    ----------
    m
        Constant-energy slices, as measured.
    model
        Bundle name or path; default: the one for the map's material. Where the material has several models, the map is classified first.

    Raises
    ------
    UnsuitableMapError
        If the map is not what the model was trained on.
    BundleError
        If no model fits, or it is damaged.
    """
    report = progress or ignore_progress
    report(0.0, "loading the exchange model")
    bundle, warnings = _bundle_for(m, model, lambda f, t: report(0.5 * f, t))
    prepared = prepare(m, bundle.card)
    report(0.5, "exchange constants")
    outputs, reasons = ask(bundle, prepared.inputs, lambda f, t: report(0.5 + 0.5 * f, t))
    centre, sigma = combine_gaussians(outputs[:, None])
    spread = bundle.arrays["spread"]
    values = bundle.arrays["mean"] + spread * centre[0]
    errors = spread * sigma[0] * bundle.arrays["sigma_factor"]
    in_range = not reasons
    warnings += reasons
    for output, value, error, prior in zip(bundle.card.outputs, values, errors, spread, strict=True):
        if not output.low <= value <= output.high:
            in_range = False
            warnings.append(f"{output.name} lies outside the trained range {output.low:.3g} to {output.high:.3g} {output.unit}.")
        elif error > UNCONSTRAINED * prior:
            warnings.append(f"The map does not determine {output.name}: its error bar is no smaller than the range it was looked for in.")
    (material,) = bundle.card.materials
    return ExchangeFit(
        material=material,
        names=tuple(o.name for o in bundle.card.outputs),
        values=tuple(values.tolist()),
        errors=tuple(errors.tolist()),
        units=tuple(o.unit for o in bundle.card.outputs),
        in_range=in_range,
        warnings=(*prepared.warnings, *warnings),
        bundle=bundle.identity,
    )


def _bundle_for(m: Map, model: str | Path | None, progress: Progress) -> tuple[Bundle, list[str]]:
    names = other_bundles("exchange", m) if model in (None, "") else []
    materials = {read_card(find_bundle(name)).materials[0]: name for name in names}
    if m.material in materials:
        return load_bundle(materials[m.material]), []
    if len(materials) < 2:
        return choose_bundle("exchange", m, model), []
    verdict = classify(m, progress=progress)
    warnings = []
    if verdict.verdict == UNDECIDED:
        warnings.append(f"The magnetic model is undecided; the constants are those of the most probable one, {verdict.most_probable}.")
    return load_bundle(materials[verdict.most_probable]), warnings


def simulate_fit(m: Map, fit: ExchangeFit, *, progress: Progress | None = None) -> Map:
    """The simulation at fitted values on the axes of a map, scaled to it.

    For each incident energy a scale and a flat background are fitted to `m` by least squares, so that both can be compared.

    Raises
    ------
    InstabilityError
        If the magnetic structure is not stable at the fitted values.
    """
    simulated = simulate(fit.material, fit.parameters, like=m, progress=progress)
    intensity = np.array(simulated.intensity)
    for group in incident_energy_groups(m.slices):
        both = ~(m.mask[group] | simulated.mask[group])
        if both.sum() < 3:
            continue
        design = np.stack([intensity[group][both], np.ones(both.sum())], axis=1)
        scale, background = np.linalg.lstsq(design, m.intensity[group][both], rcond=None)[0]
        if scale > 0:
            intensity[group] = scale * intensity[group] + background
    values = ", ".join(f"{n}={v:.4g}" for n, v in fit.parameters.items())
    return m.replace(
        intensity=intensity,
        error=None,
        mask=m.mask | simulated.mask,
        provenance=(*m.provenance, f"simulation of {fit.material} at {values} meV, scaled to the map with a flat background for each Ei"),
    )
