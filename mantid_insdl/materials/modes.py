"""Spin waves of a material: about its ordered cell, or in the rotating frame where its order is a spiral."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mantid_insdl.materials.material import Material
from mantid_insdl.spinwave.modes import Modes, spin_waves
from mantid_insdl.spinwave.spiral import spiral_waves


def modes_of(material: Material, hkl: np.ndarray, couplings: Mapping[str, float | np.ndarray]) -> Modes:
    """Energies and amplitudes at momenta (m, 3) in r.l.u. of the model's cell.

    Parameters
    ----------
    couplings
        Parameters as spin-wave theory needs them, `Material.couplings`: numbers or arrays (set,).
    """
    if material.spiral is None:
        return spin_waves(material.model, hkl, couplings)
    return spiral_waves(material.model, material.spiral.k, material.spiral.axis, hkl, couplings)
