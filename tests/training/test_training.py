"""A very small training from recipe to bundle, and the losses against closed forms."""

import numpy as np
import pytest

from mantid_insdl.errors import OutputError
from mantid_insdl.networks.bundles import load_bundle, verify_bundle
from mantid_insdl.training.recipes import load_recipe, quickened

pytestmark = pytest.mark.tensorflow


def test_a_quick_training_makes_a_sound_bundle(tmp_path, monkeypatch):
    # Kernels are chosen once a process: with the faster ones, other tests would compare answers that differ by rounding.
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    from mantid_insdl.training.train import train

    recipe = quickened(load_recipe("rb2mnf4-exchange"))
    seen = []
    folder = train(recipe, tmp_path / "bundle", data_folder=tmp_path / "data", progress=lambda f, t: seen.append((f, t)))
    assert verify_bundle(folder) == []
    card = load_bundle(folder).card
    assert card.version.endswith("-quick")
    assert sum(dict(card.training.samples).values()) == 24
    assert {o.name for o in card.outputs} == {"J1", "J2", "D"}
    assert all(t.n >= 1 and t.command == "insdl train rb2mnf4-exchange" for t in card.test)
    with pytest.raises(OutputError, match="exists already"):  # before any work
        train(recipe, tmp_path / "bundle", data_folder="/nonexistent")
    assert seen[0][0] >= 0 and seen[-1][0] == pytest.approx(1.0)


def test_gaussian_loss_is_least_at_the_true_width():
    from mantid_insdl.networks.backend import import_keras
    from mantid_insdl.training.fitting import gaussian_loss

    loss = gaussian_loss(import_keras())
    target = np.random.default_rng(0).normal(1.0, 0.5, (20000, 1)).astype("float32")

    def at(mean, sigma):
        output = np.tile(np.float32([mean, np.log(sigma)]), (len(target), 1))
        return float(np.mean(loss(target, output)))

    assert at(1.0, 0.5) < min(at(1.2, 0.5), at(1.0, 0.4), at(1.0, 0.6))
    assert at(1.0, 0.5) == pytest.approx(0.5 + np.log(0.5), abs=0.02)
