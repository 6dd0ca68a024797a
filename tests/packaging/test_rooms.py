"""The floors of the house: a room imports only from rooms on floors below its own (see FLOORS)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mantid_insdl"

FLOORS = (
    ("_version", "errors", "progress"),
    ("untrusted",),
    ("config", "output", "pages", "parallel"),
    ("maps",),
    ("spinwave",),
    ("materials", "instrument"),
    ("simulation", "files"),
    ("fitting", "networks", "examples"),
    ("training",),
    ("explain",),
    ("analysis", "plotting"),
    ("report",),
    ("runs",),
    ("worker",),
    ("plugin", "postprocessing"),
    ("installation",),
    ("interfaces",),
    ("cli",),
    ("algorithms",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def imported(file: Path) -> set[str]:
    """Modules of the package that a file imports, anywhere in it, without the package's name; "" for the package itself."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            base = (node.module or "").split(".")
            if base[0] == "mantid_insdl":
                inner = ".".join(base[1:])
                found |= {inner} if inner else {name if _is_module(name := alias.name) else "" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {".".join(alias.name.split(".")[1:]) for alias in node.names if alias.name.split(".")[0] == "mantid_insdl"}
    return found


def _is_module(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def room_of(file: Path) -> str:
    inside = file.relative_to(PACKAGE if file.is_relative_to(PACKAGE) else ROOT)
    return inside.parts[0].removesuffix(".py")


FILES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "algorithms").glob("*.py"), *(ROOT / "interfaces").glob("*.py")])
INSIDE = [file for file in FILES if file.parent != PACKAGE or not file.name.startswith("__")]


def test_every_room_has_a_floor():
    assert {room_of(file) for file in INSIDE} - set(FLOOR) == set()


@pytest.mark.parametrize("file", INSIDE, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_room_imports_from_below_only(file):
    mine = room_of(file)
    wrong = [name for name in imported(file) if name and name.split(".")[0] != mine and FLOOR[name.split(".")[0]] >= FLOOR[mine]]
    assert not wrong, f"{mine} is on floor {FLOOR[mine]} and imports {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("room", ["analysis", "worker", "report", "runs", "postprocessing", "plugin", "plotting", "networks"])
def test_nothing_that_answers_imports_training(room):
    files = [file for file in INSIDE if room_of(file) == room]
    assert files
    assert not [file.name for file in files if any(name.split(".")[0] == "training" for name in imported(file))]


def test_no_circles_between_modules():
    modules = {".".join(file.relative_to(PACKAGE).with_suffix("").parts): file for file in PACKAGE.rglob("*.py")}
    uses = {name: _modules_of(file, modules) - {name} for name, file in modules.items()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name in done:
            return
        for other in sorted(uses[name]):
            visit(other, (*path, name))
        done.add(name)

    for name in sorted(modules):
        visit(name, ())


def _modules_of(file: Path, modules: dict[str, Path]) -> set[str]:
    """Modules that a file names in its imports; a room's own `__init__` counts only where it is imported from outside the room."""
    found: set[str] = set()
    mine = file.relative_to(PACKAGE).parts[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mantid_insdl":
            base = ".".join(node.module.split(".")[1:])
            whole = [] if base == mine else [f"{base}.__init__"]
            for alias in node.names:
                inner = f"{base}.{alias.name}".strip(".")
                found |= {one for one in (inner, base, *whole) if one in modules}
    return found
