"""What an instrument file says: the schema of the YAML files next to this module.

Lengths are in metres, times in microseconds where the name says so, frequencies in Hz,
energies in meV, angles in degrees.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mantid_insdl.errors import InsdlError
from mantid_insdl.untrusted.reading import Origin, read_text
from mantid_insdl.untrusted.text import LONGEST_YAML, yaml_of

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Range = tuple[NotNegative, Positive]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FlightPath(_Strict):
    """Distances along the beam, and the aperture through which the chopper sees the moderator."""

    moderator_to_chopper: Positive
    chopper_to_sample: Positive
    sample_to_detector: Positive
    aperture_to_chopper: NotNegative = 0.0
    aperture_width: NotNegative = 0.0
    moderator_angle: Annotated[float, Field(ge=0, lt=90)] = 0.0
    """Between the beam and the normal of the moderator's face."""


class AnalyticPulse(_Strict):
    """Pulse where none was measured: sigma = (constant + slope sqrt(Ei)) mm / 1.96 / velocity.

    With `broadened_below` the constant doubles towards low energies, over a smooth step of FWHM
    `broadened_over` (both meV).
    """

    constant: Positive
    slope: NotNegative
    broadened_below: Positive | None = None
    broadened_over: Positive | None = None

    @model_validator(mode="after")
    def _both(self) -> AnalyticPulse:
        if (self.broadened_below is None) != (self.broadened_over is None):
            raise ValueError("broadened_below and broadened_over belong together")
        return self


class Moderator(_Strict):
    """Measured FWHM of the pulse against wavelength (angstrom)."""

    wavelength: tuple[Positive, ...] = Field(min_length=2)
    fwhm_microseconds: tuple[Positive, ...] = Field(min_length=2)
    analytic_pulse: AnalyticPulse | None = None

    @model_validator(mode="after")
    def _pairs(self) -> Moderator:
        if len(self.wavelength) != len(self.fwhm_microseconds) or len(set(self.wavelength)) != len(self.wavelength):
            raise ValueError("each measured pulse width needs one wavelength of its own")
        return self


class Flux(_Strict):
    """Flux at the sample against wavelength (angstrom): without choppers, in neutrons / (cm^2 s angstrom).

    With `slot` (m) and `frequency` (Hz) it is in neutrons / (cm^2 s) behind disks at that setting.
    """

    wavelength: tuple[Positive, ...] = Field(min_length=2)
    values: tuple[Positive, ...] = Field(min_length=2)
    slot: Positive | None = None
    frequency: Positive | None = None
    source: str

    @model_validator(mode="after")
    def _rising(self) -> Flux:
        if len(self.wavelength) != len(self.values) or np.any(np.diff(self.wavelength) <= 0):
            raise ValueError("each flux needs one wavelength of its own, and these rise")
        return self


class Sample(_Strict):
    """The sample that the published widths assume."""

    shape: Literal["plate", "annulus"]
    width: Positive

    @property
    def variance(self) -> float:
        """Of a position in it across the beam, in m^2."""
        return self.width**2 / (12 if self.shape == "plate" else 8)


class Frequencies(_Strict):
    """Frequencies at which a chopper runs: `low` to `high` in steps of `step`."""

    low: Positive
    high: Positive
    step: Positive

    @property
    def allowed(self) -> tuple[float, ...]:
        return tuple(np.arange(self.low, self.high + 0.5 * self.step, self.step).tolist())

    def describe(self) -> str:
        return f"{self.low:g} to {self.high:g} Hz in steps of {self.step:g}"


class FermiPackage(_Strict):
    """One slit package of a Fermi chopper: widths of a slit and of a slat between two, radius of the package,
    radius of curvature.
    """

    name: str
    slit: Positive
    slat: Positive
    radius: Positive
    curvature: Positive
    ei_range: Range | None = None


class FermiChopper(_Strict):
    """The Fermi chopper and its packages."""

    frequencies: Frequencies
    packages: tuple[FermiPackage, ...] = Field(min_length=1)

    def package(self, name: str) -> FermiPackage:
        return next(p for p in self.packages if p.name == name)


class DiskSlot(_Strict):
    """A slot of the last disks, and how fast the first disks turn when it is used, relative to the last."""

    name: str
    width: Positive
    first_rate: Positive


class Disks(_Strict):
    """Two pairs of counter-rotating disks that make the pulse and choose the energy."""

    frequencies: Frequencies
    default_frequency: Positive
    radius: Positive
    first_distance: Positive
    first_slot: Positive
    first_guide: Positive
    last_guide: Positive
    slots: tuple[DiskSlot, ...] = Field(min_length=1)

    def slot(self, name: str) -> DiskSlot:
        return next(s for s in self.slots if s.name == name)

    def opening(self, slot: float, guide: float, frequency: float) -> float:
        """FWHM in s of the opening of a counter-rotating pair:
        half the time from the first to the last ray through the guide.
        """
        return 0.5 * (slot + guide) / (2 * 2 * np.pi * self.radius * frequency)


class FittedWidth(_Strict):
    """A width fitted to published ones, FWHM = Ei (floor + slope (1 - E / Ei)^1.5),
    for which no chopper setting is known.
    """

    name: str
    floor: Positive
    slope: Positive
    source: str


class Spectrometer(_Strict):
    """One instrument file."""

    name: str
    description: str
    sources: tuple[str, ...] = Field(min_length=1)
    ei_range: Range
    default_chopper: str
    flight_path: FlightPath
    moderator: Moderator
    flux: Flux
    sample: Sample | None = None
    detector_diameter: NotNegative = 0.0
    fermi: FermiChopper | None = None
    disks: Disks | None = None
    fitted: tuple[FittedWidth, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Spectrometer:
        if (self.fermi is None) == (self.disks is None):
            raise ValueError("give either fermi or disks")
        if self.fermi is not None and (self.sample is None or not self.flight_path.aperture_to_chopper):
            raise ValueError("a Fermi chopper needs the sample and aperture_to_chopper")
        with_setting = self.flux.slot is not None, self.flux.frequency is not None
        if with_setting != (self.disks is not None,) * 2:
            raise ValueError("the flux behind disks, and only that, has a slot and a frequency")
        if len(set(self.choppers)) != len(self.choppers):
            raise ValueError("two choppers have the same name")
        if self.default_chopper not in self.choppers:
            raise ValueError(f"default_chopper '{self.default_chopper}' is none of {', '.join(self.choppers)}")
        if self.ei_range[0] >= self.ei_range[1]:
            raise ValueError("ei_range does not rise")
        return self

    @cached_property
    def choppers(self) -> tuple[str, ...]:
        """Names of all settings."""
        machine = self.fermi.packages if self.fermi is not None else self.disks.slots if self.disks is not None else ()
        return tuple(x.name for x in (*self.fitted, *machine))

    @property
    def frequencies(self) -> Frequencies:
        machine = self.fermi or self.disks
        assert machine is not None  # one is given: `_complete`
        return machine.frequencies


def read_spectrometer(path: str | Path) -> Spectrometer:
    """Read and check an instrument file.

    Raises
    ------
    InsdlError
        If it is missing or not YAML, or says something wrong; the message names each wrong entry.
    """
    path = Path(path)
    origin = Origin(f"the instrument file '{path.name}'", InsdlError)
    try:
        data = yaml_of(read_text(path, origin, LONGEST_YAML), origin)
    except FileNotFoundError as error:
        raise origin.refused("there is no such file", "check the path") from error
    try:
        return Spectrometer.model_validate(data)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in error.errors())
        raise InsdlError(
            f"the instrument file '{path.name}' is wrong", wrong, "compare it with the files of the package"
        ) from error
