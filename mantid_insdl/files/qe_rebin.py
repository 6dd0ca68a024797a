"""Detectors' spectra onto a \\|Q\\|-E grid, by the overlap of areas.

A detector of scattering angle 2 theta and angular width w sees, in one energy bin, the area of the (E, \\|Q\\|) plane between
the energies of the bin and the curves \\|Q\\|(E) of its two edges. Taken as a quadrilateral, this area is shared among the bins
of the output in the proportion of overlap, as Mantid's SofQWNormalisedPolygon (SofQW3) does (FractionalRebinning.cpp).
"""

from __future__ import annotations

import numpy as np

from mantid_insdl.errors import MapError
from mantid_insdl.instrument.kinematics import MEV_ANGSTROM2, wavenumber

_CHUNK = 500_000


def momentum_transfer(ei: float, energy: np.ndarray, two_theta: np.ndarray) -> np.ndarray:
    """\\|Q\\| in 1/angstrom for direct geometry: Q^2 = ki^2 + kf^2 - 2 ki kf cos(2 theta).

    Parameters
    ----------
    ei
        Incident energy, meV.
    energy
        Energy transfer, meV; NaN results where it is above `ei`.
    two_theta
        Scattering angle, radian; broadcasts against `energy`.
    """
    ki2, kf2 = ei / MEV_ANGSTROM2, np.asarray((ei - energy) / MEV_ANGSTROM2)
    kf2 = np.where(kf2 < 0, np.nan, kf2)
    return np.sqrt(np.maximum(ki2 + kf2 - 2 * np.sqrt(ki2 * kf2) * np.cos(two_theta), 0.0))


def _area_below(level: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean of (level - x)+ for x running evenly from `a` to `b`: the area below `level` and above the line from a to b."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    inside = (level - low) ** 2 / (2 * np.where(high > low, high - low, 1.0))
    return np.where(level <= low, 0.0, np.where(level >= high, level - 0.5 * (a + b), inside))


def rebin(
    intensity: np.ndarray,
    error: np.ndarray,
    *,
    ei: float,
    energy_edges: np.ndarray,
    two_theta: np.ndarray,
    two_theta_width: np.ndarray,
    q_edges: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean intensity of the detectors' spectra in bins of \\|Q\\|, the energy bins staying as they are.

    Parameters
    ----------
    intensity, error : (spectrum, energy)
        NaN intensities are left out.
    ei
        Incident energy, meV.
    energy_edges : (energy + 1,)
        meV. Bins that reach above `ei` have no \\|Q\\| and are left out.
    two_theta, two_theta_width : (spectrum,)
        Scattering angles and angular widths, radian.
    q_edges : (q + 1,)
        1/angstrom, rising.

    Returns
    -------
    intensity, error : (q, energy)
        NaN where no detector reaches. With f the fraction of an input area inside an output bin, the intensity is
        sum(f I) / sum(f) and the error sqrt(sum(f sigma^2)) / sum(f): an input bin's variance is shared as counts are.
    area : (q, energy)
        sum(f), Mantid's ``frac_area``.
    """
    low_angle = np.maximum(two_theta - 0.5 * two_theta_width, 0.0)
    high_angle = two_theta + 0.5 * two_theta_width
    n_q, n_energy = q_edges.size - 1, energy_edges.size - 1
    sums = np.zeros((3, n_q * n_energy))
    rows = max(1, _CHUNK // n_energy)
    for start in range(0, intensity.shape[0], rows):
        part = slice(start, start + rows)
        bottom = momentum_transfer(ei, energy_edges, low_angle[part, None])
        top = momentum_transfer(ei, energy_edges, high_angle[part, None])
        used = np.isfinite(intensity[part]) & np.isfinite(top[:, :-1]) & np.isfinite(top[:, 1:])
        _share(sums, intensity[part], error[part], bottom=bottom, top=top, used=used, q_edges=q_edges)
    signal, variance, area = sums.reshape(3, n_q, n_energy)
    seen = area > 1e-12
    total = np.where(seen, area, np.nan)
    return signal / total, np.sqrt(variance) / total, np.where(seen, area, 0.0)


def _share(
    sums: np.ndarray,
    intensity: np.ndarray,
    error: np.ndarray,
    *,
    bottom: np.ndarray,
    top: np.ndarray,
    used: np.ndarray,
    q_edges: np.ndarray,
) -> None:
    """Add each input bin's share in every output bin to `sums` (signal, variance, area)."""
    n_q, n_energy = q_edges.size - 1, intensity.shape[1]
    column = np.broadcast_to(np.arange(n_energy), intensity.shape)[used]
    b0, b1, t0, t1 = bottom[:, :-1][used], bottom[:, 1:][used], top[:, :-1][used], top[:, 1:][used]
    signal, variance = intensity[used], error[used] ** 2
    whole = 0.5 * (t0 + t1 - b0 - b1)
    first = np.searchsorted(q_edges, np.minimum(b0, b1), side="right") - 1
    last = np.searchsorted(q_edges, np.maximum(t0, t1), side="left") - 1
    for step in range(int(np.max(last - first, initial=-1)) + 1):
        bin_ = first + step
        here = (bin_ <= last) & (bin_ >= 0) & (bin_ < n_q) & (whole > 0)
        if not np.any(here):
            continue
        edges = q_edges[bin_[here]], q_edges[bin_[here] + 1]
        below = [_area_below(q, b0[here], b1[here]) - _area_below(q, t0[here], t1[here]) for q in edges]
        fraction = (below[1] - below[0]) / whole[here]
        target = bin_[here] * n_energy + column[here]
        for i, value in enumerate((fraction * signal[here], fraction * variance[here], fraction)):
            sums[i] += np.bincount(target, weights=value, minlength=sums.shape[1])


def default_q_edges(ei: float, energy_edges: np.ndarray, two_theta: np.ndarray, two_theta_width: np.ndarray) -> np.ndarray:
    """Evenly spaced edges over the \\|Q\\| that the detectors reach; a bin is as wide as a typical detector, 50 to 400 bins."""
    energy = energy_edges[energy_edges <= ei]
    if energy.size < 2:
        raise MapError("no energy bin is below the incident energy", f"Ei is {ei:g} meV", "check Ei and the energy axis")
    low = momentum_transfer(ei, energy, np.maximum(np.min(two_theta - 0.5 * two_theta_width), 0.0))
    high = momentum_transfer(ei, energy, np.asarray(np.max(two_theta + 0.5 * two_theta_width)))
    start, stop = float(np.min(low)), float(np.max(high))
    width = float(np.median(two_theta_width)) * float(wavenumber(ei))
    bins = int(np.clip(np.ceil((stop - start) / max(width, 1e-6)), 50, 400))
    return np.linspace(start, stop, bins + 1)
