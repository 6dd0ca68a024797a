"""The order of the Zener-polaron model, which follows its couplings: chains parallel, antiparallel, or turned against each other.

Polarons A and B alternate along a chain. With a the angle from B to A in a chain, and b the one from A to the B of the next chain, the
energy of a chain's cell is, in units of 2 S^2::

    JFU cos a + JFD cos b + JA cos(a + b)

Each of the three is lowest where its own angle is 0 (ferromagnetic) or pi, and a + b ties them. Where 1/|JFU|, 1/|JFD| and 1/JA can be
the sides of a triangle, its angles are the lowest order: a spiral along b. Elsewhere the order is collinear: the weakest coupling gives
way. The two layers are opposite, and an easy plane keeps all spins in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from mantid_insdl.materials.loading import load_material
from mantid_insdl.materials.material import Material
from mantid_insdl.spinwave.following import FOLLOWED, Followed
from mantid_insdl.spinwave.order import Order

MATERIAL = "pcsmo-zener"
COUPLINGS = ("JFU", "JFD", "JA")
"""Those that the order follows."""
PARALLEL, ANTIPARALLEL, NEEL, SPIRAL, NONE = 0, 1, 2, 3, -1
_COLLINEAR = np.array([(0.0, 0.0), (0.0, np.pi), (np.pi, 0.0)])  # (a, b) of the first three
_WITHIN = [(-3.0, -1.0, 0.1), (-3.0, -0.1, 1.0), (-0.1, -1.0, 1.0)]  # couplings in meV well within each of these
_LABELS = {"up": (0, 0), "lf": (1, 0), "dn": (0, 1), "rg": (1, 1)}  # how often a site's spin is turned back by a, and by a + b


def ground_state(jfu: np.ndarray, jfd: np.ndarray, ja: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which order is the lowest, and its angles.

    Parameters
    ----------
    jfu, jfd, ja : (n,)
        meV, the first two below zero and the third above.

    Returns
    -------
    order : (n,)
        `PARALLEL`, `ANTIPARALLEL` chains, `NEEL` (antiparallel along a chain) or `SPIRAL`.
    angles : (n, 2)
        a and b in radians.
    """
    u, d, j = np.abs(jfu), np.abs(jfd), np.asarray(ja, float)
    with np.errstate(divide="ignore"):
        sides = np.stack([1 / u, 1 / d, 1 / j])
    spiral = 2 * sides.max(axis=0) < sides.sum(axis=0)
    energies = np.stack([-u * np.cos(a) - d * np.cos(b) + j * np.cos(a + b) for a, b in _COLLINEAR])
    order = np.where(spiral, SPIRAL, energies.argmin(axis=0))
    x, y, z = sides
    with np.errstate(invalid="ignore"):
        turned = np.stack([np.arccos((y**2 + z**2 - x**2) / (2 * y * z)), np.arccos((x**2 + z**2 - y**2) / (2 * x * z))], axis=-1)
    return order, np.where(spiral[:, None], turned, _COLLINEAR[np.minimum(order, NEEL)])


def order_of(values: Mapping[str, np.ndarray]) -> np.ndarray:
    """The order of parameter sets (set,), as by `ground_state`; `NONE` where a coupling has another sign than there."""
    jfu, jfd, ja = (np.asarray(values[name], float) for name in COUPLINGS)
    return np.where((jfu < 0) & (jfd <= 0) & (ja >= 0), ground_state(jfu, jfd, ja)[0], NONE)


def ordered(angles: np.ndarray, couplings: dict[str, float], material: str | Material = MATERIAL) -> Material:
    """The magnet with the order of the given angles a and b, (2,).

    Parameters
    ----------
    couplings
        JFU, JFD and JA in meV for which this is the order: its own values.
    """
    base = load_material(material)
    described = base.model_dump(exclude_unset=True)
    sites = [{**site, "direction": _direction(site["label"], site["positions"][0][2], angles).tolist()} for site in described["sites"]]
    k = float(_wave_vector(angles)[1])
    spiral = None if abs(k - round(k)) < 1e-9 else {"k": [0.0, k, 0.0], "axis": [0, 0, 1]}
    parameters = []
    for one in described["parameters"]:
        value = couplings.get(one["name"], one["value"])
        parameters.append({**one, "value": value, "low": min(one["low"], value), "high": max(one["high"], value)})
    return Material.model_validate({**described, "parameters": parameters, "sites": sites, "spiral": spiral})


def _direction(label: str, height: float, angles: np.ndarray) -> np.ndarray:
    """Of a site in a layer above or below 0, for angles (..., 2): (..., 3)."""
    back, chain = _LABELS[label]
    angle = np.pi / 2 - back * angles[..., 0] - chain * angles.sum(axis=-1)
    layer = np.sign(height)
    return np.stack([layer * np.cos(angle), layer * np.sin(angle), np.zeros_like(angle)], axis=-1)


def _wave_vector(angles: np.ndarray) -> np.ndarray:
    """In r.l.u., for angles (..., 2): (..., 3). There are two chains to the cell along b."""
    k = angles.sum(axis=-1) / np.pi
    return np.stack([np.zeros_like(k), k, np.zeros_like(k)], axis=-1)


def in_ground_state(parameters: Mapping[str, float]) -> Material:
    """The magnet with the order and the constants of a parameter set; those not named keep the file's value."""
    values = load_material(MATERIAL).resolve(parameters)
    _, (angles,) = ground_state(*(np.array([values[name]]) for name in COUPLINGS))
    return ordered(angles, values)


def follows(material: Material) -> bool:
    """Whether it is the magnet of this package, whose order is that of its constants; another one keeps the order that it says."""
    return material is load_material(MATERIAL)


def in_own_order(material: str | Path | Material, parameters: Mapping[str, float]) -> Material:
    """Any material in the order that it has with these constants: of this magnet its ground state, of others as they say.

    Where `order_of` knows none the order is that of the file, and unstable.
    """
    found = load_material(material)
    if not follows(found):
        return found
    values = found.resolve(parameters)
    couplings = {name: values[name] for name in COUPLINGS}
    own = order_of({name: np.array([value]) for name, value in couplings.items()})[0] != NONE
    return in_ground_state(couplings) if own and couplings.items() - found.defaults.items() else found


def remark_on_order(material: Material, parameters: Mapping[str, float]) -> str | None:
    """A sentence where the order `in_own_order` is another one than the file's."""
    own = in_own_order(material, parameters)
    if own is material:
        return None
    values = own.resolve(parameters)
    (order,), (angles,) = ground_state(*(np.array([values[name]]) for name in COUPLINGS))
    name = {PARALLEL: "chains parallel", ANTIPARALLEL: "chains antiparallel", NEEL: "spins alternating along the chains"}.get(
        int(order), f"a spiral with k = {_wave_vector(angles)[1]:.4g} along b"
    )
    return f"{material.name} is in the order that {', '.join(COUPLINGS)} give it: {name}"


def in_phase(order: int) -> Material:
    """The magnet in one of the collinear orders, at constants that have it."""
    return in_ground_state(dict(zip(COUPLINGS, _WITHIN[order], strict=True)))


class Spirals(Material):
    """The magnet as a `relaxed` spiral, whose angles are those of `ground_state` at any constants."""

    @cached_property
    def followed(self) -> GroundStates:
        """Its order as a function of its parameters, in closed form."""
        return GroundStates(self)

    @classmethod
    def new(cls) -> Spirals:
        """About the order and the constants of the file."""
        return cls.model_validate({**load_material(MATERIAL).model_dump(exclude_unset=True), "relaxed": True})


class GroundStates:
    """What `mantid_insdl.spinwave.following.FollowedOrder` is to other magnets: here no order has to be followed from another."""

    def __init__(self, material: Material):
        self._sites = material.model.sites
        self._columns = [material.model.parameters.index(name) for name in COUPLINGS]

    def at(self, table: np.ndarray) -> Followed:
        """Orders of parameter sets (set, parameter)."""
        _, angles = ground_state(*np.asarray(table, float)[:, self._columns].T)
        directions = [_direction(site.label, site.position[2], angles) for site in self._sites]
        sets = len(angles)
        return Followed(Order(np.stack(directions, axis=1), _wave_vector(angles)), np.ones(sets), np.full(sets, FOLLOWED))

    def error(self, followed: Followed, table: np.ndarray, index: int) -> None:
        """Every parameter set has an order."""
