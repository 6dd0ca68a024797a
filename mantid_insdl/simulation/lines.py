"""Energies and intensities of a material's spin waves at any momenta: of all its crystal domains,
and of any polarised component.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mantid_insdl.errors import InstabilityError, MapError
from mantid_insdl.materials import Material
from mantid_insdl.materials.spin_waves import domain_turns, modes_of, require_order
from mantid_insdl.progress import Progress, ignore_progress, share_of
from mantid_insdl.spinwave.modes import UNSTABLE, Modes
from mantid_insdl.spinwave.polarisation import COMPONENTS, polarised


@dataclass(frozen=True, eq=False)
class Lines:
    """Spin waves of all domains at momenta.

    Parameters
    ----------
    energies : (m, line)
        meV; the modes of one domain after those of another.
    intensities : (m, line)
        Of the component, per magnetic ion in units of S^2, times the weight of the domain. NaN where a Goldstone mode's
        diverges or the component is not defined.
    defined : (m,) bool
        Where the component is defined: see `mantid_insdl.spinwave.polarisation.polarised`.
    velocities : (m, line, 3)
        Derivatives of the energies by the Cartesian momentum, in meV angstrom; 0 where a Goldstone mode has none.
    """

    energies: np.ndarray
    intensities: np.ndarray
    defined: np.ndarray
    velocities: np.ndarray


def lines_of(
    material: Material,
    values: Mapping[str, float],
    hkl: np.ndarray,
    *,
    twins: bool = True,
    component: str = "perp",
    vertical: Sequence[float] = (0, 0, 1),
    progress: Progress = ignore_progress,
) -> Lines:
    """Energies and intensities at momenta, of all domains.

    Parameters
    ----------
    material, values
        The magnet and all its parameters.
    hkl : (m, 3)
        Momenta in r.l.u. of the material's map frame.
    twins
        Over all domains by their weights; else of the crystal without twins.
    component
        One of `mantid_insdl.spinwave.polarisation.COMPONENTS`.
    vertical : (3,)
        Direction of the spectrometer's vertical as a momentum in r.l.u. of the map frame.
    progress
        As for `mantid_insdl.spinwave.spin_waves`.

    Raises
    ------
    MapError
        For an unknown component, or a vertical that is no direction.
    InstabilityError
        If the structure is unstable at one of the momenta.
    """
    check_component(component, vertical)
    lattice = material.model.lattice
    q, up = (lattice.to_cartesian(np.asarray(x, float) @ material.map.matrix.T) for x in (hkl, vertical))
    require_order(material, material.couplings(values))
    parts = []
    turns = domain_turns(material, twins=twins)
    for number, (weight, turn) in enumerate(turns):
        to_model = turn @ np.linalg.inv(lattice.reciprocal)
        share = share_of(progress, number / len(turns), (number + 1) / len(turns))
        modes = modes_of(material, q @ to_model, material.couplings(values), velocities=True, progress=share)
        require_stable(material, modes, values)
        assert modes.velocities is not None  # they were asked for
        intensities = modes.s_perp[0]
        if component != "perp":
            intensities = polarised(modes.amplitudes[0], (q @ turn)[:, None, :], up @ turn).component(component)
            intensities = intensities * np.sign(np.linalg.det(turn)) if component == "chiral" else intensities
        defined = ~np.any(np.isnan(intensities) & np.isfinite(modes.s_perp[0]), axis=1)
        parts.append((modes.energies[0], weight * intensities, modes.velocities[0] @ to_model.T, defined))
    *joined, defined = zip(*parts, strict=True)
    energies, intensities, velocities = (np.concatenate(part, axis=1) for part in joined)
    return Lines(energies, intensities, np.all(defined, axis=0), velocities)


def check_component(component: str, vertical: Sequence[float]) -> None:
    """Raise `MapError` unless the component is known and the vertical a direction."""
    if component not in COMPONENTS:
        raise MapError(f"there is no component '{component}'", f"known are {', '.join(COMPONENTS)}", "use one of these")
    up = np.asarray(vertical, float)
    if up.shape != (3,) or not np.all(np.isfinite(up)) or not np.any(up):
        raise MapError(
            f"the vertical {vertical} is no direction", "it is (h, k, l), not all zero", "give for example (0, 0, 1)"
        )


def require_stable(material: Material, modes: Modes, values: Mapping[str, float]) -> None:
    """Raise `InstabilityError`, with the worst momentum, where the structure is unstable at one of them."""
    if modes.stable[0]:
        return
    index = int(np.nanargmin(np.where(modes.status[0] == UNSTABLE, modes.lowest[0], np.inf)))
    raise InstabilityError(
        f"the magnetic structure of {material.name} is unstable at these parameters",
        f"at (h, k, l) = {np.round(modes.q[index], 3).tolist()} of its magnetic cell a spin deviation costs "
        f"{modes.lowest[0, index]:.3g} meV, below zero",
        material.remedy(values),
    )
