"""The names a class offers to Python in a running Slicer, from ``slicer_api.json``."""

import functools
import json
from pathlib import Path

API_FILE = Path(__file__).parents[1] / "slicer_api.json"

#: Classes of the host whose one object is listed, by its place in Slicer.
_OBJECTS = {"Application": "app", "LayoutManager": "layoutManager", "MainWindow": "mainWindow"}


@functools.cache
def api() -> dict[str, frozenset[str]]:
    """Class or object of Slicer -> its public names (properties and callables together)."""
    stored = json.loads(API_FILE.read_text(encoding="utf-8"))["names"]
    return {key: frozenset(names.split()) for key, names in stored.items()}


@functools.cache
def offered(kind: type) -> frozenset[str] | None:
    """Names that Slicer offers on instances of a Qt class or stand-in; None where they were not listed."""
    for base in kind.__mro__:
        listed = _listed(base)
        if listed is not None:
            return listed | _of_every_widget(kind)
        if is_qt_or_stand_in(base):
            return None
    return None


def is_qt_or_stand_in(kind: type) -> bool:
    """Whether a class belongs to Qt or to the host, and not to the module under test."""
    return kind.__module__.split(".")[0] in {"PySide6", "Shiboken"} or kind.__module__.startswith("Testing.Host.")


def _listed(kind: type) -> frozenset[str] | None:
    if not is_qt_or_stand_in(kind):
        return None
    if kind.__name__ in _OBJECTS:
        return api()[_OBJECTS[kind.__name__]]
    keys = (f"{prefix}.{kind.__name__}" for prefix in ("qt", "ctk", "slicer"))
    return next((api()[key] for key in keys if key in api()), None)


def _of_every_widget(kind: type) -> frozenset[str]:
    """The lists of the widget classes leave out what QWidget has."""
    is_widget = any(base.__name__ == "QWidget" for base in kind.__mro__)
    return api()["qt.QWidget"] if is_widget else frozenset()
