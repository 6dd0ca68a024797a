"""Results appear whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from mantid_insdl.errors import OutputError
from mantid_insdl.output import made_earlier, staged_file, staged_folder

NAMES = ("a.txt", "report.json")


def write_all(folder):
    for name in NAMES:
        (folder / name).write_text("new")


def staged(target):
    return staged_folder(target, NAMES, last="report.json")


def test_folder_appears_at_the_end(tmp_path):
    with staged(tmp_path / "deep" / "out") as folder:
        write_all(folder)
        assert not list((tmp_path / "deep" / "out").glob("[!.]*"))
    assert sorted(os.listdir(tmp_path / "deep" / "out")) == sorted(NAMES)


@pytest.mark.parametrize("last", ["a.json", "m.json", "z.json"])
def test_the_last_file_is_moved_last(tmp_path, monkeypatch, last):
    """Where it is new, the others are there: a move that fails leaves it as it was."""
    names = ("b.txt", "n.txt", "y.txt", last)
    moved = []
    move = Path.replace

    def recorded(path, target):
        moved.append(path.name)
        return move(path, target)

    monkeypatch.setattr(Path, "replace", recorded)
    with staged_folder(tmp_path / "out", names, last=last) as folder:
        for name in names:
            (folder / name).write_text("new")
    assert moved == ["b.txt", "n.txt", "y.txt", last]

    def failing(path, target):
        if path.name == "y.txt":
            raise OSError(errno.EIO, "Input/output error")
        return move(path, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OutputError, match="input/output error"), staged_folder(tmp_path / "out", names, last=last) as folder:
        for name in names:
            (folder / name).write_text("newer")
    assert (tmp_path / "out" / "b.txt").read_text() == "newer"
    assert (tmp_path / "out" / last).read_text() == "new"


def test_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), staged(tmp_path / "deep" / "out") as folder:
        write_all(folder)
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_interrupt_leaves_an_existing_folder_as_it_was(tmp_path):
    write_all(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(KeyboardInterrupt), staged(tmp_path) as folder:
        (folder / "a.txt").write_text("half")
        raise KeyboardInterrupt
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "notes.txt", "report.json"]
    assert (tmp_path / "a.txt").read_text() == "new"


def test_earlier_results_are_replaced_and_other_files_kept(tmp_path):
    for name in (*NAMES, "notes.txt"):
        (tmp_path / name).write_text("old")
    with staged(tmp_path) as folder:
        write_all(folder)
    assert (tmp_path / "a.txt").read_text() == "new"
    assert (tmp_path / "notes.txt").read_text() == "old"


def test_results_that_this_run_does_not_make_go(tmp_path):
    """Only what the earlier report lists as made: `b.txt` has a result's name but is the user's."""
    names = ("a.txt", "b.txt", "c.txt", "report.json")
    for name in (*names, "notes.txt"):
        (tmp_path / name).write_text("old")
    (tmp_path / "report.json").write_text('{"files": [{"name": "a.txt"}, {"name": "c.txt"}, {"name": "notes.txt"}, {"name": "../x"}]}')
    with staged_folder(tmp_path, names, last="report.json") as folder:
        (folder / "a.txt").write_text("new")
        (folder / "report.json").write_text("{}")
        assert (tmp_path / "c.txt").exists()
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "b.txt", "notes.txt", "report.json"]


@pytest.mark.parametrize("report", ["{", "[]", '{"files": 3}', '{"files": [{"size": 1}]}', "\udcff"])
def test_an_earlier_report_that_says_nothing_removes_nothing(tmp_path, report):
    write_all(tmp_path)
    (tmp_path / "report.json").write_text(report, errors="surrogateescape")
    with staged(tmp_path) as folder:
        (folder / "report.json").write_text("new")
    assert sorted(os.listdir(tmp_path)) == sorted(NAMES)


def test_somebody_elses_file_of_the_same_name_is_not_overwritten(tmp_path):
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"a\.txt' would be overwritten"), staged(tmp_path):
        pytest.fail("must be refused before the work")
    assert (tmp_path / "a.txt").read_text() == "mine"


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="is a file"), staged(tmp_path / "out"):
        pytest.fail("must be refused before the work")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc, where nobody may make a folder")
def test_a_place_that_cannot_be_written_to():
    with pytest.raises(OutputError, match="Cannot make the folder"), staged("/proc/insdl-out"):
        pytest.fail("must be refused before the work")


def test_a_full_disk_is_explained(tmp_path):
    with pytest.raises(OutputError, match="disk is full"), staged(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_new_folder_has_the_usual_permissions(tmp_path):
    with staged(tmp_path / "out") as folder:
        write_all(folder)
    (tmp_path / "usual").mkdir()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_file_appears_at_the_end_and_replaces(tmp_path):
    target = tmp_path / "map.nxs"
    target.write_text("old")
    with staged_file(target) as part:
        assert part.name == "map.nxs"
        part.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["map.nxs"]


def test_failed_file_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), staged_file(tmp_path / "map.nxs") as part:
        part.write_text("half")
        raise RuntimeError
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("name", "reason"), [("", "it is a folder"), ("none/map.nxs", "does not exist")])
def test_wrong_place_for_a_file(tmp_path, name, reason):
    with pytest.raises(OutputError, match=reason), staged_file(tmp_path / name):
        pytest.fail("must be refused before the work")


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o077, 0o700), (0o002, 0o775)])
def test_folders_have_the_permissions_that_the_umask_leaves(tmp_path, umask, mode, monkeypatch):
    """The umask is of the whole process, in which other threads make files: it is used, and never set."""
    before = os.umask(umask)
    try:
        monkeypatch.setattr(os, "umask", None)
        with staged(tmp_path / "out") as folder:
            assert folder.stat().st_mode & 0o777 == mode
            write_all(folder)
    finally:
        monkeypatch.undo()
        os.umask(before)


def test_a_report_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "report.json")
    assert made_earlier(tmp_path / "report.json") == set()
    (tmp_path / "deep.json").write_text("[" * 100_000)
    assert made_earlier(tmp_path / "deep.json") == set()
