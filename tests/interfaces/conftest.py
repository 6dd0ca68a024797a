"""The panel is tested against the real Mantid where it can be imported, else the stand-in, and without a display where there is none."""

import os
import sys
from pathlib import Path

import h5py  # noqa: F401 (before Mantid: the other way round it does not load where their HDF5 libraries differ)
import pytest

if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

try:
    import mantid.kernel  # noqa: F401
except ImportError:
    sys.path.insert(0, str(Path(__file__).parents[1] / "mantid_standin"))


@pytest.fixture
def example():
    """The shipped example without its material."""
    from mantid_insdl import examples

    return examples.load().replace(material=None)


@pytest.fixture
def observers():
    """Skips where this Mantid tells Python nothing about its data service."""
    from mantid import api

    if not hasattr(api, "AnalysisDataServiceObserver"):
        pytest.skip("this Mantid has no observers of its data service")


@pytest.fixture
def data_service():
    """Mantid's data service, empty before and after."""
    from mantid.api import AnalysisDataService

    AnalysisDataService.clear()
    yield AnalysisDataService
    AnalysisDataService.clear()
