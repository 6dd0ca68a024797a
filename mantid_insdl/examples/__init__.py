"""The example that `insdl demo` analyses: a simulated measurement of PCSMO, for trying the programs and for tests.

It is **not data**: `make` simulates it with this package (spin waves of the Goodenough model, then background, counting noise and
detector gaps, for three of the six usual incident energies). ``python -m mantid_insdl.examples`` writes it again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mantid_insdl.maps import RLU, Axis, Map, Slices

MATERIAL = "pcsmo-goodenough"
# Near the published values and equal to none of them.
PARAMETERS = {"JF1": -10.8, "JA": 1.65, "JF2": -1.2, "JF3": 1.3, "Jperp": 0.95, "D": 0.08}

INCIDENT_ENERGIES = (25.0, 50.0, 100.0)  # meV
COUNTS_PER_PIXEL = 12.0
BACKGROUND = 0.6  # of the mean signal of each incident energy; counted, then subtracted
SEED = 20110
IN_PLANE_RECIPROCAL = (2 * np.pi / 5.408, 2 * np.pi / 5.4599)  # 1/angstrom


def path() -> Path:
    """The shipped file, a Mantid processed NeXus group of 30 slices."""
    return Path(__file__).parent / "pcsmo_simulated_measurement.nxs"


def load() -> Map:
    """The shipped example as a map."""
    from mantid_insdl.files import load as load_file

    return load_file(path(), material="pcsmo")


def make() -> Map:
    """Simulate the example: always the same map.

    Intensity and error are rounded to four significant digits, which is far below the noise and lets the file be compressed.
    """
    from mantid_insdl.instrument.gaps import DetectorLayout
    from mantid_insdl.instrument.noise import count_neutrons
    from mantid_insdl.simulation.slices import simulate

    slices = Slices.from_bins(INCIDENT_ENERGIES, [np.linspace(0.1 * ei, 0.7 * ei, 11) for ei in INCIDENT_ENERGIES])
    qh, qk = (Axis(name, RLU, np.linspace(-1, 1, 40), label=name.capitalize()) for name in ("qh", "qk"))
    expected = simulate(MATERIAL, PARAMETERS, slices=slices, qh=qh, qk=qk)
    rng = np.random.default_rng(SEED)
    gaps = DetectorLayout.random(rng).gaps(slices, qh, qk, IN_PLANE_RECIPROCAL)
    intensity, error = np.empty((2, *expected.shape))
    for ei in slices.unique_ei:
        one = slices.ei == ei
        signal = np.where(gaps[one], np.nan, expected.intensity[one])
        signal /= np.nanmean(signal)
        counts = COUNTS_PER_PIXEL * np.count_nonzero(np.isfinite(signal))
        intensity[one], error[one] = count_neutrons(signal, counts, rng, background=BACKGROUND)
    return expected.replace(
        intensity=_rounded(intensity),
        error=_rounded(error),
        intensity_unit="arb. units",
        material="pcsmo",
        title="PCSMO, simulated measurement (not data)",
        logs={},
        note=f"simulated measurement: {COUNTS_PER_PIXEL:g} counts a pixel with a flat background subtracted, detector gaps, seed {SEED}",
    )


def _rounded(values: np.ndarray) -> np.ndarray:
    """Four significant digits."""
    size = np.where(np.isfinite(values) & (values != 0), np.abs(values), 1.0)
    unit = 10.0 ** (np.floor(np.log10(size)) - 3)
    return np.round(values / unit) * unit
