"""npz maps by documented keys, the search for detector gaps among zeros, and masks from elsewhere."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from mantid_insdl import load, save
from mantid_insdl.errors import FileFormatError, MapError
from mantid_insdl.files import _hdf5, npz
from mantid_insdl.files.detector_gaps import without_gaps
from mantid_insdl.maps import PER_ANGSTROM, RLU

EI, EDGES, Q = [25.0, 50.0], [[5.0, 6.0, 7.0], [10.0, 12.0, 14.0]], np.linspace(-1, 1, 5)
INTENSITY = np.random.default_rng(1).random((2, 2, 5, 5)) + 0.1


@pytest.fixture
def write(tmp_path):
    def write(name="test.npz", **arrays):
        np.savez(tmp_path / name, **{key: value for key, value in arrays.items() if value is not None})
        return tmp_path / name

    return write


def slices(**changes):
    return {"intensity": INTENSITY, "ei": EI, "energy_edges": EDGES, "q": Q} | changes


class TestSlices:
    def test_the_layout_of_the_pcsmo_measurement(self, write):
        m = load(write(**slices()), material="pcsmo")
        assert m.shape == (4, 5, 5)
        np.testing.assert_array_equal(m.slices.ei, [25, 25, 50, 50])
        np.testing.assert_array_equal(m.slices.energy_min, [5, 6, 10, 12])
        np.testing.assert_array_equal(m.slices.energy_max, [6, 7, 12, 14])
        np.testing.assert_array_equal(m.intensity, INTENSITY.reshape(4, 5, 5))
        assert [(a.name, a.unit, a.is_edges) for a in m.axes] == [("qh", RLU, False), ("qk", RLU, False)]
        assert "rows taken as Qh" in m.provenance[0]
        assert m.material == "pcsmo"
        assert m.error is None

    def test_named_momenta_need_no_guess(self, write):
        m = load(write(**slices(q=None, qh=np.linspace(-1, 1, 6), qk=Q)))
        assert m.axes[0].is_edges
        assert not any("rows" in line for line in m.provenance)

    def test_optional_keys(self, write):
        mask = np.zeros(INTENSITY.shape, bool)
        mask[1, 0, 2, 3] = True
        m = load(write(**slices(error=INTENSITY / 10, mask=mask, material="pcsmo-dimer")))
        np.testing.assert_array_equal(m.mask, mask.reshape(4, 5, 5))
        np.testing.assert_array_equal(m.error[~m.mask], (INTENSITY / 10).reshape(4, 5, 5)[~m.mask])
        assert m.material == "pcsmo-dimer"

    def test_one_slice_after_another(self, write):
        m = load(write(**slices(intensity=INTENSITY[0], ei=25.0, energy_edges=EDGES[0])))
        assert m.shape == (2, 5, 5)
        windows = {"energy_edges": None, "energy_min": [1.0, 2.0], "energy_max": [2.0, 4.0]}
        m = load(write(**slices(intensity=INTENSITY[0], ei=[25.0, 50.0], **windows)))
        np.testing.assert_array_equal(m.slices.energy_max, [2, 4])

    def test_incident_energy_from_the_user(self, write):
        m = load(write(**slices(intensity=INTENSITY[0], ei=None, energy_edges=EDGES[0])), ei=35)
        np.testing.assert_array_equal(m.slices.ei, [35, 35])
        assert "Ei = 35 meV given by the user" in m.provenance
        assert load(write(intensity=np.ones((3, 4)), q=[1.0, 2.0, 3.0], energy=np.arange(5.0)), ei=20).ei == 20.0

    def test_incident_energy_that_contradicts_the_file(self, write):
        with pytest.raises(MapError, match="25 meV and you gave 50 meV"):
            load(write(**slices()), ei=50)
        assert load(write(**slices(intensity=INTENSITY[0], ei=25.0, energy_edges=EDGES[0])), ei=25.1).slices.ei[0] == 25.0

    @pytest.mark.parametrize("missing", ["ei", "energy_edges", "q", "intensity"])
    def test_names_the_missing_key(self, write, missing):
        with pytest.raises(FileFormatError, match=f"no '{missing}'.*slices need"):
            load(write(**slices(**{missing: None})))

    @pytest.mark.parametrize(
        "changes",
        [
            {"q": np.linspace(-1, 1, 8)},
            {"energy_edges": EDGES[:1]},
            {"energy_edges": [[5.0, 6.0], [7.0, 8.0]]},
            {"ei": [25.0, 35.0, 50.0]},
            {"error": np.ones((2, 2, 5))},
            {"mask": np.zeros((5, 5), bool)},
            {"intensity": INTENSITY[0, 0]},
        ],
    )
    def test_refuses_shapes_that_do_not_fit(self, write, changes):
        with pytest.raises(MapError, match=r"shape|values"):
            load(write(**slices(**changes)))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"intensity": np.where(INTENSITY > 0.5, np.inf, INTENSITY)}, "infinite"),
            ({"intensity": np.full(INTENSITY.shape, np.nan)}, "no usable pixel"),
            ({"error": np.full(INTENSITY.shape, -1.0)}, "negative"),
            ({"ei": [-25.0, 50.0]}, "positive"),
            ({"q": np.array([-1.0, 0.0, -0.5, 0.5, 1.0])}, "strictly increasing"),
        ],
    )
    def test_refuses_impossible_numbers(self, write, changes, message):
        with pytest.raises(MapError, match=message):
            load(write(**slices(**changes)))


class TestOtherKinds:
    def test_powder(self, write):
        m = load(write(intensity=np.ones((3, 4)), q=[1.0, 2.0, 3.0], energy=np.arange(5.0), ei=20.0, error=np.ones((3, 4))))
        assert m.kind == "powder"
        assert m.axes[0].unit == PER_ANGSTROM
        assert m.axes[1].is_edges
        assert m.ei == 20.0

    def test_cut(self, write):
        points = np.array([[0, 0, 0], [0.5, 0, 0], [0.5, 0, 0], [0.5, 0.5, 0]])
        m = load(write(intensity=np.arange(8.0).reshape(2, 4), q_rlu=points, energy=[1.0, 2.0]))
        assert m.kind == "cut"
        np.testing.assert_array_equal(m.intensity[:, 0], np.arange(4.0))
        np.testing.assert_array_equal(m.path, points)
        np.testing.assert_allclose(m.axes[0].values, [0, 0.5, 1.0, 1.5])  # the corner is given twice

    @pytest.mark.parametrize("bins", [3, 4])  # also as many as points
    def test_mask_and_errors_of_a_cut_lie_as_its_intensity(self, write, bins):
        values = 1.0 + np.arange(4.0 * bins).reshape(bins, 4)  # (energy, point)
        mask = np.zeros((bins, 4), bool)
        mask[0, 3] = mask[2, 1] = True
        cut = {"intensity": values, "q_rlu": np.linspace([0, 0, 0], [0.3, 0, 0], 4), "energy": np.arange(1.0, bins + 1)}
        own = load(write(**cut, error=values / 10, mask=mask))
        np.testing.assert_array_equal(np.argwhere(own.mask), [[1, 2], [3, 0]])
        assert own.error[0, 1] == pytest.approx(own.intensity[0, 1] / 10) == 0.5
        path = write(**cut)
        np.testing.assert_array_equal(load(path, mask=write("other.npz", mask=mask)).mask, mask.T)
        np.testing.assert_array_equal(load(path, mask=write("gap.npz", gap=mask, q_rlu=cut["q_rlu"])).mask, mask.T)
        np.testing.assert_array_equal(load(path, mask=mask.T).mask, mask.T)  # an array has the shape of the map
        np.testing.assert_array_equal(load(path, mask=save(own, path.with_name("own.npz"))).mask, mask.T)

    def test_mask_of_another_shape_is_not_spread_over_a_map(self, write):
        path = write(intensity=np.ones((3, 4)), q=[1.0, 2.0, 3.0], energy=np.arange(4.0))
        for wrong in (np.zeros((4, 3), bool), np.zeros(12, bool), np.zeros((2, 6), bool)):
            with pytest.raises(MapError, match="in its shape"):
                load(path, mask=wrong)
            with pytest.raises(MapError, match="in its shape"):
                load(path, mask=write("other.npz", mask=wrong))

    def test_the_la2nio4_cut(self, shared):
        m = load(shared("la2nio4/path_a.npz"))
        assert m.shape == (217, 121)

    @pytest.mark.parametrize("q_rlu", [np.zeros((3, 3)), np.zeros((2, 2)), np.zeros((2, 3))])
    def test_refuses_a_wrong_path(self, write, q_rlu):
        with pytest.raises(MapError, match="q_rlu"):
            load(write(intensity=np.ones((4, 2)), q_rlu=q_rlu, energy=np.arange(4.0)))


class TestOwnLayout:
    @pytest.mark.parametrize("fixture", ["slices_map", "powder_map", "cut_map"])
    def test_round_trip(self, fixture, request, tmp_path):
        m = request.getfixturevalue(fixture)
        back = load(save(m, tmp_path / "out.npz"))
        np.testing.assert_array_equal(back.intensity, m.intensity)
        np.testing.assert_array_equal(back.mask, m.mask)
        back.require_same_axes(m)
        assert back.provenance == (*m.provenance, "read from 'out.npz'")
        assert (back.material, back.frame, back.title, back.ei) == (m.material, m.frame, m.title, m.ei)
        assert set(back.logs) == set(m.logs)

    def test_missing_incident_energy_is_filled(self, slices_map, tmp_path):
        m = slices_map.select([2])  # Ei unknown
        np.testing.assert_array_equal(load(save(m, tmp_path / "out.npz"), ei=60).slices.ei, [60])

    def test_zeros_of_a_simulation_stay(self, powder_map, slices_map, tmp_path):
        m = slices_map.replace(intensity=np.zeros(slices_map.shape), error=None, mask=None)
        assert not load(save(m, tmp_path / "out.npz")).mask.any()

    def test_refuses_an_incomplete_head(self, write):
        with pytest.raises(FileFormatError, match="head is incomplete"):
            load(write(head=np.array('{"axes": []}'), intensity=np.ones(3)))


class TestUnsafeFiles:
    def test_refuses_pickled_objects_without_running_them(self, write, tmp_path):
        class Trap:
            def __reduce__(self):
                return (open, (str(tmp_path / "sprung"), "w"))

        path = write(**slices(material=np.array([Trap()], dtype=object)))
        with pytest.raises(FileFormatError, match="'material' holds pickled Python objects"):
            load(path)
        assert not (tmp_path / "sprung").exists()

    def test_refuses_a_huge_array_before_reading_it(self, tmp_path):
        path = tmp_path / "huge.npz"
        with zipfile.ZipFile(path, "w") as archive, archive.open("intensity.npy", "w") as stream:
            np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
        with pytest.raises(FileFormatError, match=r"'intensity' has 1000000 x 1000000 = 1e\+12 values.*limit is 5e\+07 values"):
            load(path)

    def test_an_array_shorter_than_its_shape(self, tmp_path):
        path = tmp_path / "short.npz"
        with zipfile.ZipFile(path, "w") as archive, archive.open("intensity.npy", "w") as stream:
            np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (10, 10)})
            stream.write(b"\0" * 80)
        with pytest.raises(FileFormatError, match="truncated or damaged"):
            load(path)

    @pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
    def test_truncated(self, write, part):
        path = write(**slices())
        path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
        with pytest.raises(FileFormatError, match="truncated or damaged"):
            load(path)

    @pytest.mark.parametrize("save_as", [np.savez, np.savez_compressed])
    def test_damaged_inside(self, tmp_path, save_as):
        path = tmp_path / "a.npz"
        save_as(path, **slices())
        content = bytearray(path.read_bytes())
        content[300:340] = b"x" * 40
        path.write_bytes(bytes(content))
        with pytest.raises(FileFormatError, match="truncated or damaged"):
            load(path)

    def test_another_zip_archive(self, tmp_path):
        path = tmp_path / "letter.docx"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("word/document.xml", "<x/>")
        with pytest.raises(FileFormatError, match="zip archive but no npz"):
            load(path)

    def test_other_arrays(self, write):
        with pytest.raises(FileFormatError, match="holds only a, b; name the arrays as docs/files"):
            load(write(a=np.ones(2), b=np.ones(2)))

    @pytest.mark.parametrize("bad", [np.ones(INTENSITY.shape, complex), np.full(INTENSITY.shape, "x"), np.zeros(4, "M8[s]")])
    def test_refuses_what_is_no_number(self, write, bad):
        with pytest.raises(FileFormatError, match="'intensity' has the type"):
            load(write(**slices(intensity=bad)))

    def test_fortran_order(self, write):
        m = load(write(**slices(intensity=np.asfortranarray(INTENSITY))))
        np.testing.assert_array_equal(m.intensity, INTENSITY.reshape(4, 5, 5))


MOMENTA = np.linspace(-1, 1, 40)
FOUR = {"ei": [25.0], "energy_edges": [[5.0, 6.0, 7.0, 8.0, 9.0]], "q": MOMENTA}


class TestGaps:
    def scattered(self, share=0.2, slices=4):
        """Ones with scattered zeros, others in each slice, and three gaps that repeat: (1, slice, 40, 40) and their truth."""
        rng = np.random.default_rng(0)
        intensity = np.where(rng.random((1, slices, 40, 40)) < share, 0.0, 1.0)
        truth = np.zeros(intensity.shape, bool)
        truth[..., 13] = truth[..., 25, :18] = truth[..., 17:22, 17:22] = True
        return np.where(truth, 0.0, intensity), truth.reshape(-1, 40, 40)

    def test_bands_and_blocks_are_gaps_and_scattered_zeros_are_not(self, write):
        intensity, truth = self.scattered()
        m = load(write(**slices(intensity=intensity, **FOUR)))
        assert np.all(m.mask[truth])
        assert np.mean(m.mask[~truth]) < 0.001
        assert m.warnings[0].startswith("5.1% of the pixels were masked as detector gaps: a guess")

    def test_zeros_of_one_energy_are_no_gap(self, write):
        """A quarter of a row without intensity in one slice, and in a slice of another Ei: gaps repeat over energies of one Ei."""
        intensity = np.ones((2, 4, 40, 40))
        intensity[0, 1, 10] = intensity[0, 2, 10] = intensity[1, :2, 10] = 0
        both = {"ei": [25.0, 50.0], "energy_edges": [[5.0, 6.0, 7.0, 8.0, 9.0]] * 2, "q": MOMENTA}
        m = load(write(**slices(intensity=intensity, **both)))
        assert not m.mask.any()
        assert "none was masked" in m.warnings[0]

    def test_neighbours_are_those_in_energy(self, write):
        """Slices in any order: the gap is in those from 5 to 8 meV, which are not next to each other in the file."""
        intensity, order = np.ones((5, 40, 40)), np.array([2, 0, 4, 1, 3])
        intensity[np.isin(order, (0, 1, 2)), :, 7] = 0
        windows = {"energy_edges": None, "energy_min": 5.0 + order, "energy_max": 6.0 + order}
        m = load(write(**slices(intensity=intensity, ei=25.0, q=MOMENTA, **windows)))
        np.testing.assert_array_equal(m.mask[:, 0, 7], order < 3)

    def test_counts_of_few_neutrons_are_not_eaten(self, write):
        """Poisson counts, 0.3 a pixel: most are zero, and none is a gap."""
        m = load(write(**slices(intensity=np.random.default_rng(1).poisson(0.3, (1, 4, 40, 40)), **FOUR)))
        assert not m.mask.any()
        assert "74% of the pixels are exactly zero" in m.warnings[0]
        assert "none was masked" in m.warnings[0]

    def test_only_where_nothing_is_masked_or_known(self, write):
        intensity, _ = self.scattered()
        mask, nan, sentinel, error = np.zeros(intensity.shape, bool), intensity.copy(), intensity.copy(), intensity + 1
        mask[0, 0, 1, 1], nan[0, 0, 1, 1], sentinel[0, 0, 1, 1] = True, np.nan, -1e20
        for changes in ({"mask": mask}, {"intensity": nan}, {"intensity": sentinel}):
            m = load(write(**slices(**({"intensity": intensity} | FOUR | changes))))
            assert m.mask.sum() == 1
            assert not any("guess" in text for text in m.warnings)
        assert not load(write(**slices(intensity=intensity, error=error, **FOUR))).mask.any()
        assert not npz.read(write(**slices(intensity=intensity, **FOUR)), find_gaps=False).mask.any()
        given = load(write(**slices(intensity=intensity, **FOUR)), mask=np.zeros(intensity.shape, bool))
        assert not given.mask.any()
        assert given.warnings == ()

    def test_no_zeros_no_words(self, write):
        intensity = np.ones((1, 4, 40, 40))
        intensity[0, 0, 3, 3] = 0
        m = load(write(**slices(intensity=intensity, **FOUR)))
        assert m.warnings == ()
        assert not m.mask.any()

    def test_on_the_pcsmo_measurement(self, shared):
        """The figures in the text of `zero_gaps`, against the measured gaps; and counts of its size and of a tenth."""
        path = shared("pcsmo/measured.npz")
        m, raw = load(path), npz.read(path, find_gaps=False)
        truth = load(path, mask=shared("pcsmo/detector_gaps.npz")).mask
        zero = raw.intensity == 0
        assert np.mean(m.mask[truth & zero]) == pytest.approx(0.831, abs=0.005)
        assert np.mean(m.mask[truth]) == pytest.approx(0.744, abs=0.005)
        assert np.mean(m.mask[~truth]) == pytest.approx(0.033, abs=0.003)
        assert np.all(zero[m.mask])
        for scale in (1.0, 0.1):
            counts = raw.replace(intensity=np.random.default_rng(0).poisson(raw.intensity * scale))
            assert np.mean(without_gaps(counts).mask[~truth]) < 0.07


class TestWhatOthersWrite:
    @pytest.mark.parametrize("sentinel", [-1e20, -1e30, 1.1e10])
    def test_sentinels_are_masked_and_said(self, write, sentinel):
        intensity = INTENSITY.copy()
        intensity[0, 1, 2, 3] = sentinel
        m = load(write(**slices(intensity=intensity)))
        assert m.mask[1, 2, 3]
        assert m.mask.sum() == 1
        assert "1.0% of the pixels (1) were masked" in m.warnings[0]
        error = np.full(INTENSITY.shape, 0.1)
        error[1, 1, 0, 0] = sentinel
        m = load(write(**slices(error=error)))
        assert m.mask[3, 0, 0]
        assert m.mask.sum() == 1

    def test_sentinels_of_the_packages_own_files(self, slices_map, tmp_path):
        intensity = np.array(slices_map.intensity)
        intensity[0, 0, 0] = -1e30
        m = load(save(slices_map.replace(intensity=intensity), tmp_path / "out.npz"))
        assert m.mask.sum() == slices_map.mask.sum() + 1
        assert "(1) were masked" in m.warnings[0]

    def test_large_numbers_that_are_none_stay(self, write):
        assert not load(write(**slices(intensity=INTENSITY * 9e9))).mask.any()

    def test_what_the_file_masks_needs_no_words(self, write):
        intensity, mask = INTENSITY.copy(), np.zeros(INTENSITY.shape, bool)
        intensity[0, 0, 0, 0], mask[0, 0, 0, 0] = -1e20, True
        assert load(write(**slices(intensity=intensity, mask=mask))).warnings == ()

    @pytest.mark.parametrize("error", [np.zeros(INTENSITY.shape), np.where(np.arange(5) == 0, 1.0, 0.0) * np.ones(INTENSITY.shape)])
    def test_errors_that_are_zero_everywhere_are_none(self, write, error):
        mask = np.zeros(INTENSITY.shape, bool)
        mask[..., 0] = True  # only masked pixels have an error
        assert load(write(**slices(error=error, mask=mask))).error is None
        assert load(write(intensity=np.ones((3, 4)), error=np.zeros((3, 4)), q=[1.0, 2, 3], energy=np.arange(5.0))).error is None

    def test_falling_axes_are_turned_with_their_pixels(self, write):
        error, mask = INTENSITY / 10, np.zeros(INTENSITY.shape, bool)
        mask[0, 0, 0, 1] = True
        plain = load(write(**slices(error=error, mask=mask, q=None, qh=Q, qk=Q + 1)))
        for axes in ((-1, 1), (1, -1), (-1, -1)):
            turn = (..., slice(None, None, axes[0]), slice(None, None, axes[1]))
            momenta = {"q": None, "qh": Q[:: axes[0]], "qk": (Q + 1)[:: axes[1]]}
            m = load(write(**slices(intensity=INTENSITY[turn], error=error[turn], mask=mask[turn], **momenta)))
            m.require_same_axes(plain)
            np.testing.assert_array_equal(m.intensity, plain.intensity)
            np.testing.assert_array_equal(m.error, plain.error)

    def test_falling_axes_of_powder_cut_and_windows(self, write):
        values = np.arange(12.0).reshape(3, 4)
        m = load(write(intensity=values[::-1, ::-1], q=[3.0, 2.0, 1.0], energy=np.arange(5.0)[::-1]))
        np.testing.assert_array_equal(m.intensity, values)
        points = np.outer([0, 0.1, 0.2, 0.3], [1, 0, 0])
        m = load(write(intensity=values[::-1], q_rlu=points, energy=[3.0, 2.0, 1.0]))
        np.testing.assert_array_equal(m.intensity, values.T)
        m = load(write(**slices(energy_edges=[[7.0, 6.0, 5.0], [10.0, 12.0, 14.0]])))
        np.testing.assert_array_equal(m.slices.energy_min, [6, 5, 10, 12])
        np.testing.assert_array_equal(m.intensity, INTENSITY.reshape(4, 5, 5))

    def test_another_material_than_the_users_is_said(self, write):
        path = write(**slices(material="rb2mnf4"))
        m = load(path, material="pcsmo")
        assert m.material == "pcsmo"
        assert m.warnings == ("The file says that it is of rb2mnf4; it is taken for pcsmo, as you asked.",)
        assert load(path, material="rb2mnf4").warnings == ()
        dimer = write(**slices(material="pcsmo-dimer"))
        assert load(dimer, material="pcsmo").warnings == ()  # its family
        assert load(dimer, material="pcsmo-goodenough").warnings != ()

    def test_warnings_are_kept_by_files(self, write, tmp_path):
        m = load(write(**slices(material="rb2mnf4")), material="pcsmo")
        for name in ("out.npz", "out.nxs"):
            assert load(save(m, tmp_path / name)).warnings == m.warnings
        assert "1 warning>" in repr(m)

    @pytest.mark.parametrize(
        "header", [b"{'descr': '<f8', 'shape': (3,", b"{'descr': '<f8', 'fortran_order': False, 'shape': ((3,)}", b"\xff\x00'", b"(((((("]
    )
    def test_a_damaged_header(self, tmp_path, header):
        path = tmp_path / "a.npz"
        with zipfile.ZipFile(path, "w") as archive, archive.open("intensity.npy", "w") as stream:
            stream.write(np.lib.format.magic(1, 0) + (len(header) + 1).to_bytes(2, "little") + header + b"\n")
        with pytest.raises(FileFormatError, match="header of 'intensity' cannot be read"):
            load(path)


class TestMaskArgument:
    def test_file_with_more_incident_energies_in_another_order(self, write):
        gap = np.random.default_rng(2).random((3, 2, 5, 5)) < 0.3
        path = write("gaps.npz", gap=gap, ei=[50.0, 70.0, 25.0], energy_edges=[EDGES[1], [20.0, 22.0, 24.0], EDGES[0]], q=Q)
        m = load(write(**slices()), mask=path)
        np.testing.assert_array_equal(m.mask, np.concatenate([gap[2], gap[0]]))
        assert "masked the pixels of 'gaps.npz'" in m.provenance

    def test_file_without_energy_windows_goes_by_order(self, write):
        gap = np.random.default_rng(2).random((2, 2, 5, 5)) < 0.3
        m = load(write(**slices()), mask=write("gaps.npz", mask=gap, ei=[50.0, 25.0]))
        np.testing.assert_array_equal(m.mask, gap[::-1].reshape(4, 5, 5))

    @pytest.mark.parametrize("narrow", [(5.0, 6.0), (6.0, 7.0)])
    def test_window_of_a_slice_is_that_of_its_mask(self, write, narrow):
        """The wide window begins, or ends, where a narrow one does."""
        gap = np.random.default_rng(2).random((2, 5, 5)) < 0.3
        path = write("gaps.npz", gap=gap, ei=[25.0, 25.0], energy_min=[narrow[0], 5.0], energy_max=[narrow[1], 7.0])
        wide = write(intensity=INTENSITY[0, :1], ei=[25.0], energy_min=[5.0], energy_max=[7.0], q=Q)
        np.testing.assert_array_equal(load(wide, mask=path).mask[0], gap[1])

    def test_array(self, write):
        mask = np.random.default_rng(2).random((4, 5, 5)) < 0.3
        np.testing.assert_array_equal(load(write(**slices()), mask=mask).mask, mask)
        np.testing.assert_array_equal(load(write(**slices()), mask=mask.reshape(2, 2, 5, 5)).mask, mask)

    def test_is_added_to_the_files_own(self, write):
        own, other = np.zeros((2, 4, 5, 5), bool)
        own[0, 0, 0] = other[1, 1, 1] = True
        m = load(write(**slices(mask=own.reshape(2, 2, 5, 5))), mask=other)
        np.testing.assert_array_equal(m.mask, own | other)

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"gap": np.zeros((1, 2, 5, 5), bool), "ei": [25.0], "energy_edges": EDGES[:1]}, "lacks a slice.*Ei 50 meV, 10-12 meV"),
            ({"gap": np.zeros((2, 2, 4, 4), bool), "ei": EI, "energy_edges": EDGES}, r"\(4, 4\) pixels"),
            ({"gap": np.zeros((4, 4), bool)}, r"mask of 'gaps.npz' has the shape \(4, 4\)"),
        ],
    )
    def test_refuses_a_mask_that_does_not_fit(self, write, arrays, message):
        with pytest.raises(MapError, match=message):
            load(write(**slices()), mask=write("gaps.npz", **arrays))

    def test_refuses_what_is_no_mask(self, write, tmp_path):
        path = write(**slices())
        with pytest.raises(MapError, match="one value for each pixel"):
            load(path, mask=np.zeros((7, 7), bool))
        with pytest.raises(FileFormatError, match="neither 'mask' nor 'gap'"):
            load(path, mask=path)
        with pytest.raises(FileFormatError, match="does not exist"):
            load(path, mask=tmp_path / "nowhere.npz")


def test_limit_is_the_documented_one():
    assert _hdf5.MAX_VALUES == 50_000_000
