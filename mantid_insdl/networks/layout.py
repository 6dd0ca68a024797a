"""Which slices of a map a network is given, and at which places."""

from __future__ import annotations

import numpy as np

from mantid_insdl.errors import UnsuitableMapError
from mantid_insdl.maps import Map, Slices, stack
from mantid_insdl.networks.cards import Card

SAME_EI = 0.02  # relative difference up to which slices are of one incident energy
MARGIN = 0.01  # relative: what an energy may lie beyond the trained ones


def in_groups(m: Map, card: Card, warnings: list[str]) -> tuple[Map, np.ndarray]:
    """The slices for a network that takes any: of each Ei in reach of its training, rising in Ei and energy,
    and the place of each.

    Returns
    -------
    gridded
        Slices combined where an Ei has more than the network has room for.
    places : (slice,)
        Each incident energy has ``card.input.bins`` places.

    Raises
    ------
    UnsuitableMapError
        If the incident energy is not known, or no slice is like those trained on.
    """
    low, high = _pair(card, "ei_range")
    if np.isnan(m.require_slices().ei).any():
        raise UnsuitableMapError(
            "the incident energy is not known",
            f"model '{card.name}' needs it (trained from {low:g} to {high:g} meV)",
            "give Ei (log 'Ei', or --ei)",
        )
    m = _one_value_of_each_ei(m)
    slices = m.require_slices()
    near = (slices.ei >= (1 - MARGIN) * low) & (slices.ei <= (1 + MARGIN) * high)
    inside = near & _windows_inside(slices, card)
    if not near.any():
        given = ", ".join(f"{ei:g}" for ei in slices.unique_ei)
        raise _unlike(card, f"the incident energy is {given} meV", f"{low:g} to {high:g} meV")
    if not inside.any():
        given = f"{slices.energy_min.min():g} to {slices.energy_max.max():g} meV"
        raise _unlike(card, f"the energy window is {given}", _trained_windows(card))
    if not near.all():
        foreign = ", ".join(f"{e:g}" for e in np.unique(slices.ei[~near]))
        warnings.append(
            f"Incident energies {foreign} meV were not used: the model was trained from {low:g} to {high:g} meV."
        )
    if outside := int(np.sum(near & ~inside)):
        warnings.append(f"{outside} energy bins were not used: the model was trained from {_trained_windows(card)}.")
    m = m.select(np.flatnonzero(inside))
    m = _with_room_for_each_ei(m, card.input.groups, warnings)
    m = _with_room_for_each_bin(m, card.input.bins, warnings)
    groups = m.require_slices().groups_by_ei()
    places = np.concatenate([card.input.bins * number + np.arange(group.size) for number, group in enumerate(groups)])
    return m, places


def _unlike(card: Card, what: str, trained: str) -> UnsuitableMapError:
    return UnsuitableMapError(
        what, f"model '{card.name}' was trained from {trained}", "cut other slices, or train a model for these"
    )


def _one_value_of_each_ei(m: Map) -> Map:
    """Slices in the order of Ei and energy; incident energies that differ by a few per cent
    only are of one measurement.
    """
    given = m.require_slices()
    ei = np.sort(given.unique_ei)
    parts = np.split(ei, np.flatnonzero(np.diff(ei) > SAME_EI * ei[:-1]) + 1)
    means = np.array([part.mean() for part in parts])
    one = means[np.argmin(np.abs(given.ei[:, None] - means), axis=1)]
    slices = Slices(one, given.energy_min, given.energy_max)
    return m.replace(slices=slices).select(np.lexsort((slices.energy_min, slices.ei)))


def _windows_inside(slices: Slices, card: Card) -> np.ndarray:
    low, high = _windows(card)
    unit = slices.ei if "energy_fraction" in card.calibration else 1.0
    return (slices.energy_min >= (1 - MARGIN) * low * unit) & (slices.energy_max <= (1 + MARGIN) * high * unit)


def _windows(card: Card) -> tuple[float, float]:
    return _pair(card, "energy_fraction" if "energy_fraction" in card.calibration else "energy_range")


def _pair(card: Card, name: str) -> tuple[float, float]:
    low, high = np.ravel(card.calibration[name]).tolist()
    return low, high


def _trained_windows(card: Card) -> str:
    low, high = _windows(card)
    return f"{low:g} to {high:g} " + ("of Ei" if "energy_fraction" in card.calibration else "meV")


def _with_room_for_each_ei(m: Map, room: int, warnings: list[str]) -> Map:
    slices = m.require_slices()
    groups = slices.groups_by_ei()
    if len(groups) <= room:
        return m
    known = [int((~m.mask[group]).sum()) for group in groups]
    best = np.sort(np.argsort(known, kind="stable")[::-1][:room])
    chosen = np.concatenate([groups[i] for i in best])
    said = ", ".join(f"{slices.ei[groups[i][0]]:g}" for i in best)
    takes = "one incident energy" if room == 1 else f"{room} incident energies"
    warnings.append(f"Only the {chosen.size} slices of Ei {said} meV were used: the model takes {takes}.")
    return m.select(chosen)


def _with_room_for_each_bin(m: Map, room: int, warnings: list[str]) -> Map:
    """Neighbouring bins averaged where an Ei has more than `room`."""
    found = []
    slices = m.require_slices()
    for group in slices.groups_by_ei():
        one = m.select(group)
        if group.size > room:
            parts = np.array_split(np.arange(group.size), room)
            target = Slices(
                np.full(room, slices.ei[group[0]]),
                np.array([slices.energy_min[group[p]].min() for p in parts]),
                np.array([slices.energy_max[group[p]].max() for p in parts]),
            )
            warnings.append(f"The {group.size} slices of Ei {slices.ei[group[0]]:g} meV were combined into {room}.")
            one = one.regrid_slices(target)
        found.append(one)
    return stack(found)
