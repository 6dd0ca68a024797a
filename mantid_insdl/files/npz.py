"""Maps in numpy's npz files, by documented keys.

All arrays are plain numbers or text: files with pickled objects are refused.

====================  ==================================================================================================
layout                keys (units); shapes
====================  ==================================================================================================
slices                ``intensity`` (Ei, bin, row, column) or (slice, row, column); ``ei`` (meV): one for each Ei, or for
                      each slice, or a single one; ``energy_edges`` (meV): (Ei, bin + 1), or (bin + 1,) for a single Ei;
                      instead of ``energy_edges`` also ``energy_min`` and ``energy_max`` (slice,). Momentum (r.l.u.):
                      ``q``, the same for rows and columns, or ``qh`` (rows) and ``qk`` (columns); pixel centres, or
                      edges when one longer than the pixels.
powder                ``intensity`` (q, energy); ``q`` (1/angstrom); ``energy`` (meV); optionally ``ei`` (meV).
cut                   ``intensity`` (energy, point); ``q_rlu`` (point, 3): h, k, l of each; ``energy`` (meV).
this package's own    written by `write`: ``head`` (JSON) and the arrays of `Map.to_arrays`.
====================  ==================================================================================================

Optional in all: ``error`` (standard error) and ``mask`` (True = masked), of the shape of ``intensity``; ``material`` (text).

Axes that fall are turned with their pixels; errors that are zero everywhere are none; pixels beyond `sentinels.LIMIT` are masked.

Where slices have neither errors nor a single masked pixel (``mask``, NaN, sentinel), detector gaps may be among their exact zeros:
`detector_gaps` looks for them, and a warning says what was masked, or that zeros cannot be told from gaps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.errors import FileFormatError, MapError, printable
from mantid_insdl.files._writing import replacing
from mantid_insdl.files.detector_gaps import without_gaps
from mantid_insdl.files.sentinels import mask_sentinels
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices
from mantid_insdl.untrusted.archives import LARGEST_ARRAY, read_npz
from mantid_insdl.untrusted.reading import Origin
from mantid_insdl.untrusted.text import json_of

_KEYS = {
    "intensity", "error", "mask", "gap", "material", "ei", "energy", "energy_edges", "energy_min", "energy_max", "q", "qh", "qk", "q_rlu",
    "head", "path",
}  # fmt: skip
MASKED = "masked the pixels of "
"""How the line of provenance of a map begins whose pixels a file has masked."""
_LARGEST = 4 * LARGEST_ARRAY  # bytes of a whole file, unpacked
_LAYOUTS = "slices need intensity, ei, energy_edges and q (or qh, qk); a |Q|-E map intensity, q and energy; a cut intensity, q_rlu, energy"


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file that have a meaning here, checked for type and size before they are read."""
    origin = Origin(f"'{path.name}'", FileFormatError, "copy or write the file again")
    return read_npz(path, origin, _LARGEST, wanted=_KEYS | {"axis_*"})


def read(path: str | Path, *, ei: float | None = None, find_gaps: bool = True) -> Map:
    """The map in an npz file; for the keys see the module's text.

    Parameters
    ----------
    path
        The file.
    ei
        Incident energy in meV where the file has no ``ei``.
    find_gaps
        False leaves zeros as measured values even where the file has neither errors nor a mask.

    Raises
    ------
    FileFormatError
        The file is damaged, holds pickled objects, or lacks keys; the message names them.
    MapError
        Arrays whose shapes do not fit.
    """
    path = Path(path)
    arrays = read_arrays(path)
    if "head" in arrays:
        m = _with_ei(_read_own(arrays, path), ei)
        mask, warnings = mask_sentinels(m.intensity, m.error, m.mask)
        return m.replace(mask=mask, warnings=(*m.warnings, *warnings))
    if "intensity" not in arrays:
        raise FileFormatError(f"'{path.name}' is no map", "it has no 'intensity'", _LAYOUTS)
    for key, array in arrays.items():
        if (key == "material") != (array.dtype.kind in "US"):
            raise FileFormatError(
                f"'{path.name}' cannot be used", f"'{key}' has the type {array.dtype}", "save numbers, and text for material"
            )
    if "mask" not in arrays and "gap" in arrays:
        arrays["mask"] = arrays["gap"]
    arrays, warnings = _cleaned(arrays)
    if "q_rlu" in arrays:
        m = _cut(arrays, path)
    elif "energy" in arrays and "energy_edges" not in arrays:
        m = _powder(arrays, path)
    else:
        m = _slices(arrays, path, ei)
    m = _with_ei(m, ei)
    if arrays.get("material", np.empty(0)).size:
        m = m.replace(material=printable(str(arrays["material"].reshape(-1)[0])))
    if warnings:
        m = m.replace(warnings=(*m.warnings, *warnings))
    if find_gaps and m.slices is not None and m.error is None and "mask" not in arrays and not m.mask.any():
        m = without_gaps(m)
    return m


def _cleaned(arrays: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Sentinels in the mask, with a warning, and no errors where all that count are zero. Shapes that do not fit are left for later."""
    intensity = arrays["intensity"]
    if any(arrays[key].shape != intensity.shape for key in ("error", "mask") if key in arrays):
        return arrays, ()
    given = arrays["mask"].astype(bool) if "mask" in arrays else None
    mask, warnings = mask_sentinels(intensity, arrays.get("error"), given)
    arrays = arrays if mask is None else {**arrays, "mask": mask}
    if "error" in arrays:
        good = ~np.isnan(intensity) & (True if mask is None else ~mask)
        if not np.any(arrays["error"][good] != 0):
            arrays = {key: array for key, array in arrays.items() if key != "error"}
    return arrays, warnings


def write(m: Map, path: str | Path) -> Path:
    """Write a map as this package's own npz: everything a `Map` holds, exactly.

    Raises
    ------
    OutputError
        The folder is missing or cannot be written to.
    """
    path = Path(path)
    head, arrays = m.to_arrays()
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, head=np.array(json.dumps(head, default=str)), **arrays)  # type: ignore[arg-type]  # no name is allow_pickle
    return path


def _read_own(arrays: dict[str, np.ndarray], path: Path) -> Map:
    try:
        head = json_of(str(arrays.pop("head").reshape(-1)[0]), Origin(f"the head of '{path.name}'", FileFormatError, "write it again"))
        return Map.from_arrays(head, arrays)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise FileFormatError(f"'{path.name}' is no map of this package", f"its head is incomplete ({error})", "write it again") from error


def _need(arrays: Mapping[str, np.ndarray], path: Path, *keys: str) -> None:
    missing = [f"'{key}'" for key in keys if key not in arrays]
    if missing:
        raise FileFormatError(f"'{path.name}' is incomplete", f"it has no {', '.join(missing)}", _LAYOUTS)


def _axis(name: str, unit: str, values: np.ndarray, bins: int) -> tuple[Axis, slice]:
    """An axis that rises, and how to turn the pixels along it."""
    if values.ndim != 1 or values.size not in (bins, bins + 1):
        raise MapError(f"'{name}' has the shape {values.shape}", f"the intensity has {bins} bins along it", "give bin centres or edges")
    turn = slice(None, None, -1 if values.size > 1 and np.all(np.diff(values) < 0) else None)
    return Axis(name, unit, values[turn], is_edges=values.size == bins + 1), turn


def _turned(arrays: Mapping[str, Any], turns: tuple[slice, ...]) -> dict[str, Any]:
    """Intensity, error and mask with their last axes turned."""
    return {key: arrays[key][..., *turns] for key in ("intensity", "error", "mask") if key in arrays}


def _powder(arrays: Mapping[str, np.ndarray], path: Path) -> Map:
    _need(arrays, path, "q", "energy")
    intensity = _two_dimensional(arrays, "(q, energy)")
    q, q_turn = _axis("q", PER_ANGSTROM, arrays["q"], intensity.shape[0])
    energy, energy_turn = _axis("energy", MEV, arrays["energy"], intensity.shape[1])
    _require_shape(arrays)
    return Map(axes=(q, energy), ei=_single_ei(arrays), **_turned(arrays, (q_turn, energy_turn)))


def _cut(arrays: Mapping[str, np.ndarray], path: Path) -> Map:
    _need(arrays, path, "energy")
    intensity, points = _two_dimensional(arrays, "(energy, point)"), arrays["q_rlu"]
    if points.shape != (intensity.shape[1], 3):
        raise MapError(f"'q_rlu' has the shape {points.shape}", f"the cut has {intensity.shape[1]} points", "give h, k, l of each point")
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    if not np.any(steps > 0):
        raise MapError("'q_rlu' is a single point", "a cut runs along a path", "give the h, k, l of each point")
    steps[steps == 0] = np.median(steps[steps > 0])  # the corner of a path given twice, as end of one leg and start of the next
    along = Axis("path", RLU, np.concatenate(([0.0], np.cumsum(steps))), label="distance along the path")
    energy, turn = _axis("energy", MEV, arrays["energy"], intensity.shape[0])
    _require_shape(arrays)
    parts = {key: array.T for key, array in _turned(arrays, (turn, slice(None))).items()}
    return Map(axes=(along, energy), ei=_single_ei(arrays), path=points, **parts)


def _two_dimensional(arrays: Mapping[str, np.ndarray], shape: str) -> np.ndarray:
    intensity = arrays["intensity"]
    if intensity.ndim != 2:
        raise MapError(
            f"'intensity' has the shape {intensity.shape}", f"with these keys it should be {shape}", "give other keys or another shape"
        )
    return intensity


def _single_ei(arrays: Mapping[str, np.ndarray]) -> float | None:
    if "ei" not in arrays:
        return None
    if arrays["ei"].size != 1:
        raise MapError(f"'ei' has {arrays['ei'].size} values", "a map with an energy axis has one incident energy", "give one")
    return float(arrays["ei"].reshape(-1)[0])


def _with_ei(m: Map, ei: float | None) -> Map:
    """The map with the user's incident energy where it has none; one that contradicts the file is refused."""
    if ei is None:
        return m
    known = m.slices.ei if m.slices is not None else np.array([np.nan if m.ei is None else m.ei])
    wrong = known[np.abs(known - ei) > 0.02 * known]
    if wrong.size:
        raise MapError("the incident energy is not clear", f"the file says {wrong[0]:g} meV and you gave {ei:g} meV", "leave yours out")
    if not np.any(np.isnan(known)):
        return m
    note = f"Ei = {ei:g} meV given by the user"
    if m.slices is None:
        return m.replace(ei=float(ei), note=note)
    return m.replace(slices=Slices(np.where(np.isnan(known), ei, known), m.slices.energy_min, m.slices.energy_max), note=note)


def _slices(arrays: Mapping[str, np.ndarray], path: Path, ei: float | None) -> Map:
    intensity = arrays["intensity"]
    windows = ("energy_min", "energy_max") if "energy_edges" not in arrays and "energy_min" in arrays else ("energy_edges",)
    momenta = ("qh", "qk") if {"qh", "qk"} & arrays.keys() else ("q",)
    _need(arrays, path, *windows, *momenta, *(() if ei is not None else ("ei",)))
    if intensity.ndim not in (3, 4):
        raise MapError(
            f"'intensity' has the shape {intensity.shape}", "slices are (Ei, bin, row, column) or (slice, row, column)", "reshape it"
        )
    grid = intensity.shape[:-2]
    axes, turns = zip(
        *(
            _axis(name, RLU, arrays[key], bins)
            for name, key, bins in zip(("qh", "qk"), (momenta[0], momenta[-1]), intensity.shape[-2:], strict=True)
        ),
        strict=True,
    )
    slices = _slices_of(arrays, grid, np.atleast_1d(arrays.get("ei", np.nan)))
    _require_shape(arrays)
    stacked = {key: array.reshape(slices.size, *intensity.shape[-2:]) for key, array in _turned(arrays, turns).items()}
    notes = ("rows taken as Qh and columns as Qk: the file does not say which is which",) if momenta == ("q",) else ()
    return Map(axes=axes, slices=slices, provenance=notes, **stacked)


def _require_shape(arrays: Mapping[str, np.ndarray]) -> None:
    for key in ("error", "mask"):
        if key in arrays and arrays[key].shape != arrays["intensity"].shape:
            raise MapError(
                f"'{key}' has the shape {arrays[key].shape}", f"the intensity has {arrays['intensity'].shape}", "make them equal"
            )


def _slices_of(arrays: Mapping[str, np.ndarray], grid: tuple[int, ...], ei: np.ndarray) -> Slices:
    """The slices of `grid` (Ei, bin) or (slice,), from ``energy_edges`` or ``energy_min`` and ``energy_max``."""
    total = int(np.prod(grid))
    if "energy_edges" in arrays:
        edges = np.atleast_2d(arrays["energy_edges"])
        if edges.shape[0] * (edges.shape[1] - 1) != total or (len(grid) == 2 and edges.shape != (grid[0], grid[1] + 1)):
            raise MapError(
                f"'energy_edges' has the shape {arrays['energy_edges'].shape}",
                f"the intensity has {grid} slices",
                "give (Ei, bin + 1) edges",
            )
        low, high = np.minimum(edges[:, :-1], edges[:, 1:]).ravel(), np.maximum(edges[:, :-1], edges[:, 1:]).ravel()
    else:
        low, high = arrays["energy_min"].ravel(), arrays["energy_max"].ravel()
        if low.size != total or high.size != total:
            raise MapError(f"the energy windows are {low.size} and {high.size}", f"the intensity has {total} slices", "give one for each")
    if total % ei.size:
        raise MapError(f"'ei' has {ei.size} values", f"the intensity has {grid} slices", "give one for each Ei or each slice")
    return Slices(np.repeat(ei.ravel(), total // ei.size), low, high)


# ---- masks


def with_mask_of(m: Map, mask: str | Path | np.ndarray) -> Map:
    """The map in which the pixels of `mask_for` are masked as well, which its provenance tells."""
    source = f"'{Path(mask).name}'" if isinstance(mask, str | Path) else "the given array"
    return m.with_mask(mask_for(m, mask), note=f"{MASKED}{source}")


def mask_for(m: Map, mask: str | Path | np.ndarray) -> np.ndarray:
    """The mask, in the shape of the map, that an array or a npz file holds.

    A file has ``gap`` or ``mask`` (True = masked), for a cut as (energy, point). Where it has ``ei`` it may hold more incident energies
    than the map, and each slice takes the one of its own Ei and, with ``energy_edges``, of its own energy window.

    Raises
    ------
    FileFormatError
        The file has no mask.
    MapError
        The mask does not fit the map, or lacks an incident energy or energy window of it.
    """
    if not isinstance(mask, str | Path):
        return _fitted(np.asarray(mask, bool), m, "the mask")
    path = Path(mask)
    try:
        arrays = read_arrays(path)
    except FileNotFoundError:
        raise FileFormatError(f"the mask file '{path}' does not exist", fix="check the path") from None
    key = next((key for key in ("mask", "gap") if key in arrays), None)
    if key is None:
        raise FileFormatError(f"'{path.name}' holds no mask", "it has neither 'mask' nor 'gap'", "save a boolean array under one of them")
    array = arrays[key].astype(bool)
    if m.slices is None or "ei" not in arrays or array.ndim < 3:
        as_in_files = m.kind == "cut" and "head" not in arrays and array.shape == m.shape[::-1]  # (energy, point)
        return _fitted(array.T if as_in_files else array, m, f"the mask of '{path.name}'")
    return _matched(m, array, arrays, path)


def _fitted(array: np.ndarray, m: Map, name: str) -> np.ndarray:
    """A mask in the shape of the map; its slices may be counted along several axes, as (Ei, bin)."""
    if array.size != m.intensity.size or array.shape[-2:] != m.shape[-2:]:
        raise MapError(f"{name} has the shape {array.shape}", f"the map has {m.shape}", "give one value for each pixel, in its shape")
    return array.reshape(m.shape)


def _matched(m: Map, array: np.ndarray, arrays: Mapping[str, np.ndarray], path: Path) -> np.ndarray:
    grid, pixels = array.shape[:-2], array.shape[-2:]
    if pixels != m.shape[1:]:
        raise MapError(f"the mask of '{path.name}' has {pixels} pixels", f"the map has {m.shape[1:]}", "give a mask on the map's axes")
    array = array.reshape(-1, *pixels)
    windows = "energy_edges" in arrays or {"energy_min", "energy_max"} <= arrays.keys()
    if not windows:
        number = np.arange(array.shape[0], dtype=float)  # no windows: by order within each Ei
        arrays = {**arrays, "energy_min": number, "energy_max": number + 1}
    theirs = _slices_of(arrays, grid, np.atleast_1d(arrays["ei"]))
    result, slices = np.empty(m.shape, bool), m.require_slices()
    for i in range(slices.size):
        same = np.abs(theirs.ei - slices.ei[i]) <= 0.02 * theirs.ei if np.isfinite(slices.ei[i]) else np.ones(theirs.size, bool)
        if windows:
            width = slices.energy_max[i] - slices.energy_min[i]
            same &= np.abs(theirs.energy_min - slices.energy_min[i]) < 0.1 * width
            same &= np.abs(theirs.energy_max - slices.energy_max[i]) < 0.1 * width
            found = np.flatnonzero(same)
        else:
            position = np.count_nonzero(slices.ei[:i] == slices.ei[i])
            found = np.flatnonzero(same)[position : position + 1]
        if found.size == 0:
            raise MapError(f"the mask of '{path.name}' lacks a slice of the map", slices.describe(i), "give a mask for all slices")
        result[i] = array[found[0]]
    return result
