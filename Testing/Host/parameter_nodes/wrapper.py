"""``@parameterNodeWrapper``: a class whose members are kept in a parameter node and bound to widgets."""

from collections.abc import Callable
from typing import Any

import vtk
from PySide6 import QtWidgets

from Testing.Host.parameter_nodes.connectors import Connector, connector
from Testing.Host.parameter_nodes.pack import PackSerializer, fields_of
from Testing.Host.parameter_nodes.serializers import Serializer

SlicerParameterNamePropertyName = "SlicerParameterName"
_MARK = "_parameter_node_fields"


def parameterNodeWrapper(classtype: type | None = None) -> Any:
    """Make a class a typed view of a parameter node: ``Wrapped(node).name``."""
    if classtype is None:
        return parameterNodeWrapper
    import typing

    fields = fields_of(classtype)
    members: dict[str, Any] = {name: _member(name) for name in fields}
    members[_MARK] = fields
    members["_types"] = typing.get_type_hints(classtype, include_extras=True)
    kept = {name: value for name, value in vars(classtype).items() if name not in {*fields, "__dict__", "__weakref__"}}
    return type(classtype.__name__, (_ParameterNode, *classtype.__bases__), {**kept, **members})


def isParameterNodeWrapper(classOrObj: Any) -> bool:
    """Whether a class, or the class of an object, is a wrapper."""
    return hasattr(classOrObj if isinstance(classOrObj, type) else type(classOrObj), _MARK)


def _member(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


class _ParameterNode:
    """What every wrapper can do."""

    def __init__(self, parameterNode: Any, prefix: str | None = None):
        object.__setattr__(self, "parameterNode", parameterNode)
        object.__setattr__(self, "_prefix", f"{prefix}." if prefix else "")
        object.__setattr__(self, "_cache", {})
        object.__setattr__(self, "_bindings", {})
        modifying = parameterNode.StartModify()
        for name, field in self._fields().items():
            if not field.is_in(parameterNode, self._prefix + name):
                field.write(parameterNode, self._prefix + name, field.default())
        parameterNode.EndModify(modifying)

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(type(self), name) and not name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no parameter {name}")
        object.__setattr__(self, name, value)

    @classmethod
    def _fields(cls) -> dict[str, Serializer]:
        return getattr(cls, _MARK)

    @classmethod
    def _field(cls, name: str) -> Serializer:
        """Serializer of a parameter, also of a member of a pack: "box.topLeft.x"."""
        first, *rest = name.split(".")
        if first not in cls._fields():
            raise ValueError(f"{cls.__name__} has no parameter {name}")
        field = cls._fields()[first]
        for member in rest:
            if not isinstance(field, PackSerializer) or member not in field.fields:
                raise ValueError(f"{cls.__name__} has no parameter {name}")
            field = field.fields[member]
        return field

    @classmethod
    def dataType(cls, name: str) -> Any:
        """Type of a parameter with its annotations."""
        import typing

        from Testing.Host.parameter_nodes.annotations import unannotatedType

        cls._field(name)
        first, *rest = name.split(".")
        found = cls._types[first]
        for member in rest:
            found = typing.get_type_hints(unannotatedType(found), include_extras=True)[member]
        return found

    def default(self, name: str) -> Any:
        """Default of a parameter."""
        return self._field(name).default()

    def isCached(self, name: str) -> bool:
        """Whether the wrapper remembers the value instead of reading it from the node each time."""
        return self._field(name).caches

    def getValue(self, name: str) -> Any:
        """Value of a parameter. Remembered: a change of the node by others is not seen, as in Slicer."""
        first, *rest = name.split(".")
        field = self._field(first)
        if first not in self._cache or not field.caches or self._has_left(self._cache[first]):
            value = field.read(self.parameterNode, self._prefix + first)
            self._cache[first] = field.observed(value, lambda changed: self._write(first, changed))
        value = self._cache[first]
        for member in rest:
            value = getattr(value, member)
        return value

    @staticmethod
    def _has_left(value: Any) -> bool:
        """Whether a remembered node is no longer in a scene."""
        return hasattr(value, "GetScene") and value.GetScene() is None

    def setValue(self, name: str, value: Any) -> None:
        """Set a parameter; raises ValueError or TypeError for a value that is not allowed."""
        owner, _, member = name.rpartition(".")
        if owner:
            setattr(self.getValue(owner), member, value)
            return
        field = self._field(name)
        field.validate(value)
        self._cache[name] = field.observed(value, lambda changed: self._write(name, changed))
        self._write(name, self._cache[name])

    def _write(self, name: str, value: Any) -> None:
        field = self._field(name)
        field.validate(value)
        modifying = self.parameterNode.StartModify()
        field.write(self.parameterNode, self._prefix + name, value)
        self.parameterNode.EndModify(modifying)

    # --- the node ---

    def AddObserver(self, event: Any, callback: Callable[..., Any], priority: float = 0.0) -> int:
        """Observe the node."""
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        """Stop observing the node."""
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self) -> int:
        """Hold back the node's events."""
        return self.parameterNode.StartModify()

    def EndModify(self, previous: int) -> int:
        """Let the node's events go."""
        return self.parameterNode.EndModify(previous)

    def Modified(self) -> None:
        """Tell observers of the node that it has changed."""
        self.parameterNode.Modified()

    # --- widgets ---

    def connectGui(self, gui: Any) -> int:
        """Bind the widgets that carry a ``SlicerParameterName``; ``gui`` is a widget or what holds them by name."""
        mapping: dict[str, Any] = {}
        for widget in _widgets(gui):
            name = widget.property(SlicerParameterNamePropertyName)
            if name:
                if name in mapping:
                    raise ValueError(f"two widgets have the {SlicerParameterNamePropertyName} {name}")
                mapping[name] = widget
        return self.connectParametersToGui(mapping)

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        """Bind parameters to widgets: name -> widget. Returns a tag for ``disconnectGui``."""
        connectors = {name: connector(widget, self.dataType(name)) for name, widget in mapping.items()}
        binding = _Binding(self, connectors)
        tag = max(self._bindings, default=0) + 1
        self._bindings[tag] = binding
        return tag

    def disconnectGui(self, tag: int) -> None:
        """End a binding."""
        self._bindings.pop(tag).end()


class _Binding:
    """Parameters and widgets that follow each other."""

    def __init__(self, wrapper: _ParameterNode, connectors: dict[str, Connector]):
        self._wrapper, self._connectors = wrapper, connectors
        self._show()
        self._tag = wrapper.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._show())
        for name, each in connectors.items():
            each.connect(lambda name=name: self._take(name))

    def _show(self) -> None:
        for name, each in self._connectors.items():
            value = self._wrapper.getValue(name)
            if each.read() != value:
                each.write(value)

    def _take(self, name: str) -> None:
        value = self._connectors[name].read()
        if value != self._wrapper.getValue(name):
            self._wrapper.setValue(name, value)

    def end(self) -> None:
        self._wrapper.parameterNode.RemoveObserver(self._tag)
        for each in self._connectors.values():
            each.disconnect()


def _widgets(gui: Any) -> list[Any]:
    if isinstance(gui, QtWidgets.QWidget):
        return [gui, *gui.findChildren(QtWidgets.QWidget)]
    return [value for value in vars(gui).values() if isinstance(value, QtWidgets.QWidget)]
