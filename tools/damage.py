"""Damage files at random and read them: nothing but this package's own errors, no crash, no hang.

    python tools/damage.py                            # 300 damages of each kind of file, prints the table
    python tools/damage.py --runs 20 --seed 5 npz CIF # fewer, others, of some kinds
    python tools/damage.py --write docs/files.md      # and puts the table into that page, between its markers

A damage is either up to 16 bytes that are replaced, in a stretch of 64 or anywhere, by any bytes or by bytes of the same file (so that text
stays text), or a cut: the file ends early, or a piece is missing.
Files are read in a process of its own, which is started again where it dies or does not answer in time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

RUNS, SECONDS, MEMORY = 300, 30.0, 2 * 10**9
BEGIN, END = "<!-- damage: begin -->", "<!-- damage: end -->"
OUTCOMES = ("refused", "read", "other exception", "crash", "hang")

# ---- whole files, each in a folder of its own


def _map(path: Path) -> Path:
    from mantid_insdl.files import save
    from mantid_insdl.maps import Axis, Map, Slices

    rng = np.random.default_rng(0)
    axes = tuple(Axis(name, "r.l.u.", np.linspace(-1, 1, 11)) for name in ("qh", "qk"))
    slices = Slices(np.full(3, 50.0), np.arange(5.0, 8), np.arange(6.0, 9))
    logs = {"temperature": (4.5, "K"), "run_number": ("123", "")}
    intensity = rng.gamma(2.0, size=(3, 11, 11))
    return save(Map(intensity, axes, error=np.ones((3, 11, 11)), slices=slices, material="pcsmo", logs=logs), path)


def _npz(path: Path) -> Path:
    rng = np.random.default_rng(0)
    np.savez(path, intensity=rng.random((2, 3, 9, 9)), ei=[25.0, 50.0], energy_edges=[[1.0, 2, 3, 4]] * 2, q=np.linspace(-1, 1, 9))
    return path


def _nxspe(path: Path) -> Path:
    import h5py

    parts = {
        "NXSPE_info/fixed_energy": [30.0],
        "NXSPE_info/ki_over_kf_scaling": np.int32([1]),
        "NXSPE_info/psi": [12.0],
        "instrument/name": np.bytes_(["MARI"]),
        "data/energy": np.linspace(-5, 25, 31),
        "data/data": np.random.default_rng(0).random((20, 30)),
        "data/error": np.full((20, 30), 0.1),
        "data/polar": np.linspace(3, 135, 20),
        "data/polar_width": [7.0] * 20,
        "definition": np.bytes_(["NXSPE"]),
    }
    with h5py.File(path, "w") as file:
        for name, value in parts.items():
            file[f"run/{name}"] = value
    return path


def _mdhisto(path: Path) -> Path:
    import h5py

    shape = (5, 1, 8, 8)
    dimensions = {
        "D0": ("[H,H,0]", "r.l.u.", 9),
        "D1": ("[H,-H,0]", "r.l.u.", 9),
        "D2": ("[0,0,L]", "r.l.u.", 2),
        "D3": ("DeltaE", "DeltaE", 6),
    }
    with h5py.File(path, "w") as file:
        data = file.create_group("MDHistoWorkspace/data")
        arrays = {"signal": np.random.default_rng(0).random(shape), "errors_squared": np.ones(shape), "num_events": np.ones(shape)}
        for name, value in arrays.items():
            data.create_dataset(name, data=value, compression="gzip")
        data["mask"] = np.zeros(shape, np.int8)
        data["signal"].attrs["axes"] = np.bytes_("D3:D2:D1:D0")
        for name, (label, unit, edges) in dimensions.items():
            data[name] = np.linspace(-1, 1, edges)
            data[name].attrs.update({"long_name": np.bytes_(label), "units": np.bytes_(unit), "frame": np.bytes_("HKL")})
        log = file.create_group("MDHistoWorkspace/experiment0/logs/Ei")
        log.attrs["NX_class"] = np.bytes_("NXlog")
        log["value"] = [50.0]
    return path


def _variable(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    def rewritten(path: Path) -> Path:
        """The same HDF5 file with texts of variable length, as h5py writes them: they lie in collections of their own."""
        import h5py

        def with_variable_texts(name: str, node: h5py.Group | h5py.Dataset) -> None:
            for key, value in list(node.attrs.items()):
                if getattr(value, "dtype", np.dtype(float)).kind == "S":
                    node.attrs[key] = np.asarray(value).astype(object) if np.ndim(value) else value.decode()
            if isinstance(node, h5py.Dataset) and node.dtype.kind == "S":
                texts.append(name)

        texts: list[str] = []
        with h5py.File(make(path), "r+") as file:
            file.visititems(with_variable_texts)
            for name in texts:
                old = file.pop(name)
                new = file.create_dataset(name, old.shape, h5py.string_dtype(), old[()].astype(object) if old.shape else old[()])
                new.attrs.update(old.attrs)
        return path

    return rewritten


def _bundle(file: str) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        """The parts of a shipped bundle, of which one will be damaged."""
        from mantid_insdl.networks.bundles import find_bundle

        shutil.copytree(find_bundle(_BUNDLE), path.parent, dirs_exist_ok=True)
        return path.parent / file

    return make


_BUNDLE, _NETWORK = "rb2mnf4-exchange", "member-1.keras"


def _inside(member: str) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        """A part of a network or the card, taken out of a shipped bundle that lies beside it."""
        from mantid_insdl.networks.bundles import find_bundle

        whole = Path(shutil.copytree(find_bundle(_BUNDLE), path.parent / "bundle"))
        if member == "card.json":
            path.write_bytes((whole / member).read_bytes())
        else:
            with zipfile.ZipFile(whole / _NETWORK) as archive:
                path.write_bytes(archive.read(member))
        return path

    return make


def _material(path: Path) -> Path:
    from importlib import resources

    path.write_bytes((resources.files("mantid_insdl.materials") / "rb2mnf4.yaml").read_bytes())
    return path


def _cif(path: Path) -> Path:
    (path.parent / "magnet.yaml").write_text(_MAGNET, encoding="utf-8")
    path.write_text(_CIF, encoding="utf-8")
    return path


_MAGNET = """{name: magnet, title: magnet, family: magnet, sources: [none], cif: s.cif, sites: [{atom: Mn1, spin: 2.5, ion: Mn2+,
direction: [0, 0, 1]}], parameters: [{name: J, value: -1.0, low: -2, high: 0, description: nn}], bonds: [{parameter: J, shell: 1}]}
"""
_CIF = """data_magnet
_cell_length_a 4.0
_cell_length_b 4.0(1)
_cell_length_c 6.5
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_IT_number 123
loop_
_space_group_symop_operation_xyz
'x,y,z'
'-x,-y,z'
'-y,x,z'
'y,-x,z'
'x,-y,-z'
'-x,y,-z'
'y,x,-z'
'-y,-x,-z'
'-x,-y,-z'
'x,y,-z'
'y,-x,-z'
'-y,x,-z'
'-x,y,z'
'x,-y,z'
'-y,-x,z'
'y,x,z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Mn1 Mn 0 0 0
O1 O 0.5 0 0
"""


def _recipe(path: Path) -> Path:
    from importlib import resources

    path.write_bytes((resources.files("mantid_insdl.training") / "recipes/rb2mnf4-exchange.yaml").read_bytes())
    return path


def _config(path: Path) -> Path:
    path.write_text("# the interpreter that runs the networks\npython: /home/me/insdl-env/bin/python\n", encoding="utf-8")
    return path


# ---- reading them


def _load(path: Path) -> Any:
    from mantid_insdl.files import load

    return load(path)


def _load_bundle(path: Path) -> Any:
    from mantid_insdl.networks.bundles import load_bundle

    return load_bundle(path.parent)


def _load_sealed(path: Path) -> Any:
    """Put a damaged part into its bundle, seal that again, as somebody would who does it on purpose, and read it, weights included."""
    from mantid_insdl.errors import BundleError
    from mantid_insdl.networks.bundle_writing import hash_file
    from mantid_insdl.networks.bundles import find_bundle, verify_bundle
    from mantid_insdl.networks.cards import content_hash

    bundle = path.parent / "bundle"
    content = (find_bundle(_BUNDLE) / "card.json").read_bytes()
    if path.name == "card.json":
        content = path.read_bytes()
    else:
        with zipfile.ZipFile(find_bundle(_BUNDLE) / _NETWORK) as archive, zipfile.ZipFile(bundle / _NETWORK, "w") as changed:
            for name in archive.namelist():
                changed.writestr(name, path.read_bytes() if name == path.name else archive.read(name))
    with contextlib.suppress(ValueError, LookupError, TypeError):  # no card any more: left as it is
        card = json.loads(content)
        card["files"] = {**card["files"], _NETWORK: hash_file(bundle / _NETWORK)}
        card["sha256"] = content_hash(card)
        content = json.dumps(card).encode()
    (bundle / "card.json").write_bytes(content)
    for problem in verify_bundle(bundle):
        raise BundleError(problem)


def _load_material(path: Path) -> Any:
    from mantid_insdl.materials import load_material

    return load_material(path if path.suffix == ".yaml" else path.parent / "magnet.yaml")


def _load_recipe(path: Path) -> Any:
    from mantid_insdl.training.recipes import load_recipe

    return load_recipe(str(path))


def _read_config(path: Path) -> Any:
    from mantid_insdl.config import read_config

    return read_config({"INSDL_CONFIG": str(path)})


KINDS: dict[str, tuple[str, Callable[[Path], Path], Callable[[Path], Any]]] = {
    "processed NeXus": ("a.nxs", _map, _load),
    "NXSPE": ("a.nxspe", _nxspe, _load),
    "MDHisto": ("a.nxs", _mdhisto, _load),
    "processed NeXus, texts of variable length": ("a.nxs", _variable(_map), _load),
    "NXSPE, texts of variable length": ("a.nxspe", _variable(_nxspe), _load),
    "MDHisto, texts of variable length": ("a.nxs", _variable(_mdhisto), _load),
    "npz": ("a.npz", _npz, _load),
    "npz of this package": ("a.npz", _map, _load),
    "card": ("card.json", _bundle("card.json"), _load_bundle),
    "network": (_NETWORK, _bundle(_NETWORK), _load_bundle),
    "arrays of a bundle": ("arrays.npz", _bundle("arrays.npz"), _load_bundle),
    "card, sealed again": ("card.json", _inside("card.json"), _load_sealed),
    "configuration of a network, sealed again": ("config.json", _inside("config.json"), _load_sealed),
    "weights of a network, sealed again": ("model.weights.h5", _inside("model.weights.h5"), _load_sealed),
    "material": ("a.yaml", _material, _load_material),
    "CIF": ("s.cif", _cif, _load_material),
    "recipe": ("a.yaml", _recipe, _load_recipe),
    "configuration": ("config.yaml", _config, _read_config),
}

# ---- damaging and watching


def damaged(whole: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with one damage."""
    content, size = bytearray(whole), len(whole)
    if rng.random() < 0.5:
        start, length = (int(rng.integers(size)), 64) if rng.random() < 0.5 else (0, size)
        own = rng.random() < 0.5
        for place in start + rng.integers(length, size=rng.integers(1, 17)):
            content[place % size] = whole[rng.integers(size)] if own else rng.integers(256)
    elif rng.random() < 0.5:
        del content[int(rng.integers(size)) :]
    else:
        start = int(rng.integers(size))
        del content[start : start + int(rng.integers(1, 200))]
    return bytes(content)


def _reader(pipe: Connection, memory: int | None) -> None:
    """Reads every file as it is told, and answers with what came of it, its most memory so far in bytes, and the seconds it computed."""
    import resource

    from mantid_insdl.errors import InsdlError

    if memory is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    pipe.send("ready")
    while True:
        read, path = pipe.recv()
        before = time.process_time()
        try:
            read(path)
            answer = ("read", "")
        except InsdlError as error:
            answer = ("refused", str(error))
        except BaseException:
            answer = ("other exception", traceback.format_exc())
        pipe.send((answer, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time() - before))


class Watched:
    """A process that reads files, started anew after a crash or a hang of more than so many seconds.

    Parameters
    ----------
    seconds
        That one file may take.
    memory
        Bytes of address space that the process may have.

    Attributes
    ----------
    peak : int
        Most memory that a process has had, in bytes.
    computed : float
        Seconds that the last file took of a processor.
    """

    def __init__(self, seconds: float = SECONDS, memory: int | None = MEMORY):
        self.seconds, self.memory, self.peak, self.computed = seconds, memory, 0, 0.0
        self.process: Any = None

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def read(self, function: Callable[[Path], Any], path: Path) -> tuple[str, str]:
        """One of `OUTCOMES`, and what was said."""
        if self.process is None:
            self._start()
        try:
            self.pipe.send((function, path))
            if self.pipe.poll(self.seconds):
                answer, peak, self.computed = self.pipe.recv()
                self.peak = max(self.peak, peak)
                return answer
            outcome = ("hang", f"no answer in {self.seconds:g} s")
        except (EOFError, OSError):
            self.process.join()
            outcome = ("crash", f"the process ended with {self.process.exitcode}")
        self._end()
        return outcome

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        process = context.Process(target=_reader, args=(theirs, self.memory), daemon=True)
        with theirs:
            process.start()
        self.process = process
        self.pipe.recv()  # it is ready

    def _end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


def run(kind: str, runs: int, seed: int, reader: Watched, *, keep: Path | None = None) -> tuple[Counter, list[str], float]:
    """Damage a kind of file so many times: outcomes, what was said of those that are faults, and the longest time of one in seconds.

    Files that are a fault are kept in the folder `keep`, where one is given.
    """
    name, make, read = KINDS[kind]
    outcomes: Counter = Counter()
    faults, longest = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = make(Path(folder) / name)
        whole = path.read_bytes()
        outcome, said = reader.read(read, path)
        if outcome != "read":
            raise SystemExit(f"the whole file of the kind '{kind}' cannot be read: {outcome}: {said}")
        for number in range(runs):
            path.write_bytes(damaged(whole, np.random.default_rng((seed, number))))
            started = time.monotonic()
            outcome, said = reader.read(read, path)
            longest = max(longest, time.monotonic() - started)
            outcomes[outcome] += 1
            if outcome not in ("refused", "read"):
                faults.append(f"{kind}, damage {number} of seed {seed}: {outcome}: {said}")
                if keep is not None:
                    keep.mkdir(exist_ok=True)
                    (keep / f"{kind.replace(' ', '-')}-{number}{path.suffix}").write_bytes(path.read_bytes())
    return outcomes, faults, longest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}; all by default")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that are a fault")
    parser.add_argument("--write", type=Path, help="page to put the table into, between its markers")
    options = parser.parse_args()
    lines = [f"| kind of file | {' | '.join(OUTCOMES)} | longest, s | memory, MB |", "|---" * (len(OUTCOMES) + 3) + "|"]
    faults = []
    started = time.monotonic()
    for kind in options.kinds or KINDS:
        with Watched() as reader:
            outcomes, found, longest = run(kind, options.runs, options.seed, reader, keep=options.keep)
            faults += found
            counts = " | ".join(str(outcomes[one]) for one in OUTCOMES)
            lines.append(f"| {kind} | {counts} | {longest:.1f} | {reader.peak / 1e6:.0f} |")
            print(lines[-1], flush=True)
    number, minutes = options.runs * len(options.kinds or KINDS), (time.monotonic() - started) / 60
    lines += [
        "",
        f"{number} damages of seed {options.seed} in {minutes:.0f} min; memory is the most that the reading process had, of 2 GB.",
    ]
    print(lines[-1])
    if options.write is not None:
        page = options.write.read_text(encoding="utf-8")
        before, after = page[: page.index(BEGIN) + len(BEGIN)], page[page.index(END) :]
        options.write.write_text("\n".join([before, "", *lines, "", after]), encoding="utf-8")
    print(*faults, sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
