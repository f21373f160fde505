"""VTK observers that end with the Qt object they serve."""

from collections.abc import Callable
from typing import Any

import shiboken6
import vtk
from PySide6 import QtCore


class Observers:
    """Observations of MRML nodes on behalf of a Qt object, or for as long as ``clear`` is not called."""

    def __init__(self, owner: QtCore.QObject | None = None):
        self._owner = owner
        self._tags: list[tuple[Any, int]] = []
        if owner is not None:
            tags = self._tags
            owner.destroyed.connect(lambda: _remove(tags))

    def add(self, subject: Any, event: Any, callback: Callable[[], Any]) -> None:
        """Call ``callback()`` at every such event."""

        def relay(*_: Any) -> None:
            if self._owner is None or shiboken6.isValid(self._owner):
                callback()

        self._tags.append((subject, subject.AddObserver(event, relay)))

    def add_with_node(self, subject: Any, event: Any, callback: Callable[[Any], Any]) -> None:
        """Call ``callback(node)`` at events of the scene that carry a node."""

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def relay(_caller: Any, _event: Any, node: Any) -> None:
            if self._owner is None or shiboken6.isValid(self._owner):
                callback(node)

        self._tags.append((subject, subject.AddObserver(event, relay)))

    def clear(self) -> None:
        """Stop observing."""
        _remove(self._tags)


def _remove(tags: list[tuple[Any, int]]) -> None:
    for subject, tag in tags:
        subject.RemoveObserver(tag)
    tags.clear()
