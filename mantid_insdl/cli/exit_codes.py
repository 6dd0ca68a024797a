"""Exit codes of `insdl`.

0 done; 1 a fault of this program; 2 wrong options; 3 a file that cannot be read; 4 a map that does not fit the question; 5 a wrong
material or wrong parameters; 6 a model bundle or recipe that is missing or altered; 7 an output that cannot be written; 8 TensorFlow,
Mantid, Qt or the configuration is missing or wrong; 9 a run that could not be processed after its reduction; 130 interrupted.
"""

from __future__ import annotations

from mantid_insdl import errors
from mantid_insdl.cli.options import OptionError

EXIT_FAULT = 1
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
EXIT_CODES: tuple[tuple[type[errors.InsdlError], int], ...] = (
    (errors.FileFormatError, 3),
    (errors.MapError, 4),
    (errors.UnsuitableMapError, 4),
    (errors.MaterialError, 5),
    (errors.InstabilityError, 5),
    (errors.BundleError, 6),
    (errors.OutputError, 7),
    (errors.TensorFlowMissingError, 8),
    (errors.WorkerError, 8),
    (errors.ConfigError, 8),
    (errors.MantidMissingError, 8),
    (errors.InstallationError, 8),
    (errors.PanelError, 8),
    (errors.PostprocessError, 9),
)


def exit_code(error: BaseException) -> int:
    """The exit code that goes with an error."""
    if isinstance(error, OptionError):
        return 2
    from mantid_insdl.training.recipes import RecipeError

    codes: tuple[tuple[type[BaseException], int], ...] = (*EXIT_CODES, (RecipeError, 6), (KeyboardInterrupt, EXIT_INTERRUPTED))
    return next((code for kind, code in codes if isinstance(error, kind)), EXIT_FAULT)
