"""Measured maps as `insdl analyse` and others read them: which files, Ei and slices; and what the trained models can answer for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mantid_insdl import errors
from mantid_insdl.cli.options import OptionError, check_ei

if TYPE_CHECKING:
    from mantid_insdl.maps import Map

#: For the help, which must not read the models' cards; a test holds it to them.
ANSWERS_FOR = "pcsmo (pcsmo-dimer, pcsmo-goodenough, pcsmo-zener), rb2mnf4"


def check_material(name: str) -> None:
    """Refuse a name that no trained model can answer for: neither a family of one, nor a material that it tells or fits.

    Raises
    ------
    MaterialError
        The name is no material's.
    BundleError
        There is such a material, but no model for it; or all models are damaged.
    """
    from mantid_insdl.materials import load_material, material_names

    known = answers_for()
    if name in known or any(name in materials for materials in known.values()):
        return
    listed = "insdl analyse can answer for " + describe(known)
    if name in material_names() or any(load_material(one).family == name for one in material_names()):
        raise errors.BundleError(
            f"no trained model knows {name} yet", listed, "name one of these, or train a model with `insdl train RECIPE`"
        )
    raise errors.MaterialError(f"there is no material '{name}'", listed, "name one of these with --material")


def answers_for() -> dict[str, tuple[str, ...]]:
    """Families that trained models can answer for, and of each the materials that they tell apart or fit."""
    from mantid_insdl.networks.bundles import bundle_names, find_bundle, read_card

    found: dict[str, set[str]] = {}
    damage = None
    for name in bundle_names():
        try:
            card = read_card(find_bundle(name))
        except errors.BundleError as error:
            damage = damage or error
        else:
            found.setdefault(card.family, set()).update(card.materials)
    if not found and damage is not None:
        raise damage
    return {family: tuple(sorted(materials - {family})) for family, materials in sorted(found.items())}


def describe(known: dict[str, tuple[str, ...]]) -> str:
    """Families with their materials in words: ``pcsmo (pcsmo-dimer, pcsmo-goodenough, pcsmo-zener), rb2mnf4``."""
    return ", ".join(family + (f" ({', '.join(materials)})" if materials else "") for family, materials in known.items())


def check_ei_of_files(ei: Sequence[float] | None, files: Sequence[Path]) -> None:
    """Refuse incident energies that make no sense, or that are neither one for all files nor one for each."""
    check_ei(ei)
    if ei is not None and len(ei) not in {1, len(files)}:
        raise OptionError(f"--ei is given {len(ei)} times for {len(files)} files", "it counts for all files or for one each", "correct it")


def read_measured(files: Sequence[Path], *, ei: Sequence[float] | None, material: str | None, mask: Path | None, select: str | None) -> Map:
    """The map of one or more files, with the slices that --select names; Ei as `check_ei_of_files` lets it pass."""
    from mantid_insdl import files as reading
    from mantid_insdl.maps import stack

    if ei is None or len(ei) == 1:
        m = reading.load(files, ei=None if ei is None else ei[0], material=material, mask=mask)
    else:
        m = stack(reading.load(file, ei=one, material=material, mask=mask) for file, one in zip(files, ei, strict=True))
    return select_slices(m, select)


def select_slices(m: Map, text: str | None) -> Map:
    """The slices that --select names, by their numbers in the map from 1, as Mantid numbers the members of a group: ``1-10,15``."""
    if text is None:
        return m
    if m.slices is None:
        raise OptionError("--select is for constant-energy slices", f"this is a {m.kind} map", "leave it out")
    total = m.slices.size
    numbers: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if not match:
            raise OptionError(
                f"--select '{text}' is not understood", "it is numbers of slices and ranges of them", "write --select 1-10,15"
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= total:
            raise OptionError(
                f"--select '{text}' names slices that are not there", f"the map has {_slices_in_words(m)}", "name some of these"
            )
        numbers |= set(range(first, last + 1))
    chosen = sorted(numbers)
    return m.select([number - 1 for number in chosen]).replace(note=f"only the slices {text} of {total} are used (--select)")


def _slices_in_words(m: Map) -> str:
    """``1 to 10 (Ei 25 meV, 2.5 to 17.5 meV), 11 to 20 (...)``: the runs of slices of one incident energy."""
    parts, start = [], 0
    slices = m.require_slices()
    ei = slices.ei
    for i in range(1, ei.size + 1):
        if i == ei.size or not (ei[i] == ei[start] or ei[i] != ei[i]):
            low, high = slices.energy_min[start:i].min(), slices.energy_max[start:i].max()
            about = f"Ei {ei[start]:g} meV, " if ei[start] == ei[start] else ""
            parts.append((f"{start + 1} to {i}" if i > start + 1 else f"{i}") + f" ({about}{low:g} to {high:g} meV)")
            start = i
    return ", ".join(parts)
