"""Toy data sets that a network learns in seconds: a spot and a ring about the origin, whose share and level are the constants."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mantid_insdl.maps import Slices
from mantid_insdl.training.datasets import SPLITS, SimulatedMaps
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.outcome import CALIBRATION, CHOICE, TEST, VALIDATION
from mantid_insdl.training.recipes import Dataset, Fit, FixedSlices, Measurement, Recipe

SIZE, BINS = 8, 10
PARTS = (0.4, 0.1, 0.3, 0.2)
NOTHING = Measurement(
    counts_per_pixel=(1e9, 1e9),
    background=(0, 0),
    background_residual=0,
    slice_scale=0,
    negatives_cut=0,
    hot_pixels=0,
    gaps=0,
    unmasked_gap_pixels=0,
    missing_ei=0,
)
"""A measurement that changes nothing but for the share of the twins."""


def toy(task: str, materials: tuple[str, ...], *, number: int = 300, **fit: float) -> tuple[Recipe, SimulatedMaps]:
    """A recipe and its maps: of one incident energy, the same mirrored and turned by a right angle; the third constant shows nowhere."""
    rng = np.random.default_rng(11)
    x = np.linspace(-1, 1, SIZE)
    radius = np.hypot(x[:, None], x)
    spot, ring = np.exp(-(radius**2) / 0.2), np.exp(-((radius - 0.9) ** 2) / 0.1)
    share, level = rng.uniform(0, 1, number), rng.uniform(0.05, 1, number)
    mixture = share[:, None, None] * spot + (1 - share)[:, None, None] * ring + 0.3 * level[:, None, None]
    intensity = mixture[:, None].repeat(BINS, axis=1) * np.linspace(1, 0.5, BINS)[:, None, None]
    intensity /= intensity.mean(axis=(1, 2, 3), keepdims=True)
    slices = Slices.from_bins([50.0], [np.linspace(5, 35, BINS + 1)])
    windows = np.stack([slices.energy_min, slices.energy_max, slices.ei], axis=-1)[None].repeat(number, axis=0)
    split = rng.permutation(np.repeat(range(4), np.round(np.array(PARTS) * number).astype(int)))
    parameters = np.stack([share, level, rng.uniform(0, 1, number)], axis=-1)
    material = rng.integers(0, len(materials), number)
    data = SimulatedMaps(materials, intensity.astype(np.float16), material, parameters, split, windows, (0,) * len(materials), "0" * 64)
    recipe = Recipe(
        name="toy",
        version="1",
        task=task,
        family="toy",
        materials=materials,
        answers="nothing",
        dataset=Dataset(
            name="toy",
            materials=dict.fromkeys(materials, number),
            prior="uniform",
            grid={"size": SIZE},
            slices=FixedSlices(ei=(50,), energy_fraction=(0.1, 0.7), bins=BINS),
            split=PARTS,
            seed=1,
        ),
        measurement=Measurement(counts_per_pixel=(3, 30), background=(0, 0.3), twin_fraction=(1, 1), gaps=0.3, hot_pixels=0, missing_ei=0),
        fit=Fit(**({"epochs": 4, "batch": 24, "learning_rate": 6e-3, "seed": 5} | fit)),
        duration="seconds",
    )
    return recipe, data


class RecordingMeasurer(Measurer):
    """Remembers which maps were measured with which seed."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.calls: list[tuple[np.ndarray, tuple[int, ...]]] = []

    def measure(self, indices, seed, **options):
        self.calls.append((np.array(indices), seed))
        return super().measure(indices, seed, **options)


def trained(task, recipe: Recipe, data: SimulatedMaps, folder: Path, monkeypatch):
    """The outcome of a task and a measurer like the one it had; that no part of the maps is used for two things is checked."""
    monkeypatch.setattr("mantid_insdl.training.batches.cores", lambda: 1)  # measurements in this process, where they are recorded
    measurer = RecordingMeasurer(data, recipe.dataset, recipe.measurement, keep_signal=recipe.task == "denoise")
    fractions = []
    outcome = task(recipe, data, measurer, folder / "kept", lambda fraction, text: fractions.append(fraction))
    assert min(fractions) >= 0 and max(fractions) <= 1.001
    part_of = {VALIDATION: "validation", CHOICE: "validation", CALIBRATION: "calibration", TEST: "test"}
    for indices, seed in measurer.calls:
        assert np.isin(indices, data.indices(part_of.get(seed, "train"))).all(), f"seed {seed} measures maps of another part"
    assert set.union(*(set(i.tolist()) for i, s in measurer.calls if s == TEST)) == set(data.indices("test").tolist())
    first_test = next(n for n, (_, seed) in enumerate(measurer.calls) if seed == TEST)
    assert all(seed == TEST for _, seed in measurer.calls[first_test:])  # looked at once, at the end
    assert outcome.used == {name: data.indices(name).size for name in SPLITS}
    return outcome, Measurer(data, recipe.dataset, recipe.measurement, keep_signal=measurer.keep_signal)


def figure(outcome, metric: str, conditions: str = ""):
    """The only test figure of that name."""
    (found,) = [t for t in outcome.tests if t.metric.startswith(metric) and conditions in t.conditions]
    return found
