"""Reduced files to pages, records and an index."""

import json
import os
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from small_maps import powder_map, small_map

import mantid_insdl
from mantid_insdl import load, save
from mantid_insdl.errors import OutputError, PostprocessError, WorkerError
from mantid_insdl.postprocessing import processing
from mantid_insdl.runs.process import process
from mantid_insdl.runs.record import DONE, FAILED, NOT_POSSIBLE, PARTLY, read_record

postprocess = processing.postprocess


class Seen(HTMLParser):
    """Texts, links and pictures of a page; asserts that its elements are closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.links, self.text = [], [], ""
        self.feed(page.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        self.links += [value for name, value in attributes if name in ("href", "src")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_good_and_bad_files(tmp_path, reduced):
    good, bad, said = reduced(1), tmp_path / "bad.nxs", []
    bad.write_text("no map")
    with pytest.raises(PostprocessError, match=r"1 of 3 runs could not be processed: bad: 'bad.nxs' is no map.*see .*index.html") as raised:
        postprocess([good, bad, reduced(2)], tmp_path / "out", steps="map", title="RB1 <tests>", say=said.append)
    out = tmp_path / "out"
    assert raised.value.files[0] == "index.html"
    assert all((out / name).is_file() for name in raised.value.files)
    assert load(out / "MAP00001_Ei10meV" / "measured.nxs").intensity[0, 0, 0] == pytest.approx(small_map(1).intensity[0, 0, 0])
    index = Seen(out / "index.html")
    assert "RB1 <tests>" in index.text and "3 runs: " in index.text and "2 done" in index.text and "1 failed" in index.text
    assert "'bad.nxs' is no map: it is text" in index.text
    assert sorted(index.links) == ["MAP00001_Ei10meV/index.html", "MAP00002_Ei10meV/index.html", "bad/index.html"]
    assert [line.split(":")[:2] for line in said] == [["MAP00001_Ei10meV", " done"], ["bad", " failed"], ["MAP00002_Ei10meV", " done"]]
    record = read_record(out / "bad")
    assert (record.state, record.sources[0].bytes) == (FAILED, 6)
    page = Seen(out / "MAP00001_Ei10meV" / "index.html")
    assert "slices, 1 x 6 x 6 pixels, 0% masked, Ei 10 meV" in page.text
    assert all((out / "MAP00001_Ei10meV" / link).exists() for link in page.links)


def test_the_same_run_twice_is_one_run(tmp_path, reduced):
    file = reduced(1)
    first = postprocess(file, tmp_path / "out", steps=["map"])
    save(small_map(7), file)
    assert postprocess([file, str(file)], tmp_path / "out", steps=["map"]) == first
    assert "1 runs" in Seen(tmp_path / "out" / "index.html").text
    assert load(tmp_path / "out" / "MAP00001_Ei10meV" / "measured.nxs").intensity.min() > 7


def test_files_of_one_name_from_two_folders_are_two_runs(tmp_path, reduced):
    (tmp_path / "other").mkdir()
    postprocess([reduced(1), reduced(1, folder=tmp_path / "other")], tmp_path / "out", steps="map")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["MAP00001_Ei10meV", "MAP00001_Ei10meV_2", "index.html"]


def test_files_together_are_one_stack(tmp_path, reduced):
    files = postprocess([reduced(1), reduced(2)], tmp_path / "out", steps="map", together=True)
    assert load(tmp_path / "out" / "MAP00001_Ei10meV" / "measured.nxs").shape == (2, 6, 6)
    assert "MAP00001_Ei10meV/measured.nxs" in files and len({name.split("/")[0] for name in files}) == 2


def test_a_step_that_is_not_possible_is_no_failure(tmp_path):
    save(powder_map(), tmp_path / "powder.nxs")
    postprocess(tmp_path / "powder.nxs", tmp_path / "out", material="rb2mnf4", refine="off")
    record = read_record(tmp_path / "out" / "powder")
    assert [(step.name, step.state) for step in record.steps] == [("map", DONE), ("analyse", NOT_POSSIBLE)]
    assert record.state == PARTLY
    assert "powder map" in record.reason or "slices" in record.reason
    assert "powder" in record.summary


def test_without_tensorflow_the_rest_is_done(tmp_path, command):
    from mantid_insdl import examples

    stub = tmp_path / "stub"
    stub.mkdir()
    for name in ("tensorflow", "keras"):
        (stub / f"{name}.py").write_text("raise ImportError('no TensorFlow here')\n")
    path = os.pathsep.join([str(stub), os.environ.get("PYTHONPATH", "")])
    arguments = ["postprocess", examples.path(), "-o", tmp_path / "out", "-m", "pcsmo", "--json"]
    status, lines, result = command("-m", "mantid_insdl", *arguments, environment={"PYTHONPATH": path, "INSDL_PYTHON": ""})
    assert (status, result["status"]) == (0, "Successful"), lines
    (record,) = (read_record(folder) for folder in (tmp_path / "out").iterdir() if folder.is_dir())
    assert [(step.name, step.state) for step in record.steps] == [("map", DONE), ("analyse", NOT_POSSIBLE)]
    assert "TensorFlow" in record.reason


def test_nothing_heavy_comes_into_this_process(tmp_path, reduced):
    """Mantid may be here, whose HDF5 is another one; and a runner has no Qt."""
    code = (
        "import sys, mantid_insdl\n"
        f"mantid_insdl.postprocess({str(reduced())!r}, {str(tmp_path / 'out')!r}, steps='map')\n"
        "print(sorted({'h5py', 'tensorflow', 'keras', 'mantid', 'qtpy', 'matplotlib', 'pydantic', 'scipy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr == "insdl: MAP00000_Ei10meV: done\n"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": "map,dance"}, "no step 'dance'.*map, analyse, fit"),
        ({"steps": ()}, "no step is given"),
        ({"refine": "slow"}, "no refinement 'slow'"),
        ({"inputs": []}, "no file is given"),
    ],
)
def test_wrong_options(tmp_path, changes, message):
    given = {"inputs": "a.nxs", "output_dir": tmp_path / "out"} | changes
    with pytest.raises(PostprocessError, match=f"(?i){message}"):
        postprocess(**given)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written_is_not_the_fault_of_the_run(tmp_path, reduced):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError):
        postprocess(reduced(), tmp_path / "out", steps="map")


def test_a_run_at_which_the_worker_dies_is_recorded(tmp_path, reduced, monkeypatch):
    def run_task(task, maps, options, *, progress, poll):
        progress(0.3, "reading the map")
        raise WorkerError("the worker process ended unexpectedly", "it was ended by signal SIGSEGV")

    monkeypatch.setattr("mantid_insdl.worker.run_task", run_task)
    with pytest.raises(PostprocessError, match="SIGSEGV"):
        postprocess(reduced(3), tmp_path / "out", steps="map")
    record = read_record(tmp_path / "out" / "MAP00003_Ei10meV")
    assert (record.state, record.settings["steps"]) == (FAILED, ["map"])
    assert "SIGSEGV" in Seen(tmp_path / "out" / "index.html").text


def test_a_worker_that_does_not_start_is_no_fault_of_the_run(tmp_path, reduced, monkeypatch):
    monkeypatch.setenv("INSDL_PYTHON", str(tmp_path / "none"))
    with pytest.raises(WorkerError, match="no Python interpreter"):
        postprocess(reduced(3), tmp_path / "out", steps="map")
    assert not (tmp_path / "out").exists()


def test_a_long_run_is_heard_of(tmp_path, reduced, monkeypatch):
    said = []

    def run_task(task, maps, options, *, progress, poll):
        progress(0.3, "fitting")
        for _ in range(5):
            poll()
        raise WorkerError("it is enough")

    clock = iter(range(0, 10**6, 200))
    monkeypatch.setattr(processing.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr("mantid_insdl.worker.run_task", run_task)
    with pytest.raises(PostprocessError):
        postprocess(reduced(3), tmp_path / "out", steps="map", say=said.append)
    beats = [line for line in said if "30% fitting" in line]
    assert 2 <= len(beats) <= 3  # of 1000 s, one each five minutes


# ---- the steps, in this process


@pytest.fixture
def analysed(monkeypatch, hand_made_analysis):
    from mantid_insdl import examples

    seen = {}

    def analyse(m, **options):
        seen.update(options, map=m)
        return hand_made_analysis(m.select(slice(0, 2)))

    monkeypatch.setattr("mantid_insdl.analysis.analyse", analyse)
    seen["file"] = str(examples.path())
    return seen


def test_analyse_writes_what_insdl_analyse_does(tmp_path, analysed):
    record = process([analysed["file"]], str(tmp_path / "run"), material="pcsmo", refine="full", time_limit=60)
    assert (record.state, record.verdict) == (DONE, "pcsmo-goodenough")
    assert (analysed["refine"], analysed["time_limit"], analysed["map"].material) == ("full", 60, "pcsmo")
    assert {one["name"] for one in record.files} == {path.name for path in (tmp_path / "run").iterdir()} - {"run.json"}
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["classification"]["verdict"] == "pcsmo-goodenough"
    page = Seen(tmp_path / "run" / "index.html")
    for words in ("Verdict of the networks: pcsmo-goodenough", "0.97", "JF1", "-11", "simulated measurement", "140 meV are missing"):
        assert words in page.text
    assert all((tmp_path / "run" / link).exists() for link in page.links if link != "../index.html")


def test_a_step_that_breaks_down_leaves_the_others(tmp_path, analysed, monkeypatch):
    def broken(m, **options):
        raise ZeroDivisionError("by <nothing>")

    monkeypatch.setattr("mantid_insdl.analysis.analyse", broken)
    record = process([analysed["file"]], str(tmp_path / "run"), material="pcsmo")
    assert (record.state, record.steps[0].state, record.steps[1].state) == (FAILED, DONE, FAILED)
    assert "Unexpected ZeroDivisionError: by <nothing>" in record.reason
    assert (tmp_path / "run" / "measured.png").is_file()
    assert "by <nothing>" in Seen(tmp_path / "run" / "index.html").text


def test_results_of_an_earlier_processing_go(tmp_path, analysed):
    process([analysed["file"]], str(tmp_path / "run"), material="pcsmo")
    assert (tmp_path / "run" / "gradcam.png").is_file()
    process([analysed["file"]], str(tmp_path / "run"), material="pcsmo", steps=["map"])
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["index.html", "measured.nxs", "measured.png", "run.json"]


@pytest.mark.parametrize(("material", "fitted"), [("pcsmo-goodenough", ["pcsmo-goodenough"]), ("rb2mnf4", ["rb2mnf4"])])
def test_fit_of_one_material(tmp_path, analysed, monkeypatch, hand_made_fit, material, fitted):
    seen = []

    def fit(m, one, **options):
        seen.append((one.name, m.material, options["time_limit"]))
        return hand_made_fit(m.select(slice(0, 2)), material=one.name)

    monkeypatch.setattr("mantid_insdl.fitting.refine.fit", fit)
    record = process([analysed["file"]], str(tmp_path / "run"), material=material, steps=["fit"], time_limit=9)
    assert record.state == DONE, record.reason
    assert seen == [(name, name, 9) for name in fitted]
    assert json.loads((tmp_path / "run" / "fit.json").read_text())["fits"][0]["material"] == material
    page = Seen(tmp_path / "run" / "index.html")
    assert "Fit without a network" in page.text and "1.25" in page.text
    assert "corner.png" in page.links


def test_a_family_is_all_its_materials_for_a_fit(tmp_path, analysed, monkeypatch):
    seen = []

    def compare(m, materials, **options):
        seen.extend(one.name for one in materials)
        raise PostprocessError("enough")

    monkeypatch.setattr("mantid_insdl.fitting.compare.compare", compare)
    record = process([analysed["file"]], str(tmp_path / "run"), material="pcsmo", steps=["fit"])
    assert {"pcsmo-dimer", "pcsmo-goodenough"} <= set(seen)
    assert (record.state, record.steps[1].reason) == (PARTLY, "Enough.")


def test_a_fit_without_a_material_is_not_possible(tmp_path, reduced):
    record = process([str(reduced())], str(tmp_path / "run"), steps=["fit"])
    assert "a fit needs a material" in record.reason.lower()


def test_a_disk_that_is_full_is_not_the_fault_of_the_run(tmp_path, reduced, monkeypatch):
    def save(*arguments, **options):
        raise OutputError("cannot write the file", "the disk is full", "free some space")

    file = str(reduced())
    monkeypatch.setattr("mantid_insdl.runs.process.save", save)
    with pytest.raises(OutputError, match="disk is full"):
        process([file], str(tmp_path / "run"), steps=["map"])
    assert not (tmp_path / "run").exists()


def test_public_name():
    assert mantid_insdl.postprocess is postprocess
