"""Whether Workbench runs: it writes its properties file at its exit and would drop what was added in the meantime."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

_NAMES = {"workbench", "mantidworkbench"}


def running() -> list[int]:
    """The process numbers of this user's Workbenches."""
    return [number for number, words in _processes() if is_workbench(words)]


def is_workbench(words: Sequence[str]) -> bool:
    """Whether a command line is Workbench's: its launcher, or a Python that runs it as a script or a module."""
    if not words:
        return False
    names = [_name(word) for word in words[:3]]
    if names[0] in _NAMES:
        return True
    if not re.fullmatch(r"(mantid)?pythonw?[\d.]*", names[0]):
        return False
    for option, word in pairwise(words):
        if option == "-m":
            return word.split(".")[0] == "workbench"
    script = next((word for word in words[1:] if not word.startswith("-")), "")
    return _name(script) in _NAMES


def _name(word: str) -> str:
    return re.split(r"[/\\]", word)[-1].lower().removesuffix(".exe").removesuffix("-script.pyw")


def _processes() -> Iterable[tuple[int, Sequence[str]]]:
    if Path("/proc/self/cmdline").exists():
        return _from_proc(Path("/proc"))
    if sys.platform == "win32":
        return _from_listing(["wmic", "process", "get", "ProcessId,CommandLine"], number_last=True)
    return _from_listing(["ps", "-x", "-o", "pid=,args="], number_last=False)


def _from_proc(folder: Path) -> Iterator[tuple[int, Sequence[str]]]:
    for process in folder.iterdir():
        if not process.name.isdigit():
            continue
        try:
            if process.stat().st_uid == os.getuid():
                words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                yield int(process.name), [word for word in words if word]
        except OSError:  # it has ended
            continue


def _from_listing(command: Sequence[str], *, number_last: bool) -> Iterator[tuple[int, Sequence[str]]]:
    """Of a program that lists processes; nothing where there is no such program: then nothing is known."""
    try:
        text = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return
    for line in text.splitlines():
        match = re.fullmatch(r"(.*?)\s+(\d+)" if number_last else r"(\d+)\s+(.*)", line.strip())
        if match:
            number, words = (match[2], match[1]) if number_last else match.groups()
            yield int(number), words.replace('"', "").split()
