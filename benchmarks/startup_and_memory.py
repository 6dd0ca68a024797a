"""Times of import, first and second call, and peak memory, each in a process of its own.

    python benchmarks/startup_and_memory.py                              # prints the tables
    python benchmarks/startup_and_memory.py --write docs/performance.md  # and puts them into that page, between its markers

The map is a simulated PCSMO measurement of six incident energies, ten energy bins each, on 40 x 40 pixels. Peak memory is the largest
resident set of a process. Algorithms run in the worker process; what Mantid's own process gains is in the last column.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

# The process that starts the others stays small: on Linux a new process's peak begins with that of the one that started it.

BEGIN, END = "<!-- startup_and_memory: begin -->", "<!-- startup_and_memory: end -->"
EI = (25.0, 35.0, 50.0, 70.0, 100.0, 140.0)

TASKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "SimulateSpinWaveMap": ("simulate", "like", {"material": "pcsmo-goodenough"}),
    "DenoiseINS": ("denoise", "input", {}),
    "ClassifyMagneticModel": ("classify", "input", {}),
    "FitExchangeCNN": ("fit_exchange", "input", {}),
    "FitExchangeCNN with OutputFitWorkspace": ("fit_exchange", "input", {"simulate_fit": True}),
    "ComputeGradCAM": ("explain", "input", {}),
}


def peak(who: int = resource.RUSAGE_SELF) -> float:
    """Largest resident set in MiB; of ended children, that of the largest one."""
    return resource.getrusage(who).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def timed(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


# ---- what runs in a process of its own; each answers with a dictionary of numbers


def write_input(file: str) -> dict[str, float]:
    """Simulate the measurement once, for all."""
    import numpy as np

    from mantid_insdl import Axis, Slices, save, simulate

    slices = Slices.from_bins(EI, [np.linspace(0.1 * ei, 0.7 * ei, 11) for ei in EI])
    qh, qk = (Axis(name, "r.l.u.", np.linspace(-1, 1, 40)) for name in ("qh", "qk"))
    m = simulate("pcsmo-goodenough", slices=slices, qh=qh, qk=qk, counts=1e6, seed=1)
    save(m.replace(material="pcsmo"), file)
    return {}


def measure_import(module: str) -> dict[str, float]:
    return {"first": timed(lambda: __import__(module)), "memory": peak()}


def measure_keras() -> dict[str, float]:
    from mantid_insdl.networks.backend import import_keras

    return {"first": timed(import_keras), "memory": peak()}


def measure_task(name: str, file: str) -> dict[str, float]:
    """A task in this process, as the command line and scripts outside Mantid run it."""
    import mantid_insdl
    from mantid_insdl.worker.tasks import TASKS as FUNCTIONS

    task, argument, options = TASKS[name]
    m = mantid_insdl.load(file, material="pcsmo")

    def call() -> None:
        FUNCTIONS[task]({argument: m}, options, lambda fraction, text: None)

    return {"first": timed(call), "second": timed(call), "memory": peak()}


def measure_algorithm(name: str, file: str) -> dict[str, float]:
    """A task in the worker process, as the algorithms run it. The map is read elsewhere, as Mantid reads it with its own loaders."""
    import numpy as np

    from mantid_insdl.maps import Map
    from mantid_insdl.worker import run_task, stop

    head, arrays = json.loads(Path(f"{file}.json").read_text()), dict(np.load(f"{file}.npz"))
    task, argument, options = TASKS[name]
    m = Map.from_arrays(head, arrays)
    before = peak()

    def call() -> None:
        run_task(task, {argument: m}, options)

    numbers = {"first": timed(call), "second": timed(call), "caller": peak() - before}
    stop()
    return numbers | {"memory": peak(resource.RUSAGE_CHILDREN)}


def measure_demo(folder: str) -> dict[str, float]:
    insdl = [sys.executable, "-m", "mantid_insdl", "demo", "--output", folder]
    first = timed(lambda: subprocess.run(insdl, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    return {"first": first, "memory": peak(resource.RUSAGE_CHILDREN)}


def export(file: str) -> dict[str, float]:
    """The input as plain arrays beside the NeXus file."""
    import numpy as np

    import mantid_insdl

    head, arrays = mantid_insdl.load(file, material="pcsmo").to_arrays()
    Path(f"{file}.json").write_text(json.dumps(head))
    np.savez(f"{file}.npz", **arrays)
    return {}


MEASURES = {f.__name__: f for f in (write_input, export, measure_import, measure_keras, measure_task, measure_algorithm, measure_demo)}


# ---- the small process that starts them


def in_new_process(measure: str, *arguments: str) -> dict[str, float]:
    print(f"{measure} {' '.join(arguments)}", file=sys.stderr, flush=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("INSDL_PYTHON", "INSDL_CONFIG")}
    command = [sys.executable, __file__, "--measure", measure, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def seconds(value: float) -> str:
    return "< 0.01" if value < 0.01 else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def machine() -> str:
    try:
        name = next(line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    from importlib.metadata import version

    packages = ", ".join(f"{p} {version(p)}" for p in ("numpy", "keras"))
    return f"{os.cpu_count()} cores of {name}, {platform.system()}, Python {platform.python_version()}, {packages}"


def report() -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "measurement.nxs")
        in_new_process("write_input", file)
        in_new_process("export", file)
        demo = in_new_process("measure_demo", str(Path(folder) / "demo"))
        imports = {m: in_new_process("measure_import", m) for m in ("mantid_insdl", "mantid_insdl.worker", "mantid_insdl.analysis")}
        keras = in_new_process("measure_keras")
        here = {name: in_new_process("measure_task", name, file) for name in TASKS}
        worker = {name: in_new_process("measure_algorithm", name, file) for name in TASKS}
    start = table(
        ["", "time (s)", "peak memory (MiB)"],
        [[f"`import {name}`", seconds(n["first"]), f"{n['memory']:.0f}"] for name, n in imports.items()]
        + [["TensorFlow and Keras", seconds(keras["first"]), f"{keras['memory']:.0f}"]]
        + [["`insdl demo`", seconds(demo["first"]), f"{demo['memory']:.0f}"]],
    )
    calls = table(
        ["algorithm", "first call (s)", "second call (s)", "peak memory (MiB)"],
        [[name, seconds(n["first"]), seconds(n["second"]), f"{n['memory']:.0f}"] for name, n in here.items()],
    )
    algorithms = table(
        ["algorithm", "first call (s)", "second call (s)", "worker's peak (MiB)", "Mantid's process gains (MiB)"],
        [[name, seconds(n["first"]), seconds(n["second"]), f"{n['memory']:.0f}", f"{n['caller']:.0f}"] for name, n in worker.items()],
    )
    return (
        f"{machine()}. Every row is a process of its own; the first call includes importing TensorFlow and reading the model.\n\n"
        f"Starting:\n\n{start}\n\n"
        "A stack of 6 incident energies x 10 energy bins x 40 x 40 pixels, in the same process (command line, scripts outside Mantid):\n\n"
        f"{calls}\n\n"
        f"The same in the worker process, as the Mantid algorithms run it (the first call also starts the worker):\n\n{algorithms}\n"
    )


def put_into(page: Path, text: str) -> None:
    content = page.read_text(encoding="utf-8")
    before, found, rest = content.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not (found and closed):
        sys.exit(f"{page} lacks the markers {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this page, between its markers")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, *arguments = options.measure
        print(json.dumps(MEASURES[name](*arguments)))
        return
    text = report()
    print(text)
    if options.write:
        put_into(options.write, text)


if __name__ == "__main__":
    main()
