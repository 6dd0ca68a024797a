"""The order of each parameter set, followed from that of known values; and where it ends.

An order is followed along the straight line of parameters from where it is known: Newton's method finds the stationary
one of each step from that of the last, and a step counts only if the order changed along it as its slopes by the
implicit function theorem say, over the whole step and over both halves. Where no step is short enough for that, or the
order is no minimum any more, it ends: at a phase boundary (a spin flop, a saturating field), or where it is not the
only one of its energy. What lies beyond is another order. It is not followed, so that what is found for a parameter set
does not depend on which sets were asked for before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mantid_insdl.errors import InstabilityError
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.order import FLAT, Order, OrderEnergy
from mantid_insdl.spinwave.relaxation import descend, directions_of

FOLLOWED, ENDED, UNDETERMINED = 0, 1, 2
"""The order was followed; it ends before; it is not the only one of its energy, or only just a minimum."""
SHORTEST = 2.0**-10
"""Of the line of parameters: shortest step, and so how well its end is known."""
LARGEST = 0.3
"""Turn of a spin in radian, or change of 2 pi k, that one step may make."""
MEMORY = 32e6
"""Bytes of the largest array while orders are followed, at most."""
KEPT = 10_000
"""Parameter sets whose orders are remembered."""
_AGREEMENT, _UNCHANGED = 0.1, 1e-7
_STEPS, _CONVERGED = 8, 1e-9


@dataclass(frozen=True, eq=False)
class Followed:
    """Orders of parameter sets.

    Parameters
    ----------
    order
        As far as they could be followed.
    reached : (set,)
        Part of the line of parameters along which they could; 1 where they were found.
    status : (set,) int
        `FOLLOWED`, `ENDED` or `UNDETERMINED`.
    """

    order: Order
    reached: np.ndarray
    status: np.ndarray

    def of(self, index: int) -> Followed:
        """That of one set, as a batch of one."""
        return Followed(
            self.order.of(slice(index, index + 1)), self.reached[index : index + 1], self.status[index : index + 1]
        )


class FollowedOrder:
    """The order of a magnet as a function of its parameters.

    Parameters
    ----------
    model
        The magnet; its directions are where the order is looked for.
    table : (parameter,)
        Values that belong to them, in the model's order of parameters.
    k, axis : (3,)
        Of a spiral: where its wave vector is looked for, and the axis about which it turns.

    Raises
    ------
    MaterialError
        If a coupling changes its form under turns about the axis of a spiral.
    InstabilityError
        If no minimum is reached from there, or it is not the only one of its energy.
    """

    def __init__(
        self, model: SpinModel, table: np.ndarray, k: Sequence[float] | None = None, axis: Sequence[float] | None = None
    ):
        self.model, self.energy = model, OrderEnergy(model, axis)
        self._table = np.asarray(table, float)[None]
        self.start = self._settled(directions_of(model) if k is None else directions_of(model, k))
        self._batch = max(1, int(MEMORY / (8 * (3 * len(model.sites) + 3) ** 2 * (1 if axis is None else 9))))
        self._known: dict[bytes, Followed] = {}  # a map asks for the same sets at each of its momenta

    def _settled(self, given: Order) -> Order:
        """The minimum next to the given order, or else the one that descent reaches from it."""
        order, converged = _newton(self.energy, self._table, given)
        near = np.abs(_vector(order) - _vector(given)).max() < LARGEST
        lowest = self.energy.across_free_turns(self._table, order).lowest
        if not (converged[0] and near and lowest[0] > FLAT):
            order, converged = _newton(self.energy, self._table, descend(self.energy, self._table, given)[1])
            order = Order(order.directions, order.k - np.rint(order.k - given.k))
            lowest = self.energy.across_free_turns(self._table, order).lowest
        if not converged[0] or lowest[0] < -FLAT:
            raise InstabilityError(
                f"the order that the directions lead to is no minimum at {self.named(self._table[0])}",
                "the energy goes on falling along a turn of the spins"
                if converged[0]
                else "descent does not come to rest",
                "give other directions: insdl material FILE --relax, or mantid_insdl.spinwave.relax, "
                "finds those of lowest energy",
            )
        if lowest[0] < FLAT:
            raise self._undetermined(self._table[0])
        return order

    def named(self, row: np.ndarray) -> str:
        """Parameter values in words."""
        return ", ".join(f"{name}={value:.6g}" for name, value in zip(self.model.parameters, row, strict=True))

    def _undetermined(self, row: np.ndarray) -> InstabilityError:
        if self.model.dipoles is not None:
            return InstabilityError(
                f"the energy does not determine the order at {self.named(row)}",
                "spins can turn at no cost: in so symmetric a lattice the dipoles leave their direction open",
                "add what decides it in the crystal (a single-ion anisotropy, a field), or choose other values",
            )
        return InstabilityError(
            f"the energy does not determine the order at {self.named(row)}",
            "spins can turn, not all alike, or the wave vector change at no cost: there is no unique ground state, "
            "or one ends just here",
            "add what decides (an anisotropy, a field, a further exchange), or choose other values",
        )

    def at(self, table: np.ndarray) -> Followed:
        """Orders of parameter sets (set, parameter)."""
        table = np.ascontiguousarray(table, float)
        if not len(table):
            return self._follow(table)
        keys = [row.tobytes() for row in table]
        new = np.array([index for index, key in enumerate(keys) if key not in self._known], int)
        if new.size:
            if len(self._known) > KEPT:
                self._known.clear()
            for part in np.array_split(new, -(-new.size // self._batch)):
                found = self._follow(table[part])
                for number, index in enumerate(part):
                    self._known[keys[index]] = found.of(number)
        each = [self._known.get(key) or self._follow(row[None]).of(0) for key, row in zip(keys, table, strict=True)]
        return Followed(
            Order(*(np.concatenate(x) for x in zip(*(one.order for one in each), strict=True))),
            np.concatenate([one.reached for one in each]),
            np.concatenate([one.status for one in each]),
        )

    def _follow(self, table: np.ndarray) -> Followed:
        sets = len(table)
        line = table - self._table
        order = self.start.of(np.zeros(sets, int))
        reached, step, grows = np.zeros(sets), np.ones(sets), np.ones(sets, bool)
        status = np.full(sets, FOLLOWED)
        active = np.ones(sets, bool)
        while active.any():
            now = np.flatnonzero(active & (reached < 1))
            if not now.size:
                break
            ends = np.minimum(reached[now] + step[now], 1.0)
            found, good, flat = self._step(line[now], order.of(now), reached[now], ends)
            done = now[good]
            order.directions[done], order.k[done] = found.directions[good], found.k[good]
            reached[done] = ends[good]
            step[done] *= np.where(grows[done], 2.0, 1.0)  # near an end a step that is longer again only fails
            failed = now[~good]
            grows[done], grows[failed] = True, False
            step[failed] = 0.5 * np.minimum(step[failed], 1 - reached[failed])
            lost = failed[step[failed] < SHORTEST]
            status[lost] = ENDED
            active[lost] = False
            # at the very end of the line: neither a minimum nor a saddle
            status[now[flat & (ends == 1.0) & ~active[now]]] = UNDETERMINED
        return Followed(order, reached, status)

    def _step(
        self, line: np.ndarray, order: Order, begin: np.ndarray, end: np.ndarray
    ) -> tuple[Order, np.ndarray, np.ndarray]:
        """Orders at the ends of steps, which of the steps count, and where the curvature at their ends is flat."""
        middle = 0.5 * (begin + end)
        good = np.ones(len(line), bool)
        places, slopes, flat = [order], [], np.zeros(len(line), bool)
        for fraction in (begin, middle, end):
            table = self._table + fraction[:, None] * line
            if slopes:
                found, converged = _newton(self.energy, table, places[-1])
                good &= converged
                places.append(found)
            curvature = self.energy.across_free_turns(table, places[-1])
            flat = np.abs(curvature.lowest) < FLAT
            if slopes:
                good &= curvature.lowest >= FLAT
            change = -curvature.solve(self.energy.gradient(line, places[-1]))
            slopes.append(_vector(self.energy.tangent(places[-1], change)))
            if not good.any():
                return places[-1], good, flat
        vectors = [_vector(one) for one in places]
        for first, last in ((0, 1), (1, 2), (0, 2)):
            length = (end - begin)[:, None] * (0.5 if last - first == 1 else 1.0)
            chord, before, after = vectors[last] - vectors[first], length * slopes[first], length * slopes[last]
            sizes = np.max([np.linalg.norm(x, axis=1) for x in (chord, before, after)], axis=0)
            apart = np.linalg.norm(chord - 0.5 * (before + after), axis=1)
            good &= (apart <= _AGREEMENT * sizes + _UNCHANGED) & (np.abs(chord).max(axis=1) <= LARGEST)
        return places[-1], good, flat

    def error(self, followed: Followed, table: np.ndarray, index: int) -> InstabilityError | None:
        """Why the order of one of the sets of `at` was not found, in words; None where it was."""
        if followed.status[index] == FOLLOWED:
            return None
        if followed.status[index] == UNDETERMINED:
            return self._undetermined(table[index])
        end = self._table[0] + followed.reached[index] * (table[index] - self._table[0])
        changed = [p for p, (a, b) in enumerate(zip(self._table[0], table[index], strict=True)) if a != b]
        at = ", ".join(f"{self.model.parameters[p]}={end[p]:.5g}" for p in changed)
        return InstabilityError(
            f"the magnetic order ends before {self.named(table[index])}",
            f"on the way from {self.named(self._table[0])} a phase boundary is crossed at about {at}: "
            "there it is no minimum any more, or changes at once",
            "choose values within its phase, or start from the order beyond",
        )


def _vector(order: Order) -> np.ndarray:
    """Directions and 2 pi k of orders, or changes of them, side by side, (set, 3 site + 3)."""
    return np.concatenate((order.directions.reshape(len(order.k), -1), 2 * np.pi * order.k), axis=1)


def _newton(energy: OrderEnergy, table: np.ndarray, order: Order) -> tuple[Order, np.ndarray]:
    """The stationary orders next to given ones, and which of them were found."""
    order = Order(*(x.copy() for x in order))
    converged = np.zeros(len(table), bool)
    for _ in range(_STEPS):
        now = np.flatnonzero(~converged)
        if not now.size:
            break
        here = order.of(now)
        change = -energy.across_free_turns(table[now], here).solve(energy.gradient(table[now], here))
        largest = np.abs(change).max(axis=1)
        change *= np.minimum(1.0, LARGEST / np.maximum(largest, 1e-300))[:, None]
        moved = energy.moved_by(here, change)
        order.directions[now], order.k[now] = moved.directions, moved.k
        converged[now[largest < _CONVERGED]] = True
    return order, converged
