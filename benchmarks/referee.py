"""The classifier beside its referee, the fits: how often each is right on the same maps, how long it takes, and what both together say.

    python benchmarks/referee.py [--maps N] [--counts FACTOR] [--data FOLDER] [--processes N]

N test maps of the classifier's recipe (60 by default, evenly from all models; the test part is simulated first where FOLDER,
``training-data``, does not hold it) are measured at the usual counts, or FACTOR times those, and given to the network, to fits of the
three models (effort fast, from where the exchange networks let them begin), and to both together
(`mantid_insdl.analysis.combination`). Printed are the share of right, wrong and no verdicts, the share of maps whose most
probable model is right, processor seconds per map, and with which weights of the logarithms of the odds network and fits together would
have been most probable on these maps: the package takes 0.5 and 1. Some two minutes a map on one core; where Keras has another backend
than TensorFlow, set KERAS_BACKEND.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from mantid_insdl.analysis import classify
from mantid_insdl.analysis.combination import combined
from mantid_insdl.analysis.refinement import starts_by_networks
from mantid_insdl.fitting.compare import compare
from mantid_insdl.fitting.results import NONE_OF_THESE, UNDECIDED
from mantid_insdl.maps import Map, Slices
from mantid_insdl.networks.backend import choose_training_backend
from mantid_insdl.networks.bundles import load_bundle
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.training.classifier_figures import usual_counts, with_counts
from mantid_insdl.training.datasets import load_or_generate
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.outcome import TEST, some
from mantid_insdl.training.recipes import Recipe


def as_map(maps: MeasuredMaps, row: int, measurer: Measurer, family: str) -> Map:
    """A measurement as a user would have it: without unused slices."""
    used = maps.used[row, :, 0] > 0
    low, high, log_ei = maps.windows[row, used].astype(float).T
    slices = Slices(np.round(10**log_ei, 3), 10 * low, 10 * high)
    intensity = maps.stack[row, used, ..., 0] * maps.scale[row, used, None, None]
    mask = maps.stack[row, used, ..., 1] == 0
    return Map(intensity.astype(float), (measurer.qh, measurer.qk), slices=slices, mask=mask, intensity_unit="arbitrary", material=family)


def fitted(work: tuple[Map, tuple[str, ...], dict]) -> tuple[object, float]:
    """Comparison of fits, from where the networks let them begin, and its processor seconds."""
    m, models, starts = work
    started = time.process_time()
    found = compare(m, models, start=starts)
    return found, time.process_time() - started


def best_weights(network: np.ndarray, fits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Weights of the two logarithms of probabilities, (n, class) each, with which the truth is most probable."""

    def surprise(weights: np.ndarray) -> float:
        odds = weights[0] * network + weights[1] * fits
        odds -= odds.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(odds).sum(axis=1)) - odds[np.arange(truth.size), truth]))

    return minimize(surprise, np.array([0.5, 1.0]), bounds=[(0, 3), (0, 3)]).x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maps", type=int, default=60)
    parser.add_argument("--counts", type=float, default=1.0)
    parser.add_argument("--data", type=Path, default=Path("training-data"))
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--model", default="pcsmo-classifier")
    arguments = parser.parse_args()
    choose_training_backend()
    bundle = load_bundle(arguments.model)
    recipe, models = Recipe.model_validate_json(bundle.card.training.recipe), bundle.card.materials
    data = load_or_generate(recipe.dataset, arguments.data, parts=["test"])
    counts = arguments.counts * usual_counts(recipe.measurement)
    measurer = Measurer(data, recipe.dataset, with_counts(recipe.measurement, counts))
    indices = some(data.indices("test"), arguments.maps)
    maps = measurer.measure(indices, TEST, kind="")
    asked = [as_map(maps, row, measurer, bundle.card.family) for row in range(indices.size)]
    truth = np.array([models.index(data.materials[label]) for label in maps.label])
    told, seconds = [], []
    for m in asked:
        started = time.process_time()
        told.append(classify(m, arguments.model))
        seconds.append(time.process_time() - started)
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        compared, took = zip(
            *pool.map(fitted, [(m, models, starts_by_networks(m, models, bundle.card.family)) for m in asked]), strict=True
        )
    together = [combined(network, fits) for network, fits in zip(told, compared, strict=True)]
    print(f"{indices.size} test maps at {counts:.3g} counts a pixel")
    print(f"{'':10}{'right':>8}{'wrong':>8}{'undecided':>11}{'none':>8}{'most probable right':>21}{'seconds of a core':>19}")
    probabilities = {}
    for name, answers, time_each in (("network", told, seconds), ("fits", compared, took), ("together", together, None)):
        verdicts = [one.verdict for one in answers]
        right = np.mean([verdict == models[t] for verdict, t in zip(verdicts, truth, strict=True)])
        undecided, none = (np.mean([verdict == word for verdict in verdicts]) for word in (UNDECIDED, NONE_OF_THESE))
        order = [list(getattr(one, "models", None) or one.materials) for one in answers]
        probabilities[name] = np.array(
            [[one.probabilities[o.index(m)] if m in o else 0.0 for m in models] for one, o in zip(answers, order, strict=True)]
        )
        best = np.mean(probabilities[name].argmax(axis=1) == truth)
        each = "" if time_each is None else f"{np.median(time_each):.2f}"
        print(f"{name:10}{right:8.3f}{1 - right - undecided - none:8.3f}{undecided:11.3f}{none:8.3f}{best:21.3f}{each:>19}")
    logarithms = [np.log(np.clip(probabilities[name], 1e-4, None)) for name in ("network", "fits")]
    print("weights of network and fits with which the truth is most probable: {:.2f} and {:.2f}".format(*best_weights(*logarithms, truth)))


if __name__ == "__main__":
    main()
