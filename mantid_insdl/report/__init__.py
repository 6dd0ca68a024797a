"""Reports as JSON (`Report` of an analysis, `FitReport` of a fit), with the pictures and result maps beside them."""

from mantid_insdl.report.analysis import (
    MAPS,
    PICTURES,
    REPORT_FILE,
    RESULT_FILES,
    BundleReference,
    CardFigure,
    ClassificationReport,
    Report,
    build_report,
    card_figure,
    recorded_bundle,
    write_maps_and_pictures,
)
from mantid_insdl.report.fit import (
    FIT_FILE,
    ComparisonReport,
    FitReport,
    FitSummary,
    FittedValue,
    build_fit_report,
    result_files,
    write_fit,
)
from mantid_insdl.report.parts import EvidenceReport, MapSummary, ResultFile, is_simulated

__all__ = [
    "FIT_FILE",
    "MAPS",
    "PICTURES",
    "REPORT_FILE",
    "RESULT_FILES",
    "BundleReference",
    "CardFigure",
    "ClassificationReport",
    "ComparisonReport",
    "EvidenceReport",
    "FitReport",
    "FitSummary",
    "FittedValue",
    "MapSummary",
    "Report",
    "ResultFile",
    "build_fit_report",
    "build_report",
    "card_figure",
    "is_simulated",
    "recorded_bundle",
    "result_files",
    "write_fit",
    "write_maps_and_pictures",
]
