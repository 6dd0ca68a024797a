"""Fit one network to simulated measurements."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.prediction import LOG_SIGMA_LIMITS, network_inputs
from mantid_insdl.progress import Progress
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.outcome import VALIDATION
from mantid_insdl.training.recipes import Fit

Target = Callable[[MeasuredMaps, np.ndarray], np.ndarray]
DRAWS = 3  # measurements of each training map: every third epoch sees the same noise, which costs little and saves much simulation


def gaussian_loss(keras: Any) -> Callable[[Any, Any], Any]:
    """Negative log likelihood of standardised parameters under a mean and a log standard deviation each (NaN targets do not count)."""
    ops = keras.ops

    def loss(target: Any, output: Any) -> Any:
        mean, log_sigma = ops.split(output, 2, axis=-1)
        log_sigma = ops.clip(log_sigma, *LOG_SIGMA_LIMITS)
        return ops.mean(0.5 * ops.square((target - mean) * ops.exp(-log_sigma)) + log_sigma, axis=-1)

    return loss


def weighted_intensity_loss(keras: Any) -> Callable[[Any, Any], Any]:
    """Squared error of an intensity over its Poisson-like variance; the target is (..., 2): intensity and weight."""
    ops = keras.ops

    def loss(target: Any, output: Any) -> Any:
        wanted, weight = target[..., 0], target[..., 1]
        return ops.sum(weight * ops.square(output - wanted) / (1 + wanted)) / (ops.sum(weight) + 1e-6)

    return loss


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
    progress: Progress | None = None,
) -> None:
    """Fit `model`, ending with the weights of the epoch with the lowest validation loss.

    Parameters
    ----------
    target
        From measurements and their indices in the data set to what the network should say.
    train, validation
        Indices into the data set. Training maps are measured `DRAWS` times, validation maps once.
    keep
        File for the fitted weights (``.weights.h5``). Where it exists the fit is not repeated, so that a training that was
        interrupted goes on where it stopped.
    """
    keras = import_keras()
    if keep.is_file():
        model.load_weights(keep)
        return

    class Batches(keras.utils.PyDataset):
        def __init__(self, indices: np.ndarray, fresh: bool):
            super().__init__(workers=2, use_multiprocessing=False, max_queue_size=8)
            self.indices, self.fresh, self.epoch = indices, fresh, 0

        def __len__(self) -> int:
            return math.ceil(self.indices.size / settings.batch)

        def __getitem__(self, number: int) -> tuple[Any, np.ndarray]:
            order = self.indices
            if self.fresh:
                order = np.random.default_rng((seed, self.epoch)).permutation(order)
            chosen = order[number * settings.batch : (number + 1) * settings.batch]
            maps = measurer.measure(chosen, (self.epoch % DRAWS,) if self.fresh else VALIDATION)
            return network_inputs(model, maps), target(maps, chosen)

        def on_epoch_end(self) -> None:
            self.epoch += 1

    class Report(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if progress is not None:
                done = (self.epoch + (batch + 1) / len(batches)) / settings.epochs
                progress(done, f"epoch {self.epoch + 1} of {settings.epochs}, loss {logs['loss']:.3f}")

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch

    batches = Batches(train, fresh=True)
    steps = settings.epochs * len(batches)
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate / 20, steps, warmup_target=settings.learning_rate, warmup_steps=max(1, steps // 50), alpha=0.02
    )
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-4, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=settings.patience, restore_best_weights=True)
    model.fit(batches, validation_data=Batches(validation, fresh=False), epochs=settings.epochs, verbose=0, callbacks=[Report(), stop])
    keep.parent.mkdir(parents=True, exist_ok=True)
    part = keep.with_name(f"part-{os.getpid()}-{keep.name}")
    model.save_weights(part)
    part.replace(keep)
