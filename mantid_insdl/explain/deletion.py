"""Is an explanation faithful? What a network makes of a map without the pixels that the explanation points at."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SHARE = 0.2  # of the known pixels
DRAWS = 8  # of random pixels
SEED = 0

#: Sample logs of an importance map: how much the explained score falls where these pixels are masked.
IMPORTANT_LOG, RANDOM_LOG = "insdl_score_fall_important", "insdl_score_fall_random"

Scores = Callable[[np.ndarray], np.ndarray]
"""From maps (n, slice, qh, qk, 2) to their scores (n,)."""


def ranked(shown: np.ndarray, importance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The known pixels, flat, the most important first; those of equal importance (of zero as a rule) in random order, not the map's."""
    shuffled = rng.permutation(np.flatnonzero(shown[..., 1]))
    return shuffled[np.argsort(-importance.ravel()[shuffled], kind="stable")]


def without(shown: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """The map (slice, qh, qk, 2) with these pixels masked."""
    left = shown.copy()
    left.reshape(-1, 2)[pixels] = 0
    return left


def score_falls(scores: Scores, shown: np.ndarray, importance: np.ndarray) -> tuple[float, float]:
    """How much a score falls without the fifth of the pixels that its explanation points at, and without a random fifth.

    A faithful explanation makes the first clearly larger than the second (deletion test of Petsiuk et al., BMVC 2018, arXiv:1806.07421,
    at one share of the pixels).

    Parameters
    ----------
    shown : (slice, qh, qk, 2)
        The map as the networks see it, `Subject.shown`.
    importance : (slice, qh, qk)
        The explanation.
    """
    rng = np.random.default_rng(SEED)
    pointed_at = ranked(shown, importance, rng)
    count = round(SHARE * pointed_at.size)
    chosen = [pointed_at[:count], *(rng.choice(np.sort(pointed_at), count, replace=False) for _ in range(DRAWS))]
    whole, important, *random = scores(np.stack([shown, *(without(shown, pixels) for pixels in chosen)]))
    return float(whole - important), float(whole - np.mean(random))
