"""A disk that fills up while results are written: one sentence, nothing left behind, no crash at the end of the process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

resource = pytest.importorskip("resource", reason="needs a limit on the size of files, which Windows has not")

LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); "
SAVE = """
import numpy as np
from mantid_insdl.errors import OutputError
from mantid_insdl.files import save
from mantid_insdl.maps import Axis, Map, Slices
axes = Axis("qh", "r.l.u.", np.arange(60.0)), Axis("qk", "r.l.u.", np.arange(60.0))
slices = Slices(np.full(20, 50.0), np.arange(20.0), np.arange(1.0, 21))
try:
    save(Map(np.random.default_rng(0).random((20, 60, 60)), axes, slices=slices), {path!r})
except OutputError as error:
    print(error)
"""


def run(program, *arguments):
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("size", [0, 4096, 100_000])
@pytest.mark.parametrize("name", ["out.nxs", "out.npz"])
def test_saving_a_map(tmp_path, name, size):
    done = run(LIMITED.format(size=size) + SAVE.format(path=str(tmp_path / name)))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("Cannot write the file")
    assert len(done.stdout.splitlines()) == 1
    assert os.listdir(tmp_path) == []


def test_the_command_line(tmp_path):
    line = ["simulate", "-m", "rb2mnf4", "--ei", "10", "--energy", "1,1,3", "--qh", "-1,0.1,1", "--qk", "-1,0.1,1", "-q"]
    program = LIMITED.format(size=1000) + "from mantid_insdl.cli.main import main; main()"
    for option, name in (("-o", "map.nxs"), ("-o", "map.npz"), ("--plot", "map.png")):
        done = run(program, *line, option, str(tmp_path / name))
        assert done.returncode == 7, done.stderr
        assert done.stderr.startswith("insdl: error: Cannot write the file"), done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert os.listdir(tmp_path) == []
