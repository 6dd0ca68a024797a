"""What the analyses answer, as plain records that can be written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mantid_insdl.networks.bundles import BundleIdentity

UNDECIDED = "undecided"


@dataclass(frozen=True)
class Classification:
    """Which magnetic model a map shows.

    Parameters
    ----------
    models, probabilities, uncertainties
        Each model's calibrated probability and its standard deviation between the networks of the ensemble.
    verdict
        The model's name, or ``undecided`` where no probability is high enough or the map is out of range.
    in_range
        False where the map is unlike all the training maps: the probabilities then mean nothing.
    warnings
        What limits the answer, in sentences.
    bundle
        Name, version and SHA-256 of the model bundle.
    """

    models: tuple[str, ...]
    probabilities: tuple[float, ...]
    uncertainties: tuple[float, ...]
    verdict: str
    in_range: bool
    warnings: tuple[str, ...]
    bundle: BundleIdentity

    @property
    def most_probable(self) -> str:
        """The model with the highest probability, decided or not."""
        return self.models[max(range(len(self.models)), key=self.probabilities.__getitem__)]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form; `from_dict` is the inverse."""
        return _to_dict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Classification:
        return _from_dict(cls, content)


@dataclass(frozen=True)
class ExchangeFit:
    """Exchange constants of one material from a map.

    Parameters
    ----------
    names, values, errors, units
        One entry a parameter. The error is one standard deviation of the network's posterior, calibrated on simulated measurements: where
        the map does not fix a parameter it is as large as the spread of the training values.
    in_range
        False where the map is unlike all training maps, or a value lies at the edge of what was trained.
    """

    material: str
    names: tuple[str, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...]
    units: tuple[str, ...]
    in_range: bool
    warnings: tuple[str, ...]
    bundle: BundleIdentity

    @property
    def parameters(self) -> dict[str, float]:
        """Values by name, as `mantid_insdl.simulate` takes them."""
        return dict(zip(self.names, self.values, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form; `from_dict` is the inverse."""
        return _to_dict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ExchangeFit:
        return _from_dict(cls, content)


def _to_dict(result: Any) -> dict[str, Any]:
    content = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(result).items()}
    return content | {"bundle": result.bundle._asdict()}


def _from_dict(cls: Any, content: Mapping[str, Any]) -> Any:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
    return cls(**(values | {"bundle": BundleIdentity(**content["bundle"])}))
