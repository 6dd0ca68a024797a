"""Files made to do harm, each read in a process of 2 GB and within 30 s: refused by our own error, nothing read, nothing left."""

from __future__ import annotations

import os

import pytest

if os.name != "posix":
    pytest.skip("needs pipes and limits of memory", allow_module_level=True)

import crafted
import damage


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def reader(scratch):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(scratch))
        patch.chdir(scratch)
        with damage.Watched(seconds=300.0, memory=2 * 10**9) as process:  # of a clock: other processes may be at work
            yield process


@pytest.mark.parametrize("name", crafted.CASES)
def test_a_crafted_file_is_refused(name, reader, tmp_path, scratch):
    make, read = crafted.CASES[name]
    path = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    outcome, said = reader.read(read, path)
    assert outcome == "refused", said
    assert reader.computed < 30.0
    assert crafted.SECRET not in said
    assert len(said) < 10_000
    assert "\x1b" not in said
    left = {one for one in tmp_path.rglob("*") if one.name != "whole.npz"} - set(before)
    assert not left
    assert not list(scratch.iterdir())


def test_the_whole_files_are_read(reader, tmp_path):
    """What the crafted files were made from is not refused: it is their harm that is."""
    nothing = lambda file, folder: None  # noqa: E731
    for number, make in enumerate((crafted.processed(nothing), crafted.nxspe(nothing))):
        (tmp_path / str(number)).mkdir()
        assert reader.read(crafted.read_map, make(tmp_path / str(number)))[0] == "read"
    assert reader.read(crafted.read_bundle, crafted.bundle(lambda target: None)(tmp_path))[0] == "read"
    whole = crafted.cif(crafted.CELL + "loop_\n_space_group_symop_operation_xyz\nx,y,z\n" + crafted.ATOMS)
    assert reader.read(crafted.read_material, whole(tmp_path))[0] == "read"
