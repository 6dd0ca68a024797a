"""What the outputs of networks mean: the same formulas for setting their calibration, for testing them,
and for answering.

SciPy is imported where it is used: checking a map for a model, which happens inside Mantid, must
be quick and needs none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.measured import EXCHANGED, MeasuredMaps, turned
from mantid_insdl.progress import Progress, ignore_progress

if TYPE_CHECKING:
    from mantid_insdl.networks.bundles import Bundle


def network_inputs(model: Any, maps: MeasuredMaps, rows: slice | np.ndarray = slice(None)) -> Any:
    """What `model` takes of the maps at `rows`: an array, or several by name."""
    arrays = {tensor.name: getattr(maps, tensor.name)[rows] for tensor in model.inputs}
    return arrays if len(arrays) > 1 else next(iter(arrays.values()))


def predict(model: Any, maps: MeasuredMaps, batch: int = 16, progress: Progress | None = None) -> list[np.ndarray]:
    """The network's outputs, in batches so that long work can be reported and cancelled."""
    results = []
    for done, outputs in enumerate(predict_batches(model, maps, batch), 1):
        results.append(outputs)
        if progress is not None:
            progress(min(1.0, done * batch / len(maps.stack)), "networks")
    return [np.concatenate(parts) for parts in zip(*results, strict=True)]


def predict_batches(model: Any, maps: MeasuredMaps, batch: int) -> Iterator[list[np.ndarray]]:
    """The network's outputs for one batch after the other:
    of layers inside it those of all maps would fill the memory.
    """
    for start in range(0, len(maps.stack), batch):
        outputs = model(network_inputs(model, maps, slice(start, start + batch)), training=False)
        yield [np.asarray(one) for one in (outputs if isinstance(outputs, list | tuple) else [outputs])]


def in_both_orientations(
    ask: Callable[[MeasuredMaps], Sequence[np.ndarray]], maps: MeasuredMaps
) -> tuple[np.ndarray, np.ndarray]:
    """What a network says of maps as they are and with Qh and Qk exchanged, (2, n, output);
    and the mean of both embeddings, (n, feature).

    Of a twinned crystal both show the same, so that no answer may depend on it; where they
    differ the network is not sure.

    Parameters
    ----------
    ask
        From maps to outputs and embeddings.
    """
    (first, one), (second, other) = ask(maps), ask(turned(maps, EXCHANGED))
    return np.stack([first, second]), (one + other) / 2


def logits_of(
    bundle: Bundle, inputs: MeasuredMaps, progress: Progress = ignore_progress
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Of all networks of a classifier the logits for both orientations of a map,
    (2 x network, 1, output), and its features.
    """
    logits, features = [], []
    for number, model in enumerate(bundle.models):
        both, embedding = in_both_orientations(partial(predict, with_embedding(model)), inputs)
        logits.append(both)
        features.append(embedding)
        progress((number + 1) / len(bundle.models), f"network {number + 1} of {len(bundle.models)}")
    return np.concatenate(logits), features


def ensemble_probabilities(logits: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean probability over the members of an ensemble and its standard deviation between them,
    from logits (member, n, class).

    A network asked about both orientations of a map counts as two members.
    """
    from scipy.special import softmax

    each = softmax(logits / temperature, axis=-1)
    return each.mean(axis=0), each.std(axis=0)


def with_embedding(model: Any) -> Any:
    """The same network giving its embedding beside its output: (output, embedding)."""
    keras = import_keras()
    return keras.Model(model.input, [model.output, model.get_layer("embedding").output])
