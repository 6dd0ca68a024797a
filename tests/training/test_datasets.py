"""Simulated data sets: reproducible, stable, split once."""

import shutil

import numpy as np
import pytest

from mantid_insdl._version import __version__
from mantid_insdl.training import chunks, datasets, layouts
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.recipes import Dataset, FixedSlices, Measurement, RandomWindows, RecipeError, load_recipe, recipe_names
from mantid_insdl.training.sampling import pcsmo, uniform

SMALL = Dataset(
    name="small",
    materials={"pcsmo-goodenough": 10, "pcsmo-dimer": 10},
    prior="pcsmo",
    grid={"size": 12},
    slices=FixedSlices(ei=(50,), energy_fraction=(0.1, 0.7), bins=3),
    chunk=2,
    split=(0.4, 0.2, 0.2, 0.2),
    seed=4,
)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return datasets.generate(SMALL, tmp_path_factory.mktemp("small"), processes=2)


def test_same_seed_same_data_for_any_number_of_processes(small, tmp_path):
    again = datasets.generate(SMALL, tmp_path, processes=1)
    assert again.digest == small.digest
    assert np.array_equal(again.intensity[np.arange(20)], small.intensity[np.arange(20)], equal_nan=True)


def test_each_set_is_in_one_part_and_all_parts_have_all_materials(small):
    parts = [small.indices(name) for name in datasets.SPLITS]
    assert sorted(np.concatenate(parts)) == list(range(20))
    for part in parts:
        assert set(small.material[part]) == {0, 1}
    shares = [[small.indices(name, material).size for name in datasets.SPLITS] for material in SMALL.materials]
    assert shares == [[4, 2, 2, 2]] * 2


def test_maps_are_those_of_their_parameters(small):
    """Each map is stable and is what the simulator gives for its own constants, up to the instrument's drawn widths."""
    from mantid_insdl.materials import load_material
    from mantid_insdl.simulation.slices import SliceSimulator

    index = small.indices("train", "pcsmo-dimer")[0]
    names = [p.name for p in load_material("pcsmo-dimer").parameters]
    simulator = SliceSimulator("pcsmo-dimer", small.slices(index), *layouts.axes(SMALL.grid), twins=False)
    intensity, stable = simulator.intensity(dict(zip(names, small.parameters[index], strict=True)))
    assert stable.all()
    assert np.corrcoef(intensity.ravel(), small.intensity[index].astype(float).ravel())[0, 1] > 0.95


def test_kept_data_are_read_again(small, tmp_path, monkeypatch):
    made = []

    def generate(spec, folder, **options):
        made.append(folder)
        shutil.copytree(small.intensity.folder, folder)
        return datasets.opened(folder)

    monkeypatch.setattr(datasets, "generate", generate)
    first, again = datasets.load_or_generate(SMALL, tmp_path), datasets.load_or_generate(SMALL, tmp_path)
    assert len(made) == 1
    assert again.digest == first.digest == small.digest and np.array_equal(again.intensity[:], first.intensity[:], equal_nan=True)
    assert again.materials == small.materials and np.array_equal(again.parameters, small.parameters, equal_nan=True)
    datasets.load_or_generate(SMALL.model_copy(update={"seed": 5}), tmp_path)
    assert len(set(made)) == 2  # another recipe has a folder of its own


def test_random_windows_are_within_the_incident_energy():
    spec = RandomWindows(ei=(8, 120), lower_cut=(0.2, 6), upper_cut=(2, 16))
    rng, sizes = np.random.default_rng(0), []
    for _ in range(300):
        slices = layouts.random_slices(spec, rng)
        assert 1 <= slices.size <= 10 and slices.energy_min.min() >= 0.2 and slices.energy_max.max() <= 0.91 * slices.ei[0]
        assert np.allclose(slices.energy_min[1:], slices.energy_max[:-1])
        sizes.append(slices.size)
    # One slice in 3 of 10 maps, 2 to 10 in the others.
    assert np.mean(np.equal(sizes, 1)) == pytest.approx(0.3, abs=0.08) and set(sizes) == set(range(1, 11))


def test_prior_is_the_same_for_what_the_models_share():
    rng = np.random.default_rng(0)
    one, other = (pcsmo(name, 200, rng).parameters for name in ("pcsmo-goodenough", "pcsmo-dimer"))
    pairs = ((one["JF1"], (other["JFS"] + other["JFW"]) / 2), (one["JA"], (other["JA1"] + other["JA2"]) / 2), (one["D"], other["D"]))
    for mine, theirs in pairs:
        assert np.quantile(mine, [0.1, 0.5, 0.9]) == pytest.approx(np.quantile(theirs, [0.1, 0.5, 0.9]), abs=0.35 * mine.std())


def test_uniform_prior_fills_the_range_in_the_material_file():
    from mantid_insdl.materials import load_material

    drawn = uniform("rb2mnf4", 5000, np.random.default_rng(0)).parameters
    for p in load_material("rb2mnf4").parameters:
        assert np.quantile(drawn[p.name], [0, 0.5, 1]) == pytest.approx([p.low, (p.low + p.high) / 2, p.high], abs=0.03 * (p.high - p.low))


def test_widths_of_the_instrument_are_drawn_anew_over_their_range(monkeypatch):
    from mantid_insdl.simulation.slices import SliceSimulator

    widths = []

    def record(self, draws, *, energy_width_scale, q_sigma_pixels):
        widths.append((energy_width_scale, q_sigma_pixels))
        return np.ones((2, 3, 12, 12)), np.ones(2, bool)

    monkeypatch.setattr(SliceSimulator, "intensity", record)
    spec = SMALL.model_copy(update={"prior": "uniform"})
    for scene in range(60):
        chunks.simulate(spec, chunks.Task(0, "pcsmo-dimer", 1, scene, 2, 0), __version__)
    (low_energy, low_q), (high_energy, high_q) = np.min(widths, axis=0), np.max(widths, axis=0)
    assert 0.7 <= low_energy < 0.8 and 1.4 < high_energy <= 1.5
    assert 0.4 <= low_q < 0.45 and 0.95 < high_q <= 1.0


def test_prior_of_the_dimer_splits_a_chain_into_strong_and_weak_bonds():
    drawn = pcsmo("pcsmo-dimer", 200, np.random.default_rng(1)).parameters
    weak = drawn["JFW"] / drawn["JFS"]
    assert [weak.min(), weak.max()] == pytest.approx([0.4 / 1.6, 0.9 / 1.1], abs=0.03)
    difference = drawn["JA1"] - drawn["JA2"]
    assert difference.min() < -0.9 and difference.max() > 0.9
    further = pcsmo("pcsmo-goodenough", 200, np.random.default_rng(1)).parameters
    for name in ("JF2", "JF3"):
        assert further[name].min() < -2.5 and further[name].max() > 2.5


def test_unstable_draws_are_counted_and_left_out(small, monkeypatch):
    from mantid_insdl.simulation.slices import SliceSimulator

    assert np.isfinite(small.intensity[:]).any(axis=(1, 2, 3)).all()  # an unstable set has no intensity
    assert np.nanmean(small.intensity[:].astype(float), axis=(1, 2, 3)) == pytest.approx(1, abs=2e-3)
    # strong further neighbours undo Goodenough's order: the prior meets such draws on its way
    drawn = pcsmo("pcsmo-goodenough", 40, np.random.default_rng(0))
    assert 0 < drawn.rejected < 40
    # what only the simulation finds is drawn again
    calls = []

    def once(self, draws, **widths):
        number = len(draws["JFS"])
        calls.append(number)
        stable = np.arange(number) > (0 if len(calls) == 1 else -1)
        return np.where(stable[:, None, None, None], 1.0, np.nan) * np.ones((number, 3, 12, 12)), stable

    monkeypatch.setattr(SliceSimulator, "intensity", once)
    chunk = chunks.simulate(SMALL, chunks.Task(0, "pcsmo-dimer", 1, 2, 4, 0), __version__)
    assert calls == [4, 1] and chunk.rejected >= 1 and np.isfinite(chunk.intensity).all() and len(chunk.parameters) == 4


def test_measurements_repeat_with_their_seed_and_differ_otherwise(small):
    measurer = Measurer(small, SMALL, Measurement(), keep_signal=True)
    indices = small.indices("train")
    first = measurer.measure(indices, (1,))
    again = Measurer(small, SMALL, Measurement(), keep_signal=True).measure(indices, (1,))
    assert np.array_equal(first.stack, again.stack)
    assert not np.array_equal(first.stack, measurer.measure(indices, (2,)).stack)
    assert first.signal.shape == first.stack.shape[:-1]


def test_measurement_without_noise_is_the_signal(small):
    settings = Measurement(
        counts_per_pixel=(1e7, 1e7),
        background=(0, 0),
        twin_fraction=(0.5, 0.5),
        negatives_cut=0,
        hot_pixels=0,
        gaps=0,
        missing_ei=0,
    )
    maps = Measurer(small, SMALL, settings, keep_signal=True).measure(small.indices("test"), (0,))
    below_limit = maps.signal < 11
    assert maps.stack[..., 0][below_limit] == pytest.approx(maps.signal[below_limit], rel=0.01, abs=0.01)


def test_a_background_that_is_not_subtracted_is_drawn(small):
    """With what is flat in it found and subtracted, as before an answer: the same signal, over more counts."""
    quiet = {"counts_per_pixel": (1e5, 1e5), "twin_fraction": (0.5, 0.5), "negatives_cut": 0, "hot_pixels": 0, "gaps": 0, "missing_ei": 0}

    def measured(**changes):
        settings = Measurement(background=(2.0, 2.0), background_residual=0, slice_scale=0, **quiet, **changes)
        return Measurer(small, SMALL, settings, keep_signal=True).measure(small.indices("test"), (0,))

    left, subtracted = measured(background_left=1), measured()
    error = [maps.stack[..., 0] - maps.signal for maps in (subtracted, left)]
    known = (left.stack[..., 1] > 0) & (left.signal < 11)
    assert np.abs(error[0][known]).max() < 0.3
    assert 0.1 < np.abs(error[1][known]).mean() < 1.0  # what is not flat in it stays; all of it would be 2
    always, never = measured(background_left=1e-12), measured(background_left=0)
    assert np.array_equal(never.stack, subtracted.stack)
    assert always.stack.shape == never.stack.shape


def test_all_shipped_recipes_are_valid():
    assert "pcsmo-classifier" in recipe_names()
    for name in recipe_names():
        assert load_recipe(name).name == name


def test_wrong_recipes_say_where(tmp_path):
    with pytest.raises(RecipeError, match="pcsmo-denoiser"):
        load_recipe("nonsense")
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nfit: {epochs: many}\n")
    with pytest.raises(RecipeError, match="wrong at"):
        load_recipe(path)
    path.write_text("a: [")
    with pytest.raises(RecipeError, match="no valid YAML"):
        load_recipe(path)


def test_one_part_alone_has_the_maps_that_the_whole_has_there(small, tmp_path):
    alone = datasets.load_or_generate(SMALL, tmp_path, parts=["test"], processes=1)
    there = small.indices("test")
    assert np.array_equal(alone.indices("test"), np.arange(4)) and alone.materials == small.materials
    assert np.array_equal(alone.material, small.material[there]) and np.array_equal(alone.scene, small.scene[there])
    assert np.array_equal(alone.parameters, small.parameters[there], equal_nan=True)
    assert np.array_equal(alone.intensity[:], small.intensity[there], equal_nan=True)
    (kept,) = tmp_path.iterdir()
    shutil.copytree(small.intensity.folder, tmp_path / kept.name.removesuffix("-test"))
    whole = datasets.load_or_generate(SMALL, tmp_path, parts=["test"])  # needs no folder of its own where the whole is there
    assert len(whole.material) == 20
