"""A few of the random damages of tools/damage.py: this package's own errors only, no crash, no hang."""

from __future__ import annotations

import os
import time
from pathlib import Path

import damage
import numpy as np
import pytest

FEW = 12


@pytest.fixture(scope="module")
def reader():
    with damage.Watched() as process:
        yield process


KINDS = (
    "processed NeXus",
    "NXSPE",
    "MDHisto",
    "processed NeXus, texts of variable length",
    "NXSPE, texts of variable length",
    "MDHisto, texts of variable length",
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
def test_damaged_files(reader, kind):
    outcomes, faults, _ = damage.run(kind, FEW, 17, reader)
    assert faults == []
    assert outcomes["refused"] > 0
    assert sum(outcomes.values()) == FEW


def test_every_kind_of_damage_is_done():
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
def test_the_tool_sees_faults(read, outcome, seconds):
    with damage.Watched(seconds) as process:
        for _ in range(2):  # the second time in a new process, where the first has ended
            assert process.read(read, Path("none"))[0] == outcome
