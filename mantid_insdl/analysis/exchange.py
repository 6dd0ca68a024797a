"""Exchange constants from a map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.analysis.classify import classify_and_estimate
from mantid_insdl.analysis.estimate import estimate
from mantid_insdl.analysis.refinement import OFF, check_effort, refined, without_network
from mantid_insdl.analysis.results import ExchangeFit
from mantid_insdl.errors import BundleError
from mantid_insdl.maps import Map
from mantid_insdl.materials import Material
from mantid_insdl.networks.bundles import find_bundle, load_bundle, read_card
from mantid_insdl.networks.preparation import open_question, other_bundles, prepare
from mantid_insdl.networks.preprocessing import incident_energy_groups
from mantid_insdl.progress import Progress, ignore_progress, share_of
from mantid_insdl.simulation.slices import simulate

if TYPE_CHECKING:
    from mantid_insdl.fitting.calculation import Measurement


def fit_exchange(
    m: Map,
    model: str | Path | None = None,
    *,
    refine: str = OFF,
    material: str | Path | Material | None = None,
    measurement: Measurement | None = None,
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> ExchangeFit:
    """Exchange constants with error bars: a network's, or those of a fit that starts from them.

    Parameters
    ----------
    m
        Constant-energy slices, as measured.
    model
        Bundle name or path; default: the one for the map's material. Where the material has several models, the map is classified first.
    refine
        ``off`` for the network's values, which take a second; ``fast`` or ``full`` for a fit of the spin waves from there on, which takes
        seconds to minutes.
    material
        A magnet by name, file or `Material`, whose constants are wanted by a fit alone, without any network; ``off`` then counts as
        ``fast``. `mantid_insdl.fit` has more options.
    measurement, time_limit
        Of the fit; see `mantid_insdl.fit`.

    Raises
    ------
    UnsuitableMapError
        If the map is not what the model was trained on.
    BundleError
        If no model fits, or it is damaged.
    """
    check_effort(refine)
    report = progress or ignore_progress
    if material not in (None, ""):
        if model not in (None, ""):
            raise BundleError("a network and a material are both named", "the constants of a material are fitted without one", "name one")
        effort = "fast" if refine == OFF else refine
        return without_network(m, material, effort, measurement=measurement, time_limit=time_limit, progress=report)
    if refine == OFF:
        return _by_network(m, model, report)[0]
    exchange, decided = _by_network(m, model, share_of(report, 0.0, 0.2))
    options = {"decided": decided, "measurement": measurement, "time_limit": time_limit}
    return refined(m, exchange, refine, **options, progress=share_of(report, 0.2, 1.0))


def _by_network(m: Map, model: str | Path | None, report: Progress) -> tuple[ExchangeFit, bool]:
    """What the network says, and whether it is decided that the map shows its material (where nobody asked it is taken for granted)."""
    report(0.0, "loading the exchange model")
    names = other_bundles("exchange", m) if model in (None, "") else []
    materials = {read_card(find_bundle(name)).materials[0]: name for name in names}
    if m.material in materials:
        bundle = load_bundle(materials[m.material])
        prepared = prepare(m, bundle.card)
    elif len(materials) < 2:
        bundle, prepared = open_question("exchange", m, model)
    else:
        classification, fit = classify_and_estimate(m, progress=report)
        if fit is None:
            raise BundleError(
                f"no exchange model knows {classification.most_probable}", "it is the most probable model of the map", "name a model"
            )
        return fit, classification.verdict == fit.material
    return estimate(bundle, prepared, report), True


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
