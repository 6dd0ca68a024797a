"""What a map says: denoise it, which magnetic model it shows, with which exchange constants, and which pixels decided.

One function each, map in, result out. TensorFlow is imported at the first call.
"""

from mantid_insdl.analysis.classify import classify
from mantid_insdl.analysis.denoise import denoise
from mantid_insdl.analysis.exchange import fit_exchange, simulate_fit
from mantid_insdl.analysis.explain import grad_cam
from mantid_insdl.analysis.pipeline import Analysis, analyse
from mantid_insdl.analysis.results import Classification, ExchangeFit
from mantid_insdl.fitting.results import Evidence

__all__ = [
    "Analysis",
    "Classification",
    "Evidence",
    "ExchangeFit",
    "analyse",
    "classify",
    "denoise",
    "fit_exchange",
    "grad_cam",
    "simulate_fit",
]
