"""The figures of a classifier's card: how often it is right, how well it knows that, and what it makes of maps of none of its models."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mantid_insdl.networks.cards import CardTest
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.strangeness import FALSE_ALARMS, Strangeness
from mantid_insdl.progress import Progress
from mantid_insdl.training import baselines, metrics
from mantid_insdl.training.batches import in_parts
from mantid_insdl.training.ensemble import BATCH, Answers, Ensemble, probabilities_of
from mantid_insdl.training.outcome import FEATURES, SIMULATED, TEST, some, test_figure
from mantid_insdl.training.recipes import Measurement, Recipe

DECIDED = 0.95  # a verdict is given from this calibrated probability on, as after a fit
ENERGIES = (1, 2, 3, 6)
EACH_KIND = 300
NEIGHBOURS = 2000  # training maps that the baseline knows
USUAL = "the usual counts"
FACTORS = (0.1, 0.3, 3.0, 10.0)  # of the usual counts, tested beside them
RELIABILITY_BINS = 10


def usual_counts(settings: Measurement) -> float:
    """Counts per pixel of a usual measurement: the middle, on a logarithmic scale, of those trained on."""
    return float(np.sqrt(np.prod(settings.counts_per_pixel)))


def with_counts(settings: Measurement, counts: float, **changes: object) -> Measurement:
    """All measurements with so many counts per pixel."""
    return settings.model_copy(update={"counts_per_pixel": (counts, counts), **changes})


def figures(
    recipe: Recipe, ensemble: Ensemble, strange: Strangeness, temperature: float, test: np.ndarray, progress: Progress
) -> tuple[list[CardTest], dict[str, np.ndarray]]:
    """On the maps at `test`, which were used for nothing else.

    Returns
    -------
    tests
        For the card.
    arrays
        For the bundle: ``test_confusion`` (class, class + 2), how often maps of each class at the usual counts were called each class,
        undecided and none of these; ``test_reliability`` (bin, 3), mean probability of the most probable class, share of right ones and
        number of maps in bins of that probability, for all counts.
    """
    settings, measurer = recipe.measurement, ensemble.batches.measurer
    usual = usual_counts(settings)
    few = some(test, 4 * EACH_KIND)
    conditions: list[tuple[str, np.ndarray, Measurement | None, int]] = [
        ("all counts that were trained on", test, None, 0),
        (f"{USUAL} ({usual:.2g} a pixel)", test, with_counts(settings, usual), 0),
        *((f"{by:g} times {USUAL}", test if by == FACTORS[0] else few, with_counts(settings, by * usual), 0) for by in FACTORS),
        ("nuisances never trained on: background, resolution, gaps", test, settings.model_copy(update={"foreign": True}), 0),
    ]
    for number in ENERGIES:
        conditions.append(
            (f"{USUAL}, {number} Ei", _with_at_least(ensemble, few, number), with_counts(settings, usual, missing_ei=0.0), number)
        )
    found: list[CardTest] = []
    simple, simple_interval, simple_words = _simple_method(ensemble, test)
    for number, (words, indices, changed, energies) in enumerate(conditions):
        progress(0.6 * number / len(conditions), f"testing: {words}")
        if not indices.size:
            continue
        answers = ensemble.ask(indices, TEST, changed, kind="", energies=energies)
        if number == 0:
            own, arrays = answers, {"test_reliability": _reliability(answers, temperature)}
        elif number == 1:
            arrays["test_confusion"] = _confusion(answers, strange, temperature)
        found += _of_models(recipe, answers, strange, temperature, f"{SIMULATED}; {words}")
    beside = {"baseline": simple, "baseline_interval": simple_interval, "conditions": f"{found[0].conditions}; baseline: {simple_words}"}
    found[0] = found[0].model_copy(update=beside)
    for number, kind in enumerate(measurer.kinds):
        progress(0.6 + 0.4 * number / len(measurer.kinds), f"testing: {kind}")
        answers = ensemble.ask(some(test, EACH_KIND), TEST, None, kind=kind)
        trained = "trained on" if kind in measurer.trained_kinds else "never trained on"
        found += _of_none(recipe, own, answers, strange, temperature, f"{kind}, {trained}; all counts that were trained on")
    return found, arrays


def _confusion(answers: Answers, strange: Strangeness, temperature: float) -> np.ndarray:
    probabilities = probabilities_of(answers, temperature)
    classes = probabilities.shape[1]
    called = np.where(probabilities.max(axis=1) >= DECIDED, probabilities.argmax(axis=1), classes)
    called[strange(answers.logits, answers.features) > 1 - FALSE_ALARMS] = classes + 1
    counts = np.zeros((classes, classes + 2), int)
    np.add.at(counts, (answers.label, called), 1)
    return counts


def _reliability(answers: Answers, temperature: float) -> np.ndarray:
    probabilities = probabilities_of(answers, temperature)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == answers.label
    which = np.minimum((confidence * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    return np.array([(confidence[which == b].mean(), right[which == b].mean(), np.sum(which == b)) for b in np.unique(which)])


def _with_at_least(ensemble: Ensemble, indices: np.ndarray, number: int) -> np.ndarray:
    """Maps that were simulated for so many incident energies."""
    slices = np.isfinite(ensemble.batches.measurer.data.windows[indices, :, 0])
    energies = slices.reshape(indices.size, -1, ensemble.bins).any(axis=2).sum(axis=1)
    return indices[energies >= number]


def _of_models(recipe: Recipe, answers: Answers, strange: Strangeness, temperature: float, conditions: str) -> list[CardTest]:
    probabilities, truth = probabilities_of(answers, temperature), answers.label
    correct = probabilities.argmax(axis=1) == truth
    decided = probabilities.max(axis=1) >= DECIDED
    called_none = strange(answers.logits, answers.features) > 1 - FALSE_ALARMS
    given = decided & ~called_none

    def share(metric: str, chosen: np.ndarray, of: np.ndarray | None = None) -> CardTest:
        number = chosen.size if of is None else int(of.sum())
        value, interval = metrics.proportion((chosen if of is None else chosen & of).sum(), number)
        return test_figure(recipe, metric, value, number, conditions, interval=interval)

    pairs = np.column_stack([probabilities, truth])
    error = test_figure(
        recipe,
        "expected calibration error",
        metrics.expected_calibration_error(probabilities, truth),
        truth.size,
        conditions,
        interval=metrics.bootstrap(pairs, lambda p: metrics.expected_calibration_error(p[:, :-1], p[:, -1].astype(int)), draws=300),
    )
    found = [
        share("accuracy", correct),
        error,
        share("fraction with a verdict", given),
        share("fraction called none of these", called_none),
    ]
    if given.any():
        found.insert(1, share("accuracy where there is a verdict", correct, given))
    return found


def _of_none(recipe: Recipe, own: Answers, answers: Answers, strange: Strangeness, temperature: float, conditions: str) -> list[CardTest]:
    inside, outside = (strange(one.logits, one.features) for one in (own, answers))
    found = outside > 1 - FALSE_ALARMS
    given = ~found & (probabilities_of(answers, temperature).max(axis=1) >= DECIDED)
    number = outside.size
    area = metrics.area_under_curve(inside, outside)
    results = [
        test_figure(
            recipe,
            "area under the curve: none of these",
            area,
            number,
            conditions,
            interval=metrics.area_interval(area, inside.size, number),
        )
    ]
    for metric, chosen in (("fraction found to be none of these", found), ("fraction with a verdict, which is wrong", given)):
        value, interval = metrics.proportion(chosen.sum(), number)
        results.append(test_figure(recipe, metric, value, number, conditions, interval=interval))
    return results


def _simple_method(ensemble: Ensemble, indices: np.ndarray) -> tuple[float, tuple[float, float], str]:
    """Accuracy of the training maps that are most alike, its interval, and what it is in words."""
    data = ensemble.batches.measurer.data
    train = some(data.indices("train"), NEIGHBOURS)

    def measured(chosen: np.ndarray, seed: tuple[int, ...]) -> Iterator[MeasuredMaps]:
        return ensemble.batches.of(in_parts(chosen, BATCH), seed, None, "")

    alike = baselines.Neighbours(measured(train, FEATURES), np.eye(len(data.own))[data.material[train]])
    correct = alike.parameters(measured(indices, TEST)).argmax(axis=1) == data.material[indices]
    value, interval = metrics.proportion(correct.sum(), correct.size)
    return value, interval, f"the class of most of the 5 out of {train.size} training maps that are most alike"
