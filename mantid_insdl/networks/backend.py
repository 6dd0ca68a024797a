"""The only door to TensorFlow and Keras: imported at first need, quietly,
and with one clear error where they are missing.

Answers come from TensorFlow. A process that trains may use another backend of Keras
(`choose_training_backend`): the weights are the same.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from types import ModuleType

from mantid_insdl.errors import TensorFlowMissingError

_INSTALL = (
    'run `pip install "mantid_insdl[cpu]"` there, or set INSDL_PYTHON to a Python interpreter that has TensorFlow'
)

# The oneDNN kernels are faster (training by about a half) but round differently on different processors. Whoever trains
# may set TF_ENABLE_ONEDNN_OPTS=1.
_DEFAULTS = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}


def choose_training_backend() -> str:
    """Let KERAS_BACKEND, where it is set, say what Keras runs on in this process, which trains; its name."""
    _chosen["backend"] = os.environ.get("KERAS_BACKEND") or "tensorflow"
    return _chosen["backend"]


def import_keras() -> ModuleType:
    """The `keras` module, on TensorFlow, with repeatable results and without start-up messages.

    The first call takes some seconds. On a GPU, memory is taken as it is needed and not all at once.

    Raises
    ------
    TensorFlowMissingError
        If TensorFlow or Keras is not installed, cannot be imported, or if Keras already runs on
        another backend in this process.
    """
    with _lock, contextlib.nullcontext() if "tensorflow" in sys.modules else _silent_start():
        engine, keras = _import()
        if keras.backend.backend() != _chosen["backend"]:
            raise TensorFlowMissingError(
                f"Keras runs on {keras.backend.backend()} in this process",
                "the networks need TensorFlow, and the backend cannot be changed after import",
                "start a new Python process with KERAS_BACKEND=tensorflow",
            )
        if _chosen["backend"] == "tensorflow":
            _configure(engine)
    return keras


_lock = threading.Lock()
_chosen = {"backend": "tensorflow"}


def _import() -> tuple[ModuleType, ModuleType]:
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    backend = _chosen["backend"]
    with environment(KERAS_BACKEND=backend) if "keras" not in sys.modules else contextlib.nullcontext():
        try:
            return importlib.import_module(backend), importlib.import_module("keras")
        except ModuleNotFoundError as error:
            if backend != "tensorflow":
                raise TensorFlowMissingError(
                    f"Keras cannot train on {backend}",
                    f"{sys.executable} has no module '{error.name}'",
                    "install it there, or unset KERAS_BACKEND to train on TensorFlow",
                ) from error
            raise TensorFlowMissingError(
                "TensorFlow is needed to run the networks", f"{sys.executable} has no module '{error.name}'", _INSTALL
            ) from error
        # a broken installation raises anything: ImportError, ValueError (two HDF5 libraries), TypeError
        except Exception as error:
            text = str(error).strip() or "no reason given"
            raise TensorFlowMissingError(
                "TensorFlow is installed but cannot be imported",
                f"{type(error).__name__} in {sys.executable}: {text.splitlines()[0]}",
                "reinstall it in an environment of its own and set INSDL_PYTHON to that environment's Python "
                "interpreter",
            ) from error


@contextlib.contextmanager
def _silent_start() -> Iterator[None]:
    """Keep what TensorFlow's libraries write to standard error while they are loaded,
    and give it out only where that fails.

    They write to the file descriptor, before any level of logging applies.
    """
    try:
        kept = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
        own = os.dup(2)
    except OSError:  # no place for it, or no standard error
        yield
        return
    with kept:
        try:
            os.dup2(kept.fileno(), 2)
            yield
        except BaseException:
            kept.seek(0)
            os.write(own, kept.read())
            raise
        finally:
            os.dup2(own, 2)
            os.close(own)


@functools.cache
def _configure(tensorflow: ModuleType) -> None:
    devices = tensorflow.config.list_physical_devices("GPU")
    for device in devices:
        with contextlib.suppress(RuntimeError):  # the caller has used the GPU already: too late to change
            tensorflow.config.experimental.set_memory_growth(device, True)
    if devices:  # a processor repeats its results as it is, and would train four times slower with this
        tensorflow.config.experimental.enable_op_determinism()
    tensorflow.get_logger().setLevel("ERROR")
    importlib.import_module("absl.logging").set_verbosity("error")


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
