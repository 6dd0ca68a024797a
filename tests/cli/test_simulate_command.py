"""`insdl simulate` along a path and of a powder: what it draws and writes, and what it refuses."""

import os

import numpy as np
import pytest

import mantid_insdl
from mantid_insdl.cli.options import OptionError, momentum
from mantid_insdl.instrument.ellipsoid import TabulatedResolution
from mantid_insdl.simulation.slices import simulate
from mantid_insdl.simulation.spectra import simulate_cut, simulate_powder

RB = ("simulate", "-m", "rb2mnf4")
CORNERS = "0,0,0 0.5,0.5,0 0.5,0,0 0,0,0"


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def drawn(monkeypatch):
    """The calls of the plotting functions, by name."""
    from mantid_insdl import plotting

    seen = {}
    for name in ("plot_cut", "plot_dispersion", "plot_map"):
        original = getattr(plotting, name)

        def record(*arguments, _name=name, _original=original, **options):
            seen[_name] = (arguments, options)
            return _original(*arguments, **options)

        monkeypatch.setattr(plotting, name, record)
    return seen


def test_warnings_of_the_map_to_be_like_are_said(insdl, tmp_path):
    intensity = np.ones((1, 2, 9, 9))
    intensity[0, 0, 1, 1] = -1e20
    momenta = np.linspace(-1, 1, 9)
    np.savez(tmp_path / "like.npz", intensity=intensity, error=np.ones(intensity.shape), ei=[10.0], energy_edges=[[1.0, 3, 5]], q=momenta)
    result = insdl(*RB, "--like", tmp_path / "like.npz", "-o", tmp_path / "out.npz", "--no-resolution", "-q")
    assert result.exit_code == 0, result.stderr
    assert "insdl: warning: 0.6% of the pixels (1) were masked" in result.stderr
    assert mantid_insdl.load(tmp_path / "out.npz").mask[0, 1, 1]


def test_a_path_without_a_width_is_drawn_as_lines(insdl, tmp_path, drawn):
    plot = tmp_path / "dispersion.png"
    result = insdl(*RB, "--set", "J1=0.65", "--path", CORNERS, "--labels", "G,M,X,G", "--points", 40, "--plot", plot)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == [str(plot)] and is_png(plot) and os.listdir(tmp_path) == ["dispersion.png"]
    lines = drawn["plot_dispersion"][0][0]
    assert [label for _, label in lines.corners] == ["G", "M", "X", "G"] and lines.energies.shape == (40, 2)
    # 4 J1 S - 8 J2 S - 2 D S at X with the published J2 and D
    assert lines.energies[lines.corners[2][0]] == pytest.approx([6.5 - 0.12 + 0.031] * 2)


@pytest.mark.parametrize("ending", ["nxs", "npz"])
def test_a_cut_is_written_and_drawn_under_its_lines(insdl, tmp_path, drawn, ending):
    out, plot = tmp_path / f"cut.{ending}", tmp_path / "cut.png"
    line = [*RB, "--path", CORNERS, "--labels", "G,M,X,G", "--points", 40, "--fwhm", 0.3, "--energy", "0,0.1,8", "-o", out, "--plot", plot]
    result = insdl(*line)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == [str(out), str(plot)] and is_png(plot)
    m = mantid_insdl.load(out)
    expected = simulate_cut(
        "rb2mnf4",
        corners=[[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0], [0, 0, 0]],
        labels=list("GMXG"),
        points=40,
        fwhm=0.3,
        energy=mantid_insdl.Axis("energy", "meV", np.linspace(0, 8, 81), is_edges=True),
    )
    assert m.corners == expected.corners and m.path == pytest.approx(expected.path)
    assert m.intensity == pytest.approx(expected.intensity)
    assert drawn["plot_cut"][1]["dispersion"].corners == m.corners


@pytest.mark.parametrize("ending", ["nxs", "npz"])
def test_a_powder_map_is_written_and_drawn(insdl, tmp_path, ending):
    out, plot = tmp_path / f"powder.{ending}", tmp_path / "powder.png"
    line = [*RB, "--powder", "0.5,0.5,2", "--directions", 20, "--ei", 12, "--kf-ki", "--temperature", 10, "-o", out, "--plot", plot]
    result = insdl(*line)
    assert result.exit_code == 0, result.stderr
    assert is_png(plot) and "Powder average" in result.stderr
    m = mantid_insdl.load(out)
    expected = simulate_powder(
        "rb2mnf4",
        q=mantid_insdl.Axis("q", "1/angstrom", [0.5, 1, 1.5, 2], is_edges=True),
        energy=mantid_insdl.Axis("energy", "meV", np.linspace(0, 10.8, 181), is_edges=True),
        directions=20,
        ei=12.0,
        kf_over_ki=True,
        temperature=10.0,
    )
    assert m.kind == "powder" and m.ei == 12.0 and m.mask.any()
    np.testing.assert_array_equal(m.mask, expected.mask)
    assert m.intensity[~m.mask] == pytest.approx(expected.intensity[~m.mask])


def test_components_instruments_and_twins_reach_the_simulation(insdl, tmp_path, drawn):
    out = tmp_path / "cut.npz"
    along = ["--path", "0.1,0,1/3; 0.4,0.3,1/3", "--points", 5, "--energy", "2,2,40", "--no-twins", "-q"]
    polarised = ["--component", "zz", "--vertical", "0,1,0", "--ei", 60, "--instrument", "merlin", "--kf-ki"]
    result = insdl("simulate", "-m", "pcsmo-goodenough", *along, *polarised, "-o", out)
    assert result.exit_code == 0 and result.stderr == ""
    m = mantid_insdl.load(out)
    assert m.logs["component"] == ("zz", "") and m.path[0].tolist() == pytest.approx([0.1, 0, 1 / 3])
    assert "MERLIN" in m.provenance[1] and "with kf/ki" in m.provenance[1] and "(0.0, 1.0, 0.0)" in m.provenance[1]
    expected = simulate_cut(
        "pcsmo-goodenough",
        corners=[[0.1, 0, 1 / 3], [0.4, 0.3, 1 / 3]],
        points=5,
        energy=m.axes[1],
        ei=60.0,
        instrument="MERLIN",
        kf_over_ki=True,
        twins=False,
        component="zz",
        vertical=(0, 1, 0),
    )
    assert m.intensity[~m.mask] == pytest.approx(expected.intensity[~m.mask])


def test_a_cut_is_averaged_over_the_widths_across_it(insdl, tmp_path):
    out = tmp_path / "cut.npz"
    line = [*RB, "--path", "0.1,0,0 0.4,0,0", "--points", 5, "--fwhm", 0.3, "--energy", "0,0.5,8", "-o", out, "-q"]
    result = insdl(*line, "--across", "0,0.2,0", "--across", "0,0,1/2")
    assert result.exit_code == 0, result.stderr
    m = mantid_insdl.load(out)
    cut = {"corners": [[0.1, 0, 0], [0.4, 0, 0]], "points": 5, "fwhm": 0.3, "energy": m.axes[1]}
    assert m.intensity == pytest.approx(simulate_cut("rb2mnf4", **cut, across=[(0, 0.2, 0), (0, 0, 0.5)]).intensity)
    assert m.intensity != pytest.approx(simulate_cut("rb2mnf4", **cut).intensity, rel=0.1, abs=0.1)


def test_slices_take_temperature_instrument_and_flux_factor(insdl, tmp_path):
    out = tmp_path / "map.npz"
    axes = ["--ei", 10, "--energy", "1,1,7", "--qh", "-1,0.25,1", "--qk", "-1,0.25,1"]
    maps = []
    for options in ([], ["--temperature", 20], ["--kf-ki"], ["--instrument", "MARI"], ["--beam", "1,0,0"]):
        assert insdl(*RB, *axes, *options, "-o", out, "-q").exit_code == 0
        maps.append(mantid_insdl.load(out).intensity)
    plain, warm, counted, other, turned = maps
    assert np.nansum(warm) > 1.01 * np.nansum(plain) > 1.01**2 * np.nansum(counted)
    assert not np.allclose(plain, other, rtol=1e-3, equal_nan=True) and not np.allclose(plain, turned, rtol=1e-3, equal_nan=True)


def test_a_picture_of_slices_needs_no_file(insdl, tmp_path):
    plot = tmp_path / "map.svg"
    result = insdl(*RB, "--ei", 10, "--energy", "3,1,5", "--qh", "-1,0.5,1", "--qk", "-1,0.5,1", "--plot", plot)
    assert result.exit_code == 0 and result.stdout.split() == [str(plot)] and os.listdir(tmp_path) == ["map.svg"]


PATH = ["--path", "0,0,0 0.5,0,0"]
POWDER = ["--powder", "0.5,0.5,2"]
SLICES = ["--ei", 10]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([*PATH, *POWDER], 2, ["--path and --powder"]),
        ([*PATH, "--like", "a.nxs"], 2, ["--path and --like"]),
        ([*POWDER, "--like", "a.nxs"], 2, ["--powder and --like"]),
        ([*PATH, "--qh", "-1,0.1,1"], 2, ["--qh", "slices"]),
        ([*PATH, "--counts", 100], 2, ["--counts", "slices"]),
        ([*POWDER, "--ei", 10, "--background", 1], 2, ["--background", "slices"]),
        ([*PATH, "--ei", 10, "--no-resolution"], 2, ["--no-resolution", "slices"]),
        ([*PATH, "--ei", 10, "--beam", "1,0,0"], 2, ["--beam", "slices"]),
        ([*SLICES, "--fwhm", 1], 2, ["--fwhm", "slices"]),
        ([*SLICES, "--labels", "G,X"], 2, ["--labels", "--path"]),
        ([*SLICES, "--points", 10], 2, ["--points", "--path"]),
        ([*POWDER, "--ei", 10, "--across", "0,1,0"], 2, ["--across", "--path"]),
        ([*PATH, "--across", "0,1,0"], 2, ["--across", "--fwhm"]),
        ([*PATH, "--ei", 10, "--across", "0,1"], 2, ["--across", "h,k,l"]),
        ([*PATH, "--ei", 10, "--across", "0,0,0"], 4, ["across", "zero"]),
        ([*PATH, "--ei", 10, *["--across", "0,1,0"] * 3], 4, ["across", "up to two"]),
        ([*PATH, "--directions", 10], 2, ["--directions", "--powder"]),
        ([*POWDER, "--points", 10, "--ei", 10], 2, ["--points", "--path"]),
        ([*PATH, "--ei", 10, "--ei", 20], 2, ["one --ei"]),
        (["--path", "0,0,0"], 2, ["two corners"]),
        (["--path", "0,0,0 1,0"], 2, ["h,k,l"]),
        (["--path", "0,0,0 1,0,x"], 2, ["h,k,l"]),
        (["--path", "0,0,0 1/0,0,0"], 2, ["h,k,l"]),
        (["--path", "0,0,0 nan,0,0"], 2, ["h,k,l"]),
        (["--path", "0,0,0 0,0,0"], 4, ["equal"]),
        ([*PATH, "--labels", "G"], 2, ["1 names", "2 corners"]),
        ([*PATH, "--points", 10**8], 2, ["--points"]),
        (["--path", "0,0,0 1,0,0 0,0,0", "--points", 2], 2, ["--points"]),
        ([*PATH, "--temperature", 5], 2, ["--temperature", "--fwhm"]),
        ([*PATH, "--intrinsic-fwhm", 0.5], 2, ["--intrinsic-fwhm", "--fwhm"]),
        ([*SLICES, "--intrinsic-fwhm=-0.5"], 2, ["--intrinsic-fwhm", "zero or more"]),
        ([*SLICES, "--intrinsic-fwhm", "0.5,x"], 2, ["--intrinsic-fwhm", "0.2,0.05"]),
        ([*PATH, "--energy", "0,1,8"], 2, ["--energy", "--fwhm"]),
        ([*PATH, "--instrument", "MAPS"], 2, ["--instrument", "--ei"]),
        ([*PATH, "--fwhm", 1], 2, ["energy axis"]),
        ([*PATH, "--fwhm", 0, "--energy", "0,1,8"], 2, ["--fwhm", "positive"]),
        ([*PATH, "--fwhm", "nan", "--energy", "0,1,8"], 2, ["--fwhm", "positive"]),
        ([*PATH, "--fwhm", 1, "--kf-ki", "--energy", "0,1,8"], 2, ["--kf-ki needs --ei"]),
        ([*PATH, "--fwhm", 1, "--ei", 10, "--instrument", "MAPS"], 2, ["--fwhm", "--instrument"]),
        ([*PATH, "--ei", 10, "--energy", "0,1,12"], 4, ["above the incident energy"]),
        ([*POWDER], 2, ["energy width"]),
        (["--powder", "-1,0.5,2", "--ei", 10], 2, ["below zero"]),
        (["--powder", "0.5,0.5", "--ei", 10], 2, ["--powder", "0.1,0.05,4"]),
        ([*SLICES, "--instrument", "NONE"], 2, ["NONE", "MAPS"]),
        (["--ei", 1e5, "--instrument", "LET"], 2, ["LET"]),
        ([*SLICES, "--chopper", "S"], 2, ["--instrument"]),
        ([*SLICES, "--component", "xy"], 2, ["chiral"]),
        ([*SLICES, "--component", "zz"], 2, ["--vertical"]),
        ([*SLICES, "--vertical", "0,1,0"], 2, ["yy or zz"]),
        ([*POWDER, "--ei", 10, "--component", "zz", "--vertical", "0,1,0"], 2, ["single crystal"]),
        ([*PATH, "--component", "zz", "--vertical", "0,0,0"], 4, ["direction"]),
        ([*PATH, "--set", "J1=-1"], 5, ["unstable"]),
    ],
)
def test_refused(insdl, tmp_path, monkeypatch, options, code, words):
    monkeypatch.chdir(tmp_path)
    insdl.refuses(*RB, *options, "--plot", "map.png", "--quiet", code=code, words=words)
    assert os.listdir(tmp_path) == []


def test_nothing_to_write_is_refused(insdl):
    insdl.refuses(*RB, *SLICES, code=2, words=["--output", "--plot"])


def test_lines_alone_have_no_map_to_write(insdl, tmp_path):
    insdl.refuses(*RB, *PATH, "-o", tmp_path / "a.nxs", code=2, words=["--output", "--fwhm"])


@pytest.mark.parametrize(
    ("text", "numbers"), [("0,0,0", (0, 0, 0)), ("-1/3, 2/3,1e-1", (-1 / 3, 2 / 3, 0.1)), (" 1 ,-.5,+2", (1, -0.5, 2))]
)
def test_momenta(text, numbers):
    assert momentum("--path", text) == pytest.approx(numbers)


@pytest.mark.parametrize("text", ["", "1", "1,2", "1,2,3,4", "a,b,c", "inf,0,0", "1,,2"])
def test_no_momenta(text):
    with pytest.raises(OptionError, match="h,k,l"):
        momentum("--path", text)


def test_help_shows_its_defaults(insdl):
    shown = " ".join(insdl("simulate", "--help").stdout.replace("│", " ").split())
    for words in ("-1,0.05,1 by default", "200 by default", "12000 by default", "MAPS by default"):
        assert words in shown


def test_options_of_slices_reach_the_simulation(insdl, tmp_path, monkeypatch):
    from mantid_insdl.simulation import slices as module

    seen = {}

    def record(material, values, **options):
        seen.update(options, material=material.name, values=values)
        return simulate(material, values, **options)

    monkeypatch.setattr(module, "simulate", record)
    axes = ("--qh", "-1,0.5,1", "--qk", "-1,0.25,1")
    result = insdl(
        *RB, "--set", "J1=0.6", "--ei", 20, "--ei", 30, *axes, "--no-twins", "--no-resolution", "--background", 0.25, "--kf-ki",
        "--temperature", 5, "--beam", "1,0,0.5", "--counts", 1000, "--seed", 3, "-o", tmp_path / "out.npz",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    given = {"twins": False, "resolution": False, "background": 0.25, "kf_over_ki": True, "temperature": 5.0, "counts": 1000.0, "seed": 3}
    assert {name: seen[name] for name in given} == given
    assert seen["beam"] == (1, 0, 0.5) and seen["component"] == "perp"
    assert (seen["material"], seen["values"]["J1"]) == ("rb2mnf4", 0.6)
    assert (seen["qh"].size, seen["qk"].size) == (4, 8)
    # by default ten windows from 0.1 Ei to 0.7 Ei
    np.testing.assert_array_equal(seen["slices"].ei, [20] * 10 + [30] * 10)
    np.testing.assert_allclose(seen["slices"].energy_min[[0, 1, 9, 10]], [2, 3.2, 12.8, 3])
    np.testing.assert_allclose(seen["slices"].energy_max[[9, 19]], [14, 21])


def test_energy_of_a_path_ends_by_default_at_nine_tenths_of_the_incident_energy(insdl, tmp_path):
    out = tmp_path / "out.npz"
    assert insdl(*RB, "--path", "0,0,0 0.5,0,0", "--points", 3, "--ei", 20, "-o", out).exit_code == 0
    m = mantid_insdl.load(out)
    np.testing.assert_allclose(m.axes[1].edges, np.linspace(0, 18, 181))


def test_a_table_of_ellipsoids_broadens_the_slices(insdl, tmp_path):
    table, plain, out = tmp_path / "table.npz", tmp_path / "plain.npz", tmp_path / "out.npz"
    grid = {"energy_ei12": [0.0, 12.0], "qh_ei12": [-2.0, 2.0], "qk_ei12": [-2.0, 2.0]}
    np.savez(table, covariance_ei12=np.broadcast_to([2e-3, 0, 0, 2e-3, 0, 0.25], (2, 2, 2, 6)), **grid)
    slices = (*RB, "--ei", 12, "--energy", "1,2,7", "--qh", "-1,0.1,1", "--qk", "-1,0.1,1")
    assert insdl(*slices, "-o", plain).exit_code == 0 and insdl(*slices, "--ellipsoids", table, "-o", out).exit_code == 0
    found = mantid_insdl.load(out)
    here = mantid_insdl.load(plain)
    expected = simulate("rb2mnf4", slices=here.slices, qh=here.axes[0], qk=here.axes[1], resolution=TabulatedResolution.from_file(table))
    np.testing.assert_allclose(found.intensity, expected.intensity)
    assert np.nanstd(found.intensity - here.intensity) > 0.05 * np.nanstd(here.intensity)
    assert "resolution ellipsoids" in found.provenance[0]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--ei", 12, "--instrument", "LET"), 2, "--ellipsoids cannot go with --instrument"),
        (("--ei", 12, "--no-resolution"), 2, "--no-resolution"),
        (("--path", CORNERS), 2, "for constant-energy slices"),
        (("--ei", 12), 3, "cannot read the resolution table"),
    ],
)
def test_ellipsoids_that_cannot_be_used_are_refused(insdl, tmp_path, options, code, words):
    result = insdl(*RB, *options, "--ellipsoids", tmp_path / "none.npz", "-o", tmp_path / "out.npz")
    assert result.exit_code == code and words.lower() in result.stderr.lower()


@pytest.mark.parametrize("kind", ["path", "powder", "slices"])
def test_modes_have_the_width_that_is_given(insdl, tmp_path, kind):
    place = {
        "path": ["--path", "0.1,0,0 0.4,0,0", "--points", 4, "--fwhm", 0, "--energy", "0,0.5,8"],
        "powder": ["--powder", "0.5,0.5,1", "--directions", 20, "--fwhm", 0.2, "--energy", "0,0.5,8"],
        "slices": ["--ei", 12, "--energy", "1,3,7", "--qh", "-0.5,0.25,0.5", "--qk", "-0.5,0.25,0.5"],
    }[kind]
    out = tmp_path / "m.npz"
    assert insdl(*RB, *place, "--intrinsic-fwhm", "0.3,0.05", "-o", out, "-q").exit_code == 0
    m = mantid_insdl.load(out)
    if kind == "path":
        cut = {"corners": [[0.1, 0, 0], [0.4, 0, 0]], "points": 4, "fwhm": 0.0, "energy": m.axes[1]}
        expected = simulate_cut("rb2mnf4", **cut, intrinsic_fwhm=(0.3, 0.05))
    elif kind == "powder":
        expected = simulate_powder("rb2mnf4", q=m.axes[0], energy=m.axes[1], directions=20, fwhm=0.2, intrinsic_fwhm=(0.3, 0.05))
    else:
        expected = simulate("rb2mnf4", slices=m.slices, qh=m.axes[0], qk=m.axes[1], intrinsic_fwhm=(0.3, 0.05))
    assert m.intensity == pytest.approx(expected.intensity, nan_ok=True)
