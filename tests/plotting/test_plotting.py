"""The pictures show what they should: rows, titles, limits, masks, units."""

import subprocess
import sys

import numpy as np
import pytest

from mantid_insdl import plotting
from mantid_insdl.errors import MapError
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices
from mantid_insdl.plotting import maps, style


def slices_map(ei=(25.0, 50.0), bins=4, size=8, seed=0, **changes):
    rng = np.random.default_rng(seed)
    qh, qk = (Axis(name, RLU, np.linspace(-1, 1, size), label=name.capitalize()) for name in ("qh", "qk"))
    slices = Slices.from_bins(ei, [np.linspace(0.1 * e, 0.7 * e, bins + 1) for e in ei])
    return Map(**{"intensity": rng.random((slices.size, size, size)), "axes": (qh, qk), "slices": slices, "material": "pcsmo"} | changes)


def energy_map(first, unit, **changes):
    momentum, energy = Axis(first, unit, np.linspace(0, 3, 13), is_edges=True), Axis("energy", MEV, np.linspace(-5, 40, 31), is_edges=True)
    intensity = np.random.default_rng(1).random((12, 30))
    intensity[:3, 20:] = np.nan
    return Map(**{"intensity": intensity, "axes": (momentum, energy), "ei": 50.0} | changes)


def panels(figure):
    """The axes that hold a slice, not a colour bar."""
    return [axes for axes in figure.axes if axes.get_label() not in {"colour bar", "importance key"}]


def texts(figure):
    return " | ".join(text.get_text() for text in figure.texts)


def drawn(axes):
    """What `pcolormesh` drew, masked where no value is known."""
    return axes.collections[0].get_array()


def test_no_pyplot_state(tmp_path):
    plotting.plot_map(slices_map()).savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    # In a process of its own: other tests, or their libraries, may have imported pyplot here.
    script = """
import sys
import numpy as np
from mantid_insdl import plotting
from mantid_insdl.maps import RLU, Axis, Map, Slices
axes = [Axis(name, RLU, np.linspace(-1, 1, 9)) for name in ("qh", "qk")]
plotting.plot_map(Map(np.random.default_rng(0).random((2, 9, 9)), axes, slices=Slices([25, 25], [2, 4], [4, 6]))).savefig(sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script, tmp_path / "b.png"], check=True)


def test_one_row_an_incident_energy_with_window_and_units():
    figure = plotting.plot_slices(slices_map())
    shown = panels(figure)
    assert len(shown) == 8
    assert len({round(axes.get_position().y0, 6) for axes in shown}) == 2
    assert shown[0].get_title() == "2.5 to 6.25 meV"
    assert "Ei = 25 meV" in texts(figure)
    assert "Ei = 50 meV" in texts(figure)
    assert shown[0].get_ylabel() == "Qk (r.l.u.)"
    assert shown[-1].get_xlabel() == "Qh (r.l.u.)"
    bars = [axes for axes in figure.axes if axes.get_label() == "colour bar"]
    assert len(bars) == 2
    assert "arb. units" in bars[0].get_ylabel()


def test_qh_runs_along_x():
    intensity = np.zeros((8, 8, 8))
    intensity[:, 6, 1] = 1.0
    mesh = drawn(panels(plotting.plot_slices(slices_map(intensity=intensity)))[0])
    assert np.argwhere(np.asarray(mesh).reshape(8, 8) == 1.0).tolist() == [[1, 6]]  # rows are y = qk


def test_panels_are_square_in_reciprocal_space():
    assert all(axes.get_aspect() == 1.0 for axes in panels(plotting.plot_slices(slices_map())))


def test_a_hot_pixel_does_not_set_the_limits():
    m = slices_map()
    intensity = np.array(m.intensity)
    intensity[2, 3, 3] = 1e6
    figure = plotting.plot_slices(m.replace(intensity=intensity))
    assert panels(figure)[0].collections[0].get_clim()[1] < 1.1


def test_limits_are_those_of_the_unmasked_pixels_of_one_incident_energy():
    m = slices_map()
    intensity = np.array(m.intensity)
    intensity[4:] *= 10
    first, *_, last = panels(plotting.plot_slices(m.replace(intensity=intensity)))
    assert last.collections[0].get_clim()[1] == pytest.approx(10 * np.percentile(m.intensity[4:], 99.5))
    assert first.collections[0].get_clim()[1] == pytest.approx(np.percentile(m.intensity[:4], 99.5))


def test_masked_pixels_show_the_grey_background():
    m = slices_map()
    mask = np.zeros(m.shape, bool)
    mask[0, 2, 5] = True
    axes = panels(plotting.plot_slices(m.with_mask(mask)))[0]
    assert np.ma.getmaskarray(np.ma.masked_invalid(drawn(axes))).reshape(8, 8)[5, 2]
    assert axes.get_facecolor()[0] == pytest.approx(0.78)


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_a_constant_map_can_be_drawn(value, tmp_path):
    plotting.plot_slices(slices_map(intensity=np.full((8, 8, 8), value))).savefig(tmp_path / "a.png")


def test_a_fully_masked_slice_and_stack_can_be_drawn(tmp_path):
    m = slices_map()
    plotting.plot_slices(m.with_mask(np.ones(m.shape, bool))).savefig(tmp_path / "a.png")


def test_one_pixel_can_be_drawn(tmp_path):
    one = slices_map(ei=(25.0,), bins=1, size=8, intensity=np.ones((1, 1, 1)), axes=(Axis("qh", RLU, [0.0]), Axis("qk", RLU, [0.0])))
    plotting.plot_slices(one, importance=one).savefig(tmp_path / "a.png")


def test_unknown_incident_energy():
    m = slices_map(ei=(25.0,))
    figure = plotting.plot_slices(m.replace(slices=Slices(np.full(4, np.nan), m.slices.energy_min, m.slices.energy_max)))
    assert "Ei unknown" in texts(figure)


def test_slices_are_ordered_by_energy():
    m = slices_map(ei=(25.0,)).select([3, 1, 0, 2])
    assert [axes.get_title().split()[0] for axes in panels(plotting.plot_slices(m))] == ["2.5", "6.25", "10", "13.75"]


def test_many_slices_of_one_incident_energy_wrap():
    figure = plotting.plot_slices(slices_map(ei=(25.0,), bins=25))
    assert len({round(axes.get_position().y0, 6) for axes in panels(figure)}) == 3
    for axes in panels(figure):
        box = axes.get_position()
        assert 0 <= box.x0 < box.x1 <= 1
        assert 0 <= box.y0 < box.y1 <= 1


def test_a_huge_stack_shows_some_slices_and_says_so():
    figure = plotting.plot_slices(slices_map(ei=(25.0,), bins=300, size=2))
    assert len(panels(figure)) == maps.MAXIMUM_PANELS
    assert "120 of 300 slices" in texts(figure)


def test_a_long_title_is_broken_and_stays_in_the_figure():
    figure = plotting.plot_slices(slices_map(ei=(25.0,), bins=2), title="a long title " * 12)
    figure.canvas.draw()
    for text in figure.texts:
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


def test_comparison_draws_maps_below_each_other_with_the_same_limits():
    m = slices_map(ei=(25.0,))
    shown = panels(plotting.plot_comparison({"measured": m, "fit": m.scaled(0.5)}))
    assert len(shown) == 8
    assert len({axes.collections[0].get_clim() for axes in shown}) == 1
    np.testing.assert_allclose(np.asarray(drawn(shown[4])), 0.5 * np.asarray(drawn(shown[0])))


def test_residual_is_the_difference_in_the_unit_of_the_map_on_one_signed_scale():
    m = slices_map(ei=(25.0,), intensity_unit="counts")
    fit = m.replace(intensity=np.full(m.shape, 0.4), mask=np.broadcast_to(np.arange(8)[:, None] == 3, m.shape))
    figure = plotting.plot_residual(m, fit)
    measured, calculated, difference = (drawn(axes) for axes in panels(figure)[:: m.slices.size])
    expected = np.where(fit.mask[0], np.nan, m.intensity[0] - 0.4).T  # Qh runs along x
    np.testing.assert_allclose(np.ma.filled(difference.astype(float), np.nan), expected)
    assert np.isnan(np.ma.filled(calculated.astype(float), np.nan)).sum() == 8 and not np.ma.getmaskarray(measured).any()
    low, high = panels(figure)[0].collections[0].get_clim()
    assert low == -high and "counts" in figure.axes[-1].get_ylabel()


def test_comparison_of_other_axes_is_refused():
    with pytest.raises(MapError):
        plotting.plot_comparison({"a": slices_map(), "b": slices_map(size=9)})


def test_importance_is_tinted_with_contours_where_it_is_high():
    m = slices_map()
    values = np.zeros(m.shape)
    values[0, 2:5, 2:5] = 1.0
    shown = panels(plotting.plot_slices(m, importance=m.replace(intensity=values)))
    assert len(shown[0].collections) == 3  # the slice, its tint, and the contours
    assert len(shown[1].collections) == 2
    opacity = shown[0].collections[1].to_rgba([0.0, 0.1, 1.0])[:, 3]
    assert opacity[[0, 2]].tolist() == [0.0, maps.IMPORTANCE_OPACITY]
    assert opacity[1] > 0.25  # a tenth of the largest importance is seen
    assert shown[0].texts[0].get_text() == f"{9 / 64:.2f}"


def test_importance_has_one_scale_from_0_to_1():
    figure = plotting.plot_importance(slices_map().scaled(0.1))
    assert {axes.collections[0].get_clim() for axes in panels(figure)} == {(0.0, 1.0)}


def lightness(colours):
    """CIE L* of sRGB colours."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return 116 * np.cbrt(linear[..., :3] @ [0.2126, 0.7152, 0.0722]) - 16


def test_importance_is_light_where_there_is_none_and_small_values_are_told_from_it():
    axes = panels(plotting.plot_importance(slices_map()))[0]
    none, tenth, half, most = lightness(axes.collections[0].to_rgba([0.0, 0.1, 0.5, 1.0]))
    assert none > 90 and none - tenth > 15 and tenth - half > 15 and half - most > 15
    masked = lightness(np.array(axes.get_facecolor()))
    assert none - masked > 15


def test_powder_map_has_momentum_along_x_and_units():
    figure = plotting.plot_map(energy_map("q", PER_ANGSTROM))
    axes = figure.axes[0]
    assert axes.get_xlabel() == "|Q| (1/angstrom)"
    assert axes.get_ylabel() == "energy transfer (meV)"
    assert "Ei = 50 meV" in axes.get_title()
    assert axes.get_ylim() == (-5, 40)
    assert np.ma.getmaskarray(np.ma.masked_invalid(drawn(axes))).sum() == 30


def test_cut_labels_momenta():
    path = np.linspace([0, 0, 0], [1, 0.5, 0], 12)
    axes = plotting.plot_map(energy_map("path", RLU, path=path)).axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels[0] == "0\n0\n0"
    assert labels[-1] == "1\n0.5\n0"


@pytest.mark.parametrize("draw", [plotting.plot_slices, plotting.plot_importance, plotting.plot_cut])
def test_wrong_kind_of_map_is_refused(draw):
    with pytest.raises(MapError, match="powder"):
        draw(energy_map("q", PER_ANGSTROM))


@pytest.mark.parametrize(
    ("values", "limits"),
    [
        ([0.0, 1.0, 2.0], (0.0, 2.0)),
        ([5.0, 6.0, 7.0], (0.0, 7.0)),
        ([-4.0, -3.0, 1.0], (0.0, 1.0)),
        ([-4.0, -3.0, -1.0], (-4.0, 0.0)),
        ([np.nan, 2.0, np.nan], (0.0, 2.0)),
        ([np.nan, np.nan], (0.0, 1.0)),
        ([0.0, 0.0], (0.0, 1.0)),
    ],
)
def test_colour_limits(values, limits):
    assert style.colour_limits(np.array(values), high=100) == limits


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ([0.0, 1.0], "neither"),
        ([-0.1, 1.0], "min"),
        ([0.0, 1.1], "max"),
        ([-1.0, np.nan, 2.0], "both"),
        ([np.nan], "neither"),
        ([1 + 1e-9], "neither"),
    ],
)
def test_colour_bar_is_pointed_where_values_lie_beyond_it(values, ends):
    assert style.extend(np.array(values), (0.0, 1.0)) == ends


def test_colour_bars_are_pointed_where_the_percentile_leaves_pixels_out():
    def ends(m):
        return [len(axes.patches) for axes in plotting.plot_slices(m).axes if axes.get_label() == "colour bar"]

    assert ends(slices_map()) == [1, 1]
    assert ends(slices_map(intensity=np.ones((8, 8, 8)))) == [0, 0]


def test_colour_limits_of_mostly_empty_pixels_reach_the_few_filled_ones():
    values = np.zeros(1000)
    values[7] = 5.0
    assert style.colour_limits(values) == (0.0, 5.0)
