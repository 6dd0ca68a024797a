"""Slices of Zener polarons, whose order follows their constants (`materials.zener`): every parameter set in its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.maps import Axis, Slices
from mantid_insdl.materials import Material, load_material, zener
from mantid_insdl.simulation.slices import SliceSimulator


class PolaronSimulator:
    """As `SliceSimulator`, with one for each collinear order and one for all spirals,
    made when a parameter set first needs it.

    Collinear spins lie along b, and those of a spiral are averaged over the plane: at the edge of a phase the
    intensity changes by some 8 % (rms).
    """

    def __init__(self, slices: Slices, qh: Axis, qk: Axis, twins: bool = True, **view: Any):
        self.material = load_material(zener.MATERIAL)
        self._make = lambda material: SliceSimulator(material, slices, qh, qk, twins, **view)
        self._of = {zener.PARALLEL: self._make(zener.in_phase(zener.PARALLEL))}
        self.reach = self._of[zener.PARALLEL].reach

    def intensity(
        self,
        parameters: Mapping[str, np.ndarray | float],
        *,
        energy_width_scale: float | np.ndarray = 1.0,
        dtype: type = np.float32,
        **options: Any,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `SliceSimulator.intensity`. Constants that `zener.order_of` knows no order of
        are those of an unstable one.
        """
        named = {**self.material.defaults, **parameters}
        values = dict(zip(named, np.broadcast_arrays(*named.values()), strict=True))
        values = {name: np.atleast_1d(value) for name, value in values.items()}
        orders = zener.order_of(values)
        widths = np.broadcast_to(np.asarray(energy_width_scale, float), orders.shape)
        intensity, stable = np.full((orders.size, *self.reach.shape), np.nan, dtype), np.zeros(orders.size, bool)
        for order in np.unique(orders[orders != zener.NONE]):
            sets = np.flatnonzero(orders == order)
            own = {name: value[sets] for name, value in values.items()}
            found = self._simulator(int(order)).intensity(own, energy_width_scale=widths[sets], dtype=dtype, **options)
            intensity[sets], stable[sets] = found
        return intensity, stable

    def _simulator(self, order: int) -> SliceSimulator:
        if order not in self._of:
            self._of[order] = self._make(zener.Spirals.new() if order == zener.SPIRAL else zener.in_phase(order))
        return self._of[order]


def simulator_for(
    material: str | Path | Material, slices: Slices, qh: Axis, qk: Axis, twins: bool = True, **view: Any
) -> SliceSimulator | PolaronSimulator:
    """The simulator of a material, for Zener polarons the one in which their order follows their constants."""
    known = load_material(material)
    if zener.follows(known):
        return PolaronSimulator(slices, qh, qk, twins, **view)
    return SliceSimulator(known, slices, qh, qk, twins, **view)
