"""How a `Map` lies in a Mantid workspace: which axis is which, where units, masks and energies are kept.

Pure numpy, and used for files as well as for workspaces in memory. A Mantid workspace has spectra in rows: a vertical axis
with one value (or bin) a spectrum, and an X axis common to all of them. Conventions (Mantid's SofQW algorithms and Abins):

* (\\|Q\\|, E): ``DeltaE`` and ``MomentumTransfer``, either one along X. Written as SofQW3 does: energy along X.
* constant-energy slice: both axes of unit ``Label`` with captions Qh and Qk (or H and K, or [H,0,0] and [0,K,0]) and the unit
  r.l.u., either one along X; the sample logs ``energy_min`` and ``energy_max`` (meV) give the energy window and ``Ei`` the
  incident energy. Written with Qh along X. A stack of slices is a workspace group.
* cut: energy along one axis, a ``Label`` axis of r.l.u. or 1/angstrom along the other. The log ``insdl_path`` keeps (h, k, l) of its
  points, and ``insdl_corners`` a line for each corner: index of its point, and label.

Masked pixels are NaN. Errors that are zero in every unmasked pixel mean that none are known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mantid_insdl.errors import MapError, UnitError
from mantid_insdl.files.log_values import averaged, number
from mantid_insdl.files.sentinels import mask_sentinels
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices, stack

#: CODATA: the energy in meV of a wavenumber of 1/cm.
MEV_PER_WAVENUMBER = 0.12398419843

#: Names of the sample log of the incident energy, the best first.
EI_LOGS = ("Ei", "EI", "ei", "incident_energy", "Efix", "Efixed", "fixed_energy")
#: Requested, not measured, incident energies: used only when nothing else is known, and said in the provenance.
REQUESTED_EI_LOGS = ("EnergyRequest", "EnergyRequested", "Ei_request", "ei_request")
WINDOW_LOGS = (("energy_min", "energy_max"), ("Emin", "Emax"), ("E_min", "E_max"), ("DeltaE_min", "DeltaE_max"))
#: What a workspace has no place for.
OWN_LOGS = ("insdl_material", "insdl_frame", "insdl_provenance", "insdl_warnings", "insdl_path", "insdl_corners")

#: Mantid's unit IDs that an axis of a map may have.
AXIS_UNITS = ("DeltaE", "DeltaE_inWavenumber", "MomentumTransfer", "Label")
NO_UNIT = ("", "Empty", "unknown")

_MAPS = (("qh", "qk"), ("q", "energy"), ("path", "energy"))
_RLU = {"r.l.u.", "r.l.u", "rlu", "rlu."}
#: With Mantid's unit IDs, which MDHisto files hold in place of a unit.
_PER_ANGSTROM = {
    *("momentumtransfer", "1/angstrom", "angstrom^-1", "a^-1", "å^-1", "å⁻¹", "1/å", "1/a", "ang^-1", "inv.angstrom", "invangstrom"),
}
_MEV = {"mev", "deltae"}
_THREE_TERMS = re.compile(3 * r"([+-]?(?:[\d.]*\*?[a-zA-Z]|0))")  # of a direction without commas: [HH0]


@dataclass(frozen=True)
class AxisData:
    """One axis of a workspace, as Mantid describes it.

    Parameters
    ----------
    unit
        Mantid's unit ID: ``DeltaE``, ``MomentumTransfer``, ``Label`` ...
    values
        As many as bins (points), or one more (edges).
    caption, label
        Of a ``Label`` unit: what it is and its unit.
    """

    unit: str
    values: np.ndarray
    caption: str = ""
    label: str = ""


@dataclass(frozen=True)
class WorkspaceData:
    """The contents of one workspace: rows are spectra.

    ``mask`` is True where a pixel is masked besides being NaN.
    """

    intensity: np.ndarray
    x: AxisData
    vertical: AxisData
    error: np.ndarray | None = None
    mask: np.ndarray | None = None
    logs: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    title: str = ""
    intensity_label: str = ""


# ---- which axis is it


def direction_of(caption: str) -> tuple[float, float, float] | None:
    """The direction in (h, k, l) that a caption such as ``[H,0,0]``, ``[-H,H,0]``, ``[HH0]`` or ``(0 K 0)`` names, or None.

    Also as CutMD of Mantid writes it, ``['zeta', '-zeta', 0]``.
    """
    inside = re.fullmatch(r"[\[(](.*)[\])]", caption.strip())
    if not inside:
        return None
    parts = [p for p in re.split(r"[,\s]+", inside.group(1).strip()) if p]
    if len(parts) == 1 and (together := _THREE_TERMS.fullmatch(parts[0])):
        parts = list(together.groups())
    if len(parts) != 3:
        return None
    vector, letters = [], set()
    for part in parts:
        match = re.fullmatch(r"'?([+-]?)(\d+\.?\d*|\.\d+)?\*?(zeta|eta|xi|[a-zA-Z])'?", part)
        if match:
            sign, number, letter = match.groups()
            vector.append(float(sign + (number or "1")))
            letters.add(letter.upper())
        elif re.fullmatch(r"[+-]?0+\.?0*", part):
            vector.append(0.0)
        else:
            return None  # also a constant offset, as in [0.5,K,0]: not a direction through the origin
    return (vector[0], vector[1], vector[2]) if len(letters) == 1 and any(vector) else None


def unit_of(text: str, *, of_hkl: bool = False) -> str:
    """The unit of this package for any usual way to write it; empty when it is none of them.

    Mantid's converters write the unit of an axis of the HKL frame (`of_hkl`) as r.l.u., or as ``in 1.162 A^-1``: multiples of a
    reciprocal lattice vector of that length, which is the same (MDWSTransform.cpp, CutMD.cpp).
    """
    if of_hkl and re.fullmatch(r"in [\d.]+ (A|Angstrom)\^-1", text.strip()):
        return RLU
    plain = re.sub(r"\s+", "", text).lower()
    for names, unit in ((_RLU, RLU), (_PER_ANGSTROM, PER_ANGSTROM), (_MEV, MEV)):
        if plain in names:
            return unit
    return ""


def name_of(caption: str) -> str:
    """``qh``, ``qk``, ``q``, ``energy`` or ``path`` for a caption; empty when it names none of them."""
    plain = re.sub(r"\s*\(?(r\.?l\.?u\.?|mev|1/angstrom|a\^-1)\)?$", "", caption.strip(), flags=re.IGNORECASE)
    direction = direction_of(plain)
    if direction is not None:
        return {(1.0, 0.0, 0.0): "qh", (0.0, 1.0, 0.0): "qk"}.get(direction, "path")
    plain = re.sub(r"[\s_]+", "", plain).lower()
    for name, captions in {
        "qh": {"qh", "h"},
        "qk": {"qk", "k"},
        "q": {"|q|", "q", "modq", "momentumtransfer"},
        "energy": {"deltae", "energy", "e", "de", "energytransfer", "omega", "hbaromega"},
        "path": {"path", "l", "ql"},
    }.items():
        if plain in captions:
            return name
    return ""


def _identify(data: AxisData, bins: int, which: str) -> tuple[Axis, bool, str]:
    """The axis, whether it runs backwards, and a note for the provenance."""
    values, note, label = np.asarray(data.values, float), "", ""
    if data.unit == "DeltaE":
        name, unit = "energy", MEV
    elif data.unit == "DeltaE_inWavenumber":
        name, unit, values, note = "energy", MEV, values * MEV_PER_WAVENUMBER, "energy converted from 1/cm to meV"
    elif data.unit == "MomentumTransfer":
        name, unit = "q", PER_ANGSTROM
    elif data.unit == "Label":
        name, unit, label = _identify_label(data, which)
    else:
        raise UnitError(*_unknown_unit(data.unit, which))
    if values.size not in (bins, bins + 1):
        raise MapError(
            f"the {which} axis has {values.size} values", f"the data have {bins} bins along it", "write the workspace to the file again"
        )
    if not np.all(np.isfinite(values)):
        raise MapError(f"the {which} axis has values that are not finite", "bins need edges", "correct the axis in Mantid")
    backwards = values.size > 1 and bool(np.all(np.diff(values) < 0))
    return Axis(name, unit, values[::-1] if backwards else values, is_edges=values.size == bins + 1, label=label), backwards, note


def _unknown_unit(unit: str, which: str) -> tuple[str, str, str]:
    about = f"the {which} axis cannot be used"
    if unit in ("spectraNumber", "Degrees", "TextAxis", "SpectraNumber"):
        return about, f"it counts spectra or angles (unit '{unit}')", "reduce to |Q| and E with SofQW3, or save as NXSPE"
    if unit in NO_UNIT:
        return about, "it has no unit", _unit_fix(which, "Qh" if which == "X" else "Qk")
    return about, f"its unit is '{unit}'", "give a map in DeltaE and MomentumTransfer, or in Qh and Qk (Label, r.l.u.)"


def _unit_fix(which: str, caption: str) -> str:
    axis = "X" if which == "X" else "Y"
    how = f"ConvertAxisByFormula with Axis='{axis}', Formula='x', AxisTitle='{caption}', AxisUnits='r.l.u.'"
    return f"if it is in r.l.u., set that in Mantid with {how}"


def _identify_label(data: AxisData, which: str) -> tuple[str, str, str]:
    name, caption = name_of(data.caption), data.caption.strip()
    unit = unit_of(data.label, of_hkl=name in ("qh", "qk") or direction_of(caption) is not None)
    if not unit and not data.label.strip():
        in_caption = re.search(r"\(([^()]*)\)$", caption)
        unit = unit_of(in_caption.group(1)) if in_caption else ""
    if not unit:
        stated = f"its unit '{data.label}' is none of r.l.u., 1/angstrom, meV" if data.label.strip() else "it has no unit"
        raise UnitError(f"the {which} axis '{caption}' cannot be used", stated, _unit_fix(which, caption))
    expected = {"qh": RLU, "qk": RLU, "q": PER_ANGSTROM, "energy": MEV}.get(name, unit)
    if unit != expected:
        raise UnitError(f"the {which} axis '{caption}' cannot be used", f"its unit is {unit} and not {expected}", "convert the axis")
    if not name:
        if unit == MEV:
            raise UnitError(f"the {which} axis '{caption}' cannot be used", "it is in meV but no energy transfer", "name it DeltaE")
        name = "path"
    return name, unit, caption if name == "path" else ""


# ---- workspace -> map


def to_map(data: WorkspaceData, *, ei: float | None = None) -> Map:
    """The map that a workspace holds; a constant-energy slice becomes a stack of one.

    Parameters
    ----------
    data
        The contents of the workspace.
    ei
        Incident energy in meV for a workspace without a log of it.

    Raises
    ------
    UnitError
        An axis without a unit, or with one that no map has.
    MapError
        Axes that make no map, a slice without its energy window, an incident energy that contradicts `ei`, bad values.
    """
    rows, columns = data.intensity.shape
    (x, x_back, x_note), (vertical, v_back, v_note) = _identify(data.x, columns, "X"), _identify(data.vertical, rows, "vertical")
    turn = (slice(None, None, -1 if v_back else 1), slice(None, None, -1 if x_back else 1))
    pixels: list[Any] = [None if array is None else array[turn] for array in (data.intensity, data.error, data.mask)]
    names = {vertical.name, x.name}
    if "energy" in names and names & {"qh", "qk"}:  # a cut along one direction of reciprocal space
        x, vertical = (Axis("path", a.unit, a.values, a.is_edges, _caption(a)) if a.name in ("qh", "qk") else a for a in (x, vertical))
    by_name = {axis.name: axis for axis in (x, vertical)}
    order = next((pair for pair in _MAPS if set(pair) == by_name.keys()), None)
    if order is None:
        raise MapError(
            f"a map with the axes {x.title} and {vertical.title} is none this package knows",
            "known are Qh with Qk at constant energy, |Q| with DeltaE, and a cut in r.l.u. with DeltaE",
            "cut the data to one of these, for the models to Qh with Qk",
        )
    first, second = (by_name[name] for name in order)
    if first is x:
        pixels = [None if array is None else array.T for array in pixels]
    intensity, error, mask = pixels
    mask, warnings = mask_sentinels(intensity, error, mask)
    error = _known_error(intensity, error, mask)
    own, about = {name: data.logs[name][0] for name in OWN_LOGS if name in data.logs}, described(data.logs)
    ei, ei_note = incident_energy(data.logs, ei)
    window_logs: tuple[str, ...] = ()
    provenance = [*about.pop("provenance", ()), *(note for note in (x_note, v_note, ei_note) if note)]
    warnings = (*about.pop("warnings", ()), *warnings)
    changes: dict[str, Any] = {}
    if first.name == "qh":
        low, high, window_logs, window_note = energy_window(data.logs)
        provenance += [window_note] if window_note else []
        changes["slices"] = Slices(np.array([np.nan if ei is None else ei]), np.array([low]), np.array([high]))
        intensity, error, mask = (None if a is None else a[np.newaxis] for a in (intensity, error, mask))
    else:
        changes["ei"] = ei
    if first.name == "path" and np.size(own.get("insdl_path", ())) == 3 * first.size:  # another size: rebinned since it was written
        points = np.asarray(own["insdl_path"], float).reshape(-1, 3)
        backwards = x_back if first is x else v_back
        changes["path"] = points[:: -1 if backwards else 1]
        corners = [(int(place), label) for place, label in re.findall(r"^(\d+) ?(.*)$", str(own.get("insdl_corners", "")), re.MULTILINE)]
        changes["corners"] = sorted((len(points) - 1 - place if backwards else place, label) for place, label in corners)
    used = {"Ei", *window_logs, *OWN_LOGS}
    return Map(
        intensity,
        (first, second),
        error=error,
        mask=mask,
        intensity_unit=intensity_unit(data.intensity_label),
        title=data.title.strip(),
        provenance=tuple(provenance),
        warnings=warnings,
        logs={k: (averaged(value), unit) for k, (value, unit) in data.logs.items() if k not in used},
        **about,
        **changes,
    )


def described(logs: Mapping[str, tuple[Any, str]]) -> dict[str, Any]:
    """What the package's own sample logs say of a map: material, frame, provenance and warnings, those that there are."""
    own = {name: str(logs[f"insdl_{name}"][0]) for name in ("material", "frame", "provenance", "warnings") if f"insdl_{name}" in logs}
    return {name: _lines(text) if name in ("provenance", "warnings") else text for name, text in own.items() if text}


def _caption(axis: Axis) -> str:
    return axis.label or {"qh": "Qh", "qk": "Qk"}.get(axis.name, axis.name)


def _lines(text: Any) -> list[str]:
    return [line for line in str(text).split("\n") if line.strip()]


def _known_error(intensity: np.ndarray, error: np.ndarray | None, mask: np.ndarray | None) -> np.ndarray | None:
    if error is None:
        return None
    good = ~np.isnan(intensity) & (True if mask is None else ~mask)
    return error if np.any(error[good] != 0) else None


def intensity_unit(label: str) -> str:
    """``arb. units`` out of ``Intensity (arb. units)``."""
    inside = re.fullmatch(r"Intensity \((.*)\)", label.strip())
    if inside:
        return inside.group(1).strip() or "arb. units"
    return "arb. units" if label.strip() in ("", "Intensity") else label.strip()


def _energy(logs: Mapping[str, tuple[Any, str]], name: str, *, positive: bool = False) -> tuple[float | None, str]:
    """A log in meV as one number and a note on what was done with a log of several, as `log_values.number`."""
    value, note = number(logs, name, positive=positive)
    if value is not None and logs[name][1] and not unit_of(logs[name][1]) == MEV:
        raise UnitError(f"the sample log '{name}' cannot be used", f"its unit is '{logs[name][1]}'", "give it in meV")
    return value, note


def incident_energy(logs: Mapping[str, tuple[Any, str]], given: float | None) -> tuple[float | None, str]:
    """The incident energy in meV and a note on where it is from: a measured log, else `given`, else a requested energy.

    Raises
    ------
    MapError
        The log and `given` differ by more than 2 %, or the log holds several energies.
    UnitError
        The log is not in meV.
    """
    for name in EI_LOGS:
        try:
            value, note = _energy(logs, name, positive=True)
        except MapError as error:
            if given is None or isinstance(error, UnitError):
                raise
            return float(given), f"Ei = {given:g} meV given by the user; {error.summary}: {error.reason}"
        if value is not None:
            if given is not None and abs(value - given) > 0.02 * value:
                raise MapError(
                    "the incident energy is not clear", f"the log {name} says {value:g} meV and you gave {given:g} meV", "leave yours out"
                )
            return value, _joined("" if name == "Ei" else f"Ei = {value:g} meV from the log {name}", note)
    if given is not None:
        return float(given), f"Ei = {given:g} meV given by the user"
    for name in REQUESTED_EI_LOGS:
        value, note = _energy(logs, name, positive=True)
        if value is not None:
            return value, _joined(f"Ei = {value:g} meV from the log {name}: the requested, not the measured energy", note)
    return None, ""


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def energy_window(logs: Mapping[str, tuple[Any, str]]) -> tuple[float, float, tuple[str, str], str]:
    """Lower and upper energy transfer of a slice in meV, the names of the logs they are from, and a note for the provenance.

    Raises
    ------
    MapError
        There are no such logs, or one holds several energies.
    UnitError
        One is not in meV.
    """
    for names in WINDOW_LOGS:
        (low, low_note), (high, high_note) = (_energy(logs, name) for name in names)
        if low is not None and high is not None:
            return low, high, names, _joined(low_note, high_note)
    raise MapError(
        "a (Qh, Qk) slice has no energy window",
        "its sample logs energy_min and energy_max are missing",
        "add both in meV (in Mantid: AddSampleLog with LogType='Number', LogUnit='meV')",
    )


def check_group(maps: Sequence[Map]) -> Map:
    """The stack of a group of workspaces, or the only map of a group of one."""
    if len(maps) == 1:
        return maps[0]
    other = next((m for m in maps if m.slices is None), None)
    if other is not None:
        raise MapError(
            f"the {len(maps)} workspaces cannot be taken as one map",
            f"one is a {other.kind} map, and only constant-energy slices make a stack",
            "give one of them at a time",
        )
    return stack(maps)


# ---- map -> workspace


def from_map(m: Map) -> list[WorkspaceData]:
    """The workspaces of a map: one for each slice of a stack, else a single one. `to_map` and `stack` are the inverse."""
    first, second = m.axes
    label = f"Intensity ({m.intensity_unit})"
    if m.slices is None:
        vertical = (
            AxisData("MomentumTransfer", first.values)
            if first.name == "q"
            else AxisData("Label", first.values, first.label or "Path", first.unit)
        )
        return [WorkspaceData(m.intensity, AxisData("DeltaE", second.values), vertical, m.error, None, _logs(m), m.title, label)]
    x, vertical = (AxisData("Label", a.values, {"qh": "Qh", "qk": "Qk"}[a.name], a.unit) for a in (first, second))
    return [
        WorkspaceData(m.intensity[i].T, x, vertical, None if m.error is None else m.error[i].T, None, _logs(m, i), m.title, label)
        for i in range(m.slices.size)
    ]


def _logs(m: Map, index: int | None = None) -> dict[str, tuple[Any, str]]:
    logs = dict(m.logs)
    ei = m.ei
    if index is not None:
        slices = m.require_slices()
        ei = float(slices.ei[index])
        logs["energy_min"] = (float(slices.energy_min[index]), MEV)
        logs["energy_max"] = (float(slices.energy_max[index]), MEV)
    if ei is not None and np.isfinite(ei):
        logs["Ei"] = (float(ei), MEV)
    if m.material:
        logs["insdl_material"] = (m.material, "")
    if m.frame:
        logs["insdl_frame"] = (m.frame, "")
    if m.provenance:
        logs["insdl_provenance"] = ("\n".join(line.replace("\n", " ") for line in m.provenance), "")
    if m.warnings:
        logs["insdl_warnings"] = ("\n".join(line.replace("\n", " ") for line in m.warnings), "")
    if m.path is not None:
        logs["insdl_path"] = (m.path.ravel(), RLU)
        if m.corners:
            logs["insdl_corners"] = ("\n".join(f"{place} {label}" for place, label in m.corners), "")
    return logs
