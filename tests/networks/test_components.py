"""Principal components against a map whose components are known."""

import numpy as np
import pytest

from mantid_insdl.networks.components import PrincipalComponents

SHAPE = (2, 4, 4)  # slices and pixels
MEAN = np.full(SHAPE, 5.0)
LEFT, RIGHT = (np.zeros(SHAPE) for _ in range(2))  # two components on pixels of their own
LEFT[:, :, :2] = 0.25
RIGHT[:, :, 2:] = 0.25


def stack_of(value, known=None):
    stack = np.zeros((1, *SHAPE, 2))
    stack[0, ..., 1] = 1.0 if known is None else known
    stack[0, ..., 0] = value * stack[0, ..., 1]
    return stack


def by_hand(variance=(1e6, 1e6)):
    return PrincipalComponents(MEAN.ravel(), np.stack([LEFT.ravel(), RIGHT.ravel()]), np.array(variance))


def test_mean_components_and_variances_of_maps_made_of_two():
    rng = np.random.default_rng(0)
    amplitudes = rng.normal(0, [3, 1], (300, 2))
    maps = MEAN + np.tensordot(amplitudes, np.stack([LEFT, RIGHT]), 1)
    found = PrincipalComponents.of(maps, components=2)
    assert found.mean == pytest.approx((MEAN + np.tensordot(amplitudes.mean(axis=0), np.stack([LEFT, RIGHT]), 1)).ravel(), rel=1e-5)
    for one, true in zip(found.basis, (LEFT, RIGHT), strict=True):
        assert abs(one @ true.ravel()) == pytest.approx(1, abs=1e-3)  # the sign of a component is free; both have unit length
    assert found.variance == pytest.approx(amplitudes.var(axis=0), rel=0.02)


def test_a_map_of_the_components_comes_back_also_beneath_a_gap():
    truth = MEAN + 4 * LEFT - 8 * RIGHT
    known = np.ones(SHAPE)
    known[0, :2] = 0
    assert by_hand().denoise(stack_of(truth, known))[0] == pytest.approx(truth, abs=1e-3)


def test_components_are_drawn_to_the_mean_by_their_variance():
    """Amplitude a of unit noise and prior variance v is estimated as a v / (1 + v)."""
    found = by_hand(variance=(1.0, 3.0)).denoise(stack_of(MEAN + 4 * LEFT + 4 * RIGHT))[0]
    assert found == pytest.approx(MEAN + 2 * LEFT + 3 * RIGHT, abs=1e-4)


def test_where_nothing_is_known_the_mean_is_said():
    assert by_hand().denoise(stack_of(9.0, np.zeros(SHAPE)))[0] == pytest.approx(MEAN)


def test_no_negative_intensity():
    found = by_hand().denoise(stack_of(MEAN - 40 * LEFT))[0]
    assert found[:, :, :2] == pytest.approx(0) and found[:, :, 2:] == pytest.approx(5, abs=1e-3)


def test_fewer_components():
    few = by_hand().truncated(1)
    assert few.denoise(stack_of(MEAN + 4 * LEFT + 4 * RIGHT))[0] == pytest.approx(MEAN + 4 * LEFT, abs=1e-3)
