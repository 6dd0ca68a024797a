"""Texts of files are drawn as they are: a dollar sign begins no formula, and no text is one that Matplotlib cannot read."""

import numpy as np
import pytest

from mantid_insdl.maps import COMPONENT_LOG, MEV, PER_ANGSTROM, RLU, Axis, Map, Slices
from mantid_insdl.plotting import plot_fit, plot_importance, plot_map

WRONG = r"$\undefined$ of $x"
COMMON = {"title": WRONG, "material": WRONG, "frame": WRONG, "intensity_unit": WRONG, "logs": {COMPONENT_LOG: (WRONG, "")}}
ENERGY = Axis("energy", MEV, np.arange(7.0), is_edges=True)
MAPS = {
    "slices": Map(
        np.ones((2, 6, 6)),
        tuple(Axis(name, RLU, np.arange(7.0), is_edges=True, label=WRONG) for name in ("qh", "qk")),
        slices=Slices([25.0, 50.0], [2.0, 5.0], [4.0, 8.0]),
        **COMMON,
    ),
    "powder": Map(np.ones((6, 6)), (Axis("q", PER_ANGSTROM, np.arange(7.0), is_edges=True, label=WRONG), ENERGY), **COMMON),
    "cut": Map(
        np.ones((6, 6)),
        (Axis("path", RLU, np.arange(6.0), label=WRONG), ENERGY),
        path=np.arange(18.0).reshape(6, 3),
        corners=((0, WRONG), (5, "G")),
        **COMMON,
    ),
}


@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("title", ["", WRONG])
def test_a_map_whose_texts_are_no_formula(kind, title, tmp_path):
    m = MAPS[kind]
    for figure in (plot_map(m, title=title), plot_fit(m, m.replace(error=np.ones(m.shape)), title=title)):
        figure.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_the_importance_of_a_map_whose_texts_are_no_formula(tmp_path):
    plot_importance(MAPS["slices"], title=WRONG).savefig(tmp_path / "a.png")
