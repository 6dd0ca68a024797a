"""Maps of magnets whose neutrons see moments g S, with orbital form factors and several ions on a site, by all engines."""

import numpy as np
import pytest
from test_slices import POINTS, axes, direct, general, intensity_at

from mantid_insdl.maps import Slices
from mantid_insdl.materials import Material, load_material
from mantid_insdl.simulation.engines import ClosedForm, General
from mantid_insdl.simulation.planar import Planar
from mantid_insdl.simulation.slices import SliceSimulator

SLICES = Slices([15.0, 15.0], [0.5, 3.0], [3.0, 6.0])
G = np.array([[2.3, 0.2, 0], [0.1, 1.9, 0.3], [0, -0.2, 2.1]])


def changed(name, sites, **parts):
    """A shipped material with other entries in its sites."""
    data = load_material(name).model_dump(exclude_unset=True)
    new = [{key: x for key, x in one.items() if not (key in ("spin", "ion") and "ions" in sites)} | sites for one in data["sites"]]
    return Material.model_validate({**data, "sites": new, **parts})


def engine_of(material, *arguments):
    return type(SliceSimulator(material, *(arguments or (SLICES, *axes(3))))._domains[0])


def test_transverse_g_of_the_square_lattice():
    # its spins along c move in the plane
    plain, moments = load_material("rb2mnf4"), changed("rb2mnf4", {"g": [2.2, 2.2, 1.7]})
    assert engine_of(plain) is ClosedForm and engine_of(moments) is Planar
    seen = intensity_at(plain, SLICES, POINTS, twins=False)
    assert intensity_at(moments, SLICES, POINTS, twins=False) == pytest.approx(1.21 * seen, rel=2e-4)
    spins = changed("rb2mnf4", {"g": [2.2, 2.2, 1.7]}, scattering="spins")
    assert engine_of(spins) is ClosedForm
    assert np.array_equal(intensity_at(spins, SLICES, POINTS, twins=False), seen)


@pytest.mark.parametrize(
    "sites",
    [
        {"g": G.tolist()},
        {"c2": 0.3},
        {"ions": [{"ion": "Mn2+", "spin": 2.5, "occupancy": 0.6}, {"ion": "Fe2+", "spin": 2.5, "occupancy": 0.4, "c2": 0.2}]},
    ],
    ids=["g", "orbital", "ions"],
)
def test_map_is_that_of_its_spin_waves(sites):
    magnet = changed("rb2mnf4", sites)
    assert intensity_at(magnet, SLICES, POINTS) == pytest.approx(
        direct(magnet, SLICES, POINTS, twins=False), rel=2e-4, abs=1e-7, nan_ok=True
    )


@pytest.mark.parametrize("unlike", [False, True])
def test_spiral_of_moments(unlike):
    data = load_material("pcsmo-zener").model_dump(exclude_unset=True)
    sites = [{**one, "g": (G if index or not unlike else G.T).tolist()} for index, one in enumerate(data["sites"])]
    magnet = Material.model_validate({**data, "sites": sites})
    slices = Slices([np.nan], [4.0], [40.0])
    assert engine_of(magnet, slices, *axes(3)) is (General if unlike else Planar)
    special, plain = (intensity_at(magnet, slices, POINTS, scale=0, twins=False, engine=engine) for engine in (None, general))
    assert plain == pytest.approx(special, rel=1e-4, abs=1e-4 * float(special.max()))
    assert np.abs(special / intensity_at("pcsmo-zener", slices, POINTS, scale=0, twins=False) - 1).max() > 0.02
