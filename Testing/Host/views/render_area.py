"""A widget that shows what VTK renders off screen, and hands the mouse to VTK."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from vtkmodules.util.numpy_support import vtk_to_numpy

_PRESS = {
    QtCore.Qt.MouseButton.LeftButton: "LeftButtonPressEvent",
    QtCore.Qt.MouseButton.MiddleButton: "MiddleButtonPressEvent",
    QtCore.Qt.MouseButton.RightButton: "RightButtonPressEvent",
}
_pause = {"count": 0}


def pause() -> None:
    """Render no view until ``resume``; calls nest."""
    _pause["count"] += 1


def resume() -> None:
    """Render again."""
    _pause["count"] = max(0, _pause["count"] - 1)
    if not _pause["count"]:
        for widget in QtWidgets.QApplication.allWidgets():
            if isinstance(widget, RenderArea):
                widget.update()


@dataclass
class Spent:
    """Seconds that all drawing has taken so far: by the clock, and of the processor in the main thread."""

    wall: float = 0.0
    processor: float = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Add what is done inside."""
        wall, processor = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.wall += time.perf_counter() - wall
            self.processor += time.thread_time() - processor


spent = Spent()


class RenderArea(QtWidgets.QWidget):
    """An off-screen VTK window of the widget's size; ``schedule`` renders it at the next paint event."""

    resized = QtCore.Signal(int, int)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self.setMinimumSize(60, 60)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.render_window = vtk.vtkRenderWindow()
        self.render_window.SetOffScreenRendering(1)
        self.render_window.SetMultiSamples(0)
        self.render_window.SetSize(300, 300)
        self.vtk_renderer = vtk.vtkRenderer()
        self.render_window.AddRenderer(self.vtk_renderer)
        self.vtk_interactor = vtk.vtkGenericRenderWindowInteractor()
        self.vtk_interactor.SetRenderWindow(self.render_window)
        self.vtk_interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())  # the MRML style takes the events
        self.vtk_interactor.Initialize()
        self._dirty = True
        self._rendering = False
        self._picture = QtGui.QImage()
        self.renders = 0

    def schedule(self, *_: Any) -> None:
        """Render soon. Displayable managers ask for it during a rendering too: that one is up to date."""
        if not self._rendering:
            self._dirty = True
            self.update()

    def picture(self) -> QtGui.QImage:
        """What the view shows, rendered now if it is out of date."""
        if self._dirty and not _pause["count"]:
            self._render()
        return self._picture

    def pixels(self) -> np.ndarray:
        """(height, width, 3) uint8, top row first."""
        picture = self.picture().convertToFormat(QtGui.QImage.Format.Format_RGB888)
        rows = np.frombuffer(picture.constBits(), np.uint8).reshape(picture.height(), picture.bytesPerLine())
        return rows[:, : 3 * picture.width()].reshape(picture.height(), picture.width(), 3).copy()

    def _render(self) -> None:
        self._rendering = True
        try:
            with spent.counted():
                self.render_window.Render()
                self._picture = _image(self.render_window)
            self.renders += 1
            self._dirty = False
        finally:
            self._rendering = False

    def finalize(self) -> None:
        """Release the graphics resources before Qt and VTK go away."""
        self.vtk_interactor.SetInteractorStyle(None)
        self.render_window.Finalize()

    # --- Qt events ---

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        QtGui.QPainter(self).drawImage(0, 0, self.picture())

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        width, height = max(self.width(), 1), max(self.height(), 1)
        self.render_window.SetSize(width, height)
        self.vtk_interactor.UpdateSize(width, height)
        self.resized.emit(width, height)
        self.schedule()

    def _tell(self, event: QtGui.QSinglePointEvent, name: str, repeat: int = 0) -> None:
        modifiers = event.modifiers()
        control = bool(modifiers & QtCore.Qt.KeyboardModifier.ControlModifier)
        shift = bool(modifiers & QtCore.Qt.KeyboardModifier.ShiftModifier)
        position = event.position()
        x, y = round(position.x()), self.height() - 1 - round(position.y())
        self.vtk_interactor.SetEventInformation(x, y, control, shift, "\0", repeat, "")
        self.vtk_interactor.InvokeEvent(name)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        if event.button() in _PRESS:
            self._tell(event, _PRESS[event.button()])

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent) -> None:
        if event.button() in _PRESS:
            self._tell(event, _PRESS[event.button()].replace("Press", "Release"))

    def mouseDoubleClickEvent(self, event: QtGui.QMouseEvent) -> None:
        if event.button() in _PRESS:
            self._tell(event, _PRESS[event.button()].replace("PressEvent", "DoubleClickEvent"))

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        self._tell(event, "MouseMoveEvent")

    def wheelEvent(self, event: QtGui.QWheelEvent) -> None:
        forward = event.angleDelta().y() > 0
        self._tell(event, "MouseWheelForwardEvent" if forward else "MouseWheelBackwardEvent")

    def enterEvent(self, event: QtGui.QEnterEvent) -> None:
        self._tell(event, "EnterEvent")

    def leaveEvent(self, event: QtCore.QEvent) -> None:
        self.vtk_interactor.InvokeEvent("LeaveEvent")


def _image(window: vtk.vtkRenderWindow) -> QtGui.QImage:
    width, height = window.GetSize()
    values = vtk.vtkUnsignedCharArray()
    window.GetPixelData(0, 0, width - 1, height - 1, 0, values, 0)
    rows = np.ascontiguousarray(vtk_to_numpy(values).reshape(height, width, 3)[::-1])
    return QtGui.QImage(rows.data, width, height, 3 * width, QtGui.QImage.Format.Format_RGB888).copy()
