"""Maps that show the spin waves of none of the candidates: what a classifier must not recognise.

Each kind makes one from the noise-free maps of a data set, on the same slices; the measurement then adds what it adds to all maps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from mantid_insdl.training import backgrounds
from mantid_insdl.training.backgrounds import Scene

NONE = -1
"""The label of a map that shows none of the candidates."""
MAGNET = "magnet: "
"""Begins the kind of a map that shows another magnet, whose name follows."""


@dataclass(frozen=True)
class Source:
    """What a kind has to work with.

    Parameters
    ----------
    expected : (slice, qh, qk) float32
        A map of a candidate; NaN out of reach.
    groups
        Slices of each incident energy.
    partner
        Another candidate's map on the same slices.
    """

    scene: Scene
    groups: list[np.ndarray]
    expected: np.ndarray
    partner: Callable[[], np.ndarray]


Kind = Callable[[Source, np.random.Generator], np.ndarray]


def _masked(source: Source, values: np.ndarray) -> np.ndarray:
    """`values`, none below zero, where the map that they replace can be reached."""
    return np.where(np.isfinite(source.expected), np.maximum(np.nan_to_num(values), 0), np.nan).astype(np.float32)


def _energies(source: Source, rng: np.random.Generator, order: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> np.ndarray:
    made = source.expected.copy()
    for group in source.groups:
        made[group] = source.expected[order(group, rng)]
    return _masked(source, made)


def _reversed(group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return group[::-1]


def _rolled(group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.roll(group, rng.integers(1, max(group.size, 2)))


def _permuted(group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(group)


def _exchanged(source: Source, rng: np.random.Generator) -> np.ndarray:
    """The slices of one incident energy shown as those of another; of a single one, permuted energies."""
    if len(source.groups) < 2:
        return _energies(source, rng, _permuted)
    made, order = source.expected.copy(), np.roll(rng.permutation(len(source.groups)), 1)
    others = np.empty_like(order)
    others[order] = np.roll(order, 1)  # no incident energy keeps its own
    for group, other in zip(source.groups, others, strict=True):
        theirs = source.groups[other]
        made[group] = source.expected[theirs[np.linspace(0, theirs.size - 1, group.size).round().astype(int)]]
    return _masked(source, made)


def warped(maps: np.ndarray, scene: Scene, matrix: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Maps (slice, qh, qk) whose pixel q shows what `maps` have at ``matrix @ q + shift``, at the border what is nearest; bilinear."""
    q = np.stack(np.broadcast_arrays(scene.h, scene.k)).reshape(2, -1)
    source = matrix @ q + np.reshape(shift, (2, 1))
    corner, part = [], []
    for at, axis in zip(source, (scene.qh, scene.qk), strict=True):
        index = np.clip((at - axis.centres[0]) / (axis.centres[1] - axis.centres[0]), 0, axis.size - 1)
        corner.append(np.minimum(index.astype(int), axis.size - 2))
        part.append((index - corner[-1]).astype(np.float32))
    flat = maps.reshape(len(maps), -1)
    first = corner[0] * scene.qk.size + corner[1]
    (x, y), columns = part, scene.qk.size
    made = flat[:, first] * ((1 - x) * (1 - y)) + flat[:, first + 1] * ((1 - x) * y)
    made += flat[:, first + columns] * (x * (1 - y)) + flat[:, first + columns + 1] * (x * y)
    return made.reshape(maps.shape)


def turn(degrees: float) -> np.ndarray:
    """Rotation in the plane, (2, 2)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, s], [-s, c]])


def _scaled(source: Source, rng: np.random.Generator) -> np.ndarray:
    factor = rng.uniform(0.55, 0.8) if rng.random() < 0.5 else rng.uniform(1.25, 1.7)
    matrix = factor * np.eye(2)
    inside = factor > 1  # beyond the map there is nothing to show: its mirror image stands there
    maps = np.nan_to_num(source.expected)
    return _masked(source, _mirrored(maps, source.scene, matrix) if inside else warped(maps, source.scene, matrix, np.zeros(2)))


def _mirrored(maps: np.ndarray, scene: Scene, matrix: np.ndarray) -> np.ndarray:
    """As `warped` without a shift, with mirror images beyond the border."""
    size = maps.shape[1:]
    index = np.indices(size).reshape(2, -1) - (np.array(size)[:, None] - 1) / 2
    at = np.round(matrix @ index + (np.array(size)[:, None] - 1) / 2).astype(int)
    period = 2 * (np.array(size)[:, None] - 1)
    at = np.abs(np.mod(at + period // 2, period) - period // 2)
    return maps[:, at[0], at[1]].reshape(maps.shape)


def _shifted(source: Source, rng: np.random.Generator) -> np.ndarray:
    size = source.scene.qh.size
    step = source.scene.qh.centres[1] - source.scene.qh.centres[0]
    length, angle = rng.uniform(0.15, 0.35), rng.uniform(0, 2 * np.pi)
    shift = np.round(length / step * np.array([np.cos(angle), np.sin(angle)])).astype(int)
    index = np.arange(size)
    period = 2 * (size - 1)
    h, k = (np.abs(np.mod(index + s + period // 2, period) - period // 2) for s in shift)
    return _masked(source, source.expected[:, h[:, None], k])


def _rotated(source: Source, rng: np.random.Generator) -> np.ndarray:
    return _masked(source, _mirrored(np.nan_to_num(source.expected), source.scene, turn(rng.uniform(20, 70))))


def _tiles(source: Source, rng: np.random.Generator, number: int = 4) -> np.ndarray:
    """Squares of every slice at other places, the same in all slices."""
    size = source.expected.shape[1]
    edge = size // number
    made, places = np.nan_to_num(source.expected), rng.permutation(number * number)
    result = made.copy()
    for tile, place in enumerate(places):
        (i, j), (x, y) = (np.array(divmod(one, number)) * edge for one in (tile, place))
        result[:, i : i + edge, j : j + edge] = made[:, x : x + edge, y : y + edge]
    return _masked(source, result)


def _pixels(source: Source, rng: np.random.Generator) -> np.ndarray:
    """The pixels of every slice at other places, the same in all slices."""
    maps = np.nan_to_num(source.expected)
    order = rng.permutation(maps[0].size)
    return _masked(source, maps.reshape(len(maps), -1)[:, order].reshape(maps.shape))


def _mixture(source: Source, rng: np.random.Generator) -> np.ndarray:
    """Two candidates, each with 30 to 70 % of the intensity."""
    share = rng.uniform(0.3, 0.7)
    return share * source.expected + (1 - share) * source.partner()


def _blobs(source: Source, rng: np.random.Generator) -> np.ndarray:
    """Gaussian spots, at places that are the same in all slices or drift with energy."""
    scene = source.scene
    drift = rng.uniform(0, 0.6) * (scene.energy / scene.energy.max())
    made = np.full(source.expected.shape, 0.05, np.float32)
    for _ in range(rng.integers(1, 6)):
        (h, k), angle, width = rng.uniform(-1, 1, 2), rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.4)
        away = (scene.h - h - drift * np.cos(angle)) ** 2 + (scene.k - k - drift * np.sin(angle)) ** 2
        made += rng.uniform(0.2, 1) * np.exp(-0.5 * away / width**2)
    return _masked(source, made)


def _circles(source: Source, rng: np.random.Generator) -> np.ndarray:
    """Rings about the origin, or about all integer points, which may grow with energy: not by the law of a spin wave."""
    scene = source.scene
    distance = scene.from_bragg if rng.random() < 0.5 else np.hypot(scene.h, scene.k)
    largest = distance.max()
    at = rng.uniform(0.1, 0.6) * largest + rng.uniform(-0.4, 0.6) * largest * (scene.energy / scene.energy.max()) ** rng.uniform(0.3, 3)
    return _masked(source, 0.05 + np.exp(-0.5 * ((distance - at) / rng.uniform(0.03, 0.12)) ** 2))


def _stripes(source: Source, rng: np.random.Generator) -> np.ndarray:
    scene = source.scene
    angle, number, phase = rng.uniform(0, np.pi), rng.uniform(0.5, 5), rng.uniform(0, 2 * np.pi)
    moved = rng.uniform(-3, 3) * scene.energy / scene.energy.max()
    wave = np.sin(2 * np.pi * number * (scene.h * np.cos(angle) + scene.k * np.sin(angle)) + phase + moved)
    if rng.random() < 0.5:  # a lattice of spots
        wave = wave * np.sin(2 * np.pi * number * (scene.h * np.sin(angle) - scene.k * np.cos(angle)) + phase - moved)
    return _masked(source, np.exp(rng.uniform(0.5, 3) * (wave - 1)))


def _gradient(source: Source, rng: np.random.Generator) -> np.ndarray:
    scene = source.scene
    a, b = rng.uniform(-1, 1, 2)
    made = (2.2 + a * scene.h + b * scene.k) * np.exp(rng.uniform(-2, 1) * scene.energy / scene.energy.max())
    return _masked(source, made + rng.uniform(-0.5, 0.5) * (scene.h**2 + scene.k**2))


def _hills(source: Source, rng: np.random.Generator) -> np.ndarray:
    """Smooth at random, in momentum and energy."""
    scene = source.scene
    made = np.zeros(source.expected.shape, np.float32)
    for _ in range(12):
        p, q, r = rng.normal(0, 1.5, 3)
        made += np.cos(2 * np.pi * (p * scene.h + q * scene.k) + 3 * r * scene.energy / scene.energy.max() + rng.uniform(0, 2 * np.pi))
    return _masked(source, np.exp(rng.uniform(0.2, 0.8) * made))


def _phonons(source: Source, rng: np.random.Generator) -> np.ndarray:
    kinds = [backgrounds.acoustic, backgrounds.optic]
    chosen = kinds if rng.random() < 0.5 else [kinds[rng.integers(2)]]
    made = sum((shape := one(source.scene, rng)) / backgrounds.mean_level(shape) * rng.uniform(0.3, 1) for one in chosen)
    return _masked(source, made + 0.02 * np.ones(source.expected.shape))


def _nothing(source: Source, rng: np.random.Generator) -> np.ndarray:
    """The same everywhere: noise and background are all that is left to see."""
    return _masked(source, np.ones(source.expected.shape))


KINDS: dict[str, Kind] = {
    "energies permuted": partial(_energies, order=_permuted),
    "energies reversed": partial(_energies, order=_reversed),
    "energies rolled": partial(_energies, order=_rolled),
    "incident energies exchanged": _exchanged,
    "momentum scaled": _scaled,
    "momentum shifted": _shifted,
    "momentum rotated": _rotated,
    "tiles shuffled": _tiles,
    "pixels shuffled": _pixels,
    "mixture": _mixture,
    "blobs": _blobs,
    "circles": _circles,
    "stripes": _stripes,
    "gradient": _gradient,
    "hills": _hills,
    "phonons": _phonons,
    "noise": _nothing,
}
"""All kinds but the other magnets."""
