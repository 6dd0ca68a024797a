"""Small reduced files, and the command as a runner starts it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from mantid_insdl import save
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices
from mantid_insdl.worker import stop


@pytest.fixture(autouse=True, scope="module")
def no_worker_left():
    stop()
    yield
    stop()


def small_map(number=0):
    """One slice of a few pixels; its intensity tells which one it is."""
    q = np.linspace(-1, 1, 6)
    intensity = number + np.exp(-(q[:, None] ** 2 + q**2))
    axes = (Axis("qh", RLU, q), Axis("qk", RLU, q))
    return Map(intensity[None], axes, error=0.1 * np.ones((1, 6, 6)), slices=Slices(10.0, 2.0, 4.0), title=f"run {number}")


def powder_map():
    axes = (Axis("q", PER_ANGSTROM, np.linspace(0, 3, 8), is_edges=True), Axis("energy", MEV, np.linspace(0, 9, 10), is_edges=True))
    return Map(np.ones((7, 9)), axes, ei=12.0)


@pytest.fixture
def reduced(tmp_path):
    """A function that writes a reduced file of run `number`."""

    def write(number=0, name=None, folder=None):
        path = (folder or tmp_path) / (name or f"MAP{number:05}_Ei10meV.nxs")
        save(small_map(number), path)
        return path

    return write


@pytest.fixture
def command():
    """Runs Python as a runner does, with standard output and error in one log; returns exit status, lines and the JSON of the last."""

    def run(*arguments, expect_json=True, **options):
        environment = os.environ | options.pop("environment", {})
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            timeout=120,
            check=False,
            **options,
        )
        lines = [line for line in done.stdout.split("\n") if line.strip()]
        return done.returncode, lines, json.loads(lines[-1]) if expect_json else None

    return run


@pytest.fixture
def insdl():
    """Runs `insdl` in this process."""
    from typer.testing import CliRunner

    from mantid_insdl.cli.main import app

    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments], prog_name="insdl")
