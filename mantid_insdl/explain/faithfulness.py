"""Can an explanation be believed? What the score does as pixels go and come, of another network, and of other noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mantid_insdl.explain.deletion import Scores, ranked, without
from mantid_insdl.explain.scoring import scorer
from mantid_insdl.explain.subject import Subject
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.preprocessing import noise_level
from mantid_insdl.progress import Progress, ignore_progress

SHARES = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0])
"""Of the known pixels that have gone, or come."""
DRAWS = 2
"""Random orders of pixels."""
ALIKE = 0.5
"""Rank correlation of two explanations from which they are alike."""
SEED = 0

Explain = Callable[[Subject], np.ndarray]
"""From a subject to what each pixel does to the score, (slice, qh, qk)."""


@dataclass(frozen=True, eq=False)
class Curves:
    """The score while pixels are masked (deletion) or uncovered (insertion), the most important first.

    Attributes
    ----------
    deletion, insertion : (share,)
        At `SHARES` of the pixels. [V. Petsiuk, A. Das and K. Saenko, BMVC 2018, arXiv:1806.07421]
    """

    deletion: np.ndarray
    insertion: np.ndarray

    @cached_property
    def areas(self) -> tuple[float, float]:
        """Under the deletion curve (small is good) and the insertion curve (large is good): the mean score."""
        return tuple(float(np.trapezoid(curve, SHARES)) for curve in (self.deletion, self.insertion))


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Figures of one explanation of one map; scores as `Subject.support` gives them: in logits of a class, in z of a parameter.

    Attributes
    ----------
    explained, random, brightest
        Curves by the explanation, by random orders (mean) and by the intensity of the pixels.
    randomised
        Rank correlation with the explanation of the same network with its weights shuffled. [J. Adebayo et al., NeurIPS 2018,
        arXiv:1810.03292] Near 1: the explanation shows the map, not what the network learnt.
    stability
        Rank correlation with the explanation of the same map with more noise.
    """

    explained: Curves
    random: Curves
    brightest: Curves
    randomised: float
    stability: float

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the explanation should not be believed, in sentences; empty where it may be."""
        said = []
        (deletion, insertion), (random_deletion, random_insertion) = self.explained.areas, self.random.areas
        if deletion >= random_deletion:
            said.append("Masking the pixels that it points at costs the network no more than masking random ones.")
        if insertion <= max(random_insertion, self.brightest.areas[1]):
            than = "random" if random_insertion >= self.brightest.areas[1] else "the brightest"
            said.append(f"The pixels that it points at tell the network no more than {than} pixels do.")
        if self.randomised > ALIKE:
            said.append("It hardly changes when the network's weights are shuffled: it shows the map more than what was learnt.")
        if self.stability < ALIKE:
            said.append("It changes with the noise of the measurement.")
        return tuple(said)


@dataclass(frozen=True, eq=False)
class References:
    """What every explanation of one map is held against.

    Attributes
    ----------
    random, brightest
        See `Faithfulness`.
    shuffled, noisier
        The same question to networks that have learnt nothing, and of a map with more noise.
    """

    random: Curves
    brightest: Curves
    shuffled: Subject
    noisier: Subject


def references_of(subject: Subject, shuffled: Subject | None = None) -> References:
    """The curves by random orders of pixels and by their intensity, and the other questions.

    Parameters
    ----------
    shuffled
        See `References`, where it is known from another map.
    """
    rng = np.random.default_rng(SEED)
    shown = subject.shown
    brightest = curves(subject.support, shown, shown[..., 0], rng)
    by_chance = [curves(subject.support, shown, np.zeros(shown.shape[:-1]), rng) for _ in range(DRAWS)]
    random = Curves(*(np.mean([getattr(one, kind) for one in by_chance], axis=0) for kind in ("deletion", "insertion")))
    shuffled = with_shuffled_weights(subject, rng) if shuffled is None else replace(subject, networks=shuffled.networks)
    return References(random, brightest, shuffled, noisier(subject, rng))


def faithfulness_of(
    subject: Subject,
    explain: Explain,
    references: References | None = None,
    progress: Progress = ignore_progress,
    own: np.ndarray | None = None,
) -> Faithfulness:
    """Put an explanation to the test, on the map that it explains.

    Parameters
    ----------
    explain
        Called for the subject, for one with shuffled weights, and for a map with more noise.
    references
        Where they are known from another explanation of the map.
    own : (slice, qh, qk)
        What it finds of the subject, where that is known.
    """
    rng = np.random.default_rng(SEED)
    shown = subject.shown

    def importance(found: np.ndarray) -> np.ndarray:
        return np.abs(found) if subject.signed else found

    own = importance(explain(subject) if own is None else own)
    progress(0.2, "masking and uncovering pixels")
    explained = curves(subject.support, shown, own, rng)
    references = references or references_of(subject)
    known = shown[..., 1] > 0
    progress(0.6, "shuffling weights")
    randomised = rank_correlation(own[known], importance(explain(references.shuffled))[known])
    progress(0.8, "adding noise")
    stability = rank_correlation(own[known], importance(explain(references.noisier))[known])
    progress(1.0, "tested")
    return Faithfulness(explained, references.random, references.brightest, randomised, stability)


def curves(scores: Scores, shown: np.ndarray, importance: np.ndarray, rng: np.random.Generator) -> Curves:
    """Deletion and insertion by an importance (slice, qh, qk) of a map (slice, qh, qk, 2)."""
    order = ranked(shown, importance, rng)
    counts = np.round(SHARES * order.size).astype(int)
    deleted = [without(shown, order[:count]) for count in counts]
    inserted = [without(shown, order[count:]) for count in counts]
    found = scores(np.stack([*deleted, *inserted]))
    return Curves(found[: counts.size], found[counts.size :])


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's, zero where either is constant."""
    from scipy.stats import rankdata

    first, second = rankdata(one), rankdata(other)
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def with_shuffled_weights(subject: Subject, rng: np.random.Generator) -> Subject:
    """The same question to networks of the same build whose weights, of each layer, have changed places: nothing is learnt in them."""
    task = subject.bundle.card.task
    names = len(subject.bundle.card.materials if task == "classify" else subject.bundle.card.outputs)
    return replace(subject, networks=tuple(scorer(_shuffled(one, rng), task, names, subject.index) for one in subject.bundle.models))


def _shuffled(network: Any, rng: np.random.Generator) -> Any:
    copy = import_keras().models.clone_model(network)
    copy.set_weights([rng.permutation(one.ravel()).reshape(one.shape) for one in network.get_weights()])
    return copy


def noisier(subject: Subject, rng: np.random.Generator) -> Subject:
    """The same map with as much noise again: of each slice by the scatter of its pixels (`networks.preprocessing.noise_level`)."""
    inputs = subject.prepared.inputs
    level = noise_level(inputs.stack)[:, :, None, None]
    stack = inputs.stack.copy()
    stack[..., 0] += stack[..., 1] * level * rng.standard_normal(stack.shape[:-1])
    return replace(subject, prepared=replace(subject.prepared, inputs=replace(inputs, stack=stack.astype(np.float32))))
