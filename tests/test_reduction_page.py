"""The code of docs/reduction.md: the Python of the way from Horace is run, Mantid's lines and the material are at least well formed."""

import ast
import re

import numpy as np
import yaml
from scipy.io import savemat

from mantid_insdl import load
from mantid_insdl.materials.schema import MapSpec


def blocks(repository, language):
    text = (repository / "docs" / "reduction.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)


def test_python_is_python(repository):
    for block in blocks(repository, "python"):
        ast.parse(block)


def test_axes_of_the_material(repository):
    (block,) = blocks(repository, "yaml")
    assert MapSpec(**yaml.safe_load(block)["map"]).axes == ((1, 1, 0), (0, 0, 1), (1, -1, 0))


def test_from_horace(repository, tmp_path, monkeypatch):
    """What MATLAB saves of a three-dimensional cut: mean signal, variance, number of pixels, bin edges."""
    (block,) = (one for one in blocks(repository, "python") if "loadmat" in one)
    qh, qk, energy = np.linspace(-1, 1, 5), np.linspace(-1, 1, 4), np.array([5.0, 8, 11])
    signal = np.arange(24.0).reshape(4, 3, 2)
    npix = np.ones((4, 3, 2))
    npix[1, 2, 0] = 0
    monkeypatch.chdir(tmp_path)
    column = {name: values[:, None] for name, values in (("qh", qh), ("qk", qk), ("energy", energy))}
    savemat("ei50.mat", {"s": np.where(npix > 0, signal, 0.0), "e": 4 * np.ones((4, 3, 2)), "npix": npix, "ei": 50.0, **column})
    exec(block, {})
    m = load("ei50.npz")
    np.testing.assert_allclose(m.axis("qh").edges, qh)
    np.testing.assert_allclose(m.axis("qk").edges, qk)
    assert m.slices.ei.tolist() == [50, 50]
    assert m.slices.energy_max.tolist() == [8, 11]
    assert np.argwhere(m.mask).tolist() == [[0, 1, 2]]
    np.testing.assert_array_equal(m.intensity[~m.mask], signal.transpose(2, 0, 1)[~m.mask])
    np.testing.assert_array_equal(m.error[~m.mask], 2.0)
