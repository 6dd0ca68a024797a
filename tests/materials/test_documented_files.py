"""The examples of docs/materials.md load, and are the magnets that they say."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from mantid_insdl.materials import load_material
from mantid_insdl.materials.picture import plot_structure
from mantid_insdl.materials.summary import summarise
from mantid_insdl.spinwave import spin_waves, spiral_waves
from mantid_insdl.spinwave.form_factors import form_factor, with_orbital

PAGE = (Path(__file__).parents[2] / "docs/materials.md").read_text(encoding="utf-8")
EXAMPLES = {re.search(r"name: (\S+)", text)[1]: text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)}


@pytest.fixture
def example(tmp_path):
    for name, text in re.findall(r"<!-- file: (\S+) -->\n```\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(text, encoding="utf-8")

    def load(name):
        path = tmp_path / f"{name}.yaml"
        path.write_text(EXAMPLES[name], encoding="utf-8")
        return load_material(path)

    return load


def test_there_is_an_example_of_each_route():
    assert set(EXAMPLES) == {"neel", "neel-by-symmetry", "chain-from-cif", "chain-from-mcif", "zigzag-chain", "canted-chain", "mixed-chain"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_stable_and_is_drawn(example, name):
    material = example(name)
    text = summarise(material, grid=4)
    assert "Stable at all" in text, text
    assert plot_structure(material).axes


def test_antiferromagnet_has_its_closed_form(example):
    # docs of the square lattice: A = 4 J1 S - 2 D S..., here with the exchange anisotropy z = 1.005 and no J2
    material = example("neel-by-symmetry")
    j, d, spin, z = 0.65, -0.006, 2.5, 1.005
    hkl = np.random.default_rng(0).uniform(-1, 1, (5, 3))
    gamma = (np.cos(2 * np.pi * hkl[:, 0]) + np.cos(2 * np.pi * hkl[:, 1])) / 2
    expected = np.sqrt((4 * j * z * spin - 2 * d * spin) ** 2 - (4 * j * spin * gamma) ** 2)
    modes = spin_waves(material.model, hkl @ np.array(material.map.cell).T, {"J1": j, "D": d})
    assert modes.energies[0] == pytest.approx(np.repeat(expected[:, None], 2, axis=1), rel=1e-9)


@pytest.mark.parametrize("name", ["chain-from-cif", "chain-from-mcif"])
def test_chains_are_the_shipped_one(example, name):
    material, shipped = example(name), load_material("example-chain")
    hkl = np.random.default_rng(1).uniform(-1, 1, (5, 3))
    values = {"J": 1.0, "D": -0.1}
    modes = spin_waves(material.model, hkl @ np.array(material.map.cell).T, values)
    reference = spin_waves(shipped.model, hkl @ np.array(shipped.map.cell).T, {**values, "B": 0.0})
    assert modes.energies == pytest.approx(reference.energies, rel=1e-9)


def test_spiral_has_its_closed_form(example):
    # w(q) = S sqrt((J(q) - J(k)) ((J(q + k) + J(q - k)) / 2 - J(k))) x 2 with J(q) = sum over both neighbours of J cos / 2
    material = example("zigzag-chain")
    spiral = material.spiral

    def exchange(h):
        return -np.cos(2 * np.pi * h) + 0.5 * np.cos(4 * np.pi * h)

    k, h = spiral.k[0], np.array([0.07, 0.21, 0.4])
    expected = 2 * 0.5 * np.sqrt((exchange(h) - exchange(k)) * ((exchange(h + k) + exchange(h - k)) / 2 - exchange(k)))
    modes = spiral_waves(material.model, spiral.k, spiral.axis, np.column_stack((h, 0 * h, 0 * h)), material.defaults)
    for one, energies in zip(expected, modes.energies[0], strict=True):
        assert np.abs(energies - one).min() < 1e-6


def test_schema_takes_fractions(repository):
    schema = json.loads((repository / "docs/material.schema.json").read_text(encoding="utf-8"))
    pattern = schema["$defs"]["TurnSpec"]["properties"]["k"]["prefixItems"][0]["anyOf"][1]["pattern"]
    assert re.search(pattern, "-1/3") and not re.search(pattern, "third")


def test_mixed_chain_has_the_mean_of_its_ions(example):
    # |J| S (2 - 2 cos 2 pi h) of the mean spin, whose moments across it are 2.1 / 2 of the spins, by the weighted form factors
    material = example("mixed-chain")
    modes = spin_waves(material.model, [[0.25, 0, 0]], material.defaults)
    spin = 0.6 * 2.5 + 0.4 * 1.5
    assert modes.energies[0, 0] == pytest.approx([2 * spin])
    q = np.array(2 * np.pi * 0.25 / 4)
    factor = (1.5 * form_factor("Mn2+", q) + 0.6 * form_factor(with_orbital("Co2+", 0.09), q)) / spin
    assert modes.s_perp[0, 0] == pytest.approx([0.5 * spin * 1.05**2 * factor**2])
