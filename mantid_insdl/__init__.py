"""Deep learning on inelastic neutron scattering maps: which magnet is this, with which exchange constants?

>>> import mantid_insdl as insdl
>>> m = insdl.load("map.nxs")            # doctest: +SKIP
>>> insdl.classify(insdl.denoise(m))     # doctest: +SKIP

Importing the package is cheap: what needs h5py, pydantic or TensorFlow is imported at its first use.
"""

from __future__ import annotations

import importlib
from typing import Any

from mantid_insdl._version import __version__

# Where each public name lives; looked up at first use, so that a Mantid start-up does not pay for them.
_PUBLIC = {
    "Axis": "maps",
    "Map": "maps",
    "Slices": "maps",
    "stack": "maps",
    "load": "files",
    "save": "files",
    "load_material": "materials",
    "material_names": "materials",
    "simulate": "simulation.slices",
    "dispersion": "simulation.spectra",
    "simulate_cut": "simulation.spectra",
    "simulate_powder": "simulation.spectra",
    "fit": "fitting.refine",
    "compare": "fitting.compare",
    "denoise": "analysis",
    "classify": "analysis",
    "fit_exchange": "analysis",
    "importance": "explain.attribution",
    "grad_cam": "explain.attribution",
    "plan": "fitting.plan",
    "postprocess": "postprocessing.processing",
    "InsdlError": "errors",
    "register": "plugin.registration",
}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604 (its names are strings)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'mantid_insdl' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"mantid_insdl.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
