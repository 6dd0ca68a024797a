"""What to measure next: candidates ranked by what they are expected to add, per hour,
to the map that has been measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.errors import InsdlError, InstabilityError, MaterialError, UnsuitableMapError
from mantid_insdl.fitting.calculation import Measurement
from mantid_insdl.fitting.candidates import Candidate, as_candidates
from mantid_insdl.fitting.expected import Gain, Known, Setting, coverage_of, separation, shrinkage
from mantid_insdl.fitting.refine import fit
from mantid_insdl.fitting.results import Fit
from mantid_insdl.instrument.chopper_width import best_frequency
from mantid_insdl.instrument.flux import sample_flux
from mantid_insdl.maps import Map, Slices, stack
from mantid_insdl.materials import Material, load_material, material_names
from mantid_insdl.progress import Progress, ignore_progress, share_of

FITTING = 0.6
"""Part of the progress that fits take."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """A candidate and what it is expected to add.

    Parameters
    ----------
    candidate
        As it was given.
    setting
        Instrument, chopper and its frequency, in words; and the orientation, where the candidate gives one.
    slices
        Its energy windows.
    hours
        Counting time, in `Plan.time_unit`.
    flux
        At the sample, in neutrons / (cm^2 s): an estimate.
    gains
        By the case they are for: ``A is true, not B``, or the material whose constants are measured.
    worth
        The smallest of the gains, per `Plan.time_unit`: by it candidates are ranked.
    measured
        Some of its slices have been measured already.
    """

    candidate: Candidate
    setting: str
    slices: Slices
    hours: float
    flux: float
    gains: dict[str, Gain]
    worth: float
    measured: bool

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "candidate": self.candidate.model_dump(exclude_none=True),
            "setting": self.setting,
            "windows": [
                [float(low), float(high)]
                for low, high in zip(self.slices.energy_min, self.slices.energy_max, strict=True)
            ],
            "hours": self.hours,
            "flux": self.flux,
            "worth": self.worth,
            "measured": self.measured,
            "gains": {case: vars(gain) for case, gain in self.gains.items()},
        }


@dataclass(frozen=True, eq=False)
class Plan:
    """Candidates, best first.

    Parameters
    ----------
    goal
        ``separate`` models or measure ``constants``.
    materials, constants
        The models, or the one material and its constants.
    ranked
        Best first.
    fits
        Of what was measured, one for each material.
    time_unit
        ``hours``, or ``map times`` where it is not known how long the map took: the time of
        one of its incident energies.
    measured_ei
        Incident energies of the map, meV.
    remarks
        What to keep in mind, in sentences: of the map, the fits and the plan.
    """

    goal: str
    materials: tuple[str, ...]
    constants: tuple[str, ...]
    ranked: tuple[Ranked, ...]
    fits: tuple[Fit, ...]
    time_unit: str
    measured_ei: tuple[float, ...]
    remarks: tuple[str, ...]

    @property
    def best(self) -> Ranked:
        return self.ranked[0]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "goal": self.goal,
            "materials": list(self.materials),
            "constants": list(self.constants),
            "time_unit": self.time_unit,
            "measured_ei": list(self.measured_ei),
            "candidates": [one.to_dict() for one in self.ranked],
            "fits": [one.to_dict() for one in self.fits],
            "remarks": list(self.remarks),
        }


def plan(
    maps: Map | Sequence[Map],
    materials: str | Path | Material | Sequence[str | Path | Material] | None = None,
    *,
    fits: Sequence[Fit] | None = None,
    candidates: str | Path | Sequence[Candidate | dict[str, Any]] | None = None,
    constants: Sequence[str] | None = None,
    hours: float | Sequence[float] | None = None,
    measurement: Measurement | None = None,
    progress: Progress | None = None,
) -> Plan:
    """What to measure next, to tell models apart or to shrink the error bars of a model's constants.

    Each material is fitted to the map. With two or more, a candidate is worth the log-likelihood by which the true one
    is expected to gain on another that is refitted to all of it, where the pair and the truth are those for which that
    is least. With one, it is worth the mean logarithm of the factor by which the error bars shrink. Both per hour.

    Parameters
    ----------
    maps
        Constant-energy slices with their incident energies, as measured; several on the same axes are taken together.
    materials
        Names, files or `Material`; by default all of the map's family that are stable.
    fits
        Of the materials to this map, in their order, where there are some already.
    candidates
        A YAML file, or `Candidate` or their parameters; by default a grid of incident energies on the map's instrument.
    constants
        Whose error bars are to shrink; by default all free ones. Only with one material.
    hours
        How long the map was measured at each incident energy (rising), or at all of them alike. Where it is not given,
        the unit is the time of one of them: the nearest, or between those of the two nearest.
    measurement
        Instrument, temperature and beam of the map.
    progress
        Called with fraction and text; may raise to stop.

    Raises
    ------
    UnsuitableMapError
        For a map that has no slices or no incident energies, or no signal.
    MapError
        For energy windows that are wrong or above the incident energy.
    MaterialError
        For unknown materials or constants.
    InsdlError
        If there are no candidates, or an instrument is unknown or cannot do what a candidate asks.
    """
    m = _one_map(maps)
    measurement, progress = measurement or Measurement(), progress or ignore_progress
    chosen = as_candidates(candidates, m, measurement)
    measured_ei = m.slices.unique_ei
    times = _times(hours, measured_ei, chosen)
    for ei in measured_ei:
        measurement.spectrometer.check(float(ei))
    nothing_known = np.ones(measured_ei.size)
    for one in chosen:  # what is wrong is told before any fit
        Setting(one, m, measurement, times, nothing_known)
    named = _materials(m, materials)
    if constants and len(named) > 1:
        raise MaterialError(
            "constants are those of one material", f"there are {len(named)}", "name one, or leave out the constants"
        )
    known, remarks = _known(m, named, fits, measurement, times, progress, strict=materials is not None)
    names = _constants(constants, known)
    coverage = coverage_of(known[0], measurement)
    ranked = []
    for number, one in enumerate(chosen):
        progress(
            FITTING + (1 - FITTING) * number / len(chosen),
            f"Candidate {number + 1} of {len(chosen)}: Ei = {one.ei:g} meV",
        )
        setting = Setting(one, m, measurement, times, coverage)
        try:
            ranked.append(_rank(setting, known, names))
        except (InstabilityError, UnsuitableMapError) as error:
            remarks.append(f"Ei = {one.ei:g} meV is left out. {error}")
    if not ranked:
        raise InsdlError("none of the candidates can be judged", " ".join(remarks[-len(chosen) :]), "give others")
    ranked.sort(key=lambda one: -one.worth)
    progress(1.0, "Candidates are ranked")
    remarks += _remarks(known, ranked[0], hours)
    return Plan(
        goal="separate" if len(known) > 1 else "constants",
        materials=tuple(one.material.name for one in known),
        constants=tuple(names),
        ranked=tuple(ranked),
        fits=tuple(one.found for one in known),
        time_unit="map times" if hours is None else "hours",
        measured_ei=tuple(float(ei) for ei in measured_ei),
        remarks=tuple(dict.fromkeys([*(said for one in known for said in one.found.warnings), *remarks])),
    )


def _one_map(maps: Map | Sequence[Map]) -> Map:
    for one in [maps] if isinstance(maps, Map) else maps:
        if one.slices is None:
            raise UnsuitableMapError(
                "nothing can be planned from this map",
                f"it is a {one.kind} map",
                "give constant-energy slices with their incident energies",
            )
        if not np.all(np.isfinite(one.slices.ei)):
            raise UnsuitableMapError(
                "nothing can be planned from this map",
                "the incident energy of some slices is not known",
                "give it when you load the map",
            )
    return maps if isinstance(maps, Map) else stack(maps)


def _times(
    hours: float | Sequence[float] | None, measured_ei: np.ndarray, candidates: Sequence[Candidate]
) -> list[float]:
    if hours is None:
        if any(one.hours is not None for one in candidates):
            raise InsdlError(
                "a candidate gives its hours, the map does not",
                "counting times can only be compared",
                "give the map's hours too",
            )
        return [1.0] * measured_ei.size
    times = [float(hours)] * measured_ei.size if np.ndim(hours) == 0 else [float(x) for x in hours]
    if len(times) != measured_ei.size or not all(np.isfinite(x) and x > 0 for x in times):
        raise InsdlError(
            f"the hours of the map are {', '.join(f'{x:g}' for x in times)}",
            f"it has {measured_ei.size} incident energies, each measured for some hours",
            "give one number, or one for each",
        )
    return times


def _materials(m: Map, given: Any) -> list[Material]:
    """Those given; else the map's family."""
    if given is None:
        shipped = [load_material(name) for name in material_names()]
        families = {one.family for one in shipped if m.material in (one.name, one.family)}
        given = [one for one in shipped if one.family in families]
        if not given:
            raise MaterialError(
                "it is not known what was measured",
                f"the map's material is {m.material or 'not given'}",
                "name materials",
            )
    found = [load_material(one) for one in ([given] if isinstance(given, str | Path | Material) else given)]
    names = [one.name for one in found]
    if not names or len(set(names)) < len(names):
        raise MaterialError(
            "the materials are not different ones", f"given are {', '.join(names) or 'none'}", "name each once"
        )
    return found


def _known(
    m: Map,
    materials: Sequence[Material],
    fits: Sequence[Fit] | None,
    measurement: Measurement,
    times: Sequence[float],
    progress: Progress,
    *,
    strict: bool,
) -> tuple[list[Known], list[str]]:
    """Each material with its fit; remarks on those left out, which are unstable, unless `strict`."""
    names = [one.name for one in materials]
    if fits is not None and [one.material for one in fits] != names:
        raise MaterialError(
            "the fits are not those of the materials",
            f"these are {', '.join(names)}",
            "give one for each, in their order",
        )
    known, remarks = [], []
    for number, material in enumerate(materials):
        part = share_of(progress, FITTING * number / len(names), FITTING * (number + 1) / len(names))
        try:
            found = fit(m, material, measurement=measurement, progress=part) if fits is None else fits[number]
            known.append(Known.of(found, material, measurement, times))
        except InstabilityError as error:
            if strict or len(names) == 1:
                raise
            remarks.append(f"{material.name} is left out. {error}")
    if not known:
        raise InstabilityError("none of the materials is stable", " ".join(remarks), "name others")
    return known, remarks


def _constants(constants: Sequence[str] | None, known: Sequence[Known]) -> list[str]:
    if len(known) > 1:
        return []
    free = known[0].information.names
    for name in constants or ():
        if name not in free:
            raise MaterialError(
                f"{known[0].material.name} has no free constant '{name}'", f"it has {', '.join(free)}", "use these"
            )
    return list(constants or free)


def _rank(setting: Setting, known: Sequence[Known], constants: Sequence[str]) -> Ranked:
    if len(known) == 1:
        gains = {known[0].material.name: shrinkage(known[0], setting, constants)}
    else:
        gains = {
            f"{truth.material.name} is true, not {other.material.name}": separation(truth, other, setting)
            for truth, other in permutations(known, 2)
        }
    return Ranked(
        candidate=setting.candidate,
        setting=_in_words(setting),
        slices=setting.map.slices,
        hours=setting.hours,
        flux=sample_flux(setting.instrument, setting.candidate.ei),
        gains=gains,
        worth=min(gain.amount for gain in gains.values()) / setting.hours,
        measured=bool(np.any(setting.repeated >= 0)),
    )


def _in_words(setting: Setting) -> str:
    instrument, beam = setting.instrument, setting.candidate.beam
    rate, fermi = instrument.frequency, instrument.specification.fermi
    if rate is None and fermi is not None and instrument.chopper in [package.name for package in fermi.packages]:
        rate = best_frequency(fermi, fermi.package(instrument.chopper), setting.candidate.ei)
    words = [f"{instrument.name} {instrument.chopper}", f" {rate:g} Hz" if rate else ""]
    return "".join(words) + ("" if beam is None else f", beam along {', '.join(f'{x:g}' for x in beam)}")


def _remarks(known: Sequence[Known], best: Ranked, hours: Any) -> list[str]:
    wrong = max(one.likelihood.model_error for one in known)
    pays = min(gain.pays for gain in best.gains.values())
    said = [
        f"The calculation errs by {wrong:.0%} of its intensity on the measured map, and is expected to on others; "
        f"longer counting does not lower that. At the first candidate {1 - pays:.0%} of the variance that matters "
        "is of this kind."
    ]
    if hours is None:
        said.append(
            "How long the map took is not given: the unit is the time of one of its incident energies, "
            "of the nearest or between two."
        )
    if any(not np.all(one.counting.slope > 0) for one in known):
        said.append(
            "The map's errors do not grow with its intensity, as those of counts do: "
            "of background and signal only the former counts."
        )
    if len(known) > 1:
        said.append(
            "A model that is in none of the fits may be the true one: "
            "a candidate that tells these apart need not show that."
        )
    return said
