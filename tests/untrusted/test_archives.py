"""Zip archives: what they unpack to is known before they are unpacked."""

from __future__ import annotations

import warnings
import zipfile

import numpy as np
import pytest

from mantid_insdl.errors import MapError
from mantid_insdl.untrusted.archives import open_archive, read_npz
from mantid_insdl.untrusted.reading import Origin

ORIGIN = Origin("the file 'a'", MapError, "mend it")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.npz"


def test_budget_is_of_all_members_together(path):
    np.savez_compressed(path, a=np.zeros(1000), b=np.zeros(1000))
    assert set(read_npz(path, ORIGIN, 17_000)) == {"a", "b"}
    with pytest.raises(MapError, match=r"it unpacks to 16\.3 kB, and 16 kB are allowed"):
        read_npz(path, ORIGIN, 16_000)


def test_encrypted_member(path):
    np.savez(path, a=np.zeros(2))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(content))
    with pytest.raises(MapError, match=r"'a\.npy' in it is encrypted; save it without a password"):
        read_npz(path, ORIGIN, 10**6)


def test_two_members_of_one_name(path):
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    with pytest.raises(MapError, match="two files of the same name"), open_archive(path, ORIGIN, 10**6):
        pass


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_another_compression(path, method):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.npy", b"1")
    with pytest.raises(MapError, match="compressed in a way that is not known"):
        read_npz(path, ORIGIN, 10**6)


def test_arrays_of_every_plain_kind(path):
    arrays = {"f": np.eye(3), "i": np.arange(3), "b": np.array([True]), "s": np.array("Å"), "empty": np.empty((0, 4)), "one": np.array(2.0)}
    np.savez(path, **arrays)
    for name, array in read_npz(path, ORIGIN, 10**6).items():
        np.testing.assert_array_equal(array, arrays[name])
        assert array.dtype == arrays[name].dtype
        assert array.shape == arrays[name].shape


def test_only_what_is_wanted_is_read(path):
    np.savez(path, a=np.zeros(2), axis_q=np.ones(2), bad=np.array([None], dtype=object))
    assert set(read_npz(path, ORIGIN, 10**6, wanted={"a", "axis_*"})) == {"a", "axis_q"}
