"""These tests run in the real Mantid where it can be imported, else against the stand-in; the header says which."""

import sys
from pathlib import Path

import pytest

try:
    import mantid.kernel
except ImportError:
    sys.path.insert(0, str(Path(__file__).parents[1] / "mantid_standin"))
    import mantid.kernel
import mantid

IS_STANDIN = getattr(mantid, "STANDIN", False)
HEAVY = ("h5py", "keras", "tensorflow")


def pytest_report_header():
    if IS_STANDIN:
        return "Mantid: the stand-in in tests/mantid_standin, because no real Mantid can be imported"
    return f"Mantid: the real Framework, {mantid.kernel.version_str()}"


@pytest.fixture(scope="session", autouse=True)
def algorithms():
    """The five algorithms, registered as a script would."""
    import mantid_insdl

    return mantid_insdl.register()


@pytest.fixture(autouse=True)
def clean_and_light(monkeypatch):
    """An empty data service for each test, and a Python that lacks what Mantid's own lacks: to import it fails."""
    from mantid.api import AnalysisDataService

    for name in HEAVY:
        monkeypatch.setitem(sys.modules, name, None)
    AnalysisDataService.clear()
    yield
    AnalysisDataService.clear()
