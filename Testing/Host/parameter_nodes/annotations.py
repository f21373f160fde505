"""What can stand in ``Annotated[...]`` beside validators."""

import copy
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

_NOTHING = object()


class Default:
    """Value of a parameter that has none yet, or a function that makes it."""

    def __init__(self, value: Any = _NOTHING, *, generator: Callable[[], Any] | None = None):
        if (value is _NOTHING) == (generator is None):
            raise ValueError("Default takes a value or a generator")
        self._value, self.generator = value, generator

    @property
    def value(self) -> Any:
        """A fresh copy, so that nobody changes the default itself."""
        return self.generator() if self.generator is not None else copy.copy(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Default) and (self._value, self.generator) == (other._value, other.generator)

    def __hash__(self) -> int:
        return hash(self.generator)


@dataclass(frozen=True)
class Decimals:
    """Digits after the point that the widget shows."""

    value: int


@dataclass(frozen=True)
class SingleStep:
    """Step of the widget."""

    value: float


@dataclass(frozen=True)
class Label:
    """What the user reads instead of the parameter's name."""

    label: str


def splitAnnotations(possiblyAnnotatedType: Any) -> tuple[Any, list[Any]]:
    """``Annotated[int, a, b]`` -> ``int, [a, b]``; any other type -> itself and nothing."""
    if typing.get_origin(possiblyAnnotatedType) is typing.Annotated:
        kind, *annotations = typing.get_args(possiblyAnnotatedType)
        return kind, annotations
    return possiblyAnnotatedType, []


def unannotatedType(possiblyAnnotatedType: Any) -> Any:
    """The type without its annotations."""
    return splitAnnotations(possiblyAnnotatedType)[0]


def findFirstAnnotation(annotationsList: Iterable[Any], annotationType: type | tuple[type, ...]) -> Any:
    """The first annotation of a type, or None."""
    return next((annotation for annotation in annotationsList if isinstance(annotation, annotationType)), None)
