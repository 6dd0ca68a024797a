"""`insdl plan`: what it prints and writes, and what it refuses."""

import json

import numpy as np
import pytest

from mantid_insdl import save
from mantid_insdl.instrument.noise import count_neutrons
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.simulation.slices import SliceSimulator


@pytest.fixture(scope="module")
def map_file(tmp_path_factory):
    """Slices of Rb2MnF4 with counting noise."""
    axes = [Axis(name, RLU, np.linspace(-0.6, 0.6, 13) + 0.013, is_edges=True) for name in ("qh", "qk")]
    slices = Slices.from_bins([15.0], [np.arange(1.0, 8.0)])
    image = SliceSimulator("rb2mnf4", slices, *axes).intensity({}, dtype=float)[0][0]
    intensity, error = count_neutrons(image, 3e4, np.random.default_rng(0))
    m = Map(intensity, axes, error=error, slices=slices, material="rb2mnf4", frame="chemical cell")
    return save(m, tmp_path_factory.mktemp("maps") / "map.npz")


@pytest.fixture
def two(tmp_path):
    path = tmp_path / "next.yaml"
    path.write_text("candidates:\n  - {ei: 20, hours: 4}\n  - {ei: 25, energy: [12, 14, 16]}\n")
    return path


def test_a_plan_on_the_screen_as_json_and_as_a_picture(insdl, tmp_path, map_file, two):
    """What sees the band is before what looks above it."""
    outputs = ["-o", tmp_path / "p.json", "--plot", tmp_path / "p.png"]
    result = insdl("plan", map_file, "-m", "rb2mnf4", "--candidates", two, "--hours", 2, *outputs, "-q")
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stdout.split())
    assert "For J1, J2, D of rb2mnf4, measure next at Ei = 20 meV: MAPS pcsmo" in said
    assert "12 to 16, 2 1.00 1.00 1.00" in said
    written = json.loads((tmp_path / "p.json").read_text())
    assert [one["candidate"]["ei"] for one in written["candidates"]] == [20.0, 25.0]
    assert [one["hours"] for one in written["candidates"]] == [4.0, 2.0]
    assert (tmp_path / "p.png").stat().st_size > 10_000


def test_two_models_have_a_column_each_way(insdl, tmp_path, map_file):
    from importlib import resources

    text = resources.files("mantid_insdl.materials").joinpath("rb2mnf4.yaml").read_text()
    text = text.replace("name: rb2mnf4\n", "name: rb2mnf4-j3\n").replace("distance: 5.9538}", "distance: 8.42}")
    other = tmp_path / "j3.yaml"
    other.write_text(text.replace("closed_form: square-lattice antiferromagnet\n", ""))
    candidates = tmp_path / "next.yaml"
    candidates.write_text("candidates:\n  - {ei: 15}\n  - {ei: 20, chopper: S}\n")
    result = insdl("plan", map_file, "-m", "rb2mnf4", "-m", other, "--candidates", candidates, "-q")
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stdout.split())
    assert "A: if rb2mnf4 is true, not rb2mnf4-j3" in said
    assert "B: if rb2mnf4-j3 is true, not rb2mnf4" in said
    assert "MAPS S 200 Hz" in said
    assert "* counts on what has been measured there" in said


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--candidates", "none.yaml"], 3, "cannot read the list"),
        (["--constants", "J9"], 5, "no free constant"),
        (["--hours", "-1"], 2, "--hours -1"),
        (["--hours", "1", "--hours", "2"], 2, "1 incident energies"),
        (["--instrument", "HYSPEC"], 2, "no instrument"),
        (["--chopper", "S"], 2, "--instrument"),
        (["--instrument", "MARI", "--chopper", "Q"], 2, "no chopper"),
        (["-o", "plan.txt"], 2, "ending"),
        (["--beam", "0,0"], 2, "--beam"),
        (["-m", "rb2mnf4"], 5, "not different"),
        (["--instrument", "MERLIN", "--frequency", "33"], 2, "33 Hz"),
    ],
)
def test_refusals(insdl, map_file, options, code, words):
    insdl.refuses("plan", map_file, "-m", "rb2mnf4", "-q", *options, code=code, words=[words])


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("candidates: []\n", 2, "no candidates"),
        ("candidates:\n  - {ei: 20, energy: [5, 30]}\n", 4, "above its incident energy"),
        ("candidates:\n  - {ei: 2}\n", 2, "cannot be used at"),
        ("candidates:\n  - {ei: 20, instrument: HYSPEC}\n", 2, "no instrument"),
        ("candidates:\n  - {ie: 20}\n", 3, "candidates.0.ei"),
    ],
)
def test_candidates_that_are_refused(insdl, tmp_path, map_file, text, code, words):
    path = tmp_path / "next.yaml"
    path.write_text(text)
    insdl.refuses("plan", map_file, "-m", "rb2mnf4", "-q", "--candidates", path, code=code, words=[words])


def test_a_map_without_incident_energy(insdl, tmp_path, map_file):
    from mantid_insdl import load

    m = load(map_file)
    blind = save(m.replace(slices=Slices(np.full(6, np.nan), m.slices.energy_min, m.slices.energy_max)), tmp_path / "blind.npz")
    insdl.refuses("plan", blind, "-m", "rb2mnf4", "-q", code=4, words=["incident energy"])
