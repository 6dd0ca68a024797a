"""Whatever is wrong with the input: one clear sentence, a non-zero exit code, no traceback, and nothing left behind."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mantid_insdl import examples
from mantid_insdl.errors import UnsuitableMapError
from mantid_insdl.networks import bundles


@pytest.fixture
def refused(insdl, tmp_path):
    """`insdl analyse` of these files is refused, and leaves nothing behind."""

    def check(*files, code, words=(), material="pcsmo", options=()):
        before = sorted(os.listdir(tmp_path))
        sentence = insdl.refuses("analyse", *files, "-m", material, "-o", tmp_path / "out", *options, code=code, words=words)
        assert sorted(os.listdir(tmp_path)) == before
        return sentence

    return check


def powder_arrays():
    return {
        "intensity": np.random.default_rng(0).random((30, 40)),
        "q": np.linspace(0, 3, 30),
        "energy": np.linspace(0, 40, 40),
        "ei": np.array(50.0),
    }


# ---- files


def test_missing_file(refused, tmp_path):
    refused(tmp_path / "none.nxs", code=3, words=["none.nxs", "does not exist"])


def test_folder_instead_of_a_file(refused, tmp_path):
    refused(tmp_path, code=3, words=["is a folder"])


def test_empty_file(refused, tmp_path):
    (tmp_path / "a.nxs").write_bytes(b"")
    refused(tmp_path / "a.nxs", code=3, words=["empty"])


def test_foreign_file(refused, tmp_path):
    (tmp_path / "a.nxs").write_text("a letter, not a map\n")
    refused(tmp_path / "a.nxs", code=3, words=["no map"])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_nexus(refused, tmp_path, share):
    whole = examples.path().read_bytes()
    (tmp_path / "a.nxs").write_bytes(whole[: int(share * len(whole))])
    refused(tmp_path / "a.nxs", code=3, words=["a.nxs"])


def test_truncated_npz(refused, map_file):
    path = map_file()
    path.write_bytes(path.read_bytes()[:-2000])
    refused(path, code=3, words=["truncated or damaged"])


def test_pickled_objects(refused, map_file):
    refused(map_file(intensity=np.array([{"a": 1}], dtype=object)), code=3, words=["pickled"])


# ---- contents


def test_powder_map_where_slices_are_needed(refused, tmp_path):
    np.savez(tmp_path / "powder.npz", **powder_arrays())
    refused(tmp_path / "powder.npz", code=4, words=["powder", "(Qh, Qk) slices"])


def test_no_momentum_axis(refused, map_file):
    refused(map_file(q=None), code=3, words=["q"])


def test_axis_that_does_not_rise(refused, map_file):
    refused(map_file(q=np.zeros(20)), code=4, words=["not strictly increasing"])


def test_axes_of_another_size(refused, map_file):
    refused(map_file(q=np.linspace(-1, 1, 33)), code=4)


def test_all_nan(refused, map_file, slices_arrays):
    nothing = np.full_like(slices_arrays["intensity"], np.nan)
    refused(map_file(intensity=nothing), code=4, words=["no usable pixel"])


def test_empty_arrays(refused, map_file):
    refused(map_file(intensity=np.zeros((2, 10, 0, 0)), error=None, q=np.zeros(0)), code=4)


def test_constant(refused, map_file, slices_arrays):
    refused(map_file(intensity=np.full_like(slices_arrays["intensity"], 2.0)), code=4, words=["constant"])


def test_infinite_values(refused, map_file, slices_arrays):
    intensity = slices_arrays["intensity"].copy()
    intensity[0, 0, 0, 0] = np.inf
    refused(map_file(intensity=intensity), code=4, words=["infinite"])


def test_no_positive_intensity(refused, map_file, slices_arrays):
    refused(map_file(intensity=-slices_arrays["intensity"]), code=4, words=["no positive intensity"])


def test_one_pixel(refused, map_file):
    refused(map_file(intensity=np.ones((1, 1, 1, 1)), error=None, ei=np.array([25.0]), energy_edges=np.array([[2.5, 4.0]]),
                     q=np.array([0.0])), code=4)  # fmt: skip


def test_huge_map(refused, tmp_path):
    """A header that claims 80 TB: refused before anything is read."""
    import zipfile
    from io import BytesIO

    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (100, 10, 100_000, 100_000)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("intensity.npy", b"\x93NUMPY\x01\x00" + header.getvalue().removeprefix(b"\x93NUMPY\x01\x00"))
    refused(tmp_path / "a.npz", code=3, words=["intensity"])


def test_missing_ei(refused, map_file):
    one = {"intensity": np.random.default_rng(0).random((10, 20, 20)), "error": None, "energy_edges": np.linspace(5, 35, 11)}
    refused(map_file(ei=None, **one), code=3, words=["no 'ei'"])


def test_ei_that_no_model_was_trained_on(refused, map_file):
    refused(map_file(ei=np.array([400.0, 500.0])), code=4, words=["400", "trained from 18 to 160 meV".lower()])


def test_files_whose_axes_differ(refused, map_file):
    other = map_file("b.npz", q=np.linspace(-2, 2, 20))
    refused(map_file(), other, code=4, words=["differ"])


def test_one_ei_too_many(refused, map_file):
    refused(map_file(), code=2, words=["2 times for 1 files"], options=["--ei", 25, "--ei", 50])


# ---- material, models, environment


def test_wrong_material_lists_the_valid_ones(refused, map_file):
    refused(map_file(), material="unobtainium", code=5, words=["unobtainium", "pcsmo", "rb2mnf4"])


@pytest.fixture
def own_models(monkeypatch, tmp_path_factory):
    """The shipped bundles, copied to a place where they may be damaged."""
    import shutil

    folder = tmp_path_factory.mktemp("models") / "trained_models"
    shutil.copytree(bundles.models_directory(), folder)
    monkeypatch.setattr(bundles, "models_directory", lambda: folder)
    return folder


def weights_of(folder):
    return sorted((folder / "pcsmo-denoiser").glob("*.keras"))[0]


def test_corrupted_weights(refused, own_models):
    path = weights_of(own_models)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    refused(examples.path(), code=6, words=["damaged or was altered"])


def test_missing_weights(refused, own_models):
    weights_of(own_models).unlink()
    refused(examples.path(), code=6, words=["lacks"])


def test_altered_card(refused, own_models):
    card = own_models / "pcsmo-denoiser" / "card.json"
    card.write_text(card.read_text().replace("GPL-3.0-or-later", "none", 1))
    refused(examples.path(), code=6, words=["altered"])


def test_verify_names_what_is_damaged(insdl, own_models):
    weights_of(own_models).write_bytes(b"no")
    result = insdl("models", "verify")
    assert result.exit_code == 6
    assert "pcsmo-denoiser" in result.stderr
    assert "pcsmo-classifier: complete and unaltered" in result.stdout


def test_unknown_model(insdl):
    insdl.refuses("models", "card", "nothing", code=6, words=["no model bundle 'nothing'"])


def test_no_tensorflow(tmp_path):
    """In another process, since TensorFlow may be loaded in this one."""
    program = "import sys; sys.modules['tensorflow'] = None; from mantid_insdl.cli.main import main; main()"
    line = [sys.executable, "-c", program, "analyse", str(examples.path()), "-m", "pcsmo", "-o", str(tmp_path / "out"), "--quiet"]
    result = subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, "INSDL_PYTHON": ""})
    assert result.returncode == 8
    assert result.stderr.startswith("insdl: error: TensorFlow is needed")
    assert "pip install" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == []


# ---- output


@pytest.fixture
def never(monkeypatch):
    """The analysis must not begin."""

    def fail(*_, **__):
        pytest.fail("the output must be checked before the work")

    monkeypatch.setattr("mantid_insdl.analysis.analyse", fail)


def test_output_is_a_file(insdl, map_file, tmp_path, never):
    (tmp_path / "out").write_text("mine")
    insdl.refuses("analyse", map_file(), "-m", "pcsmo", "-o", tmp_path / "out", code=7, words=["is a file"])
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc, where nobody may make a folder")
def test_output_cannot_be_written_to(insdl, map_file, never):
    insdl.refuses("analyse", map_file(), "-m", "pcsmo", "-o", "/proc/out", code=7, words=["cannot make the folder"])


def test_a_result_would_overwrite_the_input(insdl, map_file, tmp_path, never):
    measured = map_file("measured.nxs")
    insdl.refuses("analyse", measured, "-m", "pcsmo", "-o", tmp_path, code=7, words=["would be overwritten"])


def test_failure_leaves_earlier_results(insdl, map_file, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.json").write_text("earlier")

    def fail(*_, **__):
        raise UnsuitableMapError("this map does not do")

    monkeypatch.setattr("mantid_insdl.analysis.analyse", fail)
    insdl.refuses("analyse", map_file(), "-m", "pcsmo", "-o", out, code=4)
    assert os.listdir(out) == ["report.json"]
    assert (out / "report.json").read_text() == "earlier"


# ---- simulate


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["-m", "none", "--ei", 10], 5, ["none", "rb2mnf4"]),
        (["-m", "rb2mnf4", "--ei", 10, "--set", "K=1"], 5, ["'K'", "J1"]),
        (["-m", "rb2mnf4", "--ei", 10, "--set", "J1"], 5, ["name=number"]),
        (["-m", "rb2mnf4", "--ei", 10, "--set", "J1=nan"], 5, ["J1=nan"]),
        (["-m", "rb2mnf4", "--ei", 10, "--set", "J1=1", "--set", "J1=2"], 5, ["twice"]),
        (["-m", "rb2mnf4"], 2, ["--like or --ei"]),
        (["-m", "rb2mnf4", "--ei", 10, "--like", "a.nxs"], 2, ["--like or --ei"]),
        (["-m", "rb2mnf4", "--like", "a.nxs", "--qh", "-1,0.1,1"], 2, ["--like cannot go"]),
        (["-m", "rb2mnf4", "--like", "a.nxs"], 3, ["does not exist"]),
        (["-m", "rb2mnf4", "--ei", 10, "--energy", "2,0.5"], 2, ["min,step,max"]),
        (["-m", "rb2mnf4", "--ei", 10, "--energy", "a,b,c"], 2, ["min,step,max"]),
        (["-m", "rb2mnf4", "--ei", 10, "--energy", "8,0.5,2"], 2, ["no bins"]),
        (["-m", "rb2mnf4", "--ei", 10, "--energy", "2,-0.5,8"], 2, ["no bins"]),
        (["-m", "rb2mnf4", "--ei", 10, "--energy", "2,inf,8"], 2, ["no bins"]),
        (["-m", "rb2mnf4", "--ei", 10, "--qh", "-1,0.3,1"], 2, ["bin edge"]),
        (["-m", "rb2mnf4", "--ei", 10, "--qk", "-1,1e-9,1"], 2, ["larger step"]),
        (["-m", "rb2mnf4", "--ei", 10, "--energy", "20,1,30"], 4, []),
        (["-m", "rb2mnf4", "--ei", 10, "--plot", "map.bmp"], 2, ["wrong ending"]),
        (["-m", "rb2mnf4", "--ei", 10, "--set", "J1=-1"], 5, ["unstable"]),
        (["-m", "rb2mnf4", "--ei", 0], 2, ["positive"]),
    ],
)
def test_simulate(insdl, tmp_path, monkeypatch, options, code, words):
    monkeypatch.chdir(tmp_path)
    insdl.refuses("simulate", *options, "-o", "map.nxs", "--quiet", code=code, words=words)
    assert os.listdir(tmp_path) == []


def test_simulate_into_a_missing_folder(insdl, tmp_path):
    insdl.refuses("simulate", "-m", "rb2mnf4", "--ei", 10, "-o", tmp_path / "none" / "map.nxs", code=7, words=["does not exist"])


def test_simulate_with_a_wrong_ending(insdl, tmp_path):
    insdl.refuses("simulate", "-m", "rb2mnf4", "--ei", 10, "-o", tmp_path / "map.txt", code=2, words=["wrong ending", ".nxs"])


def test_simulate_over_its_template(insdl, map_file):
    path = map_file("template.npz")
    before = path.read_bytes()
    insdl.refuses("simulate", "-m", "rb2mnf4", "--like", path, "-o", path, code=7, words=["would be overwritten"])
    assert path.read_bytes() == before


# ---- train


def test_unknown_recipe(insdl, tmp_path):
    insdl.refuses("train", "nothing", "-o", tmp_path / "model", code=6, words=["no recipe 'nothing'", "pcsmo-classifier"])


def test_train_over_an_existing_folder_is_refused_before_the_work(insdl, tmp_path, monkeypatch):
    monkeypatch.setattr("mantid_insdl.training.train.train", lambda *_, **__: pytest.fail("must be refused before the work"))
    insdl.refuses("train", "pcsmo-classifier", "-o", tmp_path, code=7, words=["exists"])


def test_train_on_a_scheduler_that_is_not_there(insdl, tmp_path, monkeypatch):
    from mantid_insdl.training import cluster

    def train(recipe, output, *, scheduler, **options):
        list(cluster.each(len, [("work",)], scheduler=scheduler))

    monkeypatch.setattr("mantid_insdl.training.train.train", train)
    monkeypatch.setattr(cluster, "CONNECTING", "1s")
    command = ("train", "pcsmo-classifier", "-o", tmp_path / "model", "--scheduler", "tcp://127.0.0.1:9")
    insdl.refuses(*command, code=8, words=["no dask scheduler at tcp://127.0.0.1:9", "dask scheduler"])
