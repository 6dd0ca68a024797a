"""NXSPE: a direct-geometry spectrometer's spectra, detector by detector (SaveNXSPE), reduced to a \\|Q\\|-E map.

Sources: Mantid's SaveNXSPE.cpp and LoadNXSPE.cpp (NXSPE 1.0 to 1.3). A masked spectrum is NaN, or below -1e10 as the loader allows; here
any bin beyond `sentinels.LIMIT` is masked. A spectrum without a detector is zero with zero errors. When ``ki_over_kf_scaling`` is 1 the
intensities are already multiplied by ki/kf; when it is 0 they are a double-differential cross-section and this reader multiplies them, so
that maps from either kind of file show the dynamical structure factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mantid_insdl.errors import FileFormatError, MapError
from mantid_insdl.files._hdf5 import attribute, dataset, groups, open_hdf5, read_array, read_text
from mantid_insdl.files.qe_rebin import default_q_edges, rebin
from mantid_insdl.files.sentinels import LIMIT, find_sentinels, mask_sentinels
from mantid_insdl.maps import MEV, PER_ANGSTROM, Axis, Map

if TYPE_CHECKING:
    import h5py


_SCALING_NOTES = {
    1: "ki/kf scaling already applied in the file",
    0: "ki/kf scaling applied by this package",
    None: "the file does not say whether ki/kf scaling is applied: intensities as stored",
}


def entry(file: h5py.File) -> h5py.Group | None:
    """The NXSPE entry of a file, or None when it is of another kind."""
    for group in groups(file).values():
        if read_text(group, "definition").upper() == "NXSPE" or "NXSPE_info" in groups(group):
            return group
    return None


def read(path: str | Path, *, ei: float | None = None, q_edges: np.ndarray | None = None) -> Map:
    """The \\|Q\\|-E map of an NXSPE file.

    Parameters
    ----------
    path
        The file.
    ei
        Incident energy in meV where the file has none.
    q_edges : (q + 1,)
        Edges of the \\|Q\\| bins in 1/angstrom; default: see `qe_rebin.default_q_edges`.

    Raises
    ------
    FileFormatError
        The file is damaged, incomplete or contradicts itself.
    MapError
        No incident energy, an indirect-geometry file, or no unmasked spectrum.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        contents = _contents(file, path)
    ei, ei_note = _fixed_energy(contents.fixed_energy, ei)
    use, masked, use_note = _usable(contents)
    _, warnings = mask_sentinels(contents.intensity, contents.error, ~use[:, np.newaxis] | ~np.isfinite(contents.intensity))
    intensity = np.where(masked, np.nan, contents.intensity)[use]
    error = np.where(masked, 0.0, contents.error)[use]
    if not np.all(np.isfinite(error)) or np.any(error < 0):
        raise MapError("it has errors that are infinite, negative or NaN", "they weigh the spectra", "mask those bins and save again")
    energy, angles = contents.energy, np.radians(np.abs(contents.polar[use]))
    widths, width_note = _widths(np.radians(contents.polar_width[use]))
    if contents.scaling == 0:
        factor = _ki_over_kf(ei, energy.centres)
        intensity, error = intensity * factor, error * factor
    if q_edges is None:
        q_edges = default_q_edges(ei, energy.values, angles, widths)
    q = Axis("q", PER_ANGSTROM, q_edges, is_edges=True)
    mean, sigma, _ = rebin(intensity, error, ei=ei, energy_edges=energy.values, two_theta=angles, two_theta_width=widths, q_edges=q.values)
    return Map(
        mean,
        (q, energy),
        error=None if np.all(error == 0) else sigma,
        ei=ei,
        provenance=tuple(note for note in (ei_note, width_note, _SCALING_NOTES[contents.scaling], use_note) if note),
        warnings=warnings,
        logs=contents.logs,
    )


@dataclass(frozen=True)
class _Contents:
    """What an NXSPE file holds; angles in degrees."""

    intensity: np.ndarray
    error: np.ndarray
    energy: Axis
    polar: np.ndarray
    polar_width: np.ndarray
    fixed_energy: np.ndarray
    scaling: int | None
    logs: dict[str, tuple[Any, str]]


def _contents(file: h5py.File, path: Path) -> _Contents:
    node = entry(file)
    if node is None or "data" not in groups(node):
        raise FileFormatError(f"'{path.name}' is not a complete NXSPE file", "it has no group 'data'", "save it again with SaveNXSPE")
    data = node["data"]
    intensity, error = read_array(data, "data", ndim=2), read_array(data, "error", ndim=2)
    energy, polar, width = (read_array(data, name).ravel() for name in ("energy", "polar", "polar_width"))
    unit = attribute(data["energy"], "units") or MEV
    if unit.lower() != "mev":
        raise FileFormatError(f"'{path.name}' has energies in '{unit}'", "NXSPE has meV", "save it again with SaveNXSPE")
    spectra, bins = intensity.shape
    if error.shape != intensity.shape or {polar.size, width.size} != {spectra} or energy.size not in (bins, bins + 1):
        raise FileFormatError(
            f"'{path.name}' contradicts itself",
            f"data {intensity.shape}, error {error.shape}, energy {energy.shape}, polar {polar.shape}, polar_width {width.shape}",
            "save it again with SaveNXSPE",
        )
    info, instrument = groups(node).get("NXSPE_info"), groups(node).get("instrument")

    def number(name: str) -> np.ndarray:
        return np.array([]) if info is None or dataset(info, name) is None else read_array(info, name).ravel()

    logs: dict[str, tuple[Any, str]] = {}
    if instrument is not None and read_text(instrument, "name"):
        logs["instrument"] = (read_text(instrument, "name"), "")
    psi, scaling = number("psi"), number("ki_over_kf_scaling")
    if psi.size and np.isfinite(psi[0]) and psi[0] > -LIMIT:
        logs["psi"] = (float(psi[0]), "degree")
    edges = Axis("energy", MEV, energy, is_edges=energy.size == bins + 1).edges
    return _Contents(
        intensity,
        error,
        Axis("energy", MEV, edges, is_edges=True),
        polar,
        width,
        fixed_energy=number("fixed_energy"),
        scaling=int(scaling[0] == 1) if scaling.size else None,
        logs=logs,
    )


def _usable(contents: _Contents) -> tuple[np.ndarray, np.ndarray, str]:
    """Which spectra to use, which of all bins are masked, and a note of how many are left out."""
    masked = ~np.isfinite(contents.intensity) | find_sentinels(contents.intensity, contents.error)
    all_masked = np.all(masked, axis=1)
    empty = np.all((contents.intensity == 0) & (contents.error == 0), axis=1) | ~np.isfinite(contents.polar)
    use = ~all_masked & ~empty
    if not np.any(use):
        raise MapError("no spectrum is usable", "all are masked, empty or without a detector", "unmask detectors and save again")
    note = (
        f"{np.count_nonzero(use)} of {use.size} spectra rebinned onto |Q|-E by fractional area "
        f"({np.count_nonzero(all_masked)} masked, {np.count_nonzero(empty)} without counts or detector)"
    )
    return use, masked, note


def _widths(widths: np.ndarray) -> tuple[np.ndarray, str]:
    """Angular widths, with the median in place of those that are not positive."""
    known = np.isfinite(widths) & (widths > 0)
    if not np.any(known):
        raise MapError("its detectors have no angular width", "all polar_width are zero or NaN", "save it again with SaveNXSPE")
    if np.all(known):
        return widths, ""
    filled = np.where(known, widths, np.median(widths[known]))
    return filled, f"{np.count_nonzero(~known)} detectors without an angular width take the median one"


def _fixed_energy(fixed: np.ndarray, given: float | None) -> tuple[float, str]:
    if fixed.size > 1:
        raise MapError(
            "it comes from an indirect-geometry spectrometer", f"it has {fixed.size} fixed energies", "give direct-geometry data"
        )
    if fixed.size == 1 and np.isfinite(fixed[0]) and fixed[0] > 0:
        if given is not None and abs(given - fixed[0]) > 0.02 * fixed[0]:
            raise MapError(
                "the incident energy is not clear", f"the file says {fixed[0]:g} meV and you gave {given:g} meV", "leave yours out"
            )
        return float(fixed[0]), ""
    if given is None:
        raise MapError("it has no incident energy", "fixed_energy is missing or not positive", "give Ei in meV: load(..., ei=...) or --ei")
    return float(given), f"Ei = {given:g} meV given by the user"


def _ki_over_kf(ei: float, energy: np.ndarray) -> np.ndarray:
    """sqrt(Ei / Ef), NaN where the energy transfer is not below Ei."""
    final = ei - energy
    return np.sqrt(ei / np.where(final > 0, final, np.nan))
