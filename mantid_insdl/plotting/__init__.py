"""Pictures of maps, cuts, dispersions, powders, fits, plans and classifiers: each function returns a `Figure`, made without pyplot."""

from mantid_insdl.plotting.classifier import plot_classifier
from mantid_insdl.plotting.decision import plot_decision
from mantid_insdl.plotting.energy import plot_cut, plot_dispersion, plot_powder
from mantid_insdl.plotting.fit import plot_corner, plot_fit
from mantid_insdl.plotting.maps import plot_comparison, plot_importance, plot_map, plot_residual, plot_slices
from mantid_insdl.plotting.plan import plot_plan

__all__ = [
    "plot_classifier",
    "plot_comparison",
    "plot_corner",
    "plot_cut",
    "plot_decision",
    "plot_dispersion",
    "plot_fit",
    "plot_importance",
    "plot_map",
    "plot_plan",
    "plot_powder",
    "plot_residual",
    "plot_slices",
]
