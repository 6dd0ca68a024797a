"""Pictures of fits, made by hand: what is drawn where."""

import numpy as np
import pytest

from mantid_insdl.errors import MapError
from mantid_insdl.fitting.results import Fit, Fitted
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices
from mantid_insdl.plotting import plot_corner, plot_fit


def slices(intensity, error=None):
    q = [Axis(name, RLU, np.linspace(-1, 1, 9), is_edges=True) for name in ("qh", "qk")]
    return Map(intensity, q, error=error, slices=Slices([25.0, 50.0], [2.0, 5.0], [4.0, 8.0]))


def powder(intensity, error=None):
    axes = Axis("q", PER_ANGSTROM, np.linspace(0.5, 3, 9), is_edges=True), Axis("energy", MEV, np.linspace(0, 8, 9), is_edges=True)
    return Map(intensity, axes, error=error)


def drawn(figure):
    return [
        axes.collections[0].get_array() for axes in figure.axes if axes.collections and axes.get_label() not in ("colour bar", "<colorbar>")
    ]


@pytest.mark.parametrize(("make", "shape"), [(slices, (2, 8, 8)), (powder, (8, 8))])
def test_residuals_are_in_standard_deviations_and_have_a_scale_of_their_own(make, shape):
    data = np.full(shape, 3.0)
    data[..., 2, 5] = np.nan
    model = make(np.full(shape, 2.0), error=np.full(shape, 0.25))
    figure = plot_fit(make(data), model, title="a title")
    values = {float(np.round(np.nanmax(np.ma.filled(panel, np.nan)), 9)) for panel in drawn(figure)}
    assert values == {3.0, 2.0, 4.0}, "data, calculation, and (3 - 2) / 0.25"
    residual = next(p for p in drawn(figure) if np.nanmax(np.ma.filled(p, np.nan)) == 4.0).reshape(8, 8)
    assert np.ma.filled(residual, np.nan)[5, 2] != 4.0, "masked as the data are"
    bars = [axes for axes in figure.axes if axes.get_label() in ("colour bar", "<colorbar>")]
    assert any("deviation" in bar.get_ylabel() and "arb" not in bar.get_ylabel() for bar in bars)
    pulls = next(bar for bar in bars if "deviation" in bar.get_ylabel())
    assert pulls.get_ylim() == (-5.0, 5.0)


def test_a_calculation_without_errors_has_no_residual():
    with pytest.raises(MapError, match="no error"):
        plot_fit(slices(np.ones((2, 8, 8))), slices(np.ones((2, 8, 8))))


def hand_made(covariance, free=("J1", "J2"), others=()):
    m = powder(np.ones((8, 8)))
    parameters = tuple(
        Fitted(name, value, 0.1, "meV", -5, 5, True, name not in free) for name, value in (("J1", 1.0), ("J2", -2.0), ("D", 0.0))
    )
    return Fit(
        material="own",
        parameters=parameters,
        nuisances=(),
        free=free,
        covariance=np.asarray(covariance),
        incident_energies=(25.0,),
        scale=(1.0,),
        background=(0.0,),
        log_likelihood=-1.0,
        pixels=64,
        chi_squared=1.0,
        error_scale=1.0,
        model_error=0.0,
        error_source="",
        model=m,
        data=m,
        others=others,
    )


def test_corner_has_the_extent_of_the_ellipses_and_the_other_minima():
    covariance = np.array([[0.04, 0.05], [0.05, 0.25]])
    figure = plot_corner(hand_made(covariance, others=({"J1": 1.3, "J2": -1.5},)))
    pair = figure.axes[2]
    ellipses = [patch.get_path().vertices for patch in pair.patches]
    np.testing.assert_allclose([np.ptp(v[:, 0]) / 2 for v in ellipses], [0.2, 0.4], rtol=2e-3)
    np.testing.assert_allclose([np.ptp(v[:, 1]) / 2 for v in ellipses], [0.5, 1.0], rtol=2e-3)
    np.testing.assert_allclose([v.mean(axis=0) for v in ellipses], [[1, -2]] * 2, atol=0.02)
    right = ellipses[0][np.argmax(ellipses[0][:, 0])]
    assert right[1] == pytest.approx(-2 + 0.5 * 0.5, abs=0.02), "correlation 0.5: at the right end half a deviation up"
    (cross,) = pair.lines
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (1.3, -1.5)
    assert [axes.get_title() for axes in (figure.axes[0], figure.axes[3])] == ["1 ± 0.2", "-2 ± 0.5"]
    assert pair.get_xlabel() == "J1\n(meV)" and pair.get_ylabel() == "J2\n(meV)"


def test_corner_of_nothing_is_refused():
    with pytest.raises(MapError, match="no parameter was fitted"):
        plot_corner(hand_made(np.empty((0, 0)), free=()))
