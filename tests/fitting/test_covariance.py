"""Error bars against closed forms and against the scatter of repeated fits."""

from __future__ import annotations

import numpy as np
import pytest
from toy_calculation import PARAMETERS, Toy, empty, parameter

from mantid_insdl.fitting.blocks import blocks_of, difference_of
from mantid_insdl.fitting.covariance import covariance_of
from mantid_insdl.fitting.likelihood import Likelihood

SIGMA = 0.5


def shape(toy: Toy) -> np.ndarray:
    """Same in all slices, of mean zero in each, so that blocks are alike and no background imitates it."""
    return np.cos(2 * np.pi * toy.qh) * np.cos(2 * np.pi * toy.qk)


def image(toy: Toy, a: float, b: float) -> np.ndarray:
    """Linear in a, whatever b; the scale is held by a pattern of its own."""
    return 5 * np.sin(2 * np.pi * toy.qh) * np.sin(2 * np.pi * toy.qk) + a * shape(toy)


def likelihood_of(seed: int, shared: float = 0.0) -> Likelihood:
    """A map with normal noise, and with noise of the pattern of `a` that all pixels of a slice share."""
    rng = np.random.default_rng(seed)
    toy = Toy(empty(), PARAMETERS, image)
    data = image(toy, 0.4, 0) + SIGMA * rng.normal(size=toy.ei.size) + shared * rng.normal(size=9)[toy.slice_of] * shape(toy)
    likelihood = Likelihood(Toy(empty().replace(intensity=toy.full(data)), PARAMETERS, image), fixed={"b": 0.9})
    likelihood.sigma = np.full(data.size, SIGMA)
    return likelihood


def estimate(likelihood: Likelihood) -> tuple[float, np.ndarray, np.ndarray]:
    """a by one step of least squares, which is exact here; robust and plain covariance."""
    (point,) = likelihood.points(np.array([[0.4]]))
    rows = likelihood.profiled(point, likelihood.slopes(point)) / likelihood.sigma
    a = 0.4 + float(rows[0] @ point.residual / (rows[0] @ rows[0]))
    (point,) = likelihood.points(np.array([[a]]))
    found = covariance_of(likelihood, point, likelihood.slopes(point))
    return a, found.robust, found.plain


def test_blocks_are_slices():
    toy = Toy(empty(), PARAMETERS, image)
    np.testing.assert_array_equal(blocks_of(toy), toy.slice_of)


def test_few_slices_are_cut_into_rings_of_equal_momenta():
    m = empty()
    mask = np.ones(m.shape, bool)
    mask[:2] = False
    toy = Toy(m.with_mask(mask), PARAMETERS, image)
    blocks = blocks_of(toy)
    assert np.unique(blocks).size == 8
    for block in range(8):
        q = toy.q_squared[blocks == block]
        same_slice = toy.slice_of == toy.slice_of[blocks == block][0]
        assert not np.any((toy.q_squared > q.min()) & (toy.q_squared < q.max()) & same_slice & (blocks != block))


def test_independent_pixels_have_the_covariance_of_least_squares():
    """Student's t of 30 degrees of freedom is three thousandths less efficient than least squares, not a tenth more."""
    found = [estimate(likelihood_of(seed)) for seed in range(20)]
    toy = Toy(empty(), PARAMETERS, image)
    expected = SIGMA**2 / np.sum(shape(toy) ** 2)  # scale and backgrounds are orthogonal to it
    assert np.mean([plain[0, 0] for *_, plain in found]) == pytest.approx(expected, rel=0.03)
    assert expected * 0.8 < found[0][1][0, 0] < expected * 2


def test_noise_that_a_slice_shares_is_in_the_error_bar():
    """Of nine slices that are off by 0.3 each the mean is off by 0.1, hundred times what independent pixels would say."""
    found = [estimate(likelihood_of(seed, shared=0.3)) for seed in range(60)]
    scatter = np.std([a for a, *_ in found])
    bars = np.sqrt(np.mean([robust[0, 0] for _, robust, _ in found]))
    assert scatter == pytest.approx(0.1, rel=0.3)
    assert bars == pytest.approx(scatter, rel=0.3)
    assert np.sqrt(found[0][2][0, 0]) < 0.2 * scatter


def test_what_changes_nothing_has_the_deviation_of_its_prior():
    toy = Toy(empty(), PARAMETERS, image)
    data = image(toy, 0.4, 0) + SIGMA * np.random.default_rng(0).normal(size=toy.ei.size)
    likelihood = Likelihood(Toy(empty().replace(intensity=toy.full(data)), PARAMETERS, image))
    (point,) = likelihood.points(np.array([[0.4, 0.9]]))
    robust = covariance_of(likelihood, point, likelihood.slopes(point)).robust
    b = PARAMETERS[1]
    assert np.sqrt(robust[1, 1]) == pytest.approx(2 * (b.high - b.low) / np.sqrt(12), rel=0.01)


def test_only_a_sum_that_is_known_leaves_its_parts_unknown():
    def both(toy, a, b):
        return image(toy, a + b, 0)

    parameters = [parameter("a", 0.2, 0, 1), parameter("b", 0.2, 0, 1)]
    toy = Toy(empty(), parameters, both)
    data = both(toy, 0.2, 0.2) + SIGMA * np.random.default_rng(0).normal(size=toy.ei.size)
    likelihood = Likelihood(Toy(empty().replace(intensity=toy.full(data)), parameters, both))
    (point,) = likelihood.points(np.array([[0.2, 0.2]]))
    covariance = covariance_of(likelihood, point, likelihood.slopes(point)).robust
    together, apart = np.array([1, 1]), np.array([1, -1])
    assert np.sqrt(together @ covariance @ together) < 0.1
    assert np.sqrt(apart @ covariance @ apart) > 0.5


def test_differences_of_blocks():
    """By hand: sums 3, 1, 2 of three blocks: 6 in all, deviation sqrt(3 * 1) of their sum."""
    found = difference_of(np.array([1.0, 2.0, 1.0, 0.5, 1.5]), np.array([0, 0, 1, 2, 2]))
    assert found.total == 6
    assert found.deviation == pytest.approx(np.sqrt(3))
    assert found.z == pytest.approx(6 / np.sqrt(3))
    assert difference_of(np.zeros(4), np.arange(4)).z == 0
