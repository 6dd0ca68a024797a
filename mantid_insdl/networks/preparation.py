"""Bring a user's map onto the grid a model was trained on, or say why it cannot be;
and bring what comes out back onto the user's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mantid_insdl.errors import BundleError, MaterialError, UnsuitableMapError
from mantid_insdl.maps import Axis, Map, Slices
from mantid_insdl.networks.background import backgrounds_left
from mantid_insdl.networks.bundles import (
    TASKS,
    Bundle,
    BundleIdentity,
    bundle_names,
    bundles_for,
    default_bundle,
    find_bundle,
    load_bundle,
    read_card,
)
from mantid_insdl.networks.cards import Card
from mantid_insdl.networks.layout import in_groups
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.preprocessing import incident_energy_groups, normalise, window_features
from mantid_insdl.networks.repeats import check_repeats

SMALLEST_SIDE = 8  # pixels of the map within the training range: fewer show no pattern
LEAST_KNOWN = 0.02  # of the training pixels of the slices that are there


def family_of(material: str | None) -> str | None:
    """The family of a material, of a family's own name, or None for None."""
    from mantid_insdl.materials import load_material

    if material is None:
        return None
    try:
        return load_material(material).family
    except MaterialError:
        return material


def choose_bundle(task: str, m: Map, model: str | Path | None) -> Bundle:
    """The bundle the user named, or the one for the map's material.

    Raises
    ------
    BundleError
        If the named bundle answers another question, or none is named and the map's material
        does not tell which to take.
    UnsuitableMapError
        If no model can read a map of this kind.
    """
    check_kind(m)
    if model not in (None, ""):
        bundle = load_bundle(model)
        if bundle.card.task != task:
            fitting = [name for name in bundle_names() if read_card(find_bundle(name)).task == task]
            raise BundleError(
                f"model '{bundle.card.name}' does not {TASKS[task]}",
                f"it answers: {bundle.card.answers.rstrip('.')}",
                f"use {_or(fitting)}",
            )
        return bundle
    family = family_of(m.material)
    if family is not None:
        return load_bundle(default_bundle(task, family))
    fitting = [name for name in bundle_names() if read_card(find_bundle(name)).task == task]
    if len(fitting) != 1:
        raise BundleError(
            f"no model was named to {TASKS[task]}",
            "the map does not say of which material it is",
            f"name {_or(fitting)}",
        )
    return load_bundle(fitting[0])


def _or(names: list[str]) -> str:
    return " or ".join(names) if names else "a bundle of your own (`insdl train RECIPE` makes one)"


def other_bundles(task: str, m: Map) -> list[str]:
    """All the bundles of a task for the map's material."""
    family = family_of(m.material)
    return bundles_for(task, family) if family is not None else []


@dataclass(frozen=True)
class Prepared:
    """A map on a model's grid.

    Parameters
    ----------
    gridded
        The slices that the network is given, on its pixels. For a model of fixed slices all of those, and
        what the map lacks is masked.
    inputs
        What the network sees, one map: as many slices as it has places.
    used : (slice,)
        Which slices of `gridded` hold data.
    places : (slice,)
        Where each slice of `gridded` stands among those of `inputs`.
    warnings
        What was lost or missing, in sentences.
    """

    gridded: Map
    inputs: MeasuredMaps
    used: np.ndarray
    places: np.ndarray
    warnings: tuple[str, ...]


def open_question(task: str, m: Map, model: str | Path | None) -> tuple[Bundle, Prepared]:
    """The bundle that answers a question about a map (see `choose_bundle`),
    and the map as its networks see it (see `prepare`).
    """
    bundle = choose_bundle(task, m, model)
    return bundle, prepare(m, bundle.card)


def check_kind(m: Map) -> None:
    """Raise `UnsuitableMapError` where no model can read a map of this kind:
    before any talk of models and materials.
    """
    if m.kind != "slices":
        what = "|Q|-E map" if m.kind == "powder" else "cut"
        raise UnsuitableMapError(
            f"no model can read this {m.kind} map",
            "the models were trained on constant-energy slices against Qh and Qk, "
            f"and directions in the plane are lost in a {what}",
            "give (Qh, Qk) slices",
        )


def check_map(m: Map, card: Card) -> None:
    """Raise `UnsuitableMapError` where a map cannot be what the model of `card` was trained on."""
    check_kind(m)
    family = family_of(m.material)
    if family is not None and family != card.family:
        raise UnsuitableMapError(
            f"model '{card.name}' knows nothing of {m.material}",
            f"it was trained on {card.family}",
            "use a model for your material",
        )
    for axis, wanted in zip(m.axes, card.input.axes, strict=True):
        if axis.unit != wanted.unit:
            raise UnsuitableMapError(
                f"axis '{axis.name}' is in {axis.unit}", f"the model was trained in {wanted.unit}", "convert the axis"
            )
        _check_overlap(axis, wanted.centres[0], wanted.centres[-1])
    if beyond := m.require_slices().beyond_ei():
        raise UnsuitableMapError(*beyond)
    if m.mask.all():
        raise UnsuitableMapError(
            "the map is empty", "every pixel is masked or NaN", "check the mask and the range of the cuts"
        )
    known = m.intensity[~m.mask]
    if known.max() == known.min():
        raise UnsuitableMapError(
            "the map is constant", f"every unmasked pixel is {known[0]:g}", "check that the right data were loaded"
        )
    if known.max() <= 0:
        raise UnsuitableMapError(
            "the map has no positive intensity",
            "there is nothing that could be a spin wave",
            "check the background subtraction",
        )


def _check_overlap(axis: Axis, low: float, high: float) -> None:
    """Raise `UnsuitableMapError` where an axis has too few pixels within a model's range."""
    inside = np.count_nonzero((axis.edges[1:] > low) & (axis.edges[:-1] < high))
    trained = f"the model's range, {low:g} to {high:g} {axis.unit}"
    if inside == 0:
        raise UnsuitableMapError(
            f"the map lies outside the model's range along '{axis.name}'",
            f"it goes from {axis.edges[0]:g} to {axis.edges[-1]:g}, and {trained}, is elsewhere",
            "cut the data in that range",
        )
    if inside < SMALLEST_SIDE:
        raise UnsuitableMapError(
            f"the map is too coarse or too small along '{axis.name}'",
            f"{inside} of its {axis.size} pixels lie in {trained}; a pattern needs {SMALLEST_SIDE}",
            "cut the data on a finer grid, or on more of that range",
        )


def prepare(m: Map, card: Card) -> Prepared:
    """Check a map, re-grid it, and mask what it lacks.

    Raises
    ------
    UnsuitableMapError
        If the map is of the wrong kind, empty, constant, too coarse, or has no slice the model was trained on.
    """
    check_map(m, card)
    warnings = [*m.warnings, *check_repeats(m)]
    if m.material is None:
        warnings.append(
            f"The map does not say of which material it is: {card.family.upper()} is assumed, "
            f"for which {card.name} was made."
        )
    axes = tuple(Axis(a.name, a.unit, np.array(a.centres)) for a in card.input.axes)
    if not all(mine.matches(theirs, 1e-3) for mine, theirs in zip(m.axes, axes, strict=True)):
        m = m.regrid(*axes)
        warnings.append("The map was re-gridded onto the pixels that the model was trained on.")
    if card.input.slices is not None:
        gridded = _on_fixed_slices(m, card, warnings)
        size = len(gridded.intensity)
        places = np.arange(size)
    else:
        gridded, places = in_groups(m, card, warnings)
        size = card.input.groups * card.input.bins
    used = np.asarray(~gridded.mask.all(axis=(1, 2)))
    share = float(np.mean(~gridded.mask[used])) if used.any() else 0.0
    if share < LEAST_KNOWN:
        raise UnsuitableMapError(
            "too little of the map is known",
            f"{share:.1%} of the pixels that the model looks at hold data",
            "check the mask and the range of the axes",
        )
    slices = gridded.require_slices()
    groups = incident_energy_groups(slices)
    # narrow windows, most of which show what lies under the data
    if card.input.slices is not None or card.input.groups > 1:
        gridded = _without_background(gridded, groups, warnings)
    stack, scale = normalise(gridded.intensity[None], groups)
    inputs = MeasuredMaps(
        stack=_at(places, size, stack),
        scale=_at(places, size, scale, 1.0),
        signal=np.empty(0),
        windows=_at(places, size, window_features(slices)[None]),
        used=_at(places, size, used[None, :, None].astype(np.float32)),
    )
    return Prepared(gridded, inputs, used, places, tuple(warnings))


def _without_background(m: Map, groups: list[np.ndarray], warnings: list[str]) -> Map:
    """The slices without a flat background that the reduction has left, which the networks would take for signal."""
    levels = backgrounds_left(m.intensity, groups)
    if not np.any(levels):
        return m
    energies = m.require_slices().ei
    each = [(energies[group[0]], levels[group[0]]) for group in groups if levels[group[0]]]
    said = ", ".join(f"{level:.3g}" + (f" at Ei {ei:g} meV" if np.isfinite(ei) else "") for ei, level in each)
    warnings.append(
        f"A flat background of {said} lay under the data and was subtracted, for the models know data without one. "
        "Better subtract a measured one (empty can, or a place without signal) in the reduction."
    )
    return m.replace(intensity=m.intensity - levels[:, None, None])


def _at(places: np.ndarray, size: int, array: np.ndarray, empty: float = 0.0) -> np.ndarray:
    """`array` (1, slice, ...) with its slices at `places` of `size`."""
    result = np.full((1, size, *array.shape[2:]), empty, array.dtype)
    result[:, places] = array
    return result


def _on_fixed_slices(m: Map, card: Card, warnings: list[str]) -> Map:
    target = Slices(*(np.array(getattr(card.input.slices, n)) for n in ("ei", "energy_min", "energy_max")))
    trained = ", ".join(f"{ei:g}" for ei in target.unique_ei)
    measured = m.require_slices()
    if np.isnan(measured.ei).any():
        raise UnsuitableMapError(
            "the incident energy is not known",
            f"the model needs it (trained on {trained} meV)",
            "give Ei (log 'Ei', or --ei)",
        )
    gridded = m.regrid_slices(target, ei_tolerance=card.input.ei_tolerance)
    used = np.asarray(~gridded.mask.all(axis=(1, 2)))
    if not used.any():
        have = ", ".join(f"{ei:g}" for ei in measured.unique_ei)
        raise UnsuitableMapError(
            "no slice of the map is one the model was trained on",
            f"it has Ei {have} meV, the model {trained} meV with bins from {card_windows(target)}",
            "cut the data in these energy windows",
        )
    missing = [f"{ei:g}" for ei in target.unique_ei if not used[target.ei == ei].any()]
    if missing:
        warnings.append(f"Incident energies {', '.join(missing)} meV are missing and were masked.")
    holes = int(np.sum(~used)) - int(np.sum(np.isin(target.ei, [float(x) for x in missing])))
    if holes:
        warnings.append(f"{holes} energy bins of the measured incident energies are missing and were masked.")
    away = [np.min(np.abs(target.unique_ei / ei - 1)) for ei in measured.unique_ei]
    foreign = [f"{ei:g}" for ei, far in zip(measured.unique_ei, away, strict=True) if far > card.input.ei_tolerance]
    if foreign:
        warnings.append(
            f"Incident energies {', '.join(foreign)} meV were not used: the model was trained on {trained} meV."
        )
    return gridded


def card_windows(slices: Slices) -> str:
    """The energy range of each incident energy, in words."""
    parts = []
    for ei in slices.unique_ei:
        chosen = slices.ei == ei
        parts.append(f"{slices.energy_min[chosen].min():g} to {slices.energy_max[chosen].max():g} (Ei {ei:g})")
    return ", ".join(parts)


def on_axes_of(
    m: Map, result: Map, prepared: Prepared, identity: BundleIdentity, note: str, *, keep_mask: bool = True
) -> Map:
    """A result on the training grid back on the pixels and slices of the user's map, with a record of the model,
    and with the mask.
    """
    # Slices first: a single slice with millions of pixels must not be made for all slices of the training grid.
    slices = m.require_slices()
    if not result.require_slices().matches(slices):
        result = result.regrid_slices(slices, ei_tolerance=0.05)
    if not all(a.matches(b, 1e-3) for a, b in zip(result.axes, m.axes, strict=True)):
        result = result.regrid(*m.axes)
    return m.replace(
        intensity=result.intensity,
        error=result.error,
        mask=m.mask | result.mask if keep_mask else result.mask,
        provenance=(*m.provenance, *prepared.warnings, note),
        logs={**m.logs, **model_logs(identity)},
    )


def model_logs(identity: BundleIdentity) -> dict[str, tuple[str, str]]:
    """Sample logs by which a result can be traced to its model."""
    return {
        "insdl_model": (identity.name, ""),
        "insdl_model_version": (identity.version, ""),
        "insdl_model_sha256": (identity.sha256, ""),
    }
