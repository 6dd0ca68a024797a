"""Which momentum one unit along a dimension is, as BinMD keeps it beside the dimension's name.

BinMD along directions of its own (BasisVector0, ...) has unit basis vectors unless NormalizeBasisVectors is off: one unit along a dimension
called [H,H,0] is then (1, 1, 0) over the root of two. Its basis vectors, and as the origin its translation, are in the coordinates of the
workspace that was binned (SlicingAlgorithm.cpp, BinMD.cpp of 3.13). Binned along the dimensions as they are, it keeps unit vectors, and as
origin the lower edges, which are no translation. Of MDNorm the vectors are in the frame of the sample: there the names count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mantid_insdl.files.histo_layout import kind_of


@dataclass(frozen=True, eq=False)
class Basis:
    """(h, k, l) of one unit along each dimension, None where it has none, and of the place where all dimensions are zero."""

    directions: tuple[tuple[float, float, float] | None, ...]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)


def basis_of(workspace: Any) -> Basis | None:
    """The basis of an MDHistoWorkspace that was binned from one along H, K and L; None where the names of its dimensions have to do."""
    count = workspace.getNumDims()
    binned = _directions_of_binned(workspace)
    if binned is None:
        return None
    vectors = [_values(workspace.getBasisVector(i)) for i in range(count)]
    origin = _values(workspace.getOrigin())
    if any(vector.size != len(binned) for vector in (*vectors, origin)):
        return None
    is_momentum = np.array([direction is not None for direction in binned])
    h_k_l = np.array([direction or (0.0, 0.0, 0.0) for direction in binned])
    if any(np.any(vector[is_momentum]) and np.any(vector[~is_momentum]) for vector in vectors):
        return None
    directions = tuple(_triple(vector @ h_k_l) if np.any(vector[is_momentum]) else None for vector in vectors)
    lower = sum((workspace.getDimension(i).getMinimum() * vector for i, vector in enumerate(vectors)), np.zeros(origin.size))
    aligned = all(np.count_nonzero(vector) == 1 and vector.sum() == 1 for vector in vectors) and np.allclose(origin, lower, atol=1e-5)
    if aligned or np.any(origin[~is_momentum]):
        return Basis(directions) if aligned else None
    return Basis(directions, _triple(origin @ h_k_l))


def _triple(vector: np.ndarray) -> tuple[float, float, float]:
    h, k, third = vector.tolist()
    return h, k, third


def _directions_of_binned(workspace: Any) -> list[tuple[float, float, float] | None] | None:
    """Of each dimension of the workspace that was binned its direction; None where it has no momentum in (h, k, l)."""
    if not workspace.hasOriginalWorkspace(0):
        return None
    binned = workspace.getOriginalWorkspace(0)
    dimensions = [binned.getDimension(j) for j in range(binned.getNumDims())]
    found = [kind_of(one.name)[1] if one.getMDFrame().name() == "HKL" else None for one in dimensions]
    return found if any(direction is not None for direction in found) else None


def _values(vector: Any) -> np.ndarray:
    return np.array([vector[i] for i in range(vector.getNumDims())], dtype=float)
