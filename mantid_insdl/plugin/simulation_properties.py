"""What SimulateSpinWaveMap asks its user: a material, its parameters, and on which axes to calculate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mantid_insdl.plugin.algorithms import checked_slices
from mantid_insdl.plugin.requirements import missing

if TYPE_CHECKING:
    from mantid_insdl.maps import Map

#: Of Qh and Qk where the user gives none: min, step, max in r.l.u.
DEFAULT_RANGE = (-1.0, 0.05, 1.0)
MAXIMUM_BINS = 2000
MAXIMUM_PIXELS = 5_000_000
_GRID = ("Ei", "EnergyBins", "QhRange", "QkRange")


def shipped_materials() -> list[str]:
    """Names of the materials that come with the package: the files, unread."""
    return sorted(file.stem for file in (Path(__file__).parents[1] / "materials").glob("*.yaml"))


def shipped_instruments() -> list[str]:
    """Names of the spectrometers whose resolution comes with the package: the files, unread."""
    return sorted(file.stem.upper() for file in (Path(__file__).parents[1] / "instrument").glob("*.yaml"))


def read(algorithm: Any) -> tuple[dict[str, str], tuple[dict[str, Map], dict[str, Any]]]:
    """Everything that is wrong with the properties of SimulateSpinWaveMap, and the maps and options of the worker's task."""
    lacking = missing()
    if lacking:
        return {"Material": lacking}, ({}, {})
    found: dict[str, str] = {}
    names = ("Twins", "Resolution", "Instrument", "Temperature", "KfOverKi", "Background", "Counts", "Seed")
    value = {name: algorithm.getProperty(name).value for name in names}
    material, parameters = _material(algorithm, found)
    options = {
        "material": material,
        "parameters": parameters,
        "twins": bool(value["Twins"]),
        "resolution": bool(value["Resolution"]),
        "instrument": value["Instrument"],
        "intrinsic_fwhm": _intrinsic_width(algorithm, found),
        "temperature": float(value["Temperature"]),
        "kf_over_ki": bool(value["KfOverKi"]),
        "background": float(value["Background"]),
        "counts": float(value["Counts"]) or None,
        "seed": int(value["Seed"]),
    }
    for name in ("Temperature", "Background", "Counts"):
        if not math.isfinite(value[name]):
            found[name] = f"{value[name]} is no number to calculate with; give a finite one."
    maps: dict[str, Map] = {}
    template = algorithm.getProperty("Template").value
    given = [name for name in _GRID if len(algorithm.getProperty(name).value)]
    if template is not None:
        if given:
            found["Template"] = (
                f"Both Template and {' and '.join(given)} are given; clear one, because the template says where to calculate."
            )
        like = _check_template(template, material, found)
        maps = {} if like is None else {"like": like}
    elif not given:
        found["Template"] = "Nothing says where to calculate; give a Template, or Ei and EnergyBins."
    else:
        options |= _grid(algorithm, found)
    if options["resolution"] and (maps or "slices" in options):
        _check_instrument(options["instrument"], maps["like"].require_slices().ei if maps else options["slices"]["ei"], found)
    return found, (maps, options)


def _intrinsic_width(algorithm: Any, found: dict[str, str]) -> list[float] | None:
    """Coefficients of the width of the modes themselves; None where there is none."""
    from mantid_insdl.errors import InsdlError
    from mantid_insdl.instrument.line_shapes import IntrinsicWidth

    coefficients = [float(v) for v in algorithm.getProperty("IntrinsicFWHM").value]
    try:
        width = IntrinsicWidth.of(coefficients or None)
    except InsdlError as error:
        found["IntrinsicFWHM"] = str(error)
        return None
    return None if width is None else list(width.coefficients)


def _check_instrument(name: str, energies: Iterable[float], found: dict[str, str]) -> None:
    """Whether the instrument can be used at all the incident energies."""
    from mantid_insdl.errors import InsdlError
    from mantid_insdl.instrument.resolution import load_instrument

    try:
        for ei in energies:
            load_instrument(name).sigma(float(ei), 0.0)
    except InsdlError as error:
        found["Instrument"] = str(error)


def _check_template(workspace: Any, material: str, found: dict[str, str]) -> Map | None:
    """The map of a workspace that only lends its axes; what is wrong with it goes into `found`."""
    from mantid_insdl.errors import InsdlError
    from mantid_insdl.networks.repeats import check_repeats

    name = "Template"
    m = checked_slices(workspace, name, found, material=material or None)
    if m is None:
        return None
    if m.mask.all():
        found[name] = "Every pixel is masked or NaN, so there is nothing to simulate; check its mask."
        return None
    try:
        check_repeats(m)
    except InsdlError as error:
        found[name] = str(error)
        return None
    return m


def _material(algorithm: Any, found: dict[str, str]) -> tuple[str, dict[str, float]]:
    from mantid_insdl.errors import InsdlError
    from mantid_insdl.materials import load_material, parse_parameters

    name, file = (algorithm.getProperty(p).value.strip() for p in ("Material", "MaterialFile"))
    valid = f"the materials are {', '.join(shipped_materials())}"
    if name and file:
        found["MaterialFile"] = "Both Material and MaterialFile are given; clear one of them."
    elif not name and not file:
        found["Material"] = f"No material is chosen; {valid}, or give a MaterialFile."
    elif file and not Path(file).is_file():
        found["MaterialFile"] = f"The file '{file}' does not exist; check the path."
    material = None
    if not found:
        try:
            material = load_material(name or file)
        except InsdlError as error:
            found["Material" if name else "MaterialFile"] = str(error)
    parameters: dict[str, float] = {}
    try:
        parameters = parse_parameters(algorithm.getProperty("Parameters").value)
        if material is not None:
            material.resolve(parameters)
    except InsdlError as error:
        found["Parameters"] = str(error)
    return name or file, parameters


def _grid(algorithm: Any, found: dict[str, str]) -> dict[str, Any]:
    """Slices and axes as options of the task; `Axis` and `Slices` themselves are made in the worker."""
    from mantid_insdl.errors import MapError
    from mantid_insdl.maps import RLU

    given = {name: [float(v) for v in algorithm.getProperty(name).value] for name in _GRID}
    edges: dict[str, list[float]] = {}
    for name in ("EnergyBins", "QhRange", "QkRange"):
        if name == "EnergyBins" and not given[name]:
            found[name] = "No energy windows are given; give min, step, max in meV, or min, max for one slice."
            continue
        try:
            edges[name] = bin_edges(given[name] or DEFAULT_RANGE)
        except MapError as error:
            found[name] = str(error)
    windows: list[tuple[float, float, float]] = []
    if not given["Ei"]:
        found["Ei"] = "No incident energy is given; give one or several in meV."
    elif not all(0 < ei < math.inf for ei in given["Ei"]):
        found["Ei"] = "An incident energy is not a positive number; give it in meV."
    elif "EnergyBins" in edges:
        windows = _windows(given["Ei"], edges["EnergyBins"], found)
    if found.keys() & set(_GRID):
        return {}
    pixels = len(windows) * (len(edges["QhRange"]) - 1) * (len(edges["QkRange"]) - 1)
    if pixels > MAXIMUM_PIXELS:
        found["EnergyBins"] = f"The map would have {pixels:,} pixels, more than the {MAXIMUM_PIXELS:,} allowed; take larger steps."
    return {
        "slices": dict(zip(("ei", "energy_min", "energy_max"), (list(column) for column in zip(*windows, strict=True)), strict=True)),
        "qh": {"name": "qh", "unit": RLU, "values": edges["QhRange"], "is_edges": True},
        "qk": {"name": "qk", "unit": RLU, "values": edges["QkRange"], "is_edges": True},
    }


def _windows(energies: Sequence[float], edges: Sequence[float], found: dict[str, str]) -> list[tuple[float, float, float]]:
    """(Ei, lower, upper) of each slice. As in multi-rep reduction, bins up to 1 for several Ei are fractions of each of them."""
    scale = energies if len(energies) > 1 and edges[-1] <= 1 else [1.0] * len(energies)
    top = min(ei / s for ei, s in zip(energies, scale, strict=True))
    if edges[0] < 0:
        found["EnergyBins"] = "The energy transfer starts below 0, but only energy loss of the neutron is calculated; start at 0 or above."
    elif edges[-1] >= top:
        found["EnergyBins"] = f"The energy transfer reaches {edges[-1]:g}, but a neutron can lose no more than its {top:g}; end below Ei."
    return [(ei, low * s, high * s) for ei, s in zip(energies, scale, strict=True) for low, high in itertools.pairwise(edges)]


def bin_edges(values: Sequence[float]) -> list[float]:
    """Bin edges from ``min, max`` (one bin) or ``min, step, max``.

    Raises
    ------
    MapError
        For other numbers of values, a range that is empty or not finite, or a step that does not divide it: edges that were typed
        in place of a step are found out, instead of being taken for something else.
    """
    from mantid_insdl.errors import MapError

    given = ", ".join(f"{v:g}" for v in values)
    if len(values) not in (2, 3) or not all(math.isfinite(v) for v in values):
        raise MapError(f"{given} is no range", fix="give min, step, max, or min, max for one bin")
    low, high = values[0], values[-1]
    step = values[1] if len(values) == 3 else high - low
    if not (high > low and step > 0):
        raise MapError(f"the range {given} is empty", "max must be above min, and the step positive", "give min, step, max")
    bins = (high - low) / step
    if bins > MAXIMUM_BINS:
        raise MapError(f"the range {given} has {bins:.3g} bins", f"the limit is {MAXIMUM_BINS}", "take a larger step")
    if round(bins) < 1 or abs(bins - round(bins)) > 1e-6 * bins:
        raise MapError(
            f"{given} is read as min, step, max, and the step does not divide the range",
            f"{bins:.4g} bins would fit",
            "choose another step or end",
        )
    count = round(bins)
    return [low + (high - low) * i / count for i in range(count + 1)]
