"""The errors that a user may see. Every message says what is wrong, why, and how to fix it."""

from __future__ import annotations


def format_error(summary: str, reason: str = "", fix: str = "") -> str:
    """One sentence out of what is wrong, why, and how to fix it.

    >>> format_error("cannot read 'a.nxs'", "it ends after 12 bytes", "copy the file again")
    "Cannot read 'a.nxs': it ends after 12 bytes; copy the file again."
    """
    text = _clause(summary)
    if reason:
        text += ": " + _clause(reason)
    if fix:
        text += "; " + _clause(fix)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _clause(text: str) -> str:
    """Without a full stop at its end, but with the one of an abbreviation (r.l.u.)."""
    text = text.strip()
    return text if text.endswith("r.l.u.") else text.rstrip(".")


class InsdlError(Exception):
    """Base of all errors that this package raises on purpose.

    Parameters
    ----------
    summary, reason, fix
        What is wrong, why, and what the user can do: see `format_error`.
    """

    def __init__(self, summary: str, reason: str = "", fix: str = ""):
        super().__init__(format_error(summary, reason, fix))
        self.summary, self.reason, self.fix = summary, reason, fix


class MapError(InsdlError):
    """A map, or an operation on maps, that makes no sense (axes, shapes, empty or infinite data)."""


class UnitError(MapError):
    """An operation that would lose or mix units."""


class FileFormatError(InsdlError):
    """A file that is unreadable, truncated, or of a kind this package does not know."""


class OutputError(InsdlError):
    """A place that cannot be written to."""


class MaterialError(InsdlError):
    """An unknown material, a wrong material file, or wrong parameters for a material."""


class InstabilityError(InsdlError):
    """A magnetic structure that is not a minimum of the energy at the given parameters."""


class BundleError(InsdlError):
    """A model bundle that is missing, incomplete, altered, or unfit for the question."""


class UnsuitableMapError(InsdlError):
    """A map that a model cannot answer for (wrong kind of axes, no usable slice, no signal)."""


class TensorFlowMissingError(InsdlError):
    """TensorFlow is needed and not installed in the interpreter that runs the networks."""


class WorkerError(InsdlError):
    """The worker process that runs the computation could not be started, or died."""


class ConfigError(InsdlError):
    """A configuration file that is missing, unreadable or wrong."""


class MantidMissingError(InsdlError):
    """Mantid is needed and cannot be imported in this interpreter."""


class InstallationError(InsdlError):
    """The plugin cannot be installed beside a Mantid, or taken out of it again."""


class PostprocessError(InsdlError):
    """Runs that could not be processed after a reduction, or a queue of them that cannot be kept.

    Attributes
    ----------
    files : list of str
        What was written all the same, relative to the output folder.
    """

    files: list[str] = []  # noqa: RUF012 (set on the instance)


class PanelError(InsdlError):
    """The panel cannot be shown: no Qt, or no display."""
