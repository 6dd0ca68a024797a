"""What training a task gives to its model card, and what all tasks share in testing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mantid_insdl.networks.cards import CardTest
from mantid_insdl.training.recipes import Recipe

# Measurement seeds of the parts that never change; the fit uses 0, 1, ... for the training maps.
VALIDATION, CALIBRATION, TEST, CHOICE, FEATURES = (1000,), (1001,), (1002,), (1003,), (0,)
FEATURE_MAPS = 1500  # training maps that say what is familiar
SIMULATED = "simulated measurements of parameter sets that were used for nothing else"


@dataclass
class Outcome:
    """What a task's training gives to the card."""

    models: dict[str, Any]
    arrays: dict[str, np.ndarray]
    calibration: dict[str, float]
    tests: list[CardTest]
    outputs: list[dict[str, Any]]
    used: dict[str, int]


def test_figure(recipe: Recipe, metric: str, value: float, n: int, conditions: str, **rest: Any) -> CardTest:
    return CardTest(metric=metric, value=value, n=n, conditions=conditions, command=f"insdl train {recipe.name}", **rest)


def some(indices: np.ndarray, number: int) -> np.ndarray:
    """About `number` of the indices, evenly spread, so that all materials are among them."""
    return indices[:: max(1, indices.size // number)]


def sizes(**parts: np.ndarray) -> dict[str, int]:
    return {name: int(indices.size) for name, indices in parts.items()}
