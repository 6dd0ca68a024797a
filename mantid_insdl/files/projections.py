"""Slices in the (H, K) plane whose axes run along other directions of it, such as [H,H,0] and [H,-H,0]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mantid_insdl.errors import MapError, MaterialError

if TYPE_CHECKING:
    from mantid_insdl.materials import Material

_MOST_PARTS = 10  # of a pixel along each side, each of which goes as a whole to the pixel that its centre lies in
_PARTS_IN_ALL = 4e6


@dataclass(frozen=True)
class Plane:
    """Slices against Qh and Qk: edges in r.l.u., arrays (slice, qh, qk)."""

    qh: np.ndarray
    qk: np.ndarray
    intensity: np.ndarray
    error: np.ndarray
    mask: np.ndarray
    rebinned: bool


def cell_reciprocal(material: str) -> np.ndarray | None:
    """Reciprocal vectors in 1/angstrom, as rows, of the cell that the data of a material are in r.l.u. of; None without such a material."""
    found = _found(material)
    return None if found is None else found.data_frame


def axes_of_maps(material: str) -> np.ndarray | None:
    """Directions of Qh, Qk and the third axis of a material's maps in (h, k, l), as rows; None where they are those of H, K and L."""
    found = _found(material)
    if found is None or np.array_equal(found.map.axes, np.eye(3)):
        return None
    return np.array(found.map.axes)


def _found(material: str) -> Material | None:
    """The material of a name or a file; of a family one of its models, which share a frame. None for a name without a material."""
    from mantid_insdl.materials import load_material, material_names

    for name in (material, *material_names()):
        try:
            one = load_material(name)
        except MaterialError:
            continue
        if material in (name, one.family):
            return one
    return None


def onto_h_and_k(
    intensity: np.ndarray, error: np.ndarray, mask: np.ndarray, edges: tuple[np.ndarray, np.ndarray], basis: np.ndarray, origin: np.ndarray
) -> Plane:
    """Bring slices onto axes along [H,0,0] and [0,K,0]: axes along one of the two are scaled, others are re-binned by area.

    The new pixels are squares of the area of the old ones, one of them centred at (0, 0). Their intensity is the mean of the known old
    pixels weighted by the area in common, errors add in quadrature with the same weights, and pixels known to less than half are masked.

    Parameters
    ----------
    intensity, error, mask : (slice, n, m)
    edges : (n + 1,), (m + 1,)
        Along the two directions.
    basis : (2, 2)
        (h, k) of one unit along the first direction, and along the second.
    origin : (2,)
        (h, k) where both are zero.

    Raises
    ------
    MapError
        Directions that are nearly parallel.
    """
    for order in ((0, 1), (1, 0)):
        turned = basis[list(order)]
        if turned[0, 1] == turned[1, 0] == 0:
            return _scaled(intensity, error, mask, edges, turned, origin, order)
    corners = np.array([origin + a * basis[0] + b * basis[1] for a in edges[0][[0, -1]] for b in edges[1][[0, -1]]])
    area = abs(np.linalg.det(basis)) * np.outer(np.diff(edges[0]), np.diff(edges[1]))
    step = float(np.sqrt(np.median(area)))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # pixels without an area, and numbers without sense
        ends = [(np.floor(low / step - 0.5), np.ceil(high / step + 0.5)) for low, high in _ranges(corners)]
        number = np.prod([last - first - 1 for first, last in ends])
    if not number <= 50 * area.size:
        raise MapError(
            "the two directions of the slices are nearly parallel, or of very unlike lengths",
            "their pixels are slivers",
            "project onto other directions",
        )
    qh, qk = (step * (np.arange(first, last) + 0.5) for first, last in ends)
    weights = _shared_area(edges, basis, origin, area, qh, qk)
    slices = intensity.shape[0]

    def weigh(values: np.ndarray, power: int = 1) -> np.ndarray:
        return (weights.power(power) @ values.reshape(slices, -1).T).T.reshape(slices, qh.size - 1, qk.size - 1)

    good = ~mask & np.isfinite(intensity)
    known = weigh(good.astype(float))
    unknown = known < 0.5 * step**2
    total = np.where(unknown, 1.0, known)
    return Plane(
        qh,
        qk,
        np.where(unknown, np.nan, weigh(np.where(good, intensity, 0.0)) / total),
        np.sqrt(weigh(np.where(good, error, 0.0) ** 2, 2)) / total,
        unknown,
        rebinned=True,
    )


def _scaled(
    intensity: np.ndarray,
    error: np.ndarray,
    mask: np.ndarray,
    edges: tuple[np.ndarray, np.ndarray],
    basis: np.ndarray,
    origin: np.ndarray,
    order: tuple[int, int],
) -> Plane:
    """Exactly, where both axes run along [H,0,0] and [0,K,0], in either order, with any factors."""
    new = [edges[i] * basis[place, place] + origin[place] for place, i in enumerate(order)]
    steps = [slice(None, None, -1 if basis[place, place] < 0 else 1) for place in (0, 1)]
    value, width, gone = (array.transpose(0, 1 + order[0], 1 + order[1])[:, steps[0], steps[1]] for array in (intensity, error, mask))
    return Plane(new[0][steps[0]], new[1][steps[1]], value, width, gone, rebinned=False)


def _ranges(points: np.ndarray) -> list[tuple[float, float]]:
    return list(zip(points.min(axis=0), points.max(axis=0), strict=True))


def _shared_area(
    edges: tuple[np.ndarray, np.ndarray], basis: np.ndarray, origin: np.ndarray, area: np.ndarray, qh: np.ndarray, qk: np.ndarray
) -> Any:
    """Area in (h, k) that new and old pixels share, a sparse matrix (new pixel, old pixel), from small parts of the old ones."""
    from scipy import sparse

    parts = int(np.clip(np.sqrt(_PARTS_IN_ALL / area.size), 2, _MOST_PARTS))
    within = (np.arange(parts) + 0.5) / parts
    along = [(e[:-1, None] + np.diff(e)[:, None] * within).ravel() for e in edges]
    a, b = np.meshgrid(*along, indexing="ij")
    h, k = (origin[i] + a * basis[0, i] + b * basis[1, i] for i in (0, 1))
    old = (np.arange(along[0].size)[:, None] // parts) * area.shape[1] + np.arange(along[1].size) // parts
    new = (np.searchsorted(qh, h, "right") - 1) * (qk.size - 1) + np.searchsorted(qk, k, "right") - 1
    shape = ((qh.size - 1) * (qk.size - 1), area.size)
    return sparse.coo_array((area.ravel()[old.ravel()] / parts**2, (new.ravel(), old.ravel())), shape=shape).tocsr()
