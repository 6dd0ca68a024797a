"""The summary of a material and the picture of its structure."""

import numpy as np
import pytest

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials import Material, load_material
from mantid_insdl.materials.picture import plot_structure
from mantid_insdl.materials.summary import summarise


def test_summary_tells_spins_bonds_energy_and_stability():
    text = summarise(load_material("pcsmo-dimer"), grid=3)
    for part in (
        "Spins in the cell: 16",
        "Mn4-up",
        "S = 1.75",
        "3.84",
        "strong bonds",
        "meV a spin",
        "Stable at all of 9 momenta",
        "folds",
        "Johnstone",
    ):
        assert part in text
    energy = -651.455 / 16
    assert f"{energy:.4f} meV a spin" in text


def test_summary_says_unstable_and_not_stationary():
    assert "Unstable: at" in summarise(load_material("rb2mnf4"), {"J1": -0.5})
    assert "Stable at all" in summarise(load_material("example-kagome"), grid=3)
    contents = load_material("example-triangular").model_dump()
    contents["sites"][2]["direction"] = (0.0, -1.0, 0.0)
    turned = Material.model_validate(contents)
    assert "not stationary" in summarise(turned, grid=2)


def test_summary_refuses_unknown_parameters():
    with pytest.raises(MaterialError, match="J1, J2, D"):
        summarise(load_material("rb2mnf4"), {"J3": 1.0})


@pytest.mark.parametrize("name", ["rb2mnf4", "pcsmo-dimer", "example-triangular"])
def test_picture_shows_every_spin_and_coupling(name):
    material = load_material(name)
    figure = plot_structure(material)
    axes = figure.axes[-1]
    assert len(figure.axes) == len({s.position[2] for s in material.model.sites})
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert {x.split(" = ")[0] for x in labels if " = " in x} == {b.parameter for b in material.model.bonds}
    figure.canvas.draw()
    assert np.asarray(figure.canvas.buffer_rgba())[..., :3].std() > 5
