"""Which slices a simulated map has, and at which places of a network's input they are."""

from __future__ import annotations

import numpy as np

from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.training.recipes import FixedSlices, Grid, GroupedSlices, RandomWindows

APART = 1.1
"""Least ratio of two incident energies of one map."""


def axes(grid: Grid) -> tuple[Axis, Axis]:
    """Both momentum axes of the training grid."""
    centres = np.linspace(grid.low, grid.high, grid.size)
    return Axis("qh", RLU, centres), Axis("qk", RLU, centres)


def room(spec: FixedSlices | RandomWindows | GroupedSlices) -> tuple[int, int]:
    """How many incident energies a map can have, and how many slices each of them."""
    if isinstance(spec, RandomWindows):
        return 1, spec.maximum
    usual = spec.usual if isinstance(spec, GroupedSlices) else spec
    return len(usual.ei), usual.bins


def places(spec: FixedSlices | RandomWindows | GroupedSlices) -> int:
    """How many slices a map can have."""
    groups, bins = room(spec)
    return groups * bins


def trained_energies(spec: FixedSlices | RandomWindows | GroupedSlices) -> dict[str, tuple[float, float]]:
    """For a model's card: the range of incident energies, meV, and of the windows, over Ei or meV; empty where slices are fixed."""
    if isinstance(spec, GroupedSlices):
        usual, (lowest, highest) = spec.usual, spec.usual.energy_fraction
        ei = (min(spec.ei[0], *usual.ei), max(spec.ei[1], *usual.ei))
        return {"ei_range": ei, "energy_fraction": (min(spec.lowest[0], lowest), max(spec.highest[1], highest))}
    if isinstance(spec, RandomWindows):
        return {"ei_range": spec.ei, "energy_range": (spec.lower_cut[0], spec.upper_cut[1])}
    return {}


def draw(spec: FixedSlices | RandomWindows | GroupedSlices, rng: np.random.Generator) -> tuple[Slices, np.ndarray]:
    """Slices of one map or chunk, and the place of each, (slice,)."""
    if isinstance(spec, GroupedSlices):
        return _grouped(spec, rng)
    slices = fixed_slices(spec) if isinstance(spec, FixedSlices) else random_slices(spec, rng)
    return slices, np.arange(slices.size)


def fixed_slices(spec: FixedSlices) -> Slices:
    """The slices that every map of a fixed grid has."""
    low, high = spec.energy_fraction
    return Slices.from_bins(spec.ei, [np.linspace(low * ei, high * ei, spec.bins + 1) for ei in spec.ei])


def random_slices(spec: RandomWindows, rng: np.random.Generator) -> Slices:
    """Equal bins between two cuts, for one incident energy that reaches them."""
    lower, upper = rng.uniform(*spec.lower_cut), rng.uniform(*spec.upper_cut)
    lower, upper = min(lower, 0.9 * upper), max(lower * 1.1, upper)
    least_ei = max(spec.ei[0], upper / 0.9)
    ei = np.exp(rng.uniform(np.log(least_ei), np.log(max(spec.ei[1], least_ei))))
    number = 1 if rng.random() < 0.3 else int(rng.integers(2, spec.maximum + 1))
    return Slices.from_bins([ei], [np.linspace(lower, upper, number + 1)])


def _grouped(spec: GroupedSlices, rng: np.random.Generator) -> tuple[Slices, np.ndarray]:
    if rng.random() < spec.usual_share:
        slices = fixed_slices(spec.usual)
        return slices, np.arange(slices.size)
    number = int(rng.integers(1, len(spec.usual.ei) + 1))
    ei = np.sort(np.exp(rng.uniform(*np.log(spec.ei), number)))
    while np.any(ei[1:] < APART * ei[:-1]):
        ei = np.sort(np.exp(rng.uniform(*np.log(spec.ei), number)))
    bins = rng.integers(spec.bins[0], spec.bins[1], number, endpoint=True)
    lows, highs = rng.uniform(*spec.lowest, number), rng.uniform(*spec.highest, number)
    edges = [np.linspace(low * e, high * e, n + 1) for e, low, high, n in zip(ei, lows, highs, bins, strict=True)]
    return Slices.from_bins(ei, edges), np.concatenate([spec.usual.bins * g + np.arange(n) for g, n in enumerate(bins)])
