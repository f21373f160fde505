"""Attribute access on Qt objects as PythonQt does it: properties are attributes, and nothing unknown is accepted."""

import builtins
import enum
from collections.abc import Callable
from functools import cache
from typing import Any

import shiboken6
from PySide6 import QtCore

from Testing.Host.pythonqt import names, signals


def pythonqt(value: Any) -> Any:
    """The object itself, or for a Qt object a view of it whose attributes behave as in Slicer."""
    view = _view(type(value))
    return value if view is None else view(value)


@cache
def _view(kind: type) -> type | None:
    if issubclass(kind, QtCore.QObject):
        return QtView
    return EnumerationView if issubclass(kind, enum.EnumMeta) else None


class EnumerationView:
    """Stands in for an enumeration during one attribute access: PythonQt has the values in the class around it."""

    __slots__ = ("__enumeration",)

    def __init__(self, value: enum.EnumMeta):
        self.__enumeration = value

    def __getattr__(self, name: str) -> Any:
        found = self.__enumeration
        if found.__module__.startswith("PySide6") and name in found.__members__:
            around = found.__qualname__.rpartition(".")[0]
            raise AttributeError(f"write {around}.{name}: {found.__qualname__}.{name} does not exist in Slicer")
        return getattr(found, name)


class QtView:
    """Stands in for a Qt object during one attribute access; never kept."""

    __slots__ = ("__object",)

    def __init__(self, value: QtCore.QObject):
        object.__setattr__(self, "_QtView__object", value)

    def __getattr__(self, name: str) -> Any:
        return read(object.__getattribute__(self, "_QtView__object"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        write(object.__getattribute__(self, "_QtView__object"), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(object.__getattribute__(self, "_QtView__object"), name)


def read(target: QtCore.QObject, name: str) -> Any:
    """Value of an attribute; raises AttributeError for a name that Slicer does not offer."""
    kind = type(target)
    if _is_own(target, name):
        return getattr(target, name)
    if name in _SPECIAL:
        return _SPECIAL[name](target)
    _refuse_unknown(kind, name)
    if _is_declared_in_python(kind, name):
        return getattr(target, name)
    if _property_index(kind, target, name) >= 0 and not _is_signal(kind, name):
        return _read_property(target, name)
    return getattr(target, name)


def write(target: QtCore.QObject, name: str, value: Any) -> None:
    """Set a property; on a class of the module's own, also an attribute of its own."""
    kind = type(target)
    own = not names.is_qt_or_stand_in(kind)
    if name == "name":
        target.setObjectName(value)
        return
    index = _property_index(kind, target, name)
    if index < 0 or (own and _is_own(target, name)):
        if not own:
            raise AttributeError(f"{_class_name(target)} has no property '{name}' to set")
        builtins.setattr(target, name, value)
        return
    _refuse_unknown(kind, name)
    meta_property = target.metaObject().property(index)
    if not meta_property.isWritable():
        raise AttributeError(f"property '{name}' of {_class_name(target)} is read-only")
    _write_property(target, name, _checked(target, meta_property, name, value))


def pythonqt_getattr(target: Any, name: str, *default: Any) -> Any:
    """``getattr`` with PythonQt's manners."""
    return builtins.getattr(pythonqt(target), name, *default)


def pythonqt_hasattr(target: Any, name: str) -> bool:
    """``hasattr`` with PythonQt's manners."""
    return builtins.hasattr(pythonqt(target), name)


def pythonqt_setattr(target: Any, name: str, value: Any) -> None:
    """``setattr`` with PythonQt's manners."""
    builtins.setattr(pythonqt(target), name, value)


def _delete(target: QtCore.QObject) -> Callable[[], None]:
    return lambda: shiboken6.delete(target)


def _class_name(target: QtCore.QObject) -> str:
    return target.metaObject().className()


def _exec(target: QtCore.QObject) -> Any:
    if not hasattr(target, "exec"):
        raise AttributeError(f"{_class_name(target)} has no attribute 'exec_'")
    return target.exec


#: What PythonQt adds to every object.
_SPECIAL: dict[str, Callable[[Any], Any]] = {
    "connect": lambda target: lambda signature, *slot: signals.connect(target, signature, *slot),
    "disconnect": lambda target: lambda signature, *slot: signals.disconnect(target, signature, *slot),
    "className": lambda target: lambda: _class_name(target),
    "name": lambda target: target.objectName(),
    "delete": _delete,
    "exec_": _exec,
}


def _is_own(target: QtCore.QObject, name: str) -> bool:
    """Whether a class of the module under test, or its instance, defines the name."""
    if names.is_qt_or_stand_in(type(target)):
        return False
    if name in getattr(target, "__dict__", ()):
        return True
    return any(name in vars(kind) for kind in type(target).__mro__ if not names.is_qt_or_stand_in(kind))


def _refuse_unknown(kind: type, name: str) -> None:
    offered = names.offered(kind)
    if name.startswith("_"):
        offered = frozenset()
    if offered is None or name in offered or name.removesuffix("_") in offered or _is_constant(kind, name):
        return
    raise AttributeError(f"{kind.__name__} has no attribute '{name}' in Slicer")


@cache
def _is_constant(kind: type, name: str) -> bool:
    """Enumerations and their values: Slicer's lists leave them out."""
    found = getattr(kind, name, None)
    return found is not None and (isinstance(found, type) or type(type(found)).__name__ == "EnumType")


@cache
def _is_declared_in_python(kind: type, name: str) -> bool:
    return any(isinstance(vars(base).get(name), QtCore.Property) for base in kind.__mro__)


@cache
def _is_signal(kind: type, name: str) -> bool:
    return isinstance(getattr(kind, name, None), QtCore.Signal)


def _property_index(kind: type, target: QtCore.QObject, name: str) -> int:
    key = (kind, name)
    if key not in _indices:
        _indices[key] = target.metaObject().indexOfProperty(name)
    return _indices[key]


_indices: dict[tuple[type, str], int] = {}


def _read_property(target: QtCore.QObject, name: str) -> Any:
    """By the getter of that name where there is one, which returns richer types than ``property()``."""
    capital = name[:1].upper() + name[1:]
    for getter in (name, f"is{capital}"):
        method = getattr(target, getter, None)
        if callable(method):
            try:
                return method()
            except TypeError:
                continue
    return target.property(name)


def _write_property(target: QtCore.QObject, name: str, value: Any) -> None:
    if _is_declared_in_python(type(target), name):
        setattr(target, name, value)
        return
    setter = getattr(target, f"set{name[:1].upper()}{name[1:]}", None)
    if callable(setter):
        setter(value)
    elif not target.setProperty(name, value):
        raise TypeError(f"property '{name}' of {_class_name(target)} does not take {value!r}")


def _checked(target: QtCore.QObject, meta_property: QtCore.QMetaProperty, name: str, value: Any) -> Any:
    """Numbers become bool or int as in PythonQt; other objects are refused there, whatever their truth value."""
    type_name = meta_property.typeName()
    if type_name not in {"bool", "int", "double"}:
        return value
    if not isinstance(value, (bool, int, float)) and not hasattr(value, "__index__") and not _is_enum(value):
        raise TypeError(f"property '{name}' of {_class_name(target)} is a {type_name}, not {value!r}")
    return {"bool": bool, "int": _to_int, "double": float}[type_name](value)


def _is_enum(value: Any) -> bool:
    return type(type(value)).__name__ == "EnumType"


def _to_int(value: Any) -> int:
    return int(value.value) if _is_enum(value) else int(value)
