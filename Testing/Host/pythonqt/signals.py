"""``widget.connect("clicked(bool)", slot)``: signals by their C++ signature."""

import re
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

_SIGNATURE = re.compile(r"^(\w+)\s*\((.*)\)$")

#: (sender, signature, callable) -> what was really connected, for ``disconnect``.
_connected: dict[tuple[int, str, Any], Callable[..., None]] = {}


def connect(sender: QtCore.QObject, signature: str, *target: Any) -> bool:
    """Connect ``sender`` to a callable, or to ``(receiver, "slot(...)")``; a signature that does not exist raises.

    The callable gets as many arguments as the signature has, or fewer where it takes fewer.
    """
    signal, types = _find(sender, signature)
    slot = _callable(target)
    relay = _relay(slot, types)
    _connected[(id(sender), signature, _key(slot))] = relay
    signal.connect(relay)
    return True


def disconnect(sender: QtCore.QObject, signature: str, *target: Any) -> bool:
    """Undo ``connect``; returns whether there was such a connection."""
    signal, _ = _find(sender, signature)
    relay = _connected.pop((id(sender), signature, _key(_callable(target))), None)
    if relay is None:
        return False
    signal.disconnect(relay)
    return True


def split(signature: str) -> tuple[str, list[str]]:
    """``"valueChanged(int)"`` -> name and types of the arguments."""
    match = _SIGNATURE.match(signature.strip())
    if match is None:
        raise ValueError(f'"{signature}" is not a signature such as "clicked(bool)"')
    name, arguments = match.groups()
    return name, [part.strip() for part in arguments.split(",") if part.strip()]


def _find(sender: QtCore.QObject, signature: str) -> tuple[Any, list[str]]:
    """The bound signal, and the types of the arguments that the signature names."""
    name, types = split(signature)
    bound = getattr(sender, name, None)
    if not hasattr(bound, "emit"):
        raise AttributeError(f"{sender.metaObject().className()} has no signal {signature}")
    if not _is_python_signal(sender, name) and not _is_cpp_signal(sender, signature):
        raise AttributeError(f"{sender.metaObject().className()} has no signal {signature}")
    return bound, types


def _is_cpp_signal(sender: QtCore.QObject, signature: str) -> bool:
    normalized = QtCore.QMetaObject.normalizedSignature(signature)
    return sender.metaObject().indexOfSignal(bytes(normalized).decode()) >= 0


def _is_python_signal(sender: QtCore.QObject, name: str) -> bool:
    """Stand-ins declare their signals in Python, where pointer types have no C++ name to compare."""
    return any(isinstance(vars(kind).get(name), QtCore.Signal) for kind in type(sender).__mro__ if _in_python(kind))


def _in_python(kind: type) -> bool:
    return not kind.__module__.startswith(("PySide6", "Shiboken", "builtins"))


def _callable(target: tuple[Any, ...]) -> Callable[..., Any]:
    if len(target) == 1 and callable(target[0]):
        return target[0]
    if len(target) == 2 and isinstance(target[1], str):
        return getattr(target[0], split(target[1])[0])
    raise TypeError("connect takes a signature and a callable, or a signature, a receiver and its slot")


def _key(slot: Callable[..., Any]) -> Any:
    owner = getattr(slot, "__self__", None)
    return (id(owner), getattr(slot, "__name__", "")) if owner is not None else id(slot)


def _relay(slot: Callable[..., Any], types: list[str]) -> Callable[..., None]:
    """A function of exactly as many arguments as the slot gets: Qt's binding looks at that number."""
    count = min(len(types), _positional(slot))

    def call(*arguments: Any) -> None:
        slot(*(bool(value) if kind == "bool" else value for value, kind in zip(arguments, types, strict=False)))

    relays = (lambda: call(), lambda a: call(a), lambda a, b: call(a, b), lambda a, b, c: call(a, b, c))
    return relays[count]


def _positional(slot: Callable[..., Any]) -> int:
    """How many positional arguments a Python callable takes; unlimited where it cannot be known."""
    function = getattr(slot, "__func__", slot)
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & 0x04:
        return 1000
    return code.co_argcount - (1 if hasattr(slot, "__self__") else 0)
