"""The Python environment in which the networks run: one that is there already, or a new one with exactly the versions that were tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mantid_insdl.errors import InstallationError
from mantid_insdl.installation.asking import run_python
from mantid_insdl.worker.bootstrap import OLDEST_PYTHON, REQUIRED
from mantid_insdl.worker.interpreter import own_interpreter, pythons_in, worker_environment

#: The exact versions; `tools/constraints.py` writes the file.
CONSTRAINTS = Path(__file__).with_name("constraints.txt")

#: Where other programs show what they do: standard output is for results.
STANDARD_ERROR = 2

_LIMIT = 60
_QUESTION = """
import importlib.util, json, sys
from importlib import metadata
tensorflow = None
if importlib.util.find_spec("tensorflow") is not None:
    names = metadata.packages_distributions().get("tensorflow") or ["tensorflow"]
    tensorflow = metadata.version(names[0])
lacking = [name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]
print(json.dumps({"python": list(sys.version_info[:2]), "tensorflow": tensorflow, "lacking": lacking}))
"""


@dataclass(frozen=True)
class Environment:
    """What an interpreter is good for.

    Parameters
    ----------
    interpreter
        The Python interpreter.
    tensorflow
        The version of its TensorFlow; empty where the networks cannot run.
    problem
        Why they cannot; empty where they can.
    """

    interpreter: Path
    tensorflow: str
    problem: str


def examine(interpreter: Path) -> Environment:
    """What an interpreter has, found out without loading TensorFlow."""
    try:
        done = run_python(interpreter, "-c", _QUESTION, *REQUIRED, limit=_LIMIT)
        facts = json.loads(done.stdout)
    except FileNotFoundError:
        return Environment(interpreter, "", "the interpreter does not exist")
    except OSError as error:
        return Environment(interpreter, "", (error.strerror or str(error)).lower())
    except subprocess.TimeoutExpired:
        return Environment(interpreter, "", f"it did not answer within {_LIMIT} s")
    except ValueError:
        return Environment(interpreter, "", "it does not answer as a Python interpreter does")
    if tuple(facts["python"]) < OLDEST_PYTHON:
        versions = (".".join(map(str, one)) for one in (facts["python"], OLDEST_PYTHON))
        return Environment(interpreter, "", "it is Python {}, and {} or newer is needed".format(*versions))
    lacking = facts["lacking"] + ([] if facts["tensorflow"] else ["tensorflow"])
    return Environment(interpreter, facts["tensorflow"] or "", f"it lacks {', '.join(lacking)}" if lacking else "")


def interpreter_of(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else pythons_in(folder)[-1]


def locked() -> dict[str, str]:
    """The exact versions of a new environment, by the names of the packages."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def make(folder: Path) -> None:
    """Make a virtual environment with the locked versions; pip shows what it does on standard error.

    Raises
    ------
    InstallationError
        If that fails; the folder is left to whoever undoes the installation.
    """
    python = own_interpreter()
    new = interpreter_of(folder)
    environment = worker_environment(new)
    for command in (
        [python, "-m", "venv", folder],
        [new, "-m", "pip", "install", "--disable-pip-version-check", "--requirement", CONSTRAINTS],
    ):
        line = [str(part) for part in command]
        done = subprocess.run(line, stdout=STANDARD_ERROR, stdin=subprocess.DEVNULL, check=False, env=environment)
        if done.returncode:
            raise InstallationError(
                f"the environment of the networks cannot be made in '{folder}'",
                f"`{' '.join(line)}` ended with code {done.returncode} (see above)",
                "correct that and try again, or name a Python that has TensorFlow: --python PATH",
            )
    problem = examine(new).problem
    if problem:
        raise InstallationError(
            f"the new environment of the networks in '{folder}' is not complete", problem, "name another: --python PATH"
        )


def absolute(text: str) -> Path:
    """A path as the user gives it."""
    return Path(os.path.abspath(os.path.expanduser(text)))
