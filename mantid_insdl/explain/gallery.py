"""Training maps of a bundle, simulated again from the seeds in its card: what its networks have seen, and what they make of it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from mantid_insdl._version import __version__
from mantid_insdl.explain.scoring import BATCH, Graph
from mantid_insdl.maps import Map
from mantid_insdl.networks.bundles import Bundle
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.prediction import predict, with_embedding
from mantid_insdl.progress import Progress, ignore_progress, share_of
from mantid_insdl.training import chunks, layouts
from mantid_insdl.training.datasets import SPLITS, SimulatedMaps
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.recipes import Recipe, recipe_of
from mantid_insdl.training.sampling import magnet

CHUNKS = 3
"""Chunks of parameter sets (20 as a rule) that are simulated again of each material."""
SEED = 0
"""Of how the maps are measured: twins, counts, background, gaps, missing incident energies."""


@dataclass(frozen=True, eq=False)
class Gallery:
    """Simulated measurements of the materials that a bundle was trained on.

    Attributes
    ----------
    data
        The noise-free maps with their materials and parameters.
    maps
        Measured as the recipe says.
    outputs : (n, output)
        Of the networks, their mean.
    codes : (n, feature)
        The features before the last layer, of the first network.
    axes
        Of the maps, Qh and Qk.
    """

    data: SimulatedMaps
    maps: MeasuredMaps
    outputs: np.ndarray
    codes: np.ndarray
    axes: tuple

    def __len__(self) -> int:
        return len(self.data.material)

    @property
    def materials(self) -> tuple[str, ...]:
        return self.data.materials

    def parameters(self, index: int) -> dict[str, float]:
        """The exchange constants of one map, meV."""
        names = magnet(self.materials[self.data.material[index]]).defaults
        return {name: float(value) for name, value in zip(names, self.data.parameters[index], strict=False)}

    def noise_free(self, index: int) -> Map:
        """One map, untwinned, in units of its mean."""
        name = self.materials[self.data.material[index]]
        intensity = self.data.intensity[index][self.data.places(index)].astype(float)
        return Map(intensity, self.axes, slices=self.data.slices(index), material=name, intensity_unit="mean of the map")

    def measured(self, index: int) -> Map:
        """One map as the networks saw it: the slices that were measured, in units of the mean of each incident energy."""
        places = np.flatnonzero(self.maps.used[index, :, 0])
        shown = self.maps.stack[index, places]
        low, high, ei = self.data.windows[index][places].T
        slices = type(self.data.slices(index))(ei, low, high)
        name = self.materials[self.data.material[index]]
        return Map(
            np.where(shown[..., 1] > 0, shown[..., 0], np.nan), self.axes, slices=slices, material=name, intensity_unit="mean of its Ei"
        )


def gallery_of(bundle: Bundle, number: int = CHUNKS, progress: Progress = ignore_progress, split: str = "train") -> Gallery:
    """Training maps of a bundle, a few hundred, simulated again and shown to its networks.

    Parameters
    ----------
    number
        Chunks of each material.
    split
        Which part of the data set they are of; figures are made with ``test``.

    Raises
    ------
    BundleError
        If the card's recipe is not one that this version can follow.
    """
    recipe = recipe_of(bundle)
    data = _simulated(recipe, number, split, share_of(progress, 0.0, 0.6))
    measurer = Measurer(data, recipe.dataset, recipe.measurement)
    progress(0.6, "measuring the training maps")
    with warnings.catch_warnings():  # of slices out of kinematic reach the mean is that of nothing
        warnings.simplefilter("ignore", RuntimeWarning)
        maps = measurer.measure(np.arange(len(data.material)), (SEED,), kind="")
    seen = maps.used.any(axis=(1, 2))  # of some nothing is: their incident energies are missing, or do not reach
    data, maps = rows(data, seen), rows(maps, seen)
    outputs, codes = [], []
    for model in bundle.models:
        output, code = predict(
            Graph(with_embedding(model)), maps, BATCH, lambda f, t: progress(0.7 + 0.3 * f, "asking about the training maps")
        )
        outputs.append(output)
        codes.append(code)
    return Gallery(data, maps, np.mean(outputs, axis=0), codes[0], layouts.axes(recipe.dataset.grid))


def _simulated(recipe: Recipe, number: int, split: str, progress: Progress) -> SimulatedMaps:
    spec = recipe.dataset
    of_split = [task for task in chunks.tasks(spec) if task.part == SPLITS.index(split) and task.material in recipe.materials]
    chosen = [task for name in recipe.materials for task in [one for one in of_split if one.material == name][:number]]
    made = []
    for task in chosen:
        made.append(chunks.simulate(spec, task, __version__))
        progress(len(made) / len(chosen), f"simulating training maps again: {len(made)} of {len(chosen)} chunks")
    widest = max(chunk.parameters.shape[1] for chunk in made)
    places = made[0].windows.shape[1]
    intensity = [_padded(chunk.intensity, 1, places) for chunk in made]
    sizes = [len(chunk.parameters) for chunk in made]
    return SimulatedMaps(
        materials=recipe.materials,
        intensity=np.concatenate(intensity),
        material=np.repeat([recipe.materials.index(task.material) for task in chosen], sizes),
        parameters=np.concatenate([_padded(chunk.parameters, 1, widest) for chunk in made]),
        split=np.full(sum(sizes), SPLITS.index(split)),
        windows=np.concatenate([chunk.windows for chunk in made]),
        rejected=tuple(sum(c.rejected for c, t in zip(made, chosen, strict=True) if t.material == name) for name in recipe.materials),
        digest="",
        scene=np.repeat([task.scene for task in chosen], sizes),
    )


def rows(maps: Any, kept: np.ndarray) -> Any:
    """Those of the maps that are kept, (n,) bool; of every array with an entry for each map."""
    arrays = {one.name: getattr(maps, one.name) for one in fields(maps)}
    of_maps = {name: array for name, array in arrays.items() if isinstance(array, np.ndarray) and len(array) == kept.size}
    return replace(maps, **{name: array[kept] for name, array in of_maps.items()})


def _padded(array: np.ndarray, axis: int, size: int) -> np.ndarray:
    """With NaN up to `size` along an axis."""
    width = [(0, size - array.shape[i] if i == axis else 0) for i in range(array.ndim)]
    return np.pad(array, width, constant_values=np.nan)
