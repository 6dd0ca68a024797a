"""One solve for all l: magnets no bond of which leaves the cell along c.

In the bond-vector gauge h(h, k, l) = U h(h, k, 0) U^+ with U = diag(exp(-2 pi i l z_i)), z_i the height of site
i, whenever every bond stays within the cell along c. So energies do not depend on l, and l enters the amplitudes
as a phase of each height only.

Momenta that a mirror or rotation of the magnet takes into each other share a solve (amplitudes are those of the
image sites), and so do momenta that differ by a reciprocal-lattice vector (there, in this gauge, amplitudes change
by a phase of each site). A folded h has A(-q) = conj(A(q)) and B(-q) = conj(B(q)) (all its coefficients are real),
so that q and -q share one as well.

Permutations of the sites that leave h(h, k, 0) unchanged at all momenta split it into blocks (`Form.split`):
translations of the couplings that the order does not have, and the exchange of two layers. 16 spins of a bilayer of
zig-zag chains are four blocks of four.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.parallel import in_threads
from mantid_insdl.spinwave.hamiltonian import MANY_SITES, Form, Hamiltonian
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.modes import PIECE, UNSTABLE, estimated_seconds, mode_velocities, require_affordable, solve
from mantid_insdl.spinwave.rotating_frame import rotating_parts, turning_model

SAMPLES = np.random.default_rng(0).uniform(-1, 1, (3, 2))
"""Momenta (h, k) at which symmetries are tried."""


class Group(NamedTuple):
    """What tells the sites of a planar magnet apart in what a neutron sees:
    ion and height, and, of a moment that two ions share, the vector in the plane between the two, in units of a and b.
    """

    ion: str
    z: float
    pair: tuple[float, float]


@dataclass(frozen=True, eq=False)
class PlanarModes:
    """Modes over (h, k) of parameter sets, of one symmetry, with the amplitudes of unlike `Group` kept apart.

    Parameters
    ----------
    energies : (set, m, n)
        meV, rising; NaN where the magnet is unstable.
    velocities : (2, set, m, n)
        Derivatives of the energies by h and k, in meV; 0 where a mode is not usable.
    usable : (set, m, n) bool
        Whether a mode's weight is finite: a Goldstone mode's at its own momentum may not be.
    components : (component, 3)
        Cartesian unit vectors of those directions in which the neutron sees the spins of these modes move.
    amplitudes
        From sets, momenta and modes (line,), by number, to (component, group, line): spin amplitudes. The neutron
        sees their sum over groups, each times F_ion(Q) exp(-2 pi i l z) cos(pi (h, k) . pair).
    """

    energies: np.ndarray
    velocities: np.ndarray
    usable: np.ndarray
    components: np.ndarray
    amplitudes: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class SharedSolve:
    """Solver over a fixed list of in-plane momenta of a model whose bonds do not leave the cell along c.

    Parameters
    ----------
    model
        The magnet.
    hk : (m, 2)
        Momenta in r.l.u. of the model's cell.
    reduce
        Solve only once for momenta equal up to a reciprocal-lattice vector, a sign and the magnet's own symmetry. (Off
        where it would not pay to look for that, and to test that it changes nothing.)
    tried
        Permutations of the sites that may split h (`splitting` of a magnet that is much the same), where `reduce` does
        not look for them.

    Attributes
    ----------
    groups : list of Group
        Of the second axis of `PlanarModes.amplitudes`.
    splitting : list of (site,) int
        Permutations of the sites that split h into blocks.

    Raises
    ------
    MaterialError
        If the model does not allow it (see `allowed`), or a solve of all momenta would take more than an hour.
    """

    def __init__(self, model: SpinModel, hk: np.ndarray, *, reduce: bool = True, tried: Sequence[np.ndarray] = ()):
        self._hamiltonian = Hamiltonian(model)
        if not self.allowed(model):
            raise MaterialError("the energies of this magnet depend on l", fix="use spin_waves at each momentum")
        hk = np.asarray(hk, float)
        if reduce:
            operations, self.splitting = _operations(self._hamiltonian)
            solved, classes = _reduce(hk, operations)
        else:
            everything, unmoved = np.arange(len(hk)), _Operation(np.eye(2), np.arange(len(model.sites)), False)
            solved, classes = hk, [_Class(everything, everything, unmoved, np.zeros(2))]
            self.splitting = _unmoved_by(self._hamiltonian, tried)
        self.number_of_momenta, self.number_of_solves = len(hk), len(solved)
        require_affordable(model, estimated_seconds(len(model.sites), len(solved), self._hamiltonian.folds))
        solved = np.column_stack((solved, np.zeros(len(solved))))
        waves, slopes = self._hamiltonian.waves(solved), self._hamiltonian.wave_slopes(solved)[:2]
        whole = self._hamiltonian.folded if self._hamiltonian.folds else self._hamiltonian.full
        self._forms = whole.split(self.splitting)
        self._waves, self._slopes = waves, slopes
        n = self._hamiltonian.size

        z, pairs = (np.round(x, 9).tolist() for x in ([s.position[2] for s in model.sites], model.pairs[:, :2]))
        keys = [Group(site.ion, *one) for site, *one in zip(model.sites, z, map(tuple, pairs), strict=True)]
        self.groups = list(dict.fromkeys(keys))
        member = np.array([self.groups.index(key) for key in keys])
        e1, e2, _ = model.seen(model.frames).swapaxes(0, 1)
        weight = np.sqrt(0.5 * model.spins / n)
        select = np.eye(len(self.groups))[member] * weight[:, None]  # (site, group)
        w1, w2 = (np.einsum("ia,ig->agi", e, select) for e in (e1, e2))
        # a reciprocal-lattice vector G gives the amplitude of the site at r the phase exp(-2 pi i G.r), as l does
        in_plane = np.array([s.position[:2] for s in model.sites])
        sites = [np.eye(n) if form.sites is None else form.sites for form in self._forms]
        weights: list[list[tuple[int, np.ndarray]]] = [[] for _ in sites]
        for one in classes:
            phase = np.exp(-2j * np.pi * (in_plane @ one.shift))
            led = [
                (x.conj() if one.operation.conjugate else x)[np.argsort(one.operation.images)] * phase[:, None]
                for x in sites
            ]
            for here, own in zip(weights, sites, strict=True):
                # the block that becomes this one: operations and reciprocal-lattice vectors take blocks to blocks
                block = int(np.argmax([np.linalg.norm(own.conj().T @ other) for other in led]))
                along_e1, along_e2 = (w @ led[block] for w in (w1, w2))
                here.append((block, np.concatenate((along_e1, -1j * along_e2), axis=-1)))
        blocks = [_Block.of(classes, *zip(*one, strict=True)) for one in weights]
        self._blocks = [block for block in blocks if len(block.components)]  # those that are seen

    @staticmethod
    def allowed(model: SpinModel) -> bool:
        """Whether no bond leaves the cell along c, and the ions of a shared moment lie level;
        dipoles couple all cells.
        """
        return (
            model.dipoles is None and all(bond.cell[2] == 0 for bond in model.bonds) and not np.any(model.pairs[:, 2])
        )

    @cached_property
    def rows(self) -> int:
        """Modes at a momentum, of all symmetries."""
        return sum(form.matrices[0].shape[-1] for form in self._forms) // (1 if self._hamiltonian.folds else 2)

    def solve(
        self, table: np.ndarray, workers: int | None = None, kind: type = complex
    ) -> tuple[np.ndarray, list[PlanarModes]]:
        """Which parameter sets (set, parameter), in the model's order, are stable at all the momenta, (set,) bool;
        and their modes, by symmetry. The modes of a set are the same whatever others it is solved with.

        `workers` is the number of threads, all cores by default; `kind`, complex or complex64, the
        precision of the amplitudes.
        """
        scale = self._hamiltonian.scale(table)[:, None, None]

        def work(job: tuple[Form, slice]) -> _Solved:
            form, part = job
            raw = solve(*form.at(self._waves[part], table), scale=scale)  # (set, m, block, ...)
            vectors = np.concatenate((raw.p, raw.m), axis=-2).astype(kind)
            velocities = np.moveaxis(mode_velocities(raw, form, self._slopes[:, part], table), -1, 0)
            return _Solved(raw.energies, np.isfinite(raw.p[..., 0, :].real), velocities, vectors, raw.status)

        solved: dict[int, _Solved] = {}
        for form, blocks in self._stacks:
            step = max(1, int(PIECE / (160 * len(blocks) * form.matrices[0].shape[-1] ** 2 * len(table))))
            parts = [(form, slice(start, start + step)) for start in range(0, len(self._waves), step)]
            whole = _Solved.joined(list(in_threads(work, parts, workers)))
            solved |= {block: whole.block(place) for place, block in enumerate(blocks)}
        stable = ~np.any([np.any(one.status == UNSTABLE, axis=1) for one in solved.values()], axis=0)
        return stable, [block.modes(solved) for block in self._blocks]

    @cached_property
    def _stacks(self) -> list[tuple[Form, list[int]]]:
        """Forms of as many rows in one, (parameter, wave, block, n, n), with the numbers of the blocks."""
        rows = [form.matrices[0].shape[-1] for form in self._forms]
        found = []
        for size in dict.fromkeys(rows):
            alike = [block for block, own in enumerate(rows) if own == size]
            matrices = zip(*(self._forms[block].matrices for block in alike), strict=True)
            found.append((Form(tuple(np.stack(x, axis=2) for x in matrices)), alike))
        return found


class SharedSpiral:
    """The same for a single-k spiral in the rotating frame:
    see `mantid_insdl.spinwave.spiral`. Its wave vector has to lie in the plane.

    Parameters
    ----------
    model, k, axis
        As for `mantid_insdl.spinwave.spiral.spiral_waves`.
    hk : (m, 2)
        Momenta in r.l.u. of the model's cell.
    reduce, tried
        As for `SharedSolve`.

    Attributes
    ----------
    groups, splitting
        As of `SharedSolve`.
    """

    def __init__(
        self, model: SpinModel, k: Sequence[float] | np.ndarray, axis: Sequence[float], hk: np.ndarray, **how: Any
    ):
        turning = replace(turning_model(model, k, axis), scattering="spins")
        hk = np.asarray(hk, float)
        self._parts = [
            (SharedSolve(turning, hk + shift[:2], **how), model.visible[0] @ projector)
            for shift, projector in rotating_parts(k, axis)
        ]
        self.groups, self.splitting = self._parts[0][0].groups, self._parts[0][0].splitting

    @staticmethod
    def allowed(model: SpinModel, k: Sequence[float]) -> bool:
        """Whether the model allows it, the spiral does not turn along c, and neutrons see the same of all spins."""
        return SharedSolve.allowed(model) and k[2] == 0 and bool(np.all(model.visible == model.visible[0]))

    @property
    def rows(self) -> int:
        """Modes at a momentum, of all symmetries."""
        return sum(solver.rows for solver, _ in self._parts)

    def solve(
        self, table: np.ndarray, workers: int | None = None, kind: type = complex
    ) -> tuple[np.ndarray, list[PlanarModes]]:
        """As `SharedSolve.solve`; 3 N modes at each momentum in all."""
        stable, found = np.ones(len(table), bool), []
        for solver, projector in self._parts:
            whole, modes = solver.solve(table, workers, kind)
            stable &= whole
            found += [_turned(one, projector.astype(kind)) for one in modes]
        return stable, found


def _turned(modes: PlanarModes, projector: np.ndarray) -> PlanarModes:
    """Modes of the rotating frame as they are seen in the laboratory's, by one of `rotating_parts`."""
    turn = projector @ modes.components.T.astype(projector.dtype)
    return replace(
        modes, components=np.eye(3), amplitudes=lambda *lines: np.tensordot(turn, modes.amplitudes(*lines), axes=1)
    )


@dataclass(frozen=True, eq=False)
class _Operation:
    """Takes the modes at q to those at W q: the amplitude of a site is that of its pre-image, or the conjugate.

    Parameters
    ----------
    matrix : (2, 2)
        W, on (h, k).
    images : (site,)
        Image of each site.
    conjugate
        Whether amplitudes are conjugate.
    """

    matrix: np.ndarray
    images: np.ndarray
    conjugate: bool

    @cached_property
    def back(self) -> np.ndarray:
        """The transposed inverse of W, which takes slopes along; once, for a map asks thousands of times."""
        return np.linalg.inv(self.matrix).T


@dataclass(frozen=True, eq=False)
class _Class:
    """Wanted momenta `pixels` that follow from the solved ones `source` in one way:
    by an operation, then a reciprocal-lattice vector.
    """

    pixels: np.ndarray
    source: np.ndarray
    operation: _Operation
    shift: np.ndarray


@dataclass(frozen=True, eq=False)
class _Block:
    """How the modes of one symmetry at all wanted momenta follow from those that were solved.

    Parameters
    ----------
    components : (component, 3)
        As of `PlanarModes`.
    source : (m,) int
        Solved momentum of each wanted one.
    paths
        Solved block and operation: what leads to the energies.
    path : (m,) int
        That of each wanted momentum.
    views : {(block, conjugate): (component, group, view, 2n)}
        From a mode's p and m, or their conjugates, to what is seen of it: of those alike up to a phase, one.
    view : (m,) int
        That of each wanted momentum, in the order of `views`.
    """

    components: np.ndarray
    source: np.ndarray
    paths: Sequence[tuple[int, _Operation]]
    path: np.ndarray
    views: Mapping[tuple[int, bool], np.ndarray]
    view: np.ndarray

    @classmethod
    def of(cls, classes: Sequence[_Class], blocks: Sequence[int], weights: Sequence[np.ndarray]) -> _Block:
        """From the classes of the wanted momenta, and of each the solved block
        and the weights (component, group, 2n).
        """
        seen = np.any([np.abs(x).max(axis=(1, 2)) > 1e-12 for x in weights], axis=0)
        paths = list(dict.fromkeys((block, one.operation) for one, block in zip(classes, blocks, strict=True)))
        views: dict[tuple[int, bool], list[np.ndarray]] = {(block, one.conjugate): [] for block, one in paths}
        chosen = []
        for one, block, weight in zip(classes, blocks, (x[seen] for x in weights), strict=True):
            known = views[key := (block, one.operation.conjugate)]
            size = np.linalg.norm(weight) ** 2
            like = next(
                (n for n, other in enumerate(known) if abs(np.vdot(other, weight)) > (1 - 1e-12) * size), len(known)
            )
            known += [weight] if like == len(known) else []
            chosen.append((key, like))
        first = dict(zip(views, itertools.accumulate((len(x) for x in views.values()), initial=0), strict=False))
        source, path, view = np.empty((3, sum(len(one.pixels) for one in classes)), int)
        for one, block, (key, like) in zip(classes, blocks, chosen, strict=True):
            source[one.pixels], view[one.pixels] = one.source, first[key] + like
            path[one.pixels] = paths.index((block, one.operation))
        return cls(np.eye(3)[seen], source, paths, path, {key: np.stack(x, axis=2) for key, x in views.items()}, view)

    def modes(self, solved: Mapping[int, _Solved]) -> PlanarModes:
        """From what was solved, block by block."""
        _, number, n = solved[0].energies.shape
        at = self.path * number + self.source
        energies = np.concatenate([solved[block].energies for block, _ in self.paths], axis=1).take(at, axis=1)
        usable = np.concatenate([solved[block].usable for block, _ in self.paths], axis=1).take(at, axis=1)
        slopes = [along_axes(one.back, solved[block].velocities) for block, one in self.paths]
        velocities = np.concatenate(slopes, axis=2).take(at, axis=2)
        seen = np.concatenate(
            [solved[block].seen(x, conjugate) for (block, conjugate), x in self.views.items()], axis=3
        )
        parts = seen.shape[1:3]  # (set, component, group, view, solve, mode)
        first = (self.view * number + self.source) * n
        size = seen[0, 0, 0].size
        flat = seen.ravel()

        def amplitudes(own: np.ndarray, momentum: np.ndarray, mode: np.ndarray) -> np.ndarray:
            place = first.take(momentum) + mode + own * (size * math.prod(parts))
            found = np.empty((*parts, len(place)), flat.dtype)
            for number, of_part in enumerate(found.reshape(-1, len(place))):
                of_part[:] = flat[number * size :].take(place)
            return found

        return PlanarModes(energies, velocities, usable, self.components, amplitudes)


def along_axes(axes: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Slopes (2, ...) along other axes: `axes` (2, 2) times them, each the same whatever others there are."""
    return np.stack([row[0] * slopes[0] + row[1] * slopes[1] for row in axes])


@dataclass(frozen=True, eq=False)
class _Solved:
    """Modes of several blocks of as many rows at the solved momenta, or of one of them: energies and `usable`
    (set, solve, [block,] n), velocities (2, set, solve, [block,] n), p above m (set, solve, [block,] 2n, n), and status
    (set, solve, [block]).
    """

    energies: np.ndarray
    usable: np.ndarray
    velocities: np.ndarray
    vectors: np.ndarray
    status: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[_Solved]) -> _Solved:
        """Of all momenta, from parts of them."""
        if len(parts) == 1:
            return parts[0]
        names = [one.name for one in fields(cls)]
        return cls(*(np.concatenate([getattr(x, one) for x in parts], axis=1 + (one == "velocities")) for one in names))

    def block(self, number: int) -> _Solved:
        """One of the blocks."""
        names = [one.name for one in fields(self)]
        return _Solved(*(getattr(self, one)[(slice(None),) * (2 + (one == "velocities")) + (number,)] for one in names))

    def seen(self, views: np.ndarray, conjugate: bool) -> np.ndarray:
        """What is seen of the modes of a block by views (component, group, view, 2n) of them or of their conjugates,
        (set, component, group, view, solve, n).
        """
        sets, solves, both, n = self.vectors.shape
        vectors = self.vectors.swapaxes(1, 2).reshape(sets, both, solves * n)
        weights = views.astype(vectors.dtype).reshape(-1, both)
        return (weights @ (vectors.conj() if conjugate else vectors)).reshape(sets, *views.shape[:3], solves, n)


def _operations(hamiltonian: Hamiltonian) -> tuple[list[_Operation], list[np.ndarray]]:
    """Mirrors and rotations W about c, at l = 0, with h(W q) = h(q) up to the order of the sites;
    and permutations with h(q) = h(q).

    Where h folds, each of the first also with q -> -q, h -> conj(h). Of the others those of order two that commute with
    all such of q and -q, as `Form.split` needs them and as the operations take them into each other.

    Looked for among the isometries of the lattice's (h, k) plane, and each checked on the matrices at some momenta.
    """
    model = hamiltonian.model
    metric = model.lattice.reciprocal[:2] @ model.lattice.reciprocal[:2].T
    entries = np.stack(np.meshgrid(*[[-1, 0, 1]] * 4, indexing="ij"), -1).reshape(-1, 2, 2)
    if len(model.sites) > MANY_SITES:
        entries = np.eye(2, dtype=int)[None]
    isometries = [w for w in entries if np.allclose(w.T @ metric @ w, metric, rtol=1e-9, atol=1e-9 * metric.max())]
    here = _at(hamiltonian, SAMPLES)
    positions = np.array([s.position for s in model.sites])

    def images_under(w: np.ndarray) -> Iterator[np.ndarray]:
        there = _at(hamiltonian, SAMPLES @ w.T)
        for images in _site_images(positions, np.linalg.inv(w).T):
            if _same(there, here, images):
                yield images

    found = []
    for w in isometries:
        images = next(images_under(w), None)
        if images is not None:
            found.append(_Operation(w.astype(float), images, False))
            if hamiltonian.folds:
                found.append(_Operation(-w.astype(float), images, True))
    unmoved, opposite = (
        list(images_under(sign * np.eye(2))) if len(positions) <= MANY_SITES else [] for sign in (1, -1)
    )
    splitting = [
        one
        for one in unmoved
        if np.array_equal(one[one], np.arange(len(one)))
        and all(np.array_equal(one[x], x[one]) for x in (*unmoved, *opposite))
    ]
    # the plain ones first: where several lead to a momentum, the first is taken
    return sorted(found, key=lambda one: (one.conjugate, not np.array_equal(np.abs(one.matrix), np.eye(2)))), splitting


def _at(hamiltonian: Hamiltonian, hk: np.ndarray) -> np.ndarray:
    """A and B per unit of each parameter at momenta (m, 2), l = 0: (2, parameter, m, N, N)."""
    return np.stack(hamiltonian.unfolded(hamiltonian.waves(np.column_stack((hk, np.zeros(len(hk)))))))


def _same(there: np.ndarray, here: np.ndarray, images: np.ndarray) -> bool:
    """Whether A and B are those of `here`, with every site at the place of its image."""
    return bool(
        np.abs(there[..., images[:, None], images] - here).max(initial=0.0) <= 1e-9 * np.abs(here).max(initial=0.0)
    )


def _unmoved_by(hamiltonian: Hamiltonian, permutations: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Those of the permutations of the sites that leave h at l = 0 unchanged."""
    here = _at(hamiltonian, SAMPLES) if len(permutations) else None
    return [one for one in permutations if _same(here, here, one)]


def _site_images(positions: np.ndarray, turn: np.ndarray) -> Iterator[np.ndarray]:
    """Permutations of the sites by an operation that acts as `turn` on (x, y), as +1 or -1 on z,
    and with any translation.
    """
    for side in (1.0, -1.0):
        turned = np.column_stack((positions[:, :2] @ turn.T, side * positions[:, 2]))
        for first in positions:
            apart = (turned + first - turned[0])[:, None] - positions[None]
            hit = np.abs(apart - np.round(apart)).max(axis=-1) < 1e-6
            if np.all(hit.sum(axis=1) == 1):
                yield hit.argmax(axis=1)


def _reduce(hk: np.ndarray, operations: list[_Operation]) -> tuple[np.ndarray, list[_Class]]:
    """Momenta to solve at, and how the wanted ones follow from them.

    Reciprocal-lattice vectors are used only where they save at least a third of the solves: most maps'
    pixels do not match the zone.
    """
    best: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    for within_zone in (False, True):
        # of all momenta that lead to a wanted one take the largest, by h and then k: hk = W s + G
        images = np.stack([hk @ one.back for one in operations])
        if within_zone:
            images = images - np.floor(images + 1e-9)
        keys = np.round(images, 9) + 0.0
        chosen = np.lexsort((-keys[..., 1], -keys[..., 0]), axis=0)[0]
        pick = np.arange(len(hk))
        _, first, inverse = np.unique(keys[chosen, pick], axis=0, return_index=True, return_inverse=True)
        if best is None or len(first) * 1.5 < len(best[0]):
            best = images[chosen, pick][first], inverse.ravel(), chosen
    solved, inverse, chosen = best
    led = np.einsum("nij,nj->ni", np.stack([one.matrix for one in operations])[chosen], solved[inverse])
    shifts = np.round(hk - led)
    classes = []
    for number, *shift in np.unique(np.column_stack((chosen, shifts)), axis=0):
        pixels = np.flatnonzero((chosen == number) & np.all(shifts == shift, axis=1))
        classes.append(_Class(pixels, inverse[pixels], operations[int(number)], np.array(shift)))
    return solved, classes
