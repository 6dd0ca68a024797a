"""Maps simulated on the slices of the user's, as its networks would see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mantid_insdl.explain.subject import Subject
from mantid_insdl.materials import Material
from mantid_insdl.networks.preprocessing import incident_energy_groups, normalise
from mantid_insdl.simulation.polarons import simulator_for


def simulated_as(subject: Subject, material: str | Material, parameters: Mapping[str, np.ndarray | float]) -> np.ndarray:
    """Noise-free maps of a twinned crystal with the user's mask, (n, slice, qh, qk, 2) as `Subject.shown`; NaN for unstable constants."""
    gridded = subject.prepared.gridded
    intensity, _ = simulator_for(material, gridded.slices, *gridded.axes).intensity(parameters)
    return as_shown(subject, intensity)


def simulated_sets(subject: Subject, name: str, sets: Sequence[Mapping[str, float]]) -> np.ndarray:
    """As `simulated_as`, of several parameter sets of one material, each in the order that it has."""
    return simulated_as(subject, name, {key: np.array([one[key] for one in sets]) for key in sets[0]})


def as_shown(subject: Subject, intensity: np.ndarray) -> np.ndarray:
    """Intensities (n, slice, qh, qk) on the user's slices, normalised for the networks and masked as the user's map."""
    gridded = subject.prepared.gridded
    masked = np.where(gridded.mask, np.nan, intensity)
    shown, _ = normalise(masked, incident_energy_groups(gridded.slices))
    unstable = ~np.isfinite(intensity).any(axis=(1, 2, 3))
    shown[unstable] = np.nan
    return shown
