"""How good a classifier is: a picture of what its bundle says of its test maps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mantid_insdl.networks.bundles import Bundle
    from mantid_insdl.networks.cards import CardTest

_COUNTS = re.compile(r"(?:([\d.]+) times )?the usual counts(?: \(.*\))?$")
_ENERGIES = re.compile(r"the usual counts, (\d+) Ei$")


def plot_classifier(bundle: Bundle) -> Figure:
    """Confusion matrix at the usual counts, reliability diagram, and accuracy against counts and number of incident energies."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(17, 4.2), layout="constrained")
    axes = figure.subplots(1, 4)
    _confusion(axes[0], bundle)
    _reliability(axes[1], bundle.arrays["test_reliability"])
    _accuracy(axes[2], bundle.card.test, _COUNTS, "counts over the usual ones", logarithmic=True)
    _accuracy(axes[3], bundle.card.test, _ENERGIES, "number of incident energies", logarithmic=False)
    figure.suptitle(f"{bundle.card.name} {bundle.card.version} on simulated test maps")
    return figure


def _confusion(axes: Axes, bundle: Bundle) -> None:
    counts = bundle.arrays["test_confusion"]
    shares = counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        axes.text(column, row, f"{share:.1%}", ha="center", va="center", color="white" if share > 0.5 else "black", fontsize=8)
    names = [name.removeprefix(f"{bundle.card.family}-") for name in bundle.card.materials]
    axes.set_xticks(range(len(names) + 2), [*names, "undecided", "none of these"], rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="verdict", ylabel="truth", title=f"{counts.sum()} maps at the usual counts")


def _reliability(axes: Axes, bins: np.ndarray) -> None:
    probability, right, number = bins.T
    error = np.sqrt(np.maximum(right * (1 - right), 1 / number) / number)
    axes.plot([0.3, 1], [0.3, 1], color="grey", linewidth=0.8)
    axes.errorbar(probability, right, error, marker="o", linestyle="", capsize=2)
    for x, y, n in zip(probability, right, number, strict=True):
        axes.annotate(f"{n:.0f}", (x, y), textcoords="offset points", xytext=(5, -10), fontsize=7)
    axes.set(xlabel="probability of the most probable model", ylabel="share that is right", title="all counts trained on")


def _accuracy(axes: Axes, tests: tuple[CardTest, ...], pattern: re.Pattern[str], label: str, *, logarithmic: bool) -> None:
    for metric in ("accuracy", "accuracy where there is a verdict", "fraction with a verdict"):
        points = sorted(
            (float(found.group(1) or 1), test.value, *test.interval)
            for test in tests
            if test.metric == metric and test.interval and (found := pattern.search(test.conditions))
        )
        if points:
            x, y, low, high = np.array(points).T
            axes.errorbar(x, y, (np.maximum(y - low, 0), np.maximum(high - y, 0)), marker="o", capsize=2, label=metric)
    if logarithmic:
        axes.set_xscale("log")
    axes.set(xlabel=label, ylim=(None, 1.005))
    axes.legend(fontsize=7)
