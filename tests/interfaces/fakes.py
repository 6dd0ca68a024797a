"""A view and a model that only remember, and a background that works when it is told to."""

import numpy as np

from mantid_insdl.interfaces.model import Answer, CancelledError, Control, Input, with_ei
from mantid_insdl.maps import RLU, Axis, Map, Slices


def small_map(material="pcsmo", ei=50.0, **changes):
    axes = tuple(Axis(name, RLU, np.linspace(-1, 1, 4)) for name in ("qh", "qk"))
    slices = Slices([ei, ei, 100.0], [5, 10, 20], [10, 15, 30])
    intensity = np.arange(48.0).reshape(3, 4, 4)
    intensity[0, 0, 0] = np.nan
    return Map(intensity, axes, slices=slices, material=material).replace(**changes)


class Later:
    """Work waits for `work`, so that a test can look at what is shown meanwhile."""

    def __init__(self):
        self.waiting = []

    def start(self, work, *, done, failed, progress=lambda fraction, text: None):
        control = Control(progress)
        self.waiting.append((work, done, failed, control))
        return control

    def work(self):
        """Do what waits, and what that starts."""
        while self.waiting:
            self.work_one()

    def work_one(self):
        work, done, failed, control = self.waiting.pop(0)
        try:
            result = work(control)
        except Exception as error:
            failed(error)
        else:
            done(result)


class FakeModel:
    title = "fake"

    def __init__(self, **maps):
        self.maps = maps
        self.calls = []
        self.error = None
        self.answer = Answer()
        self.closed = False

    def inputs(self):
        return list(self.maps)

    def observe(self, changed):
        self.changed = changed

    def load(self, paths, control):
        self.calls.append(("load", tuple(paths)))
        if self.error:
            raise self.error
        self.maps["loaded"] = small_map()
        return "loaded"

    def read(self, name):
        return Input.of(name, self.maps[name]) if isinstance(self.maps[name], Map) else Input(name, problem=self.maps[name])

    def contains(self, name, part):
        return name in self.maps and part.startswith(name)

    def mask(self, name, path, control):
        self.calls.append(("mask", name, path))
        if self.error:
            raise self.error
        mask = np.zeros((4, 4), bool)
        mask[:2] = True
        self.maps[name] = self.maps[name].with_mask(mask, note=f"masked the pixels of '{path}'")
        return name

    def set_ei(self, name, ei):
        self.maps[name] = with_ei(self.maps[name], ei)

    def set_material(self, name, material):
        self.maps[name] = self.maps[name].replace(material=material)

    def options(self, task):
        return {"Refine": ("Off", "Fast")} if task == "exchange" else {}

    def run(self, task, name, options, control):
        self.calls.append((task, name, options))
        control.report(0.5, "half way")
        if self.error:
            raise self.error
        try:
            control.check()
        except CancelledError:
            self.calls.append(("cancelled", task))
            raise
        return self.answer

    def simulate_slice(self, name, index, options, control):
        self.calls.append(("slice", index, options))
        if self.error:
            raise self.error
        control.check()
        return Answer({"output": self.maps[name].select([index]).scaled(2.0)})

    def script(self):
        return "print('a script')\n"

    def close(self):
        self.closed = True


class FakeView:
    def __init__(self):
        self.inputs, self.current, self.shown, self.busy, self.message, self.error = [], "", None, "", "", False
        self.answers, self.task_options, self.given, self.parameters = {}, {}, {}, None
        self.messages, self.progress, self.asked, self.copied, self.helped = [], [], [], "", ""
        self.waiting, self.resting, self.slice = [], None, 0

    def connect(self, presenter):
        self.presenter = presenter

    def post(self, call):
        call()

    def later(self, call):
        self.waiting.append(call)

    def wait(self):
        calls, self.waiting = self.waiting, []
        for call in calls:
            call()

    def at_rest(self, call):
        self.resting = call

    def rest(self):
        """The moment has passed."""
        call, self.resting = self.resting, None
        call()

    def slice_shown(self):
        return self.slice

    def set_inputs(self, names, current):
        self.inputs, self.current = list(names), current

    def set_materials(self, measured, simulated):
        self.materials = (list(measured), list(simulated))

    def set_options(self, task, options):
        self.task_options[task] = dict(options)

    def set_parameters(self, material, parameters, values):
        self.parameters = (material, [one.name for one in parameters], dict(values))
        self.given["simulate"] = {"Material": material}

    def set_targets(self, targets):
        self.targets = list(targets)

    def options(self, task):
        return dict(self.given.get(task, {}))

    def show_input(self, shown):
        self.shown = shown

    def show_answer(self, task, answer):
        self.answers[task] = answer

    def show_busy(self, task):
        self.busy = task

    def show_progress(self, fraction, text):
        self.progress.append((fraction, text))

    def show_message(self, text, *, error=False):
        self.message, self.error = text, error
        self.messages.append(text)

    def show_help(self, algorithm):
        self.helped = algorithm

    def ask_for(self, missing):
        self.asked.append(missing)

    def copy(self, text):
        self.copied = text
