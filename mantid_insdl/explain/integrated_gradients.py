"""Integrated gradients: the share of every pixel in the difference of the score between the map and a map without pattern."""

from __future__ import annotations

import numpy as np

from mantid_insdl.explain.subject import Subject

STEPS = 16
"""Of the path; the shares then sum to the difference within a few per cent."""
_BATCH = 8


def featureless(shown: np.ndarray) -> np.ndarray:
    """The same map with the mean of its known pixels at each of them, slice by slice: (slice, qh, qk, 2)."""
    known = shown[..., 1]
    mean = (shown[..., 0] * known).sum(axis=(1, 2)) / np.maximum(known.sum(axis=(1, 2)), 1)
    return np.stack([mean[:, None, None] * known, known], axis=-1)


def integrated_gradients(subject: Subject, steps: int = STEPS) -> np.ndarray:
    """The share of each pixel in the score's difference to that of `featureless`, (slice, qh, qk).

    The gradient is averaged along the straight line between both maps (midpoint rule), times the way of each pixel.
    [M. Sundararajan, A. Taly and Q. Yan, ICML 2017, arXiv:1703.01365]
    """
    shown = subject.shown
    begin = featureless(shown)
    total = np.zeros(shown.shape[:-1])
    for part in np.array_split((np.arange(steps) + 0.5) / steps, -(-steps // _BATCH)):
        there = begin + part[:, None, None, None, None] * (shown - begin)
        total += subject.gradients(there.astype(np.float32)).sum(axis=0)
    return (shown - begin)[..., 0] * total / steps
