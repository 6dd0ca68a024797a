"""Small reduced files, and the command as a runner starts it."""

import json
import os
import subprocess
import sys

import pytest
from small_maps import small_map

from mantid_insdl import save
from mantid_insdl.worker import stop


@pytest.fixture(autouse=True, scope="module")
def no_worker_left():
    stop()
    yield
    stop()


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
