"""Fit one network to simulated measurements."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.measured import MeasuredMaps, turned
from mantid_insdl.networks.prediction import network_inputs
from mantid_insdl.output import staged_file
from mantid_insdl.progress import Progress
from mantid_insdl.training.batches import Batches, in_parts
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.outcome import VALIDATION
from mantid_insdl.training.recipes import Fit

Target = Callable[[MeasuredMaps, np.ndarray], np.ndarray]


def fit_members(
    build: Callable[[], Any],
    loss: Callable[[Any, Any], Any],
    measurer: Measurer,
    target: Target,
    train: np.ndarray,
    validation: np.ndarray,
    settings: Fit,
    *,
    kept: Path,
    progress: Progress,
) -> list[Any]:
    """The networks of an ensemble, which differ in seed, fitted one after another; a map and its mirror images have the same target.

    Parameters
    ----------
    build
        Makes a network.
    kept
        Folder for the fitted weights; see `fit` for this and the rest.
    """
    keras, models = import_keras(), []
    for member in range(settings.members):
        seed = settings.seed + member
        keras.utils.set_random_seed(seed)
        model = build()

        def step(fraction: float, text: str, member: int = member) -> None:
            progress((member + fraction) / settings.members, f"network {member + 1}: {text}")

        keep = kept / f"member-{member + 1}.weights.h5"
        fit(model, loss, measurer, target, train, validation, settings, seed=seed, keep=keep, symmetric=True, progress=step)
        models.append(model)
    return models


def fit(
    model: Any,
    loss: Callable[[Any, Any], Any],
    measurer: Measurer,
    target: Target,
    train: np.ndarray,
    validation: np.ndarray,
    settings: Fit,
    *,
    seed: int,
    keep: Path,
    symmetric: bool = False,
    processes: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Fit `model`, ending with the weights of the epoch with the lowest validation loss.

    Parameters
    ----------
    target
        From measurements and their indices in the data set to what the network should say.
    train, validation
        Indices into the data set. Training maps are measured anew for every epoch, validation maps always the same way.
    keep
        File for the fitted weights (``.weights.h5``). Where it exists the fit is not repeated, so that a training that was
        interrupted goes on where it stopped.
    symmetric
        Whether a map mirrored in Qh or Qk, or with both exchanged, has the same target: training maps are then turned at random.
    processes
        That make the measurements; default: one for each core.
    """
    keras = import_keras()
    if keep.is_file():
        model.load_weights(keep)
        return
    parts = in_parts(validation, settings.batch)
    per_epoch = math.ceil(train.size / settings.batch)

    def epoch_of(number: int) -> Iterator[tuple[Any, np.ndarray]]:
        rng = np.random.default_rng((seed, number))
        chosen = in_parts(rng.permutation(train), settings.batch)
        for indices, maps in zip(chosen, batches.of(chosen, (number,)), strict=True):
            seen = turned(maps, rng.integers(8)) if symmetric else maps
            yield network_inputs(model, seen), target(seen, indices)

    def epochs() -> Iterator[tuple[Any, np.ndarray]]:
        for number in range(settings.epochs):
            yield from epoch_of(number)

    def validated() -> Iterator[tuple[Any, np.ndarray]]:
        while True:
            for indices, maps in zip(parts, batches.of(parts, VALIDATION), strict=True):
                yield network_inputs(model, maps), target(maps, indices)

    class Report(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if progress is not None:
                done = (self.epoch + (batch + 1) / per_epoch) / settings.epochs
                progress(done, f"epoch {self.epoch + 1} of {settings.epochs}, loss {logs['loss']:.3f}")

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch

    schedule = learning_rate(keras, settings.learning_rate, settings.epochs * per_epoch)
    # TensorFlow's own kernels are faster on a processor than what its compiler makes of the network.
    compiled = keras.backend.backend() != "tensorflow"
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-4, clipnorm=1.0), loss, jit_compile=compiled)
    model.optimizer.build(model.trainable_variables)  # in the first step, that would be traced twice for it
    stop = keras.callbacks.EarlyStopping(patience=settings.patience, restore_best_weights=True)
    with Batches(measurer, processes) as batches:
        model.fit(
            epochs(),
            steps_per_epoch=per_epoch,
            validation_data=validated(),
            validation_steps=len(parts),
            epochs=settings.epochs,
            shuffle=False,
            verbose=0,
            callbacks=[Report(), stop],
        )
    keep.parent.mkdir(parents=True, exist_ok=True)
    with staged_file(keep) as part:
        model.save_weights(part)


def learning_rate(keras: Any, highest: float, steps: int) -> Any:
    """Of each step: over the first fiftieth of them on a line from a twentieth of `highest`, then by half a cosine to a fiftieth of it.

    The values are those of Keras' own cosine with a warm-up. That one is a branch of the graph, which Keras makes anew for each of the
    weights, twice.
    """
    schedules, ops, first, rise = keras.optimizers.schedules, keras.ops, highest / 20, max(1, steps // 50)
    fall = schedules.CosineDecay(highest, steps, alpha=0.02)

    class RiseAndFall(schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            step = ops.cast(step, "float32")
            return ops.where(step < rise, (highest - first) * (step / rise) + first, fall(step - rise))

    return RiseAndFall()
