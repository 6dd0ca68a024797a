"""Calls that changed between the versions of Mantid which are served, each decided here and nowhere else.

=============  ======  ==============================  ============================================================
Mantid         Python  x, y and e of a spectrum        what else changed, and why it does not matter here
=============  ======  ==============================  ============================================================
6.13           3.11    ``readX(i)``, ``setX(i, ...)``
6.14 and 6.15  3.11    the same                        `PythonObjectProperty` is new: not used
6.16           3.12    the same                        hidden folders below a plugin folder are skipped: there are none
7.0            3.13    ``x(i)``, ``mutableX(i)[:]``    Qt 6; `SofQWCentre` and `SofQWPolygon` are gone, and
                                                       `getInstrument` of algorithms is deprecated: not used
=============  ======  ==============================  ============================================================

Sources: Mantid's release notes, those of 7.0 as they are being prepared; its pull requests 41801 (`readX`, `dataX` and their like warn) and
41841 (so do `setY` and its like). Where a version has the newer call it is taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def x_values(workspace: Any, index: int) -> np.ndarray:
    """A copy of the x values of a spectrum."""
    read = workspace.x if hasattr(workspace, "x") else workspace.readX
    return np.array(read(index), dtype=float)


def write_values(workspace: Any, letter: str, index: int, values: np.ndarray) -> None:
    """Replace the values of a spectrum.

    Parameters
    ----------
    workspace : MatrixWorkspace
        The workspace.
    letter
        Which values: X, Y or E.
    index
        Of the spectrum.
    values
        As many as there are.
    """
    if hasattr(workspace, f"mutable{letter}"):
        getattr(workspace, f"mutable{letter}")(index)[:] = values
    else:
        getattr(workspace, f"set{letter}")(index, np.ascontiguousarray(values, dtype=float))
