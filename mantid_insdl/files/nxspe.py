"""NXSPE: a direct-geometry spectrometer's spectra, detector by detector (SaveNXSPE), reduced to a \\|Q\\|-E map.

Sources: Mantid's SaveNXSPE.cpp and LoadNXSPE.cpp (NXSPE 1.0 to 1.3). A masked spectrum is NaN, or below -1e10 as the loader
allows; a spectrum without a detector is zero with zero errors. Intensities are kept as stored: when ``ki_over_kf_scaling`` is 1
they are already multiplied by ki/kf, else they are a double-differential cross-section that this reader multiplies by it, so that
maps from either kind of file show the dynamical structure factor.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.errors import FileFormatError, MapError
from mantid_insdl.files._hdf5 import attribute, groups, open_hdf5, read_array, read_text
from mantid_insdl.files.qe_rebin import default_q_edges, rebin
from mantid_insdl.maps import MEV, PER_ANGSTROM, Axis, Map

if TYPE_CHECKING:
    import h5py

_MASKED_BELOW = -1e10  # LoadNXSPE


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
        node = entry(file)
        if node is None or "data" not in groups(node):
            raise FileFormatError(f"'{path.name}' is not a complete NXSPE file", "it has no group 'data'", "save it again with SaveNXSPE")
        data = node["data"]
        intensity, error = read_array(data, "data", ndim=2), read_array(data, "error", ndim=2)
        energy, polar, width = (read_array(data, name).ravel() for name in ("energy", "polar", "polar_width"))
        unit = attribute(data["energy"], "units") or MEV
        info = groups(node).get("NXSPE_info")
        fixed = read_array(info, "fixed_energy").ravel() if info is not None and "fixed_energy" in info else np.array([])
        scaled = info is not None and "ki_over_kf_scaling" in info and int(read_array(info, "ki_over_kf_scaling").ravel()[0]) == 1
        psi = float(read_array(info, "psi").ravel()[0]) if info is not None and "psi" in info else np.nan
        instrument = read_text(node["instrument"], "name") if "instrument" in groups(node) else ""
    if unit.lower() != "mev":
        raise FileFormatError(f"'{path.name}' has energies in '{unit}'", "NXSPE has meV", "save it again with SaveNXSPE")
    spectra, bins = intensity.shape
    if error.shape != intensity.shape or {polar.size, width.size} != {spectra} or energy.size not in (bins, bins + 1):
        raise FileFormatError(
            f"'{path.name}' contradicts itself",
            f"data {intensity.shape}, error {error.shape}, energy {energy.shape}, polar {polar.shape}, polar_width {width.shape}",
            "save it again with SaveNXSPE",
        )
    ei, ei_note = _fixed_energy(fixed, ei)
    energy_axis = Axis("energy", MEV, Axis("energy", MEV, energy, is_edges=energy.size == bins + 1).edges, is_edges=True)
    masked = ~np.isfinite(intensity) | (intensity <= _MASKED_BELOW)
    empty = np.all((intensity == 0) & (error == 0), axis=1) | ~np.isfinite(polar) | ~np.isfinite(width) | (width <= 0)
    counted = int(np.count_nonzero(np.all(masked, axis=1)))
    use = ~empty & ~np.all(masked, axis=1)
    if not np.any(use):
        raise MapError("no spectrum is usable", "all are masked, empty or without a detector", "unmask detectors and save again")
    intensity = np.where(masked, np.nan, intensity)[use]
    error = np.where(masked, 0.0, error)[use]
    if not np.all(np.isfinite(error)) or np.any(error < 0):
        raise MapError("it has errors that are infinite, negative or NaN", "they weigh the spectra", "mask those bins and save again")
    angles, widths = np.radians(polar[use]), np.radians(width[use])
    if not scaled:
        factor = _ki_over_kf(ei, energy_axis.centres)
        intensity, error = intensity * factor, error * factor
    if q_edges is None:
        q_edges = default_q_edges(ei, energy_axis.edges, angles, widths)
    mean, sigma, _ = rebin(
        intensity,
        error,
        ei=ei,
        energy_edges=energy_axis.edges,
        two_theta=angles,
        two_theta_width=widths,
        q_edges=np.asarray(q_edges, float),
    )
    notes = [
        ei_note,
        "ki/kf scaling " + ("already applied in the file" if scaled else "applied by this package"),
        f"{np.count_nonzero(use)} of {spectra} spectra rebinned onto |Q|-E by fractional area "
        f"({counted} masked, {np.count_nonzero(empty)} without counts or detector)",
    ]
    logs = {"instrument": (instrument, "")} if instrument else {}
    if np.isfinite(psi) and psi > _MASKED_BELOW:
        logs["psi"] = (psi, "degree")
    return Map(
        mean,
        (Axis("q", PER_ANGSTROM, q_edges, is_edges=True), energy_axis),
        error=None if np.all(error == 0) else sigma,
        ei=ei,
        provenance=tuple(note for note in notes if note),
        logs=logs,
    )


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
