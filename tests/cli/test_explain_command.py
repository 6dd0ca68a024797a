"""`insdl explain`: what it leaves, and what it refuses."""

from __future__ import annotations

import json
import re
from importlib import resources

import numpy as np
import pytest
from typer.testing import CliRunner

import mantid_insdl as insdl
from mantid_insdl import examples
from mantid_insdl.cli.main import app

DEMO = resources.files(examples) / "pcsmo_simulated_measurement.nxs"


def run(*arguments):
    return CliRunner().invoke(app, ["explain", *map(str, arguments), "-q"])


@pytest.mark.tensorflow
def test_one_view_with_its_page(tmp_path):
    done = run(DEMO, "-m", "pcsmo", "-o", tmp_path / "why")
    assert done.exit_code == 0, done.output
    assert "Explained is pcsmo-goodenough of pcsmo-classifier" in done.output
    names = {path.name for path in (tmp_path / "why").iterdir()}
    assert names == {"explain.json", "report.html", "map.png", "grad-cam.png", "grad-cam.nxs", "faithfulness.png"}
    content = json.loads((tmp_path / "why" / "explain.json").read_text())
    assert content["simulated"] and content["target"] == "pcsmo-goodenough"
    (figures,) = content["attributions"]
    assert figures["method"] == "grad-cam" and figures["insertion"] > figures["brightest"][1] > figures["random"][1]
    assert {one["name"] for one in content["files"]} == names - {"explain.json"}
    importance = insdl.load(tmp_path / "why" / "grad-cam.nxs")
    assert importance.intensity[~importance.mask].max() == pytest.approx(1)
    page = (tmp_path / "why" / "report.html").read_text()
    # everything is in it: no file beside it, no network, no script
    assert len(re.findall(r'<img src="data:image/png;base64,', page)) == 3 == page.count("<figcaption>")
    assert not re.search(r"https?://|<script|src=\"(?!data:)", page)
    assert "This is a simulated measurement" in page and "Verdict of the network" in page
    # again, with another view: what the first run made and this one does not is gone
    again = run(DEMO, "-m", "pcsmo", "--view", "weights", "-o", tmp_path / "why")
    assert again.exit_code == 0, again.output
    assert {path.name for path in (tmp_path / "why").iterdir()} == {"explain.json", "report.html", "map.png", "filters.png"}


@pytest.mark.tensorflow
def test_what_fixes_a_constant(tmp_path):
    network = ("--model", "pcsmo-goodenough-exchange", "--target", "JF2")
    done = run(DEMO, "-m", "pcsmo", *network, "--view", "cam", "--view", "grad-cam", "-o", tmp_path)
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "Explained is JF2" in said and "it has no classes" in said
    assert "Verdict" not in (tmp_path / "report.html").read_text() and not (tmp_path / "cam.png").exists()


@pytest.mark.parametrize(
    "options, code, message",
    [
        (["--view", "lime"], 2, "there are cam"),
        (["--all", "--view", "cam"], 2, "--all cannot go with --view"),
        (["--target", "zenner"], 6, "its classes are"),
        (["--layer", "dense"], 6, "it has convolution_1"),
        (["--model", "pcsmo-denoiser"], 6, "gives no score"),
        (["--model", "nonsense"], 6, "there is no model bundle"),
    ],
)
@pytest.mark.tensorflow
def test_refused(tmp_path, options, code, message):
    done = run(DEMO, "-m", "pcsmo", "-o", tmp_path / "out", *options)
    assert (done.exit_code, message in done.output.lower() or message in done.output) == (code, True), done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.tensorflow
def test_one_slice_is_explained_and_an_empty_map_is_not(tmp_path):
    one = run(DEMO, "-m", "pcsmo", "--select", "5", "-o", tmp_path / "one")
    assert one.exit_code == 0, one.output
    m = insdl.load(DEMO)
    insdl.save(m.with_mask(np.ones(m.shape, bool)), tmp_path / "masked.npz")
    empty = run(tmp_path / "masked.npz", "-m", "pcsmo", "-o", tmp_path / "none")
    assert empty.exit_code == 4 and "no usable pixel" in empty.output


@pytest.mark.tensorflow
def test_a_map_that_shows_none_of_the_models_is_explained_and_marked(tmp_path):
    m = insdl.load(DEMO)
    noise = np.random.default_rng(0).exponential(size=m.shape)
    insdl.save(m.replace(intensity=np.where(m.mask, np.nan, noise), error=None), tmp_path / "noise.npz")
    done = run(tmp_path / "noise.npz", "-m", "pcsmo", "-o", tmp_path / "why")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "why" / "explain.json").read_text())
    assert any("no more than noise" in one or "none of these" in one for one in report["warnings"])
    assert (tmp_path / "why" / "grad-cam.png").exists()


@pytest.mark.tensorflow
def test_a_bundle_without_convolutions_has_no_grad_cam(tmp_path):
    from toys import any_slices, save_toy, toy_card, unit_range

    from mantid_insdl.networks.backend import import_keras

    layers, size = import_keras().layers, (60, 40, 40)
    stack = layers.Input((*size, 2), name="stack")
    embedding = layers.Dense(2, name="embedding")(layers.GlobalAveragePooling3D()(stack))
    network = import_keras().Model(stack, layers.Dense(4, name="logits")(embedding))
    save_toy(tmp_path / "toy", any_slices(toy_card("pcsmo-classifier")), [network], unit_range(1).arrays)
    done = run(DEMO, "-m", "pcsmo", "--model", tmp_path / "toy", "-o", tmp_path / "out")
    assert done.exit_code == 6 and "have no convolutions" in done.output
