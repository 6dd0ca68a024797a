"""Comparison of magnets: by hand, and on small simulated maps with a known answer."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from mantid_insdl.errors import MaterialError, UnsuitableMapError
from mantid_insdl.fitting import compare as comparing
from mantid_insdl.fitting.blocks import difference_of
from mantid_insdl.fitting.calculation import calculation_for
from mantid_insdl.fitting.compare import compare, compare_fits, significance_of
from mantid_insdl.fitting.mixture import Share, share_of
from mantid_insdl.fitting.refine import fit
from mantid_insdl.fitting.results import NONE_OF_THESE, UNDECIDED, Evidence
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.materials import Material, load_material
from mantid_insdl.simulation.slices import simulate
from mantid_insdl.simulation.spectra import simulate_powder

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


# ---- simulated maps of square lattices, which take tenths of a second

WINDOWS = Slices(np.full(10, 15.0), 1.0 + 0.6 * np.arange(10), 1.6 + 0.6 * np.arange(10))


def square(name, **ranges):
    """Rb2MnF4 with other ranges of its parameters: value, low, high."""
    content = load_material("rb2mnf4").model_dump() | {"name": name}
    content["parameters"] = [
        p | dict(zip(("value", "low", "high"), ranges.get(p["name"], ()), strict=False)) for p in content["parameters"]
    ]
    return Material.model_validate(content)


FRUSTRATED = square("frustrated", J2=(0.08, 0.06, 0.1), D=(-0.006, -0.008, -0.004))
ANISOTROPIC = square("anisotropic", J2=(0.0, -0.01, 0.01), D=(-0.04, -0.05, -0.03))
BOTH = (FRUSTRATED, ANISOTROPIC)
TRUTHS = ({"J1": 0.65, "J2": 0.08, "D": -0.006}, {"J1": 0.65, "J2": 0.0, "D": -0.04})


def compared(m, materials, **how):
    return compare(m, materials, start={load_material(one).name: {} for one in materials}, **how)


def counted(expected: Map, level=10.0, seed=0) -> Map:
    """Counts of a simulated map, `level` neutrons a pixel and a background of one."""
    signal = np.nan_to_num(expected.intensity)
    mean = level * signal / signal[~expected.mask].mean() + 1
    return expected.replace(intensity=np.random.default_rng(seed).poisson(mean).astype(float), error=np.sqrt(mean), mask=expected.mask)


def measured(values, pixels=20, **how) -> Map:
    axes = {name: Axis(name, RLU, np.linspace(-1, 1, pixels)) for name in ("qh", "qk")}
    return counted(simulate("rb2mnf4", values, slices=WINDOWS, **axes), **how)


@pytest.fixture(scope="module")
def frustrated():
    return compared(measured(TRUTHS[0]), BOTH)


def test_each_model_is_found_in_its_own_map(frustrated):
    anisotropic = compared(measured(TRUTHS[1]), BOTH)
    for found, truth in ((frustrated, 0), (anisotropic, 1)):
        assert found.verdict == found.best.material == BOTH[truth].name
        assert found.probabilities[truth] > 0.95 and sum(found.probabilities) == pytest.approx(1)
        assert found.contests[0].material == BOTH[1 - truth].name and found.contests[0].significance > 2
        assert abs(found.evidence.unexplained) < 0.02 and abs(found.contests[0].share) < 0.1


def test_too_few_neutrons_cannot_tell():
    found = compared(measured(TRUTHS[0], level=0.05), BOTH)
    assert found.verdict == UNDECIDED and max(found.probabilities) < 0.95 and abs(found.contests[0].z) < 2


def test_a_parameter_more_is_no_gain():
    """The same magnet with J2 fixed at the truth and free: what the larger model gains is less than its price, and none is told."""
    m = measured({"J1": 0.65, "J2": 0.006})
    free, fixed = square("free"), square("fixed", J2=(0.006, 0.0, 0.01))
    fits = [fit(m, free, start={}), fit(m, fixed, start={}, fixed={"J2": 0.006})]
    found = compare(m, (free, fixed), fits=fits)
    assert fits[0].log_likelihood >= fits[1].log_likelihood - 1.0
    assert found.best.material == "fixed" and found.verdict == UNDECIDED and "cannot tell" in found.warnings[-1]
    assert found.contests[0].correction == 0  # no advantage of having fewer
    far = [fits[0], fit(m, fixed, start={}, fixed={"J2": 0.08})]
    found = compare(m, (free, fixed), fits=far)
    assert found.verdict == "free" and found.contests[0].correction == pytest.approx(0.5 * np.log(far[0].pixels))


def test_an_answer_beyond_all_that_was_looked_for_is_none():
    """A band five times as high, of which the windows hold the bottom; and a constant map, without structure."""
    steep = measured({"J1": 3.0, "J2": 0.0, "D": -0.01})
    found = compared(steep, BOTH)
    assert found.verdict in (UNDECIDED, NONE_OF_THESE) and found.warnings[-1].startswith(
        ("The nearest is", "Spin waves", "The map determines")
    )
    (one,) = [p for p in found.best.parameters if p.name == "J1"]
    assert one.at_bound and not replace(one, value=1.2).at_bound and not replace(one, fixed=True).at_bound
    flat = compared(steep.replace(intensity=np.ones(steep.shape), error=None, mask=steep.mask), BOTH)
    assert flat.verdict == UNDECIDED and flat.evidence.unexplained == 1.0


def test_the_parts_are_the_slices_and_add_up(frustrated):
    assert [part.energy_min for part in frustrated.parts] == pytest.approx(WINDOWS.energy_min)
    assert sum(part.pixels for part in frustrated.parts) == frustrated.best.pixels
    (contest,) = frustrated.contests
    assert sum(part.differences[0] for part in frustrated.parts) == pytest.approx(contest.difference + contest.correction)
    assert contest.correction == 0  # both have three parameters


def test_three_materials(frustrated):
    found = compared(frustrated.best.data, (ANISOTROPIC, FRUSTRATED, square("stiff", J1=(0.8, 0.75, 0.85))), fits=frustrated.fits)
    assert found.verdict == "frustrated" and found.materials == ("anisotropic", "frustrated", "stiff")
    assert [one.material for one in found.contests] == ["anisotropic", "stiff"] and len(found.parts[0].differences) == 2
    assert sum(found.probabilities) == pytest.approx(1) and np.argmax(found.probabilities) == 1


def test_a_material_far_behind_the_best_two_is_given_up(frustrated):
    stiff = square("stiff", J1=(0.8, 0.75, 0.85))
    found = compared(frustrated.best.data, (*BOTH, stiff), followed=2)
    assert [one.finished for one in found.fits] == [True, True, False] and found.verdict == "frustrated"
    for one, alone in zip(found.fits, frustrated.fits, strict=False):
        assert one.values == alone.values and one.errors == alone.errors
    assert any("stiff was given up far behind" in one for one in found.warnings)
    whole = compared(frustrated.best.data, (*BOTH, stiff), fits=frustrated.fits, followed=3).fits[-1]
    assert whole.finished and whole.log_likelihood >= found.fits[-1].log_likelihood - 1
    assert found.fits[-1].evaluations < whole.evaluations
    # the best one comes last here: it is behind nothing, and ends where it ends by itself
    late = compared(frustrated.best.data, (ANISOTROPIC, stiff, FRUSTRATED), followed=2)
    assert late.best.material == "frustrated" and all(one.finished for one in late.fits)
    assert late.best.log_likelihood == pytest.approx(frustrated.best.log_likelihood, abs=1.0)
    for name, value in frustrated.best.values.items():
        assert late.best.values[name] == pytest.approx(value, abs=0.3 * frustrated.best.errors[name])


def test_a_comparison_can_be_written_as_json(frustrated):
    content = json.loads(json.dumps(frustrated.to_dict(), allow_nan=False))
    assert content["verdict"] == content["best"] == "frustrated" and content["contests"][0]["significance"] > 2
    assert content["fits"][1]["material"] == "anisotropic" and len(content["parts"]) == 10


def test_fits_that_are_there_are_not_done_again(frustrated, monkeypatch):
    m = frustrated.best.data
    monkeypatch.setattr(comparing, "fit_calculation", None)
    again = compare(m, BOTH, fits=frustrated.fits)
    assert again.contests == frustrated.contests and again.verdict == frustrated.verdict
    with pytest.raises(UnsuitableMapError, match="another map"):
        compare(m.replace(intensity=m.intensity + 1), BOTH, fits=frustrated.fits)
    with pytest.raises(UnsuitableMapError, match="other pixels"):
        compare(m, BOTH, fits=[replace(frustrated.best, model=frustrated.best.model.with_mask(m.intensity > 50))])
    with pytest.raises(MaterialError, match="none of the materials"):
        compare(m, (FRUSTRATED, "rb2mnf4"), fits=frustrated.fits)


def test_a_model_with_the_larger_errors_gains_nothing_by_them(frustrated):
    """Errors that are too small everywhere: by its own a fit with larger ones is likelier by far, and it says nothing else."""
    fits = frustrated.fits
    wide = replace(fits[0], material="wide", model=fits[0].model.replace(error=2 * fits[0].model.error))
    narrow = replace(fits[0], model=fits[0].model.replace(error=0.5 * fits[0].model.error))
    (contest,) = compare_fits((narrow, wide), calculation_for(fits[0].data, FRUSTRATED)).contests
    assert contest.difference == 0 and contest.z == 0 and contest.significance == 0


def test_a_mixture_is_neither():
    others = {"J2": (0.006, 0.005, 0.007), "D": (-0.006, -0.007, -0.005)}
    slow, fast = square("slow", J1=(0.6, 0.599, 0.601), **others), square("fast", J1=(0.64, 0.639, 0.641), **others)
    parts = [simulate("rb2mnf4", {"J1": value}, like=measured({})) for value in (0.6, 0.64)]
    found = compared(counted(parts[0].replace(intensity=0.5 * (parts[0].intensity + parts[1].intensity))), (slow, fast))
    assert found.verdict == NONE_OF_THESE and "mixture" in found.warnings[-1]
    assert found.contests[0].share == pytest.approx(0.5, abs=0.15)


def test_nonsense_is_none_of_these_and_noise_cannot_be_told():
    m = measured(TRUTHS[0])
    order = np.random.default_rng(0).permutation(10)
    h = m.axes[0].centres[:, None]
    made = {
        "energies permuted": m.replace(intensity=m.intensity[order], error=None),
        "stripes": m.replace(intensity=np.random.default_rng(1).poisson(10 + 9 * np.sin(12 * h), m.shape).astype(float), error=None),
        "gradient": m.replace(intensity=np.random.default_rng(2).poisson(10 + 5 * h, m.shape).astype(float), error=None),
    }
    verdicts = {name: compared(one, BOTH).verdict for name, one in made.items()}
    assert verdicts == {"energies permuted": NONE_OF_THESE, "stripes": NONE_OF_THESE, "gradient": UNDECIDED}


def test_a_mixture_of_the_two_models_of_pcsmo_is_neither():
    """Half of each at the published constants, as the measured map could be: 12 x 12 pixels at one Ei, the small parameters fixed."""
    axes = {name: Axis(name, RLU, np.linspace(-1, 1, 12)) for name in ("qh", "qk")}
    slices = Slices.from_bins([100.0], [np.linspace(10, 70, 11)])
    one, other = (simulate(name, {}, slices=slices, **axes) for name in PCSMO)
    m = counted(one.replace(intensity=0.5 * (one.intensity + other.intensity)))
    fixed = [{name: load_material(material).defaults[name] for name in ("Jperp", "D")} for material in PCSMO]
    fits = [fit(m, name, start={}, fixed=values, nuisances=()) for name, values in zip(PCSMO, fixed, strict=True)]
    found = compare(m, PCSMO, fits=fits)
    assert found.verdict == NONE_OF_THESE and found.contests[0].share == pytest.approx(0.5, abs=0.15)


# ---- what is refused


def test_materials_that_cannot_be_compared(frustrated):
    m = frustrated.best.data
    for materials, words in (
        ([FRUSTRATED], "nothing to compare.*1 material"),
        (["rb2mnf4", "rb2mnf4"], "the same, rb2mnf4"),
        (["rb2mnf4", load_material("rb2mnf4").model_copy(update={"name": "another"})], "the same, rb2mnf4 and another"),
        (["rb2mnf4", "la2nio4"], "different cells.*1.492.*1/angstrom"),
    ):
        with pytest.raises(MaterialError, match=words):
            compare(m, materials)


def test_a_powder_map_is_in_inverse_angstrom_for_all():
    energy, q = Axis("energy", "meV", np.linspace(1, 8, 20)), Axis("q", "1/angstrom", np.linspace(0.5, 2.5, 20))
    m = counted(simulate_powder("rb2mnf4", q=q, energy=energy, ei=15.0, directions=300))
    values = {one: load_material(one).defaults for one in ("rb2mnf4", "example-triangular")}
    fits = [fit(m, one, fixed=fixed, nuisances=()) for one, fixed in values.items()]
    found = compare(m, list(values), fits=fits)
    assert found.best.material == "rb2mnf4" and len(found.parts) == 10 and found.parts[0].energy_min == pytest.approx(energy.edges[0])
