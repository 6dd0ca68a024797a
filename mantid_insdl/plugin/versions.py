"""Calls that changed between the versions of Mantid which are served, each decided here and nowhere else.

=======  ======  =============================  =======================================
Mantid   Python  to read x, y, e of a spectrum   what else changed for this package
=======  ======  =============================  =======================================
6.13     3.11    ``readX(i)``                   numpy 2
6.14-15  3.11    ``readX(i)``                   `PythonObjectProperty` is new (not used)
6.16     3.12    ``readX(i)``                   hidden plugin folders are skipped
7.0      3.13    ``x(i)``; readX is deprecated  Qt 6; `getInstrument` of the configuration
                                                and SofQWCentre are gone (neither is used)
=======  ======  =============================  =======================================

Sources: Mantid's release notes, those of 7.0 as they are being prepared.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def x_values(workspace: Any, index: int) -> np.ndarray:
    """A copy of the x values of a spectrum, by the newest call that this Mantid has."""
    read = workspace.x if hasattr(workspace, "x") else workspace.readX
    return np.array(read(index), dtype=float)
