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
    of_each = [shipped.mask[shipped.slices.ei == ei].mean() for ei in (25, 50, 100)]  # gaps widen in Q with the final momentum
    assert of_each == pytest.approx([0.373, 0.155, 0.140], abs=0.001)
    assert "simulated" in " ".join((shipped.title, *shipped.provenance)).lower()


def test_made_again_it_is_the_same(shipped):
    again = examples.make()
    np.testing.assert_array_equal(again.mask, shipped.mask)
    np.testing.assert_allclose(again.intensity, shipped.intensity, rtol=2e-3)
    np.testing.assert_allclose(again.error, shipped.error, rtol=2e-3)


def test_looks_measured(shipped):
    assert np.nanmin(shipped.intensity) < 0  # the background was subtracted, not clipped
    for ei in (25, 50, 100):
        one = shipped.select(shipped.slices.ei == ei)
        known = ~one.mask
        count = (1 + examples.BACKGROUND) / examples.COUNTS_PER_PIXEL  # what one neutron stands for; the mean signal is 1
        counts = (one.error[known] / count) ** 2  # one where there was none
        assert counts == pytest.approx(np.round(counts), rel=1e-3)
        assert one.intensity[known].mean() == pytest.approx(1.0, abs=5 * count * np.sqrt(examples.COUNTS_PER_PIXEL / known.sum()))
        assert counts.mean() == pytest.approx(examples.COUNTS_PER_PIXEL, abs=0.3)
