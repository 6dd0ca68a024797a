"""What to measure next: expected gains against known answers, and refusals."""

import dataclasses
import json
from importlib import resources

import numpy as np
import pytest

from mantid_insdl.errors import FileFormatError, InsdlError, InstabilityError, MapError, MaterialError, UnsuitableMapError
from mantid_insdl.fitting.calculation import Measurement, calculation_for
from mantid_insdl.fitting.candidates import Candidate, read_candidates, usual_candidates
from mantid_insdl.fitting.counting import Counting, counting_of, exposure
from mantid_insdl.fitting.expected import Known, Setting, coverage_of, shrinkage
from mantid_insdl.fitting.information import at_fit, information_of
from mantid_insdl.fitting.likelihood import FREEDOM, Likelihood
from mantid_insdl.fitting.plan import plan
from mantid_insdl.fitting.refine import FINE, Refinement, fit
from mantid_insdl.instrument.flux import sample_flux
from mantid_insdl.instrument.noise import count_neutrons
from mantid_insdl.instrument.resolution import load_instrument
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices, stack
from mantid_insdl.materials import Material, load_material
from mantid_insdl.simulation.slices import SliceSimulator

MAPS = Measurement()


def axes(size=17):
    return [Axis(name, RLU, np.linspace(-0.6, 0.6, size) + 0.013, is_edges=True) for name in ("qh", "qk")]


def simulated(material="rb2mnf4", ei=15.0, edges=None, counts=4e4, size=17, seed=0):
    slices = Slices.from_bins([ei], [np.arange(1.0, 8.5) if edges is None else edges])
    image = SliceSimulator(material, slices, *axes(size)).intensity({}, dtype=float)[0][0]
    intensity, error = count_neutrons(image, counts, np.random.default_rng(seed), background=0.3 * np.nanmean(image))
    return Map(intensity, axes(size), error=error, slices=slices, material="rb2mnf4")


@pytest.fixture(scope="module")
def measured():
    return simulated()


@pytest.fixture(scope="module")
def found(measured):
    return fit(measured, "rb2mnf4", start={})


@pytest.fixture(scope="module")
def counted_only(found):
    """The fit as if the calculation were perfect, and the errors those of the counting statistics that are found in it."""
    known = Known.of(found, load_material("rb2mnf4"), MAPS, [1.0])
    calculation = known.likelihood.calculation
    variance = known.counting.variance(known.point.image, exposure(calculation, MAPS.spectrometer, 1.0), 15.0) * known.point.scale[0] ** 2
    return dataclasses.replace(found, model_error=0.0, model=found.model.replace(error=calculation.full(np.sqrt(variance))))


@pytest.fixture(scope="module")
def third_neighbours(tmp_path_factory):
    """Another model of the same crystal: third neighbours (along the doubled edges) in place of those across the diagonals."""
    text = resources.files("mantid_insdl.materials").joinpath("rb2mnf4.yaml").read_text()
    text = text.replace("name: rb2mnf4\n", "name: rb2mnf4-j3\n").replace("{name: J2, value: 0.006", "{name: J3, value: 0.006")
    text = text.replace("{parameter: J2, distance: 5.9538}", "{parameter: J3, distance: 8.42}")
    text = text.replace("closed_form: square-lattice antiferromagnet\n", "")
    path = tmp_path_factory.mktemp("materials") / "j3.yaml"
    path.write_text(text)
    return path


def prospect_matrix(candidate, known, hours=(1.0,)):
    setting = Setting(candidate, known.found.data, MAPS, hours, coverage_of(known, MAPS))
    prospect = setting.prospect(known)
    return information_of(prospect.likelihood, prospect.point).matrix


# ---- known answers


def test_a_repeat_halves_the_variance(counted_only):
    known = Known.of(counted_only, load_material("rb2mnf4"), MAPS, [1.0])
    setting = Setting(Candidate(ei=15.0), counted_only.data, MAPS, [1.0], np.ones(1))
    gain = shrinkage(known, setting, ["J1", "J2", "D"])
    assert setting.repeated.tolist() == list(range(7))
    assert list(gain.factors.values()) == pytest.approx([np.sqrt(0.5)] * 3, rel=0.01)
    assert gain.amount == pytest.approx(0.5 * np.log(2), rel=0.03)
    assert gain.pays == pytest.approx(1.0)


def test_a_repeat_of_three_times_the_time_leaves_a_quarter(counted_only):
    known = Known.of(counted_only, load_material("rb2mnf4"), MAPS, [2.0])
    setting = Setting(Candidate(ei=15.0, hours=6.0), counted_only.data, MAPS, [2.0], np.ones(1))
    factors = shrinkage(known, setting, ["J1", "D"]).factors
    assert list(factors.values()) == pytest.approx([0.5, 0.5], rel=0.01)


def test_information_grows_with_time_where_counting_limits(counted_only):
    known = Known.of(counted_only, load_material("rb2mnf4"), MAPS, [1.0])
    once, four = (prospect_matrix(Candidate(ei=20.0, hours=hours), known) for hours in (1.0, 4.0))
    np.testing.assert_allclose(four[:2, :2], 4 * once[:2, :2], rtol=0.05)


def test_no_time_makes_up_for_the_error_of_the_calculation(found, counted_only):
    """A hundred times the time: that much more information if the calculation were perfect, not twice as much where it errs."""
    known = [
        Known.of(dataclasses.replace(one, model_error=error), load_material("rb2mnf4"), MAPS, [1.0])
        for one, error in ((found, 0.3), (counted_only, 0))
    ]
    long, longer = ([prospect_matrix(Candidate(ei=20.0, hours=hours), one)[0, 0] for one in known] for hours in (1e3, 1e5))
    assert longer[0] / long[0] < 2
    assert longer[1] / long[1] > 90
    setting = Setting(Candidate(ei=20.0, hours=1e6), found.data, MAPS, [1.0], np.ones(1))
    assert shrinkage(known[0], setting, ["J1"]).pays < 0.05


def test_counting_again_does_not_average_the_error_of_the_calculation(found):
    """Bright pixels, whose variance is nearly all the calculation's error: the same ones again tell little."""
    wrong = dataclasses.replace(found, model_error=1.0)
    known = Known.of(wrong, load_material("rb2mnf4"), MAPS, [1.0])
    setting = Setting(Candidate(ei=15.0), found.data, MAPS, [1.0], np.ones(1))
    assert np.all(setting.repeated >= 0)
    again = setting.prospect(known)
    bright = np.argsort(again.point.image)[-50:]
    variance = again.likelihood.sigma[bright] ** 2
    counted = known.counting.variance(again.point.image, exposure(again.likelihood.calculation, MAPS.spectrometer, 1.0), 15.0)[bright]
    error = again.point.image[bright] ** 2
    np.testing.assert_allclose(variance, 1 / (1 / (counted / 2 + error) - 1 / (counted + error)))
    assert np.all(variance > 10 * error)


def test_a_candidate_that_sees_nothing_is_last(measured, found):
    """Windows above the band, which ends at 6.6 meV."""
    blind = {"ei": 25.0, "energy": [12.0, 14.0, 16.0, 18.0]}
    made = plan(measured, "rb2mnf4", fits=[found], candidates=[blind, {"ei": 15.0}, {"ei": 25.0}])
    assert made.ranked[-1].candidate.energy == (12.0, 14.0, 16.0, 18.0)
    assert made.ranked[-1].worth == pytest.approx(0.0, abs=1e-3)
    assert all(factor == pytest.approx(1.0, abs=1e-3) for factor in made.ranked[-1].gains["rb2mnf4"].factors.values())
    assert made.best.worth > 0.1
    assert [one.measured for one in made.ranked if one.candidate.ei == 15.0] == [True]


def test_twice_the_time_ranks_lower_per_hour(measured, found):
    """What is added lessens with time: the logarithm of an error bar, and what the calculation's error leaves."""
    made = plan(measured, "rb2mnf4", fits=[found], hours=2.0, candidates=[{"ei": 20.0, "hours": 8.0}, {"ei": 20.0}])
    assert [one.hours for one in made.ranked] == [2.0, 8.0]
    assert made.time_unit == "hours"
    assert made.ranked[1].worth * 8.0 > made.ranked[0].worth * 2.0


def test_chosen_constants_only(measured, found):
    """The gap is in the low windows of a low Ei, the zone boundary's energy in all."""
    made = plan(
        measured,
        "rb2mnf4",
        fits=[found],
        constants=["D"],
        candidates=[{"ei": 15.0, "energy": [0.3, 1, 2]}, {"ei": 15.0, "energy": [5, 6, 7]}],
    )
    assert made.constants == ("D",)
    assert made.best.candidate.energy == (0.3, 1.0, 2.0)
    assert set(made.best.gains["rb2mnf4"].factors) == {"D"}


def at_minimum(found, material):
    """A fit where it would be with the weights that it has now."""
    likelihood, point = at_fit(found, calculation_for(found.data, material))
    best = dict(zip(likelihood.names, Refinement(likelihood).descend(point.theta, FINE).theta, strict=True))
    return dataclasses.replace(found, parameters=tuple(dataclasses.replace(one, value=best[one.name]) for one in found.parameters))


def test_two_models_are_separated_as_much_as_a_refit_says(measured, third_neighbours):
    """The expected gain, against the wrong model refitted to the map and the candidate together, all of it without counting noise."""
    truth = SliceSimulator("rb2mnf4", measured.slices, *measured.axes).intensity({"J2": 0.05}, dtype=float)[0][0]
    quiet = measured.replace(intensity=truth + 0.3 * np.nanmean(truth))
    materials = [load_material(one) for one in ("rb2mnf4", third_neighbours)]
    fits = [fit(quiet, material, start={}, nuisances=()) for material in materials]
    fits = [dataclasses.replace(one, model_error=0.0, error_scale=1.0, model=one.model.replace(error=quiet.error)) for one in fits]
    fits = [at_minimum(one, material) for one, material in zip(fits, materials, strict=True)]
    made = plan(quiet, materials, fits=fits, candidates=[{"ei": 25.0}])
    assert made.goal == "separate"
    assert made.best.worth == min(gain.amount for gain in made.best.gains.values())
    gain = made.best.gains["rb2mnf4 is true, not rb2mnf4-j3"]
    assert 0 < gain.deviations <= np.sqrt(gain.amount / 2)

    known, wrong = (Known.of(one, material, MAPS, [1.0]) for one, material in zip(fits, materials, strict=True))
    setting = Setting(Candidate(ei=25.0), quiet, MAPS, [1.0], np.ones(1))
    prospect = setting.prospect(known)
    scale, full = known.point.scale[0], prospect.likelihood.calculation.full
    added = setting.map.replace(intensity=scale * full(prospect.point.model), error=scale * full(prospect.likelihood.sigma))
    both = Likelihood(calculation_for(stack([quiet, added]), materials[1]), nuisances=())
    both.sigma = both.calculation.map.error[both.calculation.known]
    refitted = Refinement(both).descend(wrong.point.theta, FINE)
    # of a normal residual's information a Student's has this part
    expected = 0.5 * (FREEDOM + 1) / (FREEDOM + 3) * (np.sum(refitted.residual**2) - np.sum(wrong.point.residual**2))
    assert gain.amount == pytest.approx(expected, rel=0.15)


@pytest.fixture(scope="module")
def ready(measured, found):
    known = Known.of(found, load_material("rb2mnf4"), MAPS, [1.0])
    return known, coverage_of(known, MAPS)


def test_counting_statistics_of_poisson_counts():
    """Counts with a background: the variance of an intensity is (intensity + background) times that of one count."""
    m = simulated(counts=4e6, edges=np.array([2.0, 3.0, 4.0, 5.0]), size=81)  # bands are wide against the neighbourhood of a pixel
    calculation = calculation_for(m, "rb2mnf4")
    likelihood = Likelihood(calculation)
    (point,) = likelihood.points(likelihood.start[None])
    counting = counting_of(likelihood, point, MAPS.spectrometer, [1.0])
    image = SliceSimulator("rb2mnf4", m.slices, *m.axes).intensity({}, dtype=float)[0][0]
    per_count = np.nansum(image * 1.3) / 4e6
    mean = exposure(calculation, MAPS.spectrometer, 1.0).mean()
    assert counting.slope[0] / mean == pytest.approx(per_count, rel=0.15)
    assert counting.flat[0] / mean == pytest.approx(per_count * 0.3 * np.nanmean(image), rel=0.3)


def test_each_incident_energy_has_statistics_of_its_own():
    """A map without errors, of which one incident energy was counted for a tenth of the time: ten times the variance."""
    rng = np.random.default_rng(0)
    slices = Slices.from_bins([20.0, 25.0], [np.arange(1.0, 8.0)] * 2)
    image = SliceSimulator("rb2mnf4", slices, *axes(41)).intensity({}, dtype=float)[0][0]
    per_count = np.where(slices.ei == 20.0, 1.0, 10.0)[:, None, None] * image.mean() / 100
    m = Map(rng.poisson((image + image.mean()) / per_count) * per_count, axes(41), slices=slices)
    likelihood = Likelihood(calculation_for(m, "rb2mnf4"))
    (point,) = likelihood.points(likelihood.start[None])
    same = counting_of(likelihood, point, MAPS.spectrometer, [1.0, 1.0])
    exposed = [exposure(likelihood.calculation, MAPS.spectrometer, 1.0)[group].mean() for group in likelihood.calculation.groups]
    variance = [(same.flat[i] + same.slope[i] * image.mean()) / exposed[i] for i in range(2)]
    assert variance[1] / variance[0] == pytest.approx(10, rel=0.25)
    right = counting_of(likelihood, point, MAPS.spectrometer, [1.0, 0.1])
    assert right.slope[1] == pytest.approx(0.1 * same.slope[1])


def test_variance_falls_with_exposure_and_lies_between_incident_energies():
    counting = Counting(np.array([10.0, 1000.0]), np.array([2.0, 4.0]), np.array([1.0, 0.0]))
    np.testing.assert_allclose(counting.variance(np.array([4.0, -1.0]), np.array([2.0, 2.0]), 10.0), [3.0, 1.0])
    np.testing.assert_allclose(counting.variance(np.array([4.0]), np.array([1.0]), 100.0), [5.0])


def test_exposure_is_flux_time_window_and_solid_angle(ready):
    calculation = ready[0].likelihood.calculation
    found = exposure(calculation, MAPS.spectrometer, 3.0)
    # the slice 2-3 meV at the pixel nearest to the beam, by hand: |Q_across|^2 / kf^2 is sin(2 theta)^2
    where = np.argwhere(calculation.known)
    index = int(np.flatnonzero((where[:, 0] == 1) & (where[:, 1] == 8) & (where[:, 2] == 12))[0])
    qh, qk = (axis.centres[i] for axis, i in zip(calculation.map.axes, (8, 12), strict=True))
    across = (qh**2 + qk**2) * (2 * np.pi / 4.21) ** 2
    ki, kf = np.sqrt(15 / 2.0721), np.sqrt(12.5 / 2.0721)
    cosine = np.sqrt(1 - across / kf**2)
    expected = sample_flux(MAPS.spectrometer, 15.0) * 3.0 * 1.0 * (kf / ki) / (kf**2 * cosine)
    assert found[index] == pytest.approx(expected, rel=2e-3)


def test_gaps_lose_their_part(ready, measured):
    """A candidate has as many gaps as the map: masking every second row halves its information."""
    known, _ = ready
    setting = [Setting(Candidate(ei=20.0), measured, MAPS, [1.0], np.array([share])) for share in (1.0, 0.5)]
    full, half = (information_of(one.likelihood, one.point).matrix for one in (s.prospect(known) for s in setting))
    np.testing.assert_allclose(np.diag(half)[:2], 0.5 * np.diag(full)[:2], rtol=0.1)  # but for the priors of nuisances


def test_coverage_is_what_the_mask_leaves(measured):
    masked = measured.replace(mask=np.broadcast_to(np.arange(16)[:, None] % 4 == 0, measured.shape))
    known = Known.of(fit(masked, "rb2mnf4", start={}), load_material("rb2mnf4"), MAPS, [1.0])
    assert coverage_of(known, MAPS) == pytest.approx([0.75])


def test_an_unstable_material_is_refused_by_name(measured):
    described = load_material("rb2mnf4").model_dump(exclude_unset=True)
    first = next(one for one in described["parameters"] if one["name"] == "J1")
    first.update(value=-0.6, low=-1.0, high=-0.2)  # ferromagnetic bonds under an antiferromagnetic order
    with pytest.raises(InstabilityError, match="rb2mnf4"):
        plan(measured, Material.model_validate(described))


# ---- candidates


def test_the_usual_candidates_hold_the_map_s_own(measured):
    energies = [one.ei for one in usual_candidates(measured, MAPS)]
    assert energies == [15.0, 17.0, 20.0, 25.0, 30.0, 35.0]  # from what MAPS can do to 2.5 times the map's
    assert 15.0 in energies
    let = [one.ei for one in usual_candidates(measured, Measurement(load_instrument("LET")))]
    assert let[0] == 6.0 and let[-1] == 30.0


def test_windows_follow_the_nearest_incident_energy():
    slices = Slices.from_bins([20.0, 100.0], [[2, 4, 8], [10, 20, 30, 40]])
    found = Candidate(ei=30.0).slices(slices)
    np.testing.assert_allclose(found.energy_min, [3, 6])
    np.testing.assert_allclose(found.energy_max, [6, 12])
    assert Candidate(ei=60.0).slices(slices).size == 3


def test_candidates_from_a_file(tmp_path):
    path = tmp_path / "next.yaml"
    path.write_text(
        "candidates:\n  - {ei: 20, hours: 3, energy: [1, 2, 4]}\n  - {instrument: LET, chopper: high-flux, ei: 12, beam: [0, 0, 1]}\n"
    )
    first, second = read_candidates(path)
    assert first == Candidate(ei=20.0, hours=3.0, energy=(1.0, 2.0, 4.0))
    assert second.spectrometer(MAPS).name == "LET"


def test_another_beam_is_no_repeat(measured):
    again = Setting(Candidate(ei=15.0, beam=(0, 0.2, 1)), measured, MAPS, [1.0], np.ones(1))
    assert np.all(again.repeated == -1)
    other = Setting(Candidate(ei=15.0, chopper="S"), measured, MAPS, [1.0], np.ones(1))
    assert np.all(other.repeated == -1)


def test_a_plan_can_be_written(measured, found):
    made = plan(measured, "rb2mnf4", fits=[found], candidates=[{"ei": 20.0}])
    read = json.loads(json.dumps(made.to_dict()))
    assert read["candidates"][0]["candidate"] == {"ei": 20.0}
    assert read["candidates"][0]["setting"] == "MAPS pcsmo"
    assert read["candidates"][0]["gains"]["rb2mnf4"]["factors"]["J1"] < 1


def test_what_the_map_and_the_fits_warn_of_is_repeated(measured, found):
    warned = dataclasses.replace(found, warnings=("The file says no unit of its momenta.",))
    remarks = plan(measured, "rb2mnf4", fits=[warned], candidates=[{"ei": 20.0}]).remarks
    assert remarks[0] == "The file says no unit of its momenta."
    assert any("time of one of its incident energies" in remark for remark in remarks)
    remarks = plan(measured, "rb2mnf4", fits=[warned], candidates=[{"ei": 20.0}], hours=3.0).remarks
    assert not any("time of one of its incident energies" in remark for remark in remarks)


def test_settings_in_words(measured, found):
    """MARI's S at 15 meV: 4 pi f rho = v at 104 Hz, and at 150 Hz its slits are within one mismatch of that."""
    others = [{"ei": 15.0, "instrument": "MARI"}, {"ei": 12.0, "instrument": "LET", "beam": [0, 0, 1]}]
    made = plan(measured, "rb2mnf4", fits=[found], candidates=others)
    assert {one.setting for one in made.ranked} == {"MARI S 150 Hz", "LET high-flux 240 Hz, beam along 0, 0, 1"}


# ---- bad input


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"candidates": []}, InsdlError, "no candidates"),
        ({"candidates": [{"ei": 20.0, "energy": [1, 2, 25]}]}, MapError, "above its incident energy"),
        ({"candidates": [{"ei": 20.0, "energy": [3, 2, 5]}]}, MapError, "do not rise"),
        ({"candidates": [{"ei": 20.0, "energy": [3]}]}, InsdlError, "energy"),
        ({"candidates": [{"ei": 5.0}]}, InsdlError, "cannot be used at Ei = 5"),
        ({"candidates": [{"ei": 200.0, "instrument": "LET"}]}, InsdlError, "LET cannot be used at Ei = 200"),
        ({"candidates": [{"ei": 20.0, "instrument": "HYSPEC"}]}, InsdlError, "no instrument 'HYSPEC'"),
        ({"candidates": [{"ei": 20.0, "chopper": "Q"}]}, InsdlError, "no chopper 'Q'"),
        ({"candidates": [{"ei": -20.0}]}, InsdlError, "ei"),
        ({"candidates": [{"ei": 20.0, "colour": "red"}]}, InsdlError, "colour"),
        ({"candidates": [{"ei": 20.0, "hours": 2.0}]}, InsdlError, "map's hours"),
        ({"hours": [1.0, 2.0]}, InsdlError, "1 incident energies"),
        ({"hours": 0.0}, InsdlError, "hours"),
        ({"constants": ["J9"]}, MaterialError, "no free constant 'J9'"),
        ({"measurement": Measurement("MARI"), "candidates": [{"ei": 1200.0}]}, InsdlError, "cannot be used"),
        ({"materials": []}, MaterialError, "not different"),
        ({"materials": ["rb2mnf4", "rb2mnf4"]}, MaterialError, "not different"),
    ],
)
def test_bad_input(measured, found, options, error, words):
    with pytest.raises(error, match=words):
        plan(measured, **{"materials": "rb2mnf4", "fits": [found], **options})


def test_constants_of_two_models(measured, third_neighbours):
    with pytest.raises(MaterialError, match="Constants are those of one material"):
        plan(measured, ["rb2mnf4", third_neighbours], constants=["J1"])


def test_fits_in_another_order(measured, found, third_neighbours):
    with pytest.raises(MaterialError, match="not those of the materials"):
        plan(measured, [third_neighbours, "rb2mnf4"], fits=[found, found])


def test_a_map_without_incident_energies(measured):
    blind = measured.replace(slices=Slices(np.full(7, np.nan), measured.slices.energy_min, measured.slices.energy_max))
    with pytest.raises(UnsuitableMapError, match="incident energy of some slices is not known"):
        plan(blind, "rb2mnf4")


def test_a_powder_map():
    powder = Map(np.ones((10, 10)), [Axis("q", PER_ANGSTROM, np.arange(10.0)), Axis("energy", MEV, np.arange(10.0))], ei=20.0)
    with pytest.raises(UnsuitableMapError, match="powder map"):
        plan(powder, "rb2mnf4")


def test_a_map_of_an_unknown_sample(measured):
    with pytest.raises(MaterialError, match="not known what was measured"):
        plan(measured.replace(material=None))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("candidates: []", "no candidates"),
        ("[1, 2", "Cannot read"),
        ("candidates:\n  - {eis: 3}", "candidates.0.ei: Field required"),
        ("candidates:\n  - {ei: .inf}", "candidates.0.ei"),
        ("mine: 3", "mine"),
        ("", "the whole"),
    ],
)
def test_a_wrong_file_of_candidates(tmp_path, measured, found, text, words):
    path = tmp_path / "next.yaml"
    path.write_text(text)
    with pytest.raises(InsdlError, match=words):
        plan(measured, "rb2mnf4", fits=[found], candidates=path)


def test_a_missing_file_of_candidates(tmp_path):
    with pytest.raises(FileFormatError, match="Cannot read"):
        read_candidates(tmp_path / "none.yaml")
