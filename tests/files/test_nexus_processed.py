"""Processed NeXus: every axis convention, masks, logs; and a writer whose files are of the very types that Mantid writes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mantid_insdl import load, save
from mantid_insdl.errors import FileFormatError, MapError, OutputError, UnitError
from mantid_insdl.files import nexus_processed
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices

QH = (np.linspace(-1, 1, 5), "Label", "Qh", "r.l.u.")
QK = (np.linspace(0, 1, 3), "Label", "Qk", "r.l.u.")
ENERGY = (np.linspace(0, 8, 5), "DeltaE")
Q = (np.linspace(1, 4, 4), "MomentumTransfer")
WINDOW = {"energy_min": (5.0, "meV"), "energy_max": (8.0, "meV")}
VALUES = np.arange(12.0).reshape(3, 4)


def assert_same(a: Map, b: Map) -> None:
    np.testing.assert_array_equal(a.intensity, b.intensity)
    np.testing.assert_array_equal(a.mask, b.mask)
    assert (a.error is None) == (b.error is None)
    if a.error is not None:
        np.testing.assert_array_equal(a.error, b.error)
    assert a.kind == b.kind
    for mine, theirs in zip(a.axes, b.axes, strict=True):
        assert (mine.name, mine.unit, mine.is_edges) == (theirs.name, theirs.unit, theirs.is_edges)
        np.testing.assert_array_equal(mine.values, theirs.values)
    assert (a.slices is None) == (b.slices is None)
    if a.slices is not None:
        assert a.slices.matches(b.slices, tolerance=0)
    if a.path is not None:
        np.testing.assert_array_equal(a.path, b.path)
    assert (a.ei, a.material, a.frame, a.title, a.intensity_unit) == (b.ei, b.material, b.frame, b.title, b.intensity_unit)


class TestMantidsOwnFiles:
    def test_group_of_slices_follows_its_formula(self, mantid_files):
        m = load(mantid_files / "qhqk_slices_group.nxs")
        assert m.shape == (3, 40, 40)
        assert [(a.name, a.unit, a.is_edges) for a in m.axes] == [("qh", RLU, True), ("qk", RLU, False)]
        np.testing.assert_allclose(m.slices.ei, 50)
        np.testing.assert_allclose(m.slices.energy_min, [5, 8, 11])
        np.testing.assert_allclose(m.slices.energy_max, [8, 11, 14])
        qh, qk = (a.centres for a in m.axes)
        formula = np.arange(1, 4)[:, None, None] * np.exp(-(qh[:, None] ** 2 + qk**2) / 0.1)
        good = ~m.mask
        np.testing.assert_allclose(m.intensity[good], formula[good], rtol=1e-12)
        np.testing.assert_allclose(m.error[good], np.sqrt(formula + 0.01)[good], rtol=1e-12)
        expected = np.zeros((40, 40), bool)
        expected[:, 3] = True  # spectrum 3, all bins
        expected[5:9, 20] = True  # spectrum 20, bins 5 to 8
        np.testing.assert_array_equal(m.mask, np.broadcast_to(expected, m.shape))
        assert m.intensity_unit == "arb. units"
        assert m.logs["run_number"] == ("12345", "")

    def test_sofqw3_output(self, mantid_files):
        m = load(mantid_files / "mari_sofqw3.nxs")
        assert m.kind == "powder"
        assert m.shape == (172, 16)
        assert m.ei == 50.0
        assert [(a.name, a.unit, a.is_edges) for a in m.axes] == [("q", PER_ANGSTROM, True), ("energy", MEV, True)]
        q, energy = m.axes[0].centres, m.axes[1].centres
        assert energy[[0, -1]] == pytest.approx([-0.75, 6.75])
        with h5py.File(mantid_files / "mari_sofqw3.nxs") as file:
            unseen = file["mantid_workspace_1/workspace/frac_area"][()] == 0
        assert 50 < unseen.sum() < 150
        np.testing.assert_array_equal(m.mask, unseen)
        formula = 10 * np.exp(-((energy - 8 * np.abs(np.sin(np.pi * q[:, None] / 3))) ** 2) / (2 * 1.5**2)) + 0.5
        assert np.median(np.abs(m.intensity - formula)[~m.mask]) < 0.01


class TestAxes:
    def test_either_order_of_momenta(self, processed):
        along_x = load(processed(VALUES, QH, QK, logs=WINDOW, name="a.nxs"))
        along_y = load(processed(VALUES.T, QK, (QH[0], *QH[1:]), logs=WINDOW, name="b.nxs"))
        np.testing.assert_array_equal(along_x.intensity[0], VALUES.T)
        np.testing.assert_array_equal(along_y.intensity, along_x.intensity)
        assert along_x.axes[0].is_edges
        assert not along_x.axes[1].is_edges

    def test_either_order_of_momentum_and_energy(self, processed):
        sofqw = load(processed(VALUES, ENERGY, Q, name="a.nxs"))
        abins = load(processed(VALUES.T, Q, ENERGY, name="b.nxs"))
        np.testing.assert_array_equal(sofqw.intensity, VALUES)
        np.testing.assert_array_equal(abins.intensity, VALUES)

    def test_descending_axes_are_turned(self, processed):
        m = load(processed(VALUES, (ENERGY[0][::-1], "DeltaE"), (Q[0][::-1], "MomentumTransfer"), errors=VALUES + 1))
        np.testing.assert_array_equal(m.intensity, VALUES[::-1, ::-1])
        np.testing.assert_array_equal(m.error, VALUES[::-1, ::-1] + 1)
        assert np.all(np.diff(m.axes[1].values) > 0)

    @pytest.mark.parametrize("caption", ["Qh", "QH", "H", "h", "[H,0,0]", "[H, 0, 0]", "(H,0,0)", "[H 0 0]", "Qh (r.l.u.)", "Q_h"])
    def test_captions_of_h(self, processed, caption):
        m = load(processed(VALUES, (QH[0], "Label", caption, "rlu"), (QK[0], "Label", "[0,K,0]", "r.l.u."), logs=WINDOW))
        assert m.axes[0].name == "qh"
        assert m.axes[0].unit == RLU

    def test_unit_in_the_caption_counts(self, processed):
        m = load(processed(VALUES, (QH[0], "Label", "Qh (r.l.u.)", ""), QK, logs=WINDOW))
        assert m.axes[0].unit == RLU

    def test_energy_in_wavenumbers_is_converted(self, processed):
        m = load(processed(VALUES, (ENERGY[0], "DeltaE_inWavenumber"), Q))
        np.testing.assert_allclose(m.axes[1].values, ENERGY[0] * 0.12398419843)
        assert "1/cm" in m.provenance[0]

    def test_labels_of_momentum_and_energy(self, processed):
        x, vertical = (ENERGY[0], "Label", "Energy transfer", "meV"), (Q[0], "Label", "|Q|", "Angstrom^-1")
        assert load(processed(VALUES, x, vertical)).kind == "powder"

    @pytest.mark.parametrize("caption", ["[H,H,0]", "[H,0,0]", "Path", "L", "G to X"])
    def test_cut_along_a_direction(self, processed, caption):
        m = load(processed(VALUES, ENERGY, (np.array([0.1, 0.2, 0.3]), "Label", caption, "r.l.u.")))
        assert m.kind == "cut"
        assert m.axes[0].unit == RLU
        np.testing.assert_array_equal(m.intensity, VALUES)

    @pytest.mark.parametrize(
        ("x", "vertical", "error", "message"),
        [
            (QH, (QK[0], "Label", "Qk", ""), UnitError, "no unit"),
            (QH, (QK[0], "Label", "Qk", "furlong"), UnitError, "furlong"),
            (QH, (QK[0], "Label", "Qk", "meV"), UnitError, "meV and not r.l.u."),
            (QH, (QK[0], ""), UnitError, "no unit"),
            (QH, (QK[0], "Empty"), UnitError, "no unit"),
            (ENERGY, (Q[0], "QSquared"), UnitError, "QSquared"),
            (ENERGY, (np.arange(1.0, 4.0), "spectraNumber"), UnitError, "SofQW3"),
            (ENERGY, (np.arange(1.0, 4.0), "Degrees"), UnitError, "SofQW3"),
            ((QH[0], "TOF"), QK, UnitError, "TOF"),
            (QH, (QK[0], "Label", "[H,H,0]", "r.l.u."), MapError, r"\[H,H,0\]"),
            (QH, QH, MapError, "axis has 5 values"),
            (ENERGY, (ENERGY[0][:3], "DeltaE"), MapError, "none this package knows"),
            (QH, (np.array([0, np.nan, 1]), *QK[1:]), MapError, "not finite"),
            ((np.array([0, 1, 1, 2, 3.0]), "DeltaE"), Q, MapError, "strictly increasing"),
        ],
    )
    def test_refuses_what_is_no_map(self, processed, x, vertical, error, message):
        with pytest.raises(error, match=message) as caught:
            load(processed(VALUES, x, vertical, logs=WINDOW))
        assert "test.nxs" in str(caught.value)

    def test_text_axis(self, processed):
        with pytest.raises(UnitError, match="TextAxis"):
            load(processed(VALUES, ENERGY, (np.bytes_("a\nb\nc\n"), "TextAxis")))

    def test_common_bins_given_for_each_spectrum(self, processed):
        m = load(processed(VALUES, (np.tile(ENERGY[0], (3, 1)), "DeltaE"), Q))
        np.testing.assert_array_equal(m.axes[1].values, ENERGY[0])

    def test_refuses_ragged_bins(self, processed):
        ragged = ENERGY[0] + np.arange(3.0)[:, None]
        with pytest.raises(FileFormatError, match=r"different bins.*Rebin"):
            load(processed(VALUES, (ragged, "DeltaE"), Q))


class TestMasksAndErrors:
    def test_nan_is_masked_and_zero_errors_are_unknown(self, processed):
        values = VALUES.copy()
        values[1, 2] = np.nan
        m = load(processed(values, ENERGY, Q, errors=np.zeros((3, 4))))
        assert m.mask[1, 2]
        assert m.mask.sum() == 1
        assert m.error is None

    def test_masked_bins_with_true_spectrum_numbers(self, processed):
        extra = {"masked_spectra": np.int32([[1, 0], [2, 2]]), "masked_bins": np.uint64([0, 3, 1]), "mask_weights": np.ones(3)}
        m = load(processed(VALUES + 1, ENERGY, Q, errors=VALUES + 1, extra=extra))
        expected = np.zeros((3, 4), bool)
        expected[1, [0, 3]] = expected[2, 1] = True
        np.testing.assert_array_equal(m.mask, expected)

    def test_masked_bins_as_mantid_numbers_them(self, processed):
        """Mantid stores a running number, so that spectrum 2 is called 0; MaskBins has set its bins to zero."""
        values, errors = VALUES + 1, VALUES + 1
        values[2, [0, 3]] = errors[2, [0, 3]] = 0
        extra = {"masked_spectra": np.int32([[0, 0]]), "masked_bins": np.uint64([0, 3]), "mask_weights": np.ones(2)}
        m = load(processed(values, ENERGY, Q, errors=errors, extra=extra))
        expected = np.zeros((3, 4), bool)
        expected[2, [0, 3]] = True
        np.testing.assert_array_equal(m.mask, expected)

    def test_refuses_masked_bins_that_cannot_be_told(self, processed):
        extra = {"masked_spectra": np.int32([[0, 0]]), "masked_bins": np.uint64([0, 3]), "mask_weights": np.ones(2)}
        with pytest.raises(FileFormatError, match=r"does not say which bins are masked.*NaN"):
            load(processed(VALUES + 1, ENERGY, Q, errors=VALUES + 1, extra=extra))

    def test_masked_bins_of_a_spectrum_beside_an_empty_one(self, processed):
        """The lists of masked bins fit an empty spectrum as well: what is zero with error zero tells nothing there either."""
        values = VALUES + 1
        values[0] = 0
        values[2, [0, 3]] = 0
        extra = {"masked_spectra": np.int32([[0, 0]]), "masked_bins": np.uint64([0, 3]), "mask_weights": np.ones(2)}
        m = load(processed(values, ENERGY, Q, errors=values, extra=extra))
        expected = np.zeros((3, 4), bool)
        expected[np.ix_([0, 2], [0, 3])] = True
        np.testing.assert_array_equal(m.mask, expected)

    @pytest.mark.parametrize(
        "extra",
        [
            {"masked_spectra": np.int32([[7, 0]]), "masked_bins": np.uint64([0])},
            {"masked_spectra": np.int32([[1, 0]]), "masked_bins": np.uint64([9])},
            {"masked_spectra": np.int32([[1, 3]]), "masked_bins": np.uint64([0])},
        ],
    )
    def test_refuses_masked_bins_that_do_not_exist(self, processed, extra):
        with pytest.raises(FileFormatError, match="do not exist"):
            load(processed(VALUES, ENERGY, Q, extra=extra))

    def test_rebinned_output_that_is_not_finalized_is_divided_by_its_area(self, processed):
        area = np.full((3, 4), 2.0)
        area[0, 0] = 0
        path = processed(VALUES * area, ENERGY, Q, errors=area, extra={"frac_area": area})
        with h5py.File(path, "a") as file:
            file["mantid_workspace_1/workspace/frac_area"].attrs["finalized"] = np.bytes_("0")
        m = load(path)
        assert m.mask[0, 0]
        np.testing.assert_allclose(m.intensity[1:], VALUES[1:])
        np.testing.assert_allclose(m.error[1:], 1.0)

    @pytest.mark.parametrize("attribute", [None, b"1"])
    def test_rebinned_output_that_is_finalized_stays(self, processed, attribute):
        area = np.full((3, 4), 2.0)
        area[0, 0] = 0
        path = processed(VALUES, ENERGY, Q, errors=area, extra={"frac_area": area})
        if attribute:
            with h5py.File(path, "a") as file:
                file["mantid_workspace_1/workspace/frac_area"].attrs["finalized"] = np.bytes_(attribute)
        m = load(path)
        np.testing.assert_allclose(m.intensity[1:], VALUES[1:])
        assert m.mask[0, 0]

    @pytest.mark.parametrize(("bad", "message"), [(np.inf, "infinite"), (-1.0, "negative"), (np.nan, "NaN")])
    def test_refuses_bad_errors(self, processed, bad, message):
        errors = np.ones((3, 4))
        errors[0, 0] = bad
        with pytest.raises(MapError, match=message):
            load(processed(VALUES, ENERGY, Q, errors=errors))

    def test_refuses_infinite_intensity(self, processed):
        with pytest.raises(MapError, match="infinite intensities"):
            load(processed(np.where(VALUES == 3, np.inf, VALUES), ENERGY, Q))

    def test_refuses_all_nan(self, processed):
        with pytest.raises(MapError, match="no usable pixel"):
            load(processed(np.full((3, 4), np.nan), ENERGY, Q))

    def test_refuses_errors_of_another_shape(self, processed):
        with pytest.raises(FileFormatError, match="contradicts itself"):
            load(processed(VALUES, ENERGY, Q, errors=np.ones((4, 3))))


class TestLogs:
    def test_slice_without_energy_window_says_which_logs_are_needed(self, processed):
        with pytest.raises(MapError, match=r"energy_min and energy_max are missing.*AddSampleLog"):
            load(processed(VALUES, QH, QK, logs={"Ei": (50.0, "meV")}))

    @pytest.mark.parametrize("names", [("Emin", "Emax"), ("E_min", "E_max")])
    def test_other_names_of_the_window(self, processed, names):
        m = load(processed(VALUES, QH, QK, logs={names[0]: (5.0, ""), names[1]: (8.0, "")}))
        assert (m.slices.energy_min[0], m.slices.energy_max[0]) == (5.0, 8.0)

    def test_missing_incident_energy_is_unknown_or_given(self, processed):
        path = processed(VALUES, QH, QK, logs=WINDOW)
        assert np.isnan(load(path).slices.ei[0])
        given = load(path, ei=50)
        assert given.slices.ei[0] == 50
        assert any("given by the user" in line for line in given.provenance)

    def test_given_incident_energy_must_not_contradict_the_file(self, processed):
        path = processed(VALUES, ENERGY, Q, logs={"Ei": (50.0, "meV")})
        assert load(path, ei=50.1).ei == 50.0
        with pytest.raises(MapError, match="50 meV and you gave 60 meV"):
            load(path, ei=60)

    @pytest.mark.parametrize("name", ["EI", "Efix", "EnergyRequest"])
    def test_fall_backs_of_the_incident_energy_are_said(self, processed, name):
        m = load(processed(VALUES, ENERGY, Q, logs={name: (45.0, "meV")}))
        assert m.ei == 45.0
        assert any(name in line for line in m.provenance)

    def test_a_requested_energy_gives_way_to_a_given_one(self, processed):
        assert load(processed(VALUES, ENERGY, Q, logs={"EnergyRequest": (45.0, "meV")}), ei=50).ei == 50.0

    def test_refuses_an_incident_energy_in_another_unit(self, processed):
        with pytest.raises(UnitError, match=r"Ei.*THz"):
            load(processed(VALUES, ENERGY, Q, logs={"Ei": (12.0, "THz")}))

    def test_a_series_becomes_its_mean(self, processed):
        path = processed(VALUES, ENERGY, Q, logs={"Ei": (np.array([49.0, 51.0, np.nan]), "meV"), "state": ("open", "")})
        with h5py.File(path, "a") as file:
            for name in ("Ei", "state"):
                file[f"mantid_workspace_1/logs/{name}/time"] = np.arange(3.0)
        m = load(path)
        assert m.ei == 50.0
        assert m.logs["state"] == ("open", "")


class TestCutsFromMantid:
    def test_path_is_turned_with_its_axis_and_dropped_after_rebinning(self, processed):
        path = np.arange(9.0).reshape(3, 3)
        along = (np.array([0.3, 0.2, 0.1]), "Label", "Path", "r.l.u.")
        turned = load(processed(VALUES, ENERGY, along, logs={"insdl_path": (path.ravel(), "")}, name="a.nxs"))
        np.testing.assert_array_equal(turned.path, path[::-1])
        assert load(processed(VALUES, ENERGY, along, logs={"insdl_path": (path[:2].ravel(), "")}, name="b.nxs")).path is None


class TestGroups:
    def test_members_are_taken_in_the_order_of_their_numbers(self, processed):
        for i in range(11):
            path = processed(VALUES + i, QH, QK, logs={"energy_min": (float(i), ""), "energy_max": (i + 1.0, "")})
        m = load(path)
        np.testing.assert_array_equal(m.slices.energy_min, np.arange(11.0))
        np.testing.assert_array_equal(m.intensity[10, 0], VALUES.T[0] + 10)

    def test_refuses_several_maps_that_are_no_slices(self, processed):
        processed(VALUES, ENERGY, Q)
        with pytest.raises(MapError, match=r"2 workspaces.*powder"):
            load(processed(VALUES, ENERGY, Q))

    def test_a_member_that_is_all_masked_stays_in_the_stack(self, processed):
        processed(VALUES, QH, QK, errors=VALUES + 1, logs=WINDOW)
        nothing = np.full((3, 4), np.nan)
        m = load(processed(nothing, QH, QK, errors=nothing, logs={"energy_min": (8.0, ""), "energy_max": (9.0, "")}))
        assert m.mask[1].all()
        np.testing.assert_array_equal(m.error[0], VALUES.T + 1)

    def test_refuses_slices_on_different_axes(self, processed):
        processed(VALUES, QH, QK, logs=WINDOW)
        with pytest.raises(MapError, match="axis 'qh' differs"):
            load(processed(VALUES, (QH[0] * 2, *QH[1:]), QK, logs=WINDOW))

    def test_several_files_become_one_stack(self, processed):
        first = processed(VALUES, QH, QK, logs=WINDOW, name="a.nxs")
        second = processed(VALUES + 1, QH, QK, logs={"energy_min": (8.0, ""), "energy_max": (9.0, "")}, name="b.nxs")
        m = load([first, second])
        assert m.shape == (2, 4, 3)
        assert m.provenance == ("read from 'a.nxs'", "read from 'b.nxs'")

    @pytest.mark.parametrize("kind", ["event_workspace", "table_workspace", "peaks_workspace"])
    def test_refuses_other_workspaces(self, tmp_path, kind):
        path = tmp_path / "x.nxs"
        with h5py.File(path, "w") as file:
            file.create_group(f"mantid_workspace_1/{kind}")
        with pytest.raises(FileFormatError, match=f"no map.*{kind}"):
            load(path)

    @pytest.mark.parametrize("missing", ["values", "axis1", "axis2"])
    def test_names_what_is_missing(self, processed, missing):
        path = processed(VALUES, ENERGY, Q)
        with h5py.File(path, "a") as file:
            del file[f"mantid_workspace_1/workspace/{missing}"]
        with pytest.raises(FileFormatError, match=missing):
            load(path)


class TestWriter:
    @pytest.mark.parametrize("fixture", ["slices_map", "powder_map", "cut_map"])
    def test_round_trip(self, fixture, request, tmp_path):
        m = request.getfixturevalue(fixture)
        path = save(m, tmp_path / "out.nxs")
        back = load(path)
        assert_same(back, m)
        expected = tuple(line.replace("\n", " ") for line in m.provenance)
        assert back.provenance == (*expected, "read from 'out.nxs'")
        assert set(back.logs) == set(m.logs)
        for name, (value, unit) in m.logs.items():
            np.testing.assert_array_equal(back.logs[name][0], value)
            assert back.logs[name][1] == unit

    def test_round_trip_of_every_file_of_mantid(self, mantid_files, tmp_path):
        for name in ("qhqk_slices_group.nxs", "mari_sofqw3.nxs", "mari_ei50.nxspe", "hke_mdhisto.nxs"):
            m = load(mantid_files / name)
            assert_same(load(save(m, tmp_path / "out.nxs")), m)

    @settings(max_examples=25, deadline=None)
    @given(data=st.data())
    def test_round_trip_of_any_slices(self, data):
        n, rows, columns = (data.draw(st.integers(1, 4)) for _ in range(3))
        number = st.floats(-1e9, 1e9)
        shape = (n, rows, columns)
        edges = [data.draw(st.booleans()) for _ in range(2)]
        axes = [
            Axis(name, RLU, np.cumsum(data.draw(hnp.arrays(float, bins + e, elements=st.floats(0.01, 5)))), is_edges=e)
            for name, bins, e in zip(("qh", "qk"), (rows, columns), edges, strict=True)
        ]
        m = Map(
            data.draw(hnp.arrays(float, shape, elements=number)),
            axes,
            error=data.draw(st.none() | hnp.arrays(float, shape, elements=st.floats(0.001, 1e9))),
            mask=data.draw(hnp.arrays(bool, shape)) & (np.arange(n * rows * columns).reshape(shape) > 0),
            slices=Slices(data.draw(hnp.arrays(float, n, elements=st.floats(4, 100) | st.just(np.nan))), np.arange(n), np.arange(n) + 0.5),
            title=data.draw(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=20)),
        )
        with tempfile.TemporaryDirectory() as folder:
            assert_same(load(save(m, Path(folder) / "out.nxs")), m)

    def test_no_errors_stay_no_errors(self, powder_map, tmp_path):
        path = save(powder_map.replace(error=None), tmp_path / "out.nxs")
        assert load(path).error is None
        with h5py.File(path) as file:
            errors = file["mantid_workspace_1/workspace/errors"][()]
        assert np.all((errors == 0) | powder_map.mask)

    def test_masked_pixels_are_nan_in_the_file(self, powder_map, tmp_path):
        with h5py.File(save(powder_map, tmp_path / "out.nxs")) as file:
            np.testing.assert_array_equal(np.isnan(file["mantid_workspace_1/workspace/values"][()]), powder_map.mask)

    def test_a_stack_is_a_group_with_named_members(self, slices_map, tmp_path):
        with h5py.File(save(slices_map, tmp_path / "out.nxs", name="pcsmo")) as file:
            names = [file[f"mantid_workspace_{i}/workspace_name"][0].decode() for i in (1, 2, 3)]
            assert len(file) == 3
        assert names == ["pcsmo_1", "pcsmo_2", "pcsmo_3"]

    def test_one_slice_is_a_single_workspace(self, slices_map, tmp_path):
        with h5py.File(save(slices_map.select(0), tmp_path / "out.nxs")) as file:
            assert list(file) == ["mantid_workspace_1"]
            assert file["mantid_workspace_1/workspace_name"][0] == b"out"

    def test_logs_keep_their_types(self, powder_map, tmp_path):
        logs = {"flag": (True, ""), "big": (2**40, ""), "np": (np.int64(3), ""), "none": (None, ""), "a/b": (1.5, "K"), "empty": ("", "")}
        back = load(save(powder_map.replace(logs=logs), tmp_path / "out.nxs")).logs
        assert back["flag"][0] == 1
        assert back["big"][0] == 2**40
        assert back["np"][0] == 3
        assert back["none"][0] == "None"
        assert back["a_b"] == (1.5, "K")
        assert back["empty"][0] == ""

    def test_types_are_those_of_a_file_written_by_mantid(self, mantid_files, tmp_path):
        """Each group's class, each dataset's and attribute's HDF5 type and rank, against SaveNexusProcessed's own file."""
        original = mantid_files / "qhqk_slices_group.nxs"
        m = load(original)
        ours = save(m, tmp_path / "out.nxs", name="slice")
        with h5py.File(original) as theirs, h5py.File(ours) as mine:
            expected, found = _types(theirs), _types(mine)
        left_out = ("process/MantidAlgorithm", "author@date", "instrument_parameter_map/date")
        expected = {key: value for key, value in expected.items() if not any(part in key for part in left_out)}
        assert expected.keys() - found.keys() == set()
        different = {key: (value, found[key]) for key, value in expected.items() if value != found[key]}
        assert different == {}
        ours_only = {key.split("/")[1].split("@")[0] for key in found.keys() - expected.keys() if key.startswith("logs/")}
        assert ours_only == {"insdl_provenance", "Ei", "energy_min", "energy_max"}  # the energies with a unit, which that file lacks

    def test_signal_is_int32_and_text_is_of_fixed_length(self, slices_map, tmp_path):
        with h5py.File(save(slices_map, tmp_path / "out.nxs")) as file:
            assert file["mantid_workspace_1/workspace/values"].attrs.get_id("signal").dtype == np.int32
            types = _types(file)
        assert not [key for key, value in types.items() if "vlen" in value]

    def test_sample_group_is_complete(self, powder_map, tmp_path):
        """Without any one of these a real Mantid does not read the sample logs."""
        with h5py.File(save(powder_map, tmp_path / "out.nxs")) as file:
            sample = file["mantid_workspace_1/sample"]
            assert set(sample) == {
                "num_oriented_lattice",
                "num_other_samples",
                "geom_id",
                "geom_height",
                "geom_thickness",
                "geom_width",
                "material",
            }
            assert set(sample["material"]) == {"number_density", "packing_fraction", "pressure", "temperature"}
            assert set(sample.attrs) == {"NX_class", "version", "name", "name_empty", "shape_xml"}

    def test_no_attribute_is_empty(self, slices_map, tmp_path):
        """Some releases of Mantid 6 throw at a text attribute without text."""
        empty = []

        def visit(name, node):
            empty.extend(f"{name}@{key}" for key, value in node.attrs.items() if value == b"")

        with h5py.File(save(slices_map.replace(frame="", title="", material=None, intensity_unit=""), tmp_path / "out.nxs")) as file:
            file.visititems(visit)
        assert empty == []


class TestSentinels:
    @pytest.mark.parametrize("sentinel", [-1e20, -1e30])
    def test_are_masked_and_said(self, processed, sentinel):
        values = np.arange(1.0, 13).reshape(3, 4)
        errors = np.ones((3, 4))
        values[0, 1], errors[2, 2] = sentinel, 1e20
        x, vertical = (np.linspace(-1, 1, 5), "DeltaE"), (np.linspace(1, 2, 4), "MomentumTransfer")
        m = load(processed(values, x, vertical, errors=errors))
        assert m.mask.sum() == 2
        assert m.mask[0, 1]
        assert m.mask[2, 2]
        assert m.warnings[0].startswith("16.7% of the pixels (2) were masked")

    def test_errors_that_only_sentinels_have_are_none(self, processed):
        values, errors = np.ones((3, 4)), np.zeros((3, 4))
        values[0, 0], errors[0, 0] = -1e30, -1e30
        m = load(processed(values, (np.linspace(-1, 1, 5), "DeltaE"), (np.linspace(1, 2, 4), "MomentumTransfer"), errors=errors))
        assert m.error is None


class TestWritingIsSafe:
    def test_replaces_an_existing_file(self, powder_map, tmp_path):
        path = tmp_path / "out.nxs"
        path.write_text("old")
        assert load(save(powder_map, path)).kind == "powder"
        assert [p.name for p in tmp_path.iterdir()] == ["out.nxs"]

    def test_failure_leaves_the_old_file_and_nothing_else(self, powder_map, tmp_path, monkeypatch):
        path = tmp_path / "out.nxs"
        path.write_text("old")

        def fail(self, _):
            self.open("wb").close()
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("pathlib.Path.write_bytes", fail)
        with pytest.raises(OutputError, match="No space left on device"):
            save(powder_map, path)
        assert path.read_text() == "old"
        assert [p.name for p in tmp_path.iterdir()] == ["out.nxs"]

    def test_any_other_failure_leaves_nothing(self, powder_map, tmp_path, monkeypatch):
        monkeypatch.setattr(nexus_processed, "_write_logs", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            save(powder_map, tmp_path / "out.nxs")
        assert list(tmp_path.iterdir()) == []

    def test_folder_without_permission_to_write(self, powder_map, tmp_path, monkeypatch):
        def refuse(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(OutputError, match="permission denied; write elsewhere"):
            save(powder_map, tmp_path / "out.nxs")

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write everywhere")
    def test_unwritable_folder(self, powder_map, tmp_path):
        tmp_path.chmod(0o500)
        try:
            with pytest.raises(OutputError, match="permission denied"):
                save(powder_map, tmp_path / "out.nxs")
        finally:
            tmp_path.chmod(0o700)

    @pytest.mark.parametrize("name", ["out.nxs", "out.npz"])
    def test_missing_folder(self, powder_map, tmp_path, name):
        with pytest.raises(OutputError, match="does not exist"):
            save(powder_map, tmp_path / "nowhere" / name)

    def test_folder_that_is_a_file(self, powder_map, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError):
            save(powder_map, tmp_path / "file" / "out.nxs")

    def test_path_is_a_folder(self, powder_map, tmp_path):
        with pytest.raises(OutputError, match="is a folder"):
            save(powder_map, tmp_path)

    def test_mode_is_that_of_an_ordinary_file(self, powder_map, tmp_path):
        (tmp_path / "plain").write_text("")
        assert save(powder_map, tmp_path / "out.nxs").stat().st_mode == (tmp_path / "plain").stat().st_mode


def _types(file: h5py.File) -> dict[str, str]:
    """Type and rank of everything in the first entry, with the lengths of texts and sizes of arrays left out."""
    found: dict[str, str] = {}

    def describe(type_id) -> str:
        if type_id.get_class() == h5py.h5t.STRING:
            return "vlen text" if type_id.is_variable_str() else "text"
        return str(type_id.dtype)

    def visit(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset):
            found[name] = f"{describe(node.id.get_type())} rank {node.ndim} {node.compression or ''}".strip()
        else:
            found[name] = "group"
        for attribute in node.attrs:
            handle = node.attrs.get_id(attribute)
            found[f"{name}@{attribute}"] = f"{describe(handle.get_type())} rank {len(handle.shape)}"

    visit("", file)
    file["mantid_workspace_1"].visititems(visit)
    visit("entry", file["mantid_workspace_1"])
    return found
