"""A map of the shipped classifier's kind, and training maps of it."""

import numpy as np
import pytest

from mantid_insdl.explain.gallery import gallery_of
from mantid_insdl.explain.subject import open_subject
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.networks.bundles import load_bundle
from mantid_insdl.simulation.slices import simulate


@pytest.fixture(scope="session")
def measured():
    """Goodenough at two incident energies, about three neutrons a pixel, with a masked corner."""
    slices = Slices.from_bins([35.0, 70.0], [np.linspace(3.5, 24.5, 7), np.linspace(7.0, 49.0, 7)])
    axes = {name: Axis(name, RLU, np.linspace(-1, 1, 40)) for name in ("qh", "qk")}
    m = simulate("pcsmo-goodenough", slices=slices, counts=6e4, seed=3, **axes)
    mask = np.zeros(m.shape, bool)
    mask[:, :9, :9] = True
    return m.with_mask(mask)


@pytest.fixture(scope="session")
def subject(measured):
    return open_subject(measured)


@pytest.fixture(scope="session")
def gallery():
    return gallery_of(load_bundle("pcsmo-classifier"), 1)
