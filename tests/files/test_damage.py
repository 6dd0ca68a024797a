"""A few of the random damages of tools/damage.py: this package's own errors only, no crash, no hang."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

TOOL = Path(__file__).parents[2] / "tools" / "damage.py"
FEW = 12


@pytest.fixture(scope="module")
def damage():
    spec = importlib.util.spec_from_file_location("damage", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["damage"] = module  # the process that reads finds its functions there
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOOL.parent))
        yield module
    del sys.modules["damage"]


@pytest.fixture(scope="module")
def reader(damage):
    with damage.Watched() as process:
        yield process


KINDS = (
    "processed NeXus",
    "NXSPE",
    "MDHisto",
    "npz",
    "npz of this package",
    "card",
    "network",
    "card, sealed again",
    "configuration of a network, sealed again",
    "weights of a network, sealed again",
    "material",
    "CIF",
    "recipe",
    "configuration",
)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(damage, reader, kind):
    outcomes, faults, _ = damage.run(kind, FEW, 17, reader)
    assert faults == []
    assert outcomes["refused"] > 0
    assert sum(outcomes.values()) == FEW


def test_every_kind_of_damage_is_done(damage):
    whole = bytes(range(256)) * 4
    results = [damage.damaged(whole, np.random.default_rng(seed)) for seed in range(40)]
    assert all(result != whole for result in results)
    assert {len(result) < len(whole) for result in results} == {True, False}
    assert any(whole.startswith(result) for result in results)


def _raise(path):
    raise KeyError(path)


def _die(path):
    os._exit(3)


def _sleep(path):
    time.sleep(60)


@pytest.mark.parametrize(("read", "outcome", "seconds"), [(_raise, "other exception", 60.0), (_die, "crash", 60.0), (_sleep, "hang", 1.0)])
def test_the_tool_sees_faults(damage, read, outcome, seconds):
    with damage.Watched(seconds) as process:
        for _ in range(2):  # the second time in a new process, where the first has ended
            assert process.read(read, Path("none"))[0] == outcome
