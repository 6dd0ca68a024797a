"""Shared by the tests of the command line."""

import numpy as np
import pytest
from typer.testing import CliRunner

from mantid_insdl.cli.main import app


class Line:
    """Runs `insdl` in this process, and asserts how it refuses."""

    def __init__(self):
        self._runner = CliRunner()

    def __call__(self, *arguments):
        return self._runner.invoke(app, [str(one) for one in arguments], prog_name="insdl")

    def refuses(self, *arguments, code, words=()):
        """Run; one clear sentence on standard error, that exit code, no traceback. Returns the sentence."""
        result = self(*arguments)
        said = result.stderr.strip()
        lines = [line for line in said.splitlines() if not line.lstrip()[:1].isdigit()]  # progress lines begin with a percentage
        assert result.exit_code == code, said
        assert len(lines) == 1, said
        assert lines[0].startswith("insdl: error: "), said
        assert lines[0].endswith("."), said
        assert "Traceback" not in said
        for word in words:
            assert word.lower() in lines[0].lower()
        return lines[0]


@pytest.fixture
def insdl():
    return Line()


@pytest.fixture
def slices_arrays():
    """The arrays of a small but sound npz file of PCSMO slices."""
    rng = np.random.default_rng(0)
    ei = np.array([25.0, 50.0])
    edges = np.stack([np.linspace(0.1 * one, 0.7 * one, 11) for one in ei])
    shape = (2, 10, 20, 20)
    return {
        "intensity": rng.gamma(1.0, size=shape),
        "error": np.ones(shape),
        "ei": ei,
        "energy_edges": edges,
        "q": np.linspace(-1, 1, 20),
    }


@pytest.fixture
def map_file(tmp_path, slices_arrays):
    """A function that writes an npz file of slices with some arrays replaced (None: left out)."""

    def write(name="map.npz", **changes):
        arrays = {key: value for key, value in (slices_arrays | changes).items() if value is not None}
        with (tmp_path / name).open("wb") as file:  # given a name, savez would add .npz to it
            np.savez(file, **arrays)
        return tmp_path / name

    return write


@pytest.fixture
def made_by_hand(monkeypatch, hand_made_analysis):
    """`analyse` without networks; the maps that it was given."""
    seen = []

    def analyse(m, *, refine, progress):
        progress(0.5, "pretending")
        seen.append((m, refine))
        return hand_made_analysis(m.select(slice(0, 2)))  # few pictures to draw

    monkeypatch.setattr("mantid_insdl.analysis.analyse", analyse)
    return seen
