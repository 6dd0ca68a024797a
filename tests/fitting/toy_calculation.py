"""A calculation with answers known in advance: maps that are functions of two parameters, on slices of two incident energies."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from mantid_insdl.fitting.calculation import Calculation
from mantid_insdl.maps import RLU, Axis, Map, Slices

SIZE = 16
SLICES = Slices.from_bins([20.0, 60.0], [np.arange(2.0, 14.0, 2.0), np.arange(10.0, 60.0, 10.0)])


def parameter(name: str, value: float, low: float, high: float) -> SimpleNamespace:
    return SimpleNamespace(name=name, value=value, low=low, high=high, unit="meV")


def empty() -> Map:
    axis = np.linspace(-1, 1, SIZE)
    return Map(intensity=np.ones((SLICES.size, SIZE, SIZE)), axes=(Axis("qh", RLU, axis), Axis("qk", RLU, axis)), slices=SLICES)


class Toy(Calculation):
    """``image(place, values) -> (pixel,)`` of places (energy, qh, qk); None for unstable."""

    def __init__(self, m: Map, parameters: list[SimpleNamespace], image):
        names = {p.name: p.value for p in parameters}
        material = SimpleNamespace(
            name="toy",
            parameters=parameters,
            defaults=names,
            interchangeable=[],
            relaxed=False,
            describe=lambda values: str(dict(values)),
            remedy=lambda values: "mend it",
        )
        super().__init__(m, material, ~m.mask)
        self.slice_of, h, k = np.nonzero(self.known)
        self.ei, self.energy = m.slices.ei[self.slice_of], m.slices.centres[self.slice_of]
        self.qh, self.qk = m.axes[0].centres[h], m.axes[1].centres[k]
        self.q_squared = self.qh**2 + self.qk**2
        self.groups = [np.flatnonzero(self.ei == ei) for ei in np.unique(self.ei)]
        self.nuisances = {}
        self._image = image

    def images(self, values: np.ndarray, nuisances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = [self._image(self, *row) for row in values]
        stable = np.array([one is not None for one in found])
        return np.array([np.full(self.ei.size, np.nan) if one is None else one for one in found]), stable


def waves(toy: Toy, a: float, b: float) -> np.ndarray:
    """Two rings whose radii are the parameters."""
    radius = np.sqrt(toy.q_squared)
    return np.exp(-0.5 * ((radius - a) / 0.1) ** 2) + 0.5 * np.exp(-0.5 * ((radius - b) / 0.1) ** 2)


PARAMETERS = [parameter("a", 0.4, 0.2, 0.7), parameter("b", 0.9, 0.7, 1.2)]


def measured(
    a: float, b: float, *, neutron: float = 0.05, seed: int = 0, error: bool = False, scales=(3.0, 1.0), background=(0.5, 0.2)
) -> Map:
    """Counts of `waves`, with other scales and backgrounds for the two incident energies."""
    toy = Toy(empty(), PARAMETERS, waves)
    image = waves(toy, a, b)
    expected = np.empty(image.size)
    for group, scale, level in zip(toy.groups, scales, background, strict=True):
        expected[group] = scale * image[group] + level * (1 + 0.3 * toy.q_squared[group])
    counts = np.random.default_rng(seed).poisson(expected / neutron)
    errors = toy.full(np.sqrt(np.maximum(counts, 1)) * neutron) if error else None
    return empty().replace(intensity=toy.full(counts * neutron), error=errors)
