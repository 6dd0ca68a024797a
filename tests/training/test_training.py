"""A very small training from recipe to bundle, and what a fit keeps."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mantid_insdl.errors import OutputError
from mantid_insdl.networks.bundles import load_bundle, verify_bundle
from mantid_insdl.training.recipes import QUICK_SIZE, load_recipe, quickened

pytestmark = pytest.mark.tensorflow


def test_a_quick_training_makes_a_sound_bundle(tmp_path, monkeypatch):
    # Kernels are chosen once a process: with the faster ones, other tests would compare answers that differ by rounding.
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    from mantid_insdl.training.datasets import load_or_generate
    from mantid_insdl.training.train import train

    recipe = quickened(load_recipe("rb2mnf4-exchange"))
    seen = []
    folder = train(recipe, tmp_path / "bundle", data_folder=tmp_path / "data", progress=lambda f, t: seen.append((f, t)))
    assert verify_bundle(folder) == []
    card = load_bundle(folder).card
    assert card.version.endswith("-quick")
    assert dict(card.training.samples) == {"train": 4, "validation": 2, "calibration": 2, "test": 2}
    assert {o.name for o in card.outputs} == {"J1", "J2", "D"}
    assert all(t.n >= 1 and t.command == "insdl train rb2mnf4-exchange" for t in card.test)
    data = load_or_generate(recipe.dataset, tmp_path / "data")  # as it was kept
    low, high = (f(data.parameters[data.indices("train")], axis=0) for f in (np.min, np.max))
    assert card.training.ranges == {"rb2mnf4": {n: (low[i], high[i]) for i, n in enumerate(("J1", "J2", "D"))}}
    assert card.training.data_sha256 == data.digest
    with pytest.raises(OutputError, match="exists already"):  # before any work
        train(recipe, tmp_path / "bundle", data_folder="/nonexistent")
    assert seen[0][0] >= 0 and seen[-1][0] == pytest.approx(1.0)
    answered = ask_about_a_map(folder)
    assert answered.median.shape == (1, 3) and np.all((answered.low < answered.median) & (answered.median < answered.high))


def test_a_quick_training_simulates_the_magnets_that_it_needs():
    classes = quickened(load_recipe("pcsmo-classifier")).dataset
    assert set(classes.materials) == {"pcsmo-goodenough", "pcsmo-dimer", "pcsmo-zener"} and "la2nio4" in classes.others
    constants = quickened(load_recipe("pcsmo-dimer-exchange")).dataset
    assert (set(constants.materials), constants.others) == ({"pcsmo-dimer"}, {})


def ask_about_a_map(folder):
    """The posterior that the bundle in a folder has for a simulated map of Rb2MnF4, on other pixels than its own."""
    from mantid_insdl.analysis.estimate import ask_posterior
    from mantid_insdl.maps import Axis, Slices
    from mantid_insdl.networks.preparation import open_question
    from mantid_insdl.simulation.slices import simulate

    q = np.linspace(-1, 1, 30)
    measured = simulate(
        "rb2mnf4", slices=Slices.from_bins([10.0], [[1.0, 3.0, 5.0, 7.0]]), qh=Axis("qh", "r.l.u.", q), qk=Axis("qk", "r.l.u.", q)
    )
    bundle, prepared = open_question("exchange", measured, folder)
    assert prepared.gridded.shape == (3, QUICK_SIZE, QUICK_SIZE)
    return ask_posterior(bundle, prepared)[0]


def test_the_learning_rate_is_that_of_keras_without_its_branch():
    from mantid_insdl.networks.backend import import_keras
    from mantid_insdl.training.fitting import learning_rate

    keras = import_keras()
    for steps in (3, 120):
        theirs = keras.optimizers.schedules.CosineDecay(1e-3 / 20, steps, warmup_target=1e-3, warmup_steps=max(1, steps // 50), alpha=0.02)
        mine = learning_rate(keras, 1e-3, steps)
        at = range(steps + 10)
        assert [float(mine(step)) for step in at] == pytest.approx([float(theirs(step)) for step in at], rel=1e-6)


class ConstantMaps:
    """In the place of a `Measurer`: maps of ones."""

    def __init__(self):
        self.seeds = []

    def measure(self, indices, seed):
        from mantid_insdl.networks.measured import MeasuredMaps

        self.seeds.append((seed, tuple(indices.tolist())))
        return MeasuredMaps(np.ones((indices.size, 1), np.float32), *(np.empty(0),) * 4)


def test_a_fit_ends_with_the_weights_of_its_best_epoch_and_is_not_repeated(tmp_path):
    """Training draws the one weight from 0 to 1, validation wants 0.2: it is best on the way, not at the end."""
    from mantid_insdl.networks.backend import import_keras
    from mantid_insdl.training.fitting import fit
    from mantid_insdl.training.recipes import Fit

    keras = import_keras()

    def network():
        inputs = keras.layers.Input((1,), name="stack")
        return keras.Model(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs))

    train, validation = np.arange(40), np.arange(40, 50)
    seen = []

    def target(maps, indices):
        value = 1.0 if indices[0] < 40 else 0.2
        seen.append(value)
        return np.full((indices.size, 1), value, np.float32)

    def run(model, measurer):
        settings = Fit(epochs=8, batch=10, learning_rate=0.1, patience=20)
        keep = tmp_path / "kept" / "one.weights.h5"
        fit(model, "mse", measurer, target, train, validation, settings, seed=3, keep=keep, processes=1)
        return float(model.get_weights()[0].item())

    measurer = ConstantMaps()
    final = run(network(), measurer)
    assert 0.05 < final < 0.4
    # Validation maps have one measurement, training maps another one each epoch, in another order.
    assert {seed for seed, indices in measurer.seeds if indices[0] >= 40} == {(1000,)}
    assert {seed for seed, indices in measurer.seeds if indices[0] < 40} == {(number,) for number in range(8)}
    orders = {indices for _, indices in measurer.seeds if indices[0] < 40}
    assert len(orders) > 8 * 4 / 2 and {i for order in orders for i in order} == set(range(40))
    seen.clear()
    assert run(network(), ConstantMaps()) == pytest.approx(final) and not seen


@pytest.mark.slow
def test_the_command_prints_the_bundle_and_nothing_of_tensorflow(tmp_path):
    """In a process of its own, as TensorFlow's libraries write to its standard error while they are loaded."""
    command = ["-m", "mantid_insdl", "train", "rb2mnf4-exchange", "--quick", "--quiet", "-o", tmp_path / "b", "--data", tmp_path / "d"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run([sys.executable, *map(str, command)], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout.splitlines(), done.stderr) == ([str(tmp_path / "b")], "")
