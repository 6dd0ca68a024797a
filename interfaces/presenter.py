"""What the panel does: from what the user wants to calls of the model, and from what the model gives to what the view shows.

No Qt here: the view is any object with the methods of `View`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mantid_insdl.errors import InsdlError
from mantid_insdl.interfaces.background import Background
from mantid_insdl.interfaces.model import ALGORITHMS, Answer, CancelledError, Change, Control, Input, Model, alone
from mantid_insdl.materials import Parameter, load_material, material_names
from mantid_insdl.networks.bundles import bundle_names, find_bundle, read_card
from mantid_insdl.networks.cards import Card

DOING = {
    "load": "Reading the files",
    "denoise": "Denoising",
    "classify": "Classifying",
    "exchange": "Estimating the constants",
    "explain": "Explaining",
    "simulate": "Simulating",
}


class View(Protocol):
    """What the presenter needs of a view; all calls but `post` are made in the thread of the window."""

    def connect(self, presenter: Presenter) -> None:
        """Take the presenter, to tell it what the user does."""

    def post(self, call: Callable[[], Any]) -> None:
        """Call a function in the thread of the window; may be called in any thread."""

    def later(self, call: Callable[[], None]) -> None:
        """Call a function after a moment in which more may happen."""

    def at_rest(self, call: Callable[[], None]) -> None:
        """Call a function when a moment has passed since this was called last."""

    def set_inputs(self, names: Sequence[str], current: str) -> None: ...
    def set_materials(self, measured: Sequence[str], simulated: Sequence[str]) -> None: ...
    def set_options(self, task: str, options: Mapping[str, tuple[str, ...]]) -> None: ...
    def set_parameters(self, material: str, parameters: Sequence[Parameter], values: Mapping[str, float]) -> None: ...
    def set_targets(self, targets: Sequence[tuple[str, Mapping[str, str]]]) -> None:
        """What can be explained, in words, and the options of each."""

    def options(self, task: str) -> dict[str, Any]: ...
    def slice_shown(self) -> int:
        """The number of the slice, from 0."""

    def show_input(self, shown: Input | None) -> None: ...
    def show_answer(self, task: str, answer: Answer | None) -> None: ...
    def show_busy(self, task: str) -> None:
        """The task that runs, or empty where none does."""

    def show_progress(self, fraction: float, text: str) -> None: ...
    def show_message(self, text: str, *, error: bool = False) -> None: ...
    def show_help(self, algorithm: str) -> None: ...
    def ask_for(self, missing: str) -> None:
        """Draw attention to the field of what is missing."""

    def copy(self, text: str) -> None: ...


@dataclass
class _Job:
    task: str
    name: str
    work: Callable[[Control], Any]
    done: Callable[[Any], None]
    passing: bool = False  # one slice, while constants move: more of it will follow
    control: Control | None = None


class Presenter:
    """Between a model and a view, which are given; `background` runs what takes long."""

    def __init__(self, model: Model, view: View, background: Background):
        self._model, self._view, self._background = model, view, background
        self._input: Input | None = None
        self._reading = 0  # counts: only the latest reading is shown
        self._job: _Job | None = None
        self._next: _Job | None = None  # waits for a simulation to end
        self._moved: Mapping[str, Any] | None = None  # constants of which the slice that is shown has not been simulated
        self._due: Mapping[str, Any] | None = None  # constants of which the whole map has not
        self._rests = True  # the constants
        self._answers: dict[str, dict[str, Answer]] = {}
        self._refreshing = self._rereading = False  # soon, and only once for many changes
        self._closed = False
        view.connect(self)
        view.set_materials(_families(), material_names())
        for task in ALGORITHMS:
            view.set_options(task, model.options(task))
        model.observe(lambda change: view.post(lambda: self._changed(change)))
        self._refresh()

    # ---- the input

    def choose(self, name: str) -> None:
        """The user has chosen a map."""
        if name and (self._input is None or name != self._input.name):
            self._read(name)

    def open_files(self, paths: Sequence[str]) -> None:
        """The user has chosen files, which become one map."""
        if paths and not self._refuse_while_busy():
            self._start(_Job("load", "", lambda control: self._model.load(paths, control), self._read))

    def set_mask(self, path: str) -> None:
        """The user has chosen a file of pixels to mask."""
        if self._input is None or self._input.map is None:
            self._view.show_message("Choose a workspace or open a file first, then the mask for it.", error=True)
        elif not self._refuse_while_busy():
            job = _Job("load", self._input.name, lambda control: self._model.mask(job.name, path, control), self._read)
            self._start(job)

    def set_ei(self, ei: float) -> None:
        """The user has told the incident energy, in meV."""
        self._tell_model(lambda name: self._model.set_ei(name, ei))

    def set_material(self, material: str) -> None:
        """The user has told the material."""
        if self._input is not None and self._input.map is not None and material != self._input.map.material:
            self._tell_model(lambda name: self._model.set_material(name, material))

    def _tell_model(self, call: Callable[[str], None]) -> None:
        if self._input is None or self._refuse_while_busy():
            return
        try:
            call(self._input.name)
        except InsdlError as error:
            self._view.show_message(str(error), error=True)
            return
        self._read(self._input.name)

    def _read(self, name: str, note: str = "") -> None:
        self._reading += 1
        number = self._reading

        def done(read: Input) -> None:
            if number != self._reading:
                return
            self._input = read
            self._refresh()
            self._view.show_input(read)
            self._view.set_targets(_targets(read.map.material) if read.map is not None else [])
            warnings = " ".join(read.map.warnings) if read.map is not None else ""
            self._view.show_message(read.problem or note or warnings, error=bool(read.problem))
            for task in ALGORITHMS:
                self._view.show_answer(task, self._answers.get(name, {}).get(task))

        self._background.start(lambda control: self._model.read(name), done=done, failed=self.failed)

    def _changed(self, change: Change) -> None:
        """Something outside the panel, or the panel itself, has changed the inputs."""
        if self._closed:
            return
        current = self._input.name if self._input is not None else ""
        if change.kind == "renamed":
            self._renamed(change.name, change.new)
        elif change.kind == "cleared" or (change.kind == "deleted" and change.name == current):
            if current:
                self._view.show_message(f"'{current}' was deleted. What is shown stays until you choose another map.")
        elif change.name and current and not self._rereading and self._model.contains(current, change.name):
            self._rereading = True
            self._view.later(lambda: self._reread(current))
        if not self._refreshing:
            self._refreshing = True
            self._view.later(self._refresh)

    def _reread(self, name: str) -> None:
        self._rereading = False
        if self._input is not None and self._input.name == name and name in self._model.inputs():  # not deleted since
            answered = bool(self._answers.get(name))
            self._read(name, f"'{name}' has changed. The answers are of what it was; run again." if answered else "")

    def _renamed(self, old: str, new: str) -> None:
        if old in self._answers:
            self._answers[new] = self._answers.pop(old)
        if self._job is not None and self._job.name == old:
            self._job.name = new
        if self._input is not None and self._input.name == old:
            self._input = replace(self._input, name=new)
            self._view.show_input(self._input)

    def _refresh(self) -> None:
        self._refreshing = False
        if self._closed:
            return
        names = self._model.inputs()
        current = self._input.name if self._input is not None else ""
        self._view.set_inputs(names, current if current in names else "")
        if self._input is None and names and self._reading == 0:
            self._read(names[0])

    # ---- tasks

    def run(self, task: str) -> None:
        """The user wants one of the steps."""
        if task == "simulate":
            self._simulate(at_once=True)
        elif not self._refuse_while_busy() and self._ready(task):
            self._run(task, self._view.options(task))

    def _run(self, task: str, options: Mapping[str, Any]) -> None:
        def done(answer: Answer) -> None:
            if task == "explain" and "Model" in options:
                answer = replace(answer, constant=options["Target"])
            self._answers.setdefault(job.name, {})[task] = answer
            if self._input is not None and self._input.name == job.name:
                self._view.show_answer(task, answer)
            if answer.names:
                self._view.show_message(f"The result is in {', '.join(answer.names)}.")

        job = _Job(task, self._input.name, lambda control: self._model.run(task, job.name, options, control), done)
        self._start(job)

    def _ready(self, task: str) -> bool:
        """Whether all is known that a task needs; what is missing is asked for."""
        if self._input is None or self._input.map is None:
            problem = self._input.problem if self._input is not None else "Choose a workspace or open a file first."
            self._view.show_message(problem, error=True)
            return False
        needed = [missing for missing in self._input.missing if missing == "Ei" or task != "simulate"]
        if needed:
            what = {"Ei": "its incident energy", "material": "its material"}
            said = " and ".join(what[missing] for missing in needed)
            self._view.show_message(f"The map does not tell {said}: please say it on the left.", error=True)
            self._view.ask_for(needed[0])
        return not needed

    def _refuse_while_busy(self) -> bool:
        busy = self._next or self._job
        if busy is None or busy.task == "simulate":
            return False
        self._view.show_message(f"{DOING[busy.task]} goes on; wait for it or cancel it.", error=True)
        return True

    def _start(self, job: _Job) -> None:
        if self._job is not None:
            self._next = job
            return
        self._job = job
        self._view.show_busy(job.task)
        self._view.show_progress(0.0, DOING[job.task])
        self._view.show_message("")
        job.control = self._background.start(
            job.work,
            done=lambda result: self._ended(lambda: job.done(result)),
            failed=lambda error: self._ended(lambda: self._failed(job, error)),
            progress=lambda fraction, text: self._view.show_progress(fraction, text) if self._job is job else None,
        )

    def _failed(self, job: _Job, error: Exception) -> None:
        if job.passing:
            self._due = self._moved  # the whole map would fail too
        self.failed(error)

    def _ended(self, then: Callable[[], None]) -> None:
        if self._closed:
            return
        self._job = None
        try:
            then()
        finally:
            self._go_on()

    def _go_on(self) -> None:
        """Begin what waits, now that nothing runs: another task, else the slice that is shown, else all of them."""
        if self._next is not None:
            job, self._next = self._next, None
            self._start(job)
        elif self._due is None or self._input is None or self._input.map is None:
            self._moved = self._due = None
            self._view.show_busy("")
        elif self._moved is not None:
            options, self._moved = self._moved, None
            self._run_slice(options)
        elif self._rests:
            options, self._due = self._due, None
            self._run("simulate", options)

    def failed(self, error: BaseException) -> None:
        """Say in a sentence what went wrong."""
        if isinstance(error, CancelledError):
            self._view.show_message("Cancelled. What is shown is the last result.")
        elif isinstance(error, InsdlError):
            self._view.show_message(str(error), error=True)
        elif isinstance(error, MemoryError):
            self._view.show_message("The memory is used up; give a smaller map or fewer slices.", error=True)
        else:
            text = f"Unexpected {type(error).__name__}: {error}. This is a fault of mantid_insdl; please tell its developers."
            self._view.show_message(text, error=True)

    def cancel(self) -> None:
        """The user wants no more of what runs."""
        self._next = self._moved = self._due = None
        if self._job is None:
            self._view.show_busy("")
        else:
            self._view.show_progress(0.0, "Cancelling")
            self._job.control.cancel()

    # ---- simulation with other constants

    def choose_material(self, material: str) -> None:
        """The user has chosen what to simulate: a material's name or file."""
        try:
            chosen = load_material(material)
        except InsdlError as error:
            self._view.show_message(str(error), error=True)
        else:
            self._view.set_parameters(material, chosen.parameters, chosen.defaults)

    def take_fitted(self) -> None:
        """The user wants to start from the constants that were found."""
        answer = self._answers.get(self._input.name, {}).get("exchange") if self._input is not None else None
        if answer is None or not answer.in_range:
            self._view.show_message("There are no constants yet that count: estimate them in the step before.", error=True)
            return
        values = {row[0]: float(row[1]) for row in answer.rows}
        self._view.set_parameters(answer.material, load_material(answer.material).parameters, values)
        self._simulate(at_once=True)

    def simulate(self) -> None:
        """The user moves a constant: simulate the slice that is shown, and the others when the constants rest."""
        self._simulate(at_once=False)

    def _simulate(self, *, at_once: bool) -> None:
        if not self._ready("simulate"):
            return
        options = self._view.options("simulate")
        if not options:
            self._view.show_message("Choose a material to simulate first.", error=True)
            return
        alone_first = not at_once and self._input.map.slices.size > 1
        self._due, self._moved, self._rests = options, options if alone_first else None, not alone_first
        if alone_first:
            self._view.at_rest(self._rest)
        if self._job is None:
            self._go_on()

    def _rest(self) -> None:
        self._rests = True
        if self._job is None and not self._closed:
            self._go_on()

    def _run_slice(self, options: Mapping[str, Any]) -> None:
        measured, index = self._input.map, self._view.slice_shown()

        def done(answer: Answer) -> None:
            if self._input.name == job.name and self._input.map is measured:
                self._view.show_answer("simulate", alone(answer, measured, index))

        def work(control: Control) -> Answer:
            return self._model.simulate_slice(job.name, index, options, control)

        job = _Job("simulate", self._input.name, work, done, passing=True)
        self._start(job)

    # ---- the rest

    def copy_script(self) -> None:
        """The user wants a script of what was done."""
        self._view.copy(self._model.script())
        self._view.show_message("The script is in the clipboard.")

    def help(self, task: str) -> None:
        """The user wants to read about a step."""
        self._view.show_help(ALGORITHMS[task])

    def close(self) -> None:
        """The window closes; what runs is cancelled."""
        self._closed = True
        if self._job is not None:
            self._job.control.cancel()
        self._model.close()


def _cards() -> Iterator[tuple[str, Card]]:
    """Names and cards of the trained models."""
    for name in bundle_names():
        try:
            yield name, read_card(find_bundle(name))
        except InsdlError:  # a damaged bundle answers nothing, which its task will say
            continue


def _families() -> list[str]:
    """Materials that some trained model can answer for."""
    return sorted({card.family for _, card in _cards()})


def _targets(material: str | None) -> list[tuple[str, dict[str, str]]]:
    """What can be explained of a map of a material, in words, and as options of the step: models, then the constants of each."""
    models: list[tuple[str, dict[str, str]]] = []
    constants: list[tuple[str, dict[str, str]]] = []
    for bundle, card in _cards():
        if material not in (card.family, *card.materials):
            continue
        if card.task == "classify":
            models += [("most probable model", {}), *((name, {"Target": name}) for name in card.materials)]
        elif card.task == "exchange":
            of = " or ".join(card.materials)
            constants += [(f"{one.name} of {of}", {"Target": one.name, "Model": bundle}) for one in card.outputs]
    return models + constants
