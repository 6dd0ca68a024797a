"""Sample logs as numbers. A log that was recorded several times is one number where its values agree, and is refused where they do not.

Mantid gives the values of a time series or of an array log as they were recorded, zeros of a value that was not yet known included; their
plain mean is then none of the values that the spectrometer had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mantid_insdl.errors import MapError

Logs = Mapping[str, tuple[Any, str]]

LARGEST_SPREAD = 0.02
"""How far a value of a log may be from their average, relative to it: within that they are the scatter of one value."""

_ONE_NUMBER = "make the log one number (in Mantid: AddSampleLog with LogType='Number', LogUnit='meV')"


@dataclass(frozen=True, eq=False)
class TimeSeries:
    """The numbers of a log, (n,), and the seconds, (n,), from any common start at which each of them was recorded."""

    values: np.ndarray
    seconds: np.ndarray


def time_average(values: np.ndarray, seconds: np.ndarray) -> float:
    """Average in which a value counts as long as it lasted: until the next, the last one as long as the one before it.

    As Mantid's TimeSeriesProperty::nthInterval. Values that are NaN do not count, but end the one before them.

    Parameters
    ----------
    values : (n,)
        Recorded values.
    seconds : (n,)
        Time of each, in any order.
    """
    order = np.argsort(seconds, kind="stable")
    lasted = np.diff(seconds[order])
    lasted = np.append(lasted, lasted[-1:] if lasted.size else np.ones(values.size))
    known = np.isfinite(values[order])
    values, lasted = values[order][known], lasted[known]
    if not np.sum(lasted) > 0:  # all at one time, or none is known
        return float(np.mean(values)) if values.size else float("nan")
    return float(np.average(values, weights=lasted))


def averaged(value: Any) -> Any:
    """A log's value as maps keep it: the time average of a time series, anything else as it is."""
    return time_average(np.asarray(value.values, float), value.seconds) if isinstance(value, TimeSeries) else value


def number(logs: Logs, name: str, *, positive: bool = False) -> tuple[float | None, str]:
    """A log as one number, and what was done where it holds several.

    Parameters
    ----------
    logs
        Name -> (value, unit).
    name
        Which log.
    positive
        Whether only positive values have a meaning: then the others are left out.

    Returns
    -------
    value
        None when the log is absent or has no such number. Of several numbers the average, in time where their times are known.
    note
        For the provenance; empty for a log of one value.

    Raises
    ------
    MapError
        The values spread by more than `LARGEST_SPREAD`.
    """
    value = logs.get(name, (None, ""))[0]
    series = value if isinstance(value, TimeSeries) else None
    recorded = _numbers(value if series is None else series.values)
    if recorded is None:
        return None, ""
    good = np.isfinite(recorded) & ((recorded > 0) | (not positive))
    if not good.any():
        return None, ""
    low, high = float(recorded[good].min()), float(recorded[good].max())
    known = np.where(good, recorded, np.nan)
    # Equal values are taken as they are: an average may differ from them in the last digit.
    average = low if low == high else float(np.mean(recorded[good])) if series is None else time_average(known, series.seconds)
    count = np.count_nonzero(good)
    if max(high - average, average - low) > LARGEST_SPREAD * abs(average):
        spread = f"its {count} values go from {low:g} to {high:g}, more than {LARGEST_SPREAD:.0%} from their average {average:g}"
        raise MapError(f"the sample log {name} is not clear", spread, _ONE_NUMBER)
    if recorded.size == 1:
        return average, ""
    how = "average" if series is None else "time average"
    note = f"{name} = {average:g}: {how} of {count} value{'' if count == 1 else 's'} of the log"
    if recorded.size > count:
        note += f", {recorded.size - count} not {'positive' if positive else 'finite'} left out"
    return average, note


def _numbers(value: Any) -> np.ndarray | None:
    """All the numbers of a log, (n,), or None where it holds none."""
    try:
        numbers = np.asarray(value, dtype=float).ravel()
    except (TypeError, ValueError):
        return None
    return numbers if value is not None and numbers.size else None
