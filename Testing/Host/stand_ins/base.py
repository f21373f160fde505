"""How stand-ins declare their properties."""

from typing import Any

from PySide6 import QtCore


def stored(kind: Any, default: Any, after: str | None = None) -> QtCore.Property:
    """A property that keeps its value in the object; ``after`` names a method to call when it changes."""
    key = object()

    def read(self: Any) -> Any:
        return self.__dict__.get("_stored", {}).get(key, default)

    def write(self: Any, value: Any) -> None:
        changed = value != read(self)
        self.__dict__.setdefault("_stored", {})[key] = value
        if after is not None and changed:
            getattr(self, after)()

    return QtCore.Property(kind, read, write)


def forwarded(kind: Any, part: str, name: str) -> QtCore.Property:
    """A property that belongs to an inner widget, ``self.<part>``, as ``name()`` and ``setName()``."""
    setter = f"set{name[:1].upper()}{name[1:]}"

    def read(self: Any) -> Any:
        return getattr(getattr(self, part), name)()

    def write(self: Any, value: Any) -> None:
        getattr(getattr(self, part), setter)(value)

    return QtCore.Property(kind, read, write)
