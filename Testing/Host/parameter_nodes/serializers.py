"""How values of each type are kept in a ``vtkMRMLScriptedModuleNode``: as texts and node references."""

import enum
import pathlib
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import slicer

from Testing.Host.parameter_nodes.annotations import Default, findFirstAnnotation, splitAnnotations
from Testing.Host.parameter_nodes.observed import ObservedDict, ObservedList
from Testing.Host.parameter_nodes.ranges import FloatRange
from Testing.Host.parameter_nodes.validators import IsInstance, NotNone, Validator

_PATHS = tuple(
    getattr(pathlib, name)
    for name in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
)


class Serializer(ABC):
    """Writes and reads values of one type under a name; ``validators`` are checked before writing."""

    caches = True

    def __init__(self) -> None:
        self.validators: list[Validator] = []
        self.default_annotation: Default | None = None

    def default(self) -> Any:
        """Value of a parameter that was never set."""
        return self.default_annotation.value if self.default_annotation is not None else self.implied_default()

    @abstractmethod
    def implied_default(self) -> Any:
        """The documented default of the type."""

    @abstractmethod
    def write(self, node: Any, name: str, value: Any) -> None:
        """Keep a valid value."""

    @abstractmethod
    def read(self, node: Any, name: str) -> Any:
        """The value kept."""

    def is_in(self, node: Any, name: str) -> bool:
        """Whether a value was kept."""
        return bool(node.HasParameter(name))

    def validate(self, value: Any) -> None:
        """Raise for a value that is not allowed."""
        for validator in self.validators:
            validator.validate(value)

    def observed(self, value: Any, changed: Callable[[Any], None]) -> Any:
        """The value in a form that calls ``changed`` when it is changed in place."""
        return value


class TextSerializer(Serializer):
    """Whatever is one text: numbers, texts, paths and enumerations."""

    def __init__(self, kind: type, to_text: Callable[[Any], str], from_text: Callable[[str], Any], default: Any):
        super().__init__()
        self.kind, self.to_text, self.from_text, self._default = kind, to_text, from_text, default

    def implied_default(self) -> Any:
        return self._default

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, self.to_text(value))

    def read(self, node: Any, name: str) -> Any:
        return self.from_text(node.GetParameter(name))


class NodeSerializer(Serializer):
    """MRML nodes, as references."""

    def implied_default(self) -> Any:
        return None

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "node")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)


class RangeSerializer(Serializer):
    """FloatRange."""

    def implied_default(self) -> Any:
        raise ValueError("a FloatRange parameter needs a Default")

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, f"{value.minimum!r},{value.maximum!r}")

    def read(self, node: Any, name: str) -> Any:
        return FloatRange(*map(float, node.GetParameter(name).split(",")))

    def observed(self, value: Any, changed: Callable[[Any], None]) -> Any:
        copied = FloatRange(value.minimum, value.maximum)
        copied._changed = changed
        return copied


class SequenceSerializer(Serializer):
    """Lists, and tuples of a fixed length, each element under a name of its own."""

    def __init__(self, elements: list[Serializer], fixed: bool):
        super().__init__()
        self.elements, self.fixed = elements, fixed
        self.caches = all(element.caches for element in elements)

    def implied_default(self) -> Any:
        return tuple(element.default() for element in self.elements) if self.fixed else []

    def _element(self, index: int) -> Serializer:
        return self.elements[index] if self.fixed else self.elements[0]

    def validate(self, value: Any) -> None:
        super().validate(value)
        if self.fixed and len(value) != len(self.elements):
            raise ValueError(f"Value must have {len(self.elements)} elements, is {value!r}")
        for index, element in enumerate(value):
            self._element(index).validate(element)

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, str(len(value)))
        for index, element in enumerate(value):
            self._element(index).write(node, f"{name}.{index}", element)

    def read(self, node: Any, name: str) -> Any:
        count = int(node.GetParameter(name))
        values = [self._element(index).read(node, f"{name}.{index}") for index in range(count)]
        return tuple(values) if self.fixed else values

    def observed(self, value: Any, changed: Callable[[Any], None]) -> Any:
        if self.fixed:
            return value
        return ObservedList(value, self.validate, changed)


class DictSerializer(Serializer):
    """Dictionaries, as a list of keys and a list of values."""

    def __init__(self, keys: Serializer, values: Serializer):
        super().__init__()
        self.keys, self.values = SequenceSerializer([keys], False), SequenceSerializer([values], False)
        self.caches = keys.caches and values.caches

    def implied_default(self) -> Any:
        return {}

    def validate(self, value: Any) -> None:
        super().validate(value)
        self.keys.validate(list(value))
        self.values.validate(list(value.values()))

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "dict")
        self.keys.write(node, f"{name}.keys", list(value))
        self.values.write(node, f"{name}.values", list(value.values()))

    def read(self, node: Any, name: str) -> Any:
        keys, values = self.keys.read(node, f"{name}.keys"), self.values.read(node, f"{name}.values")
        return dict(zip(keys, values, strict=True))

    def observed(self, value: Any, changed: Callable[[Any], None]) -> Any:
        return ObservedDict(value, self.validate, changed)


class UnionSerializer(Serializer):
    """A value of one of several types, or None where that is one of them."""

    def __init__(self, members: list[Serializer | None]):
        super().__init__()
        self.members = members
        self.caches = all(member is None or member.caches for member in members)

    def implied_default(self) -> Any:
        if self.members[0] is None or (len(self.members) == 2 and self.members[1] is None):
            return None
        return self.members[0].default()

    def _place(self, value: Any) -> int:
        refusals: list[Exception] = []
        for place, member in enumerate(self.members):
            if member is None or value is None:
                if member is None and value is None:
                    return place
                continue
            if isinstance(value, bool) and getattr(member, "kind", bool) is not bool:
                continue  # Python's bool is an int, too
            try:
                member.validate(value)
                return place
            except (TypeError, ValueError) as refusal:
                refusals.append(refusal)
        for refusal in refusals:
            if isinstance(refusal, ValueError):
                raise refusal
        raise TypeError(f"Value {value!r} fits none of the types of the union")

    def validate(self, value: Any) -> None:
        super().validate(value)
        self._place(value)

    def write(self, node: Any, name: str, value: Any) -> None:
        place = self._place(value)
        node.SetParameter(name, str(place))
        member = self.members[place]
        if member is not None:
            member.write(node, f"{name}.value", value)

    def read(self, node: Any, name: str) -> Any:
        member = self.members[int(node.GetParameter(name))]
        return None if member is None else member.read(node, f"{name}.value")


def make(annotated: Any) -> Serializer:
    """Serializer of a type with its annotations; raises TypeError for a type that Slicer does not support."""
    kind, annotations = splitAnnotations(annotated)
    serializer = _make(kind)
    given = [each() if isinstance(each, type) and issubclass(each, Validator) else each for each in annotations]
    serializer.validators += [each for each in given if isinstance(each, Validator)]
    serializer.default_annotation = findFirstAnnotation(annotations, Default) or serializer.default_annotation
    return serializer


def is_node_type(kind: Any) -> bool:
    """Whether a type is a class of MRML nodes, or a union of such."""
    if isinstance(kind, type):
        return issubclass(kind, slicer.vtkMRMLNode)
    members = [each for each in typing.get_args(kind) if each is not type(None)]
    return typing.get_origin(kind) in {typing.Union, types.UnionType} and all(map(is_node_type, members))


def _make(kind: Any) -> Serializer:
    from Testing.Host.parameter_nodes import pack

    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if pack.isParameterPack(kind):
        return pack.PackSerializer(kind)
    if is_node_type(kind):
        serializer: Serializer = NodeSerializer()
        classes = (kind,) if isinstance(kind, type) else tuple(a for a in arguments if a is not type(None))
        serializer.validators = [IsInstance(classes)]
        return serializer
    if origin in {typing.Union, types.UnionType}:
        return UnionSerializer([None if each is type(None) else make(each) for each in arguments])
    if origin is list:
        return SequenceSerializer([make(arguments[0])], fixed=False)
    if origin is tuple:
        return SequenceSerializer([make(each) for each in arguments], fixed=True)
    if origin is dict:
        return DictSerializer(make(arguments[0]), make(arguments[1]))
    return _make_plain(kind)


def _make_plain(kind: Any) -> Serializer:
    if kind is FloatRange:
        serializer: Serializer = RangeSerializer()
    elif kind is bool:
        serializer = TextSerializer(bool, str, lambda text: text.lower() == "true", False)
    elif kind is int:
        serializer = TextSerializer(int, str, int, 0)
    elif kind is float:
        serializer = TextSerializer(float, lambda value: repr(float(value)), float, 0.0)
    elif kind is str:
        serializer = TextSerializer(str, str, str, "")
    elif kind in _PATHS:
        serializer = TextSerializer(kind, str, kind, kind())
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        serializer = TextSerializer(kind, lambda value: value.name, lambda text: kind[text], next(iter(kind)))
    else:
        raise TypeError(f"parameters of type {kind} are not supported")
    allowed = (float, int) if kind is float else kind
    serializer.validators = [NotNone(), IsInstance(allowed)]
    return serializer
