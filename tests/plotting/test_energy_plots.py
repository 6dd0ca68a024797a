"""Pictures against energy: powder maps, cuts with named corners, dispersions."""

import itertools

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from mantid_insdl import plotting
from mantid_insdl.errors import MapError
from mantid_insdl.maps import MEV, PER_ANGSTROM, Axis, Map
from mantid_insdl.plotting.energy import _paired, _stretches
from mantid_insdl.simulation.spectra import Dispersion, dispersion, simulate_cut, simulate_powder

CORNERS = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]
ENERGY = Axis("energy", MEV, np.linspace(0, 8, 41), is_edges=True)


@pytest.fixture(scope="module")
def cut():
    return simulate_cut("rb2mnf4", corners=CORNERS, labels=["Gamma", "M", "X", "G"], energy=ENERGY, points=40, fwhm=0.3)


@pytest.fixture(scope="module")
def lines():
    return dispersion("rb2mnf4", corners=CORNERS, labels=["Gamma", "M", "X", "G"], points=40)


def ticks(axes):
    return [label.get_text() for label in axes.get_xticklabels()]


def coloured(axes):
    return next(one for one in axes.collections if isinstance(one, LineCollection))


def made(energies, s_perp, **changes):
    """A dispersion along h of a chain, from arrays (point, mode)."""
    n = len(energies)
    axis = Axis("path", PER_ANGSTROM, np.linspace(0, 2, n))
    hkl = np.linspace([0, 0, 0], [1, 0, 0], n)
    return Dispersion(**{"axis": axis, "hkl": hkl, "energies": energies, "s_perp": s_perp, "corners": ((0, "A"), (n - 1, "B"))} | changes)


@pytest.mark.parametrize("draw", ["cut", "lines"])
def test_corners_are_named_and_drawn_at_their_momenta(draw, cut, lines):
    figure = plotting.plot_map(cut) if draw == "cut" else plotting.plot_dispersion(lines)
    axes = figure.axes[0]
    assert ticks(axes) == ["Γ\n(0, 0, 0)", "M\n(½, ½, 0)", "X\n(½, 0, 0)", "Γ\n(0, 0, 0)"]
    places = [lines.axis.centres[index] for index, _ in lines.corners]
    assert axes.get_xticks() == pytest.approx(places)
    assert axes.get_xlim() == pytest.approx((places[0], places[-1]))
    upright = [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2 and np.ptp(line.get_xdata()) == 0]
    assert upright == pytest.approx(places[1:-1])
    assert "meV" in axes.get_ylabel() and "r.l.u." in axes.get_xlabel()
    assert "chemical cell" in figure.get_supxlabel()


def test_labels_of_narrow_paths_are_stacked_and_fractions_are_negative():
    corners = [[0, 0, 0], [-0.25, 0, 0], [-0.25, 0.01, 0.123]]
    axes = plotting.plot_dispersion(dispersion("rb2mnf4", corners=corners, points=30)).axes[0]
    assert ticks(axes)[1:] == ["−¼\n0\n0", "−¼\n0.01\n0.123"]


def test_dollars_in_labels_and_titles_are_text(tmp_path):
    found = made(np.ones((4, 1)), np.ones((4, 1)), corners=((0, "$\\frac"), (3, "")), title="$a_{", frame="$x^{")
    plotting.plot_dispersion(found).savefig(tmp_path / "a.png")


def test_strong_lines_are_thick_dark_and_on_top_and_unseen_ones_grey():
    intensities = np.tile([0.0, 1.0, 4.0], (5, 1))
    figure = plotting.plot_dispersion(made(np.tile([1.0, 2.0, 3.0], (5, 1)), intensities))
    seen = coloured(figure.axes[0])
    energies = np.array([segment[:, 1] for segment in seen.get_segments()])
    assert energies.tolist() == [[2, 2]] * 4 + [[3, 3]] * 4  # the mode at 1 meV stays grey, and the strongest is drawn last
    assert np.asarray(seen.get_array()) == pytest.approx([1] * 4 + [4] * 4)
    widths = seen.get_linewidths()
    assert widths[-1] > widths[0] + 1
    grey = [line for line in figure.axes[0].lines if np.ptp(line.get_xdata()) == 2]
    assert len(grey) == 3
    assert "per magnetic ion" in figure.axes[1].get_ylabel()


def test_degenerate_modes_show_their_sum():
    figure = plotting.plot_dispersion(made(np.full((4, 2), 2.0), np.tile([0.3, 0.7], (4, 1))))
    assert np.asarray(coloured(figure.axes[0]).get_array()) == pytest.approx(1.0)


@pytest.mark.parametrize("points", [41, 40])  # with the crossing on a point, and between two
def test_crossing_modes_go_on_with_their_own_intensities(points):
    x = np.linspace(-1, 1, points)
    rising, falling = 5 + x, 5 - x
    energies = np.sort(np.stack((rising, falling), axis=1), axis=1)
    strong, weak = 0.7, 0.2
    intensities = np.where((x < 0)[:, None], [strong, weak], [weak, strong])  # of the lower and the upper mode: the rising one is strong
    if points % 2:
        intensities[points // 2] = 0.9, 0.0  # where both are one energy, what each has is arbitrary
    seen = coloured(plotting.plot_dispersion(made(energies, intensities)).axes[0])
    slopes = np.array([np.subtract(*segment[::-1, 1]) for segment in seen.get_segments()])
    values = np.asarray(seen.get_array())
    assert (slopes > 1e-9).sum() == (slopes < -1e-9).sum() == points - 1
    assert values[slopes > 0] == pytest.approx(strong) and values[slopes < 0] == pytest.approx(weak)


def test_modes_are_paired_so_that_no_two_would_better_be_exchanged():
    rng = np.random.default_rng(0)
    for size in (1, 2, 5, 9):
        cost = rng.uniform(0, 1, (size, size))
        start = rng.permutation(size)
        found = _paired(cost, start)
        assert sorted(found) == list(range(size))
        for i, j in itertools.combinations(range(size), 2):
            assert cost[i, found[i]] + cost[j, found[j]] <= cost[i, found[j]] + cost[j, found[i]]
    # of two modes there is but one exchange
    assert list(_paired(np.array([[1.0, 0.0], [0.0, 1.0]]), np.arange(2))) == [1, 0]


def test_stretches_are_whole_ones():
    true = np.array([1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1], bool)[:, None, None]
    assert _stretches(true, 3)[:, 0, 0].tolist() == [False] * 3 + [True] * 3 + [False] + [True] * 4
    assert not _stretches(true[:2], 3).any()


def test_the_label_needs_no_mathematical_typesetting(lines):
    """Its grammar takes a tenth of the command `insdl simulate --plot`."""
    assert [axes.get_ylabel() for axes in plotting.plot_dispersion(lines).axes] == ["energy (meV)", "S⊥ (spin² per magnetic ion)"]


def test_modes_that_go_together_for_a_while_are_one_line_there():
    # two modes 0.1 % apart on half of the path, and far apart on the other: the sum is seen where they are one line
    x = np.linspace(0, 1, 101)
    energies = np.stack((np.full(101, 4.0), 4.004 + np.where(x < 0.5, 0, 4 * (x - 0.5))), axis=1)
    seen = coloured(plotting.plot_dispersion(made(energies, np.tile([0.3, 0.7], (101, 1)))).axes[0])
    middle = np.array([segment[:, 0].mean() for segment in seen.get_segments()])
    middle /= middle.max()
    values = np.asarray(seen.get_array())
    assert values[middle < 0.45] == pytest.approx(1.0)
    assert sorted(set(np.round(values[middle > 0.6], 6))) == [0.3, 0.7]


def test_divergent_goldstone_points_take_the_colour_of_their_neighbours(tmp_path):
    intensities = np.array([[np.nan], [5.0], [2.0], [1.0]])
    figure = plotting.plot_dispersion(made(np.array([[0.0], [1.0], [2.0], [3.0]]), intensities))
    assert sorted(coloured(figure.axes[0]).get_array()) == pytest.approx([1.5, 3.5, 5.0])
    figure.savefig(tmp_path / "a.png")


def test_nothing_seen_can_be_drawn(tmp_path):
    for values in (0.0, np.nan):
        plotting.plot_dispersion(made(np.zeros((3, 2)), np.full((3, 2), values))).savefig(tmp_path / "a.png")


def test_chiral_components_have_two_colours():
    figure = plotting.plot_dispersion(made(np.tile([1.0, 2.0], (5, 1)), np.tile([-1.0, 0.5], (5, 1)), component="chiral"))
    lines = coloured(figure.axes[0])
    assert lines.get_clim() == (-1.0, 1.0)
    assert "chiral" in figure.axes[1].get_ylabel()
    red, blue = (lines.cmap(lines.norm(value)) for value in (0.5, -0.5))
    assert red[0] > red[2] and blue[2] > blue[0]
    axes = (Axis("path", PER_ANGSTROM, [0.0, 1.0]), Axis("energy", MEV, [1.0, 2.0]))
    m = Map(np.array([[-2.0, 1.0], [0.0, 0.5]]), axes, logs={"component": ("chiral", "")})
    figure = plotting.plot_map(m)
    low, high = figure.axes[0].collections[0].get_clim()
    assert low == -high and "chiral" in figure.axes[1].get_ylabel()
    assert "intensity yy" in plotting.plot_map(m.replace(logs={"component": ("yy", "")})).axes[1].get_ylabel()


def test_lines_lie_over_the_intensity(cut, lines):
    figure = plotting.plot_cut(cut, dispersion=lines)
    over = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 40]
    assert len(over) == 2
    assert over[0].get_ydata() == pytest.approx(lines.energies[:, 0])
    assert figure.axes[0].get_ylim() == pytest.approx((0, 8))
    # where the lines are, there the picture is bright
    column = cut.intensity[20]
    assert abs(ENERGY.centres[column.argmax()] - lines.energies[20, 0]) < 0.2


def test_lines_of_another_path_are_refused(cut):
    other = dispersion("rb2mnf4", corners=CORNERS[:3], points=40)
    with pytest.raises(MapError, match="another path"):
        plotting.plot_cut(cut, dispersion=other)


def test_powder_map_says_what_is_masked():
    q = Axis("q", PER_ANGSTROM, np.linspace(0.1, 4, 9), is_edges=True)
    masked = plotting.plot_map(simulate_powder("rb2mnf4", q=q, energy=ENERGY, ei=10.0, directions=5))
    assert masked.axes[0].get_xlabel() == "|Q| (1/angstrom)"
    assert "masked" in masked.axes[1].get_ylabel() and "Ei = 10 meV" in masked.axes[0].get_title()
    whole = plotting.plot_map(simulate_powder("rb2mnf4", q=q, energy=ENERGY, fwhm=0.5, directions=5))
    assert "masked" not in whole.axes[1].get_ylabel()
