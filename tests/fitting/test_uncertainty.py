"""Variances of pixels: what is put into a map is found again."""

from __future__ import annotations

import numpy as np
import pytest

from mantid_insdl.fitting.uncertainty import uncertainty_of
from mantid_insdl.maps import RLU, Axis, Map, Slices

SLICES = Slices.from_bins([20.0, 60.0], [np.arange(2.0, 16.0, 2.0), np.arange(10.0, 45.0, 5.0)])
AXES = tuple(Axis(name, RLU, np.linspace(-1, 1, 40)) for name in ("qh", "qk"))
NEUTRON = np.where(SLICES.ei < 40, 0.5, 2.0)[:, None, None]


def counted(seed: int = 0) -> tuple[Map, np.ndarray]:
    """A smooth map of counts, each neutron worth 0.5 at one incident energy and 2 at the other; what was expected."""
    h, k = np.meshgrid(*(axis.centres for axis in AXES), indexing="ij")
    expected = np.ones((SLICES.size, 1, 1)) * (1 + 8 * np.exp(-2 * (h**2 + k**2)))
    counts = np.random.default_rng(seed).poisson(expected / NEUTRON)
    return Map(intensity=counts * NEUTRON, error=np.sqrt(np.maximum(counts, 1)) * NEUTRON, axes=AXES, slices=SLICES), expected


def test_scatter_tells_what_a_neutron_is_worth_at_each_incident_energy():
    m, expected = counted()
    found = uncertainty_of(m.replace(error=None))
    np.testing.assert_allclose(found.sigma(expected), np.sqrt(expected * NEUTRON), rtol=0.12)
    assert "no errors" in found.source
    assert not found.warnings


def test_errors_as_given_where_they_are_believable():
    m, expected = counted()
    found = uncertainty_of(m)
    assert "own errors" in found.source
    np.testing.assert_allclose(np.median(found.sigma(expected) / np.sqrt(expected * NEUTRON)), 1.0, atol=0.05)


def test_a_pixel_that_counted_few_by_chance_is_not_surer():
    m, _ = counted()
    sigma = uncertainty_of(m).sigma()
    middle = (slice(None), slice(15, 25), slice(15, 25))  # where about the same is expected everywhere
    few = m.intensity[middle] < np.median(m.intensity[middle], axis=(1, 2), keepdims=True)
    for ei in (20.0, 60.0):
        low, high = (sigma[middle][SLICES.ei == ei][chosen[SLICES.ei == ei]].mean() for chosen in (few, ~few))
        assert low == pytest.approx(high, rel=0.05)


@pytest.mark.parametrize("factor", [1e-3, 20.0])
def test_errors_of_another_unit_are_not_used(factor):
    m, _ = counted()
    found = uncertainty_of(m.replace(error=m.error * factor))
    (said,) = found.warnings
    assert ("larger" if factor > 1 else "smaller") in said
    np.testing.assert_allclose(found.sigma(), uncertainty_of(m.replace(error=None)).sigma())


def test_errors_of_zero_are_not_used():
    m, _ = counted()
    found = uncertainty_of(m.replace(error=np.zeros(m.shape)))
    assert "100% of the map's errors are zero" in found.warnings[0]
    np.testing.assert_allclose(found.sigma(), uncertainty_of(m.replace(error=None)).sigma())


def test_hot_pixels_do_not_make_all_pixels_unsure():
    m, _ = counted()
    hot = np.array(m.intensity)
    hot[:, ::8, ::8] += 500
    spoiled, good = (
        uncertainty_of(x).constant + uncertainty_of(x).slope for x in (m.replace(intensity=hot, error=None), m.replace(error=None))
    )
    assert np.all(spoiled < 40 * good)


@pytest.mark.parametrize("mean", [0.02, 0.04, 0.06])
def test_single_neutrons_of_an_almost_empty_map_are_no_hot_pixels(mean):
    m, expected = counted()
    for seed in range(6):
        counts = np.random.default_rng(seed).poisson(mean * expected / expected.mean() / NEUTRON)
        found = uncertainty_of(m.replace(intensity=counts * NEUTRON, error=None))
        np.testing.assert_allclose(found.slope, np.broadcast_to(NEUTRON, m.shape), rtol=0.15)


def test_constant_and_masked_maps_are_finite():
    m, _ = counted()
    flat = m.replace(intensity=np.full(m.shape, 3.0), error=None)
    assert np.all(uncertainty_of(flat).sigma() > 0)
    mask = np.zeros(m.shape, bool)
    mask[:7] = True
    assert np.all(np.isfinite(uncertainty_of(m.with_mask(mask).replace(error=None)).sigma()))
