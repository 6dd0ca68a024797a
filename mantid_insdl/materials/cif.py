"""Crystal and magnetic structures from CIF files: cell, operations, atoms, moments.

Magnetic CIF files list the operations of the magnetic group in its own (magnetic) cell, each with time reversal or not, and the moments in
components along the unit vectors of that cell (International Union of Crystallography, magnetic CIF dictionary).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave.lattice import Lattice
from mantid_insdl.spinwave.symmetry import SAME_PLACE, Symmetry, linear_map, read_operations, require_gemmi, space_group
from mantid_insdl.untrusted.reading import Origin, read_bytes

if TYPE_CHECKING:
    import gemmi


@dataclass(frozen=True, eq=False)
class Atom:
    """An atom of the asymmetric unit.

    Parameters
    ----------
    position : (3,)
        Fractional.
    symbol
        Its element, with a charge where the file tells, as ``Mn3+``; empty where the file does not tell.
    moment : (3,) or None
        Cartesian, in Bohr magnetons.
    occupancy
        Part of the sites that it occupies.
    """

    position: np.ndarray
    symbol: str
    moment: np.ndarray | None
    occupancy: float = 1.0


@dataclass(frozen=True, eq=False)
class CifCrystal:
    """What a CIF file tells: the cell, the operations, and the atoms by their labels; several positions may share a label."""

    lattice: Lattice
    symmetry: Symmetry
    atoms: dict[str, tuple[Atom, ...]]
    formula: str = ""
    source: str = ""
    """Where the structure was published, as far as the file tells."""
    parent: np.ndarray | None = None
    """Of a magnetic CIF file that tells it: the vectors of the cell in terms of those of the paramagnetic one, (3, 3), as rows."""

    def sharing(self, atom: Atom) -> dict[str, Atom]:
        """The other atoms at the place of an atom, by their labels: symmetry takes them there, or the file lists them there."""
        found = {}
        for label, others in self.atoms.items():
            for other in others:
                apart = self.symmetry.rotations @ other.position + self.symmetry.translations - atom.position
                if other is not atom and (np.linalg.norm((apart - np.rint(apart)) @ self.lattice.vectors, axis=1) < SAME_PLACE).any():
                    found[label] = other
        return found


LARGEST_FILE = 30_000_000
"""Bytes of a CIF file, which may hold the reflections of the refinement as well."""

MOST_ROWS = 1000
"""Operations or atoms of a CIF file: 192 operations in a cell, and five such cells in a magnetic one."""

_OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
_NAMES = ("_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m", "_space_group_it_number", "_symmetry_int_tables_number")
_FORMULA = ("_chemical_formula_structural", "_chemical_formula_sum", "_chemical_name_common")
_PUBLISHED = (
    ("_citation_journal_abbrev", "_journal_name_full", "_citation_journal_full"),
    ("_citation_journal_volume", "_journal_volume"),
    ("_citation_page_first", "_journal_page_first", "_citation_article_id"),
    ("_citation_year", "_journal_year"),
    ("_citation_doi", "_journal_paper_doi"),
)
_FROM_PARENT = ("_parent_space_group_child_transform_pp_abc", "_magnetic_space_group_transform_from_parent_pp_abc")
_READ = ("_atom_site_", "_cell_", "_space_group_", "_symmetry_")
_CELL = [f"_cell_{x}" for x in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")]


def read_cif(path: str | Path) -> CifCrystal:
    """Read a CIF file, magnetic or not; of several data blocks the first with a cell.

    Raises
    ------
    MaterialError
        If it cannot be read, lacks cell, operations or positions, or describes a modulated structure.
    """
    origin = Origin(f"the CIF file '{path}'", MaterialError)
    try:
        document = _document(_text(read_bytes(path, origin, LARGEST_FILE)))
    except FileNotFoundError:
        raise origin.refused("there is no such file", "check the path") from None
    except (ValueError, RuntimeError) as error:
        raise origin.refused(re.sub(r"^string:(\d+)(:\d+\(\d+\))?", r"line \1", str(error).partition("\n")[0])) from None
    tables = [_Tables(block, path) for block in document]
    found = next((one for one in tables if one.number("_cell_length_a") is not None), None)
    if found is None:
        raise MaterialError(f"the CIF file '{path}' holds no crystal structure", "it gives no _cell_length_a")
    if found.column("_cell_wave_vector_seq_id", "_cell_wave_vector_x", "_atom_site_moment_fourier_atom_site_label"):
        raise MaterialError(
            f"the CIF file '{path}' describes a modulated structure",
            "its order does not fit its cell",
            "give the order by spiral: {k, axis}",
        )
    numbers = [found.number(tag) for tag in _CELL]
    if None in numbers:
        raise MaterialError(f"the CIF file '{path}' has no {_CELL[numbers.index(None)]}")
    lattice = Lattice(*numbers)
    atoms = _atoms(found, lattice, path)
    return CifCrystal(lattice, _symmetry(found, lattice, path), atoms, found.text(*_FORMULA), _source(found), _parent(found))


def _text(contents: bytes) -> str:
    """The text of a CIF file: the standard asks for ASCII, and what names of authors add to it is UTF-8 or Latin-1."""
    try:
        return contents.decode("utf-8-sig")
    except UnicodeDecodeError:
        return contents.decode("latin-1")


_UNQUOTED = re.compile(r"^([ \t]*_\S+[ \t]+)([^'\"#;_\s][^'\"#\n]*[ \t][^'\"#\s]+)[ \t]*$", re.MULTILINE)


def _document(text: str) -> gemmi.cif.Document:
    """The data blocks of a text; where it is no CIF, with quotes round values of several words (McPhase writes P b n 21 without)."""
    gemmi = require_gemmi()
    try:
        return gemmi.cif.read_string(text, check_level=0)
    except (ValueError, RuntimeError):
        try:
            return gemmi.cif.read_string(_UNQUOTED.sub(r"\1'\2'", text), check_level=0)
        except (ValueError, RuntimeError):
            pass
        raise


class _Tables:
    """The columns of a data block by their tags; dots of the newer dictionaries count as underscores."""

    def __init__(self, block: gemmi.cif.Block, path: str | Path):
        gemmi = require_gemmi()
        self._path = path
        self._columns: dict[str, list[str]] = {}
        self._differing: set[str] = set()
        for item in block:
            columns = {}
            if item.pair is not None:
                columns = {item.pair[0]: [item.pair[1]]}
            elif item.loop is not None and item.loop.length() > MOST_ROWS:
                self._refuse_if_read(item.loop.tags, item.loop.length())
            elif item.loop is not None:
                columns = {tag: [item.loop[row, index] for row in range(item.loop.length())] for index, tag in enumerate(item.loop.tags)}
            for tag, raw in columns.items():
                name, values = tag.lower().replace(".", "_"), [gemmi.cif.as_string(value) for value in raw]
                if self._columns.setdefault(name, values) != values:
                    self._differing.add(name)

    def _refuse_if_read(self, tags: list[str], rows: int) -> None:
        """A long table is passed over where it is none of those that are read, such as reflections."""
        read = [tag for tag in tags if tag.lower().replace(".", "_").startswith(_READ)]
        if read:
            raise MaterialError(
                f"the CIF file '{self._path}' has {rows} rows of {read[0]}", f"at most {MOST_ROWS} are read", "leave some out"
            )

    def column(self, *tags: str) -> list[str]:
        """Values of the first tag that is there, or none."""
        for tag in tags:
            if tag in self._differing:
                raise MaterialError(f"the CIF file '{self._path}' gives {tag} twice, with different values", fix="leave out the wrong one")
            if tag in self._columns:
                return self._columns[tag]
        return []

    def numbers(self, *tags: str) -> list[float]:
        """The same as numbers, without their standard uncertainties; NaN where unknown."""
        gemmi = require_gemmi()
        return [gemmi.cif.as_number(text) for text in self.column(*tags)]

    def text(self, *tags: str) -> str:
        """The first value of the first tag that has one, in one line; empty where none has."""
        found = (" ".join(values[0].split()) for tag in tags if (values := self._columns.get(tag)))
        return next((text for text in found if text not in ("", "?", ".")), "")

    def number(self, tag: str) -> float | None:
        """A single number, None where it is not given."""
        found = self.numbers(tag)
        return found[0] if found and math.isfinite(found[0]) else None


def _symmetry(tables: _Tables, lattice: Lattice, path: str | Path) -> Symmetry:
    magnetic = tables.column("_space_group_symop_magn_operation_xyz", "_space_group_symop_magn_operation")
    if magnetic:
        name = (*tables.column("_space_group_magn_name_bns", "_space_group_magn_number_bns"), "the magnetic group")[0]
        centrings = tables.column("_space_group_symop_magn_centering_xyz", "_space_group_symop_magn_ssg_centering_xyz") or ["x,y,z,+1"]
        rotations, translations, reversals = _magnetic(magnetic, name)
        turned, moved, flipped = _magnetic(centrings, f"the centring of {name}")
        if len(rotations) * len(turned) > MOST_ROWS:
            raise MaterialError(f"the CIF file '{path}' has {len(rotations) * len(turned)} operations", f"at most {MOST_ROWS} are read")
        # every operation followed by every centring; repetitions are dropped
        return Symmetry.of(
            name,
            np.einsum("cij,ojk->coik", turned, rotations).reshape(-1, 3, 3),
            (np.einsum("cij,oj->coi", turned, translations) + moved[:, None]).reshape(-1, 3),
            np.multiply.outer(flipped, reversals).ravel(),
        )
    if tables.column("_atom_site_moment_label"):
        raise MaterialError(f"the CIF file '{path}' has moments and no magnetic symmetry operations", fix="list them in the file")
    name = next((text[0] for text in (tables.column(tag) for tag in _NAMES) if text and text[0] not in ("", "?", ".")), "")
    operations = tables.column(*_OPERATIONS)
    if operations:
        name = name or f"the file '{path}'"
        return Symmetry.of(name, *read_operations(operations, name))
    if not name:
        raise MaterialError(f"the CIF file '{path}' gives no symmetry", "it has neither operations nor a space group", "add one of them")
    return space_group(name, lattice)


def _source(tables: _Tables) -> str:
    journal, *rest = (tables.text(*tags) for tags in _PUBLISHED)
    return ", ".join(part for part in (journal, *rest) if part)


def _parent(tables: _Tables) -> np.ndarray | None:
    """Rows of a transformation such as ``a-b,a+b,2c;0,0,0``."""
    vectors = tables.text(*_FROM_PARENT).partition(";")[0]
    try:
        rows = linear_map(vectors.translate(str.maketrans("abc", "xyz")))[:, :3]
    except (ValueError, ZeroDivisionError):
        return None
    return rows if abs(np.linalg.det(rows)) > 1e-9 else None


def _magnetic(texts: list[str], name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotations, translations and reversals of operations such as ``x,y+1/2,-z,-1``; the last number is time reversal."""
    parts = [text.replace(" ", "").rsplit(",", 1) for text in texts]
    if any(len(part) != 2 or part[1] not in ("1", "+1", "-1") for part in parts):
        raise MaterialError(f"cannot read a magnetic symmetry operation of {name}", "it does not end on +1 or -1", "write it as x,y,-z,-1")
    return (*read_operations([part[0] for part in parts], name), np.array([float(part[1]) for part in parts]))


def _atoms(tables: _Tables, lattice: Lattice, path: str | Path) -> dict[str, tuple[Atom, ...]]:
    labels = tables.column("_atom_site_label")
    columns = [tables.numbers(f"_atom_site_fract_{x}") for x in "xyz"]
    if not labels or any(len(column) != len(labels) for column in columns):
        raise MaterialError(
            f"the CIF file '{path}' gives no positions of atoms", "there is no _atom_site_label with _atom_site_fract_x, y, z"
        )
    symbols = tables.column("_atom_site_type_symbol") or labels
    charges = dict(zip(tables.column("_atom_type_symbol"), tables.numbers("_atom_type_oxidation_number"), strict=False))
    occupancies = np.array(tables.numbers("_atom_site_occupancy") or [1.0] * len(labels))
    moment = _moments(tables, labels, lattice, path)
    found: dict[str, tuple[Atom, ...]] = {}
    for label, *position, symbol, occupancy in zip(labels, *columns, symbols, occupancies, strict=True):
        atom = Atom(
            np.array(position),
            _charged(_symbol(symbol), charges.get(symbol, 0.0)),
            moment.get(label),
            1.0 if math.isnan(occupancy) else float(occupancy),
        )
        found[label] = (*found.get(label, ()), atom)
    return found


def _moments(tables: _Tables, labels: list[str], lattice: Lattice, path: str | Path) -> dict[str, np.ndarray]:
    """Cartesian moments by the labels of their atoms."""
    moments = tables.column("_atom_site_moment_label")
    if not moments:
        return {}
    columns = [tables.numbers(f"_atom_site_moment_crystalaxis_{x}", f"_atom_site_moment_crystalaxis_m{x}") for x in "xyz"]
    if any(len(column) != len(moments) for column in columns):
        raise MaterialError(
            f"the CIF file '{path}' does not give its moments along the axes of the crystal",
            fix="add _atom_site_moment.crystalaxis_x, y, z",
        )
    if set(moments) - set(labels):
        raise MaterialError(
            f"the CIF file '{path}' gives a moment to {', '.join(sorted(set(moments) - set(labels)))}", "there is no such atom"
        )
    repeated = [label for label in dict.fromkeys(moments) if labels.count(label) > 1 or moments.count(label) > 1]
    if repeated:
        raise MaterialError(
            f"the CIF file '{path}' gives a moment to {', '.join(repeated)}", "the label is repeated", "give each atom its own label"
        )
    units = lattice.vectors / np.linalg.norm(lattice.vectors, axis=1)[:, None]
    return {label: one @ units for label, one in zip(moments, np.array(columns).T, strict=True)}


def _symbol(text: str) -> str:
    """Element and charge, if any, out of a type symbol such as ``Mn3+``, ``MN+3`` or a label such as ``Mn1``; empty where it is none."""
    gemmi = require_gemmi()
    match = re.match(r"([A-Za-z]{1,2})(?:(\d+)([+-])|([+-])(\d+))?", text)
    if match is None:
        return ""
    for letters in (match[1], match[1][:1]):
        element = gemmi.Element(letters)
        if element.atomic_number:
            charge = (match[2] or match[5] or "") + (match[3] or match[4] or "")
            return element.name + (charge if len(letters) == len(match[1]) else "")
    return ""


def _charged(symbol: str, charge: float) -> str:
    """An element with its charge, where the symbol has none and the charge is a whole number."""
    if not symbol.isalpha() or not math.isfinite(charge) or charge == 0 or charge != round(charge):
        return symbol
    return f"{symbol}{abs(round(charge))}{'+' if charge > 0 else '-'}"
