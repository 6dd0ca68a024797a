"""SaveMD files: dimensions in any order, variances, masks, normalisation, cuts."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from mantid_insdl import load
from mantid_insdl.errors import FileFormatError, MapError, UnitError
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU

H = ("H", np.linspace(-1, 1, 5), "r.l.u.", "HKL", "[H,0,0]")
K = ("K", np.linspace(0, 1, 4), "r.l.u.", "HKL", "[0,K,0]")
L = ("L", np.linspace(-5, 5, 2), "r.l.u.", "HKL", "[0,0,L]")
E = ("DeltaE", np.linspace(5, 15, 3), "meV", "General Frame", "DeltaE")
Q = ("Q", np.linspace(0.5, 3.5, 4), "Angstrom^-1", "General Frame", "|Q|")


@pytest.fixture
def write(tmp_path):
    """Writes a SaveMD file with these dimensions, fastest first as Mantid lists them."""

    def write(*dimensions, normalization=0, logs=None, drop=(), **arrays):
        shape = tuple(d[1].size - 1 for d in reversed(dimensions))
        content = {
            "signal": np.arange(1.0, 1 + np.prod(shape)).reshape(shape),
            "errors_squared": np.full(shape, 4.0),
            "num_events": np.ones(shape),
            "mask": np.zeros(shape, np.int8),
        } | arrays
        path = tmp_path / "test.nxs"
        with h5py.File(path, "w") as file:
            top = file.create_group("MDHistoWorkspace")
            top["visual_normalization"] = np.uint32([normalization])
            data = top.create_group("data")
            for name, value in content.items():
                if name not in drop:
                    data[name] = value
            for name, edges, unit, frame, label in dimensions:
                data[name] = edges
                data[name].attrs["units"] = np.bytes_(unit) if unit else np.array(b"", "S1")
                data[name].attrs["frame"] = np.bytes_(frame)
                data[name].attrs["long_name"] = np.bytes_(label)
            if "signal" not in drop:
                data["signal"].attrs["axes"] = np.bytes_(":".join(d[0] for d in reversed(dimensions)))
            for name, (value, unit) in (logs or {}).items():
                log = top.create_group(f"experiment0/logs/{name}")
                log.attrs["NX_class"] = np.bytes_("NXlog")
                log["value"] = [value]
                log["value"].attrs["units"] = np.bytes_(unit)
        return path

    return write


def test_mantids_own_file_follows_its_formula(mantid_files):
    m = load(mantid_files / "hke_mdhisto.nxs", ei=70)
    assert m.shape == (4, 28, 40)
    assert [(a.name, a.unit, a.is_edges) for a in m.axes] == [("qh", RLU, True), ("qk", RLU, True)]
    np.testing.assert_allclose(m.slices.energy_min, [5, 8, 11, 14])
    np.testing.assert_allclose(m.slices.ei, 70)
    h, k = (a.centres for a in m.axes)
    formula = np.exp(-(h[:, None] ** 2 + k**2) / 0.2) * m.slices.centres[:, None, None] / 10
    np.testing.assert_allclose(m.intensity, formula, rtol=1e-5)  # Mantid keeps the edges of MD bins as float32
    np.testing.assert_allclose(m.error, 0.1 * formula, rtol=1e-5)


@pytest.mark.parametrize("order", [(H, K, E), (E, H, K), (K, E, H)])
def test_dimensions_in_any_order(write, order):
    """Signal h + 10 k + 100 E, whichever dimension is fastest."""
    values = {d[0]: 0.5 * (d[1][1:] + d[1][:-1]) * scale for d, scale in ((H, 1), (K, 10), (E, 100))}
    signal = np.array(0.0)
    for d in reversed(order):
        signal = np.add.outer(signal, values[d[0]])
    m = load(write(*order, signal=signal))
    expected = values["DeltaE"][:, None, None] + values["H"][:, None] + values["K"]
    np.testing.assert_allclose(m.intensity, expected)
    np.testing.assert_allclose(m.slices.energy_max, [10, 15])
    np.testing.assert_allclose(m.error, 2.0)


def test_powder(write):
    m = load(write(Q, E, logs={"Ei": (60.0, "meV")}))
    assert m.kind == "powder"
    assert m.ei == 60.0
    assert [(a.name, a.unit) for a in m.axes] == [("q", PER_ANGSTROM), ("energy", MEV)]
    np.testing.assert_array_equal(m.intensity, np.arange(1.0, 7).reshape(2, 3).T)


def test_integrated_dimensions_are_said(write):
    m = load(write(H, K, L, E))
    assert m.shape == (2, 4, 3)
    assert any("integrated over [0,0,L] from -5 to 5 r.l.u." in line for line in m.provenance)


def test_single_slice(write):
    one = ("DeltaE", np.array([5.0, 8.0]), *E[2:])
    m = load(write(H, K, one))
    assert m.shape == (1, 4, 3)
    assert (m.slices.energy_min[0], m.slices.energy_max[0]) == (5.0, 8.0)


def test_slice_whose_energy_window_is_in_the_logs(write):
    m = load(write(H, K, logs={"energy_min": (5.0, "meV"), "energy_max": (8.0, "meV"), "Ei": (50.0, "meV")}))
    assert m.shape == (1, 4, 3)
    assert m.slices.describe(0) == "Ei 50 meV, 5-8 meV"
    np.testing.assert_array_equal(m.intensity[0], np.arange(1.0, 13).reshape(3, 4).T)


def test_window_that_was_logged_several_times_is_said(write):
    twice = np.array([5.0, 5.0])
    m = load(write(H, K, logs={"energy_min": (twice, "meV"), "energy_max": (8.0, "meV"), "Ei": (np.array([0.0, 0.0, 50.0]), "meV")}))
    assert (m.slices.ei[0], m.slices.energy_min[0]) == (50, 5)
    assert any("energy_min = 5: average of 2 values" in line for line in m.provenance)
    assert any("Ei = 50: average of 1 value" in line for line in m.provenance)
    with pytest.raises(MapError, match="energy_max is not clear"):
        load(write(H, K, logs={"energy_min": (5.0, "meV"), "energy_max": (np.array([8.0, 11.0]), "meV")}))


def test_cut_has_the_momenta_of_its_points(write):
    m = load(write(H, ("K", np.array([0.4, 0.6]), *K[2:]), L, E))
    assert m.kind == "cut"
    assert m.shape == (4, 2)
    np.testing.assert_allclose(m.path, [[h, 0.5, 0.0] for h in (-0.75, -0.25, 0.25, 0.75)])
    assert m.axes[0].label == "[H,0,0]"


class TestProjections:
    """Signal of a formula in (h, k) and E, written along the directions of a projection."""

    EDGES = np.linspace(-1, 1, 41)

    @staticmethod
    def formula(h, k):
        return 2.0 + np.exp(-((h - 0.2) ** 2 + (k + 0.1) ** 2) / 0.1) + 0.5 * h - k

    def along(self, write, first, second, labels, *, at=0.0, third=(0, 0, 1), **arrays):
        centres = 0.5 * (self.EDGES[1:] + self.EDGES[:-1])
        a, b = np.meshgrid(centres, centres)  # the first dimension is the fastest
        h, k = (a * first[i] + b * second[i] + at * third[i] for i in (0, 1))
        signal = np.stack([self.formula(h, k), 3 * self.formula(h, k)])[:, np.newaxis]
        name = "[" + ",".join(f"{x}L" if x else "0" for x in third) + "]"
        dimensions = [(label, self.EDGES, "r.l.u.", "HKL", label) for label in labels]
        return load(write(*dimensions, (name, np.array([at - 0.1, at + 0.1]), "r.l.u.", "HKL", name), E, signal=signal, **arrays))

    @pytest.mark.parametrize(
        ("first", "second", "labels"),
        [
            ((1, 1), (1, -1), ("[H,H,0]", "[H,-H,0]")),
            ((1, 1), (-1, 1), ("[HH0]", "[-HH0]")),
            ((1, 0), (-0.5, 1), ("[H,0,0]", "[-0.5K,K,0]")),
            ((1, 1), (1, -1), ("['zeta', 'zeta', 0]", "['eta', '-eta', 0]")),
        ],
    )
    def test_other_directions_of_the_plane_are_rebinned(self, write, first, second, labels):
        m = self.along(write, first, second, labels)
        assert [a.name for a in m.axes] == ["qh", "qk"]
        assert m.shape[0] == 2
        h, k = np.meshgrid(*(a.centres for a in m.axes), indexing="ij")
        coordinates = np.einsum("ij,jab->iab", np.linalg.inv(np.transpose([first, second])), np.stack([h, k]))
        furthest = np.abs(coordinates).max(axis=0)
        inside = furthest < 0.9
        assert not m.mask[:, inside].any()
        assert m.mask[:, furthest > 1.005].all()  # of a pixel whose centre is outside, less than half is known
        np.testing.assert_allclose(m.intensity[0, inside], self.formula(h, k)[inside], atol=0.05)
        np.testing.assert_allclose(m.intensity[1, inside], 3 * self.formula(h, k)[inside], atol=0.15)
        assert "were re-binned onto [H,0,0] and [0,K,0]" in m.warnings[0]

    def test_intensity_and_variance_of_the_whole_are_kept(self, write):
        """Sum of intensity times area, and a constant error: 4 old pixels of a new one of the same size average to less."""
        m = self.along(write, (1, 1), (1, -1), ("[H,H,0]", "[H,-H,0]"))
        pixel = np.diff(m.axes[0].edges)[0] ** 2
        assert pixel == pytest.approx(2 * 0.05**2)
        h, k = np.meshgrid(*(a.centres for a in m.axes), indexing="ij")
        total = np.nansum(m.intensity[0]) * pixel
        assert total == pytest.approx(np.sum(self.formula(h, k)[~m.mask[0]]) * pixel, rel=0.003)
        error = m.error[0][~m.mask[0]]
        assert np.all((error >= 0.9) & (error <= 2.0))  # of 2.0 each: between a quarter of four pixels and one
        assert np.median(error) == pytest.approx(1.3, abs=0.2)

    def test_gaps_stay_gaps(self, write):
        mask = np.zeros((2, 1, 40, 40), np.int8)
        mask[:, :, 10:20, 10:20] = 1
        m = self.along(write, (1, 1), (1, -1), ("[H,H,0]", "[H,-H,0]"), mask=mask)
        h, k = np.meshgrid(*(a.centres for a in m.axes), indexing="ij")
        a, b = (h + k) / 2, (h - k) / 2
        gone = (a > -0.45) & (a < -0.05) & (b > -0.45) & (b < -0.05)
        assert gone.sum() > 20
        assert m.mask[:, gone].all()

    def test_scaled_and_exchanged_axes_are_exact(self, write):
        m = self.along(write, (0, 2), (-1, 0), ("[0,2K,0]", "[-H,0,0]"))
        np.testing.assert_allclose(m.axes[0].edges, self.EDGES, atol=1e-12)
        np.testing.assert_allclose(m.axes[1].edges, 2 * self.EDGES, atol=1e-12)
        h, k = np.meshgrid(*(a.centres for a in m.axes), indexing="ij")
        np.testing.assert_allclose(m.intensity[0], self.formula(h, k))
        assert m.warnings == ()

    def test_the_integrated_direction_shifts_the_plane(self, write):
        m = self.along(write, (1, 0), (0, 1), ("[H,0,0]", "[0,K,0]"), at=0.4, third=(1, 0, 1))
        h, k = np.meshgrid(*(a.centres for a in m.axes), indexing="ij")
        assert m.axes[0].edges[0] == pytest.approx(-0.6)
        np.testing.assert_allclose(m.intensity[0], self.formula(h, k))

    def test_cut_along_a_diagonal(self, write):
        along = ("[H,H,0]", H[1], "r.l.u.", "HKL", "[H,H,0]")
        across = ("[H,-H,0]", np.array([0.1, 0.3]), "r.l.u.", "HKL", "[H,-H,0]")
        m = load(write(along, across, ("L", np.array([0.5, 1.5]), *L[2:]), E))
        assert m.kind == "cut"
        assert m.axes[0].label == "[H,H,0]"
        np.testing.assert_allclose(m.path, [[x + 0.2, x - 0.2, 1.0] for x in (-0.75, -0.25, 0.25, 0.75)])

    def test_reversed_convention_turns_every_direction(self, write):
        along, across = (("[H,H,0]", H[1]), ("[H,-H,0]", np.array([0.1, 0.3])))
        path = write(*((name, edges, "r.l.u.", "HKL", name) for name, edges in (along, across)), L, E)
        with h5py.File(path, "a") as file:
            file["MDHistoWorkspace"].attrs["QConvention"] = np.bytes_("Crystallography")
        np.testing.assert_allclose(load(path).path[0], [-0.75 - 0.2, -0.75 + 0.2, 0.0])


class TestUnitsAndEdges:
    def test_unit_ids_of_mantid(self, write):
        m = load(write((*Q[:2], "MomentumTransfer", *Q[3:]), (*E[:2], "DeltaE", *E[3:])))
        assert [(a.name, a.unit) for a in m.axes] == [("q", PER_ANGSTROM), ("energy", MEV)]

    @pytest.mark.parametrize("unit", ["MomentumTransfer", "A^-1", "Angstrom^-1"])
    def test_momenta_in_reciprocal_angstrom_by_the_cell_of_the_material(self, write, unit):
        """Rb2MnF4: 4.21 angstrom, so that [H,0,0] is 1.492 and [H,H,0] 2.111 1/angstrom long."""
        path = write((*H[:2], unit, *H[3:]), (*K[:2], unit, *K[3:]), E)
        with pytest.raises(UnitError, match=r"1/angstrom and not r\.l\.u.*no oriented lattice; name the material"):
            load(path)
        m = load(path, material="rb2mnf4")
        np.testing.assert_allclose(m.axes[0].edges, H[1] / (2 * np.pi / 4.21), rtol=1e-4)
        assert m.axes[0].unit == RLU
        assert "momenta brought from 1/angstrom to r.l.u. of the cell of rb2mnf4" in m.provenance
        diagonal = ("[H,H,0]", H[1], unit, "HKL", "[H,H,0]")
        across = ("[H,-H,0]", np.array([-0.1, 0.1]), unit, "HKL", "[H,-H,0]")
        cut = load(write(diagonal, across, L, E), material="rb2mnf4")
        np.testing.assert_allclose(cut.path[-1], np.array([1, 1, 0]) * 0.75 / (2 * np.pi / 4.21 * np.sqrt(2)), rtol=1e-4, atol=1e-12)

    def test_the_cell_of_the_file_goes_before_that_of_the_material(self, write):
        path = write((*H[:2], "A^-1", *H[3:]), (*K[:2], "A^-1", *K[3:]), E)
        with h5py.File(path, "a") as file:
            node = file.create_group("MDHistoWorkspace/experiment0/sample/oriented_lattice")
            for name, value in zip(("a", "b", "c", "alpha", "beta", "gamma"), (np.pi, np.pi / 2, 5, 90, 90, 90), strict=True):
                node[f"unit_cell_{name}"] = [float(value)]
        m = load(path, material="rb2mnf4")
        np.testing.assert_allclose(m.axes[0].edges, H[1] / 2)
        np.testing.assert_allclose(m.axes[1].edges, K[1] / 4)
        with h5py.File(path, "a") as file:
            file["MDHistoWorkspace/experiment0/sample/oriented_lattice/unit_cell_gamma"][0] = 120.0
        with pytest.raises(UnitError, match="not at right angles"):
            load(path)

    def test_wavenumbers_become_mev(self, write):
        m = load(write(H, K, ("DeltaE", E[1], "DeltaE_inWavenumber", *E[3:])))
        np.testing.assert_allclose(m.slices.energy_min, np.array([5, 10]) * 0.12398419843)

    @pytest.mark.parametrize("falling", ["H", "K", "DeltaE"])
    def test_falling_edges_are_turned_with_their_intensities(self, write, falling):
        dimensions = (H, K, E)
        plain = load(write(*dimensions))
        turned = tuple((d[0], d[1][::-1], *d[2:]) if d[0] == falling else d for d in dimensions)
        place = 2 - [d[0] for d in dimensions].index(falling)
        signal = np.flip(np.arange(1.0, 25).reshape(2, 3, 4), place)
        m = load(write(*turned, signal=signal))
        m.require_same_axes(plain)
        np.testing.assert_array_equal(m.intensity, plain.intensity)
        assert any("fall and were turned" in line for line in m.provenance)

    def test_falling_edges_have_a_volume(self, write):
        signal = np.ones((2, 3, 4))
        m = load(write(H, K, (*E[:1], E[1][::-1], *E[2:]), signal=signal, normalization=1))
        assert np.all(m.intensity > 0)

    def test_one_bin_of_anything_is_integrated(self, write):
        m = load(write(H, K, ("Temperature", np.array([1.0, 5.0]), "K", "General Frame", "Temperature"), E))
        assert m.shape == (2, 4, 3)
        assert "integrated over Temperature from 1 to 5 K" in m.provenance

    def test_a_spectrum_at_one_momentum_is_a_cut_of_one_point(self, write):
        one = np.array([0.4, 0.6])
        m = load(write(("H", one, *H[2:]), ("K", one, *K[2:]), L, E))
        assert (m.kind, m.shape) == ("cut", (1, 2))
        np.testing.assert_allclose(m.path, [[0.5, 0.5, 0.0]])

    @pytest.mark.parametrize("sentinel", [-1e20, -1e30, 1e38])
    def test_sentinels_are_masked_and_said(self, write, sentinel):
        signal = np.arange(1.0, 25).reshape(2, 3, 4)
        signal[1, 2, 0] = sentinel
        m = load(write(H, K, E, signal=signal))
        assert m.mask[1, 0, 2]
        assert m.mask.sum() == 1
        assert "4.2% of the pixels (1) were masked" in m.warnings[0]


def test_cut_without_all_three_momenta_has_no_path(write):
    assert load(write(H, E)).path is None


def test_unit_in_reciprocal_angstrom_of_an_hkl_frame_counts_as_rlu(write):
    m = load(write((*H[:2], "in 1.61 A^-1", "HKL", "[H,0,0]"), K, E))
    assert m.axes[0].unit == RLU


def test_mask_and_places_without_events(write):
    mask, events, signal = np.zeros((2, 3, 4), np.int8), np.ones((2, 3, 4)), np.ones((2, 3, 4))
    mask[0, 1, 2] = 1
    events[1, 0, 0] = signal[1, 0, 0] = 0
    m = load(write(H, K, E, mask=mask, num_events=events, signal=signal))
    assert m.mask[0, 2, 1]
    assert m.mask[1, 0, 0]
    assert m.mask.sum() == 2


def test_events_that_nobody_counted_mask_nothing(write):
    assert not load(write(H, K, E, num_events=np.zeros((2, 3, 4)))).mask.any()


def test_normalisation_by_events(write):
    m = load(write(H, K, E, normalization=2, num_events=np.full((2, 3, 4), 4.0), signal=np.full((2, 3, 4), 8.0)))
    np.testing.assert_allclose(m.intensity, 2.0)
    np.testing.assert_allclose(m.error, 0.5)
    assert "signal divided by the number of events" in m.provenance


def test_normalisation_by_volume(write):
    m = load(write(H, K, E, normalization=1, signal=np.ones((2, 3, 4))))
    np.testing.assert_allclose(m.intensity, 1 / (0.5 * (1 / 3) * 5))
    np.testing.assert_allclose(m.error, 2 / (0.5 * (1 / 3) * 5))


def test_dimensions_called_after_their_projection(write):
    """BinMD names dimensions so; Mantid separates them by colons."""
    m = load(write(("[H,0,0]", *H[1:]), ("[0,K,0]", *K[1:]), E))
    assert m.shape == (2, 4, 3)


def test_crystallographic_convention_is_reversed(write):
    path = write(H, K, E)
    plain = load(path)
    with h5py.File(path, "a") as file:
        file["MDHistoWorkspace"].attrs["QConvention"] = np.bytes_("Crystallography")
    m = load(path)
    np.testing.assert_array_equal(m.intensity, plain.intensity[:, ::-1, ::-1])
    np.testing.assert_allclose(m.axes[1].values, [-1, -2 / 3, -1 / 3, 0], atol=1e-12)
    assert any("reversed" in line for line in m.provenance)


def test_no_variance_means_no_errors(write):
    assert load(write(H, K, E, errors_squared=np.zeros((2, 3, 4)))).error is None


@pytest.mark.parametrize(
    ("dimensions", "error", "message"),
    [
        ((H, K), MapError, "energy_min and energy_max are missing"),
        ((H, L, K), MapError, "energy_min and energy_max are missing"),
        ((H, ("L", np.linspace(0, 1, 3), *L[2:])), MapError, "make no map"),
        ((H, K, ("L", np.linspace(0, 1, 3), *L[2:]), E), MapError, r"make no map.*\[0,0,L\] \(2 bins\)"),
        ((H, ("H2", *H[1:]), E), MapError, "two dimensions are the same"),
        ((H, ("L", np.linspace(0, 1, 3), *L[2:]), E), MapError, r"in the plane of H and K, and \[0,0,L\] and \[H,0,0\] leave it"),
        ((H, ("x", H[1], "r.l.u.", "HKL", "[1.00001H,H,0]"), ("[0,K,0]", *K[1:]), E), MapError, "two dimensions are the same"),
        ((H, ("x", K[1], "r.l.u.", "HKL", "[H,0.0001H,0]"), E), MapError, "nearly parallel"),
        ((("x", H[1], "r.l.u.", "HKL", "[H,H,0]"), ("y", 1e51 * K[1], "r.l.u.", "HKL", "[H,-H,0]"), E), MapError, "nearly parallel"),
        (
            (("x", H[1], "m", "General Frame", "Length"), K, E),
            MapError,
            "Length.*none this package knows.*integrate over it, or project onto",
        ),
        (((*H[:2], "", "HKL", "H"), K, E), UnitError, "no unit"),
        ((H, K, (*E[:2], "eV", *E[3:])), UnitError, "eV"),
        (((*Q[:2], "r.l.u.", *Q[3:]), E), UnitError, "not 1/angstrom"),
        ((H, K, ("DeltaE", np.array([5.0, 4.0, 4.5]), *E[2:])), MapError, "neither rise nor fall"),
    ],
)
def test_refuses_what_is_no_map(write, dimensions, error, message):
    with pytest.raises(error, match=message):
        load(write(*dimensions))


@pytest.mark.parametrize("missing", ["signal", "errors_squared"])
def test_names_what_is_missing(write, missing):
    with pytest.raises(FileFormatError, match=missing):
        load(write(H, K, E, drop=(missing,)))


def test_refuses_contradictions(write):
    with pytest.raises(FileFormatError, match="contradicts itself"):
        load(write(H, K, E, num_events=np.ones((3, 4))))
    with pytest.raises(MapError, match="negative variances"):
        load(write(H, K, E, errors_squared=np.full((2, 3, 4), -1.0)))
    with pytest.raises(MapError, match="infinite"):
        load(write(H, K, E, signal=np.full((2, 3, 4), np.inf)))


def test_refuses_axes_that_are_not_named(write):
    path = write(H, K, E)
    with h5py.File(path, "a") as file:
        del file["MDHistoWorkspace/data/signal"].attrs["axes"]
    with pytest.raises(FileFormatError, match="does not name its dimensions"):
        load(path)


def test_contradicting_incident_energy(write):
    with pytest.raises(MapError, match="60 meV and you gave 50 meV"):
        load(write(H, K, E, logs={"Ei": (60.0, "meV")}), ei=50)
