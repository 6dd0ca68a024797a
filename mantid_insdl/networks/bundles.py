"""Model bundles: a directory with a card, the networks' weights, and nothing that can carry code.

::

    trained_models/NAME/
        card.json      what the model answers, how it was trained and tested, the SHA-256 of every other file
        *.keras        the networks, in the order of their names
        arrays.npz     numbers that go with them (optional)

Nothing is loaded before the hash of every file is checked. Networks may consist of what `networks.allowed` lists only;
a file that is not on the card is refused, and so is one that is a link, a pipe or a device.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from mantid_insdl.errors import BundleError, InsdlError, did_you_mean
from mantid_insdl.networks.allowed import network_problems
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.cards import FORMAT, Card, content_hash
from mantid_insdl.untrusted.archives import read_npz
from mantid_insdl.untrusted.reading import Origin, open_regular, read_text
from mantid_insdl.untrusted.text import json_of

CARD = "card.json"
ARRAYS = "arrays.npz"

_PACKAGE = Path(__file__).resolve().parents[1]

_LARGEST_CARD = 4_000_000  # bytes
_LARGEST_ARRAYS = 1_000_000_000  # bytes, unpacked


class BundleIdentity(NamedTuple):
    """Which bundle gave a result; `sha256` covers the card and, through it, every file."""

    name: str
    version: str
    sha256: str


class Bundle:
    """A checked bundle; its networks are loaded at first use and kept. Made by `load_bundle`."""

    def __init__(self, path: Path, card: Card):
        self.path = path
        self.card = card
        self._lock = threading.Lock()
        self._models: list[Any] | None = None

    @property
    def identity(self) -> BundleIdentity:
        return BundleIdentity(self.card.name, self.card.version, self.card.sha256)

    @property
    def models(self) -> list[Any]:
        """The Keras models in the order of their file names, uncompiled.

        Raises
        ------
        BundleError
            If a file has changed since `load_bundle`, or if Keras cannot read it.
        TensorFlowMissingError
            If TensorFlow is not installed.
        """
        with self._lock:
            if self._models is None:
                keras = import_keras()
                self._models = [self._load(keras, name) for name in sorted(self.card.files) if name.endswith(".keras")]
            return self._models

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of the bundle by name; empty if it has none."""
        if ARRAYS not in self.card.files:
            return {}
        return read_npz(self.path / ARRAYS, _origin(self.path / ARRAYS, self.card.name), _LARGEST_ARRAYS, follow=False)

    def _load(self, keras: Any, name: str) -> Any:
        file = self.path / name
        for problem in _file_problems(file, self.card, weights=True):
            raise problem
        try:
            return keras.saving.load_model(file, compile=False, safe_mode=True)
        except Exception as error:
            raise BundleError(
                f"Keras {keras.__version__} cannot load '{name}' of the bundle '{self.card.name}'",
                f"it was written by Keras {self.card.keras or '(unknown)'}; {type(error).__name__}: "
                f"{_first_line(error)}",
                f"install Keras {self.card.keras} or newer, or {_remedy(self.path, self.card.name)}",
            ) from error

    def __repr__(self) -> str:
        card = self.card
        return f"<Bundle {card.name} {card.version}: {card.task} {card.family}, {card.sha256[:12]}>"


# ---- finding


def models_directory() -> Path:
    """The `trained_models` directory of this package, in a checkout and in an installation.

    Raises
    ------
    BundleError
        If the installation has none.
    """
    for candidate in (_PACKAGE / "trained_models", _PACKAGE.parent / "trained_models"):
        if candidate.is_dir():
            return candidate
    raise BundleError(
        "the trained models are missing", f"there is no folder trained_models in {_PACKAGE}", "reinstall mantid_insdl"
    )


def bundle_names() -> list[str]:
    """Names of the bundles that come with the package, sorted."""
    return sorted(d.name for d in models_directory().iterdir() if d.is_dir() and not d.name.startswith(("_", ".")))


def find_bundle(name_or_path: str | Path) -> Path:
    """The directory of a bundle: of one that comes with the package by its name, of any other by its path.

    Raises
    ------
    BundleError
        If there is no such bundle; the message lists the valid names.
    """
    text = str(name_or_path)
    names = bundle_names()
    if text in names:
        return models_directory() / text
    path = Path(os.path.expanduser(text))
    if text and path.name == CARD and os.path.isfile(path):
        path = path.parent
    if text.strip() and os.path.isdir(path):  # unlike Path.is_dir, False for a name that is too long
        return path.resolve()
    raise BundleError(
        f"there is no model bundle '{text}'",
        f"available are {', '.join(names) or 'none'}" + did_you_mean(text.lower(), names),
        "give one of these names, or the path of a bundle's folder",
    )


def bundles_for(task: str, family: str) -> list[str]:
    """Names of the package's bundles for a task ("denoise", "classify", "exchange") and a family of materials,
    the best version first.

    Bundles that are damaged are left out; if that leaves none, the first damage is raised as `BundleError`.
    """
    found, damage = [], None
    for name in bundle_names():
        try:
            card = read_card(models_directory() / name)
        except BundleError as error:
            damage = damage or error
        else:
            if (card.task, card.family) == (task, family):
                found.append((card.version, name))
    if not found and damage:
        raise damage
    newest_first = sorted(found, key=lambda one: _version_key(one[0]), reverse=True)
    return [name for _, name in newest_first]


TASKS = {"denoise": "denoise maps", "classify": "tell the magnetic models", "exchange": "give the exchange constants"}


def default_bundle(task: str, family: str) -> str:
    """Name of the bundle that answers `task` for `family` where the user named none: the newest,
    of several the first by name.

    Raises
    ------
    BundleError
        If the package has none.
    """
    names = bundles_for(task, family)
    if not names:
        raise BundleError(
            f"no trained model can {TASKS[task]} of '{family}'",
            f"the available bundles are {', '.join(bundle_names()) or 'none'}",
            "give the path of a bundle of your own, or train one with `insdl train RECIPE`",
        )
    return names[0]


def exchange_bundle(material: str, family: str) -> Bundle | None:
    """The networks that say the constants of one material of a family; None where there are none."""
    for name in bundles_for("exchange", family):
        if read_card(find_bundle(name)).materials == (material,):
            return load_bundle(name)
    return None


# ---- reading and checking


def read_card(directory: Path) -> Card:
    """The validated card of the bundle in `directory`; the other files are not looked at.

    Raises
    ------
    BundleError
        If the card is missing, unreadable, of another format, wrong, or altered.
    """
    file = directory / CARD
    reinstall = _remedy(directory)
    origin = Origin(f"the card '{file}'", BundleError, reinstall)
    try:
        content = json_of(read_text(file, origin, _LARGEST_CARD, follow=False), origin)
    except FileNotFoundError as error:
        raise BundleError(
            f"'{directory}' is not a model bundle", f"it has no {CARD}", f"give another folder, or {reinstall}"
        ) from error
    if not isinstance(content, dict):
        raise BundleError(f"cannot read the card '{file}'", "it is not a JSON object", reinstall)
    if content.get("format") != FORMAT:
        raise BundleError(
            f"the bundle '{directory.name}' has format {content.get('format')!r}",
            f"this version of mantid_insdl reads format {FORMAT}",
            "use the mantid_insdl that wrote it, or a bundle made for this one",
        )
    try:
        card = Card.model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the card"
        raise BundleError(f"the card '{file}' is wrong", f"{where}: {first['msg']}", reinstall) from error
    if card.sha256 != content_hash(content):
        raise BundleError(
            f"the card '{file}' was altered", "its content does not have the SHA-256 it states", reinstall
        )
    return card


def load_bundle(name_or_path: str | Path) -> Bundle:
    """The bundle of that name or in that directory, checked from end to end;
    the same object as long as its content is the same.

    Raises
    ------
    BundleError
        If there is none, or the first problem of those that `verify_bundle` lists.
    """
    directory = find_bundle(name_or_path)
    card = read_card(directory)
    for problem in content_problems(directory, card, weights=False):
        raise problem
    with _cache_lock:
        bundle = _cache.get(directory)
        if bundle is None or bundle.identity != BundleIdentity(card.name, card.version, card.sha256):
            bundle = _cache[directory] = Bundle(directory, card)
        return bundle


_cache: dict[Path, Bundle] = {}
_cache_lock = threading.Lock()


def verify_bundle(name_or_path: str | Path) -> list[str]:
    """Everything that is wrong with a bundle, one sentence each; empty if it is sound. Needs no TensorFlow.

    Raises
    ------
    BundleError
        If there is no such bundle.
    """
    directory = find_bundle(name_or_path)
    try:
        card = read_card(directory)
    except BundleError as error:
        return [str(error)]
    return [str(problem) for problem in content_problems(directory, card, weights=True)]


def content_problems(directory: Path, card: Card, *, weights: bool) -> Iterator[InsdlError]:
    """What is wrong with the files of a bundle that has `card`; `weights` as in `network_problems`."""
    reinstall = _remedy(directory, card.name)
    if _is_shipped(directory) and card.name != directory.name:
        yield BundleError(
            f"the bundle in '{directory.name}' calls itself '{card.name}'", "the folder was renamed", reinstall
        )
    if not any(name.endswith(".keras") for name in card.files):
        yield BundleError(f"the bundle '{card.name}' has no network", "its card lists no .keras file", reinstall)
    for name in sorted(card.files):
        yield from _file_problems(directory / name, card, weights=weights)
    for found in sorted(directory.iterdir()):
        if found.name != CARD and found.name not in card.files:
            yield BundleError(
                f"the bundle '{card.name}' contains '{found.name}'",
                "that is not on its card, so nobody vouches for it",
                f"remove it from {directory}, or {reinstall}",
            )


def _file_problems(file: Path, card: Card, *, weights: bool) -> Iterator[InsdlError]:
    reinstall = _remedy(file.parent, card.name)
    origin = _origin(file, card.name)
    try:
        with open_regular(file, origin, follow=False) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != card.files[file.name]:
            yield BundleError(
                f"'{file.name}' of the bundle '{card.name}' is damaged or was altered",
                "it does not have the SHA-256 on its card",
                reinstall,
            )
        elif file.suffix == ".keras":
            yield from network_problems(file, origin, weights=weights)
        elif file.suffix == ".npz":
            read_npz(file, origin, _LARGEST_ARRAYS, follow=False)
    except FileNotFoundError:
        yield BundleError(f"the bundle '{card.name}' lacks '{file.name}'", "its card lists it", reinstall)
    except OSError as error:
        yield origin.refused(error.strerror or str(error))
    except InsdlError as error:
        yield error


def _origin(file: Path, bundle: str) -> Origin:
    return Origin(f"'{file.name}' of the bundle '{bundle}'", BundleError, _remedy(file.parent, bundle))


# ---- small things


def _is_shipped(directory: Path) -> bool:
    homes = (_PACKAGE / "trained_models", _PACKAGE.parent / "trained_models")
    return directory.resolve().parent in {home.resolve() for home in homes}


def _remedy(directory: Path, recipe: str = "RECIPE") -> str:
    source = "reinstall mantid_insdl" if _is_shipped(directory) else "copy the bundle again from where it came"
    return f"{source}, or train it again with `insdl train {recipe}`"


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
