"""What a measured map shows beside the spin waves: of each kind a shape, drawn at random, with a mean of about one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mantid_insdl.instrument.kinematics import along_beam
from mantid_insdl.maps import Axis, Slices


@dataclass(frozen=True)
class Scene:
    """Slices of one incident energy, or of several, and the momenta of their pixels.

    Parameters
    ----------
    reciprocal
        Length of the two in-plane reciprocal-lattice vectors, 1/angstrom.
    """

    slices: Slices
    qh: Axis
    qk: Axis
    reciprocal: tuple[float, float]

    @cached_property
    def h(self) -> np.ndarray:
        """r.l.u., (qh, 1)."""
        return self.qh.centres[:, None].astype(np.float32)

    @cached_property
    def k(self) -> np.ndarray:
        """r.l.u., (qk,)."""
        return self.qk.centres.astype(np.float32)

    @cached_property
    def energy(self) -> np.ndarray:
        """Middle of each window in meV, (slice, 1, 1)."""
        return self.slices.centres[:, None, None].astype(np.float32)

    @cached_property
    def width(self) -> np.ndarray:
        """Half of each window in meV, (slice, 1, 1)."""
        return 0.5 * (self.slices.energy_max - self.slices.energy_min)[:, None, None].astype(np.float32)

    @cached_property
    def ei(self) -> np.ndarray:
        """Incident energies in meV, (slice, 1, 1); where unknown, somewhat more than the largest energy."""
        ei = self.slices.ei
        return np.where(np.isfinite(ei), ei, 1.5 * self.slices.energy_max.max())[:, None, None].astype(np.float32)

    @cached_property
    def across(self) -> np.ndarray:
        """Squared momentum in the plane, 1/angstrom^2, (qh, qk)."""
        return (self.h * self.reciprocal[0]) ** 2 + (self.k * self.reciprocal[1]) ** 2

    @cached_property
    def momentum(self) -> np.ndarray:
        """|Q| with its part along the beam, 1/angstrom, (slice, qh, qk)."""
        along = along_beam(self.ei, self.energy, self.across)
        return np.sqrt(self.across + along**2).astype(np.float32)

    @cached_property
    def from_bragg(self) -> np.ndarray:
        """Distance to the nearest integer (h, k), r.l.u., (qh, qk)."""
        return np.hypot(self.h - np.round(self.h), self.k - np.round(self.k))


def mean_level(shape: np.ndarray) -> float:
    """Mean of a shape, to divide by; not zero."""
    return max(float(shape.mean()), 1e-6)


def _line(at: np.ndarray | float, width: np.ndarray | float) -> np.ndarray:
    return np.exp(-0.5 * (at / width) ** 2)


def flat(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """The same everywhere."""
    return np.ones((scene.slices.size, 1, 1), np.float32)


def rising(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """It grows with momentum, as multiple phonons do, and falls with energy."""
    fall = np.exp(-rng.uniform(0, 2.5) * scene.energy / scene.energy.max())
    return (1 + rng.uniform(0, 0.6) * scene.across) * fall


def acoustic(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Phonon cones about the points of the reciprocal lattice, as Q^2 / E."""
    velocity = rng.uniform(20, 120)  # meV per r.l.u.: a zone boundary of 10 to 60 meV
    sharp = np.hypot(scene.width, rng.uniform(0.02, 0.06) * scene.ei)
    cone = _line(scene.energy - velocity / np.pi * np.sin(np.pi * scene.from_bragg), sharp)
    return cone * (0.3 + scene.across) * (0.1 * scene.ei) / (0.05 * scene.ei + scene.energy)


def optic(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Flat or nearly flat branches, as Q^2."""
    shape = np.float32(0)
    for _ in range(rng.integers(1, 4)):
        level, dispersion = np.exp(rng.uniform(np.log(10), np.log(80))), rng.uniform(-0.15, 0.15)
        branch = level * (1 + dispersion * (np.cos(2 * np.pi * scene.h) + np.cos(2 * np.pi * scene.k)) / 2)
        shape = shape + rng.uniform(0.3, 1) * _line(scene.energy - branch, np.hypot(scene.width, 0.04 * scene.ei))
    return 3 * shape * (0.2 + scene.across)


def rings(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Rings of a powder, as of the aluminium of a can: tails of its elastic lines, or its phonons."""
    tail = np.exp(-rng.uniform(2, 12) * scene.energy / scene.ei)
    shape = 0.3 * np.ones_like(scene.momentum)
    for _ in range(rng.integers(1, 4)):
        shape += rng.uniform(1, 4) * _line(scene.momentum - rng.uniform(0.5, 4.5), rng.uniform(0.03, 0.15))
    return 2 * shape * tail


def bragg(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Tails of nuclear Bragg peaks at integer points; not all of them are allowed."""
    tail = np.exp(-rng.uniform(4, 15) * (scene.energy / scene.ei - scene.energy.min() / scene.ei.min()))
    allowed = np.ones(1, np.float32) if rng.random() < 0.5 else (np.round(scene.h) + np.round(scene.k)) % 2 == rng.integers(0, 2)
    return 20 * allowed * _line(scene.from_bragg, rng.uniform(0.03, 0.1)) * tail


def slope(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """It differs from one side of the detectors to the other, in bands: what shielding and single tubes add."""
    direction, turn = rng.uniform(-0.7, 0.7, 2), rng.uniform(0, 2 * np.pi)
    bands = 1 + 0.5 * np.sin(2 * np.pi * rng.uniform(1, 3) * (scene.h * np.cos(turn) + scene.k * np.sin(turn)) + rng.uniform(0, 6))
    return np.maximum(1 + direction[0] * scene.h + direction[1] * scene.k, 0) * bands * np.ones((scene.slices.size, 1, 1), np.float32)


Background = Callable[[Scene, np.random.Generator], np.ndarray]
BACKGROUNDS: dict[str, Background] = {
    "flat": flat,
    "rising": rising,
    "acoustic": acoustic,
    "optic": optic,
    "rings": rings,
    "bragg": bragg,
}
"""Of training maps; measurements have the first two always, and each of the others in some."""
FOREIGN: dict[str, Background] = {"slope": slope}
"""Of none of them: what a network makes of a background that it has never seen is tested with it."""
