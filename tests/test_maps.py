"""The map type: what it refuses, and that selecting, stacking and re-gridding keep units, errors and masks."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mantid_insdl import maps
from mantid_insdl.errors import MapError, UnitError
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices, overlap, stack


def slices_map(n=2, rows=3, columns=4, **changes):
    rng = np.random.default_rng(n)
    intensity = rng.normal(5, 1, (n, rows, columns))
    given = {
        "intensity": intensity,
        "axes": (Axis("qh", RLU, np.arange(rows) / 10), Axis("qk", RLU, np.linspace(-1, 1, columns + 1), is_edges=True)),
        "error": np.abs(intensity) / 10,
        "slices": Slices(np.full(n, 50.0), 5.0 + 2 * np.arange(n), 7.0 + 2 * np.arange(n)),
        "material": "pcsmo",
        "provenance": ("made",),
        "logs": {"run_number": ("1", "")},
    }
    return Map(**(given | changes))


def powder_map(**changes):
    intensity = np.random.default_rng(0).normal(5, 1, (6, 8))
    given = {
        "intensity": intensity,
        "axes": (
            Axis("q", PER_ANGSTROM, np.linspace(0.5, 3.5, 7), is_edges=True),
            Axis("energy", MEV, np.linspace(0, 16, 9), is_edges=True),
        ),
        "error": np.full(intensity.shape, 0.5),
        "ei": 30.0,
    }
    return Map(**(given | changes))


class TestAxis:
    def test_points_and_edges_describe_the_same_bins(self):
        edges = Axis("energy", MEV, [0, 1, 2, 3], is_edges=True)
        points = Axis("energy", MEV, [0.5, 1.5, 2.5])
        assert edges.size == points.size == 3
        np.testing.assert_allclose(points.edges, edges.edges)
        np.testing.assert_allclose(points.centres, edges.centres)
        assert edges.matches(points)

    def test_single_point_has_a_bin(self):
        np.testing.assert_array_equal(Axis("q", PER_ANGSTROM, [2.0]).edges, [1.5, 2.5])

    def test_uneven_points_have_edges_half_way(self):
        np.testing.assert_array_equal(Axis("q", PER_ANGSTROM, [0.0, 1.0, 3.0]).edges, [-0.5, 0.5, 2.0, 4.0])

    @pytest.mark.parametrize("values", [[], [1, 1], [2, 1], [0, np.nan], [0, np.inf], [[0, 1]]])
    def test_refuses_values_that_do_not_rise(self, values):
        with pytest.raises(MapError):
            Axis("q", PER_ANGSTROM, values)

    def test_refuses_a_missing_unit(self):
        with pytest.raises(UnitError, match="no unit"):
            Axis("q", "", [1.0, 2.0])

    def test_is_immutable(self):
        with pytest.raises(ValueError, match="read-only"):
            Axis("q", PER_ANGSTROM, [1.0, 2.0]).values[0] = 3

    def test_does_not_match_another_unit_or_shifted_bins(self):
        axis = Axis("qh", RLU, [0.0, 0.1])
        assert not axis.matches(Axis("qh", PER_ANGSTROM, [0.0, 0.1]))
        assert not axis.matches(Axis("qh", RLU, [0.01, 0.11]))
        assert not axis.matches(Axis("qh", RLU, [0.0, 0.1, 0.2]))


class TestSlices:
    def test_from_bins_orders_by_incident_energy(self):
        slices = Slices.from_bins([25, 50], [[1, 2, 3], [4, 8]])
        np.testing.assert_array_equal(slices.ei, [25, 25, 50])
        np.testing.assert_array_equal(slices.energy_min, [1, 2, 4])
        np.testing.assert_array_equal(slices.energy_max, [2, 3, 8])
        assert slices.describe(2) == "Ei 50 meV, 4-8 meV"
        np.testing.assert_array_equal(slices.unique_ei, [25, 50])

    @pytest.mark.parametrize(
        ("ei", "low", "high"),
        [
            ([50], [5], [5]),
            ([50], [5], [4]),
            ([-1], [5], [6]),
            ([0], [5], [6]),
            ([np.inf], [5], [6]),
            ([50], [5], [np.inf]),
            ([50], [np.nan], [6]),
        ],
    )
    def test_refuses_impossible_energies(self, ei, low, high):
        with pytest.raises(MapError):
            Slices(ei, low, high)

    def test_refuses_different_numbers(self):
        with pytest.raises(MapError, match="differ in number"):
            Slices([50, 50], [5], [6])

    def test_unknown_incident_energy_is_allowed_and_equals_itself(self):
        slices = Slices([np.nan], [5], [6])
        assert slices.matches(Slices([np.nan], [5], [6]))
        assert not slices.matches(Slices([50], [5], [6]))
        assert slices.unique_ei.size == 0


class TestMap:
    def test_nan_is_masked_and_masked_is_nan(self):
        m = powder_map()
        intensity = m.intensity.copy()
        intensity[0, 0] = np.nan
        mask = np.zeros(m.shape, bool)
        mask[1, 1] = True
        m = m.replace(intensity=intensity, mask=mask)
        assert m.mask[0, 0]
        assert m.mask[1, 1]
        assert m.mask.sum() == 2
        assert np.array_equal(np.isnan(m.intensity), m.mask)
        assert np.array_equal(np.isnan(m.error), m.mask)

    def test_refuses_infinite_intensity_unless_masked(self):
        intensity = np.ones((6, 8))
        intensity[2, 3] = np.inf
        with pytest.raises(MapError, match="infinite intensities"):
            powder_map(intensity=intensity)
        assert np.isnan(powder_map(intensity=intensity, mask=np.isinf(intensity)).intensity[2, 3])

    @pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf])
    def test_refuses_bad_errors_unless_masked(self, bad):
        error = np.full((6, 8), 0.5)
        error[0, 0] = bad
        with pytest.raises(MapError, match="errors"):
            powder_map(error=error)
        assert powder_map(error=error, mask=~(error == 0.5)).mask[0, 0]

    @pytest.mark.parametrize("name", ["intensity", "error", "mask"])
    def test_refuses_wrong_shapes(self, name):
        with pytest.raises(MapError, match="shape"):
            powder_map(**{name: np.zeros((8, 6))})

    def test_refuses_unknown_axes(self):
        with pytest.raises(MapError, match="no known kind of map"):
            powder_map(axes=tuple(reversed(powder_map().axes)))

    def test_needs_slices_exactly_for_constant_energy_slices(self):
        with pytest.raises(MapError, match="exactly when"):
            slices_map(slices=None)
        with pytest.raises(MapError, match="exactly when"):
            powder_map(slices=Slices([50], [5], [6]))

    @pytest.mark.parametrize("ei", [0.0, -5.0, np.nan, np.inf])
    def test_refuses_an_impossible_incident_energy(self, ei):
        with pytest.raises(MapError, match="incident energy"):
            powder_map(ei=ei)

    def test_path_belongs_to_a_cut_and_has_a_point_for_each(self):
        axes = (Axis("path", RLU, [0.0, 0.1]), Axis("energy", MEV, [1.0, 2.0, 3.0]))
        assert Map(np.ones((2, 3)), axes, path=np.zeros((2, 3))).kind == "cut"
        with pytest.raises(MapError, match="path"):
            Map(np.ones((2, 3)), axes, path=np.zeros((3, 3)))
        with pytest.raises(MapError, match="path"):
            powder_map(path=np.zeros((6, 3)))

    @pytest.mark.parametrize("places", [(0, 2), (-1, 1), (1, 0), (0, 0)])
    def test_corners_are_rising_points_of_a_path(self, places):
        axes = (Axis("path", RLU, [0.0, 0.1]), Axis("energy", MEV, [1.0, 2.0, 3.0]))
        assert Map(np.ones((2, 3)), axes, corners=((0, "G"), (1, "X"))).corners == ((0, "G"), (1, "X"))
        with pytest.raises(MapError, match="corners"):
            Map(np.ones((2, 3)), axes, corners=tuple((place, "") for place in places))
        with pytest.raises(MapError, match="corners"):
            powder_map(corners=((0, "G"),))

    def test_is_immutable(self):
        m = slices_map()
        for array in (m.intensity, m.error, m.mask):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
        with pytest.raises(TypeError):
            m.logs["x"] = (1, "")
        with pytest.raises(AttributeError):
            m.title = "x"

    def test_does_not_share_memory_with_what_it_was_made_from(self):
        intensity = np.ones((6, 8))
        m = powder_map(intensity=intensity)
        intensity[...] = 7
        assert np.all(m.intensity == 1)

    def test_replace_adds_to_the_provenance(self):
        m = slices_map().replace(note="second")
        assert m.provenance == ("made", "second")

    def test_axis_by_name(self):
        assert powder_map().axis("energy").unit == MEV
        with pytest.raises(MapError, match="no axis 'qh'"):
            powder_map().axis("qh")

    def test_with_mask(self):
        m = slices_map()
        image = np.zeros(m.shape[1:], bool)
        image[0, 0] = True
        masked = m.with_mask(image)
        assert masked.mask[:, 0, 0].all()
        assert masked.mask.sum() == 2
        with pytest.raises(MapError, match="mask has shape"):
            m.with_mask(np.zeros((5, 5)))

    def test_select(self):
        m = slices_map(3)
        one = m.select(1)
        assert one.shape == (1, 3, 4)
        assert one.slices.energy_min[0] == 7
        np.testing.assert_array_equal(m.select(np.array([True, False, True])).intensity, m.intensity[[0, 2]])
        np.testing.assert_array_equal(m.select(slice(None, None, 2)).error, m.error[[0, 2]])
        for wrong in (3, [], [0, 9]):
            with pytest.raises(MapError):
                m.select(wrong)
        with pytest.raises(MapError, match="powder"):
            powder_map().select(0)

    def test_scaled(self):
        m = powder_map().scaled(-2)
        np.testing.assert_allclose(m.intensity, -2 * powder_map().intensity)
        assert np.all(m.error == 1.0)
        with pytest.raises(MapError):
            powder_map().scaled(np.nan)

    def test_difference(self):
        a, b = powder_map(), powder_map(error=None)
        mask = np.zeros(a.shape, bool)
        mask[0, 0] = True
        difference = a.with_mask(mask) - b.scaled(0.5)
        assert difference.mask[0, 0]
        np.testing.assert_allclose(difference.intensity[1:], 0.5 * a.intensity[1:])
        np.testing.assert_allclose(difference.error[1:], 0.5)
        np.testing.assert_allclose((a - a).error, 0.5 * np.sqrt(2))
        with pytest.raises(UnitError):
            a - a.replace(intensity_unit="mb/sr/meV")
        with pytest.raises(MapError, match="differs"):
            a - slices_map()

    def test_describes_itself(self):
        assert repr(slices_map()) == "<Map slices: 2 slices x qh 3 x qk 4, 0% masked, arb. units>"
        assert repr(powder_map(warnings=("one", "two", "one"))).endswith("arb. units, 2 warnings>")


class TestArrays:
    @pytest.mark.parametrize(
        "m",
        [
            slices_map(warnings=("a guess",)),
            powder_map(),
            powder_map(error=None, ei=None),
            slices_map(logs={"a": (np.arange(3), "K")}),
            slices_map(logs={"a": ([np.float32(1.5), np.int64(2)], "K")}),
            powder_map(ei=np.float32(50)),
        ],
    )
    def test_round_trip_through_json_and_arrays(self, m):
        head, arrays = m.to_arrays()
        back = Map.from_arrays(json.loads(json.dumps(head)), arrays)
        np.testing.assert_array_equal(back.intensity, m.intensity)
        np.testing.assert_array_equal(back.mask, m.mask)
        assert (back.error is None) == (m.error is None)
        back.require_same_axes(m)
        for name in ("ei", "material", "frame", "title", "provenance", "warnings", "intensity_unit"):
            assert getattr(back, name) == getattr(m, name)
        assert set(back.logs) == set(m.logs)
        assert all(np.array_equal(back.logs[k][0], m.logs[k][0]) and back.logs[k][1] == m.logs[k][1] for k in m.logs)

    def test_path_survives(self):
        axes = (Axis("path", RLU, [0.0, 0.1], label="G-X"), Axis("energy", MEV, [1.0, 2.0, 3.0]))
        m = Map(np.ones((2, 3)), axes, path=[[0, 0, 0], [0.1, 0, 0]], corners=((0, "G"), (1, "")))
        head, arrays = m.to_arrays()
        back = Map.from_arrays(json.loads(json.dumps(head)), arrays)
        np.testing.assert_array_equal(back.path, m.path)
        assert back.corners == ((0, "G"), (1, ""))
        assert back.axes[0].label == "G-X"


class TestStack:
    def test_keeps_everything(self):
        a, b = slices_map(2), slices_map(1, slices=Slices([100], [20], [30]), logs={"run_number": ("2", "")}, provenance=("made", "cut"))
        a, b = a.replace(warnings=("both",)), b.replace(warnings=("both", "second"))
        both = stack([a, b])
        assert both.warnings == ("both", "second")
        assert both.shape == (3, 3, 4)
        np.testing.assert_array_equal(both.slices.ei, [50, 50, 100])
        np.testing.assert_array_equal(both.error[2], b.error[0])
        assert both.provenance == ("made", "cut")
        assert both.logs["run_number"] == ("1, 2", "")

    @pytest.mark.parametrize("error", [None, np.full((1, 3, 4), np.nan)])
    def test_a_map_without_a_usable_pixel_goes_with_either(self, error):
        nothing = slices_map(1, intensity=np.full((1, 3, 4), np.nan), error=error)
        np.testing.assert_array_equal(stack([slices_map(1), nothing]).error[0], slices_map(1).error[0])
        assert stack([nothing, slices_map(1, error=None)]).error is None

    def test_arrays_in_logs_stay_only_when_equal(self):
        series = {"t": (np.arange(3), "s")}
        assert "t" in stack([slices_map(logs=series), slices_map(logs=series)]).logs
        assert "t" not in stack([slices_map(logs=series), slices_map(logs={"t": (np.arange(4), "s")})]).logs

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"axes": (Axis("qh", RLU, [0, 1, 2]), Axis("qk", RLU, [0, 1, 2, 3]))}, "axis 'qh' differs"),
            ({"intensity_unit": "counts"}, "arb. units and counts"),
            ({"error": None}, "some have errors"),
            ({"material": "rb2mnf4"}, "pcsmo and rb2mnf4"),
        ],
    )
    def test_refuses_maps_that_do_not_belong_together(self, change, message):
        with pytest.raises(MapError, match=message):
            stack([slices_map(), slices_map(**change)])

    def test_refuses_other_kinds_and_nothing(self):
        with pytest.raises(MapError, match="nothing to stack"):
            stack([])
        with pytest.raises(MapError, match="powder"):
            stack([powder_map()])


@st.composite
def rising(draw, low, high, least=2, most=12):
    """Edges from exactly `low` to `high`."""
    inner = draw(st.lists(st.floats(0.02, 1.0), min_size=least, max_size=most))
    edges = np.concatenate(([0.0], np.cumsum(inner)))
    return low + (high - low) * edges / edges[-1]


class TestRegrid:
    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_conserves_the_integral_over_the_same_range(self, data):
        old = (Axis("q", PER_ANGSTROM, data.draw(rising(0, 3)), True), Axis("energy", MEV, data.draw(rising(-5, 5)), True))
        new = (Axis("q", PER_ANGSTROM, data.draw(rising(0, 3)), True), Axis("energy", MEV, data.draw(rising(-5, 5)), True))
        shape = tuple(a.size for a in old)
        m = Map(data.draw(hnp.arrays(float, shape, elements=st.floats(-100, 100))), old)
        r = m.regrid(*new)

        def integral(x):
            return np.sum(x.intensity * np.multiply.outer(np.diff(x.axes[0].edges), np.diff(x.axes[1].edges)))

        assert not r.mask.any()
        assert integral(r) == pytest.approx(integral(m), abs=1e-6)
        assert r.intensity.min() >= m.intensity.min() - 1e-9
        assert r.intensity.max() <= m.intensity.max() + 1e-9

    @settings(max_examples=40, deadline=None)
    @given(data=st.data())
    def test_masked_bins_never_contribute(self, data):
        old = (Axis("q", PER_ANGSTROM, data.draw(rising(0, 3)), True), Axis("energy", MEV, data.draw(rising(-5, 5)), True))
        new = (Axis("q", PER_ANGSTROM, data.draw(rising(-1, 4)), True), Axis("energy", MEV, data.draw(rising(-6, 6)), True))
        shape = tuple(a.size for a in old)
        mask = data.draw(hnp.arrays(bool, shape))
        outlandish = np.where(mask, 1e30, 2.0)
        r = Map(outlandish, old, error=np.where(mask, 1e30, 0.1), mask=mask).regrid(*new)
        np.testing.assert_allclose(r.intensity[~r.mask], 2.0)
        assert np.all(r.error[~r.mask] <= 0.1 * (1 + 1e-9))
        seen = overlap(old[0].edges, new[0].edges) @ (~mask).astype(float) @ overlap(old[1].edges, new[1].edges).T
        clear = np.abs(seen - 0.5) > 1e-6
        np.testing.assert_array_equal(r.mask[clear], (seen < 0.5)[clear])

    def test_same_axes_change_nothing(self):
        m = powder_map(mask=np.eye(6, 8, dtype=bool))
        r = m.regrid(*m.axes)
        np.testing.assert_allclose(r.intensity, m.intensity)
        np.testing.assert_allclose(r.error, m.error)
        np.testing.assert_array_equal(r.mask, m.mask)

    def test_error_of_merged_bins_adds_in_quadrature(self):
        m = powder_map()
        r = m.regrid(m.axes[0], Axis("energy", MEV, [0, 8, 16], is_edges=True))
        np.testing.assert_allclose(r.error, 0.5 / np.sqrt(4))
        np.testing.assert_allclose(r.intensity[:, 0], m.intensity[:, :4].mean(axis=1))

    def test_works_on_each_slice_of_a_stack_and_keeps_what_was_measured(self):
        m = slices_map(2, 4, 4, axes=(Axis("qh", RLU, [0, 1, 2, 3]), Axis("qk", RLU, [0, 1, 2, 3])))
        r = m.regrid(Axis("qh", RLU, [0.5, 2.5]), Axis("qk", RLU, [0.5, 2.5]))
        np.testing.assert_allclose(r.intensity[1, 0, 0], m.intensity[1, :2, :2].mean())
        assert r.material == "pcsmo"
        assert r.slices.matches(m.slices)
        assert r.provenance == m.provenance

    def test_outside_is_masked_not_invented(self):
        m = powder_map()
        r = m.regrid(Axis("q", PER_ANGSTROM, [10.0, 11.0]), m.axes[1])
        assert r.mask.all()

    def test_refuses_to_lose_a_unit_or_the_momenta_of_a_cut(self):
        m = powder_map()
        with pytest.raises(UnitError, match=r"1/angstrom.*r\.l\.u\."):
            m.regrid(Axis("q", RLU, [1.0, 2.0]), m.axes[1])
        with pytest.raises(MapError, match="Cannot regrid onto axes"):
            m.regrid(m.axes[1], m.axes[0])
        axes = (Axis("path", RLU, [0.0, 0.1]), Axis("energy", MEV, [1.0, 2.0, 3.0]))
        with pytest.raises(MapError, match="cut"):
            Map(np.ones((2, 3)), axes, path=np.zeros((2, 3))).regrid(*axes)


class TestRegridSlices:
    def test_averages_windows_of_the_same_incident_energy(self):
        m = slices_map(2)
        r = m.regrid_slices(Slices([50, 50, 100], [5, 6, 5], [9, 8, 9]))
        np.testing.assert_allclose(r.intensity[0], m.intensity.mean(axis=0))
        np.testing.assert_allclose(r.intensity[1], m.intensity.mean(axis=0))
        np.testing.assert_allclose(r.error[0], np.sqrt((m.error**2).sum(axis=0)) / 2)
        assert r.mask[2].all()

    def test_weighs_by_the_part_of_the_window(self):
        m = slices_map(2)  # 5-7 and 7-9 meV
        r = m.regrid_slices(Slices([50], [6.5], [8.5]))
        np.testing.assert_allclose(r.intensity[0], 0.25 * m.intensity[0] + 0.75 * m.intensity[1])

    def test_too_little_covered_is_masked(self):
        m = slices_map(2)
        assert m.regrid_slices(Slices([50], [8.9], [12.0])).mask.all()
        assert not m.regrid_slices(Slices([50], [8.9], [12.0]), minimum_coverage=0.01).mask.any()

    def test_half_of_the_window_has_to_be_covered(self):
        m = slices_map(2)  # 5-7 and 7-9 meV
        hole = np.zeros(m.shape, bool)
        hole[1, 0, 0] = True
        for low, masked in ((6.9, False), (7.0, False), (7.1, True)):  # 9 - low of 4 meV are known
            assert np.all(m.regrid_slices(Slices([50], [low], [low + 4])).mask == masked)
        holed = m.with_mask(hole).regrid_slices(Slices([50, 50, 50], [4.9, 5, 5.1], [8.9, 9, 9.1]))  # there 2.1, 2 and 1.9 of 4 meV
        assert holed.mask[:, 0, 0].tolist() == [False, False, True]
        assert holed.mask.sum() == 1
        assert holed.intensity[1, 0, 0] == pytest.approx(m.intensity[0, 0, 0])

    def test_a_masked_slice_leaves_the_other_one(self):
        m = slices_map(2)
        mask = np.zeros(m.shape, bool)
        mask[0] = True
        r = m.with_mask(mask).regrid_slices(Slices([50], [5], [9]))
        np.testing.assert_allclose(r.intensity[0], m.intensity[1])

    def test_incident_energy_within_tolerance_or_unknown(self):
        m = slices_map(2)
        assert not m.regrid_slices(Slices([50.5], [5], [7])).mask.any()
        assert m.regrid_slices(Slices([52], [5], [7])).mask.all()
        assert not m.regrid_slices(Slices([np.nan], [5], [7])).mask.any()
        unknown = m.replace(slices=Slices([np.nan] * 2, m.slices.energy_min, m.slices.energy_max))
        assert not unknown.regrid_slices(Slices([80], [5], [7])).mask.any()

    def test_refuses_maps_without_slices(self):
        with pytest.raises(MapError, match="powder"):
            powder_map().regrid_slices(Slices([50], [5], [7]))


def test_importing_maps_imports_nothing_heavy():
    code = "import sys, mantid_insdl.maps; print(sorted({'h5py', 'scipy', 'keras', 'pydantic', 'yaml'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_units_are_those_of_the_documents():
    assert (maps.RLU, maps.PER_ANGSTROM, maps.MEV) == ("r.l.u.", "1/angstrom", "meV")


def test_a_map_reaches_another_process_as_it_is():
    m = Map(
        np.array([[1.0, np.nan], [2.0, 3.0]]),
        (Axis("q", PER_ANGSTROM, [1.0, 2.0]), Axis("energy", MEV, [1.0, 2.0])),
        error=np.full((2, 2), 0.1),
        logs={"run": (17, "")},
    )
    again = pickle.loads(pickle.dumps(m))
    np.testing.assert_array_equal(again.mask, m.mask)
    np.testing.assert_array_equal(again.error, m.error)
    assert again.logs == m.logs and all(one.matches(other) for one, other in zip(again.axes, m.axes, strict=True))
    with pytest.raises(TypeError):
        again.logs["run"] = (18, "")
