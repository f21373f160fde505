"""What restricts the values of a parameter."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any


class Validator(ABC):
    """Raises for a value that is not allowed."""

    @abstractmethod
    def validate(self, value: Any) -> None:
        """Raise if the value is not allowed."""


class NotNone(Validator):
    """Anything but None."""

    def validate(self, value: Any) -> None:
        if value is None:
            raise ValueError("Value must not be None")


class IsInstance(Validator):
    """Instances of a class or of one of several; None passes, see ``NotNone``."""

    def __init__(self, classtype: type | tuple[type, ...]):
        self.classtype = classtype

    def validate(self, value: Any) -> None:
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"Value must be of type {self.classtype}, is {value!r}")


class Minimum(Validator):
    """Not less than this."""

    def __init__(self, minimum: float):
        self.minimum = minimum

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be greater than or equal to {self.minimum}, is {value}")


class Maximum(Validator):
    """Not more than this."""

    def __init__(self, maximum: float):
        self.maximum = maximum

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must be less than or equal to {self.maximum}, is {value}")


class WithinRange(Validator):
    """From minimum to maximum, both included."""

    def __init__(self, minimum: float, maximum: float):
        if minimum > maximum:
            raise ValueError(f"minimum {minimum} is above maximum {maximum}")
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class RangeBounds(Validator):
    """A range whose ends lie from minimum to maximum."""

    def __init__(self, minimum: float, maximum: float):
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value: Any) -> None:
        if value.minimum < self.minimum or value.maximum > self.maximum:
            raise ValueError(f"Range must lie within [{self.minimum}, {self.maximum}], is {value}")


class Choice(Validator):
    """One of these."""

    def __init__(self, choices: Iterable[Any]):
        self.choices = list(choices)

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Value must be one of {self.choices}, is {value!r}")


class Exclude(Validator):
    """None of these."""

    def __init__(self, excluded: Iterable[Any]):
        self.excluded = list(excluded)

    def validate(self, value: Any) -> None:
        if value in self.excluded:
            raise ValueError(f"Value must not be one of {self.excluded}, is {value!r}")
