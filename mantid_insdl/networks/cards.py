"""The card of a model bundle: what the model answers, how it was trained and tested, and what it is made of."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

FORMAT: Literal[1] = 1

Task = Literal["denoise", "classify", "exchange"]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]
Text = Annotated[str, StringConstraints(min_length=1)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Interval = tuple[float, float]

_CODE_FREE_FILE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]*\.(keras|npz|json|md|txt|yaml)$")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CardAxis(_Part):
    """A training axis by its bin centres."""

    name: Text
    unit: Text
    centres: tuple[float, ...] = Field(min_length=1)


class CardSlices(_Part):
    """The constant-energy slices of the training maps, meV."""

    ei: tuple[float, ...]
    energy_min: tuple[float, ...]
    energy_max: tuple[float, ...]

    @model_validator(mode="after")
    def _same_length(self) -> CardSlices:
        if not len(self.ei) == len(self.energy_min) == len(self.energy_max) > 0:
            raise ValueError("ei, energy_min and energy_max must have the same number of slices, at least one")
        return self


class CardInput(_Part):
    """What the model expects."""

    axes: tuple[CardAxis, ...] = Field(min_length=1)
    slices: CardSlices | None = Field(description="the same for every map; none where the model takes any")
    groups: int = Field(1, ge=1, description="incident energies of a map that a model for any slices has room for")
    bins: int = Field(10, ge=1, description="energy bins of each of them")
    ei_tolerance: float = Field(ge=0, description="relative difference up to which incident energies count as the same")
    intensity: Text
    preprocessing: Text


class CardOutput(_Part):
    """One number that the model gives, with the range it was trained for."""

    name: Text
    unit: str
    low: float | None = None
    high: float | None = None


class CardSamples(_Part):
    train: int = Field(ge=0)
    validation: int = Field(ge=0)
    calibration: int = Field(ge=0)
    test: int = Field(ge=0)


class CardTraining(_Part):
    """How the model was made: enough to make it again."""

    recipe: Text
    seed: int
    package_version: Text
    data_sha256: Sha256
    ranges: dict[str, dict[str, Interval]]
    samples: CardSamples
    seconds: float = Field(ge=0)
    date: Text


class CardTest(_Part):
    """One test figure with its uncertainty, sample size, and the figure of a simple method on the same maps."""

    metric: Text
    value: float
    interval: Interval | None = None
    n: int = Field(ge=1)
    baseline: float | None = None
    baseline_interval: Interval | None = None
    command: str = ""
    conditions: str = ""


class Card(_Part):
    """The content of `card.json`.

    `files` and `sha256` are filled by `networks.bundle_writing.save_bundle`. `sha256` is the hash of the card without
    this entry; since the card holds the hash of every file, it identifies the whole bundle.
    """

    format: Literal[1] = FORMAT
    name: Name
    version: Text
    task: Task
    family: Text
    answers: Text
    materials: tuple[str, ...]
    input: CardInput
    outputs: tuple[CardOutput, ...]
    training: CardTraining
    calibration: dict[str, float | tuple[float, ...]] = {}
    test: tuple[CardTest, ...] = ()
    limitations: tuple[str, ...] = ()
    licence: Text
    keras: str = Field("", description="the Keras version that wrote the weights")
    files: dict[str, Sha256] = {}
    sha256: str = ""

    @model_validator(mode="after")
    def _plain_files(self) -> Card:
        for name in self.files:
            if not _CODE_FREE_FILE.match(name) or name == "card.json":
                kinds = ".keras, .npz, .json, .md, .txt, .yaml"
                raise ValueError(f"files: '{name}' is not a plain file name of an allowed kind ({kinds})")
        return self

    def to_json(self) -> str:
        """The text of `card.json`, sealed with its hash."""
        content = json.loads(self.model_dump_json())
        content["sha256"] = content_hash(content)
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def content_hash(content: Mapping[str, Any]) -> str:
    """SHA-256 of a card's content without its own entry `sha256`, independent of the order and layout of the file."""
    rest = {name: value for name, value in content.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
