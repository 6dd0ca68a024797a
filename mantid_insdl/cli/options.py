"""What the commands share: reading and refusing options and file names. Cheap to import."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from mantid_insdl import errors

if TYPE_CHECKING:
    import numpy as np

_EXAMPLES = {"--energy": "2,0.5,8", "--powder": "0.1,0.05,4"}


class OptionError(errors.InsdlError):
    """Options that contradict each other or make no sense."""


def written_path(text: str | Path) -> Path:
    """The path of a folder or file to write: an empty one, as of a shell variable that is not set, is not the current folder."""
    if not str(text).strip():
        raise OptionError("the name of an output is empty", "a result needs a place", 'give a name: -o "" is none')
    return Path(text)


def check_ei(ei: Iterable[float] | None) -> None:
    """Refuse an incident energy that is not positive and finite."""
    for one in ei or []:
        if not 0 < one < float("inf"):
            raise OptionError(f"--ei {one:g} is no incident energy", "it must be positive", "give it in meV")


def edges(option: str, text: str) -> np.ndarray:
    """Bin edges from "min,step,max"."""
    import numpy as np

    example = f"write {option} {_EXAMPLES.get(option, '-1,0.05,1')}"
    try:
        low, step, high = (float(part) for part in text.split(","))
    except ValueError:
        raise OptionError(f"{option} '{text}' is not understood", "it must be three numbers min,step,max", example) from None
    if not (np.isfinite([low, step, high]).all() and step > 0 and high > low):
        raise OptionError(f"{option} '{text}' gives no bins", "the step must be positive and max above min", example)
    bins = (high - low) / step
    if bins > 10_000:
        raise OptionError(f"{option} '{text}' gives {bins:.0f} bins", "the largest number is 10000", "give a larger step")
    if abs(bins - round(bins)) > 1e-6:
        raise OptionError(
            f"{option} '{text}' does not end on a bin edge", f"{high:g} - {low:g} is no multiple of {step:g}", "change the step"
        )
    return np.linspace(low, high, round(bins) + 1)


def intrinsic_width(text: str | None) -> tuple[float, ...] | None:
    """Coefficients A, B, ... of --intrinsic-fwhm "A,B,..."; None where it is not given."""
    if text is None:
        return None
    from mantid_insdl.instrument.line_shapes import IntrinsicWidth

    try:
        return IntrinsicWidth(tuple(float(part) for part in text.split(","))).coefficients
    except (ValueError, errors.MapError):
        raise OptionError(
            f"--intrinsic-fwhm '{text}' is no width",
            "it is the full width of Lorentzian lines in meV, zero or more, or the coefficients A,B,C of A + B E + C E^2",
            "write --intrinsic-fwhm 0.5 or 0.2,0.05",
        ) from None


def momentum(option: str, text: str) -> tuple[float, float, float]:
    """(h, k, l) from "h,k,l", whose numbers may be fractions such as 1/3."""
    try:
        numbers = tuple(float(Fraction(part.strip())) for part in text.split(","))
        if len(numbers) != 3:
            raise ValueError
    except (ValueError, ZeroDivisionError, OverflowError):
        raise OptionError(
            f"{option} '{text}' is not understood", "a momentum is three numbers h,k,l in r.l.u.", f"write {option} 0.5,0,0 or 1/3,1/3,0"
        ) from None
    return numbers


def spread_materials(args: list[str]) -> list[str]:
    """Arguments in which each material after --material has an option of its own: ``-m A B`` becomes ``-m A -m B``.

    Only a shipped name or a .yaml file is taken for one more material; a map's file never is.
    """
    from mantid_insdl.materials import material_names

    out: list[str] = []
    value_follows = more_may_follow = False
    for number, one in enumerate(args):
        if one == "--":
            return out + args[number:]
        if more_may_follow and (one in material_names() or one.lower().endswith((".yaml", ".yml"))):
            out += ["--material", one]
            continue
        out.append(one)
        more_may_follow = value_follows or one.startswith("--material=")
        value_follows = one in ("-m", "--material") and not value_follows
    return out


def require_positive(option: str, value: float | None, *, or_zero: bool = False) -> None:
    """Refuse a number, where one is given, that is not finite and above zero."""
    if value is not None and not (math.isfinite(value) and (value > 0 or (or_zero and value == 0))):
        raise OptionError(f"{option} {value:g} makes no sense", "it is a positive number" if not or_zero else "it is zero or more")


def require_suffix(path: Path, suffixes: tuple[str, ...], option: str) -> None:
    """Refuse a file name whose ending is none of `suffixes`."""
    if path.suffix.lower() not in suffixes:
        raise OptionError(f"{option} '{path}' has the wrong ending", f"the format follows from it: {' or '.join(suffixes)}", "rename it")


def require_picture(path: Path | None) -> None:
    """Refuse a name for a picture, where one is given, whose format is not known."""
    if path is not None:
        require_suffix(path, (".png", ".pdf", ".svg"), "--plot")


def refuse_overwriting(inputs: Iterable[Path], outputs: Iterable[Path]) -> None:
    """Refuse outputs that are one of the inputs."""
    outputs = list(outputs)
    for path in inputs:
        for target in outputs:
            if target.exists() and path.exists() and target.samefile(path):
                raise errors.OutputError(f"'{path}' would be overwritten", "a result has the same name", "give another --output")


def optional_stage(path: Path | None) -> AbstractContextManager[Path | None]:
    """A `staged_file`, or None where there is no path."""
    from mantid_insdl.output import staged_file

    return nullcontext(None) if path is None else staged_file(path)
