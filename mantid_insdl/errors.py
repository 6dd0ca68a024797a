"""The errors that a user may see. Every message says what is wrong, why, and how to fix it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

LONGEST = 4000
"""Characters of one part of a message."""

# Of C0 without tab and line feed, DEL, C1, and the characters that turn the direction of writing.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""Text in which what would steer a terminal is spelled out: a title or a file's name may come from anybody.

    >>> printable("red \x1b[31m")
    'red \\x1b[31m'
    """
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def did_you_mean(text: str, known: Sequence[str]) -> str:
    """What to add to a reason where a known name is like `text`; nothing where none is.

    >>> did_you_mean("shel", ["shell", "distance"])
    " (did you mean 'shell'?)"
    """
    similar = difflib.get_close_matches(text, known, n=1)
    return f" (did you mean '{similar[0]}'?)" if similar else ""


def format_error(summary: str, reason: str = "", fix: str = "") -> str:
    """One sentence out of what is wrong, why, and how to fix it.

    >>> format_error("cannot read 'a.nxs'", "it ends after 12 bytes", "copy the file again")
    "Cannot read 'a.nxs': it ends after 12 bytes; copy the file again."
    """
    summary, reason, fix = (_shortened(printable(part)) for part in (summary, reason, fix))
    text = _clause(summary)
    if reason:
        text += ": " + _clause(reason)
    if fix:
        text += "; " + _clause(fix)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _shortened(text: str) -> str:
    """Without the middle of what no one would read: a name in a file may have any length."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 4 :]}"


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


def require_known(
    name: str,
    known: Sequence[str],
    summary: str,
    *,
    listed: str = "there are",
    fix: str = "name one",
    error: type[InsdlError] = InsdlError,
) -> None:
    """Raise `error` where `name` is none of `known`; its reason lists these, and says which of them is like it.

    Parameters
    ----------
    summary
        What is wrong.
    listed
        The words before the list.
    fix
        What the user can do.
    """
    if name not in known:
        raise error(summary, f"{listed} {', '.join(known)}{did_you_mean(name, known)}", fix)
