"""All widget classes a module may use, by the name it has in Slicer."""

import functools

from PySide6 import QtCore, QtWidgets

from Testing.Host.stand_ins import (
    buttons,
    checkable_node_combo_box,
    choices,
    collapsible,
    node_combo_box,
    numbers,
    paths,
    ranges,
    scene_widget,
    segment_selector,
    table_view,
)
from Testing.Host.views import plot_view, slice_view, table_widget, threed_view

_FILES = (
    buttons,
    checkable_node_combo_box,
    choices,
    collapsible,
    node_combo_box,
    numbers,
    paths,
    ranges,
    scene_widget,
    segment_selector,
    table_view,
)
_VIEW_FILES = (plot_view, slice_view, table_widget, threed_view)


@functools.cache
def stand_ins() -> dict[str, type]:
    """Classes that the host stands in for and that a module may make itself."""
    return _classes_of(_FILES)


@functools.cache
def views() -> dict[str, type]:
    """Classes of the views, which the layout manager makes."""
    return _classes_of(_VIEW_FILES)


def find(name: str) -> type | None:
    """Class of a name in a ``.ui`` file, or None."""
    if name in stand_ins():
        return stand_ins()[name]
    found = getattr(QtWidgets, name, None)
    return found if isinstance(found, type) and issubclass(found, QtCore.QObject) else None


def is_stand_in(kind: type) -> bool:
    """Whether the host has written this class."""
    return kind.__name__ in stand_ins()


def _classes_of(files: tuple) -> dict[str, type]:
    return {
        name: value
        for file in files
        for name, value in vars(file).items()
        if name.startswith(("ctk", "qMRML")) and value.__module__ == file.__name__
    }
