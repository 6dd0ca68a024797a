"""Is an explanation faithful? What a classifier makes of a map without the pixels that the explanation points at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

SHARE = 0.2  # of the known pixels
DRAWS = 8  # of random pixels
SEED = 0

#: Sample logs of an importance map: how much the score of the explained class falls where these pixels are masked.
IMPORTANT_LOG, RANDOM_LOG = "insdl_score_fall_important", "insdl_score_fall_random"


def score_falls(
    networks: Sequence[Callable[[np.ndarray], np.ndarray]], stack: np.ndarray, importance: np.ndarray, index: int
) -> tuple[float, float]:
    """How much the score of a class falls without the fifth of the pixels that its explanation points at, and without a random fifth.

    A faithful explanation makes the first clearly larger than the second (deletion test of Petsiuk et al., BMVC 2018, arXiv:1806.07421,
    at one share of the pixels). The score is that of Grad-CAM: the logit of the class less the mean of the others, averaged over the
    networks.

    Parameters
    ----------
    networks
        Classifiers of one ensemble: from stacks (n, ...) to the logits of the classes (n, class).
    stack : (1, slice, qh, qk, 2)
        The map as they see it, from `preprocessing.normalise`.
    importance : (slice, qh, qk)
        The explanation.
    index
        The class.
    """
    known = np.flatnonzero(stack[0, ..., 1])
    count = round(SHARE * known.size)
    rng = np.random.default_rng(SEED)
    # Pixels of equal importance (all those that a network does not look at) come in random order, not in that of the map.
    shuffled = rng.permutation(known)
    pointed_at = shuffled[np.argsort(-importance.ravel()[shuffled], kind="stable")[:count]]
    chosen = [pointed_at, *(rng.choice(known, count, replace=False) for _ in range(DRAWS))]
    versions = np.repeat(stack, 1 + len(chosen), axis=0)
    for version, pixels in zip(versions[1:], chosen, strict=True):
        version.reshape(-1, 2)[pixels] = 0
    whole, important, *random = np.mean([_scores(network, versions, index) for network in networks], axis=0)
    return float(whole - important), float(whole - np.mean(random))


def _scores(network: Callable[[np.ndarray], np.ndarray], stack: np.ndarray, index: int) -> np.ndarray:
    """(n,)"""
    logits = network(stack)
    return logits[:, index] - np.delete(logits, index, axis=1).mean(axis=1)
