"""What all pictures share: how values become colours. All colour maps are perceptually uniform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.maps import COMPONENT_LOG
from mantid_insdl.untrusted.text import literal

if TYPE_CHECKING:
    from matplotlib.colors import Normalize

    from mantid_insdl.maps import Map


@dataclass(frozen=True)
class Style:
    """How values become colours.

    Parameters
    ----------
    colours
        Name of a perceptually uniform colour map.
    masked, masked_word
        Colour of masked pixels, and what the note calls it.
    limits
        Of the values; None takes them from the data.
    gamma
        Exponent of the scale: 0.5 is a square root.
    quantity, has_unit
        What the colour bar is called, and whether with the unit of the map.
    signed
        Values have a sign: limits are equal on both sides of 0, and so are the colours.
    """

    colours: str
    masked: str = "0.78"
    masked_word: str = "grey"
    limits: tuple[float, float] | None = None
    gamma: float = 0.5
    quantity: str = "intensity"
    has_unit: bool = True
    signed: bool = False

    def scale(self, values: np.ndarray, high: float = 99.5) -> tuple[float, float]:
        """Limits of the colours for `values`."""
        if self.limits is not None:
            return self.limits
        top = colour_limits(np.abs(values), high)[1] if self.signed else 0.0
        return (-top, top) if self.signed else colour_limits(values, high)

    def norm(self, scale: tuple[float, float]) -> Normalize:
        """The scale from values to colours between the limits."""
        from matplotlib.colors import FuncNorm, PowerNorm

        if not self.signed:
            return PowerNorm(self.gamma, *scale)
        return FuncNorm((lambda x: np.sign(x) * np.abs(x) ** self.gamma, lambda x: np.sign(x) * np.abs(x) ** (1 / self.gamma)), *scale)


INTENSITY = Style("viridis")
RESIDUAL = Style("RdBu_r", signed=True)
PULL = Style("RdBu_r", limits=(-5.0, 5.0), gamma=1.0, quantity="(data - fit) / deviation", has_unit=False, signed=True)
CHIRAL = Style("RdBu_r", quantity="chiral intensity", signed=True)


def style_of(m: Map) -> Style:
    """The style of an intensity: with signed colours for a chiral one, and named for another polarised component."""
    component = m.logs.get(COMPONENT_LOG, ("perp", ""))[0]
    if component == "chiral":
        return CHIRAL
    return INTENSITY if component == "perp" else Style(INTENSITY.colours, quantity=f"intensity {literal(str(component))}")


def colour_limits(values: np.ndarray, high: float = 99.5) -> tuple[float, float]:
    """Limits for a colour scale: from 0 to a percentile of the finite `values`.

    Negative intensities, which only noise and background subtraction make, have the colour of 0; of values that are all
    negative the smallest is the lower limit.

    >>> colour_limits(np.array([-0.1, 1.0, 2.0, np.nan]), high=100)
    (0.0, 2.0)
    """
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    largest = float(values.max())
    if largest <= 0:
        smallest = float(values.min())
        return (smallest, 0.0) if smallest < 0 else (0.0, 1.0)
    top = float(np.percentile(values, high))
    return 0.0, top if top > 0 else largest


def extend(values: np.ndarray, limits: tuple[float, float]) -> str:
    """Pointed ends of the colour bar where values lie beyond its limits (by more than rounding)."""
    rounding = 1e-6 * (limits[1] - limits[0])
    below, above = np.nanmin(values, initial=np.inf) < limits[0] - rounding, np.nanmax(values, initial=-np.inf) > limits[1] + rounding
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[bool(below), bool(above)]
