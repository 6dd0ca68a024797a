"""TensorFlow starts quietly, whatever its libraries want to say; where it fails, they are heard."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mantid_insdl.networks import backend


@pytest.mark.tensorflow
def test_the_first_import_writes_nothing(tmp_path):
    """With the faster kernels, as in training, TensorFlow announces itself before any level of logging applies."""
    script = "from mantid_insdl.networks.backend import import_keras; import_keras()"
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_what_is_written_is_given_out_where_the_import_fails(capfd):
    with pytest.raises(ImportError), backend._silent_start():
        os.write(2, b"a library is missing")
        raise ImportError
    assert capfd.readouterr().err == "a library is missing"
    with backend._silent_start():
        os.write(2, b"an announcement")
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"


def test_no_standard_error_and_no_place_for_a_file(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with backend._silent_start():
        pass
