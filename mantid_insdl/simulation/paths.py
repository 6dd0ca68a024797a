"""Paths in momentum: straight lines from corner to corner, whose corners may have names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mantid_insdl.errors import MapError
from mantid_insdl.maps import PER_ANGSTROM, Axis
from mantid_insdl.materials import Material, load_material

MAX_POINTS = 10_000


@dataclass(frozen=True, eq=False)
class MomentumPath:
    """Momenta along straight lines, evenly spaced in 1/angstrom on each, with the corners among them.

    Parameters
    ----------
    hkl : (point, 3)
        r.l.u. of the material's map frame.
    axis
        Distance along the path in 1/angstrom.
    corners
        Index of each corner's point, and its label (empty for none), as in `mantid_insdl.maps.Map.corners`.
    """

    hkl: np.ndarray
    axis: Axis
    corners: tuple[tuple[int, str], ...]


def path_through(
    corners: Sequence[Sequence[float]],
    points: int,
    lattice_of: str | Path | Material,
    labels: Sequence[str] | None = None,
) -> MomentumPath:
    """The path through `corners`.

    Each segment has a number of steps in proportion to its length, one at least, so that every corner is a point of the
    path and steps differ between segments by as little as whole numbers allow.

    Parameters
    ----------
    corners : (n, 3)
        Corner points (h, k, l) in r.l.u. of the material's map frame, at least two.
    points
        Number of momenta in all, at least one for each corner.
    lattice_of
        The material whose lattice measures the lengths.
    labels
        Names of the corners, such as ``["G", "M", "X", "G"]``.

    Raises
    ------
    MapError
        For corners that are no momenta or equal to the one before, for too few or too many points, and for labels that
        are not one for each corner.
    """
    given = np.asarray(corners, float)
    if given.ndim != 2 or given.shape[1:] != (3,) or len(given) < 2 or not np.all(np.isfinite(given)):
        raise MapError("a path needs two corners or more, each (h, k, l)", fix="give [[0, 0, 0], [0.5, 0.5, 0]]")
    if not len(corners) <= points <= MAX_POINTS:
        raise MapError(
            f"a path through {len(corners)} corners cannot have {points} points",
            f"it has one for each corner and up to {MAX_POINTS:,}",
        )
    names = [""] * len(corners) if labels is None else [str(label).strip() for label in labels]
    if len(names) != len(corners) or any("\n" in name for name in names):
        raise MapError(
            f"there are {len(names)} labels for {len(corners)} corners",
            "each corner has one, of one line",
            "give as many",
        )
    material = load_material(lattice_of)
    segments = np.diff(given, axis=0) @ material.map.matrix.T
    lengths = np.linalg.norm(material.model.lattice.to_cartesian(segments), axis=1)
    if np.any(lengths == 0):
        raise MapError("two corners of the path that follow each other are equal", fix="leave one out")
    steps = _shares(lengths, points - 1)
    ends = np.concatenate(([0], np.cumsum(steps)))
    number = np.arange(points)
    hkl = np.stack([np.interp(number, ends, corner) for corner in given.T], axis=-1)
    distance = np.interp(number, ends, np.concatenate(([0.0], np.cumsum(lengths))))
    return MomentumPath(
        hkl,
        Axis("path", PER_ANGSTROM, distance, label="distance along the path"),
        tuple((int(index), name) for index, name in zip(ends, names, strict=True)),
    )


def path_of(hkl: np.ndarray, lattice_of: str | Path | Material) -> MomentumPath:
    """The path through given momenta (point, 3) in r.l.u. of the material's map frame, as a measured cut has them.

    A corner may stand there twice, as the end of one line and the beginning of the next.

    Raises
    ------
    MapError
        If they are not momenta, or fewer than two are different.
    """
    hkl = np.asarray(hkl, float)
    if hkl.ndim != 2 or hkl.shape[1:] != (3,) or not np.all(np.isfinite(hkl)) or len(np.unique(hkl, axis=0)) < 2:
        raise MapError(
            "a path needs two different momenta or more, each (h, k, l)", fix="give [[0, 0, 0], [0.5, 0.5, 0]]"
        )
    steps = np.linalg.norm(np.diff(hkl, axis=0) @ load_material(lattice_of).map_frame, axis=1)
    steps[steps == 0] = np.median(steps[steps > 0])
    distance = np.concatenate(([0.0], np.cumsum(steps)))
    return MomentumPath(hkl, Axis("path", PER_ANGSTROM, distance, label="distance along the path"), ())


def _shares(lengths: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers of at least one, in proportion to `lengths` as far as that goes, whose sum is `total`."""
    spare = total - lengths.size
    wanted = np.maximum(total * lengths / lengths.sum() - 1, 0)
    wanted *= spare / max(wanted.sum(), 1e-300)
    shares = np.floor(wanted).astype(int)
    largest = np.argsort(shares - wanted, kind="stable")[: spare - shares.sum()]
    shares[largest] += 1
    return shares + 1
