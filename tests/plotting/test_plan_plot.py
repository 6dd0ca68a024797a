"""The picture of a plan shows its numbers."""

import numpy as np
import pytest

from mantid_insdl.fitting.candidates import Candidate
from mantid_insdl.fitting.expected import Gain
from mantid_insdl.fitting.plan import Plan, Ranked
from mantid_insdl.maps import Slices
from mantid_insdl.plotting import plot_plan


def ranked(ei, worth, gains, setting="MAPS pcsmo"):
    return Ranked(Candidate(ei=ei), setting, Slices([ei], [0.1 * ei], [0.7 * ei]), 1.0, 1e4, gains, worth, False)


@pytest.fixture
def constants():
    energies = {70.0: 0.4, 25.0: 0.2, 140.0: 0.1}
    found = [ranked(ei, worth, {"m": Gain(worth, factors={"J": 1 - worth, "D": 0.9})}) for ei, worth in energies.items()]
    return Plan("constants", ("m",), ("J", "D"), tuple(found), (), "hours", (25.0,), ())


def test_constants(constants):
    worth, parts = plot_plan(constants).axes
    line, ring, measured = worth.lines
    np.testing.assert_allclose(line.get_xydata(), [[25, 0.2], [70, 0.4], [140, 0.1]])
    assert ring.get_xydata().tolist() == [[70.0, 0.4]]
    assert measured.get_xdata()[0] == 25.0
    assert "hour" in worth.get_ylabel()
    assert [text.get_text() for text in parts.get_legend().get_texts()] == ["J", "D"]
    np.testing.assert_allclose(parts.lines[0].get_ydata(), [0.8, 0.6, 0.9])
    assert worth.get_ylim()[1] > 0.4


def test_models_and_two_settings():
    gains = {"A is true, not B": Gain(9.0, deviations=1.5), "B is true, not A": Gain(8.0, deviations=1.2)}
    found = (
        ranked(70.0, 8.0, gains, "MAPS S 300 Hz"),
        ranked(50.0, 7.0, gains, "MAPS S 250 Hz"),
        ranked(70.0, 6.0, gains, "MERLIN S 300 Hz"),
    )
    worth, parts = plot_plan(Plan("separate", ("A", "B"), (), found, (), "map times", (), ())).axes
    assert [text.get_text() for text in worth.get_legend().get_texts()] == ["MAPS S", "MERLIN S"]
    assert [text.get_text() for text in parts.get_legend().get_texts()] == ["if A is true, not B", "if B is true, not A"]
    np.testing.assert_allclose(worth.lines[0].get_ydata(), [7.0, 8.0])
    np.testing.assert_allclose(parts.lines[0].get_ydata(), [1.5, 1.5])


def test_nothing_is_worth_anything(constants):
    nothing = [ranked(ei, 0.0, {"m": Gain(0.0, factors={"J": 1.0, "D": 1.0})}) for ei in (20.0, 30.0)]
    figure = plot_plan(Plan("constants", ("m",), ("J", "D"), tuple(nothing), (), "hours", (25.0,), ()))
    assert figure.axes[0].get_ylim()[1] > 0
