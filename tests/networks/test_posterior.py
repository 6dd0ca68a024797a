"""Posteriors of exchange constants, against mixtures whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from mantid_insdl.networks.posterior import COMPONENTS, Posterior, bounded, outputs_of, unbounded

LOW, HIGH = np.array([-20.0, 0.0]), np.array([0.0, 3.0])


def mixture(*parts, low=LOW, high=HIGH):
    """Of one map, from (weight, mean of z, covariance of z) of each Gaussian."""
    weights, means, covariances = (np.array([one])[0][None] for one in zip(*parts, strict=True))
    return Posterior(weights.astype(float), means.astype(float), covariances.astype(float), low, high)


CENTRE, COVARIANCE = np.array([0.4, -1.0]), np.array([[0.3, 0.12], [0.12, 0.1]])


def test_bounded_values_and_back():
    values = np.array([[-15.0, 0.3], [-1.0, 2.9]])
    assert bounded(unbounded(values, LOW, HIGH), LOW, HIGH) == pytest.approx(values)
    assert bounded(np.zeros(2), LOW, HIGH) == pytest.approx([-10.0, 1.5])
    assert unbounded(np.array([-15.0, 0.75]), LOW, HIGH) == pytest.approx(np.log([1 / 3, 1 / 3]))
    assert np.all(np.isfinite(unbounded(np.array([-20.0, 3.0]), LOW, HIGH)))  # the ends of the ranges


def test_one_gaussian_has_its_median_intervals_and_ranks():
    found = mixture((1.0, CENTRE, COVARIANCE))
    assert found.median[0] == pytest.approx(bounded(CENTRE, LOW, HIGH), rel=1e-3)
    deviation = np.sqrt(np.diag(COVARIANCE))
    for share in (0.05, 0.15865, 0.9):
        wanted = bounded(CENTRE + norm.ppf(share) * deviation, LOW, HIGH)
        assert found.quantile(share)[0] == pytest.approx(wanted, rel=2e-3)
        assert found.rank(wanted[None])[0] == pytest.approx([share] * 2)
    upper, lower = (bounded(CENTRE + sign * deviation, LOW, HIGH) for sign in (1, -1))
    assert found.error[0] == pytest.approx((upper - lower) / 2, rel=2e-3)


def test_density_is_that_of_the_mixture():
    other = np.diag([0.2, 0.05])
    found = mixture((0.75, CENTRE, COVARIANCE), (0.25, -CENTRE, other))
    values = np.array([[-7.0, 1.1]])
    z = unbounded(values, LOW, HIGH)
    wanted = 0.75 * multivariate_normal(CENTRE, COVARIANCE).pdf(z) + 0.25 * multivariate_normal(-CENTRE, other).pdf(z)
    assert found.log_density(values) == pytest.approx(np.log(wanted))


def test_draws_are_as_probable_as_the_density_says():
    found = mixture((0.8, CENTRE, COVARIANCE), (0.2, np.array([3.0, 3.0]), 1e-4 * np.eye(2)))
    draws = found.draws(20000, np.random.default_rng(1))
    z = unbounded(draws, LOW, HIGH)
    there = z[:, 1] > 2.5
    assert there.mean() == pytest.approx(0.2, abs=0.01)
    assert z[~there].mean(axis=0) == pytest.approx(CENTRE, abs=0.02)
    assert np.cov(z[~there].T) == pytest.approx(COVARIANCE, abs=0.01)
    assert np.all((draws > LOW) & (draws < HIGH))


def test_two_basins_are_two_peaks_and_a_shoulder_is_none():
    narrow = np.diag([0.05, 0.05])
    two = mixture((0.6, np.array([-1.5, 0.0]), narrow), (0.4, np.array([1.5, 0.0]), narrow))
    first, second = two.peaks()
    assert first == pytest.approx(bounded(np.array([-1.5, 1.5]), LOW[0], HIGH[0]), abs=0.1) and len(second) == 1
    shoulder = mixture((0.6, np.array([-0.25, 0.0]), narrow), (0.4, np.array([0.25, 0.0]), narrow))
    assert [len(one) for one in shoulder.peaks()] == [1, 1]
    faint = mixture((0.95, np.array([-1.5, 0.0]), narrow), (0.05, np.array([1.5, 0.0]), narrow))
    assert [len(one) for one in faint.peaks()] == [1, 1]


def by_hand(means, log_diagonal, below):
    """A network's output for two parameters whose first Gaussian has all the weight."""
    logits = np.full(COMPONENTS, -50.0)
    logits[0] = 0.0
    rest = [np.zeros((COMPONENTS, n)) for n in (2, 2, 1)]
    for array, value in zip(rest, (means, log_diagonal, below), strict=True):
        array[0] = value
    return np.concatenate([logits, *(one.ravel() for one in rest)])[None].astype(np.float32)


@pytest.mark.tensorflow
def test_an_output_is_read_as_a_factor_of_the_inverse_covariance():
    factor = np.array([[2.0, 0.0], [-3.0, 4.0]])
    output = by_hand(CENTRE, np.log([2.0, 4.0]), -3.0)
    assert output.shape[1] == outputs_of(2)
    found = Posterior.of_outputs(output[None], LOW, HIGH)
    assert found.means[0, 0] == pytest.approx(CENTRE) and found.weights[0] == pytest.approx([1] + [0] * (COMPONENTS - 1))
    assert found.covariances[0, 0] == pytest.approx(np.linalg.inv(factor.T @ factor), rel=1e-5)
    wide = Posterior.of_outputs(output[None], LOW, HIGH, widening=1.5)
    assert wide.covariances[0, 0] == pytest.approx(1.5**2 * found.covariances[0, 0])


@pytest.mark.tensorflow
def test_networks_of_an_ensemble_count_alike():
    outputs = np.stack([by_hand(CENTRE, [0, 0], 0), by_hand(-CENTRE, [0, 0], 0)])
    found = Posterior.of_outputs(outputs, LOW, HIGH)
    assert found.weights[0].sum() == pytest.approx(1) and found.median[0] == pytest.approx(bounded(np.zeros(2), LOW, HIGH), rel=1e-3)
    assert found.weights[0, [0, COMPONENTS]] == pytest.approx([0.5, 0.5])


@pytest.mark.tensorflow
def test_the_loss_is_the_negative_log_density():
    from mantid_insdl.networks.backend import import_keras
    from mantid_insdl.networks.posterior import posterior_loss

    rng = np.random.default_rng(3)
    outputs = rng.normal(size=(1, 5, outputs_of(2))).astype(np.float32)
    values = rng.uniform(LOW, HIGH, (5, 2))
    loss = posterior_loss(import_keras(), 2)(unbounded(values, LOW, HIGH).astype(np.float32), outputs[0])
    assert np.asarray(loss) == pytest.approx(-Posterior.of_outputs(outputs, LOW, HIGH).log_density(values), rel=1e-4)
