"""Simulated maps for training: drawn from a prior, rejected where unstable, split once by parameter set, kept in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mantid_insdl._version import __version__
from mantid_insdl.maps import Slices
from mantid_insdl.progress import Progress
from mantid_insdl.training import chunks, cluster, store
from mantid_insdl.training.recipes import Dataset

SPLITS = ("train", "validation", "calibration", "test")


@dataclass(frozen=True)
class SimulatedMaps:
    """Noise-free maps of one untwinned crystal with the parameters behind them.

    Parameters
    ----------
    materials
        The materials of the data set, then the magnets that are none of them.
    intensity : (n, place, qh, qk), float16
        In units of each map's mean; NaN where the kinematics do not reach and where a map has no slice. An array, or
        `store.KeptIntensity`: its rows are read from disk when they are asked for.
    material : (n,)
        Index into `materials`.
    parameters : (n, most parameters of any material)
        In the order of each material's file; NaN where a material has fewer.
    split : (n,)
        Index into `SPLITS`.
    windows : (n, place, 3)
        Energy window and incident energy of each slice in meV; NaN for slices that a map does not have.
    rejected
        Unstable draws of each material.
    digest
        SHA-256 of the contents.
    scene : (n,)
        Maps of one scene have the same slices and the same widths of the instrument; empty where every map has its own.
    others
        How many of the last `materials` are none of the data set's own.
    """

    materials: tuple[str, ...]
    intensity: np.ndarray | store.KeptIntensity
    material: np.ndarray
    parameters: np.ndarray
    split: np.ndarray
    windows: np.ndarray
    rejected: tuple[int, ...]
    digest: str
    scene: np.ndarray | None = None
    others: int = 0

    @property
    def own(self) -> tuple[str, ...]:
        """The data set's own materials: the classes."""
        return self.materials[: len(self.materials) - self.others]

    def indices(self, split: str, material: str | None = None) -> np.ndarray:
        """Which maps belong to a split, of one material or of all of the data set's own."""
        chosen = self.split == SPLITS.index(split)
        if material is not None:
            chosen &= self.material == self.materials.index(material)
        else:
            chosen &= self.material < len(self.own)
        return np.flatnonzero(chosen)

    def places(self, index: int) -> np.ndarray:
        """At which places a map has slices."""
        return np.flatnonzero(np.isfinite(self.windows[index, :, 0]))

    def slices(self, index: int) -> Slices:
        """The slices of one map."""
        low, high, ei = self.windows[index][self.places(index)].T
        return Slices(ei, low, high)


def generate(
    spec: Dataset,
    folder: Path,
    *,
    parts: Sequence[str] = SPLITS,
    scheduler: str | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> SimulatedMaps:
    """Simulate a data set into a folder, going on where an earlier run ended.

    Parameters
    ----------
    parts
        Of `SPLITS`: simulate no other maps. They are those that the whole data set has there.
    scheduler, processes
        See `cluster.each`.
    """
    tasks = [task for task in chunks.tasks(spec) if SPLITS[task.part] in parts]
    missing = [task for task in tasks if not store.is_kept(folder, task.number)]
    done, total = sum(t.sets for t in tasks) - sum(t.sets for t in missing), sum(t.sets for t in tasks)
    if missing:
        results = cluster.each(chunks.simulate, [(spec, t, __version__) for t in missing], scheduler=scheduler, processes=processes)
        try:
            for index, chunk in results:
                store.write_chunk(folder, missing[index].number, chunk)
                done += missing[index].sets
                if progress is not None:
                    progress(done / total, f"simulated {done} parameter sets")
        finally:
            results.close()
    _write_index(spec, folder, tasks)
    return opened(folder)


def _write_index(spec: Dataset, folder: Path, tasks: list[chunks.Task]) -> None:
    rests = [store.read_rest(folder, task.number) for task in tasks]
    materials = tuple(spec.materials | spec.others)
    widest = max(rest["parameters"].shape[1] for rest in rests)

    def repeated(values: list[int]) -> np.ndarray:
        return np.repeat(values, [task.sets for task in tasks])

    rejected = [sum(int(r["rejected"]) for r, t in zip(rests, tasks, strict=True) if t.material == name) for name in materials]
    digest = hashlib.sha256(json.dumps([(t.material, t.part, str(r["sha256"])) for t, r in zip(tasks, rests, strict=True)]).encode())
    head = {"materials": materials, "others": len(spec.others), "rejected": rejected, "digest": digest.hexdigest(), "size": spec.grid.size}
    fields = {
        "material": repeated([materials.index(t.material) for t in tasks]),
        "split": repeated([t.part for t in tasks]),
        "scene": repeated([t.scene for t in tasks]),
        "chunk": repeated([t.number for t in tasks]),
        "row": np.concatenate([np.arange(t.sets) for t in tasks]),
        "windows": np.concatenate([r["windows"] for r in rests]),
        "parameters": np.concatenate(
            [np.pad(r["parameters"], ((0, 0), (0, widest - r["parameters"].shape[1])), constant_values=np.nan) for r in rests]
        ),
    }
    store.write(folder / store.INDEX, lambda file: np.savez(file, head=json.dumps(head), **fields))


def opened(folder: Path) -> SimulatedMaps:
    """A data set that was simulated into a folder."""
    with np.load(folder / store.INDEX, allow_pickle=False) as kept:
        head = json.loads(str(kept["head"]))
        windows = kept["windows"]
        intensity = store.KeptIntensity(folder, kept["chunk"], kept["row"], np.isfinite(windows[:, :, 0]), head["size"])
        rest = (kept[name] for name in ("material", "parameters", "split"))
        return SimulatedMaps(
            tuple(head["materials"]), intensity, *rest, windows, tuple(head["rejected"]), head["digest"], kept["scene"], head["others"]
        )


def load_or_generate(
    spec: Dataset,
    folder: Path,
    *,
    parts: Sequence[str] = SPLITS,
    scheduler: str | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> SimulatedMaps:
    """The data set kept in `folder` if it was made by the same recipe and package version, else a new one that is then kept.

    Of some `parts` of the split alone there is another folder, unless the whole is there.
    """
    key = hashlib.sha256((spec.model_dump_json() + __version__).encode()).hexdigest()[:12]
    whole = folder / f"{spec.name}-{key}"
    kept = whole if set(parts) == set(SPLITS) else folder / "-".join([whole.name, *parts])
    for one in (whole, kept):
        if (one / store.INDEX).is_file():
            return opened(one)
    return generate(spec, kept, parts=parts, scheduler=scheduler, processes=processes, progress=progress)
