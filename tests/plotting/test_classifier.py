"""The picture of a classifier's figures shows what its bundle says."""

from types import SimpleNamespace

import numpy as np

from mantid_insdl.networks.cards import CardTest
from mantid_insdl.plotting import plot_classifier


def test_confusion_reliability_and_accuracy():
    def test(metric, value, conditions):
        return CardTest(metric=metric, value=value, interval=(value - 0.02, value + 0.01), n=100, conditions=f"simulated; {conditions}")

    tests = (
        test("accuracy", 0.99, "the usual counts (3 a pixel)"),
        test("accuracy", 0.91, "0.1 times the usual counts"),
        test("accuracy", 0.80, "the usual counts, 1 Ei"),
        test("accuracy", 0.97, "the usual counts, 6 Ei"),
        test("fraction with a verdict", 0.7, "0.1 times the usual counts"),
        test("accuracy", 0.5, "all counts that were trained on"),
    )
    card = SimpleNamespace(name="toy", version="1", family="pcsmo", materials=("pcsmo-one", "pcsmo-two"), test=tests)
    arrays = {
        "test_confusion": np.array([[90, 2, 5, 3], [0, 40, 10, 0]]),
        "test_reliability": np.array([[0.6, 0.5, 10], [0.95, 0.96, 90]]),
    }
    figure = plot_classifier(SimpleNamespace(card=card, arrays=arrays))
    figure.canvas.draw()
    confusion, reliability, counts, energies = figure.axes
    assert [t.get_text() for t in confusion.texts] == ["90.0%", "2.0%", "5.0%", "3.0%", "0.0%", "80.0%", "20.0%", "0.0%"]
    assert [t.get_text() for t in confusion.get_xticklabels()] == ["one", "two", "undecided", "none of these"]
    assert [t.get_text() for t in reliability.texts] == ["10", "90"]
    lines = {c.get_label(): c.lines[0].get_xydata().tolist() for c in counts.containers}
    assert lines == {"accuracy": [[0.1, 0.91], [1, 0.99]], "fraction with a verdict": [[0.1, 0.7]]}
    (line,) = energies.containers
    assert line.lines[0].get_xydata().tolist() == [[1, 0.8], [6, 0.97]]
