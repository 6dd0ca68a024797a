"""What is done to a simulated map to make it look measured, one thing at a time, against what it must do."""

import numpy as np
import pytest
from toy_maps import NOTHING

from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.training.backgrounds import Scene
from mantid_insdl.training.datasets import SimulatedMaps
from mantid_insdl.training.measurement import Measurer, counted, exposure, measure
from mantid_insdl.training.recipes import Dataset, FixedSlices

FAR_BELOW_EI = Slices([1000.0, 1000.0], [1.0, 2.0], [2.0, 3.0])  # kf / ki is 1 within a thousandth
TWO_EI = Slices([25, 25, 50, 50], [3, 5, 5, 8], [5, 7, 8, 11])


def one(seed, slices=FAR_BELOW_EI, size=21, expected=None, reciprocal=(1.16, 1.16), **changes):
    """Measured intensity and signal of a flat map, or of `expected`; everything is off but `changes`."""
    qh, qk = (Axis(name, RLU, np.linspace(-1, 1, size)) for name in ("qh", "qk"))
    expected = np.ones((slices.size, size, size)) if expected is None else expected
    return measure(expected, slices, qh, qk, reciprocal, NOTHING.model_copy(update=changes), np.random.default_rng(seed))


def test_with_everything_off_the_map_is_left_as_it_is_but_for_its_unit():
    expected = 7.0 + np.random.default_rng(0).random((2, 21, 21))
    intensity, signal = one(0, expected=expected)
    assert intensity == pytest.approx(expected / expected.mean(), rel=2e-3)
    assert signal == pytest.approx(expected / expected.mean(), rel=2e-3)


def test_the_beam_stop_is_always_in_the_gaps_and_its_truth_is_kept():
    for seed in range(20):
        intensity, signal = one(seed, gaps=1)
        assert np.isnan(intensity[:, 10, 10]).all() and not np.isnan(intensity).all()
        assert np.isfinite(signal).all()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_gaps_come_as_often_as_the_recipe_says(share):
    gone = [np.isnan(one(seed, size=9, gaps=share)[0]).any() for seed in range(300)]
    assert np.mean(gone) == pytest.approx(share, abs=0.08)


def test_some_pixels_of_a_gap_are_left_as_zeros():
    open_share = []
    for seed in range(60):
        intensity, _ = one(seed, gaps=1, unmasked_gap_pixels=0.4)
        gap = ~(intensity > 0.5)
        assert np.all(np.isnan(intensity[gap]) | (intensity[gap] == 0))
        open_share.append(np.mean(intensity[gap] == 0))
    assert max(open_share) < 0.45 and np.mean(open_share) == pytest.approx(0.2, abs=0.04)


def test_missing_incident_energies_leave_at_least_one_and_are_not_always_the_same():
    seen = set()
    for seed in range(30):
        intensity, signal = one(seed, TWO_EI, missing_ei=1)
        assert np.array_equal(np.isnan(intensity), np.isnan(signal))
        left = np.isfinite(intensity).all(axis=(1, 2))
        assert np.array_equal(left, np.isfinite(intensity).any(axis=(1, 2)))
        seen.add(tuple(left.tolist()))
    assert seen == {(True, True, False, False), (False, False, True, True)}
    share = np.mean([np.isnan(one(seed, TWO_EI, size=3, missing_ei=0.3)[0]).any() for seed in range(300)])
    assert share == pytest.approx(0.3, abs=0.08)
    assert np.isfinite(one(0, missing_ei=1)[0]).all()  # the only incident energy is never missing


@pytest.mark.parametrize("counts", [4.0, 100.0])
def test_noise_is_that_of_so_many_neutrons_a_pixel(counts):
    intensity, signal = one(1, size=100, counts_per_pixel=(counts, counts))
    assert signal == pytest.approx(1, rel=2e-3)
    assert intensity.mean() == pytest.approx(1, abs=0.02)
    assert intensity.std() == pytest.approx(1 / np.sqrt(counts), rel=0.03)


def test_number_of_neutrons_is_drawn_between_its_limits_on_a_logarithmic_scale():
    counts = np.array([1 / one(seed, size=30, counts_per_pixel=(1.0, 100.0))[0].var() for seed in range(100)])
    assert 0.7 < counts.min() < 2 and 50 < counts.max() < 130
    assert np.exp(np.log(counts).mean()) == pytest.approx(10, rel=0.3)


def test_background_adds_noise_and_no_intensity():
    """Of a flat signal 1 over a background of mean 3 with c neutrons a pixel, one neutron is 4 / c, and the noise 4 / sqrt(c)."""
    for seed in range(20):
        intensity, _ = one(seed, size=40, counts_per_pixel=(100.0, 100.0), background=(3, 3), reciprocal=(1e-3, 1e-3))
        assert intensity.mean() == pytest.approx(1, abs=0.05)
        assert np.sqrt(intensity.var(axis=(1, 2)).mean()) == pytest.approx(0.4, rel=0.1)


def test_what_subtraction_leaves_grows_with_momentum_and_falls_with_energy():
    rest = np.array([np.subtract(*one(seed, background=(2, 2), background_residual=0.5)) for seed in range(200)])
    centre, corner = rest[:, :, 10, 10], rest[:, :, 0, 0]
    assert np.all(corner / centre > 0.99) and np.all(centre[:, 1] / centre[:, 0] < 1.01)
    assert np.median(corner / centre) > 1.1 and np.median(centre[:, 1] / centre[:, 0]) < 0.9
    mean = rest.mean(axis=(1, 2, 3))  # |N(0, 0.5)| x 2
    assert np.abs(mean).mean() == pytest.approx(np.sqrt(2 / np.pi), rel=0.15)
    assert np.mean(mean > 0) == pytest.approx(0.5, abs=0.12)


def test_efficiency_lies_between_one_and_kf_over_ki():
    slices = Slices([100, 100], [9, 89], [11, 91])
    ratio = np.array([np.divide(*one(seed, slices, size=5)[1][:, 0, 0]) for seed in range(200)])  # of the low window to the high one
    assert np.all((ratio > 0.99) & (ratio < 3.03))  # sqrt(0.9 / 0.1)
    assert np.log(ratio).mean() == pytest.approx(0.5 * np.log(3), abs=0.06)


def test_slices_differ_in_scale_by_as_much_as_the_recipe_says():
    slices = Slices(np.full(400, 1e5), np.arange(400), np.arange(400) + 1)
    _, signal = one(5, slices, size=2, slice_scale=0.2)
    assert np.log(signal[:, 0, 0]).std() == pytest.approx(0.2, rel=0.12)


def test_hot_pixels_are_few_and_three_to_ten_times_as_bright():
    shares = []
    for seed in range(50):
        intensity, signal = one(seed, hot_pixels=0.2)
        ratio = intensity / signal
        hot = ratio > 1.5
        assert np.all((ratio[hot] > 2.9) & (ratio[hot] < 10.1)) and np.all(np.abs(ratio[~hot] - 1) < 0.01)
        shares.append(hot.mean())
    assert max(shares) < 0.25 and np.mean(shares) == pytest.approx(0.1, abs=0.03)


def test_negative_intensity_is_cut_as_often_as_the_recipe_says():
    def lowest(seed, share):
        return one(seed, size=9, counts_per_pixel=(2, 2), background=(2, 2), negatives_cut=share)[0].min()

    assert all(lowest(seed, 0) < 0 and lowest(seed, 1) == 0 for seed in range(10))
    assert np.mean([lowest(seed, 0.3) == 0 for seed in range(300)]) == pytest.approx(0.3, abs=0.08)


SPEC = Dataset(
    name="toy",
    materials={"rb2mnf4": 2},
    prior="uniform",
    grid={"size": 8},
    slices=FixedSlices(ei=(50,), energy_fraction=(0.1, 0.7), bins=3),
    seed=1,
)


def toy_maps():
    """Two maps, the second with two slices only."""
    intensity = np.random.default_rng(0).gamma(2.0, 1.0, (2, 3, 8, 8))
    windows = np.stack([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0], [1000.0] * 3], axis=-1)[None].repeat(2, axis=0)
    windows[1, 2] = intensity[1, 2] = np.nan
    zeros = np.zeros(2, int)
    return SimulatedMaps(("rb2mnf4",), intensity.astype(np.float16), zeros, np.zeros((2, 1)), zeros, windows, (0,), "")


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_measurer_gives_what_the_network_sees_and_the_truth_in_the_same_unit(fraction):
    data = toy_maps()
    settings = NOTHING.model_copy(update={"twin_fraction": (fraction, fraction)})
    maps = Measurer(data, SPEC, settings, keep_signal=True).measure(np.array([1, 0]), (7,))
    truth = data.intensity[[1, 0]].astype(float)
    truth = truth if fraction else np.swapaxes(truth, -1, -2)
    # One scale for the one incident energy: the mean up to the hottest pixels.
    for row, number in enumerate((2, 3)):
        unit = maps.scale[row, 0]
        mean = truth[row, :number].mean()
        assert maps.signal[row, :number] * unit * mean == pytest.approx(truth[row, :number], rel=5e-3)
        assert maps.stack[row, :number, ..., 0] == pytest.approx(np.minimum(maps.signal[row, :number], 12), rel=5e-3)
        assert maps.stack[row, :number, ..., 0].mean() == pytest.approx(1, abs=0.05)
        assert np.all(maps.stack[row, :number, ..., 1] == 1) and np.all(maps.stack[row, number:] == 0)
    assert maps.used[..., 0].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert maps.windows[0] == pytest.approx(np.array([[0.1, 0.2, 3], [0.2, 0.3, 3], [0, 0, 0]]))


def test_training_maps_have_gaps():
    settings = NOTHING.model_copy(update={"gaps": 1.0})
    spec = SPEC.model_copy(update={"grid": SPEC.grid.model_copy(update={"size": 9})})
    ones = np.ones((30, 3, 9, 9), np.float16)
    windows = toy_maps().windows[:1].repeat(30, axis=0)
    zeros = np.zeros(30, int)
    data = SimulatedMaps(("rb2mnf4",), ones, zeros, np.zeros((30, 1)), zeros, windows, (0,), "")
    stack = Measurer(data, spec, settings).measure(np.arange(30), (0,)).stack
    assert np.all(stack[:, :, 4, 4] == 0)  # the beam stop
    assert 0.5 < stack[..., 1].mean() < 0.99


@pytest.mark.parametrize("expected", [0.2, 3.0, 40.0])
def test_counting_has_the_mean_and_variance_of_poisson_on_either_side_of_the_normal_one(expected):
    level = np.full((4, 100, 100), 2.0 * expected, np.float32)
    level[0, 0, :3] = np.nan
    drawn = counted(level, 2.0, np.random.default_rng(0))
    assert np.array_equal(np.isnan(drawn), np.isnan(level))
    assert np.nanmean(drawn) == pytest.approx(2 * expected, rel=0.02)
    assert np.nanvar(drawn) == pytest.approx(4 * expected, rel=0.03)
    assert np.all(np.isin(drawn[np.isfinite(drawn)] / 2, np.arange(200)))


def test_exposure_differs_between_pixels_and_is_less_beside_gaps():
    """The mean stays; the variance follows one over the exposure."""
    scene = Scene(FAR_BELOW_EI, *(Axis(name, RLU, np.linspace(-1, 1, 40)) for name in ("qh", "qk")), (1.16, 1.16))
    gaps = np.zeros((2, 40, 40), bool)
    gaps[:, 20] = True
    beside, elsewhere = [], []
    for seed in range(60):
        logarithm = np.log(exposure(scene, gaps, 0.5, np.random.default_rng(seed)))[0]
        beside.append(logarithm[[19, 21]].mean())
        elsewhere.append(logarithm[:15].mean())
    assert np.mean(beside) - np.mean(elsewhere) == pytest.approx(np.mean(np.log(np.linspace(0.1, 1, 10001))), abs=0.2)
    spread = []
    for seed in range(8):
        intensity, _ = one(seed, size=200, uneven=0.8, counts_per_pixel=(50.0, 50.0))
        assert intensity.mean() == pytest.approx(1, abs=0.01)
        spread.append(intensity.std() * np.sqrt(50))
    assert min(spread) > 0.99 and max(spread) > 1.15


def test_counts_of_incident_energies_differ_by_the_factor_of_the_recipe():
    ratios = []
    for seed in range(120):
        intensity, _ = one(seed, TWO_EI, size=30, counts_per_pixel=(30.0, 30.0), counts_between_ei=4.0)
        ratios.append(np.log(intensity[:2].var() / intensity[2:].var()))
    # the difference of two uniform numbers between -log 4 and log 4
    assert np.std(ratios) == pytest.approx(2 * np.log(4) / np.sqrt(6), rel=0.2)


def test_a_warm_magnet_has_more_at_low_energy():
    slices = Slices([1000.0, 1000.0], [2.0, 39.0], [4.0, 41.0])
    _, signal = one(3, slices, size=3, warm=1.0, temperature=(100.0, 100.0))
    factor = 1 / (1 - np.exp(-np.array([3.0, 40.0]) / (0.0861733 * 100)))
    assert signal[0, 0, 0] / signal[1, 0, 0] == pytest.approx(factor[0] / factor[1], rel=0.03)


def test_the_brightest_pixels_are_cut_to_one_value():
    expected = np.random.default_rng(0).gamma(1.0, 1.0, (2, 40, 40))
    shares = []
    for seed in range(60):
        intensity, _ = one(seed, size=40, expected=expected, clipped=1.0)
        shares.append(np.mean(intensity == intensity.max()))
    assert 0.0003 <= min(shares) < 0.002 and 0.015 < max(shares) < 0.031


def test_axes_are_turned_and_shifted_a_little():
    h = np.linspace(-1, 1, 41)
    expected = np.exp(-((h[:, None] - 0.5) ** 2 + h**2) / 0.01)[None].repeat(2, axis=0)
    moved = []
    for seed in range(80):
        _, signal = one(seed, size=41, expected=expected, misaligned=1.0)
        weight = signal[0] / signal[0].sum()
        moved.append((np.sum(weight.sum(1) * h) - 0.5, np.sum(weight.sum(0) * h)))
    spread = np.std(moved, axis=0)
    # shift of 0.02 in both; along h also 1 % of 0.5, along k also one degree of it
    assert spread == pytest.approx([np.hypot(0.02, 0.005), np.hypot(0.02, 0.0087)], rel=0.3)
    assert np.abs(np.mean(moved, axis=0)).max() < 0.02
    _, still = one(0, size=41, expected=expected)
    assert still[0] / still[0].sum() == pytest.approx(expected[0] / expected[0].sum(), rel=1e-4)


def test_structured_backgrounds_come_as_often_as_the_recipe_says():
    """Where the rest of a background is left, its shape is that of what was drawn: smooth, or with phonons, rings or Bragg tails."""

    def bent(share):
        found = []
        for seed in range(60):
            rest = one(seed, TWO_EI, size=30, background=(2, 2), background_left=1, structured_background=share)
            left = (rest[0] - rest[1])[0]
            found.append(np.abs(np.diff(left, 2, axis=0)).max() / left.mean())
        return np.array(found)

    assert np.mean(bent(0.0) > 0.05) < 0.05 and np.mean(bent(0.9) > 0.05) > 0.8


def test_windows_above_the_band_hold_background_and_no_number_that_is_none():
    expected = np.ones((4, 12, 12))
    expected[2:] = 0
    intensity, signal = one(0, TWO_EI, size=12, expected=expected, background=(1, 1), counts_per_pixel=(100.0, 100.0))
    assert np.all(np.isfinite(intensity)) and np.all(signal[2:] == 0) and intensity[2:].std() > 0
