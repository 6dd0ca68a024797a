"""The shipped example is what its maker makes, and says that it is simulated."""

import numpy as np
import pytest

from mantid_insdl import examples


@pytest.fixture(scope="module")
def shipped():
    return examples.load()


def test_is_a_small_stack_of_three_incident_energies(shipped):
    assert examples.path().stat().st_size < 1.5e6
    assert shipped.shape == (30, 40, 40)
    assert shipped.slices.unique_ei.tolist() == [25.0, 50.0, 100.0]
    assert shipped.error is not None
    assert 0.05 < shipped.masked_fraction < 0.6
    assert "simulated" in " ".join((shipped.title, *shipped.provenance)).lower()


def test_made_again_it_is_the_same(shipped):
    again = examples.make()
    np.testing.assert_array_equal(again.mask, shipped.mask)
    np.testing.assert_allclose(again.intensity, shipped.intensity, rtol=2e-3)
    np.testing.assert_allclose(again.error, shipped.error, rtol=2e-3)


def test_looks_measured(shipped):
    assert np.nanmin(shipped.intensity) < 0  # the background was subtracted, not clipped
    assert 0.1 < np.nanmedian(shipped.error / np.nanmax(shipped.intensity)) * 100 < 100
