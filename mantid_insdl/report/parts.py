"""What the reports of an analysis and of a fit share: the files that were read, what was measured, which software computed."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from mantid_insdl._version import __version__
from mantid_insdl.errors import FileFormatError

if TYPE_CHECKING:
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


class ResultFile(Part):
    """A file beside this report."""

    name: str
    content: str


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
