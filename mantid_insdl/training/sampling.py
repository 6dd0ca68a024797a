"""Priors of the exchange constants: what a network believes before it has seen a map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mantid_insdl.materials import Material, load_material, material_names, zener
from mantid_insdl.materials.spin_waves import modes_of

Parameters = dict[str, np.ndarray]

MAGNETS = Path(__file__).parent / "magnets"
"""Magnets that are simulated to be told apart, and that nobody would ask for."""

BAND = (20.0, 120.0)
"""Tops of the bands of the PCSMO models in meV, uniform, the same for all of them: a class must not be known by its largest energy."""
BAND_OF_OTHERS = (5.0, 110.0)
"""Of the magnets that are none of the candidates, log-uniform."""
_TRIES = 120  # shapes drawn at once for all of the wanted tops of a band, and six at least for each
SCALED = 1.5
"""Largest factor, and one over the smallest, by which a draw is scaled to have the wanted top of its band."""
DIMER = (0.1, 0.6)
"""Dimerisation d of a Dimer, J (1 +- d). Below it a dimer is not to be told from Goodenough with JF2 = JF3 = 0: that is the margin."""
FURTHER = (1.0, 0.1)
"""Least length of (JF2, JF3) of an intermediate model, in meV and over the exchange along the chain: its margin to Dimer."""
INTERMEDIATE = (0.2, 0.6)
"""Dimerisation of an intermediate model; the least is its margin to Goodenough."""
_MOMENTA = np.concatenate((np.random.default_rng(0).uniform(-1, 1, (16, 3)), np.indices((2, 2, 1)).reshape(3, -1).T * 0.5 + 1e-3))


@dataclass(frozen=True)
class Draws:
    """Parameter sets with the magnet, in the order that they all have, and how many unstable draws there were on the way.

    Parameters
    ----------
    parameters
        Each (n,).
    """

    material: Material
    parameters: Parameters
    rejected: int = 0


def magnet(name: str) -> Material:
    """A material of the package, or one that is for training only."""
    return load_material(name if name in material_names() else MAGNETS / f"{name}.yaml")


def uniform(name: str, number: int, rng: np.random.Generator) -> Draws:
    """Each parameter uniform over the range in its material file."""
    material = magnet(name)
    return Draws(material, {p.name: rng.uniform(p.low, p.high, number) for p in material.parameters})


def pcsmo(name: str, number: int, rng: np.random.Generator) -> Draws:
    """One prior for all the models of the half-doped manganites, so that a network learns the physics and not the range.

    What the models share has the same distribution in all: the exchange along the chain, between chains, between layers, the
    anisotropy (see `_shape`), and the top of the band, to which each draw is scaled (`BAND`). Other magnets are uniform over the
    ranges in their files and then scaled to a band of any height (`BAND_OF_OTHERS`).
    """
    if name not in _SHAPES:
        drawn = uniform(name, number, rng)
        top, stable = band_top(drawn.material, drawn.parameters)
        wanted = np.exp(rng.uniform(*np.log(BAND_OF_OTHERS), number))
        factor = np.where(stable, wanted / np.where(stable, top, 1), 1)
        return Draws(drawn.material, {k: v * factor for k, v in drawn.parameters.items()})
    draw = _SHAPES[name](rng)
    wanted, found, rejected = rng.uniform(*BAND, number), {}, 0
    missing = np.arange(number)
    while missing.size:
        tries = max(6, _TRIES // missing.size)
        material, shapes = draw(tries * missing.size)
        top, stable = band_top(material, shapes)
        factor = np.repeat(wanted[missing], tries) / np.where(stable, top, np.inf)
        good = ((factor > 1 / SCALED) & (factor < SCALED)).reshape(-1, tries)
        first = good.argmax(axis=1) + tries * np.arange(missing.size)
        # unstable shapes before the one that is taken
        rejected += int(np.sum(~stable & (np.arange(stable.size) < np.repeat(first, tries))))
        done = good.any(axis=1)
        for key, values in shapes.items():
            found.setdefault(key, np.empty(number))[missing[done]] = (values * factor)[first[done]]
        missing = missing[~done]
    return Draws(material, found, rejected)


def band_top(material: Material, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Largest energy of the spin waves in meV at some momenta, (n,), and whether they are stable there."""
    modes = modes_of(material, _MOMENTA, material.couplings(parameters))
    return np.nanmax(np.where(np.isfinite(modes.energies), modes.energies, -np.inf), axis=(1, 2)), modes.stable


Shape = Callable[[int], tuple[Material, Parameters]]


def _goodenough(rng: np.random.Generator) -> Shape:
    def draw(n: int) -> tuple[Material, Parameters]:
        further = {name: rng.uniform(-3, 3, n) for name in ("JF2", "JF3")}
        return magnet("pcsmo-goodenough"), {"JF1": _chain(n, rng), "JA": rng.uniform(0, 3, n), **further, **_common(n, rng)}

    return draw


def _dimer(rng: np.random.Generator) -> Shape:
    def draw(n: int) -> tuple[Material, Parameters]:
        between, split = rng.uniform(0, 3, n), rng.uniform(-0.5, 0.5, n)
        pairs = {"JA1": between + split, "JA2": between - split}
        return magnet("pcsmo-dimer"), {**_dimerised(n, rng), **pairs, **_common(n, rng)}

    return draw


def _intermediate(rng: np.random.Generator) -> Shape:
    def draw(n: int) -> tuple[Material, Parameters]:
        pairs = _dimerised(n, rng, INTERMEDIATE)
        chain = 0.5 * (pairs["JFS"] + pairs["JFW"])
        length, angle = rng.uniform(np.maximum(FURTHER[0], FURTHER[1] * np.abs(chain)), 3, n), rng.uniform(0, 2 * np.pi, n)
        further = {"JF2": length * np.cos(angle), "JF3": length * np.sin(angle)}
        return magnet("pcsmo-intermediate"), {**pairs, "JA": rng.uniform(0, 3, n), **further, **_common(n, rng)}

    return draw


def _zener(rng: np.random.Generator) -> Shape:
    """Of one order, whose probability is that of the prior: a simulator is made for each order. Draws of a spiral share its angles.

    Its spins are twice as long, and what is the same for all models is energy: half the exchange constants of the others.
    """

    def in_plane(n: int) -> tuple[np.ndarray, ...]:
        return 0.5 * _chain(n, rng), -rng.uniform(0, 1.5, n), rng.uniform(0, 1.5, n)

    names, first = ("JFU", "JFD", "JA"), in_plane(1)
    (order,), (angles,) = zener.ground_state(*first)
    material = zener.ordered(angles, {name: float(value[0]) for name, value in zip(names, first, strict=True)})

    def draw(n: int) -> tuple[Material, Parameters]:
        if order == zener.SPIRAL:
            chain = 0.5 * _chain(n, rng)
            values = chain, *(first[i] / first[0] * chain for i in (1, 2))
        else:
            more = in_plane(20 * n)
            kept = np.flatnonzero(zener.ground_state(*more)[0] == order)
            values = tuple(one[kept[np.arange(n) % kept.size]] for one in more)
        return material, {**dict(zip(names, values, strict=True)), **{k: 0.5 * v for k, v in _common(n, rng).items()}}

    return draw


def _chain(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-20, -2, n)


def _dimerised(n: int, rng: np.random.Generator, between: tuple[float, float] = DIMER) -> Parameters:
    chain, dimerisation = _chain(n, rng), rng.uniform(*between, n)
    return {"JFS": chain * (1 + dimerisation), "JFW": chain * (1 - dimerisation)}


def _common(n: int, rng: np.random.Generator) -> Parameters:
    return {"Jperp": rng.uniform(0, 3, n), "D": rng.uniform(0, 0.2, n)}


_SHAPES: dict[str, Callable[[np.random.Generator], Shape]] = {
    "pcsmo-goodenough": _goodenough,
    "pcsmo-dimer": _dimer,
    "pcsmo-zener": _zener,
    "pcsmo-intermediate": _intermediate,
}
PRIORS: dict[str, Callable[[str, int, np.random.Generator], Draws]] = {"uniform": uniform, "pcsmo": pcsmo}
