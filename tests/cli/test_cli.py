"""What the commands do, with the analysis itself replaced where it is not the point."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import mantid_insdl
from mantid_insdl import examples, plotting
from mantid_insdl.cli import measured
from mantid_insdl.cli.exit_codes import EXIT_CODES
from mantid_insdl.errors import InsdlError
from mantid_insdl.report import RESULT_FILES


def test_version(insdl):
    assert insdl("--version").stdout.strip() == f"insdl {mantid_insdl.__version__}"


@pytest.mark.parametrize("command", ["demo", "analyse", "simulate", "train", "models", "install", "uninstall", "status"])
def test_help_teaches_by_example(insdl, command):
    text = insdl(command, "--help").stdout
    assert "Example" in text
    assert f"insdl {command}" in text


def test_help_documents_every_exit_code(insdl):
    text = insdl("--help").stdout
    assert {str(code) for _, code in EXIT_CODES} <= set(text.replace(",", " ").replace(".", " ").split())


def test_every_error_of_the_package_has_an_exit_code():
    """A new error class must get a code of its own choice, not by accident the one for faults."""
    covered = tuple(kind for kind, _ in EXIT_CODES)
    kinds = {kind for kind in vars(mantid_insdl.errors).values() if isinstance(kind, type) and issubclass(kind, InsdlError)}
    assert {kind.__name__ for kind in kinds if not issubclass(kind, covered)} <= {"InsdlError"}


def test_help_is_quick_and_imports_nothing_heavy():
    program = (
        "import sys; sys.argv = ['insdl', '--help']\n"
        "try:\n    from mantid_insdl.cli.main import main; main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'h5py', 'scipy', 'matplotlib', 'tensorflow', 'keras', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    start = time.monotonic()
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - start < 3.0  # 0.3 s on an idle machine


LAZY = {  # of what the command does not use
    ("material", "rb2mnf4"): {"matplotlib", "PIL", "mantid_insdl.simulation"},
    ("simulate", "-m", "rb2mnf4", "--path", "0,0,0 0.5,0.5,0", "--plot", "a.png"): {
        "matplotlib.pyplot",
        "mantid_insdl.instrument.specification",
        "mantid_insdl.simulation.slices",
        "mantid_insdl.files",
    },
}


@pytest.mark.parametrize("arguments", LAZY, ids=" ".join)
def test_commands_import_only_what_they_use(arguments, tmp_path):
    """What is slow at the start of a command is imports: `scipy.optimize` alone takes longer than numpy and the physics."""
    program = (
        f"import sys; sys.argv = {['insdl', *arguments]}\n"
        "try:\n    from mantid_insdl.__main__ import main; main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        f"heavy = {LAZY[arguments] | {'scipy', 'h5py', 'tensorflow', 'keras'}} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_a_picture_writes_no_docstrings_of_matplotlib(tmp_path):
    """They are a quarter of its import, and nobody reads them in a process that ends with the picture."""
    arguments = ["simulate", "-m", "rb2mnf4", "--path", "0,0,0 0.5,0.5,0", "--points", "3", "--plot", "a.png"]
    program = (
        f"import sys; sys.argv = {['insdl', *arguments]}\n"
        "try:\n    from mantid_insdl.__main__ import main; main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "from matplotlib.patches import Patch\n"
        "assert 'Properties' not in Patch.set.__doc__, Patch.set.__doc__"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_analyse_writes_all_results(insdl, map_file, tmp_path, made_by_hand):
    result = insdl("analyse", map_file(), "-m", "pcsmo", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert sorted(os.listdir(tmp_path / "out")) == sorted(RESULT_FILES)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["inputs"][0]["path"] == str(tmp_path / "map.npz")
    assert report["classification"]["verdict"] in result.stdout
    assert not report["simulated"]
    assert mantid_insdl.load(tmp_path / "out" / "fit.nxs").shape == (2, 20, 20)
    for name in RESULT_FILES:
        if name.endswith(".png"):
            assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")


def test_analyse_again_replaces_the_results(insdl, map_file, tmp_path, made_by_hand):
    for _ in range(2):
        assert insdl("analyse", map_file(), "-m", "pcsmo", "-o", tmp_path / "out", "-q").exit_code == 0
    assert sorted(os.listdir(tmp_path / "out")) == sorted(RESULT_FILES)


def test_a_run_with_fewer_results_leaves_none_of_the_earlier_ones(insdl, map_file, tmp_path, made_by_hand, monkeypatch, hand_made_analysis):
    assert insdl("analyse", map_file(), "-m", "pcsmo", "-o", tmp_path / "out", "-q").exit_code == 0
    without = {"denoised": None, "classification": None, "importance": None}
    monkeypatch.setattr("mantid_insdl.analysis.analyse", lambda m, **_: hand_made_analysis(m.select([0]), **without))
    assert insdl("analyse", map_file(), "-m", "pcsmo", "-o", tmp_path / "out", "-q").exit_code == 0
    left = ["corner.png", "fit.nxs", "fit.png", "measured.nxs", "measured.png", "report.html", "report.json", "residual.png"]
    assert sorted(os.listdir(tmp_path / "out")) == left


@pytest.mark.parametrize(
    ("text", "chosen"),
    [("1-20", range(20)), ("1-3,20", [0, 1, 2, 19]), ("11", [10]), (" 12 , 11-12", [10, 11])],
)
def test_select_option(insdl, map_file, tmp_path, made_by_hand, text, chosen):
    m = mantid_insdl.load(map_file())
    if len(chosen) == 1:
        chosen = [*chosen, 11]
        text += ",12"  # the analysis by hand wants two
    result = insdl("analyse", map_file(), "--select", text, "-m", "pcsmo", "-o", tmp_path / "out", "-q")
    assert result.exit_code == 0, result.stderr
    ((seen, _),) = made_by_hand
    assert seen.slices.matches(m.slices[list(chosen)])
    np.testing.assert_array_equal(seen.intensity, m.intensity[list(chosen)])
    assert f"only the slices {text} of 20 are used (--select)" in seen.provenance


@pytest.mark.parametrize("text", ["", "0", "21", "3-2", "1-", "a", "1;2", "-1", "1.5", "1-21"])
def test_select_that_makes_no_sense(insdl, map_file, tmp_path, text):
    words = ["--select", "slices"]
    insdl.refuses("analyse", map_file(), "--select", text, "-m", "pcsmo", "-o", tmp_path / "out", "-q", code=2, words=words)


def test_select_says_which_slices_there_are(insdl, map_file, tmp_path):
    words = ["1 to 10 (Ei 25 meV, 2.5 to 17.5 meV), 11 to 20 (Ei 50 meV, 5 to 35 meV)"]
    insdl.refuses("analyse", map_file(), "--select", "30", "-m", "pcsmo", "-o", tmp_path / "out", "-q", code=2, words=words)


def test_select_of_a_map_without_slices(insdl, tmp_path):
    np.savez(tmp_path / "powder.npz", intensity=np.ones((3, 4)), q=[1.0, 2.0, 3.0], energy=np.arange(5.0))
    line = ("analyse", tmp_path / "powder.npz", "--select", "1", "-m", "pcsmo", "-o", tmp_path / "out", "-q")
    insdl.refuses(*line, code=2, words=["powder map"])


def test_warnings_of_the_reader_are_in_the_report(insdl, map_file, tmp_path, slices_arrays, monkeypatch, hand_made_analysis):
    """As `prepare` hands them on; here the analysis by hand does."""
    intensity = slices_arrays["intensity"].copy()
    intensity[0, 0, 0, 0] = -1e20
    monkeypatch.setattr("mantid_insdl.analysis.analyse", lambda m, **_: hand_made_analysis(m.select([0, 1]), warnings=m.warnings))
    result = insdl("analyse", map_file(intensity=intensity), "-m", "pcsmo", "-o", tmp_path / "out", "-q")
    assert result.exit_code == 0, result.stderr
    assert "were masked: their intensity or error is beyond" in " ".join(result.stdout.split())
    assert json.loads((tmp_path / "out" / "report.json").read_text())["warnings"][0].startswith("0.0% of the pixels (1)")


def test_analyse_lists_what_it_can_answer_for(insdl, map_file, tmp_path):
    listed = measured.describe(measured.answers_for())
    assert listed == measured.ANSWERS_FOR  # what the help says
    shown = insdl("analyse", "--help").stdout
    assert all(name in shown for name in ("pcsmo-dimer", "pcsmo-goodenough", "pcsmo-zener", "rb2mnf4"))
    line = ("analyse", map_file(), "-o", tmp_path / "out", "-m")
    for name in ("example-kagome", "la2nio4"):
        insdl.refuses(*line, name, code=6, words=[f"no trained model knows {name} yet", listed])
    insdl.refuses(*line, "nothing", code=5, words=["there is no material 'nothing'", listed])


def test_simulate_names_the_models_of_a_family(insdl, tmp_path):
    words = ["family", "pcsmo-dimer, pcsmo-goodenough, pcsmo-zener"]
    insdl.refuses("simulate", "-m", "pcsmo", "--ei", "25", "-o", tmp_path / "a.nxs", code=5, words=words)


@pytest.mark.parametrize(
    "line",
    [
        ("analyse", "a.nxs", "-m", "pcsmo", "-o", ""),
        ("demo", "-o", " "),
        ("simulate", "-m", "rb2mnf4", "--ei", "25", "-o", ""),
        ("simulate", "-m", "rb2mnf4", "--ei", "25", "--plot", ""),
        ("material", "rb2mnf4", "--plot", ""),
        ("train", "pcsmo-classifier", "-o", ""),
        ("train", "pcsmo-classifier", "--data", ""),
    ],
)
def test_an_empty_name_of_an_output(insdl, line, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    insdl.refuses(*line, code=2, words=["is empty"])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(
    "line",
    [
        ("--help",),
        ("analyse", "-h"),
        ("material", "pcsmo-zener"),
        ("models", "card", "pcsmo-classifier"),
        ("analyse", "Å.nxs", "-m", "pcsmo"),
    ],
)
def test_any_encoding_of_the_terminal(line, encoding, tmp_path):
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "mantid_insdl", *line]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False, env=environment, cwd=tmp_path)
    said = (done.stdout + done.stderr).decode(encoding)
    assert done.returncode == (3 if "Å.nxs" in line else 0), said
    assert "Traceback" not in said
    assert "This is a fault of insdl" not in said
    if "Å.nxs" in line:
        assert f"insdl: error: '{'A' if encoding == 'ascii' else 'Å'}.nxs' does not exist" in said


def test_several_files_with_an_ei_each(insdl, map_file, tmp_path, slices_arrays, made_by_hand):
    files = []
    for i, ei in enumerate(slices_arrays["ei"]):
        one = {key: slices_arrays[key][i] for key in ("intensity", "error", "energy_edges")}
        files.append(map_file(f"{ei:g}.npz", ei=None, **one))
    result = insdl("analyse", *files, "--ei", 25, "--ei", 50, "-m", "pcsmo", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    ((seen, _),) = made_by_hand
    assert seen.slices.unique_ei.tolist() == [25.0, 50.0]


def test_mask_option(insdl, map_file, tmp_path, slices_arrays, made_by_hand):
    gap = np.zeros(slices_arrays["intensity"].shape, bool)
    gap[:, :, 3, :] = True
    mask = tmp_path / "gaps.npz"
    np.savez(mask, gap=gap, ei=slices_arrays["ei"], energy_edges=slices_arrays["energy_edges"], q=slices_arrays["q"])
    result = insdl("analyse", map_file(), "--mask", mask, "-m", "pcsmo", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert made_by_hand[0][0].masked_fraction == pytest.approx(0.05)
    assert len(json.loads((tmp_path / "out" / "report.json").read_text())["inputs"]) == 2


def test_demo_says_that_it_is_simulated_and_whether_the_verdict_is_right(insdl, tmp_path, made_by_hand, monkeypatch):
    titles = []
    write = plotting.plot_map
    monkeypatch.setattr(plotting, "plot_map", lambda m, title: titles.append(title) or write(m, title=title))
    result = insdl("demo", "-o", tmp_path / "out")
    assert titles and all("simulated" in title for title in titles)
    assert result.exit_code == 0, result.stderr
    assert "SIMULATED" in result.stdout
    assert "the verdict is right" in result.stdout
    assert json.loads((tmp_path / "out" / "report.json").read_text())["truth"]["parameters"] == examples.PARAMETERS


def test_ctrl_c(insdl, map_file, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("mantid_insdl.analysis.analyse", interrupted)
    result = insdl("analyse", map_file(), "-m", "pcsmo", "-o", tmp_path / "out", "-q")
    assert result.exit_code == 130
    assert result.stderr == "insdl: interrupted, no result was written.\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_termination_leaves_nothing(tmp_path):
    program = (
        "import sys, time, mantid_insdl.analysis as a\n"
        "def wait(*_, **__): print('waiting', flush=True); time.sleep(60)\n"
        "a.analyse = wait\n"
        "from mantid_insdl.cli.main import main; main()"
    )
    line = [sys.executable, "-c", program, "analyse", str(examples.path()), "-m", "pcsmo", "-o", str(tmp_path / "out"), "-q"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 143
    assert said == ""
    assert os.listdir(tmp_path) == []


@pytest.fixture
def broken(monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("a fault\nin two lines")

    monkeypatch.setattr("mantid_insdl.analysis.analyse", fail)


def test_a_fault_is_one_sentence_that_says_how_to_report_it(insdl, map_file, tmp_path, broken):
    sentence = insdl.refuses("analyse", map_file(), "-m", "pcsmo", "-o", tmp_path / "out", "-q", code=1, words=["ZeroDivisionError"])
    assert "--debug" in sentence
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("position", ["before", "after"])
def test_debug_shows_the_traceback_wherever_it_stands(insdl, map_file, tmp_path, broken, position):
    line = ["analyse", map_file(), "-m", "pcsmo", "-o", tmp_path / "out"]
    result = insdl(*(["--debug", *line] if position == "before" else [*line, "--debug"]))
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "insdl: error: Unexpected ZeroDivisionError" in result.stderr


def test_simulate(insdl, tmp_path):
    out, plot = tmp_path / "map.nxs", tmp_path / "map.png"
    line = ["simulate", "-m", "rb2mnf4", "--set", "J1=0.65", "--set", "J2=0.012", "--ei", 10, "--energy", "1,1,7", "--qh", "-1,0.1,1"]
    result = insdl(*line, "--qk", "-0.5,0.1,0.5", "-o", out, "--plot", plot)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == [str(out), str(plot)]
    m = mantid_insdl.load(out)
    assert m.shape == (6, 20, 10)
    assert np.nanmax(m.intensity) > 0
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_simulate_like_a_map_with_counting_noise_is_repeatable(insdl, map_file, tmp_path):
    template = map_file()
    maps = []
    for seed in (1, 1, 2):
        out = tmp_path / "map.nxs"
        assert insdl("simulate", "-m", "pcsmo-dimer", "--like", template, "--counts", 1e4, "--seed", seed, "-o", out, "-q").exit_code == 0
        maps.append(mantid_insdl.load(out))
    assert maps[0].shape == (20, 20, 20)
    assert maps[0].error is not None
    np.testing.assert_array_equal(maps[0].intensity, maps[1].intensity)
    assert not np.array_equal(maps[0].intensity, maps[2].intensity, equal_nan=True)


def test_models_lists_and_shows_cards(insdl):
    names = mantid_insdl.networks.bundles.bundle_names()
    listed = insdl("models")
    assert listed.exit_code == 0
    assert all(name in listed.stdout for name in names)
    assert insdl("models", "list").stdout == listed.stdout
    for name in names:
        shown = insdl("models", "card", name)
        assert "Limitations" in shown.stdout
        words = " ".join(shown.stdout.split())
        assert "40 qh from -1 to 1 r.l.u." in words and "c along the incident beam" in words
        assert "of any incident energy and windows within the limitations below" in words
        assert json.loads(insdl("models", "card", name, "--json").stdout)["name"] == name


def test_models_verify(insdl):
    result = insdl("models", "verify")
    assert result.exit_code == 0
    assert result.stdout.count("complete and unaltered") == len(mantid_insdl.networks.bundles.bundle_names())


def test_train_lists_the_recipes(insdl):
    result = insdl("train")
    assert result.exit_code == 0
    assert "pcsmo-classifier: " in result.stdout


def test_train_passes_everything_on(insdl, tmp_path, monkeypatch):
    calls = []

    def train(recipe, output, *, quick, data_folder, scheduler, progress):
        progress(0.5, "half")
        calls.append((recipe.name, output, quick, data_folder, scheduler))
        return output

    monkeypatch.setattr("mantid_insdl.training.train.train", train)
    result = insdl("train", "pcsmo-denoiser", "-o", tmp_path / "m", "--data", tmp_path / "d", "--quick", "--scheduler", "tcp://here:1")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(tmp_path / "m")
    assert calls == [("pcsmo-denoiser", tmp_path / "m", True, tmp_path / "d", "tcp://here:1")]


def test_panel_opens_files(insdl, monkeypatch):
    from mantid_insdl import interfaces

    opened = []
    monkeypatch.setattr(interfaces, "show", opened.append)
    assert insdl("panel").exit_code == 0 and insdl("panel", "a.nxs", "b.nxs").exit_code == 0
    assert opened == [[], ["a.nxs", "b.nxs"]]


def test_panel_without_qt_is_one_sentence(insdl, monkeypatch):
    monkeypatch.setitem(sys.modules, "qtpy", None)
    done = insdl("panel")
    assert done.exit_code == 8 and "panel needs Qt" in done.stderr


BARE = "import sys\nfor name in ('typer', 'click', 'rich', 'pydantic', 'numpy', 'yaml', 'h5py'): sys.modules[name] = None\n"


def without_dependencies(*arguments):
    """`insdl` where nothing is installed but the package itself."""
    entry = "from mantid_insdl.__main__ import main\nmain()"
    line = [sys.executable, "-c", f"{BARE}sys.argv = {['insdl', *arguments]}\n{entry}"]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("arguments", [[], ["models"], ["install", "--help"]])
def test_without_dependencies_every_command_says_what_is_missing(arguments):
    done = without_dependencies(*arguments)
    assert (done.returncode, done.stdout) == (8, "")
    assert "has no module 'typer'; use the environment with the whole package, such as .venv/bin/insdl" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.tensorflow
def test_demo_from_end_to_end(tmp_path):
    """The real thing, in a process of its own: quiet, right, complete."""
    line = [sys.executable, "-m", "mantid_insdl", "demo", "-o", str(tmp_path / "out")]
    result = subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    progress = [text for text in result.stderr.splitlines() if text.strip()]
    assert all(text.lstrip()[0].isdigit() for text in progress), "TensorFlow's own messages must not reach the user"
    assert len(progress) < 60  # a line when the stage changes, and one every ten seconds
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["truth"]["verdict_is_right"], report["classification"]
    assert report["exchange"]["parameters"]
    assert {file["name"] for file in report["files"]} | {"report.json"} == set(os.listdir(tmp_path / "out"))


@pytest.mark.parametrize(("options", "refine"), [([], "fast"), (["--refine", "full"], "full"), (["--refine", "off"], "off")])
def test_constants_are_refined_unless_that_is_switched_off(insdl, map_file, tmp_path, made_by_hand, options, refine):
    result = insdl("analyse", map_file(), "-m", "pcsmo", *options, "-o", tmp_path / "out", "-q")
    assert result.exit_code == 0, result.stderr
    assert [one for _, one in made_by_hand] == [refine]
    table = [line.split() for line in result.stdout.splitlines() if line.startswith("  JF1 ")]
    assert [row[:6] for row in table] == [["JF1", "-12.5", "+-", "0.8", "-11.00", "0.40"]], "the network beside the fit"


def test_an_unknown_refinement_is_refused(insdl, map_file, tmp_path):
    insdl.refuses("analyse", map_file(), "-m", "pcsmo", "--refine", "some", "-o", tmp_path / "out", code=2, words=["off, fast, full"])
