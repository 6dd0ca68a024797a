"""Captions and units as people and Mantid write them, and the incident energy among logs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mantid_insdl.errors import UnitError
from mantid_insdl.files.workspace_layout import (
    AxisData,
    WorkspaceData,
    direction_of,
    from_map,
    incident_energy,
    intensity_unit,
    name_of,
    to_map,
    unit_of,
)
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU


@pytest.mark.parametrize(
    ("caption", "direction"),
    [
        ("[H,0,0]", (1, 0, 0)),
        ("[0,K,0]", (0, 1, 0)),
        ("[0,0,L]", (0, 0, 1)),
        ("[H,H,0]", (1, 1, 0)),
        ("[-H,H,0]", (-1, 1, 0)),
        ("(0.5H 0 -2H)", (0.5, 0, -2)),
        ("[2*K,0.0,0]", (2, 0, 0)),
        ("[H,K,0]", None),
        ("[0.5,K,0]", None),
        ("[0,0,0]", None),
        ("[H,0]", None),
        ("[.,0,0]", None),
        ("[+,0,0]", None),
        ("Qh", None),
    ],
)
def test_directions(caption, direction):
    assert direction_of(caption) == direction


@pytest.mark.parametrize(
    ("caption", "name"),
    [
        ("Qh", "qh"),
        ("[0,K,0] (r.l.u.)", "qk"),
        ("|Q|", "q"),
        ("Momentum transfer", "q"),
        ("DeltaE", "energy"),
        ("Energy transfer (meV)", "energy"),
        ("[H,H,0]", "path"),
        ("temperature", ""),
        ("", ""),
    ],
)
def test_names(caption, name):
    assert name_of(caption) == name


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("r.l.u.", RLU),
        ("RLU", RLU),
        ("A^-1", PER_ANGSTROM),
        ("Angstrom^-1", PER_ANGSTROM),
        ("1 / Angstrom", PER_ANGSTROM),
        ("Å⁻¹", PER_ANGSTROM),
        ("meV", MEV),
        ("eV", ""),
        ("", ""),
    ],
)
def test_units(text, unit):
    assert unit_of(text) == unit


@given(st.text(alphabet="[]()HKLhkl0123456789.,+-* aQE|^/_", max_size=12))
def test_any_caption_is_named_or_not_without_an_error(text):
    direction = direction_of(text)
    names = {None: name_of(text), (1.0, 0.0, 0.0): "qh", (0.0, 1.0, 0.0): "qk"}
    assert name_of(text) == names.get(direction, "path")
    assert direction is None or (len(direction) == 3 and any(direction))


@given(st.lists(st.integers(-3, 3), min_size=3, max_size=3).filter(any), st.sampled_from("HKLhkl"), st.sampled_from(["[{}]", "({})"]))
def test_any_direction_is_read_back(numbers, letter, brackets):
    parts = [{0: "0", 1: letter, -1: f"-{letter}"}.get(n, f"{n}{letter}") for n in numbers]
    for text in (brackets.format(", ".join(parts)), brackets.format(" ".join(parts))):
        assert direction_of(text) == tuple(numbers)


@pytest.mark.parametrize(
    ("label", "unit"),
    [
        ("Intensity (mb/sr/meV)", "mb/sr/meV"),
        ("Intensity", "arb. units"),
        ("", "arb. units"),
        ("Intensity ()", "arb. units"),
        ("Counts", "Counts"),
    ],
)
def test_intensity_units(label, unit):
    assert intensity_unit(label) == unit


class TestIncidentEnergy:
    def test_the_best_log_wins(self):
        logs = {"EnergyRequest": (60.0, "meV"), "Efix": (51.0, ""), "Ei": (50.0, "meV")}
        assert incident_energy(logs, None) == (50.0, "")

    @pytest.mark.parametrize("value", ["unknown", np.nan, np.array([]), 0.0, -1.0])
    def test_a_log_that_says_nothing_is_passed_over(self, value):
        assert incident_energy({"Ei": (value, ""), "Efix": (51.0, "meV")}, None)[0] == 51.0

    def test_text_with_a_number_counts(self):
        assert incident_energy({"Ei": ("50.5", "meV")}, None)[0] == 50.5

    def test_nothing_known(self):
        assert incident_energy({}, None) == (None, "")

    def test_another_unit_is_refused(self):
        with pytest.raises(UnitError, match=r"Ei.*'K'"):
            incident_energy({"Ei": (500.0, "K")}, None)


@pytest.mark.parametrize("fixture", ["slices_map", "powder_map", "cut_map"])
def test_a_workspace_transposed_and_turned_is_the_same_map(fixture, request):
    """What a Mantid algorithm may do to a workspace (Transpose, an axis that falls) does not change the map."""
    m = request.getfixturevalue(fixture)
    sheet = from_map(m)[0]
    turned = WorkspaceData(
        intensity=sheet.intensity[::-1].T,
        x=AxisData(sheet.vertical.unit, sheet.vertical.values[::-1], sheet.vertical.caption, sheet.vertical.label),
        vertical=sheet.x,
        error=None if sheet.error is None else sheet.error[::-1].T,
        logs=sheet.logs,
    )
    a, b = to_map(sheet), to_map(turned)
    a.require_same_axes(b)
    assert a.corners == b.corners
    np.testing.assert_array_equal(a.intensity, b.intensity)
    if a.error is not None:
        np.testing.assert_array_equal(a.error, b.error)


def test_a_separate_mask_is_turned_with_the_data():
    mask = np.zeros((2, 3), bool)
    mask[0, 0] = mask[1, 1] = True
    m = to_map(
        WorkspaceData(
            np.ones((2, 3)),
            x=AxisData("MomentumTransfer", np.array([3.0, 2.0, 1.0])),
            vertical=AxisData("DeltaE", np.array([0.0, 1.0])),
            mask=mask,
        )
    )
    np.testing.assert_array_equal(m.mask, [[False, False], [False, True], [True, False]])
