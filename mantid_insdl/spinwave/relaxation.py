"""Relaxation: the order of lowest classical energy, by descent from given directions and from random ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.order import Order, OrderEnergy


def relax(
    model: SpinModel, parameters: Mapping[str, float], *, starts: int = 20, seed: int = 0
) -> tuple[SpinModel, float]:
    """The model with the directions of lowest classical energy in its own cell.

    Minimises from the given directions and from random ones, and keeps the lowest; of equal energies the first, so that
    a model which is in a ground state stays as it is.

    Parameters
    ----------
    model
        The magnet.
    parameters
        Numbers, in meV (fields in T).
    starts
        Random starts beside the given directions.
    seed
        Of the random starts.

    Returns
    -------
    model, energy
        With the new directions; the energy per cell in meV.
    """
    table = model.parameter_table(parameters)[:1]
    energy = OrderEnergy(model)
    rng = np.random.default_rng(seed)
    given = directions_of(model)
    random = (Order(rng.normal(size=given.directions.shape), given.k) for _ in range(starts))
    lowest, best = lowest_of(energy, table, given, random)
    # the given directions, if they are as good: no spin is turned without need
    here = float(energy.energy(table, given)[0])
    if here <= lowest + _tolerance(lowest):
        lowest, best = here, given
    return with_order(model, best), lowest


def relax_spiral(
    model: SpinModel, parameters: Mapping[str, float], axis: Sequence[float], *, starts: int = 20, seed: int = 0
) -> tuple[SpinModel, np.ndarray, float]:
    """The single-k spiral of lowest classical energy about a given axis: its directions and its wave vector.

    Minimises over both at once, from the given directions at k = 0 and from random directions and wave vectors. Where
    the couplings are isotropic the axis does not matter, as long as the spins may lie at right angles to it.

    Parameters
    ----------
    model
        The magnet in its chemical cell.
    parameters
        Numbers, in meV (fields in T).
    axis : (3,)
        Axis of rotation, Cartesian.
    starts
        Random starts.
    seed
        Of the random starts.

    Returns
    -------
    model, k, energy
        With the new directions (of the cell at the origin); k in r.l.u., components in (-1/2, 1/2], 0 along axes
        without bonds between cells; the energy per cell in meV.

    Raises
    ------
    MaterialError
        See `rotating_frame.turning_model`.
    """
    table = model.parameter_table(parameters)[:1]
    energy = OrderEnergy(model, axis)
    rng = np.random.default_rng(seed)
    given = directions_of(model)
    used = np.isin(np.arange(3), energy.moved)
    wave_vectors = (used * rng.uniform(-0.5, 0.5, (1, 3)) for _ in range(starts))
    random = (Order(rng.normal(size=given.directions.shape), k) for k in wave_vectors)
    lowest, best = lowest_of(energy, table, given, random)
    return with_order(model, best), 0.5 - np.mod(0.5 - best.k[0], 1.0), lowest


def directions_of(model: SpinModel, k: Sequence[float] = (0.0, 0.0, 0.0)) -> Order:
    """The order of a model, with the wave vector of a spiral, as a batch of one."""
    return Order(np.array([[site.direction for site in model.sites]]), np.array([k], float))


def with_order(model: SpinModel, order: Order, index: int = 0) -> SpinModel:
    """The model with the directions of one of a batch of orders."""
    sites = (replace(site, direction=n) for site, n in zip(model.sites, order.directions[index], strict=True))
    return replace(model, sites=tuple(sites))


def lowest_of(energy: OrderEnergy, table: np.ndarray, given: Order, others: Iterable[Order]) -> tuple[float, Order]:
    """The lowest minimum that descent reaches from several orders: the first of those that are equally low."""
    lowest, best = descend(energy, table, given)
    for start in others:
        found, order = descend(energy, table, start)
        if found < lowest - _tolerance(lowest):
            lowest, best = found, order
    return lowest, best


def _tolerance(energy: float) -> float:
    """Difference of two energies that is no difference."""
    return 1e-9 * max(1.0, abs(energy))


def descend(energy: OrderEnergy, table: np.ndarray, start: Order) -> tuple[float, Order]:
    """The minimum that descent reaches from one order (the directions of which need not be normalised),
    and its energy in meV.

    Parameters
    ----------
    energy
        Of the magnet.
    table : (1, parameter)
    start
        A batch of one.
    """
    from scipy.optimize import minimize

    spins = energy.model.spins[:, None]

    def order_of(flat: np.ndarray) -> tuple[Order, np.ndarray]:
        vectors = flat[3:].reshape(-1, 3)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return Order((vectors / length)[None], flat[None, :3] / (2 * np.pi)), length

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        order, length = order_of(flat)
        slopes, unit = energy.slopes(table, order), order.directions[0]
        force = slopes.moments[0] * spins
        sideways = force - np.sum(force * unit, axis=1, keepdims=True) * unit
        by_k = np.zeros(3)
        by_k[energy.moved] = slopes.k[0, energy.moved] / (2 * np.pi)
        return float(energy.energy(table, order)[0]), np.concatenate((by_k, (sideways / length).ravel()))

    order = start
    # twice: lengths drift while directions settle, and a fresh start with unit vectors is better conditioned
    for _ in range(2):
        begin = np.concatenate((2 * np.pi * order.k[0], order.directions[0].ravel()))
        found = minimize(
            cost, begin, jac=True, method="L-BFGS-B", options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-10}
        )
        order, _ = order_of(found.x)
    return float(found.fun), order
