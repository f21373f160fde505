"""A range of real numbers as one parameter."""

from typing import Any


class FloatRange:
    """From ``minimum`` to ``maximum``; changes of either reach the parameter node."""

    def __init__(self, minimum: float, maximum: float):
        self._check(minimum, maximum)
        self._minimum, self._maximum = float(minimum), float(maximum)
        self._changed: Any = None

    @staticmethod
    def _check(minimum: float, maximum: float) -> None:
        if minimum > maximum:
            raise ValueError(f"minimum {minimum} is above maximum {maximum}")

    @property
    def minimum(self) -> float:
        """Lower end."""
        return self._minimum

    @minimum.setter
    def minimum(self, value: float) -> None:
        self._check(value, self._maximum)
        self._minimum = float(value)
        self._tell()

    @property
    def maximum(self) -> float:
        """Upper end."""
        return self._maximum

    @maximum.setter
    def maximum(self, value: float) -> None:
        self._check(self._minimum, value)
        self._maximum = float(value)
        self._tell()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FloatRange) and (self.minimum, self.maximum) == (other.minimum, other.maximum)

    def __hash__(self) -> int:
        return hash((self._minimum, self._maximum))

    def __repr__(self) -> str:
        return f"FloatRange({self._minimum}, {self._maximum})"
