"""What `load` says to paths and files that hold no map, and what it records."""

from __future__ import annotations

import subprocess
import sys

import h5py
import numpy as np
import pytest

from mantid_insdl import load, save
from mantid_insdl.errors import FileFormatError, InsdlError, MapError
from mantid_insdl.maps import Slices


def test_material_and_provenance(powder_map, tmp_path):
    m = load(str(save(powder_map, tmp_path / "a.nxs")), material="rb2mnf4")
    assert m.material == "rb2mnf4"
    assert m.provenance[-1] == "read from 'a.nxs'"


def test_the_kind_is_found_from_the_contents_not_from_the_name(powder_map, tmp_path):
    path = save(powder_map, tmp_path / "a.nxs").rename(tmp_path / "a.dat")
    assert load(path).kind == "powder"


def test_windows_above_the_incident_energy_are_refused(slices_map, tmp_path):
    slices = slices_map.slices
    for shift in (0.0, np.nanmax(slices.ei)):
        path = save(slices_map.replace(slices=Slices(slices.ei, slices.energy_min + shift, slices.energy_max + shift)), tmp_path / "a.nxs")
        if not shift:
            assert load(path).slices.matches(slices)
            continue
        with pytest.raises(MapError, match=r"In 'a.nxs' slice Ei .* ends above its incident energy: a neutron cannot lose more"):
            load(path)


def test_no_file():
    with pytest.raises(FileFormatError, match="No file is given"):
        load([])


def test_missing_file(tmp_path):
    with pytest.raises(FileFormatError, match=r"does not exist.*check the path"):
        load(tmp_path / "nowhere.nxs")


def test_folder(tmp_path):
    with pytest.raises(FileFormatError, match="is a folder"):
        load(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "a.nxs").touch()
    with pytest.raises(FileFormatError, match=r"'a.nxs' is empty"):
        load(tmp_path / "a.nxs")


@pytest.mark.parametrize(("content", "kind"), [(b"qh qk intensity\n1 2 3\n", "text"), (bytes(range(256)) * 4, "unknown kind")])
def test_foreign_contents(tmp_path, content, kind):
    (tmp_path / "a.nxs").write_bytes(content)
    with pytest.raises(FileFormatError, match=f"{kind}.*processed NeXus, NXSPE, SaveMD"):
        load(tmp_path / "a.nxs")


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.7, 0.99])
def test_truncated_hdf5(slices_map, tmp_path, kept):
    path = save(slices_map, tmp_path / "a.nxs")
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(FileFormatError, match=r"Cannot read 'a.nxs': it is truncated"):
        load(path)


@pytest.mark.parametrize("seed", range(25))
def test_damaged_hdf5_is_read_or_refused_with_a_reason(slices_map, tmp_path, seed):
    """Bytes overwritten anywhere: either a map comes out, or an error for the user, never another exception."""
    path = save(slices_map.select([0]), tmp_path / "a.nxs")
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for start in rng.integers(8, len(content) - 64, 20):
        content[start : start + 64] = rng.bytes(64)
    path.write_bytes(bytes(content))
    try:
        load(path)
    except InsdlError as error:
        assert "a.nxs" in str(error)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([], "it holds nothing"),
        (["results", "notes"], "it holds 'notes', 'results'.*NXSPE"),
        (["raw_data_1"], "raw_data_1.*reduce raw data"),
        (["MDEventWorkspace"], "MD events.*BinMD"),
    ],
)
def test_foreign_hdf5(tmp_path, groups, message):
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        for name in groups:
            file.create_group(name)
    with pytest.raises(FileFormatError, match=message):
        load(tmp_path / "a.nxs")


def test_a_file_that_another_program_writes(powder_map, tmp_path):
    path = save(powder_map, tmp_path / "a.nxs")
    code = f"import h5py; file = h5py.File({str(path)!r}, 'r+'); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"open\n"
        with pytest.raises(FileFormatError, match="open for writing; wait"):
            load(path)
        writer.communicate(b"\n")
    assert load(path).kind == "powder"


def test_groups_where_datasets_should_be(processed):
    path = processed(np.ones((2, 2)), ([0.0, 1, 2], "DeltaE"), ([1.0, 2.0], "MomentumTransfer"))
    for name in ("axis1", "values"):
        with h5py.File(path, "a") as file:
            del file[f"mantid_workspace_1/workspace/{name}"]
            file.create_group(f"mantid_workspace_1/workspace/{name}")
        with pytest.raises(FileFormatError, match=name):
            load(path)


def test_huge_dataset_is_refused_before_it_is_read(processed):
    path = processed(np.ones((2, 2)), ([0.0, 1, 2], "DeltaE"), ([1.0, 2.0], "MomentumTransfer"))
    with h5py.File(path, "a") as file:
        del file["mantid_workspace_1/workspace/values"]
        file["mantid_workspace_1/workspace"].create_dataset("values", shape=(10**6, 10**5), dtype="f8", chunks=(1, 10**5))
    with pytest.raises(FileFormatError, match=r"too large.*1000000 x 100000.*limit"):
        load(path)


def test_values_that_are_no_numbers(processed):
    path = processed(np.ones((2, 2)), ([0.0, 1, 2], "DeltaE"), ([1.0, 2.0], "MomentumTransfer"))
    with h5py.File(path, "a") as file:
        del file["mantid_workspace_1/workspace/values"]
        file["mantid_workspace_1/workspace/values"] = np.full((2, 2), b"x")
    with pytest.raises(FileFormatError, match="holds no numbers"):
        load(path)


def test_values_of_a_wrong_rank(processed):
    path = processed(np.ones((2, 2, 2)), ([0.0, 1, 2], "DeltaE"), ([1.0, 2.0], "MomentumTransfer"))
    with pytest.raises(FileFormatError, match="has 3 dimensions and needs 2"):
        load(path)


def test_importing_the_package_and_its_layout_imports_no_hdf5():
    """A Mantid process must be able to: its own HDF5 library and h5py's do not go together."""
    code = (
        "import sys, mantid_insdl, mantid_insdl.files, mantid_insdl.files.workspace_layout, mantid_insdl.files.nexus_processed\n"
        "import mantid_insdl.files.nxspe, mantid_insdl.files.mdhisto, mantid_insdl.files.npz\n"
        "print(sorted({'h5py', 'scipy', 'keras', 'tensorflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
