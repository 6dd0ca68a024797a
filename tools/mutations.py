"""Do the tests notice? Small faults are put into a copy of the tree, one at a time, and the tests that should fail are run.

    python tools/mutations.py [LIST ...] [--only TEXT ...] [--check] [--jobs N] [--timeout SECONDS] [--at-least SHARE]

LIST is a file of ``tools/mutations/`` by its name without ``.yaml``, or a path; default: all of them. Run by hand, never by the test suite.
The checkout itself is not touched. Whoever changes a line that a list names changes the list too; ``--check`` says which entries no longer
fit, in a second. Exit status: 0, or 1 if less than SHARE per cent (default 95) was noticed, or 2 if something could not be tried.

A list is a YAML sequence of entries, each with exactly these keys:

```yaml
- name: temperature left out                     # unique among all lists: what would be wrong, in a few words
  file: mantid_insdl/networks/prediction.py      # path in the tree
  old: logits / temperature                      # exact text, any number of lines; must occur exactly once in the file
  new: logits                                    # what stands there instead
  tests: [tests/networks/test_prediction.py]     # arguments of pytest: the few files (or file::test) that should notice
```

`old` of several lines is written as a block (``old: |-``) with the file's own indentation; an indicator (``|2-``) says how many spaces YAML
takes away where the first line is itself indented. An entry must change behaviour: a fault that no caller can see is not an entry.

A fault is *noticed* if a test fails or does not end in time, and *survives* if all pass. It could not be tried, which is an error of
the list, if `old` is not there exactly once, the new text is no Python, the tests fail without it, or pytest ends in another way than by
passed and failed tests.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
LISTS = Path(__file__).resolve().parent / "mutations"
NOTICED, SURVIVES, FAILED = "noticed", "SURVIVES", "ERROR"
PYTEST_PASSED, PYTEST_FAILED = 0, 1  # pytest's exit statuses


@dataclass(frozen=True)
class Mutation:
    """One entry of a list; see the head of this file."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def apply(self, root: Path) -> str:
        """The file's text with the fault.

        Raises
        ------
        MutationError
            If the text to be replaced is not there exactly once, or the result is no Python.
        """
        path = root / self.file
        if not path.is_file():
            raise MutationError(f"{self.name}: there is no file {self.file}")
        text = path.read_text(encoding="utf-8")
        if (number := text.count(self.old)) != 1:
            raise MutationError(f"{self.name}: the old text occurs {number} times in {self.file}, not once: {self.old!r}")
        changed = text.replace(self.old, self.new)
        if changed == text:
            raise MutationError(f"{self.name}: old and new text are the same")
        if path.suffix == ".py":
            try:
                compile(changed, self.file, "exec")
            except SyntaxError as error:
                raise MutationError(f"{self.name}: the new text is no Python: {error}") from None
        return changed


class MutationError(Exception):
    """A list is wrong; the message says where."""


@dataclass(frozen=True)
class Result:
    """What became of a mutation."""

    mutation: Mutation
    outcome: str
    detail: str
    seconds: float


def read_lists(names: Sequence[str]) -> list[Mutation]:
    """All mutations of the named lists, or of every list.

    Raises
    ------
    MutationError
        If there is no such list, or one is not of the form described above.
    """
    paths = [Path(n) if n.endswith((".yaml", ".yml")) else LISTS / f"{n}.yaml" for n in names] or sorted(LISTS.glob("*.yaml"))
    keys = {f.name for f in fields(Mutation)}
    mutations: list[Mutation] = []
    for path in paths:
        try:
            entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise MutationError(f"{path}: {error}") from None
        for entry in entries or []:
            if not isinstance(entry, dict) or set(entry) != keys:
                raise MutationError(f"{path}: an entry needs the keys {', '.join(sorted(keys))} and no others: {entry}")
            if not all(isinstance(entry[k], str) for k in keys - {"tests"}) or not isinstance(entry["tests"], list) or not entry["tests"]:
                raise MutationError(
                    f"{path}: name, file, old and new are texts and tests is a list (quote what YAML takes otherwise): {entry}"
                )
            mutations.append(Mutation(**(entry | {"tests": tuple(map(str, entry["tests"]))})))
    twice = {m.name for m in mutations if sum(n.name == m.name for n in mutations) > 1}
    if twice:
        raise MutationError(f"names occur twice: {', '.join(sorted(twice))}")
    return mutations


def copy_tree(source: Path, target: Path) -> Path:
    """A copy of what git tracks or would track; of everything where `source` is no checkout."""
    listing = ["git", "-C", str(source), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listing, capture_output=True, check=False)
    if done.returncode:
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        _link_packages(target)
        return target
    for name in filter(None, done.stdout.decode().split("\0")):
        if (source / name).is_file():  # and not deleted since
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)
    _link_packages(target)
    return target


def _link_packages(tree: Path) -> None:
    """Packages that setup.cfg takes from a folder of another name are found in the tree, before those of an editable installation."""
    settings = configparser.ConfigParser()
    settings.read(tree / "setup.cfg")
    for line in settings.get("options", "package_dir", fallback="").splitlines():
        package, _, folder = (part.strip() for part in line.partition("="))
        place = tree.joinpath(*package.split("."))
        if (tree / folder / "__init__.py").is_file() and place.parent.is_dir() and not place.exists():
            place.symlink_to((tree / folder).resolve())


def run_tests(tree: Path, tests: Sequence[str], timeout: float, stop_at_first: bool = True) -> tuple[int | None, str]:
    """Exit status of pytest in a tree (None: not ended in time) and the end of what it wrote."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=line", *["-x"][: int(stop_at_first)], *tests]
    # No bytecode: it is kept by the second and the size of its source, and two faults in a second can have the same.
    settings = {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            command, cwd=tree, env=os.environ | settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            status: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = None
        finally:  # what a test started may outlive it
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.seek(0)
        return status, log.read()[-8000:]


def try_mutation(mutation: Mutation, tree: Path, timeout: float) -> Result:
    """Put the fault into a tree, run its tests, and put the file back."""
    path, start = tree / mutation.file, time.monotonic()
    original = path.read_bytes()
    try:
        path.write_text(mutation.apply(tree), encoding="utf-8")
        status, output = run_tests(tree, mutation.tests, timeout)
    except MutationError as error:
        return Result(mutation, FAILED, str(error), 0.0)
    finally:
        path.write_bytes(original)
    seconds = time.monotonic() - start
    if status is None:
        return Result(mutation, NOTICED, f"no end within {timeout:g} s", seconds)
    if status == PYTEST_PASSED:
        return Result(mutation, SURVIVES, " ".join(mutation.tests), seconds)
    if status == PYTEST_FAILED:
        first = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
        return Result(mutation, NOTICED, first.group(1) if first else "", seconds)
    return Result(mutation, FAILED, f"pytest ended with status {status}: {output.strip().splitlines()[-1:]}", seconds)


def require_sound_tests(mutations: Sequence[Mutation], tree: Path, timeout: float) -> None:
    """Raise `MutationError` where the tests fail without any fault."""
    tests = sorted({t for m in mutations for t in m.tests})
    tests = [t for t in tests if t.split("::")[0] == t or t.split("::")[0] not in tests]  # a test of a file that is run anyway
    status, output = run_tests(tree, tests, timeout * max(1, len(tests)), stop_at_first=False)
    if status != PYTEST_PASSED:
        raise MutationError(f"the tests do not pass without any fault (pytest status {status}):\n{output}")


def run(mutations: Sequence[Mutation], root: Path, jobs: int = 1, timeout: float = 300.0) -> list[Result]:
    """Try all, in as many copies of the tree as there are jobs; each result is printed as it comes."""
    results = []
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder, ThreadPoolExecutor(jobs) as pool:
        trees: queue.Queue[Path] = queue.Queue()
        for number in range(jobs):
            trees.put(copy_tree(root, Path(folder) / f"tree-{number}"))
        require_sound_tests(mutations, trees.queue[0], timeout)

        def one(mutation: Mutation) -> Result:
            tree = trees.get()
            try:
                return try_mutation(mutation, tree, timeout)
            finally:
                trees.put(tree)

        for future in as_completed([pool.submit(one, m) for m in mutations]):
            results.append(result := future.result())
            print(f"{result.outcome:8}  {result.seconds:4.0f} s  {result.mutation.name}  [{result.detail}]", flush=True)
    return results


def share_noticed(results: Sequence[Result]) -> float:
    """Per cent of those that could be tried."""
    tried = [r for r in results if r.outcome != FAILED]
    return 100 * sum(r.outcome == NOTICED for r in tried) / len(tried) if tried else 0.0


def summary(results: Sequence[Result]) -> str:
    """Table of what survives and of what could not be tried, and the share noticed."""
    lines = []
    for outcome in (SURVIVES, FAILED):
        chosen = [r for r in results if r.outcome == outcome]
        lines += [f"{r.outcome:8}  {r.mutation.name:60}  {r.mutation.file}  {r.detail}" for r in chosen]
    noticed = sum(r.outcome == NOTICED for r in results)
    return "\n".join([*lines, f"{noticed} of {len(results)} noticed ({share_noticed(results):.0f} % of those tried)"])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", nargs="*", metavar="LIST")
    parser.add_argument("--only", nargs="+", default=[], metavar="TEXT", help="only entries whose name or file holds one of these texts")
    parser.add_argument("--check", action="store_true", help="only look whether every entry fits the tree")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time, each in a copy of the tree")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for the tests of one entry")
    parser.add_argument("--at-least", type=float, default=95.0, metavar="SHARE", help="per cent that must be noticed")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree; default: the one that this script is in")
    chosen = parser.parse_args(arguments)
    try:
        mutations = [m for m in read_lists(chosen.lists) if not chosen.only or any(t in m.name or t in m.file for t in chosen.only)]
        if not mutations:
            raise MutationError("no entry is chosen")
        wrong = []
        for mutation in mutations:
            try:
                mutation.apply(chosen.root)
            except MutationError as error:
                wrong.append(str(error))
        if wrong:
            raise MutationError("\n".join(wrong))
        if chosen.check:
            print(f"{len(mutations)} entries fit")
            return 0
        results = run(mutations, chosen.root, chosen.jobs, chosen.timeout)
    except MutationError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"\n{summary(results)}")
    if any(r.outcome == FAILED for r in results):
        return 2
    return 0 if share_noticed(results) >= chosen.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
