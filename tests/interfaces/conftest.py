"""The panel is tested against the real Mantid where it can be imported, else the stand-in, and without a display where there is none."""

import os
import sys
from pathlib import Path

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
def data_service():
    """Mantid's data service, empty before and after."""
    from mantid.api import AnalysisDataService

    AnalysisDataService.clear()
    yield AnalysisDataService
    AnalysisDataService.clear()
