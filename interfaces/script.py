"""The script of what was clicked: a line for each call that was made, in their order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


class Variable(str):
    """The name of a variable, which stands in the script as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def variable(name: str) -> Variable:
    """A variable for something called `name`.

    >>> variable("2021 run-3")
    _2021_run_3
    """
    word = re.sub(r"\W+", "_", name)
    return Variable(word if word[:1].isalpha() else "_" + word)


class Recorder:
    """Calls as lines of Python.

    Parameters
    ----------
    head
        The lines before the first call.
    """

    def __init__(self, head: str):
        self._head = head
        self._calls: list[tuple[str, str, str]] = []

    def add(self, function: str, arguments: Mapping[str, Any], *, assign: str = "") -> None:
        """Record a call that was made. One that only repeats the call before it with other values takes its place.

        Parameters
        ----------
        function, arguments
            As in the script; None is left out.
        assign
            The variable that the result is given to, if any.
        """
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items() if value is not None)
        output = assign or str([value for name, value in arguments.items() if name.startswith("Output")])
        if output != "[]" and self._calls and self._calls[-1][:2] == (function, output):
            self._calls.pop()
        self._calls.append((function, output, (f"{assign} = " if assign else "") + f"{function}({given})"))

    def line(self, text: str) -> None:
        """Record anything else."""
        self._calls.append(("", "", text))

    def text(self) -> str:
        """The script."""
        return "\n".join([self._head, *(line for _, _, line in self._calls)]) + "\n"
