"""Maps of magnets the order of which follows their parameters: each is that of a magnet with that order, fixed."""

import numpy as np
import pytest

import mantid_insdl.simulation.slices
from mantid_insdl.errors import InstabilityError
from mantid_insdl.maps import MEV, RLU, Axis, Slices
from mantid_insdl.materials.relaxing import relaxed_material
from mantid_insdl.simulation.engines import General
from mantid_insdl.simulation.planar import Planar
from mantid_insdl.simulation.slices import SliceSimulator, simulate
from mantid_insdl.simulation.spectra import simulate_cut, simulate_powder

WINDOWS = Slices([18.0] * 3, [0.6, 2.0, 3.2], [1.5, 3.0, 4.1])
TRUTH = {"canted": {"J": 1.2, "B": 12.0}, "flopped": {"J": 1.1, "D": -0.25, "B": 14.0}, "spiral": {"J1": -1.2, "J2": 0.7}}


def axes(points=21):
    return {"qh": Axis("qh", RLU, np.linspace(0, 1, points)), "qk": Axis("qk", RLU, np.linspace(-0.4, 0.4, 3))}


def fixed(material, values):
    """The same magnet with the order of the values, which does not follow them."""
    return relaxed_material(material, values, starts=0).material.model_copy(update={"relaxed": False})


@pytest.mark.parametrize("name", TRUTH)
def test_map_is_that_of_the_order_at_its_parameters(follower, name, monkeypatch):
    material, truth = follower(name), TRUTH[name]
    windows = WINDOWS if name != "spiral" else Slices([9.0] * 3, [0.3, 0.8, 1.2], [0.7, 1.1, 1.6])
    options = {"slices": windows, **axes(), "instrument": "LET"}
    found = simulate(material, truth, **options).intensity
    if name == "spiral":  # of a fixed one the other engine cuts pixels in another way
        monkeypatch.setattr(mantid_insdl.simulation.slices, "engine_for", lambda *_: General)
    expected = simulate(fixed(material, truth), **options).intensity
    assert found == pytest.approx(expected, abs=0.02 * np.nanmax(expected), nan_ok=True)
    energy = Axis("energy", MEV, np.linspace(0.2, 5, 40))
    for calculate, other in (
        (simulate_cut, {"corners": [[0.05, 0, 0], [0.9, 0.1, 0]], "points": 20}),
        (simulate_powder, {"q": Axis("q", "1/angstrom", np.linspace(0.5, 1.5, 5)), "directions": 200}),
    ):
        spectra = [calculate(*magnet, energy=energy, fwhm=0.3, **other) for magnet in ((material, truth), (fixed(material, truth),))]
        assert spectra[0].intensity == pytest.approx(spectra[1].intensity, abs=1e-5 * np.nanmax(spectra[1].intensity))


@pytest.mark.parametrize("name", TRUTH)
def test_engines_agree(follower, name, monkeypatch):
    windows = WINDOWS if name != "spiral" else Slices([9.0] * 3, [0.3, 0.8, 1.2], [0.7, 1.1, 1.6])
    planar = SliceSimulator(follower(name), windows, *axes().values(), instrument="LET")
    assert isinstance(planar._domains[0], Planar)
    monkeypatch.setattr(mantid_insdl.simulation.slices, "engine_for", lambda *_: General)
    general = SliceSimulator(follower(name), windows, *axes().values(), instrument="LET")
    assert isinstance(general._domains[0], General)
    found, expected = (np.nan_to_num(one.intensity(TRUTH[name], dtype=float)[0]) for one in (planar, general))
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.01 * expected.max()


def test_sets_of_a_batch_have_their_own_orders(follower):
    simulator = SliceSimulator(follower("canted"), WINDOWS, *axes().values(), instrument="LET")
    values = {"J": np.array([1.2, 1.0, 0.9]), "B": np.array([12.0, 40.0, 5.0])}
    found, stable = simulator.intensity(values, dtype=float)
    assert stable.tolist() == [True, False, True] and np.all(np.isnan(found[1]))
    for index in (0, 2):
        alone, _ = simulator.intensity({name: value[index] for name, value in values.items()}, dtype=float)
        assert found[index] == pytest.approx(alone[0], rel=1e-9, abs=1e-12, nan_ok=True)


def test_map_of_a_spiral_changes_smoothly(follower):
    # its Goldstone modes move over the pixels with the parameters; no momentum at which modes are solved for stands out
    windows = Slices([7.5] * 2, [0.25, 0.7], [0.62, 1.1])
    simulator = SliceSimulator(follower("spiral"), windows, *axes(25).values(), instrument="LET")
    found = np.nan_to_num(simulator.intensity({"J1": np.linspace(-1.203, -1.195, 9), "J2": 0.45}, dtype=float)[0])
    steps = np.diff(found, axis=0)
    assert np.abs(np.diff(steps, axis=0)).max() < 0.1 * np.abs(steps).max()


def test_gradient_takes_in_that_the_order_follows(follower):
    material, truth = follower("canted"), TRUTH["canted"]
    simulator = SliceSimulator(material, WINDOWS, *axes().values(), instrument="LET")
    gradient = np.nan_to_num(simulator.gradient(truth, q_sigma_pixels=0.0))
    for index, (name, step) in enumerate((("J", 2e-4), ("B", 2e-2))):
        sets = {**truth, name: truth[name] + step * np.array([-2, -1, 1, 2])}
        down2, down, up, up2 = np.nan_to_num(simulator.intensity(sets, dtype=float, q_sigma_pixels=0.0)[0])
        slope = (8 * (up - down) - (up2 - down2)) / (12 * step)
        assert gradient[index] == pytest.approx(slope, abs=1e-3 * np.abs(slope).max())


@pytest.mark.parametrize("map_of", ["slices", "cut"])
def test_order_that_ends_before_is_reported(follower, map_of):
    with pytest.raises(InstabilityError, match=r"order ends before J=1, B=40: .* phase boundary is crossed at about B=34\.5"):
        if map_of == "slices":
            simulate(follower("canted"), {"B": 40.0}, slices=WINDOWS, **axes(), instrument="LET")
        else:
            simulate_cut(
                follower("canted"), {"B": 40.0}, corners=[[0, 0, 0], [1, 0, 0]], energy=Axis("energy", MEV, [1.0, 2.0, 3.0]), fwhm=0.3
            )
