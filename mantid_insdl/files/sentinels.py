"""Numbers that stand for "not measured".

SPE files and what was made of them (DAVE, MSlice, Horace) mark pixels without data by -1e20 or -1e30, and LoadNXSPE takes what is
below -1e10 for masked. No intensity is as large: such a pixel is masked, and the map says so.
"""

from __future__ import annotations

from typing import overload

import numpy as np

#: Intensities and errors beyond it, of either sign, are sentinels.
LIMIT = 1e10


def find_sentinels(intensity: np.ndarray, error: np.ndarray | None = None) -> np.ndarray:
    """True where intensity or error is finite and beyond `LIMIT`; infinities are none, for nobody writes them on purpose."""
    found = np.isfinite(intensity) & (np.abs(intensity) > LIMIT)
    if error is not None:
        found |= np.isfinite(error) & (np.abs(error) > LIMIT)
    return found


@overload
def mask_sentinels(intensity: np.ndarray, error: np.ndarray | None, mask: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]: ...
@overload
def mask_sentinels(intensity: np.ndarray, error: np.ndarray | None, mask: None) -> tuple[np.ndarray | None, tuple[str, ...]]: ...
def mask_sentinels(intensity: np.ndarray, error: np.ndarray | None, mask: np.ndarray | None) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The mask with the sentinels in it, and the warning that says so; both as given where there is none.

    Parameters
    ----------
    intensity, error, mask
        Of one shape. Of pixels that are masked already nothing is said.
    """
    found = find_sentinels(intensity, error)
    if mask is not None:
        found &= ~mask
    if not np.any(found):
        return mask, ()
    warning = (
        f"{np.mean(found):.1%} of the pixels ({np.count_nonzero(found)}) were masked: their intensity or error is beyond {LIMIT:g}, "
        "as -1e20 or -1e30 for 'not measured'."
    )
    return (found if mask is None else mask | found), (warning,)
