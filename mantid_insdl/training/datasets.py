"""Simulated maps for training: drawn from a prior, rejected where unstable, split once by parameter set, kept in a file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from mantid_insdl._version import __version__
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.networks.backend import environment
from mantid_insdl.progress import Progress
from mantid_insdl.training.recipes import Dataset, FixedSlices, Grid, RandomWindows
from mantid_insdl.training.sampling import PRIORS

SPLITS = ("train", "validation", "calibration", "test")
CHUNK = 20  # parameter sets that share one draw of the instrument's widths, and one task of a worker


@dataclass(frozen=True)
class SimulatedMaps:
    """Noise-free maps of one untwinned crystal with the parameters behind them.

    Parameters
    ----------
    intensity : (n, slice, qh, qk), float16
        In units of each map's mean; NaN where the kinematics do not reach.
    material : (n,)
        Index into `materials`.
    parameters : (n, most parameters of any material)
        In the order of each material's file; NaN where a material has fewer.
    split : (n,)
        Index into `SPLITS`.
    windows : (n, slice, 3)
        Energy window and incident energy of each slice in meV; NaN for slices that a map does not have.
    rejected
        Unstable draws of each material.
    digest
        SHA-256 of the contents.
    """

    materials: tuple[str, ...]
    intensity: np.ndarray
    material: np.ndarray
    parameters: np.ndarray
    split: np.ndarray
    windows: np.ndarray
    rejected: tuple[int, ...]
    digest: str

    def indices(self, split: str, material: str | None = None) -> np.ndarray:
        """Which maps belong to a split, of one material or of all."""
        chosen = self.split == SPLITS.index(split)
        if material is not None:
            chosen &= self.material == self.materials.index(material)
        return np.flatnonzero(chosen)

    def slices(self, index: int) -> Slices:
        """The slices of one map."""
        low, high, ei = self.windows[index][np.isfinite(self.windows[index, :, 0])].T
        return Slices(ei, low, high)


def axes(grid: Grid) -> tuple[Axis, Axis]:
    """Both momentum axes of the training grid."""
    centres = np.linspace(grid.low, grid.high, grid.size)
    return Axis("qh", RLU, centres), Axis("qk", RLU, centres)


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


def _simulate_chunk(spec: Dataset, material: str, seed: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """`wanted` stable maps of one material; runs in a worker process."""
    from mantid_insdl.materials import load_material
    from mantid_insdl.simulation.slices import SliceSimulator

    rng = np.random.default_rng(seed)
    names = [p.name for p in load_material(material).parameters]
    qh, qk = axes(spec.grid)
    twins = isinstance(spec.slices, RandomWindows)  # a material on a fixed grid is stored untwinned: the twin fraction is drawn later
    maps, sets, windows, rejected = [], [], [], 0
    size = len(spec.slices.ei) * spec.slices.bins if isinstance(spec.slices, FixedSlices) else spec.slices.maximum
    while len(maps) < wanted:
        one_each = isinstance(spec.slices, RandomWindows)
        slices = random_slices(spec.slices, rng) if one_each else fixed_slices(spec.slices)
        draws = PRIORS[spec.prior](material, 1 if one_each else wanted - len(maps), rng)
        simulator = SliceSimulator(material, slices, qh, qk, twins=twins)
        intensity, stable = simulator.intensity(
            draws, energy_width_scale=rng.uniform(*spec.energy_width_scale), q_sigma_pixels=rng.uniform(*spec.q_sigma_pixels)
        )
        rejected += int(np.sum(~stable))
        for index in np.flatnonzero(stable):
            mean = np.nanmean(intensity[index])
            if not mean > 0:  # a window above the band shows nothing
                mean = 1.0
            full = np.full((size, *intensity.shape[2:]), np.nan, np.float16)
            full[: slices.size] = np.minimum(intensity[index] / mean, 6e4)
            window = np.full((size, 3), np.nan)
            window[: slices.size] = np.stack([slices.energy_min, slices.energy_max, slices.ei], -1)
            maps.append(full)
            windows.append(window)
            sets.append([draws[name][index] for name in names])
    return np.stack(maps), np.array(sets), np.stack(windows), rejected


def _tasks(spec: Dataset) -> Iterator[tuple[str, int, int]]:
    """(material, seed, number) of each chunk: the same for any number of processes."""
    seeds = np.random.SeedSequence(spec.seed)
    for material, number in spec.materials.items():
        counts = [CHUNK] * (number // CHUNK) + ([number % CHUNK] if number % CHUNK else [])
        for child, count in zip(seeds.spawn(len(counts)), counts, strict=True):
            yield material, int(child.generate_state(1)[0]), count


def generate(spec: Dataset, *, processes: int | None = None, progress: Progress | None = None) -> SimulatedMaps:
    """Simulate a data set.

    Parameters
    ----------
    processes
        Default: one for each core.
    """
    tasks = list(_tasks(spec))
    results: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, int]] = {}
    # Threads of the linear algebra would compete with the processes; set before they start, since they read it at import.
    threads = environment(OMP_NUM_THREADS="1")
    with threads, ProcessPoolExecutor(processes or os.cpu_count(), mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(_simulate_chunk, spec, *task): number for number, task in enumerate(tasks)}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                results[futures[future]] = future.result()
                if progress is not None:
                    progress(done / len(tasks), f"simulated {done * CHUNK} parameter sets")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    order = range(len(tasks))
    materials = tuple(spec.materials)
    widest = max(results[i][1].shape[1] for i in order)
    parameters = np.concatenate(
        [np.pad(results[i][1], ((0, 0), (0, widest - results[i][1].shape[1])), constant_values=np.nan) for i in order]
    )
    material = np.concatenate([np.full(results[i][0].shape[0], materials.index(tasks[i][0])) for i in order])
    split = _split(material, spec)
    intensity = np.concatenate([results[i][0] for i in order])
    windows = np.concatenate([results[i][2] for i in order])
    rejected = tuple(sum(results[i][3] for i in order if tasks[i][0] == name) for name in materials)
    digest = hashlib.sha256()
    for array in (intensity, parameters, material, split, windows):
        digest.update(np.ascontiguousarray(array).tobytes())
    return SimulatedMaps(materials, intensity, material, parameters, split, windows, rejected, digest.hexdigest())


def _split(material: np.ndarray, spec: Dataset) -> np.ndarray:
    """Split of each parameter set, the same shares of each material."""
    rng = np.random.default_rng(spec.seed)
    split = np.empty(material.size, int)
    for index in np.unique(material):
        members = rng.permutation(np.flatnonzero(material == index))
        bounds = np.round(np.cumsum((0.0, *spec.split)) * members.size).astype(int)
        for number in range(len(SPLITS)):
            split[members[bounds[number] : bounds[number + 1]]] = number
    return split


def load_or_generate(spec: Dataset, folder: Path, *, progress: Progress | None = None) -> SimulatedMaps:
    """The data set kept in `folder` if it was made by the same recipe and package version, else a new one that is then kept."""
    key = hashlib.sha256((spec.model_dump_json() + __version__).encode()).hexdigest()[:12]
    path = folder / f"{spec.name}-{key}.npz"
    fields = ("intensity", "material", "parameters", "split", "windows")
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            head = json.loads(str(kept["head"]))
            return SimulatedMaps(tuple(head["materials"]), *(kept[f] for f in fields), tuple(head["rejected"]), head["digest"])
    data = generate(spec, progress=progress)
    folder.mkdir(parents=True, exist_ok=True)
    head = json.dumps({"materials": data.materials, "rejected": data.rejected, "digest": data.digest})
    part = path.with_name(f"{path.stem}.part.npz")
    np.savez(part, head=head, **{f: getattr(data, f) for f in fields})
    part.rename(path)
    return data
