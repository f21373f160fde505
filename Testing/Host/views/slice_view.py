"""A slice view: volumes, segmentations, models and crosshair as Slicer draws them."""

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from Testing.Host.observers import Observers
from Testing.Host.views import managers
from Testing.Host.views.render_area import RenderArea
from Testing.Host.views.view_bar import ViewBar

_LETTERS = {"Axial": ("S", "I"), "Coronal": ("A", "P"), "Sagittal": ("R", "L")}


class qMRMLSliceView(RenderArea):
    """The picture of a slice view."""

    def __init__(self, node: Any, logic: Any, application_logic: Any, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._node = node
        self._logic = logic
        self._observers = Observers(self)
        self._image = vtk.vtkActor2D()
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        self._image.SetMapper(mapper)
        self._image.GetProperty().SetDisplayLocationToBackground()
        self.vtk_renderer.AddViewProp(self._image)
        self.vtk_renderer.SetBackground(0, 0, 0)
        self._group = managers.group(
            "vtkMRMLSliceViewDisplayableManagerFactory", managers.SLICE, application_logic, self.vtk_renderer
        )
        self._group.SetMRMLDisplayableNode(node)
        logic.SetDisplayableManagerGroup(self._group)
        self._style = slicer.vtkMRMLSliceViewInteractorStyle()
        self._style.SetSliceLogic(logic)
        self._style.SetDisplayableManagers(self._group)
        self._style.SetInteractor(self.vtk_interactor)
        self._observers.add(self._group, vtk.vtkCommand.UpdateEvent, self.schedule)
        for subject in (logic, node, logic.GetSliceCompositeNode()):
            self._observers.add(subject, vtk.vtkCommand.ModifiedEvent, self._changed)
        self.resized.connect(self._fit)
        self._changed()

    def _fit(self, width: int, height: int) -> None:
        self._logic.ResizeSliceNode(width, height)

    def _changed(self) -> None:
        connection = self._logic.GetImageDataConnection()
        self._image.SetVisibility(connection is not None)
        self._image.GetMapper().SetInputConnection(connection)
        self.schedule()

    def mrmlSliceNode(self) -> Any:
        """The node it shows."""
        return self._node

    def renderWindow(self) -> Any:
        """The VTK window."""
        return self.render_window

    def interactor(self) -> Any:
        """The VTK interactor."""
        return self.vtk_interactor

    def interactorStyle(self) -> Any:
        """What interprets the mouse."""
        return self._style

    def sliceViewInteractorStyle(self) -> Any:
        """What interprets the mouse."""
        return self._style

    def forceRender(self) -> None:
        """Render now."""
        self.schedule()
        self.picture()

    def scheduleRender(self) -> None:
        """Render soon."""
        self.schedule()

    def displayableManagerByClassName(self, name: str) -> Any:
        """One of the displayable managers."""
        return self._group.GetDisplayableManagerByClassName(name)

    def convertRASToXYZ(self, ras: Any) -> list[float]:
        """Position in the view of a point in world coordinates."""
        matrix = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self._node.GetXYToRAS(), matrix)
        return list(matrix.MultiplyPoint([*ras, 1.0])[:3])

    def convertXYZToRAS(self, xyz: Any) -> list[float]:
        """World coordinates of a position in the view."""
        return list(self._node.GetXYToRAS().MultiplyPoint([*xyz, 1.0])[:3])


class qMRMLSliceWidget(QtWidgets.QWidget):
    """A slice view with its bar."""

    def __init__(self, node: Any, application_logic: Any, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._node = node
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        self._logic.SetMRMLScene(node.GetScene())
        self._logic.SetSliceNode(node)
        application_logic.GetSliceLogics().AddItem(self._logic)
        self._bar = ViewBar(node.GetLayoutLabel() or node.GetLayoutName(), _color(node), slider=True, parent=self)
        self._bar.moved.connect(self._logic.SetSliceOffset)
        self._view = qMRMLSliceView(node, self._logic, application_logic, self)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._bar)
        layout.addWidget(self._view, 1)
        self._observers = Observers(self)
        for subject in (node, self._logic):
            self._observers.add(subject, vtk.vtkCommand.ModifiedEvent, self._show_offset)
        self._show_offset()

    def _show_offset(self) -> None:
        limits, resolution = [0.0, 0.0], vtk.reference(1.0)
        if not self._logic.GetSliceOffsetRangeResolution(limits, resolution):
            limits, resolution = [-50.0, 50.0], 1.0
        offset = self._logic.GetSliceOffset()
        positive, negative = _LETTERS.get(self._node.GetOrientation(), ("", ""))
        self._bar.show_offset(offset, limits[0], limits[1], float(resolution), positive if offset >= 0 else negative)

    def sliceView(self) -> qMRMLSliceView:
        """The picture below the bar."""
        return self._view

    viewWidget = sliceView

    def sliceLogic(self) -> Any:
        """The logic of the slice."""
        return self._logic

    logic = sliceLogic

    def mrmlSliceNode(self) -> Any:
        """The node of the slice."""
        return self._node

    mrmlAbstractViewNode = mrmlSliceNode

    def mrmlSliceCompositeNode(self) -> Any:
        """Which volumes it shows."""
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        """Show the whole background volume."""
        self._logic.FitSliceToBackground()

    def setSliceOrientation(self, orientation: str) -> None:
        """Axial, Coronal or Sagittal."""
        self._node.SetOrientation(orientation)

    sliceOrientation = QtCore.Property(str, lambda self: self._node.GetOrientation(), setSliceOrientation)
    sliceViewName = QtCore.Property(str, lambda self: self._node.GetLayoutName())

    def controllerWidget(self) -> ViewBar:
        """The bar."""
        return self._bar

    sliceController = controllerWidget


def _color(node: Any) -> QtGui.QColor:
    return QtGui.QColor.fromRgbF(*node.GetLayoutColor())
