"""The picture of a magnetic structure: bonds stay in the cell, each coupling is seen in the colour of the legend."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from test_crystals import TURN, material, parameter, triangle

from mantid_insdl.materials import load_material
from mantid_insdl.materials.picture import plot_structure


def drawn(figure, colour):
    """Lines of a colour in all panels, without the legend."""
    return [line for axes in figure.axes for line in axes.lines if to_rgba(line.get_color()) == to_rgba(colour)]


def legend(figure):
    """Colour of each coupling by its name."""
    entries = figure.axes[-1].get_legend().legend_handles
    return {entry.get_label().split(" = ")[0]: entry.get_color() for entry in entries if " = " in entry.get_label()}


@pytest.mark.parametrize("name", ["rb2mnf4", "pcsmo-dimer", "pcsmo-goodenough", "pcsmo-zener", "example-triangular", "example-kagome"])
def test_every_coupling_is_in_the_cell_in_the_colour_of_the_legend(name):
    magnet = load_material(name)
    figure = plot_structure(magnet)
    colours = legend(figure)
    assert set(colours) == {bond.parameter for bond in magnet.model.bonds}
    assert len(set(map(to_rgba, colours.values()))) == len(colours)
    turns = 3 if name == "pcsmo-zener" else 1  # cells along b that the picture of its spiral has
    for colour in colours.values():
        lines = drawn(figure, colour)
        assert lines and all(line.get_alpha() is None for line in lines)
        for line in lines:
            places = np.linalg.solve(magnet.model.lattice.vectors[:2, :2].T, np.array(line.get_data())).T
            assert np.all(places > -1e-4) and np.all(places < np.array([1, turns]) + 1e-4)


def test_straight_bonds_between_layers_are_rings_in_both():
    figure = plot_structure(load_material("pcsmo-dimer"))
    assert [axes.get_title() for axes in figure.axes] == ["z = 0.1 c", "z = 0.9 c"]
    for axes in figure.axes:
        rings = [line for line in axes.lines if line.get_fillstyle() == "none"]
        places = {tuple(np.round(np.ravel(line.get_data()), 3).tolist()) for line in rings}
        spins = {tuple(np.round(np.ravel(line.get_data()), 3).tolist()) for line in axes.lines if line.get_marker() == "o"}
        assert len(places) == 13 and places == spins  # eight sites, and those on the edges once more


def test_slanted_bonds_between_layers_are_dashed():
    centred = material(
        sites=[{"label": "s", "positions": [[0, 0, 0], [0.5, 0.5, 0.5]], "spin": 1, "direction": [0, 0, 1]}],
        parameters=[parameter("J", -1.0), parameter("K", -1.0)],
        bonds=[{"parameter": "J", "distance": 4.0}, {"parameter": "K", "distance": np.sqrt(8 + 3.5**2)}],
    )
    figure = plot_structure(centred)
    colours = legend(figure)
    for axes in figure.axes:
        styles = {name: {line.get_linestyle() for line in axes.lines if line.get_color() == colour} for name, colour in colours.items()}
        assert styles == {"J": {"-"}, "K": {"--"}}
    # eight bonds of the centre, all of which end on corners of the cell
    assert len({tuple(np.round(np.ravel(line.get_data()), 3)) for line in figure.axes[1].lines if line.get_linestyle() == "--"}) >= 4


def test_bonds_on_one_another_are_both_seen():
    figure = plot_structure(load_material("example-kagome"))
    colours = legend(figure)
    broad, thin = (max(line.get_linewidth() for line in drawn(figure, colours[name])) for name in ("Dz", "J"))
    assert broad > thin + 2
    under, over = (drawn(figure, colours[name])[0].get_zorder() for name in ("Dz", "J"))
    assert under < over


def test_spiral_turns_from_cell_to_cell():
    figure = plot_structure(triangle(spiral={"k": [1 / 3, 0, 0], "axis": [0, 0, 1]}))
    ways = {}
    for text in figure.axes[0].texts:
        ways[tuple(np.round((np.array(text.xy) + text.xyann) / 2, 6))] = np.array(text.xy) - text.xyann
    # three cells along a and one along b with both their edges
    assert len(ways) == 8
    one, other = ways[(0.0, 0.0)], ways[(6.0, 0.0)]
    assert one @ other / (one @ one) == pytest.approx(-0.5)
    assert ways[(18.0, 0.0)] == pytest.approx(one)
    assert len(plot_structure(triangle(supercell=[3, 3, 1], order=TURN)).axes[0].texts) == 16


def layered(**parts):
    return material(
        parameters=[parameter("J", -1.0), parameter("Jbetween", -1.0)],
        bonds=[{"parameter": "J", "distance": 4.0}, {"parameter": "Jbetween", "distance": 7.0}],
        **parts,
    )


@pytest.mark.parametrize("name", ["example-kagome", "example-triangular", "pcsmo-zener", "pcsmo-dimer", None])
def test_words_fit(name):
    figure = plot_structure(layered() if name is None else load_material(name))
    figure.canvas.draw()
    boxes = [figure._suptitle.get_window_extent(), figure.axes[-1].get_legend().get_window_extent()]
    boxes += [axes.yaxis.label.get_window_extent() for axes in figure.axes]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
