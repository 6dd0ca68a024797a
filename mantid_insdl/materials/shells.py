"""Shells of neighbours: distances between magnetic sites by number, and by letter the bonds that symmetry tells apart at one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np

from mantid_insdl.materials.crystal import Crystal
from mantid_insdl.materials.schema import SpecError
from mantid_insdl.spinwave.model import SpinModel
from mantid_insdl.spinwave.symmetry import SAME_PLACE, Ends, reversed_ends

SAME_DISTANCE = 0.005
"""Lengths in angstrom that differ by less from one to the next are of one shell."""


def shells(bare: SpinModel, number: int) -> list[tuple[float, float]]:
    """The shortest distances between sites in angstrom, each with the tolerance that takes in all of its shell.

    Parameters
    ----------
    bare
        The sites of the cell.
    number
        How many shells; the first has the shortest bonds.
    """
    vectors, positions = bare.lattice.vectors, np.array([s.position for s in bare.sites])
    reach = float(np.linalg.norm(vectors, axis=1).min())
    while True:
        count = np.ceil(reach * np.linalg.norm(bare.lattice.reciprocal, axis=1) / (2 * np.pi)).astype(int) + 1
        cells = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in count), indexing="ij"), -1).reshape(-1, 3)
        apart = (positions[:, None, None] - positions[None, :, None] + cells) @ vectors
        lengths = np.sort(np.linalg.norm(apart, axis=-1).ravel())
        lengths = lengths[(lengths > SAME_PLACE) & (lengths <= reach)]
        found = np.split(lengths, np.flatnonzero(np.diff(lengths) > SAME_DISTANCE) + 1)
        if len(found) > number:  # the last may go on beyond the reach
            return [(float(one[0] + one[-1]) / 2, float(one[-1] - one[0]) / 2 + SAME_DISTANCE / 2) for one in found[:number]]
        reach *= 1.5


def bond_length(crystal: Crystal, ends: Ends) -> float:
    """In angstrom."""
    i, j, cell = ends
    return float(np.linalg.norm((crystal.sites[j].position + np.array(cell) - crystal.sites[i].position) @ crystal.lattice.vectors))


def kinds(crystal: Crystal, bonds: Sequence[Ends]) -> list[list[Ends]]:
    """Bonds in groups of those that symmetry takes into one another; without a space group one group.

    Groups are in the order of their first bonds, and bonds in that of their first ends, then of their second ends (as the sites of the
    cell), then of the cell of the second end: the nearest first, and of these the one with the larger h, then k, then l.
    """

    def place(ends: Ends) -> tuple:
        i, j, cell = ends
        return i, j, sum(abs(n) for n in cell), [-n for n in cell]

    groups: list[tuple[set[Ends], list[Ends]]] = []
    for ends in sorted(bonds, key=place):
        for orbit, group in groups:
            if crystal.equivalents is None or ends in orbit or reversed_ends(ends) in orbit:
                group.append(ends)
                break
        else:
            orbit = set() if crystal.equivalents is None else {image for image, _ in crystal.equivalents.orbit(ends)}
            groups.append((orbit, [ends]))
    return [group for _, group in groups]


@dataclass(frozen=True)
class Kind:
    """Bonds that symmetry takes into one another, or without a space group all of one length.

    Parameters
    ----------
    name
        As `shell` of a material file names them: ``5a``; without a space group ``5``.
    length
        In angstrom.
    bonds
        Of the cell, each once. The first stands for all.
    """

    name: str
    length: float
    bonds: list[Ends]


def kinds_within(crystal: Crystal, reach: float, *, more: int = 0) -> list[Kind]:
    """The kinds of bonds up to a length in angstrom, and of so many shells more, the shortest first."""
    bare = SpinModel(crystal.lattice, crystal.sites)
    number = 8
    while shells(bare, number)[-1][0] <= reach:
        number *= 2
    inside = sum(length - tolerance <= reach for length, tolerance in shells(bare, number))
    found = []
    for shell, (length, tolerance) in enumerate(shells(bare, inside + more) if inside + more else [], start=1):
        for index, bonds in enumerate(kinds(crystal, bare.neighbours(length, tolerance))):
            name = f"{shell}" if crystal.equivalents is None else kind_name(shell, index)
            found.append(Kind(name, bond_length(crystal, bonds[0]), bonds))
    return found


def named_kind(crystal: Crystal, name: str) -> list[Ends]:
    """Bonds of one kind by its name, such as ``5a``.

    Raises
    ------
    SpecError
        If there is no space group, or the shell has no such kind.
    """
    number = int(name.rstrip(ascii_lowercase))
    if crystal.equivalents is None:
        raise SpecError(
            f"shell {name} names one kind of bonds, but the magnet has no space group that tells bonds apart",
            f"add space_group or cif, or give shell: {number}",
        )
    bare = SpinModel(crystal.lattice, crystal.sites)
    found = {kind_name(number, index): bonds for index, bonds in enumerate(kinds(crystal, bare.neighbours(*shells(bare, number)[-1])))}
    if name not in found:
        raise SpecError(f"there is no shell {name}: shell {number} has {', '.join(found)}", "name one of these; insdl material lists them")
    return found[name]


def kind_name(shell: int, index: int) -> str:
    """The name of the kind of bonds with an index (from 0) in a shell: ``5a`` to ``5z``, then ``5aa``."""
    first, second = divmod(index, 26)
    return f"{shell}{ascii_lowercase[first - 1] if first else ''}{ascii_lowercase[second]}"
