"""Simulators kept for the next call, because what does not depend on the parameters takes most
of the time of a single map.
"""

from __future__ import annotations

import pickle
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from mantid_insdl.maps import Axis, Slices
from mantid_insdl.materials import Material
from mantid_insdl.simulation.slices import SliceSimulator

NUMBER = 4
"""How many are kept: that of a whole map, and those of the slices that are looked at one by one."""

LARGEST = 500_000
"""Pixels of the largest that is kept: some 10 MB. Of larger maps the spin waves themselves take
longer than what could be saved.
"""


class KeptSimulators:
    """Makes simulators as `SliceSimulator` does, and gives an earlier one again where all but the
    parameters is as it was then.

    For one thread. None is kept with a table of resolution ellipsoids, nor of a map of more than `LARGEST` pixels.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, SliceSimulator] = {}  # the latest last

    def __call__(
        self, material: Material, slices: Slices, qh: Axis, qk: Axis, twins: bool = True, **view: Any
    ) -> SliceSimulator:
        """A simulator; the arguments are those of `SliceSimulator`."""
        if view.get("ellipsoids") is not None or slices.size * qh.size * qk.size > LARGEST:
            return SliceSimulator(material, slices, qh, qk, twins, **view)
        kind = (*_contents(material), pickle.dumps((slices, qh, qk, twins, sorted(view.items()))))
        if kind not in self._kept and len(self._kept) >= NUMBER:
            del self._kept[next(iter(self._kept))]
        simulator = self._kept.pop(kind, None) or SliceSimulator(material, slices, qh, qk, twins, **view)
        self._kept[kind] = simulator
        return simulator


def _contents(material: Material) -> tuple[str, bytes]:
    """What a material says, not where it was read: its file, and the CIF file it names, may have been edited since."""
    return material.model_dump_json(), Path(material.cif).read_bytes() if material.cif is not None else b""
