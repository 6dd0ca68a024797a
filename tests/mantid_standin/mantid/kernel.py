"""Stand-in for mantid.kernel: properties, validators, units, logger."""

from __future__ import annotations

import numpy as np


class Direction:
    Input, Output, InOut = 0, 1, 2


config = {"Q.convention": "Inelastic"}


class Logger:
    """Writes to the standard output, as Mantid's console channel does."""

    def __init__(self, name):
        self._name = name

    def _write(self, level, text):
        if not isinstance(text, str):
            raise TypeError(f"Python argument types in Logger.{level.lower()}(Logger, {type(text).__name__}) did not match C++ signature")
        print(f"{self._name}-[{level}] {text}", flush=True)

    def fatal(self, text):
        self._write("Fatal", text)

    def error(self, text):
        self._write("Error", text)

    def warning(self, text):
        self._write("Warning", text)

    def notice(self, text):
        self._write("Notice", text)

    def information(self, text):
        pass

    def debug(self, text):
        pass


class DataItem:
    """What the data service holds."""


# ---- validators


class NullValidator:
    def problem(self, value):
        return ""


class StringListValidator(NullValidator):
    def __init__(self, allowedValues):
        if type(allowedValues) is not list or not all(type(v) is str for v in allowedValues):
            raise TypeError("StringListValidator needs a list of str")
        self._allowed = allowedValues

    def problem(self, value):
        if value in self._allowed:
            return ""
        return "Select a value" if not value else f'The value "{value}" is not in the list of allowed values'


class _BoundedValidator(NullValidator):
    def __init__(self, lower=None, upper=None):
        self._lower, self._upper = (bound if bound is None else self._kind(bound) for bound in (lower, upper))

    def problem(self, value):
        text = ""
        if self._lower is not None and value < self._lower:
            text += f"Selected value {value:g} is < the lower bound ({self._lower:g})"
        if self._upper is not None and value > self._upper:
            text += f"Selected value {value:g} is > the upper bound ({self._upper:g})"
        return text


class FloatBoundedValidator(_BoundedValidator):
    _kind = float


class IntBoundedValidator(_BoundedValidator):
    _kind = int


# ---- properties


class Property:
    """A property with a plain value: text, number, logical."""

    def __init__(self, name, default, validator=None, direction=Direction.Input):
        if type(default) not in (str, float, int, bool):
            raise ValueError(f"Cannot create PropertyWithValue from Python type {type(default).__name__}. No converter registered")
        self.name, self.direction, self.documentation, self.units = name, direction, "", ""
        self._kind, self._validator = type(default), validator or NullValidator()
        self._value = self._default = default

    @property
    def value(self):
        return self._value

    @property
    def valueAsStr(self):
        return ("1" if self._value else "0") if self._kind is bool else str(self._value)

    @property
    def allowedValues(self):
        return list(getattr(self._validator, "_allowed", []))

    @property
    def isDefault(self):
        return self._value == self._default

    @property
    def isValid(self):
        return self._validator.problem(self._value)

    def set(self, value):
        """Assign from Python; a ValueError or TypeError as Boost.Python and Mantid raise them."""
        if isinstance(value, str):
            self.set_text(value)
        else:
            self._assign(self._converted(value), str(value))

    def set_text(self, text):
        try:
            value = {"0": False, "1": True, "false": False, "true": True}[text.lower()] if self._kind is bool else self._kind(text)
        except (ValueError, KeyError):
            raise self._invalid(text, f'Could not set property {self.name}. Can not convert "{text}" to {self._kind.__name__}') from None
        self._assign(value, text)

    def _converted(self, value):
        # Boost.Python takes subclasses of Python's own numbers (numpy.float64 is one of float), and nothing that only looks like one.
        fits = {str: (), bool: (bool, int), int: int, float: (float, int)}[self._kind]
        if not isinstance(value, fits):
            raise TypeError(f"No registered converter was able to produce a C++ rvalue of type {self._kind.__name__} from {type(value)}")
        return self._kind(value)

    def _assign(self, value, text):
        problem = self._validator.problem(value)
        if problem:
            raise self._invalid(text, problem)
        self._value = value

    def _invalid(self, text, problem):
        return ValueError(f'Invalid value for property {self.name} ({self._kind.__name__}) "{text}": {problem}')


class FloatArrayProperty(Property):
    def __init__(self, name, values=(), validator=None, direction=Direction.Input):
        super().__init__(name, 0.0, validator, direction)
        self._value = self._default = [float(v) for v in values]

    @property
    def value(self):
        return np.array(self._value)

    @property
    def valueAsStr(self):
        return ",".join(f"{v:g}" for v in self._value)

    def set_text(self, text):
        try:
            self._value = [float(part) for part in text.split(",")] if text.strip() else []
        except ValueError:
            raise self._invalid(text, f'Can not convert "{text}" to vector of double') from None

    def _converted(self, value):
        if isinstance(value, np.ndarray):
            return [float(v) for v in value.ravel()]
        if isinstance(value, float | int):
            return [float(value)]
        if not isinstance(value, list | tuple) or not all(isinstance(v, float | int) for v in value):
            raise TypeError(f"No registered converter for a vector of double from {type(value)}")
        return [float(v) for v in value]


class StringArrayProperty(Property):
    """A list of texts as it is; a text is taken apart at its commas."""

    def __init__(self, name, values=(), validator=None, direction=Direction.Input):
        super().__init__(name, "", validator, direction)
        self._value = self._default = list(values)

    @property
    def value(self):
        return list(self._value)

    @property
    def valueAsStr(self):
        return ",".join(self._value)

    def set_text(self, text):
        self._value = [part.strip() for part in text.split(",") if part.strip()]

    def _converted(self, value):
        if not isinstance(value, list | tuple) or not all(type(v) is str for v in value):
            raise TypeError(f"No registered converter for a vector of str from {type(value)}")
        return list(value)


class LogProperty:
    """A sample log: a number, text, or an array."""

    def __init__(self, name, value, units=""):
        if type(value) not in (str, float, int, bool) and not self._is_array(value):
            kind = (
                type(value).__qualname__ if type(value).__module__ == "builtins" else f"{type(value).__module__}.{type(value).__qualname__}"
            )
            raise ValueError(f"Cannot create PropertyWithValue from Python type {kind}. No converter registered")
        self.name, self.units, self._value = name, units, value

    @staticmethod
    def _is_array(value):
        return isinstance(value, list | tuple) and len(value) > 0 and isinstance(value[0], float | int | str)

    @property
    def value(self):
        return np.array(self._value) if isinstance(self._value, list | tuple) else self._value

    def clone(self):
        return LogProperty(self.name, self._value, self.units)


class FloatTimeSeriesProperty(LogProperty):
    """A log that was recorded in time: `value` and `times` are arrays."""

    def __init__(self, name):
        super().__init__(name, [0.0])
        self._value, self._times = [], []

    def addValue(self, time, value):
        if not isinstance(time, str) or not isinstance(value, float | int):
            raise TypeError("Python argument types in FloatTimeSeriesProperty.addValue did not match C++ signature")
        self._value.append(float(value))
        self._times.append(np.datetime64(time, "ns"))

    @property
    def times(self):
        return np.array(self._times)

    def clone(self):
        other = FloatTimeSeriesProperty(self.name)
        other._value, other._times, other.units = list(self._value), list(self._times), self.units
        return other


# ---- units


class UnitLabel:
    def __init__(self, text):
        self._text = text

    def ascii(self):
        return self._text

    __str__ = ascii


class Unit:
    def __init__(self, identity, caption, label):
        self._identity, self._caption, self._label = identity, caption, label

    def unitID(self):
        return self._identity

    def caption(self):
        return self._caption

    def symbol(self):
        return UnitLabel(self._label)


class Label(Unit):
    def setLabel(self, caption, label):
        if not (type(caption) is str and type(label) is str):
            raise TypeError("Python argument types in Label.setLabel did not match C++ signature")
        self._caption, self._label = caption, label


_UNITS = {
    "DeltaE": ("Energy transfer", "meV"),
    "DeltaE_inWavenumber": ("Energy transfer", "cm^-1"),
    "MomentumTransfer": ("q", "Angstrom^-1"),
    "QSquared": ("Q2", "Angstrom^-2"),
    "Degrees": ("Scattering angle", "degrees"),
    "TOF": ("Time-of-flight", "microsecond"),
    "Wavelength": ("Wavelength", "Angstrom"),
    "Empty": ("", ""),
}


def create_unit(identity):
    if identity == "Label":
        return Label("Label", "Quantity", "")
    if identity not in _UNITS:
        raise RuntimeError(f"{identity} is not registered in factory UnitFactory")
    return Unit(identity, *_UNITS[identity])
