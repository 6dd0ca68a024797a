"""Slices of the same window: said where they agree, refused where they do not."""

import numpy as np
import pytest

from mantid_insdl.errors import UnsuitableMapError
from mantid_insdl.maps import RLU, Axis, Map, Slices, stack
from mantid_insdl.networks.bundles import find_bundle, read_card
from mantid_insdl.networks.preparation import prepare
from mantid_insdl.networks.repeats import check_repeats

AXES = tuple(Axis(name, RLU, np.linspace(-1, 1, 40)) for name in ("qh", "qk"))


def expected(level):
    """Mean counts of a pixel: a ring over a background."""
    radius = np.hypot(*np.meshgrid(AXES[0].centres, AXES[1].centres, indexing="ij"))
    return level * (0.3 + np.exp(-(((radius - 0.6) / 0.15) ** 2)))


def measured(seed, level=3.0, *, scale=1.0, window=(5.0, 8.0), ei=50.0, error=True):
    """One slice with counting noise."""
    counts = np.random.default_rng(seed).poisson(expected(level)).astype(float)
    errors = np.sqrt(counts)[None] * scale if error else None
    return Map(counts[None] * scale, AXES, error=errors, slices=Slices([ei], [window[0]], [window[1]]), material="pcsmo")


@pytest.mark.parametrize("level", [0.1, 3.0, 300.0])
@pytest.mark.parametrize("seed", range(5))
def test_repeats_that_differ_by_noise_are_said(level, seed):
    (warning,) = check_repeats(stack([measured(seed, level), measured(seed + 100, level)]))
    assert warning == "Slices 1 and 2 show the same window (Ei 50 meV, 5-8 meV); they agree and are taken together."


def test_all_repeats_of_a_window_are_named():
    m = stack([measured(1), measured(2, window=(8.0, 11.0)), measured(3), measured(4)])
    assert [w.split(" show")[0] for w in check_repeats(m)] == ["Slices 1, 3 and 4"]


@pytest.mark.parametrize("scale", [100.0, 1.5])
@pytest.mark.parametrize("level", [1.0, 30.0])
def test_repeats_that_disagree_are_refused(level, scale):
    m = stack([measured(1, level), measured(2, level, window=(8.0, 11.0)), measured(3, level, scale=scale)])
    with pytest.raises(UnsuitableMapError, match=r"Slices 1 and 3 contradict each other: both show Ei 50 meV, 5-8 meV, and their"):
        check_repeats(m)


def test_a_pattern_that_moved_is_refused_although_the_mean_is_the_same():
    one = measured(1, 30.0)
    moved = measured(2, 30.0)
    moved = moved.replace(intensity=np.roll(moved.intensity, 5, axis=1), error=np.roll(moved.error, 5, axis=1))
    with pytest.raises(UnsuitableMapError, match="their pixels differ by"):
        check_repeats(stack([one, moved]))


def test_a_calibration_that_differs_by_three_percent_is_no_contradiction():
    assert check_repeats(stack([measured(1, 30.0), measured(2, 30.0, scale=1.03)]))


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_without_errors_the_scatter_stands_for_them(scale):
    m = stack([measured(1, error=False), measured(2, error=False, scale=scale)])
    if scale == 1:
        assert check_repeats(m)
    else:
        with pytest.raises(UnsuitableMapError, match="their mean intensities are"):
            check_repeats(m)


def test_errors_of_zero_and_the_same_slice_twice():
    one = measured(1)
    assert check_repeats(stack([one, one]))
    nothing = one.replace(error=np.zeros(one.shape))
    with pytest.raises(UnsuitableMapError, match="although their errors are zero"):
        check_repeats(stack([nothing, nothing.replace(intensity=2 * one.intensity)]))


def test_masked_pixels_contradict_nothing():
    one, other = measured(1), measured(2)
    mask = np.zeros(other.shape, bool)
    mask[:, :10] = True
    other = other.replace(intensity=np.where(mask, 1e6, other.intensity)).with_mask(mask)
    assert check_repeats(stack([one, other]))
    assert check_repeats(stack([one, other.with_mask(np.ones(other.shape, bool))])), "nothing in common is no contradiction"


def test_other_windows_and_energies_are_no_repeats():
    others = [measured(2, window=(5.0, 8.5)), measured(3, window=(5.5, 8.0)), measured(4, ei=51.0), measured(5, ei=np.nan)]
    assert check_repeats(stack([measured(1, scale=100.0), *others])) == []


def test_analyses_check_them():
    card = read_card(find_bundle("pcsmo-classifier"))
    prepared = prepare(stack([measured(1), measured(2)]), card)
    assert any("show the same window" in warning for warning in prepared.warnings)
    with pytest.raises(UnsuitableMapError, match="contradict each other"):
        prepare(stack([measured(1), measured(2, scale=100.0)]), card)
