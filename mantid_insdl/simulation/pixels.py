"""A pixel of a map is the average over its area:
here it is cut into pieces small enough for the modes to be straight across each.

Two ways to cut. `divide` cuts every pixel alike, each piece with the momentum of its own centre. `cut` takes the
momenta from a lattice that repeats with the magnet's zone, so that most of its nodes are equal by symmetry and are
solved once for the whole map; a piece takes the modes of the node of the cell that its centre is in, moved there by
their velocities and curvatures, and by the slope of their intensity. Either way the line of a mode is as wide as the
mode's energy spreads across the piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

ROUNDING = 1e-9
"""Of a momentum in r.l.u.: what lies closer is one place."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """Pixels cut into rectangles; momenta are (qh, qk) in r.l.u. of the map.

    Parameters
    ----------
    nodes : (node, 2)
        Momenta whose modes are wanted.
    node, pixel : (piece,) int
        Of each piece the node whose modes it takes, and the pixel that it is part of, rising.
    offset, half : (piece, 2)
        The piece's centre less its node; half of its widths.
    share : (piece,)
        Part of the pixel's area; those of a pixel sum to one.
    steps : (2,)
        Cells of the lattice to 1 r.l.u.
    beside : (axis, side, node) int
        Of a lattice: the nodes before and after each along each axis, or the node itself where there is none on
        its side of a line of symmetry.
    """

    nodes: np.ndarray
    node: np.ndarray
    pixel: np.ndarray
    offset: np.ndarray
    half: np.ndarray
    share: np.ndarray
    steps: np.ndarray | None = None
    beside: np.ndarray | None = None

    @cached_property
    def moments(self) -> np.ndarray:
        """First moment, variance and half of the second moment of each piece about its node along each axis,
        (axis, 3, piece, 1).
        """
        variance = self.half**2 / 3
        return np.stack((self.offset, variance, 0.5 * (self.offset**2 + variance))).transpose(2, 0, 1)[..., None].copy()

    @cached_property
    def ends(self) -> list[np.ndarray]:
        """Along each axis, the nodes of a lattice that have none after them."""
        assert self.beside is not None  # they are those of a lattice
        return [np.flatnonzero(after == np.arange(len(self.nodes))) for _, after in self.beside]

    @cached_property
    def reach(self) -> np.ndarray:
        """Farthest point of any piece from its node, along each axis, (2,)."""
        return (np.abs(self.offset) + self.half).max(axis=0)


def divide(low: np.ndarray, high: np.ndarray, parts: tuple[int, int]) -> Pieces:
    """Cut each of the pixels from `low` to `high`, (pixel, 2), into `parts` equal parts along each axis."""
    place = [(np.arange(n) + 0.5) / n for n in parts]
    inside = np.stack(np.meshgrid(*place, indexing="ij"), -1).reshape(-1, 2)
    width = high - low
    nodes = (low[:, None] + inside * width[:, None]).reshape(-1, 2)
    number = len(inside)
    return Pieces(
        nodes=nodes,
        node=np.arange(len(nodes)),
        pixel=np.repeat(np.arange(len(low)), number),
        offset=np.zeros_like(nodes),
        half=np.repeat(0.5 * width / np.array(parts), number, axis=0),
        share=np.full(len(nodes), 1 / number),
    )


def cut(low: np.ndarray, high: np.ndarray, cell: np.ndarray, lines: np.ndarray, steps: np.ndarray) -> Pieces:
    """Cut the pixels from `low` to `high`, (pixel, 2), into pieces that take the modes of the nodes of a lattice.

    A node lies in the middle of its cell, so that the lattice has the mirrors of the axes and no node on a line of
    symmetry. Modes may have a kink there: no piece lies across such a line.

    Parameters
    ----------
    cell : (2,)
        Largest widths of a piece, in r.l.u.
    lines : (2,) int
        Lines of symmetry to 1 r.l.u. of each axis.
    steps : (2,) int
        Cells of the lattice to 1 r.l.u. of each axis, a multiple of `lines`.
    """
    parts = [_Intervals(low[:, axis], high[:, axis], cell[axis], lines[axis], steps[axis]) for axis in (0, 1)]
    counts = [one.count[one.which] for one in parts]
    number = counts[0] * counts[1]
    pixel = np.repeat(np.arange(len(low)), number)
    within = np.arange(len(pixel)) - np.repeat(np.cumsum(number) - number, number)
    turns = np.divmod(within, counts[1][pixel])
    chosen = [one.start[one.which][pixel] + turn for one, turn in zip(parts, turns, strict=True)]
    cells = np.stack([one.cell[index] for one, index in zip(parts, chosen, strict=True)], -1)
    used, node = np.unique(cells, axis=0, return_inverse=True)
    at, place = _without_gaps(used)
    node = place[node.ravel()]
    nodes = (at + 0.5) / steps
    centre, half, share = (
        np.stack([getattr(one, name)[index] for one, index in zip(parts, chosen, strict=True)], -1)
        for name in ("centre", "half", "share")
    )
    return Pieces(
        nodes, node, pixel, centre - nodes[node], half, share.prod(axis=1), steps, _beside(at, steps // lines)
    )


def _without_gaps(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells (node, 2) with those between two of them, which pieces wider than a cell leave out,
    and the place there of each given one.
    """
    first = cells.min(axis=0)
    places = tuple((cells - first).T)
    found = np.zeros(np.ptp(cells, axis=0) + 1, bool)
    found[places] = True
    found[1:-1] |= found[:-2] & found[2:]
    found[:, 1:-1] |= found[:, :-2] & found[:, 2:]
    number = np.cumsum(found).reshape(found.shape) - 1
    return np.argwhere(found) + first, number[places]


def _beside(cells: np.ndarray, stretch: np.ndarray) -> np.ndarray:
    """Neighbours (axis, side, node) among unlike cells (node, 2), of which `stretch` (2,) lie between two lines:
    see `Pieces`.
    """
    here = np.arange(len(cells))
    place = cells - cells.min(axis=0) + 1
    number = np.full(place.max(axis=0) + 2, -1)  # with a rim, where no cell is
    number[tuple(place.T)] = here

    def neighbours(axis: int, step: int) -> np.ndarray:
        move = step * np.eye(2, dtype=int)[axis]
        there = number[tuple((place + move).T)]
        across = np.any((cells + move) // stretch != cells // stretch, axis=1)
        return np.where(across | (there < 0), here, there)

    return np.array([[neighbours(axis, step) for step in (-1, 1)] for axis in (0, 1)])


def differences(values: np.ndarray, pieces: Pieces, axis: int) -> np.ndarray:
    """Derivative along an axis of values (..., node, mode) on a lattice, from the neighbours of each node;
    0 where it has none.

    Where the two sides differ, as at a kink, no more than twice the smaller of them: the monotonised central limiter of
    B. van Leer, J. Comput. Phys. 23, 276 (1977).
    """
    assert pieces.beside is not None and pieces.steps is not None  # they are those of a lattice
    (before, after), last = pieces.beside[axis], pieces.ends[axis]
    on = values.take(after, axis=-2)
    on -= values
    on *= values.dtype.type(pieces.steps[axis])
    back = on.take(before, axis=-2)
    on[..., last, :] = back[..., last, :]
    most = np.minimum(np.abs(back), np.abs(on))
    most *= 2
    most *= back * on > 0
    back += on
    back *= 0.5
    return np.clip(back, -most, most, out=back)


class _Intervals:
    """Pieces of the sides of pixels along one axis: of each unlike side, from `start` on, `count` pieces."""

    def __init__(self, low: np.ndarray, high: np.ndarray, cell: float, lines: int, steps: int):
        sides, self.which = np.unique(np.round(np.stack((low, high), -1), 12), axis=0, return_inverse=True)
        self.which = self.which.ravel()
        cells, centres, halves, shares = [], [], [], []
        for one, other in sides:
            first, last = int(np.floor(one * lines + ROUNDING)), int(np.ceil(other * lines - ROUNDING))
            ends = np.concatenate(([one], np.arange(first + 1, last) / lines, [other]))
            numbers = np.ceil(np.diff(ends) / cell - 0.1).astype(int).clip(1)
            pairs = zip(pairwise(ends), numbers, strict=True)
            edges = np.append(np.concatenate([np.linspace(*pair, n, endpoint=False) for pair, n in pairs]), other)
            width = np.diff(edges)
            centres.append(0.5 * (edges[1:] + edges[:-1]))
            cells.append(np.floor(centres[-1] * steps + ROUNDING).astype(int))
            halves.append(0.5 * width)
            shares.append(width / (other - one))
        self.count = np.array([len(x) for x in cells])
        self.start = np.cumsum(self.count) - self.count
        self.cell, self.centre, self.half, self.share = (np.concatenate(x) for x in (cells, centres, halves, shares))


SIGNED_PERMUTATIONS = tuple(
    np.diag(signs) @ order
    for order in (np.eye(2), np.eye(2)[::-1])
    for signs in ([1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0])
)
"""Operations on (qh, qk), as rows times a matrix, that take upright rectangles to upright rectangles."""


def images(low: np.ndarray, high: np.ndarray, operation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rectangles under one of `SIGNED_PERMUTATIONS`."""
    first, second = low @ operation, high @ operation
    return np.minimum(first, second), np.maximum(first, second)


def unlike(
    low: np.ndarray, high: np.ndarray, operations: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rectangles that the operations do not take into each other, and for each given one which of them it is.

    The operations have to be a group. Returns low and high, (unlike, 2), and an index (rectangle,).
    """
    turned = [images(low, high, one) for one in operations]
    places = np.stack([np.concatenate(pair, axis=1) for pair in turned])  # (operation, rectangle, 4)
    keys = np.round(places / ROUNDING).astype(np.int64)
    best = np.lexsort(tuple(-keys[..., column] for column in (3, 1, 2, 0)), axis=0)[0]
    here = np.arange(len(low))
    _, first, which = np.unique(keys[best, here], axis=0, return_index=True, return_inverse=True)
    chosen = places[best, here][first]
    return chosen[:, :2], chosen[:, 2:], which.ravel()
