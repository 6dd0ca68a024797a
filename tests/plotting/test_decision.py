"""The picture of which slices decided."""

from types import SimpleNamespace

import numpy as np
import pytest

from mantid_insdl.errors import MaterialError
from mantid_insdl.fitting.results import Contest, Part
from mantid_insdl.plotting import plot_decision

NAN = float("nan")


def comparison(ei=(50.0, 25.0, 25.0)):
    """Three slices, not in order, of which two speak for the best against "near", and all against "far"."""
    differences = ((3.0, 30.0), (-2.0, 20.0), (1.0, 10.0))
    parts = [Part(one, low, low + 1.5, 100, both) for one, low, both in zip(ei, (8.0, 4.0, 2.5), differences, strict=True)]
    contests = (Contest("near", 2.0, 2.5, 0.0, 0.7, 0.1, 0.1), Contest("far", 60.0, 10.0, 0.0, 3.5, 0.0, 0.1))
    return SimpleNamespace(
        best=SimpleNamespace(material="best"), materials=("near", "best", "far"), probabilities=(0.25, 0.74, 0.01),
        contests=contests, parts=tuple(parts), verdict="undecided",
    )  # fmt: skip


def test_a_bar_a_slice_in_order_of_ei_and_energy():
    (axes,) = plot_decision(comparison()).axes
    bars = axes.patches
    assert [bar.get_height() for bar in bars] == [1.0, -2.0, 3.0]
    assert [bar.get_x() + bar.get_width() / 2 for bar in bars] == pytest.approx([0, 1, 3])  # a gap between incident energies
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2.5-4", "4-5.5", "8-9.5"]
    assert bars[0].get_facecolor() == bars[2].get_facecolor() != bars[1].get_facecolor()
    assert {text.get_text() for text in axes.texts} == {"Ei 25 meV", "Ei 50 meV"}
    assert "below: for near" in axes.get_title() and "z = 0.8, probability 0.74, verdict: undecided" in axes.get_title()


def test_another_material_and_unknown_incident_energies():
    (axes,) = plot_decision(comparison(ei=(NAN, NAN, NAN)), "far", title="mine").axes
    assert [bar.get_height() for bar in axes.patches] == [10.0, 20.0, 30.0] and not axes.texts and axes.get_title() == "mine"
    with pytest.raises(MaterialError, match="there are near, far"):
        plot_decision(comparison(), "best")


def test_heights_are_those_of_the_parts_exactly():
    (axes,) = plot_decision(comparison(), "far").axes
    assert np.sum([bar.get_height() for bar in axes.patches]) == 60.0
