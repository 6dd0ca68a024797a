"""How long commands take that calculate little: their start, beside that of another checkout.

    python benchmarks/start.py [--beside CHECKOUT] [--repeats N]

Each command runs in a process of its own, those of the two checkouts in turn; the best of all runs. Processor time depends less on what
else the machine does. CHECKOUT is another version of this repository, such as one that ``git worktree add CHECKOUT COMMIT`` has made; its
code runs in this environment.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
COMMANDS = {
    "insdl --help": ["--help"],
    "insdl material rb2mnf4": ["material", "rb2mnf4"],
    "insdl simulate, dispersion of 400 points": [
        *("simulate", "-m", "rb2mnf4", "--path", "0,0,0 0.5,0.5,0 0.5,0,0", "--points", "400", "--plot", "dispersion.png"),
    ],
}


def seconds(arguments: list[str], checkout: Path, folder: str) -> tuple[float, float]:
    """Processor and wall time of a command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "mantid_insdl", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else every start would compile the modules again, which no user's does
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, env=environment)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="another version of this repository")
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    checkouts = [HERE, *([arguments.beside.resolve()] if arguments.beside else [])]
    print(f"{'best of ' + str(arguments.repeats):44}" + "".join(f"{'processor':>12}{'wall (s)':>10}   {one.name:12}" for one in checkouts))
    with tempfile.TemporaryDirectory() as folder:
        for name, command in COMMANDS.items():
            runs: dict[Path, list[tuple[float, float]]] = {one: [] for one in checkouts}
            for _ in range(arguments.repeats + 1):  # the first one writes bytecode
                for one in checkouts:
                    runs[one].append(seconds(command, one, folder))
            best = [[min(times) for times in zip(*runs[one][1:], strict=True)] for one in checkouts]
            print(f"{name:44}" + "".join(f"{processor:>12.2f}{wall:>10.2f}{'':15}" for processor, wall in best))


if __name__ == "__main__":
    main()
