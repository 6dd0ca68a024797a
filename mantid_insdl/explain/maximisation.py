"""Class maximisation: the map that a network thinks shows a class most, grown from noise, and whether it is a physical one.

Gradient ascent with jitter, decay and blur [J. Yosinski et al., arXiv:1506.06579], projected after every step onto what an instrument can
give: not negative, a mean of one for each incident energy, blurred by the resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mantid_insdl.explain.gallery import Gallery
from mantid_insdl.explain.simulated import simulated_sets
from mantid_insdl.explain.subject import Subject
from mantid_insdl.networks.preprocessing import LIMITS, incident_energy_groups
from mantid_insdl.progress import Progress, ignore_progress

STEPS = 40
RATE = 0.3
"""Of a step, in units of the mean intensity, over the largest of the gradient's pixels but one in a hundred."""
JITTER = 2
"""Pixels by which the map is moved to and fro."""
DECAY = 0.98
BLUR = 0.6
"""Standard deviation in pixels, that of the simulations."""
PHYSICAL = 5
"""Maps of each material that are simulated to be compared with."""
SEED = 0


@dataclass(frozen=True, eq=False)
class Maximised:
    """What maximises a score.

    Attributes
    ----------
    shown : (slice, qh, qk, 2)
        The map that was grown, on the slices and with the mask of the user's.
    score, of_user
        The score of it and of the user's map.
    nearest : (slice, qh, qk, 2)
        The simulated map that it resembles most.
    material, parameters
        Of that.
    likeness
        Correlation of the two over the known pixels; 1 for a physical pattern.
    by_chance
        The same for the noise from which it was grown.
    nearest_score
        Of the simulated map.
    """

    shown: np.ndarray
    score: float
    of_user: float
    nearest: np.ndarray
    material: str
    parameters: dict[str, float]
    likeness: float
    by_chance: float
    nearest_score: float


@dataclass(frozen=True, eq=False)
class Physical:
    """Simulated maps.

    Attributes
    ----------
    shown : (n, slice, qh, qk, 2)
        On the slices and with the mask of the user's.
    of
        Material and exchange constants of each.
    """

    shown: np.ndarray
    of: list[tuple[str, dict[str, float]]]


def maximised(subject: Subject, physical: Physical, progress: Progress = ignore_progress, steps: int = STEPS) -> Maximised:
    """Grow the map that maximises the subject's score, and find the simulated one that is most like it.

    Parameters
    ----------
    physical
        The simulated maps that it is compared with.
    """
    known = subject.shown[..., 1]
    begin = subject.shown.copy()
    rng = np.random.default_rng(SEED)
    begin[..., 0] = _possible(subject, known * np.abs(1 + 0.5 * rng.standard_normal(known.shape)))
    grown = begin.copy()
    for step in range(steps):
        progress(step / steps, f"growing the map that shows {subject.target} most: step {step + 1} of {steps}")
        move = tuple(rng.integers(-JITTER, JITTER + 1, 2))
        moved = np.roll(grown, move, axis=(1, 2))
        gradient = subject.gradients(moved[None])[0]
        gradient = np.roll(gradient, (-move[0], -move[1]), axis=(1, 2))
        top = np.percentile(np.abs(gradient), 99)
        values = DECAY * grown[..., 0] + RATE * np.clip(gradient / top, -1, 1) if top > 0 else grown[..., 0]
        grown[..., 0] = _possible(subject, values)
    scores = subject.scores(np.stack([grown, subject.shown]))
    likeness = [_likeness(grown, one) for one in physical.shown]
    best = int(np.nanargmax(likeness))
    (nearest_score,) = subject.scores(physical.shown[best][None])
    material, parameters = physical.of[best]
    chance = max(_likeness(begin, one) for one in physical.shown)
    return Maximised(
        grown, float(scores[0]), float(scores[1]), physical.shown[best], material, parameters, likeness[best], chance, float(nearest_score)
    )


def _possible(subject: Subject, values: np.ndarray) -> np.ndarray:
    """The nearest that an instrument can give, (slice, qh, qk), zero where the map is masked."""
    from scipy.ndimage import gaussian_filter

    known = subject.shown[..., 1]
    values = gaussian_filter(np.clip(values, 0, LIMITS[1]) * known, (0, BLUR, BLUR)) * known
    for group in incident_energy_groups(subject.prepared.gridded.slices):
        mean = values[group].sum() / max(known[group].sum(), 1)
        values[group] /= mean if mean > 0 else 1.0
    return values


def physical_maps(subject: Subject, gallery: Gallery, progress: Progress = ignore_progress) -> Physical:
    """Maps of the training maps' exchange constants, simulated on the user's slices."""
    shown, of = [], []
    for number, material in enumerate(gallery.materials):
        progress(number / len(gallery.materials), "simulating maps to compare with")
        mine = np.flatnonzero(gallery.data.material == number)
        sets = [gallery.parameters(int(index)) for index in mine[:: max(1, mine.size // PHYSICAL)][:PHYSICAL]]
        for one, parameters in zip(simulated_sets(subject, material, sets), sets, strict=True):
            if np.isfinite(one).all():
                shown.append(one)
                of.append((material, parameters))
    return Physical(np.stack(shown), of)


def _likeness(one: np.ndarray, other: np.ndarray) -> float:
    known = (one[..., 1] > 0) & (other[..., 1] > 0)
    return float(np.corrcoef(one[known, 0], other[known, 0])[0, 1])
