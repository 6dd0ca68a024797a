"""Priors of the exchange constants: what a network believes before it has seen a map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mantid_insdl.materials import load_material

Parameters = dict[str, np.ndarray]


def uniform(material: str, number: int, rng: np.random.Generator) -> Parameters:
    """Each parameter uniform over the range in its material file."""
    return {p.name: rng.uniform(p.low, p.high, number) for p in load_material(material).parameters}


def pcsmo(material: str, number: int, rng: np.random.Generator) -> Parameters:
    """One prior for both half-doped manganite models, so that a network learns the physics and not the range.

    What the models share has the same distribution in both: the mean exchange along the chain U(-20, -2), the mean antiferromagnetic
    exchange between chains U(0, 3), between layers U(0, 3), and the anisotropy U(0, 0.2) meV. A Goodenough draw adds the further
    neighbours JF2, JF3 U(-3, 3); a Dimer draw splits the chain into strong and weak bonds, J (1 +- d), with d U(0.1, 0.6), and the
    coupling between chains into JA1, JA2 that differ by up to 1 meV. With JF2 = JF3 = 0 and d = 0 the two models are the same magnet:
    the gap below d = 0.1 keeps the classes apart, and a dimerisation below that is not to be told from Goodenough.
    """
    chain, between = rng.uniform(-20, -2, number), rng.uniform(0, 3, number)
    common = {"Jperp": rng.uniform(0, 3, number), "D": rng.uniform(0, 0.2, number)}
    if material == "pcsmo-goodenough":
        return {"JF1": chain, "JA": between, "JF2": rng.uniform(-3, 3, number), "JF3": rng.uniform(-3, 3, number), **common}
    dimerisation, split = rng.uniform(0.1, 0.6, number), rng.uniform(-0.5, 0.5, number)
    return {
        "JFS": chain * (1 + dimerisation),
        "JFW": chain * (1 - dimerisation),
        "JA1": between + split,
        "JA2": between - split,
        **common,
    }


PRIORS: dict[str, Callable[[str, int, np.random.Generator], Parameters]] = {"uniform": uniform, "pcsmo": pcsmo}
