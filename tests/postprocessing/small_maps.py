"""Maps of a few pixels, such as a reduction leaves."""

import numpy as np

from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices


def small_map(number=0):
    """One slice of a few pixels; its intensity tells which one it is."""
    q = np.linspace(-1, 1, 6)
    intensity = number + np.exp(-(q[:, None] ** 2 + q**2))
    axes = (Axis("qh", RLU, q), Axis("qk", RLU, q))
    return Map(intensity[None], axes, error=0.1 * np.ones((1, 6, 6)), slices=Slices(10.0, 2.0, 4.0), title=f"run {number}")


def powder_map():
    axes = (Axis("q", PER_ANGSTROM, np.linspace(0, 3, 8), is_edges=True), Axis("energy", MEV, np.linspace(0, 9, 10), is_edges=True))
    return Map(np.ones((7, 9)), axes, ei=12.0)
