"""Display normalisations of MDHistoWorkspaces: Mantid shows the signal divided by the number of events or by the volume of a bin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mantid_insdl.errors import MapError

NO_NORMALIZATION, VOLUME, EVENTS = 0, 1, 2
"""As SaveMD numbers them."""


def require_normalization(signal: np.ndarray, events: np.ndarray, mask: np.ndarray, *, how: int, summed: bool) -> None:
    """Refuse sums over events: how many there are in a bin says how long detectors looked there, unless it is divided by.

    `summed` says that the signal is known to be such a sum; where it equals the number of events it is one in any case.
    """
    known = ~mask & np.isfinite(signal) & (events > 0)
    if how != NO_NORMALIZATION or not np.any(events[known] > 1):
        return
    if summed or np.allclose(signal[known], events[known]):
        raise MapError(
            "it holds events without a normalisation",
            "the signal of a bin is the sum over its events, which says where detectors looked as much as what they saw",
            "bin the events with MDNorm; or, where they were made from a histogram, have Mantid take the mean over them: "
            "workspace.setDisplayNormalization(mantid.api.MDNormalization.NumEventsNormalization)",
        )


def normalized(
    signal: np.ndarray, error: np.ndarray, mask: np.ndarray, *, events: np.ndarray, how: int, edges: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Signal, error and mask as Mantid shows them, and a note for the provenance.

    Parameters
    ----------
    signal, error, mask, events
        Of one shape.
    how
        One of the normalisations.
    edges
        Of the bins along each axis of the arrays.
    """
    if np.any(events > 0):  # where events are counted, no event and no signal means not measured
        mask = mask | ((events == 0) & (signal == 0))
    if how == EVENTS and np.any(events > 0):
        divisor = np.where(events > 0, events, np.nan)
        return signal / divisor, error / divisor, mask, "signal divided by the number of events"
    if how == VOLUME:
        volume = np.array(1.0)
        for one in edges:
            volume = np.multiply.outer(volume, np.abs(np.diff(one)))
        return signal / volume, error / volume, mask, "signal divided by the volume of a bin"
    return signal, error, mask, ""
