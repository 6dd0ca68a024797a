"""What a map says: denoise it, which magnetic model it shows, and with which exchange constants.

One function each, map in, result out. TensorFlow is imported at the first call.
"""

from mantid_insdl.analysis.classify import classify
from mantid_insdl.analysis.denoise import denoise
from mantid_insdl.analysis.exchange import fit_exchange, simulate_fit
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
    "simulate_fit",
]
