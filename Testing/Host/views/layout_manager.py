"""``slicer.app.layoutManager()``: puts views beside each other as the layout node says."""

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from Testing.Host.observers import Observers
from Testing.Host.views import render_area
from Testing.Host.views.plot_view import qMRMLPlotWidget
from Testing.Host.views.slice_view import qMRMLSliceWidget
from Testing.Host.views.table_widget import qMRMLTableWidget
from Testing.Host.views.threed_view import qMRMLThreeDWidget


class LayoutManager(QtCore.QObject):
    """Makes a widget for every view node of the layout, and keeps it when the layout changes.

    Descriptions of the layouts, and the view nodes they need, come from the real ``vtkMRMLLayoutLogic``; a layout of
    your own is registered on the layout node with ``AddLayoutDescription``, as in Slicer.
    """

    layoutChanged = QtCore.Signal(int)
    activeMRMLThreeDViewNodeChanged = QtCore.Signal(object)
    activeMRMLPlotViewNodeChanged = QtCore.Signal(object)

    def __init__(self, scene: Any, application_logic: Any, viewport: QtWidgets.QWidget):
        super().__init__()
        self._scene = scene
        self._application_logic = application_logic
        self._viewport = viewport
        self._widgets: dict[str, QtWidgets.QWidget] = {}
        self._shown: tuple[int, str] | None = None
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        self._logic.SetMRMLScene(scene)
        self._node = self._logic.GetLayoutNode()
        self._observers = Observers(self)
        self._observers.add(self._node, vtk.vtkCommand.ModifiedEvent, self._update)
        self._parking = QtWidgets.QWidget(viewport)  # for views that the layout does not show
        self._parking.hide()
        box = QtWidgets.QVBoxLayout(viewport)
        box.setContentsMargins(0, 0, 0, 0)
        self._update()

    # --- the layout ---

    def _update(self) -> None:
        arrangement = self._node.GetViewArrangement()
        state = (arrangement, self._node.GetCurrentLayoutDescription() or "")
        if state == self._shown or self._node.GetLayoutRootElement() is None:
            return
        self._shown = state
        self._clear()
        content = self._build(self._node.GetLayoutRootElement())
        self._viewport.layout().addWidget(content)
        for widget in [content, *self._widgets.values()]:
            if widget.parent() is not self._parking:
                widget.show()
        self.layoutChanged.emit(arrangement)

    def _clear(self) -> None:
        for widget in self._widgets.values():
            widget.setParent(self._parking)
        box = self._viewport.layout()
        while box.count():
            item = box.takeAt(0)
            if item.widget() is not None and item.widget() not in self._widgets.values():
                item.widget().deleteLater()

    def _build(self, element: Any) -> QtWidgets.QWidget:
        if element.GetName() == "view":
            return self._view(element)
        kind = element.GetAttribute("type") or "vertical"
        items = [element.GetNestedElement(index) for index in range(element.GetNumberOfNestedElements())]
        if kind == "tab":
            tabs = QtWidgets.QTabWidget()
            for item in items:
                tabs.addTab(self._build(item.GetNestedElement(0)), item.GetAttribute("name") or "")
            return tabs
        if kind == "grid":
            return self._grid(items)
        splitter = QtWidgets.QSplitter(
            QtCore.Qt.Orientation.Horizontal if kind == "horizontal" else QtCore.Qt.Orientation.Vertical
        )
        splitter.setHandleWidth(3)
        splitter.setChildrenCollapsible(False)
        for index, item in enumerate(items):
            splitter.addWidget(self._build(item.GetNestedElement(0)))
            splitter.setStretchFactor(index, int(item.GetAttribute("splitSize") or 1))
        splitter.setSizes([int(item.GetAttribute("splitSize") or 500) for item in items])
        return splitter

    def _grid(self, items: list[Any]) -> QtWidgets.QWidget:
        panel = QtWidgets.QWidget()
        grid = QtWidgets.QGridLayout(panel)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        for item in items:
            place = [int(item.GetAttribute(name) or 0) for name in ("row", "column")]
            grid.addWidget(self._build(item.GetNestedElement(0)), *place)
        return panel

    def _view(self, element: Any) -> QtWidgets.QWidget:
        node = self._logic.GetViewFromElement(element)
        if node.GetID() not in self._widgets:
            self._widgets[node.GetID()] = self._make(node)
        return self._widgets[node.GetID()]

    def _make(self, node: Any) -> QtWidgets.QWidget:
        if node.IsA("vtkMRMLSliceNode"):
            return qMRMLSliceWidget(node, self._application_logic)
        if node.IsA("vtkMRMLViewNode"):
            return qMRMLThreeDWidget(node, self._application_logic)
        if node.IsA("vtkMRMLPlotViewNode"):
            return qMRMLPlotWidget(node)
        if node.IsA("vtkMRMLTableViewNode"):
            return qMRMLTableWidget(node)
        raise ValueError(f"the host has no view for {node.GetClassName()}")

    def setLayout(self, arrangement: int) -> None:
        """Show a layout: one of ``slicer.vtkMRMLLayoutNode.SlicerLayout...`` or a registered one."""
        self._node.SetViewArrangement(arrangement)

    layout = QtCore.Property(int, lambda self: self._node.GetViewArrangement(), setLayout)

    def layoutLogic(self) -> Any:
        """The logic that knows the layouts."""
        return self._logic

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._scene

    def viewport(self) -> QtWidgets.QWidget:
        """The widget that holds all views."""
        return self._viewport

    # --- the views ---

    def _of(self, kind: type) -> list[Any]:
        return [widget for widget in self._widgets.values() if isinstance(widget, kind)]

    def sliceViewNames(self) -> list[str]:
        """Names of the slice views made so far."""
        return [widget.mrmlSliceNode().GetLayoutName() for widget in self._of(qMRMLSliceWidget)]

    def sliceWidget(self, name: str) -> Any:
        """The slice view of a name such as "Red", or None."""
        found = (each for each in self._of(qMRMLSliceWidget) if each.mrmlSliceNode().GetLayoutName() == name)
        return next(found, None)

    threeDViewCount = QtCore.Property(int, lambda self: len(self._of(qMRMLThreeDWidget)))
    plotViewCount = QtCore.Property(int, lambda self: len(self._of(qMRMLPlotWidget)))
    tableViewCount = QtCore.Property(int, lambda self: len(self._of(qMRMLTableWidget)))

    def threeDWidget(self, index: int) -> Any:
        """The n-th 3D view, or None."""
        return _nth(self._of(qMRMLThreeDWidget), index)

    def plotWidget(self, index: int) -> Any:
        """The n-th plot view, or None."""
        return _nth(self._of(qMRMLPlotWidget), index)

    def tableWidget(self, index: int) -> Any:
        """The n-th table view, or None."""
        return _nth(self._of(qMRMLTableWidget), index)

    def viewWidget(self, node: Any) -> Any:
        """The view of a node, or None."""
        return self._widgets.get(node.GetID())

    def activeMRMLThreeDViewNode(self) -> Any:
        """Node of the first 3D view, or None."""
        widget = self.threeDWidget(0)
        return widget.mrmlViewNode() if widget is not None else None

    def activeMRMLPlotViewNode(self) -> Any:
        """Node of the first plot view, or None."""
        widget = self.plotWidget(0)
        return widget.mrmlPlotViewNode() if widget is not None else None

    def mrmlSliceLogics(self) -> Any:
        """Logics of all slice views."""
        return self._application_logic.GetSliceLogics()

    def mrmlViewLogics(self) -> Any:
        """Logics of all 3D views."""
        return self._application_logic.GetViewLogics()

    def resetSliceViews(self) -> None:
        """Show whole volumes in the slice views."""
        for widget in self._of(qMRMLSliceWidget):
            widget.sliceLogic().FitSliceToAll()

    def resetThreeDViews(self) -> None:
        """Look at everything in the 3D views."""
        for widget in self._of(qMRMLThreeDWidget):
            widget.threeDView().resetFocalPoint()
            widget.threeDView().resetCamera()

    def pauseRender(self) -> None:
        """Render no view until ``resumeRender``."""
        render_area.pause()

    def resumeRender(self) -> None:
        """Render again."""
        render_area.resume()

    def setRenderPaused(self, paused: bool) -> None:
        """Either of the two."""
        (render_area.pause if paused else render_area.resume)()


def finalize(manager: LayoutManager) -> None:
    """Release the graphics of all views."""
    for widget in manager._widgets.values():
        for area in widget.findChildren(render_area.RenderArea):
            area.finalize()


def _nth(widgets: list[Any], index: int) -> Any:
    return widgets[index] if 0 <= index < len(widgets) else None
