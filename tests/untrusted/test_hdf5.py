"""Budgets of HDF5 files, with small limits in place of the large ones."""

from __future__ import annotations

import os
import struct

import h5py
import numpy as np
import pytest

from mantid_insdl.errors import FileFormatError
from mantid_insdl.files import _hdf5, load
from mantid_insdl.untrusted import hdf5
from mantid_insdl.untrusted.reading import Origin


@pytest.fixture
def processed(tmp_path):
    """A function that writes a processed NeXus file of so many powder maps of 6 values."""

    def write(entries=1, title=b"powder", log=None, chunks=None):
        path = tmp_path / "a.nxs"
        with h5py.File(path, "w") as file:
            for number in range(1, entries + 1):
                entry = file.create_group(f"mantid_workspace_{number}")
                entry["title"] = np.array([title])
                entry.create_dataset("workspace/values", data=np.ones((2, 3)), chunks=chunks, maxshape=chunks and (None, None))
                for name, values, unit in (("axis1", [0.0, 1, 2, 3], b"DeltaE"), ("axis2", [1.0, 2], b"MomentumTransfer")):
                    entry[f"workspace/{name}"] = values
                    entry[f"workspace/{name}"].attrs["units"] = np.bytes_(unit)
                for name in ("first", "second") if log is not None else ():
                    entry[f"logs/{name}/value"] = log
                    entry[f"logs/{name}"].attrs["NX_class"] = np.bytes_("NXlog")
        return path

    return write


def test_values_of_one_dataset(processed, monkeypatch):
    monkeypatch.setattr(_hdf5, "MAX_VALUES", 5)
    with pytest.raises(FileFormatError, match=r"'/mantid_workspace_1/workspace/values' has 2 x 3 = 6 values and the limit is 5"):
        load(processed())


def test_workspaces_of_a_group_together(processed, monkeypatch):
    monkeypatch.setattr(_hdf5, "MAX_VALUES", 11)
    with pytest.raises(FileFormatError, match="the group of its 2 workspaces has 12 = 12 values and the limit is 11"):
        load(processed(entries=2))


def test_everything_that_is_read_together(processed, monkeypatch):
    monkeypatch.setattr(_hdf5, "MAX_TOTAL", 13)
    assert load(processed()).shape == (2, 3)  # 6 values, 4 and 2 of the axes, and the title
    monkeypatch.setattr(_hdf5, "MAX_TOTAL", 11)
    with pytest.raises(FileFormatError, match="more than 11 values in all"):
        load(processed())
    assert _hdf5._left.get() == 4 * _hdf5.MAX_VALUES, "the budget is of one file"


def test_logs_together(processed, monkeypatch):
    monkeypatch.setattr(_hdf5, "MAX_VALUES", 7)
    with pytest.raises(FileFormatError, match="all of its logs together has 8"):
        load(processed(log=np.arange(4.0)))


def test_text_axis(processed, monkeypatch):
    path = processed()
    with h5py.File(path, "a") as file:
        del file["mantid_workspace_1/workspace/axis1"]
        file["mantid_workspace_1/workspace/axis1"] = np.array([b"x"] * 10)
    monkeypatch.setattr(_hdf5, "MAX_VALUES", 9)
    with pytest.raises(FileFormatError, match="'/mantid_workspace_1/workspace/axis1' has 10 = 10 values and the limit is 9"):
        load(path)


def test_chunks(processed, monkeypatch):
    monkeypatch.setattr(_hdf5, "MAX_CHUNK", 8 * 99)
    with pytest.raises(FileFormatError, match=r"'/mantid_workspace_1/workspace/values' has chunks of more than 792 bytes"):
        load(processed(chunks=(10, 10)))
    assert load(processed(chunks=(9, 11))).shape == (2, 3)


def test_length_of_a_text(processed, monkeypatch):
    monkeypatch.setattr(_hdf5, "MAX_TEXT", 20)
    assert load(processed(title=b"x" * 20)).title == "x" * 20
    with pytest.raises(FileFormatError, match="a text of '/mantid_workspace_1/title' has 21 bytes and a text may have 20 bytes"):
        load(processed(title=b"x" * 21))


def test_number_of_objects(processed, monkeypatch):
    monkeypatch.setattr(hdf5, "MOST_OBJECTS", 6)
    assert load(processed()).shape == (2, 3)
    monkeypatch.setattr(hdf5, "MOST_OBJECTS", 5)
    with pytest.raises(FileFormatError, match="more than 5 groups and datasets"):
        load(processed())


def test_control_characters_of_a_title_are_spelled_out(processed):
    assert load(processed(title=b"a \x1b[31mred\x07 title")).title == r"a \x1b[31mred\x07 title"


def test_links_within_the_file_are_followed(processed):
    path = processed()
    with h5py.File(path, "a") as file:
        workspace = file["mantid_workspace_1/workspace"]
        file["elsewhere"] = workspace["values"]
        del workspace["values"]
        workspace["values"] = h5py.SoftLink("/elsewhere")
        workspace["itself"] = h5py.SoftLink("/mantid_workspace_1/workspace/itself")
        workspace["parent"] = file["mantid_workspace_1"]
    assert load(path).shape == (2, 3)


@pytest.mark.parametrize("where", ["title", "units"])
def test_sequences_are_no_texts(processed, where):
    path = processed()
    with h5py.File(path, "a") as file:
        entry = file["mantid_workspace_1"]
        if where == "title":
            del entry["title"]
            entry.create_dataset("title", (1,), h5py.vlen_dtype(np.uint8))[0] = [120, 121]
        else:
            units = entry["workspace/axis1"].attrs
            del units["units"]
            sequence = np.empty(1, object)
            sequence[0] = np.array([120, 121], np.uint8)
            units.create("units", sequence, dtype=h5py.vlen_dtype(np.uint8))
    with pytest.raises(FileFormatError, match="values of variable length in it are no texts"):
        load(path)


HEAP = b"GCOL\x01\0\0\0"
ORIGIN = Origin("'a.nxs'", FileFormatError)


def collection(size, *texts):
    """The first bytes of a collection of that size: its head, and those of its texts, each a number and a length."""
    whole = HEAP + struct.pack("<Q", size)
    for number, length in texts:
        whole += struct.pack("<HHIQ", number, 1, 0, length) + b"x" * (0 if number == 0 else (length + 7) // 8 * 8)
    return whole


@pytest.mark.parametrize("place", [0, 5, *(hdf5._BLOCK - one for one in (41, 40, 33, 32, 1, 0)), 3 * hdf5._BLOCK + 7])
@pytest.mark.parametrize("whole", [False, True], ids=["holes passed over", "where no system tells holes"])
def test_large_collections_of_texts_are_found_anywhere(tmp_path, monkeypatch, place, whole):
    if whole:
        monkeypatch.delattr(os, "SEEK_DATA", raising=False)
    path = tmp_path / "a.nxs"
    for size, refused in ((hdf5.LARGEST_COLLECTION, False), (hdf5.LARGEST_COLLECTION + 1, True)):
        with open(path, "wb") as file:
            file.write(b"x")
            file.seek(place)
            file.write(collection(32, (0, 16)) + collection(size, (0, size - 16)))
            file.truncate(100_000_000)
        if refused:
            with pytest.raises(FileFormatError, match="texts of variable length in it may have 50 MB and 50 MB are allowed"):
                hdf5.require_short_texts(path, ORIGIN)
        else:
            hdf5.require_short_texts(path, ORIGIN)


def test_collections_are_filled_by_their_texts(tmp_path):
    path = tmp_path / "a.nxs"

    def refused(*collections):
        path.write_bytes(b"head of the file" + b"".join(collections))
        try:
            hdf5.require_short_texts(path, ORIGIN)
        except FileFormatError as error:
            assert "a collection of texts of variable length in it is damaged" in str(error)
            return True
        return False

    full = collection(16 + 24 + 32, (1, 5), (2, 9))
    assert not refused(full, collection(16 + 24 + 40, (1, 8), (0, 40)).ljust(80, b"\0"), full)
    assert not refused(collection(16 + 24 + 8, (1, 8)) + b"\0" * 8), "less is left than another text needs"
    assert refused(collection(4096, (1, 5))), "it ends after the file"
    assert refused(full, collection(16 + 32, (0, 0)).ljust(48, b"\0")), "what is free, in no bytes: without end"
    assert refused(collection(16 + 32, (1, 17)).ljust(48, b"\0")), "a text beyond its end"
    assert refused(HEAP + struct.pack("<Q", 48) + struct.pack("<HHIQ", 1, 1, 0, 2**64 - 16) + b"\0" * 16), "a sum beyond 64 bits"
    nested = collection(64, (0, 48))  # each in what is free in the one before it: looked at for ever if there are many
    assert not refused(nested.ljust(64, b"\0"))
    assert refused(nested + collection(32, (0, 16)))


def test_the_texts_of_a_file_are_looked_at_once(processed, monkeypatch):
    path, looked = processed(), []
    with h5py.File(path, "a") as file:
        for name in ("axis1", "axis2"):
            file[f"mantid_workspace_1/workspace/{name}"].attrs["units"] = "meV"
    monkeypatch.setattr(_hdf5, "require_short_texts", lambda path, origin: looked.append(path))
    with _hdf5.open_hdf5(path) as file:
        for name in ("axis1", "axis2"):
            assert _hdf5.attribute(file[f"mantid_workspace_1/workspace/{name}"], "units") == "meV"
    assert looked == [path]
    with _hdf5.open_hdf5(path) as file:
        _hdf5.attribute(file["mantid_workspace_1/workspace/axis1"], "units")
    assert looked == [path, path], "once for each time that it is opened"
