"""``@parameterPack``: several parameters in one object."""

import typing
from collections.abc import Callable
from typing import Any

from Testing.Host.parameter_nodes.annotations import Default
from Testing.Host.parameter_nodes.serializers import Serializer, make

_MARK = "_parameter_pack_fields"


def parameterPack(classtype: type | None = None) -> Any:
    """Make a class a pack: a member for each annotation, with defaults, validation, equality and a readable text."""
    if classtype is None:
        return parameterPack
    fields = fields_of(classtype)
    setattr(classtype, _MARK, fields)
    for name in fields:
        setattr(classtype, name, _member(name))
    classtype.getValue, classtype.setValue = _get_value, _set_value
    for name, method in (("__init__", _init), ("__eq__", _equal), ("__str__", _text), ("__repr__", _text)):
        if name not in vars(classtype):
            setattr(classtype, name, method)
    return classtype


def isParameterPack(classOrObj: Any) -> bool:
    """Whether a class, or the class of an object, is a pack."""
    return hasattr(classOrObj if isinstance(classOrObj, type) else type(classOrObj), _MARK)


def fields_of(classtype: type) -> dict[str, Serializer]:
    """Serializers of the annotated members of a class; a value in the class body is the default."""
    fields = {}
    for name, annotated in typing.get_type_hints(classtype, include_extras=True).items():
        fields[name] = make(annotated)
        if name in vars(classtype):
            fields[name].default_annotation = Default(vars(classtype)[name])
    return fields


def _values(pack: Any) -> dict[str, Any]:
    """Values of the members; the defaults come with the first access, so that ``__init__`` may be overridden."""
    if "_values" not in pack.__dict__:
        fields = getattr(type(pack), _MARK)
        pack.__dict__["_values"] = {name: _owned(pack, field, field.default()) for name, field in fields.items()}
    return pack.__dict__["_values"]


def _owned(pack: Any, field: Serializer, value: Any) -> Any:
    return field.observed(value, lambda _value: _tell(pack))


def _tell(pack: Any) -> None:
    changed = pack.__dict__.get("_changed")
    if changed is not None:
        changed(pack)


def _member(name: str) -> property:
    def read(pack: Any) -> Any:
        return _values(pack)[name]

    def write(pack: Any, value: Any) -> None:
        field = getattr(type(pack), _MARK)[name]
        field.validate(value)
        _values(pack)[name] = _owned(pack, field, value)
        _tell(pack)

    return property(read, write)


def _init(self: Any, *args: Any, **kwargs: Any) -> None:
    names = list(getattr(type(self), _MARK))
    if len(args) > len(names):
        raise ValueError(f"{type(self).__name__} has {len(names)} members, {len(args)} values were given")
    given = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in names or name in given:
            raise ValueError(f"{type(self).__name__} cannot take {name}={value!r}")
        given[name] = value
    for name, value in given.items():
        setattr(self, name, value)


def _get_value(self: Any, name: str) -> Any:
    """Value of a member, also of a nested pack: "corner.x"."""
    value = self
    for member in name.split("."):
        value = getattr(value, member)
    return value


def _set_value(self: Any, name: str, value: Any) -> None:
    """Set a member, also of a nested pack."""
    owner, _, member = name.rpartition(".")
    setattr(_get_value(self, owner) if owner else self, member, value)


def _equal(self: Any, other: object) -> bool:
    return type(self) is type(other) and _values(self) == _values(other)


def _text(self: Any) -> str:
    members = ", ".join(f"{name}={value!r}" for name, value in _values(self).items())
    return f"{type(self).__name__}({members})"


class PackSerializer(Serializer):
    """Keeps each member under ``<name of the pack>.<name of the member>``."""

    def __init__(self, kind: type):
        super().__init__()
        self.kind = kind
        self.fields: dict[str, Serializer] = getattr(kind, _MARK)
        self.caches = all(field.caches for field in self.fields.values())

    def implied_default(self) -> Any:
        return self.kind()

    def validate(self, value: Any) -> None:
        super().validate(value)
        if not isinstance(value, self.kind):
            raise TypeError(f"Value must be a {self.kind.__name__}, is {value!r}")

    def is_in(self, node: Any, name: str) -> bool:
        return all(field.is_in(node, f"{name}.{member}") for member, field in self.fields.items())

    def write(self, node: Any, name: str, value: Any) -> None:
        for member, field in self.fields.items():
            field.write(node, f"{name}.{member}", getattr(value, member))

    def read(self, node: Any, name: str) -> Any:
        values = {member: field.read(node, f"{name}.{member}") for member, field in self.fields.items()}
        return self._with(values)

    def observed(self, value: Any, changed: Callable[[Any], None]) -> Any:
        copied = self._with(_values(value))
        copied.__dict__["_changed"] = changed
        return copied

    def _with(self, values: dict[str, Any]) -> Any:
        pack = self.kind.__new__(self.kind)
        pack.__dict__["_values"] = {name: _owned(pack, self.fields[name], value) for name, value in values.items()}
        return pack
