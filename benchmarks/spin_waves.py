"""How long a spin wave takes: this engine beside batched numpy, the LAPACK floor and pySpinW, on one core; and whole maps.

    python benchmarks/spin_waves.py [--pyspinw PYTHON] [--plot FILE] [--only PART ...]

PYTHON is an interpreter of an environment that has pySpinW (``pip install --pre pyspinw``). Times are processor time of one core, the best
of several runs, unless both cores are named. Rows compute the energies of every mode at every momentum, without form factors, and beside
them: "this engine, 2N x 2N", "folded", "batched numpy" and pySpinW S_perp; "with velocities" S_perp and the derivatives by momentum;
"shared solve" amplitudes by height and velocities, from which S_perp at any l follows by a phase; "closed form" S^xx. "floor" is Cholesky +
eigh + solve of matrices of that size alone, complex or real. A whole map has pixels integrated over their area; one by pySpinW is its
compiled core at the centres of all pixels, without the binning in energy that ours includes. PART is one of momenta, unfolded, maps,
three, batch and scaling; about ten minutes for all. "unfolded" is Goodenough with antisymmetric exchange along its moments, whose
coefficients are complex: the same vector on all JF1 bonds, so that no symmetry is left, or one that turns with the moments. "three" is a
map of Rb2MnF4 with its layers coupled; "batch" 20 maps on one core and on two, by threads.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mantid_insdl.instrument.kinematics import along_beam, reachable
from mantid_insdl.maps import Axis, Slices
from mantid_insdl.materials import Material, load_material
from mantid_insdl.simulation.slices import SliceSimulator
from mantid_insdl.spinwave import Bond, Hamiltonian, Lattice, OnSite, Site, SpinModel, spin_waves
from mantid_insdl.spinwave.shared import SharedSolve
from mantid_insdl.spinwave.square_lattice import square_lattice_modes
from mantid_insdl.spinwave.symmetry import dm_matrix

ONE_CORE = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")}

COUPLED = "rb2mnf4 coupled along c"

PARTS = ("momenta", "unfolded", "maps", "three", "batch", "scaling")

_PYSPINW = """
import sys, time, numpy as np
from pyspinw.rust import Coupling, spinwave_calculation
d = np.load(sys.argv[1])
kw = dict(dtype=complex, order="F")
best = np.inf
for _ in range(int(sys.argv[3])):
    couplings = [Coupling(int(i), int(j), np.array(m, **kw), c) for i, j, m, c in zip(d["i"], d["j"], d["matrix"], d["cell"].astype(float))]
    start = time.process_time()
    energies, intensities, _, _ = spinwave_calculation(
        rotations=[np.array(r, **kw) for r in d["rotations"]], magnitudes=d["spins"], q_vectors=d["q"], couplings=couplings,
        positions=list(d["positions"]), rlu_to_cart=d["reciprocal"], field=None, rotating_frame=None,
        save_sab=False, save_wavefunctions=False)
    best = min(best, time.process_time() - start)
np.savez(sys.argv[2], energies=np.array(energies), intensities=np.array(intensities), seconds=best)
"""


def best_of(run: Callable[[], object], repeats: int = 5, clock: Callable[[], float] = time.process_time) -> float:
    """Shortest of several times in seconds, of the processor unless another `clock` is given."""
    times = []
    for _ in range(repeats):
        start = clock()
        run()
        times.append(clock() - start)
    return min(times)


def peak_memory(run: Callable[[], object]) -> float:
    """Peak of what `run` allocates, in MB."""
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def bare(model: SpinModel) -> SpinModel:
    """The model without form factors, which pySpinW does not apply."""
    return dataclasses.replace(model, sites=tuple(dataclasses.replace(s, ion="") for s in model.sites))


def floor(size: int, number: int, *, real: bool = False) -> float:
    """Seconds for Cholesky, eigh and solve of `number` Hermitian, or real symmetric, matrices."""
    rng = np.random.default_rng(0)
    h = rng.normal(size=(number, size, size)) + (0 if real else 1j * rng.normal(size=(number, size, size)))
    h = h @ h.conj().swapaxes(1, 2) + size * np.eye(size)

    def run() -> None:
        factor = np.linalg.cholesky(h)
        np.linalg.solve(factor, np.linalg.eigh(h)[1])

    return best_of(run)


def pyspinw(
    python: str, model: SpinModel, values: dict[str, float], q: np.ndarray, repeats: int = 3
) -> tuple[float, np.ndarray, np.ndarray]:
    """Seconds, energies (m, N) and S_perp (m, N) of pySpinW's compiled core."""
    entries = []
    for bond in model.bonds:
        matrix = values[bond.parameter] * bond.matrix
        entries += [(bond.i, bond.j, matrix, bond.cell), (bond.j, bond.i, matrix.T, tuple(-x for x in bond.cell))]
    entries += [(t.i, t.i, 2 * values[t.parameter] * t.tensor, (0, 0, 0)) for t in model.onsite]
    i, j, matrix, cell = (np.array(x) for x in zip(*entries, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "in.npz", Path(folder) / "out.npz"
        positions = np.array([s.position for s in model.sites])
        rotations = model.frames.swapaxes(1, 2)
        np.savez(
            source, i=i, j=j, matrix=matrix, cell=cell, q=q, spins=model.spins, positions=positions, rotations=rotations,
            reciprocal=model.lattice.reciprocal,
        )  # fmt: skip
        subprocess.run([python, "-c", _PYSPINW, str(source), str(result), str(repeats)], check=True)
        with np.load(result) as found:
            n = len(model.sites)
            energies, intensities = found["energies"], found["intensities"]
            order = np.argsort(energies, axis=1)[:, n:]  # the upper half are the neutron's energy loss
            return float(found["seconds"]), np.take_along_axis(energies, order, 1), np.take_along_axis(intensities, order, 1)


def batched_numpy(model: SpinModel, q: np.ndarray, values: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Energies and S_perp as one would write them: Colpa's method on stacks of 2N x 2N matrices, 100 momenta at a time."""
    hamiltonian, n = Hamiltonian(model), len(model.sites)
    metric = np.concatenate((np.ones(n), -np.ones(n)))
    u = model.frames[:, 0] + 1j * model.frames[:, 1]
    weight = np.sqrt(0.5 * model.spins / n)[:, None]
    rows = np.concatenate((weight * u.conj(), weight * u)).T  # (component, 2N)
    energies, seen = [], []
    for start in range(0, len(q), 100):
        part = q[start : start + 100]
        factor = np.linalg.cholesky(hamiltonian.matrix(part, values)[0])
        adjoint = factor.conj().swapaxes(1, 2)
        found, vectors = np.linalg.eigh(adjoint @ (metric[:, None] * factor))
        modes = np.linalg.solve(adjoint, vectors[..., n:] * np.sqrt(found[:, None, n:]))
        spins = rows @ modes
        direction = model.lattice.to_cartesian(part)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        along = np.einsum("qa,qan->qn", direction, spins)
        energies.append(found[:, n:])
        seen.append(np.sum(np.abs(spins) ** 2, axis=1) - np.abs(along) ** 2)
    return np.concatenate(energies), np.concatenate(seen)


def all_amplitudes(shared: SharedSolve, table: np.ndarray) -> None:
    """Solve, and the amplitudes of all modes at all momenta."""
    for modes in shared.solve(table)[1]:
        modes.amplitudes(*(x.ravel() for x in np.indices(modes.energies.shape)))


def per_momentum(python: str | None) -> None:
    """Table of microseconds a momentum."""
    print(f"{'microseconds a momentum':42}{'rb2mnf4 (2 spins)':>20}{'goodenough (16)':>20}{'dimer (16)':>20}")
    rows: dict[str, list[float]] = {}
    agreement = []
    for name, number in (("rb2mnf4", 20000), ("pcsmo-goodenough", 1000), ("pcsmo-dimer", 1000)):
        material = load_material(name)
        model, values = bare(material.model), material.defaults
        n = len(model.sites)
        q = np.random.default_rng(1).uniform(-1, 1, (number, 3))

        def add(row: str, seconds: float, number: int = number) -> None:
            rows.setdefault(row, []).append(seconds / number * 1e6)

        add("floor, 2N x 2N", floor(2 * n, number))
        add("floor, N x N", floor(n, number))
        add("floor, N x N, real", floor(n, number, real=True))
        add("batched numpy, 2N x 2N", best_of(lambda model=model, q=q, values=values: batched_numpy(model, q, values), 3))
        add("this engine, 2N x 2N", best_of(lambda model=model, q=q, values=values: spin_waves(model, q, values, fold=False), 3))
        add("this engine, folded", best_of(lambda model=model, q=q, values=values: spin_waves(model, q, values)))
        add("this engine, with velocities", best_of(lambda m=model, q=q, v=values: spin_waves(m, q, v, velocities=True), 3))
        shared = SharedSolve(model, q[:, :2], reduce=False)
        table = model.parameter_table(values)
        add("this engine, shared solve over l", best_of(lambda shared=shared, table=table: all_amplitudes(shared, table)))
        if name == "rb2mnf4":
            h, k = q[:, 0], q[:, 1]
            add("this engine, closed form", best_of(lambda h=h, k=k, v=values: square_lattice_modes(h, k, 2.5, v["J1"], v["J2"], v["D"])))
        if python:
            few = q[: 2000 if n == 2 else 300]
            seconds, energies, s_perp = pyspinw(python, model, values, few)
            add("pySpinW", seconds, len(few))
            modes = spin_waves(model, few, values)
            # degenerate modes share their intensity arbitrarily: compare sums over the modes
            moments = [(x.sum(-1), (e * x).sum(-1)) for e, x in ((energies, s_perp), (modes.energies[0], modes.s_perp[0]))]
            error = max(np.max(np.abs(a / b - 1)) for a, b in zip(*moments, strict=True))
            agreement.append((name, np.abs(energies - modes.energies[0]).max(), error))
    for row, times in rows.items():
        print(f"{row:42}" + "".join(f"{t:>20.3g}" for t in times))
    if python:
        print("times as fast as pySpinW:")
        for row, times in rows.items():
            if row.startswith("this engine"):
                print(f"{row:42}" + "".join(f"{a / t:>20.3g}" for a, t in zip(rows["pySpinW"], times, strict=False)))
    for name, energy, intensity in agreement:
        print(
            f"{name}: largest difference from pySpinW {energy:.1e} meV; relative in the sum and the first moment of S_perp {intensity:.1e}"
        )


def unfolded(staggered: bool) -> tuple[SpinModel, dict[str, float]]:
    """Goodenough with DM vectors along its moments on the JF1 bonds: 16 spins that do not fold."""
    material = load_material("pcsmo-goodenough")
    model = bare(material.model)
    axis = np.array(model.sites[0].direction)
    added = []
    for b in model.bonds:
        if b.parameter == "JF1":
            sign = np.sign(model.sites[b.i].direction @ axis) if staggered else 1.0
            added.append(Bond(b.i, b.j, b.cell, "DM", dm_matrix(0.3 * sign * axis)))
    return dataclasses.replace(model, bonds=(*model.bonds, *added)), material.defaults | {"DM": 1.0}


def not_folding(python: str | None, number: int = 500) -> None:
    """Table of microseconds a momentum of magnets whose h does not fold; the rows in turn."""
    print(f"\n{'microseconds a momentum, 16 spins':42}{'no symmetry':>20}{'translation':>20}")
    rows: dict[str, list[float]] = {}
    for staggered in (False, True):
        model, values = unfolded(staggered)
        q = np.random.default_rng(1).uniform(-1, 1, (number, 3))
        runs = {"batched numpy, 2N x 2N": batched_numpy, "this engine": spin_waves}
        best = dict.fromkeys(runs, np.inf)
        for _ in range(7):
            for name, run in runs.items():
                best[name] = min(best[name], best_of(lambda run=run, each=(model, q, values): run(*each), 1))
        for name, seconds in best.items():
            rows.setdefault(name, []).append(seconds / number * 1e6)
        if python:
            seconds, energies, _ = pyspinw(python, model, values, q[:200])
            rows.setdefault("pySpinW", []).append(seconds / 200 * 1e6)
            error = np.abs(energies - spin_waves(model, q[:200], values).energies[0]).max()
            print(f"largest difference of energies from pySpinW {error:.1e} meV")
    for row, times in rows.items():
        print(f"{row:42}" + "".join(f"{t:>20.3g}" for t in times))


def coupled() -> Material:
    """Rb2MnF4 with its layers nearer and coupled: a magnet of three dimensions, as in `pixels.py`."""
    described = load_material("rb2mnf4").model_dump(exclude={"closed_form"}, exclude_none=True, by_alias=True)
    described["name"], described["cell"]["c"] = COUPLED, 6.2
    described["bonds"] = [*described["bonds"], {"parameter": "Jc", "distance": 6.2}]
    described["parameters"] = [*described["parameters"], {"name": "Jc", "value": -0.2, "low": -1, "high": 0, "description": "along c"}]
    return Material.model_validate(described)


def three_dimensions(python: str | None) -> None:
    """A map of a magnet that is coupled along the beam, beside pySpinW at the centres of its pixels."""
    q = np.linspace(-1, 1, 40)
    material, slices = coupled(), Slices.from_bins([25.0], [np.linspace(2.5, 17.5, 11)])
    simulator = SliceSimulator(material, slices, Axis("qh", "r.l.u.", q), Axis("qk", "r.l.u.", q))
    seconds = best_of(lambda: simulator.intensity({}), 3)
    memory = peak_memory(lambda: simulator.intensity({}))
    print(f"\nthree dimensions, 10 slices of 40 x 40 integrated over pixels and along the beam: {seconds:.3g} s, peak {memory:.0f} MB")
    if python:
        momenta = map_momenta(material, slices, q, twins=False)
        theirs, *_ = pyspinw(python, bare(material.model), material.defaults, momenta, repeats=1)
        print(f"pySpinW, {len(momenta)} momenta at the centres of pixels and windows: {theirs:.3g} s")


def about(material: Material, number: int) -> dict[str, np.ndarray]:
    """Parameter sets within a hundredth of the material's own."""
    rng = np.random.default_rng(0)
    return {name: value * (1 + 0.01 * rng.uniform(-1, 1, number)) for name, value in material.defaults.items()}


def batch_case(name: str) -> tuple[SliceSimulator, dict[str, np.ndarray]]:
    """A simulator, and 20 parameter sets for it."""
    material, energies = (coupled(), [25.0]) if name == COUPLED else (load_material(name), [25.0, 50.0, 100.0])
    q = np.linspace(-1, 1, 40)
    slices = Slices.from_bins(energies, [np.linspace(0.1, 0.7, 11) * e for e in energies])
    return SliceSimulator(material, slices, Axis("qh", "r.l.u.", q), Axis("qk", "r.l.u.", q)), about(material, 20)


def batch_of_maps(cores: set[int], repeats: int = 5) -> None:
    """Wall and processor time of 20 maps on one core and on two, in turn, by threads; and what two processes do that each calculate them.

    Where another process keeps one of the cores busy, both threads may be given the other one: the wall times then compare nothing.
    """
    two = set(sorted(cores)[:2])
    columns = f"{'one core, s':>14}{'two, s':>10}{'ratio':>8}{'processor, one, s':>20}{'two, s':>10}{'by processes':>15}"
    print(f"\n{'20 maps, best time of ' + str(repeats):42}{columns}")
    for name in ("pcsmo-goodenough", "pcsmo-dimer", COUPLED):
        simulator, values = batch_case(name)
        best, used = {1: np.inf, 2: np.inf}, {1: np.inf, 2: np.inf}
        for _ in range(repeats):
            for number, use in ((1, {min(two)}), (2, two)):
                os.sched_setaffinity(0, use)
                os.environ["OMP_NUM_THREADS"] = str(number)
                start, began = time.perf_counter(), time.process_time()
                simulator.intensity(values)
                best[number] = min(best[number], time.perf_counter() - start)
                used[number] = min(used[number], time.process_time() - began)
        os.environ["OMP_NUM_THREADS"] = "1"
        os.sched_setaffinity(0, {min(cores)})
        row = f"{name:42}{best[1]:>14.3g}{best[2]:>10.3g}{best[1] / best[2]:>8.2f}{used[1]:>20.3g}{used[2]:>10.3g}"
        print(f"{row}{by_processes(name, sorted(two), repeats):>15.2f}", flush=True)


def by_processes(name: str, cores: list[int], repeats: int) -> float:
    """How many times as many maps two processes, each on its core, calculate as one does."""
    context = multiprocessing.get_context("spawn")
    times = []
    for use in (cores[:1], cores):
        barrier, answers = context.Barrier(len(use)), context.Queue()
        workers = [context.Process(target=_on_a_core, args=(name, core, repeats, barrier, answers)) for core in use]
        for worker in workers:
            worker.start()
        times.append(max(answers.get() for _ in workers))
        for worker in workers:
            worker.join()
    return len(cores) * times[0] / times[1]


def _on_a_core(name: str, core: int, repeats: int, barrier, answers) -> None:
    os.sched_setaffinity(0, {core})
    simulator, values = batch_case(name)
    best = np.inf
    for _ in range(repeats):
        barrier.wait()
        start = time.perf_counter()
        simulator.intensity(values)
        barrier.wait()
        best = min(best, time.perf_counter() - start)
    answers.put(best)


def whole_maps(python: str | None, cores: set[int]) -> None:
    """Table of maps a second and peak memory, on one core and on all."""
    q = np.linspace(-1, 1, 40)
    axes = Axis("qh", "r.l.u.", q), Axis("qk", "r.l.u.", q)
    six = [25.0, 35.0, 50.0, 70.0, 100.0, 140.0]
    cases = [(n, Slices.from_bins(six, [np.linspace(0.1, 0.7, 11) * e for e in six]), 1) for n in ("pcsmo-goodenough", "pcsmo-dimer")]
    cases.append(("rb2mnf4", Slices.from_bins([20.0], [np.linspace(0.5, 8.0, 11)]), 500))
    print(f"\n{'':74}{'wall time of 20 times as many':>32}")
    columns = (
        ("pixels", 16),
        ("milliseconds", 14),
        ("maps a second", 15),
        ("peak MB", 9),
        ("one core, s", 18),
        (f"{len(cores)} cores, s", 14),
    )
    print(f"{'map':20}" + "".join(f"{title:>{width}}" for title, width in columns))
    one = os.sched_getaffinity(0)
    ours = {}
    for name, slices, sets in cases:
        simulator = SliceSimulator(name, slices, *axes)
        values, many = (about(simulator.material, number) for number in (sets, 20 * sets))
        ours[name] = best_of(lambda s=simulator, v=values: s.intensity(v)) / sets
        memory = peak_memory(lambda s=simulator, v=values: s.intensity(v))
        walls = []
        for use in (one, cores):
            os.sched_setaffinity(0, use)
            walls.append(best_of(lambda s=simulator, v=many: s.intensity(v), 2, time.perf_counter))
        os.sched_setaffinity(0, one)
        pixels = f"{slices.size} x 40 x 40"
        print(f"{name:20}{pixels:>16}{ours[name] * 1e3:>14.3g}{1 / ours[name]:>15.4g}{memory:>9.0f}{walls[0]:>18.3g}{walls[1]:>14.3g}")
    if not python:
        return
    print(f"\n{'map by pySpinW':20}{'momenta':>16}{'seconds':>14}{'times ours':>15}")
    for name, slices, _ in cases[:2]:
        material = load_material(name)
        momenta = map_momenta(material, slices, q)
        seconds, *_ = pyspinw(python, bare(material.model), material.defaults, momenta, repeats=1)
        print(f"{name:20}{len(momenta):>16}{seconds:>14.3g}{seconds / ours[name]:>15.4g}")


def map_momenta(material: Material, slices: Slices, q: np.ndarray, *, twins: bool = True) -> np.ndarray:
    """Momenta of a map, of two twins or one crystal, in r.l.u. of the model's cell, slice by slice with the l of its middle, (m, 3)."""
    lattice = material.model.lattice
    h, k = np.meshgrid(q, q, indexing="ij")
    plane = np.stack((h.ravel(), k.ravel(), 0 * h.ravel()), -1) @ np.array(material.map.cell).T
    found = []
    for ei, energy in zip(slices.ei, slices.centres, strict=True):
        for twin in (plane, plane[:, [1, 0, 2]]) if twins else (plane,):
            across = np.sum(lattice.to_cartesian(twin) ** 2, axis=1)
            reached = reachable(ei, energy, across)
            along = along_beam(ei, energy, across[reached]) / lattice.reciprocal[2, 2]
            found.append(twin[reached] + along[:, None] * [0, 0, 1])
    return np.concatenate(found)


def square_supercell(cells: int, rows: int) -> SpinModel:
    """The square-lattice antiferromagnet of rb2mnf4 in a cell of `cells` x `rows` spins."""
    a = 4.21
    sites = [Site("x", [x / cells, y / rows, 0], 2.5, [0, 0, (-1) ** (x + y)]) for x in range(cells) for y in range(rows)]
    empty = SpinModel(Lattice(cells * a, rows * a, 13.77), tuple(sites))
    bonds = [Bond(*pair, name) for name, distance in (("J1", a), ("J2", a * np.sqrt(2))) for pair in empty.neighbours(distance)]
    return SpinModel(empty.lattice, empty.sites, tuple(bonds), tuple(OnSite(i, "D", np.diag([0, 0, 1.0])) for i in range(len(sites))))


def scaling(plot: Path | None) -> None:
    """Cost against the number of spins and of momenta; a plot if wanted."""
    values = load_material("rb2mnf4").defaults
    spins, folded, full = [], [], []
    for cells, rows in ((2, 2), (4, 2), (4, 4), (8, 4), (8, 8)):
        model = square_supercell(cells, rows)
        number = max(300, 64000 // len(model.sites) ** 2)
        q = np.random.default_rng(1).uniform(-1, 1, (number, 3))
        spins.append(len(model.sites))
        folded.append(best_of(lambda m=model, q=q: spin_waves(m, q, values), 3) / number * 1e6)
        full.append(best_of(lambda m=model, q=q: spin_waves(m, q, values, fold=False), 2) / number * 1e6)
    print(f"\n{'spins in the cell':28}" + "".join(f"{n:>10}" for n in spins))
    print(f"{'folded, microseconds':28}" + "".join(f"{t:>10.3g}" for t in folded))
    print(f"{'2N x 2N, microseconds':28}" + "".join(f"{t:>10.3g}" for t in full))
    material = load_material("pcsmo-goodenough")
    numbers = [1, 10, 100, 1000]
    times = [
        best_of(lambda n=n: spin_waves(material.model, np.random.default_rng(1).uniform(-1, 1, (n, 3)), material.defaults), 3)
        for n in numbers
    ]
    print(f"\n{'momenta, 16 spins':28}" + "".join(f"{n:>10}" for n in numbers))
    print(f"{'milliseconds in all':28}" + "".join(f"{t * 1e3:>10.3g}" for t in times))
    if plot:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 4), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        left.loglog(spins, full, "o-", label="2N x 2N")
        left.loglog(spins, folded, "o-", label="folded")
        left.set(xlabel="spins in the cell", ylabel="microseconds a momentum")
        left.set_xticks(spins, [str(n) for n in spins], minor=False)
        left.set_xticks([], minor=True)
        left.legend()
        right.loglog(numbers, np.array(times) * 1e3, "o-")
        right.set(xlabel="momenta in one call (16 spins)", ylabel="milliseconds")
        figure.savefig(plot, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pyspinw", metavar="PYTHON", help="interpreter of an environment that has pySpinW")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="picture of the cost against the number of spins and of momenta")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    arguments = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ONE_CORE.items()):  # numpy's libraries read them when they are loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_CORE})
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    print(f"Python {sys.version.split()[0]}, numpy {np.__version__}, one core")
    run = {
        "momenta": lambda: per_momentum(arguments.pyspinw),
        "unfolded": lambda: not_folding(arguments.pyspinw),
        "maps": lambda: whole_maps(arguments.pyspinw, cores),
        "three": lambda: three_dimensions(arguments.pyspinw),
        "batch": lambda: batch_of_maps(cores),
        "scaling": lambda: scaling(arguments.plot),
    }
    for part in arguments.only:
        run[part]()


if __name__ == "__main__":
    main()
