"""Occlusion: how much the score falls where a part of the map is masked. [M. D. Zeiler and R. Fergus, ECCV 2014, arXiv:1311.2901]"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mantid_insdl.explain.subject import Subject
from mantid_insdl.progress import Progress, ignore_progress

PATCH = 14
"""Pixels of a side of the patches that are masked one after the other; the last ones of a row may be smaller."""
_BATCH = 16


def by_slice(subject: Subject, progress: Progress = ignore_progress) -> np.ndarray:
    """The fall of the score without each slice, on all of its pixels, (slice, qh, qk)."""
    slices, rows, columns, _ = subject.shown.shape
    return _falls(subject, [(s, slice(0, rows), slice(0, columns)) for s in range(slices)], progress)


def by_patch(subject: Subject, progress: Progress = ignore_progress, size: int = PATCH) -> np.ndarray:
    """The fall of the score without each patch of a slice, over the number of its known pixels, (slice, qh, qk)."""
    slices, rows, columns, _ = subject.shown.shape
    starts = [(r, c) for r in range(0, rows, size) for c in range(0, columns, size)]
    return _falls(subject, [(s, slice(r, r + size), slice(c, c + size)) for s in range(slices) for r, c in starts], progress)


Place = tuple[int, slice, slice]


def _falls(subject: Subject, places: list[Place], progress: Progress) -> np.ndarray:
    shown = subject.shown
    whole = subject.scores(shown[None])[0]
    found = np.zeros(shown.shape[:-1])
    known = [place for place in places if shown[(*place, 1)].any()]
    for done, some in _parts(known):
        progress(done / len(known), "masking one part after the other")
        versions = np.repeat(shown[None], len(some), axis=0)
        for version, place in zip(versions, some, strict=True):
            version[place] = 0
        for place, score in zip(some, subject.scores(versions), strict=True):
            found[place] = (whole - score) / shown[(*place, 1)].sum()
    return found


def _parts(places: list[Place]) -> Iterator[tuple[int, list[Place]]]:
    for first in range(0, len(places), _BATCH):
        yield first, places[first : first + _BATCH]
