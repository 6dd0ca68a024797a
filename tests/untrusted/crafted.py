"""Files that somebody has made to do harm: they point at other files, grow when they are read, or never end.

    python tests/untrusted/crafted.py FOLDER      # writes all of them, about 250 MB, each in a folder of its own

Each of `CASES` says how its file is made and how it is read. `SECRET` is in the files that they point at.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

SECRET = "what nobody else should see"
GB = 10**9

Make = Callable[[Path], Path]


def secret(folder: Path) -> Path:
    """A file of somebody else, as text."""
    path = folder / "secret.txt"
    path.write_text(SECRET)
    return path


def secret_hdf5(folder: Path) -> Path:
    path = folder / "secret.h5"
    with h5py.File(path, "w") as file:
        file["log/value"] = np.array([SECRET.encode()])
        file["log"].attrs["NX_class"] = np.bytes_("NXlog")
        file["values"] = np.ones((2, 3))
    return path


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


# ---- maps in HDF5


def processed(change: Callable[[h5py.File, Path], None], entries: int = 1) -> Make:
    """A processed NeXus file of a powder map, changed."""

    def make(folder: Path) -> Path:
        with h5py.File(folder / "map.nxs", "w") as file:
            for number in range(1, entries + 1):
                entry = file.create_group(f"mantid_workspace_{number}")
                entry["title"] = np.array([b"powder"])
                entry["workspace/values"] = np.ones((2, 3))
                for name, values, unit in (("axis1", [0.0, 1, 2, 3], b"DeltaE"), ("axis2", [1.0, 2], b"MomentumTransfer")):
                    entry[f"workspace/{name}"] = values
                    entry[f"workspace/{name}"].attrs["units"] = np.bytes_(unit)
                entry.create_group("logs")
            change(file, folder)
        return folder / "map.nxs"

    return make


def log(file: h5py.File, name: str = "secret") -> h5py.Group:
    group = file["mantid_workspace_1/logs"].create_group(name)
    group.attrs["NX_class"] = np.bytes_("NXlog")
    return group


def replaced(path: str, **options: Any) -> Callable[[h5py.File, Path], None]:
    """Put another dataset in the place of one; nothing is written into it."""

    def change(file: h5py.File, folder: Path) -> None:
        if path in file:
            del file[path]
        file.create_dataset(path, **options)

    return change


def raw_log(file: h5py.File, folder: Path) -> None:
    size = len(SECRET)
    log(file).create_dataset("value", shape=(1,), dtype=f"S{size}", external=[(str(secret(folder)), 0, size)])


def raw_values(file: h5py.File, folder: Path) -> None:
    (folder / "numbers").write_bytes(np.ones((2, 3)).tobytes())
    replaced("mantid_workspace_1/workspace/values", shape=(2, 3), dtype="f8", external=[(str(folder / "numbers"), 0, 48)])(file, folder)


def linked_log(file: h5py.File, folder: Path) -> None:
    file["mantid_workspace_1/logs/secret"] = h5py.ExternalLink(str(secret_hdf5(folder)), "/log")


def linked_through_a_soft_link(file: h5py.File, folder: Path) -> None:
    file["elsewhere"] = h5py.ExternalLink(str(secret_hdf5(folder)), "/")
    file["mantid_workspace_1/logs/secret"] = h5py.SoftLink("/elsewhere/log")


def linked_to_a_pipe(file: h5py.File, folder: Path) -> None:
    file["mantid_workspace_1/logs/secret"] = h5py.ExternalLink(str(fifo(folder / "pipe")), "/log")


def virtual(source: Callable[[Path], Path]) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, folder: Path) -> None:
        layout = h5py.VirtualLayout((2, 3), "f8")
        layout[...] = h5py.VirtualSource(str(source(folder)), "values", (2, 3))
        del file["mantid_workspace_1/workspace/values"]
        file.create_virtual_dataset("mantid_workspace_1/workspace/values", layout)

    return change


def long_title(file: h5py.File, folder: Path) -> None:
    replaced("mantid_workspace_1/title", shape=(60,), dtype="S100000000", chunks=(1,), compression="gzip")(file, folder)
    file["mantid_workspace_1/title"][0] = b"x"


def large_workspaces(file: h5py.File, folder: Path) -> None:
    for name in list(file):
        for part in ("values", "errors"):
            options = {"shape": (7000, 7000), "dtype": "f8", "chunks": (700, 700), "compression": "gzip"}
            replaced(f"{name}/workspace/{part}", **options)(file, folder)


def large_log(file: h5py.File, folder: Path) -> None:
    log(file).create_dataset("value", shape=(10**10,), dtype="f8", chunks=(10**6,), compression="gzip")


def many_large_logs(file: h5py.File, folder: Path) -> None:
    for number in range(40):
        log(file, f"log{number}").create_dataset("value", shape=(49_000_000,), dtype="f8", chunks=(10**6,), compression="gzip")


def large_chunk(file: h5py.File, folder: Path) -> None:
    options = {"shape": (2, 3), "maxshape": (None, None), "chunks": (20_000, 20_000), "dtype": "f8"}
    replaced("mantid_workspace_1/workspace/values", **options)(file, folder)


def many_events(file: h5py.File, folder: Path) -> None:
    replaced("MDHistoWorkspace/data/num_events", shape=(10**5, 10**5), dtype="f8", chunks=(100, 100))(file, folder)


def many_links(file: h5py.File, folder: Path) -> None:
    parent = file["mantid_workspace_1/workspace"].id
    for number in range(110_000):
        parent.links.create_hard(f"again{number}".encode(), parent, b"values")


def huge_text(write: Callable[[h5py.File], None]) -> Make:
    """A file of 4 GB, all but some kB of it a hole, in which the text "huge" of variable length fills the hole."""

    def make(folder: Path) -> Path:
        path = processed(lambda file, folder: write(file))(folder)
        whole = path.read_bytes()
        place, size = (len(whole) + 7) // 8 * 8, 4 * GB
        heap = whole.index(b"GCOL")
        number = next(n for n in range(1, 9) if struct.pack("<IQI", 4, heap, n) in whole)
        whole = whole.replace(struct.pack("<IQI", 4, heap, number), struct.pack("<IQI", size - 64, place, 1))
        whole = whole[:40] + struct.pack("<Q", place + size) + whole[48:]  # where the file ends
        with open(path, "wb") as file:
            file.write(whole.ljust(place, b"\0") + b"GCOL\x01\0\0\0" + struct.pack("<QHHIQ", size, 1, 1, 0, size - 64))
            file.truncate(place + size)
        return path

    return make


def no_text(write: Callable[[h5py.File], None]) -> Make:
    """A file in which the type of a text of variable length says that it is neither a text nor a sequence: reading it ends the process."""

    def make(folder: Path) -> Path:
        path = processed(lambda file, folder: write(file))(folder)
        whole = path.read_bytes()
        kind = bytes.fromhex("19 01 01 00 10 00 00 00")  # of variable length (9, version 1), a text, UTF-8, 16 bytes in the file
        if whole.count(kind) != 1:
            raise ValueError(f"{whole.count(kind)} types in the place of one")
        path.write_bytes(whole.replace(kind, kind[:1] + b"\x0a" + kind[2:]))
        return path

    return make


def _huge_title(file: h5py.File) -> None:
    del file["mantid_workspace_1/title"]
    file["mantid_workspace_1/title"] = "huge"


def _huge_unit(file: h5py.File) -> None:
    file["mantid_workspace_1/workspace/axis1"].attrs["units"] = "huge"


def nxspe(change: Callable[[h5py.File, Path], None]) -> Make:
    def make(folder: Path) -> Path:
        with h5py.File(folder / "map.nxspe", "w") as file:
            file["run/definition"] = np.bytes_(["NXSPE"])
            file["run/NXSPE_info/fixed_energy"] = [30.0]
            file["run/data/energy"] = np.linspace(-5, 25, 31)
            file["run/data/data"], file["run/data/error"] = np.ones((20, 30)), np.ones((20, 30))
            file["run/data/polar"], file["run/data/polar_width"] = np.linspace(3, 135, 20), np.ones(20)
            change(file, folder)
        return folder / "map.nxspe"

    return make


def mdhisto(change: Callable[[h5py.File, Path], None]) -> Make:
    def make(folder: Path) -> Path:
        with h5py.File(folder / "map.nxs", "w") as file:
            data = file.create_group("MDHistoWorkspace/data")
            data["signal"], data["errors_squared"] = np.ones((4, 4)), np.ones((4, 4))
            data["signal"].attrs["axes"] = np.bytes_("D1:D0")
            for name, label in (("D0", "[H,0,0]"), ("D1", "DeltaE")):
                data[name] = np.linspace(0, 1, 5)
                data[name].attrs.update({"long_name": np.bytes_(label), "units": np.bytes_("r.l.u."), "frame": np.bytes_("HKL")})
            change(file, folder)
        return folder / "map.nxs"

    return make


def linked(path: str) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, folder: Path) -> None:
        del file[path]
        file[path] = h5py.ExternalLink(str(secret_hdf5(folder)), "/values")

    return change


# ---- zip archives


def npz(path: Path, **arrays: Any) -> Path:
    with path.open("wb") as file:
        np.savez(file, **arrays)
    return path


def bomb(archive: zipfile.ZipFile, name: str, start: bytes, size: int) -> None:
    """A member of `size` bytes, almost all of them spaces or zeros, of which a thousandth is in the archive."""
    block = (start[-1:] or b"\0") * (1 << 24)
    first, rest = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.compressobj(9, zlib.DEFLATED, -15)
    data = first.compress(start) + first.flush(zlib.Z_FULL_FLUSH)
    again = rest.compress(block) + rest.flush(zlib.Z_FULL_FLUSH)
    blocks = size // len(block)
    data += again * blocks + zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    member = zipfile.ZipInfo(name)
    member.compress_type, member.compress_size, member.file_size = zipfile.ZIP_DEFLATED, len(data), len(start) + blocks * len(block)
    member.CRC = 0  # wrong, which shows at the end of reading only
    member.header_offset = archive.fp.tell()
    archive.fp.write(member.FileHeader(zip64=True) + data)
    archive.filelist.append(member)
    archive.NameToInfo[name] = member
    archive.start_dir = archive.fp.tell()
    archive._didModify = True


def npy_start(descr: str, shape: tuple[int, ...]) -> bytes:
    import io

    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def bombs(members: dict[str, tuple[bytes, int]]) -> Make:
    def make(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "map.npz", "w") as archive:
            for name, (start, size) in members.items():
                bomb(archive, name, start, size)
        return folder / "map.npz"

    return make


def patched(offset_in_central: int, value: bytes) -> Make:
    """An npz file of which bytes are changed in the central directory."""

    def make(folder: Path) -> Path:
        path = npz(folder / "map.npz", intensity=np.ones((2, 2)), q=[1.0, 2], energy=[1.0, 2])
        content = bytearray(path.read_bytes())
        for mark, offset in ((b"PK\x01\x02", offset_in_central), (b"PK\x03\x04", offset_in_central - 2)):
            place = content.index(mark)
            content[place + offset : place + offset + len(value)] = value
        path.write_bytes(bytes(content))
        return path

    return make


def members(names: list[str]) -> Make:
    def make(folder: Path) -> Path:
        import warnings

        with zipfile.ZipFile(folder / "map.npz", "w") as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that are there twice
            for name in names:
                archive.writestr(name, b"")
        return folder / "map.npz"

    return make


def head(text: str) -> Make:
    return lambda folder: npz(folder / "map.npz", head=np.array(text), intensity=np.ones((2, 2)))


# ---- texts


def text(name: str, content: str | bytes) -> Make:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def _aliases(levels: int = 12) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


YAML = {
    "aliases that blow up": _aliases(),
    "merged aliases": "a0: &a0 {x: 1, y: 2}\n" + "".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
    "an alias of itself": "a: &a [*a]\n",
    "deep lists": "a: " + "[" * 50_000 + "]" * 50_000,
    "deep mappings": "".join("  " * n + "a:\n" for n in range(400)),
    "a long number": "name: x\nspin: " + "1" * 5000,
    "a long hexadecimal number": "name: x\nspin: 0x" + "f" * 200_000,
    "a long sexagesimal number": "name: x\nspin: 1" + ":1" * 200_000,
    "a long sexagesimal fraction": "name: x\nspin: 1" + ":1" * 200_000 + ".5",
    "an impossible date": "name: 2001-99-99\n",
    "a wrong tag": "name: !!timestamp x\n",
    "a number that is none": "name: !!int x\n",
    "a truth that is none": "name: !!bool x\n",
    "an empty number": "name: !!int ''\n",
    "an object of Python": "name: !!python/object/apply:os.system ['touch sprung']\n",
    "a list as a key": "? [a, b]\n: c\n",
    "two megabytes": "name: " + "x" * 2_000_000,
    "many keys": "".join(f"k{n}: 1\n" for n in range(70_000)),
    "zero bytes": b"name: \0\0\0",
    "no text": bytes(range(256)) * 10,
    "a control character": 'name: "\\e[31mred"\n',
}

CELL = "data_x\n" + "".join(f"_cell_length_{x} 4\n_cell_angle_{y} 90\n" for x, y in zip("abc", ("alpha", "beta", "gamma"), strict=True))
ATOMS = "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\nMn1 0 0 0\n"
MAGNETIC = "loop_\n_space_group_symop_magn_{}.xyz\n"


def cif(content: str | bytes) -> Make:
    def make(folder: Path) -> Path:
        text("s.cif", content)(folder)
        return material_of_cif(folder)

    return make


def material_of_cif(folder: Path) -> Path:
    parts = "name: magnet, title: magnet, family: magnet, sources: [none], cif: s.cif"
    sites = "sites: [{atom: Mn1, spin: 2.5, ion: Mn2+, direction: [0, 0, 1]}]"
    rest = "parameters: [{name: J, value: -1.0, low: -2, high: 0, description: nn}], bonds: [{parameter: J, shell: 1}]"
    return text("magnet.yaml", f"{{{parts}, {sites}, {rest}}}\n")(folder)


def _operations(number: int, end: str = "") -> str:
    return "".join(f"'x+{n}/{number},y,z{end}'\n" for n in range(number))


CIF = {
    "100 MB": CELL + "# " + "x" * 100_000_000,
    "20 000 operations": CELL + "loop_\n_space_group_symop_operation_xyz\n" + _operations(20_000) + ATOMS,
    "20 000 magnetic operations": CELL
    + MAGNETIC.format("operation")
    + _operations(200, ",+1")
    + MAGNETIC.format("centering")
    + _operations(100, ",+1")
    + ATOMS,
    "20 000 atoms": CELL + "loop_\n_space_group_symop_operation_xyz\nx,y,z\n" + ATOMS + "Mn1 0 0 0\n" * 20_000,
    "zero bytes": b"data_x\n\0\0\0",
    "an operation of 5000 digits": CELL + "loop_\n_space_group_symop_operation_xyz\n'x+" + "1" * 5000 + ",y,z'\n" + ATOMS,
}

# ---- bundles

BUNDLE = "rb2mnf4-exchange"


def bundle(change: Callable[[Path], None]) -> Make:
    """A shipped bundle, changed, and sealed again as somebody who does this on purpose would."""

    def make(folder: Path) -> Path:
        from mantid_insdl.networks.bundle_writing import hash_file
        from mantid_insdl.networks.bundles import find_bundle
        from mantid_insdl.networks.cards import content_hash

        target = Path(shutil.copytree(find_bundle(BUNDLE), folder / BUNDLE))
        change(target)
        file = target / "card.json"
        if file.is_file() and not file.is_symlink():
            content = json.loads(file.read_text())
            regular = [name for name in content["files"] if (target / name).is_file()]
            content["files"] |= {name: hash_file(target / name) for name in regular}
            content["sha256"] = content_hash(content)
            file.write_text(json.dumps(content))
        return target

    return make


def network(config: Callable[[Any], None] | None = None, weights: Callable[[h5py.File, Path], None] | None = None, **extra: bytes) -> Make:
    def change(target: Path) -> None:
        file = target / "member-1.keras"
        with zipfile.ZipFile(file) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        if config is not None:
            content = json.loads(parts["config.json"])
            config(content)
            parts["config.json"] = json.dumps(content).encode()
        if weights is not None:
            other = target.parent / "weights.h5"
            other.write_bytes(parts["model.weights.h5"])
            with h5py.File(other, "a") as opened:
                weights(opened, target.parent)
            parts["model.weights.h5"] = other.read_bytes()
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in {**parts, **extra}.items():
                archive.writestr(name, content)

    return bundle(change)


def planted(**what: Any) -> Make:
    return network(lambda config: config["config"]["layers"][-1]["config"].update(activation=what))


def _wide(config: Any) -> None:
    config["config"]["layers"][-1]["config"]["units"] = 10**10


def _first_weight(file: h5py.File) -> str:
    found: list[str] = []
    file.visititems(lambda name, node: found.append(name) if isinstance(node, h5py.Dataset) else None)
    return found[0]


def _weight_elsewhere(file: h5py.File, folder: Path) -> None:
    name = _first_weight(file)
    shape = file[name].shape
    (folder / "numbers").write_bytes(bytes(8 * int(np.prod(shape))))
    replaced(name, shape=shape, dtype="f8", external=[(str(folder / "numbers"), 0, 8 * int(np.prod(shape)))])(file, folder)


def _weight_linked(file: h5py.File, folder: Path) -> None:
    name = _first_weight(file)
    del file[name]
    file[name] = h5py.ExternalLink(str(secret_hdf5(folder)), "/values")


def _weight_huge(file: h5py.File, folder: Path) -> None:
    replaced(_first_weight(file), shape=(10**6, 10**6), dtype="f4", chunks=(1000, 1000), compression="gzip")(file, folder)


def _bomb_in_network(target: Path) -> None:
    file = target / "member-1.keras"
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            if name == "config.json":
                bomb(archive, name, b"{ ", 4 * GB)
            else:
                archive.writestr(name, content)


def _bomb_in_arrays(target: Path) -> None:
    with zipfile.ZipFile(target / "arrays.npz", "w") as archive:
        bomb(archive, "a.npy", npy_start("<f8", (750_000_000,)), 6 * GB)


def _card(content: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        target = bundle(lambda target: None)(folder)
        (target / "card.json").write_text(content)
        return target

    return make


def _in_place_of(name: str, put: Callable[[Path], Any]) -> Make:
    def change(target: Path) -> None:
        (target / name).unlink()
        put(target / name)

    return bundle(change)


def _link_to_itself_elsewhere(path: Path) -> None:
    shutil.copy(Path(sys.modules["mantid_insdl.networks.bundles"].find_bundle(BUNDLE)) / path.name, path.parent.parent / path.name)
    path.symlink_to(path.parent.parent / path.name)


def _socket(path: Path) -> Path:
    before = os.getcwd()
    os.chdir(path.parent)  # a socket's path is short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(before)
    return path


# ---- how they are read


def read_map(path: Path) -> Any:
    from mantid_insdl.files import load

    return load(path)


def read_mask(path: Path) -> Any:
    from mantid_insdl.files import load

    return load(npz(path.with_name("whole.npz"), intensity=np.ones((2, 2)), q=[1.0, 2], energy=[1.0, 2]), mask=path)


def read_material(path: Path) -> Any:
    from mantid_insdl.materials import load_material

    return load_material(path)


def read_recipe(path: Path) -> Any:
    from mantid_insdl.training.recipes import load_recipe

    return load_recipe(path)


def read_instrument(path: Path) -> Any:
    from mantid_insdl.instrument.specification import read_spectrometer

    return read_spectrometer(path)


def read_candidates(path: Path) -> Any:
    from mantid_insdl.fitting.candidates import read_candidates as read

    return read(path)


def read_config(path: Path) -> Any:
    from mantid_insdl.config import read_config as read

    return read({"INSDL_CONFIG": str(path)})


def read_table(path: Path) -> Any:
    from mantid_insdl.instrument.ellipsoid import TabulatedResolution

    return TabulatedResolution.from_file(path)


def read_bundle(path: Path) -> Any:
    from mantid_insdl.errors import BundleError
    from mantid_insdl.networks.bundles import verify_bundle

    for problem in verify_bundle(path):
        raise BundleError(problem)


CASES: dict[str, tuple[Make, Callable[[Path], Any]]] = {
    "HDF5: a log in another file": (processed(raw_log), read_map),
    "HDF5: values in another file": (processed(raw_values), read_map),
    "HDF5: a log that is a link": (processed(linked_log), read_map),
    "HDF5: a link to a link": (processed(linked_through_a_soft_link), read_map),
    "HDF5: a link to a pipe": (processed(linked_to_a_pipe), read_map),
    "HDF5: virtual values": (processed(virtual(secret_hdf5)), read_map),
    "HDF5: virtual values from a pipe": (processed(virtual(lambda folder: fifo(folder / "pipe"))), read_map),
    "HDF5: a title of 6 GB": (processed(long_title), read_map),
    "HDF5: 60 large workspaces": (processed(large_workspaces, 60), read_map),
    "HDF5: a title of 4 GB in a hole": (huge_text(_huge_title), read_map),
    "HDF5: a unit of 4 GB in a hole": (huge_text(_huge_unit), read_map),
    "HDF5: a title of variable length that is no text": (no_text(_huge_title), read_map),
    "HDF5: a unit of variable length that is no text": (no_text(_huge_unit), read_map),
    "HDF5: a text axis of 1e10": (
        processed(replaced("mantid_workspace_1/workspace/axis1", shape=(10**10,), dtype="S8", chunks=(1000,))),
        read_map,
    ),
    "HDF5: an axis of 1e10": (
        processed(replaced("mantid_workspace_1/workspace/axis1", shape=(10**10,), dtype="f8", chunks=(1000,))),
        read_map,
    ),
    "HDF5: errors of 1e10": (processed(replaced("mantid_workspace_1/workspace/errors", shape=(10**5, 10**5), dtype="f4")), read_map),
    "HDF5: a log of 1e10": (processed(large_log), read_map),
    "HDF5: 40 large logs": (processed(many_large_logs), read_map),
    "HDF5: a chunk of 3 GB": (processed(large_chunk), read_map),
    "HDF5: 110 000 links": (processed(many_links), read_map),
    "NXSPE: linked data": (nxspe(linked("run/data/data")), read_map),
    "NXSPE: 1e10 data": (nxspe(replaced("run/data/data", shape=(10**5, 10**5), dtype="f4", chunks=(1000, 1000))), read_map),
    "MDHisto: linked signal": (mdhisto(linked("MDHistoWorkspace/data/signal")), read_map),
    "MDHisto: 1e10 events": (mdhisto(many_events), read_map),
    "npz: 6 GB": (bombs({"intensity.npy": (npy_start("<f8", (750_000_000,)), 6 * GB)}), read_map),
    "npz: 6 GB in ten arrays": (
        bombs({f"axis_{n}.npy": (npy_start("<f8", (40_000_000,)), 6 * GB // 10) for n in range(10)}),
        read_map,
    ),
    "npz: a text of 1.6 GB": (bombs({"material.npy": (npy_start("<U400000000", (1,)), 10**6)}), read_map),
    "npz: encrypted": (patched(8, b"\x01"), read_map),
    "npz: an unknown compression": (patched(10, b"\x63\x00"), read_map),
    "npz: compressed by lzma": (patched(10, b"\x0e\x00"), read_map),
    "npz: twice the same name": (members(["intensity.npy", "intensity.npy"]), read_map),
    "npz: 20 000 members": (members([f"axis_{n}.npy" for n in range(20_000)]), read_map),
    "npz: a long name": (members(["x" * 60_000 + ".npy"]), read_map),
    "npz: a deep head": (head("[" * 100_000 + "]" * 100_000), read_map),
    "npz: a head of a long number": (head('{"axes": ' + "1" * 5000 + "}"), read_map),
    "npz: a head that is a list": (head("[1, 2]"), read_map),
    "npz: a head of wrong parts": (head('{"axes": [1], "logs": [2]}'), read_map),
    "a map that is a pipe": (lambda folder: fifo(folder / "map.nxs"), read_map),
    "a map that is a device": (lambda folder: Path("/dev/zero"), read_map),
    "a map that is a socket": (lambda folder: _socket(folder / "map.nxs"), read_map),
    "a map that is a folder": (lambda folder: folder, read_map),
    "a map of a long name": (lambda folder: folder / ("x" * 5000), read_map),
    "a map of a name with a zero byte": (lambda folder: folder / "x\0y", read_map),
    "a mask that is a pipe": (lambda folder: fifo(folder / "mask.npz"), read_mask),
    "a mask of 6 GB": (bombs({"mask.npy": (npy_start("|b1", (6 * GB,)), 6 * GB)}), read_mask),
    "ellipsoids of 6 GB": (bombs({"covariance_ei25.npy": (npy_start("<f8", (750_000_000,)), 6 * GB)}), read_table),
    "ellipsoids that are a pipe": (lambda folder: fifo(folder / "table.npz"), read_table),
    **{f"material: {name}": (text("m.yaml", content), read_material) for name, content in YAML.items()},
    **{f"recipe: {name}": (text("r.yaml", content), read_recipe) for name, content in YAML.items()},
    **{f"instrument: {name}": (text("i.yaml", content), read_instrument) for name, content in YAML.items()},
    **{f"candidates: {name}": (text("c.yaml", content), read_candidates) for name, content in YAML.items()},
    **{f"configuration: {name}": (text("config.yaml", content), read_config) for name, content in YAML.items()},
    **{f"{name} that is a pipe": (lambda folder: fifo(folder / "x.yaml"), read) for name, read in (
        ("a material", read_material), ("a recipe", read_recipe), ("an instrument", read_instrument), ("candidates", read_candidates),
        ("a configuration", read_config),
    )},
    "a material of a long name": (lambda folder: folder / ("x" * 5000 + ".yaml"), read_material),
    "a recipe of a long name": (lambda folder: folder / ("x" * 5000), read_recipe),
    **{f"CIF: {name}": (cif(content), read_material) for name, content in CIF.items()},
    "a CIF file that is a pipe": (lambda folder: (fifo(folder / "s.cif"), material_of_cif(folder))[1], read_material),
    "card: deep": (_card("[" * 100_000 + "]" * 100_000), read_bundle),
    "card: a long number": (_card('{"format": ' + "1" * 5000 + "}"), read_bundle),
    "card: 20 MB": (_card('{"format": "' + "1" * 20_000_000 + '"}'), read_bundle),
    "a card that is a pipe": (_in_place_of("card.json", fifo), read_bundle),
    "a card that is a device": (_in_place_of("card.json", lambda path: path.symlink_to("/dev/zero")), read_bundle),
    "a card that is a link": (_in_place_of("card.json", _link_to_itself_elsewhere), read_bundle),
    "a network that is a pipe": (_in_place_of("member-1.keras", fifo), read_bundle),
    "a network that is a link": (_in_place_of("member-1.keras", _link_to_itself_elsewhere), read_bundle),
    "arrays that are a pipe": (_in_place_of("arrays.npz", fifo), read_bundle),
    "network: 4 GB of configuration": (bundle(_bomb_in_network), read_bundle),
    "network: arrays of 6 GB": (bundle(_bomb_in_arrays), read_bundle),
    "network: another member": (network(**{"assets/x.txt": b"x"}), read_bundle),
    "network: a layer of 1e10 units": (network(_wide), read_bundle),
    "network: a lambda": (planted(class_name="__lambda__", module="keras.layers", config={"value": "x"}), read_bundle),
    "network: a type": (planted(class_name="__typespec__", module="os", spec_name="system", config=["x"]), read_bundle),
    "network: another program": (planted(class_name="TFSMLayer", module="keras.layers", config={"filepath": "/tmp"}), read_bundle),
    "network: a download": (planted(class_name="function", module="keras.utils", config="get_file"), read_bundle),
    "network: weights in another file": (network(weights=_weight_elsewhere), read_bundle),
    "network: weights that are a link": (network(weights=_weight_linked), read_bundle),
    "network: weights of 4 TB": (network(weights=_weight_huge), read_bundle),
}  # fmt: skip


def main() -> None:
    folder = Path(sys.argv[1])
    for number, (name, (make, _)) in enumerate(CASES.items()):
        (folder / str(number)).mkdir(parents=True)
        print(number, name, make(folder / str(number)))


if __name__ == "__main__":
    main()
