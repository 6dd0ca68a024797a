"""One chunk of a data set: parameter sets of one magnet on the same slices, simulated in a worker process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mantid_insdl._version import __version__
from mantid_insdl.errors import InsdlError
from mantid_insdl.simulation.slices import SliceSimulator
from mantid_insdl.training import layouts
from mantid_insdl.training.recipes import Dataset, RandomWindows
from mantid_insdl.training.sampling import PRIORS

LARGEST = 6e4
"""Of an intensity in units of its map's mean, in half precision."""


@dataclass(frozen=True)
class Task:
    """What a chunk is made from.

    Parameters
    ----------
    number
        Of the chunk in the data set.
    seed
        Of its parameter sets.
    scene
        Seed of its slices and of the instrument's widths: chunks of different magnets share it, so that their maps can be mixed.
    sets
        How many stable parameter sets it has.
    part
        Of the data set's split.
    """

    number: int
    material: str
    seed: int
    scene: int
    sets: int
    part: int


@dataclass(frozen=True)
class Chunk:
    """Noise-free maps of one magnet.

    Parameters
    ----------
    intensity : (set, slice, qh, qk), float16
        In units of each map's mean; NaN where the kinematics do not reach, and beyond the slices of a map that has fewer.
    parameters : (set, parameter)
        In the order of the magnet's file.
    windows : (set, place, 3)
        Energy window and incident energy in meV at each place of a network's input; NaN at empty ones.
    rejected
        Unstable draws.
    """

    intensity: np.ndarray
    parameters: np.ndarray
    windows: np.ndarray
    rejected: int


def tasks(spec: Dataset) -> Iterator[Task]:
    """All chunks of a data set: the same for any number of workers."""
    seeds = np.random.SeedSequence(spec.seed)
    number = 0
    for material, sets in (spec.materials | spec.others).items():
        sizes = [spec.chunk] * (sets // spec.chunk) + ([sets % spec.chunk] if sets % spec.chunk else [])
        parts = _parts(len(sizes), spec)
        for index, (child, size) in enumerate(zip(seeds.spawn(len(sizes)), sizes, strict=True)):
            scene = int(np.random.SeedSequence((spec.seed, index)).generate_state(1)[0])
            yield Task(number, material, int(child.generate_state(1)[0]), scene, size, int(parts[index]))
            number += 1


def _parts(chunks: int, spec: Dataset) -> np.ndarray:
    """Which part of the split each chunk of a magnet belongs to; the same for magnets of as many chunks."""
    bounds = np.round(np.cumsum(spec.split) * chunks)
    return np.searchsorted(bounds, np.random.default_rng(spec.seed).permutation(chunks), side="right")


def simulate(spec: Dataset, task: Task, version: str) -> Chunk:
    """The maps of a chunk.

    Parameters
    ----------
    version
        Of the package that asks: another one would simulate other maps.
    """
    if version != __version__:
        raise InsdlError(
            f"a worker has version {__version__} of mantid_insdl", f"the training runs with {version}", "install the same on all workers"
        )
    rng, scene = np.random.default_rng(task.seed), np.random.default_rng(task.scene)
    qh, qk = layouts.axes(spec.grid)
    alone = isinstance(spec.slices, RandomWindows)  # every map on slices of its own, and twinned: else the twin fraction is drawn later
    maps, sets, windows, rejected = [], [], [], 0
    if not alone:
        slices, places = layouts.draw(spec.slices, scene)
        widths = _widths(spec, scene)
    while len(maps) < task.sets:
        if alone:
            slices, places = layouts.draw(spec.slices, rng)
            widths = _widths(spec, rng)
        drawn = PRIORS[spec.prior](task.material, 1 if alone else task.sets - len(maps), rng)
        intensity, stable = SliceSimulator(drawn.material, slices, qh, qk, twins=alone).intensity(drawn.parameters, **widths)
        rejected += drawn.rejected + int(np.sum(~stable))
        window = np.full((layouts.places(spec.slices), 3), np.nan)
        window[places] = np.stack([slices.energy_min, slices.energy_max, slices.ei], -1)
        for index in np.flatnonzero(stable):
            mean = np.nanmean(intensity[index])
            # a window above the band shows nothing
            maps.append(np.clip(intensity[index] / (mean if mean > 0 else 1.0), 0, LARGEST).astype(np.float16))
            windows.append(window)
            sets.append([drawn.parameters[p.name][index] for p in drawn.material.parameters])
    most = max(len(one) for one in maps)
    padded = [np.pad(one, ((0, most - len(one)), (0, 0), (0, 0)), constant_values=np.nan) for one in maps]
    return Chunk(np.stack(padded), np.array(sets), np.stack(windows), rejected)


def _widths(spec: Dataset, rng: np.random.Generator) -> dict[str, float]:
    return {"energy_width_scale": rng.uniform(*spec.energy_width_scale), "q_sigma_pixels": rng.uniform(*spec.q_sigma_pixels)}
