"""Energy widths of the chopper spectrometers, their settings and their files."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mantid_insdl.errors import InsdlError
from mantid_insdl.instrument import resolution
from mantid_insdl.instrument.chopper_width import best_frequency, fermi_variance, tube_depth_variance
from mantid_insdl.instrument.resolution import FWHM_TO_SIGMA, instrument_names, load_instrument
from mantid_insdl.instrument.specification import FermiPackage, read_spectrometer

TABLE = Path(__file__).parents[2] / "../shared/data/pcsmo/resolution.npz"
FILES = Path(resolution.__file__).parent

RESINS = [
    # (instrument, chopper, Hz, Ei, FWHM at E = 0, Ei / 2 and 0.9 Ei) from ResINS 0.1.0: the grid of its model PyChop_fit before the
    # polynomial fit, E = 2 E2V sqrt(Ef^3 t^2) / x2; for LET with the pulse remover at half the frequency
    ("MAPS", "A", 400, 100, (2.832852, 2.31127, 2.079521)),
    ("MAPS", "B", 300, 50, (1.372068, 1.027641, 0.8836861)),
    ("MAPS", "S", 200, 70, (3.728463, 2.288233, 1.633289)),
    ("MAPS", "S", 600, 1000, (65.36792, 38.6076, 25.99754)),
    ("MARI", "A", 600, 300, (6.515988, 4.474242, 3.604313)),
    ("MARI", "C", 250, 60, (1.362781, 0.8353223, 0.6108531)),
    ("MARI", "G", 400, 25, (0.5478614, 0.3852649, 0.3159826)),
    ("MARI", "S", 150, 15, (0.5714966, 0.3425139, 0.2428119)),
    ("MERLIN", "G", 300, 120, (8.258639, 4.516808, 2.884187)),
    ("MERLIN", "S", 250, 30, (1.442097, 0.776233, 0.4856481)),
    ("MERLIN", "S", 600, 600, (50.9566, 26.96873, 16.33709)),
    ("LET", "High Flux", 240, 3.7, (0.08079913, 0.04694996, 0.03330862)),
    ("LET", "Intermediate", 200, 12, (0.3922926, 0.1960064, 0.1080967)),
    ("LET", "High Resolution", 280, 1.5, (0.01548699, 0.01043372, 0.008399127)),
]


@pytest.mark.parametrize(("name", "chopper", "frequency", "ei", "expected"), RESINS)
def test_widths_against_resins(name, chopper, frequency, ei, expected):
    widths = load_instrument(name, chopper=chopper, frequency=frequency).fwhm(ei, np.array([0, 0.5, 0.9]) * ei)
    assert widths == pytest.approx(expected, rel=4e-4)


def test_default_of_maps_is_the_width_the_shipped_networks_know():
    energy = np.linspace(-20, 60, 50)
    for instrument in (load_instrument(), load_instrument("maps"), load_instrument("MAPS", chopper="PCSMO")):
        left = np.maximum(1 - energy / 50, 0)
        assert instrument.sigma(50.0, energy) == pytest.approx(FWHM_TO_SIGMA * 50.0 * (0.0285 + 0.0199 * left**1.5), rel=1e-14)
    assert load_instrument("MAPS").fwhm(100.0) == pytest.approx(4.84)


def _table(ei):
    with np.load(TABLE) as table:
        energy = table[f"energy_ei{ei}"]
        sigma = np.sqrt(np.nanmedian(table[f"covariance_ei{ei}"][..., 5], axis=(1, 2)))
    used = (energy > 0) & (energy < 0.8 * ei) & np.isfinite(sigma)
    return energy[used], sigma[used]


@pytest.mark.skipif(not TABLE.exists(), reason="the published resolution table is not at ../shared/data/pcsmo")
@pytest.mark.parametrize("ei", [25, 35, 50, 70, 100, 140])
def test_fitted_width_of_maps_against_the_published_table(ei):
    energy, sigma = _table(ei)
    ratio = load_instrument("MAPS").sigma(ei, energy) / sigma
    assert ratio.min() > 0.82 and ratio.max() < 1.24


@pytest.mark.skipif(not TABLE.exists(), reason="the published resolution table is not at ../shared/data/pcsmo")
@pytest.mark.parametrize(("ei", "frequency"), [(25, 150), (35, 150), (50, 150), (70, 200), (100, 200), (140, 300)])
def test_sloppy_chopper_of_maps_against_the_published_table(ei, frequency):
    # the frequencies of the experiment are not known: these are the nearest of package S
    energy, sigma = _table(ei)
    ratio = load_instrument("MAPS", chopper="S", frequency=frequency).sigma(ei, energy) / sigma
    assert ratio.min() > 0.80 and ratio.max() < 1.13


def test_names():
    assert instrument_names() == ["LET", "MAPS", "MARI", "MERLIN"]


@pytest.mark.parametrize("name", ["LET", "MAPS", "MARI", "MERLIN"])
def test_every_setting_has_widths_and_a_line_of_words(name):
    for chopper in load_instrument(name).specification.choppers:
        instrument = load_instrument(name, chopper=chopper)
        low, high = instrument.ei_range
        for ei in np.geomspace(max(low, 0.5), high, 12):
            widths = instrument.fwhm(ei, np.linspace(-0.5, 1, 31) * ei)
            assert np.all(widths > 0) and np.all(np.diff(widths) < 0)
            assert widths[10] < 0.16 * ei
        assert instrument.describe().startswith(f"{name}, ") and chopper in instrument.describe()
        assert instrument.name == name and instrument.sources


@given(st.sampled_from(["MAPS", "MARI", "MERLIN"]), st.floats(20.0, 900.0), st.floats(-1.0, 1.0))
def test_faster_choppers_are_sharper(name, ei, fraction):
    instrument = load_instrument(name, chopper="S")
    package = instrument.specification.fermi.package("S")
    best = best_frequency(instrument.specification.fermi, package, ei)
    if best >= 100:
        slower = load_instrument(name, chopper="S", frequency=best - 50)
        assert instrument.sigma(ei, fraction * ei) < slower.sigma(ei, fraction * ei)


@given(st.lists(st.sampled_from([20.0, 50.0, 80.0]), min_size=1, max_size=6))
def test_arrays_of_incident_energies(eis):
    for instrument in (load_instrument("MAPS"), load_instrument("MARI")):
        energy = np.linspace(0, 15, 4)
        together = instrument.sigma(np.array(eis)[:, None], energy)
        assert together == pytest.approx(np.array([instrument.sigma(one, energy) for one in eis]))


@pytest.mark.parametrize("name", ["LET", "MARI", "MAPS"])
def test_modes_beyond_the_incident_energy_do_not_disturb_inner_loops(name):
    instrument = load_instrument(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert instrument.sigma(20.0, np.array([20.0, 35.0])).tolist() == [instrument.sigma(20.0, 20.0)] * 2


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"name": "nimrod"}, "LET, MAPS, MARI, MERLIN"),
        ({"name": "MARI", "chopper": "X"}, "A, B, C, G, R, S"),
        ({"name": "LET", "chopper": "S"}, "high-flux, intermediate, high-resolution"),
        ({"name": "MERLIN", "frequency": 620}, "50 to 600 Hz in steps of 50"),
        ({"name": "MERLIN", "frequency": 75}, "50 to 600 Hz in steps of 50"),
        ({"name": "LET", "frequency": 0}, "10 to 300 Hz in steps of 10"),
        ({"name": "MAPS", "frequency": 400}, "A, B, S"),
    ],
)
def test_settings_that_do_not_exist(keywords, words):
    with pytest.raises(InsdlError, match=words):
        load_instrument(**keywords)


@pytest.mark.parametrize(
    ("keywords", "ei", "energy", "words"),
    [
        ({"name": "LET"}, 40.0, 0.0, "0 to 30 meV"),
        ({"name": "LET"}, 0.0, 0.0, "0 to 30 meV"),
        ({"name": "MARI"}, np.array([20.0, np.nan]), 0.0, "Ei = nan"),
        ({"name": "MERLIN", "chopper": "G"}, 300.0, 0.0, "7 to 181 meV"),
        ({"name": "MAPS"}, 50.0, 51.0, "above the incident energy"),
        ({"name": "MAPS"}, 10.0, 1.0, "15 to 2000 meV"),
        ({"name": "MAPS", "chopper": "A", "frequency": 600}, 20.0, 1.0, "no neutrons of 20 meV through at 600 Hz"),
    ],
)
def test_what_cannot_be_measured(keywords, ei, energy, words):
    with pytest.raises(InsdlError, match=words):
        load_instrument(**keywords).fwhm(ei, energy)


def test_default_frequency_transmits():
    instrument = load_instrument("MARI", chopper="S")
    # slits of radius rho fit neutrons of velocity v at the frequency v / (4 pi rho), 189 Hz here: above it by less than one mismatch
    assert best_frequency(instrument.specification.fermi, instrument.specification.fermi.package("S"), 50.0) == 300
    assert instrument.sigma(50.0, 10.0) == load_instrument("MARI", chopper="S", frequency=300).sigma(50.0, 10.0)


def test_opening_of_a_fermi_chopper_against_its_geometry():
    """A Monte Carlo of straight paths through one curved slit (parabola) in the frame that turns with it."""
    package = FermiPackage(name="test", slit=2e-3, slat=0.5e-3, radius=0.05, curvature=1.0)
    rng = np.random.default_rng(4)
    for frequency, velocity in ((100.0, 1256.0), (300.0, 3000.0), (200.0, 1600.0)):
        omega, r, p = 2 * np.pi * frequency, package.radius, package.slit
        # at time t a ray that crosses the middle at offset a moves along the slit: a + omega t x - bend x^2 / 2, between -p / 2 and p / 2
        bend = 2 * omega / velocity - 1 / package.curvature
        span = 1.2 * (p / (2 * r) + 0.5 * abs(bend) * r) / omega
        a = rng.uniform(-p, p, 200_000)
        t = rng.uniform(-span, span, a.size)
        x = np.linspace(-r, r, 101)
        low, high = np.full(a.size, np.inf), np.full(a.size, -np.inf)
        for one in x:
            offset = a + omega * t * one - 0.5 * bend * one**2
            low, high = np.minimum(low, offset), np.maximum(high, offset)
        through = (low > -p / 2) & (high < p / 2)
        assert through.sum() > 10_000
        assert fermi_variance(package, frequency, velocity) == pytest.approx(t[through].var(), rel=0.02)


def test_absorption_depth_of_a_tube():
    inner = 0.5 * 0.025 * (1 - 0.063)
    fast, slow = tube_depth_variance(0.025, np.array([1e4, 1e-2]))
    # weak absorption: evenly in the disk, r^2 / 4; strong: at the front, -sqrt(r^2 - y^2), with variance r^2 (2 / 3 - pi^2 / 16)
    assert fast == pytest.approx(inner**2 / 4, rel=2e-3)
    assert slow == pytest.approx(inner**2 * (2 / 3 - np.pi**2 / 16), rel=1e-2)


def _write(tmp_path, change):
    data = yaml.safe_load((FILES / "mari.yaml").read_text())
    change(data)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("moderator"), "moderator: Field required"),
        (lambda d: d.update(colour="red"), "colour"),
        (lambda d: d["flight_path"].update(chopper_to_sample=-1.0), "flight_path.chopper_to_sample"),
        (lambda d: d["moderator"]["wavelength"].pop(), "one wavelength"),
        (lambda d: d.update(default_chopper="Q"), "none of A, B, C"),
        (lambda d: d.pop("fermi"), "either fermi or disks"),
        (lambda d: d.pop("sample"), "needs the sample"),
        (lambda d: d["fermi"]["packages"].append(d["fermi"]["packages"][0]), "same name"),
        (lambda d: d["moderator"]["analytic_pulse"].update(broadened_below=10.0), "belong together"),
        (lambda d: d.update(ei_range=[10.0, 5.0]), "does not rise"),
        (lambda d: d.update(sources=[]), "sources"),
        (lambda d: d["flux"]["wavelength"].pop(), "one wavelength"),
        (lambda d: d["flux"].update(slot=0.02), "behind disks"),
    ],
)
def test_wrong_instrument_file_is_told_where(tmp_path, change, words):
    with pytest.raises(InsdlError, match=words):
        read_spectrometer(_write(tmp_path, change))


def test_file_that_is_no_yaml(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("name: [")
    with pytest.raises(InsdlError, match=r"instrument file 'x\.yaml'"):
        read_spectrometer(path)
