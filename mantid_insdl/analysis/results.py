"""What the analyses answer, as plain records that can be written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from mantid_insdl.fitting.results import Evidence, Fit
from mantid_insdl.maps import json_value
from mantid_insdl.networks.bundles import BundleIdentity


@dataclass(frozen=True)
class Classification:
    """Which magnetic model a map shows.

    Parameters
    ----------
    models, probabilities, uncertainties
        Each model's calibrated probability, that the map shows one of them given, and its standard deviation between the networks, each
        asked about the map as it is and with Qh and Qk exchanged.
    strangeness
        Share of the models' own test maps that are less strange than the map, 0 to 1.
    verdict
        The model's name; ``undecided`` where no probability is high enough, the map shows no more than noise, or (where constants were
        asked for as well) the most probable model's exchange constants are not given; ``none of these`` for a strange map.
    in_range
        False where the map is too strange or shows no more than noise, or no simulation of the most probable model explains it: the
        probabilities then mean nothing.
    evidence
        How well the most probable model explains the map, where that was asked for.
    warnings
        What limits the answer, in sentences.
    bundle
        Name, version and SHA-256 of the model bundle.
    """

    models: tuple[str, ...]
    probabilities: tuple[float, ...]
    uncertainties: tuple[float, ...]
    strangeness: float
    verdict: str
    in_range: bool
    warnings: tuple[str, ...]
    bundle: BundleIdentity
    evidence: Evidence | None = None

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
        One entry a parameter: the answer, of the fit where there is one, of the network otherwise. The error is one standard deviation; of
        the network's posterior, calibrated on simulated measurements, where the map does not fix a parameter, it is as large as the spread
        of the training values.
    in_range
        False where the map is unlike all training maps, where the simulation with these values does not explain it, or where a value lies
        at the edge of what was trained: the values are then no answer. After a fit: where that does not explain the
        map, or the material is not decided.
    evidence
        How well the simulation with these values explains the map.
    bundle
        Name, version and SHA-256 of the model bundle; None where no network was asked.
    network_values, network_errors
        What the network proposed; empty where nothing was refined.
    draws
        Parameter sets (draw, parameter) as probable as the network's posterior says; empty where no network was asked.
    fit
        The fit that started from it, with covariance, calculated map and what it says besides; None where nothing was refined.
    """

    material: str
    names: tuple[str, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...]
    units: tuple[str, ...]
    in_range: bool
    warnings: tuple[str, ...]
    bundle: BundleIdentity | None
    evidence: Evidence
    network_values: tuple[float, ...] = ()
    network_errors: tuple[float, ...] = ()
    draws: tuple[tuple[float, ...], ...] = ()
    fit: Fit | None = None

    @property
    def parameters(self) -> dict[str, float]:
        """Values by name, as `mantid_insdl.simulate` takes them."""
        return dict(zip(self.names, self.values, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form; `from_dict` is the inverse, but for the fit, whose maps it does not hold."""
        return _to_dict(replace(self, fit=None)) | {"fit": None if self.fit is None else self.fit.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ExchangeFit:
        return _from_dict(cls, {**content, "fit": None})


def _to_dict(result: Any) -> dict[str, Any]:
    content = asdict(result) | {"bundle": result.bundle and result.bundle._asdict()}
    return json_value(content)


def _from_dict(cls: Any, content: Mapping[str, Any]) -> Any:
    values = {name: _as_tuple(value) for name, value in content.items()}
    evidence, bundle = content["evidence"], content["bundle"]
    made = {"bundle": bundle and BundleIdentity(**bundle), "evidence": evidence and Evidence.from_dict(evidence)}
    return cls(**(values | made))


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(one) for one in value) if isinstance(value, list) else value
