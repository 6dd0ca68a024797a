"""A crystal's cell and its reciprocal lattice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mantid_insdl.errors import MaterialError


@dataclass(frozen=True)
class Lattice:
    """A unit cell. The Cartesian frame has x along a, and y in the plane of a and b (as in SpinW).

    Parameters
    ----------
    a, b, c
        Edge lengths in angstrom.
    alpha, beta, gamma
        Angles in degrees.
    """

    a: float
    b: float
    c: float
    alpha: float = 90.0
    beta: float = 90.0
    gamma: float = 90.0

    def __post_init__(self) -> None:
        if not min(self.a, self.b, self.c) > 0:
            raise MaterialError(
                "a lattice parameter is not positive",
                f"a, b, c = {self.a}, {self.b}, {self.c}",
                "give lengths in angstrom",
            )
        ca, cb, cg = np.cos(np.radians([self.alpha, self.beta, self.gamma]))
        if not 1 - ca**2 - cb**2 - cg**2 + 2 * ca * cb * cg > 1e-9:
            raise MaterialError(
                "the lattice angles span no cell",
                f"alpha, beta, gamma = {self.alpha}, {self.beta}, {self.gamma}",
                "give degrees",
            )

    @cached_property
    def vectors(self) -> np.ndarray:
        """Cartesian cell vectors in angstrom as rows, (3, 3): position = fractional @ vectors."""
        ca, cb, cg = np.cos(np.radians([self.alpha, self.beta, self.gamma]))
        sg = np.sqrt(1 - cg**2)
        cy = (ca - cb * cg) / sg
        rows = np.array([[1, 0, 0], [cg, sg, 0], [cb, cy, np.sqrt(max(0.0, 1 - cb**2 - cy**2))]])
        rows[np.abs(rows) < 1e-15] = 0  # cos(90 degrees) is not quite zero
        return rows * np.array([self.a, self.b, self.c])[:, None]

    @cached_property
    def reciprocal(self) -> np.ndarray:
        """Reciprocal vectors in 1/angstrom (with 2 pi) as rows, (3, 3): Q = (h, k, l) @ reciprocal."""
        return 2 * np.pi * np.linalg.inv(self.vectors).T

    @property
    def volume(self) -> float:
        """Cell volume in cubic angstrom."""
        return float(np.linalg.det(self.vectors))

    def to_cartesian(self, hkl: np.ndarray) -> np.ndarray:
        """Momentum (..., 3) in r.l.u. to 1/angstrom."""
        return np.asarray(hkl, float) @ self.reciprocal
