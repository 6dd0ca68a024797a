"""Writing model bundles: complete and sealed, or not at all."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.errors import BundleError, OutputError
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.bundles import ARRAYS, CARD, content_problems, read_card
from mantid_insdl.networks.cards import Card

_OPTIONS_NEWER_THAN_3_13 = {"quantization_config", "input_axes", "output_axes"}


def save_bundle(
    directory: str | Path,
    card: Card,
    models: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray] | None = None,
    *,
    replace: bool = False,
) -> Path:
    """Write a bundle; the hashes and the Keras version on the card are filled in. Either all of it appears, or nothing.

    Parameters
    ----------
    directory
        Where to put it; for a bundle of the package `trained_models/NAME`.
    card
        Everything else that is known.
    models
        Keras models by file name (`*.keras`). Compilation and optimiser state are not stored.
    arrays
        Numbers that go with them, stored in `arrays.npz`.
    replace
        Put it in the place of a bundle that is there already.

    Raises
    ------
    OutputError
        If the place is taken, or cannot be written to.
    BundleError
        If a network or an array is not of the allowed kind.
    """
    directory = Path(directory).expanduser().absolute()
    if directory.exists() and not (replace and (directory / CARD).is_file()):
        raise OutputError(
            f"cannot write the bundle '{directory}'", "it exists already", "give another folder, or remove it first"
        )
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}-") as scratch:
            new = Path(scratch) / directory.name
            new.mkdir()
            _write_content(new, card, models, arrays or {})
            if directory.exists():
                directory.rename(Path(scratch) / "previous")
            new.rename(directory)
    except OSError as error:
        raise OutputError(
            f"cannot write the bundle '{directory}'",
            error.strerror or str(error),
            "give a folder that you may write to",
        ) from error
    return directory


def rewrite_card(directory: str | Path, **changes: Any) -> Card:
    """Change entries of a bundle's card (a limitation, a test figure) and seal it again."""
    directory = Path(directory)
    card = read_card(directory)
    card = Card.model_validate({**card.model_dump(), **changes, "sha256": ""})
    return _write_card(directory, card)


def _write_content(directory: Path, card: Card, models: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    keras = import_keras()
    for name, model in models.items():
        # A model made again has no optimiser, loss or metrics, which may be the trainer's own functions.
        plain = type(model).from_config(model.get_config())
        plain.set_weights(model.get_weights())
        plain.save(directory / name)
        _make_readable_for_older_keras(directory / name)
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise BundleError(
                f"cannot store the array '{name}'", "it holds Python objects", "convert it to numbers or text"
            )
    if arrays:
        np.savez(directory / ARRAYS, allow_pickle=False, **arrays)
    files = {f.name: hash_file(f) for f in sorted(directory.iterdir())}
    sealed = _write_card(directory, card.model_copy(update={"files": files, "keras": keras.__version__}))
    for problem in content_problems(directory, sealed, weights=True):
        raise problem


def _make_readable_for_older_keras(file: Path) -> None:
    """Leave unused options of newer layers out of a network's configuration,
    which an older Keras (3.13.2 is tested) would refuse.
    """
    with zipfile.ZipFile(file) as archive:
        members = {member.filename: archive.read(member) for member in archive.infolist()}
    members["config.json"] = json.dumps(_without_unused_options(json.loads(members["config.json"]))).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _without_unused_options(config: Any) -> Any:
    if isinstance(config, list):
        return [_without_unused_options(item) for item in config]
    if isinstance(config, dict):
        return {
            name: _without_unused_options(item)
            for name, item in config.items()
            if not (item is None and name in _OPTIONS_NEWER_THAN_3_13)
        }
    return config


def _write_card(directory: Path, card: Card) -> Card:
    text = Card.model_validate(card.model_dump()).to_json()
    scratch = directory / f"{CARD}.new"
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(directory / CARD)
    return read_card(directory)


def hash_file(file: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
