"""Explanations against the likelihood, and lines between models: known answers."""

from __future__ import annotations

import numpy as np
import pytest

from mantid_insdl.errors import MaterialError
from mantid_insdl.explain.between import both, line_between
from mantid_insdl.explain.physicist import ENOUGH, agreement, where_models_differ
from mantid_insdl.explain.simulated import simulated_as
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.materials import load_material

SLICES = Slices.from_bins([50.0], [np.linspace(5.0, 35.0, 4)])


def picture(values, mask=None):
    axes = tuple(Axis(name, RLU, np.linspace(-1, 1, 10)) for name in ("qh", "qk"))
    return Map(np.where(mask, np.nan, values) if mask is not None else values, axes, slices=SLICES)


def test_agreement_of_known_pictures():
    rng = np.random.default_rng(0)
    one = rng.random((3, 10, 10))
    same = agreement(picture(one), picture(one**4))
    assert same.rank == pytest.approx(1) and same.overlap == 1
    other = agreement(picture(one), picture(rng.random((3, 10, 10))))
    assert abs(other.rank) < 0.15 and other.overlap < 0.25
    assert agreement(picture(one), picture(1 - one)).overlap == 0
    top = np.where(one >= np.sort(one.ravel())[-30], 2.0, rng.random((3, 10, 10)))  # alike in the most important tenth only
    assert agreement(picture(one), picture(top)).overlap == 1


def test_slices_have_their_shares_and_masked_pixels_none():
    mask = np.zeros((3, 10, 10), bool)
    mask[2] = True
    values = np.ones((3, 10, 10))
    values[0] = 3.0
    found = agreement(picture(values, mask), picture(np.ones((3, 10, 10))))
    assert [one.importance for one in found.slices] == pytest.approx([0.75, 0.25, 0])
    assert [one.information for one in found.slices] == pytest.approx([0.5, 0.5, 0])
    assert [one.energy_min for one in found.slices] == [5.0, 15.0, 25.0]


@pytest.mark.tensorflow
def test_the_ends_of_a_line_are_the_two_models(subject):
    goodenough, dimer = load_material("pcsmo-goodenough"), load_material("pcsmo-dimer")
    merged = both(goodenough, dimer)
    first = {f"{name}_1": value for name, value in goodenough.defaults.items()} | {f"{name}_2": 0.0 for name in dimer.defaults}
    second = {f"{name}_1": 0.0 for name in goodenough.defaults} | {f"{name}_2": value for name, value in dimer.defaults.items()}
    for parameters, material in ((first, goodenough), (second, dimer)):
        one = simulated_as(subject, merged, parameters)
        wanted = simulated_as(subject, material, material.defaults)
        assert one == pytest.approx(wanted, abs=0.01 * float(wanted.max()))  # each magnet is interpolated on momenta of its own cell


@pytest.mark.tensorflow
def test_the_network_changes_its_mind_between_the_models(subject):
    ends = [(name, load_material(name).defaults) for name in ("pcsmo-goodenough", "pcsmo-dimer")]
    line = line_between(subject, *ends, steps=9)
    assert line.scores[0] > 0 > line.scores[-1] and 0 < line.turn < 1
    assert line.scores[line.shares < line.turn].min() >= 0
    assert subject.scores(line.nearest[None])[0] == pytest.approx(line.scores[np.searchsorted(line.shares, line.turn)], abs=1e-3)


def test_models_of_other_spins_have_no_line():
    with pytest.raises(MaterialError, match="differ, so that no magnet"):
        both(load_material("pcsmo-goodenough"), load_material("pcsmo-zener"))


@pytest.mark.tensorflow
def test_the_physicist_looks_where_the_models_differ(measured):
    starts = {name: [load_material(name).defaults] for name in ("pcsmo-goodenough", "pcsmo-dimer")}
    found = where_models_differ(measured, tuple(starts), starts)
    assert (found.best, found.rival) == ("pcsmo-goodenough", "pcsmo-dimer")
    assert found.seen_from("pcsmo-zener") == found.seen_from("pcsmo-goodenough") == ("pcsmo-goodenough", "pcsmo-dimer")
    assert found.seen_from("pcsmo-dimer") == ("pcsmo-dimer", "pcsmo-goodenough")
    assert found.total == pytest.approx(np.nansum(np.where(found.where.mask, 0, found.where.intensity))) and found.total > ENOUGH
    found.where.require_same_axes(measured)
    known = found.where.intensity[~found.where.mask]
    assert known.min() >= 0 and known.max() > 20 * np.median(known)
    with pytest.raises(MaterialError, match="no difference"):
        where_models_differ(measured, ("pcsmo-goodenough",))
