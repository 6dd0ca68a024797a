"""NXSPE: reading, masks, ki/kf, and the rebinning onto |Q|-E against Mantid's own SofQW3 of the same data."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mantid_insdl import load
from mantid_insdl.errors import FileFormatError, MapError
from mantid_insdl.files import nxspe, qe_rebin
from mantid_insdl.files.qe_rebin import default_q_edges, momentum_transfer, rebin

EDGES = np.linspace(-5, 20, 6)


@pytest.fixture
def write(tmp_path):
    """Writes an NXSPE file of 4 detectors and 5 energy bins; keywords replace or (None) remove its parts."""

    def write(**changes):
        parts = {
            "NXSPE_info/fixed_energy": [30.0],
            "NXSPE_info/ki_over_kf_scaling": np.int32([1]),
            "NXSPE_info/psi": [12.0],
            "instrument/name": np.bytes_(["MARI"]),
            "data/energy": EDGES,
            "data/data": np.full((4, 5), 2.0),
            "data/error": np.full((4, 5), 0.1),
            "data/polar": [20.0, 40.0, 60.0, 80.0],
            "data/polar_width": [20.0] * 4,
            "definition": np.bytes_(["NXSPE"]),
        } | changes
        path = tmp_path / "test.nxspe"
        with h5py.File(path, "w") as file:
            for name, value in parts.items():
                if value is not None:
                    file[f"run/{name}"] = value
        return path

    return write


class TestReading:
    def test_constant_intensity_stays_constant(self, write):
        m = load(write())
        assert m.kind == "powder"
        assert m.ei == 30.0
        assert m.axes[0].is_edges
        np.testing.assert_array_equal(m.axes[1].values, EDGES)
        np.testing.assert_allclose(m.intensity[~m.mask], 2.0)
        # of a bin of energy that is seen which the four detectors, side by side from 10 to 90 degrees, reach at one of its edges
        angles, q = np.radians([10.0, 90.0]), m.axes[0].edges
        reach = np.array([[momentum_transfer(30.0, e, angle) for e in EDGES] for angle in angles])
        low, high = (np.array([f(pair) for pair in itertools.pairwise(one)]) for f, one in zip((min, max), reach, strict=True))
        np.testing.assert_array_equal(m.mask, (q[1:, None] <= low) | (q[:-1, None] >= high))
        assert 0.05 < m.masked_fraction < 0.2
        assert m.logs["psi"] == (12.0, "degree")
        assert m.logs["instrument"] == ("MARI", "")

    def test_ki_over_kf_is_applied_once(self, write):
        done = load(write())
        assert "ki/kf scaling already applied in the file" in done.provenance
        path = write(**{"NXSPE_info/ki_over_kf_scaling": np.int32([0])})
        m = load(path)
        assert "ki/kf scaling applied by this package" in m.provenance
        factor = np.sqrt(30.0 / (30.0 - m.axes[1].centres))
        np.testing.assert_allclose(m.intensity / done.intensity, np.broadcast_to(factor, m.shape) * np.where(m.mask, np.nan, 1))
        np.testing.assert_allclose(m.error / done.error, np.broadcast_to(factor, m.shape) * np.where(m.mask, np.nan, 1))

    def test_unknown_scaling_leaves_the_intensity(self, write):
        m = load(write(**{"NXSPE_info/ki_over_kf_scaling": None}))
        np.testing.assert_array_equal(m.intensity, load(write()).intensity)
        assert any("does not say whether ki/kf" in line for line in m.provenance)

    @pytest.mark.parametrize("flag", [np.nan, -1e30])
    def test_masked_spectra_and_bins_do_not_contribute(self, write, flag):
        data = np.full((4, 5), 2.0)
        data[1] = flag
        data[2, 2] = flag
        data[3] = 4.0
        m = load(write(**{"data/data": data, "data/error": np.where(data == flag, 0.0, 0.1)}))
        assert m.intensity[~m.mask].min() == pytest.approx(2.0)
        assert m.intensity[~m.mask].max() == pytest.approx(4.0)
        q = momentum_transfer(30.0, np.array(0.0), np.radians([40.0, 60.0]))
        seen = [not m.mask[np.searchsorted(m.axes[0].edges, one) - 1, 1] for one in q]  # the bin of zero energy transfer
        assert seen == [False, True]
        assert any("3 of 4 spectra" in line and "(1 masked" in line for line in m.provenance)

    @pytest.mark.parametrize("flag", [-1e30, 1e20])
    def test_sentinels_in_a_spectrum_are_said(self, write, flag):
        """A whole spectrum of them is a masked detector, as LoadNXSPE has it, and needs no words."""
        data = np.full((4, 5), 2.0)
        data[1] = flag
        assert load(write(**{"data/data": data})).warnings == ()
        data[2, 2] = flag
        m = load(write(**{"data/data": data}))
        np.testing.assert_allclose(m.intensity[~m.mask], 2.0)
        assert "(1) were masked" in m.warnings[0]

    def test_spectra_without_a_detector_do_not_contribute(self, write):
        data, error = np.full((4, 5), 2.0), np.full((4, 5), 0.1)
        data[0] = error[0] = 0
        m = load(write(**{"data/data": data, "data/error": error}))
        np.testing.assert_allclose(m.intensity[~m.mask], 2.0)

    def test_detectors_without_a_width_take_the_median(self, write):
        m = load(write(**{"data/polar_width": [20.0, 0.0, np.nan, 20.0]}))
        np.testing.assert_array_equal(m.intensity, load(write()).intensity)
        assert any("2 detectors without an angular width" in line for line in m.provenance)
        with pytest.raises(MapError, match="no angular width"):
            load(write(**{"data/polar_width": [0.0] * 4}))

    def test_sign_of_the_scattering_angle_does_not_matter(self, write):
        m = load(write(**{"data/polar": [-20.0, 40.0, -60.0, 80.0]}))
        np.testing.assert_array_equal(m.intensity, load(write()).intensity)

    def test_energy_points_are_taken_as_bin_centres(self, write):
        m = load(write(**{"data/energy": 0.5 * (EDGES[1:] + EDGES[:-1])}))
        np.testing.assert_allclose(m.axes[1].edges, EDGES)

    def test_energies_above_the_incident_one_are_masked(self, write):
        m = load(write(**{"NXSPE_info/fixed_energy": [18.0]}))
        assert m.mask[:, -1].all()
        assert not m.mask[:, -2].all()

    def test_given_q_edges(self, write):
        m = nxspe.read(write(), q_edges=np.array([1.0, 2.0, 3.0]))
        assert m.shape == (2, 5)

    def test_missing_incident_energy_can_be_given(self, write):
        path = write(**{"NXSPE_info/fixed_energy": [np.nan]})
        with pytest.raises(MapError, match=r"no incident energy.*ei="):
            load(path)
        assert load(path, ei=30).ei == 30.0

    def test_refuses_a_contradicting_incident_energy(self, write):
        with pytest.raises(MapError, match="30 meV and you gave 40 meV"):
            load(write(), ei=40)

    def test_refuses_indirect_geometry(self, write):
        with pytest.raises(MapError, match="indirect"):
            load(write(**{"NXSPE_info/fixed_energy": [3.0, 3.1]}))

    @pytest.mark.parametrize("missing", ["data/data", "data/error", "data/energy", "data/polar", "data/polar_width"])
    def test_names_what_is_missing(self, write, missing):
        with pytest.raises(FileFormatError, match=missing):
            load(write(**{missing: None}))

    @pytest.mark.parametrize("name", ["data/error", "data/energy", "data/polar", "data/polar_width"])
    def test_refuses_shapes_that_do_not_fit(self, write, name):
        value = np.ones((3, 5)) if name == "data/error" else np.arange(1.0, 10.0)
        with pytest.raises(FileFormatError, match="contradicts itself"):
            load(write(**{name: value}))

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
    def test_refuses_bad_errors(self, write, bad):
        with pytest.raises(MapError, match="errors"):
            load(write(**{"data/error": np.full((4, 5), bad)}))

    def test_refuses_a_file_without_a_usable_spectrum(self, write):
        with pytest.raises(MapError, match="no spectrum is usable"):
            load(write(**{"data/data": np.full((4, 5), np.nan)}))


def summed_strips(low, high, e0, e1, q_edges, ei):
    """Fractions of one detector's quadrilateral in q bins, from many thin strips of constant energy."""
    x = (np.arange(4000) + 0.5) / 4000
    corner = [[momentum_transfer(ei, np.array(e), np.array(a)) for e in (e0, e1)] for a in (low, high)]
    bottom, top = (c[0] + (c[1] - c[0]) * x for c in corner)
    inside = np.clip(np.minimum(top, q_edges[1:, None]) - np.maximum(bottom, q_edges[:-1, None]), 0, None)
    return inside.sum(axis=1) / (top - bottom).sum()


class TestRebinning:
    @settings(max_examples=60, deadline=None)
    @given(angle=st.floats(0.1, 2.5), width=st.floats(0.01, 0.5), low=st.floats(-20, 25), step=st.floats(0.5, 4))
    def test_fractions_are_overlaps_of_areas(self, angle, width, low, step):
        q_edges = np.linspace(0, 10, 41)
        edges = np.array([low, low + step])
        _, _, area = rebin(
            np.ones((1, 1)),
            np.ones((1, 1)),
            ei=30.0,
            energy_edges=edges,
            two_theta=np.array([angle]),
            two_theta_width=np.array([width]),
            q_edges=q_edges,
        )
        expected = summed_strips(max(angle - width / 2, 0), angle + width / 2, *edges, q_edges, 30.0)
        np.testing.assert_allclose(area[:, 0], expected, atol=1e-4)
        assert area.sum() == pytest.approx(1.0)

    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 10**6), bins=st.integers(1, 60))
    def test_conserves_signal_and_variance_for_any_q_bins(self, seed, bins):
        rng = np.random.default_rng(seed)
        intensity, error = rng.normal(0, 5, (20, 7)), rng.random((20, 7))
        q_edges = np.concatenate(([0.0], np.sort(rng.uniform(0.1, 9.9, bins - 1)), [10.0]))
        mean, sigma, area = rebin(
            intensity,
            error,
            ei=30.0,
            energy_edges=np.linspace(-5, 29, 8),
            two_theta=rng.uniform(0.05, 2.8, 20),
            two_theta_width=rng.uniform(0.005, 0.1, 20),
            q_edges=q_edges,
        )
        assert np.nansum(mean * area) == pytest.approx(intensity.sum(), abs=1e-8)
        assert np.nansum((sigma * area) ** 2) == pytest.approx((error**2).sum())
        np.testing.assert_array_equal(np.isnan(mean), area == 0)

    def test_momentum_transfer_elastic_and_at_the_limit(self):
        assert momentum_transfer(20.0, np.array(0.0), np.array(np.pi)) == pytest.approx(2 * np.sqrt(20 / 2.0721))
        assert momentum_transfer(20.0, np.array(20.0), np.array(1.0)) == pytest.approx(np.sqrt(20 / 2.0721))
        assert np.isnan(momentum_transfer(20.0, np.array(20.1), np.array(1.0)))

    def test_default_bins_cover_every_detector(self):
        angles, widths = np.radians([10.0, 100.0]), np.radians([1.0, 1.0])
        edges = default_q_edges(50.0, np.linspace(-10, 45, 12), angles, widths)
        assert 50 <= edges.size - 1 <= 400
        _, _, area = rebin(
            np.ones((2, 11)),
            np.ones((2, 11)),
            ei=50.0,
            energy_edges=np.linspace(-10, 45, 12),
            two_theta=angles,
            two_theta_width=widths,
            q_edges=edges,
        )
        assert area.sum() == pytest.approx(22.0)

    def test_default_bins_need_an_energy_below_the_incident_one(self):
        with pytest.raises(MapError, match="below the incident energy"):
            default_q_edges(5.0, np.array([10.0, 11.0]), np.array([0.5]), np.array([0.01]))


class TestAgainstMantid:
    """`mari_sofqw3.nxs` is SofQW3 of the workspace that was saved as `mari_ei50.nxspe`."""

    def test_same_numbers_from_the_same_angular_widths(self, mantid_files, monkeypatch):
        """With the widths and the neutron's constant that SofQW3 uses, area, intensity and error are the same.

        Mantid's minMaxTheta takes twice the angle between the top of a detector and its centre, of the detector with the
        *index* of the spectrum; three monitors come first in MARI, so every spectrum gets the width of the third one before it.
        """
        monkeypatch.setattr(qe_rebin, "MEV_ANGSTROM2", 2.0721249)
        theirs = load(mantid_files / "mari_sofqw3.nxs")
        with h5py.File(mantid_files / "mari_sofqw3.nxs") as file:
            area = file["mantid_workspace_1/workspace/frac_area"][()]
            xml = ET.fromstring(file["mantid_workspace_1/instrument/instrument_xml/data"][0])
        with h5py.File(mantid_files / "mari_ei50.nxspe") as file:
            data = {name: file[f"mari/data/{name}"][()] for name in ("data", "error", "energy", "polar", "azimuthal")}
        polar = np.radians(data["polar"])
        widths = np.roll(_widths_of_mari(xml, polar, np.radians(data["azimuthal"])), 3)
        widths[:3] = 2 * np.arctan(0.025 / np.array([4.739, 1.442, 5.82]))  # the monitors
        mean, sigma, ours = rebin(
            data["data"],
            data["error"],
            ei=50.0,
            energy_edges=data["energy"],
            two_theta=polar,
            two_theta_width=widths,
            q_edges=theirs.axes[0].values,
        )
        np.testing.assert_array_equal(np.isnan(mean), theirs.mask)
        np.testing.assert_allclose(ours, area, atol=1e-5 * area.max())
        good = ~theirs.mask
        difference = np.abs(mean - theirs.intensity)[good]
        assert difference.max() < 1e-3  # intensities are 0.5 to 10
        assert np.percentile(difference, 99) < 3e-5
        np.testing.assert_allclose(sigma[good], theirs.error[good], rtol=0.003)

    def test_reading_the_nxspe_agrees_with_sofqw3(self, mantid_files):
        """With the file's own angular widths, which include the tubes' diameter: on the flanks of the dispersion that these energies
        show, 90 % of the pixels within 1 % of the peak (10), 99 % within 5.5 %, and 98.2 % of the mask the same.
        """
        theirs = load(mantid_files / "mari_sofqw3.nxs")
        ours = nxspe.read(mantid_files / "mari_ei50.nxspe", q_edges=theirs.axes[0].values)
        both = ~ours.mask & ~theirs.mask
        assert np.mean(ours.mask == theirs.mask) > 0.98
        difference = np.abs(ours.intensity - theirs.intensity)[both]
        assert np.median(difference) < 0.01
        assert np.percentile(difference, 90) < 0.1
        assert np.percentile(difference, 99) < 0.55

    def test_reading_the_nxspe_follows_the_formula(self, mantid_files):
        m = load(mantid_files / "mari_ei50.nxspe")
        assert any("908 of 918 spectra" in line and "(10 masked" in line for line in m.provenance)
        assert "ki/kf scaling already applied in the file" in m.provenance
        q, energy = m.axes[0].centres, m.axes[1].centres
        formula = 10 * np.exp(-((energy - 8 * np.abs(np.sin(np.pi * q[:, None] / 3))) ** 2) / (2 * 1.5**2)) + 0.5
        assert np.median(np.abs(m.intensity - formula)[~m.mask]) < 0.01
        assert np.percentile(np.abs(m.intensity - formula)[~m.mask], 90) < 0.2  # bins against their centres, on the flanks


def _widths_of_mari(xml: ET.Element, polar: np.ndarray, azimuthal: np.ndarray) -> np.ndarray:
    """Twice the angle between each tube's top and its centre, from MARI's instrument definition, in the order of the spectra."""
    space = xml.tag[: xml.tag.index("}") + 1]
    half_length = {"small He3 element": 0.1, "tall He3 element": 0.15}
    tubes = [
        (half_length[component.get("type")], *(float(location.get(key)) for key in ("r", "t", "p", "rot")))
        for component in xml.iter(f"{space}component")
        if component.get("type") in half_length
        for location in component.iter(f"{space}location")
    ]
    half, r, t, p, turn = np.array(tubes).T
    t, p, turn = np.radians(t), np.radians(p), np.radians(turn)
    direction = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], axis=1)
    top = r[:, None] * direction + half[:, None] * np.stack([-np.sin(turn), np.cos(turn), 0 * turn], axis=1)
    width = 2 * np.abs(np.arccos(top[:, 2] / np.linalg.norm(top, axis=1)) - t)
    spectra = np.stack([np.sin(polar) * np.cos(azimuthal), np.sin(polar) * np.sin(azimuthal), np.cos(polar)], axis=1)
    return width[np.argmax(spectra @ direction.T, axis=1)]
