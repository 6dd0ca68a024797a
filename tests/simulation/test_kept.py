"""Simulators that are kept for the next call: only where nothing but the parameters differs."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.simulation import kept
from mantid_insdl.simulation.slices import SliceSimulator, simulate

SLICES = Slices([50.0, 50.0], [4.0, 6.0], [6.0, 8.0])
QH, QK = (Axis(name, RLU, np.linspace(-1, 1, 8)) for name in ("qh", "qk"))


@pytest.fixture
def made(monkeypatch):
    """What was made anew, by material and number of slices."""
    found = []

    class Counted(SliceSimulator):
        def __init__(self, material, slices, *rest, **view):
            found.append((material.name, slices.size))
            super().__init__(material, slices, *rest, **view)

    monkeypatch.setattr(kept, "SliceSimulator", Counted)
    return found


def ask(make, material="rb2mnf4", parameters=None, slices=SLICES, qh=QH, **view):
    return simulate(material, parameters, slices=slices, qh=qh, qk=QK, make=make, **view)


def test_other_parameters_are_simulated_with_the_same_simulator_and_give_the_same_map(made):
    make = kept.KeptSimulators()
    for j1 in (0.6, 0.7, 0.6):
        assert np.array_equal(
            ask(make, parameters={"J1": j1}).intensity, ask(SliceSimulator, parameters={"J1": j1}).intensity, equal_nan=True
        )
    assert made == [("rb2mnf4", 2)]


@pytest.mark.parametrize(
    "other",
    [
        {"material": "la2nio4"},
        {"slices": Slices([50.0, 60.0], [4.0, 6.0], [6.0, 8.0])},
        {"slices": Slices([50.0, 50.0], [4.0, 6.0], [6.0, 8.5])},
        {"qh": Axis("qh", RLU, np.linspace(-1, 1.1, 8))},
        {"twins": False},
        {"temperature": 10.0},
        {"instrument": "MERLIN"},
        {"beam": (1.0, 0.0, 0.0)},
    ],
)
def test_anything_else_needs_another(made, other):
    make = kept.KeptSimulators()
    ask(make)
    found = ask(make, **other)
    assert len(made) == 2
    assert np.array_equal(found.intensity, ask(SliceSimulator, **other).intensity, equal_nan=True)


def test_the_latest_are_kept(made):
    make = kept.KeptSimulators()
    whole = SLICES[[0, 1]]
    for number in range(kept.NUMBER + 2):
        ask(make, slices=Slices([50.0], [4.0 + number], [6.0 + number]))
        ask(make, slices=whole)
    assert made.count(("rb2mnf4", 2)) == 1, "used each time, so always among the latest"
    ask(make, slices=Slices([50.0], [4.0], [6.0]))
    assert made.count(("rb2mnf4", 1)) == kept.NUMBER + 3, "the first slice was given up"


def test_a_large_one_is_not_kept(made, monkeypatch):
    monkeypatch.setattr(kept, "LARGEST", SLICES.size * QH.size * QK.size - 1)
    make = kept.KeptSimulators()
    ask(make)
    ask(make)
    assert len(made) == 2


def test_an_edited_file_counts_as_another(made, tmp_path):
    file = tmp_path / "magnet.yaml"
    text = (Path(kept.__file__).parents[1] / "materials" / "rb2mnf4.yaml").read_text()
    make = kept.KeptSimulators()
    for spin in ("2.5", "2.5", "1.5"):
        file.write_text(text.replace("spin: 2.5", f"spin: {spin}"))
        found = ask(make, str(file))
        assert np.array_equal(found.intensity, ask(SliceSimulator, str(file)).intensity, equal_nan=True)
    assert len(made) == 2


def test_an_edited_cif_file_counts_as_another(made, tmp_path):
    case = Path(__file__).parents[1] / "data" / "cases" / "cif-latin1"
    shutil.copy(case / "s.cif", tmp_path)
    ferromagnet = (case / "m.yaml").read_text().replace("low: 0", "low: -2").replace("value: 1.0", "value: -1.0")
    (tmp_path / "m.yaml").write_text(ferromagnet)
    make = kept.KeptSimulators()
    for _ in range(2):
        ask(make, str(tmp_path / "m.yaml"))
    assert len(made) == 1
    cif = (tmp_path / "s.cif").read_bytes()
    (tmp_path / "s.cif").write_bytes(cif.replace(b"_cell_length_a 6", b"_cell_length_a 5"))
    ask(make, str(tmp_path / "m.yaml"))
    assert len(made) == 2
