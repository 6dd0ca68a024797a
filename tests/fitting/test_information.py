"""What a map can tell, against Fisher matrices known in closed form."""

import numpy as np
import pytest

from mantid_insdl.errors import MaterialError
from mantid_insdl.fitting.calculation import Calculation, calculation_for
from mantid_insdl.fitting.information import as_importance, at_fit, covariance_from, information_of, separation_of, what_it_tells
from mantid_insdl.fitting.likelihood import FREEDOM, Likelihood
from mantid_insdl.fitting.refine import fit
from mantid_insdl.fitting.results import Fit, Fitted
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.simulation.slices import SliceSimulator

SIDE = 10
SIGMA = 0.3


class Linear(Calculation):
    """Two slices whose pixels are sums of given patterns, (parameter, pixel), times the parameters of a material with three of them."""

    def __init__(self, patterns, material="example-chain", offset=0.0):
        axes = [Axis(name, RLU, np.linspace(-1, 1, SIDE + 1), is_edges=True) for name in ("qh", "qk")]
        blank = Map(np.zeros((2, SIDE, SIDE)), axes, slices=Slices([50.0, 50.0], [5.0, 10.0], [10.0, 15.0]))
        super().__init__(blank, load_material(material), np.ones(blank.shape, bool))
        self.patterns, self.offset = np.asarray(patterns, float), offset
        self.nuisances = {}
        self.ei = np.full(blank.intensity.size, 50.0)
        self.energy = np.repeat([7.5, 12.5], SIDE**2)
        self.q_squared = np.zeros(blank.intensity.size)
        self.groups = [np.arange(blank.intensity.size)]

    def images(self, values, nuisances):
        return values @ self.patterns + self.offset, np.ones(len(values), bool)


def likelihood_of(calculation, data=None, **options):
    """With a known standard deviation of every pixel."""
    likelihood = Likelihood(calculation, background=False, **options)
    likelihood.sigma = np.full(calculation.ei.size, SIGMA)
    values = np.array(list(calculation.material.defaults.values()))
    likelihood.data = calculation.images(values[None], None)[0][0] if data is None else data
    (point,) = likelihood.points(likelihood.start[None])
    return likelihood, point


@pytest.fixture(scope="module")
def patterns():
    """Three, orthogonal to each other, to a constant and to their own sum with weights: nothing can be imitated by scale or background."""
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(np.column_stack((np.ones(2 * SIDE**2), rng.normal(size=(2 * SIDE**2, 4)))))[0]
    return 10 * basis[:, 1:].T


def test_information_of_orthogonal_patterns(patterns):
    calculation = Linear(patterns[:3], offset=1e4 * patterns[3])
    found = information_of(*likelihood_of(calculation))
    # |pattern|^2 = 100 and Student's t with 10 degrees has 11/13 of a normal distribution's information; the scale imitates next to nothing
    assert found.names == ("J", "D", "B")
    np.testing.assert_allclose(found.matrix, np.eye(3) * (FREEDOM + 1) / (FREEDOM + 3) * 100 / SIGMA**2, rtol=1e-3, atol=0.3)
    np.testing.assert_allclose(found.share[0], (FREEDOM + 1) / (FREEDOM + 3) * patterns[0] ** 2 / SIGMA**2, rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(found.errors, SIGMA / 10 / np.sqrt((FREEDOM + 1) / (FREEDOM + 3)), rtol=2e-3)


def test_the_scale_takes_its_part(patterns):
    """J = 1 times a pattern that is all there is: its size cannot be told from the scale."""
    found = information_of(*likelihood_of(Linear([patterns[0], 0 * patterns[0], 0 * patterns[0]])))
    assert np.abs(found.matrix).max() < 1e-6
    np.testing.assert_allclose(found.errors, found.flat)


def test_a_parameter_that_changes_nothing(patterns):
    found = information_of(*likelihood_of(Linear([patterns[0], patterns[1], 0 * patterns[2]], offset=1e4 * patterns[3])))
    assert found.errors[2] == pytest.approx(found.flat[2])
    assert np.all(found.share[2] == 0)
    assert found.errors[0] == pytest.approx(SIGMA / 10 / np.sqrt((FREEDOM + 1) / (FREEDOM + 3)), rel=2e-3)


def test_two_that_act_only_as_a_sum(patterns):
    likelihood, point = likelihood_of(Linear([patterns[0], patterns[0], patterns[2]], offset=1e4 * patterns[3]))
    found = information_of(likelihood, point)
    covariance = found.covariance
    # what is left of each is its flat prior, with the other's: 1 / (1 / a^2 + 1 / b^2)
    a, b = found.flat[:2]
    assert found.errors[0] == pytest.approx(1 / np.hypot(1 / a, 1 / b), rel=5e-3)
    assert np.sqrt(covariance[:2, :2].sum()) == pytest.approx(SIGMA / 10 / np.sqrt((FREEDOM + 1) / (FREEDOM + 3)), rel=2e-3)


def test_shares_add_up_to_the_information(patterns):
    rng = np.random.default_rng(2)
    mixed = rng.normal(size=(3, 3)) @ patterns[:3] + 0.2 * patterns[3]
    found = information_of(*likelihood_of(Linear(mixed, offset=5 * patterns[3] + 1)))
    flat = (found.covariance / found.flat) ** 2
    prior = flat.sum(axis=1) / np.diag(found.covariance) ** 2
    np.testing.assert_allclose(found.share.sum(axis=1) + prior, 1 / found.errors**2, rtol=1e-6)


def test_where_is_a_map(patterns):
    found = information_of(*likelihood_of(Linear(patterns[:3], offset=1e4 * patterns[3])))
    m = found.where("D")
    assert m.shape == (2, SIDE, SIDE)
    assert m.intensity_unit == "1/(meV)^2"
    np.testing.assert_array_equal(m.intensity.ravel(), found.share[1])
    with pytest.raises(MaterialError, match="no free parameter 'J9'"):
        found.where("J9")


def test_importance_is_between_nothing_and_the_largest_share(patterns):
    share = information_of(*likelihood_of(Linear(patterns[:3], offset=1e4 * patterns[3]))).where("J")
    found = as_importance(share).intensity
    assert found.max() == 1.0 and found.min() >= 0.0
    other = np.unravel_index(np.argsort(share.intensity, axis=None)[-20], share.shape)
    assert found[other] == pytest.approx(share.intensity[other] / np.percentile(share.intensity, 99.8))
    assert not as_importance(share.scaled(0.0)).intensity.any()


def test_separation_is_half_of_what_the_other_cannot_imitate(patterns):
    """A truth with a pattern that the other lacks, and one that it has: only the first separates them."""
    other, point = likelihood_of(Linear([patterns[0], 0 * patterns[1], 0 * patterns[1]], offset=1e4 * patterns[3]))
    truth = point.model + 0.2 * patterns[2] + 0.1 * patterns[0]
    found = separation_of(truth, other, point)
    expected = 0.5 * (FREEDOM + 1) / (FREEDOM + 3) * (0.2 * patterns[2] / SIGMA) ** 2
    np.testing.assert_allclose(found.pixels, expected, rtol=0.02, atol=5e-3)
    assert found.total == pytest.approx(expected.sum(), rel=1e-3)
    np.testing.assert_array_equal(found.where().intensity.ravel(), found.pixels)


def test_what_is_known_already_holds_the_other_model_back(patterns):
    """As much information as the map's own on a parameter that should move: half the way, and a quarter of the squares on either side."""
    other, point = likelihood_of(Linear([patterns[0], 0 * patterns[1], 0 * patterns[1]], offset=1e4 * patterns[3]))
    known = information_of(other, point).matrix
    found = separation_of(point.model + patterns[0], other, point, known)
    whole = 0.5 * (FREEDOM + 1) / (FREEDOM + 3) * 100 / SIGMA**2
    assert found.pixels.sum() == pytest.approx(whole / 4, rel=5e-3)
    assert found.elsewhere == pytest.approx(whole / 4, rel=5e-3)


# ---- real magnets


def whole_band(lowest, ei=np.nan):
    """One map of Rb2MnF4, integrated from `lowest` to above the band."""
    edges = np.linspace(-0.5, 0.5, 15) + 0.013
    axes = [Axis(name, RLU, edges, is_edges=True) for name in ("qh", "qk")]
    slices = Slices([ei], [lowest], [12.0])
    simulator = SliceSimulator("rb2mnf4", slices, *axes)
    image = simulator.intensity({})[0][0]
    calculation = calculation_for(Map(image, axes, error=np.sqrt(np.abs(image)) / 100, slices=slices), "rb2mnf4")
    likelihood = Likelihood(calculation, nuisances=())
    likelihood.sigma = 0.01 * likelihood.data
    (point,) = likelihood.points(likelihood.start[None])
    return information_of(likelihood, point)


def test_a_map_of_the_whole_band_fixes_ratios_only():
    """Identifiability: without an edge of the window in the band all energies could be larger by one factor."""
    found = whole_band(0.01)
    values = np.array([0.657, 0.006, -0.0062])
    scaled = found.matrix * np.outer(values, values)
    assert np.sqrt(scaled.sum()) < 0.01 * np.sqrt(scaled[0, 0])  # what the step of the derivative leaves
    assert found.errors[0] > 0.5 * found.flat[0] * np.sqrt(3) / 2
    # J2 / J1 at a known J1
    assert np.linalg.inv(found.matrix[1:, 1:])[0, 0] ** 0.5 < 0.02


def test_an_edge_within_the_band_fixes_the_energy_scale():
    found = whole_band(3.0)
    assert found.errors[0] < 0.05 * 0.657


def test_information_of_a_fit_is_that_of_its_likelihood():
    """`at_fit` finds the fit's own point again: its largest likelihood and its weights."""
    edges = np.linspace(-0.5, 0.5, 15) + 0.013
    axes = [Axis(name, RLU, edges, is_edges=True) for name in ("qh", "qk")]
    slices = Slices.from_bins([15.0], [np.arange(1.0, 8.0)])
    image = SliceSimulator("rb2mnf4", slices, *axes).intensity({})[0][0]
    noise = np.random.default_rng(0).normal(size=image.shape) * 0.05 * np.nanmean(image)
    m = Map(image + noise, axes, slices=slices)
    found = fit(m, "rb2mnf4", start={})
    likelihood, point = at_fit(found, calculation_for(m, "rb2mnf4"))
    assert likelihood.log_likelihood(point).sum() == pytest.approx(found.log_likelihood, rel=1e-9)
    np.testing.assert_allclose(point.model, found.model.intensity[likelihood.calculation.known], atol=1e-6)
    information = information_of(likelihood, point)
    # of the same order as the robust error bars: the simulated map has independent residuals
    ratio = np.sqrt(np.diag(found.covariance))[:3] / information.errors
    assert np.all((ratio > 0.4) & (ratio < 2.5)), ratio


# ---- in words


def fit_with(covariance, values, determined=(True, True, True)):
    names = ("JA", "JB", "D")
    errors = np.sqrt(np.diag(covariance))
    parameters = tuple(
        Fitted(name, value, float(error), "meV", 0.0, 0.2, one)
        for name, value, error, one in zip(names, values, errors, determined, strict=True)
    )
    blank = Linear(np.zeros((3, 2 * SIDE**2))).map
    return Fit("x", parameters, (), names, np.asarray(covariance), (), (), (), 0.0, 1, 1.0, 1.0, 0.0, "", blank, blank)


def test_words_for_single_parameters():
    said = what_it_tells(fit_with(np.diag([0.02**2, 0.4**2, 1.0]), (1.0, 0.1, 0.07), (True, True, False)))
    assert said == ["JA to 2 %", "JB to 0.4 meV, at a value of 0.1 meV", "D: not determined (range 0 to 0.2 meV)"]


def test_words_for_a_sum():
    """JA + JB = 3 to 0.03, JA - JB free."""
    covariance = np.zeros((3, 3))
    covariance[:2, :2] = 0.25 * np.array([[1, -1], [-1, 1]]) + 0.25 * 0.03**2
    covariance[2, 2] = 0.001**2
    said = what_it_tells(fit_with(covariance, (1.0, 2.0, 0.1)))
    assert said[3:] == ["JA and JB only together: JA + JB to 1 %"]


def test_words_for_a_weighted_difference():
    """JA = 2 JB: known is JA - 2 JB, about 0, and each to less than that."""
    covariance = np.diag([0.0, 0.0, 0.001**2])
    covariance[:2, :2] = np.outer([1.0, 0.5], [1.0, 0.5]) * 0.01 + np.diag([1e-6, 0.25e-6])
    said = what_it_tells(fit_with(covariance, (1.0, 0.5, 0.1)))
    assert said == ["JA to 10 %", "JB to 10 %", "D to 1 %", "JA and JB best together: JA - 2 JB to 0.001 meV, at a value of 0 meV"]


def test_moderate_correlations_are_no_combination():
    covariance = np.array([[1.0, 0.9, 0], [0.9, 1.0, 0], [0, 0, 1.0]])
    assert len(what_it_tells(fit_with(covariance, (10.0, 10.0, 10.0)))) == 3


def test_covariance_from_information_and_a_flat_prior():
    np.testing.assert_allclose(covariance_from(np.array([[3.0]]), np.array([1.0])), [[0.25]])
