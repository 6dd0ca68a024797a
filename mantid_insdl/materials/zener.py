"""The order of the Zener-polaron model, which follows its couplings: chains parallel, antiparallel, or turned against each other.

Polarons A and B alternate along a chain. With a the angle from B to A in a chain, and b the one from A to the B of the next chain, the
energy of a chain's cell is, in units of 2 S^2::

    JFU cos a + JFD cos b + JA cos(a + b)

Each of the three is lowest where its own angle is 0 (ferromagnetic) or pi, and a + b ties them. Where 1/|JFU|, 1/|JFD| and 1/JA can be
the sides of a triangle, its angles are the lowest order: a spiral along b. Elsewhere the order is collinear: the weakest coupling gives
way. The two layers are opposite, and an easy plane keeps all spins in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from mantid_insdl.materials.loading import load_material
from mantid_insdl.materials.material import Material

MATERIAL = "pcsmo-zener"
PARALLEL, ANTIPARALLEL, NEEL, SPIRAL = 0, 1, 2, 3
ORDER_FOLLOWS = "a fit keeps the order of the spins, and that of Zener polarons follows their constants"
NOT_FITTED = f"{MATERIAL} was not fitted: {ORDER_FOLLOWS}."
_COLLINEAR = np.array([(0.0, 0.0), (0.0, np.pi), (np.pi, 0.0)])  # (a, b) of the first three
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
    sides = np.stack([1 / u, 1 / d, 1 / j])
    spiral = 2 * sides.max(axis=0) < sides.sum(axis=0)
    energies = np.stack([-u * np.cos(a) - d * np.cos(b) + j * np.cos(a + b) for a, b in _COLLINEAR])
    order = np.where(spiral, SPIRAL, energies.argmin(axis=0))
    x, y, z = sides
    with np.errstate(invalid="ignore"):
        turned = np.stack([np.arccos((y**2 + z**2 - x**2) / (2 * y * z)), np.arccos((x**2 + z**2 - y**2) / (2 * x * z))], axis=-1)
    return order, np.where(spiral[:, None], turned, _COLLINEAR[np.minimum(order, NEEL)])


def ordered(angles: np.ndarray, couplings: dict[str, float], material: str | Material = MATERIAL) -> Material:
    """The magnet with the order of the given angles a and b, (2,).

    Parameters
    ----------
    couplings
        JFU, JFD and JA in meV for which this is the order: its own values.
    """
    base = load_material(material)
    along, between = angles[0], angles[0] + angles[1]
    described = base.model_dump(exclude_unset=True)
    sites = []
    for site in described["sites"]:
        back, chain = _LABELS[site["label"]]
        angle = np.pi / 2 - back * along - chain * between
        layer = np.sign(site["positions"][0][2])
        sites.append({**site, "direction": [layer * np.cos(angle), layer * np.sin(angle), 0.0]})
    k = between / np.pi  # two chains to the cell along b
    spiral = None if abs(k - round(k)) < 1e-9 else {"k": [0.0, k, 0.0], "axis": [0, 0, 1]}
    parameters = []
    for one in described["parameters"]:
        value = couplings.get(one["name"], one["value"])
        parameters.append({**one, "value": value, "low": min(one["low"], value), "high": max(one["high"], value)})
    return Material.model_validate({**described, "parameters": parameters, "sites": sites, "spiral": spiral})


def fittable(materials: Iterable[str]) -> list[str]:
    """Those of the materials whose order stays that of their file while their constants change."""
    return [name for name in materials if name != MATERIAL]


def in_ground_state(parameters: Mapping[str, float]) -> Material:
    """The magnet with the order and the constants of a parameter set; those not named keep the file's value."""
    values = load_material(MATERIAL).resolve(parameters)
    _, (angles,) = ground_state(*(np.array([values[name]]) for name in ("JFU", "JFD", "JA")))
    return ordered(angles, values)
