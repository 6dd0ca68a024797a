"""What the panel asks of its model: an input map, five tasks, and a script of what was done.

Two models answer: `model_mantid.MantidModel` over the algorithms, and `model_library.LibraryModel` over the library where there is no
Mantid. Nothing here, nor in the presenter, knows Qt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from mantid_insdl.errors import MapError
from mantid_insdl.files.npz import MASKED
from mantid_insdl.maps import Map, Slices
from mantid_insdl.progress import Progress, ignore_progress

#: The steps of the panel, and the algorithm behind each.
ALGORITHMS = {
    "denoise": "DenoiseINS",
    "classify": "ClassifyMagneticModel",
    "exchange": "FitExchangeCNN",
    "explain": "ComputeGradCAM",
    "simulate": "SimulateSpinWaveMap",
}


class CancelledError(Exception):
    """The user has cancelled a task."""


class Control:
    """What a running task reports to, and what ends it.

    Attributes
    ----------
    on_cancel
        What `cancel` calls besides, to end work that cannot look at `check` itself.
    """

    def __init__(self, report: Progress = ignore_progress):
        self.report = report
        self.on_cancel: Callable[[], None] = lambda: None
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End the task; from any thread."""
        self._cancelled.set()
        self.on_cancel()

    def check(self) -> None:
        """Raise `CancelledError` where the task was cancelled."""
        if self._cancelled.is_set():
            raise CancelledError


@dataclass(frozen=True)
class Input:
    """A map as the panel understood it.

    Parameters
    ----------
    name
        Of the workspace, or of the file.
    map
        None where it cannot be used at all; `problem` then says why.
    problem
        A sentence.
    missing
        What the user must still say: ``Ei``, ``material``.
    """

    name: str
    map: Map | None = None
    problem: str = ""
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, m: Map) -> Input:
        """An input from its map; other maps than constant-energy slices cannot be analysed."""
        if m.slices is None:
            axes = ", ".join(axis.title for axis in m.axes)
            return cls(name, problem=f"It is a {m.kind} map ({axes}); the panel analyses constant-energy slices against Qh and Qk.")
        missing = ("Ei",) if np.isnan(m.slices.ei).any() else ()
        return cls(name, m, missing=(*missing, "material") if m.material is None else missing)

    def describe(self) -> list[tuple[str, str]]:
        """(what, value) lines: what was understood."""
        if self.map is None:
            return []
        m, slices = self.map, self.map.slices
        windows = f"{slices.size} from {slices.energy_min.min():.4g} to {slices.energy_max.max():.4g} meV"
        axes = [f"{a.label or a.name.capitalize()} {a.edges[0]:.3g} to {a.edges[-1]:.3g} {a.unit} in {a.size}" for a in m.axes]
        ei = ", ".join(f"{one:g}" for one in slices.unique_ei)
        masks = [f"with {line.removeprefix(MASKED)}" for line in m.provenance if line.startswith(MASKED)]
        return [
            ("Ei", f"{ei} meV" if ei and "Ei" not in self.missing else "not known"),
            ("Windows", windows),
            ("Axes", "; ".join(axes)),
            ("Masked", ", ".join([f"{m.masked_fraction:.0%}", *masks] + ([] if m.error is not None else ["no errors"]))),
        ]


@dataclass(frozen=True)
class Answer:
    """What a task gave.

    Parameters
    ----------
    maps
        By name: ``output``, ``residual``, ``fit``.
    columns, rows
        A table, if there is one.
    verdict
        Of a classification; empty elsewhere.
    in_range
        Whether the answer counts; None where the task does not tell.
    sentences
        The answer in words, and what limits it.
    figures
        Numbers by name: how much the score of what is explained falls.
    material
        Whose constants the table has.
    names
        The workspaces that hold it.
    only
        The one slice that was simulated, where it was only one of several.
    constant
        The exchange constant that is explained; empty where it is a model.
    """

    maps: Mapping[str, Map] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    verdict: str = ""
    in_range: bool | None = None
    sentences: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    material: str = ""
    names: tuple[str, ...] = ()
    only: int | None = None
    constant: str = ""


def alone(simulated: Answer, like: Map, index: int) -> Answer:
    """The simulation of one slice in its place among the slices of `like`, of which the others are not known yet."""
    found = simulated.maps["output"]
    intensity = np.full(like.shape, np.nan)
    intensity[index] = found.intensity[0]
    whole = found.replace(intensity=intensity, mask=np.isnan(intensity), error=None, slices=like.slices)
    return replace(simulated, maps={"output": whole}, only=index)


def with_ei(m: Map, ei: float) -> Map:
    """A map of slices with this incident energy in meV where it has none.

    Raises
    ------
    MapError
        If a slice would end above it.
    """
    known = Slices(np.where(np.isnan(m.slices.ei), ei, m.slices.ei), m.slices.energy_min, m.slices.energy_max)
    if beyond := known.beyond_ei():
        raise MapError(*beyond)
    return m.replace(slices=known)


@dataclass(frozen=True)
class Change:
    """What happened to the inputs while the panel is open: ``added``, ``replaced``, ``deleted``, ``renamed`` (to `new`), ``cleared``, or
    ``unknown`` where that cannot be told."""

    kind: str
    name: str = ""
    new: str = ""


class Model(Protocol):
    """What the presenter needs. Calls that are given a `Control`, and `read`, may be long and are made in a thread; others are quick."""

    title: str

    def inputs(self) -> list[str]:
        """Names of the maps that can be chosen."""

    def observe(self, changed: Callable[[Change], None]) -> None:
        """Call `changed`, in any thread, for each change of the inputs until `close`."""

    def load(self, paths: Sequence[str], control: Control) -> str:
        """Read files into one map; its name. Raises `InsdlError`."""

    def read(self, name: str) -> Input:
        """The map called `name`."""

    def contains(self, name: str, part: str) -> bool:
        """Whether `part` is the map `name` or one of its slices."""

    def set_ei(self, name: str, ei: float) -> None:
        """The incident energy in meV of the slices that lack it."""

    def set_material(self, name: str, material: str) -> None:
        """The material of a map."""

    def options(self, task: str) -> dict[str, tuple[str, ...]]:
        """Further choices of a task: option -> its values, none for a file. They differ between versions."""

    def run(self, task: str, name: str, options: Mapping[str, Any], control: Control) -> Answer:
        """Do one of `ALGORITHMS`. Raises `InsdlError`, or `CancelledError` where `control` was cancelled."""

    def simulate_slice(self, name: str, index: int, options: Mapping[str, Any], control: Control) -> Answer:
        """A map of one slice only, for while the constants move: it is shown, and neither kept nor in the script. Raises as `run`."""

    def mask(self, name: str, path: str, control: Control) -> str:
        """Mask the pixels of a file besides, and give the name of the map that has them masked. Raises `InsdlError`."""

    def script(self) -> str:
        """A Python script of what was done so far."""

    def close(self) -> None:
        """Observe no more."""
