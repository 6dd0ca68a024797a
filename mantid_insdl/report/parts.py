"""What the reports of an analysis and of a fit share: the files that were read, what was measured, which software computed."""

from __future__ import annotations

import hashlib
import math
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from mantid_insdl._version import __version__
from mantid_insdl.errors import FileFormatError

if TYPE_CHECKING:
    from mantid_insdl.fitting.results import Evidence
    from mantid_insdl.maps import Map


class Part(BaseModel):
    """Of a report."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")


class InputFile(Part):
    """A file that was read."""

    path: str = Field(description="as it was given")
    bytes: int
    sha256: str


class MapSummary(Part):
    """What was measured."""

    kind: Literal["slices", "powder", "cut"]
    shape: tuple[int, ...]
    material: str | None
    incident_energies: tuple[float, ...] = Field(description="meV")
    intensity_unit: str
    frame: str = Field(description="which cell r.l.u. refer to")
    has_errors: bool
    masked_fraction: float
    provenance: tuple[str, ...]


class EiShare(Part):
    """How much of the structure at one incident energy is unexplained."""

    incident_energy: float | None = Field(description="meV; null where unknown")
    unexplained: float
    uncertainty: float


class EvidenceReport(Part):
    """How well the simulation at the fitted values explains the map, beyond what is smooth in momentum."""

    explained: bool = Field(description="the figure is not above the limit; if false, there is neither a verdict nor a constant")
    figure: float = Field(description="the unexplained share with two standard errors added, or a single Ei's with two taken off")
    limit: float = Field(description="from the exchange model's card, where the false-alarm rates are; of a fit 0.3")
    unexplained: float = Field(description="share of the map's structure that is left in the residual: 0 none, 1 all")
    uncertainty: float = Field(description="one standard error")
    by_incident_energy: tuple[EiShare, ...]
    parameters: dict[str, float] = Field(description="meV, what was simulated")


class ResultFile(Part):
    """A file beside this report."""

    name: str
    content: str


def evidence_report(evidence: Evidence) -> EvidenceReport:
    """Evidence as it stands in reports."""
    energies = [None if math.isnan(ei) else ei for ei in evidence.incident_energies]
    each = zip(energies, evidence.unexplained_by_ei, evidence.uncertainty_by_ei, strict=True)
    return EvidenceReport(
        explained=evidence.explained,
        figure=evidence.figure,
        limit=evidence.limit,
        unexplained=evidence.unexplained,
        uncertainty=evidence.uncertainty,
        by_incident_energy=tuple(EiShare(incident_energy=ei, unexplained=u, uncertainty=s) for ei, u, s in each),
        parameters=evidence.parameters,
    )


def is_simulated(m: Map) -> bool:
    """Whether the provenance of a map says that it was simulated by this package; files keep it."""
    return any(line.startswith("simulated by mantid_insdl ") for line in m.provenance)


def summary_of(m: Map) -> MapSummary:
    """A map in short."""
    energies = m.slices.unique_ei.tolist() if m.slices is not None else [m.ei] if m.ei else []
    return MapSummary(
        kind=m.kind,
        shape=m.shape,
        material=m.material,
        incident_energies=tuple(energies),
        intensity_unit=m.intensity_unit,
        frame=m.frame,
        has_errors=m.error is not None,
        masked_fraction=round(m.masked_fraction, 4),
        provenance=m.provenance,
    )


def input_file(path: Path) -> InputFile:
    """A file that was read, with its hash."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
            return InputFile(path=str(path), bytes=file.tell(), sha256=digest.hexdigest())
    except OSError as error:
        raise FileFormatError(f"cannot read '{path}' again", str(error.strerror)) from error


def software() -> dict[str, str]:
    """Versions of what computed the results."""
    versions = {"mantid_insdl": __version__, "python": platform.python_version()}
    for package in ("numpy", "scipy", "keras", "tensorflow-cpu", "tensorflow"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
