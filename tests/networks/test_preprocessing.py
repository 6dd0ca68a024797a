"""What a network sees of a map."""

import numpy as np
import pytest

from mantid_insdl.maps import Slices
from mantid_insdl.networks.preprocessing import LIMITS, incident_energy_groups, normalise, structure, window_features

SLICES = Slices([25, 25, 50, 50], [3, 5, 5, 8], [5, 7, 8, 11])


def random_stack(seed=0):
    return np.random.default_rng(seed).gamma(2.0, 1.0, (2, 4, 8, 8))


def test_each_incident_energy_has_a_scale_of_its_own():
    intensity = random_stack()
    groups = incident_energy_groups(SLICES)
    assert [g.tolist() for g in groups] == [[0, 1], [2, 3]]
    reference, _ = normalise(intensity, groups)
    scaled = intensity.copy()
    scaled[:, 2:] *= 1000
    assert normalise(scaled, groups)[0] == pytest.approx(reference, rel=1e-5)
    assert reference[0, :2, ..., 0].mean() == pytest.approx(1, abs=0.1)


def test_scale_brings_the_intensity_back():
    intensity = random_stack()
    stack, scale = normalise(intensity, incident_energy_groups(SLICES))
    assert stack[..., 0] * scale[:, :, None, None] == pytest.approx(intensity, rel=1e-5)


def test_one_hot_pixel_changes_little():
    intensity = random_stack()
    reference, _ = normalise(intensity, incident_energy_groups(SLICES))
    intensity[0, 0, 0, 0] = 1e6
    hot, _ = normalise(intensity, incident_energy_groups(SLICES))
    assert hot[0, 0, 0, 0, 0] == LIMITS[1]
    # A mean without the cut would have divided the slices of the same incident energy by thousands.
    assert hot[0, 1] == pytest.approx(reference[0, 1], rel=0.1)
    assert hot[0, 2:] == pytest.approx(reference[0, 2:])


def test_negative_noise_is_seen_but_does_not_count_for_the_scale():
    intensity = np.full((1, 4, 8, 8), 2.0)
    intensity[0, 0, :4] = -2.0  # a quarter of the first incident energy's pixels
    intensity[0, 2, 0, 0] = -50.0
    stack, scale = normalise(intensity, incident_energy_groups(SLICES))
    assert scale[0] == pytest.approx([1.5, 1.5, 2 * 127 / 128, 2 * 127 / 128])
    assert stack[0, 0, 0, 0, 0] == pytest.approx(-2 / 1.5) and stack[0, 2, 0, 0, 0] == LIMITS[0]


def test_slices_of_unknown_incident_energy_share_a_scale():
    groups = incident_energy_groups(Slices([np.nan, 25, np.nan], [3, 3, 5], [5, 5, 7]))
    assert [g.tolist() for g in groups] == [[0, 2], [1]]


def test_masked_pixels_are_zero_and_marked_unknown():
    intensity = random_stack()
    intensity[1, 2, 3, 4] = np.nan
    stack, _ = normalise(intensity, incident_energy_groups(SLICES))
    assert stack[1, 2, 3, 4].tolist() == [0, 0]
    assert stack[..., 1].sum() == intensity.size - 1


def test_empty_groups_do_not_divide_by_zero():
    intensity = np.full((1, 4, 8, 8), np.nan)
    stack, scale = normalise(intensity, incident_energy_groups(SLICES))
    assert np.all(stack == 0) and np.all(scale == 1)
    stack, scale = normalise(np.zeros((1, 4, 8, 8)), incident_energy_groups(SLICES))  # measured, and nothing found
    assert np.all(stack[..., 0] == 0) and np.all(stack[..., 1] == 1) and np.all(scale == 1)


@pytest.mark.parametrize("seed", range(5))
def test_structure_is_zero_for_noise_and_high_for_a_pattern(seed):
    rng = np.random.default_rng(seed)
    x = np.linspace(-1, 1, 40)
    pattern = np.exp(-(x[:, None] ** 2 + x**2) / 0.1)
    noise = rng.poisson(3.0, (1, 4, 40, 40)).astype(float)
    noise[:, :, 10:14] = np.nan
    signal = rng.poisson(0.5 + 3 * pattern, (1, 4, 40, 40)).astype(float)
    groups = incident_energy_groups(SLICES)
    quiet, loud = (structure(normalise(maps, groups)[0])[0] for maps in (noise, signal))
    assert abs(quiet) < 0.05 and loud > 0.2
    # A slice's own level is no structure.
    levels = noise * np.array([1, 2, 5, 10])[:, None, None]
    assert abs(structure(normalise(levels, groups)[0])[0]) < 0.05


def test_structure_is_the_correlation_of_neighbours_in_both_directions():
    """Stripes: neighbours along one direction agree (+1), along the other they are opposed (-1); a border between halves is in between."""
    stripes = np.tile([[1.0], [-1.0]], (4, 8))
    halves = np.where(np.arange(8) < 4, 1.0, -1.0)[:, None] * np.ones(8)  # 7 borders along the first direction, one of them opposed

    def of(pattern, known=1.0):
        stack = np.stack([3 + pattern, np.ones_like(pattern)], axis=-1) * np.asarray(known)[..., None]
        return structure(stack[None, None])[0]

    assert of(stripes) == pytest.approx(0) and of(stripes.T) == pytest.approx(0)
    assert of(halves) == of(halves.T) == pytest.approx((5 / 7 + 1) / 2)
    # Pairs with an unknown pixel do not count: without the two rows at the border all neighbours agree.
    gap = np.ones((8, 8))
    gap[3:5] = 0
    assert of(halves, gap) == pytest.approx(1)


def test_window_features_tell_the_window():
    features = window_features(Slices([25, 50, np.nan], [3, 5, 5], [5, 8, 8]))
    assert features == pytest.approx(np.array([[0.3, 0.5, np.log10(25)], [0.5, 0.8, np.log10(50)], [0.5, 0.8, 0]]))
