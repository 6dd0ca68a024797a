"""Comparison of magnets: by hand, and on small simulated maps with a known answer."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import norm

from mantid_insdl.errors import MaterialError, UnsuitableMapError
from mantid_insdl.fitting import compare as comparing
from mantid_insdl.fitting.blocks import difference_of
from mantid_insdl.fitting.compare import compare, significance_of
from mantid_insdl.fitting.mixture import Share, share_of
from mantid_insdl.fitting.results import NONE_OF_THESE, Evidence
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.simulation.slices import simulate

PCSMO = ("pcsmo-goodenough", "pcsmo-dimer")


# ---- by hand


def test_vuongs_z_of_four_blocks():
    """Sums 1, 3, 2, 2: total 8, variance of a block 2/3, so that the deviation is the root of 4 * 2/3."""
    pixels, blocks = np.array([0.5, 0.5, 1.0, 2.0, 2.0, 1.5, 0.5]), np.array([0, 0, 1, 1, 2, 3, 3])
    found = difference_of(pixels, blocks)
    assert found.total == 8 and found.deviation == pytest.approx(np.sqrt(8 / 3)) and found.z == pytest.approx(8 / np.sqrt(8 / 3))
    assert difference_of(np.zeros(7), blocks).z == 0


def test_significance_is_the_probability_of_as_large_a_sum_by_chance():
    """Of eight sign patterns of 1, 2 and 4 each gives another sum: 7 is reached by one, 5 by two."""
    for sums, probability in (([1, 2, 4], 0.5 / 8), ([-1, 2, 4], 1.5 / 8), ([-1, -2, -4], 7.5 / 8)):
        assert norm.sf(significance_of(np.array(sums, float))) == pytest.approx(probability, abs=0.01)
    assert significance_of(np.zeros(5)) == 0
    # a slice with nearly all of the sum is no more than one voice among them; thirty voices are
    assert significance_of(np.full(30, 1.0)) > 3.5
    lone = np.full(30, 1e-3) * np.where(np.arange(30) % 2, 1, -1)
    lone[0] = 1.0
    assert significance_of(lone) < 1


def test_share_of_a_mixture_by_hand():
    """Two incident energies with scales and backgrounds of their own; the third block says nothing."""
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 60))
    groups, blocks = [np.arange(30), np.arange(30, 60)], np.arange(60) // 10
    data = 0.7 * first + 0.3 * second + np.repeat([0.5, 2.0], 30)
    options = {"weight": np.ones(60), "blocks": blocks, "groups": groups}
    found = share_of(data, first, second, smooth=np.ones((60, 1)), **options)
    assert found.value == pytest.approx(0.3) and found.error < 1e-6 and found.mixed
    assert share_of(first, first, second, smooth=np.ones((60, 1)), **options).value == pytest.approx(0.0, abs=1e-9)
    assert share_of(data, first, first, smooth=np.ones((60, 1)), **options).error == np.inf
    # without a background the columns cannot take it up
    assert share_of(data, first, second, smooth=np.zeros((60, 0)), **options).value != pytest.approx(0.3, abs=0.05)


def test_error_of_a_share_is_that_of_the_jackknife():
    """One column only: the share is the mean of six numbers, and its error their standard error."""
    wanted = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    first, second = np.zeros(6), np.ones(6)
    found = share_of(wanted, first, second, np.ones(6), np.arange(6), [np.arange(6)], np.zeros((6, 0)))
    assert found.value == pytest.approx(wanted.mean()) and found.error == pytest.approx(wanted.std(ddof=1) / np.sqrt(6))


def test_a_share_must_be_substantial_and_sure_to_make_a_mixture():
    assert Share(0.5, 0.1).mixed and Share(0.3, 0.04).mixed
    assert not Share(0.3, 0.06).mixed  # may be no more than an imperfect model leaves
    assert not Share(0.15, 0.01).mixed and not Share(1.0, 0.05).mixed and not Share(-0.5, 0.1).mixed and not Share(0.5, np.inf).mixed


def test_what_is_refuted_and_what_is_not_known():
    def evidence(share, error, by_ei=None):
        return Evidence("m", {}, share, error, (25.0,), (share if by_ei is None else by_ei,), (error,), 0.3)

    assert not evidence(0.2, 0.01).refuted and evidence(0.4, 0.04).refuted
    assert not evidence(0.4, 0.06).refuted and not evidence(0.4, 0.06).explained
    assert evidence(0.2, 0.01, by_ei=0.9).refuted
    assert not evidence(1.0, 0.0).refuted  # no structure


# ---- simulated maps


def slices_map(material, ei=(50.0,), pixels=16, values=None, level=30.0, seed=0, windows=10):
    """Counts of a simulated map, `level` neutrons a pixel."""
    axes = {name: Axis(name, RLU, np.linspace(-1, 1, pixels)) for name in ("qh", "qk")}
    slices = Slices.from_bins(ei, [np.linspace(0.1 * e, 0.7 * e, windows + 1) for e in ei])
    expected = simulate(material, values or {}, slices=slices, **axes)
    return counted(expected, level, seed)


def counted(expected: Map, level=30.0, seed=0):
    signal = np.nan_to_num(expected.intensity)
    mean = level * signal / signal[~expected.mask].mean() + 1
    counts = np.random.default_rng(seed).poisson(mean).astype(float)
    return expected.replace(intensity=counts, error=np.sqrt(mean), mask=expected.mask)


@pytest.fixture(scope="module")
def goodenough():
    m = slices_map("pcsmo-goodenough")
    return compare(m, PCSMO, start={name: {} for name in PCSMO})


def test_each_model_is_found_in_its_own_map(goodenough):
    dimer = compare(slices_map("pcsmo-dimer"), PCSMO, start={name: {} for name in PCSMO})
    for found, truth in ((goodenough, 0), (dimer, 1)):
        assert found.verdict == found.best.material == PCSMO[truth]
        assert found.probabilities[truth] > 0.95 and sum(found.probabilities) == pytest.approx(1)
        assert found.contests[0].material == PCSMO[1 - truth] and found.contests[0].z > 2
        assert abs(found.evidence.unexplained) < 0.02 and abs(found.contests[0].share) < 0.1


def test_the_parts_are_the_slices_and_add_up(goodenough):
    assert len(goodenough.parts) == 10 and [part.energy_min for part in goodenough.parts] == pytest.approx(np.arange(5, 35, 3))
    assert sum(part.pixels for part in goodenough.parts) == goodenough.best.pixels
    (contest,) = goodenough.contests
    assert sum(part.differences[0] for part in goodenough.parts) == pytest.approx(contest.difference + contest.correction)
    assert contest.correction == pytest.approx(goodenough.fits[0].effective_parameters - goodenough.fits[1].effective_parameters)


def test_a_comparison_can_be_written_as_json(goodenough):
    content = json.loads(json.dumps(goodenough.to_dict(), allow_nan=False))
    assert content["verdict"] == content["best"] == "pcsmo-goodenough" and content["contests"][0]["z"] > 2
    assert content["fits"][1]["material"] == "pcsmo-dimer" and len(content["parts"]) == 10


def test_fits_that_are_there_are_not_done_again(goodenough, monkeypatch):
    monkeypatch.setattr(comparing, "fit_calculation", None)
    again = compare(goodenough.best.data, PCSMO, fits=goodenough.fits)
    assert again.contests == goodenough.contests and again.verdict == goodenough.verdict
    with pytest.raises(UnsuitableMapError, match="another map"):
        compare(slices_map("pcsmo-goodenough", seed=1), PCSMO, fits=goodenough.fits)
    with pytest.raises(MaterialError, match="none of the materials"):
        compare(goodenough.best.data, ("pcsmo-goodenough", "pcsmo-zener"), fits=goodenough.fits)


def test_a_mixture_is_neither():
    """Half of each at the published constants."""
    parts = [slices_map(name).replace(intensity=simulate(name, like=slices_map(name)).intensity, error=None) for name in PCSMO]
    m = counted(parts[0].replace(intensity=0.5 * (parts[0].intensity + parts[1].intensity)))
    found = compare(m, PCSMO, start={name: {} for name in PCSMO})
    assert found.verdict == NONE_OF_THESE and "mixture" in found.warnings[-1]
    assert found.contests[0].share == pytest.approx(0.5, abs=0.15)
