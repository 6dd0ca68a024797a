"""Measurements that could be made next: a grid of incident energies, or a list from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mantid_insdl.errors import FileFormatError, InsdlError, MapError
from mantid_insdl.fitting.calculation import Measurement
from mantid_insdl.instrument.resolution import ChopperSpectrometer, load_instrument
from mantid_insdl.maps import Map, Slices
from mantid_insdl.untrusted.reading import Origin, read_text
from mantid_insdl.untrusted.text import LONGEST_YAML, yaml_of

STEPS = (1, 1.2, 1.4, 1.7, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8.5)
"""Incident energies of the grid, times powers of ten."""
BEYOND = 2.5
"""Factor by which the grid reaches beyond the incident energies of the map."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Candidate(BaseModel):
    """A measurement that could be made: constant-energy slices at one incident energy, on the momentum axes of the map.

    Parameters
    ----------
    ei
        Incident energy in meV.
    instrument, chopper, frequency
        As `mantid_insdl.instrument.resolution.load_instrument` takes them; without an instrument the
        map's own, as it was set for it.
    energy
        Edges of the energy windows in meV, rising; by default the windows of the map's nearest incident
        energy, in proportion to it.
    hours
        Counting time; by default that of the map at one incident energy.
    beam : (h, k, l)
        Momentum along the incident beam: the orientation; by default the map's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ei: Positive
    instrument: str | None = None
    chopper: str | None = None
    frequency: Positive | None = None
    energy: Annotated[tuple[float, ...], Field(min_length=2)] | None = None
    hours: Positive | None = None
    beam: tuple[float, float, float] | None = None

    def spectrometer(self, measurement: Measurement) -> ChopperSpectrometer:
        """The instrument, which can be used at the incident energy.

        Raises
        ------
        InsdlError
            If there is no such instrument, chopper or frequency, or it cannot.
        """
        if self.instrument is None and self.chopper is None and self.frequency is None:
            found = measurement.spectrometer
        else:
            found = load_instrument(
                self.instrument or measurement.spectrometer.name, chopper=self.chopper, frequency=self.frequency
            )
        found.check(self.ei)
        return found

    def slices(self, measured: Slices) -> Slices:
        """The energy windows.

        Raises
        ------
        MapError
            If the edges do not rise, or end above the incident energy.
        """
        if self.energy is None:
            nearest = measured.unique_ei[np.argmin(np.abs(np.log(measured.unique_ei / self.ei)))]
            like = measured[measured.ei == nearest]
            factor = self.ei / nearest
            return Slices(np.full(like.size, self.ei), like.energy_min * factor, like.energy_max * factor)
        if not np.all(np.isfinite(self.energy)) or np.any(np.diff(self.energy) <= 0):
            raise MapError(
                f"the energy windows of the candidate at Ei = {self.ei:g} meV are wrong",
                "their edges do not rise",
                "sort them",
            )
        slices = Slices.from_bins([self.ei], [self.energy])
        if (beyond := slices.beyond_ei()) is not None:
            raise MapError(*beyond)
        return slices


def usual_candidates(m: Map, measurement: Measurement) -> list[Candidate]:
    """A grid of incident energies about those of a map, on its instrument:
    with them, and as far as the instrument goes.
    """
    low, high = measurement.spectrometer.ei_range
    measured = m.slices.unique_ei
    low, high = max(low, measured.min() / BEYOND), min(high, measured.max() * BEYOND)
    powers = range(int(np.floor(np.log10(max(low, 1e-2)))), int(np.floor(np.log10(high))) + 1)
    grid = [step * 10.0**power for power in powers for step in STEPS]
    grid = [ei for ei in grid if np.all(np.abs(ei - measured) > 1e-6 * ei)] + [float(ei) for ei in measured]
    return [Candidate(ei=ei) for ei in sorted(grid) if low <= ei <= high]


def read_candidates(path: str | Path) -> list[Candidate]:
    """A list of candidates from a YAML file: ``candidates:`` with the parameters of `Candidate` for each.

    Raises
    ------
    FileFormatError
        If it cannot be read or says something wrong; the message names each wrong entry.
    """
    path = Path(path)
    origin = Origin(f"the list of candidates '{path.name}'", FileFormatError, "see docs/plan.md")
    try:
        data = yaml_of(read_text(path, origin, LONGEST_YAML), origin)
    except FileNotFoundError as error:
        raise origin.refused("there is no such file", "check the path") from error
    try:
        return _CandidateFile.model_validate(data).candidates
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in error.errors())
        raise FileFormatError(f"the list of candidates '{path.name}' is wrong", wrong, "see docs/plan.md") from error


def as_candidates(
    given: str | Path | Sequence[Candidate | dict[str, Any]] | None, m: Map, measurement: Measurement
) -> list[Candidate]:
    """Candidates from a file, a list or by default the grid.

    Raises
    ------
    InsdlError
        If there are none, or one of a list is wrong.
    """
    if given is None:
        found = usual_candidates(m, measurement)
        what = "no incident energy of the grid is one that the instrument has", "give a list of candidates"
    elif isinstance(given, str | Path):
        found, what = read_candidates(given), ("the list is empty", "write some into it")
    else:
        try:
            found = [Candidate.model_validate(one) for one in given]
        except ValidationError as error:
            first = error.errors()[0]
            raise InsdlError(
                "a candidate is wrong", f"{'.'.join(map(str, first['loc']))}: {first['msg']}", "see Candidate"
            ) from error
        what = "the list is empty", "give some"
    if not found:
        raise InsdlError("there are no candidates to choose from", *what)
    return found


class _CandidateFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    candidates: list[Candidate]
