"""Network and fits together, by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mantid_insdl.analysis.combination import combined
from mantid_insdl.analysis.results import Classification
from mantid_insdl.networks.bundles import BundleIdentity

MODELS = ("one", "two", "three")


def network(*probabilities, verdict="undecided", in_range=True):
    return Classification(MODELS, probabilities, (0.0,) * 3, 0.5, verdict, in_range, (), BundleIdentity("toy", "1", "0"))


def fits(*probabilities, verdict=None, explained=True):
    best = MODELS[int(np.argmax(probabilities))]
    given = verdict or (best if max(probabilities) >= 0.95 and explained else "undecided")
    order = [2, 0, 1]  # not that of the network
    return SimpleNamespace(
        materials=tuple(MODELS[i] for i in order),
        probabilities=tuple(probabilities[i] for i in order),
        best=SimpleNamespace(material=best),
        verdict=given,
        evidence=SimpleNamespace(explained=explained),
    )


def test_odds_of_the_network_count_half_and_those_of_the_fits_whole():
    found = combined(network(0.8, 0.2 * 0.75, 0.2 * 0.25), fits(0.5, 0.25, 0.25))
    odds = np.array([0.5, 0.25, 0.25]) * np.sqrt([0.8, 0.15, 0.05])
    assert found.models == MODELS and found.probabilities == pytest.approx(odds / odds.sum())
    assert found.verdict == "undecided" and found.warnings == ("Network and fits together cannot tell the models apart.",)


def test_a_network_that_is_certain_counts_no_more_than_one_that_is_99_percent_sure():
    found = combined(network(1.0, 0.0, 0.0), fits(1 / 3, 1 / 3, 1 / 3))
    assert found.probabilities[0] / found.probabilities[1] == pytest.approx(np.sqrt(99))
    assert found.verdict == "undecided"  # alone it is not enough


def test_together_they_may_decide_what_neither_does():
    found = combined(network(0.9, 0.05, 0.05), fits(0.9, 0.05, 0.05))
    assert found.verdict == "one" and found.probabilities[0] > 0.95 and found.warnings == ()


def test_a_certain_network_does_not_outvote_a_certain_fit():
    found = combined(network(0.001, 0.998, 0.001, verdict="two"), fits(0.999, 0.0005, 0.0005))
    assert found.verdict == "one" and found.probabilities[0] > 0.99 and "disagree: two and one" in found.warnings[0]
    found = combined(network(0.001, 0.998, 0.001, verdict="two"), fits(0.96, 0.02, 0.02))
    assert found.verdict == "undecided"


def test_a_network_that_finds_the_map_strange_has_no_say():
    found = combined(network(0.001, 0.998, 0.001, verdict="none of these", in_range=False), fits(0.97, 0.02, 0.01))
    assert found.probabilities == pytest.approx([0.97, 0.02, 0.01]) and found.verdict == "one"
    assert "cannot judge" in found.warnings[0]


@pytest.mark.parametrize(
    ("fit", "verdict"),
    [
        (fits(0.99, 0.005, 0.005, verdict="none of these"), "none of these"),  # a mixture
        (fits(0.99, 0.005, 0.005, verdict="none of these", explained=False), "none of these"),
        (fits(0.99, 0.005, 0.005, explained=False), "undecided"),
        (fits(0.99, 0.005, 0.005, verdict="undecided"), "undecided"),  # a constant beyond all that was looked for
    ],
)
def test_what_keeps_the_fits_from_a_verdict_keeps_both(fit, verdict):
    assert combined(network(0.99, 0.005, 0.005, verdict="one"), fit).verdict == verdict


def test_a_model_that_was_not_fitted_keeps_the_probability_of_the_network():
    both = fits(0.9, 0.05, 0.05)
    both.materials, both.probabilities = ("two", "one"), (0.25, 0.75)  # without "three"
    found = combined(network(0.45, 0.05, 0.5), both)
    odds = np.array([0.75, 0.25]) * np.sqrt([0.45, 0.05])
    assert found.probabilities == pytest.approx([*(0.5 * odds / odds.sum()), 0.5])
    assert found.verdict == "undecided" and "No fit backs three" in found.warnings[-1]
    found = combined(network(0.45, 0.05, 0.5, in_range=False), both)
    assert found.probabilities == pytest.approx([0.75, 0.25, 0.0])
