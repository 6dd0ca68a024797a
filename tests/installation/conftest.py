"""A small Mantid to install beside: a folder with a Python of its own, a properties file, and the modules that are asked."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mantid_insdl.cli.main import app

SHIPPED = """\
# Mantid.properties of a small Mantid
user.python.plugins.directories =
pythonscripts.directories =
mantidqt.python_interfaces = ILL/Drill.py Direct/DGSPlanner.py \\
    Direct/MSlice.py
"""
KERNEL = """\
import os

print("Welcome to a small Mantid")


class _Config:
    def getPropertiesDir(self):
        return {properties!r} + "/"

    def getLocalFilename(self):
        return {properties!r} + "/mantid.local.properties"

    def getUserFilename(self):
        return os.path.join(os.environ["HOME"], ".mantid", "Mantid.user.properties")


ConfigService = _Config()


def version_str():
    return {version!r}
"""


class SmallMantid:
    """The tree and what it is made of."""

    def __init__(self, root: Path, version: str = "6.13.0"):
        self.root, self.site = root, root / "lib"
        self.python = root / "bin" / "python"
        self.interfaces = self.site / "mantidqtinterfaces"
        for folder in (self.python.parent, self.site / "mantid", self.interfaces):
            folder.mkdir(parents=True)
        # What the tests' own Python has, but for this package.
        for entry in {e.name: e for name in ("purelib", "platlib") for e in Path(sysconfig.get_path(name)).iterdir()}.values():
            if not entry.name.startswith(("mantid_insdl", "__editable__", "__pycache__")):
                (self.site / entry.name).symlink_to(entry)
        base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.python.write_text(f'#!/bin/sh\nPYTHONDONTWRITEBYTECODE=1 PYTHONPATH="{self.site}" exec "{base}" -S "$@"\n')
        self.python.chmod(0o755)
        (root / "bin" / "Mantid.properties").write_text(SHIPPED)
        (self.site / "mantid" / "__init__.py").write_text("")
        (self.interfaces / "__init__.py").write_text("")
        self.is_version(version)

    def is_version(self, version: str) -> None:
        (self.site / "mantid" / "kernel.py").write_text(KERNEL.format(properties=str(self.root / "bin"), version=version))

    def lacks(self, *names: str) -> None:
        for name in names:
            (self.site / name).unlink()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home directory, and no settings from outside."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("INSDL_PYTHON", "INSDL_CONFIG", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "MANTIDPROPERTIES", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RUSTUP_HOME", str(tmp_path / "rustup"))  # pip asks for a Rust compiler, which may write there
    monkeypatch.setattr("mantid_insdl.installation.installing.running", lambda: [])
    monkeypatch.setattr("mantid_insdl.installation.mantids._USUAL", ())
    monkeypatch.setattr("mantid_insdl.installation.mantids._is_here", lambda: False)
    return folder


@pytest.fixture
def mantid(tmp_path, home):
    return SmallMantid(tmp_path / "opt" / "mantid")


@pytest.fixture
def user_file(home):
    """The user's properties file, with settings of the user's own."""
    file = home / ".mantid" / "Mantid.user.properties"
    file.parent.mkdir()
    file.write_bytes(b"# mine\ndefault.facility=ISIS\n\nuser.python.plugins.directories=/home/me/plugins\ndefault.instrument=MAPS\n")
    return file


@pytest.fixture
def snapshot(home, mantid):
    """A function that tells every file, link and folder of the home directory and of Mantid."""

    def take():
        found = {}
        for root in (home, mantid.root):
            for path in sorted(root.rglob("*")):
                if path.is_symlink():
                    found[path] = path.readlink()
                else:
                    found[path] = (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        return found

    return take


@pytest.fixture
def insdl():
    """Runs the command line; anything but the wanted exit code is a failure."""

    def run(*words, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words], prog_name="insdl")
        assert result.exit_code == code, result.stdout + result.stderr
        if code == 8 and words[0] != "status":
            (line,) = result.stderr.strip().splitlines()
            assert line.startswith("insdl: error: ") and line.endswith(".")
            return line
        return result.stdout

    return run
