"""Mouse and keyboard as a user has them: real Qt events at widgets that are visible and enabled."""

from collections.abc import Sequence
from pathlib import Path

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtTest import QTest


class NotClickableError(AssertionError):
    """A user could not have clicked there."""


def click(widget: QtWidgets.QWidget, position: QtCore.QPoint | None = None) -> None:
    """Press and release the left button, by default where the widget reacts."""
    require_reachable(widget)
    QTest.mouseClick(widget, QtCore.Qt.MouseButton.LeftButton, pos=position or _hot_spot(widget))


def double_click(widget: QtWidgets.QWidget, position: QtCore.QPoint | None = None) -> None:
    """Double click with the left button."""
    require_reachable(widget)
    QTest.mouseDClick(widget, QtCore.Qt.MouseButton.LeftButton, pos=position or _hot_spot(widget))


def drag(widget: QtWidgets.QWidget, start: tuple[int, int], end: tuple[int, int], steps: int = 5) -> None:
    """Move with the left button held, in pixels from the widget's top left corner."""
    require_reachable(widget)
    QTest.mouseMove(widget, QtCore.QPoint(*start))
    QTest.mousePress(widget, QtCore.Qt.MouseButton.LeftButton, pos=QtCore.QPoint(*start))
    for step in range(1, steps + 1):
        x, y = (round(a + (b - a) * step / steps) for a, b in zip(start, end, strict=True))
        _move_with_button(widget, QtCore.QPoint(x, y))
    QTest.mouseRelease(widget, QtCore.Qt.MouseButton.LeftButton, pos=QtCore.QPoint(*end))


def wheel(widget: QtWidgets.QWidget, notches: int) -> None:
    """Turn the wheel over the middle of a widget; positive is away from the user."""
    require_reachable(widget)
    QTest.mouseMove(widget)
    middle = QtCore.QPointF(widget.rect().center())
    event = QtGui.QWheelEvent(
        middle,
        widget.mapToGlobal(middle),
        QtCore.QPoint(),
        QtCore.QPoint(0, 120 * notches),
        QtCore.Qt.MouseButton.NoButton,
        QtCore.Qt.KeyboardModifier.NoModifier,
        QtCore.Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QtWidgets.QApplication.sendEvent(widget, event)


def type_text(widget: QtWidgets.QWidget, text: str) -> None:
    """Type into a widget after clicking it."""
    require_reachable(widget)
    widget.setFocus()
    QTest.keyClicks(widget, text)


def choose(combo: QtWidgets.QWidget, text: str) -> None:
    """Choose an item of a combo box, or of the one inside a node selector, as a click on it does."""
    require_reachable(combo)
    box = combo if isinstance(combo, QtWidgets.QComboBox) else combo.findChild(QtWidgets.QComboBox)
    index = box.findText(text)
    if index < 0:
        raise NotClickableError(f'"{text}" is not among {[box.itemText(i) for i in range(box.count())]}')
    box.setCurrentIndex(index)
    box.activated.emit(index)


def drop_files(widget: QtWidgets.QWidget, paths: Sequence[str | Path]) -> bool:
    """Drop files from the desktop onto the middle of a widget; returns whether it took them."""
    require_reachable(widget)
    target = widget.viewport() if isinstance(widget, QtWidgets.QAbstractScrollArea) else widget
    data = QtCore.QMimeData()
    data.setUrls([QtCore.QUrl.fromLocalFile(str(path)) for path in paths])
    place, copy = target.rect().center(), QtCore.Qt.DropAction.CopyAction
    left, none = QtCore.Qt.MouseButton.LeftButton, QtCore.Qt.KeyboardModifier.NoModifier
    enter = QtGui.QDragEnterEvent(place, copy, data, left, none)
    QtWidgets.QApplication.sendEvent(target, enter)
    if not enter.isAccepted():
        return False
    QtWidgets.QApplication.sendEvent(target, QtGui.QDragMoveEvent(place, copy, data, left, none))
    drop = QtGui.QDropEvent(QtCore.QPointF(place), copy, data, left, none)
    QtWidgets.QApplication.sendEvent(target, drop)
    return drop.isAccepted()


def require_reachable(widget: QtWidgets.QWidget) -> None:
    """Raise unless a user sees the widget and it takes input; scrolls the panel to it first."""
    name = f"{widget.metaObject().className()} {widget.objectName()!r}"
    if not widget.isVisible():
        raise NotClickableError(f"{name} is hidden")
    if not widget.isEnabled():
        raise NotClickableError(f"{name} is disabled")
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, QtWidgets.QScrollArea):
            parent.ensureWidgetVisible(widget)
        parent = parent.parentWidget()
    QtWidgets.QApplication.processEvents()
    if widget.visibleRegion().isEmpty():
        raise NotClickableError(f"{name} is covered or outside the window")


def _hot_spot(widget: QtWidgets.QWidget) -> QtCore.QPoint:
    """Check boxes react at their indicator and foldable sections at their title; the rest in the middle."""
    if isinstance(widget, (QtWidgets.QCheckBox, QtWidgets.QRadioButton)):
        return QtCore.QPoint(8, widget.height() // 2)
    if isinstance(widget, QtWidgets.QGroupBox):
        return QtCore.QPoint(14, 10)
    if hasattr(widget, "contentsCollapsed"):
        return QtCore.QPoint(widget.width() // 2, 8)
    return widget.rect().center()


def _move_with_button(widget: QtWidgets.QWidget, position: QtCore.QPoint) -> None:
    local = QtCore.QPointF(position)
    event = QtGui.QMouseEvent(
        QtCore.QEvent.Type.MouseMove,
        local,
        widget.mapToGlobal(local),
        QtCore.Qt.MouseButton.NoButton,
        QtCore.Qt.MouseButton.LeftButton,
        QtCore.Qt.KeyboardModifier.NoModifier,
    )
    QtWidgets.QApplication.sendEvent(widget, event)
